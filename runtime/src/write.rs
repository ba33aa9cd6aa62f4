//! Programming: pulses until cells hold what was asked for, and what programming left.

use std::ops::Range;

use nmc_program::{ArrayId, Cells, KernelId, Matrix, Pulse, VerifyRead, Written, WrittenBy};
use serde::{Deserialize, Serialize};

use crate::interpreter::Computable;
use crate::pulses::gather;
use crate::state::{Buffer, Clock, Kernels};

/// Steps of a histogram of errors, over [`SHOWN`] of the range each way; what lies further out is in the two at its ends.
const BINS: usize = 42;
const SHOWN: f64 = 0.1;

/// What programming left in the cells of a matrix.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Programmed {
    /// That of the matrix: `fc1[0..256, 0..128]`.
    pub name: String,
    pub cells: usize,
    /// Number of its array, whose cells are written one after the other.
    pub block: usize,
    /// Pulses of all cells together, and the most that one got.
    pub pulses: f64,
    pub most: u32,
    /// Cells that were given up, none of them within the tolerance when read.
    pub missed: usize,
    /// Reads that verified cells, their joules, and those of cells that shared lines with those that got pulses.
    pub reads: f64,
    pub read_joules: f64,
    pub half_selected_joules: f64,
    /// Joules of pulses whose voltage and width say them.
    pub pulse_joules: f64,
    /// Seconds until all were written.
    pub seconds: f64,
    /// Mean and standard deviation of what is held less what was asked for, in siemens, and the width of the cells' range.
    pub error: f64,
    pub spread: f64,
    pub range: f64,
    /// Cells by their error: below -10 % of the range, by steps of half a percent, above 10 %.
    pub histogram: Vec<u64>,
}

/// Pulses and reads that the cells of a matrix got, and how many cells were given up.
#[derive(Debug, Clone, Default)]
pub struct Given {
    pub pulses: Vec<u32>,
    pub reads: Vec<u32>,
    /// Siemens of each cell, added up over its reads.
    pub seen: Vec<f64>,
    /// Joules of its pulses, where their voltage and width say them.
    pub joules: Vec<f64>,
    pub missed: usize,
    /// Joules of cells that shared lines with those that got pulses.
    pub half_selected: f64,
}

impl Given {
    /// Nothing yet, of so many cells.
    pub fn of(cells: usize) -> Self {
        let (pulses, reads, seen) = (vec![0; cells], vec![0; cells], vec![0.0; cells]);
        Given { pulses, reads, joules: seen.clone(), seen, missed: 0, half_selected: 0.0 }
    }

    /// Notes a read of a cell that holds so much.
    pub fn read(&mut self, cell: u32, held: f64) {
        self.reads[cell as usize] += 1;
        self.seen[cell as usize] += held;
    }

    /// How many reads verified these cells of a matrix, which hold so much now, and their joules. Where pulses are not simulated each is
    /// followed by a read of what is held in the end.
    pub fn verified<T: Computable>(&self, matrix: &Matrix, at: Range<usize>, held: &[T]) -> (f64, f64) {
        let verified = matrix.cells.as_ref().and_then(|cells| Some((cells, cells.verified?)));
        let Some((cells, VerifyRead { joules_per_siemens, joules, .. })) = verified else { return (0.0, 0.0) };
        let (width, own) = (cells.scheme.cells(1, matrix.cols), cells.scheme.own(matrix.cols));
        let (mut reads, mut seen) = (0.0, 0.0);
        for cell in at.filter(|cell| cell % width < own) {
            let (more, siemens) = match self.reads.get(cell) {
                Some(more) => (f64::from(*more), self.seen[cell]),
                None => (cells.write_pulses, cells.write_pulses * held[cell].wide()),
            };
            (reads, seen) = (reads + more, seen + siemens);
        }
        (reads, reads * joules + seen * joules_per_siemens)
    }
}

/// Joules of what pulses take by their voltage and width, of these cells, which hold so much in the end; where pulses are not simulated, all of
/// them meet that.
pub fn taken<T: Computable>(matrix: &Matrix, given: &Given, at: Range<usize>, held: &[T]) -> f64 {
    let Some(cells) = &matrix.cells else { return 0.0 };
    if let Some(joules) = given.joules.get(at.clone()) {
        return joules.iter().sum();
    }
    let (width, own) = (cells.scheme.cells(1, matrix.cols), cells.scheme.own(matrix.cols));
    let siemens: f64 = at.filter(|cell| cell % width < own).map(|cell| held[cell].wide()).sum();
    cells.write_pulses * cells.write_joules_per_siemens * siemens
}

/// Gives cells the lowest conductance, those that are stuck what they are stuck at.
pub fn erase<T: Computable>(cells: &Cells, written: &Written, buffers: &mut [Buffer<T>]) {
    let luck: Vec<f64> = written
        .luck
        .map_or_else(Vec::new, |luck| buffers[luck.index()].lane(0).iter().map(|luck| luck.wide()).collect());
    let held = buffers[cells.conductance.index()].lane_mut(0);
    for (cell, held) in held.iter_mut().enumerate() {
        let luck = luck.get(cell).copied().unwrap_or(1.0);
        let held_on = if luck < written.stuck_on { cells.g_max } else { cells.g_min };
        *held = T::of(if luck < 0.0 { 0.0 } else { held_on });
    }
}

/// Gives pulses to cells that hold the lowest conductance at first, instead of what was asked for, which stands in their array.
/// `rounds` tells the draws of this programming apart.
pub fn write<T: Computable>(
    kernels: &dyn Kernels<T>,
    cells: &Cells,
    written: &Written,
    buffers: &mut [Buffer<T>],
    clock: Clock,
    rounds: &mut u32,
) -> Given {
    let asked = buffers[cells.conductance.index()].lane(0).to_vec();
    erase(cells, written, buffers);
    let all: Vec<u32> = (0..asked.len() as u32).collect();
    let mut given = Given::of(asked.len());
    for chunk in all.chunks(written.pulse.len.max(1)) {
        match &written.way {
            WrittenBy::Verify { kernel, asked: scratch, .. } => {
                let mut open = chunk.to_vec();
                for round in 0..=written.most {
                    let clock = next(clock, rounds);
                    let of = (cells, &written.pulse, (*kernel, *scratch));
                    let directions = look(kernels, of, buffers, (&open, &asked), clock, &mut given);
                    let mut ways = directions.iter();
                    open.retain(|_| ways.next().is_some_and(|way| way.wide() != 0.0));
                    if open.is_empty() || round == written.most {
                        break;
                    }
                    let ways: Vec<T> = directions.into_iter().filter(|way| way.wide() != 0.0).collect();
                    pulse(kernels, &written.pulse, cells, buffers, (&open, &ways), clock, &mut given);
                    open.iter().for_each(|&cell| given.pulses[cell as usize] += 1);
                }
                given.missed += open.len();
            }
            WrittenBy::Curve(reached) => {
                for &cell in chunk {
                    given.pulses[cell as usize] = nearest(reached, asked[cell as usize].wide()).min(written.most);
                }
                for number in 0..written.most {
                    let open: Vec<u32> =
                        chunk.iter().copied().filter(|&cell| given.pulses[cell as usize] > number).collect();
                    if open.is_empty() {
                        break;
                    }
                    let clock = next(clock, rounds);
                    let ways = vec![T::of(1.0); open.len()];
                    pulse(kernels, &written.pulse, cells, buffers, (&open, &ways), clock, &mut given);
                }
            }
        }
    }
    given
}

/// Reads the cells listed, and says which way each has to go: 0 where it holds what was asked for.
pub fn look<T: Computable>(
    kernels: &dyn Kernels<T>,
    (cells, pulse, (kernel, scratch)): (&Cells, &Pulse, (KernelId, ArrayId)),
    buffers: &mut [Buffer<T>],
    (list, asked): (&[u32], &[T]),
    clock: Clock,
    given: &mut Given,
) -> Vec<T> {
    gather(buffers, cells.conductance, pulse.conductance, list);
    list.iter().zip(&buffers[pulse.conductance.index()].data).for_each(|(&cell, held)| given.read(cell, held.wide()));
    let wanted = &mut buffers[scratch.index()].data;
    wanted.iter_mut().zip(list).for_each(|(wanted, &cell)| *wanted = asked[cell as usize]);
    kernels.dense(kernel, buffers, 0, list.len(), clock, None, None);
    buffers[pulse.direction.index()].data[..list.len()].to_vec()
}

/// Draws of its own for every pulse; those of training count from 0.
pub fn next(clock: Clock, rounds: &mut u32) -> Clock {
    *rounds += 1;
    Clock { tick: u64::from(u32::MAX - *rounds), ..clock }
}

/// Index of the nearest of rising numbers.
pub fn nearest(rising: &[f64], wanted: f64) -> u32 {
    let above = rising.partition_point(|reached| *reached < wanted);
    let closer = above > 0 && rising.get(above).is_none_or(|next| wanted - rising[above - 1] <= next - wanted);
    (above - usize::from(closer)) as u32
}

/// One pulse on the cells listed.
pub fn pulse<T: Computable>(
    kernels: &dyn Kernels<T>,
    pulse: &Pulse,
    cells: &Cells,
    buffers: &mut [Buffer<T>],
    (list, ways): (&[u32], &[T]),
    clock: Clock,
    given: &mut Given,
) {
    pulse_by(kernels, (pulse.kernel, pulse), cells, buffers, (list, ways), clock);
    if let Some(joules) = pulse.joules {
        let taken = list.iter().zip(&buffers[joules.index()].data);
        taken.for_each(|(&cell, joules)| given.joules[cell as usize] += joules.wide());
    }
}

/// The same by another kernel.
pub fn pulse_by<T: Computable>(
    kernels: &dyn Kernels<T>,
    (kernel, pulse): (KernelId, &Pulse),
    cells: &Cells,
    buffers: &mut [Buffer<T>],
    (list, ways): (&[u32], &[T]),
    clock: Clock,
) {
    gather(buffers, cells.conductance, pulse.conductance, list);
    buffers[pulse.direction.index()].data[..list.len()].copy_from_slice(ways);
    for &(own, scratch) in &pulse.own {
        gather(buffers, own, scratch, list);
    }
    kernels.dense(kernel, buffers, 0, list.len(), clock, None, None);
    let changed = std::mem::take(&mut buffers[pulse.conductance.index()].data);
    let held = &mut buffers[cells.conductance.index()].data;
    list.iter().zip(&changed).for_each(|(&cell, &changed)| held[cell as usize] = changed);
    buffers[pulse.conductance.index()].data = changed;
}

/// What programming left, of cells that were asked for this.
pub fn left<T: Computable>(matrix: &Matrix, cells: &Cells, asked: &[T], held: &[T], given: &Given) -> Programmed {
    let range = cells.g_max - cells.g_min;
    let count = asked.len().min(held.len());
    let mut histogram = vec![0; BINS];
    let (mut sum, mut squares) = (0.0, 0.0);
    for (asked, held) in asked.iter().zip(held) {
        let error = held.wide() - asked.wide();
        sum += error;
        squares += error * error;
        let steps = (BINS - 2) as f64;
        let bin = (error / range / (2.0 * SHOWN) + 0.5) * steps + 1.0;
        histogram[bin.clamp(0.0, steps + 1.0) as usize] += 1;
    }
    let error = sum / count.max(1) as f64;
    let spread = (squares / count.max(1) as f64 - error * error).max(0.0).sqrt();
    let simulated: f64 = given.pulses.iter().map(|pulses| f64::from(*pulses)).sum();
    let (pulses, most) = match cells.written {
        Some(_) => (simulated, given.pulses.iter().copied().max().unwrap_or(0)),
        None => (cells.write_pulses * count as f64, cells.write_pulses.ceil() as u32),
    };
    let (reads, read_joules) = given.verified(matrix, 0..count, held);
    Programmed {
        name: matrix.name.clone(),
        cells: count,
        block: cells.block,
        pulses,
        most,
        missed: given.missed,
        reads,
        read_joules,
        half_selected_joules: given.half_selected,
        pulse_joules: taken(matrix, given, 0..count, held),
        // Of reads alone nothing is told where pulses have no time.
        seconds: match cells.verified.filter(|_| cells.write_time > 0.0) {
            Some(read) => pulses * cells.write_time + reads * read.seconds,
            None => pulses * cells.write_time,
        },
        error,
        spread,
        range,
        histogram,
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_number_of_pulses() {
        let reached = [0.0, 1.0, 1.5, 4.0];
        let wanted = [-1.0, 0.4, 0.6, 1.2, 1.3, 3.0, 9.0];
        assert_eq!(wanted.map(|wanted| nearest(&reached, wanted)), [0, 0, 1, 1, 2, 3, 3]);
    }
}
