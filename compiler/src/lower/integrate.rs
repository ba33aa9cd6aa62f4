//! The equation engine: how each part of a system of differential equations is stepped; `step` makes the instructions.
//!
//! The largest part that is linear with constant coefficients and depends on nothing else that moves is solved exactly
//! (inputs held over the step). What remains is stepped by exponential Euler when each equation is linear in its own
//! state (all else at its old value, as in Brian2), else by Runge-Kutta 4, in whose stages the exact part has its exact values.

use nmc_program::{Unary, Value};

use super::algebra::{linear, mentions};
use super::expression;
use super::kernel::Builder;
use super::polynomial::Polynomial;
use super::propagator::propagator;
use crate::forms::equations::{Dynamics, Expr, Method, Symbol};

/// A system over `Symbol::State(n)`; all other names are held over a step.
#[derive(Debug, Clone, Default)]
pub struct System {
    /// Derivative of each state; none: it does not move by itself.
    pub derivatives: Vec<Option<Expr>>,
    /// What white noise of its own is multiplied by in the derivative of a state, taken at the start of a step; the states
    /// behind the last have none.
    pub noise: Vec<Option<Expr>>,
    /// A pinned method for the states below `own`; the states of synapses behind them are always exact if they can be.
    pub method: Option<Method>,
    pub own: usize,
}

/// Which states are stepped how.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    /// Solved exactly.
    pub exact: Vec<usize>,
    /// Stepped by `method`.
    pub rest: Vec<usize>,
    pub method: Method,
}

pub(super) fn state(index: usize) -> Symbol {
    Symbol::State(index)
}

impl System {
    /// The system of a connection's states, with the weight's equation behind them or without; where synapse and rule pin different methods one of
    /// each, which takes what is the other's as it is at the start of a step. `noise`: of each derivative, none behind the last.
    pub fn parts(derivatives: &[Option<Expr>], noise: &[Option<Expr>], dynamics: &Dynamics) -> Vec<System> {
        let own = derivatives.len();
        let part = |method, of: &dyn Fn(usize) -> bool| {
            let kept = |all: &[Option<Expr>]| {
                all.iter().enumerate().map(|(state, side)| side.clone().filter(|_| of(state))).collect()
            };
            System { derivatives: kept(derivatives), noise: kept(noise), method, own }
        };
        let of_rule = |state: usize| dynamics.rule_of(state).is_some();
        match &dynamics.rule {
            Some(rule) if rule.method != dynamics.method => {
                vec![part(dynamics.method, &|state| !of_rule(state)), part(rule.method, &of_rule)]
            }
            Some(_) | None => vec![part(dynamics.method, &|_| true)],
        }
    }

    /// Whether nothing in it moves.
    pub fn is_still(&self) -> bool {
        self.derivatives.iter().all(Option::is_none)
    }

    /// The scheme, or the states for which the pinned method is impossible.
    pub fn scheme(&self) -> Result<Scheme, Vec<usize>> {
        let moving = |index: &usize| self.derivatives[*index].is_some();
        let all: Vec<usize> = (0..self.derivatives.len()).filter(moving).collect();
        // What moves in sub-steps moves together.
        if self.method == Some(Method::RungeKutta45) {
            return Ok(Scheme { exact: Vec::new(), rest: all, method: Method::RungeKutta45 });
        }
        let pinned = matches!(self.method, Some(Method::RungeKutta4 | Method::Euler | Method::ExponentialEuler));
        let mut exact: Vec<usize> = all.iter().copied().filter(|&index| !pinned || index >= self.own).collect();
        // Take out what is not linear in the rest until nothing more goes.
        while let Some(position) = exact.iter().position(|&index| self.row(index, &exact).is_none()) {
            exact.remove(position);
        }
        let rest: Vec<usize> = all.into_iter().filter(|index| !exact.contains(index)).collect();
        let own_linear =
            |index: &usize| self.derivatives[*index].as_ref().is_some_and(|d| linear(d, state(*index)).is_some());
        let method = match self.method {
            Some(Method::Exact) if !rest.is_empty() => return Err(rest),
            Some(Method::ExponentialEuler) if !rest.iter().all(own_linear) => {
                return Err(rest.into_iter().filter(|index| !own_linear(index)).collect());
            }
            Some(Method::Exact) => Method::Exact,
            Some(method) => method,
            None if rest.is_empty() => Method::Exact,
            None if rest.iter().all(own_linear) => Method::ExponentialEuler,
            None => Method::RungeKutta4,
        };
        Ok(Scheme { exact, rest, method })
    }

    /// The derivative of a state as constant coefficients of `among` and a remainder that no moving state occurs in.
    fn row(&self, index: usize, among: &[usize]) -> Option<(Vec<f64>, Expr)> {
        let mut remainder = self.derivatives[index].clone()?;
        let mut coefficients = Vec::new();
        for &other in among {
            let (coefficient, rest) = linear(&remainder, state(other))?;
            coefficients.push(Polynomial::of(&coefficient).constant()?);
            remainder = rest;
        }
        let moving = |symbol: Symbol| matches!(symbol, Symbol::State(n) if self.derivatives[n].is_some());
        (!mentions(&remainder, &moving)).then_some((coefficients, remainder))
    }

    /// Whether a state's equation is linear, with coefficients that do not move (but may differ from element to element).
    pub fn is_linear(&self, index: usize) -> bool {
        let Some(mut left) = self.derivatives[index].clone() else { return true };
        for other in 0..self.derivatives.len() {
            match linear(&left, state(other)) {
                Some((coefficient, rest)) if !self.moves(&coefficient) => left = rest,
                Some(_) | None => return false,
            }
        }
        true
    }

    /// Whether anything in it moves within a step.
    pub(super) fn moves(&self, expr: &Expr) -> bool {
        let moving = |symbol: Symbol| {
            let moved = if let Symbol::State(n) = symbol { self.derivatives[n].is_some() } else { false };
            moved || symbol == Symbol::Time
        };
        mentions(expr, &moving)
    }

    /// The exact states after `h` seconds, each as a sum over old values and what drives them, with some standing still.
    pub(super) fn solution(&self, exact: &[usize], h: f64, still: &[usize]) -> Vec<Polynomial> {
        let rows = self.rows(exact, still);
        let matrix: Vec<Vec<f64>> = rows.iter().map(|(row, _)| row.clone()).collect();
        let drives: Vec<Polynomial> = rows.iter().map(|(_, drive)| Polynomial::of(drive)).collect();
        let (old, driven) = propagator(&matrix, h);
        let one = |row: usize| {
            let mut sum = Polynomial::default();
            for (column, &index) in exact.iter().enumerate() {
                sum = sum.plus(&Polynomial::of(&Expr::Symbol(state(index))), old[row][column]);
            }
            (0..exact.len()).fold(sum, |sum, column| sum.plus(&drives[column], driven[row][column]))
        };
        (0..exact.len()).map(one).collect()
    }

    pub(super) fn rows(&self, exact: &[usize], still: &[usize]) -> Vec<(Vec<f64>, Expr)> {
        let row = |&index: &usize| match self.row(index, exact) {
            Some(row) if !still.contains(&index) => row,
            Some(_) | None => (vec![0.0; exact.len()], Expr::Number(0.0)),
        };
        exact.iter().map(row).collect()
    }

    pub(super) fn noise_of(&self, index: usize) -> Option<&Expr> {
        self.noise.get(index)?.as_ref()
    }

    /// Whether a step may move a state by so little of it that single precision loses the change: unless it decays by at
    /// least a ten thousandth. Such a state is kept as the sum of two numbers, the second of which gathers what the first
    /// is too coarse for.
    pub fn is_slow(&self, index: usize, dt: f64) -> bool {
        let derivative = self.derivatives.get(index).and_then(Option::as_ref);
        derivative.is_some_and(|derivative| match linear(derivative, state(index)) {
            Some((slope, _)) => (Polynomial::of(&slope).free_term() * dt).abs() < 1e-4,
            None => true,
        })
    }

    /// `exact`, `exponential Euler`, … for the notes, with the states of each.
    pub fn describe(&self, scheme: &Scheme, names: &[String]) -> String {
        let list = |indices: &[usize]| {
            let names: Vec<&str> = indices.iter().filter_map(|&index| names.get(index)).map(String::as_str).collect();
            names.join(", ")
        };
        let mut parts = Vec::new();
        if !scheme.exact.is_empty() {
            parts.push(format!("exact ({})", list(&scheme.exact)));
        }
        if !scheme.rest.is_empty() {
            let word = match scheme.method {
                Method::Exact => "exact",
                Method::ExponentialEuler => "exponential Euler",
                Method::RungeKutta4 => "Runge-Kutta 4",
                Method::RungeKutta45 => "Runge-Kutta 4(5)",
                Method::Euler => "forward Euler",
            };
            parts.push(format!("{word} ({})", list(&scheme.rest)));
        }
        parts.join(", ")
    }
}

/// Names in which states have these values.
pub fn with_states<'a>(
    values: &'a [Value],
    outside: &'a mut expression::Names,
) -> impl FnMut(&mut Builder, Symbol) -> Option<Value> + 'a {
    move |b, symbol| match symbol {
        Symbol::State(index) => values.get(index).copied(),
        Symbol::Input(_)
        | Symbol::Weight
        | Symbol::Pre(_)
        | Symbol::Post(_)
        | Symbol::SourceIndex
        | Symbol::TargetIndex
        | Symbol::Index
        | Symbol::Time
        | Symbol::TimeStep
        | Symbol::Noise => outside(b, symbol),
    }
}

/// A lone state `x' = a x + b` with constant `a` and `b`, after `elapsed` seconds: for states brought up to date only when looked at.
pub fn after(b: &mut Builder, derivative: &Expr, index: usize, old: Value, elapsed: Value) -> Option<Value> {
    let (rate, drive) = linear(derivative, state(index))?;
    let (rate, drive) = (Polynomial::of(&rate).constant()?, Polynomial::of(&drive).constant()?);
    let factor = b.number(rate);
    let z = b.multiply(elapsed, factor);
    let decay = b.unary(Unary::Exp, z);
    let decayed = b.multiply(old, decay);
    if drive == 0.0 {
        return Some(decayed);
    }
    let (phi, drive) = (b.unary(Unary::Phi1, z), b.number(drive));
    let gained = b.multiply(elapsed, phi);
    let gained = b.multiply(gained, drive);
    Some(b.add(decayed, gained))
}

/// Whether [`after`] can serve this derivative.
pub fn decays_alone(derivative: &Expr, index: usize) -> bool {
    linear(derivative, state(index))
        .is_some_and(|(a, b)| Polynomial::of(&a).constant().is_some() && Polynomial::of(&b).constant().is_some())
}
