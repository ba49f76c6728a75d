//! The elements of a `.npy` file that an array shows.

use bigarrays::flat::{FlatArray, Mode};
use bigarrays::format;
use bigarrays::{Array, AxisMap, DataType};
use pyo3::prelude::*;
use pyo3::types::{PySlice, PyTuple};

use crate::flat::view::view_of;

/// The elements that `array`, of a local `.npy` file, shows: the mapped file itself, read-only. `None` if it
/// is no such array, if elements are booleans, whose bytes in the file may be no booleans, if it shows what the file does not have, or if the file is another by now.
pub(crate) fn elements<'py>(py: Python<'py>, array: &Array) -> PyResult<Option<Bound<'py, PyAny>>> {
    let is_flat = format::by_name(array.format()).is_ok_and(|format| format.is_flat());
    let Some(path) = array.store().local_path().filter(|_| is_flat) else { return Ok(None) };
    let open = || FlatArray::open(path, Mode::Read)?.mapping();
    let Ok(mapping) = open() else { return Ok(None) };
    let (header, stored) = (mapping.header(), array.layout());
    if stored.dtype == DataType::Bool
        || header.shape != stored.domain().shape()
        || !header.descr.element().is_ok_and(|(dtype, _)| dtype == stored.dtype)
    {
        return Ok(None);
    }
    let mut order: Vec<usize> = Vec::new();
    let mut indices: Vec<Bound<'py, PyAny>> = Vec::new();
    for (axis, map) in array.transform().axes.iter().enumerate() {
        let length = stored.domain().shape()[axis] as i64;
        let (first, count, step) = match *map {
            AxisMap::Fixed(at) => (Some(at), None, 1),
            AxisMap::Along { axis, offset, step } => {
                order.push(axis);
                let (start, count) = (array.domain().origin()[axis], array.shape()[axis] as i64);
                (step.checked_mul(start).and_then(|first| first.checked_add(offset)), Some(count), step)
            }
        };
        let last = first.and_then(|first| step.checked_mul(count.unwrap_or(1) - 1)?.checked_add(first));
        let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
        if count != Some(0) && !((0..length).contains(&first) && (0..length).contains(&last)) {
            return Ok(None);
        }
        indices.push(match count {
            None => first.into_pyobject(py)?.into_any(),
            Some(0) => PySlice::new(py, 0, 0, 1).into_any(),
            // numpy takes a stop below zero for one from the end.
            Some(_) if last + step < 0 => py.get_type::<PySlice>().call1((first, py.None(), step))?,
            Some(_) => PySlice::new(py, first as isize, (last + step) as isize, step as isize).into_any(),
        });
    }
    // The stored axes are in the file's order, and may be in another in the view.
    let axes: Vec<usize> =
        (0..order.len()).filter_map(|axis| order.iter().position(|&own| own == axis)).collect();
    let part = view_of(py, &mapping, Mode::Read)?.into_any().get_item(PyTuple::new(py, indices)?)?;
    if order.is_empty() {
        return Ok(None);
    }
    part.call_method1("transpose", (axes,)).map(Some)
}
