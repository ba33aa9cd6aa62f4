//! The one quantiser: what a converter of so many bits makes of a value. Simulation, calibration and the estimate of errors use it.
//!
//! Mid-tread: 0 is a level. A signed converter of n bits has 2^n levels, `-2^(n-1) ..= 2^(n-1) - 1` steps; an unsigned one
//! `0 ..= 2^n - 1`. The largest level is the full range (for one signed bit, the smallest: its levels are minus the full range and 0).

use std::f64::consts::PI;

use crate::forms::chip::{Converter, Domain, FullScale};
use crate::forms::decisions::Range;

/// Levels of a converter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiser {
    /// Distance of two levels.
    pub step: f64,
    /// Lowest and highest level, in steps.
    pub low: f64,
    pub high: f64,
}

impl Quantiser {
    /// For so many bits and a range.
    pub fn new(bits: u32, range: Range) -> Self {
        if range.unsigned {
            let high = 2f64.powi(bits as i32) - 1.0;
            return Quantiser { step: range.full / high, low: 0.0, high };
        }
        let half = 2f64.powi(bits as i32 - 1);
        Quantiser { step: range.full / (half - 1.0).max(1.0), low: -half, high: half - 1.0 }
    }

    /// The level of a value.
    #[inline(always)]
    pub fn level(&self, value: f64) -> f64 {
        self.step * nearest((value / self.step).clamp(self.low, self.high))
    }
}

/// The range a converter works in, where `measured` is that of its signal.
pub fn range_of(converter: &Converter, measured: Range) -> Range {
    match converter.full_scale {
        Some(FullScale::Values(full)) => Range { full, ..measured },
        Some(FullScale::Sensed(_)) | None => measured,
    }
}

/// What a converter makes of a value but for its noise and for what differs from one of its kind to the next.
pub fn through(converter: &Converter, bits: u32, range: Range, value: f64) -> f64 {
    let Quantiser { step, low, high } = Quantiser::new(bits, range);
    let (gain, offset) = match converter.corrected {
        true => (1.0, 0.0),
        false => (1.0 + converter.gain_error.mean, converter.offset_lsb.mean),
    };
    let bent = |code: f64| converter.inl_lsb * (PI * (code / high.max(1.0)).clamp(low.max(-1.0), 1.0)).sin();
    match converter.from {
        Domain::Bits => {
            let level = nearest((value / step).clamp(low, high));
            (level * gain + offset + bent(level)) * step
        }
        Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Spikes | Domain::Light => {
            let code = value / step * gain + offset;
            nearest((code + bent(code)).clamp(low, high)) * step
        }
    }
}

/// The nearest whole number, of two the even one, for numbers below 2^50: adding 1.5 x 2^52 leaves no bits for a fraction. Without a
/// call into the library, as which it would be compiled for processors of every age.
#[inline(always)]
pub fn nearest(number: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (number + SHIFT) - SHIFT
}

/// Mean squared error that a converter adds to values spread over its range: rounding, noise, and its errors of gain, offset and linearity. Clipping is
/// told by the values themselves.
pub fn variance(converter: &Converter, range: Range) -> f64 {
    let range = range_of(converter, range);
    let gain = converter.gain_error.square() * range.full.powi(2) / 3.0;
    match converter.bits {
        Some(bits) => {
            let (offset, gain) = if converter.corrected { (0.0, 0.0) } else { (converter.offset_lsb.square(), gain) };
            let codes = 1.0 / 12.0 + converter.noise.powi(2) + converter.inl_lsb.powi(2) / 2.0 + offset;
            Quantiser::new(bits, range).step.powi(2) * codes + gain
        }
        None => (converter.noise * range.full).powi(2) + gain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(bits: u32, unsigned: bool) -> Vec<f64> {
        let quantiser = Quantiser::new(bits, Range { full: 1.0, unsigned });
        let mut levels: Vec<f64> = (-3000..=3000).map(|i| quantiser.level(f64::from(i) / 1000.0)).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        levels
    }

    #[test]
    fn so_many_bits_give_so_many_levels_and_zero_is_one() {
        for bits in 1..=6 {
            for unsigned in [false, true] {
                let levels = levels(bits, unsigned);
                assert_eq!(levels.len(), 1 << bits, "{bits} bits, unsigned: {unsigned}");
                assert!(levels.contains(&0.0));
                assert_eq!(bits > 1 || unsigned, levels.contains(&1.0));
            }
        }
    }
}
