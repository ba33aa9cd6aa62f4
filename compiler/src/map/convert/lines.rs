//! What open lines of arrays are expected to change in a layer's outputs.

use super::calibrate::Calibration;
use super::expect::{TYPICAL, tensor};
use crate::analyse::frames::floats;
use crate::forms::chip::WeightScheme;
use crate::forms::mapped::Given;
use crate::forms::network::NodeId;
use crate::forms::tiling::Tiling;
use crate::graph::operands;
use crate::map::tile::layer_inputs;

impl Calibration {
    /// Error variance at an output of a layer from rows that are open, and from columns that are and find no spare. A row takes a weight's
    /// product away, a column those of all its cells together.
    pub(super) fn open_lines(&self, given: Given, tiling: &Tiling, layer: NodeId) -> f64 {
        let Some((_, block)) = tiling.of(layer).next() else { return 0.0 };
        let tile = &given.chip.tile_kinds[block.tile_kind];
        let device = &given.chip.devices[tile.device];
        let source = operands(given.network, layer).first().copied();
        let (Some(source), true) = (source, device.has_open_lines()) else { return 0.0 };
        let column = unrepaired(device.dead_column, block.columns(), tile.spare_columns);
        let inputs = layer_inputs(given.network, layer);
        let outputs = given.network.graph[layer].outputs().max(1);
        let moments = self.row_moments(source, inputs, block.positions);
        let parts = tiling.of(layer).filter(|(_, of)| of.outputs == block.outputs).count().max(1) as f64;
        let most = self.weight_maxima.get(&layer).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE);
        let low = device.g_min / (device.g_max - device.g_min).max(f64::MIN_POSITIVE);
        // What a weight's cells hold, in weights.
        let cells = |weight: f64| match tile.weights {
            // Both lie on one column.
            WeightScheme::Differential if tile.normalises => [weight, 0.0],
            WeightScheme::Differential => [weight.max(0.0), (-weight).max(0.0)].map(|held| held + low * most),
            WeightScheme::Unsigned => [weight.max(0.0) + low * most, 0.0],
            WeightScheme::Reference | WeightScheme::Offset => [weight + most, most].map(|held| held + 2.0 * low * most),
        };
        let of_output = |weights: &mut dyn Iterator<Item = f64>| {
            let (mut rows, mut sums, mut spreads) = (0.0, [0.0; 2], 0.0);
            for (weight, (mean, square)) in weights.zip(&moments) {
                rows += square * weight * weight;
                for (sum, held) in sums.iter_mut().zip(cells(weight)) {
                    *sum += mean * held;
                    spreads += (square - mean * mean) * held * held;
                }
            }
            let columns = sums.iter().map(|sum| sum * sum).sum::<f64>() / parts + spreads;
            device.dead_row * rows + column * columns
        };
        match tensor(given, layer) {
            Some(weights) => {
                let weights = floats(weights, weights.len());
                let each = weights.chunks_exact(inputs.max(1));
                each.map(|row| of_output(&mut row.iter().map(|&w| f64::from(w)))).sum::<f64>() / outputs as f64
            }
            None => of_output(&mut std::iter::repeat_n(TYPICAL * most, inputs)),
        }
    }
}

/// The share of columns that are open and left so on average, where so many spares can be open themselves: what `columns + spares` lines
/// have more than there are spares.
fn unrepaired(share: f64, columns: usize, spares: usize) -> f64 {
    let (all, spare) = ((columns + spares) as f64, spares as f64);
    if share >= 1.0 || columns == 0 {
        return share;
    }
    // The binomial distribution below the number of spares.
    let (mut chance, mut below) = ((1.0 - share).powf(all), 0.0);
    for open in 0..spares {
        below += (spare - open as f64) * chance;
        chance *= (all - open as f64) / (open as f64 + 1.0) * share / (1.0 - share);
    }
    ((all * share - spare + below) / columns as f64).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::unrepaired;

    /// Oracle: every outcome of four lines with a chance of 0.3, one of them a spare.
    #[test]
    fn open_columns_beyond_the_spares_are_left() {
        let chance = |open: i32| 0.3_f64.powi(open) * 0.7_f64.powi(4 - open);
        let left = 6.0 * chance(2) + 2.0 * 4.0 * chance(3) + 3.0 * chance(4);
        assert!((unrepaired(0.3, 3, 1) - left / 3.0).abs() < 1e-12);
        assert_eq!(unrepaired(0.3, 5, 0), 0.3);
    }
}
