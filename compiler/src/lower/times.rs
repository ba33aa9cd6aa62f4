//! Times that events add to, as `next += 10 ms` does, and that are compared with `t`: in single precision the sum is a step off after some seconds.

use std::collections::BTreeSet;

use petgraph::visit::NodeIndexable;

use crate::algebra::{call, constant, linear, mentions};
use crate::forms::equations::{Change, Dynamics, Expr, Function, Symbol};
use crate::forms::network::{Network, Operator};
use crate::forms::plan::{Phase, Plan};

/// Steps up to which `t` in single precision is known to a thousandth of a step.
const KNOWN: f64 = 16_384.0;

/// Whether `t` is read so long after the start that single precision does not tell it well.
pub fn are_late(network: &Network, plan: &Plan) -> bool {
    let lasting = |phase: &Phase| phase.duration.unwrap_or(0.0);
    let seconds: f64 = plan.phases.iter().map(lasting).sum();
    let reads = |expr: &Expr| mentions(expr, &|symbol| symbol == Symbol::Time);
    let read = network.graph.node_weights().any(|node| match &node.operator {
        Operator::Population { dynamics, .. } => dynamics.expressions().into_iter().any(reads),
        Operator::Elementwise { body, .. } => reads(body),
        Operator::Input
        | Operator::Output
        | Operator::Dense { .. }
        | Operator::Gather(_)
        | Operator::Scatter(_)
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Delay
        | Operator::Read { .. } => false,
    });
    let read = read || network.connections.iter().any(|of| of.dynamics.expressions().into_iter().any(reads));
    plan.step.is_some_and(|step| seconds > KNOWN * step) && read
}

/// Whether a network has such times.
pub fn are_added_to(network: &Network) -> bool {
    // Whose `State`, `Pre` and `Post` are.
    let mut all: Vec<(&Dynamics, [usize; 3])> = Vec::new();
    for node in network.graph.node_indices() {
        if let Operator::Population { dynamics, .. } = &network.graph[node].operator {
            all.push((dynamics, [node.index(); 3]));
        }
    }
    let connections = network.connections.iter().zip(network.graph.node_bound()..);
    all.extend(connections.map(|(of, own)| (&of.dynamics, [own, of.source.index(), of.target.index()])));
    let state = |symbol: Symbol, [own, source, target]: [usize; 3]| match symbol {
        Symbol::State(index) => Some((own, index)),
        Symbol::Pre(index) => Some((source, index)),
        Symbol::Post(index) => Some((target, index)),
        Symbol::Input(_)
        | Symbol::Weight
        | Symbol::SourceIndex
        | Symbol::TargetIndex
        | Symbol::Index
        | Symbol::Time
        | Symbol::TimeStep
        | Symbol::Noise => None,
    };
    let adds = |change: &&Change| mentions(&change.value, &|symbol| symbol == change.target);
    let added: BTreeSet<(usize, usize)> = (all.iter())
        .flat_map(|(of, owners)| of.changes().filter(adds).filter_map(|change| state(change.target, *owners)))
        .collect();
    all.iter().any(|(of, owners)| {
        let is_added_to = |symbol| state(symbol, *owners).is_some_and(|state| added.contains(&state));
        of.expressions().into_iter().any(|expr| is_compared(expr, &is_added_to))
    })
}

/// Whether `t` is compared with one of these states.
fn is_compared(expr: &Expr, with: &dyn Fn(Symbol) -> bool) -> bool {
    let Expr::Call(function, args) = expr else { return false };
    if let (Function::Less | Function::LessEqual | Function::Equal, [a, b]) = (function, &args[..]) {
        let difference = call(Function::Subtract, vec![a.clone(), b.clone()]);
        let slope = linear(&difference, Symbol::Time).and_then(|(slope, _)| constant(&slope));
        if slope.is_some_and(|slope| slope != 0.0) && mentions(&difference, with) {
            return true;
        }
    }
    args.iter().any(|arg| is_compared(arg, with))
}
