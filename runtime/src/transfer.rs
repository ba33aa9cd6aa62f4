//! Transfers: what a fast array holds is read row by row and moved to the cells of the weights.

use std::ops::Range;

use nmc_program::{Draw, Fast, Followed, Learner, MatrixId, Op, Reference};

use crate::arrays;
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::lanes::{Lanes, Shared};
use crate::matrix;
use crate::pulses::{Hits, whole};
use crate::random::Key;
use crate::state::{Buffer, Clock};
use crate::wires::Solution;
use crate::write::{self, Given};

/// The transfers that are due after a batch, whose first sample has this number, and which is this stretch of what its phase presents. Returns
/// whether cells changed whose weights do not follow at once.
pub fn transfer<T: Computable + Product>(
    shared: &mut Shared<T>,
    lanes: &mut Lanes<T>,
    learner: &Learner,
    fast: &Fast,
    ranges: &[Followed],
    (presented, number): (&Range<u64>, u64),
    rounds: &mut u32,
) -> bool {
    let mut later = leak(shared, lanes, fast, presented.end - presented.start);
    let (slow, signs) = {
        let [slow, fast] = [learner.matrix, fast.matrix].map(|id| &shared.program.matrices[id.index()]);
        (slow, fast.cells.as_ref().and_then(|cells| cells.signs))
    };
    let (cols, every) = (slow.cols, fast.every as u64);
    // Of weights on resisting wires nothing is known until their arrays are looked at.
    let wired = arrays::is_wired(shared.program, fast.matrix);
    for turn in presented.start / every..presented.end / every {
        let first = (turn % slow.rows as u64) as usize * fast.rows;
        let before = turn * fast.rows as u64;
        let rows: Vec<usize> = (0..fast.rows.min(slow.rows)).map(|row| (first + row) % slow.rows).collect();
        let clock = Clock { seed: shared.seed, tick: 0, sample: number, time: 0.0 };
        if wired {
            shared.matrices = arrays::renewed(shared, &mut lanes.buffers, None);
            follow(shared, &lanes.buffers, learner.matrix);
            later = true;
        }
        let mut hits =
            learner.pulsed.as_ref().and_then(|p| Hits::on(shared.program, &shared.fitted, learner.matrix, p));
        let mut open = Vec::new();
        for (&row, number) in rows.iter().zip(before..) {
            let mut seen = read(shared, lanes, (fast, ranges), row, clock, rounds);
            if let (Some(reference), Some(signs)) = (&fast.reference, signs) {
                let sign = lanes.buffers[signs.index()].lane(0)[row].wide();
                compare(lanes, reference, (row * cols, sign), number / slow.rows as u64, &mut seen);
            }
            let moved: Vec<f64> = seen.iter().map(|w| fast.rate * w).collect();
            let at = row * cols..(row + 1) * cols;
            if let Some(asked) = fast.programmed {
                let held = &shared.matrices[learner.matrix.index()].weights[at.clone()];
                let asked = &mut lanes.buffers[asked.index()].lane_mut(0)[at];
                let weights = asked.iter_mut().zip(held).zip(&moved);
                weights.for_each(|((asked, held), moved)| *asked = T::of(held.wide() + moved));
            } else if let (Some(kept), Some(pulsed)) = (learner.kept, &learner.pulsed) {
                let kept = lanes.buffers[kept.index()].lane_mut(0)[at.clone()].iter_mut();
                let counts =
                    kept.zip(&moved).map(|(kept, moved)| whole(moved / pulsed.step, kept, pulsed.step, fast.most));
                open.extend(at.zip(counts).filter(|(_, count)| *count != 0));
            } else if let Some(hits) = &mut hits {
                let (mut x, d) = (vec![T::default(); slow.rows], moved.iter().map(|w| T::of(-w)).collect::<Vec<_>>());
                x[row] = T::of(1.0);
                hits.trains(shared, lanes, (&x, &d), 1.0, fast.most, clock, rounds);
            }
        }
        if let Some(hits) = &mut hits {
            hits.counted(shared, lanes, open, clock, rounds);
            hits.followed(shared, &lanes.buffers);
        }
        if fast.programmed.is_some() {
            program(shared, lanes, learner.matrix, &rows, clock, rounds);
        }
        if fast.reset {
            program(shared, lanes, fast.matrix, &rows, clock, rounds);
        }
        later |= slow.cells.as_ref().is_some_and(|cells| cells.aged != cells.conductance);
        if let Some(signs) = signs {
            let signs = lanes.buffers[signs.index()].lane_mut(0);
            for (&row, number) in rows.iter().zip(before..) {
                let (component, element, tick) = (fast.component, row as u32, turn as u32);
                let key = Key { seed: shared.seed, component, element, number: 0, tick, sample: (turn >> 32) as u32 };
                let turns = match &fast.reference {
                    Some(reference) => (number / slow.rows as u64 + 1).is_multiple_of(reference.period as u64),
                    None => key.uniform_f64() < fast.chop,
                };
                if turns {
                    signs[row] = T::of(-signs[row].wide());
                }
            }
            follow(shared, &lanes.buffers, fast.matrix);
        }
    }
    later
}

/// Takes off what a row, whose first weight and sign are told, gave on average before its sign turned last. `round`: how often all rows were read.
fn compare<T: Computable + Product>(
    lanes: &mut Lanes<T>,
    reference: &Reference,
    (first, sign): (usize, f64),
    round: u64,
    seen: &mut [f64],
) {
    let period = reference.period as u64;
    for (at, seen) in (first..).zip(seen) {
        // As it is held, without its sign.
        let held = sign * *seen;
        let mean = &mut lanes.buffers[reference.mean.index()].lane_mut(0)[at];
        let before = mean.wide();
        *mean = T::of(before + reference.share * (held - before));
        let past = &mut lanes.buffers[reference.past.index()].lane_mut(0)[at];
        if round > 0 && round.is_multiple_of(period) {
            *past = T::of(before);
        }
        *seen = if round < period { 0.0 } else { sign * (held - past.wide()) };
    }
}

/// Weights of a row of the fast array, as its converters tell them.
fn read<T: Computable + Product>(
    shared: &Shared<T>,
    lanes: &mut Lanes<T>,
    (fast, ranges): (&Fast, &[Followed]),
    row: usize,
    clock: Clock,
    rounds: &mut u32,
) -> Vec<f64> {
    let (program, index) = (shared.program, fast.matrix.index());
    let (matrix, effective) = (&program.matrices[index], &shared.matrices[index]);
    let (cols, width) = (matrix.cols, effective.noise.width);
    let (seed, component, tick) = (clock.seed, fast.component, *rounds);
    let key = Key { seed, component, element: 0, number: 1, tick, sample: clock.sample as u32 };
    let mut seen = match &effective.solved {
        None => effective.weights[row * cols..(row + 1) * cols].to_vec(),
        Some(solved) => {
            let one: Vec<f64> = (0..matrix.rows).map(|other| f64::from(u8::from(other == row))).collect();
            let (seen, _) = solved.forward::<T>(&one, cols, (key, 0.0), &mut Solution::default());
            seen.into_iter().map(T::of).collect()
        }
    };
    if width > 0 {
        let mut errors = vec![T::default(); width];
        T::draw_all(key, Draw::Normal, &mut errors);
        let variances = &effective.noise.square[row * width..(row + 1) * width];
        errors.iter_mut().zip(variances).for_each(|(e, square)| *e = T::of(e.wide() * square.wide().sqrt()));
        // What all columns are compared with.
        let common = errors.get(cols).map_or(0.0, |common| common.wide());
        seen.iter_mut().zip(&errors).for_each(|(seen, e)| *seen = T::of(seen.wide() + e.wide() - common));
    }
    let largest = &mut lanes.buffers[fast.largest.index()].lane_mut(0)[0];
    *largest = T::of(seen.iter().fold(largest.wide(), |most, w| f64::max(most, w.wide().abs())));
    let largest = largest.wide();
    // The converters' range holds what is read: what grows from transfer to transfer would be cut off each time.
    for followed in ranges.iter().filter(|followed| followed.values.0 == fast.largest) {
        let range = &mut lanes.buffers[followed.range.index()].lane_mut(0)[0];
        *range = T::of(range.wide().max(largest / followed.full));
    }
    lanes.buffers[fast.seen.index()].lane_mut(0)[..cols].copy_from_slice(&seen);
    let clock = Clock { tick: u64::from(*rounds), ..clock };
    *rounds += 1;
    shared.kernels.dense(fast.kernel, &mut lanes.buffers, 0, cols, clock, None, None);
    if let Some(cells) = &matrix.cells {
        let of_row = cells.scheme.cells(1, cols);
        let held = &lanes.buffers[cells.conductance.index()].lane(0)[row * of_row..(row + 1) * of_row];
        lanes.counts.read_energy[index] += held.iter().map(|held| held.wide()).sum::<f64>() * fast.joules;
        lanes.counts.row_reads[index] += 1;
    }
    lanes.buffers[fast.read.index()].lane(0)[..cols].iter().map(|w| w.wide()).collect()
}

/// What fast cells lose while the samples of a batch last.
fn leak<T: Computable + Product>(shared: &mut Shared<T>, lanes: &mut Lanes<T>, fast: &Fast, samples: u64) -> bool {
    let Some(cells) = shared.program.matrices[fast.matrix.index()].cells.as_ref().filter(|_| fast.left < 1.0) else {
        return false;
    };
    let (rest, left) = (cells.g_min + cells.rest * (cells.g_max - cells.g_min), fast.left.powi(samples as i32));
    let luck = fast.stuck.map(|(luck, share)| (lanes.buffers[luck.index()].lane(0).to_vec(), share));
    let is_stuck = |cell: usize| luck.as_ref().is_some_and(|(luck, share)| luck[cell].wide() < *share);
    for (cell, held) in lanes.buffers[cells.conductance.index()].lane_mut(0).iter_mut().enumerate() {
        if !is_stuck(cell) {
            *held = T::of(rest + (held.wide() - rest) * left);
        }
    }
    follow(shared, &lanes.buffers, fast.matrix);
    cells.aged != cells.conductance
}

/// Programs rows of a matrix anew, as all of it is programmed; the others stay.
fn program<T: Computable + Product>(
    shared: &mut Shared<T>,
    lanes: &mut Lanes<T>,
    id: MatrixId,
    rows: &[usize],
    clock: Clock,
    rounds: &mut u32,
) {
    let (program, matrix) = (shared.program, &shared.program.matrices[id.index()]);
    let Some(cells) = &matrix.cells else { return };
    let clock = Clock { tick: u64::from(*rounds), ..clock };
    *rounds += 1;
    let mut before = lanes.buffers[cells.conductance.index()].lane(0).to_vec();
    let mut given = Given::default();
    let ops = program.programming.iter().skip_while(|op| **op != Op::Target { matrix: id });
    for op in ops.take_while(|op| **op != Op::Fold { matrix: id }) {
        if let Op::Kernel { kernel, len, .. } = op {
            shared.kernels.dense(*kernel, &mut lanes.buffers, 0, *len, clock, None, None);
        } else if let (Op::Write { .. }, Some(written)) = (op, &cells.written) {
            given = write::write(shared.kernels.as_ref(), cells, written, &mut lanes.buffers, clock, rounds);
        } else {
            matrix::target(program, matrix, &shared.fitted, &mut lanes.buffers);
        }
    }
    let of_row = cells.scheme.cells(1, matrix.cols);
    let held = lanes.buffers[cells.conductance.index()].lane_mut(0);
    for &row in rows {
        let at = row * of_row..(row + 1) * of_row;
        before[at.clone()].copy_from_slice(&held[at.clone()]);
        let joules = given.verified(matrix, at.clone(), held).1 + write::taken(matrix, &given, at.clone(), held);
        lanes.counts.write_energy[id.index()] += joules;
        lanes.counts.written[id.index()] += match given.pulses.get(at) {
            Some(pulses) => pulses.iter().map(|&pulses| u64::from(pulses)).sum(),
            None => (cells.write_pulses * of_row as f64).round() as u64,
        };
    }
    held.copy_from_slice(&before);
    follow(shared, &lanes.buffers, id);
}

/// Makes the weights of cells that changed otherwise than by pulses, as long as these do not drift.
pub fn follow<T: Computable + Product>(shared: &mut Shared<T>, buffers: &[Buffer<T>], id: MatrixId) {
    let matrix = &shared.program.matrices[id.index()];
    let Some(cells) = &matrix.cells else { return };
    let scale = matrix::scale(shared.program, matrix, cells, &shared.fitted);
    let held: Vec<f64> = buffers[cells.conductance.index()].lane(0).iter().map(|held| held.wide()).collect();
    let rows = held.chunks_exact(cells.scheme.cells(1, matrix.cols)).enumerate();
    let signs = cells.signs.map(|signs| buffers[signs.index()].lane(0));
    let weights = rows.flat_map(|(index, row)| {
        let scale = signs.map_or(scale, |signs| scale * signs[index].wide());
        matrix::outputs(cells.scheme, matrix.cols, row).map(move |siemens| siemens * scale)
    });
    let into = shared.matrices[id.index()].weights.iter_mut();
    into.zip(weights).for_each(|(into, weight)| *into = T::of(weight));
}
