//! Lists what is wrong with a `Tiling`; an entry is a mistake of the compiler.
//!
//! Invariants: on a real chip every weight of every dense layer lies in exactly one block, and every block fits its array;
//! every output fed by several blocks has exactly one merge that adds just these; no more arrays of a kind than the chip has;
//! a block without an array of its own turns one of the layer that it reads backward; on the ideal chip there are no blocks.

use crate::forms::mapped::Given;
use crate::forms::network::{Edge, Operator};
use crate::forms::tiling::Tiling;
use petgraph::visit::EdgeRef;

/// Every broken invariant in words; empty when all is sound.
pub fn verify(given: Given, tiling: &Tiling) -> Vec<String> {
    let Given { network, chip, .. } = given;
    let mut faults = Vec::new();
    if chip.ideal {
        if !tiling.blocks.is_empty() || !tiling.merges.is_empty() {
            faults.push(String::from("the ideal chip has blocks"));
        }
        return faults;
    }
    for (index, block) in tiling.blocks.iter().enumerate() {
        if let Some(forward) = block.backward {
            let turned = tiling.blocks.get(forward).is_some_and(|of| {
                let same = (of.inputs, of.outputs, of.tile_kind) == (block.outputs, block.inputs, block.tile_kind);
                same && of.backward.is_none() && network.backward.get(&block.layer) == Some(&of.layer)
            });
            if !turned {
                faults.push(format!("block {index} reads backward what is not the array of its layer"));
            }
            continue;
        }
        let tile = &chip.tile_kinds[block.tile_kind];
        let rows = block.inputs.1.saturating_sub(block.inputs.0) * block.rows_per_input;
        let cols = block.outputs.1.saturating_sub(block.outputs.0) * block.columns_per_output + block.extra_columns;
        if rows + block.spare_rows > tile.rows || cols + tile.spare_columns > tile.cols {
            faults.push(format!("block {index} of {rows} x {cols} does not fit {} x {}", tile.rows, tile.cols));
        }
    }
    for id in network.graph.node_indices() {
        if matches!(network.graph[id].operator, Operator::Dense { .. }) {
            check_layer(given, tiling, id, &mut faults);
        }
    }
    for kind in 0..chip.tile_kinds.len() {
        let used = tiling.blocks.iter().filter(|block| block.tile_kind == kind && block.backward.is_none()).count();
        let offered: usize = (chip.cores.iter())
            .flat_map(|&core| chip.core_kinds[core].tiles.iter())
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
fn check_layer(given: Given, tiling: &Tiling, layer: crate::forms::network::NodeId, faults: &mut Vec<String>) {
    let graph = &given.network.graph;
    let name = &graph[layer].name;
    let inputs = graph
        .edges_directed(layer, petgraph::Direction::Incoming)
        .find(|edge| matches!(edge.weight(), Edge::Signal { operand: 0 }))
        .map_or(0, |edge| graph[edge.source()].len())
        / graph[layer].positions();
    for output in 0..graph[layer].outputs() {
        let mut rows: Vec<(usize, usize, usize)> = (tiling.blocks.iter().enumerate())
            .filter(|(_, block)| block.layer == layer && (block.outputs.0..block.outputs.1).contains(&output))
            .map(|(index, block)| (block.inputs.0, block.inputs.1, index))
            .collect();
        rows.sort_unstable();
        let end = rows.iter().try_fold(0, |end, row| (row.0 == end).then_some(row.1));
        if end != Some(inputs) {
            faults.push(format!("the blocks of `{name}` do not cover its output {output} exactly"));
            return;
        }
        let merges: Vec<_> = (tiling.merges.iter())
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
