//! What models of other tools become: layers and populations of the language, printed as a user would write them, weights beside them.

mod print;

use std::collections::{BTreeMap, HashMap};

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

pub use print::shortest;

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
pub struct Array {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// What a model computes, in the order of its file: a step for each layer.
#[derive(Debug, Default)]
pub struct Layers {
    /// Name and shape without the samples.
    pub inputs: Vec<(String, Vec<usize>)>,
    pub steps: Vec<Step>,
    /// Name, and what gives it.
    pub outputs: Vec<(String, From)>,
    pub states: Vec<State>,
    pub populations: Vec<Population>,
    pub shown: Shown,
    /// Names of the standard library that are used, and blocks of the program's own.
    pub uses: Vec<&'static str>,
    pub blocks: Vec<&'static str>,
}

/// How inputs are shown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    #[default]
    Whole,
    /// A network's steps without length.
    Stepped,
    /// A row a time step, whose length the user chooses: proposals for it and for a sample.
    InTime { step: &'static str, sample: &'static str },
}

/// What a recurrent layer keeps from step to step.
#[derive(Debug)]
pub struct State {
    pub name: String,
    pub len: usize,
    pub next: Option<From>,
}

/// Neurons of one of [`Layers::blocks`].
#[derive(Debug)]
pub struct Population {
    pub name: String,
    pub block: &'static str,
    pub len: usize,
    /// Parameters: of all neurons the same, or an array; with the unit of its numbers.
    pub arguments: Vec<(&'static str, Argument, &'static str)>,
    /// What drives its input `x`.
    pub drive: Option<From>,
    /// The population whose spikes it passes on, and after how long: a number and its unit.
    pub delayed: Option<(usize, f64, &'static str)>,
    /// The state that is its value; none: it spikes.
    pub value: Option<&'static str>,
    /// Whether its spikes are recorded.
    pub probed: bool,
}

/// What a parameter is given.
#[derive(Debug)]
pub enum Argument {
    Number(f64),
    Array(Array),
}

/// Where a value comes from: an index into [`Layers::inputs`], [`Layers::steps`], [`Layers::states`] or [`Layers::populations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Input(usize),
    Step(usize),
    State(usize),
    Population(usize),
}

#[derive(Debug)]
pub struct Step {
    /// The model's name for it.
    pub name: String,
    pub layer: Layer,
    pub from: Vec<From>,
    pub shape: Vec<usize>,
}

/// Layers of the language.
#[derive(Debug)]
pub enum Layer {
    /// Weights [outputs, inputs].
    Dense {
        weights: Array,
        bias: Option<Array>,
    },
    /// Weights [outputs, channels of a group, rows, columns].
    Convolution {
        weights: Array,
        bias: Option<Array>,
        windows: Windows,
        groups: usize,
    },
    Pool {
        largest: bool,
        windows: Windows,
    },
    /// `relu`, `sigmoid`, `tanh`, `softmax` and so on; a decoder.
    Function(&'static str),
    Flatten,
    Reshape,
    Concat,
    /// What stands for its operands: `{0}`, `{1}`, …
    Formula(String),
    /// `+`, `-`, `*`, `/` of two signals, or of a signal and a number.
    Arithmetic {
        sign: &'static str,
        number: Option<f64>,
    },
}

/// How windows lie on an image: along rows, and along columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    pub size: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Zeros before and after.
    pub padding: [[usize; 2]; 2],
}

impl Windows {
    /// One after the other, as many as fit.
    pub fn of(size: [usize; 2]) -> Windows {
        Windows { size, stride: [1; 2], dilation: [1; 2], padding: [[0; 2]; 2] }
    }

    /// What a window reaches over along an axis.
    pub fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.size[axis] - 1) + 1
    }

    /// How many lie on an image of [rows, columns].
    pub fn count(&self, image: [usize; 2]) -> Result<[usize; 2], String> {
        let along = |axis: usize| {
            let room = image[axis] + self.padding[axis][0] + self.padding[axis][1];
            let room = room.checked_sub(self.reach(axis)).ok_or("its windows are larger than the image")?;
            Ok::<usize, String>(room / self.stride[axis] + 1)
        };
        Ok([along(0)?, along(1)?])
    }
}

/// The program of layers: its network is called `name`, its weights lie beside it in `weights_file`. `about`: the model's file, and who made it.
pub fn imported(
    mut layers: Layers,
    about: (&str, &str),
    name: &str,
    weights_file: &str,
) -> Result<Imported, Diagnostic> {
    layers.tell_apart();
    let program = print::program(&layers, about, name, weights_file);
    let damaged = format!("{} cannot be read: its names make no program", about.0);
    let program = nmc_grammar::format(&program).map_err(|_| Diagnostic::placeless(Code::E0902, damaged))?;
    Ok(Imported { program, weights: weights(&layers)? })
}

impl Layer {
    /// Its weights and its bias.
    fn arrays(&self) -> [Option<&Array>; 2] {
        match self {
            Layer::Dense { weights, bias } | Layer::Convolution { weights, bias, .. } => [Some(weights), bias.as_ref()],
            Layer::Pool { .. }
            | Layer::Function(_)
            | Layer::Flatten
            | Layer::Reshape
            | Layer::Concat
            | Layer::Formula(_)
            | Layer::Arithmetic { .. } => [None, None],
        }
    }

    fn arrays_mut(&mut self) -> [Option<&mut Array>; 2] {
        match self {
            Layer::Dense { weights, bias } | Layer::Convolution { weights, bias, .. } => [Some(weights), bias.as_mut()],
            Layer::Pool { .. }
            | Layer::Function(_)
            | Layer::Flatten
            | Layer::Reshape
            | Layer::Concat
            | Layer::Formula(_)
            | Layer::Arithmetic { .. } => [None, None],
        }
    }
}

impl Layers {
    /// All arrays.
    fn arrays(&self) -> impl Iterator<Item = &Array> {
        let of_steps = self.steps.iter().flat_map(|step| step.layer.arrays());
        let arguments = self.populations.iter().flat_map(|population| &population.arguments);
        let of_populations = arguments.map(|(_, argument, _)| match argument {
            Argument::Array(array) => Some(array),
            Argument::Number(_) => None,
        });
        of_steps.chain(of_populations).flatten()
    }

    /// Arrays of layers that have one name and are not the same get names of their own: numbers of a model that several layers use, and
    /// something else was put into one of them.
    fn tell_apart(&mut self) {
        let arrays: Vec<&Array> = self.arrays().collect();
        let mut names: BTreeMap<String, &Array> = BTreeMap::new();
        let mut own = Vec::new();
        for array in arrays {
            let numbered = (2..).map(|number| format!("{}_{number}", array.name));
            let mut all = std::iter::once(array.name.clone()).chain(numbered);
            let free = all.find(|name| {
                names.get(name).is_none_or(|other| other.shape == array.shape && other.values == array.values)
            });
            let name = free.unwrap_or_else(|| array.name.clone());
            names.entry(name.clone()).or_insert(array);
            own.push(name);
        }
        let arrays = self.steps.iter_mut().flat_map(|step| step.layer.arrays_mut()).flatten();
        arrays.zip(own).for_each(|(array, name)| array.name = name);
    }
}

/// All arrays as safetensors: in single precision where that holds every number.
fn weights(layers: &Layers) -> Result<Vec<u8>, Diagnostic> {
    let bytes = |array: &Array| match array.values.iter().all(|value| f64::from(*value as f32) == *value) {
        true => (Dtype::F32, array.values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect()),
        false => (Dtype::F64, array.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()),
    };
    let bytes: Vec<(&Array, (Dtype, Vec<u8>))> = layers.arrays().map(|array| (array, bytes(array))).collect();
    let cannot = |error: safetensors::SafeTensorError| {
        Diagnostic::placeless(Code::E0902, format!("its weights cannot be written: {error}"))
    };
    let mut views = HashMap::new();
    for (array, (dtype, bytes)) in &bytes {
        let view = TensorView::new(*dtype, array.shape.clone(), bytes).map_err(cannot)?;
        views.insert(array.name.as_str(), view);
    }
    safetensors::serialize(views, None).map_err(cannot)
}
