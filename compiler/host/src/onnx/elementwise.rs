//! What is done to each element, or by a number for each channel: functions, arithmetic with constants, batch normalisation.

use onnx_rs::ast::Node;

use super::graph::{Constant, Made, Reader, Value};
use super::operators::{attribute, integer, real, single};
use crate::layers::{Array, From, Layer, Windows, shortest};

/// Of a vector without a layer before it a number for each element becomes a matrix.
const MOST: usize = 4096;

/// Numbers by which each channel is multiplied, and that are added, by the names that they get.
struct Affine {
    factor: Array,
    added: Array,
}

impl Reader {
    pub fn function(&mut self, node: &Node, name: &'static str) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        self.add(node, Layer::Function(name), vec![from], shape)
    }

    fn formula(&mut self, node: &Node, formula: String) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        self.add(node, Layer::Formula(formula), vec![from], shape)
    }

    /// A function that the language has no word for.
    pub fn composed(&mut self, node: &Node) -> Made<Value> {
        let number = |name: &str, otherwise: f32| shortest(real(node, name, otherwise));
        let exponential = |alpha: String| format!("max({{0}}, 0) + {alpha} * (exp(min({{0}}, 0)) - 1)");
        let softplus = "max({0}, 0) + log(1 + exp(-abs({0})))";
        let tanh = attribute(node, "approximate").is_some_and(|a| a.s == b"tanh");
        let formula = match node.op_type.as_str() {
            "Neg" => String::from("-{0}"),
            "LeakyRelu" => leaky(real(node, "alpha", 0.01)),
            "ThresholdedRelu" => format!("(if {{0}} > {} then {{0}} else 0)", number("alpha", 1.0)),
            "Elu" => exponential(number("alpha", 1.0)),
            "Selu" => {
                let sum = exponential(number("alpha", 1.673_263_2));
                format!("{} * ({sum})", number("gamma", 1.050_701))
            }
            "HardSigmoid" => format!("clamp({} * {{0}} + {}, 0, 1)", number("alpha", 0.2), number("beta", 0.5)),
            "HardSwish" => String::from("{0} * clamp({0} / 6 + 0.5, 0, 1)"),
            "Softplus" => String::from(softplus),
            "Softsign" => String::from("{0} / (1 + abs({0}))"),
            "Mish" => format!("{{0}} * tanh({softplus})"),
            "Gelu" if tanh => String::from("0.5 * {0} * (1 + tanh(0.7978845608 * ({0} + 0.044715 * {0}^3)))"),
            "Erf" => return self.error_function(node, 1.0, |erf| erf.to_string()),
            "Gelu" => return self.error_function(node, 0.5_f64.sqrt(), |erf| format!("0.5 * {{0}} * (1 + {erf})")),
            _ => return Err(String::from("there is no such layer")),
        };
        self.formula(node, formula)
    }

    /// What is made of erf(`scale` x), which is told to 1.5e-7 (Abramowitz and Stegun, 7.1.26).
    fn error_function(&mut self, node: &Node, scale: f64, made: impl Fn(&str) -> String) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let t = Layer::Formula(format!("1 / (1 + {} * abs({{0}}))", shortest(single(0.3275911 * scale))));
        let t = self.step(format!("{}_t", node.output[0]), t, vec![from], shape.clone());
        let sum =
            "((((1.061405429 * {1} - 1.453152027) * {1} + 1.421413741) * {1} - 0.284496736) * {1} + 0.254829592) * {1}";
        let by = shortest(single(scale * scale));
        let erf = format!("sign({{0}}) * (1 - {sum} * exp(-{by} * {{0}} * {{0}}))");
        self.add(node, Layer::Formula(made(&erf)), vec![from, t], shape)
    }

    /// Bounds are operands, or attributes of old.
    pub fn clip(&mut self, node: &Node) -> Made<Value> {
        let bound = |index: usize, name: &str| match node.input.get(index).filter(|name| !name.is_empty()) {
            Some(_) => self.number(node, index).map(Some),
            None => Ok(attribute(node, name).map(|a| f64::from(a.f))),
        };
        let (low, high) = (bound(1, "min")?, bound(2, "max")?);
        // The least and the largest number of all bound nothing.
        let low = low.filter(|low| *low > f64::from(f32::MIN)).map(shortest);
        let high = high.filter(|high| *high < f64::from(f32::MAX)).map(shortest);
        self.formula(
            node,
            match (low, high) {
                (Some(low), Some(high)) => format!("clamp({{0}}, {low}, {high})"),
                (Some(low), None) => format!("max({{0}}, {low})"),
                (None, Some(high)) => format!("min({{0}}, {high})"),
                (None, None) => String::from("{0}"),
            },
        )
    }

    /// A slope of all elements, or of each channel, below 0.
    pub fn leaking(&mut self, node: &Node) -> Made<Value> {
        let ((from, shape), slope) = (self.signal(node, 0)?, self.floats(node, 1)?);
        if let [slope] = slope.values[..] {
            return self.formula(node, leaky(slope));
        }
        let slopes = of_channels(&slope, &shape).ok_or_else(|| differ(&shape, &slope))?;
        let name = node.output[0];
        let above = self.step(format!("{name}_above"), Layer::Function("relu"), vec![from], shape.clone());
        let below = Layer::Formula(String::from("min({0}, 0)"));
        let below = self.step(format!("{name}_below"), below, vec![from], shape.clone());
        let none = vec![0.0; slopes.len()];
        let by = Affine::of((slope.name, slopes), (format!("{name}.bias"), none));
        let below = self.scaled(format!("{name}_slope"), by, below, &shape)?;
        self.add(node, Layer::Arithmetic { sign: "+", number: None }, vec![above, below], shape)
    }

    /// The larger or the smaller of two.
    pub fn extreme(&mut self, node: &Node, name: &str) -> Made<Value> {
        let two = node.input.len() == 2;
        let (signal, other) = if self.signal(node, 0).is_ok() { (0, 1) } else { (1, 0) };
        let (from, shape) = self.signal(node, signal)?;
        if let (true, Ok((second, of_second))) = (two, self.signal(node, other)) {
            if of_second != shape {
                return Err(format!("of {shape:?} and {of_second:?}: shapes must be the same"));
            }
            return self.add(node, Layer::Formula(format!("{name}({{0}}, {{1}})")), vec![from, second], shape);
        }
        match (two, self.number(node, other)) {
            (true, Ok(number)) => {
                let formula = format!("{name}({{0}}, {})", shortest(number));
                self.add(node, Layer::Formula(formula), vec![from], shape)
            }
            (_, _) => Err(String::from("of a signal and a number, or of two signals")),
        }
    }

    pub fn power(&mut self, node: &Node) -> Made<Value> {
        let exponent = self.number(node, 1)?;
        self.formula(node, format!("{{0}}^{}", shortest(exponent)))
    }

    pub fn arithmetic(&mut self, node: &Node, sign: &'static str) -> Made<Value> {
        if let (Ok((a, of_a)), Ok((b, of_b))) = (self.signal(node, 0), self.signal(node, 1)) {
            // Shares of channels, say.
            let fits = |(a, b): (&usize, &usize)| a == b || *a == 1 || *b == 1;
            if of_a.len() != of_b.len() || !of_a.iter().zip(&of_b).all(fits) {
                return Err(format!("of {of_a:?} and {of_b:?}: axes are as long, or 1 long"));
            }
            let shape = of_a.iter().zip(&of_b).map(|(a, b)| *a.max(b)).collect();
            return self.add(node, Layer::Arithmetic { sign, number: None }, vec![a, b], shape);
        }
        let first = self.signal(node, 0).is_ok();
        let (signal, constant) = if first { (0, 1) } else { (1, 0) };
        let ((from, shape), constant) = (self.signal(node, signal)?, self.floats(node, constant)?);
        let channels = shape.first().copied().unwrap_or(0);
        let all = |value: f64| vec![value; channels];
        let of_each = of_channels(&constant, &shape);
        let both = of_each.map(|numbers| {
            let each = |of: &dyn Fn(f64) -> f64| numbers.iter().map(|number| single(of(*number))).collect();
            match (sign, first) {
                ("+", _) => Some((all(1.0), numbers)),
                ("-", true) => Some((all(1.0), each(&|n| -n))),
                ("-", false) => Some((all(-1.0), numbers)),
                ("*", _) => Some((numbers, all(0.0))),
                (_, true) => Some((each(&|n| 1.0 / n), all(0.0))),
                (_, false) => None,
            }
        });
        let name = node.output[0].to_string();
        let by = both.map(|both| {
            both.map(|(factor, added)| match sign {
                "+" | "-" => Affine::of((format!("{name}.weight"), factor), (constant.name.clone(), added)),
                _ => Affine::of((constant.name.clone(), factor), (format!("{name}.bias"), added)),
            })
        });
        // A bias, say.
        if let (Some(Some(by)), Some(step)) = (&by, self.of_weights(node, signal, from)) {
            self.folded(step, by);
            return Ok(Value::Signal(from, shape));
        }
        match (by, &constant.values[..]) {
            (_, &[number]) if first || matches!(sign, "+" | "*") => {
                self.add(node, Layer::Arithmetic { sign, number: Some(number) }, vec![from], shape)
            }
            (_, &[number]) => {
                let formula = format!("{} {sign} {{0}}", shortest(number));
                self.add(node, Layer::Formula(formula), vec![from], shape)
            }
            (Some(Some(by)), _) => Ok(Value::Signal(self.scaled(name, by, from, &shape)?, shape)),
            (Some(None), _) => Err(String::from("a number for each channel divided by a signal")),
            (None, _) => Err(differ(&shape, &constant)),
        }
    }

    /// Scales and shifts the weights of the layer before, if nothing else reads it; else a layer of its own does it.
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
        let epsilon = real(node, "epsilon", 1e-5);
        let factor: Vec<f64> =
            scale.values.iter().zip(&variance.values).map(|(scale, v)| single(scale / (v + epsilon).sqrt())).collect();
        let added: Vec<f64> = (0..channels).map(|c| single(shift.values[c] - mean.values[c] * factor[c])).collect();
        let by = Affine::of((scale.name, factor), (shift.name, added));
        if let Some(step) = self.of_weights(node, 0, from) {
            self.folded(step, &by);
            return Ok(Value::Signal(from, shape));
        }
        let from = self.scaled(node.output[0].to_string(), by, from, &shape)?;
        Ok(Value::Signal(from, shape))
    }

    /// Of each sample what its own mean and variance make 0 and 1.
    pub fn normalised_by_itself(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.of_a_vector(node)?;
        if node.output.iter().skip(1).any(|name| self.uses.contains_key(*name)) {
            return Err(String::from("its mean and variance are read, too"));
        }
        let (scale, name, len) = (self.floats(node, 1)?, node.output[0], shape[0]);
        let factor = of_channels(&scale, &shape).ok_or_else(|| differ(&shape, &scale))?;
        let shift = self.bias(node, len)?;
        let mean = self.mean_of_a_vector(&format!("{name}_mean"), from, len);
        let minus = Layer::Arithmetic { sign: "-", number: None };
        let centred = self.step(format!("{name}_centred"), minus, vec![from, mean], shape.clone());
        let square = Layer::Formula(String::from("{0} * {0}"));
        let square = self.step(format!("{name}_square"), square, vec![centred], shape.clone());
        let variance = self.mean_of_a_vector(&format!("{name}_variance"), square, len);
        let divided = format!("{{0}} / sqrt({{1}} + {})", shortest(real(node, "epsilon", 1e-5)));
        let alone = shift.is_none() && factor.iter().all(|factor| *factor == 1.0);
        let title = if alone { name.to_string() } else { format!("{name}_normalised") };
        let made = self.step(title, Layer::Formula(divided), vec![centred, variance], shape.clone());
        if alone {
            return Ok(Value::Signal(made, shape));
        }
        let added = shift.map_or_else(|| (format!("{name}.bias"), vec![0.0; len]), |shift| (shift.name, shift.values));
        let made = self.scaled(name.to_string(), Affine::of((scale.name, factor), added), made, &shape)?;
        Ok(Value::Signal(made, shape))
    }

    /// The layer with weights that an operand comes from, if nothing else reads it; what changes shapes behind it keeps channels.
    fn of_weights(&self, node: &Node, operand: usize, from: From) -> Option<usize> {
        let once = |name: &str| self.uses.get(name) == Some(&1);
        let From::Step(step) = from else { return None };
        let layer = &self.layers.steps[step];
        let step = match (&layer.layer, &layer.from[..]) {
            (Layer::Reshape, &[From::Step(before)])
                if once(&self.layers.steps[before].name) && self.layers.steps[before].shape[0] == layer.shape[0] =>
            {
                before
            }
            (_, _) => step,
        };
        let weighted = matches!(self.layers.steps[step].layer, Layer::Dense { .. } | Layer::Convolution { .. });
        (weighted && once(node.input[operand])).then_some(step)
    }

    /// Into the weights of a layer.
    fn folded(&mut self, step: usize, by: &Affine) {
        if let Layer::Dense { weights, bias } | Layer::Convolution { weights, bias, .. } =
            &mut self.layers.steps[step].layer
        {
            let each = weights.values.len() / by.factor.values.len().max(1);
            for (row, factor) in weights.values.chunks_mut(each.max(1)).zip(&by.factor.values) {
                row.iter_mut().for_each(|weight| *weight = single(*weight * factor));
            }
            if bias.is_none() && by.added.values.iter().all(|added| *added == 0.0) {
                return;
            }
            let zeros = || Array { values: vec![0.0; by.added.values.len()], ..by.added.clone() };
            let bias = bias.get_or_insert_with(zeros);
            for ((bias, factor), added) in bias.values.iter_mut().zip(&by.factor.values).zip(&by.added.values) {
                *bias = single(*bias * factor + added);
            }
        }
    }

    /// As a layer of its own: of an image a convolution of single points, of a vector a matrix of its diagonal.
    fn scaled(&mut self, name: String, by: Affine, from: From, shape: &[usize]) -> Made<From> {
        let Affine { factor, added } = by;
        let bias = added.values.iter().any(|added| *added != 0.0).then_some(added);
        if let [channels, len] = *shape {
            let row = vec![channels, 1, len];
            let from = self.step(format!("{name}_row"), Layer::Reshape, vec![from], row.clone());
            let made = self.step(name.clone(), points(factor, bias), vec![from], row);
            return Ok(self.step(format!("{name}_line"), Layer::Reshape, vec![made], shape.to_vec()));
        }
        let layer = match *shape {
            [len] if len <= MOST => {
                let mut values = vec![0.0; len * len];
                values.iter_mut().step_by(len + 1).zip(&factor.values).for_each(|(at, factor)| *at = *factor);
                Layer::Dense { weights: Array { shape: vec![len, len], values, ..factor }, bias }
            }
            [_, _, _] => points(factor, bias),
            _ => return Err(format!("a number for each of {shape:?} a sample, at most {MOST}")),
        };
        Ok(self.step(name, layer, vec![from], shape.to_vec()))
    }

    /// A constant of one number.
    pub fn number(&self, node: &Node, index: usize) -> Made<f64> {
        if let Some(Value::Constant(Constant::Integers(numbers))) =
            node.input.get(index).and_then(|name| self.values.get(*name))
            && let [number] = numbers[..]
        {
            return Ok(number as f64);
        }
        match self.floats(node, index)?.values[..] {
            [number] => Ok(number),
            _ => Err(format!("operand {index} is not one number")),
        }
    }
}

impl Affine {
    fn of((factor_name, factor): (String, Vec<f64>), (added_name, added): (String, Vec<f64>)) -> Affine {
        let array = |name, values: Vec<f64>| Array { name, shape: vec![values.len()], values };
        Affine { factor: array(factor_name, factor), added: array(added_name, added) }
    }
}

/// Each channel of an image by itself.
fn points(factor: Array, bias: Option<Array>) -> Layer {
    let groups = factor.values.len();
    let weights = Array { shape: vec![groups, 1, 1, 1], ..factor };
    Layer::Convolution { weights, bias, windows: Windows::of([1; 2]), groups }
}

/// A constant that is one number for each channel of a signal, by the rules of broadcasting.
fn of_channels(constant: &Array, shape: &[usize]) -> Option<Vec<f64>> {
    let &channels = shape.first()?;
    let axis = |(right, len): (usize, &usize)| *len == 1 || (right + 1 == shape.len() && *len == channels);
    let fits = constant.shape.len() <= shape.len() + 1 && constant.shape.iter().rev().enumerate().all(axis);
    (fits && constant.values.len() == channels).then(|| constant.values.clone())
}

fn differ(shape: &[usize], constant: &Array) -> String {
    format!("of {shape:?} a sample and {:?} numbers: one number, or one for each channel", constant.shape)
}

fn leaky(slope: f64) -> String {
    let larger = if slope <= 1.0 { "max" } else { "min" };
    format!("{larger}({{0}}, {} * {{0}})", shortest(slope))
}
