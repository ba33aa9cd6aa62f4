//! Telegraph noise: what reads of a cell see follows a two-state process in the time of the chip. Oracle: its occupancy and autocorrelation.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::{Precision, Program};
use nmc_runtime::{EngineKind, Results, RunOptions, chips};
use nmc_tests::{ENGINES, codes, values};

const COLS: usize = 40;
const SAMPLES: usize = 2000;

/// Cells that hold half of 100 uS, all read once a sample by a row at full range.
fn text(device: &str, tile: &str, test: &str) -> String {
    let weights = vec!["[0.5]"; COLS].join(", ");
    let ones = vec!["[1]"; SAMPLES].join(", ");
    format!(
        "use std.unit.digital_alu
        device cell {{ levels: ideal; {device} }}
        tile array {{ cells: cell[1, {}]; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns; {tile} }}
        core cim {{ tiles: array[1]; units: digital_alu; buffer: 64 kB }}
        chip board {{ cores: cim }}
        network net(x: real[1]) -> (y: real[{COLS}]) {{ x |> dense([{weights}], within: 1) -> y }}
        experiment e {{ deploy net on board {{ calibrate: [[1]] }}; {test} {{ x: [{ones}] }} measure all = mean(y) }}",
        2 * COLS,
    )
}

fn program(text: &str) -> Program {
    let options = Options { precision: Precision::F64, ..Options::default() };
    let compilation = compile("telegraph.nmc", text, &NoFiles, &options);
    compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics)).programs.remove(0)
}

fn run(text: &str, engine: EngineKind) -> Results {
    let options = RunOptions { seed: 5, engine, threads: 1, memory: 16 << 30, progress: None };
    nmc_runtime::run(&program(text), &options).unwrap()
}

const RANGE: &str = "conductance: 0 S .. 100 uS";
const UNSIGNED: &str = "weights: unsigned; wire: ideal";

fn trap(amplitude: &str, capture: f64, emission: f64) -> String {
    format!("{RANGE}; noise telegraph: trap(amplitude: {amplitude}, capture: {capture:e} s, emission: {emission:e} s)")
}

/// Seconds between samples.
fn interval() -> f64 {
    program(&text(RANGE, UNSIGNED, "test")).costs.initiation_interval_s
}

/// Whether the trap of each cell is filled at each sample.
fn filled(results: &Results, empty: f64, full: f64) -> Vec<bool> {
    let state = |y: &f64| {
        assert!((y - empty).abs() < 1e-9 || (y - full).abs() < 1e-9, "{y} is neither {empty} nor {full}");
        (y - full).abs() < 1e-9
    };
    values(results, "y").iter().map(state).collect()
}

#[test]
fn reads_see_a_two_state_process_in_time() {
    let interval = interval();
    assert!(interval > 0.0);
    for (capture, emission) in [(3.0, 6.0), (20.0, 5.0), (0.5, 0.5)] {
        let device = trap("20 % of g", capture * interval, emission * interval);
        let states = filled(&run(&text(&device, UNSIGNED, "test"), EngineKind::Jit), 0.5, 0.4);
        let (rate, share) = (1.0 / capture + 1.0 / emission, emission / (capture + emission));
        // So many samples tell as much as independent ones.
        let independent = (COLS * SAMPLES) as f64 * (rate / 2.0).tanh();
        let found = states.iter().filter(|filled| **filled).count() as f64 / states.len() as f64;
        assert!((found - share).abs() < 4.0 * (share * (1.0 - share) / independent).sqrt(), "{found} for {share}");
        for lag in [1, 2, 5, 10] {
            let pairs = states.iter().zip(&states[lag * COLS..]);
            let one = |filled: bool| if filled { 1.0 - share } else { -share };
            let sum: f64 = pairs.map(|(a, b)| one(*a) * one(*b)).sum();
            let found = sum / ((SAMPLES - lag) * COLS) as f64 / (share * (1.0 - share));
            let wanted = (-rate * lag as f64).exp();
            assert!((found - wanted).abs() < 6.0 / independent.sqrt(), "{found} for {wanted} at {lag}");
        }
    }
}

/// Two traps of a cell, each by itself; a pair's cells; a column that all are compared with. Oracle: the levels that these can give.
#[test]
fn traps_take_from_their_own_cell() {
    let interval = interval();
    let one = trap("10 uS", 4.0 * interval, 4.0 * interval);
    let two = format!("{}, trap(amplitude: 5 uS, capture: 1 us, emission: 2 us)]", one.replace("trap(", "[trap("));
    let levels = |device: &str, tile: &str| {
        let results = run(&text(device, tile, "test"), EngineKind::Jit);
        let mut levels: Vec<i64> = values(&results, "y").iter().map(|y| (y * 1e4).round() as i64).collect();
        let alike = levels.chunks(COLS).all(|row| row.iter().all(|y| *y == row[0]));
        levels.sort_unstable();
        levels.dedup();
        (levels, alike)
    };
    assert_eq!(levels(&two, UNSIGNED), (vec![3500, 4000, 4500, 5000], false));
    // The minus cell holds 0 S, and nothing can be taken from it.
    assert_eq!(levels(&one, "weights: differential; wire: ideal"), (vec![4000, 5000], false));
    // Cells at three quarters of the range, compared with one at half of it; an ampere is worth twice as much.
    assert_eq!(levels(&one, "weights: reference; wire: ideal"), (vec![3000, 5000, 7000], false));
    assert_eq!(
        levels(&trap("if g > 60 uS then 0 S else 10 uS", 1e-6, 1e-6), "weights: reference; wire: ideal"),
        (vec![5000, 7000], true)
    );
}

/// Traps whose times are long keep their states over the whole run, and each chip has its own.
#[test]
fn slow_traps_stand_still() {
    let device = trap("20 % of g", 1e3, 1e3);
    let results = run(&text(&device, UNSIGNED, "test"), EngineKind::Jit);
    let states = filled(&results, 0.5, 0.4);
    assert!(states.chunks(COLS).all(|row| row == &states[..COLS]));
    let count = states[..COLS].iter().filter(|filled| **filled).count();
    assert!((8..=32).contains(&count), "{count} of {COLS}");
}

/// Samples side by side or one after the other, on either engine, any number of threads: the time of a read alone tells.
#[test]
fn the_state_is_that_of_the_time() {
    let device = trap("20 % of g", 5.0 * interval(), 5.0 * interval());
    let (batches, series) = (text(&device, UNSIGNED, "test"), text(&device, UNSIGNED, "test sequence"));
    let first = values(&run(&batches, EngineKind::Interpreter), "y").to_vec();
    for engine in ENGINES {
        assert_eq!(values(&run(&batches, engine), "y"), first);
        assert_eq!(values(&run(&series, engine), "y"), first);
    }
    let program = program(&batches);
    for threads in [1, 3] {
        let options = RunOptions { seed: 5, engine: EngineKind::Jit, threads, memory: 16 << 30, progress: None };
        let all = chips::run(&program, &options, 2).unwrap();
        assert_eq!(values(&all[0], "y"), first);
        assert!(all[0].metrics != all[1].metrics);
    }
}

/// On wires that resist, and where cells are read one by one, as where neither is. Oracle: the same states at every time.
#[test]
fn wires_and_curves_see_the_same_states() {
    let device = trap("20 % of g", 5.0 * interval(), 5.0 * interval());
    let states = filled(&run(&text(&device, UNSIGNED, "test"), EngineKind::Jit), 0.5, 0.4);
    let curved = format!("{device}; current: g * v");
    for (device, tile) in [(&device, "weights: unsigned; wire: 1 mohm"), (&curved, UNSIGNED)] {
        let results = run(&text(device, tile, "test"), EngineKind::Jit);
        let found: Vec<bool> = values(&results, "y").iter().map(|y| (y - 0.4).abs() < 1e-3).collect();
        // Another array may be read at another pace.
        let share = |states: &[bool]| states.iter().filter(|filled| **filled).count() as f64 / states.len() as f64;
        assert!((share(&found) - share(&states)).abs() < 0.05, "{} {}", share(&found), share(&states));
        assert!(values(&results, "y").iter().all(|y| (y - 0.4).abs() < 1e-3 || (y - 0.5).abs() < 1e-3));
    }
}

#[test]
fn what_a_trap_needs_is_told() {
    let of = |device: &str| codes(&text(&format!("{RANGE}; noise telegraph: {device}"), UNSIGNED, "test"));
    assert_eq!(of("trap(amplitude: 10 uS)"), ["E0207", "E0207"]);
    assert_eq!(of("trap(amplitude: 10 uS, capture: 0 s, emission: 1 s)"), ["E0503"]);
    assert_eq!(of("trap(amplitude: 10 ms, capture: 1 s, emission: 1 s)"), ["E0302"]);
    assert_eq!(of("normal(0, 1 uS)"), ["E0221"]);
}

/// All bits of a position are read before the next, so that positions are as many reads apart. Oracle: the autocorrelation.
#[test]
fn bits_of_a_position_are_read_one_after_the_other() {
    const POSITIONS: usize = 12;
    const BITS: usize = 4;
    let image = |value: &str| format!("[[[{}]]]", [value; POSITIONS].join(", "));
    // The lowest bit alone is driven.
    let shown = vec![image("0.0667"); 200].join(", ");
    let weights = vec!["[[[1]]]"; COLS].join(", ");
    let text = |device: &str| {
        format!(
            "use std.unit.digital_alu
            device cell {{ levels: ideal; {device} }}
            converter bit: bits(1) -> voltage {{ energy: 1 pJ; time: 1 ns }}
            converter sum: current -> bits(16) {{ energy: 2 pJ; time: 1 ns }}
            tile array {{
                cells: cell[1, {COLS}]; weights: unsigned; input: bit_serial(bit(), bits: {BITS}); sense: sum()
                read_voltage: 0.2 V; read_time: 10 ns; wire: ideal
            }}
            core cim {{ tiles: array[1]; units: digital_alu; buffer: 64 kB }}
            chip board {{ cores: cim }}
            network net(x: real[1, 1, {POSITIONS}]) -> (y: real[{COLS}, 1, {POSITIONS}]) {{ x |> conv2d([{weights}]) -> y }}
            experiment e {{
                deploy net on board {{ calibrate: [{}] }}; test {{ x: [{shown}] }} measure all = mean(y)
            }}",
            image("1")
        )
    };
    let known = program(&text(RANGE));
    let read = known.matrices.iter().find_map(|matrix| matrix.cells.as_ref()).unwrap().read_time;
    let results = run(&text(&trap("20 % of g", 10.0 * read, 10.0 * read)), EngineKind::Jit);
    let y = values(&results, "y");
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let variance = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64;
    for lag in [1, 2] {
        let products = |row: &[f64]| row.iter().zip(&row[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
        let pairs = (POSITIONS - lag) * y.len() / POSITIONS;
        let found = y.chunks_exact(POSITIONS).map(products).sum::<f64>() / pairs as f64 / variance;
        let wanted = (-0.2 * (BITS * lag) as f64).exp();
        assert!((found - wanted).abs() < 0.05, "{found} for {wanted} at {lag}");
    }
}

/// Seconds in which the levels of these tests change, in samples.
const TAUS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

fn flicker(sigma: &str) -> String {
    let (from, to) = (TAUS[0] * interval(), TAUS[3] * interval());
    format!("{RANGE}; noise flicker: flicker(sigma: {sigma}, from: {from:e} s, to: {to:e} s)")
}

/// A sum of levels that are drawn anew by chance. Oracle: its covariance, of samples at all distances, and its spectrum, the sum of Lorentzian ones, which
/// is that of 1/f.
#[test]
fn flicker_has_the_spectrum_of_one_over_f() {
    let results = run(&text(&flicker("10 uS"), UNSIGNED, "test"), EngineKind::Jit);
    let y = values(&results, "y");
    let column = |col: usize| -> Vec<f64> { y.iter().skip(col).step_by(COLS).map(|y| y - 0.5).collect() };
    let columns: Vec<Vec<f64>> = (0..COLS).map(column).collect();
    let covariance =
        |lag: usize| TAUS.iter().map(|tau| (-(lag as f64) / tau).exp()).sum::<f64>() / TAUS.len() as f64 * 0.01;
    for lag in [0, 1, 3, 10, 30, 100] {
        let of = |x: &Vec<f64>| x.iter().zip(&x[lag..]).map(|(a, b)| a * b).sum::<f64>() / (SAMPLES - lag) as f64;
        let each: Vec<f64> = columns.iter().map(of).collect();
        let found = each.iter().sum::<f64>() / COLS as f64;
        let spread = each.iter().map(|of| (of - found).powi(2)).sum::<f64>() / (COLS as f64 - 1.0);
        let error = 4.0 * (spread / COLS as f64).sqrt();
        assert!((found - covariance(lag)).abs() < error, "{found} ± {error} for {} at {lag}", covariance(lag));
    }
    // What so many samples show of a frequency.
    let known: Vec<f64> = (0..SAMPLES).map(|lag| (1.0 - lag as f64 / SAMPLES as f64) * covariance(lag)).collect();
    let (mut ratios, mut lines) = (Vec::new(), Vec::new());
    for band in [4..8_usize, 16..32, 64..128, 256..512] {
        let (mut found, mut wanted) = (0.0, 0.0);
        for turn in band.clone().step_by((band.len() / 8).max(1)) {
            let omega = std::f64::consts::TAU * turn as f64 / SAMPLES as f64;
            for x in &columns {
                let of = |part: fn(f64) -> f64| {
                    x.iter().enumerate().map(|(at, x)| x * part(omega * at as f64)).sum::<f64>().powi(2)
                };
                found += (of(f64::cos) + of(f64::sin)) / (SAMPLES * COLS) as f64;
            }
            let terms = known.iter().enumerate().map(|(lag, of)| of * (omega * lag as f64).cos());
            wanted += 2.0 * terms.sum::<f64>() - known[0];
        }
        ratios.push(found / wanted);
        lines.push(found / band.clone().step_by((band.len() / 8).max(1)).count() as f64);
    }
    assert!(ratios.iter().all(|ratio| (ratio - 1.0).abs() < 0.25), "{ratios:?}");
    // Of two bands a factor of sixteen apart, well within the longest and the shortest time.
    let slope = (lines[2] / lines[0]).log2() / 4.0;
    assert!((slope + 1.0).abs() < 0.15, "{slope}");
}

/// Levels belong to the time, on either engine and any number of threads; each cell has its own, in proportion to what it holds; on wires and curves, too.
#[test]
fn flicker_is_that_of_cell_and_time() {
    let device = flicker("10 % of g");
    let (batches, series) = (text(&device, UNSIGNED, "test"), text(&device, UNSIGNED, "test sequence"));
    let first = values(&run(&batches, EngineKind::Interpreter), "y").to_vec();
    for engine in ENGINES {
        assert_eq!(values(&run(&batches, engine), "y"), first);
        assert_eq!(values(&run(&series, engine), "y"), first);
    }
    for threads in [1, 3] {
        let options = RunOptions { seed: 5, engine: EngineKind::Jit, threads, memory: 16 << 30, progress: None };
        let all = chips::run(&program(&batches), &options, 2).unwrap();
        assert_eq!(values(&all[0], "y"), first);
        assert!(all[0].metrics != all[1].metrics);
    }
    let moments = |y: &[f64]| {
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        (mean, (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64).sqrt())
    };
    let (_, spread) = moments(&first);
    assert!((spread / 0.05 - 1.0).abs() < 0.1, "{spread}");
    let curved = format!("{device}; current: g * v");
    for (device, tile) in [(&device, "weights: unsigned; wire: 1 mohm"), (&curved, UNSIGNED)] {
        let found = run(&text(device, tile, "test"), EngineKind::Jit);
        let (_, found) = moments(values(&found, "y"));
        assert!((found / spread - 1.0).abs() < 0.1, "{found} {spread}");
    }
    let of = |device: &str| codes(&text(&format!("{RANGE}; noise flicker: {device}"), UNSIGNED, "test"));
    assert_eq!(of("flicker(sigma: 1 uS)"), ["E0207", "E0207"]);
    assert_eq!(of("flicker(sigma: 1 uS, from: 1 s, to: 1 ms)"), ["E0503"]);
    assert_eq!(of("[flicker(1 uS, 1 ms, 1 s), flicker(1 uS, 1 ms, 1 s)]"), ["E0503"]);
    assert_eq!(of("trap(1 uS, 1 ms, 1 s)"), ["E0221"]);
}
