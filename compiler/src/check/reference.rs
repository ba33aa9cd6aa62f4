//! The use of a block: it exists, is of the right kind, and is given the parameters it has.

use nmc_grammar::ast::{Arg, Block, BlockKind, Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::{Checker, a, declared, walk};
use crate::forms::model::Definition;
use crate::quantity::Dimension;
use crate::resolve::library::in_library;
use crate::typing::blocks;
use crate::typing::term::Scope;

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
            if let Some(path) = walk::path(head) {
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
            let starts = matches!(block.kind, BlockKind::Synapse | BlockKind::Plasticity);
            let (starting, args) = if starts { blocks::starting(block, args) } else { (Vec::new(), args.to_vec()) };
            self.arguments(scope, block, &args, value.span);
            for (name, value) in starting {
                super::structure::start(self, scope, block, (name, value));
            }
        }
    }

    /// The block a name stands for, which is of one of the kinds.
    pub fn named_block(&mut self, name: &Ident, kinds: &[BlockKind]) -> Option<&'a Block> {
        let found = blocks::block(self.model, self.file, &name.text, name.span, kinds);
        found.map_err(|wrong| self.diagnostics.push(wrong)).ok().map(|(_, block)| block)
    }

    /// Arguments against parameters: names, dimensions, none forgotten.
    pub fn arguments(&mut self, scope: &Scope, block: &Block, args: &[Arg], span: Span) {
        let weight = matches!(block.kind, BlockKind::Synapse | BlockKind::Plasticity);
        let owner = Some(block.name.text.as_str());
        let given = blocks::given(owner, &block.params, args, span, self.diagnostics);
        for (param, arg) in block.params.iter().zip(given) {
            let known = |name: &str| scope.names.contains_key(name) || self.is_number(name);
            let Some(arg) = arg.filter(|arg| walk::is_scalar(&arg.value, &known)) else { continue };
            let dimension = declared(param).or((!weight).then_some(Dimension::NONE));
            let term = match dimension.filter(|_| param.ty.is_some()) {
                Some(dimension) => self.close_as(scope, &arg.value, dimension),
                None => self.close(scope, &arg.value),
            };
            self.diagnostics.extend(term.and_then(|term| blocks::impossible(param, &term, arg.value.span)));
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
