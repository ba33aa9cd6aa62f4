//! What differs from pair to pair or from element to element: parameters of synapses and rules, what runs set, where states start. Oracles: formulas, the
//! numbers given.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{Recorded, Results};
use nmc_tests::{ENGINES, recorded, run, told, values};

/// One experiment on both engines, which say the same.
#[track_caller]
fn ran(text: &str) -> Results {
    let [first, second] = ENGINES.map(|engine| run("each.nmc", text, &NoFiles, engine).swap_remove(0));
    assert_eq!(first.recordings, second.recordings);
    first
}

/// Errors alone.
fn codes(text: &str) -> Vec<&'static str> {
    let errors = told(text).into_iter().filter(nmc_grammar::diagnostic::Diagnostic::is_error);
    errors.map(|error| error.code.number()).collect()
}

#[track_caller]
fn near(found: &[f64], wanted: &[f64]) {
    let all = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1e-9));
    assert!(found.len() == wanted.len() && all, "{found:?} for {wanted:?}");
}

/// Two sources that spike in the first step, three targets, and what a connection does.
fn pairs(connect: &str) -> String {
    format!(
        "synapse fading(tau: time) {{ state g: weight = 0; g' = -g / tau; on pre {{ g += w }}; current = g }}
        synapse none {{}}
        plasticity adds(a: weight) {{ on pre {{ w += a }} }}
        neuron cell(p: time = 1 ms) {{ input i: current; state v: real = 0; v' = (i / 1 A - v) / p; spike when v > 1e9 {{}} }}
        network net(s: spikes[2]) {{
            population a: cell[3](p: [4, 5, 6] * 1 ms) {{ b: 10 + i }}
            connect c: s -> a {{ weight: 1, {connect} }}
            probe c.w every 0.1 ms
        }}
        experiment e {{ deploy net {{ step: 0.1 ms }}; run for 1 ms {{ s: spikes([0, 1], [0, 0]) }} }}"
    )
}

/// Weights at the end.
fn weights(connect: &str) -> Vec<f64> {
    match recorded(&ran(&pairs(connect)), "c.w") {
        Recorded::Synapses { data, target, .. } => data[data.len() - target.len()..].to_vec(),
        Recorded::Values { .. } | Recorded::Spikes { .. } | Recorded::Histogram { .. } => panic!(),
    }
}

#[test]
fn rules_have_parameters_of_each_pair() {
    let rule = |a: &str| weights(&format!("synapse: none(), plasticity: adds(a: {a})"));
    near(&rule("i * 10 + j"), &[1.0, 2.0, 3.0, 11.0, 12.0, 13.0]);
    near(&rule("post.b - i"), &[11.0, 12.0, 13.0, 10.0, 11.0, 12.0]);
    // One for each target, for each source.
    near(&rule("[5, 6, 7]"), &[6.0, 7.0, 8.0, 6.0, 7.0, 8.0]);
    near(&rule("[5, 6] * 2"), &[11.0, 11.0, 11.0, 13.0, 13.0, 13.0]);
    let listed = "pattern: list(sources: [1, 0, 1], targets: [2, 1, 0]), synapse: none()";
    near(&weights(&format!("{listed}, plasticity: adds(a: [1, 2, 3])")), &[3.0, 4.0, 2.0]);
    let matrix = pairs("pattern: matrix, synapse: none(), plasticity: adds(a: [[1, 2, 3], [4, 5, 6]])");
    let matrix = ran(&matrix.replace("weight: 1,", "weight: [[1, 0, 1], [0, 1, 0]],"));
    let Recorded::Synapses { data, .. } = recorded(&matrix, "c.w") else { panic!() };
    near(&data[data.len() - 3..], &[2.0, 4.0, 6.0]);
}

#[test]
fn synapses_have_parameters_of_each_pair() {
    for (tau, of) in [
        ("2 ms + i * 1 ms + j * 0.5 ms", [2.0, 2.5, 3.0, 3.0, 3.5, 4.0]),
        ("[2, 3, 4] * 1 ms", [2.0, 3.0, 4.0, 2.0, 3.0, 4.0]),
        ("post.p / 2", [2.0, 2.5, 3.0, 2.0, 2.5, 3.0]),
    ] {
        let text = pairs(&format!("synapse: fading(tau: {tau})")).replace("probe c.w", "probe c.g");
        let text = text.replace("weight: 1,", "weight: 1 A,");
        let results = ran(&text);
        let Recorded::Synapses { data, .. } = recorded(&results, "c.g") else { panic!() };
        let wanted = of.map(|tau: f64| (-0.5 / tau).exp());
        near(&data[5 * 6..6 * 6], &wanted);
    }
}

#[test]
fn what_pairs_cannot_have_is_told() {
    let of = |connect: &str| codes(&pairs(connect));
    let rule = |a: &str| of(&format!("synapse: none(), plasticity: adds(a: {a})"));
    assert_eq!(rule("[1, 2, 3, 4]"), ["E0310"]);
    assert_eq!(rule("[1, 2, 3] * 1 mV"), ["E0302"]);
    assert_eq!(rule("k * 2"), ["E0201"]);
    assert_eq!(rule("post.v"), ["E0305"]);
    assert_eq!(of("synapse: fading(tau: i * 1 ms)"), ["E0306"]);
    assert_eq!(of("synapse: fading(tau: [0, 1, 1] * 1 ms)"), ["E0306"]);
    // Two of two: whose?
    let same = pairs("synapse: none(), plasticity: adds(a: [1, 2])").replace("s -> a", "s -> a[0..2]");
    assert_eq!(codes(&same), ["E0310"]);
    // A factor that comes later.
    let text = "plasticity dop(d: real) { on pre { w += d * 1 mV }; w in 0 mV..9 mV }
neuron level() { state level: real = 0; level' = -level / 1 s }
network n(s: spikes[2]) {
    population a: cell[1]()
    connect s -> a { weight: 1 mV, plasticity: dop(d: m.level) }
    population m: level[1]()
}
neuron cell() { state v: voltage = 0 mV; spike when v > 1 V {} }
experiment e { deploy n; run for 1 ms { s: spikes([0], [0]) } }";
    let all: Vec<_> = told(text).into_iter().filter(|told| told.is_error()).collect();
    let help = all[0].help.as_deref().unwrap_or_default();
    assert!(all.len() == 1 && help == "move its declaration before this line", "{all:?}");
}

const SET: &str = "neuron cell(p: real = 1) { state v: real = 0; v' = 0 * v / 1 s; spike when v > 1e9 {} }
network net() {
    population a: cell[4](p: normal(1, 0))
    for k in 0..2 { population part[k]: cell[2](p: normal(1, 0)) }
    probe a.p, a.v every 1 ms
    probe part[1].p every 1 ms
}
experiment e { deploy net { step: 1 ms }; run for 1 ms; run for 1 ms { CHANGE } }";

#[test]
fn runs_set_elements_one_by_one() {
    let at = |name: &str, change: &str| {
        let results = ran(&SET.replace("CHANGE", change));
        let all = values(&results, name);
        all[all.len() / 2..].to_vec()
    };
    near(&at("a.p", "set a.p = i * 2 + 1"), &[1.0, 3.0, 5.0, 7.0]);
    near(&at("a.p", "set a.p = [5, 6, 7, 8] / 2"), &[2.5, 3.0, 3.5, 4.0]);
    near(&at("a.p", "set a[1..3].p = 9"), &[1.0, 9.0, 9.0, 1.0]);
    near(&at("a.p", "set a[2].p = 9, set a[0..2].p = i + 4"), &[4.0, 5.0, 9.0, 1.0]);
    near(&at("a.v", "set a.v = i"), &[0.0, 1.0, 2.0, 3.0]);
    near(&at("a.v", "set a[2..4].v = [7, 8]"), &[0.0, 0.0, 7.0, 8.0]);
    near(&at("part[1].p", "set part[1].p = i + 2"), &[2.0, 3.0]);
    let of = |change: &str| codes(&SET.replace("CHANGE", change));
    assert_eq!(of("set a.p = [1, 2, 3]"), ["E0310"]);
    assert_eq!(of("set a[2..9].p = 1"), ["E0303"]);
    assert_eq!(of("set a[0..2].q = 1"), ["E0206"]);
    assert_eq!(of("set b[0..2].p = 1"), ["E0201"]);
    let rate = "use std.neuron.poisson
network net() { population s: poisson[2](rate: 5 Hz); probe s.spikes }
experiment e { deploy net; run for 1 ms; run for 1 ms { set s.rate = -1 Hz } }";
    assert_eq!(codes(rate), ["E0306"]);
    assert_eq!(codes(&rate.replace("= -1 Hz", "= [1, -1] * 1 Hz")), ["E0306"]);
    assert_eq!(codes(&rate.replace("= -1 Hz", "= i * 1 Hz")), Vec::<&str>::new());
}

#[test]
fn states_start_where_populations_say() {
    let text = "use std.neuron.adex
network net() {
    population a: adex[3](V)
    probe a.v every 1 ms from start
}
experiment e { deploy net { step: 1 ms }; run for 1 ms }";
    let first = |v: &str| values(&ran(&text.replace("(V)", v)), "a.v")[..3].to_vec();
    near(&first("(v: -60 mV)"), &[-0.06; 3]);
    near(&first("(v: -60 mV + i * 1 mV)"), &[-0.06, -0.059, -0.058]);
    near(&first("(v: [-70, -65, -62] * 1 mV)"), &[-0.07, -0.065, -0.062]);
    let drawn = first("(v: uniform(-70 mV, -60 mV))");
    assert!(drawn.iter().all(|v| (-0.07..-0.06).contains(v)) && drawn[0] != drawn[1], "{drawn:?}");
    let of = |v: &str| codes(&text.replace("(V)", v));
    assert_eq!(of("(v: [1, 2] * 1 mV)"), ["E0310"]);
    assert_eq!(of("(v: 3 nA)"), ["E0302"]);
    assert_eq!(of("(u: 3 mV)"), ["E0206"]);
}
