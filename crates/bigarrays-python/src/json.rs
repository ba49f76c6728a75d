//! JSON values ↔ Python's.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat};
use serde_json::{Map, Value};

use crate::errors::invalid;

/// A Python value as JSON. Numbers that are not finite become the names that Zarr has for them.
pub(crate) fn to_json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = value.py();
    let value = match value.hasattr("dtype")? {
        // A scalar of numpy.
        true => value.call_method0("item")?,
        false => value.clone(),
    };
    if let Ok(number) = value.cast::<PyFloat>() {
        let name = match number.value() {
            x if x.is_nan() => Some("NaN"),
            f64::INFINITY => Some("Infinity"),
            f64::NEG_INFINITY => Some("-Infinity"),
            _ => None,
        };
        if let Some(name) = name {
            return Ok(Value::String(name.to_owned()));
        }
    }
    let arguments = PyDict::new(py);
    arguments.set_item("allow_nan", false)?;
    let text: String = py.import("json")?.call_method("dumps", (value,), Some(&arguments))?.extract()?;
    serde_json::from_str(&text).map_err(|error| invalid(py, format!("not JSON: {error}")))
}

/// A Python dict as a JSON object.
pub(crate) fn to_object(value: &Bound<'_, PyAny>) -> PyResult<Map<String, Value>> {
    match to_json(value)? {
        Value::Object(object) => Ok(object),
        _ => Err(invalid(value.py(), "attributes are a dict")),
    }
}

/// A JSON value as Python has it.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}
