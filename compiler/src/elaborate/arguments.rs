//! The arguments of blocks where they are used.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind, Param};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::{FileId, Span};
use nmc_program::TensorId;

use super::signal::Kind;
use super::term::{Scope, Term, is_random};
use super::{Elaborator, uses};
use crate::algebra::{mentions, substitute};
use crate::analyse::evaluate::evaluate;
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;
use crate::typing::blocks;
use crate::units::{dimension_name, type_dimension};

/// The data of parameters that are an element's own, by the parameter's name.
pub type OfElements = BTreeMap<String, TensorId>;

impl Elaborator<'_> {
    /// The arguments of a population of so many elements: they may differ from one to the next, by its index `i`, or by data, whose tensors
    /// come by the parameter's name.
    pub fn of_elements<'p>(
        &mut self,
        population: &str,
        params: &'p [Param],
        file: FileId,
        args: &[Arg],
        span: Span,
        len: usize,
    ) -> Option<(Vec<(&'p Param, Term)>, OfElements)> {
        let outer = self.names.clone();
        self.names.names.insert(String::from("i"), index());
        let (mut plain, mut data) = (Vec::new(), BTreeMap::new());
        let mut position = 0;
        for arg in args {
            let param = match &arg.name {
                Some(name) => params.iter().find(|param| param.name.text == name.text),
                None => params.get(position),
            };
            position += usize::from(arg.name.is_none());
            match param.filter(|_| self.kind(&arg.value) == Kind::Data) {
                Some(param) => {
                    let tensor = self.of_each(param, &arg.value, len)?;
                    data.insert(param.name.text.clone(), tensor);
                    // In its place what differs from element to element.
                    let stands = Ast { kind: ExprKind::Name(String::from("i")), span: arg.value.span };
                    plain.push(Arg { name: Some(param.name.clone()), value: stands });
                }
                None => plain.push(arg.clone()),
            }
        }
        let mut closed = self.closed(params, file, &plain, span, None, &data);
        if let Some(first) = &closed {
            let changed = self.starting_numbers(population, len, first);
            if !changed.is_empty() {
                data.extend(changed);
                closed = self.closed(params, file, &plain, span, None, &data);
            }
        }
        self.names = outer;
        let closed = closed?;
        for (param, term) in &closed {
            let place = args.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == param.name.text));
            let place = place.map_or(span, |arg| arg.value.span);
            let by_index = !data.contains_key(&param.name.text) && !is_random(&term.expr);
            if by_index && let Some(impossible) = impossible_somewhere(param, term, len, place) {
                self.closer.diagnostics.push(impossible);
                return None;
            }
        }
        Some((closed, data))
    }

    /// Data for a parameter, one number for each element.
    fn of_each(&mut self, param: &Param, value: &Ast, len: usize) -> Option<TensorId> {
        let array = self.array(value)?;
        if array.len() != len {
            let message = format!("`{}` has {} numbers, the population has {len} elements", array.name, array.len());
            self.error(Code::E0310, message, value.span, "one for each element is needed");
            return None;
        }
        let wanted = param.ty.as_ref().and_then(|ty| type_dimension(&ty.name.text)).unwrap_or_default();
        if array.dimension != wanted {
            let (is, wanted) = (dimension_name(array.dimension), dimension_name(wanted));
            let message = format!("`{}` is a {wanted}, these are {is}", param.name.text);
            let wrong = Diagnostic::new(Code::E0302, message, value.span, format!("this is {is}"));
            self.closer
                .diagnostics
                .push(wrong.with_help("give data a unit by multiplying them: `data[\"tau\"] * 1 ms`"));
            return None;
        }
        let tensor = self.loaded(&array, value.span)?;
        for number in 0..tensor.data.len() {
            let term = Term { expr: Expr::Number(tensor.data.get(number)), dimension: array.dimension };
            if let Some(impossible) = blocks::impossible(param, &term, value.span) {
                self.closer.diagnostics.push(impossible);
                return None;
            }
        }
        self.keep(tensor, value.span)
    }

    /// The arguments of a block, closed where they are written, defaults in the block's own file.
    pub fn arguments<'p>(
        &mut self,
        params: &'p [Param],
        file: FileId,
        args: &[Arg],
        span: Span,
        weight: Option<Dimension>,
    ) -> Option<Vec<(&'p Param, Term)>> {
        self.closed(params, file, args, span, weight, &BTreeMap::new())
    }

    /// The same; parameters that data are given for stand for their element's.
    fn closed<'p>(
        &mut self,
        params: &'p [Param],
        file: FileId,
        args: &[Arg],
        span: Span,
        weight: Option<Dimension>,
        data: &OfElements,
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
                declared if data.contains_key(&param.name.text) => {
                    Term { dimension: declared.unwrap_or_default(), ..index() }
                }
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

/// The index of an element.
fn index() -> Term {
    Term { expr: Expr::Symbol(Symbol::Index), dimension: Dimension::NONE }
}

/// What cannot be, of the first elements and the last, where a value hangs on their index.
fn impossible_somewhere(param: &Param, term: &Term, len: usize, span: Span) -> Option<Diagnostic> {
    const FIRST: usize = 1000;
    if !mentions(&term.expr, &|symbol| symbol == Symbol::Index) {
        return None;
    }
    let at = |index: usize| {
        let number = |symbol: Symbol| (symbol == Symbol::Index).then_some(Expr::Number(index as f64));
        Term { expr: Expr::Number(evaluate(&substitute(&term.expr, &number), &[], &[])), ..*term }
    };
    let some = (0..len.min(FIRST)).chain(len.checked_sub(1));
    some.into_iter().find_map(|index| blocks::impossible(param, &at(index), span))
}
