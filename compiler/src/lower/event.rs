//! What one event does at a synapse or a neuron: kernels that run a rule's changes in order.

use nmc_program::{Access, Amount, ArrayId, Binary, Compare, Draw, Effect, Inst, KernelId, Unary, Value};

use super::Lowering;
use super::algebra::{self, mentions};
use super::connection::{Lowered, Started};
use super::expression;
use super::integrate::after;
use super::kernel::Builder;
use super::synapses::{Role, added, is_weight};
use crate::forms::equations::{Change, Expr, Symbol};
use crate::forms::network;

/// What a value belongs to.
pub(crate) type Place = (ArrayId, Access);

/// How the kernel of an event is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Over synapses.
    Synapse,
    /// Over synapses from neurons to themselves.
    Relay,
    /// Over neurons.
    Neuron,
}

impl Lowering<'_> {
    /// What an arriving spike does.
    pub fn arrival(&mut self, lowered: &Lowered, connection: &network::Connection, changes: &[Change]) -> Effect {
        // Rows of sources end where synapses are drawn anew.
        if let [change] = changes
            && lowered.dynamics.rewires().next().is_none()
            && let Some((array, Access::Target)) = self.place(lowered, connection, change.target, Side::Synapse)
            && let Some(amount) = added(change)
            && let Some(amount) = self.amount(lowered, connection, &amount)
        {
            return Effect::Add { array, amount, held: self.held(connection, change.target) };
        }
        Effect::Kernel(self.event(lowered, connection, changes, "on pre", Side::Synapse))
    }

    /// Where the ticks are counted for which a neuron holds what is changed.
    fn held(&self, connection: &network::Connection, target: Symbol) -> Option<ArrayId> {
        let (node, state) = of_neuron(connection, target)?;
        self.populations.get(&node)?.held(state)
    }

    /// An amount that is a constant or one number a synapse, known before the run (or the weight itself).
    pub fn amount(&mut self, lowered: &Lowered, connection: &network::Connection, amount: &Expr) -> Option<Amount> {
        if let Some(value) = algebra::constant(amount) {
            return Some(Amount::Constant(value));
        }
        if is_weight(amount) {
            return lowered.weights.map(Amount::Array);
        }
        let more = mentions(amount, &|symbol| symbol != Symbol::Weight);
        if more || algebra::random(amount) || lowered.weights_move {
            return None;
        }
        let name = format!("{}.amount", connection.name);
        let before = Started { weights: lowered.weights, states: Vec::new() };
        Some(Amount::Array(self.synapse_values(name, (lowered.id, connection), amount, &before)))
    }

    /// Where the value of a name is kept.
    pub fn place(
        &self,
        lowered: &Lowered,
        connection: &network::Connection,
        symbol: Symbol,
        side: Side,
    ) -> Option<Place> {
        let own = Access::Element { offset: 0 };
        let (source, target) = match side {
            Side::Synapse => (Access::Source, Access::Target),
            Side::Relay => (Access::Target, Access::Target),
            Side::Neuron => (own, own),
        };
        match symbol {
            Symbol::State(state) => match lowered.roles.get(state)? {
                Role::Summed => {
                    let joint = lowered.joint.get(state).copied().flatten()?;
                    Some((*self.populations.get(&connection.target)?.states.get(joint)?, target))
                }
                Role::Source { .. } => Some(((*lowered.states.get(state)?)?, source)),
                Role::Target { .. } => Some(((*lowered.states.get(state)?)?, target)),
                Role::Synapse | Role::Stepped => Some(((*lowered.states.get(state)?)?, Access::Synapse)),
            },
            Symbol::Weight => Some((lowered.weights?, Access::Synapse)),
            Symbol::Pre(state) if lowered.past.contains_key(&state) => Some((lowered.past[&state], source)),
            Symbol::Pre(state) => Some((*self.populations.get(&connection.source)?.states.get(state)?, source)),
            Symbol::Post(state) => Some((*self.populations.get(&connection.target)?.states.get(state)?, target)),
            Symbol::Input(input) => lowered.inputs.get(input).copied(),
            Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Index
            | Symbol::Time
            | Symbol::TimeStep
            | Symbol::Noise => None,
        }
    }

    /// A kernel that runs changes in order.
    pub fn event(
        &mut self,
        lowered: &Lowered,
        connection: &network::Connection,
        changes: &[Change],
        what: &str,
        side: Side,
    ) -> KernelId {
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let mut now: Vec<(Place, Value)> = Vec::new();
        let kept = |change: &Change| is_kept(lowered, change.target) || reads_kept(lowered, &change.value);
        if side == Side::Synapse && changes.iter().any(kept) {
            self.bring_up_to_date(&mut b, lowered, &mut now);
        }
        for change in changes {
            let Some(place) = self.place(lowered, connection, change.target, side) else {
                self.problems.push(format!("`{}` changes something that is nowhere", connection.name));
                continue;
            };
            if change.target == Symbol::Weight && connection.driven().is_some() {
                self.pulsed_states(&mut b, lowered, connection, &mut now);
            }
            let mut names =
                |b: &mut Builder, symbol: Symbol| self.value(b, lowered, connection, symbol, side, &now, dt);
            let mut value = expression::number(&mut b, &mut names, &change.value);
            if let Some((low, high)) = self.bounds(lowered, connection, change.target) {
                let low = expression::number(&mut b, &mut names, &low);
                let high = expression::number(&mut b, &mut names, &high);
                value = b.clamp(value, low, high);
            }
            if let (Symbol::Weight, Some(step)) = (change.target, lowered.step) {
                value = to_steps(&mut b, value, step);
            }
            if let Symbol::State(state) = change.target
                && let Some(trace) = lowered.trace(state)
            {
                value = kept_trace(&mut b, value, trace);
            }
            let held = self.held(connection, change.target).map(|held| (held, place.1));
            let of_cells = |state| connection.cells.as_ref().is_some_and(|cells| state >= cells.first);
            let of_weight =
                change.target == Symbol::Weight || matches!(change.target, Symbol::State(state) if of_cells(state));
            let frozen = lowered.plastic.filter(|_| of_weight);
            if let Some((array, access)) = held.or(frozen.map(|plastic| (plastic, Access::Broadcast { offset: 0 }))) {
                let (left, zero) = (b.load(array, access), b.number(0.0));
                let before = now.iter().find(|(other, _)| *other == place).map(|(_, value)| *value);
                let before = before.unwrap_or_else(|| b.load(place.0, place.1));
                let free = if frozen.is_some() { Compare::NotEqual } else { Compare::LessEqual };
                let free = b.compare(free, left, zero);
                value = b.select(free, value, before);
            }
            now.retain(|(other, _)| *other != place);
            now.push((place, value));
            // Of a synapse from a neuron to itself both ends are one place.
            let twin = twin(connection, changes, change.target).filter(|_| side == Side::Synapse);
            if let Some(twin) = twin.and_then(|twin| self.place(lowered, connection, twin, side)) {
                let (source, target) = (b.nullary(Inst::SourceIndex), b.nullary(Inst::TargetIndex));
                let same = b.compare(Compare::Equal, source, target);
                let before = now.iter().find(|(other, _)| *other == twin).map(|(_, value)| *value);
                let before = before.unwrap_or_else(|| b.load(twin.0, twin.1));
                let both = b.select(same, value, before);
                now.retain(|(other, _)| *other != twin);
                now.push((twin, both));
            }
        }
        for ((array, access), mut value) in now {
            if let Some(factors) = lowered.factors_of(array) {
                let grown = b.load(factors, Access::Broadcast { offset: 1 });
                value = b.multiply(value, grown);
            }
            b.store(array, access, value);
        }
        self.kernel(format!("{}: {what}", connection.name), b)
    }

    #[allow(clippy::too_many_arguments)]
    pub fn value(
        &self,
        b: &mut Builder,
        lowered: &Lowered,
        connection: &network::Connection,
        symbol: Symbol,
        side: Side,
        now: &[(Place, Value)],
        dt: f64,
    ) -> Option<Value> {
        match self.place(lowered, connection, symbol, side) {
            Some(place) => match now.iter().find(|(other, _)| *other == place) {
                Some((_, value)) => Some(*value),
                None => {
                    let value = b.load(place.0, place.1);
                    let factors = lowered.factors_of(place.0);
                    Some(factors.map_or(value, |factors| decayed(b, value, factors)))
                }
            },
            None => pair(b, symbol, (&[], &[]), dt),
        }
    }

    pub fn bounds(&self, lowered: &Lowered, connection: &network::Connection, target: Symbol) -> Option<(Expr, Expr)> {
        match target {
            Symbol::Weight => lowered.dynamics.weight_bounds.clone(),
            Symbol::State(state) => lowered.dynamics.states.get(state)?.bounds.clone(),
            Symbol::Pre(_) | Symbol::Post(_) => {
                let (node, state) = of_neuron(connection, target)?;
                let bounds = self.populations.get(&node)?.dynamics.states.get(state)?.bounds.clone()?;
                let constant = algebra::constant(&bounds.0).is_some() && algebra::constant(&bounds.1).is_some();
                constant.then_some(bounds)
            }
            Symbol::Input(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Index
            | Symbol::Time
            | Symbol::TimeStep
            | Symbol::Noise => None,
        }
    }

    /// States kept for each synapse at this moment, from those at its last event.
    pub fn bring_up_to_date(&mut self, b: &mut Builder, lowered: &Lowered, now: &mut Vec<(Place, Value)>) {
        let Some(last) = lowered.last else { return };
        let time = b.nullary(Inst::Time);
        let (before, zero) = (b.load(last, Access::Synapse), b.number(0.0));
        let elapsed = b.binary(Binary::Subtract, time, before);
        let elapsed = b.binary(Binary::Maximum, elapsed, zero);
        now.push(((last, Access::Synapse), time));
        for (state, declared) in lowered.dynamics.states.iter().enumerate() {
            let kept = lowered.roles[state] == Role::Synapse;
            if let (true, Some(derivative), Some(array)) = (kept, &declared.derivative, lowered.states[state]) {
                let old = b.load(array, Access::Synapse);
                match after(b, derivative, state, old, elapsed) {
                    Some(value) => now.push(((array, Access::Synapse), value)),
                    None => self.problems.push(format!("`{}` does not decay by itself", declared.name)),
                }
            }
        }
    }
}

impl Lowered {
    /// The factors of a trace that decays by itself, by the array it is kept in.
    fn factors_of(&self, array: ArrayId) -> Option<ArrayId> {
        let state = self.states.iter().position(|kept| *kept == Some(array))?;
        self.decays[state].map(|(factors, _)| factors)
    }
}

/// The neurons whose state a name of a connection stands for, and which of their states.
fn of_neuron(connection: &network::Connection, symbol: Symbol) -> Option<(network::NodeId, usize)> {
    match symbol {
        Symbol::Pre(state) => Some((connection.source, state)),
        Symbol::Post(state) => Some((connection.target, state)),
        Symbol::State(_)
        | Symbol::Input(_)
        | Symbol::Weight
        | Symbol::SourceIndex
        | Symbol::TargetIndex
        | Symbol::Index
        | Symbol::Time
        | Symbol::TimeStep
        | Symbol::Noise => None,
    }
}

/// The same state at the other end, where changes know both and they may be of one neuron.
fn twin(connection: &network::Connection, changes: &[Change], symbol: Symbol) -> Option<Symbol> {
    let (_, state) = of_neuron(connection, symbol).filter(|_| connection.source == connection.target)?;
    let twin = if symbol == Symbol::Pre(state) { Symbol::Post(state) } else { Symbol::Pre(state) };
    let known = |change: &Change| change.target == twin || mentions(&change.value, &|other| other == twin);
    changes.iter().any(known).then_some(twin)
}

/// A trace as a core keeps it.
pub(crate) fn kept_trace(b: &mut Builder, value: Value, (step, most): (f64, f64)) -> Value {
    let (low, high) = (b.number(-most), b.number(most));
    let value = b.clamp(value, low, high);
    to_steps(b, value, step)
}

/// The whole steps below a value, or the next, with chances that leave its mean what it is.
fn to_steps(b: &mut Builder, value: Value, step: f64) -> Value {
    let (per_step, step) = (b.number(1.0 / step), b.number(step));
    let (steps, chance) = (b.multiply(value, per_step), b.random(Draw::Uniform));
    let raised = b.add(steps, chance);
    let whole = b.unary(Unary::Floor, raised);
    b.multiply(whole, step)
}

/// What a number that decays by itself is now.
pub(crate) fn decayed(b: &mut Builder, value: Value, factors: ArrayId) -> Value {
    let factor = b.load(factors, Access::Broadcast { offset: 0 });
    b.multiply(value, factor)
}

/// Whether it is a state that must be brought up to date.
fn is_kept(lowered: &Lowered, symbol: Symbol) -> bool {
    matches!(symbol, Symbol::State(state) if lowered.roles.get(state) == Some(&Role::Synapse))
}

/// Whether an expression reads such a state.
pub(crate) fn reads_kept(lowered: &Lowered, expr: &Expr) -> bool {
    mentions(expr, &|symbol| is_kept(lowered, symbol))
}

/// Names that belong to a pair of neurons.
pub(crate) fn pair(b: &mut Builder, symbol: Symbol, (pre, post): (&[ArrayId], &[ArrayId]), dt: f64) -> Option<Value> {
    match symbol {
        Symbol::SourceIndex => Some(b.nullary(Inst::SourceIndex)),
        Symbol::TargetIndex => Some(b.nullary(Inst::TargetIndex)),
        Symbol::Index => Some(b.nullary(Inst::Index)),
        Symbol::Time => Some(b.nullary(Inst::Time)),
        Symbol::TimeStep => Some(b.number(dt)),
        Symbol::Pre(state) => Some(b.load(*pre.get(state)?, Access::Source)),
        Symbol::Post(state) => Some(b.load(*post.get(state)?, Access::Target)),
        Symbol::State(_) | Symbol::Input(_) | Symbol::Weight | Symbol::Noise => None,
    }
}
