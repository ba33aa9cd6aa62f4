//! The one table of costs: what a mapped network takes of energy, time and area, and why. The choice of conversions, placement,
//! timetable, report and run all read it; none counts anything by itself.

mod area;
mod net;
mod part;
pub mod time;

use nmc_program::ComponentKind;

use crate::forms::chip::{Chip, Converter, Domain, UnitKind};
use crate::forms::circuit::{Circuit, Part, Taken};
use crate::forms::costs::Table;
use crate::forms::mapped::Mapped;

pub use crate::forms::costs::{Event, Often};
pub use area::{of_chip, of_part, of_parts};
pub use net::{
    SPIKE_SHARE, apart, buffered, core_of, events as net_events, joules as net_joules,
    least_joules as least_net_joules, links, route, weight,
};
pub use part::{
    amperes, compartments, events as part_events, of as events_of, pulses, reads as part_reads, states_each,
};

/// Joules, seconds and square metres.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Price {
    pub energy: f64,
    pub time: f64,
    pub area: f64,
}

impl Price {
    pub fn add(&mut self, other: Price) {
        self.energy += other.energy;
        self.time += other.time;
        self.area += other.area;
    }
}

/// The table of a mapped experiment.
pub fn table(mapped: &Mapped) -> Table {
    let (chip, given) = (&mapped.chip, mapped.given(&[]));
    if chip.ideal {
        return Table::default();
    }
    let mut table = Table::default();
    let cores = &mapped.placement.cores;
    for (part, &core) in mapped.circuit.parts.iter().zip(cores) {
        let mut events = part::events(given, &mapped.tiling, &mapped.decisions, part, Some(chip.cores[core]));
        events.iter_mut().for_each(|event| event.core = Some(core));
        table.events.extend(events);
    }
    for net in &mapped.circuit.nets {
        table.events.extend(net::events(given, &mapped.circuit, cores, net));
    }
    table.events.extend(part::synapses(given, &mapped.circuit, cores));
    table.events.retain(|event| event.energy > 0.0);
    table.area = area::of_chip(given, &mapped.tiling, &mapped.decisions, &mapped.circuit);
    table.area_used = area::of_parts(given, &mapped.tiling, &mapped.decisions, &mapped.circuit, cores);
    let widened = area::widened(given, &mapped.tiling, &mapped.decisions, &mapped.circuit);
    let more: f64 = widened.iter().map(|(id, number)| chip.converters[*id].static_power * number).sum();
    table.static_power = static_power(chip, &mapped.circuit) + more;
    table
}

/// Conversions a sample of a part: the converter, how many, in how many turns; those of ideal ones are no conversions.
pub fn conversions(part: &Part, array: &[(usize, f64)]) -> Vec<(usize, f64, f64)> {
    let mut all: Vec<_> = array.iter().map(|&(converter, count)| (converter, count, part.firings)).collect();
    for Taken { values, firings, chain, .. } in &part.takes {
        all.extend(chain.iter().map(|&converter| (converter, *values as f64 * firings, *firings)));
    }
    all.extend(part.gives.iter().map(|&converter| (converter, part.len() as f64 * part.firings, part.firings)));
    all
}

pub use part::array_conversions;

/// Watts of everything that burns all the time: the chip, its cores, routers and port, and every converter and unit it has.
pub fn static_power(chip: &Chip, circuit: &Circuit) -> f64 {
    let mut watts = chip.static_power + chip.host.power;
    for &core in &chip.cores {
        let core = &chip.core_kinds[core];
        watts += core.static_power + chip.mesh.router_power;
        watts += core.units.iter().map(|&(unit, count)| chip.unit_kinds[unit].static_power * count as f64).sum::<f64>();
        for &(tile, count) in &core.tiles {
            let tile = &chip.tile_kinds[tile];
            let (built, count) = (area::built_in(chip, tile, None), count / tile.layers.max(1));
            let each: f64 = built.iter().map(|&(id, number)| chip.converters[id].static_power * number).sum();
            watts += each * count as f64;
        }
    }
    let wires = circuit.parts.iter().flat_map(area::on_wires);
    watts + wires.map(|(converter, number)| chip.converters[converter].static_power * number).sum::<f64>()
}

/// Whether a converter counts as ADC, DAC or neither.
pub fn converter_kind(converter: &Converter) -> ComponentKind {
    match (converter.from, converter.to) {
        (Domain::Bits, _) => ComponentKind::Dac,
        (_, Domain::Bits) => ComponentKind::Adc,
        (_, _) => ComponentKind::Converter,
    }
}

pub fn unit_kind(unit: &UnitKind) -> ComponentKind {
    if unit.from == Domain::Bits && unit.to == Domain::Bits { ComponentKind::Digital } else { ComponentKind::Unit }
}

/// `sar(6)`
pub fn title(converter: &Converter) -> String {
    match converter.bits {
        Some(bits) => format!("{}({bits})", converter.name),
        None => converter.name.clone(),
    }
}
