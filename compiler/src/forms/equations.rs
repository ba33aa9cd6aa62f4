//! Closed equations: what a neuron, synapse, rule, device, unit, encoder or decoder is once its parameters are numbers.
//! One form for all of them, so that one equation engine serves all.

use serde::{Deserialize, Serialize};

use crate::quantity::Dimension;

/// What a name in a closed equation stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Symbol {
    /// A state of these dynamics.
    State(usize),
    /// An input of these dynamics, in a connection of its target's; for an elementwise operator or a cell expression, its n-th operand.
    Input(usize),
    /// In a connection: the synapse's weight.
    Weight,
    /// In a connection: a state of the presynaptic population (`pre.v`); in its pattern, weight and delay one that keeps its value.
    Pre(usize),
    /// In a connection: a state of the postsynaptic population (`post.v`); likewise.
    Post(usize),
    /// In a connection's weight or delay: index of the source within its population (`i`).
    SourceIndex,
    /// In a connection's weight or delay: index of the target within its population (`j`).
    TargetIndex,
    /// Index of the element within its population (`index`).
    Index,
    /// Seconds since the start of the run (`t`).
    Time,
    /// The time step in seconds (`dt`).
    TimeStep,
    /// White noise (`xi`); only while an equation is read, then its factor is [`State::noise`].
    Noise,
}

/// A closed expression; every number is in SI units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// A name.
    Symbol(Symbol),
    /// A function of its arguments.
    Call(Function, Vec<Expr>),
}

/// Functions and operators. Truth is 1, falsehood 0, in the type of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Negate,
    Power,
    Minimum,
    Maximum,
    Absolute,
    SquareRoot,
    Exp,
    Log,
    Sin,
    Cos,
    Tanh,
    Floor,
    /// To the nearest integer, ties to even.
    Round,
    Less,
    LessEqual,
    Equal,
    And,
    Or,
    Not,
    /// `Select(c, a, b)`: `a` where `c` is not zero, else `b`.
    Select,
    /// `Uniform(low, high)`: a fresh draw.
    Uniform,
    /// `Normal(mean, sigma)`: a fresh draw. `Normal(mean, sigma, low, high)`: drawn anew while it lies outside.
    Normal,
    /// `Sum(x)`: over the synapses of a connection that reach the same target.
    Sum,
}

impl Function {
    /// Its value at these operands; of a random draw, the mean.
    pub fn value(self, x: &[f64]) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        match self {
            Function::Add => x[0] + x[1],
            Function::Subtract => x[0] - x[1],
            Function::Multiply => x[0] * x[1],
            Function::Divide => x[0] / x[1],
            Function::Negate => -x[0],
            Function::Power => x[0].powf(x[1]),
            // As kernels do: the second of two that are equal, or not numbers.
            Function::Minimum if x[0] < x[1] => x[0],
            Function::Maximum if x[0] > x[1] => x[0],
            Function::Minimum | Function::Maximum => x[1],
            Function::Absolute => x[0].abs(),
            Function::SquareRoot => x[0].sqrt(),
            Function::Exp => x[0].exp(),
            Function::Log => x[0].ln(),
            Function::Sin => x[0].sin(),
            Function::Cos => x[0].cos(),
            Function::Tanh => x[0].tanh(),
            Function::Floor => x[0].floor(),
            Function::Round => x[0].round_ties_even(),
            Function::Less => truth(x[0] < x[1]),
            Function::LessEqual => truth(x[0] <= x[1]),
            Function::Equal => truth(x[0] == x[1]),
            Function::And => truth(x[0] != 0.0 && x[1] != 0.0),
            Function::Or => truth(x[0] != 0.0 || x[1] != 0.0),
            Function::Not => truth(x[0] == 0.0),
            Function::Select if x[0] != 0.0 => x[1],
            Function::Select => x[2],
            Function::Uniform => 0.5 * (x[0] + x[1]),
            Function::Normal | Function::Sum => x[0],
        }
    }

    /// Whether every use of it draws anew.
    pub fn is_random(self) -> bool {
        matches!(self, Function::Uniform | Function::Normal)
    }

    /// Whether it is known where its operands are numbers.
    pub fn folds(self) -> bool {
        !self.is_random() && self != Function::Sum
    }
}

/// A state variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its name in the source.
    pub name: String,
    /// Its dimension.
    pub dimension: Dimension,
    /// Its value at the start; may be random, may use `Index`.
    pub initial: Expr,
    /// Its time derivative (per second); none for a state that only rules change, or a per-element parameter.
    pub derivative: Option<Expr>,
    /// What white noise (per root of a second) is multiplied by in the derivative; taken at the start of a step (Itô).
    pub noise: Option<Expr>,
    /// Closed interval it is kept in.
    pub bounds: Option<(Expr, Expr)>,
}

/// An input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its name in the source.
    pub name: String,
    /// Its dimension.
    pub dimension: Dimension,
    /// The state that synapses which lead to it find as `post.v`, where it says so.
    pub at: Option<usize>,
}

impl Input {
    /// Whether it is what a rule of a connection to a population reads: a signal that was given as a parameter.
    pub fn is_of_rule(&self) -> bool {
        self.name.contains('.')
    }
}

/// `target op value` in a rule; rules run in the order written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What changes: `State`, `Weight`, `Pre` or `Post`.
    pub target: Symbol,
    /// The new value, the old one being available by name (`x += 1` is `x = x + 1`).
    pub value: Expr,
}

/// What is done to every synapse of a connection at intervals, each change to all of them before the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regular {
    /// Seconds; the first time so long after the start.
    pub interval: Expr,
    pub changes: Vec<Change>,
    /// Then synapses for which this holds get another source, at random.
    pub rewire: Option<Expr>,
}

/// What happens in every step in which a condition holds, and is no spike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub condition: Expr,
    pub changes: Vec<Change>,
}

/// How spikes arise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Emission {
    /// When the condition holds: `resets` run, and states are held (nothing moves them) for a duration in seconds.
    /// While a state is held the condition is not tested.
    /// `edge`: only in the tick in which the condition becomes true.
    When { condition: Expr, edge: bool, resets: Vec<Change>, holds: Vec<(usize, Expr)> },
    /// A Poisson process with this rate in hertz.
    Poisson { rate: Expr },
    /// One spike per presentation, at this time in seconds after its start; none if beyond its end.
    Once { at: Expr },
    /// As given by the data: an input port of spikes.
    Given,
}

/// How differential equations are integrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// Linear system with constant coefficients: exact matrix exponential.
    Exact,
    /// Linear in each state by itself: exponential Euler.
    ExponentialEuler,
    /// Classical Runge-Kutta of order 4.
    RungeKutta4,
    /// Runge-Kutta 4(5) of Dormand and Prince, in sub-steps that each element chooses by its error; only when pinned.
    RungeKutta45,
    /// Forward Euler; only when pinned.
    Euler,
}

/// In the equations of a connection: what is its rule's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfRule {
    /// The synapse's block.
    pub synapse: String,
    /// The first of its states; those before are the synapse's.
    pub first: usize,
    /// Whether the equation of the weight is.
    pub weight: bool,
    /// The method that its block pins.
    pub method: Option<Method>,
}

/// A system of equations with its inputs, outputs, events.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Dynamics {
    /// The block's name (`lif_cond`).
    pub name: String,
    /// States in the order written; traces are states too.
    pub states: Vec<State>,
    /// Inputs in the order written.
    pub inputs: Vec<Input>,
    /// Names for expressions over states and inputs, which others may read: `f = 1 / (1 + exp(-u))`.
    pub names: Vec<(String, Expr, Dimension)>,
    /// Named outputs: `current`, `conductance`, `y`, … over states and inputs.
    pub outputs: Vec<(String, Expr)>,
    /// Spikes, if any.
    pub emission: Option<Emission>,
    /// In a neuron: `when … { … }`, in the order written.
    pub events: Vec<Event>,
    /// In a connection: `on pre`, the synapse's changes before the rule's. In a decoder: `on spike`.
    pub on_pre: Vec<Change>,
    /// In a connection: `on post`.
    pub on_post: Vec<Change>,
    /// In a connection: `every 1 s { … }`.
    pub regular: Vec<Regular>,
    /// In a connection: bounds of the weight.
    pub weight_bounds: Option<(Expr, Expr)>,
    /// In a connection: the weight's time derivative (per second), `w' = …`.
    pub weight_derivative: Option<Expr>,
    /// Likewise what white noise is multiplied by in it.
    pub weight_noise: Option<Expr>,
    /// A pinned method; in a connection with a rule, that of the synapse.
    pub method: Option<Method>,
    /// In a connection with a rule.
    pub rule: Option<OfRule>,
    /// The relative error that [`Method::RungeKutta45`] allows in a sub-step.
    pub tolerance: Option<f64>,
}

impl Dynamics {
    /// Every change that rules of a connection make.
    pub fn rules(&self) -> impl Iterator<Item = &Change> {
        let regular = self.regular.iter().flat_map(|regular| &regular.changes);
        self.on_pre.iter().chain(&self.on_post).chain(regular)
    }

    /// What its own spikes do.
    pub fn resets(&self) -> &[Change] {
        match &self.emission {
            Some(Emission::When { resets, .. }) => resets,
            Some(Emission::Poisson { .. } | Emission::Once { .. } | Emission::Given) | None => &[],
        }
    }

    /// What its events that are no spikes do.
    fn happening(&self) -> impl Iterator<Item = &Change> {
        self.events.iter().flat_map(|event| &event.changes)
    }

    /// Every change that events make.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.resets().iter().chain(self.happening()).chain(self.rules())
    }

    /// Every expression in it.
    pub fn expressions(&self) -> Vec<&Expr> {
        let mut all: Vec<&Expr> = self.changes().map(|change| &change.value).collect();
        for state in &self.states {
            all.extend([&state.initial].into_iter().chain(&state.derivative).chain(&state.noise));
            all.extend(state.bounds.iter().flat_map(|(low, high)| [low, high]));
        }
        match &self.emission {
            Some(Emission::When { condition, holds, .. }) => {
                all.push(condition);
                all.extend(holds.iter().map(|(_, duration)| duration));
            }
            Some(Emission::Poisson { rate: expr } | Emission::Once { at: expr }) => all.push(expr),
            Some(Emission::Given) | None => {}
        }
        all.extend(self.events.iter().map(|event| &event.condition));
        all.extend(self.regular.iter().map(|regular| &regular.interval).chain(self.rewires()));
        all.extend(self.outputs.iter().map(|(_, output)| output).chain(self.moves_weight()));
        all.extend(self.weight_bounds.iter().flat_map(|(low, high)| [low, high]));
        all
    }

    /// What is looked at in every step: right sides, and what it gives.
    pub fn in_every_step(&self) -> impl Iterator<Item = &Expr> {
        let sides = (0..self.states.len()).flat_map(|index| self.moves(index));
        sides.chain(self.moves_weight()).chain(self.outputs.iter().map(|(_, output)| output))
    }

    /// The right side of the weight's equation.
    pub fn moves_weight(&self) -> impl Iterator<Item = &Expr> {
        self.weight_derivative.iter().chain(&self.weight_noise)
    }

    /// Whether rules of a connection change its weights.
    pub fn changes_weight(&self) -> bool {
        self.weight_derivative.is_some()
            || self.rules().any(|change| change.target == Symbol::Weight)
            || self.rewires().next().is_some()
    }

    /// Adds a value of each element that nothing changes; gives its number among the states.
    pub fn keep(&mut self, name: String, dimension: Dimension, initial: Expr) -> usize {
        self.states.push(State { name, dimension, initial, derivative: None, noise: None, bounds: None });
        self.states.len() - 1
    }

    /// The right side of a state's equation.
    pub fn moves(&self, index: usize) -> impl Iterator<Item = &Expr> {
        let state = &self.states[index];
        state.derivative.iter().chain(&state.noise)
    }

    /// Whether its own equations and events leave a state as it starts.
    pub fn keeps(&self, index: usize) -> bool {
        let own = |change: &Change| change.target == Symbol::State(index);
        let state = &self.states[index];
        let moved = self.resets().iter().chain(self.happening()).chain(&self.on_pre).any(own);
        state.derivative.is_none() && state.bounds.is_none() && !moved
    }

    /// The rule that a state belongs to, in a connection; the weight's equation is behind the last.
    pub fn rule_of(&self, state: usize) -> Option<&OfRule> {
        let is = |rule: &&OfRule| if state < self.states.len() { state >= rule.first } else { rule.weight };
        self.rule.as_ref().filter(is)
    }

    /// The method that the block of a state pins.
    pub fn method_of(&self, state: usize) -> Option<Method> {
        self.rule_of(state).map_or(self.method, |rule| rule.method)
    }

    /// When synapses of a connection are drawn anew.
    pub fn rewires(&self) -> impl Iterator<Item = &Expr> {
        self.regular.iter().filter_map(|regular| regular.rewire.as_ref())
    }
}
