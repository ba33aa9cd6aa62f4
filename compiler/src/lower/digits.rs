//! Arrays that hold weights digit by digit and take inputs bit by bit: every digit column is read and converted for every bit, and the
//! results are shifted and added digitally, as in ISAAC.

use nmc_program::{Access, ArrayId, Binary, Op, Unary, Value};

use super::chain;
use super::dense::{Layer, bits_multiplied, multiply};
use super::kernel::{Builder, OWN};
use super::{Lowering, Signal};
use crate::analyse::digits::{Digits, bit_range};
use crate::analyse::quantiser::{Quantiser, range_of};
use crate::forms::chip::{Converter, Drive, Sense};
use crate::forms::decisions::{Bias, Range};
use crate::forms::tiling::Block;

impl Lowering<'_> {
    /// The inputs of a part bit by bit, each 0 or 1 (or, driven at once, a share of full range), lowest bit first.
    pub(super) fn bits_of(
        &mut self,
        layer: &Layer,
        digits: &Digits,
        (from, part): (Signal, &str),
        ops: &mut Vec<Op>,
    ) -> Vec<Signal> {
        let source = self.operand(layer.node, 0);
        let range = source.map_or(Range { full: 1.0, unsigned: false }, |source| self.range(source));
        let name = format!("{}{part}", self.name(layer.node));
        let mut b = Builder::default();
        let value = b.load(from.array, Access::Element { offset: from.start });
        let mut stored = Vec::new();
        let driver = match layer.tile.inputs.get(layer.how.drive) {
            Some(Drive::Converter(id) | Drive::BitSerial { converter: id, .. }) => Some(&self.chip.converters[*id]),
            Some(Drive::Direct(_)) | None => None,
        };
        match digits.bits {
            None => {
                let value = match driver {
                    Some(driver) => {
                        let own = self.own(&name, driver, from.len, |element| element / layer.positions);
                        chain::convert(&mut b, value, driver, range, own)
                    }
                    None => value,
                };
                let share = b.number(1.0 / range.full);
                stored.push(b.multiply(value, share));
            }
            Some(bits) => {
                let range = driver.map_or(range, |driver| range_of(driver, range));
                let quantiser = Quantiser::new(bits, range);
                let scale = b.number(1.0 / quantiser.step);
                let code = b.multiply(value, scale);
                let code = b.unary(Unary::Round, code);
                let (low, high) = (b.number(quantiser.low), b.number(quantiser.high));
                let mut rest = b.clamp(code, low, high);
                let driver = driver.filter(|driver| chain::errs(driver));
                let one = Range { full: 1.0, unsigned: true };
                let own = driver.map(|driver| self.own(&name, driver, from.len, |element| element / layer.positions));
                let own = own.unwrap_or_default();
                // One bit is driven with the errors it has, at the range of its word.
                let driver = driver.map(|driver| Converter { full_scale: None, ..driver.clone() });
                // Two's complement: the bits of a negative code are those of the code plus 2^n.
                let (half, two) = (b.number(0.5), b.number(2.0));
                for _ in 0..bits {
                    let halved = b.multiply(rest, half);
                    let halved = b.unary(Unary::Floor, halved);
                    let doubled = b.multiply(halved, two);
                    let bit = b.binary(Binary::Subtract, rest, doubled);
                    stored.push(driver.as_ref().map_or(bit, |driver| chain::convert(&mut b, bit, driver, one, own)));
                    rest = halved;
                }
            }
        }
        let mut signals = Vec::new();
        for (index, value) in stored.into_iter().enumerate() {
            let array = self.zeros(format!("{name}: bit {index}"), from.len);
            b.store(array, OWN, value);
            signals.push(Signal { array, start: 0, len: from.len });
        }
        let kernel = self.kernel(format!("{name}: bits"), b);
        ops.push(Op::Kernel { kernel, len: from.len, spikes: None });
        signals
    }

    /// The blocks that share outputs.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn digit_column(
        &mut self,
        layer: &Layer,
        digits: &Digits,
        bias: Option<ArrayId>,
        driven: &[Signal],
        to: Signal,
        outputs: (usize, usize),
        blocks: &[(usize, &Block)],
        ops: &mut Vec<Op>,
    ) {
        let (columns, positions) = (outputs.1 - outputs.0, layer.positions);
        let len = columns * positions;
        let source = self.operand(layer.node, 0);
        let range = source.map_or(Range { full: 1.0, unsigned: false }, |source| self.range(source));
        let range = match layer.tile.inputs.get(layer.how.drive) {
            Some(Drive::BitSerial { converter, .. }) => range_of(&self.chip.converters[*converter], range),
            Some(Drive::Converter(_) | Drive::Direct(_)) | None => range,
        };
        let step = digits.bits.map_or(range.full, |bits| Quantiser::new(bits, range).step);
        let scales = self.scales(layer, outputs);
        let place = Access::Element { offset: to.start + outputs.0 * positions };
        // What a code of 1 means as a weight.
        let most = layer.most.unwrap_or(1.0);
        let weight = if digits.offset { 2.0 * most / digits.most() } else { 1.0 };
        let mut start = Builder::default();
        let first = match (layer.how.bias, bias) {
            (Bias::Digital(_), Some(bias)) => start.load(bias, Access::Element { offset: outputs.0 * positions }),
            (_, _) => start.number(0.0),
        };
        start.store(to.array, place, first);
        let name = format!("{}[{}..{}]", self.name(layer.node), outputs.0, outputs.1);
        let kernel = self.kernel(format!("{name}: start"), start);
        ops.push(Op::Kernel { kernel, len, spikes: None });
        for &(index, block) in blocks {
            let (low, high) = block.inputs;
            let mut matrices = Vec::new();
            for slice in 0..digits.slices {
                let name = format!("{name}, {low}..{high}, digit {slice}");
                let source = self.block_weights(layer.node, layer.weights, outputs.0, low);
                let matrix = self.matrix(name, high - low, columns, source);
                self.digit_cells(
                    matrix,
                    layer,
                    index,
                    digits.offset.then_some((slice, digits.slices)),
                    digits.bits.is_some(),
                );
                self.reads.entry((index, false)).or_default().push(matrix);
                matrices.push(matrix);
            }
            for (bit, signal) in driven.iter().enumerate() {
                let signal = Signal { start: signal.start + low * positions, ..*signal };
                let top = !range.unsigned && digits.bits == Some(bit as u32 + 1);
                let place_value = 2f64.powi(bit as i32) * if top { -1.0 } else { 1.0 };
                let (mut b, mut sum) = (Builder::default(), None);
                for (slice, &matrix) in matrices.iter().enumerate() {
                    let partial = self.zeros(format!("{name}, {low}..{high}, bit {bit}, digit {slice}"), len);
                    ops.push(bits_multiplied(matrix, signal, (partial, 0), positions, driven.len()));
                    let value = b.load(partial, OWN);
                    let value = self.digit_sensed(layer, digits, block, index, columns, &mut b, value);
                    let digit = f64::from(digits.levels).powi(slice as i32);
                    let scale = b.number(place_value * digit * step * weight);
                    let value = b.multiply(value, scale);
                    sum = Some(sum.map_or(value, |sum| b.add(sum, value)));
                }
                if digits.offset {
                    // The offset of every weight times the sum of the inputs, which is known from their bits.
                    let ones = self.ones(layer, high - low, columns);
                    let total = self.zeros(format!("{name}, {low}..{high}, bit {bit}, inputs"), len);
                    ops.push(multiply(ones, signal, (total, 0), positions));
                    let total = b.load(total, OWN);
                    let scale = b.number(-place_value * step * most);
                    let total = b.multiply(total, scale);
                    sum = Some(sum.map_or(total, |sum| b.add(sum, total)));
                }
                if let (Some(scales), Some(value)) = (scales, sum) {
                    let scales = b.load(scales, OWN);
                    sum = Some(b.multiply(value, scales));
                }
                let before = b.load(to.array, place);
                let added = sum.map_or(before, |sum| b.add(before, sum));
                b.store(to.array, place, added);
                let kernel = self.kernel(format!("{name}, {low}..{high}, bit {bit}: shift and add"), b);
                ops.push(Op::Kernel { kernel, len, spikes: None });
            }
        }
    }

    /// A column's value as its converter gives it: digits have at most as many values as rows times levels.
    #[allow(clippy::too_many_arguments)]
    fn digit_sensed(
        &mut self,
        layer: &Layer,
        digits: &Digits,
        block: &Block,
        index: usize,
        columns: usize,
        b: &mut Builder,
        value: Value,
    ) -> Value {
        let held = self.turns(layer, columns, b);
        let value = held.map_or(value, |held| b.multiply(value, held));
        let Some(Sense::Converter { converter, .. }) = layer.tile.senses.get(layer.how.sense) else { return value };
        let converter = &self.chip.converters[*converter];
        let sums = if digits.offset { 0.0 } else { self.bit_range(layer, block, index) };
        let arriving =
            self.operand(layer.node, 0).map_or(Range { full: 1.0, unsigned: false }, |from| self.range(from));
        let fixed = digits.fixed(self.chip, layer.tile, converter, layer.most.unwrap_or(1.0));
        let range = fixed.unwrap_or_else(|| digits.range(block, converter.bits, sums, arriving));
        let own = self.own_of_columns(layer, (index, columns));
        chain::convert(b, value, converter, range, own)
    }

    /// Full range of the sums of a block of whole weights whose rows are driven by bits.
    fn bit_range(&self, layer: &Layer, block: &Block, index: usize) -> f64 {
        let crate::forms::network::Weights::Given(tensor) = layer.weights else { return self.block_range(index) };
        let tensor = &self.program.tensors[tensor.index()];
        bit_range(&tensor.data, tensor.shape.last().copied().unwrap_or(0), block)
    }

    /// A matrix of ones: the sum of the inputs at every output.
    fn ones(&mut self, layer: &Layer, rows: usize, cols: usize) -> nmc_program::MatrixId {
        let name = format!("{}: ones", self.name(layer.node));
        let known = self
            .program
            .matrices
            .iter()
            .position(|matrix| matrix.name == name && matrix.rows == rows && matrix.cols == cols);
        if let Some(known) = known {
            return nmc_program::MatrixId(known as u32);
        }
        let tensor = self.tensor(name.clone(), vec![cols, rows], vec![1.0; rows * cols]);
        let source = nmc_program::WeightSource::Tensor { tensor, output_start: 0, input_start: 0 };
        self.matrix(name, rows, cols, source)
    }
}
