//! Placements that hold the capacities: along a walk, at random, and by search where parts are hard to pack.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::level::{self, Level};
use super::{Failure, curve};

/// Steps of the search for a packing.
const STEPS: usize = 200_000;
/// Parts up to which it is tried.
const FEW: usize = 64;

/// The parts that are pinned, and what is left of every core.
pub struct Filling<'a> {
    pub level: &'a Level,
    pub at: Vec<Option<usize>>,
    free: Vec<f64>,
}

impl<'a> Filling<'a> {
    pub fn new(level: &'a Level) -> Result<Self, Failure> {
        let mut filling = Filling { level, at: vec![None; level.parts()], free: level.room.clone() };
        for (part, core) in level.fixed.iter().enumerate() {
            if let Some(core) = *core {
                if let Some(resource) = level::lacking(filling.free(core), &level.needs[part]) {
                    return Err(Failure::PinDoesNotFit { part, core, resource });
                }
                filling.put(part, core);
            }
        }
        Ok(filling)
    }

    pub fn free(&self, core: usize) -> &[f64] {
        &self.free[core * self.level.resources..(core + 1) * self.level.resources]
    }

    pub fn has_room(&self, core: usize, part: usize) -> bool {
        level::fits(self.free(core), &self.level.needs[part])
    }

    pub fn put(&mut self, part: usize, core: usize) {
        for (resource, amount) in &self.level.needs[part] {
            self.free[core * self.level.resources + resource] -= amount;
        }
        self.at[part] = Some(core);
    }

    pub fn take(&mut self, part: usize, core: usize) {
        for (resource, amount) in &self.level.needs[part] {
            self.free[core * self.level.resources + resource] += amount;
        }
        self.at[part] = None;
    }

    /// The placement, if every part has its place.
    pub fn whole(self) -> Option<Vec<usize>> {
        self.at.into_iter().collect()
    }
}

/// Each part, in order, on the first core of the walk with room for it; else the part that has none.
pub fn pour(level: &Level, order: &[usize], walk: &[usize]) -> Result<Vec<usize>, Failure> {
    let mut filling = Filling::new(level)?;
    // Rooms only shrink: where a part found none, those with the same needs need not look.
    let mut from: BTreeMap<Vec<(usize, u64)>, usize> = BTreeMap::new();
    for &part in order {
        if filling.at[part].is_some() {
            continue;
        }
        let needs = level.needs[part].iter().map(|(resource, amount)| (*resource, amount.to_bits())).collect();
        let next = from.entry(needs).or_default();
        while *next < walk.len() && !filling.has_room(walk[*next], part) {
            *next += 1;
        }
        let Some(core) = walk.get(*next) else {
            return Err(left_over(&filling, part));
        };
        filling.put(part, *core);
    }
    filling.whole().ok_or(Failure::Senseless("the order misses a part"))
}

fn left_over(filling: &Filling, part: usize) -> Failure {
    let (level, needs) = (filling.level, &filling.level.needs[part]);
    let able = (0..level.cores()).filter(|core| level::fits(level.room_of(*core), needs));
    let resource = able.filter_map(|core| level::lacking(filling.free(core), needs)).next().unwrap_or(0);
    Failure::NotPacked { part, resource }
}

/// Parts that take the largest share of a core first.
pub fn hardest_first(level: &Level) -> Vec<usize> {
    let sizes = level.sizes();
    let mut order: Vec<usize> = (0..level.parts()).collect();
    order.sort_by(|a, b| sizes[*b].total_cmp(&sizes[*a]));
    order
}

/// The parts in their order along the snake; where they cannot be packed so, in another order that can.
pub fn snake(level: &Level) -> Result<Vec<usize>, Failure> {
    possible(level)?;
    let walk = curve::snake(level.width, level.height);
    let order: Vec<usize> = (0..level.parts()).collect();
    pour(level, &order, &walk).or_else(|_| packed(level, &walk))
}

/// Where packing is tight: hard parts first, each where it leaves least; a search, for few parts.
fn packed(level: &Level, walk: &[usize]) -> Result<Vec<usize>, Failure> {
    let order = hardest_first(level);
    if let Ok(at) = pour(level, &order, walk) {
        return Ok(at);
    }
    let mut filling = Filling::new(level)?;
    let open: Vec<usize> = order.into_iter().filter(|part| filling.at[*part].is_none()).collect();
    let mut failed = None;
    for &part in &open {
        let left = |core: usize| level.needs[part].iter().map(|need| filling.free(core)[need.0] - need.1).sum::<f64>();
        let room = walk.iter().filter(|core| filling.has_room(**core, part));
        match room.min_by(|a, b| left(**a).total_cmp(&left(**b))) {
            Some(core) => filling.put(part, *core),
            None => {
                failed = Some(left_over(&filling, part));
                break;
            }
        }
    }
    let Some(failure) = failed else { return filling.whole().ok_or(Failure::Senseless("a part was left out")) };
    if open.len() > FEW {
        return Err(failure);
    }
    let mut filling = Filling::new(level)?;
    if search(&mut filling, &open, walk, &mut STEPS.clone()) { filling.whole().ok_or(failure) } else { Err(failure) }
}

/// Tries all ways to pack, but cores that are alike once.
fn search(filling: &mut Filling, open: &[usize], walk: &[usize], steps: &mut usize) -> bool {
    let Some((&part, rest)) = open.split_first() else { return true };
    let mut tried: Vec<usize> = Vec::new();
    for &core in walk {
        if *steps == 0 {
            return false;
        }
        *steps -= 1;
        if !filling.has_room(core, part) || tried.iter().any(|other| filling.free(*other) == filling.free(core)) {
            continue;
        }
        tried.push(core);
        filling.put(part, core);
        if search(filling, rest, walk, steps) {
            return true;
        }
        filling.take(part, core);
    }
    false
}

/// Whether each part fits somewhere alone, and all together by the sums.
pub fn possible(level: &Level) -> Result<(), Failure> {
    let kinds = &level.rooms;
    for (part, needs) in level.needs.iter().enumerate() {
        if !kinds.iter().any(|room| level::fits(room, needs)) {
            let met = |room: &[f64]| needs.iter().filter(|need| level::fits(room, &[**need])).count();
            let nearest = kinds.iter().max_by_key(|room| met(room));
            let resource = nearest.and_then(|room| level::lacking(room, needs)).unwrap_or(0);
            return Err(Failure::DoesNotFit { part, resource });
        }
    }
    for resource in 0..level.resources {
        let room: f64 = level.room.iter().skip(resource).step_by(level.resources).sum();
        let needed: f64 = level.needs.iter().flatten().filter(|need| need.0 == resource).map(|need| need.1).sum();
        if !level::fits(&[room], &[(0, needed)]) {
            return Err(Failure::TooLittle { resource, needed, room });
        }
    }
    Ok(())
}

/// The parts in their order along walks of many forms: bands of columns and rows, from one wide to half the mesh, and
/// Hilbert's curve.
pub fn poured(level: &Level) -> Vec<Vec<usize>> {
    let (width, height) = (level.width, level.height);
    let mut walks = vec![curve::hilbert(width, height)];
    let widths = |most: usize| (0..).map(|power| most >> power).take_while(|across| *across > 0).collect::<Vec<_>>();
    walks.extend(widths(width).into_iter().map(|across| curve::bands(width, height, across)));
    let turned = |across| curve::transposed(&curve::bands(height, width, across), width, height);
    walks.extend(widths(height).into_iter().map(turned));
    let order: Vec<usize> = (0..level.parts()).collect();
    walks.iter().filter_map(|walk| pour(level, &order, walk).ok()).collect()
}

/// Each part on a core drawn until one has room; as `other` where that does not pack.
pub fn random(level: &Level, other: &[usize], dice: &mut Dice) -> Vec<usize> {
    const DRAWS: usize = 100;
    let mut order = hardest_first(level);
    if level.parts() < 2 * level.cores() {
        // Loose enough for any order.
        dice.shuffle(&mut order);
    }
    let mut walk: Vec<usize> = (0..level.cores()).collect();
    dice.shuffle(&mut walk);
    let Ok(mut filling) = Filling::new(level) else { return other.to_vec() };
    for part in order {
        if filling.at[part].is_some() {
            continue;
        }
        let drawn = (0..DRAWS).map(|_| walk[dice.below(walk.len())]).find(|core| filling.has_room(*core, part));
        let Some(core) = drawn.or_else(|| walk.iter().copied().find(|core| filling.has_room(*core, part))) else {
            return other.to_vec();
        };
        filling.put(part, core);
    }
    filling.whole().unwrap_or_else(|| other.to_vec())
}
