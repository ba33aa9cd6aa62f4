//! Data: arrays of files and series, cut and computed with before anything runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;
use nmc_program::{Tensor, TensorData, TensorId};

use super::signal::{Kind, Value};
use super::term::is_random;
use super::{Elaborator, operand};
use crate::files::{DataFile, FileProblem};
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;

/// The longest series `iterate` makes.
const LONGEST_SERIES: f64 = 1e8;

/// Something a program has data in.
#[derive(Debug, Clone)]
pub enum Data {
    /// A file with its path.
    File(Arc<DataFile>, String),
    /// Numbers in SI units, and their dimension.
    Array(Arc<Tensor>, Dimension),
    /// Series by name.
    Table(BTreeMap<String, Data>),
}

impl Elaborator<'_> {
    /// What an expression over data gives.
    pub fn data(&mut self, ast: &Ast) -> Option<Data> {
        match &ast.kind {
            ExprKind::Name(name) => match self.values.get(name) {
                Some(Value::Data(data)) => Some(data.clone()),
                Some(Value::Signal(_) | Value::Outputs(_)) | None => {
                    let message = format!("`{name}` is no data");
                    let unknown = Diagnostic::new(Code::E0201, message, ast.span, "data are needed here");
                    self.closer
                        .diagnostics
                        .push(unknown.with_help(format!("write `data {name} = load(\"…\")` before")));
                    None
                }
            },
            ExprKind::Member(object, member) => {
                let data = self.data(object)?;
                self.entry(&data, &member.text, member.span)
            }
            ExprKind::Index(object, indices) => {
                let data = self.data(object)?;
                if let [index] = &indices[..]
                    && let ExprKind::Text(name) = &index.kind
                {
                    return self.entry(&data, name, index.span);
                }
                let (tensor, dimension) = self.only_array(data, object.span)?;
                self.cut(&tensor, indices).map(|tensor| Data::Array(Arc::new(tensor), dimension))
            }
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "load") => {
                self.load(args, ast.span)
            }
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "transpose") => {
                self.transpose(args, ast.span)
            }
            ExprKind::List(_) => self.written(ast),
            ExprKind::Iterate { count, start, next } => self.iterate(count, start, next, ast.span),
            _ => self.computed(ast),
        }
    }

    /// One array.
    pub fn numbers(&mut self, ast: &Ast) -> Option<(Arc<Tensor>, Dimension)> {
        let data = self.data(ast)?;
        self.only_array(data, ast.span)
    }

    fn only_array(&mut self, data: Data, span: Span) -> Option<(Arc<Tensor>, Dimension)> {
        let names: Vec<String> = match data {
            Data::Array(tensor, dimension) => return Some((tensor, dimension)),
            Data::File(file, path) => {
                if let [(_, tensor)] = &file.arrays[..] {
                    return Some((Arc::new(named(tensor, &path)), Dimension::NONE));
                }
                file.arrays.iter().map(|(name, _)| format!("`{name}`")).collect()
            }
            Data::Table(table) => table.into_keys().map(|name| format!("`{name}`")).collect(),
        };
        let message = format!("say which array: one of {}", names.join(", "));
        self.error(Code::E0209, message, span, "several arrays");
        None
    }

    fn entry(&mut self, data: &Data, name: &str, span: Span) -> Option<Data> {
        let known: Vec<&str> = match data {
            Data::File(file, path) => {
                if let Some((_, tensor)) = file.arrays.iter().find(|(other, _)| other == name) {
                    let label = format!("{path}: {name}");
                    return Some(Data::Array(Arc::new(named(tensor, &label)), Dimension::NONE));
                }
                file.arrays.iter().map(|(name, _)| name.as_str()).collect()
            }
            Data::Table(table) => match table.get(name) {
                Some(series) => return Some(series.clone()),
                None => table.keys().map(String::as_str).collect(),
            },
            Data::Array(..) => Vec::new(),
        };
        let message = format!("there is no array `{name}` in it");
        let mut unknown = Diagnostic::new(Code::E0209, message, span, "unknown array");
        unknown.help = closest(name, known.iter().copied())
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| (!known.is_empty()).then(|| format!("it holds {}", known.join(", "))));
        self.closer.diagnostics.push(unknown);
        None
    }

    fn load(&mut self, args: &[Arg], span: Span) -> Option<Data> {
        let [Arg { name: None, value: Ast { kind: ExprKind::Text(path), span: place } }] = args else {
            self.error(Code::E0207, "`load` takes the path of a file", span, "such as `load(\"weights.npz\")`");
            return None;
        };
        match self.files.data(path) {
            Ok(file) => Some(Data::File(file, path.clone())),
            Err(problem) => {
                let (code, message) = match problem {
                    FileProblem::NotFound(message) => (Code::E0901, message),
                    FileProblem::Unreadable(message) => (Code::E0902, message),
                };
                self.error(code, message, *place, "cannot be loaded");
                None
            }
        }
    }

    /// `transpose(w)`: rows for columns.
    fn transpose(&mut self, args: &[Arg], span: Span) -> Option<Data> {
        let [Arg { name: None, value }] = args else {
            self.error(Code::E0224, "`transpose` takes one matrix", span, "wrong number of arguments");
            return None;
        };
        let (tensor, dimension) = self.numbers(value)?;
        let &[rows, columns] = &tensor.shape[..] else {
            let message = format!("`transpose` takes a matrix, `{}` is {:?}", tensor.name, tensor.shape);
            self.error(Code::E0303, message, value.span, "not a matrix");
            return None;
        };
        let places: Vec<usize> = (0..rows * columns).map(|at| at % rows * columns + at / rows).collect();
        let data = gather(&tensor.data, &places, 1);
        let tensor = Tensor { name: tensor.name.clone(), shape: vec![columns, rows], data };
        Some(Data::Array(Arc::new(tensor), dimension))
    }

    /// `x[0..50]`, `x[3]`, `x[0..10, 2]`: ranges keep their axis, single indices drop it.
    fn cut(&mut self, tensor: &Tensor, indices: &[Ast]) -> Option<Tensor> {
        let mut ranges = Vec::new();
        let mut shape = Vec::new();
        for (axis, index) in indices.iter().enumerate() {
            let Some(&size) = tensor.shape.get(axis) else {
                let message = format!("`{}` has {} axes", tensor.name, tensor.shape.len());
                self.error(Code::E0309, message, index.span, "one index too many");
                return None;
            };
            let (low, high) = match &index.kind {
                ExprKind::Range(low, high) => {
                    let (low, high) = (self.count(low, 0.0)?, self.count(high, 0.0)?);
                    shape.push(high.saturating_sub(low));
                    (low, high)
                }
                _ => {
                    let at = self.count(index, 0.0)?;
                    (at, at + 1)
                }
            };
            if low >= high || high > size {
                let message = format!("`{}` has {size} entries along this axis", tensor.name);
                self.error(Code::E0309, message, index.span, format!("{low}..{high} does not lie within 0..{size}"));
                return None;
            }
            ranges.push((low, high));
        }
        shape.extend(&tensor.shape[indices.len()..]);
        let mut places = vec![0];
        let mut block: usize = tensor.shape.iter().product();
        for (&(low, high), &size) in ranges.iter().zip(&tensor.shape) {
            block /= size.max(1);
            places = places.iter().flat_map(|start| (low..high).map(move |at| start + at * block)).collect();
        }
        Some(Tensor { name: tensor.name.clone(), shape, data: gather(&tensor.data, &places, block) })
    }

    /// Arithmetic over arrays of one shape and numbers.
    fn computed(&mut self, ast: &Ast) -> Option<Data> {
        let (lifted, parts) = {
            let is = |part: &Ast| self.is_part(part, Kind::Data);
            operand::lift(ast, &is)
        };
        if parts.is_empty() {
            self.error(Code::E0305, "data are needed here", ast.span, "these are no data");
            return None;
        }
        let arrays: Vec<(Arc<Tensor>, Dimension)> =
            parts.iter().map(|part| self.numbers(part)).collect::<Option<_>>()?;
        let mut shape: &[usize] = &[];
        for ((tensor, _), part) in arrays.iter().zip(&parts) {
            if shape.is_empty() {
                shape = &tensor.shape;
            } else if !tensor.shape.is_empty() && tensor.shape != shape {
                let message = format!("arrays of {shape:?} and {:?} cannot be combined", tensor.shape);
                self.error(Code::E0303, message, part.span, "another shape");
                return None;
            }
        }
        self.names.local = operand::lifted_names(&arrays.iter().map(|(_, dimension)| *dimension).collect::<Vec<_>>());
        let term = self.closer.close(&self.names, self.file, &lifted);
        self.names.local.clear();
        let term = term?;
        if is_random(&term.expr) {
            self.error(Code::E0305, "data cannot be random", ast.span, "drawn anew in every run");
            return None;
        }
        let len: usize = shape.iter().product();
        let values = match column(&term.expr, &arrays) {
            Column::Values(values) => values,
            Column::Scalar(value) => vec![value; len],
        };
        let name = arrays[0].0.name.clone();
        Some(Data::Array(
            Arc::new(Tensor { name, shape: shape.to_vec(), data: TensorData::F64(values) }),
            term.dimension,
        ))
    }

    /// A series by recurrence; the first values are its first entries.
    fn iterate(&mut self, count: &Ast, start: &[(Ident, Ast)], next: &[Ast], span: Span) -> Option<Data> {
        let steps = self.count(count, 1.0)?;
        if steps as f64 > LONGEST_SERIES {
            self.error(
                Code::E0306,
                "this series is too long",
                count.span,
                format!("at most {LONGEST_SERIES:e} entries"),
            );
            return None;
        }
        if start.len() != next.len() {
            let message = format!("{} names but {} next values", start.len(), next.len());
            self.error(Code::E0207, message, span, "as many next values as names are needed");
            return None;
        }
        let names = self.names.clone();
        let firsts: Vec<_> =
            start.iter().map(|(_, first)| self.closer.close(&names, self.file, first)).collect::<Option<_>>()?;
        let mut scope = names;
        for (index, ((name, _), first)) in start.iter().zip(&firsts).enumerate() {
            let term = super::Term { expr: Expr::Symbol(Symbol::Input(index)), dimension: first.dimension };
            scope.names.insert(name.text.clone(), term);
        }
        let nexts: Vec<Expr> = next
            .iter()
            .zip(&firsts)
            .map(|(ast, first)| self.closer.close_as(&scope, self.file, ast, first.dimension).map(|term| term.expr))
            .collect::<Option<_>>()?;
        let mut now: Vec<f64> = firsts.iter().map(|first| first.value().unwrap_or(f64::NAN)).collect();
        let mut series: Vec<Vec<f64>> = vec![Vec::with_capacity(steps); now.len()];
        for step in 0..steps {
            if now.iter().any(|value| !value.is_finite()) {
                self.error(
                    Code::E0307,
                    format!("the series is not a number from entry {step} on"),
                    span,
                    "it runs away",
                );
                return None;
            }
            series.iter_mut().zip(&now).for_each(|(series, value)| series.push(*value));
            now = nexts.iter().map(|next| crate::convert::evaluate::evaluate(next, &now, &[])).collect();
        }
        let arrays = start.iter().zip(series).zip(firsts).map(|(((name, _), values), first)| {
            let tensor = Tensor { name: name.text.clone(), shape: vec![steps], data: TensorData::F64(values) };
            (name.text.clone(), Data::Array(Arc::new(tensor), first.dimension))
        });
        Some(Data::Table(arrays.collect()))
    }

    /// Gives a tensor to the program; every number of it must be one.
    pub fn keep(&mut self, tensor: Arc<Tensor>, span: Span) -> Option<TensorId> {
        let bad = match &tensor.data {
            TensorData::U8(_) | TensorData::I64(_) => None,
            TensorData::F32(values) => values.iter().position(|value| !value.is_finite()),
            TensorData::F64(values) => values.iter().position(|value| !value.is_finite()),
        };
        if let Some(index) = bad {
            let mut place = Vec::new();
            let mut rest = index;
            for size in tensor.shape.iter().rev() {
                place.insert(0, (rest % size).to_string());
                rest /= size;
            }
            let message = format!("`{}` holds {} at [{}]", tensor.name, tensor.data.get(index), place.join(", "));
            self.error(Code::E0307, message, span, "every number of it must be finite");
            return None;
        }
        self.tensors.push(Arc::unwrap_or_clone(tensor));
        Some(TensorId(self.tensors.len() as u32 - 1))
    }
}

fn named(tensor: &Tensor, name: &str) -> Tensor {
    Tensor { name: name.to_string(), ..tensor.clone() }
}

/// `block` values from each place.
fn gather(data: &TensorData, places: &[usize], block: usize) -> TensorData {
    fn picked<T: Copy>(values: &[T], places: &[usize], block: usize) -> Vec<T> {
        places.iter().flat_map(|&place| values[place..place + block].iter().copied()).collect()
    }
    match data {
        TensorData::U8(values) => TensorData::U8(picked(values, places, block)),
        TensorData::I64(values) => TensorData::I64(picked(values, places, block)),
        TensorData::F32(values) => TensorData::F32(picked(values, places, block)),
        TensorData::F64(values) => TensorData::F64(picked(values, places, block)),
    }
}

/// A number, or one for each element.
enum Column {
    Scalar(f64),
    Values(Vec<f64>),
}

/// An expression over whole arrays.
fn column(expr: &Expr, arrays: &[(Arc<Tensor>, Dimension)]) -> Column {
    match expr {
        Expr::Number(value) => Column::Scalar(*value),
        Expr::Symbol(Symbol::Input(index)) => {
            let data = &arrays[*index].0.data;
            match arrays[*index].0.shape.is_empty() {
                true => Column::Scalar(data.get(0)),
                false => Column::Values((0..data.len()).map(|at| data.get(at)).collect()),
            }
        }
        // Data know no other names.
        Expr::Symbol(_) => Column::Scalar(f64::NAN),
        Expr::Call(function, args) => {
            let mut columns: Vec<Column> = args.iter().map(|arg| column(arg, arrays)).collect();
            let mut x = [0.0; 3];
            for (x, column) in x.iter_mut().zip(&columns) {
                if let Column::Scalar(value) = column {
                    *x = *value;
                }
            }
            let Some(first) = columns.iter().position(|column| matches!(column, Column::Values(_))) else {
                return Column::Scalar(function.value(&x));
            };
            // The result takes the place of the first array.
            let Column::Values(mut values) = std::mem::replace(&mut columns[first], Column::Scalar(0.0)) else {
                return Column::Scalar(f64::NAN);
            };
            for (index, value) in values.iter_mut().enumerate() {
                x[first] = *value;
                for (x, column) in x.iter_mut().zip(&columns) {
                    if let Column::Values(others) = column {
                        *x = others[index];
                    }
                }
                *value = function.value(&x);
            }
            Column::Values(values)
        }
    }
}
