//! Networks as NIR graphs: populations, connections and layers that NIR has words for; all that it has none for is told at once.

mod connections;
mod layers;
mod neurons;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use nmc_compiler::elaborate::Elaborated;
use nmc_compiler::forms::equations::{Dynamics, Emission, Expr, Function, Symbol};
use nmc_compiler::forms::network::{Edge, Network, NodeId, Operator, PopulationKind, Probed};
use nmc_compiler::{algebra, graph};
use nmc_program::{Tensor, TensorId};
use petgraph::Direction::Incoming;
use petgraph::visit::EdgeRef;

use neurons::Neurons;
use write::Written;

/// The file of a network; the error has all that NIR cannot say.
pub fn export(elaborated: &Elaborated) -> Result<Vec<u8>, Vec<String>> {
    let Elaborated { network, tensors, plan, .. } = elaborated;
    let mut exporter = Exporter {
        network,
        tensors,
        step: plan.step.unwrap_or(1e-4),
        written: Written::default(),
        given: BTreeMap::new(),
        neurons: BTreeMap::new(),
        relays: BTreeMap::new(),
        shapes: BTreeMap::new(),
        problems: BTreeSet::new(),
    };
    exporter.find_shapes();
    for node in network.graph.node_indices() {
        exporter.find_neurons(node);
    }
    exporter.find_relays();
    exporter.find_synapses();
    for node in graph::order(network) {
        let gives = exporter.node(node);
        exporter.given.insert(node, gives);
    }
    for node in network.graph.node_indices() {
        exporter.drive(node);
    }
    exporter.connect();
    exporter.outputs();
    let Exporter { written, problems, .. } = exporter;
    if !problems.is_empty() {
        return Err(problems.into_iter().collect());
    }
    written.file().map_err(|problem| vec![problem])
}

struct Exporter<'a> {
    network: &'a Network,
    tensors: &'a [Tensor],
    /// Seconds: how long a spike is 1.
    step: f64,
    written: Written,
    /// The nodes of the file whose sum a node gives.
    given: BTreeMap<NodeId, Vec<String>>,
    neurons: BTreeMap<NodeId, Neurons>,
    /// Populations that are 1 in the step in which a spike reaches them: whose spikes, and after how many seconds.
    relays: BTreeMap<NodeId, (NodeId, f64)>,
    /// Of populations whose spikes are read as images: the shape of these.
    shapes: BTreeMap<NodeId, Vec<usize>>,
    problems: BTreeSet<String>,
}

impl Exporter<'_> {
    fn name(&self, node: NodeId) -> String {
        self.network.graph[node].name.replace('/', ".")
    }

    fn refuse(&mut self, node: NodeId, why: impl std::fmt::Display) {
        self.problems.insert(format!("`{}`: {why}", self.network.graph[node].name));
    }

    fn tensor(&self, id: TensorId) -> Vec<f64> {
        let data = &self.tensors[id.index()].data;
        (0..data.len()).map(|index| data.get(index)).collect()
    }

    fn operand(&self, node: NodeId) -> Option<NodeId> {
        graph::operands(self.network, node).first().copied()
    }

    /// The population whose spikes a decoder gives as numbers, of one step or of all: NIR's spikes are both.
    fn counted(&self, node: NodeId) -> Option<NodeId> {
        let Operator::Population { dynamics, kind: PopulationKind::Decoder } = &self.network.graph[node].operator
        else {
            return None;
        };
        let [change] = &dynamics.on_pre[..] else { return None };
        let (slope, one) = algebra::linear(&change.value, change.target)?;
        let counts = algebra::constant(&slope) == Some(1.0) && algebra::constant(&one) == Some(1.0);
        let Symbol::State(state) = change.target else { return None };
        let forgets = match &dynamics.states.get(state)?.derivative {
            None => true,
            // All within a step, or over time.
            Some(derivative) => {
                let (rate, rest) = algebra::linear(derivative, change.target)?;
                let rate = self.number(&rate)?;
                algebra::constant(&rest) == Some(0.0) && rate * self.step < -100.0
            }
        };
        let plain = matches!(&dynamics.outputs[..], [(_, output)] if *output == Expr::Symbol(change.target));
        let spikes = |from: &NodeId| matches!(self.network.graph[*from].operator, Operator::Population { .. });
        self.operand(node).filter(spikes).filter(|_| counts && forgets && plain)
    }

    /// A number that holds for all elements.
    fn number(&self, expr: &Expr) -> Option<f64> {
        let step = |symbol| (symbol == Symbol::TimeStep).then_some(Expr::Number(self.step));
        algebra::constant(&algebra::substitute(expr, &step))
    }

    /// Images that populations are read as.
    fn find_shapes(&mut self) {
        for node in self.network.graph.node_indices() {
            let data = &self.network.graph[node];
            let Operator::Gather(gather) = &data.operator else { continue };
            let Some(from) = self.operand(node).filter(|_| gather.is_whole() && data.shape.len() > 1) else { continue };
            if let Some(population) = self.counted(from) {
                self.shapes.insert(population, data.shape.clone());
            }
        }
    }

    /// What an operator is in the file; returns what gives its value.
    fn node(&mut self, node: NodeId) -> Vec<String> {
        let data = &self.network.graph[node];
        let name = self.name(node);
        match &data.operator {
            Operator::Input => {
                self.written.shaped(&name, "Input", &data.shape);
                vec![name]
            }
            Operator::Output => Vec::new(),
            Operator::Population { dynamics, kind } => self.population(node, dynamics, *kind),
            Operator::Read { expression } => match (self.operand(node), expression) {
                (Some(from), Expr::Symbol(Symbol::State(_))) if self.relays.contains_key(&from) => {
                    vec![self.name(from)]
                }
                (Some(from), Expr::Symbol(Symbol::State(state)))
                    if self.neurons.get(&from).is_some_and(|neurons| neurons.v == *state && !neurons.spikes()) =>
                {
                    vec![self.name(from)]
                }
                _ => {
                    self.refuse(node, "values of neurons that spike, and other states than `v`, are no outputs in NIR");
                    Vec::new()
                }
            },
            Operator::Dense { .. }
            | Operator::Gather(_)
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Elementwise { .. } => self.layer(node),
            Operator::Delay | Operator::Scatter(_) => {
                self.refuse(node, "a delay from sample to sample");
                Vec::new()
            }
        }
    }

    fn population(&mut self, node: NodeId, dynamics: &Dynamics, kind: PopulationKind) -> Vec<String> {
        let (name, shape) = (self.name(node), self.network.graph[node].shape.clone());
        if matches!(dynamics.emission, Some(Emission::Given)) {
            self.written.shaped(&name, "Input", &shape);
            return vec![name];
        }
        if let Some(neurons) = self.neurons.get(&node) {
            let shape = self.shapes.get(&node).unwrap_or(&shape);
            neurons.write(&mut self.written, &name, shape);
            return vec![name];
        }
        if let Some(&(source, seconds)) = self.relays.get(&node) {
            let shape = self.network.graph[source].shape.clone();
            let delays = vec![seconds; shape.iter().product()];
            self.written.node(&name, "Delay", vec![("delay", shape, delays)]);
            self.written.edge(&self.name(source), &name);
            return vec![name];
        }
        match (kind, self.counted(node)) {
            (PopulationKind::Decoder, Some(of)) => match self.shapes.get(&of).cloned() {
                // Read as an image elsewhere, but here as it is.
                Some(shape) if self.read_flat(node) => {
                    let flat = format!("{name}_flat");
                    self.written.flatten(&flat, &shape);
                    self.written.edge(&self.name(of), &flat);
                    vec![flat]
                }
                Some(_) | None => vec![self.name(of)],
            },
            (PopulationKind::Decoder, None) => {
                self.refuse(node, format!("`{}` is no count of spikes", dynamics.name));
                Vec::new()
            }
            (PopulationKind::Encoder, _) => {
                self.refuse(node, format!("the encoder `{}`", dynamics.name));
                Vec::new()
            }
            (PopulationKind::State, _) => {
                self.refuse(node, "a state of the network");
                Vec::new()
            }
            // It has been told.
            (PopulationKind::Neuron | PopulationKind::Device, _) => Vec::new(),
        }
    }

    /// Whether something but an output reads a node in its own shape.
    fn read_flat(&self, node: NodeId) -> bool {
        let readers = self.network.graph.neighbors(node);
        readers.into_iter().any(|reader| match &self.network.graph[reader].operator {
            Operator::Gather(gather) => !gather.is_whole() || self.network.graph[reader].shape.len() == 1,
            Operator::Output => false,
            Operator::Input
            | Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Delay
            | Operator::Scatter(_)
            | Operator::Population { .. }
            | Operator::Read { .. } => true,
        })
    }

    /// Joins neurons with what drives them.
    fn drive(&mut self, node: NodeId) {
        if !self.neurons.contains_key(&node) {
            return;
        }
        let from: Vec<NodeId> = self
            .network
            .graph
            .edges_directed(node, Incoming)
            .filter(|edge| matches!(edge.weight(), Edge::Signal { .. }))
            .map(|edge| edge.source())
            .collect();
        if self.neurons.get(&node).is_some_and(|neurons| neurons.i.is_none() && neurons.synapse.is_some())
            && !from.is_empty()
        {
            self.refuse(
                node,
                "it is driven by layers and by synapses with a current, which NIR's neurons cannot tell apart",
            );
        }
        for mut source in from {
            // An image that is laid flat for neurons that stand as an image themselves.
            if let (Some(shape), Operator::Gather(gather)) =
                (self.shapes.get(&node), &self.network.graph[source].operator)
                && gather.is_whole()
                && let Some(image) = self.operand(source)
                && self.network.graph[image].shape == *shape
            {
                source = image;
            }
            let to = self.name(node);
            for from in self.given.get(&source).cloned().unwrap_or_default() {
                self.written.edge(&from, &to);
            }
        }
    }

    /// Outputs; where a network has none, the populations whose spikes are recorded.
    fn outputs(&mut self) {
        for &output in &self.network.outputs {
            let Some(from) = self.operand(output) else { continue };
            let behind = self.counted(from).or(Some(from)).filter(|of| self.neurons.contains_key(of));
            let sources = match behind {
                Some(population) => vec![self.name(population)],
                None => self.given.get(&from).cloned().unwrap_or_default(),
            };
            let shape = behind.and_then(|population| self.shapes.get(&population).cloned());
            let name = self.name(output);
            self.written.shaped(&name, "Output", &shape.unwrap_or(self.network.graph[output].shape.clone()));
            sources.iter().for_each(|from| self.written.edge(from, &name));
        }
        if self.network.outputs.is_empty() {
            let probed =
                self.network.probes.iter().filter(|probe| probe.what == Probed::Spikes).map(|probe| probe.node);
            let probed: BTreeSet<NodeId> = probed.collect();
            if probed.is_empty() {
                self.problems.insert(String::from("it has no outputs, and no spikes of neurons are recorded"));
            }
            for node in probed.into_iter().filter(|node| self.neurons.contains_key(node)) {
                let name = format!("{}_spikes", self.name(node));
                self.written.shaped(&name, "Output", &self.network.graph[node].shape);
                self.written.edge(&self.name(node), &name);
            }
        }
        if !self.written.has("Input") {
            self.problems.insert(String::from("it has no inputs"));
        }
    }
}

/// Whether an expression is `threshold < state`, and the threshold.
fn above(condition: &Expr, state: usize) -> Option<&Expr> {
    match condition {
        Expr::Call(Function::Less, args) => match &args[..] {
            [threshold, Expr::Symbol(Symbol::State(of))] if *of == state => Some(threshold),
            _ => None,
        },
        Expr::Call(..) | Expr::Number(_) | Expr::Symbol(_) => None,
    }
}
