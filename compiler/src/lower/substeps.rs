//! Steps in parts that each element chooses by its own error: Runge-Kutta 4(5) of Dormand and Prince 1980 (J. Comput. Appl. Math. 6:19).
//!
//! A kernel tries one part of the step and is run until nothing of the step is left. Errors are shares of a state's size and of what
//! the part changes it by, so that no unit is needed. Noise is a force that is constant over the step, as in the other stages of
//! Runge-Kutta.

use nmc_program::{ArrayId, Binary, Compare, Initial, Len, Op, Unary, Value};

use super::Lowering;
use super::integrate::{Scheme, System};
use super::kernel::{Builder, OWN};
use super::population::{Population, outside};
use super::step::{End, Start, plus};
use super::update::standing;

/// The error allowed where none is said.
const TOLERANCE: f64 = 1e-6;
/// No part is shorter than this share of the step, whatever its error: a jump in an equation is passed so.
const SHORTEST: f64 = 1e-3;
/// More than can be tried: each part that is not too short shrinks to nine tenths at least, or is taken.
const MOST: u32 = 70_000;

/// What the slopes of earlier stages count for in a stage.
const STAGES: [&[f64]; 7] = [
    &[],
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
/// Of the seven slopes: the solution of order 5, whose last stage is the slope behind it, less that of order 4.
const ERROR: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];

impl Lowering<'_> {
    /// Moves a population's states through the step, before its threshold is looked at. `low`: where small parts are kept.
    pub fn substeps(&mut self, population: &Population, system: &System, scheme: &Scheme, low: &[Option<ArrayId>]) {
        let (dt, len, name) = (self.program.dt, population.len, &population.name);
        let left = self.zeros(format!("{name}.left"), len);
        let proposed = self.array(format!("{name}.part"), Len::Fixed(len), true, Initial::Fill(dt));
        self.tick.update.push(Op::Fill { array: left, value: dt });
        let jolts = self.jolts(population, system, scheme);
        let mut b = Builder::default();
        let mut rest = outside(self.input_signals(population), len, dt);
        let old: Vec<Value> = population.states.iter().map(|array| b.load(*array, OWN)).collect();
        let low_before: Vec<Option<Value>> = low.iter().map(|array| array.map(|array| b.load(array, OWN))).collect();
        let (_, still) = standing(&mut b, population);
        let start = Start { old: &old, low: &low_before, still: &still, dt };
        let (to_do, part) = (b.load(left, OWN), b.load(proposed, OWN));
        // What would be left behind a part that all but ends the step is taken with it.
        let near = b.number(1.001);
        let reach = b.multiply(part, near);
        let ends = b.compare(Compare::GreaterEqual, reach, to_do);
        let part = b.select(ends, to_do, part);
        let sound = scheme.rest.iter().map(|&index| is_finite(&mut b, old[index])).collect::<Vec<Value>>();
        let sound = sound.into_iter().reduce(|a, other| b.and(a, other));
        let part = sound.map_or(part, |sound| b.select(sound, part, to_do));
        let step = b.number(dt);
        let done = b.binary(Binary::Subtract, step, to_do);
        let slopes = system.slopes(&mut b, scheme, &start, (done, part), &jolts, &mut rest);
        let mut end = End { new: old.clone(), low: low_before.clone() };
        let (mut fits, mut worst) = (Vec::new(), Vec::new());
        let tolerance = population.dynamics.tolerance.unwrap_or(TOLERANCE);
        for (position, &index) in scheme.rest.iter().enumerate() {
            let of = |stage: usize| slopes[stage][position];
            let change = weighed(&mut b, STAGES[6], &of, part);
            let value = if start.has_low(index) { change } else { b.add(old[index], change) };
            end.set_unless_still(&mut b, &start, index, value);
            let error = weighed(&mut b, &ERROR, &of, part);
            let begun = b.multiply(of(0), part);
            let reached = b.add(old[index], change);
            let [error, begun, before, after] =
                [error, begun, old[index], reached].map(|value| b.unary(Unary::Absolute, value));
            let size = b.binary(Binary::Maximum, before, after);
            let size = b.add(size, begun);
            let (tolerance, least) = (b.number(tolerance), b.number(1e-36));
            let allowed = b.multiply(size, tolerance);
            let allowed = b.add(allowed, least);
            let share = b.binary(Binary::Divide, error, allowed);
            // Not true of what is no number.
            let one = b.number(1.0);
            fits.push(b.compare(Compare::LessEqual, share, one));
            worst.push(share);
        }
        let shortest = b.number(SHORTEST * dt);
        let is_short = b.compare(Compare::LessEqual, part, shortest);
        let fit = fits.into_iter().reduce(|a, other| b.and(a, other)).unwrap_or(is_short);
        let (whole, taken) = (b.compare(Compare::GreaterEqual, part, to_do), b.or(fit, is_short));
        let hopeless = sound.map(|sound| b.not(sound));
        let taken = hopeless.map_or(taken, |hopeless| b.or(taken, hopeless));
        let factor = growth(&mut b, &worst);
        let grown = b.multiply(part, factor);
        // The end of a step says little of how long a part could be.
        let last = b.load(proposed, OWN);
        let longer = b.binary(Binary::Maximum, grown, last);
        let next = b.select(whole, longer, grown);
        let next = b.select(taken, next, grown);
        let step = b.number(dt);
        let next = b.clamp(next, shortest, step);
        let remains = b.binary(Binary::Subtract, to_do, part);
        let remains = b.select(taken, remains, to_do);
        for (&index, array) in scheme.rest.iter().map(|index| (index, population.states[*index])) {
            let value = b.select(taken, end.new[index], old[index]);
            b.store(array, OWN, value);
            if let (Some(array), Some(before), Some(after)) = (low[index], low_before[index], end.low[index]) {
                let value = b.select(taken, after, before);
                b.store(array, OWN, value);
            }
        }
        b.store(left, OWN, remains);
        b.store(proposed, OWN, next);
        let kernel = self.kernel(format!("{name}.part of a step"), b);
        self.tick.update.push(Op::Substeps { kernel, len, left, most: MOST });
    }

    /// The force that noise is over the step, for each state that has some.
    fn jolts(&mut self, population: &Population, system: &System, scheme: &Scheme) -> Vec<Option<ArrayId>> {
        let mut jolts = vec![None; system.derivatives.len()];
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let mut rest = outside(self.input_signals(population), population.len, dt);
        let old: Vec<Value> = population.states.iter().map(|array| b.load(*array, OWN)).collect();
        let start = Start { old: &old, low: &[], still: &[], dt };
        for &index in &scheme.rest {
            let mut noise = vec![Vec::new(); system.derivatives.len()];
            noise[index] = system.draw(&mut b, scheme, index);
            let Some(value) = system.jolt(&mut b, index, &start, &mut rest, &noise, dt.powf(-0.5)) else { continue };
            let array = self.zeros(format!("{}.{}.noise", population.name, population.names[index]), population.len);
            b.store(array, OWN, value);
            jolts[index] = Some(array);
        }
        if jolts.iter().any(Option::is_some) {
            let kernel = self.kernel(format!("{}.noise", population.name), b);
            self.tick.update.push(Op::Kernel { kernel, len: population.len, spikes: None });
        }
        jolts
    }
}

impl System {
    /// The slopes of the states that move, stage by stage; `done` of the step lies before the part.
    fn slopes(
        &self,
        b: &mut Builder,
        scheme: &Scheme,
        start: &Start,
        (done, part): (Value, Value),
        jolts: &[Option<ArrayId>],
        outside: &mut super::expression::Names,
    ) -> Vec<Vec<Value>> {
        let mut slopes: Vec<Vec<Value>> = Vec::new();
        for weights in STAGES {
            let mut at = start.old.to_vec();
            for (position, &index) in scheme.rest.iter().enumerate().filter(|_| !weights.is_empty()) {
                let change = weighed(b, weights, &|stage| slopes[stage][position], part);
                at[index] = b.add(start.old[index], change);
            }
            let fraction = b.number(weights.iter().sum());
            let within = b.multiply(part, fraction);
            let into = b.add(done, within);
            let mut stage = Vec::new();
            for &index in &scheme.rest {
                let (slope, jolt) = (self.slope(b, index, &at, Some(into), start, outside), jolts[index]);
                let jolt = jolt.map(|array| b.load(array, OWN));
                stage.push(plus(b, slope, jolt));
            }
            slopes.push(stage);
        }
        slopes
    }
}

/// The sum of slopes times their weights, over a time.
fn weighed(b: &mut Builder, weights: &[f64], slope: &dyn Fn(usize) -> Value, time: Value) -> Value {
    let mut sum = None;
    for (stage, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
        let weight = b.number(*weight);
        let product = b.multiply(slope(stage), weight);
        sum = Some(sum.map_or(product, |sum| b.add(sum, product)));
    }
    let sum = sum.unwrap_or_else(|| b.number(0.0));
    b.multiply(sum, time)
}

fn is_finite(b: &mut Builder, value: Value) -> Value {
    let (difference, zero) = (b.binary(Binary::Subtract, value, value), b.number(0.0));
    b.compare(Compare::Equal, difference, zero)
}

/// By how much the next part is longer: the error goes with its fifth power. Where it is no number, a tenth.
fn growth(b: &mut Builder, worst: &[Value]) -> Value {
    let (least, most) = (b.number(1e-10), b.number(1e30));
    let (mut largest, mut known) = (least, None);
    for &share in worst {
        largest = b.binary(Binary::Maximum, largest, share);
        let bounded = b.compare(Compare::Less, share, most);
        known = Some(known.map_or(bounded, |known| b.and(known, bounded)));
    }
    let (fifth, safe) = (b.number(-0.2), b.number(0.9));
    let power = b.unary(Unary::Log, largest);
    let power = b.multiply(power, fifth);
    let factor = b.unary(Unary::Exp, power);
    let factor = b.multiply(factor, safe);
    let (low, high) = (b.number(0.2), b.number(5.0));
    let factor = b.clamp(factor, low, high);
    let tenth = b.number(0.1);
    known.map_or(tenth, |known| b.select(known, factor, tenth))
}
