//! What probes record, sample by sample, and how it is put together.

use std::collections::BTreeMap;

use nmc_program::{ArrayId, Phase, PhaseKind, Probed, Program, Source};
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

/// What one sample left behind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SampleRecord {
    /// By probe: elements and ticks of spikes.
    spikes: Vec<(Vec<u32>, Vec<u64>)>,
    /// By probe: ticks, and values [tick, element].
    values: Vec<(Vec<u64>, Vec<f64>)>,
    /// Wanted arrays at the end of the sample.
    ends: BTreeMap<ArrayId, Vec<f64>>,
    /// Whether probes record in this phase at all.
    listens: bool,
    /// The first fault found.
    pub broken: Option<Broken>,
}

impl SampleRecord {
    /// Nothing recorded yet.
    pub fn new(program: &Program, phase: &Phase) -> Self {
        let probes = program.probes.len();
        let listens = phase.kind != PhaseKind::Train;
        let (spikes, values) = (vec![Default::default(); probes], vec![Default::default(); probes]);
        SampleRecord { spikes, values, listens, ..SampleRecord::default() }
    }

    /// At the end of a tick, the `tick`th of its sample; `heard` ticks were recorded before it without a break.
    pub fn tick<'g, T: Real>(
        &mut self,
        program: &Program,
        buffers: &[Buffer<T>],
        lane: usize,
        tick: u64,
        heard: u64,
        spikes: impl Fn(usize) -> &'g [u32],
    ) {
        if !self.listens {
            return;
        }
        for (index, probe) in program.probes.iter().enumerate() {
            let (first, end) = probe.range;
            match probe.probed {
                Probed::Spikes(group) => {
                    let (elements, ticks) = &mut self.spikes[index];
                    for &element in spikes(group.index()).iter().filter(|&&e| (first..end).contains(&(e as usize))) {
                        elements.push(element);
                        ticks.push(tick);
                    }
                }
                Probed::Array(array) if heard.is_multiple_of(u64::from(probe.every.max(1))) => {
                    let (ticks, values) = &mut self.values[index];
                    ticks.push(tick);
                    values.extend(buffers[array.index()].lane(lane)[first..end].iter().map(|v| v.wide()));
                }
                Probed::Synapses(_, array) if probe.every > 0 && heard.is_multiple_of(u64::from(probe.every)) => {
                    let (ticks, values) = &mut self.values[index];
                    ticks.push(tick);
                    values.extend(buffers[array.index()].lane(lane).iter().map(|v| v.wide()));
                }
                Probed::Array(_) | Probed::Output(_) | Probed::Synapses(..) => {}
            }
        }
    }

    /// At the end of the sample.
    pub fn end<T: Real>(&mut self, program: &Program, phase: &Phase, buffers: &[Buffer<T>], lane: usize) {
        for array in crate::lanes::wanted(program, phase) {
            let values = buffers[array.index()].lane(lane).iter().map(|v| v.wide()).collect();
            self.ends.insert(array, values);
        }
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
        let ends = record.ends.iter().all(|(&array, values)| wanted.contains(&array) && values.len() == lens(array));
        let spikes = record.spikes.iter().all(|(elements, ticks)| elements.len() == ticks.len());
        let values = program.probes.iter().zip(&record.values).all(|(probe, (ticks, values))| match probe.probed {
            Probed::Spikes(_) | Probed::Output(_) => ticks.is_empty() && values.is_empty(),
            Probed::Array(_) => values.len() == ticks.len() * (probe.range.1 - probe.range.0),
            Probed::Synapses(_, array) => values.len() == ticks.len() * lens(array),
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
        (Recorded::Spikes { .. } | Recorded::Values { .. } | Recorded::Synapses { .. }, _) => false,
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

/// Puts the samples of a phase into recordings, after those of earlier phases. `before`: ticks and samples of earlier phases.
pub fn gather(
    program: &Program,
    phase: &Phase,
    records: Vec<SampleRecord>,
    before: (u64, usize),
    into: &mut [Recording],
) {
    if phase.kind == PhaseKind::Train {
        return;
    }
    for (number, mut record) in records.into_iter().enumerate() {
        let tick_start = before.0 + number as u64 * u64::from(phase.ticks);
        for (index, (probe, recording)) in program.probes.iter().zip(into.iter_mut()).enumerate() {
            match &mut recording.values {
                Recorded::Spikes { neuron, step, .. } => {
                    let (elements, ticks) = &record.spikes[index];
                    neuron.extend_from_slice(elements);
                    step.extend(ticks.iter().map(|tick| tick + tick_start));
                }
                Recorded::Values { times, data, .. } => {
                    if let Probed::Output(array) = probe.probed {
                        times.push((before.1 + number) as f64);
                        if let Some(values) = record.ends.get(&array) {
                            data.extend_from_slice(&values[probe.range.0..probe.range.1]);
                        }
                    } else {
                        let (ticks, values) = &mut record.values[index];
                        times.extend(ticks.iter().map(|tick| (tick + tick_start) as f64 * program.dt));
                        data.append(values);
                    }
                }
                Recorded::Synapses { times, data, .. } => {
                    let (ticks, values) = &mut record.values[index];
                    times.extend(ticks.iter().map(|tick| (tick + tick_start) as f64 * program.dt));
                    data.append(values);
                }
            }
        }
    }
}

/// Empty recordings, one for each probe.
pub fn recordings(program: &Program) -> Vec<Recording> {
    let probes = program.probes.iter();
    probes
        .map(|probe| {
            let elements = probe.range.1 - probe.range.0;
            let values = match probe.probed {
                Probed::Spikes(_) => Recorded::Spikes { neuron: Vec::new(), step: Vec::new(), dt: program.dt },
                Probed::Array(_) | Probed::Output(_) => {
                    Recorded::Values { times: Vec::new(), elements, data: Vec::new() }
                }
                Probed::Synapses(..) => {
                    Recorded::Synapses { source: Vec::new(), target: Vec::new(), times: Vec::new(), data: Vec::new() }
                }
            };
            Recording { name: probe.name.clone(), unit: probe.unit.clone(), values }
        })
        .collect()
}

/// Fills in who is joined to whom, and the values at the end of the run, `ticks` after its start.
pub fn synapses<T: Real>(
    program: &Program,
    carriers: &[Carrier],
    buffers: &[Buffer<T>],
    ticks: u64,
    into: &mut [Recording],
) {
    for (probe, recording) in program.probes.iter().zip(into) {
        if let (Probed::Synapses(connection, array), Recorded::Synapses { source, target, times, data }) =
            (probe.probed, &mut recording.values)
        {
            let (wiring, first) =
                (&carriers[connection.index()].wiring, program.connections[connection.index()].source_start);
            *source = wiring.every_source(first).collect();
            target.clone_from(&wiring.targets);
            times.push(ticks as f64 * program.dt);
            data.extend(buffers[array.index()].lane(0).iter().map(|v| v.wide()));
        }
    }
}
