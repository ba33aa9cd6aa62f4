//! Matrices: weights into conductances and back, and products with read noise.

use nmc_program::{Draw, Matrix, Program, WeightSource};
use serde::{Deserialize, Serialize};

use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::math::Arithmetic;
use crate::random::Key;
use crate::state::{Buffer, Clock};

/// Weights found by a fit: [outputs, inputs].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    pub outputs: usize,
    pub inputs: usize,
    pub weights: Vec<f64>,
}

/// A matrix as it is used.
#[derive(Debug, Clone, Default)]
pub struct Effective<T> {
    /// [rows, cols]
    pub weights: Vec<T>,
    /// Variance of one read, [rows, cols]; empty: noiseless.
    pub variance: Vec<T>,
    /// Joules of reading a row with an input of 1, by row; empty: not counted.
    pub row_energy: Vec<f64>,
}

/// Weight of input `row` and output `col`.
fn weight(program: &Program, matrix: &Matrix, fitted: &[Fitted], row: usize, col: usize) -> f64 {
    match matrix.weights {
        WeightSource::Tensor { tensor, output_start, input_start } => {
            let tensor = &program.tensors[tensor.index()];
            let inputs = tensor.shape.last().copied().unwrap_or(1);
            tensor.data.get((output_start + col) * inputs + input_start + row)
        }
        WeightSource::Fitted { fit, output_start, input_start } => fitted.get(fit).map_or(0.0, |found| {
            found.weights.get((output_start + col) * found.inputs + input_start + row).copied().unwrap_or(0.0)
        }),
    }
}

/// The largest |w| of the whole layer.
fn largest(program: &Program, matrix: &Matrix, fitted: &[Fitted]) -> f64 {
    match matrix.weights {
        WeightSource::Tensor { tensor, .. } => {
            let data = &program.tensors[tensor.index()].data;
            (0..data.len()).map(|index| data.get(index).abs()).fold(0.0, f64::max)
        }
        WeightSource::Fitted { fit, .. } => {
            fitted.get(fit).map_or(0.0, |found| found.weights.iter().map(|w| w.abs()).fold(0.0, f64::max))
        }
    }
}

/// Weights as given, for a matrix without cells.
pub fn exact<T: Computable>(program: &Program, matrix: &Matrix, fitted: &[Fitted]) -> Effective<T> {
    let cells = (0..matrix.rows * matrix.cols).map(|index| (index / matrix.cols, index % matrix.cols));
    let weights = cells.map(|(row, col)| T::of(weight(program, matrix, fitted, row, col))).collect();
    Effective { weights, ..Effective::default() }
}

/// The nearest whole number, of two the even one, for numbers below 2^50: adding 1.5 x 2^52 leaves no bits for a fraction. Without
/// a call into the library, as which it would be compiled for processors of every age.
fn nearest(number: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (number + SHIFT) - SHIFT
}

/// Conductances asked for: plus and minus cell of each weight.
pub fn target<T: Computable>(program: &Program, matrix: &Matrix, fitted: &[Fitted], buffers: &mut [Buffer<T>]) {
    let Some(cells) = &matrix.cells else { return };
    let w_max = cells.w_max.unwrap_or_else(|| largest(program, matrix, fitted));
    let span = cells.g_max - cells.g_min;
    let rounded = |share: f64| match cells.levels {
        Some(levels) if levels > 1 => nearest(share * f64::from(levels - 1)) / f64::from(levels - 1),
        Some(_) | None => share,
    };
    let out = buffers[cells.conductance.index()].lane_mut(0);
    for row in 0..matrix.rows {
        for col in 0..matrix.cols {
            let w = weight(program, matrix, fitted, row, col);
            let share = if w_max > 0.0 { (w / w_max).clamp(-1.0, 1.0) } else { 0.0 };
            let (plus, minus) = if cells.reference {
                (cells.g_min + span * rounded(0.5 + 0.5 * share), cells.g_min + 0.5 * span)
            } else {
                (cells.g_min + span * rounded(share.max(0.0)), cells.g_min + span * rounded((-share).max(0.0)))
            };
            let at = 2 * (row * matrix.cols + col);
            out[at] = T::of(plus);
            out[at + 1] = T::of(minus);
        }
    }
}

/// Effective weights and read variances from the cells' conductances.
pub fn fold<T: Computable>(
    program: &Program,
    matrix: &Matrix,
    fitted: &[Fitted],
    buffers: &[Buffer<T>],
) -> Effective<T> {
    let Some(cells) = &matrix.cells else { return exact(program, matrix, fitted) };
    let w_max = cells.w_max.unwrap_or_else(|| largest(program, matrix, fitted));
    let scale = if cells.reference { 2.0 } else { 1.0 } * w_max / (cells.g_max - cells.g_min);
    let conductance = buffers[cells.conductance.index()].lane(0);
    let pairs = conductance.chunks_exact(2);
    let weights = pairs.clone().map(|pair| T::of((pair[0].wide() - pair[1].wide()) * scale)).collect();
    let joules = cells.read_voltage * cells.read_voltage * cells.read_time;
    let row_energy =
        conductance.chunks(2 * matrix.cols.max(1)).map(|row| row.iter().map(|g| g.wide()).sum::<f64>() * joules);
    let variance = cells.read_sigma.map_or_else(Vec::new, |sigma| {
        let pairs = buffers[sigma.index()].lane(0).chunks_exact(2);
        pairs.map(|pair| T::of((pair[0].wide().powi(2) + pair[1].wide().powi(2)) * scale * scale)).collect()
    });
    Effective { weights, variance, row_energy: row_energy.collect() }
}

/// Where a product reads and writes: array and first element.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub input: (usize, usize),
    pub output: (usize, usize),
}

/// One product for `lanes` lanes, the sample of lane `l` being `clock.sample + l`. Returns the joules of reading, summed
/// over lanes. The product always spans the same number of lanes for a given phase, so that its bits never depend on the split.
pub fn multiply<T: Computable + Product>(
    matrix: &Matrix,
    effective: &Effective<T>,
    buffers: &mut [Buffer<T>],
    lanes: usize,
    used: usize,
    ports: Ports,
    clock: Clock,
) -> f64 {
    let (rows, cols) = (matrix.rows, matrix.cols);
    let mut x = Vec::with_capacity(lanes * rows);
    for lane in 0..lanes {
        x.extend_from_slice(&buffers[ports.input.0].lane(lane)[ports.input.1..ports.input.1 + rows]);
    }
    let mut y = vec![T::default(); lanes * cols];
    T::product(lanes, rows, cols, &x, &effective.weights, &mut y);
    let mut energy = 0.0;
    if !effective.row_energy.is_empty() {
        let mut squares = vec![0.0; rows];
        for lane in x.chunks_exact(rows).take(used) {
            squares.iter_mut().zip(lane).for_each(|(sum, x)| *sum += x.wide() * x.wide());
        }
        energy = squares.iter().zip(&effective.row_energy).map(|(sum, joules)| sum * joules).sum();
    }
    if !effective.variance.is_empty() {
        let mut unit = T::UNIT;
        for value in &mut x {
            *value = unit.multiply(*value, *value);
        }
        let mut variance = vec![T::default(); lanes * cols];
        T::product(lanes, rows, cols, &x, &effective.variance, &mut variance);
        let mut normals = vec![T::default(); cols];
        let lanes = y.chunks_exact_mut(cols).zip(variance.chunks_exact(cols)).take(used);
        for (lane, (values, variances)) in lanes.enumerate() {
            let (component, tick, sample) = (matrix.component, clock.tick as u32, clock.sample as u32 + lane as u32);
            let key = Key { seed: clock.seed, component, element: 0, number: 0, tick, sample };
            T::draw_all(key, Draw::Normal, &mut normals);
            for ((value, variance), normal) in values.iter_mut().zip(variances).zip(&normals) {
                let sigma = unit.square_root(*variance);
                let noise = unit.multiply(sigma, *normal);
                *value = unit.add(*value, noise);
            }
        }
    }
    for lane in 0..lanes {
        buffers[ports.output.0].lane_mut(lane)[ports.output.1..ports.output.1 + cols]
            .copy_from_slice(&y[lane * cols..(lane + 1) * cols]);
    }
    energy
}
