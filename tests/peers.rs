//! Other people's models in `examples/models` against the numbers of their peers, in double precision.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nmc_compiler::{Options, compile};
use nmc_host::disk::Folder;
use nmc_program::{Precision, Program};
use nmc_runtime::{EngineKind, RunOptions};

/// A line of `models.csv`: a metric, the peer's number, how far ours may be off, and what made the peer's.
struct Row<'t> {
    experiment: &'t str,
    metric: &'t str,
    peer: f64,
    tolerance: f64,
    of: &'t str,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models")
}

fn table() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/models/models.csv")).unwrap()
}

/// Rows by program.
fn rows(table: &str) -> BTreeMap<&str, Vec<Row<'_>>> {
    let mut found: BTreeMap<&str, Vec<Row<'_>>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.splitn(6, ',').collect();
        let [program, experiment, metric, peer, tolerance, of] = columns[..] else { panic!("{line}") };
        let (peer, tolerance) = (peer.parse().unwrap(), tolerance.parse().unwrap());
        found.entry(program).or_default().push(Row { experiment, metric, peer, tolerance, of });
    }
    found
}

/// The metrics of every experiment of a program.
fn metrics(program: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let file = folder().join(format!("{program}.nmc"));
    let text = std::fs::read_to_string(&file).unwrap();
    let options = Options { precision: Precision::F64, ..Options::default() };
    let compilation = compile(&format!("{program}.nmc"), &text, &Folder::of(&file), &options);
    let image = compilation.image.unwrap_or_else(|| panic!("{program}: {:#?}", compilation.diagnostics));
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    let one = |experiment: &Program| {
        let results = nmc_runtime::run(experiment, &options).unwrap_or_else(|error| panic!("{program}: {error:?}"));
        (experiment.name.clone(), results.metrics)
    };
    image.programs.iter().map(one).collect()
}

#[test]
fn models_give_the_numbers_of_their_peers() {
    let table = table();
    let mut off = Vec::new();
    for (program, rows) in rows(&table) {
        let found = metrics(program);
        for Row { experiment, metric, peer, tolerance, of } in rows {
            let name = format!("{program}, {experiment}: {metric}");
            let known = found.get(experiment).unwrap_or_else(|| panic!("there is no {name}"));
            let ours = known.iter().find(|(known, _)| known == metric);
            let (_, ours) = ours.unwrap_or_else(|| panic!("there is no {name}"));
            if (ours - peer).abs() > tolerance || !ours.is_finite() {
                off.push(format!("{name} is {ours}, not {peer} within {tolerance}; {of}"));
            }
        }
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}

/// A program that measures nothing is what others use.
#[test]
fn every_model_has_a_peer() {
    let table = table();
    let compared: BTreeSet<&str> = rows(&table).into_keys().collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let measures = path.extension().is_some_and(|end| end == "nmc")
            && std::fs::read_to_string(&path).unwrap().contains("\nexperiment ");
        assert!(!measures || compared.contains(name.as_str()), "{name} is compared with nothing");
    }
}
