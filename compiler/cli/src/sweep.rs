//! `nmc sweep`: a program for every combination of values of its constants, in one table.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_host::diagnostics;
use nmc_host::disk::NewFolder;
use nmc_host::load::{Failure, load};
use nmc_host::run::checkpoint::Checkpoints;
use nmc_host::run::{self as host, entry};
use nmc_host::sweep::{Over, combinations, csv, over, shown as shown_values, spoken, told};
use serde_json::{Value, json};

use crate::run::table::{self, Column};
use crate::run::{How, Saving, simulate};
use crate::settings::Settings;
use crate::{Exit, render, terminal};

/// What `nmc sweep` takes.
#[derive(Args)]
pub struct Sweep {
    /// The program
    file: PathBuf,
    /// Values of a `const`, such as --over wire="[1 ohm, 2 ohm, 5 ohm]", or nine of equal distance by --over wire="1 ohm..5 ohm:9";
    /// repeatable: every combination is run
    #[arg(long, required = true, value_name = "NAME=VALUES", value_parser = over)]
    over: Vec<Over>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    saving: Saving,
    /// Writes run.json, which `nmc plot` draws, and sweep.csv into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Prints one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// What came of all combinations.
#[derive(Default)]
struct Swept {
    entries: Vec<Value>,
    /// The combination of each, and its figures.
    rows: Vec<(Vec<(String, String)>, Column)>,
    /// What was wrong, each with its combination.
    told: Vec<Value>,
}

/// Compiles and runs, combination by combination. One that cannot be is told, and the others go on.
pub fn sweep(sweep: &Sweep) -> Exit {
    let set = |over: &&Over| sweep.settings.set.iter().any(|(name, _)| *name == over.name);
    let all = match sweep.over.iter().find(set) {
        Some(twice) => Err(format!("`{}` is swept, and set besides", twice.name)),
        None => combinations(&sweep.over),
    };
    let all = all.map_err(|why| Diagnostic::placeless(Code::E0906, why));
    let begun = all.and_then(|all| {
        let checkpoints = Checkpoints::begin(&[], &sweep.how.settings(), sweep.saving.files(), false)?;
        Ok((all, checkpoints, sweep.out.as_deref().map(NewFolder::begin).transpose()?))
    });
    let (all, mut checkpoints, folder) = match begun {
        Ok(begun) => begun,
        Err(problem) => return render::placeless(&problem),
    };
    let (mut swept, mut exit, mut shown) = (Swept::default(), Exit::Clean, BTreeSet::new());
    for combination in &all {
        match one(sweep, combination, checkpoints.as_mut(), &mut swept, &mut shown) {
            Ok(of_one) => exit = exit.max(of_one),
            Err(failure) => {
                exit = exit.max(show(sweep, combination, &failure, &mut shown));
                let told = diagnostics::json(&sweep.file, &failure.model, &failure.diagnostics);
                swept.told.extend(told.into_iter().map(|told| with(combination, told)));
            }
        }
    }
    if let Some(checkpoints) = checkpoints.filter(|_| sweep.saving.is_resumed()) {
        eprintln!("{} of {} experiments were done already", checkpoints.known(), swept.entries.len());
    }
    // What is wrong with each of them is no sweep.
    if swept.entries.is_empty() {
        return if sweep.json { exit.max(whole(sweep, &swept)) } else { exit };
    }
    if let Some(folder) = folder
        && let Err(problem) = write(sweep, folder, &swept)
    {
        return exit.max(render::placeless(&problem));
    }
    exit.max(if sweep.json { whole(sweep, &swept) } else { terminal::print(&rows(&swept.rows)) })
}

/// One combination, every experiment.
fn one(
    sweep: &Sweep,
    combination: &[(String, String)],
    mut checkpoints: Option<&mut Checkpoints>,
    swept: &mut Swept,
    shown: &mut BTreeSet<String>,
) -> Result<Exit, Failure> {
    let mut settings = sweep.settings.settings();
    settings.set.extend(combination.iter().cloned());
    let loaded = load(&sweep.file, &settings)?;
    let warnings: Vec<Diagnostic> =
        loaded.diagnostics.iter().filter(|warning| shown.insert(warning.message.clone())).cloned().collect();
    render::diagnostics(&sweep.file, &loaded.model, &warnings);
    let told_of = diagnostics::json(&sweep.file, &loaded.model, &warnings);
    swept.told.extend(told_of.into_iter().map(|told| with(combination, told)));
    let how = sweep.how.settings();
    let values = shown_values(&loaded.model, combination);
    let mut exit = Exit::Clean;
    for program in &loaded.image.programs {
        host::check(&sweep.file, program, &how, None)?;
        let name = format!("{}: {}", program.name, spoken(&values));
        let outcome = simulate(&sweep.file, program, &sweep.how, checkpoints.as_deref_mut(), None, &name);
        let outcome = outcome.map_err(|wrong| Failure { model: loaded.model.clone(), diagnostics: vec![wrong] })?;
        for failure in &outcome.failures {
            eprintln!("{name}: {failure}");
            exit = Exit::Diagnostics;
        }
        let mut entry = entry::entry(&how, program, &outcome, loaded.seconds, &[]);
        entry["sweep"] = told(&loaded.model, combination);
        swept.entries.push(entry);
        swept.rows.push((values.clone(), table::column(program, &outcome)));
    }
    Ok(exit)
}

/// Shows why a combination cannot be; what was shown of another is not shown again.
fn show(sweep: &Sweep, combination: &[(String, String)], failure: &Failure, shown: &mut BTreeSet<String>) -> Exit {
    let new = failure.diagnostics.iter().filter(|diagnostic| shown.insert(diagnostic.message.clone()));
    let failure = Failure { diagnostics: new.cloned().collect(), model: failure.model.clone() };
    if failure.diagnostics.is_empty() {
        return Exit::Diagnostics;
    }
    eprintln!("with {}:", spoken(&shown_values(&failure.model, combination)));
    render::failure(&sweep.file, &failure)
}

/// A diagnostic with the combination it is of.
fn with(combination: &[(String, String)], mut told: Value) -> Value {
    told["sweep"] = json!(spoken(combination));
    told
}

fn whole(sweep: &Sweep, swept: &Swept) -> Exit {
    terminal::print(&format!("{}\n", host::whole(&sweep.file, &swept.entries, &swept.told)))
}

fn write(sweep: &Sweep, mut folder: NewFolder, swept: &Swept) -> Result<(), Diagnostic> {
    let text = format!("{:#}\n", host::whole(&sweep.file, &swept.entries, &swept.told));
    folder.add("run.json", text.as_bytes())?;
    folder.add("sweep.csv", csv(&swept.entries).as_bytes())?;
    folder.finish()
}

/// A row for each combination and experiment; figures that are the same in all rows stand in one line below.
fn rows(all: &[(Vec<(String, String)>, Column)]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (_, column) in all {
        let figures = column.figures.iter().map(|(name, _)| name.as_str());
        names.extend(figures.filter(|name| !name.starts_with(' ') && *name != "time to simulate"));
    }
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(*name));
    let value = |column: &Column, name: &str| {
        let found = column.figures.iter().find(|(known, _)| known == name);
        found.map_or_else(|| String::from("-"), |(_, value)| value.clone())
    };
    let first = all.first().map(|(_, column)| column);
    let varies =
        |name: &&str| all.iter().any(|(_, column)| Some(value(column, name)) != first.map(|first| value(first, name)));
    let (shown, same): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| all.len() == 1 || varies(name));
    let several = all.iter().any(|(_, column)| first.is_some_and(|first| first.name != column.name));
    let swept = all.first().map_or(&[][..], |(combination, _)| combination);
    let experiment = several.then(|| String::from("experiment"));
    let head =
        swept.iter().map(|(name, _)| name.clone()).chain(experiment).chain(shown.iter().map(|name| name.to_string()));
    let mut table: Vec<Vec<String>> = vec![head.collect()];
    for (combination, column) in all {
        let experiment = several.then(|| column.name.clone());
        let row = combination.iter().map(|(_, value)| value.clone()).chain(experiment);
        table.push(row.chain(shown.iter().map(|name| value(column, name))).collect());
    }
    let right = vec![true; table[0].len()];
    let mut text = terminal::columns(&table, &right);
    if let Some(first) = first.filter(|_| !same.is_empty()) {
        let same: Vec<String> = same.iter().map(|name| format!("{name} {}", value(first, name))).collect();
        text += &format!("  the same in all: {}\n", same.join(", "));
    }
    text
}
