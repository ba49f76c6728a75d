//! Jobs that report how far they are to a function of Python's.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bigarrays::base::sync::MutexExt;
use bigarrays::{Progress, Result};
use pyo3::prelude::*;

use crate::interrupt::detached_until;

/// The least time between two reports; the last is always made.
const TICK: Duration = Duration::from_millis(50);

/// How long the caller is not asked at most whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// Does `work` while other Python threads run, and calls `progress` with (done, total) of what it reports. An exception
/// that `progress` raises ends the work, as Ctrl-C does, and is raised here.
pub(crate) fn reported<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&(dyn Fn(Progress) + Sync)) -> Result<T> + Send,
) -> PyResult<T> {
    reported_until(py, progress, None, work)
}

/// As [`reported`]. What `stop` raises, which is called about ten times a second, ends the work as well.
pub(crate) fn reported_until<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    stop: Option<&Py<PyAny>>,
    work: impl FnOnce(&(dyn Fn(Progress) + Sync)) -> Result<T> + Send,
) -> PyResult<T> {
    let (asked, raised, last) = (AtomicBool::new(false), Mutex::new(None), Mutex::new(None::<Instant>));
    let ends = |outcome: Option<PyResult<Py<PyAny>>>| {
        if let Some(Err(error)) = outcome {
            raised.locked().get_or_insert(error);
            asked.store(true, Ordering::Relaxed);
        }
    };
    let report = |now: Progress| {
        let Some(progress) = progress else { return };
        let mut last = last.locked();
        if now.done < now.total && last.is_some_and(|last| last.elapsed() < TICK) {
            return;
        }
        *last = Some(Instant::now());
        drop(last);
        ends(Python::try_attach(|py| progress.call1(py, (now.done, now.total))));
    };
    let looked = Mutex::new(Instant::now());
    let is_asked = || {
        if let Some(stop) = stop {
            let mut looked = looked.locked();
            if looked.elapsed() >= PATIENCE {
                *looked = Instant::now();
                drop(looked);
                ends(Python::try_attach(|py| stop.call0(py)));
            }
        }
        asked.load(Ordering::Relaxed)
    };
    let outcome = detached_until(py, &is_asked, || work(&report));
    raised.into_value().map_or(outcome, Err)
}
