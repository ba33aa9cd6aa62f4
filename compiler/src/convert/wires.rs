//! The chosen assignment written out: wires with their converters and reasons, conversions counted, ranges.

use std::collections::BTreeMap;

use nmc_program::Conversions;

use super::alternatives::Alternative;
use super::domains::{branch, title, word};
use super::problem::{Assignment, Choices, Demand};
use crate::forms::chip::Domain;
use crate::forms::converted::{Choice, Implementation, Wire};
use crate::forms::network::{NodeId, Operator};
use crate::forms::plan::Pinned;

/// The implementation of every node.
pub fn choices(choices: &Choices, best: &Assignment) -> Vec<Choice> {
    let each = choices.nodes.iter().enumerate();
    each.map(|(index, &node)| {
        let alternative = &choices.alternatives[index][best.choice[index]];
        Choice { node, name: alternative.name.clone(), implementation: alternative.implementation.clone() }
    })
    .collect()
}

/// Full ranges; an analog unit hands its operand's range on.
pub fn ranges(choices: &Choices, best: &Assignment) -> Vec<(NodeId, f64)> {
    let range = |node: NodeId| choices.found.ranges.get(&node).copied().unwrap_or(1.0);
    let each = choices.nodes.iter().enumerate();
    each.map(|(index, &node)| {
        let source = crate::graph::operands(&choices.tiled.network, node).first().copied();
        match (&choices.alternatives[index][best.choice[index]].implementation, source) {
            (Implementation::Unit(unit), Some(source)) if choices.tiled.chip.unit_kinds[*unit].transfer.is_some() => {
                (node, range(source))
            }
            _plain => (node, range(node)),
        }
    })
    .collect()
}

/// Wires, conversions by converter, and the summing unit of each merge.
pub fn describe(
    choices: &Choices,
    demand: Demand,
    best: &Assignment,
    everywhere: Option<&Assignment>,
) -> (Vec<Wire>, Conversions, Vec<Option<usize>>) {
    let mut wires = lay(choices, demand, best);
    let baseline =
        everywhere.map_or_else(|| wires.clone(), |other| lay(choices, Demand { everywhere: true, ..demand }, other));
    for (wire, other) in wires.iter_mut().zip(&baseline) {
        wire.reason = reason(choices, best, wire, other);
    }
    let (inserted, all) = (count(choices, &wires), count(choices, &baseline));
    let elided = all.iter().filter_map(|(name, number)| {
        let saved = number - inserted.get(name).copied().unwrap_or(0.0);
        (saved > 0.0).then(|| (name.clone(), saved))
    });
    let conversions = Conversions {
        elided: elided.collect(),
        inserted: inserted.clone().into_iter().collect(),
        baseline: all.clone().into_iter().collect(),
    };
    let merge_units = choices.tiled.merges.iter().map(|merge| {
        let index = choices.index(merge.layer);
        choices.alternatives[index][best.choice[index]].merge
    });
    let merge_units = merge_units.collect();
    (wires, conversions, merge_units)
}

/// Wires in the order (from, to, operand), without reasons.
fn lay(choices: &Choices, demand: Demand, assignment: &Assignment) -> Vec<Wire> {
    let chip = &choices.tiled.chip;
    let mut wires = Vec::new();
    for (&source, consumers) in &choices.fans {
        let producer = &choices.alternatives[choices.index(source)][assignment.choice[choices.index(source)]];
        let set = choices.domains(&assignment.choice, source);
        let tree = choices.tree(source, producer.output, &set, demand).unwrap_or_default();
        let elements = choices.tiled.network.graph[source].len() as f64;
        let values = elements * choices.tiled.firings[source.index()];
        let mut paid: Vec<usize> = Vec::new();
        let mut driven: Vec<NodeId> = Vec::new();
        for (place, &(to, operand)) in consumers.iter().enumerate() {
            let consumer = &choices.alternatives[choices.index(to)][assignment.choice[choices.index(to)]];
            let (mut converters, mut counts) = (Vec::new(), Vec::new());
            if let Some((converter, number)) = producer.sense {
                converters.push(converter);
                counts.push(if place == 0 { number } else { 0.0 });
            }
            for converter in branch(chip, &tree, producer.output, consumer.input) {
                converters.push(converter);
                counts.push(if paid.contains(&converter) { 0.0 } else { values });
                paid.push(converter);
            }
            if let Some((converter, number)) = consumer.drive.filter(|_| operand == 0 && !driven.contains(&to)) {
                converters.push(converter);
                counts.push(number);
                driven.push(to);
            }
            let energy = converters.iter().zip(&counts).map(|(&id, count)| chip.converters[id].energy * count).sum();
            let domain = arrives(choices, consumer);
            let (reason, count_per_sample) = (String::new(), values);
            wires.push(Wire {
                from: source,
                to,
                operand,
                domain,
                converters,
                counts,
                reason,
                count_per_sample,
                energy,
            });
        }
    }
    wires
}

/// What reaches the operator: for tiles what is on the rows, after their own converter.
fn arrives(choices: &Choices, consumer: &Alternative) -> Domain {
    consumer.drive.map_or(consumer.input, |(converter, _)| choices.tiled.chip.converters[converter].to)
}

fn count(choices: &Choices, wires: &[Wire]) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for wire in wires {
        for (&id, count) in wire.converters.iter().zip(&wire.counts) {
            let converter = &choices.tiled.chip.converters[id];
            if !converter.is_ideal() {
                *counts.entry(title(converter)).or_insert(0.0) += count;
            }
        }
    }
    counts
}

/// Conversions of a wire to bits, from bits, and between other domains.
fn kinds(choices: &Choices, wire: &Wire) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for (&id, count) in wire.converters.iter().zip(&wire.counts) {
        let converter = &choices.tiled.chip.converters[id];
        let kind = match (converter.from, converter.to) {
            (_, Domain::Bits) => 0,
            (Domain::Bits, _) => 1,
            (_, _) => 2,
        };
        sums[kind] += count;
    }
    sums
}

/// Why a wire is as it is, in words.
fn reason(choices: &Choices, best: &Assignment, wire: &Wire, other: &Wire) -> String {
    let (network, plan) = (&choices.tiled.network, &choices.tiled.plan);
    let chosen = |node: NodeId| &choices.alternatives[choices.index(node)][best.choice[choices.index(node)]];
    let (from, to) = (chosen(wire.from), chosen(wire.to));
    let pinned = |node: NodeId, domain: Domain| {
        plan.pins.iter().any(|pin| pin.node == node && pin.value == Pinned::Domain(domain))
    };
    let analog = from.output != Domain::Bits && from.output == to.input && from.output != Domain::Spikes;
    let mut text = if pinned(wire.from, from.output) {
        format!("{}: `{}` is pinned", word(from.output), network.graph[wire.from].name)
    } else if plan.convert_everywhere {
        format!("{}: everything is converted, as `convert: everywhere` asks", word(wire.domain))
    } else if analog {
        let unit = |node: NodeId, alternative: &Alternative| match (
            &alternative.implementation,
            &network.graph[node].operator,
        ) {
            (Implementation::Unit(_), Operator::Elementwise { function, .. }) => {
                Some(format!("analog: {function} is available as an amplifier ({})", alternative.name))
            }
            _plain => None,
        };
        let direct = || format!("analog: both ends take a {} as it is", word(from.output));
        unit(wire.to, to).or_else(|| unit(wire.from, from)).unwrap_or_else(direct)
    } else if from.output == Domain::Spikes && to.input == Domain::Spikes {
        String::from("spikes: both ends handle events")
    } else if wire.converters.is_empty() {
        format!("{}: both ends are digital", word(wire.domain))
    } else {
        explain(choices, wire, from, to)
    };
    let (mine, theirs) = (kinds(choices, wire), kinds(choices, other));
    let saved: Vec<String> = ["ADC", "DAC", "other"]
        .iter()
        .zip(theirs.iter().zip(mine))
        .filter(|(_, (there, here))| **there > *here)
        .map(|(kind, (there, here))| format!("{} {kind}", there - here))
        .collect();
    if !saved.is_empty() && !plan.convert_everywhere {
        text += &format!("; saves {} conversions", saved.join(" and "));
        if other.energy > wire.energy {
            text += &format!(", {} a sample", joules(other.energy - wire.energy));
        }
    }
    text
}

/// Why converters stand on a wire.
fn explain(choices: &Choices, wire: &Wire, from: &Alternative, to: &Alternative) -> String {
    let names: Vec<String> = wire.converters.iter().map(|&id| title(&choices.tiled.chip.converters[id])).collect();
    let graph = &choices.tiled.network.graph;
    format!(
        "{}: {} gives {} and {} takes {}, joined by {}",
        word(wire.domain),
        graph[wire.from].name,
        word(from.output),
        graph[wire.to].name,
        word(arrives(choices, to)),
        names.join(", "),
    )
}

/// Joules with a prefix.
pub fn joules(energy: f64) -> String {
    let scale = [(1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ"), (1e-12, "pJ")];
    let (unit, name) = scale.into_iter().find(|(unit, _)| energy >= *unit).unwrap_or((1e-15, "fJ"));
    let scaled = energy / unit;
    let places = if scaled >= 100.0 {
        0
    } else if scaled >= 10.0 {
        1
    } else {
        2
    };
    format!("{scaled:.places$} {name}")
}
