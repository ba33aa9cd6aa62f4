//! A program or an image, by name, to what can be reported and run. What is wrong is shown and kept for `--json`.

use std::path::Path;
use std::time::Instant;

use clap::{Args, ValueEnum};
use nmc_compiler::forms::model::Model;
use nmc_compiler::{Compilation, Options, compile};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;
use nmc_program::{Image, Precision};
use serde_json::Value;

use crate::disk::{self, Folder, StageSeconds};
use crate::{Exit, image, render};

/// What can be said about a program before it is compiled.
#[derive(Args, Default)]
pub struct Settings {
    /// Only this experiment
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// Width of numbers; f32 unless said otherwise
    #[arg(long, value_enum, value_name = "WIDTH")]
    pub precision: Option<Width>,
    /// Gives a `const` of the program another value, such as --set tau="20 ms"; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Feeds an input from FILE:ARRAY, or gives `data` of that name another file; repeatable
    #[arg(long, value_name = "NAME=FILE", value_parser = pair)]
    pub input: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Width {
    F32,
    F64,
}

impl Width {
    fn precision(self) -> Precision {
        match self {
            Width::F32 => Precision::F32,
            Width::F64 => Precision::F64,
        }
    }
}

/// `name=value`
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_string(), value.trim().to_string()))
        }
        Some(_) | None => Err(String::from("a name, `=` and a value are needed, such as `tau=\"20 ms\"`")),
    }
}

/// What is ready to be reported and run.
pub struct Loaded {
    pub image: Image,
    /// One for each program of the image.
    pub stages: Vec<StageSeconds>,
    /// Seconds to compile or to read.
    pub seconds: f64,
    /// Warnings, for `--json`.
    pub diagnostics: Vec<Value>,
}

/// Why there is nothing to run.
pub struct Failure {
    pub exit: Exit,
    /// Errors and warnings, for `--json`.
    pub diagnostics: Vec<Value>,
}

impl Failure {
    /// Of something that has no place in a program; shown at once.
    pub fn placeless(diagnostic: &Diagnostic) -> Failure {
        render::placeless(diagnostic);
        let diagnostics = render::json(Path::new(""), &Model::default(), std::slice::from_ref(diagnostic));
        Failure { exit: exit(diagnostic), diagnostics }
    }
}

/// Compiles a program and shows what is wrong with it; a result has an image.
pub fn compiled(file: &Path, settings: &Settings) -> Result<(Compilation, Folder), Failure> {
    let text = disk::read(file).map_err(|problem| Failure::placeless(&problem))?;
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // Programs name files from where they stand, people from where they are.
    let from_here = |(input, path): &(String, String)| {
        let path = std::path::absolute(path).map_or_else(|_| path.clone(), |path| path.display().to_string());
        (input.clone(), path)
    };
    let options = Options {
        precision: settings.precision.map_or(Precision::F32, Width::precision),
        experiment: settings.experiment.clone(),
        set: settings.set.clone(),
        inputs: settings.input.iter().map(from_here).collect(),
    };
    let folder = Folder::of(file);
    let compilation = compile(&name, &text, &folder, &options);
    render::diagnostics(file, &compilation.model, &compilation.diagnostics);
    if compilation.image.is_some() {
        return Ok((compilation, folder));
    }
    let diagnostics = render::json(file, &compilation.model, &compilation.diagnostics);
    let exit = compilation.diagnostics.iter().map(exit).max().unwrap_or(Exit::Bug);
    Err(Failure { exit, diagnostics })
}

/// What an error means for the exit code: files and our own mistakes are not the program's.
pub fn exit(diagnostic: &Diagnostic) -> Exit {
    let code = diagnostic.code;
    if code == Code::E0999 {
        Exit::Bug
    } else if matches!(code, Code::E0702 | Code::E0709 | Code::E0710) || code.number().starts_with("E09") {
        Exit::Usage
    } else if diagnostic.is_error() {
        Exit::Diagnostics
    } else {
        Exit::Clean
    }
}

/// A program, compiled, or an image.
pub fn load(file: &Path, settings: &Settings) -> Result<Loaded, Failure> {
    let begin = Instant::now();
    if image::is_image(file) {
        let image = image::read(file).and_then(|image| chosen(image, settings));
        let image = image.map_err(|problem| Failure::placeless(&problem))?;
        let stages = vec![StageSeconds::default(); image.programs.len()];
        return Ok(Loaded { image, stages, seconds: begin.elapsed().as_secs_f64(), diagnostics: Vec::new() });
    }
    let (compilation, folder) = compiled(file, settings)?;
    let diagnostics = render::json(file, &compilation.model, &compilation.diagnostics);
    let image =
        compilation.image.unwrap_or(Image { format: Image::FORMAT, source: String::new(), programs: Vec::new() });
    if image.programs.is_empty() {
        let help = "say what to run, such as `experiment e { deploy n; run for 1 s { step: 0.1 ms } }`";
        let message = format!("{} has no experiment", file.display());
        return Err(Failure::placeless(&Diagnostic::placeless(Code::E0904, message).with_help(help)));
    }
    Ok(Loaded { image, stages: folder.seconds(), seconds: begin.elapsed().as_secs_f64(), diagnostics })
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
    if !settings.input.is_empty() {
        return Err(compiled("--input"));
    }
    if settings.precision.is_some_and(|width| image.programs.iter().any(|p| p.precision != width.precision())) {
        return Err(compiled("another --precision"));
    }
    if let Some(wanted) = &settings.experiment {
        let names: Vec<&str> = image.programs.iter().map(|program| program.name.as_str()).collect();
        if !names.contains(&wanted.as_str()) {
            let mut unknown = Diagnostic::placeless(Code::E0904, format!("there is no experiment `{wanted}`"));
            unknown.help = closest(wanted, names).map(|near| format!("did you mean `{near}`?"));
            return Err(unknown);
        }
        image.programs.retain(|program| program.name == *wanted);
    }
    Ok(image)
}
