//! The examples give the same on both engines and on any number of threads.

use serde_json::Value;

use crate::{example, json};

/// All numbers of a run but the seconds it took and what was asked for.
fn numbers(arguments: &[&str]) -> Vec<Value> {
    let mut whole = json(arguments);
    let experiments = whole["experiments"].as_array_mut().unwrap();
    for experiment in experiments.iter_mut() {
        assert_eq!(experiment["fallbacks"], 0);
        for key in ["seconds", "engine", "threads"] {
            experiment.as_object_mut().unwrap().remove(key);
        }
    }
    std::mem::take(experiments)
}

fn agree(name: &str, settings: &[&str], interpreter: bool) {
    let file = example(name);
    let run = |engine, threads| {
        numbers(&[&["run", &file, "--json", "--engine", engine, "--threads", threads], settings].concat())
    };
    let jit = run("jit", "1");
    assert!(!jit.is_empty());
    assert_eq!(jit, run("jit", "2"), "{name} {settings:?}");
    if interpreter {
        assert_eq!(jit, run("interpreter", "1"), "{name} {settings:?}");
    }
}

#[test]
fn small_examples_agree() {
    for name in ["hello_spikes.nmc", "hybrid.nmc", "reservoir.nmc"] {
        agree(name, &["--precision", "f32"], true);
        agree(name, &["--precision", "f64"], true);
    }
}

// The interpreter is slow: of the larger ones it runs one experiment in one width.
#[test]
fn the_balanced_network_agrees() {
    agree("balanced_network.nmc", &[], false);
    agree("balanced_network.nmc", &["--precision", "f64"], false);
}

#[test]
fn plasticity_agrees() {
    agree("stdp.nmc", &[], true);
}

#[test]
fn crossbars_agree() {
    agree("mnist_exact.nmc", &[], true);
    agree("mnist_mlp.nmc", &["--experiment", "analog"], true);
}
