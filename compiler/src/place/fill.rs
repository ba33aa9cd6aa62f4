//! First places, along a snake through the grid, and whether everything fits.

use std::collections::BTreeMap;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::distance;
use crate::forms::chip::Chip;
use crate::forms::converted::{Converted, Implementation};
use crate::forms::network::{Connection, Network, NodeId, Operator, Pattern, PopulationKind};
use crate::forms::placed::NodePlace;
use crate::forms::plan::Pinned;
use crate::graph::{operands, order};

/// A tile of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub core: usize,
    pub tile: usize,
    pub kind: usize,
}

/// Cores in the order of a snake: neighbours in it are neighbours on the mesh.
fn snake(chip: &Chip) -> Vec<usize> {
    let width = chip.grid.0.max(1);
    let mut cores: Vec<usize> = (0..chip.cores.len()).collect();
    cores.sort_by_key(|core| {
        let (x, y) = (core % width, core / width);
        (y, if y % 2 == 0 { x } else { width - 1 - x })
    });
    cores
}

/// All tiles along the snake.
pub fn slots(chip: &Chip) -> Vec<Slot> {
    let mut slots = Vec::new();
    for core in snake(chip) {
        let mut tile = 0;
        for &(kind, count) in &chip.core_kinds[chip.cores[core]].tiles {
            slots.extend((tile..tile + count).map(|tile| Slot { core, tile, kind }));
            tile += count;
        }
    }
    slots
}

/// The core a node is pinned to; outer none: there is no such core.
fn pinned(converted: &Converted, node: NodeId, diagnostics: &mut Vec<Diagnostic>) -> Option<Option<usize>> {
    let chip = &converted.tiled.chip;
    for pin in converted.tiled.plan.pins.iter().filter(|pin| pin.node == node) {
        let Pinned::Core(x, y) = pin.value else { continue };
        let core = y * chip.grid.0.max(1) + x;
        if x >= chip.grid.0 || core >= chip.cores.len() {
            let message = format!("chip `{}` has no core at ({x}, {y})", chip.name);
            let help = format!("cores go from (0, 0) to ({}, {})", chip.grid.0.max(1) - 1, chip.grid.1.max(1) - 1);
            diagnostics.push(Diagnostic::new(Code::E0612, message, pin.span, "pinned here").with_help(help));
            return None;
        }
        return Some(Some(core));
    }
    Some(None)
}

/// Core of each block whose layer is pinned and fits there.
pub fn pinned_blocks(converted: &Converted, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Option<usize>>> {
    let blocks = converted.tiled.blocks.iter();
    let fixed: Vec<Option<usize>> =
        blocks.map(|block| pinned(converted, block.layer, diagnostics)).collect::<Option<_>>()?;
    let chip = &converted.tiled.chip;
    for (block, core) in converted.tiled.blocks.iter().zip(&fixed) {
        let Some(core) = *core else { continue };
        let tiles = chip.core_kinds[chip.cores[core]].tiles.iter();
        let offered: usize = tiles.filter(|(kind, _)| *kind == block.tile_kind).map(|(_, count)| count).sum();
        let same = |(other, at): &(&crate::forms::tiled::Block, &Option<usize>)| {
            other.tile_kind == block.tile_kind && **at == Some(core)
        };
        let wanted = converted.tiled.blocks.iter().zip(&fixed).filter(same).count();
        if wanted > offered {
            let node = &converted.tiled.network.graph[block.layer];
            let pin = converted.tiled.plan.pins.iter().find(|pin| pin.node == block.layer);
            let message = format!("`{}` takes {wanted} arrays, but the core it is pinned to has {offered}", node.name);
            let span = pin.map_or(node.span, |pin| pin.span);
            diagnostics.push(
                Diagnostic::new(Code::E0604, message, span, "pinned here")
                    .with_help("leave the choice to the compiler, or give the core more tiles"),
            );
            return None;
        }
    }
    Some(fixed)
}

/// Blocks on the first free tiles of their kind along the snake, pinned ones first.
pub fn first_blocks(converted: &Converted, slots: &[Slot], fixed: &[Option<usize>]) -> Option<Vec<Slot>> {
    let mut free = slots.to_vec();
    let blocks = &converted.tiled.blocks;
    let mut places: Vec<Option<Slot>> = vec![None; blocks.len()];
    for pinned_first in [true, false] {
        for (index, block) in blocks.iter().enumerate().filter(|(i, _)| fixed[*i].is_some() == pinned_first) {
            let suits = |slot: &Slot| slot.kind == block.tile_kind && fixed[index].is_none_or(|core| core == slot.core);
            let at = free.iter().position(suits)?;
            places[index] = Some(free.remove(at));
        }
    }
    places.into_iter().collect()
}

/// Cores of everything that is not on tiles.
pub fn nodes(converted: &Converted, blocks: &[Slot], diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<NodePlace>> {
    let (tiled, chip) = (&converted.tiled, &converted.tiled.chip);
    let mut places: Vec<NodePlace> = Vec::new();
    let mut neurons = vec![0; chip.cores.len()];
    let mut synapses = vec![0.0; chip.cores.len()];
    let mut cells = BTreeMap::new();
    for node in order(&tiled.network) {
        let fixed = pinned(converted, node, diagnostics)?;
        let elements = tiled.network.graph[node].len();
        let near = operands(&tiled.network, node).first().map_or(0, |source| home(converted, blocks, &places, *source));
        let implementation = converted.choices.iter().find(|choice| choice.node == node).map(|c| &c.implementation);
        match (&tiled.network.graph[node].operator, implementation) {
            (Operator::Population { kind: PopulationKind::Neuron, .. }, _) => {
                let load = Load { node, elements, fixed, each: synapses_each(&tiled.network, node, elements) };
                let pieces = split(converted, &load, &mut neurons, &mut synapses, diagnostics)?;
                places.extend(pieces);
            }
            (Operator::Population { dynamics, kind: PopulationKind::Device }, _) => {
                places.extend(devices(converted, node, &dynamics.name, fixed, &mut cells, diagnostics)?);
            }
            (Operator::Population { .. } | Operator::Elementwise { .. }, found) => {
                let suits = |core: &usize| match found {
                    Some(Implementation::Unit(unit)) => {
                        chip.core_kinds[chip.cores[*core]].units.iter().any(|(kind, count)| kind == unit && *count > 0)
                    }
                    Some(Implementation::Exact | Implementation::Core | Implementation::Tile { .. }) | None => true,
                };
                let nearest =
                    (0..chip.cores.len()).filter(suits).min_by_key(|&core| distance(chip, core, near) as usize);
                let core = fixed.or(nearest).unwrap_or(near);
                places.push(NodePlace { node, elements: (0, elements), core });
            }
            (
                Operator::Input
                | Operator::Output
                | Operator::Dense { .. }
                | Operator::Reshape
                | Operator::Slice { .. }
                | Operator::Concat
                | Operator::Read { .. },
                _,
            ) => {}
        }
    }
    places.sort_by_key(|place| (place.node, place.elements));
    Some(places)
}

/// The core a node's values come from.
pub fn home(converted: &Converted, blocks: &[Slot], places: &[NodePlace], node: NodeId) -> usize {
    let block = converted.tiled.blocks.iter().position(|block| block.layer == node);
    let placed = || places.iter().find(|place| place.node == node).map(|place| place.core);
    let before = || {
        let source = operands(&converted.tiled.network, node).first().copied();
        let passes = !matches!(converted.tiled.network.graph[node].operator, Operator::Population { .. });
        source.filter(|_| passes).map(|source| home(converted, blocks, places, source))
    };
    block.map(|block| blocks[block].core).or_else(placed).or_else(before).unwrap_or(0)
}

struct Load {
    node: NodeId,
    elements: usize,
    fixed: Option<usize>,
    /// Synapses of a neuron.
    each: f64,
}

/// A population over as many cores as its neurons and synapses need.
fn split(
    converted: &Converted,
    load: &Load,
    neurons: &mut [usize],
    synapses: &mut [f64],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<NodePlace>> {
    let chip = &converted.tiled.chip;
    let (mut pieces, mut start, mut short_of_synapses) = (Vec::new(), 0, false);
    for core in snake(chip).into_iter().filter(|core| load.fixed.is_none_or(|fixed| fixed == *core)) {
        let kind = &chip.core_kinds[chip.cores[core]];
        let Some(capacity) = kind.neurons else { continue };
        let room = capacity - neurons[core].min(capacity);
        let by_synapses = match kind.synapses {
            Some(most) if load.each > 0.0 => ((most as f64 - synapses[core]).max(0.0) / load.each) as usize,
            Some(_) | None => room,
        };
        short_of_synapses |= by_synapses < room;
        let count = room.min(by_synapses).min(load.elements - start);
        if count > 0 {
            pieces.push(NodePlace { node: load.node, elements: (start, start + count), core });
            neurons[core] += count;
            synapses[core] += count as f64 * load.each;
            start += count;
        }
    }
    if start == load.elements {
        return Some(pieces);
    }
    let node = &converted.tiled.network.graph[load.node];
    let offered: usize = chip.cores.iter().filter_map(|&kind| chip.core_kinds[kind].neurons).sum();
    let (code, message) = if short_of_synapses {
        let all = load.each * load.elements as f64;
        (Code::E0610, format!("the {all:.0} synapses of `{}` do not fit the cores of chip `{}`", node.name, chip.name))
    } else {
        let message = format!("the {} neurons of `{}` do not fit chip `{}`", load.elements, node.name, chip.name);
        (Code::E0609, format!("{message}, which holds {offered} in all"))
    };
    let label = format!("{start} of {} neurons found a place", load.elements);
    let diagnostic = Diagnostic::new(code, message, node.span, label)
        .with_help("give the chip more cores: `cores: grid(16, 8) of …`");
    diagnostics.push(match chip.span {
        Some(span) => diagnostic.with_label(span, "the chip"),
        None => diagnostic,
    });
    None
}

/// Devices on the cells of their kind that cores offer.
fn devices(
    converted: &Converted,
    node: NodeId,
    device: &str,
    fixed: Option<usize>,
    taken: &mut BTreeMap<(usize, String), usize>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<NodePlace>> {
    let (chip, data) = (&converted.tiled.chip, &converted.tiled.network.graph[node]);
    let (mut pieces, mut start) = (Vec::new(), 0);
    for core in snake(chip).into_iter().filter(|core| fixed.is_none_or(|fixed| fixed == *core)) {
        let offered = cells_of(chip, core, device);
        let used = taken.entry((core, device.to_string())).or_default();
        let count = (offered - *used).min(data.len() - start);
        if count > 0 {
            pieces.push(NodePlace { node, elements: (start, start + count), core });
            *used += count;
            start += count;
        }
    }
    if start == data.len() {
        return Some(pieces);
    }
    let offered: usize = (0..chip.cores.len()).map(|core| cells_of(chip, core, device)).sum();
    let message = format!("the {} devices of `{}` do not fit chip `{}`", data.len(), data.name, chip.name);
    let label = format!("the chip has {offered} cells of `{device}`");
    let help = format!("give a core of the chip `cells: {device}[{}]`", data.len());
    diagnostics.push(Diagnostic::new(Code::E0614, message, data.span, label).with_help(help));
    None
}

/// Cells of a device that a core has.
pub fn cells_of(chip: &Chip, core: usize, device: &str) -> usize {
    let kind = chip.cores.get(core).map(|&kind| &chip.core_kinds[kind]);
    kind.map_or(0, |kind| kind.cells.iter().filter(|(name, _)| name == device).map(|(_, count)| count).sum())
}

/// Mean number of synapses onto a neuron of a population.
fn synapses_each(network: &Network, node: NodeId, elements: usize) -> f64 {
    let onto = network.connections.iter().filter(|connection| connection.target == node);
    onto.map(expected).sum::<f64>() / elements.max(1) as f64
}

/// How many synapses a connection has, or may be expected to.
pub fn expected(connection: &Connection) -> f64 {
    let sources = (connection.source_range.1 - connection.source_range.0) as f64;
    let targets = (connection.target_range.1 - connection.target_range.0) as f64;
    match &connection.pattern {
        Pattern::AllToAll { .. } | Pattern::Matrix(_) => sources * targets,
        Pattern::OneToOne | Pattern::List { .. } => sources.min(targets),
        Pattern::Random { p, .. } => sources * targets * p,
        Pattern::FixedInDegree { sources, .. } => *sources as f64 * targets,
    }
}

/// Whether the digital inputs of each core's blocks fit its buffer; a core without a stated buffer has no limit.
pub fn buffers_fit(converted: &Converted, blocks: &[Slot], diagnostics: &mut Vec<Diagnostic>) -> bool {
    let (tiled, chip) = (&converted.tiled, &converted.tiled.chip);
    let mut used = vec![0.0; chip.cores.len()];
    for (block, slot) in tiled.blocks.iter().zip(blocks) {
        let kind = &chip.core_kinds[chip.cores[slot.core]];
        let Some(source) = operands(&tiled.network, block.layer).first().copied() else { continue };
        used[slot.core] += (block.inputs.1 - block.inputs.0) as f64 * super::word_bits(converted, source, block.layer);
        if kind.buffer_bits > 0.0 && used[slot.core] > kind.buffer_bits {
            let node = &tiled.network.graph[block.layer];
            let message = format!("the inputs of `{}` do not fit the buffer of core `{}`", node.name, kind.name);
            let label = format!("needs {:.0} bit in one core, which has {:.0}", used[slot.core], kind.buffer_bits);
            let help = format!("give the core `buffer: {:.0} B` or more", (used[slot.core] / 8.0).ceil());
            let diagnostic = Diagnostic::new(Code::E0608, message, node.span, label).with_help(help);
            diagnostics.push(match chip.span {
                Some(span) => diagnostic.with_label(span, "the chip"),
                None => diagnostic,
            });
            return false;
        }
    }
    true
}
