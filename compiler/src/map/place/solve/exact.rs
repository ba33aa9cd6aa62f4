//! All placements of a few parts, but for those that a bound shows to be no better.

use super::bound::Bound;
use super::fit::Filling;
use super::level::{self, Level};
use super::nets;

/// Parts up to which the search is tried, and places looked at before it gives up.
const FEW: usize = 10;
const STEPS: usize = 300_000;

struct Wire<'a> {
    source: u32,
    sinks: &'a [u32],
    bits: f64,
    /// What it costs at least.
    least: f64,
}

struct Search<'a> {
    filling: Filling<'a>,
    order: Vec<usize>,
    wires: Vec<Wire<'a>>,
    /// Wires at every part.
    at: Vec<Vec<usize>>,
    /// What every wire costs at least, from the ends that have a place.
    costs: Vec<f64>,
    /// Parts that are to be one link from each at most.
    near: Vec<Vec<usize>>,
    steps: usize,
    best: f64,
    found: Option<Vec<usize>>,
}

/// Whether a cost is its bound, but for rounding.
pub fn meets(cost: f64, least: f64) -> bool {
    cost <= least * (1.0 + 1e-9)
}

/// A placement that costs less than `best`, if one was found; and whether nothing better than what is known now exists.
pub fn search(level: &Level, near: &[(usize, usize)], best: f64, least: f64) -> (Option<Vec<usize>>, bool) {
    if meets(best, least) {
        return (None, true);
    }
    if level.parts() > FEW {
        return (None, false);
    }
    let Ok(filling) = Filling::new(level) else { return (None, false) };
    let bound = Bound::new(level);
    let mut wires = Vec::new();
    let mut at = vec![Vec::new(); level.parts() + 1];
    for group in &level.nets.groups {
        for (source, bits) in &group.sources {
            at[*source as usize].push(wires.len());
            let others = group.sinks.iter().filter(|sink| *sink != source);
            others.for_each(|sink| at[*sink as usize].push(wires.len()));
            let least = bits * bound.links(*source, &group.sinks) as f64;
            wires.push(Wire { source: *source, sinks: &group.sinks, bits: *bits, least });
        }
    }
    let open: Vec<usize> = (0..level.parts()).filter(|part| filling.at[*part].is_none()).collect();
    let order = by_ties(open, &wires, &at);
    let costs = vec![0.0; wires.len()];
    let mut beside = vec![Vec::new(); level.parts()];
    for &(a, b) in near {
        beside[a].push(b);
        beside[b].push(a);
    }
    let mut search = Search { filling, order, wires, at, costs, near: beside, steps: STEPS, best, found: None };
    for wire in 0..search.wires.len() {
        search.costs[wire] = search.cost(wire);
    }
    let whole = search.go(0);
    (search.found, whole)
}

/// First the part with most bits, then always the one with most bits to those before it.
fn by_ties(mut open: Vec<usize>, wires: &[Wire], at: &[Vec<usize>]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    while !open.is_empty() {
        let tied = |part: usize| {
            let known = |end: &u32| order.contains(&(*end as usize));
            let bits = |wire: &Wire| {
                let share = if known(&wire.source) || wire.sinks.iter().any(known) { 1.0 } else { 1e-6 };
                wire.bits * share
            };
            at[part].iter().map(|wire| bits(&wires[*wire])).sum::<f64>()
        };
        let next = (0..open.len()).max_by(|a, b| tied(open[*a]).total_cmp(&tied(open[*b])).then(b.cmp(a)));
        order.push(open.remove(next.unwrap_or(0)));
    }
    order
}

impl Search<'_> {
    fn cost(&self, wire: usize) -> f64 {
        let level = self.filling.level;
        let spot = |end: u32| {
            let core = self.filling.at.get(end as usize).copied().unwrap_or(Some(level.port));
            core.map(|core| (core % level.width, core / level.width))
        };
        let Wire { source, sinks, bits, least } = self.wires[wire];
        let mut placed: Vec<(usize, usize)> = sinks.iter().filter_map(|sink| spot(*sink)).collect();
        placed.sort_unstable();
        let links = match spot(source) {
            Some(source) => nets::links(source, &placed),
            None => nets::half_perimeter(&placed),
        };
        least.max(bits * links as f64)
    }

    /// Costs of the wires at a part where it is now.
    fn costs_at(&self, part: usize) -> Vec<f64> {
        self.at[part].iter().map(|wire| self.cost(*wire)).collect()
    }

    /// Places the parts from the `depth`th on; whether all was looked at.
    fn go(&mut self, depth: usize) -> bool {
        let Some(&part) = self.order.get(depth) else {
            let cost = self.costs.iter().sum();
            if cost < self.best {
                (self.best, self.found) = (cost, self.filling.at.iter().copied().collect());
            }
            return true;
        };
        let mut choices: Vec<(f64, usize, Vec<f64>)> = Vec::new();
        for core in 0..self.filling.level.cores() {
            let far = |other: &usize| {
                let known = self.filling.at.get(*other).copied().flatten();
                known.is_some_and(|other| level::apart(self.filling.level.width, core, other) > 1)
            };
            if !self.filling.has_room(core, part) || self.near[part].iter().any(far) {
                continue;
            }
            if self.steps == 0 {
                return false;
            }
            self.steps -= 1;
            self.filling.put(part, core);
            let costs = self.costs_at(part);
            self.filling.take(part, core);
            choices.push((costs.iter().sum(), core, costs));
        }
        choices.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let wires = self.at[part].clone();
        let before: Vec<f64> = wires.iter().map(|wire| self.costs[*wire]).collect();
        let mut all = true;
        for (_, core, costs) in choices {
            wires.iter().zip(costs).for_each(|(wire, cost)| self.costs[*wire] = cost);
            // Sums in another order differ by rounding; that is no improvement.
            if self.costs.iter().sum::<f64>() < self.best * (1.0 - 1e-12) {
                self.filling.put(part, core);
                all &= self.go(depth + 1);
                self.filling.take(part, core);
            }
        }
        wires.iter().zip(before).for_each(|(wire, cost)| self.costs[*wire] = cost);
        all
    }
}
