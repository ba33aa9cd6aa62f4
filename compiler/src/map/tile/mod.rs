//! `Network` to `Tiling`: cuts every dense layer to the arrays of the chip, along the cut that takes the fewest.

mod backward;
mod print;
mod verify;

pub use print::print;
pub use verify::verify;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use petgraph::Direction::Incoming;

use crate::forms::chip::{Chip, TileKind, WeightScheme};
use crate::forms::mapped::Given;
use crate::forms::network::{Network, Node, NodeId, Operator, Weights};
use crate::forms::tiling::{Block, Merge, Tiling};

/// How a layer is cut on one kind of tile.
struct Cut {
    tile_kind: usize,
    row_blocks: usize,
    column_blocks: usize,
}

/// What no chip but the ideal one can do yet.
fn ideal_only(node: &Node) -> Option<Diagnostic> {
    let (what, why) = match &node.operator {
        Operator::Delay => ("a delay on a chip", String::from("keeps a value from sample to sample")),
        Operator::Dense { .. }
        | Operator::Elementwise { .. }
        | Operator::Input
        | Operator::Output
        | Operator::Gather(_)
        | Operator::Scatter(_)
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Population { .. }
        | Operator::Read { .. } => return None,
    };
    let diagnostic = Diagnostic::new(Code::E0402, format!("{what} is not supported yet"), node.span, why);
    Some(diagnostic.with_help("write `deploy` without `on …` to run it on ideal hardware"))
}

/// Cuts the layers; none, with the reason in `diagnostics`, when the chip cannot hold them.
pub fn tile(given: Given, diagnostics: &mut Vec<Diagnostic>) -> Option<Tiling> {
    let Given { network, chip, plan, .. } = given;
    let mut tiling = Tiling { firings: crate::graph::firings(network, plan), ..Tiling::default() };
    if chip.ideal {
        return Some(tiling);
    }
    let mut free = tiles_of_each_kind(chip);
    let mut wanted = Vec::new();
    for layer in network.graph.node_indices() {
        let node = &network.graph[layer];
        if let Some(fault) = ideal_only(node) {
            diagnostics.push(fault);
            return None;
        }
        if !matches!(node.operator, Operator::Dense { .. }) {
            continue;
        }
        if let Some(&forward) = network.backward.get(&layer) {
            if let Err(fault) = backward::turn(&mut tiling, given, layer, forward) {
                diagnostics.push(*fault);
                return None;
            }
            continue;
        }
        let (inputs, outputs) = (layer_inputs(network, layer), node.outputs());
        let Some(cut) = best_cut(chip, &free, &holders(given, layer), (inputs, outputs)) else {
            diagnostics.push(no_tile(chip, network, layer));
            return None;
        };
        let arrays = cut.row_blocks * cut.column_blocks;
        wanted.push((layer, arrays, cut.tile_kind));
        free[cut.tile_kind] = free[cut.tile_kind].saturating_sub(arrays);
        emit(&mut tiling, given, layer, inputs, &cut);
    }
    let total = tiles_of_each_kind(chip);
    for (kind, &tiles) in total.iter().enumerate() {
        let needs: Vec<_> = wanted.iter().filter(|(_, _, of)| *of == kind).collect();
        let sum: usize = needs.iter().map(|(_, arrays, _)| arrays).sum();
        if sum > tiles {
            let layers: Vec<_> = needs.iter().map(|(layer, arrays, _)| (*layer, *arrays)).collect();
            diagnostics.push(too_many(chip, network, kind, tiles, sum, &layers));
            return None;
        }
    }
    Some(tiling)
}

/// How many tiles of each kind the whole chip has.
fn tiles_of_each_kind(chip: &Chip) -> Vec<usize> {
    let mut tiles = vec![0; chip.tile_kinds.len()];
    for &core in &chip.cores {
        for &(kind, count) in &chip.core_kinds[core].tiles {
            tiles[kind] += count;
        }
    }
    tiles
}

/// Inputs of a dense layer at one position.
pub(crate) fn layer_inputs(network: &Network, layer: NodeId) -> usize {
    network.graph.neighbors_directed(layer, Incoming).next().map_or(0, |source| network.graph[source].len())
        / network.graph[layer].positions()
}

/// Physical columns of an output and further ones of an array.
fn columns(tile: &TileKind) -> (usize, usize) {
    match tile.weights {
        WeightScheme::Differential if tile.normalises => (1, 0),
        WeightScheme::Differential => (2, 0),
        WeightScheme::Reference => (1, 1),
        WeightScheme::Unsigned => (1, 0),
        WeightScheme::Offset => (tile.slices, 1),
    }
}

/// Whether each kind of tile can hold a layer's weights. One whose arrays are read backward lies where they can be, if there is such a tile.
fn holders(given: Given, layer: NodeId) -> Vec<bool> {
    let Given { network, chip, .. } = given;
    let (fitted, signed) = (is_fitted(network, layer), is_signed(given, layer));
    // Digits are laid out for the largest weight, and columns multiplied by sums of weights, which a fit finds only when the chip runs.
    let by_scheme = |tile: &TileKind| match tile.weights {
        WeightScheme::Offset => !fitted,
        WeightScheme::Unsigned => !signed,
        WeightScheme::Differential | WeightScheme::Reference => true,
    };
    let holds = |tile: &TileKind| by_scheme(tile) && !(tile.normalises && fitted);
    let holds: Vec<bool> = chip.tile_kinds.iter().map(holds).collect();
    let both =
        chip.tile_kinds.iter().zip(&holds).map(|(tile, holds)| *holds && backward::obstacle(chip, tile).is_none());
    let both: Vec<bool> = both.collect();
    let turned = network.backward.values().any(|forward| *forward == layer);
    if turned && both.contains(&true) { both } else { holds }
}

/// The kind of tile that takes the fewest arrays among those that can hold the weights and have enough left; if none has, among all.
fn best_cut(chip: &Chip, free: &[usize], holds: &[bool], (inputs, outputs): (usize, usize)) -> Option<Cut> {
    let total = tiles_of_each_kind(chip);
    let cuts = chip.tile_kinds.iter().enumerate().filter_map(|(tile_kind, tile)| {
        let (per_output, extra) = columns(tile);
        let outputs_each = tile.columns().saturating_sub(extra) / per_output;
        let inputs_each = tile.rows / tile.rows_per_input();
        if !holds[tile_kind] || total[tile_kind] == 0 || inputs_each == 0 || outputs_each == 0 {
            return None;
        }
        let row_blocks = inputs.div_ceil(inputs_each).max(1);
        Some(Cut { tile_kind, row_blocks, column_blocks: outputs.div_ceil(outputs_each).max(1) })
    });
    cuts.min_by_key(|cut| {
        let arrays = cut.row_blocks * cut.column_blocks;
        (arrays > free[cut.tile_kind], arrays, cut.tile_kind)
    })
}

/// Whether a layer's weights are known only when the chip runs.
fn is_fitted(network: &Network, layer: NodeId) -> bool {
    matches!(network.graph[layer].operator, Operator::Dense { weights: Weights::Fitted { .. }, .. })
}

/// Whether a layer may have weights below 0.
fn is_signed(given: Given, layer: NodeId) -> bool {
    let Operator::Dense { weights: Weights::Given(weights), .. } = &given.network.graph[layer].operator else {
        return true;
    };
    let data = given.tensors.get(weights.index()).map(|tensor| &tensor.data);
    let unsigned = given.chip.tile_kinds.iter().any(|tile| tile.weights == WeightScheme::Unsigned);
    unsigned && data.is_none_or(|data| (0..data.len()).any(|index| data.get(index) < 0.0))
}

/// Whether a layer adds a bias to its products.
pub(crate) fn has_bias(network: &Network, layer: NodeId) -> bool {
    match &network.graph[layer].operator {
        Operator::Dense { bias: Some(_), .. } => true,
        Operator::Dense { weights: Weights::Fitted { bias, .. }, .. } => *bias,
        Operator::Dense { weights: Weights::Given(_), bias: None, .. }
        | Operator::Input
        | Operator::Output
        | Operator::Elementwise { .. }
        | Operator::Gather(_)
        | Operator::Scatter(_)
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Delay
        | Operator::Population { .. }
        | Operator::Read { .. } => false,
    }
}

/// The blocks of a layer, rows and columns shared out evenly, and the merges of its partial sums.
fn emit(tiling: &mut Tiling, given: Given, layer: NodeId, inputs: usize, cut: &Cut) {
    let tile = &given.chip.tile_kinds[cut.tile_kind];
    let (columns_per_output, extra_columns) = columns(tile);
    let outputs = given.network.graph[layer].outputs();
    for column in 0..cut.column_blocks {
        let range = share(outputs, cut.column_blocks, column);
        let first = tiling.blocks.len();
        for row in 0..cut.row_blocks {
            let rows = share(inputs, cut.row_blocks, row);
            let holds_bias = row + 1 == cut.row_blocks && has_bias(given.network, layer);
            tiling.blocks.push(Block {
                layer,
                tile_kind: cut.tile_kind,
                inputs: rows,
                outputs: range,
                rows_per_input: tile.rows_per_input(),
                columns_per_output,
                extra_columns,
                spare_rows: if holds_bias { tile.rows - (rows.1 - rows.0) * tile.rows_per_input() } else { 0 },
                positions: given.network.graph[layer].positions(),
                backward: None,
            });
        }
        if cut.row_blocks > 1 {
            tiling.merges.push(Merge { layer, outputs: range, blocks: (first..tiling.blocks.len()).collect() });
        }
    }
}

/// The `index`-th of `parts` nearly equal parts of `0..len`.
fn share(len: usize, parts: usize, index: usize) -> (usize, usize) {
    (len * index / parts, len * (index + 1) / parts)
}

fn no_tile(chip: &Chip, network: &Network, layer: NodeId) -> Diagnostic {
    let node = &network.graph[layer];
    let message = format!("chip `{}` has no tile that could hold the weights of `{}`", chip.name, node.name);
    let unsigned = chip.tile_kinds.iter().any(|tile| tile.weights == WeightScheme::Unsigned);
    let normalises = is_fitted(network, layer) && chip.tile_kinds.iter().any(|tile| tile.normalises);
    let offset = is_fitted(network, layer) && chip.tile_kinds.iter().any(|tile| tile.weights == WeightScheme::Offset);
    let (label, help) = match offset {
        _fitted if normalises => (
            "its weights are fitted, and what columns are to be multiplied by is not known for arrays with `normalises: true`",
            "give a core of the chip a tile without `normalises`",
        ),
        false if unsigned => (
            "some of its weights are below 0, and arrays with `weights: unsigned` cannot hold those",
            "give a core of the chip a tile with `weights: differential`",
        ),
        true => (
            "its weights are fitted, and arrays with `weights: offset` cannot hold those",
            "give a core of the chip a tile with `weights: differential` or `weights: reference`",
        ),
        false => (
            "this layer needs a crossbar array",
            "give a core of the chip `tiles: std.tile.hfox_array[1]()`, or deploy on `std.chip.ideal`",
        ),
    };
    let diagnostic = Diagnostic::new(Code::E0601, message, node.span, label).with_help(help);
    match chip.span {
        Some(span) => diagnostic.with_label(span, "the chip"),
        None => diagnostic,
    }
}

fn too_many(
    chip: &Chip,
    network: &Network,
    kind: usize,
    tiles: usize,
    sum: usize,
    layers: &[(NodeId, usize)],
) -> Diagnostic {
    let name = &chip.tile_kinds[kind].name;
    let message = format!("the layers need {sum} arrays of `{name}`, but chip `{}` has {tiles}", chip.name);
    let largest = layers.iter().max_by_key(|(_, arrays)| *arrays).copied();
    let (layer, arrays) = largest.unwrap_or((NodeId::new(0), 0));
    let node = &network.graph[layer];
    let inputs = layer_inputs(network, layer);
    let label = format!("{inputs} inputs x {} outputs take {arrays} arrays", node.len());
    let per_core = tiles.div_ceil(chip.cores.len().max(1)).max(1);
    let (width, height) = near_square(sum.div_ceil(per_core));
    let diagnostic = Diagnostic::new(Code::E0602, message, node.span, label)
        .with_help(format!("use as many cores as in `cores: grid({width}, {height}) of …`, or larger arrays"));
    match chip.span {
        Some(span) => diagnostic.with_label(span, "the chip"),
        None => diagnostic,
    }
}

/// The grid nearest to a square that has at least so many cores.
fn near_square(cores: usize) -> (usize, usize) {
    let height = cores.max(1).isqrt();
    (cores.max(1).div_ceil(height), height)
}
