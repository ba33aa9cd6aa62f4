//! Arrays as their columns see them through resisting wires: what a volt at a row's driver gives at each column's end.

use std::collections::BTreeSet;
use std::sync::Arc;

use nmc_program::{ArrayId, Cells, Learner, Learning, Matrix, MatrixId, Op, Phase, Program, Wired};
use rayon::prelude::*;

use crate::interpreter::Computable;
use crate::lanes::Shared;
use crate::matrix::{self, Effective, Fitted};
use crate::solved::Array;
use crate::state::{Buffer, Clock};
use crate::wires::{Solution, Wires, Wiring};

/// To what an array with noisy cells is solved.
const NOISY: f64 = 1e-6;

/// What one matrix of an array shows. In siemens, in the order of its cells.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub siemens: Vec<f64>,
    /// Into the driver of row k for a volt at row i, [i][k]; empty where another matrix on the same rows has it.
    pub rows: Vec<f64>,
}

/// The array of these matrices.
pub fn whole<T: Computable>(program: &Program, wired: &Wired, buffers: &[Buffer<T>]) -> Array {
    let pieces = || {
        wired.pieces.iter().filter_map(|&(matrix, first)| {
            let matrix = &program.matrices[matrix.index()];
            Some((matrix, matrix.cells.as_ref()?, first))
        })
    };
    let rows = pieces().map(|(matrix, _, first)| first + matrix.rows).max().unwrap_or(0);
    let cols = pieces().map(|(matrix, cells, _)| cells.scheme.columns(matrix.cols)).max().unwrap_or(0);
    let placed = |matrix: &Matrix, cells: &Cells, first: usize| -> Vec<Option<usize>> {
        let (width, own) = (cells.scheme.cells(1, matrix.cols), cells.scheme.own(matrix.cols));
        let place = |at: usize| (first + at / width) * cols + cells.scheme.column(at % width, matrix.cols);
        (0..matrix.rows * width).map(|at| (at % width < own).then(|| place(at))).collect()
    };
    let noisy = pieces().any(|(_, cells, _)| cells.read_sigma.is_some());
    let (mut siemens, mut traps) = (vec![0.0; rows * cols], Vec::new());
    let mut sigma = vec![0.0; if noisy { rows * cols } else { 0 }];
    for (matrix, cells, first) in pieces() {
        let places = placed(matrix, cells, first);
        let into = |array: ArrayId, all: &mut [f64]| {
            let held = buffers[array.index()].lane(0).iter().zip(&places);
            held.for_each(|(held, place)| place.iter().for_each(|place| all[*place] = held.wide()));
        };
        into(cells.aged, &mut siemens);
        cells.read_sigma.into_iter().for_each(|array| into(array, &mut sigma));
        traps.extend(matrix::traps(cells, buffers).into_iter().map(|traps| (traps, places.clone())));
    }
    let Wired { segment, driver, sense, both_ends, .. } = *wired;
    let wires = Wires::new(rows, cols, &siemens, Wiring { segment, driver, sense, both_ends });
    let component = pieces().next().map_or(0, |(matrix, ..)| matrix.component);
    Array { wires, siemens, sigma, traps, component }
}

/// What each matrix of an array shows, in the order of its pieces: one solution for each row driven alone.
pub fn see(
    program: &Program,
    wired: &Wired,
    wires: &Wires,
    tolerance: f64,
    pool: Option<&rayon::ThreadPool>,
) -> Vec<Seen> {
    let rows = wires.rows;
    let driven = |found: &mut Solution, row: usize| {
        let mut volts = vec![0.0; rows];
        volts[row] = 1.0;
        wires.solve(&volts, tolerance, found);
        (found.column_amperes.clone(), found.row_amperes.clone())
    };
    let all: Vec<(Vec<f64>, Vec<f64>)> = match pool {
        Some(pool) => pool.install(|| (0..rows).into_par_iter().map_init(Solution::default, driven).collect()),
        None => {
            let mut found = Solution::default();
            (0..rows).map(|row| driven(&mut found, row)).collect()
        }
    };
    let mut counted: Vec<usize> = Vec::new();
    let of_piece = |&(matrix, first): &(MatrixId, usize)| {
        let matrix = &program.matrices[matrix.index()];
        let mut seen = Seen::default();
        let Some(cells) = &matrix.cells else { return seen };
        let scheme = cells.scheme;
        for (column_amperes, _) in &all[first..first + matrix.rows] {
            let cells = 0..cells.scheme.cells(1, matrix.cols);
            seen.siemens.extend(cells.map(|index| column_amperes[scheme.column(index, matrix.cols)]));
        }
        if !counted.contains(&first) {
            counted.push(first);
            let of_rows = all[first..first + matrix.rows].iter();
            seen.rows = of_rows.flat_map(|(_, rows)| rows[first..first + matrix.rows].to_vec()).collect();
        }
        seen
    };
    wired.pieces.iter().map(of_piece).collect()
}

/// Whether a matrix lies on wires that resist.
pub fn is_wired(program: &Program, id: MatrixId) -> bool {
    program.wired.iter().flat_map(|wired| &wired.pieces).any(|(piece, _)| *piece == id)
}

/// Matrices that are read backward, too, or learn.
fn read_backward(program: &Program) -> BTreeSet<MatrixId> {
    let stages = program.stages().into_iter().flat_map(|(_, ops)| ops);
    let turned = stages.chain(program.learning().flat_map(Learning::ops)).filter_map(|op| {
        let Op::Transposed { matrix, .. } = op else { return None };
        Some(*matrix)
    });
    let layers = program.learning().flat_map(|learning| &learning.layers);
    let learners = layers.flat_map(|layer| &layer.matrices);
    let both = |learner: &Learner| [Some(learner.matrix), learner.fast.as_ref().map(|fast| fast.matrix)];
    turned.chain(learners.flat_map(both).flatten()).collect()
}

/// The arrays on resisting wires that a batch reads less often than they have rows: between whole folds they are solved for each of its reads, instead
/// of once for each row.
pub fn read_seldom(program: &Program, phase: &Phase, learning: &Learning) -> BTreeSet<usize> {
    let (ticks, taken) = (phase.ticks as usize, phase.taken as usize);
    let through = learning.through.iter();
    let forward = [(&program.begin, 1), (&program.tick, ticks), (&program.end, taken), (&learning.backward, taken)];
    let stages = forward.into_iter().chain(through.flat_map(|through| [(&through.tick, ticks), (&through.begin, 1)]));
    let all: Vec<(&Op, usize)> = stages.flat_map(|(ops, times)| ops.iter().map(move |op| (op, times))).collect();
    let rows_read = |of: MatrixId| {
        let learners =
            learning.layers.iter().flat_map(|layer| &layer.matrices).filter_map(|learner| learner.fast.as_ref());
        learners.filter(|fast| fast.matrix == of).map(|fast| fast.rows.div_ceil(fast.every)).sum::<usize>()
    };
    let reads = |of: MatrixId| {
        let of_op = |&(op, times): &(&Op, usize)| {
            let (Op::Multiply { matrix, positions, .. } | Op::Transposed { matrix, positions, .. }) = op else {
                return 0;
            };
            if *matrix == of { positions * times } else { 0 }
        };
        learning.batch.min(phase.samples) * (all.iter().map(of_op).sum::<usize>() + rows_read(of))
    };
    let seldom = |wired: &Wired| {
        let rows = wired.pieces.iter().map(|(id, first)| first + program.matrices[id.index()].rows).max();
        let plain = wired
            .pieces
            .iter()
            .all(|(id, _)| program.matrices[id.index()].cells.as_ref().is_some_and(|cells| cells.current.is_none()));
        plain && wired.pieces.iter().map(|(id, _)| reads(*id)).sum::<usize>() < rows.unwrap_or(0)
    };
    (0..program.wired.len()).filter(|&index| seldom(&program.wired[index])).collect()
}

/// The effective matrices of a program. Where wires resist, an array that has few reads to come, and none backward, is solved for each
/// instead; so are one whose cells fluctuate and, of those that were known before, the arrays listed with them. What makes up for wires stays as it was before.
fn fold<T: Computable>(
    program: &Program,
    fitted: &[Fitted],
    buffers: &[Buffer<T>],
    pool: Option<&rayon::ThreadPool>,
    mut before: Option<(Vec<Effective<T>>, &BTreeSet<usize>)>,
) -> Vec<Effective<T>> {
    // Double precision is for comparing with other tools; single precision ends at 1e-7.
    let tolerance = if size_of::<T>() == 8 { 1e-13 } else { 1e-8 };
    let presented =
        program.phases.iter().map(|phase| phase.samples as u64 * u64::from(phase.ticks.max(1))).sum::<u64>();
    let backward = read_backward(program);
    let reads = |of: MatrixId| {
        let ops = program.stages().into_iter().flat_map(|(_, ops)| ops);
        let positions = ops.filter_map(|op| {
            let Op::Multiply { matrix, positions, .. } = op else { return None };
            (*matrix == of).then_some(*positions as u64)
        });
        presented * positions.sum::<u64>()
    };
    let mut matrices: Vec<Option<Effective<T>>> = program.matrices.iter().map(|_| None).collect();
    for (index, wired) in program.wired.iter().enumerate() {
        let alone = |&(id, _): &(MatrixId, usize)| {
            let matrix = &program.matrices[id.index()];
            let plain = matrix.cells.as_ref().is_some_and(|cells| !cells.pulses);
            let few = reads(id) < matrix.rows as u64 && !backward.contains(&id);
            plain && few && !program.drift_compensated && !program.wires_compensated
        };
        if let [(id, _)] = wired.pieces[..] {
            let Wired { segment, driver, sense, both_ends, .. } = *wired;
            let wiring = Wiring { segment, driver, sense, both_ends };
            let matrix = &program.matrices[id.index()];
            if let Some(curved) = matrix::curved(program, matrix, fitted, buffers, Some(wiring), tolerance) {
                matrices[id.index()] = Some(curved);
                continue;
            }
        }
        let array = Arc::new(whole(program, wired, buffers));
        let noisy = !array.sigma.is_empty();
        let fluctuates = noisy || !array.traps.is_empty();
        // What a read deviates by is far above this.
        let tolerance = if noisy { NOISY } else { tolerance };
        let listed = before.as_ref().is_some_and(|(_, listed)| listed.contains(&index));
        if listed || matches!(&wired.pieces[..], [piece] if alone(piece)) {
            for &(id, first) in &wired.pieces {
                let of = &program.matrices[id.index()];
                let known =
                    before.as_mut().map(|(known, _)| std::mem::take(&mut known[id.index()])).unwrap_or_default();
                let array = (array.clone(), first);
                matrices[id.index()] = Some(matrix::solved(program, of, fitted, buffers, array, tolerance, known));
            }
            continue;
        }
        for (&(matrix, first), seen) in wired.pieces.iter().zip(see(program, wired, &array.wires, tolerance, pool)) {
            let of = &program.matrices[matrix.index()];
            let mut folded = matrix::fold(program, of, fitted, buffers, Some(&seen));
            let known = before.as_ref().map(|(known, _)| &known[matrix.index()].scales);
            if let Some(scales) = known.filter(|scales| !scales.is_empty()) {
                folded.scaled(scales.clone());
            } else if program.wires_compensated {
                folded.fit(&matrix::fold(program, of, fitted, buffers, None), of.cols);
            }
            if fluctuates {
                folded = matrix::solved(program, of, fitted, buffers, (array.clone(), first), tolerance, folded);
            }
            matrices[matrix.index()] = Some(folded);
        }
    }
    let rest = program.matrices.iter().zip(matrices);
    let ideal = |matrix: &nmc_program::Matrix| {
        matrix::curved(program, matrix, fitted, buffers, None, tolerance)
            .unwrap_or_else(|| matrix::fold(program, matrix, fitted, buffers, None))
    };
    rest.map(|(matrix, known)| known.unwrap_or_else(|| ideal(matrix))).collect()
}

/// The effective matrices so many seconds after programming, of cells that hold what `buffers` say.
pub fn aged<T: Computable>(
    shared: &Shared<T>,
    buffers: &mut [Buffer<T>],
    after: f64,
    pool: Option<&rayon::ThreadPool>,
) -> Vec<Effective<T>> {
    age(shared, buffers, after);
    fold(shared.program, &shared.fitted, buffers, pool, None)
}

/// The effective matrices after a batch of a phase that learns, just after programming: what makes up for wires stays as it was, and of arrays that are read
/// seldom noise and energy, too.
pub fn renewed<T: Computable>(
    shared: &mut Shared<T>,
    buffers: &mut [Buffer<T>],
    pool: Option<&rayon::ThreadPool>,
) -> Vec<Effective<T>> {
    age(shared, buffers, 0.0);
    let before = std::mem::take(&mut shared.matrices);
    fold(shared.program, &shared.fitted, buffers, pool, Some((before, &shared.read_seldom)))
}

fn age<T: Computable>(shared: &Shared<T>, buffers: &mut [Buffer<T>], after: f64) {
    for op in &shared.program.ageing {
        if let Op::Kernel { kernel, len, .. } = op {
            let clock = Clock { seed: shared.seed, tick: 0, sample: 0, time: after };
            shared.kernels.dense(*kernel, buffers, 0, *len, clock, None, None);
        }
    }
}
