//! The requests of a batch, dealt with by many threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};

use rayon::prelude::*;

use crate::base::error::Result;
use crate::run::interrupt::{PATIENCE, check_interrupt, interrupted, interruptible, is_interruptible};
use crate::run::pool::{is_alone, pool};

/// Does the work of each request of a batch: on the pool, or here if it is only one or the pool's threads have
/// enough to do. The first error keeps further requests from being started, as the caller's wish to stop does.
pub(crate) fn in_parallel<T: Sync>(
    requests: &[T],
    work: impl Fn(usize, &T) -> Result<()> + Sync,
) -> Result<()> {
    if let [request] = requests {
        return work(0, request);
    }
    if is_alone() {
        let mut each = requests.iter().enumerate();
        return each.try_for_each(|(k, request)| check_interrupt().and_then(|()| work(k, request)));
    }
    let pool = pool()?;
    // A thread of the pool takes part in the work instead of waiting for it.
    if !is_interruptible() || rayon::current_thread_index().is_some() {
        let each = |(k, request)| work(k, request);
        return pool.install(|| requests.par_iter().enumerate().try_for_each(each));
    }
    let stop = AtomicBool::new(false);
    let is_stopped = || stop.load(Ordering::Relaxed);
    let each = |(k, request)| match is_stopped() {
        true => Err(interrupted()),
        false => interruptible(&is_stopped, || work(k, request)),
    };
    let (done, outcome) = mpsc::channel();
    pool.in_place_scope(|scope| {
        let (each, requests) = (&each, &requests);
        // Nobody receives after a panic, which the scope passes on.
        scope.spawn(move |_| drop(done.send(requests.par_iter().enumerate().try_for_each(each))));
        loop {
            match outcome.recv_timeout(PATIENCE) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) => {
                    stop.fetch_or(check_interrupt().is_err(), Ordering::Relaxed)
                }
                Err(RecvTimeoutError::Disconnected) => return Err(interrupted()),
            };
        }
    })
}
