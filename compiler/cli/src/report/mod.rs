//! `nmc report`: what the mapping is and why, as text, JSON or a page to look at.

mod conversions;
mod drawing;
mod html;
mod text;

use std::path::PathBuf;

use clap::Args;
use nmc_compiler::Told;
use nmc_host::load::load;
use nmc_host::{activity, diagnostics, disk, report as host};

use crate::settings::Settings;
use crate::{Exit, render, terminal};

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
    let settings = nmc_host::load::Settings { told: Told::DrawnChips, ..report.settings.settings() };
    let mut loaded = match load(&report.file, &settings) {
        Ok(loaded) => loaded,
        Err(failure) => {
            let exit = render::failure(&report.file, &failure);
            if report.json {
                let told = diagnostics::json(&report.file, &failure.model, &failure.diagnostics);
                terminal::print(&format!("{}\n", host::frame(&report.file, &[], &told)));
            }
            return exit;
        }
    };
    render::diagnostics(&report.file, &loaded.model, &loaded.diagnostics);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    loaded.image.programs.iter_mut().for_each(|program| activity::measure(program, threads));
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
        let each = programs.iter().zip(&loaded.stages).map(|(program, stages)| host::mapping(program, *stages));
        let each: Vec<serde_json::Value> = each.collect();
        let told = diagnostics::json(&report.file, &loaded.model, &loaded.diagnostics);
        return terminal::print(&format!("{}\n", host::frame(&report.file, &each, &told)));
    }
    if report.html.is_some() || report.svg.is_some() {
        return Exit::Clean;
    }
    let texts: Vec<String> = programs.iter().map(|program| text::text(program, &report.section)).collect();
    terminal::print(&texts.join("\n"))
}
