//! The CPU pool, and values that belong to one process.
//!
//! A forked child has none of its parent's threads, but all of its memory: whatever refers to threads
//! or to locks held through file descriptors is made anew in the child.

use std::cell::Cell;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use rayon::ThreadPool;

use crate::base::error::{Error, ErrorKind, Result};
use crate::run::budget::processors;

/// A value that each process makes for itself, on first use.
///
/// No lock is taken: a fork while another thread makes the value, or asks for it, leaves the child nothing that
/// is locked.
pub(crate) struct PerProcess<T> {
    made: AtomicPtr<Made<T>>,
    /// Threads share the values.
    values: PhantomData<Arc<T>>,
}

struct Made<T> {
    process: u32,
    value: Arc<T>,
}

impl<T> std::fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PerProcess")
    }
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self { made: AtomicPtr::new(std::ptr::null_mut()), values: PhantomData }
    }

    /// This process' value, made by `make` if there is none yet. Of several threads that make one at once, all
    /// get that of the first.
    pub(crate) fn get_or_try_init(&self, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let process = process();
        let found = self.made.load(Ordering::Acquire);
        // SAFETY: what is stored there is null or stays allocated as long as `self`.
        if let Some(made) = unsafe { found.as_ref() }
            && made.process == process
        {
            return Ok(Arc::clone(&made.value));
        }
        let value = Arc::new(make()?);
        let new = Box::into_raw(Box::new(Made { process, value: Arc::clone(&value) }));
        // What a child inherited stays allocated: dropping it would wait for threads that do not exist here, and
        // give back locks that are its parent's.
        match self.made.compare_exchange(found, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(value),
            Err(first) => {
                // SAFETY: `new` is from `Box::into_raw`, and nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: as above; a thread of this process has put it there, and it stays.
                Ok(Arc::clone(unsafe { &(*first).value }))
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let made = *self.made.get_mut();
        // SAFETY: as in `get_or_try_init`.
        if unsafe { made.as_ref() }.is_some_and(|made| made.process == process()) {
            // SAFETY: it is from `Box::into_raw`, and `self`, which alone refers to it, is gone.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}

/// This process' number, or zero if it has to be asked for.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// How many threads are in sections that no fork may cut in two.
static SECTIONS: AtomicUsize = AtomicUsize::new(0);
/// How many threads are forking.
static FORKING: AtomicUsize = AtomicUsize::new(0);
/// Whether forks are known of, so that these numbers are right.
static HAS_HANDLERS: AtomicBool = AtomicBool::new(false);

extern "C" fn before_fork() {
    FORKING.fetch_add(1, Ordering::SeqCst);
    while SECTIONS.load(Ordering::SeqCst) != 0 {
        std::thread::yield_now();
    }
}

extern "C" fn after_fork() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

extern "C" fn in_child() {
    FORKING.store(0, Ordering::SeqCst);
    // Threads of the parent may have been about to find out that they have to wait.
    SECTIONS.store(0, Ordering::SeqCst);
    PROCESS.store(0, Ordering::Relaxed);
}

thread_local! {
    /// Whether this thread is in such a section.
    static IS_WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, which is short and calls nothing of others, while no fork happens: a child that inherits what it
/// locks finds it unlocked.
pub(crate) fn whole_across_forks<T>(work: impl FnOnce() -> T) -> T {
    /// Leaves the section, also when `work` panics.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            SECTIONS.fetch_sub(1, Ordering::SeqCst);
            IS_WITHIN.set(false);
        }
    }
    // A fork waits for the outer section anyway, which must not wait for the fork.
    if IS_WITHIN.get() {
        return work();
    }
    process();
    loop {
        SECTIONS.fetch_add(1, Ordering::SeqCst);
        IS_WITHIN.set(true);
        let leave = Leave;
        if FORKING.load(Ordering::SeqCst) == 0 {
            return work();
        }
        drop(leave);
        std::thread::yield_now();
    }
}

/// This process' number; without a call of the system but for the first.
pub(crate) fn process() -> u32 {
    match PROCESS.load(Ordering::Relaxed) {
        0 => ask_process(),
        process => process,
    }
}

#[cold]
fn ask_process() -> u32 {
    if !HAS_HANDLERS.load(Ordering::Acquire) {
        // Two threads that come here at once have them called twice, which does no harm.
        // SAFETY: the handlers only change numbers, and wait for sections that are short.
        let refused = unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child)) };
        if refused != 0 {
            return std::process::id();
        }
        HAS_HANDLERS.store(true, Ordering::Release);
    }
    let process = std::process::id();
    PROCESS.store(process, Ordering::Relaxed);
    process
}

static POOL: PerProcess<ThreadPool> = PerProcess::new();

/// How many threads [`set_threads`] asked for; zero if it did not.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Makes that many threads work at once, whatever the environment says. Must come before the first
/// read or write: threads that run already stay as they are.
pub fn set_threads(threads: NonZeroUsize) {
    ASKED.store(threads.get(), Ordering::Relaxed);
}

/// The pool on which chunks are decoded, encoded and, for local files, read and written. It has one
/// thread for each of [`threads`].
pub(crate) fn pool() -> Result<Arc<ThreadPool>> {
    POOL.get_or_try_init(|| thread_pool("bigarrays", threads()))
}

/// A pool of so many threads of that name.
pub(crate) fn thread_pool(name: &'static str, threads: usize) -> Result<ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |k| format!("{name}-{k}"))
        .build()
        .map_err(|error| Error::new(ErrorKind::Storage, error.to_string()).during("starting threads"))
}

thread_local! {
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, in which batches are not shared with the pool: as many threads do such work as there are
/// cores, and each has what it reads in its own caches.
pub(crate) fn alone<T>(work: impl FnOnce() -> T) -> T {
    /// Puts back what was, also when `work` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IS_ALONE.set(self.0);
        }
    }
    let _restore = Restore(IS_ALONE.replace(true));
    work()
}

/// Whether this thread does the work of a batch by itself.
pub(crate) fn is_alone() -> bool {
    IS_ALONE.get()
}

/// How many threads work at once: as many as [`set_threads`] or the environment variable `BIGARRAYS_THREADS` says,
/// or one per processor that the process may use. Control groups, and Slurm by its variables, limit these.
pub fn threads() -> usize {
    let set = ASKED.load(Ordering::Relaxed);
    if set > 0 {
        return set;
    }
    let asked = std::env::var("BIGARRAYS_THREADS").ok().and_then(|text| text.parse().ok());
    asked.filter(|&threads| threads > 0).unwrap_or_else(processors)
}
