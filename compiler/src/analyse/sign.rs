//! Which signals are never negative, so that converters need no sign.

use std::collections::BTreeSet;

use nmc_program::TensorData;

use crate::forms::equations::{Expr, Function, Symbol};
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator, PopulationKind};
use crate::forms::plan::InputData;
use crate::graph::{operands, order};

/// Nodes whose output can be seen never to be negative.
pub fn non_negative(given: Given) -> BTreeSet<NodeId> {
    let network = given.network;
    let from_zero = |node: &NodeId| match &network.graph[*node].operator {
        Operator::Population { dynamics, kind: PopulationKind::State } => {
            dynamics.states.iter().all(|state| never_negative(&state.initial, &|_| false))
        }
        Operator::Population { .. } | Operator::Input | Operator::Output | Operator::Dense { .. } => false,
        Operator::Elementwise { .. } | Operator::Gather(_) | Operator::Scatter(_) | Operator::Reduce { .. } => false,
        Operator::Softmax | Operator::Delay | Operator::Read { .. } => false,
    };
    // States are taken for such as long as all that they start from and become is.
    let mut states: BTreeSet<NodeId> = network.graph.node_indices().filter(from_zero).collect();
    loop {
        let found = given_states(given, &states);
        let kept: BTreeSet<NodeId> = (states.iter().copied())
            .filter(|state| operands(network, *state).iter().all(|from| found.contains(from)))
            .collect();
        if kept == states {
            return found;
        }
        states = kept;
    }
}

/// The same where these states are never negative.
fn given_states(given: Given, states: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let network = given.network;
    let mut found = BTreeSet::new();
    for node in order(network) {
        let sources = operands(network, node);
        let of = |index: usize| sources.get(index).is_some_and(|source| found.contains(source));
        let holds = match &network.graph[node].operator {
            Operator::Elementwise { function, body } => {
                matches!(function.as_str(), "relu" | "sigmoid" | "step") || never_negative(body, &of)
            }
            Operator::Gather(_) | Operator::Reduce { .. } | Operator::Delay | Operator::Output => {
                !sources.is_empty() && (0..sources.len()).all(of)
            }
            Operator::Softmax => true,
            Operator::Input => data_non_negative(given, node),
            Operator::Population { .. } => states.contains(&node),
            Operator::Dense { .. } | Operator::Scatter(_) | Operator::Read { .. } => false,
        };
        if holds {
            found.insert(node);
        }
    }
    found
}

fn data_non_negative(given: Given, node: NodeId) -> bool {
    let fed = given.plan.phases.iter().flat_map(|phase| &phase.inputs).filter(|(input, _)| *input == node);
    let shown = fed.map(|(_, data)| data);
    let mut shown = shown.peekable();
    shown.peek().is_some()
        && shown.all(|data| {
            let InputData::Values(tensor) = data else { return false };
            given.tensors.get(tensor.index()).is_some_and(|tensor| match &tensor.data {
                TensorData::U8(_) => true,
                TensorData::I64(values) => values.iter().all(|&value| value >= 0),
                TensorData::F32(values) => values.iter().all(|&value| value >= 0.0),
                TensorData::F64(values) => values.iter().all(|&value| value >= 0.0),
            })
        })
}

/// Whether an expression cannot be negative, given which operands cannot.
fn never_negative(expr: &Expr, operand: &dyn Fn(usize) -> bool) -> bool {
    let of = |arg: &Expr| never_negative(arg, operand);
    match expr {
        Expr::Number(value) => *value >= 0.0,
        Expr::Symbol(symbol) => matches!(symbol, Symbol::Input(index) if operand(*index)),
        Expr::Call(function, args) => match function {
            Function::Absolute | Function::Exp | Function::SquareRoot => true,
            Function::Less | Function::LessEqual | Function::Equal | Function::And | Function::Or | Function::Not => {
                true
            }
            Function::Maximum => args.iter().any(of),
            Function::Add | Function::Multiply | Function::Divide | Function::Minimum => args.iter().all(of),
            Function::Floor | Function::Round | Function::Tanh | Function::Sum => args.iter().all(of),
            Function::Select => args.iter().skip(1).all(of),
            Function::Subtract | Function::Negate | Function::Power | Function::Log | Function::Sin => false,
            Function::Cos | Function::Uniform | Function::Normal => false,
        },
    }
}
