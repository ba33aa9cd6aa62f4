//! Lists what is wrong with a `Network`; an entry is a mistake of the compiler, never of the user.
//!
//! Invariants: node names are unique; the operands of an operator are numbered from 0, each fed once (a population's
//! inputs at most once); shapes agree; tensors exist and fit; ranges of slices, connections and probes lie within
//! their nodes; only populations send and receive spikes; every cycle of signals passes through a population.

use std::collections::BTreeSet;

use nmc_program::{Tensor, TensorId};
use petgraph::Direction::Incoming;
use petgraph::algo::toposort;
use petgraph::visit::{EdgeFiltered, EdgeRef};

use crate::forms::gather::AffineMap;
use crate::forms::network::{Connection, Edge, Network, Node, NodeId, Operator, Pattern, Probed, Weights};

/// Every broken invariant in words; empty when the network is sound.
pub fn verify(network: &Network, tensors: &[Tensor]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for id in network.graph.node_indices() {
        let node = &network.graph[id];
        if !names.insert(node.name.as_str()) {
            faults.push(format!("two nodes are called `{}`", node.name));
        }
        check_node(network, tensors, id, &mut faults);
    }
    for connection in &network.connections {
        check_connection(network, tensors, connection, &mut faults);
    }
    for probe in &network.probes {
        let Some(node) = network.graph.node_weight(probe.node) else {
            faults.push(format!("probe `{}` has no node", probe.name));
            continue;
        };
        let len = match &probe.what {
            Probed::Weights(index) if *index >= network.connections.len() => {
                faults.push(format!("probe `{}` has no connection", probe.name));
                continue;
            }
            Probed::Weights(_) | Probed::State(..) => continue,
            Probed::Spikes | Probed::Rate | Probed::Value(..) | Probed::Output => node.len(),
        };
        check_range(&probe.name, probe.range, len, &mut faults);
    }
    let forward = EdgeFiltered::from_fn(&network.graph, |edge| {
        matches!(edge.weight(), Edge::Signal { .. }) && !is_population(network.graph.node_weight(edge.target()))
    });
    if toposort(&forward, None).is_err() {
        faults.push(String::from("signals form a cycle without a population"));
    }
    faults
}

/// Whether a node holds state, so that a signal may return to it.
fn is_population(node: Option<&Node>) -> bool {
    node.is_some_and(|node| matches!(node.operator, Operator::Population { .. }))
}

/// Operand numbers and shapes of one node.
fn check_node(network: &Network, tensors: &[Tensor], id: NodeId, faults: &mut Vec<String>) {
    let node = &network.graph[id];
    let mut operands: Vec<(usize, usize)> = network
        .graph
        .edges_directed(id, Incoming)
        .filter_map(|edge| match edge.weight() {
            Edge::Signal { operand } => Some((*operand, network.graph[edge.source()].len())),
            Edge::Synapses(_) => None,
        })
        .collect();
    operands.sort_unstable();
    if operands.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        faults.push(format!("an operand of `{}` is fed twice", node.name));
    }
    let lens: Vec<usize> = operands.iter().map(|operand| operand.1).collect();
    let (arity, fits) = match &node.operator {
        Operator::Population { dynamics, .. } => {
            if operands.iter().any(|operand| operand.0 >= dynamics.inputs.len().max(1)) {
                faults.push(format!("`{}` is fed an input it does not have", node.name));
            }
            if lens.iter().any(|len| *len != node.len() && *len != 1) {
                faults.push(format!("an input of `{}` has another number of elements", node.name));
            }
            return;
        }
        Operator::Input => (0..=0, true),
        Operator::Output | Operator::Delay | Operator::Softmax | Operator::Read { .. } => {
            (1..=1, lens.first() == Some(&node.len()))
        }
        Operator::Dense { weights, bias, positions } => {
            (1..=1, dense_fits(node, weights, *bias, *positions, &lens, tensors))
        }
        Operator::Reduce { each, .. } => (1..=1, lens.first().copied() == node.len().checked_mul(*each) && *each > 0),
        Operator::Elementwise { .. } => (1..=usize::MAX, lens.iter().all(|len| *len == node.len() || *len == 1)),
        Operator::Scatter(read) => {
            let to: usize = read.maps.iter().map(AffineMap::source_len).sum();
            (1..=1, lens == [read.len()] && read.maps.len() == 1 && to == node.len())
        }
        Operator::Gather(gather) => {
            let maps = gather.maps.iter().map(AffineMap::source_len);
            // Zeros are for windows at an edge; a map that reads nothing else has lost its operand.
            let reads = gather.maps.iter().all(|map| (0..map.len()).any(|element| map.source(element).is_some()));
            let count = gather.maps.len();
            (count..=count, lens.iter().copied().eq(maps) && reads && gather.len() == node.len())
        }
    };
    let numbered = operands.iter().enumerate().all(|(index, operand)| index == operand.0);
    if !arity.contains(&lens.len()) || !numbered {
        faults.push(format!("`{}` has the wrong operands", node.name));
    } else if !fits {
        faults.push(format!("the shapes at `{}` do not agree", node.name));
    }
}

/// Whether weights [outputs, inputs] and bias [outputs] fit the layer; weights yet to be fitted always do.
fn dense_fits(
    node: &Node,
    weights: &Weights,
    bias: Option<TensorId>,
    positions: usize,
    lens: &[usize],
    tensors: &[Tensor],
) -> bool {
    let shape = |id: TensorId| tensors.get(id.index()).map(|tensor| tensor.shape.as_slice());
    if positions == 0 || !node.len().is_multiple_of(positions) {
        return false;
    }
    let outputs = node.len() / positions;
    let weights_fit = match weights {
        Weights::Given(id) => lens
            .first()
            .is_some_and(|len| len.is_multiple_of(positions) && shape(*id) == Some(&[outputs, len / positions])),
        Weights::Fitted { .. } => positions == 1,
    };
    weights_fit && bias.is_none_or(|id| shape(id) == Some(&[outputs]))
}

/// Ends, ranges, port and pattern of one connection.
fn check_connection(network: &Network, tensors: &[Tensor], connection: &Connection, faults: &mut Vec<String>) {
    let name = &connection.name;
    let (source, target) = (network.graph.node_weight(connection.source), network.graph.node_weight(connection.target));
    let (Some(source), Some(target)) = (source, target) else {
        faults.push(format!("connection `{name}` lacks an end"));
        return;
    };
    check_range(name, connection.source_range, source.len(), faults);
    if !is_population(Some(source)) {
        faults.push(format!("connection `{name}` starts at something that is no population"));
    }
    check_range(name, connection.target_range, target.len(), faults);
    match (&target.operator, connection.port) {
        (Operator::Population { dynamics, .. }, Some(port)) if port >= dynamics.inputs.len() => {
            faults.push(format!("connection `{name}` adds to an input that is not there"));
        }
        (Operator::Population { .. }, _) => {}
        (_, _) => faults.push(format!("connection `{name}` ends at something that is no population")),
    }
    let sources = connection.source_range.1.saturating_sub(connection.source_range.0);
    let targets = connection.target_range.1.saturating_sub(connection.target_range.0);
    let shape = |id: &TensorId| tensors.get(id.index()).map(|tensor| tensor.shape.clone());
    let fits = match &connection.pattern {
        Pattern::AllToAll { .. } => true,
        Pattern::OneToOne => sources == targets,
        Pattern::Random { p, .. } | Pattern::Likely { mean: p, .. } => (0.0..=1.0).contains(p),
        Pattern::FixedInDegree { sources: degree, .. } => *degree <= sources,
        Pattern::FixedOutDegree { targets: degree, .. } => *degree <= targets,
        Pattern::FixedTotalNumber { synapses, .. } => *synapses == 0 || (sources > 0 && targets > 0),
        Pattern::Matrix(id) => shape(id) == Some(vec![sources, targets]),
        Pattern::List { sources, targets } => shape(sources).is_some() && shape(sources) == shape(targets),
    };
    if !fits {
        faults.push(format!("the pattern of connection `{name}` does not fit its ends"));
    }
}

/// A half-open range within `len` elements.
fn check_range(name: &str, range: (usize, usize), len: usize, faults: &mut Vec<String>) {
    if range.0 > range.1 || range.1 > len {
        faults.push(format!("`{name}` takes {}..{} of {len} elements", range.0, range.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::equations::{Expr, Symbol};
    use crate::forms::gather::Gather;
    use nmc_grammar::span::{FileId, Span};

    fn relu() -> Expr {
        Expr::Symbol(Symbol::Input(0))
    }

    #[test]
    fn a_sound_chain_passes_and_each_break_is_named() {
        let mut network = Network::default();
        let span = Span::new(FileId(0), 0, 0);
        let input = network.input("x", vec![4], span);
        let first = network.elementwise("relu_1", "relu", relu(), &[input], span);
        assert_eq!(verify(&network, &[]), Vec::<String>::new());

        let slice = network.gather("part", Gather::slice(3, 2, 5), vec![2], &[first], span);
        assert_eq!(verify(&network, &[]), ["the shapes at `part` do not agree"]);

        network.graph.remove_node(slice);
        let second = network.elementwise("relu_1", "relu", relu(), &[first], span);
        network.graph.add_edge(second, first, Edge::Signal { operand: 1 });
        assert_eq!(
            verify(&network, &[]),
            ["two nodes are called `relu_1`", "signals form a cycle without a population"]
        );
    }
}
