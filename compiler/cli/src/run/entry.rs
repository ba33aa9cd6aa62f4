//! One experiment for programs: the keys are a contract, described in `docs/json/run.schema.json`.

use nmc_program::{Precision, Program};
use nmc_runtime::{EngineKind, Results};
use serde_json::{Map, Value, json};

use super::Run;
use super::save::Output;
use crate::report::json::{by_kind, conversions, number};

/// An entry of `experiments`.
pub fn entry(run: &Run, program: &Program, results: &Results, compile_seconds: f64, outputs: &[Output]) -> Value {
    let metrics: Map<String, Value> =
        results.metrics.iter().map(|(name, value)| (name.clone(), number(*value))).collect();
    json!({
        "experiment": program.name,
        "seed": run.seed,
        "engine": match run.engine.kind() { EngineKind::Jit => "jit", EngineKind::Interpreter => "interpreter" },
        "threads": run.threads,
        "precision": match program.precision { Precision::F32 => "f32", Precision::F64 => "f64" },
        "fallbacks": 0,
        "samples": results.samples,
        "metrics": metrics,
        "failures": results.failures,
        "energy_j": by_kind(&results.energy_j),
        "latency_s": number(results.latency_s),
        "conversions": conversions(program),
        "seconds": {
            "compile": compile_seconds, "jit": results.jit_seconds, "load": results.load_seconds,
            "run": results.run_seconds,
        },
        "outputs": outputs.iter().map(|output| output.file.as_str()).collect::<Vec<_>>(),
        "recordings": outputs.iter().map(|output| json!({
            "name": output.name, "kind": output.kind, "unit": output.unit, "file": output.file,
        })).collect::<Vec<_>>(),
    })
}
