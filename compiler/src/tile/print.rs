//! A `Tiled` as text, for `--emit tiled`.

use std::fmt::Write;

use crate::forms::tiled::Tiled;

/// One line a block and merge.
pub fn print(tiled: &Tiled) -> String {
    let mut text = format!("tiled {} on {}\n", tiled.network.name, tiled.chip.name);
    for (index, block) in tiled.blocks.iter().enumerate() {
        let tile = &tiled.chip.tile_kinds[block.tile_kind];
        let rows = block.inputs.1 - block.inputs.0;
        let cols = (block.outputs.1 - block.outputs.0) * block.columns_per_output + block.extra_columns;
        let share = 100.0 * (rows * cols) as f64 / (tile.rows * tile.cols).max(1) as f64;
        let _ = writeln!(
            text,
            "block {index}: {}[outputs {}..{}, inputs {}..{}] on {}: {rows} of {} rows, {cols} of {} columns, {share:.1} % of the cells",
            tiled.network.graph[block.layer].name,
            block.outputs.0,
            block.outputs.1,
            block.inputs.0,
            block.inputs.1,
            tile.name,
            tile.rows,
            tile.cols,
        );
    }
    for merge in &tiled.merges {
        let name = &tiled.network.graph[merge.layer].name;
        let _ = writeln!(
            text,
            "merge {name}[{}..{}]: the sum of blocks {:?}",
            merge.outputs.0, merge.outputs.1, merge.blocks
        );
    }
    text
}
