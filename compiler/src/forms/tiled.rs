//! `Tiled`: every dense layer cut into blocks that fit arrays, with explicit merges of partial sums.

use super::chip::Chip;
use super::network::{Network, NodeId};
use super::plan::Plan;

/// A network whose layers are cut for a chip.
#[derive(Debug, Clone)]
pub struct Tiled {
    pub network: Network,
    pub chip: Chip,
    pub plan: Plan,
    /// Blocks in the order layer, column block, row block. Empty on the ideal chip.
    pub blocks: Vec<Block>,
    /// One for each layer that was cut by rows, in the order of layers.
    pub merges: Vec<Merge>,
    /// How often a sample each node's output changes, by the node's index.
    pub firings: Vec<f64>,
}

/// A piece of a layer's weight matrix on one array: it computes outputs `outputs` from inputs `inputs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The dense layer.
    pub layer: NodeId,
    /// Index into `Chip::tile_kinds`.
    pub tile_kind: usize,
    /// First and past-last input of the layer: one array row each.
    pub inputs: (usize, usize),
    /// First and past-last output of the layer: `columns_per_output` array columns each.
    pub outputs: (usize, usize),
    /// Physical columns an output takes (2 for differential).
    pub columns_per_output: usize,
    /// Further physical columns (1 for a reference column).
    pub extra_columns: usize,
}

/// The partial sums of several row blocks, added digitally (or on a shared line) to the outputs of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    pub layer: NodeId,
    /// Outputs `outputs` are the sum over these blocks (indices into `Tiled::blocks`).
    pub outputs: (usize, usize),
    pub blocks: Vec<usize>,
}
