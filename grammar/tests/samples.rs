//! Every sample of the language reference parses.

use nmc_grammar::parse;
use nmc_grammar::span::FileId;

/// The `nmc` samples of the reference, one text each.
fn reference() -> Vec<String> {
    let text = include_str!("../../docs/language.md");
    text.split("```nmc\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_string).collect()
}

#[test]
fn every_sample_of_the_reference_parses() {
    for sample in reference() {
        let (_, errors) = parse(FileId(0), &sample);
        assert!(errors.is_empty(), "{sample}\n{errors:#?}");
    }
}
