//! Rules of synapses beyond single spikes: changes at intervals, sums over the synapses of a neuron, equations of weights.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::Precision;
use nmc_runtime::{EngineKind, Recorded, Results, RunOptions};
use nmc_tests::{ENGINES, codes, recorded, run, told, values};

/// Weights by time and synapse: those recorded, then those at the end.
fn weights(results: &Results, name: &str) -> Vec<Vec<f64>> {
    let Recorded::Synapses { source, times, data, .. } = recorded(results, name) else {
        panic!("{name} is no weights")
    };
    assert_eq!(data.len(), times.len() * source.len());
    data.chunks(source.len()).map(<[f64]>::to_vec).collect()
}

/// Neurons that spike in the step after a spike is sent to them, and take nothing from the connection `c` but what a rule does.
fn network(rule: &str, c: &str, run: &str) -> String {
    format!(
        "
neuron relay() {{
    state u: real = 0
    state seen: real = 0
    state d: real = 1
    d' = -d / 50 ms
    spike when u > 0.5 {{ u = 0 }}
}}
synapse up {{ on pre {{ post.u += w }} }}
synapse silent {{ on pre {{ post.seen += w }} }}
{rule}
network net(s: spikes[3], drive: spikes[2]) {{
    population b: relay[2]()
    connect drive -> b {{ pattern: one_to_one, synapse: up, weight: 1 }}
    connect c: s -> b {{ pattern: all_to_all, synapse: silent, weight: 1 + i + 4 * j, {c} }}
    probe c.w every 0.1 ms
}}
experiment e {{ deploy net; {run} }}
"
    )
}

/// Simultaneous events: `on pre`, then `on post`, then what is done at intervals, each statement at all synapses before the next where a
/// sum or the target is in it. Oracle: the same order written out.
#[test]
fn events_of_one_step_come_in_their_order() {
    let rule = "
plasticity r(total: real) {
    on pre { w += 1 }
    on post { w *= 1.5; w *= total / sum(w); w += 0.01 * sum(1) }
    every 1 ms { w -= 0.25; post.seen += w; w += 0.001 * post.seen }
    every 1.7 ms { w = w * total / sum(w) }
}";
    let (sent, driven) =
        ([(0, 9), (2, 9), (1, 11), (0, 16), (1, 33)], [(0, 8), (1, 8), (1, 10), (0, 15), (0, 15), (1, 32)]);
    let list = |events: &[(usize, usize)]| {
        let (elements, steps): (Vec<usize>, Vec<usize>) = events.iter().copied().unzip();
        format!("spikes({elements:?}, {steps:?})")
    };
    let run_for = format!("run for 5 ms {{ step: 0.1 ms, s: {}, drive: {} }}", list(&sent), list(&driven));
    let text = network(rule, "plasticity: r(total: 7)", &run_for);
    // Synapse 2 i + j.
    let (mut w, mut seen): (Vec<f64>, Vec<f64>) =
        ((0..6).map(|k| 1.0 + (k / 2) as f64 + 4.0 * (k % 2) as f64).collect(), vec![0.0; 2]);
    let mut wanted = Vec::new();
    for step in 0..50 {
        for (i, _) in sent.iter().filter(|(_, at)| *at == step) {
            for (j, seen) in seen.iter_mut().enumerate() {
                *seen += w[2 * i + j];
                w[2 * i + j] += 1.0;
            }
        }
        for j in 0..2 {
            // Two spikes sent in one step make one spike of the neuron.
            if driven.contains(&(j, step.wrapping_sub(1))) {
                (0..3).for_each(|i| w[2 * i + j] *= 1.5);
                let sum: f64 = (0..3).map(|i| w[2 * i + j]).sum();
                (0..3).for_each(|i| w[2 * i + j] = w[2 * i + j] * (7.0 / sum) + 0.03);
            }
        }
        if (step + 1) % 10 == 0 {
            w.iter_mut().for_each(|w| *w -= 0.25);
            (0..6).for_each(|k| seen[k % 2] += w[k]);
            (0..6).for_each(|k| w[k] += 0.001 * seen[k % 2]);
        }
        if (step + 1) % 17 == 0 {
            let sums: Vec<f64> = (0..2).map(|j| (0..3).map(|i| w[2 * i + j]).sum()).collect();
            (0..6).for_each(|k| w[k] *= 7.0 / sums[k % 2]);
        }
        wanted.push(w.clone());
    }
    for engine in ENGINES {
        let found = weights(&run("order.nmc", &text, &NoFiles, engine)[0], "c.w");
        for (step, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let near = found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-12);
            assert!(near, "step {step}: {found:?} {wanted:?}");
        }
        assert_eq!(found.len(), 51);
    }
}

/// A neuron's weights are scaled by how often it spiked; the count is each synapse's own. Oracle: written out.
#[test]
fn weights_follow_a_count_of_spikes() {
    let rule = "
plasticity homeostasis(goal: real) {
    state n: real = 0
    on post { n += 1 }
    every 2 ms { w *= 1 + 0.1 * (goal - n); n = 0 }
}";
    let run_for = "run for 4 ms { step: 0.1 ms, drive: spikes([0, 0, 0, 1], [3, 7, 25, 30]) }";
    let text =
        network(rule, "plasticity: homeostasis(goal: 1)", &run_for.replace("drive", "s: spikes([0], [39]), drive"));
    for engine in ENGINES {
        let found = weights(&run("count.nmc", &text, &NoFiles, engine)[0], "c.w");
        for (k, (before, after)) in found[18].iter().zip(&found[19]).enumerate() {
            let start = 1.0 + (k / 2) as f64 + 4.0 * (k % 2) as f64;
            let factors = if k % 2 == 0 { [0.9, 1.0] } else { [1.1, 1.0] };
            assert_eq!(*before, start);
            assert!((after - start * factors[0]).abs() < 1e-12 && (found[40][k] - after * factors[1]).abs() < 1e-12);
        }
    }
}

/// What stands in a rule, its arguments, the weight over its start and the time, and how close it comes.
type Closed = (&'static str, &'static str, fn(f64, f64) -> f64, f64);

/// Equations of weights and of what they read. Oracles: closed forms.
#[test]
fn weights_and_states_of_rules_have_equations() {
    let closed: [Closed; 4] = [
        // To a goal.
        ("w' = (2 - w) / 3 ms", "", |w, t| 2.0 + (w - 2.0) * (-t / 3e-3_f64).exp(), 1e-12),
        // An eligibility that a spike at 1 ms leaves (it has not moved in its own step), and a reward that is constant.
        (
            "state e: real = 0; e' = -e / 2 ms; on pre { e += 1 }; w' = e * reward",
            "reward: 100 Hz",
            |w, t| w + 100.0 * 2e-3 * (1.0 - (-(t - 1.1e-3).max(0.0) / 2e-3_f64).exp()),
            1e-12,
        ),
        // One that is no sum of exponentials, by Runge-Kutta.
        ("w' = -w^2 / 20 ms", "", |w, t| 1.0 / (1.0 / w + t / 20e-3), 1e-7),
        // Bounds hold.
        ("w' = 1000 Hz; w in 0..9.5", "", |w, t| (w + t / 1e-3).min(9.5), 1e-12),
    ];
    for (body, argument, wanted, tolerance) in closed {
        let params = if argument.is_empty() { "" } else { "(reward: frequency)" };
        let rule = format!("plasticity r{params} {{ {body} }}");
        let spikes = "run for 8 ms { step: 0.1 ms, s: spikes([0, 1, 2], [10, 10, 10]), drive: spikes([0], [79]) }";
        let text = network(&rule, &format!("plasticity: r({argument})"), spikes);
        for engine in ENGINES {
            let found = weights(&run("equation.nmc", &text, &NoFiles, engine)[0], "c.w");
            for (step, row) in found[..80].iter().enumerate() {
                for (k, found) in row.iter().enumerate() {
                    let start = 1.0 + (k / 2) as f64 + 4.0 * (k % 2) as f64;
                    let wanted = wanted(start, (step + 1) as f64 * 1e-4);
                    assert!((found - wanted).abs() < tolerance, "{body}, step {step}: {found} {wanted}");
                }
            }
        }
    }
}

/// What is not the synapse's own is held over a step: an error of first order. Oracle: the integral of two exponentials.
#[test]
fn a_state_of_the_target_moves_the_weight() {
    let rule = "plasticity r { state e: real = 0; e' = -e / 2 ms; on pre { e += 1 }; w' = e * post.d / 1 ms }";
    let error = |step: &str, at: usize, dt: f64, engine: EngineKind| {
        let run_for = format!(
            "run for 8 ms {{ step: {step}, s: spikes([0, 1, 2], [{at}, {at}, {at}]), drive: spikes([0], [79]) }}"
        );
        let text = network(rule, "plasticity: r()", &run_for).replace("every 0.1 ms", "every 8 ms");
        let found = weights(&run("target.nmc", &text, &NoFiles, engine)[0], "c.w");
        let (begin, rate) = ((at + 1) as f64 * dt, 1.0 / 2e-3 + 1.0 / 50e-3);
        let wanted = 1.0 + (-begin / 50e-3).exp() / 1e-3 * (1.0 - (-(8e-3 - begin) * rate).exp()) / rate;
        (found.last().unwrap()[0] - wanted) / (wanted - 1.0)
    };
    for engine in ENGINES {
        let (coarse, fine) = (error("0.1 ms", 9, 1e-4, engine), error("0.05 ms", 19, 5e-5, engine));
        assert!(coarse.abs() < 0.03 && (coarse / fine - 2.0).abs() < 0.1, "{coarse} {fine}");
    }
}

/// A weight that creeps, in single precision. Oracle: the line.
#[test]
fn slow_weights_lose_nothing() {
    let text = network(
        "plasticity r { w' = w / 1 h }",
        "plasticity: r()",
        "run for 1 s { step: 0.1 ms, s: spikes([0], [1]), drive: spikes([0], [1]) }",
    );
    let compilation =
        compile("slow.nmc", &text, &NoFiles, &Options { precision: Precision::F32, ..Options::default() });
    let image = compilation.image.unwrap();
    for engine in ENGINES {
        let options = RunOptions { seed: 1, engine, threads: 1, memory: 16 << 30, progress: None };
        let results = nmc_runtime::run(&image.programs[0], &options).unwrap();
        let found = weights(&results, "c.w").pop().unwrap();
        let moved = (f64::from(found[0] as f32) - 1.0) / (1.0_f64 / 3600.0).exp_m1();
        assert!((moved - 1.0).abs() < 1e-3, "{moved}");
    }
}

/// What is wrong is told once, and says what to write.
#[test]
fn misuse_is_told() {
    let cases = [
        ("on pre { w += sum(w) }", "E0459"),
        ("state x: real = sum(w); on post { w += x }", "E0459"),
        ("w' = -sum(w) / 1 s", "E0459"),
        ("every 1 s { w = sum(sum(w)) }", "E0459"),
        ("every 1 s { w = sum(w, 2) }", "E0224"),
        ("every 1 s { w = sum(x) }", "E0201"),
        ("every 1 s { w = sum(post.v) }", "E0201"),
        ("every 1 { w *= 0.5 }", "E0304"),
        ("every 1 mV { w *= 0.5 }", "E0302"),
        ("every 0 s { w *= 0.5 }", "E0306"),
        ("every uniform(1 s, 2 s) { w *= 0.5 }", "E0305"),
        ("every 1 s { on pre { w += 1 } }", "E0401"),
        ("every 0.04 ms { w *= 0.5 }", "W0457"),
        ("w' = -w", "E0302"),
        ("w' = xi * w", "E0302"),
        ("w' = w * normal(0, 1) / 1 s", "E0455"),
        ("method: exponential_euler; w' = -w^2 / 1 s", "E0453"),
    ];
    for (body, code) in cases {
        let text = network(
            &format!("plasticity r {{ {body} }}"),
            "plasticity: r()",
            "run for 1 ms { step: 0.1 ms, s: spikes([0], [1]), drive: spikes([0], [1]) }",
        );
        let found: Vec<&str> = codes(&text).into_iter().filter(|code| *code != "W0208").collect();
        assert_eq!(found, [code], "{body}: {:#?}", told(&text));
    }
    let elsewhere = [("neuron n() { state v: real = 0; v' = -v / 1 s; every 1 s { v = 0 } }", "E0401")];
    for (text, code) in elsewhere {
        assert_eq!(codes(text), [code], "{text}: {:#?}", told(text));
    }
}

/// A state that only a probe records is used; one that nothing records is not.
#[test]
fn a_state_of_a_rule_that_is_recorded_is_used() {
    let of = |probe: &str, experiment: &str| {
        let text = format!(
            "
neuron cell() {{ state v: real = 0; v' = -v / 1 ms; spike when v > 1 {{ v = 0 }} }}
synapse counts() {{ state n: real = 0; on pre {{ n += 1; post.v += w }} }}
plasticity adds() {{ state z: real = 0; on pre {{ z += 1; w += 0.1 }} }}
network net() {{
    population a: cell[2]()
    connect k: a -> a {{ weight: 1, synapse: counts(), plasticity: adds() }}
    {probe}
}}
{experiment}"
        );
        codes(&text)
    };
    let experiment = "experiment e { deploy net; run for 1 ms { step: 0.1 ms } }";
    assert_eq!(of("probe k.z, k.n every 0.1 ms", experiment), [""; 0]);
    assert_eq!(of("probe k.z every 0.1 ms", experiment), ["W0208"]);
    assert_eq!(of("probe k.w", experiment), ["W0208", "W0208"]);
    // What a file without an experiment declares is for others.
    assert_eq!(of("probe k.w", ""), [""; 0]);
}

/// Synapse and rule are each stepped by the method that their own block pins, from what the other has at the start of the step.
/// Oracle: the growth factors of the methods, and sums of what was there at the start.
#[test]
fn each_block_has_its_own_method() {
    let text = |of_synapse: &str, of_rule: &str| {
        format!(
            "
neuron cell() {{ state v: real = 0; v' = -v / 1 ms; spike when v > 1 {{ v = 0 }} }}
synapse fading() {{
    {of_synapse}
    state g: real = 1
    trace p: real, 5 ms on pre {{ p += 1 }}
    state h: real = 0
    g' = -g / 5 ms
    h' = (w - h) / 5 ms
    on pre {{ g += 0 * w }}
}}
plasticity follows() {{
    {of_rule}
    state e: real = 1
    trace q: real, 4 ms on pre {{ q += 1 }}
    e' = -e / 4 ms
    w' = e / 1 ms
}}
network net(s: spikes[1]) {{
    population a: cell[1]()
    connect k: s -> a {{ weight: 0, synapse: fading(), plasticity: follows() }}
    probe k.g, k.h, k.e, k.p, k.q, k.w every 1 ms
}}
experiment e {{ deploy net; run for 8 ms {{ step: 1 ms, s: spikes([0], [0]) }} }}"
        )
    };
    let at = |results: &Results, name: &str, n: i32| match recorded(results, name) {
        Recorded::Synapses { data, .. } | Recorded::Values { data, .. } => data[n as usize],
        Recorded::Spikes { .. } | Recorded::Histogram { .. } => panic!("{name} holds no values"),
    };
    let methods = ["", "method: exact", "method: euler", "method: rk4", "method: exponential_euler"];
    let factor = |method: &str, z: f64| match method {
        "method: euler" => 1.0 - z,
        "method: rk4" => 1.0 - z + z * z / 2.0 - z.powi(3) / 6.0 + z.powi(4) / 24.0,
        _ => (-z).exp(),
    };
    for of_synapse in methods {
        for of_rule in methods {
            let (a, b) = (factor(of_synapse, 0.2), factor(of_rule, 0.25));
            for engine in ENGINES {
                let results = &run("methods.nmc", &text(of_synapse, of_rule), &NoFiles, engine)[0];
                let is = |name: &str, n: i32, wanted: f64| {
                    let found = at(results, name, n);
                    assert!((found - wanted).abs() < 1e-12, "{of_synapse} {of_rule} {name} {n}: {found} for {wanted}");
                };
                let (mut w, mut h) = (0.0, 0.0);
                for n in 0..8 {
                    is("k.g", n, a.powi(n + 1));
                    is("k.e", n, b.powi(n + 1));
                    is("k.p", n, a.powi(n));
                    is("k.q", n, b.powi(n));
                    h = if of_synapse == of_rule { at(results, "k.h", n) } else { a * h + (1.0 - a) * w };
                    // What a state that decays brings to its integral in a step, by each method.
                    w += b.powi(n)
                        * match of_rule {
                            "method: euler" | "method: exponential_euler" => 1.0,
                            _ => (1.0 - b) / 0.25,
                        };
                    is("k.h", n, h);
                    is("k.w", n, w);
                }
            }
        }
    }
}

/// Dimensions of many members of neurons, names for expressions among them, of which not every combination is tried. Oracle: by hand.
#[test]
fn rules_read_many_members_of_neurons() {
    let text = "neuron cell() {
            state v: voltage = 0 mV
            state a: real = 0; state got: real = 0; state last: time = 0 s
            now = a * (1 - a); share = a / 2; far = 1 - a
            v' = (11 mV - v) / 20 ms
            spike when v > 10 mV { v = 0 mV; a = 1; last = t; got = 1 }
        }
        plasticity rule() {
            on pre { w += pulse(t - pre.last < 1 s) * 0.1 mV }
            on post { w += pulse(post.now > 0.5) * (3 - post.got) * (post.share + 1) * (2 - pre.far) * 0.1 mV }
            w in 0 mV..10 mV
        }
        network n() {
            population c: cell[2]()
            connect c -> c { pattern: all_to_all, weight: 1 mV, plasticity: rule() }
        }
        experiment e { deploy n; run for 10 ms { step: 0.1 ms } }";
    assert_eq!(codes(text), [""; 0]);
    assert_eq!(codes(&text.replace("post.now > 0.5", "post.now > 0.5 s")), ["E0302"]);
}

/// A synapse's own delay in its event and in its rule: one for all, one for each pair, drawn. Oracle: the delays that the arrivals show.
#[test]
fn synapses_read_their_delay() {
    let text = |delay: &str| {
        format!(
            "
neuron sink() {{ state v: real = 0; spike when v > 1e9 {{ v = 0 }} }}
synapse weighs {{ on pre {{ post.v += w * delay / 1 ms }} }}
plasticity tells {{
    state late: real = 0
    on pre {{ late = delay / 1 ms + min(post.v, 0) }}
}}
network net(s: spikes[3]) {{
    population p: sink[2]()
    connect c: s -> p {{ pattern: all_to_all, synapse: weighs(), weight: 1, plasticity: tells(), delay: {delay} }}
    probe p.v every 1 ms
    probe c.late every 1 ms
}}
experiment e {{ deploy net; run for 12 ms {{ step: 1 ms, s: spikes([0, 1, 2], [0, 0, 0]) }} }}"
        )
    };
    for delay in ["3 ms", "1 ms + i * 2 ms + j * 1 ms", "uniform(1 ms, 9 ms)"] {
        for engine in ENGINES {
            let results = &run("late.nmc", &text(delay), &NoFiles, engine)[0];
            let Recorded::Synapses { target, data, .. } = recorded(results, "c.late") else { panic!() };
            let rows: Vec<&[f64]> = data.chunks(6).collect();
            // When it is first known is when it arrives: its whole number of steps.
            for synapse in 0..6 {
                let arrived = rows.iter().position(|row| row[synapse] > 0.0).unwrap();
                assert_eq!(rows[11][synapse].round() as usize, arrived, "{delay}: {rows:?}");
            }
            let v = values(results, "p.v");
            for end in 0..2 {
                let sum: f64 = (0..6).filter(|at| target[*at] == end).map(|at| rows[11][at]).sum();
                assert!((v[11 * 2 + end as usize] - sum).abs() < 1e-9, "{delay}: {v:?} {sum}");
            }
        }
    }
}
