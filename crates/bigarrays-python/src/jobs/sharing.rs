//! Jobs that several processes share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bigarrays::base::sync::MutexExt;
use bigarrays::jobs::Sharing;
use bigarrays::{Error, ErrorKind, Progress, Result};
use pyo3::prelude::*;

use super::progress::reported;

/// What of a job this process does.
#[pyclass(name = "_Sharing", module = "bigarrays._bigarrays", frozen)]
pub(crate) struct PySharing {
    inner: Sharing,
    /// What having others do a pass has raised.
    raised: Arc<Mutex<Option<PyErr>>>,
}

#[pymethods]
impl PySharing {
    /// The one who leads: `share_out` is called with the number of a pass and the most shares that it can have, and returns once
    /// others have done all of them.
    #[staticmethod]
    #[pyo3(name = "_leading")]
    fn leading(folder: PathBuf, memory: Option<u64>, share_out: Py<PyAny>) -> Self {
        let raised = Arc::new(Mutex::new(None));
        let place = Arc::clone(&raised);
        let share_out = move |pass: u64, shares: u64| {
            Python::attach(|py| share_out.call1(py, (pass, shares)).map(drop)).map_err(|error| {
                *place.locked() = Some(error);
                Error::new(ErrorKind::Cancelled, "others could not do their shares")
            })
        };
        Self { inner: Sharing::leading(folder, memory.unwrap_or(0), Box::new(share_out)), raised }
    }

    /// One who does a share of a pass.
    #[staticmethod]
    #[pyo3(name = "_share")]
    fn share(folder: PathBuf, pass_number: u64, number: u64, of: u64) -> Self {
        Self { inner: Sharing::share(folder, pass_number, number, of), raised: Arc::default() }
    }
}

impl PySharing {
    pub(crate) fn inner<'a>(this: Option<&'a Bound<'_, Self>>) -> Option<&'a Sharing> {
        this.map(|this| &this.get().inner)
    }
}

/// As [`reported`], of a job that several processes may share: what one of them has raised is raised here.
pub(crate) fn shared<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    sharing: Option<&Bound<'_, PySharing>>,
    work: impl FnOnce(&(dyn Fn(Progress) + Sync)) -> Result<T> + Send,
) -> PyResult<T> {
    let outcome = reported(py, progress, work);
    match sharing.and_then(|sharing| sharing.get().raised.locked().take()) {
        Some(error) => Err(error),
        None => outcome,
    }
}
