//! Where an expression that fits no line is broken: at its loosest operators first.

use super::pieces::Piece;

/// The first of the classes below whose operands are numbers.
const TERMS: usize = 6;

/// Operators from the loosest to the tightest.
const CLASSES: [&[&str]; 9] = [
    &["|>", "->"],
    &["else"],
    &["then"],
    &["or"],
    &["and"],
    &["==", "!=", "<", "<=", ">", ">="],
    &["+", "-"],
    &["*", "/", "of"],
    &["^"],
];

/// An expression cut at its loosest operators, each at the start of its part, and whether several parts may share a line, as terms and factors do; nothing to
/// cut leaves one part. `within`: it stands in parentheses, where a line may begin with a `-`; elsewhere that ends its part.
pub fn parts(pieces: &[Piece], within: bool) -> (Vec<&[Piece]>, bool) {
    let is = |at: usize, class: &[&str]| match &pieces[at] {
        Piece::Word(word, _) if word == "-" => class.contains(&"-") && spaced(pieces.get(at + 1)),
        Piece::Word(word, _) => class.contains(&word.as_str()),
        Piece::List { .. } | Piece::Body(_) | Piece::Comment { .. } | Piece::LineEnd => false,
    };
    let cuts = |class: &&[&str]| -> Vec<usize> {
        let first = 1..pieces.len().saturating_sub(1);
        let at = first.filter(|&at| is(at, class));
        at.map(|at| at + usize::from(!within && is(at, &["-"]))).collect()
    };
    let found = CLASSES.iter().map(cuts).enumerate().find(|(_, cuts)| !cuts.is_empty());
    let (class, cuts) = found.unwrap_or_default();
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([pieces.len()]);
    (starts.zip(ends).map(|(start, end)| &pieces[start..end]).collect(), class >= TERMS)
}

/// Whether a space stands before a piece: a sign has none behind it.
fn spaced(piece: Option<&Piece>) -> bool {
    match piece {
        Some(Piece::Word(_, space) | Piece::List { space, .. }) => *space,
        Some(Piece::Body(_) | Piece::Comment { .. } | Piece::LineEnd) | None => false,
    }
}

/// Whether pieces are an expression with what it is given to, and nothing that has its own way of being broken.
pub fn is_plain(pieces: &[Piece]) -> bool {
    pieces.iter().all(|piece| match piece {
        Piece::Word(word, _) => word != ",",
        Piece::List { .. } => true,
        Piece::Body(_) | Piece::Comment { .. } | Piece::LineEnd => false,
    })
}
