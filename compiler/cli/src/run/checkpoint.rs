//! Checkpoints: where a run that was killed goes on.

use std::path::Path;
use std::time::{Duration, Instant};

use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Program;
use nmc_runtime::checkpoint::Origin;
use nmc_runtime::{Checkpoint, Results, RunError, RunOptions, Simulation};

use super::{Run, coded, diagnostic};
use crate::disk;

/// How far the experiments have come, and where that is written.
pub struct Checkpoints<'r> {
    run: &'r Run,
    /// None where checkpoints are neither written nor read.
    origin: Option<Origin>,
    reached: Checkpoint,
}

impl<'r> Checkpoints<'r> {
    /// From the start, or from where `--resume` says.
    pub fn begin(run: &'r Run, programs: &[Program], options: &RunOptions) -> Result<Self, Diagnostic> {
        let wanted = run.checkpoint.is_some() || run.resume.is_some();
        let origin = wanted.then(|| Origin::new(programs, options));
        let reached = match (&run.resume, &origin) {
            (Some(file), Some(origin)) => read(file, origin)?,
            (Some(_) | None, _) => Checkpoint::default(),
        };
        Ok(Checkpoints { run, origin, reached })
    }

    /// The results of the experiment of that number, known already or simulated now.
    pub fn results(&mut self, number: usize, program: &Program, options: &RunOptions) -> Result<Results, Diagnostic> {
        if let Some(known) = self.reached.done.get(number) {
            return Ok(known.clone());
        }
        let told = |error: RunError| diagnostic(self.run, program, &error);
        let mut simulation = Simulation::new(program, options).map_err(told)?;
        if let Some(state) = self.reached.state.take() {
            simulation.restore(&state).map_err(told)?;
        }
        let every = Duration::from_secs_f64(self.run.checkpoint_every);
        loop {
            self.write(&simulation)?;
            let begin = Instant::now();
            let due = || self.run.checkpoint.is_some() && begin.elapsed() >= every;
            if simulation.advance(&due).map_err(told)? {
                break;
            }
        }
        let results = simulation.results();
        if self.origin.is_some() {
            self.reached.done.push(results.clone());
        }
        Ok(results)
    }

    /// Replaces the file by one of the present state: there is a whole one at any moment.
    fn write(&mut self, simulation: &Simulation) -> Result<(), Diagnostic> {
        let (Some(file), Some(origin)) = (&self.run.checkpoint, &self.origin) else { return Ok(()) };
        self.reached.state = Some(simulation.save());
        let written = disk::write(file, &self.reached.encode(origin));
        self.reached.state = None;
        written
    }
}

fn read(file: &Path, origin: &Origin) -> Result<Checkpoint, Diagnostic> {
    let bytes = disk::bytes(file)?;
    Checkpoint::decode(&bytes, origin).map_err(|error| coded(&error, format!("{}: {}", file.display(), error.message)))
}

/// Seconds, 0 and above.
pub fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(seconds),
        Ok(_) | Err(_) => Err(String::from("a number of seconds is needed, 0 or more")),
    }
}
