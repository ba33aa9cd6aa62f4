//! The arrays of a run: one buffer each, lanes one after the other.

use serde::{Deserialize, Serialize};

/// A number of the program's precision.
/// How many elements share a byte of spikes: those of a 128-bit vector, so that a vector stores its byte and reads none.
pub const fn per_byte<T>() -> usize {
    16 / size_of::<T>()
}

/// Bytes for the spikes of `len` elements.
pub const fn spike_bytes<T>(len: usize) -> usize {
    len.div_ceil(per_byte::<T>())
}

/// A number of a run.
pub trait Real: Copy + Send + Sync + PartialOrd + std::fmt::Debug + 'static {
    /// Rounded from f64.
    fn of(value: f64) -> Self;
    /// Widened.
    fn wide(self) -> f64;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// One array: `lanes` times `stride` elements; an array that lanes share has one lane, whatever the batch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Buffer<T> {
    /// The elements.
    pub data: Vec<T>,
    /// Elements of a lane.
    pub stride: usize,
    /// Whether every lane has its own.
    pub per_lane: bool,
}

impl<T> Buffer<T> {
    /// The elements of `lane`.
    pub fn lane(&self, lane: usize) -> &[T] {
        let start = if self.per_lane { lane * self.stride } else { 0 };
        &self.data[start..start + self.stride]
    }

    /// The elements of `lane`, to change.
    pub fn lane_mut(&mut self, lane: usize) -> &mut [T] {
        let start = if self.per_lane { lane * self.stride } else { 0 };
        &mut self.data[start..start + self.stride]
    }
}

/// What a kernel sees besides arrays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// The run's seed.
    pub seed: u64,
    /// Ticks within the sample; a `run` that goes on counts on.
    pub tick: u64,
    /// Which sample, counted through all phases: the random numbers of samples differ by it. In programming, how often the
    /// cells were programmed before; 0 in what is drawn once.
    pub sample: u64,
    /// Seconds since the state began.
    pub time: f64,
}

impl Clock {
    /// For the spike number `round` (from 0) of an element in one tick: each draws its own numbers.
    pub fn of_spike(self, round: usize) -> Self {
        Clock { seed: self.seed ^ (round as u64).wrapping_mul(0xd6e8_feb8_6659_fd93), ..self }
    }
}

/// The synapses an event touches.
#[derive(Debug, Clone, Copy)]
pub struct Synapses<'a> {
    /// Indices of the synapses, ascending.
    pub indices: Indices<'a>,
    /// Source element of each synapse of the connection (index within the source population's arrays); empty where no kernel asks for it.
    pub sources: &'a [u32],
    /// Target element of each synapse of the connection (index within the target population's arrays).
    pub targets: &'a [u32],
    /// At least the largest of each.
    pub largest: (u32, u32),
}

impl Synapses<'_> {
    /// Source and target of one; a source that nobody asks for is 0.
    pub fn pair(&self, index: usize) -> (usize, usize) {
        (self.sources.get(index).map_or(0, |&source| source as usize), self.targets[index] as usize)
    }
}

/// Which synapses.
#[derive(Debug, Clone, Copy)]
pub enum Indices<'a> {
    /// Each `start .. end`: those of one source neuron.
    Ranges(&'a [(u32, u32)]),
    /// Listed: those of one target neuron.
    List(&'a [u32]),
    /// Of one source neuron, or of one target neuron, where every source is joined to all targets.
    Even(Even),
}

/// Synapses at even distances; their sources and targets are as well.
#[derive(Debug, Clone, Copy)]
pub struct Even {
    pub synapses: Steps,
    pub sources: Steps,
    pub targets: Steps,
    /// How many.
    pub count: usize,
}

/// Indices from the `first` on, `step` apart; the same for all where `step` is 0.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    pub first: usize,
    pub step: usize,
}

impl Steps {
    /// The index at a place.
    pub fn at(self, place: usize) -> usize {
        self.first + place * self.step
    }
}

/// Runs kernels: the interpreter and the JIT. Both give the same bits.
pub trait Kernels<T: Real>: Send + Sync {
    /// Over elements `0..len` of a lane. `spikes`: one bit an element (bit `i % 8` of byte `i / 8`), written whole bytes,
    /// `spike_bytes::<T>(len)` of them, unused bits zero; needed iff the kernel has a `Spike`.
    /// Synapse arrays are addressed as `Element` (or `Synapse`) then; `SourceIndex`/`TargetIndex` need `synapses`.
    #[allow(clippy::too_many_arguments)] // one call, one place; a struct would only name the arguments again
    fn dense(
        &self,
        kernel: nmc_program::KernelId,
        buffers: &mut [Buffer<T>],
        lane: usize,
        len: usize,
        clock: Clock,
        spikes: Option<&mut [u8]>,
        synapses: Option<Synapses>,
    );
    /// Over the elements listed, in order.
    fn list(
        &self,
        kernel: nmc_program::KernelId,
        buffers: &mut [Buffer<T>],
        lane: usize,
        elements: &[u32],
        clock: Clock,
    );
    /// Over the synapses listed, in order.
    fn synapses(
        &self,
        kernel: nmc_program::KernelId,
        buffers: &mut [Buffer<T>],
        lane: usize,
        synapses: Synapses,
        clock: Clock,
    );
}
