//! Spikes of a lane: who fires in which tick, and which synapses carry some that are under way.

use std::borrow::Cow;

use nmc_program::{ArrayId, Delay, Effect, Group, Op, Probed, Program, Source};
use serde::{Deserialize, Serialize};

use crate::interpreter::Computable;
use crate::sources::{Drawn, Processes, total};
use crate::state::{Clock, per_byte, spike_bytes};

/// Who spiked in a tick.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Spikes {
    /// Ascending; an element that spiked n times stands here n times.
    list: Vec<u32>,
    /// The largest such n; 1 as well when nothing spiked.
    most: u32,
    /// Of each element how many, in place of the list.
    counts: Vec<u8>,
    /// The bits that a kernel set, in place of the list.
    marks: Vec<u8>,
}

/// Spikes as they are taken through connections.
#[derive(Debug, Clone, Copy)]
pub enum Spiked<'a> {
    /// Ascending, an element as often as it spiked.
    List(&'a [u32]),
    /// Of each element how many.
    Counts(&'a [u8]),
    /// [`per_byte`] elements a byte.
    Marks(&'a [u8]),
}

/// A group within a lane.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct GroupState<T> {
    /// The last ticks: `ring[tick % ring.len()]`.
    ring: Vec<Spikes>,
    /// Whether nobody asks which of its spikes came first, nor for a list of them.
    counted: bool,
    /// Whether no tick changes the rates that it draws its spikes by.
    steady: bool,
    /// Of a group that draws its spikes.
    pub processes: Processes<T>,
}

impl<T: Computable> GroupState<T> {
    /// A silent group that remembers its spikes for `delay` ticks.
    pub fn new(delay: u32, counted: bool, steady: bool) -> Self {
        GroupState { ring: vec![Spikes::default(); delay as usize + 1], counted, steady, ..GroupState::default() }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        for spikes in &mut self.ring {
            spikes.list.clear();
            spikes.counts.clear();
            spikes.marks.clear();
            spikes.most = 1;
        }
        self.processes.new_sample();
    }

    /// Whether a state read from a file is one of this group, as `fresh` is.
    pub fn is_like(&self, fresh: &Self, len: usize) -> bool {
        let whole = |spikes: &Spikes| {
            let below = spikes.list.iter().all(|&element| (element as usize) < len);
            let counts = spikes.counts.is_empty() || (self.counted && spikes.counts.len() == len);
            let marks = spikes.marks.is_empty() || (self.counted && spikes.marks.len() == spike_bytes::<T>(len));
            below && counts && marks && spikes.list.is_sorted() && spikes.most <= most(&spikes.list)
        };
        let alike = (self.counted, self.steady) == (fresh.counted, fresh.steady) && self.ring.len() == fresh.ring.len();
        alike && self.processes.is_of(len) && self.ring.iter().all(whole)
    }

    /// Where the spikes of a tick are kept.
    fn slot(&self, tick: u64) -> usize {
        // Dividing takes longer than all else that is done for a tick without spikes.
        if self.ring.len() == 1 { 0 } else { (tick % self.ring.len() as u64) as usize }
    }

    fn at(&self, tick: u64, ago: u32) -> Option<&Spikes> {
        Some(&self.ring[self.slot(tick.checked_sub(u64::from(ago))?)])
    }

    /// Those that spiked `ago` ticks before `tick`, each as often as it did.
    pub fn spikes(&self, tick: u64, ago: u32) -> &[u32] {
        self.at(tick, ago).map_or(&[], |spikes| &spikes.list)
    }

    /// The same, in the form they are kept in.
    pub fn spiked(&self, tick: u64, ago: u32) -> Spiked<'_> {
        match self.at(tick, ago) {
            Some(spikes) if !spikes.counts.is_empty() => Spiked::Counts(&spikes.counts),
            Some(spikes) if !spikes.marks.is_empty() => Spiked::Marks(&spikes.marks),
            Some(_) | None => Spiked::List(self.spikes(tick, ago)),
        }
    }

    /// Those with a spike number `round` (from 0) in that tick, each once, and whether some have more.
    pub fn round(&self, tick: u64, ago: u32, round: usize) -> (Cow<'_, [u32]>, bool) {
        match self.at(tick, ago) {
            Some(Spikes { list, most: 0 | 1, .. }) if round == 0 => (Cow::Borrowed(list), false),
            Some(Spikes { list, most, .. }) if *most as usize > round => {
                let is_nth =
                    |at: usize| list[at - round] == list[at] && (at == round || list[at - round - 1] != list[at]);
                let nth = (round..list.len()).filter(|&at| is_nth(at)).map(|at| list[at]).collect();
                (Cow::Owned(nth), *most as usize > round + 1)
            }
            Some(_) | None => (Cow::Borrowed(&[]), false),
        }
    }

    /// The list of this tick, emptied, to be filled with different elements.
    fn fresh(&mut self, tick: u64) -> &mut Spikes {
        let slot = self.slot(tick);
        let spikes = &mut self.ring[slot];
        spikes.list.clear();
        spikes.counts.clear();
        spikes.marks.clear();
        spikes.most = 1;
        spikes
    }

    /// Takes given spikes, in any order, as those of this tick; returns how many.
    pub fn take(&mut self, tick: u64, mut given: Vec<u32>) -> u64 {
        given.sort_unstable();
        let (most, count) = (most(&given), given.len() as u64);
        *self.fresh(tick) = Spikes { list: given, most, ..Spikes::default() };
        count
    }

    /// Takes the marked bits as the spikes of this tick; returns how many.
    pub fn collect(&mut self, tick: u64, bitmap: &[u8]) -> u64 {
        let counted = self.counted;
        let Spikes { list, marks, .. } = self.fresh(tick);
        if counted {
            marks.extend_from_slice(bitmap);
            // Eight bytes at a time: a processor of any age has no instruction for it.
            let (whole, rest) = bitmap.as_chunks();
            let ones = whole.iter().map(|bytes| u64::from(u64::from_le_bytes(*bytes).count_ones())).sum::<u64>();
            return ones + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        }
        each_marked::<T>(bitmap, |element| list.push(element));
        list.len() as u64
    }

    /// Draws the spikes of a group that no kernel makes; returns how many. `within`: tick within the sample.
    pub fn emit(&mut self, group: &Group, values: &[T], dt: f64, clock: Clock, within: u64, ring_tick: u64) -> u64 {
        match group.source {
            Source::Poisson { .. } => {
                let mut list = std::mem::take(&mut self.fresh(ring_tick).list);
                let drawn = self.processes.draw(group, (values, self.steady), dt, clock, within, &mut list);
                let spikes = self.fresh(ring_tick);
                spikes.list = list;
                match drawn {
                    Drawn::List { most } => {
                        spikes.most = most;
                        spikes.list.len() as u64
                    }
                    Drawn::Counts(counts) => self.have_counted(ring_tick, counts),
                }
            }
            Source::Once { .. } => {
                let list = &mut self.fresh(ring_tick).list;
                // A time that is meant to be whole steps may be rounded below them.
                let rounded = if size_of::<T>() == 4 { 1e-6 } else { 1e-14 };
                let due = |at: f64| at >= 0.0 && (at / dt * (1.0 + rounded) + 1e-6).floor() == within as f64;
                list.extend((0..group.len).filter(|&i| due(values[i].wide())).map(|i| i as u32));
                list.len() as u64
            }
            // Kernels collect their own; given spikes are put in by the caller.
            Source::Kernel | Source::Given => 0,
        }
    }

    /// Takes counts as the spikes of this tick, as a list where one is asked for.
    fn have_counted(&mut self, ring_tick: u64, counts: Vec<u8>) -> u64 {
        let counted = self.counted;
        let spikes = self.fresh(ring_tick);
        let count = total(&counts);
        if counted {
            spikes.counts = counts;
            return count;
        }
        spikes.most = counts.iter().copied().max().map_or(1, |most| u32::from(most.max(1)));
        for (element, &count) in counts.iter().enumerate() {
            spikes.list.extend(std::iter::repeat_n(element as u32, usize::from(count)));
        }
        count
    }
}

/// Tells the elements that kernels marked, in ascending order.
pub fn each_marked<T>(bitmap: &[u8], mut tell: impl FnMut(u32)) {
    let (whole, rest) = bitmap.as_chunks();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for (word, bytes) in whole.iter().chain([&last]).enumerate() {
        let mut bits = u64::from_le_bytes(*bytes);
        while bits != 0 {
            let (byte, place) = (8 * word as u32 + bits.trailing_zeros() / 8, bits.trailing_zeros() % 8);
            tell(byte * per_byte::<T>() as u32 + place);
            bits &= bits - 1;
        }
    }
}

/// How often the most frequent element stands in an ascending list, which is 1 as well for none.
fn most(list: &[u32]) -> u32 {
    list.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(1) as u32
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

/// A silent state of each group.
pub fn groups<T: Computable>(program: &Program) -> Vec<GroupState<T>> {
    let mut states: Vec<GroupState<T>> = Vec::new();
    for (index, (group, delay)) in program.groups.iter().zip(longest_delays(program)).enumerate() {
        let probed = program
            .probes
            .iter()
            .any(|probe| matches!(probe.probed, Probed::Spikes(of) | Probed::Rate(of) if of.index() == index));
        // Where other connections do more than add, all their spikes are taken one by one.
        let counts = |op: &Op| {
            let Op::Deliver { connection } = op else {
                // What was drawn anew is delivered by lists.
                let is_target = |id: &nmc_program::ConnectionId| {
                    program.connections[id.index()].target.is_some_and(|group| group.index() == index)
                };
                return !matches!(op, Op::OnSpikes { group, .. } if group.index() == index)
                    && !matches!(op, Op::OnPost { connection, .. } if is_target(connection))
                    && !matches!(op, Op::Rewire { .. });
            };
            let connection = &program.connections[connection.index()];
            matches!((&connection.on_pre, &connection.delay), (Effect::Add { .. }, Delay::Ticks(_)))
        };
        let counted = matches!(group.source, Source::Poisson { .. } | Source::Kernel)
            && !probed
            && program.tick.iter().all(counts);
        let steady = matches!(group.source, Source::Poisson { rate } if !is_written(program, rate));
        states.push(GroupState::new(delay, counted, steady));
    }
    states
}

/// Whether a tick writes to an array.
fn is_written(program: &Program, array: ArrayId) -> bool {
    program.tick.iter().any(|op| match op {
        Op::Kernel { kernel, .. }
        | Op::Substeps { kernel, .. }
        | Op::OnSpikes { kernel, .. }
        | Op::OnPost { kernel, .. }
        | Op::Synapses { kernel, .. } => program.kernels[kernel.index()].stores_to(array),
        Op::Deliver { connection } => match &program.connections[connection.index()].on_pre {
            Effect::Kernel(kernel) => program.kernels[kernel.index()].stores_to(array),
            Effect::Add { array: into, .. } => *into == array,
        },
        Op::Emit { .. } => false,
        // Rates come from kernels; what else moves values may move these.
        Op::Fill { array: to, .. } | Op::Decay { array: to, .. } => *to == array,
        Op::Past { ring, to, .. } => [*ring, *to].contains(&array),
        Op::Copy { to, .. } | Op::Gather { to, .. } | Op::Scatter { to, .. } | Op::Reduce { to, .. } => *to == array,
        Op::Multiply { output, .. } | Op::Transposed { output, .. } => *output == array,
        Op::Target { .. } | Op::Write { .. } | Op::Fold { .. } | Op::Present { .. } | Op::Rewire { .. } => false,
    })
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
    pub fn exchange(&mut self, tick: u64, sent: impl Iterator<Item = (u32, u32)>) {
        let size = self.ring.len() as u64;
        for (synapse, delay) in sent {
            self.ring[((tick + u64::from(delay)) % size) as usize].push(synapse);
        }
        self.rest = std::mem::take(&mut self.ring[(tick % size) as usize]);
        self.rest.sort_unstable();
    }

    /// Synapses at which a spike arrives, ascending, each once; further spikes of a synapse are left for the next round. And whether
    /// there are some.
    pub fn round(&mut self) -> (Vec<u32>, bool) {
        let mut due = std::mem::take(&mut self.rest);
        let mut last = None;
        due.retain(|&synapse| {
            let again = last.replace(synapse) == Some(synapse);
            if again {
                self.rest.push(synapse);
            }
            !again
        });
        (due, !self.rest.is_empty())
    }
}
