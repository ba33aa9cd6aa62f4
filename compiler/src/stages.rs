//! The stages in order, each with its reason: the driver's text, `--emit` and `--help` read the same list.

use petgraph::visit::EdgeRef;

use crate::Compilation;
use crate::forms::mapped::Mapped;
use crate::forms::network::{Edge, Network, Operator};
use crate::map::{convert, place, schedule, tile};

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// `convert`
    pub name: &'static str,
    /// The form it makes, as `--emit` calls it; none when the form cannot be printed.
    pub emit: Option<&'static str>,
    /// What it is for.
    pub reason: &'static str,
}

const fn stage(name: &'static str, emit: Option<&'static str>, reason: &'static str) -> Stage {
    Stage { name, emit, reason }
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
        Some("network"),
        "unfold parameters, loops and sub-networks into one flat graph for an experiment",
    ),
    stage("tile", Some("tiled"), "cut weight matrices to fit arrays; before conversion, which prices the pieces"),
    stage(
        "convert",
        Some("converted"),
        "choose implementations and physical domains; before placement, which needs the units",
    ),
    stage("place", Some("placed"), "give every piece a core, near to what it talks to"),
    stage(
        "schedule",
        Some("scheduled"),
        "give every piece of work and every message its time, so that nothing is used twice at once",
    ),
    stage("lower", Some("program"), "flatten into arrays, kernels and events: all that the runtime knows"),
];

/// The names that `--emit` takes, in the order of the stages.
pub fn emitted() -> impl Iterator<Item = &'static str> {
    STAGES.iter().filter_map(|stage| stage.emit)
}

/// A form as text, experiment after experiment; none for a name that is no form.
pub fn emit(compilation: &Compilation, form: &str) -> Option<String> {
    let each = |print: &dyn Fn(&Mapped) -> String| Some(compilation.mapped.iter().map(print).collect());
    match form {
        "network" => each(&|form| network(&form.network)),
        "tiled" => each(&|form| tile::print(form)),
        "converted" => each(&|form| convert::print(form)),
        "placed" => each(&|form| place::print(form)),
        "scheduled" => each(&|form| schedule::print(form)),
        "program" => {
            let programs = compilation.image.iter().flat_map(|image| &image.programs);
            Some(programs.map(ToString::to_string).collect())
        }
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_in_the_list_can_be_printed() {
        let nothing = Compilation::default();
        assert!(emitted().all(|form| emit(&nothing, form).is_some()));
        assert_eq!(emit(&nothing, "tile"), None);
    }
}
