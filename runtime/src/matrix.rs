//! Matrices: weights into conductances and back, and products with read noise.

use nmc_program::{Cells, Draw, Matrix, Program, Scheme, WeightSource};
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
    /// Variance of one read of the cells that all columns share, by row; empty: there are none, or they are noiseless.
    pub shared: Vec<f64>,
    /// Joules of reading a row with an input of 1, by row; empty: not counted. Of pulses they grow with the input, else with its square.
    pub row_energy: Vec<f64>,
    pub pulses: bool,
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
    let width = cells.scheme.cells(1, matrix.cols);
    let out = buffers[cells.conductance.index()].lane_mut(0);
    let held = |share: f64| T::of(cells.g_min + span * share);
    for row in 0..matrix.rows {
        let out = &mut out[row * width..(row + 1) * width];
        for col in 0..matrix.cols {
            let w = weight(program, matrix, fitted, row, col);
            let share = if w_max > 0.0 { (w / w_max).clamp(-1.0, 1.0) } else { 0.0 };
            match cells.scheme {
                Scheme::Differential => {
                    out[2 * col] = held(rounded(share.max(0.0)));
                    out[2 * col + 1] = held(rounded((-share).max(0.0)));
                }
                Scheme::Reference => out[col] = held(rounded(0.5 + 0.5 * share)),
                Scheme::Digit { digit, digits } => {
                    let levels = digit_levels(cells);
                    let code = nearest((0.5 + 0.5 * share) * (levels.powi(digits as i32) - 1.0));
                    let value = (code / levels.powi(digit as i32)).floor() % levels;
                    out[col] = held(value / (levels - 1.0));
                }
            }
        }
        match cells.scheme {
            Scheme::Differential => {}
            Scheme::Reference => out[matrix.cols] = held(0.5),
            Scheme::Digit { .. } => out[matrix.cols] = held(0.0),
        }
    }
}

/// Values of a digit.
fn digit_levels(cells: &Cells) -> f64 {
    f64::from(cells.levels.unwrap_or(1 << 16).max(2))
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
    let scale = match cells.scheme {
        Scheme::Differential => w_max,
        Scheme::Reference => 2.0 * w_max,
        Scheme::Digit { .. } => digit_levels(cells) - 1.0,
    } / (cells.g_max - cells.g_min);
    let width = cells.scheme.cells(1, matrix.cols).max(1);
    let conductance = buffers[cells.conductance.index()].lane(0);
    let joules = cells.read_voltage * cells.read_voltage * cells.read_time;
    let mut folded = Effective { pulses: cells.pulses, ..Effective::default() };
    let sigma = cells.read_sigma.map(|sigma| buffers[sigma.index()].lane(0));
    let square = |sigma: T| sigma.wide().powi(2) * scale * scale;
    for (index, row) in conductance.chunks_exact(width).enumerate() {
        // The digits of a weight lie in one array, whose column of zeros is read once.
        let read = if matches!(cells.scheme, Scheme::Digit { digit: 1.., .. }) { &row[..matrix.cols] } else { row };
        folded.row_energy.push(read.iter().map(|g| g.wide()).sum::<f64>() * joules);
        let sigma = sigma.map(|sigma| &sigma[index * width..(index + 1) * width]);
        match cells.scheme {
            Scheme::Differential => {
                let pairs = row.chunks_exact(2);
                folded.weights.extend(pairs.map(|pair| T::of((pair[0].wide() - pair[1].wide()) * scale)));
                let pairs = sigma.unwrap_or_default().chunks_exact(2);
                folded.variance.extend(pairs.map(|pair| T::of(square(pair[0]) + square(pair[1]))));
            }
            Scheme::Reference | Scheme::Digit { .. } => {
                let last = row[matrix.cols].wide();
                folded.weights.extend(row[..matrix.cols].iter().map(|g| T::of((g.wide() - last) * scale)));
                if let Some(sigma) = sigma {
                    folded.variance.extend(sigma[..matrix.cols].iter().map(|sigma| T::of(square(*sigma))));
                    folded.shared.push(square(sigma[matrix.cols]));
                }
            }
        }
    }
    folded
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
            match effective.pulses {
                true => squares.iter_mut().zip(lane).for_each(|(sum, x)| *sum += x.wide().abs()),
                false => squares.iter_mut().zip(lane).for_each(|(sum, x)| *sum += x.wide() * x.wide()),
            }
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
        // One more for the cells that all columns share.
        let mut normals = vec![T::default(); cols + usize::from(!effective.shared.is_empty())];
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
            if let (false, Some(normal)) = (effective.shared.is_empty(), normals.get(cols)) {
                let squares = &x[lane * rows..(lane + 1) * rows];
                let sum: f64 = squares.iter().zip(&effective.shared).map(|(x, shared)| x.wide() * shared).sum();
                let noise = T::of(sum.sqrt() * normal.wide());
                values.iter_mut().for_each(|value| *value = unit.add(*value, noise));
            }
        }
    }
    for lane in 0..lanes {
        buffers[ports.output.0].lane_mut(lane)[ports.output.1..ports.output.1 + cols]
            .copy_from_slice(&y[lane * cols..(lane + 1) * cols]);
    }
    energy
}
