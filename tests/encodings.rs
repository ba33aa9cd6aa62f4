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
