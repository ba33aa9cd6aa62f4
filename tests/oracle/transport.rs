//! What moves on a chip, and what that takes.

use std::collections::{BTreeMap, BTreeSet};

use nmc_compiler::forms::chip::Domain;
use nmc_compiler::forms::circuit::{End, Net, PartId, Role};
use nmc_compiler::forms::network::{NodeId, Operator};
use nmc_compiler::graph;
use nmc_program::ComponentKind;

use super::arrays::Chip;

impl Chip<'_> {
    /// Bits that move: through the host's port, over every link of the mesh once, into and out of buffers; analog values over links.
    pub(super) fn transport(&mut self, samples: f64) {
        let mapped = &self.case.mapped;
        let (chip, width) = (&mapped.chip, mapped.chip.grid.0);
        let core = |end: End| if let End::Part(part) = end { mapped.placement.cores[part.0] } else { 0 };
        let needed = self.needed();
        for net in &mapped.circuit.nets {
            let mut links = BTreeSet::new();
            for &to in &net.to {
                let ((mut x, mut y), (a, b)) =
                    ((core(net.from) % width, core(net.from) / width), (core(to) % width, core(to) / width));
                while (x, y) != (a, b) {
                    let from = (x, y);
                    if x != a {
                        x = if x < a { x + 1 } else { x - 1 }
                    } else {
                        y = if y < b { y + 1 } else { y - 1 }
                    }
                    links.insert((from, (x, y)));
                }
            }
            let (values, passed) = (net.values as f64 * samples, links.len() as f64);
            if net.domain == Domain::Bits {
                let bits = values * net.bits;
                if net.from == End::Host || net.to.contains(&End::Host) {
                    self.spend(ComponentKind::Host, bits * chip.host.energy_per_bit);
                }
                self.spend(ComponentKind::Network, bits * passed * chip.mesh.energy_per_bit);
                let reads = self.reads(net, &needed);
                let reached: BTreeSet<usize> =
                    net.to.iter().filter(|to| **to != End::Host).map(|to| core(*to)).collect();
                for core in reached {
                    let energy = chip.core_kinds[chip.cores[core]].buffer_energy;
                    self.spend(ComponentKind::Buffer, (1.0 + reads) * bits * energy);
                }
            } else if let Some(link) = chip.links.iter().find(|link| link.carries == net.domain) {
                assert!(link.noise == 0.0, "noise is not drawn here");
                self.spend(ComponentKind::Network, values * passed * link.energy);
            }
        }
    }

    /// How often parts take each element from where it arises: arrays at every position, windows with all that they overlap.
    fn needed(&self) -> BTreeMap<(NodeId, usize), BTreeMap<End, usize>> {
        let mapped = &self.case.mapped;
        let mut all: BTreeMap<(NodeId, usize), BTreeMap<End, usize>> = BTreeMap::new();
        for (index, part) in mapped.circuit.parts.iter().enumerate() {
            let node = &mapped.network.graph[part.node];
            for source in graph::operands(&mapped.network, part.node) {
                let len = mapped.network.graph[source].len();
                let positions = if let Operator::Dense { positions, .. } = node.operator { positions } else { 1 };
                let range = match part.role {
                    Role::Array { block, .. } => {
                        let (start, end) = mapped.tiling.blocks[block].inputs;
                        start * positions..end * positions
                    }
                    Role::Adder { .. } if !matches!(node.operator, Operator::Reduce { .. } | Operator::Softmax) => {
                        continue;
                    }
                    Role::Line { .. } => continue,
                    _ if len == node.len() => part.elements.0..part.elements.1,
                    _ => 0..len,
                };
                for element in range {
                    if let Some(origin) = self.origin(source, element) {
                        *all.entry(origin).or_default().entry(End::Part(PartId(index))).or_default() += 1;
                    }
                }
            }
        }
        all
    }

    fn origin(&self, node: NodeId, element: usize) -> Option<(NodeId, usize)> {
        let network = &self.case.mapped.network;
        match &network.graph[node].operator {
            Operator::Gather(gather) => {
                let (operand, from) = gather.source(element)?;
                self.origin(graph::operands(network, node)[operand], from)
            }
            _ => Some((node, element)),
        }
    }

    /// How often each value of a net is read where it arrives, on average; once what is a partial sum, or goes to the host.
    fn reads(&self, net: &Net, needed: &BTreeMap<(NodeId, usize), BTreeMap<End, usize>>) -> f64 {
        let gives = |at: usize| match net.from {
            End::Host => true,
            End::Part(part) => {
                let (start, end) = self.case.mapped.circuit.parts[part.0].elements;
                (start..end).contains(&at)
            }
        };
        let to: BTreeSet<End> = net.to.iter().copied().filter(|end| *end != End::Host).collect();
        let own = needed.iter().filter(|((node, at), takers)| {
            *node == net.source && gives(*at) && takers.keys().copied().collect::<BTreeSet<_>>() == to
        });
        let counts: Vec<f64> = own.map(|(_, takers)| takers.values().sum::<usize>() as f64).collect();
        let ends = net.to.len() as f64;
        if counts.is_empty() {
            return 1.0;
        }
        // What goes to the host as well is read once there.
        let host = (net.to.len() - to.len()) as f64;
        counts.iter().map(|count| (count + host) / ends).sum::<f64>() / counts.len() as f64
    }
}
