//! `nmc list`: what the standard library has.

use nmc_grammar::ast::Item;
use nmc_grammar::parse::parse;
use nmc_grammar::span::FileId;

use crate::{Exit, terminal};

/// Prints names with the first line of their documentation; `kind` is a module's name, perhaps with an s.
pub fn list(kind: Option<&str>) -> Exit {
    let wanted = kind.map(|kind| kind.strip_suffix('s').unwrap_or(kind));
    let mut text = String::new();
    for module in nmc_stdlib::modules() {
        let name = module.path.rsplit('.').next().unwrap_or(module.path);
        if wanted.is_some_and(|wanted| wanted != name) {
            continue;
        }
        text += &format!("{}\n", module.path);
        for item in &parse(FileId(0), module.text).0.items {
            if let Item::Block(block) = item {
                let about = block.doc.first().map_or("", String::as_str);
                text += &format!("  {:<18} {about}\n", block.name.text);
            }
        }
    }
    if text.is_empty() {
        let kinds = nmc_stdlib::modules().iter().map(|module| module.path.trim_start_matches("std."));
        eprintln!("error: the standard library has no `{}`", kind.unwrap_or_default());
        eprintln!("  help: one of {}", kinds.collect::<Vec<_>>().join(", "));
        return Exit::Usage;
    }
    terminal::print(&text)
}
