//! What no placement can go below, from what a core holds: parts that do not fit on one core are links apart.

use std::collections::BTreeMap;

use super::level::{self, Level};
use super::nets;

pub struct Bound<'a> {
    level: &'a Level,
    roomiest: Vec<f64>,
}

/// Bits between the part (or the host) at the middle of a star and each of its neighbours.
type Star = BTreeMap<u32, f64>;

impl<'a> Bound<'a> {
    pub fn new(level: &'a Level) -> Self {
        Bound { level, roomiest: level.roomiest() }
    }

    /// Of all nets together.
    pub fn whole(&self) -> f64 {
        let mut sum = 0.0;
        // Nets between two ends, by their pair.
        let mut pairs: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
        for group in &self.level.nets.groups {
            let least = group.sources.iter().map(|(source, bits)| bits * self.links(*source, &group.sinks) as f64);
            if let [sink] = group.sinks[..] {
                for ((source, bits), least) in group.sources.iter().zip(least) {
                    let pair = pairs.entry((sink.min(*source), sink.max(*source))).or_default();
                    *pair = (pair.0 + bits, pair.1 + least);
                }
            } else {
                sum += least.sum::<f64>();
            }
        }
        let mut degree = vec![0; self.level.parts() + 1];
        for (a, b) in pairs.keys() {
            degree[*a as usize] += 1;
            degree[*b as usize] += 1;
        }
        // Each pair belongs to one star only, so that stars add up.
        let mut stars: BTreeMap<u32, (Star, f64)> = BTreeMap::new();
        for ((a, b), (bits, least)) in pairs {
            let (middle, other) = if degree[a as usize] >= degree[b as usize] { (a, b) } else { (b, a) };
            let star = stars.entry(middle).or_default();
            star.0.insert(other, bits);
            star.1 += least;
        }
        sum + stars.iter().map(|(middle, (star, least))| self.star(*middle, star).max(*least)).sum::<f64>()
    }

    /// Links that the tree from a source to these sinks has at least.
    pub fn links(&self, source: u32, sinks: &[u32]) -> usize {
        let spot = |end: u32| self.pinned(end).map(|core| (core % self.level.width, core / self.level.width));
        let mut pins: Vec<(usize, usize)> = sinks.iter().filter_map(|sink| spot(*sink)).collect();
        pins.sort_unstable();
        let routes = match spot(source) {
            Some(source) => nets::links(source, &pins),
            None => nets::half_perimeter(&pins),
        };
        let apart = sinks.iter().any(|sink| !self.together(source, *sink));
        let mut ends = sinks.to_vec();
        if !sinks.contains(&source) {
            ends.push(source);
        }
        routes.max(usize::from(apart)).max(self.cores(&ends).saturating_sub(1))
    }

    fn needs(&self, end: u32) -> &[(usize, f64)] {
        self.level.needs.get(end as usize).map_or(&[], Vec::as_slice)
    }

    fn need(&self, end: u32, resource: usize) -> f64 {
        self.needs(end).iter().find(|need| need.0 == resource).map_or(0.0, |need| need.1)
    }

    /// The host's port is its pin.
    fn pinned(&self, end: u32) -> Option<usize> {
        self.level.fixed.get(end as usize).copied().unwrap_or(Some(self.level.port))
    }

    /// Whether two ends can be on one core.
    fn together(&self, a: u32, b: u32) -> bool {
        if a == b {
            return true;
        }
        let both = level::sum(self.needs(a).iter().chain(self.needs(b)).copied());
        match (self.pinned(a), self.pinned(b)) {
            (Some(a), Some(b)) => a == b,
            (Some(core), None) | (None, Some(core)) => level::fits(self.level.room_of(core), &both),
            (None, None) => self.level.rooms.iter().any(|room| level::fits(room, &both)),
        }
    }

    /// More than half of what any core has, so that no core takes two such parts.
    fn bulky(&self, end: u32, resource: usize) -> bool {
        let need = [(0, 2.0 * self.need(end, resource))];
        !level::fits(&[self.roomiest[resource]], &need)
    }

    /// Cores that these ends take at least.
    fn cores(&self, ends: &[u32]) -> usize {
        let of = |resource: usize| {
            let sum: f64 = ends.iter().map(|end| self.need(*end, resource)).sum();
            let full = (sum / self.roomiest[resource] * (1.0 - 1e-6)).ceil();
            let bulky = ends.iter().filter(|end| self.bulky(**end, resource)).count();
            if full.is_finite() { bulky.max(full as usize) } else { bulky }
        };
        (0..self.level.resources).map(of).max().unwrap_or(0)
    }

    /// Bits times links between the middle of a star and its neighbours, the heaviest on the nearest cores.
    fn star(&self, middle: u32, star: &Star) -> f64 {
        let of = |resource: usize| {
            let room = self.roomiest[resource];
            let neighbours = star.iter().map(|(end, bits)| (self.need(*end, resource), *bits));
            let by_amount = filled(neighbours.collect(), room - self.need(middle, resource), room);
            let bulky = star.iter().filter(|(end, _)| self.bulky(**end, resource)).map(|(_, bits)| (1.0, *bits));
            let first = if self.bulky(middle, resource) { 0.0 } else { 1.0 };
            by_amount.max(filled(bulky.collect(), first, 1.0))
        };
        (0..self.level.resources).map(of).fold(0.0, f64::max)
    }
}

/// Amounts, which may be divided, with their bits, put on the core in the middle, then on the four a link from it, on
/// the eight two links from it, ...: bits times links.
fn filled(mut amounts: Vec<(f64, f64)>, first: f64, room: f64) -> f64 {
    amounts.retain(|(amount, _)| *amount > 0.0);
    amounts.sort_by(|a, b| (b.1 / b.0).total_cmp(&(a.1 / a.0)));
    let (mut distance, mut left, mut sum) = (0.0, first.max(0.0), 0.0);
    for (amount, bits) in amounts {
        let mut rest = amount;
        while rest > left {
            sum += bits * distance * left / amount;
            rest -= left;
            distance += 1.0;
            left = 4.0 * distance * room;
        }
        left -= rest;
        sum += bits * distance * rest / amount;
    }
    sum
}
