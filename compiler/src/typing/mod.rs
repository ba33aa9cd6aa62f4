//! What expressions and equations mean, for `check`, where blocks are generic, and for `elaborate`, where parameters are numbers.

// Statements and expressions are many; each place takes the few it has a meaning for.
#![allow(clippy::wildcard_enum_match_arm)]

pub mod blocks;
pub mod closing;
pub mod functions;
mod noise;
pub mod tables;
pub mod term;
pub mod values;
pub mod walk;

use nmc_grammar::ast::BlockKind;

/// The kind of block with its article.
pub fn a(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Network => "a network",
        BlockKind::Neuron => "a neuron",
        BlockKind::Synapse => "a synapse",
        BlockKind::Plasticity => "a plasticity rule",
        BlockKind::Encoder => "an encoder",
        BlockKind::Decoder => "a decoder",
        BlockKind::Device => "a device",
        BlockKind::Converter => "a converter",
        BlockKind::Unit => "a unit",
        BlockKind::Tile => "a tile",
        BlockKind::Core => "a core",
        BlockKind::Chip => "a chip",
        BlockKind::Experiment => "an experiment",
    }
}

/// The word a kind of block is written with.
pub fn word(kind: BlockKind) -> &'static str {
    a(kind).split_once(' ').map_or("", |(_, word)| word)
}
