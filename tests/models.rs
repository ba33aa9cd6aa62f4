//! What a modeller says of populations and their inputs: parameters of each element, data in time. Oracles: closed forms and plain loops.

use nmc_compiler::files::NoFiles;
use nmc_tests::{ENGINES, codes, run, spikes, values};

const LEAK: &str = "
neuron leak(tau: time = 10 ms, start: voltage = 0 mV, drive: voltage = 0 mV) {
    input i: current
    state v: voltage = start
    v' = (drive - v + i * 1 Mohm) / tau
}";

#[track_caller]
fn near(found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-12, "{found:?} {wanted:?}");
    }
}

/// By index, by data or by both the elements are the same, and each is what its own equation says.
#[test]
fn parameters_may_be_of_each_element() {
    let text = |args: &str| {
        format!(
            "{LEAK}
            network n() {{ population a: leak[4]({args}); probe a.v every 10 ms }}
            experiment e {{ deploy n; run for 20 ms {{ step: 0.1 ms }} }}"
        )
    };
    // Recorded after the first step and 10 ms later.
    let of = |element: usize, after: f64| {
        let (tau, start, drive) = (10.0 * (1.0 + element as f64), 1.0 + element as f64, 0.5 * element as f64);
        1e-3 * (drive + (start - drive) * (-after / tau).exp())
    };
    let wanted: Vec<f64> = [0.1, 10.1].iter().flat_map(|&after| (0..4).map(move |e| of(e, after))).collect();
    for args in [
        "tau: (1 + i) * 10 ms, start: 1 mV + i * 1 mV, drive: i * 0.5 mV",
        "tau: [1, 2, 3, 4] * 10 ms, start: [1, 2, 3, 4] * 1 mV, drive: [0, 0.5, 1, 1.5] * 1 mV",
        "[[1, 2], [3, 4]] * 10 ms, drive: [0, 0.5, 1, 1.5] * 1 mV, start: 1 mV + i * 1 mV",
    ] {
        for engine in ENGINES {
            near(values(&run("elements", &text(args), &NoFiles, engine)[0], "a.v"), &wanted);
        }
    }
    for (args, code) in [
        ("tau: [1, 2, 3] * 10 ms", "E0310"),
        ("tau: [1, 2, 3, 4]", "E0302"),
        ("tau: [1, 0, 3, 4] * 1 ms", "E0306"),
        ("tau: i * 1 ms", "E0306"),
        ("tau: i", "E0302"),
        ("tau: j * 1 ms", "E0201"),
        ("[1, 2, 3, 4] * 1 ms, tau: 1 ms", "E0520"),
    ] {
        assert!(codes(&text(args)).contains(&code), "{args}: {:?}", codes(&text(args)));
    }
}

/// Of every sample and every run; the last row stays.
#[test]
fn inputs_are_shown_data_in_time() {
    let text = |phase: &str| {
        format!(
            "{LEAK}
            network n(x: real[2]) -> (y: real[2]) {{
                population a: leak[2]()
                x |> scale(1 nA) -> a.i
                a.v |> scale(1 / 1 mV) -> y
            }}
            experiment e {{ deploy n {{ step: 0.1 ms }}; {phase} }}"
        )
    };
    let step = |v: &mut [f64; 2], x: [f64; 2]| {
        let kept = (-0.01_f64).exp();
        v.iter_mut().zip(x).for_each(|(v, x)| *v = x + (*v - x) * kept);
    };
    let shown = |rows: &[[f64; 2]], each: usize, steps: usize| {
        let mut v = [0.0; 2];
        (0..steps).for_each(|at| step(&mut v, rows[(at / each).min(rows.len() - 1)]));
        v
    };
    let samples = [[[1.0, 2.0], [0.0, 1.0], [3.0, 3.0]], [[-1.0, 0.0], [0.5, 0.0], [0.0, 9.0]]];
    let data = "[[[1, 2], [0, 1], [3, 3]], [[-1, 0], [0.5, 0], [0, 9]]]";
    for engine in ENGINES {
        let test = text(&format!("test {{ x: {data} every 2 ms }} for 8 ms measure m = mean(y)"));
        let wanted: Vec<f64> = samples.iter().flat_map(|rows| shown(rows, 20, 80)).collect();
        near(values(&run("test", &test, &NoFiles, engine)[0], "y"), &wanted);
        let once = text("test { x: [[1, 2]] } for 8 ms measure m = mean(y)");
        near(values(&run("held", &once, &NoFiles, engine)[0], "y"), &shown(&[[1.0, 2.0]], 1, 80));
    }
    let running =
        text("run for 6 ms { x: [[1, 2], [0, 1], [3, 3]] every 2 ms }; run for 1 ms { x: [[1, 2]] every 2 ms }")
            .replace("a.v |>", "probe a.v every 1 ms; a.v |>");
    for engine in ENGINES {
        let results = &run("run", &running, &NoFiles, engine)[0];
        let mut v = [0.0; 2];
        let mut wanted = Vec::new();
        for at in 0..70 {
            let row = if at < 60 { samples[0][at / 20] } else { [1.0, 2.0] };
            step(&mut v, row);
            if at % 10 == 0 {
                wanted.extend(v.map(|v| 1e-3 * v));
            }
        }
        near(values(results, "a.v"), &wanted);
    }
    for (phase, code) in [
        ("run for 6 ms { x: [[1, 2], [0, 1]] }", "E0310"),
        ("run for 6 ms { x: [[1, 2, 3]] every 1 ms }", "E0308"),
        ("run for 6 ms { x: [[1, 2]] every 0 ms }", "E0306"),
        ("run for 6 ms { x: [[1, 2]] every 3 }", "E0304"),
        ("run for 6 ms { x: 1, restart: true every 1 ms }", "E0401"),
        ("test { x: [[1, 2]] every 1 ms } for 2 ms measure m = mean(y)", "E0308"),
    ] {
        assert!(codes(&text(phase)).contains(&code), "{phase}: {:?}", codes(&text(phase)));
    }
}

/// A leaky membrane whose drive and time constant change from run to run. Oracle: analytic.
#[test]
fn runs_change_parameters() {
    let text = "
neuron leaky(tau: time = 20 ms, drive: voltage = 0 mV) {
    state v: voltage = 10 mV
    v' = (drive - v) / tau
}
network n() {
    population a: leaky[2]()
    population b: leaky[1](tau: 10 ms)
    probe a.v every 0.1 ms
    probe b.v every 0.1 ms
}
experiment e {
    deploy n { step: 0.1 ms }
    run for 10 ms
    run for 10 ms { set a.drive = 5 mV, set b.tau = 2 ms }
    run for 10 ms
    run for 10 ms { restart: true, set a.tau = 5 ms }
}";
    for engine in ENGINES {
        let results = &run("changes.nmc", text, &NoFiles, engine)[0];
        let at = |from: f64, to: f64, taus: f64| to + (from - to) * (-taus).exp();
        let first = at(10e-3, 0.0, 0.5);
        let second = at(first, 5e-3, 0.5);
        let (third, fourth) = (at(second, 5e-3, 0.5), at(10e-3, 5e-3, 2.0));
        let ends = |name: &str, width: usize| {
            let rows = values(results, name).chunks(width).skip(99).step_by(100);
            rows.map(<[f64]>::to_vec).collect::<Vec<_>>()
        };
        for (pair, wanted) in ends("a.v", 2).iter().zip([first, second, third, fourth]) {
            assert!(pair.iter().all(|v| (v - wanted).abs() < 1e-12), "{pair:?} for {wanted}");
        }
        let b = [at(10e-3, 0.0, 1.0), at(10e-3, 0.0, 6.0), at(10e-3, 0.0, 11.0), at(10e-3, 0.0, 5.0)];
        for (v, wanted) in ends("b.v", 1).iter().zip(b) {
            assert!((v[0] - wanted).abs() < 1e-12, "{v:?} for {wanted}");
        }
    }
    let wrong = |change: &str| {
        codes(&format!(
            "{}\nexperiment w {{ deploy n {{ step: 0.1 ms }}; {change} }}",
            text.split("experiment").next().unwrap()
        ))
    };
    assert_eq!(wrong("run for 1 ms { set a.drift = 1 mV }"), ["E0206"]);
    assert_eq!(wrong("run for 1 ms { set c.drive = 1 mV }"), ["E0201"]);
    assert_eq!(wrong("run for 1 ms { set a.tau = 0 ms }"), ["E0306"]);
    assert_eq!(wrong("run for 1 ms { set a.tau = 1 mV }"), ["E0302"]);
    assert_eq!(wrong("test { set a.tau = 1 ms } for 1 ms measure m = mean(y)"), ["E0401"]);
}

/// States that a run sets go on from there, after a restart, too; one that is held stays where it is set until that ends. Oracle: analytic.
#[test]
fn runs_set_states() {
    let text = "
neuron leaky(tau: time = 20 ms) {
    state v: voltage = 10 mV
    state n: real = 0
    v' = -v / tau
    spike when v > 20 mV { v = 0 mV; hold v for 2 ms; n += 1 }
}
network n() { population a: leaky[2](); probe a.v every 0.1 ms; probe a.spikes, a.n }
experiment e {
    deploy n { step: 0.1 ms }
    run for 5 ms { set a.v = 8 mV }
    run for 5 ms { set a.v = -4 mV }
    run for 5 ms { restart: true, set a.v = 6 mV }
    run for 1 ms { set a.v = 25 mV, set a.n = 7 }
    run for 5 ms { set a.v = 3 mV }
}";
    for engine in ENGINES {
        let results = &run("sets.nmc", text, &NoFiles, engine)[0];
        let rows: Vec<&[f64]> = values(results, "a.v").chunks(2).collect();
        let decayed = |from: f64, ms: f64| 1e-3 * from * (-ms / 20.0).exp();
        // The spike of the fourth run comes in its first step, 150, and `v` moves again in step 170.
        for (row, wanted) in [
            (0, decayed(8.0, 0.1)),
            (49, decayed(8.0, 5.0)),
            (50, decayed(-4.0, 0.1)),
            (99, decayed(-4.0, 5.0)),
            (149, decayed(6.0, 5.0)),
            (150, 0.0),
            (159, 0.0),
            (160, 3e-3),
            (169, 3e-3),
            (209, decayed(3.0, 4.0)),
        ] {
            assert!(rows[row].iter().all(|v| (v - wanted).abs() < 1e-12), "{row}: {:?} for {wanted}", rows[row]);
        }
        assert_eq!(spikes(results, "a.spikes"), (&[0, 1][..], &[150, 150][..]));
        assert_eq!(values(results, "a.n").last(), Some(&8.0));
    }
    let wrong = |change: &str| codes(&text.replace("set a.v = 8 mV", change));
    assert_eq!(wrong("set a.v = 8 pA"), ["E0302"]);
    assert_eq!(wrong("set a.u = 8 mV"), ["E0206"]);
    assert_eq!(wrong("set a.v = [8, 9, 7] * 1 mV"), ["E0310"]);
}

/// Synapses as a table: each its weight and delay, in any order, one pair twice. Oracle: sums written out.
#[test]
fn lists_have_weights_and_delays() {
    let text = "
neuron quiet() { state v: voltage = 0 mV; spike when v > 1 V { v = 0 mV } }
network n(s: spikes[3]) {
    population a: quiet[3]()
    connect c: s -> a {
        pattern: list(sources: [2, 0, 1, 2, 0], targets: [2, 1, 0, 0, 1]), weight: [5, 1, 3, 4, 2] * 1 mV
        delay: [1, 0, 0.5, 0.2, 0.3] * 1 ms
    }
    probe a.v
    probe c.w every 2 ms
}
experiment e { deploy n; run for 2 ms { step: 0.1 ms, s: spikes([0, 1, 2], [1, 2, 3]) } }";
    for engine in ENGINES {
        let results = &run("table.nmc", text, &NoFiles, engine)[0];
        let v = values(results, "a.v");
        let at = |step: usize| [v[3 * step], v[3 * step + 1], v[3 * step + 2]].map(|v| (v * 1e6).round() / 1e3);
        // Source 0 at step 1 reaches target 1 at once and three steps later, and so on.
        assert_eq!([at(0), at(1), at(3), at(4)], [[0.0; 3], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 3.0, 0.0]]);
        assert_eq!(
            [at(5), at(7), at(12), at(13)],
            [[4.0, 3.0, 0.0], [7.0, 3.0, 0.0], [7.0, 3.0, 0.0], [7.0, 3.0, 5.0]]
        );
    }
    let wrong = |from: &str, to: &str| codes(&text.replace(from, to));
    assert_eq!(wrong("weight: [5, 1, 3, 4, 2] * 1 mV", "weight: [5, 1] * 1 mV"), ["E0404"]);
    assert_eq!(wrong("delay: [1, 0, 0.5, 0.2, 0.3] * 1 ms", "delay: [1, 0, 0.5, 0.2, -0.3] * 1 ms"), ["E0306"]);
    assert_eq!(wrong("delay: [1, 0, 0.5, 0.2, 0.3] * 1 ms", "delay: [1, 0, 0.5, 0.2, 0.3]"), ["E0302"]);
    let all = text.replace(
        "pattern: list(sources: [2, 0, 1, 2, 0], targets: [2, 1, 0, 0, 1]), weight: [5, 1, 3, 4, 2] * 1 mV",
        "weight: 1 mV",
    );
    assert_eq!(codes(&all), ["E0409"]);
}
