//! What connections draw: a fixed number of synapses among all pairs, normal numbers between two ends. Oracles: the distributions.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::{ConnectionId, Precision};
use nmc_runtime::{EngineKind, Recorded};
use nmc_tests::{ENGINES, codes, run, run_on, values};

/// Source and target of every synapse of the first connection.
fn pairs(pattern: &str, (from, to): (&str, &str), seed: u64) -> Vec<(usize, usize)> {
    let text = format!(
        "neuron cell() {{ state v: real = 0; spike when v > 1 {{ v = 0 }} }}
synapse add {{ on pre {{ post.v += w }} }}
network n() {{
    population a: cell[60]()
    population b: cell[40]()
    connect {from} -> {to} {{ pattern: {pattern}, synapse: add(), weight: i }}
}}
experiment e {{ deploy n; run for 1 ms {{ step: 0.1 ms }} }}"
    );
    let compilation = compile("pairs.nmc", &text, &NoFiles, &Options::default());
    let image = compilation.image.unwrap_or_else(|| panic!("{pattern}: {:?}", compilation.diagnostics));
    let wiring =
        nmc_runtime::connect::build(&image.programs[0], ConnectionId(0), seed, &|_, _, _, _| unreachable!()).unwrap();
    wiring
        .every_source(image.programs[0].connections[0].source_start)
        .map(|source| source as usize)
        .zip(wiring.targets.iter().map(|&target| target as usize))
        .collect()
}

/// Chi-squared over equally probable cells, in standard deviations about its mean.
fn uneven(counts: &[usize], draws: usize) -> f64 {
    let mean = draws as f64 / counts.len() as f64;
    let square: f64 = counts.iter().map(|&count| (count as f64 - mean).powi(2) / mean).sum();
    let freedom = (counts.len() - 1) as f64;
    (square - freedom) / (2.0 * freedom).sqrt()
}

/// As many as asked for, all pairs alike, pairs that come several times as often as chance has it.
#[test]
fn a_fixed_number_of_synapses_lies_among_all_pairs() {
    for (ends, pairs_of, pattern, number) in [
        (("a", "b"), 2400, "fixed_total_number(24000)", 24_000),
        (("a[10..25]", "b[5..20]"), 225, "fixed_total_number(4500)", 4500),
        (("a", "a"), 3600, "fixed_total_number(36000)", 36_000),
        (("a", "a"), 3540, "fixed_total_number(35400, itself: false)", 35_400),
        (("a[0..30]", "a[20..60]"), 1190, "fixed_total_number(23800, itself: false)", 23_800),
        (("a", "b"), 2400, "fixed_total_number(0)", 0),
    ] {
        let found = pairs(pattern, ends, 7);
        assert_eq!(found.len(), number, "{pattern}");
        assert!(found.is_sorted());
        let mut counts = std::collections::BTreeMap::new();
        found.iter().for_each(|pair| *counts.entry(*pair).or_insert(0) += 1);
        assert!(!pattern.contains("false") || found.iter().all(|(source, target)| source != target));
        let mut each: Vec<usize> = counts.into_values().collect();
        assert!(each.len() <= pairs_of);
        each.resize(pairs_of, 0);
        assert!(number == 0 || uneven(&each, number).abs() < 4.0, "{pattern} {}", uneven(&each, number));
    }
    assert_ne!(pairs("fixed_total_number(100)", ("a", "b"), 1), pairs("fixed_total_number(100)", ("a", "b"), 2));
}

/// Enough for threads to share. Oracle (cross): one thread; a spike adds once for each synapse, so that sums are in-degrees.
#[test]
fn synapses_are_the_same_on_any_number_of_threads() {
    let text = "
neuron cell() { state v: real = 0; spike when v > 1e9 { v = 0 } }
synapse add { on pre { post.v += w } }
network n(s: spikes[300]) {
    population a: cell[500]()
    population b: cell[500]()
    connect s -> a { pattern: fixed_total_number(200000), synapse: add(), weight: 1 }
    connect s -> b { pattern: fixed_total_number(200000), synapse: add(), weight: 1, delay: normal(1 ms, 0.5 ms, 0.1 ms, 3 ms) }
    probe a.v, b.v every 3.9 ms
}
experiment e { deploy n; run for 4 ms { step: 0.1 ms, s: spikes(ALL, NONE) } }";
    let list = |of: &dyn Fn(usize) -> usize| {
        format!("[{}]", (0..300).map(|at| of(at).to_string()).collect::<Vec<_>>().join(", "))
    };
    let text = text.replace("ALL", &list(&|at| at)).replace("NONE", &list(&|_| 0));
    let one = &run("one.nmc", &text, &NoFiles, EngineKind::Interpreter)[0];
    for engine in ENGINES {
        for threads in [1, 2, 3] {
            let other = &run_on("one.nmc", &text, &NoFiles, engine, threads)[0];
            assert_eq!(values(other, "a.v"), values(one, "a.v"));
            assert_eq!(values(other, "b.v"), values(one, "b.v"));
        }
    }
    for cell in ["a.v", "b.v"] {
        let last = &values(one, cell)[500..];
        assert_eq!(last.iter().sum::<f64>(), 200_000.0);
        // In-degrees are those of a binomial distribution: 400 on average, with a standard deviation of 20.
        let spread = (last.iter().map(|degree| (degree - 400.0).powi(2)).sum::<f64>() / 500.0).sqrt();
        assert!((spread - 20.0).abs() < 2.6, "{spread}");
    }
}

/// Shares within bins against the density between the ends; nothing beyond them. Oracle: analytic, by Simpson's rule.
#[test]
fn normal_numbers_between_ends_are_drawn_anew_outside() {
    let (mean, sigma) = (1.5, 0.75);
    for (low, high) in [(0.1, 10.0), (1.0, 2.0), (2.5, 4.0), (-3.0, 0.2)] {
        let text = format!(
            "neuron cell(x: real = 0) {{ state v: real = normal({mean}, {sigma}, {low}, {high}); v' = 0 / 1 s + x * 0 / 1 s }}
network n() {{ population a: cell[40000](); probe a.v from start }}
experiment e {{ deploy n; run for 0.1 ms {{ step: 0.1 ms }} }}"
        );
        for (engine, precision) in [
            (EngineKind::Interpreter, Precision::F64),
            (EngineKind::Jit, Precision::F64),
            (EngineKind::Jit, Precision::F32),
        ] {
            let compilation = compile("normal.nmc", &text, &NoFiles, &Options { precision, ..Options::default() });
            let image = compilation.image.unwrap_or_else(|| panic!("{:?}", compilation.diagnostics));
            let options = nmc_runtime::RunOptions { seed: 3, engine, threads: 1, memory: 1 << 30, progress: None };
            let results = nmc_runtime::run(&image.programs[0], &options).unwrap();
            let Recorded::Values { data, .. } = &results.recordings[0].values else { panic!("no values") };
            let v = &data[..40_000];
            assert!(v.iter().all(|v| (low - 1e-6..=high + 1e-6).contains(v)), "{low} {high}");
            let density = |x: f64| (-0.5 * ((x - mean) / sigma).powi(2)).exp();
            let area = |from: f64, to: f64| {
                let step = (to - from) / 200.0;
                let at = |k: usize| density(from + step * k as f64);
                (0..100).map(|k| at(2 * k) + 4.0 * at(2 * k + 1) + at(2 * k + 2)).sum::<f64>() * step / 3.0
            };
            let (first, last) = (low.max(mean - 5.0 * sigma), high.min(mean + 5.0 * sigma));
            let width = (last - first) / 20.0;
            for bin in 0..20 {
                let (from, to) = (first + width * f64::from(bin), first + width * f64::from(bin + 1));
                let share = v.iter().filter(|v| (from..to).contains(v)).count() as f64 / v.len() as f64;
                let wanted = area(from, to) / area(first, last);
                let off = 4.5 * (wanted * (1.0 - wanted) / v.len() as f64).sqrt() + 2.0 / v.len() as f64;
                assert!((share - wanted).abs() < off, "{low}..{high} {engine:?}: {from} {share} {wanted}");
            }
        }
    }
}

#[test]
fn what_cannot_be_drawn_is_told() {
    let text = |fields: &str| {
        format!(
            "neuron cell() {{ state v: voltage = 0 mV; spike when v > 1 V {{ v = 0 mV }} }}
network n() {{ population a: cell[3](); population one: cell[1](); connect {fields} }}
experiment e {{ deploy n; run for 1 ms {{ step: 0.1 ms }} }}"
        )
    };
    for (fields, code) in [
        ("a -> a { pattern: fixed_total_number(5), weight: 1 mV }", ""),
        ("one -> one { pattern: fixed_total_number(2, itself: false), weight: 1 mV }", "E0404"),
        ("a -> a { pattern: fixed_total_number, weight: 1 mV }", "E0221"),
        ("a -> a { pattern: fixed_total_number(2.5), weight: 1 mV }", "E0303"),
        ("a -> a { pattern: fixed_total_number(-1), weight: 1 mV }", "E0303"),
        ("a -> a { pattern: fixed_total_numbr(5), weight: 1 mV }", "E0221"),
        ("a -> a { pattern: one_to_one, weight: normal(1 mV, 1 mV, 0 mV, 2 mV) }", ""),
        ("a -> a { pattern: one_to_one, weight: normal(1 mV, 1 mV, 2 mV, 0 mV) }", "E0306"),
        ("a -> a { pattern: one_to_one, weight: normal(1 mV, -1 mV, 0 mV, 2 mV) }", "E0306"),
        ("a -> a { pattern: one_to_one, weight: normal(1 mV, 1 mV, 0 mV) }", "E0224"),
        ("a -> a { pattern: one_to_one, weight: normal(1 mV, 1 mV, 0, 2 ms) }", "E0302"),
        ("a -> a { pattern: one_to_one, weight: 1 mV, delay: normal(1 ms, 1 ms, -2 ms, -1 ms) }", "E0306"),
    ] {
        let found = codes(&text(fields));
        let wanted: &[&str] = if code.is_empty() { &[] } else { &[code] };
        assert_eq!(found, wanted, "{fields}");
    }
}
