//! Draws a fixed number of synapses, each from all pairs: first how many each source gets, then their targets.

use std::ops::Range;

use nmc_program::Connection;
use rayon::prelude::*;

use crate::connect::{Rows, own_target};
use crate::random::{Key, block};
use crate::team;

/// Numbers that are drawn together.
const TOGETHER: usize = 1024;

/// The targets of each source, ascending; a pair may be joined several times.
pub fn rows(connection: &Connection, seed: u64, synapses: usize, itself: bool) -> Rows {
    let (sources, targets) = (connection.source_len, connection.target_len);
    let pairs = Pairs::new(connection, itself);
    // Draws from different numbers of the same elements: of the pair that tells a synapse's source, then of its target.
    let key = |number| Key { seed, component: connection.component, element: 0, number, tick: 0, sample: 0 };
    let each = team::share(synapses, 1 << 16).max(1);
    let counted = |range: Range<usize>| {
        let mut counts = vec![0_u32; sources];
        draw(key(0), range, |_, number| counts[pairs.source(number)] += 1);
        counts
    };
    let counts = match each >= synapses {
        true => counted(0..synapses),
        false => (0..synapses.div_ceil(each))
            .into_par_iter()
            .map(|part| counted(part * each..((part + 1) * each).min(synapses)))
            .reduce(Vec::new, |mut one, other| {
                one.resize(sources, 0);
                one.iter_mut().zip(other).for_each(|(one, other)| *one += other);
                one
            }),
    };
    let mut starts = vec![0_u32];
    starts.extend(counts.iter().scan(0, |end, count| {
        *end += count;
        Some(*end)
    }));
    let mut joined = vec![0_u32; synapses];
    let row = |source: usize, joined: &mut [u32]| {
        let (first, own) = (starts[source] as usize, own_target(connection, itself, source));
        let others = targets - usize::from(own.is_some());
        draw(key(1), first..first + joined.len(), |at, number| {
            let target = below(number, others);
            joined[at - first] = (target + usize::from(own.is_some_and(|own| target >= own))) as u32;
        });
        joined.sort_unstable();
    };
    // Rows of one thread follow one another.
    let mut parts: Vec<(Range<usize>, &mut [u32])> = Vec::new();
    let (mut rest, mut first) = (&mut joined[..], 0);
    while first < sources {
        let begin = starts[first] as usize;
        let last = first + starts[first + 1..].partition_point(|end| *end as usize <= begin + each).max(1);
        let (own, others) = std::mem::take(&mut rest).split_at_mut(starts[last] as usize - begin);
        parts.push((first..last, own));
        (rest, first) = (others, last);
    }
    let of_part = |(range, mut own): (Range<usize>, &mut [u32])| {
        for source in range {
            let (joined, others) = own.split_at_mut(counts[source] as usize);
            row(source, joined);
            own = others;
        }
    };
    match parts.len() {
        0 | 1 => parts.into_iter().for_each(of_part),
        _ => parts.into_par_iter().for_each(of_part),
    }
    (starts, joined)
}

/// Uniform numbers of elements, one after the other.
fn draw(key: Key, elements: Range<usize>, mut found: impl FnMut(usize, f64)) {
    let mut numbers = [0.0; TOGETHER];
    for first in elements.clone().step_by(TOGETHER) {
        let numbers = &mut numbers[..TOGETHER.min(elements.end - first)];
        block::uniforms_f64(Key { element: first as u32, ..key }, numbers);
        numbers.iter().enumerate().for_each(|(at, &number)| found(first + at, number));
    }
}

/// A whole number below `len`, which is not 0.
fn below(number: f64, len: usize) -> usize {
    ((number * len as f64) as usize).min(len - 1)
}

/// All pairs that may be joined, by source: so many of each source up to the first that may be its own target, one less up to the last.
struct Pairs {
    targets: usize,
    own: Range<usize>,
    len: usize,
}

impl Pairs {
    fn new(connection: &Connection, itself: bool) -> Self {
        let (sources, targets) = (connection.source_len, connection.target_len);
        let is_own = |source: &usize| own_target(connection, itself, *source).is_some();
        let first = (0..sources).find(is_own).unwrap_or(0);
        let own = first..first + (first..sources).take_while(is_own).count();
        Pairs { targets, len: sources * targets - own.len(), own }
    }

    /// The source of a pair.
    fn source(&self, number: f64) -> usize {
        let pair = below(number, self.len);
        let before = self.own.start * self.targets;
        let within = self.own.len() * self.targets.saturating_sub(1);
        match pair.checked_sub(before) {
            None => pair / self.targets,
            Some(pair) if pair < within => self.own.start + pair / (self.targets - 1),
            Some(pair) => self.own.end + (pair - within) / self.targets,
        }
    }
}
