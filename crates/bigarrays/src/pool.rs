//! The CPU pool, and values that belong to one process.
//!
//! A forked child has none of its parent's threads, but all of its memory: whatever refers to threads
//! or to locks held through file descriptors is made anew in the child.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::ThreadPool;

use crate::error::{Error, ErrorKind, Result};

/// A value that each process makes for itself, on first use.
pub(crate) struct PerProcess<T>(Mutex<Option<(u32, Arc<T>)>>);

impl<T> std::fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PerProcess")
    }
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// This process' value, made by `make` if there is none yet.
    pub(crate) fn get_or_try_init(&self, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let process = process();
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((owner, value)) = &*slot
            && *owner == process
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(make()?);
        if let Some(inherited) = slot.replace((process, Arc::clone(&value))) {
            // Dropping a parent's value in the child would wait for threads that do not exist here.
            std::mem::forget(inherited);
        }
        Ok(value)
    }
}

/// This process' number, or zero if it has to be asked for.
static PROCESS: AtomicU32 = AtomicU32::new(0);

extern "C" fn forget_process() {
    PROCESS.store(0, Ordering::Relaxed);
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
    static IS_TOLD: OnceLock<bool> = OnceLock::new();
    // SAFETY: what a forked child is to call first only stores a number.
    let is_told =
        *IS_TOLD.get_or_init(|| unsafe { libc::pthread_atfork(None, None, Some(forget_process)) } == 0);
    let process = std::process::id();
    if is_told {
        PROCESS.store(process, Ordering::Relaxed);
    }
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
/// thread per core, or as many as [`set_threads`] or the environment variable `BIGARRAYS_THREADS` says.
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

/// How many threads work at once.
pub fn threads() -> usize {
    let set = ASKED.load(Ordering::Relaxed);
    if set > 0 {
        return set;
    }
    let asked = std::env::var("BIGARRAYS_THREADS").ok().and_then(|text| text.parse().ok());
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get());
    asked.filter(|&threads| threads > 0).unwrap_or_else(cores)
}
