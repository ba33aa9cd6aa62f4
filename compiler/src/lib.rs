//! Text to `Program`. Pure: no files, no clock, no randomness, no machine code; what it needs from outside comes through [`files::Files`].

pub mod algebra;
pub mod analyse;
pub mod build;
pub mod check;
pub mod cost;
pub mod elaborate;
pub mod files;
pub mod forms;
pub mod graph;
pub mod lower;
pub mod map;
pub mod quantity;
pub mod report;
pub mod resolve;
mod scramble;
pub mod settings;
pub mod stages;
pub mod typing;
pub mod units;

use std::collections::BTreeSet;

use nmc_grammar::ast::BlockKind;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Image, Precision};
use rayon::prelude::*;

use elaborate::Elaborated;
use files::Files;
use forms::mapped::Mapped;
use forms::model::{DefId, Definition, Model};

/// What the caller wants.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Width of numbers; those of an experiment whose events add to times that `t` is compared with are double.
    pub precision: Precision,
    /// Only these experiments; all if none is named.
    pub experiments: Vec<String>,
    /// `--set name=value`: replaces the value of a `const` of the program; the text is an expression.
    pub set: Vec<(String, String)>,
    /// What is told of a design beside it.
    pub told: Told,
    /// `--input name=FILE`: replaces the data fed to this input in `test` and `train`.
    pub inputs: Vec<(String, String)>,
}

/// How much is found out about a design beside what it is, which takes longer than to find it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// What is wrong with the program, and nothing else.
    Mistakes,
    /// What other designs would be worth, and why each conversion stays.
    #[default]
    Comparisons,
    /// Its error too, over drawn chips; else that is estimated, unless an accuracy limit asks for it.
    DrawnChips,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Compilation {
    /// All files read, for showing diagnostics in.
    pub model: Model,
    /// Errors and warnings in the order found.
    pub diagnostics: Vec<Diagnostic>,
    /// One for each experiment that got so far, for `--emit`.
    pub mapped: Vec<Mapped>,
    /// Present when there were no errors.
    pub image: Option<Image>,
}

/// The whole pipeline on one screen.
pub fn compile(name: &str, text: &str, files: &dyn Files, options: &Options) -> Compilation {
    let mut diagnostics = Vec::new();
    let mut model = resolve::resolve(name, text, files, &mut diagnostics);
    settings::set_constants(&mut model, options, &mut diagnostics);
    if !diagnostics.iter().any(Diagnostic::is_error) {
        check::check(&model, &mut diagnostics);
    }
    let failed = |diagnostics: &[Diagnostic]| diagnostics.iter().any(Diagnostic::is_error);
    let experiments =
        if failed(&diagnostics) { Vec::new() } else { settings::chosen(&model, options, &mut diagnostics) };
    // What one experiment gives does not depend on the others.
    let one = |&experiment: &DefId| one(&model, experiment, files, options);
    let each: Vec<Outcome> = match experiments.len() {
        0 | 1 => experiments.iter().map(one).collect(),
        _ => experiments.par_iter().map(one).collect(),
    };
    let (mut programs, mut mapped, mut fed) = (Vec::new(), Vec::new(), Vec::new());
    for mut outcome in each {
        diagnostics.extend(outcome.diagnostics);
        fed.extend(outcome.fed);
        programs.extend(outcome.built.as_mut().and_then(|built| built.program.take()));
        mapped.extend(outcome.built.map(|built| built.mapped));
    }
    if !failed(&diagnostics) {
        diagnostics.extend(settings::unknown_inputs(options, &fed));
    }
    // What experiments share is told once; what a chip leaves out, at the first that names it.
    let mut told = BTreeSet::new();
    diagnostics.retain(|d| {
        let place = d.primary.as_ref().filter(|_| d.code != Code::W0616).map(|label| label.span);
        told.insert((d.code.number(), d.message.clone(), place))
    });
    let image = (!failed(&diagnostics)).then(|| lower::image(name, programs));
    Compilation { model, diagnostics, mapped, image }
}

/// What came of one experiment.
#[derive(Default)]
struct Outcome {
    diagnostics: Vec<Diagnostic>,
    /// Names that `--input` could have fed.
    fed: Vec<String>,
    built: Option<build::Built>,
}

/// A network of a program before anything is mapped, in steps of `step` (a time as programs write it): the one called `network`, or the only one.
/// The error has what was read and what is wrong.
pub fn network(
    name: &str,
    text: &str,
    files: &dyn Files,
    network: Option<&str>,
    step: &str,
) -> Result<Elaborated, (Model, Vec<Diagnostic>)> {
    let (options, mut diagnostics) = (Options::default(), Vec::new());
    let model = resolve::resolve(name, text, files, &mut diagnostics);
    let failed = |diagnostics: &[Diagnostic]| diagnostics.iter().any(Diagnostic::is_error);
    if failed(&diagnostics) {
        return Err((model, diagnostics));
    }
    let own = |model: &Model, kind| model.own(kind).map(|(_, block)| block.name.text.clone()).collect::<Vec<String>>();
    let known = own(&model, BlockKind::Network);
    let chosen = match (network, &known[..]) {
        (Some(wanted), _) => known.iter().find(|known| *known == wanted),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(chosen) = chosen else {
        let message = match network {
            Some(wanted) => format!("there is no network `{wanted}`"),
            None => format!("the program has {} networks", known.len()),
        };
        let which = Diagnostic::placeless(Code::E0909, message);
        let help = format!("name one of them with --network: {}", known.join(", "));
        return Err((model, vec![if known.is_empty() { which } else { which.with_help(help) }]));
    };
    // A name that no block of the program has.
    let taken = own(&model, BlockKind::Experiment);
    let free = (0..).map(|number| format!("exported_{number}")).find(|name| !taken.contains(name)).unwrap_or_default();
    let text = format!("{text}\nexperiment {free} {{ deploy {chosen} {{ step: {step} }} }}\n");
    diagnostics.clear();
    let model = resolve::resolve(name, &text, files, &mut diagnostics);
    if !failed(&diagnostics) {
        check::check(&model, &mut diagnostics);
    }
    let experiment = model.own(BlockKind::Experiment).find(|(_, block)| block.name.text == free).map(|(id, _)| id);
    let elaborated = match (failed(&diagnostics), experiment) {
        (false, Some(experiment)) => elaborate::elaborate(&model, experiment, files, &options, &mut diagnostics),
        (_, _) => None,
    };
    elaborated.ok_or((model, diagnostics))
}

fn one(model: &Model, experiment: DefId, files: &dyn Files, options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    if let Some(Definition::Block(block)) = model.definition(experiment) {
        files.entering(&block.name.text, "elaborate");
    }
    let elaborated = elaborate::elaborate(model, experiment, files, options, &mut outcome.diagnostics);
    if let Some(Elaborated { network, chip, plan, tensors }) = elaborated {
        outcome.fed.extend(settings::names_to_feed(model, experiment, &network));
        outcome.built = build::build(network, chip, plan, &tensors, options, files, &mut outcome.diagnostics);
    }
    outcome
}
