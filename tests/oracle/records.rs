//! What probes and outputs record.

use std::collections::BTreeMap;

use nmc_compiler::forms::equations::{Change, Symbol};
use nmc_compiler::forms::network::{Logical, NodeId, Probed};
use nmc_runtime::Recorded;

use super::time::{Simulation, State};

impl Simulation<'_> {
    pub(super) fn record(&mut self, state: &State, fed: &BTreeMap<NodeId, Vec<Vec<f64>>>, recorded: u64, heard: u64) {
        for (id, (node, dynamics)) in &self.populations {
            if dynamics.emission.is_some() {
                let spikes: usize = state.neurons[id].iter().map(|neuron| neuron.spikes).sum();
                *self.spikes.entry(node.name.clone()).or_default() += spikes;
            }
        }
        for probe in &self.case.mapped.network.probes {
            let every = probe.mode.every.map(|(seconds, _)| ((seconds / self.dt).round() as u64).max(1));
            let due = every.map_or(!matches!(probe.what, Probed::Weights(_)), |every| heard.is_multiple_of(every));
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
                Probed::Value(expr, _) if due => {
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
                Probed::Value(..) | Probed::State(..) | Probed::Weights(_) => {}
                Probed::Output | Probed::Rate => {
                    panic!("outputs are probed at the end, and rates by no generated program")
                }
            }
        }
    }

    pub(super) fn keep(&mut self, name: &str, time: f64, values: Vec<f64>) {
        let empty = Recorded::Values { times: Vec::new(), elements: values.len(), data: Vec::new() };
        let record = self.records.entry(name.to_string()).or_insert(empty);
        let Recorded::Values { times, data, .. } = record else { panic!() };
        times.push(time);
        data.extend(values);
    }

    /// A state of a connection as it is recorded: of each target the sum over its synapses where an output needs it, else one
    /// for each neuron of the side whose spikes change it; what no synapse knows is NaN.
    pub(super) fn of_connection(&self, state: &State, number: usize, which: usize) -> Vec<f64> {
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

    pub(super) fn outputs(&mut self, state: &State, sample: usize) {
        for &id in &self.network().outputs {
            let node = &self.network().graph[id];
            if node.logical == Logical::Real {
                let values = self.signal(state, id);
                self.keep(&node.name, sample as f64, values);
            }
        }
    }

    pub(super) fn end(&mut self, recorded: u64) {
        for probe in &self.case.mapped.network.probes {
            if let Probed::Weights(number) = probe.what {
                let weights = self.weights[number].clone();
                self.keep(&probe.name, recorded as f64 * self.dt, weights);
            }
        }
    }
}
