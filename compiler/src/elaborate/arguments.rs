//! The arguments of blocks where they are used.

use nmc_grammar::ast::{Arg, Param};
use nmc_grammar::span::FileId;

use super::term::{Scope, Term};
use super::{Elaborator, uses};
use crate::quantity::Dimension;
use crate::typing::blocks;
use crate::units::type_dimension;

impl Elaborator<'_> {
    /// The arguments of a block, closed where they are written, defaults in the block's own file.
    pub fn arguments<'p>(
        &mut self,
        params: &'p [Param],
        file: FileId,
        args: &[Arg],
        span: nmc_grammar::span::Span,
        weight: Option<Dimension>,
    ) -> Option<Vec<(&'p Param, Term)>> {
        let before = self.errors();
        let given = blocks::given(None, params, args, span, self.closer.diagnostics);
        if self.errors() > before {
            return None;
        }
        uses::note(&mut self.uses, self.closer.model, params, &given, span);
        let mut inner = Scope::default();
        let mut closed = Vec::new();
        for (param, arg) in params.iter().zip(given) {
            let declared = param
                .ty
                .as_ref()
                .and_then(|ty| type_dimension(&ty.name.text).or(weight.filter(|_| ty.name.text == "weight")));
            let (scope, file, ast) = match (arg, &param.default) {
                (Some(arg), _) => (&self.names, self.file, &arg.value),
                (None, Some(default)) => (&inner, file, default),
                // Told already.
                (None, None) => return None,
            };
            let term = match declared {
                Some(dimension) => self.closer.close_as(scope, file, ast, dimension)?,
                None => self.closer.close(scope, file, ast)?,
            };
            if let Some(impossible) = blocks::impossible(param, &term, ast.span) {
                self.closer.diagnostics.push(impossible);
                return None;
            }
            inner.names.insert(param.name.text.clone(), term.clone());
            closed.push((param, term));
        }
        Some(closed)
    }
}
