//! `Plan`: what an experiment asks for, closed: phases with their data, metrics, limits, pins.

use nmc_grammar::span::Span;
use nmc_program::{Loss, Metric, Requirement, TensorId, To, Update};

use super::network::NodeId;

/// An experiment without parameters.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The experiment's name.
    pub name: String,
    /// Time step in seconds; none for networks that have no time.
    pub step: Option<f64>,
    /// What to do, in order.
    pub phases: Vec<Phase>,
    /// Seconds between programming and the tests, in the order said; none: they follow at once.
    pub after: Vec<f64>,
    /// Whether the read voltage follows the drift of the cells (`compensate: drift`).
    pub drift_compensated: bool,
    /// Whether outputs of arrays are scaled to make up for their wires (`compensate: wires`).
    pub wires_compensated: bool,
    /// How many chips are drawn; one unless said.
    pub chips: Option<usize>,
    /// Conditions on metrics that make the experiment fail.
    pub requirements: Vec<Requirement>,
    /// Names after `report`.
    pub report: Vec<String>,
    /// What the mapping minimises.
    pub objective: Objective,
    /// Largest loss of accuracy allowed, as a fraction; none: no limit.
    pub accuracy_loss: Option<f64>,
    /// `convert: everywhere` forces the baseline: every wire goes through bits.
    pub convert_everywhere: bool,
    /// What the user pinned.
    pub pins: Vec<Pin>,
    /// Samples to measure ranges and sensitivities on: one tensor per network input, [samples, …]; `calibrate: { … }`,
    /// or the first 64 training samples, or the first 64 test samples.
    pub calibration: Vec<TensorId>,
    /// Whether the calibration data are the test data for want of others (W0607).
    pub calibrated_on_test: bool,
}

/// What to minimise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Objective {
    #[default]
    Energy,
    Time,
    Area,
}

/// Part of an experiment.
#[derive(Debug, Clone)]
pub struct Phase {
    /// What it does.
    pub kind: PhaseKind,
    /// Whether the samples are one series, with state kept from one to the next, or independent. A run is a series of one.
    pub sequence: bool,
    /// Whether a series starts afresh instead of going on where the last one ended (`restart: true`).
    pub restart: bool,
    /// Number of samples (1 for `run`).
    pub samples: usize,
    /// Data for each network input, [samples, …]; for an input of spikes see [`InputData`].
    pub inputs: Vec<(NodeId, InputData)>,
    /// Parameters that are changed at the start: of a population, the number of the state that holds it, and its value in SI.
    pub changes: Vec<(NodeId, usize, To)>,
    /// Weights of connections, by their index, that are set at the start.
    pub weights: Vec<(usize, To)>,
    /// Connections, by their index, whose weights rules do not change.
    pub frozen: Vec<usize>,
    /// Seconds for which a row is shown, of inputs that are stepped.
    pub every: Vec<(NodeId, f64)>,
    /// Seconds each sample lasts; none: a network without time.
    pub duration: Option<f64>,
    /// How often a sample's outputs are taken, where that is said: once, after its last step, or after each.
    pub taken: usize,
    /// In training: the output whose readout is fitted and its target, [samples, …].
    pub target: Option<(NodeId, TensorId)>,
    /// Learned by gradients while samples come.
    pub learning: Option<Learning>,
    /// What is measured. Arrays are not known yet: until lowering, `ArrayId(n)` in a metric stands for the node with
    /// index `n` (an output port), in [`nmc_program::MetricKind::Final`] for the weights of connection `n`.
    pub metrics: Vec<Metric>,
    /// Samples at the start that fits and metrics leave out (`skip: 100`).
    pub skip: usize,
    /// Seconds since the cells were programmed.
    pub after: f64,
    /// Where it was written.
    pub span: Span,
}

/// What a training phase learns, and how: see [`nmc_program::Learning`].
#[derive(Debug, Clone)]
pub struct Learning {
    /// The output that the loss is taken of.
    pub output: NodeId,
    pub loss: Loss,
    pub rates: Vec<f64>,
    pub batch: usize,
    pub epochs: usize,
    pub shuffle: bool,
    pub held_out: usize,
    pub stop: Option<f64>,
    pub patience: Option<usize>,
    /// How pulses follow a gradient.
    pub update: Update,
    pub feedback: Feedback,
    /// Standard deviation of what is added to weights that are numbers while a batch is presented, as a share of the layer's largest.
    pub noise: f64,
    /// By way of a fast array.
    pub transfer: Option<Transfer>,
    pub layers: Vec<NodeId>,
}

/// How what a fast array holds gets to the weights: see [`nmc_program::Fast`].
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    pub every: usize,
    /// Rows read each time; none: all.
    pub rows: Option<usize>,
    pub rate: f64,
    pub buffer: bool,
    pub chop: f64,
    /// Whether reads are compared with the mean of those before signs turned (AGAD).
    pub dynamic: bool,
    pub reset: bool,
    /// Whether cells are programmed anew instead of pulsed.
    pub programs: bool,
}

/// Where nothing is said: a row after every sample, by trains of pulses.
impl Default for Transfer {
    fn default() -> Self {
        Transfer {
            every: 1,
            rows: Some(1),
            rate: 1.0,
            buffer: false,
            chop: 0.0,
            dynamic: false,
            reset: false,
            programs: false,
        }
    }
}

/// How the error gets back to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// Through the weights of the layers behind it.
    Transposed,
    /// From the output at once, through random weights that stay (Nøkland 2016).
    Direct,
}

impl Plan {
    /// Whether some phase trains a layer.
    pub fn trains(&self, layer: NodeId) -> bool {
        let learning = self.phases.iter().filter_map(|phase| phase.learning.as_ref());
        learning.into_iter().any(|learning| learning.layers.contains(&layer))
    }

    /// How the updates of a layer get to its weights, of those phases that train it by way of a fast array.
    pub fn transfers(&self, layer: NodeId) -> impl Iterator<Item = &Transfer> {
        let learning = self.phases.iter().filter_map(|phase| phase.learning.as_ref());
        learning
            .filter(move |learning| learning.layers.contains(&layer))
            .filter_map(|learning| learning.transfer.as_ref())
    }
}

/// Seconds of a step where nothing but states of the network moves: it takes as long as its work.
pub const UNPACED: f64 = 1e-12;

/// Data of one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputData {
    /// One value per element and sample, or, where the network says the input is stepped, per element, sample and step.
    Values(TensorId),
    /// Spikes of the one sample of `run`: element and step of each, sorted by step.
    Spikes { elements: TensorId, steps: TensorId, starts: TensorId },
}

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseKind {
    /// Runs for a time, without samples.
    Run,
    /// Presents samples and fits the readout.
    Train,
    /// Presents samples and measures.
    Test,
}

/// A decision taken from the compiler.
#[derive(Debug, Clone, PartialEq)]
pub struct Pin {
    /// The node.
    pub node: NodeId,
    /// What of it.
    pub value: Pinned,
    /// Where it was written.
    pub span: Span,
}

/// What is pinned.
#[derive(Debug, Clone, PartialEq)]
pub enum Pinned {
    /// The domain of the node's output.
    Domain(super::chip::Domain),
    /// The core, by its coordinates.
    Core(usize, usize),
}
