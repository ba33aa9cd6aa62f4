//! Events of a net: bits over the mesh and through the host's port, into and out of buffers; spikes; analog values over links.

use std::collections::BTreeSet;

use nmc_program::ComponentKind;

use super::{Event, Often};
use crate::forms::chip::{Chip, Domain};
use crate::forms::circuit::{Circuit, End, Net};
use crate::forms::mapped::Given;
use crate::forms::network::NodeId;

/// Share of a population's neurons that the timetable makes room for in a tick: nobody knows before a run.
pub const SPIKE_SHARE: f64 = 0.02;

/// The core of an end; the host's is that of its port.
pub fn core_of(cores: &[usize], end: End) -> usize {
    match end {
        End::Host => 0,
        End::Part(part) => cores[part.0],
    }
}

/// Links between neighbouring cores that a net's values pass: along x, then along y, each once.
pub fn links(chip: &Chip, cores: &[usize], net: &Net) -> BTreeSet<(usize, usize)> {
    let from = core_of(cores, net.from);
    net.to.iter().flat_map(|&to| route(chip, from, core_of(cores, to))).collect()
}

/// Links that a net's values pass between routers: cores that share one are not apart.
fn hops(chip: &Chip, links: &BTreeSet<(usize, usize)>) -> f64 {
    let (width, side) = (chip.grid.0.max(1), chip.mesh.side.max(1));
    let router = |core: usize| (core % width / side, core / width / side);
    links.iter().filter(|(from, to)| router(*from) != router(*to)).count() as f64
}

/// The links from one core to another.
pub fn route(chip: &Chip, from: usize, to: usize) -> Vec<(usize, usize)> {
    let width = chip.grid.0.max(1);
    let (mut at, mut links) = (from, Vec::new());
    while at != to {
        let next = match (at % width).cmp(&(to % width)) {
            std::cmp::Ordering::Less => at + 1,
            std::cmp::Ordering::Greater => at - 1,
            std::cmp::Ordering::Equal if at < to => at + width,
            std::cmp::Ordering::Equal => at - width,
        };
        links.push((at, next));
        at = next;
    }
    links
}

/// Hops between the cores of two ends.
pub fn apart(chip: &Chip, cores: &[usize], a: End, b: End) -> usize {
    let (a, b, width) = (core_of(cores, a), core_of(cores, b), chip.grid.0.max(1));
    (a % width).abs_diff(b % width) + (a / width).abs_diff(b / width)
}

/// Whether a net passes the host's port.
fn by_host(net: &Net) -> bool {
    net.from == End::Host || net.to.contains(&End::Host)
}

/// Joules a sample of what passes the host's port.
fn by_port(chip: &Chip, net: &Net) -> f64 {
    if by_host(net) { weight(chip, net) * chip.host.energy_per_bit } else { 0.0 }
}

/// Bits that are written and read in buffers for a net, in every core it reaches.
pub fn buffered(net: &Net) -> f64 {
    if net.domain == Domain::Bits { (1.0 + net.reads) * net.bits_per_sample() } else { 0.0 }
}

/// Bits a sample that a net counts as on every link it passes; a value on an analog link as the bits that take as much energy.
pub fn weight(chip: &Chip, net: &Net) -> f64 {
    let values = net.values as f64 * net.firings;
    match net.domain {
        Domain::Bits => net.bits_per_sample(),
        Domain::Spikes => net.bits_per_sample() * SPIKE_SHARE,
        Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Light => {
            let link = chip.links.iter().find(|link| link.carries == net.domain);
            let energy = link.map_or(0.0, |link| link.energy);
            let bits = energy / chip.mesh.energy_per_bit;
            values * if bits.is_finite() { bits } else { 1.0 }
        }
    }
}

/// Joules a sample of a net wherever its ends lie: the host's port, and a buffer at least.
pub fn least_joules(chip: &Chip, net: &Net) -> f64 {
    let buffers = chip.core_kinds.iter().map(|core| core.buffer_energy).fold(f64::INFINITY, f64::min);
    let inside = net.to.iter().any(|end| *end != End::Host) && buffers.is_finite();
    by_port(chip, net) + if inside { buffered(net) * buffers } else { 0.0 }
}

/// Joules a sample of a net where its ends lie; so many spikes are expected as there is room for.
pub fn joules(chip: &Chip, cores: &[usize], net: &Net) -> f64 {
    let reached: BTreeSet<usize> = reached(cores, net);
    let buffers: f64 = reached.iter().map(|&core| chip.core_kinds[chip.cores[core]].buffer_energy).sum();
    let links = links(chip, cores, net);
    let moved = match net.domain {
        Domain::Bits | Domain::Spikes => weight(chip, net) * chip.mesh.energy_per_bit * hops(chip, &links),
        Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Light => {
            let link = chip.links.iter().find(|link| link.carries == net.domain);
            net.values as f64 * net.firings * link.map_or(0.0, |link| link.energy) * links.len() as f64
        }
    };
    by_port(chip, net) + buffered(net) * buffers + moved
}

/// Cores that a net ends in.
fn reached(cores: &[usize], net: &Net) -> BTreeSet<usize> {
    net.to.iter().filter(|end| **end != End::Host).map(|&end| core_of(cores, end)).collect()
}

/// Events of one net.
pub fn events(given: Given, circuit: &Circuit, cores: &[usize], net: &Net) -> Vec<Event> {
    let Given { network, chip, .. } = given;
    let name = |node: NodeId| network.graph[node].name.as_str();
    let ends: BTreeSet<&str> = (net.to.iter())
        .map(|end| match end {
            End::Host => "host",
            End::Part(part) => name(circuit.parts[part.0].node),
        })
        .collect();
    let ends: Vec<&str> = ends.into_iter().collect();
    let title = format!("{} -> {}", name(net.source), ends.join(", "));
    let mut events = Vec::new();
    let mut add = |kind: ComponentKind, name: String, core: Option<usize>, often: Often, energy: f64| {
        events.push(Event { kind, name, core, often, energy });
    };
    let links = links(chip, cores, net);
    let (passed, crossed) = (hops(chip, &links), links.len() as f64);
    match net.domain {
        Domain::Bits => {
            let bits = net.bits_per_sample();
            if by_host(net) {
                add(ComponentKind::Host, title.clone(), None, Often::new(bits, net.firings), chip.host.energy_per_bit);
            }
            if passed > 0.0 {
                add(
                    ComponentKind::Network,
                    title.clone(),
                    None,
                    Often::new(bits * passed, net.firings),
                    chip.mesh.energy_per_bit,
                );
            }
            for core in reached(cores, net) {
                let energy = chip.core_kinds[chip.cores[core]].buffer_energy;
                add(ComponentKind::Buffer, title.clone(), Some(core), Often::new(buffered(net), net.firings), energy);
            }
        }
        Domain::Spikes => {
            let share = net.values as f64 / network.graph[net.source].len().max(1) as f64;
            let joules = passed * net.bits * chip.mesh.energy_per_bit;
            if passed > 0.0 {
                add(ComponentKind::Network, format!("{title}: spikes"), None, Often::Spike(net.source, share), joules);
            }
            if by_host(net) {
                let joules = net.bits * chip.host.energy_per_bit;
                add(ComponentKind::Host, format!("{title}: spikes"), None, Often::Spike(net.source, share), joules);
            }
        }
        Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Light => {
            let link = chip.links.iter().find(|link| link.carries == net.domain);
            if let Some(link) = link.filter(|_| crossed > 0.0) {
                let count = net.values as f64 * net.firings * crossed;
                add(
                    ComponentKind::Network,
                    format!("{title}: link"),
                    None,
                    Often::new(count, net.firings),
                    link.energy,
                );
            }
        }
    }
    events
}
