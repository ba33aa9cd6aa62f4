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
fn exponential(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
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

fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
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
    fn a_stiff_system_decays() {
        let (e, _) = propagator(&[vec![-1e5, 1.0], vec![0.0, -1.0]], 1e-2);
        assert!(e[0][0].abs() < 1e-12 && (e[1][1] - (-0.01f64).exp()).abs() < 1e-12);
    }
}
