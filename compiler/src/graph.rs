//! Questions to the network's graph that several stages ask.

use std::collections::BTreeSet;

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::visit::{EdgeRef, IntoEdgeReferences, NodeIndexable};

use crate::forms::equations::Emission;
use crate::forms::network::{Connection, Edge, Network, NodeId, Operator, PopulationKind, Weights};
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

/// The element of another node's output that an element of this one's is, through windows, joins and reshapes; none for a zero.
pub fn origin(network: &Network, mut node: NodeId, mut at: usize) -> Option<(NodeId, usize)> {
    loop {
        let (operand, element) = match &network.graph[node].operator {
            Operator::Gather(gather) => gather.source(at)?,
            Operator::Read { .. } => (0, at),
            Operator::Input
            | Operator::Output
            | Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Scatter(_)
            | Operator::Delay
            | Operator::Population { .. } => return Some((node, at)),
        };
        (node, at) = (*operands(network, node).get(operand)?, element);
    }
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

/// The connections that start or end at a node; one that does both comes twice.
pub fn connections(network: &Network, node: NodeId) -> impl Iterator<Item = &Connection> {
    let edges = [Incoming, Outgoing].map(|direction| network.graph.edges_directed(node, direction));
    edges.into_iter().flatten().filter_map(|edge| match edge.weight() {
        Edge::Synapses(index) => network.connections.get(*index),
        Edge::Signal { .. } => None,
    })
}

/// Nodes so that operands come first, those as far from the inputs in the order made; populations, which may close cycles,
/// count as having no operands. A layer comes before what reads its array backward.
pub fn order(network: &Network) -> Vec<NodeId> {
    let graph = &network.graph;
    let mut missing = vec![0_usize; graph.node_bound()];
    for (_, to, _) in signals(network) {
        missing[to.index()] += usize::from(!is_population(network, to));
    }
    network.backward.keys().for_each(|layer| missing[layer.index()] += 1);
    let mut level: Vec<NodeId> = graph.node_indices().filter(|node| missing[node.index()] == 0).collect();
    let mut order = Vec::new();
    while !level.is_empty() {
        let mut next = Vec::new();
        for &node in &level {
            let fed = graph.edges(node).filter(|edge| matches!(edge.weight(), Edge::Signal { .. }));
            let backward = network.backward.iter().filter(|(_, layer)| **layer == node);
            for to in fed.map(|edge| edge.target()).chain(backward.map(|(layer, _)| *layer)) {
                if !is_population(network, to) {
                    missing[to.index()] -= 1;
                    if missing[to.index()] == 0 {
                        next.push(to);
                    }
                }
            }
        }
        next.sort_unstable();
        order.append(&mut level);
        level = next;
    }
    order
}

/// How each node's values move, by its index.
pub struct Moves {
    /// With the ticks: it is a population, or depends on one.
    pub in_time: Vec<bool>,
    /// To a population, over operators alone.
    pub to_population: Vec<bool>,
    /// To an output, a layer that is fitted or a probe, over operators alone; or it is such itself.
    pub to_result: Vec<bool>,
}

/// Finds how values move in a network.
pub fn moves(network: &Network) -> Moves {
    let (graph, order) = (&network.graph, order(network));
    let mut moves = {
        let none = vec![false; graph.node_bound()];
        Moves { in_time: none.clone(), to_population: none.clone(), to_result: none }
    };
    for &node in &order {
        moves.in_time[node.index()] =
            is_moved(network, node) || operands(network, node).iter().any(|from| moves.in_time[from.index()]);
    }
    let mut ends = vec![false; graph.node_bound()];
    network.probes.iter().for_each(|probe| ends[probe.node.index()] = true);
    for &node in &order {
        ends[node.index()] |=
            matches!(graph[node].operator, Operator::Output | Operator::Dense { weights: Weights::Fitted { .. }, .. });
    }
    for &node in order.iter().rev() {
        moves.to_result[node.index()] = ends[node.index()];
        for edge in graph.edges(node).filter(|edge| matches!(edge.weight(), Edge::Signal { .. })) {
            let to = edge.target().index();
            let (population, result) = match is_population(network, edge.target()) {
                true => (true, ends[to]),
                false => (moves.to_population[to], moves.to_result[to]),
            };
            moves.to_population[node.index()] |= population;
            moves.to_result[node.index()] |= result;
        }
    }
    moves
}

/// The nodes whose values change while layers learn: layers that do, and all that is made from them.
pub fn learned(network: &Network, plan: &Plan) -> BTreeSet<NodeId> {
    let (mut found, order) = (BTreeSet::new(), order(network));
    // States close loops: once more until there are no more.
    loop {
        let before = found.len();
        for &node in &order {
            let forward = network.backward.get(&node);
            let mut from = operands(network, node).into_iter().chain(forward.copied());
            if plan.trains(node) || from.any(|from| found.contains(&from)) {
                found.insert(node);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// The fitted layer whose values a node hands on as they are; none: it does not.
pub fn fitted_behind(network: &Network, node: NodeId) -> Option<NodeId> {
    let before = || operands(network, node).first().and_then(|&from| fitted_behind(network, from));
    match &network.graph[node].operator {
        Operator::Dense { weights: Weights::Fitted { .. }, .. } => Some(node),
        Operator::Output => before(),
        Operator::Gather(gather) if gather.is_whole() => before(),
        Operator::Input
        | Operator::Dense { .. }
        | Operator::Elementwise { .. }
        | Operator::Gather(_)
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Scatter(_)
        | Operator::Delay
        | Operator::Population { .. }
        | Operator::Read { .. } => None,
    }
}

/// The layer whose elements an operator's are, one for one; none: some are not.
pub fn layer_of(network: &Network, node: NodeId) -> Option<NodeId> {
    let before = operands(network, node).first().copied();
    match &network.graph[node].operator {
        Operator::Dense { .. } => Some(node),
        Operator::Gather(gather) if !gather.is_whole() => None,
        Operator::Elementwise { .. } | Operator::Gather(_) => {
            let same = |source: &NodeId| network.graph[*source].len() == network.graph[node].len();
            before.filter(same).and_then(|source| layer_of(network, source))
        }
        Operator::Input
        | Operator::Output
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Scatter(_)
        | Operator::Delay
        | Operator::Population { .. }
        | Operator::Read { .. } => None,
    }
}

/// Whether a node is a state of the network: its values are those of the step before.
pub fn is_state(network: &Network, node: NodeId) -> bool {
    matches!(network.graph[node].operator, Operator::Population { kind: PopulationKind::State, .. })
}

/// Whether a node moves of itself.
fn is_moved(network: &Network, node: NodeId) -> bool {
    is_population(network, node) || network.stepped.contains(&node)
}

/// Whether a node is spikes that are given from outside.
pub fn is_given(network: &Network, node: NodeId) -> bool {
    let Operator::Population { dynamics, .. } = &network.graph[node].operator else { return false };
    matches!(dynamics.emission, Some(Emission::Given))
}

/// Whether a node is a population of whatever kind.
pub fn is_population(network: &Network, node: NodeId) -> bool {
    matches!(network.graph[node].operator, Operator::Population { .. })
}

/// Ticks of a sample; 1 without time.
pub fn ticks(plan: &Plan) -> f64 {
    let longest = plan.phases.iter().filter_map(|phase| phase.duration).fold(0.0, f64::max);
    plan.step.filter(|step| *step > 0.0).map_or(1.0, |step| nmc_program::steps(longest, step).max(1.0))
}

/// How often a sample each node's output changes, by its index: every tick for operators between populations, else once.
pub fn firings(network: &Network, plan: &Plan) -> Vec<f64> {
    let ticks = ticks(plan);
    recurring(network, plan).into_iter().map(|recurs| if recurs { ticks } else { 1.0 }).collect()
}

/// Whether each node's output is made in every tick, by its index, be it the only one.
pub fn recurring(network: &Network, plan: &Plan) -> Vec<bool> {
    let (graph, order) = (&network.graph, order(network));
    let mut after_population = vec![false; graph.node_bound()];
    for &node in &order {
        after_population[node.index()] = match &graph[node].operator {
            Operator::Population { .. } => true,
            Operator::Input => network.stepped.contains(&node),
            Operator::Output
            | Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Gather(_)
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Scatter(_)
            | Operator::Delay
            | Operator::Read { .. } => operands(network, node).iter().any(|from| after_population[from.index()]),
        };
    }
    // Where a phase takes outputs of every step, what leads to them works in each.
    let taken = plan.phases.iter().any(|phase| phase.taken > 1);
    let both = after_population.into_iter().zip(moves(network).to_population);
    both.map(|(after, before)| after && (before || taken)).collect()
}
