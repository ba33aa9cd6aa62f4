//! What arrays cost in accuracy: limits kept or told, noise of reads, and layers that only some arrays can hold.

use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files, NoFiles, Trial};
use nmc_compiler::{Options, Told, compile};
use nmc_program::Program;
use nmc_runtime::{EngineKind, Recorded, Recording, Results, RunOptions};
use nmc_tests::dice::Dice;
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

/// Trial runs as the command line gives them.
struct Trials;

impl Files for Trials {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        NoFiles.data(path)
    }

    fn trial(&self, program: &Program, seed: u64) -> Option<Result<Trial, String>> {
        let values = |recording: Recording| match recording.values {
            Recorded::Values { data, .. } => Some((recording.name, data)),
            Recorded::Spikes { .. } | Recorded::Synapses { .. } => None,
        };
        Some(Ok(on_seed(program, seed).recordings.into_iter().filter_map(values).collect()))
    }
}

fn on_seed(program: &Program, seed: u64) -> Results {
    let options = RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    nmc_runtime::run(program, &options).unwrap_or_else(|error| panic!("{error:?}"))
}

/// A network of two layers on a chip whose cells and converters err: experiments on no chip, and on it.
fn erring(dice: &mut Dice) -> String {
    let (inputs, hidden, outputs) = (8 + dice.below(20), 6 + dice.below(16), 3 + dice.below(5));
    let cell = dice.one(&[
        "levels: 16",
        "levels: ideal; noise programming: normal(0, 3 % of range)",
        "levels: 32; noise read: normal(0, 2 % of range)",
        "levels: 64; faults: [stuck_on(1 %), stuck_off(2 %)]",
        "levels: ideal; noise programming: normal(0, 2 % of range); noise read: normal(0, 1 % of range)",
    ]);
    let weights = dice.one(&["differential", "reference"]);
    let bits = dice.one(&[4, 5, 6, 8]);
    let mut layer = |inputs: usize, outputs: usize| {
        let bias = if dice.once_in(2) { format!(", bias: {}", dice.vector(outputs)) } else { String::new() };
        format!("dense({}{bias})", dice.matrix(outputs, inputs))
    };
    let (one, two) = (layer(inputs, hidden), layer(hidden, outputs));
    let function = dice.one(&["relu", "tanh", "sigmoid"]);
    let (known, shown) = (dice.matrix(64, inputs), dice.matrix(64, inputs));
    let net = format!(
        "network net(x: real[{inputs}]) -> (y: real[{outputs}]) {{ x |> {one} |> {function} |> {two} -> y }}
experiment exact {{ deploy net; test {{ x: {shown} }} measure m = mean(y) }}
experiment drawn {{ deploy net on made {{ calibrate: {known} }}; test {{ x: {shown} }} measure m = mean(y) }}"
    );
    let tile = format!("cells: cell[16, 32]; weights: {weights}; input: dac(bits: {bits}); sense: sar(bits: {bits})");
    on(&tile, &net)
        .replace("conductance: 10 uS .. 200 uS; levels: ideal }", &format!("conductance: 10 uS .. 200 uS; {cell} }}"))
        .replace("array[4]", "array[12]")
}

/// How far the error a report tells is from that of other chips on other samples, in decibels.
fn misjudged(seed: u64) -> f64 {
    let text = erring(&mut Dice::new(seed));
    let options = Options { told: Told::DrawnChips, ..Options::default() };
    let compilation = compile("erring.nmc", &text, &Trials, &options);
    let image = compilation.image.unwrap_or_else(|| panic!("{seed}: {:#?}\n{text}", compilation.diagnostics));
    let told = image.programs[1].costs.layout.objective.error_variance;
    let exact = on_seed(&image.programs[0], 1);
    let exact = values(&exact, "y");
    let mean = exact.iter().sum::<f64>() / exact.len() as f64;
    let variance = exact.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / exact.len() as f64;
    const CHIPS: u64 = 48;
    let of_chip = |chip: u64| {
        let results = on_seed(&image.programs[1], 100 + chip);
        let squares = values(&results, "y").iter().zip(exact).map(|(y, exact)| (y - exact).powi(2));
        squares.sum::<f64>() / exact.len() as f64 / variance
    };
    let error = (0..CHIPS).map(of_chip).sum::<f64>() / CHIPS as f64;
    10.0 * (told / error).log10()
}

/// Chips that were drawn tell the error of others to the spread there is among so few.
#[test]
fn the_error_that_is_told_is_that_of_other_chips_and_samples() {
    let off: Vec<f64> = (0..24).map(misjudged).collect();
    let within = off.iter().filter(|db| db.abs() <= 1.0).count();
    assert!(within >= 20 && off.iter().all(|db| db.abs() < 2.0), "{within} of 24 within 1 dB: {off:.2?}");
}
