//! The pages of the syntax errors: the wrong example raises exactly that error, the right one none.

use nmc_grammar::codes::Code;
use nmc_grammar::parse;
use nmc_grammar::span::FileId;

fn codes(text: &str) -> Vec<&'static str> {
    parse(FileId(0), text).1.iter().map(|error| error.code.number()).collect()
}

#[test]
fn each_syntax_error_has_a_page_that_is_true() {
    for code in Code::ALL.iter().filter(|code| code.number().starts_with("E01")) {
        let path = format!("{}/../docs/errors/{}.md", env!("CARGO_MANIFEST_DIR"), code.number());
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(page.starts_with(&format!("# {} {}\n", code.number(), code.name())), "{path}");
        let mut samples = page.split("```nmc\n").skip(1).filter_map(|rest| rest.split("```").next());
        assert_eq!(codes(samples.next().unwrap()), [code.number()], "{path}");
        assert_eq!(codes(samples.next().unwrap()), [""; 0], "{path}");
    }
}
