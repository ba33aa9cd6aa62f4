//! The oracle: what a program must give, worked out from its network and plan alone by the simplest loops that do it.
//!
//! Every synapse keeps its own states and its own spikes under way; nothing is summed, folded, put off or run side by side. Exact
//! solutions are many small steps of Runge-Kutta; which equations are linear is found by trying. From the compiled program it takes
//! only the names under which random numbers are drawn, and from the run which spikes a Poisson source drew.

mod arrays;
mod compare;
mod events;
mod expression;
mod integrate;
mod records;
mod synapses;
mod time;
mod transport;
mod values;

pub mod frames;
pub mod spiking;

use nmc_compiler::files::Files;
use nmc_compiler::forms::mapped::Mapped;
use nmc_compiler::forms::model::Model;
use nmc_compiler::{Options, build, elaborate, lower, resolve, settings};
use nmc_program::{Precision, Program, Tensor};
use nmc_runtime::{Results, RunOptions};

use crate::ENGINES;

pub use arrays::on_arrays;
pub use compare::{Tally, compare};

/// One experiment with all that the oracle needs to know of it.
pub struct Case {
    pub text: String,
    pub mapped: Mapped,
    pub tensors: Vec<Tensor>,
    pub program: Program,
    /// The same in single precision, which the oracle says nothing of.
    single: Program,
    pub seed: u64,
}

/// The experiments of a program that has no errors, in double precision.
pub fn cases(text: &str, files: &dyn Files, seed: u64) -> Vec<Case> {
    let options = Options { precision: Precision::F64, ..Options::default() };
    let mut diagnostics = Vec::new();
    let model: Model = resolve::resolve("oracle.nmc", text, files, &mut diagnostics);
    nmc_compiler::check::check(&model, &mut diagnostics);
    let mut cases = Vec::new();
    for experiment in settings::chosen(&model, &options, &mut diagnostics) {
        let elaborated = elaborate::elaborate(&model, experiment, files, &options, &mut diagnostics);
        let Some(elaborate::Elaborated { network, chip, plan, tensors }) = elaborated else { continue };
        let built = build::build(network, chip, plan, &tensors, &options, files, &mut diagnostics);
        let Some(build::Built { mapped, program: Some(program) }) = built else { continue };
        let layout = program.costs.layout.clone();
        let single = lower::lower(&mapped, &tensors, Precision::F32, layout, &mut diagnostics).unwrap().program;
        cases.push(Case { text: text.to_string(), mapped, tensors, program, single, seed });
    }
    let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    assert!(errors.is_empty() && !cases.is_empty(), "{errors:#?}\n{text}");
    cases
}

impl Case {
    /// What a run gives, the same on both engines, and in single precision too.
    /// None: a state becomes infinite, which is told.
    pub fn run(&self) -> Option<Results> {
        self.on_both(&self.single);
        self.on_both(&self.program)
    }

    fn on_both(&self, program: &Program) -> Option<Results> {
        let run = |engine| {
            let options = RunOptions { seed: self.seed, engine, threads: 1, memory: 16 << 30, progress: None };
            match nmc_runtime::run(program, &options) {
                Ok(results) => Some(Results { jit_seconds: 0.0, load_seconds: 0.0, run_seconds: 0.0, ..results }),
                Err(error) if error.code == "E0706" => None,
                Err(error) => panic!("{error:?}\n{}", self.text),
            }
        };
        let [interpreted, compiled] = ENGINES.map(run);
        assert!(interpreted == compiled, "the engines differ\n{}", self.text);
        compiled
    }
}
