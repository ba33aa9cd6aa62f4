//! `nmc explain`: the page of a diagnostic code, or what `nmc list` tells of a thing in the standard library.

use nmc_grammar::codes::Code;
use nmc_grammar::suggest::closest;

use crate::{Exit, list, terminal};

/// Pages by code.
const PAGES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Prints the page of a code, given by its number or its name, or a definition by its path or its name.
pub fn explain(wanted: &str) -> Exit {
    let found = Code::ALL.iter().find(|code| code.number().eq_ignore_ascii_case(wanted) || code.name() == wanted);
    let Some(code) = found else {
        let text = list::definitions(wanted);
        if !text.is_empty() {
            terminal::print(&text);
            return Exit::Clean;
        }
        eprintln!("error: there is no code `{wanted}`");
        let all = Code::ALL.iter().flat_map(|code| [code.number(), code.name()]);
        if let Some(near) = closest(wanted, all) {
            eprintln!("  help: did you mean `{near}`?");
        }
        return Exit::Usage;
    };
    match PAGES.iter().find(|(number, _)| *number == code.number()) {
        Some((_, page)) => terminal::print(page),
        None => terminal::print(&format!("# {} {}\n\nThis code has no page yet.\n", code.number(), code.name())),
    }
}
