//! Sweeps: a program for every combination of values of its constants.

use std::collections::BTreeSet;

use nmc_compiler::forms::model::Model;
use nmc_compiler::quantity::Quantity;
use nmc_compiler::settings::constant;
use nmc_compiler::units::{show, unit};
use serde_json::{Value, json};

use crate::report::number;

/// The most values of one constant.
const MOST: usize = 10_000;
/// The most combinations of all.
const MOST_COMBINATIONS: usize = 100_000;

/// The values that a constant takes, as expressions.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    pub name: String,
    pub values: Vec<String>,
}

/// `name=[1 ohm, 2 ohm]`, or `name=1 ohm..5 ohm:9` for nine of equal distance.
pub fn over(text: &str) -> Result<Over, String> {
    let help = "write such as `wire=\"[1 ohm, 2 ohm, 5 ohm]\"`, or `wire=\"1 ohm..5 ohm:9\"` for nine values";
    let Some((name, values)) = text.split_once('=').map(|(name, values)| (name.trim(), values.trim())) else {
        return Err(format!("a name, `=` and values are needed: {help}"));
    };
    let values: Vec<String> = if let Some(list) = values.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        listed(list)
    } else if let Some((range, count)) = values.rsplit_once(':').filter(|(range, _)| range.contains("..")) {
        let count: usize =
            count.trim().parse().map_err(|_| format!("`{}` is no number of values: {help}", count.trim()))?;
        if !(2..=MOST).contains(&count) {
            return Err(format!("{count} values from one end to the other cannot be: 2 to {MOST} can"));
        }
        let (low, high) = range.split_once("..").unwrap_or_default();
        let (low, high) = (low.trim(), high.trim());
        let between = |step: usize| match step {
            0 => low.to_string(),
            _ if step + 1 == count => high.to_string(),
            _ => format!("({low}) + (({high}) - ({low})) * {step} / {}", count - 1),
        };
        (0..count).map(between).collect()
    } else {
        return Err(help.to_string());
    };
    if name.is_empty() || values.iter().any(String::is_empty) || values.is_empty() {
        return Err(format!("a name or a value is missing: {help}"));
    }
    if let Some((_, twice)) = values.iter().enumerate().find(|(at, value)| values[..*at].contains(value)) {
        return Err(format!("`{twice}` is given twice"));
    }
    Ok(Over { name: name.to_string(), values })
}

/// What stands between the commas that no parentheses hold.
fn listed(list: &str) -> Vec<String> {
    let (mut depth, mut values) = (0, vec![String::new()]);
    for c in list.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        match values.last_mut().filter(|_| c != ',' || depth != 0) {
            Some(last) => last.push(c),
            None => values.push(String::new()),
        }
    }
    // A comma at the end may stand, as in every list.
    if values.len() > 1 && values.last().is_some_and(|last| last.trim().is_empty()) {
        values.pop();
    }
    values.into_iter().map(|value| value.trim().to_string()).collect()
}

/// Every combination, the last constant's values in turn first; or why there are none.
pub fn combinations(overs: &[Over]) -> Result<Vec<Vec<(String, String)>>, String> {
    if let Some((_, twice)) =
        overs.iter().enumerate().find(|(at, over)| overs[..*at].iter().any(|o| o.name == over.name))
    {
        return Err(format!("`{}` is swept twice", twice.name));
    }
    let count = overs.iter().fold(1_usize, |count, over| count.saturating_mul(over.values.len()));
    if count > MOST_COMBINATIONS {
        return Err(format!("these are {count} combinations, and at most {MOST_COMBINATIONS} are run"));
    }
    let mut all: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for over in overs {
        let with = |before: &Vec<(String, String)>| -> Vec<_> {
            let one = |value: &String| before.iter().cloned().chain([(over.name.clone(), value.clone())]).collect();
            over.values.iter().map(one).collect()
        };
        all = all.iter().flat_map(with).collect();
    }
    Ok(all)
}

/// The key `sweep` of an entry: each constant with its value in SI units (none where it is no number), its unit, and as it was written.
pub fn told(model: &Model, combination: &[(String, String)]) -> Value {
    let one = |(name, text): &(String, String)| {
        let known = constant(model, name);
        json!({
            "name": name, "value": known.map(|quantity| number(quantity.si)),
            "unit": known.map_or_else(String::new, |quantity| unit(quantity.dimension)), "text": text,
        })
    };
    combination.iter().map(one).collect()
}

/// A combination for readers: what is no number as it stands, such as a value between two ends, as the number that it is.
pub fn shown(model: &Model, combination: &[(String, String)]) -> Vec<(String, String)> {
    let one = |(name, text): &(String, String)| {
        let known = constant(model, name).filter(|_| text.contains(['(', '*', '+']));
        let nine_digits = |si: f64| format!("{si:.8e}").parse().unwrap_or(si);
        let known = known.map(|quantity| show(Quantity { si: nine_digits(quantity.si), ..quantity }));
        (name.clone(), known.unwrap_or_else(|| text.clone()))
    };
    combination.iter().map(one).collect()
}

/// A row for each entry: what was swept, the experiment, metrics with their deviations, joules of a sample, seconds. In SI units.
pub fn csv(entries: &[Value]) -> String {
    let swept = |entry: &Value| entry["sweep"].as_array().cloned().unwrap_or_default();
    let keys = |of: &str| -> BTreeSet<String> {
        entries.iter().filter_map(|entry| entry[of].as_object()).flat_map(|all| all.keys().cloned()).collect()
    };
    let metrics = keys("metrics");
    let named = |one: &Value| match one["unit"].as_str().unwrap_or_default() {
        "" => quoted(one["name"].as_str().unwrap_or_default()),
        unit => quoted(&format!("{} ({unit})", one["name"].as_str().unwrap_or_default())),
    };
    let mut head: Vec<String> =
        entries.first().map(|first| swept(first).iter().map(named).collect()).unwrap_or_default();
    head.push(String::from("experiment"));
    head.extend(metrics.iter().flat_map(|metric| [quoted(metric), quoted(&format!("{metric} sd"))]));
    head.extend(["energy_j.total", "latency_s"].map(String::from));
    let mut text = head.join(",") + "\n";
    let shown = |value: &Value| value.as_f64().map_or_else(String::new, |value| format!("{value:?}"));
    for entry in entries {
        let value = |one: &Value| match one["value"].as_f64() {
            Some(value) => format!("{value:?}"),
            None => quoted(one["text"].as_str().unwrap_or_default()),
        };
        let mut row: Vec<String> = swept(entry).iter().map(value).collect();
        row.push(quoted(entry["experiment"].as_str().unwrap_or_default()));
        row.extend(metrics.iter().flat_map(|m| [shown(&entry["metrics"][m]), shown(&entry["metrics_sd"][m])]));
        row.extend([shown(&entry["energy_j"]["total"]), shown(&entry["latency_s"])]);
        text += &(row.join(",") + "\n");
    }
    text
}

/// A field that may hold a comma.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_string() }
}

/// `wire = 1 ohm, size = 64`
pub fn spoken(combination: &[(String, String)]) -> String {
    combination.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_lists_and_ranges() {
        let values = |text: &str| over(text).map(|over| over.values);
        assert_eq!(values("r=[1 ohm, max(1, 2) * 1 ohm,]").unwrap(), ["1 ohm", "max(1, 2) * 1 ohm"]);
        assert_eq!(values("r = 1 ohm..5 ohm:3").unwrap(), ["1 ohm", "(1 ohm) + ((5 ohm) - (1 ohm)) * 1 / 2", "5 ohm"]);
        for wrong in ["r", "r=1", "r=1..2", "r=1..2:x", "r=1..2:1", "r=[]", "r=[1,,2]", "=[1]", "r=[1, 1]", "r=..5:3"] {
            assert!(over(wrong).is_err(), "{wrong}");
        }
        let over = |name: &str| Over { name: name.to_string(), values: vec![String::from("1"), String::from("2")] };
        let all: Vec<String> = combinations(&[over("a"), over("b")]).unwrap().iter().map(|one| spoken(one)).collect();
        assert_eq!(all, ["a = 1, b = 1", "a = 1, b = 2", "a = 2, b = 1", "a = 2, b = 2"]);
        assert!(combinations(&[over("a"), over("a")]).is_err());
    }
}
