//! The graph of a model as layers of the language: constants folded, every operator that cannot be had noted.

use std::collections::{BTreeMap, BTreeSet};

use onnx_rs::ast::{Attribute, DataLocation, Dimension, Graph, Node, TensorProto};

use super::{Array, From, Layer, Layers, Step};

/// Why there are no layers.
pub enum Problem {
    Damaged(String),
    /// Each operator that cannot be had, and why.
    Unsupported(Vec<String>),
}

/// Numbers that the model holds.
#[derive(Debug, Clone)]
enum Constant {
    Floats(Array),
    Integers(Vec<i64>),
}

/// What is known under a name of the graph.
#[derive(Debug, Clone)]
enum Value {
    Constant(Constant),
    /// A signal, its shape without the samples.
    Signal(From, Vec<usize>),
    /// Of an operator that cannot be had: what follows is not told again.
    Unknown,
}

/// Reads the layers.
pub fn layers(graph: &Graph) -> Result<Layers, Problem> {
    let mut reader = Reader::default();
    for tensor in &graph.initializer {
        reader.values.insert(tensor.name().to_string(), Value::Constant(constant(tensor)?));
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
            Some(Value::Constant(_)) | None => {
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

fn damaged(what: String) -> Problem {
    Problem::Damaged(what)
}

/// The numbers of a tensor, as many as its shape says.
fn constant(tensor: &TensorProto) -> Result<Constant, Problem> {
    let name = tensor.name();
    if tensor.data_location() == DataLocation::External {
        return Err(damaged(format!("the numbers of `{name}` lie in another file: export with them inside")));
    }
    let shape = tensor.dims().iter().map(|&len| usize::try_from(len).ok()).collect::<Option<Vec<usize>>>();
    let len = shape.as_ref().and_then(|shape| shape.iter().try_fold(1_usize, |all, len| all.checked_mul(*len)));
    let (Some(shape), Some(len)) = (shape, len) else { return Err(damaged(format!("`{name}` has no shape"))) };
    let whole = |found: usize| match found == len {
        true => Ok(()),
        false => Err(damaged(format!("`{name}` is {shape:?}, but has {found} numbers"))),
    };
    if let Some(integers) = tensor.as_i64() {
        whole(integers.len())?;
        return Ok(Constant::Integers(integers.into_owned()));
    }
    let doubles = || Some(tensor.as_f64()?.iter().map(|&value| value as f32).collect::<Vec<f32>>());
    let values = tensor.as_f32().map(|values| values.into_owned()).or_else(doubles);
    let values = values.or_else(|| (len == 0).then(Vec::new));
    let Some(values) = values else {
        return Err(damaged(format!("`{name}` holds {:?}, not float or double", tensor.data_type())));
    };
    whole(values.len())?;
    Ok(Constant::Floats(Array { name: name.to_string(), shape, values }))
}

#[derive(Default)]
struct Reader {
    layers: Layers,
    values: BTreeMap<String, Value>,
    /// How often a name is used.
    uses: BTreeMap<String, usize>,
    unsupported: BTreeSet<String>,
}

/// A node at work: why it cannot be had, in words.
type Made<T> = Result<T, String>;

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
        self.values.insert(output.to_string(), value);
        Ok(())
    }

    fn value(&mut self, node: &Node) -> Made<Value> {
        if !matches!(node.domain, "" | "ai.onnx") {
            return Err(format!("it is of `{}`, not of ONNX", node.domain));
        }
        match node.op_type.as_str() {
            "Constant" => {
                let tensor = node.attribute.iter().find(|a| a.name == "value").and_then(|a| a.t.as_ref());
                let tensor = tensor.ok_or("it is no tensor")?;
                constant(tensor).map(Value::Constant).map_err(|_| String::from("it is no tensor of numbers"))
            }
            "Identity" | "Dropout" => {
                self.values.get(node.input[0]).cloned().ok_or_else(|| String::from("takes nothing"))
            }
            "Relu" => self.function(node, "relu"),
            "Sigmoid" => self.function(node, "sigmoid"),
            "Tanh" => self.function(node, "tanh"),
            "Softmax" => self.softmax(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.product(node),
            "Conv" => self.convolution(node),
            "BatchNormalization" => self.normalised(node),
            "MaxPool" => self.pool(node, true),
            "AveragePool" => self.pool(node, false),
            "GlobalAveragePool" => self.whole_mean(node),
            "Flatten" => match integer(node, "axis", 1) {
                1 => self.flatten(node),
                axis => Err(format!("axis {axis}: only all axes but that of the samples are joined")),
            },
            "Reshape" => self.reshape(node),
            "Concat" => self.concat(node),
            "Add" => self.arithmetic(node, "+"),
            "Sub" => self.arithmetic(node, "-"),
            "Mul" => self.arithmetic(node, "*"),
            "Div" => self.arithmetic(node, "/"),
            _ => Err(String::from("there is no such layer")),
        }
    }

    fn add(&mut self, node: &Node, layer: Layer, from: Vec<From>, shape: Vec<usize>) -> Made<Value> {
        let name = node.output[0].to_string();
        self.layers.steps.push(Step { name, layer, from, shape: shape.clone() });
        Ok(Value::Signal(From::Step(self.layers.steps.len() - 1), shape))
    }

    fn signal(&self, node: &Node, index: usize) -> Made<(From, Vec<usize>)> {
        match node.input.get(index).and_then(|name| self.values.get(*name)) {
            Some(Value::Signal(from, shape)) => Ok((*from, shape.clone())),
            Some(Value::Constant(_) | Value::Unknown) | None => Err(format!("operand {index} is no signal")),
        }
    }

    fn floats(&self, node: &Node, index: usize) -> Made<Array> {
        match node.input.get(index).and_then(|name| self.values.get(*name)) {
            Some(Value::Constant(Constant::Floats(array))) => {
                let mut array = array.clone();
                if array.name.is_empty() {
                    array.name = node.input[index].to_string();
                }
                Ok(array)
            }
            Some(_) | None => Err(format!("operand {index} is not among the model's numbers")),
        }
    }

    /// The third operand of a layer, one number an output.
    fn bias(&self, node: &Node, outputs: usize) -> Made<Option<Array>> {
        if node.input.get(2).is_none_or(|name| name.is_empty()) {
            return Ok(None);
        }
        let mut bias = self.floats(node, 2)?;
        if bias.values.len() != outputs {
            return Err(format!("its bias is {:?}, not one number for each of {outputs} outputs", bias.shape));
        }
        bias.shape = vec![outputs];
        Ok(Some(bias))
    }

    fn function(&mut self, node: &Node, name: &'static str) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        self.add(node, Layer::Function(name), vec![from], shape)
    }

    fn softmax(&mut self, node: &Node) -> Made<Value> {
        let (_, shape) = self.signal(node, 0)?;
        match (integer(node, "axis", -1), shape.len()) {
            (1 | -1, 1) => self.function(node, "softmax"),
            (axis, _) => Err(format!("axis {axis} of {shape:?} a sample: only vectors have one")),
        }
    }

    fn gemm(&mut self, node: &Node) -> Made<Value> {
        let number = |name: &str| attribute(node, name).map_or(1.0, |a| a.f);
        if number("alpha") != 1.0 || number("beta") != 1.0 || integer(node, "transA", 0) != 0 {
            return Err(String::from("alpha and beta must be 1, transA 0"));
        }
        let weights = self.floats(node, 1)?;
        let weights = if integer(node, "transB", 0) != 0 { weights } else { turned(weights)? };
        let bias = self.bias(node, weights.shape.first().copied().unwrap_or(0))?;
        self.dense(node, weights, bias)
    }

    fn product(&mut self, node: &Node) -> Made<Value> {
        let weights = turned(self.floats(node, 1)?)?;
        self.dense(node, weights, None)
    }

    fn dense(&mut self, node: &Node, weights: Array, bias: Option<Array>) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        match weights.shape[..] {
            [outputs, inputs] if shape == [inputs] && outputs > 0 => {
                self.add(node, Layer::Dense { weights, bias }, vec![from], vec![outputs])
            }
            _ => Err(format!("weights {:?} do not fit a signal of {shape:?} a sample", weights.shape)),
        }
    }

    fn convolution(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let weights = self.floats(node, 1)?;
        let (&[channels, rows, columns], &[outputs, of_group, height, width]) = (&shape[..], &weights.shape[..]) else {
            return Err(format!("weights {:?} on {shape:?} a sample: only images are convolved", weights.shape));
        };
        let groups = size(integer(node, "group", 1))?;
        if of_group * groups != channels || !outputs.is_multiple_of(groups) || outputs * height * width == 0 {
            return Err(format!("weights {:?} do not fit {channels} channels in {groups} groups", weights.shape));
        }
        let (stride, dilation) = (alike(node, "strides", 1)?, alike(node, "dilations", 1)?);
        let padding = padding(node)?;
        let along = |size: usize, kernel: usize| windows(size, dilation * (kernel - 1) + 1, stride, padding);
        let shape = vec![outputs, along(rows, height)?, along(columns, width)?];
        let bias = self.bias(node, outputs)?;
        self.add(node, Layer::Convolution { weights, bias, stride, padding, dilation, groups }, vec![from], shape)
    }

    /// Scales and shifts the weights of the layer before, if nothing else reads it; else a convolution of single points does it.
    fn normalised(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|index| self.floats(node, index));
        let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
        let channels = shape.first().copied().unwrap_or(0);
        if integer(node, "training_mode", 0) != 0
            || [&scale, &shift, &mean, &variance].iter().any(|array| array.values.len() != channels)
        {
            return Err(String::from("it needs four numbers of every channel, found by a training before"));
        }
        let epsilon = attribute(node, "epsilon").map_or(1e-5, |a| a.f);
        let factor: Vec<f32> =
            scale.values.iter().zip(&variance.values).map(|(scale, v)| scale / (v + epsilon).sqrt()).collect();
        let added: Vec<f32> = (0..channels).map(|c| shift.values[c] - mean.values[c] * factor[c]).collect();
        if let (From::Step(step), Some(1)) = (from, self.uses.get(node.input[0]))
            && let Layer::Dense { weights, bias } | Layer::Convolution { weights, bias, .. } =
                &mut self.layers.steps[step].layer
        {
            let each = weights.values.len() / channels.max(1);
            for (row, factor) in weights.values.chunks_mut(each.max(1)).zip(&factor) {
                row.iter_mut().for_each(|weight| *weight *= factor);
            }
            let bias = bias.get_or_insert_with(|| Array { values: vec![0.0; channels], ..shift });
            bias.shape = vec![channels];
            for ((bias, factor), added) in bias.values.iter_mut().zip(&factor).zip(&added) {
                *bias = *bias * factor + added;
            }
            return Ok(Value::Signal(from, shape));
        }
        let (weights, bias) = (
            Array { shape: vec![channels, 1, 1, 1], values: factor, ..scale },
            Some(Array { shape: vec![channels], values: added, ..shift }),
        );
        match shape[..] {
            [_, _, _] => {
                let (stride, padding, dilation, groups) = (1, 0, 1, channels);
                let layer = Layer::Convolution { weights, bias, stride, padding, dilation, groups };
                self.add(node, layer, vec![from], shape)
            }
            _ => Err(String::from("it follows no layer of its own, and is of no image")),
        }
    }

    fn pool(&mut self, node: &Node, largest: bool) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let &[channels, rows, columns] = &shape[..] else { return Err(format!("it pools {shape:?}, no image")) };
        let kernel = alike(node, "kernel_shape", 0)?;
        let (stride, padding) = (alike(node, "strides", 1)?, padding(node)?);
        if integer(node, "ceil_mode", 0) != 0 || alike(node, "dilations", 1)? != 1 || kernel <= padding {
            return Err(String::from(
                "windows lie side by side and whole: no ceil_mode, no dilation, pads less than the kernel",
            ));
        }
        if !largest && padding > 0 && integer(node, "count_include_pad", 0) == 0 {
            return Err(String::from("a mean counts its padding: count_include_pad"));
        }
        let shape = vec![channels, windows(rows, kernel, stride, padding)?, windows(columns, kernel, stride, padding)?];
        self.add(node, Layer::Pool { largest, size: kernel, stride, padding }, vec![from], shape)
    }

    fn whole_mean(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        match shape[..] {
            [channels, rows, columns] if rows == columns => {
                let layer = Layer::Pool { largest: false, size: rows, stride: rows, padding: 0 };
                self.add(node, layer, vec![from], vec![channels, 1, 1])
            }
            _ => Err(format!("it takes the mean of {shape:?}, no square image")),
        }
    }

    fn flatten(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let len = shape.iter().product();
        self.add(node, Layer::Flatten, vec![from], vec![len])
    }

    fn reshape(&mut self, node: &Node) -> Made<Value> {
        let (from, before) = self.signal(node, 0)?;
        let to = match node.input.get(1).and_then(|name| self.values.get(*name)) {
            Some(Value::Constant(Constant::Integers(to))) => to.clone(),
            Some(_) | None => return Err(String::from("its shape is computed, not given")),
        };
        let len: usize = before.iter().product();
        let given = to.get(1..).unwrap_or_default();
        let known: usize = given.iter().filter_map(|&len| usize::try_from(len).ok()).product();
        let free = given.iter().filter(|len| **len < 0).count();
        let shape: Vec<usize> = given.iter().map(|&of| usize::try_from(of).unwrap_or(len / known.max(1))).collect();
        if shape.is_empty() || free > 1 || (free == 1 && to[0] < 0) || shape.iter().product::<usize>() != len {
            return Err(format!("{before:?} a sample to {to:?}: the first axis is that of the samples"));
        }
        let layer = if shape.len() == 1 { Layer::Flatten } else { Layer::Reshape };
        self.add(node, layer, vec![from], shape)
    }

    fn concat(&mut self, node: &Node) -> Made<Value> {
        let parts = (0..node.input.len()).map(|index| self.signal(node, index)).collect::<Made<Vec<_>>>()?;
        let first = parts
            .first()
            .map(|(_, shape)| shape.clone())
            .filter(|shape| !shape.is_empty())
            .ok_or("it joins nothing")?;
        if integer(node, "axis", 1) != 1 || parts.iter().any(|(_, shape)| shape[1..] != first[1..]) {
            return Err(String::from("signals are joined along their first axis (axis 1)"));
        }
        let mut shape = first;
        shape[0] = parts.iter().map(|(_, shape)| shape[0]).sum();
        self.add(node, Layer::Concat, parts.into_iter().map(|(from, _)| from).collect(), shape)
    }

    fn arithmetic(&mut self, node: &Node, sign: &'static str) -> Made<Value> {
        if let (Ok((a, of_a)), Ok((b, of_b))) = (self.signal(node, 0), self.signal(node, 1)) {
            if of_a != of_b {
                return Err(format!("of {of_a:?} and {of_b:?}: shapes must be the same"));
            }
            return self.add(node, Layer::Arithmetic { sign, number: None }, vec![a, b], of_a);
        }
        let (signal, number) = match self.signal(node, 0) {
            Ok(_) => (0, 1),
            // What has no order may stand in any.
            Err(_) if matches!(sign, "+" | "*") => (1, 0),
            Err(why) => return Err(why),
        };
        let ((from, shape), number) = (self.signal(node, signal)?, self.floats(node, number)?);
        // The bias of a product.
        if let (From::Step(step), Some(1), "+") = (from, self.uses.get(node.input[signal]), sign)
            && let Layer::Dense { bias: bias @ None, .. } = &mut self.layers.steps[step].layer
            && shape == [number.values.len()]
        {
            *bias = Some(Array { shape: shape.clone(), ..number });
            return Ok(Value::Signal(from, shape));
        }
        match number.values[..] {
            [number] => self.add(node, Layer::Arithmetic { sign, number: Some(number) }, vec![from], shape),
            _ => Err(format!("of {shape:?} a sample and {:?} numbers: one number, or a bias", number.shape)),
        }
    }
}

fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute<'a>> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn integer(node: &Node, name: &str, otherwise: i64) -> i64 {
    attribute(node, name).map_or(otherwise, |attribute| attribute.i)
}

fn size(number: i64) -> Made<usize> {
    usize::try_from(number)
        .ok()
        .filter(|size| (1..1 << 16).contains(size))
        .ok_or_else(|| format!("{number} is no size"))
}

/// A number that is the same along both axes.
fn alike(node: &Node, name: &str, otherwise: i64) -> Made<usize> {
    let numbers = attribute(node, name).map_or(&[][..], |attribute| &attribute.ints);
    match numbers {
        [] => size(otherwise),
        [first, rest @ ..] if rest.len() == 1 && rest[0] == *first => size(*first),
        _ => Err(format!("{name} {numbers:?}: rows and columns must be the same")),
    }
}

/// Zeros on all four sides.
fn padding(node: &Node) -> Made<usize> {
    if !matches!(attribute(node, "auto_pad").map_or(&b"NOTSET"[..], |attribute| attribute.s), b"NOTSET" | b"VALID") {
        return Err(String::from("auto_pad: give pads"));
    }
    match attribute(node, "pads").map_or(&[][..], |attribute| &attribute.ints) {
        [] => Ok(0),
        [first, rest @ ..] if *first >= 0 && rest.len() == 3 && rest.iter().all(|pad| pad == first) => {
            usize::try_from(*first).ok().filter(|pad| *pad < 1 << 16).ok_or_else(|| String::from("pads are too large"))
        }
        pads => Err(format!("pads {pads:?}: all sides must be the same")),
    }
}

/// How many windows lie along an axis.
fn windows(size: usize, reach: usize, stride: usize, padding: usize) -> Made<usize> {
    let room = (size + 2 * padding).checked_sub(reach).ok_or("its windows are larger than the image")?;
    Ok(room / stride + 1)
}

/// [inputs, outputs] as [outputs, inputs].
fn turned(weights: Array) -> Made<Array> {
    let &[inputs, outputs] = &weights.shape[..] else {
        return Err(format!("weights {:?} are no matrix", weights.shape));
    };
    let at = |output: usize, input: usize| weights.values[input * outputs + output];
    let values = (0..outputs).flat_map(|output| (0..inputs).map(move |input| (output, input)));
    let values = values.map(|(output, input)| at(output, input)).collect();
    Ok(Array { shape: vec![outputs, inputs], values, name: weights.name })
}
