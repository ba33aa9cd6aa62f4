//! Columns that give voltages: what noise, drift and open lines do to them, against the sampling of every cell and by hand; what is refused.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_runtime::EngineKind;
use nmc_tests::dice::Dice;
use nmc_tests::{ENGINES, run, values};

const LOW: f64 = 1e-6;
const SPAN: f64 = 99e-6;
/// [outputs][inputs], the largest of 1.
const WEIGHTS: [[f64; 3]; 2] = [[1.0, -0.4, 0.3], [-0.2, 0.6, 0.1]];
const INPUTS: [f64; 3] = [0.9, -1.0, 0.5];

fn program(device: &str, tile: &str, deploy: &str, samples: usize) -> String {
    let input = format!("{INPUTS:?}");
    format!(
        "
device cell {{ conductance: 1 uS .. 100 uS; levels: ideal; {device} }}
converter dac: bits(8) -> voltage {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
converter adc: voltage -> bits(20) {{ energy: 1 pJ; area: 10 um2; time: 1 ns; range: 0.2 V }}
converter sar: current -> bits(8) {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
unit alu: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
tile array {{
    cells: cell[6, 2]; weights: differential; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns; wire: ideal
    normalises: true; {tile}
}}
core one {{ tiles: array[1]; units: alu; buffer: 1 kB }}
chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
network net(x: real[3]) -> (y: real[2]) {{ x |> dense({WEIGHTS:?}) -> y }}
experiment e {{ deploy net on board {{ calibrate: [{input}]; {deploy} }}; test {{ x: [{}] }} measure m = sum(y) }}",
        vec![input.clone(); samples].join(", ")
    )
}

fn outputs(text: &str, engine: EngineKind) -> Vec<f64> {
    values(&run("volts", text, &NoFiles, engine)[0], "y").to_vec()
}

/// Conductances of an output's cells as asked for, and the voltages of their rows: pairs lie on rows of opposite voltages.
fn asked(output: usize) -> Vec<(f64, f64)> {
    let pair = |(weight, x): (&f64, &f64)| {
        [(LOW + SPAN * weight.max(0.0), *x), (LOW + SPAN * (-weight).max(0.0), -x)].into_iter()
    };
    WEIGHTS[output].iter().zip(&INPUTS).flat_map(pair).collect()
}

/// An output where its column's cells conduct so much.
fn read(output: usize, held: &[f64]) -> f64 {
    let rows = asked(output);
    let total: f64 = held.iter().sum();
    let volts = rows.iter().zip(held).map(|((_, v), g)| v * g).sum::<f64>() / total;
    let known: f64 = rows.iter().map(|(g, _)| g).sum();
    if total > 0.0 { volts * known / SPAN } else { 0.0 }
}

/// Read noise moves what is summed and what it is divided by. Oracle: every cell drawn by itself; mean, variance (five standard errors) and the whole
/// distribution (Kolmogorov-Smirnov), of noise so large that it is not linear.
#[test]
fn read_noise_equals_the_sampling_of_every_cell() {
    const READS: usize = 20_000;
    let found = outputs(&program("noise read: normal(0, 12 % of g)", "", "", READS), EngineKind::Jit);
    let mut dice = Dice::new(3);
    let mut share = || (dice.below(1 << 52) as f64 + 0.5) / (1u64 << 52) as f64;
    let mut normal = || (-2.0 * share().ln()).sqrt() * (std::f64::consts::TAU * share()).cos();
    for output in 0..2 {
        let mut found: Vec<f64> = found.iter().skip(output).step_by(2).copied().collect();
        let mut drawn = || -> Vec<f64> { asked(output).iter().map(|(g, _)| g * (1.0 + 0.12 * normal())).collect() };
        let mut sampled: Vec<f64> = (0..READS).map(|_| read(output, &drawn())).collect();
        let mean = |all: &[f64]| all.iter().sum::<f64>() / READS as f64;
        let variance = |all: &[f64]| all.iter().map(|y| (y - mean(all)).powi(2)).sum::<f64>() / READS as f64;
        let wanted = variance(&sampled);
        assert!(wanted > 1e-4, "{wanted}");
        let apart = (mean(&found) - mean(&sampled)).abs();
        assert!(apart < 5.0 * (2.0 * wanted / READS as f64).sqrt(), "output {output}: means are {apart} apart");
        let ratio = variance(&found) / wanted;
        assert!((ratio - 1.0).abs() < 5.0 * 2.0 / (READS as f64).sqrt(), "output {output}: {ratio} of the variance");
        found.sort_by(f64::total_cmp);
        sampled.sort_by(f64::total_cmp);
        let below = |all: &[f64], y: f64| all.partition_point(|other| *other <= y) as f64 / READS as f64;
        let most = found.iter().map(|&y| (below(&found, y) - below(&sampled, y)).abs()).fold(0.0, f64::max);
        // 0.001 % of equal distributions are further apart.
        assert!(most < 2.47 * (2.0 / READS as f64).sqrt(), "output {output}: Kolmogorov-Smirnov {most}");
    }
}

/// What all cells of a column lose alike is divided out; what some lose is not. Oracle: by hand.
#[test]
fn drift_that_all_cells_share_is_divided_out() {
    let after = |drift: &str| {
        let found = outputs(&program(drift, "", "after: 1 day", 1), EngineKind::Jit);
        (found[0], found[1])
    };
    let fresh = [0, 1].map(|output| read(output, &asked(output).iter().map(|(g, _)| *g).collect::<Vec<f64>>()));
    for (found, wanted) in [after("drift: 0.3 * g").0, after("drift: 0.3 * g").1].iter().zip(fresh) {
        assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    }
    let squared = [0, 1].map(|output| {
        let held: Vec<f64> = asked(output).iter().map(|(g, _)| g * g / 100e-6).collect();
        read(output, &held)
    });
    let found = after("drift: g^2 / 100 uS");
    assert!((found.0 - squared[0]).abs() < 1e-6 && (found.1 - squared[1]).abs() < 1e-6, "{found:?} {squared:?}");
    assert!((squared[0] - fresh[0]).abs() > 0.1);
}

/// Open rows take single cells of pairs away, open columns all that an output has. Oracle: every combination, and how often it comes.
#[test]
fn open_lines_change_sum_and_divisor() {
    const CHIPS: usize = 400;
    let text = program("faults: [dead_row(20 %), dead_column(10 %)]", "", "", 1);
    let image = compile("volts", &text, &NoFiles, &Options::default()).image.unwrap();
    let mut whole = 0;
    for chip in 0..CHIPS as u64 {
        let options = nmc_runtime::RunOptions {
            seed: 1000 + chip,
            engine: ENGINES[(chip % 2) as usize],
            threads: 1,
            memory: 16 << 30,
            progress: None,
        };
        let results = nmc_runtime::run(&image.programs[0], &options).unwrap();
        let found = values(&results, "y");
        // The rows that are open are the same for both outputs.
        let fits = |open: &usize, output: usize| {
            let held: Vec<f64> = asked(output)
                .iter()
                .enumerate()
                .map(|(row, (g, _))| if open >> row & 1 == 1 { 0.0 } else { *g })
                .collect();
            (found[output] - read(output, &held)).abs() < 1e-5
        };
        let known = (0..64).find(|open| (0..2).all(|output| found[output] == 0.0 || fits(open, output)));
        assert!(known.is_some(), "{found:?}");
        whole += usize::from(known == Some(0) && found[0] != 0.0 && found[1] != 0.0);
    }
    let chance = 0.8_f64.powi(6) * 0.9_f64.powi(2);
    let spread = (CHIPS as f64 * chance * (1.0 - chance)).sqrt();
    assert!((whole as f64 - CHIPS as f64 * chance).abs() < 5.0 * spread, "{whole}");
}

/// A converter's range in volts is the same at all columns: the largest output is that of its voltage times the column's conductances. Oracle: by hand.
#[test]
fn a_range_in_volts_holds_for_every_column() {
    let text = program("", "", "", 1).replace("sense: ideal", "sense: adc").replace("range: 0.2 V", "range: 10 mV");
    for engine in ENGINES {
        let found = outputs(&text, engine);
        for (output, found) in found.iter().enumerate() {
            let cells = asked(output);
            let known: f64 = cells.iter().map(|(g, _)| g).sum();
            let most = 10e-3 / 0.2 * known / SPAN;
            let exact = read(output, &cells.iter().map(|(g, _)| *g).collect::<Vec<f64>>());
            let wanted = exact.clamp(-most, most);
            assert!((found - wanted).abs() < 1e-4 * most, "{found} {wanted}, exactly {exact}");
        }
        assert!(found[0].abs() < 0.999 * read(0, &asked(0).iter().map(|(g, _)| *g).collect::<Vec<f64>>()).abs());
    }
}

/// What is not simulated is an error with a way out.
#[test]
fn what_is_not_simulated_is_refused() {
    let said = |text: &str| -> Vec<(String, String)> {
        let compilation = compile("volts", text, &NoFiles, &Options::default());
        let errors = compilation.diagnostics.iter().filter(|one| one.is_error());
        errors.map(|one| (one.code.number().to_string(), one.message.clone())).collect()
    };
    assert_eq!(said(&program("", "", "", 1)), []);
    let plain = program("", "", "", 1);
    let cases = [
        (plain.replace("weights: differential", "weights: reference"), "E0503", "other conductances"),
        (plain.replace("wire: ideal", "wire: 1 ohm"), "E0503", "on lines that resist"),
        (program("current: g * v", "", "", 1), "E0503", "`current`"),
        (plain.replace("input: ideal", "input: bit_serial(dac(), bits: 4)"), "E05", ""),
        (plain.replace("sense: ideal", "sense: sar"), "E0507", "cannot stand"),
        (plain.replace("sense: ideal", "sense: voltage"), "E0507", "cannot stand"),
        (plain.replace("normalises: true", "").replace("sense: ideal", "sense: adc"), "E0507", "cannot stand"),
        (
            plain
                .replace(&format!("dense({WEIGHTS:?})"), "dense(2, fit: ridge(1))")
                .replace("test {", "train { x: [[1, 2, 3]] } expect y == [[1, 2]]\n    test {"),
            "E0601",
            "no tile",
        ),
    ];
    for (text, code, message) in cases {
        let told = said(&text);
        assert!(told.len() == 1 && told[0].0.starts_with(code) && told[0].1.contains(message), "{told:?}\n{text}");
    }
}

/// The energy by which conversions are chosen is that of cells between the voltages of their rows and their columns. Oracle: what a run counts, on the same
/// inputs; on chips of random size, driven by voltages and by pulses.
#[test]
fn planned_energy_is_what_a_run_takes() {
    let mut dice = Dice::new(7);
    for round in 0..12 {
        let (rows, outputs, inputs) = (4 + 2 * dice.below(8), 1 + dice.below(6), 3 + dice.below(10));
        let weights = dice.matrix(outputs, inputs);
        let least = if round % 3 == 0 { 0.0 } else { -1.0 };
        let mut sample = || (0..inputs).map(|_| dice.number(least, 1.0)).collect::<Vec<f64>>();
        let samples: Vec<Vec<f64>> = (0..20).map(|_| sample()).collect();
        let input = if round % 2 == 0 { "pulse_width()" } else { "dac()" };
        let text = format!(
            "
device cell {{ conductance: 5 uS .. 100 uS; levels: ideal }}
converter dac: bits(8) -> voltage {{ energy: 0 J; area: 10 um2; time: 1 ns }}
converter pulse_width: bits(8) -> pulse {{ energy: 0 J; area: 10 um2; time: 10 ns }}
converter adc: voltage -> bits(8) {{ energy: 0 J; area: 10 um2; time: 1 ns }}
unit alu: bits(16) -> bits(16) {{ implements: any; energy: 0 J; area: 500 um2; time: 1 ns }}
tile array {{
    cells: cell[{rows}, 4]; weights: differential; input: {input}; sense: adc; read_voltage: 0.2 V; read_time: 10 ns; wire: ideal
    normalises: true
}}
core one {{ tiles: array[64]; units: alu; buffer: 1 kB }}
chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
network net(x: real[{inputs}]) -> (y: real[{outputs}]) {{ x |> dense({weights}) -> y }}
experiment e {{ deploy net on board {{ calibrate: {samples:?} }}; test {{ x: {samples:?} }} measure m = sum(y) }}"
        );
        let image = compile("volts", &text, &NoFiles, &Options::default()).image.unwrap();
        let results = run("volts", &text, &NoFiles, EngineKind::Jit);
        let taken = nmc_runtime::energy::total(&results[0].energy_j) / 20.0;
        let objective = &image.programs[0].costs.layout.objective;
        for planned in [objective.value, objective.lower_bound] {
            assert!(
                (planned / taken - 1.0).abs() < 0.03,
                "round {round}, {input}: planned {planned:e}, taken {taken:e}"
            );
        }
    }
}
