//! Periods of a calendar.

use bigarrays::compute::{Calendar, Period, Times};
use pyo3::prelude::*;

use crate::errors::OrRaise;

/// Times as numbers of a unit.
#[derive(FromPyObject)]
pub(crate) enum Values {
    Whole(Vec<i64>),
    Real(Vec<f64>),
}

/// Where the times of each period begin and end.
type Ranges = Vec<(u64, u64)>;

/// Where the times of each period of a calendar begin and end, and its label.
#[pyfunction]
#[pyo3(signature = (values, units, calendar, period))]
pub(crate) fn _periods(
    py: Python<'_>,
    values: Values,
    units: &str,
    calendar: &str,
    period: &str,
) -> PyResult<(Ranges, Vec<String>)> {
    let found = || {
        let (calendar, period) = (Calendar::named(calendar)?, Period::named(period)?);
        let times = match &values {
            Values::Whole(values) => Times::whole(values, units, calendar)?,
            Values::Real(values) => Times::real(values, units, calendar)?,
        };
        times.periods(period)
    };
    let found = found().or_raise(py)?;
    Ok((found.ranges.into_iter().map(|range| (range.start, range.end)).collect(), found.labels))
}
