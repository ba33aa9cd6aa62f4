//! Reads of arrays: products with read noise, and what they take.

use nmc_program::{Draw, Matrix};

use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::math::Arithmetic;
use crate::matrix::{Effective, Noise};
use crate::normalised::add_noise;
use crate::random::Key;
use crate::solved::Solved;
use crate::state::{Buffer, Clock, Kernels, Real};
use crate::wires::Solution;

impl<T: Computable + Product> Noise<T> {
    /// Of each lane's inputs, which are squared in place: [lanes, width].
    fn variances(&self, lanes: usize, rows: usize, x: &mut [T]) -> Vec<T> {
        let mut variance = vec![T::default(); lanes * self.width];
        let mut unit = T::UNIT;
        for value in &mut *x {
            *value = unit.multiply(*value, *value);
        }
        T::product(lanes, rows, self.width, x, &self.square, &mut variance);
        variance
    }
}

/// Joules of pairs of rows for one input.
fn of_pairs<T: Real>(x: &[T], pair_energy: &[T], pulses: bool) -> f64 {
    let mut energy = 0.0;
    for (row, of_row) in x.iter().zip(pair_energy.chunks_exact(x.len())) {
        let row = row.wide();
        if row != 0.0 {
            let others = x.iter().zip(of_row);
            energy += match pulses {
                // Rows meet while both pulses last.
                true => {
                    others.map(|(x, joules)| x.wide().clamp(-row.abs(), row.abs()) * joules.wide()).sum::<f64>()
                        * row.signum()
                }
                false => others.map(|(x, joules)| x.wide() * joules.wide()).sum::<f64>() * row,
            };
        }
    }
    energy
}

/// Seconds at which the first read of the first lane is done, from lane to lane, and from read to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    pub first: f64,
    pub lane: f64,
    pub read: f64,
}

/// Where a product reads and writes: array and first element, [rows, positions] and [columns, positions].
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub input: (usize, usize),
    pub output: (usize, usize),
    pub positions: usize,
    /// Number of the first read, and from read to read.
    pub read: usize,
    pub stride: usize,
    pub times: Times,
}

impl Ports {
    /// Of the noise of an array for a vector of inputs: a position of a lane.
    fn key(self, solved: &Solved, vector: usize, clock: Clock) -> Key {
        let (lane, position) = (vector / self.positions, vector % self.positions);
        let (number, sample) = ((self.read + position * self.stride) as u32, clock.sample as u32 + lane as u32);
        let component = solved.array.component;
        Key { seed: clock.seed, component, element: 0, number, tick: clock.tick as u32, sample }
    }
}

/// One product for `lanes` lanes, the sample of lane `l` being `clock.sample + l`. Returns the joules of reading, summed
/// over lanes. The product always spans the same number of lanes for a given phase, so that its bits never depend on the split.
pub fn multiply<T: Computable + Product>(
    matrix: &Matrix,
    effective: &Effective<T>,
    buffers: &mut [Buffer<T>],
    (lanes, used): (usize, usize),
    ports: Ports,
    clock: Clock,
    kernels: &dyn Kernels<T>,
) -> f64 {
    let (rows, cols, positions) = (matrix.rows, matrix.cols, ports.positions);
    let mut x = Vec::with_capacity(lanes * rows * positions);
    for lane in 0..lanes {
        let from = &buffers[ports.input.0].lane(lane)[ports.input.1..ports.input.1 + rows * positions];
        match positions {
            1 => x.extend_from_slice(from),
            _ => by_columns(from, positions, |value| x.push(value)),
        }
    }
    // From here on every position of every lane is a vector of inputs.
    let (lanes, used) = (lanes * positions, used * positions);
    let mut y = vec![T::default(); lanes * cols];
    let Times { first, lane, read } = ports.times;
    let time = |vector: usize| first + (vector / positions) as f64 * lane + (vector % positions) as f64 * read;
    let mut energy = 0.0;
    if let Some(curved) = &effective.curved {
        for (vector, (x, y)) in x.chunks_exact(rows).zip(y.chunks_exact_mut(cols)).take(used).enumerate() {
            let clock = Clock { sample: clock.sample + (vector / positions) as u64, ..clock };
            let number = ports.read + vector % positions * ports.stride;
            energy += curved.read(matrix, kernels, buffers, x, y, (clock, number as u32, time(vector)));
        }
    }
    match &effective.solved {
        _ if effective.curved.is_some() => {}
        None => T::product(lanes, rows, cols, &x, &effective.weights, &mut y),
        Some(solved) => {
            let mut found = Solution::default();
            for (vector, (x, y)) in x.chunks_exact(rows).zip(y.chunks_exact_mut(cols)).take(used).enumerate() {
                let x: Vec<f64> = x.iter().map(|x| x.wide()).collect();
                let read = (ports.key(solved, vector, clock), time(vector));
                let (outputs, watts) = solved.forward::<T>(&x, cols, read, &mut found);
                y.iter_mut().zip(outputs).for_each(|(y, output)| *y = T::of(output));
                energy += watts * solved.joules;
            }
        }
    }
    if !effective.pair_energy.is_empty() {
        let of_lane = |x: &[T]| of_pairs(x, &effective.pair_energy, effective.pulses);
        energy += x.chunks_exact(rows).take(used).map(of_lane).sum::<f64>();
    }
    if !effective.row_energy.is_empty() {
        let mut squares = vec![0.0; rows];
        for lane in x.chunks_exact(rows).take(used) {
            match effective.pulses {
                true => squares.iter_mut().zip(lane).for_each(|(sum, x)| *sum += x.wide().abs()),
                false => squares.iter_mut().zip(lane).for_each(|(sum, x)| *sum += x.wide() * x.wide()),
            }
        }
        energy += squares.iter().zip(&effective.row_energy).map(|(sum, joules)| sum * joules).sum::<f64>();
    }
    if let Some(telegraph) = &effective.telegraph {
        let times: Vec<f64> = (0..used).map(time).collect();
        telegraph.add(clock.seed, &times, &x[..used * rows], &mut y);
    }
    if let Some(shared) = &effective.noise.shared {
        let driven = x.clone();
        let squares = effective.noise.variances(lanes, rows, &mut x);
        let key = |vector: usize| {
            let (lane, position) = (vector / positions, vector % positions);
            let number = (ports.read + position * ports.stride) as u32;
            let (tick, sample) = (clock.tick as u32, clock.sample as u32 + lane as u32);
            Key { seed: clock.seed, component: matrix.component, element: 0, number, tick, sample }
        };
        add_noise(shared, (&driven, &squares), &mut y, used, key);
    } else if effective.noise.width > 0 {
        let mut unit = T::UNIT;
        let variance = effective.noise.variances(lanes, rows, &mut x);
        let width = effective.noise.width;
        // Few numbers at a time are dear: those of all positions are drawn together.
        let mut normals = vec![T::default(); width * positions];
        let vectors = y.chunks_exact_mut(cols).zip(variance.chunks_exact(width)).take(used);
        for (vector, (values, variances)) in vectors.enumerate() {
            let (lane, position) = (vector / positions, vector % positions);
            if position == 0 {
                let (component, tick, sample) =
                    (matrix.component, clock.tick as u32, clock.sample as u32 + lane as u32);
                let key = Key { seed: clock.seed, component, element: 0, number: ports.read as u32, tick, sample };
                T::draw_all(key, Draw::Normal, &mut normals);
            }
            let normals = &normals[position * width..(position + 1) * width];
            for ((value, variance), normal) in values.iter_mut().zip(variances).zip(normals) {
                let sigma = unit.square_root(*variance);
                let noise = unit.multiply(sigma, *normal);
                *value = unit.add(*value, noise);
            }
            if width > cols {
                let noise = T::of(variances[cols].wide().sqrt() * normals[cols].wide());
                values.iter_mut().for_each(|value| *value = unit.add(*value, noise));
            }
        }
    }
    for (lane, y) in y.chunks_exact(cols * positions).enumerate() {
        let to = &mut buffers[ports.output.0].lane_mut(lane)[ports.output.1..ports.output.1 + cols * positions];
        let mut into = to.iter_mut();
        match positions {
            1 => to.copy_from_slice(y),
            _ => by_columns(y, cols, |value| into.next().into_iter().for_each(|into| *into = value)),
        }
    }
    energy
}

/// One product with the transpose for `lanes` lanes: columns are driven with shares of full range, rows read. Returns the sum over `used`
/// lanes of what columns at full range would conduct, times the square of their share (or, of pulses, the share): in siemens.
pub fn transposed<T: Computable + Product>(
    matrix: &Matrix,
    effective: &Effective<T>,
    buffers: &mut [Buffer<T>],
    (lanes, used): (usize, usize),
    ports: Ports,
    clock: Clock,
) -> f64 {
    let (rows, cols, positions) = (matrix.rows, matrix.cols, ports.positions);
    // Every position of every lane is a vector of inputs: [columns, vectors].
    let vectors = lanes * positions;
    let mut driven = vec![T::default(); cols * vectors];
    for lane in 0..lanes {
        let from = &buffers[ports.input.0].lane(lane)[ports.input.1..ports.input.1 + cols * positions];
        for (into, from) in driven.chunks_exact_mut(vectors).zip(from.chunks_exact(positions)) {
            into[lane * positions..(lane + 1) * positions].copy_from_slice(from);
        }
    }
    let mut siemens = 0.0;
    for (driven, column) in driven.chunks_exact(vectors).zip(&effective.column_siemens) {
        let used = driven[..used * positions].iter().map(|share| share.wide());
        siemens += column
            * match effective.pulses {
                true => used.map(f64::abs).sum::<f64>(),
                false => used.map(|share| share * share).sum::<f64>(),
            };
    }
    let mut read = vec![T::default(); rows * vectors];
    match &effective.solved {
        None => T::product(rows, cols, vectors, &effective.weights, &driven, &mut read),
        Some(solved) => {
            let mut found = Solution::default();
            for vector in 0..used * positions {
                let of_vector = driven.iter().skip(vector).step_by(vectors);
                let of_vector: Vec<f64> = of_vector.map(|share| share.wide()).collect();
                let key = ports.key(solved, vector, clock);
                let rows = solved.backward::<T>(&of_vector, rows, key, &mut found);
                let into = read.iter_mut().skip(vector).step_by(vectors);
                into.zip(rows).for_each(|(into, row)| *into = T::of(row));
            }
        }
    }
    let width = effective.noise.width;
    if width > 0 {
        // What columns share is driven with all they are driven with.
        if width > cols {
            let sum = |vector: usize| driven.iter().skip(vector).step_by(vectors).map(|share| share.wide()).sum();
            let shared: Vec<T> = (0..vectors).map(|vector| T::of(sum(vector))).collect();
            driven.extend(shared);
        }
        driven.iter_mut().for_each(|share| *share = T::of(share.wide() * share.wide()));
        let mut variance = vec![T::default(); rows * vectors];
        T::product(rows, width, vectors, &effective.noise.square, &driven, &mut variance);
        let mut normals = vec![T::default(); rows * positions];
        for lane in 0..used {
            let (component, tick, sample) = (matrix.component, clock.tick as u32, clock.sample as u32 + lane as u32);
            let key = Key { seed: clock.seed, component, element: 0, number: ports.read as u32, tick, sample };
            T::draw_all(key, Draw::Normal, &mut normals);
            for row in 0..rows {
                for position in 0..positions {
                    let at = row * vectors + lane * positions + position;
                    let sigma = variance[at].wide().max(0.0).sqrt();
                    read[at] = T::of(read[at].wide() + sigma * normals[row * positions + position].wide());
                }
            }
        }
    }
    for lane in 0..lanes {
        let to = &mut buffers[ports.output.0].lane_mut(lane)[ports.output.1..ports.output.1 + rows * positions];
        for (to, read) in to.chunks_exact_mut(positions).zip(read.chunks_exact(vectors)) {
            to.copy_from_slice(&read[lane * positions..(lane + 1) * positions]);
        }
    }
    siemens
}

/// The elements of a matrix of so many columns, column by column.
fn by_columns<T: Copy>(matrix: &[T], columns: usize, mut give: impl FnMut(T)) {
    for column in 0..columns {
        matrix.iter().skip(column).step_by(columns).for_each(|&value| give(value));
    }
}
