//! What the columns of arrays give on the calibration data: their ranges, all alike or each its own, and the scales of their weights.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nmc_program::TensorData;

use super::bent::Bent;
use super::calibrate::Calibration;
use super::expect::tensor;
use super::rounding::{clipping, some};
use super::volts;
use crate::analyse::frames::floats;
use crate::analyse::product::products;
use crate::forms::chip::{Each, FullScale, Sense, TileKind};
use crate::forms::mapped::Given;
use crate::forms::network::NodeId;
use crate::forms::tiling::Tiling;
use crate::map::tile::layer_inputs;

/// Whether columns hold the sum over all row blocks, whether the bias is in it, and by which of the tile's senses they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Columns {
    pub lines: bool,
    pub biased: bool,
    pub sense: usize,
}

/// Full range of sums, and some of them. Where each column has a range of its own, `columns` are their shares of it and values are times what
/// the range is more than that of their column.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    pub range: f64,
    pub columns: Vec<f64>,
    pub values: Vec<f32>,
    /// Of columns that give voltages, all in one range: the full range where theirs is that of an input of 1; 0: they give currents.
    pub(super) one: f64,
}

impl Sums {
    /// [samples, columns] at this resolution, with one range or one for each column. `ones`: of columns that give voltages, what their outputs are
    /// for that of an input of 1.
    fn of(sums: &[f32], columns: usize, bits: u32, each: Each, ones: &[f64]) -> Self {
        if each != Each::Column && !ones.is_empty() {
            let volts = |(at, sum): (usize, &f32)| (f64::from(*sum) / ones[at % columns].max(f64::MIN_POSITIVE)) as f32;
            let volts: Vec<f32> = sums.iter().enumerate().map(volts).collect();
            return Sums::in_volts(sums, ones, clipping(&volts, bits));
        }
        if each != Each::Column || columns == 0 {
            return Sums { range: clipping(sums, bits), values: some(sums), ..Sums::default() };
        }
        let of_column = |column: usize| {
            let own: Vec<f32> = sums.iter().skip(column).step_by(columns).copied().collect();
            clipping(&own, bits)
        };
        Sums::in_ranges(sums, &(0..columns).map(of_column).collect::<Vec<f64>>())
    }

    /// The same where each column has its range.
    fn in_ranges(sums: &[f32], ranges: &[f64]) -> Self {
        let mut made = Sums::default();
        made.set(ranges);
        let share = |(at, sum): (usize, &f32)| sum / made.columns[at % ranges.len()] as f32;
        let shares: Vec<f32> = sums.iter().enumerate().map(share).collect();
        Sums { values: some(&shares), ..made }
    }

    /// The same of columns whose voltages have one range, of so large inputs.
    pub(super) fn in_volts(sums: &[f32], ones: &[f64], full: f64) -> Self {
        let one = ones.iter().copied().fold(0.0, f64::max);
        Sums { one, range: one * full, ..Sums::in_ranges(sums, ones) }
    }

    /// What its range is measured in.
    fn unit(&self) -> f64 {
        if self.one > 0.0 { self.one } else { 1.0 }
    }

    /// Takes the ranges of its columns.
    fn set(&mut self, ranges: &[f64]) {
        let most = ranges.iter().copied().fold(0.0, f64::max);
        self.range = most;
        // A column in which nothing is ever seen has the range of all.
        self.columns = ranges.iter().map(|range| if *range > 0.0 { range / most } else { 1.0 }).collect();
    }

    /// Widens it to what other sums need.
    pub(super) fn widen(&mut self, other: &Sums) {
        if self.columns.is_empty() || self.columns.len() != other.columns.len() {
            self.range = self.range.max(other.range);
            return;
        }
        let each = self.columns.iter().zip(&other.columns);
        let ranges: Vec<f64> = each.map(|(own, of)| (own * self.range).max(of * other.range)).collect();
        self.set(&ranges);
    }
}

/// Gives all arrays of a layer one range where its tile asks for that, and columns the range of their converter where it has one.
pub(super) fn settle(given: Given, tiling: &Tiling, found: &mut Calibration) {
    let mut columns = std::mem::take(&mut found.columns);
    let mut widest: BTreeMap<(NodeId, Columns), f64> = BTreeMap::new();
    for ((index, at), sums) in &columns {
        let most = widest.entry((tiling.blocks[*index].layer, *at)).or_default();
        *most = most.max(sums.range / sums.unit());
    }
    for ((index, at), sums) in &mut columns {
        let block = &tiling.blocks[*index];
        let tile = &given.chip.tile_kinds[block.tile_kind];
        if tile.ranges == Each::Layer {
            sums.range = widest[&(block.layer, *at)] * sums.unit();
        }
        if let Some(full) = fixed_range(
            given,
            tile,
            at.sense,
            (most(given, block.layer), sums.unit()),
            found.arriving(given, block.layer),
        ) {
            sums.range = full;
        }
    }
    found.columns = columns;
}

/// The range that the converter of a way to sense has by itself, in the numbers of the layer; `most` is its largest weight, `one` what a column's output
/// is at the voltage of an input of 1, `full` the range of what drives rows.
fn fixed_range(given: Given, tile: &TileKind, sense: usize, (most, one): (Option<f64>, f64), full: f64) -> Option<f64> {
    let Some(Sense::Converter { converter, .. }) = tile.senses.get(sense) else { return None };
    let converter = &given.chip.converters[*converter];
    match converter.full_scale? {
        FullScale::Values(full) => Some(full),
        FullScale::Sensed(of) if tile.normalises => Some(of / tile.read_voltage * full * one),
        FullScale::Sensed(of) => Some(of / tile.sensed(given.chip, converter) * most? * full),
    }
}

/// A layer's products, block by block, with the ranges of the blocks' sums.
pub(super) fn sums(
    given: Given,
    tiling: &Tiling,
    layer: NodeId,
    (weights, bias): (&TensorData, Option<&TensorData>),
    input: &[f32],
    width: usize,
    found: &mut Calibration,
) -> Vec<f32> {
    let len = weights.len().min(width * given.network.graph[layer].outputs());
    let most = given.network.within.get(&layer).copied();
    found.weight_maxima.insert(layer, most.unwrap_or_else(|| largest_of(weights, 0..len)));
    let weights = floats(weights, len);
    sums_of(given, tiling, layer, (weights, bias), input, width, found)
}

/// The same of weights [outputs, width] as their columns see them.
pub(super) fn sums_of(
    given: Given,
    tiling: &Tiling,
    layer: NodeId,
    (mut weights, bias): (Cow<[f32]>, Option<&TensorData>),
    input: &[f32],
    width: usize,
    found: &mut Calibration,
) -> Vec<f32> {
    let len = given.network.graph[layer].outputs();
    let most = found.weight_maxima.get(&layer).copied().unwrap_or(0.0);
    let bent = Bent::of(given, tiling, layer, most, found);
    // Cells hold what is the larger the smaller the scale of their column.
    let scales = found.scales.get(&layer).cloned();
    if let Some(scales) = &scales {
        weights = scaled(&weights, scales).into();
    }
    let mut total = vec![0.0; input.len() / width.max(1) * len];
    // What cells give whose current bends is sensed; the network goes on with what it means.
    let mut sensed = vec![0.0; if bent.is_some() { total.len() } else { 0 }];
    let blocks: Vec<usize> = tiling.of(layer).map(|(index, _)| index).collect();
    let widths: Vec<u32> = widths(given, tiling, layer);
    let samples = input.len() / width.max(1);
    // A fixed range is one for all columns.
    let each = |sense: usize| {
        let tile = tiling.of(layer).next().map(|(_, block)| &given.chip.tile_kinds[block.tile_kind]);
        let tile = tile.filter(|tile| !tile.is_fixed(given.chip, sense));
        tile.map_or(Each::Array, |tile| tile.ranges)
    };
    let mut add = |inputs: (usize, usize), outputs: (usize, usize)| {
        let add_to = |total: &mut [f32], partial: &[f32]| {
            for (into, of) in total.chunks_mut(len.max(1)).zip(partial.chunks(outputs.1 - outputs.0)) {
                into[outputs.0..outputs.1].iter_mut().zip(of).for_each(|(total, sum)| *total += sum);
            }
        };
        let partial = products(input, &weights, width, inputs, outputs);
        add_to(&mut total, &partial);
        let Some(bent) = &bent else { return partial };
        let partial = bent.products(input, &weights, width, inputs, outputs);
        add_to(&mut sensed, &partial);
        partial
    };
    // A range in numbers is no range in volts.
    let in_numbers = |sense: usize| {
        let tile = tiling.of(layer).next().map(|(_, block)| &given.chip.tile_kinds[block.tile_kind]);
        let sense = tile.and_then(|tile| tile.senses.get(sense));
        matches!(sense, Some(Sense::Converter { converter, .. })
            if matches!(given.chip.converters[*converter].full_scale, Some(FullScale::Values(_))))
    };
    let keep = |index: usize, lines: bool, mut sums: Vec<f32>, found: &mut Calibration| {
        let volts = found.volts.get(&index).map_or(&[][..], Vec::as_slice);
        let ones: Vec<f64> = volts.iter().map(|column| column.one).collect();
        // What is clipped depends on how wide the steps are.
        let mut kept = |sums: &[f32], biased: bool| {
            let width = tiling.blocks[index].width();
            for (sense, &bits) in widths.iter().enumerate() {
                let ones = if in_numbers(sense) { &[] } else { &ones[..] };
                let of = Sums::of(sums, width, bits, each(sense), ones);
                found.columns.insert((index, Columns { lines, biased, sense }), of);
            }
        };
        kept(&sums, false);
        if let Some(bias) = bias {
            let (start, end) = tiling.blocks[index].outputs;
            let scale = |output: usize| scales.as_ref().map_or(1.0, |scales| scales[output]);
            let bias = |output: usize| bias.get(output) / scale(output);
            sums.iter_mut().enumerate().for_each(|(i, sum)| *sum += bias(start + i % (end - start)) as f32);
            kept(&sums, true);
        }
    };
    if blocks.is_empty() {
        add((0, width), (0, len));
    }
    for &index in &blocks {
        let block = &tiling.blocks[index];
        let partial = add(block.inputs, block.outputs);
        found.volts.insert(index, volts::columns(given, block, scales.as_deref(), most, &partial));
        keep(index, false, partial, found);
    }
    // Blocks that share outputs share their sum.
    let mut first_of: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for &index in &blocks {
        let outputs = tiling.blocks[index].outputs;
        match first_of.get(&outputs) {
            Some(&first) => {
                for (biased, sense) in
                    [false, true].into_iter().flat_map(|biased| (0..widths.len()).map(move |sense| (biased, sense)))
                {
                    let columns = Columns { lines: true, biased, sense };
                    let known = found.columns.get(&(first, columns)).cloned();
                    found.columns.extend(known.map(|known| ((index, columns), known)));
                }
            }
            None => {
                first_of.insert(outputs, index);
                let all = if sensed.is_empty() { &total } else { &sensed };
                let own: Vec<f32> =
                    (0..samples).flat_map(|s| all[s * len + outputs.0..s * len + outputs.1].to_vec()).collect();
                keep(index, true, own, found);
            }
        }
    }
    if let Some(scales) = scales {
        total.iter_mut().enumerate().for_each(|(i, sum)| *sum *= scales[i % len] as f32);
    }
    total
}

/// A layer's largest weight, if it is known.
fn most(given: Given, layer: NodeId) -> Option<f64> {
    let most = given.network.within.get(&layer).copied();
    let most = most.or_else(|| tensor(given, layer).map(|weights| largest_of(weights, 0..weights.len())));
    most.filter(|most| *most > 0.0)
}

pub(super) fn largest_of(weights: &TensorData, of: std::ops::Range<usize>) -> f64 {
    of.map(|at| weights.get(at).abs()).fold(0.0, f64::max)
}

/// The share of the layer's largest weight that the largest of each output is, or of all outputs of its arrays; none: all have one scale.
/// Weights that are fitted, learned, or read backward keep it.
pub(super) fn scales(given: Given, tiling: &Tiling, layer: NodeId) -> Option<Vec<f64>> {
    let Given { network, plan, .. } = given;
    let (_, block) = tiling.of(layer).next()?;
    let each = given.chip.tile_kinds[block.tile_kind].scaling;
    let backward = network.backward.contains_key(&layer) || network.backward.values().any(|of| *of == layer);
    let weights = tensor(given, layer).filter(|_| each != Each::Layer && !backward && !plan.trains(layer))?;
    let (outputs, inputs) = (network.graph[layer].outputs(), layer_inputs(network, layer));
    let most = most(given, layer)?;
    let of = |(first, past): (usize, usize)| match largest_of(weights, first * inputs..past * inputs) / most {
        share if share > 0.0 && share.is_finite() => share,
        _zero => 1.0,
    };
    let mut scales = vec![1.0; outputs];
    for (_, block) in tiling.of(layer) {
        let (first, past) = block.outputs;
        for (output, scale) in (first..past).zip(&mut scales[first..past]) {
            *scale = of(if each == Each::Column { (output, output + 1) } else { block.outputs });
        }
    }
    Some(scales)
}

/// Weights as cells hold them, [outputs, inputs].
pub(super) fn scaled(weights: &[f32], scales: &[f64]) -> Vec<f32> {
    let inputs = (weights.len() / scales.len().max(1)).max(1);
    weights.iter().enumerate().map(|(at, weight)| (f64::from(*weight) / scales[at / inputs]) as f32).collect()
}

/// The resolution of each way to sense a layer's tile; of what is not converted to so many bits, the finest of the others.
pub(super) fn widths(given: Given, tiling: &Tiling, layer: NodeId) -> Vec<u32> {
    let block = tiling.of(layer).next();
    let senses = block.map_or(&[][..], |(_, block)| &given.chip.tile_kinds[block.tile_kind].senses);
    let bits = |sense: &Sense| match sense {
        Sense::Converter { converter, .. } => given.chip.converters[*converter].bits,
        Sense::Analog(_) => None,
    };
    let finest = senses.iter().filter_map(bits).max().unwrap_or(16);
    senses.iter().map(|sense| bits(sense).unwrap_or(finest)).collect()
}

/// The finest of them; 16 when it is not converted.
pub(super) fn finest(given: Given, tiling: &Tiling, layer: NodeId) -> u32 {
    widths(given, tiling, layer).into_iter().max().unwrap_or(16)
}
