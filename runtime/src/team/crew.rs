//! Hands parts of some work to threads that wait for it awake. By a queue of a pool that takes as long as a whole part.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Done with the number of each part.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// The most parts there can be: a bit for each.
pub const MOST: usize = 32;

/// What one thread writes, and others read, lies apart from all else: it takes longest to come over.
#[derive(Default)]
#[repr(align(128))]
struct Handed {
    /// Above: which work it is, counted. Below: the parts of it that others are to do, as bits.
    which: AtomicU64,
    work: UnsafeCell<Option<*const Work<'static>>>,
}

#[derive(Default)]
#[repr(align(128))]
struct Other {
    is_there: AtomicBool,
    /// The last work of which it has done its part.
    done: AtomicU64,
}

/// Threads that may do parts of what one of them hands over.
pub struct Crew {
    handed: Handed,
    /// By number; the first one is the thread that hands over.
    others: Vec<Other>,
    panicked: AtomicBool,
}

// SAFETY: `work` is written by the one thread that hands over, while none of the others has a part of what was handed over before; those
// that have one read it after `which` told them so, and are waited for.
unsafe impl Sync for Crew {}
// SAFETY: what it points to is used only while it is handed over.
unsafe impl Send for Crew {}

/// Between two looks at what another thread writes: for some microseconds nothing, which would make the answer late; then others may have use
/// for the processor.
fn wait(waited: &mut u32) {
    *waited = waited.wrapping_add(1);
    if *waited >= 1 << 13 {
        std::hint::spin_loop();
        if waited.is_multiple_of(1 << 12) {
            std::thread::yield_now();
        }
    }
}

impl Crew {
    pub fn new(threads: usize) -> Self {
        let others = (0..threads.min(MOST)).map(|_| Other::default()).collect();
        Crew { handed: Handed::default(), others, panicked: AtomicBool::new(false) }
    }

    /// Does all parts, each of the others that are there its own; only one thread may hand over, and no part may hand over anything.
    pub fn share(&self, parts: usize, work: &Work) {
        /// Waits for the others, even where a part panics: the work must outlive what they do.
        struct Wait<'a>(&'a Crew, u64);
        impl Drop for Wait<'_> {
            fn drop(&mut self) {
                let mut waited = 0;
                for (number, other) in self.0.others.iter().enumerate().filter(|(number, _)| self.1 >> number & 1 == 1)
                {
                    debug_assert!(number > 0);
                    while other.done.load(Ordering::Acquire) != self.1 {
                        wait(&mut waited);
                    }
                }
            }
        }
        let there =
            |number: &usize| self.others.get(*number).is_some_and(|other| other.is_there.load(Ordering::Acquire));
        let theirs = (1..parts).filter(there).fold(0_u64, |bits, number| bits | 1 << number);
        let work_ptr: *const Work = work;
        // SAFETY: only the lifetime changes; `Wait` ends the use of it before this function returns.
        let lasting = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work_ptr) };
        // SAFETY: all who had a part of the last one have done it.
        unsafe { *self.handed.work.get() = Some(lasting) };
        let which = (self.handed.which.load(Ordering::Relaxed) >> MOST).wrapping_add(1) << MOST | theirs;
        self.handed.which.store(which, Ordering::Release);
        let others = Wait(self, which);
        (0..parts).filter(|part| which >> part & 1 == 0).for_each(work);
        drop(others);
        assert!(!self.panicked.swap(false, Ordering::Relaxed), "a thread that did a part of this panicked");
    }

    /// Does part `number` (from 1) of what is handed over, until that is `over`, and nothing else: it is waited for.
    pub fn serve(&self, number: usize, over: &AtomicBool) {
        let Some(own) = self.others.get(number) else { return };
        let mut last = self.handed.which.load(Ordering::Acquire);
        own.is_there.store(true, Ordering::Release);
        let mut waited = 0;
        while !over.load(Ordering::Acquire) {
            let which = self.handed.which.load(Ordering::Acquire);
            if which == last {
                wait(&mut waited);
                continue;
            }
            (last, waited) = (which, 0);
            if which >> number & 1 == 1 {
                // SAFETY: it has a part of this work, which is waited for.
                let work = unsafe { (*self.handed.work.get()).map(|work| &*work) };
                let done = catch_unwind(AssertUnwindSafe(|| work.into_iter().for_each(|work| work(number))));
                if done.is_err() {
                    self.panicked.store(true, Ordering::Relaxed);
                }
                own.done.store(which, Ordering::Release);
            }
        }
    }
}
