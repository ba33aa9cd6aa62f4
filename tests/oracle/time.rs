//! Ticks: sources, equations, arrivals, what spikes do, resets, records, in this order.

use std::collections::BTreeMap;

use nmc_compiler::forms::equations::{Change, Dynamics, Emission, Symbol};
use nmc_compiler::forms::network::{Connection, Network, Node, NodeId, Operator, PopulationKind};
use nmc_compiler::forms::plan::{InputData, Phase, PhaseKind};
use nmc_runtime::{Recorded, Results};

use super::Case;
use super::expression::{drawn, nothing};
use super::integrate::Scheme;
use super::synapses::Synapse;

/// A neuron: what changes of it.
#[derive(Debug, Clone)]
pub(super) struct Neuron {
    pub(super) states: Vec<f64>,
    /// For each state the tick from which it is free.
    pub(super) free: Vec<u64>,
    /// Whether its condition held in the tick before.
    pub(super) was: bool,
    /// Spikes in this tick.
    pub(super) spikes: usize,
}

/// What changes of a synapse, besides its weight.
#[derive(Debug, Clone)]
pub(super) struct Gap {
    pub(super) states: Vec<f64>,
    /// Ticks in which spikes arrive, as they were sent.
    pub(super) due: Vec<u64>,
}

/// All that changes, besides weights.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) neurons: BTreeMap<NodeId, Vec<Neuron>>,
    pub(super) gaps: Vec<Vec<Gap>>,
    pub(super) tick: u64,
    /// What draws hang on: the number of the sample, its ticks before this phase, and the tick.
    pub(super) sample: u64,
    pub(super) before: u64,
    pub(super) draws: u64,
}

/// An experiment under way.
pub struct Simulation<'a> {
    pub(super) case: &'a Case,
    pub(super) dt: f64,
    pub(super) populations: BTreeMap<NodeId, (&'a Node, &'a Dynamics)>,
    pub(super) schemes: BTreeMap<NodeId, Scheme>,
    pub(super) synapses: Vec<Vec<Synapse>>,
    pub(super) weights: Vec<Vec<f64>>,
    /// Of drawn sources: who spiked, by recorded tick.
    pub(super) drawn: BTreeMap<NodeId, BTreeMap<u64, Vec<usize>>>,
    pub(super) shown: BTreeMap<NodeId, Vec<f64>>,
    pub records: BTreeMap<String, Recorded>,
    pub spikes: BTreeMap<String, usize>,
}

impl<'a> Simulation<'a> {
    /// Ready for the first phase; which spikes were drawn is taken from the results of a run.
    pub fn new(case: &'a Case, results: &Results) -> Self {
        let network = &case.mapped.network;
        let mut populations = BTreeMap::new();
        for id in network.graph.node_indices() {
            let node = &network.graph[id];
            if let Operator::Population { dynamics, .. } = &node.operator {
                assert!(dynamics.states.iter().all(|state| state.noise.is_none()), "white noise is not drawn here");
                populations.insert(id, (node, dynamics));
            }
        }
        let mut drawn = BTreeMap::new();
        for (&id, (node, dynamics)) in &populations {
            if matches!(dynamics.emission, Some(Emission::Poisson { .. })) {
                let name = format!("{}.spikes", node.name);
                let found = results.recordings.iter().find(|recording| recording.name == name);
                let Some(Recorded::Spikes { neuron, step, .. }) = found.map(|found| &found.values) else {
                    panic!("{name} is not recorded\n{}", case.text)
                };
                let mut by_tick: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
                step.iter().zip(neuron).for_each(|(&step, &one)| by_tick.entry(step).or_default().push(one as usize));
                drawn.insert(id, by_tick);
            }
        }
        let synapses: Vec<Vec<Synapse>> = network.connections.iter().map(|one| case.synapses(one)).collect();
        let weights = synapses.iter().map(|all| all.iter().map(|synapse| synapse.weight).collect()).collect();
        let mut simulation = Simulation {
            case,
            dt: case.mapped.plan.step.unwrap(),
            populations,
            schemes: BTreeMap::new(),
            synapses,
            weights,
            drawn,
            shown: BTreeMap::new(),
            records: BTreeMap::new(),
            spikes: BTreeMap::new(),
        };
        simulation.schemes = simulation.populations.keys().map(|&id| (id, simulation.scheme(id))).collect();
        simulation
    }

    /// Does all phases.
    pub fn run(&mut self) {
        let plan = &self.case.mapped.plan;
        let (mut series, mut heard, mut recorded, mut samples, mut presented) = (None, 0, 0, 0_usize, 0);
        let mut ran: Option<(u64, u64)> = None;
        for phase in &plan.phases {
            assert!(phase.kind != PhaseKind::Train, "training is not done here");
            let ticks = (phase.duration.unwrap() / self.dt).round() as u64;
            for row in 0..phase.samples {
                let number = presented + row as u64;
                let afresh = !phase.sequence || row == 0 && (phase.restart || series.is_none());
                let kept = if phase.sequence { series.take() } else { None };
                let mut state = match kept.filter(|_| !afresh) {
                    Some(state) => state,
                    None => self.afresh(number),
                };
                if phase.sequence && afresh {
                    (heard, ran) = (0, None);
                }
                (state.sample, state.before) = (number, 0);
                if let (PhaseKind::Run, Some((number, ticks)), true) = (phase.kind, ran, phase.sequence) {
                    (state.sample, state.before) = (number, ticks);
                }
                self.begin(phase, row, &mut state);
                for within in 0..ticks {
                    let listened = if phase.sequence { heard + within } else { within };
                    self.tick(phase, &mut state, within, recorded, listened);
                    recorded += 1;
                }
                self.outputs(&state, samples);
                samples += 1;
                if phase.sequence {
                    heard += ticks;
                    ran = (phase.kind == PhaseKind::Run).then_some((state.sample, state.before + ticks));
                    series = Some(state);
                }
            }
            presented += phase.samples as u64;
        }
        self.end(recorded);
    }

    pub(super) fn network(&self) -> &'a Network {
        &self.case.mapped.network
    }

    /// The state that a sample starts from.
    fn afresh(&self, sample: u64) -> State {
        let mut neurons = BTreeMap::new();
        for (&id, (node, dynamics)) in &self.populations {
            let one = |index| Neuron {
                states: self.start(node, dynamics, id, index, sample),
                free: vec![0; dynamics.states.len()],
                was: false,
                spikes: 0,
            };
            neurons.insert(id, (0..node.len()).map(one).collect());
        }
        let gaps = self.network().connections.iter().zip(&self.synapses).map(|(connection, all)| {
            let one = |(index, synapse): (usize, &Synapse)| {
                let states = connection.dynamics.states.iter().zip(&synapse.initial).enumerate();
                let state = |(number, (state, &once)): (usize, (&nmc_compiler::forms::equations::State, &f64))| {
                    let changed = |change: &Change| change.target == Symbol::State(number);
                    let dynamics = &connection.dynamics;
                    let moves =
                        state.derivative.is_some() || dynamics.on_pre.iter().chain(&dynamics.on_post).any(changed);
                    if !moves {
                        return once;
                    }
                    let name = format!("{}.{}.start", connection.name, state.name);
                    let of = |symbol| match symbol {
                        Symbol::SourceIndex => synapse.source as f64,
                        Symbol::TargetIndex => synapse.target as f64,
                        Symbol::TimeStep => self.dt,
                        other => nothing(other),
                    };
                    drawn(&state.initial, &of, &mut |normal, number| {
                        self.case.draw(&name, index, (normal, number), (0, sample))
                    })
                };
                Gap { states: states.map(state).collect(), due: Vec::new() }
            };
            all.iter().enumerate().map(one).collect()
        });
        State { neurons, gaps: gaps.collect(), tick: 0, sample, before: 0, draws: 0 }
    }

    /// Initial states of a neuron: those that something changes are drawn for each sample, parameters once.
    pub(super) fn start(&self, node: &Node, dynamics: &Dynamics, id: NodeId, index: usize, sample: u64) -> Vec<f64> {
        let changed = |number: usize| {
            let own = |change: &Change| change.target == Symbol::State(number);
            let by_rule = |connection: &Connection| {
                let mut changes = connection.dynamics.on_pre.iter().chain(&connection.dynamics.on_post);
                changes.any(|change| {
                    connection.target == id && change.target == Symbol::Post(number)
                        || connection.source == id && change.target == Symbol::Pre(number)
                })
            };
            let reset = matches!(&dynamics.emission, Some(Emission::When { resets, .. }) if resets.iter().any(own))
                || dynamics.events.iter().any(|event| event.changes.iter().any(own));
            let state = &dynamics.states[number];
            state.derivative.is_some()
                || reset
                || dynamics.on_pre.iter().any(own)
                || self.network().connections.iter().any(by_rule)
        };
        // States may start from others.
        let mut states = vec![0.0; dynamics.states.len()];
        for _ in 0..2 {
            let before = states.clone();
            for (number, state) in dynamics.states.iter().enumerate() {
                let name = format!("{}.{}.start", node.name, state.name);
                let of = |symbol| match symbol {
                    Symbol::State(other) => before[other],
                    Symbol::Index => index as f64,
                    Symbol::TimeStep => self.dt,
                    other => nothing(other),
                };
                let sample = if changed(number) { sample } else { 0 };
                states[number] = drawn(&state.initial, &of, &mut |normal, number| {
                    self.case.draw(&name, index, (normal, number), (0, sample))
                });
            }
        }
        states
    }

    fn begin(&mut self, phase: &Phase, row: usize, state: &mut State) {
        for (id, data) in &phase.inputs {
            if let InputData::Values(tensor) = data {
                let len = self.network().graph[*id].len();
                let data = &self.case.tensors[tensor.index()].data;
                self.shown.insert(*id, (0..len).map(|at| data.get(row * len + at)).collect());
            }
        }
        for (&id, (node, dynamics)) in &self.populations {
            if matches!(node.operator, Operator::Population { kind: PopulationKind::Decoder, .. }) {
                for index in 0..node.len() {
                    let fresh = self.start(node, dynamics, id, index, state.sample);
                    state.neurons.get_mut(&id).unwrap()[index].states = fresh;
                }
            }
        }
    }

    fn tick(&mut self, phase: &Phase, state: &mut State, within: u64, recorded: u64, heard: u64) {
        let fed: BTreeMap<NodeId, Vec<Vec<f64>>> =
            self.populations.keys().map(|&id| (id, self.fed(state, id))).collect();
        for neurons in state.neurons.values_mut() {
            neurons.iter_mut().for_each(|neuron| neuron.spikes = 0);
        }
        state.draws = state.before + within;
        self.sources(phase, state, &fed, within, recorded);
        self.integrate(state, &fed);
        let happening = self.happening(state, &fed);
        self.deliver(state);
        self.on_post(state);
        self.reset(state, &fed);
        self.happen(state, &fed, &happening);
        self.record(state, &fed, recorded, heard);
        state.tick += 1;
    }
}
