//! Why not? For each conversion that stayed: what would have to be true for it to go, found by solving again with that one thing changed.

use std::collections::BTreeSet;

use super::alternatives::has_line;
use super::choices::Choices;
use super::domains::word;
use super::problem::Demand;
use super::search::{Site, search};
use crate::forms::chip::{Chip, CoreKind, Deviation, Domain, UnitKind};
use crate::forms::circuit::{Circuit, End, PartId, Role};
use crate::forms::decisions::{Decisions, Implementation, OnTiles, Summing, Wire};
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator};
use crate::forms::tiling::Tiling;
use crate::map::place::{least, wholes};

/// Networks with more operators are not solved again for this.
const MOST: usize = 64;

/// The words for a wire that a changed chip would leave analog; none: that is not what was changed for it.
type Words = Box<dyn Fn(&Decisions, &Circuit, &Wire) -> Option<String>>;

/// One thing changed.
struct Change {
    chip: Chip,
    error: Option<f64>,
    words: Words,
}

/// Tells for each wire between two operators of the chip that is converted what would leave it analog.
pub fn remedies(choices: &Choices, base: &Demand, error: Option<f64>, decisions: &mut Decisions) {
    let network = choices.given.network;
    let inner = |wire: &Wire| {
        let outside = |node: NodeId| match network.graph[node].operator {
            Operator::Input | Operator::Output => true,
            Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Gather(_)
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Scatter(_)
            | Operator::Delay
            | Operator::Population { .. }
            | Operator::Read { .. } => false,
        };
        !outside(wire.from) && !outside(wire.to)
    };
    for wire in &mut decisions.wires {
        let (from, to) = (&network.graph[wire.from].operator, &network.graph[wire.to].operator);
        wire.remedy = match (wire.converters.is_empty(), from, to) {
            (true, ..) => None,
            (false, Operator::Input, _) => Some(String::from("its values come from the host as bits")),
            (false, _, Operator::Output) => Some(String::from("its values go to the host as bits")),
            (false, Operator::Dense { positions: reads @ 2.., .. }, _) if to_bits(choices.chip(), wire) => {
                Some(format!("its array is read {reads} times a sample, and only bits wait for the last"))
            }
            (false, ..) => None,
        };
    }
    let stays = |wire: &Wire| inner(wire) && to_bits(choices.chip(), wire);
    if base.everywhere {
        let free = Demand { everywhere: false, ..base.clone() };
        let site = Site { least: &|circuit| least(choices.given, choices.tiling, circuit), place: None };
        let design = if choices.nodes.len() > MOST { None } else { search(choices, &free, error, &site).ok() };
        for (index, wire) in decisions.wires.iter_mut().enumerate().filter(|(_, wire)| stays(wire)) {
            let without = design.as_ref().is_some_and(|free| to_bits(choices.chip(), &free.decisions.wires[index]));
            wire.remedy = Some(String::from(match without {
                true => "it would be converted without `convert: everywhere`, too",
                false => "leave out `convert: everywhere`",
            }));
        }
        return;
    }
    if choices.nodes.len() > MOST || !decisions.wires.iter().any(stays) {
        return;
    }
    for change in changes(choices, error) {
        let given = Given { chip: &change.chip, ..choices.given };
        let changed = super::choices(given, choices.tiling, choices.found);
        // Where things would lie does not matter, only that they could.
        let site = Site { least: &|circuit| least(given, choices.tiling, circuit), place: None };
        let Ok(design) = search(&changed, base, change.error, &site) else { continue };
        let free: Vec<usize> = (decisions.wires.iter().enumerate())
            .filter(|(index, wire)| {
                let then = &design.decisions.wires[*index];
                wire.remedy.is_none() && stays(wire) && !to_bits(&change.chip, then)
            })
            .map(|(index, _)| index)
            .collect();
        for index in free {
            decisions.wires[index].remedy =
                (change.words)(&design.decisions, &design.circuit, &design.decisions.wires[index]);
        }
    }
    for wire in decisions.wires.iter_mut().filter(|wire| inner(wire) && to_bits(choices.chip(), wire)) {
        wire.remedy.get_or_insert_with(|| {
            String::from("converting it is cheaper than any analog way that one change would open")
        });
    }
}

/// Whether a wire passes bits on its way.
fn to_bits(chip: &Chip, wire: &Wire) -> bool {
    wire.converters.iter().any(|&id| chip.converters[id].to == Domain::Bits && !chip.converters[id].is_ideal())
}

/// What is tried, in this order.
fn changes(choices: &Choices, error: Option<f64>) -> Vec<Change> {
    let chip = choices.chip();
    let mut all = Vec::new();
    for (function, domain) in missing_functions(choices) {
        let mut changed = chip.clone();
        changed.unit_kinds.push(UnitKind {
            name: format!("analog {function}"),
            implements: vec![function.clone()],
            from: domain,
            to: domain,
            bits: None,
            transfer: None,
            energy: 0.0,
            area: 0.0,
            time: 0.0,
            gain_error: Deviation::default(),
            noise: 0.0,
            static_power: 0.0,
        });
        let unit = changed.unit_kinds.len() - 1;
        changed.core_kinds.iter_mut().for_each(|core| core.units.push((unit, usize::MAX / 2)));
        let words = move |_: &Decisions, _: &Circuit, _: &Wire| {
            Some(format!("an amplifier in the core that computes {function} of a {}", word(domain)))
        };
        all.push(Change { chip: changed, error, words: Box::new(words) });
    }
    // Lines in the cores, then larger cores on common lines.
    let lined = |factor: usize| {
        let mut changed = chip.clone();
        for core in &mut changed.core_kinds {
            core.lines = vec![Domain::Voltage, Domain::Current, Domain::Charge, Domain::Pulse];
            core.tiles.iter_mut().for_each(|(_, count)| *count = count.saturating_mul(factor));
            core.units.iter_mut().for_each(|(_, count)| *count = count.saturating_mul(factor));
            core.buffer_bits *= factor as f64;
        }
        changed
    };
    if [Domain::Voltage, Domain::Current, Domain::Charge].into_iter().any(|domain| !has_line(chip, domain)) {
        let (before, blocks) = (chip.clone(), choices.tiling.clone());
        let words = move |_: &Decisions, circuit: &Circuit, wire: &Wire| missing_lines(&before, &blocks, circuit, wire);
        all.push(Change { chip: lined(1), error, words: Box::new(words) });
    }
    let arrays = choices.tiling.blocks.iter().filter(|block| block.backward.is_none()).count();
    let largest = chip.core_kinds.iter().map(|core| core.tiles.iter().map(|(_, count)| count).sum::<usize>()).max();
    let mut factor = 2;
    while largest.is_some_and(|largest| largest > 0 && largest * factor / 2 < arrays) {
        let names: Vec<(NodeId, String)> =
            choices.nodes.iter().map(|&node| (node, choices.given.network.graph[node].name.clone())).collect();
        let (before, blocks) = (chip.clone(), choices.tiling.clone());
        let words = move |decisions: &Decisions, circuit: &Circuit, wire: &Wire| {
            let name = |node: NodeId| {
                names.iter().find(|(id, _)| *id == node).map_or_else(String::new, |(_, name)| name.clone())
            };
            let size = island_words(decisions, circuit, wire, &name);
            let lines = missing_lines(&before, &blocks, circuit, wire);
            Some(lines.map_or(size.clone(), |lines| format!("{size}, and {lines}")))
        };
        all.push(Change { chip: lined(factor), error, words: Box::new(words) });
        factor *= 2;
    }
    let mut finer = chip.clone();
    finer.converters.iter_mut().for_each(|converter| converter.bits = converter.bits.map(|bits| bits + 1));
    let words = |_: &Decisions, _: &Circuit, _: &Wire| {
        Some(String::from("converters of one bit more elsewhere, within the accuracy limit"))
    };
    all.push(Change { chip: finer, error, words: Box::new(words) });
    if let Some(error) = error {
        let words = |_: &Decisions, _: &Circuit, _: &Wire| Some(String::from("an accuracy limit a tenth wider"));
        all.push(Change {
            chip: chip.clone(),
            error: Some(1.1 * (error + choices.wired) - choices.wired),
            words: Box::new(words),
        });
    }
    all
}

/// Lines that a wire and what it joins to a whole would use, and that the core which lacks fewest of them does not declare; none where one has
/// them all.
fn missing_lines(chip: &Chip, tiling: &Tiling, circuit: &Circuit, wire: &Wire) -> Option<String> {
    let joins = |part: &PartId| [wire.from, wire.to].contains(&circuit.parts[part.0].node);
    let whole: Vec<PartId> = wholes(circuit).into_iter().filter(|whole| whole.iter().any(joins)).flatten().collect();
    let nets = circuit.nets.iter().filter(|net| match &net.from {
        End::Part(part) => whole.contains(part),
        End::Host => false,
    });
    let used: BTreeSet<Domain> = nets.filter(|net| net.is_analog()).map(|net| net.domain).collect();
    let tiles = whole.iter().filter_map(|part| match circuit.parts[part.0].role {
        Role::Array { block, .. } => Some(tiling.blocks[block].tile_kind),
        Role::Line { .. } | Role::Adder { .. } | Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => {
            None
        }
    });
    let tiles: BTreeSet<usize> = tiles.collect();
    let holds = |core: &&CoreKind| tiles.iter().all(|kind| core.tiles.iter().any(|(of, _)| of == kind));
    let missing = chip.core_kinds.iter().filter(holds).map(|core| {
        let missing: Vec<Domain> = used.iter().copied().filter(|domain| !core.lines.contains(domain)).collect();
        (core, missing)
    });
    let (core, missing) =
        missing.min_by_key(|(_, missing)| missing.len()).filter(|(_, missing)| !missing.is_empty())?;
    let words = |domains: &[Domain]| domains.iter().map(|domain| word(*domain)).collect::<Vec<_>>().join(", ");
    let all = [&core.lines[..], &missing[..]].concat();
    Some(format!("core `{}` declares no line for {}: `lines: {}`", core.name, words(&missing), words(&all)))
}

/// Arrays that would have to lie together: "the 4 partial sums of `hidden` …".
fn island_words(decisions: &Decisions, circuit: &Circuit, wire: &Wire, name: &dyn Fn(NodeId) -> String) -> String {
    let arrays = |node: NodeId| {
        circuit.parts.iter().filter(|part| part.node == node && matches!(part.role, Role::Array { .. })).count()
    };
    let layers: Vec<NodeId> = decisions
        .choices
        .iter()
        .filter(|choice| matches!(choice.implementation, Implementation::Tile(_)))
        .map(|choice| choice.node)
        .collect();
    let on_line = |node: &&NodeId| {
        decisions.on_tiles(**node).is_some_and(|how| matches!(how, OnTiles { sum: Summing::Line(_), .. }))
    };
    let lined = layers.iter().filter(on_line).find(|node| **node == wire.from || **node == wire.to).or(layers.first());
    let mut analog: Vec<NodeId> = Vec::new();
    for net in circuit.nets.iter().filter(|net| net.is_analog()) {
        let ends = net.to.iter().filter_map(|end| match end {
            crate::forms::circuit::End::Part(part) => Some(circuit.parts[part.0].node),
            crate::forms::circuit::End::Host => None,
        });
        analog.extend(ends.chain([net.source]));
    }
    analog.sort_unstable();
    analog.dedup();
    let together: usize = analog.iter().map(|&node| arrays(node)).sum();
    match lined {
        Some(&layer) if arrays(layer) > 1 => format!(
            "the {} partial sums of `{}` lie on cores whose lines do not meet: a core of {together} arrays would hold them",
            arrays(layer),
            name(layer)
        ),
        Some(_) | None => {
            format!(
                "`{}` and `{}` lie on cores whose lines do not meet: a core of {together} arrays would hold them",
                name(wire.from),
                name(wire.to)
            )
        }
    }
}

/// Functions of signals that have no analog implementation, with the domain it would need.
fn missing_functions(choices: &Choices) -> Vec<(String, Domain)> {
    let mut all = Vec::new();
    for (index, &node) in choices.nodes.iter().enumerate() {
        let Operator::Elementwise { function, .. } = &choices.given.network.graph[node].operator else { continue };
        let analog = choices.alternatives[index].iter().any(|one| one.input != Domain::Bits);
        if !analog && !all.iter().any(|(known, _)| known == function) {
            all.push((function.clone(), Domain::Voltage));
        }
    }
    all
}
