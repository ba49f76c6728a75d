//! Verifying what is stored, and comparing it.

use std::path::PathBuf;

use bigarrays::OpenOptions;
use bigarrays::jobs::{Against, Share, VerifyOptions, verify_at};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::progress::reported;
use crate::arguments::{to_selector, to_settings, to_url};
use crate::array::domain::to_domain;
use crate::jobs::report::PyReport;

/// What `bigarrays.verify` calls: verifies what is stored at a path or URL, or a share of it.
///
/// Args:
///     path_or_url: As there, and so are all others but the last.
///     share: The number of a share of the work, from 0 on, and how many there are; None for all of it.
///
/// Returns:
///     The report, of this share alone.
#[pyfunction]
#[pyo3(signature = (path_or_url, against = None, *, r#box = None, scale = None, against_scale = None,
    missing = false, memory = None, progress = None, format = None, storage_options = None, share = None))]
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
    share: Option<(u64, u64)>,
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
    let against =
        against.as_ref().map(|url| Against { url, open: &other_open, scale: against_scale.as_ref() });
    let memory = memory.map_or(0, |bytes| bytes.max(1));
    let share = share.map(|(number, of)| Share { number, of });
    let report = reported(py, progress.as_ref(), |progress| {
        let options = VerifyOptions { memory, part: part.as_ref(), missing, share, progress: Some(progress) };
        verify_at(&url, &open, scale.as_ref(), against, &options)
    })?;
    Ok(PyReport(report))
}
