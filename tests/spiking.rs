//! What spiking networks mean: holds, counts of spikes, where synapse states live, names of indices, times of spikes.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{EngineKind, Recorded, Results};
use nmc_tests::{ENGINES, codes, recorded, run, spikes, told, values};

fn metric(results: &Results, name: &str) -> f64 {
    results.metrics.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// Spikes 1 ms and 3 ms after a spike fall into the 5 ms of the hold and do nothing, that after 8 ms does; by each way a
/// synapse may work on the voltage. Oracle: reset plus weight.
#[test]
fn a_held_state_takes_no_spikes() {
    let ways = [
        "weight: 15 mV",
        "weight: 15 mV + 0 mV * j",
        "weight: 15 mV, delay: uniform(0 ms, 0.01 ms)",
        "weight: 15 mV, plasticity: none()",
        "weight: 15 mV, synapse: twice()",
    ];
    for (engine, way) in ENGINES.iter().flat_map(|engine| ways.iter().map(move |way| (*engine, way))) {
        let text = format!(
            "
neuron cell(rest: voltage = -60 mV) {{
    state v: voltage = rest
    state seen: real = 0
    v' = 0 V / 1 s
    spike when v > rest + 10 mV {{ v = rest; hold v for 5 ms }}
}}
synapse twice {{ on pre {{ post.v += w / 2; post.seen += 1; post.v += w / 2 }} }}
plasticity none {{ trace x: real, 10 ms on pre {{ x += 1 }}; on pre {{ w += 0 * w * x }} }}
network net(s: spikes[1]) {{
    population a: cell[1]()
    connect s -> a {{ {way} }}
    probe a.spikes
    probe a.v
    probe a.seen
}}
experiment e {{ deploy net; run for 20 ms {{ step: 0.1 ms, s: spikes([0, 0, 0, 0], [10, 20, 40, 90]) }} }}
"
        );
        let results = &run("held.nmc", &text, &NoFiles, engine)[0];
        // The first spike raises v at step 10, the neuron spikes at 11 and holds until 61; the spike at 90 makes it spike again.
        assert_eq!(spikes(results, "a.spikes").1, [11, 91], "{way}");
        let v = values(results, "a.v");
        assert!((11..90).all(|step| v[step] == -0.06), "{way}: {v:?}");
        if way.contains("twice") {
            assert_eq!(values(results, "a.seen")[199], 4.0);
        }
    }
}

/// A current drives two states that are held for different times, and a third that is not. Oracle: the line.
#[test]
fn each_state_is_held_for_its_own_time() {
    let text = "
neuron cell() {
    input i: current
    state v: real = 0
    state u: real = 0
    state free: real = 0
    v' = i / 1 nA / 1 ms
    u' = i / 1 nA / 1 ms
    free' = (v + i / 1 nA) / 1 ms
    spike when free > 0.45 { v = 0; u = 0; free = -1000; hold v for 1 ms; hold u for 2 ms }
}
network net(x: real[1]) {
    population a: cell[1]()
    x |> scale(1 nA) -> a.i
    probe a.v, a.u, a.free
}
experiment e { deploy net; run for 10 ms { step: 0.1 ms, x: 1 } }
";
    for engine in ENGINES {
        let results = &run("holds.nmc", text, &NoFiles, engine)[0];
        let (v, u, free) = (values(results, "a.v"), values(results, "a.u"), values(results, "a.free"));
        let spike = free.iter().position(|free| *free == -1000.0).unwrap();
        for later in 0..60 {
            // The time since the state was free again; a hold of n steps ends in the nth step after the spike.
            let since = |hold: usize| (later as f64 - hold as f64 + 1.0).max(0.0) * 0.1;
            let (on_v, on_u) = (since(10), since(20));
            assert!((v[spike + later] - on_v).abs() < 1e-9, "v {later}: {}", v[spike + later]);
            assert!((u[spike + later] - on_u).abs() < 1e-9, "u {later}: {}", u[spike + later]);
            let wanted = -1000.0 + later as f64 * 0.1 + on_v * on_v / 2.0;
            assert!((free[spike + later] - wanted).abs() < 1e-9, "free {later}: {} {wanted}", free[spike + later]);
        }
    }
}

/// From far below to twice the rate of steps. Oracle: the Poisson distribution, five sigma; of the variance, too.
#[test]
fn poisson_sources_keep_their_rate() {
    let text = "
use std.neuron.poisson
network net() {
    population a: poisson[1000](rate: 20 Hz)
    population b: poisson[1000](rate: 1 kHz)
    population c: poisson[1000](rate: 4 kHz)
    population d: poisson[1000](rate: 20 kHz)
    probe a.spikes, b.spikes, c.spikes, d.spikes
}
experiment e { deploy net; run for 200 ms { step: 0.1 ms } }
";
    let results = &run("poisson.nmc", text, &NoFiles, EngineKind::Jit)[0];
    for (name, rate) in [("a", 20.0), ("b", 1e3), ("c", 4e3), ("d", 20e3)] {
        let (neurons, steps) = spikes(results, &format!("{name}.spikes"));
        let wanted = rate * 0.2 * 1000.0;
        assert!((neurons.len() as f64 - wanted).abs() < 5.0 * f64::sqrt(wanted), "{name}: {} {wanted}", neurons.len());
        assert_eq!(metric(results, &format!("spikes.{name}")), neurons.len() as f64);
        let mut by_step = vec![0.0; 2000];
        steps.iter().for_each(|step| by_step[*step as usize] += 1.0);
        let variance = by_step.iter().map(|count: &f64| (count - wanted / 2e3).powi(2)).sum::<f64>() / 2e3;
        let ratio = variance / (wanted / 2e3);
        assert!((ratio - 1.0).abs() < 5.0 * f64::sqrt((2.0 + 1.0 / (wanted / 2e3)) / 2e3), "{name}: {ratio}");
    }
}

/// A rate that changes with every step, and one below 0.
#[test]
fn changing_rates_are_kept_and_negative_ones_are_silent() {
    let text = "
neuron ramp() { emit poisson(20 kHz * t / 100 ms) }
neuron silent() { emit poisson(-1 kHz * (1 + t / 1 s)) }
network net() {
    population a: ramp[200]()
    population b: silent[200]()
    probe a.spikes, b.spikes
}
experiment e { deploy net; run for 100 ms { step: 0.5 ms } }
";
    for engine in ENGINES {
        let results = &run("ramp.nmc", text, &NoFiles, engine)[0];
        // The mean of t over the starts of 200 steps is 49.75 ms.
        let wanted = 200.0 * 20e3 * 0.4975 * 0.1;
        let found = metric(results, "spikes.a");
        assert!((found - wanted).abs() < 5.0 * f64::sqrt(wanted), "{found} {wanted}");
        assert_eq!(metric(results, "spikes.b"), 0.0);
    }
}

/// A network of which the delay alone differs: one for all, or one for each synapse.
fn with_delays(text: &str, engine: EngineKind) -> [Results; 2] {
    ["1 ms", "uniform(1 ms, 1.0001 ms)"].map(|delay| {
        let text = text.replace("DELAY", delay);
        run("delays.nmc", &text, &NoFiles, engine).remove(0)
    })
}

fn close(found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len());
    assert!(wanted.iter().any(|value| *value != 0.0));
    let far = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-9 * b.abs().max(1e-12);
    assert!(!found.iter().zip(wanted).any(far), "{found:?} for {wanted:?}");
}

/// Traces begin anew with every sample, weights do not.
#[test]
fn learning_does_not_depend_on_where_traces_live() {
    let text = "
use std.code.latency
neuron sink() { state v: voltage = 0 mV; spike when v > 1 kV { v = 0 mV } }
plasticity rule(tau: time = 20 ms, w_max: weight) {
    trace x: real, tau on pre { x += 1 }
    on pre { w += 0.001 * w_max * x }
    w in 0..w_max
}
network net(a: real[2]) -> (y: real[2]) {
    s = a |> latency(window: 20 ms)
    population p: sink[2]()
    connect c: s -> p { weight: 0.1 mV, plasticity: rule(w_max: 1 mV), delay: DELAY }
    p.v |> scale(1 / 1 mV) -> y
    probe c.w
}
experiment e {
    deploy net { step: 0.1 ms }
    test { a: [[0.5, 0.1], [0.5, 1], [0.5, 0], [0.2, 0.5], [0.5, 0.9]] } for 100 ms measure m = mean(y)
}
";
    for engine in ENGINES {
        let [once, each] = with_delays(text, engine);
        let weights = |results: &Results| {
            let Recorded::Synapses { data, .. } = recorded(results, "c.w") else { panic!() };
            data.clone()
        };
        close(&weights(&each), &weights(&once));
        close(values(&each, "y"), values(&once, "y"));
        // Five samples, each a trace of 1 at the only spike.
        assert!((weights(&once)[0] - 0.105e-3).abs() < 1e-12);
    }
}

/// Resources that recover, and a trace that begins above 0: independent samples, side by side.
#[test]
fn short_term_depression_does_not_depend_on_where_it_lives() {
    let text = "
use std.code.rate
neuron sink() { state v: voltage = 0 mV; spike when v > 1 kV { v = 0 mV } }
synapse depressing(tau: time = 100 ms) {
    state r: real = 0.25
    r' = (1 - r) / tau
    on pre { post.v += w * r; r -= 0.5 * r }
}
network net(a: real[2]) -> (y: real[2]) {
    s = a |> rate(peak: 5 kHz)
    population p: sink[2]()
    connect s -> p { weight: 0.1 mV, synapse: depressing(), delay: DELAY }
    p.v |> scale(1 / 1 mV) -> y
}
experiment e {
    deploy net { step: 0.1 ms }
    test { a: [[0.5, 0.1], [0.5, 1], [0.5, 0], [0.2, 0.5], [0.5, 0.9]] } for 100 ms measure m = mean(y)
}
";
    for engine in ENGINES {
        let [once, each] = with_delays(text, engine);
        close(values(&each, "y"), values(&once, "y"));
    }
}

/// Where a source spikes several times a step, each spike sees what the one before did. Oracle: a plain count.
#[test]
fn spikes_of_one_step_come_one_after_the_other() {
    let text = "
neuron sink() { state v: real = 0; spike when v > 1e9 { v = 0 } }
plasticity rule {
    trace x: real, 1e9 s on pre { x += 1 }
    trace y: real, 1e9 s on post { y += 1 }
    on pre { w += x }
    on post { w += 1000 * y }
}
synapse none { on pre { post.v += 0 * w } }
network net(s: spikes[2], z: spikes[1]) {
    population p: sink[1]()
    connect c: s -> p { weight: 0, synapse: none(), plasticity: rule(), delay: DELAY }
    connect d: s -> z { weight: 0, synapse: silent(), plasticity: rule() }
    probe c.w, d.w
    probe s
}
synapse silent {}
experiment e {
    deploy net
    run for 10 ms { step: 0.1 ms, s: spikes([1, 0, 1, 1], [10, 10, 10, 20]), z: spikes([0, 0, 0], [30, 30, 40]) }
}
";
    for engine in ENGINES {
        let [once, each] = with_delays(text, engine);
        for results in [&once, &each] {
            let of = |name: &str| {
                let Recorded::Synapses { data, .. } = recorded(results, name) else { panic!() };
                data.iter().map(|weight| weight.round()).collect::<Vec<f64>>()
            };
            // Source 0 spikes once: 1; source 1 thrice: 1 + 2 + 3. The target z spikes thrice: 1000 (1 + 2 + 3).
            assert_eq!(of("c.w"), [1.0, 6.0]);
            assert_eq!(of("d.w"), [6001.0, 6006.0]);
            let (neurons, steps) = spikes(results, "s");
            assert_eq!((neurons, steps), (&[0, 1, 1, 1][..], &[10, 10, 10, 20][..]));
        }
    }
}

/// A random parameter belongs to the element, not to the sample.
#[test]
fn random_parameters_are_drawn_once() {
    let text = "
neuron leaky(tau: time) { input i: current; state v: real = 0; v' = (i / 1 nA - v) / tau; spike when v > 10 { v = 0 } }
network net(x: real[1]) -> (y: real[3]) {
    population a: leaky[3](tau: uniform(5 ms, 50 ms))
    x |> scale(1 nA) -> a.i
    a.v -> y
}
experiment e {
    deploy net { step: 0.1 ms }
    test { x: [[1], [1], [1]] } for 10 ms measure m = mean(y)
}
";
    for engine in ENGINES {
        let results = &run("parameters.nmc", text, &NoFiles, engine)[0];
        let y = values(results, "y");
        assert_eq!(y[0..3], y[3..6]);
        assert_eq!(y[0..3], y[6..9]);
        assert!(y[0] != y[1] && y[1] != y[2]);
    }
}

/// In weights and delays `i` and `j` are indices; both places of another meaning are shown.
#[test]
fn indices_hide_no_name() {
    let network = |before: &str, inside: &str| {
        format!(
            "{before}
neuron acc() {{ state v: real = 0; spike when v > 100 {{ v = 0 }} }}
synapse poke {{ on pre {{ post.v += w }} }}
network net(s: spikes[4]HEAD) {{
    {inside}
}}
experiment e {{ deploy net; run for 1 ms {{ s: spikes([0], [1]) }} }}
"
        )
    };
    let connect = "population a: acc[2]()\n    connect s -> a { synapse: poke(), weight: WEIGHT, delay: DELAY }";
    let one = |weight: &str, delay: &str| connect.replace("WEIGHT", weight).replace("DELAY", delay);
    let looped = |variable: &str| {
        format!(
            "for {variable} in 0..2 {{ population a[{variable}]: acc[2]()\n connect s -> a[{variable}] {{ synapse: poke(), weight: 10 * j }} }}"
        )
    };
    let wrong = [
        network("const j = 0.5", &one("j", "0 ms")).replace("HEAD", ""),
        network("const i = 1 ms", &one("1", "0 ms * i")).replace("HEAD", ""),
        network("", &looped("j")).replace("HEAD", ""),
        network("", &one("1 + i", "0 ms")).replace("HEAD", ", i: real = 2"),
        network("", &format!("j = 3\n    {}", one("j", "0 ms"))).replace("HEAD", ""),
    ];
    for text in wrong {
        let found = told(&text);
        assert_eq!(found.iter().map(|d| d.code.number()).collect::<Vec<_>>(), ["E0202"], "{text}");
        assert_eq!((found[0].primary.is_some(), found[0].secondary.len()), (true, 1), "{text}");
    }
    let right = [
        network("", &looped("k")).replace("HEAD", ""),
        network("const j = 0.5", &one("k", "0 ms")).replace("HEAD", ", k: real = j"),
        network("", &one("i + 2 * j", "0.1 ms * j")).replace("HEAD", ""),
    ];
    for text in right {
        assert_eq!(codes(&text), Vec::<&str>::new(), "{text}");
    }
}

#[test]
fn what_is_no_spike_time_is_refused() {
    let text = |moments: &str| {
        format!(
            "
use std.neuron.lif
network net(s: spikes[2]) {{ population a: lif[1](); connect s -> a {{ weight: 1 mV }} }}
experiment e {{ deploy net; run for 10 ms {{ step: 0.1 ms, s: spikes([0, 1], {moments}) }} }}
"
        )
    };
    for wrong in ["[1, 2.5]", "[-1, 2]", "[1, 5e9]", "[1, 1.25] * 1 ms", "[-0.1, 1] * 1 ms", "[0.1, 0.104] * 1 ms"] {
        assert_eq!(codes(&text(wrong)), ["E0458"], "{wrong}");
    }
    for right in ["[1, 20]", "[0.3, 0.7] * 1 ms", "[0, 9.9] * 1 ms"] {
        assert_eq!(codes(&text(right)), Vec::<&str>::new(), "{right}");
    }
}

/// Oracle: a spike of each step that there is.
#[test]
fn spikes_after_the_end_are_told_and_none_are_taken() {
    let text = |run: &str| {
        format!(
            "network net(s: spikes[2]) -> (n: real[2]) {{ s |> count -> n; probe s.spikes }}
            decoder count: spikes -> real {{ state n: real = 0; on spike {{ n += 1 }}; y = n }}
            experiment e {{ deploy net {{ step: 0.1 ms }}; {run} }}"
        )
    };
    let told = |run: &str| {
        let one = |told: nmc_grammar::diagnostic::Diagnostic| {
            assert_eq!(told.code.number(), "W0464", "{told:?}");
            (told.message, told.primary.unwrap().text)
        };
        told(&text(run)).into_iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(told("run for 1.2 ms { s: spikes([0, 1, 0], [1, 11, 0]) }"), []);
    let late = |of: &str, at: &str| {
        (
            format!("{of} spikes come after the end and are left out"),
            format!("the last at step {at}, steps are 0 to 11"),
        )
    };
    assert_eq!(told("run for 1.2 ms { s: spikes([0, 1, 0], [1, 50, 12]) }"), [late("2 of 3", "50")]);
    assert_eq!(told("run for 1.2 ms { s: spikes([0, 1], [0.1, 1.2] * 1 ms) }"), [late("1 of 2", "12")]);
    // Of a sample, and of a later run, whose steps are its own.
    assert_eq!(
        told("test { s: spikes([0, 1], [3, 12], [0, 1]) } for 1.2 ms measure m = mean(n)"),
        [late("1 of 2", "12")]
    );
    let two = "run for 9 ms { s: spikes([0], [1]) }; run for 1.2 ms { s: spikes([0, 1], [11, 30]) }";
    assert_eq!(told(two), [late("1 of 2", "30")]);
    for run_for in
        ["run for 1.2 ms { s: spikes([], []) }", "test { s: spikes([], [], []) } for 1.2 ms measure m = mean(n)"]
    {
        assert_eq!(told(run_for), []);
        for engine in ENGINES {
            let results = run("none.nmc", &text(run_for), &NoFiles, engine).remove(0);
            assert_eq!(metric(&results, "spikes.s"), 0.0);
        }
    }
}

/// One number for each element is no sample: `run` says so as `test` does.
#[test]
fn data_of_a_run_have_samples() {
    let text = |shown: &str| {
        format!(
            "
use std.neuron.lif
network net(drive: real[3]) {{ population a: lif[3](); drive |> scale(1 nA) -> a.i }}
experiment e {{ deploy net {{ step: 0.1 ms }}; run for 1 ms {{ drive: {shown} }} }}
"
        )
    };
    assert_eq!(codes(&text("[1, 2, 3]")), ["E0308"]);
    assert_eq!(codes(&text("[[1, 2, 3]]")), Vec::<&str>::new());
}

/// Two connections with the same equations onto one neuron: what is recorded of one is its own. Oracle: its one spike's decay.
#[test]
fn a_synapse_state_is_recorded_of_one_connection() {
    let text = "
use std.neuron.lif
use std.synapse.exp_current
network net(s: spikes[2]) {
    population a: lif[1]()
    connect one: s[0..1] -> a { synapse: exp_current(tau: 3 ms), weight: 10 pA }
    connect two: s[1..2] -> a { synapse: exp_current(tau: 3 ms), weight: 40 pA }
    probe one.i, two.i
}
experiment e { deploy net; run for 1 ms { step: 0.1 ms, s: spikes([0, 1], [2, 5]) } }
";
    for engine in ENGINES {
        let results = &run("own.nmc", text, &NoFiles, engine)[0];
        for (name, weight, step) in [("one.i", 10e-12, 2), ("two.i", 40e-12, 5)] {
            for (at, found) in values(results, name).iter().enumerate() {
                let wanted = if at < step { 0.0 } else { weight * f64::exp(-0.1 / 3.0 * (at - step) as f64) };
                assert!((found - wanted).abs() < 1e-9 * weight, "{name} {at}: {found} {wanted}");
            }
        }
    }
}

/// A reset comes after the arrivals of its tick, whatever way it sees them. Oracle: the current that has arrived.
#[test]
fn a_reset_sees_what_arrives_in_its_tick() {
    let text = "
use std.synapse.exp_current
neuron cell() {
    input i: current
    state v: real = 0
    v' = 1 / 1 ms
    spike when v > 0.45 { v = i / 1 nA - 1 }
}
network net(s: spikes[1]) {
    population a: cell[1]()
    connect s -> a { synapse: exp_current(tau: 1e6 s), weight: 0.25 nA }
    probe a.v, a.spikes
}
experiment e { deploy net; run for 1 ms { step: 0.1 ms, s: spikes([0], [4]) } }
";
    for engine in ENGINES {
        let results = &run("seen.nmc", text, &NoFiles, engine)[0];
        assert_eq!(spikes(results, "a.spikes").1, [4]);
        assert!((values(results, "a.v")[4] + 0.75).abs() < 1e-9, "{:?}", values(results, "a.v"));
    }
}

/// Its bounds hold for a state after a reset, too.
#[test]
fn a_reset_keeps_bounds() {
    let text = "
neuron cell() {
    state v: real = 0
    state u: real = 0
    v' = 1 / 1 ms
    u' = -u / 1 s
    u in 0..1
    spike when v > 0.45 { v = 0; u += 0.7 }
}
network net() { population a: cell[1](); probe a.u, a.spikes }
experiment e { deploy net; run for 3 ms { step: 0.1 ms } }
";
    for engine in ENGINES {
        let results = &run("bounds.nmc", text, &NoFiles, engine)[0];
        assert!(spikes(results, "a.spikes").1.len() > 2);
        let most = values(results, "a.u").iter().fold(0.0, |most: f64, u| most.max(*u));
        assert_eq!(most, 1.0);
    }
}

/// Each of several spikes of one element in one step draws its own numbers. Oracle: the binomial distribution, five sigma.
#[test]
fn spikes_of_one_step_draw_their_own_numbers() {
    let text = "
neuron sink() { state v: real = 0; spike when v > 1e9 { v = 0 } }
synapse unreliable { on pre { post.v += if uniform(0, 1) < 0.5 then w else 0 } }
network net(s: spikes[1]) {
    population a: sink[1]()
    connect s -> a { synapse: unreliable(), weight: 1, delay: DELAY }
    probe a.v
}
experiment e { deploy net; run for 2 ms { step: 0.1 ms, s: spikes([ELEMENTS], [STEPS]) } }
";
    let list = |what: &str| vec![what; 1000].join(", ");
    let text = text.replace("ELEMENTS", &list("0")).replace("STEPS", &list("3"));
    for engine in ENGINES {
        for results in with_delays(&text, engine) {
            let passed = values(&results, "a.v")[19];
            assert!((passed - 500.0).abs() < 5.0 * f64::sqrt(250.0), "{passed}");
        }
    }
}
