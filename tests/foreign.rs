//! Words and forms of other tools are told with what is written here: the first mistakes of those who come from Brian2, NEST, snnTorch or numpy.

use nmc_tests::told;

/// A program that is right, with one thing in it as another tool has it.
fn program(from: &str, to: &str) -> String {
    let right = "
use std.neuron.poisson
neuron cell(tau: time = 10 ms, low: voltage = -70 mV) {
    state v: voltage = uniform(-70 mV, -60 mV)
    v' = (low - v) / tau
    spike when v > -50 mV { v = low }
}
synapse jump { on pre { post.v += w } }
synapse gap { on pre { post.v += 0.1 * (pre.v - post.v) } }
network net() {
    population s: poisson[4](rate: 50 Hz)
    population a: cell[4]()
    connect s -> a { pattern: random(p: 50 %), synapse: jump, weight: 1 mV, delay: 2 ms }
    connect a -> a { pattern: all_to_all, synapse: gap, weight: 1 }
    probe a[0..2].v every 1 ms
}
experiment e { deploy net; run for 10 ms { step: 0.1 ms } }
";
    assert_eq!(told(right), []);
    assert_eq!(right.matches(from).count(), 1, "{from}");
    right.replace(from, to)
}

/// Each gets one error, and the help that mends it.
#[test]
fn words_of_other_tools_are_told_with_what_is_written_here() {
    for (from, to, code, help) in [
        ("random(p: 50 %)", "random(p=0.5)", "E0112", "an argument is given with `:`, `p: …`"),
        ("rate: 50 Hz", "rate=50 Hz", "E0112", "`rate: …`"),
        (
            "spike when v > -50 mV { v = low }",
            "threshold: v > -50 mV; reset: v = low",
            "E0112",
            "`spike when v > -50 mV { v = -70 mV }`",
        ),
        (
            "spike when v > -50 mV { v = low }",
            "threshold: v > -50 mV",
            "E0501",
            "`spike when v > -50 mV { v = -70 mV }`",
        ),
        ("{ v = low }\n", "{ v = low }\n refractory: 5 ms\n", "E0501", "`hold v for 5 ms`"),
        ("weight: 1 mV", "weight: lognormal(0, 1) * 1 mV", "E0222", "`exp(normal(mean, sigma))`"),
        ("weight: 1 mV", "weight: 2*mV", "E0201", "`1 mV`, not `1 * mV`"),
        ("(low - v)", "(-70*mV - v)", "E0201", "`1 mV`, not `1 * mV`"),
        ("post.v += w", "v_post += w", "E0201", "`post.v`"),
        ("(pre.v - post.v)", "(v_pre - post.v)", "E0201", "`pre.v`"),
        ("uniform(-70 mV, -60 mV)", "-70 mV + rand() * 10 mV", "E0222", "`uniform(0, 1)`"),
        ("uniform(-70 mV, -60 mV)", "-70 mV + randn() * 10 mV", "E0222", "`normal(0, 1)`"),
        ("(low - v)", "(low - v + int(v > low) * 1 mV)", "E0222", "`pulse(condition)`"),
        ("delay: 2 ms", "delay: 2 msec", "E0301", "`ms`"),
        ("a[0..2]", "a[0:2]", "E0101", "`0..5`"),
        ("(low - v)", "(low - v + (1 mV if v > low else 2 mV))", "E0101", "`if condition then a else b`"),
        ("weight: 1 mV", "weight: 1 mV if i == j else 2 mV", "E0101", "`if condition then a else b`"),
        ("poisson[4](rate: 50 Hz)", "PoissonGroup[4](rates: 50 Hz)", "E0201", "`use std.neuron.poisson`"),
        ("pattern: all_to_all", "pattern: i != j", "E0221", "`all_to_all(itself: false)`"),
        ("random(p: 50 %)", "pairwise_bernoulli(0.5)", "E0221", "`random(p: 10 %)`"),
        ("random(p: 50 %)", "fixed_outdegree(2)", "E0221", "`fixed_out_degree`"),
        ("random(p: 50 %)", "random(p: 50 %, condition: i != j)", "E0221", "`itself: false`"),
        ("(low - v) / tau", "(low - v) / tau + 5 mV * xi", "E0302", "`5 mV * sqrt(2 / tau) * xi`"),
        ("(low - v) / tau", "5 mV * xi", "E0302", "`5 mV * sqrt(2 / tau) * xi`"),
    ] {
        let errors: Vec<_> = told(&program(from, to)).into_iter().filter(|told| told.is_error()).collect();
        let found: Vec<_> =
            errors.iter().map(|told| (told.code.number(), told.help.as_deref().unwrap_or(""))).collect();
        let [(number, given)] = found[..] else { panic!("{to}: {found:?}") };
        assert_eq!(number, code, "{to}: {given}");
        assert!(given.contains(help), "{to}: {given}");
    }
}
