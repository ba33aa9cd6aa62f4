//! Training by gradients: the adjoint network as operations, and the layers that they lead to.

use std::collections::{BTreeMap, BTreeSet};

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{
    ArrayId, ComponentKind, Cost, Count, Factor, Followed, Initial, Layer, Learner, Learning, Len, MatrixId, Op,
    TensorId, Through, Update,
};

use super::kernel::{Builder, OWN};
use super::population::outside;
use super::transfer::across;
use super::{Lowering, Signal, expression};
use crate::analyse::adjoint::{Adjoint, adjoint};
use crate::forms::chip::{TileKind, WriteBias};
use crate::forms::network::{Network, NodeId, Operator, Weights};
use crate::forms::plan;
use crate::graph::{operands, order};
use crate::scramble;

/// Full range of what arrays give read backward, in largest weights, before anything was seen.
pub(super) const SMALL: f64 = 1e-3;

/// A block of a layer's weights.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub matrix: MatrixId,
    /// Of a fast array beside it.
    pub fast: Option<MatrixId>,
    pub inputs: (usize, usize),
    pub outputs: (usize, usize),
}

/// An adjoint's operations in the making.
pub(super) struct Backward {
    pub adjoint: Adjoint,
    signals: BTreeMap<NodeId, Signal>,
    pub ops: Vec<Op>,
    pub ranges: Vec<Followed>,
    pub costs: Vec<Cost>,
    /// The loss's gradient by the output.
    loss: Signal,
    feedback: plan::Feedback,
}

impl Backward {
    /// The gradient by a node.
    pub fn gradient(&self, node: NodeId) -> Option<Signal> {
        self.signals.get(self.adjoint.gradients.get(&node)?).copied()
    }

    /// Its costs where it is passed so many times a sample.
    pub fn repeated(&mut self, times: usize) {
        for cost in &mut self.costs {
            if let Count::PerSample(count) = &mut cost.count {
                *count *= times as f64;
            }
        }
    }
}

/// What leads gradients to the layers: operations, and what each layer's gradient is the sum of.
#[derive(Default)]
pub(super) struct Way {
    pub backward: Vec<Op>,
    pub through: Option<Through>,
    pub factors: BTreeMap<NodeId, Vec<Factor>>,
    pub ranges: Vec<Followed>,
    pub costs: Vec<Cost>,
}

impl<'a> Lowering<'a> {
    /// The range that a signal's converters follow while layers learn; none where it stays.
    pub(super) fn followed(&mut self, node: NodeId) -> Option<ArrayId> {
        if self.chip.ideal || !self.learned.contains(&node) {
            return None;
        }
        if let Some(&range) = self.follows.get(&node) {
            return Some(range);
        }
        let (signal, full) = (*self.signals.get(&node)?, self.range(node).full);
        let range = self.follow(self.name(node), signal, full);
        self.follows.insert(node, range);
        Some(range)
    }

    /// A range that follows elements.
    pub(super) fn follow(&mut self, name: String, signal: Signal, full: f64) -> ArrayId {
        let range = self.array(format!("{name}.range"), Len::Fixed(1), false, Initial::Fill(1.0));
        self.ranges_followed.push(Followed { range, values: (signal.array, signal.start, signal.len), full });
        range
    }

    /// What a phase learns; none where it learns nothing, or cannot, which is told.
    pub(super) fn learning(&mut self, phase: &plan::Phase) -> Option<Learning> {
        let plan = phase.learning.as_ref()?;
        let output = *self.signals.get(&plan.output)?;
        let gradient = self.zeros("d loss", output.len);
        let loss = Signal { array: gradient, start: 0, len: output.len };
        let mut way = match self.in_time(plan.output) {
            true => self.through_time(phase, plan, loss)?,
            false => self.at_once(plan, loss)?,
        };
        for &layer in &plan.layers {
            if !way.factors.contains_key(&layer) {
                let message = format!("no gradient reaches `{}`", self.name(layer));
                let label = "what lies between it and the output has none";
                self.diagnostics.push(Diagnostic::new(Code::E0619, message, self.network.graph[layer].span, label));
                return None;
            }
        }
        let mut layers = Vec::new();
        for &layer in &plan.layers {
            layers.push(self.learner(plan, layer, &mut way)?);
        }
        if !self.chip.ideal {
            self.note(String::from(
                "training: the gradient is multiplied, added and scaled by ideal digital units whose energy is not counted, and its time is not told",
            ));
        }
        way.ranges.extend(self.ranges_followed.iter().cloned());
        Some(Learning {
            loss: plan.loss.clone(),
            output: (output.array, output.start, output.len),
            gradient,
            rates: plan.rates.clone(),
            batch: plan.batch.min(phase.samples - plan.held_out),
            epochs: plan.epochs,
            shuffled: plan.shuffle.then(|| self.component()),
            held_out: plan.held_out,
            stop: plan.stop,
            patience: plan.patience,
            noise: plan.noise,
            backward: way.backward,
            through: way.through,
            layers,
            ranges: way.ranges,
            costs: way.costs,
        })
    }

    /// From the output of a network without time.
    fn at_once(&mut self, plan: &plan::Learning, loss: Signal) -> Option<Way> {
        let wanted: Vec<NodeId> = plan.layers.iter().flat_map(|layer| self.uses(*layer)).collect();
        let passed = self.go_back(self.network, &[(plan.output, loss)], &wanted, (loss, plan.feedback))?;
        let mut way = Way::default();
        for &layer in &plan.layers {
            let factors: Vec<Factor> =
                self.uses(layer).filter_map(|node| self.factor(node, layer, passed.gradient(node)?)).collect();
            if !factors.is_empty() {
                way.factors.insert(layer, factors);
            }
        }
        (way.backward, way.ranges, way.costs) = (passed.ops, passed.ranges, passed.costs);
        Some(way)
    }

    /// What a use of a layer adds to its gradient.
    pub(super) fn factor(&self, node: NodeId, layer: NodeId, gradient: Signal) -> Option<Factor> {
        let Operator::Dense { positions, .. } = self.network.graph[node].operator else { return None };
        let (driven, gradient) = (self.rows_of.get(&node)?, (gradient.array, gradient.start));
        let driven = (driven.array, driven.start);
        let turned = node != layer;
        let (rows, columns) = if turned { (gradient, driven) } else { (driven, gradient) };
        Some(Factor { rows, columns, positions, turned })
    }

    /// The operations from the gradients by some nodes of a network to those by others.
    pub(super) fn go_back(
        &mut self,
        network: &Network,
        given: &[(NodeId, Signal)],
        wanted: &[NodeId],
        (loss, feedback): (Signal, plan::Feedback),
    ) -> Option<Backward> {
        let outputs: Vec<NodeId> = given.iter().map(|(node, _)| *node).collect();
        let adjoint = adjoint(network, &outputs, &self.program.tensors);
        let (signals, ops, ranges, costs) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let mut made = Backward { adjoint, signals, ops, ranges, costs, loss, feedback };
        let backward = &mut made;
        let network = std::mem::take(&mut backward.adjoint.network);
        let wanted = wanted.iter().filter_map(|node| backward.adjoint.gradients.get(node).copied());
        let needed = needed(&network, wanted.collect());
        for (node, signal) in given {
            backward.signals.extend(backward.adjoint.sources.get(node).map(|source| (*source, *signal)));
        }
        for (of, source) in &backward.adjoint.values {
            let signal = self.signals.get(of).copied();
            backward.signals.extend(signal.map(|signal| (*source, signal)));
        }
        for node in order(&network) {
            if needed.contains(&node) && !backward.signals.contains_key(&node) {
                let data = &network.graph[node];
                let signal = Signal { array: self.zeros(data.name.clone(), data.len()), start: 0, len: data.len() };
                let from: Vec<Option<Signal>> =
                    operands(&network, node).iter().map(|from| backward.signals.get(from).copied()).collect();
                self.back_through(&network, node, &from, signal, backward)?;
                backward.signals.insert(node, signal);
            }
        }
        Some(made)
    }

    /// One operator of the adjoint.
    fn back_through(
        &mut self,
        network: &Network,
        node: NodeId,
        from: &[Option<Signal>],
        to: Signal,
        backward: &mut Backward,
    ) -> Option<()> {
        let data = &network.graph[node];
        let first = from.first().copied().flatten();
        match (&data.operator, first) {
            (Operator::Elementwise { body, .. }, _) => {
                let (mut b, dt) = (Builder::default(), self.program.dt);
                let value = expression::number(&mut b, &mut outside(from.to_vec(), to.len, dt), body);
                b.store(to.array, OWN, value);
                let kernel = self.kernel(data.name.clone(), b);
                backward.ops.push(Op::Kernel { kernel, len: to.len, spikes: None });
            }
            (Operator::Gather(gather), _) => {
                let moved = self.gathered(&data.name, gather, from, to);
                backward.ops.extend(moved);
            }
            (Operator::Scatter(gather), Some(from)) => {
                let indices = self.indices(&data.name, gather);
                let (from_start, to_start, len) = (from.start, to.start, to.len);
                backward.ops.push(Op::Scatter { from: from.array, from_start, to: to.array, to_start, len, indices });
            }
            (Operator::Reduce { reduction, each }, Some(from)) => {
                let (from_start, to_start, len) = (from.start, to.start, to.len);
                let (reduction, each, from, to) = (*reduction, *each, from.array, to.array);
                backward.ops.push(Op::Reduce { reduction, from, from_start, to, to_start, len, each });
            }
            (Operator::Dense { weights: Weights::Given(id), positions, .. }, Some(from)) => {
                match backward.adjoint.layers.get(&node).copied() {
                    Some(layer) if backward.feedback == plan::Feedback::Direct => self.fed_back(layer, to, backward),
                    Some(layer) => self.through(layer, *positions, from, to, backward)?,
                    // A sum over elements.
                    None => {
                        let tensor = backward.adjoint.tensors.get(id.index())?.clone();
                        self.program.tensors.push(tensor);
                        let tensor = TensorId(self.program.tensors.len() as u32 - 1);
                        let source = nmc_program::WeightSource::Tensor { tensor, output_start: 0, input_start: 0 };
                        let matrix = self.matrix(data.name.clone(), from.len / positions, to.len / positions, source);
                        backward.ops.push(super::dense::multiply(matrix, from, (to.array, to.start), *positions));
                    }
                }
            }
            (
                Operator::Input
                | Operator::Output
                | Operator::Dense { .. }
                | Operator::Reduce { .. }
                | Operator::Softmax
                | Operator::Scatter(_)
                | Operator::Delay
                | Operator::Population { .. }
                | Operator::Read { .. },
                _,
            ) => self.problems.push(format!("`{}` has no place in an adjoint", data.name)),
        }
        Some(())
    }

    /// From the output at once, through random weights that stay.
    fn fed_back(&mut self, layer: NodeId, to: Signal, backward: &mut Backward) {
        let (from, name) = (backward.loss, format!("{}: feedback", self.name(layer)));
        let bound = 1.0 / (to.len as f64).sqrt();
        let key = scramble::scramble(u64::MAX - layer.index() as u64);
        let number = |index: usize| bound * (2.0 * scramble::uniform(key.wrapping_add(index as u64)) - 1.0);
        let numbers = (0..to.len * from.len).map(number).collect();
        let tensor = self.tensor(name.clone(), vec![to.len, from.len], numbers);
        let source = nmc_program::WeightSource::Tensor { tensor, output_start: 0, input_start: 0 };
        let matrix = self.matrix(name, from.len, to.len, source);
        backward.ops.push(super::dense::multiply(matrix, from, (to.array, to.start), 1));
    }

    /// The tiles that a layer lies on, and how they are driven and sensed; none where it is computed exactly.
    pub(super) fn tile(&self, layer: NodeId) -> Option<(&'a TileKind, (usize, usize))> {
        let mapped = self.mapped;
        let (_, first) = mapped.tiling.of(layer).next()?;
        let how = mapped.decisions.on_tiles(layer)?;
        Some((&mapped.chip.tile_kinds[first.tile_kind], (how.drive, how.sense)))
    }

    /// A layer, and what moves its weights.
    fn learner(&mut self, plan: &plan::Learning, node: NodeId, way: &mut Way) -> Option<Layer> {
        let data = &self.network.graph[node];
        let Operator::Dense { positions, .. } = data.operator else { return None };
        let (name, input) = (self.name(node), *self.rows_of.get(&node)?);
        let mut matrices = Vec::new();
        for Placed { matrix, fast, inputs, outputs } in self.placed.get(&node).cloned().unwrap_or_default() {
            let programs = plan.transfer.as_ref().is_some_and(|transfer| transfer.programs);
            let pulsed = match self.tile(node).filter(|_| !programs) {
                Some((tile, _)) => Some(self.pulsed(node, matrix, tile, tile.device)?),
                None => None,
            };
            if self.tile(node).is_some() && plan.noise > 0.0 {
                let why = "`weight_noise` is for weights that are numbers";
                return self.cannot_learn(node, why, "leave it out: cells have noise of their own");
            }
            if let Some(tile) = self.tile(node).map(|(tile, _)| tile) {
                let device = &self.chip.devices[tile.device];
                let (kind, name) = (ComponentKind::Programming, format!("{name}: pulses"));
                let (count, energy_j) = match (across(device), &device.pulse) {
                    (true, Some(_)) if !programs => (Count::WriteEnergy(matrix), 1.0),
                    (_, pulse) => (Count::Pulses(matrix), pulse.as_ref().map_or(0.0, |pulse| pulse.energy)),
                };
                let beside = matches!(tile.write_bias, Some(WriteBias::Half | WriteBias::Third)) && !programs;
                let beside = beside && !matches!(count, Count::WriteEnergy(_));
                way.costs.push(Cost { kind, name, count, energy_j });
                if beside {
                    let (name, count) = (format!("{}: half-selected", self.name(node)), Count::WriteEnergy(matrix));
                    way.costs.push(Cost { kind, name, count, energy_j: 1.0 });
                }
            }
            let len = Len::Fixed((inputs.1 - inputs.0) * (outputs.1 - outputs.0));
            let buffered = plan.transfer.as_ref().is_some_and(|transfer| transfer.buffer);
            let keeps = pulsed.is_some() && (buffered || matches!(plan.update, Update::Kept { .. }));
            let kept = keeps.then(|| self.array(format!("{name}: kept"), len, false, Initial::Fill(0.0)));
            let fast = match (&plan.transfer, self.tile(node)) {
                (Some(transfer), Some(tile)) => Some(self.transfer(node, transfer, (matrix, fast), tile, way)?),
                (Some(_), None) | (None, _) => None,
            };
            matrices.push(Learner { matrix, input_start: inputs.0, output_start: outputs.0, kept, pulsed, fast });
        }
        let (inputs, outputs) = (input.len / positions, data.len() / positions);
        let shape = match self.network.windows.get(&node) {
            Some(&[channels, rows, columns]) => vec![outputs, channels, rows, columns],
            None => vec![outputs, inputs],
        };
        Some(Layer {
            name,
            shape,
            factors: way.factors.remove(&node)?,
            positions,
            inputs,
            outputs,
            bias: self.learned_biases.get(&node).copied(),
            update: plan.update,
            matrices,
        })
    }

    /// A layer, and what reads its arrays backward.
    pub(super) fn uses(&self, layer: NodeId) -> impl Iterator<Item = NodeId> + use<'a> {
        let network = self.network;
        let backs = network.backward.iter().filter(move |(_, forward)| **forward == layer);
        std::iter::once(layer).chain(backs.map(|(back, _)| *back))
    }

    /// Tells why a layer cannot learn where it lies.
    pub(super) fn cannot_learn<T>(&mut self, layer: NodeId, why: &str, help: &str) -> Option<T> {
        let data = &self.network.graph[layer];
        let message = format!("`{}` cannot learn on this chip: {why}", data.name);
        let wrong = Diagnostic::new(Code::E0619, message, data.span, "trained here");
        let told = self.diagnostics.iter().any(|other| other.message == wrong.message);
        if !told {
            self.diagnostics.push(wrong.with_help(help));
        }
        None
    }
}

/// The nodes that these are made from, and these.
fn needed(network: &Network, wanted: Vec<NodeId>) -> BTreeSet<NodeId> {
    let (mut found, mut open) = (BTreeSet::new(), wanted);
    while let Some(node) = open.pop() {
        if found.insert(node) {
            open.extend(operands(network, node));
        }
    }
    found
}
