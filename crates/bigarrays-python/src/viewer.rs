//! Viewers: arrays in Neuroglancer.

use std::path::PathBuf;
use std::sync::Mutex;

use bigarrays::base::sync::MutexExt;
use bigarrays_serve::{Affine, Layer, Pyramid, ViewOptions, Viewer, Volume};
use pyo3::prelude::*;

use crate::array::PyArray;
use crate::compute::expression::PyLazy;
use crate::errors::{OrRaise, invalid};
use crate::interrupt::detached;
use crate::json::to_object;

/// A server of layers. `bigarrays.Viewer` has what users see.
#[pyclass(name = "_Viewer", module = "bigarrays._bigarrays", frozen)]
pub(crate) struct PyViewer {
    viewer: Mutex<Option<Viewer>>,
    url: String,
    base: String,
    names: Vec<String>,
}

/// What a layer is made of.
#[derive(FromPyObject)]
enum Shown<'py> {
    Array(Bound<'py, PyArray>),
    Lazy(Bound<'py, PyLazy>),
}

/// A layer: its name, what it is made of, whether it is of labels, and the rows of its affine matrix.
type Described<'py> = (String, Shown<'py>, Option<bool>, Option<Vec<Vec<f64>>>);

#[pymethods]
impl PyViewer {
    /// Starts one, of layers that each have a name, an array or expression, whether it is of labels, and an affine matrix.
    #[new]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        py: Python<'_>,
        layers: Vec<Described<'_>>,
        at: Option<Vec<f64>>,
        layout: Option<String>,
        state: Option<&Bound<'_, PyAny>>,
        bind: &str,
        port: u16,
        allow_origin: Vec<String>,
        neuroglancer: Option<String>,
        tile_bytes: Option<u64>,
        pyramid: Option<PathBuf>,
    ) -> PyResult<Self> {
        let layer = |(name, shown, labels, affine): Described<'_>| {
            let volume: Volume = match shown {
                Shown::Array(array) => array.get().array.clone().into(),
                Shown::Lazy(lazy) => lazy.get().inner().clone().into(),
            };
            let layer = Layer::new(name, volume);
            let affine = affine.map(|rows| Affine::new(&rows)).transpose().or_raise(py)?;
            let layer = labels.into_iter().fold(layer, Layer::labels);
            Ok(affine.into_iter().fold(layer, Layer::affine))
        };
        let layers: Vec<Layer> = layers.into_iter().map(layer).collect::<PyResult<_>>()?;
        let options = ViewOptions {
            bind: bind
                .parse()
                .map_err(|_| invalid(py, format!("{bind:?} is no address, such as 127.0.0.1")))?,
            port,
            allow_origin,
            neuroglancer,
            at,
            layout,
            tile_bytes: tile_bytes.unwrap_or(ViewOptions::default().tile_bytes),
            state: state.map(to_object).transpose()?.unwrap_or_default(),
            pyramid,
            ..ViewOptions::default()
        };
        let viewer = detached(py, || Viewer::start(&layers, &options))?;
        let names = viewer.names().map(str::to_owned).collect();
        let (url, base) = (viewer.url().to_owned(), viewer.base().to_owned());
        Ok(Self { viewer: Mutex::new(Some(viewer)), url, base, names })
    }

    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    #[getter]
    fn base(&self) -> &str {
        &self.base
    }

    #[getter]
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    #[getter]
    fn is_open(&self) -> bool {
        self.viewer.locked().is_some()
    }

    /// How many reads ended early; 0 once it is closed.
    #[getter]
    fn dropped_reads(&self) -> u64 {
        self.viewer.locked().as_ref().map_or(0, Viewer::dropped_reads)
    }

    /// What there is of kept levels; nothing once it is closed.
    #[getter]
    fn pyramids(&self) -> Vec<Option<String>> {
        let text = |state: Option<Pyramid>| state.map(|state| state.to_string());
        let viewer = self.viewer.locked();
        viewer.as_ref().map_or_else(Vec::new, |viewer| viewer.pyramids().into_iter().map(text).collect())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let viewer = self.viewer.locked().take();
        // Reads of Python's objects need the interpreter to end.
        py.detach(|| drop(viewer));
        Ok::<_, bigarrays::Error>(()).or_raise(py)
    }
}
