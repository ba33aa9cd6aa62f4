//! A name means one thing in a block.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, Block, ExprKind, Ident, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::{Checker, has_equations, walk};

pub fn check(checker: &mut Checker, block: &Block) {
    walk::statements(&block.body, &mut |stmt| {
        if let StmtKind::Population { args, .. } = &stmt.kind {
            given_once(checker, args);
        }
        for expr in walk::expressions(stmt) {
            walk::within(expr, &mut |expr| {
                if let ExprKind::Call(_, args) = &expr.kind {
                    given_once(checker, args);
                }
            });
        }
    });
    let mut known = BTreeMap::new();
    for param in block.params.iter().chain(&block.outputs) {
        declare(checker, &mut known, &param.name);
    }
    if has_equations(block.kind) {
        for stmt in &block.body {
            if let StmtKind::State { name, .. } | StmtKind::Trace { name, .. } | StmtKind::Input { name, .. } =
                &stmt.kind
            {
                declare(checker, &mut known, name);
            }
        }
        return;
    }
    level(checker, &block.body, &mut known);
}

/// Arguments with names, of blocks or of what is built in.
fn given_once(checker: &mut Checker, args: &[Arg]) {
    let named: Vec<&Ident> = args.iter().filter_map(|arg| arg.name.as_ref()).collect();
    for (at, name) in named.iter().enumerate() {
        if let Some(first) = named[..at].iter().find(|first| first.text == name.text) {
            let message = format!("`{}` is given twice", name.text);
            let twice = Diagnostic::new(Code::E0520, message, name.span, "given again");
            checker.diagnostics.push(twice.with_label(first.span, "first given here"));
        }
    }
}

/// Names of a network or an experiment. Those of `for` and `if` stand for themselves: only one branch is taken.
/// Gives back what it added.
fn level<'t>(checker: &mut Checker, body: &'t [Stmt], known: &mut BTreeMap<&'t str, Span>) -> Vec<&'t str> {
    let mut added = Vec::new();
    for stmt in body {
        match &stmt.kind {
            StmtKind::Population { name, indices, .. } if indices.is_empty() => {
                added.extend(declare(checker, known, name));
            }
            StmtKind::Connect { name: Some(name), .. } | StmtKind::Data { name, .. } | StmtKind::State { name, .. } => {
                added.extend(declare(checker, known, name));
            }
            StmtKind::If { then, otherwise, .. } => {
                for branch in [then, otherwise] {
                    for name in level(checker, branch, known) {
                        known.remove(name);
                    }
                }
            }
            _ => {}
        }
    }
    added
}

/// The name, if it is new.
fn declare<'t>(checker: &mut Checker, known: &mut BTreeMap<&'t str, Span>, name: &'t Ident) -> Option<&'t str> {
    if let Some(first) = known.get(name.text.as_str()) {
        let message = format!("`{}` is defined twice", name.text);
        let twice = Diagnostic::new(Code::E0202, message, name.span, "defined again here");
        checker.diagnostics.push(twice.with_label(*first, "first defined here"));
        return None;
    }
    known.insert(&name.text, name.span);
    Some(&name.text)
}
