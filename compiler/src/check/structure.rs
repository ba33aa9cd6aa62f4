//! Networks: what populations, connections and layers name exists, in networks that nobody deploys yet, too.

use std::collections::BTreeSet;

use nmc_grammar::ast::{Arg, BinaryOp, Block, BlockKind, Expr as Ast, ExprKind, Field, Ident, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::elsewhere::instead;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use super::{Checker, unknown, walk};
use crate::quantity::Dimension;
use crate::typing::blocks;
use crate::typing::functions::loop_later;
use crate::typing::term::Scope;
use crate::units::type_dimension;

const POPULATIONS: &[BlockKind] = &[BlockKind::Neuron, BlockKind::Device, BlockKind::Encoder, BlockKind::Decoder];

pub fn check(checker: &mut Checker, block: &Block) {
    if block.kind != BlockKind::Network {
        return;
    }
    let mut scope = Scope::default();
    let mut names: BTreeSet<&str> = block.outputs.iter().map(|output| output.name.text.as_str()).collect();
    for param in &block.params {
        if !blocks::is_port(param) {
            let dimension = super::declared(param).unwrap_or_default();
            scope.names.insert(param.name.text.clone(), unknown(dimension));
        }
        names.insert(&param.name.text);
    }
    walk::statements(&block.body, &mut |stmt| match &stmt.kind {
        StmtKind::Population { name, .. } | StmtKind::Connect { name: Some(name), .. } => {
            names.insert(&name.text);
        }
        StmtKind::For { variable, .. } => {
            names.insert(&variable.text);
        }
        StmtKind::Assign { target, .. } => names.extend(base(target)),
        _ => {}
    });
    level(checker, &block.body, &scope, &names);
    let mut order = Order { given: BTreeSet::new(), later: BTreeSet::new() };
    walk::statements(&block.body, &mut |stmt| {
        if let StmtKind::Assign { target, .. } = &stmt.kind {
            order.later.extend(base(target));
        }
    });
    order.later.retain(|name| !scope.names.contains_key(*name) && checker.model.lookup(checker.file, name).is_none());
    order.later.retain(|name| !block.params.iter().any(|param| param.name.text == *name));
    order.body(checker, &block.body);
}

/// The values of a network in the order of its statements.
struct Order<'t> {
    given: BTreeSet<&'t str>,
    /// Names that some statement gives a value, and nothing else does.
    later: BTreeSet<&'t str>,
}

impl<'t> Order<'t> {
    /// Values are used after they are given; else there is a loop.
    fn body(&mut self, checker: &mut Checker, body: &'t [Stmt]) {
        for stmt in body {
            let used = if let StmtKind::Assign { value, .. } | StmtKind::Flow { value, .. } = &stmt.kind {
                self.early(value)
            } else {
                None
            };
            if let Some((name, span)) = used {
                checker.diagnostics.push(loop_later(name, span));
                return;
            }
            if let StmtKind::Assign { target, .. } = &stmt.kind {
                self.given.extend(base(target));
            }
            walk::bodies(stmt).into_iter().for_each(|inner| self.body(checker, inner));
        }
    }

    /// A name that is used and not yet given.
    fn early(&self, value: &'t Ast) -> Option<(&'t str, Span)> {
        let mut found = None;
        walk::within(value, &mut |expr| {
            if let ExprKind::Name(name) = &expr.kind
                && self.later.contains(name.as_str())
                && !self.given.contains(name.as_str())
            {
                found.get_or_insert((name.as_str(), expr.span));
            }
        });
        found
    }
}

/// The name an expression starts with: `exc` of `exc[0..5].v`.
fn base(expr: &Ast) -> Option<&str> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Member(object, _) | ExprKind::Index(object, _) => base(object),
        _ => None,
    }
}

fn level(checker: &mut Checker, body: &[Stmt], scope: &Scope, names: &BTreeSet<&str>) {
    for stmt in body {
        match &stmt.kind {
            StmtKind::Population { model, shape, args, values, .. } => {
                if let Some(block) = checker.named_block(model, POPULATIONS) {
                    let mut elements = given(scope, names);
                    own_values(checker, &elements, block, values);
                    let before = checker.diagnostics.len();
                    elements.names.insert(String::from("i"), unknown(Dimension::NONE));
                    let (starting, args) = &blocks::starting(block, args);
                    checker.arguments(&elements, block, args, stmt.span);
                    for (name, value) in starting {
                        start(checker, &elements, block, (name, value));
                    }
                    // `lif(5)` for `lif[5]()`.
                    if let ([first], []) = (&args[..], &shape[..])
                        && let ExprKind::Number { value, unit: None, .. } = first.value.kind
                        && first.name.is_none()
                        && let Some(wrong) = checker.diagnostics.get_mut(before)
                    {
                        wrong.help =
                            Some(format!("how many there are stands in brackets: `{}[{value}]()`", model.text));
                    }
                }
            }
            StmtKind::Connect { from, to, fields, .. } => {
                for end in from.iter().chain(to) {
                    known(checker, end, names, "population");
                }
                connection(checker, &given(scope, names), &walk::written_out(fields));
            }
            StmtKind::Probe { signals, .. } => {
                signals.iter().for_each(|signal| known(checker, signal, names, "population, connection or layer"));
            }
            StmtKind::For { variable, body, .. } => {
                let mut inner = scope.clone();
                inner.names.insert(variable.text.clone(), unknown(Dimension::NONE));
                level(checker, body, &inner, names);
            }
            StmtKind::If { then, otherwise, .. } => {
                level(checker, then, scope, names);
                level(checker, otherwise, scope, names);
            }
            _ => {}
        }
    }
}

/// A scope in which nothing is said of what the network gives a name: which are numbers, which data or signals, only the network built tells.
fn given(scope: &Scope, names: &BTreeSet<&str>) -> Scope {
    let others = names.iter().filter(|name| !scope.names.contains_key(**name));
    Scope { failed: others.map(ToString::to_string).collect(), ..scope.clone() }
}

/// Values that elements of a population have besides what its block gives them.
fn own_values(checker: &mut Checker, scope: &Scope, block: &Block, values: &[Field]) {
    let mut elements = scope.clone();
    elements.names.insert(String::from("i"), unknown(Dimension::NONE));
    for field in values {
        let name = &field.key[0];
        let param = block.params.iter().find(|param| param.name.text == name.text);
        let known = |stmt: &&Stmt| match &stmt.kind {
            StmtKind::State { name: known, .. }
            | StmtKind::Trace { name: known, .. }
            | StmtKind::Input { name: known, .. } => known.text == name.text,
            _ => false,
        };
        if param.is_some() || block.body.iter().any(|stmt| known(&stmt)) {
            let message = format!("`{}` of `{}` is defined twice", name.text, block.name.text);
            let twice = Diagnostic::new(Code::E0202, message, name.span, "its block has one, too");
            let help = match param {
                Some(_) => format!("give it as an argument: `{}[…]({}: …)`", block.name.text, name.text),
                None => String::from("another name is needed"),
            };
            checker.diagnostics.push(twice.with_help(help));
        } else if walk::is_scalar(&field.value, &|name| elements.names.contains_key(name)) {
            checker.close(&elements, &field.value);
        }
    }
}

/// `adex[10](v: -60 mV)`, `stdp(x: 0.5)`: where a state starts.
pub fn start(checker: &mut Checker, elements: &Scope, block: &Block, (name, value): (&Ident, &Ast)) {
    let of = |stmt: &Stmt| match &stmt.kind {
        StmtKind::State { name: known, ty, .. } | StmtKind::Trace { name: known, ty, .. }
            if known.text == name.text =>
        {
            type_dimension(&ty.name.text)
        }
        _ => None,
    };
    let known = |name: &str| elements.names.contains_key(name) || checker.is_number(name);
    if let Some(dimension) = block.body.iter().find_map(of)
        && walk::is_scalar(value, &known)
    {
        checker.close_as(elements, value, dimension);
    }
}

/// What stands at a place has a name that the network gives.
fn known(checker: &mut Checker, expr: &Ast, names: &BTreeSet<&str>, what: &str) {
    let Some(name) = base(expr) else { return };
    if names.contains(name) {
        return;
    }
    let mut unknown = Diagnostic::new(Code::E0201, format!("there is no {what} `{name}`"), expr.span, "unknown name");
    unknown.help = closest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    checker.diagnostics.push(unknown);
}

fn connection(checker: &mut Checker, scope: &Scope, fields: &[Field]) {
    let mut pairs = scope.clone();
    for index in ["i", "j"] {
        pairs.names.insert(String::from(index), unknown(Dimension::NONE));
    }
    for field in fields {
        match field.key[0].text.as_str() {
            "pattern" => pattern(checker, &field.value),
            "synapse" => checker.reference(&pairs, &field.value, &[BlockKind::Synapse]),
            "plasticity" => checker.reference(&pairs, &field.value, &[BlockKind::Plasticity]),
            "cells" => checker.reference(scope, &field.value, &[BlockKind::Device]),
            "delay" if walk::is_scalar(&field.value, &|name| pairs.names.contains_key(name)) => {
                checker.close_as(&pairs, &field.value, Dimension::TIME);
            }
            _ => {}
        }
    }
}

/// Patterns, and whether they take a number.
const PATTERNS: &[(&str, bool)] = &[
    ("all_to_all", false),
    ("one_to_one", false),
    ("random", true),
    ("fixed_in_degree", true),
    ("fixed_out_degree", true),
    ("fixed_total_number", true),
    ("matrix", false),
    ("list", false),
];

/// Who is joined: one of the patterns, with what it takes.
fn pattern(checker: &mut Checker, ast: &Ast) {
    let (callee, args): (&Ast, &[Arg]) =
        if let ExprKind::Call(callee, args) = &ast.kind { (callee, args) } else { (ast, &[]) };
    let name = if let ExprKind::Name(name) = &callee.kind { name.as_str() } else { "" };
    let has = |key: &str| args.iter().any(|arg| arg.name.as_ref().is_some_and(|name| name.text == key));
    let number = args.len() > usize::from(has("itself"));
    let named = args.iter().filter_map(|arg| arg.name.as_ref());
    let takes: &[&str] = if name == "list" { &["sources", "targets"] } else { &["p", "n", "itself"] };
    if let Some(other) = named.into_iter().find(|name| !takes.contains(&name.text.as_str())) {
        let message = format!("a pattern takes no `{}`", other.text);
        let help =
            "pairs are left out by `itself: false`, or by their probability: `random(p: if i < j then 10 % else 0)`";
        checker.diagnostics.push(Diagnostic::new(Code::E0221, message, other.span, "unknown argument").with_help(help));
        return;
    }
    let known = PATTERNS.iter().find(|(known, _)| *known == name);
    let mut numbers = args.iter().filter(|arg| arg.name.as_ref().is_none_or(|name| name.text != "itself"));
    if let (Some((_, true)), Some(second)) = (known, numbers.nth(1)) {
        let message = format!("`{name}` takes one number");
        checker.diagnostics.push(Diagnostic::new(Code::E0221, message, second.value.span, "a second one"));
        return;
    }
    let (message, help) = match (name, known) {
        ("list", _) if has("sources") && has("targets") => return,
        ("list", _) => ("a list takes sources and targets", String::from("`list(sources: s, targets: t)`")),
        (_, Some((_, takes))) if *takes == number => return,
        ("random", _) => ("how probable is a connection?", String::from("such as `random(p: 2 %)`")),
        ("fixed_in_degree", _) => ("how many sources has a target?", String::from("such as `fixed_in_degree(10)`")),
        ("fixed_out_degree", _) => ("how many targets has a source?", String::from("such as `fixed_out_degree(10)`")),
        ("fixed_total_number", _) => {
            ("how many synapses are there?", String::from("such as `fixed_total_number(1000)`"))
        }
        (_, Some(_)) => ("this pattern takes no number", format!("write `{name}`")),
        (_, None) => {
            let near = || closest(name, PATTERNS.iter().map(|(name, _)| *name));
            let differ = matches!(ast.kind, ExprKind::Binary(BinaryOp::NotEqual, ..));
            let help = differ
                .then(|| String::from("all pairs but those of a neuron and itself are `all_to_all(itself: false)`"));
            let help = help.or_else(|| instead(name)).or_else(|| near().map(|near| format!("did you mean `{near}`?")));
            ("this is not a pattern", help.unwrap_or_else(|| String::from("such as `all_to_all` or `random(p: 2 %)`")))
        }
    };
    checker.diagnostics.push(Diagnostic::new(Code::E0221, message, ast.span, "not a pattern").with_help(help));
}
