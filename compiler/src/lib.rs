//! Text to `Program`. Pure: no files, no clock, no randomness, no machine code; what it needs from outside comes through [`files::Files`].

pub mod build;
pub mod convert;
pub mod elaborate;
pub mod files;
pub mod forms;
pub mod lower;
pub mod place;
pub mod quantity;
pub mod report;
pub mod resolve;
pub mod schedule;
pub mod stages;
pub mod tile;
pub mod units;

use nmc_grammar::ast::BlockKind;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;
use nmc_program::{Image, Precision};

use elaborate::Elaborated;
use files::Files;
use forms::model::{DefId, Model};
use forms::scheduled::Scheduled;

/// What the caller wants.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Width of numbers.
    pub precision: Precision,
    /// Only this experiment.
    pub experiment: Option<String>,
    /// `--set name=value`: replaces the value of a `const` of the program; the text is an expression.
    pub set: Vec<(String, String)>,
    /// `--input name=FILE`: replaces the data fed to this input in `test` and `train`.
    pub inputs: Vec<(String, String)>,
    /// Verify every form after the stage that made it.
    pub verify: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Compilation {
    /// All files read, for showing diagnostics in.
    pub model: Model,
    /// Errors and warnings in the order found.
    pub diagnostics: Vec<Diagnostic>,
    /// One for each experiment that got so far, for `--emit`.
    pub scheduled: Vec<Scheduled>,
    /// Present when there were no errors.
    pub image: Option<Image>,
}

/// The whole pipeline on one screen.
pub fn compile(name: &str, text: &str, files: &dyn Files, options: &Options) -> Compilation {
    let mut diagnostics = Vec::new();
    let model = resolve::resolve(name, text, files, &mut diagnostics);
    let failed = |diagnostics: &[Diagnostic]| diagnostics.iter().any(Diagnostic::is_error);
    let (mut programs, mut all_scheduled) = (Vec::new(), Vec::new());
    let experiments = if failed(&diagnostics) { Vec::new() } else { chosen(&model, options, &mut diagnostics) };
    for experiment in experiments {
        let Some(elaborated) = elaborate::elaborate(&model, experiment, &mut diagnostics) else { continue };
        let Elaborated { network, chip, plan, tensors } = elaborated;
        let built = build::build(network, chip, plan, &tensors, options, &mut diagnostics);
        let Some(built) = built else { continue };
        programs.extend(built.program);
        all_scheduled.push(built.scheduled);
    }
    let image = (!failed(&diagnostics)).then(|| lower::image(name, programs));
    Compilation { model, diagnostics, scheduled: all_scheduled, image }
}

/// The experiments to compile: all of the program's, or the one asked for.
fn chosen(model: &Model, options: &Options, diagnostics: &mut Vec<Diagnostic>) -> Vec<DefId> {
    let all: Vec<(DefId, &str)> =
        model.own(BlockKind::Experiment).map(|(id, block)| (id, block.name.text.as_str())).collect();
    let Some(wanted) = &options.experiment else { return all.into_iter().map(|(id, _)| id).collect() };
    let found: Vec<DefId> = all.iter().filter(|(_, name)| name == wanted).map(|(id, _)| *id).collect();
    if found.is_empty() {
        let mut unknown = Diagnostic::placeless(Code::E0904, format!("there is no experiment `{wanted}`"));
        unknown.help = closest(wanted, all.iter().map(|(_, name)| *name)).map(|near| format!("did you mean `{near}`?"));
        diagnostics.push(unknown);
    }
    found
}
