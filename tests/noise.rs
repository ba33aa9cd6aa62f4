//! Numbers that equations move: white noise, states slower than single precision, values beyond all numbers.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::Precision;
use nmc_runtime::{EngineKind, Recorded, Results, RunOptions};
use nmc_tests::{ENGINES, codes, recorded, run, run_on, spikes, values};

/// The first experiment of a program in single precision, or the code of what went wrong in the run.
fn run_single(text: &str, engine: EngineKind) -> Result<Results, &'static str> {
    let compilation = compile("single.nmc", text, &NoFiles, &Options::default());
    let image = compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    assert_eq!(image.programs[0].precision, Precision::F32);
    let options = RunOptions { seed: 1, engine, threads: 1, memory: 16 << 30, progress: None };
    nmc_runtime::run(&image.programs[0], &options).map_err(|error| error.code)
}

/// Second moments over many neurons, at times far apart.
fn moments(model: &str, step: &str, members: [&str; 2]) -> [f64; 3] {
    let text = format!(
        "
neuron noisy(tau: time = 20 ms, fast: time = 5 ms, sigma: voltage = 1 mV) {{
{model}
    spike when v > 1 V {{ v = 0 mV }}
}}
network net() {{
    population a: noisy[4000]()
    probe a.{0}, a.{1} every 100 ms
}}
experiment e {{ deploy net; run for 1 s {{ step: {step} }} }}
",
        members[0], members[1]
    );
    let results = &run("noise.nmc", &text, &NoFiles, EngineKind::Jit)[0];
    let of = |member: &str| values(results, &format!("a.{member}")).iter().skip(2 * 4000).map(|v| v * 1e3);
    let mean = |numbers: &mut dyn Iterator<Item = f64>| {
        let numbers: Vec<f64> = numbers.collect();
        numbers.iter().sum::<f64>() / numbers.len() as f64
    };
    let [a, b] = members;
    [mean(&mut of(a).map(|v| v * v)), mean(&mut of(b).map(|v| v * v)), mean(&mut of(a).zip(of(b)).map(|(v, u)| v * u))]
}

/// Five sigma of a variance from 8 times 4000 independent numbers.
const TOLERANCE: f64 = 5.0 * 0.008;

/// Stationary variances. Oracles: 1 where the step is exact; for Euler `1 / (1 - a / 2)`, for Runge-Kutta
/// `2 / a (1 - r) / (1 + r)`, a being the step over the time constant and r what a step leaves of a state.
#[test]
fn noise_has_its_size_whatever_the_step() {
    let leak = "
    state v: voltage = 0 mV
    state u: voltage = 0 mV
    v' = -v / tau + sigma * sqrt(2 / tau) * xi
    u' = -u / tau + sigma * sqrt(2 / tau) * xi";
    let rk4 = |a: f64| {
        let left = 1.0 - a + a * a / 2.0 - a.powi(3) / 6.0 + a.powi(4) / 24.0;
        2.0 / a * (1.0 - left) / (1.0 + left)
    };
    let cases = [
        ("", "0.1 ms", 1.0),
        ("", "2 ms", 1.0),
        ("", "50 ms", 1.0),
        ("method: exponential_euler", "0.5 ms", 1.0),
        ("method: exponential_euler", "20 ms", 1.0),
        ("method: rk4", "0.5 ms", rk4(0.025)),
        ("method: rk4", "20 ms", rk4(1.0)),
        ("method: euler", "0.5 ms", 1.0 / (1.0 - 0.0125)),
        ("method: euler", "10 ms", 1.0 / 0.75),
    ];
    for (method, step, wanted) in cases {
        let [v, u, both] = moments(&format!("    {method}{leak}"), step, ["v", "u"]);
        assert!(
            (v / wanted - 1.0).abs() < TOLERANCE && (u / wanted - 1.0).abs() < TOLERANCE,
            "{method} {step}: {v} {u}"
        );
        assert!(both.abs() < TOLERANCE, "{method} {step}: the noises of two equations are one: {both}");
    }
}

/// Noise that reaches a second state through the first, at steps as long as the time constants. Oracle: `tau / (tau + fast)`.
#[test]
fn noise_goes_through_a_linear_system() {
    let model = "
    state v: voltage = 0 mV
    state u: voltage = 0 mV
    v' = -v / tau + sigma * sqrt(2 / tau) * xi
    u' = (v - u) / fast";
    for step in ["0.5 ms", "10 ms"] {
        let [v, u, both] = moments(model, step, ["v", "u"]);
        assert!((v - 1.0).abs() < TOLERANCE, "{step}: {v}");
        assert!((u / 0.8 - 1.0).abs() < TOLERANCE && (both / 0.8 - 1.0).abs() < TOLERANCE, "{step}: {u} {both}");
    }
}

/// A nonlinear equation (Runge-Kutta), one with a rate that moves (exponential Euler), and noise that a number of each
/// element scales. Oracles: the linear equation that they come close to.
#[test]
fn noise_is_right_in_every_integrator() {
    let models = [
        "    state v: voltage = 0 mV
    state u: voltage = 0 mV
    v' = (-v - v^3 / 1 V2) / tau + sigma * sqrt(2 / tau) * xi
    u' = -u * (1 + u / 1 kV) / tau + sigma * sqrt(2 / tau) * xi",
        "    state v: voltage = 0 mV
    state u: voltage = 0 mV
    v' = -v / tau * exp(-u / 1 kV) + sigma * sqrt(2 / tau) * xi
    u' = -u / tau * exp(-v / 1 kV) + sigma * sqrt(2 / tau) * xi",
        "    scale = 1 + 1e-9 * index
    state v: voltage = 0 mV
    state u: voltage = 0 mV
    v' = -v / tau + scale * sigma * sqrt(2 / tau) * xi
    u' = -u / tau + sigma * sqrt(1 / tau) * xi + sigma * (sqrt(2 / tau) - sqrt(1 / tau)) * xi",
    ];
    for model in models {
        let [v, u, both] = moments(model, "1 ms", ["v", "u"]);
        assert!(
            (v - 1.0).abs() < TOLERANCE && (u - 1.0).abs() < TOLERANCE && both.abs() < TOLERANCE,
            "{model}: {v} {u}"
        );
    }
}

/// Both engines draw the same, and what is held is not shaken.
#[test]
fn noise_is_the_same_on_both_engines_and_off_while_held() {
    let text = "
neuron noisy(tau: time = 20 ms) {
    state v: real = 0
    v' = -v / tau + 3 * sqrt(2 / tau) * xi
    spike when v > 2 { v = 1; hold v for 2 ms }
}
network net() { population a: noisy[30](); probe a.v; probe a.spikes }
experiment e { deploy net; run for 100 ms { step: 0.1 ms } }
";
    let results = ENGINES.map(|engine| run("engines.nmc", text, &NoFiles, engine).remove(0));
    assert_eq!(results[0].recordings, results[1].recordings);
    let (neurons, steps) = spikes(&results[0], "a.spikes");
    let v = values(&results[0], "a.v");
    assert!(neurons.len() > 10);
    for (neuron, step) in neurons.iter().zip(steps).filter(|(_, step)| **step < 950) {
        let at = |later: usize| v[(*step as usize + later) * 30 + *neuron as usize];
        assert!((0..20).all(|later| at(later) == 1.0) && at(20) != 1.0);
    }
}

#[test]
fn noise_stands_only_where_it_has_a_meaning() {
    let neuron = |body: &str| {
        format!(
            "neuron n(tau: time = 1 ms) {{ state v: real = 0; {body} }}\nnetwork net() {{ population a: n[1](); probe a.v }}"
        )
    };
    let spike = "spike when v > 1 { v = 0 }";
    let cases = [
        (neuron(&format!("v' = (normal(0, 1) - v) / tau; {spike}")), "E0455"),
        (neuron(&format!("kick = uniform(0, 1); v' = (kick - v) / tau; {spike}")), "E0455"),
        (neuron(&format!("v' = -v / tau + xi^2; {spike}")), "E0456"),
        (neuron("v' = -v / tau; spike when v > 1 { v = xi * sqrt(tau) }"), "E0456"),
        (neuron("v' = -v / tau; spike when v > xi * sqrt(tau) { v = 0 }"), "E0456"),
        (String::from("neuron n(tau: time = 1 ms) { state v: real = sqrt(tau) * xi; v' = -v / tau }"), "E0456"),
        (neuron(&format!("v' = -v / tau + xi; {spike}")), "E0302"),
        (String::from("plasticity p { w' = w * xi^2 }"), "E0456"),
        (String::from("plasticity p(tau: time = 1 ms) { on pre { w += w * sqrt(tau) * xi } }"), "E0456"),
    ];
    for (text, code) in cases {
        assert_eq!(codes(&text).first(), Some(&code), "{text}");
    }
    let random_event =
        neuron("v' = -v / tau + sqrt(1 / tau) * xi; spike when v > normal(1, 0.1) { v = uniform(0, 0.1) }");
    assert_eq!(codes(&random_event), Vec::<&str>::new());
}

/// A synapse and a rule with noise, on so many synapses, of which every 2 ms is recorded.
fn noisy_synapses(sources: usize, method: &str, step: &str, duration: &str) -> String {
    format!(
        "
neuron rests() {{ input i: current; state v: voltage = 0 mV; v' = (i * 1 Mohm - v) / 20 ms; spike when v > 1 V {{ v = 0 mV }} }}
synapse noisy(tau: time = 5 ms) {{
    {method}
    state g: conductance = 0 nS
    g' = -g / tau + 2 nS * sqrt(2 / tau) * xi
    on pre {{ g += w }}
    current = g * (0 mV - post.v)
}}
plasticity wanders(sigma: weight, tau: time = 10 ms) {{
    {method}
    state c: real = 0
    c' = -c / tau + 3 * sqrt(2 / tau) * xi
    w' = (1 nS - w) / tau + sigma * sqrt(2 / tau) * xi
}}
network net() {{
    population a: rests[{sources}]()
    population b: rests[50]()
    connect plastic: a -> b {{ pattern: all_to_all, synapse: noisy(), weight: 1 nS, plasticity: wanders(sigma: 0.1 nS * (1 + i * 0.01)) }}
    probe plastic.g, plastic.c, plastic.w every 2 ms
}}
experiment e {{ deploy net; run for {duration} {{ step: {step} }} }}"
    )
}

/// Rows in time of what synapses have, behind so many first ones.
fn rows(results: &Results, name: &str, skip: usize) -> Vec<Vec<f64>> {
    let Recorded::Synapses { source, data, .. } = recorded(results, name) else { panic!("{name} is no synapses") };
    data.chunks(source.len()).skip(skip).map(<[f64]>::to_vec).collect()
}

/// A state of a synapse, one of its rule and its weight follow noise of their own (Ornstein-Uhlenbeck). Oracles: mean, standard
/// deviation and autocorrelation exp(-lag / tau) of that process, and that no two have anything in common; of Euler's method a
/// variance `1 / (1 - a / 2)` times as large, of a step `a` over the time constant.
#[test]
fn every_synapse_has_noise_of_its_own() {
    for (method, step, larger) in
        [("", "0.5 ms", [1.0; 3]), ("method: euler", "1 ms", [1.0 / 0.9, 1.0 / 0.95, 1.0 / 0.95])]
    {
        let results = &run("ou.nmc", &noisy_synapses(40, method, step, "400 ms"), &NoFiles, EngineKind::Jit)[0];
        let mut all = Vec::new();
        let cases: [(&str, f64, f64, f64); 3] =
            [("g", 0.0, 2e-9, 5e-3), ("c", 0.0, 3.0, 10e-3), ("w", 1e-9, 0.1e-9, 10e-3)];
        for ((name, mean, sigma, tau), larger) in cases.into_iter().zip(larger) {
            let rows = rows(results, &format!("plastic.{name}"), 50);
            let factor = |synapse: usize| if name == "w" { 1.0 + (synapse / 50) as f64 * 0.01 } else { 1.0 };
            let standard = |row: &Vec<f64>| -> Vec<f64> {
                row.iter().enumerate().map(|(at, value)| (value - mean) / (sigma * factor(at))).collect()
            };
            let rows: Vec<Vec<f64>> = rows.iter().map(standard).collect();
            let product = |lag: usize, apart: usize| {
                let pairs = rows.iter().zip(&rows[lag..]);
                let sums =
                    pairs.map(|(a, b)| a.iter().zip(b.iter().cycle().skip(apart)).map(|(a, b)| a * b).sum::<f64>());
                sums.sum::<f64>() / ((rows.len() - lag) * rows[0].len()) as f64
            };
            let average = rows.iter().flatten().sum::<f64>() / (rows.len() * rows[0].len()) as f64;
            // 2000 synapses, each with some 300 ms / (2 tau) independent values.
            let error = 5.0 / (2000.0 * 0.3 / (2.0 * tau)).sqrt();
            assert!(average.abs() < error, "{method} {name}: mean {average}");
            assert!((product(0, 0) / larger - 1.0).abs() < error * 1.5, "{method} {name}: variance {}", product(0, 0));
            if method.is_empty() {
                for lag in [1, 2, 4] {
                    let wanted = (-(lag as f64) * 2e-3 / tau).exp();
                    assert!((product(lag, 0) - wanted).abs() < error * 1.5, "{name}, lag {lag}: {}", product(lag, 0));
                }
            }
            for apart in [1, 50] {
                assert!(
                    product(0, apart).abs() < error * 1.5,
                    "{method} {name}: {apart} synapses on {}",
                    product(0, apart)
                );
            }
            all.push(rows);
        }
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let pairs = all[one].iter().flatten().zip(all[other].iter().flatten());
            let common = pairs.map(|(a, b)| a * b).sum::<f64>() / (all[0].len() * 2000) as f64;
            assert!(common.abs() < 0.03, "{method}: equations {one} and {other} have {common} in common");
        }
    }
}

/// Nonlinear right sides (Runge-Kutta) beside the linear ones that they come close to; the same numbers on both engines and any number of threads.
#[test]
fn noise_of_synapses_is_the_same_on_engines_and_threads() {
    let curved = |text: String| text.replace("c' = -c / tau", "c' = -c * (1 + c^2 / 1e9) / tau");
    let text = curved(noisy_synapses(40, "", "0.5 ms", "400 ms"));
    let c = rows(&run("rk.nmc", &text, &NoFiles, EngineKind::Jit)[0], "plastic.c", 50);
    let variance = c.iter().flatten().map(|c| c * c / 9.0).sum::<f64>() / (c.len() * 2000) as f64;
    assert!((variance - 1.0).abs() < 0.05, "{variance}");
    let text = curved(noisy_synapses(5, "", "0.5 ms", "20 ms"));
    let first = run("one.nmc", &text, &NoFiles, EngineKind::Interpreter).remove(0).recordings;
    for (engine, threads) in [(EngineKind::Jit, 1), (EngineKind::Jit, 3), (EngineKind::Interpreter, 2)] {
        assert_eq!(run_on("other.nmc", &text, &NoFiles, engine, threads).remove(0).recordings, first);
    }
}

/// Time constants of hours at steps of 0.1 ms in single precision, by every method. Oracle: the closed forms.
#[test]
fn slow_states_move_in_single_precision() {
    let text = "
neuron slow(tau: time = 10000 s) { state x: voltage = 20 mV; x' = -x / tau; spike when x > 1 V { x = 0 mV } }
neuron euler(tau: time = 10000 s) { method: exponential_euler; state x: voltage = 20 mV; x' = -x / tau; spike when x > 1 V { x = 0 mV } }
neuron curved(tau: time = 10000 s) { state x: voltage = 20 mV; x' = -x^2 / 20 mV / tau; spike when x > 1 V { x = 0 mV } }
neuron clock() { state x: time = 0 s; x' = 1; spike when x > 1000 s { x = 0 s } }
network net() {
    population a: slow[1]()
    population b: euler[1](tau: 3000 s)
    population c: curved[1]()
    population k: clock[1]()
    probe a.x, b.x, c.x, k.x every 1 s
}
experiment e { deploy net; run for 10 s { step: 0.1 ms } }
";
    for engine in ENGINES {
        let results = run_single(text, engine).unwrap();
        let end = |name: &str| *values(&results, name).last().unwrap();
        // The last is recorded at the end of the step that begins at 9 s.
        let t: f64 = 9.0001;
        let lost = |name: &str| 20e-3 - end(name);
        let decayed = |tau: f64| 20e-3 * -(-t / tau).exp_m1();
        assert!((lost("a.x") / decayed(1e4) - 1.0).abs() < 1e-3, "{} {}", lost("a.x"), decayed(1e4));
        assert!((lost("b.x") / decayed(3e3) - 1.0).abs() < 1e-3, "{} {}", lost("b.x"), decayed(3e3));
        let curved = 20e-3 * (1.0 - 1.0 / (1.0 + t / 1e4));
        assert!((lost("c.x") / curved - 1.0).abs() < 1e-3, "{} {curved}", lost("c.x"));
        assert!((end("k.x") - t).abs() < 1e-6, "{}", end("k.x"));
    }
}

/// What grows beyond all numbers ends the run.
#[test]
fn infinite_states_and_weights_end_the_run() {
    let state = "
neuron grows() { state v: real = 1; v' = v / 1 ms; spike when v < 0 { v = 0 } }
network net() { population a: grows[1](); probe a.v }
experiment e { deploy net; run for 1 s { step: 0.1 ms } }
";
    let weight = "
neuron sink() { state v: real = 0; spike when v > 1e9 { v = 0 } }
synapse silent {}
plasticity grows { on pre { w += w * 1e30 } }
network net(s: spikes[1]) {
    population p: sink[1]()
    connect c: s -> p { weight: 1, synapse: silent(), plasticity: grows() }
    probe c.w
}
experiment e { deploy net; run for 10 ms { step: 0.1 ms, s: spikes([0, 0, 0], [10, 20, 30]) } }
";
    for engine in ENGINES {
        assert_eq!(run_single(state, engine).err(), Some("E0706"));
        assert_eq!(run_single(weight, engine).err(), Some("E0706"));
    }
}

/// Times that events add to are kept in double precision: after 6 s single precision would be a step off. Oracle: the spikes are at multiples of 100 steps.
#[test]
fn times_that_events_add_to_lose_no_step() {
    let net = "
neuron clock(period: time = 10 ms) {
    state next: time = period
    spike when CONDITION { next += period }
}
network net() { population a: clock[2](); probe a.spikes }
experiment e { deploy net; run for 10 s { step: 0.1 ms } }
";
    let of = |condition: &str| {
        let compilation = compile("clock.nmc", &net.replace("CONDITION", condition), &NoFiles, &Options::default());
        compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
    };
    let image = of("t > next - dt / 2");
    assert_eq!(image.programs[0].precision, Precision::F64);
    for engine in ENGINES {
        let options = RunOptions { seed: 1, engine, threads: 1, memory: 16 << 30, progress: None };
        let results = nmc_runtime::run(&image.programs[0], &options).unwrap();
        let (_, steps) = spikes(&results, "a.spikes");
        let wanted: Vec<u64> = (1..1000).flat_map(|at| [100 * at; 2]).collect();
        assert!(steps == wanted, "{} spikes", steps.len());
    }
    // What no event adds to, and what is no time, is as precise as the run.
    for condition in ["t > 10 ms", "next < 5 s", "sin(2 * t / 1 s) > next / 1 s"] {
        let short = net.replace("run for 10 s", "run for 1 s").replace("CONDITION", condition);
        let compilation = compile("clock.nmc", &short, &NoFiles, &Options::default());
        assert_eq!(compilation.image.unwrap().programs[0].precision, Precision::F32, "{condition}");
    }
}
