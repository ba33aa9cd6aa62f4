//! Training by a fast array beside that of the weights: transfers against plain loops written here (oracle: analytic), and what they are for.

use std::path::Path;

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::{ComponentKind, Precision};
use nmc_runtime::{EngineKind, Results, RunOptions};
use nmc_tests::{ENGINES, codes, run, values};

/// Samples of two inputs, with their targets.
const SAMPLES: [([f64; 2], f64); 3] = [([1.0, 0.5], 0.7), ([-0.4, 1.0], -0.9), ([0.3, -0.8], 0.2)];
/// Steps of 0.01 of weights within 1.
const STEPS: &str = "potentiation: 0.05 uS; depression: 0.05 uS; pulse_energy: 2 pJ";

/// A chip of one sort of cell and a fast array beside it, its converters ideal unless some are given.
fn chip(device: &str, tile: &str, converters: (&str, &str)) -> String {
    let (input, sense) = converters;
    format!(
        "device cell {{ conductance: 10 uS .. 20 uS; {device} }}
        device noisy {{ conductance: 10 uS .. 20 uS; {STEPS}; noise programming: normal(0, 1 uS) }}
        device quick {{ conductance: 10 uS .. 20 uS; {STEPS}; leak: 5 us }}
        converter dac(bits: int = 8): bits(bits) -> voltage {{ energy: 3 pJ; area: 40 um2; time: 1 ns }}
        converter sar(bits: int = 12): current -> bits(bits) {{ energy: 7 pJ; area: 1200 um2; time: 1 ns }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[64, 129]; weights: reference; input: {input}; sense: {sense}; read_voltage: 0.2 V; read_time: 10 ns
            row_energy: 11 pJ; transposable: true; wire: ideal; {tile}
        }}
        core cim {{ tiles: array[4]; units: logic; buffer: 64 kB }}
        chip board {{ cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}"
    )
}

const IDEAL: (&str, &str) = ("ideal", "ideal");

/// A layer of two inputs trained so, and what is then shown of its two weights.
fn layer(chip: &str, by: &str) -> String {
    let shown = SAMPLES.map(|(x, _)| format!("{x:?}")).join(", ");
    let targets = SAMPLES.map(|(_, target)| format!("[{target}]")).join(", ");
    format!(
        "{chip}
        network n(x: real[2]) -> (y: real[1]) {{ x |> dense([[0.2, -0.3]], within: 1) -> y }}
        experiment e {{
            deploy n on board {{ calibrate: [[1, 1]] }}
            train {{ x: [{shown}] }} expect y == [{targets}] by two_arrays(shuffle: false, pulses: nearest(100), {by})
            test {{ x: [[1, 0], [0, 1]] }} measure m = mean(y)
        }}"
    )
}

/// How updates and transfers go.
#[derive(Debug, Clone, Copy)]
struct Rule {
    rate: f64,
    epochs: usize,
    every: usize,
    rows: usize,
    moved: f64,
    /// Weights move by whole pulses, and what is left waits; else they take what was read.
    buffer: bool,
    /// Signs turn after every read.
    turns: bool,
    /// Signs turn after so many reads of all rows, and reads count from their mean before; 0: from nothing.
    dynamic: usize,
    reset: bool,
    /// What the fast array adds to the weights; 0: it is not read with them.
    gain: f64,
}

const PLAIN: Rule = Rule {
    rate: 0.13,
    epochs: 20,
    every: 1,
    rows: 1,
    moved: 0.3731,
    buffer: true,
    turns: false,
    dynamic: 0,
    reset: false,
    gain: 0.0,
};

/// The weights as they are read after training.
fn learned(rule: Rule) -> [f64; 2] {
    let (mut slow, mut fast, mut kept, mut signs) = ([0.2, -0.3], [0.0_f64; 2], [0.0_f64; 2], [1.0_f64; 2]);
    let (mut running, mut past) = ([0.0_f64; 2], [0.0_f64; 2]);
    let scale = if rule.gain > 0.0 { 1.0 / rule.gain } else { 1.0 };
    let (step, fast_step, read) = (0.01, 0.01 * scale, f64::from(u8::from(rule.gain > 0.0)));
    let mut turn = 0;
    for sample in 0..rule.epochs * SAMPLES.len() {
        let (x, target) = SAMPLES[sample % SAMPLES.len()];
        let error: f64 = (0..2).map(|i| (slow[i] + read * signs[i] * fast[i]) * x[i]).sum::<f64>() - target;
        for i in 0..2 {
            let pulses = (-rule.rate * x[i] * signs[i] * error / fast_step).round();
            fast[i] = (fast[i] + pulses * fast_step).clamp(-scale, scale);
        }
        if (sample + 1) % rule.every == 0 {
            for row in 0..rule.rows {
                let i = (turn * rule.rows + row) % 2;
                let round = (turn * rule.rows + row) / 2;
                let mut seen = signs[i] * fast[i];
                if rule.dynamic > 0 {
                    if round > 0 && round.is_multiple_of(rule.dynamic) {
                        past[i] = running[i];
                    }
                    running[i] += f64::min(5.0 / rule.dynamic as f64, 1.0) * (fast[i] - running[i]);
                    seen = if round < rule.dynamic { 0.0 } else { signs[i] * (fast[i] - past[i]) };
                }
                let moved = rule.moved * seen;
                if rule.buffer {
                    let pulses = ((kept[i] + moved) / step).trunc();
                    kept[i] += moved - pulses * step;
                    slow[i] += pulses * step;
                } else {
                    slow[i] += moved;
                }
                slow[i] = slow[i].clamp(-1.0, 1.0);
                fast[i] = if rule.reset { 0.0 } else { fast[i] };
                let turned = rule.turns || rule.dynamic > 0 && (round + 1).is_multiple_of(rule.dynamic);
                signs[i] = if turned { -signs[i] } else { signs[i] };
            }
            turn += 1;
        }
    }
    [0, 1].map(|i| slow[i] + read * signs[i] * fast[i])
}

#[test]
fn transfers_move_what_plain_loops_move() {
    let rules = [
        PLAIN,
        Rule { every: 4, rows: 2, ..PLAIN },
        Rule { turns: true, ..PLAIN },
        Rule { reset: true, moved: 0.9137, every: 2, ..PLAIN },
        Rule { dynamic: 6, ..PLAIN },
        Rule { dynamic: 2, rows: 2, gain: 2.0, ..PLAIN },
        Rule { gain: 3.0, moved: 0.1037, ..PLAIN },
        Rule { gain: 2.0, moved: 0.1037, turns: true, every: 2, ..PLAIN },
        Rule { buffer: false, rows: 2, ..PLAIN },
        Rule { buffer: false, gain: 3.0, rows: 2, reset: true, turns: true, every: 5, moved: 1.0, ..PLAIN },
    ];
    for rule in rules {
        let Rule { rate, epochs, every, rows, moved, buffer, turns, dynamic, reset, gain } = rule;
        let (how, rows) =
            (if buffer { "buffer: true" } else { "transfer: programming" }, if rows == 2 { "all" } else { "1" });
        let signs = match dynamic {
            0 => format!("choppers: {}", u8::from(turns)),
            period => format!("choppers: 1 / {period}, reference: dynamic"),
        };
        let by = format!(
            "rate: {rate}, epochs: {epochs}, every: {every}, rows: {rows}, transfer_rate: {moved}, {how}, {signs}, reset: {reset}"
        );
        let gain = if gain > 0.0 { format!("fast: cell; gain: {gain}") } else { String::from("fast: cell") };
        for engine in ENGINES {
            let results = &run("transfers", &layer(&chip(STEPS, &gain, IDEAL), &by), &NoFiles, engine)[0];
            let (got, expected) = (values(results, "y"), learned(rule));
            let near = got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near && expected[0] != 0.2, "{rule:?}: {got:?} {expected:?}");
        }
    }
}

/// Without a buffer transfers are trains of pulses: what is moved is right on average.
#[test]
fn transfers_by_trains_move_what_is_read_on_average() {
    let zeros = vec!["[0]"; 120].join(", ");
    let ones = vec!["1"; 120].join(", ");
    let text = format!(
        "{}
        network n(x: real[1]) -> (y: real[120]) {{ x |> dense([{zeros}], within: 1) -> y }}
        experiment e {{
            deploy n on board {{ calibrate: [[1]] }}
            train {{ x: [[1]] }} expect y == [[{ones}]] by two_arrays(rate: 0.2, every: 8, epochs: 8, transfer_rate: 0.037, pulses: nearest(100))
            test {{ x: [[1]] }} measure m = mean(y)
        }}",
        chip(STEPS, "fast: cell", IDEAL)
    );
    let results = &run("trains", &text, &NoFiles, EngineKind::Jit)[0];
    let mean = values(results, "y").iter().sum::<f64>() / 120.0;
    // The fast array is at its bound of 1 after five samples; 3.7 pulses in four slots of which the row is on in nearly all.
    assert!((mean - 0.037).abs() < 0.012, "{mean}");
}

/// What fast cells hold from the start is moved with every transfer; where their sign turns each time, it cancels.
#[test]
fn choppers_cancel_offsets_of_fast_cells() {
    let drift = |choppers: &str| {
        // No gradient is large enough for a pulse.
        let by = format!("rate: 1e-9, epochs: 20, rows: all, transfer_rate: 0.05, buffer: true, choppers: {choppers}");
        let text = layer(&chip(STEPS, "fast: noisy", IDEAL), &by);
        let results = &run("offsets", &text, &NoFiles, EngineKind::Jit)[0];
        let y = values(results, "y");
        (y[0] - 0.2).abs().max((y[1] + 0.3).abs())
    };
    let (kept, turned) = (drift("0 %"), drift("100 %"));
    assert!(kept > 0.1 && turned < 0.03, "{kept} {turned}");
}

/// An array of AIHWKIT's (`reference/data/two_arrays_aihwkit.py`).
fn theirs(name: &str) -> Vec<f64> {
    stored("two_arrays_aihwkit.npz", name)
}

fn stored(file: &str, name: &str) -> Vec<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/data").join(file);
    let file = nmc_host::data::read(&path).unwrap();
    let tensor = file.arrays.iter().find(|stored| stored.name == name).unwrap().tensor().unwrap();
    (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect()
}

/// Rows of numbers as the language writes them.
fn rows(values: &[f64], width: usize) -> String {
    let row = |row: &[f64]| format!("[{}]", row.iter().map(f64::to_string).collect::<Vec<_>>().join(", "));
    format!("[{}]", values.chunks(width).map(row).collect::<Vec<_>>().join(", "))
}

/// Over seeds: the error of the weights (root mean square), and the loss of the last epoch. Cells are AIHWKIT's `SoftBoundsDevice`: steps of 0.01, bounds at
/// 1, each with a spread of 30 % between cells, half the difference of pulses up and down `asymmetry` of the mean step, and 30 % between pulses; 10 uS are a weight of 1.
fn learned_over_seeds(
    (x, targets, weights): (&[f64], &[f64], &[f64]),
    inputs: usize,
    (by, asymmetry): (&str, f64),
    seeds: u64,
) -> (Vec<f64>, Vec<f64>) {
    let outputs = weights.len() / inputs;
    let units: Vec<f64> = (0..inputs * inputs).map(|n| f64::from(u8::from(n / inputs == n % inputs))).collect();
    let text = format!(
        "device cell {{
            conductance: 0 uS .. 60 uS
            size = normal(0.1 uS, 0.03 uS)
            apart = normal(0 uS, {asymmetry} * 0.1 uS)
            top = normal(10 uS, 3 uS)
            bottom = normal(10 uS, 3 uS)
            above = max(30 uS + abs(top) - g, 0 uS)
            below = max(g - 30 uS + abs(bottom), 0 uS)
            potentiation: min(abs(size + apart) * above / abs(top), above)
            depression: min(abs(size - apart) * below / abs(bottom), below)
            noise pulse: normal(0, 30 % of step)
        }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[64, 512]; weights: reference; fast: cell; input: ideal; sense: ideal; read_voltage: 0.2 V
            read_time: 10 ns; transposable: true; wire: ideal
        }}
        core cim {{ tiles: array[4]; units: logic; buffer: 64 kB }}
        chip board {{ cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
        network n(x: real[{inputs}]) -> (y: real[{outputs}]) {{ x |> dense({}, within: 3) -> y }}
        experiment e {{
            deploy n on board
            train {{ x: {} }} expect y == {} by two_arrays(rate: 0.1, buffer: true, shuffle: false, {by})
            test {{ x: {} }} measure m = mean(y)
        }}",
        rows(&vec![0.0; weights.len()], inputs),
        rows(x, inputs),
        rows(targets, outputs),
        rows(&units, inputs)
    );
    let options = Options { precision: Precision::F64, ..Options::default() };
    let program = compile("seeds", &text, &NoFiles, &options).image.unwrap().programs.remove(0);
    let of_seed = |seed| {
        let options = RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
        let results = nmc_runtime::run(&program, &options).unwrap();
        // [inputs, outputs]
        let y = values(&results, "y");
        let square = |n: usize| (y[n % inputs * outputs + n / inputs] - weights[n]).powi(2);
        let error = (0..weights.len()).map(square).sum::<f64>() / weights.len() as f64;
        (error.sqrt(), *results.training[0].loss.last().unwrap())
    };
    (1..=seeds).map(of_seed).unzip()
}

/// Mean, and its variance.
fn mean(values: &[f64]) -> (f64, f64) {
    let (count, mean) = (values.len() as f64, values.iter().sum::<f64>() / values.len() as f64);
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0) / count)
}

/// Whether two samples have one mean, within four times the error of its difference.
fn agree(ours: &[f64], theirs: &[f64]) {
    let ((a, of_a), (b, of_b)) = (mean(ours), mean(theirs));
    assert!((a - b).abs() < 4.0 * (of_a + of_b).sqrt(), "{a} {b}: {}", (a - b).abs() / (of_a + of_b).sqrt());
    // Where the samples tell something.
    assert!((of_a + of_b).sqrt() < 0.25 * b, "{ours:?} {theirs:?}");
}

/// Oracle: AIHWKIT 1.1, `BufferedTransferCompound` and `ChoppedTransferCompound`.
#[test]
fn two_arrays_learn_as_in_aihwkit() {
    let [x, targets, weights] = ["x", "targets", "weights"].map(theirs);
    for (name, choppers) in [("buffered", 0.0), ("chopped", 0.1)] {
        let by = format!("epochs: 40, transfer_rate: 0.05, choppers: {choppers}");
        let (errors, losses) = learned_over_seeds((&x, &targets, &weights), 8, (&by, 0.0), 20);
        agree(&errors, &theirs(&format!("{name}_error")));
        agree(&losses, &theirs(&format!("{name}_loss")));
    }
}

/// Targets above and below the weight in turn drive fast cells to where pulses up and down move them as far; that is taken for a gradient unless signs
/// turn. Oracle: where both pull as hard, 0.4 of a cell's asymmetry away; and AIHWKIT 1.1.
#[test]
fn choppers_keep_asymmetric_cells_from_biasing_weights() {
    let targets: Vec<f64> = [[0.4; 300], [-0.4; 300]].concat();
    let errors = |choppers: f64| {
        let by = format!("epochs: 600, transfer_rate: 0.001, choppers: {choppers}");
        learned_over_seeds((&[1.0, 1.0], &targets, &[0.0; 300]), 1, (&by, 0.3), 4).0
    };
    let (buffered, chopped) = (errors(0.0), errors(0.1));
    agree(&buffered, &theirs("asymmetric_buffered"));
    agree(&chopped, &theirs("asymmetric_chopped"));
    let bias = 0.4 * 0.3;
    assert!((mean(&buffered).0 / bias - 1.0).abs() < 0.2 && mean(&chopped).0 < 0.5 * bias, "{buffered:?} {chopped:?}");
}

/// Analog gradient accumulation with a dynamic reference. Oracle: AIHWKIT 1.1, `DynamicTransferCompound` (`reference/data/dynamic_aihwkit.py`).
#[test]
fn a_reference_that_follows_learns_as_in_aihwkit() {
    let [x, targets, weights] = ["x", "targets", "weights"].map(theirs);
    let of = |name: &str| stored("dynamic_aihwkit.npz", name);
    let by =
        |epochs: u32, rate: f64| format!("epochs: {epochs}, transfer_rate: {rate}, choppers: 10 %, reference: dynamic");
    let (errors, losses) = learned_over_seeds((&x, &targets, &weights), 8, (&by(40, 0.05), 0.0), 20);
    agree(&errors, &of("error"));
    // Losses of single seeds lie far apart.
    let roots = |losses: &[f64]| losses.iter().map(|loss| loss.sqrt()).collect::<Vec<_>>();
    agree(&roots(&losses), &roots(&of("loss")));
    let targets: Vec<f64> = [[0.4; 300], [-0.4; 300]].concat();
    let (errors, _) = learned_over_seeds((&[1.0, 1.0], &targets, &[0.0; 300]), 1, (&by(600, 0.001), 0.3), 4);
    agree(&errors, &of("asymmetric"));
}

fn joules(results: &Results, kind: ComponentKind) -> f64 {
    results.training[0].energy_j.iter().find(|(known, _)| *known == kind).map_or(0.0, |(_, joules)| *joules)
}

/// What a read of a row takes: a driver, a word line, a conversion of each column, v^2 g t of its cells; and what its pulses take.
#[test]
fn reads_and_pulses_of_the_fast_array_are_paid_for() {
    let trained = |by: &str| {
        let text = layer(&chip(STEPS, "fast: cell", ("dac", "sar")), by);
        run("paid", &text, &NoFiles, EngineKind::Jit).remove(0)
    };
    // Nothing moves: both arrays keep their conductances.
    let still = "rate: 1e-9, epochs: 10, buffer: true";
    let (one, two) = (trained(&format!("{still}, rows: 1")), trained(&format!("{still}, rows: 2")));
    let (never, reads) = (trained(&format!("{still}, every: 1000")), 30.0);
    for (rows, results) in [(1.0, &one), (2.0, &two)] {
        let cells = 0.2_f64.powi(2) * 10e-9 * 2.0 * 15e-6;
        let kinds = [
            (ComponentKind::Dac, 3e-12),
            (ComponentKind::Adc, 7e-12),
            (ComponentKind::Driver, 11e-12),
            (ComponentKind::Cells, cells),
        ];
        for (kind, each) in kinds {
            let more = joules(results, kind) - joules(&never, kind);
            assert!((more / (rows * reads * each) - 1.0).abs() < 1e-6, "{kind:?}: {more} {each}");
        }
        assert_eq!(results.training[0].pulses, 0);
    }
    let moving = trained("rate: 0.13, epochs: 3, buffer: true");
    let pulses = moving.training[0].pulses as f64;
    assert!(pulses > 10.0 && (joules(&moving, ComponentKind::Programming) / (2e-12 * pulses) - 1.0).abs() < 1e-9);
}

/// The cells of the fast array take area; the weights do not change by it.
#[test]
fn the_fast_array_takes_area() {
    let cells = |tile: &str| {
        let device = format!("{STEPS}; cell_area: 2 um2");
        let by = if tile.is_empty() { "backprop" } else { "two_arrays" };
        let text = layer(&chip(&device, tile, IDEAL), "rate: 0.1").replace("two_arrays", by);
        let program = compile("area", &text, &NoFiles, &Options::default()).image.unwrap().programs.remove(0);
        let area = &program.costs.layout.area_mm2;
        area.iter().find(|(kind, _)| *kind == ComponentKind::Cells).unwrap().1
    };
    assert!((cells("fast: cell") / cells("") - 2.0).abs() < 1e-9);
}

/// A cell that leaks loses the same share in every sample, which lasts three times as long as its forward read.
#[test]
fn fast_cells_leak_from_sample_to_sample() {
    let text = format!(
        "{}
        network n(x: real[1]) -> (y: real[1]) {{ x |> dense([[0]], within: 1) -> y }}
        experiment e {{
            deploy n on board {{ calibrate: [[1]] }}
            train {{ x: [[1], [0], [0], [0], [0], [0]] }} expect y == [[1], [0], [0], [0], [0], [0]]
                by two_arrays(rate: 0.2, every: 1000, shuffle: false, pulses: nearest(100))
            test {{ x: [[1]] }} measure m = mean(y)
        }}",
        chip(STEPS, "fast: quick; gain: 1", IDEAL)
    );
    let program = compile("leak", &text, &NoFiles, &Options::default()).image.unwrap().programs.remove(0);
    let interval = program.costs.initiation_interval_s;
    let left = 0.2 * (-6.0 * 3.0 * interval / 5e-6).exp();
    for engine in ENGINES {
        let y = values(&run("leak", &text, &NoFiles, engine)[0], "y")[0];
        assert!((y - left).abs() < 1e-9 && left < 0.195, "{y} {left}");
    }
}

/// What a fast array holds grows from transfer to transfer: its converters do not cut it to what was read before. Oracle: ideal converters.
#[test]
fn what_grows_in_fast_cells_is_read_whole() {
    let learned = |input: &str, sense: &str| {
        let text = format!(
            "device cell {{ conductance: 0 uS .. 40 uS; potentiation: 0.1 uS; depression: 0.1 uS }}
            converter dac(): bits(20) -> voltage {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
            converter adc(): current -> bits(20) {{ energy: 2 pJ; area: 100 um2; time: 10 ns }}
            unit logic: bits(20) -> bits(20) {{ implements: any; energy: 0.1 pJ; area: 10 um2; time: 1 ns }}
            tile array {{
                cells: cell[8, 8]; weights: differential; input: {input}; sense: {sense}; read_voltage: 0.2 V
                read_time: 10 ns; transposable: true; wire: ideal; fast: cell
            }}
            core cim {{ tiles: array[1]; units: logic; buffer: 1 kB }}
            chip board {{ cores: grid(1, 1) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
            network n(x: real[1]) -> (y: real[1]) {{ x |> dense([[0.3]], within: 1) -> y }}
            experiment e {{
                deploy n on board {{ calibrate: [[1], [4]] }}
                train {{ x: [[1]] }} expect y == [[0.8]] by two_arrays(rate: 0.1, shuffle: false, epochs: 3,
                    pulses: nearest(31), transfer: programming, transfer_rate: 0.5)
                test {{ x: [[1]] }} measure m = mean(y)
            }}"
        );
        values(&run("fast.nmc", &text, &NoFiles, EngineKind::Jit)[0], "y")[0]
    };
    let (real, ideal) = (learned("dac", "adc"), learned("ideal", "ideal"));
    // Within a pulse; cut off it was 0.07 less.
    assert!(ideal > 0.44 && (real - ideal).abs() < 0.006, "{real}, {ideal}");
}

/// What drives rows and holds columns may resist by itself, or with wires. Oracle: what resists next to nothing is as what does not, but
/// for a few pulses whose number was as near to one as to the next.
#[test]
fn both_arrays_have_drivers_that_resist() {
    let learned = |tile: &str| {
        let tile = format!("fast: cell; {tile}");
        let text = layer(&chip(STEPS, &tile, IDEAL), "rate: 0.1, epochs: 5").replace("wire: ideal; ", "");
        values(&run("drivers", &text, &NoFiles, ENGINES[1])[0], "y").to_vec()
    };
    let plain = learned("wire: ideal");
    for tile in ["driver_resistance: 1 mohm", "sense_resistance: 1 mohm", "wire: 1 mohm; driver_resistance: 1 mohm"] {
        for (found, plain) in learned(tile).iter().zip(&plain) {
            assert!((found - plain).abs() < 0.1, "{tile}: {found} {plain}");
        }
    }
    assert_ne!(learned("driver_resistance: 1 kohm"), plain);
}

#[test]
fn what_two_arrays_cannot_do_is_told() {
    let with = |tile: &str, by: &str| codes(&layer(&chip(STEPS, tile, IDEAL), by));
    assert!(with("fast: cell", "rate: 0.1").is_empty(), "{:?}", with("fast: cell", "rate: 0.1"));
    for (tile, by, code) in [
        ("", "rate: 0.1", "E0619"),
        ("gain: 3", "rate: 0.1", "E0503"),
        ("fast: cell; gain: 0", "rate: 0.1", "E0503"),
        ("fast: cell[2, 2]", "rate: 0.1", "E0503"),
        ("fast: cel", "rate: 0.1", "E0201"),
        ("fast: cell", "rate: 0.1, every: 0", "E0303"),
        ("fast: cell", "rate: 0.1, rows: 1.5", "E0303"),
        ("fast: cell", "rate: 0.1, choppers: 110 %", "E0306"),
        ("fast: cell", "rate: 0.1, transfer_rate: 0", "E0306"),
        ("fast: cell", "rate: 0.1, buffer: 3", "E0306"),
        ("fast: cell", "rate: 0.1, choppers: 10 %, reference: mean", "E0306"),
        ("fast: cell", "rate: 0.1, reference: dynamic", "E0415"),
        ("fast: cell", "rate: 0.1, transfer: magic", "E0306"),
        ("fast: cell", "rate: 0.1, transfer: programming, buffer: true", "E0306"),
        ("fast: cell", "rate: 0.1, chopper: 1", "E0206"),
        ("fast: cell", "every: 2", "E0415"),
    ] {
        assert!(with(tile, by).contains(&code), "{tile} {by}: {:?}", with(tile, by));
    }
    let leaky = layer(&chip(STEPS, "fast: cell", IDEAL), "rate: 0.1").replace("cells: cell[", "cells: quick[");
    assert!(codes(&leaky).contains(&"E0503"), "{:?}", codes(&leaky));
    let transfers = layer(&chip(STEPS, "fast: cell", IDEAL), "rate: 0.1, every: 3").replace("two_arrays", "backprop");
    assert!(codes(&transfers).contains(&"E0206"));
}
