//! Random numbers of consecutive elements, many at a time, with the bits that `Key` gives one by one.

use pulp::{Arch, Simd, WithSimd};

use super::vectors::Vectors;
use super::{
    Key, LANES, PARTS_32, PARTS_64, PHILOX_FACTORS, PHILOX_STEPS, box_muller, open_f32, open_f64, turns_f32, turns_f64,
    unit_f32, unit_f64,
};
use crate::math::{self, Arithmetic, has_fma};

macro_rules! block {
    (
        $work:ident, $float:ty, $parts:ident, $open:ident, $turns:ident, $unit:ident, $pairs:ident, $normals:ident,
        $uniforms:ident
    ) => {
        /// Numbers for `out`, in blocks, with the best vectors there are.
        struct $work<'a> {
            key: Key,
            normal: bool,
            out: &'a mut [$float],
        }

        impl WithSimd for $work<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                let start = self.key.element as usize;
                let end = start + self.out.len();
                let group = LANES * $parts;
                for first in (start / group * group..end).step_by(group) {
                    let words = words(simd, Key { element: (first / $parts) as u32, ..self.key });
                    for part in (0..$parts).step_by(2) {
                        let first = first + part * LANES;
                        if first >= end || first + 2 * LANES <= start {
                            continue;
                        }
                        // The words of these two parts first: what is fixed while compiling becomes vector code.
                        let row = |at: usize| &words[(part + at) % 4];
                        let rows = [row(0), row(1), row(2), row(3)].map(|row| *row);
                        let of = |lane: usize| [rows[0][lane], rows[1][lane], rows[2][lane], rows[3][lane]];
                        let mut both = [[0.0; LANES]; 2];
                        if self.normal {
                            let (mut uniform, mut turns) = ([0.0; LANES], [[0.0; LANES]; 2]);
                            for i in 0..LANES {
                                uniform[i] = $open(of(i), 0);
                            }
                            for i in 0..LANES {
                                turns[0][i] = $turns(of(i), 0);
                            }
                            for i in 0..LANES {
                                turns[1][i] = $turns(of(i), 1);
                            }
                            both = $pairs(simd, uniform, turns);
                        } else {
                            for i in 0..LANES {
                                both[0][i] = $unit(of(i), 0);
                            }
                            for i in 0..LANES {
                                both[1][i] = $unit(of(i), 1);
                            }
                        }
                        for (half, numbers) in both.iter().enumerate() {
                            let first = first + half * LANES;
                            if first >= start && first + LANES <= end {
                                self.out[first - start..first - start + LANES].copy_from_slice(numbers);
                            } else {
                                for at in first.max(start)..(first + LANES).min(end) {
                                    self.out[at - start] = numbers[at - first];
                                }
                            }
                        }
                    }
                }
            }
        }

        /// Standard normal numbers of the elements from `key.element` on.
        pub fn $normals(key: Key, out: &mut [$float]) {
            Arch::new().dispatch($work { key, normal: true, out });
        }

        /// Uniform numbers of the elements from `key.element` on.
        pub fn $uniforms(key: Key, out: &mut [$float]) {
            Arch::new().dispatch($work { key, normal: false, out });
        }
    };
}

block!(Fill32, f32, PARTS_32, open_f32, turns_f32, unit_f32, pairs_f32, normals_f32, uniforms_f32);
block!(Fill64, f64, PARTS_64, open_f64, turns_f64, unit_f64, pairs_f64, normals_f64, uniforms_f64);

/// Pairs of normal numbers.
#[inline(always)]
fn pairs_f32<S: Simd>(simd: S, first: [f32; LANES], turns: [[f32; LANES]; 2]) -> [[f32; LANES]; 2] {
    let mut on = Vectors { simd, fused: has_fma() };
    let mut both = [[0.0; LANES]; 2];
    let [even, odd] = both.each_mut().map(|numbers| S::as_mut_simd_f32s(numbers).0);
    let (first, turns) = (S::as_simd_f32s(&first).0, turns.each_ref().map(|turns| S::as_simd_f32s(turns).0));
    for at in 0..first.len() {
        [even[at], odd[at]] = box_muller(&mut on, first[at], [turns[0][at], turns[1][at]]);
    }
    both
}

/// The same.
#[inline(always)]
fn pairs_f64<S: Simd>(_: S, first: [f64; LANES], turns: [[f64; LANES]; 2]) -> [[f64; LANES]; 2] {
    box_muller(&mut Block64 { fused: has_fma() }, first, turns)
}

/// A block of double numbers, in loops that become vector code.
struct Block64 {
    fused: bool,
}

impl Block64 {
    #[inline(always)]
    fn one(a: [f64; LANES], f: impl Fn(f64) -> f64) -> [f64; LANES] {
        let mut out = a;
        for i in 0..LANES {
            out[i] = f(a[i]);
        }
        out
    }

    #[inline(always)]
    fn two(a: [f64; LANES], b: [f64; LANES], f: impl Fn(f64, f64) -> f64) -> [f64; LANES] {
        let mut out = a;
        for i in 0..LANES {
            out[i] = f(a[i], b[i]);
        }
        out
    }
}

impl Arithmetic for Block64 {
    type Number = [f64; LANES];
    /// All bits or none.
    type Truth = [u64; LANES];
    const WIDE: bool = true;

    #[inline(always)]
    fn number(&mut self, value: f64) -> Self::Number {
        [value; LANES]
    }
    #[inline(always)]
    fn add(&mut self, a: Self::Number, b: Self::Number) -> Self::Number {
        Self::two(
            a,
            b,
            #[inline(always)]
            |a, b| a + b,
        )
    }
    #[inline(always)]
    fn subtract(&mut self, a: Self::Number, b: Self::Number) -> Self::Number {
        Self::two(
            a,
            b,
            #[inline(always)]
            |a, b| a - b,
        )
    }
    #[inline(always)]
    fn multiply(&mut self, a: Self::Number, b: Self::Number) -> Self::Number {
        Self::two(
            a,
            b,
            #[inline(always)]
            |a, b| a * b,
        )
    }
    #[inline(always)]
    fn divide(&mut self, a: Self::Number, b: Self::Number) -> Self::Number {
        Self::two(
            a,
            b,
            #[inline(always)]
            |a, b| a / b,
        )
    }
    #[inline(always)]
    fn fma(&mut self, a: Self::Number, b: Self::Number, c: Self::Number) -> Self::Number {
        let mut out = c;
        if self.fused {
            for i in 0..LANES {
                out[i] = a[i].mul_add(b[i], c[i]);
            }
        } else {
            for i in 0..LANES {
                out[i] = a[i] * b[i] + c[i];
            }
        }
        out
    }
    #[inline(always)]
    fn square_root(&mut self, a: Self::Number) -> Self::Number {
        Self::one(
            a,
            #[inline(always)]
            |a| a.sqrt(),
        )
    }
    #[inline(always)]
    fn absolute(&mut self, a: Self::Number) -> Self::Number {
        Self::one(
            a,
            #[inline(always)]
            |a| a.abs(),
        )
    }
    #[inline(always)]
    fn less(&mut self, a: Self::Number, b: Self::Number) -> Self::Truth {
        let mut out = [0; LANES];
        for i in 0..LANES {
            out[i] = if a[i] < b[i] { u64::MAX } else { 0 };
        }
        out
    }
    #[inline(always)]
    fn select(&mut self, truth: Self::Truth, a: Self::Number, b: Self::Number) -> Self::Number {
        let mut out = a;
        for i in 0..LANES {
            out[i] = f64::from_bits((a[i].to_bits() & truth[i]) | (b[i].to_bits() & !truth[i]));
        }
        out
    }
    #[inline(always)]
    fn unless(
        &mut self,
        truth: Self::Truth,
        short: Self::Number,
        long: impl FnOnce(&mut Self) -> Self::Number,
    ) -> Self::Number {
        let long = long(self);
        self.select(truth, short, long)
    }
    #[inline(always)]
    fn scale(&mut self, a: Self::Number, k_shifted: Self::Number) -> Self::Number {
        Self::two(
            a,
            k_shifted,
            #[inline(always)]
            |a, k| math::Scalar64.scale(a, k),
        )
    }
    #[inline(always)]
    fn split(&mut self, a: Self::Number) -> (Self::Number, Self::Number) {
        let (mut exponents, mut mantissas) = (a, a);
        for i in 0..LANES {
            (exponents[i], mantissas[i]) = math::Scalar64.split(a[i]);
        }
        (exponents, mantissas)
    }
}

/// `Key::words` of consecutive elements, word by word.
#[inline(always)]
pub fn words<S: Simd>(simd: S, key: Key) -> [[u32; LANES]; 4] {
    let (key, [element, number, tick, sample]) = key.start();
    let mut words = [[element; LANES], [number; LANES], [tick; LANES], [sample; LANES]];
    for (i, element) in words[0].iter_mut().enumerate() {
        *element = element.wrapping_add(i as u32);
    }
    let factors = PHILOX_FACTORS.map(|factor| simd.splat_u32s(factor));
    let [all_a, all_b, all_c, all_d] = words.each_mut().map(|words| S::as_mut_simd_u32s(words).0);
    for at in 0..all_a.len() {
        // As `philox` does it, with whole vectors.
        let [mut first_key, mut second_key] = key.map(|key| simd.splat_u32s(key));
        let (mut a, mut b, mut c, mut d) = (all_a[at], all_b[at], all_c[at], all_d[at]);
        for _ in 0..10 {
            let (first_low, first_high) = simd.widening_mul_u32s(a, factors[0]);
            let (second_low, second_high) = simd.widening_mul_u32s(c, factors[1]);
            a = simd.xor_u32s(simd.xor_u32s(second_high, b), first_key);
            c = simd.xor_u32s(simd.xor_u32s(first_high, d), second_key);
            (b, d) = (second_low, first_low);
            first_key = simd.add_u32s(first_key, simd.splat_u32s(PHILOX_STEPS[0]));
            second_key = simd.add_u32s(second_key, simd.splat_u32s(PHILOX_STEPS[1]));
        }
        (all_a[at], all_b[at], all_c[at], all_d[at]) = (a, b, c, d);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a million numbers some sixteen are so small that they have more bits.
    #[test]
    fn small_uniform_numbers_have_the_bits_of_single_ones() {
        let key = Key { seed: 9, component: 1, element: 0, number: 0, tick: 0, sample: 0 };
        let mut all = vec![0.0; 1 << 20];
        uniforms_f32(key, &mut all);
        let small: Vec<usize> = (0..all.len()).filter(|&i| all[i] < 2f32.powi(-16)).collect();
        assert!((4..40).contains(&small.len()));
        for i in small {
            assert_eq!(all[i].to_bits(), Key { element: i as u32, ..key }.uniform_f32().to_bits());
        }
    }

    #[test]
    fn blocks_have_the_bits_of_single_numbers() {
        let key = Key { seed: 0x1234_5678_9abc, component: 3, element: 1_000_003, number: 2, tick: 5, sample: 1 };
        let one = |i: usize| Key { element: key.element + i as u32, ..key };
        for len in [1, 15, 16, 40, 100, 300] {
            let (mut narrow, mut wide) = (vec![0.0_f32; len], vec![0.0_f64; len]);
            normals_f32(key, &mut narrow);
            normals_f64(key, &mut wide);
            for i in 0..len {
                assert_eq!(narrow[i].to_bits(), one(i).normal_f32().to_bits());
                assert_eq!(wide[i].to_bits(), one(i).normal_f64().to_bits());
            }
            uniforms_f32(key, &mut narrow);
            uniforms_f64(key, &mut wide);
            for i in 0..len {
                assert_eq!(narrow[i].to_bits(), one(i).uniform_f32().to_bits());
                assert_eq!(wide[i].to_bits(), one(i).uniform_f64().to_bits());
            }
        }
    }
}
