//! What the elements of each label become.

use bigarrays::compute::{ByLabel, ComputeOptions, Lazy, Reduction, by_label};
use bigarrays::{Error, Result};
use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::compute::journal::PyJournal;
use crate::errors::OrRaise;
use crate::jobs::reported;
use crate::transfer;

/// Elements in bytes, and their type.
type Column<'py> = (Bound<'py, PyArrayDescr>, Bound<'py, PyBytes>);

/// The labels, how many elements each has, and what they become.
pub(super) type Columns<'py> = (Column<'py>, Column<'py>, Vec<Column<'py>>);

/// The labels that there are, and what becomes of the elements of each by reductions of these names.
pub(super) fn labelled<'py>(
    py: Python<'py>,
    results: &[(Lazy, String)],
    (labels, axes): (&Lazy, &[usize]),
    (memory, scratch): (u64, Option<std::path::PathBuf>),
    journal: Option<&Bound<'py, PyJournal>>,
    progress: Option<&Py<PyAny>>,
) -> PyResult<Columns<'py>> {
    let one = |(lazy, name): &'_ (Lazy, String)| -> Result<(Lazy, Reduction)> {
        let unknown = || Error::invalid(format!("no reduction {name}"));
        Ok((lazy.clone(), Reduction::named(name).ok_or_else(unknown)?))
    };
    let journal = journal.map(|journal| journal.get().open(py)).transpose()?;
    let results = results.iter().map(one).collect::<Result<Vec<_>>>().or_raise(py)?;
    let found = reported(py, progress, |report| {
        let results: Vec<_> = results.iter().map(|(lazy, reduction)| (lazy, *reduction)).collect();
        let options = ComputeOptions {
            memory,
            scratch: scratch.as_deref(),
            journal: journal.as_deref(),
            progress: Some(report),
            ..ComputeOptions::default()
        };
        by_label(&results, labels, axes, &options)
    })?;
    columns(py, &found, results.len())
}

fn columns<'py>(py: Python<'py>, found: &ByLabel, count: usize) -> PyResult<Columns<'py>> {
    let column = |number: Option<usize>| {
        let dtype = match number {
            None => found.label_type(),
            Some(number) => found.column_type(number).or_raise(py)?,
        };
        Ok::<_, PyErr>((transfer::descr(py, dtype)?, PyBytes::new(py, found.bytes(number).or_raise(py)?)))
    };
    let sizes: Vec<u8> = found.sizes().iter().flat_map(|size| size.to_ne_bytes()).collect();
    let sizes = (transfer::descr(py, bigarrays::DataType::U64)?, PyBytes::new(py, &sizes));
    Ok((column(None)?, sizes, (0..count).map(|number| column(Some(number))).collect::<PyResult<_>>()?))
}
