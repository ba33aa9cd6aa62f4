//! The kernel that advances a population, raises its spikes and resets it.

use nmc_program::{Array, ArrayId, Binary, Compare, Initial, Op, Precision, Source, Value};

use super::Lowering;
use super::algebra::{self, mentions};
use super::expression::{self, Names};
use super::integrate::{System, with_states};
use super::kernel::{Builder, OWN};
use super::population::{Population, outside};
use super::step::{End, Start, Still};
use crate::forms::equations::{Change, Emission, Expr, Method, Symbol};
use crate::forms::network::{NodeId, PopulationKind};

impl Lowering<'_> {
    /// Emission and update of every population, in the order of nodes.
    pub fn update_populations(&mut self) {
        let nodes: Vec<NodeId> = self.populations.keys().copied().collect();
        for node in nodes {
            let Some(mut population) = self.populations.get(&node).cloned() else { continue };
            population.merged = !self.reset_meets_events(&population);
            self.populations.insert(node, population.clone());
            if population.kind == PopulationKind::State {
                self.step_state(&population);
                continue;
            }
            self.emit(&population);
            let low = self.update(&population);
            if population.kind == PopulationKind::Decoder {
                self.start_afresh(&population);
                let afresh = low.into_iter().flatten().map(|array| Op::Fill { array, value: 0.0 });
                self.program.begin.extend(afresh);
            }
        }
    }

    /// A state of the network becomes what was made of the states before; where it starts from a signal, it does so before the first tick.
    fn step_state(&mut self, population: &Population) {
        let signals = self.input_signals(population);
        for (operand, ops) in [(0, true), (1, false)] {
            let (Some(&Some(_)), Some(&state)) = (signals.get(operand), population.states.first()) else { continue };
            let mut all = Vec::new();
            let Some(from) = self.arriving(population.node, operand, &mut all) else { continue };
            let mut b = Builder::default();
            let value = b.load(from.array, from.access(population.len));
            b.store(state, OWN, value);
            let what = if ops { "next" } else { "start" };
            let kernel = self.kernel(format!("{}.{what}", population.name), b);
            all.push(Op::Kernel { kernel, len: population.len, spikes: None });
            if ops { self.tick.update.extend(all) } else { self.program.begin.extend(all) }
        }
    }

    /// What a drawn or timed group emits by.
    pub fn emit(&mut self, population: &Population) {
        let Some(&group) = self.groups.get(&population.node) else { return };
        let (array, expr) = match (&self.program.groups[group.index()].source, &population.dynamics.emission) {
            (Source::Poisson { rate }, Some(Emission::Poisson { rate: expr })) => (*rate, expr.clone()),
            (Source::Once { at }, Some(Emission::Once { at: expr })) => (*at, expr.clone()),
            (Source::Given, _) => return self.tick.emit.push(Op::Emit { group }),
            (Source::Kernel | Source::Poisson { .. } | Source::Once { .. }, _) => return,
        };
        let expr = population.closed(&expr);
        let moves = mentions(&expr, &|symbol| matches!(symbol, Symbol::State(_) | Symbol::Time));
        let fed_in_time = population.fed.iter().flatten().any(|node| self.in_time(*node));
        let mut b = Builder::default();
        let value = self.over_population(&mut b, population, &expr);
        b.store(array, OWN, value);
        let kernel = self.kernel(format!("{}.rate", population.name), b);
        let op = Op::Kernel { kernel, len: population.len, spikes: None };
        match moves || fed_in_time {
            true => self.tick.emit.push(op),
            false => self.program.begin.push(op),
        }
        self.tick.emit.push(Op::Emit { group });
    }

    /// The value of an expression over a population's present states and inputs.
    pub fn over_population(&mut self, b: &mut Builder, population: &Population, expr: &Expr) -> Value {
        let values: Vec<Value> = population.states.iter().map(|array| b.load(*array, OWN)).collect();
        let mut rest = outside(self.input_signals(population), population.len, self.program.dt);
        expression::number(b, &mut with_states(&values, &mut rest), &population.closed(expr))
    }

    /// Returns where the small parts of slow states are kept.
    pub fn update(&mut self, population: &Population) -> Vec<Option<ArrayId>> {
        let system = population.system();
        let scheme = match system.scheme() {
            Ok(scheme) => scheme,
            Err(states) => {
                self.method_does_not_fit(population, &states);
                return Vec::new();
            }
        };
        let condition = match &population.dynamics.emission {
            Some(Emission::When { condition, edge, resets, .. }) => Some((population.closed(condition), *edge, resets)),
            Some(Emission::Poisson { .. } | Emission::Once { .. } | Emission::Given) | None => None,
        };
        self.keep_to_equations(population, &system, &scheme);
        let events = &population.dynamics.events;
        if scheme.exact.is_empty() && scheme.rest.is_empty() && condition.is_none() && events.is_empty() {
            return Vec::new();
        }
        let described = system.describe(&scheme, &population.names);
        if !described.is_empty() {
            self.note(format!("{}, integration: {described}", population.name));
        }
        self.tell_unstable(population, &system, &scheme);
        let mut b = Builder::default();
        let dt = self.program.dt;
        let mut rest = outside(self.input_signals(population), population.len, dt);
        let old: Vec<Value> = population.states.iter().map(|array| b.load(*array, OWN)).collect();
        let states = population.states.iter().enumerate();
        let low: Vec<Option<ArrayId>> = states.map(|(index, state)| self.small_part(&system, index, *state)).collect();
        let low_before: Vec<Option<Value>> = low.iter().map(|array| array.map(|array| b.load(array, OWN))).collect();
        let (left, still) = standing(&mut b, population);
        let held = still.iter().map(|still| still.holds).reduce(|a, other| b.or(a, other));
        let start = Start { old: &old, low: &low_before, still: &still, dt };
        let End { mut new, low: low_after } = match scheme.method {
            Method::RungeKutta45 => {
                self.substeps(population, &system, &scheme, &low);
                End { new: old.clone(), low: Vec::new() }
            }
            Method::Exact | Method::ExponentialEuler | Method::RungeKutta4 | Method::Euler => {
                system.step(&mut b, &scheme, &start, &mut rest)
            }
        };
        for (array, value) in low.iter().zip(low_after) {
            if let (Some(array), Some(value)) = (array, value) {
                b.store(*array, OWN, value);
            }
        }
        let moved = new.clone();
        bound(&mut b, population, &mut new, &mut rest);
        for (new, (index, moved)) in new.iter_mut().zip(moved.into_iter().enumerate()) {
            if let Some(still) = start.stands_still(&mut b, index) {
                *new = b.select(still, moved, *new);
            }
        }
        for (event, array) in events.iter().zip(&population.happens) {
            let condition = population.closed(&event.condition);
            let happens = expression::truth(&mut b, &mut with_states(&new, &mut rest), &condition);
            let (one, zero) = (b.number(1.0), b.number(0.0));
            let value = b.select(happens, one, zero);
            b.store(*array, OWN, value);
        }
        let mut spikes = None;
        if let Some((condition, edge, resets)) = condition {
            let mut fires = expression::truth(&mut b, &mut with_states(&new, &mut rest), &condition);
            if edge {
                fires = self.edge(&mut b, population, fires);
            }
            if let Some(held) = held {
                let free = b.not(held);
                fires = b.and(fires, free);
            }
            if population.merged {
                let values = run_changes(&mut b, resets, new.clone(), &mut rest, population);
                new = new.iter().zip(values).map(|(&kept, reset)| b.select(fires, reset, kept)).collect();
            }
            for (index, hold) in population.holds.iter().enumerate() {
                let ticks = hold_ticks(&mut b, population, &hold.duration, &new, &mut rest, dt);
                let value = b.select(fires, ticks, left[index]);
                b.store(hold.left, OWN, value);
            }
            b.spike(fires);
            spikes = self.groups.get(&population.node).copied();
        }
        for (index, array) in population.states.iter().enumerate().filter(|(index, _)| new[*index] != old[*index]) {
            b.store(*array, OWN, new[index]);
        }
        let kernel = self.kernel(format!("{}.update", population.name), b);
        self.tick.update.push(Op::Kernel { kernel, len: population.len, spikes });
        low
    }

    /// An array for the small part of a state that is slow, which single precision needs.
    pub fn small_part(&mut self, system: &System, index: usize, state: ArrayId) -> Option<ArrayId> {
        let needed = self.program.precision == Precision::F32 && system.is_slow(index, self.program.dt);
        let Array { name, len, .. } = self.program.arrays[state.index()].clone();
        let low = needed.then(|| self.array(format!("{name}.low"), len, true, Initial::Fill(0.0)))?;
        self.small.insert(state, low);
        Some(low)
    }

    /// True only in the tick in which the condition becomes true.
    pub fn edge(&mut self, b: &mut Builder, population: &Population, holds: Value) -> Value {
        let before = self.zeros(format!("{}.before", population.name), population.len);
        let (last, zero, one) = (b.load(before, OWN), b.number(0.0), b.number(1.0));
        let was_false = b.compare(Compare::Equal, last, zero);
        let now = b.select(holds, one, zero);
        b.store(before, OWN, now);
        b.and(holds, was_false)
    }

    /// Whether resets touch or read what arrivals or `on post` touch or read; then they must wait for them.
    pub fn reset_meets_events(&self, population: &Population) -> bool {
        let Some(Emission::When { resets, .. }) = &population.dynamics.emission else { return false };
        let reset_touches = |state: usize| {
            let symbol = Symbol::State(state);
            resets.iter().any(|change| change.target == symbol || mentions(&change.value, &|other| other == symbol))
        };
        // What synapses give, arrivals change.
        let own = population.dynamics.states.len();
        let of_synapses = |symbol: Symbol| matches!(symbol, Symbol::State(state) if state >= own);
        if resets.iter().any(|change| mentions(&population.closed(&change.value), &of_synapses)) {
            return true;
        }
        crate::graph::connections(self.network, population.node).any(|connection| {
            let (into, out) = (connection.target == population.node, connection.source == population.node);
            let changes = connection.dynamics.on_pre.iter().chain(&connection.dynamics.on_post);
            let touches = |symbol: Symbol| match symbol {
                Symbol::Post(state) => into && reset_touches(state),
                Symbol::Pre(state) => out && reset_touches(state),
                Symbol::State(_)
                | Symbol::Input(_)
                | Symbol::Weight
                | Symbol::SourceIndex
                | Symbol::TargetIndex
                | Symbol::Index
                | Symbol::Time
                | Symbol::TimeStep
                | Symbol::Noise => false,
            };
            changes.into_iter().any(|change| touches(change.target) || mentions(&change.value, &touches))
        })
    }

    /// Resets that wait for arrivals.
    pub fn reset_populations(&mut self) {
        let populations: Vec<Population> = self.populations.values().cloned().collect();
        for population in populations.iter().filter(|population| !population.merged) {
            let Some(Emission::When { resets, .. }) = &population.dynamics.emission else { continue };
            let Some(&group) = self.groups.get(&population.node) else { continue };
            let mut b = Builder::default();
            let old: Vec<Value> = population.states.iter().map(|array| b.load(*array, OWN)).collect();
            let mut rest = outside(self.input_signals(population), population.len, self.program.dt);
            let new = run_changes(&mut b, resets, old.clone(), &mut rest, population);
            for (index, array) in population.states.iter().enumerate().filter(|(index, _)| new[*index] != old[*index]) {
                b.store(*array, OWN, new[index]);
            }
            let kernel = self.kernel(format!("{}.reset", population.name), b);
            self.tick.reset.push(Op::OnSpikes { kernel, group });
        }
    }

    /// What events do that are no spikes, once resets are done.
    pub fn events_of_populations(&mut self) {
        let populations: Vec<Population> = self.populations.values().cloned().collect();
        for population in populations.iter().filter(|population| !population.dynamics.events.is_empty()) {
            let mut b = Builder::default();
            let old: Vec<Value> = population.states.iter().map(|array| b.load(*array, OWN)).collect();
            let mut rest = outside(self.input_signals(population), population.len, self.program.dt);
            let (zero, mut new) = (b.number(0.0), old.clone());
            for (event, happens) in population.dynamics.events.iter().zip(&population.happens) {
                let happens = b.load(*happens, OWN);
                let happens = b.compare(Compare::NotEqual, happens, zero);
                for change in &event.changes {
                    let after = run_changes(&mut b, std::slice::from_ref(change), new.clone(), &mut rest, population);
                    let Symbol::State(state) = change.target else { continue };
                    let free = population.held(state).map(|left| {
                        let left = b.load(left, OWN);
                        b.compare(Compare::LessEqual, left, zero)
                    });
                    let changes = free.map_or(happens, |free| b.and(happens, free));
                    new[state] = b.select(changes, after[state], new[state]);
                }
            }
            for (index, array) in population.states.iter().enumerate().filter(|(index, _)| new[*index] != old[*index]) {
                b.store(*array, OWN, new[index]);
            }
            let kernel = self.kernel(format!("{}.events", population.name), b);
            self.tick.reset.push(Op::Kernel { kernel, len: population.len, spikes: None });
        }
    }

    /// A decoder's state starts afresh with each sample.
    pub fn start_afresh(&mut self, population: &Population) {
        for (index, state) in population.dynamics.states.iter().enumerate() {
            let array = population.states[index];
            let op = match self.program.arrays[array.index()].initial {
                Initial::Fill(value) => Op::Fill { array, value },
                Initial::Kernel(kernel) => Op::Kernel { kernel, len: population.len, spikes: None },
                Initial::Tensor { .. } => continue,
            };
            if state.derivative.is_some() || population.dynamics.on_pre.iter().any(|c| c.target == Symbol::State(index))
            {
                self.program.begin.insert(0, op);
            }
        }
    }

    pub fn method_does_not_fit(&mut self, population: &Population, states: &[usize]) {
        let names: Vec<String> =
            states.iter().filter_map(|&state| population.names.get(state)).map(|name| format!("`{name}`")).collect();
        let message = format!("the method of `{}` cannot integrate {}", population.dynamics.name, names.join(", "));
        let span = self.network.graph[population.node].span;
        let text = "its equation is not linear as the method needs it";
        let code = nmc_grammar::codes::Code::E0453;
        self.diagnostics.push(
            nmc_grammar::diagnostic::Diagnostic::new(code, message, span, text)
                .with_help("leave `method` out, or use `method: rk4`"),
        );
    }
}

/// What is left of each hold, and the states that stand still by it. A hold of n ticks is set by the spike and counts down once a
/// tick: the state stands still while ticks are left. It goes on below zero, where it means nothing.
pub(super) fn standing(b: &mut Builder, population: &Population) -> (Vec<Value>, Vec<Still>) {
    let (mut left, mut still) = (Vec::new(), Vec::new());
    for hold in &population.holds {
        let counter = b.load(hold.left, OWN);
        let (ticks, zero) = (count_down(b, counter), b.number(0.0));
        left.push(ticks);
        still.push(Still { states: hold.states.clone(), holds: b.compare(Compare::Greater, ticks, zero) });
    }
    (left, still)
}

fn count_down(b: &mut Builder, counter: Value) -> Value {
    let one = b.number(1.0);
    b.binary(Binary::Subtract, counter, one)
}

fn hold_ticks(
    b: &mut Builder,
    population: &Population,
    duration: &Expr,
    states: &[Value],
    rest: &mut Names,
    dt: f64,
) -> Value {
    let duration = population.closed(duration);
    if let Expr::Number(seconds) = duration {
        return b.number(nmc_program::steps(seconds, dt));
    }
    let ticks = algebra::multiply(duration, Expr::Number(1.0 / dt));
    let ticks = expression::number(b, &mut with_states(states, rest), &ticks);
    // What `steps` does.
    let half = b.number(0.5 + nmc_program::HALF);
    let ticks = b.add(ticks, half);
    b.unary(nmc_program::Unary::Floor, ticks)
}

/// Keeps states within their bounds.
fn bound(b: &mut Builder, population: &Population, values: &mut [Value], rest: &mut Names) {
    (0..population.dynamics.states.len()).for_each(|index| bound_one(b, population, index, values, rest));
}

fn bound_one(b: &mut Builder, population: &Population, index: usize, values: &mut [Value], rest: &mut Names) {
    if let Some((low, high)) = &population.dynamics.states[index].bounds {
        let low = expression::number(b, &mut with_states(values, rest), low);
        let high = expression::number(b, &mut with_states(values, rest), high);
        values[index] = b.clamp(values[index], low, high);
    }
}

/// The values after a list of changes, each seeing those before it.
fn run_changes(
    b: &mut Builder,
    changes: &[Change],
    mut values: Vec<Value>,
    rest: &mut Names,
    population: &Population,
) -> Vec<Value> {
    for change in changes {
        let value = expression::number(b, &mut with_states(&values, rest), &population.closed(&change.value));
        if let Symbol::State(index) = change.target
            && index < population.dynamics.states.len()
        {
            values[index] = value;
            bound_one(b, population, index, &mut values, rest);
        } else {
            b.problems.push(format!("a reset changes {:?}", change.target));
        }
    }
    values
}
