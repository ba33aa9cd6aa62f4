//! `Scheduled`: when everything happens within a sample, over which links.

use super::network::NodeId;
use super::placed::Placed;

/// A placed network with its timetable; times in seconds from the start of a sample.
#[derive(Debug, Clone)]
pub struct Scheduled {
    pub placed: Placed,
    /// Work on tiles, units and cores.
    pub tasks: Vec<Task>,
    /// Values moved between cores.
    pub transfers: Vec<Transfer>,
    /// Time between the starts of two samples.
    pub initiation_interval: f64,
    /// Time from a sample's first input to its last output.
    pub latency: f64,
    /// Name of what limits the initiation interval.
    pub bottleneck: String,
}

/// A resource busy for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What is computed.
    pub node: NodeId,
    /// The block, for work on a tile.
    pub block: Option<usize>,
    pub core: usize,
    pub resource: Resource,
    pub start: f64,
    pub end: f64,
}

/// What a task occupies on its core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Tile with this index on the core, with its converters.
    Tile(usize),
    /// Units of this kind.
    Unit(usize),
    /// The core's spiking engine.
    Neurons,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    pub from: NodeId,
    pub to: NodeId,
    pub bits: f64,
    /// Cores passed, first the sender's, last the receiver's.
    pub route: Vec<usize>,
    /// One slot per hop: start and end.
    pub slots: Vec<(f64, f64)>,
}
