//! `Decisions`: what computes each operator, and in which physical domain every signal travels.

use std::collections::BTreeMap;

use super::chip::Domain;
use super::network::NodeId;

/// What was decided for a network on a chip.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decisions {
    /// What was chosen for each node, in the order of node ids.
    pub choices: Vec<Choice>,
    /// Every signal, in the order (from, to, operand).
    pub wires: Vec<Wire>,
    /// How good the choice is.
    pub objective: Outcome,
    /// Full range of each node's output, found on the calibration data, in the order of node ids.
    pub ranges: Vec<(NodeId, Range)>,
    /// Full range of what each block's columns are converted with, in the order of `Tiling::blocks`: of its partial sums, or
    /// of the sum of all blocks where they are added before they are converted.
    pub block_ranges: Vec<f64>,
    /// Of each block, in the same order: the share of that range that each column is converted in; none: all of it.
    pub column_ranges: Vec<Vec<f64>>,
    /// Of layers whose columns have scales of their own: what each output is multiplied by once it is digital.
    pub scales: BTreeMap<NodeId, Vec<f64>>,
    /// For each pin, in order: how much worse the objective is than without it (0 when it costs nothing).
    pub pin_costs: Vec<f64>,
    /// Conversions a sample by converter (`sar(6)`).
    pub conversions: nmc_program::Conversions,
}

/// Values lie in `-full ..= full`, or in `0 ..= full` where they are never negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub full: f64,
    pub unsigned: bool,
}

/// The implementation of one operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub node: NodeId,
    /// Readable: `digital_alu`, `xbar, pulse_width(4) in, sar(6) out`.
    pub name: String,
    pub implementation: Implementation,
    /// Domain of its operands and of its output.
    pub input: Domain,
    pub output: Domain,
}

/// What an operator is done by.
#[derive(Debug, Clone, PartialEq)]
pub enum Implementation {
    /// By nothing that costs: on the ideal chip, or because values only change their place.
    Exact,
    /// By a unit, index into `Chip::unit_kinds`.
    Unit(usize),
    /// On arrays.
    Tile(OnTiles),
    /// By the neurons of spiking cores, or by devices.
    Core,
}

/// How arrays compute a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnTiles {
    /// How rows are driven and columns read, indices into `TileKind::inputs` and `TileKind::senses`.
    pub drive: usize,
    pub sense: usize,
    /// How partial sums become one.
    pub sum: Summing,
    pub bias: Bias,
    /// The converter that gathers the charge of pulses at each column of an analog output, index into `Chip::converters`.
    pub gather: Option<usize>,
}

/// How partial sums of several arrays become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summing {
    /// There is one array for each output.
    Single,
    /// On analog lines by this unit (`implements: sum`, index into `Chip::unit_kinds`), before they are converted.
    Line(usize),
    /// By this digital unit, each after its own conversion.
    Digital(usize),
}

/// What adds the bias of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// There is none, or adding is exact.
    None,
    /// So many rows of the array that has them to spare, driven by a constant of full range.
    Rows(usize),
    /// This digital unit, after conversion.
    Digital(usize),
}

/// One signal edge and how its values travel.
#[derive(Debug, Clone, PartialEq)]
pub struct Wire {
    pub from: NodeId,
    pub to: NodeId,
    /// Which operand of `to`.
    pub operand: usize,
    /// Domain in which it arrives: for arrays what is on the rows.
    pub domain: Domain,
    /// Converters at the source (beside those of an array's columns), in order, then those at the destination; indices into
    /// `Chip::converters`.
    pub gives: Vec<usize>,
    pub takes: Vec<usize>,
    /// All converters a value passes, those of array columns and rows included, in order.
    pub converters: Vec<usize>,
    /// Conversions a sample by each of `converters` for this wire: 0 where another wire of the same source counts a shared one.
    pub counts: Vec<f64>,
    /// Why, in words.
    pub reason: String,
    /// Where it is converted: what would have to be true for that to go, in words.
    pub remedy: Option<String>,
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
    /// The first as it was estimated to choose, where drawn chips told it since; and what wires are expected to take in it.
    pub estimated: f64,
    pub by_wires: f64,
    pub accuracy_loss: Option<f64>,
}

impl Decisions {
    /// The choice for a node.
    pub fn choice(&self, node: NodeId) -> Option<&Choice> {
        self.choices.binary_search_by_key(&node, |choice| choice.node).ok().map(|at| &self.choices[at])
    }

    /// How arrays compute a layer; none: they do not.
    pub fn on_tiles(&self, layer: NodeId) -> Option<OnTiles> {
        match self.choice(layer)?.implementation {
            Implementation::Tile(how) => Some(how),
            Implementation::Exact | Implementation::Unit(_) | Implementation::Core => None,
        }
    }

    /// Full range of a node's output.
    pub fn range(&self, node: NodeId) -> Range {
        let found = self.ranges.binary_search_by_key(&node, |(node, _)| *node).ok();
        found.map_or(Range { full: 1.0, unsigned: false }, |at| self.ranges[at].1)
    }
}
