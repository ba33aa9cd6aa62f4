//! Lowering of small networks made by hand: what the programs hold, and that they are sound.

use nmc_grammar::span::{FileId, Span};
use nmc_program::{Amount, Delay, Effect, Inst, Op, Precision, Program, Unary};

use super::{algebra, lower};
use crate::forms::chip::Chip;
use crate::forms::equations::{Change, Dynamics, Emission, Expr, Function, Input, State, Symbol};
use crate::forms::mapped::Mapped;
use crate::forms::network::{Connection, Edge, Logical, Network, Node, NodeId, Operator, Pattern, PopulationKind};
use crate::forms::plan::Plan;
use crate::quantity::Dimension;

fn n(value: f64) -> Expr {
    Expr::Number(value)
}

fn s(symbol: Symbol) -> Expr {
    Expr::Symbol(symbol)
}

fn call(function: Function, args: &[Expr]) -> Expr {
    algebra::call(function, args.to_vec())
}

fn state(name: &str, initial: f64, derivative: Option<Expr>) -> State {
    State { name: name.into(), dimension: Dimension::NONE, initial: n(initial), derivative, noise: None, bounds: None }
}

fn decay(index: usize, tau: f64) -> Option<Expr> {
    Some(call(Function::Divide, &[call(Function::Negate, &[s(Symbol::State(index))]), n(tau)]))
}

fn add(target: Symbol, amount: Expr) -> Change {
    Change { target, value: Expr::Call(Function::Add, vec![s(target), amount]) }
}

/// `v' = (e_leak - v + i / g_leak) / tau; spike when v > threshold { v = reset; hold v for 5 ms }`
fn lif() -> Dynamics {
    let v = s(Symbol::State(0));
    let current = call(Function::Divide, &[s(Symbol::Input(0)), n(10e-9)]);
    let sum = call(Function::Add, &[call(Function::Subtract, &[n(-0.06), v.clone()]), current]);
    Dynamics {
        name: "lif_cond".into(),
        states: vec![state("v", -0.06, Some(call(Function::Divide, &[sum, n(20e-3)])))],
        inputs: vec![Input { name: "i".into(), dimension: Dimension::CURRENT, at: None }],
        emission: Some(Emission::When {
            condition: call(Function::Less, &[n(-0.05), v]),
            edge: false,
            resets: vec![Change { target: Symbol::State(0), value: n(-0.06) }],
            holds: vec![(0, n(5e-3))],
        }),
        ..Dynamics::default()
    }
}

/// `g' = -g / tau; on pre { g += w }; current = g * (reversal - post.v)`, or without reversal `current = g`.
fn synapse(tau: f64, reversal: Option<f64>) -> Dynamics {
    let g = s(Symbol::State(0));
    let current = match reversal {
        Some(reversal) => call(Function::Multiply, &[g, call(Function::Subtract, &[n(reversal), s(Symbol::Post(0))])]),
        None => g,
    };
    Dynamics {
        name: "exp".into(),
        states: vec![state("g", 0.0, decay(0, tau))],
        outputs: vec![("current".into(), current)],
        on_pre: vec![add(Symbol::State(0), s(Symbol::Weight))],
        ..Dynamics::default()
    }
}

fn span() -> Span {
    Span::new(FileId(0), 0, 0)
}

fn population(network: &mut Network, name: &str, len: usize, dynamics: Dynamics) -> NodeId {
    let operator = Operator::Population { dynamics, kind: PopulationKind::Neuron };
    let node =
        Node { name: name.into(), operator, shape: vec![len], logical: Logical::Spikes, span: span(), inserted: None };
    network.graph.add_node(node)
}

fn connect(network: &mut Network, source: NodeId, target: NodeId, dynamics: Dynamics, weight: Expr) {
    let len = |node: NodeId| network.graph[node].len();
    let connection = Connection {
        called: String::new(),
        name: format!("{}->{}", network.graph[source].name, network.graph[target].name),
        source,
        source_range: (0, len(source)),
        target,
        target_range: (0, len(target)),
        pattern: Pattern::AllToAll { itself: true },
        weight,
        dimension: Dimension::NONE,
        weights: None,
        parameters: Default::default(),
        delay: n(1e-4),
        delays: None,
        own_delay: None,
        port: (!dynamics.outputs.is_empty()).then_some(0),
        plastic: false,
        cells: None,
        span: span(),
        dynamics,
    };
    network.graph.add_edge(source, target, Edge::Synapses(network.connections.len()));
    network.connections.push(connection);
}

fn program(network: Network) -> Program {
    let plan = Plan { name: "test".into(), step: Some(1e-4), ..Plan::default() };
    let chip = Chip { ideal: true, ..Chip::default() };
    let mapped = Mapped { network, chip, plan, ..Mapped::default() };
    let mut diagnostics = Vec::new();
    let lowered = lower(&mapped, &[], Precision::F64, Default::default(), &mut diagnostics);
    let lowered = lowered.unwrap_or_else(|| panic!("{diagnostics:?}"));
    assert_eq!(lowered.problems, Vec::<String>::new());
    assert_eq!(lowered.program.verify(), Vec::<String>::new(), "{}", lowered.program);
    lowered.program
}

#[test]
fn conductance_neurons_take_about_the_fewest_instructions() {
    let mut network = Network::default();
    let exc = population(&mut network, "exc", 8, lif());
    let inh = population(&mut network, "inh", 2, lif());
    for target in [exc, inh] {
        connect(&mut network, exc, target, synapse(5e-3, Some(0.0)), n(6e-9));
        connect(&mut network, inh, target, synapse(10e-3, Some(-0.08)), n(67e-9));
    }
    let program = program(network);
    let update = program.kernels.iter().find(|kernel| kernel.name == "exc.update").unwrap();
    let work = update.body.iter().filter(|inst| !matches!(inst, Inst::Const(_) | Inst::Load(_) | Inst::Store { .. }));
    assert!(work.count() <= 20, "{program}");
    assert_eq!(update.body.iter().filter(|inst| matches!(inst, Inst::Unary(Unary::Phi1, _))).count(), 1);
    // The reset is merged: nothing that arrives touches v.
    assert!(!program.tick.iter().any(|op| matches!(op, Op::OnSpikes { .. })));
    assert!(program.connections.iter().all(|connection| {
        matches!(connection.on_pre, Effect::Add { amount: Amount::Constant(_), .. })
            && connection.delay == Delay::Ticks(1)
    }));
    let note = "exc, integration: exact (exc->exc.g, inh->exc.g), exponential Euler (v)";
    assert!(program.costs.layout.notes.iter().any(|other| other == note), "{:?}", program.costs.layout.notes);
}

#[test]
fn current_synapses_are_solved_with_their_neuron_and_share_an_array() {
    let mut network = Network::default();
    let cells = population(&mut network, "cells", 4, lif());
    connect(&mut network, cells, cells, synapse(5e-3, None), n(1e-10));
    connect(&mut network, cells, cells, synapse(5e-3, None), s(Symbol::SourceIndex));
    let program = program(network);
    assert_eq!(program.arrays.iter().filter(|array| array.name.ends_with(".g")).count(), 1);
    assert!(program.costs.layout.notes[0].contains("exact (v, cells->cells.g)"), "{:?}", program.costs.layout.notes);
    assert!(matches!(program.connections[1].on_pre, Effect::Add { amount: Amount::Array(_), .. }));
}

/// Pair STDP on a synapse that jumps the voltage.
fn stdp() -> Dynamics {
    let (x, y, w) = (Symbol::State(0), Symbol::State(1), Symbol::Weight);
    Dynamics {
        name: "stdp".into(),
        states: vec![state("x", 0.0, decay(0, 20e-3)), state("y", 0.0, decay(1, 20e-3))],
        on_pre: vec![add(Symbol::Post(0), s(w)), add(x, n(1.0)), add(w, call(Function::Multiply, &[n(-0.0105), s(y)]))],
        on_post: vec![add(y, n(1.0)), add(w, call(Function::Multiply, &[n(0.01), s(x)]))],
        weight_bounds: Some((n(0.0), n(1.0))),
        ..Dynamics::default()
    }
}

#[test]
fn traces_are_kept_once_a_neuron_and_resets_wait_for_jumps() {
    let mut network = Network::default();
    let (a, b) = (population(&mut network, "a", 3, lif()), population(&mut network, "b", 2, lif()));
    connect(&mut network, a, b, stdp(), n(0.5));
    let program = program(network);
    let order: Vec<String> =
        program.tick.iter().map(|op| format!("{op:?}").chars().take_while(|c| *c != ' ').collect()).collect();
    // Updates of a, b, and two kinds of trace; pre trace, synapses; synapses of b, post trace; reset of b.
    let expected = "Kernel Kernel Decay Decay Deliver Deliver OnSpikes OnPost OnSpikes";
    assert_eq!(order.join(" "), expected, "{program}");
}
