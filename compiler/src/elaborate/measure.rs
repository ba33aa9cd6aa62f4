//! What is expected and measured of a phase: labels, targets, accuracy and other numbers.

use nmc_grammar::ast::{Arg, BinaryOp, Expr as Ast, ExprKind, Ident, UnaryOp};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;
use nmc_program::{Aggregate, ArrayId, Binary, Fit, Metric, MetricKind, Part, Target, Tensor, TensorData, TensorId};

use super::Elaborator;
use super::signal::Kind;
use super::term::Term;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::network::{Logical, Node, NodeId, Operator, Weights};
use crate::forms::plan::{Phase, PhaseKind};
use crate::graph::fitted_behind;
use crate::quantity::Dimension;
use crate::typing::walk;

/// Measures of an output, and whether they compare it with a target.
const MEASURES: &[(&str, bool)] =
    &[("nrmse", true), ("mse", true), ("mean", false), ("std", false), ("min", false), ("max", false), ("sum", false)];

impl Elaborator<'_> {
    /// `argmax(scores) == labels` or `y == target`.
    pub fn expect(&mut self, condition: &Ast, learns: bool, phase: &mut Phase) -> Option<()> {
        let trains = phase.kind == PhaseKind::Train;
        let wrong = |this: &mut Self| {
            let message = "what is expected compares an output with data";
            let wrong = Diagnostic::new(Code::E0417, message, condition.span, "not such a comparison");
            let help = match trains {
                true => "such as `argmax(scores) == digits.y` or `y == series.x[1..2001]`",
                false => {
                    "such as `argmax(scores) == digits.y`; how far numbers are off is measured: `measure error = nrmse(y, series.x)`"
                }
            };
            this.closer.diagnostics.push(wrong.with_help(help));
        };
        let ExprKind::Binary(BinaryOp::Equal, a, b) = &condition.kind else {
            wrong(self);
            return None;
        };
        let (output, data) = if self.kind(a) == Kind::Data { (b, a) } else { (a, b) };
        if let ExprKind::Call(callee, args) = &output.kind
            && matches!(&callee.kind, ExprKind::Name(name) if name == "argmax")
            && let [arg] = &args[..]
        {
            let node = self.output(&arg.value)?;
            if phase.kind == PhaseKind::Train && learns {
                return self.learned(node, data, true, phase);
            }
            if phase.kind == PhaseKind::Train {
                let target = self.one_for_each_label(data, node, phase)?;
                self.taken_once(phase, data.span)?;
                return self.fitted(node, target, output, phase);
            }
            let labels = self.labels(data, node, phase)?;
            let labels = self.keep(labels, data.span)?;
            let steps = vec![MetricKind::Accuracy { output: ArrayId(node.index() as u32), labels }];
            let name = self.accuracy();
            phase.metrics.push(Metric { name, skip: phase.skip, steps });
            return Some(());
        }
        if !matches!(output.kind, ExprKind::Name(_)) || phase.kind != PhaseKind::Train {
            wrong(self);
            return None;
        }
        let node = self.output(output)?;
        if learns {
            return self.learned(node, data, false, phase);
        }
        let votes = |layer: NodeId| {
            matches!(
                self.network.graph[layer].operator,
                Operator::Dense { weights: Weights::Fitted { fit: Fit::Vote, .. }, .. }
            )
        };
        if fitted_behind(&self.network, node).is_some_and(votes) {
            let message = "votes are for labels, these are numbers";
            let wrong = Diagnostic::new(Code::E0417, message, condition.span, "no labels");
            self.closer.diagnostics.push(wrong.with_help("such as `expect argmax(scores) == digits.y`"));
            return None;
        }
        let target = self.target(data, node, phase)?;
        self.taken_once(phase, data.span)?;
        self.fitted(node, target, output, phase)
    }

    /// Fits look at the last step of a sample.
    fn taken_once(&mut self, phase: &Phase, span: Span) -> Option<()> {
        if phase.taken > 1 {
            let message = "a fit looks at the last step of a sample alone";
            let wrong = Diagnostic::new(Code::E0310, message, span, "one for each step");
            let help = "write `train sequence { … } for 1 steps`, or train it `by backprop(rate: 0.05)`";
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        }
        Some(())
    }

    /// The name of what a test counts: of several tests each has its own.
    fn accuracy(&mut self) -> String {
        let (all, before) = &mut self.tests;
        *before += 1;
        if *all > 1 { format!("accuracy.test{before}") } else { String::from("accuracy") }
    }

    /// A fit of the layer behind an output.
    fn fitted(&mut self, node: NodeId, target: TensorId, output: &Ast, phase: &mut Phase) -> Option<()> {
        if fitted_behind(&self.network, node).is_none() {
            let name = self.network.graph[node].name.clone();
            let nothing = Diagnostic::new(
                Code::E0415,
                format!("nothing behind `{name}` can be fitted"),
                output.span,
                "nothing to train",
            );
            let help = "its last layer must be a `dense(1, fit: ridge(1e-6))`, or train it `by backprop(rate: 0.05)`";
            self.closer.diagnostics.push(nothing.with_help(help));
            return None;
        }
        phase.target = Some((node, target));
        Some(())
    }

    /// Tells of layers that are to be fitted, and of which no training does so.
    pub fn unfitted(&mut self) {
        let targets = self.plan.phases.iter().filter_map(|phase| phase.target);
        let fitted: Vec<NodeId> = targets.filter_map(|(output, _)| fitted_behind(&self.network, output)).collect();
        let graph = &self.network.graph;
        let to_fit = |node: &NodeId| {
            matches!(graph[*node].operator, Operator::Dense { weights: Weights::Fitted { .. }, .. })
                && !fitted.contains(node)
        };
        for node in graph.node_indices().filter(to_fit) {
            let message = format!("`{}` is to be fitted, but no `train` fits it", graph[node].name);
            let missing = Diagnostic::new(Code::E0415, message, graph[node].span, "without weights");
            self.closer.diagnostics.push(missing.with_help("add a `train { … } expect` of the output that it gives"));
        }
    }

    /// An output port by its name.
    pub fn output(&mut self, ast: &Ast) -> Option<NodeId> {
        let ExprKind::Name(name) = &ast.kind else {
            let wrong = Diagnostic::new(Code::E0305, "an output of the network is needed here", ast.span, "none");
            let help = "a state of a population becomes one by `a.v |> scale(1 / 1 mV) -> y` in the network, `-> (y: real[5])` in its head";
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        };
        let name = name.as_str();
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

    /// Labels, one a sample or step.
    pub fn labels(&mut self, data: &Ast, output: NodeId, phase: &mut Phase) -> Option<Tensor> {
        let array = self.array(data)?;
        let shape = self.taken(&array, &[1], phase, data.span)?;
        self.samples_of(&array, &shape, phase, data.span, "one label a sample is needed")?;
        let tensor = self.loaded(&array, data.span)?;
        let classes = self.network.graph[output].len() as f64;
        let bad = (0..tensor.data.len())
            .map(|index| tensor.data.get(index))
            .find(|label| !(label.fract() == 0.0 && *label >= 0.0 && *label < classes));
        if let Some(label) = bad {
            let message = format!("`{}` holds the label {label}", tensor.name);
            self.error(Code::E0309, message, data.span, format!("labels from 0 to {} are possible", classes - 1.0));
            return None;
        }
        Some(tensor)
    }

    /// What a fit is to give where labels are expected: 1 at the label, 0 elsewhere.
    fn one_for_each_label(&mut self, data: &Ast, output: NodeId, phase: &mut Phase) -> Option<TensorId> {
        let labels = self.labels(data, output, phase)?;
        let (classes, samples) = (self.network.graph[output].len(), labels.data.len());
        let mut ones = vec![0; samples * classes];
        (0..samples).for_each(|sample| ones[sample * classes + labels.data.get(sample) as usize] = 1);
        self.keep(Tensor { name: labels.name, shape: vec![samples, classes], data: TensorData::U8(ones) }, data.span)
    }

    pub fn target(&mut self, data: &Ast, output: NodeId, phase: &mut Phase) -> Option<TensorId> {
        let Node { shape, name, .. } = self.network.graph[output].clone();
        self.given_for(data, &name, &shape, phase)
    }

    /// What a part of an output is compared with: data, or another output.
    fn target_of(&mut self, given: &Ast, part: &Ast, shape: &[usize], phase: &mut Phase) -> Option<Target> {
        let name = named(part).unwrap_or("the part").to_string();
        let is_output = |name: &str| self.network.outputs.iter().any(|node| self.network.graph[*node].name == name);
        if self.kind(given) == Kind::Data || !named(given).is_some_and(is_output) {
            return self.given_for(given, &name, shape, phase).map(Target::Data);
        }
        let (other, of_other) = self.part(given)?;
        if of_other != shape {
            let message = format!("`{name}` is {shape:?}, what it is compared with {of_other:?}");
            self.error(Code::E0303, message, given.span, "another shape");
            return None;
        }
        Some(Target::Output(other))
    }

    fn given_for(&mut self, data: &Ast, name: &str, shape: &[usize], phase: &mut Phase) -> Option<TensorId> {
        let array = self.array(data)?;
        let of_sample = self.taken(&array, shape, phase, data.span)?;
        self.samples_of(&array, &of_sample, phase, data.span, &format!("`{name}` is {shape:?}"))?;
        let tensor = self.loaded(&array, data.span)?;
        self.keep(tensor, data.span)
    }

    /// An output, or elements of it that follow one another, `y[0..5]` or `y[2, 0..5]`, and their shape.
    fn part(&mut self, ast: &Ast) -> Option<(Part, Vec<usize>)> {
        let (whole, indices) = match &ast.kind {
            ExprKind::Index(object, indices) => (&**object, &indices[..]),
            _ => (ast, &[][..]),
        };
        let node = self.output(whole)?;
        let Node { shape, name, .. } = self.network.graph[node].clone();
        if indices.len() > shape.len() {
            let message = format!("`{name}` is {shape:?}, {} indices are given", indices.len());
            self.error(Code::E0303, message, ast.span, "too many");
            return None;
        }
        let (mut first, mut past, mut left) = (0, shape.iter().product::<usize>(), Vec::new());
        for (axis, index) in indices.iter().enumerate() {
            if !left.is_empty() {
                let message = "elements that are measured follow one another: only the last index is a range";
                self.error(Code::E0305, message, index.span, "behind a range");
                return None;
            }
            let (low, high) = if let ExprKind::Range(low, high) = &index.kind {
                let (low, high) = (self.count(low, 0.0)?, self.count(high, 0.0)?);
                left.push(high.saturating_sub(low));
                (low, high)
            } else {
                let at = self.count(index, 0.0)?;
                (at, at.saturating_add(1))
            };
            if low >= high || high > shape[axis] {
                let message = format!("{low}..{high} does not lie within the {} of `{name}`", shape[axis]);
                self.error(Code::E0303, message, index.span, "outside");
                return None;
            }
            let each: usize = shape[axis + 1..].iter().product();
            (first, past) = (first + low * each, first + high * each);
        }
        left.extend(&shape[indices.len()..]);
        let array = ArrayId(node.index() as u32);
        Some((Part { array, elements: (first, past) }, if left.is_empty() { vec![1] } else { left }))
    }

    /// `mean(y)`, `mean(y) - 2 * mean(z)`.
    pub fn measure(&mut self, name: &Ident, measure: &Ast, phase: &mut Phase) -> Option<()> {
        if !measures(measure) {
            return self.no_measure(measure.span);
        }
        let mut before = self.plan.phases.iter().flat_map(|phase| &phase.metrics).chain(&phase.metrics);
        if before.any(|metric| metric.name == name.text) {
            self.error(Code::E0202, format!("`{}` is measured twice", name.text), name.span, "measured again here");
            return None;
        }
        let mut steps = Vec::new();
        self.calculated(measure, phase, &mut steps)?;
        phase.metrics.push(Metric { name: name.text.clone(), skip: phase.skip, steps });
        Some(())
    }

    fn no_measure<T>(&mut self, span: Span) -> Option<T> {
        let names: Vec<&str> = MEASURES.iter().map(|(name, _)| *name).collect();
        let wrong = Diagnostic::new(Code::E0417, "this is not a measure", span, "unknown measure");
        let help = format!("one of {}, or what + - * / ^ make of them", names.join(", "));
        self.closer.diagnostics.push(wrong.with_help(help));
        None
    }

    /// Adds the steps of an expression of measures and numbers; of the value its dimension is known, and all of it where it is a number.
    fn calculated(&mut self, ast: &Ast, phase: &mut Phase, steps: &mut Vec<MetricKind>) -> Option<Term> {
        if !measures(ast) {
            let names = self.names.clone();
            let term = self.closer.close(&names, self.file, ast)?;
            steps.push(MetricKind::Number(self.closer.known(&term, ast)?));
            return Some(term);
        }
        match &ast.kind {
            ExprKind::Call(callee, args) if is_measure(callee).is_some() => {
                let (kind, dimension) = self.one(callee, args, ast.span, phase)?;
                steps.push(kind);
                Some(Term { expr: Expr::Symbol(Symbol::Input(0)), dimension })
            }
            ExprKind::Unary(UnaryOp::Negate, operand) => {
                steps.push(MetricKind::Number(0.0));
                let term = self.calculated(operand, phase, steps)?;
                steps.push(MetricKind::Calculated(Binary::Subtract));
                Some(term)
            }
            ExprKind::Binary(op, left, right) => {
                let operation = match op {
                    BinaryOp::Add => Binary::Add,
                    BinaryOp::Subtract => Binary::Subtract,
                    BinaryOp::Multiply | BinaryOp::Of => Binary::Multiply,
                    BinaryOp::Divide => Binary::Divide,
                    BinaryOp::Power => Binary::Power,
                    _ => return self.no_measure(ast.span),
                };
                let (a, b) = (self.calculated(left, phase, steps)?, self.calculated(right, phase, steps)?);
                steps.push(MetricKind::Calculated(operation));
                self.closer.binary(*op, a, b, left.span, right.span)
            }
            _ => self.no_measure(ast.span),
        }
    }

    /// `nrmse(y, target)`, `mean(y)`, `mean(syn.w)`, and the dimension.
    fn one(&mut self, callee: &Ast, args: &[Arg], span: Span, phase: &mut Phase) -> Option<(MetricKind, Dimension)> {
        let (function, compares) = is_measure(callee)?;
        if args.len() != 1 + usize::from(compares) {
            let needs = if compares { "an output and its target" } else { "one output" };
            self.error(Code::E0207, format!("`{function}` takes {needs}"), span, "wrong number of arguments");
            return None;
        }
        let aggregate = match function {
            "std" => Aggregate::StandardDeviation,
            "min" => Aggregate::Minimum,
            "max" => Aggregate::Maximum,
            "sum" => Aggregate::Sum,
            _ => Aggregate::Mean,
        };
        if let Some(connections) = self.weights_of(&args[0].value) {
            if compares {
                self.error(Code::E0417, "weights have no target", span, "an output is needed");
                return None;
            }
            let [connection] = connections[..] else {
                // Of none it is told already.
                connections.first()?;
                let message = "one name joins several populations here, each with weights of its own";
                let wrong = Diagnostic::new(Code::E0417, message, args[0].value.span, "which of them?");
                self.closer.diagnostics.push(wrong.with_help("say which, as in `mean(name[0].w)`"));
                return None;
            };
            let dimension = self.network.connections[connection].dimension;
            return Some((MetricKind::Final { array: ArrayId(connection as u32), aggregate }, dimension));
        }
        let (output, shape) = self.part(&args[0].value)?;
        let kind = if compares {
            let target = self.target_of(&args[1].value, &args[0].value, &shape, phase)?;
            if function == "mse" {
                MetricKind::MeanSquaredError { output, target }
            } else {
                MetricKind::Nrmse { output, target }
            }
        } else {
            MetricKind::Output { output, aggregate }
        };
        Some((kind, Dimension::NONE))
    }

    /// The connections whose weights `syn.w` names, or `syn[0].w` where one name joins several populations.
    fn weights_of(&mut self, ast: &Ast) -> Option<Vec<usize>> {
        let ExprKind::Member(object, member) = &ast.kind else { return None };
        let joined = self.connections_of(object).filter(|_| member.text == "w")?;
        Some(joined.into_iter().map(|(_, index)| index).collect())
    }
}

/// The measure that is called so, and whether it compares.
fn is_measure(callee: &Ast) -> Option<(&'static str, bool)> {
    let ExprKind::Name(name) = &callee.kind else { return None };
    MEASURES.iter().find(|(known, _)| known == name).copied()
}

/// Whether a measure is part of it.
fn measures(ast: &Ast) -> bool {
    let mut found = false;
    walk::within(ast, &mut |part| {
        found |= matches!(&part.kind, ExprKind::Call(callee, _) if is_measure(callee).is_some());
    });
    found
}

/// `y` of `y` and of `y[0..5]`.
fn named(ast: &Ast) -> Option<&str> {
    match &ast.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Index(object, _) => named(object),
        _ => None,
    }
}
