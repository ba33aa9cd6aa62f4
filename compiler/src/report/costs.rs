//! Energy, area and power by kind of component, estimated from the mapping.

use std::collections::BTreeMap;

use nmc_program::ComponentKind;

use crate::forms::chip::{Converter, Domain, Drive, Sense};
use crate::forms::converted::Implementation;
use crate::forms::network::Operator;
use crate::forms::scheduled::Scheduled;
use crate::graph::ticks;

type ByKind = BTreeMap<ComponentKind, f64>;

/// Joules a sample, square metres of the whole chip, watts at full rate.
pub fn estimate(scheduled: &Scheduled) -> (ByKind, ByKind, ByKind) {
    let chip = &scheduled.placed.converted.tiled.chip;
    if chip.ideal {
        return (ByKind::new(), ByKind::new(), ByKind::new());
    }
    let mut energy = energy(scheduled);
    let (interval, leakage) = (scheduled.initiation_interval, chip.static_power * chip.cores.len() as f64);
    let mut power: ByKind =
        energy.iter().filter(|_| interval > 0.0).map(|(kind, joules)| (*kind, joules / interval)).collect();
    if leakage > 0.0 {
        power.insert(ComponentKind::Static, leakage);
        energy.insert(ComponentKind::Static, leakage * interval);
    }
    (energy, area(scheduled), power)
}

/// Whether a converter counts as ADC, DAC or neither.
fn kind(converter: &Converter) -> ComponentKind {
    match (converter.from, converter.to) {
        (Domain::Bits, _) => ComponentKind::Dac,
        (_, Domain::Bits) => ComponentKind::Adc,
        (_, _) => ComponentKind::Converter,
    }
}

fn unit_kind(from: Domain, to: Domain) -> ComponentKind {
    if from == Domain::Bits && to == Domain::Bits { ComponentKind::Digital } else { ComponentKind::Unit }
}

fn energy(scheduled: &Scheduled) -> ByKind {
    let converted = &scheduled.placed.converted;
    let (tiled, chip) = (&converted.tiled, &converted.tiled.chip);
    let (graph, mut sums) = (&tiled.network.graph, ByKind::new());
    let mut add = |kind, joules: f64| *sums.entry(kind).or_insert(0.0) += joules;
    for wire in &converted.wires {
        for (&id, count) in wire.converters.iter().zip(&wire.counts) {
            add(kind(&chip.converters[id]), chip.converters[id].energy * count);
        }
        let bits = if matches!(graph[wire.from].operator, Operator::Input) { wire.count_per_sample * 8.0 } else { 0.0 };
        add(ComponentKind::Host, bits * chip.mesh.host_energy_per_bit);
    }
    for choice in &converted.choices {
        if let Implementation::Unit(unit) = choice.implementation {
            let unit = &chip.unit_kinds[unit];
            let count = graph[choice.node].len() as f64 * tiled.firings[choice.node.index()];
            add(unit_kind(unit.from, unit.to), unit.energy * count);
        }
    }
    for (merge, unit) in tiled.merges.iter().zip(&converted.merge_units) {
        let outputs = (merge.outputs.1 - merge.outputs.0) as f64 * tiled.firings[merge.layer.index()];
        match unit {
            Some(unit) => add(ComponentKind::Unit, chip.unit_kinds[*unit].energy * outputs),
            None => {
                let adder = crate::convert::digital_adder(tiled).map_or(0.0, |unit| chip.unit_kinds[unit].energy);
                add(ComponentKind::Digital, adder * outputs * (merge.blocks.len() - 1) as f64);
            }
        }
    }
    for block in &tiled.blocks {
        // Half the full input on average, cells at a quarter of their range.
        let tile = &chip.tile_kinds[block.tile_kind];
        let device = &chip.devices[tile.device];
        let cells = (block.inputs.1 - block.inputs.0) * (block.outputs.1 - block.outputs.0) * block.columns_per_output;
        let conductance = device.g_min + 0.25 * (device.g_max - device.g_min);
        let read = cells as f64 * conductance * (0.5 * tile.read_voltage).powi(2) * tile.read_time;
        add(ComponentKind::Cells, read * tiled.firings[block.layer.index()]);
    }
    for place in &scheduled.placed.node_cores {
        let core = &chip.core_kinds[chip.cores[place.core]];
        if matches!(graph[place.node].operator, Operator::Population { .. }) && core.neurons.is_some() {
            let updates = (place.elements.1 - place.elements.0) as f64 * ticks(&tiled.plan);
            add(ComponentKind::Neuron, core.neuron_energy * updates);
        }
    }
    for transfer in &scheduled.transfers {
        let hops = (transfer.route.len() - 1) as f64;
        add(ComponentKind::Network, transfer.bits * hops * chip.mesh.energy_per_bit);
    }
    sums.retain(|_, joules| *joules > 0.0);
    sums
}

/// Of the whole chip, used or not. Tiles carry the converters of their first drive and sense that have some.
fn area(scheduled: &Scheduled) -> ByKind {
    let chip = &scheduled.placed.converted.tiled.chip;
    let mut sums = ByKind::new();
    let mut add = |kind, m2: f64| *sums.entry(kind).or_insert(0.0) += m2;
    for &core in &chip.cores {
        let core = &chip.core_kinds[core];
        for &(tile, count) in &core.tiles {
            let (tile, count) = (&chip.tile_kinds[tile], count as f64);
            let cells = chip.devices[tile.device].area * (tile.rows * tile.cols) as f64;
            add(ComponentKind::Cells, count * cells.min(tile.area.max(cells)));
            add(ComponentKind::Buffer, count * (tile.area - cells).max(0.0));
            let drive = tile.inputs.iter().find_map(|drive| match drive {
                Drive::Converter(converter) => Some(&chip.converters[*converter]),
                Drive::Direct(_) => None,
            });
            if let Some(drive) = drive {
                add(kind(drive), count * drive.area * tile.rows as f64);
            }
            let sense = tile.senses.iter().find_map(|sense| match sense {
                Sense::Converter { converter, sharing } => Some((&chip.converters[*converter], (*sharing).max(1))),
                Sense::Analog(_) => None,
            });
            if let Some((converter, sharing)) = sense {
                add(kind(converter), count * converter.area * tile.cols.div_ceil(sharing) as f64);
            }
        }
        for &(unit, count) in &core.units {
            let unit = &chip.unit_kinds[unit];
            add(unit_kind(unit.from, unit.to), unit.area * count as f64);
        }
        add(ComponentKind::Digital, core.area);
        add(ComponentKind::Network, chip.mesh.router_area);
    }
    sums.retain(|_, m2| *m2 > 0.0);
    sums
}
