//! What every command that compiles takes.

use clap::{Args, ValueEnum};
use nmc_compiler::Told;
use nmc_host::load;
use nmc_program::Precision;

/// What can be said about a program before it is compiled.
#[derive(Args, Default)]
pub struct Settings {
    /// Only this experiment; repeatable
    #[arg(long, value_name = "NAME")]
    pub experiment: Vec<String>,
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

impl Settings {
    /// For the host.
    pub fn settings(&self) -> load::Settings {
        load::Settings {
            experiments: self.experiment.clone(),
            precision: self.precision.map(Width::precision),
            set: self.set.clone(),
            inputs: self.input.clone(),
            told: Told::Comparisons,
        }
    }
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
