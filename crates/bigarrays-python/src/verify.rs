//! Verifying what is stored, and comparing it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bigarrays::OpenOptions;
use bigarrays::Progress;
use bigarrays::base::sync::MutexExt;
use bigarrays::jobs::{Against, Report, VerifyOptions, verify_at};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

use crate::domain::to_domain;
use crate::interrupt::detached_until;
use crate::open::{to_selector, to_settings, to_url};

/// How often progress is reported.
const TICK: Duration = Duration::from_millis(50);

/// What verifying has found: `str` of it is for people, `to_dict` for programs.
///
/// It is true if nothing is wrong.
///
/// >>> array = bigarrays.create("memory://report", shape=(8, 8), dtype="uint8", format="zarr3")
/// >>> report = bigarrays.verify("memory://report")
/// >>> bool(report), report.problem_count, report.problems
/// (True, 0, [])
/// >>> report.arrays[0]["missing"]
/// 1
/// >>> print(report)
/// memory://report: zarr3, 0 of 1 chunks stored in 0 bytes, 1 missing
/// whole
#[pyclass(name = "Report", module = "bigarrays", frozen)]
pub(crate) struct PyReport(Report);

#[pymethods]
impl PyReport {
    /// Whether nothing is wrong.
    #[getter]
    fn whole(&self) -> bool {
        self.0.is_whole()
    }

    /// How many problems there are in all.
    #[getter]
    fn problem_count(&self) -> u64 {
        self.0.problem_count()
    }

    /// The problems of all arrays, as dicts of `kind`, `key`, `domain` and `message`: the first thousand of
    /// each array.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let problems = self.0.arrays.iter().flat_map(|array| &array.problems.first);
        to_python(py, &problems.map(bigarrays::jobs::Problem::to_json).collect())
    }

    /// What was found of each array, or scale of a layer, as dicts.
    #[getter]
    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0.arrays.iter().map(bigarrays::jobs::ArrayReport::to_json).collect())
    }

    /// All of it, as `bigarrays verify --json` prints it.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0.to_json())
    }

    fn __bool__(&self) -> bool {
        self.0.is_whole()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<bigarrays.Report: {} arrays, {} problems>", self.0.arrays.len(), self.0.problem_count())
    }
}

fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}

/// Verifies that what is stored at a path or URL is whole: an array, a layer with all its scales, or a group
/// with all its arrays.
///
/// Reads and decodes every chunk that is stored, and checks the indexes of shards and of names. Changes
/// nothing; others may write meanwhile. Chunks that are not stored are problems only with `missing`. What
/// dead writers left and what does not belong there is in the report, and no problem.
///
/// `against` is the path or URL of what should hold the same: the report then also compares them, element by
/// element, whatever their formats, chunks and types. Axes are matched by their names. `box` confines it to the
/// chunks that a box touches, and `scale` to one scale. `memory` is the budget in bytes (a quarter of what the
/// process may use if None). `progress(done, total)` is called now and then, with the bytes of elements dealt
/// with of those found so far; an exception that it raises, or Ctrl-C, ends the work.
///
/// >>> array = bigarrays.create("memory://verified", shape=(4, 6), dtype="int16", format="zarr3")
/// >>> array[...] = 3
/// >>> other = bigarrays.create("memory://other", shape=(4, 6), dtype="float32", format="n5")
/// >>> other[...] = 3
/// >>> other[1, 2] = 5
/// >>> report = bigarrays.verify("memory://verified", against="memory://other")
/// >>> report.problems[0]["message"]
/// '1 of 24 elements differ'
/// >>> report.arrays[0]["comparison"]["first"]
/// [{'at': [1, 2], 'left': 3, 'right': 5.0}]
///
/// Raises NotFoundError if there is nothing, MemoryBudgetError if a chunk does not fit, and StorageError if the
/// storage as such fails. Damage is in the report.
#[pyfunction]
#[pyo3(signature = (path_or_url, against = None, *, r#box = None, scale = None, against_scale = None,
    missing = false, memory = None, progress = None, format = None, storage_options = None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
pub(crate) fn verify(
    py: Python<'_>,
    path_or_url: PathBuf,
    against: Option<PathBuf>,
    r#box: Option<&Bound<'_, PyAny>>,
    scale: Option<&Bound<'_, PyAny>>,
    against_scale: Option<&Bound<'_, PyAny>>,
    missing: bool,
    memory: Option<u64>,
    progress: Option<Py<PyAny>>,
    format: Option<String>,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyReport> {
    let url = to_url(py, path_or_url)?;
    let against = against.map(|url| to_url(py, url)).transpose()?;
    let scale = scale.map(to_selector).transpose()?;
    let against_scale = against_scale.map(to_selector).transpose()?;
    let part = r#box.map(|part| to_domain(part, None)).transpose()?;
    let mut other_open = OpenOptions::new();
    if let Some(settings) = storage_options {
        other_open = other_open.settings(to_settings(settings)?);
    }
    let open = format.map_or_else(|| other_open.clone(), |name| other_open.clone().format(name));
    let (asked, raised, last) = (AtomicBool::new(false), Mutex::new(None), Mutex::new(None::<Instant>));
    let tell = |now: Progress| {
        let Some(progress) = &progress else { return };
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
    let options = VerifyOptions {
        memory: memory.map_or(0, |bytes| bytes.max(1)),
        part: part.as_ref(),
        missing_is_problem: missing,
        progress: Some(&tell),
    };
    let against =
        against.as_ref().map(|url| Against { url, open: &other_open, scale: against_scale.as_ref() });
    let is_asked = || asked.load(Ordering::Relaxed);
    let outcome = detached_until(py, &is_asked, || verify_at(&url, &open, scale.as_ref(), against, &options));
    match raised.into_value() {
        Some(error) => Err(error),
        None => outcome.map(PyReport),
    }
}
