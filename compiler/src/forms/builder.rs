//! Networks made call by call: by the language, by importers, by the adjoint pass and by tests.
//!
//! Names must be unique, shapes must fit; `elaborate::verify` tells where they are not.

use nmc_grammar::span::Span;
use nmc_program::{Reduction, TensorId};

use super::equations::Expr;
use super::gather::Gather;
use super::network::{Edge, Logical, Network, Node, NodeId, Operator, Weights};

impl Network {
    /// Adds a node with what feeds it.
    pub fn add(&mut self, node: Node, operands: &[NodeId]) -> NodeId {
        let id = self.graph.add_node(node);
        for (operand, &from) in operands.iter().enumerate() {
            self.graph.add_edge(from, id, Edge::Signal { operand });
        }
        id
    }

    /// An input port of numbers.
    pub fn input(&mut self, name: &str, shape: Vec<usize>, span: Span) -> NodeId {
        let node = self.add(Node::real(name, Operator::Input, shape, span), &[]);
        self.inputs.push(node);
        node
    }

    /// An output port that gives what `from` gives.
    pub fn output(&mut self, name: &str, from: NodeId, span: Span) -> NodeId {
        let shape = self.graph[from].shape.clone();
        let node = self.add(Node::real(name, Operator::Output, shape, span), &[from]);
        self.outputs.push(node);
        node
    }

    /// A layer y = W x + b with weights [outputs, inputs], at each of so many positions.
    pub fn dense(
        &mut self,
        name: &str,
        from: NodeId,
        (weights, bias): (TensorId, Option<TensorId>),
        (positions, outputs): (usize, usize),
        span: Span,
    ) -> NodeId {
        let operator = Operator::Dense { weights: Weights::Given(weights), bias, positions };
        let shape = if positions == 1 { vec![outputs] } else { vec![outputs, positions] };
        self.add(Node::real(name, operator, shape, span), &[from])
    }

    /// A function of single elements; it has the shape of the largest operand.
    pub fn elementwise(&mut self, name: &str, function: &str, body: Expr, from: &[NodeId], span: Span) -> NodeId {
        let largest = from.iter().max_by_key(|&&node| self.graph[node].len());
        let shape = largest.map_or_else(Vec::new, |&node| self.graph[node].shape.clone());
        self.add(Node::real(name, Operator::Elementwise { function: function.to_string(), body }, shape, span), from)
    }

    /// Each element added to where a gather read it from, in a signal of this shape.
    pub fn scatter(&mut self, name: &str, read: Gather, shape: Vec<usize>, from: NodeId, span: Span) -> NodeId {
        self.add(Node::real(name, Operator::Scatter(read), shape, span), &[from])
    }

    /// Each `each` elements of the operand become one.
    pub fn reduce(&mut self, name: &str, reduction: Reduction, each: usize, from: NodeId, span: Span) -> NodeId {
        let len = self.graph[from].len() / each.max(1);
        self.add(Node::real(name, Operator::Reduce { reduction, each }, vec![len], span), &[from])
    }

    /// The operand's value of the sample before.
    pub fn delay(&mut self, name: &str, from: NodeId, span: Span) -> NodeId {
        let shape = self.graph[from].shape.clone();
        self.add(Node::real(name, Operator::Delay, shape, span), &[from])
    }

    /// Elements of the operands in this shape.
    pub fn gather(&mut self, name: &str, gather: Gather, shape: Vec<usize>, from: &[NodeId], span: Span) -> NodeId {
        self.add(Node::real(name, Operator::Gather(gather), shape, span), from)
    }
}

impl Node {
    /// A node that gives numbers.
    pub fn real(name: &str, operator: Operator, shape: Vec<usize>, span: Span) -> Node {
        Node { name: name.to_string(), operator, shape, logical: Logical::Real, span, inserted: None }
    }
}
