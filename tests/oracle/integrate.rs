//! One step of a system of equations, by the rules of the language's page.

use nmc_compiler::forms::equations::Method;

use crate::dice::Dice;

/// The derivative of state `n` where the states are `x`, so many seconds into the step; none: it does not move.
pub type Derivative<'a> = &'a dyn Fn(usize, &[f64], f64) -> Option<f64>;

/// The same where everything that is no state has values made of one number.
pub type Placed<'a> = &'a dyn Fn(f64, usize, &[f64]) -> Option<f64>;

/// Which states are solved exactly, and how the rest is stepped.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    pub exact: Vec<usize>,
    pub rest: Vec<usize>,
    pub method: Method,
    /// Of the rest: those whose own coefficient does not move (what drives them is followed through the step), and of these, those that nothing
    /// drives which moves.
    pub followed: Vec<usize>,
    pub alone: Vec<usize>,
}

/// A number of any size and sign.
fn any(dice: &mut Dice) -> f64 {
    dice.one(&[-1.0, 1.0]) * 10_f64.powf(dice.number(-4.0, 1.0))
}

/// Finds the scheme by trying: `at(point)` is the system where everything that is no state has values made of `point`.
/// The states from `own` on belong to synapses and are exact whatever method is asked for.
pub fn scheme(len: usize, own: usize, pinned: Option<Method>, at: Placed) -> Scheme {
    const TRIES: usize = 40;
    let mut dice = Dice::new(7);
    // Numbers of every size; and such as membranes, conductances and currents have.
    let tries: Vec<(f64, Vec<f64>)> = (0..TRIES)
        .map(|which| {
            let number = |dice: &mut Dice, membrane: bool| match (which % 2 == 0, membrane) {
                (true, true) => -0.055 + 0.005 * any(dice),
                (true, false) => 1e-9 * any(dice),
                (false, _) => any(dice),
            };
            let place = number(&mut dice, false);
            (place, (0..len).map(|index| number(&mut dice, index < own)).collect())
        })
        .collect();
    let moving: Vec<usize> = (0..len).filter(|&index| at(tries[0].0, index, &tries[0].1).is_some()).collect();
    let f = |place: f64, index: usize, x: &[f64]| at(place, index, x).unwrap_or(0.0);
    // How far a state is moved, by its size.
    let far = |x: f64| if x.abs() < 0.1 { 0.015 } else { 1.25 };
    let at_moved = |row: usize, column: usize, by: f64, (place, x): &(f64, Vec<f64>)| {
        let mut moved = x.clone();
        moved[column] += by;
        f(*place, row, &moved)
    };
    // The slope of f[row] against x[column] at each try with what rounding may have done to it: the same everywhere, or not.
    let slopes = |row: usize, column: usize| -> Vec<(f64, f64)> {
        let slope = |one: &(f64, Vec<f64>)| {
            let by = far(one.1[column]);
            let (here, there) = (at_moved(row, column, 0.0, one), at_moved(row, column, by, one));
            ((there - here) / by, 1e-14 * (here.abs() + there.abs()) / by)
        };
        tries.iter().map(slope).collect()
    };
    let constant = |row: usize, column: usize| {
        let slopes = slopes(row, column);
        let first = slopes.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
        slopes.iter().all(|(slope, noise)| (slope - first).abs() <= 1e-6 * first.abs() + noise)
    };
    let zero = |row: usize, column: usize| slopes(row, column).iter().all(|(slope, noise)| slope.abs() <= *noise);
    // Linear in its own state: the slope may depend on all but that state.
    let linear_in_itself = |row: usize| {
        tries.iter().all(|one| {
            let by = far(one.1[row]);
            let at = |by: f64| at_moved(row, row, by, one);
            let (low, middle, high) = (at(-by), at(0.0), at(2.0 * by));
            let (left, right) = ((middle - low) / by, (high - middle) / (2.0 * by));
            let noise = 1e-14 * (low.abs() + middle.abs() + high.abs()) / by;
            (left - right).abs() <= 1e-6 * left.abs() + noise
        })
    };
    let pins = matches!(pinned, Some(Method::RungeKutta4 | Method::Euler | Method::ExponentialEuler));
    if pinned == Some(Method::RungeKutta45) {
        let (followed, alone) = Default::default();
        return Scheme { exact: Vec::new(), rest: moving, method: Method::RungeKutta45, followed, alone };
    }
    let mut exact: Vec<usize> = moving.iter().copied().filter(|&index| !pins || index >= own).collect();
    let fits = |row: usize, exact: &[usize]| {
        moving.iter().all(|&column| if exact.contains(&column) { constant(row, column) } else { zero(row, column) })
    };
    while let Some(place) = exact.iter().position(|&row| !fits(row, &exact)) {
        exact.remove(place);
    }
    let rest: Vec<usize> = moving.iter().copied().filter(|index| !exact.contains(index)).collect();
    let method = pinned.unwrap_or(match rest.iter().all(|&row| linear_in_itself(row)) {
        _ if rest.is_empty() => Method::Exact,
        true => Method::ExponentialEuler,
        false => Method::RungeKutta4,
    });
    // The same slope whatever the states are, where all else is as it is.
    let stands = |row: usize, column: usize, wanted: Option<f64>| {
        let of_place = |place: f64, fixed: &[f64]| {
            let slopes: Vec<(f64, f64)> = tries
                .iter()
                .map(|(_, x)| {
                    let of = |index: usize| if moving.contains(&index) { x[index] } else { fixed[index] };
                    let (one, by) = ((place, (0..len).map(of).collect()), far(x[column]));
                    let (here, there) = (at_moved(row, column, 0.0, &one), at_moved(row, column, by, &one));
                    ((there - here) / by, 1e-14 * (here.abs() + there.abs()) / by)
                })
                .collect();
            let first = wanted.unwrap_or(slopes.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0);
            slopes.iter().all(|(slope, noise)| (slope - first).abs() <= 1e-6 * first.abs() + noise)
        };
        tries.iter().take(8).all(|(place, fixed)| of_place(*place, fixed))
    };
    let own = |row: &&usize| pinned.is_none() && method == Method::ExponentialEuler && stands(**row, **row, None);
    let followed: Vec<usize> = rest.iter().filter(own).copied().collect();
    let undriven = |row: &&usize| moving.iter().all(|&column| column == **row || stands(**row, column, Some(0.0)));
    let alone = followed.iter().filter(undriven).copied().collect();
    Scheme { exact, rest, method, followed, alone }
}

/// The states after `dt` seconds; those in `still` stand still.
pub fn step(derivative: Derivative, scheme: &Scheme, old: &[f64], still: &dyn Fn(usize) -> bool, dt: f64) -> Vec<f64> {
    let then = |index: usize, x: &[f64], into: f64| {
        if still(index) { 0.0 } else { derivative(index, x, into).unwrap_or(0.0) }
    };
    let f = |index: usize, x: &[f64]| then(index, x, 0.0);
    let mut new = old.to_vec();
    let solved = |seconds: f64| exactly(&scheme.exact, &f, old, seconds);
    let after = solved(dt);
    scheme.exact.iter().for_each(|&index| new[index] = after[index]);
    match scheme.method {
        Method::Exact => {}
        // Within its tolerance.
        Method::RungeKutta45 => {
            let moved: Vec<usize> = scheme.rest.iter().copied().filter(|&index| !still(index)).collect();
            new = exactly(&moved, &f, old, dt);
        }
        Method::Euler => scheme.rest.iter().for_each(|&index| new[index] = old[index] + dt * f(index, old)),
        Method::ExponentialEuler => {
            for &index in scheme.rest.iter().filter(|index| !still(**index)) {
                if scheme.followed.contains(&index) {
                    let mut together = [&scheme.exact[..], &scheme.alone[..]].concat();
                    if !together.contains(&index) {
                        together.push(index);
                    }
                    new[index] = exactly(&together, &f, old, dt)[index];
                    continue;
                }
                let at = |own: f64| {
                    let mut x = old.to_vec();
                    x[index] = own;
                    f(index, &x)
                };
                let slope = at(old[index] + 1.0) - at(old[index]);
                let z = slope * dt;
                let phi = if z.abs() < 1e-6 { 1.0 + z / 2.0 } else { z.exp_m1() / z };
                new[index] = old[index] + dt * f(index, old) * phi;
            }
        }
        Method::RungeKutta4 => {
            let middle = solved(dt / 2.0);
            let stage = |exact: &[f64], slopes: &[f64], seconds: f64| -> Vec<f64> {
                let mut x = exact.to_vec();
                scheme.rest.iter().for_each(|&index| x[index] = old[index] + seconds * slopes[index]);
                (0..x.len()).map(|index| then(index, &x, seconds)).collect()
            };
            let first = stage(old, &vec![0.0; old.len()], 0.0);
            let second = stage(&middle, &first, dt / 2.0);
            let third = stage(&middle, &second, dt / 2.0);
            let fourth = stage(&after, &third, dt);
            for &index in &scheme.rest {
                let sum = first[index] + 2.0 * second[index] + 2.0 * third[index] + fourth[index];
                new[index] = old[index] + dt / 6.0 * sum;
            }
        }
    }
    new
}

/// The states `which` after a time, all else being held: many steps of Runge-Kutta, each a small part of every time constant.
fn exactly(which: &[usize], f: &dyn Fn(usize, &[f64]) -> f64, old: &[f64], seconds: f64) -> Vec<f64> {
    let fastest = which.iter().map(|&index| {
        let mut x = old.to_vec();
        x[index] += 1.0;
        (f(index, &x) - f(index, old)).abs()
    });
    let steps = (seconds * fastest.fold(0.0, f64::max) / 0.004).ceil().clamp(1.0, 1000.0);
    let h = seconds / steps;
    let mut x = old.to_vec();
    for _ in 0..steps as usize {
        let slopes = |x: &[f64]| -> Vec<f64> { which.iter().map(|&index| f(index, x)).collect() };
        let moved = |slopes: &[f64], seconds: f64| {
            let mut y = x.clone();
            which.iter().zip(slopes).for_each(|(&index, slope)| y[index] += seconds * slope);
            y
        };
        let first = slopes(&x);
        let second = slopes(&moved(&first, h / 2.0));
        let third = slopes(&moved(&second, h / 2.0));
        let fourth = slopes(&moved(&third, h));
        for (place, &index) in which.iter().enumerate() {
            x[index] += h / 6.0 * (first[place] + 2.0 * second[place] + 2.0 * third[place] + fourth[place]);
        }
    }
    x
}
