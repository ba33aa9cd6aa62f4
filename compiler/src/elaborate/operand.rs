//! Arithmetic over signals or arrays: parts that are such are lifted out, so that what is left closes like any expression.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind};

use super::term::Term;
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;

/// The expression with every part that `is` accepts replaced by a name that no program can hold; the parts in order.
pub fn lift(ast: &Ast, is: &dyn Fn(&Ast) -> bool) -> (Ast, Vec<Ast>) {
    let mut parts = Vec::new();
    let lifted = replace(ast, is, &mut parts);
    (lifted, parts)
}

/// The names of lifted parts, with the dimensions of what they stand for.
pub fn lifted_names(dimensions: &[Dimension]) -> BTreeMap<String, Term> {
    let term = |index, dimension| Term { expr: Expr::Symbol(Symbol::Input(index)), dimension };
    dimensions.iter().enumerate().map(|(index, &dimension)| (name(index), term(index, dimension))).collect()
}

/// The name of the part with this index.
pub fn name(index: usize) -> String {
    format!("#{index}")
}

fn replace(ast: &Ast, is: &dyn Fn(&Ast) -> bool, parts: &mut Vec<Ast>) -> Ast {
    let of = |kind| Ast { kind, span: ast.span };
    if is(ast) {
        // The same name twice is one operand.
        let same = |part: &Ast| matches!((&part.kind, &ast.kind), (ExprKind::Name(a), ExprKind::Name(b)) if a == b);
        let index = parts.iter().position(same).unwrap_or_else(|| {
            parts.push(ast.clone());
            parts.len() - 1
        });
        return of(ExprKind::Name(name(index)));
    }
    let mut inner = |ast: &Ast| Box::new(replace(ast, is, parts));
    match &ast.kind {
        ExprKind::Unary(op, a) => of(ExprKind::Unary(*op, inner(a))),
        ExprKind::Binary(op, a, b) => {
            let (a, b) = (inner(a), inner(b));
            of(ExprKind::Binary(*op, a, b))
        }
        ExprKind::If(c, a, b) => {
            let (c, a, b) = (inner(c), inner(a), inner(b));
            of(ExprKind::If(c, a, b))
        }
        ExprKind::Call(callee, args) => {
            let args = args.iter().map(|arg| Arg { name: arg.name.clone(), value: *inner(&arg.value) }).collect();
            of(ExprKind::Call(callee.clone(), args))
        }
        _ => ast.clone(),
    }
}
