//! `connect`: who is joined to whom, by which synapse, with which weight, delay and rule.

use nmc_grammar::ast::{Arg, BlockKind, Expr as Ast, ExprKind, Field, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use super::Elaborator;
use super::equations::Closing;
use super::population::built_in;
use super::term::Term;
use crate::forms::equations::{Dynamics, Expr, Symbol};
use crate::forms::network::{Connection, Edge, NodeId, Operator, Pattern};
use crate::quantity::Dimension;
use crate::units::{dimension_name, type_dimension};

const FIELDS: &[&str] = &["pattern", "synapse", "weight", "delay", "plasticity"];

impl Elaborator<'_> {
    /// Joins every source with every target.
    pub fn connect(&mut self, name: Option<&Ident>, from: &[Ast], to: &[Ast], fields: &[Field], span: Span) {
        for field in fields {
            let key = &field.key[0];
            if !FIELDS.contains(&key.text.as_str()) {
                let message = format!("a connection has no `{}`", key.text);
                let mut unknown = Diagnostic::new(Code::E0206, message, key.span, "unknown field");
                unknown.help = closest(&key.text, FIELDS.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                self.closer.diagnostics.push(unknown);
                return;
            }
        }
        let sources: Option<Vec<_>> = from.iter().map(|source| self.population_range(source)).collect();
        let targets: Option<Vec<_>> = to.iter().map(|target| self.population_range(target)).collect();
        let (Some(sources), Some(targets)) = (sources, targets) else { return };
        for &source in &sources {
            for &target in &targets {
                let Some(connection) = self.connection(source, target, fields, span) else { return };
                if let Some(name) = name {
                    self.connections.insert(name.text.clone(), self.network.connections.len());
                }
                let edge = Edge::Synapses(self.network.connections.len());
                self.network.graph.add_edge(source.0, target.0, edge);
                self.network.connections.push(connection);
            }
        }
    }

    fn connection(
        &mut self,
        (source, source_range): (NodeId, (usize, usize)),
        (target, target_range): (NodeId, (usize, usize)),
        fields: &[Field],
        span: Span,
    ) -> Option<Connection> {
        let field = |key: &str| fields.iter().find(|field| field.key[0].text == key).map(|field| &field.value);
        let name = format!("{}->{}", self.network.graph[source].name, self.network.graph[target].name);
        let sizes = (source_range.1 - source_range.0, target_range.1 - target_range.0);
        let pattern = match field("pattern") {
            Some(ast) => self.pattern(ast, sizes)?,
            None => Pattern::AllToAll { itself: true },
        };
        let mut pairs = self.names.clone();
        for (name, symbol) in [("i", Symbol::SourceIndex), ("j", Symbol::TargetIndex)] {
            pairs.names.insert(name.to_string(), Term { expr: Expr::Symbol(symbol), dimension: Dimension::NONE });
        }
        let Some(weight) = field("weight") else {
            self.error(Code::E0207, "a connection needs a weight", span, "`weight` is missing");
            return None;
        };
        let weight = self.closer.close(&pairs, self.file, weight)?;
        let delay = match field("delay") {
            Some(ast) => {
                let delay = self.closer.close_as(&pairs, self.file, ast, Dimension::TIME)?;
                if delay.value().is_some_and(|seconds| seconds < 0.0) {
                    self.error(Code::E0306, "a delay cannot be negative", ast.span, "below 0");
                    return None;
                }
                delay.expr
            }
            None => Expr::Number(0.0),
        };
        let (dynamics, plastic) =
            self.synapse(field("synapse"), field("plasticity"), source, target, weight.dimension, span)?;
        let port = self.port(&dynamics, target, span)?;
        Some(Connection {
            name,
            source,
            source_range,
            target,
            target_range,
            pattern,
            weight: weight.expr,
            delay,
            dynamics,
            port,
            plastic,
            span,
        })
    }

    fn pattern(&mut self, ast: &Ast, (sources, targets): (usize, usize)) -> Option<Pattern> {
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
        let number = args.iter().find(|arg| !is_itself(arg)).map(|arg| &arg.value);
        match (name, number) {
            ("all_to_all", None) => Some(Pattern::AllToAll { itself }),
            ("one_to_one", None) => {
                if sources != targets {
                    let message = format!("`one_to_one` joins equal numbers, not {sources} and {targets}");
                    self.error(Code::E0404, message, ast.span, "the sizes differ");
                    return None;
                }
                Some(Pattern::OneToOne)
            }
            ("random", Some(p)) => {
                let names = self.names.clone();
                let value = self.closer.value(&names, self.file, p, Dimension::NONE)?;
                if !(0.0..=1.0).contains(&value) {
                    self.error(Code::E0405, format!("{value} is not a probability"), p.span, "must lie within 0 and 1");
                    return None;
                }
                Some(Pattern::Random { p: value, itself })
            }
            ("fixed_in_degree", Some(n)) => {
                let degree = self.count(n, 1.0)?;
                if degree > sources {
                    self.error(
                        Code::E0404,
                        format!("{degree} sources are asked for, there are {sources}"),
                        n.span,
                        "too many",
                    );
                    return None;
                }
                Some(Pattern::FixedInDegree { sources: degree, itself })
            }
            ("matrix" | "list", _) => {
                self.unsupported("a connection from data", ast.span);
                None
            }
            _ => {
                let patterns = ["all_to_all", "one_to_one", "random", "fixed_in_degree", "matrix", "list"];
                let mut unknown = Diagnostic::new(Code::E0201, "this is not a pattern", ast.span, "unknown pattern");
                unknown.help = closest(name, patterns).map(|near| format!("did you mean `{near}`?"));
                unknown.help = unknown.help.or(Some(String::from("such as `all_to_all` or `random(p: 2 %)`")));
                self.closer.diagnostics.push(unknown);
                None
            }
        }
    }

    /// Synapse and rule as one.
    fn synapse(
        &mut self,
        synapse: Option<&Ast>,
        rule: Option<&Ast>,
        source: NodeId,
        target: NodeId,
        weight: Dimension,
        span: Span,
    ) -> Option<(Dynamics, bool)> {
        let mut scope = built_in();
        scope.names.insert(String::from("w"), Term { expr: Expr::Symbol(Symbol::Weight), dimension: weight });
        for (side, node) in [("pre", source), ("post", target)] {
            let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { continue };
            for (index, state) in dynamics.states.iter().enumerate() {
                let symbol = if side == "pre" { Symbol::Pre(index) } else { Symbol::Post(index) };
                let term = Term { expr: Expr::Symbol(symbol), dimension: state.dimension };
                scope.members.insert((side.to_string(), state.name.clone()), term);
            }
        }
        let mut dynamics = Dynamics::default();
        let blocks = [(synapse, BlockKind::Synapse), (rule, BlockKind::Plasticity)];
        for (ast, kind) in blocks {
            let (file, block, args) = match (ast, kind) {
                (Some(ast), _) => {
                    let (callee, args) = if let ExprKind::Call(callee, args) = &ast.kind {
                        (&**callee, &args[..])
                    } else {
                        (ast, &[][..])
                    };
                    let ExprKind::Name(name) = &callee.kind else {
                        self.error(Code::E0305, "the name of a synapse or rule is needed", ast.span, "not a name");
                        return None;
                    };
                    let (id, block) = self.block(self.file, name, callee.span, &[kind])?;
                    (id.file, block, args)
                }
                (None, BlockKind::Synapse) => (self.file, delta()?, &[][..]),
                (None, _) => continue,
            };
            let args = self.arguments(&block.params, file, args, ast.map_or(span, |ast| ast.span), Some(weight))?;
            let args: Vec<_> = args.into_iter().collect();
            let mut closing =
                Closing { closer: &mut self.closer, file, scope: scope.clone(), dynamics, weight: Some(weight) };
            closing.dynamics.name = block.name.text.clone();
            closing.block(&block, args);
            dynamics = closing.dynamics;
        }
        Some((dynamics, rule.is_some()))
    }

    /// Which of the target's inputs the synapse's output adds to.
    fn port(&mut self, dynamics: &Dynamics, target: NodeId, span: Span) -> Option<Option<usize>> {
        let Some((output, _)) = dynamics.outputs.first() else { return Some(None) };
        let node = &self.network.graph[target];
        let Operator::Population { dynamics: model, .. } = &node.operator else { return Some(None) };
        let wanted = type_dimension(output).unwrap_or_default();
        let fitting: Vec<usize> = (0..model.inputs.len()).filter(|&i| model.inputs[i].dimension == wanted).collect();
        if let [only] = fitting[..] {
            return Some(Some(only));
        }
        let (name, kind) = (node.name.clone(), model.name.clone());
        let message = format!(
            "the synapse `{}` gives a {}, but `{name}` takes {}",
            dynamics.name,
            dimension_name(wanted),
            fitting.len()
        );
        let label = format!("`{kind}` has {} inputs that are a {}", fitting.len(), dimension_name(wanted));
        self.error(Code::E0406, message, span, label);
        None
    }
}

/// `std.synapse.delta`, which is meant when nothing is said.
fn delta() -> Option<nmc_grammar::ast::Block> {
    let (tree, _) = nmc_grammar::parse::parse(nmc_grammar::span::FileId(0), nmc_stdlib::module(&["std", "synapse"])?);
    tree.items.into_iter().find_map(|item| match item {
        nmc_grammar::ast::Item::Block(block) if block.name.text == "delta" => Some(block),
        _ => None,
    })
}
