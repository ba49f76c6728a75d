//! Rows of several slices one behind the other, and spread out again.

use std::ops::Range;

use bigarrays::base::dims::Dims;
use numpy::npyffi::NPY_ARRAY_WRITEABLE;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::errors::invalid;
use crate::transfer::{dense_bytes, fields};

/// Copies of `rows` of an array, one behind the other in one new array; `None` if rows do not lie behind each other.
pub(crate) fn joined_rows<'py>(
    whole: &Bound<'py, PyUntypedArray>,
    rows: &[&Range<u64>],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let (py, dtype) = (whole.py(), whole.dtype());
    let Some((&count, behind)) = whole.shape().split_first().filter(|_| whole.is_c_contiguous()) else {
        return Ok(None);
    };
    let row = behind.iter().product::<usize>() * dtype.itemsize();
    let total: u64 = rows.iter().map(|rows| rows.end.saturating_sub(rows.start)).sum();
    let shape = std::iter::once(total as usize).chain(behind.iter().copied());
    let shape = PyTuple::new(py, shape.collect::<Dims<usize>>())?;
    let out: Bound<'py, PyUntypedArray> =
        py.import("numpy")?.call_method1("empty", (shape, dtype))?.cast_into()?;
    let (bytes, mut to): (_, *mut u8) = (dense_bytes(whole), fields(&out).data.cast());
    for rows in rows {
        if rows.start > rows.end || rows.end > count as u64 {
            return Err(invalid(py, format!("rows {}:{} of {count}", rows.start, rows.end)));
        }
        let part = &bytes[rows.start as usize * row..rows.end as usize * row];
        // SAFETY: the new array is dense and has as many rows as all parts together.
        unsafe {
            to.copy_from_nonoverlapping(part.as_ptr(), part.len());
            to = to.add(part.len());
        }
    }
    Ok(Some(out.into_any()))
}

/// Copies rows of `joined`, `lengths[k]` of them after those before, to the beginning of `out[k]`.
///
/// # Errors
/// `InvalidArgument` if both are not dense, `out` may not be written, or there are not as many rows, or places for them.
#[pyfunction]
pub(crate) fn _spread(
    out: &Bound<'_, PyUntypedArray>,
    joined: &Bound<'_, PyUntypedArray>,
    lengths: Vec<usize>,
) -> PyResult<()> {
    let refused = || invalid(out.py(), "rows that do not fit where they are spread");
    let [count, places, behind @ ..] = out.shape() else { return Err(refused()) };
    let writable = fields(out).flags & NPY_ARRAY_WRITEABLE != 0 && !out.dtype().has_object();
    let alike = out.dtype().is_equiv_to(&joined.dtype()) && joined.shape().get(1..) == Some(behind);
    if !(writable && alike && out.is_c_contiguous() && joined.is_c_contiguous() && *count == lengths.len()) {
        return Err(refused());
    }
    let row = behind.iter().product::<usize>() * out.dtype().itemsize();
    let (mut from, to): (_, *mut u8) = (dense_bytes(joined), fields(out).data.cast());
    for (k, &length) in lengths.iter().enumerate() {
        let bytes = length.saturating_mul(row);
        let (part, rest) = from.split_at_checked(bytes).filter(|_| length <= *places).ok_or_else(refused)?;
        // SAFETY: `out` is dense and has a place of so many rows for each of the lengths; if it is the same memory, copies
        // may overlap.
        unsafe { to.add(k * places * row).copy_from(part.as_ptr(), bytes) };
        from = rest;
    }
    Ok(())
}
