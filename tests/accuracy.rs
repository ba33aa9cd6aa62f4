//! What arrays cost in accuracy: limits kept or told, noise of reads, and layers that only some arrays can hold.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{codes, values};

/// Four arrays in one core beside digital logic, and a network on them.
fn on(tile: &str, network: &str) -> String {
    format!(
        "
converter sar(bits: int = 8): current -> bits(bits) {{ energy: 2 pJ; area: 1200 um2; time: 1 ns }}
converter dac(bits: int = 8): bits(bits) -> voltage {{ energy: 0.5 pJ; area: 40 um2; time: 1 ns }}
unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
device cell {{ conductance: 10 uS .. 200 uS; levels: ideal }}
device restless {{ conductance: 10 uS .. 200 uS; levels: ideal; noise read: normal(0, 5 % of range) }}
device digit {{ conductance: 1 uS .. 100 uS; levels: 4 }}
tile array {{ {tile}; read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 1000 um2 }}
core crossbars {{ tiles: array[4]; units: [logic[4]]; buffer: 64 kB }}
chip made {{
    cores: grid(1, 1) of crossbars
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit)
    host: spi(energy: 5 pJ per bit)
}}
{network}"
    )
}

fn run(text: &str) -> Results {
    nmc_tests::run("accuracy.nmc", text, &NoFiles, EngineKind::Jit).remove(0)
}

/// 60 outputs of weight 0 whose cells are noisy when read: each read errs by itself, and that of the reference column in all alike.
#[test]
fn a_read_of_the_reference_column_is_in_all_columns() {
    let weights: Vec<String> = (0..61).map(|output| format!("[{}]", u8::from(output == 60))).collect();
    const READS: usize = 400;
    let tile = "cells: restless[4, 64]; weights: reference; input: ideal; sense: ideal";
    let net = format!(
        "network net(x: real[1]) -> (y: real[61]) {{ x |> dense([{}]) -> y }}
experiment e {{ deploy net on made; test {{ x: [{}] }} measure m = std(y) }}",
        weights.join(", "),
        vec!["[1]"; READS].join(", ")
    );
    let results = run(&on(tile, &net));
    let (mut within, mut shared) = (0.0, 0.0);
    for y in values(&results, "y").chunks_exact(61).map(|y| &y[..60]) {
        let mean = y.iter().sum::<f64>() / 60.0;
        within += y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 59.0 / READS as f64;
        shared += mean * mean / READS as f64;
    }
    // 5 % of the cell's range is twice that of the weight's; variances of 400 numbers: 7 %.
    assert!((within / 0.01 - 1.0).abs() < 0.05, "{within}");
    assert!((shared / (0.01 * (1.0 + 1.0 / 60.0)) - 1.0).abs() < 0.3, "{shared}");
}

#[test]
fn an_accuracy_limit_is_kept_or_told() {
    let net = |deploy: &str, wanted: &str| {
        format!(
            "network net(x: real[4]) -> (y: real[3]) {{
    x |> dense([[1, -0.5, 0.2, 0.1], [0.3, 0.9, -0.4, 0.5], [-0.7, 0.2, 0.8, -0.1]]) |> relu
      |> dense([[0.9, 0.1, -0.3], [-0.2, 1, 0.4], [0.3, -0.5, 0.7]]) -> y
}}
experiment e {{
    deploy net {deploy}
    test {{ x: [[1, 0.2, 0.3, 0], [0.1, 0.9, 0.2, 0.4], [0, 0.3, 1, 0.2], [0.6, 0.5, 0.4, 0.3], [0.2, 0.8, 0.9, 0.7]] }} {wanted}
}}"
        )
    };
    let limited = |bits: u32, limit: &str, wanted: &str| {
        let tile = "cells: cell[8, 16]; weights: differential; input: dac(bits: BITS); sense: sar(bits: BITS)";
        let samples =
            "[[1, 0.2, 0.3, 0], [0.1, 0.9, 0.2, 0.4], [0, 0.3, 1, 0.2], [0.6, 0.5, 0.4, 0.3], [0.2, 0.8, 0.9, 0.7]]";
        let deploy = format!("on made {{ calibrate: {samples}; {limit} }}");
        on(&tile.replace("BITS", &bits.to_string()), &net(&deploy, wanted))
    };
    // Nothing says what is right.
    assert_eq!(codes(&limited(8, "accuracy_loss: 1 %", "measure m = mean(y)")), ["W0613"]);
    let exact = run(&net("", "measure m = mean(y)"));
    let largest = |y: &[f64]| (0..y.len()).max_by(|&a, &b| y[a].total_cmp(&y[b])).unwrap_or(0);
    let labels: Vec<String> = values(&exact, "y").chunks(3).map(|y| largest(y).to_string()).collect();
    let wanted = format!("expect argmax(y) == [{}]", labels.join(", "));
    assert_eq!(codes(&limited(1, "accuracy_loss: 0.1 %", &wanted)), ["E0605"]);
    assert_eq!(codes(&limited(1, "", &wanted)), Vec::<&str>::new());
    let kept = compile("kept.nmc", &limited(8, "accuracy_loss: 10 %", &wanted), &NoFiles, &Options::default());
    let loss = kept.mapped.first().and_then(|mapped| mapped.decisions.objective.accuracy_loss);
    assert!(loss.is_some_and(|loss| loss <= 0.1), "{loss:?}");
}

#[test]
fn a_fitted_layer_needs_arrays_whose_range_can_be_set_later() {
    let text = |scheme: &str| {
        let tile = format!("cells: digit[16, 32]; weights: {scheme}; input: dac(bits: 8); sense: sar(bits: 8)");
        let net = "network net(x: real[2]) -> (y: real[1]) { x |> dense(1, fit: ridge(1e-9)) -> y }
experiment e { deploy net on made
    train { x: [[1, 0], [0, 1], [1, 1]] } expect y == [[1], [2], [3]]
    test { x: [[1, 0], [0, 1]] } measure m = mean(y) }";
        on(&tile, net)
    };
    let errors = |text: &str| codes(text).into_iter().filter(|code| code.starts_with('E')).collect::<Vec<_>>();
    assert_eq!(errors(&text("differential")), Vec::<&str>::new());
    assert_eq!(errors(&text("offset; slices: 4")), ["E0601"]);
}
