//! `Tiling`: every dense layer cut into blocks that fit arrays, with explicit merges of partial sums.

use super::network::NodeId;

/// How the layers of a network are cut for a chip.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tiling {
    /// Blocks in the order layer, column block, row block. Empty on the ideal chip.
    pub blocks: Vec<Block>,
    /// One for each column block of a layer that was cut by rows, in the order of layers.
    pub merges: Vec<Merge>,
    /// How often a sample each node's output changes, by the node's index.
    pub firings: Vec<f64>,
}

/// A piece of a layer's weight matrix on one array (or, sliced, on several): it computes outputs `outputs` from inputs `inputs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The dense layer.
    pub layer: NodeId,
    /// Index into `Chip::tile_kinds`.
    pub tile_kind: usize,
    /// First and past-last input of the layer: `rows_per_input` array rows each.
    pub inputs: (usize, usize),
    /// Physical rows an input takes (2 where both cells of a weight lie on one column).
    pub rows_per_input: usize,
    /// First and past-last output of the layer: `columns_per_output` array columns each.
    pub outputs: (usize, usize),
    /// Physical columns an output takes (2 for differential).
    pub columns_per_output: usize,
    /// Further physical columns (1 for a reference column).
    pub extra_columns: usize,
    /// Rows that are free and may hold the layer's bias, driven by a constant; 0 for all but one block of a column block.
    pub spare_rows: usize,
    /// Vectors of inputs a sample, one after the other.
    pub positions: usize,
    /// The block whose array it is, driven at its columns and read at its rows; none: it has an array of its own.
    pub backward: Option<usize>,
}

impl Block {
    /// Inputs it takes.
    pub fn rows(&self) -> usize {
        self.inputs.1 - self.inputs.0
    }

    /// Array rows in use, but those of a bias.
    pub fn array_rows(&self) -> usize {
        self.rows() * self.rows_per_input
    }

    /// Outputs it computes.
    pub fn width(&self) -> usize {
        self.outputs.1 - self.outputs.0
    }

    /// Array columns in use.
    pub fn columns(&self) -> usize {
        self.width() * self.columns_per_output + self.extra_columns
    }
}

/// The partial sums of several row blocks, added digitally (or on a shared line) to the outputs of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    pub layer: NodeId,
    /// Outputs `outputs` are the sum over these blocks (indices into `Tiling::blocks`).
    pub outputs: (usize, usize),
    pub blocks: Vec<usize>,
}

impl Tiling {
    /// The blocks of a layer with their indices.
    pub fn of(&self, layer: NodeId) -> impl Iterator<Item = (usize, &Block)> {
        self.blocks.iter().enumerate().filter(move |(_, block)| block.layer == layer)
    }
}
