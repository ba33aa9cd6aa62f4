//! `state h: real[64] = 0` and `next h = …` in a network: signals that are what the step before made them.

use nmc_grammar::ast::{Expr as Ast, Ident, Type};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::Elaborator;
use super::signal::{Kind, Value};
use super::term::{Term, built_in};
use crate::forms::equations::{Dynamics, Expr, Input, State, Symbol};
use crate::forms::network::{Edge, Logical, Node, NodeId, Operator, PopulationKind};
use crate::graph::is_state;
use crate::quantity::Dimension;

/// What a state takes at every step, and where it starts, if that is a signal.
const NEXT: usize = 0;
const START: usize = 1;

impl Elaborator<'_> {
    /// `state h: real[64] = 0`
    pub fn state(&mut self, name: &Ident, ty: &Type, initial: Option<&Ast>, span: Span) {
        if ty.name.text != "real" {
            let message = format!("a state of a network is `real`, not `{}`", ty.name.text);
            return self.error(Code::E0305, message, ty.span, "such as `state h: real[64] = 0`");
        }
        let Some(shape) = ty.shape.iter().map(|length| self.count(length, 1.0)).collect::<Option<Vec<usize>>>() else {
            return;
        };
        let input = |name: &str| Input { name: name.to_string(), dimension: Dimension::NONE, at: None };
        let mut inputs = vec![input("next")];
        let (mut start, mut value) = (None, Expr::Number(0.0));
        match initial {
            Some(initial) if self.kind(initial) == Kind::Signal => {
                let Some(from) = self.signal(initial, None).and_then(|node| self.real(node, initial.span)) else {
                    return;
                };
                if !self.fits(from, &shape, initial.span, &name.text) {
                    return;
                }
                if crate::graph::moves(&self.network).in_time[from.index()] {
                    let message = format!("`{}` would start from what moves", name.text);
                    return self.error(Code::E0305, message, initial.span, "not known before the first step");
                }
                inputs.push(input("start"));
                start = Some(from);
            }
            Some(initial) => {
                let mut scope = self.names.clone();
                scope.names.extend(built_in().names);
                let Some(Term { expr, .. }) = self.closer.close_as(&scope, self.file, initial, Dimension::NONE) else {
                    return;
                };
                value = expr;
            }
            None => {}
        }
        let state = State {
            name: String::from("value"),
            dimension: Dimension::NONE,
            initial: value,
            derivative: None,
            noise: None,
            bounds: None,
        };
        let outputs = vec![(String::from("y"), Expr::Symbol(Symbol::State(0)))];
        let dynamics =
            Dynamics { name: String::from("state"), states: vec![state], inputs, outputs, ..Dynamics::default() };
        let Some(claimed) = self.claim(&name.text, name.span) else { return };
        let operator = Operator::Population { dynamics, kind: PopulationKind::State };
        let node = Node { name: claimed, operator, shape, logical: Logical::Real, span, inserted: None };
        let node = self.network.graph.add_node(node);
        if let Some(start) = start {
            self.network.graph.add_edge(start, node, Edge::Signal { operand: START });
        }
        self.values.insert(name.text.clone(), Value::Signal(node));
    }

    /// `next h = tanh(z)`
    pub fn next(&mut self, name: &Ident, value: &Ast) {
        let is_state = |node: &NodeId| self.is_state(*node);
        let known = match self.values.get(&name.text) {
            Some(Value::Signal(node)) => Some(*node).filter(is_state),
            Some(Value::Outputs(_) | Value::Data(_)) | None => None,
        };
        let Some(state) = known else {
            let message = format!("there is no state `{}`", name.text);
            let unknown = Diagnostic::new(Code::E0201, message, name.span, "unknown state");
            let help = format!("declare it above: `state {}: real[64] = 0`", name.text);
            return self.closer.diagnostics.push(unknown.with_help(help));
        };
        let Some(from) = self.signal(value, None).and_then(|node| self.real(node, value.span)) else { return };
        let shape = self.network.graph[state].shape.clone();
        if !self.fits(from, &shape, value.span, &name.text) {
            return;
        }
        if self.next_of(state).is_some() {
            let message = format!("`next {}` is said twice", name.text);
            return self.error(Code::E0410, message, name.span, "said again here");
        }
        self.network.graph.add_edge(from, state, Edge::Signal { operand: NEXT });
    }

    /// Whether a signal can be taken by a state, which is told if not.
    fn fits(&mut self, from: NodeId, shape: &[usize], span: Span, name: &str) -> bool {
        let data = &self.network.graph[from];
        if data.shape != shape && data.len() != 1 {
            let message = format!("`{name}` is {shape:?}, what it becomes is {:?}", data.shape);
            self.error(Code::E0303, message, span, format!("this is {:?}", self.network.graph[from].shape));
            return false;
        }
        if self.dimension(from) != Dimension::NONE {
            self.error(Code::E0302, format!("`{name}` is a plain number"), span, "this has a dimension");
            return false;
        }
        true
    }

    fn is_state(&self, node: NodeId) -> bool {
        is_state(&self.network, node)
    }

    fn next_of(&self, state: NodeId) -> Option<NodeId> {
        let edges = self.network.graph.edges_directed(state, petgraph::Direction::Incoming);
        let mut next = edges.filter(|edge| *edge.weight() == Edge::Signal { operand: NEXT });
        next.next().map(|edge| petgraph::visit::EdgeRef::source(&edge))
    }

    /// Tells of states that nothing moves.
    pub fn states_move(&mut self) {
        if self.errors() > 0 {
            return;
        }
        let still = |node: &NodeId| self.is_state(*node) && self.next_of(*node).is_none();
        let still: Vec<NodeId> = self.network.graph.node_indices().filter(still).collect();
        for state in still {
            let data = &self.network.graph[state];
            let (name, span) = (data.name.clone(), data.span);
            let still =
                Diagnostic::new(Code::E0412, format!("nothing says what `{name}` becomes"), span, "stands still");
            self.closer.diagnostics.push(still.with_help(format!("write `next {name} = …`")));
        }
    }

    /// Whether what moves are states alone, whose steps take as long as their work.
    pub fn only_states(&self) -> bool {
        let moving = |node: &&Node| matches!(node.operator, Operator::Population { .. });
        let graph = &self.network.graph;
        let mut nodes = graph.node_indices().filter(|node| moving(&&graph[*node])).peekable();
        nodes.peek().is_some() && nodes.all(|node| self.is_state(node))
    }
}
