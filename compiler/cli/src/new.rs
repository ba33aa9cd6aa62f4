//! `nmc new`: a folder with a program that runs as it is.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::disk::NewFolder;

use crate::{Exit, render};

/// What `nmc new` takes.
#[derive(Args)]
pub struct New {
    /// The folder, and the program in it
    name: PathBuf,
    /// What to begin from
    #[arg(long, value_enum, default_value = "spiking")]
    template: Template,
}

#[derive(Clone, Copy, ValueEnum)]
enum Template {
    /// A trained classifier on crossbar arrays
    Inference,
    /// Spiking neurons with random connections
    Spiking,
    /// Volatile devices as a reservoir with a trained readout
    Reservoir,
    /// Spiking neurons in front of a crossbar, on one chip
    Hybrid,
}

/// Digits of 8 x 8 points (UCI Optical Recognition of Handwritten Digits), and weights trained on them.
const DIGITS: (&str, &[u8]) = ("digits8x8.npz", include_bytes!("../../../examples/data/digits8x8.npz"));
/// [sources, targets], as `connect` takes them.
const SYNAPSES: (&str, &[u8]) = ("digits_mlp.npz", include_bytes!("../../../examples/data/digits_mlp.npz"));
/// The same [outputs, inputs], as `dense` takes them.
const LAYERS: (&str, &[u8]) = ("digits_layers.npz", include_bytes!("../templates/data/digits_layers.npz"));
/// Input weights of forty devices, uniform in -1 .. 1.
const MASK: (&str, &[u8]) = ("reservoir_mask.npz", include_bytes!("../../../examples/data/reservoir_mask.npz"));

/// The name of a file and what is in it.
type File = (&'static str, &'static [u8]);

impl Template {
    /// The program and the data beside it.
    fn files(self) -> (&'static str, &'static [File]) {
        match self {
            Template::Inference => (include_str!("../templates/inference.nmc"), &[DIGITS, LAYERS]),
            Template::Spiking => (include_str!("../templates/spiking.nmc"), &[]),
            Template::Reservoir => (include_str!("../templates/reservoir.nmc"), &[MASK]),
            Template::Hybrid => (include_str!("../templates/hybrid.nmc"), &[DIGITS, SYNAPSES]),
        }
    }
}

/// Makes the folder, unless there is one.
pub fn new(new: &New) -> Exit {
    let shown = new.name.display();
    let Some(stem) = new.name.file_name().map(|name| name.to_string_lossy().into_owned()) else {
        let message = format!("{shown} is no name for a folder");
        return render::placeless(&Diagnostic::placeless(Code::E0905, message).with_help("such as `nmc new first`"));
    };
    if new.name.symlink_metadata().is_ok() {
        let problem = Diagnostic::placeless(Code::E0907, format!("{shown} is there already; nothing was changed"));
        return render::placeless(&problem.with_help(format!("choose another name, such as `nmc new {shown}_2`")));
    }
    let (program, data) = new.template.files();
    let made = NewFolder::begin(&new.name).and_then(|mut folder| {
        folder.add(&format!("{stem}.nmc"), program.as_bytes())?;
        for (name, bytes) in data {
            folder.add(&format!("data/{name}"), bytes)?;
        }
        folder.finish()
    });
    match made {
        Ok(()) => {
            eprintln!("{shown} is made: try `nmc run {}`", new.name.join(format!("{stem}.nmc")).display());
            Exit::Clean
        }
        Err(problem) => render::placeless(&problem),
    }
}
