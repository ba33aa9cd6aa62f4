//! `nmc run`: runs a program's experiments and shows what came of them.

mod progress;
pub mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::diagnostics;
use nmc_host::disk::NewFolder;
use nmc_host::load::{Failure, Loaded, load};
use nmc_host::run::checkpoint::{self, Checkpoints};
use nmc_host::run::save::Recorder;
use nmc_host::run::{self as host, Outcome, entry};
use nmc_program::Program;
use nmc_runtime::EngineKind;
use serde_json::Value;

use crate::settings::Settings;
use crate::{Exit, render, terminal};

/// What `nmc run` takes.
#[derive(Args)]
pub struct Run {
    /// The program, or an image made by `nmc build`
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    how: How,
    /// Writes recordings (npz) and run.json into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Prints one JSON object on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    saving: Saving,
}

/// Checkpoints, of a run or a sweep.
#[derive(Args)]
pub struct Saving {
    /// Writes the state into FILE now and then, to go on from with --resume when the run was stopped
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Seconds between two checkpoints
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, requires = "checkpoint")]
    checkpoint_every: Duration,
    /// Goes on from a checkpoint of the same program, data, seed and engine: the results are those of a run never stopped
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
}

/// What every command that runs takes.
#[derive(Args)]
pub struct How {
    /// Seed of every random number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What runs the kernels
    #[arg(long, value_enum, default_value = "jit")]
    engine: Engine,
    /// Threads, all cores unless said otherwise; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Draws so many chips, as `chips:` in `deploy` does: mean and spread of what comes of them
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    chips: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    /// Machine code
    Jit,
    /// Element by element: slow, the meaning of a program
    Interpreter,
}

impl Engine {
    fn kind(self) -> EngineKind {
        match self {
            Engine::Jit => EngineKind::Jit,
            Engine::Interpreter => EngineKind::Interpreter,
        }
    }
}

/// Compiles and runs.
pub fn run(run: &Run) -> Exit {
    let (exit, entries, told) = match begin(run).and_then(|(loaded, folder)| finish(run, &loaded, folder)) {
        Ok(done) => done,
        Err(failure) => {
            let told = diagnostics::json(&run.file, &failure.model, &failure.diagnostics);
            (render::failure(&run.file, &failure), Vec::new(), told)
        }
    };
    if run.json {
        return exit.max(terminal::print(&format!("{}\n", host::whole(&run.file, &entries, &told))));
    }
    exit
}

impl How {
    /// For the host.
    pub fn settings(&self) -> host::Settings {
        host::Settings {
            seed: self.seed,
            chips: self.chips.map(|chips| chips as usize),
            engine: self.engine.kind(),
            threads: self.threads.map_or_else(host::all_cores, usize::from),
        }
    }
}

impl Saving {
    /// Whether it goes on from a checkpoint.
    pub fn is_resumed(&self) -> bool {
        self.resume.is_some()
    }

    /// For the host.
    pub fn files(&self) -> checkpoint::Files {
        checkpoint::Files { into: self.checkpoint.clone(), every: self.checkpoint_every, resume: self.resume.clone() }
    }
}

/// Seconds, 0 and above.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) | Err(_) => Err(String::from("a number of seconds is needed, 0 or more")),
    }
}

/// Everything that can fail before long work starts.
fn begin(run: &Run) -> Result<(Loaded, Option<NewFolder>), Failure> {
    let loaded = load(&run.file, &run.settings.settings())?;
    render::diagnostics(&run.file, &loaded.model, &loaded.diagnostics);
    for program in &loaded.image.programs {
        host::check(&run.file, program, &run.how.settings(), run.out.as_deref())?;
    }
    let folder = run.out.as_deref().map(NewFolder::begin).transpose()?;
    Ok((loaded, folder))
}

/// Runs every experiment, shows the results and writes them.
fn finish(
    run: &Run,
    loaded: &Loaded,
    mut folder: Option<NewFolder>,
) -> Result<(Exit, Vec<Value>, Vec<Value>), Failure> {
    let (mut exit, mut entries, mut columns) = (Exit::Clean, Vec::new(), Vec::new());
    let programs = &loaded.image.programs;
    let mut checkpoints = Checkpoints::begin(programs, &run.how.settings(), run.saving.files(), folder.is_some())?;
    for program in programs {
        let begun = checkpoints.as_ref().map(Checkpoints::begun).unwrap_or_default();
        let recorder = folder.as_mut().map(|folder| Recorder::begin(folder, program, begun));
        let mut recorder = recorder.transpose()?;
        let outcome = simulate(&run.file, program, &run.how, checkpoints.as_mut(), recorder.as_mut(), &program.name);
        let outcome = outcome.map_err(|wrong| Failure { model: loaded.model.clone(), diagnostics: vec![wrong] })?;
        let outputs = recorder.map_or(Ok(Vec::new()), |recorder| recorder.finish(outcome.first()))?;
        for failure in &outcome.failures {
            eprintln!("{}: {failure}", program.name);
            exit = Exit::Diagnostics;
        }
        entries.push(entry::entry(&run.how.settings(), program, &outcome, loaded.seconds, &outputs));
        columns.push(table::column(program, &outcome));
    }
    if !run.json {
        exit = exit.max(terminal::print(&table::table(&columns)));
    }
    let told = diagnostics::json(&run.file, &loaded.model, &loaded.diagnostics);
    if let Some(mut folder) = folder {
        let text = format!("{:#}\n", host::whole(&run.file, &entries, &told));
        folder.add("run.json", text.as_bytes())?;
        folder.finish()?;
    }
    if let Some(checkpoints) = checkpoints {
        checkpoints.finish()?;
    }
    Ok((exit, entries, told))
}

/// Runs one experiment, with a bar of this name on a terminal.
pub fn simulate(
    file: &Path,
    program: &Program,
    how: &How,
    checkpoints: Option<&mut Checkpoints>,
    recorder: Option<&mut Recorder>,
    name: &str,
) -> Result<Outcome, Diagnostic> {
    let bar = progress::bar(name);
    let moved = |share: f64| progress::moved(bar.as_ref(), share);
    let progress = bar.is_some().then_some(&moved as &(dyn Fn(f64) + Sync));
    let outcome = host::simulate(file, program, &how.settings(), checkpoints, recorder, progress);
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    outcome
}
