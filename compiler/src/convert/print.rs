//! A `Converted` as text, for `--emit converted`.

use std::fmt::Write;

use super::domains::{title, word};
use crate::forms::converted::Converted;

/// One line an operator and wire.
pub fn print(converted: &Converted) -> String {
    let (graph, chip) = (&converted.tiled.network.graph, &converted.tiled.chip);
    let mut text = format!("converted {} on {}\n", converted.tiled.network.name, chip.name);
    for choice in &converted.choices {
        let _ = writeln!(text, "{}: {}", graph[choice.node].name, choice.name);
    }
    for wire in &converted.wires {
        let names: Vec<String> = wire.converters.iter().map(|&id| title(&chip.converters[id])).collect();
        let through = if names.is_empty() { String::from("as it is") } else { names.join(", ") };
        let (from, to) = (&graph[wire.from].name, &graph[wire.to].name);
        let _ =
            writeln!(text, "wire {from} -> {to}[{}]: {}, {through}; {}", wire.operand, word(wire.domain), wire.reason);
    }
    for (node, range) in &converted.ranges {
        let _ = writeln!(text, "range {}: {range:.4e}", graph[*node].name);
    }
    let reached = &converted.objective;
    let _ = writeln!(
        text,
        "objective {:.4e}, bound {:.4e}, greedy {:.4e}, convert everywhere {:.4e}{}",
        reached.value,
        reached.lower_bound,
        reached.greedy,
        reached.convert_everywhere,
        if reached.optimal { ", optimal" } else { "" }
    );
    text
}
