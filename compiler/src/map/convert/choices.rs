//! What can be chosen, and what each choice takes: operators by their implementations, signals by how they leave and are taken.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::alternatives::{Alternative, has_line, wire_variance};
use super::calibrate::Calibration;
use super::domains::{Tree, branch, chain, holder, tree};
use super::problem::{Demand, Posed};
use super::transport::Links;
use crate::cost::{self, Price};
use crate::forms::chip::{Chip, Domain};
use crate::forms::decisions::{Implementation, Summing};
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator};
use crate::forms::plan::{Objective, Pinned};
use crate::forms::tiling::{Block, Tiling};
use crate::graph::{is_population, operands, origin, signals};
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
    /// Relative error variance by the resistance of wires, which no choice changes.
    pub wired: f64,
    /// What each node's values come to in the end, whatever hands them on: parts of the chip, and the host.
    uses: BTreeMap<NodeId, (usize, usize)>,
    /// Links that bits pass at least.
    pub links: Links,
    /// Problems that were asked for.
    pub known: RefCell<Vec<(Demand, Rc<Posed>)>>,
}

/// How a signal leaves its source: the domains it is made available in, the converters that make them, and the width of its bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaving {
    pub set: Vec<Domain>,
    pub tree: Tree,
    pub width: f64,
}

/// What a signal may leave as: domains, and the width of bits where these are among them (else 0).
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub set: Vec<Domain>,
    pub width: f64,
}

impl State {
    /// Whether it needs a wire that joins both ends.
    pub fn is_analog(&self) -> bool {
        self.set.iter().any(|domain| domain.is_analog())
    }
}

impl<'a> Choices<'a> {
    pub fn new(
        given: Given<'a>,
        tiling: &'a Tiling,
        found: &'a Calibration,
        alternatives: impl Fn(NodeId) -> Vec<Alternative>,
        output_variance: f64,
    ) -> Self {
        let nodes: Vec<NodeId> = given.network.graph.node_indices().collect();
        let mut fans: BTreeMap<NodeId, Vec<(NodeId, usize)>> = BTreeMap::new();
        for (from, to, operand) in signals(given.network) {
            fans.entry(from).or_default().push((to, operand));
        }
        let alternatives = nodes.iter().map(|&node| alternatives(node)).collect();
        let mut choices = Choices {
            given,
            tiling,
            found,
            nodes,
            alternatives,
            fans,
            output_variance,
            wired: found.wired / output_variance,
            uses: BTreeMap::new(),
            links: Links::default(),
            known: RefCell::default(),
        };
        let order = crate::graph::order(given.network);
        for &node in order.iter().rev() {
            let uses = choices.uses_below(node);
            choices.uses.insert(node, uses);
        }
        for &node in order.iter().filter(|node| choices.passes(**node)).collect::<Vec<_>>() {
            // What only hands on gives bits as wide, and shares what takes them.
            let sources = operands(given.network, node);
            let width = sources.iter().map(|&source| choices.least_width(source)).fold(WORD, f64::min);
            let index = choices.index(node);
            choices.alternatives[index].iter_mut().for_each(|alternative| alternative.width = width);
            let above: Vec<(usize, usize)> =
                sources.iter().filter_map(|source| choices.uses.get(source)).copied().collect();
            let uses = choices.uses.entry(node).or_default();
            for (inner, outer) in above {
                *uses = (uses.0.max(inner), uses.1.max(outer));
            }
        }
        choices.links = Links::least(&choices);
        choices
    }

    pub fn index(&self, node: NodeId) -> usize {
        self.nodes.binary_search(&node).unwrap_or(0)
    }

    pub fn chip(&self) -> &'a Chip {
        self.given.chip
    }

    pub fn len_of(&self, node: NodeId) -> f64 {
        self.given.network.graph[node].len() as f64
    }

    pub fn firings(&self, node: NodeId) -> f64 {
        self.tiling.firings[node.index()]
    }

    /// How often a sample a consumer is sent what a node gives, at least: once, after the last tick, where it works only then.
    pub fn carried(&self, source: NodeId, to: NodeId) -> f64 {
        let firings = self.firings(source);
        if is_population(self.given.network, to) { firings } else { firings.min(self.firings(to)) }
    }

    pub fn minimises(&self, objective: Objective) -> bool {
        self.given.plan.objective == objective
    }

    /// Consumers of a source, each once.
    pub fn consumers(&self, source: NodeId) -> Vec<NodeId> {
        let mut distinct: Vec<NodeId> =
            self.fans.get(&source).map_or(&[][..], Vec::as_slice).iter().map(|(to, _)| *to).collect();
        distinct.dedup();
        distinct
    }

    fn uses_below(&self, node: NodeId) -> (usize, usize) {
        let mut sum = (0, 0);
        for to in self.consumers(node) {
            let (inner, outer) = match (self.passes(to), &self.given.network.graph[to].operator) {
                (true, _) => self.uses.get(&to).copied().unwrap_or((1, 1)),
                (false, Operator::Output) => (0, 1),
                (false, _) => (1, 0),
            };
            sum = (sum.0 + inner, sum.1 + outer);
        }
        sum
    }

    /// Parts of the chip, or ports of the host, that share what moving a source's values once takes: they may lie together.
    pub fn sharers(&self, source: NodeId, to: NodeId) -> f64 {
        let (inner, outer) = self.uses.get(&source).copied().unwrap_or((1, 1));
        let outside = matches!(self.given.network.graph[to].operator, Operator::Output);
        if outside { outer.max(1) as f64 } else { inner.max(1) as f64 }
    }

    /// The fewest bits that a value of a node can leave as.
    pub fn least_width(&self, node: NodeId) -> f64 {
        let all = &self.alternatives[self.index(node)];
        let chip = self.chip();
        let on_wires = chip.on_wires.iter().filter(|&&id| chip.converters[id].to == Domain::Bits);
        let on_wires =
            on_wires.filter(|_| all.iter().any(|a| a.output.is_analog())).filter_map(|&id| chip.converters[id].bits);
        on_wires.map(f64::from).chain(all.iter().map(|a| a.width)).fold(WORD, f64::min)
    }

    pub fn objective(&self, price: Price) -> f64 {
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
    pub fn step(&self, source: NodeId, converter: usize, values: f64) -> (f64, f64) {
        let converter = &self.chip().converters[converter];
        let firings = self.firings(source);
        let price = Price {
            energy: converter.energy * values * firings,
            time: converter.time * firings,
            area: converter.area * values,
        };
        (self.objective(price), self.error(source, wire_variance(self.found, source, converter)))
    }

    /// Of several converters, one after the other.
    fn steps(&self, source: NodeId, converters: &[usize], values: f64) -> (f64, f64) {
        let steps = converters.iter().map(|&id| self.step(source, id, values));
        steps.fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1))
    }

    /// Both in one number.
    pub fn weigh(&self, demand: &Demand, (paid, error): (f64, f64)) -> f64 {
        demand.weight * paid + demand.multiplier * error
    }

    /// Price and error of an alternative by itself, with moving its partial sums to where they are added.
    pub fn own(&self, index: usize, alternative: &Alternative, demand: &Demand) -> (f64, f64) {
        let node = self.nodes[index];
        let source = operands(self.given.network, node).first().copied();
        let input = source.map_or(0.0, |source| self.error(source, alternative.input_variance));
        let merged = match alternative.implementation {
            Implementation::Tile(how) if matches!(how.sum, Summing::Digital(_)) => {
                self.moving(node, self.firings(node), demand.links(self).merge(node), alternative.sums)
            }
            Implementation::Tile(_) | Implementation::Exact | Implementation::Unit(_) | Implementation::Core => 0.0,
        };
        let paid = self.objective(alternative.price) + merged + self.port(index);
        (paid, input + self.error(node, alternative.output_variance))
    }

    /// What so many bits of each value of a node take over so many links, so often a sample.
    fn moving(&self, node: NodeId, firings: f64, links: f64, bits: f64) -> f64 {
        if links <= 0.0 || !self.minimises(Objective::Energy) {
            return 0.0;
        }
        self.len_of(node) * firings * links * bits * self.chip().mesh.energy_per_bit
    }

    /// Whether an alternative's output can leave as a domain that is pinned: light may be made of it.
    pub fn leaves_as(&self, node: NodeId, alternative: &Alternative, domain: Domain) -> bool {
        let lit = || self.shines(node) && chain(self.chip(), alternative.output, domain, &|_| 1.0).is_some();
        alternative.output == domain || (domain == Domain::Light && lit())
    }

    /// Whether pins and `convert: everywhere` allow an alternative.
    pub fn allowed(&self, index: usize, alternative: &Alternative, demand: &Demand) -> bool {
        let node = self.nodes[index];
        let pinned = self.given.plan.pins.iter().enumerate().all(|(number, pin)| match pin.value {
            Pinned::Domain(domain) => {
                demand.without == Some(number) || pin.node != node || self.leaves_as(node, alternative, domain)
            }
            Pinned::Core(..) => true,
        });
        let could = self.alternatives[index].iter().any(Alternative::digital);
        pinned && (!demand.everywhere || !could || alternative.digital())
    }

    /// Values of a signal that a consumer takes: an array takes each of its rows, but those on which padding alone lies.
    pub fn taken(&self, source: NodeId, to: NodeId) -> f64 {
        let network = self.given.network;
        let of_block = |block: &Block| match block.positions {
            1 => (block.inputs.0..block.inputs.1).filter(|&at| origin(network, source, at).is_some()).count(),
            several => block.rows() * several,
        };
        let mut blocks = self.tiling.of(to).map(|(_, block)| of_block(block)).peekable();
        if blocks.peek().is_some() { blocks.sum::<usize>() as f64 } else { self.len_of(source) }
    }

    /// Whether a node only hands on what comes in.
    pub fn passes(&self, node: NodeId) -> bool {
        matches!(self.given.network.graph[node].operator, Operator::Gather(_) | Operator::Read { .. })
    }

    /// Bits of a value that an alternative uses; none where bits do not come to it.
    pub fn need(&self, alternative: &Alternative) -> Option<f64> {
        let first = chain(self.chip(), Domain::Bits, alternative.input, &|_| 1.0)?.first().copied();
        Some(first.map_or(alternative.need, |id| self.chip().converters[id].bits.map_or(WORD, f64::from)))
    }

    /// Converters at a consumer from bits to what it takes, what they cost, and buffers, the mesh and the host's port for the bits;
    /// none: impossible.
    fn bits_taken(
        &self,
        source: NodeId,
        width: f64,
        (to, alternative): (NodeId, &Alternative),
        demand: &Demand,
    ) -> Option<(Tree, f64, f64)> {
        let chip = self.chip();
        if alternative.input != Domain::Bits && self.passes(to) {
            return None;
        }
        let values = self.taken(source, to);
        let price = |id: usize| self.weigh(demand, self.step(source, id, values));
        let takes = chain(chip, Domain::Bits, alternative.input, &price)?;
        let (mut paid, error) = self.steps(source, &takes, values);
        if self.passes(to) {
            return Some((takes, paid, error));
        }
        let need = takes.first().map_or(alternative.need, |&id| chip.converters[id].bits.map_or(WORD, f64::from));
        let bits = width.min(need);
        let firings = self.carried(source, to);
        let values = self.len_of(source) * firings;
        let is_output = matches!(self.given.network.graph[to].operator, Operator::Output);
        let share = self.sharers(source, to);
        match (self.given.plan.objective, is_output) {
            (Objective::Energy, true) => {
                paid += values * bits * chip.host.energy_per_bit / share;
                paid += self.moving(source, firings, demand.links(self).wire(source, to).0, bits) / share;
            }
            (Objective::Energy, false) => {
                let each = chip.core_kinds.iter().map(|core| core.buffer_energy).fold(f64::INFINITY, f64::min);
                paid += 2.0 * values * bits * if each.is_finite() { each } else { 0.0 } / share;
                let (links, narrowest) = demand.links(self).wire(source, to);
                paid += self.moving(source, firings, links, bits.min(narrowest)) / share;
            }
            (Objective::Time, true) => paid += values * bits * chip.host.time_per_bit / share,
            (Objective::Time, false) => {
                let (links, _) = demand.links(self).wire(source, to);
                paid += if links > 0.0 { chip.mesh.hop_time * firings / share } else { 0.0 };
            }
            (Objective::Area, _) => {}
        }
        Some((takes, paid, error))
    }

    /// Whether a signal can go by light, which has no sign, over links or lines.
    fn shines(&self, source: NodeId) -> bool {
        has_line(self.chip(), Domain::Light) && self.found.range(source).unsigned
    }

    /// Converters at a consumer from light to what it takes, and what they cost; none: no light comes there, or nothing receives it.
    fn received(
        &self,
        source: NodeId,
        set: &[Domain],
        (to, alternative): (NodeId, &Alternative),
        demand: &Demand,
    ) -> Option<(Tree, f64, f64)> {
        let outside = matches!(self.given.network.graph[to].operator, Operator::Output);
        if !set.contains(&Domain::Light) || !self.shines(source) || outside || self.passes(to) {
            return None;
        }
        if matches!(alternative.input, Domain::Light | Domain::Spikes) {
            return None;
        }
        let values = self.taken(source, to);
        let price = |id: usize| self.weigh(demand, self.step(source, id, values));
        let takes = chain(self.chip(), Domain::Light, alternative.input, &price)?;
        let (paid, error) = self.steps(source, &takes, values);
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

    /// The tree of converters at a source from what it gives to a set of domains, and the width of bits among them; arrays are held where
    /// the chip can hold.
    pub fn leave(&self, source: NodeId, from: &Alternative, set: &[Domain], demand: &Demand) -> Option<(Tree, f64)> {
        let chip = self.chip();
        // Bits are turned into something else where that is used, but into light where it is sent.
        let made = matches!(from.implementation, Implementation::Unit(_) | Implementation::Tile(_));
        let early = |domain: &Domain| *domain != Domain::Bits && !(*domain == Domain::Light && made);
        if from.output == Domain::Bits && set.iter().any(early) {
            return None;
        }
        if set.contains(&Domain::Light) && !self.shines(source) {
            return None;
        }
        let values = self.len_of(source);
        let price = |id: usize| self.weigh(demand, self.step(source, id, values));
        let mut tree = tree(chip, from.output, set, &price)?;
        let width = match (set.contains(&Domain::Bits), branch(chip, &tree, from.output, Domain::Bits).last()) {
            (false, _) => 0.0,
            (true, Some(&last)) => chip.converters[last].bits.map_or(WORD, f64::from),
            (true, None) => from.width,
        };
        let from_array = matches!(from.implementation, Implementation::Tile(_)) && from.output.is_analog();
        if let Some(&domain) = set.iter().find(|domain| domain.is_analog()).filter(|_| from_array) {
            let way = branch(chip, &tree, from.output, domain);
            let passed = way.iter().map(|&id| chip.converters[id].to).chain([from.output]);
            let hold = [domain].into_iter().chain(passed).find_map(|domain| holder(chip, domain));
            tree.extend(hold);
        }
        (tree.is_empty() || !self.leaves_out(source)).then_some((tree, width))
    }

    /// Whether a gather, or one before it, leaves out elements of what it reads: converters stand where all of them arise, so before it.
    fn leaves_out(&self, node: NodeId) -> bool {
        let Operator::Gather(gather) = &self.given.network.graph[node].operator else { return false };
        let before = operands(self.given.network, node);
        !gather.reads_all() || before.into_iter().any(|source| self.leaves_out(source))
    }

    /// Sets of domains that a source may be made available in: no more than it has consumers.
    fn sets(&self, source: NodeId, demand: &Demand) -> Vec<Vec<Domain>> {
        let consumers = self.consumers(source);
        let inputs = consumers.iter().flat_map(|to| self.alternatives[self.index(*to)].iter().map(|a| a.input));
        let light = self.shines(source).then_some(Domain::Light);
        let mut needed: Vec<Domain> = inputs.chain([Domain::Bits]).chain(light).collect();
        needed.sort_unstable();
        needed.dedup();
        // What reads devices is where they are: no wire is between that could be converted.
        let read = |domain| consumers.iter().any(|&to| self.reads_devices(to, domain));
        needed.retain(|&domain| !demand.everywhere || !domain.is_analog() || read(domain));
        let pins = self.given.plan.pins.iter().enumerate().filter(|(number, _)| demand.without != Some(*number));
        let lit = pins.into_iter().any(|(_, pin)| pin.node == source && pin.value == Pinned::Domain(Domain::Light));
        (1..1_usize << needed.len())
            .map(|mask| (0..needed.len()).filter(|bit| mask >> bit & 1 == 1).map(|bit| needed[bit]).collect())
            .filter(|set: &Vec<Domain>| set.len() <= consumers.len().min(3) && (!lit || set.contains(&Domain::Light)))
            .collect()
    }

    /// Whether a node reads devices, as values of this domain.
    fn reads_devices(&self, node: NodeId, domain: Domain) -> bool {
        let read = matches!(self.given.network.graph[node].operator, Operator::Read { .. });
        read && domain.is_analog() && self.alternatives[self.index(node)].iter().all(|one| one.input == domain)
    }

    /// What a source may leave as, and what that costs from each of its alternatives.
    pub fn states(&self, source: NodeId, demand: &Demand) -> (Vec<State>, Vec<Vec<f64>>) {
        let from = &self.alternatives[self.index(source)];
        let mut states: Vec<State> = Vec::new();
        let mut ways: Vec<(usize, usize, f64)> = Vec::new();
        for set in self.sets(source, demand) {
            for (index, alternative) in from.iter().enumerate() {
                let Some((tree, width)) = self.leave(source, alternative, &set, demand) else { continue };
                let state = State { set: set.clone(), width };
                let at = states.iter().position(|known| *known == state).unwrap_or_else(|| {
                    states.push(state);
                    states.len() - 1
                });
                ways.push((index, at, self.weigh(demand, self.leaving(source, alternative, &tree))));
            }
        }
        let mut costs = vec![vec![f64::INFINITY; states.len()]; from.len()];
        ways.into_iter().for_each(|(index, state, cost)| costs[index][state] = cost);
        (states, costs)
    }

    /// Price and error of the converters at a source, and what its array burns while they work.
    pub fn leaving(&self, source: NodeId, from: &Alternative, tree: &[usize]) -> (f64, f64) {
        let mut sum = self.steps(source, tree, self.len_of(source));
        if self.minimises(Objective::Energy) {
            // Where nothing holds the value, at least that.
            sum.0 += from.power * cost::time::longest(self.chip(), tree);
        }
        sum
    }

    /// Price and error for a consumer of taking a signal as it leaves; none: it cannot.
    pub fn take(
        &self,
        source: NodeId,
        set: &[Domain],
        width: f64,
        consumer: (NodeId, &Alternative),
        demand: &Demand,
    ) -> Option<(f64, f64)> {
        self.way_in(source, set, width, consumer, demand).map(|(_, paid, error)| (paid, error))
    }

    /// Converters at a consumer of a signal.
    pub fn taking(&self, leaving: &Leaving, source: NodeId, to: NodeId, end: &Alternative, demand: &Demand) -> Tree {
        let way = self.way_in(source, &leaving.set, leaving.width, (to, end), demand);
        way.map_or_else(Vec::new, |(takes, ..)| takes)
    }

    /// The cheapest way for a consumer to take a signal as it leaves: converters at it, price and error.
    fn way_in(
        &self,
        source: NodeId,
        set: &[Domain],
        width: f64,
        consumer: (NodeId, &Alternative),
        demand: &Demand,
    ) -> Option<(Tree, f64, f64)> {
        if self.as_is(set, consumer) {
            return Some((Vec::new(), 0.0, 0.0));
        }
        let bits = set.contains(&Domain::Bits).then(|| self.bits_taken(source, width, consumer, demand)).flatten();
        let ways = bits.into_iter().chain(self.received(source, set, consumer, demand));
        ways.min_by(|a, b| self.weigh(demand, (a.1, a.2)).total_cmp(&self.weigh(demand, (b.1, b.2))))
    }

    /// What the host's port costs for an input: each value once, in as many bits as are used.
    fn port(&self, index: usize) -> f64 {
        let node = self.nodes[index];
        let (host, bit) = (&self.chip().host, self.given.plan.objective);
        let each = match bit {
            Objective::Energy => host.energy_per_bit,
            Objective::Time => host.time_per_bit,
            Objective::Area => 0.0,
        };
        if !matches!(self.given.network.graph[node].operator, Operator::Input) || each == 0.0 {
            return 0.0;
        }
        each * self.firings(node) * self.needed(node).iter().sum::<f64>()
    }

    /// The fewest bits of each of a node's elements that any use on the chip needs; what goes back to the host is paid there.
    pub fn needed(&self, node: NodeId) -> Vec<f64> {
        let graph = &self.given.network.graph;
        let mut needed = vec![0.0_f64; graph[node].len()];
        for &(to, operand) in self.fans.get(&node).map_or(&[][..], Vec::as_slice) {
            let bits = if let Operator::Gather(gather) = &graph[to].operator {
                let (after, mut back) = (self.needed(to), vec![0.0; needed.len()]);
                for run in gather.runs().into_iter().filter(|run| run.operand == operand) {
                    let Some(first) = run.from else { continue };
                    let after = &after[run.to..run.to + run.len];
                    back[first..first + run.len].iter_mut().zip(after).for_each(|(b, a)| *b = f64::max(*b, *a));
                }
                back
            } else if self.passes(to) {
                self.needed(to)
            } else if matches!(graph[to].operator, Operator::Output) {
                continue;
            } else {
                let alternatives = self.alternatives[self.index(to)].iter();
                let least = alternatives.filter_map(|a| self.need(a)).fold(f64::INFINITY, f64::min);
                vec![least.min(WORD); needed.len()]
            };
            needed.iter_mut().zip(bits).for_each(|(known, bits)| *known = known.max(bits));
        }
        needed
    }
}
