//! `Placed`: every block, unit operator and population has a core.

use super::converted::Converted;
use super::network::NodeId;

/// A converted network on cores.
#[derive(Debug, Clone)]
pub struct Placed {
    pub converted: Converted,
    /// Core of each block, in the order of `Tiled::blocks`; an index into `Chip::cores`.
    pub block_cores: Vec<usize>,
    /// Tile within that core.
    pub block_tiles: Vec<usize>,
    /// Core of every other node that occupies something, in the order of node ids. A population larger than a core is
    /// split: several entries with element ranges.
    pub node_cores: Vec<NodePlace>,
    /// Traffic x distance in bit-hops a sample.
    pub cost: f64,
    pub lower_bound: f64,
    /// The same cost for a random placement (seeded), for comparison.
    pub random_cost: f64,
}

/// Elements of a node on a core.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePlace {
    pub node: NodeId,
    pub elements: (usize, usize),
    pub core: usize,
}
