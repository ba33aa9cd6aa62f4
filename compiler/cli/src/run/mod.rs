//! `nmc run`: runs a program's experiments and shows what came of them.

mod checkpoint;
mod entry;
mod progress;
mod save;
mod table;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Program;
use nmc_runtime::{EngineKind, Results, RunError, RunOptions};
use serde_json::{Value, json};

use self::checkpoint::Checkpoints;
use crate::disk::NewFolder;
use crate::load::{Failure, Loaded, Settings, load};
use crate::{Exit, disk, terminal};

/// What `nmc run` takes.
#[derive(Args)]
pub struct Run {
    /// The program, or an image made by `nmc build`
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Seed of every random number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What runs the kernels
    #[arg(long, value_enum, default_value = "jit")]
    engine: Engine,
    /// Threads; results do not depend on it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Writes recordings (npz) and run.json into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Prints one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Writes the state into FILE now and then, to go on from with --resume when the run was stopped
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Seconds between two checkpoints
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = checkpoint::seconds, requires = "checkpoint")]
    checkpoint_every: f64,
    /// Goes on from a checkpoint of the same program, data, seed and engine: the results are those of a run never stopped
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
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
    let (exit, entries, diagnostics) = match begin(run).and_then(|(loaded, folder)| finish(run, &loaded, folder)) {
        Ok(done) => done,
        Err(failure) => (failure.exit, Vec::new(), failure.diagnostics),
    };
    if run.json {
        return exit.max(terminal::print(&format!("{}\n", whole(run, &entries, &diagnostics))));
    }
    exit
}

/// Everything that can fail before long work starts.
fn begin(run: &Run) -> Result<(Loaded, Option<NewFolder>), Failure> {
    let loaded = load(&run.file, &run.settings)?;
    for program in &loaded.image.programs {
        let checked = nmc_runtime::check(program, &options(run));
        checked.map_err(|error| Failure::placeless(&diagnostic(run, program, &error)))?;
    }
    let folder = run.out.as_deref().map(NewFolder::begin).transpose();
    Ok((loaded, folder.map_err(|problem| Failure::placeless(&problem))?))
}

/// Runs every experiment, shows the results and writes them.
fn finish(
    run: &Run,
    loaded: &Loaded,
    mut folder: Option<NewFolder>,
) -> Result<(Exit, Vec<Value>, Vec<Value>), Failure> {
    let (mut exit, mut entries, mut columns) = (Exit::Clean, Vec::new(), Vec::new());
    let programs = &loaded.image.programs;
    let told = |problem: Diagnostic| Failure::placeless(&problem);
    let mut checkpoints = Checkpoints::begin(run, programs, &options(run)).map_err(told)?;
    for (number, program) in programs.iter().enumerate() {
        let results = simulate(run, &mut checkpoints, number, program).map_err(told)?;
        let mut outputs = Vec::new();
        if let Some(folder) = &mut folder {
            outputs = save::save(folder, program, &results).map_err(|problem| Failure::placeless(&problem))?;
        }
        for failure in &results.failures {
            eprintln!("{}: {failure}", program.name);
            exit = Exit::Diagnostics;
        }
        entries.push(entry::entry(run, program, &results, loaded.seconds, &outputs));
        columns.push(table::column(program, &results));
    }
    if !run.json {
        exit = exit.max(terminal::print(&table::table(&columns)));
    }
    if let Some(mut folder) = folder {
        let text = format!("{:#}\n", whole(run, &entries, &loaded.diagnostics));
        let done = folder.add("run.json", text.as_bytes()).and_then(|()| folder.finish());
        done.map_err(|problem| Failure::placeless(&problem))?;
    }
    Ok((exit, entries, loaded.diagnostics.clone()))
}

fn options<'p>(run: &Run) -> RunOptions<'p> {
    let (engine, threads) = (run.engine.kind(), usize::from(run.threads));
    RunOptions { seed: run.seed, engine, threads, memory: disk::memory(), progress: None }
}

/// Runs one experiment, with a bar on a terminal.
fn simulate(run: &Run, from: &mut Checkpoints, number: usize, program: &Program) -> Result<Results, Diagnostic> {
    let bar = progress::bar(&program.name);
    let moved = |share: f64| progress::moved(bar.as_ref(), share);
    let progress = bar.is_some().then_some(&moved as &(dyn Fn(f64) + Sync));
    let results = from.results(number, program, &RunOptions { progress, ..options(run) });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    results
}

/// An error of a run in the form of all others.
fn diagnostic(run: &Run, program: &Program, error: &RunError) -> Diagnostic {
    coded(error, format!("{}: experiment `{}`: {}", run.file.display(), program.name, error.message))
}

fn coded(error: &RunError, message: String) -> Diagnostic {
    let code = Code::ALL.iter().copied().find(|code| code.number() == error.code).unwrap_or(Code::E0999);
    Diagnostic { help: error.help.clone(), ..Diagnostic::placeless(code, message) }
}

/// The one object of `--json` and `run.json`.
fn whole(run: &Run, entries: &[Value], diagnostics: &[Value]) -> Value {
    json!({
        "nmc": env!("CARGO_PKG_VERSION"),
        "program": run.file.display().to_string(),
        "experiments": entries,
        "diagnostics": diagnostics,
    })
}
