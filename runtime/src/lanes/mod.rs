//! A batch of samples under way side by side: their arrays, spikes and counts, and the operations on them.

mod operation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nmc_program::{ArrayId, Delay, Effect, InputFeed, KernelId, Len, Op, Phase, Program, To};
use serde::{Deserialize, Serialize};

use crate::deliver::{Carrier, Scratch};
use crate::energy::Counts;
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::matrix::{Effective, Fitted};
use crate::random::Key;
use crate::read::{self, Ports, Times};
use crate::record::{Broken, Heard, SampleRecord};
use crate::rewire;
use crate::rows;
use crate::spikes::{self, GroupState, UnderWay};
use crate::start::{of_pairs, round_weights, synapses_of};
use crate::state::{Buffer, Clock, Indices, Kernels};

/// What all batches share: the program, its kernels, connections and programmed matrices.
pub struct Shared<'a, T> {
    pub program: &'a Program,
    pub kernels: Arc<dyn Kernels<T> + 'a>,
    pub carriers: Vec<Carrier>,
    pub matrices: Vec<Effective<T>>,
    pub fitted: Vec<Fitted>,
    /// While a phase learns: the arrays on resisting wires that are solved for each read.
    pub read_seldom: BTreeSet<usize>,
    pub seed: u64,
    /// The operations of a tick.
    pub tick: Vec<Together<'a>>,
}

/// Operations that follow from the same spikes, or a single one.
#[derive(Debug, Clone)]
pub struct Together<'a> {
    ops: &'a [Op],
    /// Whether all they do is to add to targets.
    only_adds: bool,
    /// Groups whose spikes of this tick are all that they follow from.
    of: Vec<usize>,
}

/// Operations in order, those together that are.
pub fn together<'a>(program: &Program, ops: &'a [Op]) -> Vec<Together<'a>> {
    let adds = |op: &Op| {
        let Op::Deliver { connection } = op else { return false };
        matches!(program.connections[connection.index()].on_pre, Effect::Add { .. })
    };
    let chunks = ops.chunk_by(|a, b| event(a).is_some() && event(a) == event(b));
    let of = |op: &Op| {
        if let Op::OnSpikes { group, .. } = op {
            return Some(group.index());
        }
        let Op::OnPost { connection, .. } = op else { return None };
        program.connections[connection.index()].target.map(|group| group.index())
    };
    chunks
        .map(|ops| Together { ops, only_adds: ops.iter().all(adds), of: ops.iter().filter_map(of).collect() })
        .collect()
}

/// The state of a batch.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
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
    /// Sources of the synapses of connections that were drawn anew, which all lanes share.
    pub rewired: BTreeMap<usize, Vec<u32>>,
    /// Ticks since the state began.
    pub tick: u64,
    #[serde(skip)]
    bitmap: Vec<u8>,
    #[serde(skip)]
    scratch: Scratch,
    /// How far traces decayed last: the exponent, and its factors down and up.
    #[serde(skip)]
    faded: Option<(f64, T, T)>,
    /// What was made of `rewired`.
    #[serde(skip)]
    carriers: BTreeMap<usize, Carrier>,
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
    /// Number of the first sample of the batch within its phase.
    pub row: usize,
}

impl<T: Computable + Product> Lanes<T> {
    /// `lanes` lanes with the arrays of `buffers` (which has one lane).
    pub fn new(shared: &Shared<T>, buffers: &[Buffer<T>], lanes: usize) -> Self {
        let program = shared.program;
        let groups = spikes::groups(program);
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
            rewired: BTreeMap::new(),
            tick: 0,
            bitmap: Vec::new(),
            scratch: Scratch::default(),
            faded: None,
            carriers: BTreeMap::new(),
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
        for (index, array) in shared.program.arrays.iter().enumerate() {
            if let (nmc_program::Initial::Kernel(kernel), true) = (&array.initial, array.per_lane) {
                let own = &self.carriers;
                let synapses = || synapses_of(array, |index| own.get(&index).unwrap_or(&shared.carriers[index]));
                for lane in 0..self.used {
                    let len = self.buffers[index].stride;
                    let clock = Clock { seed: shared.seed, tick: 0, sample: sample + lane as u64, time: 0.0 };
                    shared.kernels.dense(*kernel, &mut self.buffers, lane, len, clock, None, synapses());
                }
            }
        }
    }

    /// Begins one sample in each lane: shows its data, those of this row of the phase, and does what is done before its ticks.
    pub fn begin(&mut self, shared: &Shared<T>, phase: &Phase, place: Place, row_of: impl Fn(usize) -> usize) {
        let program = shared.program;
        for lane in 0..self.used {
            let row = row_of(lane);
            for feed in &phase.inputs {
                self.show(program, feed, lane, row, 0);
            }
        }
        for group in self.groups.iter_mut().flatten() {
            match place.tick {
                0 => group.processes.new_sample(),
                _ => group.processes.rates_may_change(),
            }
        }
        self.run(
            shared,
            phase,
            &program.begin,
            Moment { sample: place.number, tick: place.tick, within: 0, row: place.row },
        );
    }

    /// Shows what an input has of a sample at a tick.
    fn show(&mut self, program: &Program, feed: &InputFeed, lane: usize, sample: usize, within: u64) {
        if let InputFeed::Values { tensor, array, rows, each } = feed {
            let data = &program.tensors[tensor.index()].data;
            let target = self.buffers[array.index()].lane_mut(lane);
            let row = (*rows as u64 - 1).min(within / u64::from(*each)) as usize;
            let start = (sample * rows + row) * target.len();
            data.fill(start, target, T::of);
        }
    }

    /// One tick of the sample in each lane.
    pub fn tick(
        &mut self,
        shared: &Shared<T>,
        phase: &Phase,
        (place, within): (Place, u64),
        records: &mut [SampleRecord],
        row_of: impl Fn(usize) -> usize,
    ) {
        let program = shared.program;
        let moment = Moment { sample: place.number, tick: place.tick + within, within, row: place.row };
        let stepped = |feed: &&InputFeed| match feed {
            InputFeed::Values { rows, each, .. } => {
                let each = u64::from(*each);
                within > 0 && within.is_multiple_of(each) && within / each < *rows as u64
            }
            InputFeed::Spikes { .. } => false,
        };
        for feed in phase.inputs.iter().filter(stepped) {
            for lane in 0..self.used {
                self.show(program, feed, lane, row_of(lane), within);
            }
        }
        let heard = Heard { tick: within, all: place.heard + within, start: true };
        for (lane, record) in records.iter_mut().enumerate().take(self.used).filter(|(_, record)| record.listens) {
            record.tick(program, &self.buffers, lane, heard, |_| &[]);
        }
        self.run_together(shared, phase, &shared.tick, moment);
        for (lane, record) in records.iter_mut().enumerate().take(self.used).filter(|(_, record)| record.listens) {
            let spikes = |group: usize| self.groups[lane][group].spikes(self.tick, 0);
            record.tick(program, &self.buffers, lane, Heard { start: false, ..heard }, spikes);
        }
        self.tick += 1;
    }

    /// Makes the outputs of each lane's sample after so many ticks.
    fn put_out(&mut self, shared: &Shared<T>, phase: &Phase, place: Place, within: u64) {
        // Counted down from the largest: a run that goes on uses the ticks that follow.
        let tick = u64::from(u32::MAX - (place.tick + within) as u32);
        self.run(shared, phase, &shared.program.end, Moment { sample: place.number, tick, within, row: place.row });
    }

    /// Takes outputs after a tick, where the phase takes them of it and there is one more.
    pub fn take(
        &mut self,
        shared: &Shared<T>,
        phase: &Phase,
        (place, within): (Place, u64),
        records: &mut [SampleRecord],
    ) {
        let within = within + 1;
        if phase.taken > 1 && within < u64::from(phase.ticks) {
            self.put_out(shared, phase, place, within);
            for (lane, record) in records.iter_mut().enumerate().take(self.used) {
                record.take(shared.program, phase, &self.buffers, lane);
            }
        }
    }

    /// Ends the sample in each lane: does what is done after its ticks, and looks at what it left.
    pub fn end(&mut self, shared: &Shared<T>, phase: &Phase, place: Place, records: &mut [SampleRecord]) {
        let (program, ticks) = (shared.program, u64::from(phase.ticks));
        self.put_out(shared, phase, place, ticks);
        self.counts.samples += self.used as u64;
        self.counts.ticks += ticks * self.used as u64;
        for (lane, record) in records.iter_mut().enumerate().take(self.used) {
            record.end(program, phase, &self.buffers, lane);
            if let Some(group) = self.groups[lane].iter().position(|group| group.processes.flooded) {
                record.broken = Some(Broken::Flooded(program.groups[group].name.clone()));
            }
        }
    }

    /// Changes what a phase begins with: what lanes share, before a restart, or what is their own, after it.
    pub fn change(&mut self, shared: &Shared<T>, phase: &Phase, own: bool) {
        for &(array, to) in &phase.changes {
            if shared.program.arrays[array.index()].per_lane != own {
                continue;
            }
            let own = &self.carriers;
            let Buffer { data, stride, .. } = &mut self.buffers[array.index()];
            match (to, shared.program.arrays[array.index()].len) {
                (To::Fill(value), _) => data.fill(T::of(value)),
                (To::Pairs(tensor), Len::Synapses(connection)) => {
                    let index = connection.index();
                    let wiring = &own.get(&index).unwrap_or(&shared.carriers[index]).wiring;
                    data.clone_from(&of_pairs(shared.program, tensor, connection, wiring));
                }
                (To::Range { first, end, value }, _) => {
                    data.chunks_mut((*stride).max(1)).for_each(|lane| lane[first..end].fill(T::of(value)));
                }
                (To::Elements { first, values }, _) => {
                    let values = &shared.program.tensors[values.index()].data;
                    for lane in data.chunks_mut((*stride).max(1)) {
                        let of = lane[first..].iter_mut().take(values.len()).enumerate();
                        of.for_each(|(at, element)| *element = T::of(values.get(at)));
                    }
                }
                (To::Pairs(_), Len::Fixed(_)) => {}
            }
        }
        if !phase.changes.is_empty() {
            let own = &self.carriers;
            let carrier = |index: usize| own.get(&index).unwrap_or(&shared.carriers[index]);
            round_weights(shared.program, &mut self.buffers, carrier);
        }
    }

    /// A copy without what the lanes share.
    pub fn own(&self) -> Self {
        let own = |buffer: &Buffer<T>| if buffer.per_lane { buffer.clone() } else { Buffer::default() };
        let (groups, under_way) = (self.groups.clone(), self.under_way.clone());
        let (counts, bitmap, scratch) = (Counts::default(), Vec::new(), Scratch::default());
        let (buffers, rewired, carriers) = (self.buffers.iter().map(own).collect(), BTreeMap::new(), BTreeMap::new());
        Lanes { buffers, groups, under_way, counts, rewired, bitmap, scratch, carriers, ..*self }
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

    /// The synapses of a connection, as they are now.
    pub fn carrier<'s>(&'s self, shared: &'s Shared<T>, index: usize) -> &'s Carrier {
        self.carriers.get(&index).unwrap_or(&shared.carriers[index])
    }

    /// Takes up what was drawn anew before, after it was read from a file.
    pub fn take_up(&mut self, shared: &Shared<T>) {
        for (&index, sources) in &self.rewired {
            let mut carrier = shared.carriers[index].clone();
            carrier.wiring.sources.clone_from(sources);
            rewire::list(&shared.program.connections[index], &mut carrier.wiring);
            self.carriers.insert(index, carrier);
        }
    }

    /// Gives the synapses of a connection that are `gone` another source, and what they start with.
    fn redraw(&mut self, shared: &Shared<T>, index: usize, of: (ArrayId, KernelId), component: u32, clock: Clock) {
        let (gone, fresh) = of;
        let marks = self.buffers[gone.index()].lane(0).iter().enumerate();
        let marked: Vec<u32> = marks.filter(|(_, mark)| mark.wide() != 0.0).map(|(at, _)| at as u32).collect();
        if marked.is_empty() {
            return;
        }
        let carrier = self.carriers.entry(index).or_insert_with(|| shared.carriers[index].clone());
        let (tick, sample) = (clock.tick as u32, clock.sample as u32);
        let key = Key { seed: clock.seed, component, element: 0, number: 0, tick, sample };
        let drawn = rewire::rewire(&shared.program.connections[index], &mut carrier.wiring, &marked, key);
        self.counts.rewired[index] += drawn.len() as u64;
        self.rewired.insert(index, carrier.wiring.sources.clone());
        let synapses = carrier.wiring.synapses(Indices::List(&drawn));
        shared.kernels.synapses(fresh, &mut self.buffers, 0, synapses, clock);
    }

    /// Runs operations in order.
    pub fn run(&mut self, shared: &Shared<T>, phase: &Phase, ops: &[Op], moment: Moment) {
        self.run_together(shared, phase, &together(shared.program, ops), moment);
    }

    fn run_together(&mut self, shared: &Shared<T>, phase: &Phase, all: &[Together], moment: Moment) {
        for Together { ops, only_adds, of } in all {
            let silent = |groups: &Vec<GroupState<T>>| of.iter().all(|&of| groups[of].spikes(self.tick, 0).is_empty());
            if !of.is_empty() && self.groups[..self.used].iter().all(silent) {
                continue;
            }
            if let [Op::Multiply { matrix, input, input_start, output, output_start, positions, read, stride }] = ops {
                let (input, output) = ((input.index(), *input_start), (output.index(), *output_start));
                let (index, matrix) = (matrix.index(), &shared.program.matrices[matrix.index()]);
                let times = times(shared.program, phase, moment, matrix, (*read, *stride));
                let ports = Ports { input, output, positions: *positions, read: *read, stride: *stride, times };
                let clock = self.clock(shared, moment, 0);
                let (effective, kernels) = (&shared.matrices[index], shared.kernels.as_ref());
                self.counts.read_energy[index] += read::multiply(
                    matrix,
                    effective,
                    &mut self.buffers,
                    (self.lanes, self.used),
                    ports,
                    clock,
                    kernels,
                );
                continue;
            }
            if let [Op::Transposed { matrix, input, input_start, output, output_start, positions, read, joules }] = ops
            {
                let (input, output) = ((input.index(), *input_start), (output.index(), *output_start));
                let (positions, read, times) = (*positions, *read, Times::default());
                let ports = Ports { input, output, positions, read, stride: 1, times };
                let clock = self.clock(shared, moment, 0);
                let (index, matrix) = (matrix.index(), &shared.program.matrices[matrix.index()]);
                let taken = read::transposed(
                    matrix,
                    &shared.matrices[index],
                    &mut self.buffers,
                    (self.lanes, self.used),
                    ports,
                    clock,
                );
                self.counts.read_energy[index] += taken * joules;
                continue;
            }
            // Where an element spiked more than once, its spikes come one after the other: all that follows from the
            // first, then all that follows from the second.
            for round in 0.. {
                let mut more = false;
                for op in *ops {
                    if round == 0 && *only_adds && self.deliver_rows(shared, op) {
                        continue;
                    }
                    for lane in 0..self.used {
                        more |= self.one(shared, phase, op, lane, moment, (round, *only_adds));
                    }
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// Delivers in all lanes at once, where that can be.
    fn deliver_rows(&mut self, shared: &Shared<T>, op: &Op) -> bool {
        let Op::Deliver { connection } = op else { return false };
        let (index, groups) = (connection.index(), &self.groups[..self.used]);
        let (connection, carrier) = (&shared.program.connections[index], &shared.carriers[index]);
        let (buffers, scratch) = (&mut self.buffers, &mut self.scratch);
        let events = rows::deliver_rows(connection, carrier, groups, buffers, scratch, self.tick);
        self.counts.synaptic_events[index] += events.unwrap_or(0);
        events.is_some()
    }

    fn clock(&self, shared: &Shared<T>, moment: Moment, lane: usize) -> Clock {
        let time = self.tick as f64 * shared.program.dt;
        Clock { seed: shared.seed, tick: moment.tick, sample: moment.sample + lane as u64, time }
    }
}

/// When a matrix is read: samples and ticks follow one another as fast as the chip takes them.
fn times(
    program: &Program,
    phase: &Phase,
    moment: Moment,
    matrix: &nmc_program::Matrix,
    (read, stride): (usize, usize),
) -> Times {
    let costs = &program.costs;
    let lane = match phase.ticks {
        0 => costs.initiation_interval_s,
        ticks => f64::from(ticks) * costs.tick_s,
    };
    let each = matrix.cells.as_ref().map_or(0.0, |cells| cells.read_time);
    let first = phase.after + moment.sample as f64 * lane + moment.tick as f64 * costs.tick_s + read as f64 * each;
    Times { first, lane, read: each * stride as f64 }
}

/// Which events an operation is part of: arrivals, or what a spike does at the neuron itself and on the synapses to it.
fn event(op: &Op) -> Option<bool> {
    match op {
        Op::Deliver { .. } => Some(false),
        Op::OnPost { .. } | Op::OnSpikes { .. } => Some(true),
        Op::Kernel { .. }
        | Op::Substeps { .. }
        | Op::Rewire { .. }
        | Op::Synapses { .. }
        | Op::Emit { .. }
        | Op::Fill { .. }
        | Op::Multiply { .. }
        | Op::Transposed { .. }
        | Op::Scatter { .. }
        | Op::Copy { .. }
        | Op::Past { .. }
        | Op::Gather { .. }
        | Op::Reduce { .. }
        | Op::Target { .. }
        | Op::Write { .. }
        | Op::Fold { .. }
        | Op::Present { .. }
        | Op::Decay { .. } => None,
    }
}

/// Arrays whose values are wanted when a phase takes outputs.
pub fn wanted(program: &Program, phase: &Phase) -> Vec<ArrayId> {
    let mut arrays: Vec<ArrayId> = phase.fits.iter().map(|fit| fit.features.0).collect();
    arrays.extend(phase.metrics.iter().flat_map(|metric| &metric.steps).flat_map(nmc_program::MetricKind::outputs));
    for probe in &program.probes {
        if let nmc_program::Probed::Output(array) = probe.probed {
            arrays.push(array);
        }
    }
    arrays.sort_unstable();
    arrays.dedup();
    arrays
}
