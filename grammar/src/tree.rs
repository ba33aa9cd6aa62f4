//! What the grammar's actions need to build the tree: the text, the file and the doc comments.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::ast::{BinaryOp, Expr, ExprKind, Field, Ident, StmtKind};
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};
use crate::suggest::closest;
use crate::token::STATEMENT_WORDS;

/// Shared by all actions of one file.
pub struct Build<'a> {
    /// The file.
    pub file: FileId,
    /// Its text.
    pub text: &'a str,
    /// Lines of `///` by the offset of the token they stand before.
    pub docs: &'a BTreeMap<usize, Vec<String>>,
    /// What actions found wrong.
    pub errors: RefCell<Vec<Diagnostic>>,
}

impl Build<'_> {
    /// A place in this file.
    pub fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end.max(start))
    }

    /// The doc comment of what starts at `start`.
    pub fn doc(&self, start: usize) -> Vec<String> {
        self.docs.get(&start).cloned().unwrap_or_default()
    }

    /// The word at a place.
    pub fn ident(&self, start: usize, end: usize) -> Ident {
        Ident { text: self.text[start..end].to_string(), span: self.span(start, end) }
    }

    /// An expression.
    pub fn expr(&self, start: usize, end: usize, kind: ExprKind) -> Expr {
        Expr { kind, span: self.span(start, end) }
    }

    /// `a op b`
    pub fn binary(&self, start: usize, end: usize, op: BinaryOp, a: Expr, b: Expr) -> Expr {
        self.expr(start, end, ExprKind::Binary(op, Box::new(a), Box::new(b)))
    }

    /// `(a, b)`; `(a,)` is `a`.
    pub fn tuple(&self, start: usize, end: usize, first: Expr, rest: Vec<Expr>) -> Expr {
        if rest.is_empty() {
            return first;
        }
        self.expr(start, end, ExprKind::Tuple(std::iter::once(first).chain(rest).collect()))
    }

    /// One value by itself, several as a list: `lines: voltage, current`.
    pub fn listed(&self, first: Expr, rest: Vec<Expr>) -> Expr {
        let Some(last) = rest.last() else { return first };
        let span = first.span.to(last.span);
        Expr { span, kind: ExprKind::List([vec![first], rest].concat()) }
    }

    /// `(c, d)` as a side of `connect` is the list `c, d`.
    pub fn untuple(&self, mut list: Vec<Expr>) -> Vec<Expr> {
        if let [Expr { kind: ExprKind::Tuple(inner), .. }] = &mut list[..] {
            return std::mem::take(inner);
        }
        list
    }

    /// Two words before a `:`, unless the first is a statement's word misspelt: `popluation exc: lif`.
    pub fn key(&self, first: Ident, second: Ident) -> Vec<Ident> {
        if let Some(known) = closest(&first.text, STATEMENT_WORDS.iter().copied()) {
            let message = format!("no statement starts with `{}`", first.text);
            self.errors.borrow_mut().push(
                Diagnostic::new(Code::E0109, message, first.span, "not a word of the language")
                    .with_help(format!("did you mean `{known}`?")),
            );
        }
        vec![first, second]
    }

    /// `set exc.bias = …`; `set` is a name everywhere else.
    pub fn set(&self, word: Ident, population: Ident, member: Ident) -> Vec<Ident> {
        if word.text != "set" {
            let message = format!("`{} {}.{} = …` is no field", word.text, population.text, member.text);
            let wrong = Diagnostic::new(Code::E0101, message, word.span, "not a word of the language");
            self.errors.borrow_mut().push(wrong.with_help("a parameter changes by `set exc.bias = 0.2 nA`"));
        }
        vec![word, population, member]
    }

    /// `freeze plastic`; `freeze` is a name everywhere else.
    pub fn freeze(&self, start: usize, end: usize, word: Ident, connection: Ident) -> Field {
        if word.text != "freeze" {
            let message = format!("`{} {}` is no field", word.text, connection.text);
            let wrong = Diagnostic::new(Code::E0101, message, word.span, "a name before a name");
            let help = "a property is written `name: …`; a connection's weights are kept by `freeze NAME`";
            self.errors.borrow_mut().push(wrong.with_help(help));
        }
        let value = self.expr(start, end, ExprKind::Bool(true));
        let (doc, key, span) = (Vec::new(), vec![word, connection], self.span(start, end));
        Field { doc, key, elements: Vec::new(), value, every: None, named: false, span }
    }

    /// `next h = …`; `next` is a name everywhere else.
    pub fn next(&self, word: Ident, name: Ident, value: Expr) -> StmtKind {
        if word.text != "next" {
            let message = format!("`{} {} = …` is no statement", word.text, name.text);
            let wrong = Diagnostic::new(Code::E0101, message, word.span, "a name before a name");
            self.errors
                .borrow_mut()
                .push(wrong.with_help("give a value to one name, or say what a state becomes: `next h = …`"));
        }
        StmtKind::Next { name, value }
    }

    /// `rewire when w < 0.01 nS`; `rewire` is a name everywhere else.
    pub fn rewire(&self, word: Ident, condition: Expr) -> StmtKind {
        if word.text != "rewire" {
            let message = format!("`{} when …` is no statement", word.text);
            let wrong = Diagnostic::new(Code::E0101, message, word.span, "a name before `when`");
            let help = "a neuron spikes by `spike when v > … { … }`, an encoder by `emit when …`, a synapse is drawn anew by `rewire when …`";
            self.errors.borrow_mut().push(wrong.with_help(help));
        }
        StmtKind::Rewire { condition }
    }

    /// `probe a.w histogram 50 every 1 s`, `probe a.v every 1 ms from start`; these words are names everywhere else.
    pub fn probe(&self, signals: Vec<Expr>, words: Vec<(Ident, Expr)>, every: Option<Expr>) -> StmtKind {
        let (mut histogram, mut start) = (None, false);
        for (word, value) in words {
            let begins = matches!(&value.kind, ExprKind::Name(name) if name == "start");
            match word.text.as_str() {
                "from" if begins && !start => start = true,
                "histogram" if histogram.is_none() => histogram = Some(value),
                _ => {
                    let message = format!("`{}` says nothing of a record", word.text);
                    let wrong = Diagnostic::new(Code::E0101, message, word.span, "not a word of `probe`, or twice");
                    let help = "`every 1 ms` is how often, `histogram 50` the number of bins, `from start` records the start of steps";
                    self.errors.borrow_mut().push(wrong.with_help(help));
                }
            }
        }
        StmtKind::Probe { signals, histogram, every, start }
    }

    /// A number with its unit. Its text is normalised: one space before the unit and around `per`.
    pub fn number(&self, start: usize, end: usize) -> Expr {
        let (digits, unit) = split_number(&self.text[start..end]);
        let value = digits.replace('_', "").parse::<f64>().unwrap_or(f64::INFINITY);
        if !value.is_finite() {
            self.errors.borrow_mut().push(
                Diagnostic::new(Code::E0104, "this number is too large", self.span(start, end), "not below 1.8e308")
                    .with_help("use a larger unit"),
            );
            return self.expr(start, end, ExprKind::Error);
        }
        let text = match &unit {
            Some(unit) => format!("{digits} {unit}"),
            None => digits.to_string(),
        };
        self.expr(start, end, ExprKind::Number { value, unit, text })
    }

    /// `"…"`, with its escapes resolved.
    pub fn text(&self, start: usize, end: usize) -> Expr {
        let written = &self.text[start..end];
        let inner = written.strip_prefix('"').unwrap_or(written);
        let inner = inner.strip_suffix('"').unwrap_or(inner);
        let mut text = String::with_capacity(inner.len());
        let mut characters = inner.chars();
        while let Some(character) = characters.next() {
            if character != '\\' {
                text.push(character);
                continue;
            }
            match characters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => {}
            }
        }
        self.expr(start, end, ExprKind::Text(text))
    }
}

/// Digits, and the unit with single spaces.
pub fn split_number(written: &str) -> (&str, Option<String>) {
    let mut end = written.find(|c: char| !matches!(c, '0'..='9' | '_' | '.')).unwrap_or(written.len());
    let exponent = &written[end..];
    if exponent.starts_with(['e', 'E']) {
        let digits = exponent[1..].strip_prefix(['+', '-']).unwrap_or(&exponent[1..]);
        let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        if length > 0 {
            end = written.len() - digits.len() + length;
        }
    }
    let unit = written[end..].split_whitespace().collect::<Vec<_>>().join(" ");
    (&written[..end], if unit.is_empty() { None } else { Some(unit) })
}
