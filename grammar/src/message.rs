//! Syntax errors in words: what was found, what could stand there, and what was probably meant.

#![allow(clippy::wildcard_enum_match_arm, reason = "there are a hundred kinds of token, and each rule concerns a few")]

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::elsewhere::instead;
use crate::span::{FileId, Span};
use crate::suggest::closest;
use crate::token::{KINDS, Placed, STATEMENT_WORDS, Token};

/// What to write where two statements stand on one line.
const BETWEEN: &str = "separate statements with `;`";

/// The message for token `at`, which could not stand where it does.
pub fn unexpected(file: FileId, text: &str, tokens: &[Placed], at: usize, expected: &[String]) -> Diagnostic {
    let case = Case { file, text, tokens, at, expected };
    case.unknown_block()
        .or_else(|| case.not_yet())
        .or_else(|| case.alternatives())
        .or_else(|| case.unfinished_line())
        .or_else(|| case.reserved_word())
        .or_else(|| case.chained_comparison())
        .or_else(|| case.equals())
        .or_else(|| case.unused_value())
        .or_else(|| case.unknown_statement())
        .unwrap_or_else(|| case.general())
}

struct Case<'a> {
    file: FileId,
    text: &'a str,
    tokens: &'a [Placed],
    at: usize,
    expected: &'a [String],
}

impl Case<'_> {
    fn token(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).map(|placed| placed.token)
    }

    fn written(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |placed| &self.text[placed.start..placed.end])
    }

    fn before(&self) -> Option<Token> {
        self.at.checked_sub(1).and_then(|at| self.token(at))
    }

    fn span(&self, at: usize) -> Span {
        match self.tokens.get(at) {
            Some(placed) => Span::new(self.file, placed.start, placed.end),
            None => {
                let end = self.tokens.last().map_or(self.text.len(), |last| last.end);
                Span::new(self.file, end, end)
            }
        }
    }

    fn expects(&self, terminal: &str) -> bool {
        self.expected.iter().any(|one| one.trim_matches('"') == terminal)
    }

    /// Where the statement or item that holds the token starts.
    fn statement_start(&self) -> usize {
        let before = self.tokens[..self.at.min(self.tokens.len())].iter();
        before
            .clone()
            .rposition(|placed| matches!(placed.token, Token::Separator | Token::LeftBrace))
            .map_or(0, |at| at + 1)
    }

    /// `netwrok n {`, `import x`, `class …` outside all blocks.
    fn unknown_block(&self) -> Option<Diagnostic> {
        if self.at != 0 || !self.expects("network") {
            return None;
        }
        let word = self.written(0);
        let help = match word {
            "import" | "from" | "include" => "write `use std.neuron.lif`".to_string(),
            "let" | "var" | "def" | "fn" => "a value for the whole file is written `const name = …`".to_string(),
            _ => match closest(word, KINDS.iter().copied().chain(["use", "const"])) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("a file holds `use`, `const` and blocks: {}", KINDS.join(", ")),
            },
        };
        let message = match self.token(0) {
            Some(Token::Name) => format!("`{word}` is not a kind of block"),
            _ => format!("{} cannot stand outside a block", self.found()),
        };
        Some(Diagnostic::new(Code::E0108, message, self.span(0), "a block should start here").with_help(help))
    }

    /// An operator at a line's end with the next statement behind it.
    fn unfinished_line(&self) -> Option<Diagnostic> {
        let before = self.at.checked_sub(1)?;
        let (last, next) = (self.tokens.get(before)?, self.tokens.get(self.at)?);
        if !next.token.is_word() || !self.expects("NAME") || !self.text.get(last.end..next.start)?.contains('\n') {
            return None;
        }
        let message = format!("nothing follows `{}`", self.written(before));
        Some(
            Diagnostic::new(Code::E0101, message, self.span(before), "expected a value after this")
                .with_label(self.span(self.at), "the next statement starts here"),
        )
    }

    /// A reserved word where a name is wanted.
    fn reserved_word(&self) -> Option<Diagnostic> {
        let token = self.token(self.at)?;
        if !token.is_word() || !self.expects("NAME") || self.expects(self.written(self.at)) {
            return None;
        }
        if (self.before(), token) == (Some(Token::Deploy), Token::On) {
            let error =
                Diagnostic::new(Code::E0101, "no network is named", self.span(self.at), "expected its name before");
            return Some(error.with_help("write `deploy net on chip`"));
        }
        // `a b when …` is a mistake of another kind; a name is wanted after these or at the start of an expression.
        let word = self.written(self.at);
        let compensates = || (self.statement_start()..self.at).any(|at| self.written(at) == "compensate");
        let help = match word {
            "converter" if compensates() => String::from("did you mean `converters`?"),
            _ => format!("use another name, such as `{word}_1`"),
        };
        Some(
            Diagnostic::new(
                Code::E0110,
                format!("`{word}` is a reserved word"),
                self.span(self.at),
                "cannot be a name here",
            )
            .with_help(help),
        )
    }

    /// `a < b < c`
    fn chained_comparison(&self) -> Option<Diagnostic> {
        let comparison = |token| {
            matches!(
                token,
                Token::Less | Token::LessEqual | Token::Greater | Token::GreaterEqual | Token::Equal | Token::NotEqual
            )
        };
        if !comparison(self.token(self.at)?) {
            return None;
        }
        let start = self.statement_start();
        let first = (start..self.at).rev().find(|at| comparison(self.tokens[*at].token))?;
        Some(
            Diagnostic::new(Code::E0111, "comparisons cannot be chained", self.span(self.at), "a second comparison")
                .with_label(self.span(first), "the first one")
                .with_help("join two comparisons with `and`: `a < b and b < c`"),
        )
    }

    /// `=` for `==` and the other way round.
    fn equals(&self) -> Option<Diagnostic> {
        if let Some(state) = self.differential() {
            let place = self.span(self.statement_start()).to(self.span(self.at - 1));
            let error = Diagnostic::new(Code::E0101, "a derivative is written with `'`", place, "not an equation");
            return Some(error.with_help(format!("write `{state}' = …`")));
        }
        if let Some(help) = self.given() {
            let message = "`=` gives a name a value, in a statement of its own";
            let error = Diagnostic::new(Code::E0112, message, self.span(self.at), "gives nothing here");
            return Some(error.with_help(help));
        }
        let (message, label, help) = match self.token(self.at)? {
            Token::Equals if self.second_assignment() => {
                let span = self.span(self.at.saturating_sub(1)).to(self.span(self.at));
                let two = Diagnostic::new(Code::E0101, "two statements stand on one line", span, "the second one");
                return Some(two.with_help(BETWEEN));
            }
            Token::Equals if self.expects("==") => {
                ("`=` gives a name a value, it does not compare", "compares nothing", "write `==`")
            }
            Token::Equal if self.expects("=") => {
                ("`==` compares, it gives no value", "a single `=` belongs here", "write `=`")
            }
            _ => return None,
        };
        Some(Diagnostic::new(Code::E0112, message, self.span(self.at), label).with_help(help))
    }

    /// What to write for `random(p = 0.1)` and `reset: v = -70 mV`.
    fn given(&self) -> Option<String> {
        let name = self.at.checked_sub(1).filter(|before| self.token(*before) == Some(Token::Name))?;
        let start = self.statement_start();
        if self.token(self.at) != Some(Token::Equals) || !self.expects("==") {
            return None;
        }
        if self.token(start + 1) == Some(Token::Colon) && name == start + 2 {
            return instead(self.written(start));
        }
        let before = self.token(name.checked_sub(1)?)?;
        let called = self.opening().and_then(|open| self.token(open.checked_sub(1)?));
        let called = matches!(called, Some(Token::Name | Token::RightBracket));
        let first = called && matches!(before, Token::LeftParen | Token::Comma);
        first.then(|| format!("an argument is given with `:`, `{}: …`; to compare write `==`", self.written(name)))
    }

    /// The `(` or `[` that the token stands in.
    fn opening(&self) -> Option<usize> {
        let mut depth = 0;
        (self.statement_start()..self.at).rev().find(|at| {
            match self.tokens[*at].token {
                Token::LeftParen | Token::LeftBracket => depth += 1,
                Token::RightParen | Token::RightBracket => depth -= 1,
                _ => {}
            }
            depth > 0
        })
    }

    /// The `v` of `dv/dt =`.
    fn differential(&self) -> Option<&str> {
        let start = self.statement_start();
        let fraction = self.token(self.at) == Some(Token::Equals) && self.at == start + 3;
        (fraction && self.written(start + 1) == "/" && self.written(start + 2) == "dt")
            .then(|| self.written(start).strip_prefix('d').filter(|state| !state.is_empty()))
            .flatten()
    }

    /// `x = 3 y = 4`, where `3 y` has been read as a quantity: a number with a space in it before a second `=`.
    fn second_assignment(&self) -> bool {
        let given = (self.statement_start()..self.at).any(|at| self.token(at) == Some(Token::Equals));
        given && self.before() == Some(Token::Number) && self.written(self.at - 1).contains(' ')
    }

    /// What the language will have, but has not yet.
    fn not_yet(&self) -> Option<Diagnostic> {
        let start = self.statement_start();
        let (first, next) = (self.written(start), self.token(self.at + 1));
        let (at, what, help) = match self.written(self.at) {
            "after" if self.expects("SEPARATOR") && matches!(next, Some(Token::Number | Token::LeftBracket)) => {
                (self.at, "`after`, for chips that have aged,", "results are those of a chip just programmed")
            }
            _ if self.token(start) != Some(Token::Name) || self.at > start + 2 => return None,
            _ => match first {
                "sweep" => {
                    (start, "`sweep`", "run once for each value: `nmc run FILE --set name=value` sets a `const`")
                }
                "repeat" => (
                    start,
                    "a loop within a sample (`repeat`)",
                    "a network with `state x: real[4] = 0` and `next x = …` takes `for 20 steps`",
                ),
                _ => return None,
            },
        };
        // A name that a value is given to, or a field, may be called anything.
        let follows = self.token(start + 1);
        if at == start && !matches!(follows, Some(Token::Name | Token::Number | Token::LeftBrace)) {
            return None;
        }
        let message = format!("{what} is not supported yet");
        Some(Diagnostic::new(Code::E0402, message, self.span(at), "not in this version").with_help(help))
    }

    /// `require a > 1 or b > 1`
    fn alternatives(&self) -> Option<Diagnostic> {
        if self.token(self.at) != Some(Token::Or) || self.token(self.statement_start()) != Some(Token::Require) {
            return None;
        }
        let message = "a requirement has no alternatives";
        let error = Diagnostic::new(Code::E0101, message, self.span(self.at), "all that is required must hold");
        Some(
            error.with_help(
                "join comparisons with `and`, or measure one number: `measure worst = …`, `require worst < 1`",
            ),
        )
    }

    /// A statement that is only a value: `v == 3 mV`, `dense(x)`.
    fn unused_value(&self) -> Option<Diagnostic> {
        let ends = matches!(self.token(self.at)?, Token::Separator | Token::RightBrace);
        let start = self.statement_start();
        if !ends || !self.expects("->") || self.expects("NUMBER") || self.token(start) == Some(Token::Connect) {
            return None;
        }
        let place = self.span(start).to(self.span(self.at.saturating_sub(1)));
        if let Some(equal) = (start..self.at).find(|at| self.tokens[*at].token == Token::Equal) {
            let message = "`==` compares, it gives no value";
            let error = Diagnostic::new(Code::E0112, message, self.span(equal), "a single `=` belongs here");
            return Some(error.with_help("write `=`"));
        }
        Some(Diagnostic::new(Code::E0101, "a value by itself does nothing", place, "goes nowhere").with_help(
            "name it, `name = …`, or send it on, `… -> output`; spikes go to a population by `connect a -> b`",
        ))
    }

    /// A statement that starts with a word no statement starts with.
    fn unknown_statement(&self) -> Option<Diagnostic> {
        let start = self.statement_start();
        if self.token(start)? != Token::Name {
            return None;
        }
        let follows = self.token(start + 1)?;
        // Two names could be a field of two words; the parser stumbles on what stands behind them.
        let stumbled = match self.at.checked_sub(start)? {
            1 => follows.is_word() || matches!(follows, Token::Name | Token::Number | Token::Text | Token::LeftBrace),
            2 => follows == Token::Name && self.expects(":"),
            _ => false,
        };
        if !stumbled {
            return None;
        }
        let word = self.written(start);
        let help = match word {
            "while" | "loop" | "repeat" => "repeat structure with `for i in 0..4 { … }`".to_string(),
            "let" | "var" | "set" => "leave the word out: `name = …`".to_string(),
            "print" | "show" | "record" | "monitor" => {
                "write `probe` in a network, `report` in an experiment".to_string()
            }
            "projection" | "synapses" => "write `connect a -> b { … }`".to_string(),
            "elif" | "elsif" => "write `else if`".to_string(),
            "return" => "drive an output with `value -> output`".to_string(),
            _ => match closest(word, STATEMENT_WORDS.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("to set a field write `{word}: …`; to name a value write `{word} = …`"),
            },
        };
        let message = format!("no statement starts with `{word}`");
        let label = self.span(start);
        Some(Diagnostic::new(Code::E0109, message, label, "not a word of the language").with_help(help))
    }

    fn general(&self) -> Diagnostic {
        let wanted = self.wanted();
        let message = match wanted.as_str() {
            "" => format!("{} cannot stand here", self.found()),
            wanted => format!("found {}, expected {wanted}", self.found()),
        };
        let label = if wanted.is_empty() { "not expected".to_string() } else { format!("expected {wanted}") };
        let mut error = Diagnostic::new(Code::E0101, message, self.span(self.at), label);
        error.help = self.hint();
        error
    }

    /// What stands there, in words.
    fn found(&self) -> String {
        let text = self.written(self.at);
        match self.token(self.at) {
            None => "the end".to_string(),
            Some(Token::Separator) if text.is_empty() => "the end of the line".to_string(),
            Some(Token::RightBrace | Token::RightParen | Token::RightBracket) if text.is_empty() => {
                "the end".to_string()
            }
            Some(Token::Name) => format!("the name `{text}`"),
            Some(Token::Number) => format!("the number `{text}`"),
            Some(Token::Text) => format!("the text {text}"),
            Some(_) => format!("`{text}`"),
        }
    }

    /// What could stand there, in words; the likely ones only.
    fn wanted(&self) -> String {
        let mut wanted: Vec<&str> = Vec::new();
        if self.expects("NUMBER") && self.expects("NAME") {
            wanted.push("a value");
            // Any expression could start here: what else is possible says little.
            return wanted.join("");
        }
        for (terminal, words) in [
            ("NAME", "a name"),
            ("{", "`{`"),
            (":", "`:`"),
            ("=", "`=`"),
            ("->", "`->`"),
            ("when", "`when`"),
            ("measure", "`expect`, `by`, `measure`"),
            ("for", "`for`"),
            ("at", "`at`"),
            ("in", "`in`"),
            (",", "`,`"),
            (")", "`)`"),
            ("]", "`]`"),
            ("then", "`then`"),
            ("else", "`else`"),
            ("..", "`..`"),
        ] {
            if self.expects(terminal) {
                wanted.push(words);
            }
        }
        if self.expects("SEPARATOR") {
            wanted.push("the end of the statement");
        }
        if wanted.contains(&"the end of the statement") && wanted.len() > 1 {
            wanted.retain(|words| !matches!(*words, "`..`" | "`->`" | "`,`" | "`:`"));
        }
        if wanted.iter().any(|words| matches!(*words, "`)`" | "`]`")) {
            wanted.retain(|words| !matches!(*words, "`..`" | "`:`"));
        }
        if wanted.len() > 4 {
            wanted.truncate(4);
        }
        match wanted.split_last() {
            None => String::new(),
            Some((last, [])) => last.to_string(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        }
    }

    /// Whether the token would be the beginning of a statement: `population …`, `name = …`, `name: …`, `v' = …`.
    fn starts_statement(&self) -> bool {
        let gives = [Token::Equals, Token::Prime, Token::Colon, Token::PlusEquals, Token::MinusEquals];
        STATEMENT_WORDS.contains(&self.written(self.at))
            || (self.token(self.at) == Some(Token::Name)
                && self.token(self.at + 1).is_some_and(|next| gives.contains(&next)))
    }

    /// The way to mend it, for mistakes that are known.
    fn hint(&self) -> Option<String> {
        let found = self.token(self.at);
        let starts_value = matches!(found, Some(Token::Name | Token::Number | Token::Text));
        let ended_value = matches!(
            self.before(),
            Some(Token::Name | Token::Number | Token::Text | Token::RightParen | Token::RightBracket)
        );
        let first = self.token(self.statement_start());
        if first == Some(Token::Connect) && (self.expects("->") || self.expects("{")) {
            return Some("write `connect a -> b { weight: 1 mV }`".to_string());
        }
        if first == Some(Token::Run) && self.expects("for") {
            return Some("write `run for 10 ms`".to_string());
        }
        let load = (self.statement_start()..self.at).rev().find(|at| self.written(*at) == "load");
        if load
            .is_some_and(|at| self.token(at + 1) == Some(Token::LeftParen) && self.token(at + 2) != Some(Token::Text))
        {
            return Some("the name of a file stands in quotes: `load(\"data/digits.npz\")`".to_string());
        }
        if self.at > 0 && self.written(self.at - 1) == "histogram" && !self.expects("SEPARATOR") {
            return Some("say how many bins: `histogram 50`".to_string());
        }
        if found == Some(Token::Comma) && (self.statement_start()..self.at).any(|at| self.written(at) == "measure") {
            return Some("say `measure` again: `measure low = min(y) measure high = max(y)`".to_string());
        }
        let opening = self.opening().and_then(|at| self.token(at));
        if found == Some(Token::Colon) && opening == Some(Token::LeftBracket) {
            return Some("a range is written `0..5`".to_string());
        }
        if found == Some(Token::If) && ended_value {
            return Some("write `if condition then a else b`".to_string());
        }
        if found == Some(Token::Equals) && self.before() == Some(Token::Colon) {
            return Some("a value is given with `=`".to_string());
        }
        if found == Some(Token::Dot) && self.before() == Some(Token::Number) || self.written(self.at) == "." {
            return Some("digits belong on both sides of the point: `0.5`, `2.0`".to_string());
        }
        if found == Some(Token::Times) && self.before() == Some(Token::Times) {
            return Some("a power is written `^`".to_string());
        }
        let named = found.is_some_and(|token| token.is_word() || token == Token::Name);
        if named && self.expects("SEPARATOR") && self.starts_statement() {
            return Some(BETWEEN.to_string());
        }
        if starts_value && ended_value && self.expects("+") {
            let help = if self.expects(",") {
                "an operator or a `,` is missing".to_string()
            } else if self.starts_statement() {
                BETWEEN.to_string()
            } else {
                format!("an operator is missing; {BETWEEN}")
            };
            return Some(help);
        }
        if found == Some(Token::Name) && self.before() == Some(Token::RightBrace) && self.expects("SEPARATOR") {
            return Some(BETWEEN.to_string());
        }
        if found == Some(Token::Comma) && self.expects("SEPARATOR") {
            return Some("between two statements stands a line end or `;`".to_string());
        }
        if found == Some(Token::Else) {
            return Some("`else` follows the `}` of an `if`".to_string());
        }
        if found.is_some_and(Token::is_word) && self.expects("SEPARATOR") {
            return Some(format!("start a new statement on a line of its own; {BETWEEN}"));
        }
        if self.expects("{") && !self.expects("NUMBER") {
            return Some("a body in braces follows: `{ … }`".to_string());
        }
        None
    }
}
