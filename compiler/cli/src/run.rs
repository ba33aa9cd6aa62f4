//! `nmc run`: runs a program's experiments and shows what came of them.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use nmc_compiler::Options;
use nmc_program::{Precision, Program};
use nmc_runtime::{EngineKind, Results, RunOptions};
use serde_json::{Map, Value, json};

use crate::Exit;
use crate::check::compiled;

/// What `nmc run` takes.
#[derive(Args)]
pub struct Run {
    /// The program
    file: PathBuf,
    /// Only this experiment
    #[arg(long)]
    experiment: Option<String>,
    /// Seed of every random number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What runs the kernels
    #[arg(long, value_enum, default_value = "jit")]
    engine: Engine,
    /// Threads; results do not depend on it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Width of numbers
    #[arg(long, value_enum, default_value = "f32")]
    precision: Width,
    /// Prints one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    Jit,
    Interpreter,
}

#[derive(Clone, Copy, ValueEnum)]
enum Width {
    F32,
    F64,
}

/// Compiles and runs.
pub fn run(run: &Run) -> Exit {
    let begin = Instant::now();
    let precision = match run.precision {
        Width::F32 => Precision::F32,
        Width::F64 => Precision::F64,
    };
    let experiment = run.experiment.clone();
    let options = Options { precision, experiment, verify: cfg!(debug_assertions), ..Options::default() };
    let compilation = match compiled(&run.file, &options) {
        Ok(compilation) => compilation,
        Err(exit) => return exit,
    };
    let compile_seconds = begin.elapsed().as_secs_f64();
    let programs = compilation.image.map(|image| image.programs).unwrap_or_default();
    let mut exit = Exit::Clean;
    let mut entries = Vec::new();
    for program in &programs {
        let engine = match run.engine {
            Engine::Jit => EngineKind::Jit,
            Engine::Interpreter => EngineKind::Interpreter,
        };
        let options = RunOptions { seed: run.seed, engine, threads: usize::from(run.threads), progress: None };
        match nmc_runtime::run(program, &options) {
            Ok(results) => {
                if run.json {
                    entries.push(entry(run, program, &results, compile_seconds));
                } else {
                    show(program, &results);
                }
                for failure in &results.failures {
                    eprintln!("{}: {failure}", program.name);
                    exit = Exit::Diagnostics;
                }
            }
            Err(error) => {
                eprintln!("error[{}]: {}: {}", error.code, program.name, error.message);
                if let Some(help) = error.help {
                    eprintln!("  help: {help}");
                }
                exit = Exit::Diagnostics;
            }
        }
    }
    if run.json {
        println!(
            "{}",
            json!({
                "nmc": env!("CARGO_PKG_VERSION"), "program": run.file.display().to_string(), "experiments": entries,
            })
        );
    }
    exit
}

/// One experiment for people.
fn show(program: &Program, results: &Results) {
    println!("{}", program.name);
    for (name, value) in &results.metrics {
        println!("  {name:<28} {}", rounded(*value));
    }
    for (kind, joules) in &results.energy_j {
        println!("  {:<28} {joules:.3e} J", format!("energy, {kind:?}").to_lowercase());
    }
    println!("  {:<28} {:.1} ms", "run", results.run_seconds * 1e3);
    for fallback in &results.fallbacks {
        println!("  interpreted: {fallback}");
    }
}

fn rounded(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value}") } else { format!("{value:.4}") }
}

/// One experiment for programs: the keys are a contract.
fn entry(run: &Run, program: &Program, results: &Results, compile_seconds: f64) -> Value {
    let number = |value: f64| if value.is_finite() { json!(value) } else { Value::Null };
    let metrics: Map<String, Value> =
        results.metrics.iter().map(|(name, value)| (name.clone(), number(*value))).collect();
    let total: f64 = results.energy_j.iter().map(|(_, joules)| joules).sum();
    let mut energy: Map<String, Value> =
        results.energy_j.iter().map(|(kind, joules)| (format!("{kind:?}").to_lowercase(), number(*joules))).collect();
    energy.insert(String::from("total"), number(total));
    let counts =
        |list: &[(String, f64)]| list.iter().map(|(name, count)| (name.clone(), number(*count))).collect::<Map<_, _>>();
    let conversions = &program.costs.conversions;
    json!({
        "experiment": program.name,
        "seed": run.seed,
        "engine": match run.engine { Engine::Jit => "jit", Engine::Interpreter => "interpreter" },
        "threads": run.threads,
        "precision": match run.precision { Width::F32 => "f32", Width::F64 => "f64" },
        "fallbacks": results.fallbacks.len(),
        "samples": results.samples,
        "metrics": metrics,
        "energy_j": energy,
        "latency_s": number(results.latency_s),
        "conversions": {
            "inserted": counts(&conversions.inserted),
            "elided": counts(&conversions.elided),
            "baseline": counts(&conversions.baseline),
        },
        "seconds": {
            "compile": compile_seconds, "jit": results.jit_seconds, "load": results.load_seconds, "run": results.run_seconds,
        },
        "outputs": [],
    })
}
