//! Whether a step is too long for an explicit method: its error then grows from step to step, however smooth the solution is.
//!
//! The equations are linearised where they start. A method turns a matrix of rates `J` into a polynomial of `step * J`; where the
//! powers of that grow and those of the exact `exp(step * J)` do not, the method is not stable.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::Lowering;
use super::integrate::{Scheme, System};
use super::population::Population;
use super::propagator::{exponential, product};
use crate::algebra::derivative;
use crate::analyse::evaluate::evaluate;
use crate::forms::equations::{Method, Symbol};
use crate::quantity::{Dimension, Quantity};
use crate::units::show;

type Matrix = Vec<Vec<f64>>;

impl Lowering<'_> {
    /// Warns of a population whose method is not stable where it starts.
    pub fn tell_unstable(&mut self, population: &Population, system: &System, scheme: &Scheme) {
        let (word, degree) = match scheme.method {
            Method::Euler => ("forward Euler", 1),
            Method::RungeKutta4 => ("Runge-Kutta 4", 4),
            Method::Exact | Method::ExponentialEuler | Method::RungeKutta45 => return,
        };
        let rates = system.rates(scheme, &population.at_start());
        let dt = self.program.dt;
        if !grows(&rates, dt, degree) {
            return;
        }
        let mut step = dt;
        while grows(&rates, step, degree) && step > 1e-6 * dt {
            step *= 0.9;
        }
        let time = |si| show(Quantity { si, dimension: Dimension::TIME });
        let (short, fastest) = (time(two_digits(step)), time(two_digits(1.0 / radius(&rates))));
        let message = format!("steps of {} are too long for {word} where `{}` starts", time(dt), population.name);
        let label = format!("something in it moves within {fastest}");
        let mut wrong = Diagnostic::new(Code::W0461, message, self.network.graph[population.node].span, label);
        wrong.help = Some(format!(
            "take steps of {short}, `method: exponential_euler` where each equation is linear in its own state, or `method: rk45`"
        ));
        self.diagnostics.push(wrong);
    }
}

impl Population {
    /// The states at the start, random ones at their mean; inputs are 0.
    fn at_start(&self) -> Vec<f64> {
        let mut states = vec![0.0; self.states.len()];
        // Twice, for those that start from others.
        for _ in 0..2 {
            for (index, state) in self.dynamics.states.iter().enumerate() {
                states[index] = evaluate(&state.initial, &[], &states);
            }
        }
        states
    }
}

impl System {
    /// How the slope of each state that moves by the method changes with each of them, per second.
    fn rates(&self, scheme: &Scheme, states: &[f64]) -> Matrix {
        let entry = |row: usize, column: usize| {
            let slope = self.derivatives[row].as_ref().map(|slope| derivative(slope, Symbol::State(column)));
            slope.map_or(0.0, |slope| evaluate(&slope, &[], states))
        };
        scheme.rest.iter().map(|&row| scheme.rest.iter().map(|&column| entry(row, column)).collect()).collect()
    }
}

/// Whether steps of a method of this order grow, which the solution does not.
fn grows(rates: &[Vec<f64>], step: f64, degree: u32) -> bool {
    let scaled: Matrix = rates.iter().map(|row| row.iter().map(|rate| rate * step).collect()).collect();
    // What is no number is told when it runs.
    if scaled.iter().flatten().any(|rate| !rate.is_finite()) {
        return false;
    }
    let mut taken = identity(scaled.len());
    for power in (1..=degree).rev() {
        taken = product(&scaled, &taken);
        for (i, row) in taken.iter_mut().enumerate() {
            row.iter_mut().for_each(|x| *x /= f64::from(power));
            row[i] += 1.0;
        }
    }
    let (taken, exact) = (radius(&taken), radius(&exponential(&scaled)));
    taken > 1.001 && taken > 1.05 * exact
}

fn identity(n: usize) -> Matrix {
    (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect()
}

/// The largest size of an eigenvalue: how powers of a matrix grow.
fn radius(matrix: &[Vec<f64>]) -> f64 {
    const SQUARINGS: i32 = 12;
    let (mut power, mut log) = (matrix.to_vec(), 0.0);
    for squaring in 0..=SQUARINGS {
        let largest = power.iter().flatten().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        if largest == 0.0 || !largest.is_finite() {
            return largest;
        }
        power.iter_mut().flatten().for_each(|x| *x /= largest);
        log += largest.ln() / 2f64.powi(squaring);
        if squaring < SQUARINGS {
            power = product(&power, &power);
        }
    }
    log.exp()
}

fn two_digits(x: f64) -> f64 {
    let unit = 10f64.powf(x.abs().log10().floor() - 1.0);
    (x / unit).floor() * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stability limits of textbooks: 2 and 2.785 for a decay, 2.83 for Runge-Kutta 4 on an oscillation, on which Euler always grows.
    #[test]
    fn limits_are_those_of_textbooks() {
        let decay = |rate: f64| vec![vec![-rate, 0.0], vec![1e-9, -0.01 * rate]];
        let wave = |rate: f64| vec![vec![0.0, 1e6 * rate], vec![-1e-6 * rate, 0.0]];
        for (rates, degree, below, above) in [
            (decay as fn(f64) -> Matrix, 1, 1.99, 2.01),
            (decay, 4, 2.78, 2.79),
            (wave, 4, 2.82, 2.86),
            (wave, 1, 0.04, 0.4),
        ] {
            assert!(!grows(&rates(1000.0 * below), 1e-3, degree) && grows(&rates(1000.0 * above), 1e-3, degree));
        }
        // What grows by itself is no fault of the method.
        assert!(!grows(&[vec![500.0]], 1e-3, 1));
        assert!((radius(&wave(7.0)) - 7.0).abs() < 0.02);
    }
}
