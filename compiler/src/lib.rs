//! Text to `Program`. Pure: no files, no clock, no randomness, no machine code; what it needs from outside comes through [`files::Files`].

pub mod build;
pub mod check;
pub mod convert;
pub mod elaborate;
pub mod files;
pub mod forms;
pub mod graph;
pub mod lower;
pub mod place;
pub mod quantity;
pub mod report;
pub mod resolve;
pub mod schedule;
pub mod stages;
pub mod tile;
pub mod trial;
pub mod units;

use nmc_grammar::ast::{BlockKind, Expr, Item};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::parse::parse_expression;
use nmc_grammar::span::FileId;
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
    let mut model = resolve::resolve(name, text, files, &mut diagnostics);
    set_constants(&mut model, options, &mut diagnostics);
    if !diagnostics.iter().any(Diagnostic::is_error) {
        check::check(&model, &mut diagnostics);
    }
    let failed = |diagnostics: &[Diagnostic]| diagnostics.iter().any(Diagnostic::is_error);
    let (mut programs, mut all_scheduled) = (Vec::new(), Vec::new());
    let experiments = if failed(&diagnostics) { Vec::new() } else { chosen(&model, options, &mut diagnostics) };
    for experiment in experiments {
        files.entering("elaborate");
        let Some(elaborated) = elaborate::elaborate(&model, experiment, files, options, &mut diagnostics) else {
            continue;
        };
        let Elaborated { network, chip, plan, tensors } = elaborated;
        let built = build::build(network, chip, plan, &tensors, options, files, &mut diagnostics);
        let Some(built) = built else { continue };
        programs.extend(built.program);
        all_scheduled.push(built.scheduled);
    }
    let image = (!failed(&diagnostics)).then(|| lower::image(name, programs));
    Compilation { model, diagnostics, scheduled: all_scheduled, image }
}

/// `--set name=value`: the constant's value is replaced before anything is made of it.
fn set_constants(model: &mut Model, options: &Options, diagnostics: &mut Vec<Diagnostic>) {
    for (name, text) in &options.set {
        let Some(module) = model.modules.first_mut() else { return };
        let constants = || module.tree.items.iter();
        let known: Vec<String> = constants()
            .filter_map(
                |item| if let Item::Constant(constant) = item { Some(constant.name.text.clone()) } else { None },
            )
            .collect();
        let constant = module.tree.items.iter_mut().find_map(|item| match item {
            Item::Constant(constant) if constant.name.text == *name => Some(constant),
            Item::Constant(_) | Item::Block(_) | Item::Use(_) => None,
        });
        match (constant, parse_expression(FileId(0), text)) {
            (Some(constant), Ok(value)) => constant.value = Expr { span: constant.value.span, ..value },
            (Some(_), Err(_)) => {
                let message = format!("`{text}` cannot be the value of `{name}`");
                diagnostics
                    .push(Diagnostic::placeless(Code::E0906, message).with_help("such as `--set tau=\"20 ms\"`"));
            }
            (None, _) => {
                let mut unknown = Diagnostic::placeless(Code::E0906, format!("the program has no `const {name}`"));
                let near = closest(name, known.iter().map(String::as_str));
                unknown.help = near.map(|near| format!("did you mean `{near}`?"));
                diagnostics.push(unknown);
            }
        }
    }
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
