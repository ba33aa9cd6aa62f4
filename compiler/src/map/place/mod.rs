//! `Circuit` to `Placement`: every part gets a core, near to what it talks to; parts joined by analog wires lie together.

mod islands;
mod misfit;
mod print;
pub mod solve;
mod verify;

pub use islands::{Resource, islands, needs, resources, room, wholes};
pub use print::print;
pub use verify::verify;

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::forms::circuit::{Circuit, End, PartId, Role};
use crate::forms::mapped::Given;
use crate::forms::placement::Placement;
use crate::forms::plan::Pinned;
use crate::forms::tiling::Tiling;
use crate::map::convert::Misfit;
use islands::circle;
use solve::{Failure, Net, Part, Problem};

/// Placements found before: circuits whose parts need and send as much lie alike.
#[derive(Default)]
pub struct Known(RefCell<Vec<(Problem, solve::Placement)>>);

impl Known {
    fn solve(&self, problem: &Problem) -> Result<solve::Placement, Failure> {
        if let Some((_, known)) = self.0.borrow().iter().find(|(of, _)| of == problem) {
            return Ok(known.clone());
        }
        let found = solve::solve(problem)?;
        self.0.borrow_mut().push((problem.clone(), found.clone()));
        Ok(found)
    }
}

/// Places a circuit; the parts that cannot lie together, with the reason, when something does not fit.
pub fn place(given: Given, tiling: &Tiling, circuit: &Circuit, known: &Known) -> Result<Placement, Box<Misfit>> {
    let chip = given.chip;
    if chip.ideal {
        return Ok(Placement::default());
    }
    let asked = Asked::new(given, tiling, circuit)?;
    let solved = known.solve(&asked.problem).map_err(|failure| asked.misfit(given, circuit, &failure))?;
    let core_of: Vec<usize> = asked.of_part.iter().map(|&island| solved.core[island]).collect();
    let far = |net: &&crate::forms::circuit::Net| {
        net.is_analog() && net.to.iter().any(|&to| crate::cost::apart(chip, &core_of, net.from, to) > 1)
    };
    if let Some(net) = circuit.nets.iter().find(far) {
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

/// The least that moving a circuit's values takes, in bits times links, if it finds room on the chip.
pub fn least(given: Given, tiling: &Tiling, circuit: &Circuit) -> Result<f64, Box<Misfit>> {
    if given.chip.ideal {
        return Ok(0.0);
    }
    let asked = Asked::new(given, tiling, circuit)?;
    let found = solve::least(&asked.problem);
    found.map_err(|failure| asked.misfit(given, circuit, &failure))
}

/// What the solver is asked, and what its parts stand for.
struct Asked {
    problem: Problem,
    islands: Vec<Vec<PartId>>,
    resources: Vec<Resource>,
    /// Island of each part of the circuit.
    of_part: Vec<usize>,
}

impl Asked {
    /// Fails where parts wait for themselves, an island fits no kind of core, or pins contradict.
    fn new(given: Given, tiling: &Tiling, circuit: &Circuit) -> Result<Self, Box<Misfit>> {
        let chip = given.chip;
        if let Some(parts) = circle(given.network, circuit) {
            return Err(misfit::waits(given, circuit, parts));
        }
        let islands = islands(chip, tiling, circuit);
        let resources = resources(chip, given.network);
        let rooms: Vec<Vec<f64>> = chip.core_kinds.iter().map(|kind| room(kind, &resources)).collect();
        let mut of_part = vec![0; circuit.parts.len()];
        for (index, island) in islands.iter().enumerate() {
            island.iter().for_each(|part| of_part[part.0] = index);
        }
        let needed = needs(given, tiling, circuit, &of_part, islands.len(), &resources);
        let mut parts = Vec::new();
        let fixed: Vec<Option<usize>> =
            islands.iter().map(|island| pinned(given, circuit, island)).collect::<Result<_, _>>()?;
        for ((island, needs), fixed) in islands.iter().zip(needed).zip(fixed) {
            let fits = |kind: &Vec<f64>| needs.iter().all(|&(resource, amount)| amount <= kind[resource]);
            if !rooms.iter().any(fits) {
                return Err(misfit::island(given, circuit, island, &resources, &rooms, &needs));
            }
            parts.push(Part { fixed, needs });
        }
        let end = |end: &End| match end {
            End::Host => solve::End::Host,
            End::Part(part) => solve::End::Part(of_part[part.0]),
        };
        let nets = circuit.nets.iter().map(|net| Net {
            from: end(&net.from),
            to: net.to.iter().map(end).collect(),
            bits: crate::cost::weight(chip, net),
        });
        let nets = nets.filter(|net| net.to.iter().any(|to| *to != net.from)).collect();
        // What links carry goes to neighbours only.
        let mut near: Vec<(usize, usize)> = Vec::new();
        for net in circuit.nets.iter().filter(|net| net.is_analog()) {
            let End::Part(from) = net.from else { continue };
            let ends = net.to.iter().filter_map(|end| if let End::Part(to) = end { Some(of_part[to.0]) } else { None });
            near.extend(ends.filter(|&to| to != of_part[from.0]).map(|to| (of_part[from.0], to)));
        }
        near.sort_unstable();
        near.dedup();
        let problem = Problem { grid: chip.grid, cores: chip.cores.clone(), room: rooms, parts, nets, near, port: 0 };
        Ok(Asked { problem, islands, resources, of_part })
    }

    fn misfit(&self, given: Given, circuit: &Circuit, failure: &Failure) -> Box<Misfit> {
        let part = match failure {
            Failure::DoesNotFit { part, .. }
            | Failure::PinDoesNotFit { part, .. }
            | Failure::NotPacked { part, .. } => Some(*part).filter(|&part| self.islands[part].len() > 1),
            Failure::TooLittle { .. } | Failure::Senseless(_) => None,
        };
        // The largest island is the one to be cut.
        let largest = (0..self.islands.len()).max_by_key(|&index| self.islands[index].len()).unwrap_or(0);
        let island = self.islands.get(part.unwrap_or(largest)).map_or(&[][..], Vec::as_slice);
        misfit::chip(given, circuit, island, &self.resources, &self.problem)
    }
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

/// Tiles of each core, taken in the order of parts, layer by layer where they are stacked; what reads an array backward is on the tile of that array.
pub fn tiles(given: Given, tiling: &Tiling, circuit: &Circuit, cores: &[usize]) -> Vec<Option<usize>> {
    let chip = given.chip;
    let mut taken: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut of_block: BTreeMap<usize, usize> = BTreeMap::new();
    let each = circuit.parts.iter().zip(cores).map(|(part, &core)| {
        let Role::Array { block, .. } = part.role else { return None };
        if let Some(forward) = tiling.blocks[block].backward {
            return of_block.get(&forward).copied();
        }
        let kind = tiling.blocks[block].tile_kind;
        let mut first = 0;
        for &(of, count) in &chip.core_kinds[chip.cores[core]].tiles {
            let used = taken.entry((core, first)).or_default();
            if of == kind && *used < count {
                // One stack after the other, as their layers take turns.
                let layers = chip.tile_kinds[kind].layers.max(1);
                let stacks = (count / layers).max(1);
                let tile = first + *used % stacks * layers + *used / stacks;
                *used += 1;
                of_block.insert(block, tile);
                return Some(tile);
            }
            first += count;
        }
        None
    });
    each.collect()
}
