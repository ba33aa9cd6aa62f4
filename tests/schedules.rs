//! Rates of learning from epoch to epoch, and training that ends by samples it does not learn from.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_runtime::Results;
use nmc_tests::{ENGINES, run, values};

/// One weight from 0, that is to become 1: an epoch of one sample of 1 leaves (1 - rate) of what is missing.
fn one(by: &str) -> String {
    format!(
        "const falling = [0.4, 0.3]
network n(x: real[1]) -> (y: real[1]) {{ x |> dense([[0]]) -> y }}
experiment e {{ deploy n; train {{ x: [[1]] }} expect y == [[1]] by backprop({by}); test {{ x: [[1]] }} measure m = mean(y) }}"
    )
}

/// Oracle: the rates by hand, those of a cosine by the formula of PyTorch's CosineAnnealingLR, T_max being the number of epochs.
#[test]
fn rates_follow_their_schedule() {
    let cosine =
        |epoch: f64, of: f64, to: f64| to + 0.5 * (0.4 - to) * (1.0 + (std::f64::consts::PI * epoch / of).cos());
    let cases: [(&str, Vec<f64>); 9] = [
        ("rate: 0.4, epochs: 3", vec![0.4, 0.4, 0.4]),
        ("rate: 0.4, decay: 0.5, epochs: 4", vec![0.4, 0.2, 0.1, 0.05]),
        ("rate: [0.4, 0.3], epochs: 4", vec![0.4, 0.3, 0.3, 0.3]),
        ("rate: falling, epochs: 3", vec![0.4, 0.3, 0.3]),
        ("rate: step(0.4, factor: 0.5, every: 2), epochs: 5", vec![0.4, 0.4, 0.2, 0.2, 0.1]),
        ("rate: cosine(0.4), epochs: 3", (0..3).map(|e| cosine(e as f64, 3.0, 0.0)).collect()),
        ("rate: cosine(0.4, to: 0.1), epochs: 4", (0..4).map(|e| cosine(e as f64, 4.0, 0.1)).collect()),
        ("rate: 0.4, warm_up: 3, epochs: 5", vec![0.1, 0.2, 0.3, 0.4, 0.4]),
        ("rate: cosine(0.4), warm_up: 1, epochs: 3", vec![0.2, 0.4, cosine(1.0, 2.0, 0.0)]),
    ];
    for engine in ENGINES {
        for (by, rates) in &cases {
            let found = run("rates", &one(by), &NoFiles, engine).remove(0);
            let left: f64 = rates.iter().map(|rate| 1.0 - rate).product();
            assert!((values(&found, "y")[0] - (1.0 - left)).abs() < 1e-6, "{by}: {:?}", values(&found, "y"));
            let losses: Vec<f64> = found.training[0].loss.clone();
            let mut missing = 1.0;
            for (epoch, rate) in rates.iter().enumerate() {
                assert!((losses[epoch] - missing * missing / 2.0).abs() < 1e-6, "{by}: {losses:?}");
                missing *= 1.0 - rate;
            }
        }
    }
}

#[test]
fn rates_that_cannot_be_are_told() {
    let told = |by: &str| -> Vec<&'static str> {
        let all = compile("rates", &one(by), &NoFiles, &Options::default()).diagnostics;
        all.iter().filter(|one| one.is_error()).map(|one| one.code.number()).collect()
    };
    assert_eq!(told("rate: 0.1, epochs: 3, warm_up: 2"), Vec::<&str>::new());
    for by in [
        "rate: 0",
        "rate: [0.1, 0]",
        "rate: linear(0.1)",
        "rate: step(0.1)",
        "rate: cosine(0.1, every: 2)",
        "rate: step(0.1, factor: 0.5)",
    ] {
        assert_eq!(told(by), ["E0306"], "{by}");
    }
    for by in ["rate: [0.1], decay: 0.5", "rate: [0.1, 0.2], warm_up: 1, epochs: 2", "rate: 0.1, warm_up: 3, epochs: 3"]
    {
        assert_eq!(told(by), ["E0415"], "{by}");
    }
    // One sample: none is left to learn from, or none to look at.
    for by in ["rate: 0.1, held_out: 20 %", "rate: 0.1, held_out: 100 %", "rate: 0.1, patience: 0"] {
        assert_eq!(told(by).len(), 1, "{by}");
    }
}

fn held_out(by: &str, samples: &str, targets: &str) -> Results {
    let text = format!(
        "network n(x: real[1]) -> (y: real[1]) {{ x |> dense([[0]]) -> y }}
experiment e {{ deploy n; train {{ x: {samples} }} expect y == {targets} by backprop({by}); test {{ x: [[1]] }} measure m = mean(y) }}"
    );
    let [first, second] = ENGINES.map(|engine| run("held out", &text, &NoFiles, engine).remove(0));
    assert_eq!(first.training, second.training);
    assert_eq!(values(&first, "y"), values(&second, "y"));
    first
}

/// The weight goes to 1, what is held out wants 0.5. Oracles: by hand; and the same training on data without what is held out.
#[test]
fn samples_held_out_end_training_and_teach_nothing() {
    let (samples, targets) = ("[[1], [1], [1], [1], [2]]", "[[1], [1], [1], [1], [1]]");
    let weight = |epochs: i32| 1.0 - 0.9_f64.powi(4 * epochs);
    let missed = |epochs: usize| (2.0 * weight(epochs as i32) - 1.0).powi(2) / 2.0;
    let best = (1..20).min_by(|a, b| missed(*a).total_cmp(&missed(*b))).unwrap();
    for patience in [1, 2, 3] {
        let by = format!("rate: 0.1, epochs: 20, held_out: 20 %, patience: {patience}");
        let found = held_out(&by, samples, targets);
        let losses = &found.training[0].held_out_loss;
        assert_eq!(losses.len(), best + patience, "{losses:?}");
        for (epoch, loss) in losses.iter().enumerate() {
            assert!((loss - missed(epoch + 1)).abs() < 1e-6, "{losses:?}");
        }
        assert!((values(&found, "y")[0] - weight((best + patience) as i32)).abs() < 1e-6);
        assert_eq!(found.training[0].samples, 5 * (best + patience));
        let alone = held_out(
            &format!("rate: 0.1, epochs: {}", best + patience),
            "[[1], [1], [1], [1]]",
            "[[1], [1], [1], [1]]",
        );
        assert_eq!(alone.training[0].loss, found.training[0].loss);
    }
    // A loss below which it ends is that of what is held out.
    let found = held_out("rate: 0.1, epochs: 20, held_out: 20 %, stop: 0.05", samples, targets);
    let first = (1..20).find(|epochs| missed(*epochs) < 0.05).unwrap();
    assert_eq!(found.training[0].loss.len(), first);
    // Without any, patience waits for the loss of training.
    let rising = held_out("rate: 2.5, epochs: 20, patience: 2", "[[1]]", "[[1]]");
    assert_eq!(rising.training[0].loss.len(), 3);
}

/// Batches, labels and an order of their own: what is learned is what is learned without the samples held out, and their loss is that of a test.
#[test]
fn held_out_accuracy_is_that_of_a_test() {
    let text = |data: &str, labels: &str, held: &str| {
        format!(
            "network n(x: real[2]) -> (y: real[2]) {{ x |> dense([[0.5, -0.5], [0.2, 0.1]]) -> y }}
experiment e {{
    deploy n
    train {{ x: {data} }} expect argmax(y) == {labels} by backprop(rate: 0.1, batch: 3, epochs: 4, shuffle: false{held})
    test {{ x: [[0.9, 0.1], [0.2, 0.7], [0.4, 0.3]] }} expect argmax(y) == [0, 1, 0]
}}"
        )
    };
    let trained = "[[0.1, 0.9], [0.8, 0.2], [0.3, 0.5], [0.7, 0.6], [0.2, 0.4], [0.9, 0.3], [0.6, 0.1]";
    let both = |data: &str, labels: &str, held: &str| {
        let [first, second] =
            ENGINES.map(|engine| run("held out", &text(data, labels, held), &NoFiles, engine).remove(0));
        assert_eq!((&first.training, &first.metrics), (&second.training, &second.metrics));
        first
    };
    let with = both(
        &format!("{trained}, [0.9, 0.1], [0.2, 0.7], [0.4, 0.3]]"),
        "[1, 0, 1, 0, 1, 0, 0, 0, 1, 0]",
        ", held_out: 30 %",
    );
    let without = both(&format!("{trained}]"), "[1, 0, 1, 0, 1, 0, 0]", "");
    assert_eq!(with.training[0].loss, without.training[0].loss);
    let metric = |results: &Results, wanted: &str| {
        results.metrics.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value).unwrap()
    };
    assert_eq!(metric(&with, "accuracy.held_out"), metric(&with, "accuracy"));
    assert_eq!(metric(&with, "accuracy"), metric(&without, "accuracy"));
}

/// A layer behind which stands a function without a slope is not moved by training: that is told, of it alone.
#[test]
fn a_layer_that_no_gradient_reaches_is_told() {
    let told = |act: &str, layers: &str| -> Vec<(&'static str, String)> {
        let text = format!(
            "network n(x: real[2]) -> (y: real[1]) {{
    a = x |> dense(3, bias: true)
    b = a |> {act} |> dense(1, bias: true)
    b -> y
}}
experiment e {{ deploy n; train {{ x: [[1, 0], [0, 1]] }} expect y == [[1], [0]] by backprop(rate: 0.1{layers}) }}"
        );
        let all = compile("still", &text, &NoFiles, &Options::default()).diagnostics;
        all.into_iter().map(|one| (one.code.number(), one.message)).collect()
    };
    for act in ["step", "sign", "winner_take_all(2)"] {
        let all = told(act, "");
        assert!(matches!(&all[..], [("W0467", message)] if message.contains("`a`")), "{act}: {all:?}");
    }
    assert_eq!(told("relu", ""), []);
}

/// Of arguments with names, and of a pattern's number, there is one each.
#[test]
fn arguments_are_given_once() {
    let codes = |text: &str| -> Vec<&'static str> {
        compile("twice", text, &NoFiles, &Options::default()).diagnostics.iter().map(|one| one.code.number()).collect()
    };
    let layer = |layer: &str| format!("network n(x: real[1, 4, 4]) -> (y: real) {{ x |> {layer} |> flatten -> y }}");
    for twice in ["max_pool(2, stride: 2, stride: 3)", "conv2d(2, window: 3, bias: true, bias: false)"] {
        assert_eq!(codes(&layer(twice)), ["E0520"], "{twice}");
    }
    assert_eq!(
        codes(&one("rate: 0.1, rate: 0.2").replace("n(x", "net(x").replace("deploy n", "deploy net")),
        ["E0520"]
    );
    let net = |population: &str, pattern: &str| {
        format!(
            "use std.neuron.lif
network net() {{
    population a: lif[4]({population})
    connect a -> a {{ pattern: {pattern}, weight: 1 mV }}
}}"
        )
    };
    assert_eq!(codes(&net("bias: 0.1 nA, bias: 0.2 nA", "all_to_all")), ["E0520"]);
    for pattern in ["fixed_in_degree(2, 3)", "random(p: 10 %, n: 3)", "fixed_total_number(5, 6)"] {
        assert_eq!(codes(&net("", pattern)), ["E0221"], "{pattern}");
    }
    assert_eq!(codes(&net("", "random(p: 10 %, p: 20 %)")), ["E0520"]);
    assert_eq!(codes(&net("", "fixed_in_degree(2, itself: false, itself: true)")), ["E0520"]);
    assert_eq!(
        codes(
            "core k { neurons: 4 }\nchip c { cores: k; network: mesh(flit: 20 bit, hop: 1 ns, energy: 1 pJ per bit); ideal: 2 }"
        ),
        ["E0503"]
    );
}
