//! The use of a block: it exists, is of the right kind, and each of its parameters is given once.

use nmc_grammar::ast::{Arg, Block, BlockKind, Expr, Ident, Param, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::elsewhere::instead;
use nmc_grammar::span::{FileId, Span};
use nmc_grammar::suggest::closest;

use super::term::Term;
use super::{a, word};
use crate::forms::model::{DefId, Definition, Model};
use crate::resolve::library::{library, library_slip, renamed};

/// The block that a name of a file stands for, which is of one of the kinds.
pub fn block<'m>(
    model: &'m Model,
    file: FileId,
    name: &str,
    span: Span,
    kinds: &[BlockKind],
) -> Result<(DefId, &'m Block), Diagnostic> {
    let wanted = kinds.first().copied().unwrap_or(BlockKind::Network);
    let found = model.lookup(file, name);
    let is = match found.and_then(|id| Some((id, model.definition(id)?))) {
        Some((id, Definition::Block(block))) if kinds.contains(&block.kind) => return Ok((id, block)),
        Some((_, Definition::Block(block))) => a(block.kind),
        Some((_, Definition::Constant(_))) => "a constant",
        None => {
            let message = format!("there is no {} `{name}`", word(wanted));
            let mut unknown = Diagnostic::new(Code::E0201, message, span, "unknown name");
            let scope = model.modules.get(file.0 as usize).map(|module| &module.scope);
            let known = scope.into_iter().flat_map(|scope| scope.keys().map(String::as_str));
            let near = closest(name, known).map(|near| format!("did you mean `{near}`?"));
            let fitting = || {
                let scope = model.modules.get(file.0 as usize).map(|module| &module.scope)?;
                let fits =
                    |id| matches!(model.definition(id), Some(Definition::Block(block)) if kinds.contains(&block.kind));
                let names = scope.iter().filter(|(_, id)| fits(**id)).map(|(name, _)| format!("`{name}`"));
                let names: Vec<String> = names.take(10).collect();
                (!names.is_empty()).then(|| format!("this file knows {}", names.join(", ")))
            };
            let elsewhere = || renamed(None, name).or_else(|| library(name)).or_else(|| library_slip(name));
            unknown.help = instead(name).or(near).or_else(elsewhere).or_else(fitting);
            return Err(unknown);
        }
    };
    let message = format!("`{name}` is {is}, not {}", a(wanted));
    Err(Diagnostic::new(Code::E0205, message, span, format!("{} is needed here", a(wanted))))
}

/// Whether an entry of a network's head is an input port.
pub fn is_port(param: &Param) -> bool {
    let signal = |ty: &str| matches!(ty, "real" | "spikes" | "bits");
    param.default.is_none() && param.ty.as_deref().is_some_and(|ty| signal(&ty.name.text))
}

/// The argument of each parameter, in their order; none where the default holds. What is wrong is reported.
/// `owner`: the block's name, if it is known.
pub fn given<'a>(
    owner: Option<&str>,
    params: &[Param],
    args: &'a [Arg],
    span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Option<&'a Arg>> {
    let mut given: Vec<Option<&Arg>> = vec![None; params.len()];
    let names = || params.iter().map(|param| param.name.text.as_str());
    let owned = |there: &str| owner.map_or_else(|| String::from(there), |owner| format!("`{owner}` has"));
    let mut unknown_given = false;
    for (position, arg) in args.iter().enumerate() {
        let index = match &arg.name {
            None => (position < params.len()).then_some(position),
            Some(name) => names().position(|param| param == name.text),
        };
        let at = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
        let Some(index) = index else {
            let (message, near) = match &arg.name {
                Some(name) => {
                    (format!("{} no parameter `{}`", owned("there is"), name.text), closest(&name.text, names()))
                }
                None if params.is_empty() => (format!("{} no parameters", owned("there are")), None),
                None => (format!("{} {} parameters", owned("there are"), params.len()), None),
            };
            let mut unknown = Diagnostic::new(Code::E0206, message, at, "unknown parameter");
            let all = || format!("its parameters: {}", names().collect::<Vec<_>>().join(", "));
            unknown.help =
                near.map(|near| format!("did you mean `{near}`?")).or_else(|| (!params.is_empty()).then(all));
            diagnostics.push(unknown);
            unknown_given = true;
            continue;
        };
        // Of two with names the check has told.
        if given[index].replace(arg).is_some_and(|first| first.name.is_none() || arg.name.is_none()) {
            let message = format!("`{}` is given twice", params[index].name.text);
            diagnostics.push(Diagnostic::new(Code::E0520, message, at, "given again"));
        }
    }
    // A parameter whose name was misspelt is not missing, too.
    let missing = |(param, arg): &(&Param, &Option<&Arg>)| !unknown_given && arg.is_none() && param.default.is_none();
    for (param, _) in params.iter().zip(&given).filter(missing) {
        let message = format!("`{}` must be given", param.name.text);
        let missing = Diagnostic::new(Code::E0207, message, span, "missing here");
        diagnostics.push(missing.with_label(param.span, "it has no default"));
    }
    given
}

/// The arguments of a population, synapse or rule that say where states of its block start, and those that give parameters.
pub fn starting<'a>(block: &Block, args: &'a [Arg]) -> (Vec<(&'a Ident, &'a Expr)>, Vec<Arg>) {
    let (mut starting, mut rest) = (Vec::new(), Vec::new());
    for arg in args {
        let is_param = |name: &Ident| block.params.iter().any(|param| param.name.text == name.text);
        let is_state = |name: &Ident| {
            let of = |stmt: &Stmt| matches!(&stmt.kind, StmtKind::State { name: known, .. } | StmtKind::Trace { name: known, .. } if known.text == name.text);
            block.body.iter().any(of)
        };
        match &arg.name {
            Some(name) if is_state(name) && !is_param(name) => starting.push((name, &arg.value)),
            Some(_) | None => rest.push(arg.clone()),
        }
    }
    (starting, rest)
}

/// What is wrong with a parameter's value whatever it is used for: what a time constant, a resistance or a capacitance of 0
/// stands for divides by 0, and no length, area, energy, power or temperature is negative.
pub fn impossible(param: &Param, term: &Term, span: Span) -> Option<Diagnostic> {
    let value = term.value()?;
    let ty = param.ty.as_ref().map_or("", |ty| ty.name.text.as_str());
    let name = &param.name.text;
    let (what, label) = match ty {
        "bool" if value != 0.0 && value != 1.0 => {
            let message = format!("`{name}` is `true` or `false`");
            return Some(Diagnostic::new(Code::E0306, message, span, "neither"));
        }
        _ if name.starts_with("tau") && value <= 0.0 => (format!("the time constant `{name}`"), "not above 0"),
        "resistance" | "capacitance" if value <= 0.0 => (format!("the {ty} `{name}`"), "not above 0"),
        "length" | "area" | "energy" | "power" | "temperature" if value < 0.0 => {
            (format!("the {ty} `{name}`"), "below 0")
        }
        _ => return None,
    };
    let must = if label == "below 0" { "cannot be negative" } else { "must be above 0" };
    Some(Diagnostic::new(Code::E0306, format!("{what} {must}"), span, label))
}
