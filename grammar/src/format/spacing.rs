//! Where a space stands between two tokens of one line.

#![allow(clippy::wildcard_enum_match_arm, reason = "there are a hundred kinds of token, and each rule concerns a few")]

use crate::token::{Placed, Token};
use crate::tree::split_number;

/// Whether a space stands before token `at`, given the tokens around it (no separators among them).
pub fn space_before(text: &str, tokens: &[Placed], at: usize) -> bool {
    let token =
        |offset: isize| at.checked_add_signed(offset).and_then(|index| tokens.get(index)).map(|placed| placed.token);
    let (Some(this), Some(before)) = (token(0), token(-1)) else { return false };
    match (before, this) {
        (_, Token::Comma | Token::Colon | Token::Dot | Token::Prime | Token::RightParen | Token::RightBracket) => false,
        (Token::Dot | Token::LeftParen | Token::LeftBracket, _) => false,
        (_, Token::Power) | (Token::Power, _) => false,
        (Token::Minus, _) if !ends_value(token(-2)) => false,
        (_, Token::LeftParen | Token::LeftBracket) => !is_called(before, token(-2)),
        (_, Token::DotDot) => !is_tight(text, tokens, at),
        (Token::DotDot, _) => !is_tight(text, tokens, at - 1),
        _ => true,
    }
}

/// Whether a `-` after this token is a subtraction.
fn ends_value(token: Option<Token>) -> bool {
    use Token::*;
    matches!(token, Some(Name | Number | Text | True | False | RightParen | RightBracket | RightBrace))
}

/// Whether `(` or `[` after this token belongs to it.
fn is_called(before: Token, further: Option<Token>) -> bool {
    use Token::*;
    // `core(0, 0)` is a place.
    matches!(before, Name | RightParen | RightBracket | Iterate | Core) || (before.is_word() && further == Some(Dot))
}

/// Whether the range at `at` is between two plain numbers or names: `0..4`, but `10 uS .. 200 uS`.
fn is_tight(text: &str, tokens: &[Placed], at: usize) -> bool {
    let simple = |placed: Option<&Placed>| {
        placed.is_some_and(|placed| match placed.token {
            Token::Name => true,
            Token::Number => split_number(&text[placed.start..placed.end]).1.is_none(),
            _ => false,
        })
    };
    let token = |index: Option<usize>| index.and_then(|index| tokens.get(index));
    let starts = token(at.checked_sub(2)).is_none_or(|placed| {
        matches!(
            placed.token,
            Token::LeftBracket | Token::LeftParen | Token::In | Token::Comma | Token::Colon | Token::Equals
        )
    });
    let ends = token(Some(at + 2)).is_none_or(|placed| {
        use Token::*;
        matches!(placed.token, RightBracket | RightParen | RightBrace | LeftBrace | Comma)
            // The next statement, on a line of its own.
            || text[tokens[at + 1].end..placed.start].contains(['\n', ';'])
    });
    starts && ends && simple(token(at.checked_sub(1))) && simple(token(Some(at + 1)))
}
