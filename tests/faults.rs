//! Open lines and spare columns, seen from outside: every cell of an array is read by itself, over many chips.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::Precision;
use nmc_runtime::{EngineKind, Repaired, Results, RunOptions};
use nmc_tests::{ENGINES, values};

const ROWS: usize = 12;
const COLS: usize = 16;

/// A layer of weights 0.5 whose outputs, of inputs that drive row after row, are what its cells hold over the highest conductance.
fn text(device: &str, tile: &str, spares: usize) -> String {
    let row = |value: &str, count: usize| vec![value; count].join(", ");
    let weights = vec![format!("[{}]", row("0.5", ROWS)); COLS].join(", ");
    let inputs = (0..ROWS).map(|row| {
        let one = (0..ROWS).map(|at| if at == row { "1" } else { "0" }).collect::<Vec<_>>().join(", ");
        format!("[{one}]")
    });
    let inputs = inputs.collect::<Vec<_>>().join(", ");
    format!(
        "use std.unit.digital_alu
        device cell {{ levels: ideal; {device} }}
        tile array {{
            cells: cell[{ROWS}, {}]; spare_columns: {spares}; input: ideal; sense: ideal
            read_voltage: 0.2 V; read_time: 10 ns; {tile}
        }}
        core cim {{ tiles: array[1]; units: digital_alu; buffer: 64 kB }}
        chip board {{ cores: cim }}
        network net(x: real[{ROWS}]) -> (y: real[{COLS}]) {{ x |> dense([{weights}], within: 1) -> y }}
        experiment e {{ deploy net on board {{ calibrate: [[{}]] }}; test {{ x: [{inputs}] }} measure all = mean(y) }}",
        if tile.contains("differential") { 2 * COLS + spares } else { COLS + spares },
        row("1", ROWS),
    )
}

/// So many chips, each with all that it recorded.
fn chips(text: &str, engine: EngineKind, count: u64) -> Vec<Results> {
    let options = Options { precision: Precision::F64, ..Options::default() };
    let compilation = compile("faults.nmc", text, &NoFiles, &options);
    let image = compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    let one = |seed| {
        let options = RunOptions { seed, engine, threads: 1, memory: 16 << 30, progress: None };
        nmc_runtime::run(&image.programs[0], &options).unwrap()
    };
    (0..count).map(one).collect()
}

const UNSIGNED: &str = "weights: unsigned; wire: ideal";
const FAULTS: &str = "conductance: 0 S .. 100 uS; faults: [stuck_on(2 %), dead_row(5 %), dead_column(10 %)]";

/// Whether all cells of each row, and of each column, give nothing; and how many cells are at the top.
fn seen(results: &Results) -> (Vec<bool>, Vec<bool>, usize) {
    let y = values(results, "y");
    let rows = y.chunks(COLS).map(|row| row.iter().all(|y| *y == 0.0)).collect();
    let columns = (0..COLS).map(|col| y.iter().skip(col).step_by(COLS).all(|y| *y == 0.0)).collect();
    (rows, columns, y.iter().filter(|y| (**y - 1.0).abs() < 1e-9).count())
}

fn count(dead: &[bool]) -> usize {
    dead.iter().filter(|dead| **dead).count()
}

/// Mean and its standard error.
fn mean(numbers: &[f64]) -> (f64, f64) {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let square = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / (numbers.len() as f64 - 1.0);
    (mean, (square / numbers.len() as f64).sqrt())
}

fn near(numbers: &[f64], wanted: f64) {
    let (mean, error) = mean(numbers);
    assert!((mean - wanted).abs() < 4.0 * error, "{mean} ± {error} for {wanted}");
}

/// Oracle: what the outputs of each cell show, and the binomial distribution.
#[test]
fn open_lines_carry_nothing_and_are_counted() {
    for (wire, scale) in [(UNSIGNED, 1.0), ("weights: unsigned; wire: 1 ohm", 0.97)] {
        let all = chips(&text(FAULTS, wire, 0), EngineKind::Jit, 400);
        let (mut rows, mut columns, mut on) = (Vec::new(), Vec::new(), Vec::new());
        for chip in &all {
            let (dead_rows, dead_columns, stuck) = seen(chip);
            let [told] = &chip.repaired[..] else { panic!() };
            assert_eq!((told.rows, told.columns, told.cells), (ROWS, COLS, ROWS * COLS));
            assert_eq!((told.spares, told.used, told.faulty), (0, 0, told.faulty_left));
            if count(&dead_rows) < ROWS && count(&dead_columns) < COLS {
                assert_eq!((told.dead_rows, told.dead_columns), (count(&dead_rows), count(&dead_columns)));
            }
            let y = values(chip, "y");
            let held = |at: usize| !dead_rows[at / COLS] && !dead_columns[at % COLS];
            assert!((0..y.len()).filter(|at| held(*at)).all(|at| y[at] > 0.499 * scale));
            let live = (ROWS - told.dead_rows) * (COLS - told.dead_columns);
            if scale == 1.0 {
                assert_eq!(told.faulty, ROWS * COLS - live + stuck);
            }
            rows.push(told.dead_rows as f64);
            columns.push(told.dead_columns as f64);
            on.push(stuck as f64 - 0.02 * live as f64);
        }
        near(&rows, 0.05 * ROWS as f64);
        near(&columns, 0.1 * COLS as f64);
        if scale == 1.0 {
            near(&on, 0.0);
        }
    }
}

/// Oracle: the outputs show as many columns without a current as are told to be left; and a plain draw, here, of lines and spares.
#[test]
fn spares_replace_the_worst_columns() {
    let spares = 3;
    let all = chips(&text(FAULTS, UNSIGNED, spares), EngineKind::Jit, 600);
    let (mut left, mut used) = (Vec::new(), Vec::new());
    for chip in &all {
        let [told] = &chip.repaired[..] else { panic!() };
        let (dead_rows, dead_columns, stuck) = seen(chip);
        if count(&dead_rows) < ROWS {
            assert_eq!(told.dead_columns_left, count(&dead_columns));
            let live = (ROWS - told.dead_rows) * (COLS - told.dead_columns_left);
            assert_eq!(told.faulty_left, ROWS * COLS - live + stuck);
        }
        assert!(told.used <= spares && told.faulty_left <= told.faulty);
        left.push(told.dead_columns_left as f64);
        used.push(told.used as f64);
    }
    let mut dice = nmc_tests::dice::Dice::new(3);
    let mut chance = |share: f64| dice.number(0.0, 1.0) < share;
    let (mut wanted_left, mut wanted_used) = (0.0, 0.0);
    const DRAWS: usize = 20_000;
    for _ in 0..DRAWS {
        let dead_rows: Vec<bool> = (0..ROWS).map(|_| chance(0.05)).collect();
        // Faulty cells of each column, all where it is open.
        let mut column = || match chance(0.1) {
            true => (ROWS, true),
            false => (dead_rows.iter().filter(|dead| chance(0.02) || **dead).count(), false),
        };
        let mut columns: Vec<(usize, bool)> = (0..COLS).map(|_| column()).collect();
        let mut of_spares: Vec<(usize, bool)> = (0..spares).map(|_| column()).collect();
        of_spares.sort();
        for spare in of_spares {
            let worst = columns.iter_mut().max().unwrap();
            if spare.0 < worst.0 {
                *worst = spare;
                wanted_used += 1.0 / DRAWS as f64;
            }
        }
        wanted_left += count(&columns.iter().map(|(_, dead)| *dead).collect::<Vec<_>>()) as f64 / DRAWS as f64;
    }
    near(&left, wanted_left);
    near(&used, wanted_used);
    // Without spares 1.6.
    assert!(wanted_left < 0.4, "{wanted_left}");
}

/// The error of outputs over drawn chips, with and without spares. Oracle: the outputs of ideal weights.
#[test]
fn spares_mend_outputs() {
    let error = |spares: usize| -> f64 {
        let device = "conductance: 1 uS .. 100 uS; faults: [stuck_off(1 %), dead_column(4 %)]";
        let all = chips(&text(device, "weights: differential; wire: ideal", spares), EngineKind::Jit, 200);
        let of = |chip: &Results| values(chip, "y").iter().map(|y| (y - 0.5).powi(2)).sum::<f64>();
        all.iter().map(of).sum::<f64>() / 200.0
    };
    let (without, with) = (error(0), error(4));
    assert!(with < 0.25 * without, "{with} for {without}");
}

/// Programmed pulse by pulse, aged, read with noise, and on either engine: an open line gives nothing at all.
#[test]
fn nothing_brings_an_open_line_back() {
    let pulses = "potentiation: 2 uS; depression: 2 uS
        programming: write_verify(tolerance: 1 uS, pulses: 60, pulse_energy: 1 pJ, pulse_time: 10 ns)";
    let noise = "noise programming: normal(0, 5 uS); noise read: normal(0, 1 uS); drift: clamp(g + normal(0, 1 uS), 1 uS, 100 uS)";
    for weights in ["differential", "reference"] {
        for device in [pulses, noise, "noise read: if uniform(0, 1) < 30 % then 1 uS else 0 S"] {
            for lines in ["dead_row(100 %)", "dead_column(100 %)"] {
                let device = format!("conductance: 1 uS .. 100 uS; faults: [stuck_on(10 %), {lines}]; {device}");
                let wide = text(&device, &format!("weights: {weights}; wire: ideal"), 1);
                let wide = wide.replace(&format!("cell[{ROWS}, {}]", COLS + 1), &format!("cell[{ROWS}, {}]", COLS + 2));
                for engine in ENGINES {
                    let chip = &chips(&wide, engine, 1)[0];
                    assert!(values(chip, "y").iter().all(|y| *y == 0.0), "{device}: {:?}", values(chip, "y"));
                }
            }
        }
    }
}

/// Each seed draws its own lines, both engines the same ones.
#[test]
fn lines_are_the_chips() {
    let told = |engine| chips(&text(FAULTS, UNSIGNED, 2), engine, 20).into_iter().map(|chip| chip.repaired).collect();
    let first: Vec<Vec<Repaired>> = told(EngineKind::Interpreter);
    let second: Vec<Vec<Repaired>> = told(EngineKind::Jit);
    assert_eq!(first, second);
    assert!(first.iter().any(|chip| *chip != first[0]));
}

/// A tile holds fewer columns of weights by its spares.
#[test]
fn spares_are_no_room_for_weights() {
    let narrow = text(FAULTS, UNSIGNED, 2)
        .replace(&format!("cell[{ROWS}, {}]", COLS + 2), &format!("cell[{ROWS}, {}]", COLS + 1));
    assert_eq!(nmc_tests::codes(&narrow), ["E0602"]);
}

/// Cells that are stuck hold what they are stuck at for good; others drift. Oracle: by hand.
#[test]
fn stuck_cells_do_not_drift() {
    let device = "conductance: 10 uS .. 100 uS; faults: [stuck_on(30 %), stuck_off(30 %)]; drift: 0.4 * g";
    let text =
        text(device, "weights: differential; wire: ideal", 0).replace("{ calibrate", "{ after: 1 day; calibrate");
    for engine in ENGINES {
        let results = chips(&text, engine, 3);
        let mut levels: Vec<f64> = results.iter().flat_map(|results| values(results, "y").to_vec()).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
        // Plus cells hold 100, 10 or 0.4 times 55 uS, minus cells 100, 10 or 4 uS.
        let known = [100.0, 10.0, 22.0].into_iter().flat_map(|plus| [100.0, 10.0, 4.0].map(|minus| plus - minus));
        let known: Vec<f64> = known.map(|g| g / 90.0).collect();
        let is_known = |y: &f64| known.iter().any(|known| (y - known).abs() < 1e-9);
        assert!(levels.iter().all(is_known), "{levels:?}");
        assert!(levels.len() > 6, "{levels:?}");
    }
}
