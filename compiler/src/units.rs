//! Units: what `ms` or `uA/cm2` means, and how a quantity is spoken of in messages.

use crate::quantity::{Dimension, Quantity};

impl Dimension {
    /// The dimension of a product.
    pub fn times(self, other: Dimension) -> Dimension {
        Dimension::halved(std::array::from_fn(|i| self.doubled()[i].saturating_add(other.doubled()[i])))
    }

    /// The dimension of a quotient.
    pub fn over(self, other: Dimension) -> Dimension {
        Dimension::halved(std::array::from_fn(|i| self.doubled()[i].saturating_sub(other.doubled()[i])))
    }

    /// The dimension of a power; none if an exponent would be neither whole nor half of a whole number.
    pub fn power(self, exponent: f64) -> Option<Dimension> {
        let powers = self.doubled().map(|e| f64::from(e) * exponent);
        let whole = powers.iter().all(|p| p.fract() == 0.0 && p.abs() < 100.0);
        whole.then(|| Dimension::halved(powers.map(|p| p as i8)))
    }
}

/// Names of dimensions that types and messages use, with the unit messages show.
const DIMENSIONS: &[(&str, [i8; 5], &str)] = &[
    ("real", [0, 0, 0, 0, 0], ""),
    ("time", [0, 0, 1, 0, 0], "s"),
    ("frequency", [0, 0, -1, 0, 0], "Hz"),
    ("voltage", [1, 2, -3, -1, 0], "V"),
    ("current", [0, 0, 0, 1, 0], "A"),
    ("conductance", [-1, -2, 3, 2, 0], "S"),
    ("resistance", [1, 2, -3, -2, 0], "ohm"),
    ("capacitance", [-1, -2, 4, 2, 0], "F"),
    ("charge", [0, 0, 1, 1, 0], "C"),
    ("energy", [1, 2, -2, 0, 0], "J"),
    ("power", [1, 2, -3, 0, 0], "W"),
    ("area", [0, 2, 0, 0, 0], "m2"),
    ("length", [0, 1, 0, 0, 0], "m"),
    ("temperature", [0, 0, 0, 0, 1], "K"),
];

/// The words for quantities, as types.
pub const QUANTITIES: &[&str] = &[
    "time",
    "frequency",
    "voltage",
    "current",
    "conductance",
    "resistance",
    "capacitance",
    "charge",
    "energy",
    "power",
    "area",
    "length",
    "temperature",
    "real",
    "int",
    "bool",
    "weight",
];

/// The dimension that a type word stands for.
pub fn type_dimension(word: &str) -> Option<Dimension> {
    if matches!(word, "int" | "bool") {
        return Some(Dimension::NONE);
    }
    DIMENSIONS.iter().find(|(name, _, _)| *name == word).map(|(_, powers, _)| Dimension::of(*powers))
}

/// `voltage`, or `V/s` where there is no word.
pub fn dimension_name(dimension: Dimension) -> String {
    if let Some((name, _, _)) = DIMENSIONS.iter().find(|(_, powers, _)| Dimension::of(*powers) == dimension) {
        return if *name == "real" { String::from("a plain number") } else { (*name).to_string() };
    }
    // `V2` or `V/s` if two units do, told by people more often than base units.
    let units = || {
        DIMENSIONS.iter().filter(|(name, ..)| *name != "real").map(|(_, powers, unit)| (Dimension::of(*powers), *unit))
    };
    let square = |of: Dimension| of.power(2.0).unwrap_or(of);
    if let Some((_, unit)) = units().find(|(of, _)| square(*of) == dimension) {
        return format!("{unit}2");
    }
    for (divisor, below) in units() {
        if let Some((_, above)) = units().find(|(of, _)| of.over(divisor) == dimension) {
            return format!("{above}/{below}");
        }
        if let Some((_, above)) = units().find(|(of, _)| square(*of).over(divisor) == dimension) {
            return format!("{above}2/{below}");
        }
    }
    let bases = ["kg", "m", "s", "A", "K"];
    let parts = bases.iter().zip(dimension.doubled()).filter(|(_, doubled)| *doubled != 0);
    parts
        .map(|(base, doubled)| match (doubled, doubled % 2) {
            (2, _) => (*base).to_string(),
            (_, 0) => format!("{base}{}", doubled / 2),
            _ => format!("{base}{doubled}/2"),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The unit of a quantity in SI, such as `ohm`; nothing for a plain number.
pub fn unit(dimension: Dimension) -> String {
    let known = DIMENSIONS.iter().find(|(_, powers, _)| Dimension::of(*powers) == dimension);
    known.map_or_else(|| dimension_name(dimension), |(_, _, unit)| (*unit).to_string())
}

/// A quantity as a person writes it: `20 ms`.
pub fn show(quantity: Quantity) -> String {
    let unit =
        DIMENSIONS.iter().find(|(_, powers, _)| Dimension::of(*powers) == quantity.dimension).map(|(_, _, unit)| *unit);
    let prefixes = [
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
        (1.0, ""),
        (1e-3, "m"),
        (1e-6, "u"),
        (1e-9, "n"),
        (1e-12, "p"),
        (1e-15, "f"),
    ];
    match unit {
        Some("") => format!("{}", quantity.si),
        Some(unit @ "m2") => format!("{} {unit}", quantity.si),
        Some(unit) => {
            let size = quantity.si.abs();
            let (factor, prefix) = prefixes.into_iter().find(|(factor, _)| size >= *factor).unwrap_or((1.0, ""));
            format!("{} {prefix}{unit}", (quantity.si / factor * 1e9).round() / 1e9)
        }
        None => format!("{} {}", quantity.si, dimension_name(quantity.dimension)),
    }
}

/// Factor to SI and dimension of a unit as written; none if it is unknown.
pub fn parse_unit(text: &str) -> Option<(f64, Dimension)> {
    let (mut factor, mut dimension) = (1.0, Dimension::NONE);
    for (index, part) in text.split("per").flat_map(|part| part.split('/')).enumerate() {
        let (value, of) = single(part.trim())?;
        if index == 0 {
            (factor, dimension) = (value, of);
        } else {
            factor /= value;
            dimension = dimension.over(of);
        }
    }
    Some((factor, dimension))
}

/// A unit without `/`, perhaps with an exponent.
fn single(text: &str) -> Option<(f64, Dimension)> {
    let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let exponent: i32 = if name.len() < text.len() { text[name.len()..].parse().ok()? } else { 1 };
    let (factor, dimension) = plain(name).or_else(|| {
        let prefixes = [
            ('f', 1e-15),
            ('p', 1e-12),
            ('n', 1e-9),
            ('u', 1e-6),
            ('m', 1e-3),
            ('c', 1e-2),
            ('k', 1e3),
            ('M', 1e6),
            ('G', 1e9),
            ('T', 1e12),
        ];
        let first = name.chars().next()?;
        let (_, scale) = prefixes.into_iter().find(|(prefix, _)| *prefix == first)?;
        let rest = &name[first.len_utf8()..];
        // Centi is used with metres only.
        if rest.is_empty() || rest == "%" || (first == 'c' && rest != "m") {
            return None;
        }
        let (factor, dimension) = plain(rest)?;
        Some((scale * factor, dimension))
    })?;
    Some((factor.powi(exponent), dimension.power(f64::from(exponent))?))
}

fn plain(name: &str) -> Option<(f64, Dimension)> {
    let none = Dimension::NONE;
    Some(match name {
        "%" => (0.01, none),
        "bit" | "lsb" | "spike" | "step" | "steps" => (1.0, none),
        "B" => (8.0, none),
        "min" => (60.0, Dimension::TIME),
        "h" => (3600.0, Dimension::TIME),
        "day" => (86_400.0, Dimension::TIME),
        "year" => (31_557_600.0, Dimension::TIME),
        "g" => (1e-3, Dimension::of([1, 0, 0, 0, 0])),
        _ => {
            let (_, powers, _) = DIMENSIONS.iter().find(|(_, _, unit)| *unit == name && *unit != "m2")?;
            (1.0, Dimension::of(*powers))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_mean_what_they_should() {
        let close = |text: &str, factor: f64, powers: [i8; 5]| {
            let (value, dimension) = parse_unit(text).unwrap();
            assert!((value / factor - 1.0).abs() < 1e-12, "{text}: {value}");
            assert_eq!(dimension, Dimension::of(powers), "{text}");
        };
        close("ms", 1e-3, [0, 0, 1, 0, 0]);
        close("uA/cm2", 1e-2, [0, -2, 0, 1, 0]);
        close("pJ per bit", 1e-12, [1, 2, -2, 0, 0]);
        close("kB", 8e3, [0; 5]);
        close("Mohm", 1e6, [1, 2, -3, -2, 0]);
        close("mm2", 1e-6, [0, 2, 0, 0, 0]);
        assert_eq!(parse_unit("parsec"), None);
        let named = |unit: &str| dimension_name(parse_unit(unit).unwrap().1);
        assert_eq!(
            ["mV", "V2", "V/ms", "A/s", "nS/ms", "V2/s"].map(named),
            ["voltage", "V2", "V/s", "A/s", "S/s", "V2/s"]
        );
        assert_eq!(show(Quantity { si: 0.02, dimension: Dimension::TIME }), "20 ms");
    }
}
