//! Synapses as data say them: lists of pairs, weights and delays.

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_program::{Tensor, TensorData, TensorId};

use super::array::Array;
use super::signal::Kind;
use super::term::Term;
use super::{Elaborator, operand};
use crate::analyse::pairs::End;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::network::Pattern;
use crate::quantity::Dimension;
use crate::typing::walk::within;
use crate::units::dimension_name;

/// A pattern, or the wait for the weights that tell it.
#[derive(Debug, Clone, PartialEq)]
pub enum Waiting {
    Known(Pattern),
    Matrix,
    /// A list in the order of synapses, by source and then target: which entry of the data each of them is.
    Listed(Pattern, Vec<usize>),
}

impl Elaborator<'_> {
    /// `list(sources: s, targets: t)`: pairs given one by one.
    pub fn list(&mut self, args: &[Arg], span: Span, (sources, targets): (usize, usize)) -> Option<Waiting> {
        let of = |key: &str| args.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == key));
        let (from, to) = (of("sources")?, of("targets")?);
        let (first, second) = (self.array(&from.value)?, self.array(&to.value)?);
        if first.len() != second.len() {
            let message = format!("{} sources but {} targets", first.len(), second.len());
            self.error(Code::E0404, message, span, "the numbers differ");
            return None;
        }
        let mut ends = Vec::new();
        for (arg, array, len) in [(from, first, sources), (to, second, targets)] {
            let tensor = self.loaded(&array, arg.value.span)?;
            let values: Vec<f64> = (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect();
            let bad = values.iter().find(|value| !(value.fract() == 0.0 && **value >= 0.0 && **value < len as f64));
            if let Some(value) = bad {
                let message = format!("`{}` names element {value} of {len}", tensor.name);
                self.error(Code::E0309, message, arg.value.span, "no such element");
                return None;
            }
            ends.push((tensor.name, values));
        }
        let mut order: Vec<usize> = (0..ends[0].1.len()).collect();
        order.sort_by_key(|&entry| (ends[0].1[entry] as u64, ends[1].1[entry] as u64));
        let mut sorted = ends.into_iter().map(|(name, values)| self.ordered(name, |at| values[at], &order, span));
        let (sources, targets) = (sorted.next()??, sorted.next()??);
        Some(Waiting::Listed(Pattern::List { sources, targets }, order))
    }

    /// Keeps numbers in the order of synapses.
    pub fn ordered(
        &mut self,
        name: String,
        of: impl Fn(usize) -> f64,
        order: &[usize],
        span: Span,
    ) -> Option<TensorId> {
        let data = TensorData::F64(order.iter().map(|&entry| of(entry)).collect());
        self.keep(Tensor { name, shape: vec![order.len()], data }, span)
    }

    /// Weights from data: [sources, targets], where pairs with weight 0 are not joined; or those of a list, in its order, which come apart.
    pub fn given_weights(
        &mut self,
        ast: &Ast,
        pattern: Waiting,
        (sources, targets): (usize, usize),
        plastic: bool,
    ) -> Option<(Waiting, Term, Option<TensorId>)> {
        let array = self.array(ast)?;
        let weight = Term { expr: Expr::Number(0.0), dimension: array.dimension };
        if let Waiting::Listed(_, order) = &pattern {
            let listed = self.of_list(&array, order, "weights", ast.span)?;
            return Some((pattern, weight, Some(listed)));
        }
        let all = pattern == Waiting::Known(Pattern::AllToAll { itself: true });
        if !all && pattern != Waiting::Matrix {
            let wrong = Diagnostic::new(Code::E0409, "weights from data say who is joined", ast.span, "these are data");
            let help = "use `pattern: matrix` or `list(sources: …, targets: …)`, or a weight that is no array";
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        }
        if array.shape != [sources, targets] {
            let message = format!("`{}` is {:?}, [{sources}, {targets}] is needed", array.name, array.shape);
            self.error(Code::E0308, message, ast.span, "weights are [sources, targets]");
            return None;
        }
        let tensor = self.loaded(&array, ast.span)?;
        if all && plastic && (0..tensor.data.len()).any(|index| tensor.data.get(index) == 0.0) {
            // What is 0 may grow: it is a synapse as others are.
            let order: Vec<usize> = (0..sources * targets).collect();
            let mut list = |what: &str, of: &dyn Fn(usize) -> f64| {
                self.ordered(format!("{}{what}", tensor.name), of, &order, ast.span)
            };
            let sources = list(": sources", &|pair| (pair / targets) as f64)?;
            let ends = list(": targets", &|pair| (pair % targets) as f64)?;
            let listed = list("", &|pair| tensor.data.get(pair))?;
            return Some((Waiting::Listed(Pattern::List { sources, targets: ends }, order), weight, Some(listed)));
        }
        let id = self.keep(tensor, ast.span)?;
        Some((Waiting::Known(Pattern::Matrix(id)), weight, None))
    }

    /// Where weights are drawn about data: which data, and the weight, in which [`Symbol::Weight`] is what they say of a pair.
    pub fn drawn_about(&mut self, ast: &Ast, ends: (End, End)) -> Option<Option<(Ast, Term)>> {
        let mut drawn = false;
        within(ast, &mut |part| {
            let callee = if let ExprKind::Call(callee, _) = &part.kind { Some(&callee.kind) } else { None };
            drawn |= matches!(callee, Some(ExprKind::Name(name)) if name == "uniform" || name == "normal");
        });
        if !drawn {
            return Some(None);
        }
        let (lifted, parts) = operand::lift(ast, &|part: &Ast| self.is_part(part, Kind::Data));
        let [part] = &parts[..] else {
            let wrong = Diagnostic::new(Code::E0305, "weights are drawn about one array", ast.span, "several");
            let help =
                "give what follows from several a name: `mean = a * b`, then `weight: mean * normal(1 mV, 0.1 mV)`";
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        };
        let term = Term { expr: Expr::Symbol(Symbol::Weight), dimension: self.array(part)?.dimension };
        self.names.names.insert(operand::name(0), term);
        let term = self.of_pairs(ends, &lifted, None);
        self.names.names.remove(&operand::name(0));
        Some(Some((part.clone(), term?)))
    }

    /// Numbers of a list's pairs.
    fn of_list(&mut self, array: &Array, order: &[usize], what: &str, span: Span) -> Option<TensorId> {
        if array.len() != order.len() {
            let message = format!("{} {what} for {} pairs", array.len(), order.len());
            self.error(Code::E0404, message, span, "one for each pair is needed, in the order of the list");
            return None;
        }
        let tensor = self.loaded(array, span)?;
        self.ordered(tensor.name.clone(), |entry| tensor.data.get(entry), order, span)
    }

    /// Delays from data: those of a list, or [sources, targets] where weights come so.
    pub fn given_delays(
        &mut self,
        ast: &Ast,
        pattern: &Pattern,
        order: Option<&[usize]>,
        (sources, targets): (usize, usize),
    ) -> Option<TensorId> {
        let array = self.array(ast)?;
        if array.dimension != Dimension::TIME {
            let message = format!("a delay is a time, these are {}", dimension_name(array.dimension));
            let wrong = Diagnostic::new(Code::E0302, message, ast.span, "no times");
            self.closer
                .diagnostics
                .push(wrong.with_help("give data a unit by multiplying them: `data[\"delay\"] * 1 ms`"));
            return None;
        }
        let delays = match (order, pattern) {
            (Some(order), _) => self.of_list(&array, order, "delays", ast.span)?,
            (None, Pattern::Matrix(_)) if array.shape == [sources, targets] => {
                let tensor = self.loaded(&array, ast.span)?;
                self.keep(tensor, ast.span)?
            }
            (None, Pattern::Matrix(_)) => {
                let message = format!("`{}` is {:?}, [{sources}, {targets}] is needed", array.name, array.shape);
                self.error(Code::E0308, message, ast.span, "delays are [sources, targets]");
                return None;
            }
            (None, _) => {
                let message = "delays from data need pairs that are known";
                let wrong = Diagnostic::new(Code::E0409, message, ast.span, "these are data");
                let help = "use `pattern: matrix` or `list(sources: …, targets: …)`, or a delay that is no array";
                self.closer.diagnostics.push(wrong.with_help(help));
                return None;
            }
        };
        let data = &self.tensors[delays.index()].data;
        if let Some(below) = (0..data.len()).map(|index| data.get(index)).find(|seconds| *seconds < 0.0) {
            self.error(Code::E0306, format!("a delay of {below} s"), ast.span, "a delay cannot be negative");
            return None;
        }
        Some(delays)
    }
}
