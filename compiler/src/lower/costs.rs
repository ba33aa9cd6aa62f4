//! Costs: which events of a run take how much energy, as the chip's description says. The ideal chip costs nothing.

use std::collections::BTreeSet;

use nmc_program::{ComponentKind, ConnectionId, Cost, Count, MatrixId, Op};

use super::Lowering;
use crate::forms::chip::{Converter, Domain};
use crate::forms::converted::Implementation;
use crate::forms::network::{NodeId, Operator};
use crate::place::distance;

impl Lowering<'_> {
    pub fn count_costs(&mut self) {
        let scheduled = self.scheduled;
        self.program.costs.latency_s = scheduled.latency;
        self.program.costs.initiation_interval_s = scheduled.initiation_interval;
        if self.chip.ideal {
            return;
        }
        self.program.costs.static_power_w = self.chip.static_power * self.chip.cores.len() as f64;
        self.arrays_cost();
        self.converters_cost();
        self.units_cost();
        self.merges_cost();
        self.neurons_cost();
        self.transfers_cost();
        self.spike_hops_cost();
        self.host_cost();
    }

    fn cost(&mut self, kind: ComponentKind, name: impl Into<String>, count: Count, energy_j: f64) {
        self.program.costs.costs.push(Cost { kind, name: name.into(), count, energy_j });
    }

    /// Reads and programming of cells.
    fn arrays_cost(&mut self) {
        let blocks = self.scheduled.placed.converted.tiled.blocks.clone();
        for index in 0..self.program.matrices.len() {
            let matrix = &self.program.matrices[index];
            let name = matrix.name.clone();
            if matrix.cells.is_some() {
                self.cost(ComponentKind::Cells, name, Count::ReadEnergy(MatrixId(index as u32)), 1.0);
            }
        }
        for block in blocks {
            let Some(kind) = self.chip.tile_kinds.get(block.tile_kind) else { continue };
            let Some(device) = self.chip.devices.get(kind.device) else { continue };
            let cells =
                (block.inputs.1 - block.inputs.0) * (block.outputs.1 - block.outputs.0) * block.columns_per_output;
            let pulses = cells as f64 * device.program_pulses;
            let energy = device.pulse_energy;
            let name = format!("{}: programming", self.name(block.layer));
            self.cost(ComponentKind::Programming, name, Count::Once(pulses), energy);
        }
    }

    fn converters_cost(&mut self) {
        let (scheduled, chip) = (self.scheduled, self.chip);
        for wire in &scheduled.placed.converted.wires {
            for (&id, &count) in wire.converters.iter().zip(&wire.counts) {
                let Some(converter) = chip.converters.get(id).filter(|one| !one.is_ideal()) else { continue };
                let name = format!("{}->{}: {}", self.name(wire.from), self.name(wire.to), title(converter));
                self.cost(kind(converter), name, Count::PerSample(count), converter.energy);
            }
        }
    }

    fn units_cost(&mut self) {
        let (scheduled, chip) = (self.scheduled, self.chip);
        for choice in &scheduled.placed.converted.choices {
            if let Implementation::Unit(unit) = choice.implementation
                && let (Some(unit), Some(node)) =
                    (chip.unit_kinds.get(unit), self.network.graph.node_weight(choice.node))
            {
                let kind = match (unit.from, unit.to) {
                    (Domain::Bits, Domain::Bits) => ComponentKind::Digital,
                    (_, _) => ComponentKind::Unit,
                };
                let (name, count) = (format!("{}: {}", node.name, unit.name), node.len() as f64);
                self.cost(kind, name, Count::PerSample(count), unit.energy);
            }
        }
    }

    /// Partial sums added by summing units.
    fn merges_cost(&mut self) {
        let (scheduled, chip) = (self.scheduled, self.chip);
        let converted = &scheduled.placed.converted;
        for (merge, unit) in converted.tiled.merges.iter().zip(&converted.merge_units) {
            let Some(unit) = unit.and_then(|unit| chip.unit_kinds.get(unit)) else { continue };
            let (name, outputs) =
                (format!("{}: {}", self.name(merge.layer), unit.name), merge.outputs.1 - merge.outputs.0);
            self.cost(ComponentKind::Unit, name, Count::PerSample(outputs as f64), unit.energy);
        }
    }

    /// Updates, spikes and synaptic events on spiking cores.
    fn neurons_cost(&mut self) {
        let (scheduled, chip) = (self.scheduled, self.chip);
        for place in &scheduled.placed.node_cores {
            let Some(group) = self.groups.get(&place.node).copied() else { continue };
            let Some(core) = chip.cores.get(place.core).and_then(|&kind| chip.core_kinds.get(kind)) else { continue };
            let Some(len) = self.populations.get(&place.node).map(|population| population.len) else { continue };
            let (name, elements) = (self.name(place.node), (place.elements.1 - place.elements.0) as f64);
            if core.neuron_energy > 0.0 {
                self.cost(
                    ComponentKind::Neuron,
                    format!("{name}: updates"),
                    Count::PerTick(elements),
                    core.neuron_energy,
                );
            }
            if core.spike_energy > 0.0 {
                let share = elements / len.max(1) as f64;
                self.cost(
                    ComponentKind::Neuron,
                    format!("{name}: spikes"),
                    Count::Spikes(group, share),
                    core.spike_energy,
                );
            }
        }
        for (index, connection) in self.network.connections.iter().enumerate() {
            let place = scheduled.placed.node_cores.iter().find(|place| place.node == connection.target);
            let core = place.and_then(|place| chip.cores.get(place.core)).and_then(|&kind| chip.core_kinds.get(kind));
            let Some((core, id)) = core.zip(self.connections.get(index).map(|lowered| lowered.id)) else { continue };
            if core.synapse_energy > 0.0 && self.delivered(id) {
                self.cost(
                    ComponentKind::Synapse,
                    connection.name.clone(),
                    Count::SynapticEvents(id),
                    core.synapse_energy,
                );
            }
        }
    }

    fn delivered(&self, id: ConnectionId) -> bool {
        self.tick.deliver.contains(&Op::Deliver { connection: id })
    }

    fn transfers_cost(&mut self) {
        let (scheduled, mesh) = (self.scheduled, &self.chip.mesh);
        for transfer in &scheduled.transfers {
            let hops = transfer.route.len().saturating_sub(1) as f64;
            let name = format!("{}->{}", self.name(transfer.from), self.name(transfer.to));
            self.cost(ComponentKind::Network, name, Count::PerSample(transfer.bits * hops), mesh.energy_per_bit);
        }
    }

    /// A spike goes as a flit to every other core that holds targets of its population, once however many connections lead there.
    fn spike_hops_cost(&mut self) {
        let (scheduled, chip) = (self.scheduled, self.chip);
        let places = &scheduled.placed.node_cores;
        for source in places {
            let Some(population) = self.populations.get(&source.node) else { continue };
            let Some(&group) = self.groups.get(&source.node) else { continue };
            let targets = |connection: &&crate::forms::network::Connection| connection.source == source.node;
            let targets: BTreeSet<NodeId> =
                self.network.connections.iter().filter(targets).map(|connection| connection.target).collect();
            let cores: BTreeSet<usize> =
                places.iter().filter(|place| targets.contains(&place.node)).map(|place| place.core).collect();
            let hops: f64 = cores.iter().map(|&core| distance(chip, source.core, core)).sum();
            if hops > 0.0 {
                let share = (source.elements.1 - source.elements.0) as f64 / population.len.max(1) as f64;
                let flit = chip.mesh.flit_bits * chip.mesh.energy_per_bit;
                let name = format!("{}: spikes to other cores", self.name(source.node));
                self.cost(ComponentKind::Network, name, Count::Spikes(group, share), hops * flit);
            }
        }
    }

    /// Inputs come from outside the chip, as bytes.
    fn host_cost(&mut self) {
        let (scheduled, chip) = (self.scheduled, self.chip);
        for wire in &scheduled.placed.converted.wires {
            let outside = |node: &crate::forms::network::Node| matches!(node.operator, Operator::Input);
            if self.network.graph.node_weight(wire.from).is_some_and(outside) {
                let (name, bits) = (format!("{} from the host", self.name(wire.from)), 8.0 * wire.count_per_sample);
                self.cost(ComponentKind::Host, name, Count::PerSample(bits), chip.mesh.host_energy_per_bit);
            }
        }
    }
}

/// `sar(6)`
fn title(converter: &Converter) -> String {
    match converter.bits {
        Some(bits) => format!("{}({bits})", converter.name),
        None => converter.name.clone(),
    }
}

fn kind(converter: &Converter) -> ComponentKind {
    match (converter.from, converter.to) {
        (Domain::Bits, _) => ComponentKind::Dac,
        (_, Domain::Bits) => ComponentKind::Adc,
        (_, _) => ComponentKind::Converter,
    }
}
