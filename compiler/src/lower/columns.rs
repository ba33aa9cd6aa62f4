//! What the columns of an array have of their own: turns on a converter, ranges, scales, and what their converters err by.

use nmc_program::{ArrayId, Initial, Len, Value};

use super::dense::Layer;
use super::kernel::{Builder, OWN};
use super::{Lowering, chain};
use crate::forms::chip::Sense;
use crate::forms::network::{NodeId, Weights};

impl Lowering<'_> {
    /// What is left of a column's value when its turn on a shared converter comes, where a sample-and-hold keeps it.
    pub(super) fn turns(&mut self, layer: &Layer, columns: usize, b: &mut Builder) -> Option<Value> {
        let hold = &self.chip.converters[layer.tile.hold?];
        let Some(Sense::Converter { converter, sharing }) = layer.tile.senses.get(layer.how.sense) else { return None };
        let time = self.chip.converters[*converter].time;
        if hold.droop <= 0.0 || time <= 0.0 {
            return None;
        }
        let turns = (*sharing).max(1);
        let left = (0..columns).map(|column| (-hold.droop * time * (column % turns + 1) as f64).exp());
        let array = self.of_columns(layer, "held", left);
        Some(b.load(array, OWN))
    }

    /// An array of a number for each column, at all its positions.
    pub(super) fn of_columns(&mut self, layer: &Layer, what: &str, numbers: impl Iterator<Item = f64>) -> ArrayId {
        let name = format!("{}: {what}", self.name(layer.node));
        let values: Vec<f64> = numbers.flat_map(|number| std::iter::repeat_n(number, layer.positions)).collect();
        let len = values.len();
        let tensor = self.tensor(name.clone(), vec![len], values);
        self.array(name, Len::Fixed(len), false, Initial::Tensor { tensor, start: 0 })
    }

    /// What the outputs are multiplied by, where their columns have scales of their own.
    pub(super) fn scales(&mut self, layer: &Layer, outputs: (usize, usize)) -> Option<ArrayId> {
        let scales = &self.mapped.decisions.scales.get(&layer.node)?[outputs.0..outputs.1];
        Some(self.of_columns(layer, "scales", scales.iter().copied()))
    }

    /// The share of the range of a block that each of its columns is converted in, where they have ranges of their own.
    pub(super) fn column_ranges(&mut self, layer: &Layer, (block, columns): (usize, usize)) -> Option<ArrayId> {
        let of_run = matches!(layer.weights, Weights::Fitted { .. }) || self.learned.contains(&layer.node);
        let shares =
            self.mapped.decisions.column_ranges.get(block).filter(|shares| shares.len() == columns && !of_run)?;
        Some(self.of_columns(layer, "column ranges", shares.iter().copied()))
    }

    /// What the converters of a block's columns have of their own; neighbours share one.
    pub(super) fn own_of_columns(&mut self, layer: &Layer, (block, columns): (usize, usize)) -> chain::Own {
        let (converter, sharing) = match layer.tile.senses.get(layer.how.sense) {
            Some(Sense::Converter { converter, sharing }) => (Some(*converter), (*sharing).max(1)),
            Some(Sense::Analog(_)) | None => (layer.how.gather, 1),
        };
        let Some(converter) = converter else { return chain::Own::default() };
        let (converter, positions) = (&self.chip.converters[converter], layer.positions);
        let name = format!("{}, array {block}", self.name(layer.node));
        self.own(&name, converter, columns * positions, |element| element / positions / sharing)
    }

    /// A layer's weights as its cells hold them: where columns have scales of their own, the largest of each takes the whole range.
    pub(super) fn held_weights(&mut self, node: NodeId, weights: &Weights) -> Weights {
        let (Weights::Given(id), Some(scales)) = (weights, self.mapped.decisions.scales.get(&node)) else {
            return weights.clone();
        };
        let tensor = &self.program.tensors[id.index()];
        let inputs = (tensor.data.len() / scales.len().max(1)).max(1);
        let values = (0..tensor.data.len()).map(|at| tensor.data.get(at) / scales[at / inputs]).collect();
        let (name, shape) = (format!("{}, in the scales of columns", tensor.name), tensor.shape.clone());
        Weights::Given(self.tensor(name, shape, values))
    }
}
