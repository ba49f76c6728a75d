//! Pictures of planes.

use bigarrays::compute::ComputeOptions;
use bigarrays::jobs::{Color, Contrast, Picture, PictureOptions, Pixels, Planes, picture, picture_of};
use bigarrays::{DataType, Domain};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::array::PyArray;
use crate::array::domain::to_part;
use crate::compute::expression::PyLazy;
use crate::errors::{OrRaise, invalid};
use crate::interrupt::detached;
use crate::transfer::filled;

/// A picture that `picture` has drawn. Jupyter shows it, `numpy.asarray` takes its pixels.
///
/// Example:
///     >>> import numpy as np
///     >>> a = bigarrays.create("memory://pictured", shape=(4, 3, 2), dtype="uint8")
///     >>> drawn = bigarrays.picture(a, z=1)
///     >>> np.asarray(drawn).shape, drawn.png[:4]
///     ((3, 4, 3), b'\x89PNG')
#[pyclass(name = "Picture", module = "bigarrays", frozen)]
pub(crate) struct PyPicture(Picture);

#[pymethods]
impl PyPicture {
    /// Number of columns.
    #[getter]
    fn width(&self) -> usize {
        self.0.width()
    }

    /// Number of rows.
    #[getter]
    fn height(&self) -> usize {
        self.0.height()
    }

    /// The bytes of the PNG file.
    #[getter]
    fn png<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.png().or_raise(py)?))
    }

    /// A new NumPy array of uint8 of shape (height, width, 3): red, green and blue; or (height, width, 4) of labels alone, whose
    /// fourth value is 0 where there are none, and 255 elsewhere.
    #[getter]
    fn pixels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let bytes = self.0.pixels();
        let flat = filled(py, bytes.len(), DataType::U8, |out| {
            out.copy_from_slice(bytes);
            Ok(())
        })?;
        flat.call_method1("reshape", ((self.0.height(), self.0.width(), self.0.channels()),))
    }

    /// The elements that are black and white, for each channel that is shown; empty for labels.
    #[getter]
    fn contrast(&self) -> Vec<(f64, f64)> {
        self.0.contrast().to_vec()
    }

    /// What there is to know of how it was drawn, such as the scale that was read, each a sentence.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.0.notes().to_vec()
    }

    /// Writes the PNG file.
    ///
    /// Args:
    ///     path: The file, which is replaced if it is there.
    fn save(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        Ok(std::fs::write(path, self.0.png().or_raise(py)?)?)
    }

    fn _repr_png_<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.png(py)
    }

    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let pixels = self.pixels(py)?;
        if copy == Some(false) {
            return Err(invalid(py, "the pixels of a picture are always copied"));
        }
        dtype.map_or(Ok(pixels.clone()), |dtype| pixels.call_method1("astype", (dtype,)))
    }

    fn __repr__(&self) -> String {
        format!("<bigarrays.Picture of {} × {} pixels>", self.0.width(), self.0.height())
    }
}

/// What is drawn.
#[derive(FromPyObject)]
pub(crate) enum Drawn<'py> {
    Array(Bound<'py, PyArray>),
    Lazy(Bound<'py, PyLazy>),
}

impl Drawn<'_> {
    fn domain(&self) -> &Domain {
        match self {
            Self::Array(array) => array.get().array.domain(),
            Self::Lazy(lazy) => lazy.get().inner().domain(),
        }
    }

    /// What axes are called; nothing where they have no names.
    fn names(&self) -> Vec<String> {
        match self {
            Self::Array(array) => array.get().array.axis_names().iter().map(ToString::to_string).collect(),
            Self::Lazy(lazy) => {
                lazy.get().inner().names().iter().map(|name| name.clone().unwrap_or_default()).collect()
            }
        }
    }
}

/// Draws planes; `bigarrays.picture` says what of.
#[pyfunction]
#[pyo3(signature = (of, at, r#box, axes, projection, pixels, contrast, labels, overlay, opacity, color_map, colors, missing_color, scale_bar, captions, read_limit))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn _picture(
    py: Python<'_>,
    of: Drawn<'_>,
    at: &Bound<'_, PyDict>,
    r#box: Option<&Bound<'_, PyAny>>,
    axes: Option<&Bound<'_, PyAny>>,
    projection: Option<&str>,
    pixels: Option<&Bound<'_, PyAny>>,
    contrast: Option<&Bound<'_, PyAny>>,
    labels: Option<bool>,
    overlay: Option<&Bound<'_, PyArray>>,
    opacity: f64,
    color_map: &str,
    colors: Option<Vec<String>>,
    missing_color: Option<&str>,
    scale_bar: bool,
    captions: bool,
    read_limit: u64,
) -> PyResult<PyPicture> {
    let names = of.names();
    let at: Vec<_> = at
        .iter()
        .map(|(axis, at)| Ok((to_axis(&axis, &names)?, to_planes(&at)?)))
        .collect::<PyResult<_>>()?;
    let part: Option<Domain> = r#box.map(|given| to_part(Some(given), of.domain())).transpose()?;
    let colors =
        colors.map(|all| all.iter().map(|color| color.parse()).collect::<bigarrays::Result<Vec<Color>>>());
    let options = PictureOptions {
        part,
        at,
        axes: axes.map(|axes| to_axes(axes, &names)).transpose()?,
        projection: projection.map(str::parse).transpose().or_raise(py)?,
        pixels: pixels.map(to_pixels).transpose()?,
        contrast: contrast.map(to_contrast).transpose()?,
        labels,
        overlay: overlay.map(|overlay| &overlay.get().array),
        opacity,
        color_map: color_map.parse().or_raise(py)?,
        colors: colors.transpose().or_raise(py)?,
        missing_color: missing_color.map_or(Ok(Color::MISSING), str::parse).or_raise(py)?,
        scale_bar,
        captions,
        read_limit,
    };
    let drawn = match &of {
        Drawn::Array(array) => {
            let array = &array.get().array;
            detached(py, || picture(array, &options))
        }
        Drawn::Lazy(lazy) => {
            let lazy = lazy.get().inner();
            detached(py, || picture_of(lazy, &options, &ComputeOptions::default()))
        }
    };
    drawn.map(PyPicture)
}

/// The position of an axis, from its name or number.
fn to_axis(given: &Bound<'_, PyAny>, names: &[String]) -> PyResult<usize> {
    let found = match given.extract::<String>() {
        Ok(name) => names.iter().position(|known| *known == name),
        Err(_) => {
            let number: i64 = given.extract()?;
            let number = if number < 0 { number + names.len() as i64 } else { number };
            usize::try_from(number).ok().filter(|&axis| axis < names.len())
        }
    };
    let known = || names.join(", ");
    found.ok_or_else(|| invalid(given.py(), format!("no axis is called {given}; there are {}", known())))
}

/// Two axes, or the letters of their names.
fn to_axes(given: &Bound<'_, PyAny>, names: &[String]) -> PyResult<[usize; 2]> {
    let all: Vec<usize> = given.try_iter()?.map(|axis| to_axis(&axis?, names)).collect::<PyResult<_>>()?;
    <[usize; 2]>::try_from(all)
        .map_err(|all| invalid(given.py(), format!("{} axes; a picture has two", all.len())))
}

/// A coordinate, a slice or range, or a text such as "0:100:10".
fn to_planes(given: &Bound<'_, PyAny>) -> PyResult<Planes> {
    if let Ok(text) = given.cast::<PyString>() {
        return text.to_str()?.parse().or_raise(given.py());
    }
    if let Ok(at) = given.extract::<i64>() {
        return Ok(Planes::At(at));
    }
    let bound = |name: &str| -> PyResult<Option<i64>> {
        let wrong =
            |_| PyTypeError::new_err("planes are a coordinate, a slice, a range, or a text as \"0:100:10\"");
        given.getattr(name).map_err(wrong)?.extract()
    };
    let (start, stop, step) = (bound("start")?, bound("stop")?, bound("step")?.unwrap_or(1));
    let step = u64::try_from(step).ok().filter(|&step| step > 0);
    let step = step.ok_or_else(|| invalid(given.py(), format!("{given}: a step is at least 1")))?;
    Ok(Planes::Range { start, stop, step })
}

/// Pixels of the longer side, or (height, width).
fn to_pixels(given: &Bound<'_, PyAny>) -> PyResult<Pixels> {
    let expected = "expected a number from 1 to 4294967295, or two as (height, width)";
    let none = || invalid(given.py(), format!("pixels={given}: {expected}"));
    if let Ok(pixels) = given.extract::<u32>() {
        return if pixels > 0 { Ok(Pixels::Longest(pixels)) } else { Err(none()) };
    }
    let (height, width): (u32, u32) = given.extract().map_err(|_| none())?;
    if height > 0 && width > 0 { Ok(Pixels::Exact { height, width }) } else { Err(none()) }
}

/// A text, or a lower and a higher number.
fn to_contrast(given: &Bound<'_, PyAny>) -> PyResult<Contrast> {
    if let Ok(text) = given.cast::<PyString>() {
        return text.to_str()?.parse().or_raise(given.py());
    }
    let (low, high) = given.extract::<(f64, f64)>()?;
    Ok(Contrast::Range(low, high))
}
