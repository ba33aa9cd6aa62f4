//! `softmax`: shares of one whole, on a vector of numbers.

use nmc_grammar::ast::Ident;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::Elaborator;
use crate::forms::network::{Logical, NodeId, Operator};
use crate::quantity::Dimension;

impl Elaborator<'_> {
    /// Shares of a vector [n] that add up to 1: exp(x) / sum of exp(x).
    pub fn softmax(&mut self, from: NodeId, user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let from = self.real(from, span)?;
        let data = &self.network.graph[from];
        let (shape, dimension) = (data.shape.clone(), self.dimension(from));
        let [_] = shape[..] else {
            let message = format!("`softmax` takes a vector, `{}` is {shape:?}", data.name);
            let wrong = Diagnostic::new(Code::E0303, message, span, "takes one axis");
            self.closer.diagnostics.push(wrong.with_help("put `|> flatten` before it"));
            return None;
        };
        if dimension != Dimension::NONE {
            self.error(Code::E0302, "`softmax` takes numbers without a unit", span, "divide by one before");
            return None;
        }
        self.add(Operator::Softmax, shape, Logical::Real, span, user, "softmax", &[from])
    }
}
