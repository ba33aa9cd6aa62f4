//! How a layer's weights and inputs are taken apart: weights digit by digit, inputs bit by bit. Simulation and the estimate of errors use it.

use nmc_program::TensorData;

use crate::forms::chip::{Chip, Converter, Drive, FullScale, TileKind, WeightScheme};
use crate::forms::decisions::{OnTiles, Range};
use crate::forms::tiling::Block;

pub struct Digits {
    /// Bits of an input, lowest first; none: inputs are driven at once.
    pub bits: Option<u32>,
    /// Digits of a weight, lowest first, and values of a digit; 1 where weights are not taken apart.
    pub slices: usize,
    pub levels: u32,
    /// Whether weights have an offset.
    pub offset: bool,
}

impl Digits {
    /// None: weights and inputs stay whole.
    pub fn of(chip: &Chip, tile: &TileKind, how: OnTiles) -> Option<Self> {
        let bits = match tile.inputs.get(how.drive) {
            Some(Drive::BitSerial { bits, .. }) => Some(*bits),
            Some(Drive::Converter(_) | Drive::Direct(_)) | None => None,
        };
        let offset = tile.weights == WeightScheme::Offset;
        let (slices, levels) = (tile.slices.max(1), chip.devices[tile.device].levels.unwrap_or(1 << 16).max(2));
        (bits.is_some() || offset).then_some(Digits { bits, slices, levels, offset })
    }

    /// Largest code of a weight.
    pub fn most(&self) -> f64 {
        f64::from(self.levels).powi(self.slices as i32) - 1.0
    }

    /// Range of columns before a converter that has one by itself: as so many digits, or, of whole weights of which this is the largest, as
    /// weights.
    pub fn fixed(&self, chip: &Chip, tile: &TileKind, converter: &Converter, most: f64) -> Option<Range> {
        let of = match converter.full_scale? {
            FullScale::Values(full) => return Some(Range { full, unsigned: false }),
            FullScale::Sensed(of) => of / tile.sensed(chip, converter),
        };
        let one = if self.offset { f64::from(self.levels - 1) } else { most };
        Some(Range { full: of * one, unsigned: self.offset && self.bits.is_some() })
    }

    /// Range of a block's columns before a converter of so many bits; whole weights have that of their sums. `arriving`: that of the inputs;
    /// single bits are never below 0.
    pub fn range(&self, block: &Block, bits: Option<u32>, sums: f64, arriving: Range) -> Range {
        if !self.offset {
            return Range { full: sums, unsigned: false };
        }
        // At most as many values as rows times levels; of bits steps are whole digits where the converter has enough of them.
        let most = block.rows() as f64 * f64::from(self.levels - 1);
        let unsigned = self.bits.is_some() || arriving.unsigned;
        let whole = bits.filter(|_| self.bits.is_some());
        let codes = whole.map_or(0.0, |bits| 2f64.powi(bits as i32 - i32::from(!unsigned)) - 1.0);
        Range { full: most.max(codes), unsigned }
    }
}

/// Full range of a block's columns of whole weights (rows of so many inputs) that are driven by bits: all of one sign may be driven at once.
pub fn bit_range(weights: &TensorData, width: usize, block: &Block) -> f64 {
    let sums = (block.outputs.0..block.outputs.1).map(|output| {
        let row = (block.inputs.0..block.inputs.1).map(|input| weights.get(output * width + input));
        let (plus, minus) = row.fold((0.0, 0.0), |(plus, minus), w| (plus + w.max(0.0), minus + (-w).max(0.0)));
        f64::max(plus, minus)
    });
    let most = sums.fold(0.0, f64::max);
    if most > 0.0 { most } else { 1.0 }
}
