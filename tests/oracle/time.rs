//! Ticks: sources, equations, arrivals, what spikes do, resets, records, in this order.

use std::collections::BTreeMap;

use nmc_compiler::forms::equations::{Change, Dynamics, Emission, Expr, Method, Symbol};
use nmc_compiler::forms::network::{
    Connection, Logical, Network, Node, NodeId, Operator, PopulationKind, Probed, Weights,
};
use nmc_compiler::forms::plan::{InputData, Phase, PhaseKind};
use nmc_compiler::graph;
use nmc_runtime::{Recorded, Results};

use super::Case;
use super::expression::{drawn, nothing, value};
use super::integrate::{Scheme, scheme, step};
use super::synapses::Synapse;

/// A neuron: what changes of it.
#[derive(Debug, Clone)]
struct Neuron {
    states: Vec<f64>,
    /// For each state the tick from which it is free.
    free: Vec<u64>,
    /// Whether its condition held in the tick before.
    was: bool,
    /// Spikes in this tick.
    spikes: usize,
}

/// What changes of a synapse, besides its weight.
#[derive(Debug, Clone)]
struct Gap {
    states: Vec<f64>,
    /// Ticks in which spikes arrive, as they were sent.
    due: Vec<u64>,
}

/// All that changes, besides weights.
#[derive(Debug, Clone)]
struct State {
    neurons: BTreeMap<NodeId, Vec<Neuron>>,
    gaps: Vec<Vec<Gap>>,
    tick: u64,
    /// What draws hang on: the number of the sample, its ticks before this phase, and the tick.
    sample: u64,
    before: u64,
    draws: u64,
}

/// An experiment under way.
pub struct Simulation<'a> {
    case: &'a Case,
    dt: f64,
    populations: BTreeMap<NodeId, (&'a Node, &'a Dynamics)>,
    schemes: BTreeMap<NodeId, Scheme>,
    synapses: Vec<Vec<Synapse>>,
    weights: Vec<Vec<f64>>,
    /// Of drawn sources: who spiked, by recorded tick.
    drawn: BTreeMap<NodeId, BTreeMap<u64, Vec<usize>>>,
    shown: BTreeMap<NodeId, Vec<f64>>,
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

    fn network(&self) -> &'a Network {
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
    fn start(&self, node: &Node, dynamics: &Dynamics, id: NodeId, index: usize, sample: u64) -> Vec<f64> {
        let changed = |number: usize| {
            let own = |change: &Change| change.target == Symbol::State(number);
            let by_rule = |connection: &Connection| {
                let mut changes = connection.dynamics.on_pre.iter().chain(&connection.dynamics.on_post);
                connection.target == id && changes.any(|change| change.target == Symbol::Post(number))
            };
            let reset = matches!(&dynamics.emission, Some(Emission::When { resets, .. }) if resets.iter().any(own));
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

    /// The value of a signal.
    fn signal(&self, state: &State, id: NodeId) -> Vec<f64> {
        let (network, node) = (self.network(), &self.network().graph[id]);
        let operands =
            || graph::operands(network, id).into_iter().map(|from| self.signal(state, from)).collect::<Vec<_>>();
        let tensor = |id: nmc_program::TensorId| &self.case.tensors[id.index()].data;
        match &node.operator {
            Operator::Input => self.shown.get(&id).cloned().unwrap_or_else(|| vec![0.0; node.len()]),
            Operator::Output | Operator::Reshape | Operator::Concat => operands().concat(),
            Operator::Slice { start } => operands()[0][*start..start + node.len()].to_vec(),
            Operator::Dense { weights: Weights::Given(weights), bias } => {
                let (x, weights) = (&operands()[0], tensor(*weights));
                let row = |output: usize| {
                    let products = x.iter().enumerate().map(|(input, x_i)| weights.get(output * x.len() + input) * x_i);
                    products.sum::<f64>() + bias.map_or(0.0, |bias| tensor(bias).get(output))
                };
                (0..node.len()).map(row).collect()
            }
            Operator::Dense { .. } => panic!("fitted layers are not known here"),
            Operator::Elementwise { body, .. } => {
                let operands = operands();
                let one = |index: usize| {
                    value(body, &|symbol| match symbol {
                        Symbol::Input(n) => operands[n][if operands[n].len() == 1 { 0 } else { index }],
                        other => nothing(other),
                    })
                };
                (0..node.len()).map(one).collect()
            }
            Operator::Population { dynamics, .. } => self.read(state, id, &dynamics.outputs[0].1),
            Operator::Read { expression } => self.read(state, graph::operands(network, id)[0], expression),
        }
    }

    fn read(&self, state: &State, id: NodeId, expr: &Expr) -> Vec<f64> {
        let fed = self.fed(state, id);
        let one = |index| self.of_neuron(state, id, index, &fed, expr);
        (0..self.populations[&id].0.len()).map(one).collect()
    }

    /// The signals into each input of a population.
    fn fed(&self, state: &State, id: NodeId) -> Vec<Vec<f64>> {
        let (node, dynamics) = self.populations[&id];
        let mut fed = vec![vec![0.0; node.len()]; dynamics.inputs.len()];
        for (from, to, operand) in graph::signals(self.network()) {
            if to == id && operand < fed.len() {
                fed[operand] = self.signal(state, from);
                if fed[operand].len() == 1 {
                    fed[operand] = vec![fed[operand][0]; node.len()];
                }
            }
        }
        fed
    }

    /// The value of an expression at a neuron as it is now.
    fn of_neuron(&self, state: &State, id: NodeId, index: usize, fed: &[Vec<f64>], expr: &Expr) -> f64 {
        let inputs = self.inputs(state, id, index, fed);
        let states = &state.neurons[&id][index].states;
        value(expr, &|symbol| match symbol {
            Symbol::State(n) => states[n],
            Symbol::Input(n) => inputs[n],
            Symbol::Index => index as f64,
            Symbol::Time => state.tick as f64 * self.dt,
            Symbol::TimeStep => self.dt,
            other => nothing(other),
        })
    }

    /// Each input of a neuron: its signal and what its synapses give.
    fn inputs(&self, state: &State, id: NodeId, index: usize, fed: &[Vec<f64>]) -> Vec<f64> {
        let mut inputs: Vec<f64> = fed.iter().map(|values| values[index]).collect();
        let post = &state.neurons[&id][index].states;
        for (number, connection) in self.network().connections.iter().enumerate() {
            let (Some(port), true) = (connection.port, connection.target == id) else { continue };
            for (synapse, gap) in self.synapses[number].iter().zip(&state.gaps[number]) {
                if synapse.target == index {
                    inputs[port] += output(connection, &gap.states, post);
                }
            }
        }
        inputs
    }

    /// How a population is integrated: tried with one synapse of every connection that has an output.
    fn scheme(&self, id: NodeId) -> Scheme {
        let (_, dynamics) = self.populations[&id];
        let own = dynamics.states.len();
        let ends: Vec<&Connection> =
            self.network().connections.iter().filter(|one| one.target == id && one.port.is_some()).collect();
        let starts: Vec<usize> = ends
            .iter()
            .scan(own, |next, end| Some(std::mem::replace(next, *next + end.dynamics.states.len())))
            .collect();
        let len = own + ends.iter().map(|end| end.dynamics.states.len()).sum::<usize>();
        let at = |place: f64, index: usize, x: &[f64]| {
            let derivative = |dynamics: &Dynamics, number: usize, first: usize, inputs: &[f64]| {
                let expr = dynamics.states[number].derivative.as_ref()?;
                Some(value(expr, &|symbol| match symbol {
                    Symbol::State(n) => x[first + n],
                    Symbol::Input(n) => inputs[n],
                    Symbol::Post(n) => x[n],
                    Symbol::Weight | Symbol::Time | Symbol::Index => place,
                    Symbol::TimeStep => self.dt,
                    other => nothing(other),
                }))
            };
            if index < own {
                let mut inputs = vec![place; dynamics.inputs.len()];
                for (end, &first) in ends.iter().zip(&starts) {
                    inputs[end.port.unwrap()] += output(end, &x[first..first + end.dynamics.states.len()], &x[..own]);
                }
                return derivative(dynamics, index, 0, &inputs);
            }
            let which = starts.iter().rposition(|&first| first <= index).unwrap();
            derivative(&ends[which].dynamics, index - starts[which], starts[which], &[])
        };
        let found = scheme(len, own, dynamics.method, &at);
        assert!(found.rest.iter().all(|&index| index < own), "states of synapses are exact\n{}", self.case.text);
        found
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
        self.deliver(state);
        self.on_post(state);
        self.reset(state, &fed);
        self.record(state, &fed, recorded, heard);
        state.tick += 1;
    }

    /// Spikes that no condition makes.
    fn sources(
        &self,
        phase: &Phase,
        state: &mut State,
        fed: &BTreeMap<NodeId, Vec<Vec<f64>>>,
        within: u64,
        recorded: u64,
    ) {
        for (&id, (node, dynamics)) in &self.populations {
            let mut spikes = vec![0; node.len()];
            match &dynamics.emission {
                Some(Emission::Poisson { .. }) => {
                    self.drawn[&id].get(&recorded).into_iter().flatten().for_each(|&one| spikes[one] += 1);
                }
                Some(Emission::Once { at }) => {
                    for (index, spikes) in spikes.iter_mut().enumerate() {
                        let at = self.of_neuron(state, id, index, &fed[&id], at);
                        *spikes = usize::from(at >= 0.0 && (at / self.dt + 1e-6).floor() == within as f64);
                    }
                }
                Some(Emission::Given) => {
                    for (to, data) in &phase.inputs {
                        if let (InputData::Spikes { elements, steps }, true) = (data, *to == id) {
                            let [elements, steps] = [elements, steps].map(|of| &self.case.tensors[of.index()].data);
                            let now = (0..steps.len()).filter(|&at| steps.get(at) == within as f64);
                            now.for_each(|at| spikes[elements.get(at) as usize] += 1);
                        }
                    }
                }
                Some(Emission::When { .. }) | None => {}
            }
            let neurons = state.neurons.get_mut(&id).unwrap();
            neurons.iter_mut().zip(spikes).for_each(|(neuron, spikes)| neuron.spikes = spikes);
        }
    }

    /// Moves every state by a step, and finds who fires.
    fn integrate(&self, state: &mut State, fed: &BTreeMap<NodeId, Vec<Vec<f64>>>) {
        let before = state.clone();
        // Synapses that give nothing decay by themselves.
        for (number, connection) in self.network().connections.iter().enumerate().filter(|(_, c)| c.port.is_none()) {
            for (at, gap) in state.gaps[number].iter_mut().enumerate() {
                let weight = self.weights[number][at];
                let derivative = |index: usize, x: &[f64]| of_synapse(connection, index, x, weight, &[], self.dt);
                let moving = (0..gap.states.len()).filter(|&n| connection.dynamics.states[n].derivative.is_some());
                let scheme = Scheme { exact: moving.collect(), rest: Vec::new(), method: Method::Exact };
                gap.states = step(&derivative, &scheme, &gap.states, &|_| false, self.dt);
            }
        }
        for (&id, (node, dynamics)) in &self.populations {
            for index in 0..node.len() {
                self.integrate_one(&before, state, id, index, &fed[&id]);
                let Some(Emission::When { condition, edge, holds, .. }) = &dynamics.emission else { continue };
                let holds_now = self.of_neuron(state, id, index, &fed[&id], condition) != 0.0;
                let durations: Vec<(usize, f64)> = holds
                    .iter()
                    .map(|(held, seconds)| (*held, self.of_neuron(state, id, index, &fed[&id], seconds)))
                    .collect();
                let tick = state.tick;
                let neuron = &mut state.neurons.get_mut(&id).unwrap()[index];
                let held = neuron.free.iter().any(|&free| tick < free);
                let fires = holds_now && !held && !(*edge && neuron.was);
                neuron.was = holds_now;
                if fires {
                    neuron.spikes = 1;
                    for (held, seconds) in durations {
                        neuron.free[held] = tick + (seconds / self.dt).round().max(0.0) as u64;
                    }
                }
            }
        }
    }

    /// A neuron and the synapses that give something to it: one system.
    fn integrate_one(&self, before: &State, state: &mut State, id: NodeId, index: usize, fed: &[Vec<f64>]) {
        let (_, dynamics) = self.populations[&id];
        let own = dynamics.states.len();
        let mut places = Vec::new();
        let mut old = before.neurons[&id][index].states.clone();
        let connections = &self.network().connections;
        for (number, _) in connections.iter().enumerate().filter(|(_, c)| c.target == id && c.port.is_some()) {
            for (at, _) in self.synapses[number].iter().enumerate().filter(|(_, s)| s.target == index) {
                places.push((number, at, old.len()));
                old.extend(&before.gaps[number][at].states);
            }
        }
        let tick = state.tick;
        let free = before.neurons[&id][index].free.clone();
        let derivative = |which: usize, x: &[f64]| {
            if which >= own {
                let &(number, at, first) = places.iter().rev().find(|(_, _, first)| *first <= which).unwrap();
                let len = self.network().connections[number].dynamics.states.len();
                let weight = self.weights[number][at];
                return of_synapse(
                    &connections[number],
                    which - first,
                    &x[first..first + len],
                    weight,
                    &x[..own],
                    self.dt,
                );
            }
            let expr = dynamics.states[which].derivative.as_ref()?;
            let mut inputs: Vec<f64> = fed.iter().map(|values| values[index]).collect();
            for &(number, _, first) in &places {
                let len = connections[number].dynamics.states.len();
                inputs[connections[number].port.unwrap()] +=
                    output(&connections[number], &x[first..first + len], &x[..own]);
            }
            Some(value(expr, &|symbol| match symbol {
                Symbol::State(n) => x[n],
                Symbol::Input(n) => inputs[n],
                Symbol::Index => index as f64,
                Symbol::Time => tick as f64 * self.dt,
                Symbol::TimeStep => self.dt,
                other => nothing(other),
            }))
        };
        let found = &self.schemes[&id];
        let of_synapses = (own..old.len()).filter(|&which| derivative(which, &old).is_some());
        let exact = found.exact.iter().copied().filter(|&which| which < own).chain(of_synapses).collect();
        let scheme = Scheme { exact, rest: found.rest.clone(), method: found.method };
        let still = |which: usize| which < own && tick < free[which];
        let new = step(&derivative, &scheme, &old, &still, self.dt);
        for &(number, at, first) in &places {
            let gap = &mut state.gaps[number][at];
            let len = gap.states.len();
            gap.states.copy_from_slice(&new[first..first + len]);
        }
        let neuron = &mut state.neurons.get_mut(&id).unwrap()[index];
        neuron.states.copy_from_slice(&new[..own]);
        for which in (0..own).filter(|&which| !still(which)) {
            neuron.states[which] = self.bounded(dynamics, which, &neuron.states, neuron.states[which]);
        }
    }

    fn bounded(&self, dynamics: &Dynamics, which: usize, states: &[f64], now: f64) -> f64 {
        let Some((low, high)) = &dynamics.states[which].bounds else { return now };
        let of = |symbol| match symbol {
            Symbol::State(n) => states[n],
            other => nothing(other),
        };
        now.max(value(low, &of)).min(value(high, &of))
    }

    /// Spikes set out, and those due arrive: all first spikes of a tick, then all second ones.
    fn deliver(&mut self, state: &mut State) {
        let connections = &self.network().connections;
        for (number, connection) in connections.iter().enumerate() {
            for (synapse, gap) in self.synapses[number].iter().zip(&mut state.gaps[number]) {
                let spikes = state.neurons[&connection.source][synapse.source].spikes;
                gap.due.extend((0..spikes).map(|_| state.tick + synapse.delay));
            }
        }
        let mut more = true;
        let mut round = 0;
        while more {
            more = false;
            for (number, connection) in connections.iter().enumerate() {
                for at in 0..self.synapses[number].len() {
                    let gap = &mut state.gaps[number][at];
                    if let Some(place) = gap.due.iter().position(|&due| due == state.tick) {
                        gap.due.remove(place);
                        more = true;
                        self.change(state, (number, at), round, &connection.dynamics.on_pre);
                    }
                }
            }
            more |= self.decode(state, round);
            round += 1;
        }
    }

    /// Decoders take the spikes of the elements they belong to.
    fn decode(&self, state: &mut State, round: usize) -> bool {
        let mut any = false;
        for (&id, (node, dynamics)) in &self.populations {
            if !matches!(node.operator, Operator::Population { kind: PopulationKind::Decoder, .. }) {
                continue;
            }
            for index in 0..node.len() {
                if self.spikes_of(state, graph::operands(self.network(), id)[0], index) > round {
                    any = true;
                    for change in &dynamics.on_pre {
                        let after = self.of_neuron(state, id, index, &[], &change.value);
                        let Symbol::State(which) = change.target else { panic!("{change:?}") };
                        state.neurons.get_mut(&id).unwrap()[index].states[which] = after;
                    }
                }
            }
        }
        any
    }

    fn spikes_of(&self, state: &State, id: NodeId, index: usize) -> usize {
        let from = || graph::operands(self.network(), id)[0];
        match &self.network().graph[id].operator {
            Operator::Population { .. } => state.neurons[&id][index].spikes,
            Operator::Slice { start } => self.spikes_of(state, from(), start + index),
            Operator::Reshape | Operator::Output => self.spikes_of(state, from(), index),
            other => panic!("{other:?} does not spike"),
        }
    }

    /// What one event does at a synapse, change by change.
    fn change(&mut self, state: &mut State, (number, at): (usize, usize), round: usize, changes: &[Change]) {
        let connection = &self.network().connections[number];
        let (source, target) = (self.synapses[number][at].source, self.synapses[number][at].target);
        let dynamics = &connection.dynamics;
        let mut draws = 0;
        for change in changes {
            let own = state.gaps[number][at].states.clone();
            let pre = &state.neurons[&connection.source][source].states;
            let post = &state.neurons[&connection.target][target].states;
            let weight = self.weights[number][at];
            let of = |symbol| match symbol {
                Symbol::State(n) => own[n],
                Symbol::Weight => weight,
                Symbol::Pre(n) => pre[n],
                Symbol::Post(n) => post[n],
                Symbol::SourceIndex => source as f64,
                Symbol::TargetIndex => target as f64,
                Symbol::Time => state.tick as f64 * self.dt,
                Symbol::TimeStep => self.dt,
                other => nothing(other),
            };
            let within = |bounds: &Option<(Expr, _)>, now: f64| match bounds {
                Some((low, high)) => now.max(value(low, &of)).min(value(high, &of)),
                None => now,
            };
            let kernel = format!("{}: on pre", connection.name);
            let mut count = 0;
            let after = drawn(&change.value, &of, &mut |normal, number| {
                count = number + 1;
                let when = (state.draws, state.sample);
                self.case.draw_at(&kernel, at, (normal, draws + number), when, round)
            });
            draws += count;
            match change.target {
                Symbol::State(n) => state.gaps[number][at].states[n] = within(&dynamics.states[n].bounds, after),
                Symbol::Weight => self.weights[number][at] = within(&dynamics.weight_bounds, after),
                Symbol::Post(n) => {
                    let (_, of_target) = self.populations[&connection.target];
                    let tick = state.tick;
                    let neuron = &mut state.neurons.get_mut(&connection.target).unwrap()[target];
                    if tick >= neuron.free[n] {
                        neuron.states[n] = self.bounded(of_target, n, &neuron.states, after);
                    }
                }
                other => panic!("{other:?} is changed"),
            }
        }
    }

    fn on_post(&mut self, state: &mut State) {
        let connections = &self.network().connections;
        let most = state.neurons.values().flatten().map(|neuron| neuron.spikes).max().unwrap_or(0);
        for round in 0..most {
            for (number, connection) in connections.iter().enumerate() {
                for target in connection.target_range.0..connection.target_range.1 {
                    if state.neurons[&connection.target][target].spikes > round {
                        for at in 0..self.synapses[number].len() {
                            if self.synapses[number][at].target == target {
                                self.change(state, (number, at), round, &connection.dynamics.on_post);
                            }
                        }
                    }
                }
            }
        }
    }

    fn reset(&self, state: &mut State, fed: &BTreeMap<NodeId, Vec<Vec<f64>>>) {
        for (&id, (node, dynamics)) in &self.populations {
            let Some(Emission::When { resets, .. }) = &dynamics.emission else { continue };
            for index in 0..node.len() {
                if state.neurons[&id][index].spikes == 0 {
                    continue;
                }
                for change in resets {
                    let after = self.of_neuron(state, id, index, &fed[&id], &change.value);
                    let Symbol::State(which) = change.target else { panic!("{change:?}") };
                    let neuron = &mut state.neurons.get_mut(&id).unwrap()[index];
                    neuron.states[which] = self.bounded(dynamics, which, &neuron.states, after);
                }
            }
        }
    }

    fn record(&mut self, state: &State, fed: &BTreeMap<NodeId, Vec<Vec<f64>>>, recorded: u64, heard: u64) {
        for (id, (node, dynamics)) in &self.populations {
            if dynamics.emission.is_some() {
                let spikes: usize = state.neurons[id].iter().map(|neuron| neuron.spikes).sum();
                *self.spikes.entry(node.name.clone()).or_default() += spikes;
            }
        }
        for probe in &self.case.mapped.network.probes {
            let every = probe.every.map(|(seconds, _)| ((seconds / self.dt).round() as u64).max(1));
            let due = every.map_or(!matches!(probe.what, Probed::Weights(_)), |every| heard % every == 0);
            let time = recorded as f64 * self.dt;
            match &probe.what {
                Probed::Spikes => {
                    let empty = Recorded::Spikes { neuron: Vec::new(), step: Vec::new(), dt: self.dt };
                    let record = self.records.entry(probe.name.clone()).or_insert(empty);
                    let Recorded::Spikes { neuron, step, .. } = record else { panic!() };
                    for index in probe.range.0..probe.range.1 {
                        for _ in 0..state.neurons[&probe.node][index].spikes {
                            neuron.push(index as u32);
                            step.push(recorded);
                        }
                    }
                }
                Probed::Value(expr) if due => {
                    let one = |index| self.of_neuron(state, probe.node, index, &fed[&probe.node], expr);
                    let values = (probe.range.0..probe.range.1).map(one).collect();
                    self.keep(&probe.name, time, values);
                }
                Probed::State(number, which) if due => {
                    let values = self.of_connection(state, *number, *which);
                    self.keep(&probe.name, time, values);
                }
                Probed::Weights(number) if due => {
                    let weights = self.weights[*number].clone();
                    self.keep(&probe.name, time, weights);
                }
                Probed::Value(_) | Probed::State(..) | Probed::Weights(_) => {}
                Probed::Output => panic!("outputs are probed at the end"),
            }
        }
    }

    fn keep(&mut self, name: &str, time: f64, values: Vec<f64>) {
        let empty = Recorded::Values { times: Vec::new(), elements: values.len(), data: Vec::new() };
        let record = self.records.entry(name.to_string()).or_insert(empty);
        let Recorded::Values { times, data, .. } = record else { panic!() };
        times.push(time);
        data.extend(values);
    }

    /// A state of a connection as it is recorded: of each target the sum over its synapses where an output needs it, else one
    /// for each neuron of the side whose spikes change it; what no synapse knows is NaN.
    fn of_connection(&self, state: &State, number: usize, which: usize) -> Vec<f64> {
        let connection = &self.network().connections[number];
        let dynamics = &connection.dynamics;
        let changed = |changes: &[Change]| changes.iter().any(|change| change.target == Symbol::State(which));
        let all =
            self.synapses[number].iter().zip(&state.gaps[number]).map(|(synapse, gap)| (synapse, gap.states[which]));
        if connection.port.is_some()
            && !changed(&dynamics.on_post)
            && !["x", "y", "slow", "u"].contains(&dynamics.states[which].name.as_str())
        {
            let mut sums = vec![0.0; self.populations[&connection.target].0.len()];
            all.for_each(|(synapse, value)| sums[synapse.target] += value);
            return sums;
        }
        let source = changed(&dynamics.on_pre);
        let side = if source { connection.source } else { connection.target };
        let mut values = vec![f64::NAN; self.populations[&side].0.len()];
        all.for_each(|(synapse, value)| values[if source { synapse.source } else { synapse.target }] = value);
        values
    }

    fn outputs(&mut self, state: &State, sample: usize) {
        for &id in &self.network().outputs {
            let node = &self.network().graph[id];
            if node.logical == Logical::Real {
                let values = self.signal(state, id);
                self.keep(&node.name, sample as f64, values);
            }
        }
    }

    fn end(&mut self, recorded: u64) {
        for probe in &self.case.mapped.network.probes {
            if let Probed::Weights(number) = probe.what {
                let weights = self.weights[number].clone();
                self.keep(&probe.name, recorded as f64 * self.dt, weights);
            }
        }
    }
}

/// What a synapse gives.
fn output(connection: &Connection, states: &[f64], post: &[f64]) -> f64 {
    let Some((_, output)) = connection.dynamics.outputs.first() else { return 0.0 };
    value(output, &|symbol| match symbol {
        Symbol::State(n) => states[n],
        Symbol::Post(n) => post[n],
        other => nothing(other),
    })
}

/// The derivative of a state of a synapse.
fn of_synapse(
    connection: &Connection,
    which: usize,
    states: &[f64],
    weight: f64,
    post: &[f64],
    dt: f64,
) -> Option<f64> {
    let expr = connection.dynamics.states[which].derivative.as_ref()?;
    Some(value(expr, &|symbol| match symbol {
        Symbol::State(n) => states[n],
        Symbol::Weight => weight,
        Symbol::Post(n) => post[n],
        Symbol::TimeStep => dt,
        other => nothing(other),
    }))
}
