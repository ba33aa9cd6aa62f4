//! Arrays whose wires are ideal while what stands at their ends resists: each line is one node.
//!
//! A row follows from the columns, u = (V + R (G v - i)) / (1 + R G 1), with R the ohms of its driver and i the sources in its cells. What is left
//! for the columns is symmetric and positive definite, and solved by conjugate gradients, preconditioned by its diagonal; where columns
//! are held without resistance they stand at the voltage of their ends.

use super::{Solution, Wires, Wiring};

impl Wires {
    /// `siemens`: [row][col]; some resistance, and no segment's.
    pub(super) fn of_lines(rows: usize, cols: usize, siemens: &[f64], wiring: Wiring) -> Self {
        let drive = wiring.driver / if wiring.both_ends { 2.0 } else { 1.0 };
        let of_rows = siemens.chunks_exact(cols).map(|cells| cells.iter().sum::<f64>());
        let along_rows = of_rows.map(|all| drive / (1.0 + drive * all)).collect();
        let of_cols = (0..cols).map(|col| siemens[col..].iter().step_by(cols).sum::<f64>());
        let along_cols = of_cols.map(|all| wiring.sense / (1.0 + wiring.sense * all)).collect();
        Wires { rows, cols, wiring, cells: siemens.to_vec(), along_rows, along_cols, drive, sink: wiring.sense }
    }

    /// As [`Wires::solve_with_sources`], or, with volts at the columns' ends, [`Wires::solve_back`]; volts of a line stand at each of its cells.
    pub(super) fn solve_lines(
        &self,
        volts: &[f64],
        (ends, sources): (&[f64], &[f64]),
        tolerance: f64,
        found: &mut Solution,
    ) {
        let cols = self.cols;
        let cells = || self.cells.chunks_exact(cols);
        let source = |at: usize| sources.get(at).copied().unwrap_or(0.0);
        // Of rows: R / (1 + R G 1) and, of the driver's voltage, 1 / (1 + R G 1).
        let share = |row: usize| if self.drive > 0.0 { self.along_rows[row] / self.drive } else { 1.0 };
        let brought = |v: &[f64], cells: &[f64]| -> f64 { cells.iter().zip(v).map(|(g, v)| g * v).sum() };
        let driven: Vec<f64> = (0..self.rows)
            .map(|row| {
                let taken: f64 = (row * cols..(row + 1) * cols).map(source).sum();
                share(row) * volts[row] - self.along_rows[row] * taken
            })
            .collect();
        let held = || (0..cols).map(|col| ends.get(col).copied().unwrap_or(0.0));
        let mut v: Vec<f64> = held().collect();
        if self.sink > 0.0 {
            v.fill(0.0);
            let mut residual: Vec<f64> = held().map(|end| end / self.sink).collect();
            for (row, cells) in cells().enumerate() {
                for (col, (left, g)) in residual.iter_mut().zip(cells).enumerate() {
                    *left += g * driven[row] + source(row * cols + col);
                }
            }
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let scaled = |residual: &[f64]| -> Vec<f64> {
                residual.iter().zip(&self.along_cols).map(|(left, inverse)| left * inverse).collect()
            };
            let mut preconditioned = scaled(&residual);
            let mut direction = preconditioned.clone();
            let mut power = product(&residual, &preconditioned);
            let goal = power * tolerance * tolerance;
            for _ in 0..4 * cols + 100 {
                if power.is_nan() || power <= goal {
                    break;
                }
                let mut image: Vec<f64> =
                    direction.iter().zip(&self.along_cols).map(|(d, inverse)| d / inverse).collect();
                for (row, cells) in cells().enumerate() {
                    let risen = self.along_rows[row] * brought(&direction, cells);
                    image.iter_mut().zip(cells).for_each(|(image, g)| *image -= g * risen);
                }
                let alpha = power / product(&image, &direction);
                v.iter_mut().zip(&direction).for_each(|(v, d)| *v += alpha * d);
                residual.iter_mut().zip(&image).for_each(|(left, image)| *left -= alpha * image);
                preconditioned = scaled(&residual);
                let left = product(&residual, &preconditioned);
                let beta = left / power;
                power = left;
                direction.iter_mut().zip(&preconditioned).for_each(|(d, p)| *d = p + beta * *d);
            }
        }
        for buffer in [&mut found.row_volts, &mut found.column_volts, &mut found.row_amperes, &mut found.column_amperes]
        {
            buffer.clear();
        }
        found.column_amperes.resize(cols, 0.0);
        for (row, cells) in cells().enumerate() {
            let u = driven[row] + self.along_rows[row] * brought(&v, cells);
            let mut all = 0.0;
            for (col, (g, v)) in cells.iter().zip(&v).enumerate() {
                let ampere = g * (u - v) + source(row * cols + col);
                all += ampere;
                found.column_amperes[col] += ampere;
            }
            found.row_amperes.push(all);
            found.row_volts.extend(std::iter::repeat_n(u, cols));
            found.column_volts.extend(&v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drivers alone, and what holds columns alone, have closed forms; with both, Kirchhoff's laws hold at every line.
    #[test]
    fn lines_that_are_nodes_obey_kirchhoffs_laws() {
        let (rows, cols) = (7, 5);
        let siemens: Vec<f64> = (0..rows * cols).map(|at| 1e-5 * (1 + at * 7 % 11) as f64).collect();
        let volts: Vec<f64> = (0..rows).map(|row| 0.1 * row as f64 - 0.2).collect();
        for (driver, sense, both_ends) in [(2e3, 0.0, false), (0.0, 3e3, false), (2e3, 3e3, true), (1e6, 1e6, false)] {
            let wiring = Wiring { segment: 0.0, driver, sense, both_ends };
            let mut found = Solution::default();
            Wires::new(rows, cols, &siemens, wiring).solve(&volts, 1e-15, &mut found);
            let ohms = driver / if both_ends { 2.0 } else { 1.0 };
            for row in 0..rows {
                let u = found.row_volts[row * cols];
                let out: f64 = (0..cols).map(|col| siemens[row * cols + col] * (u - found.column_volts[col])).sum();
                assert!((volts[row] - u - ohms * out).abs() < 1e-12, "row {row}: {u} V");
                assert!((found.row_amperes[row] - out).abs() < 1e-15);
                if sense == 0.0 {
                    let all: f64 = siemens[row * cols..(row + 1) * cols].iter().sum();
                    assert!((u - volts[row] / (1.0 + ohms * all)).abs() < 1e-15);
                }
            }
            for col in 0..cols {
                let v = found.column_volts[col];
                let of = |row: usize| siemens[row * cols + col] * (found.row_volts[row * cols] - v);
                let into: f64 = (0..rows).map(of).sum();
                assert!((v - sense * into).abs() < 1e-12, "column {col}: {v} V");
                assert!((found.column_amperes[col] - into).abs() < 1e-15);
                if driver == 0.0 {
                    let (all, sum) = (0..rows).fold((0.0, 0.0), |(all, sum), row| {
                        let g: f64 = siemens[row * cols + col];
                        (all + g, sum + g * volts[row])
                    });
                    assert!((v - sense * sum / (1.0 + sense * all)).abs() < 1e-13);
                }
            }
        }
    }

    /// The limit of segments that resist ever less.
    #[test]
    fn wires_that_hardly_resist_come_to_the_same() {
        let (rows, cols) = (9, 6);
        let siemens: Vec<f64> = (0..rows * cols).map(|at| 1e-5 * (1 + at * 5 % 13) as f64).collect();
        let volts: Vec<f64> = (0..rows).map(|row| 0.2 - 0.05 * row as f64).collect();
        let solved = |segment: f64| {
            let mut found = Solution::default();
            let wiring = Wiring { segment, driver: 500.0, sense: 300.0, both_ends: false };
            Wires::new(rows, cols, &siemens, wiring).solve(&volts, 1e-13, &mut found);
            found.column_amperes
        };
        let (ideal, nearly) = (solved(0.0), solved(1e-4));
        let most = ideal.iter().fold(0.0_f64, |most, ampere| most.max(ampere.abs()));
        ideal.iter().zip(nearly).for_each(|(a, b)| assert!((a - b).abs() < 1e-6 * most, "{a} {b}"));
    }
}
