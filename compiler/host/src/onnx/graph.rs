//! The graph of a model as layers of the language: constants folded, every operator that cannot be had noted.

use std::collections::{BTreeMap, BTreeSet};

use onnx_rs::ast::{DataLocation, Dimension, Graph, Node, TensorProto};

use super::operators::integer;
use super::outside::{Beside, Files};
use super::recurrent::{Lasts, Sequence};
use crate::layers::{Array, From, Layers};

/// Why there are no layers.
pub enum Problem {
    Damaged(String),
    /// Each operator that cannot be had, and why.
    Unsupported(Vec<String>),
}

/// Numbers that the model holds.
#[derive(Debug, Clone)]
pub enum Constant {
    Floats(Array),
    Integers(Vec<i64>),
}

/// What is known under a name of the graph.
#[derive(Debug, Clone)]
pub enum Value {
    Constant(Constant),
    /// A signal, its shape without the samples.
    Signal(From, Vec<usize>),
    Sequence(Sequence),
    Lasts(Lasts),
    /// Computed from sizes, of which the number of samples is not known.
    Sizes,
    Zeros,
    /// Of an operator that cannot be had: what follows is not told again.
    Unknown,
}

/// Reads the layers.
pub fn layers(graph: &Graph, beside: Beside) -> Result<Layers, Problem> {
    let (mut reader, mut files) = (Reader::default(), Files::of(beside));
    for tensor in &graph.initializer {
        reader.values.insert(tensor.name().to_string(), Value::Constant(constant(tensor, &mut files)?));
    }
    for input in graph.non_init_inputs() {
        let shape = input.tensor_shape().ok_or_else(|| damaged(format!("its input `{}` has no shape", input.name)))?;
        // The first axis is that of the samples.
        let dims = shape.dim.iter().skip(1).map(|dim| match dim.value {
            Dimension::Value(len) => usize::try_from(len).ok().filter(|len| *len > 0 && *len < 1 << 24),
            Dimension::Param(_) => None,
        });
        let Some(dims) = dims.collect::<Option<Vec<usize>>>().filter(|dims| !dims.is_empty()) else {
            let what =
                format!("the input `{}`: only its first axis, that of the samples, may be of any length", input.name);
            return Err(Problem::Unsupported(vec![what]));
        };
        let from = From::Input(reader.layers.inputs.len());
        reader.layers.inputs.push((input.name.to_string(), dims.clone()));
        reader.values.insert(input.name.to_string(), Value::Signal(from, dims));
    }
    for name in graph.node.iter().flat_map(|node| &node.input).chain(graph.output.iter().map(|output| &output.name)) {
        *reader.uses.entry(name.to_string()).or_default() += 1;
    }
    for node in &graph.node {
        reader.node(node)?;
    }
    for output in &graph.output {
        match reader.values.get(output.name) {
            Some(Value::Signal(from, _)) => reader.layers.outputs.push((output.name.to_string(), *from)),
            Some(Value::Unknown) => {}
            Some(Value::Sequence(_) | Value::Lasts(_)) => {
                let what = format!("its output `{}`: a sequence, or states of several layers", output.name);
                reader.unsupported.insert(what);
            }
            Some(Value::Constant(_) | Value::Sizes | Value::Zeros) | None => {
                return Err(damaged(format!("nothing gives its output `{}`", output.name)));
            }
        }
    }
    if !reader.unsupported.is_empty() {
        return Err(Problem::Unsupported(reader.unsupported.into_iter().collect()));
    }
    match reader.layers.inputs.is_empty() || reader.layers.outputs.is_empty() {
        true => Err(damaged(String::from("its graph has no input or no output"))),
        false => Ok(reader.layers),
    }
}

pub fn damaged(what: String) -> Problem {
    Problem::Damaged(what)
}

/// The numbers of a tensor, as many as its shape says.
fn constant(tensor: &TensorProto, files: &mut Files) -> Result<Constant, Problem> {
    let name = tensor.name();
    let shape = tensor.dims().iter().map(|&len| usize::try_from(len).ok()).collect::<Option<Vec<usize>>>();
    let len = shape.as_ref().and_then(|shape| shape.iter().try_fold(1_usize, |all, len| all.checked_mul(*len)));
    let (Some(shape), Some(len)) = (shape, len) else { return Err(damaged(format!("`{name}` has no shape"))) };
    if tensor.data_location() == DataLocation::External {
        return files.constant(tensor, shape, len);
    }
    let whole = |found: usize| match found == len {
        true => Ok(()),
        false => Err(damaged(format!("`{name}` is {shape:?}, but has {found} numbers"))),
    };
    if let Some(integers) = tensor.as_i64() {
        whole(integers.len())?;
        return Ok(Constant::Integers(integers.into_owned()));
    }
    let floats = tensor.as_f32().map(|values| values.iter().copied().map(f64::from).collect::<Vec<f64>>());
    let values = floats.or_else(|| tensor.as_f64().map(|values| values.into_owned()));
    let values = values.or_else(|| (len == 0).then(Vec::new));
    let Some(values) = values else {
        return Err(damaged(format!("`{name}` holds {:?}, not float or double", tensor.data_type())));
    };
    whole(values.len())?;
    Ok(Constant::Floats(Array { name: name.to_string(), shape, values }))
}

/// Types of ONNX that are real numbers.
const FLOAT: i64 = 1;
const DOUBLE: i64 = 11;

#[derive(Default)]
pub struct Reader {
    pub layers: Layers,
    pub values: BTreeMap<String, Value>,
    /// How often a name is used.
    pub uses: BTreeMap<String, usize>,
    unsupported: BTreeSet<String>,
}

/// A node at work: why it cannot be had, in words.
pub type Made<T> = Result<T, String>;

impl Reader {
    fn node(&mut self, node: &Node) -> Result<(), Problem> {
        let Some(&output) = node.output.first() else { return Err(damaged(format!("`{}` gives nothing", node.name))) };
        let missing = node.input.iter().find(|name| !name.is_empty() && !self.values.contains_key(**name));
        if let Some(missing) = missing {
            return Err(damaged(format!("`{}` takes `{missing}`, which nothing before it gives", node.name)));
        }
        let follows = node.input.iter().any(|name| matches!(self.values.get(*name), Some(Value::Unknown)));
        let made = match follows {
            true => Ok(Value::Unknown),
            false => self.value(node),
        };
        let value = made.unwrap_or_else(|why| {
            self.unsupported.insert(format!("{} `{}`: {why}", node.op_type.as_str(), node.name));
            Value::Unknown
        });
        if matches!(value, Value::Unknown) {
            node.output.iter().for_each(|name| drop(self.values.insert(name.to_string(), Value::Unknown)));
        }
        self.values.insert(output.to_string(), value);
        Ok(())
    }

    fn value(&mut self, node: &Node) -> Made<Value> {
        if !matches!(node.domain, "" | "ai.onnx") {
            return Err(format!("it is of `{}`, not of ONNX", node.domain));
        }
        let sizes = |name: &&str| {
            matches!(self.values.get(*name), Some(Value::Sizes | Value::Constant(Constant::Integers(_))) | None)
        };
        let about_sizes = ["Gather", "Unsqueeze", "Squeeze", "Slice", "Concat", "Mul", "Cast", "Reshape"];
        if node.op_type.as_str() == "Shape"
            || (about_sizes.contains(&node.op_type.as_str()) && node.input.iter().all(sizes))
        {
            return Ok(Value::Sizes);
        }
        match node.op_type.as_str() {
            "ConstantOfShape" | "Expand" => self.zeros(node),
            "Slice" | "Unsqueeze"
                if matches!(node.input.first().and_then(|name| self.values.get(*name)), Some(Value::Zeros)) =>
            {
                Ok(Value::Zeros)
            }
            "Transpose" => self.transposed(node),
            "Squeeze" => self.squeezed(node),
            "Gather" => self.gathered(node),
            "LSTM" | "GRU" | "RNN" => self.recurrent(node),
            "Constant" => {
                if let Some(number) = node.attribute.iter().find(|a| a.name == "value_float") {
                    let (name, values) = (node.output[0].to_string(), vec![f64::from(number.f)]);
                    return Ok(Value::Constant(Constant::Floats(Array { name, shape: Vec::new(), values })));
                }
                if let Some(numbers) = node.attribute.iter().find(|a| a.name == "value_ints") {
                    return Ok(Value::Constant(Constant::Integers(numbers.ints.clone())));
                }
                let tensor = node.attribute.iter().find(|a| a.name == "value").and_then(|a| a.t.as_ref());
                let tensor = tensor.ok_or("it is no tensor")?;
                let mut none = Files::of(&|_| Err(String::new()));
                constant(tensor, &mut none).map(Value::Constant).map_err(|_| String::from("it is no tensor of numbers"))
            }
            "Identity" | "Dropout" => self.same(node),
            "Cast" if matches!(integer(node, "to", 0), FLOAT | DOUBLE) => self.same(node),
            "Relu" => self.function(node, "relu"),
            "Sigmoid" => self.function(node, "sigmoid"),
            "Tanh" => self.function(node, "tanh"),
            "Abs" => self.function(node, "abs"),
            "Exp" => self.function(node, "exp"),
            "Log" => self.function(node, "log"),
            "Sqrt" => self.function(node, "sqrt"),
            "Sign" => self.function(node, "sign"),
            "Clip" => self.clip(node),
            "PRelu" => self.leaking(node),
            "Max" => self.extreme(node, "max"),
            "Min" => self.extreme(node, "min"),
            "Pow" => self.power(node),
            "Softmax" => self.softmax(node),
            "LogSoftmax" => self.log_softmax(node),
            "Hardmax" => self.hardmax(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.product(node),
            "Conv" => self.convolution(node),
            "BatchNormalization" => self.normalised(node),
            "LayerNormalization" => self.normalised_by_itself(node),
            "MaxPool" => self.pool(node, true),
            "AveragePool" => self.pool(node, false),
            "GlobalMaxPool" => self.whole(node, true),
            "GlobalAveragePool" => self.whole(node, false),
            "ReduceMean" => self.mean(node),
            "Slice" => self.slice(node),
            "Split" => self.split(node),
            "Unsqueeze" => self.with_axes(node),
            "Flatten" => match integer(node, "axis", 1) {
                1 => self.flatten(node),
                axis => Err(format!("axis {axis}: only all axes but that of the samples are joined")),
            },
            "Reshape" => match self.merged(node) {
                Some(made) => made,
                None => self.reshape(node),
            },
            "Concat" => match self.joined(node) {
                Some(made) => made,
                None => self.concat(node),
            },
            "Add" => self.arithmetic(node, "+"),
            "Sub" => self.arithmetic(node, "-"),
            "Mul" => self.arithmetic(node, "*"),
            "Div" => self.arithmetic(node, "/"),
            _ => self.composed(node),
        }
    }

    /// What goes through as it is, and is read as often as it is here, or under its name before.
    fn same(&mut self, node: &Node) -> Made<Value> {
        let name = node.input.first().ok_or("it takes nothing")?;
        let uses = self.uses.get(*name).copied().unwrap_or_default();
        let own = self.uses.entry(node.output[0].to_string()).or_default();
        *own = uses.max(*own);
        self.values.get(*name).cloned().ok_or_else(|| String::from("it takes nothing"))
    }
}
