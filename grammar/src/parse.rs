//! The parser's driver: one item at a time, and after an error once more without the statement that held it.

#![allow(clippy::wildcard_enum_match_arm, reason = "there are a hundred kinds of token, and each rule concerns a few")]

use std::cell::RefCell;
use std::mem::take;
use std::ops::Range;

use lalrpop_util::ParseError;
use rayon::prelude::*;

use crate::ast::{Expr, ExprKind, File, Item};
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::layout::layout;
use crate::message;
use crate::nmc::{ExprParser, ItemParser};
use crate::span::FileId;
use crate::token::{Lexed, Placed, Token, lex};
use crate::tree::Build;

/// No more errors than this are looked for in one file.
pub const MAX_ERRORS: usize = 20;

/// Tokens that may be parsed again after errors; beyond it the rest of the file is left unread.
const MAX_REPEATED: usize = 2_000_000;

/// So many items are worth reading side by side.
const MANY: usize = 64;

/// Reads a file. Never fails: what could not be read is left out of the tree and reported.
pub fn parse(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    let Lexed { tokens, comments, docs, mut errors } = lex(file, text, MAX_ERRORS);
    let mut items = Vec::new();
    if errors.len() < MAX_ERRORS && !errors.iter().any(|error| error.code == Code::E0107) {
        // What could not be read spoils the statement around it: one mistake, one message.
        let mut spoiled: Vec<usize> = errors.iter().filter_map(place).collect();
        let laid_out = layout(file, text, &tokens, MAX_ERRORS);
        spoiled.extend(laid_out.spoiled);
        errors = with_layout_errors(text, errors, laid_out.errors);
        let build = || Build { file, text, docs: &docs, errors: RefCell::new(Vec::new()) };
        let tokens = &laid_out.tokens;
        let cut = cut(tokens);
        let fine = if errors.is_empty() && cut.len() >= MANY { faultless(&build, tokens, &cut) } else { None };
        items = fine.unwrap_or_else(|| {
            let mut reader =
                Reader { build: build(), item: ItemParser::new(), errors: take(&mut errors), spoiled, repeated: 0 };
            let items = reader.items(tokens, &cut);
            errors = reader.errors;
            errors.append(&mut reader.build.errors.borrow_mut());
            items
        });
    }
    errors.sort_by_key(|error| place(error).unwrap_or(0));
    errors.truncate(MAX_ERRORS);
    (File { items, comments }, errors)
}

/// Reads a single expression, as in `--set name=value`.
pub fn parse_expression(file: FileId, text: &str) -> Result<Expr, Vec<Diagnostic>> {
    let Lexed { tokens, docs, mut errors, .. } = lex(file, text, MAX_ERRORS);
    let laid_out = layout(file, text, &tokens, MAX_ERRORS);
    errors = with_layout_errors(text, errors, laid_out.errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let build = Build { file, text, docs: &docs, errors: RefCell::new(Vec::new()) };
    let tokens = &laid_out.tokens;
    let result = ExprParser::new().parse(&build, tokens.iter().map(triple));
    errors.extend(build.errors.take());
    match result {
        Ok(expr) if errors.is_empty() && !matches!(expr.kind, ExprKind::Error) => Ok(expr),
        Ok(_) => Err(errors),
        Err(error) => {
            let (at, expected) = unexpected(tokens, &error);
            errors.push(message::unexpected(file, text, tokens, at, &expected));
            Err(errors)
        }
    }
}

/// Both lists, without the parentheses whose partner an unclosed text on their line has swallowed.
fn with_layout_errors(text: &str, mut lexical: Vec<Diagnostic>, layout: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let unclosed: Vec<usize> = lexical.iter().filter(|error| error.code == Code::E0105).filter_map(place).collect();
    let swallowed = |error: &Diagnostic| {
        place(error).is_some_and(|start| unclosed.iter().any(|&end| start < end && !text[start..end].contains('\n')))
    };
    lexical.extend(layout.into_iter().filter(|error| error.code != Code::E0103 || !swallowed(error)));
    lexical
}

type LrError = ParseError<usize, Token, ()>;

fn triple(placed: &Placed) -> Result<(usize, Token, usize), ()> {
    Ok((placed.start, placed.token, placed.end))
}

fn place(error: &Diagnostic) -> Option<usize> {
    error.primary.as_ref().map(|label| label.span.start as usize)
}

/// Where items lie among the tokens.
fn cut(tokens: &[Placed]) -> Vec<Range<usize>> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for index in 0..=tokens.len() {
        let token = tokens.get(index).map(|placed| placed.token);
        match token {
            Some(Token::LeftBrace | Token::LeftParen | Token::LeftBracket) => depth += 1,
            Some(Token::RightBrace | Token::RightParen | Token::RightBracket) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 || !matches!(token, None | Some(Token::Separator)) {
            continue;
        }
        if start < index {
            items.push(start..index);
        }
        start = index + 1;
    }
    items
}

/// All items, read side by side; none when there is a mistake in any.
fn faultless<'a>(
    build: &(impl Fn() -> Build<'a> + Sync),
    tokens: &[Placed],
    cut: &[Range<usize>],
) -> Option<Vec<Item>> {
    let read = |range: &Range<usize>| {
        let build = build();
        let item = ItemParser::new().parse(&build, tokens[range.clone()].iter().map(triple)).ok()?;
        build.errors.borrow().is_empty().then_some(item)
    };
    cut.par_iter().map(read).collect()
}

struct Reader<'a> {
    build: Build<'a>,
    item: ItemParser,
    errors: Vec<Diagnostic>,
    /// Offsets of mistakes already reported.
    spoiled: Vec<usize>,
    repeated: usize,
}

impl Reader<'_> {
    /// Reads each item by itself, so that an error in one leaves the others alone.
    fn items(&mut self, tokens: &[Placed], cut: &[Range<usize>]) -> Vec<Item> {
        let mut items = Vec::new();
        for range in cut {
            items.extend(self.one_item(&tokens[range.clone()]));
            if self.errors.len() >= MAX_ERRORS || self.repeated > MAX_REPEATED {
                break;
            }
        }
        items
    }

    fn one_item(&mut self, tokens: &[Placed]) -> Option<Item> {
        let mut tokens = tokens.to_vec();
        let last = tokens.last()?.end;
        let inside: Vec<usize> = self.spoiled.extract_if(.., |at| *at <= last).collect();
        for offset in inside {
            let mut at = tokens.partition_point(|placed| placed.end <= offset);
            // Behind the last token of a line it belongs to that line.
            let behind =
                tokens.get(at).is_some_and(|next| self.build.text[offset..next.start.max(offset)].contains('\n'));
            if behind && at > 0 && tokens[at - 1].token == Token::Separator {
                at -= 1;
            }
            if !take_out(&mut tokens, at) {
                return None;
            }
        }
        loop {
            self.build.errors.borrow_mut().clear();
            let error = match self.item.parse(&self.build, tokens.iter().map(triple)) {
                Ok(item) => {
                    self.errors.append(&mut self.build.errors.borrow_mut());
                    return Some(item);
                }
                Err(error) => error,
            };
            let (at, expected) = unexpected(&tokens, &error);
            // An error at a statement already taken out only means that it must go with what is around it.
            if tokens.get(at).is_none_or(|placed| placed.token != Token::Error) {
                self.errors.push(message::unexpected(self.build.file, self.build.text, &tokens, at, &expected));
            }
            self.repeated += tokens.len();
            if self.errors.len() >= MAX_ERRORS || self.repeated > MAX_REPEATED || !take_out(&mut tokens, at) {
                return None;
            }
        }
    }
}

/// Index of the token the parser stumbled on, and what it could have read there.
fn unexpected(tokens: &[Placed], error: &LrError) -> (usize, Vec<String>) {
    match error {
        ParseError::UnrecognizedToken { token, expected } => {
            let at = tokens
                .iter()
                .position(|placed| placed.start == token.0 && placed.token == token.1 && placed.end == token.2);
            (at.unwrap_or(tokens.len()), expected.clone())
        }
        ParseError::UnrecognizedEof { expected, .. } => (tokens.len(), expected.clone()),
        ParseError::InvalidToken { .. } | ParseError::ExtraToken { .. } | ParseError::User { .. } => {
            (tokens.len(), Vec::new())
        }
    }
}

/// Replaces the statement around token `at` by one `Error`; if it is one already, the statement around that.
/// False when that would be the whole item.
fn take_out(tokens: &mut Vec<Placed>, at: usize) -> bool {
    let Some((mut start, mut end)) = statement_around(tokens, at) else { return false };
    while start == end || (end - start == 1 && tokens[start].token == Token::Error) {
        let Some(opening) = start.checked_sub(1) else { return false };
        let brace = enclosing_brace(tokens, opening + usize::from(tokens[opening].token != Token::LeftBrace));
        let Some(around) = brace.and_then(|brace| statement_around(tokens, brace)) else { return false };
        (start, end) = around;
    }
    let place = Placed { token: Token::Error, start: tokens[start].start, end: tokens[end - 1].end };
    tokens.splice(start..end, [place]);
    true
}

/// The innermost `{` open at token `at` (a `{` at `at` itself counts when `at` points at it).
fn enclosing_brace(tokens: &[Placed], at: usize) -> Option<usize> {
    if tokens.get(at).is_some_and(|placed| placed.token == Token::LeftBrace) {
        return Some(at);
    }
    let mut depth = 0;
    for index in (0..at.min(tokens.len())).rev() {
        match tokens[index].token {
            Token::RightBrace => depth += 1,
            Token::LeftBrace if depth == 0 => return Some(index),
            Token::LeftBrace => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The statement inside braces that holds token `at`; none outside all braces.
fn statement_around(tokens: &[Placed], at: usize) -> Option<(usize, usize)> {
    let at = at.min(tokens.len());
    let mut depth = 0;
    let mut start = None;
    for index in (0..at).rev() {
        match tokens[index].token {
            Token::RightBrace => depth += 1,
            Token::LeftBrace if depth > 0 => depth -= 1,
            Token::LeftBrace => {
                start = Some(index + 1);
                break;
            }
            Token::Separator if depth == 0 && start.is_none() => {
                // Still inside braces? Only then is this a statement.
                enclosing_brace(tokens, index)?;
                start = Some(index + 1);
                break;
            }
            _ => {}
        }
    }
    let start = start?;
    let mut depth = 0;
    for (index, placed) in tokens.iter().enumerate().skip(at) {
        match placed.token {
            Token::LeftBrace => depth += 1,
            Token::RightBrace if depth > 0 => depth -= 1,
            Token::RightBrace => return Some((start, index)),
            Token::Separator if depth == 0 => return Some((start, index)),
            _ => {}
        }
    }
    None
}
