//! Dense layers: exact, or block by block on arrays with their drivers and sense circuits; partial sums and bias are added digitally.

use nmc_program::{
    Access, ArrayId, Binary, Initial, Len, Matrix, MatrixId, Op, SenseRange, TensorId, Value, WeightSource,
};

use super::kernel::Builder;
use super::{Lowering, Signal, chain};
use crate::forms::network::{NodeId, Weights};
use crate::forms::tiled::Block;

impl Lowering<'_> {
    pub fn dense(&mut self, node: NodeId, weights: &Weights, bias: Option<TensorId>, to: Signal) -> Vec<Op> {
        let mut ops = Vec::new();
        let Some(from) = self.arriving(node, 0, &mut ops) else { return ops };
        let bias = self.bias(node, weights, bias, to.len);
        let tiled = &self.scheduled.placed.converted.tiled;
        let blocks: Vec<(usize, Block)> = tiled
            .blocks
            .iter()
            .enumerate()
            .filter(|(_, block)| block.layer == node)
            .map(|(i, b)| (i, b.clone()))
            .collect();
        if blocks.is_empty() {
            let name = self.name(node);
            let matrix = self.matrix(name.clone(), from.len, to.len, self.block_weights(node, weights, 0, 0));
            ops.push(multiply(matrix, from, to.array, to.start));
            if let Some(bias) = bias {
                let mut b = Builder::default();
                let place = Access::Element { offset: to.start };
                let (product, bias) = (b.load(to.array, place), b.load(bias, Access::Element { offset: 0 }));
                let sum = b.add(product, bias);
                b.store(to.array, place, sum);
                let kernel = self.kernel(format!("{name}: bias"), b);
                ops.push(Op::Kernel { kernel, len: to.len, spikes: None });
            }
            return ops;
        }
        let driven = self.drive(node, from, &mut ops);
        let mut columns: Vec<(usize, usize)> = blocks.iter().map(|(_, block)| block.outputs).collect();
        columns.sort_unstable();
        columns.dedup();
        for outputs in columns {
            let of_column: Vec<&(usize, Block)> = blocks.iter().filter(|(_, block)| block.outputs == outputs).collect();
            self.column(node, weights, bias, driven, to, outputs, &of_column, &mut ops);
        }
        ops
    }

    /// The layer's input as its tiles' row drivers give it.
    fn drive(&mut self, node: NodeId, from: Signal, ops: &mut Vec<Op>) -> Signal {
        let converter = self.tile_ends(node).and_then(|(drive, _)| drive);
        let Some(converter) = converter.and_then(|id| self.chip.converters.get(id)).filter(|c| c.bits.is_some()) else {
            return from;
        };
        let Some(source) = self.operand(node, 0) else { return from };
        let (range, unsigned, name) =
            (self.range(source), self.non_negative(source), format!("{}: rows", self.name(node)));
        let mut b = Builder::default();
        let value = b.load(from.array, Access::Element { offset: from.start });
        let value = chain::convert(&mut b, value, converter, range, unsigned);
        let driven = Signal { array: self.zeros(name.clone(), from.len), start: 0, len: from.len };
        b.store(driven.array, Access::Element { offset: 0 }, value);
        let kernel = self.kernel(name, b);
        ops.push(Op::Kernel { kernel, len: from.len, spikes: None });
        driven
    }

    /// The blocks that share outputs: their products, sensed each by itself, then added.
    #[allow(clippy::too_many_arguments)]
    fn column(
        &mut self,
        node: NodeId,
        weights: &Weights,
        bias: Option<nmc_program::ArrayId>,
        from: Signal,
        to: Signal,
        outputs: (usize, usize),
        blocks: &[&(usize, Block)],
        ops: &mut Vec<Op>,
    ) {
        let len = outputs.1 - outputs.0;
        let chip = self.chip;
        let sense = self.tile_ends(node).and_then(|(_, sense)| sense).and_then(|id| chip.converters.get(id));
        let (mut b, mut partials) = (Builder::default(), Vec::new());
        for (index, block) in blocks {
            let (start, end) = block.inputs;
            let name = format!("{}[{}..{}, {start}..{end}]", self.name(node), outputs.0, outputs.1);
            let source = self.block_weights(node, weights, outputs.0, start);
            let matrix = self.matrix(name.clone(), end - start, len, source);
            self.cells(matrix, node, block.tile_kind);
            let partial = self.zeros(name, len);
            ops.push(multiply(matrix, Signal { start: from.start + start, ..from }, partial, 0));
            let value = b.load(partial, Access::Element { offset: 0 });
            partials.push((value, self.block_range(*index), block.inputs));
        }
        let merged = self.merge_unit(node, outputs);
        if merged.is_some() {
            // Added before they are sensed, once.
            let range = partials.first().map_or(1.0, |(_, range, _)| *range);
            let values: Vec<Value> = partials.iter().map(|(value, ..)| *value).collect();
            partials = vec![(chain::sum(&mut b, &values), range, (0, from.len))];
        }
        // The unit's noise is a share of the sum's range.
        let noise = merged.filter(|noise| *noise > 0.0);
        let sensed = |b: &mut Builder, value: Value, range: f64| {
            let value = noise.map_or(value, |noise| chain::noisy(b, value, noise * range));
            sense.map_or(value, |sense| chain::convert(b, value, sense, range, false))
        };
        let in_ranges = noise.is_some() || sense.is_some_and(|sense| sense.bits.is_some());
        let mut partials: Vec<Value> = partials
            .into_iter()
            .map(|(value, range, inputs)| match weights {
                Weights::Ridge { .. } if in_ranges => {
                    let array = self.fitted_range(node, inputs, outputs);
                    let range = b.load(array, Access::Broadcast { offset: 0 });
                    let share = b.binary(Binary::Divide, value, range);
                    let share = sensed(&mut b, share, 1.0);
                    b.multiply(share, range)
                }
                Weights::Ridge { .. } | Weights::Given(_) => sensed(&mut b, value, range),
            })
            .collect();
        partials.extend(bias.map(|bias| b.load(bias, Access::Element { offset: outputs.0 })));
        let sum = chain::sum(&mut b, &partials);
        b.store(to.array, Access::Element { offset: to.start + outputs.0 }, sum);
        let kernel = self.kernel(format!("{}[{}..{}]: sense", self.name(node), outputs.0, outputs.1), b);
        ops.push(Op::Kernel { kernel, len, spikes: None });
    }

    /// The array of the full range of a part of a fitted layer: known when its weights are.
    fn fitted_range(&mut self, node: NodeId, inputs: (usize, usize), outputs: (usize, usize)) -> ArrayId {
        let name = format!("{}[{}..{}, {}..{}].range", self.name(node), outputs.0, outputs.1, inputs.0, inputs.1);
        let array = self.array(name, Len::Fixed(1), false, Initial::Fill(1.0));
        self.ranges.entry(node).or_default().push(SenseRange { inputs, outputs, array });
        array
    }

    /// Full range of what a block's columns are converted with.
    fn block_range(&self, block: usize) -> f64 {
        let range = self.scheduled.placed.converted.block_ranges.get(block).copied();
        range.filter(|range| range.is_finite() && *range > 0.0).unwrap_or(1.0)
    }

    /// The noise (a share of full range) of the unit that adds a layer's partial sums in analog; none: they are added digitally.
    fn merge_unit(&self, node: NodeId, outputs: (usize, usize)) -> Option<f64> {
        let converted = &self.scheduled.placed.converted;
        let merge = converted.tiled.merges.iter().position(|merge| merge.layer == node && merge.outputs == outputs)?;
        let unit = converted.merge_units.get(merge).copied().flatten()?;
        self.chip.unit_kinds.get(unit).map(|unit| unit.noise)
    }

    fn matrix(&mut self, name: String, rows: usize, cols: usize, weights: WeightSource) -> MatrixId {
        let component = self.component();
        self.program.matrices.push(Matrix { name, rows, cols, weights, cells: None, component });
        MatrixId(self.program.matrices.len() as u32 - 1)
    }

    fn block_weights(&self, node: NodeId, weights: &Weights, output_start: usize, input_start: usize) -> WeightSource {
        match weights {
            Weights::Given(tensor) => WeightSource::Tensor { tensor: *tensor, output_start, input_start },
            Weights::Ridge { .. } => {
                let fit = self.fitted.iter().position(|layer| *layer == node).unwrap_or(self.fitted.len());
                WeightSource::Fitted { fit, output_start, input_start }
            }
        }
    }

    /// The array of a layer's bias, given or to be fitted.
    fn bias(
        &mut self,
        node: NodeId,
        weights: &Weights,
        bias: Option<TensorId>,
        len: usize,
    ) -> Option<nmc_program::ArrayId> {
        let name = bias_name(&self.name(node));
        let fitted = matches!(weights, Weights::Ridge { bias: true, .. });
        match (bias, fitted) {
            (Some(tensor), _) => Some(self.array(name, Len::Fixed(len), false, Initial::Tensor { tensor, start: 0 })),
            (None, true) => {
                let array = self.array(name, Len::Fixed(len), false, Initial::Fill(0.0));
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

fn multiply(matrix: MatrixId, from: Signal, output: nmc_program::ArrayId, output_start: usize) -> Op {
    Op::Multiply { matrix, input: from.array, input_start: from.start, output, output_start }
}
