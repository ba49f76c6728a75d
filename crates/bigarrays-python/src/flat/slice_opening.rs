//! How named slices are opened or created.

use bigarrays::flat::SliceArray;
use pyo3::prelude::*;

use crate::errors::invalid;
use crate::flat::opening::Opening;

/// Opens or creates one array.
pub(crate) fn open_one(py: Python<'_>, opening: &Opening<'_>) -> PyResult<SliceArray> {
    let path = &opening.path;
    let slices = opening.run(
        py,
        |options| SliceArray::open(path, options),
        || opening.spec(py),
        |spec| SliceArray::create(path, spec),
    )?;
    if opening.shape.is_some() || opening.dtype.is_some() {
        opening.expect(py, &slices.array().header())?;
    }
    Ok(slices)
}

/// Opens or creates several arrays.
pub(crate) fn open_several(
    py: Python<'_>,
    common: &Opening<'_>,
    openings: &[(String, Opening<'_>)],
) -> PyResult<SliceArray> {
    let path = &common.path;
    let slices = common.run(
        py,
        |options| SliceArray::open(path, options),
        || {
            openings
                .iter()
                .map(|(name, opening)| Ok((name.as_str(), opening.spec(py)?)))
                .collect::<PyResult<Vec<_>>>()
        },
        |specs| SliceArray::create_set(path, specs),
    )?;
    let names = || slices.arrays().map(|(name, _)| name);
    if !names().eq(openings.iter().map(|(name, _)| name)) {
        return Err(invalid(py, format!("the arrays are {}", names().collect::<Vec<_>>().join(", "))));
    }
    for ((_, array), (_, opening)) in slices.arrays().zip(openings) {
        opening.expect(py, &array.header())?;
    }
    Ok(slices)
}
