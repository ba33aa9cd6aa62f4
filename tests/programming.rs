//! Programming of cells pulse by pulse, against plain loops written here, and phase-change memory against AIHWKIT's own numbers.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_grammar::codes::Code;
use nmc_program::{ComponentKind, Precision};
use nmc_runtime::{EngineKind, Results, RunOptions};
use nmc_tests::dice::Dice;
use nmc_tests::{ENGINES, codes, nested, numbers, product, run, told, values};

/// One layer without a bias on unsigned cells, whose outputs are the conductances of its one row in microsiemens.
fn cells(device: &str, targets: &[f64], test: &str) -> String {
    let rows = targets.iter().map(|target| format!("[{target}]")).collect::<Vec<_>>().join(", ");
    format!(
        "device cell {{ {device} }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[1, {0}]; weights: unsigned; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns
            wire: ideal
        }}
        core cim {{ tiles: array[1]; units: logic; buffer: 1024 kB }}
        chip board {{ cores: cim }}
        network n(x: real[1]) -> (y: real[{0}]) {{ x |> dense([{rows}], within: 100) -> y }}
        experiment e {{ deploy n on board {{ calibrate: [[1]]; {test} }} measure m = mean(y) }}",
        targets.len()
    )
}

/// Its cells rise from 0 to 100 uS.
const RANGE: &str = "conductance: 0 uS .. 100 uS; levels: ideal";

fn microsiemens(device: &str, targets: &[f64], engine: EngineKind) -> (Results, Vec<f64>) {
    let text = cells(device, targets, "}; test { x: [[1]]");
    let results = run("programming", &text, &NoFiles, engine).remove(0);
    let held = values(&results, "y").to_vec();
    (results, held)
}

/// Targets over the whole range.
fn targets(count: usize) -> Vec<f64> {
    (0..count).map(|n| 100.0 * n as f64 / (count - 1) as f64).collect()
}

#[test]
fn verified_cells_get_pulses_until_they_hold_what_was_asked_for() {
    let device = format!(
        "{RANGE}; potentiation: 0.1 * (g_max - g); depression: 0.05 * g
        programming: write_verify(tolerance: 2 uS, pulses: 30, pulse_energy: 3 pJ, pulse_time: 50 ns)"
    );
    let targets = targets(101);
    // The same as a plain loop: up by a tenth of what is missing, down by a twentieth.
    let (mut pulses, mut missed, mut wanted) = (0, 0, Vec::new());
    let mut seen = Vec::new();
    for target in &targets {
        let (mut g, mut given) = (0.0, 0);
        seen.push(g);
        while f64::abs(g - target) > 2.0 && given < 30 {
            g += if g < *target { 0.1 * (100.0 - g) } else { -0.05 * g };
            given += 1;
            seen.push(g);
        }
        pulses += given;
        missed += usize::from(f64::abs(g - target) > 2.0);
        wanted.push(g);
    }
    assert!(missed > 0 && missed < 50, "{missed}: of both sorts there should be some");
    for engine in ENGINES {
        let (results, held) = microsiemens(&device, &targets, engine);
        for (held, wanted) in held.iter().zip(&wanted) {
            assert!((held - wanted).abs() < 1e-9, "{held} {wanted}");
        }
        let [programmed] = &results.programmed[..] else { panic!("{:?}", results.programmed) };
        assert_eq!((programmed.cells, programmed.pulses, programmed.missed), (101, f64::from(pulses), missed));
        // Each cell is read before its first pulse and after each: at 0.2 V for 10 ns.
        assert_eq!(programmed.reads, seen.len() as f64);
        let seconds = f64::from(pulses) * 50e-9 + seen.len() as f64 * 10e-9;
        assert!((programmed.seconds / seconds - 1.0).abs() < 1e-12);
        let joules = results.energy_j.iter().find(|(kind, _)| *kind == ComponentKind::Programming).unwrap().1;
        let reads = seen.iter().sum::<f64>() * 1e-6 * 0.04 * 10e-9;
        assert!((joules / (f64::from(pulses) * 3e-12 + reads) - 1.0).abs() < 1e-9);
        let errors: Vec<f64> = wanted.iter().zip(&targets).map(|(held, asked)| 1e-6 * (held - asked)).collect();
        let mean = errors.iter().sum::<f64>() / 101.0;
        assert!((programmed.error - mean).abs() < 1e-15);
        let in_bin = |bin: usize| {
            let (low, high) = (-1e-5 + 5e-7 * (bin as f64 - 1.0), -1e-5 + 5e-7 * bin as f64);
            let inside = |error: &&f64| **error >= low - 1e-13 && **error < high - 1e-13;
            errors.iter().filter(inside).count() as u64
        };
        assert_eq!(programmed.histogram.iter().sum::<u64>(), 101);
        for bin in 1..41 {
            assert!(programmed.histogram[bin].abs_diff(in_bin(bin)) <= 1, "{bin}: {:?}", programmed.histogram);
        }
    }
}

#[test]
fn without_reading_cells_get_the_pulses_that_a_plain_one_would_need() {
    let device = format!(
        "{RANGE}; strength = normal(1, 0.1); potentiation: 0.1 * strength * (g_max - g)
        programming: open_loop(pulses: 30, pulse_energy: 3 pJ)"
    );
    let targets: Vec<f64> = (0..4000).map(|n| 90.0 * f64::from(n % 10) / 9.0).collect();
    let (results, held) = microsiemens(&device, &targets, EngineKind::Jit);
    // After n pulses a plain cell holds 1 - 0.9^n of the range.
    let count = |target: f64| {
        let left = |n: &i32| (100.0 * (1.0 - 0.9_f64.powi(*n)) - target).abs();
        (0..=30).min_by(|a, b| left(a).total_cmp(&left(b))).unwrap()
    };
    let pulses: i32 = targets.iter().map(|target| count(*target)).sum();
    assert_eq!(results.programmed[0].pulses, f64::from(pulses));
    // Cells that are stronger or weaker by a tenth lie around it: by chance as an independent drawing of them does.
    let mut dice = Dice::new(7);
    let mut normal = || normal(&mut dice);
    for level in 1..10 {
        let target = 90.0 * f64::from(level) / 9.0;
        let ours: Vec<f64> = held.iter().skip(level as usize).step_by(10).copied().collect();
        let theirs: Vec<f64> =
            (0..4000).map(|_| 100.0 * (1.0 - (0.9 - 0.1 * 0.1 * normal()).powi(count(target)))).collect();
        let (mean, spread) = moments(&ours);
        let (wanted, wanted_spread) = moments(&theirs);
        assert!((mean - wanted).abs() < 4.0 * wanted_spread / 20.0, "{target}: {mean} {wanted}");
        assert!((spread / wanted_spread - 1.0).abs() < 0.2, "{target}: {spread} {wanted_spread}");
    }
}

/// By Box and Muller.
fn normal(dice: &mut Dice) -> f64 {
    let mut unit = || (dice.below(1 << 53) as f64 + 0.5) / (1_u64 << 53) as f64;
    (-2.0 * unit().ln()).sqrt() * (std::f64::consts::TAU * unit()).cos()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
}

/// Pulses with noise, verified by reads with noise: how many pulses they take and where they end, against a plain simulation.
#[test]
fn noise_of_pulses_and_of_verifying_decides_how_many_are_needed() {
    let device = format!(
        "{RANGE}; potentiation: 4 uS; depression: 4 uS; noise pulse: normal(0, 50 % of step)
        noise read: normal(0, 1 uS * exp(-t / 1 us))
        programming: write_verify(tolerance: 1.5 uS, pulses: 1000)"
    );
    let text = cells(&device, &vec![60.0; 6000], "after: 1 s }; test { x: [[1]]");
    let results = run("noisy", &text, &NoFiles, EngineKind::Jit).remove(0);
    let ours = moments(values(&results, "y"));
    let mut dice = Dice::new(3);
    let mut normal = || normal(&mut dice);
    let (mut held, mut pulses) = (Vec::new(), 0.0);
    for _ in 0..20_000 {
        let mut g: f64 = 0.0;
        loop {
            let seen = g + normal();
            if (seen - 60.0).abs() <= 1.5 {
                break;
            }
            let way = if seen < 60.0 { 1.0 } else { -1.0 };
            g = (g + way * 4.0 + 2.0 * normal()).clamp(0.0, 100.0);
            pulses += 1.0;
        }
        held.push(g);
    }
    let theirs = moments(&held);
    assert!((ours.0 - theirs.0).abs() < 0.1, "{ours:?} {theirs:?}");
    assert!((ours.1 / theirs.1 - 1.0).abs() < 0.05, "{ours:?} {theirs:?}");
    let mean = results.programmed[0].pulses / 6000.0;
    assert!((mean / (pulses / 20_000.0) - 1.0).abs() < 0.03, "{mean} {}", pulses / 20_000.0);
}

/// A cell that is stuck takes all pulses, unless it holds what is asked for.
#[test]
fn stuck_cells_take_pulses_in_vain() {
    let device = format!(
        "{RANGE}; potentiation: 10 uS; depression: 10 uS; faults: [stuck_on(25 %), stuck_off(25 %)]
        programming: write_verify(tolerance: 1 uS, pulses: 50)"
    );
    let asked: Vec<f64> = (0..4000).map(|n| [0.0, 50.0, 100.0, 30.0][n % 4]).collect();
    let (results, held) = microsiemens(&device, &asked, EngineKind::Jit);
    let wrong = held.iter().zip(&asked).filter(|(held, asked)| (*held - *asked).abs() > 1.0).count();
    let programmed = &results.programmed[0];
    assert!((1300..1700).contains(&wrong), "a quarter of the ends and half of the middle: {wrong}");
    assert_eq!((programmed.missed, programmed.most), (wrong, 50));
    let right: f64 = held.iter().zip(&asked).filter(|(held, asked)| held == asked).map(|(held, _)| held / 10.0).sum();
    let stuck_on_at_top = held.iter().zip(&asked).filter(|(held, asked)| **asked == 100.0 && held == asked).count();
    let at_most = right + 50.0 * wrong as f64;
    assert!(programmed.pulses <= at_most && programmed.pulses >= at_most - 10.0 * stuck_on_at_top as f64);
}

#[test]
fn programming_that_cannot_be_is_told() {
    let with = |device: &str| codes(&cells(&format!("{RANGE}; {device}"), &[1.0, 2.0], "}; test { x: [[1]]"));
    assert!(with("programming: write_verify(pulses: 8)").is_empty());
    assert!(with("programming: one_shot(pulse_energy: 1 pJ)").is_empty());
    for (device, code) in [
        ("programming: open_loop(pulses: 8)", "E0503"),
        ("programming: write_verify(tolerance: 1 uS, pulses: 8)", "E0503"),
        ("programming: write_verify(tolerance: 1 uS); potentiation: 1 uS", "E0503"),
        ("programming: open_loop(pulses: 8, tolerance: 1 uS); potentiation: 1 uS", "E0206"),
        ("programming: hope(pulses: 8)", "E0221"),
    ] {
        assert!(with(device).contains(&code), "{device}: {:?}", with(device));
    }
}

/// Mean and spread of programmed conductances, of the drift exponent, of drifted conductances and of read noise within 2 % of AIHWKIT 1.1's model of
/// phase-change memory, sampled a million times for each of 20 conductances (`reference/data/pcm_aihwkit.csv`, which counts time from 20 s on).
#[test]
fn phase_change_memory_is_aihwkits() {
    let reference: Vec<Vec<f64>> = include_str!("reference/data/pcm_aihwkit.csv")
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|number| number.parse().unwrap()).collect())
        .collect();
    assert_eq!(reference.len(), 20);
    let library = nmc_stdlib::module(&["std", "device"]).unwrap();
    let start = library.find("device pcm {").unwrap() + "device pcm {".len();
    let pcm = &library[start..start + library[start..].find("\n}").unwrap()];
    let quiet: String = pcm.lines().filter(|line| !line.contains("noise read")).collect::<Vec<_>>().join("\n");
    const CELLS: usize = 4096;
    const CHIPS: usize = 10;
    const READS: usize = 4;
    let shown = ["[1]"; READS].join(", ");
    // By time and read, of every cell of ten chips.
    let drawn = |device: &str, target: f64, shown: &str, after: &str| -> Vec<Vec<f64>> {
        // The layer's largest weight takes the cell's range.
        let text = cells(device, &vec![target; CELLS], &format!("after: [{after}] }}; test {{ x: [{shown}]"));
        let text = text.replace("within: 100", "within: 25");
        let options = Options { precision: Precision::F32, ..Options::default() };
        let compilation = compile("pcm", &text, &NoFiles, &options);
        let image = compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for seed in 0..CHIPS as u64 {
            let options = RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
            let results = nmc_runtime::run(&image.programs[0], &options).unwrap();
            for (row, held) in values(&results, "y").chunks(CELLS).enumerate() {
                if rows.len() <= row {
                    rows.push(Vec::new());
                }
                rows[row].extend(held);
            }
        }
        rows
    };
    let mut worst = 0.0_f64;
    for of in &reference {
        let target = of[0];
        let quiet = drawn(&quiet, target, "[1]", "20 s, 21 s, 3620 s, 86420 s");
        let noisy = drawn(pcm, target, &shown, "21 s, 3620 s, 86420 s");
        assert_eq!((quiet.len(), noisy.len()), (4, 3 * READS));
        let nu: Vec<f64> = quiet[0]
            .iter()
            .zip(&quiet[3])
            .filter(|(g, _)| **g > 0.0)
            .map(|(g, d)| (g / d).ln() / 4321.0_f64.ln())
            .collect();
        let mut ours = Vec::from(<[f64; 2]>::from(moments(&quiet[0])));
        ours.extend(<[f64; 2]>::from(moments(&nu)));
        for (time, drifted) in quiet[1..].iter().enumerate() {
            ours.extend(<[f64; 2]>::from(moments(drifted)));
            // Of each cell about its own mean.
            let reads = &noisy[time * READS..(time + 1) * READS];
            let variance = |cell: usize| {
                let own: Vec<f64> = reads.iter().map(|read| read[cell]).collect();
                moments(&own).1.powi(2) * READS as f64 / (READS - 1) as f64
            };
            let all = CELLS * CHIPS;
            ours.push(((0..all).map(variance).sum::<f64>() / all as f64).sqrt());
        }
        for (column, (ours, theirs)) in ours.iter().zip(&of[1..]).enumerate() {
            worst = worst.max((ours / theirs - 1.0).abs());
            assert!((ours / theirs - 1.0).abs() < 0.02, "{target} uS, column {}: {ours} {theirs}", column + 1);
        }
    }
    println!("at most {:.2} % off", 100.0 * worst);
}

/// A property that stands in the wrong block is told where it belongs.
#[test]
fn programming_is_a_property_of_devices() {
    let text = "tile array { cells: std.device.hfox_1t1r[8, 8]; input: ideal; sense: ideal; programming: one_shot() }";
    let found = told(text).into_iter().find(|told| told.code == Code::E0501).unwrap();
    assert_eq!(found.help.as_deref(), Some("`programming` is a property of a device"));
}

/// What raises the voltage of arrays that drifted: where all cells lose alike all is made up for, and nowhere does it make weights worse, be they pairs or
/// compared with one column whose cells drift, too. Oracle: the product of weights and inputs, over ten chips.
#[test]
fn compensation_for_drift_brings_weights_nearer() {
    const INPUTS: usize = 48;
    const OUTPUTS: usize = 16;
    const SAMPLES: usize = 20;
    let (weights, inputs) = (numbers(1, OUTPUTS * INPUTS), numbers(2, SAMPLES * INPUTS));
    let wanted: Vec<f64> = inputs.chunks(INPUTS).flat_map(|x| product(&weights, x)).collect();
    let square = |y: &[f64]| y.iter().map(|y| y * y).sum::<f64>();
    let error = |device: &str, scheme: &str, compensated: &str| -> f64 {
        let text = format!(
            "use std.unit.digital_alu
            use std.device.pcm
            device alike {{ conductance: 1 uS .. 20 uS; levels: ideal; drift: if t > 1 s then 0.6 * g else g }}
            tile array {{
                cells: {device}[{INPUTS}, {}]; weights: {scheme}; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns
                wire: ideal
            }}
            core cim {{ tiles: array[1]; units: digital_alu; buffer: 64 kB }}
            chip board {{ cores: cim }}
            network net(x: real[{INPUTS}]) -> (y: real[{OUTPUTS}]) {{ x |> dense({}) -> y }}
            experiment e {{
                deploy net on board {{ calibrate: {shown}; after: 1 day{compensated} }}
                test {{ x: {shown} }} measure all = mean(y)
            }}",
            2 * OUTPUTS + 1,
            nested(&weights, &[OUTPUTS, INPUTS]),
            shown = nested(&inputs, &[SAMPLES, INPUTS]),
        );
        let image = compile("drift.nmc", &text, &NoFiles, &Options::default()).image.unwrap();
        let one = |seed| {
            let options = RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
            let results = nmc_runtime::run(&image.programs[0], &options).unwrap();
            let apart: Vec<f64> = values(&results, "y").iter().zip(&wanted).map(|(y, wanted)| y - wanted).collect();
            square(&apart) / square(&wanted)
        };
        (1..=10).map(one).sum::<f64>() / 10.0
    };
    for scheme in ["differential", "reference"] {
        let [left, made_up] = ["", "; compensate: drift"].map(|compensated| error("alike", scheme, compensated));
        assert!((left - 0.16).abs() < 1e-3 && made_up < 1e-9, "{scheme}: {left} {made_up}");
        let [left, made_up] = ["", "; compensate: drift"].map(|compensated| error("pcm", scheme, compensated));
        assert!(made_up < left * if scheme == "differential" { 0.3 } else { 1.0 }, "{scheme}: {left} {made_up}");
    }
}
