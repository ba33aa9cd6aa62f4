//! `Network`: the flat graph of operators and signals of one experiment; no parameters, loops or sub-networks are left.

use std::collections::{BTreeMap, BTreeSet};

use nmc_grammar::span::Span;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};

use super::equations::{Dynamics, Expr, Method};
use super::gather::Gather;
use crate::quantity::Dimension;
use nmc_program::{Fit, Reduction, TensorId};

/// A node of the graph.
pub type NodeId = NodeIndex<u32>;

/// What a signal means, whatever represents it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Logical {
    /// Real numbers, one value a presentation or, from a population, one a tick.
    Real,
    /// Events in time.
    Spikes,
    /// Integers of so many bits.
    Bits(u32),
}

/// An operator.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique, readable name: the user's (`fc1`, `hidden`, `exc`) or made from the operator (`relu_1`).
    pub name: String,
    /// What it computes.
    pub operator: Operator,
    /// Shape of its output.
    pub shape: Vec<usize>,
    /// Logical type of its output.
    pub logical: Logical,
    /// Where it was written.
    pub span: Span,
    /// Why the compiler put it there, when it did (an encoder or decoder at an interface).
    pub inserted: Option<String>,
}

impl Node {
    /// Number of elements of the output.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the output has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often a sample its weights are used.
    pub fn positions(&self) -> usize {
        match self.operator {
            Operator::Dense { positions, .. } => positions.max(1),
            Operator::Input
            | Operator::Output
            | Operator::Elementwise { .. }
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Delay
            | Operator::Gather(_)
            | Operator::Scatter(_)
            | Operator::Population { .. }
            | Operator::Read { .. } => 1,
        }
    }

    /// Elements of its output at one of its positions: what one use of its weights gives.
    pub fn outputs(&self) -> usize {
        self.len() / self.positions()
    }
}

/// What a node computes from the signals on its incoming edges, in the order of [`Edge::operand`].
#[derive(Debug, Clone)]
pub enum Operator {
    /// An input port of the network; `inputs[n]` of the plan's presentations feeds it.
    Input,
    /// An output port.
    Output,
    /// y = W x + b, with the same weights at every position: [inputs, positions] to [outputs, positions].
    /// `weights` [outputs, inputs].
    Dense { weights: Weights, bias: Option<TensorId>, positions: usize },
    /// Elementwise over operands of the same shape (or scalars): `Symbol::Input(n)` is the n-th operand.
    /// `function` names it when it is a known one (`relu`), so that a chip's units can offer it.
    Elementwise { function: String, body: Expr },
    /// Each `each` elements, one after the other, become one.
    Reduce { reduction: Reduction, each: usize },
    /// Shares of all elements that add up to 1: exp(x) / sum of exp(x).
    Softmax,
    /// The operand's value of the sample before; 0 at first.
    Delay,
    /// Elements of the operands, each where it is to go: reshaped, sliced, joined, transposed.
    Gather(Gather),
    /// The adjoint of a gather of one operand: each element is added to where it was read from.
    Scatter(Gather),
    /// Neurons, devices, encoders (spikes out) and decoders (spikes in, value out).
    /// Incoming signal edges feed `dynamics.inputs[operand]` and hold over a tick; spikes arrive by `connections`,
    /// or, for a decoder, by its one signal edge of spikes.
    /// `output`: which of `dynamics.outputs` (or states) this node's signal is, when it is not spikes.
    Population { dynamics: Dynamics, kind: PopulationKind },
    /// A named output or state of a population as a signal: `nodes.conductance`, `exc.v`.
    Read { expression: Expr },
}

/// Which sort of block a population was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::enum_variant_names)]
pub enum PopulationKind {
    Neuron,
    Device,
    /// A signal that is what the step before made it: its first input, and its second at the start.
    State,
    Encoder,
    Decoder,
}

/// Weights of a dense layer.
#[derive(Debug, Clone)]
pub enum Weights {
    /// Given: a tensor [outputs, inputs].
    Given(TensorId),
    /// Found by training in this way; a bias is fitted with them when `bias`.
    Fitted { fit: Fit, bias: bool },
}

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Edge {
    /// The source's output is this operand of the target.
    Signal { operand: usize },
    /// Index into [`Network::connections`].
    Synapses(usize),
}

/// Which pairs of neurons are joined.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// Every source with every target; `false`: without i = j within one population.
    AllToAll { itself: bool },
    /// i with i.
    OneToOne,
    /// Each pair with this probability.
    Random { p: f64, itself: bool },
    /// Each pair with a probability of its own, over `SourceIndex`, `TargetIndex` and what elements keep (`Pre`, `Post`), below 0 counting as 0;
    /// `mean`: about, over all pairs.
    Likely { p: Expr, mean: f64, itself: bool },
    /// Each target gets exactly so many sources, drawn without replacement.
    FixedInDegree { sources: usize, itself: bool },
    /// Each source gets exactly so many targets, drawn without replacement.
    FixedOutDegree { targets: usize, itself: bool },
    /// So many synapses in all, each drawn from all pairs, which may be joined several times.
    FixedTotalNumber { synapses: usize, itself: bool },
    /// Non-zero entries of the weight tensor [sources, targets].
    Matrix(TensorId),
    /// Explicit: tensors of equal length with source and target indices.
    List { sources: TensorId, targets: TensorId },
}

/// A projection between two populations (or slices of them).
#[derive(Debug, Clone)]
pub struct Connection {
    /// `exc->inh`
    pub name: String,
    /// `plastic`, `plastic[0]` where one name joins several populations; the same as `name` where the user gave none.
    pub called: String,
    /// The sending node (spikes).
    pub source: NodeId,
    /// First and past-last index in the source.
    pub source_range: (usize, usize),
    /// The receiving population.
    pub target: NodeId,
    /// First and past-last index in the target.
    pub target_range: (usize, usize),
    /// Which pairs.
    pub pattern: Pattern,
    /// Weight per synapse in SI units (may be random, may use `SourceIndex`, `TargetIndex`, `Pre` and `Post`). Where data say weights it is what
    /// becomes of them, as `Symbol::Weight`, or says nothing of that.
    pub weight: Expr,
    /// What weights are.
    pub dimension: Dimension,
    /// Weights of a list's synapses, in their order, where data say them.
    pub weights: Option<TensorId>,
    /// Data of its states that are parameters, one for each synapse, in the order of a list's synapses or [sources, targets] of a matrix.
    pub parameters: BTreeMap<usize, TensorId>,
    /// Delay in seconds per synapse (same rules); rounded to whole ticks.
    pub delay: Expr,
    /// Delays of a list's synapses, or [sources, targets] with `Pattern::Matrix`, where data say them.
    pub delays: Option<TensorId>,
    /// The state that is a synapse's delay, where its equations or events read that and it differs from pair to pair.
    pub own_delay: Option<usize>,
    /// Synapse and plasticity rule merged. An output named in `dynamics.outputs` adds to the target's input `port`.
    pub dynamics: Dynamics,
    /// Which of the target's inputs the synapse's output adds to, if it has an output.
    pub port: Option<usize>,
    /// Whether a plasticity rule is part of it.
    pub plastic: bool,
    /// The cells that hold its weights; none: numbers.
    pub cells: Option<InCells>,
    /// Where it was written.
    pub span: Span,
}

impl Connection {
    /// Of weights in cells whose device has states of its own.
    pub fn driven(&self) -> Option<&Driven> {
        self.cells.as_ref()?.driven.as_ref()
    }
}

/// States of a connection that belong to the cells of its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct InCells {
    /// First and past-last of those that its weights start from.
    pub before: (usize, usize),
    /// The first of all, behind those of synapse and rule; that which counts pulses.
    pub first: usize,
    pub pulses: usize,
    /// The state whose sum over all synapses, times so many joules, is what pulses take; none: nothing says that.
    pub energy: Option<(usize, f64)>,
    /// Whether the device drifts or is read with noise, which is left out.
    pub ages: bool,
    /// Where the device has states of its own.
    pub driven: Option<Driven>,
}

/// What pulses do to the states of cells, among those of their connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Driven {
    /// Their derivatives under a voltage, `chip::VOLTS`, what white noise is multiplied by in these, and the first state.
    pub derivatives: Vec<Option<Expr>>,
    pub noise: Vec<Option<Expr>>,
    pub first: usize,
    /// The device's method for what they do without a voltage.
    pub method: Option<Method>,
    /// Volts of a pulse that raises the weight, and of one that lowers it; seconds.
    pub volts: (f64, f64),
    pub seconds: f64,
    /// The state that counts the pulses that are due, below 0 where they lower; that which adds up joules, with the watts under a voltage.
    pub due: usize,
    pub joules: Option<(usize, Expr)>,
    /// The weight that they are.
    pub weight: Expr,
    /// Whether each state follows a formula under a voltage; and the parts into which the pulses of one event are cut.
    pub alone: bool,
    pub parts: usize,
}

impl Driven {
    /// Whether a state is one of these.
    pub fn has(&self, state: usize) -> bool {
        (self.first..self.first + self.derivatives.len()).contains(&state)
    }
}

/// A signal recorded during a run.
#[derive(Debug, Clone)]
pub struct Probe {
    /// `exc.v`
    pub name: String,
    /// The population or operator.
    pub node: NodeId,
    /// What of it.
    pub what: Probed,
    /// First and past-last element.
    pub range: (usize, usize),
    /// When, and as what.
    pub mode: Mode,
}

/// How something is recorded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mode {
    /// Interval in seconds, and where it is asked for; none: every tick.
    pub every: Option<(f64, Span)>,
    /// At the start of steps, instead of their end.
    pub start: bool,
    /// How many values lie in each of so many bins, instead of the values.
    pub histogram: Option<u32>,
}

/// What a probe records.
#[derive(Debug, Clone, PartialEq)]
pub enum Probed {
    /// Spike times.
    Spikes,
    /// Spikes of all elements in an interval, a second and an element.
    Rate,
    /// The value of an expression over the population's states and inputs, and its dimension.
    Value(Expr, Dimension),
    /// The output of an operator that is not a population, once a presentation.
    Output,
    /// Weights of the connection with this index, at the end and every interval.
    Weights(usize),
    /// A state or trace of a connection's equations: indices of both.
    State(usize, usize),
}

/// The flat network of one experiment.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// The network block's name.
    pub name: String,
    /// Operators and signals.
    pub graph: StableDiGraph<Node, Edge, u32>,
    /// Input ports in the order declared.
    pub inputs: Vec<NodeId>,
    /// Output ports in the order declared.
    pub outputs: Vec<NodeId>,
    /// Projections in the order declared.
    pub connections: Vec<Connection>,
    /// Probes in the order declared.
    pub probes: Vec<Probe>,
    /// Of layers, the weight that takes the whole range of a cell, where it is not the largest there is.
    pub within: BTreeMap<NodeId, f64>,
    /// Of layers that read another's array backward, driven at its columns and read at its rows: that one. Their weights are its, transposed.
    pub backward: BTreeMap<NodeId, NodeId>,
    /// [channels, rows, columns] of the windows that a product with weights is of.
    pub windows: BTreeMap<NodeId, [usize; 3]>,
    /// Parameters that are an element's own, by population and state: where data say them.
    pub given: BTreeMap<(NodeId, usize), TensorId>,
    /// Inputs that are shown another row of data at every step.
    pub stepped: BTreeSet<NodeId>,
}
