//! `nmc fmt`: one layout for all programs.

use std::path::Path;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::disk;

use crate::{Exit, render};

/// Lays one program out, or only tells whether it is.
pub fn fmt(file: &Path, check: bool) -> Exit {
    let text = match disk::read(file) {
        Ok(text) => text,
        Err(problem) => return render::placeless(&problem),
    };
    let laid_out = match nmc_grammar::format::format(&text) {
        Ok(laid_out) => laid_out,
        Err(errors) => {
            let module = nmc_compiler::forms::model::Module {
                name: file.display().to_string(),
                text,
                tree: nmc_grammar::ast::File { items: Vec::new(), comments: Vec::new() },
                scope: std::collections::BTreeMap::new(),
            };
            render::diagnostics(file, &nmc_compiler::forms::model::Model { modules: vec![module] }, &errors);
            return Exit::Diagnostics;
        }
    };
    if laid_out == text {
        return Exit::Clean;
    }
    if check {
        let message = format!("{} is not laid out as `nmc fmt` does", file.display());
        render::placeless(
            &Diagnostic::placeless(Code::E0903, message).with_help(format!("nmc fmt {}", file.display())),
        );
        return Exit::Diagnostics;
    }
    disk::write(file, laid_out.as_bytes()).map_or_else(|problem| render::placeless(&problem), |()| Exit::Clean)
}
