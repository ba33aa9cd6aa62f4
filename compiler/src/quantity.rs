//! Physical quantities: an SI value and its dimension.

use serde::{Deserialize, Serialize};

/// Exponents of the base units, in the order kilogram, metre, second, ampere, kelvin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Dimension(pub [i8; 5]);

impl Dimension {
    /// A plain number.
    pub const NONE: Dimension = Dimension([0; 5]);
    /// s
    pub const TIME: Dimension = Dimension([0, 0, 1, 0, 0]);
    /// kg m2 s-3 A-1
    pub const VOLTAGE: Dimension = Dimension([1, 2, -3, -1, 0]);
    /// A
    pub const CURRENT: Dimension = Dimension([0, 0, 0, 1, 0]);
    /// A/V
    pub const CONDUCTANCE: Dimension = Dimension([-1, -2, 3, 2, 0]);
}

/// A value in SI units with its dimension.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// The value in SI units.
    pub si: f64,
    /// Its dimension.
    pub dimension: Dimension,
}
