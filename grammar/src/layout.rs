//! From raw tokens to what the parser reads: line ends become separators where they count, delimiters
//! are balanced, and nesting is bounded so that no later stage can run out of stack.

#![allow(clippy::wildcard_enum_match_arm, reason = "there are a hundred kinds of token, and each rule concerns a few")]

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};
use crate::token::{Placed, Token};

/// The deepest tree a program may have, counted in open delimiters plus the operators chained in each.
pub const MAX_NESTING: usize = 256;

/// What the layout makes of a file.
#[derive(Debug, Default)]
pub struct Layout {
    /// Balanced tokens with separators.
    pub tokens: Vec<Placed>,
    /// Unbalanced delimiters, nesting.
    pub errors: Vec<Diagnostic>,
    /// Offsets whose statement is already reported as wrong.
    pub spoiled: Vec<usize>,
}

/// An open delimiter.
struct Open {
    token: Token,
    start: usize,
    /// Column of the first token of its line.
    indent: usize,
    /// Operators so far in the element being read inside it.
    operators: usize,
}

/// Lays out one file; stops when `limit` errors have been found.
pub fn layout(file: FileId, text: &str, raw: &[Placed], limit: usize) -> Layout {
    let mut state =
        State { file, text, out: Layout::default(), stack: Vec::new(), suspect: None, depth: 0, top_operators: 0 };
    let mut line_end = false;
    for (index, placed) in raw.iter().enumerate() {
        let next = raw.get(index + 1).map(|placed| placed.token);
        match placed.token {
            Token::Newline => line_end = true,
            Token::Semicolon => state.semicolon(placed),
            _ => {
                if line_end || matches!(state.last(), None | Some(Token::Separator | Token::LeftBrace)) {
                    state.close_before_block(placed, next);
                }
                let begins = placed.token == Token::Every && opens_body(&raw[index..]);
                if line_end && (begins || state.line_end_counts(placed.token, next)) {
                    let end = state.out.tokens.last().map_or(placed.start, |last| last.end);
                    state.separate(end, end);
                }
                line_end = false;
                if !state.push(placed) || state.out.errors.len() >= limit {
                    return state.out;
                }
            }
        }
    }
    state.close_all(text.len(), "the file ends here");
    if state.last() == Some(Token::Separator) {
        state.out.tokens.pop();
    }
    state.out
}

struct State<'a> {
    file: FileId,
    text: &'a str,
    out: Layout,
    stack: Vec<Open>,
    /// A `{` whose `}` stands in another column: the likely place when a `}` is missing.
    suspect: Option<usize>,
    /// Sum over the open delimiters of one plus their operators.
    depth: usize,
    /// Operators of the statement outside all delimiters.
    top_operators: usize,
}

impl State<'_> {
    fn last(&self) -> Option<Token> {
        self.out.tokens.last().map(|placed| placed.token)
    }

    /// Adds a separator unless there is nothing to separate.
    fn separate(&mut self, start: usize, end: usize) {
        self.reset_operators();
        if !matches!(self.last(), None | Some(Token::Separator | Token::LeftBrace)) {
            self.out.tokens.push(Placed { token: Token::Separator, start, end });
        }
    }

    /// `;` ends a statement, so a list that is still open there was not closed.
    fn semicolon(&mut self, placed: &Placed) {
        let brace = self.stack.iter().rposition(|open| open.token == Token::LeftBrace).map_or(0, |at| at + 1);
        if brace < self.stack.len() {
            self.unclosed(brace, placed.start, "the statement ends here");
            self.close_down_to(brace, placed.start);
        }
        self.separate(placed.start, placed.end);
    }

    /// Whether the line end before `token` ends a statement.
    fn line_end_counts(&self, token: Token, next: Option<Token>) -> bool {
        let inside_list = self.stack.last().is_some_and(|open| open.token != Token::LeftBrace);
        let leads = continues_line_before(token) && next != Some(Token::Colon);
        !inside_list && !leads && !self.last().is_some_and(line_goes_on_after)
    }

    /// Adds a token, keeping delimiters balanced. False when nesting is too deep to go on.
    fn push(&mut self, placed: &Placed) -> bool {
        match placed.token {
            Token::LeftParen | Token::LeftBracket | Token::LeftBrace => {
                self.count_operator();
                let indent = self.indent(placed.start);
                self.stack.push(Open { token: placed.token, start: placed.start, indent, operators: 0 });
                self.depth += 1;
            }
            // One that closes nothing is left out.
            Token::RightParen | Token::RightBracket | Token::RightBrace if !self.close(placed) => return true,
            Token::Comma => self.reset_operators(),
            token if deepens(token) => self.count_operator(),
            _ => {}
        }
        self.out.tokens.push(*placed);
        if self.depth + self.top_operators > MAX_NESTING {
            self.too_deep(placed);
            return false;
        }
        true
    }

    fn count_operator(&mut self) {
        match self.stack.last_mut() {
            Some(open) => {
                open.operators += 1;
                self.depth += 1;
            }
            None => self.top_operators += 1,
        }
    }

    fn reset_operators(&mut self) {
        match self.stack.last_mut() {
            Some(open) => self.depth -= std::mem::take(&mut open.operators),
            None => self.top_operators = 0,
        }
    }

    fn pop(&mut self) {
        if let Some(open) = self.stack.pop() {
            self.depth -= 1 + open.operators;
        }
    }

    /// Handles a closing delimiter; false when it closes nothing and is left out.
    fn close(&mut self, placed: &Placed) -> bool {
        let wanted = opener(placed.token);
        let reach = match placed.token {
            // A parenthesis does not reach over a brace.
            Token::RightBrace => 0,
            _ => self.stack.iter().rposition(|open| open.token == Token::LeftBrace).map_or(0, |at| at + 1),
        };
        let Some(at) = self.stack.iter().rposition(|open| open.token == wanted).filter(|at| *at >= reach) else {
            let text = &self.text[placed.start..placed.end];
            self.out.errors.push(
                Diagnostic::new(
                    Code::E0103,
                    format!("this `{text}` closes nothing"),
                    self.span(placed),
                    "no opening one before it",
                )
                .with_help(format!("remove the `{text}`")),
            );
            self.out.spoiled.push(placed.start);
            return false;
        };
        if at + 1 < self.stack.len() {
            self.unclosed(at + 1, placed.start, "still open here");
            self.close_down_to(at + 1, placed.start);
        }
        if placed.token == Token::RightBrace {
            if self.last() == Some(Token::Separator) {
                self.out.tokens.pop();
            }
            let (start, indent) = (self.stack[at].start, self.stack[at].indent);
            let starts_line = self.text[..placed.start].rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
            if starts_line && self.indent(placed.start) != indent && self.suspect.is_none() {
                self.suspect = Some(start);
            }
        }
        self.pop();
        true
    }

    /// A block cannot start inside another: whatever is open there was not closed.
    fn close_before_block(&mut self, placed: &Placed, next: Option<Token>) {
        if placed.token.is_kind() && next == Some(Token::Name) && !self.stack.is_empty() {
            self.close_all(placed.start, "a new block starts here");
            self.separate(placed.start, placed.start);
        }
        if self.stack.is_empty() && matches!(self.last(), None | Some(Token::Separator)) {
            self.suspect = None;
        }
    }

    fn close_all(&mut self, end: usize, why: &str) {
        if !self.stack.is_empty() {
            self.unclosed(0, end, why);
            self.close_down_to(0, end);
        }
    }

    /// Reports what is open from `at` on, once.
    fn unclosed(&mut self, at: usize, end: usize, why: &str) {
        let last = &self.stack[self.stack.len() - 1];
        let (start, token) = match (last.token, self.suspect) {
            (Token::LeftBrace, Some(suspect)) => (suspect, Token::LeftBrace),
            (Token::LeftBrace, None) => (last.start, last.token),
            _ => (self.stack[at].start, self.stack[at].token),
        };
        // Inside an unclosed `{` the statements are still worth reading.
        if token != Token::LeftBrace {
            self.out.spoiled.push(start);
        }
        let text = &self.text[start..start + 1];
        let closer = match text {
            "(" => ")",
            "[" => "]",
            _ => "}",
        };
        let place = Span::new(self.file, start, start + 1);
        let mut error = Diagnostic::new(
            Code::E0103,
            format!("this `{text}` is never closed"),
            place,
            format!("needs a `{closer}`"),
        )
        .with_help(format!("add the missing `{closer}`"));
        let end = end.min(self.text.len());
        error = error.with_label(Span::new(self.file, end, end), why);
        self.out.errors.push(error);
    }

    fn close_down_to(&mut self, level: usize, offset: usize) {
        while self.stack.len() > level {
            let token = match self.stack.last().map(|open| open.token) {
                Some(Token::LeftParen) => Token::RightParen,
                Some(Token::LeftBracket) => Token::RightBracket,
                _ => Token::RightBrace,
            };
            if token == Token::RightBrace && self.last() == Some(Token::Separator) {
                self.out.tokens.pop();
            }
            self.out.tokens.push(Placed { token, start: offset, end: offset });
            self.pop();
        }
    }

    fn too_deep(&mut self, placed: &Placed) {
        self.out.errors.push(
            Diagnostic::new(
                Code::E0106,
                format!("this is nested more than {MAX_NESTING} levels deep"),
                self.span(placed),
                "the limit is reached here",
            )
            .with_help("give parts of it a name: `part = …`"),
        );
        self.out.tokens.clear();
    }

    /// Column of the first character of the line at `offset` that is not blank.
    fn indent(&self, offset: usize) -> usize {
        let line = self.text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let rest = &self.text[line..];
        rest.len() - rest.trim_start_matches([' ', '\t']).len()
    }

    fn span(&self, placed: &Placed) -> Span {
        Span::new(self.file, placed.start, placed.end)
    }
}

fn opener(closer: Token) -> Token {
    match closer {
        Token::RightParen => Token::LeftParen,
        Token::RightBracket => Token::LeftBracket,
        _ => Token::LeftBrace,
    }
}

/// `every 1 s {` is a statement of its own: a body follows on the line.
fn opens_body(rest: &[Placed]) -> bool {
    let line = rest.iter().take_while(|placed| !matches!(placed.token, Token::Newline | Token::Semicolon));
    line.into_iter().any(|placed| placed.token == Token::LeftBrace)
}

/// Tokens that cannot start a statement: the line before goes on.
fn continues_line_before(token: Token) -> bool {
    is_binary(token) && token != Token::Minus
        || matches!(
            token,
            Token::Pipe
                | Token::Arrow
                | Token::Else
                | Token::Then
                | Token::Expect
                | Token::By
                | Token::Measure
                | Token::Every
        )
        || matches!(token, Token::LeftBrace | Token::DotDot | Token::Equals)
}

/// Tokens that cannot end a statement.
fn line_goes_on_after(token: Token) -> bool {
    is_binary(token)
        || matches!(token, Token::Pipe | Token::Arrow | Token::Comma | Token::Colon | Token::LeftBrace | Token::DotDot)
        || matches!(
            token,
            Token::Equals | Token::PlusEquals | Token::MinusEquals | Token::TimesEquals | Token::OverEquals
        )
        || matches!(token, Token::Not | Token::Then | Token::Else)
}

fn is_binary(token: Token) -> bool {
    use Token::*;
    matches!(
        token,
        Plus | Minus
            | Times
            | Over
            | Power
            | Equal
            | NotEqual
            | Less
            | LessEqual
            | Greater
            | GreaterEqual
            | And
            | Or
            | Of
    )
}

/// Tokens that make the tree one level deeper.
fn deepens(token: Token) -> bool {
    is_binary(token) || matches!(token, Token::Pipe | Token::Dot | Token::DotDot | Token::Not | Token::If | Token::Else)
}
