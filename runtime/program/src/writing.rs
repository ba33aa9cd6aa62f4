//! Pulses on cells: what one does, and how cells are written with them.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, KernelId};

/// What a pulse does to cells: a kernel over scratch arrays (shared by all lanes), into which cells that get one are gathered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pulse {
    /// Changes `conductance` of each cell by one pulse, up where `direction` is 1, down where it is -1.
    pub kernel: KernelId,
    /// Elements of the scratch arrays.
    pub len: usize,
    pub conductance: ArrayId,
    pub direction: ArrayId,
    /// What cells have of their own, in the order of cells, and the scratch array it is gathered into.
    pub own: Vec<(ArrayId, ArrayId)>,
}

/// How cells are written pulse by pulse, all from the lowest conductance on; those that are stuck take pulses in vain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub pulse: Pulse,
    /// The most a cell gets.
    pub most: u32,
    pub way: WrittenBy,
    /// Which cells are stuck, by a number below `stuck_on`, else below `stuck`; those below 0 carry nothing.
    pub luck: Option<ArrayId>,
    pub stuck_on: f64,
    pub stuck: f64,
}

/// When a cell has had its pulses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum WrittenBy {
    /// When a read shows what was asked for: the kernel reads `conductance` and `asked` and writes `direction`, 0 where it is enough.
    Verify { kernel: KernelId, asked: ArrayId, tolerance: f64 },
    /// After as many as bring a cell without deviations nearest: what it holds after 0, 1, 2, … of them, rising.
    Curve(Vec<f64>),
}
