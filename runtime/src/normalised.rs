//! Columns that give a voltage: what drives their cells, weighed by conductances and divided by the sum of them.

use nmc_program::{Cells, Draw, Matrix};

use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::matrix::Effective;
use crate::random::Key;
use crate::state::Real;

/// What the noise of cells does to such columns beside what [`crate::matrix::Noise`] says: it moves the sum of conductances, too.
#[derive(Debug, Clone)]
pub struct Shared<T> {
    /// Covariance of an output, before it is divided, with the share by which its conductances change, of an input of 1: [rows, cols].
    cross: Vec<T>,
    /// Variance of that share, [cols].
    total: Vec<f64>,
}

impl<T: Real> Shared<T> {
    /// As read with a voltage that is so many times higher.
    pub fn raise(&mut self, factor: f64) {
        self.cross.iter_mut().for_each(|v| *v = T::of(v.wide() * factor));
    }
}

impl<T: Real> Effective<T> {
    /// Divides what columns would give as currents by the sums of their conductances, and multiplies it by the sums that were asked for. `siemens`: what
    /// each input and output has, [rows, cols]; `scale`: of a weight a siemens; `joules` a siemens of an input of 1.
    pub fn normalise(
        &mut self,
        matrix: &Matrix,
        cells: &Cells,
        sigma: Option<&[T]>,
        siemens: &[f64],
        (scale, joules): (f64, f64),
    ) {
        let (rows, cols, normalised) = (matrix.rows, matrix.cols, &cells.normalised);
        // A column without any conductance gives nothing.
        let inverse: Vec<f64> =
            self.column_siemens.iter().map(|siemens| if *siemens > 0.0 { 1.0 / siemens } else { 0.0 }).collect();
        let back: Vec<f64> = normalised.iter().zip(&inverse).map(|(asked, inverse)| asked * inverse).collect();
        self.weights.iter_mut().enumerate().for_each(|(at, w)| *w = T::of(w.wide() * back[at % cols]));
        // Cells take what lies between the row's voltage and the column's.
        let mut pairs = vec![T::of(0.0); rows * rows];
        for row in 0..rows {
            let own: Vec<f64> =
                siemens[row * cols..(row + 1) * cols].iter().zip(&inverse).map(|(s, inverse)| s * inverse).collect();
            for other in 0..=row {
                let of_other = &siemens[other * cols..(other + 1) * cols];
                let shared = own.iter().zip(of_other).map(|(a, b)| a * b).sum::<f64>() * joules;
                let alone = if other == row { self.row_energy[row] } else { 0.0 };
                (pairs[row * rows + other], pairs[other * rows + row]) = (T::of(alone - shared), T::of(alone - shared));
            }
        }
        (self.pair_energy, self.row_energy) = (pairs, Vec::new());
        let Some(sigma) = sigma else { return };
        let square = self.noise.square.iter_mut().enumerate();
        square.for_each(|(at, v)| *v = T::of(v.wide() * back[at % cols].powi(2)));
        let each = cells.scheme.cells(1, 1);
        let (mut cross, mut total) = (Vec::with_capacity(rows * cols), vec![0.0; cols]);
        for (at, cells) in sigma.chunks_exact(each).enumerate() {
            let variance = |cell: &T| (cell.wide() * inverse[at % cols]).powi(2);
            total[at % cols] += cells.iter().map(variance).sum::<f64>();
            // The second cell of a pair is driven with the opposite voltage.
            let signed = variance(&cells[0]) - cells.get(1).map_or(0.0, variance);
            cross.push(T::of(scale * normalised[at % cols] * signed));
        }
        self.noise.shared = Some(Shared { cross, total });
    }
}

/// Adds the noise of one read to outputs: `squares` are their variances before they are divided, `x` the inputs and `keys` the random numbers of
/// each of the vectors that are `used`. Sum and divisor are drawn together, as both hold the same cells.
pub fn add_noise<T: Computable + Product>(
    shared: &Shared<T>,
    (x, squares): (&[T], &[T]),
    y: &mut [T],
    used: usize,
    keys: impl Fn(usize) -> Key,
) {
    let cols = shared.total.len();
    let vectors = y.len() / cols.max(1);
    let mut cross = vec![T::default(); y.len()];
    T::product(vectors, shared.cross.len() / cols.max(1), cols, x, &shared.cross, &mut cross);
    let mut normals = vec![T::default(); 2 * cols];
    let each = y.chunks_exact_mut(cols).zip(squares.chunks_exact(cols)).zip(cross.chunks_exact(cols));
    for (vector, ((y, squares), cross)) in each.take(used).enumerate() {
        T::draw_all(keys(vector), Draw::Normal, &mut normals);
        let (of_total, of_sum) = normals.split_at(cols);
        for (col, y) in y.iter_mut().enumerate() {
            let total = shared.total[col].sqrt();
            let along = if total > 0.0 { cross[col].wide() / total } else { 0.0 };
            let across = (squares[col].wide() - along * along).max(0.0).sqrt();
            let sum = along * of_total[col].wide() + across * of_sum[col].wide();
            *y = T::of((y.wide() + sum) / (1.0 + total * of_total[col].wide()));
        }
    }
}
