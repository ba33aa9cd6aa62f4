//! Spikes of a lane: who fires, what is under way, and what arrives.

use nmc_program::{Amount, Connection, Delay, Effect, Group, Program, Source};
use serde::{Deserialize, Serialize};

use crate::connect::Wiring;
use crate::interpreter::Computable;
use crate::random::Key;
use crate::state::{Buffer, Clock, Indices, Kernels, Synapses, per_byte};

/// A group within a lane.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GroupState<T> {
    /// Who spiked in each of the last ticks: `ring[tick % ring.len()]`, each ascending.
    ring: Vec<Vec<u32>>,
    /// Poisson: the tick of the next spike, how many were drawn, and at what rate.
    next: Vec<u64>,
    drawn: Vec<u32>,
    rate: Vec<T>,
}

impl<T: Computable> GroupState<T> {
    /// A silent group that remembers its spikes for `delay` ticks.
    pub fn new(delay: u32) -> Self {
        GroupState { ring: vec![Vec::new(); delay as usize + 1], ..GroupState::default() }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.ring.iter_mut().for_each(Vec::clear);
        self.new_sample();
    }

    /// Whether a state read from a file is one of this group, as `fresh` is.
    pub fn is_like(&self, fresh: &Self, len: usize) -> bool {
        let lists = [self.next.len(), self.drawn.len(), self.rate.len()];
        let all_below = |list: &Vec<u32>| list.iter().all(|&element| (element as usize) < len);
        let drawn = lists == [len; 3] || self.rate.is_empty();
        drawn && self.ring.len() == fresh.ring.len() && self.ring.iter().all(all_below)
    }

    /// Poisson processes are drawn afresh for each sample.
    pub fn new_sample(&mut self) {
        self.rate.clear();
    }

    /// Those that spiked `ago` ticks before `tick`.
    pub fn spikes(&self, tick: u64, ago: u32) -> &[u32] {
        match tick.checked_sub(u64::from(ago)) {
            Some(then) => &self.ring[(then % self.ring.len() as u64) as usize],
            None => &[],
        }
    }

    /// The list of this tick, emptied, to be filled.
    pub fn fresh(&mut self, tick: u64) -> &mut Vec<u32> {
        let slot = (tick % self.ring.len() as u64) as usize;
        self.ring[slot].clear();
        &mut self.ring[slot]
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

    /// Waiting times of a process with at most one spike a tick and probability 1 - exp(-rate dt) are geometric.
    fn poisson(&mut self, group: &Group, rates: &[T], dt: f64, clock: Clock, within: u64, ring_tick: u64) -> u64 {
        let mut state = std::mem::take(self);
        if state.rate.is_empty() {
            state.next = vec![0; group.len];
            state.drawn = vec![0; group.len];
            state.rate = vec![T::of(f64::NAN); group.len];
        }
        let list = state.fresh(ring_tick);
        let mut spiking = std::mem::take(list);
        for (element, &rate) in rates.iter().enumerate().take(group.len) {
            let mut first = within;
            if state.rate[element] != rate {
                state.rate[element] = rate;
            } else if state.next[element] == within {
                spiking.push(element as u32);
                first = within + 1;
            } else {
                continue;
            }
            loop {
                let wait = state.draw_wait(group, element, rate.wide() * dt, clock);
                state.next[element] = first.saturating_add(wait);
                if state.next[element] != within {
                    break;
                }
                spiking.push(element as u32);
                first = within + 1;
            }
        }
        let count = spiking.len() as u64;
        *state.fresh(ring_tick) = spiking;
        *self = state;
        count
    }

    fn draw_wait(&mut self, group: &Group, element: usize, mean: f64, clock: Clock) -> u64 {
        let number = self.drawn[element];
        self.drawn[element] += 1;
        let (seed, sample) = (clock.seed, clock.sample as u32);
        let key = Key { seed, component: group.component, element: element as u32, number, tick: 0, sample };
        let wait = (-(1.0 - key.uniform_f64()).ln() / mean).floor();
        if wait.is_finite() && wait < 1e18 { wait as u64 } else { u64::MAX }
    }
}

/// Synapses whose spikes are under way, by the tick they arrive in; for delays that differ between synapses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UnderWay {
    ring: Vec<Vec<u32>>,
}

impl UnderWay {
    /// For delays of at most `ticks`.
    pub fn new(ticks: u32) -> Self {
        UnderWay { ring: vec![Vec::new(); ticks as usize + 1] }
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

    /// Sends the spikes of this tick, and returns the synapses at which some arrive now, ascending.
    fn exchange(&mut self, tick: u64, sent: impl Iterator<Item = (u32, u32)>) -> Vec<u32> {
        let size = self.ring.len() as u64;
        for (synapse, delay) in sent {
            self.ring[((tick + u64::from(delay)) % size) as usize].push(synapse);
        }
        let mut due = std::mem::take(&mut self.ring[(tick % size) as usize]);
        due.sort_unstable();
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

/// Takes the spikes due now through a connection; returns how many synapses they reached.
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
) -> u64 {
    let wiring = &carrier.wiring;
    let range = |source: u32| {
        let index = (source as usize).checked_sub(connection.source_start)?;
        (index < connection.source_len).then(|| (wiring.starts[index], wiring.starts[index + 1]))
    };
    match connection.delay {
        Delay::Ticks(ticks) => {
            let spikes = group.spikes(tick, ticks);
            let mut events = 0;
            for (start, end) in spikes.iter().filter_map(|&source| range(source)) {
                events += u64::from(end - start);
                apply(&connection.on_pre, wiring, Indices::Range(start, end), kernels, buffers, lane, clock);
            }
            events
        }
        Delay::PerSynapse { .. } => {
            let ranges = group.spikes(tick, 0).iter().filter_map(|&source| range(source));
            let sent =
                ranges.flat_map(|(start, end)| (start..end).map(|synapse| (synapse, carrier.delays[synapse as usize])));
            let due = under_way.exchange(tick, sent);
            apply(&connection.on_pre, wiring, Indices::List(&due), kernels, buffers, lane, clock);
            due.len() as u64
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
        Effect::Add { array, amount } => {
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
