//! Spikes of a lane: who fires, what is under way, and what arrives.

use std::borrow::Cow;

use nmc_program::{Amount, ArrayId, Connection, Delay, Draw, Effect, Group, KernelId, Program, Source};
use serde::{Deserialize, Serialize};

use crate::connect::Wiring;
use crate::interpreter::Computable;
use crate::random::Key;
use crate::state::{Buffer, Clock, Indices, Kernels, Synapses, per_byte};

/// The most spikes that an element may be expected to have in one tick.
const MOST_SPIKES: f64 = 10_000.0;

/// Who spiked in a tick.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Spikes {
    /// Ascending; an element that spiked n times stands here n times.
    list: Vec<u32>,
    /// The largest such n; 1 as well when nothing spiked.
    most: u32,
}

/// A group within a lane.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GroupState<T> {
    /// The last ticks: `ring[tick % ring.len()]`.
    ring: Vec<Spikes>,
    /// Poisson: when the next spike comes, in ticks since the sample began, how many were drawn, and at what rate.
    next: Vec<f64>,
    drawn: Vec<u32>,
    rate: Vec<T>,
    /// Poisson: elements by the tick of their next spike, from tick `first` of the sample on; made from `next` where it is not there.
    #[serde(skip)]
    due: Due,
    /// Poisson: where all have one rate and it is high, the chances of at most 0, 1, 2, … spikes in a tick; not looked at yet: none.
    #[serde(skip)]
    chances: Option<Vec<f64>>,
    /// Whether a rate was asked for that no list can hold.
    pub flooded: bool,
}

/// Elements whose next spike comes in one of the ticks from `first` on.
#[derive(Debug, Clone, Default)]
struct Due {
    first: u64,
    ticks: Vec<Vec<u32>>,
}

/// Ticks that are looked ahead.
const AHEAD: u64 = 128;

impl Due {
    /// Those of a tick, if it is known.
    fn take(&mut self, within: u64) -> Option<Vec<u32>> {
        let at = within.checked_sub(self.first)?;
        self.ticks.get_mut(usize::try_from(at).ok()?).map(std::mem::take)
    }

    /// An element's next spike, if it comes that soon.
    fn put(&mut self, element: u32, next: f64) {
        let at = next - self.first as f64;
        if at < self.ticks.len() as f64 {
            self.ticks[at.max(0.0) as usize].push(element);
        }
    }

    /// From a tick on.
    fn look_ahead(&mut self, within: u64, next: &[f64]) {
        self.first = within;
        self.ticks.resize(AHEAD as usize, Vec::new());
        self.ticks.iter_mut().for_each(Vec::clear);
        next.iter().enumerate().for_each(|(element, &next)| self.put(element as u32, next));
    }
}

/// Whether no rate has changed: all compared, without an early end, several at a time.
fn unchanged<T: PartialEq>(known: &[T], rates: &[T]) -> bool {
    known.len() == rates.len() && known.iter().zip(rates).fold(true, |all, (known, rate)| all & (known == rate))
}

impl<T: Computable> GroupState<T> {
    /// A silent group that remembers its spikes for `delay` ticks.
    pub fn new(delay: u32) -> Self {
        GroupState { ring: vec![Spikes::default(); delay as usize + 1], ..GroupState::default() }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        for spikes in &mut self.ring {
            spikes.list.clear();
            spikes.most = 1;
        }
        self.new_sample();
    }

    /// Whether a state read from a file is one of this group, as `fresh` is.
    pub fn is_like(&self, fresh: &Self, len: usize) -> bool {
        let lists = [self.next.len(), self.drawn.len(), self.rate.len()];
        let whole = |spikes: &Spikes| {
            let below = spikes.list.iter().all(|&element| (element as usize) < len);
            below && spikes.list.is_sorted() && spikes.most <= most(&spikes.list)
        };
        let drawn = (lists == [len; 3] && self.next.iter().all(|&next| next >= 0.0)) || self.rate.is_empty();
        drawn && self.ring.len() == fresh.ring.len() && self.ring.iter().all(whole)
    }

    /// Poisson processes are drawn afresh for each sample.
    pub fn new_sample(&mut self) {
        self.rate.clear();
        self.due.ticks.clear();
        self.chances = None;
    }

    fn at(&self, tick: u64, ago: u32) -> Option<&Spikes> {
        let then = tick.checked_sub(u64::from(ago))?;
        Some(&self.ring[(then % self.ring.len() as u64) as usize])
    }

    /// Those that spiked `ago` ticks before `tick`, each as often as it did.
    pub fn spikes(&self, tick: u64, ago: u32) -> &[u32] {
        self.at(tick, ago).map_or(&[], |spikes| &spikes.list)
    }

    /// Those with a spike number `round` (from 0) in that tick, each once, and whether some have more.
    pub fn round(&self, tick: u64, ago: u32, round: usize) -> (Cow<'_, [u32]>, bool) {
        match self.at(tick, ago) {
            Some(Spikes { list, most: 0 | 1 }) if round == 0 => (Cow::Borrowed(list), false),
            Some(Spikes { list, most }) if *most as usize > round => {
                let is_nth =
                    |at: usize| list[at - round] == list[at] && (at == round || list[at - round - 1] != list[at]);
                let nth = (round..list.len()).filter(|&at| is_nth(at)).map(|at| list[at]).collect();
                (Cow::Owned(nth), *most as usize > round + 1)
            }
            Some(_) | None => (Cow::Borrowed(&[]), false),
        }
    }

    /// The list of this tick, emptied, to be filled with different elements.
    fn fresh(&mut self, tick: u64) -> &mut Vec<u32> {
        let slot = (tick % self.ring.len() as u64) as usize;
        self.ring[slot].list.clear();
        self.ring[slot].most = 1;
        &mut self.ring[slot].list
    }

    /// Takes given spikes, in any order, as those of this tick; returns how many.
    pub fn take(&mut self, tick: u64, given: Vec<u32>) -> u64 {
        let list = self.fresh(tick);
        *list = given;
        list.sort_unstable();
        let (most, count) = (most(list), list.len() as u64);
        let slot = (tick % self.ring.len() as u64) as usize;
        self.ring[slot].most = most;
        count
    }

    /// Takes the marked bits as the spikes of this tick; returns how many.
    pub fn collect(&mut self, tick: u64, bitmap: &[u8]) -> u64 {
        let list = self.fresh(tick);
        for (word, bytes) in bitmap.chunks(8).enumerate() {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            let mut bits = u64::from_le_bytes(padded);
            while bits != 0 {
                let (byte, place) = (8 * word as u32 + bits.trailing_zeros() / 8, bits.trailing_zeros() % 8);
                list.push(byte * per_byte::<T>() as u32 + place);
                bits &= bits - 1;
            }
        }
        list.len() as u64
    }

    /// Draws the spikes of a group that no kernel makes; returns how many. `within`: tick within the sample.
    pub fn emit(&mut self, group: &Group, values: &[T], dt: f64, clock: Clock, within: u64, ring_tick: u64) -> u64 {
        match group.source {
            Source::Poisson { .. } => self.poisson(group, values, dt, clock, within, ring_tick),
            Source::Once { .. } => {
                let list = self.fresh(ring_tick);
                let due = |at: f64| at >= 0.0 && (at / dt + 1e-6).floor() == within as f64;
                list.extend((0..group.len).filter(|&i| due(values[i].wide())).map(|i| i as u32));
                list.len() as u64
            }
            // Kernels collect their own; given spikes are put in by the caller.
            Source::Kernel | Source::Given => 0,
        }
    }

    /// Waiting times of a Poisson process are exponential, and those of one whose rate changes begin anew.
    fn poisson(&mut self, group: &Group, rates: &[T], dt: f64, clock: Clock, within: u64, ring_tick: u64) -> u64 {
        if self.rate.is_empty() {
            self.next = vec![0.0; group.len];
            self.drawn = vec![0; group.len];
            self.rate = vec![T::of(f64::NAN); group.len];
        }
        let mut spiking = std::mem::take(self.fresh(ring_tick));
        let (begin, end) = (within as f64, (within + 1) as f64);
        let mut most = 1;
        let unchanged = unchanged(&self.rate, &rates[..group.len]);
        if !unchanged || self.chances.is_none() {
            self.chances = Some(chances(&rates[..group.len], dt));
        }
        if self.chances.as_ref().is_some_and(|chances| !chances.is_empty()) {
            self.rate.copy_from_slice(&rates[..group.len]);
            most = self.counted(group, clock, &mut spiking);
            return self.have_spiked(ring_tick, spiking, most);
        }
        if unchanged {
            let mut known = self.due.take(within);
            if known.is_none() {
                self.due.look_ahead(within, &self.next);
                known = self.due.take(within);
            }
            let mut elements = known.unwrap_or_default();
            elements.sort_unstable();
            for &element in &elements {
                let (at, before) = (element as usize, spiking.len());
                let mean = rates[at].wide() * dt;
                while self.next[at] < end {
                    spiking.push(element);
                    self.next[at] += draw_wait(group, element, &mut self.drawn[at], mean, clock);
                }
                self.due.put(element, self.next[at]);
                most = most.max(spiking.len() - before);
            }
            return self.have_spiked(ring_tick, spiking, most);
        }
        self.due.ticks.clear();
        let elements = self.next.iter_mut().zip(&mut self.rate).zip(&mut self.drawn).zip(rates);
        for (element, (((next, known), drawn), &rate)) in elements.enumerate() {
            // Nearly always.
            if *known == rate && *next >= end {
                continue;
            }
            let mean = rate.wide() * dt;
            let mut wait = || draw_wait(group, element as u32, drawn, mean, clock);
            if *known != rate {
                self.flooded |= mean > MOST_SPIKES;
                *known = rate;
                *next = begin + wait();
            }
            let before = spiking.len();
            while *next < end {
                spiking.push(element as u32);
                *next += wait();
            }
            most = most.max(spiking.len() - before);
        }
        self.have_spiked(ring_tick, spiking, most)
    }

    /// As many spikes of each element as a tick holds, by one number each; returns the most of one.
    fn counted(&self, group: &Group, clock: Clock, spiking: &mut Vec<u32>) -> usize {
        let mut uniform = vec![T::default(); group.len];
        let (seed, sample, component) = (clock.seed, clock.sample as u32, group.component);
        let key = Key { seed, component, element: 0, number: u32::MAX, tick: clock.tick as u32, sample };
        T::draw_all(key, Draw::Uniform, &mut uniform);
        let mut counts = vec![0_u8; group.len];
        for &chance in self.chances.iter().flatten() {
            let chance = T::of(chance);
            counts.iter_mut().zip(&uniform).for_each(|(count, uniform)| *count += u8::from(*uniform >= chance));
        }
        for (element, &count) in counts.iter().enumerate() {
            spiking.extend(std::iter::repeat_n(element as u32, usize::from(count)));
        }
        usize::from(counts.into_iter().max().unwrap_or(0)).max(1)
    }

    fn have_spiked(&mut self, ring_tick: u64, spiking: Vec<u32>, most: usize) -> u64 {
        let count = spiking.len() as u64;
        *self.fresh(ring_tick) = spiking;
        let slot = (ring_tick % self.ring.len() as u64) as usize;
        self.ring[slot].most = most as u32;
        count
    }
}

/// The chances of at most 0, 1, 2, … spikes in a tick, where all rates are one and a tick holds many; else nothing.
fn chances<T: Computable>(rates: &[T], dt: f64) -> Vec<f64> {
    /// Spikes a tick from which counting them is less work than waiting for them, and up to which.
    const COUNTED: std::ops::Range<f64> = 0.3..50.0;
    let Some(mean) = rates.first().map(|rate| rate.wide() * dt) else { return Vec::new() };
    if !COUNTED.contains(&mean) || rates.iter().any(|rate| *rate != rates[0]) {
        return Vec::new();
    }
    let (mut chance, mut sum, mut chances) = ((-mean).exp(), 0.0, Vec::new());
    for count in 1..=u8::MAX {
        sum += chance;
        chances.push(sum);
        chance *= mean / f64::from(count);
        if f64::from(count) > mean && chance < 1e-17 {
            break;
        }
    }
    chances
}

/// How often the most frequent element stands in an ascending list, which is 1 as well for none.
fn most(list: &[u32]) -> u32 {
    list.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(1) as u32
}

/// Ticks to the next spike of a process with so many a tick; those of impossible rates never come.
fn draw_wait(group: &Group, element: u32, drawn: &mut u32, mean: f64, clock: Clock) -> f64 {
    if !(mean > 0.0 && mean <= MOST_SPIKES) {
        return f64::INFINITY;
    }
    let number = *drawn;
    *drawn += 1;
    let (seed, sample) = (clock.seed, clock.sample as u32);
    let key = Key { seed, component: group.component, element, number, tick: 0, sample };
    -(1.0 - key.uniform_f64()).ln() / mean
}

/// Synapses whose spikes are under way, by the tick they arrive in; for delays that differ between synapses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UnderWay {
    ring: Vec<Vec<u32>>,
    /// Synapses at which more spikes arrive in this tick than were taken so far; none between ticks.
    #[serde(skip)]
    rest: Vec<u32>,
}

impl UnderWay {
    /// For delays of at most `ticks`.
    pub fn new(ticks: u32) -> Self {
        UnderWay { ring: vec![Vec::new(); ticks as usize + 1], rest: Vec::new() }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.ring.iter_mut().for_each(Vec::clear);
    }

    /// Whether a state read from a file is one of a connection with `synapses`, as `fresh` is.
    pub fn is_like(&self, fresh: &Self, synapses: usize) -> bool {
        let all_below = |list: &Vec<u32>| list.iter().all(|&synapse| (synapse as usize) < synapses);
        self.ring.len() == fresh.ring.len() && self.ring.iter().all(all_below)
    }

    /// Sends the spikes of this tick, and finds the synapses at which some arrive now.
    fn exchange(&mut self, tick: u64, sent: impl Iterator<Item = (u32, u32)>) {
        let size = self.ring.len() as u64;
        for (synapse, delay) in sent {
            self.ring[((tick + u64::from(delay)) % size) as usize].push(synapse);
        }
        self.rest = std::mem::take(&mut self.ring[(tick % size) as usize]);
        self.rest.sort_unstable();
    }

    /// Synapses at which a spike arrives, ascending, each once; further spikes of a synapse are left for the next round.
    fn round(&mut self) -> Vec<u32> {
        let mut due = std::mem::take(&mut self.rest);
        let mut last = None;
        due.retain(|&synapse| {
            let again = last.replace(synapse) == Some(synapse);
            if again {
                self.rest.push(synapse);
            }
            !again
        });
        due
    }
}

/// A connection ready to carry spikes.
#[derive(Debug, Clone, Default)]
pub struct Carrier {
    pub wiring: Wiring,
    /// Ticks of each synapse, where they differ.
    pub delays: Vec<u32>,
}

/// Longest uniform delay of each group's connections.
pub fn longest_delays(program: &Program) -> Vec<u32> {
    let mut longest = vec![0; program.groups.len()];
    for connection in &program.connections {
        if let (Delay::Ticks(ticks), Some(source)) = (&connection.delay, connection.source) {
            let (ticks, known) = (*ticks, &mut longest[source.index()]);
            *known = ticks.max(*known);
        }
    }
    longest
}

/// Takes the spikes due now through a connection, of each source its spike number `round`; returns how many synapses they
/// reached, and whether there are more. `only_adds`: spikes of this tick do nothing else, of no connection.
#[allow(clippy::too_many_arguments)] // the parts of a lane, each borrowed apart
pub fn deliver<T: Computable>(
    connection: &Connection,
    carrier: &Carrier,
    group: &GroupState<T>,
    under_way: &mut UnderWay,
    kernels: &dyn Kernels<T>,
    buffers: &mut [Buffer<T>],
    lane: usize,
    clock: Clock,
    tick: u64,
    (round, only_adds): (usize, bool),
) -> (u64, bool) {
    let wiring = &carrier.wiring;
    let range = |source: u32| {
        let index = (source as usize).checked_sub(connection.source_start)?;
        (index < connection.source_len).then(|| (wiring.starts[index], wiring.starts[index + 1]))
    };
    match connection.delay {
        Delay::Ticks(ticks) => {
            let mut events = 0;
            // Where spikes do nothing but add, they may do so in any order: all at once.
            if let (Effect::Add { array, amount, held }, true) = (&connection.on_pre, only_adds) {
                let spikes = if round == 0 { group.spikes(tick, ticks) } else { &[] };
                if !spikes.is_empty() {
                    adding(*array, amount, *held, wiring, buffers, lane, |adding| {
                        for (start, end) in spikes.iter().filter_map(|&source| range(source)) {
                            events += u64::from(end - start);
                            adding.range(start as usize, end as usize);
                        }
                    });
                }
                return (events, false);
            }
            let (spikes, more) = group.round(tick, ticks, round);
            for (start, end) in spikes.iter().filter_map(|&source| range(source)) {
                events += u64::from(end - start);
                apply(&connection.on_pre, wiring, Indices::Range(start, end), kernels, buffers, lane, clock);
            }
            (events, more)
        }
        Delay::PerSynapse { .. } => {
            if round == 0 {
                let ranges = group.spikes(tick, 0).iter().filter_map(|&source| range(source));
                let synapses = ranges.flat_map(|(start, end)| start..end);
                under_way.exchange(tick, synapses.map(|synapse| (synapse, carrier.delays[synapse as usize])));
            }
            let due = under_way.round();
            apply(&connection.on_pre, wiring, Indices::List(&due), kernels, buffers, lane, clock);
            (due.len() as u64, !under_way.rest.is_empty())
        }
    }
}

/// All synapses of a connection.
pub fn all(carrier: &Carrier) -> Synapses<'_> {
    let Wiring { sources, targets, .. } = &carrier.wiring;
    Synapses { indices: Indices::Range(0, targets.len() as u32), sources, targets }
}

/// Runs a kernel over the synapses to the neurons that spiked in this tick.
#[allow(clippy::too_many_arguments)] // the parts of a lane, each borrowed apart
pub fn on_post<T: Computable>(
    connection: &Connection,
    kernel: KernelId,
    carrier: &Carrier,
    spikes: &[u32],
    kernels: &dyn Kernels<T>,
    buffers: &mut [Buffer<T>],
    lane: usize,
    clock: Clock,
) {
    for &neuron in spikes {
        let index = (neuron as usize).checked_sub(connection.target_start);
        if let Some(list) = index.and_then(|index| carrier.wiring.into.get(index)) {
            apply(&Effect::Kernel(kernel), &carrier.wiring, Indices::List(list), kernels, buffers, lane, clock);
        }
    }
}

fn apply<T: Computable>(
    effect: &Effect,
    wiring: &Wiring,
    indices: Indices,
    kernels: &dyn Kernels<T>,
    buffers: &mut [Buffer<T>],
    lane: usize,
    clock: Clock,
) {
    match effect {
        Effect::Kernel(kernel) => {
            let synapses = Synapses { indices, sources: &wiring.sources, targets: &wiring.targets };
            kernels.synapses(*kernel, buffers, lane, synapses, clock);
        }
        Effect::Add { array, amount, held } => {
            adding(*array, amount, *held, wiring, buffers, lane, |adding| match indices {
                Indices::Range(start, end) => adding.range(start as usize, end as usize),
                Indices::List(list) => list.iter().for_each(|&synapse| adding.one(synapse as usize)),
            });
        }
    }
}

/// What synapses add to their targets.
struct Adding<'a, T> {
    into: &'a mut [T],
    targets: &'a [u32],
    /// Targets that stand still while this is above 0.
    held: Option<&'a [T]>,
    /// Of each synapse; none: the same of all.
    amounts: Option<&'a [T]>,
    amount: T,
}

impl<T: Computable> Adding<'_, T> {
    fn range(&mut self, start: usize, end: usize) {
        match (self.held, self.amounts) {
            (None, None) => self.targets[start..end].iter().for_each(|&target| add(self.into, target, self.amount)),
            (None, Some(amounts)) => {
                let targets = self.targets[start..end].iter().zip(&amounts[start..end]);
                targets.for_each(|(&target, &amount)| add(self.into, target, amount));
            }
            (Some(_), _) => (start..end).for_each(|synapse| self.one(synapse)),
        }
    }

    fn one(&mut self, synapse: usize) {
        let target = self.targets[synapse];
        if self.held.is_none_or(|held| held[target as usize].wide() <= 0.0) {
            add(self.into, target, self.amounts.map_or(self.amount, |amounts| amounts[synapse]));
        }
    }
}

/// Lets synapses add to an array.
fn adding<T: Computable>(
    array: ArrayId,
    amount: &Amount,
    held: Option<ArrayId>,
    wiring: &Wiring,
    buffers: &mut [Buffer<T>],
    lane: usize,
    add: impl FnOnce(&mut Adding<T>),
) {
    let mut target = std::mem::take(&mut buffers[array.index()]);
    let (amounts, amount) = match amount {
        Amount::Constant(value) => (None, T::of(*value)),
        Amount::Array(amounts) => (Some(buffers[amounts.index()].lane(lane)), T::default()),
    };
    let held = held.map(|held| buffers[held.index()].lane(lane));
    add(&mut Adding { into: target.lane_mut(lane), targets: &wiring.targets, held, amounts, amount });
    buffers[array.index()] = target;
}

#[inline]
fn add<T: Computable>(into: &mut [T], target: u32, value: T) {
    use crate::math::Arithmetic;
    let slot = &mut into[target as usize];
    let mut unit = T::UNIT;
    *slot = unit.add(*slot, value);
}
