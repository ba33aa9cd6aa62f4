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
    /// For each target (within the target range) its synapses, ascending; empty unless the connection has `on_post`.
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
    if connection.on_post.is_some() {
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
            for target in 0..targets {
                let skip = |source| !*itself && is_itself(source, target);
                for source in sample(seed, connection.component, target as u32, *sources, rows.len(), skip) {
                    rows[source].push(target as u32);
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

/// `count` different indices below `len`, ascending (Floyd's method).
fn sample(
    seed: u64,
    component: u32,
    element: u32,
    count: usize,
    len: usize,
    skip: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let candidates: Vec<usize> = (0..len).filter(|&index| !skip(index)).collect();
    let count = count.min(candidates.len());
    let mut chosen = std::collections::BTreeSet::new();
    for (number, last) in (candidates.len() - count..candidates.len()).enumerate() {
        let key = Key { seed, component, element, number: number as u32, tick: 0, sample: 0 };
        let drawn = (key.uniform_f64() * (last + 1) as f64) as usize;
        if !chosen.insert(drawn) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().map(|index| candidates[index]).collect()
}
