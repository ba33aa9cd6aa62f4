//! A block does something: an encoder spikes, a decoder has a value, a state changes, a rule has an effect.

use std::collections::BTreeSet;

use nmc_grammar::ast::{Block, BlockKind, Expr, ExprKind, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::{Checker, a, has_equations, walk};

pub fn check(checker: &mut Checker, block: &Block) {
    if !has_equations(block.kind) {
        return;
    }
    let gives = |output: &str| block.body.iter().any(|stmt| assigned(stmt) == Some(output));
    let field = |key: &str| {
        block.body.iter().any(|stmt| matches!(&stmt.kind, StmtKind::Field(field) if field.key[0].text == key))
    };
    let emits = block.body.iter().any(|stmt| {
        matches!(
            stmt.kind,
            StmtKind::Emit { .. } | StmtKind::EmitOnce { .. } | StmtKind::EmitWhen { .. } | StmtKind::SpikeWhen { .. }
        )
    });
    let missing = match block.kind {
        BlockKind::Encoder => (!emits).then_some(("spikes", "emit poisson(100 Hz * x)")),
        BlockKind::Decoder => (!gives("y")).then_some(("a value", "y = n")),
        BlockKind::Device => {
            (!gives("conductance") && !field("conductance")).then_some(("a conductance", "conductance: 1 uS .. 100 uS"))
        }
        _ => None,
    };
    if let Some((what, example)) = missing {
        let message = format!("{} must give {what}", a(block.kind));
        let nothing = Diagnostic::new(Code::E0427, message, block.name.span, "gives nothing");
        checker.diagnostics.push(nothing.with_help(format!("such as `{example}`")));
        return;
    }
    let rules = block.body.iter().any(|stmt| match &stmt.kind {
        StmtKind::On { .. } | StmtKind::Every { .. } | StmtKind::Assign { .. } => true,
        StmtKind::Derivative { name, .. } => name.text == "w",
        _ => false,
    });
    // A synapse with nothing in it says so on purpose: its weight is all there is to it.
    let idle = match block.kind {
        BlockKind::Synapse => !rules && !block.body.is_empty(),
        BlockKind::Plasticity => !rules,
        _ => false,
    };
    if idle {
        let message = format!("`{}` changes nothing", block.name.text);
        let idle = Diagnostic::new(Code::W0428, message, block.name.span, "no spike has an effect");
        let example =
            if block.kind == BlockKind::Synapse { "on pre { post.v += w }" } else { "on post { w += 0.1 * w }" };
        checker.diagnostics.push(idle.with_help(format!("such as `{example}`")));
    }
    tolerance(checker, block);
    still(checker, block);
}

/// A tolerance is of the method that has one.
fn tolerance(checker: &mut Checker, block: &Block) {
    let fields = || {
        block.body.iter().filter_map(|stmt| if let StmtKind::Field(field) = &stmt.kind { Some(field) } else { None })
    };
    let adapts = fields().any(|field| {
        field.key[0].text == "method" && matches!(&field.value.kind, ExprKind::Name(name) if name == "rk45")
    });
    if let (Some(field), false) = (fields().find(|field| field.key[0].text == "tolerance"), adapts) {
        let message = "a tolerance has no effect without `method: rk45`";
        checker.report(Code::W0428, message, field.span, "of steps that adapt");
    }
}

/// States that nothing changes.
fn still(checker: &mut Checker, block: &Block) {
    let mut changed: BTreeSet<&str> = BTreeSet::new();
    walk::statements(&block.body, &mut |stmt| match &stmt.kind {
        StmtKind::Derivative { name, .. } | StmtKind::Hold { name, .. } => {
            changed.insert(&name.text);
        }
        _ => changed.extend(assigned(stmt)),
    });
    // `v` by the synapse of the standard library, others by one that was read.
    let by_spikes = |state: &str| state == "v" || checker.elsewhere.changed.contains(state);
    for stmt in &block.body {
        let StmtKind::State { name, .. } = &stmt.kind else { continue };
        let silent = name.text.starts_with('_') || changed.contains(name.text.as_str());
        if silent || (block.kind == BlockKind::Neuron && by_spikes(&name.text)) {
            continue;
        }
        let message = format!("the state `{}` never changes", name.text);
        let still = Diagnostic::new(Code::W0422, message, name.span, "no equation and no rule for it");
        let help = format!("give it an equation, `{}' = …`, or make it a parameter", name.text);
        checker.diagnostics.push(still.with_help(help));
    }
}

/// The name a statement gives a value.
fn assigned(stmt: &Stmt) -> Option<&str> {
    match &stmt.kind {
        StmtKind::Assign { target: Expr { kind: ExprKind::Name(name), .. }, .. } => Some(name),
        _ => None,
    }
}
