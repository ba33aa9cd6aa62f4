//! A batch of samples under way side by side: their arrays, spikes and counts, and the operations on them.

use nmc_program::{ArrayId, Delay, InputFeed, Op, Phase, Program, Source};
use serde::{Deserialize, Serialize};

use crate::energy::Counts;
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::matrix::{self, Effective, Fitted, Ports};
use crate::record::SampleRecord;
use crate::spikes::{self, Carrier, GroupState, UnderWay};
use crate::state::{Buffer, Clock, Kernels, Synapses, spike_bytes};

/// What all batches share: the program, its kernels, connections and programmed matrices.
pub struct Shared<'a, T> {
    pub program: &'a Program,
    pub kernels: Box<dyn Kernels<T> + 'a>,
    pub carriers: Vec<Carrier>,
    pub matrices: Vec<Effective<T>>,
    pub fitted: Vec<Fitted>,
    pub seed: u64,
}

/// The state of a batch.
#[derive(Clone, Serialize, Deserialize)]
pub struct Lanes<T> {
    pub buffers: Vec<Buffer<T>>,
    /// How many lanes there are, and how many hold a sample.
    pub lanes: usize,
    pub used: usize,
    /// By lane, then group.
    pub groups: Vec<Vec<GroupState<T>>>,
    /// By lane, then connection.
    pub under_way: Vec<Vec<UnderWay>>,
    pub counts: Counts,
    /// Ticks since the state began.
    pub tick: u64,
    #[serde(skip)]
    bitmap: Vec<u8>,
}

/// Where the samples of a batch stand in the run; the samples of a batch follow one another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The first sample's number within its phase: which data it is shown.
    pub row: usize,
    /// Its number among all samples of the run: what its random numbers hang on.
    pub number: u64,
    /// Ticks that this number had before: a `run` that goes on takes the numbers that a longer run would have taken.
    pub tick: u64,
    /// Ticks recorded before it without a break.
    pub heard: u64,
}

/// When an operation runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// Number of the first sample of the batch, counted through the run.
    pub sample: u64,
    /// Tick that random numbers hang on.
    pub tick: u64,
    /// Tick within the sample.
    pub within: u64,
}

impl<T: Computable + Product> Lanes<T> {
    /// `lanes` lanes with the arrays of `buffers` (which has one lane).
    pub fn new(shared: &Shared<T>, buffers: &[Buffer<T>], lanes: usize) -> Self {
        let program = shared.program;
        let longest = spikes::longest_delays(program);
        let groups: Vec<GroupState<T>> = longest.iter().map(|&ticks| GroupState::new(ticks)).collect();
        let under_way: Vec<UnderWay> = program
            .connections
            .iter()
            .map(|connection| match connection.delay {
                Delay::Ticks(_) => UnderWay::default(),
                Delay::PerSynapse { max_ticks, .. } => UnderWay::new(max_ticks),
            })
            .collect();
        let widen = |buffer: &Buffer<T>| Buffer {
            data: if buffer.per_lane { buffer.data.repeat(lanes) } else { buffer.data.clone() },
            ..*buffer
        };
        Lanes {
            buffers: buffers.iter().map(widen).collect(),
            lanes,
            used: lanes,
            groups: vec![groups; lanes],
            under_way: vec![under_way; lanes],
            counts: Counts::new(program),
            tick: 0,
            bitmap: Vec::new(),
        }
    }

    /// Starts every lane afresh with the arrays of `initial`; arrays started by kernels are drawn for each sample, by its number.
    pub fn restart(&mut self, shared: &Shared<T>, initial: &[Buffer<T>], sample: u64) {
        for (buffer, fresh) in self.buffers.iter_mut().zip(initial) {
            if buffer.per_lane {
                buffer.data.chunks_exact_mut(buffer.stride.max(1)).for_each(|lane| lane.copy_from_slice(&fresh.data));
            }
        }
        self.groups.iter_mut().flatten().for_each(GroupState::reset);
        self.under_way.iter_mut().flatten().for_each(UnderWay::reset);
        self.tick = 0;
        for array in &shared.program.arrays {
            if let (nmc_program::Initial::Kernel(kernel), true) = (&array.initial, array.per_lane) {
                let (len, synapses) = extent(array, &shared.carriers);
                for lane in 0..self.used {
                    let clock = Clock { seed: shared.seed, tick: 0, sample: sample + lane as u64, time: 0.0 };
                    shared.kernels.dense(*kernel, &mut self.buffers, lane, len, clock, None, synapses);
                }
            }
        }
    }

    /// Begins one sample in each lane: shows its data, and does what is done before its ticks.
    pub fn begin(&mut self, shared: &Shared<T>, phase: &Phase, place: Place) {
        let program = shared.program;
        for (lane, feed) in (0..self.used).flat_map(|lane| phase.inputs.iter().map(move |feed| (lane, feed))) {
            if let InputFeed::Values { tensor, array } = feed {
                let data = &program.tensors[tensor.index()].data;
                let target = self.buffers[array.index()].lane_mut(lane);
                let start = (place.row + lane) * target.len();
                target.iter_mut().enumerate().for_each(|(i, slot)| *slot = T::of(data.get(start + i)));
            }
        }
        if place.tick == 0 {
            self.groups.iter_mut().flatten().for_each(GroupState::new_sample);
        }
        self.run(shared, phase, &program.begin, Moment { sample: place.number, tick: place.tick, within: 0 });
    }

    /// One tick of the sample in each lane.
    pub fn tick(&mut self, shared: &Shared<T>, phase: &Phase, place: Place, within: u64, records: &mut [SampleRecord]) {
        let program = shared.program;
        let moment = Moment { sample: place.number, tick: place.tick + within, within };
        self.run(shared, phase, &program.tick, moment);
        for (lane, record) in records.iter_mut().enumerate().take(self.used) {
            let spikes = |group: usize| self.groups[lane][group].spikes(self.tick, 0);
            record.tick(program, &self.buffers, lane, within, place.heard + within, spikes);
        }
        self.tick += 1;
    }

    /// Ends the sample in each lane: does what is done after its ticks, and looks at what it left.
    pub fn end(&mut self, shared: &Shared<T>, phase: &Phase, place: Place, records: &mut [SampleRecord]) {
        let (program, ticks) = (shared.program, u64::from(phase.ticks));
        // Counted down from the largest: a run that goes on uses the ticks that follow.
        let tick = u64::from(u32::MAX - (place.tick + ticks) as u32);
        self.run(shared, phase, &program.end, Moment { sample: place.number, tick, within: ticks });
        self.counts.samples += self.used as u64;
        self.counts.ticks += ticks * self.used as u64;
        for (lane, record) in records.iter_mut().enumerate().take(self.used) {
            record.end(program, phase, &self.buffers, lane);
        }
    }

    /// A copy without what the lanes share.
    pub fn own(&self) -> Self {
        let own = |buffer: &Buffer<T>| if buffer.per_lane { buffer.clone() } else { Buffer::default() };
        let (groups, under_way) = (self.groups.clone(), self.under_way.clone());
        let (counts, bitmap) = (Counts::default(), Vec::new());
        Lanes { buffers: self.buffers.iter().map(own).collect(), groups, under_way, counts, bitmap, ..*self }
    }

    /// Takes back a state that was put aside with [`Lanes::own`], and keeps what is shared and counted.
    pub fn take_back(&mut self, aside: Self) {
        for (buffer, own) in self.buffers.iter_mut().zip(aside.buffers) {
            if buffer.per_lane {
                *buffer = own;
            }
        }
        (self.groups, self.under_way, self.tick) = (aside.groups, aside.under_way, aside.tick);
    }

    /// Runs operations in order.
    pub fn run(&mut self, shared: &Shared<T>, phase: &Phase, ops: &[Op], moment: Moment) {
        for op in ops {
            if let Op::Multiply { matrix, input, input_start, output, output_start } = op {
                let ports = Ports { input: (input.index(), *input_start), output: (output.index(), *output_start) };
                let clock = self.clock(shared, moment, 0);
                let (index, matrix) = (matrix.index(), &shared.program.matrices[matrix.index()]);
                let effective = &shared.matrices[index];
                self.counts.read_energy[index] +=
                    matrix::multiply(matrix, effective, &mut self.buffers, self.lanes, self.used, ports, clock);
                continue;
            }
            for lane in 0..self.used {
                self.one(shared, phase, op, lane, moment);
            }
        }
    }

    fn clock(&self, shared: &Shared<T>, moment: Moment, lane: usize) -> Clock {
        let time = self.tick as f64 * shared.program.dt;
        Clock { seed: shared.seed, tick: moment.tick, sample: moment.sample + lane as u64, time }
    }

    /// One operation in one lane.
    fn one(&mut self, shared: &Shared<T>, phase: &Phase, op: &Op, lane: usize, moment: Moment) {
        let clock = self.clock(shared, moment, lane);
        let program = shared.program;
        let kernels = shared.kernels.as_ref();
        match op {
            Op::Kernel { kernel, len, spikes } => {
                let Some(group) = spikes else {
                    kernels.dense(*kernel, &mut self.buffers, lane, *len, clock, None, None);
                    return;
                };
                self.bitmap.resize(spike_bytes::<T>(*len), 0);
                kernels.dense(*kernel, &mut self.buffers, lane, *len, clock, Some(&mut self.bitmap), None);
                let count = self.groups[lane][group.index()].collect(self.tick, &self.bitmap);
                self.counts.spikes[group.index()] += count;
            }
            Op::OnSpikes { kernel, group } => {
                let list = self.groups[lane][group.index()].spikes(self.tick, 0);
                if !list.is_empty() {
                    kernels.list(*kernel, &mut self.buffers, lane, list, clock);
                }
            }
            Op::Emit { group } => {
                let index = group.index();
                let described = &program.groups[index];
                let state = &mut self.groups[lane][index];
                self.counts.spikes[index] += match described.source {
                    Source::Poisson { rate } => {
                        let rates = self.buffers[rate.index()].lane(lane);
                        state.emit(described, rates, program.dt, clock, moment.tick, self.tick)
                    }
                    Source::Once { at } => {
                        let times = self.buffers[at.index()].lane(lane);
                        state.emit(described, times, program.dt, clock, moment.within, self.tick)
                    }
                    Source::Given => given(program, phase, index, moment.within, state.fresh(self.tick)),
                    Source::Kernel => 0,
                };
            }
            Op::Deliver { connection } => {
                let index = connection.index();
                let connection = &program.connections[index];
                let group = &self.groups[lane][connection.source.index()];
                let under_way = &mut self.under_way[lane][index];
                let carrier = &shared.carriers[index];
                self.counts.synaptic_events[index] += spikes::deliver(
                    connection,
                    carrier,
                    group,
                    under_way,
                    kernels,
                    &mut self.buffers,
                    lane,
                    clock,
                    self.tick,
                );
            }
            Op::OnPost { connection } => {
                let index = connection.index();
                let connection = &program.connections[index];
                if let Some(target) = connection.target {
                    let list = self.groups[lane][target.index()].spikes(self.tick, 0);
                    spikes::on_post(connection, &shared.carriers[index], list, kernels, &mut self.buffers, lane, clock);
                }
            }
            Op::Fill { array, value } => self.buffers[array.index()].lane_mut(lane).fill(T::of(*value)),
            Op::Copy { from, from_start, to, to_start, len } => {
                let values = self.buffers[from.index()].lane(lane)[*from_start..from_start + len].to_vec();
                self.buffers[to.index()].lane_mut(lane)[*to_start..to_start + len].copy_from_slice(&values);
            }
            Op::Target { matrix } => {
                matrix::target(program, &program.matrices[matrix.index()], &shared.fitted, &mut self.buffers);
            }
            Op::Multiply { .. } | Op::Fold { .. } | Op::Present { .. } => {} // done for whole batches, or by the engine itself
        }
    }
}

/// Puts in the given spikes of a tick; returns how many.
fn given(program: &Program, phase: &Phase, group: usize, within: u64, list: &mut Vec<u32>) -> u64 {
    for feed in &phase.inputs {
        if let InputFeed::Spikes { group: of, elements, steps } = feed
            && of.index() == group
        {
            let (elements, steps) = (&program.tensors[elements.index()].data, &program.tensors[steps.index()].data);
            // Sorted by step: find where this tick begins.
            let (mut low, mut high) = (0, steps.len());
            while low < high {
                let middle = usize::midpoint(low, high);
                if steps.get(middle) < within as f64 { low = middle + 1 } else { high = middle }
            }
            list.extend(
                (low..steps.len()).take_while(|&i| steps.get(i) == within as f64).map(|i| elements.get(i) as u32),
            );
        }
    }
    list.sort_unstable();
    list.len() as u64
}

/// Initial values of all arrays, with one lane, and the connections.
pub fn prepare<T: Computable>(
    program: &Program,
    kernels: &dyn Kernels<T>,
    seed: u64,
) -> Result<(Vec<Buffer<T>>, Vec<Carrier>), crate::RunError> {
    let mut carriers = Vec::new();
    for connection in &program.connections {
        carriers.push(Carrier { wiring: crate::connect::build(program, connection, seed)?, delays: Vec::new() });
    }
    let mut buffers: Vec<Buffer<T>> = program.arrays.iter().map(|array| start(program, array, &carriers)).collect();
    for array in &program.arrays {
        if let nmc_program::Initial::Kernel(kernel) = array.initial {
            let clock = Clock { seed, tick: 0, sample: 0, time: 0.0 };
            let (len, synapses) = extent(array, &carriers);
            kernels.dense(kernel, &mut buffers, 0, len, clock, None, synapses);
        }
    }
    for (connection, carrier) in program.connections.iter().zip(&mut carriers) {
        if let Delay::PerSynapse { seconds, max_ticks } = connection.delay {
            let values = buffers[seconds.index()].lane(0);
            let ticks = |seconds: &T| (seconds.wide() / program.dt).round().clamp(0.0, f64::from(max_ticks)) as u32;
            carrier.delays = values.iter().map(ticks).collect();
        }
    }
    Ok((buffers, carriers))
}

/// How many elements an array has, and of which synapses they are.
fn extent<'c>(array: &nmc_program::Array, carriers: &'c [Carrier]) -> (usize, Option<Synapses<'c>>) {
    match array.len {
        nmc_program::Len::Fixed(len) => (len, None),
        nmc_program::Len::Synapses(connection) => {
            let wiring = &carriers[connection.index()].wiring;
            let indices = crate::state::Indices::Range(0, wiring.len() as u32);
            (wiring.len(), Some(Synapses { indices, sources: &wiring.sources, targets: &wiring.targets }))
        }
    }
}

fn start<T: Computable>(program: &Program, array: &nmc_program::Array, carriers: &[Carrier]) -> Buffer<T> {
    let stride = match array.len {
        nmc_program::Len::Fixed(len) => len,
        nmc_program::Len::Synapses(connection) => carriers[connection.index()].wiring.len(),
    };
    let data = match array.initial {
        nmc_program::Initial::Fill(value) => vec![T::of(value); stride],
        nmc_program::Initial::Kernel(_) => vec![T::default(); stride],
        nmc_program::Initial::Tensor { tensor, start } => {
            let values = &program.tensors[tensor.index()].data;
            let by_pair = match array.len {
                nmc_program::Len::Fixed(_) => None,
                nmc_program::Len::Synapses(id) => {
                    let connection = &program.connections[id.index()];
                    matches!(connection.pattern, nmc_program::Pattern::Matrix(_))
                        .then_some((connection, &carriers[id.index()].wiring))
                }
            };
            match by_pair {
                None => (0..stride).map(|i| T::of(values.get(start + i))).collect(),
                Some((connection, wiring)) => (0..stride)
                    .map(|i| {
                        let source = wiring.sources[i] as usize - connection.source_start;
                        let target = wiring.targets[i] as usize - connection.target_start;
                        T::of(values.get(source * connection.target_len + target))
                    })
                    .collect(),
            }
        }
    };
    Buffer { data, stride, per_lane: array.per_lane }
}

/// Arrays whose values are wanted at the end of each sample of a phase.
pub fn wanted(program: &Program, phase: &Phase) -> Vec<ArrayId> {
    let mut arrays: Vec<ArrayId> = phase.fits.iter().map(|fit| fit.features.0).collect();
    for metric in &phase.metrics {
        match &metric.kind {
            nmc_program::MetricKind::Accuracy { output, .. }
            | nmc_program::MetricKind::Nrmse { output, .. }
            | nmc_program::MetricKind::MeanSquaredError { output, .. }
            | nmc_program::MetricKind::Output { output, .. } => arrays.push(*output),
            nmc_program::MetricKind::Final { .. } => {}
        }
    }
    for probe in &program.probes {
        if let nmc_program::Probed::Output(array) = probe.probed {
            arrays.push(array);
        }
    }
    arrays.sort_unstable();
    arrays.dedup();
    arrays
}
