//! Runs of programs: what can fail before long work starts, the run itself, what came of it.

pub mod checkpoint;
pub mod entry;
pub mod parts;
pub mod programming;
pub mod save;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::{Diagnostic, Label};
use nmc_grammar::span::{FileId, Span};
use nmc_program::{Place, Precision, Program};
use nmc_runtime::chips::{Chips, Each, Moved, Reached};
use nmc_runtime::maps::Map;
use nmc_runtime::simulation::{Compiled, damaged};
use nmc_runtime::{EngineKind, Recording, Results, RunError, RunOptions, Simulation, chips, memory, metrics};
use serde_json::{Value, json};

use self::checkpoint::Checkpoints;
use self::save::Recorder;
use crate::disk;

/// How programs are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seed of every random number.
    pub seed: u64,
    pub engine: EngineKind,
    /// Threads; results do not depend on it.
    pub threads: usize,
    /// How many chips are drawn, if not as many as the program says.
    pub chips: Option<usize>,
}

impl Settings {
    fn options<'p>(&self, progress: Option<&'p (dyn Fn(f64) + Sync)>) -> RunOptions<'p> {
        let memory = disk::memory();
        RunOptions { seed: self.seed, engine: self.engine, threads: self.threads, memory, progress }
    }

    fn chips(&self, program: &Program) -> usize {
        self.chips.unwrap_or(program.chips)
    }
}

/// What came of an experiment.
pub struct Outcome {
    /// One chip or several; there is at least one.
    pub chips: Vec<Results>,
    /// Requirements that do not hold, in words.
    pub failures: Vec<String>,
    /// Seconds that all chips took together.
    pub seconds: f64,
}

impl Outcome {
    /// The chip whose recordings are kept: it has the seed that was given.
    pub fn first(&self) -> &Results {
        &self.chips[0]
    }

    /// A number of every chip.
    pub fn each<'o>(&'o self, number: impl Fn(&Results) -> f64 + 'o) -> impl Iterator<Item = f64> + 'o {
        self.chips.iter().map(number)
    }
}

/// Mean and standard deviation (of the distribution that these are drawn from: n - 1), which is 0 for one number.
pub fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let count = values.len() as f64;
    // Equal numbers have that mean, whatever rounding says.
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return (values.first().copied().unwrap_or(f64::NAN), 0.0);
    }
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt())
}

/// As many threads as there are cores for us.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Everything that can fail before long work starts; `file` is named in messages.
/// `out`: where recordings go as they are made; they need no memory, but room on the disk.
pub fn check(file: &Path, program: &Program, settings: &Settings, out: Option<&Path>) -> Result<(), Diagnostic> {
    let (chips, options) = (settings.chips(program), settings.options(None));
    if let Some(out) = out {
        let recorded = memory::of_recorded(program);
        // Known as numbers of eight bytes each.
        let bytes = if program.precision == Precision::F32 { recorded / 2 } else { recorded };
        // What grows is copied once it is whole.
        let needed = bytes.saturating_mul(2);
        if let Some(room) = disk::room(out).filter(|room| *room < needed) {
            let (needed, room) = (needed as f64 / 1e9, room as f64 / 1e9);
            let message = format!("its recordings would take {needed:.0} GB of the disk, {room:.0} GB are free");
            let help = String::from("record fewer elements or less often (`every 1 ms`), or choose another folder");
            return Err(diagnostic(file, program, &RunError { code: "E0707", message, help: Some(help), place: None }));
        }
    }
    let checked = chips::check(program, &options, chips);
    checked.map_err(|error| diagnostic(file, program, &error))
}

/// Runs one experiment on as many chips as are asked for; `progress` is told the share done. With checkpoints, experiments
/// are run in the order in which those began. What the first chip records goes to the recorder as it is made, or nowhere.
pub fn simulate(
    file: &Path,
    program: &Program,
    settings: &Settings,
    mut checkpoints: Option<&mut Checkpoints>,
    recorder: Option<&mut Recorder>,
    progress: Option<&(dyn Fn(f64) + Sync)>,
) -> Result<Outcome, Diagnostic> {
    let begin = Instant::now();
    let count = chips::needed(program, settings.chips(program));
    let known = checkpoints.as_mut().and_then(|checkpoints| checkpoints.next(program, count));
    let results = match known {
        Some(results) => results,
        None => {
            let reached = checkpoints.as_mut().map_or_else(Vec::new, |checkpoints| checkpoints.under_way());
            let shares = Mutex::new(vec![0.0; count]);
            let moved = progress.map(|progress| chips::moved(progress, &shares));
            let run = Run { file, program, settings, moved: moved.as_deref() };
            run.on_chips(count, reached, checkpoints, recorder)?
        }
    };
    if results.windows(2).any(|pair| !pair[0].is_like(&pair[1])) {
        return Err(diagnostic(file, program, &damaged("its chips are not those of one program")));
    }
    let known: Vec<_> = results.iter().map(|chip| chip.known(program)).collect();
    let failures = metrics::failures(program, &known);
    Ok(Outcome { chips: results, failures, seconds: begin.elapsed().as_secs_f64() })
}

/// A run that is to be done.
struct Run<'r> {
    file: &'r Path,
    program: &'r Program,
    settings: &'r Settings,
    moved: Option<&'r [Moved<'r>]>,
}

impl Run<'_> {
    /// From what chips have reached to their ends.
    fn on_chips(
        &self,
        count: usize,
        reached: Vec<Reached>,
        mut checkpoints: Option<&mut Checkpoints>,
        recorder: Option<&mut Recorder>,
    ) -> Result<Vec<Results>, Diagnostic> {
        let (program, plain) = (self.program, self.settings.options(None));
        let told = |error: RunError| diagnostic(self.file, program, &error);
        let each = Each::new(program, &plain, count, true).map_err(told)?;
        let options = each.options(&plain, self.moved);
        let compiled = Compiled::new(program, plain.engine).map_err(told)?;
        let mut runs = Chips::new(&compiled, &options, each.side_by_side, reached);
        runs.left = recorder.is_some();
        // The recorder, and why it could not go on.
        let recorder = Mutex::new((recorder, None));
        let record = |recorded: Vec<Recording>| {
            let mut held = recorder.lock().unwrap_or_else(PoisonError::into_inner);
            let (recorder, problem) = &mut *held;
            if let Some(recorder) = recorder.as_mut().filter(|_| problem.is_none()) {
                *problem = recorder.take(&recorded).err();
            }
        };
        let stands = || recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = || stands().0.as_ref().map(|recorder| recorder.numbers()).unwrap_or_default();
        loop {
            if let Some(checkpoints) = checkpoints.as_mut().filter(|checkpoints| checkpoints.is_due()) {
                checkpoints.write(runs.reached(), numbers())?;
            }
            let saved = checkpoints.as_deref();
            let due = || saved.is_some_and(Checkpoints::is_due) || stands().1.is_some();
            let done = runs.advance(&due, Some(&record)).map_err(told)?;
            if let Some(problem) = stands().1.take() {
                return Err(problem);
            }
            if done {
                break;
            }
        }
        let results = runs.results();
        if let Some(checkpoints) = checkpoints {
            checkpoints.done(&results, numbers());
        }
        Ok(results)
    }
}

/// Where current goes in the arrays of a program whose wires resist, after its run.
pub fn maps(file: &Path, program: &Program) -> Result<Vec<Map>, Diagnostic> {
    if program.wired.is_empty() {
        return Ok(Vec::new());
    }
    let settings = Settings { seed: 1, engine: EngineKind::Jit, threads: all_cores(), chips: None };
    let run = || -> Result<Vec<Map>, RunError> {
        let options = settings.options(None);
        let mut simulation = Simulation::new(program, &options)?;
        while !simulation.advance(&|| false)? {}
        Ok(simulation.maps())
    };
    run().map_err(|error| diagnostic(file, program, &error))
}

/// An error of a run in the form of all others.
fn diagnostic(file: &Path, program: &Program, error: &RunError) -> Diagnostic {
    let message = format!("experiment `{}`: {}", program.name, error.message);
    let Some(Place { file: of, start, end }) = error.place else {
        return coded(error, format!("{}: {message}", file.display()));
    };
    let span = Span::new(FileId(of), start as usize, end as usize);
    Diagnostic { primary: Some(Label { span, text: String::from("found when it was drawn") }), ..coded(error, message) }
}

fn coded(error: &RunError, message: String) -> Diagnostic {
    let code = Code::ALL.iter().copied().find(|code| code.number() == error.code).unwrap_or(Code::E0999);
    Diagnostic { help: error.help.clone(), ..Diagnostic::placeless(code, message) }
}

/// The one object of `--json` and `run.json`.
pub fn whole(file: &Path, entries: &[Value], diagnostics: &[Value]) -> Value {
    json!({
        "nmc": env!("CARGO_PKG_VERSION"),
        "program": file.display().to_string(),
        "experiments": entries,
        "diagnostics": diagnostics,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation() {
        assert_eq!(spread([0.1; 3].into_iter()), (0.1, 0.0));
        assert_eq!(spread([1.0, 3.0].into_iter()), (2.0, 2.0_f64.sqrt()));
    }
}
