//! Questions to the network's graph that deciding conversions asks.

use petgraph::Direction::Incoming;
use petgraph::visit::{EdgeRef, IntoEdgeReferences};

use crate::forms::network::{Edge, Network, NodeId, Operator, PopulationKind};
use crate::forms::plan::Plan;

/// Sources of a node's signal edges in the order of operands.
pub fn operands(network: &Network, node: NodeId) -> Vec<NodeId> {
    let mut sources: Vec<(usize, NodeId)> = (network.graph.edges_directed(node, Incoming))
        .filter_map(|edge| match edge.weight() {
            Edge::Signal { operand } => Some((*operand, edge.source())),
            Edge::Synapses(_) => None,
        })
        .collect();
    sources.sort_unstable();
    sources.into_iter().map(|(_, source)| source).collect()
}

/// Every signal as (from, to, operand), sorted.
pub fn signals(network: &Network) -> Vec<(NodeId, NodeId, usize)> {
    let mut signals: Vec<_> = (network.graph.edge_references())
        .filter_map(|edge| match edge.weight() {
            Edge::Signal { operand } => Some((edge.source(), edge.target(), *operand)),
            Edge::Synapses(_) => None,
        })
        .collect();
    signals.sort_unstable();
    signals
}

/// Nodes so that operands come first; populations, which may close cycles, count as having none.
pub fn order(network: &Network) -> Vec<NodeId> {
    let (mut order, mut done) = (Vec::new(), std::collections::BTreeSet::new());
    let mut waiting: Vec<NodeId> = network.graph.node_indices().collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|&node| {
            let ready = is_population(network, node) || operands(network, node).iter().all(|id| done.contains(id));
            if ready {
                done.insert(node);
                order.push(node);
            }
            !ready
        });
        if waiting.len() == before {
            break;
        }
    }
    order
}

fn is_population(network: &Network, node: NodeId) -> bool {
    matches!(network.graph[node].operator, Operator::Population { .. })
}

/// Ticks of a sample; 1 without time.
pub fn ticks(plan: &Plan) -> f64 {
    let longest = plan.phases.iter().filter_map(|phase| phase.duration).fold(0.0, f64::max);
    plan.step.filter(|step| *step > 0.0).map_or(1.0, |step| (longest / step).round().max(1.0))
}

/// How often a sample a node's output changes: every tick for operators between populations, else once.
pub fn firings(network: &Network, plan: &Plan, node: NodeId) -> f64 {
    let from_population = reaches(network, node, &|id| match &network.graph[id].operator {
        Operator::Population { kind, .. } => *kind != PopulationKind::Decoder,
        Operator::Input
        | Operator::Output
        | Operator::Dense { .. }
        | Operator::Elementwise { .. }
        | Operator::Reshape
        | Operator::Slice { .. }
        | Operator::Concat
        | Operator::Read { .. } => false,
    });
    let feeds_population = signals(network)
        .iter()
        .any(|&(from, to, _)| is_population(network, to) && (from == node || reaches(network, from, &|id| id == node)));
    if from_population && feeds_population { ticks(plan) } else { 1.0 }
}

/// Whether `wanted` holds for a node this one's value comes from within a tick.
fn reaches(network: &Network, node: NodeId, wanted: &dyn Fn(NodeId) -> bool) -> bool {
    let (mut stack, mut seen) = (vec![node], std::collections::BTreeSet::new());
    while let Some(id) = stack.pop() {
        if wanted(id) {
            return true;
        }
        if seen.insert(id) && !is_population(network, id) {
            stack.extend(operands(network, id));
        }
    }
    false
}
