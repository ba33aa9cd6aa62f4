//! Checkpoints: where a run that was killed goes on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Program;
use nmc_runtime::checkpoint::Origin;
use nmc_runtime::simulation::damaged;
use nmc_runtime::{Checkpoint, Results, RunError, RunOptions, Simulation, chips};

use super::{Settings, coded, diagnostic};
use crate::disk;

/// Where checkpoints go to and come from.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Where the state is written.
    pub into: Option<PathBuf>,
    /// How often, but for the pace of the simulation.
    pub every: Duration,
    /// What is gone on from.
    pub resume: Option<PathBuf>,
}

/// How far the experiments have come, and where that is written.
pub struct Checkpoints {
    files: Files,
    origin: Origin,
    reached: Checkpoint,
    /// Of the results that are done, how many were asked for.
    told: usize,
}

impl Checkpoints {
    /// From the start, or from a file; none where no file is read or written.
    pub fn begin(programs: &[Program], settings: &Settings, files: Files) -> Result<Option<Self>, Diagnostic> {
        if files.into.is_none() && files.resume.is_none() {
            return Ok(None);
        }
        let chips = programs.iter().map(|program| settings.chips(program)).collect();
        let origin = Origin::new(programs, &settings.options(None), chips);
        let reached = match &files.resume {
            Some(file) => read(file, &origin)?,
            None => Checkpoint::default(),
        };
        Ok(Some(Checkpoints { files, origin, reached, told: 0 }))
    }

    /// The results of the next experiment, known already or simulated now, one chip after the other.
    pub fn results(
        &mut self,
        file: &Path,
        program: &Program,
        settings: &Settings,
        progress: Option<&(dyn Fn(f64) + Sync)>,
    ) -> Result<Vec<Results>, Diagnostic> {
        let told = |error: RunError| diagnostic(file, program, &error);
        let count = chips::needed(program, settings.chips(program));
        let mut results: Vec<Results> = Vec::with_capacity(count);
        for chip in 0..count {
            let moved = |share: f64| {
                if let Some(progress) = progress {
                    progress((chip as f64 + share) / count as f64);
                }
            };
            let progress = progress.is_some().then_some(&moved as &(dyn Fn(f64) + Sync));
            let one = self.one(program, &settings.options(progress), chip, &told)?;
            if results.first().is_some_and(|first| !first.is_like(&one)) {
                return Err(told(damaged("its chips are not those of one program")));
            }
            results.push(one);
        }
        Ok(results)
    }

    /// The results of the next chip.
    fn one(
        &mut self,
        program: &Program,
        options: &RunOptions,
        chip: usize,
        told: &dyn Fn(RunError) -> Diagnostic,
    ) -> Result<Results, Diagnostic> {
        self.told += 1;
        if let Some(known) = self.reached.done.get(self.told - 1) {
            return Ok(known.clone());
        }
        let options = chips::alone(program, options, chip).map_err(told)?;
        let mut simulation = Simulation::new(program, &options).map_err(told)?;
        if let Some(state) = self.reached.state.take() {
            simulation.restore(&state).map_err(told)?;
        }
        loop {
            self.write(&simulation)?;
            let begin = Instant::now();
            let due = || self.files.into.is_some() && begin.elapsed() >= self.files.every;
            if simulation.advance(&due).map_err(told)? {
                break;
            }
        }
        let mut results = simulation.results();
        if chip > 0 {
            results.recordings = Vec::new();
        }
        self.reached.done.push(results.clone());
        Ok(results)
    }

    /// Replaces the file by one of the present state: there is a whole one at any moment.
    fn write(&mut self, simulation: &Simulation) -> Result<(), Diagnostic> {
        let Some(file) = &self.files.into else { return Ok(()) };
        self.reached.state = Some(simulation.save());
        let written = disk::write(file, &self.reached.encode(&self.origin));
        self.reached.state = None;
        written
    }
}

fn read(file: &Path, origin: &Origin) -> Result<Checkpoint, Diagnostic> {
    let bytes = disk::bytes(file)?;
    Checkpoint::decode(&bytes, origin).map_err(|error| coded(&error, format!("{}: {}", file.display(), error.message)))
}
