//! Populations and the structure around them: statements of a network.

use nmc_grammar::ast::{Arg, BlockKind, Expr as Ast, Field, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::span::Span;

use super::Elaborator;
use super::equations::{Closing, named};
use super::term::built_in;
use crate::forms::equations::{Dynamics, Expr, Symbol};
use crate::forms::network::{Logical, Node, NodeId, Operator, PopulationKind};
use crate::typing::blocks;

/// The most elements a population may have.
pub const MOST_ELEMENTS: usize = 100_000_000;

impl Elaborator<'_> {
    pub fn population(
        &mut self,
        name: &Ident,
        indices: &[Ast],
        model: &Ident,
        shape: &[Ast],
        (args, values): (&[Arg], &[Field]),
        span: Span,
    ) {
        let mut full = name.text.clone();
        for index in indices {
            let Some(index) = self.count(index, 0.0) else { return };
            full = format!("{full}[{index}]");
        }
        let kinds = [BlockKind::Neuron, BlockKind::Device];
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
        let len = shape.iter().product();
        let (starting, args) = blocks::starting(block, args);
        let Some((args, mut data)) = self.of_elements(&full, &block.params, id.file, &args, span, len) else { return };
        let mut closing = Closing {
            closer: &mut self.closer,
            file: id.file,
            scope: built_in(),
            dynamics: named(block),
            weight: None,
        };
        closing.block(block, args);
        let mut dynamics = closing.dynamics;
        for (name, value) in starting {
            let Some(state) = dynamics.states.iter().position(|state| state.name == name.text) else { continue };
            let dimension = dynamics.states[state].dimension;
            let Some((initial, tensor)) = self.starting_value(name, value, dimension, len) else { return };
            dynamics.states[state].initial = match tensor {
                None => initial,
                Some(tensor) => {
                    // No name of a program's has a dot.
                    let start = format!("{}.start", name.text);
                    data.insert(start.clone(), tensor);
                    Expr::Symbol(Symbol::State(dynamics.keep(start, dimension, initial)))
                }
            };
        }
        for field in values {
            let Some((term, tensor)) = self.own_value(field, len) else { return };
            let name = field.key[0].text.clone();
            data.extend(tensor.map(|tensor| (name.clone(), tensor)));
            dynamics.keep(name, term.dimension, term.expr);
        }
        let Some(claimed) = self.claim(&full, name.span) else { return };
        let given = dynamics.states.iter().enumerate().filter_map(|(at, state)| Some((at, *data.get(&state.name)?)));
        let given: Vec<(usize, nmc_program::TensorId)> = given.collect();
        let node = self.add_population(claimed, dynamics, block.kind, shape, span);
        self.network.given.extend(given.into_iter().map(|(state, tensor)| ((node, state), tensor)));
        self.nodes.insert(full, node);
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
            _ => PopulationKind::Neuron,
        };
        let operator = Operator::Population { dynamics, kind };
        self.network.graph.add_node(Node { name, operator, shape, logical, span, inserted: None })
    }
}
