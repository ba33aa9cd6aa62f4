//! Dense layers: exact, or block by block on arrays with their drivers and sense circuits. Partial sums are added on lines or digitally;
//! the bias is rows of an array or a digital addition, as decided.

use nmc_program::{
    Access, ArrayId, Binary, Initial, Len, Matrix, MatrixId, Op, SenseRange, Tensor, TensorData, TensorId, Value,
    WeightSource,
};

use super::kernel::{Builder, OWN};
use super::{Lowering, Placed, Signal, chain};
use crate::analyse::digits::Digits;
use crate::forms::chip::{Drive, Sense, TileKind};
use crate::forms::decisions::{Bias, OnTiles, Range, Summing};
use crate::forms::network::{NodeId, Weights};
use crate::forms::tiling::Block;

/// A layer on arrays, and what its columns are made from.
pub(super) struct Layer<'a> {
    pub node: NodeId,
    pub weights: &'a Weights,
    pub how: OnTiles,
    pub tile: &'a TileKind,
    /// The largest weight, which takes the whole range of its cells; none before weights are fitted.
    pub most: Option<f64>,
    /// How often a sample its arrays are read, one after the other.
    pub positions: usize,
    /// Share of the range at which cells hold a weight of 0, if it is not that of their scheme.
    pub rest: Option<f64>,
}

/// A sum of products on its way to the layer's output, with the range it is sensed in.
struct Partial {
    value: Value,
    full: f64,
    inputs: (usize, usize),
    block: usize,
}

impl Lowering<'_> {
    pub fn dense(
        &mut self,
        node: NodeId,
        weights: &Weights,
        bias: Option<TensorId>,
        positions: usize,
        to: Signal,
    ) -> Vec<Op> {
        let mut ops = Vec::new();
        let Some(from) = self.arriving(node, 0, &mut ops) else { return ops };
        self.rows_of.insert(node, from);
        let added = self.bias(node, weights, bias, (to.len / positions, positions));
        let mapped = self.mapped;
        let blocks: Vec<(usize, &Block)> = mapped.tiling.of(node).collect();
        let (Some((_, first)), Some(how)) = (blocks.first(), mapped.decisions.on_tiles(node)) else {
            self.exact(node, weights, added, positions, from, to, &mut ops);
            return ops;
        };
        let tile = &mapped.chip.tile_kinds[first.tile_kind];
        let most = match weights {
            Weights::Given(tensor) => {
                let data = &self.program.tensors[tensor.index()].data;
                let within = self.network.within.get(&node).copied();
                within.or_else(|| Some((0..data.len()).map(|index| data.get(index).abs()).fold(0.0, f64::max)))
            }
            Weights::Fitted { .. } => None,
        };
        let held = self.held_weights(node, weights);
        let layer = Layer { node, weights: &held, how, tile, most, positions, rest: None };
        let mut columns: Vec<(usize, usize)> = blocks.iter().map(|(_, block)| block.outputs).collect();
        columns.sort_unstable();
        columns.dedup();
        let digits = Digits::of(self.chip, layer.tile, layer.how);
        if digits.is_some() && self.learned.contains(&node) {
            let why = "its weights are held in digits, or its inputs come bit by bit";
            return self
                .cannot_learn(node, why, "use `weights: differential` or `reference`, and a `dac`")
                .unwrap_or_default();
        }
        if tile.normalises && self.learned.contains(&node) {
            let why = "what its columns are multiplied by is known for weights that stay";
            return self.cannot_learn(node, why, "leave `normalises` out of the tile").unwrap_or_default();
        }
        let device = &self.chip.devices[tile.device];
        if device.is_read_cell_by_cell() && self.learned.contains(&node) {
            let why = "every read of its cells is simulated one by one, which training is not yet";
            let help = "take `current`, `noise telegraph` and `noise flicker` out of the device, and let its read noise be `normal(0, …)`";
            return self.cannot_learn(node, why, help).unwrap_or_default();
        }
        let errs = match tile.inputs.get(how.drive) {
            Some(Drive::Converter(id) | Drive::BitSerial { converter: id, .. }) => {
                chain::errs(&self.chip.converters[*id])
            }
            Some(Drive::Direct(_)) | None => false,
        };
        let several = columns.len() > 1;
        let mut driven = Vec::new();
        for outputs in columns {
            // Each array has drivers of its own, which give others the same as long as they do not err.
            if errs || driven.is_empty() {
                let part = if errs && several { format!("[{}..{}]", outputs.0, outputs.1) } else { String::new() };
                driven = match &digits {
                    Some(digits) => self.bits_of(&layer, digits, (from, &part), &mut ops),
                    None => {
                        let what = if first.backward.is_some() { "columns" } else { "rows" };
                        vec![self.drive(&layer, from, &format!("{part}: {what}"), &mut ops)]
                    }
                };
            }
            let of_column: Vec<(usize, &Block)> =
                blocks.iter().copied().filter(|(_, block)| block.outputs == outputs).collect();
            match &digits {
                Some(digits) => self.digit_column(&layer, digits, added, &driven, to, outputs, &of_column, &mut ops),
                None => self.column(&layer, bias, added, driven[0], to, outputs, &of_column, &mut ops),
            }
        }
        ops
    }

    /// The product as the network says it.
    #[allow(clippy::too_many_arguments)]
    fn exact(
        &mut self,
        node: NodeId,
        weights: &Weights,
        bias: Option<ArrayId>,
        positions: usize,
        from: Signal,
        to: Signal,
        ops: &mut Vec<Op>,
    ) {
        let name = self.name(node);
        let (rows, cols) = (from.len / positions, to.len / positions);
        if let Some(forward) = self.network.backward.get(&node) {
            let matrices = self.placed.get(forward).into_iter().flatten().map(|placed| placed.matrix);
            ops.extend(matrices.map(|matrix| transposed(matrix, from, (to.array, to.start), positions, 0.0)));
            ops.extend(bias.map(|bias| self.add_bias(node, bias, to)));
            return;
        }
        let source = match weights {
            Weights::Given(tensor) if self.plan.trains(node) => {
                WeightSource::Held(self.numbers_of(&name, *tensor, rows))
            }
            Weights::Given(_) | Weights::Fitted { .. } => self.block_weights(node, weights, 0, 0),
        };
        let matrix = self.matrix(name, rows, cols, source);
        self.placed.entry(node).or_default().push(Placed { matrix, fast: None, inputs: (0, rows), outputs: (0, cols) });
        ops.push(multiply(matrix, from, (to.array, to.start), positions));
        if let Some(bias) = bias {
            ops.push(self.add_bias(node, bias, to));
        }
    }

    /// An array of weights that learn, [inputs, outputs].
    fn numbers_of(&mut self, name: &str, weights: TensorId, rows: usize) -> ArrayId {
        let data = &self.program.tensors[weights.index()].data;
        let len = data.len();
        let turned: Vec<f64> = (0..rows).flat_map(|row| (row..len).step_by(rows.max(1))).map(|i| data.get(i)).collect();
        let tensor = self.tensor(format!("{name}: start"), vec![rows, len / rows.max(1)], turned);
        self.array(format!("{name}.w"), Len::Fixed(len), false, Initial::Tensor { tensor, start: 0 })
    }

    fn add_bias(&mut self, node: NodeId, bias: ArrayId, to: Signal) -> Op {
        let mut b = Builder::default();
        let place = Access::Element { offset: to.start };
        let (product, bias) = (b.load(to.array, place), b.load(bias, OWN));
        let sum = b.add(product, bias);
        b.store(to.array, place, sum);
        let kernel = self.kernel(format!("{}: bias", self.name(node)), b);
        Op::Kernel { kernel, len: to.len, spikes: None }
    }

    /// A signal as row drivers give it: in the range it follows, if it does.
    fn drive(&mut self, layer: &Layer, from: Signal, what: &str, ops: &mut Vec<Op>) -> Signal {
        let Some(Drive::Converter(id)) = layer.tile.inputs.get(layer.how.drive) else { return from };
        let converter = &self.chip.converters[*id];
        let followed = self.rows_follow(layer);
        let acts = chain::acts(converter) || followed.is_some();
        let Some(source) = self.operand(layer.node, 0).filter(|_| acts) else { return from };
        let (range, name) = (self.range(source), format!("{}{what}", self.name(layer.node)));
        let mut b = Builder::default();
        let mut value = b.load(from.array, Access::Element { offset: from.start });
        if let Some(followed) = followed {
            let followed = b.load(followed, Access::Broadcast { offset: 0 });
            value = b.binary(Binary::Divide, value, followed);
        }
        if chain::acts(converter) {
            let own = self.own(&name, converter, from.len, |element| element / layer.positions);
            value = chain::convert(&mut b, value, converter, range, own);
        }
        let driven = Signal { array: self.zeros(name.clone(), from.len), start: 0, len: from.len };
        b.store(driven.array, OWN, value);
        let kernel = self.kernel(name, b);
        ops.push(Op::Kernel { kernel, len: from.len, spikes: None });
        driven
    }

    /// The range that a layer's rows are driven in, if it follows what is seen: outputs are times it.
    fn rows_follow(&mut self, layer: &Layer) -> Option<ArrayId> {
        let Some(Drive::Converter(id)) = layer.tile.inputs.get(layer.how.drive) else { return None };
        let source = self.operand(layer.node, 0).filter(|_| !self.chip.converters[*id].is_fixed())?;
        self.followed(source)
    }

    /// The blocks that share outputs: their products, sensed each by itself and added digitally, or added on a line and sensed once.
    #[allow(clippy::too_many_arguments)]
    fn column(
        &mut self,
        layer: &Layer,
        given: Option<TensorId>,
        added: Option<ArrayId>,
        from: Signal,
        to: Signal,
        outputs: (usize, usize),
        blocks: &[(usize, &Block)],
        ops: &mut Vec<Op>,
    ) {
        let (node, how, positions) = (layer.node, layer.how, layer.positions);
        let (columns, len) = (outputs.1 - outputs.0, (outputs.1 - outputs.0) * positions);
        let (mut b, mut partials) = (Builder::default(), Vec::new());
        for &(index, block) in blocks {
            let (start, end) = block.inputs;
            let name = format!("{}[{}..{}, {start}..{end}]", self.name(node), outputs.0, outputs.1);
            let forward = block.backward.and_then(|forward| self.reads.get(&(forward, false))?.first().copied());
            let mut beside = None;
            let matrix = match forward {
                Some(matrix) => matrix,
                None => {
                    let source = self.block_weights(node, layer.weights, outputs.0, start);
                    let source = self.written_in_training(layer, source, (end - start, columns));
                    let matrix = self.matrix(name.clone(), end - start, columns, source);
                    self.cells(matrix, layer, (index, 0));
                    self.reads.entry((index, false)).or_default().push(matrix);
                    beside = self.beside(matrix, layer, index);
                    let placed = Placed { matrix, fast: beside, inputs: block.inputs, outputs };
                    self.placed.entry(node).or_default().push(placed);
                    matrix
                }
            };
            let partial = self.zeros(name, len);
            let driven = Signal { start: from.start + start * positions, ..from };
            ops.push(match forward {
                Some(_) => transposed(matrix, driven, (partial, 0), positions, self.joules(layer, index)),
                None => multiply(matrix, driven, (partial, 0), positions),
            });
            let mut value = b.load(partial, OWN);
            if let Some(fast) = beside.filter(|_| layer.tile.gain > 0.0) {
                let partial = self.zeros(self.program.matrices[fast.index()].name.clone(), len);
                ops.push(multiply(fast, driven, (partial, 0), positions));
                let fast = b.load(partial, OWN);
                value = b.add(value, fast);
            }
            if let Some(range) = self.rows_follow(layer) {
                let range = b.load(range, Access::Broadcast { offset: 0 });
                value = b.multiply(value, range);
            }
            if let (Bias::Rows(rows), Some(tensor)) = (how.bias, given)
                && block.spare_rows > 0
            {
                let rows = self.bias_rows(layer, tensor, rows.min(block.spare_rows), index, outputs, ops);
                let rows = b.load(rows, OWN);
                value = b.add(value, rows);
            }
            partials.push(Partial { value, full: self.block_range(index), inputs: block.inputs, block: index });
        }
        let mut noise = 0.0;
        if let Summing::Line(unit) = how.sum {
            // Added before they are sensed, once. The unit's noise is a share of the sum's range.
            noise = self.chip.unit_kinds[unit].noise;
            let full = partials.first().map_or(1.0, |partial| partial.full);
            let values: Vec<Value> = partials.iter().map(|partial| partial.value).collect();
            let block = partials.first().map_or(0, |partial| partial.block);
            partials = vec![Partial { value: chain::sum(&mut b, &values), full, inputs: (0, from.len), block }];
        }
        let chip = self.chip;
        let sense = match layer.tile.senses.get(how.sense) {
            Some(Sense::Converter { converter, .. }) => Some(&chip.converters[*converter]),
            Some(Sense::Analog(_)) | None => how.gather.map(|id| &chip.converters[id]),
        };
        let held = self.turns(layer, columns, &mut b);
        let first = blocks.first().map_or(0, |(index, _)| *index);
        let own = sense.map(|_| self.own_of_columns(layer, (first, columns))).unwrap_or_default();
        let sensed = |b: &mut Builder, value: Value, full: f64| {
            let mut value = if noise > 0.0 { chain::noisy(b, value, noise * full) } else { value };
            if let Some(held) = held {
                value = b.multiply(value, held);
            }
            let range = Range { full, unsigned: false };
            sense.map_or(value, |sense| chain::convert(b, value, sense, range, own))
        };
        let fixed = sense.is_some_and(|sense| sense.is_fixed());
        let in_ranges = !fixed && (noise > 0.0 || sense.is_some_and(chain::acts));
        let mut sums = Vec::new();
        for mut partial in partials {
            let share = if sense.is_some() { self.column_ranges(layer, (partial.block, columns)) } else { None };
            let share = share.map(|share| b.load(share, OWN));
            if let Some(share) = share {
                partial.value = b.binary(Binary::Divide, partial.value, share);
            }
            // Full ranges that are known only when the chip runs.
            let range = match layer.weights {
                Weights::Fitted { .. } if in_ranges => Some((self.fitted_range(node, partial.inputs, outputs), 1.0)),
                Weights::Given(_) if in_ranges && self.learned.contains(&node) => {
                    let name = format!("{}[{}..{}]: sum", self.name(node), outputs.0, outputs.1);
                    let seen = Signal { array: self.zeros(name.clone(), len), start: 0, len };
                    b.store(seen.array, OWN, partial.value);
                    Some((self.follow(name, seen, partial.full), partial.full))
                }
                Weights::Fitted { .. } | Weights::Given(_) => None,
            };
            let mut sum = match range {
                Some((array, full)) => {
                    let range = b.load(array, Access::Broadcast { offset: 0 });
                    let share = b.binary(Binary::Divide, partial.value, range);
                    let share = sensed(&mut b, share, full);
                    b.multiply(share, range)
                }
                None => sensed(&mut b, partial.value, partial.full),
            };
            if let Some(share) = share {
                sum = b.multiply(sum, share);
            }
            sums.push(sum);
        }
        if let Some(scales) = self.scales(layer, outputs) {
            let (sum, scales) = (chain::sum(&mut b, &sums), b.load(scales, OWN));
            sums = vec![b.multiply(sum, scales)];
        }
        if matches!(how.bias, Bias::Digital(_)) {
            sums.extend(added.map(|bias| b.load(bias, Access::Element { offset: outputs.0 * positions })));
        }
        let sum = chain::sum(&mut b, &sums);
        b.store(to.array, Access::Element { offset: to.start + outputs.0 * positions }, sum);
        let kernel = self.kernel(format!("{}[{}..{}]: sense", self.name(node), outputs.0, outputs.1), b);
        ops.push(Op::Kernel { kernel, len, spikes: None });
    }

    /// Rows that hold a layer's bias, driven at full range: the array of what they add to the columns.
    fn bias_rows(
        &mut self,
        layer: &Layer,
        bias: TensorId,
        rows: usize,
        block: usize,
        outputs: (usize, usize),
        ops: &mut Vec<Op>,
    ) -> ArrayId {
        let (node, columns, positions) = (layer.node, outputs.1 - outputs.0, layer.positions);
        let full = self.operand(node, 0).map_or(1.0, |source| self.range(source).full);
        let name = format!("{}[{}..{}]: bias rows", self.name(node), outputs.0, outputs.1);
        let values: Vec<f64> = {
            let tensor = &self.program.tensors[bias.index()];
            let scales = self.mapped.decisions.scales.get(&node);
            (outputs.0..outputs.1)
                .flat_map(|output| {
                    let scale = scales.map_or(1.0, |scales| scales[output]);
                    std::iter::repeat_n(tensor.data.get(output) / (scale * full * rows as f64), rows)
                })
                .collect()
        };
        let tensor = self.tensor(name.clone(), vec![columns, rows], values);
        let source = WeightSource::Tensor { tensor, output_start: 0, input_start: 0 };
        let matrix = self.matrix(name.clone(), rows, columns, source);
        let first = self.mapped.tiling.blocks[block].rows();
        self.cells(matrix, layer, (block, first));
        self.reads.entry((block, true)).or_default().push(matrix);
        let len = rows * positions;
        let constant = self.array(format!("{name}, driven"), Len::Fixed(len), true, Initial::Fill(full));
        let driven = self.drive(layer, Signal { array: constant, start: 0, len }, ": bias rows", ops);
        let partial = self.zeros(name, columns * positions);
        ops.push(multiply(matrix, driven, (partial, 0), positions));
        partial
    }

    /// A tensor of numbers that the compiler made.
    pub(super) fn tensor(&mut self, name: String, shape: Vec<usize>, values: Vec<f64>) -> TensorId {
        self.program.tensors.push(Tensor { name, shape, data: TensorData::F64(values) });
        TensorId(self.program.tensors.len() as u32 - 1)
    }

    /// The array of the full range of a part of a fitted layer: known when its weights are.
    fn fitted_range(&mut self, node: NodeId, inputs: (usize, usize), outputs: (usize, usize)) -> ArrayId {
        let name = format!("{}[{}..{}, {}..{}].range", self.name(node), outputs.0, outputs.1, inputs.0, inputs.1);
        let array = self.array(name, Len::Fixed(1), false, Initial::Fill(1.0));
        self.ranges.entry(node).or_default().push(SenseRange { inputs, outputs, array });
        array
    }

    /// Full range of what a block's columns are converted with.
    pub(super) fn block_range(&self, block: usize) -> f64 {
        let range = self.mapped.decisions.block_ranges.get(block).copied();
        range.filter(|range| range.is_finite() && *range > 0.0).unwrap_or(1.0)
    }

    pub(super) fn matrix(&mut self, name: String, rows: usize, cols: usize, weights: WeightSource) -> MatrixId {
        let component = self.component();
        self.program.matrices.push(Matrix { name, rows, cols, weights, cells: None, component });
        MatrixId(self.program.matrices.len() as u32 - 1)
    }

    pub(super) fn block_weights(
        &self,
        node: NodeId,
        weights: &Weights,
        output_start: usize,
        input_start: usize,
    ) -> WeightSource {
        match weights {
            Weights::Given(tensor) => WeightSource::Tensor { tensor: *tensor, output_start, input_start },
            Weights::Fitted { .. } => {
                let fit = self.fitted.iter().position(|layer| *layer == node).unwrap_or(self.fitted.len());
                WeightSource::Fitted { fit, output_start, input_start }
            }
        }
    }

    /// The array of a layer's bias, given or to be fitted: so many outputs, each at so many positions.
    fn bias(
        &mut self,
        node: NodeId,
        weights: &Weights,
        bias: Option<TensorId>,
        (outputs, positions): (usize, usize),
    ) -> Option<ArrayId> {
        let name = bias_name(&self.name(node));
        let fitted = matches!(weights, Weights::Fitted { bias: true, .. });
        match (bias, fitted) {
            (Some(given), _) => {
                let mut tensor = given;
                if positions > 1 {
                    let data = &self.program.tensors[given.index()].data;
                    let each =
                        (0..outputs).flat_map(|output| std::iter::repeat_n(data.get(output), positions)).collect();
                    tensor = self.tensor(format!("{name} at every position"), vec![outputs, positions], each);
                }
                let initial = Initial::Tensor { tensor, start: 0 };
                let array = self.array(name, Len::Fixed(outputs * positions), false, initial);
                if self.plan.trains(node) {
                    self.learned_biases.insert(node, array);
                }
                Some(array)
            }
            (None, true) => {
                let array = self.array(name, Len::Fixed(outputs), false, Initial::Fill(0.0));
                self.fitted_bias(node, array);
                Some(array)
            }
            (None, false) => None,
        }
    }
}

/// The array of a layer's bias.
pub fn bias_name(layer: &str) -> String {
    format!("{layer}.bias")
}

/// A product with the transpose, each of whose inputs takes so many joules a siemens and square (or, of pulses, size).
pub(super) fn transposed(
    matrix: MatrixId,
    from: Signal,
    (output, output_start): (ArrayId, usize),
    positions: usize,
    joules: f64,
) -> Op {
    let (input, input_start) = (from.array, from.start);
    Op::Transposed { matrix, input, input_start, output, output_start, positions, read: 0, joules }
}

/// A product at so many positions.
pub(super) fn multiply(
    matrix: MatrixId,
    from: Signal,
    (output, output_start): (ArrayId, usize),
    positions: usize,
) -> Op {
    bits_multiplied(matrix, from, (output, output_start), positions, 1)
}

/// The same where inputs come in so many bits, of one of them.
pub(super) fn bits_multiplied(
    matrix: MatrixId,
    from: Signal,
    (output, output_start): (ArrayId, usize),
    positions: usize,
    bits: usize,
) -> Op {
    let (input, input_start) = (from.array, from.start);
    Op::Multiply { matrix, input, input_start, output, output_start, positions, read: 0, stride: bits }
}
