//! `train` and `test`: which data are shown, for how long, what is expected and measured.

use std::sync::Arc;

use nmc_grammar::ast::{BinaryOp, Clause, Expr as Ast, ExprKind, Field, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;
use nmc_program::{Aggregate, ArrayId, Metric, MetricKind, Tensor, TensorId};

use super::Elaborator;
use crate::files::FileProblem;
use crate::forms::network::{Logical, NodeId, Operator, Weights};
use crate::forms::plan::{InputData, Phase, PhaseKind};
use crate::quantity::Dimension;

/// Samples that ranges are measured on when nothing is said.
const CALIBRATION_SAMPLES: usize = 64;

/// Measures of an output, and whether they compare it with a target.
const MEASURES: &[(&str, bool)] =
    &[("nrmse", true), ("mse", true), ("mean", false), ("std", false), ("min", false), ("max", false), ("sum", false)];

impl Elaborator<'_> {
    /// A `train` or `test`.
    pub fn present(&mut self, kind: PhaseKind, sequence: bool, inputs: &[Field], clauses: &[Clause], span: Span) {
        let mut phase = Phase {
            kind,
            sequence,
            samples: 0,
            inputs: Vec::new(),
            duration: None,
            target: None,
            metrics: Vec::new(),
            skip: 0,
            span,
        };
        self.step_among(inputs);
        if self.fields(inputs, &mut phase).is_none() || self.all_fed(&phase).is_none() {
            return;
        }
        for clause in clauses {
            let done = match clause {
                Clause::For(duration) => self.duration(duration).map(|seconds| phase.duration = Some(seconds)),
                Clause::Expect(condition) => self.expect(condition, &mut phase),
                Clause::Measure(name, measure) => self.measure(name, measure, &mut phase),
            };
            if done.is_none() {
                return;
            }
        }
        if kind == PhaseKind::Train && phase.target.is_none() {
            let missing = Diagnostic::new(Code::E0415, "training needs a target", span, "nothing is expected here");
            self.closer.diagnostics.push(missing.with_help("add `expect y == series.x[1..2001]`"));
            return;
        }
        let in_time = self.has_time();
        if in_time && phase.duration.is_none() {
            let missing = Diagnostic::new(Code::E0414, "say how long each sample is shown", span, "no duration");
            self.closer.diagnostics.push(missing.with_help("the network has neurons or devices: add `for 50 ms`"));
            return;
        }
        if !in_time {
            phase.duration = None;
        }
        self.plan.phases.push(phase);
    }

    /// Whether anything in the network moves in time.
    pub fn has_time(&self) -> bool {
        self.network.graph.node_weights().any(|node| matches!(node.operator, Operator::Population { .. }))
    }

    /// `image: digits.x / 255, skip: 100`
    pub fn fields(&mut self, fields: &[Field], phase: &mut Phase) -> Option<()> {
        for field in fields {
            let key = &field.key[0];
            match key.text.as_str() {
                "skip" => phase.skip = self.count(&field.value, 0.0)?,
                // Taken before all else: times are told in it.
                "step" => {}
                name => {
                    let node = self.input(name, key.span)?;
                    let data = if self.network.graph[node].logical == Logical::Spikes {
                        self.spike_data(node, &field.value, phase)?
                    } else {
                        self.value_data(node, name, &field.value, phase)?
                    };
                    if phase.inputs.iter().any(|(other, _)| *other == node) {
                        self.error(Code::E0410, format!("`{name}` is fed twice"), key.span, "fed again here");
                        return None;
                    }
                    phase.inputs.push((node, data));
                }
            }
        }
        if phase.skip > 0 && phase.skip >= phase.samples {
            let message = format!("all of the {} samples would be left out", phase.samples);
            self.error(Code::E0306, message, phase.span, "`skip` is too large");
            return None;
        }
        Some(())
    }

    fn input(&mut self, name: &str, span: Span) -> Option<NodeId> {
        let inputs = self.network.inputs.clone();
        if let Some(node) = inputs.iter().find(|node| self.network.graph[**node].name == name) {
            return Some(*node);
        }
        let mut unknown =
            Diagnostic::new(Code::E0201, format!("the network has no input `{name}`"), span, "unknown input");
        let known: Vec<&str> = inputs.iter().map(|node| self.network.graph[*node].name.as_str()).collect();
        unknown.help = closest(name, known.iter().copied())
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| (!known.is_empty()).then(|| format!("its inputs: {}", known.join(", "))));
        self.closer.diagnostics.push(unknown);
        None
    }

    /// Every input has data; a network without inputs is shown nothing.
    pub fn all_fed(&mut self, phase: &Phase) -> Option<()> {
        let missing = self.network.inputs.iter().find(|node| phase.inputs.iter().all(|(fed, _)| fed != *node)).copied();
        if let Some(node) = missing {
            let name = self.network.graph[node].name.clone();
            let message = format!("the input `{name}` has no data");
            self.error(Code::E0413, message, phase.span, format!("write `{name}: …` between the braces"));
            return None;
        }
        if phase.kind != PhaseKind::Run && phase.samples == 0 {
            self.error(Code::E0413, "nothing is presented", phase.span, "no samples");
            return None;
        }
        Some(())
    }

    /// A file given on the command line in place of the program's data.
    fn replaced(&mut self, name: &str, span: Span) -> Option<Option<(Arc<Tensor>, Dimension)>> {
        let Some((_, path)) = self.options.inputs.iter().find(|(input, _)| input == name) else { return Some(None) };
        let file = match self.files.data(path) {
            Ok(file) => file,
            Err(FileProblem::NotFound(message)) => {
                self.error(Code::E0901, message, span, "replaced by `--input`");
                return None;
            }
            Err(FileProblem::Unreadable(message)) => {
                self.error(Code::E0902, message, span, "replaced by `--input`");
                return None;
            }
        };
        let found = file.arrays.iter().find(|(array, _)| array == name || file.arrays.len() == 1 || array.is_empty());
        let Some((_, tensor)) = found else {
            self.error(Code::E0209, format!("{path} has no array `{name}`"), span, "replaced by `--input`");
            return None;
        };
        Some(Some((Arc::new(Tensor { name: path.clone(), ..tensor.clone() }), Dimension::NONE)))
    }

    fn value_data(&mut self, node: NodeId, name: &str, value: &Ast, phase: &mut Phase) -> Option<InputData> {
        let (tensor, dimension) = match self.replaced(name, value.span)? {
            Some(given) => given,
            None => self.presented(value)?,
        };
        if dimension != Dimension::NONE {
            self.error(Code::E0302, format!("`{name}` takes plain numbers"), value.span, "these have a dimension");
            return None;
        }
        let port = self.network.graph[node].clone();
        let samples =
            self.samples_of(&tensor, &port.shape, phase, value.span, &format!("`{name}` is {:?}", port.shape))?;
        phase.samples = samples;
        Some(InputData::Values(self.keep((*tensor).clone(), value.span)?))
    }

    /// Data, or one number for a run.
    fn presented(&mut self, value: &Ast) -> Option<(Arc<Tensor>, Dimension)> {
        if self.kind(value) == super::signal::Kind::Data {
            return self.numbers(value);
        }
        let names = self.names.clone();
        let term = self.closer.close(&names, self.file, value)?;
        let Some(number) = term.value() else {
            self.error(Code::E0305, "data are needed here", value.span, "not known before the run");
            return None;
        };
        let data = nmc_program::TensorData::F64(vec![number]);
        Some((Arc::new(Tensor { name: String::from("number"), shape: vec![1], data }), term.dimension))
    }

    /// The number of samples in a tensor [samples, …shape], the same for all of a phase.
    fn samples_of(&mut self, tensor: &Tensor, shape: &[usize], phase: &Phase, span: Span, what: &str) -> Option<usize> {
        let len: usize = shape.iter().product();
        let first = tensor.shape.first().copied().unwrap_or(1);
        let each: usize = tensor.shape.iter().skip(1).product();
        if phase.kind == PhaseKind::Run && tensor.data.len() == len {
            return Some(1);
        }
        if each != len || first == 0 {
            let message = format!("`{}` is {:?}, but {what}", tensor.name, tensor.shape);
            let wrong = Diagnostic::new(Code::E0308, message, span, "does not fit");
            self.closer
                .diagnostics
                .push(wrong.with_help(format!("[samples, {}] is needed: {len} numbers a sample", shown(shape))));
            return None;
        }
        let before = if phase.kind == PhaseKind::Run { 1 } else { phase.samples };
        if before > 0 && before != first {
            let message = format!("`{}` has {first} samples, the others have {before}", tensor.name);
            self.error(Code::E0310, message, span, "another number of samples");
            return None;
        }
        Some(first)
    }

    /// `spikes(neurons, steps)` or `spikes(neurons, times: t * 1 us)`.
    fn spike_data(&mut self, node: NodeId, value: &Ast, phase: &mut Phase) -> Option<InputData> {
        let args = match &value.kind {
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "spikes") => args,
            _ => {
                let wrong = Diagnostic::new(Code::E0305, "an input of spikes takes spikes", value.span, "not spikes");
                self.closer.diagnostics.push(wrong.with_help("such as `spikes(data[\"neuron\"], data[\"step\"])`"));
                return None;
            }
        };
        let [elements, moments] = &args[..] else {
            self.error(Code::E0207, "`spikes` takes neurons and steps", value.span, "two arrays are needed");
            return None;
        };
        if phase.kind != PhaseKind::Run {
            self.error(Code::E0402, "spikes can be given in `run` only", value.span, "not supported in this version");
            return None;
        }
        let (neurons, _) = self.numbers(&elements.value)?;
        let (times, dimension) = self.numbers(&moments.value)?;
        if neurons.data.len() != times.data.len() {
            let message = format!("{} neurons but {} steps", neurons.data.len(), times.data.len());
            self.error(Code::E0310, message, value.span, "one step for each spike is needed");
            return None;
        }
        let step = self.plan.step.unwrap_or(super::experiment::DEFAULT_STEP);
        let in_steps = match dimension {
            Dimension::NONE => 1.0,
            Dimension::TIME => 1.0 / step,
            _ => {
                self.error(Code::E0302, "spikes come at steps or times", moments.value.span, "neither");
                return None;
            }
        };
        let len = self.network.graph[node].len() as f64;
        let mut spikes = Vec::with_capacity(times.data.len());
        for index in 0..times.data.len() {
            let (neuron, tick) = (neurons.data.get(index), (times.data.get(index) * in_steps).round());
            if !(neuron >= 0.0 && neuron < len && neuron.fract() == 0.0 && (0.0..4e9).contains(&tick)) {
                let message = format!("spike {index} comes from neuron {neuron} at step {tick}");
                self.error(
                    Code::E0309,
                    message,
                    value.span,
                    format!("neurons 0 to {} and steps from 0 exist", len - 1.0),
                );
                return None;
            }
            spikes.push((tick as i64, neuron as i64));
        }
        spikes.sort_unstable();
        phase.samples = 1;
        let mut kept = |name: &str, values: Vec<i64>| {
            let data = nmc_program::TensorData::I64(values);
            let shape = vec![data.len()];
            self.keep(Tensor { name: name.to_string(), shape, data }, value.span)
        };
        let elements = kept("spikes: neuron", spikes.iter().map(|(_, neuron)| *neuron).collect())?;
        let steps = kept("spikes: step", spikes.iter().map(|(step, _)| *step).collect())?;
        Some(InputData::Spikes { elements, steps })
    }

    /// `argmax(scores) == labels` or `y == target`.
    fn expect(&mut self, condition: &Ast, phase: &mut Phase) -> Option<()> {
        let wrong = |this: &mut Self| {
            let message = "what is expected compares an output with data";
            let wrong = Diagnostic::new(Code::E0417, message, condition.span, "not such a comparison");
            let help = "such as `argmax(scores) == digits.y` or `y == series.x[1..2001]`";
            this.closer.diagnostics.push(wrong.with_help(help));
        };
        let ExprKind::Binary(BinaryOp::Equal, a, b) = &condition.kind else {
            wrong(self);
            return None;
        };
        let (output, data) = if self.kind(a) == super::signal::Kind::Data { (b, a) } else { (a, b) };
        if let ExprKind::Call(callee, args) = &output.kind
            && matches!(&callee.kind, ExprKind::Name(name) if name == "argmax")
            && let [arg] = &args[..]
        {
            let node = self.output(&arg.value)?;
            let labels = self.labels(data, node, phase)?;
            let kind = MetricKind::Accuracy { output: ArrayId(node.index() as u32), labels };
            phase.metrics.push(Metric { name: String::from("accuracy"), kind });
            if phase.kind == PhaseKind::Train {
                self.error(Code::E0415, "training fits an output to numbers", condition.span, "labels are no numbers");
                return None;
            }
            return Some(());
        }
        if !matches!(output.kind, ExprKind::Name(_)) || phase.kind != PhaseKind::Train {
            wrong(self);
            return None;
        }
        let node = self.output(output)?;
        let target = self.target(data, node, phase)?;
        if !self.is_fitted(node) {
            let name = self.network.graph[node].name.clone();
            let nothing = Diagnostic::new(
                Code::E0415,
                format!("nothing behind `{name}` can be fitted"),
                output.span,
                "nothing to train",
            );
            let help = "its last layer must be a `dense(1, fit: ridge(1e-6))`";
            self.closer.diagnostics.push(nothing.with_help(help));
            return None;
        }
        phase.target = Some((node, target));
        Some(())
    }

    /// Whether a layer to be fitted gives this output.
    fn is_fitted(&self, node: NodeId) -> bool {
        match &self.network.graph[node].operator {
            Operator::Dense { weights: Weights::Ridge { .. }, .. } => true,
            Operator::Output | Operator::Reshape => self
                .network
                .graph
                .neighbors_directed(node, petgraph::Direction::Incoming)
                .any(|from| self.is_fitted(from)),
            _ => false,
        }
    }

    /// An output port by its name.
    fn output(&mut self, ast: &Ast) -> Option<NodeId> {
        let name = if let ExprKind::Name(name) = &ast.kind { name.as_str() } else { "" };
        let found = self.network.outputs.iter().find(|node| self.network.graph[**node].name == name).copied();
        let Some(node) = found else {
            let mut unknown =
                Diagnostic::new(Code::E0201, format!("the network has no output `{name}`"), ast.span, "unknown output");
            let known: Vec<&str> =
                self.network.outputs.iter().map(|node| self.network.graph[*node].name.as_str()).collect();
            unknown.help = closest(name, known.iter().copied())
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| (!known.is_empty()).then(|| format!("its outputs: {}", known.join(", "))));
            self.closer.diagnostics.push(unknown);
            return None;
        };
        if self.network.graph[node].logical == Logical::Spikes {
            let message = format!("`{name}` gives spikes, numbers are needed");
            let wrong = Diagnostic::new(Code::E0305, message, ast.span, "spikes");
            self.closer.diagnostics.push(wrong.with_help("declare the output as `real[…]`: spikes are then counted"));
            return None;
        }
        Some(node)
    }

    fn labels(&mut self, data: &Ast, output: NodeId, phase: &Phase) -> Option<TensorId> {
        let (tensor, _) = self.numbers(data)?;
        self.samples_of(&tensor, &[1], phase, data.span, "one label a sample is needed")?;
        let classes = self.network.graph[output].len() as f64;
        let bad = (0..tensor.data.len())
            .map(|index| tensor.data.get(index))
            .find(|label| !(label.fract() == 0.0 && *label >= 0.0 && *label < classes));
        if let Some(label) = bad {
            let message = format!("`{}` holds the label {label}", tensor.name);
            self.error(Code::E0309, message, data.span, format!("labels from 0 to {} are possible", classes - 1.0));
            return None;
        }
        self.keep((*tensor).clone(), data.span)
    }

    fn target(&mut self, data: &Ast, output: NodeId, phase: &Phase) -> Option<TensorId> {
        let (tensor, _) = self.numbers(data)?;
        let shape = self.network.graph[output].shape.clone();
        let what = format!("`{}` is {shape:?}", self.network.graph[output].name);
        self.samples_of(&tensor, &shape, phase, data.span, &what)?;
        self.keep((*tensor).clone(), data.span)
    }

    /// `nrmse(y, target)`, `mean(y)`, `mean(syn.w)`.
    fn measure(&mut self, name: &Ident, measure: &Ast, phase: &mut Phase) -> Option<()> {
        let known = match &measure.kind {
            ExprKind::Call(callee, args) => match &callee.kind {
                ExprKind::Name(function) => {
                    MEASURES.iter().find(|(known, _)| known == function).map(|found| (found, args))
                }
                _ => None,
            },
            _ => None,
        };
        let Some(((function, compares), args)) = known else {
            let names: Vec<&str> = MEASURES.iter().map(|(name, _)| *name).collect();
            let wrong = Diagnostic::new(Code::E0417, "this is not a measure", measure.span, "unknown measure");
            self.closer.diagnostics.push(wrong.with_help(format!("one of {}", names.join(", "))));
            return None;
        };
        if args.len() != 1 + usize::from(*compares) {
            let needs = if *compares { "an output and its target" } else { "one output" };
            self.error(Code::E0207, format!("`{function}` takes {needs}"), measure.span, "wrong number of arguments");
            return None;
        }
        let aggregate = match *function {
            "std" => Aggregate::StandardDeviation,
            "min" => Aggregate::Minimum,
            "max" => Aggregate::Maximum,
            "sum" => Aggregate::Sum,
            _ => Aggregate::Mean,
        };
        let kind = if let Some(connection) = self.weights_of(&args[0].value) {
            if *compares {
                self.error(Code::E0417, "weights have no target", measure.span, "an output is needed");
                return None;
            }
            MetricKind::Final { array: ArrayId(connection as u32), aggregate }
        } else {
            let node = self.output(&args[0].value)?;
            let output = ArrayId(node.index() as u32);
            match *function {
                "nrmse" => {
                    MetricKind::Nrmse { output, target: self.target(&args[1].value, node, phase)?, skip: phase.skip }
                }
                "mse" => {
                    let target = self.target(&args[1].value, node, phase)?;
                    MetricKind::MeanSquaredError { output, target, skip: phase.skip }
                }
                _ => MetricKind::Output { output, aggregate },
            }
        };
        phase.metrics.push(Metric { name: name.text.clone(), kind });
        Some(())
    }

    /// The connection whose weights `syn.w` names.
    pub fn weights_of(&self, ast: &Ast) -> Option<usize> {
        let ExprKind::Member(object, member) = &ast.kind else { return None };
        let ExprKind::Name(name) = &object.kind else { return None };
        self.connections.get(name).copied().filter(|_| member.text == "w")
    }

    /// Samples to measure ranges on: as asked for, else the first of training or testing.
    pub fn calibration(&mut self, asked: Option<&Ast>) {
        if let Some(ast) = asked {
            let inputs = self.network.inputs.clone();
            // For one input, a list of numbers is its samples written out.
            let written = |items: &[Ast]| {
                inputs.len() == 1
                    && items.iter().all(|item| {
                        self.kind(item) == super::signal::Kind::Number || matches!(item.kind, ExprKind::List(_))
                    })
            };
            let parts: Vec<&Ast> = match &ast.kind {
                ExprKind::List(items) if !written(items) => items.iter().collect(),
                _ => vec![ast],
            };
            if parts.len() != inputs.len() {
                let message = format!("{} inputs need as many calibration arrays, not {}", inputs.len(), parts.len());
                self.error(Code::E0310, message, ast.span, "one array for each input, in their order");
                return;
            }
            let mut phase = calibrating(ast.span);
            for (part, node) in parts.into_iter().zip(inputs) {
                let name = self.network.graph[node].name.clone();
                match self.value_data(node, &name, part, &mut phase) {
                    Some(InputData::Values(tensor)) => self.plan.calibration.push(tensor),
                    Some(InputData::Spikes { .. }) | None => return,
                }
            }
            return;
        }
        let phases = &self.plan.phases;
        let trained = phases.iter().find(|phase| phase.kind == PhaseKind::Train);
        let Some(phase) = trained.or_else(|| phases.iter().find(|phase| phase.kind == PhaseKind::Test)) else { return };
        let on_test = phase.kind == PhaseKind::Test;
        let fed: Option<Vec<TensorId>> = self
            .network
            .inputs
            .iter()
            .map(|node| {
                phase.inputs.iter().find(|(fed, _)| fed == node).and_then(|(_, data)| match data {
                    InputData::Values(tensor) => Some(*tensor),
                    InputData::Spikes { .. } => None,
                })
            })
            .collect();
        for tensor in fed.unwrap_or_default() {
            let first = first_samples(&self.tensors[tensor.index()]);
            self.tensors.push(first);
            self.plan.calibration.push(TensorId(self.tensors.len() as u32 - 1));
            self.plan.calibrated_on_test = on_test;
        }
    }

    /// `data name = …`
    pub fn name_data(&mut self, name: &Ident, value: &Ast) {
        if self.values.contains_key(&name.text) {
            self.error(Code::E0202, format!("`{}` is defined twice", name.text), name.span, "defined again here");
            return;
        }
        if let Some(data) = self.data(value) {
            self.values.insert(name.text.clone(), super::signal::Value::Data(data));
        }
    }
}

fn calibrating(span: Span) -> Phase {
    Phase {
        kind: PhaseKind::Test,
        sequence: false,
        samples: 0,
        inputs: Vec::new(),
        duration: None,
        target: None,
        metrics: Vec::new(),
        skip: 0,
        span,
    }
}

fn first_samples(tensor: &Tensor) -> Tensor {
    let samples = tensor.shape.first().copied().unwrap_or(1).min(CALIBRATION_SAMPLES);
    let len = samples * tensor.shape.iter().skip(1).product::<usize>();
    let mut shape = tensor.shape.clone();
    if let Some(first) = shape.first_mut() {
        *first = samples;
    }
    let values = (0..len.min(tensor.data.len())).map(|index| tensor.data.get(index)).collect();
    Tensor { name: tensor.name.clone(), shape, data: nmc_program::TensorData::F64(values) }
}

fn shown(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
