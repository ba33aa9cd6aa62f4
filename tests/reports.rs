//! A report says what a run takes: programs and chips drawn at random, in the numbers that both print.

use std::collections::BTreeMap;
use std::path::Path;

use nmc_compiler::files::NoFiles;
use nmc_host::disk::StageSeconds;
use nmc_host::{activity, report, run};
use nmc_runtime::EngineKind;
use nmc_tests::dice::Dice;
use nmc_tests::oracle::{cases, frames};
use serde_json::Value;

/// The energy by kind of `report --json` or `run --json`.
fn energy(of: &Value) -> BTreeMap<String, f64> {
    let kinds = of["energy_j"].as_object().unwrap();
    kinds.iter().map(|(kind, joules)| (kind.clone(), joules.as_f64().unwrap())).collect()
}

/// Whether anything was drawn.
fn agree(seed: u64) -> bool {
    let text = format!("// seed {seed}{}", frames::program(&mut Dice::new(seed), true));
    let mut program = cases(&text, &NoFiles, seed).remove(1).program;
    let draws = program.draws();
    let outcome = |seed: u64, chips: usize| {
        let settings = run::Settings { seed, engine: EngineKind::Jit, threads: 1, chips: Some(chips) };
        let outcome = run::simulate(Path::new("drawn.nmc"), &program, &settings, None, None, None).unwrap();
        let json = run::entry::entry(&settings, &program, &outcome, 0.0, &[]);
        (outcome, json)
    };
    let (chips, run) = outcome(seed, if draws { 16 } else { 1 });
    // The chip that a report is of.
    let (_, one) = outcome(1, 1);
    activity::measure(&mut program, 1);
    let told = report::mapping(&program, StageSeconds::default());
    let (report, run_energy, one) = (energy(&told), energy(&run), energy(&one));
    assert_eq!(report.keys().collect::<Vec<_>>(), run_energy.keys().collect::<Vec<_>>(), "{text}");
    assert_eq!(told["conversions"]["inserted"], run["conversions"]["inserted"], "{text}");
    for (kind, &reported) in &report {
        let each = chips.chips.iter().map(|chip| {
            let of_kind = |(known, joules): &(nmc_program::ComponentKind, f64)| (report::key(*known), *joules);
            let joules: BTreeMap<&str, f64> =
                nmc_runtime::energy::of_a_sample(&program, &chip.energy_j).iter().map(of_kind).collect();
            match kind.as_str() {
                "total" => joules.iter().filter(|(kind, _)| **kind != "programming").map(|(_, joules)| joules).sum(),
                kind => joules.get(kind).copied().unwrap_or(0.0),
            }
        });
        let each: Vec<f64> = each.collect();
        let (mean, deviation) = run::spread(each.iter().copied());
        assert!((mean - run_energy[kind]).abs() <= 1e-9 * mean, "{kind}\n{text}");
        assert!((reported - one[kind]).abs() <= 1e-9 * reported, "{kind}\n{text}");
        // One cell that is stuck may be a third of a small array.
        let allowed = if draws { 8.0 * deviation + mean / 3.0 } else { 1e-9 * mean };
        assert!((reported - mean).abs() <= allowed, "{kind}: {reported} J is told, a run takes {mean} J\n{text}");
    }
    draws
}

#[test]
fn reports_say_what_runs_take() {
    let drawn = (0..24).filter(|&seed| agree(seed)).count();
    assert!((3..21).contains(&drawn), "{drawn} of 24 draw");
}

#[test]
#[ignore = "minutes"]
fn many_reports_say_what_runs_take() {
    assert!((1000..1500).filter(|&seed| agree(seed)).count() > 50);
}
