//! What flat arrays and named slices share: modes, element types, and numpy's view of a mapping.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bigarrays::base::buffer::Order;
use bigarrays::base::sync::MutexExt;
use bigarrays::flat::{Descr, FlatArray, FlatSpec, Header, Mapping, Mode};
use bigarrays::format::Format;
use bigarrays::format::files::npy::Npy;
use bigarrays::{Array, AxisMap, Error, ErrorKind};
use numpy::{PyArrayDescr, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySlice, PyTuple};

use crate::errors::{OrRaise, exception, invalid};
use crate::transfer;

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

fn view_of<'py>(py: Python<'py>, mapping: &Arc<Mapping>, mode: Mode) -> PyResult<Bound<'py, PyUntypedArray>> {
    let header = mapping.header();
    let bytes = MappedBytes { mapping: Arc::clone(mapping), writable: mode != Mode::Read };
    let arguments = PyDict::new(py);
    arguments.set_item("shape", PyTuple::new(py, &header.shape)?)?;
    arguments.set_item("dtype", dtype_of(py, header)?)?;
    arguments.set_item("buffer", Bound::new(py, bytes)?)?;
    arguments.set_item("order", if header.order == Order::C { "C" } else { "F" })?;
    Ok(py.import("numpy")?.getattr("ndarray")?.call((), Some(&arguments))?.cast_into()?)
}

/// The elements that `array`, of a local `.npy` file, shows: the mapped file itself, read-only. `None` if it
/// is no such array, if it shows what the file does not have, or if the file is another by now.
pub(crate) fn elements<'py>(py: Python<'py>, array: &Array) -> PyResult<Option<Bound<'py, PyAny>>> {
    if array.format() != Npy.name() {
        return Ok(None);
    }
    let open = || FlatArray::open(array.store().location("").as_ref(), Mode::Read)?.mapping();
    let Ok(mapping) = open() else { return Ok(None) };
    let (header, stored) = (mapping.header(), array.layout());
    if header.shape != stored.domain().shape()
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

/// The element type that a file's header describes.
pub(crate) fn dtype_of<'py>(py: Python<'py>, header: &Header) -> PyResult<Bound<'py, PyArrayDescr>> {
    let text = header.descr.text();
    if let Some(name) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return PyArrayDescr::new(py, name);
    }
    let descr = py.import("ast")?.call_method1("literal_eval", (text,))?;
    let format = py.import("numpy")?.getattr("lib")?.getattr("format")?;
    Ok(format.call_method1("descr_to_dtype", (descr,))?.cast_into()?)
}

fn descr_of(given: &Bound<'_, PyAny>) -> PyResult<Descr> {
    let py = given.py();
    let dtype = PyArrayDescr::new(py, given)?;
    if dtype.getattr("hasobject")?.extract()? {
        let reason = "Python objects have no place in a file; give another dtype";
        return Err(exception(py, &Error::new(ErrorKind::Unsupported, reason)));
    }
    let format = py.import("numpy")?.getattr("lib")?.getattr("format")?;
    let descr = format.call_method1("dtype_to_descr", (dtype,))?;
    Descr::parse(&descr.repr()?.to_string()).or_raise(py)
}

/// How an array is opened or created, as Python says it.
pub(crate) struct Opening<'py> {
    pub(crate) path: PathBuf,
    pub(crate) mode: String,
    pub(crate) shape: Option<Vec<Option<u64>>>,
    pub(crate) dtype: Option<Bound<'py, PyAny>>,
    pub(crate) order: String,
    pub(crate) reserve: u64,
}

impl Opening<'_> {
    /// Opens with `open` or creates with `create`, as the mode says.
    pub(crate) fn run<T: Send>(
        &self,
        py: Python<'_>,
        open: impl Fn(Mode) -> bigarrays::Result<T> + Send + Sync,
        create: impl Fn(&FlatSpec) -> bigarrays::Result<T> + Send + Sync,
    ) -> PyResult<T> {
        let mode = match self.mode.as_str() {
            "r" => Mode::Read,
            "c" => Mode::CopyOnWrite,
            "r+" | "a" => Mode::ReadWrite,
            "w" | "x" => {
                let spec = self.spec(py)?;
                return py.detach(|| create(&spec)).or_raise(py);
            }
            other => {
                let known = "known are \"r\", \"r+\", \"c\", \"w\", \"x\" and \"a\"";
                return Err(invalid(py, format!("unknown mode {other:?}; {known}")));
            }
        };
        match py.detach(|| open(mode)) {
            Err(error) if self.mode == "a" && error.kind() == ErrorKind::NotFound => {
                let spec = self.spec(py)?;
                py.detach(|| match create(&spec) {
                    // Another has been quicker.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => open(mode),
                    created => created,
                })
                .or_raise(py)
            }
            opened => opened.or_raise(py),
        }
    }

    fn spec(&self, py: Python<'_>) -> PyResult<FlatSpec> {
        let (Some(shape), Some(dtype)) = (&self.shape, &self.dtype) else {
            return Err(invalid(py, "a new array needs a shape and a dtype"));
        };
        if shape.iter().skip(1).any(Option::is_none) {
            return Err(invalid(py, "only the first axis grows: the others need a length"));
        }
        let order = match self.order.as_str() {
            "C" => Order::C,
            "F" => Order::Fortran,
            other => return Err(invalid(py, format!("unknown order {other:?}; known are \"C\" and \"F\""))),
        };
        if order == Order::Fortran && shape.len() > 1 && shape[0].is_none() {
            let reason =
                "in Fortran order only what has one axis grows; give the first axis a length, or order \"C\"";
            return Err(exception(py, &Error::new(ErrorKind::Unsupported, reason)));
        }
        Ok(FlatSpec {
            descr: descr_of(dtype)?,
            shape: shape.iter().map(|length| length.unwrap_or(0)).collect(),
            order,
            room: self.reserve,
            overwrite: self.mode == "w",
        })
    }

    /// An error if an array that was there is not what mode "a" asks for.
    pub(crate) fn expect(&self, py: Python<'_>, header: &Header) -> PyResult<()> {
        if let Some(dtype) = &self.dtype
            && descr_of(dtype)? != header.descr
        {
            return Err(invalid(py, format!("the array is of {}, not of {dtype}", header.descr.text())));
        }
        let agrees = |shape: &Vec<Option<u64>>| {
            shape.len() == header.shape.len()
                && shape.iter().zip(&header.shape).skip(1).all(|(wanted, actual)| *wanted == Some(*actual))
        };
        if self.shape.as_ref().is_none_or(agrees) {
            return Ok(());
        }
        Err(invalid(
            py,
            format!("the array has the shape {:?}, whose axes behind the first are others", header.shape),
        ))
    }
}

/// The mode that opens again what was opened with `mode`.
pub(crate) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "r",
        Mode::ReadWrite => "r+",
        Mode::CopyOnWrite => "c",
    }
}

/// Rows to be written: a contiguous numpy array of an array's type.
pub(crate) struct RowData<'py>(Bound<'py, PyUntypedArray>);

impl<'py> RowData<'py> {
    /// `value` as rows of the array that `header` describes, whose type is `dtype`.
    pub(crate) fn new(
        value: &Bound<'py, PyAny>,
        header: &Header,
        dtype: &Bound<'py, PyArrayDescr>,
    ) -> PyResult<Self> {
        let array = transfer::to_source_of(value, dtype)?;
        let row = header.shape.get(1..).unwrap_or_default();
        let fits = array.ndim() == header.shape.len()
            && array.shape().iter().skip(1).map(|&length| length as u64).eq(row.iter().copied());
        if !fits {
            let reason = format!("elements of shape {:?} are not rows of shape {row:?}", array.shape());
            let hint = "; a single row is given as row[None]";
            return Err(invalid(value.py(), reason + if array.ndim() == row.len() { hint } else { "" }));
        }
        if array.is_c_contiguous() {
            return Ok(Self(array));
        }
        let numpy = value.py().import("numpy")?;
        Ok(Self(numpy.call_method1("ascontiguousarray", (array,))?.cast_into()?))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.0.shape().first().map_or(0, |&rows| rows as u64)
    }

    /// The bytes, which others should not change meanwhile; if they do, some of both is written.
    pub(crate) fn bytes(&self) -> &[u8] {
        transfer::dense_bytes(&self.0)
    }
}

/// The type of an array's elements, made once.
pub(crate) fn row_dtype<'py>(
    py: Python<'py>,
    array: &FlatArray,
) -> PyResult<(Header, Bound<'py, PyArrayDescr>)> {
    let header = array.header();
    let dtype = dtype_of(py, &header)?;
    Ok((header, dtype))
}
