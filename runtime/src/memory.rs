//! How much memory a run takes, told before it begins.

use nmc_program::{ConnectionId, Delay, Len, Phase, Precision, Probed, Program};

use crate::RunError;
use crate::connect::{self, expected};
use crate::record;
use crate::spikes::longest_delays;

/// An empty list.
const LIST: f64 = 24.0;

/// Refuses what would not fit into so many bytes; `lanes` samples are under way side by side.
pub fn check(program: &Program, lanes: usize, most: u64) -> Result<(), RunError> {
    let (bytes, largest) = estimate(program, lanes as f64);
    let most = most as f64;
    if bytes <= most {
        return Ok(());
    }
    let (bytes, most) = (bytes / 1e9, most / 1e9);
    let message =
        format!("this run would take {bytes:.0} GB of memory, most of it for {largest}; {most:.0} GB are free");
    let help = "shorten delays, record fewer elements or less often (`every 1 ms`), or use fewer neurons";
    Err(RunError { code: "E0707", message, help: Some(String::from(help)), place: None })
}

/// Bytes, and what takes the most of them.
fn estimate(program: &Program, lanes: f64) -> (f64, String) {
    let number = match program.precision {
        Precision::F32 => 4.0,
        Precision::F64 => 8.0,
    };
    let mut parts: Vec<(f64, String)> = Vec::new();
    for array in &program.arrays {
        let len = match array.len {
            Len::Fixed(len) => len as f64,
            Len::Synapses(connection) => expected(&program.connections[connection.index()]),
        };
        parts.push((len * number * if array.per_lane { lanes } else { 1.0 }, format!("`{}`", array.name)));
    }
    for (group, ticks) in program.groups.iter().zip(longest_delays(program)) {
        parts.push((f64::from(ticks) * 2.0 * LIST * lanes, format!("the delayed spikes of `{}`", group.name)));
    }
    for (index, connection) in program.connections.iter().enumerate() {
        let delayed = match connection.delay {
            Delay::Ticks(_) => 0.0,
            Delay::PerSynapse { max_ticks, .. } => f64::from(max_ticks) * LIST * lanes,
        };
        let synapses = connect::bytes(program, ConnectionId(index as u32));
        parts.push((synapses + delayed, format!("the synapses of `{}`", connection.name)));
    }
    parts.extend(recordings(program));
    let samples = program.phases.iter().map(|phase| phase.samples as f64).fold(0.0, f64::max);
    parts.push((samples * (program.probes.len() as f64 + 1.0) * 4.0 * LIST, String::from("what samples leave")));
    let bytes = parts.iter().map(|part| part.0).sum();
    let largest = parts.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).map_or_else(String::new, |part| part.1);
    (bytes, largest)
}

/// Bytes of what [`crate::Simulation::recorded`] gives, all in all.
pub fn of_recorded(program: &Program) -> u64 {
    let all = program.probes.iter().zip(recordings(program)).filter(|(probe, _)| record::grows(probe));
    all.map(|(_, (bytes, _))| bytes).sum::<f64>() as u64
}

/// Of each probe the bytes, and how it is called.
fn recordings(program: &Program) -> impl Iterator<Item = (f64, String)> {
    program.probes.iter().map(move |probe| {
        let elements = match probe.probed {
            Probed::Synapses(connection, _) => expected(&program.connections[connection.index()]),
            Probed::Spikes(_) | Probed::Array(_) | Probed::Output(_) => (probe.range.1 - probe.range.0) as f64,
            Probed::Rate(_) => 3.0,
        };
        let elements = probe.histogram.map_or(elements, |histogram| 2.0 * f64::from(histogram.bins) + 1.0);
        let records = |phase: &Phase| match probe.probed {
            // Spikes come as they come.
            Probed::Spikes(_) => 0.0,
            Probed::Synapses(..) if probe.every == 0 => 1.0,
            Probed::Array(_) | Probed::Rate(_) | Probed::Synapses(..) => {
                phase.samples as f64 * f64::from(phase.ticks) / f64::from(probe.every.max(1))
            }
            Probed::Output(_) => phase.samples as f64 * f64::from(phase.taken),
        };
        let records: f64 = program.phases.iter().map(records).sum();
        (records * elements * 8.0, format!("the recording of `{}`", probe.name))
    })
}
