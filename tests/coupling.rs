//! Continuous coupling: gap junctions, synapses that are kept one by one, signals that rules read, frozen weights.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{Recorded, Results};
use nmc_tests::{ENGINES, codes, recorded, run, told, values};

const GRADED: &str = "
neuron graded(start: voltage) { input i: current; state v: voltage = start; v' = (i - 10 nS * v) / 200 pF }
synapse gap { current = w * (pre.v - post.v) }
";
/// Of `GRADED`, in siemens and farads.
const LEAK: f64 = 10e-9;
const CAPACITANCE: f64 = 200e-12;

fn weights(results: &Results, name: &str) -> Vec<Vec<f64>> {
    let Recorded::Synapses { source, data, .. } = recorded(results, name) else { panic!("{name} is no weights") };
    data.chunks(source.len()).map(<[f64]>::to_vec).collect()
}

/// Two neurons that do not spike. Oracles: what exponential Euler makes of the difference, its factor a step written out; the
/// analytic solution, to first order in the step.
#[test]
fn a_gap_junction_pulls_two_neurons_together() {
    let after = |step: f64, engine| {
        let text = format!(
            "{GRADED}
network net() {{
    population a: graded[2](start: 10 mV - i * 4 mV)
    connect a -> a {{ pattern: all_to_all(itself: false), synapse: gap, weight: 5 nS }}
    probe a.v every 10 ms
}}
experiment e {{ deploy net; run for 11 ms {{ step: {step} ms }} }}"
        );
        // Recorded at the end of step 10 ms / step.
        let v = values(&run("gap.nmc", &text, &NoFiles, engine)[0], "a.v")[2..4].to_vec();
        (v[0] + v[1], v[0] - v[1])
    };
    let gap = 5e-9;
    for engine in ENGINES {
        let mut errors = Vec::new();
        for step in [0.1, 0.05] {
            let (sum, difference) = after(step, engine);
            let (dt, steps) = (step * 1e-3, 10.0 / step + 1.0);
            let decay = (-(LEAK + gap) / CAPACITANCE * dt).exp();
            let pull = gap / (LEAK + gap) * (1.0 - decay);
            assert!((difference - 4e-3 * (decay - pull).powf(steps)).abs() < 1e-15, "{difference}");
            assert!((sum - 16e-3 * (decay + pull).powf(steps)).abs() < 1e-15, "{sum}");
            let exact = |rate: f64| (-rate / CAPACITANCE * dt * steps).exp();
            errors.push((difference / 4e-3 / exact(LEAK + 2.0 * gap) - 1.0, sum / 16e-3 / exact(LEAK) - 1.0));
        }
        let [coarse, fine] = errors[..] else { panic!() };
        assert!(coarse.0.abs() < 2e-3 && coarse.1.abs() < 2e-3, "{errors:?}");
        assert!((coarse.0 / fine.0 - 2.0).abs() < 0.05 && (coarse.1 / fine.1 - 2.0).abs() < 0.05, "{errors:?}");
    }
}

/// A ring: each wave around it decays at its own rate. Oracle: analytic, to first order in the step.
#[test]
fn waves_on_a_ring_decay_at_their_rates() {
    let row = |i: usize| {
        let joined = |j: usize| (j + 1) % 8 == i || (i + 1) % 8 == j;
        format!("[{}]", (0..8).map(|j| if joined(j) { "1" } else { "0" }).collect::<Vec<_>>().join(", "))
    };
    let matrix = format!("[{}]", (0..8).map(row).collect::<Vec<_>>().join(", "));
    for (engine, wave) in ENGINES.iter().flat_map(|engine| [0, 1, 3, 4].map(|wave| (*engine, wave))) {
        let text = format!(
            "{GRADED}
network net() {{
    population a: graded[8](start: 1 mV * cos(2 * pi * {wave} * i / 8))
    connect a -> a {{ pattern: matrix, synapse: gap, weight: {matrix} * 4 nS }}
    probe a.v every 5 ms
}}
experiment e {{ deploy net; run for 6 ms {{ step: 0.01 ms }} }}"
        );
        let found = run("ring.nmc", &text, &NoFiles, engine);
        let found = &values(&found[0], "a.v")[8..16];
        let angle = std::f64::consts::TAU * f64::from(wave) / 8.0;
        let rate = (LEAK + 2.0 * 4e-9 * (1.0 - angle.cos())) / CAPACITANCE;
        for (i, found) in found.iter().enumerate() {
            let wanted = 1e-3 * (angle * i as f64).cos() * (-rate * 5.01e-3).exp();
            assert!((found - wanted).abs() < 1e-3 * 1e-3, "wave {wave}, neuron {i}: {found} {wanted}");
        }
    }
}

/// Synapses that saturate, behind a block that the voltage lifts; each keeps its own state, or its source does. Oracle: the same
/// written out, with the sum held over a step and the voltage by Runge-Kutta.
#[test]
fn synapses_that_saturate_are_added_up() {
    for (engine, jump) in ENGINES.iter().flat_map(|engine| ["0.4", "0.2 * w / 1 nS"].map(|jump| (*engine, jump))) {
        let text = format!(
            "
neuron cell {{ input i: current; state v: voltage = -65 mV; v' = (i - 10 nS * (v + 65 mV)) / 200 pF }}
synapse nmda {{
    state s: real = 0
    s' = -s / 5 ms
    on pre {{ s += {jump} * (1 - s) }}
    current = w * s * (0 mV - post.v) / (1 + 0.28 * exp(-post.v / 16 mV))
}}
network net(x: spikes[2]) {{
    population a: cell[3]()
    connect x -> a {{ pattern: all_to_all, synapse: nmda, weight: 1 nS + i * 0.5 nS + j * 1 nS, delay: 0.3 ms }}
    probe a.v every 0.1 ms
}}
experiment e {{ deploy net; run for 10 ms {{ step: 0.1 ms, x: spikes([0, 1, 0, 0, 1], [5, 5, 9, 40, 60]) }} }}"
        );
        let found = run("nmda.nmc", &text, &NoFiles, engine);
        let found = values(&found[0], "a.v");
        let (dt, weight) = (1e-4, |i: usize, j: usize| (1.0 + 0.5 * i as f64 + j as f64) * 1e-9);
        let (mut v, mut s) = ([-65e-3_f64; 3], [[0.0_f64; 3]; 2]);
        for step in 0..100 {
            for (j, v) in v.iter_mut().enumerate() {
                let open: f64 = (0..2).map(|i| weight(i, j) * s[i][j]).sum();
                let slope = |v: f64| {
                    let current = open * -v / (1.0 + 0.28 * (-v / 16e-3).exp());
                    (current - LEAK * (v + 65e-3)) / CAPACITANCE
                };
                let k1 = slope(*v);
                let k2 = slope(*v + dt / 2.0 * k1);
                let k3 = slope(*v + dt / 2.0 * k2);
                let k4 = slope(*v + dt * k3);
                *v += dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
            }
            s.iter_mut().flatten().for_each(|s| *s *= (-dt / 5e-3_f64).exp());
            for (i, at) in [(0, 5), (1, 5), (0, 9), (0, 40), (1, 60)] {
                for j in (0..3).filter(|_| at + 3 == step) {
                    let jump = if jump == "0.4" { 0.4 } else { 0.2 * weight(i, j) / 1e-9 };
                    s[i][j] += jump * (1.0 - s[i][j]);
                }
            }
            let near = (0..3).all(|j| (found[3 * step + j] - v[j]).abs() < 1e-13);
            assert!(near, "{jump}, step {step}: {:?} {v:?}", &found[3 * step..3 * step + 3]);
        }
        assert!(found.iter().any(|v| *v > -64.95e-3), "the synapses do something");
    }
}

/// A junction that rectifies: both sides stand in one function, and are taken at the start of the step. Oracle: written out.
#[test]
fn a_junction_may_rectify() {
    let text = GRADED.replace("w * (pre.v - post.v)", "w * max(pre.v - post.v, 0 mV)")
        + "
network net() {
    population a: graded[2](start: i * 4 mV)
    connect a -> a { pattern: all_to_all, synapse: gap, weight: 5 nS }
    probe a.v every 0.1 ms
}
experiment e { deploy net; run for 5 ms { step: 0.1 ms } }";
    for engine in ENGINES {
        let found = run("rectify.nmc", &text, &NoFiles, engine);
        let found = values(&found[0], "a.v");
        let (mut v, decay) = ([0.0, 4e-3_f64], (-LEAK / CAPACITANCE * 1e-4).exp());
        for step in 0..50 {
            let driven = 5e-9 * (v[1] - v[0]).max(0.0) / LEAK;
            v = [driven + (v[0] - driven) * decay, v[1] * decay];
            assert!(
                (found[2 * step] - v[0]).abs() < 1e-15 && (found[2 * step + 1] - v[1]).abs() < 1e-15,
                "step {step}"
            );
        }
    }
}

/// One signal for all targets, one for each, or an input of the network; frozen weights stay while states go on. Oracle: written
/// out: what a rule reads is what it was at the start of the step.
#[test]
fn rules_read_signals_and_freeze() {
    let text = |reward: &str| {
        format!(
            "
neuron level(slope: frequency) {{ state d: real = 0.5; d' = slope }}
neuron cell {{ state seen: real = 0; state u: real = 0; spike when u > 1 {{ u = 0 }} }}
synapse silent {{ on pre {{ post.seen += w; post.u += 0 }} }}
plasticity rewarded(reward: real) {{
    state e: real = 0
    e' = -e / 2 ms
    on pre {{ e += 1; w += reward }}
    w' = e * reward / 1 ms
}}
network net(x: spikes[2], r: real[1]) {{
    population one: level[1](slope: 100 Hz)
    population each: level[3](slope: 100 Hz * (i + 1))
    population a: cell[3]()
    connect c: x -> a {{ pattern: all_to_all, synapse: silent, weight: 1 + i, plasticity: rewarded(reward: {reward}) }}
    probe c.w every 0.1 ms
    probe one.d, each.d every 1 ms
}}
experiment e {{
    deploy net {{ step: 0.1 ms }}
    run for 2 ms {{ x: spikes([0, 1], [5, 12]), r: [[1], [3]] every 1.5 ms }}
    run for 1 ms {{ x: spikes([0], [3]), r: 3, freeze c }}
    run for 2 ms {{ x: spikes([1], [3]), r: 3 }}
}}"
        )
    };
    let at = |reward: &str, step: usize, j: usize| {
        let slope = if reward == "each.d" { j as f64 + 1.0 } else { 1.0 };
        if reward == "r" { if step < 15 { 1.0 } else { 3.0 } } else { 0.5 + 0.01 * slope * step as f64 }
    };
    for (engine, reward) in ENGINES.iter().flat_map(|engine| ["one.d", "each.d", "r"].map(|reward| (*engine, reward))) {
        let found = weights(&run("reward.nmc", &text(reward), &NoFiles, engine)[0], "c.w");
        let (mut w, mut e) = ([[1.0_f64; 3], [2.0; 3]], [0.0_f64; 2]);
        for (step, found) in found.iter().enumerate().take(50) {
            let frozen = (20..30).contains(&step);
            for (i, j) in (0..2).flat_map(|i| (0..3).map(move |j| (i, j))).filter(|_| !frozen) {
                // The integral of a step of e, which decays in 2 ms.
                w[i][j] += e[i] * 2.0 * (1.0 - (-0.05_f64).exp()) * at(reward, step, j);
            }
            e.iter_mut().for_each(|e| *e *= (-1e-4 / 2e-3_f64).exp());
            for (i, _) in [(0, 5), (1, 12), (0, 23), (1, 33)].iter().filter(|(_, at)| *at == step) {
                e[*i] += 1.0;
                (0..3).filter(|_| !frozen).for_each(|j| w[*i][j] += at(reward, step, j));
            }
            let near = found.iter().zip(w.iter().flatten()).all(|(found, wanted)| (found - wanted).abs() < 1e-12);
            assert!(near, "{reward}, step {step}: {found:?} {w:?}");
        }
    }
}

/// Oscillators and a feedback that see each other as they were before. Oracles: Euler's method with a history, written out; the frequency
/// of two oscillators in step, W = w - K sin(W d) (Schuster and Wagner 1989); before the delay is over the closed form with what was at the start.
#[test]
fn a_delay_is_of_what_is_read_of_the_source() {
    let (dt, late, omega, pull) = (1e-3_f64, 40, 6.0, 3.0);
    let text = |runs: &str| {
        format!(
            "
neuron oscillator(start: real) {{ method: euler; input i: current; state phase: real = start; phase' = ({omega} + i / 1 nA) / 1 s }}
synapse pull {{ current = w * sin(pre.phase - post.phase) }}
neuron leaky() {{ method: euler; input i: current; state v: real = 1; v' = -v / 50 ms + i / 1 nA / 1 s }}
synapse feedback {{ current = w * pre.v }}
synapse follows {{ state y: real = 0; y' = (pre.v - y) / 20 ms; current = w * y }}
neuron meter() {{ method: euler; input i: current; state y: real = 0; y' = (i / 1 nA - y) / 5 ms }}
network net() {{
    population a: oscillator[2](start: i * 2)
    connect a -> a {{ pattern: all_to_all(itself: false), synapse: pull, weight: {pull} nA, delay: {late} ms }}
    population b: leaky[3]()
    connect b -> b {{ pattern: one_to_one, synapse: feedback, weight: -15 nA, delay: {late} ms }}
    population m: meter[3]()
    connect b -> m {{ pattern: one_to_one, synapse: follows, weight: 1 nA, delay: 7 ms }}
    probe a.phase, b.v, m.y every 1 ms
}}
experiment e {{ deploy net {{ step: 1 ms }}; {runs} }}"
        )
    };
    let steps = 4000;
    let (mut phase, mut v, mut y, mut m) = (vec![[0.0, 2.0]], vec![1.0], vec![0.0], vec![0.0]);
    for n in 0..steps {
        let before = |late: usize| n.max(late) - late;
        let [one, two] = phase[n];
        let [one_then, two_then] = phase[before(late)];
        let turn = |own: f64, other: f64| own + dt * (omega + pull * (other - own).sin());
        phase.push([turn(one, two_then), turn(two, one_then)]);
        v.push(v[n] + dt * (-v[n] / 50e-3 - 15.0 * v[before(late)]));
        // A synapse's linear equation is exact, with what is read held over the step.
        let left = (-dt / 20e-3_f64).exp();
        y.push(y[n] * left + v[before(7)] * (1.0 - left));
        m.push(m[n] + dt * (y[n] - m[n]) / 5e-3);
    }
    for engine in ENGINES {
        let results = &run("late.nmc", &text("run for 4 s"), &NoFiles, engine)[0];
        let (phases, vs, ms) = (values(results, "a.phase"), values(results, "b.v"), values(results, "m.y"));
        for n in 0..steps {
            assert!(
                (0..2).all(|at| (phases[2 * n + at] - phase[n + 1][at]).abs() < 1e-9),
                "{n}: {:?}",
                &phases[2 * n..][..2]
            );
            assert!((0..3).all(|at| (vs[3 * n + at] - v[n + 1]).abs() < 1e-12), "{n}: {} {}", vs[3 * n], v[n + 1]);
            assert!((0..3).all(|at| (ms[3 * n + at] - m[n + 1]).abs() < 1e-12), "{n}: {} {}", ms[3 * n], m[n + 1]);
        }
        // To first order in the step, before the delay is over: v falls to the rest that its own first value asks for.
        let (rest, at) = (-15.0 * 50e-3, 30);
        let wanted = rest + (1.0 - rest) * (-(at as f64 + 1.0) * dt / 50e-3_f64).exp();
        assert!((vs[3 * at] - wanted).abs() < 0.02, "{} {wanted}", vs[3 * at]);
        let end = phases.len() - 2;
        assert!(((phases[end] - phases[end + 1]) / std::f64::consts::TAU).fract().abs() < 1e-6, "they are not in step");
        let found = (phases[end] - phases[end - 2]) / dt;
        let mut frequency = omega;
        for _ in 0..200 {
            frequency = omega - pull * (frequency * late as f64 * dt).sin();
        }
        assert!((found - frequency).abs() < 1e-3, "{found} {frequency}");
        // Runs go on where they ended, and begin anew where they restart.
        let parts = &run("late.nmc", &text("run for 1.23 s; run for 2.77 s"), &NoFiles, engine)[0];
        assert_eq!(values(parts, "a.phase"), phases);
        let again = &run(
            "late.nmc",
            &text("run for 1 s; run for 1 s {{ restart: true }}").replace("{{", "{").replace("}}", "}"),
            &NoFiles,
            engine,
        )[0];
        let again = values(again, "b.v");
        assert_eq!(again[..3000], again[3000..]);
    }
}

/// What a test shows changes no weights that are frozen; without it does.
#[test]
fn tests_may_freeze() {
    let text = |freeze: &str| {
        format!(
            "
use std.neuron.lif
encoder clock: real -> spikes {{ emit once at 1 ms * x }}
plasticity grows {{ on pre {{ w += 1 mV }} }}
network net(x: real[2]) -> (y: real[2]) {{
    a = x |> clock
    population b: lif[2]()
    connect c: a -> b {{ pattern: one_to_one, weight: 1 mV, plasticity: grows() }}
    probe c.w
    b -> y
}}
experiment e {{ deploy net; test {{ x: [[1, 2], [2, 3], [1, 1]]{freeze} }} for 5 ms measure m = mean(y) }}"
        )
    };
    for engine in ENGINES {
        for (freeze, wanted) in [("", 4e-3), (", freeze c", 1e-3)] {
            let found = weights(&run("frozen.nmc", &text(freeze), &NoFiles, engine)[0], "c.w");
            assert!(found[0].iter().all(|w| (w - wanted).abs() < 1e-12), "{freeze}: {found:?}");
        }
    }
}

/// Weights are set between runs, of all synapses or pair by pair, and rules go on from there; what an arrival adds follows. Oracle: written out.
#[test]
fn weights_are_set_between_runs() {
    let text = "
neuron cell { state seen: real = 0; state u: real = 0; spike when u > 1 { u = 0 } }
synapse half { on pre { post.seen += w / 2 } }
plasticity grows { on pre { w += 1 } }
network net(x: spikes[2]) {
    population a: cell[3]()
    population b: cell[3]()
    connect c: x -> (a, b) { pattern: all_to_all, synapse: half, weight: 1, plasticity: grows() }
    connect d: x -> b[0..2] { pattern: one_to_one, synapse: half, weight: 2 }
    probe c.w every 1 ms
    probe a.seen, b.seen every 1 ms
}
experiment e {
    deploy net { step: 1 ms }
    run for 2 ms { x: spikes([0], [0]) }
    run for 2 ms { x: spikes([0], [0]), set c.w = [[10, 20, 30], [40, 50, 60]], set d.w = 8 }
    run for 2 ms { x: spikes([1], [0]), set c.w = 7 }
}";
    for engine in ENGINES {
        let results = &run("set.nmc", text, &NoFiles, engine)[0];
        let wanted = [[2, 2, 2, 1, 1, 1], [11, 21, 31, 40, 50, 60], [7, 7, 7, 8, 8, 8]];
        for name in ["c[0].w", "c[1].w"] {
            let found = weights(results, name);
            for (run, wanted) in wanted.iter().enumerate() {
                assert_eq!(found[2 * run + 1], wanted.map(f64::from), "{name}, run {run}");
            }
        }
        let (a, b) = (values(results, "a.seen"), values(results, "b.seen"));
        assert_eq!([&a[3..6], &a[9..12], &a[15..18]], [[0.5, 0.5, 0.5], [5.5, 10.5, 15.5], [9.0, 14.0, 19.0]]);
        assert_eq!(b[15..18], [9.0 + 1.0 + 4.0, 14.0 + 4.0, 19.0]);
    }
}

#[test]
fn misuse_is_told() {
    let joined = |synapse: &str, more: &str, run: &str| {
        format!(
            "{GRADED}
use std.neuron.{{lif, lif_cond}}
synapse pulse {{ on pre {{ post.v += w }} }}
synapse leak {{ current = -w * post.v }}
plasticity idle(r: voltage = 1 mV) {{ trace x: voltage, 1 ms on pre {{ x += r }}; on post {{ post.v += x }} }}
plasticity reads(r: voltage) {{ on pre {{ w += r }} }}
network net() {{
    population a: graded[3](start: 1 mV)
    population b: lif[2]()
    connect {synapse}
    {more}
}}
experiment e {{ deploy net; run for 1 ms {{ step: 0.1 ms{run} }} }}"
        )
    };
    let cases = [
        ("a -> a { weight: 1 mV, synapse: pulse }", "", "E0305"),
        ("a -> a { weight: 1 nS, synapse: gap, delay: uniform(1 ms, 2 ms) }", "", "W0460"),
        ("a -> a { weight: 1 nS, synapse: leak, delay: 1 ms }", "", "W0460"),
        ("a -> a { weight: 1 mV, synapse: gap }", "", "E0302"),
        ("c: b -> b { weight: 1 mV }", ", freeze c", "E0205"),
        ("c: b -> b { weight: 1 mV, plasticity: idle() }", ", freeze c", "E0205"),
        ("c: b -> b { weight: 1 mV, plasticity: reads(r: 1 mV) }", ", freeze d", "E0201"),
        ("c: b -> b { weight: 1 mV, plasticity: reads(r: 1 mV) }", ", freze c", "E0101"),
        ("c: b -> b { weight: 1 mV, plasticity: reads(r: 1 mV) }", ", freeze c, freeze c", "E0520"),
        ("c: b -> b { weight: 1 mV }", ", set c.w = 1 nS", "E0302"),
        ("c: b -> b { weight: 1 mV }", ", set c.w = [[1, 2], [3, 4]]", "E0302"),
        ("c: b -> b { weight: 1 mV }", ", set c.w = [[1, 2]] * 1 mV", "E0308"),
        ("c: b -> b { weight: 1 mV }", ", set c.v = 1 mV", "E0201"),
        ("c: b -> b { weight: 1 mV, plasticity: reads(r: a.v) }", "", "E0303"),
        ("c: b -> b { weight: 1 mV, plasticity: reads(r: a[0].v) }", "", "W0208"),
        ("c: b -> b { weight: 1 mV, plasticity: reads(r: a[0].u) }", "", "E0201"),
        ("c: b -> b { weight: 1 mV, plasticity: reads(r: b.spikes) }", "", "E0302"),
        ("c: b -> b { weight: 1 mV, plasticity: reads(r: b) }", "", "E0302"),
    ];
    for (connect, run, code) in cases {
        let text = joined(connect, "", run);
        let found: Vec<&str> = codes(&text).into_iter().filter(|found| *found != "W0208" || code == "W0208").collect();
        assert_eq!(found, [code], "{connect}{run}: {:#?}", told(&text));
    }
}
