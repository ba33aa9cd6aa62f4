//! Standard output and what is worth saying about it: a reader that stops early is no mistake, numbers carry SI prefixes.

use std::io::{ErrorKind, Write};

use crate::Exit;

/// Writes to standard output. A closed pipe (`nmc list | head`) ends quietly.
pub fn print(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Clean,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Clean,
        Err(error) => {
            eprintln!("error: cannot write to standard output: {error}");
            Exit::Usage
        }
    }
}

/// `1.23 nJ`: three digits and the prefix that brings the number between 1 and 1000.
pub fn si(value: f64, unit: &str) -> String {
    si_spread(value, 0.0, unit)
}

/// `1.23 ± 0.05 nJ`; without a deviation as [`si`].
pub fn si_spread(value: f64, deviation: f64, unit: &str) -> String {
    const PREFIXES: [(f64, &str); 10] = [
        (1e12, "T"),
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
    // Zero without its sign.
    if value == 0.0 || !value.is_finite() {
        return format!("{} {unit}", value + 0.0);
    }
    // 999.6 n is 1.00 u: choose the prefix for the rounded number.
    let magnitude = value.abs() * 1.0005;
    let (scale, prefix) = PREFIXES.into_iter().find(|(scale, _)| magnitude >= *scale).unwrap_or((1e-15, "f"));
    format!("{} {prefix}{unit}", spread(value / scale, deviation / scale))
}

/// `12.34 ± 0.56`: two digits of the deviation, four of the value at most; without a deviation as [`digits`].
pub fn spread(value: f64, deviation: f64) -> String {
    if deviation == 0.0 || !deviation.is_finite() || !(1e-4..1e6).contains(&value.abs()) {
        return if deviation == 0.0 { digits(value) } else { format!("{} ± {}", digits(value), digits(deviation)) };
    }
    let place = |value: f64| value.abs().log10().floor() as i32;
    let decimals = (1 - place(deviation)).min(3 - place(value)).clamp(0, 7) as usize;
    format!("{value:.decimals$} ± {deviation:.decimals$}")
}

/// Three significant digits; whole numbers as they are.
pub fn digits(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        return format!("{}", value + 0.0);
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    // Of the rounded number: 0.9996 is 1.00.
    let rounded = format!("{size:.2e}").parse::<f64>().unwrap_or(size);
    let before = rounded.log10().floor() as i32;
    format!("{value:.*}", (2 - before).clamp(0, 7) as usize)
}

/// Rows of cells in columns as wide as they need to be, two spaces apart; names to the left, numbers to the right.
pub fn columns(rows: &[Vec<String>], right: &[bool]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..right.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for ((cell, &width), &right) in row.iter().zip(&widths).zip(right) {
            let padding = " ".repeat(width - cell.chars().count());
            line += if line.len() == 1 { " " } else { "  " };
            line += &if right { padding + cell } else { cell.clone() + &padding };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_digits() {
        assert_eq!(si(1.234e-9, "J"), "1.23 nJ");
        assert_eq!(si(9.999e-7, "J"), "1.00 uJ");
        assert_eq!(si(4.5e-6, "s"), "4.50 us");
        assert_eq!(si(-0.0, "J"), "0 J");
        assert_eq!(si(-1500.0, "Hz"), "-1.50 kHz");
        assert_eq!(si(2e-18, "J"), "0.00200 fJ");
        assert_eq!(si_spread(1.2345e-9, 1.2e-11, "J"), "1.234 ± 0.012 nJ");
        assert_eq!(si_spread(90.54321e-9, 1e-13, "J"), "90.54 ± 0.00 nJ");
        assert_eq!(
            (spread(256.0, 12.3), spread(0.0, 1.5), spread(2.0, 0.0)),
            ("256 ± 12".into(), "0 ± 1.50".into(), "2".into())
        );
        assert_eq!((digits(256.0), digits(0.97051), digits(123.4)), ("256".into(), "0.971".into(), "123".into()));
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        assert_eq!(columns(&[row(["a", "1"]), row(["bcd", "22"])], &[false, true]), "  a     1\n  bcd  22\n");
    }
}
