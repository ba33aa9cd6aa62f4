//! Neurons of several compartments: what synapses give goes to the input that is named, and `post.v` is the voltage there.

use nmc_compiler::files::NoFiles;
use nmc_tests::{ENGINES, codes, run, spikes, told, values};

/// Two equal compartments, 200 pF and 10 nS each, joined by 5 nS: their sum decays at 50 Hz, their difference at 100 Hz.
const PAIR: &str = "
use std.synapse.{exp_cond, exp_current, gap}
neuron pair() {
    METHOD
    input soma: current at v
    input dendrite: current at v_d
    state v: voltage = 0 mV
    state v_d: voltage = 0 mV
    v' = (5 nS * (v_d - v) - 10 nS * v + soma) / 200 pF
    v_d' = (5 nS * (v - v_d) - 10 nS * v_d + dendrite) / 200 pF
}
";

/// What the two are at the end of each step of a run in which spikes were given.
fn course(method: &str, connect: &str, run_for: &str, engine: nmc_runtime::EngineKind) -> [Vec<f64>; 2] {
    let text = format!(
        "{}
network net(s: spikes[1]) {{
    population cell: pair[1]()
    {connect}
    probe cell.v, cell.v_d
}}
experiment e {{ deploy net; {run_for} }}",
        PAIR.replace("METHOD", method)
    );
    let results = &run("pair.nmc", &text, &NoFiles, engine)[0];
    ["cell.v", "cell.v_d"].map(|name| values(results, name).to_vec())
}

/// A jump of one compartment's voltage, and how far off the other methods are. Oracle: the two modes in closed form.
#[test]
fn a_jump_in_the_dendrite_reaches_the_soma() {
    for engine in ENGINES {
        for (input, dendrite) in [("soma", false), ("dendrite", true)] {
            let connect = format!("connect s -> cell.{input} {{ weight: 8 mV }}");
            for (method, tolerance) in
                [("", 1e-12), ("method: exact", 1e-12), ("method: rk4", 1e-9), ("method: exponential_euler", 3e-3)]
            {
                let at = "run for 30 ms { step: 0.1 ms, s: spikes([0], [0]) }";
                let [soma, other] = course(method, &connect, at, engine);
                let (hit, far) = if dendrite { (&other, &soma) } else { (&soma, &other) };
                for (step, (hit, far)) in hit.iter().zip(far).enumerate() {
                    let t = 1e-4 * step as f64;
                    let (sum, difference) = (8e-3 * (-50.0 * t).exp(), 8e-3 * (-100.0 * t).exp());
                    let wanted = (0.5 * (sum + difference), 0.5 * (sum - difference));
                    let off = (hit - wanted.0).abs().max((far - wanted.1).abs()) / 8e-3;
                    assert!(off < tolerance, "{method} {input} step {step}: {off}");
                }
            }
        }
    }
}

/// A constant conductance (it decays in 1000 s) draws the compartment it leads to towards its reversal, by the voltage there.
/// Oracle: the circuit's steady state, two equations by hand. A gap junction to a dendrite likewise.
#[test]
fn conductances_draw_the_compartment_that_they_lead_to() {
    let (g, k, reversal) = (10e-9, 5e-9, -70e-3);
    for (method, input) in
        [("", "soma"), ("", "dendrite"), ("method: rk4", "dendrite"), ("method: exponential_euler", "soma")]
    {
        let connect =
            format!("connect s -> cell.{input} {{ synapse: exp_cond(tau: 1000 s, reversal: -70 mV), weight: 20 nS }}");
        for engine in ENGINES {
            let [soma, dendrite] =
                course(method, &connect, "run for 300 ms { step: 0.1 ms, s: spikes([0], [0]) }", engine);
            let (near, far) = if input == "soma" { (&soma, &dendrite) } else { (&dendrite, &soma) };
            // far (g + k) = k near; near (g + k + 20 nS) = k far + 20 nS reversal.
            let wanted = 20e-9 * reversal / (g + k + 20e-9 - k * k / (g + k));
            let (near, far) = (near.last().unwrap(), far.last().unwrap());
            assert!((near / wanted - 1.0).abs() < 1e-3, "{input}: {near} for {wanted}");
            assert!((far / near - k / (g + k)).abs() < 1e-4, "{input}: {far} of {near}");
        }
    }
}

/// Currents of two connections, one to each. Oracle: each mode is a current through a leak, in closed form.
#[test]
fn currents_go_where_they_are_sent() {
    let connect = "connect s -> cell.soma { synapse: exp_current(tau: 5 ms), weight: 30 pA }
    connect s -> cell.dendrite { synapse: exp_current(tau: 5 ms), weight: 90 pA }";
    let alone =
        |rate: f64, current: f64, t: f64| current / 200e-12 * ((-200.0 * t).exp() - (-rate * t).exp()) / (rate - 200.0);
    for engine in ENGINES {
        let [soma, dendrite] = course("", connect, "run for 20 ms { step: 0.1 ms, s: spikes([0], [0]) }", engine);
        for (step, (soma, dendrite)) in soma.iter().zip(&dendrite).enumerate() {
            let t = 1e-4 * step as f64;
            let (sum, difference) = (alone(50.0, 120e-12, t), alone(100.0, 60e-12, t));
            assert!((soma + dendrite - sum).abs() < 1e-14 && (dendrite - soma - difference).abs() < 1e-14, "{step}");
        }
    }
}

/// What is wrong is told once, with the inputs there are.
#[test]
fn the_input_is_to_be_named() {
    let text = |connect: &str| {
        format!("{}\nnetwork net(s: spikes[1]) {{ population cell: pair[1](); {connect} }}", PAIR.replace("METHOD", ""))
            .replace("use std.synapse.{exp_cond, exp_current, gap}", "use std.synapse.exp_current")
            + "\nexperiment e { deploy net; run for 1 ms { step: 0.1 ms, s: spikes([0], [0]) } }"
    };
    let several = told(&text("connect s -> cell { synapse: exp_current(), weight: 1 pA }"));
    assert_eq!(several.len(), 1, "{several:#?}");
    assert_eq!(several[0].code.number(), "E0406");
    assert_eq!(several[0].help.as_deref(), Some("say which one: `-> cell.soma` or `-> cell.dendrite`"));
    let unknown = told(&text("connect s -> cell.dendrit { synapse: exp_current(), weight: 1 pA }"));
    assert_eq!(unknown.len(), 1, "{unknown:#?}");
    assert_eq!(unknown[0].help.as_deref(), Some("did you mean `dendrite`?"));
    let fine = text("connect s -> cell.soma { synapse: exp_current(), weight: 1 pA }");
    assert_eq!(codes(&fine), [""; 0]);
    assert_eq!(codes(&fine.replace("current at v_d", "current at u")), ["E0420"]);
    let potential =
        fine.replace("dendrite: current", "dendrite: voltage").replace("nS * v_d + dendrite", "nS * (v_d - dendrite)");
    assert_eq!(codes(&potential), [""; 0]);
    assert_eq!(codes(&potential.replace("-> cell.soma", "-> cell.dendrite")), ["E0406"]);
    // A jump needs to know of which state.
    let nowhere = text("connect s -> cell.dendrite { weight: 1 mV }").replace("use std.synapse.exp_current", "");
    assert_eq!(codes(&nowhere), [""; 0]);
    assert_eq!(codes(&nowhere.replace(" at v_d", "")), ["E0406"]);
}

/// Pinsky and Rinzel's cell, written out: soma, dendrite, h, n, s, c, q, calcium, in mV above rest and ms.
fn pinsky_rinzel(y: [f64; 8], soma: f64, dendrite: f64, couple: f64) -> [f64; 8] {
    let [vs, vd, h, n, s, c, q, ca] = y;
    let f = |v: f64, at: f64, k: f64| (at - v) / (((at - v) / k).exp() - 1.0);
    let (am, bm) = (0.32 * f(vs, 13.1, 4.0), 0.28 * (vs - 40.1) / (((vs - 40.1) / 5.0).exp() - 1.0));
    let m = am / (am + bm);
    let (i_na, i_dr) = (30.0 * m * m * h * (vs - 120.0), 15.0 * n * (vs + 15.0));
    let i_ca = 10.0 * s * s * (vd - 140.0);
    let (i_kc, i_ahp) = (15.0 * c * f64::min(ca / 250.0, 1.0) * (vd + 15.0), 0.8 * q * (vd + 15.0));
    let bs = 0.02 * (vd - 51.1) / (((vd - 51.1) / 5.0).exp() - 1.0);
    let both = 2.0 * ((6.5 - vd) / 27.0).exp();
    let ac = if vd > 50.0 { both } else { ((vd - 10.0) / 11.0 - (vd - 6.5) / 27.0).exp() / 18.975 };
    [
        (-0.1 * vs - i_na - i_dr + couple / 0.5 * (vd - vs) + soma / 0.5) / 3.0,
        (-0.1 * vd - i_ca - i_kc - i_ahp + couple / 0.5 * (vs - vd) + dendrite / 0.5) / 3.0,
        0.128 * ((17.0 - vs) / 18.0).exp() * (1.0 - h) - 4.0 / (1.0 + ((40.0 - vs) / 5.0).exp()) * h,
        0.016 * f(vs, 35.1, 5.0) * (1.0 - n) - 0.25 * (0.5 - 0.025 * vs).exp() * n,
        1.6 / (1.0 + (-0.072 * (vd - 65.0)).exp()) * (1.0 - s) - bs * s,
        ac * (1.0 - c) - (both - ac) * c,
        f64::min(0.00002 * ca, 0.01) * (1.0 - q) - 0.001 * q,
        -0.13 * i_ca - 0.075 * ca,
    ]
}

/// Runge-Kutta 4, written apart: the soma's and the dendrite's voltage over rest at the end of each step.
fn pinsky_rinzel_course(soma: f64, dendrite: f64, couple: f64, steps: usize, dt: f64) -> Vec<[f64; 2]> {
    let mut y = [-4.6, -4.5, 0.999, 0.001, 0.009, 0.007, 0.01, 0.2];
    let mut course = Vec::new();
    for _ in 0..steps {
        let slope = |y| pinsky_rinzel(y, soma, dendrite, couple);
        let moved = |k: [f64; 8], by: f64| std::array::from_fn(|i| y[i] + by * k[i]);
        let a = slope(y);
        let b = slope(moved(a, dt / 2.0));
        let c = slope(moved(b, dt / 2.0));
        let d = slope(moved(c, dt));
        y = std::array::from_fn(|i| y[i] + dt / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]));
        course.push([y[0], y[1]]);
    }
    course
}

fn cell(arguments: &str, run_for: &str, probe: &str) -> String {
    format!(
        "use std.neuron.pinsky_rinzel
network net() {{ population cell: pinsky_rinzel[1]({arguments}); probe {probe} }}
experiment e {{ deploy net; run for {run_for} {{ step: 0.02 ms }} }}"
    )
}

/// Oracle: the same equations written apart, in the published numbers; Runge-Kutta 4 of the same step.
#[test]
fn a_published_cell_of_two_compartments_is_integrated() {
    for engine in ENGINES {
        let results = &run("cell.nmc", &cell("soma_bias: 0.75 uA", "60 ms", "cell.v, cell.v_d"), &NoFiles, engine)[0];
        let wanted = pinsky_rinzel_course(0.75, 0.0, 2.1, 3000, 0.02);
        for (index, name) in ["cell.v", "cell.v_d"].into_iter().enumerate() {
            for (found, wanted) in values(results, name).iter().zip(&wanted) {
                assert!((found * 1e3 + 60.0 - wanted[index]).abs() < 1e-6, "{name}: {found} {wanted:?}");
            }
        }
    }
}

/// Beginnings of bursts (spikes that follow no other within 30 ms) and all spikes, in hertz, after the first 300 ms.
fn bursts(arguments: &str) -> (f64, f64) {
    let text = cell(arguments, "2.3 s", "cell.spikes");
    let results = &run("cell.nmc", &text, &NoFiles, ENGINES[1])[0];
    let fired: Vec<f64> = spikes(results, "cell.spikes").1.iter().map(|&step| step as f64 * 0.02e-3).collect();
    let late = fired.iter().enumerate().filter(|(_, t)| **t > 0.3);
    let begins = late.clone().filter(|(at, t)| *at == 0 || **t - fired[*at - 1] > 0.03);
    (begins.count() as f64 / 2.0, late.count() as f64 / 2.0)
}

/// Published (Pinsky and Rinzel 1994, abstract): a weak somatic current makes bursts of less than 8 Hz, which give way to single
/// spikes as it grows; a dendritic one bursts at 8 to 20 Hz; bursts need a coupling that is neither weak nor strong.
#[test]
fn the_published_cell_bursts_as_published() {
    let (begins, all) = bursts("soma_bias: 0.75 uA");
    assert!(begins > 1.0 && begins < 8.0 && all > 1.5 * begins, "{begins} {all}");
    let (begins, all) = bursts("soma_bias: 2.5 uA");
    assert!(all > 20.0, "{begins} {all}");
    let (begins, all) = bursts("dendrite_bias: 2.5 uA");
    assert!(begins > 8.0 && begins < 20.0, "{begins} {all}");
    let (begins, all) = bursts("soma_bias: 0.75 uA, g_couple: 10.5 mS");
    assert!(all < 1.1 * begins, "{begins} {all}");
}
