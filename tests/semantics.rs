//! docs/semantics.md, sentence by sentence: what happens within a step, and in which order.

use std::path::Path;

use nmc_compiler::files::NoFiles;
use nmc_runtime::{Recorded, Results};
use nmc_tests::{ENGINES, codes, recorded, run, spikes, values};

/// What the tests share: a cell that only counts, one that fires above 0.5, and a synapse for each.
const BLOCKS: &str = "
neuron counter() { state v: real = 0; spike when v > 1e9 { v = 0 } }
neuron firing() { state v: real = 0; spike when v > 0.5 { v = 0 } }
neuron ramp(limit: real = 0.45) { state v: real = 0; v' = 1 / 1 ms; spike when v > limit { v = 0 } }
synapse add { on pre { post.v += w } }
";

/// One experiment of 0.1 ms steps on both engines, which say the same; the first is given.
#[track_caller]
fn ran(network: &str, phases: &str) -> Results {
    let text = format!("{BLOCKS}{network}\nexperiment e {{ deploy net {{ step: 0.1 ms }}; {phases} }}\n");
    let [first, second] = ENGINES.map(|engine| run("semantics.nmc", &text, &NoFiles, engine).swap_remove(0));
    assert_eq!(first.recordings, second.recordings);
    first
}

fn near(found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len(), "{found:?} for {wanted:?}");
    let all = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9);
    assert!(all, "{found:?} for {wanted:?}");
}

/// Every sentence names a test that is there, here or in another file, and every test here is named.
#[test]
fn every_sentence_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../docs/semantics.md")).unwrap();
    let sentences: Vec<&str> = page.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert!(sentences.len() > 25);
    let mut named = Vec::new();
    for (index, sentence) in sentences.iter().enumerate() {
        assert!(sentence.starts_with(&format!("{}. ", index + 1)), "{sentence}");
        let tests: Vec<&str> = sentence.split('[').skip(1).filter_map(|part| part.split(']').next()).collect();
        assert!(!tests.is_empty(), "no test: {sentence}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or(("semantics", test));
            let text = std::fs::read_to_string(root.join(format!("{file}.rs"))).unwrap();
            assert!(text.contains(&format!("#[test]\nfn {name}()")), "{test} is no test");
            named.push(name.to_string());
        }
    }
    let own = std::fs::read_to_string(root.join("semantics.rs")).unwrap();
    let tests = own.split("#[test]\nfn ").skip(1).filter_map(|test| test.split('(').next());
    for test in tests.filter(|test| *test != "every_sentence_has_its_test") {
        assert!(named.iter().any(|name| name == test), "{test} stands in no sentence");
    }
}

/// Looked at with the threshold, done after the reset, in the order written. Oracle: by hand.
#[test]
fn events_that_are_no_spikes_come_after_the_reset() {
    // v is 0.1, 0.2, 0.3: then it fires, the reset makes it 0, and the event that saw 0.3 adds 10.
    let net = "neuron eventful() {
        state v: real = 0; state n: real = 0; state seen: real = 0
        v' = 1 / 1 ms
        spike when v > 0.25 { v = 0; n += 100 }
        when v > 0.15 { n += 1; seen = v }
        when v > 0.25 { n *= 2; v += 10 * pulse(v == 0) }
    }
    network net() { population a: eventful[1](); probe a.v, a.n, a.seen, a.spikes }";
    let results = ran(net, "run for 0.5 ms");
    assert_eq!(spikes(&results, "a.spikes").1, [2, 3, 4]);
    near(values(&results, "a.n"), &[0.0, 1.0, 204.0, 610.0, 1422.0]);
    near(values(&results, "a.seen"), &[0.0, 0.2, 0.0, 0.0, 0.0]);
    near(values(&results, "a.v"), &[0.1, 0.2, 10.0, 10.0, 10.0]);
    // What arrives in its step is there when it is done, not when it is looked at; a state that is held stays.
    let net = "neuron holding() {
        state v: real = 0; state n: real = 0; state m: real = 0
        spike when v > 0.5 { v = 0; hold n for 0.3 ms }
        when v > 0.2 { n += 1; m += v }
    }
    network net(s: spikes[1]) { population a: holding[1](); connect s -> a { synapse: add(), weight: 0.3 }
        probe a.v, a.n, a.m }";
    let results = ran(net, "run for 0.7 ms { s: spikes([0, 0], [1, 2]) }");
    // In step 2 it sees the 0.3 of step 1 and finds 0.6, which fires in step 3 and is reset; n is held in steps 3 to 5.
    near(values(&results, "a.v"), &[0.0, 0.3, 0.6, 0.0, 0.0, 0.0, 0.0]);
    near(values(&results, "a.n"), &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    near(values(&results, "a.m"), &[0.0, 0.0, 0.6, 0.6, 0.6, 0.6, 0.6]);
    let text = |event: &str| {
        format!(
            "{BLOCKS}neuron n() {{ state v: real = 0; v' = 1 / 1 ms; spike when v > 1 {{ v = 0 }}
        {event} }}
        network net() {{ population a: n[1](); probe a.v }}
        experiment e {{ deploy net; run for 1 ms {{ step: 0.1 ms }} }}"
        )
    };
    assert_eq!(codes(&text("when v > 0.5 { v = 0.1 }")), [""; 0]);
    assert_eq!(codes(&text("when v + 1 { v = 0.1 }")), ["E0320"]);
    assert_eq!(codes(&text("when v > 0.5 { hold v for 1 ms }")), ["E0401"]);
    assert_eq!(codes(&text("when v > 0.5 { u = 0.1 }")), ["E0201"]);
    assert_eq!(codes(&text("spike when v > 0.5 { v = 0.1 }")), ["E0423"]);
}

/// A source whose state arrivals and its target's spikes change. Oracle: by hand.
#[test]
fn events_change_sources_for_each_synapse() {
    let blocks = "neuron source(limit: real = 0.25) {
        state v: real = 0; state y: real = 0; v' = 1 / 1 ms; spike when v > limit { v = 0 }
    }
    neuron holding() { state v: real = 0; state y: real = 0; v' = 1 / 1 ms; spike when v > 0.25 { v = 0; hold y for 0.3 ms } }
    synapse touch { on pre { pre.y += w; post.v += pre.y } }
    synapse both { on pre { pre.y += w; post.y += 10 * pre.y } }
    plasticity back { on post { pre.y += 1 } }";
    let of = |network: &str, phase: &str| ran(&format!("{blocks}\nnetwork net() {{ {network} }}"), phase);
    // It fires in steps 2 and 5.
    let joined =
        "population b: counter[3](); connect a -> b { synapse: touch(), weight: 1 + j, delay: 0.1 ms }; probe a.y, b.v";
    let results = of(&format!("population a: source[1](); {joined}"), "run for 0.7 ms");
    near(values(&results, "a.y"), &[0.0, 0.0, 0.0, 6.0, 6.0, 6.0, 12.0]);
    near(&values(&results, "b.v")[9..12], &[1.0, 3.0, 6.0]);
    near(&values(&results, "b.v")[18..], &[8.0, 12.0, 18.0]);
    let results = of(&format!("population a: holding[1](); {joined}"), "run for 0.5 ms");
    near(values(&results, "a.y"), &[0.0; 5]);
    near(values(&results, "b.v"), &[0.0; 15]);
    let itself = "population a: source[2](); connect a -> a { synapse: both(), weight: 1, delay: 0.1 ms }; probe a.y";
    let results = of(itself, "run for 0.4 ms");
    // 0 to 0: 1, 11; 0 to 1: 12, 120; 1 to 0: 121, 12 + 1210; 1 to 1: 122, 122 + 1220.
    near(&values(&results, "a.y")[6..], &[1222.0, 1342.0]);
    let behind = "population q: source[2](limit: 9); population b: ramp[1](limit: 0.25)
        connect q -> b { synapse: add(), weight: 1, plasticity: back() }; probe q.y";
    let results = of(behind, "run for 0.6 ms");
    near(values(&results, "q.y"), &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0]);
}

/// Two targets, of three synapses and of two: what a rule adds to a neuron at its interval it adds for each. Oracle: by hand.
#[test]
fn every_is_done_for_each_synapse() {
    let network = "plasticity tally { every 0.2 ms { post.v += 1 } }
network net(s: spikes[3]) {
    population a: counter[2]()
    connect s -> a { pattern: matrix, synapse: add(), weight: [[1, 1], [1, 0], [1, 1]], plasticity: tally() }
    probe a.v
}";
    let results = ran(network, "run for 0.5 ms { s: spikes([0], [0]) }");
    near(values(&results, "a.v"), &[1.0, 1.0, 4.0, 3.0, 4.0, 3.0, 7.0, 5.0, 7.0, 5.0]);
}

/// Given in step 3: there at the end of step 3, not of 2. Oracle: by hand.
#[test]
fn without_delay_a_spike_arrives_in_its_step() {
    let net = "network net(s: spikes[1]) { population a: counter[1](); connect s -> a { synapse: add(), weight: 1 }
        probe a.v; probe s }";
    let results = ran(net, "run for 0.6 ms { s: spikes([0], [3]) }");
    assert_eq!(spikes(&results, "s").1, [3]);
    assert_eq!(values(&results, "a.v"), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
}

#[test]
fn delays_are_rounded_to_whole_steps() {
    let of = |delay: &str| {
        let net = format!(
            "network net(s: spikes[1]) {{ population a: counter[1]()
                connect s -> a {{ synapse: add(), weight: 1, delay: {delay} }}; probe a.v }}"
        );
        let results = ran(&net, "run for 0.8 ms { s: spikes([0], [2]) }");
        values(&results, "a.v").iter().position(|v| *v == 1.0)
    };
    assert_eq!([of("0 ms"), of("0.1 ms"), of("0.3 ms")], [Some(2), Some(3), Some(5)]);
    // 1.4, 1.6 and 2.5 steps; halves away from zero. In double precision 0.15 / 0.1 is less than 1.5.
    assert_eq!([of("0.14 ms"), of("0.16 ms"), of("0.25 ms")], [Some(3), Some(4), Some(5)]);
    assert_eq!([of("0.15 ms"), of("(1 + i) * 0.15 ms"), of("(1 + i) * 0.14 ms")], [Some(4), Some(4), Some(3)]);
    let text = format!(
        "{BLOCKS}network net(s: spikes[1]) {{ population a: counter[1]()
            connect s -> a {{ synapse: add(), weight: 1, delay: DELAY }} }}
        experiment e {{ deploy net; run for 1 ms {{ step: 0.1 ms, s: spikes([0], [2]) }} }}"
    );
    assert_eq!(codes(&text.replace("DELAY", "0.14 ms")), ["W0457"]);
    assert_eq!(codes(&text.replace("DELAY", "uniform(0.11 ms, 0.14 ms)")), [""; 0]);
}

/// Oracle: v is 0.1, 0.2, … at the ends of steps.
#[test]
fn the_condition_is_looked_at_after_the_equations() {
    let net = "network net() { population a: ramp[1](limit: 0.25); probe a.v, a.spikes }";
    let results = ran(net, "run for 0.7 ms");
    assert_eq!(spikes(&results, "a.spikes").1, [2, 5]);
    near(values(&results, "a.v"), &[0.1, 0.2, 0.0, 0.1, 0.2, 0.0, 0.1]);
}

#[test]
fn a_state_that_starts_above_its_threshold_fires_in_the_first_step() {
    let net = "neuron full() { state v: real = 1; v' = 0 / 1 ms; spike when v > 0.5 { v = 0 } }
        neuron falling() { state v: real = 1; v' = -8 / 1 ms; spike when v > 0.5 { v = 0 } }
        network net() { population a: full[1](); population b: falling[1](); probe a.spikes, b.spikes }";
    let results = ran(net, "run for 0.5 ms");
    assert_eq!(spikes(&results, "a.spikes").1, [0]);
    // What falls below it within the first step does not.
    assert!(spikes(&results, "b.spikes").1.is_empty());
}

#[test]
fn a_neuron_fires_once_a_step_and_an_empty_body_once_a_crossing() {
    let net = "neuron high() { state v: real = 0; v' = 10 / 1 ms; spike when v > 0.25 { v -= 0.25 } }
        neuron wave() { state v: real = 0; v' = 1 / 1 ms; spike when sin(v * 20) > 0 {} }
        network net() { population a: high[1](); population b: wave[1](); probe a.spikes, b.spikes }";
    let results = ran(net, "run for 1 ms");
    assert_eq!(spikes(&results, "a.spikes").1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // sin 2, sin 4, sin 6, … of steps 0, 1, 2: above 0 at 2, at 8, at 14 and 20.
    assert_eq!(spikes(&results, "b.spikes").1, [0, 3, 6, 9]);
}

/// The second cell is beyond its threshold at the end of step 3, and fires in step 4. Oracle: by hand.
#[test]
fn what_arrives_is_judged_in_the_step_after() {
    let net = "network net(s: spikes[1]) { population a: firing[1](); population b: firing[1]()
        connect s -> a { synapse: add(), weight: 1 }; connect a -> b { synapse: add(), weight: 1 }
        probe a.v, b.v, a.spikes, b.spikes }";
    let results = ran(net, "run for 0.7 ms { s: spikes([0], [2]) }");
    assert_eq!(spikes(&results, "a.spikes").1, [3]);
    assert_eq!(spikes(&results, "b.spikes").1, [4]);
    assert_eq!(values(&results, "a.v"), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(values(&results, "b.v"), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
}

/// A neuron that excites itself without delay fires every step, and no step goes on for ever.
#[test]
fn a_loop_without_delay_takes_a_step() {
    let net = "neuron echo() { state v: real = 0; state g: real = 0; spike when g > 0.5 { v = 0 } }
        synapse onto { on pre { post.g += w } }
        network net(s: spikes[1]) { population a: echo[1](); connect s -> a { synapse: onto(), weight: 1 }
            connect a -> a { synapse: onto(), weight: 1 }; probe a.spikes, a.g }";
    let results = ran(net, "run for 0.6 ms { s: spikes([0], [1]) }");
    assert_eq!(spikes(&results, "a.spikes").1, [2, 3, 4, 5]);
    assert_eq!(values(&results, "a.g"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

/// The spike of step 4 reaches a cell that fires in step 4. Oracle: by hand.
#[test]
fn a_reset_overwrites_what_arrives_in_its_step() {
    let net = "network net(s: spikes[1]) { population a: ramp[1](); population b: ramp[1]()
        connect s -> a { synapse: add(), weight: 0.2 }; connect s -> b { synapse: add(), weight: 0.2, delay: 0.1 ms }
        probe a.v, b.v, a.spikes }";
    let results = ran(net, "run for 0.7 ms { s: spikes([0], [4]) }");
    assert_eq!(spikes(&results, "a.spikes").1, [4]);
    near(values(&results, "a.v"), &[0.1, 0.2, 0.3, 0.4, 0.0, 0.1, 0.2]);
    near(values(&results, "b.v"), &[0.1, 0.2, 0.3, 0.4, 0.0, 0.3, 0.4]);
}

/// A current that jumps in step 2 moves v from step 3 on, and is not touched by the reset. Oracle: the sums.
#[test]
fn a_synaptic_current_acts_from_the_step_after() {
    let net = "synapse lasting { state i: current = 0 nA; i' = -i / 1e9 s; on pre { i += w }; current = i }
        neuron cell() { input i: current; state v: real = 0; v' = i / 1 nA / 1 ms; spike when v > 0.25 { v = 0 } }
        network net(s: spikes[1]) { population a: cell[1](); connect s -> a { synapse: lasting(), weight: 1 nA }
            probe a.v, a.spikes }";
    let results = ran(net, "run for 0.8 ms { s: spikes([0], [2]) }");
    near(values(&results, "a.v"), &[0.0, 0.0, 0.0, 0.1, 0.2, 0.0, 0.1, 0.2]);
    assert_eq!(spikes(&results, "a.spikes").1, [5]);
}

/// Fires in step 4, holds 0.3 ms: steps 5 and 6 stand still, step 7 moves. The current goes on decaying. Oracle: by hand.
#[test]
fn a_hold_of_n_steps_lets_the_nth_step_after_the_spike_move() {
    let net = "synapse fading { state i: current = 0 nA; i' = -i / 1 ms; on pre { i += w }; current = i }
        neuron cell() {
            input i: current
            state v: real = 0
            state seen: real = 0
            v' = 1 / 1 ms
            seen' = i / 1 nA / 1 ms
            spike when v > 0.45 { v = 0; hold v for 0.3 ms }
        }
        network net(s: spikes[2]) { population a: cell[1]()
            connect s[0..1] -> a { synapse: add(), weight: 0.2 }
            connect s[1..2] -> a { synapse: fading(), weight: 1 nA }; probe a.v, a.seen }";
    // Those of element 0 in steps 5 and 6 come while v is held, that of step 7 does not.
    let results = ran(net, "run for 0.9 ms { s: spikes([1, 0, 0, 0], [4, 5, 6, 7]) }");
    near(values(&results, "a.v"), &[0.1, 0.2, 0.3, 0.4, 0.0, 0.0, 0.0, 0.3, 0.4]);
    let seen = values(&results, "a.seen");
    (0..4).for_each(|n| assert!((seen[5 + n] - (1.0 - (-0.1 * (n + 1) as f64).exp())).abs() < 1e-9, "{seen:?}"));
}

/// A step and a half is two, two and a half is three, also where the division comes out a little below. Oracle: by hand, the steps between spikes.
#[test]
fn holds_of_half_a_step_more_go_up() {
    for (hold, steps) in
        [("0.15 ms", 2), ("0.25 ms", 3), ("0.35 ms", 4), ("0.45 ms", 5), ("1.25 ms", 13), ("0.3 ms", 3)]
    {
        let cell = format!(
            "neuron p() {{ state v: real = 0; v' = 11 / 1 ms; spike when v > 1 {{ v = 0; hold v for {hold} }} }}"
        );
        let net = format!("{cell}\nnetwork net() {{ population a: p[1](); probe a.spikes }}");
        let results = ran(&net, "run for 5 ms");
        let times = spikes(&results, "a.spikes").1;
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == steps), "{hold}: {times:?}");
    }
}

/// Both spikes fall into step 3. Oracle: the rules in the one order and in the other give other weights.
#[test]
fn arrivals_come_before_on_post() {
    let net = "plasticity pair { trace x: real, 1e9 s on pre { x += 1 }; trace y: real, 1e9 s on post { y += 1 }
            on pre { w -= 10 * y }
            on post { w += x } }
        neuron cell() { state v: real = 0; state u: real = 0; spike when u > 0.5 { u = 0 } }
        synapse push { on pre { post.u += w } }
        network net(s: spikes[1], z: spikes[1]) { population a: cell[1]()
            connect z -> a { synapse: push(), weight: 1 }
            connect c: s -> a { synapse: add(), weight: 0, plasticity: pair() }; probe c.w; probe a.spikes }";
    let results = ran(net, "run for 1 ms { s: spikes([0], [3]), z: spikes([0], [2]) }");
    assert_eq!(spikes(&results, "a.spikes").1, [3]);
    let Recorded::Synapses { data, .. } = recorded(&results, "c.w") else { panic!() };
    // The arrival sees no spike of the target yet (0), the spike of the target sees the arrival (1).
    near(data, &[1.0]);
}

/// `on post` sees the voltage that made the neuron fire. Oracle: 0.5 of the ramp.
#[test]
fn on_post_comes_before_the_reset() {
    let net = "plasticity keep { on post { w = post.v } }
        network net(s: spikes[1]) { population a: ramp[1]()
            connect c: s -> a { synapse: add(), weight: 0, plasticity: keep() }; probe c.w; probe a.spikes }";
    let results = ran(net, "run for 0.6 ms { s: spikes([0], [0]) }");
    assert_eq!(spikes(&results, "a.spikes").1, [4]);
    let Recorded::Synapses { data, .. } = recorded(&results, "c.w") else { panic!() };
    near(data, &[0.5]);
}

/// 1 + 2 then times 3, or 1 times 3 then + 2. Oracle: by hand.
#[test]
fn arrivals_of_one_step_come_in_the_order_of_connections_and_sources() {
    let net = |first: &str, second: &str| {
        format!(
            "synapse more {{ on pre {{ post.v += w }} }}
            synapse times {{ on pre {{ post.v = post.v * w }} }}
            synapse digit {{ on pre {{ post.v = 10 * post.v + w }} }}
            neuron one() {{ state v: real = 1; spike when v > 1e9 {{ v = 0 }} }}
            network net(s: spikes[3]) {{ population a: one[1](); population b: one[1]()
                connect s[0..1] -> a {{ {first} }}; connect s[1..2] -> a {{ {second} }}
                connect s -> b {{ synapse: digit(), weight: 1 + i }}; probe a.v, b.v }}"
        )
    };
    let (more, times) = ("synapse: more(), weight: 2", "synapse: times(), weight: 3");
    for (first, second, wanted) in [(more, times, 9.0), (times, more, 5.0)] {
        // However they are given.
        let results = ran(&net(first, second), "run for 0.2 ms { s: spikes([2, 1, 0], [0, 0, 0]) }");
        assert_eq!(values(&results, "a.v")[0], wanted);
        assert_eq!(values(&results, "b.v")[0], 1123.0);
    }
}

/// A trace that jumped in step 2 and is read by arrivals in steps 2 and 5. Oracle: exp(-0.3 ms / tau).
#[test]
fn traces_decay_with_the_equations_before_arrivals() {
    let net = "plasticity read { trace x: real, 1 ms on pre { x += 1 }; on pre { w = x } }
        network net(s: spikes[1]) { population a: counter[1]()
            connect c: s -> a { synapse: add(), weight: 0, plasticity: read() }; probe c.w every 0.1 ms }";
    let results = ran(net, "run for 0.7 ms { s: spikes([0, 0], [2, 5]) }");
    let Recorded::Synapses { data, .. } = recorded(&results, "c.w") else { panic!() };
    let later = 1.0 + (-0.3_f64).exp();
    // Of seven steps; weights are kept at the end of a run, too.
    near(data, &[0.0, 0.0, 1.0, 1.0, 1.0, later, later, later]);
}

/// Poisson rates and conditions of encoders are those of the states and inputs at the start of the step. Oracle: by hand.
#[test]
fn sources_fire_by_what_is_at_the_start_of_the_step() {
    let net = "encoder timed: real -> spikes { emit once at 0.25 ms * x }
        encoder above: real -> spikes { emit when x > 0.5 }
        network net(x: real[2]) { a = x |> timed; b = x |> above; probe a.spikes, b.spikes }";
    let results = ran(net, "run for 1 ms { x: [[0, 0], [1, 0], [1, 1]] every 0.3 ms }");
    // Time 0 of x = 0 is step 0; of x = 1, shown from step 3 on, 0.25 ms is past.
    assert_eq!(spikes(&results, "b.spikes"), (&[0, 1][..], &[3, 6][..]));
    assert_eq!(spikes(&results, "a.spikes"), (&[0, 1][..], &[0, 0][..]));
}

/// Counted from the start of a run and of those that go on with it, and from the start of each sample of a sequence. Oracle: by hand.
#[test]
fn a_spike_once_is_one_of_a_run_or_of_a_sample() {
    let net = "neuron timed() { emit once at 0.35 ms }
        encoder late: real -> spikes { emit once at 0.1 ms * x }
        network net(x: real[1]) { population a: timed[1](); b = x |> late; probe a.spikes, b.spikes }";
    let results = ran(net, "run for 0.2 ms { x: 1 }; run for 0.5 ms { x: 1 }; run for 0.5 ms { x: 1, restart: true }");
    assert_eq!(spikes(&results, "a.spikes").1, [3, 10]);
    assert_eq!(spikes(&results, "b.spikes").1, [1, 8]);
    let results = ran(net, "test sequence { x: [[1], [2], [0]] } for 0.5 ms");
    assert_eq!(spikes(&results, "a.spikes").1, [3, 8, 13]);
    assert_eq!(spikes(&results, "b.spikes").1, [1, 7, 10]);
}

/// Row r is there in the equations from step r · every on. Oracle: the sums.
#[test]
fn rows_of_data_hold_from_their_step_on() {
    let net = "neuron sum() { input x: real; state v: real = 0; v' = x / 1 ms }
        network net(x: real[1]) { population a: sum[1](); x -> a.x; probe a.v }";
    let results = ran(net, "run for 0.7 ms { x: [[1], [0], [2]] every 0.2 ms }");
    near(values(&results, "a.v"), &[0.1, 0.2, 0.2, 0.2, 0.4, 0.6, 0.8]);
}

/// Layers between populations read what was at the end of the step before. Oracle: by hand.
#[test]
fn signals_between_populations_are_of_the_step_before() {
    let net = "use std.code.per_step
        neuron sum() { input x: real; state v: real = 0; v' = x / 1 ms }
        network net(s: spikes[1]) { population a: sum[1](); population b: sum[1]()
            s |> per_step |> scale(10) -> a.x; a.v -> b.x; probe a.v, b.v }";
    let results = ran(net, "run for 0.6 ms { s: spikes([0], [2]) }");
    near(values(&results, "a.v"), &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    near(values(&results, "b.v"), &[0.0, 0.0, 0.0, 0.0, 0.1, 0.2]);
}

/// Oracle: t is 0, 0.1 ms, 0.2 ms, … in the steps of Euler; by Runge-Kutta v is the integral, t² / 2 in units of 0.1 ms and 1 ms.
#[test]
fn t_is_the_start_of_the_step_and_moves_in_stages_of_runge_kutta() {
    let euler = [0.0, 0.1, 0.3, 0.6];
    for (method, wanted) in [("euler", euler), ("exponential_euler", euler), ("rk4", [0.05, 0.2, 0.45, 0.8])] {
        let net = format!(
            "neuron clock() {{ state v: real = 0; v' = t / 1 ms / 0.1 ms; method: {method} }}
            network net() {{ population a: clock[1](); probe a.v }}"
        );
        near(values(&ran(&net, "run for 0.4 ms"), "a.v"), &wanted);
    }
}

/// Oracle: the ramp.
#[test]
fn what_is_recorded_is_of_the_end_of_the_step_at_whose_start_it_stands() {
    let net = "network net() { population a: ramp[1](limit: 9); probe a.v every 0.3 ms }";
    let results = ran(net, "run for 0.9 ms; run for 0.4 ms");
    let Recorded::Values { times, data, .. } = recorded(&results, "a.v") else { panic!() };
    near(times, &[0.0, 0.3e-3, 0.6e-3, 0.9e-3, 1.2e-3]);
    near(data, &[0.1, 0.4, 0.7, 1.0, 1.3]);
}

/// Each sample begins at t = 0 with initial states, and with nothing under way. Oracle: by hand.
#[test]
fn samples_start_afresh() {
    let net = "neuron sum() { input x: real; state v: real = 0; state late: real = 0; v' = x / 1 ms; late' = t / 1 ms / 0.1 ms
            spike when v > 0.35 { v = 0 } }
        neuron sink() { state v: real = 0; spike when v > 1e9 { v = 0 } }
        network net(x: real[1]) -> (sum: real[1], clock: real[1], got: real[1]) {
            population a: sum[1](); population b: sink[1]()
            x -> a.x; connect a -> b { synapse: add(), weight: 1, delay: 0.3 ms }
            a.v -> sum; a.late -> clock; b.v -> got }";
    let results = ran(net, "test { x: [[1], [1], [2]] } for 0.5 ms measure m = mean(sum)");
    near(values(&results, "sum"), &[0.1, 0.1, 0.2]);
    // 0 + 1 + 2 + 3 + 4 tenths.
    near(values(&results, "clock"), &[1.0, 1.0, 1.0]);
    // The spike of step 3 would arrive in step 6; that of step 1, of the third sample, arrives in step 4.
    near(values(&results, "got"), &[0.0, 0.0, 1.0]);
}

/// A decoder counts what its population fires in the same step, and starts afresh with each sample. Oracle: by hand.
#[test]
fn outputs_are_of_the_end_of_the_last_step() {
    let net = "network net(x: real[1]) -> (y: real[1]) { population a: driven[1](); x -> a.x; a |> seen -> y; probe a.spikes }
        neuron driven() { input x: real; state v: real = 0; v' = x / 1 ms; spike when v > 0.35 { v = 0 } }
        decoder seen: spikes -> real { state n: real = 0; on spike { n += 1 }; y = n }";
    // v is 0.4 in the fourth step, the last.
    let results = ran(net, "test { x: [[1], [2], [0]] } for 0.4 ms measure m = mean(y)");
    near(values(&results, "y"), &[1.0, 2.0, 0.0]);
}
