//! The canonical layout of a program: four spaces, at most 120 columns, comments and single blank lines kept.
//!
//! Works on tokens, not on the tree, so nothing can be lost. Where the writer chose between one line and
//! several for a body in braces, the choice stands if it fits; what is in parentheses is always filled anew.

mod operators;
mod pieces;
mod print;
mod spacing;

use crate::diagnostic::Diagnostic;
use crate::layout::layout;
use crate::parse::{MAX_ERRORS, parse};
use crate::span::FileId;
use crate::token::lex;

/// Lays out a program; its errors if it has any.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let file = FileId(0);
    let (_, errors) = parse(file, text);
    if !errors.is_empty() {
        return Err(errors);
    }
    let lexed = lex(file, text, MAX_ERRORS);
    let tokens = layout(file, text, &lexed.tokens, MAX_ERRORS).tokens;
    Ok(print::print(&pieces::read(text, &tokens, &lexed.comments)))
}
