//! Operators between presentations: where each is evaluated (before the ticks, in every tick, after the ticks), and how.
//!
//! What depends on no population is evaluated once, before the ticks. What depends on one and feeds one is evaluated in
//! every tick, from the values of the tick before. What depends on one and leads to outputs is evaluated after the ticks.

use nmc_program::{Access, Binary, GroupId, Op, Reduction, Tensor, TensorData, TensorId, Unary, Value};

use super::expression;
use super::kernel::{Builder, OWN};
use super::population::outside;
use super::{Lowering, Signal};
use crate::forms::chip::UnitKind;
use crate::forms::decisions::{Implementation, Range};
use crate::forms::equations::{Expr, Symbol};
use crate::forms::gather::Gather;
use crate::forms::network::{Logical, NodeId, Operator};

/// Stretches that are copied one by one.
const COPIES: usize = 16;

impl Lowering<'_> {
    /// The operands of a node in order.
    pub fn operands(&self, node: NodeId) -> Vec<NodeId> {
        crate::graph::operands(self.network, node)
    }

    pub fn operand(&self, node: NodeId, index: usize) -> Option<NodeId> {
        self.operands(node).get(index).copied()
    }

    /// Whether a node's value moves with the ticks.
    pub fn in_time(&self, node: NodeId) -> bool {
        self.moves.in_time[node.index()]
    }

    /// Where the value of every node is kept.
    pub fn declare_signals(&mut self) {
        for node in crate::graph::order(self.network) {
            let (data, operands) = (&self.network.graph[node], self.operands(node));
            let (name, len) = (data.name.clone(), data.len());
            let first = operands.first().and_then(|operand| self.signals.get(operand).copied());
            let signal = match (&data.operator, first) {
                (Operator::Gather(gather), _) if self.shared(node, gather).is_some() => {
                    match (first, self.shared(node, gather)) {
                        (Some(first), Some(start)) => Signal { start: first.start + start, len, ..first },
                        (_, _) => continue,
                    }
                }
                (Operator::Population { dynamics, .. }, _) => {
                    if data.logical == Logical::Spikes || dynamics.outputs.is_empty() {
                        continue;
                    }
                    Signal { array: self.zeros(format!("{name}.out"), len), start: 0, len }
                }
                (Operator::Output, _) if data.logical == Logical::Spikes => continue,
                (Operator::Input | Operator::Output | Operator::Dense { .. } | Operator::Elementwise { .. }, _)
                | (Operator::Gather(_) | Operator::Scatter(_) | Operator::Reduce { .. } | Operator::Softmax, _)
                | (Operator::Delay, _)
                | (Operator::Read { .. }, _) => Signal { array: self.zeros(name, len), start: 0, len },
            };
            self.signals.insert(node, signal);
        }
    }

    /// The operations of every operator, each in its place.
    pub fn operators(&mut self) {
        for node in crate::graph::order(self.network) {
            let ops = self.operator(node);
            if !self.in_time(node) {
                self.program.begin.extend(ops);
                continue;
            }
            let (tick, end) = (self.moves.to_population[node.index()], self.moves.to_result[node.index()]);
            if tick {
                self.tick.signals.extend(ops.clone());
            }
            if end || !tick {
                self.program.end.extend(ops);
            }
        }
    }

    fn operator(&mut self, node: NodeId) -> Vec<Op> {
        let network = self.network;
        let data = &network.graph[node];
        let Some(signal) = self.signals.get(&node).copied() else { return Vec::new() };
        match &data.operator {
            Operator::Input => Vec::new(),
            Operator::Gather(gather) if self.shared(node, gather).is_some() => Vec::new(),
            Operator::Gather(gather) => self.gather(node, gather, signal),
            Operator::Output => self.gather(node, &Gather::whole(signal.len), signal),
            Operator::Dense { weights, bias, positions } => self.dense(node, weights, *bias, *positions, signal),
            Operator::Reduce { reduction, each } => self.reduce(node, *reduction, *each, signal),
            Operator::Softmax => self.softmax(node, signal),
            Operator::Delay => self.delayed(node, signal),
            Operator::Scatter(_) => {
                self.problems.push(format!("`{}` stands in no adjoint", self.name(node)));
                Vec::new()
            }
            Operator::Elementwise { body, .. } => self.elementwise(node, body, signal),
            Operator::Population { dynamics, .. } => match dynamics.outputs.first() {
                Some((_, output)) => self.read(node, node, output, signal),
                None => Vec::new(),
            },
            Operator::Read { expression } => match self.operand(node, 0) {
                Some(population) => self.read(node, population, expression, signal),
                None => Vec::new(),
            },
        }
    }

    /// Where what is read starts in its operand, when it needs no copy: it is one stretch of one, and it is not changed on its way.
    fn shared(&self, node: NodeId, gather: &Gather) -> Option<usize> {
        let from = self.operand(node, 0)?;
        gather.stretch().filter(|_| self.unchanged(from, &self.converters(from, node, 0)))
    }

    /// Copies what is read from the operands; where nothing is, the array has its zeros from the start.
    fn gather(&mut self, node: NodeId, gather: &Gather, to: Signal) -> Vec<Op> {
        let mut ops = Vec::new();
        let operands = 0..gather.maps.len();
        let arriving: Vec<Option<Signal>> = operands.map(|index| self.arriving(node, index, &mut ops)).collect();
        ops.extend(self.gathered(&self.name(node), gather, &arriving, to));
        ops
    }

    /// The same of what has arrived. Many short stretches are read element by element.
    pub(super) fn gathered(&mut self, name: &str, gather: &Gather, from: &[Option<Signal>], to: Signal) -> Vec<Op> {
        let runs = gather.runs();
        if let ([Some(from)], true) = (from, runs.len() > COPIES) {
            let (indices, from_start, to_start) = (self.indices(name, gather), from.start, to.start);
            return vec![Op::Gather { from: from.array, from_start, to: to.array, to_start, indices }];
        }
        let copy = |run: crate::forms::gather::Run| {
            let (start, from) = (run.from?, from[run.operand]?);
            let (from_start, to_start) = (from.start + start, to.start + run.to);
            Some(Op::Copy { from: from.array, from_start, to: to.array, to_start, len: run.len })
        };
        runs.into_iter().filter_map(copy).collect()
    }

    /// Where each element of what is read comes from.
    pub(super) fn indices(&mut self, name: &str, gather: &Gather) -> TensorId {
        let source = |element| gather.source(element).map_or(-1, |(_, from)| from as i64);
        let indices = (0..gather.len()).map(source).collect();
        let name = format!("{name}: indices");
        self.program.tensors.push(Tensor { name, shape: vec![gather.len()], data: TensorData::I64(indices) });
        TensorId(self.program.tensors.len() as u32 - 1)
    }

    fn reduce(&mut self, node: NodeId, reduction: Reduction, each: usize, to: Signal) -> Vec<Op> {
        let mut ops = Vec::new();
        if let Some(from) = self.arriving(node, 0, &mut ops) {
            let (from_start, to_start, len) = (from.start, to.start, to.len);
            let (from, to) = (from.array, to.array);
            ops.push(Op::Reduce { reduction, from, from_start, to, to_start, len, each });
        }
        ops
    }

    /// Shares of one whole, of what each element's power of e is, or its current in the circuit that was chosen. Without the largest no power is beyond all
    /// numbers, and the wire that all share the sources of their transistors by follows it.
    fn softmax(&mut self, node: NodeId, to: Signal) -> Vec<Op> {
        let (mut ops, name, len) = (Vec::new(), self.name(node), to.len);
        let Some(from) = self.arriving(node, 0, &mut ops) else { return ops };
        let unit = match self.implementation(node) {
            Some(Implementation::Unit(unit)) => self.chip.unit_kinds.get(unit),
            Some(Implementation::Exact | Implementation::Tile(_) | Implementation::Core) | None => None,
        };
        let [largest, powers, sum] = [("largest", 1), ("powers", len), ("sum", 1)].map(|(what, len)| Signal {
            array: self.zeros(format!("{name}.{what}"), len),
            start: 0,
            len,
        });
        let reduce = |reduction, from: Signal, to: Signal| {
            let (from_start, to_start) = (from.start, to.start);
            Op::Reduce { reduction, from: from.array, from_start, to: to.array, to_start, len: 1, each: len }
        };
        let mut b = Builder::default();
        let (x, most) = (
            b.load(from.array, Access::Element { offset: from.start }),
            b.load(largest.array, Access::Broadcast { offset: 0 }),
        );
        let below = b.binary(Binary::Subtract, x, most);
        let mut power = match unit.and_then(|unit| unit.transfer.as_ref()) {
            Some(transfer) => {
                let mut names = |_: &mut Builder, symbol: Symbol| (symbol == Symbol::Input(0)).then_some(below);
                expression::number(&mut b, &mut names, transfer)
            }
            None => b.unary(Unary::Exp, below),
        };
        if let Some(gain) = unit.and_then(|unit| self.unit_gain(&mut b, &name, unit, len)) {
            power = b.multiply(power, gain);
        }
        b.store(powers.array, Access::Element { offset: 0 }, power);
        let of_powers = self.kernel(format!("{name}: powers"), b);
        let mut b = Builder::default();
        let (power, all) =
            (b.load(powers.array, Access::Element { offset: 0 }), b.load(sum.array, Access::Broadcast { offset: 0 }));
        let mut share = b.binary(Binary::Divide, power, all);
        if let Some(unit) = unit {
            if unit.noise > 0.0 {
                share = super::chain::noisy(&mut b, share, unit.noise);
            }
            share = super::chain::shining(&mut b, share, unit.to);
        }
        b.store(to.array, Access::Element { offset: to.start }, share);
        let of_shares = self.kernel(name, b);
        ops.push(reduce(Reduction::Maximum, from, largest));
        ops.push(Op::Kernel { kernel: of_powers, len, spikes: None });
        ops.push(reduce(Reduction::Sum, powers, sum));
        ops.push(Op::Kernel { kernel: of_shares, len, spikes: None });
        ops
    }

    /// 1 and the error of the gain that each instance of a unit has of its own.
    fn unit_gain(&mut self, b: &mut Builder, name: &str, unit: &UnitKind, len: usize) -> Option<Value> {
        let error = unit.gain_error;
        if error.is_none() {
            return None;
        }
        if error.spread == 0.0 {
            return Some(b.number(1.0 + error.mean));
        }
        let name = format!("{name}: {} gain", unit.name);
        let gain = self.drawn(&name, (1.0 + error.mean, error.spread), len, &|element| element);
        Some(b.load(gain, OWN))
    }

    /// Gives what was kept, then keeps what comes.
    fn delayed(&mut self, node: NodeId, to: Signal) -> Vec<Op> {
        let mut ops = Vec::new();
        if let Some(from) = self.arriving(node, 0, &mut ops) {
            let kept = self.zeros(format!("{}: kept", self.name(node)), to.len);
            let len = to.len;
            ops.push(Op::Copy { from: kept, from_start: 0, to: to.array, to_start: to.start, len });
            ops.push(Op::Copy { from: from.array, from_start: from.start, to: kept, to_start: 0, len });
        }
        ops
    }

    /// A value of a population as a signal.
    fn read(&mut self, node: NodeId, population: NodeId, expr: &Expr, to: Signal) -> Vec<Op> {
        let Some(population) = self.populations.get(&population).cloned() else {
            self.problems.push(format!("`{}` reads what is no population", self.name(node)));
            return Vec::new();
        };
        let mut b = Builder::default();
        let value = self.over_population(&mut b, &population, expr);
        b.store(to.array, Access::Element { offset: to.start }, value);
        let kernel = self.kernel(self.name(node), b);
        vec![Op::Kernel { kernel, len: to.len, spikes: None }]
    }

    /// What a node computes elementwise: exactly, or as the unit does that was chosen for it.
    fn elementwise(&mut self, node: NodeId, body: &Expr, to: Signal) -> Vec<Op> {
        let mut ops = Vec::new();
        let inputs: Vec<Option<Signal>> =
            (0..self.operands(node).len()).map(|index| self.arriving(node, index, &mut ops)).collect();
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let mut names = outside(inputs, to.len, dt);
        let value = match self.implementation(node) {
            Some(Implementation::Unit(unit)) => self.unit_value(&mut b, &mut names, node, unit, body),
            Some(Implementation::Exact | Implementation::Tile(_) | Implementation::Core) | None => {
                expression::number(&mut b, &mut names, body)
            }
        };
        b.store(to.array, Access::Element { offset: to.start }, value);
        let kernel = self.kernel(self.name(node), b);
        ops.push(Op::Kernel { kernel, len: to.len, spikes: None });
        ops
    }

    fn unit_value(
        &mut self,
        b: &mut Builder,
        names: &mut expression::Names,
        node: NodeId,
        unit: usize,
        body: &Expr,
    ) -> Value {
        let Some(unit) = self.chip.unit_kinds.get(unit) else { return expression::number(b, names, body) };
        let operand = self.operand(node, 0);
        let input_range = operand.map_or(1.0, |operand| self.range(operand).full);
        let handed_on = unit.transfer.is_some() && unit.in_ranges();
        let followed = if handed_on { operand } else { Some(node) }.and_then(|node| self.followed(node));
        let followed = followed.map(|range| b.load(range, Access::Broadcast { offset: 0 }));
        let in_range = |b: &mut Builder, value: Value| match followed {
            Some(range) => b.binary(Binary::Divide, value, range),
            None => value,
        };
        let (value, range) = match &unit.transfer {
            None => {
                let value = expression::number(b, names, body);
                (in_range(b, value), self.range(node).full)
            }
            Some(transfer) if !handed_on => {
                let operand = expression::number(b, names, &Expr::Symbol(Symbol::Input(0)));
                let mut inner = |_: &mut Builder, symbol: Symbol| (symbol == Symbol::Input(0)).then_some(operand);
                let value = expression::number(b, &mut inner, transfer);
                (in_range(b, value), self.range(node).full)
            }
            // The transfer is stated in full ranges: what comes in is divided by its range, what goes out multiplied.
            Some(transfer) => {
                let operand = expression::number(b, names, &Expr::Symbol(Symbol::Input(0)));
                let inverse = b.number(1.0 / input_range);
                let scaled = b.multiply(operand, inverse);
                let scaled = in_range(b, scaled);
                let mut inner = |_: &mut Builder, symbol: Symbol| (symbol == Symbol::Input(0)).then_some(scaled);
                let value = expression::number(b, &mut inner, transfer);
                let range = b.number(input_range);
                (b.multiply(value, range), input_range)
            }
        };
        let gain = self.unit_gain(b, &self.name(node), unit, self.network.graph[node].len());
        let value = gain.map_or(value, |gain| b.multiply(value, gain));
        let value = match unit.noise > 0.0 {
            true => super::chain::noisy(b, value, unit.noise * range),
            false => value,
        };
        let value = super::chain::shining(b, value, unit.to);
        followed.map_or(value, |range| b.multiply(value, range))
    }

    /// The implementation chosen for a node.
    pub fn implementation(&self, node: NodeId) -> Option<Implementation> {
        self.mapped.decisions.choice(node).map(|choice| choice.implementation.clone())
    }

    /// Full range of a node's output.
    pub fn range(&self, node: NodeId) -> Range {
        let range = self.mapped.decisions.range(node);
        if range.full.is_finite() && range.full > 0.0 { range } else { Range { full: 1.0, ..range } }
    }

    /// The spikes a node passes on: their group and the first element.
    pub fn spike_source(&self, node: NodeId, start: usize) -> Option<(GroupId, usize)> {
        match &self.network.graph[node].operator {
            Operator::Population { .. } => self.groups.get(&node).map(|group| (*group, start)),
            Operator::Gather(gather) => self.spike_source(self.operand(node, 0)?, start + gather.stretch()?),
            Operator::Output => self.spike_source(self.operand(node, 0)?, start),
            Operator::Input
            | Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Scatter(_)
            | Operator::Delay
            | Operator::Read { .. } => None,
        }
    }
}
