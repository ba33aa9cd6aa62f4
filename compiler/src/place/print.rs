//! A `Placed` as text, for `--emit placed`.

use std::fmt::Write;

use crate::forms::placed::Placed;

/// One line a block and node.
pub fn print(placed: &Placed) -> String {
    let tiled = &placed.converted.tiled;
    let (graph, width) = (&tiled.network.graph, tiled.chip.grid.0.max(1));
    let mut text = format!("placed {} on {}\n", tiled.network.name, tiled.chip.name);
    for (index, block) in tiled.blocks.iter().enumerate() {
        let (core, tile) = (placed.block_cores[index], placed.block_tiles[index]);
        let name = &graph[block.layer].name;
        let _ = writeln!(text, "block {index} ({name}): core ({}, {}), tile {tile}", core % width, core / width);
    }
    for place in &placed.node_cores {
        let (start, end) = place.elements;
        let name = &graph[place.node].name;
        let _ = writeln!(text, "{name}[{start}..{end}]: core ({}, {})", place.core % width, place.core / width);
    }
    let _ = writeln!(
        text,
        "cost {} bit-hops a sample, bound {}, random {}",
        placed.cost, placed.lower_bound, placed.random_cost
    );
    text
}
