//! What an experiment does: phases with their data, fits, metrics, and probes.

use std::collections::BTreeMap;

use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{
    Access, ArrayId, FitSpec, Histogram, InputFeed, Len, Metric, MetricKind, Op, Part, Phase, PhaseKind, Probe, Probed,
    Target, To,
};

use super::Lowering;
use super::event::decayed;
use super::kernel::Builder;
use super::synapses::Role;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::network::{self, Logical, NodeId, Operator, Weights};
use crate::forms::plan::{self, InputData};
use crate::graph::fitted_behind;
use crate::quantity::Dimension;

impl Lowering<'_> {
    /// The layers that training fits, each once, in the order of phases.
    pub fn find_fits(&mut self) {
        let plan = self.plan;
        for phase in &plan.phases {
            if let Some((output, _)) = phase.target
                && let Some(layer) = fitted_behind(self.network, output)
                && !self.fitted.contains(&layer)
            {
                self.fitted.push(layer);
            }
        }
    }

    /// Remembers where the bias of a fitted layer goes.
    pub fn fitted_bias(&mut self, node: NodeId, array: ArrayId) {
        self.biases.insert(node, array);
    }

    pub fn phases(&mut self) {
        let plan = self.plan;
        for phase in &plan.phases {
            let lowered = self.phase(phase);
            self.program.phases.push(lowered);
        }
    }

    fn phase(&mut self, phase: &plan::Phase) -> Phase {
        let mut inputs = Vec::new();
        for (node, data) in &phase.inputs {
            match (*data, self.signals.get(node), self.groups.get(node)) {
                (InputData::Values(tensor), Some(signal), _) => {
                    let values = self.program.tensors[tensor.index()].data.len();
                    let stepped = self.network.stepped.contains(node);
                    let rows = if stepped { values / (phase.samples * signal.len).max(1) } else { 1 };
                    let seconds = phase.every.iter().find(|(of, _)| of == node).map(|(_, seconds)| *seconds);
                    let each = seconds.map_or(1, |seconds| self.ticks(seconds).max(1.0) as u32);
                    inputs.push(InputFeed::Values { tensor, array: signal.array, rows, each });
                }
                (InputData::Spikes { elements, steps, starts }, _, Some(&group)) => {
                    inputs.push(InputFeed::Spikes { group, elements, steps, starts });
                }
                (InputData::Values(_) | InputData::Spikes { .. }, _, _) => {
                    let name = self.name(*node);
                    self.problems.push(format!("input `{name}` takes no such data"));
                }
            }
        }
        Phase {
            kind: match phase.kind {
                plan::PhaseKind::Run => PhaseKind::Run,
                plan::PhaseKind::Train => PhaseKind::Train,
                plan::PhaseKind::Test => PhaseKind::Test,
            },
            sequence: phase.sequence,
            restart: phase.restart,
            samples: phase.samples,
            ticks: phase.duration.map_or(0, |duration| self.ticks(duration) as u32),
            taken: phase.taken.max(1) as u32,
            after: phase.after,
            inputs,
            changes: self.changes_of(phase),
            fits: self.fit(phase).into_iter().collect(),
            learning: self.learning(phase),
            metrics: phase.metrics.iter().filter_map(|metric| self.metric(metric)).collect(),
        }
    }

    /// Parameters that are set from there on, and connections that are frozen in this phase alone.
    fn changes_of(&self, phase: &plan::Phase) -> Vec<(ArrayId, To)> {
        let set = phase.changes.iter().filter_map(|(node, state, to)| {
            let array = self.populations.get(node)?.states[*state];
            // Nothing is left of the digits that it had besides.
            let nothing = match *to {
                To::Fill(_) | To::Pairs(_) => To::Fill(0.0),
                To::Range { first, end, .. } => To::Range { first, end, value: 0.0 },
                To::Elements { first, values } => {
                    To::Range { first, end: first + self.program.tensors[values.index()].data.len(), value: 0.0 }
                }
            };
            let low = self.small.get(&array).map(|low| (*low, nothing));
            Some([(array, *to)].into_iter().chain(low))
        });
        let set = set.flatten();
        let frozen = self.connections.iter().enumerate().filter_map(|(index, lowered)| {
            Some((lowered.plastic?, To::Fill(if phase.frozen.contains(&index) { 0.0 } else { 1.0 })))
        });
        let weights = phase.weights.iter();
        let weights = weights.filter_map(|&(index, to)| Some((self.connections.get(index)?.weights?, to)));
        set.chain(weights).chain(frozen).collect()
    }

    fn fit(&mut self, phase: &plan::Phase) -> Option<FitSpec> {
        let (output, target) = phase.target?;
        let layer = fitted_behind(self.network, output)?;
        let Operator::Dense { weights: Weights::Fitted { fit: way, .. }, .. } = self.network.graph[layer].operator
        else {
            return None;
        };
        let features = *self.signals.get(&self.operand(layer, 0)?)?;
        Some(FitSpec {
            name: self.name(layer),
            fit: self.fitted.iter().position(|fitted| *fitted == layer)?,
            features: (features.array, features.start, features.len),
            target,
            outputs: self.network.graph[layer].len(),
            way,
            bias: self.biases.get(&layer).copied(),
            skip: phase.skip,
            ranges: self.ranges.get(&layer).cloned().unwrap_or_default(),
        })
    }

    /// A metric over arrays instead of nodes and connections.
    fn metric(&self, metric: &Metric) -> Option<Metric> {
        let steps = metric.steps.iter().map(|step| self.number(step)).collect::<Option<Vec<MetricKind>>>()?;
        Some(Metric { name: metric.name.clone(), skip: metric.skip, steps })
    }

    fn number(&self, kind: &MetricKind) -> Option<MetricKind> {
        let output = |array: ArrayId| self.signals.get(&NodeId::new(array.index())).map(|signal| signal.array);
        let part = |part: Part| Some(Part { array: output(part.array)?, ..part });
        let target = |target: Target| {
            Some(match target {
                Target::Data(_) => target,
                Target::Output(other) => Target::Output(part(other)?),
            })
        };
        Some(match *kind {
            MetricKind::Accuracy { output: node, labels } => MetricKind::Accuracy { output: output(node)?, labels },
            MetricKind::Nrmse { output, target: data } => {
                MetricKind::Nrmse { output: part(output)?, target: target(data)? }
            }
            MetricKind::MeanSquaredError { output, target: data } => {
                MetricKind::MeanSquaredError { output: part(output)?, target: target(data)? }
            }
            MetricKind::Output { output, aggregate } => MetricKind::Output { output: part(output)?, aggregate },
            MetricKind::Final { array, aggregate } => {
                let weights = self.connections.get(array.index()).and_then(|connection| connection.weights)?;
                MetricKind::Final { array: weights, aggregate }
            }
            MetricKind::Number(_) | MetricKind::Calculated(_) => kind.clone(),
        })
    }

    /// What the network probes, then its outputs.
    pub fn probes(&mut self) {
        let network = self.network;
        let mut recorded = BTreeMap::new();
        for probe in &network.probes {
            let every = probe.mode.every.map(|(seconds, _)| self.ticks(seconds).max(1.0) as u32);
            match self.probed(probe, &mut recorded) {
                Some((probed, unit)) => {
                    let name = probe.name.clone();
                    let (range, every) = match (probed, probe.range) {
                        (Probed::Synapses(..), range) => (range, every.unwrap_or(0)),
                        (Probed::Array(array), (0, 0)) => ((0, self.array_len(array)), every.unwrap_or(1)),
                        (_, range) => (range, every.unwrap_or(1)),
                    };
                    let bounds = || self.bounds_of(probe);
                    let histogram = probe.mode.histogram.map(|bins| Histogram { bins, bounds: bounds() });
                    let start = probe.mode.start;
                    self.program.probes.push(Probe { name, probed, range, every, unit, start, histogram });
                }
                None if !self.diagnostics.iter().any(Diagnostic::is_error) => {
                    self.problems.push(format!("probe `{}` finds nothing to record", probe.name));
                }
                None => {}
            }
        }
        for &output in &network.outputs {
            let data = &network.graph[output];
            let (name, range) = (data.name.clone(), (0, data.len()));
            if let Some(signal) = self.signals.get(&output) {
                self.program.probes.push(Probe::of(name, Probed::Output(signal.array), range));
            } else if let (Logical::Spikes, Some((group, start))) = (data.logical, self.spike_source(output, 0)) {
                let range = (start, start + data.len());
                self.program.probes.push(Probe::of(name, Probed::Spikes(group), range));
            }
        }
    }

    fn probed(&mut self, probe: &network::Probe, recorded: &mut BTreeMap<String, ArrayId>) -> Option<(Probed, String)> {
        match &probe.what {
            network::Probed::Spikes => Some((Probed::Spikes(*self.groups.get(&probe.node)?), String::new())),
            network::Probed::Rate => Some((Probed::Rate(*self.groups.get(&probe.node)?), String::from("Hz"))),
            network::Probed::Output => {
                let signal = *self.signals.get(&probe.node)?;
                let mut array = signal.array;
                if signal.start > 0 {
                    array = self.zeros(probe.name.clone(), signal.len);
                    let (from, from_start, len) = (signal.array, signal.start, signal.len);
                    self.program.end.push(Op::Copy { from, from_start, to: array, to_start: 0, len });
                }
                Some((Probed::Output(array), String::new()))
            }
            network::Probed::Weights(connection) => {
                let lowered = self.connections.get(*connection)?;
                let unit = unit(self.network.connections[*connection].dimension).to_string();
                Some((Probed::Synapses(lowered.id, lowered.weights?), unit))
            }
            network::Probed::State(connection, state) => {
                self.probed_state(&probe.name, *connection, *state, probe.mode.start)
            }
            network::Probed::Value(Expr::Symbol(Symbol::State(state)), dimension) => {
                let population = self.populations.get(&probe.node)?;
                Some((Probed::Array(*population.states.get(*state)?), unit(*dimension).to_string()))
            }
            network::Probed::Value(expr, dimension) => {
                let population = self.populations.get(&probe.node)?.clone();
                let key = format!("{}: {expr:?} {}", population.name, probe.mode.start);
                if let Some(&array) = recorded.get(&key) {
                    return Some((Probed::Array(array), unit(*dimension).to_string()));
                }
                let array = self.zeros(probe.name.clone(), population.len);
                let mut b = Builder::default();
                let value = self.over_population(&mut b, &population, expr);
                b.store(array, Access::Element { offset: 0 }, value);
                let kernel = self.kernel(format!("{}: probe", probe.name), b);
                self.computed(probe.mode.start, Op::Kernel { kernel, len: population.len, spikes: None });
                recorded.insert(key, array);
                Some((Probed::Array(array), unit(*dimension).to_string()))
            }
        }
    }

    /// Makes what is recorded at the end of every tick, and where it is recorded at the start of ticks, before the first.
    fn computed(&mut self, start: bool, op: Op) {
        if start {
            self.program.begin.push(op.clone());
        }
        self.tick.record.push(op);
    }

    /// What a probed state or weight is kept in, where that is known.
    fn bounds_of(&self, probe: &network::Probe) -> Option<(f64, f64)> {
        let connection = |index: usize| &self.network.connections[index].dynamics;
        let bounds = match &probe.what {
            network::Probed::Weights(index) => connection(*index).weight_bounds.as_ref(),
            network::Probed::State(index, state) => connection(*index).states.get(*state)?.bounds.as_ref(),
            network::Probed::Value(Expr::Symbol(Symbol::State(state)), _) => {
                self.populations.get(&probe.node)?.dynamics.states.get(*state)?.bounds.as_ref()
            }
            network::Probed::Value(..) | network::Probed::Spikes | network::Probed::Rate | network::Probed::Output => {
                None
            }
        };
        let (low, high) = bounds?;
        let bounds = (crate::algebra::constant(low)?, crate::algebra::constant(high)?);
        (bounds.0 < bounds.1).then_some(bounds)
    }

    /// A state or trace of a connection, where it is kept.
    fn probed_state(&mut self, name: &str, connection: usize, state: usize, start: bool) -> Option<(Probed, String)> {
        let lowered = self.connections.get(connection)?;
        let declared = lowered.dynamics.states.get(state)?;
        let unit = unit(declared.dimension).to_string();
        match lowered.roles.get(state)? {
            Role::Source { .. } | Role::Target { .. } => {
                let (kept, decay) = (lowered.states[state]?, lowered.decays[state]);
                let Some((factors, _)) = decay else { return Some((Probed::Array(kept), unit)) };
                let len = self.array_len(kept);
                let (array, own) = (self.zeros(name.to_string(), len), Access::Element { offset: 0 });
                let mut b = Builder::default();
                let value = b.load(kept, own);
                let value = decayed(&mut b, value, factors);
                b.store(array, own, value);
                let kernel = self.kernel(format!("{name}: probe"), b);
                self.computed(start, Op::Kernel { kernel, len, spikes: None });
                Some((Probed::Array(array), unit))
            }
            Role::Summed => {
                let target = self.populations.get(&self.network.connections[connection].target)?;
                Some((Probed::Array(*target.states.get(lowered.joint[state]?)?), unit))
            }
            Role::Synapse | Role::Stepped => Some((Probed::Synapses(lowered.id, lowered.states[state]?), unit)),
        }
    }

    fn array_len(&self, array: ArrayId) -> usize {
        match self.program.arrays[array.index()].len {
            Len::Fixed(len) => len,
            Len::Synapses(_) => 0,
        }
    }
}

/// The unit of a state's values.
fn unit(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::NONE => "",
        Dimension::TIME => "s",
        Dimension::VOLTAGE => "V",
        Dimension::CURRENT => "A",
        Dimension::CONDUCTANCE => "S",
        Dimension::CHARGE => "C",
        Dimension::FREQUENCY => "Hz",
        _ => "SI",
    }
}
