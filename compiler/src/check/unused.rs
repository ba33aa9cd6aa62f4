//! Names that are never used, W0208. A name that starts with `_` may be.

use std::collections::HashSet;

use nmc_grammar::ast::{Block, BlockKind, Expr, ExprKind, Ident, Item, Param, Stmt, StmtKind, Type};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::{has_equations, walk};
use crate::forms::model::Model;

/// Looks at the program's own file; what a library file defines is for others.
pub fn check(model: &Model, diagnostics: &mut Vec<Diagnostic>) {
    let Some(module) = model.modules.first() else { return };
    let blocks = || {
        module.tree.items.iter().filter_map(|item| match item {
            Item::Block(block) => Some(block),
            Item::Use(_) | Item::Constant(_) => None,
        })
    };
    let mut everywhere = Reads::default();
    let of_blocks: Vec<Reads> = blocks().map(Reads::of_block).collect();
    of_blocks.iter().for_each(|reads| everywhere.all_of(reads));
    let mut of_blocks = of_blocks.into_iter();
    let program = blocks().any(|block| block.kind == BlockKind::Experiment);
    for item in &module.tree.items {
        if let Item::Constant(constant) = item {
            everywhere.expr(&constant.value);
        }
    }
    let mut report = |name: &Ident, what: &str, help: String| {
        if !name.text.starts_with('_') {
            let message = format!("{what} `{}` is never used", name.text);
            diagnostics.push(Diagnostic::new(Code::W0208, message, name.span, "never used").with_help(help));
        }
    };
    for item in &module.tree.items {
        match item {
            Item::Use(used) => {
                for name in used.names.iter().filter(|name| !everywhere.names.contains(name.text.as_str())) {
                    report(name, "the name", String::from("take it out of `use`"));
                }
            }
            Item::Constant(constant) if program && !everywhere.names.contains(constant.name.text.as_str()) => {
                report(&constant.name, "the constant", rename(&constant.name));
            }
            Item::Constant(_) => {}
            Item::Block(block) => {
                let reads = of_blocks.next().unwrap_or_default();
                within_block(block, &reads, &everywhere, program, &mut report);
            }
        }
    }
}

fn rename(name: &Ident) -> String {
    format!("remove it, or call it `_{}`", name.text)
}

fn within_block(
    block: &Block,
    reads: &Reads,
    everywhere: &Reads,
    program: bool,
    report: &mut dyn FnMut(&Ident, &str, String),
) {
    let beside = if has_equations(block.kind) { read_beside_equations(block) } else { HashSet::new() };
    let elsewhere = |name: &str| block.kind == BlockKind::Neuron && everywhere.members.contains(name);
    for param in block.params.iter().filter(|param| !reads.names.contains(param.name.text.as_str())) {
        // What is an element's own, connections may read.
        if elsewhere(&param.name.text) {
            continue;
        }
        report(&param.name, "the parameter", rename(&param.name));
    }
    for stmt in &block.body {
        let (name, what) = match &stmt.kind {
            StmtKind::State { name, .. } | StmtKind::Trace { name, .. } if has_equations(block.kind) => {
                // Others may record the states of a neuron, a synapse or a rule, or read a neuron's in their equations.
                let recorded = matches!(block.kind, BlockKind::Neuron | BlockKind::Synapse | BlockKind::Plasticity)
                    && (!program || everywhere.members.contains(name.text.as_str()));
                let open = recorded || block.kind == BlockKind::Neuron && name.text == "v";
                if open || beside.contains(name.text.as_str()) {
                    continue;
                }
                (name, "the state")
            }
            StmtKind::Input { name, .. } if !reads.names.contains(name.text.as_str()) => (name, "the input"),
            StmtKind::State { name, .. } if !reads.names.contains(name.text.as_str()) => (name, "the state"),
            StmtKind::Data { name, .. } if !reads.names.contains(name.text.as_str()) => (name, "the data"),
            StmtKind::Assign { target: Expr { kind: ExprKind::Name(text), span }, .. } => {
                let output = has_equations(block.kind) && crate::typing::closing::OUTPUTS.contains(&text.as_str());
                // A layer's name serves pins and records, too.
                let named = block.kind == BlockKind::Network && everywhere.pinned.contains(text.as_str());
                if !output && !named && !reads.names.contains(text.as_str()) && !elsewhere(text) {
                    let name = Ident { text: text.clone(), span: *span };
                    report(&name, "the name", rename(&name));
                }
                continue;
            }
            _ => continue,
        };
        report(name, what, rename(name));
    }
    walk::statements(&block.body, &mut |stmt| {
        let StmtKind::Connect { fields, .. } = &stmt.kind else { return };
        for field in fields.iter().filter(|field| field.named) {
            let mut used = false;
            for other in fields.iter().filter(|other| other.span != field.span) {
                walk::within(&other.value, &mut |expr| {
                    used |= matches!(&expr.kind, ExprKind::Name(name) if *name == field.key[0].text);
                });
            }
            if !used {
                report(&field.key[0], "the name", rename(&field.key[0]));
            }
        }
    });
}

/// The names that are read anywhere but in their own equations.
fn read_beside_equations(block: &Block) -> HashSet<&str> {
    let mut beside = Reads::default();
    beside.params(&block.params);
    for stmt in &block.body {
        if let StmtKind::Derivative { name, .. } = &stmt.kind {
            let mut own = Reads::default();
            own.stmt(stmt);
            own.names.remove(name.text.as_str());
            beside.names.extend(own.names);
        } else {
            beside.stmt(stmt);
        }
    }
    beside.names
}

/// The names that something reads.
#[derive(Default)]
struct Reads<'t> {
    names: HashSet<&'t str>,
    /// Names after a dot.
    members: HashSet<&'t str>,
    /// Names in `pin`, `probe` and `require`.
    pinned: HashSet<&'t str>,
}

impl<'t> Reads<'t> {
    fn of_block(block: &'t Block) -> Self {
        let mut reads = Reads::default();
        reads.params(&block.params);
        reads.params(&block.outputs);
        if let Some((from, to)) = &block.joins {
            reads.ty(from);
            reads.ty(to);
        }
        block.body.iter().for_each(|stmt| reads.stmt(stmt));
        reads
    }

    fn all_of(&mut self, other: &Reads<'t>) {
        self.names.extend(&other.names);
        self.members.extend(&other.members);
        self.pinned.extend(&other.pinned);
    }

    fn params(&mut self, params: &'t [Param]) {
        for param in params {
            if let Some(ty) = &param.ty {
                self.ty(ty);
            }
            if let Some(default) = &param.default {
                self.expr(default);
            }
        }
    }

    fn ty(&mut self, ty: &'t Type) {
        ty.args.iter().chain(&ty.shape).for_each(|expr| self.expr(expr));
    }

    fn stmt(&mut self, stmt: &'t Stmt) {
        match &stmt.kind {
            StmtKind::Assign { target, value, .. } => {
                self.expr(value);
                // What is changed is not thereby read; an index is.
                match &target.kind {
                    ExprKind::Name(_) => {}
                    _ => self.expr(target),
                }
            }
            StmtKind::Population { model, .. } => {
                self.names.insert(&model.text);
                walk::expressions(stmt).into_iter().for_each(|expr| self.expr(expr));
            }
            StmtKind::Input { at: Some(at), .. } => {
                self.names.insert(&at.text);
            }
            // A neuron does not spike while a state of it is held.
            StmtKind::Hold { name, .. } => {
                self.names.insert(&name.text);
                walk::expressions(stmt).into_iter().for_each(|expr| self.expr(expr));
            }
            StmtKind::Bounds { name, .. } if name.text == "w" => {
                walk::expressions(stmt).into_iter().for_each(|expr| self.expr(expr));
            }
            StmtKind::Pin { .. } | StmtKind::Probe { .. } | StmtKind::Require { .. } => {
                let mut own = Reads::default();
                walk::expressions(stmt).into_iter().for_each(|expr| own.expr(expr));
                self.pinned.extend(own.names.iter().chain(&own.members));
                self.names.extend(own.names);
                self.members.extend(own.members);
            }
            StmtKind::Run { fields, .. } | StmtKind::Present { inputs: fields, .. } => {
                self.names.extend(fields.iter().flat_map(|field| &field.key).map(|key| key.text.as_str()));
                walk::expressions(stmt).into_iter().for_each(|expr| self.expr(expr));
            }
            _ => walk::expressions(stmt).into_iter().for_each(|expr| self.expr(expr)),
        }
        walk::bodies(stmt).into_iter().flatten().for_each(|stmt| self.stmt(stmt));
    }

    fn expr(&mut self, expr: &'t Expr) {
        walk::within(expr, &mut |expr| match &expr.kind {
            ExprKind::Name(name) => {
                self.names.insert(name);
            }
            ExprKind::Member(_, member) => {
                self.members.insert(&member.text);
            }
            _ => {}
        });
    }
}
