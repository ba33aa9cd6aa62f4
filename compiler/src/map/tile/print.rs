//! A `Tiling` as text, for `--emit tiled`.

use std::fmt::Write;

use crate::forms::mapped::Mapped;

/// One line a block and merge.
pub fn print(mapped: &Mapped) -> String {
    let Mapped { network, chip, tiling, .. } = mapped;
    let mut text = format!("tiled {} on {}\n", network.name, chip.name);
    for (index, block) in tiling.blocks.iter().enumerate() {
        if let Some(forward) = block.backward {
            let ((first, last), (start, end)) = (block.outputs, block.inputs);
            let name = &network.graph[block.layer].name;
            let _ = writeln!(
                text,
                "block {index}: {name}[outputs {first}..{last}, inputs {start}..{end}] is block {forward}, read backward"
            );
            continue;
        }
        let tile = &chip.tile_kinds[block.tile_kind];
        let (rows, cols) = (block.array_rows(), block.columns());
        let share = 100.0 * (rows * cols) as f64 / (tile.rows * tile.cols).max(1) as f64;
        let _ = writeln!(
            text,
            "block {index}: {}[outputs {}..{}, inputs {}..{}] on {}: {rows} of {} rows, {cols} of {} columns, {share:.1} % of the cells",
            network.graph[block.layer].name,
            block.outputs.0,
            block.outputs.1,
            block.inputs.0,
            block.inputs.1,
            tile.name,
            tile.rows,
            tile.cols,
        );
    }
    for merge in &tiling.merges {
        let name = &network.graph[merge.layer].name;
        let _ = writeln!(
            text,
            "merge {name}[{}..{}]: the sum of blocks {:?}",
            merge.outputs.0, merge.outputs.1, merge.blocks
        );
    }
    text
}
