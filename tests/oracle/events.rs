//! Spikes: where they come from, what they do where they arrive, and resets.

use std::collections::BTreeMap;

use nmc_compiler::forms::equations::{Change, Dynamics, Emission, Event, Expr, Symbol};
use nmc_compiler::forms::network::{NodeId, Operator, PopulationKind};
use nmc_compiler::forms::plan::{InputData, Phase};
use nmc_compiler::graph;

use super::expression::{drawn, nothing, value};
use super::time::{Simulation, State};

impl Simulation<'_> {
    /// Spikes that no condition makes.
    pub(super) fn sources(
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
                        *spikes = usize::from(at >= 0.0 && (at / self.dt + 1e-6).floor() == state.draws as f64);
                    }
                }
                Some(Emission::Given) => {
                    for (to, data) in &phase.inputs {
                        if let (InputData::Spikes { elements, steps, .. }, true) = (data, *to == id) {
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

    /// Spikes set out, and those due arrive: all first spikes of a tick, then all second ones.
    pub(super) fn deliver(&mut self, state: &mut State) {
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
    pub(super) fn decode(&self, state: &mut State, round: usize) -> bool {
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

    pub(super) fn spikes_of(&self, state: &State, id: NodeId, index: usize) -> usize {
        let from = || graph::operands(self.network(), id)[0];
        match &self.network().graph[id].operator {
            Operator::Population { .. } => state.neurons[&id][index].spikes,
            Operator::Gather(gather) => gather.source(index).map_or(0, |(_, at)| self.spikes_of(state, from(), at)),
            Operator::Output => self.spikes_of(state, from(), index),
            other => panic!("{other:?} does not spike"),
        }
    }

    /// What one event does at a synapse, change by change.
    pub(super) fn change(&mut self, state: &mut State, (number, at): (usize, usize), round: usize, changes: &[Change]) {
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
                Symbol::Pre(n) | Symbol::Post(n) => {
                    let (node, at) = match change.target {
                        Symbol::Pre(_) => (connection.source, source),
                        _ => (connection.target, target),
                    };
                    let (_, of_neuron) = self.populations[&node];
                    let tick = state.tick;
                    let neuron = &mut state.neurons.get_mut(&node).unwrap()[at];
                    if tick >= neuron.free[n] {
                        neuron.states[n] = self.bounded(of_neuron, n, &neuron.states, after);
                    }
                }
                other => panic!("{other:?} is changed"),
            }
        }
    }

    pub(super) fn on_post(&mut self, state: &mut State) {
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

    /// Which events that are no spikes happen, of each neuron.
    pub(super) fn happening(
        &self,
        state: &State,
        fed: &BTreeMap<NodeId, Vec<Vec<f64>>>,
    ) -> BTreeMap<NodeId, Vec<Vec<bool>>> {
        let of = |id: NodeId, index: usize, dynamics: &Dynamics| {
            let holds = |event: &Event| self.of_neuron(state, id, index, &fed[&id], &event.condition) != 0.0;
            dynamics.events.iter().map(holds).collect()
        };
        let all = self.populations.iter();
        all.map(|(&id, (node, dynamics))| (id, (0..node.len()).map(|index| of(id, index, dynamics)).collect()))
            .collect()
    }

    /// What they do.
    pub(super) fn happen(
        &self,
        state: &mut State,
        fed: &BTreeMap<NodeId, Vec<Vec<f64>>>,
        happening: &BTreeMap<NodeId, Vec<Vec<bool>>>,
    ) {
        for (&id, (node, dynamics)) in &self.populations {
            for index in 0..node.len() {
                let happening = dynamics.events.iter().zip(&happening[&id][index]).filter(|(_, happens)| **happens);
                for change in happening.flat_map(|(event, _)| &event.changes) {
                    let after = self.of_neuron(state, id, index, &fed[&id], &change.value);
                    let Symbol::State(which) = change.target else { panic!("{change:?}") };
                    let tick = state.tick;
                    let neuron = &mut state.neurons.get_mut(&id).unwrap()[index];
                    if tick >= neuron.free[which] {
                        neuron.states[which] = self.bounded(dynamics, which, &neuron.states, after);
                    }
                }
            }
        }
    }

    pub(super) fn reset(&self, state: &mut State, fed: &BTreeMap<NodeId, Vec<Vec<f64>>>) {
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
}
