//! Many chips: a program run again and again, each time with a seed of its own, several side by side.

use std::sync::Mutex;

use nmc_program::Program;
use rayon::prelude::*;

use crate::simulation::{self, Compiled};
use crate::{Results, RunError, RunOptions};

/// The seed of a chip; chip 0 has that of the run.
pub fn seed(seed: u64, chip: usize) -> u64 {
    if chip == 0 {
        return seed;
    }
    // SplitMix64 (Steele et al., OOPSLA 2014): far apart for near seeds and chips.
    let mut z = seed.wrapping_add((chip as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // 53 bits, which JSON keeps.
    (z ^ (z >> 31)) >> 11
}

/// How many chips tell something new: one, where nothing is drawn.
pub fn needed(program: &Program, chips: usize) -> usize {
    if program.draws() { chips.max(1) } else { 1 }
}

/// What can be refused before a run of so many chips begins: a damaged image, and one that takes too much memory.
pub fn check(program: &Program, options: &RunOptions, chips: usize) -> Result<(), RunError> {
    shared_out(program, options, needed(program, chips)).map(|_| ())
}

/// Runs so many chips, or one where all are the same. Recordings are those of chip 0. The results do not depend on the
/// number of threads, nor those of a chip on how many there are.
pub fn run(program: &Program, options: &RunOptions, chips: usize) -> Result<Vec<Results>, RunError> {
    let chips = needed(program, chips);
    let (side_by_side, threads) = shared_out(program, options, chips)?;
    let done = Mutex::new(vec![0.0; chips]);
    let compiled = Compiled::new(program, options.engine)?;
    let one = |chip: usize| {
        let moved = |share: f64| {
            let (Some(progress), Ok(mut done)) = (options.progress, done.lock()) else { return };
            done[chip] = share;
            progress(done.iter().sum::<f64>() / chips as f64);
        };
        let progress = options.progress.is_some().then_some(&moved as &(dyn Fn(f64) + Sync));
        let memory = options.memory / side_by_side as u64;
        let seed = seed(options.seed, chip);
        let mut results = compiled.run(&RunOptions { seed, threads, memory, progress, ..*options })?;
        if chip > 0 {
            (results.recordings, results.jit_seconds) = (Vec::new(), 0.0);
        }
        Ok(results)
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(side_by_side).build();
    match pool {
        Ok(pool) if side_by_side > 1 => pool.install(|| (0..chips).into_par_iter().map(one).collect()),
        Ok(_) | Err(_) => (0..chips).map(one).collect(),
    }
}

/// How a chip is run alone: with its seed, and as many threads as there is memory for.
pub fn alone<'o>(program: &Program, options: &RunOptions<'o>, chip: usize) -> Result<RunOptions<'o>, RunError> {
    let (_, threads) = shared_out(program, options, 1)?;
    Ok(RunOptions { seed: seed(options.seed, chip), threads, ..*options })
}

/// How many chips run side by side, and the threads of each: as many as there is memory for.
fn shared_out(program: &Program, options: &RunOptions, chips: usize) -> Result<(usize, usize), RunError> {
    let all = options.threads.max(1);
    let (mut side_by_side, mut threads) = (chips.min(all), (all / chips).max(1));
    loop {
        let memory = options.memory / side_by_side as u64;
        match simulation::check(program, &RunOptions { threads, memory, progress: None, ..*options }) {
            Ok(()) => return Ok((side_by_side, threads)),
            Err(_) if side_by_side > 1 => side_by_side /= 2,
            Err(_) if threads > 1 => threads /= 2,
            Err(error) => return Err(error),
        }
    }
}
