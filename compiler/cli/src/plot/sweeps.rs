//! Panels of a sweep: every metric over the constant with the most values, a line for each combination of the others.

use std::collections::{BTreeMap, BTreeSet};

use kuva::prelude::{Layout, LinePlot, Plot, ScatterPlot};
use serde_json::Value;

use super::panels::{Panel, colour, panel, readable};

/// From this ratio of the largest to the smallest value on the axis is logarithmic.
const DECADES: f64 = 100.0;

/// An entry as it is drawn.
struct Run<'v> {
    entry: &'v Value,
    /// Where it stands on the axis, in SI units.
    x: f64,
    /// The other constants, and the experiment.
    others: String,
    experiment: &'v str,
}

impl<'v> Run<'v> {
    /// An entry on the axis of this constant; `several`: experiments are told apart.
    fn of(entry: &'v Value, axis: &str, several: bool) -> Option<Self> {
        let x = constants(entry).iter().find(|one| text(one, "name") == axis)?["value"].as_f64()?;
        let others = constants(entry).iter().filter(|one| text(one, "name") != axis);
        let experiment = text(entry, "experiment");
        let others = others.map(|one| format!("{} = {}", text(one, "name"), text(one, "text")));
        let others: Vec<String> = others.chain(several.then(|| experiment.to_string())).collect();
        Some(Run { entry, x, others: others.join(", "), experiment })
    }
}

/// The constants of an entry.
fn constants(entry: &Value) -> &[Value] {
    entry["sweep"].as_array().map_or(&[][..], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// All panels of a sweep's entries; none where no constant that was swept is a number.
pub fn of(experiments: &[Value]) -> Vec<Panel> {
    let entries: Vec<&Value> = experiments.iter().filter(|entry| !constants(entry).is_empty()).collect();
    let Some(axis) = axis(&entries) else { return Vec::new() };
    let name = text(axis, "name");
    let several = entries.iter().map(|entry| text(entry, "experiment")).collect::<BTreeSet<_>>().len() > 1;
    let runs: Vec<Run> = entries.iter().filter_map(|entry| Run::of(entry, name, several)).collect();
    let metrics: BTreeSet<&str> = runs
        .iter()
        .filter_map(|run| run.entry["metrics"].as_object())
        .flat_map(|all| all.keys().map(String::as_str))
        .collect();
    let metric = |run: &Run, metric: &str| {
        let mean = run.entry["metrics"][metric].as_f64()?;
        Some((mean, run.entry["metrics_sd"][metric].as_f64().unwrap_or(0.0)))
    };
    let mut panels: Vec<Panel> =
        metrics.iter().filter_map(|name| lines(&runs, axis, name, "", &|run| metric(run, name))).collect();
    // Ideal hardware takes neither energy nor time, and is compared with nothing.
    let positive = |value: &Value| value.as_f64().filter(|value| *value > 0.0);
    let joules = |run: &Run| Some((positive(&run.entry["energy_j"]["total"])?, 0.0));
    let seconds = |run: &Run| Some((positive(&run.entry["latency_s"])?, 0.0));
    let varies = |of: &dyn Fn(&Run) -> Option<(f64, f64)>| {
        let values: Vec<f64> = runs.iter().filter_map(|run| Some(of(run)?.0)).collect();
        values.iter().any(|value| *value != values[0])
    };
    panels.extend(lines(&runs, axis, "energy a sample", "J", &joules).filter(|_| varies(&joules)));
    panels.extend(lines(&runs, axis, "latency", "s", &seconds).filter(|_| varies(&seconds)));
    if varies(&joules) {
        let points = runs.iter().filter_map(|run| Some((joules(run)?.0, metric(run, "accuracy")?.0, run)));
        panels.extend(front(&points.collect::<Vec<_>>()));
    }
    panels
}

/// The constant that the axis is of: the number with the most values, of equals the first.
fn axis<'v>(entries: &[&'v Value]) -> Option<&'v Value> {
    let of = |entry: &'v Value, name: &str| constants(entry).iter().find(|one| text(one, "name") == name);
    let mut best: Option<(usize, &Value)> = None;
    for one in constants(entries.first()?) {
        let values = entries.iter().map(|entry| of(entry, text(one, "name"))?["value"].as_f64());
        let Some(values) = values.collect::<Option<Vec<f64>>>() else { continue };
        let distinct = values.iter().map(|value| value.to_bits()).collect::<BTreeSet<_>>().len();
        if best.is_none_or(|(most, _)| distinct > most) {
            best = Some((distinct, one));
        }
    }
    best.map(|(_, one)| one)
}

/// What the other constants are, the experiment, and its points: x, mean, spread.
type Line<'a> = (&'a str, &'a str, Vec<(f64, f64, f64)>);

/// A line for each combination of the other constants; experiments that differ in nothing else have one colour.
fn lines(
    runs: &[Run],
    axis: &Value,
    name: &str,
    unit: &str,
    value: &dyn Fn(&Run) -> Option<(f64, f64)>,
) -> Option<Panel> {
    let mut groups: Vec<Line> = Vec::new();
    for run in runs {
        let Some((mean, spread)) = value(run) else { continue };
        match groups.iter_mut().find(|(others, ..)| *others == run.others) {
            Some((.., points)) => points.push((run.x, mean, spread)),
            None => groups.push((&run.others, run.experiment, vec![(run.x, mean, spread)])),
        }
    }
    let all = || groups.iter().flat_map(|(.., points)| points);
    let (scale_x, unit_x) = readable(&all().map(|point| point.0).collect::<Vec<_>>(), text(axis, "unit"));
    let percent = name.split(['.', ' ']).next() == Some("accuracy");
    let (scale_y, unit_y) = match percent {
        true => (100.0, String::from("%")),
        false => readable(&all().map(|point| point.1).collect::<Vec<_>>(), unit),
    };
    let mut experiments: Vec<&str> = Vec::new();
    groups.iter().for_each(|(_, experiment, _)| {
        if !experiments.contains(experiment) {
            experiments.push(experiment);
        }
    });
    let mut colours: BTreeMap<&str, usize> = BTreeMap::new();
    let mut plots: Vec<Plot> = Vec::new();
    for (others, experiment, points) in &groups {
        let same = others.strip_suffix(experiment).unwrap_or(others);
        let known = colours.len();
        let colour = colour(*colours.entry(same).or_insert(known));
        let at = |point: &(f64, f64, f64)| (point.0 * scale_x, point.1 * scale_y);
        let mut points = points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let line = LinePlot::new().with_data(points.iter().map(at)).with_color(colour);
        let dashed = experiments.iter().position(|known| known == experiment).is_some_and(|at| at % 2 == 1);
        let line = if dashed { line.with_dashed() } else { line };
        plots.push(if others.is_empty() { line } else { line.with_legend(*others) }.into());
        let dots = ScatterPlot::new().with_data(points.iter().map(at)).with_color(colour).with_size(3.5);
        let dots = match points.iter().any(|point| point.2 > 0.0) {
            true => dots.with_y_err(points.iter().map(|point| point.2 * scale_y)),
            false => dots,
        };
        plots.push(dots.into());
    }
    if plots.is_empty() {
        return None;
    }
    let label = |name: &str, unit: &str| {
        if unit.is_empty() || unit == "value" { name.to_string() } else { format!("{name} ({unit})") }
    };
    let title = format!("{name} over {}", text(axis, "name"));
    let made = panel(plots, &title, &label(text(axis, "name"), &unit_x), &label(name, &unit_y));
    let most = all().map(|point| point.0).fold(f64::NEG_INFINITY, f64::max);
    let least = all().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let layout: Layout = match least > 0.0 && most >= DECADES * least {
        true => made.layout.with_log_x(),
        false if least >= 0.0 => made.layout.with_x_axis_min(0.0),
        false => made.layout,
    };
    Some(Panel { plots: made.plots, layout })
}

/// Accuracy over energy, and the runs that no other betters in both.
fn front(points: &[(f64, f64, &Run)]) -> Option<Panel> {
    let (scale, unit) = readable(&points.iter().map(|point| point.0).collect::<Vec<_>>(), "J");
    let mut best: Vec<(f64, f64)> = Vec::new();
    let mut sorted: Vec<(f64, f64)> = points.iter().map(|&(joules, accuracy, _)| (joules, accuracy)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    for (joules, accuracy) in sorted {
        if best.last().is_none_or(|last| accuracy > last.1) {
            best.push((joules, accuracy));
        }
    }
    let at = |joules: f64, accuracy: f64| (joules * scale, accuracy * 100.0);
    let dots = ScatterPlot::new()
        .with_data(points.iter().map(|point| at(point.0, point.1)))
        .with_color(colour(0))
        .with_size(3.5);
    let line = LinePlot::new().with_data(best.into_iter().map(|(joules, accuracy)| at(joules, accuracy)));
    let line = line.with_color(colour(1)).with_legend("no other is better in both");
    let title = "accuracy over energy, all combinations";
    (points.len() > 2)
        .then(|| panel(vec![dots.into(), line.into()], title, &format!("energy a sample ({unit})"), "accuracy (%)"))
}
