//! `nmc export`: a network in a format that other tools read.

use std::path::PathBuf;

use clap::Args;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::load::Failure;
use nmc_host::{disk, nir};

use crate::{Exit, render};

/// What `nmc export` takes.
#[derive(Args)]
pub struct Export {
    /// The program
    file: PathBuf,
    /// The network; needed where the program has several
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// How long a spike is 1, the step that the graph is run with
    #[arg(long, value_name = "TIME", default_value = "0.1 ms")]
    step: String,
    /// The graph
    #[arg(long, value_name = "OUT.nir")]
    nir: PathBuf,
}

/// Writes the graph; nothing when it cannot be said in that format, or is there already.
pub fn export(export: &Export) -> Exit {
    match exported(export) {
        Ok(()) => Exit::Clean,
        Err(failure) => render::failure(&export.file, &failure),
    }
}

fn exported(export: &Export) -> Result<(), Failure> {
    let output = &export.nir;
    if output.extension().is_none_or(|end| !end.eq_ignore_ascii_case("nir")) {
        let message = format!("cannot write {}: graphs of NIR end in .nir", output.display());
        return Err(Diagnostic::placeless(Code::E0905, message).into());
    }
    if output.symlink_metadata().is_ok() {
        let problem =
            Diagnostic::placeless(Code::E0907, format!("{} is there already; nothing was changed", output.display()));
        return Err(problem.with_help("choose another name").into());
    }
    let bytes = nir::export(&export.file, export.network.as_deref(), &export.step)?;
    disk::write(output, &bytes)?;
    eprintln!("{} is made: numbers are in SI units, a spike is 1 for {}", output.display(), export.step);
    Ok(())
}
