//! Work without the interpreter, which Ctrl-C ends soon.

use std::sync::{Mutex, PoisonError};

use bigarrays::Result;
use pyo3::prelude::*;

use crate::errors::OrRaise;

/// Does `work` while other Python threads run. About ten times a second signals are looked for; what
/// their handlers raise, as that of Ctrl-C does, ends the work and is raised here.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let raised = Mutex::new(None);
    let note = |error| *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    let is_asked = || match Python::try_attach(|py| py.check_signals()) {
        None | Some(Ok(())) => false,
        Some(Err(error)) => {
            note(error);
            true
        }
    };
    let outcome = py.detach(|| bigarrays::interruptible(&is_asked, work));
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => outcome.or_raise(py),
    }
}
