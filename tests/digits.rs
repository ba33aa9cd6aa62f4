//! Weights that cells hold digit by digit, with an offset, on ideal cells. Oracle: the product of the numbers.

use nmc_compiler::files::NoFiles;
use nmc_runtime::EngineKind;
use nmc_tests::{nested, numbers, product, run, values};

/// Root mean square of the error of a layer, relative to its outputs.
fn error(levels: &str, slices: usize, weights: &[f64], bits: usize) -> f64 {
    const INPUTS: usize = 5;
    let x = numbers(4, 40 * INPUTS);
    let text = format!(
        "device cell {{ conductance: 0 uS .. 40 uS; levels: {levels} }}
        converter dac(): bits(16) -> voltage {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
        converter adc(): current -> bits({bits}) {{ energy: 2 pJ; area: 100 um2; time: 10 ns }}
        unit logic: bits(32) -> bits(32) {{ implements: any; energy: 0.1 pJ; area: 10 um2; time: 1 ns }}
        tile array {{
            cells: cell[16, 64]; weights: offset; slices: {slices}; input: dac; sense: adc; read_voltage: 0.2 V
            read_time: 10 ns; wire: ideal
        }}
        core cim {{ tiles: array[2]; units: logic; buffer: 4 kB }}
        chip board {{ cores: grid(1, 1) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
        network n(x: real[{INPUTS}]) -> (y: real[{}]) {{ x |> dense({}) -> y }}
        experiment e {{
            deploy n on board {{ calibrate: {} }}
            test {{ x: {} }} measure m = mean(y)
        }}",
        weights.len() / INPUTS,
        nested(weights, &[weights.len() / INPUTS, INPUTS]),
        nested(&x, &[40, INPUTS]),
        nested(&x, &[40, INPUTS]),
    );
    let results = run("digits.nmc", &text, &NoFiles, EngineKind::Jit);
    let exact: Vec<f64> = x.chunks(INPUTS).flat_map(|x| product(weights, x)).collect();
    let square = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
    let missing: Vec<f64> = values(&results[0], "y").iter().zip(&exact).map(|(y, exact)| y - exact).collect();
    (square(&missing) / square(&exact)).sqrt()
}

/// Where inputs are amplitudes, sums are no whole numbers: a finer converter tells them better.
#[test]
fn a_finer_converter_tells_the_sums_of_digits_better() {
    let weights = numbers(9, 35);
    let [coarse, fine, finest] = [8, 12, 16].map(|bits| error("16", 4, &weights, bits));
    assert!(fine < coarse / 8.0 && finest < fine / 8.0 && finest < 1e-3, "{coarse}, {fine}, {finest}");
}

/// The largest weight stays the largest where digits have more codes than a number holds.
#[test]
fn very_many_digits_keep_the_largest_weight() {
    for (levels, slices) in [("ideal", 4), ("256", 7), ("2", 60)] {
        let off = error(levels, slices, &[1.0, 0.5, -0.25, 0.75, -0.5], 20);
        assert!(off < 0.01, "{off} with {slices} digits of {levels}");
    }
}
