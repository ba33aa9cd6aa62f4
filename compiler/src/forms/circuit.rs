//! `Circuit`: the pieces of hardware that a decided network takes, and the nets that join them. Placement, timetable, costs and
//! reports all read it.

use super::chip::Domain;
use super::network::NodeId;

/// Index into [`Circuit::parts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub usize);

/// Parts and nets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Circuit {
    pub parts: Vec<Part>,
    pub nets: Vec<Net>,
}

/// A piece of hardware that lies on one core.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The operator it computes, or a part of.
    pub node: NodeId,
    pub role: Role,
    /// First and past-last element of the operator's output that it gives.
    pub elements: (usize, usize),
    /// Places of its core that each element takes: compartments of a neuron, else 1.
    pub places: usize,
    /// How often a sample it works.
    pub firings: f64,
    /// Converters at its inputs.
    pub takes: Vec<Taken>,
    /// Converters at its output, each once for each of its elements; a tree from what it gives by itself, parents first.
    pub gives: Vec<usize>,
}

impl Part {
    /// Elements it gives.
    pub fn len(&self) -> usize {
        self.elements.1 - self.elements.0
    }

    /// Places of its core that all elements take.
    pub fn places(&self) -> usize {
        self.len() * self.places
    }

    /// Whether it gives nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a part converts of an operand.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub operand: usize,
    pub values: usize,
    /// How often a sample they arrive.
    pub firings: f64,
    /// Indices into `Chip::converters`, from bits or light on.
    pub chain: Vec<usize>,
}

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// The array (or arrays, sliced) of a block, index into `Tiling::blocks`.
    Array {
        block: usize,
        /// Whether its columns end in its own converters.
        converts: bool,
        /// Rows driven by a constant for the bias.
        bias_rows: usize,
    },
    /// Adds so many analog sums on a line by a unit, then converts the sum when `converts` (with the arrays' sense converter).
    Line { unit: usize, terms: usize, converts: bool },
    /// Adds so many digital numbers for each element by a unit.
    Adder { unit: usize, terms: usize },
    /// Computes the operator by a unit.
    Unit { unit: usize },
    /// Neurons of a spiking core.
    Neurons,
    /// Encoders and decoders, which are logic beside spiking cores.
    Coder,
    /// Devices with dynamics.
    Devices,
}

/// Something that values come from or go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    Host,
    Part(PartId),
}

/// Values that go from one end to others.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    /// The operator whose output they are, or are partial sums of.
    pub source: NodeId,
    pub from: End,
    pub to: Vec<End>,
    pub domain: Domain,
    /// Values at a time, and bits each (0: analog).
    pub values: usize,
    pub bits: f64,
    /// How often a sample, and whether that is in every tick.
    pub firings: f64,
    pub recurs: bool,
    /// How often each value is read where it arrives, on average: windows that overlap read it several times.
    pub reads: f64,
    /// In how many turns they come, each used up before the next: partial sums of an array that is read several times.
    pub turns: usize,
}

impl Net {
    /// Whether it needs a wire that joins its ends.
    pub fn is_analog(&self) -> bool {
        self.domain.is_analog()
    }

    /// Bits that wait at once where it ends.
    pub fn waiting_bits(&self) -> f64 {
        self.values as f64 * self.bits / self.turns.max(1) as f64
    }

    /// Bits a sample.
    pub fn bits_per_sample(&self) -> f64 {
        self.values as f64 * self.bits * self.firings
    }
}
