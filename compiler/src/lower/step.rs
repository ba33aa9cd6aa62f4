//! One time step of a system: the instructions for its new states, where some may stand still and some have noise.
//!
//! White noise enters once a step. Over a step in which all else is linear or held it has an exact distribution, which is
//! drawn; in the stages of Runge-Kutta and in Euler's method it is a force that is constant over the step.

use nmc_program::{Binary, Draw, Unary, Value};

use super::algebra::{self, linear, mentions};
use super::expression;
use super::integrate::{Scheme, System, state, with_states};
use super::kernel::Builder;
use super::polynomial::Polynomial;
use super::propagator::{reached, spread};
use crate::forms::equations::{Expr, Method, Symbol};

/// States that stand still where a condition holds.
#[derive(Debug, Clone)]
pub struct Still {
    pub states: Vec<usize>,
    pub holds: Value,
}

/// What a step is made from.
pub struct Start<'a> {
    /// States at the start of the step.
    pub old: &'a [Value],
    /// For states kept as a sum of two numbers: the small one. See [`System::is_slow`].
    pub low: &'a [Option<Value>],
    pub still: &'a [Still],
    /// Seconds.
    pub dt: f64,
}

/// States at the end of a step, and the small parts of those that have one.
pub struct End {
    pub new: Vec<Value>,
    pub low: Vec<Option<Value>>,
}

/// Nodes and weights of Gauss's rule over a step.
const NODES: [(f64, f64); 4] = [
    (0.069_431_844_202_973_71, 0.173_927_422_568_726_93),
    (0.330_009_478_207_571_9, 0.326_072_577_431_273_07),
    (0.669_990_521_792_428_1, 0.326_072_577_431_273_07),
    (0.930_568_155_797_026_3, 0.173_927_422_568_726_93),
];

/// `z`, and the change of a state `x' = a x + b` over a time h, `(z x + h b) phi1(z)` with `z = h a`; given are h a and h b.
fn relaxed(
    b: &mut Builder,
    start: &Start,
    index: usize,
    (z, drive): (&Polynomial, &Polynomial),
    outside: &mut expression::Names,
) -> (Value, Value) {
    let z = z.clone().emit(b, &mut with_states(start.old, outside));
    let drive = drive.clone().emit(b, &mut with_states(start.old, outside));
    let product = b.multiply(z, start.old[index]);
    let (change, phi) = (b.add(product, drive), b.unary(Unary::Phi1, z));
    (z, b.multiply(change, phi))
}

/// What a state that decays by `slope` gains in a step as `offset`, which drives it, changes by the course of other states: the integral of
/// `exp(slope (dt - s)) (offset(s) - offset(0))`.
fn gained(
    b: &mut Builder,
    start: &Start,
    (slope, offset): (&Expr, &Expr),
    course: &[Vec<Value>],
    outside: &mut expression::Names,
) -> Value {
    let drive = Polynomial::of(offset).times(start.dt);
    let before = drive.clone().emit(b, &mut with_states(start.old, outside));
    let mut sum = b.number(0.0);
    for ((share, weight), at) in NODES.into_iter().zip(course) {
        let then = drive.clone().emit(b, &mut with_states(at, outside));
        let change = b.binary(Binary::Subtract, then, before);
        let z = Polynomial::of(slope).times(start.dt * (1.0 - share)).emit(b, &mut with_states(start.old, outside));
        let (left, weight) = (b.unary(Unary::Exp, z), b.number(weight));
        let left = b.multiply(left, weight);
        let part = b.multiply(change, left);
        sum = b.add(sum, part);
    }
    sum
}

/// The same of several systems that have no state in common.
pub fn each(b: &mut Builder, parts: &[(System, Scheme)], start: &Start, outside: &mut expression::Names) -> End {
    let mut end = End { new: start.old.to_vec(), low: start.low.to_vec() };
    for (system, scheme) in parts {
        let End { new, low } = system.step(b, scheme, start, outside);
        for index in (0..new.len()).filter(|index| system.derivatives[*index].is_some()) {
            (end.new[index], end.low[index]) = (new[index], low[index]);
        }
    }
    end
}

impl System {
    /// New values of all states. `outside` gives everything but the states.
    pub fn step(&self, b: &mut Builder, scheme: &Scheme, start: &Start, outside: &mut expression::Names) -> End {
        let noise: Vec<Vec<Value>> = (0..self.derivatives.len()).map(|index| self.draw(b, scheme, index)).collect();
        let mut end = End { new: start.old.to_vec(), low: start.low.to_vec() };
        let exact = self.exact(b, scheme, start, outside, &noise, start.dt, 1.0);
        for (&index, value) in scheme.exact.iter().zip(exact) {
            end.set(b, start, index, value);
        }
        match scheme.method {
            // Sub-steps have a kernel of their own.
            Method::Exact | Method::RungeKutta45 => {}
            Method::ExponentialEuler => self.exponential_euler(b, scheme, start, &mut end, outside, &noise),
            Method::Euler => {
                for &index in &scheme.rest {
                    let slope = self.slope(b, index, start.old, None, start, outside);
                    let jolt = self.jolt(b, index, start, outside, &noise, start.dt.powf(-0.5));
                    let slope = plus(b, slope, jolt);
                    end.advance(b, start, index, slope, start.dt);
                }
            }
            Method::RungeKutta4 => self.runge_kutta(b, scheme, start, &mut end, outside, &noise),
        }
        end
    }

    /// The draws of a state's noise for this step: for an exact state, one for each that its noise reaches.
    pub(super) fn draw(&self, b: &mut Builder, scheme: &Scheme, index: usize) -> Vec<Value> {
        let count = match (self.noise_of(index), scheme.exact.iter().position(|&other| other == index)) {
            (None, _) => 0,
            (Some(_), None) => 1,
            (Some(_), Some(position)) => {
                let rows = self.rows(&scheme.exact, &[]);
                let matrix: Vec<Vec<f64>> = rows.into_iter().map(|(row, _)| row).collect();
                reached(&matrix, position).len()
            }
        };
        (0..count).map(|_| b.random(Draw::Normal)).collect()
    }

    /// The factor of a state's noise times its first draw and `scale`.
    pub(super) fn jolt(
        &self,
        b: &mut Builder,
        index: usize,
        start: &Start,
        outside: &mut expression::Names,
        noise: &[Vec<Value>],
        scale: f64,
    ) -> Option<Value> {
        let (factor, draw) = (self.noise_of(index)?, *noise[index].first()?);
        let factor = Polynomial::of(factor).times(scale).emit(b, &mut with_states(start.old, outside));
        Some(b.multiply(draw, factor))
    }

    /// The exact states after `h` seconds (of a state with a small part, its change), with a share of the noise of a whole step.
    #[allow(clippy::too_many_arguments)]
    fn exact(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        start: &Start,
        outside: &mut expression::Names,
        noise: &[Vec<Value>],
        h: f64,
        share: f64,
    ) -> Vec<Value> {
        // For each choice of what stands still: the other states move differently then, too.
        let choices = (0..1_usize << start.still.len()).map(|choice| {
            let chosen = start.still.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 1);
            let still: Vec<usize> = chosen.flat_map(|(_, still)| still.states.iter().copied()).collect();
            let solution = self.solution(&scheme.exact, h, &still);
            let values = solution.into_iter().zip(&scheme.exact).map(|(solution, &index)| {
                let own = Polynomial::of(&Expr::Symbol(state(index)));
                let change = if start.has_low(index) { solution.plus(&own, -1.0) } else { solution };
                change.emit(b, &mut with_states(start.old, outside))
            });
            let mut values: Vec<Value> = values.collect();
            self.add_noise(b, scheme, start, outside, noise, (&still, share), &mut values);
            values
        });
        let mut choices: Vec<Vec<Value>> = choices.collect();
        for still in start.still.iter().rev() {
            let set = choices.split_off(choices.len() / 2);
            let merge = |(free, set): (Vec<Value>, Vec<Value>)| {
                free.into_iter().zip(set).map(|(free, set)| b.select(still.holds, set, free)).collect()
            };
            choices = choices.into_iter().zip(set).map(merge).collect();
        }
        choices.pop().unwrap_or_default()
    }

    /// Adds what white noise did in a step to states solved exactly: of each source, normal numbers with the covariance
    /// that it has left in all that it reaches.
    #[allow(clippy::too_many_arguments)]
    fn add_noise(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        start: &Start,
        outside: &mut expression::Names,
        noise: &[Vec<Value>],
        (still, share): (&[usize], f64),
        values: &mut [Value],
    ) {
        let rows = self.rows(&scheme.exact, still);
        let matrix: Vec<Vec<f64>> = rows.into_iter().map(|(row, _)| row).collect();
        for (source, index) in scheme.exact.iter().enumerate().filter(|(_, index)| !still.contains(index)) {
            let Some(factor) = self.noise_of(*index) else { continue };
            let factor = Polynomial::of(factor).times(share);
            let spread = spread(&matrix, source, start.dt);
            for (row, value) in values.iter_mut().enumerate() {
                for (weight, draw) in spread[row].iter().zip(&noise[*index]).filter(|(weight, _)| **weight != 0.0) {
                    let factor = factor.clone().times(*weight).emit(b, &mut with_states(start.old, outside));
                    let jolt = b.multiply(*draw, factor);
                    *value = b.add(*value, jolt);
                }
            }
        }
    }

    /// `x += dt f(x) phi1(dt df/dx)`; with a constant slope `x = x exp(a dt) + b dt phi1(a dt)`. Noise has the variance
    /// `dt phi1(2 dt df/dx)`.
    fn exponential_euler(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        start: &Start,
        end: &mut End,
        outside: &mut expression::Names,
        noise: &[Vec<Value>],
    ) {
        let mut course = None;
        for &index in &scheme.rest {
            let derivative = self.derivatives[index].as_ref();
            let Some((slope, offset)) = derivative.and_then(|d| linear(d, state(index))) else { continue };
            let gained = self.is_driven(scheme, &slope, &offset).then(|| {
                let course = course.get_or_insert_with(|| self.course(b, scheme, start, outside, noise));
                gained(b, start, (&slope, &offset), course, outside)
            });
            let (z, drive) = (Polynomial::of(&slope).times(start.dt), Polynomial::of(&offset).times(start.dt));
            let value = match z.constant() {
                Some(z) => {
                    let decay = if start.has_low(index) { z.exp_m1() } else { z.exp() };
                    let own = Polynomial::of(&Expr::Symbol(state(index))).times(decay);
                    let value = own.plus(&drive, algebra::phi1(z)).emit(b, &mut with_states(start.old, outside));
                    let scale = (start.dt * algebra::phi1(2.0 * z)).sqrt();
                    let jolt = self.jolt(b, index, start, outside, noise, scale);
                    plus(b, value, jolt)
                }
                None => {
                    let (z, mut change) = relaxed(b, start, index, (&z, &drive), outside);
                    if let Some(jolt) = self.jolt(b, index, start, outside, noise, start.dt.sqrt()) {
                        let twice = b.add(z, z);
                        let variance = b.unary(Unary::Phi1, twice);
                        let deviation = b.unary(Unary::SquareRoot, variance);
                        let jolt = b.multiply(jolt, deviation);
                        change = b.add(change, jolt);
                    }
                    if start.has_low(index) { change } else { b.add(start.old[index], change) }
                }
            };
            let value = plus(b, value, gained);
            end.set_unless_still(b, start, index, value);
        }
    }

    /// Whether a state that is linear in itself, with a coefficient that does not move, is driven by states whose course is known. A pinned method
    /// holds what drives it.
    fn is_driven(&self, scheme: &Scheme, slope: &Expr, offset: &Expr) -> bool {
        let known = |symbol: Symbol| matches!(symbol, Symbol::State(n) if scheme.exact.contains(&n) || self.is_alone(scheme, n));
        self.method.is_none() && !self.moves(slope) && mentions(offset, &known)
    }

    /// Whether a state that is not solved with others decays by itself, with coefficients that do not move.
    fn is_alone(&self, scheme: &Scheme, index: usize) -> bool {
        let parts = self.derivatives.get(index).and_then(Option::as_ref).and_then(|d| linear(d, state(index)));
        let alone = parts.is_some_and(|(slope, offset)| !self.moves(&slope) && !self.moves(&offset));
        alone && scheme.rest.contains(&index) && self.noise_of(index).is_none()
    }

    /// All states at the nodes of a step, where they are known; others as they were at its start.
    fn course(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        start: &Start,
        outside: &mut expression::Names,
        noise: &[Vec<Value>],
    ) -> Vec<Vec<Value>> {
        let at = |(share, _): (f64, f64)| {
            let mut at = start.old.to_vec();
            let exact = self.exact(b, scheme, start, outside, noise, start.dt * share, share);
            for (&index, value) in scheme.exact.iter().zip(exact) {
                at[index] = if start.has_low(index) { b.add(at[index], value) } else { value };
            }
            for &index in scheme.rest.iter().filter(|index| self.is_alone(scheme, **index)) {
                let parts = self.derivatives[index].as_ref().and_then(|d| linear(d, state(index)));
                let Some((slope, offset)) = parts else { continue };
                let [z, drive] = [slope, offset].map(|of| Polynomial::of(&of).times(start.dt * share));
                let (_, change) = relaxed(b, start, index, (&z, &drive), outside);
                let value = b.add(start.old[index], change);
                at[index] = match start.stands_still(b, index) {
                    Some(holds) => b.select(holds, start.old[index], value),
                    None => value,
                };
            }
            at
        };
        NODES.into_iter().map(at).collect()
    }

    /// The derivative of a state where states have these values, so many seconds into the step.
    pub(super) fn slope(
        &self,
        b: &mut Builder,
        index: usize,
        at: &[Value],
        into: Option<Value>,
        start: &Start,
        outside: &mut expression::Names,
    ) -> Value {
        let zero = Expr::Number(0.0);
        let slope = self.derivatives[index].as_ref().unwrap_or(&zero);
        let mut outside = |b: &mut Builder, symbol: Symbol| {
            let value = outside(b, symbol)?;
            Some(match into.filter(|_| symbol == Symbol::Time) {
                Some(into) => b.add(value, into),
                None => value,
            })
        };
        let slope = expression::number(b, &mut with_states(at, &mut outside), slope);
        match start.stands_still(b, index) {
            Some(holds) => {
                let zero = b.number(0.0);
                b.select(holds, zero, slope)
            }
            None => slope,
        }
    }

    /// Noise is the same force through all stages of a step.
    fn runge_kutta(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        start: &Start,
        end: &mut End,
        outside: &mut expression::Names,
        noise: &[Vec<Value>],
    ) {
        let (old, dt) = (start.old, start.dt);
        let mut half = old.to_vec();
        let exact = self.exact(b, scheme, start, outside, noise, dt / 2.0, 0.5);
        for (&index, value) in scheme.exact.iter().zip(exact) {
            half[index] = if start.has_low(index) { b.add(old[index], value) } else { value };
        }
        let mut jolts = Vec::new();
        for &index in &scheme.rest {
            jolts.push(self.jolt(b, index, start, outside, noise, dt.powf(-0.5)));
        }
        // Slopes at the start, twice in the middle, at the end.
        let mut slopes: Vec<Vec<Value>> = Vec::new();
        for (fraction, exact) in [(0.0, old.to_vec()), (0.5, half.clone()), (0.5, half), (1.0, end.new.clone())] {
            let mut at = exact;
            for (position, &index) in scheme.rest.iter().enumerate() {
                at[index] = match slopes.last() {
                    Some(last) => {
                        let change = scaled(b, last[position], fraction * dt);
                        b.add(old[index], change)
                    }
                    None => old[index],
                };
            }
            let mut stage = Vec::new();
            for (position, &index) in scheme.rest.iter().enumerate() {
                let into = (fraction > 0.0).then(|| b.number(fraction * dt));
                let slope = self.slope(b, index, &at, into, start, outside);
                stage.push(plus(b, slope, jolts[position]));
            }
            slopes.push(stage);
        }
        for (position, &index) in scheme.rest.iter().enumerate() {
            let two = b.number(2.0);
            let middle = b.add(slopes[1][position], slopes[2][position]);
            let (ends, middle) = (b.add(slopes[0][position], slopes[3][position]), b.multiply(middle, two));
            let sum = b.add(ends, middle);
            end.advance(b, start, index, sum, dt / 6.0);
        }
    }
}

impl Start<'_> {
    pub fn has_low(&self, index: usize) -> bool {
        self.low.get(index).is_some_and(Option::is_some)
    }

    /// Where a state stands still.
    pub fn stands_still(&self, b: &mut Builder, index: usize) -> Option<Value> {
        let holds = self.still.iter().filter(|still| still.states.contains(&index)).map(|still| still.holds);
        holds.reduce(|a, other| b.or(a, other))
    }
}

impl End {
    /// Puts in a state's new value, or its change if it has a small part.
    fn set(&mut self, b: &mut Builder, start: &Start, index: usize, value: Value) {
        let Some(low) = start.low.get(index).copied().flatten() else {
            self.new[index] = value;
            return;
        };
        let change = b.add(value, low);
        let new = b.add(start.old[index], change);
        let taken = b.binary(Binary::Subtract, new, start.old[index]);
        let left = b.binary(Binary::Subtract, change, taken);
        (self.new[index], self.low[index]) = match start.stands_still(b, index) {
            Some(holds) => (b.select(holds, start.old[index], new), Some(b.select(holds, low, left))),
            None => (new, Some(left)),
        };
    }

    /// Likewise, and keeps it where it stands still.
    pub fn set_unless_still(&mut self, b: &mut Builder, start: &Start, index: usize, value: Value) {
        self.set(b, start, index, value);
        if let (false, Some(holds)) = (start.has_low(index), start.stands_still(b, index)) {
            self.new[index] = b.select(holds, start.old[index], self.new[index]);
        }
    }

    fn advance(&mut self, b: &mut Builder, start: &Start, index: usize, slope: Value, h: f64) {
        let change = scaled(b, slope, h);
        let value = if start.has_low(index) { change } else { b.add(start.old[index], change) };
        self.set_unless_still(b, start, index, value);
    }
}

fn scaled(b: &mut Builder, value: Value, scale: f64) -> Value {
    let scale = b.number(scale);
    b.multiply(value, scale)
}

pub(super) fn plus(b: &mut Builder, value: Value, more: Option<Value>) -> Value {
    more.map_or(value, |more| b.add(value, more))
}
