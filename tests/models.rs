//! What a modeller says of populations and their inputs: parameters of each element, data in time. Oracles: closed forms and plain loops.

use nmc_compiler::files::NoFiles;
use nmc_tests::{ENGINES, codes, run, values};

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
