//! Cells of synapses whose device has states: what the pulses of an event do to these, and what they do by themselves.

use nmc_program::{Access, Compare, Draw, Unary, Value};

use super::Lowering;
use super::algebra::linear;
use super::connection::Lowered;
use super::event::{Place, Side};
use super::expression::{self, Names};
use super::integrate::System;
use super::kernel::Builder;
use crate::forms::chip::VOLTS;
use crate::forms::equations::{Expr, Method, State, Symbol};
use crate::forms::network::{Connection, Driven};

impl Driven {
    /// What the states do between pulses, with the weight's equation behind them.
    pub fn at_rest(&self, states: &[State]) -> System {
        let own = |index: usize| states.get(index).filter(|_| self.has(index));
        let all = 0..states.len() + 1;
        System {
            derivatives: all.clone().map(|index| own(index)?.derivative.clone()).collect(),
            noise: all.map(|index| own(index)?.noise.clone()).collect(),
            // Steps in parts are of populations.
            method: self.method.filter(|method| *method != Method::RungeKutta45),
            own: states.len(),
        }
    }
}

impl Lowering<'_> {
    /// Lets the pulses that are due move the states of a cell, as one pulse that lasts as long as all.
    pub(super) fn pulsed_states(
        &mut self,
        b: &mut Builder,
        lowered: &Lowered,
        connection: &Connection,
        now: &mut Vec<(Place, Value)>,
    ) {
        let Some(driven) = connection.driven() else { return };
        let (dt, last) = (self.program.dt, driven.first + driven.derivatives.len());
        let symbol = |index: usize| Symbol::State(index);
        let read = |b: &mut Builder, index: usize| {
            let value = self.value(b, lowered, connection, symbol(index), Side::Synapse, now, dt);
            value.unwrap_or_else(|| b.number(0.0))
        };
        let due = read(b, driven.due);
        let mut states: Vec<Value> = (0..driven.first).map(|_| due).collect();
        states.extend((driven.first..last).map(|index| read(b, index)));
        let (zero, up, down) = (b.number(0.0), b.number(driven.volts.0), b.number(driven.volts.1));
        let rises = b.compare(Compare::Greater, due, zero);
        let volts = b.select(rises, up, down);
        let (many, seconds) = (b.unary(Unary::Absolute, due), b.number(driven.seconds));
        let lasts = b.multiply(many, seconds);
        let part = b.number(1.0 / driven.parts as f64);
        let part = b.multiply(lasts, part);
        let (old, mut joules) = (states.clone(), zero);
        let bounds: Vec<Option<(Expr, Expr)>> =
            (0..last).map(|index| self.bounds(lowered, connection, symbol(index))).collect();
        let mut outside = |b: &mut Builder, name: Symbol| match name == VOLTS {
            true => Some(volts),
            false => self.value(b, lowered, connection, name, Side::Synapse, now, dt),
        };
        let jolts: Vec<Option<Value>> = (0..driven.noise.len())
            .map(|index| {
                let sigma = driven.noise[index].as_ref()?;
                let sigma = expression::number(b, &mut over(driven, &old, &mut outside), sigma);
                let (draw, root) = (b.random(Draw::Normal), b.unary(Unary::SquareRoot, lasts));
                let spread = b.multiply(sigma, root);
                Some(b.multiply(draw, spread))
            })
            .collect();
        for _ in 0..driven.parts {
            let taken = if driven.alone {
                driven.formula(b, &mut states, part, &mut outside)
            } else {
                driven.runge_kutta(b, &mut states, part, &mut outside)
            };
            joules = taken.map_or(joules, |taken| b.add(joules, taken));
            keep_within(b, driven, &bounds, &mut states, &mut outside);
        }
        for (index, jolt) in jolts.into_iter().enumerate() {
            if let Some(jolt) = jolt {
                states[driven.first + index] = b.add(states[driven.first + index], jolt);
            }
        }
        keep_within(b, driven, &bounds, &mut states, &mut outside);
        let free = lowered.plastic.map(|plastic| {
            let plastic = b.load(plastic, Access::Broadcast { offset: 0 });
            b.compare(Compare::NotEqual, plastic, zero)
        });
        let all = driven.joules.as_ref().and_then(|(state, _)| outside(b, symbol(*state)).map(|sum| (*state, sum)));
        let mut moved: Vec<(usize, Value, Value)> = (driven.first..last)
            .filter(|index| driven.derivatives[index - driven.first].is_some())
            .map(|index| (index, old[index], states[index]))
            .collect();
        if let Some((state, before)) = all {
            moved.push((state, before, b.add(before, joules)));
        }
        for (index, before, after) in moved {
            let Some(place) = self.place(lowered, connection, symbol(index), Side::Synapse) else { continue };
            let value = free.map_or(after, |free| b.select(free, after, before));
            now.retain(|(other, _)| *other != place);
            now.push((place, value));
        }
    }

    /// The weight, where the states have these values.
    pub(super) fn weight_in_states(
        &self,
        b: &mut Builder,
        lowered: &Lowered,
        connection: &Connection,
        driven: &Driven,
        states: &[Value],
    ) -> Value {
        let dt = self.program.dt;
        let mut outside =
            |b: &mut Builder, symbol: Symbol| self.value(b, lowered, connection, symbol, Side::Synapse, &[], dt);
        let mut names = over(driven, states, &mut outside);
        let value = expression::number(b, &mut names, &driven.weight);
        let Some((low, high)) = self.bounds(lowered, connection, Symbol::Weight) else { return value };
        let (low, high) = (expression::number(b, &mut names, &low), expression::number(b, &mut names, &high));
        b.clamp(value, low, high)
    }
}

/// Names in which the states of cells have these values.
fn over<'a>(
    driven: &'a Driven,
    values: &'a [Value],
    outside: &'a mut Names,
) -> impl FnMut(&mut Builder, Symbol) -> Option<Value> + 'a {
    move |b, symbol| {
        if let Symbol::State(index) = symbol
            && driven.has(index)
        {
            values.get(index).copied()
        } else {
            outside(b, symbol)
        }
    }
}

fn keep_within(
    b: &mut Builder,
    driven: &Driven,
    bounds: &[Option<(Expr, Expr)>],
    states: &mut [Value],
    outside: &mut Names,
) {
    for (index, bounds) in bounds.iter().enumerate().filter(|(index, _)| driven.has(*index)) {
        let Some((low, high)) = bounds else { continue };
        let low = expression::number(b, &mut over(driven, states, outside), low);
        let high = expression::number(b, &mut over(driven, states, outside), high);
        states[index] = b.clamp(states[index], low, high);
    }
}

impl Driven {
    /// The states that a voltage moves, with their derivatives.
    fn moving(&self) -> impl Iterator<Item = (usize, &Expr)> {
        let all = self.derivatives.iter().enumerate();
        all.filter_map(|(index, derivative)| Some((self.first + index, derivative.as_ref()?)))
    }

    fn watts(&self, b: &mut Builder, states: &[Value], outside: &mut Names) -> Option<Value> {
        let (_, watts) = self.joules.as_ref()?;
        Some(expression::number(b, &mut over(self, states, outside), watts))
    }

    /// Joules of a part that takes these watts, times their weights.
    fn taken(b: &mut Builder, h: Value, watts: &[(Option<Value>, f64)]) -> Option<Value> {
        let mut sum = b.number(0.0);
        for &(watts, weight) in watts {
            let weight = b.number(weight);
            let part = b.multiply(watts?, weight);
            sum = b.add(sum, part);
        }
        Some(b.multiply(sum, h))
    }

    /// States after `h` seconds, each by its formula; gives joules by Simpson's rule.
    fn formula(&self, b: &mut Builder, states: &mut [Value], h: Value, outside: &mut Names) -> Option<Value> {
        let half = b.number(0.5);
        let half = b.multiply(h, half);
        let mut after = |b: &mut Builder, old: &[Value], h: Value| {
            let mut new = old.to_vec();
            for (index, derivative) in self.moving() {
                let Some((slope, drive)) = linear(derivative, Symbol::State(index)) else { continue };
                let slope = expression::number(b, &mut over(self, old, outside), &slope);
                let drive = expression::number(b, &mut over(self, old, outside), &drive);
                let (z, own) = (b.multiply(slope, h), b.multiply(slope, old[index]));
                let (speed, phi) = (b.add(own, drive), b.unary(Unary::Phi1, z));
                let path = b.multiply(speed, h);
                let change = b.multiply(path, phi);
                new[index] = b.add(old[index], change);
            }
            new
        };
        let before = states.to_vec();
        let middle = after(b, &before, half);
        let end = after(b, &before, h);
        states.copy_from_slice(&end);
        let at = [(&before, 1.0), (&middle, 4.0), (&end, 1.0)];
        let watts = at.map(|(states, weight)| (self.watts(b, states, outside), weight / 6.0));
        Self::taken(b, h, &watts)
    }

    /// States after `h` seconds by a step of Runge-Kutta; gives joules.
    fn runge_kutta(&self, b: &mut Builder, states: &mut [Value], h: Value, outside: &mut Names) -> Option<Value> {
        let old = states.to_vec();
        let (mut at, mut sums, mut watts) = (old.clone(), vec![None; old.len()], [(None, 0.0); 4]);
        for (stage, (reach, weight)) in [(0.5, 1.0), (0.5, 2.0), (1.0, 2.0), (0.0, 1.0)].into_iter().enumerate() {
            watts[stage] = (self.watts(b, &at, outside), weight / 6.0);
            let slopes: Vec<(usize, Value)> = self
                .moving()
                .map(|(index, slope)| (index, expression::number(b, &mut over(self, &at, outside), slope)))
                .collect();
            let (share, reach) = (b.number(weight / 6.0), b.number(reach));
            for (index, slope) in slopes {
                let path = b.multiply(slope, h);
                let (part, far) = (b.multiply(path, share), b.multiply(path, reach));
                sums[index] = Some(match sums[index] {
                    Some(sum) => b.add(sum, part),
                    None => part,
                });
                at[index] = b.add(old[index], far);
            }
        }
        for (state, sum) in states.iter_mut().zip(sums) {
            *state = sum.map_or(*state, |sum| b.add(*state, sum));
        }
        Self::taken(b, h, &watts)
    }
}
