//! Functions of Python as functions of blocks.

use std::sync::Arc;

use bigarrays::compute::{BlockFunction, Boundary, Elements, Lazy, Number, Overlap, Window};
use bigarrays::{DataType, Domain, Error, ErrorKind, Result};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::array::domain::PyDomain;
use crate::errors::OrRaise;
use crate::transfer;
use crate::turn;

/// A function, and how it is called.
struct Mapped {
    function: Py<PyAny>,
    dtypes: Vec<DataType>,
    /// Whether it is given the box of the block.
    passes_block: bool,
    /// Whether several threads may call it at once.
    releases_gil: bool,
}

/// What lies beside blocks: before and behind them along each axis, and what lies beyond the ends.
pub(super) fn to_overlap(
    py: Python<'_>,
    depth: Vec<(u64, u64)>,
    boundary: Vec<Option<(String, f64)>>,
    trim: bool,
) -> PyResult<Overlap> {
    let one = |boundary: Option<(String, f64)>| {
        let number = |value: f64| {
            let is_whole = value.fract() == 0.0 && value.abs() < 9e15;
            if is_whole { Number::Whole(value as i128) } else { Number::Real(value) }
        };
        boundary.map(|(name, value)| Boundary::named(&name, number(value))).transpose()
    };
    let boundary = boundary.into_iter().map(one).collect::<Result<_>>().or_raise(py)?;
    Ok(Overlap { depth, boundary, trim })
}

/// The results of a function of blocks.
pub(super) fn map(
    function: &Bound<'_, PyAny>,
    inputs: &[Lazy],
    overlap: &Overlap,
    dtypes: Vec<DataType>,
    passes_block: bool,
    releases_gil: bool,
) -> PyResult<Vec<Lazy>> {
    let mapped = Mapped { function: function.clone().unbind(), dtypes, passes_block, releases_gil };
    let dtypes = mapped.dtypes.clone();
    Lazy::map_function(&mapped.into_function(), inputs, overlap, &dtypes).or_raise(function.py())
}

/// The function that another process, or this one, has described.
pub(super) fn found(text: &str, dtypes: &[DataType]) -> Result<BlockFunction> {
    attached(|py| {
        let found = py.import("bigarrays._functions")?.call_method1("found", (text,))?;
        let (function, passes_block, releases_gil) = found.extract()?;
        Ok(Mapped { function, dtypes: dtypes.to_vec(), passes_block, releases_gil }.into_function())
    })
}

/// What `work` gives in the interpreter; its exception is the error.
fn attached<T>(work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T> {
    let failed = |error: PyErr| {
        let reason = error.to_string();
        Error::new(ErrorKind::InvalidArgument, reason).caused_by(error)
    };
    let done = Python::try_attach(|py| work(py).map_err(failed));
    done.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "the interpreter is at its end")))
}

impl Mapped {
    fn into_function(self) -> BlockFunction {
        let mapped = Arc::new(self);
        let known = Arc::clone(&mapped);
        let work = move |block: &Domain, windows: &[Window<'_>]| mapped.call(block, windows);
        BlockFunction::new("map_blocks", work).known_by(move || {
            attached(|py| {
                let arguments = (&known.function, known.passes_block, known.releases_gil);
                py.import("bigarrays._functions")?.call_method1("described", arguments)?.extract()
            })
        })
    }

    fn call(&self, block: &Domain, windows: &[Window<'_>]) -> Result<Vec<Elements>> {
        let called = || attached(|py| self.elements(py, block, windows));
        if self.releases_gil { called() } else { turn::within(called)? }
    }

    fn elements(&self, py: Python<'_>, block: &Domain, windows: &[Window<'_>]) -> PyResult<Vec<Elements>> {
        let blocks = PyList::empty(py);
        for window in windows {
            // Whoever keeps it keeps a copy.
            let bytes = PyBytes::new(py, &window.to_bytes().or_raise(py)?);
            let shape = PyTuple::new(py, window.domain().shape())?;
            blocks.append((bytes, transfer::descr(py, window.dtype())?, shape))?;
        }
        let descrs =
            self.dtypes.iter().map(|&dtype| transfer::descr(py, dtype)).collect::<PyResult<Vec<_>>>()?;
        let domain = self.passes_block.then(|| PyDomain(block.clone()));
        let arguments = (&self.function, blocks, domain, PyList::new(py, descrs)?);
        let made = py.import("bigarrays._mapping")?.call_method1("call", arguments)?;
        let one = |(made, &dtype): (PyResult<Bound<'_, PyAny>>, &DataType)| {
            let made = made?.cast_into::<PyUntypedArray>()?;
            Elements::of_bytes(dtype, made.shape(), transfer::dense_bytes(&made)).or_raise(py)
        };
        made.try_iter()?.zip(&self.dtypes).map(one).collect()
    }
}
