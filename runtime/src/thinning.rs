//! Pairs that are each joined with a probability of their own: candidates are drawn by an upper bound that holds for boxes of
//! neurons, and kept with what the probability is of it (thinning), so that pairs which are hardly ever joined cost hardly anything.

use nmc_program::{Access, ArrayId, Connection, Inst, Kernel, KernelId, Program};
use rayon::prelude::*;

use crate::RunError;
use crate::connect::{Rows, own_target};
use crate::interpreter::Computable;
use crate::interval::{self, ALL, Span};
use crate::random::Key;
use crate::state::{Buffer, Clock, Indices, Kernels, Synapses};
use crate::team;

/// Neurons of a box that is not divided.
const FEW: usize = 16;
/// Candidates of a source in a box for which it is not worth while to divide it.
const CHEAP: f64 = 0.25;

/// What a pattern of its own probabilities is drawn with.
pub struct Pairs<'a, T> {
    pub program: &'a Program,
    pub kernels: &'a dyn Kernels<T>,
    /// What the probability hangs on is there already.
    pub buffers: &'a [Buffer<T>],
    pub seed: u64,
}

/// The neurons at one end, in a tree of boxes.
struct Boxes {
    /// Elements within the range; those of a box follow one another.
    order: Vec<u32>,
    boxes: Vec<Box>,
}

struct Box {
    start: usize,
    end: usize,
    /// Its halves.
    halves: Option<(usize, usize)>,
    /// Of each quantity that the probability hangs on.
    spans: Vec<Span>,
}

impl Boxes {
    /// `quantities`: of each a number for every element.
    fn new(quantities: &[Vec<f64>], len: usize) -> Self {
        let mut tree = Boxes { order: (0..len as u32).collect(), boxes: Vec::new() };
        let all = tree.add(quantities, 0, len);
        let extents: Vec<f64> = tree.boxes[all].spans.iter().map(|(low, high)| high - low).collect();
        tree.divide(quantities, &extents, all);
        tree
    }

    fn add(&mut self, quantities: &[Vec<f64>], start: usize, end: usize) -> usize {
        let span = |numbers: &Vec<f64>| {
            let numbers = self.order[start..end].iter().map(|&element| numbers[element as usize]);
            numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)))
        };
        let spans = quantities.iter().map(span).collect();
        self.boxes.push(Box { start, end, halves: None, spans });
        self.boxes.len() - 1
    }

    /// Halves a box across its longest side, and its halves.
    fn divide(&mut self, quantities: &[Vec<f64>], extents: &[f64], at: usize) {
        let Box { start, end, ref spans, .. } = self.boxes[at];
        let share = |&(side, (low, high)): &(usize, &Span)| (high - low) / extents[side];
        let sides = spans.iter().enumerate().filter(|(_, (low, high))| low < high);
        let longest = sides.max_by(|a, b| share(a).total_cmp(&share(b))).map(|(side, _)| &quantities[side]);
        let (Some(numbers), true) = (longest, end - start > FEW) else { return };
        let middle = (end - start) / 2;
        self.order[start..end].select_nth_unstable_by(middle, |&a, &b| {
            numbers[a as usize].total_cmp(&numbers[b as usize]).then(a.cmp(&b))
        });
        let halves = (self.add(quantities, start, start + middle), self.add(quantities, start + middle, end));
        self.boxes[at].halves = Some(halves);
        self.divide(quantities, extents, halves.0);
        self.divide(quantities, extents, halves.1);
    }

    /// Boxes that are not divided, and a few of the elements of each.
    fn groups(&self) -> Vec<(usize, &[u32])> {
        let whole = self.boxes.iter().enumerate().filter(|(_, one)| one.halves.is_none());
        whole.flat_map(|(at, one)| self.order[one.start..one.end].chunks(FEW).map(move |few| (at, few))).collect()
    }
}

/// The pairs that a group of sources may be joined to: boxes of targets, each with a bound of the probability.
type Near = Vec<(usize, usize, f64)>;

/// A connection whose pairs are being drawn.
struct Drawing<'a, T> {
    of: &'a Pairs<'a, T>,
    connection: &'a Connection,
    itself: bool,
    p: KernelId,
    /// Room for probabilities.
    into: ArrayId,
    targets: Boxes,
}

/// What a thread works with.
struct Room<T> {
    buffers: Vec<Buffer<T>>,
    spans: Vec<Span>,
    candidates: Candidates,
}

/// Pairs that wait for their probability.
#[derive(Default)]
struct Candidates {
    sources: Vec<u32>,
    targets: Vec<u32>,
    bounds: Vec<f64>,
    /// Uniform in [0, 1).
    drawn: Vec<f64>,
}

impl Candidates {
    fn clear(&mut self) {
        self.sources.clear();
        self.targets.clear();
        self.bounds.clear();
        self.drawn.clear();
    }
}

impl<T: Computable> Pairs<'_, T> {
    /// The targets of each source. `p` puts probabilities `into` an array; those below 0 count as 0.
    pub fn draw(&self, connection: &Connection, p: KernelId, into: ArrayId, itself: bool) -> Result<Rows, RunError> {
        let kernel = &self.program.kernels[p.index()];
        let end = |source: bool| {
            let (start, len) = match source {
                true => (connection.source_start, connection.source_len),
                false => (connection.target_start, connection.target_len),
            };
            let quantity = |inst: &Inst| {
                let Inst::Load(slot) = *inst else { return (start..start + len).map(|index| index as f64).collect() };
                let held = self.buffers[kernel.slots[slot as usize].array.index()].lane(0);
                held[start..start + len].iter().map(|number| number.wide()).collect()
            };
            Boxes::new(&read(kernel, source).iter().map(quantity).collect::<Vec<Vec<f64>>>(), len)
        };
        if connection.source_len == 0 || connection.target_len == 0 {
            return Ok((vec![0; connection.source_len + 1], Vec::new()));
        }
        let (sources, targets) = (end(true), end(false));
        let drawing = Drawing { of: self, connection, itself, p, into, targets };
        let groups = sources.groups();
        let one = |room: &mut Room<T>, &(at, few): &(usize, &[u32])| drawing.group(room, &sources.boxes[at].spans, few);
        let drawn: Result<Vec<Vec<(u32, u32)>>, RunError> = match team::threads() {
            1 => {
                let mut room = drawing.room();
                groups.iter().map(|group| one(&mut room, group)).collect()
            }
            _ => groups.par_iter().map_init(|| drawing.room(), one).collect(),
        };
        Ok(by_source(drawn?, connection.source_len))
    }
}

/// Puts pairs, those of a source together, in the order of sources.
fn by_source(groups: Vec<Vec<(u32, u32)>>, sources: usize) -> Rows {
    let mut starts = vec![0_u32; sources + 1];
    groups.iter().flatten().for_each(|&(source, _)| starts[source as usize + 1] += 1);
    (1..starts.len()).for_each(|row| starts[row] += starts[row - 1]);
    let (mut next, mut targets) = (starts.clone(), vec![0; starts[sources] as usize]);
    for (source, target) in groups.into_iter().flatten() {
        let at = &mut next[source as usize];
        targets[*at as usize] = target;
        *at += 1;
    }
    (starts, targets)
}

/// What a kernel reads of sources, or of targets: its loads, and the index.
fn read(kernel: &Kernel, source: bool) -> Vec<Inst> {
    let (access, index) =
        if source { (Access::Source, Inst::SourceIndex) } else { (Access::Target, Inst::TargetIndex) };
    let is_read = |inst: &&Inst| {
        let loaded = if let Inst::Load(slot) = **inst { Some(kernel.slots[slot as usize].access) } else { None };
        loaded == Some(access) || **inst == index
    };
    kernel.body.iter().filter(is_read).copied().collect()
}

impl<T: Computable> Drawing<'_, T> {
    /// Only what the kernel touches.
    fn room(&self) -> Room<T> {
        let slots = &self.of.program.kernels[self.p.index()].slots;
        let touched = |index: usize| slots.iter().any(|slot| slot.array.index() == index);
        let buffers = self.of.buffers.iter().enumerate();
        let buffers = buffers.map(|(index, held)| if touched(index) { held.clone() } else { Buffer::default() });
        Room { buffers: buffers.collect(), spans: Vec::new(), candidates: Candidates::default() }
    }

    /// The pairs of a few sources of a box, as indices within the ranges: by source, then target.
    fn group(&self, room: &mut Room<T>, spans: &[Span], few: &[u32]) -> Result<Vec<(u32, u32)>, RunError> {
        let (near, mut joined) = (self.near(spans, &mut room.spans), Vec::new());
        for &source in few {
            self.candidates(source, &near, room, &mut joined)?;
        }
        self.keep(room, &mut joined)?;
        joined.sort_unstable();
        Ok(joined)
    }

    /// Where targets of sources in a box of such `spans` may lie.
    fn near(&self, spans: &[Span], work: &mut Vec<Span>) -> Near {
        let kernel = &self.of.program.kernels[self.p.index()];
        let (ours, theirs) = (read(kernel, true), read(kernel, false));
        let (mut near, mut open) = (Vec::new(), vec![0]);
        while let Some(at) = open.pop() {
            let one = &self.targets.boxes[at];
            let span = |inst: &Inst| {
                let find = |known: &[Inst], spans: &[Span]| Some(spans[known.iter().position(|other| other == inst)?]);
                find(&ours, spans).or_else(|| find(&theirs, &one.spans)).unwrap_or(ALL)
            };
            let (least, most) = interval::stored(kernel, span, work);
            let (least, most) = (least.clamp(0.0, 1.0), most.clamp(0.0, 1.0));
            if most <= 0.0 {
                continue;
            }
            // Half the candidates at least are kept, or there are few.
            let settled = least > most / 2.0 || most * (one.end - one.start) as f64 <= CHEAP;
            match one.halves.filter(|_| !settled) {
                Some((first, second)) => open.extend([second, first]),
                None => near.push((one.start, one.end, most)),
            }
        }
        near
    }

    /// Draws the candidates of a source: by the gaps between them, in units of what a pair with this bound takes from a gap.
    fn candidates(
        &self,
        source: u32,
        near: &Near,
        room: &mut Room<T>,
        joined: &mut Vec<(u32, u32)>,
    ) -> Result<(), RunError> {
        let own = own_target(self.connection, self.itself, source as usize);
        let mut number = 0;
        let mut uniform = || {
            let Connection { component, .. } = *self.connection;
            let key = Key { seed: self.of.seed, component, element: source, number, tick: 0, sample: 0 };
            number += 1;
            key.uniform_f64()
        };
        let mut gap = -(1.0 - uniform()).ln();
        for &(start, end, bound) in near {
            let each = -(-bound).ln_1p();
            let mut at = start;
            while at < end {
                let left = (end - at) as f64;
                let skipped = (gap / each).floor();
                if skipped >= left {
                    gap -= left * each;
                    break;
                }
                at += skipped as usize;
                let target = self.targets.order[at];
                let drawn = uniform();
                if own != Some(target as usize) {
                    let waiting = &mut room.candidates;
                    waiting.sources.push(source + self.connection.source_start as u32);
                    waiting.targets.push(target + self.connection.target_start as u32);
                    waiting.bounds.push(bound);
                    waiting.drawn.push(drawn);
                    if waiting.sources.len() == room.buffers[self.into.index()].stride {
                        self.keep(room, joined)?;
                    }
                }
                at += 1;
                gap = -(1.0 - uniform()).ln();
            }
        }
        Ok(())
    }

    /// Asks for the probabilities of the candidates, and keeps those that are joined.
    fn keep(&self, room: &mut Room<T>, joined: &mut Vec<(u32, u32)>) -> Result<(), RunError> {
        let Connection { source_start, source_len, target_start, target_len, .. } = *self.connection;
        let Room { buffers, candidates, .. } = room;
        let all = [(0, candidates.sources.len() as u32)];
        let synapses = Synapses {
            indices: Indices::Ranges(&all),
            sources: &candidates.sources,
            targets: &candidates.targets,
            largest: ((source_start + source_len - 1) as u32, (target_start + target_len - 1) as u32),
        };
        let clock = Clock { seed: self.of.seed, tick: 0, sample: 0, time: 0.0 };
        self.of.kernels.synapses(self.p, buffers, 0, synapses, clock);
        let probabilities = buffers[self.into.index()].lane(0);
        for (index, (&source, &target)) in candidates.sources.iter().zip(&candidates.targets).enumerate() {
            let p = probabilities[index].wide();
            // A little above 1 may be rounding.
            if p.is_nan() || p > 1.0 + 1e-6 {
                return Err(improbable(self.connection, source, target, p));
            }
            if candidates.drawn[index] * candidates.bounds[index] < p {
                joined.push((source - source_start as u32, target - target_start as u32));
            }
        }
        candidates.clear();
        Ok(())
    }
}

fn improbable(connection: &Connection, source: u32, target: u32, p: f64) -> RunError {
    let name = &connection.name;
    RunError {
        code: "E0405",
        message: format!("`{name}`: the probability that neuron {source} is joined to neuron {target} is {p:.6}"),
        help: Some(String::from("it must lie within 0 and 1 (below 0 counts as 0): `random(p: min(…, 1))`")),
        place: Some(connection.place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every box holds its elements, and half of its parent's.
    #[test]
    fn boxes_hold_their_elements() {
        let place = |element: u32| Key { seed: 5, component: 1, element, number: 0, tick: 0, sample: 0 }.uniform_f64();
        let quantities: Vec<Vec<f64>> = (0..2).map(|of| (0..1000).map(|at| place(1000 * of + at)).collect()).collect();
        let tree = Boxes::new(&quantities, 1000);
        let mut order = tree.order.clone();
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<u32>>());
        for one in &tree.boxes {
            assert!(one.halves.is_some() == (one.end - one.start > FEW));
            for (numbers, &(low, high)) in quantities.iter().zip(&one.spans) {
                let own = tree.order[one.start..one.end].iter().map(|&element| numbers[element as usize]);
                assert!(own.clone().all(|number| (low..=high).contains(&number)));
            }
        }
        assert_eq!(tree.groups().iter().map(|(_, few)| few.len()).sum::<usize>(), 1000);
    }
}
