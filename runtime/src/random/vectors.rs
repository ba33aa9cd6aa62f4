//! Arithmetic on single numbers in the vectors of a processor, operation by operation as on one alone. Loops over arrays came out partly as code
//! for one number at a time.

use pulp::Simd;

use crate::math::Arithmetic;

pub struct Vectors<S> {
    pub simd: S,
    /// Whether products are added with one rounding.
    pub fused: bool,
}

impl<S: Simd> Vectors<S> {
    #[inline(always)]
    fn bits(&self, bits: u32) -> S::u32s {
        self.simd.splat_u32s(bits)
    }
}

impl<S: Simd> Arithmetic for Vectors<S> {
    type Number = S::f32s;
    type Truth = S::m32s;
    const WIDE: bool = false;

    #[inline(always)]
    fn number(&mut self, value: f64) -> S::f32s {
        self.simd.splat_f32s(value as f32)
    }
    #[inline(always)]
    fn add(&mut self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.simd.add_f32s(a, b)
    }
    #[inline(always)]
    fn subtract(&mut self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.simd.sub_f32s(a, b)
    }
    #[inline(always)]
    fn multiply(&mut self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.simd.mul_f32s(a, b)
    }
    #[inline(always)]
    fn divide(&mut self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.simd.div_f32s(a, b)
    }
    #[inline(always)]
    fn fma(&mut self, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        if self.fused {
            return self.simd.mul_add_f32s(a, b, c);
        }
        let product = self.simd.mul_f32s(a, b);
        self.simd.add_f32s(product, c)
    }
    #[inline(always)]
    fn square_root(&mut self, a: S::f32s) -> S::f32s {
        self.simd.sqrt_f32s(a)
    }
    #[inline(always)]
    fn absolute(&mut self, a: S::f32s) -> S::f32s {
        self.simd.abs_f32s(a)
    }
    #[inline(always)]
    fn less(&mut self, a: S::f32s, b: S::f32s) -> S::m32s {
        self.simd.less_than_f32s(a, b)
    }
    #[inline(always)]
    fn select(&mut self, truth: S::m32s, a: S::f32s, b: S::f32s) -> S::f32s {
        self.simd.select_f32s(truth, a, b)
    }
    #[inline(always)]
    fn unless(&mut self, truth: S::m32s, short: S::f32s, long: impl FnOnce(&mut Self) -> S::f32s) -> S::f32s {
        let long = long(self);
        self.select(truth, short, long)
    }
    #[inline(always)]
    fn scale(&mut self, a: S::f32s, k_shifted: S::f32s) -> S::f32s {
        let (bits, shifted) = (self.simd.transmute_u32s_f32s(a), self.simd.transmute_u32s_f32s(k_shifted));
        let exponent = self.simd.wrapping_dyn_shl_u32s(shifted, self.bits(23));
        self.simd.transmute_f32s_u32s(self.simd.add_u32s(bits, exponent))
    }
    #[inline(always)]
    fn split(&mut self, a: S::f32s) -> (S::f32s, S::f32s) {
        const ANCHOR: f32 = 8_388_608.0;
        let bits = self.simd.transmute_u32s_f32s(a);
        let high = self.simd.wrapping_dyn_shr_u32s(bits, self.bits(23));
        let anchored = self.simd.transmute_f32s_u32s(self.simd.or_u32s(high, self.bits(ANCHOR.to_bits())));
        let low = self.simd.and_u32s(bits, self.bits((1 << 23) - 1));
        let mantissa = self.simd.transmute_f32s_u32s(self.simd.or_u32s(low, self.bits(1_f32.to_bits())));
        (self.simd.sub_f32s(anchored, self.simd.splat_f32s(ANCHOR + 127.0)), mantissa)
    }
}
