//! The ideal chip needs no converters, places or slots: every operator is exact.

use crate::forms::converted::{Converted, Outcome};
use crate::forms::network::Edge;
use crate::forms::placed::Placed;
use crate::forms::scheduled::Scheduled;
use crate::forms::tiled::Tiled;
use petgraph::visit::{EdgeRef, IntoEdgeReferences};

/// The forms between tiling and lowering, where there is nothing to decide.
pub fn schedule(tiled: Tiled) -> Scheduled {
    let wires = tiled.network.graph.edge_references().filter_map(|edge| match edge.weight() {
        Edge::Signal { operand } => Some(crate::forms::converted::Wire {
            from: edge.source(),
            to: edge.target(),
            operand: *operand,
            domain: crate::forms::chip::Domain::Bits,
            converters: Vec::new(),
            counts: Vec::new(),
            reason: String::from("ideal: no conversions"),
            count_per_sample: 0.0,
            energy: 0.0,
        }),
        Edge::Synapses(_) => None,
    });
    let wires = wires.collect();
    let converted = Converted {
        choices: Vec::new(),
        wires,
        objective: Outcome { optimal: true, ..Outcome::default() },
        ranges: Vec::new(),
        block_ranges: Vec::new(),
        pin_costs: Vec::new(),
        merge_units: Vec::new(),
        conversions: nmc_program::Conversions::default(),
        tiled,
    };
    let placed = Placed {
        converted,
        block_cores: Vec::new(),
        block_tiles: Vec::new(),
        node_cores: Vec::new(),
        cost: 0.0,
        lower_bound: 0.0,
        random_cost: 0.0,
    };
    let (tasks, transfers) = (Vec::new(), Vec::new());
    Scheduled { placed, tasks, transfers, initiation_interval: 0.0, latency: 0.0, bottleneck: String::new() }
}
