//! A message for the user: what is wrong, where, and how to mend it.

use crate::codes::Code;
use crate::span::Span;

/// How bad it is. A user's error and a limit of the hardware both stop the work; a warning does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The program is wrong, or the chip cannot do it.
    Error,
    /// The program works, but probably not as meant, or something was approximated.
    Warning,
}

/// A place and what to say there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What to say, without a full stop.
    pub text: String,
}

/// One message. Built by [`Diagnostic::error`] or [`Diagnostic::warning`] and the `with_…` methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The code; it decides the severity.
    pub code: Code,
    /// One sentence in the user's words, lower case, no full stop: `cannot add 4 mV and 3 ms`.
    pub message: String,
    /// Where the mistake is. Absent only when it is in no program text (a data file, the command line).
    pub primary: Option<Label>,
    /// Where the other side comes from.
    pub secondary: Vec<Label>,
    /// How to mend it; where possible text that can be pasted.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A message with its place; `label` says what is wrong at the place itself.
    pub fn new(code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        let primary = Some(Label { span, text: label.into() });
        Diagnostic { code, message: message.into(), primary, secondary: Vec::new(), help: None }
    }

    /// A message that belongs to no place in a program.
    pub fn placeless(code: Code, message: impl Into<String>) -> Self {
        Diagnostic { code, message: message.into(), primary: None, secondary: Vec::new(), help: None }
    }

    /// Adds a second place.
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds the way to mend it.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether it stops the work.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }
}
