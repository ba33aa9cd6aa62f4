//! Islands: parts that analog wires, or an array read both ways, bind to one core; what they need of it, and what it has.

use std::collections::BTreeMap;

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use crate::forms::chip::{Chip, CoreKind, Domain};
use crate::forms::circuit::{Circuit, End, Net, Part, PartId, Role};
use crate::forms::mapped::Given;
use crate::forms::network::{Network, Operator};
use crate::forms::tiling::{Block, Tiling};
use crate::graph::is_population;
use crate::map::circuit::synapses_each;

/// Something a core has so much of.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// Arrays of a tile kind.
    Tiles(usize),
    /// Instances of an analog unit kind: each carries one value all the time.
    Unit(usize),
    /// Whether the core has a digital unit, which work takes turns on.
    Logic(usize),
    /// Whether lines for a domain join its parts.
    Line(Domain),
    Neurons,
    Synapses,
    /// Cells of a device with dynamics.
    Cells(String),
    /// Bits of buffer.
    Buffer,
}

/// All resources of a chip's cores.
pub fn resources(chip: &Chip, network: &Network) -> Vec<Resource> {
    let mut all: Vec<Resource> = (0..chip.tile_kinds.len()).map(Resource::Tiles).collect();
    for (index, unit) in chip.unit_kinds.iter().enumerate() {
        let digital = unit.from == Domain::Bits && unit.to == Domain::Bits;
        all.push(if digital { Resource::Logic(index) } else { Resource::Unit(index) });
    }
    let domains = [Domain::Voltage, Domain::Current, Domain::Charge, Domain::Pulse, Domain::Light];
    all.extend(domains.map(Resource::Line));
    all.extend([Resource::Neurons, Resource::Synapses, Resource::Buffer]);
    for node in network.graph.node_weights() {
        if let Operator::Population { dynamics, .. } = &node.operator {
            let cells = Resource::Cells(dynamics.name.clone());
            if !all.contains(&cells) {
                all.push(cells);
            }
        }
    }
    all
}

/// What a kind of core has of each resource.
pub fn room(core: &CoreKind, resources: &[Resource]) -> Vec<f64> {
    let count = |list: &[(usize, usize)], kind: usize| -> f64 {
        list.iter().filter(|(of, _)| *of == kind).map(|(_, count)| *count as f64).sum()
    };
    let each = resources.iter().map(|resource| match resource {
        Resource::Tiles(kind) => count(&core.tiles, *kind),
        Resource::Unit(kind) => count(&core.units, *kind),
        Resource::Logic(kind) => {
            if count(&core.units, *kind) > 0.0 {
                f64::INFINITY
            } else {
                0.0
            }
        }
        Resource::Line(domain) => {
            if core.lines.contains(domain) {
                f64::INFINITY
            } else {
                0.0
            }
        }
        Resource::Neurons => core.neurons.map_or(0.0, |neurons| neurons as f64),
        Resource::Synapses => core.synapses.map_or(f64::INFINITY, |synapses| synapses as f64),
        Resource::Cells(device) => {
            core.cells.iter().filter(|(name, _)| name == device).map(|(_, count)| *count as f64).sum()
        }
        Resource::Buffer => {
            if core.buffer_bits > 0.0 {
                core.buffer_bits
            } else {
                f64::INFINITY
            }
        }
    });
    each.collect()
}

/// Parts by island, each in order, islands by their first part. Wires that links carry to neighbours bind nothing.
pub fn islands(chip: &Chip, tiling: &Tiling, circuit: &Circuit) -> Vec<Vec<PartId>> {
    let binds = |net: &Net| !chip.links.iter().any(|link| link.carries == net.domain);
    joined(circuit, binds, &shared(tiling, circuit))
}

/// Parts that work as a whole: what analog wires join, over links, too.
pub fn wholes(circuit: &Circuit) -> Vec<Vec<PartId>> {
    joined(circuit, |_| true, &[])
}

/// Parts that work as a whole and would have to wait for what they give: it comes back to them as bits, from what takes it as bits.
pub fn circle(network: &Network, circuit: &Circuit) -> Option<Vec<PartId>> {
    let wholes = wholes(circuit);
    let mut of_part = vec![0; circuit.parts.len()];
    for (index, whole) in wholes.iter().enumerate() {
        whole.iter().for_each(|part| of_part[part.0] = index);
    }
    // Populations give what they held at the end of the tick before.
    let waits = |part: PartId| !is_population(network, circuit.parts[part.0].node);
    let mut waiting = Vec::new();
    for net in circuit.nets.iter().filter(|net| net.domain == Domain::Bits) {
        let End::Part(from) = net.from else { continue };
        let ends = net.to.iter().filter_map(|end| if let End::Part(to) = end { Some(of_part[to.0]) } else { None });
        for to in ends.filter(|&to| waits(from) && to != of_part[from.0]) {
            waiting.push((of_part[from.0] as u32, to as u32));
        }
    }
    let waiting = DiGraph::<(), ()>::from_edges(waiting);
    let circles = tarjan_scc(&waiting).into_iter().filter(|circle| circle.len() > 1);
    circles.flatten().max_by_key(|whole| wholes[whole.index()].len()).map(|whole| wholes[whole.index()].clone())
}

/// Parts that are one array, read forward and read backward.
fn shared(tiling: &Tiling, circuit: &Circuit) -> Vec<(usize, usize)> {
    let arrays = circuit.parts.iter().enumerate();
    let block =
        |(id, part): (usize, &Part)| if let Role::Array { block, .. } = part.role { Some((block, id)) } else { None };
    let of_block: BTreeMap<usize, usize> = arrays.filter_map(block).collect();
    let turned =
        of_block.iter().filter_map(|(&block, &id)| Some((*of_block.get(&tiling.blocks[block].backward?)?, id)));
    turned.collect()
}

fn joined(circuit: &Circuit, binds: impl Fn(&Net) -> bool, same: &[(usize, usize)]) -> Vec<Vec<PartId>> {
    let mut parent: Vec<usize> = (0..circuit.parts.len()).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    let mut pairs = same.to_vec();
    for net in circuit.nets.iter().filter(|net| net.is_analog() && binds(net)) {
        let End::Part(from) = net.from else { continue };
        pairs.extend(net.to.iter().filter_map(|end| if let End::Part(to) = end { Some((from.0, to.0)) } else { None }));
    }
    for (from, to) in pairs {
        let (a, b) = (root(&mut parent, from), root(&mut parent, to));
        parent[a.max(b)] = a.min(b);
    }
    let mut islands: BTreeMap<usize, Vec<PartId>> = BTreeMap::new();
    for part in 0..circuit.parts.len() {
        islands.entry(root(&mut parent, part)).or_default().push(PartId(part));
    }
    islands.into_values().collect()
}

/// What each of so many islands needs of its core; `of_part` is the island of each part.
pub fn needs(
    given: Given,
    tiling: &Tiling,
    circuit: &Circuit,
    of_part: &[usize],
    islands: usize,
    resources: &[Resource],
) -> Vec<Vec<(usize, f64)>> {
    let mut needs: Vec<BTreeMap<usize, f64>> = vec![BTreeMap::new(); islands];
    let mut add = |island: usize, resource: Resource, amount: f64| {
        if let Some(at) = resources.iter().position(|known| *known == resource) {
            *needs[island].entry(at).or_insert(0.0) += amount;
        }
    };
    let digital = |unit: usize| {
        let kind = &given.chip.unit_kinds[unit];
        kind.from == Domain::Bits && kind.to == Domain::Bits
    };
    for (part, &island) in circuit.parts.iter().zip(of_part) {
        match part.role {
            Role::Array { block, .. } => {
                let Block { tile_kind, backward, .. } = tiling.blocks[block];
                if backward.is_none() {
                    add(island, Resource::Tiles(tile_kind), 1.0);
                    add(island, Resource::Neurons, given.chip.tile_kinds[tile_kind].neurons as f64);
                }
            }
            Role::Line { unit, .. } | Role::Unit { unit } if !digital(unit) => {
                add(island, Resource::Unit(unit), part.len() as f64);
            }
            Role::Line { unit, .. } | Role::Unit { unit } | Role::Adder { unit, .. } => {
                add(island, Resource::Logic(unit), 1.0);
            }
            Role::Neurons => {
                add(island, Resource::Neurons, part.places() as f64);
                add(island, Resource::Synapses, synapses_each(given.network, part.node) * part.len() as f64);
            }
            Role::Devices => {
                if let Operator::Population { dynamics, .. } = &given.network.graph[part.node].operator {
                    add(island, Resource::Cells(dynamics.name.clone()), part.len() as f64);
                }
            }
            Role::Coder => {}
        }
    }
    for net in &circuit.nets {
        let mut reached: Vec<usize> = (net.to.iter())
            .filter_map(|end| if let End::Part(part) = end { Some(of_part[part.0]) } else { None })
            .collect();
        reached.sort_unstable();
        reached.dedup();
        let from = if let End::Part(part) = net.from { Some(of_part[part.0]) } else { None };
        for island in reached {
            match net.domain {
                // The words of one presentation wait until they are used.
                Domain::Bits => add(island, Resource::Buffer, net.waiting_bits()),
                Domain::Spikes => {}
                Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Light => {
                    // Else it comes over a link.
                    if from == Some(island) {
                        add(island, Resource::Line(net.domain), 1.0);
                    }
                }
            }
        }
    }
    needs.into_iter().map(|needs| needs.into_iter().filter(|(_, amount)| *amount > 0.0).collect()).collect()
}
