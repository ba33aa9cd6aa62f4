//! Which of NIR's neurons a population is, by its equations.

use nmc_compiler::algebra::{self, linear, mentions};
use nmc_compiler::forms::equations::{Dynamics, Emission, Expr, Function, Symbol};
use nmc_compiler::forms::network::{NodeId, Operator, PopulationKind};

use super::write::Written;
use super::{Exporter, above};

/// A population as NIR has it; numbers are of each neuron, in seconds and in the units of the program (SI).
#[derive(Debug, Clone)]
pub struct Neurons {
    /// The state that is NIR's `v`, and `i` where there is one.
    pub v: usize,
    pub i: Option<usize>,
    /// One over a second; 0 of integrators.
    pub leak: Vec<f64>,
    /// What one of the input, or of `i`, adds to `v` in a second.
    pub gain: Vec<f64>,
    /// What is added anyway.
    pub constant: Vec<f64>,
    /// Of `i`: its time constant, and what one of the input adds to it in a second.
    pub synapse: Option<(Vec<f64>, Vec<f64>)>,
    /// Threshold and reset.
    pub spike: Option<(Vec<f64>, Vec<f64>)>,
    /// Whether it is the input itself that is compared, in each step: NIR's `Threshold`.
    pub bare: bool,
}

impl Neurons {
    pub fn spikes(&self) -> bool {
        self.spike.is_some()
    }

    /// The node.
    pub fn write(&self, file: &mut Written, name: &str, shape: &[usize]) {
        let over_leak = |values: &[f64]| values.iter().zip(&self.leak).map(|(value, leak)| value / leak).collect();
        if let (true, Some((threshold, _))) = (self.bare, &self.spike) {
            return file.node(name, "Threshold", vec![("threshold", shape.to_vec(), threshold.clone())]);
        }
        let leaky = self.leak.iter().any(|leak| *leak != 0.0);
        let kind = match (leaky, self.synapse.is_some(), self.spikes()) {
            (false, _, false) => "I",
            (false, _, true) => "IF",
            (true, false, false) => "LI",
            (true, false, true) => "LIF",
            (true, true, false) => "CubaLI",
            (true, true, true) => "CubaLIF",
        };
        let mut values: Vec<(&str, Vec<f64>)> = Vec::new();
        if leaky {
            let taus = self.leak.iter().map(|leak| 1.0 / leak).collect();
            values.extend([
                (if self.synapse.is_some() { "tau_mem" } else { "tau" }, taus),
                ("r", over_leak(&self.gain)),
                ("v_leak", over_leak(&self.constant)),
            ]);
        } else {
            values.push(("r", self.gain.clone()));
        }
        if let Some((tau, gain)) = &self.synapse {
            values.push(("tau_syn", tau.clone()));
            values.push(("w_in", gain.iter().zip(tau).map(|(gain, tau)| gain * tau).collect()));
        }
        if let Some((threshold, reset)) = &self.spike {
            values.push(("v_threshold", threshold.clone()));
            values.push(("v_reset", reset.clone()));
        }
        let numbers = values.into_iter().map(|(parameter, values)| (parameter, shape.to_vec(), values)).collect();
        file.node(name, kind, numbers);
    }
}

impl Exporter<'_> {
    /// Finds what NIR calls a population, or says why it has no name for it.
    pub fn find_neurons(&mut self, node: NodeId) {
        let Operator::Population { dynamics, kind } = &self.network.graph[node].operator else { return };
        if *kind != PopulationKind::Neuron || matches!(dynamics.emission, Some(Emission::Given)) {
            if *kind == PopulationKind::Device {
                self.refuse(node, "a device");
            }
            return;
        }
        match self.neurons_of(node, dynamics) {
            Ok(neurons) => drop(self.neurons.insert(node, neurons)),
            Err(why) => self.refuse(node, format!("`{}`: {why}", dynamics.name)),
        }
    }

    fn neurons_of(&self, node: NodeId, dynamics: &Dynamics) -> Result<Neurons, &'static str> {
        const FORM: &str = "NIR's neurons are v' = (v_leak - v + r * x) / tau, or with a current i' = (w_in * x - i) / tau_syn before it";
        const SOURCE: &str = "NIR has no sources of spikes: make them an input, `spikes[n]`";
        if matches!(dynamics.emission, Some(Emission::Poisson { .. } | Emission::Once { .. })) {
            return Err(SOURCE);
        }
        let moving: Vec<usize> =
            (0..dynamics.states.len()).filter(|&state| dynamics.states[state].derivative.is_some()).collect();
        if dynamics.states.iter().any(|state| state.noise.is_some()) {
            return Err("its noise");
        }
        if dynamics.states.iter().any(|state| state.bounds.is_some()) {
            return Err("bounds of its states");
        }
        if let Some(threshold) = bare(dynamics).filter(|_| moving.is_empty()) {
            let threshold = self.each(node, dynamics, threshold).ok_or(FORM)?;
            let none = vec![0.0; threshold.len()];
            let spike = Some((threshold, none.clone()));
            return Ok(Neurons {
                v: usize::MAX,
                i: None,
                leak: none.clone(),
                gain: none.clone(),
                constant: none,
                synapse: None,
                spike,
                bare: true,
            });
        }
        let moves = |expr: &Expr| mentions(expr, &|symbol| matches!(symbol, Symbol::State(s) if moving.contains(&s)));
        let each = |expr: &Expr| self.each(node, dynamics, expr).ok_or(FORM);
        let derivative = |state: usize| dynamics.states[state].derivative.clone().unwrap_or(Expr::Number(0.0));
        let split = |expr: &Expr, symbol: Symbol| linear(expr, symbol).ok_or(FORM);
        let (v, i) = match moving[..] {
            [v] => (v, None),
            // The one that the other reads.
            [a, b] if mentions(&derivative(b), &|symbol| symbol == Symbol::State(a)) => (b, Some(a)),
            [a, b] => (a, Some(b)),
            _ => return Err(FORM),
        };
        let (slope, rest) = split(&derivative(v), Symbol::State(v))?;
        let input = Symbol::Input(0);
        let (gain, constant) = split(&rest, i.map_or(input, Symbol::State))?;
        if [&slope, &gain, &constant].into_iter().any(moves) {
            return Err(FORM);
        }
        let synapse = match i {
            None => None,
            Some(i) => {
                let (slope, rest) = split(&derivative(i), Symbol::State(i))?;
                let (gain, constant) = split(&rest, input)?;
                let (slope, gain, constant) = (each(&slope)?, each(&gain)?, each(&constant)?);
                if slope.iter().any(|slope| *slope >= 0.0) || constant.iter().any(|constant| *constant != 0.0) {
                    return Err(FORM);
                }
                Some((slope.iter().map(|slope| -1.0 / slope).collect(), gain))
            }
        };
        let leak: Vec<f64> = each(&slope)?.iter().map(|slope| -slope).collect();
        let (gain, constant) = (each(&gain)?, each(&constant)?);
        let leaky = leak.iter().all(|leak| *leak > 0.0);
        // Without an input spikes move `v` all the same: by an r of 1.
        let gain = match gain.iter().all(|gain| *gain == 0.0) {
            true if leaky => leak.clone(),
            true => vec![1.0; gain.len()],
            false => gain,
        };
        let whole = leak.iter().all(|leak| *leak == 0.0) && constant.iter().all(|c| *c == 0.0) && synapse.is_none();
        if !leaky && !whole {
            return Err(FORM);
        }
        if !dynamics.events.is_empty() {
            return Err("NIR's neurons have no events besides spikes");
        }
        let spike = match &dynamics.emission {
            None => None,
            Some(Emission::When { condition, edge, resets, holds }) => {
                if holds.iter().any(|(_, duration)| self.number(duration) != Some(0.0)) {
                    return Err("NIR has no refractory time: give it 0");
                }
                let threshold = above(condition, v).filter(|threshold| !moves(threshold) && !edge);
                let threshold = threshold.ok_or("NIR's neurons spike when v > v_threshold")?;
                match &resets[..] {
                    [reset] if reset.target == Symbol::State(v) && !moves(&reset.value) => {
                        Some((each(threshold)?, each(&reset.value)?))
                    }
                    _ => return Err("NIR's neurons do nothing but v = v_reset at a spike"),
                }
            }
            Some(Emission::Poisson { .. } | Emission::Once { .. } | Emission::Given) => return Err(SOURCE),
        };
        for &state in &moving {
            let starts = each(&dynamics.states[state].initial).map_err(|_| "it starts at random")?;
            let rest = |index: usize| if state == v && leaky { constant[index] / leak[index] } else { 0.0 };
            // What readers of NIR begin with.
            let fires_at_zero = |index: usize| {
                state == v
                    && spike.as_ref().is_some_and(|(threshold, _): &(Vec<f64>, Vec<f64>)| threshold[index] <= 0.0)
            };
            let known = |(index, start): (usize, &f64)| match fires_at_zero(index) {
                true => (start - rest(index)).abs() <= 1e-12 * start.abs(),
                false => *start == 0.0,
            };
            if !starts.iter().enumerate().all(known) {
                return Err(
                    "it starts neither from 0 nor, where 0 is above the threshold, from v_leak, and NIR tells no start",
                );
            }
        }
        Ok(Neurons { v, i, leak, gain, constant, synapse, spike, bare: false })
    }

    /// The number that an expression is for each element; none where it moves, or is drawn at random.
    fn each(&self, node: NodeId, dynamics: &Dynamics, expr: &Expr) -> Option<Vec<f64>> {
        if let Some(value) = self.number(expr) {
            return Some(vec![value; self.network.graph[node].len()]);
        }
        let given = |state: usize| self.network.given.get(&(node, state)).map(|&tensor| self.tensor(tensor));
        let known: Vec<Option<Vec<f64>>> = (0..dynamics.states.len()).map(given).collect();
        let one = |element: usize| {
            // Parameters of elements are states that nothing moves, and may start from one another.
            let mut expr = expr.clone();
            for _ in 0..=dynamics.states.len() {
                expr = algebra::substitute(&expr, &|symbol| match symbol {
                    Symbol::State(state) => match &known[state] {
                        Some(values) => Some(Expr::Number(values[element])),
                        None if dynamics.states[state].derivative.is_none() => {
                            Some(dynamics.states[state].initial.clone())
                        }
                        None => None,
                    },
                    Symbol::Index => Some(Expr::Number(element as f64)),
                    Symbol::TimeStep => Some(Expr::Number(self.step)),
                    Symbol::Input(_)
                    | Symbol::Weight
                    | Symbol::Pre(_)
                    | Symbol::Post(_)
                    | Symbol::SourceIndex
                    | Symbol::TargetIndex
                    | Symbol::Time
                    | Symbol::Noise => None,
                });
            }
            algebra::constant(&expr)
        };
        (0..self.network.graph[node].len()).map(one).collect()
    }
}

/// Of neurons that fire in every step in which their only input is above it, and do nothing else: the threshold.
fn bare(dynamics: &Dynamics) -> Option<&Expr> {
    let Some(Emission::When { condition, edge: false, resets, holds }) = &dynamics.emission else { return None };
    let Expr::Call(Function::Less, args) = condition else { return None };
    let [threshold, Expr::Symbol(Symbol::Input(0))] = &args[..] else { return None };
    let changed = |symbol: Symbol| resets.iter().any(|reset| reset.target == symbol);
    let idle = !mentions(threshold, &changed) && holds.is_empty() && dynamics.events.is_empty();
    (idle && dynamics.inputs.len() == 1 && !mentions(threshold, &|symbol| matches!(symbol, Symbol::Input(_))))
        .then_some(threshold)
}
