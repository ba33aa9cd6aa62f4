//! Questions to the network's graph that several stages ask.

use petgraph::Direction::Incoming;
use petgraph::visit::{EdgeRef, IntoEdgeReferences, NodeIndexable};

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
    let graph = &network.graph;
    let mut missing = vec![0_usize; graph.node_bound()];
    for (_, to, _) in signals(network) {
        missing[to.index()] += usize::from(!is_population(network, to));
    }
    let mut order: Vec<NodeId> = graph.node_indices().filter(|node| missing[node.index()] == 0).collect();
    let mut next = 0;
    while let Some(&node) = order.get(next) {
        next += 1;
        for edge in graph.edges(node).filter(|edge| matches!(edge.weight(), Edge::Signal { .. })) {
            let to = edge.target();
            if !is_population(network, to) {
                missing[to.index()] -= 1;
                if missing[to.index()] == 0 {
                    order.push(to);
                }
            }
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

/// How often a sample each node's output changes, by its index: every tick for operators between populations, else once.
pub fn firings(network: &Network, plan: &Plan) -> Vec<f64> {
    let (graph, order, ticks) = (&network.graph, order(network), ticks(plan));
    let mut after_population = vec![false; graph.node_bound()];
    for &node in &order {
        after_population[node.index()] = match &graph[node].operator {
            Operator::Population { kind, .. } => *kind != PopulationKind::Decoder,
            Operator::Input
            | Operator::Output
            | Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reshape
            | Operator::Slice { .. }
            | Operator::Concat
            | Operator::Read { .. } => operands(network, node).iter().any(|from| after_population[from.index()]),
        };
    }
    let mut before_population = vec![false; graph.node_bound()];
    for &node in order.iter().rev() {
        let mut signals = graph.edges(node).filter(|edge| matches!(edge.weight(), Edge::Signal { .. }));
        before_population[node.index()] =
            signals.any(|edge| is_population(network, edge.target()) || before_population[edge.target().index()]);
    }
    let both = after_population.into_iter().zip(before_population);
    both.map(|(after, before)| if after && before { ticks } else { 1.0 }).collect()
}
