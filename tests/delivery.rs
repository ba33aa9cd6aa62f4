//! Spikes do the same however they are taken to their targets: one by one, added up first, or counted without a list.

use nmc_compiler::files::NoFiles;
use nmc_runtime::EngineKind;
use nmc_tests::{ENGINES, run, run_on, spikes, values};

/// Fast sources that are counted or listed, rows that reach all targets or few, targets that stand still. A rule anywhere makes all
/// spikes of a tick be taken one by one. Oracle (cross): spikes one by one.
#[test]
fn spikes_that_are_added_up_do_what_single_ones_do() {
    let text = |last: &str, probe: &str| {
        format!(
            "
use std.neuron.poisson
neuron cell(theta: real) {{
    state v: real = 0
    v' = -v / 10 ms
    spike when v > theta {{ v = 0; hold v for 1 ms }}
}}
synapse jump {{ on pre {{ post.v += w }} }}
plasticity still {{ on pre {{ w += 0 * w }} }}
network net() {{
    population fast: poisson[40](rate: 20 kHz)
    population slow: poisson[60](rate: 300 Hz)
    population quiet: poisson[1](rate: 0 Hz)
    population a: cell[40](theta: 3)
    population b: cell[150](theta: 8)
    connect fast -> a {{ pattern: one_to_one, synapse: jump, weight: 0.1, delay: 0.3 ms }}
    connect fast -> b {{ pattern: random(p: 30 %), synapse: jump, weight: 0.05, delay: 0.2 ms }}
    connect slow -> b {{ pattern: all_to_all, synapse: jump, weight: 0.2 + 0.001 * i - 0.002 * j }}
    connect a -> b {{ pattern: all_to_all, synapse: jump, weight: -0.5, delay: 0.1 ms }}
    connect a -> a {{ pattern: fixed_in_degree(5), synapse: jump, weight: 0.3, delay: 0.1 ms }}
    connect quiet -> a {{ pattern: all_to_all, synapse: jump, weight: 1 + 0 * j{last} }}
    probe a.spikes, b.spikes, b.v
    {probe}
}}
experiment e {{ deploy net; run for 50 ms {{ step: 0.1 ms }} }}
"
        )
    };
    for engine in ENGINES {
        let single = &run("single.nmc", &text(", plasticity: still()", ""), &NoFiles, engine)[0];
        assert!(spikes(single, "a.spikes").0.len() > 500 && spikes(single, "b.spikes").0.len() > 100);
        for probe in ["", "probe fast.spikes"] {
            let added = &run("added.nmc", &text("", probe), &NoFiles, engine)[0];
            for group in ["a.spikes", "b.spikes"] {
                assert_eq!(spikes(added, group), spikes(single, group), "{group} {probe}");
            }
            let apart = values(added, "b.v").iter().zip(values(single, "b.v")).map(|(a, b)| (a - b).abs());
            assert!(apart.fold(0.0, f64::max) < 1e-9, "{probe}");
        }
    }
}

/// Neurons, drawn sources and well filled connections that are large enough for threads to share, random numbers in every step among
/// them. Oracle (cross): one thread.
#[test]
fn threads_share_a_network_and_change_nothing() {
    let text = "
use std.neuron.poisson
neuron cell(mu: real) {
    state v: real = uniform(0, 1)
    v' = (mu - v) / 10 ms + 0.3 * sqrt(2 / 10 ms) * xi
    spike when v > 1 { v = 0; hold v for 1 ms }
}
synapse jump { on pre { post.v += w } }
network net() {
    population drive: poisson[40000](rate: 5 kHz)
    population a: cell[40000](mu: 0.7)
    connect drive -> a { pattern: one_to_one, synapse: jump, weight: 0.03 }
    connect a -> a { pattern: random(p: 4 %, itself: false), synapse: jump, weight: -0.0005, delay: 0.2 ms }
    connect a -> a { pattern: fixed_in_degree(20), synapse: jump, weight: 0.02, delay: 0.3 ms }
    probe a.spikes, a[0..5].v
}
experiment e { deploy net; run for 4 ms { step: 0.1 ms } }
";
    let alone = &run_on("net.nmc", text, &NoFiles, EngineKind::Jit, 1)[0];
    assert!(spikes(alone, "a.spikes").0.len() > 1000);
    for threads in [2, 3] {
        let shared = &run_on("net.nmc", text, &NoFiles, EngineKind::Jit, threads)[0];
        assert_eq!(spikes(shared, "a.spikes"), spikes(alone, "a.spikes"), "{threads}");
        assert_eq!(values(shared, "a.v"), values(alone, "a.v"), "{threads}");
    }
}

/// Spikes of both sides, some further apart than a trace is carried over at once (200 steps of a tenth of its time constant), others in
/// the step where it is. Oracle: the sum of exponentials, also of what a probe records.
#[test]
fn traces_decay_in_closed_form() {
    let text = "
neuron relay { state u: real = 0; spike when u > 0.5 { u = 0 } }
synapse up { on pre { post.u += w } }
synapse silent { on pre { post.u += 0 * w } }
plasticity sum {
    trace x: real, 1 ms on pre { x += 1 }
    trace y: real, 1 ms on post { y = 0.5 * y + 1 }
    on post { w += x }
    on pre { w += 1000 * y }
}
network net(s: spikes[1], drive: spikes[1]) {
    population b: relay[1]()
    connect drive -> b { pattern: one_to_one, synapse: up, weight: 1 }
    connect c: s -> b { pattern: one_to_one, synapse: silent, weight: 1 + 0 * i, plasticity: sum() }
    probe c.w, c.x, c.y
}
experiment e {
    deploy net
    run for 70 ms {
        step: 0.1 ms
        s: spikes([0, 0, 0, 0, 0, 0], [3, 150, 199, 200, 395, 610])
        drive: spikes([0, 0, 0, 0, 0], [9, 198, 205, 399, 609])
    }
}
";
    let (pre, post) = ([3, 150, 199, 200, 395, 610], [10, 199, 206, 400, 610]);
    let decay = (-0.1_f64).exp();
    let (mut x, mut y, mut w) = (0.0, 0.0, 1.0);
    let mut traces = Vec::new();
    for step in 0..700 {
        (x, y) = (x * decay, y * decay);
        if pre.contains(&step) {
            x += 1.0;
            w += 1000.0 * y;
        }
        if post.contains(&step) {
            w += x;
            y = 0.5 * y + 1.0;
        }
        traces.push((x, y));
    }
    for engine in ENGINES {
        let results = &run("traces.nmc", text, &NoFiles, engine)[0];
        let nmc_runtime::Recorded::Synapses { data, .. } = nmc_tests::recorded(results, "c.w") else { panic!() };
        assert!((data[0] - w).abs() < 1e-12 * w, "{} for {w}", data[0]);
        for (step, (x, y)) in traces.iter().enumerate() {
            let (found_x, found_y) = (values(results, "c.x")[step], values(results, "c.y")[step]);
            assert!((found_x - x).abs() < 1e-13 && (found_y - y).abs() < 1e-13, "step {step}: {found_x} for {x}");
        }
    }
}

/// Each source has so many targets, all different, never itself where that is left out; who they are is even. Oracle: counts, and six sigma of a
/// binomial number.
#[test]
fn sources_have_so_many_targets() {
    let text = |argument: &str, weight: &str| {
        format!(
            "
use std.neuron.poisson
neuron cell() {{ state v: real = 0; v' = -v / 10 ms; spike when v > 3 {{ v = 0 }} }}
synapse jump {{ on pre {{ post.v += w }} }}
network net() {{
    population fast: poisson[300](rate: 100 Hz)
    population a: cell[300]()
    connect c: a -> a {{ pattern: fixed_out_degree({argument}), synapse: jump, weight: 0 }}
    connect fast -> a {{ pattern: fixed_out_degree(200), synapse: jump, weight: {weight} }}
    probe c.w
    probe a.spikes
}}
experiment e {{ deploy net; run for 20 ms {{ step: 0.1 ms }} }}"
        )
    };
    for (argument, degree, itself) in
        [("20", 20, true), ("20, itself: false", 20, false), ("300, itself: false", 299, false)]
    {
        let results = &run("out.nmc", &text(argument, "0.1"), &NoFiles, EngineKind::Jit)[0];
        let nmc_runtime::Recorded::Synapses { source, target, .. } = nmc_tests::recorded(results, "c.w") else {
            panic!()
        };
        let pairs: std::collections::BTreeSet<(u32, u32)> =
            source.iter().copied().zip(target.iter().copied()).collect();
        assert_eq!(pairs.len(), 300 * degree);
        assert_eq!(itself, pairs.iter().any(|(source, target)| source == target));
        for neuron in 0..300 {
            assert_eq!(pairs.iter().filter(|(source, _)| *source == neuron).count(), degree);
            let into = pairs.iter().filter(|(_, target)| *target == neuron).count() as f64;
            let share = degree as f64 / (300.0 - f64::from(u8::from(!itself)));
            let sigma = (300.0 * share * (1.0 - share)).sqrt();
            assert!((into - 300.0 * share).abs() <= 6.0 * sigma + 1.0, "{into} into {neuron}");
        }
    }
    // Whether kept as bits, or one by one because weights differ, and on any number of threads.
    let once = |weight: &str, threads| {
        let results = run_on("out.nmc", &text("5", weight), &NoFiles, EngineKind::Jit, threads).remove(0);
        let (neurons, steps) = spikes(&results, "a.spikes");
        (neurons.to_vec(), steps.to_vec())
    };
    let found = once("0.1", 1);
    assert!(found.0.len() > 300);
    assert_eq!((once("0.1", 2), once("0.1 + 0 * i", 2)), (found.clone(), found));
    let wrong = nmc_tests::codes(&text("301", "0.1"));
    assert_eq!(wrong, ["E0404"]);
}
