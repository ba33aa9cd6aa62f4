//! Data: arrays of files and series, cut and computed with before anything runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;
use nmc_program::{Tensor, TensorData, TensorId};

use super::array::Array;
use super::signal::{Kind, Value};
use super::term::is_random;
use super::{Elaborator, operand};
use crate::files::{DataFile, FileProblem};
use crate::forms::equations::{Expr, Symbol};

/// The longest series `iterate` makes.
const LONGEST_SERIES: f64 = 1e8;

/// Something a program has data in.
#[derive(Debug, Clone)]
pub enum Data {
    /// A file with its path.
    File(Arc<DataFile>, String),
    /// One array.
    Array(Array),
    /// Series by name.
    Table(BTreeMap<String, Data>),
}

impl Elaborator<'_> {
    /// What an expression over data gives.
    pub fn data(&mut self, ast: &Ast) -> Option<Data> {
        match &ast.kind {
            ExprKind::Name(name) => match self.values.get(name) {
                Some(Value::Data(data)) => Some(data.clone()),
                None if self.is_table(ast) => self.written(ast),
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
                let array = self.only_array(data, object.span)?;
                self.cut(array, indices).map(Data::Array)
            }
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "load") => {
                self.load(args, ast.span)
            }
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "transpose") => {
                self.transpose(args, ast.span)
            }
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "sum") => {
                self.added_up(args, ast.span)
            }
            ExprKind::List(_) => self.written(ast),
            ExprKind::Iterate { count, start, next } => self.iterate(count, start, next, ast.span),
            _ => self.computed(ast),
        }
    }

    /// The numbers of an array.
    pub fn loaded(&mut self, array: &Array, span: Span) -> Option<Tensor> {
        array.tensor().map_err(|problem| self.unreadable(problem, span, "cannot be loaded")).ok()
    }

    /// Tells what is wrong with a file.
    pub fn unreadable(&mut self, problem: FileProblem, span: Span, label: &str) {
        let (code, message) = match problem {
            FileProblem::NotFound(message) => (Code::E0901, message),
            FileProblem::Unreadable(message) => (Code::E0902, message),
        };
        self.error(code, message, span, label);
    }

    /// One array, whose numbers are not read yet.
    pub fn array(&mut self, ast: &Ast) -> Option<Array> {
        let data = self.data(ast)?;
        self.only_array(data, ast.span)
    }

    fn only_array(&mut self, data: Data, span: Span) -> Option<Array> {
        let names: Vec<String> = match data {
            Data::Array(array) => return Some(array),
            Data::File(file, path) => {
                if file.arrays.len() == 1 {
                    return self.stored(&file, 0, path, span);
                }
                file.arrays.iter().map(|array| format!("`{}`", array.name)).collect()
            }
            Data::Table(table) => table.into_keys().map(|name| format!("`{name}`")).collect(),
        };
        let message = format!("say which array: one of {}", names.join(", "));
        self.error(Code::E0209, message, span, "several arrays");
        None
    }

    /// An array of a file by its number.
    pub fn stored(&mut self, file: &Arc<DataFile>, index: usize, name: String, span: Span) -> Option<Array> {
        let array = Array::stored(file, index, name);
        array.map_err(|problem| self.unreadable(problem, span, "cannot be loaded")).ok()
    }

    fn entry(&mut self, data: &Data, name: &str, span: Span) -> Option<Data> {
        let known: Vec<&str> = match data {
            Data::File(file, path) => {
                if let Some(index) = file.arrays.iter().position(|array| array.name == name) {
                    return self.stored(file, index, format!("{path}: {name}"), span).map(Data::Array);
                }
                file.arrays.iter().map(|array| array.name.as_str()).collect()
            }
            Data::Table(table) => match table.get(name) {
                Some(series) => return Some(series.clone()),
                None => table.keys().map(String::as_str).collect(),
            },
            Data::Array(_) => Vec::new(),
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
                self.unreadable(problem, *place, "cannot be loaded");
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
        let array = self.array(value)?;
        if array.shape.len() != 2 {
            let message = format!("`transpose` takes a matrix, `{}` is {:?}", array.name, array.shape);
            self.error(Code::E0303, message, value.span, "not a matrix");
            return None;
        }
        Some(Data::Array(array.transposed()))
    }

    /// `sum(x)`: all numbers of an array together.
    fn added_up(&mut self, args: &[Arg], span: Span) -> Option<Data> {
        let [Arg { name: None, value }] = args else {
            self.error(Code::E0224, "`sum` takes one array", span, "wrong number of arguments");
            return None;
        };
        let array = self.array(value)?;
        let numbers = self.loaded(&array, value.span)?.data;
        let data = TensorData::F64(vec![(0..numbers.len()).map(|at| numbers.get(at)).sum()]);
        let tensor = Tensor { name: format!("sum of {}", array.name), shape: Vec::new(), data };
        Some(Data::Array(Array::known(tensor, array.dimension)))
    }

    /// `x[0..50]`, `x[3]`, `x[0..10, 2]`: ranges keep their axis, single indices drop it.
    fn cut(&mut self, array: Array, indices: &[Ast]) -> Option<Array> {
        let mut ranges = Vec::new();
        let mut shape = Vec::new();
        for (axis, index) in indices.iter().enumerate() {
            let Some(&size) = array.shape.get(axis) else {
                let message = format!("`{}` has {} axes", array.name, array.shape.len());
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
                let message = format!("`{}` has {size} entries along this axis", array.name);
                self.error(Code::E0309, message, index.span, format!("{low}..{high} does not lie within 0..{size}"));
                return None;
            }
            ranges.push((low, high));
        }
        shape.extend(&array.shape[indices.len()..]);
        Some(array.cut(ranges, shape))
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
        let arrays: Vec<Array> = parts.iter().map(|part| self.array(part)).collect::<Option<_>>()?;
        let mut shape: &[usize] = &[];
        for (array, part) in arrays.iter().zip(&parts) {
            if shape.is_empty() {
                shape = &array.shape;
            } else if !array.shape.is_empty() && array.shape != shape {
                let message = format!("arrays of {shape:?} and {:?} cannot be combined", array.shape);
                self.error(Code::E0303, message, part.span, "another shape");
                return None;
            }
        }
        self.names.local = operand::lifted_names(&arrays.iter().map(|array| array.dimension).collect::<Vec<_>>());
        let term = self.closer.close(&self.names, self.file, &lifted);
        self.names.local.clear();
        let term = term?;
        if is_random(&term.expr) {
            let help = "weights of a connection can be drawn about data, `weight: data[\"w\"] * normal(1 mV, 0.1 mV)`; else draw them where the data are made";
            let wrong = Diagnostic::new(Code::E0305, "data cannot be random", ast.span, "drawn anew in every run");
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        }
        let shape = shape.to_vec();
        Some(Data::Array(Array::computed(term.expr, arrays, shape, term.dimension)))
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
            now = nexts.iter().map(|next| crate::analyse::evaluate::evaluate(next, &now, &[])).collect();
        }
        let arrays = start.iter().zip(series).zip(firsts).map(|(((name, _), values), first)| {
            let tensor = Tensor { name: name.text.clone(), shape: vec![steps], data: TensorData::F64(values) };
            (name.text.clone(), Data::Array(Array::known(tensor, first.dimension)))
        });
        Some(Data::Table(arrays.collect()))
    }

    /// Gives an array to the program that is read by [`Elaborator::read_kept`], when all shapes have been compared.
    pub fn keep_later(&mut self, array: Array, span: Span) -> TensorId {
        let id = TensorId(self.tensors.len() as u32);
        let (name, shape) = (array.name.clone(), array.shape.clone());
        self.tensors.push(Tensor { name, shape, data: TensorData::U8(Vec::new()) });
        self.unread.push((id, array, span));
        id
    }

    /// Reads what was kept for later.
    pub fn read_kept(&mut self) {
        for (id, array, span) in std::mem::take(&mut self.unread) {
            if let Some(tensor) = self.loaded(&array, span).and_then(|tensor| self.finite(tensor, span)) {
                self.tensors[id.index()] = tensor;
            }
        }
    }

    /// Gives a tensor to the program; every number of it must be one.
    pub fn keep(&mut self, tensor: Tensor, span: Span) -> Option<TensorId> {
        let tensor = self.finite(tensor, span)?;
        self.tensors.push(tensor);
        Some(TensorId(self.tensors.len() as u32 - 1))
    }

    /// A tensor whose every number is one.
    fn finite(&mut self, tensor: Tensor, span: Span) -> Option<Tensor> {
        let bad = match &tensor.data {
            TensorData::U8(_) | TensorData::I64(_) => None,
            TensorData::F32(values) => values.iter().position(|value| !value.is_finite()),
            // In single precision that would be infinite.
            TensorData::F64(values) => values.iter().position(|value| !(*value as f32).is_finite()),
        };
        if let Some(index) = bad {
            let mut place = Vec::new();
            let mut rest = index;
            for size in tensor.shape.iter().rev() {
                place.insert(0, (rest % size).to_string());
                rest /= size;
            }
            let message = format!("`{}` holds {:?} at [{}]", tensor.name, tensor.data.get(index), place.join(", "));
            let why = match tensor.data.get(index).is_finite() {
                true => "too large: numbers go to 3.4e38",
                false => "every number of it must be finite",
            };
            self.error(Code::E0307, message, span, why);
            return None;
        }
        Some(tensor)
    }
}
