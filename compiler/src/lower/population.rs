//! Populations: arrays of their states, the kernel that advances them and raises spikes, and their resets.

use nmc_program::{Access, ArrayId, Binary, Compare, Group, GroupId, Initial, Inst, Len, Op, Source, Value};
use petgraph::Direction::Incoming;
use petgraph::visit::EdgeRef;

use super::algebra::{self, mentions, substitute};
use super::expression::{self, Names};
use super::integrate::{System, with_states};
use super::kernel::Builder;
use super::{Lowering, Signal};
use crate::forms::equations::{Change, Dynamics, Emission, Expr, Symbol};
use crate::forms::network::{Edge, NodeId, Operator, PopulationKind};

/// A population's place in the program.
#[derive(Debug, Clone)]
pub(crate) struct Population {
    pub node: NodeId,
    pub name: String,
    pub len: usize,
    pub kind: PopulationKind,
    pub dynamics: Dynamics,
    /// Its own states, then those of its synapses that are summed on it.
    pub states: Vec<ArrayId>,
    pub names: Vec<String>,
    /// Derivatives of the synapse states, over joint state numbers.
    pub summed: Vec<Option<Expr>>,
    /// What synapses add to each input, over joint state numbers.
    pub synaptic: Vec<Vec<Expr>>,
    /// Which inputs a signal feeds, and from where.
    pub fed: Vec<Option<NodeId>>,
    /// The reset touches nothing that events touch, so the update does it.
    pub merged: bool,
    /// Ticks left of each hold: array, and what it is set to.
    pub holds: Vec<(ArrayId, Expr)>,
}

impl Population {
    /// The expression with inputs replaced by signal plus synaptic currents.
    pub fn closed(&self, expr: &Expr) -> Expr {
        substitute(expr, &|symbol| match symbol {
            Symbol::Input(index) => {
                let signal = match self.fed.get(index) {
                    Some(Some(_)) => Expr::Symbol(symbol),
                    Some(None) | None => Expr::Number(0.0),
                };
                let synaptic = self.synaptic.get(index).map_or(&[][..], Vec::as_slice);
                Some(synaptic.iter().fold(signal, |sum, current| algebra::add(sum, current.clone())))
            }
            Symbol::State(_)
            | Symbol::Weight
            | Symbol::Pre(_)
            | Symbol::Post(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Index
            | Symbol::Time
            | Symbol::TimeStep => None,
        })
    }

    /// Its own states and those summed on it, as a system.
    pub fn system(&self) -> System {
        let own = self.dynamics.states.iter().map(|state| state.derivative.as_ref().map(|d| self.closed(d)));
        let held = match &self.dynamics.emission {
            Some(Emission::When { holds, .. }) => holds.iter().map(|(index, _)| *index).collect(),
            Some(Emission::Poisson { .. } | Emission::Once { .. } | Emission::Given) | None => Vec::new(),
        };
        System {
            derivatives: own.chain(self.summed.iter().cloned()).collect(),
            method: self.dynamics.method,
            own: self.dynamics.states.len(),
            held,
        }
    }
}

/// Names in a kernel over the elements of a population, but for its states.
pub(crate) fn outside(
    inputs: Vec<Option<Signal>>,
    len: usize,
    dt: f64,
) -> impl FnMut(&mut Builder, Symbol) -> Option<Value> {
    move |b, symbol| match symbol {
        Symbol::Input(index) => {
            let signal = (*inputs.get(index)?)?;
            Some(b.load(signal.array, signal.access(len)))
        }
        Symbol::Index => Some(b.nullary(Inst::Index)),
        Symbol::Time => Some(b.nullary(Inst::Time)),
        Symbol::TimeStep => Some(b.number(dt)),
        Symbol::State(_)
        | Symbol::Weight
        | Symbol::Pre(_)
        | Symbol::Post(_)
        | Symbol::SourceIndex
        | Symbol::TargetIndex => None,
    }
}

const OWN: Access = Access::Element { offset: 0 };

impl Lowering<'_> {
    /// Arrays for the states of every population, and the groups of those that spike.
    pub fn declare_populations(&mut self) {
        let nodes: Vec<NodeId> = self.network.graph.node_indices().collect();
        for node in nodes {
            let data = &self.network.graph[node];
            if let Operator::Population { dynamics, kind } = &data.operator {
                self.declare_population(node, dynamics.clone(), *kind, data.len());
            }
        }
    }

    fn declare_population(&mut self, node: NodeId, dynamics: Dynamics, kind: PopulationKind, len: usize) {
        let name = self.name(node);
        let mut fed = vec![None; dynamics.inputs.len()];
        for edge in self.network.graph.edges_directed(node, Incoming) {
            if let Edge::Signal { operand } = edge.weight()
                && let Some(slot) = fed.get_mut(*operand)
            {
                *slot = Some(edge.source());
            }
        }
        let mut population = Population {
            node,
            name: name.clone(),
            len,
            kind,
            states: vec![ArrayId(0); dynamics.states.len()],
            names: dynamics.states.iter().map(|state| state.name.clone()).collect(),
            summed: Vec::new(),
            synaptic: vec![Vec::new(); dynamics.inputs.len()],
            fed,
            merged: true,
            holds: Vec::new(),
            dynamics,
        };
        self.declare_states(&mut population);
        self.declare_group(&mut population);
        self.populations.insert(node, population);
    }

    /// States that others start from come first.
    fn declare_states(&mut self, population: &mut Population) {
        let states = population.dynamics.states.clone();
        let depends = |index: &usize| mentions(&states[*index].initial, &|symbol| matches!(symbol, Symbol::State(_)));
        let (later, first): (Vec<usize>, Vec<usize>) = (0..states.len()).partition(depends);
        for index in first.into_iter().chain(later) {
            let name = format!("{}.{}", population.name, states[index].name);
            population.states[index] = self.zeros(name, population.len);
            self.start(population.states[index], &states[index].initial, population);
        }
    }

    /// Sets how a state of a population starts.
    fn start(&mut self, array: ArrayId, initial: &Expr, population: &Population) {
        self.program.arrays[array.index()].initial = match algebra::constant(initial) {
            Some(value) => Initial::Fill(value),
            None => {
                let mut b = Builder::default();
                let states = population.states.clone();
                let mut rest = outside(Vec::new(), population.len, self.program.dt);
                let mut names = |b: &mut Builder, symbol: Symbol| {
                    if let Symbol::State(other) = symbol {
                        return states.get(other).map(|array| b.load(*array, OWN));
                    }
                    rest(b, symbol)
                };
                let value = expression::number(&mut b, &mut names, initial);
                b.store(array, OWN, value);
                let name = format!("{}.start", self.program.arrays[array.index()].name);
                Initial::Kernel(self.kernel(name, b))
            }
        };
    }

    fn declare_group(&mut self, population: &mut Population) {
        let (name, len) = (population.name.clone(), population.len);
        let source = match population.dynamics.emission.clone() {
            None => return,
            Some(Emission::Given) => Source::Given,
            Some(Emission::Poisson { .. }) => Source::Poisson { rate: self.zeros(format!("{name}.rate"), len) },
            Some(Emission::Once { .. }) => Source::Once { at: self.zeros(format!("{name}.at"), len) },
            Some(Emission::When { holds, .. }) => {
                for (_, duration) in holds {
                    if !population.holds.iter().any(|(_, other)| *other == duration) {
                        let array = self.zeros(format!("{name}.hold"), len);
                        population.holds.push((array, duration));
                    }
                }
                Source::Kernel
            }
        };
        let component = self.component();
        self.program.groups.push(Group { name, len, source, component });
        self.groups.insert(population.node, GroupId(self.program.groups.len() as u32 - 1));
    }

    /// The signals that feed a population's inputs.
    pub fn input_signals(&self, population: &Population) -> Vec<Option<Signal>> {
        population.fed.iter().map(|node| node.and_then(|node| self.signals.get(&node).copied())).collect()
    }

    /// Emission and update of every population, in the order of nodes.
    pub fn update_populations(&mut self) {
        let nodes: Vec<NodeId> = self.populations.keys().copied().collect();
        for node in nodes {
            let Some(mut population) = self.populations.get(&node).cloned() else { continue };
            population.merged = !self.reset_meets_events(&population);
            self.populations.insert(node, population.clone());
            self.emit(&population);
            self.update(&population);
            if population.kind == PopulationKind::Decoder {
                self.start_afresh(&population);
            }
        }
    }

    /// What a drawn or timed group emits by.
    fn emit(&mut self, population: &Population) {
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

    fn update(&mut self, population: &Population) {
        let system = population.system();
        let scheme = match system.scheme() {
            Ok(scheme) => scheme,
            Err(states) => return self.method_does_not_fit(population, &states),
        };
        let condition = match &population.dynamics.emission {
            Some(Emission::When { condition, edge, resets, .. }) => Some((population.closed(condition), *edge, resets)),
            Some(Emission::Poisson { .. } | Emission::Once { .. } | Emission::Given) | None => None,
        };
        if scheme.exact.is_empty() && scheme.rest.is_empty() && condition.is_none() {
            return;
        }
        let described = system.describe(&scheme, &population.names);
        if !described.is_empty() {
            self.note(format!("{}: integrated by {described}", population.name));
        }
        let mut b = Builder::default();
        let dt = self.program.dt;
        let mut rest = outside(self.input_signals(population), population.len, dt);
        let old: Vec<Value> = population.states.iter().map(|array| b.load(*array, OWN)).collect();
        let counters: Vec<Value> = population.holds.iter().map(|(array, _)| b.load(*array, OWN)).collect();
        // A hold of n ticks is set by the spike and counts down once a tick: the state stands still while ticks are left.
        // It goes on below zero, where it means nothing.
        let left: Vec<Value> = counters.iter().map(|&counter| count_down(&mut b, counter)).collect();
        let held = left.iter().fold(None, |held, &left| {
            let zero = b.number(0.0);
            let this = b.compare(Compare::Greater, left, zero);
            Some(held.map_or(this, |held| b.or(held, this)))
        });
        let mut new = system.step(&mut b, &scheme, &old, &mut rest, dt, held);
        bound(&mut b, population, &mut new, &mut rest);
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
            for (index, (array, duration)) in population.holds.iter().enumerate() {
                let ticks = hold_ticks(&mut b, population, duration, &new, &mut rest, dt);
                let value = b.select(fires, ticks, left[index]);
                b.store(*array, OWN, value);
            }
            b.spike(fires);
            spikes = self.groups.get(&population.node).copied();
        }
        for (index, array) in population.states.iter().enumerate().filter(|(index, _)| new[*index] != old[*index]) {
            b.store(*array, OWN, new[index]);
        }
        let kernel = self.kernel(format!("{}.update", population.name), b);
        self.tick.update.push(Op::Kernel { kernel, len: population.len, spikes });
    }

    /// True only in the tick in which the condition becomes true.
    fn edge(&mut self, b: &mut Builder, population: &Population, holds: Value) -> Value {
        let before = self.zeros(format!("{}.before", population.name), population.len);
        let (last, zero, one) = (b.load(before, OWN), b.number(0.0), b.number(1.0));
        let was_false = b.compare(Compare::Equal, last, zero);
        let now = b.select(holds, one, zero);
        b.store(before, OWN, now);
        b.and(holds, was_false)
    }

    /// Whether resets touch or read what arrivals or `on post` touch or read; then they must wait for them.
    fn reset_meets_events(&self, population: &Population) -> bool {
        let Some(Emission::When { resets, .. }) = &population.dynamics.emission else { return false };
        let reset_touches = |state: usize| {
            let symbol = Symbol::State(state);
            resets.iter().any(|change| change.target == symbol || mentions(&change.value, &|other| other == symbol))
        };
        self.network.connections.iter().any(|connection| {
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
                | Symbol::TimeStep => false,
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

    /// A decoder's state starts afresh with each sample.
    fn start_afresh(&mut self, population: &Population) {
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

    fn method_does_not_fit(&mut self, population: &Population, states: &[usize]) {
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

    /// An array for a state summed on a population.
    pub fn summed_state(&mut self, node: NodeId, name: String, derivative: Option<Expr>) -> Option<usize> {
        let population = self.populations.get(&node)?;
        let (len, owner) = (population.len, population.name.clone());
        let array = self.array(format!("{owner}.{name}"), Len::Fixed(len), true, Initial::Fill(0.0));
        let population = self.populations.get_mut(&node)?;
        population.states.push(array);
        population.names.push(name);
        population.summed.push(derivative);
        Some(population.states.len() - 1)
    }
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
    let ticks = algebra::multiply(population.closed(duration), Expr::Number(1.0 / dt));
    let ticks = expression::number(b, &mut with_states(states, rest), &ticks);
    b.unary(nmc_program::Unary::Round, ticks)
}

/// Keeps states within their bounds.
fn bound(b: &mut Builder, population: &Population, values: &mut [Value], rest: &mut Names) {
    for (index, state) in population.dynamics.states.iter().enumerate() {
        if let Some((low, high)) = &state.bounds {
            let low = expression::number(b, &mut with_states(values, rest), low);
            let high = expression::number(b, &mut with_states(values, rest), high);
            values[index] = b.clamp(values[index], low, high);
        }
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
            && index < values.len()
        {
            values[index] = value;
        } else {
            b.problems.push(format!("a reset changes {:?}", change.target));
        }
    }
    values
}
