//! What the caller sets: constants, the experiments that run, what inputs are fed.

use std::collections::BTreeSet;

use nmc_grammar::ast::{AssignOp, BlockKind, Expr, Item, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::parse::parse_expression;
use nmc_grammar::span::FileId;
use nmc_grammar::suggest::closest;

use crate::Options;
use crate::forms::model::{DefId, Definition, Model};
use crate::forms::network::Network;
use crate::quantity::Quantity;
use crate::typing::term::{Closer, Scope};
use crate::typing::walk;

/// `--set name=value`: the constant's value is replaced before anything is made of it.
pub fn set_constants(model: &mut Model, options: &Options, diagnostics: &mut Vec<Diagnostic>) {
    for (name, text) in &options.set {
        let Some(module) = model.modules.first_mut() else { return };
        let constants = || module.tree.items.iter();
        let known: Vec<String> = constants()
            .filter_map(
                |item| if let Item::Constant(constant) = item { Some(constant.name.text.clone()) } else { None },
            )
            .collect();
        let constant = module.tree.items.iter_mut().find_map(|item| match item {
            Item::Constant(constant) if constant.name.text == *name => Some(constant),
            Item::Constant(_) | Item::Block(_) | Item::Use(_) => None,
        });
        match (constant, parse_expression(FileId(0), text)) {
            (Some(constant), Ok(value)) => constant.value = Expr { span: constant.value.span, ..value },
            (Some(_), Err(_)) => {
                let message = format!("`{text}` cannot be the value of `{name}`");
                diagnostics
                    .push(Diagnostic::placeless(Code::E0906, message).with_help("such as `--set tau=\"20 ms\"`"));
            }
            (None, _) => {
                let mut unknown = Diagnostic::placeless(Code::E0906, format!("the program has no `const {name}`"));
                let near = closest(name, known.iter().map(String::as_str));
                unknown.help = near.map(|near| format!("did you mean `{near}`?"));
                diagnostics.push(unknown);
            }
        }
    }
}

/// What a `const` of the program is, if it is a number.
pub fn constant(model: &Model, name: &str) -> Option<Quantity> {
    let items = &model.modules.first()?.tree.items;
    let value = items.iter().find_map(|item| match item {
        Item::Constant(constant) if constant.name.text == name => Some(&constant.value),
        Item::Constant(_) | Item::Block(_) | Item::Use(_) => None,
    })?;
    let mut ignored = Vec::new();
    let term = Closer::new(model, &mut ignored).close(&Scope::default(), FileId(0), value)?;
    Some(Quantity { si: term.value()?, dimension: term.dimension })
}

/// What `--input` can name in an experiment: inputs of its network, its `data`, and files that networks of the program load.
pub fn names_to_feed(model: &Model, experiment: DefId, network: &Network) -> Vec<String> {
    let mut names: Vec<String> = network.inputs.iter().map(|input| network.graph[*input].name.clone()).collect();
    if let Some(Definition::Block(block)) = model.definition(experiment) {
        let name =
            |stmt: &Stmt| if let StmtKind::Data { name, .. } = &stmt.kind { Some(name.text.clone()) } else { None };
        names.extend(block.body.iter().filter_map(name));
    }
    for (_, block) in model.own(BlockKind::Network) {
        walk::statements(&block.body, &mut |stmt| {
            if let StmtKind::Assign { target, op: AssignOp::Set, value } = &stmt.kind
                && walk::loads(value)
            {
                names.extend(walk::path(target));
            }
        });
    }
    names
}

/// `--input name=FILE` for names that no experiment knows.
pub fn unknown_inputs(options: &Options, known: &[String]) -> Vec<Diagnostic> {
    let unknown = options.inputs.iter().filter(|(name, _)| !known.contains(name));
    let told = unknown.map(|(name, _)| {
        let mut unknown = Diagnostic::placeless(Code::E0906, format!("nothing takes the input `{name}`"));
        let near = closest(name, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        let all: Vec<&str> = BTreeSet::from_iter(known.iter().map(String::as_str)).into_iter().collect();
        unknown.help = near.or_else(|| (!all.is_empty()).then(|| format!("inputs and data: {}", all.join(", "))));
        unknown
    });
    told.collect()
}

/// The experiments to compile: all of the program's, or those asked for, in the program's order.
pub fn chosen(model: &Model, options: &Options, diagnostics: &mut Vec<Diagnostic>) -> Vec<DefId> {
    let all: Vec<(DefId, &str)> =
        model.own(BlockKind::Experiment).map(|(id, block)| (id, block.name.text.as_str())).collect();
    let known: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
    diagnostics.extend(unknown_experiment(&options.experiments, &known));
    let wanted = |name: &str| options.experiments.is_empty() || options.experiments.iter().any(|wanted| wanted == name);
    all.into_iter().filter(|(_, name)| wanted(name)).map(|(id, _)| id).collect()
}

/// The first experiment asked for that is not known.
pub fn unknown_experiment(asked: &[String], known: &[&str]) -> Option<Diagnostic> {
    let wanted = asked.iter().find(|wanted| !known.contains(&wanted.as_str()))?;
    let mut unknown = Diagnostic::placeless(Code::E0904, format!("there is no experiment `{wanted}`"));
    unknown.help = closest(wanted, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    Some(unknown)
}
