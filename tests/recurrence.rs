//! States of networks: loops against plain loops written here, on ideal hardware and on arrays.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::ComponentKind;
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{ENGINES, codes, nested, numbers, product, run, sigmoid, values};

const INPUTS: usize = 3;
const HIDDEN: usize = 4;
const STEPS: usize = 5;
/// More than are presented side by side.
const SAMPLES: usize = 40;

/// Long short-term memory in plain loops: the outputs of each sample.
fn plain_lstm(gates: &[f64], bias: &[f64], out: &[f64], x: &[f64]) -> Vec<f64> {
    let mut outputs = Vec::new();
    for sample in x.chunks(INPUTS * STEPS) {
        let (mut h, mut c) = (vec![0.0; HIDDEN], vec![0.0; HIDDEN]);
        for x in sample.chunks(INPUTS) {
            let both: Vec<f64> = x.iter().chain(&h).copied().collect();
            let z: Vec<f64> = product(gates, &both).iter().zip(bias).map(|(z, b)| z + b).collect();
            for n in 0..HIDDEN {
                let (forget, take) = (sigmoid(z[n]), sigmoid(z[HIDDEN + n]));
                c[n] = forget * c[n] + take * z[2 * HIDDEN + n].tanh();
                h[n] = sigmoid(z[3 * HIDDEN + n]) * c[n].tanh();
            }
        }
        outputs.extend(product(out, &h));
    }
    outputs
}

fn lstm(gates: &[f64], bias: &[f64], out: &[f64], x: &[f64], on: &str) -> String {
    format!(
        "unit logic: bits(16) -> bits(16) {{ implements: any; energy: 1 pJ; area: 500 um2; time: 1 ns }}
        device cell {{ conductance: 0 uS .. 100 uS; levels: ideal }}
        converter adc(bits: int = 12): current -> bits(bits) {{ energy: 2 pJ; area: 1 um2; time: 10 ns }}
        converter dac(bits: int = 12): bits(bits) -> voltage {{ energy: 3 pJ; area: 1 um2; time: 1 ns }}
        tile array {{
            cells: cell[64, 64]; weights: differential; input: dac; sense: adc; read_voltage: 0.2 V; read_time: 10 ns
            wire: ideal
        }}
        core cim {{ tiles: array[2]; units: logic; buffer: 64 kB }}
        chip board {{ cores: grid(2, 1) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 pJ per bit) }}
        network net(x: real[{INPUTS}]) -> (y: real[2]) {{
            state h: real[{HIDDEN}] = 0
            state c: real[{HIDDEN}] = 0
            z = concat(x, h) |> dense({}, bias: {})
            c_new = sigmoid(z[0..{HIDDEN}]) * c + sigmoid(z[{HIDDEN}..{}]) * tanh(z[{}..{}])
            next c = c_new
            next h = sigmoid(z[{}..{}]) * tanh(c_new)
            h |> dense({}) -> y
        }}
        experiment e {{ deploy net{on}; test {{ x: {} }} measure m = mean(y) }}",
        nested(gates, &[4 * HIDDEN, INPUTS + HIDDEN]),
        nested(bias, &[4 * HIDDEN]),
        2 * HIDDEN,
        2 * HIDDEN,
        3 * HIDDEN,
        3 * HIDDEN,
        4 * HIDDEN,
        nested(out, &[2, HIDDEN]),
        nested(x, &[SAMPLES, STEPS, INPUTS]),
    )
}

fn joules(results: &Results, kind: ComponentKind) -> f64 {
    results.energy_j.iter().find(|(known, _)| *known == kind).map_or(0.0, |(_, joules)| *joules)
}

#[test]
fn long_short_term_memory_is_what_plain_loops_give() {
    let (gates, bias) = (numbers(1, 4 * HIDDEN * (INPUTS + HIDDEN)), numbers(2, 4 * HIDDEN));
    let (out, x) = (numbers(3, 2 * HIDDEN), numbers(4, SAMPLES * STEPS * INPUTS));
    let wanted = plain_lstm(&gates, &bias, &out, &x);
    for engine in ENGINES {
        let results = &run("lstm", &lstm(&gates, &bias, &out, &x, ""), &NoFiles, engine)[0];
        for (y, wanted) in values(results, "y").iter().zip(&wanted) {
            assert!((y - wanted).abs() < 1e-12, "{y} {wanted}");
        }
    }
}

/// On a chip the gates' array is read once a step, and the readout's once a sample.
#[test]
fn an_array_in_a_loop_is_read_once_a_step() {
    let (gates, bias) = (numbers(1, 4 * HIDDEN * (INPUTS + HIDDEN)), numbers(2, 4 * HIDDEN));
    let (out, x) = (numbers(3, 2 * HIDDEN), numbers(4, SAMPLES * STEPS * INPUTS));
    let wanted = plain_lstm(&gates, &bias, &out, &x);
    let text = lstm(&gates, &bias, &out, &x, " on board { calibrate: [[[1, 1, 1]]] }");
    let text =
        text.replace("calibrate: [[[1, 1, 1]]]", &format!("calibrate: {}", nested(&x, &[SAMPLES, STEPS, INPUTS])));
    for engine in ENGINES {
        let results = &run("on arrays", &text, &NoFiles, engine)[0];
        let y = values(results, "y");
        let error = y.iter().zip(&wanted).map(|(y, wanted)| (y - wanted).powi(2)).sum::<f64>();
        let size = wanted.iter().map(|wanted| wanted.powi(2)).sum::<f64>();
        // Converters of twelve bits.
        assert!((error / size).sqrt() < 5e-3, "{}", (error / size).sqrt());
        assert!(error > 0.0);
        let samples = SAMPLES as f64;
        let (adc, dac) = (joules(results, ComponentKind::Adc), joules(results, ComponentKind::Dac));
        let sums = (4 * HIDDEN * STEPS + 2) as f64 * 2e-12 * samples;
        // A row of the gates' array holds their bias.
        let driven = ((INPUTS + HIDDEN + 1) * STEPS + HIDDEN) as f64 * 3e-12 * samples;
        assert!((adc / sums - 1.0).abs() < 1e-9, "{adc} {sums}");
        assert!((dac / driven - 1.0).abs() < 1e-9, "{dac} {driven}");
    }
}

/// All states step together, from what all were before; plain samples start afresh, sequences go on.
#[test]
fn states_step_together() {
    let text = |word: &str| {
        format!(
            "network n(x: real[2]) -> (y: real[2]) {{
                state a: real[2] = 1
                state b: real[2]
                next b = a
                next a = a + x
                a + 10 * b -> y
            }}
            experiment e {{
                deploy n
                test {word} {{ x: [[[1, 2], [3, 4], [5, 6]], [[1, 0], [0, 0], [0, 0]]] }} measure m = mean(y)
            }}"
        )
    };
    for engine in ENGINES {
        assert_eq!(values(&run("plain", &text(""), &NoFiles, engine)[0], "y"), [60.0, 83.0, 22.0, 11.0]);
        assert_eq!(values(&run("on", &text("sequence"), &NoFiles, engine)[0], "y"), [60.0, 83.0, 121.0, 143.0]);
    }
}

/// A state may start from a signal, and what is shown is held where it has no axis of steps. Oracle: Hopfield's rule in plain loops.
#[test]
fn a_network_of_hopfield_finds_what_it_was_given_a_part_of() {
    let len = 24;
    let patterns: Vec<Vec<f64>> = (0..2).map(|p| numbers(p + 7, len).iter().map(|v| v.signum()).collect()).collect();
    let weight = |i: usize, j: usize| if i == j { 0.0 } else { patterns.iter().map(|p| p[i] * p[j]).sum::<f64>() };
    let weights: Vec<f64> = (0..len * len).map(|at| weight(at / len, at % len)).collect();
    let mut hints = Vec::new();
    for pattern in &patterns {
        hints.extend(pattern.iter().enumerate().map(|(n, v)| if n % 6 == 0 { -v } else { *v }));
    }
    let text = format!(
        "network hopfield(hint: real[{len}]) -> (found: real[{len}]) {{
            state x: real[{len}] = hint
            next x = x |> dense({}) |> sign
            x -> found
        }}
        experiment e {{ deploy hopfield; test {{ hint: {} }} for 6 steps measure m = mean(found) }}",
        nested(&weights, &[len, len]),
        nested(&hints, &[2, len]),
    );
    let mut wanted = Vec::new();
    for hint in hints.chunks(len) {
        let mut x = hint.to_vec();
        for _ in 0..6 {
            x = product(&weights, &x).iter().map(|z| if *z == 0.0 { 0.0 } else { z.signum() }).collect();
        }
        wanted.extend(x);
    }
    assert_eq!(wanted, patterns.concat(), "the hints are too poor");
    for engine in ENGINES {
        assert_eq!(values(&run("hopfield", &text, &NoFiles, engine)[0], "found"), wanted);
    }
}

#[test]
fn states_that_cannot_be_are_told() {
    let with = |body: &str, test: &str| {
        codes(&format!(
            "network n(x: real[2]) -> (y: real[2]) {{ {body} }}
            experiment e {{ deploy n; {test} measure m = mean(y) }}"
        ))
    };
    let (good, steps) = ("state h: real[2] = 0; next h = h + x; h -> y", "test { x: [[1, 2]] } for 3 steps");
    assert!(with(good, steps).is_empty());
    assert!(with(good, "test { x: [[[1, 2], [3, 4]]] }").is_empty());
    for (body, test, code) in [
        (good, "test { x: [[1, 2]] }", "E0414"),
        (good, "test { x: [[[1, 2], [3, 4]]] } for 3 steps", "E0310"),
        (good, "test { x: [[1, 2]] } for 3 ms", "E0302"),
        ("state h: real[2] = 0; h -> y", steps, "E0412"),
        ("state h: real[3] = 0; next h = x; x -> y", steps, "E0303"),
        ("state h: real[2] = 0; next h = x; next h = h; h -> y", steps, "E0410"),
        ("next h = x; x -> y", steps, "E0201"),
        ("x |> relu -> y", steps, "E0305"),
        ("state h: voltage = 0 V; next h = h; x -> y", steps, "E0305"),
        ("state h: real[2] = 1 V; next h = h; h -> y", steps, "E0302"),
        ("state h: real[2] = 0; state h: real[2] = 0; next h = x; h -> y", steps, "E0202"),
    ] {
        assert!(with(body, test).contains(&code), "{body} {test}: {:?}", with(body, test));
    }
}

/// A loop on arrays of 8-bit converters, or ideal ones, whose state is the output.
fn loop_on(cells: &str, cores: (usize, &str), ends: &str, steps: usize) -> String {
    let (tiles, grid) = cores;
    format!(
        "unit logic: bits(16) -> bits(16) {{ implements: any; energy: 1 pJ; area: 500 um2; time: 1 ns }}
        device cell {{ conductance: 0 uS .. 100 uS; levels: ideal }}
        converter adc: current -> bits(8) {{ energy: 2 pJ; area: 1 um2; time: 10 ns }}
        converter dac: bits(8) -> voltage {{ energy: 3 pJ; area: 1 um2; time: 1 ns }}
        tile array {{
            cells: cell[{cells}]; weights: differential; {ends}; read_voltage: 0.2 V; read_time: 10 ns
        }}
        core cim {{ tiles: array[{tiles}]; units: logic; buffer: 1 kB }}
        chip board {{
            cores: grid({grid}) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
            host: spi(energy: 1 pJ per bit, time: 0.1 ns)
        }}
        network n(x: real[3]) -> (y: real[3]) {{
            state h: real[3] = x
            next h = h |> dense({})
            h -> y
        }}
        experiment e {{ deploy n on board; test {{ x: {} }} for {steps} steps measure m = mean(y) }}",
        nested(&numbers(1, 9), &[3, 3]),
        nested(&numbers(2, 3), &[1, 3]),
    )
}

/// A loop's layer may lie on arrays of several cores, whatever they are. Oracle: a plain loop; cells and converters are ideal.
#[test]
fn a_loop_goes_through_arrays_of_several_cores() {
    let mut wanted = numbers(2, 3);
    for _ in 0..3 {
        wanted = product(&numbers(1, 9), &wanted);
    }
    for (cells, cores) in [
        ("1, 2", (2, "3, 3")),
        ("2, 2", (2, "3, 3")),
        ("3, 2", (1, "2, 2")),
        ("1, 8", (1, "3, 1")),
        ("1, 4", (4, "2, 2")),
    ] {
        let text = loop_on(cells, cores, "input: ideal; sense: ideal", 3);
        for (y, wanted) in values(&run("cores", &text, &NoFiles, EngineKind::Jit)[0], "y").iter().zip(&wanted) {
            assert!((y - wanted).abs() < 1e-9, "{cells}: {y} {wanted}");
        }
    }
}

/// Outputs leave once a sample, after the last step. Oracle: counted by hand; 3 words of 16 bits come, to the state, and 3 leave.
#[test]
fn outputs_of_a_loop_leave_once() {
    for steps in [1, 2, 7] {
        let text = loop_on("4, 8", (1, "1, 1"), "input: dac; sense: adc", steps);
        let host = joules(&run("host", &text, &NoFiles, EngineKind::Jit)[0], ComponentKind::Host);
        assert!((host / 96e-12 - 1.0).abs() < 1e-9, "{steps}: {host}");
    }
}

/// What comes after a loop begins when its last step has ended: ten steps of a read each, and one more.
#[test]
fn a_readout_waits_for_the_last_step() {
    let (gates, bias) = (numbers(1, 4 * HIDDEN * (INPUTS + HIDDEN)), numbers(2, 4 * HIDDEN));
    let (out, x) = (numbers(3, 2 * HIDDEN), numbers(4, SAMPLES * STEPS * INPUTS));
    let text =
        lstm(&gates, &bias, &out, &x, &format!(" on board {{ calibrate: {} }}", nested(&x, &[SAMPLES, STEPS, INPUTS])));
    let compiled = compile("lstm", &text, &NoFiles, &Options::default());
    let table = &compiled.mapped[0].timetable;
    let steps = STEPS as f64 * table.tick.unwrap();
    // Drivers, cells and converters of the readout's array.
    assert!(table.latency >= steps + 21e-9, "{} {steps}", table.latency);
}

/// The same with one thread and with several.
#[test]
fn loops_do_not_depend_on_threads() {
    let (gates, bias) = (numbers(1, 4 * HIDDEN * (INPUTS + HIDDEN)), numbers(2, 4 * HIDDEN));
    let (out, x) = (numbers(3, 2 * HIDDEN), numbers(4, SAMPLES * STEPS * INPUTS));
    let text = lstm(&gates, &bias, &out, &x, "");
    let options = nmc_compiler::Options::default();
    let image = nmc_compiler::compile("threads", &text, &NoFiles, &options).image.unwrap();
    let of = |threads: usize| {
        let options =
            nmc_runtime::RunOptions { seed: 1, engine: EngineKind::Jit, threads, memory: 16 << 30, progress: None };
        nmc_runtime::run(&image.programs[0], &options).unwrap().recordings
    };
    assert_eq!(of(1), of(3));
}

/// Random numbers between signals are drawn for each element, sample and step. Oracle: the spread of a random walk; the share of a coin.
#[test]
fn random_numbers_between_signals_are_drawn_anew() {
    let text = "network walk(bias: real[200]) -> (place: real[200], heads: real[200]) {
            state s: real[200] = 0
            next s = s + normal(0, 1)
            s -> place
            step(bias - uniform(0, 1)) -> heads
        }
        experiment e { deploy walk; test { bias: zeros } for 25 steps measure m = mean(place) }";
    let biases = nested(&vec![0.3; 200 * SAMPLES], &[SAMPLES, 200]);
    let text = text.replace("zeros", &biases);
    let [one, other] = ENGINES.map(|engine| run("walk", &text, &NoFiles, engine).remove(0));
    let (places, heads) = (values(&one, "place"), values(&one, "heads"));
    assert_eq!((places, heads), (values(&other, "place"), values(&other, "heads")));
    let count = places.len() as f64;
    // Six standard errors: of a variance 25 sqrt(2 / n), of a share sqrt(0.21 / n).
    let variance = places.iter().map(|place| place * place).sum::<f64>() / count;
    assert!((variance / 25.0 - 1.0).abs() < 6.0 * (2.0 / count).sqrt(), "{variance}");
    let share = heads.iter().sum::<f64>() / count;
    assert!((share - 0.3).abs() < 6.0 * (0.21 / count).sqrt(), "{share}");
    let mut sorted = places.to_vec();
    sorted.sort_by(f64::total_cmp);
    assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
}

/// Ranges of converters hold what a loop begins with and all that its steps make, not what is left at the end. Oracle: powers of two; between populations
/// the ideal chip.
#[test]
fn what_fades_is_not_cut_off() {
    let halved = |steps: usize| {
        format!(
            "use std.chip.crossbars48_exact
            network net(x: real[1]) -> (y: real[1]) {{
                state h: real[1] = x
                next h = h |> dense([[0.5]])
                h -> y
            }}
            experiment e {{
                deploy net on crossbars48_exact {{ calibrate: [[1], [-1]] }}
                test {{ x: [[1], [-0.75]] }} for {steps} steps
                measure left = max(y)
            }}"
        )
    };
    for steps in [1, 2, 5] {
        let left = run("fading.nmc", &halved(steps), &NoFiles, EngineKind::Jit)[0].metrics[0].1;
        let wanted = 0.5_f64.powi(steps as i32);
        assert!((left - wanted).abs() < 0.01, "{left} after {steps} steps");
    }
    // The input is large at first; the last rows are small.
    let relayed = |on: &str| {
        format!(
            "use std.chip.hybrid
            neuron follower() {{ input i: real; state v: real = 0; v' = (i - v) / 5 ms }}
            network net(x: real[2]) -> (y: real[2]) {{
                population a: follower[2]()
                population b: follower[2]()
                x -> a.i
                a.v |> dense([[1, -0.5], [0.25, 0.75]]) -> b.i
                b.v -> y
            }}
            experiment e {{
                deploy net{on} {{ step: 0.5 ms }}
                test {{ x: [[[1, -1], [0.02, 0.01]], [[-0.8, 0.4], [0.01, 0.03]]] every 10 ms }} for 20 ms
                measure mean = mean(y)
                measure most = max(y)
            }}"
        )
    };
    let [ideal, chip] = ["", " on hybrid"].map(|on| {
        let results = run("relayed.nmc", &relayed(on), &NoFiles, EngineKind::Jit);
        [results[0].metrics[0].1, results[0].metrics[1].1]
    });
    ideal.iter().zip(chip).for_each(|(ideal, chip)| assert!((ideal - chip).abs() < 0.02, "{chip} for {ideal}"));
}

/// A state that goes straight into a layer is driven as it is when a step begins, and what outputs are made from after each step is not what is left
/// at the end. Oracle: powers of two.
#[test]
fn what_is_read_of_states_at_each_step_is_not_cut_off() {
    let of = |next: &str, shown: &str| {
        let text = format!(
            "use std.unit.digital_alu
            device cell {{ conductance: 0 uS .. 100 uS; levels: ideal }}
            converter dac: bits(20) -> voltage {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
            converter adc: current -> bits(20) {{ energy: 2 pJ; area: 100 um2; time: 10 ns }}
            tile array {{
                cells: cell[8, 8]; weights: differential; input: dac(); sense: adc(); read_voltage: 0.2 V; read_time: 10 ns
            }}
            core one {{ tiles: array[4]; units: digital_alu; buffer: 1 kB }}
            chip board {{ cores: grid(2, 2) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
            network net(x: real[1]) -> (y: real[1]) {{
                state h: real[1] = x
                next h = h |> dense([[0.5]])
                {next} -> y
            }}
            experiment e {{ deploy net on board {{ calibrate: [[1], [-1]] }}; test {{ x: [[1]] }} for {shown} }}"
        );
        run("steps.nmc", &text, &NoFiles, EngineKind::Jit)[0].metrics[0].1
    };
    for steps in 1..5 {
        let left = of("h", &format!("{steps} steps measure left = mean(y)"));
        assert!((left - 0.5_f64.powi(steps)).abs() < 1e-5, "{left} after {steps} steps");
    }
    for readout in ["h |> dense([[1]])", "h |> scale(2) |> dense([[0.5]]) |> scale(1)"] {
        let off = of(readout, "4 steps measure off = mse(y, [[[0.5], [0.25], [0.125], [0.0625]]])");
        assert!(off < 1e-10, "{readout}: {off}");
    }
}

/// Outputs leave the chip after the last step, whatever came before. Oracle: bits by hand.
#[test]
fn outputs_are_sent_once() {
    let joules = |steps: usize| {
        let text = format!(
            "device cell {{ conductance: 0 uS .. 40 uS; levels: ideal }}
            converter dac(): bits(8) -> voltage {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
            converter adc(): current -> bits(8) {{ energy: 2 pJ; area: 100 um2; time: 10 ns }}
            unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 10 um2; time: 1 ns }}
            tile array {{
                cells: cell[8, 8]; weights: differential; input: dac; sense: adc; read_voltage: 0.2 V; read_time: 10 ns
                wire: ideal
            }}
            core cim {{ tiles: array[1]; units: logic; buffer: 1 kB }}
            chip board {{
                cores: grid(1, 1) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
                host: spi(energy: 1 pJ per bit, time: 0.1 ns)
            }}
            network net(x: real[2]) -> (y: real[3]) {{
                state h: real[3] = 0
                next h = concat(h, x) |> dense([[1, 2, 3, 4, 5], [1, 0, 1, 0, 1], [0, 1, 0, 1, 1]]) |> tanh
                h -> y
            }}
            experiment e {{ deploy net on board; test {{ x: [[1, 2]] }} for {steps} steps measure m = mean(y) }}"
        );
        run("sent.nmc", &text, &NoFiles, EngineKind::Jit).swap_remove(0).energy_j
    };
    for steps in [1, 10] {
        let joules: f64 =
            joules(steps).iter().filter(|(kind, _)| *kind == ComponentKind::Host).map(|(_, joules)| joules).sum();
        // Two inputs of 8 bits and three outputs of 16.
        assert!((joules - 64e-12).abs() < 1e-15, "{joules} J in {steps} steps");
    }
}
