//! Updates of weights: exact, or by pulses that move the cells they meet.

use std::ops::Range;

use nmc_program::{
    ArrayId, Cells, Draw, Factor, HalfSelected, Layer, Learner, Learning, Matrix, MatrixId, Program, Pulsed, Scheme,
    Update,
};

use crate::arrays;
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::lanes::{Lanes, Shared};
use crate::math::Arithmetic;
use crate::matrix::{self, Fitted};
use crate::passive;
use crate::random::Key;
use crate::state::{Buffer, Clock};
use crate::transfer::{follow, transfer};

/// Changes the weights of every layer by `rate` times the gradient summed over the batch, whose first sample has this number, and which is this
/// stretch of what its phase presents.
pub fn update<T: Computable + Product>(
    shared: &mut Shared<T>,
    learning: &Learning,
    lanes: &mut Lanes<T>,
    rate: f64,
    (presented, number): (Range<u64>, u64),
    pool: Option<&rayon::ThreadPool>,
) {
    let mut rounds = 0;
    let mut fold = false;
    for layer in &learning.layers {
        bias(layer, lanes, rate);
        for learner in &layer.matrices {
            let (updated, pulsed) = match (&learner.fast, &learner.pulsed) {
                (Some(fast), _) => (fast.matrix, &fast.pulsed),
                (None, Some(pulsed)) => (learner.matrix, pulsed),
                (None, None) => {
                    exact(shared, layer, learner, lanes, rate);
                    continue;
                }
            };
            let Some(mut hits) = Hits::on(shared.program, &shared.fitted, updated, pulsed) else { continue };
            fold |= !hits.direct;
            let mut clock = Clock { seed: shared.seed, tick: 0, sample: number, time: 0.0 };
            match layer.update {
                Update::Stochastic { length } => {
                    for lane in 0..lanes.used {
                        clock.sample = number + lane as u64;
                        for factor in &layer.factors {
                            for position in 0..factor.positions {
                                let (x, d) = vectors(factor, learner, hits.matrix, lanes, (lane, position));
                                hits.trains(shared, lanes, (&x, &d), rate, length, clock, &mut rounds);
                            }
                        }
                    }
                }
                Update::Nearest { .. } | Update::Kept { .. } | Update::Sign => {
                    let counts = counts(layer, learner, hits.matrix, pulsed, lanes, rate);
                    let open = counts.into_iter().enumerate().filter(|(_, count)| *count != 0).collect();
                    hits.counted(shared, lanes, open, clock, &mut rounds);
                }
            }
            hits.followed(shared, &lanes.buffers);
            if let Some(fast) = &learner.fast {
                fold |= transfer(shared, lanes, learner, fast, &learning.ranges, (&presented, number), &mut rounds);
            }
        }
    }
    if fold {
        shared.matrices = arrays::renewed(shared, &mut lanes.buffers, pool);
    }
}

/// The bias is a number of a digital unit.
fn bias<T: Computable + Product>(layer: &Layer, lanes: &mut Lanes<T>, rate: f64) {
    let Some(bias) = layer.bias else { return };
    let positions = layer.positions;
    for output in 0..layer.outputs {
        let of_lane = |factor: &Factor, lane: usize| -> f64 {
            let at = factor.columns.1 + output * factor.positions;
            let all = &lanes.buffers[factor.columns.0.index()].lane(lane)[at..at + factor.positions];
            all.iter().map(|value| value.wide()).sum()
        };
        let factors = layer.factors.iter().filter(|factor| !factor.turned);
        let sum: f64 = factors.flat_map(|factor| (0..lanes.used).map(move |lane| of_lane(factor, lane))).sum();
        let change = if layer.update == Update::Sign { sign(sum) * rate * lanes.used as f64 } else { rate * sum };
        for value in &mut lanes.buffers[bias.index()].lane_mut(0)[output * positions..(output + 1) * positions] {
            *value = T::of(value.wide() - change);
        }
    }
}

/// -1, 0 or 1.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

/// What the rows and columns of a block see of a sample at a position.
fn vectors<T: Computable + Product>(
    &Factor { rows, columns, positions, .. }: &Factor,
    learner: &Learner,
    matrix: &Matrix,
    lanes: &Lanes<T>,
    (lane, position): (usize, usize),
) -> (Vec<T>, Vec<T>) {
    let take = |(array, start): (ArrayId, usize), first: usize, len: usize| {
        let all = &lanes.buffers[array.index()].lane(lane)[start + first * positions..];
        match positions {
            1 => all[..len].to_vec(),
            positions => all.iter().skip(position).step_by(positions).take(len).copied().collect(),
        }
    };
    let mut x = take(rows, learner.input_start, matrix.rows);
    if let Some(signs) = matrix.cells.as_ref().and_then(|cells| cells.signs) {
        let signs = lanes.buffers[signs.index()].lane(0);
        x.iter_mut().zip(signs).for_each(|(x, sign)| *x = T::of(x.wide() * sign.wide()));
    }
    (x, take(columns, learner.output_start, matrix.cols))
}

/// Adds so many times the gradient of a block, of every sample of the batch: [rows, cols].
fn gradient<T: Computable + Product>(
    layer: &Layer,
    learner: &Learner,
    matrix: &Matrix,
    lanes: &Lanes<T>,
    times: f64,
    into: &mut [T],
) {
    let (mut unit, times) = (T::UNIT, T::of(times));
    for (lane, factor) in (0..lanes.used).flat_map(|lane| layer.factors.iter().map(move |factor| (lane, factor))) {
        for position in 0..factor.positions {
            let (x, d) = vectors(factor, learner, matrix, lanes, (lane, position));
            for (x, row) in x.iter().zip(into.chunks_exact_mut(matrix.cols)) {
                let x = unit.multiply(*x, times);
                if x.wide() != 0.0 {
                    for (sum, d) in row.iter_mut().zip(&d) {
                        let more = unit.multiply(x, *d);
                        *sum = unit.add(*sum, more);
                    }
                }
            }
        }
    }
}

/// Weights that are numbers.
fn exact<T: Computable + Product>(
    shared: &mut Shared<T>,
    layer: &Layer,
    learner: &Learner,
    lanes: &Lanes<T>,
    rate: f64,
) {
    let matrix = &shared.program.matrices[learner.matrix.index()];
    let weights = &mut shared.matrices[learner.matrix.index()].weights;
    if layer.update == Update::Sign {
        let mut sums = vec![T::default(); weights.len()];
        gradient(layer, learner, matrix, lanes, 1.0, &mut sums);
        let step = rate * lanes.used as f64;
        weights.iter_mut().zip(&sums).for_each(|(w, sum)| *w = T::of(w.wide() - step * sign(sum.wide())));
        return;
    }
    gradient(layer, learner, matrix, lanes, -rate, weights);
}

/// Pulses of each weight for a batch, less than 0 for those that go down: [rows, cols].
fn counts<T: Computable + Product>(
    layer: &Layer,
    learner: &Learner,
    matrix: &Matrix,
    pulsed: &Pulsed,
    lanes: &mut Lanes<T>,
    rate: f64,
) -> Vec<i32> {
    let mut sums = vec![T::default(); matrix.rows * matrix.cols];
    gradient(layer, learner, matrix, lanes, -rate / pulsed.step, &mut sums);
    let wanted = sums.iter().map(|sum| sum.wide());
    match (layer.update, learner.kept) {
        (Update::Sign, _) => wanted.map(|wanted| sign(wanted) as i32).collect(),
        (Update::Kept { most }, Some(kept)) => {
            let kept = lanes.buffers[kept.index()].lane_mut(0);
            wanted.zip(kept).map(|(wanted, kept)| whole(wanted, kept, pulsed.step, most)).collect()
        }
        (Update::Nearest { most } | Update::Stochastic { length: most } | Update::Kept { most }, _) => {
            wanted.map(|wanted| wanted.round().clamp(-f64::from(most), f64::from(most)) as i32).collect()
        }
    }
}

/// Whole pulses of so many that are wanted and what is kept, which then is what is left.
pub fn whole<T: Computable>(wanted: f64, kept: &mut T, step: f64, most: u32) -> i32 {
    let (all, most) = (wanted + kept.wide() / step, f64::from(most));
    let count = all.trunc().clamp(-most, most);
    *kept = T::of((all - count) * step);
    count as i32
}

/// Cells of a matrix that get a pulse at the same time.
pub struct Hits<'a, T> {
    index: usize,
    matrix: &'a Matrix,
    cells: &'a Cells,
    pulsed: &'a Pulsed,
    /// What its pulses do to others on their lines, where these see a part of them.
    half: Option<&'a HalfSelected>,
    /// Of an effective weight a siemens.
    scale: f64,
    /// Whether weights follow conductances at once.
    pub direct: bool,
    /// Number of each cell, and of its weight; 1 where it goes up, -1 where it goes down.
    cell: Vec<u32>,
    weight: Vec<u32>,
    up: Vec<T>,
}

impl<'a, T: Computable + Product> Hits<'a, T> {
    /// None yet; without cells there are none.
    pub fn on(program: &'a Program, fitted: &[Fitted], id: MatrixId, pulsed: &'a Pulsed) -> Option<Self> {
        let index = id.index();
        let matrix = &program.matrices[index];
        let cells = matrix.cells.as_ref()?;
        let scale = matrix::scale(program, matrix, cells, fitted);
        // What cells give just after a pulse is what they hold, unless they drift or wires resist.
        let direct = cells.aged == cells.conductance && !arrays::is_wired(program, id);
        let half = cells.written.as_ref().and_then(|written| written.half_selected.as_ref());
        let half = half.filter(|half| half.floating.is_none());
        let (cell, weight, up) = (Vec::new(), Vec::new(), Vec::new());
        Some(Hits { index, matrix, cells, pulsed, half, scale, direct, cell, weight, up })
    }

    /// Pulse trains on rows and columns for one outer product: where both are on in a slot, the cell gets a pulse. Probabilities share the
    /// wanted number of pulses evenly, and trains are as short as the largest update allows.
    #[allow(clippy::too_many_arguments)]
    pub fn trains(
        &mut self,
        shared: &mut Shared<T>,
        lanes: &mut Lanes<T>,
        (x, d): (&[T], &[T]),
        rate: f64,
        length: u32,
        clock: Clock,
        rounds: &mut u32,
    ) {
        let largest = |values: &[T]| values.iter().fold(0.0, |most, value| f64::max(most, value.wide().abs()));
        let (x_most, d_most) = (largest(x), largest(d));
        let wanted = rate * x_most * d_most / self.pulsed.step;
        if !(wanted > 0.0 && wanted.is_finite()) {
            return;
        }
        let slots = (wanted.ceil() as u32).clamp(1, length.max(1)) as usize;
        let each = (rate / (self.pulsed.step * slots as f64)).sqrt();
        let balance = (d_most / x_most).sqrt();
        let draw = |values: &[T], factor: f64, number: u32| {
            let mut uniform = vec![T::default(); values.len() * slots];
            let (component, tick, sample) = (self.pulsed.component, *rounds, clock.sample as u32);
            let key = Key { seed: clock.seed, component, element: 0, number, tick, sample };
            T::draw_all(key, Draw::Uniform, &mut uniform);
            let probable: Vec<T> = values.iter().map(|value| T::of(value.wide().abs() * factor)).collect();
            (uniform, probable)
        };
        let (rows, row_share) = draw(x, each * balance, 0);
        let (cols, col_share) = draw(d, each / balance, 1);
        // Every index is written, and those that are off are written over: nobody can foresee which.
        let on = |uniform: &[T], share: &[T], into: &mut Vec<u32>| {
            into.resize(uniform.len(), 0);
            let mut count = 0;
            for (index, (uniform, share)) in uniform.iter().zip(share).enumerate() {
                into[count] = index as u32;
                count += usize::from(uniform < share);
            }
            into.truncate(count);
        };
        let (mut rows_on, mut cols_on) = (Vec::new(), Vec::new());
        let (plus, minus) = (T::of(1.0), T::of(-1.0));
        for slot in 0..slots {
            on(&rows[slot * x.len()..(slot + 1) * x.len()], &row_share, &mut rows_on);
            on(&cols[slot * d.len()..(slot + 1) * d.len()], &col_share, &mut cols_on);
            if self.half.is_some() {
                self.slot(shared, lanes, (x, d), (&rows_on, &cols_on), clock, rounds);
                continue;
            }
            let of_sign = |falls: bool| -> Vec<(u32, u32, T)> {
                let up = |col: u32| if (d[col as usize].wide() > 0.0) == falls { minus } else { plus };
                cols_on.iter().flat_map(|&col| self.of_weight(col, up(col))).collect()
            };
            let columns = [of_sign(false), of_sign(true)];
            for &row in &rows_on {
                let columns = &columns[usize::from(x[row as usize].wide() > 0.0)];
                if self.cell.len() + columns.len() > self.pulsed.pulse.len {
                    self.give(shared, lanes, clock, rounds);
                }
                self.push(row, columns);
            }
            // The next slot meets the cells as this one left them.
            self.give(shared, lanes, clock, rounds);
        }
    }

    /// A slot of a passive array: pulses up, then down, of rows of either sign, come one after the other; other cells on their lines see a part of each.
    fn slot(
        &mut self,
        shared: &mut Shared<T>,
        lanes: &mut Lanes<T>,
        (x, d): (&[T], &[T]),
        (rows, cols): (&[u32], &[u32]),
        clock: Clock,
        rounds: &mut u32,
    ) {
        let both_ways = self.pulsed.both_ways;
        let ways = [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)];
        for (way, sign) in ways.into_iter().filter(|(way, _)| both_ways || *way > 0.0) {
            let mut rows = rows.to_vec();
            rows.retain(|row| x[*row as usize].wide() * sign > 0.0);
            let of_col = |&col: &u32| {
                let up = T::of(-(d[col as usize].wide() * sign).signum());
                self.of_weight(col, up).filter(|(_, _, up)| up.wide() == way)
            };
            let columns: Vec<(u32, u32, T)> = cols.iter().flat_map(of_col).collect();
            for &row in &rows {
                if self.cell.len() + columns.len() > self.pulsed.pulse.len {
                    self.give(shared, lanes, clock, rounds);
                }
                self.push(row, &columns);
            }
            self.give(shared, lanes, clock, rounds);
            let columns: Vec<u32> = columns.into_iter().map(|(cell, ..)| cell).collect();
            self.disturb(shared, lanes, (&rows, &columns), T::of(way), (clock, &mut *rounds));
        }
    }

    /// What cells beside those that got a pulse see of it.
    fn disturb(
        &mut self,
        shared: &Shared<T>,
        lanes: &mut Lanes<T>,
        on: (&[u32], &[u32]),
        way: T,
        when: (Clock, &mut u32),
    ) {
        let Some(half) = self.half else { return };
        let (of, kernels) = ((MatrixId(self.index as u32), half), shared.kernels.as_ref());
        let joules = passive::disturb_others(shared.program, kernels, of, on, &mut lanes.buffers, way, when);
        lanes.counts.write_energy[self.index] += joules;
    }

    /// Makes the weights of all cells on a passive array, which pulses may have disturbed.
    pub fn followed(&self, shared: &mut Shared<T>, buffers: &[Buffer<T>]) {
        let Some(half) = self.half.filter(|_| self.direct) else { return };
        let program = shared.program;
        for (id, _) in program.passive.get(half.array).into_iter().flatten() {
            follow(shared, buffers, *id);
        }
    }

    /// So many pulses, not 0, for each weight listed, one after the other.
    pub fn counted(
        &mut self,
        shared: &mut Shared<T>,
        lanes: &mut Lanes<T>,
        mut open: Vec<(usize, i32)>,
        clock: Clock,
        rounds: &mut u32,
    ) {
        if self.half.is_some() {
            // On a passive array cell by cell.
            for (weight, count) in open {
                let (row, col) = ((weight / self.matrix.cols) as u32, (weight % self.matrix.cols) as u32);
                let of_weight: Vec<(u32, u32, T)> = self.of_weight(col, T::of(f64::from(count.signum()))).collect();
                for (cell, col, way) in of_weight {
                    for _ in 0..count.unsigned_abs() {
                        self.push(row, &[(cell, col, way)]);
                        self.give(shared, lanes, clock, rounds);
                        self.disturb(shared, lanes, (&[row], &[cell]), way, (clock, &mut *rounds));
                    }
                }
            }
            return;
        }
        for given in 1.. {
            for &(weight, count) in &open {
                if self.cell.len() + 2 > self.pulsed.pulse.len {
                    self.give(shared, lanes, clock, rounds);
                }
                let (row, col) = (weight / self.matrix.cols, weight % self.matrix.cols);
                let of_weight = self.of_weight(col as u32, T::of(f64::from(count.signum())));
                of_weight.for_each(|of_cell| self.push(row as u32, &[of_cell]));
            }
            self.give(shared, lanes, clock, rounds);
            open.retain(|(_, count)| count.unsigned_abs() > given);
            if open.is_empty() {
                break;
            }
        }
    }

    /// A weight's cells in their row, its column, and which way each goes: of a pair one goes up and the other down.
    #[inline(always)]
    fn of_weight(&self, col: u32, up: T) -> impl Iterator<Item = (u32, u32, T)> + use<T> {
        let both = match self.cells.scheme {
            Scheme::Differential if !self.pulsed.both_ways => {
                [Some((2 * col + u32::from(up.wide() < 0.0), col, T::of(1.0))), None]
            }
            Scheme::Differential => [Some((2 * col, col, up)), Some((2 * col + 1, col, T::of(-up.wide())))],
            Scheme::Reference | Scheme::Single | Scheme::Digit { .. } => [Some((col, col, up)), None],
        };
        both.into_iter().flatten()
    }

    /// A pulse for some cells of a row.
    #[inline(always)]
    fn push(&mut self, row: u32, columns: &[(u32, u32, T)]) {
        let cols = self.matrix.cols;
        let (cell, weight) = (row * self.cells.scheme.cells(1, cols) as u32, row * cols as u32);
        self.cell.extend(columns.iter().map(|(of_row, ..)| cell + of_row));
        self.weight.extend(columns.iter().map(|(_, col, _)| weight + col));
        self.up.extend(columns.iter().map(|(.., up)| *up));
    }

    /// Gives the pulses, and makes the weights of the cells anew.
    fn give(&mut self, shared: &mut Shared<T>, lanes: &mut Lanes<T>, clock: Clock, rounds: &mut u32) {
        let count = self.cell.len();
        if count == 0 {
            return;
        }
        let (pulsed, buffers) = (self.pulsed, &mut lanes.buffers);
        let clock = Clock { tick: u64::from(*rounds), ..clock };
        *rounds += 1;
        buffers[pulsed.pulse.direction.index()].data[..count].copy_from_slice(&self.up);
        gather(buffers, self.cells.conductance, pulsed.pulse.conductance, &self.cell);
        for &(own, scratch) in &pulsed.pulse.own {
            gather(buffers, own, scratch, &self.cell);
        }
        shared.kernels.dense(pulsed.pulse.kernel, buffers, 0, count, clock, None, None);
        let changed = std::mem::take(&mut buffers[pulsed.pulse.conductance.index()].data);
        let signs = self.cells.signs.map(|signs| buffers[signs.index()].data.clone());
        let held = &mut buffers[self.cells.conductance.index()].data;
        for (&cell, &changed) in self.cell.iter().zip(&changed) {
            held[cell as usize] = changed;
        }
        if self.direct {
            let weights = &mut shared.matrices[self.index].weights;
            let siemens = |cell: u32, weight: u32| match self.cells.scheme {
                Scheme::Differential => held[(cell & !1) as usize].wide() - held[(cell | 1) as usize].wide(),
                Scheme::Single => held[cell as usize].wide(),
                Scheme::Reference | Scheme::Digit { .. } => {
                    let end = (cell - weight + 1) as usize * (self.matrix.cols + 1) - 1;
                    held[cell as usize].wide() - held[end].wide()
                }
            };
            for (&cell, &weight) in self.cell.iter().zip(&self.weight) {
                let sign = signs.as_ref().map_or(1.0, |signs| signs[weight as usize / self.matrix.cols].wide());
                weights[weight as usize] = T::of(siemens(cell, weight) * self.scale * sign);
            }
        }
        buffers[pulsed.pulse.conductance.index()].data = changed;
        lanes.counts.pulses[self.index] += count as u64;
        if let Some(joules) = pulsed.pulse.joules {
            let taken = lanes.buffers[joules.index()].data[..count].iter().map(|joules| joules.wide());
            lanes.counts.write_energy[self.index] += taken.sum::<f64>();
        }
        self.cell.clear();
        self.weight.clear();
        self.up.clear();
    }
}

/// Copies the elements listed.
pub fn gather<T: Copy>(buffers: &mut [Buffer<T>], from: ArrayId, to: ArrayId, list: &[u32]) {
    let mut into = std::mem::take(&mut buffers[to.index()].data);
    let from = &buffers[from.index()].data;
    into.iter_mut().zip(list).for_each(|(into, &index)| *into = from[index as usize]);
    buffers[to.index()].data = into;
}
