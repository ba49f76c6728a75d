//! The block runner: independent tasks, a bounded number at once, with progress and cancellation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};

use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::run::interrupt::{PATIENCE, check_interrupt, interruptible, interruptible_too};
use crate::run::pool::{alone, threads};

/// With as many tasks for each thread, little is lost where some end before others.
const MANY: usize = 8;

/// Tasks that are under way at once where most of them wait for a network.
pub(crate) const FAR: u64 = 32;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of elements dealt with so far.
    pub done: u64,
    /// Bytes of elements in the whole job.
    pub total: u64,
}

/// Told of bytes that were dealt with.
pub(crate) type Advance<'a> = dyn Fn(u64) + 'a;

/// What a run may use and whom it tells.
pub(crate) struct Runner<'a> {
    /// Most tasks under way at once.
    pub(crate) in_flight: usize,
    /// Bytes of elements in the whole job.
    pub(crate) total: u64,
    /// Whether tasks never wait for a network: then a thread for each core has all cores busy.
    pub(crate) is_near: bool,
    pub(crate) progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl Runner<'_> {
    /// Runs `task` for every number below `tasks`, in that order of beginning. A task returns the
    /// bytes it dealt with. The first error, or a caller that asks this thread to stop, ends the run; tasks under
    /// way that wait for long are interrupted.
    ///
    /// # Errors
    /// The first error of a task, or `Cancelled`.
    pub(crate) fn run(&self, tasks: usize, task: &(dyn Fn(usize) -> Result<u64> + Sync)) -> Result<()> {
        self.run_long(tasks, &|number, advance| task(number).map(advance))
    }

    /// Runs tasks that may take long: each tells what it has dealt with as it goes on.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn run_long(
        &self,
        tasks: usize,
        task: &(dyn Fn(usize, &Advance<'_>) -> Result<()> + Sync),
    ) -> Result<()> {
        let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
        let advance = |bytes: u64| {
            let done = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
            if let Some(progress) = self.progress {
                progress(Progress { done, total: self.total });
            }
        };
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let failed = AtomicBool::new(false);
        let fail = |error| {
            // In this order: tasks that end because of the first error are not the first.
            failure.locked().get_or_insert(error);
            failed.store(true, Ordering::Relaxed);
        };
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= tasks {
                    return;
                }
                if let Err(error) = check_interrupt().and_then(|()| task(number, &advance)) {
                    return fail(error);
                }
            }
        };
        let is_each_busy = self.is_near && has_all_busy(self.in_flight, threads(), tasks);
        let worker = || if is_each_busy { alone(work) } else { work() };
        let stop = || failed.load(Ordering::Relaxed);
        on_threads(self.in_flight.min(tasks), &worker, &stop, || check_interrupt().unwrap_or_else(fail));
        failure.into_value().map_or(Ok(()), Err)
    }
}

/// Whether as many tasks as there are threads, of so many in all, have each thread busy until about the end: then none of them has
/// others take part in its own work, and wakes nobody.
fn has_all_busy(in_flight: usize, threads: usize, tasks: usize) -> bool {
    in_flight == threads && (in_flight == 1 || tasks >= MANY * in_flight)
}

/// Does `worker` on this thread and on so many more that there are `count`, each until it ends or `stop` says so. While
/// this thread waits for the others, it asks `check` now and then.
fn on_threads(count: usize, worker: &(dyn Fn() + Sync), stop: &(dyn Fn() -> bool + Sync), check: impl Fn()) {
    let (alive, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        for _ in 1..count {
            let alive = alive.clone();
            scope.spawn(move || {
                interruptible(stop, worker);
                drop(alive);
            });
        }
        drop(alive);
        // The check that the caller was lent is asked on this thread alone.
        interruptible_too(stop, || {
            worker();
            while ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                check();
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;

    const RUNNER: Runner<'_> = Runner { in_flight: 3, total: 100, is_near: true, progress: None };

    /// Waits until `is_so`; what takes a minute hangs.
    fn wait(is_so: impl Fn() -> bool) {
        let start = std::time::Instant::now();
        while !is_so() {
            assert!(start.elapsed() < std::time::Duration::from_secs(60));
            std::thread::yield_now();
        }
    }

    #[test]
    fn every_task_runs_once_and_no_more_than_allowed_at_a_time() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let counts: Vec<AtomicUsize> = (0..50).map(|_| AtomicUsize::new(0)).collect();
        let task = |k: usize| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            counts[k].fetch_add(1, Ordering::SeqCst);
            // The first go on when there are as many as are allowed.
            wait(|| most.load(Ordering::SeqCst) >= 3);
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(2)
        };
        RUNNER.run(50, &task).unwrap();
        assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) == 1));
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn one_thread_does_a_single_task_alone() {
        assert!(has_all_busy(1, 1, 1), "others could only wait for it");
        assert!(has_all_busy(2, 2, 16) && !has_all_busy(2, 2, 15));
        assert!(!has_all_busy(1, 2, 100), "the other thread has nothing to do");
    }

    #[test]
    fn the_first_error_ends_the_run() {
        let begun = AtomicUsize::new(0);
        let error = RUNNER.run(1000, &|k| {
            begun.fetch_add(1, Ordering::SeqCst);
            if k > 5 {
                wait(|| check_interrupt().is_err());
            }
            if k == 5 { Err(Error::corrupt("five")) } else { Ok(1) }
        });
        assert!(error.unwrap_err().to_string().contains("five"));
        assert!(begun.load(Ordering::SeqCst) <= 8);
    }

    #[test]
    fn a_caller_that_asks_to_stop_ends_the_run() {
        let (asks, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        let task = |k: usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            asks.fetch_or(k == 5, Ordering::SeqCst);
            if k >= 5 {
                wait(|| check_interrupt().is_err());
            }
            Ok(1)
        };
        let outcome = interruptible(&|| asks.load(Ordering::SeqCst), || RUNNER.run(1000, &task));
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(begun.load(Ordering::SeqCst) <= 8);
    }
}
