//! `Table`: every event that takes energy, and the area and power of what is there.

use std::collections::BTreeMap;

use nmc_program::ComponentKind;

use super::network::NodeId;

/// How often an event happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Often {
    /// So many a sample.
    Sample(f64),
    /// So many a tick.
    Tick(f64),
    /// Once in the life of the chip (programming).
    Once(f64),
    /// Each pulse that programs the cells of a block: its rows of weights, or those of the bias.
    Write { block: usize, bias: bool },
    /// What programming them takes besides: counts joules.
    Written { block: usize, bias: bool },
    /// So many for each spike of a population.
    Spike(NodeId, f64),
    /// Each delivery over a synapse of the connection with this index, times this.
    Synapse(usize, f64),
    /// Each synapse of the connection with this index that its rule looks at.
    Update(usize),
    /// Reads of the cells of a block, or of its rows that hold the bias: counts joules.
    Read { block: usize, bias: bool },
}

impl Often {
    /// So many a sample, where something works so often a sample: in every tick where that is more than once.
    pub fn new(count: f64, firings: f64) -> Self {
        if firings > 1.0 { Often::Tick(count / firings) } else { Often::Sample(count) }
    }
}

/// Something that takes energy.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub kind: ComponentKind,
    /// What: `fc1: sar(6)`.
    pub name: String,
    /// Where, if it lies on a core.
    pub core: Option<usize>,
    pub often: Often,
    /// Joules each (1 for [`Often::Read`] and [`Often::Written`], which count joules).
    pub energy: f64,
}

/// Everything that costs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub events: Vec<Event>,
    /// Square metres of the whole chip, used or not, and of the part in use.
    pub area: BTreeMap<ComponentKind, f64>,
    pub area_used: BTreeMap<ComponentKind, f64>,
    /// Watts that burn all the time.
    pub static_power: f64,
}
