//! The chosen assignment written out: choices, wires with their converters and reasons, ranges, conversions counted.

use std::collections::BTreeMap;

use nmc_program::Conversions;

use super::alternatives::Alternative;
use super::choices::Choices;
use super::domains::{branch, title, word};
use super::problem::{Assignment, Demand};
use crate::cost;
use crate::forms::chip::{Chip, Domain, Drive, Sense};
use crate::forms::circuit::Circuit;
use crate::forms::decisions::{Choice, Decisions, Implementation, Range, Wire};
use crate::forms::network::{NodeId, Operator};
use crate::forms::plan::Pinned;
use crate::forms::tiling::Tiling;

/// Decisions without reasons, objective, pins and conversions, which come from comparing.
pub fn decisions(choices: &Choices, assignment: &Assignment, demand: &Demand) -> Decisions {
    let choice = &assignment.choice;
    let chosen = |node: NodeId| &choices.alternatives[choices.index(node)][choice[choices.index(node)]];
    let each = choices.nodes.iter().map(|&node| {
        let Alternative { name, implementation, input, output, .. } = chosen(node).clone();
        Choice { node, name, implementation, input, output }
    });
    let ranges = choices.nodes.iter().map(|&node| (node, range(choices, choice, node)));
    let block_ranges =
        choices.tiling.blocks.iter().enumerate().map(|(index, block)| match chosen(block.layer).implementation {
            Implementation::Tile(how) => choices.found.sums(choices.tiling, index, how).range,
            Implementation::Exact | Implementation::Unit(_) | Implementation::Core => {
                choices.found.range(block.layer).full
            }
        });
    let column_ranges =
        choices.tiling.blocks.iter().enumerate().map(|(index, block)| match chosen(block.layer).implementation {
            Implementation::Tile(how) => choices.found.sums(choices.tiling, index, how).columns.clone(),
            Implementation::Exact | Implementation::Unit(_) | Implementation::Core => Vec::new(),
        });
    Decisions {
        column_ranges: column_ranges.collect(),
        scales: choices.found.scales.clone(),
        choices: each.collect(),
        wires: wires(choices, assignment, demand),
        ranges: ranges.collect(),
        block_ranges: block_ranges.collect(),
        ..Decisions::default()
    }
}

/// Full range; an analog unit that is described in full ranges hands its operand's on.
fn range(choices: &Choices, choice: &[usize], node: NodeId) -> Range {
    let source = crate::graph::operands(choices.given.network, node).first().copied();
    match (&choices.alternatives[choices.index(node)][choice[choices.index(node)]].implementation, source) {
        (Implementation::Unit(unit), Some(source))
            if choices.chip().unit_kinds[*unit].transfer.is_some() && choices.chip().unit_kinds[*unit].in_ranges() =>
        {
            Range { full: choices.found.range(source).full, ..choices.found.range(node) }
        }
        _plain => choices.found.range(node),
    }
}

/// Wires in the order (from, to, operand).
fn wires(choices: &Choices, assignment: &Assignment, demand: &Demand) -> Vec<Wire> {
    let Assignment { choice, states, .. } = assignment;
    let chip = choices.chip();
    let chosen = |node: NodeId| &choices.alternatives[choices.index(node)][choice[choices.index(node)]];
    let mut wires = Vec::new();
    let left = choices.left(choice, states, demand).unwrap_or_default();
    for ((&source, consumers), leaving) in choices.fans.iter().zip(left) {
        let producer = chosen(source);
        let firings = choices.tiling.firings[source.index()];
        let values = choices.given.network.graph[source].len() as f64 * firings;
        let (mut paid, mut driven): (Vec<usize>, Vec<NodeId>) = (Vec::new(), Vec::new());
        for (place, &(to, operand)) in consumers.iter().enumerate() {
            let consumer = chosen(to);
            let takes = choices.taking(&leaving, source, to, consumer, demand);
            let arrives = takes.first().map_or(consumer.input, |&id| chip.converters[id].from);
            let mut gives = branch(chip, &leaving.tree, producer.output, arrives);
            if !matches!(arrives, Domain::Bits | Domain::Spikes) {
                gives.extend(leaving.tree.iter().copied().filter(|&id| chip.converters[id].holds()));
            }
            let (mut converters, mut counts) = (Vec::new(), Vec::new());
            for (id, count) in built_in(choices, source, producer, true) {
                converters.push(id);
                counts.push(if place == 0 { count } else { 0.0 });
            }
            for &id in &gives {
                converters.push(id);
                counts.push(if paid.contains(&id) { 0.0 } else { values });
                paid.push(id);
            }
            for &id in &takes {
                converters.push(id);
                counts.push(choices.taken(source, to) * firings);
            }
            if operand == 0 && !driven.contains(&to) {
                for (id, count) in built_in(choices, to, consumer, false) {
                    converters.push(id);
                    counts.push(count);
                    driven.push(to);
                }
            }
            let energy = converters.iter().zip(&counts).map(|(&id, count)| chip.converters[id].energy * count).sum();
            let domain = rows(chip, choices.tiling, to, consumer).unwrap_or(consumer.input);
            let reason = String::new();
            let (from, count_per_sample) = (source, values);
            wires.push(Wire {
                from,
                to,
                operand,
                domain,
                gives,
                takes,
                converters,
                counts,
                reason,
                remedy: None,
                count_per_sample,
                energy,
            });
        }
    }
    wires
}

/// What is on the rows of a layer's arrays, when their own converters drive them.
fn rows(chip: &Chip, tiling: &Tiling, layer: NodeId, alternative: &Alternative) -> Option<Domain> {
    let Implementation::Tile(how) = alternative.implementation else { return None };
    let (_, block) = tiling.of(layer).next()?;
    match chip.tile_kinds[block.tile_kind].inputs.get(how.drive)? {
        Drive::Converter(id) | Drive::BitSerial { converter: id, .. } => Some(chip.converters[*id].to),
        Drive::Direct(domain) => Some(*domain),
    }
}

/// Converters that arrays of a layer have built in at their columns (or rows) and how often a sample they convert.
fn built_in(choices: &Choices, layer: NodeId, alternative: &Alternative, columns: bool) -> Vec<(usize, f64)> {
    let Implementation::Tile(how) = alternative.implementation else { return Vec::new() };
    let (given, tiling, chip) = (choices.given, choices.tiling, choices.chip());
    let Some((_, block)) = tiling.of(layer).next() else { return Vec::new() };
    let tile = &chip.tile_kinds[block.tile_kind];
    let drive = match tile.inputs.get(how.drive) {
        Some(Drive::Converter(id)) | Some(Drive::BitSerial { converter: id, .. }) => Some(*id),
        Some(Drive::Direct(_)) | None => None,
    };
    let sense = match tile.senses.get(how.sense) {
        Some(Sense::Converter { converter, .. }) => Some(*converter),
        Some(Sense::Analog(_)) | None => None,
    };
    let wanted: Vec<usize> = match columns {
        true => how.gather.into_iter().chain(tile.hold).chain(sense).collect(),
        false => drive.into_iter().collect(),
    };
    let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
    for part in crate::map::circuit::layer(given, tiling, layer, how) {
        for (id, count) in cost::array_conversions(chip, tiling, &part, how) {
            *counts.entry(id).or_default() += count;
        }
    }
    wanted.into_iter().filter_map(|id| counts.get(&id).map(|count| (id, *count))).collect()
}

/// Conversions a sample by converter of a circuit: all its parts do.
pub fn count(chip: &Chip, tiling: &Tiling, decisions: &Decisions, circuit: &Circuit) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for part in &circuit.parts {
        let inside = decisions.on_tiles(part.node).map(|how| cost::array_conversions(chip, tiling, part, how));
        for (id, number, _) in cost::conversions(part, &inside.unwrap_or_default()) {
            if !chip.converters[id].is_ideal() {
                *counts.entry(title(&chip.converters[id])).or_insert(0.0) += number;
            }
        }
    }
    counts
}

/// What was inserted, what the baseline inserts, and what is left out.
pub fn conversions(inserted: &BTreeMap<String, f64>, all: &BTreeMap<String, f64>) -> Conversions {
    let elided = all.iter().filter_map(|(name, number)| {
        let saved = number - inserted.get(name).copied().unwrap_or(0.0);
        (saved > 0.0).then(|| (name.clone(), saved))
    });
    Conversions {
        elided: elided.collect(),
        inserted: inserted.clone().into_iter().collect(),
        baseline: all.clone().into_iter().collect(),
    }
}

/// Conversions of a wire to bits, from bits, and between other domains.
fn kinds(chip: &Chip, wire: &Wire) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for (&id, count) in wire.converters.iter().zip(&wire.counts) {
        let converter = &chip.converters[id];
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
pub fn reason(choices: &Choices, decisions: &Decisions, wire: &Wire, other: Option<&Wire>) -> String {
    let (network, plan) = (choices.given.network, choices.given.plan);
    let chip = choices.chip();
    let (Some(from), Some(to)) = (decisions.choice(wire.from), decisions.choice(wire.to)) else { return String::new() };
    let pinned = |node: NodeId, domain: Domain| {
        plan.pins.iter().any(|pin| pin.node == node && pin.value == Pinned::Domain(domain))
    };
    let is_analog = |domain: Domain| !matches!(domain, Domain::Bits | Domain::Spikes);
    let analog = wire.takes.is_empty() && is_analog(to.input);
    let names = |ids: &[usize]| ids.iter().map(|&id| title(&chip.converters[id])).collect::<Vec<_>>().join(", ");
    let arrives = wire.takes.first().map_or(to.input, |&id| chip.converters[id].from);
    let lit = arrives == Domain::Light && pinned(wire.from, arrives);
    let mut text = if lit || pinned(wire.from, from.output) {
        let domain = if lit { arrives } else { from.output };
        format!("{}: `{}` is pinned", word(domain), network.graph[wire.from].name)
    } else if analog && matches!(network.graph[wire.to].operator, Operator::Read { .. }) {
        format!("{}: devices are read where they are", word(to.input))
    } else if arrives == Domain::Light && !wire.converters.is_empty() {
        format!("light: nothing that is sent here is negative; joined by {}", names(&wire.converters))
    } else if plan.convert_everywhere {
        format!("{}: everything is converted, as `convert: everywhere` asks", word(wire.domain))
    } else if analog {
        let unit = |node: NodeId, choice: &Choice| match (&choice.implementation, &network.graph[node].operator) {
            (Implementation::Unit(_), Operator::Elementwise { function, .. }) => {
                Some(format!("analog: {function} is available as an amplifier ({})", choice.name))
            }
            _plain => None,
        };
        let direct = || format!("analog: both ends are joined by a line for {}", word(to.input));
        let made = unit(wire.to, to).or_else(|| unit(wire.from, from)).unwrap_or_else(direct);
        if wire.gives.is_empty() { made } else { format!("{made}, by {}", names(&wire.gives)) }
    } else if from.output == Domain::Spikes && to.input == Domain::Spikes {
        String::from("spikes: both ends handle events")
    } else if wire.converters.is_empty() {
        format!("{}: both ends are digital", word(wire.domain))
    } else {
        let graph = &network.graph;
        format!(
            "{}: {} gives {} and {} takes {}, joined by {}",
            word(wire.domain),
            graph[wire.from].name,
            word(from.output),
            graph[wire.to].name,
            word(wire.domain),
            names(&wire.converters),
        )
    };
    let Some(other) = other else { return text };
    let (mine, theirs) = (kinds(chip, wire), kinds(chip, other));
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
