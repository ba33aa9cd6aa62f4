//! Lists what is wrong with a `Placement`; an entry is a mistake of the compiler.
//!
//! Invariants: every part has a core that exists; every array lies on a tile of its kind, no two on the same, and is read backward where it lies; no core holds more neurons,
//! cells of devices or analog units than it has, and every unit is on a core that has it; what an analog net joins lies on one core
//! that declares lines for it, or on neighbours that links join; pins hold; the cost is that of the nets, not below its bound.

use std::collections::{BTreeMap, BTreeSet};

use crate::cost::compartments;
use crate::forms::chip::Domain;
use crate::forms::circuit::{Circuit, End, Role};
use crate::forms::mapped::Given;
use crate::forms::network::Operator;
use crate::forms::placement::Placement;
use crate::forms::plan::Pinned;
use crate::forms::tiling::Tiling;

/// Every broken invariant in words; empty when all is sound.
pub fn verify(given: Given, tiling: &Tiling, circuit: &Circuit, placement: &Placement) -> Vec<String> {
    let (chip, mut faults) = (given.chip, Vec::new());
    if chip.ideal {
        return faults;
    }
    let cores = &placement.cores;
    if cores.len() != circuit.parts.len() || placement.tiles.len() != circuit.parts.len() {
        return vec![String::from("not every part has a place")];
    }
    if cores.iter().any(|&core| core >= chip.cores.len()) {
        return vec![String::from("a part is on a core that is not there")];
    }
    let kind_of = |core: usize| &chip.core_kinds[chip.cores[core]];
    let mut tiles = BTreeSet::new();
    let mut of_block = BTreeMap::new();
    let mut neurons: BTreeMap<usize, usize> = BTreeMap::new();
    let mut units: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut cells: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for (index, part) in circuit.parts.iter().enumerate() {
        let (core, name) = (cores[index], &given.network.graph[part.node].name);
        match part.role {
            Role::Array { block, .. } if tiling.blocks[block].backward.is_some() => {
                let forward = tiling.blocks[block].backward.and_then(|forward| of_block.get(&forward));
                if forward != Some(&(core, placement.tiles[index])) {
                    faults.push(format!("`{name}` reads an array backward that lies elsewhere"));
                }
            }
            Role::Array { block, .. } => {
                of_block.insert(block, (core, placement.tiles[index]));
                let kinds: Vec<usize> =
                    (kind_of(core).tiles.iter()).flat_map(|&(kind, count)| std::iter::repeat_n(kind, count)).collect();
                let tile = placement.tiles[index];
                if tile.and_then(|tile| kinds.get(tile)) != Some(&tiling.blocks[block].tile_kind) {
                    faults.push(format!("an array of `{name}` is on a tile that is not of its kind"));
                }
                *neurons.entry(core).or_default() += chip.tile_kinds[tiling.blocks[block].tile_kind].neurons;
                if !tiles.insert((core, tile)) {
                    faults.push(format!("two arrays are on one tile of core {core}"));
                }
            }
            Role::Line { unit, .. } | Role::Unit { unit } | Role::Adder { unit, .. } => {
                let has: usize = kind_of(core).units.iter().filter(|(of, _)| *of == unit).map(|(_, count)| count).sum();
                let of = &chip.unit_kinds[unit];
                if has == 0 {
                    faults.push(format!("`{name}` is on a core without its unit"));
                } else if of.from != Domain::Bits || of.to != Domain::Bits {
                    let used = units.entry((core, unit)).or_default();
                    *used += part.elements.1 - part.elements.0;
                    if *used > has {
                        faults.push(format!("core {core} has {has} of `{}`, {used} are used", of.name));
                    }
                }
            }
            Role::Neurons => {
                *neurons.entry(core).or_default() +=
                    (part.elements.1 - part.elements.0) * compartments(given.network, chip, part.node);
            }
            Role::Devices => {
                if let Operator::Population { dynamics, .. } = &given.network.graph[part.node].operator {
                    let used = cells.entry((core, dynamics.name.as_str())).or_default();
                    *used += part.elements.1 - part.elements.0;
                }
            }
            Role::Coder => {}
        }
        for pin in given.plan.pins.iter().filter(|pin| pin.node == part.node) {
            if let Pinned::Core(x, y) = pin.value
                && core != y * chip.grid.0.max(1) + x
            {
                faults.push(format!("`{name}` is not on the core it is pinned to"));
            }
        }
    }
    for (core, count) in neurons {
        let room = kind_of(core).neurons.unwrap_or(0);
        if count > room {
            faults.push(format!("core {core} holds {count} neurons of {room}"));
        }
    }
    for ((core, device), count) in cells {
        let room: usize = kind_of(core).cells.iter().filter(|(name, _)| name == device).map(|(_, count)| count).sum();
        if count > room {
            faults.push(format!("core {core} holds {count} cells of `{device}`, it has {room}"));
        }
    }
    let width = chip.grid.0.max(1);
    let apart = |a: usize, b: usize| (a % width).abs_diff(b % width) + (a / width).abs_diff(b / width);
    let core_of = |end: End| match end {
        End::Host => 0,
        End::Part(part) => cores[part.0],
    };
    let mut cost = 0.0;
    for net in &circuit.nets {
        let from = core_of(net.from);
        match net.domain {
            Domain::Bits | Domain::Spikes => {
                // Every link of the routes along x, then y, once.
                let mut links = BTreeSet::new();
                for &to in &net.to {
                    let (mut at, to) = (from, core_of(to));
                    while at % width != to % width {
                        let next = if at % width < to % width { at + 1 } else { at - 1 };
                        links.insert((at, next));
                        at = next;
                    }
                    while at != to {
                        let next = if at < to { at + width } else { at - width };
                        links.insert((at, next));
                        at = next;
                    }
                }
                let share = if net.domain == Domain::Spikes { crate::cost::SPIKE_SHARE } else { 1.0 };
                cost += share * net.values as f64 * net.bits * net.firings * links.len() as f64;
            }
            Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Light => {
                let domain = net.domain;
                let link = chip.links.iter().find(|link| link.carries == domain);
                let linked = link.is_some();
                let mut crossed = BTreeSet::new();
                for &to in &net.to {
                    let to = core_of(to);
                    if to != from {
                        crossed.insert(to);
                    }
                    let lines = kind_of(from).lines.contains(&domain);
                    let sound = if to == from { lines || linked } else { linked && apart(from, to) == 1 };
                    if !sound {
                        faults.push(format!("a {domain:?} leaves core {from} for core {to}, and no wire carries it"));
                    }
                }
                // A value counts as the bits that take as much energy over a link.
                let bits = link.map_or(0.0, |link| link.energy) / chip.mesh.energy_per_bit;
                let each = if bits.is_finite() { bits } else { 1.0 };
                cost += each * net.values as f64 * net.firings * crossed.len() as f64;
            }
        }
    }
    if (cost - placement.cost).abs() > 1e-6 * cost.max(1.0) {
        faults.push(format!("nets cost {cost} bit-links, the placement says {}", placement.cost));
    }
    if placement.cost < placement.lower_bound * (1.0 - 1e-12) {
        faults.push(format!("the cost {} is below its bound {}", placement.cost, placement.lower_bound));
    }
    faults
}
