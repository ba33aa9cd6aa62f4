//! Lists what is wrong with a `Tiled`; an entry is a mistake of the compiler.
//!
//! Invariants: on a real chip every weight of every dense layer lies in exactly one block, and every block fits its array;
//! every output fed by several blocks has exactly one merge that adds just these; no more arrays of a kind than the chip has;
//! on the ideal chip there are no blocks.

use crate::forms::network::{Edge, Operator};
use crate::forms::tiled::Tiled;
use petgraph::visit::EdgeRef;

/// Every broken invariant in words; empty when all is sound.
pub fn verify(tiled: &Tiled) -> Vec<String> {
    let mut faults = Vec::new();
    if tiled.chip.ideal {
        if !tiled.blocks.is_empty() || !tiled.merges.is_empty() {
            faults.push(String::from("the ideal chip has blocks"));
        }
        return faults;
    }
    for (index, block) in tiled.blocks.iter().enumerate() {
        let tile = &tiled.chip.tile_kinds[block.tile_kind];
        let rows = block.inputs.1.saturating_sub(block.inputs.0);
        let cols = block.outputs.1.saturating_sub(block.outputs.0) * block.columns_per_output + block.extra_columns;
        if rows > tile.rows || cols > tile.cols {
            faults.push(format!("block {index} of {rows} x {cols} does not fit {} x {}", tile.rows, tile.cols));
        }
    }
    for id in tiled.network.graph.node_indices() {
        if matches!(tiled.network.graph[id].operator, Operator::Dense { .. }) {
            check_layer(tiled, id, &mut faults);
        }
    }
    for kind in 0..tiled.chip.tile_kinds.len() {
        let used = tiled.blocks.iter().filter(|block| block.tile_kind == kind).count();
        let offered: usize = (tiled.chip.cores.iter())
            .flat_map(|&core| tiled.chip.core_kinds[core].tiles.iter())
            .filter(|(of, _)| *of == kind)
            .map(|(_, count)| count)
            .sum();
        if used > offered {
            faults.push(format!("{used} arrays of kind {kind} are used, the chip has {offered}"));
        }
    }
    faults
}

/// Every weight once, every sum complete.
fn check_layer(tiled: &Tiled, layer: crate::forms::network::NodeId, faults: &mut Vec<String>) {
    let graph = &tiled.network.graph;
    let name = &graph[layer].name;
    let inputs = graph
        .edges_directed(layer, petgraph::Direction::Incoming)
        .find(|edge| matches!(edge.weight(), Edge::Signal { operand: 0 }))
        .map_or(0, |edge| graph[edge.source()].len());
    for output in 0..graph[layer].len() {
        let mut rows: Vec<(usize, usize, usize)> = (tiled.blocks.iter().enumerate())
            .filter(|(_, block)| block.layer == layer && (block.outputs.0..block.outputs.1).contains(&output))
            .map(|(index, block)| (block.inputs.0, block.inputs.1, index))
            .collect();
        rows.sort_unstable();
        let end = rows.iter().try_fold(0, |end, row| (row.0 == end).then_some(row.1));
        if end != Some(inputs) {
            faults.push(format!("the blocks of `{name}` do not cover its output {output} exactly"));
            return;
        }
        let merges: Vec<_> = (tiled.merges.iter())
            .filter(|merge| merge.layer == layer && (merge.outputs.0..merge.outputs.1).contains(&output))
            .collect();
        let blocks: std::collections::BTreeSet<usize> = rows.iter().map(|row| row.2).collect();
        let sound = match merges.as_slice() {
            [] => blocks.len() <= 1,
            [merge] => blocks.len() > 1 && merge.blocks.iter().copied().eq(blocks.iter().copied()),
            [_, _, ..] => false,
        };
        if !sound {
            faults.push(format!("the partial sums of output {output} of `{name}` are not added exactly once"));
            return;
        }
    }
}
