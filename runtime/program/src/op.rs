//! Operations: the steps of programming, of a sample and of a tick.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, ConnectionId, GroupId, KernelId, MatrixId, TensorId};

/// What some elements become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reduction {
    Sum,
    Mean,
    Maximum,
}

impl Reduction {
    /// As a unit of a chip calls it.
    pub fn word(self) -> &'static str {
        match self {
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::Maximum => "max",
        }
    }

    /// Of these elements, added up in their order; what is no number stays none.
    pub fn of(self, elements: impl ExactSizeIterator<Item = f64>) -> f64 {
        let count = elements.len() as f64;
        match self {
            Reduction::Sum => elements.sum(),
            Reduction::Mean => elements.sum::<f64>() / count,
            Reduction::Maximum => elements.fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b }),
        }
    }
}

/// A step. The order of a tick (see `docs/semantics`): emit, update, collect, deliver and `on pre`, `on post`, reset,
/// `every`, record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// Runs a kernel densely over `len` elements of each lane. With `spikes`, the marked elements become that group's
    /// spikes of this tick.
    Kernel { kernel: KernelId, len: usize, spikes: Option<GroupId> },
    /// Runs a kernel over `len` elements of each lane, then again over those whose `left` is not 0, until there are none; at most
    /// `most` times. It shall take from `left`, what is left to do of the tick.
    Substeps { kernel: KernelId, len: usize, left: ArrayId, most: u32 },
    /// Runs a kernel over the elements of the group that spiked in this tick (resets).
    OnSpikes { kernel: KernelId, group: GroupId },
    /// Draws or reads the spikes of a group that is not made by a kernel.
    Emit { group: GroupId },
    /// Takes the spikes due now through a connection's synapses, source by source in ascending order.
    Deliver { connection: ConnectionId },
    /// Runs a kernel over the synapses (of a connection with `by_target`) to the target neurons that spiked in this tick, in ascending order.
    OnPost { connection: ConnectionId, kernel: KernelId },
    /// Fills arrays with 0, then runs a kernel over all synapses of a connection, in their order; at the end of every so many
    /// ticks since the state began.
    Synapses { connection: ConnectionId, kernel: KernelId, zeroed: Vec<ArrayId>, every: u32 },
    /// Gives synapses whose `gone` is not 0 another source of the connection's range, at random: one that does not reach the target yet, and
    /// not the target itself where the connection leaves that out; none where there is none. Then runs `fresh` over them. Every so many ticks,
    /// as `Synapses`; `name` is that of the connection in metrics.
    Rewire { connection: ConnectionId, gone: ArrayId, fresh: KernelId, every: u32, component: u32, name: String },
    /// Numbers that decay by exp(-`rate`) a tick, kept as what they were where a stretch of `period` ticks began: each is what stands in `array`
    /// times factors[0], and what is added to one is added times factors[1]. Sets both for this tick, the first of which has decayed once;
    /// where a stretch begins carries the numbers over.
    Decay { array: ArrayId, factors: ArrayId, rate: f64, period: u32 },
    /// Fills an array with one value.
    Fill { array: ArrayId, value: f64 },
    /// output[out_start..][..cols, ..positions] = W input[in_start..][..rows, ..positions]; overwrites. Each position is a read with its
    /// own noise; of the matrix's reads of a sample the first one here has the number `read`, and each next one `stride` more: where inputs
    /// come bit by bit all bits of a position are read before the next.
    Multiply {
        matrix: MatrixId,
        input: ArrayId,
        input_start: usize,
        output: ArrayId,
        output_start: usize,
        positions: usize,
        read: usize,
        stride: usize,
    },
    /// The transpose: output[out_start..][..rows, ..positions] = W^T input[in_start..][..cols, ..positions], or added to it. An array is
    /// driven at its columns, in shares of full range, and read at its rows; `joules` a siemens it takes to drive a column at full range.
    Transposed {
        matrix: MatrixId,
        input: ArrayId,
        input_start: usize,
        output: ArrayId,
        output_start: usize,
        positions: usize,
        read: usize,
        joules: f64,
    },
    /// Copies elements.
    Copy { from: ArrayId, from_start: usize, to: ArrayId, to_start: usize, len: usize },
    /// to[i] = what from[i] was `ticks` ticks before, in the first ticks what it was at the start. `ring` [ticks, len] keeps it.
    Past { from: ArrayId, ring: ArrayId, to: ArrayId, len: usize, ticks: u32 },
    /// to[to_start + i] = from[from_start + indices[i]], 0 where the index is negative. `indices`: I64 [len].
    Gather { from: ArrayId, from_start: usize, to: ArrayId, to_start: usize, indices: TensorId },
    /// to[to_start + indices[i]] += from[from_start + i] where the index is not negative, after `len` elements of `to` were set to 0.
    Scatter { from: ArrayId, from_start: usize, to: ArrayId, to_start: usize, len: usize, indices: TensorId },
    /// Of each of `len` stretches of `each` elements, one after the other: one element.
    Reduce {
        reduction: Reduction,
        from: ArrayId,
        from_start: usize,
        to: ArrayId,
        to_start: usize,
        len: usize,
        each: usize,
    },
    /// Sets the target conductances of a matrix's cells from its weights (`Cells::target`).
    Target { matrix: MatrixId },
    /// Gives pulses to a matrix's cells until they hold what was asked for ([`crate::Cells::written`]).
    Write { matrix: MatrixId },
    /// Makes the effective weights (and read variances) of a matrix from its cells' conductances.
    Fold { matrix: MatrixId },
    /// Writes sample `s` of the phase's tensor for this input into an array: done for every `InputFeed` before `begin`.
    /// (Not listed in programs; the engine does it.)
    Present { tensor: TensorId, array: ArrayId },
}
