//! `nmc plot`: what a run left in its folder as one picture.

mod panels;

use std::path::{Path, PathBuf};

use clap::Args;
use kuva::prelude::{Figure, SvgBackend};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::disk;
use serde_json::Value;

use crate::{Exit, render};

/// What `nmc plot` takes.
#[derive(Args)]
pub struct Plot {
    /// The folder that `nmc run --out` wrote
    run: PathBuf,
    /// The picture; plot.svg in the folder unless said otherwise
    #[arg(short, long, value_name = "FILE.svg")]
    output: Option<PathBuf>,
    /// Only this experiment; repeatable
    #[arg(long, value_name = "NAME")]
    experiment: Vec<String>,
}

/// Width and height of a panel in pixels, and panels that stand in one column.
const PANEL: (f64, f64) = (760.0, 300.0);
const COLUMN: usize = 4;

/// Draws loss and accuracy over epochs, accuracy over the time after programming, metrics of every chip, what programming left, spikes, traces and weights.
pub fn plot(plot: &Plot) -> Exit {
    match drawn(plot) {
        Ok(()) => Exit::Clean,
        Err(problem) => render::placeless(&problem),
    }
}

fn drawn(plot: &Plot) -> Result<(), Diagnostic> {
    let output = plot.output.clone().unwrap_or_else(|| plot.run.join("plot.svg"));
    if !output.extension().is_some_and(|end| end.eq_ignore_ascii_case("svg")) {
        let message = format!("cannot write {}: pictures end in .svg", output.display());
        return Err(Diagnostic::placeless(Code::E0905, message));
    }
    let experiments = experiments(&plot.run, &plot.experiment)?;
    let panels = panels::of(&plot.run, &experiments)?;
    if panels.is_empty() {
        let message = format!("{} holds nothing that is drawn", plot.run.display());
        let help = "drawn are training, metrics of several chips or times, errors of programming, spikes, what `probe` recorded in time, and weights";
        return Err(Diagnostic::placeless(Code::E0902, message).with_help(help));
    }
    let columns = if panels.len() > COLUMN { 2 } else { 1 };
    let rows = panels.len().div_ceil(columns);
    let structure = (0..panels.len()).map(|panel| vec![panel]).collect();
    let (plots, layouts) = panels.into_iter().map(|panel| (panel.plots, panel.layout)).unzip();
    let figure = Figure::new(rows, columns).with_structure(structure).with_cell_size(PANEL.0, PANEL.1);
    let picture = SvgBackend.render_scene(&figure.with_plots(plots).with_layouts(layouts).render());
    disk::write(&output, picture.as_bytes())?;
    eprintln!("{} is drawn", output.display());
    Ok(())
}

/// The experiments of a run, or those of these names.
fn experiments(run: &Path, names: &[String]) -> Result<Vec<Value>, Diagnostic> {
    let file = run.join("run.json");
    let without = |problem: Diagnostic| problem.with_help("`nmc run FILE --out DIR` writes what `nmc plot DIR` draws");
    let text = disk::read(&file).map_err(without)?;
    let told: Value = serde_json::from_str(&text).map_err(|error| unreadable(&file, &error.to_string()))?;
    let Some(all) = told["experiments"].as_array() else { return Err(unreadable(&file, "it tells of no experiments")) };
    let name = |experiment: &Value| experiment["experiment"].as_str().map(str::to_string);
    if let Some(missing) = names.iter().find(|wanted| !all.iter().any(|e| name(e).as_ref() == Some(wanted))) {
        return Err(Diagnostic::placeless(Code::E0904, format!("the run has no experiment `{missing}`")));
    }
    let wanted = |experiment: &&Value| names.is_empty() || name(experiment).is_some_and(|name| names.contains(&name));
    Ok(all.iter().filter(wanted).cloned().collect())
}

fn unreadable(file: &Path, why: &str) -> Diagnostic {
    Diagnostic::placeless(Code::E0902, format!("{} cannot be read: {why}", file.display()))
}
