//! Links that bits pass at least, wherever everything lies: arrays that fit no core together are links apart.

use std::collections::BTreeMap;

use super::alternatives::Alternative;
use super::choices::Choices;
use crate::cost;
use crate::forms::chip::{Chip, Domain};
use crate::forms::circuit::{self, Circuit};
use crate::forms::network::{NodeId, Operator};
use crate::forms::placement::Placement;
use crate::forms::plan::Objective;
use crate::graph::operands;
use crate::map::place::solve::{self, End, Net, Part, Problem};

/// Links that bits pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Links {
    /// A layer's outputs, as partial sums on their way to what adds them.
    merges: BTreeMap<NodeId, f64>,
    /// A source's values on their way to a consumer, and the bits that each is somewhere on its way from the arrays before.
    wires: BTreeMap<(NodeId, NodeId), (f64, f64)>,
    /// Joules a sample between the host and the arrays next to it.
    pub host: f64,
}

/// Arrays that hold a part of what makes one element: their kind of tile, and how many.
type Arrays = (usize, usize);

impl Links {
    pub fn merge(&self, layer: NodeId) -> f64 {
        self.merges.get(&layer).copied().unwrap_or(0.0)
    }

    pub fn wire(&self, from: NodeId, to: NodeId) -> (f64, f64) {
        self.wires.get(&(from, to)).copied().unwrap_or((0.0, f64::INFINITY))
    }

    /// The least there can be. All links that an element passes on its way through operators join the arrays that have a part in it, so that
    /// there is one for each core but the first; each carries at least the fewest bits of that way.
    pub fn least(choices: &Choices) -> Links {
        let mut links = Links::default();
        let (network, chip) = (choices.given.network, choices.chip());
        for &node in &choices.nodes {
            let Some((arrays, _)) = layer(choices, node) else { continue };
            links.merges.insert(node, (cores(chip, &[arrays]) - 1.0).max(0.0));
        }
        for (&source, _) in choices.fans.iter().filter(|(source, _)| !from_host(choices, **source)) {
            // Over analog links an element may pass to another core as no bits at all.
            let before = anchor(choices, source).filter(|_| chip.links.is_empty());
            for to in choices.consumers(source) {
                let Some((_, columns)) = layer(choices, to).filter(|_| !turned(choices, to)) else { continue };
                let (mut all, mut narrowest) = (vec![columns], f64::INFINITY);
                let mut known = 1.0;
                if let Some((arrays, bits)) = before {
                    known = cores(chip, &[arrays]).max(1.0);
                    all.push(arrays);
                    narrowest = bits;
                }
                let more = cores(chip, &all) - known;
                if more > 0.0 {
                    links.wires.insert((source, to), (more, narrowest));
                }
            }
        }
        if choices.minimises(Objective::Energy) && chip.mesh.energy_per_bit > 0.0 && network.graph.node_count() > 0 {
            links.host = chip.mesh.energy_per_bit * host(choices);
        }
        links
    }
}

impl Links {
    /// Those that values pass where a circuit lies; the least there can be of what leaves its source as no bits.
    pub fn lying(choices: &Choices, circuit: &Circuit, placement: &Placement) -> Links {
        let mut links = Links::least(choices);
        let chip = choices.chip();
        // Values times links, by the operator they come from and what takes them.
        let mut passed: BTreeMap<(NodeId, Option<NodeId>), f64> = BTreeMap::new();
        for net in circuit.nets.iter().filter(|net| net.domain == Domain::Bits) {
            let mut ends: Vec<Option<NodeId>> = (net.to.iter())
                .map(|end| match end {
                    circuit::End::Host => None,
                    circuit::End::Part(part) => Some(circuit.parts[part.0].node),
                })
                .collect();
            ends.dedup();
            let each = (net.values * cost::links(chip, &placement.cores, net).len()) as f64 / ends.len().max(1) as f64;
            ends.into_iter().for_each(|end| *passed.entry((net.source, end)).or_default() += each);
        }
        for (&layer, merged) in &mut links.merges {
            if let Some(values) = passed.get(&(layer, Some(layer))) {
                *merged = merged.max(values / choices.len_of(layer));
            }
        }
        for &source in choices.fans.keys() {
            let mut origin = source;
            while let (true, Some(&before)) = (choices.passes(origin), operands(choices.given.network, origin).first())
            {
                origin = before;
            }
            for to in choices.consumers(source) {
                let outside = matches!(choices.given.network.graph[to].operator, Operator::Output);
                if let Some(values) = passed.get(&(origin, (!outside).then_some(to))) {
                    let share = choices.sharers(source, to);
                    links.wires.insert((source, to), (values * share / choices.len_of(source), f64::INFINITY));
                }
            }
        }
        links
    }
}

/// Arrays that share the sum of one output of a layer, and those that take one of its inputs; none: it is on no arrays.
fn layer(choices: &Choices, node: NodeId) -> Option<(Arrays, Arrays)> {
    let (_, first) = choices.tiling.of(node).next()?;
    let same =
        |of: &dyn Fn(&crate::forms::tiling::Block) -> bool| choices.tiling.of(node).filter(|(_, b)| of(b)).count();
    let rows = same(&|block| block.outputs == first.outputs);
    let columns = same(&|block| block.inputs == first.inputs);
    Some(((first.tile_kind, rows), (first.tile_kind, columns)))
}

/// Whether a layer's arrays are another's, which may be among those that its values come from or go to.
fn turned(choices: &Choices, node: NodeId) -> bool {
    choices.given.network.backward.contains_key(&node)
}

/// Cores that hold so many arrays at least.
fn cores(chip: &Chip, arrays: &[Arrays]) -> f64 {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    arrays.iter().for_each(|&(kind, count)| *counts.entry(kind).or_default() += count);
    let has = |core: usize, kind: usize| -> usize {
        chip.core_kinds[core].tiles.iter().filter(|(of, _)| *of == kind).map(|(_, count)| count).sum()
    };
    let kinds = 0..chip.core_kinds.len();
    let together = kinds.clone().any(|core| counts.keys().all(|&kind| has(core, kind) > 0));
    let each = counts.iter().map(|(&kind, &count)| {
        let most = kinds.clone().map(|core| has(core, kind)).max().unwrap_or(0).max(1);
        count.div_ceil(most) as f64
    });
    if together { each.fold(0.0, f64::max) } else { each.sum() }
}

/// Whether a node's values come from the host as they are.
fn from_host(choices: &Choices, node: NodeId) -> bool {
    match choices.given.network.graph[node].operator {
        Operator::Input => true,
        Operator::Gather(_) => {
            operands(choices.given.network, node).into_iter().any(|source| from_host(choices, source))
        }
        Operator::Output
        | Operator::Dense { .. }
        | Operator::Elementwise { .. }
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Scatter(_)
        | Operator::Delay
        | Operator::Population { .. }
        | Operator::Read { .. } => false,
    }
}

/// The arrays before a node that have a part in each of its elements, and the fewest bits that carry it on the way from them to the node.
fn anchor(choices: &Choices, node: NodeId) -> Option<(Arrays, f64)> {
    let network = choices.given.network;
    let before = || operands(network, node).first().copied();
    let on = |source: NodeId| {
        let (arrays, bits) = anchor(choices, source)?;
        let ends = &choices.alternatives[choices.index(node)];
        let need = ends.iter().filter_map(|end| choices.need(end)).fold(f64::INFINITY, f64::min);
        Some((arrays, bits.min(choices.least_width(source)).min(need)))
    };
    match &network.graph[node].operator {
        Operator::Dense { .. } => {
            let (arrays, _) = layer(choices, node).filter(|_| !turned(choices, node))?;
            let sums = choices.alternatives[choices.index(node)].iter().map(|alternative| alternative.sums);
            Some((arrays, if arrays.1 > 1 { sums.fold(f64::INFINITY, f64::min) } else { f64::INFINITY }))
        }
        Operator::Elementwise { .. } => {
            before().filter(|&source| network.graph[source].len() == network.graph[node].len()).and_then(on)
        }
        Operator::Gather(gather) if gather.maps.len() == 1 => anchor(choices, before()?),
        Operator::Input
        | Operator::Output
        | Operator::Gather(_)
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Scatter(_)
        | Operator::Delay
        | Operator::Population { .. }
        | Operator::Read { .. } => None,
    }
}

/// Bits times links between the host's port and the arrays that take inputs, or give outputs by themselves.
fn host(choices: &Choices) -> f64 {
    let (network, chip) = (choices.given.network, choices.chip());
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut parts, mut nets) = (Vec::new(), Vec::new());
    let mut part = |block: usize| {
        let block = choices.tiling.blocks[block].backward.unwrap_or(block);
        *numbers.entry(block).or_insert_with(|| {
            parts.push(Part { needs: vec![(choices.tiling.blocks[block].tile_kind, 1.0)], fixed: None });
            parts.len() - 1
        })
    };
    let plain = |node: NodeId| {
        let operator = &network.graph[node].operator;
        matches!(operator, Operator::Input) || matches!(operator, Operator::Gather(gather) if gather.is_whole())
    };
    for &source in choices.fans.keys() {
        let all_plain = from_host(choices, source) && {
            let mut at = source;
            while let (true, Some(&before)) = (plain(at), operands(network, at).first()) {
                at = before;
            }
            plain(at)
        };
        for to in choices.consumers(source) {
            let firings = choices.carried(source, to) / choices.sharers(source, to);
            let needs = |a: &Alternative| choices.need(a);
            let least = choices.alternatives[choices.index(to)].iter().filter_map(needs).fold(16.0, f64::min);
            if all_plain {
                let mut rows: BTreeMap<(usize, usize), Vec<End>> = BTreeMap::new();
                for (index, block) in choices.tiling.of(to) {
                    rows.entry(block.inputs).or_default().push(End::Part(part(index)));
                }
                nets.extend(rows.into_iter().map(|((start, end), to)| Net {
                    from: End::Host,
                    to,
                    bits: (end - start) as f64 * least * firings,
                }));
            }
            // A layer whose sums are whole; over analog links it may be far from where bits leave.
            let outside = matches!(network.graph[to].operator, Operator::Output) && chip.links.is_empty();
            if let Some((anchored, (arrays, bits))) =
                crate::graph::layer_of(choices.given.network, source).filter(|_| outside).zip(anchor(choices, source))
                && arrays.1 == 1
            {
                let bits = bits.min(choices.least_width(source));
                for (index, block) in choices.tiling.of(anchored) {
                    let from = End::Part(part(index));
                    nets.push(Net { from, to: vec![End::Host], bits: block.width() as f64 * bits * firings });
                }
            }
        }
    }
    let room = chip.core_kinds.iter().map(|core| {
        let count = |kind: usize| core.tiles.iter().filter(|(of, _)| *of == kind).map(|(_, count)| *count as f64).sum();
        (0..chip.tile_kinds.len()).map(count).collect()
    });
    let problem = Problem {
        grid: chip.grid,
        cores: chip.cores.clone(),
        room: room.collect(),
        parts,
        nets,
        near: Vec::new(),
        port: 0,
    };
    solve::least(&problem).unwrap_or(0.0)
}
