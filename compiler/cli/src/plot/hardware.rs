//! Panels of a program's hardware: what its converters make of a value, and where current goes in arrays whose wires resist.

use kuva::plot::BandPlot;
use kuva::prelude::{ColorMap, Heatmap, Layout, LinePlot, Plot};
use nmc_compiler::analyse::quantiser::{Quantiser, through};
use nmc_compiler::forms::chip::{Chip, Converter, Deviation, Domain};
use nmc_compiler::forms::decisions::Range;
use nmc_runtime::maps::Map;

use super::panels::{Panel, colour, panel, readable};

/// Points of a curve.
const POINTS: usize = 2000;
/// Rows and columns that are drawn of an array; neighbours of a larger one are averaged.
const SIDE: usize = 64;

/// What the converters of a chip do, each once; those that change nothing are left out.
pub fn converters(chip: &Chip) -> Vec<Panel> {
    let changes = |converter: &&Converter| {
        let Converter { bits, noise, gain_error, .. } = converter;
        bits.is_some() || *noise != 0.0 || !gain_error.is_none()
    };
    let mut known: Vec<&Converter> = Vec::new();
    for converter in chip.converters.iter().filter(changes) {
        if !known.contains(&converter) {
            known.push(converter);
        }
    }
    known.into_iter().flat_map(of_converter).collect()
}

/// The transfer curve of a converter of signed values beside the straight line, and how far it is from that.
fn of_converter(converter: &Converter) -> [Panel; 2] {
    let &Converter { bits, noise, gain_error, offset_lsb, inl_lsb, .. } = converter;
    let range = Range { full: 1.0, unsigned: false };
    let step = bits.map_or(1.0, |bits| Quantiser::new(bits, range).step);
    let of = |x: f64| bits.map_or(x * (1.0 + gain_error.mean), |bits| through(converter, bits, range, x));
    let sigma = noise * step;
    let inputs: Vec<f64> = (0..=POINTS).map(|at| 2.2 * at as f64 / POINTS as f64 - 1.1).collect();
    let curve: Vec<(f64, f64)> = inputs.iter().map(|&x| (x, of(x))).collect();
    let signal = |domain: Domain| format!("{domain:?}").to_lowercase();
    let mut about = match bits {
        Some(bits) => format!("{} bits, {} levels", bits, 1_u64 << bits.min(63)),
        None => String::from("no rounding"),
    };
    let unit = if bits.is_some() { "lsb" } else { "% of full range" };
    let shown = |error: f64| if bits.is_some() { error } else { 100.0 * error };
    if noise != 0.0 {
        about += &format!(", noise {} {unit} rms", shown(noise));
    }
    let errors = [("gain error", 100.0, gain_error, " %"), ("offset", 1.0, offset_lsb, " lsb")];
    for (what, scale, Deviation { mean, spread }, unit) in errors {
        if mean != 0.0 || spread != 0.0 {
            let each = if spread != 0.0 { format!(" ± {}", scale * spread) } else { String::new() };
            about += &format!(", {what} {}{each}{unit}", scale * mean);
        }
    }
    if inl_lsb != 0.0 {
        about += &format!(", inl {inl_lsb} lsb");
    }
    let bounds = |sign: f64| inputs.iter().map(|&x| of(x) + sign * sigma).collect::<Vec<f64>>();
    let mut plots: Vec<Plot> = Vec::new();
    if sigma > 0.0 {
        let band = BandPlot::new(inputs.clone(), bounds(-1.0), bounds(1.0)).with_color(colour(0));
        plots.push(band.with_legend("± noise").into());
    }
    let straight = LinePlot::new().with_data([(-1.1, -1.1), (1.1, 1.1)]).with_color(colour(6)).with_dashed();
    plots.push(straight.with_stroke_width(0.8).into());
    plots.push(LinePlot::new().with_data(curve.iter().copied()).with_color(colour(0)).with_stroke_width(1.2).into());
    let title = format!("{}: {} to {}, {about}", converter.name, signal(converter.from), signal(converter.to));
    let Panel { plots, layout } = panel(plots, &title, "input (full ranges)", "output (full ranges)");
    let transfer = Panel { plots, layout: layout.with_x_axis_min(-1.1).with_x_axis_max(1.1) };
    let error = |(x, y): &(f64, f64)| (*x, if bits.is_some() { (y - x) / step } else { 100.0 * (y - x) });
    // Beyond full range there is but clipping.
    let within = curve.iter().filter(|(x, _)| x.abs() <= 1.0).map(error).collect::<Vec<_>>();
    let line = LinePlot::new().with_data(within).with_color(colour(1)).with_stroke_width(0.8);
    let title = format!("{}: output less input", converter.name);
    [transfer, panel(vec![line.into()], &title, "input (full ranges)", unit)]
}

/// Of each layer, the array where most of the current goes missing: current through its cells, and the voltage that wires take from them.
pub fn arrays(maps: &[Map]) -> Vec<Panel> {
    let layer = |map: &Map| map.name.split('[').next().unwrap_or_default().to_string();
    let mut worst: Vec<&Map> = Vec::new();
    for map in maps.iter().filter(|map| map.driver_volts.iter().any(|volt| *volt != 0.0)) {
        match worst.iter_mut().find(|known| layer(known) == layer(map)) {
            Some(known) if map.lost() > known.lost() => *known = map,
            Some(_) => {}
            None => worst.push(map),
        }
    }
    worst.into_iter().flat_map(of_array).collect()
}

fn of_array(map: &Map) -> [Panel; 3] {
    let (scale, unit) = readable(&map.amperes, "A");
    let amperes: Vec<f64> = map.amperes.iter().map(|ampere| ampere * scale).collect();
    let largest = map.driver_volts.iter().fold(0.0, |most: f64, volt| most.max(volt.abs()));
    let taken = |(at, volt): (usize, &f64)| 100.0 * (map.driver_volts[at / map.cols] - volt) / largest;
    let volts: Vec<f64> = map.volts.iter().enumerate().map(taken).collect();
    let (name, lost) = (&map.name, 100.0 * map.lost());
    let column = |of: &[f64]| -> Vec<(f64, f64)> {
        let sum = |col: usize| of.iter().skip(col).step_by(map.cols).sum::<f64>() * scale;
        (0..map.cols).map(|col| (col as f64, sum(col))).collect()
    };
    let line = |of: &[f64], index: usize, label: &str| -> Plot {
        LinePlot::new().with_data(column(of)).with_color(colour(index)).with_legend(label).into()
    };
    let columns = vec![line(&map.ideal_amperes, 6, "without resistance"), line(&map.amperes, 0, "with")];
    [
        heat(map, &amperes, &format!("{name}: current through each cell ({unit})")),
        heat(map, &volts, &format!("{name}: voltage taken by wires, % of the largest driver's")),
        panel(
            columns,
            &format!("{name}: {lost:.1} % of the current is missing"),
            "column",
            &format!("current of a column ({unit})"),
        ),
    ]
}

/// Cells as they lie: rows are driven at the left, columns read above the last row.
fn heat(map: &Map, values: &[f64], title: &str) -> Panel {
    let (rows, cols) = (map.rows.min(SIDE), map.cols.min(SIDE));
    let mut drawn = vec![vec![(0.0, 0.0); cols]; rows];
    for (at, value) in values.iter().enumerate() {
        let (row, col) = (at / map.cols * rows / map.rows, at % map.cols * cols / map.cols);
        let (sum, count) = &mut drawn[row][col];
        (*sum, *count) = (*sum + value, *count + 1.0);
    }
    let mean = |row: Vec<(f64, f64)>| row.into_iter().map(|(sum, count)| sum / count).collect::<Vec<f64>>();
    let map_of =
        Heatmap::new().with_data(drawn.into_iter().map(mean).collect::<Vec<_>>()).with_color_map(ColorMap::Viridis);
    let map_of = map_of.with_x_range(0.0, map.cols as f64).with_y_range(0.0, map.rows as f64).with_cell_size(1.0);
    let plots: Vec<Plot> = vec![map_of.into()];
    let about = if map.rows > rows || map.cols > cols { " (means of neighbours)" } else { "" };
    let layout = Layout::auto_from_plots(&plots).with_title(title);
    let layout = layout.with_x_label(format!("{} columns{about}, read at the top", map.cols));
    let layout = layout.with_x_axis_min(0.0).with_x_axis_max(map.cols as f64);
    let layout = layout.with_y_axis_min(0.0).with_y_axis_max(map.rows as f64);
    Panel { layout: layout.with_y_label(format!("{} rows, driven at the left", map.rows)), plots }
}
