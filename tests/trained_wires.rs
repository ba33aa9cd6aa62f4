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
fn effective(wire: &str, deploy: &str, weights: &[f64], inputs: usize) -> Vec<f64> {
    let outputs = weights.len() / inputs;
    let text = format!(
        "{}network n(x: real[{inputs}]) -> (y: real[{outputs}]) {{ x |> dense({}, within: 2) -> y }}
        experiment e {{ deploy n on board{deploy}; test {{ x: {} }} measure m = mean(y) }}",
        board(wire, ""),
        rows(weights, inputs),
        units(inputs)
    );
    values(&run("effective", &text, &NoFiles, EngineKind::Jit)[0], "y").to_vec()
}

/// The gradient is that of the arrays as they are read: what goes backward is the transpose of what goes forward (reciprocity), so that one small update
/// moves the first layer by the outer product of its input and that. With outputs that are scaled to make up for wires, too. Oracle: the arrays' own forward
/// reads, and plain products.
#[test]
fn gradients_go_through_wires() {
    through_wires("");
    through_wires(" { compensate: wires }");
}

fn through_wires(deploy: &str) {
    let (first, second) = (numbers(1, HIDDEN * INPUTS), numbers(2, OUTPUTS * HIDDEN));
    let (x, wire, rate) = (numbers(3, INPUTS), "400 ohm", 0.01);
    let [a, b] =
        [(&first, INPUTS), (&second, HIDDEN)].map(|(weights, inputs)| effective(wire, deploy, weights, inputs));
    let ideal = effective("ideal", "", &second, HIDDEN);
    let largest = b.iter().zip(&ideal).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(largest > if deploy.is_empty() { 0.05 } else { 0.005 }, "wires take too little: {largest}");
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
            deploy n on board{deploy}
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
    let wanted: Vec<f64> =
        effective(wire, deploy, &moved, INPUTS).chunks(HIDDEN).flat_map(|row| forward(&b, row)).collect();
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

/// Solves a x = b by elimination, the largest pivot first.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
        a.swap(k, pivot);
        b.swap(k, pivot);
        for row in k + 1..n {
            let factor = a[row][k] / a[k][k];
            let (above, below) = a.split_at_mut(row);
            below[0].iter_mut().zip(&above[k]).for_each(|(a, pivot)| *a -= factor * pivot);
            b[row] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        b[k] = (b[k] - (k + 1..n).map(|col| a[k][col] * b[col]).sum::<f64>()) / a[k][k];
    }
    b
}

/// What weights within a bound give as they are read: a column of cells of 10 to 20 uS against one of 15 uS, wires that resist. Kirchhoff's laws at every node.
fn read(weights: &[f64], bound: f64, ohms: f64) -> Vec<f64> {
    let (rows, wire) = (weights.len(), 1.0 / ohms);
    let siemens = |row: usize, col: usize| if col == 0 { 15e-6 + 5e-6 * weights[row] / bound } else { 15e-6 };
    let (u, v) = (|row: usize, col: usize| 4 * row + col, |row: usize, col: usize| 4 * row + 2 + col);
    let mut a = vec![vec![0.0; 4 * rows]; 4 * rows];
    let mut join = |i: usize, j: Option<usize>, g: f64| {
        a[i][i] += g;
        if let Some(j) = j {
            a[j][j] += g;
            a[i][j] -= g;
            a[j][i] -= g;
        }
    };
    for row in 0..rows {
        for col in 0..2 {
            join(u(row, col), Some(v(row, col)), siemens(row, col));
            join(u(row, col), (col == 1).then(|| u(row, 0)), wire);
            join(v(row, col), (row + 1 < rows).then(|| v(row + 1, col)), wire);
        }
    }
    let of_row = |row: usize| {
        let mut b = vec![0.0; 4 * rows];
        b[u(row, 0)] = wire;
        let volts = solve(a.clone(), b);
        (volts[v(rows - 1, 0)] - volts[v(rows - 1, 1)]) * wire * bound / 5e-6
    };
    (0..rows).map(of_row).collect()
}

/// Both arrays are read through wires of their own, in samples and in transfers. Oracle: analytic, a plain loop over arrays that are solved by elimination.
/// With a row in a transfer an array is solved for each read, with all of them it is solved as a whole.
#[test]
fn two_arrays_are_read_through_wires() {
    let samples: [([f64; 4], f64); 3] =
        [([1.0, 0.5, -0.2, 0.8], 0.7), ([-0.4, 1.0, 0.6, -0.9], -0.9), ([0.3, -0.8, 0.9, 0.1], 0.2)];
    let start = [0.2, -0.3, 0.5, 0.1];
    let (rate, moved, ohms, step) = (0.13, 0.3731, 2000.0, 0.01);
    for (rows, gain) in [(1, 0.0), (4, 0.0), (1, 2.0), (4, 2.0)] {
        let bound = if gain > 0.0 { 1.0 / gain } else { 1.0 };
        let (mut slow, mut fast, mut kept, mut turn) = (start, [0.0; 4], [0.0; 4], 0);
        let both = |slow: &[f64], fast: &[f64]| -> Vec<f64> {
            let (slow, fast) = (read(slow, 1.0, ohms), read(fast, bound, ohms));
            slow.iter().zip(fast).map(|(slow, fast)| slow + if gain > 0.0 { fast } else { 0.0 }).collect()
        };
        for sample in 0..15 {
            let (x, target) = samples[sample % 3];
            let error: f64 = both(&slow, &fast).iter().zip(x).map(|(w, x)| w * x).sum::<f64>() - target;
            for (fast, x) in fast.iter_mut().zip(x) {
                let pulses = (-rate * x * error / (step * bound)).round();
                *fast = (*fast + pulses * step * bound).clamp(-bound, bound);
            }
            let seen = read(&fast, bound, ohms);
            for row in (0..rows).map(|row| (turn * rows + row) % 4) {
                let all: f64 = kept[row] + moved * seen[row];
                let pulses = (all / step).trunc();
                kept[row] = all - pulses * step;
                slow[row] = (slow[row] + pulses * step).clamp(-1.0, 1.0);
            }
            turn += 1;
        }
        let shown = samples.map(|(x, _)| format!("{x:?}")).join(", ");
        let targets = samples.map(|(_, target)| format!("[{target}]")).join(", ");
        let (every, gained) = (if rows == 4 { "all" } else { "1" }, if gain > 0.0 { "gain: 2" } else { "" });
        let text = format!(
            "{}network n(x: real[4]) -> (y: real[1]) {{ x |> dense([{start:?}], within: 1) -> y }}
            experiment e {{
                deploy n on board {{ calibrate: [[1, 1, 1, 1]] }}
                train {{ x: [{shown}] }} expect y == [{targets}] by two_arrays(
                    shuffle: false, pulses: nearest(100), rate: {rate}, epochs: 5, rows: {every}, transfer_rate: {moved}, buffer: true
                )
                test {{ x: {} }} measure m = mean(y)
            }}",
            board("2 kohm", &format!("fast: cell; {gained}")).replace("1e-5 uS", "0.05 uS"),
            units(4)
        );
        let wanted = both(&slow, &fast);
        let plain: f64 = wanted.iter().zip(&slow).map(|(a, b)| (a - b).abs()).sum();
        assert!(plain > 0.05 && slow != start, "wires take too little: {plain}");
        for engine in ENGINES {
            let y = values(&run("two arrays", &text, &NoFiles, engine)[0], "y").to_vec();
            assert!(y.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{rows} {gain}: {y:?} {wanted:?}");
        }
    }
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
    assert_eq!(with("", " { compensate: wires }", "backprop"), ["W0616"]);
    assert_eq!(with("fast: cell", "", "two_arrays"), ["W0616"]);
    assert_eq!(with("fast: cell", " { compensate: wires }", "two_arrays"), ["W0616"]);
    // What is added before it is sensed cannot be scaled apart.
    assert!(with("fast: cell; gain: 2", " { compensate: wires }", "two_arrays").contains(&"E0619"));
}
