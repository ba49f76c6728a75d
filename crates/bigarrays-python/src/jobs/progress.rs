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

/// Does `work` while other Python threads run, and calls `progress` with (done, total) of what it reports. An exception
/// that `progress` raises ends the work, as Ctrl-C does, and is raised here.
pub(crate) fn reported<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&(dyn Fn(Progress) + Sync)) -> Result<T> + Send,
) -> PyResult<T> {
    let (asked, raised, last) = (AtomicBool::new(false), Mutex::new(None), Mutex::new(None::<Instant>));
    let report = |now: Progress| {
        let Some(progress) = progress else { return };
        let mut last = last.locked();
        if now.done < now.total && last.is_some_and(|last| last.elapsed() < TICK) {
            return;
        }
        *last = Some(Instant::now());
        drop(last);
        if let Some(Err(error)) = Python::try_attach(|py| progress.call1(py, (now.done, now.total))) {
            raised.locked().get_or_insert(error);
            asked.store(true, Ordering::Relaxed);
        }
    };
    let outcome = detached_until(py, &|| asked.load(Ordering::Relaxed), || work(&report));
    raised.into_value().map_or(outcome, Err)
}
