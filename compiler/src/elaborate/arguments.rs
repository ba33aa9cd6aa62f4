//! The arguments of blocks where they are used.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind, Field, Ident, Param};
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
                    let wanted = param.ty.as_ref().and_then(|ty| type_dimension(&ty.name.text)).unwrap_or_default();
                    let (tensor, _) = self.of_each(&param.name.text, Some(wanted), &arg.value, len)?;
                    self.possible(param, tensor, wanted, arg.value.span)?;
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

    /// A value that elements have besides what their equations know: `{ x: uniform(0 mm, 1 mm) }`.
    pub fn own_value(&mut self, field: &Field, len: usize) -> Option<(Term, Option<TensorId>)> {
        if self.kind(&field.value) == Kind::Data {
            let (tensor, dimension) = self.of_each(&field.key[0].text, None, &field.value, len)?;
            return Some((Term { dimension, ..index() }, Some(tensor)));
        }
        self.names.local.insert(String::from("i"), index());
        let term = self.closer.close(&self.names, self.file, &field.value);
        self.names.local.clear();
        Some((term?, None))
    }

    /// Where a state starts: an expression, or data with one number for each element.
    pub fn starting_value(
        &mut self,
        name: &Ident,
        value: &Ast,
        dimension: Dimension,
        len: usize,
    ) -> Option<(Expr, Option<TensorId>)> {
        if self.kind(value) == Kind::Data {
            let (tensor, _) = self.of_each(&name.text, Some(dimension), value, len)?;
            return Some((Expr::Number(0.0), Some(tensor)));
        }
        self.names.local.insert(String::from("i"), index());
        let term = self.closer.close_as(&self.names, self.file, value, dimension);
        self.names.local.clear();
        Some((term?.expr, None))
    }

    /// Data with one number for each element, and their dimension.
    pub fn of_each(
        &mut self,
        name: &str,
        wanted: Option<Dimension>,
        value: &Ast,
        len: usize,
    ) -> Option<(TensorId, Dimension)> {
        let array = self.array(value)?;
        if array.len() != len {
            let message = format!("`{}` has {} numbers, the population has {len} elements", array.name, array.len());
            self.error(Code::E0310, message, value.span, "one for each element is needed");
            return None;
        }
        if let Some(wanted) = wanted.filter(|wanted| array.dimension != *wanted) {
            let (is, wanted) = (dimension_name(array.dimension), dimension_name(wanted));
            let message = format!("`{name}` is a {wanted}, these are {is}");
            let wrong = Diagnostic::new(Code::E0302, message, value.span, format!("this is {is}"));
            self.closer
                .diagnostics
                .push(wrong.with_help("give data a unit by multiplying them: `data[\"tau\"] * 1 ms`"));
            return None;
        }
        let tensor = self.loaded(&array, value.span)?;
        Some((self.keep(tensor, value.span)?, array.dimension))
    }

    /// Whether a parameter can have the numbers that are given for it.
    pub fn possible(&mut self, param: &Param, tensor: TensorId, dimension: Dimension, span: Span) -> Option<()> {
        let data = &self.tensors[tensor.index()].data;
        let terms = (0..data.len()).map(|number| Term { expr: Expr::Number(data.get(number)), dimension });
        let impossible = terms.into_iter().find_map(|term| blocks::impossible(param, &term, span));
        let sound = impossible.is_none();
        self.closer.diagnostics.extend(impossible);
        sound.then_some(())
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
pub fn index() -> Term {
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
