//! Lines of statements as text.

use super::operators::{is_plain, parts};
use super::pieces::{Body, Line, Piece};

/// The longest line, unless something that cannot be broken is longer.
const WIDTH: usize = 120;
const INDENT: usize = 4;
/// What stands beside a long list may follow its end on the line, if it is no longer.
const SHORT: usize = 20;

/// Prints a whole file.
pub fn print(lines: &[Line]) -> String {
    let mut printer = Printer::default();
    printer.lines(lines, "", 0);
    if !printer.text.is_empty() {
        printer.text.push('\n');
    }
    printer.text
}

#[derive(Default)]
struct Printer {
    text: String,
    /// Characters in the last line.
    column: usize,
    /// Its indentation.
    indent: usize,
}

impl Printer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn new_line(&mut self, indent: usize) {
        // No blanks at the end of a line.
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
        self.indent = indent;
    }

    /// Puts what follows on a new line unless this one is still empty.
    fn fresh_line(&mut self, indent: usize) {
        if self.column > self.indent || self.indent != indent {
            self.new_line(indent);
        }
    }

    /// Lines at one level; the first goes where the text ends now.
    fn lines(&mut self, lines: &[Line], joint: &str, indent: usize) {
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                if line.blank {
                    self.text.push('\n');
                }
                self.new_line(indent);
            }
            self.line(line, joint, indent);
            if let Some(comment) = &line.comment {
                self.comment(comment);
            }
        }
    }

    fn comment(&mut self, comment: &str) {
        if self.column > self.indent {
            self.push("  ");
        }
        self.push(comment);
    }

    /// Statements on one line if they fit, else each on its own.
    fn line(&mut self, line: &Line, joint: &str, indent: usize) {
        let flat: Option<Vec<String>> = line.statements.iter().map(|statement| flat(statement)).collect();
        if let Some(flat) = flat {
            let joined = flat.join(joint);
            if self.column + joined.chars().count() <= WIDTH {
                return self.push(&joined);
            }
        }
        for (index, statement) in line.statements.iter().enumerate() {
            if index > 0 {
                self.new_line(indent);
            }
            self.statement(statement, indent);
        }
    }

    fn statement(&mut self, pieces: &[Piece], indent: usize) {
        match flat(pieces) {
            Some(flat) if self.column + flat.chars().count() <= WIDTH => self.push(&flat),
            Some(_) | None => {
                // The writer's lines, each broken where it does not fit.
                let lines: Vec<&[Piece]> = pieces.split(|piece| matches!(piece, Piece::LineEnd)).collect();
                if !lines.iter().all(|line| is_plain(line)) {
                    return self.broken(pieces, indent);
                }
                for (index, line) in lines.into_iter().enumerate() {
                    if index > 0 {
                        self.new_line(indent + INDENT);
                    }
                    self.expression(line, indent + INDENT, false, 0);
                }
            }
        }
    }

    /// An expression on this line if it fits with `tail` characters behind it, else each operand of its loosest operators on a line of its own, terms and factors as many as fit.
    /// `within`: it stands in parentheses, where what is looser stands further to the left; elsewhere all lines go on alike, since they are read
    /// again as the writer's.
    fn expression(&mut self, pieces: &[Piece], indent: usize, within: bool, tail: usize) {
        let len = |pieces: &[Piece]| flat(pieces).map_or(usize::MAX, |flat| flat.chars().count());
        if len(pieces).saturating_add(self.column + tail) <= WIDTH {
            return self.push(&flat(pieces).unwrap_or_default());
        }
        let (all, shared) = parts(pieces, within);
        let wide = |part: &&&[Piece]| len(part).saturating_add(indent) > WIDTH;
        let beside: usize = all.iter().filter(|part| !wide(part)).map(|part| len(part) + 1).sum();
        if all.len() == 1 || (all.iter().filter(wide).count() == 1 && beside <= SHORT) {
            return self.broken(pieces, self.indent);
        }
        let last = all.len() - 1;
        for (index, part) in all.into_iter().enumerate() {
            let tail = if index == last { tail } else { 0 };
            if shared && index > 0 && len(part).saturating_add(self.column + 1 + tail) <= WIDTH {
                self.push(" ");
            } else if index > 0 {
                self.new_line(indent);
            }
            let deeper = indent + if within { INDENT } else { 0 };
            self.expression(part, deeper, within, tail);
        }
    }

    /// A statement over several lines: what stands between commas, or `measure`s, goes to the next one, each list or body is opened if it does not fit.
    fn broken(&mut self, pieces: &[Piece], indent: usize) {
        for (index, piece) in pieces.iter().enumerate() {
            let tail = || -> usize {
                let words = item(&pieces[index + 1..], 0).iter().map_while(|piece| match piece {
                    Piece::Word(text, space) => Some(text.chars().count() + usize::from(*space)),
                    Piece::List { .. } | Piece::Body(_) | Piece::Comment { .. } | Piece::LineEnd => None,
                });
                let words: usize = words.sum();
                // Room for the `{` behind a header.
                words + if pieces[index + 1..].iter().any(|piece| matches!(piece, Piece::Body(_))) { 2 } else { 0 }
            };
            match piece {
                Piece::Word(text, space) => {
                    if text == "measure" && index > 0 && !self.has_room(item(&pieces[index..], 1)) {
                        self.fresh_line(indent + INDENT);
                    }
                    if *space && index > 0 && self.column > self.indent {
                        self.push(" ");
                    }
                    self.push(text);
                    if text == "," && !self.has_room(item(&pieces[index + 1..], 0)) {
                        self.new_line(indent + INDENT);
                    }
                }
                Piece::Comment { text, .. } => self.comment(text),
                Piece::LineEnd => self.new_line(indent + INDENT),
                Piece::List { .. } | Piece::Body(_) => match flat(&pieces[index..=index]) {
                    Some(flat) if self.column + 1 + flat.chars().count() + tail() <= WIDTH => {
                        let space = match piece {
                            Piece::List { space, .. } => *space && index > 0 && self.column > self.indent,
                            Piece::Body(_) => index > 0,
                            Piece::Word(..) | Piece::Comment { .. } | Piece::LineEnd => false,
                        };
                        if space {
                            self.push(" ");
                        }
                        self.push(&flat);
                    }
                    Some(_) | None => self.opened(piece, index > 0),
                },
            }
        }
    }

    /// Whether this line has room for a space and these pieces, if they fit a line at all.
    fn has_room(&self, pieces: &[Piece]) -> bool {
        flat(pieces).is_none_or(|text| self.column + 1 + text.chars().count() <= WIDTH)
    }

    /// A list or body over several lines.
    fn opened(&mut self, piece: &Piece, spaced: bool) {
        let indent = self.indent;
        match piece {
            Piece::List { open, close, space, items, .. } => {
                if *space && spaced && self.column > self.indent {
                    self.push(" ");
                }
                self.push(open);
                self.fill(items, indent + INDENT, *open != "{");
                self.new_line(indent);
                self.push(close);
            }
            Piece::Body(body) => self.body(body, spaced, indent),
            Piece::Word(..) | Piece::Comment { .. } | Piece::LineEnd => {}
        }
    }

    fn body(&mut self, body: &Body, spaced: bool, indent: usize) {
        self.push(if spaced { " {" } else { "{" });
        if let Some(comment) = &body.comment {
            self.comment(comment);
        }
        if !body.lines.is_empty() {
            self.new_line(indent + INDENT);
            self.lines(&body.lines, body.joint, indent + INDENT);
        }
        self.new_line(indent);
        self.push("}");
    }

    /// Items after an opening delimiter: as many on a line as fit. `within`: line ends do not count there.
    fn fill(&mut self, items: &[Vec<Piece>], indent: usize, within: bool) {
        let mut started = false;
        for (index, item) in items.iter().enumerate() {
            let mut pieces = &item[..];
            // Comments before the item; one behind the comma stays on that line.
            while let [Piece::Comment { text, own_line }, rest @ ..] = pieces {
                if *own_line {
                    self.fresh_line(indent);
                }
                self.comment(text);
                started = false;
                pieces = match rest {
                    [Piece::LineEnd, rest @ ..] => rest,
                    rest => rest,
                };
            }
            if pieces.is_empty() {
                continue;
            }
            let comma =
                if index + 1 < items.len() && items[index + 1..].iter().any(|item| has_word(item)) { "," } else { "" };
            let fits = |column: usize, flat: &str| column + flat.chars().count() + comma.len() <= WIDTH;
            match flat(pieces) {
                Some(flat) if started && fits(self.column + 1, &flat) => {
                    self.push(" ");
                    self.push(&flat);
                }
                Some(flat) if fits(indent, &flat) => {
                    self.new_line(indent);
                    self.push(&flat);
                }
                Some(_) | None => {
                    self.new_line(indent);
                    self.broken_item(pieces, comma, within);
                    // What follows begins a line of its own.
                    started = false;
                    continue;
                }
            }
            self.push(comma);
            started = true;
        }
    }

    /// An item that needs several lines; its comma stands before comments at its end.
    fn broken_item(&mut self, pieces: &[Piece], comma: &str, within: bool) {
        let end = pieces.iter().rposition(|piece| !matches!(piece, Piece::Comment { .. })).map_or(0, |last| last + 1);
        let indent = self.indent;
        match is_plain(&pieces[..end]) {
            true => self.expression(&pieces[..end], indent + INDENT, within, comma.len()),
            false => self.broken(&pieces[..end], indent),
        }
        self.push(comma);
        for piece in &pieces[end..] {
            if let Piece::Comment { text, own_line } = piece {
                if *own_line {
                    self.new_line(indent);
                }
                self.comment(text);
            }
        }
    }
}

/// What stands before the next place where a long statement may go on in a new line: up to a comma and with it, or to a `measure` that is not
/// among the first `skip` pieces.
fn item(pieces: &[Piece], skip: usize) -> &[Piece] {
    let ends = |(at, piece): (usize, &Piece)| match piece {
        Piece::Word(text, _) if text == "," => Some(at + 1),
        Piece::Word(text, _) if text == "measure" && at >= skip => Some(at),
        Piece::Word(..) | Piece::List { .. } | Piece::Body(_) | Piece::Comment { .. } | Piece::LineEnd => None,
    };
    &pieces[..pieces.iter().enumerate().find_map(ends).unwrap_or(pieces.len())]
}

fn has_word(item: &[Piece]) -> bool {
    item.iter().any(|piece| !matches!(piece, Piece::Comment { .. }))
}

/// Pieces on one line; none if something in them needs several.
fn flat(pieces: &[Piece]) -> Option<String> {
    let mut text = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Comment { .. } | Piece::LineEnd => return None,
            Piece::Word(word, space) => {
                if *space && index > 0 {
                    text.push(' ');
                }
                text.push_str(word);
            }
            Piece::List { open, close, space, padded, items } => {
                if *space && index > 0 {
                    text.push(' ');
                }
                let items: Option<Vec<String>> = items.iter().map(|item| flat(item)).collect();
                let pad = if *padded { " " } else { "" };
                text.push_str(&format!("{open}{pad}{}{pad}{close}", items?.join(", ")));
            }
            Piece::Body(body) => {
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(&flat_body(body)?);
            }
        }
    }
    Some(text)
}

fn flat_body(body: &Body) -> Option<String> {
    if body.lines.is_empty() && body.comment.is_none() {
        return Some("{}".to_string());
    }
    let [line] = &body.lines[..] else { return None };
    if body.open || body.comment.is_some() || line.comment.is_some() {
        return None;
    }
    let statements: Option<Vec<String>> = line.statements.iter().map(|statement| flat(statement)).collect();
    Some(format!("{{ {} }}", statements?.join(body.joint)))
}
