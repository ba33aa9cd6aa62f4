//! The energy of a report: what a run of the program counts, so that the two cannot differ. Of long simulations the beginning is run.

use nmc_program::{Op, Program};
use nmc_runtime::{EngineKind, RunOptions, energy};

use crate::disk;

/// Element updates that a report may take.
const MOST: f64 = 2e10;

/// Fills in the energy and power of a program's report.
pub fn measure(program: &mut Program, threads: usize) {
    if program.costs.costs.is_empty() && program.costs.static_power_w == 0.0 {
        return;
    }
    let (part, share) = beginning(program);
    let memory = disk::memory();
    // The chip that `nmc run` draws where nothing else is said.
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads, memory, progress: None };
    let note = match nmc_runtime::run(&part, &options) {
        Ok(results) => {
            let joules = energy::of_a_sample(&part, &results.energy_j);
            let interval = match program.dt > 0.0 {
                true => {
                    part.phases.iter().map(|phase| f64::from(phase.ticks)).fold(0.0, f64::max) * program.costs.tick_s
                }
                false => program.costs.initiation_interval_s,
            };
            let once = |kind: &nmc_program::ComponentKind| *kind == nmc_program::ComponentKind::Programming;
            let watts = joules.iter().filter(|(kind, _)| interval > 0.0 && !once(kind));
            let layout = &mut program.costs.layout;
            layout.power_w = watts.map(|(kind, joules)| (*kind, joules / interval)).collect();
            layout.energy_j = joules;
            (share < 1.0).then(|| format!("energy is that of the first {:.2} % of the experiment", 100.0 * share))
        }
        Err(error) => {
            Some(format!("energy is not told: a run of the program ends with {}: {}", error.code, error.message))
        }
    };
    program.costs.layout.notes.extend(note);
}

/// A program as far as it can be run for a report, without recordings, and what share of its samples and ticks that is.
fn beginning(program: &Program) -> (Program, f64) {
    let mut part = program.clone();
    part.probes.clear();
    part.requirements.clear();
    let elements: f64 = program.kernels.len() as f64 + weight(program);
    let work: f64 =
        (program.phases.iter()).map(|phase| phase.presentations() as f64 * f64::from(phase.ticks.max(1))).sum::<f64>()
            * elements;
    if work <= MOST {
        return (part, 1.0);
    }
    let share = MOST / work;
    for phase in &mut part.phases {
        let fewer = ((phase.samples as f64 * share).ceil() as usize).max(1);
        if phase.samples > 1 {
            phase.samples = fewer;
        } else {
            phase.ticks = ((f64::from(phase.ticks) * share).ceil() as u32).max(1);
        }
        phase.metrics.clear();
        if let Some(learning) = &mut phase.learning {
            learning.epochs = learning.epochs.min(1);
        }
    }
    let fits = program.phases.iter().any(|phase| !phase.fits.is_empty());
    if fits { (Program { probes: Vec::new(), ..program.clone() }, 1.0) } else { (part, share) }
}

/// Elements that a tick or sample works through: products and kernels.
fn weight(program: &Program) -> f64 {
    let products: f64 = program.matrices.iter().map(|matrix| (matrix.rows * matrix.cols) as f64).sum();
    let ops = program.begin.iter().chain(&program.tick).chain(&program.end);
    let elements = |op: &Op| if let Op::Kernel { len, .. } | Op::Substeps { len, .. } = op { *len as f64 } else { 0.0 };
    products + ops.map(elements).sum::<f64>()
}
