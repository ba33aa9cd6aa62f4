//! Pictures of a mapping as SVG: floor plan, bars, timetable.

use std::collections::BTreeMap;

use nmc_program::LayoutReport;

use super::html::escape;
use crate::terminal::{digits, si};

/// Eight colours that differ for most eyes (Okabe and Ito 2008, with a grey for their black).
const COLOURS: [&str; 8] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"];
/// Chips with more cores show only those in use.
const MOST_CORES: usize = 4096;
const MOST_ROWS: usize = 40;
/// What cores without tiles are coloured as.
const NEURONS: &str = "neurons";

/// Layers and other names to colours, in the order they are first met; and whether a picture uses them.
#[derive(Default)]
struct Colours<'a>(Vec<(&'a str, bool)>);

impl<'a> Colours<'a> {
    /// The layers on tiles and the cores of neurons come first, so that they look the same in every picture.
    fn of_chip(layout: &'a LayoutReport) -> Self {
        let mut colours = Colours::default();
        for tile in &layout.tiles {
            colours.place(&tile.layer);
        }
        if layout.cores.iter().any(|core| core.tiles == 0 && core.utilisation > 0.0) {
            colours.place(NEURONS);
        }
        colours
    }

    fn place(&mut self, name: &'a str) -> usize {
        self.0.iter().position(|known| known.0 == name).unwrap_or_else(|| {
            self.0.push((name, false));
            self.0.len() - 1
        })
    }

    fn of(&mut self, name: &'a str) -> &'static str {
        let place = self.place(name);
        self.0[place].1 = true;
        COLOURS[place % COLOURS.len()]
    }

    fn legend(&self, y: f64) -> String {
        let mut x = 0.0;
        let mut svg = String::new();
        for (place, (name, _)) in self.0.iter().enumerate().filter(|(_, (_, used))| *used) {
            let (colour, text) = (COLOURS[place % COLOURS.len()], x + 18.0);
            svg += &format!("<rect x='{x}' y='{y}' width='12' height='12' fill='{colour}'/>");
            svg += &format!("<text x='{text}' y='{}'>{}</text>", y + 11.0, escape(name));
            x += 40.0 + 7.5 * name.chars().count() as f64;
        }
        svg
    }
}

/// A picture and its size.
pub struct Drawing {
    width: f64,
    height: f64,
    body: String,
}

impl Drawing {
    /// As an element of a page.
    pub fn svg(&self) -> String {
        let Drawing { width, height, body } = self;
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0}' height='{height:.0}' viewBox='0 0 {width:.0} {height:.0}'>{body}</svg>"
        )
    }
}

/// The chip, and one sample in time where it is known, as a picture to stand by itself.
pub fn picture(title: &str, layout: &LayoutReport) -> String {
    let mut parts = vec![(title, floor_plan(layout))];
    if !layout.schedule.tasks.is_empty() {
        parts.push(("One sample in time", timetable(layout)));
    }
    let style = "<style>text { font: 12px system-ui, sans-serif; fill: #222 } .title { font-weight: 600; font-size: 15px }</style>";
    let (mut body, mut y, mut width) = (String::new(), 16.0, 0.0_f64);
    for (title, drawing) in parts {
        body += &format!("<text class='title' x='0' y='{:.0}'>{}</text>", y + 8.0, escape(title));
        body += &format!("<g transform='translate(0 {:.0})'>{}</g>", y + 20.0, drawing.body);
        y += drawing.height + 44.0;
        width = width.max(drawing.width);
    }
    let sheet = format!("<rect x='-16' y='0' width='{:.0}' height='{y:.0}' fill='#fff'/>", width + 32.0);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{0:.0}' height='{y:.0}' viewBox='-16 0 {0:.0} {y:.0}'>{style}{sheet}{body}</svg>\n",
        width + 32.0
    )
}

/// Cores where they are, with the used part of each tile in the colour of its layer, and links as wide as they are busy.
pub fn floor_plan(layout: &LayoutReport) -> Drawing {
    let columns = layout.cores.iter().map(|core| core.x + 1).max().unwrap_or(1);
    let rows = layout.cores.iter().map(|core| core.y + 1).max().unwrap_or(1);
    let cell = (900.0 / columns as f64).clamp(3.0, 96.0);
    let inner = cell * 0.84;
    let corner = |core: usize| layout.cores.get(core).map(|core| (core.x as f64 * cell, core.y as f64 * cell));
    let few = layout.cores.len() <= MOST_CORES;
    let mut colours = Colours::of_chip(layout);
    let mut body = String::new();
    for core in layout.cores.iter().filter(|core| few || core.utilisation > 0.0) {
        let (x, y) = (core.x as f64 * cell, core.y as f64 * cell);
        let stroke = if core.utilisation > 0.0 { "#444" } else { "#ccc" };
        body += &format!(
            "<rect x='{x:.1}' y='{y:.1}' width='{inner:.1}' height='{inner:.1}' fill='#f6f6f6' stroke='{stroke}'>\
             <title>core {} ({}), {:.0} % used</title></rect>",
            core.id,
            escape(&core.kind),
            100.0 * core.utilisation,
        );
        if core.tiles == 0 && core.utilisation > 0.0 {
            let (height, colour) = (inner * core.utilisation.min(1.0), colours.of(NEURONS));
            body += &format!(
                "<rect x='{x:.1}' y='{:.1}' width='{inner:.1}' height='{height:.1}' fill='{colour}'/>",
                y + inner - height
            );
        }
    }
    let mut in_core: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, tile) in layout.tiles.iter().enumerate() {
        in_core.entry(tile.core).or_default().push(index);
    }
    for (core, tiles) in &in_core {
        let Some((x, y)) = corner(*core) else { continue };
        // Tiles of a core side by side, in a square of them.
        let side = (tiles.len() as f64).sqrt().ceil();
        let size = inner / side;
        for (place, &index) in tiles.iter().enumerate() {
            let tile = &layout.tiles[index];
            let (left, top) = (x + (place as f64 % side) * size, y + (place as f64 / side).floor() * size);
            let width = size * tile.cols_used as f64 / tile.cols.max(1) as f64;
            let height = size * tile.rows_used as f64 / tile.rows.max(1) as f64;
            body += &format!(
                "<rect x='{left:.1}' y='{top:.1}' width='{width:.1}' height='{height:.1}' fill='{}'>\
                 <title>tile {}: {}, {} x {} of {} x {}</title></rect>",
                colours.of(&tile.layer),
                tile.id,
                escape(&tile.layer),
                tile.rows_used,
                tile.cols_used,
                tile.rows,
                tile.cols,
            );
        }
    }
    for link in &layout.schedule.links {
        if let (Some((x1, y1)), Some((x2, y2))) = (corner(link.from), corner(link.to)) {
            let (middle, width) = (inner / 2.0, 1.0 + 5.0 * link.utilisation.clamp(0.0, 1.0));
            body += &format!(
                "<line x1='{:.1}' y1='{:.1}' x2='{:.1}' y2='{:.1}' stroke='#222' stroke-opacity='0.45' stroke-width='{width:.1}'/>",
                x1 + middle,
                y1 + middle,
                x2 + middle,
                y2 + middle,
            );
        }
    }
    let bottom = rows as f64 * cell;
    body += &colours.legend(bottom + 4.0);
    Drawing { width: 900.0_f64.max(columns as f64 * cell), height: bottom + 24.0, body }
}

/// One bar a name, longest first.
pub fn bars(values: &[(&str, f64)], unit: &str) -> Drawing {
    let mut values: Vec<_> = values.iter().filter(|(_, value)| *value > 0.0).collect();
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all = values.iter().fold(0.0, |all, (_, value)| all + value);
    let largest = values.first().map_or(1.0, |(_, value)| *value);
    let mut body = String::new();
    for (row, (name, value)) in values.iter().enumerate() {
        let (y, width) = (row as f64 * 24.0, (560.0 * value / largest).max(1.0));
        let shown = if unit == "J" { si(*value, unit) } else { format!("{} mm\u{b2}", digits(*value)) };
        body += &format!(
            "<text x='90' y='{:.0}' text-anchor='end'>{name}</text><rect x='100' y='{:.0}' width='{width:.1}' height='16' fill='{}'/>\
             <text x='{:.0}' y='{:.0}'>{shown} ({:.1} %)</text>",
            y + 15.0,
            y + 3.0,
            COLOURS[0],
            width + 108.0,
            y + 15.0,
            100.0 * value / all,
        );
    }
    Drawing { width: 900.0, height: 24.0 * values.len() as f64 + 4.0, body }
}

/// Who works when, from a sample's start to its end.
pub fn timetable(layout: &LayoutReport) -> Drawing {
    let tasks = &layout.schedule.tasks;
    let end = tasks.iter().fold(f64::MIN_POSITIVE, |end, task| end.max(task.end_s));
    let mut rows: BTreeMap<(usize, &str), usize> = tasks.iter().map(|t| ((t.core, t.resource.as_str()), 0)).collect();
    rows.values_mut().enumerate().for_each(|(place, row)| *row = place);
    let mut colours = Colours::of_chip(layout);
    let mut body = String::new();
    for ((core, resource), row) in rows.iter().take(MOST_ROWS) {
        let y = *row as f64 * 20.0 + 14.0;
        body += &format!("<text x='165' y='{y:.0}' text-anchor='end'>core {core}, {}</text>", escape(resource));
    }
    for task in tasks {
        let Some(row) = rows.get(&(task.core, task.resource.as_str())).filter(|row| **row < MOST_ROWS) else {
            continue;
        };
        let x = |time: f64| 175.0 + 700.0 * time / end;
        body += &format!(
            "<rect x='{:.1}' y='{}' width='{:.1}' height='16' fill='{}'><title>{}, {} to {}</title></rect>",
            x(task.start_s),
            row * 20 + 2,
            (x(task.end_s) - x(task.start_s)).max(1.0),
            colours.of(&task.name),
            escape(&task.name),
            si(task.start_s, "s"),
            si(task.end_s, "s"),
        );
    }
    let shown = rows.len().min(MOST_ROWS) as f64;
    let left_out = rows.len().saturating_sub(MOST_ROWS);
    let axis = shown * 20.0 + 16.0;
    body +=
        &format!("<text x='175' y='{axis}'>0</text><text x='875' y='{axis}' text-anchor='end'>{}</text>", si(end, "s"));
    if left_out > 0 {
        body += &format!("<text x='400' y='{axis}'>{left_out} more are not shown</text>");
    }
    body += &colours.legend(axis + 10.0);
    Drawing { width: 900.0, height: axis + 28.0, body }
}
