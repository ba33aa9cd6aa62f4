//! Ranges and sensitivities of signals, measured on calibration samples: a forward pass through the part of the network
//! without time, and a backward pass of random signs from the outputs, whose mean square is the sum of squared gradients.
//!
//! The full range of a sum is the clipping level with the least mean squared error of rounding and clipping together, at the
//! lowest resolution the tile can be sensed with; of every other signal it is the largest magnitude seen.

use std::cell::RefCell;
use std::collections::BTreeMap;

use nmc_program::{Tensor, TensorData};

use super::product::products;
use crate::analyse::evaluate::{derivative, evaluate};
use crate::analyse::quantiser::Quantiser;
use crate::analyse::sign;
use crate::forms::chip::Sense;
use crate::forms::decisions::{Bias, OnTiles, Range, Summing};
use crate::forms::equations::Expr;
use crate::forms::mapped::Given;
use crate::forms::network::{Network, NodeId, Operator, Weights};
use crate::forms::tiling::Tiling;
use crate::graph::{operands, order};
use crate::trial::Measured;

/// Values kept of each sum to tell what rounding and clipping do to it.
const KEPT: usize = 1024;

/// By signal, bits and sign: the full range, and the mean squared error of rounding to it.
type Rounded = BTreeMap<(NodeId, u32, bool), (f64, f64)>;

/// What was measured; a node in the part with time has no values.
#[derive(Debug, Default)]
pub struct Calibration {
    pub samples: usize,
    /// [samples, elements] of every node that could be computed.
    pub values: BTreeMap<NodeId, Vec<f32>>,
    /// Variance at an output element for a variance of 1 at each element of the signal.
    pub gains: BTreeMap<NodeId, f64>,
    pub ranges: BTreeMap<NodeId, Range>,
    /// Of each block: what its columns give, by [`Calibration::sums`].
    columns: BTreeMap<(usize, Columns), Sums>,
    /// Mean square of each layer's operand elements.
    pub power: BTreeMap<NodeId, f64>,
    /// Largest magnitude of each layer's weights.
    pub weight_maxima: BTreeMap<NodeId, f64>,
    /// What was found of a block's reads (by pulses or not, in so many bits) and of a layer's cells: every alternative asks again.
    pub(super) conducted: RefCell<BTreeMap<(usize, bool, u32), f64>>,
    pub(super) cell_errors: RefCell<BTreeMap<NodeId, f64>>,
    /// What converters of signals round: every alternative and demand asks again.
    pub(super) rounded: RefCell<Rounded>,
}

/// Whether columns hold the sum over all row blocks, and whether the bias is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Columns {
    lines: bool,
    biased: bool,
}

/// Full range of sums, and some of them.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    pub range: f64,
    pub values: Vec<f32>,
}

impl Calibration {
    /// What the columns of a block give where its layer is computed this way: of all blocks where they are added on lines, with the
    /// bias where rows hold it.
    pub fn sums(&self, tiling: &Tiling, block: usize, how: OnTiles) -> &Sums {
        static NONE: Sums = Sums { range: 1.0, values: Vec::new() };
        let lines = matches!(how.sum, Summing::Line(_));
        let biased = matches!(how.bias, Bias::Rows(_)) && (lines || tiling.blocks[block].spare_rows > 0);
        self.columns.get(&(block, Columns { lines, biased })).unwrap_or(&NONE)
    }
}

/// Measures; what moves in time is as a trial run `measured` it. Without calibration data ranges come from weights alone.
pub fn calibrate(given: Given, tiling: &Tiling, measured: &Measured) -> Calibration {
    let Given { network, tensors, .. } = given;
    let mut found = Calibration::default();
    let positive = sign::non_negative(given);
    let data: Vec<_> = given.plan.calibration.iter().filter_map(|id| tensors.get(id.index())).collect();
    let rows = |tensor: &&Tensor| tensor.shape.first().copied().unwrap_or(1);
    found.samples = data.iter().map(rows).min().unwrap_or(0);
    for (input, tensor) in network.inputs.iter().zip(&data) {
        let len = network.graph[*input].len();
        if found.samples > 0 && tensor.data.len() >= found.samples * len {
            found.values.insert(*input, floats(&tensor.data, found.samples * len));
        }
    }
    for node in order(network) {
        forward(given, tiling, node, &mut found);
        let len = found.samples * network.graph[node].len();
        if let Some(values) = measured.values.get(&node).filter(|values| values.len() >= len && len > 0) {
            found.values.entry(node).or_insert_with(|| values[..len].to_vec());
        }
        let range = match found.values.get(&node) {
            Some(values) => match network.graph[node].operator {
                Operator::Dense { .. } => match measured.biases.get(&node) {
                    // The bias is added after the products are sensed.
                    Some(bias) => {
                        let products = values.iter().enumerate().map(|(i, value)| value - bias[i % bias.len()]);
                        clipping(&products.collect::<Vec<f32>>(), lowest_bits(given, tiling, node))
                    }
                    None => clipping(values, lowest_bits(given, tiling, node)),
                },
                Operator::Input
                | Operator::Output
                | Operator::Elementwise { .. }
                | Operator::Reshape
                | Operator::Slice { .. }
                | Operator::Concat
                | Operator::Population { .. }
                | Operator::Read { .. } => largest(values),
            },
            None => assumed(given, node, &found),
        };
        let full = if range > 0.0 && range.is_finite() { range } else { 1.0 };
        found.ranges.insert(node, Range { full, unsigned: positive.contains(&node) });
    }
    for (index, block) in tiling.blocks.iter().enumerate() {
        let whole = found.range(block.layer).full;
        for lines in [false, true] {
            for biased in [false, true] {
                let sums = found.columns.entry((index, Columns { lines, biased })).or_default();
                if !(sums.range > 0.0 && sums.range.is_finite()) {
                    sums.range = whole;
                }
            }
        }
    }
    backward(network, tensors, &mut found);
    found
}

/// The first `len` values.
pub fn floats(data: &TensorData, len: usize) -> Vec<f32> {
    match data {
        TensorData::U8(values) => values[..len].iter().map(|&v| f32::from(v)).collect(),
        TensorData::I64(values) => values[..len].iter().map(|&v| v as f32).collect(),
        TensorData::F32(values) => values[..len].to_vec(),
        TensorData::F64(values) => values[..len].iter().map(|&v| v as f32).collect(),
    }
}

/// Values of a node from those of its operands, when they are all known.
fn forward(given: Given, tiling: &Tiling, node: NodeId, found: &mut Calibration) {
    let (Given { network, tensors, .. }, samples) = (given, found.samples);
    let len = network.graph[node].len();
    let sources = operands(network, node);
    let known: Option<Vec<&Vec<f32>>> = sources.iter().map(|source| found.values.get(source)).collect();
    let Some(from) = known.filter(|from| !from.is_empty()) else { return };
    let width = |operand: usize| network.graph[sources[operand]].len();
    let values = match &network.graph[node].operator {
        Operator::Dense { weights: Weights::Given(weights), bias } => {
            let (Some(weights), bias) = (tensors.get(weights.index()), bias.and_then(|id| tensors.get(id.index())))
            else {
                return;
            };
            let input = from[0].clone();
            found.power.insert(node, mean_square(&input));
            let sums = sums(given, tiling, node, (&weights.data, bias.map(|bias| &bias.data)), &input, width(0), found);
            match bias {
                Some(bias) => (0..samples * len).map(|i| sums[i] + bias.data.get(i % len) as f32).collect(),
                None => sums,
            }
        }
        Operator::Elementwise { function, .. } if function == "relu" => from[0].iter().map(|x| x.max(0.0)).collect(),
        Operator::Elementwise { body, .. } => (0..samples * len)
            .map(|i| {
                let x: Vec<f64> = from.iter().enumerate().map(|(n, v)| at(v, i, len, width(n))).collect();
                evaluate(body, &x, &[]) as f32
            })
            .collect(),
        Operator::Reshape | Operator::Output => from[0].clone(),
        Operator::Slice { start } => {
            (0..samples * len).map(|i| from[0][i / len * width(0) + start + i % len]).collect()
        }
        Operator::Concat => (0..samples)
            .flat_map(|s| from.iter().enumerate().flat_map(move |(n, v)| v[s * width(n)..(s + 1) * width(n)].to_vec()))
            .collect(),
        Operator::Dense { weights: Weights::Ridge { .. }, .. }
        | Operator::Input
        | Operator::Population { .. }
        | Operator::Read { .. } => return,
    };
    found.values.insert(node, values);
}

/// Element `i` of [samples, len] of an operand, which may be a scalar.
fn at(values: &[f32], i: usize, len: usize, width: usize) -> f64 {
    f64::from(if width == len { values[i] } else { values[i / len.max(1) * width] })
}

/// A layer's products, block by block, with the ranges of the blocks' sums.
fn sums(
    given: Given,
    tiling: &Tiling,
    layer: NodeId,
    (weights, bias): (&TensorData, Option<&TensorData>),
    input: &[f32],
    width: usize,
    found: &mut Calibration,
) -> Vec<f32> {
    let len = given.network.graph[layer].len();
    let weights = floats(weights, weights.len().min(width * len));
    found.weight_maxima.insert(layer, largest(&weights));
    let mut total = vec![0.0; found.samples * len];
    let blocks: Vec<usize> = tiling.of(layer).map(|(index, _)| index).collect();
    let bits = lowest_bits(given, tiling, layer);
    let samples = found.samples;
    let mut add = |inputs: (usize, usize), outputs: (usize, usize)| {
        let partial = products(input, &weights, width, inputs, outputs);
        for (into, of) in total.chunks_mut(len.max(1)).zip(partial.chunks(outputs.1 - outputs.0)) {
            into[outputs.0..outputs.1].iter_mut().zip(of).for_each(|(total, sum)| *total += sum);
        }
        partial
    };
    let keep = |index: usize, lines: bool, mut sums: Vec<f32>, found: &mut Calibration| {
        let kept = |sums: &[f32]| Sums { range: clipping(sums, bits), values: some(sums) };
        found.columns.insert((index, Columns { lines, biased: false }), kept(&sums));
        if let Some(bias) = bias {
            let (start, end) = tiling.blocks[index].outputs;
            sums.iter_mut().enumerate().for_each(|(i, sum)| *sum += bias.get(start + i % (end - start)) as f32);
            found.columns.insert((index, Columns { lines, biased: true }), kept(&sums));
        }
    };
    if blocks.is_empty() {
        add((0, width), (0, len));
    }
    for &index in &blocks {
        let block = &tiling.blocks[index];
        let partial = add(block.inputs, block.outputs);
        keep(index, false, partial, found);
    }
    // Blocks that share outputs share their sum.
    let mut first_of: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for &index in &blocks {
        let outputs = tiling.blocks[index].outputs;
        match first_of.get(&outputs) {
            Some(&first) => {
                for biased in [false, true] {
                    let known = found.columns.get(&(first, Columns { lines: true, biased })).cloned();
                    found.columns.extend(known.map(|known| ((index, Columns { lines: true, biased }), known)));
                }
            }
            None => {
                first_of.insert(outputs, index);
                let own: Vec<f32> =
                    (0..samples).flat_map(|s| total[s * len + outputs.0..s * len + outputs.1].to_vec()).collect();
                keep(index, true, own, found);
            }
        }
    }
    total
}

/// The lowest resolution a layer's tile can be sensed with; 16 when it is not converted.
fn lowest_bits(given: Given, tiling: &Tiling, layer: NodeId) -> u32 {
    let block = tiling.of(layer).next();
    let senses = block.map_or(&[][..], |(_, block)| &given.chip.tile_kinds[block.tile_kind].senses);
    let bits = senses.iter().filter_map(|sense| match sense {
        Sense::Converter { converter, .. } => given.chip.converters[*converter].bits,
        Sense::Analog(_) => None,
    });
    bits.min().unwrap_or(16)
}

fn largest(values: &[f32]) -> f64 {
    f64::from(values.iter().fold(0f32, |most, value| most.max(value.abs())))
}

fn mean_square(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() / values.len().max(1) as f64
}

/// Values spread evenly over all.
fn some(values: &[f32]) -> Vec<f32> {
    let stride = values.len().div_ceil(KEPT).max(1);
    values.iter().copied().step_by(stride).collect()
}

/// Mean squared error of rounding and clipping values.
pub fn rounding(values: &[f32], bits: u32, range: Range) -> f64 {
    rounding_of(&some(values), bits, range)
}

/// The same of all of them.
fn rounding_of(values: &[f32], bits: u32, range: Range) -> f64 {
    let quantiser = Quantiser::new(bits, range);
    // In eight strands, so that it runs in vector registers.
    let mut lanes = [0.0; 8];
    for eight in values.chunks(8) {
        for (sum, &value) in lanes.iter_mut().zip(eight) {
            let value = f64::from(value);
            let error = quantiser.level(value) - value;
            *sum += error * error;
        }
    }
    lanes.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The level of clipping with the least error at this resolution.
fn clipping(values: &[f32], bits: u32) -> f64 {
    let (most, values) = (largest(values), some(values));
    let mut best = (f64::INFINITY, most);
    for tenth in (3..=10).rev() {
        let full = most * f64::from(tenth) / 10.0;
        let error = if full > 0.0 { rounding_of(&values, bits, Range { full, unsigned: false }) } else { 0.0 };
        if error < best.0 {
            best = (error, full);
        }
    }
    best.1
}

/// A range for a signal that could not be measured: from weights, targets, or what its kind of block can give.
fn assumed(given: Given, node: NodeId, found: &Calibration) -> f64 {
    let Given { network, tensors, .. } = given;
    let before = operands(network, node).first().map_or(1.0, |source| found.range(*source).full);
    match &network.graph[node].operator {
        Operator::Dense { weights: Weights::Given(id), .. } => {
            // The largest sum there can be: nothing is clipped.
            let width = operands(network, node).first().map_or(1, |source| network.graph[*source].len()).max(1);
            let data = tensors.get(id.index()).map_or(Vec::new(), |tensor| floats(&tensor.data, tensor.data.len()));
            let rows = data.chunks(width).map(|row| row.iter().map(|w| f64::from(w.abs())).sum::<f64>());
            before * rows.fold(0.0, f64::max)
        }
        Operator::Dense { weights: Weights::Ridge { .. }, .. } => {
            // A fit aims at its targets; half as much again is left for what it misses.
            let targets = given.plan.phases.iter().filter_map(|phase| phase.target);
            let largest = targets
                .filter(|(output, _)| *output == node || operands(network, *output).contains(&node))
                .filter_map(|(_, id)| tensors.get(id.index()))
                .map(|tensor| largest(&floats(&tensor.data, tensor.data.len())))
                .fold(0.0, f64::max);
            1.5 * largest
        }
        Operator::Elementwise { body, .. } => {
            evaluate(body, &[before], &[]).abs().max(evaluate(body, &[-before], &[]).abs())
        }
        // States of devices are shares of their range: the output is largest at one end.
        Operator::Read { expression } => {
            [0.0, 1.0].iter().map(|&s| evaluate(expression, &[s], &[s; 8]).abs()).fold(0.0, f64::max)
        }
        Operator::Output | Operator::Reshape | Operator::Slice { .. } | Operator::Concat => before,
        Operator::Input | Operator::Population { .. } => 1.0,
    }
}

/// Gains of all measured signals, by one backward pass a sample from random signs at the outputs.
fn backward(network: &Network, tensors: &[Tensor], found: &mut Calibration) {
    let mut gradients: BTreeMap<NodeId, Vec<f32>> = BTreeMap::new();
    let mut outputs = 0;
    for &output in &network.outputs {
        let Some(values) = found.values.get(&output) else { continue };
        outputs += network.graph[output].len();
        let signs = (0..values.len()).map(|i| if hash(i as u64) & 1 == 0 { 1.0 } else { -1.0 });
        gradients.insert(output, signs.collect());
    }
    for node in order(network).into_iter().rev() {
        let Some(gradient) = gradients.get(&node).cloned() else { continue };
        found.gains.insert(node, mean_square(&gradient) * network.graph[node].len() as f64 / outputs.max(1) as f64);
        for (operand, &source) in operands(network, node).iter().enumerate() {
            // What comes from the inputs themselves needs no gain beyond one step.
            let Some(pulled) = pull(network, tensors, node, operand, source, &gradient, found) else { continue };
            let sum = gradients.entry(source).or_insert_with(|| vec![0.0; pulled.len()]);
            sum.iter_mut().zip(pulled).for_each(|(total, part)| *total += part);
        }
    }
}

/// Gradient with respect to one operand.
fn pull(
    network: &Network,
    tensors: &[Tensor],
    node: NodeId,
    operand: usize,
    source: NodeId,
    gradient: &[f32],
    found: &Calibration,
) -> Option<Vec<f32>> {
    let (len, width) = (network.graph[node].len().max(1), network.graph[source].len());
    let values = found.values.get(&source)?;
    let mut pulled = vec![0f32; values.len()];
    match &network.graph[node].operator {
        Operator::Dense { weights: Weights::Given(id), .. } => {
            let tensor = tensors.get(id.index())?;
            let weights = floats(&tensor.data, tensor.data.len().min(len * width));
            for (into, of) in pulled.chunks_mut(width).zip(gradient.chunks(len)) {
                for (row, &g) in weights.chunks(width).zip(of).filter(|(_, g)| **g != 0.0) {
                    into.iter_mut().zip(row).for_each(|(sum, w)| *sum += w * g);
                }
            }
        }
        Operator::Elementwise { function, body } => {
            for (i, g) in gradient.iter().enumerate() {
                let index = if width == len { i } else { i / len * width };
                let slope = match function.as_str() {
                    "relu" => f64::from(values[index] > 0.0),
                    _ => slope(network, node, body, operand, i, found),
                };
                pulled[index] += g * slope as f32;
            }
        }
        Operator::Reshape | Operator::Output => pulled.copy_from_slice(gradient),
        Operator::Slice { start } => {
            gradient.iter().enumerate().for_each(|(i, g)| pulled[i / len * width + start + i % len] = *g);
        }
        Operator::Concat => {
            let before: usize = operands(network, node)[..operand].iter().map(|id| network.graph[*id].len()).sum();
            for (into, of) in pulled.chunks_mut(width.max(1)).zip(gradient.chunks(len)) {
                into.copy_from_slice(&of[before..before + width]);
            }
        }
        Operator::Dense { weights: Weights::Ridge { .. }, .. }
        | Operator::Input
        | Operator::Population { .. }
        | Operator::Read { .. } => return None,
    }
    Some(pulled)
}

fn slope(network: &Network, node: NodeId, body: &Expr, operand: usize, i: usize, found: &Calibration) -> f64 {
    let len = network.graph[node].len();
    let x: Option<Vec<f64>> = operands(network, node)
        .iter()
        .map(|source| found.values.get(source).map(|values| at(values, i, len, network.graph[*source].len())))
        .collect();
    x.map_or(0.0, |x| derivative(body, &x, operand))
}

/// A fixed scrambling of a counter (splitmix64).
pub fn hash(counter: u64) -> u64 {
    let mut z = counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
