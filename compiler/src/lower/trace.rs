//! Traces: states of one side of a connection, decayed with every tick and changed by that side's spikes.

use nmc_program::{Access, Amount, ArrayId, Connection, ConnectionId, Delay, Effect, Op, Pattern, Value};

use super::Lowering;
use super::algebra;
use super::connection::{Lowered, role_of};
use super::event::{Side, kept_trace};
use super::integrate::System;
use super::kernel::Builder;
use super::step::{End, Start, each};
use super::synapses::{Role, added};
use crate::forms::equations::{Change, Expr, Symbol};
use crate::forms::network;

/// Traces that decay by themselves are carried over when they have decayed by e to this power.
const MOST_DECAY: f64 = 20.0;

impl Lowering<'_> {
    /// `on post`: traces of the target before or after the synapses of those that spiked.
    pub fn posts(&mut self, lowered: &mut Lowered, connection: &network::Connection, on_post: &[Change]) {
        let Some(&group) = self.groups.get(&connection.target) else { return };
        let mut ops = Vec::new();
        for late in [false, true] {
            let role = Role::Target { late };
            let changes: Vec<Change> = lowered
                .dynamics
                .on_post
                .iter()
                .filter(|change| role_of(lowered, change) == Some(role))
                .cloned()
                .collect();
            if !changes.is_empty() {
                let kernel = self.event(lowered, connection, &changes, "post trace", Side::Neuron);
                ops.push(Op::OnSpikes { kernel, group });
            }
            if !late && !on_post.is_empty() {
                ops.extend(self.on_posts(lowered, connection, on_post, group));
            }
        }
        self.tick.on_post.extend(ops);
    }

    /// Traces decay with every tick, before events.
    pub fn decay_traces(&mut self, lowered: &Lowered, connection: &network::Connection) {
        for (node, source) in [(connection.source, true), (connection.target, false)] {
            let on_side = |state: usize| match lowered.roles[state] {
                Role::Source { .. } => source,
                Role::Target { .. } => !source,
                Role::Summed | Role::Synapse | Role::Stepped => false,
            };
            for (state, array) in lowered.states.iter().enumerate().filter(|(state, _)| on_side(*state)) {
                if let (&Some(array), Some((factors, rate))) = (array, lowered.decays[state]) {
                    let period = (MOST_DECAY / rate) as u32;
                    self.tick.update.push(Op::Decay { array, factors, rate, period });
                }
            }
            let stepped = |state: usize| on_side(state) && lowered.decays[state].is_none();
            let derivatives: Vec<Option<Expr>> = lowered
                .dynamics
                .states
                .iter()
                .enumerate()
                .map(|(state, declared)| declared.derivative.clone().filter(|_| stepped(state)))
                .collect();
            let Some(len) = self.populations.get(&node).map(|population| population.len) else { continue };
            let parts =
                System::parts(&derivatives, &[], &lowered.dynamics).into_iter().filter(|system| !system.is_still());
            let parts: Vec<_> = parts.filter_map(|system| Some((system.clone(), system.scheme().ok()?))).collect();
            if parts.is_empty() {
                continue;
            }
            let (mut b, dt) = (Builder::default(), self.program.dt);
            let own = Access::Element { offset: 0 };
            let zero = b.number(0.0);
            let arrays: Vec<Option<ArrayId>> =
                (0..lowered.states.len()).map(|state| lowered.states[state].filter(|_| stepped(state))).collect();
            let old: Vec<Value> = arrays.iter().map(|array| array.map_or(zero, |array| b.load(array, own))).collect();
            let low: Vec<Option<ArrayId>> = arrays
                .iter()
                .enumerate()
                .map(|(state, array)| {
                    let (system, _) = parts.iter().find(|(system, _)| system.derivatives[state].is_some())?;
                    let whole = lowered.trace(state).is_some();
                    array.filter(|_| !whole).and_then(|array| self.small_part(system, state, array))
                })
                .collect();
            let low_before: Vec<Option<Value>> =
                low.iter().map(|array| array.map(|array| b.load(array, own))).collect();
            let mut names =
                |b: &mut Builder, symbol: Symbol| self.value(b, lowered, connection, symbol, Side::Neuron, &[], dt);
            let start = Start { old: &old, low: &low_before, still: &[], dt };
            let End { new, low: low_after } = each(&mut b, &parts, &start, &mut names);
            for (array, value) in low.iter().zip(low_after) {
                if let (Some(array), Some(value)) = (array, value) {
                    b.store(*array, own, value);
                }
            }
            for (state, array) in arrays.iter().enumerate() {
                if let (Some(array), true) = (array, new[state] != old[state]) {
                    let value = match lowered.trace(state) {
                        Some(trace) => kept_trace(&mut b, new[state], trace),
                        None => new[state],
                    };
                    b.store(*array, own, value);
                }
            }
            let kernel = self.kernel(format!("{}: traces", connection.name), b);
            self.tick.update.push(Op::Kernel { kernel, len, spikes: None });
        }
    }

    /// Takes arriving spikes to the traces of their source neurons: a connection from each to itself with the same delay.
    pub fn relay(
        &mut self,
        lowered: &Lowered,
        connection: &network::Connection,
        changes: &[Change],
        delay: Delay,
    ) -> Op {
        let mut effect = None;
        if let [change] = changes
            && let (Symbol::State(state), Some(amount)) = (change.target, added(change))
            && let (Some(array), Some(amount)) = (lowered.states[state], algebra::constant(&amount))
            && lowered.dynamics.states[state].bounds.is_none()
            && lowered.decays[state].is_none()
            && lowered.trace(state).is_none()
        {
            effect = Some(Effect::Add { array, amount: Amount::Constant(amount), held: None });
        }
        let effect = match effect {
            Some(effect) => effect,
            None => Effect::Kernel(self.event(lowered, connection, changes, "pre trace", Side::Relay)),
        };
        let main = self.program.connections[lowered.id.index()].clone();
        let component = self.component();
        self.one_to_one(Connection {
            name: format!("{}: traces", connection.name),
            target_start: main.source_start,
            target_len: main.source_len,
            target: None,
            same: true,
            pattern: Pattern::OneToOne,
            component,
            delay,
            on_pre: effect,
            by_target: false,
            rounded: None,
            ..main
        })
    }

    pub fn one_to_one(&mut self, connection: Connection) -> Op {
        self.program.connections.push(connection);
        Op::Deliver { connection: ConnectionId(self.program.connections.len() as u32 - 1) }
    }
}
