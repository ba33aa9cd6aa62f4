//! Builds connections: which source is joined to which target, from counter-based random numbers.

use std::collections::BTreeSet;

use nmc_program::{
    Access, Amount, Array, ArrayId, Connection, ConnectionId, Delay, Effect, Initial, Inst, KernelId, Len, Op, Pattern,
    Probed, Program, Tensor,
};
use rayon::prelude::*;

use crate::RunError;
use crate::bits::BitRows;
use crate::random::{Key, block};
use crate::state::{Indices, Synapses};
use crate::team;

/// The synapses of a connection, ordered by source, then target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wiring {
    /// Synapses of source `i` (within the source range) are `starts[i] .. starts[i + 1]`.
    pub starts: Vec<u32>,
    /// Source and target of each synapse, as indices within their whole populations. Sources are listed only where a kernel asks for them.
    pub sources: Vec<u32>,
    pub targets: Vec<u32>,
    /// In place of `targets` where nothing tells a connection's synapses apart and there are many.
    pub bits: Option<BitRows>,
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
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The synapses of a source of the range.
    pub fn range(&self, row: usize) -> (u32, u32) {
        (self.starts[row], self.starts[row + 1])
    }

    /// Some of its synapses.
    pub fn synapses<'a>(&'a self, indices: Indices<'a>) -> Synapses<'a> {
        Synapses { indices, sources: &self.sources, targets: &self.targets, largest: self.largest }
    }

    /// Puts lists of synapses, one for each source up to the `last`, in the place of rows.
    pub fn redrawn(&mut self, out: Vec<Vec<u32>>, last: usize) {
        (self.out, self.shape, self.largest.0) = (out, Shape::Listed, last as u32);
    }

    /// The source of each synapse as it is now, for a range of sources that begins with `first`.
    pub fn every_source(&self, first: usize) -> impl Iterator<Item = u32> {
        let redrawn = if self.out.is_empty() { &[][..] } else { &self.sources[..] };
        let rows = if self.out.is_empty() { &self.starts[..] } else { &[][..] };
        redrawn.iter().copied().chain(
            rows.windows(2)
                .enumerate()
                .flat_map(move |(row, ends)| std::iter::repeat_n((first + row) as u32, (ends[1] - ends[0]) as usize)),
        )
    }
}

/// Builds one connection; `likely` draws the pairs of [`Pattern::Likely`].
pub fn build(program: &Program, id: ConnectionId, seed: u64, likely: Likely) -> Result<Wiring, RunError> {
    let connection = &program.connections[id.index()];
    let (sources, targets) = (connection.source_len, connection.target_len);
    if has_bits(program, id) {
        let bits = bits(connection, seed);
        let mut starts = vec![0];
        for row in 0..sources {
            starts.push(starts[row] + bits.degree(row));
        }
        return Ok(Wiring { starts, bits: Some(bits), ..Wiring::default() });
    }
    let (starts, mut joined) = if let Pattern::Likely { p, into, itself, .. } = connection.pattern {
        likely(connection, p, into, itself)?
    } else {
        rows(program, connection, seed)?
    };
    let first = connection.target_start as u32;
    joined.iter_mut().for_each(|target| *target += first);
    let repeats = matches!(connection.pattern, Pattern::List { .. } | Pattern::FixedTotalNumber { .. });
    let full = !repeats && joined.len() == sources * targets;
    let shape = match (&connection.pattern, full) {
        (Pattern::OneToOne, _) => Shape::Diagonal,
        (_, true) => Shape::Full,
        (_, false) => Shape::Listed,
    };
    let largest_target = joined.iter().copied().max().unwrap_or(0);
    let last = starts.windows(2).rposition(|ends| ends[0] < ends[1]).unwrap_or(0);
    let largest = ((connection.source_start + last) as u32, largest_target);
    let mut wiring = Wiring { starts, targets: joined, shape, repeats, largest, ..Wiring::default() };
    if asks_for_sources(program, id) {
        wiring.sources = wiring.every_source(connection.source_start).collect();
    }
    if connection.by_target {
        wiring.into = vec![Vec::new(); targets];
        for (synapse, target) in wiring.targets.iter().enumerate() {
            wiring.into[*target as usize - connection.target_start].push(synapse as u32);
        }
    }
    Ok(wiring)
}

/// Bytes that a connection's synapses take, about.
pub fn bytes(program: &Program, id: ConnectionId) -> f64 {
    let connection = &program.connections[id.index()];
    let ends = (connection.source_len + connection.target_len) as f64 * 24.0;
    ends + match has_bits(program, id) {
        true => BitRows::bytes(connection.source_len, connection.target_len),
        false => expected(connection) * 8.0,
    }
}

/// Whether a bit for each pair says all there is, and takes less than a list.
fn has_bits(program: &Program, id: ConnectionId) -> bool {
    let connection = &program.connections[id.index()];
    let bytes = BitRows::bytes(connection.source_len, connection.target_len);
    let most = expected(connection);
    bytes < 4.0 * most && most < f64::from(u32::MAX) && are_alike(program, id)
}

/// Whether nothing tells a connection's synapses apart: all add the same at the same time.
fn are_alike(program: &Program, id: ConnectionId) -> bool {
    let connection = &program.connections[id.index()];
    let adds = matches!(connection.on_pre, Effect::Add { amount: Amount::Constant(_), .. });
    let in_time = matches!(connection.delay, Delay::Ticks(_));
    let kept = program.arrays.iter().any(|array| array.len == Len::Synapses(id));
    let mut ops = program.stages().into_iter().flat_map(|(_, ops)| ops);
    let asked = ops.any(|op| is_rewired(op, id) || kernel_over(op, id).is_some());
    let listed = matches!(connection.pattern, Pattern::Likely { .. } | Pattern::FixedTotalNumber { .. });
    adds && in_time && !connection.by_target && !kept && !asked && !listed
}

/// Whether synapses of a connection with delays of their own may stand in any order within a source: nothing is known of them but what they add.
pub fn are_unseen(program: &Program, id: ConnectionId) -> bool {
    let connection = &program.connections[id.index()];
    let (Effect::Add { amount, .. }, Delay::PerSynapse { seconds, .. }) = (&connection.on_pre, &connection.delay)
    else {
        return false;
    };
    let amount = if let Amount::Array(array) = amount { Some(*array) } else { None };
    let numbered = |(number, array): (usize, &Array)| {
        let number = ArrayId(number as u32);
        array.len == Len::Synapses(id) && Some(number) != amount && number != *seconds
    };
    let kept = program.arrays.iter().enumerate().any(numbered);
    let mut ops = program.stages().into_iter().flat_map(|(_, ops)| ops);
    let asked = ops.any(|op| is_rewired(op, id) || kernel_over(op, id).is_some());
    let recorded = program.probes.iter().any(|probe| matches!(probe.probed, Probed::Synapses(of, _) if of == id));
    let set = program.phases.iter().flat_map(|phase| &phase.changes).any(|(array, _)| Some(*array) == amount);
    !connection.by_target && !kept && !asked && !recorded && !set
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
    let mut ops = program.stages().into_iter().flat_map(|(_, ops)| ops);
    on_pre
        || program.arrays.iter().any(starts)
        || ops.any(|op| is_rewired(op, id) || kernel_over(op, id).is_some_and(asks))
}

/// The kernel that an operation runs over a connection's synapses.
fn kernel_over(op: &Op, id: ConnectionId) -> Option<KernelId> {
    let (Op::OnPost { connection, kernel } | Op::Synapses { connection, kernel, .. }) = op else { return None };
    (*connection == id).then_some(*kernel)
}

/// Whether an operation gives a connection's synapses other sources.
fn is_rewired(op: &Op, id: ConnectionId) -> bool {
    matches!(op, Op::Rewire { connection, .. } if *connection == id)
}

/// About how many synapses a connection will have; 0 where they are listed in the program.
pub fn expected(connection: &Connection) -> f64 {
    let (sources, targets) = (connection.source_len as f64, connection.target_len as f64);
    match &connection.pattern {
        Pattern::AllToAll { .. } => sources * targets,
        Pattern::Random { p, .. } => sources * targets * p,
        Pattern::Likely { mean, .. } => sources * targets * mean,
        Pattern::FixedInDegree { sources, .. } => *sources as f64 * targets,
        Pattern::FixedOutDegree { targets, .. } => *targets as f64 * sources,
        Pattern::FixedTotalNumber { synapses, .. } => *synapses as f64,
        Pattern::OneToOne | Pattern::Matrix(_) | Pattern::List { .. } => 0.0,
    }
}

/// Where the targets of each source begin, and all targets, as indices within the range.
pub type Rows = (Vec<u32>, Vec<u32>);

/// Draws pairs with a probability of their own: of a connection, by a kernel that puts it into an array, with the pairs of a neuron and itself or
/// without.
pub type Likely<'d> = &'d dyn Fn(&Connection, KernelId, ArrayId, bool) -> Result<Rows, RunError>;

/// Of a source of the range the target of the range that is the same neuron, where they are not to be joined.
pub fn own_target(connection: &Connection, itself: bool, source: usize) -> Option<usize> {
    let own = (source + connection.source_start).checked_sub(connection.target_start);
    own.filter(|own| !itself && connection.same && *own < connection.target_len)
}

/// The targets of a source, ascending, where each source has its own.
fn row(connection: &Connection, seed: u64, source: usize, mut found: impl FnMut(usize)) {
    let (targets, component) = (connection.target_len, connection.component);
    match connection.pattern {
        Pattern::AllToAll { itself } => {
            let own = own_target(connection, itself, source);
            (0..targets).filter(|&target| Some(target) != own).for_each(found);
        }
        Pattern::OneToOne if source < targets => found(source),
        Pattern::Random { p, itself } => {
            let own = own_target(connection, itself, source);
            let key = Key { seed, component, element: source as u32, number: 0, tick: 0, sample: 0 };
            skips(key, p, targets, |target| {
                if Some(target) != own {
                    found(target);
                }
            });
        }
        Pattern::FixedOutDegree { targets: count, itself } => {
            let own = own_target(connection, itself, source);
            let key = Key { seed, component, element: source as u32, number: 0, tick: 0, sample: 0 };
            let chosen = different(key, count, targets - usize::from(own.is_some()));
            chosen.into_iter().for_each(|at| found(at + usize::from(own.is_some_and(|own| at >= own))));
        }
        Pattern::OneToOne | Pattern::FixedInDegree { .. } | Pattern::Matrix(_) | Pattern::List { .. } => {}
        Pattern::Likely { .. } | Pattern::FixedTotalNumber { .. } => {}
    }
}

/// The sources of a target, in any order, where each target draws so many; `chosen` holds a bit of each source, none before.
fn column(connection: &Connection, sampler: &mut Sampler, target: usize, chosen: &mut [u64], found: impl FnMut(u32)) {
    let Pattern::FixedInDegree { sources, itself } = connection.pattern else { return };
    let own = (target + connection.target_start).checked_sub(connection.source_start);
    let own = own.filter(|own| !itself && connection.same && *own < connection.source_len);
    sampler.draw(target, sources, own, chosen, found);
}

/// Who is joined to whom, a bit for each pair.
fn bits(connection: &Connection, seed: u64) -> BitRows {
    let (sources, targets) = (connection.source_len, connection.target_len);
    if let Pattern::FixedInDegree { .. } = connection.pattern {
        let sampler = || Sampler::new(seed, connection);
        return BitRows::by_columns(sources, targets, sampler, |sampler, target, chosen| {
            column(connection, sampler, target, chosen, |_| ());
        });
    }
    BitRows::by_rows(sources, targets, |source, found| row(connection, seed, source, found))
}

/// The targets of each source, as indices within the range.
fn rows(program: &Program, connection: &Connection, seed: u64) -> Result<Rows, RunError> {
    let (sources, targets) = (connection.source_len, connection.target_len);
    Ok(match &connection.pattern {
        Pattern::AllToAll { .. }
        | Pattern::OneToOne
        | Pattern::Random { .. }
        | Pattern::Likely { .. }
        | Pattern::FixedOutDegree { .. } => {
            let one_by_one = |sources: std::ops::Range<usize>| {
                one_by_one(sources, |source, joined| row(connection, seed, source, |target| joined.push(target as u32)))
            };
            let each = team::share(sources, 64).max(1);
            let parts = (0..sources.div_ceil(each)).into_par_iter();
            match each >= sources {
                true => one_by_one(0..sources),
                false => behind(parts.map(|part| one_by_one(part * each..((part + 1) * each).min(sources))).collect()),
            }
        }
        Pattern::FixedInDegree { .. } => {
            let mut sampler = Sampler::new(seed, connection);
            let (mut chosen, mut drawn) = (vec![0; sources.div_ceil(64)], Vec::new());
            let mut draw = |target: usize, found: &mut dyn FnMut(u32)| {
                drawn.clear();
                column(connection, &mut sampler, target, &mut chosen, |source| drawn.push(source));
                for &source in &drawn {
                    chosen[source as usize / 64] = 0;
                    found(source);
                }
            };
            // Half the memory while they are turned about, where so few bits are enough.
            match sources <= 1 << 16 {
                true => by_source::<u16>(sources, targets, expected(connection) as usize, &mut draw),
                false => by_source::<u32>(sources, targets, expected(connection) as usize, &mut draw),
            }
        }
        &Pattern::FixedTotalNumber { synapses, itself } => crate::total::rows(connection, seed, synapses, itself),
        Pattern::Matrix(tensor) => {
            let values = &program.tensors[tensor.index()].data;
            one_by_one(0..sources, |source, row| {
                row.extend((0..targets).filter(|j| values.get(source * targets + j) != 0.0).map(|j| j as u32));
            })
        }
        Pattern::List { sources: from, targets: to } => {
            listed(connection, &program.tensors[from.index()], &program.tensors[to.index()])?
        }
    })
}

/// Rows that are made in order, each put behind the last.
fn one_by_one(sources: std::ops::Range<usize>, mut row: impl FnMut(usize, &mut Vec<u32>)) -> Rows {
    let (mut starts, mut targets) = (vec![0], Vec::new());
    for source in sources {
        row(source, &mut targets);
        starts.push(targets.len() as u32);
    }
    (starts, targets)
}

/// Rows of sources that follow one another, as one.
fn behind(parts: Vec<Rows>) -> Rows {
    let (mut starts, mut targets) = (vec![0], Vec::with_capacity(parts.iter().map(|part| part.1.len()).sum()));
    for (own, mut joined) in parts {
        let before = targets.len() as u32;
        starts.extend(own[1..].iter().map(|start| before + start));
        targets.append(&mut joined);
    }
    (starts, targets)
}

/// Rows from what reaches each target, of so many synapses in all.
fn by_source<I: Copy + TryFrom<u32>>(
    sources: usize,
    targets: usize,
    synapses: usize,
    mut reaching: impl FnMut(usize, &mut dyn FnMut(u32)),
) -> Rows
where
    u32: From<I>,
{
    let (mut drawn, mut ends, mut starts) = (Vec::<I>::with_capacity(synapses), Vec::new(), vec![0; sources + 1]);
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
                place: Some(connection.place),
            });
        }
        rows[source as usize].push(target as u32);
    }
    Ok(one_by_one(0..rows.len(), |source, row| {
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

/// `count` different indices below `len`, with numbers of one element (Floyd's method).
fn different(key: Key, count: usize, len: usize) -> BTreeSet<usize> {
    let mut chosen = BTreeSet::new();
    for (number, last) in (len - count.min(len)..len).enumerate() {
        let drawn = (Key { number: number as u32, ..key }.uniform_f64() * (last + 1) as f64) as usize;
        if !chosen.insert(drawn.min(last)) {
            chosen.insert(last);
        }
    }
    chosen
}

/// Draws different sources for targets that follow one another (Floyd's method).
struct Sampler {
    key: Key,
    sources: usize,
    /// Numbers that are drawn together: for [`TOGETHER`] targets the first, then the second, …
    numbers: Vec<f64>,
    /// The target that they begin with.
    first: Option<usize>,
}

/// Targets whose numbers are drawn together.
const TOGETHER: usize = 32;

impl Sampler {
    fn new(seed: u64, connection: &Connection) -> Self {
        let key = Key { seed, component: connection.component, element: 0, number: 0, tick: 0, sample: 0 };
        Sampler { key, sources: connection.source_len, numbers: Vec::new(), first: None }
    }

    /// `count` of them for a target, never `without`; `chosen` holds a bit of each source, none before.
    fn draw(
        &mut self,
        target: usize,
        count: usize,
        without: Option<usize>,
        chosen: &mut [u64],
        mut found: impl FnMut(u32),
    ) {
        let len = self.sources - usize::from(without.is_some());
        let count = count.min(len);
        let first = target / TOGETHER * TOGETHER;
        if self.first != Some(first) || self.numbers.len() < count * TOGETHER {
            self.first = Some(first);
            self.numbers.resize(count * TOGETHER, 0.0);
            for (number, numbers) in self.numbers.chunks_exact_mut(TOGETHER).enumerate() {
                block::uniforms_f64(Key { element: first as u32, number: number as u32, ..self.key }, numbers);
            }
        }
        let mut choose = |index: usize| {
            let source = index + usize::from(without.is_some_and(|without| index >= without));
            let (word, bit) = (&mut chosen[source / 64], 1 << (source % 64));
            let new = *word & bit == 0;
            *word |= bit;
            if new {
                found(source as u32);
            }
            new
        };
        let numbers = self.numbers.iter().skip(target - first).step_by(TOGETHER);
        for (last, number) in (len - count..len).zip(numbers) {
            if !choose((number * (last + 1) as f64) as usize) {
                choose(last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few and many of a few and of many: all different, each as often as the others.
    #[test]
    fn samples_are_different_and_fair() {
        for (count, len, without) in
            [(3, 1000, None), (3, 1000, Some(4)), (40, 70, Some(0)), (70, 70, None), (9, 5, Some(4))]
        {
            let key = Key { seed: 7, component: 3, element: 0, number: 0, tick: 0, sample: 0 };
            let mut sampler = Sampler { key, sources: len, numbers: Vec::new(), first: None };
            let (mut hits, rounds) = (vec![0_u32; len], 4000);
            for target in 0..rounds {
                let (mut bits, mut chosen) = (vec![0; len.div_ceil(64)], Vec::new());
                sampler.draw(target, count, without, &mut bits, |source| chosen.push(source));
                let most = len - usize::from(without.is_some());
                assert_eq!(chosen.len(), count.min(most));
                assert_eq!(bits.iter().map(|word: &u64| word.count_ones() as usize).sum::<usize>(), chosen.len());
                chosen.iter().for_each(|&at| hits[at as usize] += 1);
            }
            let candidates = len - usize::from(without.is_some());
            let mean = rounds as f64 * count.min(candidates) as f64 / candidates as f64;
            for (at, &hits) in hits.iter().enumerate() {
                let wanted = if without == Some(at) { 0.0 } else { mean };
                assert!((f64::from(hits) - wanted).abs() <= 6.0 * mean.sqrt(), "{count} of {len}: {at} {hits} times");
            }
        }
    }
}
