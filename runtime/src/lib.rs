//! `Program` to `Results`: the simulator of the mapped chip. Knows no syntax.

pub mod arrays;
pub mod bits;
pub mod checkpoint;
pub mod chips;
pub mod connect;
pub mod curved;
pub mod deliver;
pub mod energy;
pub mod engine;
pub mod fit;
pub mod floating;
pub mod fuse;
pub mod interpreter;
pub mod interval;
pub mod jit;
pub mod lanes;
pub mod learn;
pub mod left;
pub mod lines;
pub mod maps;
pub mod math;
pub mod matrix;
pub mod memory;
pub mod metrics;
pub mod normalised;
pub mod passive;
pub mod pulses;
pub mod random;
pub mod read;
pub mod record;
pub mod rewire;
pub mod rows;
pub mod simulation;
pub mod solved;
pub mod sources;
pub mod spikes;
pub mod start;
pub mod state;
pub mod team;
pub mod telegraph;
pub mod thinning;
pub mod total;
pub mod transfer;
pub mod wires;
pub mod write;

use nmc_program::{ComponentKind, Program, Tensor};
use serde::{Deserialize, Serialize};

pub use checkpoint::Checkpoint;
pub use lines::Repaired;
pub use simulation::{Simulation, check, run};
pub use write::Programmed;

/// Which engine runs the kernels. The interpreter is their meaning; the JIT equals it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineKind {
    /// Machine code made by Cranelift.
    #[default]
    Jit,
    /// Element by element, from the kernel's instructions.
    Interpreter,
}

/// How to run.
pub struct RunOptions<'a> {
    /// Seed of every random number.
    pub seed: u64,
    /// Which engine.
    pub engine: EngineKind,
    /// Number of threads, at least 1. Results do not depend on it.
    pub threads: usize,
    /// Bytes that the run may take: what would take more is refused before it begins.
    pub memory: u64,
    /// Called now and then with the share done, 0 to 1.
    pub progress: Option<&'a (dyn Fn(f64) + Sync)>,
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Results {
    /// Samples presented in the last phase that presents samples; 1 for `run`.
    pub samples: usize,
    /// `accuracy`, `spikes.exc`, `rate_hz.exc`, … in a fixed order.
    pub metrics: Vec<(String, f64)>,
    /// Joules by kind over the whole run, in the order of kinds; the total is their sum.
    pub energy_j: Vec<(ComponentKind, f64)>,
    /// What phases that learn gave, in their order.
    pub training: Vec<Training>,
    /// Weights and biases that are numbers and were learned, as they were at last: `fc1.weight`, `fc1.bias`; of [`Chips`](chips::Chips)
    /// that are to leave it, what [`Simulation::left`] gives.
    pub learned: Vec<Tensor>,
    /// What is wrong with each array, and what its spare columns have mended; of arrays whose lines are drawn.
    pub repaired: Vec<Repaired>,
    /// What programming left last in the cells of each matrix.
    pub programmed: Vec<Programmed>,
    /// Seconds a sample.
    pub latency_s: f64,
    /// What probes recorded, in the order of probes; outputs of test phases under `NAME` of the output.
    pub recordings: Vec<Recording>,
    /// Requirements that did not hold, in words.
    pub failures: Vec<String>,
    /// Seconds spent making machine code, building connections and programming, and running.
    pub jit_seconds: f64,
    pub load_seconds: f64,
    pub run_seconds: f64,
}

impl Results {
    /// All that can be required of a run: its metrics, and the energy of a sample.
    pub fn known(&self, program: &Program) -> Vec<(String, f64)> {
        let energy = energy::total(&energy::of_a_sample(program, &self.energy_j));
        self.metrics.iter().cloned().chain([(String::from("energy_j.total"), energy)]).collect()
    }

    /// Whether both have the same metrics: results of two chips of one program do.
    pub fn is_like(&self, other: &Results) -> bool {
        self.metrics.iter().map(|(name, _)| name).eq(other.metrics.iter().map(|(name, _)| name))
    }
}

/// What training by gradients gave.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Training {
    /// Samples presented, in all epochs.
    pub samples: usize,
    /// Mean loss, and where there are labels the share of samples that were right, of each epoch: while weights change.
    pub loss: Vec<f64>,
    pub accuracy: Vec<f64>,
    /// The same of samples held out, after each epoch.
    pub held_out_loss: Vec<f64>,
    pub held_out_accuracy: Vec<f64>,
    /// Pulses that cells got.
    pub pulses: u64,
    /// Joules of all of it, by kind: reads forward and back, conversions, pulses.
    pub energy_j: Vec<(ComponentKind, f64)>,
}

/// A recorded signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// `exc.v`
    pub name: String,
    /// Unit of the values: `V`.
    pub unit: String,
    /// First and past-last element of the population, where it is of one.
    pub elements: Option<(usize, usize)>,
    /// What was recorded.
    pub values: Recorded,
}

/// Values of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Recorded {
    /// Spikes, sorted by step, then neuron; step in ticks of `dt` seconds.
    Spikes { neuron: Vec<u32>, step: Vec<u64>, dt: f64 },
    /// [time or sample, element], row-major; `times` in seconds (or sample numbers).
    Values { times: Vec<f64>, elements: usize, data: Vec<f64> },
    /// [time, synapse], row-major; `times` in seconds, the last that of the end of the run.
    Synapses { source: Vec<u32>, target: Vec<u32>, times: Vec<f64>, data: Vec<f64> },
    /// [time, bin] and the edges of the bins, [time, bin + 1]; `times` in seconds, of synapses the last that of the end of the run.
    Histogram { times: Vec<f64>, bins: usize, counts: Vec<f64>, edges: Vec<f64> },
}

/// Why a run could not be done or finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// `E0701`
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Where the source speaks of it.
    pub place: Option<nmc_program::Place>,
}
