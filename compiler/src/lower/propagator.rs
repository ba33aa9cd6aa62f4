//! The exact solution of a linear system with constant coefficients over a time step.

/// `exp(M h)` and its integral over `0..h`, for a square matrix in rows.
pub fn propagator(matrix: &[Vec<f64>], h: f64) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let n = matrix.len();
    let scale = balance(matrix, h);
    // exp of [[M, 1], [0, 0]] h holds both.
    let mut augmented = vec![vec![0.0; 2 * n]; 2 * n];
    for i in 0..n {
        for j in 0..n {
            augmented[i][j] = matrix[i][j] * scale[j] / scale[i] * h;
        }
        augmented[i][n + i] = h;
    }
    let result = exponential(&augmented);
    let entry = |i: usize, from: usize, j: usize| result[i][from + j] * scale[i] / scale[j];
    let part = |from: usize| (0..n).map(|i| (0..n).map(|j| entry(i, from, j)).collect()).collect();
    (part(0), part(n))
}

/// The states that one state moves, directly or through others, with itself first.
pub fn reached(matrix: &[Vec<f64>], source: usize) -> Vec<usize> {
    let mut found = vec![source];
    while let Some(next) =
        (0..matrix.len()).find(|row| !found.contains(row) && found.iter().any(|&column| matrix[*row][column] != 0.0))
    {
        found.push(next);
    }
    found
}

/// What white noise of strength 1 in one state does to all in a time `h`: for each state, the weights of independent
/// normal numbers, one for each state [`reached`]. It is a root of the covariance, the integral of `exp(M s) e e' exp(M s)'`.
pub fn spread(matrix: &[Vec<f64>], source: usize, h: f64) -> Vec<Vec<f64>> {
    let n = matrix.len();
    // Over a short time by Gauss's rule, then by doubling: what was there, carried on, and as much again.
    let scale = balance(matrix, h);
    let norm = (0..n).map(|i| (0..n).map(|j| (matrix[i][j] * scale[j] / scale[i]).abs()).sum::<f64>() * h);
    let norm = norm.fold(0.0, f64::max);
    if !norm.is_finite() {
        return vec![vec![f64::NAN; n]; n];
    }
    let doublings = if norm > 0.5 { (norm / 0.5).log2().ceil() as i32 } else { 0 };
    let mut time = h * 2f64.powi(-doublings);
    let (inner, outer) = (0.339_981_043_584_856_3, 0.861_136_311_594_052_6);
    let (heavy, light) = (0.652_145_154_862_546_1, 0.347_854_845_137_453_9);
    let mut covariance = vec![vec![0.0; n]; n];
    for (node, weight) in [(-outer, light), (-inner, heavy), (inner, heavy), (outer, light)] {
        let (moved, _) = propagator(matrix, time * (1.0 + node) / 2.0);
        for (i, row) in covariance.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                *entry += weight * time / 2.0 * moved[i][source] * moved[j][source];
            }
        }
    }
    for _ in 0..doublings {
        let (moved, _) = propagator(matrix, time);
        let transposed: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| moved[j][i]).collect()).collect();
        let carried = product(&product(&moved, &covariance), &transposed);
        for (row, carried) in covariance.iter_mut().zip(carried) {
            row.iter_mut().zip(carried).for_each(|(entry, more)| *entry += more);
        }
        time *= 2.0;
    }
    root(&covariance, &reached(matrix, source))
}

/// Lower triangular root (Cholesky) of a covariance, rows and columns taken in this order; a column for each of them.
fn root(covariance: &[Vec<f64>], order: &[usize]) -> Vec<Vec<f64>> {
    let mut root = vec![vec![0.0; order.len()]; covariance.len()];
    for (column, &pivot) in order.iter().enumerate() {
        let explained: f64 = root[pivot][..column].iter().map(|x| x * x).sum();
        let left = covariance[pivot][pivot] - explained;
        // What the others explain but for rounding has no number of its own.
        if left <= 1e-12 * covariance[pivot][pivot] {
            continue;
        }
        for &row in &order[column..] {
            let explained: f64 = (0..column).map(|k| root[row][k] * root[pivot][k]).sum();
            root[row][column] = (covariance[row][pivot] - explained) / left.sqrt();
        }
    }
    root
}

/// Units (powers of two) for each state in which rows and columns are about equally large. States in volts and amperes
/// otherwise make a matrix of such a norm that squaring it over and over costs half the digits.
fn balance(matrix: &[Vec<f64>], h: f64) -> Vec<f64> {
    let n = matrix.len();
    let mut scale = vec![1.0; n];
    // What one state does not do to another at all counts as a little.
    let least = 1e-3 / h;
    for _ in 0..20 {
        for i in 0..n {
            let entry = |from: usize, to: usize, scale: &[f64]| (matrix[from][to] * scale[to] / scale[from]).abs();
            let others = || (0..n).filter(|j| *j != i);
            let row: f64 = others().map(|j| entry(i, j, &scale)).sum();
            let column: f64 = others().map(|j| entry(j, i, &scale)).sum();
            let factor = (row.max(least) / column.max(least)).sqrt();
            scale[i] *= 2f64.powf(factor.log2().round());
        }
    }
    scale
}

/// Scaling and squaring with a Taylor series of degree 18: below one unit in the last place for a norm under 1/2.
pub(super) fn exponential(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = matrix.len();
    // Coefficients beyond all numbers: the run then tells of values that are none.
    if matrix.iter().flatten().any(|x| !x.is_finite()) {
        return vec![vec![f64::NAN; n]; n];
    }
    let norm = matrix.iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max);
    let squarings = if norm > 0.5 { (norm / 0.5).log2().ceil() as i32 } else { 0 };
    let scale = 2f64.powi(-squarings);
    let scaled: Vec<Vec<f64>> = matrix.iter().map(|row| row.iter().map(|x| x * scale).collect()).collect();
    let identity: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    // Horner: 1 + A (1 + A/2 (1 + A/3 …)).
    let mut result = identity.clone();
    for degree in (1..=18).rev() {
        result = product(&scaled, &result);
        for (i, row) in result.iter_mut().enumerate() {
            row.iter_mut().for_each(|x| *x /= f64::from(degree));
            row[i] += 1.0;
        }
    }
    for _ in 0..squarings {
        result = product(&result, &result);
    }
    result
}

pub(super) fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = a.len();
    let entry = |i: usize, j: usize| (0..n).map(|k| a[i][k] * b[k][j]).sum();
    (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alpha_synapse_has_its_closed_form() {
        // x' = -x/tau, g' = (x - g)/tau: g(h) = g0 e + x0 (h/tau) e.
        let (tau, h) = (5e-3, 3e-3);
        let (e, integral) = propagator(&[vec![-1.0 / tau, 0.0], vec![1.0 / tau, -1.0 / tau]], h);
        let decay = (-h / tau).exp();
        assert!((e[0][0] - decay).abs() < 1e-15 && e[0][1] == 0.0);
        assert!((e[1][0] - h / tau * decay).abs() < 1e-15);
        assert!((integral[0][0] - tau * (1.0 - decay)).abs() < 1e-18);
    }

    #[test]
    fn units_cost_no_digits() {
        // Volts driven by amperes through 100 Mohm.
        let (tau, synapse, ohms, h) = (20e-3, 5e-3, 1e8, 1e-4);
        let (e, _) = propagator(&[vec![-1.0 / tau, ohms / tau], vec![0.0, -1.0 / synapse]], h);
        let exact = ohms * synapse / (synapse - tau) * ((-h / synapse).exp() - (-h / tau).exp());
        assert!((e[0][1] / exact - 1.0).abs() < 1e-13, "{} {exact}", e[0][1]);
    }

    #[test]
    fn noise_has_the_covariance_of_its_integral() {
        // x' = -x / a + xi, y' = (x - y) / b: closed forms of the stationary covariance, reached after a long step.
        let (a, b) = (20e-3, 5e-3);
        let matrix = [vec![-1.0 / a, 0.0], vec![1.0 / b, -1.0 / b]];
        let root = spread(&matrix, 0, 2.0);
        let covariance = |i: usize, j: usize| root[i].iter().zip(&root[j]).map(|(x, y)| x * y).sum::<f64>();
        let wanted = [(0, 0, a / 2.0), (0, 1, a * a / (2.0 * (a + b))), (1, 1, a * a / (2.0 * (a + b)))];
        for (i, j, wanted) in wanted {
            assert!((covariance(i, j) / wanted - 1.0).abs() < 1e-9, "{i} {j}: {}", covariance(i, j));
        }
        let alone = spread(&[vec![-1.0 / a]], 0, 1e-4);
        let wanted = (a / 2.0 * -(-2e-4f64 / a).exp_m1()).sqrt();
        assert!((alone[0][0] / wanted - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_stiff_system_decays() {
        let (e, _) = propagator(&[vec![-1e5, 1.0], vec![0.0, -1.0]], 1e-2);
        assert!(e[0][0].abs() < 1e-12 && (e[1][1] - (-0.01f64).exp()).abs() < 1e-12);
    }
}
