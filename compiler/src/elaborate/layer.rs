//! Layers: what a signal can be piped into.

use nmc_grammar::ast::{Arg, BinaryOp, BlockKind, Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use nmc_program::{Fit, Reduction};

use super::functions::{FUNCTIONS, later};
use super::signal::{Kind, Value};
use super::{Elaborator, operand};
use crate::forms::gather::Gather;
use crate::forms::network::{Logical, NodeId, Operator, Weights};
use crate::quantity::Dimension;

/// Layers that are no functions of single elements.
pub const LAYERS: &[&str] = &[
    "flatten",
    "reshape",
    "dense",
    "transposed",
    "conv2d",
    "max_pool",
    "average_pool",
    "concat",
    "scale",
    "softmax",
    "winner_take_all",
    "delay",
];

/// The longest delay.
const MOST_SAMPLES: usize = 10_000;

impl Elaborator<'_> {
    /// What signals become in a layer: a name, or a name with arguments.
    pub fn layer(&mut self, from: Vec<NodeId>, layer: &Ast, user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let (callee, args) = match &layer.kind {
            ExprKind::Call(callee, args) => (&**callee, &args[..]),
            _ => (layer, &[][..]),
        };
        let ExprKind::Name(name) = &callee.kind else {
            self.error(Code::E0416, "a signal is piped into a layer", layer.span, "not the name of a layer");
            return None;
        };
        let first = *from.first()?;
        let most = if name == "transposed" { 2 } else { 1 };
        if from.len() > most && name != "concat" && LAYERS.contains(&name.as_str()) {
            self.error(Code::E0206, format!("`{name}` takes one signal, not {}", from.len()), span, "one too many");
            return None;
        }
        match name.as_str() {
            "flatten" => {
                self.no_arguments(name, args)?;
                let len = self.network.graph[first].len();
                self.reshape(first, vec![len], user, span, "flatten")
            }
            "reshape" => self.reshape_to(first, args, user, span),
            "dense" => self.dense(first, args, user, span),
            "transposed" => self.backward(&from, args, user, span),
            "concat" => self.concat(from, args, user, span),
            "scale" => self.scale(first, args, user, span),
            "softmax" => {
                self.no_arguments(name, args)?;
                self.softmax(first, user, span)
            }
            "winner_take_all" => self.winner_take_all(first, args, user, span),
            "delay" => self.delay(first, args, user, span),
            "conv2d" => self.conv2d(first, args, user, span),
            "max_pool" => self.pool(Reduction::Maximum, first, args, user, span),
            "average_pool" => self.pool(Reduction::Mean, first, args, user, span),
            _ if FUNCTIONS.iter().any(|(_, known)| known == name) => {
                let operand = self.real(first, span)?;
                let mut all = vec![Arg { name: None, value: lifted(0, span) }];
                all.extend(args.iter().cloned());
                let call = Ast { kind: ExprKind::Call(Box::new(callee.clone()), all), span };
                self.elementwise(&call, &[(operand, span)], user, name)
            }
            _ => self.block_layer(from, name, callee.span, args, user, span),
        }
    }

    /// A network, an encoder or a decoder as a layer.
    fn block_layer(
        &mut self,
        from: Vec<NodeId>,
        name: &str,
        place: Span,
        args: &[Arg],
        user: Option<&Ident>,
        span: Span,
    ) -> Option<NodeId> {
        if self.closer.model.lookup(self.file, name).is_none() {
            if let Some(later) = later(name, place) {
                self.closer.diagnostics.push(later);
                return None;
            }
            let mut unknown =
                Diagnostic::new(Code::E0416, format!("there is no layer `{name}`"), place, "unknown layer");
            let known = LAYERS.iter().copied().chain(FUNCTIONS.iter().map(|(_, name)| *name));
            let population = || {
                let help = format!(
                    "`{name}` is a population: spikes reach it by `connect a -> {name}`, numbers by `x -> {name}.input`"
                );
                self.nodes.contains_key(name).then_some(help)
            };
            let library = || crate::resolve::library::library(name);
            let near = || closest(name, known).map(|near| format!("did you mean `{near}`?"));
            let all = || format!("the layers are {}, functions such as `relu`, and networks", LAYERS.join(", "));
            unknown.help = population().or_else(library).or_else(near).or_else(|| Some(all()));
            self.closer.diagnostics.push(unknown);
            return None;
        }
        let kinds = [BlockKind::Network, BlockKind::Encoder, BlockKind::Decoder];
        let (id, block) = self.block(self.file, name, place, &kinds)?;
        match block.kind {
            BlockKind::Encoder | BlockKind::Decoder => {
                let from = *from.first()?;
                let operand = if block.kind == BlockKind::Encoder { self.real(from, span)? } else { from };
                self.code(operand, id.file, block, args, user, span)
            }
            _ => {
                let instance = match user {
                    Some(user) => user.text.clone(),
                    None => self.fresh(name).rsplit('.').next().unwrap_or(name).to_string(),
                };
                let outputs = self.instance(id, block, from, args, &instance, span)?;
                let only = match outputs.values().copied().collect::<Vec<_>>()[..] {
                    [node] => Some(node),
                    _ => None,
                };
                let Some(user) = user else {
                    if only.is_some() {
                        return only;
                    }
                    let message = format!("`{name}` has {} outputs", outputs.len());
                    let several = Diagnostic::new(Code::E0411, message, span, "which of them goes on?");
                    let first = outputs.keys().next().cloned().unwrap_or_default();
                    let help = format!("give it a name: `r = {name}(…)`, then `r.{first}`");
                    self.closer.diagnostics.push(several.with_help(help));
                    return None;
                };
                self.values.insert(user.text.clone(), Value::Outputs(outputs));
                only
            }
        }
    }

    fn no_arguments(&mut self, name: &str, args: &[Arg]) -> Option<()> {
        let Some(arg) = args.first() else { return Some(()) };
        self.error(Code::E0206, format!("`{name}` takes no arguments"), arg.value.span, "not needed");
        None
    }

    fn reshape(
        &mut self,
        from: NodeId,
        shape: Vec<usize>,
        user: Option<&Ident>,
        span: Span,
        base: &str,
    ) -> Option<NodeId> {
        let logical = self.network.graph[from].logical;
        let gather = Operator::Gather(Gather::whole(self.network.graph[from].len()));
        let node = self.add(gather, shape, logical, span, user, base, &[from])?;
        self.dimensions.insert(node, self.dimension(from));
        Some(node)
    }

    fn reshape_to(&mut self, from: NodeId, args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let sizes: Vec<&Ast> = args
            .iter()
            .flat_map(|arg| match &arg.value.kind {
                ExprKind::List(items) | ExprKind::Tuple(items) => items.iter().collect(),
                _ => vec![&arg.value],
            })
            .collect();
        let shape = sizes.into_iter().map(|size| self.count(size, 1.0)).collect::<Option<Vec<usize>>>()?;
        let len = self.network.graph[from].len();
        if shape.iter().product::<usize>() != len {
            self.error(Code::E0303, format!("{len} elements do not fit {shape:?}"), span, "another number of elements");
            return None;
        }
        self.reshape(from, shape, user, span, "reshape")
    }

    fn concat(&mut self, from: Vec<NodeId>, args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let mut parts = Vec::new();
        for node in from {
            parts.push(self.real(node, span)?);
        }
        for arg in args {
            if self.kind(&arg.value) == Kind::Number {
                let message = "`concat` joins signals to a vector, one after the other: it has no axis to choose";
                let wrong = Diagnostic::new(Code::E0305, message, arg.value.span, "not a signal");
                self.closer.diagnostics.push(wrong.with_help("leave it out; images get their shape back by `reshape`"));
                return None;
            }
            let node = self.signal(&arg.value, None)?;
            parts.push(self.real(node, arg.value.span)?);
        }
        let dimension = self.dimension(parts[0]);
        if parts.iter().any(|part| self.dimension(*part) != dimension) {
            self.error(Code::E0302, "what is joined must be of one dimension", span, "of several");
            return None;
        }
        let gather = Gather::join(parts.iter().map(|part| self.network.graph[*part].len()));
        let shape = vec![gather.len()];
        let node = self.add(Operator::Gather(gather), shape, Logical::Real, span, user, "concat", &parts)?;
        self.dimensions.insert(node, dimension);
        Some(node)
    }

    fn scale(&mut self, from: NodeId, args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let [arg] = args else {
            self.error(Code::E0207, "`scale` takes one factor", span, "such as `scale(2 V)`");
            return None;
        };
        let operand = self.real(from, span)?;
        let product = ExprKind::Binary(BinaryOp::Multiply, Box::new(lifted(0, span)), Box::new(arg.value.clone()));
        self.elementwise(&Ast { kind: product, span }, &[(operand, span)], user, "scale")
    }

    /// `delay` or `delay(3)`: the value of so many samples before.
    fn delay(&mut self, from: NodeId, args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let mut at = self.real(from, span)?;
        let samples = match args {
            [] => 1,
            [arg] if arg.name.is_none() => self.count(&arg.value, 1.0)?,
            _ => {
                self.error(Code::E0206, "`delay` takes a number of samples", span, "such as `delay(2)`");
                return None;
            }
        };
        if samples > MOST_SAMPLES {
            self.error(Code::E0306, "so long a delay cannot be kept", span, format!("at most {MOST_SAMPLES} samples"));
            return None;
        }
        if crate::graph::moves(&self.network).in_time[at.index()] {
            let message = "a delay of what moves within a sample is not supported yet";
            self.error(Code::E0402, message, span, "a delay is from sample to sample");
            return None;
        }
        let (shape, dimension) = (self.network.graph[at].shape.clone(), self.dimension(at));
        for sample in 1..=samples {
            let user = user.filter(|_| sample == samples);
            at = self.add(Operator::Delay, shape.clone(), Logical::Real, span, user, "delay", &[at])?;
            self.dimensions.insert(at, dimension);
        }
        Some(at)
    }

    /// `dense(weights, bias: b)`, `dense(outputs, fit: ridge(penalty), bias: true)` or `dense(outputs, bias: true)`, to be trained.
    fn dense(&mut self, from: NodeId, args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let from = self.real(from, span)?;
        let (mut first, mut bias, mut fit, mut start, mut within) = (None, None, None, None, None);
        for arg in args {
            match arg.name.as_ref().map(|name| name.text.as_str()) {
                None if first.is_none() => first = Some(&arg.value),
                Some("bias") => bias = Some(&arg.value),
                Some("fit") => fit = Some(&arg.value),
                Some("start") => start = Some(&arg.value),
                Some("within") => within = Some(&arg.value),
                other => {
                    let message = format!("`dense` has no argument `{}`", other.unwrap_or_default());
                    self.error(
                        Code::E0206,
                        message,
                        arg.value.span,
                        "its arguments: weights or outputs, bias, fit, start, within",
                    );
                    return None;
                }
            }
        }
        let shape = &self.network.graph[from].shape;
        if shape.len() > 1 {
            let message = format!("`dense` takes a row of numbers, `{}` is {shape:?}", self.network.graph[from].name);
            let not_flat = Diagnostic::new(Code::E0303, message, span, "takes no more than one axis");
            self.closer.diagnostics.push(not_flat.with_help("put `|> flatten` before it"));
            return None;
        }
        let Some(first) = first else {
            self.error(Code::E0207, "`dense` needs its weights", span, "such as `dense(data[\"w\"])`");
            return None;
        };
        if let (Some(start), Some(_), _) | (Some(start), _, true) = (start, fit, self.kind(first) == Kind::Data) {
            return self.starts_nowhere(start);
        }
        match (self.kind(first) == Kind::Data, fit) {
            (true, None) => {
                let node = self.dense_given(from, first, bias, user, span)?;
                within.map_or(Some(()), |within| self.hold_within(node, within))?;
                Some(node)
            }
            (false, Some(fit)) => self.dense_fitted(from, first, fit, bias, user, span),
            (true, Some(fit)) => {
                self.error(Code::E0418, "weights are either given or fitted", fit.span, "they are given already");
                None
            }
            (false, None) => self.dense_started(from, first, (start, bias, within), user, span),
        }
    }

    fn dense_given(
        &mut self,
        from: NodeId,
        weights: &Ast,
        bias: Option<&Ast>,
        user: Option<&Ident>,
        span: Span,
    ) -> Option<NodeId> {
        let inputs = self.network.graph[from].len();
        let array = self.array(weights)?;
        let &[outputs, width] = &array.shape[..] else {
            let message = format!("weights are [outputs, inputs], `{}` is {:?}", array.name, array.shape);
            self.error(Code::E0308, message, weights.span, "not a matrix");
            return None;
        };
        if width != inputs {
            let message = format!("`{}` is {:?}: it takes {width} inputs, not {inputs}", array.name, array.shape);
            let wrong = Diagnostic::new(Code::E0308, message, weights.span, "weights are [outputs, inputs]");
            let node = &self.network.graph[from];
            let mut wrong = wrong.with_label(node.span, format!("`{}` has {inputs} elements", node.name));
            if outputs == inputs {
                wrong.help = Some(String::from("these are [inputs, outputs]: take `transpose(…)` of them"));
            }
            self.closer.diagnostics.push(wrong);
            return None;
        }
        let dimension = array.dimension.times(self.dimension(from));
        let bias = match bias {
            Some(ast) => {
                let bias = self.bias_array(ast, outputs, dimension)?;
                Some(self.keep_later(bias, ast.span))
            }
            None => None,
        };
        let weights = Weights::Given(self.keep_later(array, weights.span));
        let node = self.add(
            Operator::Dense { weights, bias, positions: 1 },
            vec![outputs],
            Logical::Real,
            span,
            user,
            "dense",
            &[from],
        )?;
        self.dimensions.insert(node, dimension);
        Some(node)
    }

    fn no_fit<T>(&mut self, span: Span) -> Option<T> {
        self.error(Code::E0418, "this is not a way to fit", span, "such as `fit: ridge(1e-6)`, or `fit: vote`");
        None
    }

    fn dense_fitted(
        &mut self,
        from: NodeId,
        outputs: &Ast,
        fit: &Ast,
        bias: Option<&Ast>,
        user: Option<&Ident>,
        span: Span,
    ) -> Option<NodeId> {
        let outputs = self.count(outputs, 1.0)?;
        let fit = match &fit.kind {
            ExprKind::Name(name) if name == "vote" => Fit::Vote,
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "ridge") => {
                let [penalty] = &args[..] else { return self.no_fit(fit.span) };
                let value = self.closer.value(&self.names, self.file, &penalty.value, Dimension::NONE)?;
                if value < 0.0 {
                    self.error(Code::E0306, "a penalty cannot be negative", penalty.value.span, "below 0");
                    return None;
                }
                Fit::Ridge { penalty: value }
            }
            _ => return self.no_fit(fit.span),
        };
        let given = bias.map(|ast| ast.span);
        let bias = match bias {
            Some(ast) => self.closer.value(&self.names, self.file, ast, Dimension::NONE)? != 0.0,
            None => false,
        };
        if let (Fit::Vote, true, Some(span)) = (fit, bias, given) {
            self.error(Code::E0418, "a vote has no bias", span, "leave it out");
            return None;
        }
        let weights = Weights::Fitted { fit, bias };
        // What a fit gives is a plain number, whatever it is fitted on.
        self.add(
            Operator::Dense { weights, bias: None, positions: 1 },
            vec![outputs],
            Logical::Real,
            span,
            user,
            "dense",
            &[from],
        )
    }
}

/// A lifted operand.
fn lifted(index: usize, span: Span) -> Ast {
    Ast { kind: ExprKind::Name(operand::name(index)), span }
}
