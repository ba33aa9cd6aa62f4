//! `connect`: who is joined to whom, by which synapse, with which weight, delay and rule.

use std::borrow::Cow;

use nmc_grammar::ast::{Arg, Block, BlockKind, Expr as Ast, ExprKind, Field, Ident, Param};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::Elaborator;
use super::equations::Closing;
use super::pair_params::{Joined, Own};
use super::steps::Counted;
use super::synapse_data::Waiting;
use super::target::Target;
use super::term::{Term, built_in};
use crate::algebra::{constant, mentions, reads_past, substitute};
use crate::analyse::pairs::{End, Ends};
use crate::forms::equations::{Dynamics, Expr, Function, Input, OfRule, Symbol};
use crate::forms::network::{Connection, Edge, NodeId, Operator, Pattern};
use crate::quantity::Dimension;
use crate::typing::{blocks, walk};
use crate::units::dimension_name;

/// The delay of a connection, seconds.
#[derive(Clone, Copy)]
enum Late {
    By(f64),
    /// It may differ from pair to pair.
    ByPairs,
}

impl Elaborator<'_> {
    /// Joins every source with every target.
    pub fn connect(&mut self, name: Option<&Ident>, from: &[Ast], to: &[Ast], fields: &[Field], span: Span) {
        let sources: Option<Vec<_>> = from.iter().map(|source| self.source(source)).collect();
        let targets: Option<Vec<_>> = to.iter().map(|target| self.led_to(target)).collect();
        let (Some(sources), Some(targets)) = (sources, targets) else { return };
        let several = sources.len() * targets.len() > 1;
        let fields = &walk::written_out(fields);
        for &source in &sources {
            for &target in &targets {
                let Some(mut connection) = self.connection(source, target, fields, span) else { return };
                if let Some(weight) = fields.iter().find(|field| field.key[0].text == "weight") {
                    self.begins_within(&connection, weight.value.span);
                }
                if let Some(name) = name {
                    let known = self.connections.entry(name.text.clone()).or_default();
                    connection.called =
                        if several { format!("{}[{}]", name.text, known.len()) } else { name.text.clone() };
                    known.push(self.network.connections.len());
                }
                let edge = Edge::Synapses(self.network.connections.len());
                self.network.graph.add_edge(source.0, target.node, edge);
                self.network.connections.push(connection);
            }
        }
    }

    /// What spikes are sent from: a population, or a signal that becomes or is spikes.
    fn source(&mut self, ast: &Ast) -> Option<(NodeId, (usize, usize))> {
        match &ast.kind {
            ExprKind::Name(_) | ExprKind::Index(..) => self.population_range(ast),
            _ => {
                let node = self.signal(ast, None)?;
                let node = self.spiking(node, ast.span)?;
                self.population_behind(node, ast.span)
            }
        }
    }

    fn connection(
        &mut self,
        (source, source_range): (NodeId, (usize, usize)),
        to: Target,
        fields: &[Field],
        span: Span,
    ) -> Option<Connection> {
        let Target { node: target, range: target_range, .. } = to;
        let field = |key: &str| fields.iter().find(|field| field.key[0].text == key).map(|field| &field.value);
        let name = format!("{}->{}", self.network.graph[source].name, self.network.graph[target].name);
        let sizes = (source_range.1 - source_range.0, target_range.1 - target_range.0);
        let ends = ((source, source_range), (target, target_range));
        let pattern = match field("pattern") {
            Some(ast) => self.pattern(ast, sizes, ends)?,
            None => Waiting::Known(Pattern::AllToAll { itself: true }),
        };
        let weight = field("weight")?;
        let given = self.kind(weight) == super::signal::Kind::Data;
        let weighed = weight.span;
        let mut weights = None;
        let (pattern, weight) = if given {
            let drawn = self.drawn_about(weight, ends)?;
            let data = drawn.as_ref().map_or(weight, |(data, _)| data);
            let (pattern, term, listed) = self.given_weights(data, pattern, sizes, field("plasticity").is_some())?;
            weights = listed;
            (pattern, drawn.map_or(term, |(_, term)| term))
        } else {
            let term = self.of_pairs(ends, weight, None)?;
            if pattern == Waiting::Matrix {
                self.error(Code::E0409, "`matrix` takes its weights from data", weight.span, "not data");
                return None;
            }
            (pattern, term)
        };
        let (pattern, order) = match pattern {
            Waiting::Known(pattern) => (pattern, None),
            Waiting::Listed(pattern, order) => (pattern, Some(order)),
            Waiting::Matrix => return None,
        };
        let mut delays = None;
        let delay = match field("delay") {
            Some(ast) if self.kind(ast) == super::signal::Kind::Data => {
                delays = Some(self.given_delays(ast, &pattern, order.as_deref(), sizes)?);
                Expr::Number(0.0)
            }
            Some(ast) => {
                let delay = self.of_pairs(ends, ast, Some(Dimension::TIME))?;
                let between = Ends { network: &self.network, tensors: &self.tensors, source: ends.0, target: ends.1 };
                if let Some((least, most)) = between.interval(&delay.expr)
                    // The tail of a normal distribution is cut off at 0.
                    && (most < 0.0 || least < 0.0 && !draws_normal(&delay.expr))
                {
                    self.error(Code::E0306, "a delay cannot be negative", ast.span, "below 0");
                    return None;
                }
                if let Some(seconds) = delay.value() {
                    self.timed("this delay", seconds, Counted::Any, ast.span);
                }
                delay.expr
            }
            None => Expr::Number(0.0),
        };
        let joined = Joined { ends, pattern: &pattern, order: order.as_deref() };
        let rule = field("plasticity");
        let late = match (delays, constant(&delay)) {
            (None, Some(seconds)) => Late::By(seconds),
            (_, _) => Late::ByPairs,
        };
        let Own { mut dynamics, given: parameters, delay: own_delay } =
            self.synapse((field("synapse"), rule), joined, to, (weight.dimension, weighed), (late, span))?;
        let plastic = rule.is_some();
        self.events(&dynamics, source, late, span)?;
        self.intervals(&dynamics, field("plasticity").map_or(span, |rule| rule.span))?;
        let port = self.port(&dynamics, to, span)?;
        if dynamics.rewires().next().is_some() {
            self.redrawn(&pattern, given, field("plasticity").map_or(span, |rule| rule.span))?;
        }
        let mut weight = weight;
        let cells = match field("cells") {
            Some(ast) => Some(self.in_cells(ast, &mut weight.expr, given, &mut dynamics)?),
            None => None,
        };
        Some(Connection {
            called: name.clone(),
            name,
            source,
            source_range,
            target,
            target_range,
            pattern,
            weight: weight.expr,
            dimension: weight.dimension,
            weights,
            parameters,
            delay,
            delays,
            own_delay,
            dynamics,
            port,
            plastic,
            cells,
            span,
        })
    }

    fn pattern(&mut self, ast: &Ast, (sources, targets): (usize, usize), ends: (End, End)) -> Option<Waiting> {
        let (name, args): (&str, &[Arg]) = match &ast.kind {
            ExprKind::Name(name) => (name, &[]),
            ExprKind::Call(callee, args) if matches!(callee.kind, ExprKind::Name(_)) => {
                let ExprKind::Name(name) = &callee.kind else { return None };
                (name, args)
            }
            _ => ("", &[]),
        };
        let is_itself = |arg: &&Arg| arg.name.as_ref().is_some_and(|name| name.text == "itself");
        let itself = !args.iter().filter(is_itself).any(|arg| matches!(arg.value.kind, ExprKind::Bool(false)));
        if let (Some(arg), "one_to_one" | "matrix" | "list") = (args.iter().find(is_itself), name) {
            let message = format!("`{name}` has no argument `itself`");
            let of = "of `all_to_all`, `random`, `fixed_in_degree`, `fixed_out_degree` and `fixed_total_number`";
            self.error(Code::E0206, message, arg.value.span, of);
            return None;
        }
        let number = args.iter().find(|arg| !is_itself(arg)).map(|arg| &arg.value);
        let known = |pattern| Some(Waiting::Known(pattern));
        match (name, number) {
            ("all_to_all", None) => known(Pattern::AllToAll { itself }),
            ("one_to_one", None) => {
                if sources != targets {
                    let message = format!("`one_to_one` joins equal numbers, not {sources} and {targets}");
                    self.error(Code::E0404, message, ast.span, "the sizes differ");
                    return None;
                }
                known(Pattern::OneToOne)
            }
            ("random", Some(p)) => known(self.by_chance(p, itself, ends)?),
            ("fixed_in_degree" | "fixed_out_degree", Some(n)) => {
                let (degree, into) = (self.count(n, 1.0)?, name == "fixed_in_degree");
                let (most, what) = if into { (sources, "sources") } else { (targets, "targets") };
                if degree > most {
                    let message = format!("{degree} {what} are asked for, there are {most}");
                    self.error(Code::E0404, message, n.span, "too many");
                    return None;
                }
                known(match into {
                    true => Pattern::FixedInDegree { sources: degree, itself },
                    false => Pattern::FixedOutDegree { targets: degree, itself },
                })
            }
            ("fixed_total_number", Some(n)) => {
                let synapses = self.count(n, 0.0)?;
                let ((from, first), (to, last)) = ends;
                if synapses > 0 && !itself && from == to && sources == 1 && targets == 1 && first == last {
                    let message = "the only pair is a neuron and itself";
                    self.error(Code::E0404, message, ast.span, "which is left out");
                    return None;
                }
                known(Pattern::FixedTotalNumber { synapses, itself })
            }
            ("matrix", None) => Some(Waiting::Matrix),
            ("list", _) => self.list(args, ast.span, (sources, targets)),
            // The check has told of other patterns.
            _ => None,
        }
    }

    /// Synapse and rule as one.
    fn synapse(
        &mut self,
        (synapse, rule): (Option<&Ast>, Option<&Ast>),
        joined: Joined,
        to: Target,
        (weight, weighed): (Dimension, Span),
        (late, span): (Late, Span),
    ) -> Option<Own> {
        let (source, target, mut scope) = (joined.ends.0.0, to.node, built_in());
        scope.names.insert(String::from("w"), Term { expr: Expr::Symbol(Symbol::Weight), dimension: weight });
        for (side, node) in [("pre", source), ("post", target)] {
            let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { continue };
            for (index, state) in dynamics.states.iter().enumerate() {
                let symbol = if side == "pre" { Symbol::Pre(index) } else { Symbol::Post(index) };
                let term = Term { expr: Expr::Symbol(symbol), dimension: state.dimension };
                scope.members.insert((side.to_string(), state.name.clone()), term);
            }
            // What is named over states; an input is known to its own neuron only.
            for (name, expr, dimension) in &dynamics.names {
                let of_side = substitute(expr, &|symbol| match symbol {
                    Symbol::State(index) if side == "pre" => Some(Expr::Symbol(Symbol::Pre(index))),
                    Symbol::State(index) => Some(Expr::Symbol(Symbol::Post(index))),
                    _ => None,
                });
                if !mentions(expr, &|symbol| matches!(symbol, Symbol::Input(_) | Symbol::Index)) {
                    let term = Term { expr: of_side, dimension: *dimension };
                    scope.members.insert((side.to_string(), name.clone()), term);
                }
            }
        }
        if let Some((at, dimension)) = self.potential(to) {
            let term = Term { expr: Expr::Symbol(Symbol::Post(at)), dimension };
            scope.members.insert((String::from("post"), String::from("v")), term);
        }
        let mut own = Own::default();
        let blocks = [(synapse, BlockKind::Synapse), (rule, BlockKind::Plasticity)];
        for (ast, kind) in blocks {
            let (file, block, args) = match (ast, kind) {
                (Some(ast), _) => {
                    let (callee, args) = if let ExprKind::Call(callee, args) = &ast.kind {
                        (&**callee, &args[..])
                    } else {
                        (ast, &[][..])
                    };
                    let ExprKind::Name(name) = &callee.kind else { return None };
                    let (id, block) = self.block(self.file, name, callee.span, &[kind])?;
                    (id.file, Cow::Borrowed(block), args)
                }
                // `std.synapse.delta` is meant when nothing is said.
                (None, BlockKind::Synapse) => (self.file, Cow::Owned(super::standard("synapse", "delta")?), &[][..]),
                (None, _) => continue,
            };
            let (outer, whole) = (self.names.clone(), ast.map_or(span, |ast| ast.span));
            let delay = match late {
                Late::By(seconds) => Some(Expr::Number(seconds)),
                Late::ByPairs if reads_delay(&block) => {
                    let kept = |own: &mut Own| {
                        own.dynamics.keep(String::from("delay"), Dimension::TIME, Expr::Symbol(Symbol::TargetIndex))
                    };
                    let state = own.delay.unwrap_or_else(|| kept(&mut own));
                    own.delay = Some(state);
                    Some(Expr::Symbol(Symbol::State(state)))
                }
                Late::ByPairs => None,
            };
            let delay = delay.map(|expr| (String::from("delay"), Term { expr, dimension: Dimension::TIME }));
            scope.names.extend(delay);
            let (starting, args) = blocks::starting(&block, args);
            let args = self.signals(&block.params, &args, target);
            let args = args
                .and_then(|args| self.of_each_pair((&block.params, file), (&args, whole), weight, joined, &mut own));
            self.names = outer;
            let (args, dynamics) = (args?, std::mem::take(&mut own.dynamics));
            let mut closing =
                Closing { closer: &mut self.closer, file, scope: scope.clone(), dynamics, weight: Some(weight) };
            let synapse = std::mem::replace(&mut closing.dynamics.name, block.name.text.clone());
            let (first, moved) = (closing.dynamics.states.len(), closing.dynamics.weight_derivative.is_some());
            let method = if kind == BlockKind::Plasticity { closing.dynamics.method.take() } else { None };
            let before = closing.closer.diagnostics.len();
            closing.block(&block, args);
            own.dynamics = closing.dynamics;
            self.starts_given(&starting, (first, joined), &mut own)?;
            if kind == BlockKind::Plasticity {
                let method = std::mem::replace(&mut own.dynamics.method, method);
                own.dynamics.rule = Some(OfRule { synapse, first, weight: !moved, method });
            }
            // Whether the block is sound by itself has been checked: what is wrong is what it is given here.
            if let Some(wrong) = self.closer.diagnostics[before..].iter().position(Diagnostic::is_error) {
                let inner = self.closer.diagnostics.split_off(before).swap_remove(wrong);
                let by_weight = inner.code == Code::E0302;
                if let Operator::Population { dynamics, .. } = &self.network.graph[target].operator
                    && (dynamics.states.is_empty() && dynamics.inputs.is_empty() && inner.code == Code::E0201)
                {
                    let name = &self.network.graph[target].name;
                    let message = format!(
                        "`{name}` is a source of spikes: it has no state that `{}` could change",
                        block.name.text
                    );
                    let source = Diagnostic::new(Code::E0406, message, span, "joined here");
                    let help = "the arrow goes from the source to the target: `source -> target`";
                    self.closer.diagnostics.push(source.with_help(help));
                    return None;
                }
                let at = if by_weight { weighed } else { ast.map_or(span, |ast| ast.span) };
                let label =
                    if by_weight { format!("this is {}", dimension_name(weight)) } else { "joined here".into() };
                let message = format!("in `{}`: {}", block.name.text, inner.message);
                let mut outer = Diagnostic::new(inner.code, message, at, label);
                outer.help = match by_weight {
                    true => Some(String::from(
                        "give it in that unit, or another `synapse: …`, whose weights are of this kind",
                    )),
                    false => inner.help,
                };
                // The default synapse is in no file that could be shown.
                if let (Some(place), Some(_)) = (inner.primary, ast) {
                    outer = outer.with_label(place.span, "used here");
                }
                self.closer.diagnostics.push(outer);
                return None;
            }
        }
        Some(own)
    }

    /// Spikes come from what spikes; where none are waited for, a delay is of what is read of the source.
    fn events(&mut self, dynamics: &Dynamics, source: NodeId, late: Late, span: Span) -> Option<()> {
        let node = &self.network.graph[source];
        let silent = matches!(&node.operator, Operator::Population { dynamics, .. } if dynamics.emission.is_none());
        if silent && !dynamics.on_pre.is_empty() {
            let message = format!("`{}` does not spike, and `{}` waits for its spikes", node.name, dynamics.name);
            let wrong = Diagnostic::new(Code::E0305, message, span, "joined here");
            let help = "let it spike, `spike when v > … { … }`, or let a synapse read it in every step: `current = w * (pre.v - post.v)`";
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        }
        let why = match late {
            Late::By(0.0) => None,
            _ if !dynamics.on_pre.is_empty() => None,
            Late::By(_) if reads_past(dynamics) => None,
            Late::By(_) => Some(("it waits for no spikes, and reads nothing of its source", "leave the delay out")),
            Late::ByPairs => Some((
                "what it reads of its source in every step has one delay for all pairs",
                "give one delay, or a connection for each",
            )),
        };
        if let Some((why, help)) = why {
            let message = format!("the delay of `{}` has no effect: {why}", dynamics.name);
            self.closer.diagnostics.push(Diagnostic::new(Code::W0460, message, span, "joined here").with_help(help));
        }
        Some(())
    }

    /// Arguments that are signals become names of inputs of the target, which they feed: `reward: dopamine.level`.
    fn signals(&mut self, params: &[Param], args: &[Arg], target: NodeId) -> Option<Vec<Arg>> {
        let mut plain = Vec::new();
        for (position, arg) in args.iter().enumerate() {
            let param = match &arg.name {
                Some(name) => params.iter().find(|param| param.name.text == name.text),
                None => params.get(position),
            };
            let mut later = None;
            walk::within(&arg.value, &mut |part| {
                if let ExprKind::Member(object, _) = &part.kind
                    && let ExprKind::Name(name) = &object.kind
                    && self.declared.contains_key(name)
                    && !self.nodes.contains_key(name)
                {
                    later = Some((name.clone(), object.span));
                }
            });
            if let Some((name, span)) = later {
                return self.no_population(&name, span);
            }
            let Some(param) = param.filter(|_| self.kind(&arg.value) == super::signal::Kind::Signal) else {
                plain.push(arg.clone());
                continue;
            };
            let span = arg.value.span;
            let from = self.signal(&arg.value, None)?;
            let from = self.real(from, span)?;
            let (width, len) = (self.network.graph[from].len(), self.network.graph[target].len());
            if width != 1 && width != len {
                let name = &self.network.graph[target].name;
                let message = format!("`{name}` has {len} elements, this has {width}");
                self.error(Code::E0303, message, span, "one for all of them, or one for each, is needed");
                return None;
            }
            let dimension = self.dimension(from);
            let Operator::Population { dynamics, .. } = &mut self.network.graph[target].operator else { return None };
            let operand = dynamics.inputs.len();
            // No name of a program's has a dot.
            let name = format!("{}.{operand}", param.name.text);
            dynamics.inputs.push(Input { name: name.clone(), dimension, at: None });
            self.network.graph.add_edge(from, target, Edge::Signal { operand });
            self.names.names.insert(name.clone(), Term { expr: Expr::Symbol(Symbol::Input(operand)), dimension });
            plain.push(Arg { name: Some(param.name.clone()), value: Ast { kind: ExprKind::Name(name), span } });
        }
        Some(plain)
    }

    /// Synapses that are drawn anew have sources to choose from, and a weight to start with.
    fn redrawn(&mut self, pattern: &Pattern, given: bool, span: Span) -> Option<()> {
        let message = match pattern {
            Pattern::AllToAll { .. } => "`all_to_all` leaves no source that a synapse could be drawn from anew",
            Pattern::OneToOne | Pattern::Random { .. } | Pattern::Likely { .. } => return Some(()),
            Pattern::FixedInDegree { .. } | Pattern::FixedOutDegree { .. } => return Some(()),
            Pattern::FixedTotalNumber { .. } => return Some(()),
            Pattern::Matrix(_) | Pattern::List { .. } if given => "weights from data are of pairs, not of new ones",
            Pattern::Matrix(_) | Pattern::List { .. } => return Some(()),
        };
        self.error(Code::E0305, message, span, "synapses are drawn anew here");
        None
    }

    /// Rules that run at intervals have the same for all synapses, told in steps.
    fn intervals(&mut self, dynamics: &Dynamics, span: Span) -> Option<()> {
        for regular in &dynamics.regular {
            let Expr::Number(seconds) = regular.interval else {
                let message = "the interval of `every` is one number for all synapses";
                self.error(Code::E0305, message, span, "this differs from one to the next");
                return None;
            };
            self.timed(&format!("the interval of `every` in `{}`", dynamics.name), seconds, Counted::Some, span);
        }
        Some(())
    }
}

fn draws_normal(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::Symbol(_) => false,
        Expr::Call(Function::Normal, operands) if operands.len() == 2 => true,
        Expr::Call(_, operands) => operands.iter().any(draws_normal),
    }
}

/// Whether a synapse or rule reads the delay of its connection.
fn reads_delay(block: &Block) -> bool {
    let mut reads = false;
    walk::statements(&block.body, &mut |stmt| {
        for expr in walk::expressions(stmt) {
            walk::within(expr, &mut |part| reads |= matches!(&part.kind, ExprKind::Name(name) if name == "delay"));
        }
    });
    reads
}
