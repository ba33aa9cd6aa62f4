//! Layers whose weights are held digit by digit, or whose inputs come bit by bit.

use nmc_compiler::forms::chip::{Drive, FullScale, Sense, TileKind, WeightScheme};
use nmc_compiler::forms::decisions::{OnTiles, Range};
use nmc_compiler::forms::network::NodeId;
use nmc_compiler::forms::tiling::Block;
use nmc_program::ComponentKind;

use super::Chip;

impl Chip<'_> {
    /// Bits of an input and digits of a weight where they are taken apart.
    pub(super) fn digits(&self, tile: &TileKind, how: OnTiles) -> Option<(Option<u32>, usize, u32)> {
        let bits = match tile.inputs[how.drive] {
            Drive::BitSerial { bits, .. } => Some(bits),
            Drive::Converter(_) | Drive::Direct(_) => None,
        };
        let offset = tile.weights == WeightScheme::Offset;
        let levels = self.case.mapped.chip.devices[tile.device].levels.unwrap_or(1 << 16).max(2);
        (bits.is_some() || offset).then_some((bits, if offset { tile.slices.max(1) } else { 1 }, levels))
    }

    /// The partial sums of a block whose weights are digits or whose inputs are driven bit by bit.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn digit_sums(
        &mut self,
        id: NodeId,
        tile: &TileKind,
        how: OnTiles,
        block: &Block,
        x: &[f64],
        range: Range,
        most: f64,
        wanted: &dyn Fn(usize, usize) -> f64,
    ) -> Vec<f64> {
        let case = self.case;
        let (bits, slices, levels) = self.digits(tile, how).unwrap();
        let serial = bits.is_some();
        let (name, outputs) = (&case.mapped.network.graph[id].name, block.outputs);
        let device = &case.mapped.chip.devices[tile.device];
        let base = f64::from(levels);
        let largest = base.powi(slices as i32) - 1.0;
        // What drives the rows: a share of full range, or bits of a code, each with what it stands for.
        let mut driven: Vec<(Vec<f64>, f64)> = Vec::new();
        match bits {
            None => {
                let rows = x.iter().map(|&x| self.drive(tile, how, x, range) / range.full).collect();
                driven.push((rows, range.full));
                self.spend(ComponentKind::Driver, x.len() as f64 * tile.row_energy);
            }
            Some(bits) => {
                let codes = 2_i64.pow(bits);
                let (low, high) = if range.unsigned { (0, codes - 1) } else { (-codes / 2, codes / 2 - 1) };
                let step = range.full / (high as f64).max(1.0);
                let code = |x: f64| ((x / step).round_ties_even() as i64).clamp(low, high);
                for bit in 0..bits {
                    let Drive::BitSerial { converter, .. } = tile.inputs[how.drive] else { panic!() };
                    let one = Range { full: 1.0, unsigned: true };
                    let bit_of = |&x: &f64| (code(x).rem_euclid(codes) >> bit & 1) as f64;
                    let rows = x.iter().map(|x| self.convert(bit_of(x), converter, one)).collect();
                    let top = bit + 1 == bits && !range.unsigned;
                    driven.push((rows, step * 2_f64.powi(bit as i32) * if top { -1.0 } else { 1.0 }));
                    self.spend(ComponentKind::Driver, x.len() as f64 * tile.row_energy);
                }
            }
        }
        let mut sums = vec![0.0; outputs.1 - outputs.0];
        if tile.weights != WeightScheme::Offset {
            // All of one sign may be driven at once.
            let of_sign = |column: usize, sign: f64| -> f64 {
                (block.inputs.0..block.inputs.1).map(|row| (sign * wanted(row - block.inputs.0, column)).max(0.0)).sum()
            };
            let full =
                (0..sums.len()).map(|column| of_sign(column, 1.0).max(of_sign(column, -1.0))).fold(0.0, f64::max);
            let label =
                format!("{name}[{}..{}], {}..{}, digit 0", outputs.0, outputs.1, block.inputs.0, block.inputs.1);
            let full = self.amperes(tile, how, most, Range { full: 1.0, unsigned: true }).unwrap_or(full);
            for (rows, stands_for) in &driven {
                let one = Range { full: 1.0, unsigned: true };
                let read = self.product(&label, tile, how, rows, one, most, wanted);
                for (sum, read) in sums.iter_mut().zip(read) {
                    *sum += stands_for * self.sense(tile, how, read, if full > 0.0 { full } else { 1.0 });
                }
            }
            return sums;
        }
        for (rows, stands_for) in &driven {
            let total: f64 = rows.iter().sum();
            for slice in 0..slices {
                let label = format!(
                    "{name}[{}..{}], {}..{}, digit {slice}",
                    outputs.0, outputs.1, block.inputs.0, block.inputs.1
                );
                let (matrix, held) = self.programmed[&label].clone();
                let cells = matrix.cells.as_ref().unwrap();
                let width = matrix.cols + 1;
                let digit = |g: f64, zero: f64| (g - zero) * (base - 1.0) / (device.g_max - device.g_min);
                for (column, sum) in sums.iter_mut().enumerate() {
                    let of_row = |(row, x): (usize, &f64)| {
                        x * digit(held[row * width + column], held[row * width + matrix.cols])
                    };
                    let read: f64 = rows.iter().enumerate().map(of_row).sum();
                    let read = match &tile.senses[how.sense] {
                        Sense::Converter { converter, .. } => {
                            let reach = rows.len() as f64 * (base - 1.0);
                            let bits = case.mapped.chip.converters[*converter].bits;
                            // Inputs that are driven at once may be below 0, and so may their sums.
                            let unsigned = serial || range.unsigned;
                            // A code is a whole digit where sums are whole, and there are enough of them.
                            let codes = bits.filter(|_| serial).map_or(0.0, |bits| 2_f64.powi(bits as i32) - 1.0);
                            let full = match case.mapped.chip.converters[*converter].full_scale {
                                Some(FullScale::Sensed(amperes)) => {
                                    amperes / (tile.read_voltage * (device.g_max - device.g_min)) * (base - 1.0)
                                }
                                Some(FullScale::Values(_)) | None => reach.max(codes),
                            };
                            let unsigned = if case.mapped.chip.converters[*converter].full_scale.is_some() {
                                serial
                            } else {
                                unsigned
                            };
                            self.convert(read, *converter, Range { full, unsigned })
                        }
                        Sense::Analog(_) => read,
                    };
                    *sum += stands_for * base.powi(slice as i32) * 2.0 * most / largest * read;
                }
                // The one column of zeros is read and converted as well.
                let zeros = usize::from(slice == 0);
                if let (Sense::Converter { converter, .. }, 0) = (&tile.senses[how.sense], slice) {
                    *self.conversions.entry(*converter).or_insert(0.0) += 1.0;
                }
                for (row, x) in rows.iter().enumerate() {
                    let all: f64 = held[row * width..row * width + matrix.cols + zeros].iter().sum();
                    let squares = if cells.pulses { x.abs() } else { x * x };
                    self.spend(ComponentKind::Cells, tile.read_voltage.powi(2) * cells.read_time * squares * all);
                }
            }
            sums.iter_mut().for_each(|sum| *sum -= stands_for * most * total);
        }
        sums
    }
}
