//! Runs of programs: what can fail before long work starts, the run itself, what came of it.

pub mod entry;
pub mod save;

use std::path::Path;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Program;
use nmc_runtime::{EngineKind, Results, RunError, RunOptions};
use serde_json::{Value, json};

use crate::disk;

/// How programs are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seed of every random number.
    pub seed: u64,
    pub engine: EngineKind,
    /// Threads; results do not depend on it.
    pub threads: usize,
}

impl Settings {
    fn options<'p>(&self, progress: Option<&'p (dyn Fn(f64) + Sync)>) -> RunOptions<'p> {
        let memory = disk::memory();
        RunOptions { seed: self.seed, engine: self.engine, threads: self.threads, memory, progress }
    }
}

/// As many threads as there are cores for us.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Everything that can fail before long work starts; `file` is named in messages.
pub fn check(file: &Path, program: &Program, settings: &Settings) -> Result<(), Diagnostic> {
    nmc_runtime::check(program, &settings.options(None)).map_err(|error| diagnostic(file, program, &error))
}

/// Runs one experiment; `progress` is told the share done.
pub fn simulate(
    file: &Path,
    program: &Program,
    settings: &Settings,
    progress: Option<&(dyn Fn(f64) + Sync)>,
) -> Result<Results, Diagnostic> {
    nmc_runtime::run(program, &settings.options(progress)).map_err(|error| diagnostic(file, program, &error))
}

/// An error of a run in the form of all others.
fn diagnostic(file: &Path, program: &Program, error: &RunError) -> Diagnostic {
    let code = Code::ALL.iter().copied().find(|code| code.number() == error.code).unwrap_or(Code::E0999);
    let message = format!("{}: experiment `{}`: {}", file.display(), program.name, error.message);
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
