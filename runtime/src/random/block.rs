//! Random numbers of consecutive elements, many at a time, with the bits that `Key` gives one by one.

use pulp::{Arch, Simd, WithSimd};

use super::{Key, box_muller, next_key, philox_round};
use crate::math::{self, Arithmetic, has_fma};

macro_rules! block {
    (
        $name:ident, $work:ident, $float:ty, $bits:ty, $len:literal, $scalar:ident, $wide:literal, $pair:ident, $unit:ident,
        $normals:ident, $uniforms:ident
    ) => {
        /// A block of numbers, in loops that become vector code.
        struct $name {
            fused: bool,
        }

        impl $name {
            #[inline(always)]
            fn one(a: [$float; $len], f: impl Fn($float) -> $float) -> [$float; $len] {
                let mut out = a;
                for i in 0..$len {
                    out[i] = f(a[i]);
                }
                out
            }

            #[inline(always)]
            fn two(a: [$float; $len], b: [$float; $len], f: impl Fn($float, $float) -> $float) -> [$float; $len] {
                let mut out = a;
                for i in 0..$len {
                    out[i] = f(a[i], b[i]);
                }
                out
            }
        }

        impl Arithmetic for $name {
            type Number = [$float; $len];
            /// All bits or none.
            type Truth = [$bits; $len];
            const WIDE: bool = $wide;

            #[inline(always)]
            fn number(&mut self, value: f64) -> Self::Number {
                [value as $float; $len]
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
                    for i in 0..$len {
                        out[i] = a[i].mul_add(b[i], c[i]);
                    }
                } else {
                    for i in 0..$len {
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
                let mut out = [0; $len];
                for i in 0..$len {
                    out[i] = if a[i] < b[i] { <$bits>::MAX } else { 0 };
                }
                out
            }
            #[inline(always)]
            fn select(&mut self, truth: Self::Truth, a: Self::Number, b: Self::Number) -> Self::Number {
                let mut out = a;
                for i in 0..$len {
                    out[i] = <$float>::from_bits((a[i].to_bits() & truth[i]) | (b[i].to_bits() & !truth[i]));
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
                    |a, k| math::$scalar.scale(a, k),
                )
            }
            #[inline(always)]
            fn split(&mut self, a: Self::Number) -> (Self::Number, Self::Number) {
                let (mut exponents, mut mantissas) = (a, a);
                for i in 0..$len {
                    (exponents[i], mantissas[i]) = math::$scalar.split(a[i]);
                }
                (exponents, mantissas)
            }
        }

        /// Numbers for `out`, in blocks, with the best vectors there are.
        struct $work<'a> {
            key: Key,
            normal: bool,
            out: &'a mut [$float],
        }

        impl WithSimd for $work<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                let mut on = $name { fused: has_fma() };
                for (index, out) in self.out.chunks_mut($len).enumerate() {
                    let element = self.key.element.wrapping_add((index * $len) as u32);
                    let words = words::<$len>(Key { element, ..self.key });
                    let (mut first, mut second) = ([0.0; $len], [0.0; $len]);
                    for i in 0..$len {
                        let of_element = [words[0][i], words[1][i], words[2][i], words[3][i]];
                        if self.normal {
                            (first[i], second[i]) = Key::$pair(of_element);
                        } else {
                            first[i] = Key::$unit(of_element);
                        }
                    }
                    let block = if self.normal { box_muller(&mut on, first, second) } else { first };
                    match <&mut [$float; $len]>::try_from(&mut *out) {
                        Ok(whole) => *whole = block,
                        Err(_) => out.copy_from_slice(&block[..out.len()]),
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

block!(Block32, Fill32, f32, u32, 16, Scalar32, false, pair_f32, unit_f32, normals_f32, uniforms_f32);
block!(Block64, Fill64, f64, u64, 8, Scalar64, true, pair_f64, unit_f64, normals_f64, uniforms_f64);

/// `Key::bits` of consecutive elements, word by word.
#[inline(always)]
fn words<const N: usize>(key: Key) -> [[u32; N]; 4] {
    let (mut round_key, [element, number, tick, sample]) = key.start();
    let (mut a, mut b, mut c, mut d) = ([element; N], [number; N], [tick; N], [sample; N]);
    for (i, element) in a.iter_mut().enumerate() {
        *element = element.wrapping_add(i as u32);
    }
    for _ in 0..10 {
        for i in 0..N {
            [a[i], b[i], c[i], d[i]] = philox_round(round_key, [a[i], b[i], c[i], d[i]]);
        }
        round_key = next_key(round_key);
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_the_bits_of_single_numbers() {
        let key = Key { seed: 0x1234_5678_9abc, component: 3, element: u32::MAX - 20, number: 2, tick: 5, sample: 1 };
        let one = |i: usize| Key { element: key.element.wrapping_add(i as u32), ..key };
        for len in [1, 15, 16, 100] {
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
