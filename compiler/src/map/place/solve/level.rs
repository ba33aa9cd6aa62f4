//! A problem in the solver's own terms, at one coarseness of mesh and parts.

use std::cmp::Ordering;

use super::nets::Nets;
use super::{End, Failure, Part, Problem};

pub struct Level {
    pub width: usize,
    pub height: usize,
    pub port: usize,
    pub resources: usize,
    /// core * resources + resource.
    pub room: Vec<f64>,
    /// Each room that a core has, once.
    pub rooms: Vec<Vec<f64>>,
    /// Each resource once, in order, above zero.
    pub needs: Vec<Vec<(usize, f64)>>,
    pub fixed: Vec<Option<usize>>,
    pub nets: Nets,
}

/// Sums of amounts may differ from their limit by this share of it, because they are rounded.
const ROUNDING: f64 = 1e-9;

pub fn fits(free: &[f64], needs: &[(usize, f64)]) -> bool {
    needs.iter().all(|(resource, amount)| *amount <= free[*resource] + amount * ROUNDING)
}

/// The first resource there is too little of.
pub fn lacking(free: &[f64], needs: &[(usize, f64)]) -> Option<usize> {
    needs.iter().find(|need| !fits(free, &[**need])).map(|need| need.0)
}

/// Links between two cores.
pub fn apart(width: usize, a: usize, b: usize) -> usize {
    (a % width).abs_diff(b % width) + (a / width).abs_diff(b / width)
}

impl Level {
    pub fn new(problem: &Problem) -> Self {
        let host = problem.parts.len() as u32;
        let number = |end: &End| match end {
            End::Part(part) => *part as u32,
            End::Host => host,
        };
        let wires = problem.nets.iter().map(|net| (number(&net.from), net.to.iter().map(number).collect(), net.bits));
        let resources = problem.room.iter().map(Vec::len).max().unwrap_or(0);
        let of_kind = |kind: usize| -> Vec<f64> {
            (0..resources).map(|resource| problem.room[kind].get(resource).copied().unwrap_or(0.0)).collect()
        };
        let kinds: Vec<Vec<f64>> = (0..problem.room.len()).map(of_kind).collect();
        let mut room = Vec::with_capacity(problem.cores.len() * resources);
        let mut used = vec![false; kinds.len()];
        for kind in &problem.cores {
            room.extend_from_slice(&kinds[*kind]);
            used[*kind] = true;
        }
        let rooms = once(kinds.into_iter().zip(used).filter(|(_, used)| *used).map(|(room, _)| room).collect());
        Level {
            width: problem.grid.0,
            height: problem.grid.1,
            port: problem.port,
            resources,
            room,
            rooms,
            needs: problem.parts.iter().map(|part| sum(part.needs.iter().copied())).collect(),
            fixed: problem.parts.iter().map(|part| part.fixed).collect(),
            nets: Nets::new(problem.parts.len() + 1, wires),
        }
    }

    pub fn cores(&self) -> usize {
        self.width * self.height
    }

    pub fn parts(&self) -> usize {
        self.needs.len()
    }

    pub fn room_of(&self, core: usize) -> &[f64] {
        &self.room[core * self.resources..(core + 1) * self.resources]
    }

    /// The most that any core has of each resource.
    pub fn roomiest(&self) -> Vec<f64> {
        (0..self.resources).map(|resource| self.rooms.iter().map(|room| room[resource]).fold(0.0, f64::max)).collect()
    }

    /// The largest share of any core's resource that each part takes.
    pub fn sizes(&self) -> Vec<f64> {
        let most = self.roomiest();
        let size = |needs: &Vec<(usize, f64)>| {
            needs.iter().map(|(resource, amount)| amount / most[*resource]).fold(0.0, f64::max)
        };
        self.needs.iter().map(size).collect()
    }
}

/// Rooms in order, each once.
pub fn once(mut rooms: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    rooms.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    rooms.dedup();
    rooms
}

/// Amounts of the same resource together, in the order of resources, without those of nothing.
pub fn sum(needs: impl Iterator<Item = (usize, f64)>) -> Vec<(usize, f64)> {
    let mut all: Vec<(usize, f64)> = needs.filter(|need| need.1 > 0.0).collect();
    all.sort_by_key(|need| need.0);
    all.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    all
}

/// Refuses problems that make no sense, and those that a look at each part and at the sums shows to have no solution.
pub fn validate(problem: &Problem) -> Result<(), Failure> {
    let cores = problem.cores.len();
    if cores == 0 || problem.grid.0.checked_mul(problem.grid.1) != Some(cores) {
        return Err(Failure::Senseless("the mesh's width times its height is not the number of cores"));
    }
    if problem.cores.iter().any(|kind| *kind >= problem.room.len()) {
        return Err(Failure::Senseless("a core is of an unknown kind"));
    }
    if problem.room.iter().flatten().any(|room| room.is_nan() || *room < 0.0) {
        return Err(Failure::Senseless("a core's room is no amount"));
    }
    if problem.port >= cores {
        return Err(Failure::Senseless("the host's port is not on the mesh"));
    }
    if problem.parts.iter().any(|part| part.fixed.is_some_and(|core| core >= cores)) {
        return Err(Failure::Senseless("a part is pinned to a core that is not on the mesh"));
    }
    if problem.parts.iter().flat_map(|part| &part.needs).any(|need| !need.1.is_finite() || need.1 < 0.0) {
        return Err(Failure::Senseless("a need of a part is no amount"));
    }
    let known = problem.room.iter().map(Vec::len).max().unwrap_or(0);
    for (part, Part { needs, .. }) in problem.parts.iter().enumerate() {
        if let Some((resource, _)) = needs.iter().find(|need| need.0 >= known) {
            return Err(Failure::DoesNotFit { part, resource: *resource });
        }
    }
    let unknown = |end: &End| matches!(end, End::Part(part) if *part >= problem.parts.len());
    if problem.nets.iter().any(|net| unknown(&net.from) || net.to.iter().any(unknown)) {
        return Err(Failure::Senseless("a net ends at an unknown part"));
    }
    if problem.near.iter().any(|(a, b)| *a.max(b) >= problem.parts.len()) {
        return Err(Failure::Senseless("what is to be near is no part"));
    }
    if problem.nets.iter().any(|net| !net.bits.is_finite() || net.bits < 0.0) {
        return Err(Failure::Senseless("a net's bits are no amount"));
    }
    Ok(())
}
