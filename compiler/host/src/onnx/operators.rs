//! Operators of ONNX as layers of the language: products, and what all operators share. An error says in words why one cannot be had.

use onnx_rs::ast::{Attribute, Node};

use super::graph::{Constant, Made, Reader, Value};
use crate::layers::{Array, From, Layer, Step};

impl Reader {
    pub fn step(&mut self, name: String, layer: Layer, from: Vec<From>, shape: Vec<usize>) -> From {
        self.layers.steps.push(Step { name, layer, from, shape });
        From::Step(self.layers.steps.len() - 1)
    }

    /// What a node gives.
    pub fn add(&mut self, node: &Node, layer: Layer, from: Vec<From>, shape: Vec<usize>) -> Made<Value> {
        Ok(Value::Signal(self.step(node.output[0].to_string(), layer, from, shape.clone()), shape))
    }

    pub fn signal(&self, node: &Node, index: usize) -> Made<(From, Vec<usize>)> {
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
    pub fn bias(&self, node: &Node, outputs: usize) -> Made<Option<Array>> {
        if node.input.get(2).is_none_or(|name| name.is_empty()) {
            return Ok(None);
        }
        let mut bias = self.floats(node, 2)?;
        if let [same] = bias.values[..] {
            bias.values = vec![same; outputs];
        }
        if bias.values.len() != outputs {
            return Err(format!("its bias is {:?}, not one number for each of {outputs} outputs", bias.shape));
        }
        bias.shape = vec![outputs];
        Ok(Some(bias))
    }

    pub fn softmax(&mut self, node: &Node) -> Made<Value> {
        self.of_a_vector(node)?;
        self.function(node, "softmax")
    }

    pub fn hardmax(&mut self, node: &Node) -> Made<Value> {
        self.of_a_vector(node)?;
        self.function(node, "winner_take_all")
    }

    pub fn log_softmax(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.of_a_vector(node)?;
        let share = Layer::Function("softmax");
        let share = self.step(format!("{}_share", node.output[0]), share, vec![from], shape.clone());
        // The least share that single precision has.
        self.add(node, Layer::Formula(String::from("log(max({0}, 1.2e-38))")), vec![share], shape)
    }

    /// The signal that a node takes, of which a sample is a vector, over all of its elements.
    pub fn of_a_vector(&self, node: &Node) -> Made<(From, Vec<usize>)> {
        let (from, shape) = self.signal(node, 0)?;
        match (integer(node, "axis", -1), shape.len()) {
            (1 | -1, 1) => Ok((from, shape)),
            (axis, _) => Err(format!("axis {axis} of {shape:?} a sample: only vectors have one")),
        }
    }

    pub fn gemm(&mut self, node: &Node) -> Made<Value> {
        if integer(node, "transA", 0) != 0 {
            return Err(String::from("transA must be 0"));
        }
        let (alpha, beta) = (real(node, "alpha", 1.0), real(node, "beta", 1.0));
        let times = |array: &mut Array, factor: f64| {
            array.values.iter_mut().for_each(|value| *value = single(*value * factor));
        };
        let weights = self.floats(node, 1)?;
        let mut weights = if integer(node, "transB", 0) != 0 { weights } else { turned(weights)? };
        let mut bias = self.bias(node, weights.shape.first().copied().unwrap_or(0))?;
        times(&mut weights, alpha);
        if let Some(bias) = &mut bias {
            times(bias, beta);
        }
        self.dense(node, weights, bias)
    }

    pub fn product(&mut self, node: &Node) -> Made<Value> {
        let weights = turned(self.floats(node, 1)?)?;
        self.dense(node, weights, None)
    }

    fn dense(&mut self, node: &Node, mut weights: Array, mut bias: Option<Array>) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let outputs = match weights.shape[..] {
            [outputs, inputs] if shape == [inputs] && outputs > 0 => outputs,
            _ => return Err(format!("weights {:?} do not fit a signal of {shape:?} a sample", weights.shape)),
        };
        // A number for each input, as before the first layer of a network, goes into the weights.
        if let (From::Step(step), Some(1)) = (from, self.uses.get(node.input[0]))
            && let Some((factors, added)) = diagonal(&self.layers.steps[step].layer)
        {
            if let Some(added) = added {
                let rows = weights.values.chunks(shape[0]);
                let sums = rows.map(|row| row.iter().zip(&added.values).map(|(w, x)| w * x).sum::<f64>());
                let before = bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| bias.values.clone());
                let values = before.iter().zip(sums).map(|(bias, sum)| single(bias + sum)).collect();
                let name = bias.map_or(added.name, |bias| bias.name);
                bias = Some(Array { name, shape: vec![outputs], values });
            }
            for row in weights.values.chunks_mut(shape[0]) {
                row.iter_mut().zip(&factors).for_each(|(weight, factor)| *weight = single(*weight * factor));
            }
            let name = node.output[0].to_string();
            let before = self.layers.steps[step].from.clone();
            let shape = vec![outputs];
            self.layers.steps[step] =
                Step { name, layer: Layer::Dense { weights, bias }, from: before, shape: shape.clone() };
            return Ok(Value::Signal(from, shape));
        }
        self.add(node, Layer::Dense { weights, bias }, vec![from], vec![outputs])
    }
}

/// Numbers of a layer that takes each input by itself.
fn diagonal(layer: &Layer) -> Option<(Vec<f64>, Option<Array>)> {
    let Layer::Dense { weights, bias } = layer else { return None };
    let &[outputs, inputs] = &weights.shape[..] else { return None };
    let alone = |(at, weight): (usize, &f64)| *weight == 0.0 || at / inputs == at % inputs;
    (outputs == inputs && weights.values.iter().enumerate().all(alone))
        .then(|| (weights.values.iter().step_by(inputs + 1).copied().collect(), bias.clone()))
}

pub fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute<'a>> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

pub fn integer(node: &Node, name: &str, otherwise: i64) -> i64 {
    attribute(node, name).map_or(otherwise, |attribute| attribute.i)
}

pub fn real(node: &Node, name: &str, otherwise: f32) -> f64 {
    f64::from(attribute(node, name).map_or(otherwise, |attribute| attribute.f))
}

pub fn size(number: i64) -> Made<usize> {
    usize::try_from(number)
        .ok()
        .filter(|size| (1..1 << 16).contains(size))
        .ok_or_else(|| format!("{number} is no size"))
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
