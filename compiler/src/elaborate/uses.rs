//! Where blocks of the standard library are used: a value that is wrong inside one is told where it was given.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, Param};
use nmc_grammar::diagnostic::{Diagnostic, Label};
use nmc_grammar::span::Span;

use crate::forms::model::Model;

/// The last use of each block of the library, by the beginning of its parameters.
pub type Uses = BTreeMap<Span, Use>;

/// A use of a block.
pub struct Use {
    /// The use as a whole.
    span: Span,
    /// The parameters that are given, and where.
    given: Vec<(String, Span)>,
}

/// Notes that a block with these parameters is used; what it is given stands in `args` at the parameter's index.
pub fn note(uses: &mut Uses, model: &Model, params: &[Param], args: &[Option<&Arg>], span: Span) {
    let Some(first) = params.first() else { return };
    if !in_library(model, first.span) {
        return;
    }
    let given = params.iter().zip(args).filter_map(|(param, arg)| Some((param.name.text.clone(), (*arg)?.value.span)));
    uses.insert(first.span, Use { span, given: given.collect() });
}

/// Brings what is wrong within the library to the user's line, with the place in the library beside it.
pub fn tell(uses: &Uses, model: &Model, diagnostics: &mut [Diagnostic]) {
    for diagnostic in diagnostics {
        let Some(inner) = diagnostic.primary.clone().filter(|label| in_library(model, label.span)) else { continue };
        let (mut place, mut block) = (inner.span, None);
        while in_library(model, place) {
            let Some((name, used)) = enclosing(uses, model, place) else { break };
            block.get_or_insert(name);
            // Names in the expression itself say more than those of the line around it.
            let text = |span| text(model, span).unwrap_or_default();
            let among = |text: &str| {
                let words: Vec<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
                let mut named = used.given.iter().filter(|(name, _)| words.contains(&name.as_str()));
                named.next().filter(|_| named.next().is_none()).map(|(_, span)| *span)
            };
            let only = if let [(_, span)] = &used.given[..] { Some(*span) } else { None };
            place = among(text(place)).or_else(|| among(line(model, place))).or(only).unwrap_or(used.span);
        }
        if let Some(block) = block.filter(|_| !in_library(model, place)) {
            diagnostic.message = format!("in `{block}`: {}", diagnostic.message);
            diagnostic.primary = Some(Label { span: place, text: inner.text });
            diagnostic.secondary.push(Label { span: inner.span, text: String::from("used here") });
        }
    }
}

/// The block of the library around a place, and its last use.
fn enclosing<'u>(uses: &'u Uses, model: &Model, place: Span) -> Option<(String, &'u Use)> {
    let items = &model.modules.get(place.file.0 as usize)?.tree.items;
    let block = items.iter().find_map(|item| match item {
        nmc_grammar::ast::Item::Block(block) if block.span.start <= place.start && place.end <= block.span.end => {
            Some(block)
        }
        nmc_grammar::ast::Item::Block(_) | nmc_grammar::ast::Item::Constant(_) | nmc_grammar::ast::Item::Use(_) => None,
    })?;
    Some((block.name.text.clone(), uses.get(&block.params.first()?.span)?))
}

fn in_library(model: &Model, span: Span) -> bool {
    span.file.0 > 0 && model.modules.get(span.file.0 as usize).is_some_and(|module| module.name.starts_with("std."))
}

fn text(model: &Model, span: Span) -> Option<&str> {
    model.modules.get(span.file.0 as usize)?.text.get(span.start as usize..span.end as usize)
}

/// The line on which a place begins.
fn line(model: &Model, span: Span) -> &str {
    let Some(module) = model.modules.get(span.file.0 as usize) else { return "" };
    let at = (span.start as usize).min(module.text.len());
    let start = module.text[..at].rfind('\n').map_or(0, |end| end + 1);
    module.text[start..].lines().next().unwrap_or_default()
}
