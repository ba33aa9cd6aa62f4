//! `softmax`: the largest is taken off, powers of e are divided by their sum.

use nmc_grammar::ast::Ident;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_program::Reduction;

use super::Elaborator;
use crate::forms::equations::{Expr, Function, Symbol};
use crate::forms::network::{Logical, NodeId, Operator};
use crate::quantity::Dimension;

impl Elaborator<'_> {
    /// Shares of a vector [n] that add up to 1: exp(x) / sum of exp(x).
    pub fn softmax(&mut self, from: NodeId, user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let from = self.real(from, span)?;
        let data = &self.network.graph[from];
        let (shape, dimension) = (data.shape.clone(), self.dimension(from));
        let &[each] = &shape[..] else {
            let message = format!("`softmax` takes a vector, `{}` is {shape:?}", data.name);
            let wrong = Diagnostic::new(Code::E0303, message, span, "takes one axis");
            self.closer.diagnostics.push(wrong.with_help("put `|> flatten` before it"));
            return None;
        };
        if dimension != Dimension::NONE {
            self.error(Code::E0302, "`softmax` takes numbers without a unit", span, "divide by one before");
            return None;
        }
        let reduce = |reduction| Operator::Reduce { reduction, each };
        let of_two = |function: &str, of: Function, then: Option<Function>| {
            let both = Expr::Call(of, vec![Expr::Symbol(Symbol::Input(0)), Expr::Symbol(Symbol::Input(1))]);
            let body = then.map_or(both.clone(), |then| Expr::Call(then, vec![both]));
            Operator::Elementwise { function: function.to_string(), body }
        };
        let mut add = |operator, shape: Vec<usize>, user, base, from: &[NodeId]| {
            self.add(operator, shape, Logical::Real, span, user, base, from)
        };
        let most = add(reduce(Reduction::Maximum), vec![1], None, "largest", &[from])?;
        // Without the largest no power is beyond all numbers.
        let powers = of_two("softmax", Function::Subtract, Some(Function::Exp));
        let powers = add(powers, shape.clone(), None, "powers", &[from, most])?;
        let sum = add(reduce(Reduction::Sum), vec![1], None, "sum", &[powers])?;
        add(of_two("softmax", Function::Divide, None), shape, user, "softmax", &[powers, sum])
    }
}
