//! Tokens and comments as lines of statements of pieces, as the formatter prints them.

#![allow(clippy::wildcard_enum_match_arm, reason = "there are a hundred kinds of token, and each rule concerns a few")]

use super::spacing::space_before;
use crate::ast::Comment;
use crate::token::{Placed, Token};
use crate::tree::split_number;

/// Statements that share a line, or a comment on a line of its own.
#[derive(Default)]
pub struct Line {
    /// An empty line stands before it.
    pub blank: bool,
    /// The statements; none when there is only a comment.
    pub statements: Vec<Vec<Piece>>,
    /// The comment at its end.
    pub comment: Option<String>,
}

/// A part of a statement.
pub enum Piece {
    /// A token, and whether a space stands before it.
    Word(String, bool),
    /// `(…)`, `[…]`, or braces that hold a list.
    List { open: &'static str, close: &'static str, space: bool, padded: bool, items: Vec<Vec<Piece>> },
    /// Braces that hold statements.
    Body(Body),
    /// A comment within a statement; `own_line` when only blanks stand before it.
    Comment { text: String, own_line: bool },
    /// A line end that the writer put inside a statement.
    LineEnd,
}

/// `{ … }` with statements or fields.
#[derive(Default)]
pub struct Body {
    /// Between statements on one line: `; ` or `, `.
    pub joint: &'static str,
    /// Comment behind the `{`.
    pub comment: Option<String>,
    /// Written over several lines.
    pub open: bool,
    /// What it holds.
    pub lines: Vec<Line>,
}

/// Reads a whole file.
pub fn read(text: &str, laid_out: &[Placed], comments: &[Comment]) -> Vec<Line> {
    let tokens: Vec<Placed> = laid_out.iter().copied().filter(|placed| placed.token != Token::Separator).collect();
    let mut events: Vec<Event> = Vec::new();
    let mut comment = comments.iter().peekable();
    let mut index = 0;
    for placed in laid_out {
        while let Some(next) = comment.next_if(|next| (next.span.start as usize) < placed.start) {
            events.push(Event::Comment(next));
        }
        if placed.token == Token::Separator {
            events.push(Event::Separator);
        } else {
            events.push(Event::Token(index));
            index += 1;
        }
    }
    events.extend(comment.map(Event::Comment));
    let mut reader = Reader { text, tokens, events, at: 0, end: 0 };
    reader.lines("; ").0
}

enum Event<'a> {
    /// Index into the tokens.
    Token(usize),
    Separator,
    Comment(&'a Comment),
}

struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    events: Vec<Event<'a>>,
    /// The event to be read next.
    at: usize,
    /// Where the last token or comment read ends.
    end: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<Token> {
        match self.events.get(self.at)? {
            Event::Token(index) => Some(self.tokens[*index].token),
            Event::Separator => Some(Token::Separator),
            Event::Comment(_) => Some(Token::Comment),
        }
    }

    /// Line ends between what was read last and what comes next.
    fn line_ends(&self) -> usize {
        let start = match self.events.get(self.at) {
            Some(Event::Token(index)) => self.tokens[*index].start,
            Some(Event::Comment(comment)) => comment.span.start as usize,
            Some(Event::Separator) | None => self.end,
        };
        self.text.get(self.end..start).map_or(0, |gap| gap.matches('\n').count())
    }

    /// Reads the next event as a piece of its own.
    fn take(&mut self) -> Option<Piece> {
        let own_line = self.line_ends() > 0 || self.end == 0;
        let piece = match self.events.get(self.at)? {
            Event::Separator => None,
            Event::Comment(comment) => {
                self.end = comment.span.end as usize;
                Some(Piece::Comment { text: comment.text.clone(), own_line })
            }
            Event::Token(index) => {
                let placed = self.tokens[*index];
                self.end = placed.end;
                let written = &self.text[placed.start..placed.end];
                let written = match (placed.token, split_number(written)) {
                    (Token::Number, (digits, Some(unit))) => format!("{digits} {unit}"),
                    _ => written.to_string(),
                };
                Some(Piece::Word(written, space_before(self.text, &self.tokens, *index)))
            }
        };
        self.at += 1;
        piece
    }

    fn take_comment(&mut self) -> Option<String> {
        match self.take() {
            Some(Piece::Comment { text, .. }) => Some(text),
            _ => None,
        }
    }

    /// Lines up to a `}` or the end; and whether any line end was met.
    fn lines(&mut self, joint: &'static str) -> (Vec<Line>, bool) {
        let top = self.end == 0;
        let mut lines: Vec<Line> = Vec::new();
        let mut several = false;
        while let Some(next) = self.peek() {
            let line_ends = self.line_ends();
            several |= line_ends > 0;
            let blank = line_ends > 1 && !lines.is_empty();
            match next {
                Token::RightBrace => break,
                Token::Separator => self.at += 1,
                Token::Comma if joint == ", " => {
                    self.take();
                }
                Token::Comment => {
                    let last = lines.last_mut().filter(|last| line_ends == 0 && last.comment.is_none());
                    match last {
                        Some(last) => last.comment = self.take_comment(),
                        None => lines.push(Line { blank, statements: Vec::new(), comment: self.take_comment() }),
                    }
                }
                _ => {
                    let shares = line_ends == 0 && !top;
                    let (statement, comments) = self.statement(joint);
                    match lines.last_mut().filter(|last| shares && last.comment.is_none()) {
                        Some(last) => last.statements.push(statement),
                        None => lines.push(Line { blank, statements: vec![statement], comment: None }),
                    }
                    for (comment, own_line, blank) in comments {
                        match lines.last_mut().filter(|last| !own_line && last.comment.is_none()) {
                            Some(last) => last.comment = Some(comment),
                            None => lines.push(Line { blank, statements: Vec::new(), comment: Some(comment) }),
                        }
                    }
                }
            }
        }
        several |= self.line_ends() > 0;
        (lines, several)
    }

    /// One statement, and the comments behind it: text, on a line of its own, after an empty line.
    fn statement(&mut self, joint: &'static str) -> (Vec<Piece>, Vec<(String, bool, bool)>) {
        let inner = match self.peek() {
            Some(Token::Connect | Token::Run | Token::Train | Token::Test) => ", ",
            _ => "; ",
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut comments: Vec<(String, bool, bool)> = Vec::new();
        while let Some(next) = self.peek() {
            let line_ends = self.line_ends();
            match next {
                Token::Separator | Token::RightBrace => break,
                Token::Comma if joint == ", " => break,
                Token::Comment => {
                    comments.extend(self.take_comment().map(|text| (text, line_ends > 0, line_ends > 1)));
                    continue;
                }
                _ => {}
            }
            // The statement goes on behind the comments.
            let after_comment = !comments.is_empty();
            for (text, own_line, _) in comments.drain(..) {
                if own_line {
                    pieces.push(Piece::LineEnd);
                }
                pieces.push(Piece::Comment { text, own_line });
            }
            let joins =
                next == Token::LeftBrace || (next == Token::Else && matches!(pieces.last(), Some(Piece::Body(_))));
            if after_comment || (line_ends > 0 && !pieces.is_empty() && !joins) {
                pieces.push(Piece::LineEnd);
            }
            self.piece(inner, &mut pieces);
        }
        (pieces, comments)
    }

    /// The next token with all that it opens.
    fn piece(&mut self, inner: &'static str, pieces: &mut Vec<Piece>) {
        let next = self.peek();
        let Some(taken) = self.take() else { return };
        let space = matches!(taken, Piece::Word(_, true));
        match next {
            Some(Token::LeftParen) => pieces.push(self.list("(", ")", space)),
            Some(Token::LeftBracket) => pieces.push(self.list("[", "]", space)),
            Some(Token::LeftBrace) if holds_list(pieces) => pieces.push(self.list("{", "}", space)),
            Some(Token::LeftBrace) => {
                let comment = if self.peek() == Some(Token::Comment) && self.line_ends() == 0 {
                    self.take_comment()
                } else {
                    None
                };
                let (lines, open) = self.lines(inner);
                self.take();
                pieces.push(Piece::Body(Body { joint: inner, comment, open, lines }));
            }
            _ => pieces.push(taken),
        }
    }

    /// What stands between two delimiters, cut at the commas.
    fn list(&mut self, open: &'static str, close: &'static str, space: bool) -> Piece {
        let mut items = vec![Vec::new()];
        while let Some(next) = self.peek() {
            match next {
                Token::RightParen | Token::RightBracket | Token::RightBrace => break,
                Token::Separator => self.at += 1,
                Token::Comma => {
                    self.take();
                    items.push(Vec::new());
                }
                Token::Comment => {
                    let comment = self.take();
                    if let Some(item) = items.last_mut() {
                        item.extend(comment);
                    }
                }
                _ => {
                    let mut pieces = items.pop().unwrap_or_default();
                    if matches!(pieces.last(), Some(Piece::Comment { .. })) {
                        pieces.push(Piece::LineEnd);
                    }
                    self.piece("; ", &mut pieces);
                    items.push(pieces);
                }
            }
        }
        self.take();
        if items.last().is_some_and(Vec::is_empty) {
            items.pop();
        }
        // `{ x = 1 -> x + 1 }` has room inside, `use a.{b, c}` has none.
        Piece::List { open, close, space, padded: open == "{" && space, items }
    }
}

/// Whether a `{` after these pieces holds a list: in `use a.{…}` and `iterate(…) {…}`.
fn holds_list(pieces: &[Piece]) -> bool {
    match pieces {
        [.., Piece::Word(dot, _)] => dot == ".",
        [.., Piece::Word(word, _), Piece::List { .. }] => word == "iterate",
        _ => false,
    }
}
