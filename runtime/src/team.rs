//! Threads that work on one network together. A tick is shorter than it takes to wake a thread: they stay awake while it runs.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use rayon::{ThreadPool, Yield};

thread_local! {
    /// Threads that share what this one does.
    static THREADS: Cell<usize> = const { Cell::new(1) };
}

/// Runs `work`, the parts of which ([`parts`]) the threads of a pool share.
pub fn together<R: Send>(pool: Option<&ThreadPool>, work: impl FnOnce() -> R + Send) -> R {
    /// Lets the others go, even where the work panics.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            THREADS.set(1);
            self.0.store(true, Ordering::Release);
        }
    }
    let Some(pool) = pool else { return work() };
    let over = &AtomicBool::new(false);
    pool.scope(|scope| {
        let first = rayon::current_thread_index();
        scope.spawn_broadcast(move |_, other| {
            let mut idle = 0_u32;
            while Some(other.index()) != first && !over.load(Ordering::Acquire) {
                if rayon::yield_now() == Some(Yield::Executed) {
                    idle = 0;
                    continue;
                }
                idle += 1;
                // Others may have use for the processor.
                if idle.is_multiple_of(256) { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
        });
        THREADS.set(pool.current_num_threads());
        let _over = Over(over);
        work()
    })
}

/// Threads that share what this one does.
pub fn threads() -> usize {
    THREADS.get()
}

/// How many of `len` things a thread takes: a multiple of 64 or all, and `least` at least.
pub fn share(len: usize, least: usize) -> usize {
    match THREADS.get().min(len / least.max(1)) {
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
    (0..len.div_ceil(each)).into_par_iter().for_each(|at| part(at * each..((at + 1) * each).min(len)));
}
