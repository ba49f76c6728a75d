//! What is kept beside the names of slices, as it is given in Python.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::OrRaise;
use crate::flat::source::Source;

/// Where the metadata of slices that are written come from.
pub(crate) enum Given<'py> {
    Nothing,
    /// A mapping of names and values.
    Mapping(Bound<'py, PyAny>),
    /// A function of a name.
    Function(Bound<'py, PyAny>),
    /// The slices that are written again.
    Slices(Source),
}

impl<'py> Given<'py> {
    /// What `meta=` means.
    pub(crate) fn of(meta: Option<Bound<'py, PyAny>>) -> Self {
        match meta {
            None => Self::Nothing,
            Some(meta) if meta.is_callable() => Self::Function(meta),
            Some(meta) => Self::Mapping(meta),
        }
    }

    /// The JSON for a name, if there is any.
    pub(crate) fn json(&self, name: &Bound<'py, PyString>) -> PyResult<Option<String>> {
        let value = match self {
            Self::Nothing => return Ok(None),
            Self::Slices(source) => return source.metadata(name.to_str()?).or_raise(name.py()),
            Self::Function(function) => match function.call1((name,))? {
                value if value.is_none() => return Ok(None),
                value => value,
            },
            Self::Mapping(mapping) if mapping.contains(name)? => mapping.get_item(name)?,
            Self::Mapping(_) => return Ok(None),
        };
        json_of(name, &value).map(Some)
    }
}

/// The JSON of a value beside a name.
pub(crate) fn json_of(name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<String> {
    name.py().import("bigarrays._metadata")?.call_method1("text", (name, value))?.extract()
}
