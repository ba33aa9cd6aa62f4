//! Costs: the table of events in the ids of the program.

use nmc_program::{Aggregate, ComponentKind, Cost, Count, Metric, MetricKind, Op};

use super::Lowering;
use crate::cost::{Event, Often};
use crate::forms::equations::Symbol;

impl Lowering<'_> {
    pub fn count_costs(&mut self) {
        let mapped = self.mapped;
        let costs = &mut self.program.costs;
        costs.latency_s = mapped.timetable.latency;
        costs.initiation_interval_s = mapped.timetable.interval;
        costs.tick_s = mapped.timetable.tick.unwrap_or(self.program.dt);
        costs.static_power_w = mapped.costs.static_power;
        for event in &mapped.costs.events {
            for count in self.counts(event) {
                let cost = Cost { kind: event.kind, name: event.name.clone(), count, energy_j: event.energy };
                self.program.costs.costs.push(cost);
            }
        }
    }

    /// Pulses on cells that hold weights of synapses.
    pub fn count_pulses(&mut self) {
        let mut notes = Vec::new();
        for (connection, lowered) in self.network.connections.iter().zip(&self.connections) {
            let Some(cells) = &connection.cells else { continue };
            let array = |state: usize| lowered.states.get(state).copied().flatten();
            if let (Some(array), Some(last)) = (array(cells.pulses), self.program.phases.last_mut()) {
                let steps = vec![MetricKind::Final { array, aggregate: Aggregate::Sum }];
                last.metrics.push(Metric { name: format!("pulses.{}", connection.called), skip: 0, steps });
            }
            let Some((state, energy_j)) = cells.energy else {
                let note = "energy of pulses on its cells is not counted: neither `pulse_energy` nor `pulse_voltage` and `pulse_time` are said";
                notes.push(format!("{}: {note}", connection.name));
                continue;
            };
            let Some(array) = array(state) else { continue };
            let (kind, count) = (ComponentKind::Programming, Count::Sum(array));
            self.program.costs.costs.push(Cost { kind, name: connection.name.clone(), count, energy_j });
        }
        notes.into_iter().for_each(|note| self.note(note));
        let aged = self.network.connections.iter().filter(|of| of.cells.as_ref().is_some_and(|cells| cells.ages));
        let aged: Vec<String> = aged.map(|connection| connection.name.clone()).collect();
        for name in aged {
            self.left_out(format!("{name}: drift and read noise of the cells that hold its weights"));
        }
    }

    /// What the run counts for an event.
    fn counts(&self, event: &Event) -> Vec<Count> {
        match event.often {
            Often::Sample(count) => vec![Count::PerSample(count)],
            Often::Tick(count) => vec![Count::PerTick(count)],
            Often::Once(count) => vec![Count::Once(count)],
            Often::Spike(node, count) => {
                self.groups.get(&node).map(|group| Count::Spikes(*group, count)).into_iter().collect()
            }
            Often::Synapse(index, count) => {
                let id = self.connections.get(index).map(|lowered| lowered.id);
                let delivered = id.filter(|id| self.tick.deliver.contains(&Op::Deliver { connection: *id }));
                delivered.map(|id| Count::SynapticEvents(id, count)).into_iter().collect()
            }
            Often::Update(index) => {
                let of = |id| {
                    let on_pre = &self.network.connections[index].dynamics.on_pre;
                    let by_pre = on_pre.iter().any(|change| change.target == Symbol::Weight);
                    let by_pre = by_pre.then_some(Count::SynapticEvents(id, 1.0));
                    by_pre.into_iter().chain([Count::Updates(id)])
                };
                self.connections.get(index).into_iter().flat_map(|lowered| of(lowered.id)).collect()
            }
            Often::Write { block, bias } => {
                let matrices = self.reads.get(&(block, bias)).into_iter().flatten();
                matrices.map(|matrix| Count::Written(*matrix)).collect()
            }
            Often::Written { block, bias } => {
                let matrices = self.reads.get(&(block, bias)).into_iter().flatten();
                matrices.map(|matrix| Count::WriteEnergy(*matrix)).collect()
            }
            Often::Read { block, bias } => {
                let matrices = self.reads.get(&(block, bias)).into_iter().flatten();
                matrices.map(|matrix| Count::ReadEnergy(*matrix)).collect()
            }
        }
    }
}
