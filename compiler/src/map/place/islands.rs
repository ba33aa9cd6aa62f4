//! Islands: parts that analog wires bind to one core; what they need of it, and what it has.

use crate::forms::chip::{Chip, CoreKind, Domain};
use crate::forms::circuit::{Circuit, End, PartId, Role};
use crate::forms::mapped::Given;
use crate::forms::network::{Network, Operator};
use crate::forms::tiling::Tiling;
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
pub fn room(chip: &Chip, core: &CoreKind, resources: &[Resource]) -> Vec<f64> {
    let count = |list: &[(usize, usize)], kind: usize| -> f64 {
        list.iter().filter(|(of, _)| *of == kind).map(|(_, count)| *count as f64).sum()
    };
    let _ = chip;
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
pub fn islands(chip: &Chip, circuit: &Circuit) -> Vec<Vec<PartId>> {
    let mut parent: Vec<usize> = (0..circuit.parts.len()).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    for net in circuit.nets.iter().filter(|net| net.is_analog()) {
        if chip.links.iter().any(|link| link.carries == net.domain) {
            continue;
        }
        let End::Part(from) = net.from else { continue };
        for to in &net.to {
            let End::Part(to) = to else { continue };
            let (a, b) = (root(&mut parent, from.0), root(&mut parent, to.0));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut islands: std::collections::BTreeMap<usize, Vec<PartId>> = std::collections::BTreeMap::new();
    for part in 0..circuit.parts.len() {
        islands.entry(root(&mut parent, part)).or_default().push(PartId(part));
    }
    islands.into_values().collect()
}

/// What an island needs of its core.
pub fn needs(
    given: Given,
    tiling: &Tiling,
    circuit: &Circuit,
    island: &[PartId],
    resources: &[Resource],
) -> Vec<(usize, f64)> {
    let mut needs = vec![0.0; resources.len()];
    let at = |resource: &Resource| resources.iter().position(|known| known == resource);
    let mut add = |resource: Resource, amount: f64| {
        if let Some(at) = at(&resource) {
            needs[at] += amount;
        }
    };
    for id in island {
        let part = &circuit.parts[id.0];
        let digital = |unit: usize| {
            let kind = &given.chip.unit_kinds[unit];
            kind.from == Domain::Bits && kind.to == Domain::Bits
        };
        match part.role {
            Role::Array { block, .. } => add(Resource::Tiles(tiling.blocks[block].tile_kind), 1.0),
            Role::Line { unit, .. } | Role::Unit { unit } if !digital(unit) => {
                add(Resource::Unit(unit), part.len() as f64);
            }
            Role::Line { unit, .. } | Role::Unit { unit } | Role::Adder { unit, .. } => add(Resource::Logic(unit), 1.0),
            Role::Neurons => {
                add(Resource::Neurons, part.len() as f64);
                add(Resource::Synapses, synapses_each(given.network, part.node) * part.len() as f64);
            }
            Role::Devices => {
                if let Operator::Population { dynamics, .. } = &given.network.graph[part.node].operator {
                    add(Resource::Cells(dynamics.name.clone()), part.len() as f64);
                }
            }
            Role::Coder => {}
        }
    }
    let inside = |end: &End| matches!(end, End::Part(part) if island.contains(part));
    for net in &circuit.nets {
        if !net.to.iter().any(inside) {
            continue;
        }
        match net.domain {
            // The words of one presentation wait until they are used.
            Domain::Bits => add(Resource::Buffer, net.values as f64 * net.bits),
            Domain::Spikes => {}
            domain if inside(&net.from) => add(Resource::Line(domain), 1.0),
            _over_a_link => {}
        }
    }
    needs.into_iter().enumerate().filter(|(_, amount)| *amount > 0.0).collect()
}
