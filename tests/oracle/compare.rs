//! A run held against the oracle.

use nmc_runtime::{Recorded, Recording};

use super::Case;
use super::time::Simulation;

/// What was compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Programs whose states grow without end.
    pub broken: usize,
    pub spikes: usize,
    pub values: usize,
    pub conversions: f64,
    /// Of programmed cells from what was asked for, in standard deviations: how many, their sum and that of their squares.
    pub deviations: (f64, f64, f64),
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.broken += other.broken;
        self.spikes += other.spikes;
        self.values += other.values;
        self.conversions += other.conversions;
        let (count, sum, squares) = other.deviations;
        self.deviations = (self.deviations.0 + count, self.deviations.1 + sum, self.deviations.2 + squares);
    }
}

/// Runs a program with time on both engines and by the oracle: the same spikes, and values that differ by a billionth at most.
pub fn compare(case: &Case) -> Tally {
    let Some(results) = case.run() else { return Tally { broken: 1, ..Tally::default() } };
    let blown = |recording: &Recording| match &recording.values {
        Recorded::Values { data, .. } => data.iter().any(|value| value.abs() > 1e6),
        Recorded::Spikes { .. } | Recorded::Synapses { .. } | Recorded::Histogram { .. } => false,
    };
    if results.recordings.iter().any(blown) {
        return Tally { broken: 1, ..Tally::default() };
    }
    let mut oracle = Simulation::new(case, &results);
    oracle.run();
    let mut tally = Tally::default();
    for recording in &results.recordings {
        let (name, wanted) = (&recording.name, oracle.records.get(&recording.name));
        match (&recording.values, wanted) {
            (Recorded::Spikes { neuron, step, .. }, Some(Recorded::Spikes { neuron: neurons, step: steps, .. })) => {
                let differ = (0..step.len().max(steps.len()))
                    .find(|&at| step.get(at) != steps.get(at) || neuron.get(at) != neurons.get(at));
                if let Some(at) = differ {
                    let found = (neuron.get(at), step.get(at));
                    panic!(
                        "{name}: spike {at} is {found:?}, not {:?}\n{}",
                        (neurons.get(at), steps.get(at)),
                        case.text
                    );
                }
                tally.spikes += step.len();
            }
            (
                Recorded::Values { times, data, .. } | Recorded::Synapses { times, data, .. },
                Some(Recorded::Values { times: wanted_times, data: wanted, .. }),
            ) => {
                close(case, &format!("{name}: times"), times, wanted_times);
                close(case, name, data, wanted);
                tally.values += data.len();
            }
            // Nothing spiked, or no probe was due.
            (Recorded::Spikes { step, .. }, None) => assert!(step.is_empty(), "{name}\n{}", case.text),
            (Recorded::Values { times, .. }, None) => assert!(times.is_empty(), "{name}\n{}", case.text),
            (found, wanted) => panic!("{name}: {found:?} for {wanted:?}\n{}", case.text),
        }
    }
    for (name, &spikes) in &oracle.spikes {
        let found = results.metrics.iter().find(|(metric, _)| *metric == format!("spikes.{name}"));
        assert_eq!(found.map(|(_, spikes)| *spikes), Some(spikes as f64), "spikes of {name}\n{}", case.text);
    }
    tally
}

/// Values that differ by a billionth of the largest at most (a thousand times as much where upstrokes of spikes multiply rounding);
/// what is NaN in `wanted` is not known there.
pub fn close(case: &Case, name: &str, found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len(), "{name}\n{}", case.text);
    let steep = ["adex[", "izhikevich["].iter().any(|name| case.text.contains(name));
    let share = if steep { 1e-6 } else { 1e-9 };
    let most = wanted.iter().filter(|value| !value.is_nan()).fold(0.0, |most: f64, value| most.max(value.abs()));
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate().filter(|(_, (_, wanted))| !wanted.is_nan()) {
        let far = (found - wanted).abs() > share * most;
        assert!(!far, "{name}: value {at} is {found}, not {wanted}\n{}", case.text);
    }
}
