//! Rows between numpy and files: their type, and their bytes.

use bigarrays::flat::{Descr, FlatArray, Header};
use bigarrays::{Error, ErrorKind};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::errors::{OrRaise, exception, invalid};
use crate::transfer;

/// The element type that a file's header describes.
pub(crate) fn dtype_of<'py>(py: Python<'py>, header: &Header) -> PyResult<Bound<'py, PyArrayDescr>> {
    let text = header.descr.text();
    if let Some(name) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return PyArrayDescr::new(py, name);
    }
    if let Some(named) = named_type(py, text) {
        return Ok(named);
    }
    let descr = py.import("ast")?.call_method1("literal_eval", (text,))?;
    let format = py.import("numpy")?.getattr("lib")?.getattr("format")?;
    Ok(format.call_method1("descr_to_dtype", (descr,))?.cast_into()?)
}

/// How numbers that NumPy has no name for stand in a header, by the name of their type in `ml_dtypes`.
const NAMED: (&str, &str, &str) = ("[('", "', '|V", "')]");

/// The type of `ml_dtypes` that `text` names, if that is installed; or else the elements are raw bytes.
fn named_type<'py>(py: Python<'py>, text: &str) -> Option<Bound<'py, PyArrayDescr>> {
    let (name, size) = text.strip_prefix(NAMED.0)?.strip_suffix(NAMED.2)?.split_once(NAMED.1)?;
    let found = py.import("ml_dtypes").ok()?.getattr(name).ok()?;
    let dtype = PyArrayDescr::new(py, found).ok()?;
    (is_named(&dtype).ok()? && size.parse() == Ok(dtype.itemsize())).then_some(dtype)
}

/// Whether NumPy has a type from another package.
fn is_named(dtype: &Bound<'_, PyArrayDescr>) -> PyResult<bool> {
    Ok(dtype.getattr("isbuiltin")?.extract::<i32>()? == 2)
}

/// The type that a header has for `given`, anything that `numpy.dtype` takes.
pub(crate) fn descr_of(given: &Bound<'_, PyAny>) -> PyResult<Descr> {
    let py = given.py();
    let dtype = PyArrayDescr::new(py, given)?;
    if dtype.getattr("hasobject")?.extract()? {
        let reason = "Python objects have no place in a file; give another dtype";
        return Err(exception(py, &Error::new(ErrorKind::Unsupported, reason)));
    }
    if is_named(&dtype)? {
        let (name, size) = (dtype.getattr("name")?.extract::<String>()?, dtype.itemsize());
        return Descr::parse(&format!("{}{name}{}{size}{}", NAMED.0, NAMED.1, NAMED.2)).or_raise(py);
    }
    let format = py.import("numpy")?.getattr("lib")?.getattr("format")?;
    let descr = format.call_method1("dtype_to_descr", (dtype,))?;
    Descr::parse(&descr.repr()?.to_string()).or_raise(py)
}

/// Rows to be written: a contiguous numpy array of an array's type.
pub(crate) struct RowData<'py>(Bound<'py, PyUntypedArray>);

impl<'py> RowData<'py> {
    /// `value` as rows of the array that `header` describes, whose type is `dtype`.
    pub(crate) fn new(
        value: &Bound<'py, PyAny>,
        header: &Header,
        dtype: &Bound<'py, PyArrayDescr>,
        casting: Option<&str>,
    ) -> PyResult<Self> {
        let array = transfer::to_source_of(value, dtype, casting)?;
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

/// Python's range.
pub(crate) fn to_range<'py>(py: Python<'py>, rows: &std::ops::Range<u64>) -> PyResult<Bound<'py, PyAny>> {
    py.import("builtins")?.call_method1("range", (rows.start, rows.end))
}
