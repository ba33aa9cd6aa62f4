//! Reads of cells whose current is no multiple of the voltage: cell by cell where wires are ideal, by Newton's method where they resist.

use nmc_program::{Draw, Matrix};

use crate::interpreter::Computable;
use crate::matrix::{Curved, outputs};
use crate::random::Key;
use crate::state::{Buffer, Clock, Kernels};
use crate::wires::{Solution, Wires, Wiring};

/// Steps of Newton's method, and halvings of one.
const STEPS: usize = 200;
const HALVINGS: usize = 40;

impl Curved {
    /// Outputs for one input; returns joules. `clock` with the number of the read in its sample, and its time.
    pub fn read<T: Computable>(
        &self,
        matrix: &Matrix,
        kernels: &dyn Kernels<T>,
        buffers: &mut [Buffer<T>],
        x: &[T],
        y: &mut [T],
        (clock, number, time): (Clock, u32, f64),
    ) -> f64 {
        let width = self.scheme.cells(1, matrix.cols);
        let mut held = self.held.to_vec();
        for traps in &self.traps {
            traps.each(clock.seed, &[time], |cell, _, siemens| held[cell] = (held[cell] + siemens).max(0.0));
        }
        // What noise does to a current that bends is no share of it.
        if !self.sigma.is_empty() {
            let (seed, component, tick) = (clock.seed, matrix.component, clock.tick as u32);
            let mut normals = vec![T::default(); held.len()];
            let key = Key { seed, component, element: 0, number, tick, sample: clock.sample as u32 };
            T::draw_all(key, Draw::Normal, &mut normals);
            let noise = self.sigma.iter().zip(&normals).map(|(sigma, normal)| sigma * normal.wide());
            held.iter_mut().zip(noise).for_each(|(held, noise)| *held = (*held + noise).max(0.0));
        }
        // What cells draw is drawn for every read.
        let mut cells = Cells { curved: self, held, kernels, buffers, clock: clock.of_spike(number as usize), width };
        // Pulses are all of one height, and last as long as inputs are large.
        let one = |x: &T| if self.pulses { self.current.full * sign(x.wide()) } else { x.wide() * self.current.one };
        let volts: Vec<f64> = x.iter().map(one).collect();
        let lasts = |row: usize| if self.pulses { x[row].wide().abs() } else { 1.0 };
        let (mut columns, mut joules) = (vec![0.0; width], 0.0);
        let (amperes, solved) = match self.wiring {
            None => {
                let across: Vec<f64> = volts.iter().flat_map(|volt| std::iter::repeat_n(*volt, width)).collect();
                (cells.currents(&across).0, None)
            }
            Some(wiring) => {
                let (amperes, found) = cells.solve(wiring, &volts, self.tolerance);
                (amperes, Some(found))
            }
        };
        for (row, amperes) in amperes.chunks_exact(width).enumerate() {
            let part = lasts(row);
            for (index, ampere) in amperes.iter().enumerate() {
                columns[index] += ampere * part;
            }
            joules += volts[row] * amperes.iter().sum::<f64>() * part * self.seconds;
        }
        if let Some(found) = solved {
            columns = found.column_amperes;
            joules = volts.iter().zip(&found.row_amperes).map(|(volt, ampere)| volt * ampere * self.seconds).sum();
        }
        let scale = if self.pulses { self.scale * self.current.one / self.current.full } else { self.scale };
        let of_columns = outputs(self.scheme, matrix.cols, &columns);
        y.iter_mut().zip(of_columns).for_each(|(y, amperes)| *y = T::of(amperes * scale));
        joules
    }
}

impl Curved {
    /// Volts across each cell and amperes through it, [row][col], and those of ideal wires, with these volts at the rows.
    pub fn map<T: Computable>(
        &self,
        matrix: &Matrix,
        kernels: &dyn Kernels<T>,
        buffers: &mut [Buffer<T>],
        volts: &[f64],
        clock: Clock,
    ) -> [Vec<f64>; 3] {
        let width = self.scheme.cells(1, matrix.cols);
        let mut cells = Cells { curved: self, held: self.held.to_vec(), kernels, buffers, clock, width };
        let rows: Vec<f64> = volts.iter().flat_map(|volt| std::iter::repeat_n(*volt, width)).collect();
        let ideal = cells.currents(&rows).0;
        let Some(wiring) = self.wiring else { return [rows, ideal.clone(), ideal] };
        let (amperes, found) = cells.solve(wiring, volts, self.tolerance);
        let across = found.row_volts.iter().zip(&found.column_volts).map(|(u, v)| u - v).collect();
        [across, amperes, ideal]
    }
}

/// -1, 0 or 1.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

/// The cells of a matrix, and how to ask what they conduct.
struct Cells<'a, T: Computable> {
    curved: &'a Curved,
    held: Vec<f64>,
    kernels: &'a dyn Kernels<T>,
    buffers: &'a mut [Buffer<T>],
    clock: Clock,
    /// Of a row.
    width: usize,
}

impl<T: Computable> Cells<'_, T> {
    /// Amperes and slopes at these volts across the cells.
    fn currents(&mut self, across: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let current = &self.curved.current;
        for (array, values) in [(current.volts, across), (current.siemens, &self.held)] {
            let into = self.buffers[array.index()].lane_mut(0);
            into.iter_mut().zip(values).for_each(|(into, value)| *into = T::of(*value));
        }
        self.kernels.dense(current.kernel, self.buffers, 0, across.len(), self.clock, None, None);
        let all = |array: nmc_program::ArrayId| {
            self.buffers[array.index()].lane(0).iter().map(|value| value.wide()).collect::<Vec<f64>>()
        };
        (all(current.amperes), all(current.slope))
    }

    /// Amperes through the cells, and what stands at the ends of lines, where wires resist: the linear network that touches the cells' curves
    /// is solved again and again, and a step is shortened until Kirchhoff's laws hold better than before.
    fn solve(&mut self, wiring: Wiring, volts: &[f64], tolerance: f64) -> (Vec<f64>, Solution) {
        let (rows, cols) = (volts.len(), self.width);
        // No node of a passive network lies beyond what drives it.
        let (low, high) = volts.iter().fold((0.0, 0.0), |(low, high), &v| (f64::min(low, v), f64::max(high, v)));
        let goal = if tolerance > 1e-10 { 1e-6 } else { 1e-12 } * f64::max(high, -low);
        let mut u: Vec<f64> = volts.iter().flat_map(|volt| std::iter::repeat_n(*volt, cols)).collect();
        let mut v = vec![0.0; rows * cols];
        let across = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u - v).collect::<Vec<f64>>();
        let (mut amperes, mut slopes) = self.currents(&across(&u, &v));
        let mut left = unbalanced(wiring, volts, cols, (&u, &v), &amperes);
        let mut found = Solution::default();
        for _ in 0..STEPS {
            slopes.iter_mut().for_each(|slope| *slope = slope.max(0.0));
            let now = across(&u, &v);
            let sources: Vec<f64> =
                amperes.iter().zip(&slopes).zip(&now).map(|((ampere, slope), now)| ampere - slope * now).collect();
            let wires = Wires::new(rows, cols, &slopes, wiring);
            wires.solve_with_sources(volts, &sources, tolerance, &mut found);
            let (mut part, mut moved) = (1.0, 0.0);
            for halving in 0..HALVINGS {
                let towards = |from: &[f64], to: &[f64]| {
                    from.iter().zip(to).map(|(a, b)| (a + part * (b - a)).clamp(low, high)).collect::<Vec<f64>>()
                };
                let (next_u, next_v) = (towards(&u, &found.row_volts), towards(&v, &found.column_volts));
                let (next_amperes, next_slopes) = self.currents(&across(&next_u, &next_v));
                let next_left = unbalanced(wiring, volts, cols, (&next_u, &next_v), &next_amperes);
                if next_left <= left || halving + 1 == HALVINGS {
                    let far =
                        |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs()));
                    moved = f64::max(far(&u, &next_u), far(&v, &next_v));
                    (u, v, amperes, slopes, left) = (next_u, next_v, next_amperes, next_slopes, next_left);
                    break;
                }
                part /= 2.0;
            }
            // Nearer than numbers of this width can tell, or a step that leads nowhere.
            if moved <= goal || part < 1e-9 {
                break;
            }
        }
        if wiring.segment == 0.0 {
            (found.row_amperes, found.column_amperes) = through_lines(&amperes, cols);
            (found.row_volts, found.column_volts) = (u, v);
            return (amperes, found);
        }
        let (drive, sink) = links(wiring);
        let of_row = |(row, volt): (&[f64], &f64)| {
            let other = if wiring.both_ends { volt - row[cols - 1] } else { 0.0 };
            drive * (volt - row[0] + other)
        };
        found.row_amperes = u.chunks_exact(cols).zip(volts).map(of_row).collect();
        found.column_amperes = v[(rows - 1) * cols..].iter().map(|volt| sink * volt).collect();
        (found.row_volts, found.column_volts) = (u, v);
        (amperes, found)
    }
}

/// Siemens from a driver to its row, and from a column to 0 V.
fn links(wiring: Wiring) -> (f64, f64) {
    (1.0 / (wiring.segment + wiring.driver), 1.0 / (wiring.segment + wiring.sense))
}

/// Amperes that leave each row for its cells, and that reach each column.
fn through_lines(amperes: &[f64], cols: usize) -> (Vec<f64>, Vec<f64>) {
    let of_column = |col: usize| amperes[col..].iter().step_by(cols).sum();
    (amperes.chunks_exact(cols).map(|row| row.iter().sum()).collect(), (0..cols).map(of_column).collect())
}

/// As [`unbalanced`], where each line is one node; one that nothing resists stands where it is held.
fn unbalanced_lines(wiring: Wiring, volts: &[f64], cols: usize, (u, v): (&[f64], &[f64]), amperes: &[f64]) -> f64 {
    let (out, into) = through_lines(amperes, cols);
    let ends = if wiring.both_ends { 2.0 } else { 1.0 };
    let row = |(row, volt): (usize, &f64)| match wiring.driver > 0.0 {
        true => ends * (volt - u[row * cols]) / wiring.driver - out[row],
        false => 0.0,
    };
    let column = |(col, ampere): (usize, &f64)| if wiring.sense > 0.0 { ampere - v[col] / wiring.sense } else { 0.0 };
    let left = volts.iter().enumerate().map(row).chain(into.iter().enumerate().map(column));
    left.map(|left| left * left).sum()
}

/// The sum over nodes of the square of the current that is left over there.
fn unbalanced(wiring: Wiring, volts: &[f64], cols: usize, (u, v): (&[f64], &[f64]), amperes: &[f64]) -> f64 {
    if wiring.segment == 0.0 {
        return unbalanced_lines(wiring, volts, cols, (u, v), amperes);
    }
    let (rows, wire) = (volts.len(), 1.0 / wiring.segment);
    let (drive, sink) = links(wiring);
    let mut sum = 0.0;
    for (row, volt) in volts.iter().enumerate() {
        for col in 0..cols {
            let at = row * cols + col;
            let mut into_row = -amperes[at];
            into_row += if col == 0 { drive * (volt - u[at]) } else { wire * (u[at - 1] - u[at]) };
            into_row += match col + 1 < cols {
                true => wire * (u[at + 1] - u[at]),
                false if wiring.both_ends => drive * (volt - u[at]),
                false => 0.0,
            };
            let mut into_column = amperes[at];
            into_column += if row == 0 { 0.0 } else { wire * (v[at - cols] - v[at]) };
            into_column += if row + 1 < rows { wire * (v[at + cols] - v[at]) } else { -sink * v[at] };
            sum += into_row * into_row + into_column * into_column;
        }
    }
    sum
}
