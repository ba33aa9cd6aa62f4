//! Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011), so that nothing depends on the order of evaluation.

pub mod block;
mod vectors;

use crate::math::{self, Arithmetic};

/// What a random number depends on, and all it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The run's seed.
    pub seed: u64,
    /// Which kernel, group, connection or matrix draws.
    pub component: u32,
    /// Which element of it.
    pub element: u32,
    /// Which of the element's draws.
    pub number: u32,
    /// When: the tick.
    pub tick: u32,
    /// For which sample.
    pub sample: u32,
}

/// Elements that are drawn side by side.
pub const LANES: usize = 16;
/// Numbers that four words of Philox give: each of so many runs of [`LANES`] elements takes its own part of the same words.
const PARTS_32: usize = 4;
const PARTS_64: usize = 2;

/// Which four words an element takes a part of, and which part.
#[inline(always)]
fn place(element: u32, parts: usize) -> (u32, usize) {
    let (lanes, group) = (LANES as u32, (LANES * parts) as u32);
    (element / group * lanes + element % lanes, (element / lanes) as usize % parts)
}

impl Key {
    /// 128 random bits, the element being a number of four words.
    #[inline(always)]
    pub fn words(self) -> [u32; 4] {
        let (key, counter) = self.start();
        philox(key, counter)
    }

    /// Philox's key and counter.
    #[inline(always)]
    fn start(self) -> ([u32; 2], [u32; 4]) {
        let high = (self.seed >> 32) as u32;
        ([self.seed as u32, self.component], [self.element, self.number ^ high, self.tick, self.sample])
    }

    #[inline(always)]
    fn part(self, parts: usize) -> ([u32; 4], usize) {
        let (element, part) = place(self.element, parts);
        (Key { element, ..self }.words(), part)
    }

    /// Uniform in (0, 1), with 24 bits, below 2^-16 with those of 2^-32.
    pub fn uniform_f32(self) -> f32 {
        let (words, part) = self.part(PARTS_32);
        unit_f32(words, part)
    }

    /// Uniform in (0, 1), with 53 bits.
    pub fn uniform_f64(self) -> f64 {
        let (words, part) = self.part(PARTS_64);
        unit_f64(words, part)
    }

    /// Uniform in [0, 1), with 53 bits, and 64 others: all that four words hold.
    pub fn uniform_and_bits(self) -> (f64, u64) {
        let [a, b, c, d] = self.words();
        (unit_interval(a, b), (u64::from(c) << 32) | u64::from(d))
    }

    /// Standard normal, by Box and Muller's method.
    pub fn normal_f32(self) -> f32 {
        let (words, part) = self.part(PARTS_32);
        let (even, odd) = (part & !1, part | 1);
        let turns = [turns_f32(words, even), turns_f32(words, odd)];
        box_muller(&mut math::Scalar32, open_f32(words, part / 2), turns)[part % 2]
    }

    /// Standard normal, of all that four words hold.
    pub fn normal_of(words: [u32; 4]) -> f64 {
        let turns = [turns_f64(words, 0), turns_f64(words, 1)];
        box_muller(&mut math::Scalar64, open_f64(words, 0), turns)[0]
    }

    /// Standard normal, by Box and Muller's method.
    pub fn normal_f64(self) -> f64 {
        let (words, part) = self.part(PARTS_64);
        let (even, odd) = (part & !1, part | 1);
        let turns = [turns_f64(words, even), turns_f64(words, odd)];
        box_muller(&mut math::Scalar64, open_f64(words, part / 2), turns)[part % 2]
    }
}

/// 24 bits of a word.
#[inline(always)]
fn short(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Small numbers have all bits of the word and half a bit: never 0, and so fine that what happens rarely happens as rarely as it is to.
#[inline(always)]
fn unit_f32(words: [u32; 4], part: usize) -> f32 {
    let word = words[part];
    let fine = ((word & 0xFFFF) as f32 + 0.5) * (1.0 / 4_294_967_296.0);
    if word < 1 << 16 { fine } else { short(word) }
}

/// Never 0.
#[inline(always)]
fn unit_f64(words: [u32; 4], part: usize) -> f64 {
    const LEAST: f64 = 0.5 / 9_007_199_254_740_992.0;
    let unit = unit_interval(words[2 * part], words[2 * part + 1]);
    if unit < LEAST { LEAST } else { unit }
}

/// What takes a quarter of the words' range off, around the end.
const QUARTER_LESS: u32 = 0xC000_0000;

/// Uniform in (0, 1], of a pair of parts.
#[inline(always)]
fn open_f32(words: [u32; 4], pair: usize) -> f32 {
    ((words[2 * pair] >> 8) + 1) as f32 * (1.0 / 16_777_216.0)
}

/// Uniform in (0, 1]; of two parts there is but one pair.
#[inline(always)]
fn open_f64([a, b, _, _]: [u32; 4], _pair: usize) -> f64 {
    1.0 - unit_interval(a, b)
}

/// The angle of a pair in turns, in [0, 1); for its second part a quarter less, so that a cosine gives the sine.
#[inline(always)]
fn turns_f32(words: [u32; 4], part: usize) -> f32 {
    short(words[part | 1].wrapping_add(if part.is_multiple_of(2) { 0 } else { QUARTER_LESS }))
}

/// The same.
#[inline(always)]
fn turns_f64([_, _, c, d]: [u32; 4], part: usize) -> f64 {
    unit_interval(c.wrapping_add(if part == 0 { 0 } else { QUARTER_LESS }), d)
}

#[inline(always)]
fn unit_interval(high: u32, low: u32) -> f64 {
    let bits = (u64::from(high) << 32) | u64::from(low);
    (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// Two independent normal numbers: sqrt(-2 ln first) times cosine and sine of 2 pi turns; the sine is the cosine a quarter before.
#[inline(always)]
fn box_muller<A: Arithmetic>(on: &mut A, first: A::Number, turns: [A::Number; 2]) -> [A::Number; 2] {
    let log = math::log(on, first);
    let minus_two = on.number(-2.0);
    let square = on.multiply(minus_two, log);
    let radius = on.square_root(square);
    let [cosine, sine] = [math::cos_turns(on, turns[0]), math::cos_turns(on, turns[1])];
    [on.multiply(radius, cosine), on.multiply(radius, sine)]
}

/// What Philox4x32 multiplies by, and what its keys grow by from round to round.
const PHILOX_FACTORS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const PHILOX_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox4x32; [`block::words`] does many at a time.
pub fn philox(mut key: [u32; 2], [mut a, mut b, mut c, mut d]: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let first = u64::from(PHILOX_FACTORS[0]) * u64::from(a);
        let second = u64::from(PHILOX_FACTORS[1]) * u64::from(c);
        (a, b) = ((second >> 32) as u32 ^ b ^ key[0], second as u32);
        (c, d) = ((first >> 32) as u32 ^ d ^ key[1], first as u32);
        key = [key[0].wrapping_add(PHILOX_STEPS[0]), key[1].wrapping_add(PHILOX_STEPS[1])];
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_vectors() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// Oracle: the bits that the words have.
    #[test]
    fn uniform_numbers_are_never_an_end_and_fine_near_0() {
        let unit = |word: u32| f64::from(unit_f32([word; 4], 0)) * 2f64.powi(32);
        assert_eq!([0, 1, 255, 65_535].map(unit), [0.5, 1.5, 255.5, 65_535.5]);
        // From there on the 24 upper bits.
        assert_eq!([65_536, 65_791, 65_792].map(unit), [65_536.0, 65_536.0, 65_792.0]);
        assert!(unit_f32([u32::MAX; 4], 3) < 1.0 && unit_f64([u32::MAX; 4], 1) < 1.0);
        assert_eq!(unit_f64([0; 4], 0), 2f64.powi(-54));
    }

    #[test]
    fn normals_have_the_moments_and_tails_of_a_normal() {
        let n = 200_000;
        let key = |element| Key { seed: 7, component: 3, element, number: 0, tick: 5, sample: 1 };
        for wide in [false, true] {
            let draw = |i| if wide { key(i).normal_f64() } else { f64::from(key(i).normal_f32()) };
            let values: Vec<f64> = (0..n).map(draw).collect();
            let count = f64::from(n);
            let moment = |power: i32| values.iter().map(|v| v.powi(power)).sum::<f64>() / count;
            // Five standard errors of each moment.
            assert!(moment(1).abs() < 5.0 / count.sqrt());
            assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / count).sqrt());
            assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / count).sqrt());
            // No part of the same words tells of another.
            for apart in [LANES, 2 * LANES, 3 * LANES] {
                let product: f64 = values.iter().zip(&values[apart..]).map(|(a, b)| a * b).sum();
                let squares: f64 = values.iter().zip(&values[apart..]).map(|(a, b)| a * a * b * b - 1.0).sum();
                assert!(product.abs() / count < 5.0 / count.sqrt());
                assert!(squares.abs() / count < 5.0 * (8.0 / count).sqrt());
            }
            let beyond = values.iter().filter(|v| v.abs() > 3.0).count() as f64 / count;
            assert!((beyond - 0.002_699_8).abs() < 5.0 * (0.0027 / count).sqrt());
        }
    }
}
