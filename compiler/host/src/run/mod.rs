//! Runs of programs: what can fail before long work starts, the run itself, what came of it.

pub mod checkpoint;
pub mod entry;
pub mod parts;
pub mod programming;
pub mod save;

use std::path::Path;
use std::time::{Duration, Instant};

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::{Diagnostic, Label};
use nmc_grammar::span::{FileId, Span};
use nmc_program::{Place, Precision, Program};
use nmc_runtime::maps::Map;
use nmc_runtime::{EngineKind, Results, RunError, RunOptions, Simulation, chips, memory, metrics};
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
/// `out`: where recordings go as they are made; where a chip runs alone they need no memory then, but room on the disk.
pub fn check(file: &Path, program: &Program, settings: &Settings, out: Option<&Path>) -> Result<(), Diagnostic> {
    let (chips, mut options) = (settings.chips(program), settings.options(None));
    if let Some(out) = out.filter(|_| chips::needed(program, chips) == 1) {
        let recorded = memory::of_recorded(program);
        options.memory = options.memory.saturating_add(recorded);
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
/// are run in the order in which those began. The recordings of a chip alone go to the recorder as they are made, those of several, and of runs that
/// can be resumed, stay in memory to the end.
pub fn simulate(
    file: &Path,
    program: &Program,
    settings: &Settings,
    checkpoints: Option<&mut Checkpoints>,
    recorder: Option<&mut Recorder>,
    progress: Option<&(dyn Fn(f64) + Sync)>,
) -> Result<Outcome, Diagnostic> {
    let begin = Instant::now();
    let alone = chips::needed(program, settings.chips(program)) == 1;
    let chips = match (checkpoints, recorder.filter(|_| alone)) {
        (Some(checkpoints), _) => checkpoints.results(file, program, settings, progress)?,
        (None, Some(recorder)) => vec![recorded(file, program, settings, recorder, progress)?],
        (None, None) => chips::run(program, &settings.options(progress), settings.chips(program))
            .map_err(|error| diagnostic(file, program, &error))?,
    };
    let known: Vec<_> = chips.iter().map(|chip| chip.known(program)).collect();
    let failures = metrics::failures(program, &known);
    Ok(Outcome { chips, failures, seconds: begin.elapsed().as_secs_f64() })
}

/// Runs one chip whose recordings go to disk as they are made.
fn recorded(
    file: &Path,
    program: &Program,
    settings: &Settings,
    recorder: &mut Recorder,
    progress: Option<&(dyn Fn(f64) + Sync)>,
) -> Result<Results, Diagnostic> {
    /// How often they go.
    const EVERY: Duration = Duration::from_millis(200);
    let told = |error: RunError| diagnostic(file, program, &error);
    let options = settings.options(progress);
    let options = RunOptions { memory: options.memory + memory::of_recorded(program), ..options };
    let options = chips::alone(program, &options, 0).map_err(told)?;
    let mut simulation = Simulation::new(program, &options).map_err(told)?;
    loop {
        let begin = Instant::now();
        if simulation.advance(&|| begin.elapsed() >= EVERY).map_err(told)? {
            return Ok(simulation.results());
        }
        recorder.take(&simulation.recorded())?;
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
