//! Deciding conversions as a PBQP: nodes for operators and for signals with several consumers, edges for converters between.

use std::collections::{BTreeMap, BTreeSet};

use super::alternatives::{Alternative, has_line, wire_variance};
use super::calibrate::Calibration;
use super::domains::{branch, chain, holder, tree};
use super::pbqp::{Problem, Solution};
use crate::cost::Price;
use crate::forms::chip::{Chip, Domain};
use crate::forms::decisions::Implementation;
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator};
use crate::forms::plan::{Objective, Pinned};
use crate::forms::tiling::Tiling;
use crate::graph::{operands, signals};
use crate::map::circuit::WORD;

/// The network with all its alternatives.
pub struct Choices<'a> {
    pub given: Given<'a>,
    pub tiling: &'a Tiling,
    pub found: &'a Calibration,
    pub nodes: Vec<NodeId>,
    pub alternatives: Vec<Vec<Alternative>>,
    /// Consumers of each source: (node, operand), sorted.
    pub fans: BTreeMap<NodeId, Vec<(NodeId, usize)>>,
    /// Variance of the outputs, that errors are measured against.
    pub output_variance: f64,
}

/// Analog wires that must not be: cuts of islands that fit no core.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cuts {
    /// Signals that leave their source as bits.
    pub signals: BTreeSet<NodeId>,
    /// Layers whose partial sums are added digitally.
    pub sums: BTreeSet<NodeId>,
}

/// What is asked of a solution.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Objective for each unit of relative error variance.
    pub multiplier: f64,
    pub everywhere: bool,
    /// A pin to leave out.
    pub without: Option<usize>,
    /// Weight of the objective: 0 minimises error alone.
    pub weight: f64,
    pub cuts: Cuts,
}

impl Demand {
    /// The plain objective.
    pub fn plain() -> Self {
        Demand { multiplier: 0.0, everywhere: false, without: None, weight: 1.0, cuts: Cuts::default() }
    }
}

/// An assignment: an alternative for each node.
#[derive(Debug, Clone)]
pub struct Assignment {
    pub choice: Vec<usize>,
    pub cost: f64,
    pub error: f64,
    pub solution: Solution,
}

/// How a signal leaves its source: the domains it is made available in, and the converters that make them.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaving {
    pub set: Vec<Domain>,
    pub tree: Vec<usize>,
}

impl Choices<'_> {
    pub fn index(&self, node: NodeId) -> usize {
        self.nodes.binary_search(&node).unwrap_or(0)
    }

    pub fn chip(&self) -> &Chip {
        self.given.chip
    }

    fn objective(&self, price: Price) -> f64 {
        match self.given.plan.objective {
            Objective::Energy => price.energy,
            Objective::Time => price.time,
            Objective::Area => price.area,
        }
    }

    /// Relative output error for a variance at each element of a node's signal.
    fn error(&self, node: NodeId, variance: f64) -> f64 {
        variance * self.found.gains.get(&node).copied().unwrap_or(0.0) / self.output_variance
    }

    /// Price and error of sending so many values of a node through one converter.
    fn step(&self, source: NodeId, converter: usize, values: f64) -> (f64, f64) {
        let converter = &self.chip().converters[converter];
        let firings = self.tiling.firings[source.index()];
        let price = Price {
            energy: converter.energy * values * firings,
            time: converter.time * firings,
            area: converter.area * values,
        };
        (self.objective(price), self.error(source, wire_variance(self.found, source, converter)))
    }

    /// Both in one number.
    fn weigh(&self, demand: &Demand, (paid, error): (f64, f64)) -> f64 {
        demand.weight * paid + demand.multiplier * error
    }

    /// Price and error of an alternative by itself.
    pub fn own(&self, index: usize, alternative: &Alternative) -> (f64, f64) {
        let node = self.nodes[index];
        let source = operands(self.given.network, node).first().copied();
        let input = source.map_or(0.0, |source| self.error(source, alternative.input_variance));
        (self.objective(alternative.price), input + self.error(node, alternative.output_variance))
    }

    /// Whether pins, cuts and `convert: everywhere` allow an alternative.
    fn allowed(&self, index: usize, alternative: &Alternative, demand: &Demand) -> bool {
        let node = self.nodes[index];
        let pinned = self.given.plan.pins.iter().enumerate().all(|(number, pin)| match pin.value {
            Pinned::Domain(domain) => {
                demand.without == Some(number) || pin.node != node || alternative.output == domain
            }
            Pinned::Core(..) => true,
        });
        let could = self.alternatives[index].iter().any(Alternative::digital);
        let converts = alternative.converts || !demand.cuts.sums.contains(&node);
        pinned && converts && (!demand.everywhere || !could || alternative.digital())
    }

    /// Values of a signal that a consumer takes: an array takes each of its rows.
    fn taken(&self, source: NodeId, to: NodeId) -> f64 {
        let blocks: usize = self.tiling.of(to).map(|(_, block)| block.rows()).sum();
        let elements = self.given.network.graph[source].len();
        if blocks > 0 { blocks as f64 } else { elements as f64 }
    }

    /// Whether a node only hands on what comes in.
    fn passes(&self, node: NodeId) -> bool {
        matches!(self.given.network.graph[node].operator, Operator::Gather(_) | Operator::Read { .. })
    }

    /// Converters at a consumer from bits to what it takes, what they cost, and buffers and the host's port for the bits; none: impossible.
    fn bits_taken(
        &self,
        source: NodeId,
        width: f64,
        (to, alternative): (NodeId, &Alternative),
        demand: &Demand,
    ) -> Option<(Vec<usize>, f64, f64)> {
        let chip = self.chip();
        if alternative.input != Domain::Bits && self.passes(to) {
            return None;
        }
        let values = self.taken(source, to);
        let price = |id: usize| self.weigh(demand, self.step(source, id, values));
        let takes = chain(chip, Domain::Bits, alternative.input, &price)?;
        let (mut paid, mut error) = (0.0, 0.0);
        for &id in &takes {
            let step = self.step(source, id, values);
            paid += step.0;
            error += step.1;
        }
        if self.given.plan.objective == Objective::Energy && !self.passes(to) {
            let need = takes.first().map_or(alternative.need, |&id| chip.converters[id].bits.map_or(WORD, f64::from));
            let elements = self.given.network.graph[source].len() as f64 * self.tiling.firings[source.index()];
            let bits = elements * width.min(need);
            let is_output = matches!(self.given.network.graph[to].operator, Operator::Output);
            let joules = match is_output {
                true => chip.host.energy_per_bit,
                false => {
                    let each = chip.core_kinds.iter().map(|core| core.buffer_energy);
                    2.0 * each.fold(f64::INFINITY, f64::min)
                }
            };
            paid += bits * if joules.is_finite() { joules } else { 0.0 };
        }
        Some((takes, paid, error))
    }

    /// Whether a consumer can take a signal that is available in these domains as it is.
    fn as_is(&self, set: &[Domain], (to, alternative): (NodeId, &Alternative)) -> bool {
        let domain = alternative.input;
        if !set.contains(&domain) || domain == Domain::Bits {
            return false;
        }
        domain == Domain::Spikes || self.passes(to) || has_line(self.chip(), domain)
    }

    /// The tree of converters at a source from what it gives to a set of domains; arrays are held where the chip can hold.
    fn leave(&self, source: NodeId, from: &Alternative, set: &[Domain], demand: &Demand) -> Option<Vec<usize>> {
        let chip = self.chip();
        // Bits are turned into something else where that is used.
        if from.output == Domain::Bits && set.iter().any(|domain| *domain != Domain::Bits) {
            return None;
        }
        let values = self.given.network.graph[source].len() as f64;
        let price = |id: usize| self.weigh(demand, self.step(source, id, values));
        let mut tree = tree(chip, from.output, set, &price)?;
        let analog = |domain: Domain| !matches!(domain, Domain::Bits | Domain::Spikes);
        let from_array = matches!(from.implementation, Implementation::Tile(_)) && analog(from.output);
        if let Some(&domain) = set.iter().find(|domain| analog(**domain)).filter(|_| from_array) {
            let way = branch(chip, &tree, from.output, domain);
            let passed = way.iter().map(|&id| chip.converters[id].to).chain([from.output]);
            let hold = [domain].into_iter().chain(passed).find_map(|domain| holder(chip, domain));
            tree.extend(hold);
        }
        Some(tree)
    }

    /// Sets of domains that a source may be made available in.
    fn sets(&self, source: NodeId, consumers: &[(NodeId, usize)], demand: &Demand) -> Vec<Vec<Domain>> {
        let mut needed: Vec<Domain> =
            consumers.iter().flat_map(|(to, _)| self.alternatives[self.index(*to)].iter().map(|a| a.input)).collect();
        needed.push(Domain::Bits);
        needed.sort_unstable();
        needed.dedup();
        let digital = demand.everywhere || demand.cuts.signals.contains(&source);
        needed.retain(|domain| !digital || matches!(domain, Domain::Bits | Domain::Spikes));
        (1..1_usize << needed.len())
            .map(|mask| (0..needed.len()).filter(|bit| mask >> bit & 1 == 1).map(|bit| needed[bit]).collect())
            .filter(|set: &Vec<Domain>| set.len() <= 3)
            .collect()
    }

    /// What it costs a consumer to take a signal from a set of domains.
    fn take(
        &self,
        source: NodeId,
        producer: &Alternative,
        set: &[Domain],
        consumer: (NodeId, &Alternative),
        demand: &Demand,
    ) -> f64 {
        if self.as_is(set, consumer) {
            return 0.0;
        }
        if !set.contains(&Domain::Bits) {
            return f64::INFINITY;
        }
        let found = self.bits_taken(source, producer.width, consumer, demand);
        found.map_or(f64::INFINITY, |(_, paid, error)| self.weigh(demand, (paid, error)))
    }

    fn leave_cost(&self, source: NodeId, from: &Alternative, set: &[Domain], demand: &Demand) -> f64 {
        let Some(tree) = self.leave(source, from, set, demand) else { return f64::INFINITY };
        let values = self.given.network.graph[source].len() as f64;
        let steps: f64 = tree.iter().map(|&id| self.weigh(demand, self.step(source, id, values))).sum();
        steps + demand.weight * self.kept_driven(from, &tree)
    }

    /// Joules that an array burns while the converters at its output work; where nothing holds the value, at least that.
    fn kept_driven(&self, from: &Alternative, tree: &[usize]) -> f64 {
        if self.given.plan.objective != Objective::Energy {
            return 0.0;
        }
        from.power * tree.iter().map(|&id| self.chip().converters[id].time).sum::<f64>()
    }

    /// What the host's port costs for an input: each value once, in as many bits as can be used.
    fn port(&self, index: usize) -> f64 {
        let node = self.nodes[index];
        if !matches!(self.given.network.graph[node].operator, Operator::Input)
            || self.given.plan.objective != Objective::Energy
        {
            return 0.0;
        }
        let elements = self.given.network.graph[node].len() as f64 * self.tiling.firings[node.index()];
        elements * self.least_need(node) * self.chip().host.energy_per_bit
    }

    /// The fewest bits that any use of an input's values needs.
    fn least_need(&self, node: NodeId) -> f64 {
        let consumers = self.fans.get(&node).map_or(&[][..], Vec::as_slice);
        let need = consumers.iter().map(|&(to, _)| match self.passes(to) {
            true => self.least_need(to),
            false => {
                let alternatives = self.alternatives[self.index(to)].iter();
                let takes = |a: &Alternative| {
                    let first = chain(self.chip(), Domain::Bits, a.input, &|_| 1.0)?.first().copied();
                    Some(first.map_or(a.need, |id| self.chip().converters[id].bits.map_or(WORD, f64::from)))
                };
                alternatives.filter_map(takes).fold(f64::INFINITY, f64::min)
            }
        });
        need.fold(0.0, f64::max).min(WORD)
    }

    /// Solves for a demand; none when every assignment is forbidden.
    pub fn solve(&self, demand: &Demand) -> Option<Assignment> {
        let mut problem = Problem::default();
        for (index, all) in self.alternatives.iter().enumerate() {
            let port = demand.weight * self.port(index);
            let costs = all.iter().map(|alternative| match self.allowed(index, alternative, demand) {
                true => port + self.weigh(demand, self.own(index, alternative)),
                false => f64::INFINITY,
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
    fn add_fan(&self, problem: &mut Problem, source: NodeId, consumers: &[(NodeId, usize)], demand: &Demand) {
        let producer = self.index(source);
        let sets = self.sets(source, consumers, demand);
        let from = &self.alternatives[producer];
        let ends = |to: NodeId| &self.alternatives[self.index(to)];
        if let [(to, _)] = consumers {
            let matrix: Vec<Vec<f64>> = (from.iter())
                .map(|alternative| {
                    let leaving: Vec<f64> =
                        sets.iter().map(|set| self.leave_cost(source, alternative, set, demand)).collect();
                    let each = ends(*to).iter().map(|end| {
                        let ways = sets.iter().zip(&leaving).filter(|(_, cost)| cost.is_finite());
                        let taken =
                            ways.map(|(set, cost)| cost + self.take(source, alternative, set, (*to, end), demand));
                        taken.fold(f64::INFINITY, f64::min)
                    });
                    each.collect()
                })
                .collect();
            problem.edge(producer, self.index(*to), &matrix);
            return;
        }
        // The node stands for a set of domains and for the width of bits, which decides what moving them costs.
        let mut widths: Vec<f64> = from.iter().map(|alternative| alternative.width).collect();
        widths.sort_by(f64::total_cmp);
        widths.dedup();
        let states: Vec<(&Vec<Domain>, f64)> =
            sets.iter().flat_map(|set| widths.iter().map(move |width| (set, *width))).collect();
        let fan = problem.node(vec![0.0; states.len()]);
        let leaving: Vec<Vec<f64>> = (from.iter())
            .map(|alternative| {
                let cost = |(set, width): &(&Vec<Domain>, f64)| match *width == alternative.width {
                    true => self.leave_cost(source, alternative, set, demand),
                    false => f64::INFINITY,
                };
                states.iter().map(cost).collect()
            })
            .collect();
        problem.edge(producer, fan, &leaving);
        let mut distinct: Vec<NodeId> = consumers.iter().map(|(to, _)| *to).collect();
        distinct.dedup();
        for to in distinct {
            let row = |(set, width): &(&Vec<Domain>, f64)| {
                let stand_in = Alternative { width: *width, ..from[0].clone() };
                ends(to).iter().map(|end| self.take(source, &stand_in, set, (to, end), demand)).collect()
            };
            problem.edge(fan, self.index(to), &states.iter().map(row).collect::<Vec<Vec<f64>>>());
        }
    }

    /// How a signal leaves its source under an assignment, as cheaply as can be.
    pub fn leaving(&self, choice: &[usize], source: NodeId, demand: &Demand) -> Option<Leaving> {
        let consumers = self.fans.get(&source).map_or(&[][..], Vec::as_slice);
        let producer = &self.alternatives[self.index(source)][choice[self.index(source)]];
        let mut distinct: Vec<NodeId> = consumers.iter().map(|(to, _)| *to).collect();
        distinct.dedup();
        let mut best: Option<(f64, Vec<Domain>)> = None;
        for set in self.sets(source, consumers, demand) {
            let mut cost = self.leave_cost(source, producer, &set, demand);
            for &to in &distinct {
                let end = &self.alternatives[self.index(to)][choice[self.index(to)]];
                cost += self.take(source, producer, &set, (to, end), demand);
            }
            if cost.is_finite() && best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, set));
            }
        }
        let (_, set) = best?;
        let tree = self.leave(source, producer, &set, demand)?;
        Some(Leaving { set, tree })
    }

    /// Converters at a consumer under an assignment.
    pub fn taking(
        &self,
        choice: &[usize],
        leaving: &Leaving,
        source: NodeId,
        to: NodeId,
        demand: &Demand,
    ) -> Vec<usize> {
        let producer = &self.alternatives[self.index(source)][choice[self.index(source)]];
        let end = &self.alternatives[self.index(to)][choice[self.index(to)]];
        if self.as_is(&leaving.set, (to, end)) {
            return Vec::new();
        }
        self.bits_taken(source, producer.width, (to, end), demand).map_or_else(Vec::new, |(takes, ..)| takes)
    }

    /// Objective and relative error of an assignment; none when converters are missing.
    pub fn value(&self, choice: &[usize], demand: &Demand) -> Option<(f64, f64)> {
        let (mut cost, mut error) = (0.0, 0.0);
        for (index, &alternative) in choice.iter().enumerate() {
            let (paid, added) = self.own(index, &self.alternatives[index][alternative]);
            cost += paid + self.port(index);
            error += added;
        }
        for (&source, consumers) in &self.fans {
            let leaving = self.leaving(choice, source, demand)?;
            let producer = &self.alternatives[self.index(source)][choice[self.index(source)]];
            let values = self.given.network.graph[source].len() as f64;
            for &converter in &leaving.tree {
                let (paid, added) = self.step(source, converter, values);
                cost += paid;
                error += added;
            }
            cost += self.kept_driven(producer, &leaving.tree);
            let mut distinct: Vec<NodeId> = consumers.iter().map(|(to, _)| *to).collect();
            distinct.dedup();
            for to in distinct {
                let end = &self.alternatives[self.index(to)][choice[self.index(to)]];
                if !self.as_is(&leaving.set, (to, end)) {
                    let (_, paid, added) = self.bits_taken(source, producer.width, (to, end), demand)?;
                    cost += paid;
                    error += added;
                }
            }
        }
        Some((cost, error))
    }

    /// Node by node in the order of signals, what is cheapest given what came before, blind to what comes after.
    pub fn greedy(&self, demand: &Demand) -> Option<Vec<usize>> {
        let mut choice = vec![0; self.nodes.len()];
        for node in crate::graph::order(self.given.network) {
            let index = self.index(node);
            let sources = operands(self.given.network, node);
            let total = |alternative: &Alternative| {
                if !self.allowed(index, alternative, demand) {
                    return f64::INFINITY;
                }
                let arriving = sources.iter().map(|&source| {
                    let producer = &self.alternatives[self.index(source)][choice[self.index(source)]];
                    let sets = self.sets(source, &[(node, 0)], demand);
                    let ways = sets.iter().map(|set| {
                        self.leave_cost(source, producer, set, demand)
                            + self.take(source, producer, set, (node, alternative), demand)
                    });
                    ways.fold(f64::INFINITY, f64::min)
                });
                self.weigh(demand, self.own(index, alternative)) + arriving.sum::<f64>()
            };
            let costs: Vec<f64> = self.alternatives[index].iter().map(total).collect();
            let best = (0..costs.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b]))?;
            if costs[best].is_infinite() {
                return None;
            }
            choice[index] = best;
        }
        Some(choice)
    }
}

/// Consumers of every source.
pub fn fans(given: Given) -> BTreeMap<NodeId, Vec<(NodeId, usize)>> {
    let mut fans: BTreeMap<NodeId, Vec<(NodeId, usize)>> = BTreeMap::new();
    for (from, to, operand) in signals(given.network) {
        fans.entry(from).or_default().push((to, operand));
    }
    fans
}
