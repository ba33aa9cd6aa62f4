//! What converters err by besides rounding, and the ranges and scales that the columns of an array may have of their own.

use std::path::Path;

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, Told, compile};
use nmc_host::disk::Folder;
use nmc_program::Program;
use nmc_runtime::{EngineKind, RunOptions};
use nmc_tests::dice::Dice;
use nmc_tests::{codes, values};

/// A chip with this converter at its columns, and experiments on it.
fn on(cell: &str, sar: &str, tile: &str, rest: &str) -> String {
    format!(
        "
device cell {{ conductance: 1 uS .. 101 uS; {cell} }}
converter sar: current -> bits(8) {{ energy: 2 pJ; area: 1200 um2; time: 1 ns{sar} }}
converter dac(bits: int = 12): bits(bits) -> voltage {{ energy: 0.5 pJ; area: 40 um2; time: 1 ns }}
unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
tile array {{
    cells: cell[32, 64]; weights: differential; {tile}; read_voltage: 0.2 V; read_time: 10 ns; wire: ideal
}}
core crossbars {{ tiles: array[4]; units: logic; buffer: 64 kB }}
chip made {{
    cores: grid(2, 2) of crossbars
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit); host: spi(energy: 5 pJ per bit)
}}
{rest}"
    )
}

/// The outputs of so many chips, one after the other.
fn chips(text: &str, count: u64) -> Vec<Vec<f64>> {
    let compilation = compile("converters.nmc", text, &NoFiles, &Options::default());
    let image = compilation.image.unwrap_or_else(|| panic!("{:#?}\n{text}", compilation.diagnostics));
    let of = |program: &Program, seed: u64| {
        let options = RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
        values(&nmc_runtime::run(program, &options).unwrap_or_else(|error| panic!("{error:?}")), "y").to_vec()
    };
    (0..count).map(|seed| of(&image.programs[0], seed)).collect()
}

/// Mean and standard deviation.
fn spread(of: &[f64]) -> (f64, f64) {
    let mean = of.iter().sum::<f64>() / of.len() as f64;
    (mean, (of.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / of.len() as f64).sqrt())
}

/// One input, and 32 outputs that are equal to it.
fn net() -> String {
    format!("network net(x: real[1]) -> (y: real[32]) {{ x |> dense([{}]) -> y }}", ["[1]"; 32].join(", "))
}

/// Columns in fours share a converter, and what it errs by; what is known of it is made up for, but for rounding. Oracle: analytic, five sigma.
#[test]
fn each_converter_has_errors_of_its_own() {
    const CHIPS: u64 = 60;
    let count = (CHIPS * 8) as f64;
    let run = |sar: &str, x: f64, deploy: &str| {
        let net = format!(
            "{}\nexperiment e {{ deploy net on made {{ {deploy} }}; test {{ x: [[{x}]] }} measure m = mean(y) }}",
            net()
        );
        let text = on("levels: ideal", sar, "input: ideal; sense: sar(); sharing: 4", &net);
        let all = chips(&text, CHIPS);
        for chip in &all {
            for shared in chip.chunks_exact(4) {
                assert!(shared.iter().all(|y| *y == shared[0]), "{chip:?}");
            }
        }
        all.iter().flat_map(|chip| chip.iter().step_by(4)).copied().collect::<Vec<f64>>()
    };
    // Steps of 0.01: rounding spreads by a twelfth of a step squared.
    let offsets = run("; range: 1.27; offset: normal(4, 3)", 0.0, "");
    let (mean, sigma) = spread(&offsets);
    let wanted = 0.01 * (9.0 + 1.0 / 12.0_f64).sqrt();
    assert!((mean - 0.04).abs() < 5.0 * wanted / count.sqrt(), "{mean}");
    assert!((sigma / wanted - 1.0).abs() < 5.0 / (2.0 * count).sqrt(), "{sigma} for {wanted}");
    let gains = run("; range: 1.27; gain_error: normal(-5 %, 6 %)", 0.9, "");
    let (mean, sigma) = spread(&gains);
    let wanted = (0.9_f64 * 0.06).hypot(0.01 / 12.0_f64.sqrt());
    assert!((mean - 0.9 * 0.95).abs() < 5.0 * wanted / count.sqrt(), "{mean}");
    assert!((sigma / wanted - 1.0).abs() < 5.0 / (2.0 * count).sqrt(), "{sigma} for {wanted}");
    let both = "; range: 1.27; gain_error: normal(-5 %, 6 %); offset: normal(4, 3)";
    let (left, known) = (run(both, 0.9, ""), run(both, 0.9, "compensate: converters"));
    let worst = |of: &[f64]| of.iter().map(|y| (y - 0.9).abs()).fold(0.0, f64::max);
    // Half a step of a converter with 0.7 times the gain.
    assert!(worst(&left) > 0.1 && worst(&known) < 0.5 * 0.01 / 0.7, "{} {}", worst(&left), worst(&known));
    assert!(known.windows(2).any(|two| two[0] != two[1]), "all converters round alike");
}

/// With a scale of its own the largest weight of a column takes the whole range, so that what its cells err by counts by that. Oracle: analytic,
/// five sigma.
#[test]
fn columns_in_scales_of_their_own_err_by_their_largest_weight() {
    const CHIPS: u64 = 200;
    let largest = [1.0, 0.5, 0.1, 0.02];
    let rows: Vec<String> = largest.iter().map(|most| format!("[{most}, {}]", 0.5 * most)).collect();
    let of = |scaling: &str| -> Vec<f64> {
        let net = format!(
            "network net(x: real[2]) -> (y: real[4]) {{ x |> dense([{}]) -> y }}
            experiment e {{ deploy net on made; test {{ x: [[1, 1]] }} measure m = mean(y) }}",
            rows.join(", ")
        );
        let cell = "levels: ideal; noise programming: normal(0, 2 % of range)";
        let all = chips(&on(cell, "", &format!("input: ideal; sense: ideal{scaling}"), &net), CHIPS);
        (0..4).map(|column| spread(&all.iter().map(|chip| chip[column]).collect::<Vec<f64>>()).1).collect()
    };
    // Four cells a column, of which two are at their lowest: of conductances that cannot be below 0 (1 uS, sigma 2 uS).
    let (layer, column) = (of(""), of("; scaling: column"));
    for at in 0..4 {
        let (of_layer, of_column) = (layer[at] / layer[0], column[at] / column[0] / largest[at]);
        let tolerance = 5.0 / (CHIPS as f64).sqrt();
        assert!((of_layer - 1.0).abs() < tolerance, "{at}: {of_layer}");
        assert!((of_column - 1.0).abs() < tolerance, "{at}: {of_column}");
    }
    // What is asked for is the same.
    assert!((layer[0] / column[0] - 1.0).abs() < 5.0 / (CHIPS as f64).sqrt(), "{} {}", layer[0], column[0]);
}

/// The error by which conversions are chosen, and that of drawn chips (cross), in decibels.
#[test]
fn the_error_that_is_estimated_knows_ranges_scales_and_errors() {
    let files = Folder::of(Path::new("none.nmc"));
    let mut dice = Dice::new(5);
    // Outputs of very different sizes.
    let rows: Vec<String> = (0..12)
        .map(|row| {
            let size = 0.05 * 1.3_f64.powi(row);
            let row: Vec<String> = (0..24).map(|_| format!("{:.5}", size * dice.number(-1.0, 1.0))).collect();
            format!("[{}]", row.join(", "))
        })
        .collect();
    let shown: Vec<String> = (0..96).map(|_| dice.vector(24)).collect();
    let (weights, shown, bias) = (rows.join(", "), shown.join(", "), dice.vector(12));
    let net = format!(
        "network net(x: real[24]) -> (y: real[12]) {{ x |> dense([{weights}], bias: {bias}) -> y }}
        experiment e {{ deploy net on made {{ calibrate: [{shown}]COMPENSATE }}; test {{ x: [{shown}] }} measure m = mean(y) }}"
    );
    let noisy = "levels: ideal; noise programming: normal(0, 1 % of range)";
    let mut all = Vec::new();
    for (cell, sar, tile, deploy) in [
        ("levels: ideal", "", "scaling: column", ""),
        ("levels: ideal", "", "scaling: array; ranges: column", ""),
        ("levels: ideal", "", "ranges: layer", ""),
        ("levels: 32", "", "scaling: column; ranges: column", ""),
        (noisy, "", "scaling: column", ""),
        (noisy, "", "scaling: layer; ranges: column", ""),
        ("levels: ideal", "; inl: 1.5", "ranges: column", ""),
        ("levels: ideal", "; range: 25 uA", "ranges: array", ""),
        ("levels: ideal", "; range: 1.5", "scaling: column", ""),
        ("levels: ideal", "; gain_error: normal(1 %, 3 %)", "ranges: column", ""),
        ("levels: ideal", "; offset: normal(0, 2)", "scaling: column", ""),
        (
            "levels: ideal",
            "; offset: normal(0, 2); gain_error: normal(0, 3 %)",
            "scaling: column",
            "; compensate: converters",
        ),
    ] {
        let text = on(cell, sar, &format!("input: dac(); sense: sar(); {tile}"), &net.replace("COMPENSATE", deploy));
        let options = Options { told: Told::DrawnChips, ..Options::default() };
        let compilation = compile("estimate", &text, &files, &options);
        let image = compilation.image.unwrap_or_else(|| panic!("{:?}", compilation.diagnostics));
        let told = &image.programs[0].costs.layout.objective;
        all.push((
            sar,
            tile,
            deploy,
            10.0 * (told.error_variance_estimated / told.error_variance).log10(),
            told.error_variance,
        ));
    }
    // What each converter errs by tells little by so few of them.
    let tolerance = |sar: &str, deploy: &str| if sar.contains("normal") && deploy.is_empty() { 2.5 } else { 1.0 };
    let far: Vec<_> = all.iter().filter(|one| one.3.abs() > tolerance(one.0, one.2)).collect();
    assert!(far.is_empty(), "{far:#?}");
    // Columns that are scaled each by itself are converted in finer steps.
    let plain = on("levels: ideal", "", "input: dac(); sense: sar()", &net.replace("COMPENSATE", ""));
    let options = Options { told: Told::DrawnChips, ..Options::default() };
    let plain = compile("plain", &plain, &files, &options).image.unwrap();
    let plain = plain.programs[0].costs.layout.objective.error_variance;
    assert!(all[0].4 < 0.5 * plain, "{} {plain}", all[0].4);
}

#[test]
fn what_converters_and_columns_cannot_have_is_told() {
    let net = format!("{}\nexperiment e {{ deploy net on made; test {{ x: [[1]] }} measure m = mean(y) }}", net());
    let told = |sar: &str, tile: &str| codes(&on("levels: 4", sar, tile, &net));
    let plain = "input: dac(); sense: sar()";
    assert_eq!(told("", plain), ["W0607"]);
    for range in ["0", "-1 uA", "1 V", "2 pC"] {
        assert_eq!(told(&format!("; range: {range}"), plain), ["E0503"], "{range}");
    }
    assert_eq!(told("", "input: dac(); sense: sar() or current; scaling: column"), ["E0503"]);
    assert_eq!(told("", "input: bit_serial(dac(bits: 1), bits: 4); sense: sar(); ranges: column"), ["E0503"]);
    assert_eq!(told("", "input: dac(); sense: sar(); ranges: tiles"), ["E0221"]);
    assert_eq!(told("; offset: normal(0, -1)", plain), ["E0503"]);
    assert_eq!(told("; gain_error: normal(0, 1 uS)", plain), ["E0302"]);
}

/// Outputs on two tiles have the noise of drivers of their own; so have all positions. Oracle: independent numbers.
#[test]
fn each_array_has_drivers_of_its_own() {
    const SAMPLES: usize = 4000;
    let shown = vec!["[0.5]"; SAMPLES].join(", ");
    for input in ["dac()", "bit_serial(dac(bits: 1), bits: 6)"] {
        let text = format!(
            "device cell {{ conductance: 0 uS .. 100 uS; levels: ideal }}
            converter dac(bits: int = 6): bits(bits) -> voltage {{ energy: 1 pJ; time: 1 ns; noise: 1 lsb }}
            converter sum(): current -> bits(16) {{ energy: 2 pJ; time: 1 ns }}
            unit logic: bits(32) -> bits(32) {{ implements: any; energy: 0.1 pJ }}
            tile array {{
                cells: cell[1, 1]; weights: unsigned; input: {input}; sense: sum()
                read_voltage: 0.2 V; read_time: 10 ns; wire: ideal
            }}
            core one {{ tiles: array[2]; units: logic; buffer: 1 kB }}
            chip board {{ cores: one }}
            network net(x: real[1]) -> (y: real[2]) {{ x |> dense([[1], [1]]) -> y }}
            experiment e {{ deploy net on board {{ calibrate: [[1]] }}; test {{ x: [{shown}] }} measure m = mean(y) }}"
        );
        let both = chips(&text, 1).remove(0);
        let of = |which: usize| both.iter().skip(which).step_by(2).copied().collect::<Vec<f64>>();
        let apart = |all: Vec<f64>| {
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            all.into_iter().map(move |y| y - mean).collect::<Vec<f64>>()
        };
        let (one, two) = (apart(of(0)), apart(of(1)));
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert!(product(&one, &one) > 0.0 && product(&two, &two) > 0.0, "{input}: no noise");
        let correlation = product(&one, &two) / (product(&one, &one) * product(&two, &two)).sqrt();
        assert!(correlation.abs() < 5.0 / (SAMPLES as f64).sqrt(), "{input}: {correlation}");
    }
}

/// Rows on which padding alone lies are converted by nothing. Oracle: the convolution written out.
#[test]
fn padding_alone_is_not_converted() {
    let text = |net: &str, shown: &str| {
        format!(
            "device c {{ conductance: 0 uS .. 100 uS; levels: ideal }}
            converter d(): bits(20) -> voltage {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
            converter a(): current -> bits(20) {{ energy: 2 pJ; area: 100 um2; time: 10 ns }}
            unit u: bits(32) -> bits(32) {{ implements: any; energy: 0.1 pJ; area: 10 um2; time: 1 ns }}
            tile t {{
                cells: c[8, 8]; weights: differential; input: d() or voltage; sense: a(); read_voltage: 0.2 V; read_time: 10 ns
                wire: ideal
            }}
            core k {{ tiles: t[4]; units: [u]; buffer: 1 kB; lines: voltage }}
            chip q {{
                cores: grid(2, 2) of k; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
                host: spi(energy: 1 pJ per bit, time: 0.1 ns); converters: [d()]
            }}
            {net}
            experiment e {{ deploy n on q {{ calibrate: [{shown}] }}; test {{ x: [{shown}] }} measure m = mean(y) }}"
        )
    };
    for (net, shown, wanted) in [
        (
            "network n(x: real[1, 1, 1]) -> (y: real[1, 1, 1]) {
                x |> conv2d([[[[1, 1, 1], [1, 2, 1], [1, 1, 1]]]], bias: [1], padding: 1) -> y
            }",
            "[[[2]]]",
            5.0,
        ),
        (
            "network n(x: real[1, 2, 2]) -> (y: real[1, 1, 1]) {
                x |> conv2d([[[[1, 1], [1, 1]]]], bias: [1], padding: (0, 0, 0, 1), dilation: (1, 2)) -> y
            }",
            "[[[1, 2], [3, 4]]]",
            5.0,
        ),
    ] {
        let found = chips(&text(net, shown), 1).remove(0)[0];
        assert!((found - wanted).abs() < 1e-3, "{net}: {found}");
    }
}
