//! Arrays whose wires resist: against badcrossbar, against nodal analysis written out, and against the sampling of every device.

use std::path::Path;

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, Told, compile};
use nmc_host::disk::Folder;
use nmc_program::ComponentKind;
use nmc_runtime::wires::{Solution, Wires, Wiring};
use nmc_runtime::{EngineKind, Results, RunOptions, Simulation};
use nmc_tests::{nested, numbers, values};

fn reference() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/wires.nmc")
}

/// badcrossbar 1.1 (exact nodal analysis): every current to 1e-9, whether the array is solved for each read or once for all.
#[test]
fn currents_equal_badcrossbar() {
    let text = std::fs::read_to_string(reference()).unwrap();
    let results = nmc_tests::run("wires.nmc", &text, &Folder::of(&reference()), EngineKind::Jit);
    for (results, data) in
        results.iter().zip(["wires_64x64.npz", "wires_64x64.npz", "wires_128x32.npz", "wires_128x32.npz"])
    {
        let file = nmc_host::data::read(&reference().with_file_name("data").join(data)).unwrap();
        let wanted = file.arrays.iter().find(|stored| stored.name == "amperes").unwrap().tensor().unwrap();
        let found = values(results, "amperes");
        assert!(found.len() >= wanted.data.len());
        for (index, found) in found[..wanted.data.len()].iter().enumerate() {
            let wanted = wanted.data.get(index);
            assert!((found - wanted).abs() < 1e-9 * wanted.abs(), "{data}, {index}: {found} for {wanted}");
        }
    }
}

/// Amperes out of each column, and watts of the drivers.
fn nodal(rows: usize, cols: usize, siemens: &dyn Fn(usize, usize) -> f64, w: Wiring, volts: &[f64]) -> (Vec<f64>, f64) {
    let (_, amperes, watts) = nodes(rows, cols, siemens, w, volts);
    (amperes, watts)
}

/// Volts at all nodes by Gaussian elimination, those of rows first, then those of columns; and what [`nodal`] gives.
fn nodes(
    rows: usize,
    cols: usize,
    siemens: &dyn Fn(usize, usize) -> f64,
    w: Wiring,
    volts: &[f64],
) -> (Vec<f64>, Vec<f64>, f64) {
    let n = 2 * rows * cols;
    let (row, col) = (|r: usize, c: usize| r * cols + c, |r: usize, c: usize| rows * cols + r * cols + c);
    let (g, drive, sink) = (1.0 / w.segment, 1.0 / (w.segment + w.driver), 1.0 / (w.segment + w.sense));
    let mut a = vec![vec![0.0; n + 1]; n];
    let mut join = |i: usize, j: usize, g: f64| {
        a[i][i] += g;
        a[j][j] += g;
        a[i][j] -= g;
        a[j][i] -= g;
    };
    for r in 0..rows {
        for c in 0..cols {
            join(row(r, c), col(r, c), siemens(r, c));
            if c + 1 < cols {
                join(row(r, c), row(r, c + 1), g);
            }
            if r + 1 < rows {
                join(col(r, c), col(r + 1, c), g);
            }
        }
    }
    let mut ends: Vec<(usize, f64)> = (0..rows).map(|r| (row(r, 0), volts[r])).collect();
    if w.both_ends {
        ends.extend((0..rows).map(|r| (row(r, cols - 1), volts[r])));
    }
    for &(node, volt) in &ends {
        a[node][node] += drive;
        a[node][n] += drive * volt;
    }
    for c in 0..cols {
        let node = col(rows - 1, c);
        a[node][node] += sink;
    }
    for i in 0..n {
        let pivot = (i..n).max_by(|&x, &y| a[x][i].abs().total_cmp(&a[y][i].abs())).unwrap();
        a.swap(i, pivot);
        for j in 0..n {
            if j != i && a[j][i] != 0.0 {
                let factor = a[j][i] / a[i][i];
                let from = a[i].clone();
                a[j].iter_mut().zip(&from).skip(i).for_each(|(x, y)| *x -= factor * y);
            }
        }
    }
    let volt = |node: usize| a[node][n] / a[node][node];
    let watts = ends.iter().map(|&(node, driver)| driver * drive * (driver - volt(node))).sum();
    ((0..n).map(volt).collect(), (0..cols).map(|c| sink * volt(col(rows - 1, c))).collect(), watts)
}

const WEIGHTS: [[f64; 5]; 3] =
    [[1.0, -0.5, 0.25, 0.75, -1.0], [0.5, 0.25, -0.75, 1.0, 0.5], [-0.25, 1.0, 0.5, -0.5, 0.0]];
const INPUTS: [f64; 5] = [0.8, -0.4, 1.0, 0.3, 0.6];
const WIRING: Wiring = Wiring { segment: 300.0, driver: 500.0, sense: 200.0, both_ends: true };

fn on_array(weights: &str, absolute: bool, bias: &str, samples: usize) -> Results {
    nmc_tests::run("wires", &array(weights, absolute, bias, samples), &NoFiles, EngineKind::Jit).remove(0)
}

fn array(weights: &str, absolute: bool, bias: &str, samples: usize) -> String {
    let weight = |w: f64| if absolute { w.abs() } else { w };
    let rows: Vec<String> =
        WEIGHTS.iter().map(|row| format!("{:?}", row.iter().map(|w| weight(*w)).collect::<Vec<_>>())).collect();
    let shown = vec![format!("{INPUTS:?}"); samples].join(", ");
    let units = if weights.contains("offset") { "; units: logic" } else { "" };
    let low = if absolute { "0 S" } else { "10 uS" };
    format!(
        "
device cell {{ conductance: {low} .. 100 uS; levels: 9 }}
tile array {{
    cells: cell[16, 16]; {weights}; input: ideal; sense: ideal; read_voltage: 1 V; read_time: 1 us
    wire: 300 ohm; driver_resistance: 500 ohm; sense_resistance: 200 ohm; driven: both_ends
}}
unit logic: bits(32) -> bits(32) {{ implements: any; energy: 0 J }}
core one {{ tiles: array[1]{units} }}
chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
network net(x: real[5]) -> (y: real[3]) {{ x |> dense([{}]{bias}) -> y }}
experiment e {{ deploy net on board {{ calibrate: [[1, 1, 1, 1, 1]] }}; test {{ x: [{shown}] }} measure m = sum(y) }}",
        rows.join(", ")
    )
}

/// Every way to hold weights, with few reads (each solved) and with many (an effective matrix): outputs and energy of cells.
#[test]
fn outputs_and_energy_equal_nodal_analysis() {
    // Conductance of a share of the range, rounded to nine levels as the cells are; all weights lie on levels where they can.
    let held = |share: f64| 10e-6 + 90e-6 * (share * 8.0).round_ties_even() / 8.0;
    let differential = |r: usize, c: usize| {
        let w = WEIGHTS[c / 2][r];
        held(if c.is_multiple_of(2) { w.max(0.0) } else { (-w).max(0.0) })
    };
    let shared = |r: usize, c: usize| held(if c == 3 { 0.5 } else { 0.5 + 0.5 * WEIGHTS[c][r] });
    let single = |r: usize, c: usize| 100e-6 * (WEIGHTS[c][r].abs() * 8.0).round_ties_even() / 8.0;
    // Two digits of nine values side by side, lowest first, and a column of zeros.
    let digits = |r: usize, c: usize| {
        if c == 6 {
            return 10e-6;
        }
        let code = (0.5 + 0.5 * WEIGHTS[c / 2][r]) * 80.0;
        let code = code.round_ties_even();
        let digit = if c.is_multiple_of(2) { code % 9.0 } else { (code / 9.0).floor() };
        10e-6 + 90e-6 * digit / 8.0
    };
    for samples in [1, 7] {
        let check = |weights: &str,
                     absolute: bool,
                     cols: usize,
                     siemens: &dyn Fn(usize, usize) -> f64,
                     of: &dyn Fn(&[f64]) -> Vec<f64>| {
            let results = on_array(weights, absolute, "", samples);
            let (amperes, watts) = nodal(5, cols, siemens, WIRING, &INPUTS);
            for (found, wanted) in values(&results, "y").iter().zip(of(&amperes)) {
                assert!((found - wanted).abs() < 1e-9, "{weights}, {samples}: {found} for {wanted}");
            }
            let joules = results.energy_j.iter().find(|(kind, _)| *kind == ComponentKind::Cells).unwrap().1;
            let wanted = watts * 1e-6 * samples as f64;
            assert!((joules - wanted).abs() < 1e-9 * wanted, "{weights}, {samples}: {joules} J for {wanted}");
        };
        let pairs = |i: &[f64]| i.chunks(2).map(|pair| (pair[0] - pair[1]) / 90e-6).collect();
        check("weights: differential", false, 6, &differential, &pairs);
        check("weights: reference", false, 4, &shared, &|i| i[..3].iter().map(|x| 2.0 * (x - i[3]) / 90e-6).collect());
        check("weights: unsigned", true, 3, &single, &|i| i.iter().map(|x| x / 100e-6).collect());
        let code = |i: &[f64]| -> Vec<f64> {
            let inputs: f64 = INPUTS.iter().sum();
            let digit = |c: usize| 8.0 * (i[c] - i[6]) / 90e-6;
            (0..3).map(|c| (digit(2 * c) + 9.0 * digit(2 * c + 1)) * 2.0 / 80.0 - inputs).collect()
        };
        check("weights: offset; slices: 2", false, 7, &digits, &code);
    }
    // Rows that hold the bias lie below those of the inputs, and share their columns' wires.
    let with_bias = on_array("weights: differential", false, ", bias: [0.5, -1, 0.25]", 7);
    let bias = [0.5, -1.0, 0.25];
    let siemens = |r: usize, c: usize| match r {
        5 => held(if c.is_multiple_of(2) { f64::max(bias[c / 2], 0.0) } else { f64::max(-bias[c / 2], 0.0) }),
        _ => differential(r, c),
    };
    let volts: Vec<f64> = INPUTS.into_iter().chain([1.0]).collect();
    let (amperes, _) = nodal(6, 6, &siemens, WIRING, &volts);
    for (found, pair) in values(&with_bias, "y").iter().zip(amperes.chunks(2)) {
        let wanted = (pair[0] - pair[1]) / 90e-6;
        assert!((found - wanted).abs() < 1e-9, "bias: {found} for {wanted}");
    }
}

/// What `nmc plot` draws of an array, on either way to read it, of linear cells and of ones on a curve: volts across every cell, amperes through it with and without wires, and the
/// share that is lost. Of pairs, and of rows that hold the bias below them.
#[test]
fn maps_equal_nodal_analysis() {
    let held = |share: f64| 10e-6 + 90e-6 * (share * 8.0).round_ties_even() / 8.0;
    let bias = [0.5, -1.0, 0.25];
    let pair = |r: usize, c: usize| {
        let w = if r < 5 { WEIGHTS[c / 2][r] } else { bias[c / 2] };
        held(if c.is_multiple_of(2) { w.max(0.0) } else { (-w).max(0.0) })
    };
    let reads = INPUTS.into_iter().chain([1.0]).collect::<Vec<f64>>();
    let linear = "levels: 9";
    let curved = "levels: 9; current: g * v";
    for (with_bias, samples, cell) in
        [("", 1, linear), ("", 7, linear), (", bias: [0.5, -1, 0.25]", 7, linear), ("", 1, curved), ("", 7, curved)]
    {
        let text = array("weights: differential", false, with_bias, samples).replace(linear, cell);
        let options = Options { precision: nmc_program::Precision::F64, ..Options::default() };
        let image = compile("map", &text, &NoFiles, &options).image.unwrap();
        let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
        let mut simulation = Simulation::new(&image.programs[0], &options).unwrap();
        while !simulation.advance(&|| false).unwrap() {}
        let [map] = &simulation.maps()[..] else { panic!("one array") };
        let rows = if with_bias.is_empty() { 5 } else { 6 };
        assert_eq!((map.rows, map.cols, &map.driver_volts[..]), (rows, 6, &reads[..rows]));
        let (volts, amperes, _) = nodes(rows, 6, &pair, WIRING, &reads[..rows]);
        let (mut lost, mut all) = (0.0, 0.0);
        for at in 0..rows * 6 {
            let (across, siemens) = (volts[at] - volts[rows * 6 + at], pair(at / 6, at % 6));
            // The solver of maps ends at 1e-8.
            assert!((map.volts[at] - across).abs() < 1e-7, "{at}: {} V for {across}", map.volts[at]);
            assert!((map.amperes[at] - across * siemens).abs() < 1e-11, "{at}: {} A", map.amperes[at]);
            let ideal = siemens * reads[at / 6];
            assert!((map.ideal_amperes[at] - ideal).abs() < 1e-15);
            lost += ideal.abs() - (across * siemens).abs();
            all += ideal.abs();
        }
        assert!((map.lost() - lost / all).abs() < 1e-6 && map.lost() > 0.05, "{}", map.lost());
        // What goes through the cells of a column comes out of it.
        for (col, out) in amperes.iter().enumerate() {
            let through: f64 = (0..rows).map(|row| map.amperes[row * 6 + col]).sum();
            assert!((through - out).abs() < 1e-10, "{through} {out}");
        }
    }
}

/// What drawing every device and solving the array gives, where wires resist and where drivers and sense circuits do, of all rows and of one, of cells
/// that are linear and of ones that are read by Newton's method: mean, variance, covariance of columns (to five standard errors), tails
/// (Kolmogorov-Smirnov).
#[test]
fn read_noise_equals_the_sampling_of_every_device() {
    let wires = Wiring { segment: 60.0, driver: 0.0, sense: 0.0, both_ends: false };
    let lines = Wiring { segment: 0.0, driver: 10e3, sense: 10e3, both_ends: false };
    let both = Wiring { segment: 20.0, driver: 2e3, sense: 500.0, both_ends: true };
    for wiring in [wires, lines, both] {
        let volt = |r: usize| 0.2 + 0.8 * (r % 3) as f64 / 2.0;
        sampled_alike("", (12, 6), wiring, &volt);
        sampled_alike("; current: g * v", (5, 4), wiring, &volt);
        sampled_alike("", (5, 4), wiring, &|r| f64::from(u8::from(r == 2)));
    }
}

fn sampled_alike(device: &str, (rows, cols): (usize, usize), wiring: Wiring, volt: &dyn Fn(usize) -> f64) {
    const READS: usize = 4000;
    let weight = |r: usize, c: usize| ((r * 7 + c * 5) % 11) as f64 / 10.0;
    let matrix: Vec<String> =
        (0..cols).map(|c| format!("{:?}", (0..rows).map(|r| weight(r, c)).collect::<Vec<_>>())).collect();
    let input = format!("{:?}", (0..rows).map(volt).collect::<Vec<_>>());
    let Wiring { segment, driver, sense, both_ends } = wiring;
    let wire = if segment > 0.0 { format!("{segment} ohm") } else { String::from("ideal") };
    let text = format!(
        "
device cell {{ conductance: 0 S .. 100 uS; levels: ideal; noise read: normal(0, 5 % of g){device} }}
tile array {{
    cells: cell[16, 16]; weights: unsigned; input: ideal; sense: ideal; read_voltage: 1 V; read_time: 1 us
    wire: {wire}; driver_resistance: {driver} ohm; sense_resistance: {sense} ohm{}
}}
core one {{ tiles: array[1] }}
chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
network net(x: real[{rows}]) -> (y: real[{cols}]) {{ x |> dense([{}], within: 1) -> y }}
experiment e {{ deploy net on board {{ calibrate: [{input}] }}; test {{ x: [{}] }} measure m = sum(y) }}",
        if both_ends { "; driven: both_ends" } else { "" },
        matrix.join(", "),
        vec![input.clone(); READS].join(", ")
    );
    let results = nmc_tests::run("noise", &text, &NoFiles, EngineKind::Jit).remove(0);
    let fast = values(&results, "y");
    let mut dice = nmc_tests::dice::Dice::new(5);
    let volts: Vec<f64> = (0..rows).map(volt).collect();
    let (mut sampled, mut found) = (Vec::new(), Solution::default());
    for _ in 0..READS {
        let mut share = || (dice.below(1 << 52) as f64 + 0.5) / (1u64 << 52) as f64;
        let mut normal = || (-2.0 * share().ln()).sqrt() * (std::f64::consts::TAU * share()).cos();
        let siemens: Vec<f64> =
            (0..rows * cols).map(|i| 100e-6 * weight(i / cols, i % cols) * (1.0 + 0.05 * normal())).collect();
        Wires::new(rows, cols, &siemens, wiring).solve(&volts, 1e-12, &mut found);
        sampled.extend(found.column_amperes.iter().map(|ampere| ampere / 100e-6));
    }
    nmc_tests::alike::assert_alike(fast, &sampled, cols, &format!("{wiring:?}{device}"));
}

/// A single row, driven: each output is scaled back to what its cells would give without wires. Oracle: analytic. Of several rows the error becomes less.
#[test]
fn compensation_scales_outputs_back() {
    let outputs = |weights: &str, inputs: usize, compensate: &str| {
        let shown = format!("[{}]", vec!["1"; inputs].join(", "));
        let text = format!(
            "device cell {{ conductance: 0 S .. 100 uS; levels: ideal }}
            tile array {{
                cells: cell[16, 16]; weights: differential; input: ideal; sense: ideal; read_voltage: 1 V; read_time: 1 us; wire: 300 ohm
            }}
            core one {{ tiles: array[1] }}
            chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
            network net(x: real[{inputs}]) -> (y: real[3]) {{ x |> dense({weights}) -> y }}
            experiment e {{ deploy net on board {{ calibrate: [{shown}]{compensate} }}; test {{ x: [{shown}, {shown}] }} measure m = sum(y) }}"
        );
        let results = nmc_tests::run("compensated", &text, &NoFiles, EngineKind::Jit);
        values(&results[0], "y")[..3].to_vec()
    };
    let error = |found: &[f64], wanted: &[f64]| found.iter().zip(wanted).map(|(y, w)| (y - w).powi(2)).sum::<f64>();
    let (one, wanted) = ("[[1], [-0.5], [0.25]]", [1.0, -0.5, 0.25]);
    assert!(error(&outputs(one, 1, "; compensate: wires"), &wanted) < 1e-20);
    assert!(error(&outputs(one, 1, ""), &wanted) > 1e-4);
    let (several, wanted) = ("[[1, 0.5, 0.2], [-0.5, 0.25, -1], [0.25, 0.5, 0.75]]", [1.7, -1.25, 1.5]);
    let (plain, better) = (outputs(several, 3, ""), outputs(several, 3, "; compensate: [drift, wires]"));
    assert!(error(&better, &wanted) < 0.1 * error(&plain, &wanted), "{plain:?} {better:?}");
}

/// Images of digits on arrays of so many rows and columns, with what a deploy says besides; and, where all rows are signed, a network of random weights.
fn network(tile: &str, size: usize, ohms: f64, deploy: &str, signed: bool) -> String {
    let nets = if signed {
        let mut dice = nmc_tests::dice::Dice::new(3);
        let (one, two) = (dice.matrix(24, 48), dice.matrix(6, 24));
        let shown: Vec<String> = (0..60).map(|_| dice.vector(48)).collect();
        format!(
            "network net(x: real[48]) -> (y: real[6]) {{ x |> dense({one}) |> tanh |> dense({two}) -> y }}
            experiment e {{ deploy net on board {{ calibrate: [{shown}]{deploy} }}; test {{ x: [{shown}] }} measure m = sum(y) }}",
            shown = shown.join(", ")
        )
    } else {
        format!(
            "network net(x: real[8, 8]) -> (y: real[10]) {{
                w = load(\"data/digits_mlp.npz\")
                x |> flatten |> dense(transpose(w[\"w1\"])) |> relu |> dense(w[\"w2\"]) -> y
            }}
            experiment e {{
                deploy net on board {{ calibrate: d.x[0..100] / 16{deploy} }}
                data d = load(\"data/digits8x8.npz\")
                test {{ x: d.x[0..100] / 16 }} measure m = sum(y)
            }}"
        )
    };
    format!(
        "device cell {{ conductance: 10 uS .. 200 uS; levels: 256 }}
        tile array {{
            cells: cell[{size}, {size}]; {tile}; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns
            wire: {ohms} ohm; driver_resistance: 20 ohm; sense_resistance: 10 ohm
        }}
        unit logic: bits(32) -> bits(32) {{ implements: any; energy: 0.1 pJ }}
        core one {{ tiles: array[8]; units: logic }}
        chip board {{ cores: grid(4, 4) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
        {nets}"
    )
}

/// The error by which conversions are chosen, and that of drawn chips whose arrays are solved (cross), in decibels. Of that, most is by wires.
#[test]
fn the_error_that_is_estimated_knows_wires() {
    let files = Folder::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/none.nmc"));
    let off = |tile: &str, size: usize, ohms: f64, deploy: &str, signed: bool| {
        let options = Options { told: Told::DrawnChips, ..Options::default() };
        let compilation = compile("estimate", &network(tile, size, ohms, deploy, signed), &files, &options);
        let image = compilation.image.unwrap_or_else(|| panic!("{:?}", compilation.diagnostics));
        let told = &image.programs[0].costs.layout.objective;
        assert!(told.error_variance_wires > 0.5 * told.error_variance, "{tile}, {size}, {ohms}: {told:?}");
        10.0 * (told.error_variance_estimated / told.error_variance).log10()
    };
    let mut all = Vec::new();
    for tile in ["weights: differential", "weights: reference", "weights: offset; slices: 2"] {
        for (size, ohms) in [(32, 2.0), (32, 10.0), (64, 2.0), (64, 5.0)] {
            for deploy in ["", "; compensate: wires"] {
                for signed in [false, true] {
                    // Digits conduct half of their range on average: what is left out of second order shows sooner.
                    let ohms = if tile.contains("offset") { ohms / 4.0 } else { ohms };
                    all.push((tile, size, ohms, deploy, signed, off(tile, size, ohms, deploy, signed)));
                }
            }
        }
    }
    let far: Vec<_> = all.iter().filter(|one| one.5.abs() > 1.0).collect();
    assert!(far.is_empty(), "{far:#?}");
}

/// Drivers that resist before wires that take next to nothing: a node for each line. Oracle: its conductances, solved by hand for two rows and
/// one column. Where wires are ideal lines are nodes, and cells on a curve that is a straight line are solved by Newton's method to the same.
#[test]
fn drivers_resist_before_wires_that_hardly_do() {
    let text = |wire: &str, curve: &str| {
        format!(
            "
device cell {{ conductance: 0 S .. 100 uS; levels: ideal{curve} }}
tile array {{
    cells: cell[2, 1]; weights: unsigned; input: ideal; sense: ideal; read_voltage: 1 V; read_time: 1 us
    {wire}driver_resistance: 2 kohm; sense_resistance: 1 kohm
}}
core one {{ tiles: array[1] }}
chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
network net(x: real[2]) -> (y: real[1]) {{ x |> dense([[1, 0.5]]) -> y }}
experiment e {{ deploy net on board {{ calibrate: [[1, 0.5]] }}; test {{ x: [[1, 0.5]] }} measure m = sum(y) }}"
        )
    };
    // A row is a source behind its driver and its cell in series; the column's node lies between both and the sense circuit.
    let branch = |siemens: f64| 1.0 / (2e3 + 1.0 / siemens);
    let (first, second) = (branch(100e-6), branch(50e-6));
    let node = (first + 0.5 * second) / (first + second + 1e-3);
    let wanted = 1e-3 * node / 100e-6;
    for (wire, curve, share) in
        [("wire: 0.001 ohm; ", "", 1e-5), ("", "", 1e-13), ("wire: ideal; ", "; current: g * v", 1e-11)]
    {
        let results = nmc_tests::run("drivers", &text(wire, curve), &NoFiles, EngineKind::Jit).remove(0);
        let found = values(&results, "y")[0];
        assert!((found / wanted - 1.0).abs() < share, "{wire}{curve}: {found} for {wanted}");
    }
}

/// Ideal wires, drivers of 500 ohm: each row's volts are V / (1 + R G), with G all that hangs on it. Where columns are held by 200 ohm, too, as segments of
/// a millionth of an ohm come to.
#[test]
fn drivers_resist_before_ideal_wires() {
    let text = |wires: &str, samples: usize| {
        let on_wires = "wire: 300 ohm; driver_resistance: 500 ohm; sense_resistance: 200 ohm; driven: both_ends";
        let text = array("weights: differential", false, "", samples);
        assert!(text.contains(on_wires));
        text.replace(on_wires, wires)
    };
    let run = |wires: &str, samples: usize| {
        nmc_tests::run("ends", &text(wires, samples), &NoFiles, EngineKind::Jit).remove(0)
    };
    let held = |share: f64| 10e-6 + 90e-6 * (share * 8.0).round_ties_even() / 8.0;
    let pair = |r: usize, c: usize| (held(WEIGHTS[c][r].max(0.0)), held((-WEIGHTS[c][r]).max(0.0)));
    for samples in [1, 7] {
        let found = run("driver_resistance: 500 ohm", samples);
        let mut watts = 0.0;
        let volts = |r: usize| {
            let all: f64 = (0..3).map(|c| pair(r, c).0 + pair(r, c).1).sum();
            (INPUTS[r] / (1.0 + 500.0 * all), all)
        };
        (0..5).for_each(|r| watts += INPUTS[r] * volts(r).0 * volts(r).1);
        for (c, found) in values(&found, "y")[..3].iter().enumerate() {
            let wanted: f64 = (0..5).map(|r| (pair(r, c).0 - pair(r, c).1) * volts(r).0 / 90e-6).sum();
            assert!((found - wanted).abs() < 1e-12, "{samples}: {found} for {wanted}");
        }
        let joules = found.energy_j.iter().find(|(kind, _)| *kind == ComponentKind::Cells).unwrap().1;
        let wanted = watts * 1e-6 * samples as f64;
        assert!((joules - wanted).abs() < 1e-9 * wanted, "{samples}: {joules} J for {wanted}");
        let ends = "driver_resistance: 500 ohm; sense_resistance: 200 ohm; driven: both_ends";
        let (ideal, nearly) = (run(ends, samples), run(&format!("wire: 1e-6 ohm; {ends}"), samples));
        for (ideal, nearly) in values(&ideal, "y").iter().zip(values(&nearly, "y")) {
            assert!((ideal - nearly).abs() < 1e-6, "{ideal} for {nearly}");
        }
    }
}

/// Converters have the range of what comes through the wires, not of what the weights say: half of it is gone here. Oracle: what the same arrays give to
/// sense circuits that err in nothing, rounded by so many bits.
#[test]
fn ranges_are_those_of_what_wires_leave() {
    const ROWS: usize = 64;
    const OUTPUTS: usize = 8;
    const SAMPLES: usize = 60;
    let weights: Vec<f64> = numbers(5, OUTPUTS * ROWS);
    let inputs: Vec<f64> = numbers(6, SAMPLES * ROWS).into_iter().map(f64::abs).collect();
    let text = |sense: &str, ohms: f64| {
        format!(
            "device cell {{ conductance: 10 uS .. 200 uS; levels: ideal }}
            converter adc: current -> bits(5) {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
            unit logic: bits(32) -> bits(32) {{ implements: any; energy: 0.1 pJ }}
            tile array {{
                cells: cell[{ROWS}, {}]; weights: differential; input: ideal; sense: {sense}; read_voltage: 0.2 V; read_time: 10 ns
                wire: {ohms} ohm; driver_resistance: {} ohm
            }}
            core one {{ tiles: array[1]; units: logic }}
            chip board {{ cores: one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
            network net(x: real[{ROWS}]) -> (y: real[{OUTPUTS}]) {{ x |> dense({}) -> y }}
            experiment e {{
                deploy net on board {{ calibrate: {shown} }}
                test {{ x: {shown} }} measure m = sum(y)
            }}",
            2 * OUTPUTS,
            100.0 * ohms,
            nested(&weights, &[OUTPUTS, ROWS]),
            shown = nested(&inputs, &[SAMPLES, ROWS]),
        )
    };
    let found = |sense: &str, ohms: f64| {
        values(&nmc_tests::run("ranges", &text(sense, ohms), &NoFiles, EngineKind::Jit)[0], "y").to_vec()
    };
    let largest = |y: &[f64]| y.iter().map(|y| y.abs()).fold(0.0, f64::max);
    let (ideal, seen, sensed) = (found("ideal", 0.001), found("ideal", 5.0), found("adc", 5.0));
    assert!(largest(&seen) < 0.6 * largest(&ideal), "{} of {}", largest(&seen), largest(&ideal));
    let square = seen.iter().zip(&sensed).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / seen.len() as f64;
    let rounded = largest(&seen) / 15.0 / 12_f64.sqrt();
    assert!(square.sqrt() < 1.2 * rounded, "{} for {rounded}", square.sqrt());
}
