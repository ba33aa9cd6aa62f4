//! Input that nobody means: it gives few errors, soon, and never ends the program.

use nmc_grammar::parse;
use nmc_grammar::span::FileId;
use proptest::prelude::*;

fn codes(text: &str) -> Vec<&'static str> {
    parse(FileId(0), text).1.iter().map(|error| error.code.number()).collect()
}

/// Pseudo-random bytes.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        })
        .collect()
}

#[test]
fn random_bytes_are_one_error() {
    assert_eq!(codes(&String::from_utf8_lossy(&noise(10_000_000))), ["E0107"]);
}

#[test]
fn random_text_has_a_bounded_number_of_errors() {
    let text: String = noise(3_000_000).into_iter().map(|byte| (b' ' + byte % 95) as char).collect();
    let errors = codes(&text).len();
    assert!((1..=20).contains(&errors), "{errors}");
    let tokens = "network neuron x 3 { } ( ) -> : , = + for in if\n".repeat(60_000);
    let errors = codes(&tokens).len();
    assert!((1..=20).contains(&errors), "{errors}");
    // All of it in one block, every statement wrong.
    let errors = codes(&format!("network n() {{\n{}}}", "a b c\n".repeat(200_000))).len();
    assert!((1..=20).contains(&errors), "{errors}");
}

#[test]
fn nesting_is_bounded() {
    let deep = |open: &str, middle: &str, close: &str| {
        let text = format!("const x = {}{middle}{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(codes(&text), ["E0106"], "{open}");
    };
    deep("(", "1", ")");
    deep("[", "1", "]");
    deep("f(", "1", ")");
    deep("(", "1", "");
    deep("-", "1", "");
    deep("not ", "1", "");
    deep("2^", "1", "");
    deep("1 + ", "1", "");
    deep("x |> ", "x", "");
    deep("if a then b else ", "x", "");
    deep("x", "", ".x");
    deep("x", "", "[1]");
    let blocks = format!("network n() {{ {} }}", "if a { ".repeat(100_000));
    assert_eq!(codes(&blocks), ["E0106"]);
    let chain = format!("network n() {{ if a {{}} {} }}", "else if a {} ".repeat(100_000));
    assert_eq!(codes(&chain), ["E0106"]);
    // Long is not deep.
    let long = format!("const x = [{}]", "1 + 1, ".repeat(100_000));
    assert_eq!(codes(&long), [""; 0]);
}

proptest! {
    #[test]
    fn no_text_ends_the_parser(text in "\\PC{0,200}") {
        let (_, errors) = parse(FileId(0), &text);
        for error in errors {
            let span = error.primary.map(|label| label.span).unwrap();
            prop_assert!(text.get(span.start as usize..span.end as usize).is_some());
        }
    }

    #[test]
    fn no_tokens_end_the_parser(words in prop::collection::vec(prop::sample::select(vec![
        "network", "neuron", "n", "(", ")", "{", "}", "[", "]", "->", ":", "=", "3 mV", "connect", "a", ",", ";", "\n", "on", "pre", "if",
        "else", "for", "in", "..", "|>", "-", "'", "\"t\"", "iterate", "use", ".", "spike", "when", "run", "// c\n", "/// d\n",
    ]), 0..60)) {
        let text = words.join(" ");
        let (_, errors) = parse(FileId(0), &text);
        prop_assert!(errors.len() <= 20);
        if errors.is_empty() {
            let once = nmc_grammar::format(&text).unwrap();
            prop_assert_eq!(nmc_grammar::format(&once).unwrap(), once);
        }
    }
}
