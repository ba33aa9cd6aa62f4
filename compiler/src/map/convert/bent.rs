//! What columns give of cells whose current is no multiple of the voltage, on the calibration data: products of curves in place of numbers.

use super::calibrate::Calibration;
use crate::cost;
use crate::forms::chip::{Domain, Drive, WeightScheme};
use crate::forms::mapped::Given;
use crate::forms::network::NodeId;
use crate::forms::tiling::Tiling;

/// Steps of conductance, and of voltage on either side of 0, between which the curve is taken as straight.
const SHARES: usize = 64;
const VOLTS: usize = 256;

/// The cells of a layer.
pub(super) struct Bent {
    /// Amperes from the lowest conductance and full range below 0 on, [conductance][voltage], in units of what tells a cell at its highest from one
    /// at its lowest conductance at full range.
    table: Vec<f32>,
    weights: WeightScheme,
    /// Whether rows carry pulses, which all have the same height.
    pulses: bool,
    /// The largest weight, and full range of the rows.
    most: f64,
    full: f64,
}

impl Bent {
    /// Of a layer whose largest weight is `most`; none: its cells are linear, or its weights are held in digits.
    pub fn of(given: Given, tiling: &Tiling, layer: NodeId, most: f64, found: &Calibration) -> Option<Self> {
        let (_, block) = tiling.of(layer).next()?;
        let tile = &given.chip.tile_kinds[block.tile_kind];
        let device = &given.chip.devices[tile.device];
        let curve = device.current.as_ref().filter(|_| tile.weights != WeightScheme::Offset)?;
        let at = |share: f64, volts: f64| {
            let siemens = device.g_min + share * (device.g_max - device.g_min);
            cost::amperes(curve, siemens, volts * tile.read_voltage)
        };
        let range = at(1.0, 1.0) - at(0.0, 1.0);
        let full = found.arriving(given, layer);
        if !(range > 0.0 && range.is_finite() && most > 0.0) {
            return None;
        }
        let pulses = tile.inputs.iter().any(|input| match input {
            Drive::Converter(id) => given.chip.converters[*id].to == Domain::Pulse,
            Drive::Direct(domain) => *domain == Domain::Pulse,
            Drive::BitSerial { .. } => false,
        });
        let shares = (0..=SHARES).map(|share| share as f64 / SHARES as f64);
        let volts = || (0..=2 * VOLTS).map(|step| step as f64 / VOLTS as f64 - 1.0);
        let table = shares.flat_map(|share| volts().map(move |volts| (share, volts)));
        let table = table.map(|(share, volts)| (at(share, volts) / range) as f32).collect();
        Some(Bent { table, weights: tile.weights, pulses, most, full })
    }

    /// What a cell that holds a share of its range gives at a row at this share of full range.
    fn cell(&self, share: f64, input: f64) -> f64 {
        let (volts, lasts) = match self.pulses {
            true => (f64::from(u8::from(input > 0.0)) - f64::from(u8::from(input < 0.0)), input.abs()),
            false => (input.clamp(-1.0, 1.0), 1.0),
        };
        let (share, step) = (share.clamp(0.0, 1.0) * SHARES as f64, (volts + 1.0) * VOLTS as f64);
        let (low, first) = ((share as usize).min(SHARES - 1), (step as usize).min(2 * VOLTS - 1));
        let (high_part, last_part) = (share - low as f64, step - first as f64);
        let held = |low: usize| {
            let at = low * (2 * VOLTS + 1) + first;
            f64::from(self.table[at]) * (1.0 - last_part) + f64::from(self.table[at + 1]) * last_part
        };
        lasts * (held(low) * (1.0 - high_part) + held(low + 1) * high_part)
    }

    /// What a weight gives there, in the numbers of the layer.
    fn weight(&self, weight: f32, input: f64) -> f64 {
        let share = f64::from(weight) / self.most;
        let given = match self.weights {
            WeightScheme::Differential => self.cell(share, input) - self.cell(-share, input),
            WeightScheme::Reference => 2.0 * (self.cell(0.5 + 0.5 * share, input) - self.cell(0.5, input)),
            WeightScheme::Unsigned | WeightScheme::Offset => self.cell(share, input),
        };
        given * self.most * self.full
    }

    /// As [`products`](crate::analyse::product::products).
    pub fn products(
        &self,
        input: &[f32],
        weights: &[f32],
        width: usize,
        inputs: (usize, usize),
        outputs: (usize, usize),
    ) -> Vec<f32> {
        let rows = input.chunks_exact(width.max(1));
        let of_output = |sample: &[f32], output: usize| {
            let weights = &weights[output * width + inputs.0..output * width + inputs.1];
            let each = sample[inputs.0..inputs.1].iter().zip(weights);
            each.map(|(x, weight)| self.weight(*weight, f64::from(*x) / self.full)).sum::<f64>() as f32
        };
        rows.flat_map(|sample| (outputs.0..outputs.1).map(move |output| of_output(sample, output))).collect()
    }
}
