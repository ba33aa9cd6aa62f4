//! Back-propagation through time: the gradient goes from the outputs, which are taken after the last tick or after each, through the ticks, the last
//! one first, to what was done before them. States carry it from tick to tick; what each tick left is kept while samples are presented.

use std::collections::BTreeSet;

use nmc_program::{ArrayId, Factor, Kept, Op, Reduction, Through};
use petgraph::Direction::Incoming;

use super::kernel::{Builder, OWN};
use super::learning::{Backward, Way};
use super::{Lowering, Signal};
use crate::forms::network::{Network, NodeId, Operator};
use crate::forms::plan;
use crate::graph::{is_state, operands, order};

/// Where gradients are gathered that go on to another tick, or to what was done before the ticks: by nodes.
type Gathered = Vec<(NodeId, Signal)>;

impl Lowering<'_> {
    /// From an output that moves in time.
    pub(super) fn through_time(&mut self, phase: &plan::Phase, plan: &plan::Learning, loss: Signal) -> Option<Way> {
        let network = self.network;
        // Samples of a sequence follow one another in its ticks.
        let together = if phase.sequence { plan.batch.min(phase.samples) } else { 1 };
        let (of_sample, taken) = (self.ticks(phase.duration?) as usize, phase.taken.max(1));
        let (ticks, takes) = (of_sample.checked_mul(together)?, taken.checked_mul(together)?);
        let layers: Vec<NodeId> = plan.layers.iter().flat_map(|layer| self.uses(*layer)).collect();
        let (cut, before) = self.cut();
        let states: Vec<NodeId> = network.graph.node_indices().filter(|node| is_state(network, *node)).collect();
        let states = self.gathered_at(states);
        let before = self.gathered_at(before);
        let wanted: Vec<NodeId> = layers.iter().copied().chain(states.iter().chain(&before).map(|of| of.0)).collect();
        let mut way = Way::default();

        let mut end = self.go_back(&cut, &[(plan.output, loss)], &wanted, (loss, plan.feedback))?;
        self.hand_on(&mut end, &states, true);
        self.hand_on(&mut end, &before, true);
        end.repeated(taken);
        // Those that are known before the ticks get theirs when all ticks have been passed.
        let (moving, known): (Vec<NodeId>, Vec<NodeId>) = layers.iter().partition(|layer| self.in_time(**layer));
        let mut of_takes = (Vec::new(), Vec::new());
        self.kept_of_ticks(loss, 1, takes, &mut of_takes.0);
        let ends = self.kept_factors(&moving, &end, takes, &mut of_takes);

        // What states take is what their gradients come to in the tick before.
        let mut nexts: Gathered = Vec::new();
        let mut ops = Vec::new();
        for (state, carried) in &states {
            let Some(next) = self.operand(*state, 0) else { continue };
            let known = nexts.iter().find(|(node, _)| *node == next).map(|(_, signal)| *signal);
            let into = match known {
                Some(signal) => signal,
                None => {
                    let len = network.graph[next].len();
                    let signal =
                        Signal { array: self.zeros(format!("d next {}", self.name(*state)), len), start: 0, len };
                    nexts.push((next, signal));
                    ops.push(Op::Fill { array: signal.array, value: 0.0 });
                    signal
                }
            };
            ops.extend(self.added(*carried, into));
        }
        let mut tick = self.go_back(&cut, &nexts, &wanted, (loss, plan.feedback))?;
        ops.append(&mut tick.ops);
        tick.ops = ops;
        self.hand_on(&mut tick, &states, false);
        self.hand_on(&mut tick, &before, true);
        tick.repeated(of_sample);
        let ((taken, from_taken), mut of_ticks) = (of_takes, Default::default());
        let ticked = self.kept_factors(&moving, &tick, ticks, &mut of_ticks);

        let mut ops = Vec::new();
        for (state, carried) in &states {
            let start = self.operand(*state, 1);
            if let Some((_, into)) = before.iter().find(|(node, _)| Some(*node) == start) {
                ops.extend(self.added(*carried, *into));
            }
        }
        let mut begin = self.go_back(network, &before, &known, (loss, plan.feedback))?;
        ops.append(&mut begin.ops);
        ops.extend(states.iter().chain(&before).map(|(_, carried)| Op::Fill { array: carried.array, value: 0.0 }));
        let begun = self.factors(&known, &begin);

        let all = begun.into_iter().chain(ticked).chain(ends);
        for (node, factor) in all {
            let layer = network.backward.get(&node).copied().unwrap_or(node);
            way.factors.entry(layer).or_default().push(factor);
        }
        for passed in [&mut end, &mut tick, &mut begin] {
            way.ranges.append(&mut passed.ranges);
            way.costs.append(&mut passed.costs);
        }
        if !self.chip.ideal {
            self.note(String::from(
                "training: what each step leaves is kept by an ideal digital memory until the gradient has gone through it",
            ));
        }
        way.backward = end.ops;
        let (kept, gradients) = of_ticks;
        way.through =
            Some(Through { ticks: ticks as u32, taken, from_taken, kept, tick: tick.ops, gradients, begin: ops });
        Some(way)
    }

    /// The network from what is known before the ticks on, and of that what is learned, or made from what is.
    fn cut(&self) -> (Network, Vec<NodeId>) {
        let (network, mut cut) = (self.network, self.network.clone());
        let mut known = BTreeSet::new();
        for node in order(network).into_iter().filter(|node| self.in_time(*node)) {
            known.extend(operands(network, node).into_iter().filter(|from| !self.in_time(*from)));
        }
        for &node in &known {
            let edges: Vec<_> =
                cut.graph.edges_directed(node, Incoming).map(|edge| petgraph::visit::EdgeRef::id(&edge)).collect();
            cut.graph.retain_edges(|_, edge| !edges.contains(&edge));
            cut.graph[node].operator = Operator::Input;
        }
        (cut, known.into_iter().filter(|node| self.learned.contains(node)).collect())
    }

    /// An array for the gradient by each node.
    fn gathered_at(&mut self, nodes: Vec<NodeId>) -> Gathered {
        let signal = |this: &mut Self, node: NodeId| {
            let data = &this.network.graph[node];
            let (name, len) = (format!("d {}: carried", data.name), data.len());
            Signal { array: this.zeros(name, len), start: 0, len }
        };
        nodes.into_iter().map(|node| (node, signal(self, node))).collect()
    }

    /// Puts gradients where they are gathered, or adds them to what is there.
    fn hand_on(&mut self, passed: &mut Backward, to: &Gathered, adds: bool) {
        for &(node, into) in to {
            match passed.gradient(node) {
                Some(from) if adds => passed.ops.extend(self.added(from, into)),
                Some(from) => {
                    let (from_start, to_start, len) = (from.start, into.start, into.len);
                    passed.ops.push(Op::Copy { from: from.array, from_start, to: into.array, to_start, len });
                }
                None if adds => {}
                None => passed.ops.push(Op::Fill { array: into.array, value: 0.0 }),
            }
        }
    }

    /// Adds a gradient to another, or all of it where that is of the single element that went to all.
    fn added(&mut self, from: Signal, to: Signal) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut part = from;
        if to.len == 1 && from.len != 1 {
            part = Signal { array: self.zeros("d sum", 1), start: 0, len: 1 };
            let (from_start, to_start, len, each) = (from.start, 0, 1, from.len);
            let (reduction, from, to) = (Reduction::Sum, from.array, part.array);
            ops.push(Op::Reduce { reduction, from, from_start, to, to_start, len, each });
        }
        let mut b = Builder::default();
        let (old, more) = (b.load(to.array, OWN), b.load(part.array, part.access(to.len)));
        let sum = b.add(old, more);
        b.store(to.array, OWN, sum);
        let kernel = self.kernel("d sum", b);
        ops.push(Op::Kernel { kernel, len: to.len, spikes: None });
        ops
    }

    /// What the uses of layers that a gradient has passed add to those of the layers.
    fn factors(&self, uses: &[NodeId], passed: &Backward) -> Vec<(NodeId, Factor)> {
        let factor = |&node: &NodeId| {
            let layer = self.network.backward.get(&node).copied().unwrap_or(node);
            Some((node, self.factor(node, layer, passed.gradient(node)?)?))
        };
        uses.iter().filter_map(factor).collect()
    }

    /// The same of what is kept of so many ticks, forward and on the way back, with the values that the way back needs.
    fn kept_factors(
        &mut self,
        uses: &[NodeId],
        passed: &Backward,
        ticks: usize,
        (kept, gradients): &mut (Vec<Kept>, Vec<Kept>),
    ) -> Vec<(NodeId, Factor)> {
        let moving = passed.adjoint.values.keys().filter(|of| self.in_time(**of));
        let values: Vec<Signal> = moving.filter_map(|of| self.signals.get(of).copied()).collect();
        for value in values {
            self.kept_of_ticks(value, 1, ticks, kept);
        }
        let mut factors = self.factors(uses, passed);
        for (node, factor) in &mut factors {
            let positions = factor.positions;
            let (from, to) = (self.rows_of.get(node).map_or(0, |from| from.len), self.network.graph[*node].len());
            let (driven, gradient) = driven(factor);
            let signal = |(array, start): (ArrayId, usize), len| Signal { array, start, len };
            *driven = (self.kept_of_ticks(signal(*driven, from), positions, ticks, kept), 0);
            *gradient = (self.kept_of_ticks(signal(*gradient, to), positions, ticks, gradients), 0);
            factor.positions = positions * ticks;
        }
        factors
    }

    /// The array in which a signal is kept of every tick.
    fn kept_of_ticks(&mut self, signal: Signal, positions: usize, ticks: usize, all: &mut Vec<Kept>) -> ArrayId {
        let Signal { array: from, start, len } = signal;
        let known =
            all.iter().find(|kept| (kept.from, kept.start, kept.len, kept.positions) == (from, start, len, positions));
        if let Some(known) = known {
            return known.to;
        }
        let name = format!("{}: kept", self.program.arrays[from.index()].name);
        let to = self.zeros(name, len * ticks);
        all.push(Kept { from, start, len, positions, to });
        to
    }
}

/// What drives a layer, and the gradient there.
fn driven(factor: &mut Factor) -> (&mut (ArrayId, usize), &mut (ArrayId, usize)) {
    match factor.turned {
        true => (&mut factor.columns, &mut factor.rows),
        false => (&mut factor.rows, &mut factor.columns),
    }
}
