//! One experiment from network to program: every stage from tiling on, each form verified by code that did not make it.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Program, Tensor};

use crate::files::Files;
use crate::forms::chip::Chip;
use crate::forms::network::Network;
use crate::forms::plan::Plan;
use crate::forms::scheduled::Scheduled;
use crate::{Options, convert, elaborate, lower, place, report, schedule, tile, trial};

/// What came of an experiment; the program is missing when lowering found an error.
pub struct Built {
    pub scheduled: Scheduled,
    pub program: Option<Program>,
}

/// Builds an elaborated experiment; none when a stage before lowering found an error. [`crate::stages::STAGES`] says why
/// the stages come in this order.
pub fn build(
    network: Network,
    chip: Chip,
    plan: Plan,
    tensors: &[Tensor],
    options: &Options,
    files: &dyn Files,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Built> {
    let faults = |stage: &str, faults: Vec<String>, diagnostics: &mut Vec<Diagnostic>| {
        diagnostics.extend(faults.into_iter().take(5).map(|fault| internal(stage, &fault)));
    };
    faults("elaborate", elaborate::verify::verify(&network, tensors), diagnostics);
    files.entering("tile");
    let tiled = tile::tile(&network, &chip, &plan, diagnostics)?;
    faults("tile", tile::verify(&tiled), diagnostics);
    files.entering("convert");
    let measured = trial::measure(&tiled, tensors, files, diagnostics);
    let converted = convert::convert(tiled, tensors, &measured, diagnostics)?;
    faults("convert", convert::verify(&converted), diagnostics);
    files.entering("place");
    let placed = place::place(converted, diagnostics)?;
    faults("place", place::verify(&placed), diagnostics);
    files.entering("schedule");
    let scheduled = schedule::schedule(placed, diagnostics)?;
    faults("schedule", schedule::verify(&scheduled), diagnostics);
    files.entering("lower");
    let layout = report::report(&scheduled);
    let Some(lowered) = lower::lower(&scheduled, tensors, options.precision, layout, diagnostics) else {
        return Some(Built { scheduled, program: None });
    };
    faults("lower", lowered.problems, diagnostics);
    faults("lower", lowered.program.verify(), diagnostics);
    Some(Built { scheduled, program: Some(lowered.program) })
}

/// Our own mistake, as the user is told of it.
fn internal(stage: &str, fault: &str) -> Diagnostic {
    Diagnostic::placeless(Code::E0999, format!("{stage}: {fault}"))
        .with_help("this is a mistake of nmc, not yours: please report it with the program")
}
