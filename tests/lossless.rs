//! Ideal means lossless: with ideal cells and converters the mapped network gives what the unmapped one gives, whatever the size of
//! the arrays and however weights are held; what is not ideal does not.

use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_program::{Tensor, TensorData};
use nmc_runtime::EngineKind;
use nmc_tests::{ENGINES, run, values};

/// One file with weights and samples of both signs.
struct Weights;

impl Files for Weights {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        let array = |name: &str, shape: &[usize], step: usize| {
            let len = shape.iter().product();
            let values = (0..len).map(|index: usize| ((index * step % 101) as f64 - 50.0) / 50.0).collect();
            let (name, shape) = (name.to_string(), shape.to_vec());
            (name.clone(), Tensor { name, shape, data: TensorData::F64(values) })
        };
        match path {
            "layers.npz" => {
                let wide = array("wide", &[13, 20], 37);
                let arrays =
                    vec![wide, array("bias", &[13], 29), array("narrow", &[7, 17], 43), array("x", &[6, 4, 5], 61)];
                Ok(Arc::new(DataFile::of(arrays)))
            }
            _ => Err(FileProblem::NotFound(format!("there is no file {path}"))),
        }
    }
}

/// Layers of every kind: on no hardware, and on a chip of `tile`s.
fn program(tile: &str) -> String {
    format!(
        r#"
use std.device.ideal_cell
use std.unit.digital_alu
use std.converter.{{dac, pulse_width, sar}}

device noisy {{ conductance: 1 uS .. 100 uS; levels: ideal; noise read: normal(0, 2 % of g) }}
tile array {{ {tile}; read_voltage: 0.2 V; read_time: 10 ns; wire: ideal }}
core tiles {{ tiles: array[4]; units: digital_alu[4]; buffer: 64 kB }}
chip mapped_on {{
    cores: grid(8, 8) of tiles
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
}}

network layers(x: real[4, 5]) -> (y: real[7], z: real[4]) {{
    w = load("layers.npz")
    flat = x |> flatten
    one = flat |> dense(w["wide"], bias: w["bias"]) |> relu
    two = flat |> dense(w["wide"]) |> tanh
    concat(one, two[0..4]) |> dense(w["narrow"]) -> y
    (one - two |> scale(0.5) |> sigmoid)[3..7] |> reshape(4) -> z
}}

experiment exact {{
    deploy layers
    data d = load("layers.npz")
    test {{ x: d.x }} measure m = mean(y)
}}
experiment mapped {{
    deploy layers on mapped_on
    data d = load("layers.npz")
    test {{ x: d.x }} measure m = mean(y)
}}
"#
    )
}

/// The outputs of all samples, on no hardware and mapped.
fn outputs(tile: &str, engine: EngineKind) -> [Vec<f64>; 2] {
    let results = run(tile, &program(tile), &Weights, engine);
    [0, 1].map(|experiment| [values(&results[experiment], "y"), values(&results[experiment], "z")].concat())
}

/// The largest difference; outputs are of the order of one.
fn difference(tile: &str, engine: EngineKind) -> f64 {
    let [exact, mapped] = outputs(tile, engine);
    assert_eq!((exact.len(), mapped.len()), (6 * 11, 6 * 11));
    exact.iter().zip(&mapped).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Weights with an offset, driven at once by inputs of both signs: sums of columns go below 0. And ranges are those of all outputs, however many
/// samples there are: every so many values are of one output. Oracle: the weights times the inputs.
#[test]
fn ranges_hold_all_outputs_and_signs() {
    let chip = |weights: &str| {
        format!(
            "device c {{ conductance: 0 uS .. 40 uS; levels: ideal }}
            converter d: bits(14) -> voltage {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
            converter a: current -> bits(18) {{ energy: 2 pJ; area: 100 um2; time: 10 ns }}
            unit u: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 10 um2; time: 1 ns }}
            tile t {{ cells: c[8, 8]; weights: {weights}; input: d(); sense: a(); read_voltage: 0.2 V; read_time: 10 ns }}
            core k {{ tiles: t[1]; units: [u]; buffer: 1 kB }}
            chip q {{ cores: grid(1, 1) of k; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit); host: spi(energy: 1 pJ per bit, time: 0.1 ns) }}"
        )
    };
    for weights in ["offset", "differential", "reference"] {
        for samples in [2, 500, 1024, 1200] {
            let x: Vec<f64> =
                (0..samples).map(|n| (n * 619 % samples) as f64 / (samples - 1) as f64 * 2.0 - 1.0).collect();
            let shown = format!("[{}]", x.iter().map(|x| format!("[{x}]")).collect::<Vec<_>>().join(", "));
            let text = format!(
                "{}
network n(x: real[1]) -> (y: real[2]) {{ x |> dense([[0.1], [-1]]) -> y }}
                experiment e {{ deploy n on q {{ calibrate: {shown} }}; test {{ x: {shown} }} measure m = mean(y) }}",
                chip(weights)
            );
            let results = run(weights, &text, &Weights, EngineKind::Jit);
            let wrong =
                values(&results[0], "y").chunks(2).zip(&x).map(|(y, x)| (y[0] - 0.1 * x).abs().max((y[1] + x).abs()));
            let most = wrong.fold(0.0, f64::max);
            assert!(most < 1e-3, "{weights}, {samples} samples: {most}");
        }
    }
}

#[test]
fn ideal_arrays_lose_nothing() {
    for size in ["2, 4", "3, 8", "8, 3", "16, 64", "20, 26", "128, 128"] {
        for weights in ["differential", "reference"] {
            for engine in ENGINES {
                let tile = format!("cells: ideal_cell[{size}]; weights: {weights}; input: ideal; sense: ideal");
                let lost = difference(&tile, engine);
                assert!(lost < 1e-12, "{tile}: {lost}");
            }
        }
    }
}

#[test]
fn what_is_not_ideal_loses_something_in_its_measure() {
    let ideal = "cells: ideal_cell[8, 16]; weights: differential";
    let lost = |tile: &str| difference(tile, EngineKind::Jit);
    // Half a step of the sense circuit's range of some units: 8 bits some hundredths, 12 bits sixteen times less.
    let of_bits = |bits: u32| lost(&format!("{ideal}; input: ideal; sense: sar(bits: {bits})"));
    assert!((1e-3..0.3).contains(&of_bits(8)), "{}", of_bits(8));
    assert!(of_bits(12) < of_bits(8) / 4.0, "{}", of_bits(12));
    for drive in ["pulse_width", "dac"] {
        let of_bits = |bits: u32| lost(&format!("{ideal}; input: {drive}(bits: {bits}); sense: ideal"));
        assert!((1e-3..0.3).contains(&of_bits(8)), "{drive}: {}", of_bits(8));
        assert!(of_bits(12) < of_bits(8) / 4.0, "{drive}: {}", of_bits(12));
    }
    let noisy = lost("cells: noisy[8, 16]; weights: differential; input: ideal; sense: ideal");
    assert!((1e-3..1.0).contains(&noisy), "{noisy}");
}

#[test]
fn transposed_weights_are_swapped() {
    let text = "
network net(x: real[2]) -> (y: real[3]) { x |> dense(transpose([[1, 2, 3], [4, 5, 6]])) -> y }
experiment e { deploy net; test { x: [[1, 10]] } measure m = mean(y) }
";
    for engine in ENGINES {
        assert_eq!(values(&run("transposed.nmc", text, &Weights, engine)[0], "y"), [41.0, 52.0, 63.0]);
    }
}
