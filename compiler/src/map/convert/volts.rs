//! Columns that give voltages: what an output is for a volt of its column, and what errors of conductances do to it.

use std::sync::OnceLock;

use super::calibrate::Calibration;
use super::columns::{Sums, scaled};
use super::expect::tensor;
use super::rounding::largest;
use crate::analyse::frames::floats;
use crate::analyse::normalised::column_siemens;
use crate::forms::chip::WeightScheme;
use crate::forms::mapped::Given;
use crate::forms::network::NodeId;
use crate::forms::tiling::{Block, Tiling};
use crate::map::tile::layer_inputs;

/// A column of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its output where it has the voltage of an input of 1.
    pub one: f64,
    /// Mean and mean square of its voltage, in inputs.
    mean: f64,
    square: f64,
}

/// What each column's output is where it has the voltage of an input of 1, of a block with these weights [outputs, inputs] as cells hold them; empty
/// where its tile does not divide by conductances.
fn ones(given: Given, block: &Block, (weights, width): (&[f32], usize), most: f64) -> Vec<f64> {
    let tile = &given.chip.tile_kinds[block.tile_kind];
    if !tile.normalises {
        return Vec::new();
    }
    let device = &given.chip.devices[tile.device];
    let (outputs, inputs) = (block.outputs.0, block.inputs.0);
    let weight = |output: usize, input: usize| f64::from(weights[(outputs + output) * width + inputs + input]);
    let siemens = column_siemens(device, tile.weights, (block.width(), block.rows()), most, &weight);
    siemens.into_iter().map(|siemens| siemens * most / (device.g_max - device.g_min)).collect()
}

/// The columns of a block which give these sums [samples, outputs].
pub(super) fn columns(given: Given, block: &Block, weights: (&[f32], usize), most: f64, sums: &[f32]) -> Vec<Column> {
    let of = |(column, one): (usize, f64)| {
        let volts =
            sums.iter().skip(column).step_by(block.width()).map(|sum| f64::from(*sum) / one.max(f64::MIN_POSITIVE));
        let count = (sums.len() / block.width().max(1)).max(1) as f64;
        let (sum, square) = volts.fold((0.0, 0.0), |(sum, square), v| (sum + v, square + v * v));
        Column { one, mean: sum / count, square: square / count }
    };
    ones(given, block, weights, most).into_iter().enumerate().map(of).collect()
}

impl Calibration {
    /// Takes, for a block nothing is measured of, the voltages that its columns can have: no more than its rows.
    pub(super) fn assume_volts(&mut self, given: Given, block: usize, tiling: &Tiling) -> Option<Sums> {
        let of = &tiling.blocks[block];
        let weights = tensor(given, of.layer).filter(|_| given.chip.tile_kinds[of.tile_kind].normalises)?;
        let weights = floats(weights, weights.len());
        let most = given.network.within.get(&of.layer).copied().unwrap_or_else(|| largest(&weights));
        let held = self.scales.get(&of.layer).map(|scales| scaled(&weights, scales));
        let width = layer_inputs(given.network, of.layer);
        let ones = ones(given, of, (held.as_deref().unwrap_or(&weights), width), most);
        let full = self.arriving(given, of.layer);
        let column = |one: &f64| Column { one: *one, mean: 0.0, square: full * full / 3.0 };
        self.volts.insert(block, ones.iter().map(column).collect());
        Some(Sums::in_volts(&[], &ones, full))
    }

    /// Error variance at an output of a layer from errors of its cells, of which `error` is the mean and mean square, in weights, at a share of their
    /// range and `levels` what rounding changes in a weight of a share. A cell takes what lies between the voltages of its row and its column.
    pub(super) fn volts_variance(
        &self,
        given: Given,
        tiling: &Tiling,
        layer: NodeId,
        error: &dyn Fn(f64) -> (f64, f64),
        levels: &dyn Fn(f64) -> f64,
        moments: &[(f64, f64)],
    ) -> f64 {
        let Some(weights) = tensor(given, layer) else { return 0.0 };
        let (weights, inputs) = (floats(weights, weights.len()), layer_inputs(given.network, layer));
        let most = self.weight_maxima.get(&layer).copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let table: Vec<OnceLock<(f64, f64)>> = vec![OnceLock::new(); 257];
        let cell = |share: f64| {
            let at = (share.clamp(0.0, 1.0) * 256.0).round() as usize;
            *table[at].get_or_init(|| error(at as f64 / 256.0))
        };
        let mut sum = 0.0;
        for (index, block) in tiling.of(layer) {
            let pairs = given.chip.tile_kinds[block.tile_kind].weights == WeightScheme::Differential;
            let columns = self.volts.get(&index).map_or(&[][..], Vec::as_slice);
            for (output, column) in (block.outputs.0..block.outputs.1).zip(columns) {
                let own = self.scale(layer, output);
                let (mut of_cells, mut more) = (0.0, 0.0);
                for input in block.inputs.0..block.inputs.1 {
                    let weight = f64::from(weights[output * inputs + input]) / own;
                    let (mean, square) = moments[input];
                    // Of the row and the column together: what all rows bring, and what this one does.
                    let both = mean * column.mean + (square - mean * mean) * weight / column.one.max(f64::MIN_POSITIVE);
                    let (alone, share) = (square + column.square, weight / most);
                    let ((bias, variance), (other_bias, other_variance)) = (cell(share), cell(-share));
                    of_cells += variance * (alone - 2.0 * both) + square * levels(share).powi(2);
                    more += bias;
                    if pairs {
                        of_cells += other_variance * (alone + 2.0 * both);
                        more += other_bias;
                    }
                }
                // What all cells err alike changes the sum of conductances.
                sum += own * own * (of_cells + column.square * more * more);
            }
        }
        sum / given.network.graph[layer].outputs().max(1) as f64
    }
}
