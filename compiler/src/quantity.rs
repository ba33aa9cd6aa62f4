//! Physical quantities: an SI value and its dimension.

use serde::{Deserialize, Serialize};

/// Exponents of the base units, in the order kilogram, metre, second, ampere, kelvin; each doubled, since white noise has
/// the dimension of one over the root of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Dimension([i8; 5]);

impl Dimension {
    /// A plain number.
    pub const NONE: Dimension = Dimension::of([0; 5]);
    /// s
    pub const TIME: Dimension = Dimension::of([0, 0, 1, 0, 0]);
    /// kg m2 s-3 A-1
    pub const VOLTAGE: Dimension = Dimension::of([1, 2, -3, -1, 0]);
    /// A
    pub const CURRENT: Dimension = Dimension::of([0, 0, 0, 1, 0]);
    /// A/V
    pub const CONDUCTANCE: Dimension = Dimension::of([-1, -2, 3, 2, 0]);
    /// A s
    pub const CHARGE: Dimension = Dimension::of([0, 0, 1, 1, 0]);
    /// s-1
    pub const FREQUENCY: Dimension = Dimension::of([0, 0, -1, 0, 0]);
    /// s-1/2
    pub const NOISE: Dimension = Dimension([0, 0, -1, 0, 0]);

    /// The dimension with these whole exponents.
    pub const fn of(powers: [i8; 5]) -> Dimension {
        let [a, b, c, d, e] = powers;
        Dimension([2 * a, 2 * b, 2 * c, 2 * d, 2 * e])
    }

    /// Its exponents, doubled.
    pub(crate) fn doubled(self) -> [i8; 5] {
        self.0
    }

    /// The dimension with these exponents, doubled.
    pub(crate) fn halved(doubled: [i8; 5]) -> Dimension {
        Dimension(doubled)
    }
}

/// A value in SI units with its dimension.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// The value in SI units.
    pub si: f64,
    /// Its dimension.
    pub dimension: Dimension,
}
