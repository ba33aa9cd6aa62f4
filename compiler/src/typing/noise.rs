//! White noise in equations: `xi` adds to what moves a state, and stands nowhere else.

use nmc_grammar::ast::{Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::closing::Closing;
use super::term::is_random;
use super::walk::within;
use crate::algebra::{linear, mentions};
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;

impl Closing<'_, '_> {
    /// Whether no noise is in it; tells if some is.
    pub(super) fn quiet(&mut self, ast: &Ast, expr: &Expr) -> bool {
        let quiet = !mentions(expr, &|symbol| symbol == Symbol::Noise);
        if !quiet {
            let message = "`xi` is white noise: it has no value, only an effect on what is integrated";
            let wrong = Diagnostic::new(Code::E0456, message, ast.span, "not the right side of an equation");
            let help =
                "let a state follow it, `n' = -n / tau + sqrt(2 / tau) * xi`; a number for one event is `normal(0, 1)`";
            self.closer.diagnostics.push(wrong.with_help(help));
        }
        quiet
    }

    /// An equation's right side: what moves the state, and what its noise is multiplied by.
    pub(super) fn right_side(&mut self, ast: &Ast, dimension: Dimension) -> Option<(Expr, Option<Expr>)> {
        // Told before dimensions: white noise has others than a number drawn at random.
        let mut drawn = false;
        within(ast, &mut |expr| {
            let random =
                |callee: &Ast| matches!(&callee.kind, ExprKind::Name(name) if name == "normal" || name == "uniform");
            drawn |= matches!(&expr.kind, ExprKind::Call(callee, _) if random(callee));
        });
        let right = match drawn {
            true => Expr::Number(0.0),
            false => self.closer.close_as(&self.scope, self.file, ast, dimension.over(Dimension::TIME))?.expr,
        };
        if drawn || is_random(&right) {
            let message =
                "a random number in an equation has no meaning: how often it is drawn depends on the integrator";
            let wrong = Diagnostic::new(Code::E0455, message, ast.span, "drawn at every look");
            let help = "white noise is `xi`, with sigma the standard deviation: `v' = (e - v) / tau + sigma * sqrt(2 / tau) * xi`";
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        }
        let is_noise = |symbol: Symbol| symbol == Symbol::Noise;
        if !mentions(&right, &is_noise) {
            return Some((right, None));
        }
        match linear(&right, Symbol::Noise) {
            Some((factor, rest)) if !mentions(&factor, &is_noise) => Some((rest, Some(factor))),
            Some(_) | None => {
                let message = "`xi` can only be added to an equation, times a factor";
                let wrong = Diagnostic::new(Code::E0456, message, ast.span, "`xi` stands here");
                let help = "such as `v' = (e - v) / tau + sigma * sqrt(2 / tau) * xi`";
                self.closer.diagnostics.push(wrong.with_help(help));
                None
            }
        }
    }
}
