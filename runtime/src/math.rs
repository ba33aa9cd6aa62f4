//! Functions as sequences of elementary operations, written once and run by the interpreter and compiled by the JIT,
//! so that both give the same bits.

use std::f64::consts::{LN_2, LOG2_E, PI, SQRT_2};

/// Elementary operations on numbers of one precision: done at once by the interpreter, emitted as code by the JIT.
pub trait Arithmetic {
    /// A number (or a vector of them).
    type Number: Copy;
    /// A truth value (or a vector of them).
    type Truth: Copy;

    /// Whether numbers are f64.
    const WIDE: bool;

    fn number(&mut self, value: f64) -> Self::Number;
    fn add(&mut self, a: Self::Number, b: Self::Number) -> Self::Number;
    fn subtract(&mut self, a: Self::Number, b: Self::Number) -> Self::Number;
    fn multiply(&mut self, a: Self::Number, b: Self::Number) -> Self::Number;
    fn divide(&mut self, a: Self::Number, b: Self::Number) -> Self::Number;
    /// a b + c: rounded once where the processor can, else twice.
    fn fma(&mut self, a: Self::Number, b: Self::Number, c: Self::Number) -> Self::Number;
    fn square_root(&mut self, a: Self::Number) -> Self::Number;
    fn absolute(&mut self, a: Self::Number) -> Self::Number;
    fn less(&mut self, a: Self::Number, b: Self::Number) -> Self::Truth;
    fn select(&mut self, truth: Self::Truth, a: Self::Number, b: Self::Number) -> Self::Number;
    /// `short` where `truth`; elsewhere `long`, which is worked out only when some element needs it.
    fn unless(
        &mut self,
        truth: Self::Truth,
        short: Self::Number,
        long: impl FnOnce(&mut Self) -> Self::Number,
    ) -> Self::Number;
    /// a 2^k, where `k_shifted` is k + `magic::<Self>()`; a and the result must be normal.
    fn scale(&mut self, a: Self::Number, k_shifted: Self::Number) -> Self::Number;
    /// The exponent and the mantissa in [1, 2) of a positive normal number.
    fn split(&mut self, a: Self::Number) -> (Self::Number, Self::Number);
}

/// Adding it leaves the nearest integer in the lowest bits of the mantissa.
fn magic<A: Arithmetic>() -> f64 {
    if A::WIDE { 6_755_399_441_055_744.0 } else { 12_582_912.0 }
}

/// A polynomial by Horner's rule, coefficients from the highest power down.
#[inline(always)]
fn polynomial<A: Arithmetic>(on: &mut A, x: A::Number, coefficients: &[f64]) -> A::Number {
    let mut sum = on.number(coefficients[0]);
    for coefficient in &coefficients[1..] {
        let term = on.number(*coefficient);
        sum = on.fma(sum, x, term);
    }
    sum
}

/// A polynomial as the sum of its even and its odd part: two short chains of operations in place of a long one.
fn even_odd<A: Arithmetic>(on: &mut A, x: A::Number, coefficients: &[f64]) -> A::Number {
    let square = on.multiply(x, x);
    let part = |first: usize| coefficients.iter().skip(first).step_by(2).rev().copied().collect::<Vec<f64>>();
    let even = polynomial(on, square, &part(0));
    let odd = polynomial(on, square, &part(1));
    on.fma(odd, x, even)
}

#[inline(always)]
const fn factorial(n: usize) -> f64 {
    let (mut product, mut factor) = (1.0, 2);
    while factor <= n {
        product *= factor as f64;
        factor += 1;
    }
    product
}

/// The first `N` coefficients of a series in powers of x, from the highest down. In tables, so that loops of vector code find
/// constants.
macro_rules! series {
    ($n:literal, |$k:ident| $coefficient:expr) => {
        const {
            let mut coefficients = [0.0; $n];
            let mut at = 0;
            while at < $n {
                let $k = $n - 1 - at;
                coefficients[at] = $coefficient;
                at += 1;
            }
            coefficients
        }
    };
}

/// e^x; 0 below and infinity above the range of normal numbers. Within 1.2e-7 (f32) or 4e-16 (f64) relative.
pub fn exp<A: Arithmetic>(on: &mut A, x: A::Number) -> A::Number {
    let (lowest, highest) = if A::WIDE { (-708.0, 709.0) } else { (-87.0, 88.0) };
    let (low, high) = (on.number(lowest), on.number(highest));
    let under = on.less(x, low);
    let over = on.less(high, x);
    let clipped = on.select(under, low, x);
    let clipped = on.select(over, high, clipped);
    let (shift, per_octave) = (on.number(magic::<A>()), on.number(LOG2_E));
    let shifted = on.fma(clipped, per_octave, shift);
    let octaves = on.subtract(shifted, shift);
    // ln 2 in two parts, the first with trailing zeros, so that the reduction is exact.
    let (high_part, low_part) =
        if A::WIDE { (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10) } else { (0.693_359_375, -2.121_944_4e-4) };
    let (minus_high, minus_low) = (on.number(-high_part), on.number(-low_part));
    let rest = on.fma(octaves, minus_high, clipped);
    let rest = on.fma(octaves, minus_low, rest);
    let series = match A::WIDE {
        true => polynomial(on, rest, &series!(14, |n| 1.0 / factorial(n))),
        false => polynomial(on, rest, &series!(8, |n| 1.0 / factorial(n))),
    };
    let result = on.scale(series, shifted);
    let (zero, infinity) = (on.number(0.0), on.number(f64::INFINITY));
    let result = on.select(under, zero, result);
    on.select(over, infinity, result)
}

/// (e^x - 1) / x, and 1 at 0: a series where |x| < 0.35, which is where the steps of a simulation nearly always lie.
pub fn phi1<A: Arithmetic>(on: &mut A, x: A::Number) -> A::Number {
    let terms = if A::WIDE { 12 } else { 6 };
    let coefficients: Vec<f64> = (0..=terms).map(|n| 1.0 / factorial(n + 1)).collect();
    let short = even_odd(on, x, &coefficients);
    let (size, edge) = (on.absolute(x), on.number(0.35));
    let small = on.less(size, edge);
    on.unless(small, short, |on| {
        let power = exp(on, x);
        let one = on.number(1.0);
        let above = on.subtract(power, one);
        on.divide(above, x)
    })
}

/// Natural logarithm; -infinity at 0 (and for denormal numbers), NaN below.
#[inline(always)]
pub fn log<A: Arithmetic>(on: &mut A, x: A::Number) -> A::Number {
    let (exponent, mantissa) = on.split(x);
    let (root, half, one) = (on.number(SQRT_2), on.number(0.5), on.number(1.0));
    let large = on.less(root, mantissa);
    let halved = on.multiply(mantissa, half);
    let mantissa = on.select(large, halved, mantissa);
    let next = on.add(exponent, one);
    let exponent = on.select(large, next, exponent);
    let two = on.number(2.0);
    let above = on.subtract(mantissa, one);
    let below = on.add(above, two);
    let ratio = on.divide(above, below);
    let square = on.multiply(ratio, ratio);
    let series = match A::WIDE {
        true => polynomial(on, square, &series!(12, |n| 2.0 / (2 * n + 1) as f64)),
        false => polynomial(on, square, &series!(6, |n| 2.0 / (2 * n + 1) as f64)),
    };
    let ln2 = on.number(LN_2);
    let whole = on.multiply(exponent, ln2);
    let result = on.fma(ratio, series, whole);
    let (zero, smallest) =
        (on.number(0.0), on.number(if A::WIDE { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) }));
    let infinity = on.number(f64::INFINITY);
    let minus_infinity = on.number(f64::NEG_INFINITY);
    let not_a_number = on.number(f64::NAN);
    let tiny = on.less(x, smallest);
    let result = on.select(tiny, minus_infinity, result);
    let negative = on.less(x, zero);
    let result = on.select(negative, not_a_number, result);
    // Infinity and what is not a number stay as they are.
    let finite = on.less(x, infinity);
    on.select(finite, result, x)
}

const fn sign(n: usize) -> f64 {
    if n.is_multiple_of(2) { 1.0 } else { -1.0 }
}

/// cos(2 pi x) for x in [0, 1).
#[inline(always)]
pub fn cos_turns<A: Arithmetic>(on: &mut A, x: A::Number) -> A::Number {
    // cos(2 pi x) = 2 sin(pi (x - 1/2))^2 - 1
    let (half, pi) = (on.number(0.5), on.number(PI));
    let centred = on.subtract(x, half);
    let angle = on.multiply(centred, pi);
    let square = on.multiply(angle, angle);
    let series = match A::WIDE {
        true => polynomial(on, square, &series!(12, |n| sign(n) / factorial(2 * n + 1))),
        false => polynomial(on, square, &series!(7, |n| sign(n) / factorial(2 * n + 1))),
    };
    let sine = on.multiply(angle, series);
    let (two, minus_one) = (on.number(2.0), on.number(-1.0));
    let twice = on.multiply(two, sine);
    on.fma(twice, sine, minus_one)
}

/// Whether this processor multiplies and adds with one rounding; both engines then use it.
pub fn has_fma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    cfg!(target_arch = "aarch64")
}

macro_rules! scalar {
    ($name:ident, $float:ty, $bits:ty, $wide:literal, $mantissa:literal, $anchor:literal, $bias:literal) => {
        /// One number at a time.
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Arithmetic for $name {
            type Number = $float;
            type Truth = bool;
            const WIDE: bool = $wide;

            fn number(&mut self, value: f64) -> $float {
                value as $float
            }
            fn add(&mut self, a: $float, b: $float) -> $float {
                a + b
            }
            fn subtract(&mut self, a: $float, b: $float) -> $float {
                a - b
            }
            fn multiply(&mut self, a: $float, b: $float) -> $float {
                a * b
            }
            fn divide(&mut self, a: $float, b: $float) -> $float {
                a / b
            }
            fn fma(&mut self, a: $float, b: $float, c: $float) -> $float {
                if has_fma() { a.mul_add(b, c) } else { a * b + c }
            }
            fn square_root(&mut self, a: $float) -> $float {
                a.sqrt()
            }
            fn absolute(&mut self, a: $float) -> $float {
                a.abs()
            }
            fn less(&mut self, a: $float, b: $float) -> bool {
                a < b
            }
            fn select(&mut self, truth: bool, a: $float, b: $float) -> $float {
                if truth { a } else { b }
            }
            fn unless(&mut self, truth: bool, short: $float, long: impl FnOnce(&mut Self) -> $float) -> $float {
                if truth { short } else { long(self) }
            }
            #[inline(always)]
            fn scale(&mut self, a: $float, k_shifted: $float) -> $float {
                <$float>::from_bits(a.to_bits().wrapping_add(k_shifted.to_bits() << $mantissa))
            }
            #[inline(always)]
            fn split(&mut self, a: $float) -> ($float, $float) {
                let bits = a.to_bits();
                let anchored = <$float>::from_bits((bits >> $mantissa) | $anchor.to_bits());
                let low: $bits = (1 << $mantissa) - 1;
                (anchored - ($anchor + $bias), <$float>::from_bits((bits & low) | (1.0 as $float).to_bits()))
            }
        }
    };
}

scalar!(Scalar32, f32, u32, false, 23, 8_388_608.0_f32, 127.0);
scalar!(Scalar64, f64, u64, true, 52, 4_503_599_627_370_496.0_f64, 1023.0);

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(from: f64, to: f64, mut error: impl FnMut(f64) -> f64) -> f64 {
        let steps = 200_000;
        (0..=steps).map(|i| error(from + (to - from) * f64::from(i) / f64::from(steps))).fold(0.0, f64::max)
    }

    #[test]
    fn exp_log_phi1_and_cos_are_as_exact_as_stated() {
        let relative = |is: f64, should: f64| ((is - should) / should).abs();
        assert!(
            worst(-86.0, 87.0, |x| relative(f64::from(exp(&mut Scalar32, x as f32)), f64::from(x as f32).exp()))
                < 1.2e-7
        );
        assert!(worst(-700.0, 700.0, |x| relative(exp(&mut Scalar64, x), x.exp())) < 4e-16);
        let phi = |x: f64| if x == 0.0 { 1.0 } else { x.exp_m1() / x };
        assert!(worst(-0.25, 0.25, |x| relative(phi1(&mut Scalar64, x), phi(x))) < 5e-16);
        assert!(worst(-20.0, 20.0, |x| relative(phi1(&mut Scalar64, x), phi(x))) < 4e-15);
        assert!(
            worst(-0.25, 0.25, |x| relative(f64::from(phi1(&mut Scalar32, x as f32)), phi(f64::from(x as f32)))) < 2e-7
        );
        assert!(worst(1e-3, 50.0, |x| (log(&mut Scalar64, x) - x.ln()).abs() / x.ln().abs().max(0.5)) < 4e-16);
        assert!(
            worst(1e-3, 50.0, |x| (f64::from(log(&mut Scalar32, x as f32)) - f64::from(x as f32).ln()).abs()
                / x.ln().abs().max(0.5))
                < 3e-7
        );
        // The reference itself is off by half a unit in the last place of 2 pi x.
        assert!(worst(0.0, 0.999_999, |x| (cos_turns(&mut Scalar64, x) - (2.0 * PI * x).cos()).abs()) < 2e-15);
    }

    #[test]
    fn the_ends_of_the_range_are_what_they_should_be() {
        assert_eq!(exp(&mut Scalar64, -1000.0), 0.0);
        assert_eq!(exp(&mut Scalar32, 1000.0), f32::INFINITY);
        assert_eq!(exp(&mut Scalar64, 0.0), 1.0);
        assert_eq!(phi1(&mut Scalar64, 0.0), 1.0);
        assert_eq!(log(&mut Scalar64, 1.0), 0.0);
        assert_eq!(log(&mut Scalar64, 0.0), f64::NEG_INFINITY);
        assert!(log(&mut Scalar32, -1.0).is_nan());
        for not_a_number in [f32::NAN, -f32::NAN, f32::from_bits(0x7F80_0001)] {
            assert!(log(&mut Scalar32, not_a_number).is_nan());
        }
        assert_eq!(log(&mut Scalar32, f32::INFINITY), f32::INFINITY);
    }
}
