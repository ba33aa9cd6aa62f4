//! Numbers that must be of a certain kind, wherever they stand: told where they are known, in `check` or for an instance.

use nmc_grammar::ast::Expr as Ast;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::FileId;

use super::term::{Closer, Scope, Term};
use crate::quantity::{Dimension, Quantity};
use crate::units::show;

/// The largest count of anything.
const MOST: f64 = 1e9;

impl Closer<'_> {
    /// What a part of hardware takes or has: not negative, not infinite.
    pub fn quantity(&mut self, scope: &Scope, file: FileId, ast: &Ast, dimension: Dimension) -> Option<Term> {
        let term = self.close_as(scope, file, ast, dimension)?;
        match term.value() {
            Some(value) if !(value >= 0.0 && value.is_finite()) => {
                let shown = show(Quantity { si: value, dimension });
                let message = format!("{shown} is not possible here");
                self.report(Diagnostic::new(Code::E0503, message, ast.span, "0 or more is needed"))
            }
            _ => Some(term),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, scope: &Scope, file: FileId, ast: &Ast) -> Option<Term> {
        let term = self.quantity(scope, file, ast, Dimension::NONE)?;
        match term.value() {
            Some(value) if value != 0.0 && value != 1.0 => {
                let message = format!("{value} is not possible here");
                self.report(Diagnostic::new(Code::E0503, message, ast.span, "`true` or `false` is needed"))
            }
            _ => Some(term),
        }
    }

    /// A fixed deviation: of either sign, not infinite.
    pub fn deviation(&mut self, scope: &Scope, file: FileId, ast: &Ast) -> Option<Term> {
        let term = self.close_as(scope, file, ast, Dimension::NONE)?;
        match term.value() {
            Some(value) if !value.is_finite() => {
                let message = format!("{value} is not possible here");
                self.report(Diagnostic::new(Code::E0503, message, ast.span, "a finite number is needed"))
            }
            _ => Some(term),
        }
    }

    /// A range of quantities.
    pub fn range(
        &mut self,
        scope: &Scope,
        file: FileId,
        (low, high): (&Ast, &Ast),
        dimension: Dimension,
    ) -> Option<(Term, Term)> {
        let (first, last) = (self.quantity(scope, file, low, dimension), self.quantity(scope, file, high, dimension));
        let (first, last) = (first?, last?);
        if first.value().zip(last.value()).is_some_and(|(low, high)| low >= high) {
            let message = "a range goes from a lower to a higher value";
            self.report(Diagnostic::new(Code::E0503, message, low.span.to(high.span), "it does not"));
            return None;
        }
        Some((first, last))
    }

    /// A whole number, at least `least`.
    pub fn count(&mut self, scope: &Scope, file: FileId, ast: &Ast, least: f64) -> Option<Term> {
        let term = self.close_as(scope, file, ast, Dimension::NONE)?;
        match term.value() {
            Some(value) if !(value.fract() == 0.0 && value >= least && value <= MOST) => {
                let message = format!("{value} is not a possible number here");
                let label = format!("a whole number from {least} to 1e9 is needed");
                self.report(Diagnostic::new(Code::E0303, message, ast.span, label))
            }
            _ => Some(term),
        }
    }

    /// A term that must be known now.
    pub fn known(&mut self, term: &Term, ast: &Ast) -> Option<f64> {
        let value = term.value();
        if value.is_none() {
            let message = "this must be a fixed number";
            self.report(Diagnostic::new(Code::E0305, message, ast.span, "not known before the run"));
        }
        value
    }
}
