//! Operations: the steps of programming, of a sample and of a tick.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, ConnectionId, GroupId, KernelId, MatrixId, TensorId};

/// A step. The order of a tick (see `docs/semantics`): emit, update, collect, deliver and `on pre`, `on post`, reset, record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// Runs a kernel densely over `len` elements of each lane. With `spikes`, the marked elements become that group's
    /// spikes of this tick.
    Kernel { kernel: KernelId, len: usize, spikes: Option<GroupId> },
    /// Runs a kernel over the elements of the group that spiked in this tick (resets).
    OnSpikes { kernel: KernelId, group: GroupId },
    /// Draws or reads the spikes of a group that is not made by a kernel.
    Emit { group: GroupId },
    /// Takes the spikes due now through a connection's synapses, source by source in ascending order.
    Deliver { connection: ConnectionId },
    /// Runs a connection's `on_post` for the target neurons that spiked in this tick, in ascending order.
    OnPost { connection: ConnectionId },
    /// Fills an array with one value.
    Fill { array: ArrayId, value: f64 },
    /// output[out_start..][..cols] = W input[in_start..][..rows], with the matrix's read noise; overwrites.
    Multiply { matrix: MatrixId, input: ArrayId, input_start: usize, output: ArrayId, output_start: usize },
    /// Copies elements.
    Copy { from: ArrayId, from_start: usize, to: ArrayId, to_start: usize, len: usize },
    /// Sets the target conductances of a matrix's cells from its weights (`Cells::target`).
    Target { matrix: MatrixId },
    /// Makes the effective weights (and read variances) of a matrix from its cells' conductances.
    Fold { matrix: MatrixId },
    /// Writes sample `s` of the phase's tensor for this input into an array: done for every `InputFeed` before `begin`.
    /// (Not listed in programs; the engine does it.)
    Present { tensor: TensorId, array: ArrayId },
}
