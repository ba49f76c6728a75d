//! Objects of Python as sources of expressions.

use bigarrays::base::buffer::{Order, Region, View, ViewMut};
use bigarrays::base::dims::Dims;
use bigarrays::compute::Source;
use bigarrays::{DataType, Domain, Error, ErrorKind, Result};
use numpy::{PyArrayDescr, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PySlice, PyTuple};

use crate::errors::{OrRaise, exception};
use crate::transfer::{self, Elements};
use crate::turn;

/// A NumPy array that is kept, and read without the interpreter.
pub(super) struct Held {
    elements: Elements,
    dtype: DataType,
    domain: Domain,
}

impl Held {
    /// The elements of what becomes a NumPy array, or of the first `rows` of it.
    pub(super) fn new(array: &Bound<'_, PyAny>, rows: Option<isize>) -> PyResult<Self> {
        let py = array.py();
        let mut array = py.import("numpy")?.call_method1("asarray", (array,))?;
        if let Some(rows) = rows {
            array = array.get_item(PySlice::new(py, 0, rows, 1))?;
        }
        let array: Bound<'_, PyUntypedArray> = array.cast_into()?;
        let shape: Dims<u64> = array.shape().iter().map(|&length| length as u64).collect();
        Ok(Self {
            elements: Elements::of(&array),
            dtype: to_number(&array.dtype(), "memory")?,
            domain: Domain::from_shape(&shape).or_raise(py)?,
        })
    }
}

impl Source for Held {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn dtype(&self) -> DataType {
        self.dtype
    }

    fn domain(&self) -> &Domain {
        &self.domain
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    fn read(&self, part: &Domain, out: &mut [u8]) -> Result<()> {
        let region = Region {
            start: part.origin().iter().map(|&at| at as usize).collect(),
            count: part.shape().iter().map(|&length| length as usize).collect(),
            step: Dims::from_elem(1, part.ndim()),
        };
        copy(out, self.dtype, &self.elements.view().region(&region))
    }
}

/// An object with a shape, a type and slices.
pub(super) struct Foreign {
    object: Py<PyAny>,
    name: String,
    dtype: DataType,
    domain: Domain,
    chunk_shape: Option<Dims<u64>>,
    kept_bytes: u64,
}

impl Foreign {
    pub(super) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let name = object.get_type().name()?.to_string();
        let shape: Vec<u64> = object.getattr("shape")?.extract()?;
        let of_others = py.import("bigarrays._foreign")?;
        let chunk: Option<Vec<u64>> = of_others.call_method1("chunk_shape", (object,))?.extract()?;
        let kept_bytes = of_others.call_method1("kept_bytes", (object,))?.extract()?;
        let descr = PyArrayDescr::new(py, object.getattr("dtype")?)?;
        Ok(Self {
            object: object.clone().unbind(),
            dtype: to_number(&descr, &name)?,
            name,
            domain: Domain::from_shape(&shape).or_raise(py)?,
            chunk_shape: chunk.map(Dims::from_vec),
            kept_bytes,
        })
    }

    /// The elements of a box, in the order of bytes of the machine.
    fn elements(&self, py: Python<'_>, part: &Domain) -> PyResult<Elements> {
        let slices = part.ranges().map(|range| PySlice::new(py, range.start as isize, range.end as isize, 1));
        let key = PyTuple::new(py, slices.collect::<Vec<_>>())?;
        let arguments =
            (&self.object, key, transfer::descr(py, self.dtype)?, PyTuple::new(py, part.shape())?);
        let found = py.import("bigarrays._foreign")?.call_method1("read", arguments)?;
        Ok(Elements::of(found.cast::<PyUntypedArray>()?))
    }
}

impl Source for Foreign {
    fn name(&self) -> &str {
        &self.name
    }

    fn dtype(&self) -> DataType {
        self.dtype
    }

    fn domain(&self) -> &Domain {
        &self.domain
    }

    fn chunk_shape(&self) -> Option<&[u64]> {
        self.chunk_shape.as_deref()
    }

    fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    fn read(&self, part: &Domain, out: &mut [u8]) -> Result<()> {
        let failed = |error: PyErr| {
            let reason = error.to_string();
            Error::new(ErrorKind::Storage, reason).caused_by(error)
        };
        let read = |py: Python<'_>| copy(out, self.dtype, &self.elements(py, part).map_err(failed)?.view());
        let done = turn::within(|| Python::try_attach(read))?;
        done.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "the interpreter is at its end")))
    }
}

/// Copies elements to dense memory.
fn copy(out: &mut [u8], dtype: DataType, from: &View<'_>) -> Result<()> {
    let shape: Dims<usize> = from.shape().into();
    ViewMut::dense(out, &shape, dtype.size(), Order::C)?.copy_from(from);
    Ok(())
}

/// The type of elements that can be computed with.
fn to_number(descr: &Bound<'_, PyArrayDescr>, of: &str) -> PyResult<DataType> {
    let py = descr.py();
    let refused = || {
        let reason = format!("{descr} elements are no numbers to compute with");
        exception(py, &Error::unsupported(reason).at(of))
    };
    let dtype = transfer::to_dtype(descr).map_err(|_| refused())?;
    if dtype.is_number() { Ok(dtype) } else { Err(refused()) }
}
