//! Diagnostics for programs: the keys are a contract, described in `docs/json`.

use std::path::Path;

use nmc_compiler::forms::model::Model;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use serde_json::{Value, json};

/// At most so many are told.
pub const MOST_TOLD: usize = 20;

/// `code`, `name`, `severity`, `message`, `help`, and `file`, `line`, `column` where there is a place.
pub fn json(file: &Path, model: &Model, diagnostics: &[Diagnostic]) -> Vec<Value> {
    let each = diagnostics.iter().take(MOST_TOLD).map(|diagnostic| {
        let place = diagnostic.primary.as_ref().and_then(|label| place(file, model, label.span));
        json!({
            "code": diagnostic.code.number(), "name": diagnostic.code.name(), "severity": severity(diagnostic),
            "message": diagnostic.message, "help": diagnostic.help,
            "file": place.as_ref().map(|place| &place.0),
            "line": place.as_ref().map(|place| place.1),
            "column": place.as_ref().map(|place| place.2),
        })
    });
    each.collect()
}

/// `error` or `warning`
pub fn severity(diagnostic: &Diagnostic) -> &'static str {
    if diagnostic.is_error() { "error" } else { "warning" }
}

/// File, line and column of the beginning of a span, both from 1.
pub fn place(file: &Path, model: &Model, span: Span) -> Option<(String, usize, usize)> {
    let text = &model.modules.get(span.file.0 as usize)?.text;
    let before = text.get(..span.start as usize)?;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((module_name(file, model, span), before.matches('\n').count() + 1, column))
}

/// The name of the file a span is in: the program's own as it was given.
pub fn module_name(file: &Path, model: &Model, span: Span) -> String {
    match model.modules.get(span.file.0 as usize) {
        Some(module) if span.file.0 > 0 => module.name.clone(),
        Some(_) | None => file.display().to_string(),
    }
}
