//! Keyword arguments, and arguments that several functions take.

use std::path::PathBuf;

use bigarrays::format::ScaleSelector;
use bigarrays::store::Settings;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::invalid;

/// Keyword arguments, taken one by one.
pub(crate) struct Arguments<'py> {
    pub(crate) py: Python<'py>,
    given: Option<Bound<'py, PyDict>>,
}

impl<'py> Arguments<'py> {
    pub(crate) fn new(py: Python<'py>, given: Option<&Bound<'py, PyDict>>) -> PyResult<Self> {
        Ok(Self { py, given: given.map(|given| given.copy()).transpose()? })
    }

    /// Whether the argument `name` is given, and not None.
    pub(crate) fn has(&self, name: &str) -> PyResult<bool> {
        Ok(self.peek::<Bound<'_, PyAny>>(name)?.is_some())
    }

    /// As [`Arguments::take`], but it stays.
    pub(crate) fn peek<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<Option<T>> {
        Self { py: self.py, given: self.given.as_ref().map(|given| given.copy()).transpose()? }.take(name)
    }

    /// The argument `name`, unless it is missing or None.
    pub(crate) fn take<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<Option<T>> {
        let Some(given) = &self.given else { return Ok(None) };
        let Some(value) = given.get_item(name)? else { return Ok(None) };
        given.del_item(name)?;
        if value.is_none() {
            return Ok(None);
        }
        value.extract::<T>().map(Some).map_err(|error| {
            let error: PyErr = error.into();
            PyTypeError::new_err(format!("argument {name:?}: {}", error.value(self.py)))
        })
    }

    /// What stores behind a network are told.
    pub(crate) fn settings(&self) -> PyResult<Settings> {
        let given: Option<Bound<'py, PyDict>> = self.take("storage_options")?;
        given.map_or_else(|| Ok(Settings::new()), |given| to_settings(&given))
    }

    /// An error if there are arguments that nobody took.
    pub(crate) fn finish(self, function: &str) -> PyResult<()> {
        match self.given.and_then(|given| given.keys().get_item(0).ok()) {
            None => Ok(()),
            Some(name) => {
                Err(PyTypeError::new_err(format!("{function}() got an unexpected keyword argument '{name}'")))
            }
        }
    }

    pub(crate) fn invalid(&self, message: impl Into<String>) -> PyErr {
        invalid(self.py, message)
    }
}

/// The settings of a dict. Errors do not repeat values, which may be secret.
pub(crate) fn to_settings(given: &Bound<'_, PyDict>) -> PyResult<Settings> {
    let mut settings = Settings::new();
    for (key, value) in given {
        let key =
            key.extract::<String>().map_err(|_| PyTypeError::new_err("storage_options: keys are texts"))?;
        let text = match value.extract::<bool>() {
            Ok(flag) => flag.to_string(),
            Err(_) => value.str()?.to_string(),
        };
        if !value.is_none() {
            settings.set(&key, text);
        }
    }
    Ok(settings)
}

/// A path or URL as text.
pub(crate) fn to_url(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    path.into_os_string()
        .into_string()
        .map_err(|path| invalid(py, format!("path {path:?} is not valid Unicode")))
}

/// A scale by position, key or resolution.
pub(crate) fn to_selector(scale: &Bound<'_, PyAny>) -> PyResult<ScaleSelector> {
    if let Ok(index) = scale.extract::<usize>() {
        return Ok(ScaleSelector::Index(index));
    }
    if let Ok(key) = scale.extract::<String>() {
        return Ok(ScaleSelector::Key(key));
    }
    scale.extract::<Vec<f64>>().map(ScaleSelector::Resolution).map_err(|_| {
        invalid(scale.py(), "a scale is a position from 0, a key, or the size of an element along each axis")
    })
}
