//! Graphs of the Neuromorphic Intermediate Representation (NIR) as programs: a network in text, its weights as safetensors.

mod export;
mod file;
mod graph;
mod linear;
mod neurons;

use std::path::Path;

use nmc_compiler::forms::model::Model;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use crate::disk::{self, Folder};
use crate::layers::{self, Argument, Imported};
use crate::load::Failure;

pub use neurons::Time;

/// What is to be known of an import.
pub struct Graph {
    pub imported: Imported,
    /// The shortest and the longest time constant, as the numbers of the file.
    pub taus: Option<(f64, f64)>,
}

/// Reads a graph, the bytes of a file called `file` whose times are in `time`; the program's network is called `name`, its weights lie
/// beside it in `weights_file`. The error tells of all nodes that cannot be had.
pub fn import(bytes: &[u8], file: &str, name: &str, weights_file: &str, time: Time) -> Result<Graph, Diagnostic> {
    let damaged = |what: &str| Diagnostic::placeless(Code::E0902, format!("{file} cannot be read: {what}"));
    let graph = file::graph(bytes).map_err(|what| damaged(&what))?;
    let layers = graph::layers(&graph, time).map_err(|problem| match problem {
        graph::Problem::Damaged(what) => damaged(&what),
        graph::Problem::Unsupported(all) => {
            let message = format!("{file} has what nmc cannot import:\n  {}", all.join("\n  "));
            let help = "nodes that can be had: Input, Output, Affine, Linear, Scale, Conv1d, Conv2d, SumPool2d, AvgPool2d, Flatten, \
                        Delay (of a neuron's spikes), Threshold, I, IF, LI, LIF, CubaLI, CubaLIF, graphs in graphs";
            Diagnostic::placeless(Code::E0908, message).with_help(help)
        }
    })?;
    let arguments = layers.populations.iter().flat_map(|population| &population.arguments);
    let taus =
        arguments.filter(|(parameter, ..)| parameter.starts_with("tau")).flat_map(|(_, argument, _)| match argument {
            Argument::Number(number) => std::slice::from_ref(number),
            Argument::Array(array) => &array.values[..],
        });
    let taus = taus.fold(None, |ends: Option<(f64, f64)>, &tau| {
        let (least, most) = ends.unwrap_or((tau, tau));
        Some((least.min(tau), most.max(tau)))
    });
    let imported = layers::imported(layers, (file, &format!("a tool with NIR {}", graph.version)), name, weights_file)?;
    Ok(Graph { imported, taus })
}

/// The file of a network of a program: the one called `network`, or the only one. A spike is 1 for `step`, a time as programs write it; numbers
/// are in SI units. The error tells of all that NIR cannot say.
pub fn export(program: &Path, network: Option<&str>, step: &str) -> Result<Vec<u8>, Failure> {
    let text = disk::read(program)?;
    let name = program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let elaborated = nmc_compiler::network(&name, &text, &Folder::of(program), network, step)
        .map_err(|(model, diagnostics)| Failure { model, diagnostics })?;
    export::export(&elaborated).map_err(|all| {
        let message = format!("`{}` has what NIR cannot say:\n  {}", elaborated.network.name, all.join("\n  "));
        Failure { model: Model::default(), diagnostics: vec![Diagnostic::placeless(Code::E0909, message)] }
    })
}
