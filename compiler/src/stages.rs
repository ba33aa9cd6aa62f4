//! The stages in order, each with its reason: the driver's text, `--emit` and `--help` read the same list.

use petgraph::visit::EdgeRef;

use crate::Compilation;
use crate::forms::mapped::Mapped;
use crate::forms::network::{Edge, Network, Operator};
use crate::map::{convert, place, schedule, tile};

/// A stage.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// `convert`
    pub name: &'static str,
    /// The form it makes; none when that cannot be printed.
    pub form: Option<Form>,
    /// What it is for.
    pub reason: &'static str,
}

/// A form that can be printed.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// As `--emit` calls it: `converted`.
    pub name: &'static str,
    /// Prints it, experiment after experiment.
    pub print: fn(&Compilation) -> String,
}

const fn stage(name: &'static str, form: Option<Form>, reason: &'static str) -> Stage {
    Stage { name, form, reason }
}

const fn form(name: &'static str, print: fn(&Compilation) -> String) -> Option<Form> {
    Some(Form { name, print })
}

/// Every stage from text to program.
pub const STAGES: &[Stage] = &[
    stage("resolve", None, "read the program and what it uses; bind every name, so that later stages ask no files"),
    stage(
        "check",
        None,
        "give every quantity its dimension and every signal its shape, so that later stages see numbers",
    ),
    stage(
        "elaborate",
        form("network", |all| each(all, |form| network(&form.network))),
        "unfold parameters, loops and sub-networks into one flat graph for an experiment",
    ),
    stage(
        "tile",
        form("tiled", |all| each(all, tile::print)),
        "cut weight matrices to fit arrays; before conversion, which prices the pieces",
    ),
    stage(
        "convert",
        form("converted", |all| each(all, convert::print)),
        "choose implementations and physical domains; before placement, which needs the units",
    ),
    stage("place", form("placed", |all| each(all, place::print)), "give every piece a core, near to what it talks to"),
    stage(
        "schedule",
        form("scheduled", |all| each(all, schedule::print)),
        "give every piece of work and every message its time, so that nothing is used twice at once",
    ),
    stage(
        "lower",
        form("program", |all| all.image.iter().flat_map(|image| &image.programs).map(ToString::to_string).collect()),
        "flatten into arrays, kernels and events: all that the runtime knows",
    ),
];

fn each(all: &Compilation, print: impl Fn(&Mapped) -> String) -> String {
    all.mapped.iter().map(print).collect()
}

/// The forms that `--emit` takes, in the order of the stages.
pub fn forms() -> impl Iterator<Item = &'static Form> {
    STAGES.iter().filter_map(|stage| stage.form.as_ref())
}

/// Nodes with what feeds them, then connections.
fn network(network: &Network) -> String {
    let mut text = format!("network {}\n", network.name);
    for node in network.graph.node_indices() {
        let data = &network.graph[node];
        let mut operands: Vec<(usize, &str)> = network
            .graph
            .edges_directed(node, petgraph::Direction::Incoming)
            .filter_map(|edge| match edge.weight() {
                Edge::Signal { operand } => Some((*operand, network.graph[edge.source()].name.as_str())),
                Edge::Synapses(_) => None,
            })
            .collect();
        operands.sort_unstable();
        let operands: Vec<&str> = operands.into_iter().map(|(_, name)| name).collect();
        let word = match &data.operator {
            Operator::Input => "input",
            Operator::Output => "output",
            Operator::Dense { .. } => "dense",
            Operator::Elementwise { function, .. } => function,
            Operator::Gather(gather) => gather.word(),
            Operator::Reduce { reduction, .. } => reduction.word(),
            Operator::Softmax => "softmax",
            Operator::Scatter(_) => "scatter",
            Operator::Delay => "delay",
            Operator::Population { dynamics, .. } => &dynamics.name,
            Operator::Read { .. } => "read",
        };
        text += &format!("  {} = {word}({}): {:?}{:?}\n", data.name, operands.join(", "), data.logical, data.shape);
    }
    for connection in &network.connections {
        let (from, to) = (connection.source_range, connection.target_range);
        text += &format!("  connect {} {from:?} -> {to:?} {:?}\n", connection.name, connection.pattern);
    }
    text
}
