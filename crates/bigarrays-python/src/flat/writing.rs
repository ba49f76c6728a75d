//! Slices on their way from Python into files.

use std::ops::Range;

use bigarrays::flat::{NewSlice, RowBytes};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::invalid;
use crate::flat::lookup::Lookup;
use crate::flat::metadata::Given;
use crate::flat::rows::{RowData, row_dtype};
use crate::interrupt::detached;

/// Writes slices, with what is kept beside their names.
pub(crate) fn write<'py>(
    py: Python<'py>,
    lookup: &Lookup,
    pairs: &[(Bound<'py, PyString>, Bound<'py, PyAny>)],
    replace: bool,
    casting: Option<&str>,
    meta: &Given<'py>,
) -> PyResult<()> {
    let source = lookup.source(py)?;
    let mut data = Vec::with_capacity(pairs.len() * lookup.views.len());
    for (name, array) in &source.arrays() {
        let (header, dtype) = row_dtype(py, array)?;
        for (slice, given) in pairs {
            let rows =
                rows_for(lookup, given, name).and_then(|rows| RowData::new(&rows, &header, &dtype, casting));
            data.push(rows.map_err(|error| of_slice(py, error, slice))?);
        }
    }
    let metadata: Vec<Option<String>> =
        pairs.iter().map(|(name, _)| meta.json(name)).collect::<PyResult<_>>()?;
    let rows = |slice: usize| data.iter().skip(slice).step_by(pairs.len());
    let arrays: Vec<Vec<RowBytes<'_>>> = (0..pairs.len())
        .map(|slice| rows(slice).map(|data| RowBytes { rows: data.rows(), bytes: data.bytes() }).collect())
        .collect();
    let new = pairs.iter().zip(&arrays).zip(&metadata).map(|(((name, _), arrays), metadata)| {
        Ok(NewSlice { name: name.to_str()?, arrays, metadata: metadata.as_deref() })
    });
    let new: Vec<_> = new.collect::<PyResult<_>>()?;
    detached(py, || source.live()?.write_slices(&new, replace))
}

/// The rows for one array of what is given for a slice: of several arrays, a mapping or a tuple with names.
pub(crate) fn rows_for<'py>(
    lookup: &Lookup,
    given: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    if !lookup.has_several() {
        return Ok(given.clone());
    }
    let (py, count) = (given.py(), lookup.views.len());
    let wrong = |reason: String| {
        invalid(py, format!("rows of {} are given as a dict: {reason}", lookup.array_names()))
    };
    if given.hasattr("_fields")? || given.hasattr("keys")? {
        let by_name = given.hasattr("keys")?;
        let names = if by_name { given.call_method0("keys")? } else { given.getattr("_fields")? };
        for own in names.try_iter()? {
            let own = own?;
            if own.extract().is_ok_and(|own: String| lookup.number_of(&own).is_some()) {
                continue;
            }
            return Err(wrong(format!("there is no array {}", own.repr()?)));
        }
        if names.len()? == count {
            return if by_name { given.get_item(name) } else { given.getattr(name) };
        }
        return Err(wrong(format!("{} of {count} arrays are missing", count.saturating_sub(names.len()?))));
    }
    Err(wrong(format!("{} is none", given.get_type().name()?)))
}

/// Bytes of what is to be written of a slice, in each of its arrays, as far as they are known.
pub(crate) fn bytes_of(data: &Bound<'_, PyAny>) -> PyResult<usize> {
    let nbytes =
        |data: &Bound<'_, PyAny>| data.getattr("nbytes").and_then(|bytes| bytes.extract()).unwrap_or(0usize);
    if data.hasattr("values")? {
        let each = data.call_method0("values")?;
        return each.try_iter()?.map(|rows| rows.map(|rows| nbytes(&rows))).sum();
    }
    if data.hasattr("_fields")? {
        return data.try_iter()?.map(|rows| rows.map(|rows| nbytes(&rows))).sum();
    }
    Ok(nbytes(data))
}

/// A range without gaps: Python's, or a pair of the first row and the one after the last.
pub(crate) fn to_rows(rows: &Bound<'_, PyAny>) -> PyResult<Range<u64>> {
    let Ok(start) = rows.getattr("start") else {
        let (start, stop) = rows.extract()?;
        return Ok(start..stop);
    };
    let step = rows.getattr("step")?;
    if !step.is_none() && !step.eq(1)? {
        return Err(invalid(rows.py(), format!("{rows} has a step: a name is of rows without gaps")));
    }
    Ok(start.extract()?..rows.getattr("stop")?.extract()?)
}

/// The error about the slice of that name.
fn of_slice(py: Python<'_>, error: PyErr, name: &Bound<'_, PyString>) -> PyErr {
    let noted = error.value(py).call_method1("add_note", (format!("slice {name:?}"),));
    drop(noted);
    error
}
