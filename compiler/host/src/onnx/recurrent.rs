//! Recurrent operators of ONNX (LSTM, GRU, RNN) as states of a network, and what carries their sequences about.

use onnx_rs::ast::Node;

use super::graph::{Constant, Made, Reader, Value};
use super::operators::{attribute, integer, single};
use crate::layers::{Array, From, Layer, Shown, State};

/// What an axis of a sequence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    Samples,
    Steps,
    Features,
    /// Directions: one. Of last states that are joined, as many as they are.
    One,
}

use Axis::{Features, One, Samples, Steps};

/// A signal at every step.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// At a step.
    pub from: From,
    pub features: usize,
    pub steps: usize,
    /// Its state after the last step; none: an input.
    pub last: Option<usize>,
    pub axes: Vec<Axis>,
}

/// Last states of recurrent layers, side by side.
#[derive(Debug, Clone)]
pub struct Lasts {
    states: Vec<usize>,
    features: usize,
    axes: Vec<Axis>,
}

impl Reader {
    fn first(&self, node: &Node) -> Option<Value> {
        self.values.get(*node.input.first()?).cloned()
    }

    /// [samples, steps, features] becomes [steps, samples, features], and so on: axes are named, nothing moves.
    pub fn transposed(&mut self, node: &Node) -> Made<Value> {
        let order: Vec<usize> =
            attribute(node, "perm").map_or(Vec::new(), |a| a.ints.iter().map(|&n| n as usize).collect());
        let turned = |axes: &[Axis]| {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            let whole = sorted.into_iter().eq(0..axes.len());
            let axes: Option<Vec<Axis>> = order.iter().map(|&at| axes.get(at).copied()).collect();
            axes.filter(|_| whole).ok_or(String::from("its order is no permutation"))
        };
        match self.first(node) {
            Some(Value::Sequence(sequence)) if order.len() == sequence.axes.len() => {
                Ok(Value::Sequence(Sequence { axes: turned(&sequence.axes)?, ..sequence }))
            }
            Some(Value::Lasts(lasts)) if order.len() == lasts.axes.len() => {
                Ok(Value::Lasts(Lasts { axes: turned(&lasts.axes)?, ..lasts }))
            }
            Some(Value::Signal(From::Input(input), shape)) if order == [1, 0, 2] && shape.len() == 2 => self
                .stepped(input, &shape)
                .map(|sequence| Value::Sequence(Sequence { axes: vec![Steps, Samples, Features], ..sequence })),
            Some(Value::Signal(_, shape)) => self.turned_signal(node, &order, &shape),
            _ => Err(String::from("only sequences on their way to recurrent layers are turned")),
        }
    }

    /// An input of [steps, features] is shown step by step.
    fn stepped(&mut self, input: usize, shape: &[usize]) -> Made<Sequence> {
        let &[steps, features] = shape else { return Err(format!("{shape:?} a sample: not steps of features")) };
        let known = &mut self.layers.inputs[input].1;
        if known.len() == 2 && self.layers.steps.iter().any(|step| step.from.contains(&From::Input(input))) {
            return Err(String::from("its input is read both whole and step by step"));
        }
        *known = vec![features];
        self.layers.shown = Shown::Stepped;
        Ok(Sequence { from: From::Input(input), features, steps, last: None, axes: vec![Samples, Steps, Features] })
    }

    /// Takes axes of one element away.
    pub fn squeezed(&mut self, node: &Node) -> Made<Value> {
        if let Some(Value::Signal(_, shape)) = self.first(node) {
            return self.without_axes(node, &shape);
        }
        let axes = self.integers(node, 1, "axes")?.unwrap_or_default();
        let [axis] = axes[..] else { return Err(format!("axes {axes:?}: one axis is taken away")) };
        let without = |all: &[Axis]| {
            let at = usize::try_from(if axis < 0 { axis + all.len() as i64 } else { axis }).unwrap_or(usize::MAX);
            let mut rest = all.to_vec();
            match all.get(at) {
                Some(One) => {
                    rest.remove(at);
                    Ok(rest)
                }
                Some(_) | None => Err(format!("axis {axis} is none of one element")),
            }
        };
        match self.first(node) {
            Some(Value::Sequence(sequence)) => {
                Ok(Value::Sequence(Sequence { axes: without(&sequence.axes)?, ..sequence }))
            }
            Some(Value::Lasts(lasts)) if lasts.states.len() == 1 => {
                let axes = without(&lasts.axes)?;
                Ok(self.settled(Lasts { axes, ..lasts }))
            }
            Some(Value::Sizes) => Ok(Value::Sizes),
            Some(Value::Zeros) => Ok(Value::Zeros),
            _ => Err(String::from("only axes of recurrent layers are taken away")),
        }
    }

    /// Last states as a signal, once nothing but samples and features is left of their axes.
    fn settled(&self, lasts: Lasts) -> Value {
        match (&lasts.axes[..], &lasts.states[..]) {
            ([Samples, Features], &[state]) => Value::Signal(From::State(state), vec![lasts.features]),
            (_, _) => Value::Lasts(lasts),
        }
    }

    /// A sequence whose direction is merged into its features.
    pub fn merged(&mut self, node: &Node) -> Option<Made<Value>> {
        let sizes = match node.input.get(1).and_then(|name| self.values.get(*name)) {
            Some(Value::Constant(Constant::Integers(sizes))) => Some(sizes.clone()),
            Some(_) | None => None,
        };
        match self.first(node) {
            Some(Value::Sizes) => Some(Ok(Value::Sizes)),
            Some(Value::Sequence(sequence)) => {
                let axes: Vec<Axis> = sequence.axes.iter().copied().filter(|axis| *axis != One).collect();
                let fits = sizes.is_none_or(|sizes| {
                    let len = |axis: &Axis| match axis {
                        Steps => Some(sequence.steps as i64),
                        Features => Some(sequence.features as i64),
                        Samples | One => None,
                    };
                    let same = |(size, axis): (&i64, &Axis)| len(axis).is_none_or(|len| *size == len || *size <= 0);
                    sizes.len() == axes.len() && sizes.iter().zip(&axes).all(same)
                });
                Some(match fits {
                    true => Ok(Value::Sequence(Sequence { axes, ..sequence })),
                    false => Err(String::from("only the direction of a sequence is merged")),
                })
            }
            _ => None,
        }
    }

    /// The last step of a sequence, one of the last states, or a number about sizes.
    pub fn gathered(&mut self, node: &Node) -> Made<Value> {
        let index = match node.input.get(1).and_then(|name| self.values.get(*name)) {
            Some(Value::Constant(Constant::Integers(index))) if index.len() == 1 => index[0],
            Some(_) | None => return Err(String::from("its index is computed, or several")),
        };
        let axis = integer(node, "axis", 0);
        let at = |axes: &[Axis]| usize::try_from(if axis < 0 { axis + axes.len() as i64 } else { axis }).ok();
        match self.first(node) {
            Some(Value::Sizes) => Ok(Value::Sizes),
            Some(Value::Sequence(sequence)) => {
                let at = at(&sequence.axes).filter(|at| sequence.axes.get(*at) == Some(&Steps));
                let last = index == -1 || index == sequence.steps as i64 - 1;
                let (Some(at), true, Some(state)) = (at, last, sequence.last) else {
                    return Err(String::from("of a sequence only the last step of a recurrent layer is taken"));
                };
                let mut axes = sequence.axes;
                axes.remove(at);
                Ok(self.settled(Lasts { states: vec![state], features: sequence.features, axes }))
            }
            Some(Value::Lasts(lasts)) => {
                let at = at(&lasts.axes).filter(|at| lasts.axes.get(*at) == Some(&One));
                let count = lasts.states.len() as i64;
                let number = usize::try_from(if index < 0 { index + count } else { index }).ok();
                let (Some(at), Some(&state)) = (at, number.and_then(|number| lasts.states.get(number))) else {
                    return Err(format!("there is no last state {index}"));
                };
                let mut axes = lasts.axes;
                axes.remove(at);
                Ok(self.settled(Lasts { states: vec![state], axes, ..lasts }))
            }
            _ => Err(String::from("only last steps of recurrent layers are taken")),
        }
    }

    /// Sizes put together, or last states of several layers.
    pub fn joined(&mut self, node: &Node) -> Option<Made<Value>> {
        let parts: Vec<Value> = node.input.iter().filter_map(|name| self.values.get(*name).cloned()).collect();
        if parts.iter().any(|part| matches!(part, Value::Sizes)) {
            return Some(Ok(Value::Sizes));
        }
        let lasts: Vec<Lasts> = parts
            .iter()
            .filter_map(|part| if let Value::Lasts(lasts) = part { Some(lasts.clone()) } else { None })
            .collect();
        let first = lasts.first().filter(|_| lasts.len() == parts.len())?;
        let axis = integer(node, "axis", 0);
        let along = usize::try_from(axis).ok().and_then(|at| first.axes.get(at)) == Some(&One);
        let alike = lasts.iter().all(|other| other.axes == first.axes && other.features == first.features);
        Some(match along && alike {
            true => Ok(Value::Lasts(Lasts {
                states: lasts.iter().flat_map(|lasts| lasts.states.clone()).collect(),
                ..first.clone()
            })),
            false => Err(String::from("last states are joined layer by layer")),
        })
    }

    /// Where a recurrent layer starts: at zeros, however they are made.
    pub fn zeros(&mut self, node: &Node) -> Made<Value> {
        let filled = match node.op_type.as_str() {
            // Without a value it is 0.
            "ConstantOfShape" => attribute(node, "value")
                .and_then(|a| a.t.as_ref())
                .map_or(Some(0.0), |tensor| tensor.as_f32().and_then(|values| values.first().copied())),
            _ => self.floats(node, 0).ok().filter(|array| array.values.iter().all(|v| *v == 0.0)).map(|_| 0.0),
        };
        match filled {
            Some(0.0) => Ok(Value::Zeros),
            Some(_) | None => Err(String::from("only zeros are made, for recurrent layers to start from")),
        }
    }

    fn starts_at_zero(&self, node: &Node, index: usize) -> bool {
        match node.input.get(index).filter(|name| !name.is_empty()).and_then(|name| self.values.get(*name)) {
            None | Some(Value::Zeros) => true,
            Some(Value::Constant(Constant::Floats(array))) => array.values.iter().all(|value| *value == 0.0),
            Some(_) => false,
        }
    }

    /// LSTM, GRU or RNN: its states, what they become, and all that it gives.
    pub fn recurrent(&mut self, node: &Node) -> Made<Value> {
        let kind = node.op_type.as_str();
        let sequence = match self.first(node) {
            Some(Value::Sequence(sequence)) if sequence.axes == [Steps, Samples, Features] => sequence,
            _ => {
                return Err(String::from(
                    "it takes a sequence that starts with samples, turned to [steps, samples, features]",
                ));
            }
        };
        let forward = attribute(node, "direction").is_none_or(|a| a.s == b"forward");
        let wanted: &[&[&[u8]]] = match kind {
            "LSTM" => &[&[b"Sigmoid", b"Tanh", b"Tanh"]],
            "GRU" => &[&[b"Sigmoid", b"Tanh"]],
            _ => &[&[b"Tanh"], &[b"Relu"]],
        };
        let given = attribute(node, "activations").map_or(&[][..], |a| &a.strings);
        if !forward || integer(node, "layout", 0) != 0 || attribute(node, "clip").is_some() {
            return Err(String::from("it goes forward, steps first, without clip"));
        }
        if !given.is_empty() && wanted.iter().all(|wanted| *wanted != given) {
            return Err(String::from("its functions are not the usual ones"));
        }
        let peepholes = node.input.get(7).is_some_and(|name| !name.is_empty());
        if peepholes || !self.starts_at_zero(node, 5) || !self.starts_at_zero(node, 6) {
            return Err(String::from("it starts from zeros, without peepholes"));
        }
        let (input, back) = (self.floats(node, 1)?, self.floats(node, 2)?);
        let gates = match kind {
            "LSTM" => 4,
            "GRU" => 3,
            _ => 1,
        };
        let (&[1, rows, inputs], &[1, also, hidden]) = (&input.shape[..], &back.shape[..]) else {
            return Err(format!("weights {:?} and {:?}: of one direction", input.shape, back.shape));
        };
        if rows != gates * hidden || also != rows || inputs != sequence.features || hidden == 0 {
            return Err(format!("weights {:?} and {:?} do not fit", input.shape, back.shape));
        }
        let bias = match node.input.get(3).filter(|name| !name.is_empty()) {
            Some(_) => self.floats(node, 3)?.values,
            None => vec![0.0; 2 * rows],
        };
        if bias.len() != 2 * rows {
            return Err(format!("its bias has {} numbers, not {}", bias.len(), 2 * rows));
        }
        let name = self.named(node);
        let of = Weights { name, sequence: &sequence, input: &input.values, back: &back.values, bias: &bias, hidden };
        let (next, states) = match kind {
            "LSTM" => self.lstm(&of),
            "GRU" => self.gru(&of, integer(node, "linear_before_reset", 0) != 0),
            _ => self.rnn(&of, if given == [b"Relu"] { "relu" } else { "tanh" }),
        };
        for (&name, &state) in node.output.iter().skip(1).zip(&states) {
            let lasts = Lasts { states: vec![state], features: hidden, axes: vec![One, Samples, Features] };
            self.values.insert(name.to_string(), Value::Lasts(lasts));
        }
        let axes = vec![Steps, One, Samples, Features];
        Ok(Value::Sequence(Sequence {
            from: next,
            features: hidden,
            steps: sequence.steps,
            last: Some(states[0]),
            axes,
        }))
    }

    /// `/rnn/LSTM` is `rnn`; what has no name is called by its operator. No two are called alike.
    fn named(&self, node: &Node) -> String {
        let kind = node.op_type.as_str();
        let parts = node.name.split('/').filter(|part| !part.is_empty() && !part.starts_with(kind));
        let name = parts.collect::<Vec<_>>().join("_");
        let base = if name.is_empty() || name.starts_with("node_") { kind.to_lowercase() } else { name };
        let taken = |name: &str| self.layers.states.iter().any(|state| state.name == format!("{name}_h"));
        let mut names = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}_{number}")));
        names.find(|name| !taken(name)).unwrap_or(base)
    }

    fn state(&mut self, of: &Weights, name: &str) -> usize {
        let name = format!("{}_{name}", of.name);
        self.layers.states.push(State { name, len: of.hidden, next: None });
        self.layers.states.len() - 1
    }

    /// A layer of rows of the weights on the input and the state (or something like it).
    fn gates(&mut self, of: &Weights, what: &str, rows: std::ops::Range<usize>, (x, h): (bool, Option<From>)) -> From {
        let inputs = of.sequence.features;
        let mut values = Vec::new();
        let mut bias = Vec::new();
        let all = of.bias.len() / 2;
        for row in rows.clone() {
            let (mut own, mut added): (Vec<f64>, f64) = (Vec::new(), 0.0);
            if x {
                own.extend(&of.input[row * inputs..(row + 1) * inputs]);
                added += of.bias[row];
            }
            if h.is_some() {
                own.extend(&of.back[row * of.hidden..(row + 1) * of.hidden]);
                added += of.bias[all + row];
            }
            values.extend(own);
            bias.push(single(added));
        }
        let taken: Vec<From> = x.then_some(of.sequence.from).into_iter().chain(h).collect();
        let width = if x { inputs } else { 0 } + if h.is_some() { of.hidden } else { 0 };
        let name = format!("{}.{what}", of.name);
        let both = match taken[..] {
            [one] => one,
            _ => self.step(format!("{name} in"), Layer::Concat, taken, vec![width]),
        };
        let array =
            |end: &str, shape: Vec<usize>, values: Vec<f64>| Array { name: format!("{name}.{end}"), shape, values };
        let weights = array("weight", vec![rows.len(), width], values);
        let bias = Some(array("bias", vec![rows.len()], bias));
        self.step(name, Layer::Dense { weights, bias }, vec![both], vec![rows.len()])
    }

    /// Gates in ONNX's order: input, output, forget, cell.
    fn lstm(&mut self, of: &Weights) -> (From, Vec<usize>) {
        let n = of.hidden;
        let (h, c) = (self.state(of, "h"), self.state(of, "c"));
        let z = self.gates(of, "gates", 0..4 * n, (true, Some(From::State(h))));
        let kept = format!("sigmoid({{0}}[{}..{}]) * {{1}}", 2 * n, 3 * n);
        let taken = format!("sigmoid({{0}}[0..{n}]) * tanh({{0}}[{}..{}])", 3 * n, 4 * n);
        let cell = Layer::Formula(format!("{kept} + {taken}"));
        let cell = self.step(format!("{}_cell", of.name), cell, vec![z, From::State(c)], vec![n]);
        let out = Layer::Formula(format!("sigmoid({{0}}[{n}..{}]) * tanh({{1}})", 2 * n));
        let out = self.step(format!("{}_out", of.name), out, vec![z, cell], vec![n]);
        (self.layers.states[h].next, self.layers.states[c].next) = (Some(out), Some(cell));
        (out, vec![h, c])
    }

    /// Gates in ONNX's order: update, reset, hidden.
    fn gru(&mut self, of: &Weights, linear_before_reset: bool) -> (From, Vec<usize>) {
        let n = of.hidden;
        let h = self.state(of, "h");
        let z = self.gates(of, "gates", 0..2 * n, (true, Some(From::State(h))));
        let reset = format!("sigmoid({{0}}[{n}..{}])", 2 * n);
        let new = if linear_before_reset {
            let (x, h) = (
                self.gates(of, "new", 2 * n..3 * n, (true, None)),
                self.gates(of, "reset", 2 * n..3 * n, (false, Some(From::State(h)))),
            );
            let sum = Layer::Formula(format!("tanh({{1}} + {reset} * {{2}})"));
            self.step(format!("{}_new", of.name), sum, vec![z, x, h], vec![n])
        } else {
            let kept = Layer::Formula(format!("{reset} * {{1}}"));
            let kept = self.step(format!("{}_kept", of.name), kept, vec![z, From::State(h)], vec![n]);
            let sum = self.gates(of, "new", 2 * n..3 * n, (true, Some(kept)));
            self.step(format!("{}_new", of.name), Layer::Function("tanh"), vec![sum], vec![n])
        };
        let out = Layer::Formula(format!("(1 - sigmoid({{0}}[0..{n}])) * {{1}} + sigmoid({{0}}[0..{n}]) * {{2}}"));
        let out = self.step(format!("{}_out", of.name), out, vec![z, new, From::State(h)], vec![n]);
        self.layers.states[h].next = Some(out);
        (out, vec![h])
    }

    fn rnn(&mut self, of: &Weights, function: &'static str) -> (From, Vec<usize>) {
        let h = self.state(of, "h");
        let z = self.gates(of, "mixed", 0..of.hidden, (true, Some(From::State(h))));
        let out = self.step(format!("{}_out", of.name), Layer::Function(function), vec![z], vec![of.hidden]);
        self.layers.states[h].next = Some(out);
        (out, vec![h])
    }
}

/// A recurrent layer's numbers.
struct Weights<'a> {
    name: String,
    sequence: &'a Sequence,
    input: &'a [f64],
    back: &'a [f64],
    bias: &'a [f64],
    hidden: usize,
}
