//! Types are known, and stand where they can: quantities for parameters and states, signals for ports.

use nmc_grammar::ast::{Block, BlockKind, Param, StmtKind, Type};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::{Checker, a, declared, suggestion};
use crate::typing::blocks;
use crate::typing::term::{Closer, Scope};
use crate::units::{QUANTITIES, type_dimension};

pub fn check(checker: &mut Checker, block: &Block) {
    let weight = matches!(block.kind, BlockKind::Synapse | BlockKind::Plasticity);
    let scope = checker.parameters(block);
    for param in &block.params {
        let Some(ty) = &param.ty else { continue };
        if block.kind == BlockKind::Network && param.default.is_none() && is_signal(ty) {
            signal(checker, &scope, ty);
        } else {
            quantity(checker, block, ty, weight);
        }
    }
    for output in &block.outputs {
        let Some(ty) = &output.ty else {
            let missing = Diagnostic::new(Code::E0220, "an output needs a type", output.span, "such as `real[10]`");
            checker.diagnostics.push(missing);
            continue;
        };
        if is_signal(ty) {
            signal(checker, &scope, ty);
        } else {
            let message = format!("`{}` is not a type of signal", ty.name.text);
            let unknown = Diagnostic::new(Code::E0220, message, ty.span, "not known");
            checker.diagnostics.push(unknown.with_help(suggestion(&ty.name.text, ["real", "spikes", "bits"])));
        }
    }
    for stmt in &block.body {
        if let (StmtKind::State { ty, .. }, BlockKind::Network) = (&stmt.kind, block.kind) {
            signal(checker, &scope, ty);
        } else if let StmtKind::State { ty, .. } | StmtKind::Trace { ty, .. } | StmtKind::Input { ty, .. } = &stmt.kind
        {
            quantity(checker, block, ty, weight);
        }
    }
    defaults(checker, &block.params);
}

fn is_signal(ty: &Type) -> bool {
    matches!(ty.name.text.as_str(), "real" | "spikes" | "bits")
}

/// The type of a port: its shape is made of whole numbers.
fn signal(checker: &mut Checker, scope: &Scope, ty: &Type) {
    for length in ty.shape.iter().chain(&ty.args) {
        Closer::generic(checker.model, checker.diagnostics).count(scope, checker.file, length, 1.0);
    }
}

/// The type of a parameter or a state.
fn quantity(checker: &mut Checker, block: &Block, ty: &Type, weight: bool) {
    let word = ty.name.text.as_str();
    if word == "weight" && !weight {
        let message = format!("`weight` has no meaning in {}", a(block.kind));
        checker.report(Code::E0220, message, ty.span, "a type for synapses and plasticity rules");
    } else if is_signal(ty) && word != "real" {
        let message = format!("`{word}` is a type of signal, not of a quantity");
        checker.report(Code::E0220, message, ty.span, "for the ports of a network");
    } else if word != "weight" && type_dimension(word).is_none() {
        let unknown = Diagnostic::new(Code::E0220, format!("there is no type `{word}`"), ty.span, "unknown type");
        checker.diagnostics.push(unknown.with_help(suggestion(word, QUANTITIES.iter().copied())));
    } else if let Some(length) = ty.shape.first() {
        let message = "a quantity has no shape: it is one number for each element";
        checker.report(Code::E0220, message, length.span, "leave the brackets out");
    }
}

/// Defaults fit their types; a default may use the parameters before it.
fn defaults(checker: &mut Checker, params: &[Param]) {
    let mut scope = Scope::default();
    for param in params {
        let dimension = declared(param);
        if let Some(default) = &param.default {
            let term = match dimension {
                Some(dimension) => checker.close_as(&scope, default, dimension),
                None => checker.close(&scope, default),
            };
            let found = term.and_then(|term| blocks::impossible(param, &term, default.span));
            checker.diagnostics.extend(found);
        }
        scope.names.insert(param.name.text.clone(), super::unknown(dimension.unwrap_or_default()));
    }
}
