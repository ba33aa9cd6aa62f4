//! Checks of programs as written, while blocks are still generic: a block that nothing uses yet is checked too.

// Statements and expressions are many; each rule concerns a few.
#![allow(clippy::wildcard_enum_match_arm)]

mod condition;
mod equations;
mod fields;
mod header;
mod names;
mod outcome;
mod pairs;
mod placement;
mod reference;
mod structure;
mod types;
mod unused;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use nmc_grammar::ast::{AssignOp, Block, BlockKind, Expr as Ast, ExprKind, Item, Param, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::{FileId, Span};
use nmc_grammar::suggest::closest;
use rayon::prelude::*;

use crate::forms::equations::{Expr, Symbol};
use crate::forms::model::Model;
use crate::quantity::Dimension;
use crate::typing::term::{Closer, Scope, Term, built_in};
use crate::typing::{a, tables, walk};
use crate::units::type_dimension;

/// The rules in order. A block that breaks one is not held to the next: they would only say the same again.
const RULES: &[fn(&mut Checker, &Block)] = &[
    header::check,
    placement::check,
    types::check,
    names::check,
    pairs::check,
    fields::check,
    condition::check,
    equations::check,
    outcome::check,
    values::check,
    structure::check,
];

/// So many items are worth checking side by side.
const MANY: usize = 64;

/// Checks the program and the modules of its user; the standard library is checked by a test.
pub fn check(model: &Model, diagnostics: &mut Vec<Diagnostic>) {
    let elsewhere = Elsewhere::new(model);
    for (index, module) in model.modules.iter().enumerate() {
        if index > 0 && module.name.starts_with("std.") {
            continue;
        }
        let file = FileId(index as u32);
        let items = &module.tree.items;
        // Blocks do not depend on one another; of constants a circle is told but once.
        let of_block = |item: &Item| {
            let mut diagnostics = Vec::new();
            if let Item::Block(block) = item {
                Checker { model, elsewhere: &elsewhere, file, diagnostics: &mut diagnostics }.block(block);
            }
            diagnostics
        };
        let of_blocks: Vec<Vec<Diagnostic>> = match items.len() {
            0..MANY => items.iter().map(of_block).collect(),
            _ => items.par_iter().map(of_block).collect(),
        };
        for (item, of_block) in items.iter().zip(of_blocks) {
            diagnostics.extend(of_block);
            if let Item::Constant(constant) = item {
                Checker { model, elsewhere: &elsewhere, file, diagnostics }.constant(&constant.value);
            }
        }
    }
    if !diagnostics.iter().any(Diagnostic::is_error) {
        unused::check(model, diagnostics);
    }
}

/// One file being checked.
struct Checker<'a> {
    model: &'a Model,
    elsewhere: &'a Elsewhere<'a>,
    file: FileId,
    diagnostics: &'a mut Vec<Diagnostic>,
}

/// What blocks need to know of the others in the files that were read.
struct Elsewhere<'a> {
    /// Dimensions of the states of neurons and devices, by name.
    states: BTreeMap<&'a str, BTreeSet<Dimension>>,
    /// Names that neurons and devices give to expressions.
    names: BTreeSet<&'a str>,
    /// States that synapses and rules change in the neurons they join.
    changed: BTreeSet<&'a str>,
    /// Every name that could be a value of a neuron, where the program is whole: none where it runs nothing.
    values: Option<BTreeSet<&'a str>>,
}

impl<'a> Elsewhere<'a> {
    fn new(model: &'a Model) -> Self {
        let whole = model.own(BlockKind::Experiment).next().is_some();
        let (names, changed, values) = (BTreeSet::new(), BTreeSet::new(), whole.then(BTreeSet::new));
        let mut elsewhere = Elsewhere { states: BTreeMap::new(), names, changed, values };
        for item in model.modules.iter().flat_map(|module| &module.tree.items) {
            let Item::Block(block) = item else { continue };
            let joins = matches!(block.kind, BlockKind::Synapse | BlockKind::Plasticity);
            if let Some(values) = elsewhere.values.as_mut().filter(|_| !joins) {
                values.extend(block.params.iter().map(|param| param.name.text.as_str()));
                walk::statements(&block.body, &mut |stmt| match &stmt.kind {
                    StmtKind::State { name, .. } | StmtKind::Trace { name, .. } => {
                        values.insert(&name.text);
                    }
                    StmtKind::Assign { target: Ast { kind: ExprKind::Name(name), .. }, .. } => {
                        values.insert(name);
                    }
                    StmtKind::Population { values: own, .. } => {
                        values.extend(own.iter().map(|field| field.key[0].text.as_str()));
                    }
                    _ => {}
                });
            }
            walk::statements(&block.body, &mut |stmt| match &stmt.kind {
                StmtKind::State { name, ty, .. } if matches!(block.kind, BlockKind::Neuron | BlockKind::Device) => {
                    elsewhere.states.entry(&name.text).or_default().extend(type_dimension(&ty.name.text));
                }
                StmtKind::Assign { target: Ast { kind: ExprKind::Name(name), .. }, op: AssignOp::Set, .. }
                    if !joins =>
                {
                    elsewhere.names.insert(name);
                }
                StmtKind::Assign { target: Ast { kind: ExprKind::Member(_, member), .. }, .. } if joins => {
                    elsewhere.changed.insert(&member.text);
                }
                _ => {}
            });
        }
        elsewhere
    }
}

impl Checker<'_> {
    fn block(&mut self, block: &Block) {
        let before = self.errors();
        for rule in RULES {
            rule(self, block);
            if self.errors() > before {
                return;
            }
        }
    }

    fn constant(&mut self, value: &Ast) {
        // A circle is told at its first constant.
        let circle = self.diagnostics.iter().any(|diagnostic| diagnostic.code == Code::E0223);
        if circle {
            return;
        }
        if tables::axes(self.model, self.file, value) > 0 {
            Closer::new(self.model, self.diagnostics).table(&Scope::default(), self.file, value);
        } else if walk::is_scalar(value, &|_| true) {
            self.close(&Scope::default(), value);
        }
    }

    fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }

    fn report(&mut self, code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(code, message, span, label));
    }

    fn close(&mut self, scope: &Scope, ast: &Ast) -> Option<Term> {
        Closer::generic(self.model, self.diagnostics).close(scope, self.file, ast)
    }

    fn close_as(&mut self, scope: &Scope, ast: &Ast, dimension: Dimension) -> Option<Term> {
        Closer::generic(self.model, self.diagnostics).close_as(scope, self.file, ast, dimension)
    }

    /// The parameters of a block, and what every equation knows, with unknown values.
    fn parameters(&self, block: &Block) -> Scope {
        let mut scope = built_in();
        for param in &block.params {
            let dimension = declared(param).unwrap_or_default();
            scope.names.insert(param.name.text.clone(), unknown(dimension));
        }
        scope
    }
}

/// Whether a block is a cell with a range of conductances.
fn holds_weights(block: &Block) -> bool {
    block.kind == BlockKind::Device
        && fields::fields(&block.body).iter().any(|field| fields::field_key(field) == "conductance")
}

/// The dimension a parameter's type says.
fn declared(param: &Param) -> Option<Dimension> {
    param.ty.as_ref().and_then(|ty| type_dimension(&ty.name.text))
}

/// A term whose value is not known.
fn unknown(dimension: Dimension) -> Term {
    Term { expr: Expr::Symbol(Symbol::SourceIndex), dimension }
}

/// The help for a word out of a known set.
fn suggestion<'w>(word: &str, known: impl IntoIterator<Item = &'w str> + Clone) -> String {
    match closest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// Whether a kind of block is made of equations.
fn has_equations(kind: BlockKind) -> bool {
    match kind {
        BlockKind::Neuron
        | BlockKind::Synapse
        | BlockKind::Plasticity
        | BlockKind::Encoder
        | BlockKind::Decoder
        | BlockKind::Device
        | BlockKind::Unit => true,
        BlockKind::Network
        | BlockKind::Converter
        | BlockKind::Tile
        | BlockKind::Core
        | BlockKind::Chip
        | BlockKind::Experiment => false,
    }
}
