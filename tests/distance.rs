//! Connections whose probability, weight and delay are functions of where neurons are.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::Pattern;
use nmc_runtime::{EngineKind, Recorded, Results, RunOptions};
use nmc_tests::{ENGINES, codes, recorded, run, run_on, values};

/// Sources and targets, ascending.
fn pairs(results: &Results, name: &str) -> Vec<(usize, usize)> {
    let Recorded::Synapses { source, target, .. } = recorded(results, name) else { panic!("{name} is no synapses") };
    source.iter().zip(target).map(|(&source, &target)| (source as usize, target as usize)).collect()
}

/// A sheet of neurons at random places, joined by the probability `p`.
fn sheet(neurons: usize, p: &str, more: &str) -> String {
    format!(
        "
use std.neuron.lif
const sigma = 0.1 mm
network net() {{
    population a: lif[{neurons}]() {{ x: uniform(0 mm, 1 mm), y: uniform(0 mm, 1 mm) }}
    connect c: a -> a {{ pattern: random(p: {p}, itself: false), weight: 1 mV{more} }}
    probe c.w
    probe a.x, a.y
}}
experiment e {{ deploy net {{ step: 0.1 ms }}; run for 0.1 ms }}
"
    )
}

const GAUSSIAN: &str = "0.6 * exp(-((pre.x - post.x)^2 + (pre.y - post.y)^2) / (2 * sigma^2))";

/// How often pairs of some distance are joined. Oracle: analytic, the sum of independent draws with these probabilities.
#[test]
fn pairs_are_joined_as_often_as_their_distance_says() {
    let text = sheet(500, GAUSSIAN, "");
    let compilation = compile("sheet.nmc", &text, &NoFiles, &Options::default());
    let program = &compilation.image.unwrap().programs[0];
    for seed in [1, 2, 3] {
        let options = RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: 1 << 30, progress: None };
        let results = nmc_runtime::run(program, &options).unwrap();
        let (x, y) = (values(&results, "a.x"), values(&results, "a.y"));
        let joined = pairs(&results, "c.w");
        assert!(joined.windows(2).all(|two| two[0] < two[1]) && joined.iter().all(|(i, j)| i != j));
        // By tenths of a millimetre, and by source, and by target: number, mean, variance.
        let mut groups = vec![(0.0, 0.0, 0.0); 15 + 500 + 500];
        let distance = |i: usize, j: usize| ((x[i] - x[j]).powi(2) + (y[i] - y[j]).powi(2)).sqrt();
        let of = |i: usize, j: usize| [(distance(i, j) / 1e-4) as usize, 15 + i, 515 + j];
        for (i, j) in (0..500).flat_map(|i| (0..500).map(move |j| (i, j))).filter(|(i, j)| i != j) {
            let p = 0.6 * (-distance(i, j).powi(2) / (2.0 * 1e-4_f64.powi(2))).exp();
            for group in of(i, j) {
                let (_, mean, variance) = &mut groups[group];
                (*mean, *variance) = (*mean + p, *variance + p * (1.0 - p));
            }
        }
        joined.iter().for_each(|&(i, j)| of(i, j).into_iter().for_each(|group| groups[group].0 += 1.0));
        assert!(joined.len() > 5000);
        for (at, (number, mean, variance)) in groups.into_iter().enumerate() {
            assert!((number - mean).abs() < 5.5 * f64::sqrt(variance) + 3.0, "{at}: {number}, {mean} ± {variance}");
        }
        // What the compiler takes for the mean (for costs, and for memory) is near.
        let Pattern::Likely { mean, .. } = program.connections[0].pattern else { panic!() };
        let ratio = mean * 500.0 * 500.0 / joined.len() as f64;
        assert!((0.85..1.15).contains(&ratio), "{ratio}");
    }
}

/// Where chance has no say: a grid whose distances are ties, a ring, and indices. Oracle: `list` of the pairs that fulfil the condition.
#[test]
fn certain_pairs_are_those_of_a_list() {
    let net = |pattern: &str| {
        format!(
            "
use std.neuron.lif
network net() {{
    population a: lif[12, 12]() {{ x: (i - 12 * floor(i / 12)) * 0.1 mm, y: floor(i / 12) * 0.1 mm }}
    population b: lif[40]() {{ at: i }}
    {pattern}
    probe c.w
}}
experiment e {{ deploy net {{ step: 0.1 ms }}; run for 0.1 ms }}
"
        )
    };
    let place = |i: usize| (0.1 * (i % 12) as f64, 0.1 * (i / 12) as f64);
    let near = |i: usize, j: usize| {
        let ((a, b), (c, d)) = (place(i), place(j));
        i != j && ((a - c).powi(2) + (b - d).powi(2)).sqrt() < 0.21
    };
    let ring = |i: usize, j: usize| i.abs_diff(j).min(40 - i.abs_diff(j)) <= 2;
    let beside = |i: usize, j: usize| i + 1 == j;
    type Joined<'a> = &'a dyn Fn(usize, usize) -> bool;
    let cases: [(&str, &str, usize, usize, Joined); 4] = [
        (
            "a -> a",
            "if sqrt((pre.x - post.x)^2 + (pre.y - post.y)^2) < 0.21 mm then 1 else 0, itself: false",
            144,
            144,
            &near,
        ),
        ("b -> b", "if min(abs(pre.at - post.at), 40 - abs(pre.at - post.at)) <= 2 then 1 else 0", 40, 40, &ring),
        ("b -> b", "if j - i == 1 then 2 - 1 + 0 * i else 0", 40, 40, &beside),
        ("a -> b", "1 - abs(sign(i - j))", 144, 40, &|i, j| i == j),
    ];
    for (ends, p, sources, targets, is_joined) in cases {
        let wanted: Vec<(usize, usize)> =
            (0..sources).flat_map(|i| (0..targets).map(move |j| (i, j))).filter(|&(i, j)| is_joined(i, j)).collect();
        let numbers = |of: &dyn Fn(&(usize, usize)) -> usize| {
            wanted.iter().map(|pair| of(pair).to_string()).collect::<Vec<_>>().join(", ")
        };
        let (from, to) = (numbers(&|pair| pair.0), numbers(&|pair| pair.1));
        let list = format!("connect c: {ends} {{ pattern: list(sources: [{from}], targets: [{to}]), weight: 1 mV }}");
        let likely = format!("connect c: {ends} {{ pattern: random(p: {p}), weight: 1 mV }}");
        for engine in ENGINES {
            let [first, second] =
                [&list, &likely].map(|text| run("grid.nmc", &net(text), &NoFiles, engine).swap_remove(0));
            assert_eq!(pairs(&second, "c.w"), wanted, "{p}");
            assert_eq!(first.recordings, second.recordings);
        }
    }
}

/// Weights and delays by distance, what is recorded and when it arrives. Oracle: analytic.
#[test]
fn weights_and_delays_follow_distance() {
    let text = "
neuron counter() { state v: real = 0; spike when v > 1e9 { v = 0 } }
synapse add { on pre { post.v += w } }
network net(s: spikes[1]) {
    population relay: counter[1]() { x: 0.25 mm }
    population a: counter[21]() { x: i * 50 um, gain: normal(1, 0.1) }
    connect c: s -> a { pattern: all_to_all, synapse: add(), weight: 2 * post.gain, delay: 0.1 ms + post.x / 0.5 mm * 1 ms }
    connect d: a -> relay {
        pattern: random(p: exp(-abs(pre.x - post.x) / 0.3 mm)), synapse: add(), weight: 1 - abs(pre.x - post.x) / 1 mm
    }
    probe c.w, d.w
    probe a.v, a.x, a.gain
}
experiment e { deploy net { step: 0.1 ms }; run for 5 ms { s: spikes([0], [3]) } }
";
    for engine in ENGINES {
        let results = run("line.nmc", text, &NoFiles, engine).swap_remove(0);
        let (v, gain) = (values(&results, "a.v"), values(&results, "a.gain"));
        for j in 0..21 {
            let arrives = 3 + 1 + j;
            for step in 0..50 {
                let wanted = if step < arrives { 0.0 } else { 2.0 * gain[j] };
                assert!((v[21 * step + j] - wanted).abs() < 1e-6, "{j}: step {step}");
            }
        }
        let Recorded::Synapses { source, data, .. } = recorded(&results, "d.w") else { panic!() };
        assert!(!source.is_empty());
        for (&i, &w) in source.iter().zip(data) {
            assert!((w - (1.0 - (f64::from(i) * 0.05 - 0.25).abs())).abs() < 1e-6);
        }
    }
}

/// A hundred thousand neurons with thirty-five synapses each: no pair far apart is looked at, and no matrix made. Oracle: analytic, on a
/// torus, where no neuron is near an edge; and one thread.
#[test]
fn a_large_sheet_grows_with_its_synapses() {
    let torus = |side: &str| format!("min(abs(pre.{side} - post.{side}), 1 mm - abs(pre.{side} - post.{side}))^2");
    let p = format!("0.5 * exp(-({} + {}) / (0.015 mm)^2)", torus("x"), torus("y"));
    let text = sheet(100_000, &p, "").replace("probe c.w\n    probe a.x, a.y", "probe c.w histogram 1");
    let compilation = compile("large.nmc", &text.replace("const sigma = 0.1 mm", ""), &NoFiles, &Options::default());
    let program = &compilation.image.unwrap_or_else(|| panic!("{:?}", compilation.diagnostics)).programs[0];
    let wirings = [1, 2].map(|threads| {
        let options = RunOptions { seed: 4, engine: EngineKind::Jit, threads, memory: 4 << 30, progress: None };
        let results = nmc_runtime::run(program, &options).unwrap();
        let Recorded::Histogram { counts, .. } = recorded(&results, "c.w") else { panic!() };
        (counts[0], results.recordings.clone())
    });
    assert!(wirings[0] == wirings[1]);
    let mean = 1e5 * (1e5 - 1.0) * 0.5 * std::f64::consts::PI * 0.015_f64.powi(2);
    assert!((wirings[0].0 - mean).abs() < 6.0 * mean.sqrt() * 2.0, "{} {mean}", wirings[0].0);
}

/// Drawn on several threads, and by both engines. Oracle (cross).
#[test]
fn the_same_seed_joins_the_same_pairs() {
    let text = |neurons: usize| sheet(neurons, GAUSSIAN, ", delay: 0.1 ms + abs(pre.x - post.x) / 1 mm * 2 ms");
    let [first, second] = ENGINES.map(|engine| run("sheet.nmc", &text(300), &NoFiles, engine).swap_remove(0));
    assert_eq!(first.recordings, second.recordings);
    let large = text(20_000).replace("sigma = 0.1 mm", "sigma = 0.01 mm");
    let [one, two] =
        [1, 3].map(|threads| run_on("sheet.nmc", &large, &NoFiles, EngineKind::Jit, threads).swap_remove(0));
    assert!(one.recordings == two.recordings);
}

/// A synapse that is drawn anew gets the weight of its new pair. Oracle: the formula.
#[test]
fn what_is_drawn_anew_has_the_weight_of_its_place() {
    let text = "
neuron counter() { state v: real = 0; spike when v > 1e9 { v = 0 } }
synapse add { on pre { post.v += w } }
plasticity prune { trace x: real, 5 ms on pre { x += 1 }; every 1 ms { rewire when w < 0.5 } }
network net(s: spikes[1]) {
    population a: counter[60]() { x: i }
    population b: counter[60]() { x: uniform(0, 60) }
    connect c: a -> b { pattern: random(p: 0.2 + 0 * i), synapse: add(), weight: pre.x / 60, plasticity: prune() }
    connect s -> a { synapse: add(), weight: 1 }
    probe c.w
}
experiment e { deploy net { step: 0.1 ms }; run for 20 ms { s: spikes([0], [0]) } }
";
    for engine in ENGINES {
        let results = run("anew.nmc", text, &NoFiles, engine).swap_remove(0);
        let Recorded::Synapses { source, data, .. } = recorded(&results, "c.w") else { panic!() };
        let last = &data[data.len() - source.len()..];
        assert!(source.len() > 500 && last.iter().all(|w| *w >= 0.5));
        assert!(source.iter().zip(last).all(|(&i, w)| (f64::from(i) / 60.0 - w).abs() < 1e-6));
    }
}

#[test]
fn what_no_pair_can_go_by_is_told() {
    let told = |values: &str, fields: &str, code: &str| {
        let text = format!(
            "
use std.neuron.lif
network net() {{
    population a: lif[9]() {values}
    connect a -> a {{ {fields} }}
}}
experiment e {{ deploy net {{ step: 0.1 ms }}; run for 1 ms }}
"
        );
        assert_eq!(codes(&text), [code], "{values} {fields}");
    };
    let random = |p: &str| format!("pattern: random(p: {p}), weight: 1 mV");
    told("{ x: 1 mm }", &random("exp(-(pre.y / 1 mm)^2)"), "E0201");
    told("", &random("exp(-(pre.x / 1 mm)^2)"), "E0201");
    told("{ x: 1 mm }", &random("pre.x"), "E0302");
    told("{ x: 1 mm }", &random("exp(post.v / 1 mV)"), "E0305");
    told("{ x: 1 mm }", &random("uniform(0, 1)"), "E0305");
    told("{ x: 1 mm }", &random("1 + i + pre.x / 1 mm"), "E0405");
    told("{ x: 1 mm }", &random("-1 - j"), "E0405");
    told("{ tau_m: 1 ms }", &random("0.5"), "E0202");
    told("{ v: 1 mV }", &random("0.5"), "E0202");
    told("{ x: 1 mm, x: 2 mm }", &random("0.5"), "E0520");
    told("{ x: 1 mm every 1 ms }", &random("0.5"), "E0401");
    told("{ noise x: 1 mm }", &random("0.5"), "E0501");
    told("{ x: 1 mm }", "pattern: all_to_all, weight: 1 mV * pre.x / 1 mm, delay: pre.x", "E0302");
    told("{ x: uniform(-1, 1) }", "weight: 1 mV, delay: pre.x * 1 ms", "E0306");
    told("{ x: normal(0, 1) }", "weight: 1 mV, delay: exp(1 / pre.x) * 1 ms", "E0454");
}

/// What only the neurons drawn show.
#[test]
fn a_probability_above_one_ends_the_run() {
    let text = sheet(50, "2 * exp(-abs(pre.x - post.x) / 1 mm)", "");
    let compilation = compile("sheet.nmc", &text.replace("const sigma = 0.1 mm", ""), &NoFiles, &Options::default());
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 1 << 30, progress: None };
    let error = nmc_runtime::run(&compilation.image.unwrap().programs[0], &options).unwrap_err();
    assert_eq!(error.code, "E0405");
    let place = error.place.unwrap();
    let text = text.replace("const sigma = 0.1 mm", "");
    assert!(text[place.start as usize..place.end as usize].starts_with("connect"), "{place:?}");
}
