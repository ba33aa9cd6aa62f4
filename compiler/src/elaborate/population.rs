//! Populations and the structure around them: statements of a network.

use nmc_grammar::ast::{Arg, Block, BlockKind, Expr as Ast, ExprKind, Ident, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::span::Span;

use super::Elaborator;
use super::equations::Closing;
use super::term::{Scope, Term};
use crate::forms::equations::{Dynamics, Expr, Symbol};
use crate::forms::network::{Logical, Node, NodeId, Operator, PopulationKind};
use crate::quantity::Dimension;

/// The most elements a population may have.
const MOST_ELEMENTS: usize = 100_000_000;

/// Names that every equation knows.
pub fn built_in() -> Scope {
    let mut scope = Scope::default();
    let mut set = |name: &str, symbol, dimension| {
        scope.names.insert(name.to_string(), Term { expr: Expr::Symbol(symbol), dimension })
    };
    set("t", Symbol::Time, Dimension::TIME);
    set("dt", Symbol::TimeStep, Dimension::TIME);
    set("index", Symbol::Index, Dimension::NONE);
    scope
}

impl Elaborator<'_> {
    /// The statements of a network.
    pub fn network_body(&mut self, body: &[Stmt]) {
        for stmt in body {
            match &stmt.kind {
                StmtKind::Population { name, indices, model, shape, args } => {
                    self.population(name, indices, model, shape, args, stmt.span);
                }
                StmtKind::Connect { name, from, to, fields } => {
                    self.connect(name.as_ref(), from, to, fields, stmt.span)
                }
                StmtKind::Probe { signals, every } => self.probe(signals, every.as_ref()),
                StmtKind::For { variable, range, body } => self.repeat(variable, range, body),
                StmtKind::If { condition, then, otherwise } => {
                    let names = self.names.clone();
                    if let Some(truth) = self.closer.value(&names, self.file, condition, Dimension::NONE) {
                        self.network_body(if truth != 0.0 { then } else { otherwise });
                    }
                }
                StmtKind::Flow { .. } | StmtKind::Assign { .. } => {
                    self.unsupported("a layer or a signal flow", stmt.span)
                }
                _ => self.error(Code::E0401, "this statement has no meaning in a network", stmt.span, "misplaced"),
            }
        }
    }

    fn repeat(&mut self, variable: &Ident, range: &Ast, body: &[Stmt]) {
        let ExprKind::Range(low, high) = &range.kind else {
            self.error(Code::E0305, "`for` goes over a range", range.span, "not a range such as `0..4`");
            return;
        };
        let (Some(low), Some(high)) = (self.count(low, 0.0), self.count(high, 0.0)) else { return };
        let before = self.names.names.get(&variable.text).cloned();
        for value in low..high.min(low + 100_000) {
            self.set(&variable.text, Term::number(value as f64));
            self.network_body(body);
        }
        match before {
            Some(term) => self.set(&variable.text, term),
            None => {
                self.names.names.remove(&variable.text);
            }
        }
    }

    fn population(&mut self, name: &Ident, indices: &[Ast], model: &Ident, shape: &[Ast], args: &[Arg], span: Span) {
        let mut full = name.text.clone();
        for index in indices {
            let Some(index) = self.count(index, 0.0) else { return };
            full = format!("{full}[{index}]");
        }
        let kinds = [BlockKind::Neuron, BlockKind::Device, BlockKind::Encoder, BlockKind::Decoder];
        let Some((id, block)) = self.block(self.file, &model.text, model.span, &kinds) else { return };
        let Some(shape) = shape.iter().map(|length| self.count(length, 1.0)).collect::<Option<Vec<usize>>>() else {
            return;
        };
        if shape
            .iter()
            .try_fold(1_usize, |product, &length| product.checked_mul(length))
            .is_none_or(|n| n > MOST_ELEMENTS)
        {
            self.error(
                Code::E0403,
                format!("`{full}` would be too large"),
                span,
                format!("at most {MOST_ELEMENTS} elements fit"),
            );
            return;
        }
        let Some(args) = self.arguments(&block.params, id.file, args, span, None) else { return };
        let mut closing = Closing {
            closer: &mut self.closer,
            file: id.file,
            scope: built_in(),
            dynamics: named(&block),
            weight: None,
        };
        closing.block(&block, args);
        let dynamics = closing.dynamics;
        if self.nodes.contains_key(&full) {
            self.error(Code::E0202, format!("`{full}` is defined twice"), name.span, "defined again here");
            return;
        }
        let node = self.add_population(full, dynamics, block.kind, shape, span);
        self.network.graph[node].inserted = None;
    }

    fn add_population(
        &mut self,
        name: String,
        dynamics: Dynamics,
        kind: BlockKind,
        shape: Vec<usize>,
        span: Span,
    ) -> NodeId {
        let logical = if dynamics.emission.is_some() { Logical::Spikes } else { Logical::Real };
        let kind = match kind {
            BlockKind::Device => PopulationKind::Device,
            BlockKind::Encoder => PopulationKind::Encoder,
            BlockKind::Decoder => PopulationKind::Decoder,
            _ => PopulationKind::Neuron,
        };
        let operator = Operator::Population { dynamics, kind };
        let node = Node { name: name.clone(), operator, shape, logical, span, inserted: None };
        let node = self.network.graph.add_node(node);
        self.nodes.insert(name, node);
        node
    }
}

/// Empty dynamics with the block's name.
pub fn named(block: &Block) -> Dynamics {
    Dynamics { name: block.name.text.clone(), ..Dynamics::default() }
}
