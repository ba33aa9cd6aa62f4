//! `nmc import`: a model of another tool as a program with its weights beside it.

use std::path::PathBuf;

use clap::Args;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::{disk, onnx};

use crate::{Exit, render};

/// What `nmc import` takes.
#[derive(Args)]
pub struct Import {
    /// The model: .onnx
    model: PathBuf,
    /// The program; its weights are put beside it
    #[arg(short, long, value_name = "NAME.nmc")]
    output: PathBuf,
}

/// Writes the program and the weights; neither when the model cannot be had, or one of them is there already.
pub fn import(import: &Import) -> Exit {
    match imported(import) {
        Ok(()) => Exit::Clean,
        Err(problem) => render::placeless(&problem),
    }
}

fn imported(import: &Import) -> Result<(), Diagnostic> {
    let (model, output) = (&import.model, &import.output);
    let weights = output.with_extension("safetensors");
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ends = |path: &PathBuf, with: &str| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(with));
    if !ends(model, "onnx") {
        let message = format!("{} is no model that nmc imports", model.display());
        return Err(Diagnostic::placeless(Code::E0908, message).with_help("it imports .onnx"));
    }
    if !ends(output, "nmc") {
        let message = format!("cannot write {}: programs end in .nmc", output.display());
        return Err(Diagnostic::placeless(Code::E0905, message));
    }
    for file in [output, &weights] {
        if file.symlink_metadata().is_ok() {
            let problem =
                Diagnostic::placeless(Code::E0907, format!("{} is there already; nothing was changed", file.display()));
            return Err(problem.with_help("choose another name"));
        }
    }
    let stem = output.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let made = onnx::import(&disk::bytes(model)?, &name(model), &stem, &name(&weights))?;
    disk::write(&weights, &made.weights)?;
    disk::write(output, made.program.as_bytes())?;
    eprintln!("{} and {} are made: try `nmc check {0}`", output.display(), weights.display());
    Ok(())
}
