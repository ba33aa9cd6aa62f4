//! Takes spikes through a connection: what they add to targets, and the kernels they run over synapses.

use nmc_program::{Amount, ArrayId, Connection, Delay, Effect, KernelId, Pattern};
use pulp::{Arch, Simd, WithSimd};

use crate::bits::{BitRows, Planes};
use crate::connect::{Shape, Wiring};
use crate::interpreter::Computable;
use crate::math::Arithmetic;
use crate::sources::total;
use crate::spikes::{GroupState, Spiked, UnderWay, each_marked};
use crate::state::{Buffer, Clock, Even, Indices, Kernels, Steps};
use crate::team;

/// A connection ready to carry spikes.
#[derive(Debug, Clone, Default)]
pub struct Carrier {
    pub wiring: Wiring,
    /// Ticks of each synapse, where they differ; none where there are `runs`.
    pub delays: Vec<u32>,
    pub runs: Option<Runs>,
}

/// Synapses of each source that have one delay stand together, where nothing but what they add tells them apart: a spike sends runs.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    /// Runs of source `i` (within the source range) are `rows[i] .. rows[i + 1]`.
    pub rows: Vec<u32>,
    /// Synapses of run `i` are `starts[i] .. starts[i + 1]`.
    pub starts: Vec<u32>,
    /// Of each run.
    pub ticks: Vec<u32>,
}

impl Carrier {
    /// How many things spikes may be under way to.
    pub fn reached(&self) -> usize {
        self.runs.as_ref().map_or(self.wiring.len(), |runs| runs.ticks.len())
    }
}

/// Room for what comes together at targets.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// Sources with how many spikes of each.
    spikes: Vec<(u32, u8)>,
    /// Spikes that arrive at each target.
    arrivals: Vec<u16>,
    planes: Vec<Planes>,
    ranges: Vec<(u32, u32)>,
    /// Of each lane a bit for each row, in words.
    pub marks: Vec<u32>,
}

/// One connection in one lane.
pub struct Delivery<'a, T> {
    pub connection: &'a Connection,
    pub carrier: &'a Carrier,
    pub kernels: &'a dyn Kernels<T>,
    pub buffers: &'a mut [Buffer<T>],
    pub scratch: &'a mut Scratch,
    pub lane: usize,
    pub clock: Clock,
}

impl<T: Computable> Delivery<'_, T> {
    /// Takes the spikes due now, of each source its spike number `round`; returns how many synapses they reached, and whether there
    /// are more. `only_adds`: spikes of this tick do nothing else, of no connection; then all are taken in the first round.
    pub fn deliver(
        &mut self,
        group: &GroupState<T>,
        under_way: &mut UnderWay,
        tick: u64,
        (round, only_adds): (usize, bool),
    ) -> (u64, bool) {
        if !self.carrier.wiring.out.is_empty() {
            return self.deliver_rewired(group, under_way, tick, round);
        }
        match (&self.connection.delay, &self.connection.on_pre) {
            // Where spikes do nothing but add, they may do so in any order.
            (&Delay::Ticks(ticks), Effect::Add { array, amount, held }) if only_adds => {
                let spiked = if round == 0 { group.spiked(tick, ticks) } else { Spiked::List(&[]) };
                (self.add(spiked, *array, amount, *held), false)
            }
            (&Delay::Ticks(ticks), Effect::Add { array, amount, held }) => {
                let (spikes, more) = group.round(tick, ticks, round);
                (self.add_in_order(Spiked::List(&spikes), *array, amount, *held), more)
            }
            (&Delay::Ticks(ticks), Effect::Kernel(kernel)) => {
                let (spikes, more) = group.round(tick, ticks, round);
                if self.is_full() {
                    let (first, len) = (self.connection.target_start, self.connection.target_len);
                    let mut events = 0;
                    for &source in &*spikes {
                        let Some(row) = self.row_of(source) else { continue };
                        let synapses = Steps { first: row * len, step: 1 };
                        let sources = Steps { first: source as usize, step: 0 };
                        let targets = Steps { first, step: 1 };
                        self.run(*kernel, Indices::Even(Even { synapses, sources, targets, count: len }));
                        events += len as u64;
                    }
                    return (events, more);
                }
                let mut ranges = std::mem::take(&mut self.scratch.ranges);
                ranges.clear();
                let rows = spikes.iter().filter_map(|&source| self.row_of(source));
                ranges.extend(rows.map(|row| self.carrier.wiring.range(row)));
                let events = ranges.iter().map(|(start, end)| u64::from(end - start)).sum();
                self.run(*kernel, Indices::Ranges(&ranges));
                self.scratch.ranges = ranges;
                (events, more)
            }
            (Delay::PerSynapse { .. }, effect) => {
                if let (Some(runs), Effect::Add { array, amount, held }) = (&self.carrier.runs, effect) {
                    if round == 0 {
                        let rows = group.spikes(tick, 0).iter().filter_map(|&source| self.row_of(source));
                        let sent = rows.flat_map(|row| runs.rows[row]..runs.rows[row + 1]);
                        under_way.exchange(tick, sent.map(|run| (run, runs.ticks[run as usize])));
                    }
                    let (due, more) = under_way.round();
                    let mut events = 0;
                    self.adding(*array, amount, *held, |adding, _| {
                        for &run in &due {
                            let (start, end) = (runs.starts[run as usize], runs.starts[run as usize + 1]);
                            adding.stretch(start as usize, end as usize, 1);
                            events += u64::from(end - start);
                        }
                    });
                    return (events, more);
                }
                if round == 0 {
                    let rows = group.spikes(tick, 0).iter().filter_map(|&source| self.row_of(source));
                    let ranges = rows.map(|row| self.carrier.wiring.range(row));
                    let synapses = ranges.flat_map(|(start, end)| start..end);
                    under_way.exchange(tick, synapses.map(|synapse| (synapse, self.carrier.delays[synapse as usize])));
                }
                let (due, more) = under_way.round();
                self.at_synapses(effect, &due);
                (due.len() as u64, more)
            }
        }
    }

    /// Runs a kernel over the synapses to the neurons that spiked in this tick; returns how many there are.
    pub fn on_post(&mut self, kernel: KernelId, spikes: &[u32]) -> u64 {
        let mut updates = 0;
        for &neuron in spikes {
            let index = (neuron as usize).checked_sub(self.connection.target_start);
            if let (Some(column), true) = (index, self.is_full()) {
                if column < self.connection.target_len {
                    self.run(
                        kernel,
                        Indices::Even(Even {
                            synapses: Steps { first: column, step: self.connection.target_len },
                            sources: Steps { first: self.connection.source_start, step: 1 },
                            targets: Steps { first: neuron as usize, step: 0 },
                            count: self.connection.source_len,
                        }),
                    );
                    updates += self.connection.source_len as u64;
                }
            } else if let Some(list) = index.and_then(|index| self.carrier.wiring.into.get(index)) {
                self.run(kernel, Indices::List(list));
                updates += list.len() as u64;
            }
        }
        updates
    }

    /// Whether rows and columns of synapses are those of a full matrix.
    fn is_full(&self) -> bool {
        matches!(self.connection.pattern, Pattern::AllToAll { .. }) && self.carrier.wiring.shape == Shape::Full
    }

    /// The place of an element of the sending group in the range of sources.
    fn row_of(&self, source: u32) -> Option<usize> {
        let row = (source as usize).checked_sub(self.connection.source_start)?;
        (row < self.connection.source_len).then_some(row)
    }

    /// The same as [`Delivery::deliver`] once synapses have been drawn anew.
    fn deliver_rewired(
        &mut self,
        group: &GroupState<T>,
        under_way: &mut UnderWay,
        tick: u64,
        round: usize,
    ) -> (u64, bool) {
        let (due, more) = match self.connection.delay {
            Delay::Ticks(ticks) => {
                let (spikes, more) = group.round(tick, ticks, round);
                (spikes.iter().flat_map(|&source| self.listed(source)).copied().collect(), more)
            }
            Delay::PerSynapse { .. } => {
                if round == 0 {
                    let synapses = group.spikes(tick, 0).iter().flat_map(|&source| self.listed(source));
                    let delays = &self.carrier.delays;
                    under_way.exchange(tick, synapses.map(|&synapse| (synapse, delays[synapse as usize])));
                }
                under_way.round()
            }
        };
        let connection = self.connection;
        self.at_synapses(&connection.on_pre, &due);
        (due.len() as u64, more)
    }

    /// What arrives at these synapses does what it does.
    fn at_synapses(&mut self, effect: &Effect, synapses: &[u32]) {
        match effect {
            Effect::Kernel(kernel) => self.run(*kernel, Indices::List(synapses)),
            Effect::Add { array, amount, held } => self.adding(*array, amount, *held, |adding, _| {
                synapses.iter().for_each(|&synapse| adding.synapse(synapse as usize, 1));
            }),
        }
    }

    /// Synapses of an element of the sending group, by target.
    fn listed(&self, source: u32) -> &[u32] {
        let index = (source as usize).checked_sub(self.connection.source_start);
        index.and_then(|index| self.carrier.wiring.out.get(index)).map_or(&[], Vec::as_slice)
    }

    fn run(&mut self, kernel: KernelId, indices: Indices) {
        self.kernels.synapses(kernel, self.buffers, self.lane, self.carrier.wiring.synapses(indices), self.clock);
    }

    /// Puts sources that spiked into the room for them, as rows; returns how many spikes there are, and how many synapses they reach.
    fn gather(&mut self, spiked: Spiked) -> (u64, u64) {
        let (first, len) = (self.connection.source_start, self.connection.source_len);
        let mut spikes = std::mem::take(&mut self.scratch.spikes);
        spikes.clear();
        match spiked {
            Spiked::Marks(marks) => each_marked::<T>(marks, |source| {
                spikes.extend(self.row_of(source).map(|row| (row as u32, 1)));
            }),
            Spiked::List(list) => {
                spikes.extend(list.iter().filter_map(|&source| Some((self.row_of(source)? as u32, 1))))
            }
            Spiked::Counts(counts) => {
                let rows = counts[first..first + len].iter().enumerate();
                spikes.extend(rows.filter(|(_, count)| **count > 0).map(|(row, &count)| (row as u32, count)));
            }
        }
        let (mut sent, mut events) = (0, 0);
        for &(row, count) in &spikes {
            let (start, end) = self.carrier.wiring.range(row as usize);
            sent += u64::from(count);
            events += u64::from(end - start) * u64::from(count);
        }
        self.scratch.spikes = spikes;
        (sent, events)
    }

    /// Adds all spikes of a tick at once; returns how many synapses they reached.
    fn add(&mut self, spiked: Spiked, array: ArrayId, amount: &Amount, held: Option<ArrayId>) -> u64 {
        let (wiring, first, len) = (&self.carrier.wiring, self.connection.source_start, self.connection.source_len);
        if let (Spiked::Counts(counts), Shape::Diagonal) = (spiked, wiring.shape) {
            let counts = &counts[first..first + len.min(self.connection.target_len)];
            self.adding(array, amount, held, |adding, _| adding.counted(counts));
            return total(counts);
        }
        let (sent, events) = self.gather(spiked);
        // A count takes as long as so many synapses one by one; measured.
        let many = events * if wiring.bits.is_some() { 10 } else { 2 } >= self.connection.target_len as u64;
        let countable = matches!(amount, Amount::Constant(_)) && !wiring.repeats && sent <= u64::from(u16::MAX);
        if many && countable && events > 0 {
            self.adding(array, amount, held, |adding, scratch| {
                let Scratch { spikes, arrivals, planes, .. } = scratch;
                match &wiring.bits {
                    Some(bits) => adding.by_bits(bits, spikes, (planes, arrivals)),
                    None => {
                        arrivals.clear();
                        arrivals.resize(adding.target_range.len(), 0);
                        spikes.iter().for_each(|&(row, count)| adding.arrive(row, count, arrivals));
                        adding.counted(arrivals);
                    }
                }
            });
            return events;
        }
        self.add_gathered(array, amount, held);
        events
    }

    /// Adds spikes one after the other; returns how many synapses they reached.
    fn add_in_order(&mut self, spiked: Spiked, array: ArrayId, amount: &Amount, held: Option<ArrayId>) -> u64 {
        let (_, events) = self.gather(spiked);
        self.add_gathered(array, amount, held);
        events
    }

    fn add_gathered(&mut self, array: ArrayId, amount: &Amount, held: Option<ArrayId>) {
        self.adding(array, amount, held, |adding, scratch| {
            scratch.spikes.iter().for_each(|&(row, count)| adding.row(row as usize, count));
        });
    }

    /// Lets synapses add to an array.
    fn adding(
        &mut self,
        array: ArrayId,
        amount: &Amount,
        held: Option<ArrayId>,
        add: impl FnOnce(&mut Adding<T>, &mut Scratch),
    ) {
        let mut into = std::mem::take(&mut self.buffers[array.index()]);
        let (amounts, amount) = match amount {
            Amount::Constant(value) => (None, T::of(*value)),
            Amount::Array(amounts) => (Some(self.buffers[amounts.index()].lane(self.lane)), T::default()),
        };
        let held = held.map(|held| self.buffers[held.index()].lane(self.lane));
        let (first, len) = (self.connection.target_start, self.connection.target_len);
        let (wiring, into_lane) = (&self.carrier.wiring, into.lane_mut(self.lane));
        add(
            &mut Adding { into: into_lane, wiring, target_range: first..first + len, held, amounts, amount },
            self.scratch,
        );
        self.buffers[array.index()] = into;
    }
}

/// What came together, added to all targets with the best vectors there are; a closure would be compiled for any processor.
struct Added<'a, T, C> {
    into: &'a mut [T],
    held: Option<&'a [T]>,
    amounts: Option<&'a [T]>,
    amount: T,
    /// Of each target how many spikes.
    counts: &'a [C],
}

impl<T: Computable, C: Copy + Into<f64>> WithSimd for Added<'_, T, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.amounts {
            Some(amounts) => {
                add_all(self.into, self.held, amounts.iter().zip(self.counts).map(|(&amount, &n)| times(amount, n)));
            }
            None => add_all(self.into, self.held, self.counts.iter().map(|&n| times(self.amount, n))),
        }
    }
}

/// Adds one amount to each target, the first to the first; not to those that stand still.
#[inline(always)]
pub fn add_all<T: Computable>(into: &mut [T], held: Option<&[T]>, amounts: impl Iterator<Item = T>) {
    let into = into.iter_mut().zip(amounts);
    match held {
        None => into.for_each(|(into, amount)| add(into, amount)),
        Some(held) => into.zip(held).for_each(|((into, amount), &held)| {
            add(into, if held <= T::default() { amount } else { T::default() });
        }),
    }
}

/// What synapses add to their targets.
struct Adding<'a, T> {
    into: &'a mut [T],
    wiring: &'a Wiring,
    target_range: std::ops::Range<usize>,
    /// Targets that stand still while this is above 0.
    held: Option<&'a [T]>,
    /// Of each synapse; none: the same of all.
    amounts: Option<&'a [T]>,
    amount: T,
}

impl<T: Computable> Adding<'_, T> {
    /// Spikes of one source, one after the other.
    fn row(&mut self, row: usize, count: u8) {
        if let Some(bits) = &self.wiring.bits {
            let first = self.target_range.start;
            return bits.row(row).for_each(|target| self.one(first + target, self.amount, count));
        }
        let (start, end) = self.wiring.range(row);
        self.stretch(start as usize, end as usize, count);
    }

    /// Synapses of one source that follow one another.
    fn stretch(&mut self, start: usize, end: usize, count: u8) {
        let targets = &self.wiring.targets[start..end];
        match (self.held, self.amounts, count) {
            (None, None, 1) => targets.iter().for_each(|&target| add(&mut self.into[target as usize], self.amount)),
            (None, Some(amounts), 1) => {
                let targets = targets.iter().zip(&amounts[start..end]);
                targets.for_each(|(&target, &amount)| add(&mut self.into[target as usize], amount));
            }
            (Some(_), ..) | (None, ..) => (start..end).for_each(|synapse| self.synapse(synapse, count)),
        }
    }

    fn synapse(&mut self, synapse: usize, count: u8) {
        let amount = self.amounts.map_or(self.amount, |amounts| amounts[synapse]);
        self.one(self.wiring.targets[synapse] as usize, amount, count);
    }

    fn one(&mut self, target: usize, amount: T, count: u8) {
        if self.held.is_none_or(|held| held[target].wide() <= 0.0) {
            (0..count).for_each(|_| add(&mut self.into[target], amount));
        }
    }

    /// Counts the spikes of one source at its targets.
    fn arrive(&self, row: u32, count: u8, arrivals: &mut [u16]) {
        let ((start, end), first) = (self.wiring.range(row as usize), self.target_range.start);
        for &target in &self.wiring.targets[start as usize..end as usize] {
            arrivals[target as usize - first] += u16::from(count);
        }
    }

    /// Counts the spikes of all sources at each target, and adds what they bring.
    fn by_bits(&mut self, bits: &BitRows, spikes: &[(u32, u8)], room: (&mut Vec<Planes>, &mut Vec<u16>)) {
        let (into, add) = self.by_count();
        bits.count(spikes, room, into, |first, counts, into| add.dispatch(first, counts, into));
    }

    /// Adds to each target of the range as often as it says, the amount of the synapse of the same place.
    fn counted<C: Copy + Into<f64> + Sync>(&mut self, counts: &[C]) {
        let (into, add) = self.by_count();
        let counts = &counts[..counts.len().min(into.len())];
        let each = team::share(counts.len(), 2048).max(1);
        let parts = into.chunks_mut(each).zip(counts.chunks(each));
        team::each(parts, |part, (into, counts)| add.dispatch(part * each, counts, into));
    }

    /// The targets of the range, and how a count is added to them.
    fn by_count(&mut self) -> (&mut [T], ByCount<'_, T>) {
        let (range, amounts, amount) = (self.target_range.clone(), self.amounts, self.amount);
        let held = self.held.map(|held| &held[range.clone()]);
        (&mut self.into[range], ByCount { held, amounts, amount })
    }
}

/// What spikes bring that are counted.
struct ByCount<'a, T> {
    held: Option<&'a [T]>,
    amounts: Option<&'a [T]>,
    amount: T,
}

impl<T: Computable> ByCount<'_, T> {
    /// Adds to the targets from `first` on.
    fn dispatch<C: Copy + Into<f64>>(&self, first: usize, counts: &[C], into: &mut [T]) {
        let own = first..first + counts.len();
        let (held, amounts) = (self.held.map(|held| &held[own.clone()]), self.amounts.map(|amounts| &amounts[own]));
        Arch::new().dispatch(Added { into, held, amounts, amount: self.amount, counts });
    }
}

#[inline(always)]
pub fn add<T: Computable>(into: &mut T, amount: T) {
    let mut unit = T::UNIT;
    *into = unit.add(*into, amount);
}

#[inline(always)]
fn times<T: Computable>(amount: T, count: impl Into<f64>) -> T {
    let mut unit = T::UNIT;
    unit.multiply(amount, T::of(count.into()))
}
