//! Currents of an array whose wires resist: every cell joins a node of its row to a node of its column, neighbours along a line are a
//! segment apart, rows are driven at their left end (or both), columns are held at 0 V below their last row.
//!
//! Kirchhoff's laws at the nodes, in units of a segment's conductance: T u - G v = b for the rows, P v - G u = c for the columns (c is 0 but where
//! columns are driven), with T and P tridiagonal along each line. The rows are eliminated, and (P - G T^-1 G) v = c + G T^-1 b is solved by conjugate gradients, preconditioned by
//! P: wires carry far better than cells, so a few steps do.

mod ideal;

use pulp::{Arch, Simd, WithSimd};

/// What stands around the cells, in ohms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wiring {
    /// A segment between two cells, before the first of a row and after the last of a column; 0: each line is one node.
    pub segment: f64,
    /// Of the circuit that drives a row and of the one that holds a column at 0 V.
    pub driver: f64,
    pub sense: f64,
    /// Whether rows are driven at both ends.
    pub both_ends: bool,
}

/// An array, ready to be solved for any voltages of its drivers.
#[derive(Debug)]
pub struct Wires {
    pub rows: usize,
    pub cols: usize,
    pub wiring: Wiring,
    /// Conductances in segments, [row][col]; in siemens where lines are nodes.
    cells: Vec<f64>,
    /// Inverse pivots of the tridiagonal systems along rows and along columns; one for each line that is a node.
    along_rows: Vec<f64>,
    along_cols: Vec<f64>,
    /// Of the links from the drivers to rows and from columns to 0 V; in ohms where lines are nodes.
    drive: f64,
    sink: f64,
}

/// Rows that are solved side by side.
const LANES: usize = 8;
type Lane = [f64; LANES];

/// One solution with the best vectors there are; a closure would be compiled for any processor.
struct Solve<'a> {
    wires: &'a Wires,
    volts: &'a [f64],
    ends: &'a [f64],
    sources: &'a [f64],
    tolerance: f64,
    found: &'a mut Solution,
}

impl WithSimd for Solve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.wires.solve_here(self.volts, (self.ends, self.sources), self.tolerance, self.found);
    }
}

/// What one solution left, and room for the next. Volts at the nodes, amperes at the ends.
#[derive(Default)]
pub struct Solution {
    /// [row][col]
    pub row_volts: Vec<f64>,
    pub column_volts: Vec<f64>,
    /// Into each row from its drivers, and out of each column.
    pub row_amperes: Vec<f64>,
    pub column_amperes: Vec<f64>,
    /// Conjugate gradients: residual, direction, P times it, the system times it, P^-1 times the residual.
    residual: Vec<f64>,
    direction: Vec<f64>,
    scaled: Vec<f64>,
    image: Vec<f64>,
    preconditioned: Vec<f64>,
    lanes: Vec<Lane>,
}

impl Wires {
    /// `siemens`: [row][col]. Columns and rows are at least one, and something resists.
    pub fn new(rows: usize, cols: usize, siemens: &[f64], wiring: Wiring) -> Self {
        if wiring.segment == 0.0 {
            return Wires::of_lines(rows, cols, siemens, wiring);
        }
        let Wiring { segment, driver, sense, both_ends } = wiring;
        let cells: Vec<f64> = siemens.iter().map(|siemens| siemens * segment).collect();
        let (drive, sink) = (segment / (segment + driver), segment / (segment + sense));
        let mut along_rows = vec![0.0; rows * cols];
        for (pivots, cells) in along_rows.chunks_exact_mut(cols).zip(cells.chunks_exact(cols)) {
            let mut before = 0.0;
            for (col, (pivot, cell)) in pivots.iter_mut().zip(cells).enumerate() {
                let left = if col == 0 { drive } else { 1.0 };
                let right = if col + 1 < cols {
                    1.0
                } else if both_ends {
                    drive
                } else {
                    0.0
                };
                *pivot = 1.0 / (left + right + cell - before);
                before = *pivot;
            }
        }
        let mut along_cols = vec![0.0; rows * cols];
        for row in 0..rows {
            let links = if row == 0 { 0.0 } else { 1.0 } + if row + 1 < rows { 1.0 } else { sink };
            for col in 0..cols {
                let before = if row == 0 { 0.0 } else { along_cols[(row - 1) * cols + col] };
                along_cols[row * cols + col] = 1.0 / (links + cells[row * cols + col] - before);
            }
        }
        Wires { rows, cols, wiring, cells, along_rows, along_cols, drive, sink }
    }

    /// For these volts of the drivers; `tolerance` is the error left, relative, in the norm of the dissipated power.
    pub fn solve(&self, volts: &[f64], tolerance: f64, found: &mut Solution) {
        self.solve_with_sources(volts, &[], tolerance, found);
    }

    /// With a source of so many amperes in each cell besides, from its row to its column; or none.
    pub fn solve_with_sources(&self, volts: &[f64], amperes: &[f64], tolerance: f64, found: &mut Solution) {
        if self.wiring.segment == 0.0 {
            return self.solve_lines(volts, (&[], amperes), tolerance, found);
        }
        let sources: Vec<f64> = amperes.iter().map(|ampere| ampere * self.wiring.segment).collect();
        Arch::new().dispatch(Solve { wires: self, volts, ends: &[], sources: &sources, tolerance, found });
    }

    /// Read backward: for these volts at the columns' ends, rows being held at 0 V where they are driven otherwise.
    pub fn solve_back(&self, ends: &[f64], tolerance: f64, found: &mut Solution) {
        let volts = vec![0.0; self.rows];
        if self.wiring.segment == 0.0 {
            return self.solve_lines(&volts, (ends, &[]), tolerance, found);
        }
        Arch::new().dispatch(Solve { wires: self, volts: &volts, ends, sources: &[], tolerance, found });
    }

    #[inline(always)]
    fn solve_here(&self, volts: &[f64], (ends, sources): (&[f64], &[f64]), tolerance: f64, found: &mut Solution) {
        let (rows, cols) = (self.rows, self.cols);
        let len = rows * cols;
        for buffer in [
            &mut found.row_volts,
            &mut found.column_volts,
            &mut found.residual,
            &mut found.direction,
            &mut found.scaled,
            &mut found.image,
            &mut found.preconditioned,
        ] {
            buffer.clear();
            buffer.resize(len, 0.0);
        }
        found.lanes.clear();
        found.lanes.resize(2 * cols, [0.0; LANES]);
        let Solution { row_volts, column_volts, residual, direction, scaled, image, preconditioned, lanes, .. } = found;
        // b - 0 = G T^-1 b, of which sources take their part at rows and give it to columns.
        let taken: Vec<f64> = sources.iter().map(|source| -source).collect();
        self.rows_of(&taken, volts, lanes, residual);
        for (residual, cell) in residual.iter_mut().zip(&self.cells) {
            *residual *= cell;
        }
        residual.iter_mut().zip(sources).for_each(|(residual, source)| *residual += source);
        residual[len - cols..].iter_mut().zip(ends).for_each(|(residual, end)| *residual += self.sink * end);
        let mut power = self.precondition(residual, preconditioned);
        let goal = power * tolerance * tolerance;
        let mut beta = 0.0;
        for _ in 0..4 * (rows + cols) + 100 {
            if power.is_nan() || power <= goal {
                break;
            }
            for i in 0..len {
                direction[i] = preconditioned[i] + beta * direction[i];
                scaled[i] = residual[i] + beta * scaled[i];
            }
            // The volts that the direction gives rows whose drivers are at 0.
            for i in 0..len {
                image[i] = self.cells[i] * direction[i];
            }
            self.rows_of(image, &[], lanes, row_volts);
            let mut curvature = [0.0; LANES];
            let mut chunks = image.chunks_exact_mut(LANES).zip(row_volts.chunks_exact(LANES)).enumerate();
            for (chunk, (image, volts)) in &mut chunks {
                let at = chunk * LANES;
                let (cells, scaled) = (&self.cells[at..at + LANES], &scaled[at..at + LANES]);
                let direction = &direction[at..at + LANES];
                for lane in 0..LANES {
                    image[lane] = scaled[lane] - cells[lane] * volts[lane];
                    curvature[lane] += image[lane] * direction[lane];
                }
            }
            for i in len / LANES * LANES..len {
                image[i] = scaled[i] - self.cells[i] * row_volts[i];
                curvature[0] += image[i] * direction[i];
            }
            let alpha = power / curvature.iter().sum::<f64>();
            for i in 0..len {
                column_volts[i] += alpha * direction[i];
                residual[i] -= alpha * image[i];
            }
            let left = self.precondition(residual, preconditioned);
            beta = left / power;
            power = left;
        }
        for i in 0..len {
            image[i] = self.cells[i] * column_volts[i];
        }
        image.iter_mut().zip(sources).for_each(|(image, source)| *image -= source);
        self.rows_of(image, volts, lanes, row_volts);
        let siemens = 1.0 / self.wiring.segment;
        let of_row = |(row, &volt): (&[f64], &f64)| {
            let other = if self.wiring.both_ends { volt - row[cols - 1] } else { 0.0 };
            (volt - row[0] + other) * self.drive * siemens
        };
        found.row_amperes.clear();
        found.row_amperes.extend(row_volts.chunks_exact(cols).zip(volts).map(of_row));
        found.column_amperes.clear();
        found.column_amperes.extend(column_volts[len - cols..].iter().map(|volt| volt * self.sink * siemens));
    }

    /// out = P^-1 residual, a tridiagonal system along each column; the product of both.
    #[inline(always)]
    fn precondition(&self, residual: &[f64], out: &mut [f64]) -> f64 {
        let (rows, cols) = (self.rows, self.cols);
        let pivots = &self.along_cols;
        for col in 0..cols {
            out[col] = pivots[col] * residual[col];
        }
        for row in 1..rows {
            let (before, this) = out[(row - 1) * cols..(row + 1) * cols].split_at_mut(cols);
            let (pivots, residual) = (&pivots[row * cols..(row + 1) * cols], &residual[row * cols..(row + 1) * cols]);
            for col in 0..cols {
                this[col] = pivots[col] * (residual[col] + before[col]);
            }
        }
        let mut sums = [0.0; LANES];
        for row in (0..rows).rev() {
            let (this, below) = out[row * cols..].split_at_mut(cols);
            if row + 1 < rows {
                let pivots = &pivots[row * cols..(row + 1) * cols];
                for col in 0..cols {
                    this[col] += pivots[col] * below[col];
                }
            }
            let residual = &residual[row * cols..(row + 1) * cols];
            let whole = cols / LANES * LANES;
            for (this, residual) in this.chunks_exact(LANES).zip(residual.chunks_exact(LANES)) {
                for lane in 0..LANES {
                    sums[lane] += this[lane] * residual[lane];
                }
            }
            for col in whole..cols {
                sums[0] += this[col] * residual[col];
            }
        }
        sums.iter().sum()
    }

    /// out = T^-1 (into + what the drivers bring), a tridiagonal system along each row; `into` or `volts` may be empty.
    #[inline(always)]
    fn rows_of(&self, into: &[f64], volts: &[f64], lanes: &mut [Lane], out: &mut [f64]) {
        let (rows, cols) = (self.rows, self.cols);
        let (values, factors) = lanes.split_at_mut(cols);
        for first in (0..rows).step_by(LANES) {
            let count = LANES.min(rows - first);
            for lane in 0..count {
                let row = (first + lane) * cols..(first + lane + 1) * cols;
                for (factor, pivot) in factors.iter_mut().zip(&self.along_rows[row.clone()]) {
                    factor[lane] = *pivot;
                }
                match into.is_empty() {
                    true => values.iter_mut().for_each(|value| value[lane] = 0.0),
                    false => values.iter_mut().zip(&into[row]).for_each(|(value, into)| value[lane] = *into),
                }
                if let Some(volts) = volts.get(first + lane) {
                    values[0][lane] += self.drive * volts;
                    if self.wiring.both_ends {
                        values[cols - 1][lane] += self.drive * volts;
                    }
                }
            }
            let mut before = [0.0; LANES];
            for (value, factor) in values.iter_mut().zip(&*factors) {
                for lane in 0..LANES {
                    value[lane] = factor[lane] * (value[lane] + before[lane]);
                }
                before = *value;
            }
            let mut after = [0.0; LANES];
            for (value, factor) in values.iter_mut().zip(&*factors).rev() {
                for lane in 0..LANES {
                    value[lane] += factor[lane] * after[lane];
                }
                after = *value;
            }
            for lane in 0..count {
                let row = &mut out[(first + lane) * cols..(first + lane + 1) * cols];
                row.iter_mut().zip(&*values).for_each(|(out, value)| *out = value[lane]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Wiring = Wiring { segment: 1.0, driver: 0.0, sense: 0.0, both_ends: false };

    fn solved(rows: usize, cols: usize, siemens: &[f64], wiring: Wiring, volts: &[f64]) -> Solution {
        let mut found = Solution::default();
        Wires::new(rows, cols, siemens, wiring).solve(volts, 1e-14, &mut found);
        found
    }

    /// Numbers between 0 and 1.
    fn dice(count: usize) -> Vec<f64> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_single_cell_is_a_series_circuit() {
        let wiring = Wiring { segment: 2.0, driver: 5.0, sense: 7.0, both_ends: false };
        let found = solved(1, 1, &[1.0 / 84.0], wiring, &[3.0]);
        let exact = 3.0 / (5.0 + 2.0 + 84.0 + 2.0 + 7.0);
        assert!((found.column_amperes[0] - exact).abs() < 1e-12 * exact);
        assert!((found.row_amperes[0] - exact).abs() < 1e-12 * exact);
        // Two ways in halve what stands before the cell.
        let found = solved(1, 1, &[1.0 / 84.0], Wiring { both_ends: true, ..wiring }, &[3.0]);
        let exact = 3.0 / (7.0 / 2.0 + 84.0 + 2.0 + 7.0);
        assert!((found.column_amperes[0] - exact).abs() < 1e-12 * exact);
    }

    /// Kirchhoff's current law at every node, written out apart from the solver; what goes in comes out.
    #[test]
    fn currents_add_up_at_every_node() {
        for (rows, cols, wiring) in [
            (13, 21, PLAIN),
            (40, 9, Wiring { segment: 20.0, driver: 100.0, sense: 50.0, both_ends: true }),
            (1, 17, Wiring { segment: 5.0, driver: 1.0, sense: 1.0, both_ends: false }),
            (17, 1, Wiring { segment: 5.0, driver: 1.0, sense: 1.0, both_ends: false }),
        ] {
            let siemens: Vec<f64> = dice(rows * cols).iter().map(|x| 1e-4 * x).collect();
            let volts: Vec<f64> = dice(rows).iter().map(|x| x - 0.3).collect();
            let found = solved(rows, cols, &siemens, wiring, &volts);
            let (g, drive, sink) =
                (1.0 / wiring.segment, 1.0 / (wiring.segment + wiring.driver), 1.0 / (wiring.segment + wiring.sense));
            let (u, v) = (
                |r: usize, c: usize| found.row_volts[r * cols + c],
                |r: usize, c: usize| found.column_volts[r * cols + c],
            );
            for r in 0..rows {
                for c in 0..cols {
                    let cell = siemens[r * cols + c] * (u(r, c) - v(r, c));
                    let left = if c == 0 { drive * (volts[r] - u(r, c)) } else { g * (u(r, c - 1) - u(r, c)) };
                    let right = match c + 1 < cols {
                        true => g * (u(r, c + 1) - u(r, c)),
                        false if wiring.both_ends => drive * (volts[r] - u(r, c)),
                        false => 0.0,
                    };
                    assert!((left + right - cell).abs() < 1e-15, "row node {r}, {c}");
                    let above = if r == 0 { 0.0 } else { g * (v(r - 1, c) - v(r, c)) };
                    let below = if r + 1 < rows { g * (v(r + 1, c) - v(r, c)) } else { -sink * v(r, c) };
                    assert!((above + below + cell).abs() < 1e-15, "column node {r}, {c}");
                }
            }
            let (into, out): (f64, f64) = (found.row_amperes.iter().sum(), found.column_amperes.iter().sum());
            assert!((into - out).abs() < 1e-12 * out.abs().max(1e-6));
        }
    }

    /// Driving a row and reading a column gives the same whichever of both is driven.
    #[test]
    fn an_array_read_backwards_is_its_transpose() {
        let (rows, cols) = (12, 15);
        let wiring = Wiring { segment: 30.0, driver: 10.0, sense: 10.0, both_ends: false };
        let siemens: Vec<f64> = dice(rows * cols).iter().map(|x| 1e-4 * x).collect();
        // Turned by half a turn and transposed, its columns are rows whose drivers stand at the left.
        let turned: Vec<f64> =
            (0..cols * rows).map(|i| siemens[(rows - 1 - i % rows) * cols + (cols - 1 - i / rows)]).collect();
        let mut row = vec![0.0; rows];
        row[4] = 1.0;
        let forward = solved(rows, cols, &siemens, wiring, &row).column_amperes[11];
        let mut col = vec![0.0; cols];
        col[cols - 1 - 11] = 1.0;
        let back = solved(cols, rows, &turned, wiring, &col).column_amperes[rows - 1 - 4];
        assert!((forward - back).abs() < 1e-12 * forward);
    }

    /// Reciprocity: what a row gives for a volt at a column's end is what that column gives for a volt at the row.
    #[test]
    fn a_read_backward_is_the_transpose_of_one_forward() {
        let plain = [PLAIN, Wiring { segment: 30.0, driver: 200.0, sense: 70.0, both_ends: true }];
        let lines = [(200.0, 0.0, false), (0.0, 70.0, false), (200.0, 70.0, true)];
        let lines = lines.map(|(driver, sense, both_ends)| Wiring { segment: 0.0, driver, sense, both_ends });
        for wiring in plain.into_iter().chain(lines) {
            let (rows, cols) = (11, 14);
            let siemens: Vec<f64> = dice(rows * cols).iter().map(|x| 1e-4 * x).collect();
            let wires = Wires::new(rows, cols, &siemens, wiring);
            let one = |len: usize, at: usize| (0..len).map(|n| f64::from(u8::from(n == at))).collect::<Vec<_>>();
            let (mut forward, mut back) = (Solution::default(), Solution::default());
            for (row, col) in [(0, 0), (4, 9), (10, 13)] {
                wires.solve(&one(rows, row), 1e-14, &mut forward);
                wires.solve_back(&one(cols, col), 1e-14, &mut back);
                let (a, b) = (forward.column_amperes[col], -back.row_amperes[row]);
                assert!((a - b).abs() < 1e-12 * a, "{a} {b}");
            }
        }
    }

    #[test]
    #[ignore]
    fn speed() {
        for n in [64, 256, 512, 1024] {
            let siemens: Vec<f64> = dice(n * n).iter().map(|x| 1.0 / (1e4 + 9.9e5 * x)).collect();
            let volts = dice(n);
            let begin = std::time::Instant::now();
            let wires = Wires::new(n, n, &siemens, PLAIN);
            let mut found = Solution::default();
            wires.solve(&volts, 1e-12, &mut found);
            let first = begin.elapsed();
            let begin = std::time::Instant::now();
            wires.solve(&volts, 1e-12, &mut found);
            eprintln!("{n}: {first:?}, again {:?}", begin.elapsed());
        }
    }
}
