//! Training by gradients: the adjoint network as operations, and what they are converted with.

use std::collections::{BTreeMap, BTreeSet};

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{
    Access, ArrayId, Binary, ComponentKind, Cost, Count, Followed, Initial, Layer, Learner, Learning, Len, MatrixId,
    Op, Reduction, TensorId, Unary, Update,
};

use super::kernel::{Builder, OWN};
use super::population::outside;
use super::{Lowering, Signal, chain, expression};
use crate::analyse::adjoint::{Adjoint, adjoint};
use crate::cost;
use crate::forms::chip::{Converter, Drive, Sense, TileKind};
use crate::forms::decisions::Range;
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

/// The adjoint's operations in the making.
pub(super) struct Backward {
    adjoint: Adjoint,
    signals: BTreeMap<NodeId, Signal>,
    ops: Vec<Op>,
    pub ranges: Vec<Followed>,
    pub costs: Vec<Cost>,
    /// The loss's gradient by the output.
    loss: Signal,
    feedback: plan::Feedback,
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
        let (network, output) = (self.network, *self.signals.get(&plan.output)?);
        let adjoint = adjoint(network, &[plan.output], &self.program.tensors);
        for &layer in &plan.layers {
            if !adjoint.gradients.contains_key(&layer) {
                let message = format!("no gradient reaches `{}`", self.name(layer));
                let label = "what lies between it and the output has none";
                self.diagnostics.push(Diagnostic::new(Code::E0619, message, network.graph[layer].span, label));
                return None;
            }
        }
        let gradient = self.zeros("d loss", output.len);
        let loss = Signal { array: gradient, start: 0, len: output.len };
        let (signals, feedback) = (BTreeMap::new(), plan.feedback);
        let (ops, ranges, costs) = (Vec::new(), Vec::new(), Vec::new());
        let mut backward = Backward { adjoint, signals, ops, ranges, costs, loss, feedback };
        self.go_back(plan, &mut backward)?;
        let mut layers = Vec::new();
        for &layer in &plan.layers {
            layers.push(self.learner(plan, layer, &mut backward)?);
        }
        if !self.chip.ideal {
            self.note(String::from(
                "training: the gradient is multiplied, added and scaled by ideal digital units whose energy is not counted, and its time is not told",
            ));
        }
        backward.ranges.append(&mut self.ranges_followed.clone());
        Some(Learning {
            loss: plan.loss.clone(),
            output: (output.array, output.start, output.len),
            gradient,
            rate: plan.rate,
            decay: plan.decay,
            batch: plan.batch,
            epochs: plan.epochs,
            shuffled: plan.shuffle.then(|| self.component()),
            stop: plan.stop,
            noise: plan.noise,
            backward: backward.ops,
            layers,
            ranges: backward.ranges,
            costs: backward.costs,
        })
    }

    /// The operations from the loss's gradient to those of the layers that learn.
    fn go_back(&mut self, plan: &plan::Learning, backward: &mut Backward) -> Option<()> {
        let network = std::mem::take(&mut backward.adjoint.network);
        let wanted = plan.layers.iter().filter_map(|layer| backward.adjoint.gradients.get(layer).copied());
        let needed = needed(&network, wanted.collect());
        for (of, source) in &backward.adjoint.sources {
            if *of == plan.output {
                backward.signals.insert(*source, backward.loss);
            }
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
        backward.adjoint.network = network;
        Some(())
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
                    Some(layer) => self.transposed(layer, *positions, from, to, backward)?,
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

    /// Through the weights of a layer: its arrays are driven at their columns and read at their rows.
    fn transposed(
        &mut self,
        layer: NodeId,
        positions: usize,
        from: Signal,
        to: Signal,
        backward: &mut Backward,
    ) -> Option<()> {
        let (name, placed) = (self.name(layer), self.placed.get(&layer).cloned().unwrap_or_default());
        let tile = self.tile(layer);
        let (drive, sense, joules) = match tile {
            Some((tile, how)) => {
                if !tile.transposable {
                    return self.cannot_learn(
                        layer,
                        &format!("its arrays (`{}`) are not read backward", tile.name),
                        "give the tile `transposable: true`",
                    );
                }
                let drive = match tile.inputs.get(how.0) {
                    Some(Drive::Converter(id)) => Some(&self.chip.converters[*id]),
                    Some(Drive::BitSerial { .. } | Drive::Direct(_)) | None => None,
                };
                let sense = match tile.senses.get(how.1) {
                    Some(Sense::Converter { converter, .. }) => Some(&self.chip.converters[*converter]),
                    Some(Sense::Analog(_)) | None => None,
                };
                if drive.is_none() || sense.is_none() {
                    self.note(format!("training: what goes backward through {name} meets no converter where it goes forward without one"));
                }
                (drive, sense, tile.read_voltage * tile.read_voltage * tile.read_time)
            }
            None => (None, None, 0.0),
        };
        let most = self.network.within.get(&layer).copied().unwrap_or(1.0);
        // Shares of the largest gradient of the sample.
        let range = tile.is_some().then(|| self.largest(&name, from, backward));
        let driven = match range {
            None => from,
            Some(range) => {
                let mut b = Builder::default();
                let value = b.load(from.array, Access::Element { offset: from.start });
                let range = b.load(range, Access::Broadcast { offset: 0 });
                let mut share = b.binary(Binary::Divide, value, range);
                if let Some(drive) = drive.filter(|drive| chain::acts(drive)) {
                    share = chain::convert(&mut b, share, drive, Range { full: 1.0, unsigned: false });
                }
                let array = self.zeros(format!("{name}: columns"), from.len);
                b.store(array, OWN, share);
                let kernel = self.kernel(format!("{name}: columns"), b);
                backward.ops.push(Op::Kernel { kernel, len: from.len, spikes: None });
                if let Some(drive) = drive {
                    backward.costs.push(converted(drive, &name, from.len as f64));
                }
                Signal { array, start: 0, len: from.len }
            }
        };
        // The sum of what the blocks of the same rows give.
        let mut rows: BTreeMap<(usize, usize), Vec<ArrayId>> = BTreeMap::new();
        for (index, block) in placed.iter().enumerate() {
            let len = (block.inputs.1 - block.inputs.0) * positions;
            let array = self.zeros(format!("{name}: back {index}"), len);
            let input_start = driven.start + block.outputs.0 * positions;
            backward.ops.push(Op::Transposed {
                matrix: block.matrix,
                input: driven.array,
                input_start,
                output: array,
                output_start: 0,
                positions,
                read: 0,
                joules,
            });
            if let Some(fast) = block.fast.filter(|_| tile.is_some_and(|(tile, _)| tile.gain > 0.0)) {
                self.adds_fast((fast, array), (driven.array, input_start), (positions, joules), &mut backward.ops);
            }
            rows.entry(block.inputs).or_default().push(array);
            if let Some(sense) = sense {
                backward.costs.push(converted(sense, &name, len as f64));
            }
        }
        for (inputs, parts) in rows {
            let len = (inputs.1 - inputs.0) * positions;
            let mut b = Builder::default();
            let mut sums = Vec::new();
            for part in parts {
                let mut value = b.load(part, OWN);
                if let Some(sense) = sense.filter(|sense| chain::acts(sense)) {
                    let full = SMALL * most;
                    let name = self.program.arrays[part.index()].name.clone();
                    let followed = self.array(format!("{name}.range"), Len::Fixed(1), false, Initial::Fill(1.0));
                    backward.ranges.push(Followed { range: followed, values: (part, 0, len), full });
                    let followed = b.load(followed, Access::Broadcast { offset: 0 });
                    value = b.binary(Binary::Divide, value, followed);
                    value = chain::convert(&mut b, value, sense, Range { full, unsigned: false });
                    value = b.multiply(value, followed);
                }
                sums.push(value);
            }
            let mut sum = chain::sum(&mut b, &sums);
            if let Some(range) = range {
                let range = b.load(range, Access::Broadcast { offset: 0 });
                sum = b.multiply(sum, range);
            }
            b.store(to.array, Access::Element { offset: to.start + inputs.0 * positions }, sum);
            let kernel = self.kernel(format!("{name}: back"), b);
            backward.ops.push(Op::Kernel { kernel, len, spikes: None });
        }
        Some(())
    }

    /// An array of one element with the largest magnitude of a signal, never 0.
    fn largest(&mut self, name: &str, from: Signal, backward: &mut Backward) -> ArrayId {
        let sizes = self.zeros(format!("{name}: sizes"), from.len);
        let mut b = Builder::default();
        let value = b.load(from.array, Access::Element { offset: from.start });
        let size = b.unary(Unary::Absolute, value);
        let least = b.number(f64::from(f32::MIN_POSITIVE));
        let size = b.binary(Binary::Maximum, size, least);
        b.store(sizes, OWN, size);
        let kernel = self.kernel(format!("{name}: sizes"), b);
        backward.ops.push(Op::Kernel { kernel, len: from.len, spikes: None });
        let to = self.zeros(format!("{name}: largest"), 1);
        let (from_start, to_start, len, each) = (0, 0, 1, from.len);
        let reduction = Reduction::Maximum;
        backward.ops.push(Op::Reduce { reduction, from: sizes, from_start, to, to_start, len, each });
        to
    }

    /// The tiles that a layer lies on, and how they are driven and sensed; none where it is computed exactly.
    fn tile(&self, layer: NodeId) -> Option<(&'a TileKind, (usize, usize))> {
        let mapped = self.mapped;
        let (_, first) = mapped.tiling.of(layer).next()?;
        let how = mapped.decisions.on_tiles(layer)?;
        Some((&mapped.chip.tile_kinds[first.tile_kind], (how.drive, how.sense)))
    }

    /// A layer, and what moves its weights.
    fn learner(&mut self, plan: &plan::Learning, node: NodeId, backward: &mut Backward) -> Option<Layer> {
        let Operator::Dense { positions, .. } = self.network.graph[node].operator else { return None };
        let (name, input) = (self.name(node), *self.rows_of.get(&node)?);
        let gradient = *backward.signals.get(backward.adjoint.gradients.get(&node)?)?;
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
                let energy_j = self.chip.devices[tile.device].pulse.as_ref().map_or(0.0, |pulse| pulse.energy);
                let (kind, name) = (ComponentKind::Programming, format!("{name}: pulses"));
                backward.costs.push(Cost { kind, name, count: Count::Pulses(matrix), energy_j });
            }
            let len = Len::Fixed((inputs.1 - inputs.0) * (outputs.1 - outputs.0));
            let buffered = plan.transfer.as_ref().is_some_and(|transfer| transfer.buffer);
            let keeps = pulsed.is_some() && (buffered || matches!(plan.update, Update::Kept { .. }));
            let kept = keeps.then(|| self.array(format!("{name}: kept"), len, false, Initial::Fill(0.0)));
            let fast = match (&plan.transfer, self.tile(node)) {
                (Some(transfer), Some(tile)) => Some(self.transfer(node, transfer, (matrix, fast), tile, backward)?),
                (Some(_), None) | (None, _) => None,
            };
            matrices.push(Learner { matrix, input_start: inputs.0, output_start: outputs.0, kept, pulsed, fast });
        }
        let (inputs, outputs) = (input.len / positions, gradient.len / positions);
        let shape = match self.network.windows.get(&node) {
            Some(&[channels, rows, columns]) => vec![outputs, channels, rows, columns],
            None => vec![outputs, inputs],
        };
        Some(Layer {
            name,
            shape,
            input: (input.array, input.start),
            gradient: (gradient.array, gradient.start),
            positions,
            inputs,
            outputs,
            bias: self.learned_biases.get(&node).copied(),
            update: plan.update,
            matrices,
        })
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

/// So many conversions a sample trained.
fn converted(converter: &Converter, layer: &str, count: f64) -> Cost {
    let name = format!("{layer}: back, {}", cost::title(converter));
    Cost { kind: cost::converter_kind(converter), name, count: Count::PerSample(count), energy_j: converter.energy }
}
