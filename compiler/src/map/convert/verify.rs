//! Lists what is wrong with `Decisions` and their `Circuit`; an entry is a mistake of the compiler.
//!
//! Invariants: every signal has one wire and every node one choice; the converters of a wire join up, each ending in the domain the next
//! begins in; nothing leaves a column but what its circuit gives; a layer's partial sums meet in one adding part, its bias is added once;
//! conversions reported are those of the parts; ranges are positive; analog values end in parts that take their domain; every element an
//! operator needs is brought to it by exactly one net; without an accuracy limit or pins the objective is no worse than the baselines,
//! and never below its bound.

use std::collections::BTreeSet;

use petgraph::visit::{EdgeRef, IntoEdgeReferences};

use crate::cost;
use crate::forms::chip::{Domain, Sense};
use crate::forms::circuit::{Circuit, End, Part, Role};
use crate::forms::decisions::{Bias, Decisions, Implementation, OnTiles, Summing};
use crate::forms::mapped::Given;
use crate::forms::network::{Edge, Network, NodeId};
use crate::forms::tiling::{Block, Tiling};
use crate::graph::{operands, origin};

/// Every broken invariant in words; empty when all is sound.
pub fn verify(given: Given, tiling: &Tiling, decisions: &Decisions, circuit: &Circuit) -> Vec<String> {
    let mut faults = Vec::new();
    let (graph, chip) = (&given.network.graph, given.chip);
    let mut signals: Vec<_> = graph
        .edge_references()
        .filter_map(|edge| match edge.weight() {
            Edge::Signal { operand } => Some((edge.source(), edge.target(), *operand)),
            Edge::Synapses(_) => None,
        })
        .collect();
    signals.sort_unstable();
    let wires: Vec<_> = decisions.wires.iter().map(|wire| (wire.from, wire.to, wire.operand)).collect();
    if signals != wires {
        faults.push(String::from("wires are not the signals, each once and in order"));
    }
    if !decisions.choices.iter().map(|choice| choice.node).eq(graph.node_indices()) {
        faults.push(String::from("not every node has one choice"));
        return faults;
    }
    for wire in &decisions.wires {
        let name = format!("{} -> {}", graph[wire.from].name, graph[wire.to].name);
        if wire.counts.len() != wire.converters.len() || wire.reason.is_empty() {
            faults.push(format!("wire {name} lacks counts or a reason"));
        }
        let chain: Vec<_> = wire.converters.iter().filter_map(|&id| chip.converters.get(id)).collect();
        let joined = chain.windows(2).all(|pair| pair[0].to == pair[1].from || pair[0].holds());
        if chain.len() != wire.converters.len() || !joined {
            faults.push(format!("the converters of wire {name} do not join up"));
        }
    }
    if !chip.ideal {
        check_choices(given, tiling, decisions, &mut faults);
        check_circuit(given, tiling, decisions, circuit, &mut faults);
    }
    let ranges = decisions.ranges.iter().map(|(_, range)| range.full).chain(decisions.block_ranges.iter().copied());
    if ranges.into_iter().any(|full| !(full.is_finite() && full > 0.0)) {
        faults.push(String::from("a range is not positive"));
    }
    let reached = &decisions.objective;
    let above = |value: f64, bound: f64| value > bound + 1e-9 * bound.abs();
    if above(reached.lower_bound, reached.value) {
        faults.push(String::from("the objective is below its bound"));
    }
    faults
}

/// What computes each operator exists, and gives what its circuit can.
fn check_choices(given: Given, tiling: &Tiling, decisions: &Decisions, faults: &mut Vec<String>) {
    let chip = given.chip;
    for choice in &decisions.choices {
        let name = &given.network.graph[choice.node].name;
        match choice.implementation {
            Implementation::Unit(unit) => match chip.unit_kinds.get(unit) {
                Some(unit) if unit.from == choice.input && unit.to == choice.output => {}
                Some(_) | None => faults.push(format!("`{name}` is done by something the chip lacks")),
            },
            Implementation::Tile(how) => {
                let Some((_, block)) = tiling.of(choice.node).next() else {
                    faults.push(format!("`{name}` is on arrays that it has not"));
                    continue;
                };
                let tile = &chip.tile_kinds[block.tile_kind];
                let gives = match tile.senses.get(how.sense) {
                    Some(Sense::Converter { converter, .. }) => Some(chip.converters[*converter].to),
                    Some(Sense::Analog(domain)) => Some(how.gather.map_or(*domain, |id| chip.converters[id].to)),
                    None => None,
                };
                if gives != Some(choice.output) || tile.inputs.get(how.drive).is_none() {
                    faults.push(format!("`{name}` gives what its columns do not"));
                }
                let sums = |unit: usize, digital: bool| {
                    chip.unit_kinds.get(unit).is_some_and(|unit| (unit.from == Domain::Bits) == digital)
                };
                let added = match how.sum {
                    Summing::Single => !tiling.merges.iter().any(|merge| merge.layer == choice.node),
                    Summing::Line(unit) => sums(unit, false),
                    Summing::Digital(unit) => sums(unit, true),
                };
                let biased = match how.bias {
                    Bias::None => !crate::map::tile::has_bias(given.network, choice.node),
                    Bias::Rows(rows) => rows > 0 && tiling.of(choice.node).any(|(_, block)| block.spare_rows >= rows),
                    Bias::Digital(unit) => sums(unit, true) && choice.output == Domain::Bits,
                };
                if !added || !biased {
                    faults.push(format!("the sums or the bias of `{name}` are added by nothing"));
                }
            }
            Implementation::Exact | Implementation::Core => {}
        }
    }
}

/// Every part is fed, sums meet once, conversions are those reported.
fn check_circuit(given: Given, tiling: &Tiling, decisions: &Decisions, circuit: &Circuit, faults: &mut Vec<String>) {
    let (graph, chip) = (&given.network.graph, given.chip);
    let mut counted = 0.0;
    let mut blocks = vec![0_usize; tiling.blocks.len()];
    let mut arriving = vec![0_usize; circuit.parts.len()];
    for net in circuit.nets.iter().filter(|net| net.domain != Domain::Spikes) {
        for end in &net.to {
            if let End::Part(part) = end {
                arriving[part.0] += net.values;
            }
        }
    }
    for (index, part) in circuit.parts.iter().enumerate() {
        let how: Option<OnTiles> = decisions.on_tiles(part.node);
        let inside = how.map(|how| cost::array_conversions(chip, tiling, part, how)).unwrap_or_default();
        for (id, number, _) in cost::conversions(part, &inside) {
            counted += if chip.converters[id].is_ideal() { 0.0 } else { number };
        }
        let values = arriving[index];
        let name = &graph[part.node].name;
        match part.role {
            Role::Array { block, .. } => {
                blocks[block] += 1;
                let Block { inputs, positions, .. } = tiling.blocks[block];
                let read = (inputs.0 * positions, inputs.1 * positions);
                let needed = || distinct(given.network, operands(given.network, part.node)[0], read);
                if values != read.1 - read.0 && values != needed() {
                    let rows = tiling.blocks[block].rows();
                    faults.push(format!("{values} values come to the array of `{name}` with {rows} rows"));
                }
            }
            Role::Line { terms, .. } => {
                if values != terms * part.len() {
                    faults.push(format!("{values} values come to the sum of `{name}`"));
                }
            }
            Role::Adder { .. } | Role::Unit { .. } if values == 0 => {
                faults.push(format!("nothing comes to a part of `{name}`"));
            }
            Role::Adder { .. } | Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => {}
        }
    }
    for net in &circuit.nets {
        let named = &graph[net.source].name;
        if net.is_analog() && (net.from == End::Host || net.to.contains(&End::Host)) {
            faults.push(format!("`{named}` passes the host's port as a {:?}", net.domain));
        }
        if let End::Part(id) = net.from
            && !gives(given, tiling, decisions, &circuit.parts[id.0]).is_none_or(|all| all.contains(&net.domain))
        {
            faults.push(format!("`{named}` leaves as a {:?}, which nothing gives", net.domain));
        }
    }
    if blocks.iter().any(|&count| count != 1) {
        faults.push(String::from("not every block is one array"));
    }
    let reported: f64 = decisions.conversions.inserted.iter().map(|(_, count)| count).sum();
    let on_wires: f64 = (decisions.wires.iter())
        .flat_map(|wire| wire.converters.iter().zip(&wire.counts))
        .filter(|(id, _)| !chip.converters[**id].is_ideal())
        .map(|(_, count)| count)
        .sum();
    let differ = |a: f64, b: f64| (a - b).abs() > 1e-6 * a.max(1.0);
    if differ(counted, reported) || differ(counted, on_wires) {
        faults.push(format!("{counted} conversions of parts, {on_wires} on wires, {reported} reported"));
    }
}

/// How many different values elements of a node's output are: windows and joins read some of them several times, and zeros, which nothing brings.
fn distinct(network: &Network, node: NodeId, elements: (usize, usize)) -> usize {
    let origin = |at: usize| origin(network, node, at);
    (elements.0..elements.1).filter_map(origin).collect::<BTreeSet<_>>().len()
}

/// The domains in which a part can hand on what it gives; none: it may be any.
fn gives(given: Given, tiling: &Tiling, decisions: &Decisions, part: &Part) -> Option<Vec<Domain>> {
    let chip = given.chip;
    let mut all: Vec<Domain> = part.gives.iter().map(|&id| chip.converters[id].to).collect();
    match part.role {
        Role::Array { block, converts, .. } => {
            let how = decisions.on_tiles(part.node)?;
            let tile = &chip.tile_kinds[tiling.blocks[block].tile_kind];
            match (tile.senses.get(how.sense)?, how.gather) {
                (Sense::Analog(_), Some(gather)) => all.push(chip.converters[gather].to),
                (Sense::Analog(domain), None) => all.push(*domain),
                (Sense::Converter { converter, .. }, _) if converts => all.push(chip.converters[*converter].to),
                (Sense::Converter { converter, .. }, _) => all.push(chip.converters[*converter].from),
            }
        }
        Role::Line { converts: true, .. } => all.push(decisions.choice(part.node)?.output),
        Role::Line { unit, .. } | Role::Adder { unit, .. } | Role::Unit { unit } => all.push(chip.unit_kinds[unit].to),
        Role::Neurons | Role::Coder | Role::Devices => return None,
    }
    Some(all)
}
