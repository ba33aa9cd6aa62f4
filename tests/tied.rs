//! Networks that use one layer's weights in both directions, trained: against differences of losses, and cells against numbers.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{ENGINES, codes, run, values};

const INPUTS: usize = 5;
const HIDDEN: usize = 3;
const SAMPLES: usize = 4;

/// Numbers of both signs that follow no pattern.
fn numbers(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|n| ((seed * 1000 + n * n + 3 * n) as f64 * 12.9898).sin()).collect()
}

fn rows(values: &[f64], width: usize) -> String {
    let row = |row: &[f64]| format!("[{}]", row.iter().map(f64::to_string).collect::<Vec<_>>().join(", "));
    format!("[{}]", values.chunks(width).map(row).collect::<Vec<_>>().join(", "))
}

/// An autoencoder whose two layers are one; `body` gives `b` of `x` and `fc1`.
fn network(weights: &[f64], body: &str) -> String {
    format!(
        "network tied(x: real[{INPUTS}]) -> (b: real[{INPUTS}]) {{ fc1 = x |> dense({}, within: 2); {body} }}\n",
        rows(weights, INPUTS)
    )
}

const AUTOENCODER: &str = "hidden = tanh(fc1); back = hidden |> transposed(fc1); sigmoid(back) -> b";

fn experiment(on: &str, by: &str) -> String {
    let x = rows(&numbers(8, SAMPLES * INPUTS), INPUTS);
    let y = rows(&numbers(9, SAMPLES * INPUTS), INPUTS);
    format!(
        "experiment e {{ deploy tied{on}; train {{ x: {x} }} expect b == {y} by {by}; test {{ x: {x} }} measure m = mean(b) }}"
    )
}

fn learned(results: &Results) -> Vec<f64> {
    let tensor = results.learned.iter().find(|tensor| tensor.name == "fc1.weight").unwrap();
    (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect()
}

/// Both uses of the weights move them. Oracle: central differences of the mean loss, which an epoch with a step of next to nothing tells.
#[test]
fn the_gradient_is_that_of_both_uses() {
    let weights = numbers(1, HIDDEN * INPUTS);
    let bodies = [
        AUTOENCODER,
        // Read backward alone; and twice.
        "h = x[0..3] * x[2..5]; h |> transposed(fc1, bias: [0.1, 0.2, 0.3, 0.4, 0.5]) -> b",
        "hidden = tanh(fc1); one = hidden |> transposed(fc1); two = relu(hidden) |> transposed(fc1); one * two -> b",
    ];
    for body in bodies {
        let of = |weights: &[f64], by: &str, engine: EngineKind| {
            run("tied", &(network(weights, body) + &experiment("", by)), &NoFiles, engine).remove(0)
        };
        let loss =
            |weights: &[f64]| of(weights, "backprop(rate: 1e-15, shuffle: false)", EngineKind::Jit).training[0].loss[0];
        let slope: Vec<f64> = (0..weights.len())
            .map(|at| {
                let moved = |by: f64| {
                    let mut weights = weights.clone();
                    weights[at] += by;
                    loss(&weights)
                };
                (moved(1e-4) - moved(-1e-4)) / 2e-4
            })
            .collect();
        for engine in ENGINES {
            let after = learned(&of(&weights, &format!("backprop(rate: 0.5, batch: {SAMPLES})"), engine));
            for ((before, after), slope) in weights.iter().zip(&after).zip(&slope) {
                assert!(((before - after) / 0.5 - slope).abs() < 1e-6, "{body}: {before} {after} {slope}");
            }
        }
    }
}

/// A chip of small arrays of cells with fine steps.
fn board(ends: &str) -> String {
    format!(
        "device cell {{ conductance: 1 uS .. 101 uS; potentiation: 0.002 uS; depression: 0.002 uS; pulse_energy: 1 pJ }}
        converter adc(bits: int = 16): current -> bits(bits) {{ energy: 2 pJ; area: 1 um2; time: 10 ns }}
        converter dac(bits: int = 16): bits(bits) -> voltage {{ energy: 3 pJ; area: 1 um2; time: 1 ns }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[3, 3]; weights: reference; {ends}; read_voltage: 0.2 V; read_time: 10 ns
            wire: ideal; transposable: true
        }}
        core cim {{ tiles: array[4]; units: logic; buffer: 64 kB }}
        chip board {{ cores: cim }}\n"
    )
}

/// Cells follow the same gradient to a pulse: those of two by two arrays, driven both ways in both passes, give what numbers give.
#[test]
fn cells_learn_what_numbers_learn() {
    let weights: Vec<f64> = numbers(1, HIDDEN * INPUTS);
    let on = format!(" on board {{ calibrate: {} }}", rows(&numbers(8, SAMPLES * INPUTS), INPUTS));
    for (by, within) in [
        ("backprop(rate: 0.5, batch: 4, epochs: 20, pulses: nearest(10000))", 2e-3),
        ("mixed_precision(rate: 0.5, batch: 4, epochs: 20, pulses: nearest(10000))", 2e-3),
        // Trains of pulses are right on average.
        ("backprop(rate: 0.5, batch: 4, epochs: 20, pulses: stochastic(10000))", 2e-2),
    ] {
        let plain = by.split(", pulses").next().unwrap().replace("mixed_precision", "backprop") + ")";
        let numbers = run("numbers", &(network(&weights, AUTOENCODER) + &experiment("", &plain)), &NoFiles, ENGINES[1]);
        let untrained = network(&weights, AUTOENCODER) + &experiment("", &plain.replace("rate: 0.5", "rate: 1e-15"));
        let untrained = run("untrained", &untrained, &NoFiles, ENGINES[1]);
        let wanted = values(&numbers[0], "b");
        let moved = wanted.iter().zip(values(&untrained[0], "b")).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(moved > 0.1, "{moved}");
        // Values that grow past a range are cut until it has followed them.
        let ends =
            [("input: ideal; sense: ideal", within), ("input: dac; sense: adc; sharing: 1", f64::max(within, 1e-2))];
        for (ends, within) in ends {
            let text = board(ends) + &network(&weights, AUTOENCODER) + &experiment(&on, by);
            let results = &run("cells", &text, &NoFiles, ENGINES[1])[0];
            let off = wanted.iter().zip(values(results, "b")).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < within, "{by}, {ends}: {off}");
            assert!(results.training[0].pulses > 0);
        }
    }
}

#[test]
fn what_cannot_be_trained_both_ways_is_told() {
    let weights = numbers(1, HIDDEN * INPUTS);
    let told = |by: &str| codes(&(network(&weights, AUTOENCODER) + &experiment("", by)));
    assert_eq!(told("backprop(rate: 0.1)"), [] as [&str; 0]);
    assert_eq!(told("two_arrays(rate: 0.1)"), ["E0402"]);
    assert_eq!(told("backprop(rate: 0.1, layers: back)"), ["E0415"]);
    assert_eq!(told("backprop(rate: 0.1, layers: fc1)"), [] as [&str; 0]);
}
