//! Text to tokens. A number and its unit are one token; comments are set aside for the formatter.

#![allow(clippy::wildcard_enum_match_arm, reason = "there are a hundred kinds of token, and each rule concerns a few")]

use std::collections::BTreeMap;

use logos::{Lexer, Logos};

use crate::ast::Comment;
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};
use crate::strange::{not_text, unknown_character};

/// The kind of a token; its text is found by its place.
#[derive(Logos, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[logos(skip r"[ \t\r]+")]
pub enum Token {
    // The words that start a block.
    #[token("network")]
    Network,
    #[token("neuron")]
    Neuron,
    #[token("synapse")]
    Synapse,
    #[token("plasticity")]
    Plasticity,
    #[token("encoder")]
    Encoder,
    #[token("decoder")]
    Decoder,
    #[token("device")]
    Device,
    #[token("converter")]
    Converter,
    #[token("unit")]
    Unit,
    #[token("tile")]
    Tile,
    #[token("core")]
    Core,
    #[token("chip")]
    Chip,
    #[token("experiment")]
    Experiment,
    // The other reserved words.
    #[token("use")]
    Use,
    #[token("const")]
    Const,
    #[token("population")]
    Population,
    #[token("connect")]
    Connect,
    #[token("probe")]
    Probe,
    #[token("every")]
    Every,
    #[token("input")]
    Input,
    #[token("state")]
    State,
    #[token("trace")]
    Trace,
    #[token("on")]
    On,
    #[token("spike")]
    Spike,
    #[token("when")]
    When,
    #[token("hold")]
    Hold,
    #[token("for")]
    For,
    #[token("in")]
    In,
    #[token("emit")]
    Emit,
    #[token("once")]
    Once,
    #[token("at")]
    At,
    #[token("run")]
    Run,
    #[token("train")]
    Train,
    #[token("test")]
    Test,
    #[token("sequence")]
    Sequence,
    #[token("expect")]
    Expect,
    #[token("by")]
    By,
    #[token("measure")]
    Measure,
    #[token("require")]
    Require,
    #[token("report")]
    Report,
    #[token("deploy")]
    Deploy,
    #[token("pin")]
    Pin,
    #[token("data")]
    Data,
    #[token("if")]
    If,
    #[token("then")]
    Then,
    #[token("else")]
    Else,
    #[token("and")]
    And,
    #[token("or")]
    Or,
    #[token("not")]
    Not,
    #[token("of")]
    Of,
    #[token("true")]
    True,
    #[token("false")]
    False,
    #[token("iterate")]
    Iterate,
    // Punctuation.
    #[token("(")]
    LeftParen,
    #[token(")")]
    RightParen,
    #[token("[")]
    LeftBracket,
    #[token("]")]
    RightBracket,
    #[token("{")]
    LeftBrace,
    #[token("}")]
    RightBrace,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token(".")]
    Dot,
    #[token("..")]
    DotDot,
    #[token("->")]
    Arrow,
    #[token("|>")]
    Pipe,
    #[token("'")]
    Prime,
    #[token("=")]
    Equals,
    #[token("+=")]
    PlusEquals,
    #[token("-=")]
    MinusEquals,
    #[token("*=")]
    TimesEquals,
    #[token("/=")]
    OverEquals,
    #[token("==")]
    Equal,
    #[token("!=")]
    NotEqual,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token(">=")]
    GreaterEqual,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Times,
    #[token("/")]
    Over,
    #[token("^")]
    Power,
    // With text of their own.
    #[regex("[A-Za-z_][A-Za-z0-9_]*")]
    Name,
    /// `20`, `1.5e-3 ms`, `5 %`, `0.5 pJ per bit`
    #[regex(r"[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-]?[0-9]+)?", take_unit)]
    Number,
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    Text,
    #[regex(r#""([^"\\\n]|\\[^\n])*"#)]
    UnclosedText,
    #[regex(r"//[^\n]*", allow_greedy = true)]
    Comment,
    #[token("\n")]
    Newline,
    #[token(";")]
    Semicolon,
    // Never read from text; made by the layout and the recovery.
    /// Between two statements: a line end that counts, or `;`.
    Separator,
    /// Stands for a statement that could not be parsed.
    Error,
}

/// Words that start a block.
pub const KINDS: &[&str] = &[
    "network",
    "neuron",
    "synapse",
    "plasticity",
    "encoder",
    "decoder",
    "device",
    "converter",
    "unit",
    "tile",
    "core",
    "chip",
    "experiment",
];

/// Words that start a statement.
pub const STATEMENT_WORDS: &[&str] = &[
    "population",
    "connect",
    "probe",
    "input",
    "state",
    "trace",
    "spike",
    "on",
    "hold",
    "emit",
    "for",
    "if",
    "deploy",
    "pin",
    "data",
    "run",
    "train",
    "test",
    "require",
    "report",
];

/// Reserved words that may follow a number without being its unit.
fn is_reserved(word: &str) -> bool {
    word != "spike" && Token::lexer(word).next().is_some_and(|token| token.is_ok_and(Token::is_word))
}

impl Token {
    /// Whether it starts a block.
    pub fn is_kind(self) -> bool {
        self <= Token::Experiment
    }

    /// Whether it is a reserved word.
    pub fn is_word(self) -> bool {
        self <= Token::Iterate
    }
}

/// A token with its place in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Which token.
    pub token: Token,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset just past its last byte.
    pub end: usize,
}

/// A text cut into tokens.
#[derive(Debug, Default)]
pub struct Lexed {
    /// All tokens, line ends included, comments not.
    pub tokens: Vec<Placed>,
    /// All comments.
    pub comments: Vec<Comment>,
    /// Lines of `///` by the offset of the token they stand before.
    pub docs: BTreeMap<usize, Vec<String>>,
    /// What could not be read.
    pub errors: Vec<Diagnostic>,
}

/// Cuts a text into tokens; stops when `limit` errors have been found.
pub fn lex(file: FileId, text: &str, limit: usize) -> Lexed {
    let mut lexed = Lexed::default();
    if let Some(error) = not_text(file, text) {
        lexed.errors.push(error);
        return lexed;
    }
    let mut doc: Vec<String> = Vec::new();
    let mut line_is_empty = true;
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut lexer = Token::lexer(text);
    lexer.bump(start);
    while let Some(result) = lexer.next() {
        let (start, end) = (lexer.span().start, lexer.span().end);
        let token = match result {
            Ok(token) => token,
            Err(()) => {
                unknown_character(file, text, start, end, &mut lexed.errors);
                if lexed.errors.len() >= limit {
                    break;
                }
                continue;
            }
        };
        match token {
            Token::Comment => {
                let written = lexer.slice().trim_end();
                if line_is_empty && let Some(rest) = written.strip_prefix("///") {
                    doc.push(rest.strip_prefix(' ').unwrap_or(rest).to_string());
                }
                lexed
                    .comments
                    .push(Comment { text: written.to_string(), span: Span::new(file, start, start + written.len()) });
                continue;
            }
            Token::UnclosedText => {
                lexed.errors.push(
                    Diagnostic::new(
                        Code::E0105,
                        "this text has no closing `\"`",
                        Span::new(file, start, end),
                        "starts here",
                    )
                    .with_help("close it with `\"` on the same line"),
                );
                if lexed.errors.len() >= limit {
                    break;
                }
                lexed.tokens.push(Placed { token: Token::Text, start, end });
                continue;
            }
            _ => {}
        }
        if token != Token::Newline && !doc.is_empty() {
            lexed.docs.insert(start, std::mem::take(&mut doc));
        }
        line_is_empty = token == Token::Newline;
        lexed.tokens.push(Placed { token, start, end });
    }
    lexed
}

/// After the digits: the unit, if one follows on the same line.
fn take_unit(lexer: &mut Lexer<Token>) {
    let rest = lexer.remainder();
    let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let mut length = match unit_name(&rest[spaces..]) {
        Some(name) if !is_reserved(name) => spaces + name.len(),
        Some(_) | None => return,
    };
    loop {
        let after = &rest[length..];
        // `/` joins only what looks like a unit: `5 mV/tau_m` divides by a name.
        if let Some(denominator) = after.strip_prefix('/')
            && let Some(name) = unit_name(denominator)
            && name != "%"
            && !name.contains('_')
            && name.len() <= 6
        {
            length += 1 + name.len();
            continue;
        }
        let trimmed = after.trim_start_matches([' ', '\t']);
        if trimmed.len() < after.len()
            && let Some(denominator) = trimmed.strip_prefix("per")
            && denominator.starts_with([' ', '\t'])
            && let Some(name) = unit_name(denominator.trim_start_matches([' ', '\t']))
        {
            length = rest.len() - denominator.trim_start_matches([' ', '\t']).len() + name.len();
            continue;
        }
        break;
    }
    lexer.bump(length);
}

/// A name or `%` at the start of `text`.
fn unit_name(text: &str) -> Option<&str> {
    if text.starts_with('%') {
        return Some("%");
    }
    if !text.starts_with(char::is_alphabetic) {
        return None;
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    Some(&text[..end])
}
