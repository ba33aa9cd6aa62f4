//! `nmc report`: what the mapping is and why, as text, JSON or a page to look at.

mod drawing;
mod html;
pub mod json;
mod text;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::load::{Settings, load};
use crate::{Exit, disk, render, terminal};

/// What `nmc report` takes.
#[derive(Args)]
pub struct Report {
    /// The program, or an image made by `nmc build`
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Only these parts
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["json", "html", "svg"], value_parser = clap::builder::PossibleValuesParser::new(text::SECTIONS.map(|(name, _)| name)))]
    section: Vec<String>,
    /// Prints one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Writes one self-contained page
    #[arg(long, value_name = "OUT.html")]
    html: Option<PathBuf>,
    /// Writes the first experiment's chip and schedule as a picture
    #[arg(long, value_name = "OUT.svg")]
    svg: Option<PathBuf>,
}

/// Reports every experiment.
pub fn report(report: &Report) -> Exit {
    let loaded = match load(&report.file, &report.settings) {
        Ok(loaded) => loaded,
        Err(failure) => {
            if report.json {
                terminal::print(&format!("{}\n", frame(report, &[], &failure.diagnostics)));
            }
            return failure.exit;
        }
    };
    let programs = &loaded.image.programs;
    let page = || html::page(&report.file.display().to_string(), programs);
    let picture = || {
        let mapped = programs.iter().find(|program| !program.costs.layout.cores.is_empty());
        mapped.or(programs.first()).map_or_else(String::new, |program| {
            let title = format!("{} on {}", program.name, program.costs.layout.chip);
            drawing::picture(&title, &program.costs.layout)
        })
    };
    let written = [report.html.as_ref().map(|file| (file, page())), report.svg.as_ref().map(|file| (file, picture()))];
    for (file, text) in written.iter().flatten() {
        if let Err(problem) = disk::write(file, text.as_bytes()) {
            return render::placeless(&problem);
        }
    }
    if report.json {
        let each = programs.iter().zip(&loaded.stages).map(|(program, stages)| json::mapping(program, *stages));
        let each: Vec<serde_json::Value> = each.collect();
        return terminal::print(&format!("{}\n", frame(report, &each, &loaded.diagnostics)));
    }
    if report.html.is_some() || report.svg.is_some() {
        return Exit::Clean;
    }
    let texts: Vec<String> = programs.iter().map(|program| text::text(program, &report.section)).collect();
    terminal::print(&texts.join("\n"))
}

/// The one object: the first experiment's keys at the top, for the many programs that have one, and all in `experiments`.
fn frame(report: &Report, experiments: &[serde_json::Value], diagnostics: &[serde_json::Value]) -> serde_json::Value {
    let mut whole = experiments.first().cloned().unwrap_or_else(|| json!({}));
    whole["nmc"] = json!(env!("CARGO_PKG_VERSION"));
    whole["program"] = json!(report.file.display().to_string());
    whole["experiments"] = json!(experiments);
    whole["diagnostics"] = json!(diagnostics);
    whole
}
