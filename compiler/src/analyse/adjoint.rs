//! The adjoint of a network: a network that carries gradients from the outputs back to every signal.
//!
//! It is made of the same operators: a layer's adjoint is a layer with the transposed weights, a gather's a
//! gather or, where elements were read several times, a scatter, an elementwise
//! function's the product with its slope, and what several operators read gets the sum of what they send back.

use std::collections::BTreeMap;

use nmc_grammar::span::Span;
use nmc_program::{Reduction, Tensor, TensorData, TensorId};

use super::frames::transpose;
use crate::algebra::{add, derivative, multiply};
use crate::forms::equations::{Expr, Function, Symbol};
use crate::forms::gather::{AffineMap, Axis, Gather};
use crate::forms::network::{Network, NodeId, Operator, Weights};
use crate::graph::{operands, order};

/// An adjoint network, with what joins it to the one it was made from.
#[derive(Debug, Default)]
pub struct Adjoint {
    pub network: Network,
    /// Its weights: those of the network, transposed.
    pub tensors: Vec<Tensor>,
    /// Of each output: the input of the adjoint that takes its gradient.
    pub sources: BTreeMap<NodeId, NodeId>,
    /// Of each signal whose values slopes depend on: the input of the adjoint that takes them.
    pub values: BTreeMap<NodeId, NodeId>,
    /// Of each signal that the outputs depend on: the node of the adjoint that gives its gradient.
    pub gradients: BTreeMap<NodeId, NodeId>,
    /// Of each product with a layer's transposed weights: the layer.
    pub layers: BTreeMap<NodeId, NodeId>,
    /// Nodes through which no gradient goes: they move in time, or are yet to be fitted.
    pub opaque: Vec<NodeId>,
}

/// Makes the adjoint with respect to these outputs.
pub fn adjoint(network: &Network, outputs: &[NodeId], tensors: &[Tensor]) -> Adjoint {
    let mut made = Maker { network, tensors, adjoint: Adjoint::default(), sent: BTreeMap::new() };
    made.adjoint.network.name = format!("adjoint of {}", network.name);
    for &output in outputs {
        let node = &network.graph[output];
        let source = made.adjoint.network.input(&format!("d {}", node.name), node.shape.clone(), node.span);
        made.adjoint.sources.insert(output, source);
        made.sent.entry(output).or_default().push(source);
    }
    for node in order(network).into_iter().rev() {
        let sent = made.sent.remove(&node).unwrap_or_default();
        if let Some(gradient) = made.sum(node, sent) {
            made.adjoint.gradients.insert(node, gradient);
            made.pull(node, gradient);
        }
    }
    made.adjoint
}

struct Maker<'a> {
    network: &'a Network,
    tensors: &'a [Tensor],
    adjoint: Adjoint,
    /// What the operators that read a node send back to it.
    sent: BTreeMap<NodeId, Vec<NodeId>>,
}

impl Maker<'_> {
    fn sum(&mut self, node: NodeId, sent: Vec<NodeId>) -> Option<NodeId> {
        if sent.len() < 2 {
            return sent.first().copied();
        }
        let name = format!("d {}", self.network.graph[node].name);
        let terms = (0..sent.len()).map(|n| Expr::Symbol(Symbol::Input(n)));
        let body = terms.reduce(add)?;
        Some(self.adjoint.network.elementwise(&name, "add", body, &sent, self.span(node)))
    }

    fn span(&self, node: NodeId) -> Span {
        self.network.graph[node].span
    }

    /// Sends a node's gradient on to its operands.
    fn pull(&mut self, node: NodeId, gradient: NodeId) {
        let sources = operands(self.network, node);
        let mut opaque = false;
        for (operand, &source) in sources.iter().enumerate() {
            let name = format!("d {} by {operand}", self.network.graph[node].name);
            let pulled = match &self.network.graph[node].operator {
                Operator::Dense { weights: Weights::Given(id), positions, .. } => {
                    let made = self.transposed(&name, *id, *positions, source, gradient);
                    self.adjoint.layers.extend(made.map(|made| (made, node)));
                    made
                }
                Operator::Reduce { reduction, each } => {
                    self.spread(&name, (*reduction, *each), (source, node), gradient)
                }
                Operator::Softmax => Some(self.of_shares(&name, node, gradient)),
                Operator::Elementwise { body, .. } => self.slope(&name, node, body, operand, gradient),
                Operator::Gather(gather) => Some(self.scattered(&name, gather, operand, source, gradient)),
                // It stands in adjoints only, which have none of their own.
                Operator::Scatter(_) => None,
                Operator::Output => Some(gradient),
                Operator::Dense { weights: Weights::Fitted { .. }, .. }
                | Operator::Input
                | Operator::Delay
                | Operator::Population { .. }
                | Operator::Read { .. } => None,
            };
            opaque |= pulled.is_none();
            if let Some(pulled) = pulled {
                self.sent.entry(source).or_default().push(pulled);
            }
        }
        if opaque {
            self.adjoint.opaque.push(node);
        }
    }

    fn transposed(
        &mut self,
        name: &str,
        id: TensorId,
        positions: usize,
        source: NodeId,
        gradient: NodeId,
    ) -> Option<NodeId> {
        let tensor = self.tensors.get(id.index())?;
        let &[outputs, inputs] = &tensor.shape[..] else { return None };
        let data = transpose(&super::frames::floats(&tensor.data, outputs * inputs), inputs);
        let weights = self.tensor(format!("{name}: weights"), vec![inputs, outputs], data);
        Some(self.adjoint.network.dense(name, gradient, (weights, None), (positions, inputs), self.span(source)))
    }

    /// The gradient times the slope in one operand; summed over the elements when the operand is a single one that went to all.
    fn slope(&mut self, name: &str, node: NodeId, body: &Expr, operand: usize, gradient: NodeId) -> Option<NodeId> {
        let sources = operands(self.network, node);
        let slope = derivative(body, Symbol::Input(operand));
        let mut reads = vec![gradient];
        // The gradient is operand 0; the operands that the slope depends on follow.
        let mut places = BTreeMap::new();
        for (n, &source) in sources.iter().enumerate() {
            if crate::algebra::mentions(&slope, &|symbol| symbol == Symbol::Input(n)) {
                places.insert(n, reads.len());
                reads.push(self.value(source));
            }
        }
        let moved = crate::algebra::substitute(&slope, &|symbol| {
            let Symbol::Input(n) = symbol else { return None };
            places.get(&n).map(|&place| Expr::Symbol(Symbol::Input(place)))
        });
        let body = multiply(Expr::Symbol(Symbol::Input(0)), moved);
        let (span, len) = (self.span(node), self.network.graph[node].len());
        let product = self.adjoint.network.elementwise(name, "slope", body, &reads, span);
        if self.network.graph[sources[operand]].len() == len {
            return Some(product);
        }
        let ones = self.tensor(format!("{name}: ones"), vec![1, len], vec![1.0; len]);
        Some(self.adjoint.network.dense(&format!("{name}, summed"), product, (ones, None), (1, 1), span))
    }

    /// The gradient before shares y of one whole: y (g - sum of y g).
    fn of_shares(&mut self, name: &str, node: NodeId, gradient: NodeId) -> NodeId {
        let (span, shares, each) = (self.span(node), self.value(node), self.network.graph[node].len());
        let x = |n| Expr::Symbol(Symbol::Input(n));
        let network = &mut self.adjoint.network;
        let product = multiply(x(0), x(1));
        let weighed = network.elementwise(&format!("{name}, weighed"), "slope", product, &[shares, gradient], span);
        let mean = network.reduce(&format!("{name}, mean"), Reduction::Sum, each, weighed, span);
        let body = multiply(x(0), Expr::Call(Function::Subtract, vec![x(1), x(2)]));
        network.elementwise(name, "slope", body, &[shares, gradient, mean], span)
    }

    /// A reduction's gradient at each of the elements it was made from: all of it for a sum, a share for a mean, and for a maximum
    /// where the element is the largest (shares where several are, as copies of one are in the padding of a pool).
    fn spread(
        &mut self,
        name: &str,
        (reduction, each): (Reduction, usize),
        (source, node): (NodeId, NodeId),
        gradient: NodeId,
    ) -> Option<NodeId> {
        let (span, len) = (self.span(node), self.network.graph[node].len());
        let axes = vec![Axis { len, start: 0, steps: vec![1, 0], nearest: false }];
        let to_each = Gather { maps: vec![AffineMap { shape: vec![len, each], axes }] };
        let shape = self.network.graph[source].shape.clone();
        let mut network = |what: &str, from| {
            let name = format!("{name}, {what}");
            self.adjoint.network.gather(&name, to_each.clone(), shape.clone(), &[from], span)
        };
        let spread = network("to each", gradient);
        let x = |n| Expr::Symbol(Symbol::Input(n));
        match reduction {
            Reduction::Sum => Some(spread),
            Reduction::Mean => {
                let share = multiply(x(0), Expr::Number(1.0 / each as f64));
                Some(self.adjoint.network.elementwise(name, "scale", share, &[spread], span))
            }
            Reduction::Maximum => {
                let (values, largest) = (self.value(source), self.value(node));
                let mut network = |what: &str, from| {
                    let name = format!("{name}, {what}");
                    self.adjoint.network.gather(&name, to_each.clone(), shape.clone(), &[from], span)
                };
                let largest = network("the largest", largest);
                let equal = Expr::Call(Function::Equal, vec![x(0), x(1)]);
                let network = &mut self.adjoint.network;
                let equal = network.elementwise(&format!("{name}, is it"), "equal", equal, &[values, largest], span);
                let count = network.reduce(&format!("{name}, how many"), Reduction::Sum, each, equal, span);
                let count = network.gather(&format!("{name}, how many to each"), to_each, shape, &[count], span);
                let share = Expr::Call(Function::Divide, vec![multiply(x(0), x(1)), x(2)]);
                Some(network.elementwise(name, "slope", share, &[spread, equal, count], span))
            }
        }
    }

    /// The input of the adjoint that takes a signal's values.
    fn value(&mut self, node: NodeId) -> NodeId {
        let data = &self.network.graph[node];
        let network = &mut self.adjoint.network;
        *self.adjoint.values.entry(node).or_insert_with(|| network.input(&data.name, data.shape.clone(), data.span))
    }

    fn scattered(&mut self, name: &str, gather: &Gather, operand: usize, source: NodeId, gradient: NodeId) -> NodeId {
        let (span, all) = (self.span(source), gather.len());
        let (before, len) = (gather.maps[..operand].iter().map(AffineMap::len).sum(), gather.maps[operand].len());
        let part = match len == all {
            true => gradient,
            false => {
                let slice = Gather::slice(before, len, all);
                self.adjoint.network.gather(&format!("{name}, its part"), slice, vec![len], &[gradient], span)
            }
        };
        let shape = self.network.graph[source].shape.clone();
        match inverse(&gather.maps[operand]) {
            Some(back) => self.adjoint.network.gather(name, Gather { maps: vec![back] }, shape, &[part], span),
            None => {
                let read = Gather { maps: vec![gather.maps[operand].clone()] };
                self.adjoint.network.scatter(name, read, shape, part, span)
            }
        }
    }

    fn tensor(&mut self, name: String, shape: Vec<usize>, data: Vec<f32>) -> TensorId {
        let tensors = &mut self.adjoint.tensors;
        tensors.push(Tensor { name, shape, data: TensorData::F32(data) });
        TensorId(tensors.len() as u32 - 1)
    }
}

/// The map from what was read back to the operand, when each element is read at most once: each axis follows at most one index, by
/// steps of one, and each index moves one axis. Elements that were not read get zeros.
fn inverse(map: &AffineMap) -> Option<AffineMap> {
    let unit = |at: usize| (0..map.axes.len()).map(|axis| isize::from(axis == at)).collect::<Vec<isize>>();
    let mut back = vec![None; map.shape.len()];
    let mut fixed = Vec::new();
    if map.axes.iter().any(|axis| axis.nearest) {
        return None;
    }
    for (at, axis) in map.axes.iter().enumerate() {
        let moves: Vec<usize> = (0..map.shape.len()).filter(|&index| axis.steps[index] != 0).collect();
        match moves[..] {
            // Only one position is read along it.
            [] => fixed.push(Axis { len: 1, start: -axis.start, steps: unit(at), nearest: false }),
            [index] => {
                let step = axis.steps[index];
                if step.abs() != 1 || back[index].is_some() {
                    return None;
                }
                let steps = unit(at).into_iter().map(|one| one * step).collect();
                back[index] = Some(Axis { len: map.shape[index], start: -axis.start * step, steps, nearest: false });
            }
            _ => return None,
        }
    }
    let index: Vec<Axis> = back.into_iter().collect::<Option<_>>()?;
    let axes = index.into_iter().chain(fixed).collect();
    Some(AffineMap { shape: map.axes.iter().map(|axis| axis.len).collect(), axes })
}

#[cfg(test)]
mod tests;
