//! `nmc build`: a program to a mapped hardware image, or any form on the way as text.

use std::path::{Path, PathBuf};

use clap::Args;
use nmc_compiler::{Told, stages};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::image;
use nmc_host::load::compiled;
use nmc_program::Image;

use crate::settings::Settings;
use crate::{Exit, render, terminal};

/// What `nmc build` takes.
#[derive(Args)]
pub struct Build {
    /// The program
    file: PathBuf,
    /// Where the image goes; the program's name with .nmx unless said otherwise
    #[arg(short, long, value_name = "OUT.nmx")]
    output: Option<PathBuf>,
    /// Prints a form instead: network, tiled, converted, placed, scheduled, program or clif
    #[arg(long, value_name = "FORM", value_parser = clap::builder::PossibleValuesParser::new(stages::forms().map(|form| form.name).chain(["clif"])))]
    emit: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

/// Compiles, and writes or prints.
pub fn build(build: &Build) -> Exit {
    let settings = nmc_host::load::Settings { told: Told::DrawnChips, ..build.settings.settings() };
    let compilation = match compiled(&build.file, &settings) {
        Ok((compilation, _)) => compilation,
        Err(failure) => return render::failure(&build.file, &failure),
    };
    render::diagnostics(&build.file, &compilation.model, &compilation.diagnostics);
    let text = match build.emit.as_deref() {
        Some("clif") => match compilation.image.as_ref().map(clif) {
            Some(Err(problem)) => return render::placeless(&Diagnostic::placeless(Code::E0999, problem)),
            Some(Ok(text)) => Some(text),
            None => None,
        },
        Some(name) => stages::forms().find(|form| form.name == name).map(|form| (form.print)(&compilation)),
        None => None,
    };
    let written = text.as_deref().map_or(Exit::Clean, terminal::print);
    let Some(image) = compilation.image else { return Exit::Bug };
    let output = match (&build.output, &build.emit) {
        (Some(output), _) => output.clone(),
        (None, None) => build.file.with_extension("nmx"),
        (None, Some(_)) => return written,
    };
    match image::write(&output, &image) {
        Ok(()) => {
            tell(&output, &image);
            written
        }
        Err(problem) => render::placeless(&problem),
    }
}

/// What was built, in one line.
fn tell(output: &Path, image: &Image) {
    let names: Vec<&str> = image.programs.iter().map(|program| program.name.as_str()).collect();
    let (word, names) = (if names.len() == 1 { "experiment" } else { "experiments" }, names.join(", "));
    eprintln!("{}: {word} {names}; `nmc run {}` runs it", output.display(), output.display());
}

/// Kernels as Cranelift's intermediate code.
fn clif(image: &Image) -> Result<String, String> {
    let mut text = String::new();
    for program in &image.programs {
        for (name, code) in nmc_runtime::jit::listing(program)? {
            text += &format!("; {}: {name}\n{code}\n", program.name);
        }
    }
    Ok(text)
}
