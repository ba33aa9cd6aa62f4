//! `Model` to `Network`, `Chip` and `Plan`: one experiment with every parameter a number and every loop unrolled.

// Statements and expressions are many; each place takes the few it has a meaning for.
#![allow(clippy::wildcard_enum_match_arm)]

mod arguments;
mod array;
mod backward;
mod begins;
mod calibration;
mod change;
mod connection;
mod convolution;
mod data;
mod deploy;
mod experiment;
mod failed;
mod flow;
mod hardware;
mod in_cells;
mod in_states;
mod interface;
mod layer;
mod literal;
mod measure;
mod operand;
mod pair_params;
mod pairs;
mod population;
mod present;
mod probe;
mod recurrence;
mod schedule;
mod signal;
mod softmax;
mod spikes;
mod steps;
mod structure;
mod synapse_data;
mod target;
mod training;
mod transfer;
mod unused;
mod uses;
pub mod verify;
mod winners;

use std::collections::{BTreeMap, BTreeSet};

use nmc_grammar::ast::{BlockKind, Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::{FileId, Span};
use nmc_grammar::suggest::closest;
use nmc_program::{Tensor, TensorId};

use crate::Options;
use crate::files::Files;
use crate::forms::chip::Chip;
use crate::forms::model::{DefId, Definition, Model};
use crate::forms::network::{Network, NodeId, Operator};
use crate::forms::plan::Plan;
use crate::quantity::Dimension;
use crate::typing::{blocks, closing as equations, functions, term};
use signal::Value;
use structure::Port;
use term::{Closer, Scope, Term};
use uses::Uses;

/// An experiment without parameters.
#[derive(Debug, Clone)]
pub struct Elaborated {
    pub network: Network,
    pub chip: Chip,
    pub plan: Plan,
    pub tensors: Vec<Tensor>,
}

/// Elaborates one experiment; none after an error, which has been reported.
pub fn elaborate(
    model: &Model,
    experiment: DefId,
    files: &dyn Files,
    options: &Options,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Elaborated> {
    let Some(Definition::Block(block)) = model.definition(experiment) else { return None };
    let (first, errors) = (diagnostics.len(), diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count());
    let mut elaborator = Elaborator {
        closer: Closer::new(model, diagnostics),
        files,
        options,
        file: experiment.file,
        network: Network::default(),
        chip: Chip { name: String::from("ideal"), ideal: true, ..Chip::default() },
        plan: Plan { name: block.name.text.clone(), ..Plan::default() },
        tensors: Vec::new(),
        unread: Vec::new(),
        nodes: BTreeMap::new(),
        values: BTreeMap::new(),
        connections: BTreeMap::new(),
        ports: BTreeMap::new(),
        driven: BTreeMap::new(),
        names: Scope::default(),
        prefix: String::new(),
        inside: Vec::new(),
        used: BTreeSet::new(),
        made: BTreeMap::new(),
        dimensions: BTreeMap::new(),
        reads: BTreeMap::new(),
        inserted: BTreeMap::new(),
        failed: BTreeSet::new(),
        uses: Uses::new(),
        times: Vec::new(),
        started: Vec::new(),
        random_layers: 0,
        tests: (0, 0),
        declared: BTreeMap::new(),
        changed: BTreeMap::new(),
    };
    elaborator.experiment(block);
    elaborator.tell_uses(first);
    let failed = elaborator.errors() > errors;
    let Elaborator { mut network, chip, plan, tensors, .. } = elaborator;
    unused::leave_out(&mut network, &plan);
    (!failed).then_some(Elaborated { network, chip, plan, tensors })
}

/// An experiment in the making.
struct Elaborator<'a> {
    closer: Closer<'a>,
    files: &'a dyn Files,
    options: &'a Options,
    /// The file of the statement at hand.
    file: FileId,
    network: Network,
    chip: Chip,
    plan: Plan,
    tensors: Vec<Tensor>,
    /// Tensors whose numbers are read when all shapes have been compared.
    unread: Vec<(TensorId, array::Array, Span)>,
    /// Populations of the network at hand, by the names they have in it.
    nodes: BTreeMap<String, NodeId>,
    /// Its signals and data.
    values: BTreeMap<String, Value>,
    /// Its named connections; several where one name joins several populations.
    connections: BTreeMap<String, Vec<usize>>,
    /// Its outputs, and what drives them.
    ports: BTreeMap<String, Port>,
    driven: BTreeMap<String, NodeId>,
    /// Its parameters and loop variables.
    names: Scope,
    /// `sub.` within a network used as a layer.
    prefix: String,
    /// The networks being elaborated, outermost first.
    inside: Vec<DefId>,
    /// Names of nodes.
    used: BTreeSet<String>,
    /// How many names were made from each base.
    made: BTreeMap<String, usize>,
    /// Dimensions of signals that are no plain numbers.
    dimensions: BTreeMap<NodeId, Dimension>,
    /// Values read from populations.
    reads: BTreeMap<(NodeId, String), NodeId>,
    /// Encoders and decoders put in.
    inserted: BTreeMap<NodeId, NodeId>,
    /// Names whose statement failed.
    failed: BTreeSet<String>,
    /// Uses of blocks of the library.
    uses: Uses,
    /// Times that are counted in steps.
    times: Vec<steps::Timed>,
    /// Layers that start from random weights, which training is to change.
    started: Vec<NodeId>,
    /// How many layers had random weights made so far.
    random_layers: u64,
    /// How many tests of the experiment expect something, and how many of them have been read.
    tests: (usize, usize),
    /// Populations that the network declares somewhere.
    declared: BTreeMap<String, Span>,
    /// Parameters that runs of the experiment change.
    changed: change::Changed,
}

/// The names of a network, while another is elaborated within it.
struct Outer {
    file: FileId,
    nodes: BTreeMap<String, NodeId>,
    values: BTreeMap<String, Value>,
    connections: BTreeMap<String, Vec<usize>>,
    ports: BTreeMap<String, Port>,
    driven: BTreeMap<String, NodeId>,
    names: Scope,
    prefix: String,
    failed: BTreeSet<String>,
}

impl<'a> Elaborator<'a> {
    fn error(&mut self, code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) {
        self.closer.diagnostics.push(Diagnostic::new(code, message, span, label));
    }

    /// Brings what was found wrong within the library, from this diagnostic on, to the lines of its user.
    fn tell_uses(&mut self, first: usize) {
        uses::tell(&self.uses, self.closer.model, &mut self.closer.diagnostics[first..]);
    }

    /// How many errors there are so far.
    fn errors(&self) -> usize {
        self.closer.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }

    /// Goes into another network, where nothing has a name yet; what was known is given back for [`Self::leave`].
    fn enter(&mut self, file: FileId, prefix: String) -> Outer {
        Outer {
            file: std::mem::replace(&mut self.file, file),
            nodes: std::mem::take(&mut self.nodes),
            values: std::mem::take(&mut self.values),
            connections: std::mem::take(&mut self.connections),
            ports: std::mem::take(&mut self.ports),
            driven: std::mem::take(&mut self.driven),
            names: std::mem::take(&mut self.names),
            prefix: std::mem::replace(&mut self.prefix, prefix),
            failed: std::mem::take(&mut self.failed),
        }
    }

    fn leave(&mut self, outer: Outer) {
        let Outer { file, nodes, values, connections, ports, driven, names, prefix, failed } = outer;
        (self.file, self.nodes, self.values, self.connections) = (file, nodes, values, connections);
        (self.ports, self.driven, self.names, self.prefix) = (ports, driven, names, prefix);
        self.failed = failed;
    }

    /// The block a name stands for, of one of the kinds.
    fn block(
        &mut self,
        file: FileId,
        name: &str,
        span: Span,
        kinds: &[BlockKind],
    ) -> Option<(DefId, &'a nmc_grammar::ast::Block)> {
        let found = blocks::block(self.closer.model, file, name, span, kinds);
        found.map_err(|wrong| self.closer.diagnostics.push(wrong)).ok()
    }

    /// A whole number that is known now, at least `least`.
    fn count(&mut self, ast: &Ast, least: f64) -> Option<usize> {
        let term = self.closer.count(&self.names, self.file, ast, least)?;
        self.closer.known(&term, ast).map(|value| value as usize)
    }

    /// A population with the range of its elements: `exc`, `exc[0..5]`, `column[2]`, `column[2][0..5]`.
    fn population_range(&mut self, ast: &Ast) -> Option<(NodeId, (usize, usize))> {
        if let Some(name) = self.indexed_name(ast) {
            if let Some(&node) = self.nodes.get(&name) {
                return Some((node, (0, self.network.graph[node].len())));
            }
            if let Some(Value::Signal(_) | Value::Outputs(_)) = self.values.get(&name) {
                let node = self.named(&name, ast.span)?;
                let node = self.spiking(node, ast.span)?;
                return self.population_behind(node, ast.span);
            }
            if let ExprKind::Index(..) = &ast.kind {
                return self.no_population(&name, ast.span);
            }
        }
        if let ExprKind::Index(object, indices) = &ast.kind
            && let [index] = &indices[..]
        {
            let (node, (start, end)) = self.population_range(object)?;
            let (first, last) = match &index.kind {
                ExprKind::Range(low, high) => (self.count(low, 0.0)?, self.count(high, 0.0)?),
                _ => {
                    let at = self.count(index, 0.0)?;
                    (at, at + 1)
                }
            };
            if first < last && start + last <= end {
                return Some((node, (start + first, start + last)));
            }
            let name = &self.network.graph[node].name;
            let message = format!("{first}..{last} does not lie within the {} elements of `{name}`", end - start);
            self.error(Code::E0303, message, index.span, "outside");
            return None;
        }
        let name = if let ExprKind::Name(name) = &ast.kind { name.as_str() } else { "" };
        self.no_population(name, ast.span)
    }

    fn no_population<T>(&mut self, name: &str, span: Span) -> Option<T> {
        let message = format!("there is no population `{name}`");
        let mut unknown = Diagnostic::new(Code::E0201, message, span, "unknown population");
        let near = closest(name, self.nodes.keys().map(String::as_str));
        unknown.help = near.map(|near| format!("did you mean `{near}`?"));
        if let Some(&declared) = self.declared.get(name) {
            unknown = unknown.with_label(declared, "declared here");
            unknown.help = Some(String::from("move its declaration before this line"));
        }
        self.closer.diagnostics.push(unknown);
        None
    }

    /// The population that gives a node its spikes, and which of its elements.
    fn population_behind(&mut self, node: NodeId, span: Span) -> Option<(NodeId, (usize, usize))> {
        let data = &self.network.graph[node];
        let start = match &data.operator {
            Operator::Population { .. } => return Some((node, (0, data.len()))),
            Operator::Gather(gather) => gather.stretch(),
            _ => None,
        };
        let (len, Some(start)) = (data.len(), start) else {
            self.error(Code::E0201, "a population is needed here", span, "not a population");
            return None;
        };
        let from = self.network.graph.neighbors_directed(node, petgraph::Direction::Incoming).next()?;
        let (population, (first, _)) = self.population_behind(from, span)?;
        Some((population, (first + start, first + start + len)))
    }

    /// `exc`, or `column[2]` with its index worked out.
    fn indexed_name(&mut self, ast: &Ast) -> Option<String> {
        match &ast.kind {
            ExprKind::Name(name) => Some(name.clone()),
            ExprKind::Index(object, indices)
                if indices.len() == 1 && !matches!(indices[0].kind, ExprKind::Range(..)) =>
            {
                let ExprKind::Name(name) = &object.kind else { return None };
                if !self.is_family(name) {
                    return None;
                }
                Some(format!("{name}[{}]", self.count(&indices[0], 0.0)?))
            }
            _ => None,
        }
    }

    fn set(&mut self, name: &str, term: Term) {
        self.names.names.insert(name.to_string(), term);
    }
}

/// A block of the standard library that needs no `use`.
fn standard(module: &str, name: &str) -> Option<nmc_grammar::ast::Block> {
    let (tree, _) = nmc_grammar::parse::parse(FileId(0), nmc_stdlib::module(&["std", module])?);
    tree.items.into_iter().find_map(|item| match item {
        nmc_grammar::ast::Item::Block(block) if block.name.text == name => Some(block),
        _ => None,
    })
}
