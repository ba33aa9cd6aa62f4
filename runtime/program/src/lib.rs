//! The contract between compiler and runtime: a `Program` is everything the runtime needs and all it knows.
//!
//! **Time.** A program runs phases; a phase presents samples; a sample lasts `ticks` ticks (0 for a network without
//! time). For each sample: `begin` operations once, then the `tick` operations once per tick, then `end` operations
//! once. Independent samples run as lanes of a batch; each lane has its own copy of every array marked `per_lane`.
//!
//! **Numbers.** All arrays hold numbers of the program's precision in SI units. Arrays have a fixed number of
//! elements per lane; operations run in the order listed and elements in ascending order wherever order can be seen.

pub mod cost;
pub mod kernel;
pub mod learning;
pub mod lines;
pub mod listing;
pub mod matrix;
pub mod op;
pub mod phase;
pub mod spikes;
mod tensors;
pub mod verify;
pub mod writing;

use serde::{Deserialize, Serialize};

pub use cost::{ComponentKind, Conversions, Cost, Costs, Count, LayoutReport};
pub use kernel::{Access, Binary, Compare, Draw, Inst, Kernel, Slot, Unary, Value};
pub use learning::{Factor, Fast, Followed, Kept, Layer, Learner, Learning, Loss, Pulsed, Reference, Through, Update};
pub use lines::Lines;
pub use matrix::{Cells, Current, Fit, FitSpec, Flicker, Matrix, Scheme, SenseRange, Trap, WeightSource, Wired};
pub use op::{Op, Reduction};
pub use phase::{
    Aggregate, Histogram, InputFeed, Metric, MetricKind, Over, Part, Phase, PhaseKind, Probe, Probed, Requirement,
    Target, To,
};
pub use spikes::{Amount, Connection, Delay, Effect, Group, Pattern, Place, Rounded, Source};
pub use writing::{Floating, HalfSelected, Pulse, VerifyRead, Written, WrittenBy};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u32);
        impl $name {
            /// As an index.
            #[inline]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

/// How far below a half a number of steps still goes up: 0.15 ms are 1.4999999999999998 steps of 0.1 ms.
pub const HALF: f64 = 1e-6;

/// The whole number of time steps that a time is counted as (both in seconds): the nearest, halves up.
pub fn steps(seconds: f64, step: f64) -> f64 {
    (seconds / step + HALF).round()
}

ids! {
    /// Index into [`Program::tensors`].
    TensorId
    /// Index into [`Program::arrays`].
    ArrayId
    /// Index into [`Program::kernels`].
    KernelId
    /// Index into [`Program::matrices`].
    MatrixId
    /// Index into [`Program::groups`].
    GroupId
    /// Index into [`Program::connections`].
    ConnectionId
}

/// Several programs in one file (`.nmx`): one for each experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// [`Image::FORMAT`] of the nmc that wrote it.
    pub format: u32,
    /// The source file's name.
    pub source: String,
    /// One for each experiment, in the order written.
    pub programs: Vec<Program>,
}

impl Image {
    /// Raised with every change of the contract.
    pub const FORMAT: u32 = 18;
}

/// Width of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    #[default]
    F32,
    F64,
}

/// A constant array of data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    /// Where it comes from, for messages: `mnist_mlp.safetensors: fc1.weight`.
    pub name: String,
    /// Row-major shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// The values.
    pub data: TensorData,
}

/// Values as they were stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TensorData {
    U8(Vec<u8>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl TensorData {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            TensorData::U8(values) => values.len(),
            TensorData::I64(values) => values.len(),
            TensorData::F32(values) => values.len(),
            TensorData::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`, widened.
    pub fn get(&self, index: usize) -> f64 {
        match self {
            TensorData::U8(values) => f64::from(values[index]),
            TensorData::I64(values) => values[index] as f64,
            TensorData::F32(values) => f64::from(values[index]),
            TensorData::F64(values) => values[index],
        }
    }

    /// Puts what `of` makes of the values from `start` on into all places of `into`.
    pub fn fill<N>(&self, start: usize, into: &mut [N], of: impl Fn(f64) -> N) {
        let end = start + into.len();
        match self {
            TensorData::U8(values) => {
                into.iter_mut().zip(&values[start..end]).for_each(|(slot, value)| *slot = of(f64::from(*value)));
            }
            TensorData::I64(values) => {
                into.iter_mut().zip(&values[start..end]).for_each(|(slot, value)| *slot = of(*value as f64));
            }
            TensorData::F32(values) => {
                into.iter_mut().zip(&values[start..end]).for_each(|(slot, value)| *slot = of(f64::from(*value)));
            }
            TensorData::F64(values) => {
                into.iter_mut().zip(&values[start..end]).for_each(|(slot, value)| *slot = of(*value));
            }
        }
    }
}

/// A state, input, output or scratch array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Array {
    /// `exc.v`
    pub name: String,
    /// How many elements a lane has.
    pub len: Len,
    /// Whether every lane has its own copy; constants and plastic weights are shared.
    pub per_lane: bool,
    /// Value at the start of a run (and of each independent sample, when `per_lane`).
    pub initial: Initial,
}

/// Number of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Len {
    /// So many.
    Fixed(usize),
    /// One per synapse of a connection, known once the connection is built.
    Synapses(ConnectionId),
}

/// Values an array starts with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Initial {
    /// The same everywhere.
    Fill(f64),
    /// A tensor's values from `start`. For an array of synapses of a `Pattern::Matrix` connection: the entry
    /// [source, target] of each synapse (`start` is 0 then).
    Tensor { tensor: TensorId, start: usize },
    /// This kernel writes them (its only store is to this array); it is run after all `Fill` and `Tensor`, in the order of arrays.
    Kernel(KernelId),
}

/// A state that a run leaves, as it is at the end of the last step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// `exc.theta`, `plastic.w`
    pub name: String,
    pub array: ArrayId,
    pub of: Owner,
    /// The factors of [`Op::Decay`], where it is kept in units that decay.
    pub factors: Option<ArrayId>,
    /// Where it is brought up to date at events alone.
    pub lazy: Option<Lazy>,
}

/// What an array has one number for, where it is left for a population or for each synapse of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    Elements,
    Synapses(ConnectionId),
    /// Every element of the population at its source.
    Sources(ConnectionId),
    /// Likewise at its target.
    Targets(ConnectionId),
}

/// What `x' = rate x + drive` (per second) has made of a state since its last event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lazy {
    /// Seconds of that event.
    pub last: ArrayId,
    pub rate: f64,
    pub drive: f64,
}

/// One experiment, lowered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The experiment's name.
    pub name: String,
    pub precision: Precision,
    /// Seconds a tick; 0 for a network without time.
    pub dt: f64,
    pub tensors: Vec<Tensor>,
    pub arrays: Vec<Array>,
    pub kernels: Vec<Kernel>,
    pub matrices: Vec<Matrix>,
    /// What emits spikes.
    pub groups: Vec<Group>,
    pub connections: Vec<Connection>,
    /// Programs the cells: once at the start, and again after each fit for the matrices fitted. What stands between a
    /// matrix's `Op::Target` and the next belongs to that matrix.
    pub programming: Vec<Op>,
    /// Kernels that make aged conductances and read noise from programmed conductances, run after programming and whenever a phase reads
    /// arrays at another time; their time is that since programming, and they draw the same numbers at all times.
    pub ageing: Vec<Op>,
    /// Arrays with lines that may be open, and with columns that replace others.
    pub lines: Vec<Lines>,
    /// The matrices of each passive array whose cells disturb one another while they are written, each with its first row.
    pub passive: Vec<Vec<(MatrixId, usize)>>,
    /// Arrays whose wires resist.
    pub wired: Vec<Wired>,
    /// Whether the read voltage is raised by as much as the mean weight of an array has drifted since it was programmed.
    pub drift_compensated: bool,
    /// Whether each output of an array whose wires resist is scaled to fit best what its cells would give without.
    pub wires_compensated: bool,
    /// Once a sample, before its ticks.
    pub begin: Vec<Op>,
    /// Once a tick.
    pub tick: Vec<Op>,
    /// Once a sample, after its ticks.
    pub end: Vec<Op>,
    pub phases: Vec<Phase>,
    pub probes: Vec<Probe>,
    /// States that its run leaves for another program.
    pub left: Vec<Left>,
    /// How many chips are drawn: each its own programming, faults and noise.
    pub chips: usize,
    pub requirements: Vec<Requirement>,
    /// Names after `report`.
    pub report: Vec<String>,
    /// What the program describes and no run simulates, in words.
    pub left_out: Vec<String>,
    /// How a run's events become energy, and what the mapping says of time, area and conversions.
    pub costs: Costs,
}

impl Program {
    /// Whether anything is drawn: without, every seed gives the same results.
    pub fn draws(&self) -> bool {
        let kernels = self.kernels.iter().flat_map(|kernel| &kernel.body);
        let patterns = self.connections.iter().map(|connection| &connection.pattern);
        let mut cells = self.matrices.iter().filter_map(|matrix| matrix.cells.as_ref());
        kernels.into_iter().any(|inst| matches!(inst, Inst::Random { .. }))
            || patterns.into_iter().any(Pattern::is_drawn)
            || self.learning().any(|learning| learning.shuffled.is_some())
            || self.groups.iter().any(|group| matches!(group.source, Source::Poisson { .. }))
            || cells.any(|cells| cells.read_sigma.is_some() || !cells.telegraph.is_empty() || cells.flicker.is_some())
    }

    /// What phases learn, in their order.
    pub fn learning(&self) -> impl Iterator<Item = &Learning> + Clone {
        self.phases.iter().filter_map(|phase| phase.learning.as_ref())
    }

    /// All operations of presentations and of what comes before them, by when they run.
    pub fn stages(&self) -> [(&'static str, &[Op]); 5] {
        let Program { programming, ageing, begin, tick, end, .. } = self;
        [("programming", programming), ("ageing", ageing), ("begin", begin), ("tick", tick), ("end", end)]
    }

    /// Samples of all phases together, without those that learn; at least one.
    pub fn samples(&self) -> usize {
        let plain = self.phases.iter().filter(|phase| phase.learning.is_none());
        plain.map(|phase| phase.samples).sum::<usize>().max(1)
    }
}
