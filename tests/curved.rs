//! Cells whose current is no multiple of the voltage: against ngspice, and against their curve where wires are ideal.

use std::path::Path;

use nmc_compiler::files::NoFiles;
use nmc_host::disk::Folder;
use nmc_program::ComponentKind;
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{ENGINES, codes, run, values};

/// ngspice 39 (operating point): cells that rectify and cells behind a selector, 32x32 and 64x64, wires of 5 ohm. Every current to 1e-6 of the
/// largest is asked for; it is 1e-11.
#[test]
fn currents_equal_ngspice() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/curved.nmc");
    let text = std::fs::read_to_string(&reference).unwrap();
    let results = run("curved.nmc", &text, &Folder::of(&reference), EngineKind::Jit);
    let file = nmc_host::data::read(&reference.with_file_name("data").join("curved.npz")).unwrap();
    let diode = 1e-4 * 0.1 * (10_f64.exp() - 1.0);
    let behind = 1e-4 / (1.0 + (-0.7_f64 / 0.03).exp());
    let names = [("rectifying_32", diode), ("rectifying_64", diode), ("selector_32", behind), ("selector_64", behind)];
    for (results, (name, full)) in results.iter().zip(names) {
        let wanted = file.arrays.iter().find(|stored| stored.name == name).unwrap().tensor().unwrap();
        let found = values(results, "y");
        assert_eq!(found.len(), wanted.data.len());
        let most = (0..found.len()).fold(0.0, |most, index| f64::max(most, wanted.data.get(index).abs()));
        for (index, found) in found.iter().enumerate() {
            let (found, wanted) = (found * full, wanted.data.get(index));
            assert!((found - wanted).abs() < 1e-10 * most, "{name}, {index}: {found} for {wanted}");
        }
    }
}

const CURVE: &str = "g * 0.1 V * (exp(v / 0.1 V) - 1)";

/// A pair of rows on ideal wires.
fn on_array(cell: &str, tile: &str, more: &str, shown: &str, engine: EngineKind) -> Results {
    let text = format!(
        "device cell {{ conductance: 10 uS .. 110 uS; {cell} }}
        converter widths(bits: int = 8): bits(bits) -> pulse {{ energy: 0 J; time: 1 ns }}
        tile array {{ cells: cell[8, 8]; {tile}; sense: ideal; read_voltage: 0.2 V; read_time: 1 us; wire: ideal }}
        unit logic: bits(32) -> bits(32) {{ implements: any; energy: 0 J }}
        core one {{ tiles: array[1]; units: logic; buffer: 1 kB }}
        chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
        network net(x: real[2]) -> (y: real[2]) {{ x |> dense([[1, 0.5], [-1, 0.25]]) -> y }}
        experiment e {{ deploy net on board {{ calibrate: [[2, 2]]{more} }}; test {{ x: {shown} }} measure m = mean(y) }}"
    );
    run("curved", &text, &NoFiles, engine).remove(0)
}

/// A pair of cells a weight, each on its curve; a weight of full range at full input is right, in between inputs count less. Oracle: analytic.
#[test]
fn cells_follow_their_curve() {
    let curve = |v: f64| 0.1 * ((v / 0.1).exp() - 1.0);
    for engine in ENGINES {
        let tile = "weights: differential; input: ideal";
        let results = on_array(&format!("current: {CURVE}"), tile, "", "[[2, 2], [1, -0.5]]", engine);
        let at = |x: f64| curve(0.1 * x) / curve(0.2) * 2.0;
        let wanted = [3.0, -1.5, at(1.0) + 0.5 * at(-0.5), -at(1.0) + 0.25 * at(-0.5)];
        for (found, wanted) in values(&results, "y").iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-12, "{found} for {wanted}");
        }
        // Row by row: volts, what the four cells conduct, and a microsecond.
        let held = [[110.0, 10.0, 10.0, 110.0], [60.0, 10.0, 35.0, 10.0]].map(|row| row.iter().sum::<f64>() * 1e-6);
        let joules = |x: [f64; 2]| (0..2).map(|row| 0.1 * x[row] * curve(0.1 * x[row]) * held[row] * 1e-6).sum::<f64>();
        let energy: f64 =
            results.energy_j.iter().filter(|(kind, _)| *kind == ComponentKind::Cells).map(|(_, joules)| joules).sum();
        let wanted = joules([2.0, 2.0]) + joules([1.0, -0.5]);
        assert!((energy / wanted - 1.0).abs() < 1e-9, "{energy} for {wanted}");
    }
}

/// Pulses are of one height: what they give is linear in the input, whatever the curve. Oracle: analytic.
#[test]
fn pulses_see_one_point_of_the_curve() {
    let tile = "weights: differential; input: widths(bits: 8)";
    let results = on_array(&format!("current: {CURVE}"), tile, "", "[[2, 2], [1, 0.5]]", EngineKind::Jit);
    for (found, wanted) in values(&results, "y").iter().zip([3.0, -1.5, 1.25, -0.875]) {
        assert!((found - wanted).abs() < 0.02, "{found} for {wanted}");
    }
}

/// Read noise of 5 % of a cell's conductance is 5 % of its current, independent from cell to cell. Oracle: analytic, five sigma of 4,000 reads.
#[test]
fn noise_is_a_share_of_the_current() {
    let count = 4000;
    let shown = format!("[{}]", vec!["[2, 0]"; count].join(", "));
    let cell = format!("current: {CURVE}; noise read: normal(0, 5 % of g)");
    let results = on_array(&cell, "weights: differential; input: ideal", "", &shown, EngineKind::Jit);
    let all: Vec<f64> = values(&results, "y").iter().step_by(2).copied().collect();
    let mean = all.iter().sum::<f64>() / count as f64;
    let variance = all.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
    // 110 and 10 uS at full input, of a range of 100 uS that is 2.
    let wanted = (0.05_f64 * 2.0).powi(2) * (1.1 * 1.1 + 0.1 * 0.1);
    assert!((mean - 2.0).abs() < 5.0 * (wanted / count as f64).sqrt(), "{mean}");
    assert!((variance / wanted - 1.0).abs() < 5.0 * (2.0 / count as f64).sqrt(), "{variance} for {wanted}");
}

/// A cell that conducts a half more in three of ten reads. Oracle: analytic, five sigma.
#[test]
fn noise_of_any_distribution_is_drawn_for_every_read() {
    let count = 4000;
    let shown = format!("[{}]", vec!["[2, 0]"; count].join(", "));
    let cell = "noise read: if uniform(0, 1) < 30 % then 0.5 * g else 0 S";
    for engine in ENGINES {
        let results = on_array(cell, "weights: differential; input: ideal", "", &shown, engine);
        let all: Vec<f64> = values(&results, "y").iter().step_by(2).copied().collect();
        // The plus cell at 110 uS, the minus cell at 10 uS: four values.
        for (plus, minus, share) in [(0.0, 0.0, 0.49), (1.1, 0.0, 0.21), (0.0, 0.1, 0.21), (1.1, 0.1, 0.09)] {
            let wanted = 2.0 + plus - minus;
            let found = all.iter().filter(|y| (*y - wanted).abs() < 1e-9).count() as f64;
            let (mean, sigma) = (share * count as f64, (share * (1.0 - share) * count as f64).sqrt());
            assert!((found - mean).abs() < 5.0 * sigma, "{wanted}: {found} for {mean}");
        }
    }
}

#[test]
fn what_is_no_noise_is_told() {
    let device = |noise: &str| codes(&format!("device cell {{ conductance: 1 uS .. 9 uS; noise read: {noise} }}"));
    for wrong in ["5 % of g", "1 uS", "normal(1 uS, 2 uS)", "if g > 2 uS then 1 uS else 0 S"] {
        assert!(device(wrong).contains(&"E0221"), "{wrong}: {:?}", device(wrong));
    }
    assert!(device("uniform(0, 1) * 1 V").contains(&"E0302"));
    for right in
        ["normal(0, 5 % of g)", "if uniform(0, 1) < 10 % then g else 0 S", "normal(0, 1) * 1 uS + uniform(0 S, 1 uS)"]
    {
        assert!(!device(right).iter().any(|code| code.starts_with('E')), "{right}: {:?}", device(right));
    }
}

/// A diode does not pull where rows are below 0: its columns give more than numbers would. Oracle: the curve; the converter has 20 bits.
#[test]
fn ranges_are_those_of_the_curve() {
    let of = |rows: &str| {
        let text = format!(
            "device cell {{ conductance: 0 uS .. 100 uS; levels: ideal; current: {CURVE} }}
            converter rows(bits: int = 20): bits(bits) -> {rows} {{ energy: 1 pJ; time: 1 ns }}
            converter columns(bits: int = 20): current -> bits(bits) {{ energy: 2 pJ; time: 10 ns }}
            converter charges(bits: int = 20): charge -> bits(bits) {{ energy: 2 pJ; time: 10 ns }}
            unit logic: bits(32) -> bits(32) {{ implements: any; energy: 0.1 pJ }}
            tile array {{
                cells: cell[8, 8]; weights: differential; input: rows(); sense: {}
                read_voltage: 0.2 V; read_time: 10 ns; wire: ideal
            }}
            core one {{ tiles: array[1]; units: logic; buffer: 1 kB }}
            chip board {{ cores: one }}
            network net(x: real[2]) -> (y: real[1]) {{ x |> dense([[1, 1]]) -> y }}
            experiment e {{
                deploy net on board {{ calibrate: [[1, -0.9], [-0.9, 1]] }}; test {{ x: [[1, -0.9]] }} measure m = mean(y)
            }}",
            if rows == "pulse" { "charges()" } else { "columns()" }
        );
        values(&run("range", &text, &NoFiles, EngineKind::Jit)[0], "y")[0]
    };
    let curve = |volts: f64| (volts / 0.1).exp() - 1.0;
    for (rows, below) in [("voltage", curve(-0.18)), ("pulse", 0.9 * curve(-0.2))] {
        let wanted = 1.0 + below / curve(0.2);
        let found = of(rows);
        assert!((found - wanted).abs() < 1e-4, "{rows}: {found} for {wanted}");
    }
}

/// What noise of the conductance does to a current that is no multiple of it. Oracle: the slope of the curve, times the noise.
#[test]
fn read_noise_is_that_of_the_conductance() {
    const READS: usize = 4000;
    let shown = vec!["[1]"; READS].join(", ");
    let text = format!(
        "device cell {{
            conductance: 0 uS .. 100 uS; levels: ideal; current: g^2 / 100 uS * v; noise read: normal(0, 2 % of g)
        }}
        tile array {{
            cells: cell[2, 2]; weights: unsigned; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns; wire: ideal
        }}
        core one {{ tiles: array[1] }}
        chip board {{ cores: one }}
        network net(x: real[1]) -> (y: real[2]) {{ x |> dense([[1], [0.5]]) -> y }}
        experiment e {{ deploy net on board {{ calibrate: [[1]] }}; test {{ x: [{shown}] }} measure m = mean(y) }}"
    );
    for engine in ENGINES {
        let results = run("noise", &text, &NoFiles, engine);
        let all: Vec<f64> = values(&results[0], "y").iter().skip(1).step_by(2).copied().collect();
        let mean = all.iter().sum::<f64>() / READS as f64;
        let sd = (all.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / READS as f64).sqrt();
        let wanted = 2.0 * 0.02 * 0.25;
        assert!((mean - 0.25).abs() < 5.0 * wanted / (READS as f64).sqrt() + 1e-4, "{mean}");
        assert!((sd / wanted - 1.0).abs() < 5.0 / (2.0 * READS as f64).sqrt(), "{sd} for {wanted}");
    }
}
