//! What rounding and clipping do to values, and the range in which they err least.

use crate::analyse::quantiser::{Quantiser, through};
use crate::forms::chip::{Converter, Domain};
use crate::forms::decisions::Range;
use crate::scramble::scramble;

/// Values kept of each sum to tell what rounding and clipping do to it.
const KEPT: usize = 1024;

pub(super) fn largest(values: &[f32]) -> f64 {
    f64::from(values.iter().fold(0f32, |most, value| most.max(value.abs())))
}

/// Values spread evenly over all: one of each stretch, at random, since every so many of them are of one output.
pub(super) fn some(values: &[f32]) -> Vec<f32> {
    let stride = values.len().div_ceil(KEPT).max(1);
    let one = |(at, stretch): (usize, &[f32])| stretch[(scramble(at as u64) % stretch.len() as u64) as usize];
    values.chunks(stride).enumerate().map(one).collect()
}

/// Mean squared error of rounding and clipping values, and of a converter's gain, offset and nonlinearity.
pub(super) fn rounding(values: &[f32], bits: u32, converter: &Converter, range: Range) -> f64 {
    let (gain, offset) = (converter.gain_error, converter.offset_lsb);
    let values = some(values);
    let known = converter.corrected || (gain.is_none() && offset.is_none());
    if known && converter.inl_lsb == 0.0 {
        return rounding_of(&values, bits, range);
    }
    let mean = |of: &dyn Fn(f64) -> f64| {
        values.iter().map(|&value| of(f64::from(value)).powi(2)).sum::<f64>() / values.len().max(1) as f64
    };
    let spread = match known {
        true => 0.0,
        false => {
            let step = Quantiser::new(bits, range).step;
            gain.spread.powi(2) * mean(&|value| value) + (offset.spread * step).powi(2)
        }
    };
    // The bits that are driven are levels already.
    let bits_driven = converter.from == Domain::Bits;
    let quantiser = Quantiser::new(bits, range);
    spread
        + match bits_driven {
            true => {
                let fixed = |value: f64| through(converter, bits, range, value) - quantiser.level(value);
                rounding_of(&values, bits, range) + mean(&fixed)
            }
            false => mean(&|value| through(converter, bits, range, value) - value),
        }
}

/// The same of all of them.
pub(super) fn rounding_of(values: &[f32], bits: u32, range: Range) -> f64 {
    let quantiser = Quantiser::new(bits, range);
    // In eight strands, so that it runs in vector registers.
    let mut lanes = [0.0; 8];
    for eight in values.chunks(8) {
        for (sum, &value) in lanes.iter_mut().zip(eight) {
            let value = f64::from(value);
            let error = quantiser.level(value) - value;
            *sum += error * error;
        }
    }
    lanes.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The level of clipping with the least error at this resolution. What is cut off is counted over all values: few of them may hold most of it.
pub(super) fn clipping(values: &[f32], bits: u32) -> f64 {
    let (most, all) = (largest(values), values.len().max(1) as f64);
    let above: Vec<f64> = values.iter().map(|v| f64::from(v.abs())).filter(|v| *v > 0.3 * most).collect();
    let kept = some(values);
    let mut best = (f64::INFINITY, most);
    for tenth in (3..=10).rev() {
        let full = most * f64::from(tenth) / 10.0;
        let within: Vec<f32> = kept.iter().map(|v| v.clamp(-full as f32, full as f32)).collect();
        let cut: f64 = above.iter().map(|v| (v - full).max(0.0).powi(2)).sum();
        let range = Range { full, unsigned: false };
        let error = if full > 0.0 { rounding_of(&within, bits, range) + cut / all } else { 0.0 };
        if error < best.0 {
            best = (error, full);
        }
    }
    best.1
}
