//! One experiment from network to program: every stage from tiling on, each form verified by code that did not make it.

mod trial;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Program, Tensor};

use crate::files::Files;
use crate::forms::chip::Chip;
use crate::forms::mapped::{Given, Mapped};
use crate::forms::network::Network;
use crate::forms::plan::Plan;
use crate::map::convert::Converted;
use crate::map::{convert, place, schedule, tile};
use crate::{Options, Told, cost, elaborate, lower, report};

/// How often conversions are decided anew because drawn chips lose more than is allowed.
const ROUNDS: usize = 4;

/// What came of an experiment; the program is missing when lowering found an error.
pub struct Built {
    pub mapped: Mapped,
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
    faults("elaborate", elaborate::verify::verify(&network, tensors), diagnostics);
    let given = Given { network: &network, chip: &chip, plan: &plan, tensors };
    let mut scale = 1.0;
    let explained = options.told >= Told::Comparisons;
    let mut mapped = map(given, files, (scale, explained), diagnostics)?;
    if options.told >= Told::DrawnChips || plan.accuracy_loss.is_some() {
        for round in 0.. {
            let Some(drawn) = trial::drawn(&mapped, tensors, files) else { break };
            let estimated = mapped.decisions.objective.error_variance;
            mapped.decisions.objective.error_variance = drawn.error;
            mapped.decisions.objective.accuracy_loss = drawn.loss;
            let (Some(limit), Some(loss)) = (plan.accuracy_loss, drawn.loss) else { break };
            if loss <= limit {
                break;
            }
            if round == ROUNDS {
                diagnostics.push(convert::unreachable(given, limit, loss));
                return None;
            }
            // The estimate was too good: less of it is allowed.
            scale *= f64::max(drawn.error / estimated.max(f64::MIN_POSITIVE), 1.5).min(10.0);
            mapped = map(given, files, (scale, explained), diagnostics)?;
        }
    }
    let mapped = Mapped { network, chip, plan, ..mapped };
    files.entering(&mapped.plan.name, "lower");
    let layout = report::report(&mapped);
    let Some(lowered) = lower::lower(&mapped, tensors, options.precision, layout, diagnostics) else {
        return Some(Built { mapped, program: None });
    };
    faults("lower", lowered.problems, diagnostics);
    faults("lower", lowered.program.verify(), diagnostics);
    Some(Built { mapped, program: Some(lowered.program) })
}

/// The mapping: every form from tiling to the timetable, and what it costs. `asked`: how many times the estimated error a chip is expected
/// to make, and whether conversions are explained.
pub fn map(given: Given, files: &dyn Files, asked: (f64, bool), diagnostics: &mut Vec<Diagnostic>) -> Option<Mapped> {
    files.entering(&given.plan.name, "tile");
    let tiling = tile::tile(given, diagnostics)?;
    faults("tile", tile::verify(given, &tiling), diagnostics);
    files.entering(&given.plan.name, "convert");
    let measured = trial::measure(given, files, diagnostics);
    let Converted { decisions, circuit, placement } =
        convert::convert(given, &tiling, &measured, files, asked, diagnostics)?;
    faults("convert", convert::verify(given, &tiling, &decisions, &circuit), diagnostics);
    files.entering(&given.plan.name, "place");
    faults("place", place::verify(given, &tiling, &circuit, &placement), diagnostics);
    files.entering(&given.plan.name, "schedule");
    let timetable = schedule::schedule(given, &tiling, &decisions, &circuit, &placement, diagnostics)?;
    let (network, chip, plan) = (given.network.clone(), given.chip.clone(), given.plan.clone());
    let mut mapped =
        Mapped { network, chip, plan, tiling, decisions, circuit, placement, timetable, ..Mapped::default() };
    faults("schedule", schedule::verify(&mapped), diagnostics);
    mapped.costs = cost::table(&mapped);
    Some(mapped)
}

/// Our own mistakes, as the user is told of them.
fn faults(stage: &str, faults: Vec<String>, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.extend(faults.into_iter().take(5).map(|fault| {
        Diagnostic::placeless(Code::E0999, format!("{stage}: {fault}"))
            .with_help("this is a mistake of nmc, not yours: please report it with the program")
    }));
}
