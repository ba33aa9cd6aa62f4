//! A normal distribution between two ends, drawn as if what lies outside were drawn anew: the quantile of a uniform number.

use nmc_program::{Binary, Compare, Draw, Unary, Value};

use super::kernel::Builder;

/// A draw from a normal distribution of which only what lies between `low` and `high` counts.
pub fn truncated(b: &mut Builder, [mean, sigma, low, high]: [Value; 4]) -> Value {
    let [from, to] = [low, high].map(|end| {
        let above = b.binary(Binary::Subtract, end, mean);
        let above = b.binary(Binary::Divide, above, sigma);
        share_below(b, above)
    });
    let (draw, width) = (b.random(Draw::Uniform), b.binary(Binary::Subtract, to, from));
    let share = b.multiply(draw, width);
    let share = b.add(from, share);
    let quantile = quantile(b, share);
    let away = b.multiply(quantile, sigma);
    let value = b.add(away, mean);
    b.clamp(value, low, high)
}

/// Which share of a normal distribution lies below so many standard deviations, to 7.5e-8 (Abramowitz and Stegun 1964, 26.2.17).
fn share_below(b: &mut Builder, x: Value) -> Value {
    const TAIL: [f64; 6] = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530, 0.0];
    let (zero, half) = (b.number(0.0), b.number(0.5));
    let below = b.unary(Unary::Negate, x);
    let [above, below] = [x, below].map(|x| {
        let (x, one, slope) = (b.binary(Binary::Maximum, x, zero), b.number(1.0), b.number(0.231_641_9));
        let slope = b.multiply(x, slope);
        let slope = b.add(slope, one);
        let t = b.binary(Binary::Divide, one, slope);
        let (square, minus_half) = (b.multiply(x, x), b.number(-0.5));
        let exponent = b.multiply(square, minus_half);
        let (density, root) = (b.unary(Unary::Exp, exponent), b.number((2.0 * std::f64::consts::PI).sqrt().recip()));
        let density = b.multiply(density, root);
        let tail = polynomial(b, &TAIL, t);
        b.multiply(density, tail)
    });
    let share = b.add(half, below);
    b.binary(Binary::Subtract, share, above)
}

/// How many standard deviations this share lies below, to a relative 1.2e-9 (Acklam's rational approximations).
fn quantile(b: &mut Builder, share: Value) -> Value {
    const MIDDLE: ([f64; 6], [f64; 6]) = (
        [
            -39.696_830_286_653_76,
            220.946_098_424_520_5,
            -275.928_510_446_968_7,
            138.357_751_867_269,
            -30.664_798_066_147_16,
            2.506_628_277_459_239,
        ],
        [
            -54.476_098_798_224_06,
            161.585_836_858_040_9,
            -155.698_979_859_886_6,
            66.801_311_887_719_72,
            -13.280_681_552_885_72,
            1.0,
        ],
    );
    const TAIL: ([f64; 6], [f64; 5]) = (
        [
            -7.784_894_002_430_293e-3,
            -0.322_396_458_041_136_5,
            -2.400_758_277_161_838,
            -2.549_732_539_343_734,
            4.374_664_141_464_968,
            2.938_163_982_698_783,
        ],
        [7.784_695_709_041_462e-3, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0],
    );
    const TAIL_BELOW: f64 = 0.02425;
    let (half, one, zero) = (b.number(0.5), b.number(1.0), b.number(0.0));
    let off = b.binary(Binary::Subtract, share, half);
    let square = b.multiply(off, off);
    let (over, under) = (polynomial(b, &MIDDLE.0, square), polynomial(b, &MIDDLE.1, square));
    let over = b.multiply(over, off);
    let middle = b.binary(Binary::Divide, over, under);
    let other = b.binary(Binary::Subtract, one, share);
    let beyond = b.binary(Binary::Minimum, share, other);
    let (log, minus_two) = (b.unary(Unary::Log, beyond), b.number(-2.0));
    let root = b.multiply(log, minus_two);
    let root = b.unary(Unary::SquareRoot, root);
    let (over, under) = (polynomial(b, &TAIL.0, root), polynomial(b, &TAIL.1, root));
    let low_tail = b.binary(Binary::Divide, over, under);
    let high_tail = b.unary(Unary::Negate, low_tail);
    let is_low = b.compare(Compare::Less, off, zero);
    let tail = b.select(is_low, low_tail, high_tail);
    let least = b.number(TAIL_BELOW);
    let in_tail = b.compare(Compare::Less, beyond, least);
    b.select(in_tail, tail, middle)
}

/// A polynomial with these factors, that of the highest power first.
fn polynomial(b: &mut Builder, factors: &[f64], x: Value) -> Value {
    let mut sum = b.number(factors[0]);
    for &factor in &factors[1..] {
        let (product, factor) = (b.multiply(sum, x), b.number(factor));
        sum = b.add(product, factor);
    }
    sum
}
