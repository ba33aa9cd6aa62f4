//! What a run leaves in `learned.safetensors` is where another program goes on.

use std::fs;
use std::path::Path;

use crate::{clean, folder};

/// Neurons with adaptive thresholds that drive themselves, and a rule with a state or trace of every kind: of a source, of a target, brought up to
/// date at events, moved with every step. Nothing is under way at the end, since delays are 0. Between braces what the second program loads.
const MODEL: &str = "
neuron cell(bias: current) {
    input i: current
    state v: voltage = 0 mV
    state theta: voltage = 0 mV
    v' = (100 Mohm * (bias + i) - v) / 20 ms
    theta' = -theta / 300 ms
    spike when v > 10 mV + theta { v = 0 mV; theta += 2 mV }
}
plasticity learns() {
    trace x: real, 20 ms on pre { x += 1 }
    trace y: real, 30 ms on post { y += 1 }
    state c: real = 0.5
    c' = (0.1 - c) / 100 ms
    state s: real = 0
    s' = (post.v / 10 mV - s) / 50 ms
    on pre { w -= 0.01 mV * y; c += y }
    on post { w += 0.01 mV * x * (1 + c); c += x }
    every 100 ms { w += 0.001 mV * (c + s) }
    w in -2 mV..2 mV
}
LOADED
network net() {
    population a: cell[6](bias: 0.12 nA + i * 0.01 nAOF_A)
    population b: cell[5](bias: 0.11 nA + i * 0.02 nAOF_B)
    connect out: a[1..5] -> b { OUT }
    connect back: b -> b { BACK }
    probe a.v, a.theta, b.v, b.theta every 100 ms
    probe out.w, out.c, out.s, back.w every 100 ms
}
experiment e { deploy net { step: 0.1 ms }; run for LASTING }
";

fn program(place: &Path, name: &str, loaded: Option<&Path>, lasting: &str) -> String {
    let state = |of: &str, state: &str, unit: &str| format!("{state}: l[\"{of}.{state}\"]{unit}");
    let cells = |of: &str| format!(", {}, {}", state(of, "v", " * 1 V"), state(of, "theta", " * 1 V"));
    let rule = |of: &str| ["x", "y", "c", "s"].map(|name| state(of, name, "")).join(", ");
    let (out, back, a, b, l) = match loaded {
        None => (
            String::from("pattern: fixed_out_degree(3), weight: 1 mV + j * 0.1 mV, plasticity: learns()"),
            String::from("pattern: all_to_all, weight: 0.3 mV - i * 0.1 mV, plasticity: learns()"),
            String::new(),
            String::new(),
            String::new(),
        ),
        Some(file) => (
            format!(
                "pattern: list(sources: l[\"out.source\"], targets: l[\"out.target\"]), weight: l[\"out.w\"] * 1 V, plasticity: learns({})",
                rule("out")
            ),
            format!("pattern: all_to_all, weight: l[\"back.w\"] * 1 V, plasticity: learns({})", rule("back")),
            cells("a"),
            cells("b"),
            format!("    l = load(\"{}\")\n", file.display()),
        ),
    };
    let text = MODEL.replace("LOADED\n", "").replace("network net() {\n", &format!("network net() {{\n{l}"));
    let text = text.replace("OF_A", &a).replace("OF_B", &b).replace("OUT", &out).replace("BACK", &back);
    let file = place.join(name);
    fs::write(&file, text.replace("LASTING", lasting)).unwrap();
    file.display().to_string()
}

/// A run of two seconds is one of a second, and a second of a program that starts from what that left. Oracle: the whole run.
#[test]
fn what_a_run_leaves_is_where_another_goes_on() {
    let place = folder("left");
    let (first, second, whole) = (place.join("first"), place.join("second"), place.join("whole"));
    let run = |program: &str, out: &Path| {
        clean(&["run", program, "--precision", "f64", "--out", &out.display().to_string()]);
    };
    run(&program(&place, "whole.nmc", None, "2 s"), &whole);
    run(&program(&place, "first.nmc", None, "1 s"), &first);
    let left = first.join("e/learned.safetensors");
    run(&program(&place, "second.nmc", Some(&left), "1 s"), &second);
    let read = |out: &Path, name: &str| {
        let file = nmc_host::data::read(&out.join(format!("e/{name}.npz"))).unwrap();
        let values = file.arrays.iter().find(|array| array.name == "values").unwrap();
        let (shape, data) = (values.shape.clone().unwrap(), &values.tensor().unwrap().data);
        (0..data.len())
            .map(|at| data.get(at))
            .collect::<Vec<f64>>()
            .chunks(shape[1])
            .map(<[f64]>::to_vec)
            .collect::<Vec<_>>()
    };
    for name in ["a.v", "a.theta", "b.v", "b.theta", "out.w", "out.c", "out.s", "back.w"] {
        let (all, end) = (read(&whole, name), read(&second, name));
        let late = &all[10..];
        assert_eq!(late.len(), end.len(), "{name}");
        let moved = late.iter().flatten().zip(all[0].iter().cycle()).any(|(late, first)| late != first);
        assert!(moved, "{name} never moves");
        for (late, end) in late.iter().flatten().zip(end.iter().flatten()) {
            assert!((late - end).abs() <= 1e-9 * late.abs().max(1e-3), "{name}: {late} {end}");
        }
    }
    // The files themselves: what both runs left at two seconds is the same, list and matrix.
    let tensors = |out: &Path| nmc_host::data::read(&out.join("e/learned.safetensors")).unwrap();
    let (all, end) = (tensors(&whole), tensors(&second));
    let names = |out: &Path| {
        let arrays = &tensors(out).arrays;
        let mut all: Vec<_> = arrays.iter().map(|array| (array.name.clone(), array.shape.clone().unwrap())).collect();
        all.sort();
        all
    };
    assert_eq!(names(&whole), names(&second));
    assert!(names(&whole).contains(&(String::from("back.w"), vec![5, 5])), "{:?}", names(&whole));
    assert!(names(&whole).contains(&(String::from("out.source"), vec![12])), "{:?}", names(&whole));
    for array in &all.arrays {
        let other = end.arrays.iter().find(|other| other.name == array.name).unwrap();
        let (one, other) = (array.tensor().unwrap(), other.tensor().unwrap());
        for at in 0..one.data.len() {
            let (one, other) = (one.data.get(at), other.data.get(at));
            assert!((one - other).abs() <= 1e-9 * one.abs().max(1e-3), "{}: {one} {other}", array.name);
        }
    }
}
