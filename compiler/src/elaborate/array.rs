//! Arrays of data: shapes are known at once, numbers are read and computed only where they are needed.

use std::sync::Arc;

use nmc_program::{Tensor, TensorData};

use crate::files::{DataFile, FileProblem};
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;

/// Numbers in SI units.
#[derive(Debug, Clone)]
pub struct Array {
    /// Where it comes from, for messages: `mnist.npz: x`.
    pub name: String,
    pub shape: Vec<usize>,
    pub dimension: Dimension,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Known(Arc<Tensor>),
    /// The array of this number.
    Stored(Arc<DataFile>, usize),
    /// First and past-last entry along the first axes.
    Cut(Arc<Array>, Vec<(usize, usize)>),
    Transposed(Arc<Array>),
    /// Element by element; `Symbol::Input(n)` is the n-th array.
    Computed(Expr, Arc<[Array]>),
}

impl Array {
    /// Numbers that are there.
    pub fn known(tensor: Tensor, dimension: Dimension) -> Array {
        let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
        Array { name, shape, dimension, source: Source::Known(Arc::new(tensor)) }
    }

    /// An array of a file, by its number there.
    pub fn stored(file: &Arc<DataFile>, index: usize, name: String) -> Result<Array, FileProblem> {
        let shape = file.arrays[index].shape.clone()?;
        Ok(Array { name, shape, dimension: Dimension::NONE, source: Source::Stored(file.clone(), index) })
    }

    /// The entries within ranges along the first axes, which lie within its shape; the result has the shape given.
    pub fn cut(self, ranges: Vec<(usize, usize)>, shape: Vec<usize>) -> Array {
        Array { name: self.name.clone(), shape, dimension: self.dimension, source: Source::Cut(Arc::new(self), ranges) }
    }

    /// A matrix with rows for columns.
    pub fn transposed(self) -> Array {
        let shape = self.shape.iter().rev().copied().collect();
        let (name, dimension) = (self.name.clone(), self.dimension);
        Array { name, shape, dimension, source: Source::Transposed(Arc::new(self)) }
    }

    /// An expression over arrays of this shape, or of none; there is at least one.
    pub fn computed(expr: Expr, arrays: Vec<Array>, shape: Vec<usize>, dimension: Dimension) -> Array {
        let name = arrays[0].name.clone();
        Array { name, shape, dimension, source: Source::Computed(expr, arrays.into()) }
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The numbers.
    pub fn tensor(&self) -> Result<Tensor, FileProblem> {
        let data = match &self.source {
            Source::Known(tensor) => tensor.data.clone(),
            Source::Stored(file, index) => {
                let tensor = file.arrays[*index].tensor()?;
                if tensor.shape != self.shape {
                    return Err(FileProblem::Unreadable(format!("{} changes while it is read", self.name)));
                }
                tensor.data.clone()
            }
            Source::Cut(whole, ranges) => {
                let mut places = vec![0];
                let mut block = whole.len();
                for (&(low, high), &size) in ranges.iter().zip(&whole.shape) {
                    block /= size.max(1);
                    places = places.iter().flat_map(|start| (low..high).map(move |at| start + at * block)).collect();
                }
                gather(&whole.tensor()?.data, &places, block)
            }
            Source::Transposed(matrix) => {
                let (rows, columns) = (matrix.shape[0], matrix.shape[1]);
                let places: Vec<usize> = (0..rows * columns).map(|at| at % rows * columns + at / rows).collect();
                gather(&matrix.tensor()?.data, &places, 1)
            }
            Source::Computed(expr, arrays) => {
                let arrays: Vec<Tensor> = arrays.iter().map(Array::tensor).collect::<Result<_, _>>()?;
                TensorData::F64(match column(expr, &arrays) {
                    Column::Values(values) => values,
                    Column::Scalar(value) => vec![value; self.len()],
                })
            }
        };
        Ok(Tensor { name: self.name.clone(), shape: self.shape.clone(), data })
    }
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
fn column(expr: &Expr, arrays: &[Tensor]) -> Column {
    match expr {
        Expr::Number(value) => Column::Scalar(*value),
        Expr::Symbol(Symbol::Input(index)) => {
            let data = &arrays[*index].data;
            match arrays[*index].shape.is_empty() {
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
