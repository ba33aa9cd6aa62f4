//! Passive arrays while their cells are written: what half-selected cells do and take, against plain loops written here and sums by hand.

use nmc_compiler::files::NoFiles;
use nmc_program::ComponentKind;
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{ENGINES, codes, run, told, values};

/// A layer on unsigned cells of 0 to 100 uS: each row is driven alone, so that what comes out are conductances in microsiemens.
fn array(device: &str, tile: &str, asked: &[Vec<f64>]) -> String {
    let (rows, cols) = (asked.len(), asked[0].len());
    let list = |all: Vec<f64>| format!("[{}]", all.iter().map(f64::to_string).collect::<Vec<_>>().join(", "));
    let weights: Vec<String> = (0..cols).map(|col| list(asked.iter().map(|row| row[col]).collect())).collect();
    let one = |at: usize| list((0..rows).map(|row| f64::from(u8::from(row == at))).collect());
    let each: Vec<String> = (0..rows).map(one).collect();
    format!(
        "device cell {{ conductance: 0 uS .. 100 uS; levels: ideal; {device} }}
        converter dac(bits: int = 8): bits(bits) -> voltage {{ energy: 0.5 pJ; area: 40 um2; time: 1 ns }}
        converter sar(bits: int = 12): current -> bits(bits) {{ energy: 2 pJ; area: 1200 um2; time: 3 ns }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[{rows}, {cols}]; weights: unsigned; read_voltage: 0.2 V; read_time: 10 ns; {tile}
        }}
        core cim {{ tiles: array[1]; units: logic; buffer: 1024 kB }}
        chip board {{ cores: cim }}
        network n(x: real[{rows}]) -> (y: real[{cols}]) {{ x |> dense([{}], within: 100) -> y }}
        experiment e {{
            deploy n on board {{ calibrate: [{}] }}
            test {{ x: [{}] }} measure m = mean(y)
        }}",
        weights.join(", "),
        list(vec![1.0; rows]),
        each.join(", ")
    )
}

const IDEAL: &str = "input: ideal; sense: ideal";
/// Steps that grow with the cube of the voltage, both ways.
const CUBE: &str = "pulse_voltage: 2 V; potentiation: 10 uS * (v / 2 V)^3; depression: 10 uS * (v / 2 V)^3";

fn written(device: &str, tile: &str, asked: &[Vec<f64>], engine: EngineKind) -> (Results, Vec<f64>) {
    let results = run("passive", &array(device, tile, asked), &NoFiles, engine).remove(0);
    let held = values(&results, "y").to_vec();
    (results, held)
}

fn joules(results: &Results) -> f64 {
    results.energy_j.iter().find(|(kind, _)| *kind == ComponentKind::Programming).unwrap().1
}

/// By hand: steps of 10 uS, an eighth of that for each pulse to another cell of the same row or column.
#[test]
fn half_selected_cells_rise_by_the_pulses_on_their_lines() {
    let asked = [vec![10.0, 20.0, 30.0], vec![0.0, 10.0, 20.0]];
    let device = format!("{CUBE}; programming: open_loop(pulses: 5, pulse_time: 100 ns)");
    for engine in ENGINES {
        let (_, alone) = written(&device, IDEAL, &asked, engine);
        assert!(alone.iter().zip(asked.concat()).all(|(held, asked)| (held - asked).abs() < 1e-9), "{alone:?}");
        let (results, held) = written(&device, &format!("{IDEAL}; write_bias: half"), &asked, engine);
        for (at, held) in held.iter().enumerate() {
            let (row, col) = (at / 3, at % 3);
            let on_row: f64 = asked[row].iter().sum();
            let on_column = asked[0][col] + asked[1][col];
            let others = (on_row + on_column - 2.0 * asked[row][col]) / 10.0;
            let wanted = asked[row][col] + 1.25 * others;
            assert!((held - wanted).abs() < 1e-9, "{row}, {col}: {held} for {wanted}");
        }
        assert_eq!(results.programmed[0].pulses, 9.0);
    }
}

/// By hand: the second pulse finds 10 uS beside it, 1 V across them for 100 ns, and takes 1 pJ; cells without conductance take none.
#[test]
fn half_selected_cells_take_energy() {
    let device = format!("{CUBE}; programming: open_loop(pulses: 5, pulse_energy: 3 pJ, pulse_time: 100 ns)");
    let asked = [vec![10.0, 10.0], vec![0.0, 0.0]];
    for engine in ENGINES {
        let (results, _) = written(&device, &format!("{IDEAL}; write_bias: half"), &asked, engine);
        let taken = results.programmed[0].half_selected_joules;
        assert!((taken / 1e-12 - 1.0).abs() < 1e-9, "{taken}");
        assert!((joules(&results) / 7e-12 - 1.0).abs() < 1e-9, "{}", joules(&results));
        let (results, _) = written(&device, IDEAL, &asked, engine);
        assert!((joules(&results) / 6e-12 - 1.0).abs() < 1e-9, "transistors keep other cells off");
    }
    // Of a cell with a current of its own, 1 uA at 1 V for each 10 uS.
    let curved = device.clone() + "; current: g * v^3 / 10 V / 1 V";
    let (results, _) = written(&curved, &format!("{IDEAL}; write_bias: half"), &asked, EngineKind::Jit);
    assert!((results.programmed[0].half_selected_joules / 0.1e-12 - 1.0).abs() < 1e-9);
}

/// By hand, cells of 0, 10 and 20 uS see 2 V for 100 ns: 0, 4 and 8 pJ; pulses to 30 and 20 uS take 0 + 4 + 8 and 0 + 4. Half-selected ones take a
/// quarter of what they hold, as above.
#[test]
fn pulses_take_what_their_voltage_and_width_say() {
    let device = format!("{CUBE}; programming: open_loop(pulses: 5, pulse_time: 100 ns)");
    let asked = [vec![30.0, 0.0], vec![0.0, 20.0]];
    for engine in ENGINES {
        let (results, _) = written(&device, IDEAL, &asked, engine);
        assert!((results.programmed[0].pulse_joules / 16e-12 - 1.0).abs() < 1e-9);
        assert!((joules(&results) / 16e-12 - 1.0).abs() < 1e-9, "{}", joules(&results));
        // Disturbed by an eighth of a step for each pulse on their lines: the last cell finds nothing, as no pulse is on its lines.
        let (results, _) = written(&device, &format!("{IDEAL}; write_bias: half"), &asked, engine);
        let [found] = &results.programmed[..] else { panic!() };
        assert!((found.pulse_joules / 16e-12 - 1.0).abs() < 1e-9, "{}", found.pulse_joules);
        assert!((joules(&results) / (found.pulse_joules + found.half_selected_joules) - 1.0).abs() < 1e-9);
    }
    // A current of its own: 10 uS give 8 uA at 2 V, so 1.6 pJ, 20 uS twice as much.
    let curved = device.clone() + "; current: g * v^3 / 10 V / 1 V";
    let (results, _) = written(&curved, IDEAL, &asked, EngineKind::Jit);
    assert!((results.programmed[0].pulse_joules / 6.4e-12 - 1.0).abs() < 1e-9);
    // What is said is that.
    let said = device.replace("pulse_time", "pulse_energy: 1 pJ, pulse_time");
    let (results, _) = written(&said, IDEAL, &asked, EngineKind::Jit);
    assert_eq!(results.programmed[0].pulse_joules, 0.0);
    assert!((joules(&results) / 5e-12 - 1.0).abs() < 1e-9);
    let said = format!("{device}; pulse_energy: 1 pJ");
    let (results, _) = written(&said, IDEAL, &asked, EngineKind::Jit);
    assert!((joules(&results) / 5e-12 - 1.0).abs() < 1e-9, "of a device or of its programming, a pulse is a pulse");
    // Pulses that are not simulated meet what is held in the end: 8 times 50 uS in all, 4 V2 for 100 ns.
    let drawn = "pulse_voltage: 2 V; programming: write_verify(pulses: 8, pulse_time: 100 ns)";
    let (results, _) = written(drawn, IDEAL, &asked, EngineKind::Jit);
    let reads = results.programmed[0].read_joules;
    assert!(((joules(&results) - reads) / (8.0 * 50e-6 * 4.0 * 100e-9) - 1.0).abs() < 1e-9);
}

/// A report says where energy of programming comes from, and where it is not counted.
#[test]
fn a_report_says_what_is_known_of_pulses() {
    let notes = |device: &str| {
        let text = array(device, IDEAL, &[vec![10.0]]);
        let options = nmc_compiler::Options::default();
        let image = nmc_compiler::compile("notes", &text, &NoFiles, &options).image.unwrap();
        image.programs[0].costs.layout.notes.join("; ")
    };
    assert!(notes("").contains("cell: energy of programming is not counted"));
    assert!(notes("programming: one_shot(pulse_time: 1 us)").contains("is not counted"));
    assert!(!notes("programming: one_shot(pulse_energy: 0 J)").contains("is not counted"));
    let across = notes("pulse_voltage: 2 V; programming: one_shot(pulse_time: 100 ns)");
    assert!(across.contains("2 V") && across.contains("100 ns"), "{across}");
}

/// Volts of rows and columns where all lines but those of a cell float: Kirchhoff's law at every line, by Gaussian elimination.
fn settled(held: &[f64], cols: usize, (row, column): (usize, usize), volts: f64) -> Vec<f64> {
    let rows = held.len() / cols;
    let n = rows + cols;
    let mut a = vec![vec![0.0; n + 1]; n];
    for (at, g) in held.iter().enumerate() {
        let (r, c) = (at / cols, rows + at % cols);
        for (i, j) in [(r, c), (c, r)] {
            a[i][i] += g;
            a[i][j] -= g;
        }
    }
    for (line, volts) in [(row, volts), (rows + column, 0.0)] {
        a[line] = vec![0.0; n + 1];
        (a[line][line], a[line][n]) = (1.0, volts);
    }
    for i in 0..n {
        let pivot = (i..n).max_by(|&x, &y| a[x][i].abs().total_cmp(&a[y][i].abs())).unwrap();
        a.swap(i, pivot);
        for j in (0..n).filter(|&j| j != i) {
            let factor = a[j][i] / a[i][i];
            let from = a[i].clone();
            a[j].iter_mut().zip(&from).for_each(|(x, y)| *x -= factor * y);
        }
    }
    (0..n).map(|i| a[i][n] / a[i][i]).collect()
}

/// Pairs of cells of 10 to 110 uS whose other lines float. Oracle: a loop over cells and pulses, each with its own nodal analysis.
#[test]
fn floating_lines_settle_by_all_cells() {
    let asked = [vec![30.0, -20.0, 0.0], vec![-50.0, 10.0, 90.0], vec![20.0, 0.0, -70.0], vec![60.0, -30.0, 40.0]];
    let (rows, cols) = (4, 6);
    let wanted: Vec<f64> = asked.concat().into_iter().flat_map(|w: f64| [w.max(0.0), (-w).max(0.0)]).collect();
    let mut held = vec![10.0; rows * cols];
    let (mut taken, mut own, mut pulses) = (0.0, 0.0, 0);
    for (cell, wanted) in wanted.iter().enumerate() {
        for _ in 0..(wanted / 10.0).round() as usize {
            let at = (cell / cols, cell % cols);
            let volts = settled(&held, cols, at, 2.0);
            for (other, held) in held.iter_mut().enumerate() {
                let across = volts[other / cols] - volts[rows + other % cols];
                let joules = *held * 1e-6 * across * across * 100e-9;
                *if other == cell { &mut own } else { &mut taken } += joules;
                *held = (*held + 10.0 * (across / 2.0).powi(3)).clamp(10.0, 110.0);
            }
            pulses += 1;
        }
    }
    let device = format!("{CUBE}; programming: open_loop(pulses: 10, pulse_time: 100 ns)");
    let text = array(&device, &format!("{IDEAL}; write_bias: float"), &asked);
    let text = text.replace("unsigned", "differential").replace("0 uS .. 100 uS", "10 uS .. 110 uS");
    let text = text.replace("cell[4, 3]", "cell[4, 6]");
    for engine in ENGINES {
        let results = run("float", &text, &NoFiles, engine).remove(0);
        let found = &results.programmed[0];
        assert_eq!(found.pulses, f64::from(pulses));
        for (index, y) in values(&results, "y").iter().enumerate() {
            let pair = held[2 * index] - held[2 * index + 1];
            assert!((y - pair).abs() < 1e-9, "{index}: {y} for {pair}");
        }
        assert!((found.half_selected_joules / taken - 1.0).abs() < 1e-9, "{}", found.half_selected_joules);
        assert!((found.pulse_joules / own - 1.0).abs() < 1e-9, "{}", found.pulse_joules);
    }
}

/// What a controller does, cell by cell: pulses until a read shows what is asked for, each of which moves other cells by its share.
struct Plain {
    held: Vec<f64>,
    pulses: u32,
    missed: usize,
    half_selected: f64,
    seen: f64,
    reads: u32,
}

fn plain(asked: &[f64], cols: usize, share: f64, others: bool, most: u32) -> Plain {
    let mut all = Plain { held: vec![0.0; asked.len()], pulses: 0, missed: 0, half_selected: 0.0, seen: 0.0, reads: 0 };
    let moved = |g: f64, up: bool, share: f64| {
        let v = 2.0 * share;
        let step = if up {
            12.0 * (v / 2.0_f64).powi(3) * (1.0 - g / 100.0)
        } else {
            -9.0 * (v / 2.0_f64).powi(3) * g / 100.0
        };
        (g + step).clamp(0.0, 100.0)
    };
    for cell in 0..asked.len() {
        let mut given = 0;
        loop {
            all.reads += 1;
            all.seen += all.held[cell];
            let off = all.held[cell] - asked[cell];
            if off.abs() <= 1.5 {
                break;
            }
            if given == most {
                all.missed += 1;
                break;
            }
            let up = off < 0.0;
            for other in 0..asked.len() {
                let alike = other / cols == cell / cols || other % cols == cell % cols;
                if other != cell && (alike || others) {
                    all.half_selected += all.held[other] * 1e-6 * (2.0 * share).powi(2) * 100e-9;
                    all.held[other] = moved(all.held[other], up == alike, share);
                }
            }
            all.held[cell] = moved(all.held[cell], up, 1.0);
            given += 1;
        }
        all.pulses += given;
    }
    all
}

/// 32 by 32 cells, verified, with steps that depend on what is held: every cell, all pulses and all joules as a loop over cells has them.
/// Where steps grow with no more than the cube of the voltage, V/3 on all 961 other cells disturbs more than V/2 on 62.
#[test]
fn an_array_of_32_by_32_is_that_of_a_plain_loop() {
    let asked: Vec<Vec<f64>> =
        (0..32).map(|row| (0..32).map(|col| f64::from((row * 37 + col * 53) % 90)).collect()).collect();
    let device = "pulse_voltage: 2 V
        potentiation: 12 uS * (v / 2 V)^3 * (g_max - g) / range; depression: 9 uS * (v / 2 V)^3 * g / range
        programming: write_verify(tolerance: 1.5 uS, pulses: 40, pulse_energy: 3 pJ, pulse_time: 100 ns)";
    let mut errors = Vec::new();
    for (word, share, others) in [("half", 0.5, false), ("third", 1.0 / 3.0, true)] {
        let tile = format!("input: dac(); sense: sar(bits: 32); row_energy: 5 fJ; write_bias: {word}");
        let (results, held) = written(device, &tile, &asked, EngineKind::Jit);
        let wanted = plain(&asked.concat(), 32, share, others, 40);
        for (held, wanted) in held.iter().zip(&wanted.held) {
            assert!((held - wanted).abs() < 1e-4, "{word}: {held} for {wanted}");
        }
        let found = &results.programmed[0];
        assert_eq!((found.pulses, found.missed), (f64::from(wanted.pulses), wanted.missed), "{word}");
        let near = |found: f64, wanted: f64| (found / wanted - 1.0).abs() < 1e-9;
        assert!(near(found.half_selected_joules, wanted.half_selected), "{word}: {}", found.half_selected_joules);
        // A read: its cell at 0.2 V for 10 ns, a word line, a driver and a converter.
        let reads = f64::from(wanted.reads) * (5e-15 + 0.5e-12 + 2e-12) + wanted.seen * 1e-6 * 0.04 * 10e-9;
        assert!(near(found.read_joules, reads), "{word}: {} for {reads}", found.read_joules);
        assert_eq!(found.reads, f64::from(wanted.reads));
        let all = f64::from(wanted.pulses) * 3e-12 + reads + wanted.half_selected;
        assert!(near(joules(&results), all), "{word}: {} for {all}", joules(&results));
        let seconds = f64::from(wanted.pulses) * 100e-9 + f64::from(wanted.reads) * (10e-9 + 3e-9);
        assert!(near(found.seconds, seconds), "{word}: {}", found.seconds);
        errors.push(found.error.hypot(found.spread));
    }
    let (results, _) = written(device, IDEAL, &asked, EngineKind::Jit);
    errors.push(results.programmed[0].error.hypot(results.programmed[0].spread));
    assert!(errors[1] > errors[0] && errors[0] > 10.0 * errors[2], "{errors:?}");
    assert!(errors[2] < 1.5e-6);
}

/// By steps that grow with the ninth power of the voltage, half of it moves a cell 38 times as far as a third: more than there are more cells.
#[test]
fn steep_steps_are_disturbed_less_by_a_third() {
    let asked: Vec<Vec<f64>> =
        (0..16).map(|row| (0..16).map(|col| f64::from((row * 37 + col * 53) % 90)).collect()).collect();
    let device = "pulse_voltage: 2 V; potentiation: 1 uS * (v / 2 V)^9; depression: 1 uS * (v / 2 V)^9
        programming: write_verify(tolerance: 0.5 uS, pulses: 120, pulse_time: 100 ns)";
    let off = |tile: &str| {
        let (_, held) = written(device, &format!("{IDEAL}{tile}"), &asked, EngineKind::Jit);
        let error = |(held, asked): (&f64, f64)| (held - asked).abs();
        held.iter().zip(asked.concat()).map(error).sum::<f64>() / 256.0
    };
    let (alone, half, third) = (off(""), off("; write_bias: half"), off("; write_bias: third"));
    assert!(half > 2.0 * third && half > 2.0 * alone, "{alone} {half} {third}");
}

/// Below a threshold nothing moves: by either scheme cells hold what they hold behind transistors.
#[test]
fn a_threshold_between_a_half_and_the_whole_protects() {
    let asked = [vec![10.0, 55.0, 30.0], vec![71.0, 18.0, 20.0]];
    let device =
        "pulse_voltage: 2 V; potentiation: 5 uS * max(v / 1.2 V - 1, 0); depression: 5 uS * max(v / 1.2 V - 1, 0)
        programming: write_verify(tolerance: 2 uS, pulses: 40, pulse_time: 100 ns)";
    let (_, alone) = written(device, IDEAL, &asked, EngineKind::Jit);
    for word in ["half", "third"] {
        let (_, held) = written(device, &format!("{IDEAL}; write_bias: {word}"), &asked, EngineKind::Jit);
        assert_eq!(held, alone, "{word}");
    }
}

/// Digits of weights lie in columns of one array: the second digits disturb the first ones, which were written before. A loop over
/// the columns of the array, in the order of its matrices.
#[test]
fn digits_on_one_array_disturb_each_other() {
    let text = "device cell { conductance: 0 uS .. 90 uS; levels: 4; pulse_voltage: 2 V; potentiation: 10 uS * (v / 2 V)^3
            programming: open_loop(pulses: 9, pulse_time: 100 ns) }
        converter dac: bits(1) -> voltage { energy: 0.5 pJ }
        unit logic: bits(16) -> bits(16) { implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }
        tile array { cells: cell[2, 5]; weights: offset; slices: 2; input: bit_serial(dac, bits: 4); sense: ideal; write_bias: half }
        core cim { tiles: array[1]; units: logic; buffer: 1024 kB }
        chip board { cores: cim }
        network n(x: real[2]) -> (y: real[2]) { x |> dense([[-1, 1], [0.2, 0.6]]) -> y }
        experiment e { deploy n on board { calibrate: [[1, 1]] }; test { x: [[1, 0]] } measure m = mean(y) }";
    let results = run("digits", text, &NoFiles, EngineKind::Jit).remove(0);
    // The code of a weight is (1 + w) / 2 * 15 in two digits of four levels; a column of zeros stands last.
    let codes = [[0, 9], [15, 12]];
    let column = |output: usize, digit: usize| 2 * output + digit;
    let mut held = [[0.0; 5]; 2];
    for digit in 0..2 {
        for (row, codes) in codes.iter().enumerate() {
            for (output, code) in codes.iter().enumerate() {
                let (at, wanted) = (column(output, digit), code / [1, 4][digit] % 4);
                for _ in 0..3 * wanted {
                    for (other, held) in held[row].iter_mut().enumerate() {
                        *held += if other == at { 10.0 } else { 1.25 };
                    }
                    held[1 - row][at] += 1.25;
                }
            }
        }
        if digit == 0 {
            // The next matrix is erased before it is written.
            held.iter_mut().for_each(|row| [row[1], row[3]] = [0.0; 2]);
        }
    }
    let clamp = |g: f64| g.min(90.0);
    let error = |digit: usize| {
        let mut sum = 0.0;
        for row in 0..2 {
            for output in 0..2 {
                sum +=
                    clamp(held[row][column(output, digit)]) - 30.0 * f64::from(codes[row][output] / [1, 4][digit] % 4);
            }
            // The lowest digits have the column of zeros; of the others that is no cell.
            sum += if digit == 0 { clamp(held[row][4]) } else { 0.0 };
        }
        sum / 6.0 * 1e-6
    };
    for (digit, programmed) in results.programmed.iter().enumerate() {
        let wanted = error(digit);
        assert!((programmed.error - wanted).abs() < 1e-12, "digit {digit}: {} for {wanted}", programmed.error);
    }
}

#[test]
fn what_a_part_of_a_pulse_does_must_be_known() {
    let asked = [vec![10.0, 20.0]];
    let with = |device: &str, tile: &str| codes(&array(device, &format!("{IDEAL}; {tile}"), &asked));
    let programming = "programming: open_loop(pulses: 5, pulse_time: 100 ns)";
    assert!(with(&format!("{CUBE}; {programming}"), "write_bias: third").is_empty());
    for (device, tile, code) in [
        ("programming: write_verify(pulses: 5)", "write_bias: half", "E0503"),
        (&*format!("potentiation: 10 uS; {programming}"), "write_bias: half", "E0503"),
        (&*format!("potentiation: 10 uS * v / 2 V; {programming}"), "write_bias: half", "E0503"),
        (&*format!("{CUBE}; programming: open_loop(pulses: 5)"), "write_bias: half", "E0503"),
        (&*format!("{CUBE}; {programming}"), "write_bias: quarter", "E0221"),
        (&*format!("{CUBE}; {programming}"), "write_bias: ground", "E0503"),
        (&*format!("{CUBE}; {programming}"), "write_bias: float", "E0503"),
        ("noise read: normal(0, g * v / 1 V)", "", "E0503"),
    ] {
        assert!(with(device, tile).contains(&code), "{device}, {tile}: {:?}", with(device, tile));
    }
}

/// Reads that verify are charged where pulses are not simulated, too: one after each pulse, of what is held.
#[test]
fn verify_reads_take_energy() {
    let asked = [vec![10.0, 20.0]];
    let tile = "input: dac(); sense: sar(bits: 32); row_energy: 5 fJ";
    let device = "programming: write_verify(pulses: 8, pulse_energy: 3 pJ)";
    for engine in ENGINES {
        let (results, _) = written(device, tile, &asked, engine);
        let reads = 16.0 * (5e-15 + 0.5e-12 + 2e-12) + 8.0 * 30e-6 * 0.04 * 10e-9;
        assert!((results.programmed[0].read_joules / reads - 1.0).abs() < 1e-9);
        assert!((joules(&results) / (16.0 * 3e-12 + reads) - 1.0).abs() < 1e-9, "{}", joules(&results));
        let (results, _) = written("programming: one_shot(pulse_energy: 3 pJ)", tile, &asked, engine);
        assert!((joules(&results) / 6e-12 - 1.0).abs() < 1e-9, "without reads");
    }
}

/// Training on passive arrays says what it leaves out: where lines float, what other cells see.
#[test]
fn training_says_where_it_disturbs_nothing() {
    let with = |bias: &str| {
        let text = array(
            &format!("{CUBE}; programming: open_loop(pulses: 5, pulse_time: 100 ns)"),
            &format!("{IDEAL}; write_bias: {bias}; transposable: true"),
            &[vec![10.0, 20.0]],
        );
        // Lines float where all cells conduct.
        let text = text
            .replace("0 uS .. 100", "1 uS .. 100")
            .replace("[1, 2]; weights: unsigned", "[1, 3]; weights: reference");
        let text = text.replace("test {", "train { x: [[1]] } expect y == [[1, 2]] by backprop(rate: 0.1); test {");
        let all = told(&text);
        all.iter().any(|one| one.code.number() == "W0616" && one.message.contains("lines float"))
    };
    assert!(with("float") && !with("half") && !with("third"));
}

/// A layer of three inputs and two outputs that learns on a passive array, and what its weights were before and after, in microsiemens: [row][col]. Cells
/// that rise alone hold them in pairs.
fn trained(tile: &str, device: &str, train: &str, engine: EngineKind) -> (Results, Vec<f64>, Vec<f64>) {
    let asked = [vec![40.0, 50.0], vec![30.0, 20.0], vec![60.0, 45.0]];
    let device = format!("{device}; programming: open_loop(pulses: 1000, pulse_energy: 3 pJ, pulse_time: 100 ns)");
    let mut text = array(&device, tile, &asked);
    if !device.contains("depression") {
        text = text.replace("cell[3, 2]; weights: unsigned", "cell[3, 4]; weights: differential");
    }
    let (head, test) =
        (text.split("            test {").next().unwrap(), text.split("            test {").nth(1).unwrap());
    let test = test.split(" measure").next().unwrap();
    let text = format!("{head} test {{{test} measure a = mean(y)\n{train}\ntest {{{test} measure b = mean(y) }}");
    let results = run("trained", &text, &NoFiles, engine).remove(0);
    let held = values(&results, "y").to_vec();
    (results, held[..6].to_vec(), held[6..].to_vec())
}

/// Steps of 0.1 uS, by the cube of the voltage: an eighth at half of it.
const FINE: &str = "pulse_voltage: 2 V; potentiation: 0.1 uS * (v / 2 V)^3; depression: 0.1 uS * (v / 2 V)^3";

/// A pulse this way on the cells of three rows where rows meet columns; the joules that others take for 100 ns of their share of 2 V.
fn pulse(held: &mut [f64], (rows, cols): (&[usize], &[usize]), way: f64, third: bool) -> f64 {
    let width = held.len() / 3;
    let share = if third { 1.0 / 3.0 } else { 0.5 };
    let mut joules = 0.0;
    for (at, held) in held.iter_mut().enumerate() {
        let lines = u8::from(rows.contains(&(at / width))) + u8::from(cols.contains(&(at % width)));
        let seen = match lines {
            2 => 1.0,
            1 => share,
            _ if third => -share,
            _ => 0.0,
        };
        if seen < 1.0 {
            joules += *held * 1e-6 * (2.0_f64 * seen).powi(2) * 1e-7;
        }
        *held += way * 0.1 * f64::powi(seen, 3);
    }
    joules
}

/// Whole pulses of batches are given cell by cell: others on the lines rise and fall with each. Oracle: a plain loop.
#[test]
fn training_disturbs_cells_beside_those_that_get_pulses() {
    let samples: [([f64; 3], [f64; 2]); 3] =
        [([1.0, 0.5, -0.5], [30.0, 40.0]), ([-0.25, 1.0, 0.75], [60.0, 35.0]), ([0.5, -1.0, 0.25], [10.0, 20.0])];
    let rate = 0.2;
    for third in [false, true] {
        let bias = if third { "third" } else { "half" };
        let list = |all: &[f64]| format!("{all:?}");
        let (x, t) = (samples.map(|(x, _)| list(&x)).join(", "), samples.map(|(_, t)| list(&t)).join(", "));
        let train = format!(
            "train {{ x: [{x}] }} expect y == [{t}] by backprop(rate: {rate}, epochs: 2, shuffle: false, pulses: nearest(1000))"
        );
        for engine in ENGINES {
            let (results, mut held, after) = trained(&format!("{IDEAL}; write_bias: {bias}"), FINE, &train, engine);
            let (mut joules, mut given, before) = (0.0, 0, held.clone());
            for (x, t) in samples.iter().chain(&samples) {
                let y: Vec<f64> = (0..2).map(|col| (0..3).map(|row| held[2 * row + col] * x[row]).sum()).collect();
                for at in 0..6 {
                    let (row, col) = (at / 2, at % 2);
                    let pulses = (-rate * x[row] * (y[col] - t[col]) / 0.1).round();
                    for _ in 0..pulses.abs() as usize {
                        joules += pulse(&mut held, (&[row], &[col]), pulses.signum(), third);
                        given += 1;
                    }
                }
            }
            assert!(after.iter().zip(&held).all(|(a, b)| (a - b).abs() < 1e-9), "{after:?} {held:?} from {before:?}");
            let told = &results.training[0];
            assert_eq!(told.pulses, given);
            let energy = told.energy_j.iter().find(|(kind, _)| *kind == ComponentKind::Programming).unwrap().1;
            let wanted = given as f64 * 3e-12 + joules;
            assert!((energy / wanted - 1.0).abs() < 1e-9 && joules > 1e-12, "{energy} {wanted}");
        }
    }
}

/// Trains of pulses: a row that is on sends its pulses whatever columns do, up first, then down, for inputs of either sign. All are on here, as inputs are of
/// one size, and errors, too. Oracle: a plain loop.
#[test]
fn trains_disturb_cells_on_all_lines_that_are_on() {
    // Three slots, in each of which each line is on for certain but for a millionth.
    let (x, errors, rate) = ([1.0, -1.0, 1.0], [1.0, -1.0], 0.1 * 2.999_999);
    let tile = format!("{IDEAL}; write_bias: half");
    let nothing = "train { x: [[0, 0, 0]] } expect y == [[0, 0]] by backprop(rate: 0.1)";
    let rising = FINE.split("; depression").next().unwrap();
    for (device, width, ways) in [(FINE, 2, &[1.0, -1.0][..]), (rising, 4, &[1.0])] {
        let (_, start, same) = trained(&tile, device, nothing, EngineKind::Jit);
        assert_eq!(start, same);
        let y = |col: usize| (0..3).map(|row| start[2 * row + col] * x[row]).sum::<f64>();
        let targets: Vec<f64> = (0..2).map(|col| y(col) - errors[col]).collect();
        let train = format!("train {{ x: [{x:?}] }} expect y == [{targets:?}] by backprop(rate: {rate})");
        let mut moved = vec![0.0; 3 * width];
        for (way, sign) in (0..3).flat_map(|_| ways).flat_map(|way| [(*way, 1.0), (*way, -1.0)]) {
            let rows: Vec<usize> = (0..3).filter(|row| x[*row] * sign > 0.0).collect();
            let rises = |col: &usize| -errors[*col] * sign > 0.0;
            let cols: Vec<usize> = match width {
                // The cell of a pair that rises.
                4 => (0..2).map(|col| 2 * col + usize::from(!rises(&col))).collect(),
                _ => (0..2).filter(|col| rises(col) == (way > 0.0)).collect(),
            };
            pulse(&mut moved, (&rows, &cols), way, false);
        }
        let of_weight = |at: usize| if width == 4 { moved[2 * at] - moved[2 * at + 1] } else { moved[at] };
        for engine in ENGINES {
            let (results, _, after) = trained(&tile, device, &train, engine);
            for (at, (after, start)) in after.iter().zip(&start).enumerate() {
                assert!((after - start - of_weight(at)).abs() < 1e-9, "{at}: {after} {start} {}", of_weight(at));
            }
            assert_eq!(results.training[0].pulses, 18);
        }
    }
}
