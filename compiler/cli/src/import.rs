//! `nmc import`: a model of another tool as a program with its weights beside it.

use std::path::PathBuf;

use clap::Args;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::layers::shortest;
use nmc_host::{disk, nir, onnx};

use crate::{Exit, render};

/// What `nmc import` takes.
#[derive(Args)]
pub struct Import {
    /// The model: .onnx or .nir
    model: PathBuf,
    /// The program; its weights are put beside it
    #[arg(short, long, value_name = "NAME.nmc")]
    output: PathBuf,
    /// What the times of a .nir file are in, which it does not tell
    #[arg(long, value_name = "UNIT", default_value = "s")]
    time_unit: TimeUnit,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TimeUnit {
    S,
    Ms,
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
    if !ends(model, "onnx") && !ends(model, "nir") {
        let message = format!("{} is no model that nmc imports", model.display());
        return Err(Diagnostic::placeless(Code::E0908, message).with_help("it imports .onnx and .nir"));
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
    let (bytes, from) = (disk::bytes(model)?, name(model));
    let made = match ends(model, "nir") {
        true => {
            let (time, unit, other) = match import.time_unit {
                TimeUnit::S => (nir::Time::Seconds, "s", "ms"),
                TimeUnit::Ms => (nir::Time::Milliseconds, "ms", "s"),
            };
            let graph = nir::import(&bytes, &from, &stem, &name(&weights), time)?;
            if let Some((least, most)) = graph.taus {
                let (first, last) = (shortest(least), shortest(most));
                let range = if least == most { first } else { format!("{first} to {last}") };
                eprintln!("its time constants, {range}, are taken as {unit}; if they are {other}: --time-unit {other}");
            }
            graph.imported
        }
        false => onnx::import(&bytes, &from, &stem, &name(&weights), &|file| disk::named_by(model, file))?,
    };
    disk::write(&weights, &made.weights)?;
    disk::write(output, made.program.as_bytes())?;
    eprintln!("{} and {} are made: try `nmc check {0}`", output.display(), weights.display());
    Ok(())
}
