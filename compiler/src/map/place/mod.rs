//! `Circuit` to `Placement`: every part gets a core, near to what it talks to; parts joined by analog wires lie together.

mod islands;
mod misfit;
mod print;
pub mod solve;
mod verify;

pub use islands::{Resource, islands, needs, resources, room};
pub use print::print;
pub use verify::verify;

use crate::forms::chip::Domain;
use crate::forms::circuit::{Circuit, End, PartId, Role};
use crate::forms::decisions::Decisions;
use crate::forms::mapped::Given;
use crate::forms::placement::Placement;
use crate::forms::plan::Pinned;
use crate::forms::tiling::Tiling;
use crate::map::convert::Misfit;
use solve::{Failure, Net, Part, Problem};

/// Bits that stand for a value on a link between neighbours, so that no distance is worth parting them.
const LINKED: f64 = 1e9;

/// Places a circuit; the parts that cannot lie together, with the reason, when something does not fit.
pub fn place(
    given: Given,
    tiling: &Tiling,
    _decisions: &Decisions,
    circuit: &Circuit,
) -> Result<Placement, Box<Misfit>> {
    let chip = given.chip;
    if chip.ideal {
        return Ok(Placement::default());
    }
    let islands = islands(chip, circuit);
    let resources = resources(chip, given.network);
    let rooms: Vec<Vec<f64>> = chip.core_kinds.iter().map(|kind| room(chip, kind, &resources)).collect();
    let mut needed = Vec::new();
    for island in &islands {
        let needs = needs(given, tiling, circuit, island, &resources);
        let fits = |kind: &usize| needs.iter().all(|&(resource, amount)| amount <= rooms[*kind][resource]);
        if !chip.cores.iter().any(fits) {
            return Err(misfit::island(given, circuit, island, &resources, &rooms, &needs));
        }
        needed.push(needs);
    }
    let mut of_part = vec![0; circuit.parts.len()];
    for (index, island) in islands.iter().enumerate() {
        island.iter().for_each(|part| of_part[part.0] = index);
    }
    let mut parts = Vec::new();
    for (island, needs) in islands.iter().zip(&needed) {
        parts.push(Part { needs: needs.clone(), fixed: pinned(given, circuit, island)? });
    }
    let end = |end: &End| match end {
        End::Host => solve::End::Host,
        End::Part(part) => solve::End::Part(of_part[part.0]),
    };
    let nets = circuit.nets.iter().map(|net| Net {
        from: end(&net.from),
        to: net.to.iter().map(end).collect(),
        bits: match net.domain {
            Domain::Bits => net.bits_per_sample(),
            Domain::Spikes => net.bits_per_sample() * crate::cost::SPIKE_SHARE,
            Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Light => LINKED,
        },
    });
    let nets = nets.filter(|net| net.to.iter().any(|to| *to != net.from)).collect();
    let cores = chip.cores.clone();
    let problem = Problem { grid: chip.grid, cores, room: rooms, parts, nets, port: 0 };
    let solved = match solve::solve(&problem) {
        Ok(solved) => solved,
        Err(failure) => {
            // The largest island is the one to be cut.
            let part = match failure {
                Failure::DoesNotFit { part, .. }
                | Failure::PinDoesNotFit { part, .. }
                | Failure::NotPacked { part, .. } => Some(part).filter(|&part| islands[part].len() > 1),
                Failure::TooLittle { .. } | Failure::Senseless(_) => None,
            };
            let largest = (0..islands.len()).max_by_key(|&index| islands[index].len()).unwrap_or(0);
            let island = islands.get(part.unwrap_or(largest)).map_or(&[][..], Vec::as_slice);
            return Err(misfit::chip(given, circuit, island, &resources, &problem));
        }
    };
    let core_of: Vec<usize> = of_part.iter().map(|&island| solved.core[island]).collect();
    let far =
        circuit.nets.iter().find(|net| net.is_analog() && crate::cost::links(chip, &core_of, net).len() > net.to.len());
    if let Some(net) = far {
        return Err(misfit::apart(given, net));
    }
    let tiles = tiles(given, tiling, circuit, &core_of);
    Ok(Placement {
        cores: core_of,
        tiles,
        cost: solved.cost,
        lower_bound: solved.lower_bound.min(solved.cost),
        snake_cost: solved.snake_cost,
        random_cost: solved.random_cost,
    })
}

/// The core that pins of an island's operators ask for.
fn pinned(given: Given, circuit: &Circuit, island: &[PartId]) -> Result<Option<usize>, Box<Misfit>> {
    let chip = given.chip;
    let mut found = None;
    for pin in &given.plan.pins {
        let Pinned::Core(x, y) = pin.value else { continue };
        if !island.iter().any(|part| circuit.parts[part.0].node == pin.node) {
            continue;
        }
        let core = y * chip.grid.0.max(1) + x;
        if x >= chip.grid.0 || core >= chip.cores.len() {
            return Err(misfit::no_such_core(given, pin));
        }
        if found.is_some_and(|other| other != core) {
            return Err(misfit::two_pins(given, pin, island));
        }
        found = Some(core);
    }
    Ok(found)
}

/// Tiles of each core, taken in the order of parts.
fn tiles(given: Given, tiling: &Tiling, circuit: &Circuit, cores: &[usize]) -> Vec<Option<usize>> {
    let chip = given.chip;
    let mut taken: std::collections::BTreeMap<(usize, usize), usize> = std::collections::BTreeMap::new();
    let each = circuit.parts.iter().zip(cores).map(|(part, &core)| {
        let Role::Array { block, .. } = part.role else { return None };
        let kind = tiling.blocks[block].tile_kind;
        let mut first = 0;
        for &(of, count) in &chip.core_kinds[chip.cores[core]].tiles {
            let used = taken.entry((core, first)).or_default();
            if of == kind && *used < count {
                *used += 1;
                return Some(first + *used - 1);
            }
            first += count;
        }
        None
    });
    each.collect()
}
