//! The panels of a picture, each from what a run recorded.

use std::collections::BTreeMap;
use std::path::Path;

use kuva::prelude::{Layout, LinePlot, Plot, ScatterPlot, StripPlot};
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::data;
use nmc_program::TensorData;
use serde_json::Value;

use super::{spiking, unreadable};

/// One of several pictures on a sheet.
pub struct Panel {
    pub plots: Vec<Plot>,
    pub layout: Layout,
}

/// Colours that are told apart by everybody (Okabe and Ito 2008).
pub const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
/// The most points in a trace, and traces.
const POINTS: usize = 2000;
const TRACES: usize = 6;

pub fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// Plots on common axes.
pub fn panel(plots: Vec<Plot>, title: &str, x: &str, y: &str) -> Panel {
    let layout = Layout::auto_from_plots(&plots).with_title(title).with_x_label(x).with_y_label(y);
    Panel { plots, layout }
}

/// What values are multiplied with so that the largest is read easily, and the unit they have then.
pub fn readable(values: &[f64], unit: &str) -> (f64, String) {
    let most = values.iter().filter(|value| value.is_finite()).fold(0.0, |most: f64, value| most.max(value.abs()));
    if most == 0.0 || (0.1..10_000.0).contains(&most) {
        return (1.0, if unit.is_empty() { String::from("value") } else { unit.to_string() });
    }
    const PREFIXES: [(i32, &str); 7] = [(-15, "f"), (-12, "p"), (-9, "n"), (-6, "u"), (-3, "m"), (3, "k"), (6, "M")];
    let thousands = (most.log10() / 3.0).floor() as i32 * 3;
    let known = PREFIXES.iter().find(|(power, _)| *power == thousands).filter(|_| !unit.is_empty());
    match known {
        Some((power, prefix)) => (10f64.powi(-power), format!("{prefix}{unit}")),
        None => (10f64.powi(-thousands), format!("1e{thousands} {unit}").trim_end().to_string()),
    }
}

/// All panels of a run.
pub fn of(run: &Path, experiments: &[Value]) -> Result<Vec<Panel>, Diagnostic> {
    if experiments.iter().any(|experiment| experiment["sweep"].is_array()) {
        return Ok(super::sweeps::of(experiments));
    }
    let mut panels = learning(experiments);
    panels.extend(ageing(experiments));
    panels.extend(of_chips(experiments));
    panels.extend(experiments.iter().filter_map(programming));
    for experiment in experiments {
        let name = experiment["experiment"].as_str().unwrap_or_default();
        for recording in experiment["recordings"].as_array().into_iter().flatten() {
            let text = |key: &str| recording[key].as_str().unwrap_or_default();
            if text("kind") == "weights" {
                continue;
            }
            let file = run.join(text("file"));
            let arrays = arrays(&file)?;
            let title = format!("{}, {name}", text("name"));
            match text("kind") {
                "spikes" => panels.extend(spiking::raster(&title, &arrays)),
                "values" => panels.extend(traces(&title, text("unit"), &arrays)),
                "histogram" => panels.extend(spiking::spread(&title, text("unit"), &arrays)),
                "synapses" => panels.extend(spiking::weights(&title, text("unit"), &arrays)),
                _ => {}
            }
        }
    }
    Ok(panels)
}

/// Every array of a recording by its name.
fn arrays(file: &Path) -> Result<BTreeMap<String, Vec<f64>>, Diagnostic> {
    let wrong = |why: String| unreadable(file, &why);
    let read = data::read(file).map_err(|problem| wrong(format!("{problem:?}")))?;
    let numbers = |data: &TensorData| (0..data.len()).map(|index| data.get(index)).collect();
    // `units` is text.
    let each = read.arrays.iter().filter(|stored| stored.name != "units").map(|stored| {
        let tensor = stored.tensor().map_err(|problem| wrong(format!("{problem:?}")))?;
        Ok((stored.name.clone(), numbers(&tensor.data)))
    });
    each.collect()
}

/// `accuracy after 1 day`: the metric, and the seconds.
fn aged(metric: &str) -> Option<(&str, f64)> {
    let (name, time) = metric.split_once(" after ")?;
    let (number, unit) = time.split_once(' ')?;
    let each = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        "day" => 86_400.0,
        "year" => 365.25 * 86_400.0,
        _ => return None,
    };
    Some((name, number.parse::<f64>().ok()? * each))
}

/// Loss and accuracy over the epochs of training, a line for each experiment; trainings that follow one another go on.
fn learning(experiments: &[Value]) -> Vec<Panel> {
    let curve = |key: &str, title: &str| {
        let (mut plots, mut most): (Vec<Plot>, _) = (Vec::new(), 0);
        for (index, experiment) in experiments.iter().enumerate() {
            let trainings = experiment["training"].as_array().into_iter().flatten();
            let values = trainings.flat_map(|training| training[key].as_array().into_iter().flatten());
            let epochs: Vec<(f64, f64)> = values
                .filter_map(Value::as_f64)
                .enumerate()
                .map(|(epoch, value)| (epoch as f64 + 1.0, value))
                .collect();
            if epochs.is_empty() {
                continue;
            }
            most = most.max(epochs.len());
            let label = experiment["experiment"].as_str().unwrap_or_default();
            plots.push(LinePlot::new().with_data(epochs.iter().copied()).with_color(colour(index)).into());
            let dots = ScatterPlot::new().with_data(epochs).with_color(colour(index)).with_size(3.0);
            plots.push(dots.with_legend(label).into());
        }
        // Epochs are counted: no tick between them.
        let steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
        let step = steps.into_iter().find(|step| most <= 8 * step).unwrap_or(10_000);
        (!plots.is_empty()).then(|| {
            let Panel { plots, layout } = panel(plots, title, "epoch", key);
            Panel { plots, layout: layout.with_x_tick_step(step as f64) }
        })
    };
    let panels = [
        curve("loss", "loss while training: mean of samples (and chips)"),
        curve("accuracy", "accuracy while training, on the samples trained"),
        curve("held_out_loss", "loss on samples held out: mean of samples (and chips)"),
        curve("held_out_accuracy", "accuracy on samples held out"),
    ];
    panels.into_iter().flatten().collect()
}

/// Seconds, mean and standard deviation.
type Points = Vec<(f64, f64, f64)>;

/// Metrics over the time after programming, a line for each experiment, with the spread over chips.
fn ageing(experiments: &[Value]) -> Vec<Panel> {
    let mut found: BTreeMap<String, Vec<(String, Points)>> = BTreeMap::new();
    for experiment in experiments {
        let mut own: BTreeMap<String, Points> = BTreeMap::new();
        for (metric, value) in experiment["metrics"].as_object().into_iter().flatten() {
            if let (Some((name, seconds)), Some(mean)) = (aged(metric), value.as_f64()) {
                let spread = experiment["metrics_sd"][metric].as_f64().unwrap_or(0.0);
                own.entry(name.to_string()).or_default().push((seconds, mean, spread));
            }
        }
        for (name, mut points) in own {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let label = experiment["experiment"].as_str().unwrap_or_default().to_string();
            found.entry(name).or_default().push((label, points));
        }
    }
    let each = found.into_iter().map(|(name, lines)| {
        let mut plots: Vec<Plot> = Vec::new();
        for (index, (label, points)) in lines.iter().enumerate() {
            let at = |point: &(f64, f64, f64)| (point.0, point.1);
            let line = LinePlot::new().with_data(points.iter().map(at)).with_color(colour(index));
            // Lines that lie on one another are both seen.
            plots.push(if index % 2 == 1 { line.with_dashed() } else { line }.into());
            let dots =
                ScatterPlot::new().with_data(points.iter().map(at)).with_y_err(points.iter().map(|point| point.2));
            plots.push(dots.with_color(colour(index)).with_size(4.0).with_legend(label.as_str()).into());
        }
        let first =
            lines.iter().filter_map(|(_, points)| points.first()).map(|point| point.0).fold(f64::INFINITY, f64::min);
        let title = format!("{name} after programming: mean and spread of chips");
        let made = panel(plots, &title, "seconds after programming", &name);
        Panel { layout: made.layout.with_log_x().with_x_axis_min(first / 2.0), plots: made.plots }
    });
    each.collect()
}

/// Metrics of every chip, side by side for all experiments that drew several.
fn of_chips(experiments: &[Value]) -> Vec<Panel> {
    let mut found: BTreeMap<String, Vec<(String, Vec<f64>)>> = BTreeMap::new();
    for experiment in experiments {
        let label = experiment["experiment"].as_str().unwrap_or_default();
        for (metric, values) in experiment["metrics_each"].as_object().into_iter().flatten() {
            let values: Vec<f64> = values.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
            if values.len() > 1 && aged(metric).is_none() && !metric.contains('.') && metric != "latency_s" {
                found.entry(metric.clone()).or_default().push((label.to_string(), values));
            }
        }
    }
    let each = found.into_iter().map(|(metric, groups)| {
        let mut strips = StripPlot::new().with_color(COLOURS[0]);
        for (label, values) in groups {
            strips = strips.with_group(label, values);
        }
        panel(vec![strips.into()], &format!("{metric} of every chip"), "experiment", &metric)
    });
    each.collect()
}

/// What programming left in the cells of each layer; a line for each, none where all is exact.
fn programming(experiment: &Value) -> Option<Panel> {
    let name = experiment["experiment"].as_str().unwrap_or_default();
    let mut plots: Vec<Plot> = Vec::new();
    for (index, layer) in experiment["programming"]["layers"].as_array()?.iter().enumerate() {
        let bins: Vec<f64> = layer["histogram"].as_array()?.iter().filter_map(Value::as_f64).collect();
        let all = bins.iter().sum::<f64>();
        if bins.len() < 3 || layer["error_sd_s"].as_f64() == Some(0.0) || index >= TRACES {
            continue;
        }
        // In percent of the range, a step at a time; what lies beyond the ends is told, not drawn.
        let steps = bins.len() - 2;
        let edge = |step: usize| 20.0 * step as f64 / steps as f64 - 10.0;
        let outline = (0..steps).flat_map(|step| {
            let share = 100.0 * bins[step + 1] / all;
            [(edge(step), share), (edge(step + 1), share)]
        });
        let line = LinePlot::new().with_data(outline.collect::<Vec<_>>()).with_color(colour(index));
        let beyond = 100.0 * (bins[0] + bins[steps + 1]) / all;
        let label = layer["layer"].as_str().unwrap_or_default();
        let label = if beyond > 0.0 { format!("{label} ({beyond:.2} % beyond)") } else { label.to_string() };
        plots.push(line.with_legend(label).into());
    }
    if plots.is_empty() {
        return None;
    }
    let title = format!("conductance held less asked for, {name}");
    let made = panel(plots, &title, "% of the cells' range", "% of cells");
    Some(Panel { layout: made.layout.with_x_axis_min(-10.0).with_x_axis_max(10.0), plots: made.plots })
}

/// Values over time, of some elements; of independent samples there is no course to show.
fn traces(title: &str, unit: &str, arrays: &BTreeMap<String, Vec<f64>>) -> Option<Panel> {
    let (times, values) = (arrays.get("time")?, arrays.get("values")?);
    let elements = values.len() / times.len().max(1);
    let samples = times.iter().enumerate().all(|(index, &time)| time == index as f64);
    if times.len() < 3 || elements == 0 || (samples && elements > TRACES) {
        return None;
    }
    let (x, factor) = if samples { ("sample", 1.0) } else { ("time (ms)", 1e3) };
    let (chosen, stride) = (elements.min(TRACES), times.len().div_ceil(POINTS));
    let (scale, y) = readable(values, unit);
    let mut plots: Vec<Plot> = Vec::new();
    for index in 0..chosen {
        let element = index * elements / chosen;
        let points =
            (0..times.len()).step_by(stride).map(|row| (times[row] * factor, values[row * elements + element] * scale));
        let line =
            LinePlot::new().with_data(points.collect::<Vec<_>>()).with_color(colour(index)).with_stroke_width(1.2);
        let line = if elements > 1 { line.with_legend(format!("[{element}]")) } else { line };
        plots.push(line.into());
    }
    Some(panel(plots, title, x, &y))
}
