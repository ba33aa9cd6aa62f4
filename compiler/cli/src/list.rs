//! `nmc list`: what the standard library has, and how one thing of it is defined.

use nmc_grammar::ast::Item;
use nmc_grammar::parse::parse;
use nmc_grammar::span::FileId;

use crate::{Exit, terminal};

/// Prints names with the first line of their documentation; `kind` is a module's name, perhaps with an s. Of one definition
/// (`std.neuron.lif`, `lif`) its text: parameters with units, equations, sources.
pub fn list(kind: Option<&str>) -> Exit {
    let wanted =
        kind.map(|kind| kind.strip_prefix("std.").unwrap_or(kind)).map(|kind| kind.strip_suffix('s').unwrap_or(kind));
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
        text = definitions(kind.unwrap_or_default());
    }
    if text.is_empty() {
        let kinds = nmc_stdlib::modules().iter().map(|module| module.path.trim_start_matches("std."));
        eprintln!("error: the standard library has no `{}`", kind.unwrap_or_default());
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        eprintln!("  help: one of {kinds}, or of their names: `nmc list std.neuron.lif`");
        return Exit::Usage;
    }
    terminal::print(&text)
}

/// The text of what has this name, perhaps with its module's before it.
pub fn definitions(name: &str) -> String {
    let mut text = String::new();
    for module in nmc_stdlib::modules() {
        for item in &parse(FileId(0), module.text).0.items {
            let Item::Block(block) = item else { continue };
            let path = format!("{}.{}", module.path, block.name.text);
            if [path.as_str(), path.trim_start_matches("std."), &block.name.text].contains(&name) {
                text += &format!("// {path}\n");
                block.doc.iter().for_each(|line| text += &format!("/// {line}\n"));
                text += module.text.get(block.span.start as usize..block.span.end as usize).unwrap_or_default().trim();
                text += "\n";
            }
        }
    }
    text
}
