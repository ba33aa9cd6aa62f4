//! Takes spikes through a connection: what they add to targets, and the kernels they run over synapses.

use nmc_program::{Amount, ArrayId, Connection, Delay, Effect, KernelId};
use pulp::{Arch, Simd, WithSimd};

use crate::connect::{Shape, Wiring};
use crate::interpreter::Computable;
use crate::math::Arithmetic;
use crate::spikes::{GroupState, Spiked, UnderWay};
use crate::state::{Buffer, Clock, Indices, Kernels};

/// A connection ready to carry spikes.
#[derive(Debug, Clone, Default)]
pub struct Carrier {
    pub wiring: Wiring,
    /// Ticks of each synapse, where they differ.
    pub delays: Vec<u32>,
}

/// Room for what comes together at targets.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// Spikes that arrive at each; 0 between uses.
    arrivals: Vec<u16>,
    ranges: Vec<(u32, u32)>,
    /// Of each lane.
    rows: Vec<Vec<u32>>,
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
        match (&self.connection.delay, &self.connection.on_pre) {
            // Where spikes do nothing but add, they may do so in any order.
            (&Delay::Ticks(ticks), Effect::Add { array, amount, held }) if only_adds => {
                let spiked = if round == 0 { group.spiked(tick, ticks) } else { Spiked::List(&[]) };
                (self.add(spiked, *array, amount, *held), false)
            }
            (&Delay::Ticks(ticks), effect) => {
                let (spikes, more) = group.round(tick, ticks, round);
                if !self.carrier.wiring.out.is_empty() {
                    let listed: Vec<u32> = spikes.iter().flat_map(|&source| self.listed(source)).copied().collect();
                    self.apply(effect, Indices::List(&listed));
                    return (listed.len() as u64, more);
                }
                let mut ranges = std::mem::take(&mut self.scratch.ranges);
                ranges.clear();
                ranges.extend(spikes.iter().filter_map(|&source| self.synapses_of(source)));
                let events = ranges.iter().map(|(start, end)| u64::from(end - start)).sum();
                self.apply(effect, Indices::Ranges(&ranges));
                self.scratch.ranges = ranges;
                (events, more)
            }
            (Delay::PerSynapse { .. }, effect) => {
                if round == 0 && !self.carrier.wiring.out.is_empty() {
                    let synapses = group.spikes(tick, 0).iter().flat_map(|&source| self.listed(source));
                    let delays = &self.carrier.delays;
                    under_way.exchange(tick, synapses.map(|&synapse| (synapse, delays[synapse as usize])));
                } else if round == 0 {
                    let ranges = group.spikes(tick, 0).iter().filter_map(|&source| self.synapses_of(source));
                    let synapses = ranges.flat_map(|(start, end)| start..end);
                    under_way.exchange(tick, synapses.map(|synapse| (synapse, self.carrier.delays[synapse as usize])));
                }
                let (due, more) = under_way.round();
                self.apply(effect, Indices::List(&due));
                (due.len() as u64, more)
            }
        }
    }

    /// Runs a kernel over the synapses to the neurons that spiked in this tick.
    pub fn on_post(&mut self, kernel: KernelId, spikes: &[u32]) {
        for &neuron in spikes {
            let index = (neuron as usize).checked_sub(self.connection.target_start);
            if let Some(list) = index.and_then(|index| self.carrier.wiring.into.get(index)) {
                self.run(kernel, Indices::List(list));
            }
        }
    }

    /// Synapses of an element of the sending group.
    fn synapses_of(&self, source: u32) -> Option<(u32, u32)> {
        let index = (source as usize).checked_sub(self.connection.source_start)?;
        let starts = &self.carrier.wiring.starts;
        (index < self.connection.source_len).then(|| (starts[index], starts[index + 1]))
    }

    /// The same once synapses have been drawn anew.
    fn listed(&self, source: u32) -> &[u32] {
        let index = (source as usize).checked_sub(self.connection.source_start);
        index.and_then(|index| self.carrier.wiring.out.get(index)).map_or(&[], Vec::as_slice)
    }

    fn run(&mut self, kernel: KernelId, indices: Indices) {
        self.kernels.synapses(kernel, self.buffers, self.lane, self.carrier.wiring.synapses(indices), self.clock);
    }

    fn apply(&mut self, effect: &Effect, indices: Indices) {
        match effect {
            Effect::Kernel(kernel) => self.run(*kernel, indices),
            Effect::Add { array, amount, held } => self.adding(*array, amount, *held, |adding, _| match indices {
                Indices::Ranges(ranges) => ranges.iter().for_each(|&range| adding.range(range, 1)),
                Indices::List(list) => list.iter().for_each(|&synapse| adding.one(synapse as usize, 1)),
            }),
        }
    }

    /// Adds all spikes of a tick at once; returns how many synapses they reached.
    fn add(&mut self, spiked: Spiked, array: ArrayId, amount: &Amount, held: Option<ArrayId>) -> u64 {
        let (wiring, first, len) = (&self.carrier.wiring, self.connection.source_start, self.connection.source_len);
        let mut rows = std::mem::take(&mut self.scratch.ranges);
        rows.clear();
        let counts = match spiked {
            Spiked::List(spikes) => {
                rows.extend(spikes.iter().filter_map(|&source| self.synapses_of(source)));
                &[]
            }
            Spiked::Counts(counts) => &counts[first..first + len],
        };
        let counted = || {
            let each = wiring.starts.windows(2).zip(counts).filter(|(_, count)| **count > 0);
            each.map(|(ends, &count)| ((ends[0], ends[1]), count))
        };
        let spikes = || rows.iter().map(|&row| (row, 1)).chain(counted());
        let (mut sent, mut events) = (0, 0);
        spikes().for_each(|((start, end), count)| {
            sent += u64::from(count);
            events += u64::from(end - start) * u64::from(count);
        });
        let many = events * 2 >= self.connection.target_len as u64;
        let countable = matches!(amount, Amount::Constant(_)) && !wiring.repeats && sent <= u64::from(u16::MAX);
        if events > 0 {
            self.adding(array, amount, held, |adding, scratch| match wiring.shape {
                Shape::Diagonal if !counts.is_empty() => Arch::new().dispatch(Added::Each(adding, counts)),
                Shape::Listed | Shape::Full | Shape::Diagonal if many && countable => {
                    let arrivals = &mut scratch.arrivals;
                    arrivals.resize(adding.into.len(), 0);
                    rows.iter().for_each(|&row| adding.arrive(row, 1, arrivals));
                    counted().for_each(|(row, count)| adding.arrive(row, count, arrivals));
                    Arch::new().dispatch(Added::Arrived(adding, arrivals));
                }
                Shape::Listed | Shape::Full | Shape::Diagonal => {
                    spikes().for_each(|(row, count)| adding.range(row, count));
                }
            });
        }
        self.scratch.ranges = rows;
        events
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
        let targets = &self.carrier.wiring.targets;
        let into_lane = into.lane_mut(self.lane);
        add(
            &mut Adding { into: into_lane, targets, target_range: first..first + len, held, amounts, amount },
            self.scratch,
        );
        self.buffers[array.index()] = into;
    }
}

/// Where every source reaches all targets and the weights stand in `amounts`: adds the rows of all that spiked, in all lanes side by side, so
/// that weights come from memory once. Returns how many synapses were reached; none where this is not so.
pub fn deliver_rows<T: Computable>(
    connection: &Connection,
    carrier: &Carrier,
    groups: &[Vec<GroupState<T>>],
    buffers: &mut [Buffer<T>],
    scratch: &mut Scratch,
    tick: u64,
) -> Option<u64> {
    let Effect::Add { array, amount: Amount::Array(amounts), held } = &connection.on_pre else { return None };
    let (Delay::Ticks(ago), Some(source)) = (&connection.delay, connection.source) else { return None };
    if carrier.wiring.shape != Shape::Full || buffers[amounts.index()].per_lane {
        return None;
    }
    let sources = connection.source_start..connection.source_start + connection.source_len;
    scratch.rows.resize(groups.len(), Vec::new());
    for (rows, groups) in scratch.rows.iter_mut().zip(groups) {
        let Spiked::List(spikes) = groups[source.index()].spiked(tick, *ago) else { return None };
        let within = spikes.iter().filter(|&&source| sources.contains(&(source as usize)));
        rows.clear();
        rows.extend(within.map(|&source| carrier.wiring.starts[source as usize - sources.start]));
    }
    let mut into = std::mem::take(&mut buffers[array.index()]);
    let (amounts, held) = (buffers[amounts.index()].lane(0), held.map(|held| &buffers[held.index()]));
    let targets = connection.target_start..connection.target_start + connection.target_len;
    let rows = &scratch.rows;
    // As many sums as registers hold.
    match size_of::<T>() {
        4 => Arch::new().dispatch(Rows::<T, 64> { amounts, rows, targets, held, into: &mut into }),
        _ => Arch::new().dispatch(Rows::<T, 32> { amounts, rows, targets, held, into: &mut into }),
    }
    buffers[array.index()] = into;
    Some(rows.iter().map(|rows| rows.len() as u64).sum::<u64>() * connection.target_len as u64)
}

/// Adds rows that begin at some places of `amounts`, those of each lane in order: first together, then to what is there.
struct Rows<'a, T, const WIDTH: usize> {
    amounts: &'a [T],
    rows: &'a [Vec<u32>],
    targets: std::ops::Range<usize>,
    held: Option<&'a Buffer<T>>,
    into: &'a mut Buffer<T>,
}

impl<T: Computable, const WIDTH: usize> WithSimd for Rows<'_, T, WIDTH> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for first in self.targets.clone().step_by(WIDTH) {
            let (last, skipped) = (self.targets.end.min(first + WIDTH), first - self.targets.start);
            for (lane, rows) in self.rows.iter().enumerate() {
                let mut sums = [T::default(); WIDTH];
                for &row in rows {
                    let row = &self.amounts[row as usize + skipped..][..last - first];
                    match row.first_chunk::<WIDTH>() {
                        Some(row) => (0..WIDTH).for_each(|at| add(&mut sums[at], row[at])),
                        None => sums.iter_mut().zip(row).for_each(|(sum, &amount)| add(sum, amount)),
                    }
                }
                let into = &mut self.into.lane_mut(lane)[first..last];
                match self.held.map(|held| &held.lane(lane)[first..last]) {
                    None => into.iter_mut().zip(&sums).for_each(|(into, &sum)| add(into, sum)),
                    Some(held) => into.iter_mut().zip(&sums).zip(held).for_each(|((into, &sum), &held)| {
                        add(into, if held <= T::default() { sum } else { T::default() });
                    }),
                }
            }
        }
    }
}

/// What came together, added to all targets with the best vectors there are; a closure would be compiled for any processor.
enum Added<'x, 'a, T> {
    /// Of each source so many spikes, to the target of the same place.
    Each(&'x mut Adding<'a, T>, &'x [u8]),
    /// Spikes counted at their targets.
    Arrived(&'x mut Adding<'a, T>, &'x mut [u16]),
}

impl<T: Computable> WithSimd for Added<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self {
            Added::Each(adding, counts) => adding.each(counts),
            Added::Arrived(adding, arrivals) => adding.arrived(arrivals),
        }
    }
}

/// What synapses add to their targets.
struct Adding<'a, T> {
    into: &'a mut [T],
    targets: &'a [u32],
    target_range: std::ops::Range<usize>,
    /// Targets that stand still while this is above 0.
    held: Option<&'a [T]>,
    /// Of each synapse; none: the same of all.
    amounts: Option<&'a [T]>,
    amount: T,
}

impl<T: Computable> Adding<'_, T> {
    /// Spikes of one source, one after the other.
    fn range(&mut self, (start, end): (u32, u32), count: u8) {
        let (start, end) = (start as usize, end as usize);
        match (self.held, self.amounts, count) {
            (None, None, 1) => {
                self.targets[start..end].iter().for_each(|&target| add(&mut self.into[target as usize], self.amount))
            }
            (None, Some(amounts), 1) => {
                let targets = self.targets[start..end].iter().zip(&amounts[start..end]);
                targets.for_each(|(&target, &amount)| add(&mut self.into[target as usize], amount));
            }
            (Some(_), ..) | (None, ..) => (start..end).for_each(|synapse| self.one(synapse, count)),
        }
    }

    fn one(&mut self, synapse: usize, count: u8) {
        let target = self.targets[synapse] as usize;
        if self.held.is_none_or(|held| held[target].wide() <= 0.0) {
            let amount = self.amounts.map_or(self.amount, |amounts| amounts[synapse]);
            (0..count).for_each(|_| add(&mut self.into[target], amount));
        }
    }

    /// Counts the spikes of one source at its targets.
    fn arrive(&self, (start, end): (u32, u32), count: u8, arrivals: &mut [u16]) {
        for &target in &self.targets[start as usize..end as usize] {
            arrivals[target as usize] += u16::from(count);
        }
    }

    /// Adds what was counted, which is forgotten.
    #[inline(always)]
    fn arrived(&mut self, arrivals: &mut [u16]) {
        let (arrivals, amount) = (&mut arrivals[self.target_range.clone()], self.amount);
        self.all(arrivals.iter().map(|&count| times(amount, count)));
        arrivals.fill(0);
    }

    #[inline(always)]
    fn each(&mut self, counts: &[u8]) {
        match (self.amounts, self.amount) {
            (Some(amounts), _) => self.all(amounts.iter().zip(counts).map(|(&amount, &count)| times(amount, count))),
            (None, amount) => self.all(counts.iter().map(|&count| times(amount, count))),
        }
    }

    /// Adds one amount to each target, the first to the first; not to those that stand still.
    #[inline(always)]
    fn all(&mut self, amounts: impl Iterator<Item = T>) {
        let into = self.into[self.target_range.clone()].iter_mut().zip(amounts);
        match self.held {
            None => into.for_each(|(into, amount)| add(into, amount)),
            Some(held) => into.zip(&held[self.target_range.clone()]).for_each(|((into, amount), &held)| {
                add(into, if held <= T::default() { amount } else { T::default() });
            }),
        }
    }
}

#[inline(always)]
fn add<T: Computable>(into: &mut T, amount: T) {
    let mut unit = T::UNIT;
    *into = unit.add(*into, amount);
}

#[inline(always)]
fn times<T: Computable>(amount: T, count: impl Into<f64>) -> T {
    let mut unit = T::UNIT;
    unit.multiply(amount, T::of(count.into()))
}
