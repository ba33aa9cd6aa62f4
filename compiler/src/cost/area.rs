//! Area: of the chip, and of the part of it in use.

use std::collections::{BTreeMap, BTreeSet};

use nmc_program::ComponentKind;

use super::{converter_kind, unit_kind};
use crate::forms::chip::{Chip, Drive, Sense, TileKind};
use crate::forms::circuit::{Circuit, Part, Role};
use crate::forms::decisions::{Decisions, OnTiles};
use crate::forms::mapped::Given;
use crate::forms::tiling::Tiling;

type ByKind = BTreeMap<ComponentKind, f64>;

/// Converters that a tile has built in, and how many of each: one a row, one for so many columns as share it. Of one with a range of widths it
/// has the one chosen, or the first where nothing is.
pub fn built_in(chip: &Chip, tile: &TileKind, how: Option<OnTiles>) -> Vec<(usize, f64)> {
    let has = |ranges: &[(usize, usize)], at: usize, chosen: Option<usize>| {
        let range = ranges.iter().map(|&(first, last)| first..last).find(|range| range.contains(&at));
        range.is_none_or(|range| at == chosen.filter(|chosen| range.contains(chosen)).unwrap_or(range.start))
    };
    let inputs = tile.inputs.iter().enumerate();
    let inputs = inputs.filter(|(at, _)| has(&tile.input_ranges, *at, how.map(|how| how.drive)));
    let senses = tile.senses.iter().enumerate();
    let senses = senses.filter(|(at, _)| has(&tile.sense_ranges, *at, how.map(|how| how.sense)));
    let drives = inputs.filter_map(|(_, drive)| match drive {
        Drive::Converter(id) | Drive::BitSerial { converter: id, .. } => Some((*id, tile.rows as f64)),
        Drive::Direct(_) => None,
    });
    let senses = senses.filter_map(|(_, sense)| match sense {
        Sense::Converter { converter, sharing } => {
            Some((*converter, tile.columns().div_ceil((*sharing).max(1)) as f64))
        }
        Sense::Analog(_) => None,
    });
    let mut all: Vec<(usize, f64)> = drives.chain(senses).collect();
    all.extend(tile.hold.map(|id| (id, tile.columns() as f64)));
    // One that is listed in two ways is there once.
    all.sort_by_key(|(id, _)| *id);
    all.dedup_by_key(|(id, _)| *id);
    all.retain(|(id, _)| *id < chip.converters.len());
    all
}

/// Converters on wires of a part, and how many of each.
pub fn on_wires(part: &Part) -> Vec<(usize, f64)> {
    let takes = part.takes.iter().flat_map(|taken| taken.chain.iter().map(|&id| (id, taken.values as f64)));
    takes.chain(part.gives.iter().map(|&id| (id, part.len() as f64))).collect()
}

/// Of the whole chip, used or not, with the converters that the circuit puts on wires.
pub fn of_chip(given: Given, tiling: &Tiling, decisions: &Decisions, circuit: &Circuit) -> ByKind {
    let chip = given.chip;
    let mut sums = ByKind::new();
    let mut add = |kind, m2: f64| *sums.entry(kind).or_insert(0.0) += m2;
    for &core in &chip.cores {
        let core = &chip.core_kinds[core];
        for &(tile, count) in &core.tiles {
            let tile = &chip.tile_kinds[tile];
            tile_area(chip, tile, &built_in(chip, tile, None), count as f64, &mut add);
        }
        for &(unit, count) in &core.units {
            let unit = &chip.unit_kinds[unit];
            add(unit_kind(unit), unit.area * count as f64);
        }
        add(ComponentKind::Digital, core.area);
        add(ComponentKind::Network, chip.mesh.router_area);
    }
    for (id, number) in widened(given, tiling, decisions, circuit) {
        add(converter_kind(&chip.converters[id]), chip.converters[id].area * number);
    }
    rest(chip, circuit, &mut add);
    sums.retain(|_, m2| *m2 > 0.0);
    sums
}

/// What tiles in use have instead of the first of each range: converters that are there more, and less where negative.
pub fn widened(given: Given, tiling: &Tiling, decisions: &Decisions, circuit: &Circuit) -> Vec<(usize, f64)> {
    let of_part = |part: &Part| {
        let Role::Array { block, .. } = part.role else { return Vec::new() };
        let block = &tiling.blocks[block];
        let tile = &given.chip.tile_kinds[block.tile_kind];
        if block.backward.is_some() || tile.input_ranges.is_empty() && tile.sense_ranges.is_empty() {
            return Vec::new();
        }
        let mut all = built_in(given.chip, tile, decisions.on_tiles(part.node));
        all.extend(built_in(given.chip, tile, None).into_iter().map(|(id, number)| (id, -number)));
        all
    };
    circuit.parts.iter().flat_map(of_part).collect()
}

/// What is there once, and what stands on wires.
fn rest(chip: &Chip, circuit: &Circuit, add: &mut impl FnMut(ComponentKind, f64)) {
    add(ComponentKind::Host, chip.host.area);
    add(ComponentKind::Digital, chip.area);
    for (id, number) in circuit.parts.iter().flat_map(on_wires) {
        add(converter_kind(&chip.converters[id]), chip.converters[id].area * number);
    }
}

/// Cells, what the array needs around them, and its converters.
fn tile_area(
    chip: &Chip,
    tile: &TileKind,
    converters: &[(usize, f64)],
    count: f64,
    add: &mut impl FnMut(ComponentKind, f64),
) {
    // A layer takes its share of what a stack has once.
    let count = count / tile.layers.max(1) as f64;
    let of_a_cell = |device: usize| chip.devices[device].area;
    let cells = (of_a_cell(tile.device) + tile.fast.map_or(0.0, of_a_cell)) * (tile.rows * tile.cols) as f64;
    add(ComponentKind::Cells, count * cells);
    add(ComponentKind::Driver, count * (tile.area - cells).max(0.0));
    for &(id, number) in converters {
        add(converter_kind(&chip.converters[id]), count * number * chip.converters[id].area);
    }
}

/// Of the parts of a network alone: arrays with the converters they use, units, converters on wires, and the cores and routers they
/// lie on.
pub fn of_parts(given: Given, tiling: &Tiling, decisions: &Decisions, circuit: &Circuit, cores: &[usize]) -> ByKind {
    let chip = given.chip;
    let mut sums = ByKind::new();
    let mut add = |kind, m2: f64| *sums.entry(kind).or_insert(0.0) += m2;
    // Digital units are used by turns: a core's are those of the part that takes most of them.
    let mut turns: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (part, &core) in circuit.parts.iter().zip(cores) {
        match part.role {
            Role::Line { unit, .. } | Role::Unit { unit } | Role::Adder { unit, .. }
                if unit_kind(&chip.unit_kinds[unit]) == ComponentKind::Digital =>
            {
                let most = turns.entry((core, unit)).or_insert(0);
                *most = super::time::instances(chip, unit, part, Some(chip.cores[core])).max(*most);
            }
            Role::Array { .. }
            | Role::Line { .. }
            | Role::Unit { .. }
            | Role::Adder { .. }
            | Role::Neurons
            | Role::Coder
            | Role::Devices => of_part(given, tiling, decisions.on_tiles(part.node), part, &mut add),
        }
    }
    for (&(_, unit), &count) in &turns {
        add(ComponentKind::Digital, chip.unit_kinds[unit].area * count as f64);
    }
    for core in cores.iter().copied().collect::<BTreeSet<usize>>() {
        add(ComponentKind::Digital, chip.core_kinds[chip.cores[core]].area);
        add(ComponentKind::Network, chip.mesh.router_area);
    }
    rest(chip, circuit, &mut add);
    sums.retain(|_, m2| *m2 > 0.0);
    sums
}

/// Of one part, without the converters it has on wires.
pub fn of_part(
    given: Given,
    tiling: &Tiling,
    how: Option<OnTiles>,
    part: &Part,
    add: &mut impl FnMut(ComponentKind, f64),
) {
    let chip = given.chip;
    match part.role {
        // Its converters serve both directions.
        Role::Array { block, .. } if tiling.blocks[block].backward.is_some() => {}
        Role::Array { block, converts, .. } => {
            let tile = &chip.tile_kinds[tiling.blocks[block].tile_kind];
            let used: Vec<(usize, f64)> = (built_in(chip, tile, how).into_iter())
                .filter(|(id, _)| {
                    let drives = how.and_then(|how| tile.inputs.get(how.drive)).is_some_and(|drive| match drive {
                        Drive::Converter(of) | Drive::BitSerial { converter: of, .. } => of == id,
                        Drive::Direct(_) => false,
                    });
                    let senses = how.and_then(|how| tile.senses.get(how.sense)).is_some_and(|sense| match sense {
                        Sense::Converter { converter, .. } => converter == id,
                        Sense::Analog(_) => false,
                    });
                    drives || (converts && (senses || tile.hold == Some(*id)))
                })
                .collect();
            tile_area(chip, tile, &used, 1.0, add);
            if let Some(gather) = how.and_then(|how| how.gather).filter(|_| !converts) {
                let converter = &chip.converters[gather];
                add(converter_kind(converter), converter.area * part.len() as f64);
            }
        }
        Role::Line { unit, .. } | Role::Unit { unit } | Role::Adder { unit, .. } => {
            let kind = &chip.unit_kinds[unit];
            add(unit_kind(kind), kind.area * super::time::instances(chip, unit, part, None) as f64);
        }
        Role::Neurons | Role::Coder | Role::Devices => {}
    }
}
