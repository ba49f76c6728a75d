//! numpy's view of a mapping.

use std::sync::{Arc, Mutex};

use bigarrays::base::buffer::Order;
use bigarrays::base::sync::MutexExt;
use bigarrays::flat::{Mapping, Mode};
use numpy::PyUntypedArray;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::errors::OrRaise;
use crate::flat::rows::dtype_of;

/// The bytes of a mapping, as an object with the buffer protocol that keeps it.
#[pyclass(name = "_MappedBytes", module = "bigarrays", frozen)]
struct MappedBytes {
    mapping: Arc<Mapping>,
    writable: bool,
}

#[pymethods]
impl MappedBytes {
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let (start, length) = (this.mapping.as_ptr(), this.mapping.len() as ffi::Py_ssize_t);
        let read_only = std::ffi::c_int::from(!this.writable);
        // SAFETY: the memory stays mapped while `slf` lives, to which `view` gets a reference.
        match unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.cast(), length, read_only, flags) } {
            0 => Ok(()),
            _ => Err(PyErr::fetch(slf.py())),
        }
    }
}

/// numpy's view of the newest mapping that was asked for.
#[derive(Default)]
pub(crate) struct ViewCache(Mutex<Option<(Arc<Mapping>, Py<PyUntypedArray>)>>);

impl ViewCache {
    /// Lets go of the mapping.
    pub(crate) fn clear(&self) {
        let before = self.0.locked().take();
        drop(before);
    }

    /// The elements of `mapping` as a numpy array: the mapping itself, after a check that the file still
    /// has it.
    pub(crate) fn view<'py>(
        &self,
        py: Python<'py>,
        mapping: &Arc<Mapping>,
        mode: Mode,
    ) -> PyResult<Bound<'py, PyUntypedArray>> {
        mapping.check().or_raise(py)?;
        let cached = |slot: &Option<(Arc<Mapping>, Py<PyUntypedArray>)>| {
            let (_, view) = slot.as_ref().filter(|(known, _)| Arc::ptr_eq(known, mapping))?;
            Some(view.bind(py).clone())
        };
        if let Some(view) = cached(&self.0.locked()) {
            return Ok(view);
        }
        let view = view_of(py, mapping, mode)?;
        let mut slot = self.0.locked();
        let before = slot.replace((Arc::clone(mapping), view.clone().unbind()));
        drop(slot);
        drop(before);
        Ok(view)
    }
}

/// The elements of `mapping` as a numpy array.
pub(crate) fn view_of<'py>(
    py: Python<'py>,
    mapping: &Arc<Mapping>,
    mode: Mode,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let header = mapping.header();
    let bytes = MappedBytes { mapping: Arc::clone(mapping), writable: mode != Mode::Read };
    let arguments = PyDict::new(py);
    arguments.set_item("shape", PyTuple::new(py, &header.shape)?)?;
    arguments.set_item("dtype", dtype_of(py, header)?)?;
    arguments.set_item("buffer", Bound::new(py, bytes)?)?;
    arguments.set_item("order", if header.order == Order::C { "C" } else { "F" })?;
    Ok(py.import("numpy")?.getattr("ndarray")?.call((), Some(&arguments))?.cast_into()?)
}
