//! Training by gradients: layers that start from random weights, and `by backprop(…)`.

use std::collections::BTreeSet;

use nmc_grammar::ast::{Arg, Clause, Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;
use nmc_program::{Loss, Tensor, TensorData, Update};

use super::array::Array;
use super::schedule::Schedule;
use super::{Elaborator, transfer};
use crate::algebra::derivative;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::network::{Logical, NodeId, Operator, Weights};
use crate::forms::plan::{Feedback, Learning, Phase, PhaseKind, Transfer};
use crate::graph::{is_state, operands};
use crate::quantity::Dimension;
use crate::scramble;
use crate::typing::walk::{all, path};

/// Rules of learning.
const RULES: &[&str] = &["backprop", "two_arrays", "mixed_precision", "manhattan", "direct_feedback_alignment"];
/// What each takes.
const ARGUMENTS: &[&str] = &[
    "rate",
    "batch",
    "epochs",
    "decay",
    "warm_up",
    "loss",
    "shuffle",
    "held_out",
    "stop",
    "patience",
    "layers",
    "pulses",
    "weight_noise",
];
/// Pulses of one update, at most, where nothing is said.
const PULSES: u32 = 31;
/// The longest train of pulses.
const MOST_PULSES: usize = 10_000;
/// Times the spread of a layer's random weights that the cells of its arrays can hold, where nothing is said.
const WITHIN: f64 = 10.0;

impl Elaborator<'_> {
    /// `dense(256, bias: true, start: uniform(-0.1, 0.1))`: weights that training is to find, random before. They are the same for every
    /// seed, so that chips differ by their cells alone.
    pub fn dense_started(
        &mut self,
        from: NodeId,
        outputs: &Ast,
        (start, bias, within): (Option<&Ast>, Option<&Ast>, Option<&Ast>),
        user: Option<&Ident>,
        span: Span,
    ) -> Option<NodeId> {
        let outputs = self.count(outputs, 1.0)?;
        let inputs = self.network.graph[from].len();
        let (weights, bias, spread) = self.random(&[outputs, inputs], start, bias, span)?;
        let weights = Weights::Given(self.keep_later(weights, span));
        let bias = bias.map(|bias| self.keep_later(bias, span));
        let operator = Operator::Dense { weights, bias, positions: 1 };
        let node = self.add(operator, vec![outputs], Logical::Real, span, user, "dense", &[from])?;
        self.starts_within(node, spread, within)?;
        Some(node)
    }

    /// Random weights of a shape, first outputs, with as many biases where that is said, and how far they spread.
    pub fn random(
        &mut self,
        shape: &[usize],
        start: Option<&Ast>,
        bias: Option<&Ast>,
        span: Span,
    ) -> Option<(Array, Option<Array>, f64)> {
        let inputs: usize = shape[1..].iter().product();
        if inputs == 0 {
            self.error(Code::E0303, "a layer with weights has inputs", span, "none here");
            return None;
        }
        let biased = match bias {
            Some(ast) => self.closer.value(&self.names, self.file, ast, Dimension::NONE)? != 0.0,
            None => false,
        };
        // As PyTorch starts a layer.
        let bound = 1.0 / (inputs as f64).sqrt();
        let (is_normal, low, high) = match start {
            Some(ast) => self.spread(ast)?,
            None => (false, -bound, bound),
        };
        let layer = self.random_layers;
        self.random_layers += 1;
        let number = |stream: u64, index: usize| {
            let counter = scramble::scramble(2 * layer + stream).wrapping_add(index as u64);
            match is_normal {
                true => low + high * scramble::gaussian(counter),
                false => low + (high - low) * scramble::uniform(counter),
            }
        };
        let array = |what: &str, shape: Vec<usize>, stream: u64| {
            let count = shape.iter().product();
            let data = TensorData::F32((0..count).map(|index| number(stream, index) as f32).collect());
            Array::known(Tensor { name: format!("random {what}"), shape, data }, Dimension::NONE)
        };
        let spread = if is_normal { high } else { low.abs().max(high.abs()) };
        let bias = biased.then(|| array("bias", vec![shape[0]], 1));
        Some((array("weights", shape.to_vec(), 0), bias, spread))
    }

    /// Tells of a start of weights that are known or fitted.
    pub fn starts_nowhere<T>(&mut self, start: &Ast) -> Option<T> {
        let message = "only weights that are trained start somewhere";
        self.error(Code::E0418, message, start.span, "they are known already");
        None
    }

    /// A layer that starts from weights that spread so far, and the weight that takes the whole range of a cell.
    pub fn starts_within(&mut self, node: NodeId, spread: f64, within: Option<&Ast>) -> Option<()> {
        self.started.push(node);
        self.network.within.insert(node, WITHIN * spread);
        within.map_or(Some(()), |within| self.hold_within(node, within))
    }

    /// `within: 0.6`: the weight that takes the whole range of a cell.
    pub fn hold_within(&mut self, node: NodeId, within: &Ast) -> Option<()> {
        let value = self.closer.value(&self.names, self.file, within, Dimension::NONE)?;
        if !(value > 0.0 && value.is_finite()) {
            self.error(Code::E0306, "weights lie within a number above 0", within.span, "not above 0");
            return None;
        }
        self.network.within.insert(node, value);
        Some(())
    }

    /// `uniform(low, high)` or (`true`) `normal(mean, sigma)` of plain numbers.
    fn spread(&mut self, ast: &Ast) -> Option<(bool, f64, f64)> {
        if let ExprKind::Call(callee, args) = &ast.kind
            && let (ExprKind::Name(name), [a, b]) = (&callee.kind, &args[..])
            && (name == "uniform" || name == "normal")
        {
            let names = self.names.clone();
            let mut number = |arg: &Arg| self.closer.value(&names, self.file, &arg.value, Dimension::NONE);
            let (a, b) = (number(a)?, number(b)?);
            let sound = if name == "normal" { b > 0.0 } else { a < b };
            if sound {
                return Some((name == "normal", a, b));
            }
            self.error(Code::E0306, "weights do not spread over this", ast.span, "nothing lies in it");
            return None;
        }
        self.error(Code::E0306, "this is no spread of weights", ast.span, "such as `uniform(-0.1, 0.1)`");
        None
    }

    /// What is learned of the output that is expected, by the rule among the clauses; nothing where there is none.
    pub fn learn(&mut self, clauses: &[Clause], phase: &mut Phase) -> Option<()> {
        let mut rules =
            clauses.iter().filter_map(|clause| if let Clause::By(rule) = clause { Some(rule) } else { None });
        let Some(rule) = rules.next() else { return Some(()) };
        let not = |this: &mut Self, message: &str, span: Span, label: &str| {
            this.error(Code::E0415, message, span, label);
            None
        };
        if let Some(second) = rules.next() {
            return not(self, "training follows one rule", second.span, "a second one");
        }
        if phase.kind != PhaseKind::Train {
            return not(self, "only `train` learns", rule.span, "in a test nothing changes");
        }
        if self.has_time() && !self.only_states() {
            let message = "training by gradients takes a network without neurons or devices";
            return not(self, message, rule.span, "not so here");
        }
        if phase.sequence {
            self.learns_in_sequence(phase, rule.span)?;
        }
        if phase.skip > 0 || !phase.metrics.is_empty() {
            let label = "`skip` and `measure` have no place with it";
            return not(self, "training by gradients measures its loss", rule.span, label);
        }
        // Nothing was expected: that is told.
        let Some(mut learning) = phase.learning.take() else { return Some(()) };
        let (name, args) = match &rule.kind {
            ExprKind::Call(callee, args) => (path(callee).unwrap_or_default(), &args[..]),
            _ => (path(rule).unwrap_or_default(), &[][..]),
        };
        learning.update = match name.as_str() {
            "backprop" => Update::Stochastic { length: PULSES },
            "two_arrays" => {
                learning.transfer = Some(Transfer::default());
                Update::Stochastic { length: PULSES }
            }
            "mixed_precision" => Update::Kept { most: PULSES },
            "manhattan" => Update::Sign,
            "direct_feedback_alignment" if self.has_time() => {
                let message = "direct feedback has no accepted form through states: what steps before did to an output goes through them";
                return not(self, message, rule.span, "the network has states: use `backprop`");
            }
            "direct_feedback_alignment" => {
                learning.feedback = Feedback::Direct;
                Update::Stochastic { length: PULSES }
            }
            _ => {
                let message = format!("there is no rule of learning `{name}`");
                let mut unknown = Diagnostic::new(Code::E0415, message, rule.span, "unknown rule");
                let near = closest(&name, RULES.iter().copied());
                unknown.help = Some(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the rules: {}", RULES.join(", ")),
                });
                self.closer.diagnostics.push(unknown);
                return None;
            }
        };
        let (mut named, mut schedule) = (false, Schedule::default());
        for arg in args {
            let key = arg.name.as_ref().map_or("", |name| name.text.as_str());
            named |= key == "layers";
            match key {
                "rate" | "decay" | "warm_up" => {
                    self.scheduled(key, &arg.value, &mut schedule)?;
                    continue;
                }
                "held_out" => {
                    learning.held_out = self.held_out(&arg.value, phase.samples)?;
                    continue;
                }
                _ => {}
            }
            match learning.transfer.as_mut().filter(|_| transfer::ARGUMENTS.contains(&key)) {
                Some(transfer) => self.transfer_argument(key, &arg.value, transfer)?,
                None => self.argument(&name, key, &arg.value, &mut learning)?,
            }
        }
        learning.rates = self.rates(&schedule, learning.epochs)?;
        if learning.rates.is_empty() {
            let missing = Diagnostic::new(Code::E0415, "training needs a rate", rule.span, "how fast it learns");
            self.closer.diagnostics.push(missing.with_help(format!("write `by {name}(rate: 0.05)`")));
            return None;
        }
        if !named {
            learning.layers = self.learners(learning.output, &|_, _| true);
        }
        if phase.sequence && learning.shuffle {
            return not(self, "samples of a sequence stay in their order", rule.span, "`shuffle` has no place here");
        }
        let turns = learning.transfer.as_ref().is_none_or(|transfer| !transfer.dynamic || transfer.chop > 0.0);
        if !turns {
            let label = "say how often: `choppers: 10 %`";
            return not(self, "a dynamic reference follows signs that turn", rule.span, label);
        }
        if learning.layers.is_empty() {
            let name = self.network.graph[learning.output].name.clone();
            return not(self, &format!("nothing behind `{name}` learns"), rule.span, "no layer with weights");
        }
        self.learns_one_way(&learning, rule.span)?;
        self.told_unmoved(&learning);
        phase.learning = Some(learning);
        Some(())
    }

    /// Samples of a sequence: the gradient goes back through those of a batch, by states alone.
    fn learns_in_sequence(&mut self, phase: &Phase, span: Span) -> Option<()> {
        let graph = &self.network.graph;
        let delayed = graph.node_weights().any(|node| matches!(node.operator, Operator::Delay));
        let afresh = |node: &NodeId| is_state(&self.network, *node) && operands(&self.network, *node).len() > 1;
        let (message, label) = if !self.has_time() {
            ("without states samples are no sequence: `train { … }`", "nothing goes on from sample to sample")
        } else if delayed {
            ("the gradient does not go back through a `delay`", "a state in its place keeps a value, too")
        } else if let Some(state) = graph.node_indices().find(afresh) {
            let (message, label) =
                ("a state that starts from a signal starts with every sample", "no sequence of samples");
            let wrong = Diagnostic::new(Code::E0415, message, span, label);
            self.closer.diagnostics.push(wrong.with_label(graph[state].span, "the state"));
            return None;
        } else {
            // What is shown once a sample is shown step by step: the batch is one stretch of steps.
            self.network.stepped.extend(phase.inputs.iter().map(|(node, _)| *node));
            return Some(());
        };
        self.error(Code::E0415, message, span, label);
        None
    }

    /// How many of so many samples a share of them is: the last are looked at, not learned from.
    fn held_out(&mut self, value: &Ast, samples: usize) -> Option<usize> {
        let names = self.names.clone();
        let share = self.closer.value(&names, self.file, value, Dimension::NONE)?;
        let held = (share * samples as f64).round();
        if share > 0.0 && share < 1.0 && held >= 1.0 && held < samples as f64 {
            return Some(held as usize);
        }
        let label = match share > 0.0 && share < 1.0 {
            true => format!("of {samples} samples this leaves none there, or none to learn from"),
            false => String::from("a share of the samples: `held_out: 20 %`"),
        };
        self.error(Code::E0306, "this is no `held_out`", value.span, label);
        None
    }

    fn argument(&mut self, rule: &str, key: &str, value: &Ast, learning: &mut Learning) -> Option<()> {
        let names = self.names.clone();
        let word = if let ExprKind::Name(word) = &value.kind { word.as_str() } else { "" };
        let impossible = |this: &mut Self, what: &str| {
            this.error(Code::E0306, format!("this is no `{key}`"), value.span, what.to_string());
            None
        };
        match key {
            "stop" => {
                let number = self.closer.value(&names, self.file, value, Dimension::NONE)?;
                if !(number > 0.0 && number.is_finite()) {
                    return impossible(self, "a number above 0 is needed");
                }
                learning.stop = Some(number);
            }
            "patience" => learning.patience = Some(self.count(value, 1.0)?),
            "weight_noise" => {
                learning.noise = self.closer.value(&names, self.file, value, Dimension::NONE)?;
                if !(learning.noise >= 0.0 && learning.noise.is_finite()) {
                    return impossible(self, "a share of the largest weight is needed");
                }
            }
            "batch" => learning.batch = self.count(value, 1.0)?,
            "epochs" => learning.epochs = self.count(value, 1.0)?,
            "shuffle" => match value.kind {
                ExprKind::Bool(shuffle) => learning.shuffle = shuffle,
                _ => return impossible(self, "`true` or `false`"),
            },
            "loss" => {
                learning.loss = match (word, learning.loss.clone()) {
                    ("cross_entropy", Loss::CrossEntropy { labels } | Loss::SquaredLabels { labels }) => {
                        Loss::CrossEntropy { labels }
                    }
                    ("squared", Loss::CrossEntropy { labels } | Loss::SquaredLabels { labels }) => {
                        Loss::SquaredLabels { labels }
                    }
                    ("squared", loss @ Loss::Squared { .. }) => loss,
                    ("cross_entropy", Loss::Squared { .. }) => {
                        return impossible(self, "it takes labels: `expect argmax(…) == …`");
                    }
                    _ => return impossible(self, "one of cross_entropy, squared"),
                }
            }
            "layers" => {
                let known = self.learners(learning.output, &|_, _| true);
                for layer in all(value) {
                    let node = self.node_called(layer)?;
                    if !known.contains(&node) {
                        self.error(
                            Code::E0415,
                            "this layer cannot learn here",
                            layer.span,
                            "not a layer with weights behind the output",
                        );
                        return None;
                    }
                    learning.layers.push(node);
                }
            }
            "pulses" if learning.update != Update::Sign => {
                let (form, most) = match &value.kind {
                    ExprKind::Call(callee, args) if args.len() == 1 => {
                        (path(callee).unwrap_or_default(), self.count(&args[0].value, 1.0)?)
                    }
                    _ => (word.to_string(), PULSES as usize),
                };
                if most > MOST_PULSES {
                    return impossible(self, "at most 10,000 pulses");
                }
                let most = most as u32;
                learning.update = match (learning.update, form.as_str()) {
                    (Update::Stochastic { .. } | Update::Nearest { .. }, "stochastic") => {
                        Update::Stochastic { length: most }
                    }
                    (Update::Stochastic { .. } | Update::Nearest { .. }, "nearest") => Update::Nearest { most },
                    (Update::Kept { .. }, "nearest") => Update::Kept { most },
                    _ => return impossible(self, "such as `stochastic(31)` or, for whole batches, `nearest(31)`"),
                }
            }
            _ => {
                let message = format!("`{rule}` has no argument `{key}`");
                let mut unknown = Diagnostic::new(Code::E0206, message, value.span, "unknown argument");
                let more = if learning.transfer.is_some() { transfer::ARGUMENTS } else { &[] };
                let known = [ARGUMENTS, more].concat();
                unknown.help = Some(match closest(key, known.iter().copied()) {
                    Some(near) if near != key => format!("did you mean `{near}`?"),
                    _ => format!("its arguments: {}", known.join(", ")),
                });
                self.closer.diagnostics.push(unknown);
                return None;
            }
        }
        Some(())
    }

    /// Layers that no gradient reaches, since something behind them has a slope of 0 everywhere.
    fn told_unmoved(&mut self, learning: &Learning) {
        let network = &self.network;
        let slopes = |node: NodeId, operand: usize| match &network.graph[node].operator {
            Operator::Elementwise { body, .. } => derivative(body, Symbol::Input(operand)) != Expr::Number(0.0),
            _ => true,
        };
        let reached = self.learners(learning.output, &slopes);
        for layer in learning.layers.iter().filter(|layer| !reached.contains(layer)) {
            let data = &network.graph[*layer];
            let message = format!("training does not move `{}`: what is behind it has a slope of 0", data.name);
            let told = Diagnostic::new(Code::W0467, message, data.span, "its gradient is always 0");
            let help =
                "train with a function that has a slope, such as `sigmoid` or `tanh` in the place of `step` and `sign`";
            self.closer.diagnostics.push(told.with_help(help));
        }
    }

    /// The layers with given weights that an output is made from, by those operands that `passes` lets through.
    fn learners(&self, output: NodeId, passes: &dyn Fn(NodeId, usize) -> bool) -> Vec<NodeId> {
        let (mut found, mut open, mut seen) = (Vec::new(), vec![output], BTreeSet::new());
        while let Some(node) = open.pop() {
            if !seen.insert(node) {
                continue;
            }
            let is_layer =
                matches!(self.network.graph[node].operator, Operator::Dense { weights: Weights::Given(_), .. });
            // What reads another's array backward learns with it.
            let layer = self.network.backward.get(&node).copied().unwrap_or(node);
            if is_layer && !found.contains(&layer) {
                found.push(layer);
            }
            let operands = operands(&self.network, node).into_iter().enumerate();
            open.extend(operands.filter(|(operand, _)| passes(node, *operand)).map(|(_, operand)| operand));
        }
        found.sort_unstable();
        found
    }

    /// Layers with random weights that no training changes.
    pub fn untrained(&mut self) {
        let trained: Vec<NodeId> = self
            .plan
            .phases
            .iter()
            .filter_map(|phase| phase.learning.as_ref())
            .flat_map(|l| l.layers.clone())
            .collect();
        for node in self.started.clone().into_iter().filter(|node| !trained.contains(node)) {
            let data = &self.network.graph[node];
            let message = format!("`{}` starts from random weights, and no `train` changes them", data.name);
            let missing = Diagnostic::new(Code::E0415, message, data.span, "never trained");
            let help = "add `train { … } expect argmax(scores) == digits.y by backprop(rate: 0.05)`";
            self.closer.diagnostics.push(missing.with_help(help));
        }
    }

    /// Labels or targets of what is learned.
    pub fn learned(&mut self, output: NodeId, data: &Ast, labelled: bool, phase: &mut Phase) -> Option<()> {
        let loss = match labelled {
            true => {
                let labels = self.labels(data, output, phase)?;
                Loss::CrossEntropy { labels: self.keep(labels, data.span)? }
            }
            false => Loss::Squared { targets: self.target(data, output, phase)? },
        };
        let (update, layers) = (Update::Sign, Vec::new());
        let (rates, batch, epochs, shuffle) = (Vec::new(), 1, 1, !phase.sequence);
        let (held_out, stop, patience) = (0, None, None);
        let (feedback, noise, transfer) = (Feedback::Transposed, 0.0, None);
        phase.learning = Some(Learning {
            output,
            loss,
            rates,
            batch,
            epochs,
            shuffle,
            held_out,
            stop,
            patience,
            update,
            feedback,
            noise,
            transfer,
            layers,
        });
        Some(())
    }
}

/// Whether a phase learns by gradients.
pub fn learns(clauses: &[Clause]) -> bool {
    clauses.iter().any(|clause| matches!(clause, Clause::By(_)))
}
