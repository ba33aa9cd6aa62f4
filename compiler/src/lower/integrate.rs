//! The equation engine: one time step of a system of differential equations.
//!
//! The largest part that is linear with constant coefficients and depends on nothing else that moves is solved exactly
//! (inputs held over the step). What remains is stepped by exponential Euler when each equation is linear in its own
//! state (all else at its old value, as in Brian2), else by Runge-Kutta 4, in whose stages the exact part has its exact values.

use nmc_program::{Unary, Value};

use super::algebra::{self, linear, mentions};
use super::expression;
use super::kernel::Builder;
use super::polynomial::Polynomial;
use super::propagator::propagator;
use crate::forms::equations::{Expr, Method, Symbol};

/// A system over `Symbol::State(n)`; all other names are held over a step.
#[derive(Debug, Clone, Default)]
pub struct System {
    /// Derivative of each state; none: it does not move by itself.
    pub derivatives: Vec<Option<Expr>>,
    /// A pinned method for the states below `own`; the states of synapses behind them are always exact if they can be.
    pub method: Option<Method>,
    pub own: usize,
    /// States whose derivative is off while the element is held.
    pub held: Vec<usize>,
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

fn state(index: usize) -> Symbol {
    Symbol::State(index)
}

impl System {
    /// The scheme, or the states for which the pinned method is impossible.
    pub fn scheme(&self) -> Result<Scheme, Vec<usize>> {
        let moving = |index: &usize| self.derivatives[*index].is_some();
        let all: Vec<usize> = (0..self.derivatives.len()).filter(moving).collect();
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

    /// The exact states after `h` seconds, each as a sum over old values and what drives them.
    /// `frozen`: with the held states standing still.
    fn solution(&self, exact: &[usize], h: f64, frozen: bool) -> Vec<Polynomial> {
        let still = |index: &usize| frozen && self.held.contains(index);
        let rows: Vec<(Vec<f64>, Expr)> = exact
            .iter()
            .map(|&index| match self.row(index, exact) {
                Some(row) if !still(&index) => row,
                Some(_) | None => (vec![0.0; exact.len()], Expr::Number(0.0)),
            })
            .collect();
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

    /// New values of all states. `names` gives everything but the states; `held` is true where held states stand still.
    pub fn step(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        old: &[Value],
        outside: &mut expression::Names,
        dt: f64,
        held: Option<Value>,
    ) -> Vec<Value> {
        let mut new = old.to_vec();
        let (free, frozen) = (self.solution(&scheme.exact, dt, false), self.solution(&scheme.exact, dt, true));
        for (position, &index) in scheme.exact.iter().enumerate() {
            let moved = free[position].emit(b, &mut with_states(old, outside));
            new[index] = match held {
                Some(held) if free[position] != frozen[position] => {
                    let kept = frozen[position].emit(b, &mut with_states(old, outside));
                    b.select(held, kept, moved)
                }
                Some(_) | None => moved,
            };
        }
        match scheme.method {
            Method::Exact => {}
            Method::ExponentialEuler => self.exponential_euler(b, scheme, old, &mut new, outside, dt),
            Method::Euler => {
                for &index in &scheme.rest {
                    let slope = self.slope(b, index, old, outside, None);
                    new[index] = advance(b, old[index], slope, dt);
                }
            }
            Method::RungeKutta4 => self.runge_kutta(b, scheme, old, &mut new, outside, dt, held),
        }
        for &index in scheme.rest.iter().filter(|index| self.held.contains(index)) {
            if let Some(held) = held {
                new[index] = b.select(held, old[index], new[index]);
            }
        }
        new
    }

    /// `x += dt f(x) phi1(dt df/dx)`; with a constant slope `x = x exp(a dt) + b dt phi1(a dt)`.
    fn exponential_euler(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        old: &[Value],
        new: &mut [Value],
        outside: &mut expression::Names,
        dt: f64,
    ) {
        for &index in &scheme.rest {
            let derivative = self.derivatives[index].as_ref();
            let Some((slope, offset)) = derivative.and_then(|d| linear(d, state(index))) else { continue };
            let (z, drive) = (Polynomial::of(&slope).times(dt), Polynomial::of(&offset).times(dt));
            let names = &mut with_states(old, outside);
            new[index] = match z.constant() {
                Some(z) => {
                    let own = Polynomial::of(&Expr::Symbol(state(index))).times(z.exp());
                    own.plus(&drive, algebra::phi1(z)).emit(b, names)
                }
                None => {
                    let (z, drive) = (z.emit(b, names), drive.emit(b, names));
                    let product = b.multiply(z, old[index]);
                    let (change, phi) = (b.add(product, drive), b.unary(Unary::Phi1, z));
                    let change = b.multiply(change, phi);
                    b.add(old[index], change)
                }
            };
        }
    }

    fn slope(
        &self,
        b: &mut Builder,
        index: usize,
        at: &[Value],
        outside: &mut expression::Names,
        held: Option<Value>,
    ) -> Value {
        let zero = Expr::Number(0.0);
        let slope = self.derivatives[index].as_ref().unwrap_or(&zero);
        let slope = expression::number(b, &mut with_states(at, outside), slope);
        match held {
            Some(held) if self.held.contains(&index) => {
                let zero = b.number(0.0);
                b.select(held, zero, slope)
            }
            Some(_) | None => slope,
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn runge_kutta(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        old: &[Value],
        new: &mut [Value],
        outside: &mut expression::Names,
        dt: f64,
        held: Option<Value>,
    ) {
        let mut half = old.to_vec();
        for (position, solution) in self.solution(&scheme.exact, dt / 2.0, false).iter().enumerate() {
            half[scheme.exact[position]] = solution.emit(b, &mut with_states(old, outside));
        }
        // Slopes at the start, twice in the middle, at the end.
        let mut slopes: Vec<Vec<Value>> = Vec::new();
        for (fraction, exact) in [(0.0, old.to_vec()), (0.5, half.clone()), (0.5, half), (1.0, new.to_vec())] {
            let mut at = exact;
            for (position, &index) in scheme.rest.iter().enumerate() {
                at[index] = match slopes.last() {
                    Some(last) => advance(b, old[index], last[position], fraction * dt),
                    None => old[index],
                };
            }
            slopes.push(scheme.rest.iter().map(|&index| self.slope(b, index, &at, outside, held)).collect());
        }
        for (position, &index) in scheme.rest.iter().enumerate() {
            let two = b.number(2.0);
            let middle = b.add(slopes[1][position], slopes[2][position]);
            let (ends, middle) = (b.add(slopes[0][position], slopes[3][position]), b.multiply(middle, two));
            let sum = b.add(ends, middle);
            new[index] = advance(b, old[index], sum, dt / 6.0);
        }
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
                Method::Euler => "forward Euler",
            };
            parts.push(format!("{word} ({})", list(&scheme.rest)));
        }
        parts.join(", ")
    }
}

fn advance(b: &mut Builder, from: Value, slope: Value, h: f64) -> Value {
    let h = b.number(h);
    let change = b.multiply(slope, h);
    b.add(from, change)
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
        | Symbol::TimeStep => outside(b, symbol),
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
