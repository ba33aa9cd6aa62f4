//! Lines of a passive array that float while one cell is written: where they settle between its row, at the voltage of the pulse, and its
//! column, at 0 V.

/// An array's conductances in siemens, [row][column].
pub struct Lines {
    pub cols: usize,
    pub siemens: Vec<f64>,
}

impl Lines {
    /// Volts of all rows and of all columns while the cell at a row and a column gets a pulse of so many; lines that nothing conducts to
    /// stay at 0 V.
    ///
    /// No current is left over on a line that floats. Rows follow from columns, u = G v / (G 1), which leaves (diag(1 G) - G' diag(1 / G 1) G) v for
    /// the columns: symmetric and positive definite, solved by Cholesky's method.
    pub fn settle(&self, (row, column): (usize, usize), volts: f64) -> (Vec<f64>, Vec<f64>) {
        let cols = self.cols;
        let rows = || self.siemens.chunks_exact(cols);
        let (mut a, mut v) = (vec![0.0; cols * cols], vec![0.0; cols]);
        for (at, cells) in rows().enumerate() {
            let all: f64 = cells.iter().sum();
            for (i, g) in cells.iter().enumerate() {
                a[i * cols + i] += g;
                if at == row {
                    v[i] += g * volts;
                } else if all > 0.0 {
                    let share = g / all;
                    a[i * cols..].iter_mut().zip(&cells[..=i]).for_each(|(a, other)| *a -= share * other);
                }
            }
        }
        // The column of the cell is held at 0 V.
        for other in 0..cols {
            a[column.max(other) * cols + column.min(other)] = 0.0;
        }
        v[column] = 0.0;
        for i in 0..cols {
            if a[i * cols + i] <= 0.0 {
                (a[i * cols + i], v[i]) = (1.0, 0.0);
            }
        }
        solve(&mut a, &mut v);
        let settled = |(at, cells): (usize, &[f64])| {
            let all: f64 = cells.iter().sum();
            let sum: f64 = cells.iter().zip(&v).map(|(g, v)| g * v).sum();
            if at == row {
                volts
            } else if all > 0.0 {
                sum / all
            } else {
                0.0
            }
        };
        (rows().enumerate().map(settled).collect(), v)
    }
}

/// x = A^-1 x by Cholesky's method: the lower half of a symmetric, positive definite matrix, which is overwritten.
fn solve(a: &mut [f64], x: &mut [f64]) {
    let n = x.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let left = a[i * n + j] - dot;
            a[i * n + j] = if i == j { left.max(f64::MIN_POSITIVE).sqrt() } else { left / a[j * n + j] };
        }
        let dot: f64 = (0..i).map(|k| a[i * n + k] * x[k]).sum();
        x[i] = (x[i] - dot) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| a[k * n + i] * x[k]).sum();
        x[i] = (x[i] - dot) / a[i * n + i];
    }
}
