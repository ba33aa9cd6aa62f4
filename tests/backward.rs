//! Arrays read both ways: driven at their columns and read at their rows, on ideal hardware and on chips.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::ComponentKind;
use nmc_runtime::Results;
use nmc_tests::dice::Dice;
use nmc_tests::{ENGINES, codes, run, values};

const INPUTS: usize = 12;
const OUTPUTS: usize = 7;

/// Numbers of both signs that follow no pattern.
fn numbers(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|n| ((seed * 1000 + n * n + 3 * n) as f64 * 12.9898).sin()).collect()
}

fn list(values: &[f64]) -> String {
    format!("[{}]", values.iter().map(f64::to_string).collect::<Vec<_>>().join(", "))
}

fn matrix(values: &[f64], width: usize) -> String {
    format!("[{}]", values.chunks(width).map(list).collect::<Vec<_>>().join(", "))
}

/// A unit vector for each sample, after so many samples of zeros; there are as many as inputs and outputs.
fn units(len: usize, first: usize) -> String {
    let ones = (0..INPUTS + OUTPUTS).flat_map(|n| (0..len).map(move |at| f64::from(u8::from(n == first + at))));
    matrix(&ones.collect::<Vec<_>>(), len)
}

/// Both directions of a layer, of inputs of their own.
fn both(forward: &str, backward: &str, on: &str) -> String {
    format!(
        "network both(x: real[{INPUTS}], y: real[{OUTPUTS}]) -> (f: real[{OUTPUTS}], b: real[{INPUTS}]) {{
            fc1 = x |> dense({}, bias: {})
            back = y |> transposed(fc1, bias: {})
            fc1 -> f
            back -> b
        }}
        experiment e {{ deploy both{on}; test {{ x: {forward}, y: {backward} }} measure m = mean(f) }}",
        matrix(&numbers(1, OUTPUTS * INPUTS), INPUTS),
        list(&numbers(2, OUTPUTS)),
        list(&numbers(3, INPUTS)),
    )
}

/// A chip of small arrays: the layer takes three by two of them. `cell` and `ends` are the tile's cells and converters.
fn board(cell: &str, ends: &str) -> String {
    format!(
        "device cell {{ conductance: 1 uS .. 100 uS; levels: ideal; {cell} }}
        converter adc(bits: int = 14): current -> bits(bits) {{ energy: 2 pJ; area: 1 um2; time: 10 ns }}
        converter dac(bits: int = 14): bits(bits) -> voltage {{ energy: 3 pJ; area: 1 um2; time: 1 ns }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[5, 8]; weights: differential; {ends}; read_voltage: 0.2 V; read_time: 10 ns
            wire: ideal; transposable: true
        }}
        core cim {{ tiles: array[2]; units: logic; buffer: 64 kB }}
        chip board {{ cores: grid(3, 1) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 pJ per bit) }}\n"
    )
}

fn near(given: &[f64], wanted: &[f64], within: f64) {
    assert_eq!(given.len(), wanted.len());
    for (given, wanted) in given.iter().zip(wanted) {
        assert!((given - wanted).abs() < within, "{given} is not {wanted}");
    }
}

/// What plain loops give for unit vectors: each input's column, then each output's row.
fn plain() -> (Vec<f64>, Vec<f64>) {
    let (w, forward, backward) = (numbers(1, OUTPUTS * INPUTS), numbers(2, OUTPUTS), numbers(3, INPUTS));
    let (mut f, mut b) = (Vec::new(), Vec::new());
    for n in 0..INPUTS + OUTPUTS {
        let column = |output: usize| if n < INPUTS { w[output * INPUTS + n] } else { 0.0 };
        let row = |input: usize| if n < INPUTS { 0.0 } else { w[(n - INPUTS) * INPUTS + input] };
        f.extend((0..OUTPUTS).map(|output| column(output) + forward[output]));
        b.extend((0..INPUTS).map(|input| row(input) + backward[input]));
    }
    (f, b)
}

/// Oracle: plain loops. Converters of 14 bits on arrays cut both ways; ideal ones on ideal cells.
#[test]
fn a_layer_read_backward_has_its_weights_transposed() {
    let (f, b) = plain();
    let (forward, backward) = (units(INPUTS, 0), units(OUTPUTS, INPUTS));
    let ideal = both(&forward, &backward, "");
    let on = format!(" on board {{ calibrate: {forward}, {backward} }}");
    let converted = board("", "input: dac; sense: adc") + &both(&forward, &backward, &on);
    let exact = board("", "input: ideal; sense: ideal") + &both(&forward, &backward, " on board");
    for (text, within) in [(ideal, 1e-12), (converted, 1e-3), (exact, 1e-9)] {
        for engine in ENGINES {
            let results = &run("both", &text, &NoFiles, engine)[0];
            near(values(results, "f"), &f, within);
            near(values(results, "b"), &b, within);
        }
    }
}

/// The cells that were drawn are the same ones, read either way; they are not what was asked for.
#[test]
fn both_directions_read_the_same_cells() {
    let (forward, backward) = (units(INPUTS, 0), units(OUTPUTS, INPUTS));
    let text = board("noise programming: normal(0, 10 uS)", "input: ideal; sense: ideal")
        + &both(&forward, &backward, " on board");
    let results = &run("drawn", &text, &NoFiles, ENGINES[1])[0];
    let (f, b) = (values(results, "f"), values(results, "b"));
    let (wanted, _) = plain();
    // The bias of a read forward may lie in cells, too: it is what zeros give.
    let (forward, backward) = (&f[INPUTS * OUTPUTS..], numbers(3, INPUTS));
    let mut errors = 0.0;
    for output in 0..OUTPUTS {
        for input in 0..INPUTS {
            let one = f[input * OUTPUTS + output] - forward[output];
            let other = b[(INPUTS + output) * INPUTS + input] - backward[input];
            assert!((one - other).abs() < 1e-9, "{one} {other}");
            errors += (f[input * OUTPUTS + output] - wanted[input * OUTPUTS + output]).abs();
        }
    }
    assert!(errors / (INPUTS * OUTPUTS) as f64 > 0.02, "{errors}");
}

/// Where wires resist, or what stands at their ends alone, a read backward is the transpose of one forward. Oracle: reciprocity.
#[test]
fn wires_are_read_both_ways() {
    let (forward, backward) = (units(INPUTS, 0), units(OUTPUTS, INPUTS));
    for wire in ["wire: 200 ohm", "wire: ideal; driver_resistance: 2 kohm", "wire: 20 ohm; sense_resistance: 2 kohm"] {
        let text = board("", "input: ideal; sense: ideal").replace("wire: ideal", wire)
            + &both(&forward, &backward, " on board");
        let results = &run("wires", &text, &NoFiles, ENGINES[1])[0];
        let (f, b) = (values(results, "f"), values(results, "b"));
        let (wanted, _) = plain();
        let (bias, back) = (&f[INPUTS * OUTPUTS..], numbers(3, INPUTS));
        let mut errors = 0.0;
        for output in 0..OUTPUTS {
            for input in 0..INPUTS {
                let one = f[input * OUTPUTS + output] - bias[output];
                let other = b[(INPUTS + output) * INPUTS + input] - back[input];
                assert!((one - other).abs() < 1e-9, "{wire}: {one} {other}");
                errors += (f[input * OUTPUTS + output] - wanted[input * OUTPUTS + output]).abs();
            }
        }
        assert!(errors / (INPUTS * OUTPUTS) as f64 > 0.01, "{wire}: {errors}");
    }
}

fn joules(results: &Results, kind: ComponentKind) -> f64 {
    results.energy_j.iter().find(|(known, _)| *known == kind).map_or(0.0, |(_, joules)| *joules)
}

/// Oracle: the sum over the cells that are driven of V^2 g t, and conversions counted by hand. Two outputs of three inputs on one array.
#[test]
fn a_read_backward_takes_what_its_columns_conduct() {
    let text = |y: &str| {
        format!(
            "{}network both(x: real[3], y: real[2]) -> (f: real[2], b: real[3]) {{
                fc1 = x |> dense([[1, -0.5, 0], [0.25, 0, -1]])
                fc1 -> f
                y |> transposed(fc1) -> b
            }}
            experiment e {{
                deploy both on board {{ calibrate: [[1, 1, 1]], [[1, 1]] }}
                test {{ x: [[0, 0, 0]], y: [{y}] }} measure m = mean(b)
            }}",
            board("", "input: dac; sense: adc; sharing: 1")
        )
    };
    let siemens = |weight: f64| 2.0 * 1e-6 + 99e-6 * weight.abs();
    let columns = [[1.0, -0.5, 0.0], [0.25, 0.0, -1.0]].map(|of| of.into_iter().map(siemens).sum::<f64>());
    for (y, shares) in [("[1, 0]", [1.0, 0.0]), ("[0.5, -1]", [0.5, 1.0])] {
        let results = &run("energy", &text(y), &NoFiles, ENGINES[1])[0];
        // Rows and columns are driven until all pairs have been converted: one turn of 10 ns.
        let wanted: f64 =
            columns.iter().zip(shares).map(|(siemens, share)| 0.04 * siemens * share * share * 20e-9).sum();
        let cells = joules(results, ComponentKind::Cells);
        // A share of 0.5 is rounded to 14 bits.
        assert!((cells / wanted - 1.0).abs() < 1e-3, "{cells} {wanted}");
        let (adc, dac) = (joules(results, ComponentKind::Adc), joules(results, ComponentKind::Dac));
        assert!((adc / (5.0 * 2e-12) - 1.0).abs() < 1e-9, "{adc}");
        assert!((dac / (5.0 * 3e-12) - 1.0).abs() < 1e-9, "{dac}");
    }
}

/// One array lies on one tile, and is driven at one end at a time: two reads of 21 ns follow one another, with a unit's work between.
#[test]
fn an_array_is_read_one_way_at_a_time() {
    let text = board("", "input: dac; sense: adc; sharing: 1")
        .replace("grid(3, 1)", "grid(1, 1)")
        .replace("array[2]", "array[1]")
        + "network there(x: real[3]) -> (b: real[3]) {
            fc1 = x |> dense([[1, -0.5, 0], [0.25, 0, -1]])
            fc1 |> relu |> transposed(fc1) -> b
        }
        experiment e { deploy there on board { calibrate: [[1, 1, 1]] }; test { x: [[1, 0, 1]] } measure m = mean(b) }";
    let image = compile("there", &text, &NoFiles, &Options::default()).image;
    let costs = &image.unwrap_or_else(|| panic!("{:#?}", codes(&text))).programs[0].costs;
    assert!(costs.latency_s > 42e-9, "{}", costs.latency_s);
    assert!(costs.initiation_interval_s >= 42e-9, "{}", costs.initiation_interval_s);
    assert_eq!(costs.layout.tiles.len(), 1);
}

/// A loop may read its array both ways in every step. Oracle: a plain loop of a locally competitive algorithm.
#[test]
fn a_loop_reads_its_array_both_ways() {
    let (w, x) = (numbers(1, OUTPUTS * INPUTS), numbers(4, INPUTS));
    let text = |on: &str| {
        format!(
            "network lca(x: real[{INPUTS}]) -> (rebuilt: real[{INPUTS}], kept: real[{OUTPUTS}]) {{
                state u: real[{OUTPUTS}] = 0
                state left: real[{INPUTS}] = x
                fits = left |> dense({})
                now = u + 0.1 * (fits - u + relu(u - 0.2))
                active = relu(now - 0.2)
                back = active |> transposed(fits)
                next u = now
                next left = x - back
                x - left -> rebuilt
                u -> kept
            }}
            experiment e {{
                deploy lca{on}
                test {{ x: [{x}] }} for 15 steps measure m = mean(rebuilt)
            }}",
            matrix(&w, INPUTS),
            x = list(&x),
        )
    };
    let (mut u, mut left) = (vec![0.0; OUTPUTS], x.clone());
    for _ in 0..15 {
        for (u, row) in u.iter_mut().zip(w.chunks(INPUTS)) {
            let fits: f64 = row.iter().zip(&left).map(|(w, x)| w * x).sum();
            *u += 0.1 * (fits - *u + f64::max(*u - 0.2, 0.0));
        }
        for (input, (left, x)) in left.iter_mut().zip(&x).enumerate() {
            let back = |(u, row): (&f64, &[f64])| f64::max(u - 0.2, 0.0) * row[input];
            *left = x - u.iter().zip(w.chunks(INPUTS)).map(back).sum::<f64>();
        }
    }
    let rebuilt: Vec<f64> = x.iter().zip(&left).map(|(x, left)| x - left).collect();
    for engine in ENGINES {
        let results = &run("ideal", &text(""), &NoFiles, engine)[0];
        near(values(results, "rebuilt"), &rebuilt, 1e-9);
        near(values(results, "kept"), &u, 1e-9);
        let on = board("", "input: ideal; sense: ideal") + &text(" on board");
        let results = &run("arrays", &on, &NoFiles, engine)[0];
        near(values(results, "rebuilt"), &rebuilt, 1e-9);
        near(values(results, "kept"), &u, 1e-9);
    }
}

/// Chips and layers drawn at random, of ideal cells and converters. Oracle: the same network on ideal hardware; compiling verifies every form.
#[test]
fn drawn_chips_read_their_arrays_both_ways() {
    for seed in 0..30 {
        let mut dice = Dice::new(seed);
        let (inputs, outputs, last) = (1 + dice.below(14), 1 + dice.below(14), 1 + dice.below(5));
        let (weights, per_output) = dice.one(&[("differential", 2), ("reference", 1)]);
        let (rows, columns) = (2 + dice.below(9), 2 * per_output + dice.below(9));
        let input = dice.one(&["ideal", "ideal or voltage"]);
        let sense = dice.one(&["ideal", "ideal or current"]);
        let hold = dice.one(&["", "hold: keep; "]);
        let lines = dice.one(&["", "lines: voltage, current; "]);
        let (sharing, tiles, objective) = (1 + dice.below(8), 1 + dice.below(4), dice.one(&["energy", "time", "area"]));
        let (w, v) = (dice.matrix(outputs, inputs), dice.matrix(last, inputs));
        let (bias, back) = (dice.vector(outputs), dice.vector(inputs));
        let samples = dice.matrix(3, inputs);
        let text = format!(
            "device cell {{ conductance: 1 uS .. 100 uS; levels: ideal }}
            converter keep: current -> current {{ energy: 1 fJ; area: 1 um2; time: 1 ns; droop: 0 / 1 s }}
            converter tia: current -> voltage {{ energy: 50 fJ; area: 50 um2; time: 5 ns }}
            unit rectifier: voltage -> voltage {{ implements: relu; energy: 20 fJ; area: 30 um2; time: 5 ns }}
            unit adder: current -> current {{ implements: sum; energy: 1 fJ; area: 5 um2; time: 1 ns }}
            unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
            tile array {{
                cells: cell[{rows}, {columns}]; weights: {weights}; input: {input}; sense: {sense}; sharing: {sharing}
                {hold}read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 100 um2; transposable: true
            }}
            core cim {{ tiles: array[{tiles}]; {lines}units: [rectifier[20], adder[20], logic]; buffer: 64 kB }}
            chip made {{
                cores: grid(8, 9) of cim; converters: [tia()]
                network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit)
            }}
            network n(x: real[{inputs}]) -> (y: real[{last}]) {{
                fc1 = x |> dense({w}, bias: {bias})
                fc1 |> relu |> transposed(fc1, bias: {back}) |> relu |> dense({v}) -> y
            }}
            experiment exact {{ deploy n; test {{ x: {samples} }} measure m = mean(y) }}
            experiment mapped {{ deploy n on made {{ minimise: {objective} }}; test {{ x: {samples} }} measure m = mean(y) }}"
        );
        let results = run("drawn", &text, &NoFiles, ENGINES[1]);
        near(values(&results[1], "y"), values(&results[0], "y"), 1e-9);
    }
}

fn errors(text: &str) -> Vec<&'static str> {
    codes(text).into_iter().filter(|code| code.starts_with('E')).collect()
}

/// What cannot be read backward is told once, where it is.
#[test]
fn what_cannot_be_read_backward_is_told() {
    let net = |body: &str| {
        format!(
            "network n(x: real[3], y: real[2]) -> (b: real[3]) {{ {body} }}
            experiment e {{ deploy n; test {{ x: [[1, 0, 1]], y: [[1, 0]] }} measure m = mean(b) }}"
        )
    };
    let w = "dense([[1, -0.5, 0], [0.25, 0, -1]])";
    for (body, code) in [
        (format!("fc1 = x |> {w}\ny |> transposed -> b"), "E0207"),
        (format!("fc1 = x |> {w}\ny |> transposed(fc2) -> b"), "E0201"),
        (format!("fc1 = x |> {w}\ny |> transposed([[1, -0.5, 0], [0.25, 0, -1]]) -> b"), "E0416"),
        (format!("fc1 = x |> {w} |> relu\ny |> transposed(fc1) -> b"), "E0416"),
        (format!("fc1 = x |> {w}\nb1 = y |> transposed(fc1)\nx |> transposed(b1) |> transposed(fc1) -> b"), "E0416"),
        (format!("fc1 = x |> {w}\nx |> transposed(fc1) -> b"), "E0308"),
        (format!("fc1 = x |> {w}\ny |> transposed(fc1, bias: [1, 2]) -> b"), "E0308"),
        (format!("fc1 = x |> {w}\ny |> transposed(fc1, within: 2) -> b"), "E0206"),
    ] {
        assert_eq!(errors(&net(&body)), [code], "{body}");
    }
    assert_eq!(errors(&net(&format!("fc1 = x |> {w}\ntransposed(y, fc1) -> b"))), [] as [&str; 0]);
}

/// Columns that are held are converted while the array is driven again, be it backward. Oracle: the products written out.
#[test]
fn an_array_whose_columns_are_held_is_read_both_ways() {
    let text = "
use std.chip.stack
network n(x: real[3]) -> (y: real[3]) {
    fc = x |> dense([[1, 2, 3], [4, 5, 6]])
    g = fc |> sigmoid
    g |> transposed(fc) -> y
}
experiment e { deploy n on stack { calibrate: [[1, 0.5, 0.2]] }; test { x: [[1, 0.5, 0.2]] } measure m = mean(y) }";
    let results = run("held", text, &NoFiles, ENGINES[0]).remove(0);
    for (found, wanted) in values(&results, "y").iter().zip([4.929, 6.860, 8.790]) {
        assert!((found - wanted).abs() < 0.1 * wanted, "{found} for {wanted}");
    }
}
