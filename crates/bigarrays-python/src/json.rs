//! JSON values ↔ Python's.

use bigarrays::format::text;
use pyo3::prelude::*;
use serde_json::{Map, Value};

use crate::errors::{OrRaise, invalid};

/// A Python value as JSON, with numbers that are not finite.
pub(crate) fn to_json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = value.py();
    let value = match value.hasattr("dtype")? {
        // A scalar of numpy.
        true => value.call_method0("item")?,
        false => value.clone(),
    };
    let json: String = py.import("json")?.call_method1("dumps", (value,))?.extract()?;
    text::parse(json.as_bytes()).or_raise(py)
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
    py.import("json")?.call_method1("loads", (text::line(value),))
}
