//! Events of a part: what its converters, cells, units and neurons do.

use nmc_program::ComponentKind;

use super::{Event, Often, converter_kind, title, unit_kind};
use crate::algebra::{constant, substitute};
use crate::forms::chip::{Chip, Domain, Drive, Programming, PulseEnergy, Sense, TileKind, VOLTS, Way, WeightScheme};
use crate::forms::circuit::{Circuit, Part, Role};
use crate::forms::decisions::{Decisions, OnTiles};
use crate::forms::equations::{Dynamics, Expr, State, Symbol};
use crate::forms::mapped::Given;
use crate::forms::network::{Network, NodeId, Operator};
use crate::forms::tiling::{Block, Tiling};

/// Everything a part does that takes energy; `kind` is the kind of its core, where that is known.
pub fn events(given: Given, tiling: &Tiling, decisions: &Decisions, part: &Part, kind: Option<usize>) -> Vec<Event> {
    let how = decisions.on_tiles(part.node);
    of(given, tiling, how, part, kind)
}

/// The same for a way to compute a layer that is only considered.
pub fn of(given: Given, tiling: &Tiling, how: Option<OnTiles>, part: &Part, kind: Option<usize>) -> Vec<Event> {
    let chip = given.chip;
    let name = &given.network.graph[part.node].name;
    let mut events = Vec::new();
    let mut add = |kind: ComponentKind, what: &str, often: Often, energy: f64| {
        events.push(Event { kind, name: format!("{name}: {what}"), core: None, often, energy });
    };
    let inside = how.map_or_else(Vec::new, |how| array_conversions(chip, tiling, part, how));
    for (id, count, turns) in super::conversions(part, &inside) {
        let converter = &chip.converters[id];
        if !converter.is_ideal() {
            add(converter_kind(converter), &title(converter), Often::new(count, turns), converter.energy);
        }
    }
    match part.role {
        Role::Array { block, bias_rows, .. } => {
            let of = &tiling.blocks[block];
            let tile = &chip.tile_kinds[of.tile_kind];
            let device = &chip.devices[tile.device];
            add(ComponentKind::Cells, "cells", Often::Read { block, bias: false }, 1.0);
            if bias_rows > 0 {
                add(ComponentKind::Cells, "bias cells", Often::Read { block, bias: true }, 1.0);
            }
            let rows = (of.array_rows() + bias_rows) as f64;
            let reads = how.map_or(1.0, |how| reads(tile, how)) * of.positions as f64 * part.firings;
            add(ComponentKind::Driver, "word lines", Often::new(rows * reads, part.firings), tile.row_energy);
            if of.backward.is_some() {
                // It is programmed where it is read forward.
                return events;
            }
            let Programming { way, verifies, pulses, energy, .. } = device.programming;
            let counted = |bias| match way {
                Way::Drawn => Often::Once(pulses * cells(tile, of, if bias { bias_rows } else { of.rows() })),
                Way::Verified(_) | Way::Open => Often::Write { block, bias },
            };
            add(ComponentKind::Programming, "programming", counted(false), energy);
            if bias_rows > 0 {
                add(ComponentKind::Programming, "programming of bias cells", counted(true), energy);
            }
            let across = matches!(device.pulse_energy, PulseEnergy::Across { .. });
            let what =
                [("pulses", across), ("verify reads", verifies), ("half-selected cells", tile.write_bias.is_some())];
            let what: Vec<&str> = what.into_iter().filter_map(|(what, is)| is.then_some(what)).collect();
            if !what.is_empty() {
                let what = &what.join(" and ");
                for bias in [false, true].into_iter().filter(|bias| !bias || bias_rows > 0) {
                    add(ComponentKind::Programming, what, Often::Written { block, bias }, 1.0);
                }
            }
        }
        Role::Line { unit, .. } | Role::Unit { unit } => {
            let unit = &chip.unit_kinds[unit];
            add(unit_kind(unit), &unit.name, Often::new(part.len() as f64 * part.firings, part.firings), unit.energy);
        }
        Role::Adder { unit, terms } => {
            let unit = &chip.unit_kinds[unit];
            let additions = (terms.saturating_sub(1) * part.len()) as f64 * part.firings;
            add(unit_kind(unit), &unit.name, Often::new(additions, part.firings), unit.energy);
        }
        Role::Neurons => {
            if let Some(core) = kind.map(|kind| &chip.core_kinds[kind]) {
                let (elements, idle) = (part.len() as f64, core.idle_neuron_energy);
                let share = elements / given.network.graph[part.node].len().max(1) as f64;
                add(ComponentKind::Neuron, "updates", Often::Tick(part.places() as f64), idle);
                // An update in which it fires costs so much more, and the spike is sent.
                let fires = (core.neuron_energy - idle).max(0.0) + core.spike_energy;
                add(ComponentKind::Neuron, "spikes", Often::Spike(part.node, share), fires);
            }
        }
        Role::Coder | Role::Devices => {}
    }
    events
}

/// Cells of so many rows of a block.
fn cells(tile: &TileKind, block: &Block, rows: usize) -> f64 {
    let columns = match tile.weights {
        WeightScheme::Differential => block.width() * 2,
        WeightScheme::Reference | WeightScheme::Offset | WeightScheme::Unsigned => block.columns(),
    };
    (rows * columns) as f64
}

/// Reads a presentation takes: one, or one for each bit.
pub fn reads(tile: &TileKind, how: OnTiles) -> f64 {
    match tile.inputs.get(how.drive) {
        Some(Drive::BitSerial { bits, .. }) => f64::from(*bits),
        Some(Drive::Converter(_) | Drive::Direct(_)) | None => 1.0,
    }
}

/// Conversions of a read: one for each output, or one for each column that holds digits. A differential pair and a column with its
/// reference are subtracted before they are converted.
pub fn conversions_a_read(tile: &TileKind, block: &Block) -> f64 {
    match tile.weights {
        WeightScheme::Differential | WeightScheme::Reference | WeightScheme::Unsigned => block.width() as f64,
        WeightScheme::Offset => block.columns() as f64,
    }
}

/// Conversions that converters of the array itself do for a part: of its rows and of its columns.
pub fn array_conversions(chip: &Chip, tiling: &Tiling, part: &Part, how: OnTiles) -> Vec<(usize, f64)> {
    let block_of = |layer| tiling.of(layer).next().map(|(_, block)| block);
    let mut all = Vec::new();
    match part.role {
        Role::Array { block, converts, bias_rows } => {
            let block = &tiling.blocks[block];
            let tile = &chip.tile_kinds[block.tile_kind];
            let reads = reads(tile, how) * block.positions as f64 * part.firings;
            match tile.inputs.get(how.drive) {
                Some(Drive::Converter(id)) | Some(Drive::BitSerial { converter: id, .. }) => {
                    all.push((*id, (block.rows() + bias_rows) as f64 * reads));
                }
                Some(Drive::Direct(_)) | None => {}
            }
            let count = conversions_a_read(tile, block) * reads;
            all.extend(how.gather.filter(|_| !converts).map(|id| (id, count)));
            if let (true, Some(Sense::Converter { converter, .. })) = (converts, tile.senses.get(how.sense)) {
                all.extend(tile.hold.map(|id| (id, count)));
                all.push((*converter, count));
            }
        }
        Role::Line { converts: true, .. } => {
            let tile = block_of(part.node).map(|block| &chip.tile_kinds[block.tile_kind]);
            if let Some(Sense::Converter { converter, .. }) = tile.and_then(|tile| tile.senses.get(how.sense)) {
                all.push((*converter, part.len() as f64 * part.firings));
            }
        }
        Role::Line { converts: false, .. }
        | Role::Adder { .. }
        | Role::Unit { .. }
        | Role::Neurons
        | Role::Coder
        | Role::Devices => {}
    }
    all
}

/// Synaptic events, and what rules do to synapses, at the cost of the cores that hold the targets.
pub fn synapses(given: Given, circuit: &Circuit, cores: &[usize]) -> Vec<Event> {
    let connections = given.network.connections.iter().enumerate();
    let each = connections.flat_map(|(index, connection)| {
        let targets = circuit.parts.iter().zip(cores).filter(|(part, _)| part.node == connection.target);
        let (mut elements, mut event, mut update) = (0.0, 0.0, 0.0);
        for (part, &core) in targets {
            let core = &given.chip.core_kinds[given.chip.cores[core]];
            elements += part.len() as f64;
            event += part.len() as f64 * core.synapse_energy;
            update += part.len() as f64 * core.update_energy;
        }
        let mean = |joules: f64| if elements > 0.0 { joules / elements } else { 0.0 };
        let of = |name: String, often, energy| Event { kind: ComponentKind::Synapse, name, core: None, often, energy };
        let mut events = vec![of(connection.name.clone(), Often::Synapse(index, 1.0), mean(event))];
        if connection.dynamics.changes_weight() && update > 0.0 {
            events.push(of(format!("{}: learning", connection.name), Often::Update(index), mean(update)));
        }
        events
    });
    each.collect()
}

/// Compartments that a neuron of a population takes on the chip's cores.
pub fn compartments(network: &Network, chip: &Chip, node: NodeId) -> usize {
    let states = states_each(network, node);
    let each = chip.core_kinds.iter().filter_map(|core| Some(states.div_ceil(core.states?.max(1))));
    each.max().unwrap_or(1).max(1)
}

/// States that have an equation, of a neuron of a population and of the synapses onto it; synapses that are alike share theirs.
pub fn states_each(network: &Network, node: NodeId) -> usize {
    let Operator::Population { dynamics, .. } = &network.graph[node].operator else { return 0 };
    let moves = |states: &[State]| states.iter().filter(|state| state.derivative.is_some()).count();
    let mut different: Vec<(Option<usize>, &[State])> = Vec::new();
    for connection in network.connections.iter().filter(|connection| connection.target == node) {
        let Dynamics { states, rule, .. } = &connection.dynamics;
        let own = (connection.port, &states[..rule.as_ref().map_or(states.len(), |rule| rule.first)]);
        if !different.contains(&own) {
            different.push(own);
        }
    }
    moves(&dynamics.states) + different.iter().map(|(_, states)| moves(states)).sum::<usize>()
}

/// Whether pulses drive the rows.
pub fn pulses(chip: &Chip, tile: &TileKind, how: OnTiles) -> bool {
    match tile.inputs.get(how.drive) {
        Some(Drive::Converter(id)) => chip.converters[*id].to == Domain::Pulse,
        Some(Drive::Direct(domain)) => *domain == Domain::Pulse,
        Some(Drive::BitSerial { .. }) | None => false,
    }
}

/// Amperes of a cell on a curve that holds so many siemens, at so many volts.
pub fn amperes(curve: &Expr, siemens: f64, volts: f64) -> f64 {
    let known = [(Symbol::Input(0), siemens), (VOLTS, volts)];
    let value = substitute(curve, &|symbol| {
        known.iter().find(|(known, _)| *known == symbol).map(|(_, value)| Expr::Number(*value))
    });
    constant(&value).unwrap_or(f64::NAN)
}
