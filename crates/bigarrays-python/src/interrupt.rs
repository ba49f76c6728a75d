//! Work without the interpreter, which Ctrl-C ends soon.

use std::cell::Cell;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bigarrays::Result;
use bigarrays::base::sync::MutexExt;
use pyo3::prelude::*;

use crate::errors::OrRaise;
use crate::turn;

/// How long signals are not looked for at most.
const PATIENCE: Duration = Duration::from_millis(50);

/// Does `work` while other Python threads run. About ten times a second signals are looked for; what
/// their handlers raise, as that of Ctrl-C does, ends the work and is raised here.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    outcome_detached(py, &|| false, work)?.or_raise(py)
}

/// As [`detached`]; `stop` ends the work as well.
pub(crate) fn detached_until<T: Send>(
    py: Python<'_>,
    stop: &(dyn Fn() -> bool + Sync),
    work: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    outcome_detached(py, stop, work)?.or_raise(py)
}

/// As [`detached_until`], but raises only what ended the work, and leaves its own errors to the caller.
pub(crate) fn outcome_detached<T: Send>(
    py: Python<'_>,
    stop: &(dyn Fn() -> bool + Sync),
    work: impl FnOnce() -> Result<T> + Send,
) -> PyResult<Result<T>> {
    let raised = Mutex::new(None);
    let note = |error| *raised.locked() = Some(error);
    let outcome = py.detach(|| {
        // What an object computes while it is read may read objects itself.
        turn::without(|| {
            // Other threads may have the interpreter, and it takes a while to get it.
            let asked = Cell::new(Instant::now());
            let is_asked = || {
                if stop() {
                    return true;
                }
                if asked.get().elapsed() < PATIENCE {
                    return false;
                }
                asked.set(Instant::now());
                match Python::try_attach(|py| py.check_signals()) {
                    None | Some(Ok(())) => false,
                    Some(Err(error)) => {
                        note(error);
                        true
                    }
                }
            };
            bigarrays::interruptible(&is_asked, work)
        })
    });
    match raised.into_value() {
        Some(error) => Err(error),
        None => Ok(outcome),
    }
}

/// Has the logger of the package warn of a wait. Whether it can does not matter to who waits.
pub(crate) fn warn_of_wait(sentence: &str) {
    let _ = Python::try_attach(|py| {
        let logger = py.import("logging")?.call_method1("getLogger", ("bigarrays",))?;
        logger.call_method1("warning", ("%s", sentence)).map(drop)
    });
}
