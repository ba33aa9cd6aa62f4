//! In a connection `i` and `j` are the indices of source and target, and nothing else; what expressions are called there.

use std::collections::BTreeMap;

use nmc_grammar::ast::{AssignOp, Block, BlockKind, ExprKind, Field, Item, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::fields::{CONNECTION, field_key, key_span};
use super::{Checker, walk};

/// Each with what it is the index of.
const INDICES: &[(&str, &str)] = &[("i", "source"), ("j", "target")];

pub fn check(checker: &mut Checker, block: &Block) {
    if block.kind != BlockKind::Network {
        return;
    }
    let mut bound = BTreeMap::new();
    for (name, _) in INDICES {
        if let Some(id) = checker.model.lookup(checker.file, name)
            && let Some(module) = checker.model.modules.get(id.file.0 as usize)
            && let Some(Item::Constant(constant)) = module.tree.items.get(id.item as usize)
        {
            bound.insert(*name, constant.name.span);
        }
    }
    bound.extend(block.params.iter().map(|param| (param.name.text.as_str(), param.name.span)));
    statements(checker, &block.body, &mut bound);
}

fn statements<'t>(checker: &mut Checker, body: &'t [Stmt], bound: &mut BTreeMap<&'t str, Span>) {
    for stmt in body {
        match &stmt.kind {
            StmtKind::Connect { fields, .. } => connection(checker, &walk::written_out(fields), bound),
            StmtKind::For { variable, body, .. } => {
                let mut inner = bound.clone();
                inner.insert(&variable.text, variable.span);
                statements(checker, body, &mut inner);
            }
            StmtKind::If { then, otherwise, .. } => {
                statements(checker, then, &mut bound.clone());
                statements(checker, otherwise, &mut bound.clone());
            }
            // Names of data and signals are no numbers: they cannot be meant where an index is.
            StmtKind::Assign { target, op: AssignOp::Set, value } if walk::is_scalar(value, &|_| true) => {
                if let ExprKind::Name(name) = &target.kind {
                    bound.insert(name, target.span);
                }
            }
            _ => {}
        }
    }
}

fn connection(checker: &mut Checker, fields: &[Field], bound: &BTreeMap<&str, Span>) {
    for field in fields.iter().filter(|field| matches!(field.key[0].text.as_str(), "weight" | "delay")) {
        let mut told = Vec::new();
        walk::within(&field.value, &mut |expr| {
            let ExprKind::Name(name) = &expr.kind else { return };
            let of = INDICES.iter().find(|(index, _)| index == name);
            if let (Some((index, of)), Some(other)) = (of, bound.get(name.as_str()))
                && !told.contains(index)
            {
                told.push(*index);
                let message = format!("`{name}` means two things here");
                let label = format!("in a weight or delay it is the index of the {of}");
                let twice = Diagnostic::new(Code::E0202, message, expr.span, label);
                let twice = twice.with_label(*other, "it is defined here, too");
                checker.diagnostics.push(twice.with_help("give the one defined here another name"));
            }
        });
    }
}

/// Names of expressions: none is that of a field or means something else; a random one is drawn where it is used, so once.
pub fn named(checker: &mut Checker, named: &[&Field], fields: &[&Field]) {
    for (at, field) in named.iter().enumerate() {
        let name = field_key(field);
        if CONNECTION.contains(&name.as_str()) {
            let message = format!("`{name}` is a field of a connection");
            let wrong = Diagnostic::new(Code::E0401, message, key_span(field), "not a name for an expression");
            checker.diagnostics.push(wrong.with_help(format!("write `{name}: …`")));
        } else if ["i", "j", "pre", "post"].contains(&name.as_str()) {
            let message = format!("`{name}` means two things here");
            checker.report(Code::E0202, message, key_span(field), "it is of the pair that is joined");
        }
        let mut used = Vec::new();
        for other in named[at + 1..].iter().chain(fields) {
            walk::within(&other.value, &mut |expr| {
                if matches!(&expr.kind, ExprKind::Name(other) if *other == name) {
                    used.push(expr.span);
                }
            });
        }
        for early in &named[..=at] {
            walk::within(&early.value, &mut |expr| {
                if matches!(&expr.kind, ExprKind::Name(other) if *other == name) {
                    checker.report(Code::E0201, format!("`{name}` is not known here"), expr.span, "it is named below");
                }
            });
        }
        let mut drawn = false;
        walk::within(&field.value, &mut |expr| {
            drawn |= matches!(&expr.kind, ExprKind::Name(name) if name == "normal" || name == "uniform");
        });
        if let (true, [first, second, ..]) = (drawn, &used[..]) {
            let message = format!("`{name}` is drawn anew at each place it is used");
            let wrong = Diagnostic::new(Code::E0455, message, *second, "another number");
            checker.diagnostics.push(wrong.with_label(*first, "one number").with_help("use it once"));
        }
    }
}
