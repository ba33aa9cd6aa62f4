//! Characters that mean nothing in the language, and files that are no text.

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// A file with control characters or undecodable bytes is no program: one error, not thousands.
pub fn not_text(file: FileId, text: &str) -> Option<Diagnostic> {
    if text.len() > u32::MAX as usize {
        return Some(Diagnostic::placeless(Code::E0107, "a program of more than 4 GB cannot be read"));
    }
    let strange = |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || c == char::REPLACEMENT_CHARACTER;
    let (at, found) = text.char_indices().find(|(_, c)| strange(*c))?;
    let place = Span::new(file, at, at + found.len_utf8());
    let message = "this is not a program text";
    Some(Diagnostic::new(
        Code::E0107,
        message,
        place,
        format!("there is a byte here that no text has (U+{:04X})", found as u32),
    ))
}

/// Reports a character that means nothing; a run of them is one error.
pub fn unknown_character(file: FileId, text: &str, start: usize, end: usize, errors: &mut Vec<Diagnostic>) {
    if let Some(last) = errors.last_mut()
        && last.code == Code::E0102
        && let Some(label) = &mut last.primary
        && label.span.end as usize == start
    {
        label.span.end = end as u32;
        let run = &text[label.span.start as usize..end];
        last.message = unknown(run);
        last.help = instead_of(run);
        return;
    }
    let found = &text[start..end];
    let mut error =
        Diagnostic::new(Code::E0102, unknown(found), Span::new(file, start, end), "not part of the language");
    error.help = instead_of(found);
    errors.push(error);
}

fn unknown(run: &str) -> String {
    let shown: String = run.chars().take(20).collect();
    let more = if shown.len() < run.len() { "…" } else { "" };
    format!("`{shown}{more}` has no meaning here")
}

/// What people coming from other languages meant.
fn instead_of(run: &str) -> Option<String> {
    let help = match run {
        "&&" | "&" => "write `and`",
        "||" | "|" => "write `or`; to send a signal into a layer, write `|>`",
        "!" => "write `not`",
        "#" => "comments start with `//`",
        "%" => "`%` stands directly after a number: `5 %`",
        "µ" | "μ" => "write `u` for micro: `10 uA`",
        "Ω" => "write `ohm`",
        "×" => "write `*`",
        "→" => "write `->`",
        "−" | "–" => "write the plain minus `-`",
        "“" | "”" | "„" => "write the plain quote `\"`",
        _ => return None,
    };
    Some(help.to_string())
}
