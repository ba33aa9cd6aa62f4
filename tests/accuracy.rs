//! What arrays cost in accuracy: limits kept or told, noise of reads, and layers that only some arrays can hold.

use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files, NoFiles, Trial};
use nmc_compiler::{Options, Told, compile};
use nmc_program::cost::ObjectiveReport;
use nmc_program::{Program, Tensor, TensorData};
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

/// Samples, and trial runs as the command line gives them.
struct Trials(Arc<DataFile>);

impl Files for Trials {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, _path: &str) -> Result<Arc<DataFile>, FileProblem> {
        Ok(self.0.clone())
    }

    fn trials(&self, program: &Program, seeds: &[u64]) -> Option<Result<Vec<Trial>, String>> {
        let values = |recording: Recording| match recording.values {
            Recorded::Values { data, .. } => Some((recording.name, data)),
            Recorded::Spikes { .. } | Recorded::Synapses { .. } | Recorded::Histogram { .. } => None,
        };
        Some(Ok(seeds
            .iter()
            .map(|&seed| on_seed(program, seed).recordings.into_iter().filter_map(values).collect())
            .collect()))
    }
}

fn on_seed(program: &Program, seed: u64) -> Results {
    let options = RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    nmc_runtime::run(program, &options).unwrap_or_else(|error| panic!("{error:?}"))
}

/// A network of two layers on a chip whose cells and converters err: experiments on no chip, and on it; and so many samples, known and shown.
fn erring(dice: &mut Dice, samples: usize, mildly: bool) -> (String, Trials) {
    let (inputs, hidden, outputs) = (8 + dice.below(20), 6 + dice.below(16), 3 + dice.below(5));
    let cell = dice.one(&[
        "levels: 16",
        "levels: ideal; noise programming: normal(0, 3 % of range)",
        "levels: 32; noise read: normal(0, 2 % of range)",
        "levels: 64; faults: [stuck_on(1 %), stuck_off(2 %)]",
        "levels: ideal; noise programming: normal(0, 2 % of range); noise read: normal(0, 1 % of range)",
    ]);
    let mild = dice.one(&[
        "levels: 256",
        "levels: ideal; noise programming: normal(0, 0.3 % of range)",
        "levels: 256; noise read: normal(0, 0.2 % of range)",
        "levels: ideal; faults: [stuck_on(0.01 %), stuck_off(0.02 %)]",
    ]);
    let weights = dice.one(&["differential", "reference"]);
    let (cell, bits) = if mildly { (mild, dice.one(&[8, 9, 10])) } else { (cell, dice.one(&[4, 5, 6, 8])) };
    let mut layer = |inputs: usize, outputs: usize| {
        let bias = if dice.once_in(2) { format!(", bias: {}", dice.vector(outputs)) } else { String::new() };
        format!("dense({}{bias})", dice.matrix(outputs, inputs))
    };
    let (one, two) = (layer(inputs, hidden), layer(hidden, outputs));
    let function = dice.one(&["relu", "tanh", "sigmoid"]);
    let mut drawn = |name: &str| {
        let values = (0..samples * inputs).map(|_| dice.number(-1.0, 1.0)).collect();
        let shape = vec![samples, inputs];
        (String::from(name), Tensor { name: String::from(name), shape, data: TensorData::F64(values) })
    };
    let labels = Tensor { name: String::new(), shape: vec![samples], data: TensorData::I64(vec![0; samples]) };
    let data = DataFile::of([drawn("known"), drawn("shown"), (String::from("labels"), labels)]);
    let test = "data d = load(\"d.npz\"); test { x: d.shown } expect argmax(y) == d.labels";
    let net = format!(
        "network net(x: real[{inputs}]) -> (y: real[{outputs}]) {{ x |> {one} |> {function} |> {two} -> y }}
experiment exact {{ deploy net; {test} }}
experiment drawn {{ deploy net on made {{ calibrate: d.known }}; {test} }}"
    );
    let tile = format!("cells: cell[16, 32]; weights: {weights}; input: dac(bits: {bits}); sense: sar(bits: {bits})");
    let text = on(&tile, &net)
        .replace("conductance: 10 uS .. 200 uS; levels: ideal }", &format!("conductance: 10 uS .. 200 uS; {cell} }}"))
        .replace("array[4]", "array[12]");
    (text, Trials(Arc::new(data)))
}

/// What a report tells of an erring network, with its outputs on no chip and on others than were drawn for that.
fn judged(
    seed: u64,
    (samples, chips): (usize, u64),
    mildly: bool,
) -> (ObjectiveReport, usize, Vec<f64>, Vec<Vec<f64>>) {
    let (text, trials) = erring(&mut Dice::new(seed), samples, mildly);
    let options = Options { told: Told::DrawnChips, ..Options::default() };
    let compilation = compile("erring.nmc", &text, &trials, &options);
    let image = compilation.image.unwrap_or_else(|| panic!("{seed}: {:#?}\n{text}", compilation.diagnostics));
    let outputs = |program: usize, seed: u64| values(&on_seed(&image.programs[program], seed), "y").to_vec();
    let exact = outputs(0, 1);
    let told = image.programs[1].costs.layout.objective.clone();
    let len = exact.len() / samples;
    (told, len, exact, (0..chips).map(|chip| outputs(1, 100 + chip)).collect())
}

/// How far the error a report tells is from that of other chips on other samples, in decibels.
fn misjudged(seed: u64) -> f64 {
    let (told, _, exact, drawn) = judged(seed, (64, 48), false);
    let mean = exact.iter().sum::<f64>() / exact.len() as f64;
    let variance = exact.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / exact.len() as f64;
    let of_chip = |drawn: &Vec<f64>| {
        let squares = drawn.iter().zip(&exact).map(|(y, exact)| (y - exact).powi(2));
        squares.sum::<f64>() / exact.len() as f64 / variance
    };
    let error = drawn.iter().map(of_chip).sum::<f64>() / drawn.len() as f64;
    10.0 * (told.error_variance / error).log10()
}

/// Chips that were drawn tell the error of others to the spread there is among so few.
#[test]
fn the_error_that_is_told_is_that_of_other_chips_and_samples() {
    let off: Vec<f64> = (0..24).map(misjudged).collect();
    let within = off.iter().filter(|db| db.abs() <= 1.0).count();
    assert!(within >= 20 && off.iter().all(|db| db.abs() < 2.0), "{within} of 24 within 1 dB: {off:.2?}");
}

/// Likewise the share of answers that are lost, in points.
#[test]
fn the_loss_that_is_told_is_that_of_other_chips_and_samples() {
    const SAMPLES: usize = 4000;
    let of_network = |seed: u64| {
        let (told, len, exact, drawn) = judged(seed, (SAMPLES, 20), true);
        let answers = |outputs: &[f64]| -> Vec<usize> {
            let largest = |row: &[f64]| (0..row.len()).rev().max_by(|a, b| row[*a].total_cmp(&row[*b]));
            outputs.chunks(len).filter_map(largest).collect()
        };
        let right = answers(&exact);
        let lost = |drawn: &Vec<f64>| {
            let wrong = answers(drawn).iter().zip(&right).filter(|(one, other)| one != other).count();
            100.0 * wrong as f64 / SAMPLES as f64
        };
        let mean = drawn.iter().map(lost).sum::<f64>() / drawn.len() as f64;
        (100.0 * told.accuracy_loss.unwrap() - mean, mean)
    };
    let all: Vec<(f64, f64)> = (0..20).map(of_network).collect();
    let within = all.iter().filter(|(off, _)| off.abs() <= 0.5).count();
    // 4,000 samples tell a loss of 1 % to 0.16, one of 25 % to 0.7.
    let near = all.iter().all(|(off, lost)| off.abs() <= 0.6 + 0.05 * lost);
    assert!(within >= 17 && near, "{within} of 20 within 0.5 points: {all:.2?}");
}

/// The numbers of bits are chosen layer by layer. Oracle: every chip with converters of one width, and one that lists all widths beside each other.
#[test]
fn widths_are_the_cheapest_that_keep_the_limit() {
    let mut dice = Dice::new(11);
    let mut matrix = |rows: usize, cols: usize| -> Vec<Vec<f64>> {
        (0..rows).map(|_| (0..cols).map(|_| (dice.number(-1.0, 1.0) * 1e3).round() / 1e3).collect()).collect()
    };
    let (first, second, samples) = (matrix(8, 8), matrix(4, 8), matrix(96, 8));
    let product = |w: &[Vec<f64>], x: &[f64]| -> Vec<f64> {
        w.iter().map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
    };
    let label = |x: &Vec<f64>| {
        let hidden: Vec<f64> = product(&first, x).into_iter().map(|h| h.max(0.0)).collect();
        let y = product(&second, &hidden);
        (0..4).max_by(|a, b| y[*a].total_cmp(&y[*b])).unwrap()
    };
    let labels: Vec<usize> = samples.iter().map(label).collect();
    let net = format!(
        "converter fine(bits: int): current -> bits(bits) {{ energy: 10 fJ * 2^bits; area: 10 um2 * 2^bits; time: 1 ns }}
network net(x: real[8]) -> (y: real[4]) {{ x |> dense({first:?}) |> relu |> dense({second:?}) -> y }}
experiment e {{
    deploy net on made {{ accuracy_loss: 4 %; calibrate: x }}
    data x = {samples:?}
    test {{ x: x }} expect argmax(y) == {labels:?}
}}"
    );
    let design = |sense: &str| {
        let tile = format!("cells: cell[8, 16]; weights: differential; input: ideal; sense: {sense}; sharing: 16");
        let image = compile("widths.nmc", &on(&tile, &net), &NoFiles, &Options::default()).image?;
        Some(image.programs[0].costs.clone())
    };
    let each: Vec<String> = (2..=9).map(|bits| format!("fine(bits: {bits})")).collect();
    let (chosen, listed) = (design("fine(bits: 2..9)").unwrap(), design(&each.join(" or ")).unwrap());
    let value = chosen.layout.objective.value;
    assert_eq!(value, listed.layout.objective.value);
    let fixed: Vec<Option<f64>> = each.iter().map(|sense| Some(design(sense)?.layout.objective.value)).collect();
    assert!(fixed[0].is_none() && fixed.iter().flatten().count() > 1, "{fixed:?}");
    assert!(fixed.iter().flatten().all(|fixed| value <= *fixed), "{value} {fixed:?}");
    // The first layer converts 8 sums, the second 4.
    let bits = |conversions: f64| {
        let found = chosen
            .conversions
            .inserted
            .iter()
            .find(|(name, count)| name.starts_with("fine") && (*count == conversions || *count == 12.0));
        found.and_then(|(name, _)| name[5..name.len() - 1].parse::<i32>().ok())
    };
    let (Some(one), Some(two)) = (bits(8.0), bits(4.0)) else { panic!("{:?}", chosen.conversions.inserted) };
    // Two of four tiles are used, each has one converter; those that are not used have the coarsest.
    let area = |costs: &nmc_program::Costs| {
        let adc = costs.layout.area_mm2.iter().find(|(kind, _)| *kind == nmc_program::ComponentKind::Adc);
        adc.map_or(0.0, |(_, mm2)| 1e6 * mm2)
    };
    let wanted = 10.0 * (2_f64.powi(one) + 2_f64.powi(two) + 2.0 * 4.0);
    assert!((area(&chosen) - wanted).abs() < 1e-6, "{} for {wanted}", area(&chosen));
    // All of 4 to 512 steps, in all four.
    assert!((area(&listed) - 4.0 * 10.0 * 1020.0).abs() < 1e-6, "{}", area(&listed));
    let reasons: Vec<&str> = chosen.layout.wires.iter().map(|wire| wire.reason.as_str()).collect();
    let told = format!("fine({one}) of fine(2) to fine(9): ");
    assert!(reasons.iter().any(|reason| reason.contains(&told)), "{reasons:?}");
    // What a range cannot be.
    let wrong = |sense: &str| codes(&on(&format!("cells: cell[8, 16]; input: ideal; sense: {sense}"), &net));
    assert_eq!(wrong("fine(bits: 6..4)"), ["E0503"]);
    assert_eq!(wrong("fine(bits: 4.5..6)"), ["E0303"]);
    assert_eq!(wrong("fine(bits: 1..60)"), ["E0503"]);
}
