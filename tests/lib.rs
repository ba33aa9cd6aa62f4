//! What the tests of the whole share: a program's text in, its results out.

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

/// Every experiment of a program, in double precision; it has no errors.
pub fn run(name: &str, text: &str, files: &dyn Files, engine: EngineKind) -> Vec<Results> {
    let options = Options { precision: Precision::F64, ..Options::default() };
    let compilation = compile(name, text, files, &options);
    let image = compilation.image.unwrap_or_else(|| panic!("{name}: {:#?}", compilation.diagnostics));
    let options = RunOptions { seed: 1, engine, threads: 1, memory: 16 << 30, progress: None };
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
