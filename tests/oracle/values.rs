//! What neurons, synapses and signals are at a moment, and how a step moves them.

use std::collections::BTreeMap;

use nmc_compiler::forms::equations::{Dynamics, Emission, Expr, Method, Symbol};
use nmc_compiler::forms::network::{Connection, NodeId, Operator, Weights};
use nmc_compiler::graph;

use super::expression::{nothing, value};
use super::integrate::{Scheme, scheme, step};
use super::time::{Simulation, State};

impl Simulation<'_> {
    /// The value of a signal.
    pub(super) fn signal(&self, state: &State, id: NodeId) -> Vec<f64> {
        let (network, node) = (self.network(), &self.network().graph[id]);
        let operands =
            || graph::operands(network, id).into_iter().map(|from| self.signal(state, from)).collect::<Vec<_>>();
        let tensor = |id: nmc_program::TensorId| &self.case.tensors[id.index()].data;
        match &node.operator {
            Operator::Input => self.shown.get(&id).cloned().unwrap_or_else(|| vec![0.0; node.len()]),
            Operator::Output => operands().concat(),
            Operator::Delay | Operator::Scatter(_) => panic!("samples are by themselves here, and go forward"),
            Operator::Gather(gather) => {
                let operands = operands();
                (0..node.len())
                    .map(|at| gather.source(at).map_or(0.0, |(operand, from)| operands[operand][from]))
                    .collect()
            }
            Operator::Reduce { reduction, each } => {
                let reduced = |x: &[f64]| reduction.of(x.iter().copied());
                operands()[0].chunks(*each).map(reduced).collect()
            }
            Operator::Softmax => {
                let x = operands().concat();
                let sum: f64 = x.iter().map(|x| x.exp()).sum();
                x.into_iter().map(|x| x.exp() / sum).collect()
            }
            Operator::Dense { weights: Weights::Given(weights), bias, positions } => {
                let (x, weights) = (&operands()[0], tensor(*weights));
                let row = |at: usize| {
                    let (output, position, inputs) = (at / positions, at % positions, x.len() / positions);
                    let products =
                        (0..inputs).map(|input| weights.get(output * inputs + input) * x[input * positions + position]);
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

    pub(super) fn read(&self, state: &State, id: NodeId, expr: &Expr) -> Vec<f64> {
        let fed = self.fed(state, id);
        let one = |index| self.of_neuron(state, id, index, &fed, expr);
        (0..self.populations[&id].0.len()).map(one).collect()
    }

    /// The signals into each input of a population.
    pub(super) fn fed(&self, state: &State, id: NodeId) -> Vec<Vec<f64>> {
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
    pub(super) fn of_neuron(&self, state: &State, id: NodeId, index: usize, fed: &[Vec<f64>], expr: &Expr) -> f64 {
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
    pub(super) fn inputs(&self, state: &State, id: NodeId, index: usize, fed: &[Vec<f64>]) -> Vec<f64> {
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
    pub(super) fn scheme(&self, id: NodeId) -> Scheme {
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

    /// Moves every state by a step, and finds who fires.
    pub(super) fn integrate(&self, state: &mut State, fed: &BTreeMap<NodeId, Vec<Vec<f64>>>) {
        let before = state.clone();
        // Synapses that give nothing decay by themselves.
        for (number, connection) in self.network().connections.iter().enumerate().filter(|(_, c)| c.port.is_none()) {
            for (at, gap) in state.gaps[number].iter_mut().enumerate() {
                let weight = self.weights[number][at];
                let derivative =
                    |index: usize, x: &[f64], _: f64| of_synapse(connection, index, x, weight, &[], self.dt);
                let moving = (0..gap.states.len()).filter(|&n| connection.dynamics.states[n].derivative.is_some());
                let (rest, followed, alone) = Default::default();
                let scheme = Scheme { exact: moving.collect(), rest, method: Method::Exact, followed, alone };
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
    pub(super) fn integrate_one(&self, before: &State, state: &mut State, id: NodeId, index: usize, fed: &[Vec<f64>]) {
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
        let derivative = |which: usize, x: &[f64], into: f64| {
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
                Symbol::Time => tick as f64 * self.dt + into,
                Symbol::TimeStep => self.dt,
                other => nothing(other),
            }))
        };
        let found = &self.schemes[&id];
        let of_synapses = (own..old.len()).filter(|&which| derivative(which, &old, 0.0).is_some());
        let exact = found.exact.iter().copied().filter(|&which| which < own).chain(of_synapses).collect();
        let scheme = Scheme { exact, ..found.clone() };
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

    pub(super) fn bounded(&self, dynamics: &Dynamics, which: usize, states: &[f64], now: f64) -> f64 {
        let Some((low, high)) = &dynamics.states[which].bounds else { return now };
        let of = |symbol| match symbol {
            Symbol::State(n) => states[n],
            other => nothing(other),
        };
        now.max(value(low, &of)).min(value(high, &of))
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
