//! The mapping as one self-contained page: pictures and the wire table, an experiment after the other.

use nmc_program::{ComponentKind, Program};

use super::{conversions, drawing};
use crate::terminal::{digits, si};
use nmc_host::report::{key, peripheral_share};
use nmc_runtime::energy::total;

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.25rem; margin-top: 3rem; border-bottom: 2px solid #ccc }
h3 { font-size: 1rem; margin: 2rem 0 .5rem }
table { border-collapse: collapse; width: 100% } th { text-align: left; font-weight: 600 }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
td.n, th.n { text-align: right; white-space: nowrap } td small { color: #666 }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem } dt { color: #666; font-size: .85rem } dd { margin: 0; font-size: 1.15rem }
svg { max-width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: #222 }
";

/// The page.
pub fn page(file: &str, programs: &[Program]) -> String {
    let parts: Vec<String> = programs.iter().map(experiment).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style></head>\n\
         <body><h1>{0}</h1>\n{1}<p><small>nmc {2}</small></p></body></html>\n",
        escape(file),
        parts.concat(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Text for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn experiment(program: &Program) -> String {
    let layout = &program.costs.layout;
    let mut html = format!("<h2>{} on {}</h2>\n", escape(&program.name), escape(&layout.chip));
    if layout.cores.is_empty() {
        return html
            + "<p>The ideal chip computes everything exactly: there is nothing to map.</p>\n"
            + &notes(program);
    }
    let used = layout.cores.iter().filter(|core| core.utilisation > 0.0).count();
    let objective = &layout.objective;
    let figures = [
        ("energy a sample", si(total(&layout.energy_j), "J")),
        ("latency", si(layout.schedule.latency_s, "s")),
        ("a sample every", si(layout.schedule.initiation_interval_s, "s")),
        ("limited by", escape(&layout.schedule.bottleneck)),
        ("chip area", format!("{} mm\u{b2}", digits(total(&layout.area_mm2)))),
        ("of it around the cells", format!("{:.0} %", 100.0 * peripheral_share(&layout.area_mm2))),
        ("cores used", format!("{used} of {}", layout.cores.len())),
        ("optimal conversions", String::from(if objective.optimal { "yes, proven" } else { "not proven" })),
    ];
    html += "<dl>";
    for (name, value) in figures.iter().filter(|(_, value)| !value.is_empty()) {
        html += &format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html += &format!("</dl>\n<h3>Chip</h3>\n{}\n", drawing::floor_plan(layout).svg());
    // Programming is paid once, not by the sample.
    let (once, each): (Vec<_>, Vec<_>) =
        layout.energy_j.iter().copied().partition(|(kind, _)| *kind == ComponentKind::Programming);
    html += &format!("<h3>Energy a sample</h3>\n{}\n", drawing::bars(&named(&each), "J").svg());
    for (_, joules) in once {
        html += &format!("<p>Programming takes {} once.</p>\n", si(joules, "J"));
    }
    if total(&layout.area_mm2) > 0.0 {
        html += &format!("<h3>Area</h3>\n{}\n", drawing::bars(&named(&layout.area_mm2), "mm2").svg());
    }
    if !layout.schedule.tasks.is_empty() {
        html += &format!("<h3>One sample in time</h3>\n{}\n", drawing::timetable(layout).svg());
    }
    html + &conversions(program) + &wires(program) + &notes(program)
}

/// What the simulation approximates or leaves out.
fn notes(program: &Program) -> String {
    let notes = &program.costs.layout.notes;
    if notes.is_empty() {
        return String::new();
    }
    let items: String = notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    format!("<h3>Notes</h3>\n<ul>{items}</ul>\n")
}

fn named(list: &[(ComponentKind, f64)]) -> Vec<(&'static str, f64)> {
    list.iter().map(|(kind, value)| (key(*kind), *value)).collect()
}

/// What was converted, and what the design is worth beside others.
fn conversions(program: &Program) -> String {
    let line = |cells: &[String], tag: &str, words: &[usize]| {
        let cell = |(index, cell): (usize, &String)| {
            let class = if words.contains(&index) { "" } else { " class=n" };
            format!("<{tag}{class}>{}</{tag}>", escape(cell))
        };
        format!("<tr>{}</tr>\n", cells.iter().enumerate().map(cell).collect::<String>())
    };
    let counts = conversions::counts(program);
    let mut html = String::from("<h3>Conversions a sample</h3>\n");
    if counts.is_empty() {
        html += "<p>There are none.</p>\n";
    } else {
        let rows: String = counts.iter().map(|cells| line(cells, "td", &[0])).collect();
        html += &format!("<table>{}{rows}</table>\n", line(&conversions::HEAD.map(String::from), "th", &[0]));
    }
    let rows: String = conversions::worth(program).iter().map(|cells| line(cells, "td", &[0, 2])).collect();
    html + &format!("<h3>Beside other designs</h3>\n<table>{rows}</table>\n")
}

fn wires(program: &Program) -> String {
    let mut html = String::from(
        "<h3>Wires</h3>\n<table><tr><th>from</th><th>to</th><th>arrives as</th><th>through, and why</th>\
         <th class=n>values</th><th class=n>energy</th></tr>\n",
    );
    for wire in &program.costs.layout.wires {
        html += &format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}<br><small>{}</small></td><td class=n>{}</td><td class=n>{}</td></tr>\n",
            escape(&wire.from),
            escape(&wire.to),
            escape(&wire.domain),
            escape(wire.converter.as_deref().unwrap_or("no converter")),
            escape(
                &[Some(wire.reason.as_str()), wire.remedy.as_deref()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("; to go without: ")
            ),
            digits(wire.count_per_sample),
            si(wire.energy_j, "J"),
        );
    }
    html + "</table>\n"
}
