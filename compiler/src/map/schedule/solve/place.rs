//! Puts operations into reservation tables one after another, and moves them about to shorten the latency.

use super::model::Model;
use super::table::Table;

/// A timetable in quanta.
#[derive(Debug, Clone)]
pub struct Found {
    pub starts: Vec<i64>,
    pub interval: i64,
    /// The core whose buffer made the interval longer than what is occupied needs.
    pub full: Option<usize>,
}

/// Reservation tables at an interval.
pub struct Placer<'a, 'b> {
    model: &'b Model<'a>,
    tables: Vec<Table>,
    interval: i64,
    /// How many uses were placed.
    pub spent: usize,
}

impl<'a, 'b> Placer<'a, 'b> {
    pub fn new(model: &'b Model<'a>, interval: i64) -> Self {
        let tables = model.counts.iter().map(|&count| Table::new(count, interval)).collect();
        Self { model, tables, interval, spent: 0 }
    }

    /// With the reservations of a timetable.
    pub fn with(model: &'b Model<'a>, interval: i64, starts: &[i64]) -> Self {
        let mut placer = Self::new(model, interval);
        for (operation, &start) in starts.iter().enumerate() {
            placer.take(operation, start);
        }
        placer
    }

    fn phase(&self, time: i64) -> i64 {
        time.rem_euclid(self.interval)
    }

    fn take(&mut self, operation: usize, start: i64) {
        for used in &self.model.uses[operation] {
            let phase = self.phase(start + used.offset);
            self.tables[used.table].take(phase, used.time, used.need);
        }
    }

    fn give(&mut self, operation: usize, start: i64) {
        for used in &self.model.uses[operation] {
            let phase = self.phase(start + used.offset);
            self.tables[used.table].give(phase, used.time, used.need);
        }
    }

    /// The first start from `ready` on at which all that an operation occupies is free.
    fn first(&self, operation: usize, ready: i64) -> Option<i64> {
        let uses = &self.model.uses[operation];
        let (mut start, mut agreed, mut at) = (ready, 0, 0);
        while agreed < uses.len() {
            let used = &uses[at];
            let shift = self.tables[used.table].later(self.phase(start + used.offset), used.time, used.need)?;
            if shift > 0 {
                (start, agreed) = (start + shift, 0);
                if start - ready >= self.interval {
                    return None;
                }
            }
            agreed += 1;
            at = (at + 1) % uses.len();
        }
        Some(start)
    }

    /// The last start up to `limit` at which all that an operation occupies is free.
    fn last(&self, operation: usize, limit: i64) -> Option<i64> {
        let uses = &self.model.uses[operation];
        let (mut start, mut agreed, mut at) = (limit, 0, 0);
        while agreed < uses.len() {
            let used = &uses[at];
            let shift = self.tables[used.table].earlier(self.phase(start + used.offset), used.time, used.need)?;
            if shift > 0 {
                (start, agreed) = (start - shift, 0);
                if limit - start >= self.interval {
                    return None;
                }
            }
            agreed += 1;
            at = (at + 1) % uses.len();
        }
        Some(start)
    }

    /// Like `first`, but right behind another reservation of what the operation needs most, so that no gap is left there.
    fn behind(&self, operation: usize, ready: i64) -> Option<i64> {
        let mut start = self.first(operation, ready)?;
        let (Some(used), earliest) = (self.model.uses[operation].first(), start) else { return Some(start) };
        loop {
            let shift = self.tables[used.table].next_end(self.phase(start + used.offset));
            if shift == 0 {
                return Some(start);
            }
            start = self.first(operation, start + shift)?;
            if start - ready >= self.interval {
                return Some(earliest);
            }
        }
    }

    /// Places every operation, in this order; those before others that they wait for go where these are expected.
    /// `Err`: the operation for which there is no room.
    pub fn place(&mut self, order: &[usize], tight: bool, expected: &[i64]) -> Result<Vec<i64>, usize> {
        const OPEN: i64 = i64::MIN;
        let mut starts = vec![OPEN; order.len()];
        for &operation in order {
            let before = &self.model.before[operation];
            let known = before.iter().all(|edge| starts[edge.other] != OPEN);
            let after = before.iter().map(|edge| starts[edge.other] + edge.lag);
            let ready = if known { after.max().unwrap_or(0) } else { expected[operation] };
            let found = if tight { self.behind(operation, ready) } else { self.first(operation, ready) };
            self.spent += 1 + self.model.uses[operation].len();
            starts[operation] = found.ok_or(operation)?;
            self.take(operation, starts[operation]);
        }
        // Phases stand; whoever comes too early waits whole intervals.
        for &operation in &self.model.order {
            let late = self.ready(operation, &starts).map_or(0, |ready| ready - starts[operation]);
            if late > 0 {
                starts[operation] += (late + self.interval - 1) / self.interval * self.interval;
            }
        }
        Ok(starts)
    }

    fn ready(&self, operation: usize, starts: &[i64]) -> Option<i64> {
        let before = self.model.before[operation].iter();
        before.map(|edge| starts[edge.other] + edge.lag).max()
    }

    /// Moves every operation to its last start, so that values wait as little as they can.
    pub fn late(&mut self, starts: &mut [i64]) {
        let ends = starts.iter().zip(&self.model.lengths).map(|(start, length)| start + length);
        let last = ends.max().unwrap_or(0);
        let mut order: Vec<usize> = self.model.order.iter().rev().copied().collect();
        order.sort_by_key(|&operation| std::cmp::Reverse(starts[operation]));
        for operation in order {
            let readers = self.model.readers[operation].iter();
            let limit = readers.map(|edge| starts[edge.other] - edge.lag).min();
            let limit = limit.unwrap_or(last - self.model.lengths[operation]);
            if limit > starts[operation] {
                self.shift(operation, starts, |placer| placer.last(operation, limit));
            }
        }
    }

    /// Moves every operation to its first start.
    pub fn early(&mut self, starts: &mut [i64]) {
        let first = starts.iter().copied().min().unwrap_or(0);
        let mut order: Vec<usize> = self.model.order.clone();
        order.sort_by_key(|&operation| starts[operation]);
        for operation in order {
            let ready = self.ready(operation, starts).map_or(first, |ready| ready.max(first));
            if ready < starts[operation] {
                self.shift(operation, starts, |placer| placer.first(operation, ready));
            }
        }
    }

    fn shift(&mut self, operation: usize, starts: &mut [i64], to: impl Fn(&Self) -> Option<i64>) {
        self.give(operation, starts[operation]);
        if let Some(start) = to(self) {
            starts[operation] = start;
        }
        self.take(operation, starts[operation]);
    }
}

/// From the first start to the last end.
pub fn latency(model: &Model, starts: &[i64]) -> i64 {
    let last = starts.iter().zip(&model.lengths).map(|(start, length)| start + length).max();
    last.unwrap_or(0) - starts.iter().copied().min().unwrap_or(0)
}

/// The core that is most above its room, with the most bits it holds; `None`: all have room.
pub fn overfull(model: &Model, starts: &[i64], interval: i64) -> Option<(usize, f64)> {
    let mut worst: Option<(usize, f64)> = None;
    let excess = |core: usize, bits: f64| bits - model.problem.buffers[core];
    for stores in model.stores.chunk_by(|a, b| a.core == b.core) {
        let core = stores[0].core;
        let bits = most_held(stores, starts, interval);
        if bits > model.problem.buffers[core] * (1.0 + 1e-9)
            && worst.is_none_or(|(other, most)| excess(core, bits) > excess(other, most))
        {
            worst = Some((core, bits));
        }
    }
    worst
}

/// The most bits on a core at any time, all samples on their way counted.
fn most_held(stores: &[super::model::Store], starts: &[i64], interval: i64) -> f64 {
    let mut always = 0.0;
    let mut changes: Vec<(i64, f64)> = Vec::new();
    for store in stores {
        let from = starts[store.writer] + store.ready;
        let until = store.readers.iter().map(|reader| starts[reader.other] + reader.lag).max().unwrap_or(from);
        always += store.bits * ((until - from) / interval) as f64;
        let rest = (until - from) % interval;
        if rest > 0 {
            let (from, until) = (from.rem_euclid(interval), until.rem_euclid(interval));
            if from > until {
                always += store.bits;
            }
            changes.extend([(from, store.bits), (until, -store.bits)]);
        }
    }
    // At the same time, what goes makes room for what comes.
    changes.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (mut held, mut most) = (always, always);
    for (_, bits) in changes {
        held += bits;
        most = f64::max(most, held);
    }
    most
}
