//! Connections: weights, delays, what an arriving spike does, what a spike of the target does.

use std::collections::BTreeMap;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_program::{
    Access, Array, ArrayId, Connection, ConnectionId, Delay, Effect, Initial, KernelId, Len, MetricKind, Op, Pattern,
    Rounded,
};

use super::algebra::{self, linear, mentions, substitute};
use super::event::{Place, pair};
use super::expression;
use super::kernel::Builder;
use super::polynomial::Polynomial;
use super::synapses::{Role, roles};
use super::{Lowering, Signal};
use crate::analyse::pairs::Ends;
use crate::forms::equations::{Change, Dynamics, Expr, Method, Symbol};
use crate::forms::network::{self, NodeId, Probed};
use crate::forms::plan::Phase;

/// Pairs whose probability is asked for at once.
const PAIRS_AT_ONCE: usize = 4096;

/// For messages of a run.
pub(super) fn written_at(span: Span) -> nmc_program::Place {
    nmc_program::Place { file: span.file.0, start: span.start, end: span.end }
}

/// A connection on its way.
#[derive(Debug, Clone)]
pub(crate) struct Lowered {
    /// With a constant weight put in.
    pub dynamics: Dynamics,
    pub roles: Vec<Role>,
    /// For summed states: their number on the target.
    pub joint: Vec<Option<usize>>,
    pub id: ConnectionId,
    /// Weights of each synapse; none when they are one constant.
    pub weights: Option<ArrayId>,
    /// Whether rules or runs change them.
    pub weights_move: bool,
    /// What rules change them by is a whole number of these, where their core keeps few digits.
    pub step: Option<f64>,
    /// Of traces on a core that keeps few digits of them: the whole step, and the most.
    pub traces: Vec<Option<(f64, f64)>>,
    /// Where states of its source are kept as they were the delay before, by their number there.
    pub past: BTreeMap<usize, ArrayId>,
    /// Where every other state is kept.
    pub states: Vec<Option<ArrayId>>,
    /// For traces that decay by themselves: the factors of [`Op::Decay`], and how much they decay in a tick.
    pub decays: Vec<Option<(ArrayId, f64)>>,
    /// What else its equations read: signals that feed the target, by its inputs, and sums over the synapses of a target.
    pub inputs: Vec<Place>,
    /// Holds 0 while its weights are frozen, else 1.
    pub plastic: Option<ArrayId>,
    /// Parts of its output that are added up over the synapses of a target with every tick, and where.
    pub collected: Vec<(ArrayId, Expr)>,
    /// Seconds of the last event at each synapse, when states are brought up to date only then.
    pub last: Option<ArrayId>,
}

/// The step of weights of so many bits that rules move within bounds: the larger of these has all steps.
pub(crate) fn step_of(connection: &network::Connection, bits: u32) -> Option<f64> {
    let Dynamics { weight_bounds: Some((low, high)), weight_derivative: None, .. } = &connection.dynamics else {
        return None;
    };
    let most = algebra::constant(low)?.abs().max(algebra::constant(high)?.abs());
    let steps = ((1_u64 << (bits - 1)) - 1) as f64;
    let moved = connection.cells.is_none() && connection.dynamics.changes_weight() && bits > 1;
    (moved && most > 0.0 && most.is_finite()).then_some(most / steps)
}

impl Lowered {
    /// The whole step of a trace on a core that keeps few digits of it, and the most.
    pub fn trace(&self, state: usize) -> Option<(f64, f64)> {
        *self.traces.get(state)?
    }
}

/// Arrays of a connection's synapses that others start from.
#[derive(Debug, Default)]
pub(crate) struct Started {
    pub weights: Option<ArrayId>,
    pub states: Vec<Option<ArrayId>>,
}

impl Started {
    fn place(&self, symbol: Symbol) -> Option<ArrayId> {
        match symbol {
            Symbol::Weight => self.weights,
            Symbol::State(state) => self.states.get(state).copied().flatten(),
            Symbol::Input(_)
            | Symbol::Pre(_)
            | Symbol::Post(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Index
            | Symbol::Time
            | Symbol::TimeStep
            | Symbol::Noise => None,
        }
    }
}

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
            let one_delay = connection.delays.is_none() && algebra::constant(&connection.delay).is_some();
            let driven = connection.driven();
            // What the weight follows from is up to date in every step.
            let recorded = |state| {
                driven.is_some_and(|driven| driven.has(state))
                    || network.probes.iter().any(|probe| probe.what == Probed::State(index, state))
            };
            let (roles, one_by_one) = roles(&dynamics, one_delay, &recorded);
            let joint = self.sum_onto_target(index, connection, &dynamics, &roles);
            let collected = match one_by_one {
                Some(why) => self.collect(connection, &dynamics, why),
                None => Vec::new(),
            };
            let (states, decays) = (vec![None; roles.len()], vec![None; roles.len()]);
            // The real id comes with `connect`; until then only whether there are weights matters.
            let (id, weights, last) = (ConnectionId(0), constant.is_none().then_some(ArrayId(0)), None);
            let inputs = Vec::new();
            let frozen = self.plan.phases.iter().any(|phase| phase.frozen.contains(&index));
            let set = |phase: &Phase| phase.weights.iter().any(|(of, _)| *of == index);
            let weights_move = connection.dynamics.changes_weight() || self.plan.phases.iter().any(set);
            let name = format!("{}.plastic", connection.name);
            let plastic = frozen.then(|| self.array(name, Len::Fixed(1), false, Initial::Fill(1.0)));
            self.connections.push(Lowered {
                dynamics,
                roles,
                joint,
                id,
                weights,
                weights_move,
                step: None,
                traces: Vec::new(),
                past: BTreeMap::new(),
                states,
                decays,
                inputs,
                plastic,
                collected,
                last,
            });
        }
    }

    /// Whether weights must be kept for each synapse.
    fn weights_vary(&self, index: usize) -> bool {
        let connection = &self.network.connections[index];
        let probed = self.network.probes.iter().any(|probe| probe.what == Probed::Weights(index));
        let measured = self
            .plan
            .phases
            .iter()
            .flat_map(|phase| phase.metrics.iter().flat_map(|metric| &metric.steps))
            .any(|step| matches!(step, MetricKind::Final { array, .. } if array.index() == index));
        let set = self.plan.phases.iter().flat_map(|phase| &phase.weights).any(|(of, _)| *of == index);
        let given = matches!(connection.pattern, network::Pattern::Matrix(_)) || connection.weights.is_some() || set;
        given || connection.dynamics.changes_weight() || probed || measured
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
        // What is recorded is of one connection alone.
        let recorded =
            |of: usize| network.probes.iter().any(|probe| matches!(probe.what, Probed::State(known, _) if known == of));
        let firsts = self.summed.get(&connection.target).map_or(&[][..], Vec::as_slice);
        let firsts = if recorded(index) { &[] } else { firsts };
        let shared = firsts.iter().copied().find(|&other| {
            let earlier = &network.connections[other];
            let same = |state: usize| dynamics.states[state].derivative.as_ref();
            !recorded(other)
                && earlier.port == connection.port
                && self.connections[other].roles == roles
                && self.connections[other].dynamics.outputs == dynamics.outputs
                && summed
                    .iter()
                    .all(|&state| self.connections[other].dynamics.states[state].derivative.as_ref() == same(state))
        });
        if let Some(other) = shared {
            return self.connections[other].joint.clone();
        }
        let Some(first) = self.populations.get(&connection.target).map(|target| target.states.len()) else {
            return joint;
        };
        self.summed.entry(connection.target).or_default().push(index);
        for (position, &state) in summed.iter().enumerate() {
            joint[state] = Some(first + position);
        }
        let renumber = |expr: &Expr| at_target(expr, &|state| joint.get(state).copied().flatten());
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
        let source = self.groups.get(&connection.source).copied();
        let id = ConnectionId(self.program.connections.len() as u32);
        let component = self.component();
        let (start, end) = (connection.source_range, connection.target_range);
        self.program.connections.push(Connection {
            name: connection.name.clone(),
            place: written_at(connection.span),
            source,
            source_start: start.0,
            source_len: start.1 - start.0,
            target_start: end.0,
            target_len: end.1 - end.0,
            target: self.groups.get(&connection.target).copied(),
            same: connection.source == connection.target,
            pattern: Pattern::OneToOne,
            component,
            delay: Delay::Ticks(0),
            on_pre: Effect::Kernel(KernelId(0)),
            by_target: false,
            rounded: None,
        });
        self.connections[index].id = id;
        self.program.connections[id.index()].pattern = self.pattern(connection);
        if let Some(cells) = &connection.cells {
            for state in cells.before.0..cells.before.1 {
                let declared = &self.connections[index].dynamics.states[state];
                let (name, initial) = (format!("{}.{}", connection.name, declared.name), declared.initial.clone());
                let started = Started { weights: None, states: self.connections[index].states.clone() };
                let array = self.synapse_values(name, (id, connection), &initial, &started);
                self.connections[index].states[state] = Some(array);
            }
        }
        if self.connections[index].weights.is_some() {
            let started = Started { weights: None, states: self.connections[index].states.clone() };
            self.connections[index].weights = Some(self.weights(id, connection, &started));
        }
        let delay = self.delay(id, connection);
        let bits = self.keep_to_synapses(connection, &delay);
        let step = bits.and_then(|bits| step_of(connection, bits));
        self.connections[index].step = step;
        let weights = self.connections[index].weights.zip(bits);
        self.program.connections[id.index()].rounded = weights.map(|(weights, bits)| Rounded { weights, bits, step });
        let roles = self.connections[index].roles.clone();
        self.connections[index].traces = self.keep_traces(connection, &roles);
        self.keep_states(index, (id, connection), &delay);
        self.connections[index].inputs = self.signals_read(connection);
        self.connections[index].past = self.past(connection, &delay);
        let mut lowered = self.connections[index].clone();
        let of_source =
            |change: &&Change| role_of(&lowered, change).is_some_and(|role| matches!(role, Role::Source { .. }));
        let of_target =
            |change: &&Change| role_of(&lowered, change).is_some_and(|role| matches!(role, Role::Target { .. }));
        let on_pre: Vec<Change> = lowered.dynamics.on_pre.iter().filter(|change| !of_source(change)).cloned().collect();
        let on_post: Vec<Change> =
            lowered.dynamics.on_post.iter().filter(|change| !of_target(change)).cloned().collect();
        let effect = self.arrival(&lowered, connection, &on_pre);
        let record = &mut self.program.connections[id.index()];
        (record.delay, record.on_pre) = (delay.clone(), effect);
        if !on_pre.is_empty() {
            main.push(Op::Deliver { connection: id });
        }
        self.decay_traces(&lowered, connection);
        for (when, ops) in [(false, early), (true, late)] {
            let role = Role::Source { late: when };
            let changes: Vec<Change> = lowered
                .dynamics
                .on_pre
                .iter()
                .filter(|change| role_of(&lowered, change) == Some(role))
                .cloned()
                .collect();
            if !changes.is_empty() {
                ops.push(self.relay(&lowered, connection, &changes, delay.clone()));
            }
        }
        self.posts(&mut lowered, connection, &on_post);
        self.at_intervals(&mut lowered, connection);
        self.add_up_outputs(&lowered, connection);
        self.step_synapses(&lowered, connection);
    }

    /// Who is joined.
    fn pattern(&mut self, connection: &network::Connection) -> Pattern {
        match connection.pattern {
            network::Pattern::AllToAll { itself } => Pattern::AllToAll { itself },
            network::Pattern::OneToOne => Pattern::OneToOne,
            network::Pattern::Random { p, itself } => Pattern::Random { p, itself },
            network::Pattern::Likely { ref p, mean, itself } => {
                let name = format!("{}.p", connection.name);
                let into = self.array(name.clone(), Len::Fixed(PAIRS_AT_ONCE), false, Initial::Fill(0.0));
                let (mut b, dt) = (Builder::default(), self.program.dt);
                let (pre, post) = self.ends(connection);
                let value = expression::number(&mut b, &mut |b, symbol| pair(b, symbol, (&pre, &post), dt), p);
                b.store(into, Access::Synapse, value);
                Pattern::Likely { p: self.kernel(name, b), into, mean, itself }
            }
            network::Pattern::FixedInDegree { sources, itself } => Pattern::FixedInDegree { sources, itself },
            network::Pattern::FixedOutDegree { targets, itself } => Pattern::FixedOutDegree { targets, itself },
            network::Pattern::FixedTotalNumber { synapses, itself } => Pattern::FixedTotalNumber { synapses, itself },
            network::Pattern::Matrix(tensor) => Pattern::Matrix(tensor),
            network::Pattern::List { sources, targets } => Pattern::List { sources, targets },
        }
    }

    /// The states at both ends of a connection.
    pub fn ends(&self, connection: &network::Connection) -> (Vec<ArrayId>, Vec<ArrayId>) {
        let states = |node| self.populations.get(&node).map(|population| population.states.clone());
        (states(connection.source).unwrap_or_default(), states(connection.target).unwrap_or_default())
    }

    /// What the synapses read of their source, as it was the delay before.
    fn past(&mut self, connection: &network::Connection, delay: &Delay) -> BTreeMap<usize, ArrayId> {
        let (&Delay::Ticks(ticks @ 1..), true) = (delay, algebra::reads_past(&connection.dynamics)) else {
            return BTreeMap::new();
        };
        let Some(source) = self.populations.get(&connection.source) else { return BTreeMap::new() };
        let (states, len) = (source.states.clone(), source.len);
        let mut past = BTreeMap::new();
        for (state, from) in states.into_iter().enumerate() {
            let read = |expr: &&Expr| mentions(expr, &|symbol| symbol == Symbol::Pre(state));
            let Array { ref name, per_lane, .. } = self.program.arrays[from.index()];
            if !per_lane || !connection.dynamics.in_every_step().any(|expr| read(&expr)) {
                continue;
            }
            let (to, ring) = (format!("{}: {name}", connection.name), format!("{}: past of {name}", connection.name));
            let (to, ring) = (self.zeros(to, len), self.zeros(ring, len * ticks as usize));
            self.tick.synapses.push(Op::Past { from, ring, to, len, ticks });
            past.insert(state, to);
        }
        past
    }

    /// Where the inputs of the target are, for the rules that read them.
    fn signals_read(&mut self, connection: &network::Connection) -> Vec<Place> {
        let Some(target) = self.populations.get(&connection.target).cloned() else { return Vec::new() };
        let mut places = Vec::new();
        for (input, signal) in self.input_signals(&target).into_iter().enumerate() {
            let read = target.dynamics.inputs[input].is_of_rule();
            places.push(match signal {
                Some(Signal { array, start, len: 1 }) => (array, Access::Broadcast { offset: start }),
                Some(Signal { array, start: 0, .. }) => (array, Access::Target),
                Some(Signal { array: from, start, len }) if read => {
                    let to = self.zeros(format!("{}.{}", target.name, target.dynamics.inputs[input].name), len);
                    self.tick.synapses.push(Op::Copy { from, from_start: start, to, to_start: 0, len });
                    (to, Access::Target)
                }
                // Nothing reads it.
                Some(_) | None => (ArrayId(0), Access::Target),
            });
        }
        places
    }

    fn weights(&mut self, id: ConnectionId, connection: &network::Connection, started: &Started) -> ArrayId {
        let name = format!("{}.w", connection.name);
        let data = match connection.pattern {
            network::Pattern::Matrix(tensor) => Some(tensor),
            network::Pattern::AllToAll { .. }
            | network::Pattern::OneToOne
            | network::Pattern::Random { .. }
            | network::Pattern::Likely { .. }
            | network::Pattern::FixedInDegree { .. }
            | network::Pattern::FixedOutDegree { .. }
            | network::Pattern::FixedTotalNumber { .. }
            | network::Pattern::List { .. } => connection.weights,
        };
        let Some(tensor) = data else {
            return self.synapse_values(name, (id, connection), &connection.weight, started);
        };
        let start = Initial::Tensor { tensor, start: 0 };
        if !mentions(&connection.weight, &|symbol| symbol == Symbol::Weight) {
            return self.array(name, Len::Synapses(id), false, start);
        }
        let given = self.array(format!("{name}.given"), Len::Synapses(id), false, start);
        let about = Started { weights: Some(given), states: Vec::new() };
        self.synapse_values(name, (id, connection), &connection.weight, &about)
    }

    /// An array of synapses that starts from an expression over source and target index, and over what is there before it.
    pub fn synapse_values(
        &mut self,
        name: String,
        (id, connection): (ConnectionId, &network::Connection),
        expr: &Expr,
        before: &Started,
    ) -> ArrayId {
        if let Some(value) = algebra::constant(expr) {
            return self.array(name, Len::Synapses(id), false, Initial::Fill(value));
        }
        let array = self.array(name.clone(), Len::Synapses(id), false, Initial::Fill(0.0));
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let (pre, post) = self.ends(connection);
        let mut names = |b: &mut Builder, symbol: Symbol| match before.place(symbol) {
            Some(array) => Some(b.load(array, Access::Synapse)),
            None => pair(b, symbol, (&pre, &post), dt),
        };
        let value = expression::number(&mut b, &mut names, expr);
        b.store(array, Access::Synapse, value);
        let kernel = self.kernel(format!("{name}.start"), b);
        self.program.arrays[array.index()].initial = Initial::Kernel(kernel);
        array
    }

    fn delay(&mut self, id: ConnectionId, connection: &network::Connection) -> Delay {
        if let Some(tensor) = connection.delays {
            let data = &self.program.tensors[tensor.index()].data;
            let longest = (0..data.len()).map(|index| data.get(index)).fold(0.0, f64::max);
            let max_ticks = self.ticks(longest).max(0.0) as u32;
            let start = Initial::Tensor { tensor, start: 0 };
            let seconds = self.array(format!("{}.delay", connection.name), Len::Synapses(id), false, start);
            return Delay::PerSynapse { seconds, max_ticks };
        }
        if let Some(seconds) = algebra::constant(&connection.delay) {
            return Delay::Ticks(self.ticks(seconds).max(0.0) as u32);
        }
        let (source, target) =
            ((connection.source, connection.source_range), (connection.target, connection.target_range));
        let between = Ends { network: self.network, tensors: &self.program.tensors, source, target };
        match between.interval(&connection.delay) {
            Some((_, longest)) => {
                let expr = algebra::call(
                    crate::forms::equations::Function::Maximum,
                    vec![connection.delay.clone(), Expr::Number(0.0)],
                );
                let name = format!("{}.delay", connection.name);
                let seconds = self.synapse_values(name, (id, connection), &expr, &Started::default());
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
    fn keep_states(&mut self, index: usize, (id, connection): (ConnectionId, &network::Connection), delay: &Delay) {
        let lowered = self.connections[index].clone();
        let len =
            |lowering: &Self, node: NodeId| lowering.populations.get(&node).map_or(0, |population| population.len);
        let mut lazy = false;
        for (state, role) in lowered.roles.iter().enumerate() {
            let declared = &lowered.dynamics.states[state];
            let name = format!("{}.{}", connection.name, declared.name);
            let side = match role {
                Role::Summed => continue,
                Role::Source { .. } => connection.source,
                Role::Target { .. } => connection.target,
                Role::Synapse | Role::Stepped => {
                    lazy |= *role == Role::Synapse && declared.derivative.is_some();
                    if lowered.states[state].is_some() {
                        continue;
                    }
                    let before = Started { weights: lowered.weights, states: Vec::new() };
                    let delayed = match delay {
                        Delay::PerSynapse { seconds, .. } if connection.own_delay == Some(state) => Some(*seconds),
                        Delay::PerSynapse { .. } | Delay::Ticks(_) => None,
                    };
                    let array = match connection.parameters.get(&state) {
                        None if delayed.is_some() => {
                            let mut states = vec![None; state];
                            states.push(delayed);
                            let own = Expr::Symbol(Symbol::State(state));
                            self.synapse_values(name, (id, connection), &own, &Started { weights: None, states })
                        }
                        Some(&tensor) => {
                            self.array(name, Len::Synapses(id), false, Initial::Tensor { tensor, start: 0 })
                        }
                        None => self.synapse_values(name, (id, connection), &declared.initial, &before),
                    };
                    let mut changes = lowered.dynamics.rules();
                    let of_cells = connection.cells.as_ref().is_some_and(|cells| state >= cells.first);
                    // Every sample has its own, as it has of states of neurons; what nothing changes is drawn once.
                    // Cells go on as weights do.
                    self.program.arrays[array.index()].per_lane = !of_cells
                        && (declared.derivative.is_some()
                            || changes.any(|change| change.target == Symbol::State(state)));
                    self.connections[index].states[state] = Some(array);
                    continue;
                }
            };
            let value = algebra::constant(&declared.initial).unwrap_or(0.0);
            let whole = lowered.trace(state).is_some();
            if let Some(rate) = decay_rate(&lowered.dynamics, state, self.program.dt).filter(|_| !whole) {
                let factors = self.array(format!("{name}.factors"), Len::Fixed(2), true, Initial::Fill(1.0));
                self.connections[index].decays[state] = Some((factors, rate));
            }
            let array = self.array(name, Len::Fixed(len(self, side)), true, Initial::Fill(value));
            self.connections[index].states[state] = Some(array);
        }
        if lazy {
            let name = format!("{}.last", connection.name);
            // States of neurons have moved for a step when the first events come, and so have these.
            let start = Initial::Fill(-self.program.dt);
            self.connections[index].last = Some(self.array(name, Len::Synapses(id), true, start));
        }
    }
}

/// How much a state decays in a tick, if that is all that time does to it, and nothing else follows it in time.
fn decay_rate(dynamics: &Dynamics, state: usize, dt: f64) -> Option<f64> {
    let symbol = Symbol::State(state);
    let others = dynamics.states.iter().enumerate().filter(|(other, _)| *other != state);
    let followed =
        others.flat_map(|(other, _)| dynamics.moves(other)).any(|derivative| mentions(derivative, &|s| s == symbol));
    let (slope, rest) = linear(dynamics.states[state].derivative.as_ref()?, symbol)?;
    let rate = -Polynomial::of(&slope).constant()? * dt;
    let plain = Polynomial::of(&rest).constant() == Some(0.0)
        && dynamics.method_of(state).is_none_or(|method| method == Method::Exact);
    (plain && !followed && rate > 0.0 && rate <= 1.0).then_some(rate)
}

/// An expression of a synapse as one of its target's system, in which its own states have other numbers.
pub(crate) fn at_target(expr: &Expr, joint: &dyn Fn(usize) -> Option<usize>) -> Expr {
    substitute(expr, &|symbol| match symbol {
        Symbol::State(state) => joint(state).map(|joint| Expr::Symbol(Symbol::State(joint))),
        Symbol::Post(state) => Some(Expr::Symbol(Symbol::State(state))),
        Symbol::Input(_)
        | Symbol::Weight
        | Symbol::Pre(_)
        | Symbol::SourceIndex
        | Symbol::TargetIndex
        | Symbol::Index
        | Symbol::Time
        | Symbol::TimeStep
        | Symbol::Noise => None,
    })
}

pub(crate) fn role_of(lowered: &Lowered, change: &Change) -> Option<Role> {
    let Symbol::State(state) = change.target else { return None };
    lowered.roles.get(state).copied()
}

fn replace_weight(dynamics: &mut Dynamics, weight: f64) {
    let put = |expr: &mut Expr| {
        *expr = substitute(expr, &|symbol| (symbol == Symbol::Weight).then_some(Expr::Number(weight)))
    };
    dynamics.states.iter_mut().flat_map(|state| state.derivative.iter_mut().chain(&mut state.noise)).for_each(put);
    dynamics.outputs.iter_mut().for_each(|(_, output)| put(output));
    dynamics.regular.iter_mut().filter_map(|regular| regular.rewire.as_mut()).for_each(put);
    let regular = dynamics.regular.iter_mut().flat_map(|regular| &mut regular.changes);
    let changes = dynamics.on_pre.iter_mut().chain(&mut dynamics.on_post).chain(regular);
    changes.for_each(|change| put(&mut change.value));
}
