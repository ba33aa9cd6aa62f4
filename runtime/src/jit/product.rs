//! Dense products by the tuned library `gemm`.

use crate::state::Real;

/// Numbers that `gemm` multiplies.
pub trait Product: Real {
    /// `out[m, n] = x[m, k] w[k, n]`, all row-major; `out` is overwritten. Panics when a slice is shorter than its shape.
    fn product(m: usize, k: usize, n: usize, x: &[Self], w: &[Self], out: &mut [Self]);
}

macro_rules! product {
    ($float:ty) => {
        impl Product for $float {
            fn product(m: usize, k: usize, n: usize, x: &[Self], w: &[Self], out: &mut [Self]) {
                assert!(x.len() >= m * k && w.len() >= k * n && out.len() >= m * n);
                if m == 0 || n == 0 {
                    return;
                }
                let step = |width: usize| width as isize;
                // SAFETY: the slices hold the shapes (checked above), and `out` is borrowed apart from `x` and `w`.
                unsafe {
                    gemm::gemm(
                        m,
                        n,
                        k,
                        out.as_mut_ptr(),
                        1,
                        step(n),
                        false,
                        x.as_ptr(),
                        1,
                        step(k),
                        w.as_ptr(),
                        1,
                        step(n),
                        0.0,
                        1.0,
                        false,
                        false,
                        false,
                        gemm::Parallelism::None,
                    );
                }
            }
        }
    };
}
product!(f32);
product!(f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_is_the_sum_of_products() {
        let (m, k, n) = (3, 5, 4);
        let x: Vec<f64> = (0..m * k).map(|i| i as f64 - 4.0).collect();
        let w: Vec<f64> = (0..k * n).map(|i| 0.5 * i as f64).collect();
        let mut out = vec![f64::NAN; m * n];
        f64::product(m, k, n, &x, &w, &mut out);
        for i in 0..m {
            for j in 0..n {
                let expected: f64 = (0..k).map(|l| x[i * k + l] * w[l * n + j]).sum();
                assert_eq!(out[i * n + j], expected);
            }
        }
    }
}
