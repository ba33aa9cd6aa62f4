//! Phases of an experiment: each draws its own noise, goes on where the one before ended or starts afresh, and says what it means.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::Precision;
use nmc_runtime::{EngineKind, Recorded, Results, RunOptions};
use nmc_tests::{ENGINES, recorded, run, values};

fn metric(results: &Results, name: &str) -> f64 {
    let found = results.metrics.iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no metric {name}")).1
}

/// Codes that compiling raises.
fn raised(text: &str) -> Vec<&'static str> {
    let compilation = compile("raised.nmc", text, &NoFiles, &Options::default());
    compilation.diagnostics.iter().map(|diagnostic| diagnostic.code.number()).collect()
}

/// A phase that says no step has that of the one that does, before it or after. Oracle: by hand, one millisecond of steps each.
#[test]
fn one_phase_says_the_step_of_all() {
    let net = "neuron c() { state v: real = 0; v' = 1 / 1 ms; method: euler } network n() { population a: c[1](); probe a.v }";
    for phases in ["run for 2 ms { step: 1 ms }; run for 2 ms", "run for 2 ms; run for 2 ms { step: 1 ms }"] {
        let text = format!("{}\nexperiment e {{ deploy n; {phases} }}", net.replace("} network", "}\nnetwork"));
        for engine in ENGINES {
            let results = &run("steps.nmc", &text, &NoFiles, engine)[0];
            assert_eq!(values(results, "a.v"), [1.0, 2.0, 3.0, 4.0]);
        }
    }
}

/// Data with an axis of one step are of one step. Oracle: by hand.
#[test]
fn samples_may_have_a_single_step() {
    let text = "network n(x: real[2]) -> (y: real[2]) { state h: real[2] = 1; next h = 0.5 * h + x; h -> y }
        experiment e { deploy n; test { x: [[[1, 2]], [[3, 4]], [[5, 6]]] } measure m = mean(y) }";
    for engine in ENGINES {
        let results = &run("one_step.nmc", text, &NoFiles, engine)[0];
        assert_eq!(values(results, "y"), [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]);
    }
}

/// `t` in single precision would lose the phase of a drive: late in a run numbers are kept in double. Oracle: the sine itself.
#[test]
fn time_is_known_late_in_a_run() {
    let text = |seconds: &str| {
        format!(
            "neuron c() {{ state v: real = 0; v' = (sin(2 * pi * 50.03 Hz * t) - v) / 1 ms; method: euler }}
            network n() {{ population a: c[1](); probe a.v every 10 s }}
            experiment e {{ deploy n; run for {seconds} {{ step: 1 ms }} }}"
        )
    };
    let compiled = |seconds: &str| compile("late.nmc", &text(seconds), &NoFiles, &Options::default()).image.unwrap();
    let [short, long] = ["16 s", "100 s"].map(|seconds| compiled(seconds).programs.swap_remove(0));
    assert_eq!((short.precision, long.precision), (Precision::F32, Precision::F64));
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 1 << 30, progress: None };
    let results = nmc_runtime::run(&long, &options).unwrap();
    for (n, v) in values(&results, "a.v").iter().enumerate() {
        let sine = (2.0 * std::f64::consts::PI * 50.03 * 10.0 * n as f64).sin();
        assert!((v - sine).abs() < 1e-9, "{v} {sine}");
    }
}

/// Oracle: counts of independent samples of one rate differ, and by no more than their spread.
#[test]
fn every_phase_draws_its_own_spikes() {
    let text = "
use std.code.{count, rate}

network net(x: real[3]) -> (y: real[3]) { x |> rate(peak: 200 Hz) |> count -> y }

experiment e {
    deploy net { step: 0.1 ms }
    data d = [[1, 0.5, 0.7], [1, 0.5, 0.7]]
    test { x: d } for 500 ms measure a = mean(y)
    test { x: d } for 500 ms measure b = mean(y)
    test sequence { x: d } for 500 ms measure c = mean(y)
    run for 500 ms { x: [[1, 0.5, 0.7]] }
    test { x: d } for 500 ms measure d = mean(y)
}
";
    for engine in ENGINES {
        let results = &run("phases.nmc", text, &NoFiles, engine)[0];
        let samples: Vec<&[f64]> = values(results, "y").chunks(3).collect();
        assert_eq!(samples.len(), 9);
        for (index, one) in samples.iter().enumerate() {
            assert!(samples[..index].iter().all(|other| one != other), "{samples:?}");
            for (count, rate) in one.iter().zip([200.0, 100.0, 140.0]) {
                let mean = 5000.0 * (1.0 - f64::exp(-rate * 1e-4));
                assert!((count - mean).abs() < 5.0 * mean.sqrt(), "{count} for {mean}");
            }
        }
    }
}

/// Recorded spikes of 40 samples, more than run side by side at once, in no order; sample 3 has none. Oracle: counted in the lists.
#[test]
fn every_sample_has_its_own_given_spikes() {
    let all: Vec<(usize, usize, usize)> = (0..400).map(|n| (n * 7 % 40, n * 11 % 3, n * 13 % 50)).collect();
    let all: Vec<_> = all.into_iter().filter(|(sample, ..)| *sample != 3).collect();
    let list = |of: &dyn Fn(&(usize, usize, usize)) -> usize| {
        all.iter().map(|spike| of(spike).to_string()).collect::<Vec<_>>().join(", ")
    };
    let data = format!("spikes([{}], [{}], [{}])", list(&|s| s.1), list(&|s| s.2), list(&|s| s.0));
    let text = format!(
        "
use std.code.count
network net(s: spikes[3]) -> (y: real[3]) {{ s |> count -> y }}
experiment e {{
    deploy net {{ step: 1 ms }}
    test {{ s: {data} }} for 40 ms measure most = max(y)
    test sequence {{ s: {data} }} for 40 ms measure again = max(y)
}}
"
    );
    for engine in ENGINES {
        let results = &run("given.nmc", &text, &NoFiles, engine)[0];
        let counts: Vec<f64> = (0..40)
            .flat_map(|sample| (0..3).map(move |neuron| (sample, neuron)))
            .map(|of| all.iter().filter(|(s, n, step)| (*s, *n) == of && *step < 40).count() as f64)
            .collect();
        assert_eq!(values(results, "y"), [counts.clone(), counts].concat());
    }
    assert_eq!(raised(&text.replace("[0, ", "[0.5, ")), ["E0309", "E0309"]);
    let two = text.replace(&format!(", [{}])", list(&|s| s.0)), ")");
    assert_eq!(raised(&two), ["E0207", "E0207"]);
}

/// A readout of 24 noisy features fitted to 32 numbers that have nothing to do with them. Were the noise of testing the noise of
/// training, half of the variance and more would be explained; of fresh noise nothing is, and the error is above that of the mean.
#[test]
fn the_noise_of_training_is_not_the_noise_of_testing() {
    let row = |ones: &dyn Fn(usize) -> bool| {
        let values: Vec<&str> = (0..24).map(|i| if ones(i) { "1" } else { "0" }).collect();
        format!("[{}]", values.join(", "))
    };
    let identity: Vec<String> = (0..24).map(|row_of| row(&|i| i == row_of)).collect();
    let shown: Vec<String> = (0..32).map(|_| row(&|_| true)).collect();
    let text = format!(
        "
use std.unit.digital_alu

device noisy {{ conductance: 1 uS .. 101 uS; levels: ideal; noise read: normal(0, 5 % of g) }}
tile array {{
    cells: noisy[32, 64]; weights: differential; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 40 ns; wire: ideal
}}
core cim {{ tiles: array[2]; units: digital_alu; buffer: 64 kB }}
chip board {{ cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
network net(x: real[24]) -> (y: real[1]) {{ x |> dense([{}]) |> dense(1, fit: ridge(1e-6), bias: true) -> y }}
experiment e {{
    deploy net on board {{ calibrate: [{}] }}
    data series = iterate(32) {{ x = 0.3 -> 3.9 * x * (1 - x) }}
    train {{ x: [{shown}] }} expect y == series.x
    test {{ x: [{shown}] }} measure error = nrmse(y, series.x)
}}
",
        identity.join(", "),
        row(&|_| true),
        shown = shown.join(", ")
    );
    let results = &run("noise.nmc", &text, &NoFiles, EngineKind::Jit)[0];
    assert!(metric(results, "error") > 1.0, "{:?}", results.metrics);
}

/// Oracle: the law that the second training set was made with.
#[test]
fn a_second_fit_replaces_the_first_whole() {
    let text = "
network net(x: real[2]) -> (y: real[1]) { x |> dense(1, fit: ridge(1e-9), bias: true) -> y }
experiment e {
    deploy net
    data a = [[1, 0], [0, 1], [1, 1], [0, 0]]
    train { x: a } expect y == [1, 2, 3, 0]
    test { x: a } measure first = nrmse(y, [1, 2, 3, 0])
    train { x: a } expect y == [105, 107, 112, 100]
    test { x: a } measure second = nrmse(y, [105, 107, 112, 100])
}
";
    for engine in ENGINES {
        let results = &run("twice.nmc", text, &NoFiles, engine)[0];
        assert!(metric(results, "first") < 1e-6 && metric(results, "second") < 1e-6, "{:?}", results.metrics);
    }
}

/// Programming anew gives each cell a new error, but the cells that are stuck are the chip's.
#[test]
fn programming_again_draws_errors_again_but_not_faults() {
    let program = |noise: &str| {
        format!(
            "
use std.unit.digital_alu

device cell {{ conductance: 1 uS .. 101 uS; levels: ideal; faults: [stuck_on(20 %), stuck_off(20 %)]{noise} }}
tile array {{
    cells: cell[32, 64]; weights: differential; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 40 ns; wire: ideal
}}
core cim {{ tiles: array[2]; units: digital_alu; buffer: 64 kB }}
chip board {{ cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
network net(x: real[2]) -> (y: real[4]) {{
    x |> dense([[1, 0], [0, 1], [0.5, 0.5], [1, -1]]) |> dense(4, fit: ridge(1e-3)) -> y
}}
experiment e {{
    deploy net on board {{ calibrate: [[1, 1], [0.5, -1]] }}
    data a = [[1, 0], [0, 1], [1, 1], [-1, 0.5]]
    data b = [[1, 2, 3, 4], [2, 1, 1, 0], [3, 3, 4, 4], [0, -1, -2, -4]]
    train {{ x: a }} expect y == b
    test {{ x: a }} measure first = nrmse(y, b)
    train {{ x: a }} expect y == b
    test {{ x: a }} measure second = nrmse(y, b)
}}
"
        )
    };
    let of = |noise: &str| {
        let results = &run("again.nmc", &program(noise), &NoFiles, EngineKind::Jit)[0];
        (metric(results, "first"), metric(results, "second"))
    };
    let (first, second) = of("");
    assert!(first > 0.01 && first == second, "{first} {second}");
    let (first, second) = of("; noise programming: normal(0, 5 % of g)");
    assert!(first != second, "{first} twice");
}

const NOISY: &str = "
use std.neuron.{lif, poisson}
use std.plasticity.stdp

network net() {
    population source: poisson[20](rate: 100 Hz)
    population target: lif[10](tau_m: normal(20 ms, 2 ms))
    connect learnt: source -> target {
        pattern: random(p: 50 %), weight: uniform(1 mV, 3 mV), delay: uniform(1 ms, 5 ms), plasticity: stdp(w_max: 5 mV)
    }
    probe target.v every 0.7 ms
    probe source.spikes, target.spikes
    probe learnt.w every 10 ms
}
experiment whole { deploy net; run for 100 ms }
experiment twice { deploy net; run for 37.3 ms; run for 62.7 ms }
experiment afresh { deploy net; run for 37.3 ms; run for 62.7 ms { restart: true } }
";

/// Neurons, synapses, spikes under way, weights, noise and time: two runs are one. Oracle: the one run.
#[test]
fn a_second_run_goes_on_where_the_first_ended() {
    for engine in ENGINES {
        let results = run("two_runs.nmc", NOISY, &NoFiles, engine);
        let [once, twice, afresh] = &results[..] else { panic!() };
        assert_eq!(once.recordings, twice.recordings);
        assert!(once.recordings != afresh.recordings);
        let Recorded::Values { times, .. } = recorded(afresh, "target.v") else { panic!() };
        let (last, first) = (times[times.len() / 2 - 10..].windows(2), 0.7e-3);
        // Recorded time goes on, and is counted anew from the restart.
        assert!(last.into_iter().all(|pair| pair[1] > pair[0] && pair[1] - pair[0] < first + 1e-9), "{times:?}");
        assert!(times.iter().any(|time| (time - 37.3e-3).abs() < 1e-9), "{times:?}");
    }
}

const KEPT: &str = "
use std.neuron.poisson

neuron noisy(tau: time = 10 ms) {
    state v: voltage = 0 mV
    state slow: voltage = 20 mV
    v' = -v / tau + 1 mV * sqrt(2 / tau) * xi
    slow' = -slow / 100 s
    spike when v > 2 mV { v = 0 mV; hold v for 2 ms }
}
synapse depressing(tau: time = 100 ms) {
    state r: real = uniform(0.2, 0.4)
    r' = (1 - r) / tau
    on pre { post.v += w * r; r -= 0.5 * r }
}
network net() {
    population fast: poisson[4](rate: 20 kHz)
    population rare: poisson[4](rate: 50 Hz)
    population cells: noisy[4]()
    connect fast -> cells { pattern: all_to_all, weight: 0.2 mV, synapse: depressing(), delay: uniform(1 ms, 3 ms) }
    connect rare -> cells { pattern: all_to_all, weight: 2 mV, synapse: depressing(), delay: uniform(1 ms, 3 ms) }
    probe cells.v every 0.7 ms
    probe cells.slow every 0.7 ms
    probe fast.spikes, cells.spikes
}
experiment whole { deploy net; run for 100 ms }
experiment twice { deploy net; run for 37.3 ms; run for 62.7 ms }
";

/// States that a spike holds, several spikes a step, white noise, the small parts of slow states, and states of synapses that are
/// moved when a spike comes. Oracle: the one run.
#[test]
fn all_kinds_of_states_go_on_in_a_second_run() {
    for engine in ENGINES {
        let results = run("kept.nmc", KEPT, &NoFiles, engine);
        let [once, twice] = &results[..] else { panic!() };
        let Recorded::Spikes { neuron, .. } = recorded(once, "cells.spikes") else { panic!() };
        assert!(neuron.len() > 3, "{neuron:?}");
        assert_eq!(once.recordings, twice.recordings);
    }
}

const COUNTER: &str = "
neuron counter() {
    state v: real = 0
    spike when v > 1000 { v = 0 }
}
synapse poke { on pre { post.v += w } }
network net(s: spikes[1]) {
    population cells: counter[1]()
    connect s -> cells { pattern: all_to_all, synapse: poke(), weight: 1, delay: 5 ms }
    probe cells.v every 1 ms
}
";

/// A spike sent in the last millisecond of the first run arrives in the second; after a restart it is gone. Oracle: by hand.
#[test]
fn spikes_under_way_arrive_in_the_next_run() {
    let runs = "deploy net; run for 20 ms { s: spikes([0, 0], [100, 190]) }; run for 10 ms { s: spikes([0], [20])";
    let text =
        format!("{COUNTER}experiment ongoing {{ {runs} }} }}\nexperiment afresh {{ {runs}, restart: true }} }}\n");
    for engine in ENGINES {
        let results = run("under_way.nmc", &text, &NoFiles, engine);
        let at = |results: &Results, ms: usize| values(results, "cells.v")[ms];
        let on: Vec<f64> = [14, 16, 23, 25, 28].iter().map(|&ms| at(&results[0], ms)).collect();
        assert_eq!(on, [0.0, 1.0, 1.0, 2.0, 3.0]);
        let afresh: Vec<f64> = [14, 16, 23, 25, 28].iter().map(|&ms| at(&results[1], ms)).collect();
        assert_eq!(afresh, [0.0, 1.0, 0.0, 0.0, 1.0]);
    }
}

const CLOCK: &str = "
use std.code.count

neuron clock() {
    input i: real
    state q: real = 0
    q' = i / 1 ms
    spike when q > 1000000 { q = 0 }
}
network net(u: real[1]) -> (y: real[1]) {
    population cells: clock[1]()
    u -> cells.i
    cells |> count -> y
    probe cells.q every 10 ms
}
";

/// Independent samples between two runs start afresh and leave the runs alone. Oracle: q is the time that has passed.
#[test]
fn independent_samples_leave_a_run_alone() {
    for samples in ["[[1]]", "[[1], [1], [1]]"] {
        let text = format!(
            "{CLOCK}experiment e {{
    deploy net
    run for 15 ms {{ u: 1 }}
    test {{ u: {samples} }} for 20 ms measure m = max(y)
    run for 15 ms {{ u: 1 }}
}}
"
        );
        for engine in ENGINES {
            let results = &run("alone.nmc", &text, &NoFiles, engine)[0];
            let read = values(results, "cells.q");
            let count = read.len();
            let wanted = |found: &[f64], wanted: [f64; 2]| {
                found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-6)
            };
            assert!(wanted(&read[..2], [0.1, 10.1]), "{read:?}");
            assert!(read[2..count - 1].chunks(2).all(|sample| wanted(sample, [0.1, 10.1])), "{read:?}");
            assert!(wanted(&read[count - 1..], [20.1, 0.0]), "{read:?}");
        }
    }
}

/// Oracle: q is the time that has passed, whatever a sample lasts.
#[test]
fn time_runs_on_through_a_sequence() {
    let text = format!(
        "{CLOCK}experiment e {{
    deploy net
    data d = [[1], [1], [1], [1], [1], [1], [1]]
    test sequence {{ u: d }} for 3 ms measure m = max(y)
    test sequence {{ u: d }} for 3 ms measure n = max(y)
    test sequence {{ u: d, restart: true }} for 3 ms measure o = max(y)
}}
"
    );
    for engine in ENGINES {
        let results = &run("sequence.nmc", &text, &NoFiles, engine)[0];
        let Recorded::Values { times, data, .. } = recorded(results, "cells.q") else { panic!() };
        let near = |found: &[f64], wanted: &[f64]| {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9)
        };
        assert!(near(times, &[0.0, 0.01, 0.02, 0.03, 0.04, 0.042, 0.052, 0.062]), "{times:?}");
        assert!(near(data, &[0.1, 10.1, 20.1, 30.1, 40.1, 0.1, 10.1, 20.1]), "{data:?}");
    }
}

#[test]
fn phases_that_differ_in_their_step_are_refused() {
    let of = |deploy: &str, first: &str, second: &str| {
        let runs = format!("run for 1 ms {{ {first} }}; run for 1 ms {{ {second} }}");
        let population = "use std.neuron.lif\nnetwork net() { population p: lif[1](); probe p.v }\n";
        raised(&format!("{population}experiment e {{ deploy net {{ {deploy} }}; {runs} }}\n"))
    };
    assert_eq!(of("", "step: 0.1 ms", "step: 0.05 ms"), ["E0419"]);
    assert_eq!(of("", "step: 0.05 ms", ""), [""; 0]);
    assert_eq!(of("", "", "step: 0.05 ms"), [""; 0]);
    assert_eq!(of("step: 0.1 ms", "", "step: 0.05 ms"), ["E0419"]);
    assert_eq!(of("step: 0.05 ms", "", ""), [""; 0]);
    assert_eq!(of("step: 0.05 ms", "step: 0.05 ms", ""), [""; 0]);
    assert_eq!(of("", "step: 0.1 ms", ""), [""; 0]);
    assert_eq!(of("", "", ""), [""; 0]);
}

#[test]
fn only_what_goes_on_can_restart() {
    let of = |phase: &str| raised(&format!("{CLOCK}experiment e {{ deploy net; data d = [[1], [1]]; {phase} }}\n"));
    assert_eq!(of("test { u: d, restart: true } for 1 ms measure m = max(y)"), ["E0401"]);
    assert_eq!(of("test sequence { u: d, restart: 1 } for 1 ms measure m = max(y)"), ["E0305"]);
    assert_eq!(of("test sequence { u: d, restart: false } for 1 ms measure m = max(y)"), [""; 0]);
}

/// What is only calibrated with is not carried along.
#[test]
fn a_program_holds_only_the_data_that_it_needs() {
    let text = "
use std.chip.crossbars48
network net(x: real[2]) -> (y: real[2]) { x |> dense([[1, 0.5], [0.25, -1]]) |> relu -> y }
experiment e {
    deploy net on crossbars48 { calibrate: [[0.123, 0.456], [0.789, -1]] }
    test { x: [[1, 0], [0, 1]] } measure m = mean(y)
}
";
    let image = compile("needs.nmc", text, &NoFiles, &Options::default()).image.unwrap();
    let program = &image.programs[0];
    assert_eq!(program.verify(), Vec::<String>::new());
    let holds = |value: f64| program.tensors.iter().any(|t| (0..t.data.len()).any(|i| t.data.get(i) == value));
    assert!(holds(0.25) && !holds(0.123) && !holds(0.789));
    assert_eq!(program.tensors.len(), 2);
}

/// Parts of outputs, in tests and at the end of a run. Oracle: arithmetic.
#[test]
fn parts_of_outputs_are_measured() {
    let text = "
network net(x: real[2, 3]) -> (y: real[2, 3]) { x |> scale(2) -> y }
neuron ramp(slope: frequency) { state v: real = 0; v' = slope }
network moving() -> (v: real[3]) { population a: ramp[3](slope: i * 1 kHz); a.v -> v }
experiment still {
    deploy net
    data d = [[[1, 2, 3], [4, 5, 6]], [[0, 0, 0], [1, 1, 1]]]
    test { x: d }
        measure first = mean(y[0]) measure row = max(y[1]) measure one = sum(y[1, 2]) measure two = mean(y[1, 0..2])
        measure all = sum(y) measure rows = sum(y[0..2]) measure error = mse(y[1, 1..3], [[10, 12], [2, 4]])
}
experiment runs {
    deploy moving { step: 0.1 ms }
    run for 1 ms measure last = mean(v[1..3])
    run for 1 ms measure later = max(v) measure none = min(v[0])
    require later > 3
}
";
    let both = [EngineKind::Interpreter, EngineKind::Jit].map(|engine| run("parts.nmc", text, &NoFiles, engine));
    for results in both {
        let metric = |at: usize, name: &str| {
            results[at].metrics.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
        };
        let wanted =
            [("first", 2.0), ("row", 12.0), ("one", 14.0), ("two", 5.5), ("all", 48.0), ("rows", 48.0), ("error", 1.0)];
        for (name, wanted) in wanted {
            assert!((metric(0, name) - wanted).abs() < 1e-12, "{name}: {}", metric(0, name));
        }
        for (name, wanted) in [("last", 1.5), ("later", 4.0), ("none", 0.0)] {
            assert!((metric(1, name) - wanted).abs() < 1e-9, "{name}: {}", metric(1, name));
        }
        assert_eq!(results[1].failures, Vec::<String>::new());
    }
    let told =
        |with: &str, code: &str| assert_eq!(raised(&text.replace("measure none = min(v[0])", with)), [code], "{with}");
    told("measure none = min(v[0, 1])", "E0303");
    told("measure none = min(v[2..9])", "E0303");
    told("measure none = min(v[2..2])", "E0303");
    told("measure none = median(v)", "E0417");
    told("measure later = min(v)", "E0202");
    told("expect argmax(v) == [1]", "E0401");
    told("by backprop(rate: 1)", "E0401");
    let told = |with: &str, code: &str| assert_eq!(raised(&text.replace("y[1, 0..2]", with)), [code], "{with}");
    told("y[0..2, 1]", "E0305");
    told("y[0, 1, 2]", "E0303");
}

/// Outputs compared with one another, and measures calculated with; without the samples that `skip` leaves out. Oracle: arithmetic.
#[test]
fn measures_are_calculated_with() {
    let text = "
network net(x: real[3]) -> (y: real[3], z: real[3]) { x |> scale(2) -> y; x |> relu -> z }
neuron idle() { state v: real = 1 }
network wired(s: spikes[2]) -> (v: real[2]) {
    population a: idle[2]()
    connect c: s -> a { weight: 2 mV + 1 mV * j, synapse: mute() }
    a.v -> v
}
synapse mute { on pre { post.v += 0 * w / 1 mV } }
experiment e {
    deploy net
    data d = [[9, 9, 9], [1, 2, -3], [3, 4, 5]]
    test { x: d, skip: 1 }
        measure gap = mean(y) - mean(z) measure share = -sum(y[0..2]) / 2 + 3 * max(z)^2 measure off = mse(y, z)
        measure relative = nrmse(y[0..2], z[1..3]) measure none = 2 - MORE
        measure given = mse(z, d)
    test { x: d, skip: 1 } expect argmax(y) == [1, 1, 2]
}
experiment weights {
    deploy wired
    run for 1 ms { step: 0.1 ms, s: spikes([0], [1]) } measure spread = (max(c.w) - min(c.w)) / 1 mV measure half = mean(c.w) / max(c.w)
}
";
    let sound = text.replace("MORE", "min(z)");
    for engine in [EngineKind::Interpreter, EngineKind::Jit] {
        let results = run("calculated.nmc", &sound, &NoFiles, engine);
        let metric = |at: usize, name: &str| {
            results[at].metrics.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
        };
        // y is 2 4 -6, 6 8 10; z is 1 2 0, 3 4 5.
        let relative = ((0.0 + 16.0 + 4.0 + 9.0) / 4.0_f64 / 3.6875).sqrt();
        let wanted = [
            (0, "gap", 4.0 - 2.5),
            (0, "share", -10.0 + 75.0),
            (0, "off", (1.0 + 4.0 + 36.0 + 9.0 + 16.0 + 25.0) / 6.0),
            (0, "relative", relative),
            (0, "none", 2.0),
            (0, "given", 9.0 / 6.0),
            (0, "accuracy", 1.0),
            (1, "spread", 1.0),
            (1, "half", 2.5 / 3.0),
        ];
        for (at, name, wanted) in wanted {
            assert!((metric(at, name) - wanted).abs() < 1e-12, "{name}: {}, not {wanted}", metric(at, name));
        }
    }
    let told = |with: &str, code: &str| assert_eq!(raised(&text.replace("MORE", with)), [code], "{with}");
    told("mse(y, z[0..2])", "E0303");
    told("1 mV * mean(y)", "E0302");
    told("(mean(y) < 3)", "E0417");
    told("[mean(y)]", "E0417");
    told("sqrt(mean(y))", "E0417");
    told("mean(y) / 0", "E0306");
    let told = |with: &str, code: &str| assert_eq!(raised(&sound.replace("mean(c.w) / max", with)), [code], "{with}");
    told("mean(c.w) - mean(v) + max", "E0302");
}

/// What is wrong with data that lack the axis of samples is said.
#[test]
fn a_missing_axis_of_samples_is_told() {
    let text = "
network net(image: real[2, 2]) -> (y: real[2, 2]) { image |> scale(2) -> y }
experiment e {
    deploy net
    data d = [[1, 2], [3, 4]]
    test { image: d } measure m = mean(y)
}
";
    let told = nmc_tests::told(text);
    assert_eq!(told.iter().map(|told| told.code.number()).collect::<Vec<_>>(), ["E0308"]);
    assert!(told[0].message.contains("without the axis of samples"), "{}", told[0].message);
    assert!(told[0].help.as_ref().is_some_and(|help| help.contains("[samples, 2, 2]")));
}

/// Of several tests that expect something each has its own accuracy, by hand; one alone is called as it always was.
#[test]
fn several_tests_have_an_accuracy_each() {
    let text = "
network net(x: real[2]) -> (y: real[2]) { x |> scale(1) -> y }
experiment e {
    deploy net
    test { x: [[1, 2], [2, 1]] } expect argmax(y) == [1, 0]
    test { x: [[1, 2], [2, 1], [3, 1], [4, 1]] } expect argmax(y) == [1, 1, 1, 1] measure m = max(y)
    require accuracy.test1 == 1 and accuracy.test2 < 0.5
}
";
    for engine in [EngineKind::Interpreter, EngineKind::Jit] {
        let results = run("tests.nmc", text, &NoFiles, engine).remove(0);
        let of = |name: &str| results.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        assert_eq!([of("accuracy.test1"), of("accuracy.test2"), of("accuracy")], [Some(1.0), Some(0.25), None]);
        assert!(results.failures.is_empty());
    }
    let told = nmc_tests::told(&text.replace("accuracy.test1 == 1 and accuracy.test2 < 0.5", "accuracy > 0.5"));
    assert_eq!(told[0].code.number(), "E0408");
    assert!(told[0].help.as_ref().is_some_and(|help| help.contains("accuracy.test1, accuracy.test2")), "{told:?}");
}

/// Neurons are labelled by the digit that they respond to most on average, and vote by their mean: weights and a test by hand, in numbers and on cells.
#[test]
fn inputs_that_are_labelled_vote() {
    let text = |on: &str| {
        format!(
            "
device cell {{ conductance: 1 uS .. 100 uS; levels: ideal }}
tile array {{ cells: cell[8, 8]; weights: differential; input: ideal; sense: ideal }}
core one {{ tiles: array[1] }}
chip board {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }}
network net(x: real[4]) -> (y: real[3]) {{ x |> dense(3, fit: vote) -> y }}
experiment e {{
    deploy net{on}
    train {{ x: [[1, 0, 9, 0], [3, 1, 2, 0], [0, 2, 0, 0], [1, 0, 9, 0]] }} expect argmax(y) == [0, 1, 1, 0]
    test {{ x: [[4, 2, 5, 7], [1, 1, 0.5, 9]] }} expect argmax(y) == [0, 1]
}}"
        )
    };
    for on in ["", " on board { calibrate: [[4, 2, 5, 7]] }"] {
        let results = run("vote.nmc", &text(on), &NoFiles, EngineKind::Jit).remove(0);
        // The first two respond most to 1, the third to 0, the last to none; nothing was a 2.
        let wanted = [5.0, 3.0, 0.0, 0.5, 1.0, 0.0];
        let found = nmc_tests::values(&results, "y");
        assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-9), "{on}: {found:?}");
        assert!(results.metrics.contains(&(String::from("accuracy"), 1.0)));
    }
    assert_eq!(raised(&text("").replace("fit: vote", "fit: vote, bias: true")), ["E0418"]);
    assert_eq!(raised(&text("").replace("fit: vote", "fit: votes")), ["E0418"]);
    let numbers = text("").replace("argmax(y) == [0, 1, 1, 0]", "y == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]]");
    assert_eq!(raised(&numbers), ["E0417"]);
}
