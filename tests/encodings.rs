//! Between numbers and spikes: what encoders emit and decoders give out is what their equations say.

use nmc_compiler::files::NoFiles;
use nmc_runtime::Recorded;
use nmc_tests::{ENGINES, recorded, run, values};

/// Spikes at random, counted and summed. Oracle: the Poisson distribution, five sigma.
#[test]
fn rates_are_encoded_and_counted() {
    let text = "
use std.code.{count, rate}

network net(x: real[2]) -> (y: real) {
    n = x |> rate(peak: 1 kHz) |> count
    n[0..1] + 2 * n[1..2] -> y
}

experiment e {
    deploy net { step: 0.1 ms }
    data d = [[1, 0.25], [1, 0.25], [1, 0.25], [1, 0.25]]
    test { x: d } for 100 ms measure m = mean(y)
}
";
    for engine in ENGINES {
        let results = &run("rates.nmc", text, &NoFiles, engine)[0];
        let sums = values(results, "y");
        let (often, seldom) = (100.0, 25.0);
        let mean = often + 2.0 * seldom;
        let sigma = f64::sqrt(often + 4.0 * seldom);
        assert_eq!(sums.len(), 4);
        assert!(sums.iter().all(|sum| (sum - mean).abs() < 5.0 * sigma), "{sums:?} for {mean}, sigma {sigma}");
        assert!(sums[0] != sums[1]);
    }
}

/// A draw in every step. Oracle: the binomial distribution, five sigma; what is certain or impossible has no spread.
#[test]
fn steps_are_drawn_one_by_one() {
    let text = "
use std.code.{bernoulli, count}
network net(x: real[3]) -> (y: real[3]) { x |> bernoulli |> count -> y }
experiment e {
    deploy net { step: 1 ms }
    data d = [[0, 0.5, 1], [0, 0.5, 1]]
    test { x: d } for 1 s measure m = mean(y)
}
";
    for engine in ENGINES {
        let results = &run("bernoulli.nmc", text, &NoFiles, engine)[0];
        let counts = values(results, "y");
        assert_eq!((counts[0], counts[2], counts[3], counts[5]), (0.0, 1000.0, 0.0, 1000.0));
        let sigma = f64::sqrt(1000.0 * 0.25);
        assert!([counts[1], counts[4]].iter().all(|count| (count - 500.0).abs() < 5.0 * sigma), "{counts:?}");
        assert!(counts[1] != counts[4]);
    }
}

/// One spike a sample, the earlier the larger the number, seen through a leaky filter. Oracle: the closed form.
#[test]
fn latencies_are_encoded_and_filtered() {
    let text = "
use std.code.{filtered, latency}

network net(x: real[3]) -> (y: real[3]) {
    early = x |> latency(window: 20 ms)
    early |> filtered(tau: 5 ms) -> y
    probe early.spikes
}

experiment e {
    deploy net { step: 0.1 ms }
    data d = [[0.9, 0.5, 0.26]]
    test { x: d } for 20 ms measure m = mean(y)
}
";
    for engine in ENGINES {
        let results = &run("latencies.nmc", text, &NoFiles, engine)[0];
        let Recorded::Spikes { neuron, step, .. } = recorded(results, "early.spikes") else { panic!() };
        assert_eq!((&neuron[..], &step[..]), (&[0, 1, 2][..], &[20, 100, 148][..]));
        // A spike of one step arrives in it, and 199 is the last.
        for (found, step) in values(results, "y").iter().zip(step) {
            let wanted = (-0.1 * (199 - step) as f64 / 5.0).exp();
            assert!((found - wanted).abs() < 1e-12, "{found} for {wanted}");
        }
    }
}

/// Elements and steps of the spikes of one sample of numbers behind an encoder, on both engines, in double precision.
fn emitted(encoder: &str, numbers: &str, time: &str) -> Vec<(u32, u64)> {
    let name = encoder.split('(').next().unwrap();
    let wide = numbers.matches(',').count() + 1;
    let text = format!(
        "
use std.code.{name}
network net(x: real[{wide}]) -> (y: real[{wide}]) {{ s = x |> {encoder}; probe s.spikes; s -> y }}
experiment e {{ deploy net {{ step: 0.5 ms }}; test {{ x: [[{numbers}]] }} for {time} measure m = mean(y) }}"
    );
    let [first, second] = ENGINES.map(|engine| run("code.nmc", &text, &NoFiles, engine).swap_remove(0));
    assert_eq!(first.recordings, second.recordings);
    let Recorded::Spikes { neuron, step, .. } = recorded(&first, "s.spikes") else { panic!() };
    let mut all: Vec<(u32, u64)> = neuron.iter().copied().zip(step.iter().copied()).collect();
    all.sort_unstable();
    all
}

/// A spike in each of three periods of 20 steps. Oracle: by hand.
#[test]
fn phases_are_of_a_period() {
    let wanted = [(0, 0), (0, 20), (0, 40), (1, 10), (1, 30), (1, 50), (2, 15), (2, 35), (2, 55)];
    assert_eq!(emitted("phase(period: 10 ms)", "1, 0.5, 0.25, 0", "30 ms"), wanted);
}

/// Oracle: binary digits; what is sent is found again.
#[test]
fn digits_are_sent_step_by_step() {
    // 0.6875 = 0.1011, 0.3125 = 0.0101.
    let wanted = [(0, 0), (0, 2), (0, 3), (1, 1), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)];
    assert_eq!(emitted("weighted_phase(bits: 4)", "0.6875, 0.3125, 1, 0", "2 ms"), wanted);
    let twice: Vec<(u32, u64)> = wanted.iter().flat_map(|&(n, step)| [(n, step), (n, step + 4)]).collect();
    let mut found = emitted("weighted_phase(bits: 4)", "0.6875, 0.3125, 1, 0", "4 ms");
    found.sort_unstable();
    let mut twice = twice;
    twice.sort_unstable();
    assert_eq!(found, twice);
    let text = "
use std.code.{phase_sum, weighted_phase}
network net(x: real[4]) -> (y: real[4]) { x |> weighted_phase |> phase_sum -> y }
experiment e {
    deploy net { step: 1 ms }
    test { x: [[0.3, 0.999, 0, 0.5], [0.7, 0.1, 1, 0.25]] } for 8 ms measure m = mean(y)
}";
    for engine in ENGINES {
        let given = [0.3, 0.999, 0.0, 0.5, 0.7, 0.1, 1.0 - 1.0 / 256.0, 0.25_f64];
        let sent = given.map(|x| (x * 256.0).floor() / 256.0);
        assert_eq!(values(&run("digits.nmc", text, &NoFiles, engine)[0], "y"), sent);
    }
}

/// Oracle: ceil(5 x) spikes, 10 ms - 8 ms x apart.
#[test]
fn bursts_are_longer_and_denser_for_more() {
    let wanted = [(0, 0), (0, 4), (0, 8), (0, 12), (0, 16), (1, 0), (1, 12), (1, 24), (2, 0)];
    assert_eq!(emitted("burst", "1, 0.5, 0.2, 0", "30 ms"), wanted);
}

/// A number that goes up and down in steps: events for each tenth, and the number again from their counts. Oracle: by hand.
#[test]
fn changes_are_told_up_and_down() {
    let text = "
use std.code.{count, fall, rise}
network net(x: real) -> (y: real) {
    up = x |> rise(theta: 0.1)
    down = x |> fall(theta: 0.1)
    probe up.spikes, down.spikes
    0.1 * count(up) - 0.1 * count(down) -> y
}
experiment e {
    deploy net { step: 1 ms }
    test { x: [[[0.05], [0.25], [0.32], [0.11], [0.22], [-0.15]]] every 5 ms } for 30 ms measure m = mean(y)
}";
    for engine in ENGINES {
        let results = &run("events.nmc", text, &NoFiles, engine)[0];
        let steps = |name: &str| {
            let Recorded::Spikes { step, .. } = recorded(results, name) else { panic!() };
            step.clone()
        };
        // Levels 0.1 and 0.2, 0.3, down to 0.2, which 0.22 is not 0.1 above, down to -0.1.
        assert_eq!(steps("up.spikes"), [5, 6, 10]);
        assert_eq!(steps("down.spikes"), [15, 25, 26, 27]);
        assert!((values(results, "y")[0] + 0.1).abs() < 1e-12);
    }
}

/// What `latency` was given, to the step; a second spike does not count. Oracle: by hand.
#[test]
fn the_first_spike_tells_the_number() {
    let text = "
use std.code.{first_spike, latency, phase}
network net(x: real[4]) -> (y: real[4], z: real[4]) {
    x |> latency(window: 20 ms) |> first_spike(window: 20 ms) -> y
    x |> phase(period: 10 ms) |> first_spike(window: 10 ms) -> z
}
experiment e {
    deploy net { step: 0.1 ms }
    test { x: [[0.9, 0.5, 0.26, 0], [0.1, 1, 0.33, 0.7]] } for 20 ms measure m = mean(y)
}";
    for engine in ENGINES {
        let results = &run("first.nmc", text, &NoFiles, engine)[0];
        for name in ["y", "z"] {
            for (found, x) in values(results, name).iter().zip([0.9, 0.5, 0.26, 0.0, 0.1, 1.0, 0.33, 0.7]) {
                // To the step.
                assert!((found - x).abs() < 0.0051, "{name}: {found} for {x}");
            }
        }
    }
}

/// Weights of four inputs times 0.5 to the power of the rank of each. Oracle: by hand.
#[test]
fn ranks_weigh_what_arrives() {
    let text = "
use std.code.{latency, rank_order, ranked}
network net(x: real[4]) -> (y: real[2]) {
    early = x |> latency(window: 20 ms)
    population seen: rank_order[2]()
    connect early -> seen {
        pattern: all_to_all, synapse: ranked(modulation: 0.5), weight: if j == 0 then 1 + i else 4 - i
    }
    seen.v -> y
}
experiment e {
    deploy net { step: 0.1 ms }
    test { x: [[0.9, 0.5, 0.7, 0.1], [0.2, 0.3, 0.4, 0.6]] } for 20 ms measure m = mean(y)
}";
    for engine in ENGINES {
        // Order 0 2 1 3, then 3 2 1 0.
        let wanted = [
            1.0 + 3.0 / 2.0 + 2.0 / 4.0 + 4.0 / 8.0,
            4.0 + 2.0 / 2.0 + 3.0 / 4.0 + 1.0 / 8.0,
            4.0 + 3.0 / 2.0 + 2.0 / 4.0 + 1.0 / 8.0,
            1.0 + 2.0 / 2.0 + 3.0 / 4.0 + 4.0 / 8.0,
        ];
        assert_eq!(values(&run("ranks.nmc", text, &NoFiles, engine)[0], "y"), wanted);
    }
}

/// A number among 41 tuning curves comes back from their spikes. Oracle: the curves' rates, summed; the estimate within five sigma.
#[test]
fn a_population_tells_a_number() {
    let text = "
use std.code.{population_vector, tuned, vote}
network net(x: real) -> (y: real) {
    population cells: tuned[41](centre: -0.5 + i * 0.05, width: 0.1, peak: 100 Hz)
    population readout: population_vector[1]()
    x -> cells.x
    connect cells -> readout { synapse: vote(), weight: -0.5 + i * 0.05 }
    probe cells.rate every 2 s
    readout.y -> y
}
experiment e {
    deploy net { step: 1 ms }
    test { x: [0.3, 0.74] } for 2 s measure m = mean(y)
}";
    for engine in ENGINES {
        let results = &run("tuned.nmc", text, &NoFiles, engine)[0];
        for (sample, x) in [0.3, 0.74].into_iter().enumerate() {
            let rates = (0..41).map(|i| 100.0 * (-((x + 0.5 - f64::from(i) * 0.05) / 0.1_f64).powi(2) / 2.0).exp());
            let all: f64 = rates.sum();
            let spikes = 2.0 * all;
            let found = values(results, "cells.rate")[sample] * 41.0 * 2.0;
            assert!((found - spikes).abs() < 5.0 * spikes.sqrt(), "{found} spikes for {spikes}");
            // The mean of so many votes, each a tuning curve's width off.
            let estimate = values(results, "y")[sample];
            assert!((estimate - x).abs() < 5.0 * 0.1 / spikes.sqrt(), "{estimate} for {x}");
        }
    }
}

/// What a pixel of five by five and its eight neighbours say of how long ago something happened, added up at each of its events.
/// Oracle: the closed form, the sum of `exp(-(t - last) / tau)` over events and neighbours.
#[test]
fn time_surfaces_are_read_about_events() {
    // Pixel and step, some at once, some twice at one pixel.
    let events = [(0, 3), (6, 5), (1, 5), (0, 9), (7, 9), (24, 9), (18, 12), (0, 12), (12, 20), (6, 33), (24, 38)];
    let list = |of: fn(&(usize, usize)) -> usize| {
        events.iter().map(|event| of(event).to_string()).collect::<Vec<_>>().join(", ")
    };
    let (pixels, steps, zeros) = (list(|event| event.0), list(|event| event.1), list(|_| 0));
    let text = format!(
        "
use std.code.{{per_step, time_surface}}
neuron reader {{
    method: euler
    input near: real
    input event: real
    state sum: real = 0
    sum' = event * near / dt
}}
network net(e: spikes[25]) -> (sums: real[25], surface: real[25]) {{
    s = e |> time_surface(tau: 3 ms)
    population readers: reader[25]()
    s |> reshape(1, 5, 5) |> conv2d([[[[1, 1, 1], [1, 1, 1], [1, 1, 1]]]], padding: 1) |> flatten -> readers.near
    e |> per_step -> readers.event
    readers.sum -> sums
    s -> surface
}}
experiment x {{
    deploy net {{ step: 0.5 ms }}
    test {{ e: spikes([{pixels}], [{steps}], [{zeros}]) }} for 20 ms
        measure m = mean(sums)
        measure n = mean(surface)
}}
"
    );
    // The value at a pixel at the end of a step.
    let surface = |pixel: usize, step: usize| {
        let last = events.iter().filter(|event| event.0 == pixel && event.1 <= step).map(|event| event.1).max();
        last.map_or(0.0, |last| (-((step - last) as f64) * 0.5 / 3.0).exp())
    };
    let near = |a: usize, b: usize| (a / 5).abs_diff(b / 5) <= 1 && (a % 5).abs_diff(b % 5) <= 1;
    let mut sums = [0.0; 25];
    for (pixel, step) in events {
        sums[pixel] += (0..25).filter(|&other| near(pixel, other)).map(|other| surface(other, step)).sum::<f64>();
    }
    for engine in ENGINES {
        let results = &run("surfaces.nmc", &text, &NoFiles, engine)[0];
        for (name, expected) in [("sums", sums.to_vec()), ("surface", (0..25).map(|at| surface(at, 39)).collect())] {
            for (found, expected) in values(results, name).iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{name}: {found}, {expected}");
            }
        }
    }
}
