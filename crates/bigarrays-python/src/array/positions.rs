//! `Positions`: where the elements along one axis are.

use bigarrays::chunk::layout::Positions;
use pyo3::prelude::*;

/// Where the elements along one axis of an array or view are: element `k` at `start + step * k`, counted from the first
/// of its domain.
///
/// Example:
///     >>> a = bigarrays.create("memory://positions", domain="-10:90,0:80,0:60", dtype="uint8", resolution=(8, 8, 40))
///     >>> z = a.view[:, :, 20:60].positions[2]
///     >>> z.start, z.step, z.unit
///     (800.0, 40.0, 'nm')
#[pyclass(name = "Positions", module = "bigarrays", frozen)]
pub(crate) struct PyPositions(pub(crate) Positions);

#[pymethods]
impl PyPositions {
    /// Position of the first element, in `unit`: of its centre in OME-Zarr, of its lower corner in precomputed layers.
    #[getter]
    fn start(&self) -> f64 {
        self.0.start
    }

    /// From each element to the next, in `unit`; negative along an axis that a view reverses.
    #[getter]
    fn step(&self) -> f64 {
        self.0.step
    }

    /// Name of the unit, such as "nm"; None if the metadata say none.
    #[getter]
    fn unit(&self) -> Option<&str> {
        self.0.unit.as_deref()
    }

    /// What each element is called, as the channels of an image are; None if they have no names.
    #[getter]
    fn labels(&self) -> Option<Vec<String>> {
        self.0.labels.clone()
    }

    fn __repr__(&self) -> String {
        let Positions { start, step, unit, labels } = &self.0;
        let unit = unit
            .as_ref()
            .map_or_else(String::new, |unit| format!(" {}", bigarrays::base::text::printable(unit)));
        let labels = labels.as_ref().map_or_else(String::new, |labels| format!(", {} labels", labels.len()));
        format!("<bigarrays.Positions {start}{unit} + {step}{unit} * k{labels}>")
    }
}
