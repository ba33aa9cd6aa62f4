//! Populations: arrays of their states, the kernel that advances them and raises spikes, and their resets.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{ArrayId, Group, GroupId, Initial, Inst, Len, Source, Value};
use petgraph::Direction::Incoming;
use petgraph::visit::EdgeRef;

use super::algebra::{self, mentions, substitute};
use super::expression::{self};
use super::integrate::System;
use super::kernel::{Builder, OWN};
use super::{Lowering, Signal};
use crate::forms::equations::{Dynamics, Emission, Expr, Symbol};
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
    /// At most [`MOST_HOLDS`].
    pub holds: Vec<Hold>,
    /// 1 where an event that is no spike happens in this tick, of each of them.
    pub happens: Vec<ArrayId>,
}

/// States that a spike holds for a time.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub states: Vec<usize>,
    /// Ticks left; above 0 the states stand still.
    pub left: ArrayId,
    /// Seconds.
    pub duration: Expr,
}

/// Times that a spike may hold states for; each way in which they may stand still together is worked out.
const MOST_HOLDS: usize = 4;

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
            | Symbol::TimeStep
            | Symbol::Noise => None,
        })
    }

    /// Where the ticks are counted for which a state stands still.
    pub fn held(&self, state: usize) -> Option<ArrayId> {
        self.holds.iter().find(|hold| hold.states.contains(&state)).map(|hold| hold.left)
    }

    /// Its own states and those summed on it, as a system.
    pub fn system(&self) -> System {
        let states = &self.dynamics.states;
        let own = states.iter().map(|state| state.derivative.as_ref().map(|d| self.closed(d)));
        System {
            derivatives: own.chain(self.summed.iter().cloned()).collect(),
            noise: states.iter().map(|state| state.noise.as_ref().map(|factor| self.closed(factor))).collect(),
            method: self.dynamics.method,
            own: states.len(),
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
        | Symbol::TargetIndex
        | Symbol::Noise => None,
    }
}

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
            happens: Vec::new(),
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
            match self.network.given.get(&(population.node, index)) {
                Some(&tensor) => {
                    let given = Initial::Tensor { tensor, start: 0 };
                    self.program.arrays[population.states[index].index()].initial = given;
                }
                None => self.start(population.states[index], &states[index].initial, population),
            }
            // What nothing changes, such as a random parameter, is drawn once and not for each sample.
            self.program.arrays[population.states[index].index()].per_lane = self.changes(population, index);
        }
    }

    /// Whether anything changes a state after the start.
    fn changes(&self, population: &Population, index: usize) -> bool {
        let by_rule = self.network.connections.iter().any(|connection| {
            let ends = [(connection.source, Symbol::Pre(index)), (connection.target, Symbol::Post(index))];
            let changes = |symbol| connection.dynamics.rules().any(|change| change.target == symbol);
            ends.into_iter().any(|(node, symbol)| node == population.node && changes(symbol))
        });
        population.kind == PopulationKind::State || by_rule || !population.dynamics.keeps(index)
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
        let events = population.dynamics.events.iter();
        population.happens = events.map(|_| self.zeros(format!("{name}.happens"), len)).collect();
        let source = match population.dynamics.emission.clone() {
            None => return,
            Some(Emission::Given) => Source::Given,
            Some(Emission::Poisson { .. }) => Source::Poisson { rate: self.zeros(format!("{name}.rate"), len) },
            Some(Emission::Once { .. }) => Source::Once { at: self.zeros(format!("{name}.at"), len) },
            Some(Emission::When { holds, .. }) => {
                for (state, duration) in holds {
                    // Of two holds of one state the last one counts.
                    population.holds.iter_mut().for_each(|hold| hold.states.retain(|other| *other != state));
                    if let Some(hold) = population.holds.iter_mut().find(|hold| hold.duration == duration) {
                        hold.states.push(state);
                    } else {
                        let left = self.zeros(format!("{name}.hold"), len);
                        population.holds.push(Hold { states: vec![state], left, duration });
                    }
                }
                population.holds.retain(|hold| !hold.states.is_empty());
                if population.holds.len() > MOST_HOLDS {
                    let message =
                        format!("a spike of `{name}` holds states for more than {MOST_HOLDS} different times");
                    let span = self.network.graph[population.node].span;
                    let label = "hold more states for the same time";
                    self.diagnostics.push(Diagnostic::new(Code::E0402, message, span, label));
                    population.holds.truncate(MOST_HOLDS);
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
