//! The CPU pool, and values that belong to one process.
//!
//! A forked child has none of its parent's threads, but all of its memory: whatever refers to threads
//! or to locks held through file descriptors is made anew in the child.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
        let process = std::process::id();
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
    POOL.get_or_try_init(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads())
            .thread_name(|k| format!("bigarrays-{k}"))
            .build()
            .map_err(|error| Error::new(ErrorKind::Storage, error.to_string()).during("starting threads"))
    })
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
