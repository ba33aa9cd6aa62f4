//! Networks made by hand: their parts, and how they are lowered and run.
#![allow(dead_code)] // each user takes some of them

use nmc_compiler::Options;
use nmc_compiler::build::build;
use nmc_compiler::forms::{
    chip::*,
    equations::*,
    network::*,
    plan::{self, InputData, Plan},
};
use nmc_compiler::quantity::Dimension;
use nmc_grammar::span::{FileId, Span};
use nmc_program::{Precision, Tensor, TensorData};
use nmc_runtime::{EngineKind, Results, RunOptions};
pub fn n(v: f64) -> Expr {
    Expr::Number(v)
}

pub fn s(x: Symbol) -> Expr {
    Expr::Symbol(x)
}

pub fn c(f: Function, a: Vec<Expr>) -> Expr {
    Expr::Call(f, a)
}

pub fn st(name: &str, i: f64, d: Option<Expr>) -> State {
    State { name: name.into(), dimension: Dimension::NONE, initial: n(i), derivative: d, bounds: None }
}

pub fn decay(i: usize, tau: f64) -> Option<Expr> {
    Some(c(Function::Divide, vec![c(Function::Negate, vec![s(Symbol::State(i))]), n(tau)]))
}

pub fn add(t: Symbol, a: Expr) -> Change {
    Change { target: t, value: c(Function::Add, vec![s(t), a]) }
}

pub fn sp() -> Span {
    Span::new(FileId(0), 0, 0)
}

pub fn pop(net: &mut Network, name: &str, len: usize, d: Dynamics) -> NodeId {
    net.graph.add_node(Node {
        name: name.into(),
        operator: Operator::Population { dynamics: d, kind: PopulationKind::Neuron },
        shape: vec![len],
        logical: Logical::Spikes,
        span: sp(),
        inserted: None,
    })
}

pub fn given() -> Dynamics {
    Dynamics { emission: Some(Emission::Given), ..Dynamics::default() }
}

pub fn read(p: &str) -> Vec<(String, Tensor)> {
    let mut a = npyz::npz::NpzArchive::open(p).unwrap();
    let names: Vec<String> = a.array_names().map(String::from).collect();
    let mut v = vec![];
    for name in names {
        let x = a.by_name(&name).unwrap().unwrap();
        let shape = x.shape().iter().map(|&q| q as usize).collect();
        let data = if x.dtype().descr().contains("i8") {
            TensorData::I64(x.into_vec().unwrap())
        } else {
            TensorData::F64(x.into_vec().unwrap())
        };
        v.push((name.clone(), Tensor { name, shape, data }));
    }
    v
}

/// Builds on the ideal chip with every stage verified, and runs.
pub fn go(network: Network, plan: Plan, tensors: Vec<Tensor>, engine: EngineKind) -> Results {
    let chip = Chip { ideal: true, ..Chip::default() };
    let options = Options { precision: Precision::F64, verify: true, ..Options::default() };
    let mut diagnostics = Vec::new();
    let built = build(network, chip, plan, &tensors, &options, &nmc_compiler::files::NoFiles, &mut diagnostics);
    assert_eq!(diagnostics, Vec::new());
    let program = built.and_then(|built| built.program).unwrap();
    nmc_runtime::run(&program, &RunOptions { seed: 1, engine, threads: 1, memory: 16 << 30, progress: None }).unwrap()
}

#[allow(clippy::too_many_arguments)] // one line a connection reads best
pub fn conn(net: &mut Network, name: &str, a: NodeId, b: NodeId, d: Dynamics, pattern: Pattern, w: Expr, delay: f64) {
    let i = net.connections.len();
    net.graph.add_edge(a, b, Edge::Synapses(i));
    let (la, lb) = (net.graph[a].len(), net.graph[b].len());
    net.connections.push(Connection {
        name: name.into(),
        source: a,
        source_range: (0, la),
        target: b,
        target_range: (0, lb),
        pattern,
        weight: w,
        delay: n(delay),
        port: (!d.outputs.is_empty()).then_some(0),
        dynamics: d,
        plastic: false,
        span: sp(),
    });
}

pub fn phase(inputs: Vec<(NodeId, InputData)>, dur: f64) -> plan::Phase {
    plan::Phase {
        kind: plan::PhaseKind::Run,
        sequence: false,
        samples: 1,
        inputs,
        duration: Some(dur),
        target: None,
        metrics: vec![],
        skip: 0,
        span: sp(),
    }
}

pub fn node(net: &mut Network, name: &str, op: Operator, len: usize, l: Logical) -> NodeId {
    net.graph.add_node(Node {
        name: name.into(),
        operator: op,
        shape: vec![len],
        logical: l,
        span: sp(),
        inserted: None,
    })
}

pub fn wire(net: &mut Network, a: NodeId, b: NodeId, k: usize) {
    net.graph.add_edge(a, b, Edge::Signal { operand: k });
}

pub fn tensor(shape: &[usize], f: impl Fn(usize) -> f64) -> Tensor {
    let k = shape.iter().product();
    Tensor { name: "t".into(), shape: shape.to_vec(), data: TensorData::F64((0..k).map(f).collect()) }
}
