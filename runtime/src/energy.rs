//! Energy from events that happened.

use std::collections::BTreeMap;

use nmc_program::{ComponentKind, Count, Program};
use serde::{Deserialize, Serialize};

/// How often things happened in a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub samples: u64,
    pub ticks: u64,
    /// By group.
    pub spikes: Vec<u64>,
    /// By connection: deliveries over single synapses.
    pub synaptic_events: Vec<u64>,
    /// By matrix: joules dissipated by reads.
    pub read_energy: Vec<f64>,
}

impl Counts {
    /// Nothing happened yet.
    pub fn new(program: &Program) -> Self {
        Counts {
            spikes: vec![0; program.groups.len()],
            synaptic_events: vec![0; program.connections.len()],
            read_energy: vec![0.0; program.matrices.len()],
            ..Counts::default()
        }
    }

    /// Whether counts read from a file are those of this program, as `fresh` are.
    pub fn is_like(&self, fresh: &Counts) -> bool {
        let lens = |counts: &Counts| (counts.spikes.len(), counts.synaptic_events.len(), counts.read_energy.len());
        lens(self) == lens(fresh)
    }

    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Counts) {
        self.samples += other.samples;
        self.ticks += other.ticks;
        self.spikes.iter_mut().zip(&other.spikes).for_each(|(sum, more)| *sum += more);
        self.synaptic_events.iter_mut().zip(&other.synaptic_events).for_each(|(sum, more)| *sum += more);
        self.read_energy.iter_mut().zip(&other.read_energy).for_each(|(sum, more)| *sum += more);
    }
}

/// Joules of one sample by kind, of what a whole run took; programming stays what it was, paid once.
pub fn of_a_sample(program: &Program, run: &[(ComponentKind, f64)]) -> Vec<(ComponentKind, f64)> {
    let samples = program.samples() as f64;
    let share = |kind| if kind == ComponentKind::Programming { 1.0 } else { samples };
    run.iter().map(|(kind, joules)| (*kind, joules / share(*kind))).collect()
}

/// The sum over all kinds but programming.
pub fn total(list: &[(ComponentKind, f64)]) -> f64 {
    // Not `sum`: an empty sum of floats is -0.
    list.iter().filter(|(kind, _)| *kind != ComponentKind::Programming).fold(0.0, |all, (_, value)| all + value)
}

/// Joules by kind, in the order of kinds; kinds that cost nothing are left out.
pub fn energy(program: &Program, counts: &Counts) -> Vec<(ComponentKind, f64)> {
    let (samples, ticks) = (counts.samples as f64, counts.ticks as f64);
    let mut sums = BTreeMap::new();
    for cost in &program.costs.costs {
        let events = match cost.count {
            Count::PerSample(number) => number * samples,
            Count::PerTick(number) => number * ticks,
            Count::Once(number) => number,
            Count::Spikes(group, factor) => counts.spikes[group.index()] as f64 * factor,
            Count::SynapticEvents(connection, factor) => counts.synaptic_events[connection.index()] as f64 * factor,
            Count::ReadEnergy(matrix) => counts.read_energy[matrix.index()],
        };
        *sums.entry(cost.kind).or_insert(0.0) += events * cost.energy_j;
    }
    let busy =
        if program.dt > 0.0 { ticks * program.costs.tick_s } else { samples * program.costs.initiation_interval_s };
    *sums.entry(ComponentKind::Static).or_insert(0.0) += program.costs.static_power_w * busy;
    sums.into_iter().filter(|(_, joules)| *joules != 0.0).collect()
}
