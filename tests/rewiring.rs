//! Synapses that are drawn anew: `every … { rewire when … }`.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_runtime::{EngineKind, Recorded, Results, RunOptions, Simulation};
use nmc_tests::{ENGINES, codes, recorded, run, values};

const BLOCKS: &str = "
neuron counter() { state v: real = 0; spike when v > 1e9 { v = 0 } }
synapse add { on pre { post.v += w } }
plasticity prune(least: real, every_so: time = 1 ms) {
    trace x: real, 5 ms on pre { x += 1 }
    every every_so { rewire when w < least }
}
";

fn text(network: &str, phases: &str) -> String {
    format!("{BLOCKS}{network}\nexperiment e {{ deploy net {{ step: 0.1 ms }}; {phases} }}\n")
}

/// One experiment of 0.1 ms steps on both engines, which say the same.
#[track_caller]
fn ran(network: &str, phases: &str) -> Results {
    let text = text(network, phases);
    let [first, second] = ENGINES.map(|engine| run("rewiring.nmc", &text, &NoFiles, engine).swap_remove(0));
    assert_eq!((&first.recordings, &first.metrics), (&second.recordings, &second.metrics));
    first
}

/// Sources and targets of all synapses at the end, and the weights recorded last.
fn wired<'r>(results: &'r Results, name: &str) -> (&'r [u32], &'r [u32], &'r [f64]) {
    let Recorded::Synapses { source, target, data, .. } = recorded(results, name) else {
        panic!("{name} is no synapses")
    };
    (source, target, &data[data.len() - source.len()..])
}

fn rewired(results: &Results) -> f64 {
    results.metrics.iter().find(|(name, _)| name == "rewired.c").unwrap().1
}

/// Of two sources, one for each target: what comes from the first has no weight, and can only go to the second. Spikes take the
/// old ways before and the new ones after. Oracle: by hand.
#[test]
fn a_synapse_gets_the_other_source() {
    let net = |delay: &str| {
        format!(
            "network net(s: spikes[2]) {{
    population a: counter[40]()
    connect c: s -> a {{
        pattern: fixed_in_degree(1), synapse: add(), weight: i, delay: {delay}, plasticity: prune(least: 0.5)
    }}
    probe c.w every 0.5 ms
    probe a.v
}}"
        )
    };
    for delay in ["0 ms", "uniform(0 ms, 0.3 ms)"] {
        // Both before and after the change at the end of step 9.
        let results = ran(&net(delay), "run for 3 ms { s: spikes([0, 1, 0, 1], [3, 3, 15, 15]) }");
        let (source, target, weight) = wired(&results, "c.w");
        let Recorded::Synapses { data, times, .. } = recorded(&results, "c.w") else { panic!() };
        let first = &data[..40];
        assert_eq!(source, [1; 40]);
        assert_eq!(weight, [1.0; 40]);
        let mut all = target.to_vec();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<u32>>());
        // Rows of 0, 0.5 and 1 ms: what is recorded at the end of step 10 is after the change.
        assert_eq!(&data[40..80], first, "{times:?}");
        assert_eq!(&data[80..120], [1.0; 40]);
        let moved = first.iter().filter(|w| **w == 0.0).count();
        assert!((5..35).contains(&moved), "{moved}");
        assert_eq!(rewired(&results), moved as f64);
        // Before it only those of source 1 counted a spike, after it all.
        let (before, after) = (&values(&results, "a.v")[9 * 40..10 * 40], &values(&results, "a.v")[29 * 40..]);
        for (synapse, &target) in target.iter().enumerate() {
            assert_eq!(before[target as usize], first[synapse]);
            assert_eq!(after[target as usize], first[synapse] + 1.0);
        }
    }
}

/// All of them, five times: every target keeps its number of sources, all different and none itself, each source as often as the
/// others. Oracle: the binomial distribution, five sigma.
#[test]
fn new_sources_are_uniform() {
    let net = "network net() {
    population a: counter[400]()
    connect c: a -> a {
        pattern: fixed_in_degree(20, itself: false), synapse: add(), weight: uniform(0, 1), plasticity: prune(least: LEAST)
    }
    probe c.w
}";
    let results = ran(&net.replace("LEAST", "2"), "run for 5 ms");
    let (source, target, weight) = wired(&results, "c.w");
    assert_eq!(rewired(&results), 5.0 * 8000.0);
    let mut into = vec![Vec::new(); 400];
    let mut out = vec![0_u32; 400];
    for (&source, &target) in source.iter().zip(target) {
        assert!(source != target);
        into[target as usize].push(source);
        out[source as usize] += 1;
    }
    for sources in &mut into {
        sources.sort_unstable();
        sources.dedup();
        assert_eq!(sources.len(), 20);
    }
    let sigma = (8000.0_f64 / 400.0 * (1.0 - 1.0 / 400.0)).sqrt();
    assert!(out.iter().all(|&n| (f64::from(n) - 20.0).abs() < 5.0 * sigma), "{out:?}");
    let spread = out.iter().map(|&n| (f64::from(n) - 20.0).powi(2)).sum::<f64>() / 400.0;
    // Variance over variance expected: five sigma of a chi-square of 400.
    assert!((spread / (sigma * sigma) - 1.0).abs() < 5.0 * (2.0 / 400.0_f64).sqrt(), "{spread}");
    let mean = weight.iter().sum::<f64>() / 8000.0;
    assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / 8000.0_f64).sqrt(), "{mean}");
    // Those below a half go until none is: each time half of those that went.
    let results = ran(&net.replace("LEAST", "0.5"), "run for 5 ms");
    let (_, _, weight) = wired(&results, "c.w");
    let low = weight.iter().filter(|w| **w < 0.5).count() as f64;
    let (left, sum) = (8000.0 / 64.0, 8000.0 * (1.0 / 2.0 + 1.0 / 4.0 + 1.0 / 8.0 + 1.0 / 16.0 + 1.0 / 32.0));
    assert!((low - left).abs() < 5.0 * left.sqrt(), "{low} for {left}");
    assert!((rewired(&results) - sum).abs() < 5.0 * sum.sqrt(), "{} for {sum}", rewired(&results));
}

/// A rule goes on with the new synapses: traces are those of the new source, states start afresh, and spikes of the target find them.
/// Oracle: by hand.
#[test]
fn rules_go_on_at_the_new_source() {
    let net = "
plasticity pair(least: real) {
    state seen: real = 0
    trace x: real, 5 ms on pre { x += 1 }
    on pre { seen += if w > 100 then 2 else 1 }
    on post { w += x }
    every 1 ms { w += 0; rewire when w < least and sum(1) > 0 }
}
neuron firing() { state v: real = 0; spike when v > 0.5 { v = 0 } }
network net(s: spikes[2], t: spikes[1]) {
    population a: firing[30]()
    connect c: s -> a { pattern: fixed_in_degree(1), synapse: add(), weight: if i == 0 then -0.01 else 0, plasticity: pair(least: 0) }
    connect t -> a { pattern: all_to_all, synapse: add(), weight: 1 }
    probe c.w, c.seen
    probe a.spikes
}";
    let results = ran(net, "run for 3 ms { s: spikes([0, 1, 1], [2, 14, 16]), t: spikes([0], [20]) }");
    let (source, _, weight) = wired(&results, "c.w");
    assert_eq!(source, [1; 30]);
    // The target fires in step 21: source 1 fired in steps 14 and 16, on whatever synapses it had then.
    let x = (-0.7_f64 / 5.0).exp() + (-0.5_f64 / 5.0).exp();
    assert!(weight.iter().all(|w| (w - x).abs() < 1e-12), "{weight:?} for {x}");
    let (_, _, seen) = wired(&results, "c.seen");
    assert_eq!(seen, [2.0; 30]);
}

/// Frozen connections keep their synapses; what was drawn anew stays through a restart, and is in a checkpoint.
#[test]
fn what_was_drawn_anew_stays() {
    let net = "network net(s: spikes[30]) {
    population a: counter[50]()
    connect c: s -> a { pattern: random(p: 20 %), synapse: add(), weight: uniform(0, 1), plasticity: prune(least: 0.4) }
    probe c.w every 1 ms
    probe a.v
}";
    let spikes = "s: spikes([0, 1, 2, 3, 4, 5], [3, 12, 15, 16, 21, 27])";
    let still = ran(net, &format!("run for 3 ms {{ {spikes}, freeze c }}"));
    assert_eq!(rewired(&still), 0.0);
    let program = text(net, &format!("run for 3 ms {{ {spikes} }}; run for 3 ms {{ {spikes}, restart: true }}"));
    let image = compile("kept.nmc", &program, &NoFiles, &Options::default()).image.unwrap();
    for engine in [EngineKind::Interpreter, EngineKind::Jit] {
        let options = RunOptions { seed: 7, engine, threads: 2, memory: 1 << 30, progress: None };
        let whole = nmc_runtime::run(&image.programs[0], &options).unwrap();
        assert!(rewired(&whole) > 100.0);
        let mut simulation = Simulation::new(&image.programs[0], &options).unwrap();
        let mut again = 0;
        while !simulation.advance(&|| true).unwrap() {
            let saved = simulation.save();
            simulation = Simulation::new(&image.programs[0], &options).unwrap();
            simulation.restore(&saved).unwrap();
            again += 1;
        }
        let parts = simulation.results();
        assert!(again > 0);
        assert_eq!((&parts.recordings, &parts.metrics), (&whole.recordings, &whole.metrics));
    }
}

/// What cannot be drawn anew is told, once.
#[test]
fn what_cannot_be_drawn_anew_is_told() {
    let net = |connect: &str, rule: &str| {
        format!(
            "plasticity rule {{ {rule} }}
network net() {{ population a: counter[4](); connect c: a -> a {{ {connect}, synapse: add(), plasticity: rule() }} }}
experiment e {{ deploy net {{ step: 0.1 ms }}; run for 1 ms; require rewired.c < 5 }}"
        )
    };
    let of = |connect: &str, rule: &str| {
        let text = format!("{BLOCKS}{}", net(connect, rule));
        codes(&text).into_iter().filter(|code| *code != "W0208").collect::<Vec<_>>()
    };
    let every = "every 1 ms { rewire when w < 1 }";
    assert_eq!(of("pattern: random(p: 50 %), weight: 1", every), [""; 0]);
    assert_eq!(of("pattern: list(sources: [0, 1], targets: [1, 2]), weight: 1", every), [""; 0]);
    for (connect, rule, code) in [
        ("pattern: all_to_all, weight: 1", every, "E0305"),
        ("pattern: list(sources: [0, 1], targets: [1, 2]), weight: [1, 2] * 1", every, "E0305"),
        ("pattern: random(p: 50 %), weight: 1", "on pre { rewire when w < 1 }", "E0401"),
        ("pattern: random(p: 50 %), weight: 1", "every 1 ms { rewire when w < 1; w += 1 }", "E0401"),
        ("pattern: random(p: 50 %), weight: 1", "every 1 ms { redraw when w < 1 }", "E0101"),
        ("pattern: random(p: 50 %), weight: 1", "every 1 ms { rewire when w < 1 mV }", "E0302"),
    ] {
        assert_eq!(of(connect, rule), [code], "{connect} {rule}");
    }
}

/// Weights that are set for pairs go to the pairs that are joined now; a restart draws states for the sources that there are now. Oracle: the data; the
/// numbers of the sources.
#[test]
fn what_is_set_and_drawn_later_is_of_the_pairs_of_then() {
    let text = "
neuron counter() { state v: real = 0; spike when v > 1e9 { v = 0 } }
synapse add { on pre { post.v += w } }
plasticity prune { every 1 ms { rewire when w < 1.5 } }
network net(s: spikes[4]) {
    population a: counter[30]()
    connect c: s -> a { pattern: fixed_in_degree(1), synapse: add(), weight: i, plasticity: prune() }
    probe c.w every 0.5 ms
}
experiment e {
    deploy net { step: 0.1 ms }
    run for 20 ms { s: spikes([0], [0]) }
    run for 0.5 ms { s: spikes([0], [9]), set c.w = WEIGHTS, freeze c }
}
";
    let rows: Vec<String> = (0..4)
        .map(|i| format!("[{}]", (0..30).map(|j| (100 * i + j + 5).to_string()).collect::<Vec<_>>().join(", ")))
        .collect();
    let text = text.replace("WEIGHTS", &format!("[{}]", rows.join(", ")));
    for engine in ENGINES {
        let results = run("set.nmc", &text, &NoFiles, engine).swap_remove(0);
        let (source, target, weight) = wired(&results, "c.w");
        assert!(source.iter().all(|&source| source >= 2));
        for ((&i, &j), &w) in source.iter().zip(target).zip(weight) {
            assert_eq!(w, f64::from(100 * i + j + 5));
        }
    }
}

/// A state that starts from what its source is. Oracle: the number of the source that each synapse has by then.
#[test]
fn a_restart_starts_states_of_the_synapses_there_are() {
    let text = "
neuron counter(mark: real = 0) { state v: real = 0; state tag: real = mark; spike when v > 1e9 { v = 0 } }
synapse add { state c: real = pre.tag; on pre { c += 1; post.v += w + c } }
plasticity prune { every 1 ms { rewire when w < 1.5 } }
network net(s: spikes[1]) {
    population b: counter[4](mark: i)
    population a: counter[30]()
    connect s -> b { synapse: add_one(), weight: 1 }
    connect c: b -> a { pattern: fixed_in_degree(1), synapse: add(), weight: i, plasticity: prune() }
    probe c.c every 0.1 ms
    probe c.w
}
synapse add_one { on pre { post.v += w } }
experiment e {
    deploy net { step: 0.1 ms }
    run for 20 ms { s: spikes([0], [0]) }
    run for 0.5 ms { s: spikes([0], [1]), restart: true }
}
";
    for engine in ENGINES {
        let results = run("restart.nmc", text, &NoFiles, engine).swap_remove(0);
        let Recorded::Synapses { source, data, .. } = recorded(&results, "c.c") else { panic!() };
        let last = &data[data.len() - source.len()..];
        assert!(source.iter().all(|&source| source >= 2));
        assert!(source.iter().zip(last).all(|(&source, &c)| c == f64::from(source)), "{source:?} {last:?}");
    }
}
