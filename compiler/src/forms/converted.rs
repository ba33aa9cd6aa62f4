//! `Converted`: every operator has an implementation, every wire a physical domain, every converter its reason.

use super::chip::Domain;
use super::network::NodeId;
use super::tiled::Tiled;

/// A tiled network with domains decided.
#[derive(Debug, Clone)]
pub struct Converted {
    pub tiled: Tiled,
    /// What was chosen for each node that has a choice, in the order of node ids.
    pub choices: Vec<Choice>,
    /// Every wire, in the order (from, to, operand).
    pub wires: Vec<Wire>,
    /// How good the choice is.
    pub objective: Outcome,
    /// Full range of each node's output, found on the calibration data: values lie in `-range ..= range`.
    /// (node, range of the whole output), in the order of node ids.
    pub ranges: Vec<(NodeId, f64)>,
    /// Full range of what each block's columns are converted with, in the order of `Tiled::blocks`: of its partial sums, or
    /// of the sum of all blocks where a merge unit adds them first.
    pub block_ranges: Vec<f64>,
    /// For each pin, in order: how much worse the objective is than without it (0 when it costs nothing).
    pub pin_costs: Vec<f64>,
    /// For each of `Tiled::merges`: the unit (`implements: sum`, index into `Chip::unit_kinds`) that adds the partial
    /// sums in analog before they are converted or handed on; none: each is converted and they are added digitally.
    pub merge_units: Vec<Option<usize>>,
    /// Conversions a sample by converter (`sar(6)`).
    pub conversions: nmc_program::Conversions,
}

/// The implementation of one operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub node: NodeId,
    /// Readable: `digital`, `analog_relu`, `xbar, pulse_width(4) in, sar(6) out`.
    pub name: String,
    pub implementation: Implementation,
}

/// What an operator is done by.
#[derive(Debug, Clone, PartialEq)]
pub enum Implementation {
    /// Exactly, as on the ideal chip or in digital logic wide enough.
    Exact,
    /// By a unit, index into `Chip::unit_kinds`.
    Unit(usize),
    /// On tiles: how rows are driven and columns read, indices into `TileKind::inputs` and `TileKind::senses`.
    Tile { drive: usize, sense: usize },
    /// On the neurons of spiking cores.
    Core,
}

/// One signal edge and how its values travel.
#[derive(Debug, Clone, PartialEq)]
pub struct Wire {
    pub from: NodeId,
    pub to: NodeId,
    /// Which operand of `to`.
    pub operand: usize,
    /// Domain in which it arrives.
    pub domain: Domain,
    /// Converters on the way, in order, indices into `Chip::converters`; includes the tile's own drive and sense converters.
    pub converters: Vec<usize>,
    /// Why, in words.
    pub reason: String,
    /// Conversions a sample by each of `converters` for this wire: 0 where another wire of the same source has paid for a
    /// shared one; the sense converters of a layer cut by rows and added digitally convert each partial sum.
    pub counts: Vec<f64>,
    /// Values through it a sample.
    pub count_per_sample: f64,
    /// Joules of its conversions a sample.
    pub energy: f64,
}

/// What the optimisation reached; values are of the plan's objective (joules, seconds or m2 a sample).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    pub value: f64,
    pub convert_everywhere: f64,
    pub greedy: f64,
    pub lower_bound: f64,
    pub optimal: bool,
    /// Expected output error variance relative to the output's, and accuracy loss if it could be told.
    pub error_variance: f64,
    pub accuracy_loss: Option<f64>,
}
