//! Deciding conversions as a PBQP: nodes for operators and for signals with several consumers, edges for converters between.

use std::collections::BTreeMap;

use super::alternatives::Alternative;
use super::calibrate::Calibration;
use super::domains::{chain, price, tree, variance};
use super::pbqp::{Problem, Solution};
use crate::forms::chip::Domain;
use crate::forms::network::NodeId;
use crate::forms::plan::Pinned;
use crate::forms::tiled::Tiled;
use crate::graph::signals;

/// The network with all its alternatives.
pub struct Choices<'a> {
    pub tiled: &'a Tiled,
    pub found: &'a Calibration,
    pub nodes: Vec<NodeId>,
    pub alternatives: Vec<Vec<Alternative>>,
    /// Consumers of each source: (node, operand), sorted.
    pub fans: BTreeMap<NodeId, Vec<(NodeId, usize)>>,
    /// Variance of the outputs, that errors are measured against.
    pub output_variance: f64,
}

/// What is asked of a solution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Objective for each unit of relative error variance.
    pub multiplier: f64,
    pub everywhere: bool,
    /// A pin to leave out.
    pub without: Option<usize>,
    /// Weight of the objective: 0 minimises error alone.
    pub weight: f64,
}

/// An assignment: an alternative for each node and the domains each signal with several consumers is made available in.
#[derive(Debug, Clone)]
pub struct Assignment {
    pub choice: Vec<usize>,
    pub cost: f64,
    pub error: f64,
    pub solution: Solution,
}

impl Choices<'_> {
    pub fn index(&self, node: NodeId) -> usize {
        self.nodes.binary_search(&node).unwrap_or(0)
    }

    /// Relative output error for a variance at each element of a node's signal.
    fn error(&self, node: NodeId, variance: f64) -> f64 {
        variance * self.found.gains.get(&node).copied().unwrap_or(0.0) / self.output_variance
    }

    /// Price and error of sending a node's values through one converter.
    pub fn step(&self, source: NodeId, converter: usize) -> (f64, f64) {
        let converter = &self.tiled.chip.converters[converter];
        let elements = self.tiled.network.graph[source].len() as f64;
        let paid = price(converter, elements, self.tiled.firings[source.index()]);
        let range = self.found.ranges.get(&source).copied().unwrap_or(1.0);
        (paid.of(self.tiled.plan.objective), self.error(source, variance(converter, range)))
    }

    /// Price and error of an alternative by itself.
    pub fn own(&self, index: usize, alternative: &Alternative) -> (f64, f64) {
        let node = self.nodes[index];
        let source = crate::graph::operands(&self.tiled.network, node).first().copied();
        let input = source.map_or(0.0, |source| self.error(source, alternative.input_variance));
        (alternative.price.of(self.tiled.plan.objective), input + self.error(node, alternative.output_variance))
    }

    /// Whether pins and `convert: everywhere` allow an alternative.
    fn allowed(&self, index: usize, alternative: &Alternative, demand: Demand) -> bool {
        let pinned = self.tiled.plan.pins.iter().enumerate().all(|(number, pin)| match pin.value {
            Pinned::Domain(domain) => {
                demand.without == Some(number) || pin.node != self.nodes[index] || alternative.output == domain
            }
            Pinned::Core(..) => true,
        });
        let could = self.alternatives[index].iter().any(Alternative::digital);
        pinned && (!demand.everywhere || !could || alternative.digital())
    }

    /// The tree of converters from a domain to several.
    pub fn tree(&self, source: NodeId, from: Domain, set: &[Domain], demand: Demand) -> Option<Vec<usize>> {
        let cost = |converter: usize| {
            let (paid, error) = self.step(source, converter);
            demand.weight * paid + demand.multiplier * error
        };
        match set {
            [to] => chain(&self.tiled.chip, &[from], *to, demand.everywhere, &cost),
            [] | [_, _, ..] => tree(&self.tiled.chip, from, set, demand.everywhere, &cost),
        }
    }

    fn tree_cost(&self, source: NodeId, from: Domain, set: &[Domain], demand: Demand) -> f64 {
        let Some(used) = self.tree(source, from, set, demand) else { return f64::INFINITY };
        let each = used.iter().map(|&converter| self.step(source, converter));
        each.map(|(paid, error)| demand.weight * paid + demand.multiplier * error).sum()
    }

    /// Solves for a demand; none when every assignment is forbidden.
    pub fn solve(&self, demand: Demand) -> Option<Assignment> {
        let mut problem = Problem::default();
        for (index, all) in self.alternatives.iter().enumerate() {
            let costs = all.iter().map(|alternative| {
                let (paid, error) = self.own(index, alternative);
                match self.allowed(index, alternative, demand) {
                    true => demand.weight * paid + demand.multiplier * error,
                    false => f64::INFINITY,
                }
            });
            problem.node(costs.collect());
        }
        for (&source, consumers) in &self.fans {
            self.add_fan(&mut problem, source, consumers, demand);
        }
        let solution = problem.solve()?;
        let choice = solution.choice[..self.nodes.len()].to_vec();
        let (cost, error) = self.value(&choice, demand)?;
        Some(Assignment { choice, cost, error, solution })
    }

    /// A signal: an edge to its one consumer, or a node with the sets of domains its consumers may need.
    fn add_fan(&self, problem: &mut Problem, source: NodeId, consumers: &[(NodeId, usize)], demand: Demand) {
        let producer = self.index(source);
        let outputs: Vec<Domain> = self.alternatives[producer].iter().map(|a| a.output).collect();
        let mut needed: Vec<Domain> =
            consumers.iter().flat_map(|(to, _)| self.alternatives[self.index(*to)].iter().map(|a| a.input)).collect();
        needed.sort_unstable();
        needed.dedup();
        let priced = |sets: &[Vec<Domain>]| -> Vec<Vec<f64>> {
            let mut known: BTreeMap<Domain, Vec<f64>> = BTreeMap::new();
            let rows = outputs.iter().map(|&from| {
                let row = || sets.iter().map(|set| self.tree_cost(source, from, set, demand)).collect();
                known.entry(from).or_insert_with(row).clone()
            });
            rows.collect()
        };
        if let [(to, _)] = consumers {
            let singles: Vec<Vec<Domain>> = needed.iter().map(|&domain| vec![domain]).collect();
            let costs = priced(&singles);
            let matrix: Vec<Vec<f64>> = costs
                .iter()
                .map(|row| {
                    let inputs = self.alternatives[self.index(*to)].iter().map(|a| a.input);
                    inputs.map(|input| needed.binary_search(&input).map_or(f64::INFINITY, |at| row[at])).collect()
                })
                .collect();
            problem.edge(producer, self.index(*to), &matrix);
            return;
        }
        let sets: Vec<Vec<Domain>> = (1..1_usize << needed.len())
            .map(|mask| (0..needed.len()).filter(|bit| mask >> bit & 1 == 1).map(|bit| needed[bit]).collect())
            .filter(|set: &Vec<Domain>| set.len() <= 4)
            .collect();
        let fan = problem.node(vec![0.0; sets.len()]);
        problem.edge(producer, fan, &priced(&sets));
        let mut ends: Vec<usize> = consumers.iter().map(|(to, _)| self.index(*to)).collect();
        ends.dedup();
        for end in ends {
            let has = |set: &Vec<Domain>| {
                let inputs = self.alternatives[end].iter().map(|a| a.input);
                inputs.map(|input| if set.contains(&input) { 0.0 } else { f64::INFINITY }).collect()
            };
            problem.edge(fan, end, &sets.iter().map(has).collect::<Vec<Vec<f64>>>());
        }
    }

    /// Domains a signal is needed in under an assignment.
    pub fn domains(&self, choice: &[usize], source: NodeId) -> Vec<Domain> {
        let consumers = self.fans.get(&source).map_or(&[][..], Vec::as_slice);
        let mut set: Vec<Domain> =
            consumers.iter().map(|(to, _)| self.alternatives[self.index(*to)][choice[self.index(*to)]].input).collect();
        set.sort_unstable();
        set.dedup();
        set
    }

    /// Objective and relative error of an assignment; none when converters are missing.
    pub fn value(&self, choice: &[usize], demand: Demand) -> Option<(f64, f64)> {
        let (mut cost, mut error) = (0.0, 0.0);
        for (index, &alternative) in choice.iter().enumerate() {
            let (paid, added) = self.own(index, &self.alternatives[index][alternative]);
            cost += paid;
            error += added;
        }
        for &source in self.fans.keys() {
            let producer = self.index(source);
            let from = self.alternatives[producer][choice[producer]].output;
            for converter in self.tree(source, from, &self.domains(choice, source), demand)? {
                let (paid, added) = self.step(source, converter);
                cost += paid;
                error += added;
            }
        }
        Some((cost, error))
    }

    /// Node by node in the order of signals, what is cheapest given what came before, blind to what comes after.
    pub fn greedy(&self, demand: Demand) -> Option<(f64, f64)> {
        let mut choice = vec![0; self.nodes.len()];
        for node in crate::graph::order(&self.tiled.network) {
            let index = self.index(node);
            let sources = crate::graph::operands(&self.tiled.network, node);
            let total = |alternative: &Alternative| {
                if !self.allowed(index, alternative, demand) {
                    return f64::INFINITY;
                }
                let (paid, error) = self.own(index, alternative);
                let arriving = sources.iter().map(|&source| {
                    let producer = self.index(source);
                    let from = self.alternatives[producer][choice[producer]].output;
                    self.tree_cost(source, from, &[alternative.input], demand)
                });
                demand.weight * paid + demand.multiplier * error + arriving.sum::<f64>()
            };
            let costs: Vec<f64> = self.alternatives[index].iter().map(total).collect();
            let best = (0..costs.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b]))?;
            if costs[best].is_infinite() {
                return None;
            }
            choice[index] = best;
        }
        self.value(&choice, demand)
    }
}

/// Consumers of every source.
pub fn fans(tiled: &Tiled) -> BTreeMap<NodeId, Vec<(NodeId, usize)>> {
    let mut fans: BTreeMap<NodeId, Vec<(NodeId, usize)>> = BTreeMap::new();
    for (from, to, operand) in signals(&tiled.network) {
        fans.entry(from).or_default().push((to, operand));
    }
    fans
}
