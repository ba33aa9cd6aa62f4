//! What was converted and left out, and what the design is worth beside others, as rows of words.

use std::collections::BTreeMap;

use nmc_program::Program;

use crate::terminal::{digits, si};

/// Above [`counts`].
pub const HEAD: [&str; 4] = ["converter", "a sample", "converting everywhere", "left out"];

/// Conversions a sample by each converter.
pub fn counts(program: &Program) -> Vec<Vec<String>> {
    let counts = &program.costs.conversions;
    let names: BTreeMap<&str, ()> =
        counts.inserted.iter().chain(&counts.baseline).map(|(name, _)| (name.as_str(), ())).collect();
    let of = |list: &[(String, f64)], wanted: &str| {
        digits(list.iter().find(|(name, _)| name == wanted).map_or(0.0, |(_, count)| *count))
    };
    let row = |&name: &&str| {
        let (here, everywhere) = (of(&counts.inserted, name), of(&counts.baseline, name));
        vec![name.to_string(), here, everywhere, of(&counts.elided, name)]
    };
    names.keys().map(row).collect()
}

/// The objective as chosen and otherwise, the price of pins, and what is expected of the outputs: what, how much, in words.
pub fn worth(program: &Program) -> Vec<Vec<String>> {
    let objective = &program.costs.layout.objective;
    let value = |value: f64| match objective.unit.as_str() {
        "time_s" => si(value, "s"),
        "area_m2" => format!("{} mm2", digits(1e6 * value)),
        _energy => si(value, "J"),
    };
    let what = match objective.unit.as_str() {
        "time_s" => "time",
        "area_m2" => "area",
        _energy => "energy",
    };
    let best = if objective.optimal { "the least there is" } else { "not proven to be the least" };
    let mut rows = vec![vec![format!("{what} a sample, as chosen"), value(objective.value), String::from(best)]];
    let mut other = |name: &str, cost: f64| {
        let more = if objective.value > 0.0 && cost > objective.value {
            format!("{} more", percent(cost / objective.value - 1.0))
        } else {
            String::new()
        };
        rows.push(vec![name.to_string(), value(cost), more]);
    };
    other("converting everywhere", objective.convert_everywhere);
    other("choosing each by itself", objective.greedy);
    other("at least (lower bound)", objective.lower_bound);
    rows.extend(
        objective.pins.iter().map(|(pin, cost)| vec![format!("the pin {pin} costs"), value(*cost), String::new()]),
    );
    let (error, estimated) = (objective.error_variance, objective.error_variance_estimated);
    let share = |what: &str, share: f64| vec![what.to_string(), percent(share), String::from("of the output's")];
    if error == estimated {
        rows.push(share("error variance, estimated", error));
    } else {
        rows.push(share("error variance, of drawn chips", error));
        let mut row = share("  as estimated to choose", estimated);
        row[2] += &format!(
            ", {:.1} dB {}",
            10.0 * (estimated / error).log10().abs(),
            if estimated > error { "above" } else { "below" }
        );
        rows.push(row);
    }
    if objective.error_variance_wires > 0.0 {
        rows.push(share("  of which by resistance of wires", objective.error_variance_wires));
    }
    if let Some(loss) = objective.accuracy_loss {
        rows.push(vec![
            String::from("accuracy loss on the calibration data"),
            percent(loss),
            String::from("at most, where they have no labels"),
        ]);
    }
    rows
}

pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
