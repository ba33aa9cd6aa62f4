//! Programs give the same on both engines and on any number of threads: every metric, and every byte of what is recorded.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{example, folder, json};

/// All numbers of a run but the seconds it took and what was asked for, and its recordings.
fn results(arguments: &[&str], out: &Path) -> (Vec<Value>, BTreeMap<String, Vec<u8>>) {
    let mut whole = json(&[arguments, &["--json", "--out", &out.display().to_string()]].concat());
    let experiments = whole["experiments"].as_array_mut().unwrap();
    let mut files = BTreeMap::new();
    for experiment in experiments.iter_mut() {
        assert_eq!(experiment["fallbacks"], 0);
        for output in experiment["outputs"].as_array().unwrap() {
            let name = output.as_str().unwrap();
            if name.ends_with(".npz") {
                files.insert(name.to_string(), fs::read(out.join(name)).unwrap());
            }
        }
        for key in ["seconds", "engine", "threads", "outputs"] {
            experiment.as_object_mut().unwrap().remove(key);
        }
    }
    (std::mem::take(experiments), files)
}

/// Runs a program on one thread, on two, and on the interpreter.
pub fn agree(file: &str, settings: &[&str]) {
    let out = folder(&format!("engines_{}_{}", file.replace(['/', '.'], "_"), settings.concat()));
    let run = |engine, threads| {
        let arguments = [&["run", file, "--engine", engine, "--threads", threads], settings].concat();
        results(&arguments, &out.join(format!("{engine}_{threads}")))
    };
    let jit = run("jit", "1");
    assert!(!jit.0.is_empty());
    // Not assert_eq: recordings are long.
    let same = |other: (Vec<Value>, BTreeMap<String, Vec<u8>>), what: &str| {
        assert_eq!(jit.0, other.0, "{file} {settings:?} {what}");
        assert!(jit.1 == other.1, "{file} {settings:?} {what}: recordings differ");
    };
    same(run("jit", "2"), "two threads");
    same(run("interpreter", "1"), "interpreter");
}

fn in_both_widths(examples: &[&str]) {
    for name in examples {
        agree(&example(name), &["--precision", "f32"]);
        agree(&example(name), &["--precision", "f64"]);
    }
}

#[test]
fn small_examples_agree() {
    in_both_widths(&["hello_spikes.nmc", "hybrid.nmc", "reservoir.nmc"]);
}

#[test]
fn the_balanced_network_agrees() {
    // A fifth of its second: the interpreter takes its time.
    let text = fs::read_to_string(example("balanced_network.nmc")).unwrap();
    let short = text.replace("run for 1 s", "run for 200 ms").replace("    require", "    // require");
    assert_ne!(short, text);
    let file = folder("balanced").join("balanced.nmc");
    fs::write(&file, short).unwrap();
    ["f32", "f64"].iter().for_each(|precision| agree(file.to_str().unwrap(), &["--precision", precision]));
}

#[test]
fn plasticity_agrees() {
    in_both_widths(&["stdp.nmc"]);
}

#[test]
fn crossbars_agree() {
    in_both_widths(&["mnist_exact.nmc"]);
    for precision in ["f32", "f64"] {
        agree(&example("mnist_mlp.nmc"), &["--chips", "2", "--precision", precision]);
    }
}

/// Whatever devices are drawn, the readout's sense circuits are set to what its weights give: the example requires a small error.
#[test]
fn fitted_layers_are_sensed_in_their_own_range() {
    for seed in ["1", "2", "3", "4", "5", "6", "7"] {
        let file = example("reservoir.nmc");
        json(&["run", &file, "--json", "--experiment", "converters", "--precision", "f64", "--seed", seed]);
    }
}
