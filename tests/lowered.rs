//! Networks made by hand, lowered and run on both engines, against Brian2, written-out sums and DOP853.

#[path = "hand_made.rs"]
mod hand_made;

use hand_made::*;
use nmc_compiler::forms::{
    equations::*,
    network::*,
    plan::{InputData, Plan},
};
use nmc_compiler::quantity::Dimension;
use nmc_program::{Tensor, TensorData, TensorId};
use nmc_runtime::{EngineKind, Recorded};
fn cur(tau: f64) -> Dynamics {
    Dynamics {
        states: vec![st("i", 0., decay(0, tau))],
        outputs: vec![("current".into(), s(Symbol::State(0)))],
        on_pre: vec![add(Symbol::State(0), s(Symbol::Weight))],
        ..Dynamics::default()
    }
}

/// Brian2 2.9, exact integration: every spike in its step, voltages within 1e-9 mV.
#[test]
fn current_based_network_equals_brian2() {
    for e in [EngineKind::Interpreter, EngineKind::Jit] {
        let v = s(Symbol::State(0));
        let lif = Dynamics {
            states: vec![st(
                "v",
                -0.06,
                Some(c(
                    Function::Divide,
                    vec![
                        c(
                            Function::Add,
                            vec![
                                c(Function::Subtract, vec![n(-0.06), v.clone()]),
                                c(Function::Multiply, vec![n(1e8), s(Symbol::Input(0))]),
                            ],
                        ),
                        n(20e-3),
                    ],
                )),
            )],
            inputs: vec![Input { name: "i".into(), dimension: Dimension::NONE }],
            emission: Some(Emission::When {
                condition: c(Function::Less, vec![n(-0.05), v]),
                edge: false,
                resets: vec![Change { target: Symbol::State(0), value: n(-0.06) }],
                holds: vec![(0, n(2e-3))],
            }),
            ..Dynamics::default()
        };
        let ts = read("reference/data/cuba100.npz");
        let idx = |k: &str| TensorId(ts.iter().position(|t| t.0 == k).unwrap() as u32);
        let scaled: Vec<Tensor> = ts
            .iter()
            .map(|(k, t)| {
                let mut t = t.clone();
                if ["excitatory", "inhibitory", "feed"].contains(&k.as_str())
                    && let TensorData::F64(x) = &mut t.data
                {
                    x.iter_mut().for_each(|y| *y = *y * 1e-3 / 1e8)
                }
                t
            })
            .collect();
        let mut net = Network::default();
        let f = pop(&mut net, "feed", 200, given());
        let cells = pop(&mut net, "cells", 100, lif);
        conn(&mut net, "f", f, cells, cur(5e-3), Pattern::Matrix(idx("feed")), n(0.), 0.);
        conn(&mut net, "e", cells, cells, cur(5e-3), Pattern::Matrix(idx("excitatory")), n(0.), 1.5e-3);
        conn(&mut net, "i", cells, cells, cur(10e-3), Pattern::Matrix(idx("inhibitory")), n(0.), 1.5e-3);
        net.inputs.push(f);
        net.probes.push(Probe { name: "s".into(), node: cells, what: Probed::Spikes, range: (0, 100), every: None });
        net.probes.push(Probe {
            name: "v".into(),
            node: cells,
            what: Probed::Value(s(Symbol::State(0))),
            range: (0, 5),
            every: None,
        });
        let plan = Plan {
            step: Some(1e-4),
            phases: vec![phase(
                vec![(f, InputData::Spikes { elements: idx("input_neuron"), steps: idx("input_step") })],
                0.5,
            )],
            ..Plan::default()
        };
        let r = go(net, plan, scaled, e);
        let Recorded::Spikes { neuron, step, .. } = &r.recordings[0].values else { panic!() };
        let get = |k: &str| {
            let t = &ts[idx(k).index()].1;
            (0..t.data.len()).map(|i| t.data.get(i)).collect::<Vec<f64>>()
        };
        let (wn, wt) = (get("spike_neuron"), get("spike_step"));
        let mut a: Vec<_> = step.iter().map(|&x| x as i64).zip(neuron.iter().map(|&x| x as i64)).collect();
        let mut b: Vec<_> = wt.iter().map(|&x| x as i64).zip(wn.iter().map(|&x| x as i64)).collect();
        a.sort();
        b.sort();
        let Recorded::Values { data, .. } = &r.recordings[1].values else { panic!() };
        let w = get("v_first5_mV");
        let mut m = 0f64;
        for (row, x) in w.chunks(5).enumerate().skip(1) {
            for k in 0..5 {
                m = m.max((data[(10 * row - 1) * 5 + k] * 1e3 - x[k]).abs())
            }
        }
        assert_eq!(a, b);
        assert!(m < 1e-9, "{m} mV");
    }
}

/// Pair plasticity between given trains against its sums written out.
#[test]
fn pair_plasticity_equals_its_sums() {
    for e in [EngineKind::Interpreter, EngineKind::Jit] {
        let ts = read("reference/data/stdp50.npz");
        let idx = |k: &str| TensorId(ts.iter().position(|t| t.0 == k).unwrap() as u32);
        let mut net = Network::default();
        let a = pop(&mut net, "a", 50, given());
        let b = pop(&mut net, "b", 1, given());
        net.inputs = vec![a, b];
        let (x, y, w) = (Symbol::State(0), Symbol::State(1), Symbol::Weight);
        let d = Dynamics {
            states: vec![st("x", 0., decay(0, 20e-3)), st("y", 0., decay(1, 20e-3))],
            on_pre: vec![
                add(x, n(1.)),
                Change {
                    target: w,
                    value: c(Function::Subtract, vec![s(w), c(Function::Multiply, vec![n(0.0105), s(y)])]),
                },
            ],
            on_post: vec![add(y, n(1.)), add(w, c(Function::Multiply, vec![n(0.01), s(x)]))],
            weight_bounds: Some((n(0.), n(1.))),
            ..Dynamics::default()
        };
        conn(&mut net, "syn", a, b, d, Pattern::AllToAll { itself: true }, n(0.5), 0.);
        net.probes.push(Probe { name: "w".into(), node: b, what: Probed::Weights(0), range: (0, 1), every: None });
        let plan = Plan {
            step: Some(1e-4),
            phases: vec![phase(
                vec![
                    (a, InputData::Spikes { elements: idx("pre_neuron"), steps: idx("pre_step") }),
                    (b, InputData::Spikes { elements: idx("post_neuron"), steps: idx("post_step") }),
                ],
                2.,
            )],
            ..Plan::default()
        };
        let r = go(net, plan, ts.iter().map(|t| t.1.clone()).collect(), e);
        let Recorded::Synapses { source, data, .. } = &r.recordings[0].values else { panic!() };
        let w = &ts[idx("w_end").index()].1.data;
        let m = source.iter().zip(data).map(|(i, x)| (x - w.get(*i as usize)).abs()).fold(0., f64::max);
        assert!(m < 1e-9, "{m}");
    }
}

/// Largest error of spike times in ms and of voltage in mV.
fn hh(dt: f64, method: Option<Method>, e: EngineKind) -> (f64, f64) {
    let f = |a: Function, x: Expr, y: Expr| c(a, vec![x, y]);
    let (v, m, h, k) = (s(Symbol::State(0)), s(Symbol::State(1)), s(Symbol::State(2)), s(Symbol::State(3)));
    use Function::*;
    let exp = |x: Expr| c(Exp, vec![x]);
    let neg = |x: Expr| c(Negate, vec![x]);
    let div = |x, y| f(Divide, x, y);
    let mul = |x, y| f(Multiply, x, y);
    let plus = |x, y| f(Add, x, y);
    let sub = |x, y| f(Subtract, x, y);
    let vt = |x: f64, d: f64| div(plus(v.clone(), n(x)), n(d));
    let lin = |x: Expr| {
        c(
            Select,
            vec![
                f(Less, c(Absolute, vec![x.clone()]), n(1e-6)),
                plus(n(1.), div(x.clone(), n(2.))),
                div(x.clone(), sub(n(1.), exp(neg(x)))),
            ],
        )
    };
    let am = div(lin(vt(0.04, 0.01)), n(1e-3));
    let bm = div(mul(n(4.), exp(neg(vt(0.065, 0.018)))), n(1e-3));
    let ah = div(mul(n(0.07), exp(neg(vt(0.065, 0.02)))), n(1e-3));
    let bh = div(div(n(1.), plus(n(1.), exp(neg(vt(0.035, 0.01))))), n(1e-3));
    let an = div(mul(n(0.1), lin(vt(0.055, 0.01))), n(1e-3));
    let bn = div(mul(n(0.125), exp(neg(vt(0.065, 0.08)))), n(1e-3));
    let gate = |a: Expr, b: Expr, x: Expr| sub(mul(a, sub(n(1.), x.clone())), mul(b, x));
    let na = mul(mul(mul(n(0.12), f(Power, m.clone(), n(3.))), h.clone()), sub(n(0.05), v.clone()));
    let kk = mul(mul(n(0.036), f(Power, k.clone(), n(4.))), sub(n(-0.077), v.clone()));
    let l = mul(n(0.3e-3), sub(n(-54.387e-3), v.clone()));
    let dv = div(plus(plus(plus(na, kk), l), n(10e-6)), n(1e-6));
    let d = Dynamics {
        states: vec![
            st("v", -0.065, Some(dv)),
            st("m", 0.0529, Some(gate(am, bm, m))),
            st("h", 0.5961, Some(gate(ah, bh, h))),
            st("n", 0.3177, Some(gate(an, bn, k))),
        ],
        method,
        emission: Some(Emission::When {
            condition: f(Less, n(0.), v.clone()),
            edge: true,
            resets: vec![],
            holds: vec![],
        }),
        ..Dynamics::default()
    };
    let mut net = Network::default();
    let a = pop(&mut net, "a", 1, d);
    net.probes.push(Probe {
        name: "v".into(),
        node: a,
        what: Probed::Value(s(Symbol::State(0))),
        range: (0, 1),
        every: None,
    });
    let plan = Plan { step: Some(dt * 1e-3), phases: vec![phase(vec![], 0.1)], ..Plan::default() };
    let r = go(net, plan, vec![], e);
    let Recorded::Values { data, .. } = &r.recordings[0].values else { panic!() };
    let all = read("reference/data/hodgkin_huxley_10.npz");
    let w = &all.iter().find(|t| t.0 == "crossing_ms").unwrap().1.data;
    let rv = &all.iter().find(|t| t.0 == "v_mV").unwrap().1.data;
    let per = (0.1 / dt).round() as usize;
    let m = (1..rv.len()).map(|k| (data[k * per - 1] * 1e3 - rv.get(k)).abs()).fold(0., f64::max);
    let x: Vec<f64> = (0..data.len() - 1)
        .filter(|&i| data[i] < 0. && data[i + 1] >= 0.)
        .map(|i| (i as f64 + 1. + data[i] / (data[i] - data[i + 1])) * dt)
        .collect();
    assert_eq!(x.len(), w.len());
    assert_eq!(r.fallbacks, Vec::<String>::new());
    assert_eq!(r.metrics[0], (String::from("spikes.a"), 7.0));
    (x.iter().enumerate().map(|(i, x)| (x - w.get(i)).abs()).fold(0., f64::max), m)
}

/// The squid axon against DOP853 (rtol 1e-11): spikes within 0.02 ms; Runge-Kutta converges with order 4, exponential Euler with 1.
#[test]
fn squid_axon_converges_with_the_order_of_its_method() {
    for e in [EngineKind::Interpreter, EngineKind::Jit] {
        let (fine, coarse) = (hh(0.01, Some(Method::RungeKutta4), e), hh(0.02, Some(Method::RungeKutta4), e));
        assert!(fine.0 < 0.02 && fine.1 < 1e-3, "{fine:?}");
        assert!(coarse.1 > 12.0 * fine.1, "{coarse:?} {fine:?}");
        let (fine, coarse) = (hh(0.005, None, e), hh(0.01, None, e));
        assert!((1.6..2.4).contains(&(coarse.0 / fine.0)), "{coarse:?} {fine:?}");
    }
}
