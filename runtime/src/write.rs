//! Programming: pulses until cells hold what was asked for, and what programming left.

use nmc_program::{Cells, Matrix, Pulse, Written, WrittenBy};
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
    /// Seconds until all were written.
    pub seconds: f64,
    /// Mean and standard deviation of what is held less what was asked for, in siemens, and the width of the cells' range.
    pub error: f64,
    pub spread: f64,
    pub range: f64,
    /// Cells by their error: below -10 % of the range, by steps of half a percent, above 10 %.
    pub histogram: Vec<u64>,
}

/// Pulses that the cells of a matrix got, and how many cells were given up.
#[derive(Debug, Clone, Default)]
pub struct Given {
    pub pulses: Vec<u32>,
    pub missed: usize,
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
    let luck: Vec<f64> = written
        .luck
        .map_or_else(Vec::new, |luck| buffers[luck.index()].lane(0).iter().map(|luck| luck.wide()).collect());
    let held = buffers[cells.conductance.index()].lane_mut(0);
    for (cell, held) in held.iter_mut().enumerate() {
        let luck = luck.get(cell).copied().unwrap_or(1.0);
        let held_on = if luck < written.stuck_on { cells.g_max } else { cells.g_min };
        *held = T::of(if luck < 0.0 { 0.0 } else { held_on });
    }
    let all: Vec<u32> = (0..asked.len() as u32).collect();
    let mut given = Given { pulses: vec![0; asked.len()], missed: 0 };
    for chunk in all.chunks(written.pulse.len.max(1)) {
        match &written.way {
            WrittenBy::Verify { kernel, asked: scratch, .. } => {
                let mut open = chunk.to_vec();
                for round in 0..=written.most {
                    gather(buffers, cells.conductance, written.pulse.conductance, &open);
                    let wanted = &mut buffers[scratch.index()].data;
                    wanted.iter_mut().zip(&open).for_each(|(wanted, &cell)| *wanted = asked[cell as usize]);
                    let clock = next(clock, rounds);
                    kernels.dense(*kernel, buffers, 0, open.len(), clock, None, None);
                    let directions = buffers[written.pulse.direction.index()].data[..open.len()].to_vec();
                    let mut ways = directions.iter();
                    open.retain(|_| ways.next().is_some_and(|way| way.wide() != 0.0));
                    if open.is_empty() || round == written.most {
                        break;
                    }
                    let ways: Vec<T> = directions.into_iter().filter(|way| way.wide() != 0.0).collect();
                    pulse(kernels, &written.pulse, cells, buffers, (&open, &ways), clock);
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
                    pulse(kernels, &written.pulse, cells, buffers, (&open, &vec![T::of(1.0); open.len()]), clock);
                }
            }
        }
    }
    given
}

/// Draws of its own for every pulse; those of training count from 0.
fn next(clock: Clock, rounds: &mut u32) -> Clock {
    *rounds += 1;
    Clock { tick: u64::from(u32::MAX - *rounds), ..clock }
}

/// Index of the nearest of rising numbers.
fn nearest(rising: &[f64], wanted: f64) -> u32 {
    let above = rising.partition_point(|reached| *reached < wanted);
    let closer = above > 0 && rising.get(above).is_none_or(|next| wanted - rising[above - 1] <= next - wanted);
    (above - usize::from(closer)) as u32
}

/// One pulse on the cells listed.
fn pulse<T: Computable>(
    kernels: &dyn Kernels<T>,
    pulse: &Pulse,
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
    kernels.dense(pulse.kernel, buffers, 0, list.len(), clock, None, None);
    let changed = std::mem::take(&mut buffers[pulse.conductance.index()].data);
    let held = &mut buffers[cells.conductance.index()].data;
    list.iter().zip(&changed).for_each(|(&cell, &changed)| held[cell as usize] = changed);
    buffers[pulse.conductance.index()].data = changed;
}

/// What programming left, of cells that were asked for this.
pub fn left<T: Computable>(matrix: &Matrix, cells: &Cells, asked: &[T], held: &[T], given: &Given) -> Programmed {
    let range = cells.g_max - cells.g_min;
    let count = asked.len();
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
    Programmed {
        name: matrix.name.clone(),
        cells: count,
        block: cells.block,
        pulses,
        most,
        missed: given.missed,
        seconds: pulses * cells.write_time,
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
