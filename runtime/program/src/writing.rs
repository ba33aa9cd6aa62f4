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
    /// Where it writes the joules that a pulse takes, if it does.
    pub joules: Option<ArrayId>,
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
    /// What pulses do to the other cells of a passive array; none: transistors keep them off.
    pub half_selected: Option<HalfSelected>,
}

/// What happens to cells of a passive array while another one gets a pulse: those on its row or column see a share of its voltage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HalfSelected {
    /// A kernel over the scratch arrays of [`Pulse`]: changes `conductance` by that share of a pulse in `direction`, and writes the joules it takes.
    pub kernel: KernelId,
    pub joules: ArrayId,
    /// Index of the array in [`crate::Program::passive`].
    pub array: usize,
    /// Whether all other cells see the same share the other way round (V/3); else nothing (V/2).
    pub others: bool,
    /// Where other lines float, and all cells see what these settle at.
    pub floating: Option<Floating>,
}

/// A pulse on a cell whose row is at its voltage and whose column is at 0 V, while all other lines are joined to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Floating {
    pub volts: f64,
    /// The scratch array from which the kernel takes what each cell sees, 0 or above.
    pub across: ArrayId,
}

/// A read that verifies a cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VerifyRead {
    /// Joules a siemens of the cell, and of what drives its row and senses its column.
    pub joules_per_siemens: f64,
    pub joules: f64,
    pub seconds: f64,
}

/// When a cell has had its pulses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum WrittenBy {
    /// When a read shows what was asked for: the kernel reads `conductance` and `asked` and writes `direction`, 0 where it is enough.
    Verify { kernel: KernelId, asked: ArrayId, tolerance: f64 },
    /// After as many as bring a cell without deviations nearest: what it holds after 0, 1, 2, … of them, rising.
    Curve(Vec<f64>),
}
