//! What the tests of the whole share: a program's text in, its results out.

pub mod alike;
pub mod dice;
// What the oracle does not know ends it.
#[allow(clippy::wildcard_enum_match_arm)]
pub mod oracle;

use nmc_compiler::files::{Files, NoFiles};
use nmc_compiler::{Options, compile};
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Precision;
use nmc_runtime::{EngineKind, Recorded, Results, RunOptions};

/// Both ways to run: the second must do what the first does.
pub const ENGINES: [EngineKind; 2] = [EngineKind::Interpreter, EngineKind::Jit];

/// A `board` of arrays that learn in steps so small that they lose nothing.
pub const FINE_CELLS: &str = "device cell { conductance: 10 uS .. 20 uS; potentiation: 1e-4 uS; depression: 1e-4 uS }
        unit logic: bits(16) -> bits(16) { implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }
        tile array {
            cells: cell[64, 129]; weights: reference; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns
            transposable: true; wire: ideal
        }
        core cim { tiles: array[4]; units: logic; buffer: 64 kB }
        chip board { cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }";

/// Every experiment of a program, in double precision; it has no errors.
pub fn run(name: &str, text: &str, files: &dyn Files, engine: EngineKind) -> Vec<Results> {
    run_on(name, text, files, engine, 1)
}

/// The same on so many threads.
pub fn run_on(name: &str, text: &str, files: &dyn Files, engine: EngineKind, threads: usize) -> Vec<Results> {
    let options = Options { precision: Precision::F64, ..Options::default() };
    let compilation = compile(name, text, files, &options);
    let image = compilation.image.unwrap_or_else(|| panic!("{name}: {:#?}", compilation.diagnostics));
    let options = RunOptions { seed: 1, engine, threads, memory: 16 << 30, progress: None };
    let one = |program| nmc_runtime::run(program, &options).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    image.programs.iter().map(one).collect()
}

/// What a probe recorded, or an output.
pub fn recorded<'a>(results: &'a Results, name: &str) -> &'a Recorded {
    let found = results.recordings.iter().find(|recording| recording.name == name);
    &found.unwrap_or_else(|| panic!("nothing is recorded of {name}")).values
}

/// The numbers of a recording of values.
pub fn values<'a>(results: &'a Results, name: &str) -> &'a [f64] {
    match recorded(results, name) {
        Recorded::Values { data, .. } => data,
        Recorded::Spikes { .. } | Recorded::Synapses { .. } | Recorded::Histogram { .. } => {
            panic!("{name} holds no values")
        }
    }
}

/// What the compiler says.
pub fn told(text: &str) -> Vec<Diagnostic> {
    compile("told.nmc", text, &NoFiles, &Options::default()).diagnostics
}

/// The codes of it.
pub fn codes(text: &str) -> Vec<&'static str> {
    told(text).iter().map(|diagnostic| diagnostic.code.number()).collect()
}

/// Neurons and steps of a recording of spikes.
pub fn spikes<'r>(results: &'r Results, name: &str) -> (&'r [u32], &'r [u64]) {
    let Recorded::Spikes { neuron, step, .. } = recorded(results, name) else { panic!("{name} holds no spikes") };
    (neuron, step)
}

/// Numbers of both signs that follow no pattern.
pub fn numbers(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|n| ((seed * 1000 + n * n + 3 * n) as f64 * 12.9898).sin()).collect()
}

/// Nested lists as the language writes them.
pub fn nested(values: &[f64], shape: &[usize]) -> String {
    let Some((first, rest)) = shape.split_first() else { return values[0].to_string() };
    let each = values.len() / first;
    let parts: Vec<String> = values.chunks(each).map(|part| nested(part, rest)).collect();
    format!("[{}]", parts.join(", "))
}

/// `w x`, with the rows of `w` one after the other.
pub fn product(w: &[f64], x: &[f64]) -> Vec<f64> {
    w.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

/// 1 / (1 + e^-z).
pub fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}
