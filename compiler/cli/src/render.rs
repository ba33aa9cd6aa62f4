//! The one place where diagnostics are shown.

use std::io::IsTerminal;
use std::path::Path;

use ariadne::{Cache, CharSet, Color, Config, Fmt, IndexType, Label, Report, ReportKind, sources};
use nmc_compiler::forms::model::Model;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::{Diagnostic, Severity};
use nmc_grammar::span::{FileId, Span};
use nmc_host::diagnostics::{MOST_TOLD, module_name, place, severity};
use nmc_host::load::Failure;

use crate::Exit;

/// A line of more bytes is not shown.
const LONGEST_LINE: usize = 300;

/// Shows diagnostics on standard error, with a count at the end when there are several.
pub fn diagnostics(file: &Path, model: &Model, diagnostics: &[Diagnostic]) {
    if diagnostics.is_empty() {
        return;
    }
    let texts =
        model.modules.iter().enumerate().map(|(index, module)| {
            (module_name(file, model, Span::new(FileId(index as u32), 0, 0)), module.text.as_str())
        });
    let mut texts = sources(texts.collect::<Vec<_>>());
    for diagnostic in diagnostics.iter().take(MOST_TOLD) {
        one(file, model, &mut texts, diagnostic);
    }
    if diagnostics.len() > MOST_TOLD {
        eprintln!("... and {} more", diagnostics.len() - MOST_TOLD);
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
    exit(diagnostic)
}

/// Shows why there is nothing to run.
pub fn failure(file: &Path, failure: &Failure) -> Exit {
    diagnostics(file, &failure.model, &failure.diagnostics);
    failure.diagnostics.iter().map(exit).max().unwrap_or(Exit::Bug)
}

/// What an error means for the exit code: files and our own mistakes are not the program's.
fn exit(diagnostic: &Diagnostic) -> Exit {
    let code = diagnostic.code;
    if code == Code::E0999 {
        Exit::Bug
    } else if matches!(code, Code::E0702 | Code::E0709 | Code::E0710) || code.number().starts_with("E09") {
        Exit::Usage
    } else if diagnostic.is_error() {
        Exit::Diagnostics
    } else {
        Exit::Clean
    }
}

/// Whether a line of the span is too long to be shown.
fn is_long(model: &Model, span: Span) -> bool {
    let Some(text) = model.modules.get(span.file.0 as usize).map(|module| module.text.as_bytes()) else { return false };
    let (start, end) = ((span.start as usize).min(text.len()), (span.end as usize).min(text.len()));
    let begin = text[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let rest = text[end..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| end + at);
    text[begin..rest].split(|&byte| byte == b'\n').any(|line| line.len() > LONGEST_LINE)
}

/// `error[E0302 dimension-mismatch]`
fn title(diagnostic: &Diagnostic) -> String {
    format!("{}[{} {}]", severity(diagnostic), diagnostic.code.number(), diagnostic.code.name())
}

fn head(diagnostic: &Diagnostic) {
    eprintln!("{}: {}", title(diagnostic), diagnostic.message);
    help(diagnostic);
}

fn help(diagnostic: &Diagnostic) {
    if let Some(help) = &diagnostic.help {
        eprintln!("  help: {help}");
    }
}

/// Shows one at its place. `texts` holds the modules by name.
fn one(file: &Path, model: &Model, texts: &mut impl Cache<String>, diagnostic: &Diagnostic) {
    // Of an image there is no text.
    let primary = diagnostic.primary.as_ref();
    let Some(primary) = primary.filter(|label| model.modules.get(label.span.file.0 as usize).is_some()) else {
        return head(diagnostic);
    };
    let spans = || diagnostic.secondary.iter().chain([primary]).map(|label| label.span);
    if spans().any(|span| is_long(model, span)) {
        if let Some((file, line, column)) = place(file, model, primary.span) {
            eprintln!("{}: {}\n  at {file}:{line}:{column}: {}", title(diagnostic), diagnostic.message, primary.text);
        }
        return help(diagnostic);
    }
    let colour = std::io::stderr().is_terminal();
    let place = |span: Span| (module_name(file, model, span), span.start as usize..span.end as usize);
    let config = Config::default().with_color(colour).with_index_type(IndexType::Byte);
    let config = config.with_char_set(if colour { CharSet::Unicode } else { CharSet::Ascii });
    let (kind, shade) =
        if diagnostic.is_error() { (ReportKind::Error, Color::Red) } else { (ReportKind::Warning, Color::Yellow) };
    let mut report = Report::build(kind, place(primary.span)).with_config(config);
    // In the order of the text, the file of the mistake first: else a file would be shown piece by piece.
    let mut labels: Vec<_> = diagnostic.secondary.iter().map(|label| (label, Color::Blue)).collect();
    labels.push((primary, shade));
    labels.sort_by_key(|(label, _)| (label.span.file != primary.span.file, label.span.file.0, label.span.start));
    for (label, colour) in labels {
        report = report.with_label(Label::new(place(label.span)).with_message(&label.text).with_color(colour));
    }
    if let Some(help) = &diagnostic.help {
        report = report.with_help(help);
    }
    let mut shown = Vec::new();
    if report.finish().write(texts, &mut shown).is_err() {
        return head(diagnostic);
    }
    let text = String::from_utf8_lossy(&shown);
    let title = title(diagnostic);
    let title = if colour { title.fg(shade).to_string() } else { title };
    eprintln!("{title}: {}", diagnostic.message);
    // The first line is the report's own title.
    text.lines().skip(1).for_each(|line| eprintln!("{}", line.trim_end()));
}
