//! What is asked whether it holds is a comparison, not a number.

use nmc_grammar::ast::{BinaryOp, Block, Expr, ExprKind, StmtKind, UnaryOp};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::{Checker, walk};

pub fn check(checker: &mut Checker, block: &Block) {
    let mut asked: Vec<&Expr> = Vec::new();
    walk::statements(&block.body, &mut |stmt| {
        for expr in walk::expressions(stmt) {
            walk::within(expr, &mut |expr| {
                if let ExprKind::If(condition, _, _) = &expr.kind {
                    asked.push(condition);
                }
            });
        }
    });
    walk::statements(&block.body, &mut |stmt| {
        if let StmtKind::SpikeWhen { condition, .. }
        | StmtKind::When { condition, .. }
        | StmtKind::EmitWhen { condition }
        | StmtKind::If { condition, .. } = &stmt.kind
        {
            asked.push(condition);
        }
    });
    for condition in asked {
        if !may_hold(condition) {
            let wrong =
                Diagnostic::new(Code::E0320, "this is a number, not a condition", condition.span, "when does it hold?");
            checker.diagnostics.push(wrong.with_help("compare it, as in `v > -50 mV`"));
        }
    }
}

/// Whether an expression can be true or false by its form; names and calls are given the benefit of the doubt.
fn may_hold(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Binary(op, ..) => match op {
            BinaryOp::Or
            | BinaryOp::And
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual => true,
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Of
            | BinaryOp::Power => false,
        },
        ExprKind::Unary(op, _) => *op == UnaryOp::Not,
        ExprKind::Number { unit, .. } => unit.is_none(),
        ExprKind::Bool(_)
        | ExprKind::Name(_)
        | ExprKind::Member(..)
        | ExprKind::Index(..)
        | ExprKind::Call(..)
        | ExprKind::If(..)
        | ExprKind::Pipe(..)
        | ExprKind::Error => true,
        ExprKind::Text(_) | ExprKind::Range(..) | ExprKind::List(_) | ExprKind::Tuple(_) | ExprKind::Iterate { .. } => {
            false
        }
    }
}
