//! What a run leaves for another program: states that move, and weights that rules change.

use nmc_program::{ArrayId, Lazy, Left, Owner};

use super::algebra::linear;
use super::polynomial::Polynomial;
use super::synapses::Role;
use super::{Lowering, connection::Lowered};
use crate::forms::equations::Symbol;
use crate::forms::network::{Connection, PopulationKind};

impl Lowering<'_> {
    /// Of experiments with rules alone: nothing else learns while time goes on.
    pub fn left(&mut self) {
        let connections = &self.network.connections;
        if self.program.dt == 0.0 || !connections.iter().any(|connection| connection.plastic) {
            return;
        }
        let moves = |array: ArrayId| self.program.arrays[array.index()].per_lane;
        let mut all = Vec::new();
        let kinds = [PopulationKind::Neuron, PopulationKind::Device];
        for population in self.populations.values().filter(|population| kinds.contains(&population.kind)) {
            for (state, &array) in
                population.dynamics.states.iter().zip(&population.states).filter(|(_, array)| moves(**array))
            {
                let name = format!("{}.{}", population.name, state.name);
                all.push(Left { name, array, of: Owner::Elements, factors: None, lazy: None });
            }
        }
        // Cells keep what they hold.
        let of = connections.iter().zip(&self.connections);
        for (connection, lowered) in of.filter(|(connection, _)| connection.plastic && connection.cells.is_none()) {
            let weights = lowered.weights.filter(|_| lowered.weights_move);
            let name = format!("{}.w", connection.called);
            let of = Owner::Synapses(lowered.id);
            all.extend(weights.map(|array| Left { name, array, of, factors: None, lazy: None }));
            let kept = lowered.states.iter().enumerate().filter_map(|(state, array)| Some((state, (*array)?)));
            all.extend(
                kept.filter(|(_, array)| moves(*array))
                    .map(|(state, array)| of_synapse(connection, lowered, state, array)),
            );
        }
        self.program.left = all;
    }
}

fn of_synapse(connection: &Connection, lowered: &Lowered, state: usize, array: ArrayId) -> Left {
    let declared = &lowered.dynamics.states[state];
    let lazy = || {
        let (rate, drive) = linear(declared.derivative.as_ref()?, Symbol::State(state))?;
        let (rate, drive) = (Polynomial::of(&rate).constant()?, Polynomial::of(&drive).constant()?);
        Some(Lazy { last: lowered.last?, rate, drive })
    };
    Left {
        name: format!("{}.{}", connection.called, declared.name),
        array,
        of: match lowered.roles[state] {
            Role::Source { .. } => Owner::Sources(lowered.id),
            Role::Target { .. } => Owner::Targets(lowered.id),
            Role::Summed | Role::Synapse | Role::Stepped => Owner::Synapses(lowered.id),
        },
        factors: lowered.decays[state].map(|(factors, _)| factors),
        lazy: if lowered.roles[state] == Role::Synapse { lazy() } else { None },
    }
}
