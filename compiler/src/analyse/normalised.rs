//! Sums of the conductances that the columns of an array are asked to hold: what columns that divide by them are multiplied by.

use crate::analyse::quantiser::nearest;
use crate::forms::chip::{Device, WeightScheme};

/// Siemens of the cells of each of so many outputs, whose weights (output, input) are held at most as `most`.
pub fn column_siemens(
    device: &Device,
    scheme: WeightScheme,
    (outputs, inputs): (usize, usize),
    most: f64,
    weight: &dyn Fn(usize, usize) -> f64,
) -> Vec<f64> {
    let span = device.g_max - device.g_min;
    let rounded = |share: f64| match device.levels {
        Some(levels) if levels > 1 => nearest(share * f64::from(levels - 1)) / f64::from(levels - 1),
        Some(_) | None => share,
    };
    let held = |share: f64| device.g_min + span * rounded(share.clamp(0.0, 1.0));
    let of = |output: usize, input: usize| {
        let share = if most > 0.0 { weight(output, input) / most } else { 0.0 };
        let other = if scheme == WeightScheme::Differential { held(-share) } else { 0.0 };
        held(share) + other
    };
    (0..outputs).map(|output| (0..inputs).map(|input| of(output, input)).sum()).collect()
}
