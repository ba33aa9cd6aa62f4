//! Lists what is wrong with a `Placed`; an entry is a mistake of the compiler.
//!
//! Invariants: every block lies on a tile of its kind that exists, no two on the same; every population of neurons is placed
//! whole, once, on cores with room for it; units are on cores that have them; the cost is not below its bound.

use std::collections::{BTreeMap, BTreeSet};

use crate::forms::converted::Implementation;
use crate::forms::network::{Operator, PopulationKind};
use crate::forms::placed::Placed;

/// Every broken invariant in words; empty when all is sound.
pub fn verify(placed: &Placed) -> Vec<String> {
    let (tiled, mut faults) = (&placed.converted.tiled, Vec::new());
    let chip = &tiled.chip;
    if chip.ideal {
        return faults;
    }
    if placed.block_cores.len() != tiled.blocks.len() || placed.block_tiles.len() != tiled.blocks.len() {
        return vec![String::from("not every block has a place")];
    }
    let mut taken = BTreeSet::new();
    for (index, block) in tiled.blocks.iter().enumerate() {
        let (core, tile) = (placed.block_cores[index], placed.block_tiles[index]);
        let kinds: Vec<usize> = (chip.cores.get(core).map(|kind| &chip.core_kinds[*kind].tiles).into_iter().flatten())
            .flat_map(|&(kind, count)| std::iter::repeat_n(kind, count))
            .collect();
        if kinds.get(tile) != Some(&block.tile_kind) {
            faults.push(format!("block {index} is on a tile that is not of its kind"));
        }
        if !taken.insert((core, tile)) {
            faults.push(format!("two blocks are on tile {tile} of core {core}"));
        }
    }
    let mut neurons: BTreeMap<usize, usize> = BTreeMap::new();
    for id in tiled.network.graph.node_indices() {
        let node = &tiled.network.graph[id];
        if !matches!(node.operator, Operator::Population { kind: PopulationKind::Neuron, .. }) {
            continue;
        }
        let mut end = 0;
        for place in placed.node_cores.iter().filter(|place| place.node == id) {
            if place.elements.0 != end {
                faults.push(format!("`{}` is not placed whole", node.name));
            }
            end = place.elements.1;
            *neurons.entry(place.core).or_default() += place.elements.1 - place.elements.0;
        }
        if end != node.len() {
            faults.push(format!("`{}` is not placed whole", node.name));
        }
    }
    for (core, count) in neurons {
        let room = chip.cores.get(core).and_then(|&kind| chip.core_kinds[kind].neurons).unwrap_or(0);
        if count > room {
            faults.push(format!("core {core} holds {count} neurons of {room}"));
        }
    }
    for choice in &placed.converted.choices {
        if let Implementation::Unit(unit) = choice.implementation {
            let has = |core: usize| chip.core_kinds[chip.cores[core]].units.iter().any(|(kind, _)| *kind == unit);
            if !placed.node_cores.iter().any(|place| place.node == choice.node && has(place.core)) {
                faults.push(format!("`{}` is on no core with its unit", tiled.network.graph[choice.node].name));
            }
        }
    }
    if placed.cost < placed.lower_bound {
        faults.push(format!("the cost {} is below its bound {}", placed.cost, placed.lower_bound));
    }
    faults
}
