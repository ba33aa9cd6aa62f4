//! Spikes of a lane: who fires, what is under way, and what arrives.

use std::borrow::Cow;

use nmc_program::{Amount, Connection, Delay, Effect, Group, Program, Source};
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
    /// Whether a rate was asked for that no list can hold.
    pub flooded: bool,
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
        let count = spiking.len() as u64;
        *self.fresh(ring_tick) = spiking;
        let slot = (ring_tick % self.ring.len() as u64) as usize;
        self.ring[slot].most = most as u32;
        count
    }
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
        if let Delay::Ticks(ticks) = connection.delay {
            let known = &mut longest[connection.source.index()];
            *known = ticks.max(*known);
        }
    }
    longest
}

/// Takes the spikes due now through a connection, of each source its spike number `round`; returns how many synapses they
/// reached, and whether there are more.
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
    round: usize,
) -> (u64, bool) {
    let wiring = &carrier.wiring;
    let range = |source: u32| {
        let index = (source as usize).checked_sub(connection.source_start)?;
        (index < connection.source_len).then(|| (wiring.starts[index], wiring.starts[index + 1]))
    };
    match connection.delay {
        Delay::Ticks(ticks) => {
            let (spikes, more) = group.round(tick, ticks, round);
            let mut events = 0;
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

/// Runs a connection's `on post` for the neurons that spiked in this tick.
pub fn on_post<T: Computable>(
    connection: &Connection,
    carrier: &Carrier,
    spikes: &[u32],
    kernels: &dyn Kernels<T>,
    buffers: &mut [Buffer<T>],
    lane: usize,
    clock: Clock,
) {
    let Some(kernel) = connection.on_post else { return };
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
        Effect::Add { array, amount, held: Some(held) } => {
            let mut target = std::mem::take(&mut buffers[array.index()]);
            let (into, held) = (target.lane_mut(lane), buffers[held.index()].lane(lane));
            let amounts = match amount {
                Amount::Constant(_) => None,
                Amount::Array(amounts) => Some(buffers[amounts.index()].lane(lane)),
            };
            let constant = if let Amount::Constant(value) = amount { T::of(*value) } else { T::default() };
            let mut one = |synapse: usize| {
                let target = wiring.targets[synapse];
                if held[target as usize].wide() <= 0.0 {
                    add(into, target, amounts.map_or(constant, |amounts| amounts[synapse]));
                }
            };
            match indices {
                Indices::Range(start, end) => (start as usize..end as usize).for_each(&mut one),
                Indices::List(list) => list.iter().for_each(|&synapse| one(synapse as usize)),
            }
            buffers[array.index()] = target;
        }
        Effect::Add { array, amount, held: None } => {
            let mut target = std::mem::take(&mut buffers[array.index()]);
            let into = target.lane_mut(lane);
            match (amount, indices) {
                (Amount::Constant(value), Indices::Range(start, end)) => {
                    let value = T::of(*value);
                    for &target in &wiring.targets[start as usize..end as usize] {
                        add(into, target, value);
                    }
                }
                (Amount::Constant(value), Indices::List(list)) => {
                    list.iter().for_each(|&synapse| add(into, wiring.targets[synapse as usize], T::of(*value)));
                }
                (Amount::Array(weights), Indices::Range(start, end)) => {
                    let range = start as usize..end as usize;
                    let weights = &buffers[weights.index()].lane(lane)[range.clone()];
                    for (&target, &weight) in wiring.targets[range].iter().zip(weights) {
                        add(into, target, weight);
                    }
                }
                (Amount::Array(weights), Indices::List(list)) => {
                    let weights = buffers[weights.index()].lane(lane);
                    list.iter().for_each(|&at| add(into, wiring.targets[at as usize], weights[at as usize]));
                }
            }
            buffers[array.index()] = target;
        }
    }
}

#[inline]
fn add<T: Computable>(into: &mut [T], target: u32, value: T) {
    use crate::math::Arithmetic;
    let slot = &mut into[target as usize];
    let mut unit = T::UNIT;
    *slot = unit.add(*slot, value);
}
