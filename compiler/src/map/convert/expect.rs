//! What calibration lets expect: the energy of events and the error of cells and converters, before anything runs.

use std::sync::OnceLock;

use nmc_program::TensorData;
use rayon::prelude::*;

use super::calibrate::Calibration;
use super::columns::Sums;
use super::rounding::rounding;
use crate::analyse::digits::{Digits, bit_range};
use crate::analyse::evaluate::evaluate_at;
use crate::analyse::frames::floats;
use crate::analyse::quantiser::{Quantiser, nearest, range_of, variance};
use crate::cost::{self, Event, Often};
use crate::forms::chip::{Converter, Deviation, Device, Trap, Way, WeightScheme};
use crate::forms::circuit::{Part, Role};
use crate::forms::decisions::{Bias, OnTiles, Range, Summing};
use crate::forms::equations::Expr;
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator, Weights};
use crate::forms::plan::Plan;
use crate::forms::tiling::{Block, Tiling};
use crate::graph::{operands, ticks};
use crate::map::tile::layer_inputs;

/// A quarter of the range: where a cell is taken to be when weights are not known yet.
pub const TYPICAL: f64 = 0.25;

/// So many weights are worth a second thread.
const MANY: usize = 1 << 16;

impl Calibration {
    /// Full range of a node's output.
    pub fn range(&self, node: NodeId) -> Range {
        self.ranges.get(&node).copied().unwrap_or(Range { full: 1.0, unsigned: false })
    }

    /// What an output is multiplied by once it is digital: the share of the layer's largest weight that its cells hold at most.
    pub fn scale(&self, layer: NodeId, output: usize) -> f64 {
        self.scales.get(&layer).and_then(|scales| scales.get(output)).copied().unwrap_or(1.0)
    }

    /// Joules a sample of an event of a part. Spikes are nobody's choice and count nothing here.
    /// `driven` is how long the cells of an array conduct in a read; none: as long as its own read takes.
    pub fn expected(
        &self,
        given: Given,
        tiling: &Tiling,
        how: Option<OnTiles>,
        part: &Part,
        event: &Event,
        driven: Option<f64>,
    ) -> f64 {
        match event.often {
            Often::Sample(count) => count * event.energy,
            Often::Tick(count) => count * event.energy * ticks(given.plan),
            Often::Once(_) | Often::Write { .. } | Often::Written { .. } => 0.0,
            Often::Spike(..) | Often::Synapse(..) | Often::Update(_) => 0.0,
            Often::Read { block, bias } => {
                let (Some(how), Role::Array { converts, bias_rows, .. }) = (how, part.role) else { return 0.0 };
                let of = &tiling.blocks[block];
                let tile = &given.chip.tile_kinds[of.tile_kind];
                let pulses = cost::pulses(given.chip, tile, how);
                let read = cost::time::read(given.chip, tile, of, how, converts);
                let seconds = driven.unwrap_or(read.driven(pulses));
                let squared = tile.read_voltage.powi(2) * seconds * part.firings * event.energy;
                match bias {
                    true => {
                        let cells = bias_rows * of.width() * of.positions;
                        squared * cells as f64 * self.typical(given, of)
                    }
                    false => {
                        let bits = cost::part_reads(tile, how);
                        let key = (block, pulses, bits as u32);
                        let known = self.conducted.borrow().get(&key).copied();
                        let conducted = known.unwrap_or_else(|| self.conducted(given, of, pulses, bits));
                        self.conducted.borrow_mut().insert(key, conducted);
                        squared * conducted
                    }
                }
            }
        }
    }

    /// Watts (times firings a sample) that a layer's cells burn while its rows are driven.
    pub fn power(&self, given: Given, tiling: &Tiling, layer: NodeId, how: OnTiles) -> f64 {
        let mut watts = 0.0;
        for (index, block) in tiling.of(layer) {
            let tile = &given.chip.tile_kinds[block.tile_kind];
            let known = self.conducted.borrow().get(&(index, false, 1)).copied();
            let conducted = known.unwrap_or_else(|| self.conducted(given, block, false, 1.0));
            self.conducted.borrow_mut().insert((index, false, 1), conducted);
            let bias = match how.bias {
                Bias::Rows(rows) => {
                    rows.min(block.spare_rows) as f64 * block.width() as f64 * self.typical(given, block)
                }
                Bias::None | Bias::Digital(_) => 0.0,
            };
            watts += tile.read_voltage.powi(2) * (conducted + bias) * tiling.firings[layer.index()];
        }
        watts
    }

    /// Siemens of an output's cells in one row where nothing is known of them.
    fn typical(&self, given: Given, block: &Block) -> f64 {
        let device = &given.chip.devices[given.chip.tile_kinds[block.tile_kind].device];
        let cell = device.g_min + TYPICAL * (device.g_max - device.g_min);
        cell * block.columns_per_output as f64
    }

    /// Siemens times the square of the input (of its width, for pulses; of each bit, for serial inputs), in full ranges, summed over rows and
    /// positions.
    fn conducted(&self, given: Given, block: &Block, pulses: bool, bits: f64) -> f64 {
        let source = operands(given.network, block.layer).first().copied();
        let rows = block.inputs.0..block.inputs.1;
        let Some(source) = source else { return 0.0 };
        let (len, full) = (given.network.graph[source].len().max(1), self.range(source).full);
        let positions = block.positions;
        let driven: Vec<f64> = match self.values.get(&source).filter(|_| self.samples > 0) {
            Some(values) => {
                let mut sums = vec![0.0; rows.len()];
                for sample in values.chunks_exact(len) {
                    let rows = sample.chunks_exact(positions).skip(rows.start);
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        for x in row {
                            let share = f64::from(x.abs()) / full;
                            *sum += if pulses { share } else { share * share };
                        }
                    }
                }
                sums.into_iter().map(|sum| sum / self.samples as f64).collect()
            }
            None => vec![if pulses { 0.5 } else { 1.0 / 3.0 } * positions as f64; rows.len()],
        };
        if bits > 1.0 {
            // Half of the bits of a word that is not 0 are set, more or less.
            let active = driven.iter().filter(|share| **share > 0.0).count() as f64;
            return 0.5 * bits * active * self.typical(given, block) * (block.width() * positions) as f64;
        }
        let conductances = self.row_conductances(given, block);
        let grounded: f64 = driven.iter().zip(conductances).map(|(share, siemens)| share * siemens).sum();
        match given.chip.tile_kinds[block.tile_kind].normalises {
            true => grounded - self.risen(given, block, pulses, &driven),
            false => grounded,
        }
    }

    /// Siemens of each row of a block's cells, as they are asked for.
    fn row_conductances(&self, given: Given, block: &Block) -> Vec<f64> {
        let chip = given.chip;
        let tile = &chip.tile_kinds[block.tile_kind];
        let device = &chip.devices[tile.device];
        let span = device.g_max - device.g_min;
        let (Some(weights), Some(&most)) = (tensor(given, block.layer), self.weight_maxima.get(&block.layer)) else {
            return vec![self.typical(given, block) * block.width() as f64; block.rows()];
        };
        let width = weights.len() / given.network.graph[block.layer].outputs().max(1);
        let weights = floats(weights, weights.len());
        let mut siemens = vec![block.extra_columns as f64 * (device.g_min + 0.5 * span); block.rows()];
        for output in block.outputs.0..block.outputs.1 {
            let row = &weights[output * width + block.inputs.0..output * width + block.inputs.1];
            for (siemens, &weight) in siemens.iter_mut().zip(row) {
                let share = f64::from(weight) / self.scale(block.layer, output) / most.max(f64::MIN_POSITIVE);
                *siemens += match tile.weights {
                    WeightScheme::Differential => 2.0 * device.g_min + span * share.abs().min(1.0),
                    WeightScheme::Reference => device.g_min + span * 0.5 * (1.0 + share.clamp(-1.0, 1.0)),
                    WeightScheme::Unsigned => device.g_min + span * share.clamp(0.0, 1.0),
                    WeightScheme::Offset => (device.g_min + 0.5 * span) * block.columns_per_output as f64,
                };
            }
        }
        siemens
    }

    /// Rows driven at full range that a layer's bias needs, so that no cell holds more than the largest weight.
    pub fn bias_rows(&self, given: Given, layer: NodeId) -> usize {
        let Operator::Dense { bias: Some(bias), .. } = &given.network.graph[layer].operator else { return 1 };
        let Some(bias) = given.tensors.get(bias.index()) else { return 1 };
        let largest_of = |data: &TensorData| (0..data.len()).map(|i| data.get(i).abs()).fold(0.0, f64::max);
        let full = operands(given.network, layer).first().map_or(1.0, |source| self.range(*source).full);
        let most = tensor(given, layer).map_or(0.0, largest_of);
        // Of each output in the scale of its column.
        let of = |output: usize| bias.data.get(output).abs() / self.scale(layer, output);
        let largest = (0..bias.data.len()).map(of).fold(0.0, f64::max);
        let rows = (largest / (full * most).max(f64::MIN_POSITIVE) - 1e-9).ceil();
        if rows.is_finite() { rows.clamp(1.0, 1e6) as usize } else { 1 }
    }

    /// Error variance of a signal's values through a converter of their range: rounding, clipping and noise, on the calibration data.
    pub fn quantised(&self, source: NodeId, converter: &Converter, range: Range) -> f64 {
        match (converter.bits, self.values.get(&source).filter(|values| !values.is_empty())) {
            (Some(bits), Some(values)) => {
                let range = range_of(converter, range);
                let step = Quantiser::new(bits, range).step;
                // Every alternative, converter and demand asks again.
                let (gain, offset) = match converter.corrected {
                    true => (Deviation::default(), Deviation::default()),
                    false => (converter.gain_error, converter.offset_lsb),
                };
                let fixed = [gain.mean, gain.spread, offset.mean, offset.spread, converter.inl_lsb].map(f64::to_bits);
                let key = (source, bits, range.unsigned, fixed);
                let known = self.rounded.borrow().get(&key).copied().filter(|(full, _)| *full == range.full);
                let rounded = known.map_or_else(|| rounding(values, bits, converter, range), |(_, rounded)| rounded);
                self.rounded.borrow_mut().insert(key, (range.full, rounded));
                rounded + (step * converter.noise).powi(2)
            }
            (Some(_) | None, _) => variance(converter, range),
        }
    }

    /// Error variance at an output of a layer from the converter of its columns.
    pub fn sense_variance(
        &self,
        given: Given,
        tiling: &Tiling,
        layer: NodeId,
        how: OnTiles,
        converter: &Converter,
    ) -> f64 {
        let Some(bits) = converter.bits else { return 0.0 };
        let Some((_, first)) = tiling.of(layer).next() else { return 0.0 };
        if let Some(digits) = Digits::of(given.chip, &given.chip.tile_kinds[first.tile_kind], how) {
            return self.digit_variance(given, tiling, (layer, how), &digits, converter);
        }
        let lines = matches!(how.sum, Summing::Line(_));
        let (mut sum, mut merged) = (0.0, 1.0);
        for (index, block) in tiling.of(layer) {
            let sums = self.sums(tiling, index, how);
            let Sums { range, values, .. } = sums;
            let range = Range { full: *range, unsigned: false };
            let noise = (Quantiser::new(bits, range).step * converter.noise).powi(2);
            let rounded = if values.is_empty() {
                variance(converter, range) - noise
            } else {
                rounding(values, bits, converter, range)
            };
            let share = |column: usize| sums.columns.get(column).copied().unwrap_or(1.0);
            let scale = |column: usize| share(column) * self.scale(layer, block.outputs.0 + column);
            sum += (rounded + noise) * (0..block.width()).map(|column| scale(column).powi(2)).sum::<f64>();
            if lines {
                let merge = tiling.merges.iter().find(|merge| merge.blocks.contains(&index));
                merged = merge.map_or(1.0, |merge| merge.blocks.len() as f64);
            }
        }
        sum / given.network.graph[layer].outputs().max(1) as f64 / merged
    }

    /// The same where columns are read digit by digit and bit by bit: each has its place value.
    fn digit_variance(
        &self,
        given: Given,
        tiling: &Tiling,
        (layer, how): (NodeId, OnTiles),
        digits: &Digits,
        converter: &Converter,
    ) -> f64 {
        let source = operands(given.network, layer).first().copied();
        let arriving = source.map_or(Range { full: 1.0, unsigned: false }, |source| self.range(source));
        let powers = |base: f64, count: usize| (0..count).map(|n| base.powi(2 * n as i32)).sum::<f64>();
        let inputs = match digits.bits {
            Some(bits) => Quantiser::new(bits, arriving).step.powi(2) * powers(2.0, bits as usize),
            None => arriving.full.powi(2),
        };
        let most = self.weight_maxima.get(&layer).copied().unwrap_or(1.0);
        let weights = match digits.offset {
            true => (2.0 * most / digits.most()).powi(2) * powers(f64::from(digits.levels), digits.slices),
            false => 1.0,
        };
        let of_block = |(index, block): (usize, &Block)| {
            let sums = match tensor(given, layer).filter(|_| !digits.offset) {
                Some(weights) => bit_range(weights, layer_inputs(given.network, layer), block),
                None => self.sums(tiling, index, how).range,
            };
            let tile = &given.chip.tile_kinds[block.tile_kind];
            let fixed = digits.fixed(given.chip, tile, converter, most);
            let range = fixed.unwrap_or_else(|| digits.range(block, converter.bits, sums, arriving));
            let step = converter.bits.map_or(0.0, |bits| Quantiser::new(bits, range).step);
            // Bits times digits are whole numbers, and stay them where steps are.
            let whole = digits.offset && digits.bits.is_some() && step == 1.0;
            let rounded = if whole { step * step / 12.0 } else { 0.0 };
            let scales = (block.outputs.0..block.outputs.1).map(|output| self.scale(layer, output).powi(2));
            (variance(converter, range) - rounded) * scales.sum::<f64>()
        };
        let sum: f64 = tiling.of(layer).map(of_block).sum();
        inputs * weights * sum / given.network.graph[layer].outputs().max(1) as f64
    }

    /// Error variance at an output of a layer from its cells: levels, programming, reading, stuck cells; of the bias's rows, too.
    pub fn cell_variance(&self, given: Given, tiling: &Tiling, layer: NodeId, how: OnTiles) -> f64 {
        let Some((_, block)) = tiling.of(layer).next() else { return 0.0 };
        let tile = &given.chip.tile_kinds[block.tile_kind];
        let device = &given.chip.devices[tile.device];
        let aged = Aged::of(device, given.plan.drift_compensated || tile.normalises, given.plan);
        let span = device.g_max - device.g_min;
        let most = self.weight_maxima.get(&layer).copied().unwrap_or(0.0);
        let source = operands(given.network, layer).first().copied();
        let (Some(source), true) = (source, span > 0.0) else { return 0.0 };
        let full = self.range(source).full;
        let outputs = given.network.graph[layer].outputs().max(1) as f64;
        let inputs = layer_inputs(given.network, layer);
        let moments = self.row_moments(source, inputs, block.positions);
        let squares: Vec<f64> = moments.iter().map(|(_, square)| *square).collect();
        let scale = match tile.weights {
            WeightScheme::Differential | WeightScheme::Unsigned => most / span,
            WeightScheme::Reference | WeightScheme::Offset => 2.0 * most / span,
        };
        let error = |share: f64| match tile.weights {
            WeightScheme::Differential => [share.max(0.0), (-share).max(0.0)].map(|cell| cell_error(&aged, cell)),
            WeightScheme::Unsigned => [cell_error(&aged, share.max(0.0)), 0.0],
            WeightScheme::Reference => [0.5 + 0.5 * share, 0.5].map(|cell| cell_error(&aged, cell)),
            WeightScheme::Offset => [digit_error(&aged, tile.slices), 0.0],
        };
        let error = |share: f64| error(share).iter().sum::<f64>() * scale * scale;
        let scales = self.scales.get(&layer);
        let known = self.cell_errors.borrow().get(&layer).copied();
        let of_cells = known.unwrap_or_else(|| {
            self.open_lines(given, tiling, layer)
                + match tensor(given, layer) {
                    Some(_) if tile.normalises => {
                        let error =
                            |share: f64| (cell_bias(&aged, share) * scale, cell_error(&aged, share) * scale * scale);
                        let levels = |share: f64| rounded_by_levels(device, tile.weights, share) * scale;
                        self.volts_variance(given, tiling, layer, &error, &levels, &moments)
                    }
                    Some(weights) => {
                        let weights = floats(weights, weights.len());
                        // Cells are alike to within a 256th of the range.
                        let table: Vec<OnceLock<f64>> = vec![OnceLock::new(); 513];
                        let of_output = |(output, row): (usize, &[f32])| -> f64 {
                            let own = scales.map_or(1.0, |scales| scales[output]);
                            let of = |(&weight, square): (&f32, &f64)| {
                                let share = (f64::from(weight) / own / most.max(f64::MIN_POSITIVE)).clamp(-1.0, 1.0);
                                let at = ((share + 1.0) * 256.0).round() as usize;
                                let known = table[at].get_or_init(|| error(at as f64 / 256.0 - 1.0));
                                let levels = rounded_by_levels(device, tile.weights, share) * scale;
                                square * (known + levels * levels)
                            };
                            own * own * row.iter().zip(&squares).map(of).sum::<f64>()
                        };
                        let rows = weights.chunks_exact(inputs.max(1)).enumerate();
                        let sums: Vec<f64> = match weights.len() {
                            0..MANY => rows.map(of_output).collect(),
                            _ => weights.par_chunks_exact(inputs.max(1)).enumerate().map(of_output).collect(),
                        };
                        sums.iter().sum::<f64>() / outputs
                    }
                    None => squares.iter().sum::<f64>() * error(TYPICAL),
                }
        });
        self.cell_errors.borrow_mut().insert(layer, of_cells);
        let rows = match how.bias {
            Bias::Rows(rows) => rows as f64,
            Bias::None | Bias::Digital(_) => 0.0,
        };
        of_cells + rows * full * full * error(TYPICAL) * scales.map_or(1.0, |scales| mean_square(scales))
    }

    /// Mean and mean square of what drives each row of a layer at so many positions.
    pub(super) fn row_moments(&self, source: NodeId, len: usize, positions: usize) -> Vec<(f64, f64)> {
        let Some(values) = self.values.get(&source).filter(|_| self.samples > 0) else {
            return vec![(0.0, self.range(source).full.powi(2) / 3.0); len];
        };
        let mut sums = vec![(0.0, 0.0); len];
        for sample in values.chunks_exact((len * positions).max(1)) {
            for (sums, row) in sums.iter_mut().zip(sample.chunks_exact(positions)) {
                for &x in row {
                    *sums = (sums.0 + f64::from(x), sums.1 + f64::from(x).powi(2));
                }
            }
        }
        let count = (self.samples * positions) as f64;
        sums.into_iter().map(|(sum, square)| (sum / count, square / count)).collect()
    }
}

pub(super) fn mean_square(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>() / values.len().max(1) as f64
}

/// The weights of a layer, [outputs, inputs]; none before they are fitted.
pub(super) fn tensor<'a>(given: Given<'a>, layer: NodeId) -> Option<&'a TensorData> {
    let Operator::Dense { weights: Weights::Given(id), .. } = &given.network.graph[layer].operator else { return None };
    given.tensors.get(id.index()).map(|tensor| &tensor.data)
}

/// A cell so long after programming, read with a voltage that is so much higher.
struct Aged<'d> {
    device: &'d Device,
    after: f64,
    gain: f64,
}

impl<'d> Aged<'d> {
    /// When a plan tests its chips last; what all cells lose alike is made up for where arrays are read so, or divide by their conductances.
    fn of(device: &'d Device, compensated: bool, plan: &Plan) -> Self {
        let after = plan.after.iter().copied().fold(0.0, f64::max);
        let middle = 0.5 * (device.g_min + device.g_max);
        let drifted = device
            .drift
            .as_ref()
            .map_or(middle, |drift| evaluate_at(drift, &[middle, 0.0, middle, middle], &[], (after, 0.0)));
        let gain = if compensated && drifted > 0.0 { middle / drifted } else { 1.0 };
        Aged { device, after, gain }
    }

    /// Mean and mean square of what drift changes in a cell, in siemens.
    fn drifted(&self, g: f64) -> (f64, f64) {
        let Some(drift) = &self.device.drift else { return (0.0, 0.0) };
        let error = |above: f64| self.gain * evaluate_at(drift, &[g, 0.0, g, g], &[], (self.after, above)).max(0.0) - g;
        // The eighths of a normal distribution, by their medians.
        let errors = [-1.534, -0.887, -0.489, -0.157, 0.157, 0.489, 0.887, 1.534].map(error);
        (errors.iter().sum::<f64>() / 8.0, errors.iter().map(|error| error * error).sum::<f64>() / 8.0)
    }
}

/// Mean of what a cell holds beyond what it was asked for, at a share of its range, in siemens.
fn cell_bias(aged: &Aged, share: f64) -> f64 {
    let device = aged.device;
    let g = device.g_min + (device.g_max - device.g_min) * share;
    let sigma = device.programming_sigma.as_ref();
    let sigma = sigma.map_or(0.0, |expr| evaluate_at(expr, &[g, 0.0, g, g], &[], (aged.after, 0.0)));
    let (stuck_on, stuck_off) = (device.stuck_on, device.stuck_off);
    let (programmed, kept) = (clipped(sigma, g).0 + aged.drifted(g).0, |held: f64| aged.gain * held - g);
    (1.0 - stuck_on - stuck_off) * programmed + stuck_on * kept(device.g_max) + stuck_off * kept(device.g_min)
}

/// Variance of what a cell holds at a share of its range, in siemens squared, beside rounding to levels.
fn cell_error(aged: &Aged, share: f64) -> f64 {
    let (device, moment) = (aged.device, (aged.after, 0.0));
    let sigma =
        |expr: &Option<Expr>, g: f64| expr.as_ref().map_or(0.0, |expr| evaluate_at(expr, &[g, 0.0, g, g], &[], moment));
    let stuck = device.stuck_on + device.stuck_off;
    let g = device.g_min + (device.g_max - device.g_min) * share;
    // A verified cell lies anywhere within the tolerance.
    let within = if let Way::Verified(tolerance) = device.programming.way { tolerance.powi(2) / 3.0 } else { 0.0 };
    let programmed = clipped(sigma(&device.programming_sigma, g).hypot(within.sqrt()), g).1;
    // Stuck cells do not drift.
    let kept = |held: f64| (aged.gain * held - g).powi(2);
    let faults = device.stuck_on * kept(device.g_max) + device.stuck_off * kept(device.g_min);
    let trap = |trap: &Trap| {
        let [amplitude, capture, emission] = [&trap.amplitude, &trap.capture, &trap.emission]
            .map(|expr| evaluate_at(expr, &[g, 0.0, g, g], &[], moment));
        amplitude.min(g).powi(2) * emission / (capture + emission)
    };
    let trapped: f64 = device.traps.iter().map(trap).sum();
    let read =
        sigma(&device.read_sigma, g).powi(2) + sigma(&device.flicker.as_ref().map(|of| of.sigma.clone()), g).powi(2);
    (1.0 - stuck) * (programmed + aged.drifted(g).1) + faults + read + trapped
}

/// Of a weight in digits, each with its place value, as if one cell held it: the mean over the values of a digit.
fn digit_error(aged: &Aged, slices: usize) -> f64 {
    let device = aged.device;
    let levels = f64::from(device.levels.unwrap_or(1 << 16).max(2));
    let values = levels.min(64.0);
    let mean = (0..values as usize).map(|n| cell_error(aged, n as f64 / (values - 1.0))).sum::<f64>() / values;
    let share =
        |digit: usize| ((levels - 1.0) * levels.powi(digit as i32) / (levels.powi(slices as i32) - 1.0)).powi(2);
    mean * (0..slices.max(1)).map(share).sum::<f64>()
}

/// Mean and mean square of a normal error by which no conductance becomes less than 0.
fn clipped(sigma: f64, g: f64) -> (f64, f64) {
    if sigma <= 0.0 {
        return (0.0, 0.0);
    }
    // By the midpoint rule over eight standard deviations.
    const STEPS: usize = 24;
    let (mut mean, mut sum, mut weight) = (0.0, 0.0, 0.0);
    for step in 0..STEPS {
        let z = -4.0 + 8.0 * (step as f64 + 0.5) / STEPS as f64;
        let density = (-0.5 * z * z).exp();
        let error = (g + sigma * z).max(0.0) - g;
        mean += density * error;
        sum += density * error * error;
        weight += density;
    }
    (mean / weight, sum / weight)
}

/// What rounding to levels changes in the difference of a weight's cells, in siemens.
fn rounded_by_levels(device: &Device, scheme: WeightScheme, share: f64) -> f64 {
    let Some(levels) = device.levels.filter(|levels| *levels > 1) else { return 0.0 };
    let steps = f64::from(levels - 1);
    let span = device.g_max - device.g_min;
    let error = |share: f64| nearest(share * steps) / steps - share;
    match scheme {
        WeightScheme::Differential => (error(share.max(0.0)) - error((-share).max(0.0))) * span,
        WeightScheme::Reference => error(0.5 + 0.5 * share) * span,
        WeightScheme::Unsigned => error(share.max(0.0)) * span,
        WeightScheme::Offset => 0.0,
    }
}
