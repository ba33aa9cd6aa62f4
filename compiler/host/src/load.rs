//! A program or an image, by name, to what can be reported and run.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use nmc_compiler::forms::model::Model;
use nmc_compiler::settings::unknown_experiment;
use nmc_compiler::{Compilation, Options, Told, compile};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Image, Precision};

use crate::disk::{self, Folder, StageSeconds};
use crate::image;

/// What can be said about a program before it is compiled.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Only these experiments; all if none is named.
    pub experiments: Vec<String>,
    /// Width of numbers; single unless said otherwise.
    pub precision: Option<Precision>,
    /// Other values for constants: name, expression.
    pub set: Vec<(String, String)>,
    /// Other data: the name of an input or of `data`, and `FILE` or `FILE:ARRAY` from the current folder.
    pub inputs: Vec<(String, String)>,
    /// What is told of designs beside them.
    pub told: Told,
}

/// What is ready to be reported and run.
pub struct Loaded {
    pub image: Image,
    /// The texts that warnings point into.
    pub model: Model,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// One for each program of the image.
    pub stages: Vec<StageSeconds>,
    /// Seconds to compile or to read.
    pub seconds: f64,
}

/// Why there is nothing to run.
#[derive(Default)]
pub struct Failure {
    /// The texts that diagnostics point into.
    pub model: Model,
    /// Errors and warnings; none is a bug of the compiler, which must say why it gives no image.
    pub diagnostics: Vec<Diagnostic>,
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Failure {
        Failure { model: Model::default(), diagnostics: vec![diagnostic] }
    }
}

/// Compiles a program; a result has an image.
pub fn compiled(file: &Path, settings: &Settings) -> Result<(Compilation, Folder), Failure> {
    let text = disk::read(file)?;
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // Programs name files from where they stand, people from where they are.
    let from_here = |(input, path): &(String, String)| {
        let path = std::path::absolute(path).map_or_else(|_| path.clone(), |path| path.display().to_string());
        (input.clone(), path)
    };
    let options = Options {
        precision: settings.precision.unwrap_or_default(),
        experiments: settings.experiments.clone(),
        set: settings.set.clone(),
        told: settings.told,
        inputs: settings.inputs.iter().map(from_here).collect(),
    };
    let folder = Folder::of(file);
    let compilation = compile(&name, &text, &folder, &options);
    if compilation.image.is_some() {
        return Ok((compilation, folder));
    }
    Err(Failure { model: compilation.model, diagnostics: compilation.diagnostics })
}

/// A program, compiled, or an image; with at least one experiment.
pub fn load(file: &Path, settings: &Settings) -> Result<Loaded, Failure> {
    let begin = Instant::now();
    if image::is_image(file) {
        let image = image::read(file).and_then(|image| chosen(image, settings))?;
        let stages = vec![StageSeconds::default(); image.programs.len()];
        let seconds = begin.elapsed().as_secs_f64();
        let left_out: BTreeSet<&String> = image.programs.iter().flat_map(|program| &program.left_out).collect();
        let diagnostics = left_out.into_iter().map(|note| Diagnostic::placeless(Code::W0616, note)).collect();
        return Ok(Loaded { image, model: Model::default(), diagnostics, stages, seconds });
    }
    let (compilation, folder) = compiled(file, settings)?;
    let Compilation { image, model, mut diagnostics, .. } = compilation;
    let image = image.unwrap_or(Image { format: Image::FORMAT, source: String::new(), programs: Vec::new() });
    if image.programs.is_empty() {
        let help = "say what to run, such as `experiment e { deploy n; run for 1 s { step: 0.1 ms } }`";
        let message = format!("{} has no experiment", file.display());
        diagnostics.push(Diagnostic::placeless(Code::E0904, message).with_help(help));
        return Err(Failure { model, diagnostics });
    }
    for program in &image.programs {
        if settings.precision == Some(Precision::F32) && program.precision == Precision::F64 {
            let message = format!("`--precision f32` has no effect on experiment `{}`", program.name);
            let help = "events add to times that `t` is compared with, which single precision tells by whole steps wrong: it is run in f64";
            diagnostics.push(Diagnostic::placeless(Code::W0428, message).with_help(help));
        }
    }
    let stages = image.programs.iter().map(|program| folder.seconds(&program.name)).collect();
    Ok(Loaded { image, model, diagnostics, stages, seconds: begin.elapsed().as_secs_f64() })
}

/// Of an image, what was asked for; what is settled when compiling cannot be asked for any more.
fn chosen(mut image: Image, settings: &Settings) -> Result<Image, Diagnostic> {
    let compiled = |what: &str| {
        let message = format!("{what} has no effect on an image, which is compiled already");
        Diagnostic::placeless(Code::E0906, message).with_help(format!("run its source, {}", image.source))
    };
    if !settings.set.is_empty() {
        return Err(compiled("--set"));
    }
    if !settings.inputs.is_empty() {
        return Err(compiled("--input"));
    }
    if settings.precision.is_some_and(|width| image.programs.iter().any(|p| p.precision != width)) {
        return Err(compiled("another --precision"));
    }
    if !settings.experiments.is_empty() {
        let names: Vec<&str> = image.programs.iter().map(|program| program.name.as_str()).collect();
        if let Some(unknown) = unknown_experiment(&settings.experiments, &names) {
            return Err(unknown);
        }
        image.programs.retain(|program| settings.experiments.contains(&program.name));
    }
    Ok(image)
}
