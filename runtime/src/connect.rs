//! Builds connections: which source is joined to which target, from counter-based random numbers.

use nmc_program::{
    Access, Array, Connection, ConnectionId, Effect, Initial, Inst, KernelId, Len, Op, Pattern, Program, Tensor,
};

use crate::RunError;
use crate::random::Key;
use crate::state::{Indices, Synapses};

/// The synapses of a connection, ordered by source, then target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wiring {
    /// Synapses of source `i` (within the source range) are `starts[i] .. starts[i + 1]`.
    pub starts: Vec<u32>,
    /// Source and target of each synapse, as indices within their whole populations. Sources are listed only where a kernel asks for them.
    pub sources: Vec<u32>,
    pub targets: Vec<u32>,
    /// For each target (within the target range) its synapses, ascending; empty unless the connection has them `by_target`.
    pub into: Vec<Vec<u32>>,
    /// Once synapses have been drawn anew: those of each source, by target. `starts` tells of none then.
    pub out: Vec<Vec<u32>>,
    pub shape: Shape,
    /// Whether two synapses may join the same pair.
    pub repeats: bool,
    /// The largest source and target, as indices within their whole populations.
    largest: (u32, u32),
}

/// What is known of the order of synapses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    #[default]
    Listed,
    /// Every source reaches all targets of the range.
    Full,
    /// Source and target have the same place in their ranges.
    Diagonal,
}

impl Wiring {
    /// Number of synapses.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Some of its synapses.
    pub fn synapses<'a>(&'a self, indices: Indices<'a>) -> Synapses<'a> {
        Synapses { indices, sources: &self.sources, targets: &self.targets, largest: self.largest }
    }

    /// Puts lists of synapses, one for each source up to the `last`, in the place of rows.
    pub fn redrawn(&mut self, out: Vec<Vec<u32>>, last: usize) {
        (self.out, self.shape, self.largest.0) = (out, Shape::Listed, last as u32);
    }

    /// The source of each synapse, for a range of sources that begins with `first`.
    pub fn every_source(&self, first: usize) -> impl Iterator<Item = u32> {
        let rows = self.starts.windows(2).enumerate();
        rows.flat_map(move |(row, ends)| std::iter::repeat_n((first + row) as u32, (ends[1] - ends[0]) as usize))
    }
}

/// Builds one connection.
pub fn build(program: &Program, id: ConnectionId, seed: u64) -> Result<Wiring, RunError> {
    let connection = &program.connections[id.index()];
    let (starts, mut targets) = rows(program, connection, seed)?;
    let first = connection.target_start as u32;
    targets.iter_mut().for_each(|target| *target += first);
    let repeats = matches!(connection.pattern, Pattern::List { .. });
    let full = !repeats && targets.len() == connection.source_len * connection.target_len;
    let shape = match (&connection.pattern, full) {
        (Pattern::OneToOne, _) => Shape::Diagonal,
        (_, true) => Shape::Full,
        (_, false) => Shape::Listed,
    };
    let largest_target = targets.iter().copied().max().unwrap_or(0);
    let last = starts.windows(2).rposition(|ends| ends[0] < ends[1]).unwrap_or(0);
    let largest = ((connection.source_start + last) as u32, largest_target);
    let mut wiring = Wiring { starts, targets, shape, repeats, largest, ..Wiring::default() };
    if asks_for_sources(program, id) {
        wiring.sources = wiring.every_source(connection.source_start).collect();
    }
    if connection.by_target {
        wiring.into = vec![Vec::new(); connection.target_len];
        for (synapse, target) in wiring.targets.iter().enumerate() {
            wiring.into[*target as usize - connection.target_start].push(synapse as u32);
        }
    }
    Ok(wiring)
}

/// Whether a kernel over the connection's synapses asks where they come from.
fn asks_for_sources(program: &Program, id: ConnectionId) -> bool {
    let asks = |kernel: KernelId| {
        let kernel = &program.kernels[kernel.index()];
        kernel.slots.iter().any(|slot| slot.access == Access::Source)
            || kernel.body.iter().any(|inst| matches!(inst, Inst::SourceIndex))
    };
    let on_pre = matches!(program.connections[id.index()].on_pre, Effect::Kernel(kernel) if asks(kernel));
    let starts = |array: &Array| {
        array.len == Len::Synapses(id) && matches!(array.initial, Initial::Kernel(kernel) if asks(kernel))
    };
    let runs = |op: &Op| {
        if matches!(op, Op::Rewire { connection, .. } if *connection == id) {
            return true;
        }
        let (Op::OnPost { connection, kernel } | Op::Synapses { connection, kernel, .. }) = op else { return false };
        *connection == id && asks(*kernel)
    };
    let mut ops = program.stages().into_iter().flat_map(|(_, ops)| ops);
    on_pre || program.arrays.iter().any(starts) || ops.any(runs)
}

/// About how many synapses a connection will have; 0 where they are listed in the program.
pub fn expected(connection: &Connection) -> f64 {
    let (sources, targets) = (connection.source_len as f64, connection.target_len as f64);
    match &connection.pattern {
        Pattern::AllToAll { .. } => sources * targets,
        Pattern::Random { p, .. } => sources * targets * p,
        Pattern::FixedInDegree { sources, .. } => *sources as f64 * targets,
        Pattern::OneToOne | Pattern::Matrix(_) | Pattern::List { .. } => 0.0,
    }
}

/// Where the targets of each source begin, and all targets.
type Rows = (Vec<u32>, Vec<u32>);

/// The targets of each source, as indices within the range.
fn rows(program: &Program, connection: &Connection, seed: u64) -> Result<Rows, RunError> {
    let (sources, targets, component) = (connection.source_len, connection.target_len, connection.component);
    // The target of the range that is the same neuron as a source of the range.
    let own = |itself: bool, source: usize| {
        let own = (source + connection.source_start).checked_sub(connection.target_start);
        own.filter(|own| !itself && connection.same && *own < targets)
    };
    Ok(match &connection.pattern {
        Pattern::AllToAll { itself } => one_by_one(sources, |source, row| {
            let own = own(*itself, source);
            row.extend((0..targets).filter(|&j| Some(j) != own).map(|j| j as u32));
        }),
        Pattern::OneToOne => one_by_one(sources, |source, row| row.extend((source < targets).then_some(source as u32))),
        Pattern::Random { p, itself } => one_by_one(sources, |source, row| {
            let own = own(*itself, source);
            skips(
                Key { seed, component, element: source as u32, number: 0, tick: 0, sample: 0 },
                *p,
                targets,
                |target| {
                    row.extend((Some(target) != own).then_some(target as u32));
                },
            );
        }),
        Pattern::FixedInDegree { sources: each, itself } => {
            let mut sampler = Sampler::new(seed, component, sources);
            let mut draw = |target: usize, found: &mut dyn FnMut(u32)| {
                let own = (target + connection.target_start).checked_sub(connection.source_start);
                let own = own.filter(|own| !*itself && connection.same && *own < sources);
                sampler.draw(target as u32, *each, sources, own).iter().for_each(|&source| found(source));
            };
            // Half the memory while they are turned about, where so few bits are enough.
            match sources <= 1 << 16 {
                true => by_source::<u16>(sources, targets, &mut draw),
                false => by_source::<u32>(sources, targets, &mut draw),
            }
        }
        Pattern::Matrix(tensor) => {
            let values = &program.tensors[tensor.index()].data;
            one_by_one(sources, |source, row| {
                row.extend((0..targets).filter(|j| values.get(source * targets + j) != 0.0).map(|j| j as u32));
            })
        }
        Pattern::List { sources: from, targets: to } => {
            listed(connection, &program.tensors[from.index()], &program.tensors[to.index()])?
        }
    })
}

/// Rows that are made in order, each put behind the last.
fn one_by_one(sources: usize, mut row: impl FnMut(usize, &mut Vec<u32>)) -> Rows {
    let (mut starts, mut targets) = (vec![0], Vec::new());
    for source in 0..sources {
        row(source, &mut targets);
        starts.push(targets.len() as u32);
    }
    (starts, targets)
}

/// Rows from what reaches each target, in ascending order.
fn by_source<I: Copy + TryFrom<u32>>(
    sources: usize,
    targets: usize,
    mut reaching: impl FnMut(usize, &mut dyn FnMut(u32)),
) -> Rows
where
    u32: From<I>,
{
    let (mut drawn, mut ends, mut starts) = (Vec::<I>::new(), Vec::new(), vec![0; sources + 1]);
    for target in 0..targets {
        reaching(target, &mut |source| {
            starts[source as usize + 1] += 1;
            drawn.extend(I::try_from(source).ok());
        });
        ends.push(drawn.len());
    }
    (1..starts.len()).for_each(|row| starts[row] += starts[row - 1]);
    let (mut next, mut ordered, mut begin) = (starts.clone(), vec![0; drawn.len()], 0);
    for (target, end) in ends.into_iter().enumerate() {
        for &source in &drawn[begin..end] {
            let at = &mut next[u32::from(source) as usize];
            ordered[*at as usize] = target as u32;
            *at += 1;
        }
        begin = end;
    }
    (starts, ordered)
}

fn listed(connection: &Connection, sources: &Tensor, targets: &Tensor) -> Result<Rows, RunError> {
    let mut rows = vec![Vec::new(); connection.source_len];
    for index in 0..sources.data.len().min(targets.data.len()) {
        let (source, target) = (sources.data.get(index), targets.data.get(index));
        let fits = |value: f64, len: usize| value >= 0.0 && value < len as f64 && value.fract() == 0.0;
        if !fits(source, rows.len()) || !fits(target, connection.target_len) {
            return Err(RunError {
                code: "E0704",
                message: format!(
                    "connection {}: entry {index} joins {source} to {target}, which do not exist",
                    connection.name
                ),
                help: None,
            });
        }
        rows[source as usize].push(target as u32);
    }
    Ok(one_by_one(rows.len(), |source, row| {
        rows[source].sort_unstable();
        row.append(&mut rows[source]);
    }))
}

/// Indices below `len`, each with probability `p`: by drawing the gaps between them, with numbers of one element.
fn skips(key: Key, p: f64, len: usize, mut found: impl FnMut(usize)) {
    if p <= 0.0 {
        return;
    }
    if p >= 1.0 {
        return (0..len).for_each(found);
    }
    let scale = 1.0 / (-p).ln_1p();
    let mut next = 0.0;
    for number in 0.. {
        next += ((1.0 - Key { number, ..key }.uniform_f64()).ln() * scale).floor();
        if next >= len as f64 {
            return;
        }
        found(next as usize);
        next += 1.0;
    }
}

/// Draws different indices below `len` (Floyd's method).
struct Sampler {
    seed: u64,
    component: u32,
    /// Which are chosen, a bit each; none between draws.
    bits: Vec<u64>,
    chosen: Vec<u32>,
}

impl Sampler {
    fn new(seed: u64, component: u32, len: usize) -> Self {
        Sampler { seed, component, bits: vec![0; len.div_ceil(64)], chosen: Vec::new() }
    }

    /// Whether it was not chosen before.
    fn choose(&mut self, index: usize) -> bool {
        let (word, bit) = (&mut self.bits[index / 64], 1 << (index % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// `count` of them for an element, ascending; never `without`.
    fn draw(&mut self, element: u32, count: usize, len: usize, without: Option<usize>) -> &[u32] {
        let len = len - usize::from(without.is_some());
        let count = count.min(len);
        self.chosen.clear();
        for (number, last) in (len - count..len).enumerate() {
            let (seed, component, number) = (self.seed, self.component, number as u32);
            let key = Key { seed, component, element, number, tick: 0, sample: 0 };
            let drawn = (key.uniform_f64() * (last + 1) as f64) as usize;
            let index = if self.choose(drawn) { drawn } else { last };
            if index == last {
                self.choose(last);
            }
            self.chosen.push(index as u32);
        }
        if count * 8 > self.bits.len() {
            // So many that looking at all is less than sorting.
            self.chosen.clear();
            for (word, bits) in self.bits.iter_mut().enumerate() {
                while *bits != 0 {
                    self.chosen.push(64 * word as u32 + bits.trailing_zeros());
                    *bits &= *bits - 1;
                }
            }
        } else {
            self.chosen.iter().for_each(|&index| self.bits[index as usize / 64] = 0);
            self.chosen.sort_unstable();
        }
        if let Some(without) = without {
            let after = self.chosen.iter_mut().filter(|index| **index as usize >= without);
            after.for_each(|index| *index += 1);
        }
        &self.chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few and many of a few and of many: all different, ascending, each as often as the others.
    #[test]
    fn samples_are_different_and_fair() {
        for (count, len, without) in
            [(3, 1000, None), (3, 1000, Some(4)), (40, 70, Some(0)), (70, 70, None), (9, 5, Some(4))]
        {
            let mut sampler = Sampler::new(7, 3, len);
            let (mut hits, rounds) = (vec![0_u32; len], 4000);
            for element in 0..rounds {
                let chosen = sampler.draw(element, count, len, without).to_vec();
                let most = len - usize::from(without.is_some());
                assert_eq!(chosen.len(), count.min(most));
                assert!(
                    chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen.iter().all(|&at| (at as usize) < len)
                );
                chosen.iter().for_each(|&at| hits[at as usize] += 1);
            }
            assert!(sampler.bits.iter().all(|bits| *bits == 0));
            let candidates = len - usize::from(without.is_some());
            let mean = f64::from(rounds) * count.min(candidates) as f64 / candidates as f64;
            for (at, &hits) in hits.iter().enumerate() {
                let wanted = if without == Some(at) { 0.0 } else { mean };
                assert!((f64::from(hits) - wanted).abs() <= 6.0 * mean.sqrt(), "{count} of {len}: {at} {hits} times");
            }
        }
    }
}
