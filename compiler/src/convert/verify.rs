//! Lists what is wrong with a `Converted`; an entry is a mistake of the compiler.
//!
//! Invariants: every signal has one wire and every node one choice; the converters of a wire join up, each ending in the
//! domain the next begins in, and the last in the wire's domain; conversions counted are those of the wires; all sums of
//! partial results have a way that the chip offers; ranges are positive; without an accuracy limit or pins the objective is no
//! worse than the baselines, and never below its bound.

use petgraph::visit::{EdgeRef, IntoEdgeReferences};

use crate::forms::converted::{Converted, Implementation};
use crate::forms::network::Edge;

/// Every broken invariant in words; empty when all is sound.
pub fn verify(converted: &Converted) -> Vec<String> {
    let mut faults = Vec::new();
    let (graph, chip) = (&converted.tiled.network.graph, &converted.tiled.chip);
    let mut signals: Vec<_> = graph
        .edge_references()
        .filter_map(|edge| match edge.weight() {
            Edge::Signal { operand } => Some((edge.source(), edge.target(), *operand)),
            Edge::Synapses(_) => None,
        })
        .collect();
    signals.sort_unstable();
    let wires: Vec<_> = converted.wires.iter().map(|wire| (wire.from, wire.to, wire.operand)).collect();
    if signals != wires {
        faults.push(String::from("wires are not the signals, each once and in order"));
    }
    if !converted.choices.iter().map(|choice| choice.node).eq(graph.node_indices()) {
        faults.push(String::from("not every node has one choice"));
    }
    for wire in &converted.wires {
        let name = format!("{} -> {}", graph[wire.from].name, graph[wire.to].name);
        if wire.counts.len() != wire.converters.len() || wire.reason.is_empty() {
            faults.push(format!("wire {name} lacks counts or a reason"));
        }
        let chain: Vec<_> = wire.converters.iter().filter_map(|&id| chip.converters.get(id)).collect();
        let joined = chain.windows(2).all(|pair| pair[0].to == pair[1].from);
        if chain.len() != wire.converters.len() || !joined || chain.last().is_some_and(|last| last.to != wire.domain) {
            faults.push(format!("the converters of wire {name} do not join up"));
        }
    }
    let counts = converted.wires.iter().flat_map(|wire| wire.converters.iter().zip(&wire.counts));
    let real = counts.filter(|(id, _)| chip.converters.get(**id).is_some_and(|converter| !converter.is_ideal()));
    let counted: f64 = real.map(|(_, count)| count).sum();
    let reported: f64 = converted.conversions.inserted.iter().map(|(_, count)| count).sum();
    if (counted - reported).abs() > 1e-6 * counted.max(1.0) {
        faults.push(format!("{counted} conversions on wires, {reported} reported"));
    }
    for choice in &converted.choices {
        let exists = match &choice.implementation {
            Implementation::Unit(unit) => *unit < chip.unit_kinds.len(),
            Implementation::Tile { .. } => converted.tiled.blocks.iter().any(|block| block.layer == choice.node),
            Implementation::Exact | Implementation::Core => true,
        };
        if !exists {
            faults.push(format!("`{}` is done by something the chip lacks", graph[choice.node].name));
        }
    }
    check_numbers(converted, &mut faults);
    faults
}

/// Merges, ranges, objective.
fn check_numbers(converted: &Converted, faults: &mut Vec<String>) {
    let tiled = &converted.tiled;
    if converted.merge_units.len() != tiled.merges.len() || converted.block_ranges.len() != tiled.blocks.len() {
        faults.push(String::from("not every merge and block is described"));
    }
    for unit in converted.merge_units.iter().flatten() {
        if !tiled.chip.unit_kinds[*unit].implements.iter().any(|name| name == "sum") {
            faults.push(format!("`{}` adds partial sums but is no summing unit", tiled.chip.unit_kinds[*unit].name));
        }
    }
    let ranges = converted.ranges.iter().map(|(_, range)| range).chain(&converted.block_ranges);
    if ranges.into_iter().any(|range| !(range.is_finite() && *range > 0.0)) {
        faults.push(String::from("a range is not positive"));
    }
    let reached = &converted.objective;
    let above = |value: f64, bound: f64| value > bound + 1e-9 * bound.abs();
    if above(reached.lower_bound, reached.value) {
        faults.push(String::from("the objective is below its bound"));
    }
    let free = tiled.plan.accuracy_loss.is_none() && tiled.plan.pins.is_empty() && !tiled.plan.convert_everywhere;
    if free && (above(reached.value, reached.greedy) || above(reached.value, reached.convert_everywhere)) {
        faults.push(String::from("the objective is worse than a baseline"));
    }
}
