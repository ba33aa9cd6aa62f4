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
pub mod schedule;
pub mod stages;
pub mod tile;

use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Image, Precision};

use files::Files;
use forms::model::Model;
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
pub fn compile(_name: &str, _text: &str, _files: &dyn Files, _options: &Options) -> Compilation {
    Compilation::default()
}
