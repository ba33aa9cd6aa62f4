//! The mapping for people: sections with aligned columns.

use std::collections::BTreeMap;

use nmc_program::{ComponentKind, LayoutReport, Program};

use super::conversions::{self, percent};
use crate::terminal::{columns, digits, si};
use nmc_host::report::{key, peripheral_share};
use nmc_runtime::energy::total;

type Section = fn(&Program) -> String;

/// The parts, in order: what `--section` takes.
pub const SECTIONS: [(&str, Section); 6] = [
    ("tiles", tiles),
    ("wires", wires),
    ("conversions", conversions),
    ("placement", placement),
    ("schedule", schedule),
    ("energy", energy),
];

/// At most so many rows of what can be very long.
const MOST_ROWS: usize = 40;

/// One experiment; all sections if none is asked for.
pub fn text(program: &Program, wanted: &[String]) -> String {
    let layout = &program.costs.layout;
    let title = format!("{} on {}", program.name, layout.chip);
    let mut text = format!("{title}\n{}\n", "=".repeat(title.chars().count()));
    if layout.cores.is_empty() {
        text += "The ideal chip computes everything exactly: there is nothing to map, to convert or to place.\n";
    } else {
        for (name, section) in SECTIONS {
            if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
                let part = section(program);
                text += &if part.is_empty() { String::new() } else { format!("\n{part}") };
            }
        }
    }
    if !layout.notes.is_empty() {
        text += &format!("\nNotes\n{}", layout.notes.iter().map(|note| format!("  {note}\n")).collect::<String>());
    }
    text
}

/// Where a core is.
pub fn place(layout: &LayoutReport, core: usize) -> String {
    layout.cores.get(core).map_or_else(String::new, |core| format!("({}, {})", core.x, core.y))
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(String::from).to_vec()
}

/// A table, cut when it is very long.
fn table(mut rows: Vec<Vec<String>>, right: &[bool]) -> String {
    let left_out = rows.len().saturating_sub(MOST_ROWS + 1);
    rows.truncate(MOST_ROWS + 1);
    let mut text = columns(&rows, right);
    if left_out > 0 {
        text += &format!("  … and {left_out} more; `--json` lists all\n");
    }
    text
}

fn tiles(program: &Program) -> String {
    let layout = &program.costs.layout;
    let used = layout.cores.iter().filter(|core| core.utilisation > 0.0).count();
    let mut text = format!("Tiles: {} on {used} of {} cores\n", layout.tiles.len(), layout.cores.len());
    if !layout.tiles.is_empty() {
        let mut rows = vec![row(["tile", "layer", "rows", "columns", "cells used", "core", "at"])];
        rows.extend(layout.tiles.iter().map(|tile| {
            let share = (tile.rows_used * tile.cols_used) as f64 / (tile.rows * tile.cols).max(1) as f64;
            vec![
                tile.id.to_string(),
                tile.layer.clone(),
                format!("{} of {}", tile.rows_used, tile.rows),
                format!("{} of {}", tile.cols_used, tile.cols),
                percent(share),
                tile.core.to_string(),
                place(layout, tile.core),
            ]
        }));
        text += &table(rows, &[true, false, true, true, true, true, false]);
    }
    let spiking: Vec<_> = layout.cores.iter().filter(|core| core.tiles == 0 && core.utilisation > 0.0).collect();
    if !spiking.is_empty() {
        let mut rows = vec![row(["core", "kind", "at", "neurons used"])];
        rows.extend(spiking.into_iter().map(|core| {
            vec![core.id.to_string(), core.kind.clone(), place(layout, core.id), percent(core.utilisation)]
        }));
        text += &table(rows, &[true, false, false, true]);
    }
    text
}

/// Each wire in a line, its reason below it.
fn wires(program: &Program) -> String {
    let layout = &program.costs.layout;
    if layout.wires.is_empty() {
        return String::new();
    }
    let mut rows = vec![row(["from", "to", "arrives as", "through", "values a sample", "energy a sample"])];
    rows.extend(layout.wires.iter().map(|wire| {
        vec![
            wire.from.clone(),
            wire.to.clone(),
            wire.domain.clone(),
            wire.converter.clone().unwrap_or_else(|| String::from("-")),
            digits(wire.count_per_sample),
            si(wire.energy_j, "J"),
        ]
    }));
    let left_out = layout.wires.len().saturating_sub(MOST_ROWS);
    let lines = columns(&rows, &[false, false, false, false, true, true]);
    let told = layout.wires.iter().map(|wire| (wire.reason.as_str(), wire.remedy.as_deref()));
    let reasons = std::iter::once(("", None)).chain(told);
    let mut text = String::from("Wires\n");
    for (line, (reason, remedy)) in lines.lines().zip(reasons).take(MOST_ROWS + 1) {
        text += &format!("{line}\n");
        if !reason.is_empty() {
            text += &format!("      {reason}\n");
        }
        if let Some(remedy) = remedy {
            text += &format!("      to go without: {remedy}\n");
        }
    }
    if left_out > 0 {
        text += &format!("  … and {left_out} more; `--json` lists all\n");
    }
    text
}

fn conversions(program: &Program) -> String {
    if program.costs.layout.wires.is_empty() {
        return String::new();
    }
    let counts = conversions::counts(program);
    let head = std::iter::once(row(conversions::HEAD));
    let table = match counts.is_empty() {
        true => String::from("  none\n"),
        false => table(head.chain(counts).collect(), &[false, true, true, true]),
    };
    format!("Conversions\n{table}{}", columns(&conversions::worth(program), &[false, true, false]))
}

fn placement(program: &Program) -> String {
    if program.costs.layout.tiles.is_empty() {
        return String::new();
    }
    let placement = &program.costs.layout.placement;
    let bits = |value: f64| format!("{} bit hops a sample", digits(value.round()));
    let rows = vec![
        vec![String::from("between arrays"), bits(placement.cost)],
        vec![String::from("at least"), bits(placement.lower_bound)],
        vec![String::from("placed at random"), bits(placement.random_cost)],
    ];
    format!("Placement\n{}", columns(&rows, &[false, true]))
}

fn schedule(program: &Program) -> String {
    let schedule = &program.costs.layout.schedule;
    let mut text = format!(
        "Schedule: a sample every {}, latency {}{}\n",
        si(schedule.initiation_interval_s, "s"),
        si(schedule.latency_s, "s"),
        if schedule.bottleneck.is_empty() { String::new() } else { format!(", limited by {}", schedule.bottleneck) },
    );
    text += &chart(program);
    let mut busiest: Vec<_> = schedule.links.iter().collect();
    busiest.sort_by(|a, b| b.utilisation.total_cmp(&a.utilisation));
    if !busiest.is_empty() {
        let layout = &program.costs.layout;
        let mut rows = vec![row(["busiest links", "", "busy"])];
        rows.extend(
            busiest.iter().take(5).map(|l| vec![place(layout, l.from), place(layout, l.to), percent(l.utilisation)]),
        );
        text += &columns(&rows, &[false, false, true]);
    }
    text
}

/// When each resource works within a sample's latency.
fn chart(program: &Program) -> String {
    const WIDTH: f64 = 60.0;
    let tasks = &program.costs.layout.schedule.tasks;
    let end = tasks.iter().fold(0.0_f64, |end, task| end.max(task.end_s));
    let mut busy: BTreeMap<(usize, &str), (String, Vec<bool>)> = BTreeMap::new();
    for task in tasks.iter().filter(|_| end > 0.0) {
        let fresh = || (task.name.clone(), vec![false; WIDTH as usize]);
        let (name, cells) = busy.entry((task.core, task.resource.as_str())).or_insert_with(fresh);
        if *name != task.name {
            *name = String::from("several");
        }
        let at = |time: f64| (time / end * WIDTH) as usize;
        let last = cells.len() - 1;
        cells[at(task.start_s).min(last)..=at(task.end_s).saturating_sub(1).max(at(task.start_s)).min(last)].fill(true);
    }
    if busy.is_empty() {
        return String::new();
    }
    let mut rows =
        vec![vec![String::from("core"), String::from("busy"), String::from("with"), format!("0 … {}", si(end, "s"))]];
    rows.extend(busy.into_iter().map(|((core, resource), (name, cells))| {
        let bar = cells.into_iter().map(|busy| if busy { '#' } else { '.' }).collect();
        vec![core.to_string(), resource.to_string(), name, bar]
    }));
    table(rows, &[true, false, false, false])
}

fn energy(program: &Program) -> String {
    let layout = &program.costs.layout;
    let of = |list: &[(ComponentKind, f64)], kind| list.iter().find(|(known, _)| *known == kind).map(|(_, v)| *v);
    let lists = [&layout.energy_j, &layout.area_mm2, &layout.power_w];
    // Programming is paid once, not by the sample.
    let programming = of(&layout.energy_j, ComponentKind::Programming);
    let programming =
        programming.map_or_else(String::new, |joules| format!("  programming, once: {}\n", si(joules, "J")));
    let kinds: BTreeMap<ComponentKind, ()> =
        lists.iter().flat_map(|list| list.iter().map(|(kind, _)| (*kind, ()))).collect();
    let cells = |name: &str, energy: Option<f64>, area: Option<f64>, power: Option<f64>| {
        let shown = |value: Option<f64>, show: &dyn Fn(f64) -> String| value.map_or("-".to_string(), show);
        let share = energy.map_or(0.0, |energy| energy / total(&layout.energy_j).max(f64::MIN_POSITIVE));
        vec![
            name.to_string(),
            shown(energy, &|v| si(v, "J")),
            shown(energy, &|_| percent(share)),
            shown(area, &|v| format!("{} mm2", digits(v))),
            shown(power, &|v| si(v, "W")),
        ]
    };
    let mut rows = vec![row(["kind", "energy a sample", "share", "area", "power"])];
    for &kind in kinds.keys().filter(|kind| **kind != ComponentKind::Programming) {
        rows.push(cells(key(kind), of(&layout.energy_j, kind), of(&layout.area_mm2, kind), of(&layout.power_w, kind)));
    }
    let sums = lists.map(|list| Some(total(list)));
    rows.push(cells("total", sums[0], sums[1], sums[2]));
    let used = digits(total(&layout.area_used_mm2));
    format!(
        "Energy, area and power\n{}  in use: {used} mm2; what is not cells and neurons: {} of the area, {} of the power\n{programming}",
        columns(&rows, &[false, true, true, true, true]),
        percent(peripheral_share(&layout.area_mm2)),
        percent(peripheral_share(&layout.power_w)),
    )
}
