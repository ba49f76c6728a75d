//! Journals of computations: what `save` of Python goes by.

use std::path::PathBuf;
use std::sync::Arc;

use bigarrays::compute::{Done, Earlier, Journal};
use bigarrays::format::FormatOptions;
use bigarrays::store::{Settings, StoreOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arguments::to_settings;
use crate::array::PyArray;
use crate::errors::{OrRaise, invalid};

/// What an earlier run of a job has done, and what this one does. Closed once it is removed or dropped.
#[pyclass(name = "_Journal", module = "bigarrays._bigarrays", frozen)]
pub(crate) struct PyJournal(std::sync::Mutex<Option<Arc<Journal>>>);

#[pymethods]
impl PyJournal {
    #[new]
    fn new(py: Python<'_>, path: PathBuf, job: &str) -> PyResult<Self> {
        let journal = Journal::open(path).and_then(|journal| journal.of(job)).or_raise(py)?;
        Ok(Self(std::sync::Mutex::new(Some(Arc::new(journal)))))
    }

    /// Where the journal of the job that `job` describes is to be found again.
    #[staticmethod]
    fn default_path(job: &str) -> Option<PathBuf> {
        Journal::default_path(job)
    }

    /// What an earlier run may have made there: "made", "maybe" or "none".
    fn earlier(&self, py: Python<'_>, path_or_url: &str) -> PyResult<&'static str> {
        Ok(match self.open(py)?.earlier(path_or_url) {
            Earlier::Made => "made",
            Earlier::MayHaveMade => "maybe",
            Earlier::None => "none",
        })
    }

    /// Whether an earlier run has done all of the job.
    fn is_done(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.open(py)?.is_done())
    }

    /// Notes that there is an array of this job.
    fn note_made(&self, py: Python<'_>, path_or_url: &str) -> PyResult<()> {
        self.open(py)?.note_made(path_or_url).or_raise(py)
    }

    /// How many finished blocks of an earlier run were done again.
    fn redone(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.open(py)?.redone())
    }

    /// Whether an earlier run had begun another computation.
    fn began_anew(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.open(py)?.began_anew())
    }

    /// Removes it, as the job is done, or only closes it.
    fn close(&self, py: Python<'_>, remove: bool) -> PyResult<()> {
        let journal = self.0.lock().ok().and_then(|mut journal| journal.take()).and_then(Arc::into_inner);
        match journal.filter(|_| remove) {
            Some(journal) => journal.remove().or_raise(py),
            None => Ok(()),
        }
    }
}

/// What notes that a job is done to its end.
#[pyclass(name = "_Done", module = "bigarrays._bigarrays", frozen)]
pub(crate) struct PyDone(Done, FormatOptions);

#[pymethods]
impl PyDone {
    /// That of the job that `job` describes, with all that its outcome depends on; beside a journal if that has a place of its own.
    #[new]
    #[pyo3(signature = (job, journal, storage_options = None))]
    fn new(
        job: &str,
        journal: Option<PathBuf>,
        storage_options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let settings = storage_options.map_or_else(|| Ok(Settings::new()), to_settings)?;
        let done = Done::of(job);
        let done = match journal {
            Some(journal) => done.beside(&journal),
            None => done,
        };
        let store = StoreOptions { settings, ..StoreOptions::default() };
        Ok(Self(done, FormatOptions { store, ..FormatOptions::default() }))
    }

    /// What tells what an array is in from anything that is there later; None if the store does not know versions.
    #[staticmethod]
    fn source(py: Python<'_>, array: &PyArray) -> PyResult<Option<String>> {
        py.detach(|| Done::source(&array.array)).or_raise(py)
    }

    /// What was noted when it was done, if what it has made is there as it was, and it was made of these inputs.
    #[pyo3(name = "_said")]
    #[allow(clippy::needless_pass_by_value)]
    fn said(&self, py: Python<'_>, made: Vec<String>, inputs: &str) -> PyResult<Option<String>> {
        let identity = self.identity(&made, inputs).or_raise(py)?;
        identity.map_or(Ok(None), |identity| self.0.said(&identity)).or_raise(py)
    }

    /// Notes that it is done.
    #[pyo3(name = "_note")]
    #[allow(clippy::needless_pass_by_value)]
    fn note(&self, py: Python<'_>, made: Vec<String>, inputs: &str, text: &str) -> PyResult<()> {
        let identity = self.identity(&made, inputs).or_raise(py)?;
        identity.map_or(Ok(()), |identity| self.0.note(&identity, text)).or_raise(py)
    }
}

impl PyDone {
    fn identity(&self, made: &[String], inputs: &str) -> bigarrays::Result<Option<String>> {
        let made: Vec<&str> = made.iter().map(String::as_str).collect();
        Ok(Done::identity(&made, &[], &self.1)?.map(|identity| format!("{identity} {inputs}")))
    }
}

impl PyJournal {
    pub(crate) fn open(&self, py: Python<'_>) -> PyResult<Arc<Journal>> {
        let journal = self.0.lock().ok().and_then(|journal| journal.clone());
        journal.ok_or_else(|| invalid(py, "the journal is closed".to_owned()))
    }
}
