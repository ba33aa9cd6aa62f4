//! The use of a block: it exists, is of the right kind, and is given the parameters it has.

use nmc_grammar::ast::{Arg, Block, BlockKind, Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use super::{Checker, a, declared, walk};
use crate::elaborate::term::Scope;
use crate::elaborate::{deploy, library};
use crate::forms::model::Definition;
use crate::quantity::Dimension;

impl<'a> Checker<'a> {
    /// `name`, `name(args)`, `name[sizes]`, `name[sizes](args)`
    pub fn reference(&mut self, scope: &Scope, value: &Ast, kinds: &[BlockKind]) {
        let (head, args): (&Ast, &[Arg]) = match &value.kind {
            ExprKind::Call(callee, args) => (callee, args),
            _ => (value, &[]),
        };
        let (head, sizes): (&Ast, &[Ast]) = match &head.kind {
            ExprKind::Index(object, sizes) => (object, sizes),
            _ => (head, &[]),
        };
        let ExprKind::Name(name) = &head.kind else {
            let message = format!("the name of {} is needed here", a(kinds[0]));
            let mut nameless = Diagnostic::new(Code::E0305, message, value.span, "not a name");
            if let Some(path) = deploy::path(head) {
                let path = in_library(&path).unwrap_or(path);
                nameless.help = Some(format!("`use {path}` at the top of the file, then its last name here"));
            }
            return self.diagnostics.push(nameless);
        };
        for size in sizes.iter().filter(|size| walk::is_scalar(size, &|name| scope.names.contains_key(name))) {
            self.close_as(scope, size, Dimension::NONE);
        }
        let name = Ident { text: name.clone(), span: head.span };
        if let Some(block) = self.named_block(&name, kinds) {
            self.arguments(scope, block, args, value.span);
        }
    }

    /// The block a name stands for, which is of one of the kinds.
    pub fn named_block(&mut self, name: &Ident, kinds: &[BlockKind]) -> Option<&'a Block> {
        let found = self.model.lookup(self.file, &name.text).and_then(|id| self.model.definition(id));
        match found {
            Some(Definition::Block(block)) if kinds.contains(&block.kind) => return Some(block),
            Some(Definition::Block(block)) => {
                let message = format!("`{}` is {}, not {}", name.text, a(block.kind), a(kinds[0]));
                self.report(Code::E0205, message, name.span, format!("{} is needed here", a(kinds[0])));
            }
            Some(Definition::Constant(_)) => {
                let message = format!("`{}` is a constant, not {}", name.text, a(kinds[0]));
                self.report(Code::E0205, message, name.span, format!("{} is needed here", a(kinds[0])));
            }
            None => {
                let kind = a(kinds[0]).split_once(' ').map_or("", |(_, kind)| kind);
                let message = format!("there is no {kind} `{}`", name.text);
                let mut unknown = Diagnostic::new(Code::E0201, message, name.span, "unknown name");
                let scope = self.model.modules.get(self.file.0 as usize).map(|module| &module.scope);
                let known = scope.into_iter().flat_map(|scope| scope.keys().map(String::as_str));
                let near = closest(&name.text, known).map(|near| format!("did you mean `{near}`?"));
                unknown.help = near.or_else(|| library(&name.text)).or_else(|| library_slip(&name.text));
                self.diagnostics.push(unknown);
            }
        }
        None
    }

    /// Arguments against parameters: names, dimensions, none forgotten.
    pub fn arguments(&mut self, scope: &Scope, block: &Block, args: &[Arg], span: Span) {
        let weight = matches!(block.kind, BlockKind::Synapse | BlockKind::Plasticity);
        let mut given = vec![false; block.params.len()];
        for (position, arg) in args.iter().enumerate() {
            let index = match &arg.name {
                None => (position < block.params.len()).then_some(position),
                Some(name) => block.params.iter().position(|param| param.name.text == name.text),
            };
            let at = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
            let Some(index) = index else {
                let names = block.params.iter().map(|param| param.name.text.as_str());
                let (message, near) = match &arg.name {
                    Some(name) => {
                        (format!("`{}` has no parameter `{}`", block.name.text, name.text), closest(&name.text, names))
                    }
                    None => (format!("`{}` has {} parameters", block.name.text, block.params.len()), None),
                };
                let mut unknown = Diagnostic::new(Code::E0206, message, at, "unknown parameter");
                let all: Vec<&str> = block.params.iter().map(|param| param.name.text.as_str()).collect();
                let all = (!all.is_empty()).then(|| format!("its parameters: {}", all.join(", ")));
                unknown.help = near.map(|near| format!("did you mean `{near}`?")).or(all);
                self.diagnostics.push(unknown);
                continue;
            };
            if std::mem::replace(&mut given[index], true) {
                let message = format!("`{}` is given twice", block.params[index].name.text);
                self.report(Code::E0520, message, at, "given again");
                continue;
            }
            let param = &block.params[index];
            if !walk::is_scalar(&arg.value, &|name| scope.names.contains_key(name) || self.is_number(name)) {
                continue;
            }
            let dimension = declared(param).or((!weight).then_some(Dimension::NONE));
            let term = match dimension.filter(|_| param.ty.is_some()) {
                Some(dimension) => self.close_as(scope, &arg.value, dimension),
                None => self.close(scope, &arg.value),
            };
            if param.name.text.starts_with("tau") && term.and_then(|term| term.value()).is_some_and(|tau| tau <= 0.0) {
                let message = format!("the time constant `{}` must be above 0", param.name.text);
                self.report(Code::E0306, message, arg.value.span, "not above 0");
            }
        }
        for (param, given) in block.params.iter().zip(given) {
            if !given && param.default.is_none() {
                let message = format!("`{}` must be given", param.name.text);
                let missing = Diagnostic::new(Code::E0207, message, span, "missing here");
                self.diagnostics.push(missing.with_label(param.span, "it has no default"));
            }
        }
    }

    /// Whether a name of the file stands for a single number, or for nothing (which closing it tells).
    pub fn is_number(&self, name: &str) -> bool {
        match self.model.lookup(self.file, name).and_then(|id| self.model.definition(id)) {
            Some(Definition::Constant(value)) => walk::is_scalar(value, &|_| true),
            Some(Definition::Block(_)) => false,
            None => true,
        }
    }
}

/// Names that a module of the standard library defines.
fn defined(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .filter(|line| !line.starts_with(['/', ' ', '}']))
        .filter_map(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '_')).nth(1))
}

/// A name of the standard library that is nearly this one.
fn library_slip(name: &str) -> Option<String> {
    let all = nmc_stdlib::modules().iter().flat_map(|module| defined(module.text));
    let near = closest(name, all)?;
    Some(format!("did you mean `{near}`? {}", library(near)?))
}

/// The path in the standard library that one like `std.chip.neuram` means; none when there is nothing near it.
fn in_library(path: &str) -> Option<String> {
    let (module, name) = path.rsplit_once('.')?;
    let modules = nmc_stdlib::modules();
    let paths = modules.iter().map(|module| module.path);
    let module =
        modules.iter().find(|known| known.path == module).map_or_else(|| closest(module, paths), |_| Some(module))?;
    let text = modules.iter().find(|known| known.path == module)?.text;
    let name = defined(text).find(|known| *known == name).or_else(|| closest(name, defined(text)))?;
    Some(format!("{module}.{name}"))
}
