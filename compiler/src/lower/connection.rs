//! Connections: weights, delays, what an arriving spike does, what a spike of the target does.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{
    Access, Amount, ArrayId, Binary, Connection, ConnectionId, Delay, Effect, Initial, Inst, KernelId, Len, MetricKind,
    Op, Pattern, Value,
};

use super::Lowering;
use super::algebra::{self, mentions, substitute};
use super::expression;
use super::integrate::{System, after};
use super::kernel::Builder;
use super::synapses::{Role, added, is_weight, roles};
use crate::forms::equations::{Change, Dynamics, Expr, Symbol};
use crate::forms::network::{self, NodeId, Probed};

/// A connection on its way.
#[derive(Debug, Clone)]
pub(crate) struct Lowered {
    /// With a constant weight put in.
    pub dynamics: Dynamics,
    pub roles: Vec<Role>,
    /// For summed states: their number on the target.
    joint: Vec<Option<usize>>,
    pub id: ConnectionId,
    /// Weights of each synapse; none when they are one constant.
    pub weights: Option<ArrayId>,
    /// Where every other state is kept.
    states: Vec<Option<ArrayId>>,
    /// Seconds of the last event at each synapse, when states are brought up to date only then.
    last: Option<ArrayId>,
}

/// What a value belongs to.
type Place = (ArrayId, Access);

impl Lowering<'_> {
    /// Decides where synapse states live, and puts summed ones into their targets' systems.
    pub fn declare_connections(&mut self) {
        let network = self.network;
        for (index, connection) in network.connections.iter().enumerate() {
            let mut dynamics = connection.dynamics.clone();
            let constant = algebra::constant(&connection.weight).filter(|_| !self.weights_vary(index));
            if let Some(weight) = constant {
                replace_weight(&mut dynamics, weight);
            }
            let roles = match roles(connection, &dynamics, algebra::constant(&connection.delay).is_some()) {
                Ok(roles) => roles,
                Err(diagnostic) => {
                    self.diagnostics.push(diagnostic);
                    vec![Role::Synapse; dynamics.states.len()]
                }
            };
            let joint = self.sum_onto_target(index, connection, &dynamics, &roles);
            let states = vec![None; roles.len()];
            // The real id comes with `connect`; until then only whether there are weights matters.
            let (id, weights, last) = (ConnectionId(0), constant.is_none().then_some(ArrayId(0)), None);
            self.connections.push(Lowered { dynamics, roles, joint, id, weights, states, last });
        }
    }

    /// Whether weights must be kept for each synapse.
    fn weights_vary(&self, index: usize) -> bool {
        let connection = &self.network.connections[index];
        let probed = self.network.probes.iter().any(|probe| probe.what == Probed::Weights(index));
        let measured = self.plan.phases.iter().flat_map(|phase| &phase.metrics).any(
            |metric| matches!(metric.kind, MetricKind::Final { array, .. } if array.index() == index),
        );
        matches!(connection.pattern, network::Pattern::Matrix(_)) || changes_weight(connection) || probed || measured
    }

    /// Numbers of the summed states on the target; connections with the same equations share them.
    fn sum_onto_target(
        &mut self,
        index: usize,
        connection: &network::Connection,
        dynamics: &Dynamics,
        roles: &[Role],
    ) -> Vec<Option<usize>> {
        let summed: Vec<usize> = (0..roles.len()).filter(|&state| roles[state] == Role::Summed).collect();
        let mut joint = vec![None; roles.len()];
        if summed.is_empty() {
            return joint;
        }
        let network = self.network;
        let shared = (0..index).find(|&other| {
            let earlier = &network.connections[other];
            let same = |state: usize| dynamics.states[state].derivative.as_ref();
            earlier.target == connection.target
                && earlier.port == connection.port
                && self.connections[other].roles == roles
                && self.connections[other].dynamics.outputs == dynamics.outputs
                && summed.iter().all(|&state| self.connections[other].dynamics.states[state].derivative.as_ref() == same(state))
        });
        if let Some(other) = shared {
            return self.connections[other].joint.clone();
        }
        let Some(first) = self.populations.get(&connection.target).map(|target| target.states.len()) else { return joint };
        for (position, &state) in summed.iter().enumerate() {
            joint[state] = Some(first + position);
        }
        let renumber = |expr: &Expr| {
            substitute(expr, &|symbol| match symbol {
                Symbol::State(state) => joint.get(state).copied().flatten().map(|joint| Expr::Symbol(Symbol::State(joint))),
                Symbol::Post(state) => Some(Expr::Symbol(Symbol::State(state))),
                Symbol::Input(_) | Symbol::Weight | Symbol::Pre(_) | Symbol::SourceIndex | Symbol::TargetIndex
                | Symbol::Index | Symbol::Time | Symbol::TimeStep => None,
            })
        };
        for &state in &summed {
            let name = format!("{}.{}", connection.name, dynamics.states[state].name);
            let derivative = dynamics.states[state].derivative.as_ref().map(renumber);
            self.summed_state(connection.target, name, derivative);
        }
        if let (Some(port), Some((_, output)), Some(target)) =
            (connection.port, dynamics.outputs.first(), self.populations.get_mut(&connection.target))
            && let Some(inputs) = target.synaptic.get_mut(port)
        {
            inputs.push(renumber(output));
        }
        joint
    }

    /// All connections, in the order declared, then decoders.
    pub fn connect(&mut self) {
        let network = self.network;
        let (mut early, mut main, mut late) = (Vec::new(), Vec::new(), Vec::new());
        for (index, connection) in network.connections.iter().enumerate() {
            self.connect_one(index, connection, &mut early, &mut main, &mut late);
        }
        for ops in [early, main, late] {
            self.tick.deliver.extend(ops);
        }
        self.decoders();
    }

    fn connect_one(
        &mut self,
        index: usize,
        connection: &network::Connection,
        early: &mut Vec<Op>,
        main: &mut Vec<Op>,
        late: &mut Vec<Op>,
    ) {
        let Some(&source) = self.groups.get(&connection.source) else {
            return self.problems.push(format!("`{}` starts where nothing spikes", connection.name));
        };
        let id = ConnectionId(self.program.connections.len() as u32);
        let component = self.component();
        let (start, end) = (connection.source_range, connection.target_range);
        self.program.connections.push(Connection {
            name: connection.name.clone(),
            source,
            source_start: start.0,
            source_len: start.1 - start.0,
            target_start: end.0,
            target_len: end.1 - end.0,
            target: self.groups.get(&connection.target).copied(),
            same: connection.source == connection.target,
            pattern: pattern(&connection.pattern),
            component,
            delay: Delay::Ticks(0),
            on_pre: Effect::Kernel(KernelId(0)),
            on_post: None,
        });
        self.connections[index].id = id;
        if self.connections[index].weights.is_some() {
            self.connections[index].weights = Some(self.weights(id, connection));
        }
        let delay = self.delay(id, connection);
        self.keep_states(index, id, connection);
        let lowered = self.connections[index].clone();
        let of_source = |change: &&Change| role_of(&lowered, change).is_some_and(|role| matches!(role, Role::Source { .. }));
        let of_target = |change: &&Change| role_of(&lowered, change).is_some_and(|role| matches!(role, Role::Target { .. }));
        let on_pre: Vec<Change> = lowered.dynamics.on_pre.iter().filter(|change| !of_source(change)).cloned().collect();
        let on_post: Vec<Change> = lowered.dynamics.on_post.iter().filter(|change| !of_target(change)).cloned().collect();
        let effect = self.arrival(&lowered, connection, &on_pre);
        let record = &mut self.program.connections[id.index()];
        (record.delay, record.on_pre) = (delay.clone(), effect);
        if !on_pre.is_empty() {
            main.push(Op::Deliver { connection: id });
        }
        self.decay_traces(&lowered, connection);
        for (when, ops) in [(false, early), (true, late)] {
            let role = Role::Source { late: when };
            let changes: Vec<Change> =
                lowered.dynamics.on_pre.iter().filter(|change| role_of(&lowered, change) == Some(role)).cloned().collect();
            if !changes.is_empty() {
                ops.push(self.relay(&lowered, connection, &changes, delay.clone()));
            }
        }
        self.posts(&lowered, connection, &on_post);
    }

    /// `on post`: traces of the target before or after the synapses of those that spiked.
    fn posts(&mut self, lowered: &Lowered, connection: &network::Connection, on_post: &[Change]) {
        let Some(&group) = self.groups.get(&connection.target) else { return };
        let mut ops = Vec::new();
        for late in [false, true] {
            let role = Role::Target { late };
            let changes: Vec<Change> =
                lowered.dynamics.on_post.iter().filter(|change| role_of(lowered, change) == Some(role)).cloned().collect();
            if !changes.is_empty() {
                let kernel = self.event(lowered, connection, &changes, "post trace", Side::Neuron);
                ops.push(Op::OnSpikes { kernel, group });
            }
            if !late && !on_post.is_empty() {
                let kernel = self.event(lowered, connection, on_post, "on post", Side::Synapse);
                self.program.connections[lowered.id.index()].on_post = Some(kernel);
                ops.push(Op::OnPost { connection: lowered.id });
            }
        }
        self.tick.on_post.extend(ops);
    }

    fn weights(&mut self, id: ConnectionId, connection: &network::Connection) -> ArrayId {
        let name = format!("{}.w", connection.name);
        if let network::Pattern::Matrix(tensor) = connection.pattern {
            return self.array(name, Len::Synapses(id), false, Initial::Tensor { tensor, start: 0 });
        }
        self.synapse_values(name, id, &connection.weight, None)
    }

    /// An array of synapses that starts from an expression over source and target index (and weight).
    fn synapse_values(&mut self, name: String, id: ConnectionId, expr: &Expr, weights: Option<ArrayId>) -> ArrayId {
        if let Some(value) = algebra::constant(expr) {
            return self.array(name, Len::Synapses(id), false, Initial::Fill(value));
        }
        let array = self.array(name.clone(), Len::Synapses(id), false, Initial::Fill(0.0));
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let mut names = |b: &mut Builder, symbol: Symbol| match symbol {
            Symbol::Weight => weights.map(|weights| b.load(weights, Access::Synapse)),
            _ => pair(b, symbol, dt),
        };
        let value = expression::number(&mut b, &mut names, expr);
        b.store(array, Access::Synapse, value);
        let kernel = self.kernel(format!("{name}.start"), b);
        self.program.arrays[array.index()].initial = Initial::Kernel(kernel);
        array
    }

    fn delay(&mut self, id: ConnectionId, connection: &network::Connection) -> Delay {
        if let Some(seconds) = algebra::constant(&connection.delay) {
            return Delay::Ticks(self.ticks(seconds).max(0.0) as u32);
        }
        let count = |range: (usize, usize)| range.1;
        match algebra::interval(&connection.delay, count(connection.source_range), count(connection.target_range)) {
            Some((_, longest)) => {
                let expr = algebra::call(
                    crate::forms::equations::Function::Maximum,
                    vec![connection.delay.clone(), Expr::Number(0.0)],
                );
                let seconds = self.synapse_values(format!("{}.delay", connection.name), id, &expr, None);
                Delay::PerSynapse { seconds, max_ticks: self.ticks(longest).max(0.0) as u32 }
            }
            None => {
                let message = format!("the longest delay of `{}` cannot be told", connection.name);
                self.diagnostics.push(
                    Diagnostic::new(Code::E0454, message, connection.span, "connected here")
                        .with_help("bound it: `delay: clamp(…, 0 ms, 20 ms)`"),
                );
                Delay::Ticks(0)
            }
        }
    }

    /// Arrays for traces and for what is kept for each synapse.
    fn keep_states(&mut self, index: usize, id: ConnectionId, connection: &network::Connection) {
        let lowered = self.connections[index].clone();
        let len = |lowering: &Self, node: NodeId| lowering.populations.get(&node).map_or(0, |population| population.len);
        let mut lazy = false;
        for (state, role) in lowered.roles.iter().enumerate() {
            let declared = &lowered.dynamics.states[state];
            let name = format!("{}.{}", connection.name, declared.name);
            let side = match role {
                Role::Summed => continue,
                Role::Source { .. } => connection.source,
                Role::Target { .. } => connection.target,
                Role::Synapse => {
                    lazy |= declared.derivative.is_some();
                    let array = self.synapse_values(name, id, &declared.initial, lowered.weights);
                    self.connections[index].states[state] = Some(array);
                    continue;
                }
            };
            let value = algebra::constant(&declared.initial).unwrap_or(0.0);
            let array = self.array(name, Len::Fixed(len(self, side)), true, Initial::Fill(value));
            self.connections[index].states[state] = Some(array);
        }
        if lazy {
            let name = format!("{}.last", connection.name);
            self.connections[index].last = Some(self.array(name, Len::Synapses(id), false, Initial::Fill(0.0)));
        }
    }

    /// What an arriving spike does.
    fn arrival(&mut self, lowered: &Lowered, connection: &network::Connection, changes: &[Change]) -> Effect {
        if let [change] = changes
            && let Some((array, Access::Target)) = self.place(lowered, connection, change.target, Side::Synapse)
            && let Some(amount) = added(change)
            && let Some(amount) = self.amount(lowered, connection, &amount)
        {
            return Effect::Add { array, amount };
        }
        Effect::Kernel(self.event(lowered, connection, changes, "on pre", Side::Synapse))
    }

    /// An amount that is a constant or one number a synapse, known before the run (or the weight itself).
    fn amount(&mut self, lowered: &Lowered, connection: &network::Connection, amount: &Expr) -> Option<Amount> {
        if let Some(value) = algebra::constant(amount) {
            return Some(Amount::Constant(value));
        }
        if is_weight(amount) {
            return lowered.weights.map(Amount::Array);
        }
        let more = mentions(amount, &|symbol| symbol != Symbol::Weight);
        if more || algebra::random(amount) || changes_weight(connection) {
            return None;
        }
        let name = format!("{}.amount", connection.name);
        Some(Amount::Array(self.synapse_values(name, lowered.id, amount, lowered.weights)))
    }

    /// Where the value of a name is kept.
    fn place(&self, lowered: &Lowered, connection: &network::Connection, symbol: Symbol, side: Side) -> Option<Place> {
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
                Role::Synapse => Some(((*lowered.states.get(state)?)?, Access::Synapse)),
            },
            Symbol::Weight => Some((lowered.weights?, Access::Synapse)),
            Symbol::Pre(state) => Some((*self.populations.get(&connection.source)?.states.get(state)?, source)),
            Symbol::Post(state) => Some((*self.populations.get(&connection.target)?.states.get(state)?, target)),
            Symbol::Input(_) | Symbol::SourceIndex | Symbol::TargetIndex | Symbol::Index | Symbol::Time
            | Symbol::TimeStep => None,
        }
    }

    /// A kernel that runs changes in order.
    fn event(
        &mut self,
        lowered: &Lowered,
        connection: &network::Connection,
        changes: &[Change],
        what: &str,
        side: Side,
    ) -> KernelId {
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let mut now: Vec<(Place, Value)> = Vec::new();
        if side == Side::Synapse && touches_kept(lowered, changes) {
            self.bring_up_to_date(&mut b, lowered, &mut now);
        }
        for change in changes {
            let Some(place) = self.place(lowered, connection, change.target, side) else {
                self.problems.push(format!("`{}` changes something that is nowhere", connection.name));
                continue;
            };
            let mut names = |b: &mut Builder, symbol: Symbol| self.value(b, lowered, connection, symbol, side, &now, dt);
            let mut value = expression::number(&mut b, &mut names, &change.value);
            if let Some((low, high)) = self.bounds(lowered, connection, change.target) {
                let low = expression::number(&mut b, &mut names, &low);
                let high = expression::number(&mut b, &mut names, &high);
                value = b.clamp(value, low, high);
            }
            now.retain(|(other, _)| *other != place);
            now.push((place, value));
        }
        for ((array, access), value) in now {
            b.store(array, access, value);
        }
        self.kernel(format!("{}: {what}", connection.name), b)
    }

    #[allow(clippy::too_many_arguments)]
    fn value(
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
                None => Some(b.load(place.0, place.1)),
            },
            None => pair(b, symbol, dt),
        }
    }

    fn bounds(&self, lowered: &Lowered, connection: &network::Connection, target: Symbol) -> Option<(Expr, Expr)> {
        match target {
            Symbol::Weight => lowered.dynamics.weight_bounds.clone(),
            Symbol::State(state) => lowered.dynamics.states.get(state)?.bounds.clone(),
            Symbol::Post(state) => {
                let bounds = self.populations.get(&connection.target)?.dynamics.states.get(state)?.bounds.clone()?;
                let constant = algebra::constant(&bounds.0).is_some() && algebra::constant(&bounds.1).is_some();
                constant.then_some(bounds)
            }
            Symbol::Input(_) | Symbol::Pre(_) | Symbol::SourceIndex | Symbol::TargetIndex | Symbol::Index
            | Symbol::Time | Symbol::TimeStep => None,
        }
    }

    /// States kept for each synapse at this moment, from those at its last event.
    fn bring_up_to_date(&mut self, b: &mut Builder, lowered: &Lowered, now: &mut Vec<(Place, Value)>) {
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

    /// Traces decay with every tick, before events.
    fn decay_traces(&mut self, lowered: &Lowered, connection: &network::Connection) {
        for (node, source) in [(connection.source, true), (connection.target, false)] {
            let on_side = |state: usize| match lowered.roles[state] {
                Role::Source { .. } => source,
                Role::Target { .. } => !source,
                Role::Summed | Role::Synapse => false,
            };
            let derivatives: Vec<Option<Expr>> = lowered.dynamics.states.iter().enumerate()
                .map(|(state, declared)| declared.derivative.clone().filter(|_| on_side(state)))
                .collect();
            let Some(len) = self.populations.get(&node).map(|population| population.len) else { continue };
            let own = derivatives.len();
            let system = System { derivatives, method: lowered.dynamics.method, own, held: Vec::new() };
            let Ok(scheme) = system.scheme() else { continue };
            if scheme.exact.is_empty() && scheme.rest.is_empty() {
                continue;
            }
            let (mut b, dt) = (Builder::default(), self.program.dt);
            let own = Access::Element { offset: 0 };
            let zero = b.number(0.0);
            let arrays: Vec<Option<ArrayId>> =
                (0..lowered.states.len()).map(|state| lowered.states[state].filter(|_| on_side(state))).collect();
            let old: Vec<Value> = arrays.iter().map(|array| array.map_or(zero, |array| b.load(array, own))).collect();
            let mut names = |b: &mut Builder, symbol: Symbol| {
                self.value(b, lowered, connection, symbol, Side::Neuron, &[], dt)
            };
            let new = system.step(&mut b, &scheme, &old, &mut names, dt, None);
            for (state, array) in arrays.iter().enumerate() {
                if let (Some(array), true) = (array, new[state] != old[state]) {
                    b.store(*array, own, new[state]);
                }
            }
            let kernel = self.kernel(format!("{}: traces", connection.name), b);
            self.tick.update.push(Op::Kernel { kernel, len, spikes: None });
        }
    }

    /// Takes arriving spikes to the traces of their source neurons: a connection from each to itself with the same delay.
    fn relay(&mut self, lowered: &Lowered, connection: &network::Connection, changes: &[Change], delay: Delay) -> Op {
        let mut effect = None;
        if let [change] = changes
            && let (Symbol::State(state), Some(amount)) = (change.target, added(change))
            && let (Some(array), Some(amount)) = (lowered.states[state], algebra::constant(&amount))
            && lowered.dynamics.states[state].bounds.is_none()
        {
            effect = Some(Effect::Add { array, amount: Amount::Constant(amount) });
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
            on_post: None,
            ..main
        })
    }

    fn one_to_one(&mut self, connection: Connection) -> Op {
        self.program.connections.push(connection);
        Op::Deliver { connection: ConnectionId(self.program.connections.len() as u32 - 1) }
    }

    /// Spikes into decoders, one to one.
    fn decoders(&mut self) {
        let populations: Vec<_> = self.populations.values().cloned().collect();
        for population in populations.iter().filter(|population| !population.dynamics.on_pre.is_empty()) {
            let fed = self.operand(population.node, 0).and_then(|node| self.spike_source(node, 0));
            let Some((source, source_start)) = fed else {
                self.problems.push(format!("`{}` decodes what does not spike", population.name));
                continue;
            };
            let (mut b, own, dt) = (Builder::default(), Access::Target, self.program.dt);
            let mut values: Vec<Value> = population.states.iter().map(|array| b.load(*array, own)).collect();
            let old = values.clone();
            for change in &population.dynamics.on_pre {
                let mut rest = |b: &mut Builder, symbol: Symbol| pair(b, symbol, dt);
                let mut names = super::integrate::with_states(&values, &mut rest);
                let value = expression::number(&mut b, &mut names, &change.value);
                drop(names);
                if let Symbol::State(state) = change.target {
                    values[state] = value;
                }
            }
            for (state, array) in population.states.iter().enumerate().filter(|(state, _)| values[*state] != old[*state]) {
                b.store(*array, own, values[state]);
            }
            let effect = match &population.dynamics.on_pre[..] {
                [Change { target: Symbol::State(state), .. }] => {
                    let amount = added(&population.dynamics.on_pre[0]).and_then(|amount| algebra::constant(&amount));
                    amount.map(|amount| Effect::Add { array: population.states[*state], amount: Amount::Constant(amount) })
                }
                _ => None,
            };
            let name = format!("{}: spikes", population.name);
            let on_pre = match effect {
                Some(effect) => effect,
                None => Effect::Kernel(self.kernel(name.clone(), b)),
            };
            let component = self.component();
            let op = self.one_to_one(Connection {
                name,
                source,
                source_start,
                source_len: population.len,
                target_start: 0,
                target_len: population.len,
                target: None,
                same: false,
                pattern: Pattern::OneToOne,
                component,
                delay: Delay::Ticks(0),
                on_pre,
                on_post: None,
            });
            self.tick.deliver.push(op);
        }
    }
}

/// How the kernel of an event is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Over synapses.
    Synapse,
    /// Over synapses from neurons to themselves.
    Relay,
    /// Over neurons.
    Neuron,
}

fn role_of(lowered: &Lowered, change: &Change) -> Option<Role> {
    match change.target {
        Symbol::State(state) => lowered.roles.get(state).copied(),
        Symbol::Input(_) | Symbol::Weight | Symbol::Pre(_) | Symbol::Post(_) | Symbol::SourceIndex
        | Symbol::TargetIndex | Symbol::Index | Symbol::Time | Symbol::TimeStep => None,
    }
}

/// Whether changes read or write a state kept for each synapse.
fn touches_kept(lowered: &Lowered, changes: &[Change]) -> bool {
    let kept = |symbol: Symbol| matches!(symbol, Symbol::State(state) if lowered.roles.get(state) == Some(&Role::Synapse));
    changes.iter().any(|change| kept(change.target) || mentions(&change.value, &kept))
}

fn changes_weight(connection: &network::Connection) -> bool {
    let mut changes = connection.dynamics.on_pre.iter().chain(&connection.dynamics.on_post);
    changes.any(|change| change.target == Symbol::Weight)
}

fn replace_weight(dynamics: &mut Dynamics, weight: f64) {
    let put = |expr: &mut Expr| *expr = substitute(expr, &|symbol| (symbol == Symbol::Weight).then_some(Expr::Number(weight)));
    dynamics.states.iter_mut().filter_map(|state| state.derivative.as_mut()).for_each(put);
    dynamics.outputs.iter_mut().for_each(|(_, output)| put(output));
    dynamics.on_pre.iter_mut().chain(&mut dynamics.on_post).for_each(|change| put(&mut change.value));
}

/// Names that belong to a pair of neurons.
fn pair(b: &mut Builder, symbol: Symbol, dt: f64) -> Option<Value> {
    match symbol {
        Symbol::SourceIndex => Some(b.nullary(Inst::SourceIndex)),
        Symbol::TargetIndex => Some(b.nullary(Inst::TargetIndex)),
        Symbol::Index => Some(b.nullary(Inst::Index)),
        Symbol::Time => Some(b.nullary(Inst::Time)),
        Symbol::TimeStep => Some(b.number(dt)),
        Symbol::State(_) | Symbol::Input(_) | Symbol::Weight | Symbol::Pre(_) | Symbol::Post(_) => None,
    }
}

fn pattern(pattern: &network::Pattern) -> Pattern {
    match *pattern {
        network::Pattern::AllToAll { itself } => Pattern::AllToAll { itself },
        network::Pattern::OneToOne => Pattern::OneToOne,
        network::Pattern::Random { p, itself } => Pattern::Random { p, itself },
        network::Pattern::FixedInDegree { sources, itself } => Pattern::FixedInDegree { sources, itself },
        network::Pattern::Matrix(tensor) => Pattern::Matrix(tensor),
        network::Pattern::List { sources, targets } => Pattern::List { sources, targets },
    }
}
