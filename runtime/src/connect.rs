//! Builds connections: which source is joined to which target, from counter-based random numbers.

use nmc_program::{Connection, Pattern, Program, Tensor};

use crate::RunError;
use crate::random::Key;

/// The synapses of a connection, ordered by source, then target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wiring {
    /// Synapses of source `i` (within the source range) are `starts[i] .. starts[i + 1]`.
    pub starts: Vec<u32>,
    /// Source and target of each synapse, as indices within their whole populations.
    pub sources: Vec<u32>,
    pub targets: Vec<u32>,
    /// For each target (within the target range) its synapses, ascending; empty unless the connection has them `by_target`.
    pub into: Vec<Vec<u32>>,
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
}

/// Builds one connection.
pub fn build(program: &Program, connection: &Connection, seed: u64) -> Result<Wiring, RunError> {
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); connection.source_len];
    fill(program, connection, seed, &mut rows)?;
    let mut wiring = Wiring { starts: Vec::with_capacity(rows.len() + 1), ..Wiring::default() };
    let total = rows.iter().map(Vec::len).sum();
    wiring.sources.reserve(total);
    wiring.targets.reserve(total);
    wiring.starts.push(0);
    for (source, row) in rows.iter().enumerate() {
        wiring.sources.extend(row.iter().map(|_| (connection.source_start + source) as u32));
        wiring.targets.extend(row.iter().map(|target| connection.target_start as u32 + target));
        wiring.starts.push(wiring.targets.len() as u32);
    }
    if connection.by_target {
        wiring.into = vec![Vec::new(); connection.target_len];
        for (synapse, target) in wiring.targets.iter().enumerate() {
            wiring.into[*target as usize - connection.target_start].push(synapse as u32);
        }
    }
    Ok(wiring)
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

fn fill(program: &Program, connection: &Connection, seed: u64, rows: &mut [Vec<u32>]) -> Result<(), RunError> {
    let targets = connection.target_len;
    // Whether source i of the range and target j of the range are one neuron.
    let is_itself = |source: usize, target: usize| {
        connection.same && source + connection.source_start == target + connection.target_start
    };
    match &connection.pattern {
        Pattern::AllToAll { itself } => {
            for (source, row) in rows.iter_mut().enumerate() {
                row.extend((0..targets).filter(|&j| *itself || !is_itself(source, j)).map(|j| j as u32));
            }
        }
        Pattern::OneToOne => {
            for (source, row) in rows.iter_mut().enumerate().take(targets) {
                row.push(source as u32);
            }
        }
        Pattern::Random { p, itself } => {
            for (source, row) in rows.iter_mut().enumerate() {
                skips(seed, connection.component, source as u32, *p, targets, row);
                row.retain(|&j| *itself || !is_itself(source, j as usize));
            }
        }
        Pattern::FixedInDegree { sources, itself } => {
            let mut sampler = Sampler::new(seed, connection.component, rows.len());
            for target in 0..targets {
                // The source that is this target.
                let own = (target + connection.target_start).checked_sub(connection.source_start);
                let own = own.filter(|own| !*itself && connection.same && *own < rows.len());
                for &source in sampler.draw(target as u32, *sources, rows.len(), own) {
                    rows[source as usize].push(target as u32);
                }
            }
        }
        Pattern::Matrix(tensor) => {
            let tensor = &program.tensors[tensor.index()];
            for (source, row) in rows.iter_mut().enumerate() {
                row.extend((0..targets).filter(|j| tensor.data.get(source * targets + j) != 0.0).map(|j| j as u32));
            }
        }
        Pattern::List { sources, targets } => {
            let (sources, targets) = (&program.tensors[sources.index()], &program.tensors[targets.index()]);
            listed(connection, sources, targets, rows)?;
        }
    }
    Ok(())
}

fn listed(connection: &Connection, sources: &Tensor, targets: &Tensor, rows: &mut [Vec<u32>]) -> Result<(), RunError> {
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
    rows.iter_mut().for_each(|row| row.sort_unstable());
    Ok(())
}

/// Indices below `len`, each with probability `p`: by drawing the gaps between them.
fn skips(seed: u64, component: u32, element: u32, p: f64, len: usize, row: &mut Vec<u32>) {
    if p <= 0.0 {
        return;
    }
    if p >= 1.0 {
        row.extend(0..len as u32);
        return;
    }
    let scale = 1.0 / (-p).ln_1p();
    let mut next = 0.0;
    for number in 0.. {
        let key = Key { seed, component, element, number, tick: 0, sample: 0 };
        next += ((1.0 - key.uniform_f64()).ln() * scale).floor();
        if next >= len as f64 {
            return;
        }
        row.push(next as u32);
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
