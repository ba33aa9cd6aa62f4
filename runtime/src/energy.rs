//! Energy from events that happened.

use std::collections::BTreeMap;

use nmc_program::{ArrayId, ComponentKind, Cost, Count, Learning, Program};
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
    /// By connection: synapses at which spikes of targets or the clock ran a kernel.
    pub updates: Vec<u64>,
    /// By connection: synapses that were drawn anew.
    pub rewired: Vec<u64>,
    /// By matrix: joules dissipated by reads, and pulses in training.
    pub read_energy: Vec<f64>,
    pub pulses: Vec<u64>,
    /// Pulses in programming, joules of what it takes besides (of pulses in training, too, where voltage and width say them), and reads of single rows.
    pub written: Vec<u64>,
    pub write_energy: Vec<f64>,
    pub row_reads: Vec<u64>,
}

impl Counts {
    /// Nothing happened yet.
    pub fn new(program: &Program) -> Self {
        Counts {
            spikes: vec![0; program.groups.len()],
            synaptic_events: vec![0; program.connections.len()],
            updates: vec![0; program.connections.len()],
            rewired: vec![0; program.connections.len()],
            read_energy: vec![0.0; program.matrices.len()],
            pulses: vec![0; program.matrices.len()],
            written: vec![0; program.matrices.len()],
            write_energy: vec![0.0; program.matrices.len()],
            row_reads: vec![0; program.matrices.len()],
            ..Counts::default()
        }
    }

    /// Whether counts read from a file are those of this program, as `fresh` are.
    pub fn is_like(&self, fresh: &Counts) -> bool {
        let lens = |counts: &Counts| {
            let Counts {
                spikes,
                synaptic_events,
                updates,
                rewired,
                read_energy,
                pulses,
                written,
                write_energy,
                row_reads,
                ..
            } = counts;
            let of_matrices = [read_energy.len(), pulses.len(), written.len(), write_energy.len(), row_reads.len()];
            (spikes.len(), synaptic_events.len(), updates.len(), rewired.len(), of_matrices)
        };
        lens(self) == lens(fresh)
    }

    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Counts) {
        self.samples += other.samples;
        self.ticks += other.ticks;
        self.spikes.iter_mut().zip(&other.spikes).for_each(|(sum, more)| *sum += more);
        self.synaptic_events.iter_mut().zip(&other.synaptic_events).for_each(|(sum, more)| *sum += more);
        self.updates.iter_mut().zip(&other.updates).for_each(|(sum, more)| *sum += more);
        self.rewired.iter_mut().zip(&other.rewired).for_each(|(sum, more)| *sum += more);
        self.read_energy.iter_mut().zip(&other.read_energy).for_each(|(sum, more)| *sum += more);
        self.pulses.iter_mut().zip(&other.pulses).for_each(|(sum, more)| *sum += more);
        self.written.iter_mut().zip(&other.written).for_each(|(sum, more)| *sum += more);
        self.write_energy.iter_mut().zip(&other.write_energy).for_each(|(sum, more)| *sum += more);
        self.row_reads.iter_mut().zip(&other.row_reads).for_each(|(sum, more)| *sum += more);
    }

    /// How often it happened.
    fn of(&self, count: &Count) -> f64 {
        match *count {
            Count::PerSample(number) => number * self.samples as f64,
            Count::PerTick(number) => number * self.ticks as f64,
            Count::Once(number) => number,
            Count::Spikes(group, factor) => self.spikes[group.index()] as f64 * factor,
            Count::SynapticEvents(connection, factor) => self.synaptic_events[connection.index()] as f64 * factor,
            Count::Updates(connection) => self.updates[connection.index()] as f64,
            Count::ReadEnergy(matrix) => self.read_energy[matrix.index()],
            Count::Pulses(matrix) => self.pulses[matrix.index()] as f64,
            Count::Written(matrix) => self.written[matrix.index()] as f64,
            Count::WriteEnergy(matrix) => self.write_energy[matrix.index()],
            Count::RowReads(matrix) => self.row_reads[matrix.index()] as f64,
            // Known at the end alone.
            Count::Sum(_) => 0.0,
        }
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

/// Joules by kind, in the order of kinds; kinds that cost nothing are left out. `sum`: of an array.
pub fn energy(program: &Program, counts: &Counts, sum: impl Fn(ArrayId) -> f64) -> Vec<(ComponentKind, f64)> {
    let counted = |cost: &Cost| {
        let Count::Sum(array) = cost.count else { return cost.clone() };
        Cost { count: Count::Once(sum(array)), ..cost.clone() }
    };
    let known: Vec<Cost> = program.costs.costs.iter().map(counted).collect();
    sums(program, known.iter(), counts)
}

/// The same of a training phase: its presentations, and what training takes besides.
pub fn of_training(program: &Program, learning: &Learning, counts: &Counts) -> Vec<(ComponentKind, f64)> {
    let presented = program.costs.costs.iter().filter(|cost| {
        !matches!(cost.count, Count::Once(_) | Count::Written(_) | Count::WriteEnergy(_) | Count::Sum(_))
    });
    sums(program, presented.chain(&learning.costs), counts)
}

fn sums<'a>(program: &Program, costs: impl Iterator<Item = &'a Cost>, counts: &Counts) -> Vec<(ComponentKind, f64)> {
    let (samples, ticks) = (counts.samples as f64, counts.ticks as f64);
    let mut sums = BTreeMap::new();
    for cost in costs {
        *sums.entry(cost.kind).or_insert(0.0) += counts.of(&cost.count) * cost.energy_j;
    }
    let busy =
        if program.dt > 0.0 { ticks * program.costs.tick_s } else { samples * program.costs.initiation_interval_s };
    *sums.entry(ComponentKind::Static).or_insert(0.0) += program.costs.static_power_w * busy;
    sums.into_iter().filter(|(_, joules)| *joules != 0.0).collect()
}
