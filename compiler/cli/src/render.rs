//! The one place where diagnostics are shown.

use std::io::IsTerminal;
use std::path::Path;

use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind, sources};
use nmc_compiler::forms::model::Model;
use nmc_grammar::diagnostic::{Diagnostic, Severity};
use nmc_grammar::span::Span;
use serde_json::{Value, json};

use crate::Exit;

/// At most so many are shown.
const MOST_SHOWN: usize = 20;

/// Shows diagnostics on standard error, with a count at the end when there are several.
pub fn diagnostics(file: &Path, model: &Model, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics.iter().take(MOST_SHOWN) {
        one(file, model, diagnostic);
    }
    let count = |severity| diagnostics.iter().filter(|d| d.code.severity() == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    if errors + warnings > 1 {
        eprintln!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    }
}

/// Shows one that has no place in a program.
pub fn placeless(diagnostic: &Diagnostic) -> Exit {
    head(diagnostic);
    crate::load::exit(diagnostic)
}

/// The same for programs: `code`, `name`, `severity`, `message`, `help`, and `file`, `line`, `column` where there is a place.
pub fn json(file: &Path, model: &Model, diagnostics: &[Diagnostic]) -> Vec<Value> {
    let each = diagnostics.iter().map(|diagnostic| {
        let place = diagnostic.primary.as_ref().and_then(|label| {
            let module = model.modules.get(label.span.file.0 as usize)?;
            let before = module.text.get(..label.span.start as usize)?;
            let line = before.rsplit('\n').next().unwrap_or_default();
            let name = if label.span.file.0 == 0 { file.display().to_string() } else { module.name.clone() };
            Some((name, before.matches('\n').count() + 1, line.chars().count() + 1))
        });
        json!({
            "code": diagnostic.code.number(), "name": diagnostic.code.name(), "severity": word(diagnostic),
            "message": diagnostic.message, "help": diagnostic.help,
            "file": place.as_ref().map(|place| &place.0),
            "line": place.as_ref().map(|place| place.1),
            "column": place.as_ref().map(|place| place.2),
        })
    });
    each.collect()
}

fn word(diagnostic: &Diagnostic) -> &'static str {
    if diagnostic.is_error() { "error" } else { "warning" }
}

fn head(diagnostic: &Diagnostic) {
    let (number, name) = (diagnostic.code.number(), diagnostic.code.name());
    eprintln!("{}[{number} {name}]: {}", word(diagnostic), diagnostic.message);
    if let Some(help) = &diagnostic.help {
        eprintln!("  help: {help}");
    }
}

fn one(file: &Path, model: &Model, diagnostic: &Diagnostic) {
    let Some(primary) = &diagnostic.primary else { return head(diagnostic) };
    let colour = std::io::stderr().is_terminal();
    let name = |span: Span| match model.modules.get(span.file.0 as usize) {
        Some(module) if span.file.0 > 0 => module.name.clone(),
        Some(_) | None => file.display().to_string(),
    };
    let place = |span: Span| (name(span), span.start as usize..span.end as usize);
    let config = Config::default().with_color(colour).with_index_type(IndexType::Byte);
    let config = config.with_char_set(if colour { CharSet::Unicode } else { CharSet::Ascii });
    let kind = ReportKind::Custom(word(diagnostic), if diagnostic.is_error() { Color::Red } else { Color::Yellow });
    let code = format!("{} {}", diagnostic.code.number(), diagnostic.code.name());
    let mut report = Report::build(kind, place(primary.span)).with_config(config).with_code(code);
    report = report.with_message(&diagnostic.message);
    report = report.with_label(Label::new(place(primary.span)).with_message(&primary.text).with_color(Color::Red));
    for label in &diagnostic.secondary {
        report = report.with_label(Label::new(place(label.span)).with_message(&label.text).with_color(Color::Blue));
    }
    if let Some(help) = &diagnostic.help {
        report = report.with_help(help);
    }
    let texts = model.modules.iter().enumerate().map(|(index, module)| {
        let name = if index == 0 { file.display().to_string() } else { module.name.clone() };
        (name, module.text.clone())
    });
    let texts: Vec<(String, String)> = texts.collect();
    if report.finish().eprint(sources(texts)).is_err() {
        head(diagnostic);
    }
}
