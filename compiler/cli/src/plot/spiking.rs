//! Panels of spikes and of plastic weights.

use std::collections::BTreeMap;

use kuva::prelude::{ColorMap, Heatmap, Histogram, LinePlot, Plot, ScatterPlot};

use super::panels::{COLOURS, Panel, colour, panel, readable};

/// The most spikes in a raster.
const SPIKES: usize = 8000;
/// Bins of a rate and of a histogram.
const RATE_BINS: usize = 150;
const BINS: usize = 40;
/// Bins that a spectrum is made of at once, and about how many such pieces at most.
const SEGMENT: usize = 256;
const SEGMENTS: usize = 200;
/// Bins of a whole spectrum at most: those of a longer run are wider than a millisecond.
const LONGEST: f64 = 4e6;
/// Recordings that make a course of weights, and the most that are drawn.
const FEWEST: usize = 8;
const COLUMNS: usize = 120;

/// Spikes over time, neuron by neuron, how many a second all neurons fire, and the spectrum of that.
pub fn raster(title: &str, arrays: &BTreeMap<String, Vec<f64>>) -> Vec<Panel> {
    let (Some(neurons), Some(steps), Some(dt)) = (arrays.get("neuron"), arrays.get("step"), arrays.get("dt")) else {
        return Vec::new();
    };
    let dt = dt.first().copied().unwrap_or(1.0);
    let end = steps.iter().fold(0.0, |most: f64, &step| most.max(step)) * dt * 1e3;
    if neurons.is_empty() || end <= 0.0 {
        return Vec::new();
    }
    // Whole neurons are left out, so that what is shown are true trains.
    let every = neurons.len().div_ceil(SPIKES);
    let shown = neurons.iter().zip(steps).filter(|(neuron, _)| (**neuron as usize).is_multiple_of(every));
    let points: Vec<(f64, f64)> = shown.map(|(&neuron, &step)| (step * dt * 1e3, neuron)).collect();
    let mut bins = vec![0.0; RATE_BINS];
    for step in steps {
        let bin = (step * dt * 1e3 / end * RATE_BINS as f64) as usize;
        bins[bin.min(RATE_BINS - 1)] += 1.0;
    }
    let width = end / RATE_BINS as f64;
    let rate = bins.iter().enumerate().map(|(bin, count)| ((bin as f64 + 0.5) * width, count / width));
    let dots = ScatterPlot::new().with_data(points).with_size(1.2).with_color(COLOURS[6]);
    let line = LinePlot::new().with_data(rate.collect::<Vec<_>>()).with_color(COLOURS[0]);
    let which = if every > 1 { format!("{title}: one neuron of {every}") } else { title.to_string() };
    let spikes = panel(vec![dots.into()], &which, "time (ms)", "neuron");
    let all = panel(vec![line.into()], &format!("{title}: rate"), "time (ms)", "spikes a ms, of all");
    // Dots of the first and the last neuron do not lie on the frame.
    let last = neurons.iter().fold(0.0, |most: f64, &neuron| most.max(neuron));
    let over_time = |Panel { plots, layout }: Panel, (low, high): (f64, Option<f64>)| {
        let layout = layout.with_x_axis_min(0.0).with_x_axis_max(end).with_y_axis_min(low);
        Panel { plots, layout: if let Some(high) = high { layout.with_y_axis_max(high) } else { layout } }
    };
    let shown = [over_time(spikes, (-0.5, Some(last + 0.5))), over_time(all, (0.0, None))];
    shown.into_iter().chain(spectrum(title, steps, dt)).collect()
}

/// Power of the number of spikes a millisecond over that of spikes that know nothing of one another, by Welch's method.
fn spectrum(title: &str, steps: &[f64], dt: f64) -> Option<Panel> {
    let end = steps.iter().fold(0.0, |most: f64, &step| most.max(step)) * dt;
    let bin = dt.max(1e-3).max(end / LONGEST);
    let len = (end / bin) as usize;
    let counts = steps.iter().fold(vec![0.0; len + 1], |mut counts, step| {
        counts[((step * dt / bin) as usize).min(len)] += 1.0;
        counts
    });
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    if len < 2 * SEGMENT || mean == 0.0 {
        return None;
    }
    let turn = |at: usize| std::f64::consts::TAU * at as f64 / SEGMENT as f64;
    let window: Vec<f64> = (0..SEGMENT).map(|at| 0.5 - 0.5 * turn(at).cos()).collect();
    let circle: Vec<(f64, f64)> = (0..SEGMENT).map(|at| turn(at).sin_cos()).collect();
    let all = window.iter().map(|w| w * w).sum::<f64>() * mean;
    let stride = (len / SEGMENTS).max(SEGMENT / 2);
    let mut power = vec![0.0; SEGMENT / 2];
    let segments: Vec<&[f64]> = counts.windows(SEGMENT).step_by(stride).collect();
    for segment in &segments {
        let of: Vec<f64> = segment.iter().zip(&window).map(|(count, w)| (count - mean) * w).collect();
        for (frequency, power) in power.iter_mut().enumerate() {
            let (mut sine, mut cosine) = (0.0, 0.0);
            for (at, value) in of.iter().enumerate() {
                let (s, c) = circle[at * frequency % SEGMENT];
                (sine, cosine) = (sine + value * s, cosine + value * c);
            }
            *power += (sine * sine + cosine * cosine) / all / segments.len() as f64;
        }
    }
    let points = power.iter().enumerate().skip(1).map(|(at, power)| (at as f64 / (SEGMENT as f64 * bin), *power));
    let line = LinePlot::new().with_data(points.collect::<Vec<_>>()).with_color(COLOURS[1]);
    let made =
        panel(vec![line.into()], &format!("{title}: spectrum"), "frequency (Hz)", "power (1: independent spikes)");
    Some(Panel { layout: made.layout.with_x_axis_min(0.0).with_y_axis_min(0.0), plots: made.plots })
}

/// Weights at the start and at the end, and their course between.
pub fn weights(title: &str, unit: &str, arrays: &BTreeMap<String, Vec<f64>>) -> Vec<Panel> {
    let (Some(times), Some(values)) = (arrays.get("time"), arrays.get("values")) else { return Vec::new() };
    let each = values.len() / times.len().max(1);
    if each == 0 {
        return Vec::new();
    }
    let (scale, x) = readable(values, unit);
    let values: Vec<f64> = values.iter().map(|value| value * scale).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = if most > least { (least, most) } else { (least - 0.5, least + 0.5) };
    let at = |row: usize, index: usize, label: &str| -> Plot {
        let own = values[row * each..(row + 1) * each].to_vec();
        let bars = Histogram::new().with_data(own).with_bins(BINS).with_range(range).with_step(index > 0);
        bars.with_color(colour(index)).with_legend(label).into()
    };
    let mut plots = vec![at(times.len() - 1, 0, "at the end")];
    if times.len() > 1 {
        plots.push(at(0, 1, "at first"));
    }
    let course = (times.len() >= FEWEST).then(|| course(title, (times, &values), range, &x));
    std::iter::once(panel(plots, title, &x, "synapses")).chain(course).collect()
}

/// How weights were spread at each time, in percent of all.
fn course(title: &str, (times, values): (&[f64], &[f64]), (least, most): (f64, f64), unit: &str) -> Panel {
    let each = values.len() / times.len();
    let columns = times.len().min(COLUMNS);
    let mut shares = vec![vec![0.0; columns]; BINS];
    for (column, row) in (0..columns).map(|column| (column, column * (times.len() - 1) / (columns - 1))) {
        for value in &values[row * each..(row + 1) * each] {
            let bin = ((value - least) / (most - least) * BINS as f64) as usize;
            shares[bin.min(BINS - 1)][column] += 100.0 / each as f64;
        }
    }
    map(&format!("{title}: % of synapses"), times, shares, (least, most), unit)
}

/// How values that were counted in bins were spread at the end and at first, and between where the bins stay the same.
pub fn spread(title: &str, unit: &str, arrays: &BTreeMap<String, Vec<f64>>) -> Vec<Panel> {
    let (Some(times), Some(counts), Some(edges)) = (arrays.get("time"), arrays.get("counts"), arrays.get("edges"))
    else {
        return Vec::new();
    };
    let bins = counts.len() / times.len().max(1);
    if bins == 0 {
        return Vec::new();
    }
    let (scale, x) = readable(edges, unit);
    let edges: Vec<f64> = edges.iter().map(|edge| edge * scale).collect();
    let (of, ends) = (|row: usize| &counts[row * bins..][..bins], |row: usize| &edges[row * (bins + 1)..][..=bins]);
    let outline = |row: usize, index: usize, label: &str| -> Plot {
        let steps =
            of(row).iter().zip(ends(row).windows(2)).flat_map(|(&count, edge)| [(edge[0], count), (edge[1], count)]);
        LinePlot::new().with_data(steps.collect::<Vec<_>>()).with_color(colour(index)).with_legend(label).into()
    };
    let mut plots = vec![outline(times.len() - 1, 0, "at the end")];
    if times.len() > 1 {
        plots.push(outline(0, 1, "at first"));
    }
    let fixed = (1..times.len()).all(|row| ends(row) == ends(0));
    let course = (times.len() >= FEWEST && fixed).then(|| {
        let columns = times.len().min(COLUMNS);
        let mut shares = vec![vec![0.0; columns]; bins];
        for (column, row) in (0..columns).map(|column| (column, column * (times.len() - 1) / (columns - 1))) {
            let all = of(row).iter().sum::<f64>().max(1.0);
            of(row).iter().zip(&mut shares).for_each(|(count, share)| share[column] = 100.0 * count / all);
        }
        map(&format!("{title}: %"), times, shares, (edges[0], edges[bins]), &x)
    });
    std::iter::once(panel(plots, title, &x, "how many")).chain(course).collect()
}

/// Percentages by bin and time.
fn map(title: &str, times: &[f64], shares: Vec<Vec<f64>>, (least, most): (f64, f64), unit: &str) -> Panel {
    let (first, last) = (times[0] * 1e3, times[times.len() - 1] * 1e3);
    let map = Heatmap::new().with_data(shares).with_color_map(ColorMap::Viridis).with_cell_size(1.0);
    let map = map.with_x_range(first, last).with_y_range(least, most);
    let made = panel(vec![map.into()], title, "time (ms)", unit);
    let layout = made.layout.with_x_axis_min(first).with_x_axis_max(last);
    Panel { layout: layout.with_y_axis_min(least).with_y_axis_max(most), plots: made.plots }
}
