//! A `Scheduled` as text, for `--emit scheduled`.

use std::fmt::Write;

use crate::forms::scheduled::{Resource, Scheduled};

/// One line a task and transfer, times in nanoseconds.
pub fn print(scheduled: &Scheduled) -> String {
    let tiled = &scheduled.placed.converted.tiled;
    let graph = &tiled.network.graph;
    let mut text = format!("scheduled {} on {}\n", tiled.network.name, tiled.chip.name);
    for task in &scheduled.tasks {
        let on = match task.resource {
            Resource::Tile(tile) => format!("tile {tile}"),
            Resource::Unit(unit) => tiled.chip.unit_kinds[unit].name.clone(),
            Resource::Neurons => String::from("neurons"),
        };
        let (name, core) = (&graph[task.node].name, task.core);
        let _ = writeln!(text, "{:10.1} .. {:10.1} ns  core {core} {on}: {name}", 1e9 * task.start, 1e9 * task.end);
    }
    for transfer in &scheduled.transfers {
        let start = transfer.slots.first().map_or(0.0, |slot| slot.0);
        let end = transfer.slots.last().map_or(0.0, |slot| slot.1);
        let (from, to) = (&graph[transfer.from].name, &graph[transfer.to].name);
        let (bits, route) = (transfer.bits, &transfer.route);
        let _ = writeln!(
            text,
            "{:10.1} .. {:10.1} ns  {from} -> {to}: {bits} bit by cores {route:?}",
            1e9 * start,
            1e9 * end
        );
    }
    let _ = writeln!(
        text,
        "a sample every {:.1} ns, latency {:.1} ns, limited by {}",
        1e9 * scheduled.initiation_interval,
        1e9 * scheduled.latency,
        if scheduled.bottleneck.is_empty() { "nothing" } else { &scheduled.bottleneck }
    );
    text
}
