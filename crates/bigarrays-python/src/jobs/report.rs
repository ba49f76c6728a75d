//! What verifying has found.

use bigarrays::jobs::Report;
use pyo3::prelude::*;

use crate::errors::OrRaise;
use crate::json::to_python;

/// What `verify` has found: `str` of it is for people, `to_dict` for programs. It is true if nothing is wrong.
///
/// Example:
///     >>> array = bigarrays.create("memory://report", shape=(8, 8), dtype="uint8", format="zarr3")
///     >>> report = bigarrays.verify("memory://report")
///     >>> bool(report), report.problem_count, report.problems
///     (True, 0, [])
///     >>> report.arrays[0]["missing"]
///     1
///     >>> print(report)
///     memory://report: zarr3, 0 of 1 chunks stored in 0 bytes, 1 missing
///     whole
#[pyclass(name = "Report", module = "bigarrays", frozen)]
pub(crate) struct PyReport(pub(crate) Report);

#[pymethods]
impl PyReport {
    /// Whether nothing is wrong.
    #[getter]
    fn whole(&self) -> bool {
        self.0.is_whole()
    }

    /// How many problems there are in all.
    #[getter]
    fn problem_count(&self) -> u64 {
        self.0.problem_count()
    }

    /// The problems of all arrays, as dicts of `kind`, `key`, `domain` and `message`: the first thousand of each array.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let problems = self.0.arrays.iter().flat_map(|array| &array.problems.first);
        to_python(py, &problems.map(bigarrays::jobs::Problem::to_json).collect())
    }

    /// What was found of each array, or of each scale of a layer, as dicts.
    #[getter]
    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0.arrays.iter().map(bigarrays::jobs::ArrayReport::to_json).collect())
    }

    /// All of it, as `bigarrays verify --json` prints it.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0.to_json())
    }

    /// The reports of all shares of the work as one.
    #[staticmethod]
    fn _of_shares(shares: Vec<PyRef<'_, Self>>) -> Self {
        Self(Report::of_shares(shares.iter().map(|share| share.0.clone())))
    }

    /// The report that a text of a pickle is of.
    #[staticmethod]
    fn _of_text(py: Python<'_>, text: &str) -> PyResult<Self> {
        Report::of_text(text).map(Self).or_raise(py)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((py.get_type::<Self>().getattr("_of_text")?, (self.0.to_text(),)))
    }

    fn __bool__(&self) -> bool {
        self.0.is_whole()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        let (arrays, problems) = (self.0.arrays.len(), self.0.problem_count());
        let s = |count: u64| if count == 1 { "" } else { "s" };
        format!("<bigarrays.Report: {arrays} array{}, {problems} problem{}>", s(arrays as u64), s(problems))
    }
}
