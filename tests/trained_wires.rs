//! Training where the wires of arrays resist: reads forward and backward go through the wires, pulses do not.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{ENGINES, codes, run, values};

const INPUTS: usize = 8;
const HIDDEN: usize = 6;
const OUTPUTS: usize = 3;

/// Numbers of both signs that follow no pattern.
fn numbers(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|n| ((seed * 1000 + n * n + 3 * n) as f64 * 12.9898).sin()).collect()
}

/// Rows of numbers as the language writes them.
fn rows(values: &[f64], width: usize) -> String {
    let row = |row: &[f64]| format!("[{}]", row.iter().map(f64::to_string).collect::<Vec<_>>().join(", "));
    format!("[{}]", values.chunks(width).map(row).collect::<Vec<_>>().join(", "))
}

fn units(len: usize) -> String {
    let all: Vec<f64> = (0..len * len).map(|n| f64::from(u8::from(n / len == n % len))).collect();
    rows(&all, len)
}

/// Cells of 10 to 20 uS, steps of 1e-6 of the range, and wires that take a tenth or so.
fn board(wire: &str, tile: &str) -> String {
    format!(
        "device cell {{ conductance: 10 uS .. 20 uS; potentiation: 1e-5 uS; depression: 1e-5 uS }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[16, 17]; weights: reference; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns
            transposable: true; wire: {wire}; {tile}
        }}
        core cim {{ tiles: array[4]; units: logic; buffer: 64 kB }}
        chip board {{ cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}\n"
    )
}

fn metric(results: &Results, name: &str) -> f64 {
    results.metrics.iter().find(|(known, _)| known == name).unwrap().1
}

/// What a layer's array gives for a volt at each of its rows: [inputs, outputs].
fn effective(wire: &str, weights: &[f64], inputs: usize) -> Vec<f64> {
    let outputs = weights.len() / inputs;
    let text = format!(
        "{}network n(x: real[{inputs}]) -> (y: real[{outputs}]) {{ x |> dense({}, within: 2) -> y }}
        experiment e {{ deploy n on board; test {{ x: {} }} measure m = mean(y) }}",
        board(wire, ""),
        rows(weights, inputs),
        units(inputs)
    );
    values(&run("effective", &text, &NoFiles, EngineKind::Jit)[0], "y").to_vec()
}

/// The gradient is that of the arrays as they are read: what goes backward is the transpose of what goes forward (reciprocity), so that one small update
/// moves the first layer by the outer product of its input and that. Oracle: the arrays' own forward reads, and plain products.
#[test]
fn gradients_go_through_wires() {
    let (first, second) = (numbers(1, HIDDEN * INPUTS), numbers(2, OUTPUTS * HIDDEN));
    let (x, wire, rate) = (numbers(3, INPUTS), "400 ohm", 0.01);
    let [a, b] = [(&first, INPUTS), (&second, HIDDEN)].map(|(weights, inputs)| effective(wire, weights, inputs));
    let ideal = effective("ideal", &second, HIDDEN);
    let largest = b.iter().zip(&ideal).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(largest > 0.05, "wires take too little: {largest}");
    let forward = |w: &[f64], x: &[f64]| -> Vec<f64> {
        let outputs = w.len() / x.len();
        (0..outputs).map(|o| x.iter().enumerate().map(|(i, x)| w[i * outputs + o] * x).sum()).collect()
    };
    let y = forward(&b, &forward(&a, &x));
    // An error of 1 at each output.
    let targets: Vec<f64> = y.iter().map(|y| y - 1.0).collect();
    let back: Vec<f64> = (0..HIDDEN).map(|k| (0..OUTPUTS).map(|o| b[k * OUTPUTS + o]).sum()).collect();
    let moved: Vec<f64> = (0..HIDDEN * INPUTS).map(|n| first[n] - rate * back[n / INPUTS] * x[n % INPUTS]).collect();
    let text = format!(
        "{}network n(x: real[{INPUTS}]) -> (y: real[{OUTPUTS}]) {{
            first = x |> dense({}, within: 2)
            first |> dense({}, within: 2) -> y
        }}
        experiment e {{
            deploy n on board
            train {{ x: {} }} expect y == {} by backprop(rate: {rate}, layers: [first], pulses: nearest(10000))
            test {{ x: {} }} measure m = mean(y)
        }}",
        board(wire, ""),
        rows(&first, INPUTS),
        rows(&second, HIDDEN),
        rows(&x, INPUTS),
        rows(&targets, OUTPUTS),
        units(INPUTS)
    );
    let wanted: Vec<f64> = effective(wire, &moved, INPUTS).chunks(HIDDEN).flat_map(|row| forward(&b, row)).collect();
    let unmoved: Vec<f64> = a.chunks(HIDDEN).flat_map(|row| forward(&b, row)).collect();
    for engine in ENGINES {
        let results = &run("update", &text, &NoFiles, engine)[0];
        for ((y, wanted), before) in values(results, "y").iter().zip(&wanted).zip(&unmoved) {
            assert!((y - wanted).abs() < 2e-5 && (y - before).abs() > 4e-5, "{y} {wanted} {before}");
        }
    }
}

/// Weights that were trained elsewhere lose what wires take; trained in their array they make up for it. Oracle: analytic, a map that the array can hold.
#[test]
fn training_makes_up_for_wires() {
    let w: Vec<f64> = numbers(4, OUTPUTS * INPUTS).iter().map(|w| 0.8 * w).collect();
    let x = numbers(5, 24 * INPUTS);
    let products =
        |x: &[f64]| w.chunks(INPUTS).map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()).collect::<Vec<_>>();
    let targets: Vec<f64> = x.chunks(INPUTS).flat_map(products).collect();
    let (x, targets) = (rows(&x, INPUTS), rows(&targets, OUTPUTS));
    let text = format!(
        "{}network n(x: real[{INPUTS}]) -> (y: real[{OUTPUTS}]) {{ x |> dense({}, within: 2) -> y }}
        experiment e {{
            deploy n on board
            test {{ x: {x} }} measure before = mse(y, {targets})
            train {{ x: {x} }} expect y == {targets} by backprop(rate: 0.3, batch: 4, epochs: 25, pulses: nearest(10000))
            test {{ x: {x} }} measure after = mse(y, {targets})
        }}",
        board("400 ohm", ""),
        rows(&w, INPUTS)
    );
    let results = &run("made up", &text, &NoFiles, EngineKind::Jit)[0];
    let (before, after) = (metric(results, "before"), metric(results, "after"));
    assert!(before > 1e-3 && after < 1e-4 * before, "{before} {after}");
}

#[test]
fn what_wires_leave_out_is_told() {
    let net = "network n(x: real[2]) -> (y: real[2]) { x |> dense(2) -> y }";
    let with = |tile: &str, deploy: &str, by: &str| {
        codes(&format!(
            "{}{net}\nexperiment e {{ deploy n on board{deploy}; train {{ x: [[1, 0], [0, 1]] }} expect y == [[1, 0], [0, 1]] by {by}(rate: 0.1) }}",
            board("2 ohm", tile)
        ))
    };
    assert_eq!(with("", "", "backprop"), ["W0616"]);
    assert!(with("", " { compensate: wires }", "backprop").contains(&"E0619"));
    assert!(with("fast: cell", "", "two_arrays").contains(&"E0619"));
}
