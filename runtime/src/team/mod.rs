//! Threads that work on one network together. A tick is shorter than it takes to wake a thread: they stay awake while it runs.

mod crew;

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rayon::prelude::*;
use rayon::{ThreadPool, Yield};
use smallvec::SmallVec;

use crew::Crew;

thread_local! {
    /// Threads that share what this one does.
    static THREADS: Cell<usize> = const { Cell::new(1) };
    /// To whom it hands parts.
    static CREW: RefCell<Option<Arc<Crew>>> = const { RefCell::new(None) };
}

/// Runs `work`, the parts of which ([`parts`], [`each`]) the threads of a pool share. `steps`: many small ones, which are handed over without the
/// pool; the others do nothing else then. If not, they share what is given to the pool, too.
pub fn together<R: Send>(pool: Option<&ThreadPool>, steps: bool, work: impl FnOnce() -> R + Send) -> R {
    /// Lets the others go, even where the work panics.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            THREADS.set(1);
            CREW.set(None);
            self.0.store(true, Ordering::Release);
        }
    }
    let Some(pool) = pool else { return work() };
    let over = &AtomicBool::new(false);
    let crew = steps.then(|| Arc::new(Crew::new(pool.current_num_threads())));
    pool.scope(|scope| {
        let first = rayon::current_thread_index();
        let served = crew.clone();
        scope.spawn_broadcast(move |_, other| match &served {
            _ if Some(other.index()) == first => {}
            Some(crew) => crew.serve(other.index() + usize::from(Some(other.index()) < first), over),
            None => stay_awake(over),
        });
        THREADS.set(pool.current_num_threads());
        CREW.set(crew);
        let _over = Over(over);
        work()
    })
}

/// Does what is given to the pool until it is `over`.
fn stay_awake(over: &AtomicBool) {
    let mut idle = 0_u32;
    while !over.load(Ordering::Acquire) {
        if rayon::yield_now() == Some(Yield::Executed) {
            idle = 0;
            continue;
        }
        idle += 1;
        // Others may have use for the processor.
        if idle.is_multiple_of(256) { std::thread::yield_now() } else { std::hint::spin_loop() }
    }
}

/// Threads that share what this one does.
pub fn threads() -> usize {
    THREADS.get()
}

/// How many of `len` things a thread takes: a multiple of 64 or all, and `least` at least.
pub fn share(len: usize, least: usize) -> usize {
    match THREADS.get().min(len / least.max(1)).min(crew::MOST) {
        0 | 1 => len,
        threads => len.div_ceil(threads).next_multiple_of(64),
    }
}

/// Does `part` for the ranges that make up `0..len`, side by side where threads [`share`] them.
pub fn parts(len: usize, least: usize, part: impl Fn(Range<usize>) + Sync) {
    let each = share(len, least);
    if each >= len {
        return part(0..len);
    }
    hand_over(len.div_ceil(each), &|at| part(at * each..((at + 1) * each).min(len)));
}

/// Does `work` with each of a few things and its number, side by side. The same thread gets the same number each time: so what it has
/// in its caches is its own.
pub fn each<A: Send>(things: impl Iterator<Item = A>, work: impl Fn(usize, A) + Sync) {
    let things: SmallVec<[Mutex<Option<A>>; 4]> = things.map(|thing| Mutex::new(Some(thing))).collect();
    hand_over(things.len(), &|at| {
        let thing = things[at].lock().map_or(None, |mut thing| thing.take());
        thing.into_iter().for_each(|thing| work(at, thing));
    });
}

fn hand_over(parts: usize, work: &(dyn Fn(usize) + Sync)) {
    /// Parts share nothing further.
    struct Alone(usize);
    impl Drop for Alone {
        fn drop(&mut self) {
            THREADS.set(self.0);
        }
    }
    match CREW.with_borrow(Clone::clone) {
        Some(crew) if THREADS.get() > 1 && parts > 1 => {
            let _alone = Alone(THREADS.replace(1));
            crew.share(parts, work);
        }
        None if THREADS.get() > 1 => (0..parts).into_par_iter().for_each(work),
        Some(_) | None => (0..parts).for_each(work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: each part is done once, whoever does it, also where work follows work at once and parts take different times.
    #[test]
    fn every_part_is_done_once() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        let sums = together(Some(&pool), true, || {
            let mut all = vec![0_u64; 192 * 3];
            for round in 0..2000 {
                let chunk = share(all.len(), 64);
                each(all.chunks_mut(chunk), |at, part| {
                    (0..(at * 7919 + round) % 500).for_each(|at| {
                        std::hint::black_box(at);
                    });
                    part.iter_mut().for_each(|one| *one += 1);
                });
            }
            all
        });
        assert!(sums.iter().all(|&sum| sum == 2000));
    }

    #[test]
    fn a_panic_in_a_part_comes_out_where_the_work_was_handed_over() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        for bad in [0, 1] {
            let came = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                together(Some(&pool), true, || parts(128, 64, |part| assert!(part.start / 64 != bad, "on purpose")));
            }));
            assert!(came.is_err(), "part {bad}");
        }
    }
}
