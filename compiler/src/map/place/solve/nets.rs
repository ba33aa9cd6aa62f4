//! Who sends to whom, with nets of the same sinks held together: what a tree costs is asked millions of times.

use std::collections::BTreeMap;

/// Nets that end at the same sinks.
pub struct Group {
    /// The sinks, in order, each once.
    pub sinks: Vec<u32>,
    /// Each source once, with the bits it sends.
    pub sources: Vec<(u32, f64)>,
}

/// All groups, and for every end those it takes part in. Ends are the parts, and after the last of them the host.
pub struct Nets {
    pub groups: Vec<Group>,
    pub sink_of: Vec<Vec<u32>>,
    pub source_of: Vec<Vec<(u32, f64)>>,
}

/// Links of the tree of x-first routes to sinks in order: the row of the source, and a piece of the column of each sink.
pub fn links(source: (usize, usize), sinks: &[(usize, usize)]) -> usize {
    let (Some(first), Some(last)) = (sinks.first(), sinks.last()) else { return 0 };
    let row = last.0.max(source.0) - first.0.min(source.0);
    let columns = sinks.chunk_by(|a, b| a.0 == b.0);
    row + columns.map(|column| column[column.len() - 1].1.max(source.1) - column[0].1.min(source.1)).sum::<usize>()
}

/// Half the length around spots, sorted, which every tree that joins them has at least.
pub fn half_perimeter(spots: &[(usize, usize)]) -> usize {
    let (Some(first), Some(last)) = (spots.first(), spots.last()) else { return 0 };
    let rows = spots.iter().map(|spot| spot.1);
    last.0 - first.0 + rows.clone().max().unwrap_or(0) - rows.min().unwrap_or(0)
}

impl Nets {
    /// From each net's source, sinks and bits.
    pub fn new(ends: usize, wires: impl IntoIterator<Item = (u32, Vec<u32>, f64)>) -> Self {
        let mut known: BTreeMap<Vec<u32>, BTreeMap<u32, f64>> = BTreeMap::new();
        for (from, mut to, bits) in wires {
            to.sort_unstable();
            to.dedup();
            if bits > 0.0 && to.iter().any(|sink| *sink != from) {
                *known.entry(to).or_default().entry(from).or_default() += bits;
            }
        }
        let (mut sink_of, mut source_of) = (vec![Vec::new(); ends], vec![Vec::new(); ends]);
        let groups = known.into_iter().enumerate().map(|(index, (sinks, sources))| {
            for sink in &sinks {
                sink_of[*sink as usize].push(index as u32);
            }
            for (source, bits) in &sources {
                source_of[*source as usize].push((index as u32, *bits));
            }
            Group { sinks, sources: sources.into_iter().collect() }
        });
        let groups = groups.collect();
        Nets { groups, sink_of, source_of }
    }
}
