//! What the resistance of wires takes from the outputs of arrays, expected without solving them: each row is solved as if columns stood
//! still at 0 V, each column as if rows stood still, and what columns rise by on average is given back to the rows. To first order in the
//! resistance that is exact; of what is of second order, how columns rise apart from their average is left out.

use nmc_program::Tensor;
use rayon::prelude::*;

use super::calibrate::Calibration;
use super::columns::{scaled, sums_of};
use crate::analyse::frames::{self, Values, floats};
use crate::analyse::product::products;
use crate::forms::chip::{TileKind, WeightScheme};
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator, Weights};
use crate::forms::tiling::{Block, Tiling};
use crate::graph::{operands, order};
use crate::map::tile::layer_inputs;

/// What rows gain by the rise of columns is settled to this share, or after so many rounds.
const SETTLED: f64 = 1e-3;
const ROUNDS: usize = 60;

/// Mean square of what wires change at the outputs on the calibration samples, as conductances and the wires' resistance let expect, and the values of what
/// they change; 0 where wires are ideal. The sums of arrays become what their columns give, unless outputs are scaled for that. `biases`: of fitted layers.
pub fn error(given: Given, tiling: &Tiling, found: &mut Calibration, biases: &Values) -> (f64, Values) {
    let resists = |block: &Block| given.chip.tile_kinds[block.tile_kind].resists();
    let network = given.network;
    if !tiling.blocks.iter().any(resists) || found.samples == 0 {
        return (0.0, Values::new());
    }
    let mut seen = Values::new();
    for node in order(network) {
        let Some(exact) = found.values.get(&node).cloned() else { continue };
        let wired = tiling.of(node).any(|(_, block)| resists(block));
        let moved = operands(network, node).iter().any(|source| seen.get(source) != found.values.get(source));
        let value = match wired {
            true => layer(given, tiling, found, node, (&exact, biases), &seen),
            false if moved => frames::value(network, given.tensors, node, found.samples, &seen),
            false => None,
        };
        seen.insert(node, value.unwrap_or(exact));
    }
    let outputs = network.outputs.iter().filter_map(|output| Some((found.values.get(output)?, seen.get(output)?)));
    let (mut sum, mut count) = (0.0, 0);
    for (exact, seen) in outputs {
        sum += exact.iter().zip(seen).map(|(exact, seen)| f64::from(seen - exact).powi(2)).sum::<f64>();
        count += exact.len();
    }
    seen.retain(|node, values| found.values.get(node) != Some(values));
    (sum / count.max(1) as f64, seen)
}

/// What a layer on resisting wires gives.
fn layer(
    given: Given,
    tiling: &Tiling,
    found: &mut Calibration,
    node: NodeId,
    (exact, biases): (&[f32], &Values),
    seen: &Values,
) -> Option<Vec<f32>> {
    let (network, tensors) = (given.network, given.tensors);
    let Operator::Dense { weights, bias, positions } = &network.graph[node].operator else { return None };
    let source = operands(network, node).first().copied()?;
    let (inputs, outputs) = (layer_inputs(network, node), network.graph[node].outputs());
    let rows = driven(found, source, (inputs, *positions));
    let unsigned = found.range(source).unsigned;
    let blocks: Vec<&Block> = tiling.of(node).map(|(_, block)| block).collect();
    let Weights::Given(id) = weights else {
        // Weights that are not known yet are taken to be attenuated as cells a quarter up their range are, all of an output alike.
        let bias = biases.get(&node);
        let at = |index: usize| bias.map_or(0.0, |bias| bias[index % bias.len().max(1)]);
        let kept = kept(given, &blocks, &rows, unsigned, outputs);
        let value = |(index, y): (usize, &f32)| at(index) + (y - at(index)) * kept[index % outputs.max(1)];
        return Some(exact.iter().enumerate().map(value).collect());
    };
    let tensor: &Tensor = tensors.get(id.index())?;
    let mut weights = floats(&tensor.data, inputs * outputs).into_owned();
    let most = found.weight_maxima.get(&node).copied().unwrap_or(0.0);
    let scales = found.scales.get(&node);
    let held: Vec<f32> = scales.map_or_else(|| weights.clone(), |scales| scaled(&weights, scales));
    let turned = network.backward.contains_key(&node).then(|| frames::turned(&weights, (outputs, inputs)).into_owned());
    let of_block = |block: &&Block| {
        let tile = &given.chip.tile_kinds[block.tile_kind];
        if let (Some(turned), Some(forward)) = (&turned, block.backward.map(|index| &tiling.blocks[index])) {
            // What a read backward gives is the transpose of one forward (reciprocity).
            let array = Array::of(given, forward, turned, (outputs, most));
            let changes = array.changes(tile, &vec![0.0; array.rows], false, given.plan.wires_compensated);
            let width = forward.width();
            return (0..changes.len()).map(|at| changes[at % array.rows * width + at / array.rows]).collect();
        }
        let array = Array::of(given, block, &held, (inputs, most));
        let rows = &rows[block.inputs.0..block.inputs.1];
        array.changes(tile, rows, unsigned, given.plan.wires_compensated)
    };
    let changes: Vec<Vec<f64>> = blocks.par_iter().map(of_block).collect();
    for (block, changes) in blocks.iter().zip(changes) {
        for (row, changes) in changes.chunks_exact(block.width()).enumerate() {
            for (output, change) in changes.iter().enumerate() {
                let at = (block.outputs.0 + output) * inputs + block.inputs.0 + row;
                let scale = found.scale(node, block.outputs.0 + output);
                weights[at] = (f64::from(weights[at]) + change * scale) as f32;
            }
        }
    }
    let input = frames::turned(seen.get(&source)?, (inputs, *positions)).into_owned();
    let bias = bias.and_then(|id| tensors.get(id.index()));
    let mut sums = match given.plan.wires_compensated {
        true => products(&input, &weights, inputs, (0, inputs), (0, outputs)),
        false => sums_of(given, tiling, node, (weights.into(), bias.map(|bias| &bias.data)), &input, inputs, found),
    };
    if let Some(bias) = bias {
        sums.iter_mut().enumerate().for_each(|(index, sum)| *sum += bias.data.get(index % outputs) as f32);
    }
    Some(frames::turned(&sums, (*positions, outputs)).into_owned())
}

/// What drives each row of a layer on average.
fn driven(found: &Calibration, source: NodeId, (inputs, positions): (usize, usize)) -> Vec<f64> {
    let mut sums = vec![0.0; inputs];
    for sample in found.values.get(&source).into_iter().flat_map(|values| values.chunks_exact(inputs * positions)) {
        for (sum, row) in sums.iter_mut().zip(sample.chunks_exact(positions)) {
            *sum += row.iter().map(|&x| f64::from(x)).sum::<f64>();
        }
    }
    sums.into_iter().map(|sum| sum / (found.samples * positions).max(1) as f64).collect()
}

/// The share of each output of a layer that is left where nothing is known of its weights.
fn kept(given: Given, blocks: &[&Block], rows: &[f64], unsigned: bool, outputs: usize) -> Vec<f32> {
    if given.plan.wires_compensated {
        return vec![1.0; outputs];
    }
    let (mut seen, mut all) = (vec![0.0; outputs], vec![0.0; outputs]);
    for block in blocks {
        let array = Array::typical(given, block);
        let tile = &given.chip.tile_kinds[block.tile_kind];
        let siemens = array.seen(tile, &rows[block.inputs.0..block.inputs.1], unsigned);
        for row in 0..array.rows {
            for (output, pairs) in array.outputs.iter().enumerate() {
                for pair in pairs {
                    let at = row * array.cols + pair.plus;
                    seen[block.outputs.0 + output] += siemens[at];
                    all[block.outputs.0 + output] += array.siemens[at];
                }
            }
        }
    }
    seen.iter().zip(&all).map(|(seen, all)| if *all > 0.0 { (seen / all) as f32 } else { 1.0 }).collect()
}

/// A column, what is taken from it, and what a siemens of the difference means as a weight.
struct Pair {
    plus: usize,
    minus: Option<usize>,
    weight: f64,
}

/// The cells of a block.
struct Array {
    rows: usize,
    cols: usize,
    /// [row][col]
    siemens: Vec<f64>,
    /// What each output is the sum of.
    outputs: Vec<Vec<Pair>>,
}

impl Array {
    /// As the weights ask for, [outputs, `inputs`], of which the largest is `most`.
    fn of(given: Given, block: &Block, weights: &[f32], (inputs, most): (usize, f64)) -> Self {
        let tile = &given.chip.tile_kinds[block.tile_kind];
        let device = &given.chip.devices[tile.device];
        let span = device.g_max - device.g_min;
        let levels = f64::from(device.levels.unwrap_or(1 << 16).max(2));
        let codes = levels.powi(tile.slices.max(1) as i32) - 1.0;
        let mut array = Array::typical(given, block);
        // Of what all columns share.
        let last = if tile.weights == WeightScheme::Offset { 0.0 } else { 0.5 };
        for row in 0..array.rows {
            let cells = &mut array.siemens[row * array.cols..(row + 1) * array.cols];
            cells.fill(device.g_min + last * span);
            let mut put = |column: usize, share: f64| cells[column] = device.g_min + span * share.clamp(0.0, 1.0);
            for output in 0..block.width() {
                let weight = weights[(block.outputs.0 + output) * inputs + block.inputs.0 + row];
                let share = f64::from(weight) / most.max(f64::MIN_POSITIVE);
                match tile.weights {
                    WeightScheme::Differential => {
                        put(2 * output, share);
                        put(2 * output + 1, -share);
                    }
                    WeightScheme::Reference => put(output, 0.5 + 0.5 * share),
                    WeightScheme::Unsigned => put(output, share),
                    WeightScheme::Offset => {
                        let mut code = ((0.5 + 0.5 * share.clamp(-1.0, 1.0)) * codes).round();
                        for digit in 0..tile.slices {
                            put(output * tile.slices + digit, (code % levels) / (levels - 1.0));
                            code = (code / levels).floor();
                        }
                    }
                }
            }
        }
        let scale = |digit: usize| match tile.weights {
            WeightScheme::Differential | WeightScheme::Unsigned => most / span,
            WeightScheme::Reference => 2.0 * most / span,
            WeightScheme::Offset => 2.0 * most / span * (levels - 1.0) * levels.powi(digit as i32) / codes,
        };
        let pairs = array.outputs.iter_mut().flat_map(|pairs| pairs.iter_mut().enumerate());
        pairs.for_each(|(digit, pair)| pair.weight = if span > 0.0 { scale(digit) } else { 0.0 });
        array
    }

    /// Cells as they are on average where weights are not known.
    fn typical(given: Given, block: &Block) -> Self {
        let tile = &given.chip.tile_kinds[block.tile_kind];
        let device = &given.chip.devices[tile.device];
        let (rows, cols) = (block.rows(), block.columns());
        let each = match tile.weights {
            WeightScheme::Offset => tile.slices,
            WeightScheme::Differential | WeightScheme::Reference | WeightScheme::Unsigned => 1,
        };
        let pair = |output: usize, digit: usize| match tile.weights {
            WeightScheme::Differential => (2 * output, Some(2 * output + 1)),
            WeightScheme::Unsigned => (output, None),
            WeightScheme::Reference | WeightScheme::Offset => (output * each + digit, Some(cols - 1)),
        };
        let pairs = |output: usize| -> Vec<Pair> {
            let of_digit = |digit| Pair { plus: pair(output, digit).0, minus: pair(output, digit).1, weight: 1.0 };
            (0..each).map(of_digit).collect()
        };
        let typical = device.g_min + super::expect::TYPICAL * (device.g_max - device.g_min);
        Array { rows, cols, siemens: vec![typical; rows * cols], outputs: (0..block.width()).map(pairs).collect() }
    }

    /// What wires change in each weight, [row][output]. `compensated`: each output is scaled so that it comes nearest to what it was.
    fn changes(&self, tile: &TileKind, driven: &[f64], unsigned: bool, compensated: bool) -> Vec<f64> {
        let siemens = self.seen(tile, driven, unsigned);
        let mut changes = vec![0.0; self.rows * self.outputs.len()];
        let of = |siemens: &[f64], row: usize, pair: &Pair| {
            let at = row * self.cols;
            siemens[at + pair.plus] - pair.minus.map_or(0.0, |minus| siemens[at + minus])
        };
        for (output, pairs) in self.outputs.iter().enumerate() {
            for pair in pairs {
                let (mut product, mut square) = (0.0, 0.0);
                for row in 0..self.rows {
                    let seen = of(&siemens, row, pair);
                    product += seen * of(&self.siemens, row, pair);
                    square += seen * seen;
                }
                let scale = if compensated && product > 0.0 { product / square } else { 1.0 };
                for row in 0..self.rows {
                    let change = scale * of(&siemens, row, pair) - of(&self.siemens, row, pair);
                    changes[row * self.outputs.len() + output] += pair.weight * change;
                }
            }
        }
        changes
    }

    /// Amperes out of each column for a volt at each row's driver, [row][col]. `driven`: the rows' voltages on average, in any unit;
    /// `unsigned`: none is ever negative, so that columns rise together.
    fn seen(&self, tile: &TileKind, driven: &[f64], unsigned: bool) -> Vec<f64> {
        if tile.wire_ohms == 0.0 {
            return self.seen_at_lines(tile, driven, unsigned);
        }
        let (rows, cols) = (self.rows, self.cols);
        let cells: Vec<f64> = self.siemens.iter().map(|siemens| siemens * tile.wire_ohms).collect();
        let link = |ohms: f64| tile.wire_ohms / (tile.wire_ohms + ohms);
        let (drive, sink) = (link(tile.driver_ohms), link(tile.sense_ohms));
        let (left, right) = (drive, if tile.both_ends { drive } else { 0.0 });
        // Volts along rows whose columns are at 0 V.
        let mut along = vec![0.0; rows * cols];
        for row in along.chunks_exact_mut(cols) {
            row[0] += left;
            row[cols - 1] += right;
        }
        solve_rows(&cells, (left, right), cols, &mut along);
        // The share that arrives of a current into a column whose rows stand still.
        let mut arrives = vec![0.0; rows * cols];
        arrives[(rows - 1) * cols..].fill(sink);
        solve_columns(&cells, sink, cols, &mut arrives);
        self.risen((along, arrives), driven, unsigned, |mut volts| {
            volts.iter_mut().zip(&cells).for_each(|(volt, cell)| *volt *= cell);
            solve_columns(&cells, sink, cols, &mut volts);
            volts.iter_mut().zip(&cells).for_each(|(volt, cell)| *volt *= cell);
            solve_rows(&cells, (left, right), cols, &mut volts);
            volts
        })
    }

    /// The same where wires are ideal and only what stands at their ends resists.
    fn seen_at_lines(&self, tile: &TileKind, driven: &[f64], unsigned: bool) -> Vec<f64> {
        let (rows, cols) = (self.rows, self.cols);
        let (drive, sink) = (tile.driver_ohms / if tile.both_ends { 2.0 } else { 1.0 }, tile.sense_ohms);
        let at = |row: usize, col: usize| row * cols + col;
        let of_rows = |volts: &[f64]| -> Vec<f64> {
            (0..rows).map(|row| (0..cols).map(|col| self.siemens[at(row, col)] * volts[at(row, col)]).sum()).collect()
        };
        let of_columns = |volts: &[f64]| -> Vec<f64> {
            (0..cols).map(|col| (0..rows).map(|row| self.siemens[at(row, col)] * volts[at(row, col)]).sum()).collect()
        };
        let ones = vec![1.0; rows * cols];
        let left: Vec<f64> = of_rows(&ones).into_iter().map(|all| 1.0 / (1.0 + drive * all)).collect();
        let kept: Vec<f64> = of_columns(&ones).into_iter().map(|all| 1.0 / (1.0 + sink * all)).collect();
        let along = (0..rows * cols).map(|at| left[at / cols]).collect();
        let arrives = (0..rows * cols).map(|at| kept[at % cols]).collect();
        self.risen((along, arrives), driven, unsigned, |volts| {
            let columns: Vec<f64> = of_columns(&volts).iter().zip(&kept).map(|(sum, kept)| sink * kept * sum).collect();
            let columns: Vec<f64> = (0..rows * cols).map(|at| columns[at % cols]).collect();
            let gained: Vec<f64> = of_rows(&columns).iter().zip(&left).map(|(sum, left)| drive * left * sum).collect();
            (0..rows * cols).map(|at| gained[at / cols]).collect()
        })
    }

    /// What is seen with what rows gain by the rise of columns: `gains` is that, for volts along the rows. `along`: what a volt at a driver gives
    /// along its row, `arrives`: the share of a cell's current that arrives.
    fn risen(
        &self,
        (along, arrives): (Vec<f64>, Vec<f64>),
        driven: &[f64],
        unsigned: bool,
        gains: impl Fn(Vec<f64>) -> Vec<f64>,
    ) -> Vec<f64> {
        let (rows, cols) = (self.rows, self.cols);
        let mut seen: Vec<f64> = (0..rows * cols).map(|at| self.siemens[at] * along[at] * arrives[at]).collect();
        let current = |row: usize| self.siemens[row * cols..(row + 1) * cols].iter().sum::<f64>();
        let all: f64 = driven.iter().enumerate().map(|(row, volt)| volt * current(row)).sum();
        if !unsigned || all <= 0.0 {
            return seen;
        }
        // What rows gain by the rise of columns, for these voltages.
        let mut gained = vec![0.0; rows * cols];
        for _ in 0..ROUNDS {
            let volt = |at: usize| along[at] * driven[at / cols] + gained[at];
            let risen = gains((0..rows * cols).map(volt).collect());
            let moved: f64 = risen.iter().zip(&gained).map(|(new, old)| (new - old).abs()).sum();
            let whole: f64 = (0..rows * cols).map(volt).sum();
            gained = risen;
            if moved <= SETTLED * whole {
                break;
            }
        }
        // Columns rise with the current of all rows.
        for col in 0..cols {
            let more: f64 =
                (0..rows).map(|row| row * cols + col).map(|at| self.siemens[at] * arrives[at] * gained[at]).sum();
            (0..rows).for_each(|row| seen[row * cols + col] += more * current(row) / all);
        }
        seen
    }
}

/// Volts along rows from the currents into their nodes, in units of a segment's conductance; `left` and `right` are those of the links to
/// the driver.
fn solve_rows(cells: &[f64], (left, right): (f64, f64), cols: usize, volts: &mut [f64]) {
    let mut pivots = vec![0.0; cols];
    for (cells, volts) in cells.chunks_exact(cols).zip(volts.chunks_exact_mut(cols)) {
        let (mut pivot, mut before) = (0.0, 0.0);
        for col in 0..cols {
            let links = if col == 0 { left } else { 1.0 } + if col + 1 < cols { 1.0 } else { right };
            pivot = 1.0 / (links + cells[col] - pivot);
            pivots[col] = pivot;
            before = pivot * (volts[col] + before);
            volts[col] = before;
        }
        for col in (0..cols - 1).rev() {
            volts[col] += pivots[col] * volts[col + 1];
        }
    }
}

/// The same along columns, which end in `sink` below their last row.
fn solve_columns(cells: &[f64], sink: f64, cols: usize, volts: &mut [f64]) {
    let rows = cells.len() / cols;
    let mut pivots = vec![0.0; cells.len()];
    for row in 0..rows {
        let links = if row == 0 { 0.0 } else { 1.0 } + if row + 1 < rows { 1.0 } else { sink };
        for at in row * cols..(row + 1) * cols {
            let (before, volt) = if row == 0 { (0.0, 0.0) } else { (pivots[at - cols], volts[at - cols]) };
            pivots[at] = 1.0 / (links + cells[at] - before);
            volts[at] = pivots[at] * (volts[at] + volt);
        }
    }
    for at in (0..cells.len() - cols).rev() {
        volts[at] += pivots[at] * volts[at + cols];
    }
}
