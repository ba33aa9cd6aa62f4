//! How many bits values are.

use super::{WORD, layer};
use crate::forms::chip::{Chip, Domain, Drive, Sense};
use crate::forms::circuit::Role;
use crate::forms::decisions::{Decisions, Implementation, OnTiles, Wire};
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator};
use crate::forms::tiling::Tiling;
use crate::graph::operands;
use nmc_program::Reduction;

/// Bits of a partial sum: digits of sliced weights and bits of serial inputs are shifted and added where they are converted.
pub fn sum_bits(chip: &Chip, tile: &crate::forms::chip::TileKind, how: OnTiles) -> f64 {
    let bits = match tile.senses.get(how.sense) {
        Some(Sense::Converter { converter, .. }) => chip.converters[*converter].bits.map_or(WORD, f64::from),
        Some(Sense::Analog(_)) | None => WORD,
    };
    let digits = crate::cost::part_reads(tile, how) * tile.slices as f64;
    bits + (digits - 1.0).clamp(0.0, WORD)
}

/// Bits of a value that a node gives, where it gives bits.
pub fn width(given: Given, tiling: &Tiling, decisions: &Decisions, node: NodeId) -> f64 {
    let chip = given.chip;
    let from_wire = |node: NodeId| {
        let wires = decisions.wires.iter().filter(move |wire| wire.from == node);
        wires.filter_map(|wire| last_bits(chip, &wire.gives)).next()
    };
    let passed = || {
        let sources = operands(given.network, node);
        sources.into_iter().map(|source| width(given, tiling, decisions, source)).fold(0.0, f64::max)
    };
    let own = match &given.network.graph[node].operator {
        Operator::Dense { .. } => decisions.on_tiles(node).and_then(|how| layer_width(given, tiling, node, how)),
        Operator::Elementwise { .. } | Operator::Softmax => {
            match decisions.choice(node).map(|choice| &choice.implementation) {
                Some(Implementation::Unit(unit)) => chip.unit_kinds[*unit].bits.map(f64::from),
                Some(_) | None => None,
            }
        }
        Operator::Gather(_) | Operator::Read { .. } => Some(passed()),
        Operator::Input | Operator::Output | Operator::Scatter(_) | Operator::Delay | Operator::Population { .. } => {
            None
        }
        // The largest is one of them, and a mean lies between them.
        Operator::Reduce { reduction: Reduction::Mean | Reduction::Maximum, .. } => Some(passed()),
        Operator::Reduce { reduction: Reduction::Sum, each } => {
            Some((passed() + (*each as f64).log2().ceil()).min(32.0))
        }
    };
    from_wire(node).or(own.filter(|bits| *bits > 0.0)).unwrap_or(WORD)
}

/// Bits of a layer's outputs as its own converters and adders give them.
fn layer_width(given: Given, tiling: &Tiling, node: NodeId, how: OnTiles) -> Option<f64> {
    let (_, block) = tiling.of(node).next()?;
    let tile = &given.chip.tile_kinds[block.tile_kind];
    let Some(Sense::Converter { converter, .. }) = tile.senses.get(how.sense) else { return None };
    let bits = given.chip.converters[*converter].bits.map_or(WORD, f64::from);
    let parts = layer(given, tiling, node, how);
    let terms = parts.iter().filter_map(|part| match part.role {
        Role::Adder { terms, .. } => Some(terms),
        Role::Array { .. } | Role::Line { .. } | Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => {
            None
        }
    });
    let most = terms.max().unwrap_or(1);
    Some((bits + (most as f64).log2().ceil()).min(32.0))
}

/// Bits of a value that a wire's destination can use.
pub fn need(given: Given, tiling: &Tiling, decisions: &Decisions, wire: &Wire) -> f64 {
    let chip = given.chip;
    if let Some(&first) = wire.takes.first() {
        return chip.converters[first].bits.map_or(WORD, f64::from);
    }
    let driven = decisions.on_tiles(wire.to).and_then(|how| {
        let (_, block) = tiling.of(wire.to).next()?;
        match chip.tile_kinds[block.tile_kind].inputs.get(how.drive)? {
            Drive::Converter(id) => chip.converters[*id].bits.map(f64::from),
            Drive::BitSerial { bits, .. } => Some(f64::from(*bits)),
            Drive::Direct(_) => None,
        }
    });
    driven.unwrap_or(f64::INFINITY)
}

/// Bits of what a chain of converters gives at its end.
fn last_bits(chip: &Chip, chain: &[usize]) -> Option<f64> {
    let last = chain.last().map(|&id| &chip.converters[id])?;
    if last.to == Domain::Bits { Some(last.bits.map_or(WORD, f64::from)) } else { None }
}
