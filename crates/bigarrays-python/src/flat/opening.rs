//! How flat arrays are opened or created: modes, and what a new one is made of.

use std::path::PathBuf;
use std::time::Duration;

use bigarrays::base::buffer::Order;
use bigarrays::flat::{FlatOptions, FlatSpec, Header, Mode};
use bigarrays::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::errors::{OrRaise, exception, invalid};
use crate::flat::rows::descr_of;
use crate::interrupt::{detached, outcome_detached};

/// What pickle keeps: a function that opens again, and its arguments.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, (PathBuf, &'static str, Bound<'py, PyDict>));

/// How an array is opened or created, as Python says it.
pub(crate) struct Opening<'py> {
    pub(crate) path: PathBuf,
    pub(crate) mode: String,
    pub(crate) shape: Option<Vec<Option<u64>>>,
    pub(crate) dtype: Option<Bound<'py, PyAny>>,
    pub(crate) order: String,
    pub(crate) reserve: u64,
    pub(crate) lock_timeout: Option<Duration>,
}

impl Opening<'_> {
    /// Opens with `open`, or creates with `create` what `spec` describes, as the mode says.
    pub(crate) fn run<T: Send, S: Sync>(
        &self,
        py: Python<'_>,
        open: impl Fn(FlatOptions) -> bigarrays::Result<T> + Send + Sync,
        spec: impl Fn() -> PyResult<S>,
        create: impl Fn(&S) -> bigarrays::Result<T> + Send + Sync,
    ) -> PyResult<T> {
        let mode = match self.mode.as_str() {
            "r" => Mode::Read,
            "c" => Mode::CopyOnWrite,
            "r+" | "a" => Mode::ReadWrite,
            "w" | "w-" | "x" => {
                let spec = spec()?;
                return detached(py, || create(&spec));
            }
            other => {
                let known = "known are \"r\", \"r+\", \"c\", \"w\", \"w-\", \"x\" and \"a\"";
                return Err(invalid(py, format!("unknown mode {other:?}; {known}")));
            }
        };
        let options = FlatOptions { mode, lock_timeout: self.lock_timeout };
        match outcome_detached(py, &|| false, || open(options))? {
            Err(error) if self.mode == "a" && error.kind() == ErrorKind::NotFound => {
                let spec = spec()?;
                detached(py, || match create(&spec) {
                    // Another has been quicker.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => open(options),
                    created => created,
                })
            }
            opened => opened.or_raise(py),
        }
    }

    /// What a new array is to be.
    pub(crate) fn spec(&self, py: Python<'_>) -> PyResult<FlatSpec> {
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
            reserve: self.reserve,
            overwrite: self.mode == "w",
            lock_timeout: self.lock_timeout,
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

/// Several arrays, as a dict of their names and, in a tuple, the lengths of their axes and their type.
pub(crate) fn openings<'py>(
    arrays: &Bound<'py, PyDict>,
    common: &Opening<'py>,
) -> PyResult<Vec<(String, Opening<'py>)>> {
    let py = arrays.py();
    let opening = |(name, array): (Bound<'py, PyAny>, Bound<'py, PyAny>)| {
        let wrong = || {
            let reason =
                "the value is a tuple of the lengths of its axes and its type, like (None, 40, \"float32\")";
            invalid(py, format!("arrays[{name:?}]: {reason}"))
        };
        let array = array.cast_into::<PyTuple>().map_err(|_| wrong())?;
        let (Some(count), Ok(name)) = (array.len().checked_sub(1), name.extract::<String>()) else {
            return Err(wrong());
        };
        let shape: Vec<Option<u64>> = array.get_slice(0, count).extract().map_err(|_| wrong())?;
        let dtype = Some(array.get_item(count)?).filter(|dtype| !dtype.is_none());
        if dtype.is_none() {
            return Err(wrong());
        }
        let (path, mode, order) = (common.path.clone(), common.mode.clone(), common.order.clone());
        let (reserve, lock_timeout) = (common.reserve, common.lock_timeout);
        Ok((name, Opening { path, mode, shape: Some(shape), dtype, order, reserve, lock_timeout }))
    };
    arrays.iter().map(opening).collect()
}

/// A time that Python gives in seconds.
pub(crate) fn duration(py: Python<'_>, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let to_duration = |seconds| {
        Duration::try_from_secs_f64(seconds).map_err(|error| invalid(py, format!("lock_timeout: {error}")))
    };
    seconds.map(to_duration).transpose()
}

/// The mode that opens again what was opened with `mode`.
pub(crate) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "r",
        Mode::ReadWrite => "r+",
        Mode::CopyOnWrite => "c",
    }
}
