//! Columns that give voltages: what an output is for a volt of its column, and what errors of conductances do to it.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::calibrate::Calibration;
use super::columns::{Sums, largest_of, scaled};
use super::expect::tensor;
use crate::analyse::frames::{self, floats};
use crate::analyse::normalised::column_siemens;
use crate::analyse::product::products;
use crate::forms::chip::WeightScheme;
use crate::forms::mapped::Given;
use crate::forms::network::NodeId;
use crate::forms::tiling::{Block, Tiling};
use crate::graph::operands;
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

/// What each column's output is where it has the voltage of an input of 1, of a block whose outputs have these scales; empty where its tile does not divide
/// by conductances. Of weights as they are given: rounded to single precision, one half-way between two levels of a cell would be held at the other.
fn ones(given: Given, block: &Block, scales: Option<&[f64]>, most: f64) -> Vec<f64> {
    let tile = &given.chip.tile_kinds[block.tile_kind];
    let Some(weights) = tensor(given, block.layer).filter(|_| tile.normalises) else { return Vec::new() };
    let (device, width) = (&given.chip.devices[tile.device], layer_inputs(given.network, block.layer));
    let weight = |output: usize, input: usize| {
        let output = block.outputs.0 + output;
        let weight = weights.get(output * width + block.inputs.0 + input);
        scales.map_or(weight, |scales| weight / scales[output])
    };
    let siemens = column_siemens(device, tile.weights, (block.width(), block.rows()), most, &weight);
    siemens.into_iter().map(|siemens| siemens * most / (device.g_max - device.g_min)).collect()
}

/// The columns of a block which give these sums [samples, outputs].
pub(super) fn columns(given: Given, block: &Block, scales: Option<&[f64]>, most: f64, sums: &[f32]) -> Vec<Column> {
    let of = |(column, one): (usize, f64)| {
        let volts =
            sums.iter().skip(column).step_by(block.width()).map(|sum| f64::from(*sum) / one.max(f64::MIN_POSITIVE));
        let count = (sums.len() / block.width().max(1)).max(1) as f64;
        let (sum, square) = volts.fold((0.0, 0.0), |(sum, square), v| (sum + v, square + v * v));
        Column { one, mean: sum / count, square: square / count }
    };
    ones(given, block, scales, most).into_iter().enumerate().map(of).collect()
}

impl Calibration {
    /// Takes, for a block nothing is measured of, the voltages that its columns can have: no more than its rows.
    pub(super) fn assume_volts(&mut self, given: Given, block: usize, tiling: &Tiling) -> Option<Sums> {
        let of = &tiling.blocks[block];
        let weights = tensor(given, of.layer).filter(|_| given.chip.tile_kinds[of.tile_kind].normalises)?;
        let most = given.network.within.get(&of.layer).copied();
        let most = most.unwrap_or_else(|| largest_of(weights, 0..weights.len()));
        let ones = ones(given, of, self.scales.get(&of.layer).map(Vec::as_slice), most);
        let full = self.arriving(given, of.layer);
        let column = |one: &f64| Column { one: *one, mean: 0.0, square: full * full / 3.0 };
        self.volts.insert(block, ones.iter().map(column).collect());
        Some(Sums::in_volts(&[], &ones, full))
    }

    /// Siemens of columns times the mean square of the voltage that they come to, in full ranges of an input, summed over columns and positions: what cells
    /// do not take as their columns follow the rows. `driven`: the mean square of each row's input (of pulses its mean size), summed over positions.
    pub(super) fn risen(&self, given: Given, block: &Block, pulses: bool, driven: &[f64]) -> f64 {
        let tile = &given.chip.tile_kinds[block.tile_kind];
        let (Some(weights), Some(&most)) = (tensor(given, block.layer), self.weight_maxima.get(&block.layer)) else {
            return 0.0;
        };
        let (weights, width) = (floats(weights, weights.len()), layer_inputs(given.network, block.layer));
        let held = self.scales.get(&block.layer).map(|scales| scaled(&weights, scales));
        let weights = held.as_deref().unwrap_or(&weights);
        let ones = ones(given, block, self.scales.get(&block.layer).map(Vec::as_slice), most);
        let device = &given.chip.devices[tile.device];
        let siemens = (device.g_max - device.g_min) / most.max(f64::MIN_POSITIVE);
        // What a weight adds to the current of its column, [rows, columns].
        let row = |output: usize| &weights[output * width + block.inputs.0..output * width + block.inputs.1];
        let of_columns = |squares: &mut dyn Iterator<Item = f64>| -> f64 {
            ones.iter().zip(squares).filter(|(one, _)| **one > 0.0).map(|(one, square)| siemens * square / one).sum()
        };
        let source = operands(given.network, block.layer).first().copied();
        let known = source.and_then(|source| Some((source, self.values.get(&source).filter(|_| self.samples > 0)?)));
        let Some((source, values)) = known else {
            // Rows that know nothing of one another.
            let square = |output: usize| row(output).iter().zip(driven).map(|(w, x)| f64::from(*w).powi(2) * x).sum();
            return of_columns(&mut (block.outputs.0..block.outputs.1).map(square));
        };
        let (full, columns) = (self.range(source).full, block.width());
        let input = frames::turned(values, (width, block.positions));
        let squares: Vec<f64> = if pulses {
            let turned: Vec<Vec<f32>> = (block.inputs.0..block.inputs.1)
                .map(|input| {
                    weights.iter().skip(input).step_by(width).skip(block.outputs.0).take(columns).copied().collect()
                })
                .collect();
            let of_sample = |x: &[f32]| over_pulses(&x[block.inputs.0..block.inputs.1], &turned, columns);
            let each: Vec<Vec<f64>> = input.par_chunks_exact(width.max(1)).map(of_sample).collect();
            (0..columns).map(|column| each.iter().map(|squares| squares[column]).sum::<f64>() / full).collect()
        } else {
            let sums = products(&input, weights, width, block.inputs, block.outputs);
            let square =
                |column| sums.iter().skip(column).step_by(columns).map(|sum| f64::from(*sum).powi(2)).sum::<f64>();
            (0..columns).map(|column| square(column) / (full * full)).collect()
        };
        of_columns(&mut squares.into_iter().map(|square| square / self.samples as f64))
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

/// The square of what weights [rows, columns] give together, summed over the time of pulses of these widths that begin together.
fn over_pulses(x: &[f32], weights: &[Vec<f32>], columns: usize) -> Vec<f64> {
    let mut rows: Vec<usize> = (0..x.len()).filter(|row| x[*row] != 0.0).collect();
    rows.sort_by(|a, b| x[*b].abs().total_cmp(&x[*a].abs()));
    let (mut sums, mut squares) = (vec![0.0_f64; columns], vec![0.0; columns]);
    for (at, &row) in rows.iter().enumerate() {
        let next = rows.get(at + 1).map_or(0.0, |next| x[*next].abs());
        let (sign, time) = (f64::from(x[row].signum()), f64::from(x[row].abs() - next));
        for ((sum, square), weight) in sums.iter_mut().zip(&mut squares).zip(&weights[row]) {
            *sum += sign * f64::from(*weight);
            *square += time * *sum * *sum;
        }
    }
    squares
}
