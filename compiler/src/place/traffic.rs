//! Who sends how much to whom: bits a sample between blocks.

use crate::forms::chip::Domain;
use crate::forms::converted::Converted;
use crate::forms::network::{NodeId, Operator};
use crate::graph::operands;

/// Width of a digital word on the network, where no converter says otherwise.
const WORD: f64 = 16.0;

/// Index of a block.
pub type Entity = usize;

/// Traffic from one block to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub from: Entity,
    pub to: Entity,
    pub bits: f64,
}

/// Bits of a value on the wire between two nodes: what its last converter to bits gives; an analog value counts as a word.
pub fn word_bits(converted: &Converted, from: NodeId, to: NodeId) -> f64 {
    let wire = converted.wires.iter().find(|wire| wire.from == from && wire.to == to);
    let converters = wire.map_or(&[][..], |wire| &wire.converters);
    let chip = &converted.tiled.chip;
    let to_bits = converters.iter().rev().map(|&id| &chip.converters[id]).find(|c| c.to == Domain::Bits);
    to_bits.and_then(|converter| converter.bits).map_or(WORD, f64::from)
}

/// Partial sums go to the first block of their merge; outputs, through operators in between, to every block of the next layer.
pub fn traffic(converted: &Converted) -> Vec<Pair> {
    let tiled = &converted.tiled;
    let mut pairs = Vec::new();
    for merge in &tiled.merges {
        let bits = (merge.outputs.1 - merge.outputs.0) as f64 * WORD;
        pairs.extend(merge.blocks[1..].iter().map(|&from| Pair { from, to: merge.blocks[0], bits }));
    }
    for (to, block) in tiled.blocks.iter().enumerate() {
        for source in layers_before(converted, block.layer) {
            let homes: Vec<usize> = (0..tiled.blocks.len())
                .filter(|&b| tiled.blocks[b].layer == source && tiled.blocks[b].inputs.0 == 0)
                .collect();
            let whole: f64 =
                homes.iter().map(|&b| (tiled.blocks[b].outputs.1 - tiled.blocks[b].outputs.0) as f64).sum();
            let values = (block.inputs.1 - block.inputs.0) as f64;
            for from in homes {
                let share = (tiled.blocks[from].outputs.1 - tiled.blocks[from].outputs.0) as f64 / whole.max(1.0);
                pairs.push(Pair { from, to, bits: values * share * WORD });
            }
        }
    }
    pairs
}

/// Dense layers whose outputs reach this one without passing another or a population.
fn layers_before(converted: &Converted, layer: NodeId) -> Vec<NodeId> {
    let network = &converted.tiled.network;
    let (mut found, mut stack) = (Vec::new(), operands(network, layer));
    let mut seen = std::collections::BTreeSet::new();
    while let Some(node) = stack.pop() {
        if !seen.insert(node) {
            continue;
        }
        match network.graph[node].operator {
            Operator::Dense { .. } => found.push(node),
            Operator::Population { .. } | Operator::Input | Operator::Output => {}
            Operator::Elementwise { .. }
            | Operator::Reshape
            | Operator::Slice { .. }
            | Operator::Concat
            | Operator::Read { .. } => stack.extend(operands(network, node)),
        }
    }
    found.sort_unstable();
    found
}
