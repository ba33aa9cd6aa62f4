//! Learning by gradients: what a training phase does to weights, batch by batch.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, Cost, KernelId, MatrixId, Op, Pulse, TensorId};

/// How a training phase learns. An epoch presents every sample once; a batch is presented side by side, then its gradient is taken back
/// through the network and every layer changes its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    pub loss: Loss,
    /// What the loss is taken of: array, first element and number.
    pub output: (ArrayId, usize, usize),
    /// Array that takes the loss's gradient by the output, of one sample.
    pub gradient: ArrayId,
    /// Weights move by so much times the gradient of the mean loss of a batch: in each epoch, and in those behind the last as in that.
    pub rates: Vec<f64>,
    pub batch: usize,
    pub epochs: usize,
    /// Key of the order in which samples are presented, another in every epoch; none: as they stand.
    pub shuffled: Option<u32>,
    /// Samples, the last of the phase, that nothing is learned from: their loss is looked at after every epoch.
    pub held_out: usize,
    /// Mean loss of an epoch below which training ends, and epochs without a lower one after which it does: of the samples held out, if there are any.
    pub stop: Option<f64>,
    pub patience: Option<usize>,
    /// Standard deviation of what is added to weights that are numbers while a batch is presented, as a share of the layer's largest.
    pub noise: f64,
    /// Takes the gradient from the output to the layers, once for each time that outputs are taken.
    pub backward: Vec<Op>,
    /// How it goes on through the ticks; none without them.
    pub through: Option<Through>,
    pub layers: Vec<Layer>,
    /// Ranges that follow what is seen.
    pub ranges: Vec<Followed>,
    /// What takes energy in training besides the presentation of samples: `PerSample` counts samples trained, `Pulses` pulses given.
    pub costs: Vec<Cost>,
}

impl Learning {
    /// The rate of an epoch.
    pub fn rate(&self, epoch: usize) -> f64 {
        self.rates.get(epoch).or(self.rates.last()).copied().unwrap_or_default()
    }

    /// Every operation that takes the gradient back.
    pub fn ops(&self) -> impl Iterator<Item = &Op> + Clone {
        let through = self.through.iter().flat_map(|through| through.tick.iter().chain(&through.begin));
        self.backward.iter().chain(through)
    }

    /// The same, to change them.
    pub fn ops_mut(&mut self) -> impl Iterator<Item = &mut Op> {
        let through = self.through.iter_mut().flat_map(|through| through.tick.iter_mut().chain(&mut through.begin));
        self.backward.iter_mut().chain(through)
    }
}

/// How gradients go back through ticks (back-propagation through time): those of a sample, or, where samples are a sequence, of a batch of it. What they
/// gather is 0 before, and so left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Through {
    pub ticks: u32,
    /// What is kept of every time that outputs are taken, with the loss's gradient by them; [`Learning::backward`] finds it in its place again.
    pub taken: Vec<Kept>,
    /// What is kept of that for the layers.
    pub from_taken: Vec<Kept>,
    /// What is kept of every tick, and stands in its place again when the gradient goes through that tick.
    pub kept: Vec<Kept>,
    /// Takes it through a tick, from the states after it to those before; the last tick comes first.
    pub tick: Vec<Op>,
    /// What is kept of that for the layers.
    pub gradients: Vec<Kept>,
    /// Takes it to what was done before the first tick.
    pub begin: Vec<Op>,
}

impl Through {
    /// All that is kept.
    pub fn all_kept(&self) -> impl Iterator<Item = &Kept> {
        self.taken.iter().chain(&self.from_taken).chain(&self.kept).chain(&self.gradients)
    }
}

/// Elements that are kept of every tick (or time that outputs are taken) in an array of every lane's own: [len / positions, ticks, positions].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub from: ArrayId,
    pub start: usize,
    pub len: usize,
    pub positions: usize,
    pub to: ArrayId,
}

/// What is made small, the mean over samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Loss {
    /// -log of the softmax of the outputs at the label; labels, and targets of the others, for each time that a sample's outputs are taken.
    CrossEntropy { labels: TensorId },
    /// Half the sum over outputs of (y - target)^2, the target being 1 at the label and else 0.
    SquaredLabels { labels: TensorId },
    /// The same with targets [samples, outputs].
    Squared { targets: TensorId },
}

/// A layer that learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    pub name: String,
    /// Of its weights as they are given: [outputs, inputs], or [outputs, channels, rows, columns] of windows.
    pub shape: Vec<usize>,
    /// What its gradient is the sum of.
    pub factors: Vec<Factor>,
    pub positions: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// [outputs, positions], shared by all lanes.
    pub bias: Option<ArrayId>,
    pub update: Update,
    pub matrices: Vec<Learner>,
}

/// Outer products that a layer's gradient is the sum of, one for each position (and each tick): what its rows are driven with, and the gradient at
/// its columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// [inputs, positions] and [outputs, positions]: arrays and first elements.
    pub rows: (ArrayId, usize),
    pub columns: (ArrayId, usize),
    pub positions: usize,
    /// Whether its arrays are read backward there: the gradient is what rows see, columns are driven, and no bias is added.
    pub turned: bool,
}

/// How a layer's weights follow their gradient. Without cells they do so exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    /// Trains of at most so many slots on rows and columns for each sample: a cell gets a pulse in every slot in which both are on.
    Stochastic { length: u32 },
    /// The nearest whole number of pulses, at most so many, for each batch.
    Nearest { most: u32 },
    /// The same, what is left being kept for later batches.
    Kept { most: u32 },
    /// By the sign of the gradient: one pulse, or the rate.
    Sign,
}

/// A block of a layer's weights that learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    pub matrix: MatrixId,
    /// First input and output.
    pub input_start: usize,
    pub output_start: usize,
    /// [rows, cols]: what is left of the updates that were to be, in weights ([`Update::Kept`], or of a buffer behind a fast array).
    pub kept: Option<ArrayId>,
    /// What pulses do; none: the weights are numbers, or cells that are programmed anew ([`Fast::programmed`]).
    pub pulsed: Option<Pulsed>,
    /// The array that takes the updates instead; what it holds gets here by transfers.
    pub fast: Option<Fast>,
}

/// A fast array beside that of a block's weights, of as many cells. Samples update it; it is read row by row, and what it holds is moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fast {
    pub matrix: MatrixId,
    pub pulsed: Pulsed,
    /// Samples from one transfer to the next, and rows that are read in each, in turn.
    pub every: usize,
    pub rows: usize,
    /// Weights move by so much times what is read.
    pub rate: f64,
    /// Pulses of a weight in a transfer, at most: by trains, or, with [`Learner::kept`], whole units of what was added up there.
    pub most: u32,
    /// Probability that a row's sign ([`crate::Cells::signs`]) turns after it was read; without a part where a reference follows.
    pub chop: f64,
    /// What reads are compared with; none: nothing.
    pub reference: Option<Reference>,
    /// Key of its draws.
    pub component: u32,
    /// Whether rows that were read are programmed to weights of 0.
    pub reset: bool,
    /// [rows, cols]: cells of the weights are not pulsed but programmed anew, to what stands here.
    pub programmed: Option<ArrayId>,
    /// What a row gives, [cols], from which the kernel makes what is known of it; and the largest size in a batch.
    pub seen: ArrayId,
    pub kernel: KernelId,
    pub read: ArrayId,
    pub largest: ArrayId,
    /// Joules a siemens of reading a row.
    pub joules: f64,
    /// Share of a cell's distance from a weight of 0 that is left after a sample; cells that are stuck, by their luck, keep it.
    pub left: f64,
    pub stuck: Option<(ArrayId, f64)>,
}

/// A reference that follows what is read of a fast array: the mean of reads before signs turned last, which they do after so many reads of every row
/// (AGAD, Rasch et al. 2023). In the first of these periods nothing is known, and nothing is moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    pub period: usize,
    /// Of a read in the running mean.
    pub share: f64,
    /// [rows, cols]: the running mean, and what it was when signs turned.
    pub mean: ArrayId,
    pub past: ArrayId,
}

/// How pulses move weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pulsed {
    pub pulse: Pulse,
    /// Whether cells can be moved both ways; else pairs are: up by the plus cell, down by the minus cell.
    pub both_ways: bool,
    /// Change of a weight at 0 by one pulse, the mean of up and down, of a cell without deviations.
    pub step: f64,
    /// Key of the trains.
    pub component: u32,
}

/// A range that follows the largest value seen: an array of one element, shared by all lanes, 1 at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    pub range: ArrayId,
    /// Elements that are looked at, and what they are at a range of 1.
    pub values: (ArrayId, usize, usize),
    pub full: f64,
}
