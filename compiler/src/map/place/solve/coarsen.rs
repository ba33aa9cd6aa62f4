//! Many parts on many cores: merged by what they say to each other, placed on a mesh of squares, and taken apart again.

use super::dice::Dice;
use super::fit::{self, Filling};
use super::layout::Layout;
use super::level::{self, Level};
use super::nets::Nets;
use super::refine;

/// A mesh and parts that need not be coarser.
const FEW_CORES: usize = 64;
/// Rounds of merging in pairs for each halving of the mesh.
const ROUNDS: usize = 3;
/// Merged parts take at most this share of a square.
const SHARE: f64 = 0.5;

/// A placement by coarsening; none where what was merged cannot be packed.
pub fn place(level: &Level) -> Option<Vec<usize>> {
    let mut coarser: Vec<Coarse> = Vec::new();
    if level.sizes().iter().filter(|size| **size <= SHARE).count() * 2 > level.parts() {
        coarser.push(shared(level));
    }
    loop {
        let finest = coarser.last().map_or(level, |coarse| &coarse.level);
        if finest.cores() <= FEW_CORES {
            break;
        }
        let next = coarsen(finest);
        coarser.push(next);
    }
    let coarsest = &coarser.last()?.level;
    let starts = fit::poured(coarsest).into_iter().chain(fit::snake(coarsest).ok());
    let start = starts.map(|at| (Layout::new(coarsest, &at).cost(), at));
    let (_, mut at) = start.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut dice = Dice::new(50);
    for index in (0..coarser.len()).rev() {
        let coarse = &coarser[index];
        let mut layout = Layout::new(&coarse.level, &at);
        refine::settle(&mut layout, coarser.len() - 1 - index, &mut dice);
        let finer = if index == 0 { level } else { &coarser[index - 1].level };
        at = apart(finer, coarse, &layout.places())?;
    }
    Some(at)
}

/// Merged parts on a mesh of cores or of squares of them.
struct Coarse {
    level: Level,
    /// The merged part of each part.
    whole: Vec<usize>,
    /// Whether four cores are one here.
    squares: bool,
}

/// The same cores; parts that talk much and fit on one core as one part.
fn shared(level: &Level) -> Coarse {
    let limit = level.roomiest();
    let mut coarse = Coarse {
        level: level.with(level.room.clone(), level.width, level.height, |core| core),
        whole: (0..level.parts()).collect(),
        squares: false,
    };
    (0..ROUNDS).for_each(|_| coarse.merge(&limit));
    coarse
}

/// Squares of four cores as one core; parts that talk much as one part.
fn coarsen(level: &Level) -> Coarse {
    let (width, height) = (level.width.div_ceil(2), level.height.div_ceil(2));
    let square = |core: usize| core / level.width / 2 * width + core % level.width / 2;
    let mut room = vec![0.0; width * height * level.resources];
    for core in 0..level.cores() {
        for (resource, amount) in level.room_of(core).iter().enumerate() {
            room[square(core) * level.resources + resource] += amount;
        }
    }
    let mut coarse =
        Coarse { level: level.with(room, width, height, square), whole: (0..level.parts()).collect(), squares: true };
    let limit: Vec<f64> = coarse.level.roomiest().iter().map(|room| room * SHARE).collect();
    (0..ROUNDS).for_each(|_| coarse.merge(&limit));
    coarse
}

impl Level {
    /// The same parts on another mesh.
    fn with(&self, room: Vec<f64>, width: usize, height: usize, core: impl Fn(usize) -> usize) -> Level {
        let rooms = level::once(room.chunks(self.resources.max(1)).map(<[f64]>::to_vec).collect());
        Level {
            width,
            height,
            port: core(self.port),
            resources: self.resources,
            room,
            rooms,
            needs: self.needs.clone(),
            fixed: self.fixed.iter().map(|pin| pin.map(&core)).collect(),
            nets: Nets::new(self.parts() + 1, wires(&self.nets, |end| end)),
        }
    }
}

impl Coarse {
    /// Merges parts in pairs up to a limit.
    fn merge(&mut self, limit: &[f64]) {
        let merged = matched(&self.level, limit);
        self.whole.iter_mut().for_each(|part| *part = merged[*part]);
        let level = &self.level;
        let count = merged.iter().max().map_or(0, |last| last + 1);
        let (mut needs, mut fixed) = (vec![Vec::new(); count], vec![None; count]);
        for (part, whole) in merged.iter().enumerate() {
            needs[*whole].extend(level.needs[part].iter().copied());
            fixed[*whole] = fixed[*whole].or(level.fixed[part]);
        }
        let name = |end: u32| merged.get(end as usize).map_or(count, |whole| *whole) as u32;
        self.level.nets = Nets::new(count + 1, wires(&level.nets, name));
        self.level.needs = needs.into_iter().map(|all| level::sum(all.into_iter())).collect();
        self.level.fixed = fixed;
    }
}

fn wires(nets: &Nets, name: impl Fn(u32) -> u32) -> Vec<(u32, Vec<u32>, f64)> {
    let of = |group: &super::nets::Group| {
        let sinks: Vec<u32> = group.sinks.iter().map(|sink| name(*sink)).collect();
        group.sources.iter().map(|(source, bits)| (name(*source), sinks.clone(), *bits)).collect::<Vec<_>>()
    };
    nets.groups.iter().flat_map(of).collect()
}

/// For every part the merged part it becomes: with the part it shares most bits with, or what that has
/// become already, while there is room.
fn matched(level: &Level, limit: &[f64]) -> Vec<usize> {
    let none = usize::MAX;
    let mut merged = vec![none; level.parts()];
    // What the merged parts need, until now.
    let mut needs: Vec<Vec<(usize, f64)>> = Vec::new();
    let mut weight = vec![0.0; level.parts()];
    let mut near: Vec<usize> = Vec::new();
    for part in 0..level.parts() {
        if merged[part] != none {
            continue;
        }
        let mut tie = |other: u32, bits: f64| {
            let other = other as usize;
            if other < level.parts() && other != part && level.fixed[other].is_none() {
                if weight[other] == 0.0 {
                    near.push(other);
                }
                weight[other] += bits;
            }
        };
        let groups = &level.nets.groups;
        for (group, bits) in &level.nets.source_of[part] {
            let sinks = &groups[*group as usize].sinks;
            sinks.iter().for_each(|sink| tie(*sink, bits / sinks.len() as f64));
        }
        for group in &level.nets.sink_of[part] {
            let group = &groups[*group as usize];
            let share = 1.0 / group.sinks.len() as f64;
            let mut all = 0.0;
            for (source, bits) in &group.sources {
                tie(*source, bits * share);
                all += bits;
            }
            group.sinks.iter().for_each(|sink| tie(*sink, all * share));
        }
        // By bits; of equals the one that comes first, so that what is in order stays so.
        near.sort_by(|a, b| weight[*b].total_cmp(&weight[*a]).then(a.cmp(b)));
        let joined = |other: usize| {
            let there = needs.get(merged[other]).unwrap_or(&level.needs[other]);
            level::sum(level.needs[part].iter().chain(there).copied())
        };
        let free = level.fixed[part].is_none();
        let other = near.iter().copied().filter(|_| free).find(|other| level::fits(limit, &joined(*other)));
        match other {
            Some(other) if merged[other] != none => {
                needs[merged[other]] = joined(other);
                merged[part] = merged[other];
            }
            Some(other) => {
                needs.push(joined(other));
                (merged[part], merged[other]) = (needs.len() - 1, needs.len() - 1);
            }
            None => {
                needs.push(level.needs[part].clone());
                merged[part] = needs.len() - 1;
            }
        }
        near.drain(..).for_each(|other| weight[other] = 0.0);
    }
    merged
}

/// Parts on cores of the square where they lie merged, or near it where that is full.
fn apart(finer: &Level, coarse: &Coarse, places: &[usize]) -> Option<Vec<usize>> {
    if !coarse.squares {
        return Some(coarse.whole.iter().map(|whole| places[*whole]).collect());
    }
    let mut filling = Filling::new(finer).ok()?;
    for part in fit::hardest_first(finer) {
        if filling.at[part].is_some() {
            continue;
        }
        let square = places[coarse.whole[part]];
        let corner = (square % coarse.level.width * 2, square / coarse.level.width * 2);
        let reach = finer.width.max(finer.height);
        let core = (0..reach).find_map(|ring| {
            let cores = around(finer, corner, ring).filter(|core| filling.has_room(*core, part));
            let free = |core: usize| finer.needs[part].iter().map(|need| filling.free(core)[need.0]).sum::<f64>();
            cores.max_by(|a, b| free(*a).total_cmp(&free(*b)).then(b.cmp(a)))
        })?;
        filling.put(part, core);
    }
    filling.whole()
}

/// The cores of the ring at some distance around a square of four.
fn around(level: &Level, corner: (usize, usize), ring: usize) -> impl Iterator<Item = usize> {
    let (left, top, ring) = (corner.0 as isize - ring as isize, corner.1 as isize - ring as isize, ring as isize);
    let (right, bottom) = (left + 2 * ring + 1, top + 2 * ring + 1);
    let (width, height) = (level.width as isize, level.height as isize);
    (top.max(0)..=bottom.min(height - 1)).flat_map(move |y| {
        let step = if y == top || y == bottom { 1 } else { right - left };
        (left..=right)
            .step_by(step as usize)
            .filter(move |x| (0..width).contains(x))
            .map(move |x| (y * width + x) as usize)
    })
}
