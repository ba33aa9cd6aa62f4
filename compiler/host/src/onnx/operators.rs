//! Operators of ONNX as layers of the language, one by one; the error says in words why one cannot be had.

use onnx_rs::ast::{Attribute, Node};

use super::graph::{Constant, Made, Reader, Value};
use crate::layers::{Array, From, Layer, Step};

impl Reader {
    fn add(&mut self, node: &Node, layer: Layer, from: Vec<From>, shape: Vec<usize>) -> Made<Value> {
        let name = node.output[0].to_string();
        self.layers.steps.push(Step { name, layer, from, shape: shape.clone() });
        Ok(Value::Signal(From::Step(self.layers.steps.len() - 1), shape))
    }

    fn signal(&self, node: &Node, index: usize) -> Made<(From, Vec<usize>)> {
        match node.input.get(index).and_then(|name| self.values.get(*name)) {
            Some(Value::Signal(from, shape)) => Ok((*from, shape.clone())),
            Some(Value::Sequence(_)) => Err(format!("operand {index} is a sequence: recurrent layers alone take one")),
            Some(Value::Constant(_) | Value::Lasts(_) | Value::Sizes | Value::Zeros | Value::Unknown) | None => {
                Err(format!("operand {index} is no signal"))
            }
        }
    }

    pub fn floats(&self, node: &Node, index: usize) -> Made<Array> {
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

    pub fn function(&mut self, node: &Node, name: &'static str) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        self.add(node, Layer::Function(name), vec![from], shape)
    }

    pub fn softmax(&mut self, node: &Node) -> Made<Value> {
        let (_, shape) = self.signal(node, 0)?;
        match (integer(node, "axis", -1), shape.len()) {
            (1 | -1, 1) => self.function(node, "softmax"),
            (axis, _) => Err(format!("axis {axis} of {shape:?} a sample: only vectors have one")),
        }
    }

    pub fn gemm(&mut self, node: &Node) -> Made<Value> {
        let number = |name: &str| attribute(node, name).map_or(1.0, |a| a.f);
        if number("alpha") != 1.0 || number("beta") != 1.0 || integer(node, "transA", 0) != 0 {
            return Err(String::from("alpha and beta must be 1, transA 0"));
        }
        let weights = self.floats(node, 1)?;
        let weights = if integer(node, "transB", 0) != 0 { weights } else { turned(weights)? };
        let bias = self.bias(node, weights.shape.first().copied().unwrap_or(0))?;
        self.dense(node, weights, bias)
    }

    pub fn product(&mut self, node: &Node) -> Made<Value> {
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

    pub fn convolution(&mut self, node: &Node) -> Made<Value> {
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
    pub fn normalised(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|index| self.floats(node, index));
        let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
        let channels = shape.first().copied().unwrap_or(0);
        if integer(node, "training_mode", 0) != 0
            || [&scale, &shift, &mean, &variance].iter().any(|array| array.values.len() != channels)
        {
            return Err(String::from("it needs four numbers of every channel, found by a training before"));
        }
        let epsilon = attribute(node, "epsilon").map_or(1e-5, |a| f64::from(a.f));
        let factor: Vec<f64> =
            scale.values.iter().zip(&variance.values).map(|(scale, v)| single(scale / (v + epsilon).sqrt())).collect();
        let added: Vec<f64> = (0..channels).map(|c| single(shift.values[c] - mean.values[c] * factor[c])).collect();
        if let (From::Step(step), Some(1)) = (from, self.uses.get(node.input[0]))
            && let Layer::Dense { weights, bias } | Layer::Convolution { weights, bias, .. } =
                &mut self.layers.steps[step].layer
        {
            let each = weights.values.len() / channels.max(1);
            for (row, factor) in weights.values.chunks_mut(each.max(1)).zip(&factor) {
                row.iter_mut().for_each(|weight| *weight = single(*weight * factor));
            }
            let bias = bias.get_or_insert_with(|| Array { values: vec![0.0; channels], ..shift });
            bias.shape = vec![channels];
            for ((bias, factor), added) in bias.values.iter_mut().zip(&factor).zip(&added) {
                *bias = single(*bias * factor + added);
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

    pub fn pool(&mut self, node: &Node, largest: bool) -> Made<Value> {
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

    pub fn whole_mean(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        match shape[..] {
            [channels, rows, columns] if rows == columns => {
                let layer = Layer::Pool { largest: false, size: rows, stride: rows, padding: 0 };
                self.add(node, layer, vec![from], vec![channels, 1, 1])
            }
            _ => Err(format!("it takes the mean of {shape:?}, no square image")),
        }
    }

    pub fn flatten(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let len = shape.iter().product();
        self.add(node, Layer::Flatten, vec![from], vec![len])
    }

    pub fn reshape(&mut self, node: &Node) -> Made<Value> {
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

    pub fn concat(&mut self, node: &Node) -> Made<Value> {
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

    pub fn arithmetic(&mut self, node: &Node, sign: &'static str) -> Made<Value> {
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

pub fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute<'a>> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

pub fn integer(node: &Node, name: &str, otherwise: i64) -> i64 {
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

/// In the precision of models.
pub fn single(value: f64) -> f64 {
    f64::from(value as f32)
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
