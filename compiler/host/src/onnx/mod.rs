//! ONNX models as programs: a network in text, its weights as safetensors.

mod graph;
mod operators;
mod print;
mod recurrent;

use std::collections::HashMap;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// A model as nmc has it.
#[derive(Debug)]
pub struct Imported {
    /// The text of the program.
    pub program: String,
    /// Its weights, a safetensors file.
    pub weights: Vec<u8>,
}

/// An array of weights: name, shape, values.
#[derive(Debug, Clone, PartialEq)]
struct Array {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// What a model computes, in the order of its file: a step for each layer.
#[derive(Debug, Default)]
struct Layers {
    /// Name and shape without the samples.
    inputs: Vec<(String, Vec<usize>)>,
    steps: Vec<Step>,
    /// Name, and what gives it.
    outputs: Vec<(String, From)>,
    states: Vec<State>,
    /// Whether an input is shown step by step.
    stepped: bool,
}

/// What a recurrent layer keeps from step to step.
#[derive(Debug)]
struct State {
    name: String,
    len: usize,
    next: Option<From>,
}

/// Where a value comes from: an index into [`Layers::inputs`], [`Layers::steps`] or [`Layers::states`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Input(usize),
    Step(usize),
    State(usize),
}

#[derive(Debug)]
struct Step {
    /// The model's name for it.
    name: String,
    layer: Layer,
    from: Vec<From>,
    shape: Vec<usize>,
}

/// Layers of the language.
#[derive(Debug)]
enum Layer {
    /// Weights [outputs, inputs].
    Dense {
        weights: Array,
        bias: Option<Array>,
    },
    /// Weights [outputs, channels of a group, rows, columns].
    Convolution {
        weights: Array,
        bias: Option<Array>,
        stride: usize,
        padding: usize,
        dilation: usize,
        groups: usize,
    },
    Pool {
        largest: bool,
        size: usize,
        stride: usize,
        padding: usize,
    },
    /// `relu`, `sigmoid`, `tanh`, `softmax`.
    Function(&'static str),
    Flatten,
    Reshape,
    Concat,
    /// What stands for its operands: `{0}`, `{1}`, …
    Formula(String),
    /// `+`, `-`, `*`, `/` of two signals, or of a signal and a number.
    Arithmetic {
        sign: &'static str,
        number: Option<f32>,
    },
}

/// Reads a model, the bytes of a file called `file`; the program's network is called `name`, its weights lie beside it in
/// `weights_file`. The error tells of all operators that cannot be had.
pub fn import(bytes: &[u8], file: &str, name: &str, weights_file: &str) -> Result<Imported, Diagnostic> {
    let damaged = |what: &str| Diagnostic::placeless(Code::E0902, format!("{file} cannot be read: {what}"));
    let model = onnx_rs::parse(bytes).map_err(|error| damaged(&format!("it is no whole ONNX model ({error})")))?;
    let graph = model.graph.as_ref().ok_or_else(|| damaged("it is no ONNX model, or holds no graph"))?;
    if model.opset_import.iter().all(|opset| !matches!(opset.domain, "" | "ai.onnx")) {
        return Err(damaged("it is no whole ONNX model (it names no version of the operators)"));
    }
    let layers = graph::layers(graph).map_err(|problem| match problem {
        graph::Problem::Damaged(what) => damaged(&what),
        graph::Problem::Unsupported(all) => {
            let message = format!("{file} has what nmc cannot import:\n  {}", all.join("\n  "));
            let help = "layers that can be had: Gemm, MatMul, Conv, BatchNormalization, MaxPool, AveragePool, GlobalAveragePool, Relu, \
                        Sigmoid, Tanh, Softmax, Add, Sub, Mul, Div, Concat, Flatten, Reshape, LSTM, GRU, RNN";
            Diagnostic::placeless(Code::E0908, message).with_help(help)
        }
    })?;
    let made_by = [model.producer_name, model.producer_version].join(" ");
    let program = print::program(&layers, (file, made_by.trim()), name, weights_file);
    let program = nmc_grammar::format(&program).map_err(|_| damaged("its names make no program"))?;
    Ok(Imported { program, weights: weights(&layers)? })
}

/// All arrays of the layers.
fn weights(layers: &Layers) -> Result<Vec<u8>, Diagnostic> {
    let arrays = layers.steps.iter().flat_map(|step| match &step.layer {
        Layer::Dense { weights, bias } | Layer::Convolution { weights, bias, .. } => {
            [Some(weights), bias.as_ref()].into_iter().flatten().collect()
        }
        Layer::Pool { .. }
        | Layer::Function(_)
        | Layer::Flatten
        | Layer::Reshape
        | Layer::Concat
        | Layer::Formula(_)
        | Layer::Arithmetic { .. } => Vec::new(),
    });
    let bytes: Vec<(&Array, Vec<u8>)> =
        arrays.map(|array| (array, array.values.iter().flat_map(|value| value.to_le_bytes()).collect())).collect();
    let cannot = |error: safetensors::SafeTensorError| {
        Diagnostic::placeless(Code::E0902, format!("its weights cannot be written: {error}"))
    };
    let mut views = HashMap::new();
    for (array, bytes) in &bytes {
        let view = TensorView::new(Dtype::F32, array.shape.clone(), bytes).map_err(cannot)?;
        views.insert(array.name.as_str(), view);
    }
    safetensors::serialize(views, None).map_err(cannot)
}
