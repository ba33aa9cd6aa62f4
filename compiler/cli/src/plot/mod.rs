//! `nmc plot`: what a run left in its folder, or the hardware of a program, as one picture.

mod hardware;
mod panels;
mod spiking;
mod sweeps;

use std::path::{Path, PathBuf};

use clap::Args;
use kuva::prelude::{Figure, SvgBackend};
use nmc_compiler::forms::chip::Chip;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::disk;
use nmc_host::load::{Failure, compiled};
use nmc_host::run as host;
use serde_json::Value;

use crate::settings::Settings;
use crate::{Exit, render};
use panels::Panel;

/// What `nmc plot` takes.
#[derive(Args)]
pub struct Plot {
    /// The folder that `nmc run --out` or `nmc sweep --out` wrote; or a program, whose converters and arrays are drawn
    run: PathBuf,
    /// The picture; plot.svg in the folder, or the program's name with .svg, unless said otherwise
    #[arg(short, long, value_name = "FILE.svg")]
    output: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Width and height of a panel in pixels, and panels that stand in one column.
const PANEL: (f64, f64) = (760.0, 300.0);
const COLUMN: usize = 4;

/// Of a run draws loss and accuracy over epochs, accuracy over the time after programming, metrics of every chip, what programming left, spikes, traces and weights;
/// of a sweep every metric; of a program what its converters do, and where current goes in arrays whose wires resist.
pub fn plot(plot: &Plot) -> Exit {
    match drawn(plot) {
        Ok(()) => Exit::Clean,
        Err(failure) => render::failure(&plot.run, &failure),
    }
}

fn drawn(plot: &Plot) -> Result<(), Failure> {
    let program = plot.run.extension().is_some_and(|end| end.eq_ignore_ascii_case("nmc"));
    let usual = || if program { plot.run.with_extension("svg") } else { plot.run.join("plot.svg") };
    let output = plot.output.clone().unwrap_or_else(usual);
    if !output.extension().is_some_and(|end| end.eq_ignore_ascii_case("svg")) {
        let message = format!("cannot write {}: pictures end in .svg", output.display());
        return Err(Diagnostic::placeless(Code::E0905, message).into());
    }
    let Settings { set, input, precision, .. } = &plot.settings;
    if !program && plot.run.is_file() {
        let message = format!("cannot draw {}: it is neither a program nor the folder of a run", plot.run.display());
        let help =
            "`nmc plot FILE.nmc` draws the hardware of a program, `nmc plot DIR` what `nmc run FILE --out DIR` wrote";
        return Err(Diagnostic::placeless(Code::E0901, message).with_help(help).into());
    }
    if !program && (!set.is_empty() || !input.is_empty() || precision.is_some()) {
        let message = "a run that is done is drawn as it was: --set, --input and --precision have no effect on it";
        return Err(Diagnostic::placeless(Code::E0906, message).with_help("give them to `nmc run`").into());
    }
    let (panels, help) = match program {
        true => {
            let help = "drawn are converters of several bits, with noise or with errors, and arrays whose wires resist";
            (of_program(&plot.run, &plot.settings)?, help)
        }
        false => {
            let help = "drawn are sweeps, training, metrics of several chips or times, errors of programming, spikes, what `probe` recorded in time, and weights";
            (panels::of(&plot.run, &experiments(&plot.run, &plot.settings.experiment)?)?, help)
        }
    };
    if panels.is_empty() {
        let message = format!("{} holds nothing that is drawn", plot.run.display());
        return Err(Diagnostic::placeless(Code::E0902, message).with_help(help).into());
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

/// What the chips of a program's experiments are made of: of a chip that several have, as the first uses it.
fn of_program(file: &Path, settings: &Settings) -> Result<Vec<Panel>, Failure> {
    let (compilation, _) = compiled(file, &settings.settings())?;
    render::diagnostics(file, &compilation.model, &compilation.diagnostics);
    let (mut panels, mut known) = (Vec::new(), Vec::new());
    let programs = compilation.image.map_or_else(Vec::new, |image| image.programs);
    for (mapped, program) in compilation.mapped.iter().zip(&programs) {
        let chip = Chip { span: None, ..mapped.chip.clone() };
        if !known.contains(&chip) {
            panels.extend(hardware::converters(&mapped.chip));
            panels.extend(hardware::arrays(&host::maps(file, program)?));
            known.push(chip);
        }
    }
    Ok(panels)
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
