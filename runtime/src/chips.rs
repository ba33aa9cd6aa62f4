//! Many chips: a program run again and again, each time with a seed of its own, several side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nmc_program::Program;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::Pause;
use crate::memory;
use crate::record;
use crate::simulation::{self, Compiled, Simulation};
use crate::{Recording, Results, RunError, RunOptions};

/// How often what was recorded is handed on.
const EVERY: Duration = Duration::from_millis(200);

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

/// What can be refused before a run of so many chips begins: a damaged image, and one that takes too much memory besides what is recorded, which
/// is handed on as it comes.
pub fn check(program: &Program, options: &RunOptions, chips: usize) -> Result<(), RunError> {
    shared_out(program, options, needed(program, chips), true).map(|_| ())
}

/// Runs so many chips, or one where all are the same. Recordings are those of chip 0. The results do not depend on the
/// number of threads, nor those of a chip on how many there are.
pub fn run(program: &Program, options: &RunOptions, chips: usize) -> Result<Vec<Results>, RunError> {
    let chips = needed(program, chips);
    let each = Each::new(program, options, chips, false)?;
    let compiled = Compiled::new(program, options.engine)?;
    let shares = Mutex::new(vec![0.0; chips]);
    let moved = options.progress.map(|progress| moved(progress, &shares));
    let options = each.options(options, moved.as_deref());
    let mut runs = Chips::new(&compiled, &options, each.side_by_side, Vec::new());
    while !runs.advance(&|| false, None)? {}
    Ok(runs.results())
}

/// How chips are run: how many of them side by side, and each by how many threads.
#[derive(Debug, Clone, Copy)]
pub struct Each {
    pub side_by_side: usize,
    chips: usize,
    threads: usize,
    memory: u64,
}

impl Each {
    /// As many side by side as there is memory for; `drained`: what is recorded is handed on, and takes none.
    pub fn new(program: &Program, options: &RunOptions, chips: usize, drained: bool) -> Result<Self, RunError> {
        let (side_by_side, threads, memory) = shared_out(program, options, chips, drained)?;
        Ok(Each { side_by_side, chips, threads, memory })
    }

    /// Of each chip; `progress` is told how far one has come.
    pub fn options<'p>(&self, of: &RunOptions, progress: Option<&'p [Moved<'p>]>) -> Vec<RunOptions<'p>> {
        let Each { chips, threads, memory, .. } = *self;
        let one = |chip: usize| {
            let progress = progress.and_then(|all| all.get(chip)).map(|moved| &**moved as &(dyn Fn(f64) + Sync));
            RunOptions { seed: seed(of.seed, chip), engine: of.engine, threads, memory, progress }
        };
        (0..chips).map(one).collect()
    }
}

/// Told the share of a chip's run that is done.
pub type Moved<'p> = Box<dyn Fn(f64) + Sync + 'p>;

/// For each chip one that tells `progress` of the shares of all, which are 0 at first.
pub fn moved<'p>(progress: &'p (dyn Fn(f64) + Sync), shares: &'p Mutex<Vec<f64>>) -> Vec<Moved<'p>> {
    let count = shares.lock().map_or(0, |shares| shares.len());
    let one = |chip: usize| -> Moved<'p> {
        Box::new(move |share| {
            let Ok(mut shares) = shares.lock() else { return };
            shares[chip] = share;
            progress(shares.iter().sum::<f64>() / count as f64);
        })
    };
    (0..count).map(one).collect()
}

/// How far a chip has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Reached {
    #[default]
    Nothing,
    /// What [`Simulation::save`] gave.
    State(Vec<u8>),
    /// With recordings of chip 0 alone; what was handed on is left out.
    Done(Box<Results>),
}

/// Chips under way.
pub struct Chips<'a> {
    compiled: &'a Compiled<'a>,
    options: &'a [RunOptions<'a>],
    side_by_side: usize,
    each: Vec<Mutex<Stand<'a>>>,
    /// Whether the first leaves its states for another program.
    pub left: bool,
}

/// A chip.
enum Stand<'a> {
    /// Has not begun, or not since it was read from a file.
    Reached(Reached),
    Begun(Simulation<'a>),
}

/// Is given what chip 0 records, as it comes.
pub type Record<'r> = Option<&'r (dyn Fn(Vec<Recording>) + Sync)>;

impl<'a> Chips<'a> {
    /// From the start, or from what each has `reached`.
    pub fn new(
        compiled: &'a Compiled<'a>,
        options: &'a [RunOptions<'a>],
        side_by_side: usize,
        mut reached: Vec<Reached>,
    ) -> Self {
        reached.resize(options.len(), Reached::Nothing);
        let each = reached.into_iter().map(|reached| Mutex::new(Stand::Reached(reached))).collect();
        Chips { compiled, options, side_by_side, each, left: false }
    }

    /// Goes on until all are done (`true`), or until `pause` wants all to stop where their states can be saved. What chip 0 records is given to
    /// `record` as it comes; without, it stays in memory.
    pub fn advance(&mut self, pause: Pause, record: Record) -> Result<bool, RunError> {
        let next = AtomicUsize::new(0);
        // In their order: so those that have begun are gone on with before others begin.
        let worker = |_: usize| -> Result<(), RunError> {
            loop {
                let chip = next.fetch_add(1, Ordering::Relaxed);
                let Some(stand) = self.each.get(chip) else { return Ok(()) };
                let mut stand = stand.lock().unwrap_or_else(PoisonError::into_inner);
                if !matches!(*stand, Stand::Reached(Reached::Done(_))) {
                    self.one(chip, &mut stand, pause, record)?;
                    if pause() {
                        return Ok(());
                    }
                }
            }
        };
        let workers = self.side_by_side.min(self.each.len());
        match rayon::ThreadPoolBuilder::new().num_threads(workers).build() {
            Ok(pool) if workers > 1 => {
                let all = (0..workers).into_par_iter().with_max_len(1);
                pool.install(|| all.map(worker).collect::<Result<Vec<()>, RunError>>())?;
            }
            Ok(_) | Err(_) => worker(0)?,
        }
        let is_done = |stand: &mut Mutex<Stand>| {
            matches!(stand.get_mut().unwrap_or_else(PoisonError::into_inner), Stand::Reached(Reached::Done(_)))
        };
        Ok(self.each.iter_mut().all(is_done))
    }

    /// Goes on with one.
    fn one(&self, chip: usize, stand: &mut Stand<'a>, pause: Pause, record: Record) -> Result<(), RunError> {
        if let Stand::Reached(reached) = stand {
            let mut simulation = Simulation::of(self.compiled, &self.options[chip])?;
            if let Reached::State(state) = reached {
                simulation.restore(state)?;
            }
            *stand = Stand::Begun(simulation);
        }
        let Stand::Begun(simulation) = stand else { return Ok(()) };
        loop {
            let begin = Instant::now();
            let done = simulation.advance(&|| pause() || (record.is_some() && begin.elapsed() >= EVERY))?;
            if done {
                break;
            }
            if let Some(record) = record {
                let recorded = simulation.recorded();
                if chip == 0 {
                    record(recorded);
                }
            }
            if pause() {
                return Ok(());
            }
        }
        let Stand::Begun(simulation) = std::mem::replace(stand, Stand::Reached(Reached::Nothing)) else {
            return Ok(());
        };
        let left = if self.left && chip == 0 { simulation.left() } else { Vec::new() };
        let mut results = simulation.results();
        results.learned.extend(left);
        if chip > 0 {
            (results.recordings, results.jit_seconds) = (Vec::new(), 0.0);
        } else if let Some(record) = record {
            record(results.recordings.clone());
            record::forget(&mut results.recordings);
        }
        *stand = Stand::Reached(Reached::Done(Box::new(results)));
        Ok(())
    }

    /// How far each has come.
    pub fn reached(&mut self) -> Vec<Reached> {
        let stands = self.each.iter_mut().map(|stand| stand.get_mut().unwrap_or_else(PoisonError::into_inner));
        let one = |stand: &mut Stand| match stand {
            Stand::Reached(reached) => reached.clone(),
            Stand::Begun(simulation) => Reached::State(simulation.save()),
        };
        stands.map(one).collect()
    }

    /// What came of all, when they are done.
    pub fn results(self) -> Vec<Results> {
        let stands = self.each.into_iter().map(|stand| stand.into_inner().unwrap_or_else(PoisonError::into_inner));
        let done = |stand: Stand| match stand {
            Stand::Reached(Reached::Done(results)) => Some(*results),
            Stand::Reached(Reached::Nothing | Reached::State(_)) | Stand::Begun(_) => None,
        };
        stands.filter_map(done).collect()
    }
}

/// How many chips run side by side, the threads of each and its memory: as many as there is memory for.
fn shared_out(
    program: &Program,
    options: &RunOptions,
    chips: usize,
    drained: bool,
) -> Result<(usize, usize, u64), RunError> {
    let all = options.threads.max(1);
    let recorded = if drained { memory::of_recorded(program) } else { 0 };
    let (mut side_by_side, mut threads) = (chips.min(all), (all / chips).max(1));
    loop {
        let memory = (options.memory / side_by_side as u64).saturating_add(recorded);
        match simulation::check(program, &RunOptions { threads, memory, progress: None, ..*options }) {
            Ok(()) => return Ok((side_by_side, threads, memory)),
            Err(_) if side_by_side > 1 => side_by_side /= 2,
            Err(_) if threads > 1 => threads /= 2,
            Err(error) => return Err(error),
        }
    }
}
