//! Many chips: each drawn by a seed of its own, on any number of threads; what comes of them has a mean and a spread.

use serde_json::Value;

use crate::{clean, example, folder, json, nmc};

/// What an experiment gave, without what depends on the machine.
fn run(file: &str, arguments: &[&str]) -> Value {
    let mut whole = json(&[&["run", file, "--json"], arguments].concat());
    let mut entry = whole["experiments"][0].take();
    for key in ["seconds", "threads"] {
        entry.as_object_mut().unwrap().remove(key);
    }
    entry
}

#[test]
fn chips_are_the_same_on_any_number_of_threads_and_of_chips() {
    let file = example("hello_spikes.nmc");
    let five = run(&file, &["--chips", "5", "--threads", "1"]);
    assert_eq!(five, run(&file, &["--chips", "5", "--threads", "3"]));
    assert_eq!(five, run(&file, &["--chips", "5", "--threads", "16"]));
    let each = |entry: &Value| entry["metrics_each"]["spikes.followers"].as_array().unwrap().clone();
    let values = each(&five);
    assert_eq!(values.len(), 5);
    assert!(values.iter().any(|value| *value != values[0]), "all chips are one: {values:?}");
    assert_eq!(each(&run(&file, &["--chips", "8"]))[..5], values[..]);
    // The first is the run without chips, the others are those of their seeds.
    for (chip, seed) in five["chip_seeds"].as_array().unwrap().iter().enumerate() {
        let alone = run(&file, &["--seed", &seed.to_string()]);
        assert_eq!(alone["metrics"]["spikes.followers"], values[chip]);
        assert_eq!(alone["chips"], 1);
        if chip == 0 {
            assert_eq!(alone, run(&file, &[]));
        }
    }
    let numbers: Vec<f64> = values.iter().map(|value| value.as_f64().unwrap()).collect();
    let mean = numbers.iter().sum::<f64>() / 5.0;
    let variance = numbers.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 4.0;
    assert_eq!(five["metrics"]["spikes.followers"].as_f64(), Some(mean));
    assert_eq!(five["metrics_sd"]["spikes.followers"].as_f64(), Some(variance.sqrt()));
    assert!(clean(&["run", &file, "--chips", "5"]).contains(" ± "));
}

/// `chips:` in `deploy` and what is required; the number of spikes differs from chip to chip.
fn required(chips: &str, requirement: &str) -> (Option<i32>, String) {
    let file = folder("required").join("program.nmc");
    let text = format!(
        "use std.neuron.lif\nnetwork n() {{\n    population p: lif[20](bias: normal(0.13 nA, 0.02 nA))\n}}\n\
         experiment e {{\n    deploy n {{ chips: {chips} }}\n    run for 0.5 s {{ step: 0.1 ms }}\n    \
         require {requirement}\n}}\n"
    );
    std::fs::write(&file, &text).unwrap();
    let file = file.display().to_string();
    assert!(requirement.contains("wrong") || nmc(&["fmt", "--check", &file]).status.success(), "{requirement}");
    let output = nmc(&["run", &file]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn requirements_say_of_which_chips() {
    let whole = {
        required("20", "spikes.p > 0");
        run(&folder_of("required"), &[])
    };
    assert_eq!(whole["chips"], 20);
    let mut values: Vec<f64> =
        whole["metrics_each"]["spikes.p"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[19]);
    let mean = whole["metrics"]["spikes.p"].as_f64().unwrap();
    assert!(least < mean && mean < most);
    for (requirement, code) in [
        (format!("spikes.p >= {least}"), 0),
        (format!("spikes.p > {least}"), 1),
        (format!("min spikes.p >= {least}"), 0),
        (format!("min spikes.p > {least}"), 1),
        (format!("max spikes.p <= {most}"), 0),
        (format!("max spikes.p < {most}"), 1),
        (format!("mean spikes.p > {}", (least + mean) / 2.0), 0),
        (format!("mean spikes.p > {}", (most + mean) / 2.0), 1),
    ] {
        let (exit, said) = required("20", &requirement);
        assert_eq!(exit, Some(code), "{requirement}: {said}");
        assert_eq!(said.contains(&format!("required {requirement}")), code == 1, "{said}");
    }
    // Of one chip they are all the same.
    assert_eq!(required("1", "mean spikes.p > 0").0, Some(0));
    assert!(required("20", "median spikes.p > 0").1.contains("E0408"));
    assert!(required("0", "spikes.p > 0").1.contains("E0303"));
    assert!(required("2 ms", "spikes.p > 0").1.contains("E0302"));
}

fn folder_of(test: &str) -> String {
    std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test).join("program.nmc").display().to_string()
}

#[test]
fn what_draws_nothing_is_run_once() {
    let (file, ideal) = (example("mnist_mlp.nmc"), ["--experiment", "ideal"]);
    let exact = run(&file, &[&ideal[..], &["--chips", "20"]].concat());
    assert_eq!(exact["chips"], 1);
    assert_eq!(exact, run(&file, &ideal));
}

/// One meaning of `energy_j.total`: of a sample, in the run, the requirement, the table and the report.
#[test]
fn energy_means_the_same_everywhere() {
    let file = example("mnist_exact.nmc");
    let run = run(&file, &[]);
    let total = run["energy_j"]["total"].as_f64().unwrap();
    assert_eq!(run["metrics_each"]["energy_j.total"][0].as_f64(), Some(total));
    let report = json(&["report", &file, "--json"])["energy_j"]["total"].as_f64().unwrap();
    assert!((report / total - 1.0).abs() < 0.05, "{report} estimated, {total} counted");
    let samples = run["samples"].as_f64().unwrap();
    assert!((run["energy_run_j"].as_f64().unwrap() / (total * samples) - 1.0).abs() < 1e-9);
    let shown = format!("{:.0} nJ", 1e9 * total);
    assert!(clean(&["run", &file]).contains(&shown), "{shown}");
}
