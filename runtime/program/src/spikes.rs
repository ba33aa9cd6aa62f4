//! What emits spikes, and the synapses that carry them.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, KernelId, TensorId};

/// A set of elements that spike; each tick has a sorted list of those that did. An element that spiked n times stands in it
/// n times, and what a spike does is then done n times, one spike after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// `exc`
    pub name: String,
    pub len: usize,
    pub source: Source,
    /// Key of its random numbers.
    pub component: u32,
}

/// Where spikes come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// `Op::Kernel` with `spikes` names this group.
    Kernel,
    /// Independent Poisson processes, rate in hertz of each element in `rate` (which may change between ticks). A tick
    /// holds as many spikes of an element as fall into it: rate x dt on average.
    Poisson { rate: ArrayId },
    /// Each element once a sample, in the tick that holds this time in seconds; beyond the sample's end: never.
    Once { at: ArrayId },
    /// Given with the phase ([`crate::InputFeed::Spikes`]).
    Given,
}

/// Where something stands in the source: which of its files, in the order read, and bytes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

/// Synapses from a range of one group to a range of another population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// `exc->inh`
    pub name: String,
    pub place: Place,
    /// Sending group, `source_start .. source_start + source_len` of its elements; none: of a population that does not spike.
    pub source: Option<crate::GroupId>,
    pub source_start: usize,
    pub source_len: usize,
    /// Elements `target_start .. target_start + target_len` of the target population's arrays.
    pub target_start: usize,
    pub target_len: usize,
    /// The group of the target population, for [`crate::Op::OnPost`].
    pub target: Option<crate::GroupId>,
    /// Whether source and target are the same population (then i = j is "itself").
    pub same: bool,
    pub pattern: Pattern,
    /// Key of the pattern's random numbers.
    pub component: u32,
    pub delay: Delay,
    /// What a spike does on arrival.
    pub on_pre: Effect,
    /// Whether the synapses to each target neuron are listed, for [`crate::Op::OnPost`].
    pub by_target: bool,
    /// What its core keeps of its weights.
    pub rounded: Option<Rounded>,
}

/// Weights that begin as whole numbers of steps, up to 2^(bits - 1) - 1 of both signs; a single bit tells those that are there from others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rounded {
    pub weights: ArrayId,
    pub bits: u32,
    /// What a step is; none: the largest weight has all of them.
    pub step: Option<f64>,
}

/// Which pairs are joined. Within a source, synapses are in ascending order of target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Pattern {
    AllToAll {
        itself: bool,
    },
    OneToOne,
    /// Each pair independently with probability `p`.
    Random {
        p: f64,
        itself: bool,
    },
    /// Each pair independently with a probability that the kernel puts `into` an array, from what does not change of source and target: at most
    /// as many pairs at once as that holds. `mean`: about, over all pairs.
    Likely {
        p: KernelId,
        into: ArrayId,
        mean: f64,
        itself: bool,
    },
    /// `sources` per target, drawn without replacement.
    FixedInDegree {
        sources: usize,
        itself: bool,
    },
    /// `targets` per source, drawn without replacement.
    FixedOutDegree {
        targets: usize,
        itself: bool,
    },
    /// `synapses` in all, each drawn from all pairs; a pair may be joined several times.
    FixedTotalNumber {
        synapses: usize,
        itself: bool,
    },
    /// The non-zero entries of a tensor [source_len, target_len].
    Matrix(TensorId),
    /// Source and target indices within the ranges, of equal length.
    List {
        sources: TensorId,
        targets: TensorId,
    },
}

impl Pattern {
    /// Whether chance decides who is joined.
    pub fn is_drawn(&self) -> bool {
        match self {
            Pattern::Random { .. } | Pattern::Likely { .. } => true,
            Pattern::FixedInDegree { .. } | Pattern::FixedOutDegree { .. } | Pattern::FixedTotalNumber { .. } => true,
            Pattern::AllToAll { .. } | Pattern::OneToOne | Pattern::Matrix(_) | Pattern::List { .. } => false,
        }
    }
}

/// Whole ticks from spike to arrival; 0: the same tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Delay {
    Ticks(u32),
    /// Seconds per synapse in this synapse array, rounded to ticks when the connection is built; at most `max_ticks`.
    PerSynapse {
        seconds: ArrayId,
        max_ticks: u32,
    },
}

/// What an arriving spike does to each synapse of its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// array[target] += amount, except where held[target] > 0: the common case, done by a plain loop.
    Add { array: ArrayId, amount: Amount, held: Option<ArrayId> },
    /// Runs a synapse kernel.
    Kernel(KernelId),
}

/// How much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Amount {
    Constant(f64),
    /// One per synapse.
    Array(ArrayId),
}
