//! Phases: what is presented, recorded and measured.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, Binary, ConnectionId, FitSpec, GroupId, Learning, TensorId};

/// A part of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub kind: PhaseKind,
    /// One series in one lane: state is kept from sample to sample, and goes on where the last series ended. Else samples are
    /// independent: each starts afresh, and leaves the state of series alone. A `run` is a series of one sample.
    pub sequence: bool,
    /// Whether a series starts afresh instead.
    pub restart: bool,
    pub samples: usize,
    /// Ticks a sample; 0 without time.
    pub ticks: u32,
    /// How often a sample's outputs are taken: after its last tick (1), or after each.
    pub taken: u32,
    /// Seconds since the cells were programmed.
    pub after: f64,
    pub inputs: Vec<InputFeed>,
    /// Arrays, shared by all lanes, that are changed at the start.
    pub changes: Vec<(ArrayId, To)>,
    /// Fitted at the end of the phase.
    pub fits: Vec<FitSpec>,
    /// Learned by gradients while samples come.
    pub learning: Option<Learning>,
    pub metrics: Vec<Metric>,
}

impl Phase {
    /// Whether outputs are taken after a tick.
    pub fn takes(&self, within: u64) -> bool {
        self.taken > 1 || within + 1 == u64::from(self.ticks)
    }

    /// How often a sample is presented, at most.
    pub fn presentations(&self) -> usize {
        self.learning.as_ref().map_or(1, |learning| learning.epochs).saturating_mul(self.samples)
    }
}

/// What an array is changed to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum To {
    /// The same everywhere.
    Fill(f64),
    /// Of an array of synapses: the entry [source, target] of each.
    Pairs(TensorId),
    /// Of an array of elements: the same from the first of these to before the end.
    Range { first: usize, end: usize, value: f64 },
    /// Likewise, one number each, from the first on.
    Elements { first: usize, values: TensorId },
}

/// Which sort of phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PhaseKind {
    Run,
    Train,
    Test,
}

/// Data for an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum InputFeed {
    /// Row `s` of the tensor [samples, len] into the array, before `begin` of sample `s`. Where a sample has more rows than one, [samples, rows,
    /// len], each is shown for so many ticks, the last until the end.
    Values { tensor: TensorId, array: ArrayId, rows: usize, each: u32 },
    /// Spikes of a `Source::Given` group, sample by sample, sorted by step; those of sample `s` begin at `starts[s]` and end at `starts[s + 1]`.
    Spikes { group: GroupId, elements: TensorId, steps: TensorId, starts: TensorId },
}

/// A number computed from a phase's outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// `accuracy`
    pub name: String,
    /// Samples at the start that are left out.
    pub skip: usize,
    /// In reverse Polish order.
    pub steps: Vec<MetricKind>,
}

/// A number of a metric; `output` is an array read whenever outputs are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MetricKind {
    /// Share of samples whose largest output (the first of equals) is at the label's index.
    Accuracy { output: ArrayId, labels: TensorId },
    /// sqrt(mean (y - target)^2 / variance of the target)
    Nrmse { output: Part, target: Target },
    /// mean (y - target)^2
    MeanSquaredError { output: Part, target: Target },
    /// Mean, least, largest … of an output over elements and samples.
    Output { output: Part, aggregate: Aggregate },
    /// Of an array at the end of the phase (final weights, say).
    Final { array: ArrayId, aggregate: Aggregate },
    /// As it stands.
    Number(f64),
    /// What comes of the two numbers before it.
    Calculated(Binary),
}

/// What an output is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// [samples, …]
    Data(TensorId),
    /// Another output, with as many elements.
    Output(Part),
}

impl MetricKind {
    /// Arrays that are read at the end of each sample.
    pub fn outputs(&self) -> Vec<ArrayId> {
        match *self {
            MetricKind::Accuracy { output, .. } => vec![output],
            MetricKind::Nrmse { output, target } | MetricKind::MeanSquaredError { output, target } => match target {
                Target::Data(_) => vec![output.array],
                Target::Output(other) => vec![output.array, other.array],
            },
            MetricKind::Output { output, .. } => vec![output.array],
            MetricKind::Final { .. } | MetricKind::Number(_) | MetricKind::Calculated(_) => Vec::new(),
        }
    }
}

/// Elements of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub array: ArrayId,
    /// First and past-last.
    pub elements: (usize, usize),
}

/// Many numbers to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregate {
    Mean,
    StandardDeviation,
    Minimum,
    Maximum,
    Sum,
}

/// `metric comparison value`: a run fails when it does not hold. Names may be those of metrics or of built-in results
/// (`spikes.exc`, `rate_hz.exc`, `energy_j.total`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Requirement {
    pub over: Over,
    pub metric: String,
    pub comparison: crate::Compare,
    pub value: f64,
    /// As written, for messages.
    pub text: String,
}

/// Of which number over several chips a requirement is; of one chip they are all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Over {
    /// It must hold on each.
    Every,
    Mean,
    Minimum,
    Maximum,
}

/// A recorded signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// `exc.v`
    pub name: String,
    pub probed: Probed,
    /// First and past-last element.
    pub range: (usize, usize),
    /// Recorded when tick % every == 0 (values: at the end of the tick), ticks counted through a series and from one to
    /// the next that goes on, but not through training; for outputs without time, once a sample.
    /// 0: only at the end of the run, which synapses can be.
    pub every: u32,
    /// Unit for labels: `V`.
    pub unit: String,
    /// Values at the start of ticks, not at their end.
    pub start: bool,
    /// How values are spread, not the values.
    pub histogram: Option<Histogram>,
}

impl Probe {
    /// One without a unit, of every tick.
    pub fn of(name: String, probed: Probed, range: (usize, usize)) -> Self {
        Probe { name, probed, range, every: 1, unit: String::new(), start: false, histogram: None }
    }
}

/// Bins of equal width.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    pub bins: u32,
    /// From the lower end of the first to the upper end of the last; none: from the least value to the largest, each time.
    pub bounds: Option<(f64, f64)>,
}

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probed {
    /// Element and step of each spike.
    Spikes(GroupId),
    /// Spikes of the range in an interval of so many ticks, a second and an element; the last interval may be cut off.
    Rate(GroupId),
    /// [time, element]
    Array(ArrayId),
    /// [sample, element], at the end of each sample
    Output(ArrayId),
    /// [time, synapse], and once more at the end of the run, with source and target of each.
    Synapses(ConnectionId, ArrayId),
}
