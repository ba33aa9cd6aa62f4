//! Names whose own statement failed: what builds on them is passed over, so that one mistake is told once.

use nmc_grammar::ast::{Expr, ExprKind, Stmt, StmtKind};

use super::Elaborator;
use crate::typing::walk;

impl Elaborator<'_> {
    /// Elaborates a statement by `work`, unless it builds on one that failed.
    pub fn unless_failed(&mut self, stmt: &Stmt, work: impl FnOnce(&mut Self)) {
        let mut builds_on_failed = false;
        if !self.failed.is_empty() {
            for expr in walk::expressions(stmt) {
                walk::within(expr, &mut |expr| {
                    builds_on_failed |= matches!(&expr.kind, ExprKind::Name(name) if self.failed.contains(name));
                });
            }
        }
        let (errors, first) = (self.errors(), self.closer.diagnostics.len());
        if !builds_on_failed {
            work(self);
        }
        if builds_on_failed || self.errors() > errors {
            self.tell_uses(first);
            self.failed.extend(given(stmt).map(str::to_string));
        }
    }
}

/// The name a statement gives.
fn given(stmt: &Stmt) -> Option<&str> {
    match &stmt.kind {
        StmtKind::Population { name, .. }
        | StmtKind::Connect { name: Some(name), .. }
        | StmtKind::State { name, .. }
        | StmtKind::Data { name, .. } => Some(&name.text),
        StmtKind::Assign { target, .. } => first(target),
        _ => None,
    }
}

fn first(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Index(object, _) | ExprKind::Member(object, _) => first(object),
        _ => None,
    }
}
