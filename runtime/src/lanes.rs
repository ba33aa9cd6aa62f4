//! A batch of samples under way side by side: their arrays, spikes and counts, and the operations on them.

use nmc_program::{ArrayId, Delay, InputFeed, Op, Phase, Program, Source};

use crate::energy::Counts;
use crate::fit;
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::matrix::{self, Effective, Fitted, Ports};
use crate::record::{Broken, SampleRecord};
use crate::spikes::{self, Carrier, GroupState, UnderWay};
use crate::start::synapses_of;
use crate::state::{Buffer, Clock, Kernels, spike_bytes};

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
#[derive(Clone)]
pub struct Lanes<T> {
    pub buffers: Vec<Buffer<T>>,
    /// How many lanes there are, and how many hold a sample.
    pub lanes: usize,
    pub used: usize,
    /// By lane, then group.
    groups: Vec<Vec<GroupState<T>>>,
    /// By lane, then connection.
    under_way: Vec<Vec<UnderWay>>,
    pub counts: Counts,
    /// Ticks since the state began.
    pub tick: u64,
    bitmap: Vec<u8>,
}

/// When an operation runs.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// First sample of the batch.
    pub sample: u64,
    /// Tick within the sample.
    pub within: u64,
    /// Seconds since the phase (or the independent sample) began.
    pub time: f64,
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

    /// Starts every lane afresh with the arrays of `initial`; arrays started by kernels are drawn for each sample.
    pub fn restart(&mut self, shared: &Shared<T>, initial: &[Buffer<T>], sample: u64) {
        for (buffer, fresh) in self.buffers.iter_mut().zip(initial) {
            if buffer.per_lane {
                buffer.data.chunks_exact_mut(buffer.stride.max(1)).for_each(|lane| lane.copy_from_slice(&fresh.data));
            }
        }
        self.groups.iter_mut().flatten().for_each(GroupState::reset);
        self.under_way.iter_mut().flatten().for_each(UnderWay::reset);
        self.tick = 0;
        for (index, array) in shared.program.arrays.iter().enumerate() {
            if let (nmc_program::Initial::Kernel(kernel), true) = (&array.initial, array.per_lane) {
                for lane in 0..self.used {
                    let len = self.buffers[index].stride;
                    let clock = Clock { seed: shared.seed, tick: 0, sample: sample + lane as u64, time: 0.0 };
                    let synapses = synapses_of(array, &shared.carriers);
                    shared.kernels.dense(*kernel, &mut self.buffers, lane, len, clock, None, synapses);
                }
            }
        }
    }

    /// Runs one sample in each lane.
    pub fn sample(&mut self, shared: &Shared<T>, phase: &Phase, sample: u64, records: &mut [SampleRecord]) {
        let program = shared.program;
        for (lane, feed) in (0..self.used).flat_map(|lane| phase.inputs.iter().map(move |feed| (lane, feed))) {
            if let InputFeed::Values { tensor, array } = feed {
                let data = &program.tensors[tensor.index()].data;
                let target = self.buffers[array.index()].lane_mut(lane);
                let start = (sample as usize + lane) * target.len();
                target.iter_mut().enumerate().for_each(|(i, slot)| *slot = T::of(data.get(start + i)));
            }
        }
        self.groups.iter_mut().flatten().for_each(GroupState::new_sample);
        let ticks = u64::from(phase.ticks);
        // A series goes on in time; independent samples each begin at 0.
        let begin = if phase.sequence { sample * ticks } else { 0 };
        let moment = |within: u64| Moment { sample, within, time: (begin + within) as f64 * program.dt };
        self.run(shared, phase, &program.begin, moment(0));
        for within in 0..ticks {
            self.run(shared, phase, &program.tick, moment(within));
            for (lane, record) in records.iter_mut().enumerate().take(self.used) {
                let spikes = |group: usize| self.groups[lane][group].spikes(self.tick, 0);
                record.tick(program, &self.buffers, lane, within, spikes);
            }
            self.tick += 1;
        }
        self.run(shared, phase, &program.end, moment(ticks));
        self.counts.samples += self.used as u64;
        self.counts.ticks += ticks * self.used as u64;
        for (lane, record) in records.iter_mut().enumerate().take(self.used) {
            record.end(program, phase, &self.buffers, lane);
            if let Some(group) = self.groups[lane].iter().position(|group| group.flooded) {
                record.broken = Some(Broken::Flooded(program.groups[group].name.clone()));
            }
        }
    }

    /// Runs operations in order.
    pub fn run(&mut self, shared: &Shared<T>, phase: &Phase, ops: &[Op], moment: Moment) {
        for ops in ops.chunk_by(|a, b| event(a).is_some() && event(a) == event(b)) {
            if let [Op::Multiply { matrix, input, input_start, output, output_start }] = ops {
                let ports = Ports { input: (input.index(), *input_start), output: (output.index(), *output_start) };
                let clock = self.clock(shared, moment, 0);
                let (index, matrix) = (matrix.index(), &shared.program.matrices[matrix.index()]);
                let effective = &shared.matrices[index];
                self.counts.read_energy[index] +=
                    matrix::multiply(matrix, effective, &mut self.buffers, self.lanes, self.used, ports, clock);
                continue;
            }
            // Where an element spiked more than once, its spikes come one after the other: all that follows from the
            // first, then all that follows from the second.
            for round in 0.. {
                let mut more = false;
                for op in ops {
                    for lane in 0..self.used {
                        more |= self.one(shared, phase, op, lane, moment, round);
                    }
                }
                if !more {
                    break;
                }
            }
        }
    }

    fn clock(&self, shared: &Shared<T>, moment: Moment, lane: usize) -> Clock {
        Clock { seed: shared.seed, tick: moment.within, sample: moment.sample + lane as u64, time: moment.time }
    }

    /// One operation in one lane, for the spike number `round` of each element; whether there are more.
    fn one(&mut self, shared: &Shared<T>, phase: &Phase, op: &Op, lane: usize, moment: Moment, round: usize) -> bool {
        let clock = self.clock(shared, moment, lane);
        let program = shared.program;
        let kernels = shared.kernels.as_ref();
        match op {
            Op::Kernel { kernel, len, spikes } => {
                let Some(group) = spikes else {
                    kernels.dense(*kernel, &mut self.buffers, lane, *len, clock, None, None);
                    return false;
                };
                self.bitmap.resize(spike_bytes::<T>(*len), 0);
                kernels.dense(*kernel, &mut self.buffers, lane, *len, clock, Some(&mut self.bitmap), None);
                let count = self.groups[lane][group.index()].collect(self.tick, &self.bitmap);
                self.counts.spikes[group.index()] += count;
            }
            Op::OnSpikes { kernel, group } => {
                let (list, more) = self.groups[lane][group.index()].round(self.tick, 0, round);
                if !list.is_empty() {
                    kernels.list(*kernel, &mut self.buffers, lane, &list, clock);
                }
                return more;
            }
            Op::Emit { group } => {
                let index = group.index();
                let described = &program.groups[index];
                let state = &mut self.groups[lane][index];
                self.counts.spikes[index] += match described.source {
                    Source::Poisson { rate: array } | Source::Once { at: array } => {
                        let values = self.buffers[array.index()].lane(lane);
                        state.emit(described, values, program.dt, clock, moment.within, self.tick)
                    }
                    Source::Given => state.take(self.tick, given(program, phase, index, moment.within)),
                    Source::Kernel => 0,
                };
            }
            Op::Deliver { connection } => {
                let index = connection.index();
                let connection = &program.connections[index];
                let group = &self.groups[lane][connection.source.index()];
                let under_way = &mut self.under_way[lane][index];
                let carrier = &shared.carriers[index];
                let (events, more) = spikes::deliver(
                    connection,
                    carrier,
                    group,
                    under_way,
                    kernels,
                    &mut self.buffers,
                    lane,
                    clock,
                    self.tick,
                    round,
                );
                self.counts.synaptic_events[index] += events;
                return more;
            }
            Op::OnPost { connection } => {
                let index = connection.index();
                let connection = &program.connections[index];
                if let Some(target) = connection.target {
                    let (list, more) = self.groups[lane][target.index()].round(self.tick, 0, round);
                    let carrier = &shared.carriers[index];
                    spikes::on_post(connection, carrier, &list, kernels, &mut self.buffers, lane, clock);
                    return more;
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
            // Done for whole batches, between phases, or by the engine itself.
            Op::Multiply { .. } | Op::Fold { .. } | Op::Present { .. } => {}
        }
        false
    }
}

/// Which events an operation is part of: arrivals, or what a spike does at the neuron itself and on the synapses to it.
fn event(op: &Op) -> Option<bool> {
    match op {
        Op::Deliver { .. } => Some(false),
        Op::OnPost { .. } | Op::OnSpikes { .. } => Some(true),
        Op::Kernel { .. }
        | Op::Emit { .. }
        | Op::Fill { .. }
        | Op::Multiply { .. }
        | Op::Copy { .. }
        | Op::Target { .. }
        | Op::Fold { .. }
        | Op::Present { .. } => None,
    }
}

/// The given spikes of a tick.
fn given(program: &Program, phase: &Phase, group: usize, within: u64) -> Vec<u32> {
    let mut list = Vec::new();
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
    list
}

/// Fits the readouts of a training phase.
pub fn fit_readouts<T: Computable>(
    shared: &mut Shared<T>,
    phase: &Phase,
    outputs: &crate::metrics::Outputs,
    buffers: &mut [Buffer<T>],
) -> Result<(), crate::RunError> {
    for spec in &phase.fits {
        let (array, start, inputs) = spec.features;
        let values = outputs.get(&array).map_or(&[][..], Vec::as_slice);
        let width = values.len().checked_div(phase.samples).unwrap_or(0).max(1);
        let rows = values.chunks_exact(width).skip(spec.skip);
        let features: Vec<f64> = rows.flat_map(|row| row[start..start + inputs].iter().copied()).collect();
        let data = &shared.program.tensors[spec.target.index()].data;
        let targets: Vec<f64> = (spec.skip * spec.outputs..phase.samples * spec.outputs).map(|i| data.get(i)).collect();
        let bias = spec.bias.is_some();
        let (fitted, biases) = fit::ridge(&spec.name, &features, inputs, &targets, spec.outputs, spec.penalty, bias)?;
        for range in &spec.ranges {
            let largest = fit::largest(&fitted, &features, range.inputs, range.outputs);
            buffers[range.array.index()].data.fill(T::of(if largest > 0.0 { largest } else { 1.0 }));
        }
        shared.fitted.push(fitted);
        if let Some(array) = spec.bias {
            let into = &mut buffers[array.index()].data;
            into.iter_mut().zip(&biases).for_each(|(slot, bias)| *slot = T::of(*bias));
        }
    }
    Ok(())
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
