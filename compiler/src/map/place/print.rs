//! A `Placement` as text, for `--emit placed`.

use std::fmt::Write;

use crate::forms::mapped::Mapped;

/// One line a part.
pub fn print(mapped: &Mapped) -> String {
    let Mapped { network, chip, circuit, placement, .. } = mapped;
    let width = chip.grid.0.max(1);
    let mut text = format!("placed {} on {}\n", network.name, chip.name);
    for (index, (part, &core)) in circuit.parts.iter().zip(&placement.cores).enumerate() {
        let (start, end) = part.elements;
        let name = &network.graph[part.node].name;
        let _ = write!(text, "part {index} ({name}[{start}..{end}]): core ({}, {})", core % width, core / width);
        if let Some(tile) = placement.tiles.get(index).copied().flatten() {
            let _ = write!(text, ", tile {tile}");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "cost {} bit-links a sample, bound {}, along a snake {}, random {:.0}",
        placement.cost, placement.lower_bound, placement.snake_cost, placement.random_cost
    );
    text
}
