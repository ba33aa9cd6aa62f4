//! Looks for the shortest interval at which everything can be placed, then for a short latency.

use super::Failure;
use super::model::{Model, Use};
use super::place::{Found, Placer, latency, overfull};

/// How many uses may be placed at one interval, so that large problems take no longer than they must.
const EFFORT: usize = 50_000;
/// At least and at most so many tries at one interval.
const TRIES: (usize, usize) = (2, 48);

/// Why an interval does not do.
#[derive(Clone, Copy)]
enum Unfit {
    Clash,
    /// Everything has a place, but this core would have to hold too much.
    Full(usize),
}

struct Search<'a, 'b> {
    model: &'b Model<'a>,
    /// First those that start first; first those with the longest way to the end; first those that meet most others.
    orders: [Vec<usize>; 3],
    /// Starts if nothing clashed.
    expected: Vec<i64>,
    /// How often there was no room left for an operation: these are placed first.
    urgency: Vec<u32>,
    /// How many uses there are, at least one for each operation.
    size: usize,
}

pub fn search(model: &Model) -> Result<Found, Failure> {
    let mut search = Search::new(model);
    if let Some(tick) = model.problem.tick {
        return search.within(tick);
    }
    let (mut interval, mut full) = (model.bound.max(1), None);
    let starts = match search.at(interval) {
        Ok(starts) => starts,
        Err(unfit) => {
            let (starts, unfit) = search.longer(&mut interval, unfit)?;
            if let Unfit::Full(core) = unfit {
                full = Some(core);
            }
            starts
        }
    };
    Ok(Found { starts: search.polish(interval, starts), interval, full })
}

impl<'a, 'b> Search<'a, 'b> {
    fn new(model: &'b Model<'a>) -> Self {
        let count = model.order.len();
        let (mut expected, mut heights, mut ranks) = (vec![0; count], model.lengths.clone(), vec![0; count]);
        for (rank, &operation) in model.order.iter().enumerate() {
            ranks[operation] = rank;
            for edge in &model.readers[operation] {
                expected[edge.other] = expected[edge.other].max(expected[operation] + edge.lag);
            }
        }
        for &operation in model.order.iter().rev() {
            for edge in &model.readers[operation] {
                heights[operation] = heights[operation].max(edge.lag + heights[edge.other]);
            }
        }
        // The first two put what is waited for first.
        let (mut by_time, mut by_height) = (model.order.clone(), model.order.clone());
        by_time.sort_by_key(|&operation| (expected[operation], -heights[operation], ranks[operation]));
        by_height.sort_by_key(|&operation| (-heights[operation], ranks[operation]));
        let load = |used: &Use| i128::from(model.loads[used.table]);
        let met = |operation: &usize| model.uses[*operation].iter().map(load).sum::<i128>();
        let mut by_clashes = by_time.clone();
        by_clashes.sort_by_cached_key(|operation| std::cmp::Reverse(met(operation)));
        let size = count + model.uses.iter().map(Vec::len).sum::<usize>();
        let orders = [by_time, by_height, by_clashes];
        Self { model, orders, expected, urgency: vec![0; count], size: size.max(1) }
    }

    /// How often everything may be placed in all.
    fn runs(&self) -> usize {
        60 * EFFORT / self.size
    }

    /// Starts at an interval.
    fn at(&mut self, interval: i64) -> Result<Vec<i64>, Unfit> {
        const PLAIN: [(usize, bool); 6] = [(0, false), (2, false), (1, false), (0, true), (2, true), (1, true)];
        let (mut unfit, mut spent, mut full) = (Unfit::Clash, 0, 0);
        for turn in 0..TRIES.1 {
            // Where buffers are too small, other orders hardly help.
            if full == PLAIN.len() || turn >= TRIES.0 && spent >= EFFORT {
                break;
            }
            let mut placer = Placer::new(self.model, interval);
            let placed = if let Some(&(order, tight)) = PLAIN.get(turn) {
                placer.place(&self.orders[order], tight, &self.expected)
            } else {
                let mut order = self.orders[[0, 2, 2, 1][turn % 4]].clone();
                order.sort_by_key(|&operation| std::cmp::Reverse(self.urgency[operation]));
                placer.place(&order, turn / 4 % 2 == 0, &self.expected)
            };
            spent += placer.spent;
            match placed {
                Err(operation) => self.urgency[operation] += 1,
                Ok(mut starts) => {
                    if self.model.stores.is_empty() {
                        return Ok(starts);
                    }
                    placer.late(&mut starts);
                    match overfull(self.model, &starts, interval) {
                        None => return Ok(starts),
                        Some((core, _)) => (unfit, full) = (Unfit::Full(core), full + 1),
                    }
                }
            }
        }
        Err(unfit)
    }

    /// Grows an interval that does not do until it does, then goes back between the last that did not and the first that
    /// did; also why nothing shorter did.
    fn longer(&mut self, interval: &mut i64, mut unfit: Unfit) -> Result<(Vec<i64>, Unfit), Failure> {
        let finest = (*interval >> self.runs().max(1).ilog2().clamp(4, 10)).max(1);
        let (mut low, mut step) = (*interval, finest);
        let (single, most) = self.single(false);
        let mut starts = loop {
            *interval = low + step;
            if *interval >= most {
                *interval = most;
                break self.alone(single, interval)?;
            }
            match self.at(*interval) {
                Ok(found) => break found,
                Err(why) => (low, unfit, step) = (*interval, why, step * 2),
            }
        };
        while *interval - low > finest {
            let middle = low + (*interval - low) / 2;
            match self.at(middle) {
                Ok(found) => (starts, *interval) = (found, middle),
                Err(why) => (low, unfit) = (middle, why),
            }
        }
        Ok((starts, unfit))
    }

    /// A timetable of a sample alone, and how long it takes.
    fn single(&self, polished: bool) -> (Vec<i64>, i64) {
        let period = self.model.lengths.iter().sum::<i64>() + 1;
        let starts = if polished {
            self.polish(period, Vec::new())
        } else {
            let mut placer = Placer::new(self.model, period);
            let mut starts = placer.place(&self.orders[0], false, &self.expected).unwrap_or_default();
            placer.late(&mut starts);
            starts
        };
        let latency = latency(self.model, &starts).max(1);
        (starts, latency)
    }

    /// No samples overlap; if a buffer is still too small, nothing does.
    fn alone(&self, single: Vec<i64>, interval: &mut i64) -> Result<Vec<i64>, Failure> {
        let Some(first) = overfull(self.model, &single, *interval) else { return Ok(single) };
        let starts = self.serial();
        *interval = latency(self.model, &starts).max(1);
        let Some(second) = overfull(self.model, &starts, *interval) else { return Ok(starts) };
        let room = |core: usize| self.model.problem.buffers[core];
        let excess = |(core, bits): (usize, f64)| bits - room(core);
        let (core, needs) = if excess(first) < excess(second) { first } else { second };
        Err(Failure::Buffer { core, needs, room: room(core) })
    }

    /// One thing at a time, each read as soon as it can be.
    fn serial(&self) -> Vec<i64> {
        let model = self.model;
        let (mut starts, mut time) = (vec![i64::MIN; model.order.len()], 0);
        for &last in model.order.iter().filter(|&&operation| model.readers[operation].is_empty()) {
            let mut open = vec![(last, 0)];
            while let Some((operation, next)) = open.last_mut() {
                if let Some(edge) = model.before[*operation].get(*next) {
                    *next += 1;
                    if starts[edge.other] == i64::MIN {
                        open.push((edge.other, 0));
                    }
                    continue;
                }
                starts[*operation] = time;
                time += model.lengths[*operation];
                open.pop();
            }
        }
        starts
    }

    /// A sample that is over within a tick.
    fn within(&self, tick: f64) -> Result<Found, Failure> {
        let (single, mut interval) = self.single(true);
        let starts = self.alone(single, &mut interval)?;
        let needs = latency(self.model, &starts) as f64 * self.model.quantum;
        if needs > tick * (1.0 + 1e-12) {
            return Err(Failure::Tick { needs });
        }
        Ok(Found { starts, interval, full: None })
    }

    /// The timetable of least latency that a few orders and moving everything back and forth give.
    fn polish(&self, interval: i64, found: Vec<i64>) -> Vec<i64> {
        let mut best = found;
        if !best.is_empty() {
            let (mut placer, mut starts) = (Placer::with(self.model, interval, &best), best.clone());
            self.shake(&mut placer, &mut starts);
            self.keep(&mut best, starts, interval);
        }
        let others = if self.runs() < 100 { usize::from(best.is_empty()) } else { 2 };
        for order in self.orders.iter().take(others) {
            let mut placer = Placer::new(self.model, interval);
            let Ok(mut starts) = placer.place(order, false, &self.expected) else { continue };
            self.shake(&mut placer, &mut starts);
            self.keep(&mut best, starts, interval);
        }
        best
    }

    fn shake(&self, placer: &mut Placer, starts: &mut [i64]) {
        placer.late(starts);
        for _ in 0..(self.runs() / 20).min(10) {
            let before = latency(self.model, starts);
            placer.early(starts);
            placer.late(starts);
            if latency(self.model, starts) >= before {
                break;
            }
        }
    }

    fn keep(&self, best: &mut Vec<i64>, starts: Vec<i64>, interval: i64) {
        let better = best.is_empty() || latency(self.model, &starts) <= latency(self.model, best);
        if better && (best.is_empty() || overfull(self.model, &starts, interval).is_none()) {
            *best = starts;
        }
    }
}
