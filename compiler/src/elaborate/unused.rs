//! What nothing uses is left out: no output, probe, population or training depends on it, so it needs no array, energy or time.

use std::collections::BTreeSet;

use petgraph::Direction::Incoming;

use crate::forms::network::{Network, NodeId, Operator, Weights};
use crate::forms::plan::Plan;

/// Takes such operators out of the network. What is pinned stays.
pub fn leave_out(network: &mut Network, plan: &Plan) {
    let graph = &network.graph;
    let ends = |node: &NodeId| match graph[*node].operator {
        Operator::Input
        | Operator::Output
        | Operator::Population { .. }
        | Operator::Dense { weights: Weights::Fitted { .. }, .. } => true,
        Operator::Dense { .. }
        | Operator::Elementwise { .. }
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Delay
        | Operator::Gather(_)
        | Operator::Scatter(_)
        | Operator::Read { .. } => false,
    };
    let learned = plan.phases.iter().filter_map(|phase| phase.learning.as_ref()).flat_map(|learning| &learning.layers);
    let probed = network.probes.iter().map(|probe| probe.node);
    let pinned = plan.pins.iter().map(|pin| pin.node);
    let mut open: Vec<NodeId> = graph.node_indices().filter(ends).collect();
    open.extend(probed.chain(pinned).chain(learned.copied()));
    let mut used = BTreeSet::new();
    while let Some(node) = open.pop() {
        if used.insert(node) {
            open.extend(graph.neighbors_directed(node, Incoming).chain(network.backward.get(&node).copied()));
        }
    }
    network.graph.retain_nodes(|_, node| used.contains(&node));
    network.within.retain(|node, _| used.contains(node));
    network.backward.retain(|node, _| used.contains(node));
    network.windows.retain(|node, _| used.contains(node));
}
