//! Signals: what an expression over the network's values stands for, as a node of the graph.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, BlockKind, Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use super::data::Data;
use super::functions::FUNCTIONS;
use super::layer::LAYERS;
use super::term::Term;
use super::{Elaborator, operand};
use crate::forms::equations::{Expr, Symbol};
use crate::forms::gather::{AffineMap, Axis, Gather};
use crate::forms::model::Definition;
use crate::forms::network::{Logical, Node, NodeId, Operator};
use crate::quantity::Dimension;
use crate::units::type_dimension;

/// What a name of a network or an experiment stands for, when it is no number.
#[derive(Debug, Clone)]
pub enum Value {
    /// A node's output.
    Signal(NodeId),
    /// The outputs of a network used as a layer.
    Outputs(BTreeMap<String, NodeId>),
    Data(Data),
}

/// What sort of thing an expression is, as far as its names tell; a mixture is the last of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Number,
    Data,
    Signal,
}

impl Elaborator<'_> {
    pub fn kind(&self, ast: &Ast) -> Kind {
        let most = |parts: &[&Ast]| parts.iter().map(|part| self.kind(part)).max().unwrap_or(Kind::Number);
        match &ast.kind {
            ExprKind::Name(name) => match self.values.get(name) {
                Some(Value::Signal(_) | Value::Outputs(_)) => Kind::Signal,
                Some(Value::Data(_)) => Kind::Data,
                None if self.nodes.contains_key(name) => Kind::Signal,
                None if self.is_table(ast) => Kind::Data,
                None => Kind::Number,
            },
            ExprKind::Member(object, _) => self.kind(object),
            ExprKind::Index(object, _) => match &object.kind {
                ExprKind::Name(name) if self.is_family(name) => Kind::Signal,
                _ => self.kind_of_entry(ast).unwrap_or_else(|| self.kind(object)),
            },
            ExprKind::Pipe(..) => Kind::Signal,
            ExprKind::Iterate { .. } | ExprKind::List(_) => Kind::Data,
            ExprKind::Call(callee, args) => match &callee.kind {
                ExprKind::Name(name) if name == "load" => Kind::Data,
                ExprKind::Name(name) if self.makes_a_node(name) => Kind::Signal,
                _ => most(&args.iter().map(|arg| &arg.value).collect::<Vec<_>>()),
            },
            ExprKind::Unary(_, a) => self.kind(a),
            ExprKind::Binary(_, a, b) => most(&[a, b]),
            ExprKind::If(c, a, b) => most(&[c, a, b]),
            _ => Kind::Number,
        }
    }

    /// Whether `name[0]`, `name[1]`, … are populations or signals.
    pub fn is_family(&self, name: &str) -> bool {
        fn has<T>(known: &BTreeMap<String, T>, prefix: &str) -> bool {
            known.range(prefix.to_string()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
        }
        let prefix = format!("{name}[");
        has(&self.nodes, &prefix) || has(&self.values, &prefix)
    }

    /// Whether calling it gives a node of its own: a layer, a network, an encoder or a decoder.
    pub fn makes_a_node(&self, name: &str) -> bool {
        let model = self.closer.model;
        let block = model.lookup(self.file, name).and_then(|id| model.definition(id));
        let kinds = [BlockKind::Network, BlockKind::Encoder, BlockKind::Decoder];
        LAYERS.contains(&name) || matches!(block, Some(Definition::Block(block)) if kinds.contains(&block.kind))
    }

    /// Whether an expression is, as a whole and not by arithmetic, a thing of this kind.
    pub fn is_part(&self, ast: &Ast, kind: Kind) -> bool {
        let whole = match &ast.kind {
            ExprKind::Name(_) | ExprKind::Member(..) | ExprKind::Index(..) | ExprKind::Pipe(..) => true,
            ExprKind::Iterate { .. } | ExprKind::List(_) => true,
            ExprKind::Call(callee, _) => {
                let of_its_own = |name: &str| matches!(name, "load" | "transpose" | "sum") || self.makes_a_node(name);
                matches!(&callee.kind, ExprKind::Name(name) if of_its_own(name))
            }
            _ => false,
        };
        whole && self.kind(ast) == kind
    }

    /// The node an expression stands for; `user`: the name it is being given.
    pub fn signal(&mut self, ast: &Ast, user: Option<&Ident>) -> Option<NodeId> {
        match &ast.kind {
            ExprKind::Name(name) => self.named(name, ast.span),
            ExprKind::Member(object, member) => self.member(object, member),
            ExprKind::Index(object, indices) => {
                if let Some(name) = self.indexed_name(ast) {
                    return self.named(&name, ast.span);
                }
                let from = self.signal(object, None)?;
                self.slice(from, indices, user, ast.span)
            }
            ExprKind::Pipe(from, layer) => {
                let from = self.signal(from, None)?;
                self.layer(vec![from], layer, user, ast.span)
            }
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if self.makes_a_node(name)) => {
                let first = args.iter().take_while(|arg| arg.name.is_none() && self.kind(&arg.value) == Kind::Signal);
                let first: Vec<Ast> = first.map(|arg| arg.value.clone()).collect();
                let signals = first.iter().map(|arg| self.signal(arg, None)).collect::<Option<Vec<_>>>()?;
                let rest = args[signals.len()..].to_vec();
                let layer = Ast { kind: ExprKind::Call(callee.clone(), rest), span: ast.span };
                self.layer(signals, &layer, user, ast.span)
            }
            // `relu(x)` is what `x |> relu` is, and may be computed by the same parts.
            ExprKind::Call(callee, args) if self.is_layer_of_one(callee, args) => {
                let from = self.signal(&args[0].value, None)?;
                let layer = Ast { kind: ExprKind::Call(callee.clone(), args[1..].to_vec()), span: ast.span };
                self.layer(vec![from], &layer, user, ast.span)
            }
            _ => self.arithmetic(ast, user, "arithmetic"),
        }
    }

    /// Whether a call is a known function of one signal, which nothing was computed for.
    fn is_layer_of_one(&self, callee: &Ast, args: &[Arg]) -> bool {
        let known = matches!(&callee.kind, ExprKind::Name(name) if FUNCTIONS.iter().any(|(_, known)| known == name));
        let signals = args.iter().filter(|arg| self.kind(&arg.value) == Kind::Signal).count();
        let first = args.first().is_some_and(|arg| arg.name.is_none() && self.is_part(&arg.value, Kind::Signal));
        known && first && signals == 1
    }

    pub fn named(&mut self, name: &str, span: Span) -> Option<NodeId> {
        match self.values.get(name) {
            Some(Value::Signal(node)) => return Some(*node),
            Some(Value::Outputs(outputs)) => {
                if let [node] = outputs.values().copied().collect::<Vec<_>>()[..] {
                    return Some(node);
                }
                let names: Vec<String> = outputs.keys().map(|output| format!("`{name}.{output}`")).collect();
                let message = format!("`{name}` has several outputs: say {}", names.join(" or "));
                self.error(Code::E0411, message, span, "which of them?");
                return None;
            }
            Some(Value::Data(_)) => {
                let constant = Diagnostic::new(Code::E0205, format!("`{name}` is data, not a signal"), span, "data");
                let help = "weights go into a layer: `x |> dense(weights[\"w\"])`";
                self.closer.diagnostics.push(constant.with_help(help));
                return None;
            }
            None => {}
        }
        if let Some(&node) = self.nodes.get(name) {
            return Some(node);
        }
        let mut unknown = Diagnostic::new(Code::E0201, format!("there is no signal `{name}`"), span, "unknown name");
        let known = self.values.keys().chain(self.nodes.keys()).map(String::as_str);
        unknown.help = closest(name, known).map(|near| format!("did you mean `{near}`?"));
        self.closer.diagnostics.push(unknown);
        None
    }

    /// `nodes.conductance`, `exc[0..4].v`, `r.scores`.
    fn member(&mut self, object: &Ast, member: &Ident) -> Option<NodeId> {
        if let ExprKind::Name(name) = &object.kind
            && let Some(Value::Outputs(outputs)) = self.values.get(name)
        {
            if let Some(node) = outputs.get(&member.text) {
                return Some(*node);
            }
            let mut unknown = Diagnostic::new(
                Code::E0201,
                format!("`{name}` has no output `{member}`", member = member.text),
                member.span,
                "unknown output",
            );
            unknown.help =
                closest(&member.text, outputs.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            self.closer.diagnostics.push(unknown);
            return None;
        }
        let (node, (start, end)) = self.population_range(object)?;
        let whole = self.read(node, member)?;
        if end - start == self.network.graph[whole].len() {
            return Some(whole);
        }
        let logical = self.network.graph[whole].logical;
        let gather = Operator::Gather(Gather::slice(start, end - start, self.network.graph[whole].len()));
        let cut = self.add(gather, vec![end - start], logical, member.span, None, "slice", &[whole])?;
        self.dimensions.insert(cut, self.dimension(whole));
        Some(cut)
    }

    /// A value of a population, read once for all its users.
    fn read(&mut self, node: NodeId, member: &Ident) -> Option<NodeId> {
        if member.text == "spikes" && self.network.graph[node].logical == Logical::Spikes {
            return Some(node);
        }
        let key = (node, member.text.clone());
        if let Some(&known) = self.reads.get(&key) {
            return Some(known);
        }
        let (term, shape) = (self.value_of(node, member)?, self.network.graph[node].shape.clone());
        let base = format!("{}.{}", self.network.graph[node].name, member.text);
        let read = self.add(
            Operator::Read { expression: term.expr },
            shape,
            Logical::Real,
            member.span,
            None,
            &base,
            &[node],
        )?;
        self.dimensions.insert(read, term.dimension);
        self.reads.insert(key, read);
        Some(read)
    }

    /// An output, state or input of a population by its name.
    pub fn value_of(&mut self, node: NodeId, member: &Ident) -> Option<Term> {
        let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { return None };
        let name = member.text.as_str();
        if let Some((_, expr)) = dynamics.outputs.iter().find(|(other, _)| other == name) {
            return Some(Term { expr: expr.clone(), dimension: type_dimension(name).unwrap_or_default() });
        }
        if let Some(index) = dynamics.states.iter().position(|state| state.name == name) {
            let dimension = dynamics.states[index].dimension;
            return Some(Term { expr: Expr::Symbol(Symbol::State(index)), dimension });
        }
        if let Some((_, expr, dimension)) = dynamics.names.iter().find(|(other, ..)| other == name) {
            return Some(Term { expr: expr.clone(), dimension: *dimension });
        }
        let mut known: Vec<String> = dynamics.states.iter().map(|state| state.name.clone()).collect();
        known.extend(dynamics.names.iter().map(|(name, ..)| name.clone()));
        known.extend(dynamics.outputs.iter().map(|(name, _)| name.clone()));
        if dynamics.emission.is_some() {
            known.push(String::from("spikes"));
        }
        let message = format!("`{}` has no `{name}`", self.network.graph[node].name);
        let mut unknown = Diagnostic::new(Code::E0201, message, member.span, "unknown value");
        unknown.help = closest(name, known.iter().map(String::as_str))
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| Some(format!("it has {}", known.join(", "))));
        self.closer.diagnostics.push(unknown);
        None
    }

    /// `x[0..10]`, `x[3]`: along the first axis.
    fn slice(&mut self, from: NodeId, indices: &[Ast], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let [index] = indices else {
            self.error(Code::E0303, "a signal is cut along its first axis", span, "one index or range is needed");
            return None;
        };
        let (low, high, keeps) = match &index.kind {
            ExprKind::Range(low, high) => (self.count(low, 0.0)?, self.count(high, 0.0)?, true),
            _ => {
                let at = self.count(index, 0.0)?;
                (at, at + 1, false)
            }
        };
        let node = &self.network.graph[from];
        let (first, logical) = (node.shape.first().copied().unwrap_or(1), node.logical);
        if low >= high || high > first {
            let message = format!("{low}..{high} does not lie within the {first} entries of `{}`", node.name);
            self.error(Code::E0309, message, index.span, "outside");
            return None;
        }
        let inner: Vec<usize> = node.shape.iter().skip(1).copied().collect();
        let stride: usize = inner.iter().product();
        let shape = if keeps { [vec![high - low], inner].concat() } else { inner };
        let len = shape.iter().product();
        let gather = Gather::slice(low * stride, len, self.network.graph[from].len());
        let cut = self.add(Operator::Gather(gather), shape, logical, span, user, "slice", &[from])?;
        self.dimensions.insert(cut, self.dimension(from));
        Some(cut)
    }

    /// Arithmetic and functions of signals, element by element.
    pub fn arithmetic(&mut self, ast: &Ast, user: Option<&Ident>, function: &str) -> Option<NodeId> {
        let (lifted, parts) = operand::lift(ast, &|part: &Ast| self.is_part(part, Kind::Signal));
        if let Some(part) = (!parts.is_empty()).then(|| self.data_part(&lifted)).flatten() {
            let message = "signals and data cannot be mixed in arithmetic";
            let mixed = Diagnostic::new(Code::E0205, message, part, "these are data");
            self.closer
                .diagnostics
                .push(mixed.with_help("weights and biases go into a layer: `x |> dense(w, bias: b)`"));
            return None;
        }
        if parts.is_empty() {
            self.error(Code::E0305, "a signal is needed here: an input, a layer or a population", ast.span, "a number");
            return None;
        }
        let mut operands = Vec::new();
        for part in &parts {
            let node = self.signal(part, None)?;
            operands.push((self.real(node, part.span)?, part.span));
        }
        self.elementwise(&lifted, &operands, user, function)
    }

    fn data_part(&self, ast: &Ast) -> Option<Span> {
        let (_, parts) = operand::lift(ast, &|part: &Ast| self.is_part(part, Kind::Data));
        parts.first().map(|part| part.span)
    }

    /// An expression over operands (by their lifted names) as one operator.
    pub fn elementwise(
        &mut self,
        lifted: &Ast,
        operands: &[(NodeId, Span)],
        user: Option<&Ident>,
        function: &str,
    ) -> Option<NodeId> {
        let mut shape: Vec<usize> = Vec::new();
        for &(node, span) in operands {
            let other = &self.network.graph[node].shape;
            if shape.iter().product::<usize>() <= 1 {
                shape.clone_from(other);
            } else if *other != shape && other.iter().product::<usize>() != 1 {
                let Some(both) = repeated(&shape, other) else {
                    let message = format!("signals of {shape:?} and {other:?} cannot be combined");
                    self.error(Code::E0303, message, span, "another shape: axes are as long, or 1 long");
                    return None;
                };
                shape = both;
            }
        }
        let dimensions: Vec<Dimension> = operands.iter().map(|(node, _)| self.dimension(*node)).collect();
        self.names.local = operand::lifted_names(&dimensions);
        let term = self.closer.close(&self.names, self.file, lifted);
        self.names.local.clear();
        let term = term?;
        let mut nodes = Vec::new();
        for &(node, span) in operands {
            nodes.push(self.lengthened(node, &shape, span)?);
        }
        let operator = Operator::Elementwise { function: function.to_string(), body: term.expr };
        let node = self.add(operator, shape, Logical::Real, lifted.span, user, function, &nodes)?;
        self.dimensions.insert(node, term.dimension);
        Some(node)
    }

    /// A signal whose axes of one element are as long as those of a shape; one number alone stays it.
    fn lengthened(&mut self, node: NodeId, shape: &[usize], span: Span) -> Option<NodeId> {
        let own = self.network.graph[node].shape.clone();
        if own == shape || own.iter().product::<usize>() == 1 {
            return Some(node);
        }
        let axis = |at: usize| {
            let steps = (0..shape.len()).map(|along| isize::from(along == at && own[at] > 1)).collect();
            Axis { len: own[at], start: 0, steps, nearest: false }
        };
        let map = AffineMap { shape: shape.to_vec(), axes: (0..shape.len()).map(axis).collect() };
        let operator = Operator::Gather(Gather { maps: vec![map] });
        self.add(operator, shape.to_vec(), Logical::Real, span, None, "repeated", &[node])
    }

    /// Dimension of a node's values.
    pub fn dimension(&self, node: NodeId) -> Dimension {
        self.dimensions.get(&node).copied().unwrap_or_default()
    }

    /// A new node fed by these, named by the user or after what it does.
    #[allow(clippy::too_many_arguments)] // one line a node reads best
    pub fn add(
        &mut self,
        operator: Operator,
        shape: Vec<usize>,
        logical: Logical,
        span: Span,
        user: Option<&Ident>,
        base: &str,
        operands: &[NodeId],
    ) -> Option<NodeId> {
        let name = match user {
            Some(user) => self.claim(&user.text, user.span)?,
            None => self.fresh(base),
        };
        Some(self.network.add(Node { name, operator, shape, logical, span, inserted: None }, operands))
    }

    /// A name of the user's for a node, with the names of the networks around it.
    pub fn claim(&mut self, name: &str, span: Span) -> Option<String> {
        let full = format!("{}{name}", self.prefix);
        if self.used.insert(full.clone()) {
            return Some(full);
        }
        self.error(Code::E0202, format!("`{name}` is defined twice"), span, "defined again here");
        None
    }

    /// A name made from what a node does: `relu_1`.
    pub fn fresh(&mut self, base: &str) -> String {
        let full = format!("{}{base}", self.prefix);
        let made = self.made.entry(full.clone()).or_default();
        loop {
            *made += 1;
            // What is read from a population has its name already.
            let name = match *made == 1 && base.contains('.') {
                true => base.to_string(),
                false => format!("{full}_{made}"),
            };
            if self.used.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// The shape of two whose axes are as long, or 1 long in one of them.
fn repeated(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let fits = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || *a == 1 || *b == 1);
    fits.then(|| a.iter().zip(b).map(|(a, b)| *a.max(b)).collect())
}
