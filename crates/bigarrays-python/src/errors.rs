//! The exceptions: `Error` and one class per kind of failure, each also of the fitting builtin.

use bigarrays::{Error, ErrorKind, Result};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

/// Kind, name, builtin base and documentation of every class.
const CLASSES: &[(ErrorKind, &str, Option<&str>, &str)] = &[
    (
        ErrorKind::NotFound,
        "NotFoundError",
        Some("FileNotFoundError"),
        "The array, scale or chunk does not exist.",
    ),
    (
        ErrorKind::AlreadyExists,
        "AlreadyExistsError",
        Some("FileExistsError"),
        "What should be created exists already.",
    ),
    (
        ErrorKind::InvalidArgument,
        "InvalidArgumentError",
        Some("ValueError"),
        "An argument makes no sense: a wrong shape, type, option or text.",
    ),
    (
        ErrorKind::OutOfBounds,
        "OutOfBoundsError",
        Some("IndexError"),
        "A coordinate or box lies outside the domain where that is not allowed.",
    ),
    (
        ErrorKind::InvalidMetadata,
        "InvalidMetadataError",
        Some("ValueError"),
        "Stored metadata contradict their specification.",
    ),
    (
        ErrorKind::CorruptData,
        "CorruptDataError",
        Some("ValueError"),
        "A stored chunk is truncated, damaged or not what its metadata say.",
    ),
    (
        ErrorKind::Incomplete,
        "IncompleteError",
        Some("RuntimeError"),
        "The array is marked as one that is not written to its end.",
    ),
    (
        ErrorKind::Unsupported,
        "UnsupportedError",
        Some("NotImplementedError"),
        "Valid, but not something this version can do.",
    ),
    (
        ErrorKind::PermissionDenied,
        "PermissionDeniedError",
        Some("PermissionError"),
        "The operating system or the service refuses access.",
    ),
    (ErrorKind::ReadOnly, "ReadOnlyError", Some("PermissionError"), "The array or its storage is read-only."),
    (ErrorKind::StorageFull, "StorageFullError", Some("OSError"), "The disk or quota is full."),
    (
        ErrorKind::MemoryBudget,
        "MemoryBudgetError",
        Some("MemoryError"),
        "The operation does not fit into its memory budget.",
    ),
    (ErrorKind::Cancelled, "CancelledError", None, "The caller cancelled the operation."),
    (ErrorKind::Storage, "StorageError", Some("OSError"), "Any other failure of the storage."),
];

/// The classes of [`CLASSES`], in its order, and their base.
struct Classes {
    base: Py<PyType>,
    by_kind: Vec<Py<PyType>>,
}

static MADE: PyOnceLock<Classes> = PyOnceLock::new();

fn classes(py: Python<'_>) -> PyResult<&Classes> {
    MADE.get_or_try_init(py, || {
        let builtins = py.import("builtins")?;
        let base = make(
            py,
            "Error",
            &PyTuple::new(py, [builtins.getattr("Exception")?])?,
            "Base of all errors of bigarrays.\n\nThe message says what was being done, to which key, why it failed \
             and what to do.\n`key` names the file, object or array concerned and `operation` what was being done,\n\
             where known; `retryable` says whether the same operation may succeed when tried again.",
        )?;
        let class = |&(_, name, builtin, doc): &(ErrorKind, &str, Option<&str>, &str)| {
            let mut bases = vec![base.clone().into_any()];
            if let Some(builtin) = builtin {
                bases.push(builtins.getattr(builtin)?);
            }
            Ok(make(py, name, &PyTuple::new(py, bases)?, doc)?.unbind())
        };
        let by_kind = CLASSES.iter().map(class).collect::<PyResult<_>>()?;
        Ok(Classes { base: base.unbind(), by_kind })
    })
}

fn make<'py>(
    py: Python<'py>,
    name: &str,
    bases: &Bound<'py, PyTuple>,
    doc: &str,
) -> PyResult<Bound<'py, PyType>> {
    let members = PyDict::new(py);
    members.set_item("__module__", "bigarrays")?;
    members.set_item("__doc__", doc)?;
    if name == "Error" {
        members.set_item("key", py.None())?;
        members.set_item("operation", py.None())?;
        members.set_item("retryable", false)?;
    }
    Ok(py.get_type::<PyType>().call1((name, bases, members))?.cast_into()?)
}

/// Adds every class to `module`.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let classes = classes(module.py())?;
    module.add("Error", &classes.base)?;
    CLASSES.iter().zip(&classes.by_kind).try_for_each(|(row, class)| module.add(row.1, class))
}

/// The exception for `error`.
#[cold]
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let classes = classes(py)?;
        let position = CLASSES.iter().position(|row| row.0 == error.kind());
        let class = position.map_or(&classes.base, |position| &classes.by_kind[position]);
        let value = class.bind(py).call1((error.to_string(),))?;
        value.setattr("key", error.key())?;
        value.setattr("operation", error.operation())?;
        value.setattr("retryable", error.is_retryable())?;
        if let Some(cause) = raised(error) {
            if !cause.is_instance_of::<PyException>(py) {
                // Such as Ctrl-C, which is no failure.
                return Ok(cause.clone_ref(py));
            }
            value.setattr("__cause__", cause.value(py))?;
        }
        Ok(PyErr::from_value(value))
    };
    make().unwrap_or_else(|failure| failure)
}

/// What objects of Python have raised, if that is why something failed.
fn raised(error: &Error) -> Option<&PyErr> {
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        if let Some(raised) = found.downcast_ref() {
            return Some(raised);
        }
        cause = found.source();
    }
    None
}

/// Turns results of the core into results of Python.
pub(crate) trait OrRaise<T> {
    /// The value, or the error as an exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error))
    }
}

/// An `InvalidArgumentError`.
#[cold]
pub(crate) fn invalid(py: Python<'_>, message: impl Into<String>) -> PyErr {
    exception(py, &Error::invalid(message.into()))
}
