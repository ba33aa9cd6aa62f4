//! The fast model of read noise, one draw for each column, beside drawing every cell for each read: for every device of the library that has such noise.

use nmc_compiler::files::NoFiles;
use nmc_runtime::EngineKind;
use nmc_tests::alike::{assert_alike, column, covariance};
use nmc_tests::values;

const READS: usize = 4000;
const ROWS: usize = 12;
const COLS: usize = 5;

/// Blocks of the library's devices with read noise, by name.
fn noisy() -> Vec<(&'static str, &'static str)> {
    let text = nmc_stdlib::module(&["std", "device"]).unwrap();
    let blocks = text.split("\ndevice ").skip(1).map(|rest| rest.split("\n}").next().unwrap());
    let named = blocks.map(|block| (block.split(['(', ' ']).next().unwrap(), block));
    named.filter(|(_, block)| block.contains("noise read:")).collect()
}

/// Outputs of so many reads of an array of these cells.
fn reads(device: &str, block: &str, weights: &str, after: &str, lines: &str) -> Vec<f64> {
    let numbers = |row: usize, of: usize| {
        let each = (0..of).map(|at| format!("{}", ((row * 7 + at * 5) % 11) as f64 / 5.0 - 1.0));
        format!("[{}]", each.collect::<Vec<_>>().join(", "))
    };
    let matrix: Vec<String> = (0..COLS).map(|col| numbers(col, ROWS)).collect();
    let input = numbers(3, ROWS);
    let text = format!(
        "device {block}
}}
tile array {{
    cells: {device}[32, 32]; weights: {weights}; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 100 ns{lines}
}}
unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0 J; area: 0 m2; time: 1 ns }}
core one {{ tiles: array[1]; units: logic }}
chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
network net(x: real[{ROWS}]) -> (y: real[{COLS}]) {{ x |> dense([{}]) -> y }}
experiment e {{
    deploy net on board {{ calibrate: [{input}]; after: {after} }}
    test {{ x: [{}] }} measure m = sum(y)
}}",
        matrix.join(", "),
        vec![input.clone(); READS].join(", ")
    );
    let results = nmc_tests::run("read", &text, &NoFiles, EngineKind::Jit).remove(0);
    values(&results, "y").to_vec()
}

/// Each device on ideal lines, and on lines with so little resistance that they are ideal, where every cell is drawn for every read. Of one chip, a second and a day
/// after programming. Oracle: cross; and a read tells nothing of the next.
#[test]
fn read_noise_of_every_device_is_that_of_its_cells() {
    let devices = noisy();
    assert!(devices.len() >= 5, "{devices:?}");
    for (device, block) in devices {
        for (weights, after) in [("differential", "1 s"), ("differential", "1 day"), ("offset", "1 day")] {
            let [fast, sampled] =
                ["", "; driver_resistance: 1e-3 ohm"].map(|lines| reads(device, block, weights, after, lines));
            assert_ne!(fast, sampled);
            assert_alike(&fast, &sampled, COLS, &format!("{device}, {weights}, after {after}"));
            for of in [&fast, &sampled] {
                let first = column(of, COLS, 0);
                let next = covariance(&first[1..], &first[..READS - 1]) / covariance(&first, &first);
                assert!(next.abs() < 5.0 / (READS as f64).sqrt(), "{device}: {next} from read to read");
            }
        }
    }
}
