//! How fast the error of each method falls with the step, or with the tolerance: the orders that theory gives, within 0.2.
//! Oracles: Runge-Kutta 4 written apart at a much finer step, and closed forms of stochastic equations.

use nmc_compiler::files::NoFiles;
use nmc_tests::{ENGINES, codes, run, values};

/// The block of a standard neuron, integrated by a method.
fn standard(name: &str, method: &str) -> String {
    let module = nmc_stdlib::module(&["std", "neuron"]).unwrap();
    let start = module.find(&format!("neuron {name}(")).unwrap();
    let end = start + module[start..].find("\n}\n").unwrap() + 3;
    module[start..end].replacen(") {\n", &format!(") {{\n    {method}\n"), 1)
}

/// The states of one neuron after a time, in milliseconds.
fn after(block: &str, population: &str, states: &[&str], step: f64, time: f64) -> Vec<f64> {
    let probed: Vec<String> = states.iter().map(|state| format!("cell.{state}")).collect();
    let text = format!(
        "{block}
network net() {{ population cell: {population}; probe {} }}
experiment e {{ deploy net; run for {time} ms {{ step: {step} ms }} }}",
        probed.join(", ")
    );
    let [first, second] = ENGINES.map(|engine| run("order.nmc", &text, &NoFiles, engine).swap_remove(0));
    assert_eq!(first.recordings, second.recordings);
    probed.iter().map(|name| *values(&first, name).last().unwrap()).collect()
}

/// Runge-Kutta 4 over so many steps of `dt`.
fn rk4<const N: usize>(mut y: [f64; N], dt: f64, steps: usize, slope: impl Fn([f64; N]) -> [f64; N]) -> [f64; N] {
    for _ in 0..steps {
        let moved = |k: [f64; N], by: f64| std::array::from_fn(|i| y[i] + by * k[i]);
        let a = slope(y);
        let b = slope(moved(a, dt / 2.0));
        let c = slope(moved(b, dt / 2.0));
        let d = slope(moved(c, dt));
        y = std::array::from_fn(|i| y[i] + dt / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]));
    }
    y
}

/// Hodgkin and Huxley's axon with 10 uA, in mV and ms.
fn axon([v, m, h, n]: [f64; 4]) -> [f64; 4] {
    let am = 0.1 * (v + 40.0) / (1.0 - (-(v + 40.0) / 10.0).exp());
    let an = 0.01 * (v + 55.0) / (1.0 - (-(v + 55.0) / 10.0).exp());
    let bm = 4.0 * (-(v + 65.0) / 18.0).exp();
    let ah = 0.07 * (-(v + 65.0) / 20.0).exp();
    let bh = 1.0 / (1.0 + (-(v + 35.0) / 10.0).exp());
    let bn = 0.125 * (-(v + 65.0) / 80.0).exp();
    [
        120.0 * m.powi(3) * h * (50.0 - v) + 36.0 * n.powi(4) * (-77.0 - v) + 0.3 * (-54.387 - v) + 10.0,
        am * (1.0 - m) - bm * m,
        ah * (1.0 - h) - bh * h,
        an * (1.0 - n) - bn * n,
    ]
}

/// Brette and Gerstner's neuron with 800 pA, in mV, pA and ms.
fn adex([v, w]: [f64; 2]) -> [f64; 2] {
    let leak = 30.0 * (-70.6 - v) + 30.0 * 2.0 * ((v + 50.4) / 2.0).exp();
    [(leak - w + 800.0) / 281.0, (4.0 * (v + 70.6) - w) / 144.0]
}

/// The largest error of the states of the axon after `time`, each over its range.
fn axon_error(method: &str, step: f64) -> f64 {
    const TIME: f64 = 6.0;
    let found =
        after(&standard("hodgkin_huxley", method), "hodgkin_huxley[1](bias: 10 uA)", &["v", "m", "h", "n"], step, TIME);
    let exact = rk4([-65.0, 0.0529, 0.5961, 0.3177], 5e-4, 12_000, axon);
    let off = [(found[0] * 1e3 - exact[0]) / 100.0, found[1] - exact[1], found[2] - exact[2], found[3] - exact[3]];
    off.iter().fold(0.0, |most: f64, off| most.max(off.abs()))
}

fn adex_error(method: &str, step: f64) -> f64 {
    let found = after(&standard("adex", method), "adex[1](bias: 800 pA)", &["v", "adaptation"], step, 16.0);
    let exact = rk4([-70.6, 0.0], 1e-3, 16_000, adex);
    assert!(exact[0] > -60.0 && exact[0] < -45.0, "before the spike: {exact:?}");
    ((found[0] * 1e3 - exact[0]) / 20.0).abs().max(((found[1] * 1e12 - exact[1]) / 100.0).abs())
}

/// Of errors at steps that are halved each time.
fn orders(errors: &[f64]) -> Vec<f64> {
    errors.windows(2).map(|pair| (pair[0] / pair[1]).log2()).collect()
}

#[track_caller]
fn is_of_order(wanted: f64, steps: &[f64], error: impl Fn(f64) -> f64) {
    let errors: Vec<f64> = steps.iter().map(|&step| error(step)).collect();
    let found = orders(&errors);
    assert!(found.iter().all(|order| (order - wanted).abs() < 0.2), "{found:?} of {errors:?}, not {wanted}");
}

#[test]
fn the_axon_is_integrated_by_methods_of_their_orders() {
    is_of_order(1.0, &[4e-3, 2e-3, 1e-3], |step| axon_error("method: euler", step));
    is_of_order(1.0, &[4e-3, 2e-3, 1e-3], |step| axon_error("method: exponential_euler", step));
    is_of_order(4.0, &[0.02, 0.01, 0.005], |step| axon_error("method: rk4", step));
}

#[test]
fn the_adaptive_exponential_neuron_is_integrated_by_methods_of_their_orders() {
    is_of_order(1.0, &[0.04, 0.02, 0.01], |step| adex_error("method: euler", step));
    is_of_order(4.0, &[0.1, 0.05, 0.025], |step| adex_error("method: rk4", step));
    // Left out, the method is Runge-Kutta 4.
    assert_eq!(adex_error("", 0.1).to_bits(), adex_error("method: rk4", 0.1).to_bits());
}

/// The error of sub-steps goes with the tolerance, whatever the step; where none is said it is 1e-6.
#[test]
fn sub_steps_keep_their_tolerance_whatever_the_step() {
    let axon = |tolerance: f64, step: f64| axon_error(&format!("method: rk45\n    tolerance: {tolerance:e}"), step);
    let adex = |tolerance: f64, step: f64| adex_error(&format!("method: rk45\n    tolerance: {tolerance:e}"), step);
    for error in [&axon as &dyn Fn(f64, f64) -> f64, &adex] {
        let (coarse, fine) = (error(1e-5, 2.0), error(1e-9, 2.0));
        let order = (coarse / fine).log10() / 4.0;
        assert!((order - 1.0).abs() < 0.2, "{order} of {coarse} and {fine}");
        for step in [0.02, 0.2, 2.0] {
            let found = error(1e-6, step);
            assert!(found < 2e-5, "{step}: {found}");
        }
    }
    assert_eq!(axon_error("method: rk45", 0.5).to_bits(), axon(1e-6, 0.5).to_bits());
    // A tolerance that is none, one that nothing uses, and a method of synapses.
    let text = |lines: &str| {
        let block = standard("hodgkin_huxley", lines);
        format!(
            "{block}\nnetwork n() {{ population cell: hodgkin_huxley[1](); probe cell.v }}
            experiment e {{ deploy n; run for 1 ms {{ step: 0.01 ms }} }}"
        )
    };
    assert_eq!(codes(&text("method: rk45")), [""; 0]);
    for (lines, code) in [
        ("method: rk45; tolerance: 0", "E0306"),
        ("method: rk45; tolerance: 2", "E0306"),
        ("method: rk45; tolerance: 1 ms", "E0302"),
        ("tolerance: 1e-6", "W0428"),
        ("method: rk4; tolerance: 1e-6", "W0428"),
        ("method: rk54", "E0221"),
    ] {
        assert_eq!(codes(&text(lines)), [code], "{lines}");
    }
}

/// Each element takes steps of its own, and what a neuron holds stays still in them. Oracle: elements by themselves; the closed form.
#[test]
fn elements_choose_their_own_steps() {
    let block = "
neuron fast(rate: frequency) {
    method: rk45
    input i: current
    state v: voltage = 1 mV
    state u: real = 1
    v' = -rate * v * (1 + (v / 1 mV)^2) / 2
    u' = -rate * u
    spike when u < 0.5 { u = 1; hold u for 1 ms }
}";
    let of = |rate: &str, size: usize| {
        let text = format!(
            "{block}
network net() {{ population cell: fast[{size}](rate: {rate}); probe cell.v, cell.u }}
experiment e {{ deploy net; run for 5 ms {{ step: 0.5 ms }} }}"
        );
        let [first, second] = ENGINES.map(|engine| run("own.nmc", &text, &NoFiles, engine).swap_remove(0));
        assert_eq!(first.recordings, second.recordings);
        [values(&first, "cell.v").to_vec(), values(&first, "cell.u").to_vec()]
    };
    // Time goes on in its parts.
    let swings = "neuron swings() { method: rk45; state x: real = 0; x' = cos(t / 1 ms) / 1 ms }";
    let x = after(swings, "swings[1]()", &["x"], 1.0, 5.0)[0];
    assert!((x - 5.0_f64.sin()).abs() < 1e-6, "{x}");
    let together = of("[0.1, 40, 3, 1] * 1 kHz", 4);
    for (element, rate) in [0.1, 40.0, 3.0, 1.0].into_iter().enumerate() {
        let alone = of(&format!("{rate} kHz"), 1);
        for (together, alone) in together.iter().zip(&alone) {
            assert!(together.chunks(4).map(|row| row[element].to_bits()).eq(alone.iter().map(|v| v.to_bits())));
        }
        // v' = -r v (1 + v^2) / 2: v^2 / (1 + v^2) decays at r.
        let share: f64 = 0.5 * (-rate * 5.0_f64).exp();
        let wanted = 1e-3 * (share / (1.0 - share)).sqrt();
        let found = alone[0].last().unwrap();
        assert!((found - wanted).abs() < 2e-8, "{rate}: {found} for {wanted}");
        let mut u = 1.0;
        let mut held = 0;
        for found in &alone[1] {
            held -= 1;
            u *= if held > 0 { 1.0 } else { (-rate * 0.5).exp() };
            if u < 0.5 && held <= 0 {
                (u, held) = (1.0, 2);
            }
            assert!((found - u).abs() < 1e-5, "{rate}: {found} for {u}");
        }
    }
}

/// A jump within an equation, a state that ends in no time and one that is no number do not hang.
#[test]
fn what_cannot_be_integrated_ends() {
    let text = |equation: &str| {
        format!(
            "
neuron odd() {{ method: rk45; state v: real = 1; v' = {equation}; spike when v > 1e30 {{}} }}
network net() {{ population cell: odd[2](); probe cell.v }}
experiment e {{ deploy net; run for 5 ms {{ step: 0.5 ms }} }}"
        )
    };
    // It falls to 0 and chatters there: within a thousandth of a step.
    let chatters = text("(if v > 0 then -1 else 1) / 1.2 ms");
    for engine in ENGINES {
        let results = &run("jump.nmc", &chatters, &NoFiles, engine)[0];
        assert!(values(results, "cell.v").last().unwrap().abs() < 1e-3);
    }
    for equation in ["v^2 / 1 ms", "(v - 1) / (v - 1) / 1 ms"] {
        let compiled = nmc_compiler::compile("odd.nmc", &text(equation), &NoFiles, &nmc_compiler::Options::default());
        let image = compiled.image.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics));
        for engine in ENGINES {
            let options = nmc_runtime::RunOptions { seed: 1, engine, threads: 1, memory: 1 << 30, progress: None };
            let wrong = nmc_runtime::run(&image.programs[0], &options).map(|_| ()).unwrap_err();
            assert_eq!(wrong.code, "E0706");
        }
    }
}

const NOISY: &str = "
neuron noisy(tau: time = 10 ms, sigma: real = 1) {
    method: euler
    state x: real = START
    x' = EQUATION
    spike when x > 1e30 {}
}";

/// Euler's stationary variance of an Ornstein-Uhlenbeck process: weak order 1. Oracle: 1, the exact one. Exponential Euler is exact.
#[test]
fn noise_converges_weakly() {
    let variance = |method: &str, share: f64| {
        let block = NOISY
            .replace("method: euler", method)
            .replace("START", "normal(0, 1)")
            .replace("EQUATION", "-x / tau + sigma * sqrt(2 / tau) * xi");
        let step = 10.0 * share;
        let text = format!(
            "{block}
network net() {{ population cell: noisy[20000](); probe cell.x every 50 ms }}
experiment e {{ deploy net; run for 1000 ms {{ step: {step} ms }} }}"
        );
        let results = &run("weak.nmc", &text, &NoFiles, ENGINES[1])[0];
        let late = &values(results, "cell.x")[2 * 20000..];
        late.iter().map(|x| x * x).sum::<f64>() / late.len() as f64
    };
    let errors = [0.4, 0.2, 0.1].map(|share| variance("method: euler", share) - 1.0);
    // Theory: share / 2 / (1 - share / 2), so what 1 / variance lacks is of order 1 to the last digit.
    let errors = errors.map(|error| error / (1.0 + error));
    let found = orders(&errors);
    assert!(found.iter().all(|order| (order - 1.0).abs() < 0.2), "{found:?} of {errors:?}");
    assert!((variance("method: exponential_euler", 0.4) - 1.0).abs() < 0.012);
}

/// Noise that the state multiplies, taken at the start of a step (Itô): strong order 1/2. Oracle: the closed form of geometric
/// Brownian motion for the increments that the run drew, which its recorded steps tell.
#[test]
fn noise_converges_strongly() {
    let (drift, sigma) = (-0.5, 1.0);
    let block = NOISY.replace("START", "1").replace("EQUATION", "-0.5 * x / tau + sigma * x * sqrt(1 / tau) * xi");
    let error = |share: f64| {
        let text = format!(
            "{block}
network net() {{ population cell: noisy[4000](); probe cell.x }}
experiment e {{ deploy net; run for 10 ms {{ step: {} ms }} }}",
            10.0 * share
        );
        let results = &run("strong.nmc", &text, &NoFiles, ENGINES[1])[0];
        let rows: Vec<&[f64]> = values(results, "cell.x").chunks(4000).collect();
        let one = |element: usize| {
            let (mut before, mut path) = (1.0, 0.0);
            for row in &rows {
                path += (row[element] / before - 1.0 - drift * share) / sigma;
                before = row[element];
            }
            let exact = ((drift - sigma * sigma / 2.0) + sigma * path).exp();
            (before - exact).abs()
        };
        (0..4000).map(one).sum::<f64>() / 4000.0
    };
    is_of_order(0.5, &[1.0 / 32.0, 1.0 / 64.0, 1.0 / 128.0, 1.0 / 256.0], error);
}

/// Coefficients that differ between neurons, or are set in a later run, leave linear neurons exact: the same as in a population of equal ones.
#[test]
fn coefficients_of_their_own_leave_linear_neurons_exact() {
    let network = |populations: &str, runs: &str| {
        format!(
            "
use std.neuron.lif
use std.synapse.{{alpha, exp_current}}
network net(s: spikes[1]) {{
    {populations}
}}
experiment e {{ deploy net; {runs} }}"
        )
    };
    let cell = |name: &str, parameters: &str| {
        format!(
            "population {name}: lif[3]({parameters})
    connect s -> {name} {{ pattern: all_to_all, synapse: exp_current(tau: 1 ms), weight: 300 pA, delay: 1 ms }}
    connect s -> {name} {{ pattern: all_to_all, synapse: alpha(tau: 2 ms), weight: 60 pA, delay: 2 ms }}
    probe {name}.v"
        )
    };
    let given = "step: 0.1 ms, s: spikes([0, 0, 0], [10, 60, 130])";
    let taus = [10.0, 15.0, 20.0];
    let equal: Vec<String> = taus
        .iter()
        .enumerate()
        .map(|(n, tau)| cell(&format!("c{n}"), &format!("tau_m: {tau} ms, refractory: 1 ms")))
        .collect();
    let differ = cell("d", "tau_m: 10 ms + i * 5 ms, refractory: 1 ms");
    let later = cell("l", "tau_m: 40 ms, refractory: 1 ms");
    let of = |populations: &str, runs: &str| {
        let text = network(populations, runs);
        let [first, second] = ENGINES.map(|engine| run("own.nmc", &text, &NoFiles, engine).swap_remove(0));
        assert_eq!(first.recordings, second.recordings);
        first
    };
    let once = format!("run for 20 ms {{ {given} }}");
    let (equal, differ) = (of(&equal.join("\n    "), &once), of(&differ, &once));
    let wanted: Vec<&[f64]> = (0..3).map(|n| values(&equal, &format!("c{n}.v"))).collect();
    let risen = wanted[0].iter().fold(0.0, |most: f64, v| most.max((v - wanted[0][0]).abs()));
    assert!(risen > 1e-3, "{risen}");
    for (at, found) in values(&differ, "d.v").iter().enumerate() {
        let (tick, neuron) = (at / 3, at % 3);
        let wanted = wanted[neuron][3 * tick];
        assert!((found - wanted).abs() < 1e-12 * risen, "{neuron} at {tick}: {found} for {wanted}");
    }
    // What is sent in the first run arrives in the second.
    let set = format!(
        "run for 0.1 ms {{ step: 0.1 ms, s: spikes([0], [0]) }}\n    run for 20 ms {{ {given}, set l.tau_m = 15 ms }}"
    );
    let set = of(&format!("{later}\n    {}", cell("m", "tau_m: 15 ms, refractory: 1 ms")), &set);
    for (found, wanted) in values(&set, "l.v").iter().zip(values(&set, "m.v")) {
        assert!((found - wanted).abs() < 1e-12 * risen, "{found} for {wanted}");
    }
}
