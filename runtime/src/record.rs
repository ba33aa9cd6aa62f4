//! What probes record, sample by sample, and how it is put together.

use std::collections::BTreeMap;

use nmc_program::{ArrayId, Histogram, Phase, PhaseKind, Probe, Probed, Program, Source};
use serde::{Deserialize, Serialize};

use crate::deliver::Carrier;
use crate::metrics::Outputs;
use crate::state::{Buffer, Real};
use crate::{Recorded, Recording};

/// What makes a sample's results worthless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Broken {
    /// An array that holds something that is no number.
    NotANumber(String),
    /// An array that holds something infinite.
    Infinite(String),
    /// A group asked for more spikes a tick than can be.
    Flooded(String),
}

/// Which tick is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// In its sample.
    pub tick: u64,
    /// Ticks that were recorded before it without a break.
    pub all: u64,
    /// Its start, or its end.
    pub start: bool,
}

/// What one sample left behind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SampleRecord {
    /// By probe: elements and ticks of spikes.
    spikes: Vec<(Vec<u32>, Vec<u64>)>,
    /// By probe: ticks, and values [tick, element]; of histograms, counts and edges; of rates, spikes, ticks, and ticks of the
    /// interval that passed in samples before.
    values: Vec<(Vec<u64>, Vec<f64>)>,
    /// Wanted arrays, of every time that outputs are taken.
    ends: BTreeMap<ArrayId, Vec<f64>>,
    /// Whether probes record in this phase at all.
    pub listens: bool,
    /// The first fault found.
    pub broken: Option<Broken>,
}

impl SampleRecord {
    /// Nothing recorded yet.
    pub fn new(program: &Program, phase: &Phase) -> Self {
        let probes = program.probes.len();
        let listens = phase.kind != PhaseKind::Train && !program.probes.is_empty();
        let (spikes, values) = (vec![Default::default(); probes], vec![Default::default(); probes]);
        SampleRecord { spikes, values, listens, ..SampleRecord::default() }
    }

    /// At the start or at the end of a tick.
    pub fn tick<'g, T: Real>(
        &mut self,
        program: &Program,
        buffers: &[Buffer<T>],
        lane: usize,
        heard: Heard,
        spikes: impl Fn(usize) -> &'g [u32],
    ) {
        let tick = heard.tick;
        for (index, probe) in program.probes.iter().enumerate().filter(|(_, probe)| probe.start == heard.start) {
            let (first, end) = probe.range;
            let of_range = |group: usize| spikes(group).iter().filter(|&&e| (first..end).contains(&(e as usize)));
            let due = heard.all.is_multiple_of(u64::from(probe.every.max(1)));
            let (ticks, values) = &mut self.values[index];
            match probe.probed {
                Probed::Spikes(group) => {
                    let (elements, ticks) = &mut self.spikes[index];
                    for &element in of_range(group.index()) {
                        elements.push(element);
                        ticks.push(tick);
                    }
                }
                Probed::Rate(group) => {
                    if due || ticks.is_empty() {
                        ticks.push(tick);
                        values.extend([0.0, 0.0, (heard.all % u64::from(probe.every)) as f64]);
                    }
                    let last = values.len() - 3;
                    values[last] += of_range(group.index()).count() as f64;
                    values[last + 1] += 1.0;
                }
                Probed::Array(array) if due => {
                    ticks.push(tick);
                    keep(probe, &buffers[array.index()].lane(lane)[first..end], values);
                }
                Probed::Synapses(_, array) if probe.every > 0 && due => {
                    ticks.push(tick);
                    keep(probe, buffers[array.index()].lane(lane), values);
                }
                Probed::Array(_) | Probed::Output(_) | Probed::Synapses(..) => {}
            }
        }
    }

    /// When outputs are taken.
    pub fn take<T: Real>(&mut self, program: &Program, phase: &Phase, buffers: &[Buffer<T>], lane: usize) {
        for array in crate::lanes::wanted(program, phase) {
            let values = buffers[array.index()].lane(lane).iter().map(|v| v.wide());
            self.ends.entry(array).or_default().extend(values);
        }
    }

    /// At the end of the sample.
    pub fn end<T: Real>(&mut self, program: &Program, phase: &Phase, buffers: &[Buffer<T>], lane: usize) {
        self.take(program, phase, buffers, lane);
        let own = program.arrays.iter().zip(buffers).enumerate().filter(|(_, (array, _))| array.per_lane);
        self.broken = own
            .filter_map(|(index, (array, buffer))| {
                let never =
                    program.groups.iter().any(|group| group.source == Source::Once { at: ArrayId(index as u32) });
                fault(&array.name, buffer.lane(lane), never)
            })
            .next();
    }
}

/// Values as they are, or how they are spread: counts, then edges.
fn keep<T: Real>(probe: &Probe, row: &[T], into: &mut Vec<f64>) {
    let Some(Histogram { bins, bounds }) = probe.histogram else {
        return into.extend(row.iter().map(|v| v.wide()));
    };
    let numbers = || row.iter().map(|v| v.wide()).filter(|v| v.is_finite());
    let (low, high) = bounds.unwrap_or_else(|| {
        let low = numbers().reduce(f64::min).unwrap_or(0.0);
        let high = numbers().reduce(f64::max).unwrap_or(0.0);
        // All alike: in the middle.
        let beside = if low == 0.0 { 0.5 } else { low.abs() / 2.0 };
        if low < high { (low, high) } else { (low - beside, low + beside) }
    });
    let mut counts = vec![0.0; bins as usize];
    for value in numbers() {
        let bin = ((value - low) / (high - low) * f64::from(bins)) as usize;
        counts[bin.min(bins as usize - 1)] += 1.0;
    }
    into.append(&mut counts);
    into.extend((0..=bins).map(|edge| low + (high - low) * f64::from(edge) / f64::from(bins)));
}

/// What is wrong with the numbers of an array; `never`: infinity has a meaning in it.
pub fn fault<T: Real>(name: &str, values: &[T], never: bool) -> Option<Broken> {
    // In runs without a branch in them: this looks at every number of every sample.
    let broken = |run: &[T]| run.iter().fold(false, |broken, v| broken | !v.wide().is_finite());
    if !values.chunks(64).any(broken) {
        return None;
    }
    match values.iter().any(|v| v.wide().is_nan()) {
        true => Some(Broken::NotANumber(name.to_string())),
        false => (!never).then(|| Broken::Infinite(name.to_string())),
    }
}

/// Whether records read from a file are those of so many samples of a phase.
pub fn are_of(program: &Program, phase: &Phase, lens: impl Fn(ArrayId) -> usize, records: &[SampleRecord]) -> bool {
    let wanted = crate::lanes::wanted(program, phase);
    let whole = |record: &SampleRecord| {
        let ends = record
            .ends
            .iter()
            .all(|(&array, values)| wanted.contains(&array) && values.len() <= lens(array) * phase.taken as usize);
        let spikes = record.spikes.iter().all(|(elements, ticks)| elements.len() == ticks.len());
        let values = program.probes.iter().zip(&record.values).all(|(probe, (ticks, values))| {
            let each = match (probe.probed, probe.histogram) {
                (Probed::Spikes(_) | Probed::Output(_), _) => return ticks.is_empty() && values.is_empty(),
                (Probed::Rate(_), _) => 3,
                (Probed::Array(_) | Probed::Synapses(..), Some(histogram)) => 2 * histogram.bins as usize + 1,
                (Probed::Array(_), None) => probe.range.1 - probe.range.0,
                (Probed::Synapses(_, array), None) => lens(array),
            };
            values.len() == ticks.len() * each
        });
        let probes = program.probes.len();
        ends && spikes && values && record.spikes.len() == probes && record.values.len() == probes
    };
    records.iter().all(whole)
}

/// Whether recordings read from a file are those of the program that `fresh` ones are of.
pub fn are_like(read: &[Recording], fresh: &[Recording]) -> bool {
    let alike = |(read, fresh): (&Recording, &Recording)| match (&read.values, &fresh.values) {
        (Recorded::Spikes { neuron, step, .. }, Recorded::Spikes { .. }) => neuron.len() == step.len(),
        (Recorded::Values { times, elements, data }, Recorded::Values { elements: wanted, .. }) => {
            elements == wanted && Some(data.len()) == times.len().checked_mul(*elements)
        }
        (Recorded::Synapses { .. }, Recorded::Synapses { .. }) => true,
        (Recorded::Histogram { times, bins, counts, edges }, Recorded::Histogram { bins: wanted, .. }) => {
            bins == wanted && counts.len() == times.len() * bins && edges.len() == times.len() * (bins + 1)
        }
        (
            Recorded::Spikes { .. } | Recorded::Values { .. } | Recorded::Synapses { .. } | Recorded::Histogram { .. },
            _,
        ) => false,
    };
    read.len() == fresh.len() && read.iter().zip(fresh).all(alike)
}

/// Outputs of all samples, in order.
pub fn outputs(records: &[SampleRecord]) -> Outputs {
    let mut outputs = Outputs::new();
    for record in records {
        for (array, values) in &record.ends {
            outputs.entry(*array).or_default().extend_from_slice(values);
        }
    }
    outputs
}

/// Puts the samples of a phase into recordings, after those of earlier phases. `before`: ticks of earlier phases, and how often outputs were taken.
pub fn gather(
    program: &Program,
    phase: &Phase,
    mut records: Vec<SampleRecord>,
    before: (u64, usize),
    into: &mut [Recording],
) {
    if phase.kind == PhaseKind::Train {
        return;
    }
    drain(program, phase, (&mut records, false), before, into);
    for (number, record) in records.into_iter().enumerate() {
        for (probe, recording) in program.probes.iter().zip(into.iter_mut()) {
            let Probed::Output(array) = probe.probed else { continue };
            let Recorded::Values { times, data, .. } = &mut recording.values else { continue };
            let taken = phase.taken as usize;
            times.extend((0..taken).map(|at| (before.1 + number * taken + at) as f64));
            if let Some(values) = record.ends.get(&array) {
                let rows = values.chunks_exact((values.len() / taken).max(1));
                rows.for_each(|row| data.extend_from_slice(&row[probe.range.0..probe.range.1]));
            }
        }
    }
}

/// Takes all but outputs out of what the samples of a phase have recorded so far. Where the last sample is still `open`, the interval of a rate that is
/// under way stays.
pub fn drain(
    program: &Program,
    phase: &Phase,
    (records, open): (&mut [SampleRecord], bool),
    before: (u64, usize),
    into: &mut [Recording],
) {
    if phase.kind == PhaseKind::Train {
        return;
    }
    let last = records.len().saturating_sub(1);
    for (number, record) in records.iter_mut().enumerate() {
        let tick_start = before.0 + number as u64 * u64::from(phase.ticks);
        let seconds = |tick: u64| (tick + tick_start) as f64 * program.dt;
        for (index, (probe, recording)) in program.probes.iter().zip(into.iter_mut()).enumerate() {
            let (ticks, values) = &mut record.values[index];
            match &mut recording.values {
                Recorded::Spikes { neuron, step, .. } => {
                    let (elements, ticks) = &mut record.spikes[index];
                    neuron.append(elements);
                    step.extend(ticks.drain(..).map(|tick| tick + tick_start));
                }
                Recorded::Values { times, data, .. } if matches!(probe.probed, Probed::Rate(_)) => {
                    let whole = ticks.len().saturating_sub(usize::from(open && number == last));
                    for (tick, row) in ticks.drain(..whole).zip(values.as_chunks::<3>().0) {
                        rate(probe, (seconds(tick), program.dt), *row, (times, data));
                    }
                    values.drain(..3 * whole);
                }
                Recorded::Values { times, data, .. } | Recorded::Synapses { times, data, .. } => {
                    times.extend(ticks.drain(..).map(seconds));
                    data.append(values);
                }
                Recorded::Histogram { times, bins, counts, edges } => {
                    times.extend(ticks.drain(..).map(seconds));
                    for row in values.chunks_exact(2 * *bins + 1) {
                        counts.extend_from_slice(&row[..*bins]);
                        edges.extend_from_slice(&row[*bins..]);
                    }
                    values.clear();
                }
            }
        }
    }
}

/// Whether what is recorded is there tick by tick, and not when outputs are taken.
pub fn grows(probe: &Probe) -> bool {
    !matches!(probe.probed, Probed::Output(_))
}

/// Takes away what [`drain`] put in; the last interval of a rate stays, as the next run may go on with it.
pub fn taken(program: &Program, from: &mut [Recording]) -> Vec<Recording> {
    let mut taken = recordings(program);
    for ((probe, from), into) in program.probes.iter().zip(from).zip(&mut taken).filter(|((probe, _), _)| grows(probe))
    {
        std::mem::swap(&mut from.values, &mut into.values);
        if let (Probed::Rate(_), Recorded::Values { times, data, .. }, Recorded::Values { times: t, data: d, .. }) =
            (probe.probed, &mut from.values, &mut into.values)
        {
            times.extend(t.pop());
            data.extend(d.pop());
        }
    }
    taken
}

/// Takes away all rows, which were handed on.
pub fn forget(recordings: &mut [Recording]) {
    for recording in recordings {
        match &mut recording.values {
            Recorded::Spikes { neuron, step, .. } => {
                neuron.clear();
                step.clear();
            }
            Recorded::Values { times, data, .. } | Recorded::Synapses { times, data, .. } => {
                times.clear();
                data.clear();
            }
            Recorded::Histogram { times, counts, edges, .. } => {
                times.clear();
                counts.clear();
                edges.clear();
            }
        }
    }
}

/// Puts in the rate of an interval, or of what is left of it where it began in the sample before.
fn rate(
    probe: &Probe,
    (time, dt): (f64, f64),
    [spikes, ticks, before]: [f64; 3],
    (times, data): (&mut Vec<f64>, &mut Vec<f64>),
) {
    let elements = (probe.range.1 - probe.range.0) as f64;
    let rate = spikes / (elements * ticks * dt);
    match data.last_mut().filter(|_| before > 0.0) {
        Some(last) => *last = (*last * before + rate * ticks) / (before + ticks),
        None => {
            times.push(time);
            data.push(rate);
        }
    }
}

/// Empty recordings, one for each probe.
pub fn recordings(program: &Program) -> Vec<Recording> {
    let probes = program.probes.iter();
    probes
        .map(|probe| {
            let elements = probe.range.1 - probe.range.0;
            let own = match probe.probed {
                Probed::Synapses(..) => None,
                Probed::Spikes(_) | Probed::Rate(_) | Probed::Array(_) | Probed::Output(_) => Some(probe.range),
            };
            let bins = probe.histogram.map(|histogram| histogram.bins as usize);
            let values = match probe.probed {
                Probed::Array(_) | Probed::Synapses(..) if bins.is_some() => Recorded::Histogram {
                    times: Vec::new(),
                    bins: bins.unwrap_or_default(),
                    counts: Vec::new(),
                    edges: Vec::new(),
                },
                Probed::Rate(_) => Recorded::Values { times: Vec::new(), elements: 1, data: Vec::new() },
                Probed::Spikes(_) => Recorded::Spikes { neuron: Vec::new(), step: Vec::new(), dt: program.dt },
                Probed::Array(_) | Probed::Output(_) => {
                    Recorded::Values { times: Vec::new(), elements, data: Vec::new() }
                }
                Probed::Synapses(..) => {
                    Recorded::Synapses { source: Vec::new(), target: Vec::new(), times: Vec::new(), data: Vec::new() }
                }
            };
            Recording { name: probe.name.clone(), unit: probe.unit.clone(), elements: own, values }
        })
        .collect()
}

/// Fills in who is joined to whom.
pub fn joined<'c>(program: &Program, carrier: impl Fn(usize) -> &'c Carrier, into: &mut [Recording]) {
    for (probe, recording) in program.probes.iter().zip(into) {
        let Probed::Synapses(connection, _) = probe.probed else { continue };
        if let Recorded::Synapses { source, target, .. } = &mut recording.values {
            let wiring = &carrier(connection.index()).wiring;
            let first = program.connections[connection.index()].source_start;
            *source = wiring.every_source(first).collect();
            target.clone_from(&wiring.targets);
        }
    }
}

/// Fills in who is joined to whom, and the values at the end of the run, `ticks` after its start.
pub fn synapses<'c, T: Real>(
    program: &Program,
    carrier: impl Fn(usize) -> &'c Carrier,
    buffers: &[Buffer<T>],
    ticks: u64,
    into: &mut [Recording],
) {
    joined(program, carrier, into);
    for (probe, recording) in program.probes.iter().zip(into) {
        let Probed::Synapses(_, array) = probe.probed else { continue };
        let (at, last) = (ticks as f64 * program.dt, buffers[array.index()].lane(0));
        match &mut recording.values {
            Recorded::Synapses { times, data, .. } => {
                times.push(at);
                keep(probe, last, data);
            }
            Recorded::Histogram { times, bins, counts, edges } => {
                let mut row = Vec::new();
                keep(probe, last, &mut row);
                times.push(at);
                counts.extend_from_slice(&row[..*bins]);
                edges.extend_from_slice(&row[*bins..]);
            }
            Recorded::Spikes { .. } | Recorded::Values { .. } => {}
        }
    }
}
