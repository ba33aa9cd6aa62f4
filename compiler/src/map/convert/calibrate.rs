//! Ranges and sensitivities of signals, measured on calibration samples: a forward pass through the part of the network
//! without time, and a pass of random signs through its adjoint, whose mean square is the sum of squared gradients.
//!
//! The full range of a sum is the clipping level with the least mean squared error of rounding and clipping together, at the
//! lowest resolution the tile can be sensed with; of every other signal it is the largest magnitude seen.

use std::cell::RefCell;
use std::collections::BTreeMap;

use nmc_program::{Reduction, Tensor, TensorData};

use super::columns::{Columns, Sums, finest, scales, settle, sums};
use super::rounding::{clipping, largest};
use super::volts::Column;
use crate::analyse::adjoint::adjoint;
use crate::analyse::evaluate::evaluate;
use crate::analyse::frames::{self, floats};
use crate::analyse::sign;
use crate::forms::decisions::{Bias, OnTiles, Range, Summing};
use crate::forms::mapped::Given;
use crate::forms::measured::Measured;
use crate::forms::network::{Network, NodeId, Operator, Weights};
use crate::forms::tiling::Tiling;
use crate::graph::{operands, order};
use crate::map::tile::layer_inputs;
use crate::scramble::scramble;

/// By signal, bits, sign, and a converter's errors: the full range, and the mean squared error of converting to it.
type Rounded = BTreeMap<(NodeId, u32, bool, [u64; 5]), (f64, f64)>;

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
    pub(super) columns: BTreeMap<(usize, Columns), Sums>,
    /// The columns of each block that give voltages; empty: they give currents.
    pub(super) volts: BTreeMap<usize, Vec<Column>>,
    /// Mean square of each layer's operand elements.
    pub power: BTreeMap<NodeId, f64>,
    /// Largest magnitude of each layer's weights.
    pub weight_maxima: BTreeMap<NodeId, f64>,
    /// Of layers whose columns have scales of their own: the share of the largest weight that the largest of each output is.
    pub scales: BTreeMap<NodeId, Vec<f64>>,
    /// Mean square of what the resistance of wires changes at the outputs, whatever is chosen.
    pub wired: f64,
    /// What was found of a block's reads (by pulses or not, in so many bits) and of a layer's cells: every alternative asks again.
    pub(super) conducted: RefCell<BTreeMap<(usize, bool, u32), f64>>,
    pub(super) cell_errors: RefCell<BTreeMap<NodeId, f64>>,
    /// What converters of signals round: every alternative and demand asks again.
    pub(super) rounded: RefCell<Rounded>,
}

impl Calibration {
    /// Full range of what drives a layer's rows.
    pub(super) fn arriving(&self, given: Given, layer: NodeId) -> f64 {
        operands(given.network, layer).first().map_or(1.0, |source| self.range(*source).full)
    }

    /// What the columns of a block give where its layer is computed this way: of all blocks where they are added on lines, with the
    /// bias where rows hold it.
    pub fn sums(&self, tiling: &Tiling, block: usize, how: OnTiles) -> &Sums {
        static NONE: Sums = Sums { range: 1.0, columns: Vec::new(), values: Vec::new(), one: 0.0 };
        let lines = matches!(how.sum, Summing::Line(_));
        let biased = matches!(how.bias, Bias::Rows(_)) && (lines || tiling.blocks[block].spare_rows > 0);
        self.columns.get(&(block, Columns { lines, biased, sense: how.sense })).unwrap_or(&NONE)
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
            let all = floats(&tensor.data, tensor.data.len());
            // Of rows that are shown one after the other, those that are left at the end.
            let last = all.chunks_exact(all.len() / found.samples).flat_map(|sample| &sample[sample.len() - len..]);
            found.values.insert(*input, last.copied().collect());
        }
    }
    let layers: std::collections::BTreeSet<NodeId> = tiling.blocks.iter().map(|block| block.layer).collect();
    found.scales = layers.into_iter().filter_map(|layer| Some((layer, scales(given, tiling, layer)?))).collect();
    for node in order(network) {
        forward(given, tiling, node, &mut found);
        let len = found.samples * network.graph[node].len();
        if let Some(values) = measured.values.get(&node).filter(|values| values.len() >= len && len > 0) {
            found.values.entry(node).or_insert_with(|| values[..len].to_vec());
        }
        let range = match found.values.get(&node) {
            Some(values) => range_of(given, tiling, node, values, measured),
            None => assumed(given, node, &found),
        };
        let full = if range > 0.0 && range.is_finite() { range } else { 1.0 };
        found.ranges.insert(node, Range { full, unsigned: positive.contains(&node) });
    }
    let (wired, seen) = super::wires::error(given, tiling, &mut found, &measured.biases);
    found.wired = wired;
    // What is wrong with outputs is measured by what they are to be.
    let within = |node: &NodeId| !matches!(network.graph[*node].operator, Operator::Output);
    for (node, values) in seen.into_iter().filter(|(node, _)| within(node) && !given.plan.wires_compensated) {
        // What wires take no range is needed for.
        let range = range_of(given, tiling, node, &values, measured);
        if let Some(known) = found.ranges.get_mut(&node).filter(|_| range > 0.0 && range.is_finite()) {
            known.full = range;
        }
        found.values.insert(node, values);
    }
    for (index, block) in tiling.blocks.iter().enumerate() {
        let whole = found.range(block.layer).full;
        let assumed = match found.volts.contains_key(&index) {
            true => None,
            false => found.assume_volts(given, index, tiling),
        };
        for lines in [false, true] {
            for biased in [false, true] {
                for sense in 0..given.chip.tile_kinds[block.tile_kind].senses.len() {
                    let at = (index, Columns { lines, biased, sense });
                    let sums = found.columns.entry(at).or_insert_with(|| assumed.clone().unwrap_or_default());
                    if !(sums.range > 0.0 && sums.range.is_finite()) {
                        sums.range = whole;
                    }
                }
            }
        }
    }
    over_time(given, tiling, &measured.steps, measured, &mut found);
    // What is made in no step, but of several of them.
    let taken = measured.taken.iter().filter(|(node, _)| !measured.steps.contains_key(node));
    let taken: BTreeMap<NodeId, Vec<f32>> = taken.map(|(node, values)| (*node, values.clone())).collect();
    over_time(given, tiling, &taken, measured, &mut found);
    settle(given, tiling, &mut found);
    backward(network, tensors, &mut found);
    found
}

/// The full range of values of a node.
fn range_of(given: Given, tiling: &Tiling, node: NodeId, values: &[f32], measured: &Measured) -> f64 {
    if !matches!(given.network.graph[node].operator, Operator::Dense { .. }) {
        return largest(values);
    }
    match measured.biases.get(&node) {
        // The bias is added after the products are sensed.
        Some(bias) => {
            let products = values.iter().enumerate().map(|(i, value)| value - bias[i % bias.len()]);
            clipping(&products.collect::<Vec<f32>>(), finest(given, tiling, node))
        }
        None => clipping(values, finest(given, tiling, node)),
    }
}

/// Widens what was found at the end of samples to what their steps hold: what fades is large at first.
fn over_time(
    given: Given,
    tiling: &Tiling,
    steps: &BTreeMap<NodeId, Vec<f32>>,
    measured: &Measured,
    found: &mut Calibration,
) {
    for (&node, values) in steps {
        let graph = &given.network.graph;
        let mut full = largest(values);
        if let Operator::Dense { weights, bias, positions } = &graph[node].operator {
            // A fitted bias is added after the products are sensed.
            let added = measured.biases.get(&node).map(Vec::as_slice).unwrap_or_default();
            let added = |i: usize| added.get(i % added.len().max(1)).copied().unwrap_or_default();
            let products = values.iter().enumerate().map(|(i, value)| value - added(i));
            full = clipping(&products.collect::<Vec<f32>>(), finest(given, tiling, node));
            let source = operands(given.network, node).first().copied();
            // Of a state what the output is made from, not what the step began with.
            let input = source.and_then(|source| {
                let taken = measured.taken.get(&source).filter(|_| !measured.steps.contains_key(&node));
                Some((source, taken.or_else(|| measured.steps.get(&source))?))
            });
            let weights = if let Weights::Given(id) = weights { given.tensors.get(id.index()) } else { None };
            if let (Some((source, input)), Some(weights)) = (input, weights) {
                let at_end = std::mem::take(&mut found.columns);
                found.power.insert(node, mean_square(input));
                let width = graph[source].len() / positions;
                let bias = bias_of(given, *bias);
                let input = frames::turned(input, (width, *positions));
                sums(given, tiling, node, (&weights.data, bias), &input, width, found);
                for (at, sums) in at_end {
                    match found.columns.get_mut(&at) {
                        Some(over_time) => over_time.widen(&sums),
                        None => drop(found.columns.insert(at, sums)),
                    }
                }
            }
        }
        if let Some(range) = found.ranges.get_mut(&node)
            && full.is_finite()
        {
            range.full = range.full.max(full);
        }
    }
}

fn bias_of(given: Given<'_>, bias: Option<nmc_program::TensorId>) -> Option<&TensorData> {
    bias.and_then(|id| given.tensors.get(id.index())).map(|bias| &bias.data)
}

/// Values of a node from those of its operands, when they are all known.
fn forward(given: Given, tiling: &Tiling, node: NodeId, found: &mut Calibration) {
    let Given { network, tensors, .. } = given;
    let operator = &network.graph[node].operator;
    // A layer's sums are kept block by block.
    let values = if let Operator::Dense { weights: Weights::Given(weights), bias, positions } = operator {
        let (Some(weights), Some(&source)) = (tensors.get(weights.index()), operands(network, node).first()) else {
            return;
        };
        let (Some(input), bias) = (found.values.get(&source).cloned(), bias_of(given, *bias)) else { return };
        found.power.insert(node, mean_square(&input));
        // Positions are as samples to the weights.
        let (len, width) = (network.graph[node].outputs(), network.graph[source].len() / positions);
        let input = frames::turned(&input, (width, *positions));
        let mut sums = sums(given, tiling, node, (&weights.data, bias), &input, width, found);
        if let Some(bias) = bias {
            sums.iter_mut().enumerate().for_each(|(i, sum)| *sum += bias.get(i % len) as f32);
        }
        Some(frames::turned(&sums, (*positions, len)).into_owned())
    } else {
        frames::value(network, tensors, node, found.samples, &found.values)
    };
    found.values.extend(values.map(|values| (node, values)));
}

fn mean_square(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() / values.len().max(1) as f64
}

/// A range for a signal that could not be measured: from weights, targets, or what its kind of block can give.
fn assumed(given: Given, node: NodeId, found: &Calibration) -> f64 {
    let Given { network, tensors, .. } = given;
    let before = operands(network, node).first().map_or(1.0, |source| found.range(*source).full);
    match &network.graph[node].operator {
        Operator::Dense { weights: Weights::Given(id), .. } => {
            // The largest sum there can be: nothing is clipped.
            let width = layer_inputs(network, node).max(1);
            let data =
                tensors.get(id.index()).map(|tensor| floats(&tensor.data, tensor.data.len())).unwrap_or_default();
            let rows = data.chunks(width).map(|row| row.iter().map(|w| f64::from(w.abs())).sum::<f64>());
            before * rows.fold(0.0, f64::max)
        }
        Operator::Dense { weights: Weights::Fitted { .. }, .. } => {
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
        Operator::Output | Operator::Gather(_) | Operator::Scatter(_) => before,
        Operator::Reduce { reduction: Reduction::Sum, each } => before * *each as f64,
        Operator::Reduce { reduction: Reduction::Mean | Reduction::Maximum, .. } | Operator::Delay => before,
        Operator::Input | Operator::Softmax | Operator::Population { .. } => 1.0,
    }
}

/// Gains of all measured signals, by one pass of the adjoint a sample from random signs at the outputs.
fn backward(network: &Network, tensors: &[Tensor], found: &mut Calibration) {
    let measured: Vec<NodeId> =
        network.outputs.iter().copied().filter(|output| found.values.contains_key(output)).collect();
    let outputs: usize = measured.iter().map(|output| network.graph[*output].len()).sum();
    let adjoint = adjoint(network, &measured, tensors);
    let mut known = frames::Values::new();
    for (of, source) in &adjoint.sources {
        let count = found.samples * network.graph[*of].len();
        known.insert(*source, (0..count).map(|i| if scramble(i as u64) & 1 == 0 { 1.0 } else { -1.0 }).collect());
    }
    for (of, source) in &adjoint.values {
        known.extend(found.values.get(of).map(|values| (*source, values.clone())));
    }
    frames::fill(&adjoint.network, &adjoint.tensors, found.samples, &mut known);
    for (&node, gradient) in &adjoint.gradients {
        // What was not measured has no gain.
        let gradient = known.get(gradient).filter(|_| found.values.contains_key(&node));
        let gain =
            |gradient: &Vec<f32>| mean_square(gradient) * network.graph[node].len() as f64 / outputs.max(1) as f64;
        found.gains.extend(gradient.map(|gradient| (node, gain(gradient))));
    }
}
