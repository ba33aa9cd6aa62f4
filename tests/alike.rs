//! Whether numbers that were drawn in two ways have one distribution: mean, covariance, tails.

/// Two tables of equally many rows, of so many columns each, alike to five standard errors; no largest distance of two cumulative
/// distributions that 0.001 % of equal ones exceed.
pub fn assert_alike(one: &[f64], other: &[f64], cols: usize, of: &str) {
    let rows = (one.len() / cols) as f64;
    for c in 0..cols {
        let (mut a, mut b) = (column(one, cols, c), column(other, cols, c));
        let wanted = covariance(&b, &b);
        assert!((mean(&a) - mean(&b)).abs() < 5.0 * (2.0 * wanted / rows).sqrt(), "mean of {of}, column {c}");
        for with in 0..=c {
            let (x, y) = (column(one, cols, with), column(other, cols, with));
            let (found, wanted) = (covariance(&a, &x), covariance(&b, &y));
            let spread = covariance(&b, &b) * covariance(&y, &y) + wanted * wanted;
            let error = (2.0 * spread / rows).sqrt();
            assert!(
                (found - wanted).abs() < 5.0 * error,
                "{of}, columns {c} and {with}: {found:e} for {wanted:e} +- {error:e}"
            );
        }
        a.sort_unstable_by(f64::total_cmp);
        b.sort_unstable_by(f64::total_cmp);
        let below = |all: &[f64], x: f64| all.partition_point(|y| *y <= x) as f64 / rows;
        let apart = a.iter().map(|&x| (below(&a, x) - below(&b, x)).abs()).fold(0.0, f64::max);
        assert!(apart < 2.47 * (2.0 / rows).sqrt(), "{of}, column {c}: Kolmogorov-Smirnov {apart}");
    }
}

/// One column of a table.
pub fn column(table: &[f64], cols: usize, column: usize) -> Vec<f64> {
    table.iter().skip(column).step_by(cols).copied().collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The mean product of what two columns deviate by.
pub fn covariance(x: &[f64], y: &[f64]) -> f64 {
    let (a, b) = (mean(x), mean(y));
    x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).sum::<f64>() / x.len() as f64
}
