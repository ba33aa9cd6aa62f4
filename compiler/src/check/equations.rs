//! Equations close: every name is known, every dimension fits, whatever the values of the parameters.
//!
//! What only a connection knows - the dimension of its weight, and of the states of the neurons it joins - is tried
//! out: equations that close for some choice are right, others are shown as they read with the best choice.

use std::collections::{BTreeMap, BTreeSet};

use nmc_grammar::ast::{AssignOp, BinaryOp, Block, BlockKind, Expr as Ast, ExprKind, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;

use super::{Checker, a, declared, has_equations, unknown, walk};
use crate::forms::equations::Symbol;
use crate::quantity::Dimension;
use crate::typing::closing::{Closing, OUTPUTS, named};
use crate::typing::term::{Closer, Scope, Term};
use crate::units::type_dimension;

/// At most so many choices are tried, and as many again where members of one name may differ.
const MOST_CHOICES: usize = 400;

pub fn check(checker: &mut Checker, block: &Block) {
    if !has_equations(block.kind) {
        return;
    }
    let before = checker.errors();
    once(checker, block);
    events(checker, block);
    of_no_neuron(checker, block);
    if checker.errors() > before {
        return;
    }
    let equations = only_equations(block);
    let mut best: Option<(Choice, Vec<Diagnostic>)> = None;
    let mut next: Vec<Choice> = choices(checker, block).into_iter().take(2 * MOST_CHOICES).collect();
    // Not all choices of many members were tried: from the best on, one member after the other.
    while !next.is_empty() {
        let before = best.as_ref().map(|(_, found)| found.len());
        for choice in next {
            let found = close(checker, &equations, &choice);
            if found.is_empty() {
                return;
            }
            if best.as_ref().is_none_or(|(_, best)| found.len() < best.len()) {
                best = Some((choice, found));
            }
        }
        let better = best.as_ref().filter(|(_, found)| Some(found.len()) != before);
        next = better.map_or_else(Vec::new, |(choice, _)| others(checker, choice));
    }
    let found = best.map_or_else(Vec::new, |(_, found)| of_the_target(checker, block, found));
    checker.diagnostics.extend(found);
}

/// Choices that differ from one in a single member, or in the weight.
fn others(checker: &Checker, choice: &Choice) -> Vec<Choice> {
    let usual = usual();
    let of_weight =
        choice.weight.iter().flat_map(|_| &usual).map(|&weight| Choice { weight: Some(weight), ..choice.clone() });
    let of_members = choice.members.iter().enumerate().flat_map(|(at, ((_, name), _))| {
        dimensions(checker, name, &usual).into_iter().map(move |dimension| {
            let mut other = choice.clone();
            other.members[at].1 = dimension;
            other
        })
    });
    of_weight.chain(of_members).collect()
}

/// What weights and members of neurons are most often.
fn usual() -> Vec<Dimension> {
    let usual = [Dimension::VOLTAGE, Dimension::CONDUCTANCE, Dimension::CURRENT, Dimension::NONE];
    usual.into_iter().chain(type_dimension("charge")).collect()
}

/// A name that a synapse does not know and the neuron does is probably meant to be the neuron's.
fn of_the_target(checker: &Checker, block: &Block, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if matches!(block.kind, BlockKind::Synapse | BlockKind::Plasticity) {
        for wrong in found.iter_mut().filter(|wrong| wrong.code == Code::E0201) {
            let name = wrong.message.split('`').nth(1).unwrap_or_default();
            if let Some(state) = name.strip_suffix("_post") {
                wrong.help = Some(format!("of the neuron that is reached it is `post.{state}`"));
            } else if let Some(state) = name.strip_suffix("_pre") {
                wrong.help = Some(format!("of the neuron that spikes it is `pre.{state}`"));
            } else if name == "v" || checker.elsewhere.states.contains_key(name) {
                wrong.help = Some(format!("of the neuron that is reached it is `post.{name}`"));
            }
        }
    }
    found
}

/// Each derivative, output and emission at most once.
fn once(checker: &mut Checker, block: &Block) {
    let (mut derivatives, mut output, mut emission) = (BTreeMap::new(), None, None);
    for stmt in &block.body {
        match &stmt.kind {
            StmtKind::Derivative { name, .. } => {
                if let Some(first) = derivatives.insert(name.text.as_str(), stmt.span) {
                    let message = format!("`{}` has two equations", name.text);
                    let twice = Diagnostic::new(Code::E0424, message, stmt.span, "which one holds?");
                    checker.diagnostics.push(twice.with_label(first, "the first is here"));
                }
            }
            StmtKind::Assign { target, op: AssignOp::Set, .. } => {
                if let ExprKind::Name(name) = &target.kind
                    && OUTPUTS.contains(&name.as_str())
                    && let Some(first) = output.replace(target.span)
                {
                    let message = format!("{} gives one thing", a(block.kind));
                    let twice = Diagnostic::new(Code::E0421, message, target.span, "a second output");
                    checker.diagnostics.push(twice.with_label(first, "the first is here"));
                }
            }
            StmtKind::SpikeWhen { .. }
            | StmtKind::Emit { .. }
            | StmtKind::EmitOnce { .. }
            | StmtKind::EmitWhen { .. } => {
                if let Some(first) = emission.replace(stmt.span) {
                    let message = format!("{} spikes for one reason", a(block.kind));
                    let twice = Diagnostic::new(Code::E0423, message, stmt.span, "a second reason to spike");
                    let twice = twice.with_label(first, "the first is here");
                    let help = "join conditions with `or`; an event that is no spike is `when … { … }`";
                    checker.diagnostics.push(twice.with_help(help));
                }
            }
            _ => {}
        }
    }
}

/// What a synapse or rule reads of its neurons is a value of some neuron of the program, whether a connection uses it or not.
fn of_no_neuron(checker: &mut Checker, block: &Block) {
    let Some(values) = checker.elsewhere.values.as_ref() else { return };
    if !matches!(block.kind, BlockKind::Synapse | BlockKind::Plasticity) {
        return;
    }
    let mut found = Vec::new();
    walk::statements(&block.body, &mut |stmt| {
        for expr in walk::expressions(stmt) {
            walk::within(expr, &mut |part| {
                if let ExprKind::Member(object, member) = &part.kind
                    && matches!(&object.kind, ExprKind::Name(side) if matches!(side.as_str(), "pre" | "post"))
                    && member.text != "v"
                    && !values.contains(member.text.as_str())
                {
                    let message = format!("no neuron or device here has `{}`", member.text);
                    let mut unknown = Diagnostic::new(Code::E0201, message, member.span, "unknown value");
                    let near = closest(&member.text, values.iter().copied());
                    unknown.help = near.map(|near| format!("did you mean `{near}`?"));
                    found.push(unknown);
                }
            });
        }
    });
    checker.diagnostics.extend(found);
}

/// A block knows the events that reach it.
fn events(checker: &mut Checker, block: &Block) {
    let known: &[&str] = match block.kind {
        BlockKind::Decoder => &["spike"],
        BlockKind::Synapse | BlockKind::Plasticity => &["pre", "post"],
        _ => &[],
    };
    for stmt in &block.body {
        let (StmtKind::On { event, .. } | StmtKind::Trace { on: Some((event, _)), .. }) = &stmt.kind else { continue };
        if !known.contains(&event.text.as_str()) {
            let message = format!("there is no event `{}` in {}", event.text, a(block.kind));
            let unknown = Diagnostic::new(Code::E0221, message, event.span, "unknown event");
            let help = match known {
                [] => String::from("leave `on …` out and change it where the neuron spikes"),
                known => super::suggestion(&event.text, known.iter().copied()),
            };
            checker.diagnostics.push(unknown.with_help(help));
        }
    }
}

/// The block without its properties, except for the method of integration.
fn only_equations(block: &Block) -> Block {
    let mut block = block.clone();
    block.body.retain(|stmt| match &stmt.kind {
        StmtKind::Field(field) => {
            field.key.iter().any(|key| matches!(key.text.as_str(), "method" | "tolerance" | "conductance"))
        }
        _ => true,
    });
    block
}

/// What a connection would know.
#[derive(Debug, Clone, Default)]
struct Choice {
    weight: Option<Dimension>,
    members: Vec<((String, String), Dimension)>,
}

/// Every choice, the likely ones first.
fn choices(checker: &Checker, block: &Block) -> Vec<Choice> {
    if !matches!(block.kind, BlockKind::Synapse | BlockKind::Plasticity) {
        return vec![Choice::default()];
    }
    let usual = usual();
    let states = block.body.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::State { ty, .. } => type_dimension(&ty.name.text),
        _ => None,
    });
    let mut weights: Vec<Dimension> = states.chain(usual.iter().copied()).collect();
    let mut seen = BTreeSet::new();
    weights.retain(|dimension| seen.insert(*dimension));
    let mut all: Vec<Choice> =
        weights.into_iter().map(|weight| Choice { weight: Some(weight), members: Vec::new() }).collect();
    let members = members(block);
    // Members of one name are likely of one dimension.
    let mut by_name: BTreeMap<&str, Vec<&(String, String)>> = BTreeMap::new();
    members.iter().for_each(|member| by_name.entry(&member.1).or_default().push(member));
    let (same, mut each) = (by_name.into_values().collect::<Vec<_>>(), all.clone());
    let apart = same.iter().any(|members| members.len() > 1);
    for members in &same {
        all = spread(checker, &all, members, &usual);
    }
    if apart {
        for member in &members {
            each = spread(checker, &each, &[member], &usual);
        }
        all.extend(each);
    }
    all
}

/// Every choice with every dimension that members of one name may have.
fn spread(checker: &Checker, all: &[Choice], members: &[&(String, String)], usual: &[Dimension]) -> Vec<Choice> {
    let dimensions = dimensions(checker, &members[0].1, usual);
    let with = |dimension: &Dimension| {
        let dimension = *dimension;
        all.iter().cloned().map(move |mut choice| {
            choice.members.extend(members.iter().map(|member| ((*member).clone(), dimension)));
            choice
        })
    };
    dimensions.iter().flat_map(with).take(MOST_CHOICES).collect()
}

/// Dimensions that a member of a neuron may have, the likely ones first.
fn dimensions(checker: &Checker, name: &str, usual: &[Dimension]) -> Vec<Dimension> {
    let mut dimensions: Vec<Dimension> = checker.elsewhere.states.get(name).into_iter().flatten().copied().collect();
    let named = checker.elsewhere.names.contains(name);
    let others = ["frequency", "time", "resistance", "capacitance", "power"].into_iter().filter(|_| named);
    for dimension in usual.iter().copied().chain(others.filter_map(type_dimension)) {
        if !dimensions.contains(&dimension) {
            dimensions.push(dimension);
        }
    }
    dimensions
}

/// `post.v`, `pre.x`: every member of the two neurons that the block mentions.
fn members(block: &Block) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut look = |expr: &Ast| {
        if let ExprKind::Member(object, member) = &expr.kind
            && let ExprKind::Name(side) = &object.kind
            && matches!(side.as_str(), "pre" | "post")
        {
            found.insert((side.clone(), member.text.clone()));
        }
    };
    walk::statements(&block.body, &mut |stmt| {
        walk::expressions(stmt).into_iter().for_each(|expr| walk::within(expr, &mut look));
    });
    found
}

/// What is wrong with the equations under a choice.
fn close(checker: &Checker, block: &Block, choice: &Choice) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut scope = super::built_in();
    if let Some(dimension) = choice.weight {
        scope
            .names
            .insert(String::from("w"), Term { expr: crate::forms::equations::Expr::Symbol(Symbol::Weight), dimension });
        scope.names.insert(String::from("delay"), super::unknown(Dimension::TIME));
    }
    for ((side, state), dimension) in &choice.members {
        let symbol = if side == "pre" { Symbol::Pre(0) } else { Symbol::Post(0) };
        let term = Term { expr: crate::forms::equations::Expr::Symbol(symbol), dimension: *dimension };
        scope.members.insert((side.clone(), state.clone()), term);
    }
    if matches!(block.kind, BlockKind::Encoder | BlockKind::Unit) {
        scope.names.insert(String::from("x"), unknown(Dimension::NONE));
    }
    if super::holds_weights(block) {
        super::values::cell_names(&mut scope);
    }
    let exponents = exponents(block);
    let mut closer = Closer::generic(checker.model, &mut found);
    let mut args = Vec::new();
    for param in &block.params {
        let dimension = declared(param).or(choice.weight).unwrap_or_default();
        let mut term = unknown(dimension);
        if exponents.contains(param.name.text.as_str()) {
            // Only a number makes `v^n` a quantity.
            let default = param.default.as_ref().filter(|default| walk::is_scalar(default, &|_| false));
            let value = default.and_then(|default| closer.close(&Scope::default(), checker.file, default));
            term = value.unwrap_or(Term::number(2.0));
        }
        args.push((param, term));
    }
    let mut closing =
        Closing { closer: &mut closer, file: checker.file, scope, dynamics: named(block), weight: choice.weight };
    closing.block(block, args);
    found
}

/// Names that stand in exponents.
fn exponents(block: &Block) -> BTreeSet<&str> {
    fn power<'t>(expr: &'t Ast, found: &mut BTreeSet<&'t str>) {
        if let ExprKind::Binary(BinaryOp::Power, _, exponent) = &expr.kind {
            walk::within(exponent, &mut |expr| {
                if let ExprKind::Name(name) = &expr.kind {
                    found.insert(name);
                }
            });
        }
    }
    let mut found = BTreeSet::new();
    walk::statements(&block.body, &mut |stmt: &Stmt| {
        walk::expressions(stmt).into_iter().for_each(|expr| walk::within(expr, &mut |expr| power(expr, &mut found)));
    });
    found
}
