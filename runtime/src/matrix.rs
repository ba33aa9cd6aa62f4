//! Matrices: weights into conductances and back.

use std::sync::Arc;

use nmc_program::{Cells, Current, Matrix, Program, Scheme, WeightSource};
use serde::{Deserialize, Serialize};

use crate::arrays::Seen;
use crate::interpreter::Computable;
use crate::normalised::Shared;
use crate::solved::{Array, Solved};
use crate::state::{Buffer, Real};
use crate::telegraph::{Telegraph, Traps};
use crate::wires::Wiring;

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
    pub noise: Noise<T>,
    /// None: cells without traps.
    pub telegraph: Option<Telegraph>,
    /// Joules of reading a row with an input of 1, by row; empty: not counted. Of pulses they grow with the input, else with its square.
    pub row_energy: Vec<f64>,
    /// The same where rows meet through resisting wires, of each pair of rows, [rows, rows]: grows with the product of both inputs,
    /// or with the time both pulses last.
    pub pair_energy: Vec<T>,
    pub pulses: bool,
    /// Siemens of the cells of each output together, which conduct when columns are driven; empty without cells.
    pub column_siemens: Vec<f64>,
    /// Instead of all these: the array is solved for every input, volts and amperes in the units of the matrix.
    pub solved: Option<Arc<Solved>>,
    /// Cells whose current is no multiple of the voltage are computed for every input.
    pub curved: Option<Curved>,
    /// By what each output is scaled to make up for wires; empty: by nothing.
    pub scales: Vec<f64>,
}

/// Variances of one read, of each output and, last, of the cells that all columns share, if there are any: all [rows, width] or [width].
/// A variance is the sum over rows of `square` x^2.
#[derive(Debug, Clone, Default)]
pub struct Noise<T> {
    /// Outputs, and one if columns share cells; 0: noiseless.
    pub width: usize,
    pub square: Vec<T>,
    /// Of columns that are divided by their conductances, which change, too.
    pub shared: Option<Shared<T>>,
}

/// Cells whose current is no multiple of the voltage.
#[derive(Debug, Clone)]
pub struct Curved {
    pub current: Current,
    /// Conductances.
    pub held: Arc<[f64]>,
    /// Standard deviations of a read; empty: noiseless, or the kernel draws what reads see.
    pub sigma: Arc<[f64]>,
    pub scheme: Scheme,
    /// Of an output for an ampere; seconds of a read.
    pub scale: f64,
    pub seconds: f64,
    pub traps: Vec<Traps>,
    /// None: ideal wires.
    pub wiring: Option<Wiring>,
    pub tolerance: f64,
    pub pulses: bool,
}

impl<T: Real> Effective<T> {
    /// Times what its weights come nearest to these, in least squares; 0: they have nothing to do with them. What cells lose alike it makes up for, and what
    /// they lose one by one it does not make larger: the mean |w| of weights between two cells that both drift grows by their spread.
    pub fn nearest(&self, fresh: &[T]) -> f64 {
        let each = || self.weights.iter().map(|w| w.wide());
        let square: f64 = each().map(|w| w * w).sum();
        let product: f64 = each().zip(fresh).map(|(w, fresh)| w * fresh.wide()).sum();
        if square > 0.0 { (product / square).max(0.0) } else { 0.0 }
    }

    /// Scales each output to come as near as it can to that of a matrix that is to be.
    pub fn fit(&mut self, wanted: &Effective<T>, cols: usize) {
        let (mut product, mut square) = (vec![0.0; cols], vec![0.0; cols]);
        for (at, (seen, wanted)) in self.weights.iter().zip(&wanted.weights).enumerate() {
            product[at % cols] += seen.wide() * wanted.wide();
            square[at % cols] += seen.wide() * seen.wide();
        }
        let scale = |(p, s): (&f64, &f64)| if *s > 0.0 && *p > 0.0 { p / s } else { 1.0 };
        self.scaled(product.iter().zip(&square).map(scale).collect());
    }

    /// Scales each output by so much.
    pub fn scaled(&mut self, mut scales: Vec<f64>) {
        let cols = scales.len();
        self.scales.clone_from(&scales);
        self.weights.iter_mut().enumerate().for_each(|(at, w)| *w = T::of(w.wide() * scales[at % cols]));
        if let Some(telegraph) = &mut self.telegraph {
            telegraph.scales.iter_mut().zip(&scales).for_each(|(of, scale)| *of *= scale);
        }
        // What columns share is scaled with each of them: by their mean.
        scales.push(scales.iter().sum::<f64>() / cols.max(1) as f64);
        let Noise { width, square, .. } = &mut self.noise;
        let width = (*width).max(1);
        square.iter_mut().enumerate().for_each(|(at, v)| *v = T::of(v.wide() * scales[at % width].powi(2)));
    }

    /// As read with a voltage that is so many times higher.
    pub fn raise(&mut self, factor: f64) {
        let square = factor * factor;
        if let Some(curved) = &mut self.curved {
            curved.current.full *= factor;
            curved.current.one *= factor;
        }
        if let Some(telegraph) = &mut self.telegraph {
            telegraph.scales.iter_mut().for_each(|scale| *scale *= factor);
        }
        if let Some(solved) = &mut self.solved {
            let solved = Arc::make_mut(solved);
            (solved.scale, solved.joules) = (solved.scale * factor, solved.joules * square);
        }
        if let Some(shared) = &mut self.noise.shared {
            shared.raise(factor);
        }
        self.weights.iter_mut().for_each(|w| *w = T::of(w.wide() * factor));
        let all = self.noise.square.iter_mut().chain(&mut self.pair_energy);
        all.for_each(|v| *v = T::of(v.wide() * square));
        self.row_energy.iter_mut().chain(&mut self.column_siemens).for_each(|v| *v *= square);
    }
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
        // Its array has them, in the order of an effective matrix.
        WeightSource::Held(_) => 0.0,
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
        WeightSource::Held(_) => 0.0,
    }
}

/// Weights as given, for a matrix without cells.
pub fn exact<T: Computable>(
    program: &Program,
    matrix: &Matrix,
    fitted: &[Fitted],
    buffers: &[Buffer<T>],
) -> Effective<T> {
    if let WeightSource::Held(array) = matrix.weights {
        return Effective { weights: buffers[array.index()].lane(0).to_vec(), ..Effective::default() };
    }
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
    let own = match matrix.weights {
        WeightSource::Held(array) => Some(buffers[array.index()].lane(0).to_vec()),
        WeightSource::Tensor { .. } | WeightSource::Fitted { .. } => None,
    };
    let out = buffers[cells.conductance.index()].lane_mut(0);
    let held = |share: f64| T::of(cells.g_min + span * share.clamp(0.0, 1.0));
    for row in 0..matrix.rows {
        let out = &mut out[row * width..(row + 1) * width];
        for col in 0..matrix.cols {
            let w = match &own {
                Some(own) => own[row * matrix.cols + col].wide(),
                None => weight(program, matrix, fitted, row, col),
            };
            let share = if w_max > 0.0 { (w / w_max).clamp(-1.0, 1.0) } else { 0.0 };
            match cells.scheme {
                Scheme::Differential => {
                    out[2 * col] = held(rounded(cells.rest + share.max(0.0)));
                    out[2 * col + 1] = held(rounded(cells.rest + (-share).max(0.0)));
                }
                Scheme::Reference => out[col] = held(rounded(cells.rest + 0.5 * share)),
                Scheme::Single => out[col] = held(rounded(share.max(0.0))),
                Scheme::Digit { digit, digits } => {
                    let levels = digit_levels(cells);
                    let codes = levels.powi(digits as i32);
                    // Of very many codes the last may be rounded up to one that is not there.
                    let code = nearest((0.5 + 0.5 * share) * (codes - 1.0)).min(codes.next_down());
                    let value = (code / levels.powi(digit as i32)).floor() % levels;
                    out[col] = held(value / (levels - 1.0));
                }
            }
        }
        match cells.scheme {
            Scheme::Differential | Scheme::Single => {}
            Scheme::Reference => out[matrix.cols] = held(cells.rest),
            Scheme::Digit { .. } => out[matrix.cols] = held(0.0),
        }
    }
}

/// Values of a digit.
fn digit_levels(cells: &Cells) -> f64 {
    f64::from(cells.levels.unwrap_or(1 << 16).max(2))
}

/// Of an effective weight a siemens.
pub fn scale(program: &Program, matrix: &Matrix, cells: &Cells, fitted: &[Fitted]) -> f64 {
    let w_max = cells.w_max.unwrap_or_else(|| largest(program, matrix, fitted));
    let range = match cells.scheme {
        Scheme::Differential | Scheme::Single => w_max,
        Scheme::Reference => 2.0 * w_max,
        Scheme::Digit { .. } => digit_levels(cells) - 1.0,
    };
    range / (cells.g_max - cells.g_min)
}

/// What cells give together: outputs from the cells of a row, or from the currents of columns.
pub fn outputs(scheme: Scheme, cols: usize, cells: &[f64]) -> impl Iterator<Item = f64> + '_ {
    let last = cells.last().copied().unwrap_or_default();
    (0..cols).map(move |col| match scheme {
        Scheme::Differential => cells[2 * col] - cells[2 * col + 1],
        Scheme::Single => cells[col],
        Scheme::Reference | Scheme::Digit { .. } => cells[col] - last,
    })
}

/// Effective weights from the cells' conductances, as their columns see them where wires resist; where not, what reads of them vary by, too.
pub fn fold<T: Computable>(
    program: &Program,
    matrix: &Matrix,
    fitted: &[Fitted],
    buffers: &[Buffer<T>],
    seen: Option<&Seen>,
) -> Effective<T> {
    let Some(cells) = &matrix.cells else { return exact(program, matrix, fitted, buffers) };
    let scale = scale(program, matrix, cells, fitted);
    let width = cells.scheme.cells(1, matrix.cols).max(1);
    let aged = buffers[cells.aged.index()].lane(0);
    let joules = cells.read_voltage * cells.read_voltage * cells.read_time;
    let mut folded = Effective { pulses: cells.pulses, ..Effective::default() };
    folded.weights.reserve(matrix.rows * matrix.cols);
    let sigma = cells.read_sigma.map(|sigma| buffers[sigma.index()].lane(0));
    let signs = cells.signs.map(|signs| buffers[signs.index()].lane(0));
    let mut row = vec![0.0; width];
    folded.column_siemens = vec![0.0; matrix.cols];
    let of_output = cells.scheme.cells(1, matrix.cols) / matrix.cols.max(1);
    let mut siemens = Vec::new();
    for index in 0..matrix.rows {
        let at = index * width..(index + 1) * width;
        row.iter_mut().zip(&aged[at.clone()]).for_each(|(row, aged)| *row = aged.wide());
        let columns = folded.column_siemens.iter_mut().zip(row.chunks(of_output.max(1)));
        columns.for_each(|(sum, cells)| *sum += cells.iter().sum::<f64>());
        if seen.is_none() {
            // The digits of a weight lie in one array, whose column of zeros is read once.
            let read = &row[..cells.scheme.own(matrix.cols)];
            folded.row_energy.push(read.iter().sum::<f64>() * joules);
        }
        if let Some(seen) = seen {
            row.copy_from_slice(&seen.siemens[at.clone()]);
        }
        if !cells.normalised.is_empty() {
            siemens.extend(outputs(cells.scheme, matrix.cols, &row));
        }
        let scale = signs.map_or(scale, |signs| scale * signs[index].wide());
        folded.weights.extend(outputs(cells.scheme, matrix.cols, &row).map(|siemens| T::of(siemens * scale)));
    }
    if seen.is_none() && (!cells.telegraph.is_empty() || cells.flicker.is_some()) {
        let scales = vec![scale; matrix.cols];
        folded.telegraph = Some(Telegraph { traps: traps(cells, buffers), scheme: cells.scheme, scales });
    }
    if let (None, Some(sigma)) = (seen, sigma) {
        folded.noise = noise(matrix, cells, sigma, scale);
    }
    folded.pair_energy = seen.map_or_else(Vec::new, |seen| seen.rows.iter().map(|g| T::of(g * joules)).collect());
    if !cells.normalised.is_empty() {
        folded.normalise(matrix, cells, sigma, &siemens, (scale, joules));
    }
    folded
}

/// What fluctuates in the cells of a matrix as time goes on.
pub fn traps<T: Computable>(cells: &Cells, buffers: &[Buffer<T>]) -> Vec<Traps> {
    let all = |array: nmc_program::ArrayId| -> Vec<f64> {
        buffers[array.index()].lane(0).iter().map(|number| number.wide()).collect()
    };
    let each = cells.telegraph.iter();
    let each =
        each.map(|trap| Traps::new(trap.component, all(trap.amplitude), &all(trap.capture), &all(trap.emission)));
    let flicker = cells.flicker.iter().flat_map(|of| Traps::flicker(of.component, &all(of.sigma), &of.taus));
    each.chain(flicker).collect()
}

/// Read noise of cells with these standard deviations.
fn noise<T: Real>(matrix: &Matrix, cells: &Cells, sigma: &[T], scale: f64) -> Noise<T> {
    let all = cells.scheme.cells(1, matrix.cols);
    let (of_output, width) = if cells.scheme == Scheme::Differential { (2, matrix.cols) } else { (1, all) };
    let variance = |sigma: &T| (sigma.wide() * scale).powi(2);
    let of_row = |sigma: &[T]| -> Vec<T> {
        sigma.chunks_exact(of_output).map(|cells| T::of(cells.iter().map(variance).sum())).collect()
    };
    Noise { width, square: sigma.chunks_exact(all).flat_map(of_row).collect(), shared: None }
}

/// The matrix on its array, of which its first row is told, to be solved for every input; `before`: what it was, which it stays but for its
/// products, or nothing.
pub fn solved<T: Computable>(
    program: &Program,
    matrix: &Matrix,
    fitted: &[Fitted],
    buffers: &[Buffer<T>],
    (array, first): (Arc<Array>, usize),
    tolerance: f64,
    before: Effective<T>,
) -> Effective<T> {
    let Some(cells) = &matrix.cells else { return before };
    let scale = scale(program, matrix, cells, fitted);
    // What pairs of rows take is known from before.
    let joules = cells.read_voltage * cells.read_voltage * cells.read_time;
    let joules = if before.weights.is_empty() { joules } else { 0.0 };
    let signs = cells.signs.map_or_else(Vec::new, |signs| widened(buffers[signs.index()].lane(0)));
    let scales = before.scales.clone();
    let solved = Solved { array, first, scheme: cells.scheme, signs, scales, scale, joules, tolerance };
    Effective { solved: Some(Arc::new(solved)), ..before }
}

fn widened<T: Real>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|number| number.wide()).collect()
}

/// A matrix of cells whose current is no multiple of the voltage; its weights are what they would be if it were.
pub fn curved<T: Computable>(
    program: &Program,
    matrix: &Matrix,
    fitted: &[Fitted],
    buffers: &[Buffer<T>],
    wiring: Option<Wiring>,
    tolerance: f64,
) -> Option<Effective<T>> {
    let cells = matrix.cells.as_ref()?;
    let current = cells.current.clone()?;
    // Full range is what makes a weight of full range.
    let scale = scale(program, matrix, cells, fitted) * (cells.g_max - cells.g_min) / current.range * current.full
        / current.one;
    let held = buffers[cells.aged.index()].lane(0);
    let (scheme, seconds, pulses) = (cells.scheme, cells.read_time, cells.pulses);
    let (held, traps) = (widened(held).into(), traps(cells, buffers));
    let sigma = cells.read_sigma.map_or_else(Vec::new, |sigma| widened(buffers[sigma.index()].lane(0))).into();
    let curved = Curved { current, held, sigma, scheme, scale, seconds, traps, wiring, tolerance, pulses };
    let weights = fold(program, matrix, fitted, buffers, None).weights;
    Some(Effective { weights, curved: Some(curved), ..Effective::default() })
}
