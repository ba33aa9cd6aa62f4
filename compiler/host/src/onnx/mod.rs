//! ONNX models as programs: a network in text, its weights as safetensors.

mod elementwise;
mod graph;
mod operators;
mod outside;
mod recurrent;
mod shapes;
mod windows;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use crate::layers::{Imported, imported};

pub use outside::Beside;

/// Reads a model, the bytes of a file called `file`; the program's network is called `name`, its weights lie beside it in
/// `weights_file`. Numbers that lie in other files are asked for with `beside`. The error tells of all operators that cannot be had.
pub fn import(
    bytes: &[u8],
    file: &str,
    name: &str,
    weights_file: &str,
    beside: Beside,
) -> Result<Imported, Diagnostic> {
    let damaged = |what: &str| Diagnostic::placeless(Code::E0902, format!("{file} cannot be read: {what}"));
    let model = onnx_rs::parse(bytes).map_err(|error| damaged(&format!("it is no whole ONNX model ({error})")))?;
    let graph = model.graph.as_ref().ok_or_else(|| damaged("it is no ONNX model, or holds no graph"))?;
    if model.opset_import.iter().all(|opset| !matches!(opset.domain, "" | "ai.onnx")) {
        return Err(damaged("it is no whole ONNX model (it names no version of the operators)"));
    }
    let layers = graph::layers(graph, beside).map_err(|problem| match problem {
        graph::Problem::Damaged(what) => damaged(&what),
        graph::Problem::Unsupported(all) => {
            let message = format!("{file} has what nmc cannot import:\n  {}", all.join("\n  "));
            let help = "`nmc explain E0908` lists the operators that can be had";
            Diagnostic::placeless(Code::E0908, message).with_help(help)
        }
    })?;
    let made_by = [model.producer_name, model.producer_version].join(" ");
    imported(layers, (file, made_by.trim()), name, weights_file)
}
