//! Jobs on labels.

use bigarrays::Array;
use bigarrays::jobs::{LabelOptions, Numbering};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::downsample::to_number;
use super::sharing::{PySharing, shared};
use crate::array::PyArray;
use crate::compute::journal::PyJournal;
use crate::compute::tables::{Pairs, to_table, to_unlisted};
use crate::errors::OrRaise;

/// Bytes of numbers of 64 bits.
type Words<'py> = Bound<'py, PyBytes>;

/// Labels as numbers of 64 bits, with a sign if they are negative or small enough.
fn words_of<'py>(py: Python<'py>, labels: impl Iterator<Item = i128>) -> Words<'py> {
    // Bits are the same with a sign and without.
    PyBytes::new(py, &labels.flat_map(|label| (label as u64).to_ne_bytes()).collect::<Vec<u8>>())
}

fn reals<'py>(py: Python<'py>, numbers: impl Iterator<Item = f64>) -> Words<'py> {
    PyBytes::new(py, &numbers.flat_map(f64::to_ne_bytes).collect::<Vec<u8>>())
}

/// What a job lists of an array of labels.
fn listed<'py, R: Send>(
    labels: &Bound<'py, PyArray>,
    background: Option<&Bound<'py, PyAny>>,
    memory: Option<u64>,
    (journal, sharing): (Option<&Bound<'py, PyJournal>>, Option<&Bound<'py, PySharing>>),
    progress: Option<Py<PyAny>>,
    job: fn(&Array, &LabelOptions<'_>) -> bigarrays::Result<R>,
) -> PyResult<R> {
    let (py, labels) = (labels.py(), &labels.get().array);
    let journal = journal.map(|journal| journal.get().open(py)).transpose()?;
    let options = LabelOptions {
        background: background.map(|value| to_number(value, labels.dtype())).transpose()?,
        memory: memory.map_or(0, |bytes| bytes.max(1)),
        journal: journal.as_deref(),
        sharing: PySharing::inner(sharing),
        ..LabelOptions::default()
    };
    shared(py, progress.as_ref(), sharing, |report| {
        job(labels, &LabelOptions { progress: Some(report), ..options })
    })
}

/// The labels that there are, their voxels, boxes, centroids and first voxels.
#[pyfunction]
#[pyo3(name = "_label_table", signature = (labels, *, background, memory, journal = None, sharing = None, progress))]
pub(crate) fn label_table<'py>(
    py: Python<'py>,
    labels: &Bound<'py, PyArray>,
    background: Option<&Bound<'py, PyAny>>,
    memory: Option<u64>,
    journal: Option<&Bound<'py, PyJournal>>,
    sharing: Option<&Bound<'py, PySharing>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Words<'py>, Words<'py>, Words<'py>, Words<'py>)> {
    let found =
        listed(labels, background, memory, (journal, sharing), progress, bigarrays::jobs::label_table)?;
    let ends = found.boxes.iter().flat_map(|part| part.ranges().flat_map(|range| [range.start, range.end]));
    Ok((
        words_of(py, found.labels.iter().copied()),
        words_of(py, found.voxels.iter().map(|&one| one.into())),
        words_of(py, ends.map(i128::from)),
        reals(py, found.centroids.iter().flatten().copied()),
    ))
}

/// The pairs of labels that touch, the faces that they share across each axis, and their areas.
#[pyfunction]
#[pyo3(name = "_contacts", signature = (labels, *, background, memory, journal = None, sharing = None, progress))]
pub(crate) fn contacts<'py>(
    py: Python<'py>,
    labels: &Bound<'py, PyArray>,
    background: Option<&Bound<'py, PyAny>>,
    memory: Option<u64>,
    journal: Option<&Bound<'py, PyJournal>>,
    sharing: Option<&Bound<'py, PySharing>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Words<'py>, Words<'py>, Words<'py>)> {
    let found = listed(labels, background, memory, (journal, sharing), progress, bigarrays::jobs::contacts)?;
    Ok((
        words_of(py, found.pairs.iter().flat_map(|&(one, other)| [one, other])),
        words_of(py, found.faces.iter().flatten().map(|&one| one.into())),
        reals(py, found.areas.iter().copied()),
    ))
}

/// Writes what labels become by a table to another array.
#[pyfunction]
#[pyo3(name = "_relabel", signature = (source, target, *, table, unlisted, memory, dry_run, journal = None, sharing = None, progress))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn relabel(
    py: Python<'_>,
    source: &Bound<'_, PyArray>,
    target: &Bound<'_, PyArray>,
    table: Pairs<'_>,
    unlisted: &Bound<'_, PyAny>,
    memory: Option<u64>,
    dry_run: bool,
    journal: Option<&Bound<'_, PyJournal>>,
    sharing: Option<&Bound<'_, PySharing>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let (source, target) = (&source.get().array, &target.get().array);
    let journal = journal.map(|journal| journal.get().open(py)).transpose()?;
    let options = LabelOptions {
        background: None,
        memory: memory.map_or(0, |bytes| bytes.max(1)),
        dry_run,
        journal: journal.as_deref(),
        sharing: PySharing::inner(sharing),
        progress: None,
    };
    let (table, unlisted) = (to_table(py, &table)?, to_unlisted(unlisted)?);
    shared(py, progress.as_ref(), sharing, |report| {
        let options = LabelOptions { progress: Some(report), ..options };
        bigarrays::jobs::relabel(source, target, &table, unlisted, &options)
    })
}

/// Writes labels as 1, 2, 3 and so on to another array. Returns the labels in the order of their numbers.
#[pyfunction]
#[pyo3(name = "_renumber", signature = (source, target, *, numbering, background, memory, dry_run, journal = None, sharing = None, progress))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn renumber<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyArray>,
    target: &Bound<'py, PyArray>,
    numbering: &str,
    background: Option<&Bound<'py, PyAny>>,
    memory: Option<u64>,
    dry_run: bool,
    journal: Option<&Bound<'py, PyJournal>>,
    sharing: Option<&Bound<'py, PySharing>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Words<'py>> {
    let (source, target) = (&source.get().array, &target.get().array);
    let journal = journal.map(|journal| journal.get().open(py)).transpose()?;
    let options = LabelOptions {
        background: background.map(|value| to_number(value, source.dtype())).transpose()?,
        memory: memory.map_or(0, |bytes| bytes.max(1)),
        dry_run,
        journal: journal.as_deref(),
        sharing: PySharing::inner(sharing),
        progress: None,
    };
    let numbering = Numbering::named(numbering).or_raise(py)?;
    let table = shared(py, progress.as_ref(), sharing, |report| {
        let options = LabelOptions { progress: Some(report), ..options };
        bigarrays::jobs::renumber(source, target, numbering, &options)
    })?;
    let mut pairs: Vec<(i128, i128)> = table.iter().collect();
    pairs.sort_unstable_by_key(|pair| pair.1);
    Ok(words_of(py, pairs.into_iter().map(|pair| pair.0)))
}
