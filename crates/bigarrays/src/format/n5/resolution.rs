//! Sizes and places of elements, as attributes say them.

use serde_json::Value;

use super::attributes::{numbers, texts};
use crate::chunk::layout::{Positions, Resolution};
use crate::format::document::Document;

/// The member that says what the size of an element is multiplied with, of a scale.
pub(super) const FACTORS: &str = "downsamplingFactors";

/// The member of COSEM that says where elements are.
///
/// <https://github.com/janelia-cosem/schemas/blob/master/multiscale.md>
pub(super) const TRANSFORM: &str = "transform";

/// The size of an element that `document` says: `pixelResolution`, or a plain `resolution`. Its unit is empty where none
/// is said: then it is in pixels.
pub(super) fn resolution(document: &Document, ndim: usize) -> Option<(Vec<f64>, String)> {
    let (size, unit) = match document.get("pixelResolution") {
        Some(Value::Object(object)) => {
            (numbers(object.get("dimensions")?)?, object.get("unit").and_then(Value::as_str))
        }
        Some(list) => (numbers(list)?, None),
        None => {
            let size = numbers(document.get("resolution")?).filter(|size| size.len() == ndim)?;
            let units = document.get("units").and_then(texts).unwrap_or_default();
            return Some(in_one_unit(size, &units));
        }
    };
    (size.len() == ndim).then(|| (size, unit.unwrap_or_default().to_owned()))
}

/// What `document` says that the size of an element is multiplied with.
pub(super) fn factors(document: &Document, ndim: usize) -> Option<Vec<f64>> {
    document.get(FACTORS).and_then(numbers).filter(|factors| factors.len() == ndim)
}

/// The size of an element that a dataset says of itself: that of its `transform`; its `pixelResolution` times its factors;
/// its plain `resolution`.
pub(super) fn own_size(document: &Document, ndim: usize) -> Option<Resolution> {
    if let Some(transform) = transform(document.get(TRANSFORM), ndim) {
        let units: Vec<String> = transform.iter().filter_map(|axis| axis.unit.clone()).collect();
        let size = transform.iter().map(|axis| axis.step).collect();
        // Units of all axes or of none are said.
        let (size, unit) = in_one_unit(size, if units.len() == ndim { &units } else { &[] });
        return Some(of(size, unit));
    }
    let (size, unit) = resolution(document, ndim)?;
    let factors = factors(document, ndim).filter(|_| document.contains_key("pixelResolution"));
    Some(of(times(size, factors), unit))
}

/// Where the elements along each axis are, as a `transform` says it.
pub(super) fn transform(said: Option<&Value>, ndim: usize) -> Option<Vec<Positions>> {
    let said = said?.as_object()?;
    let list =
        |name: &str| -> Option<Vec<f64>> { said.get(name)?.as_array()?.iter().map(Value::as_f64).collect() };
    let scale = said.get("scale").and_then(numbers).filter(|scale| scale.len() == ndim)?;
    let translate = list("translate").unwrap_or_else(|| vec![0.0; ndim]);
    let units = said.get("units").and_then(texts).filter(|units| units.len() == ndim);
    let axis = |at: usize| Positions {
        start: translate.get(at).copied().unwrap_or_default(),
        step: scale[at],
        unit: units.as_ref().map(|units| units[at].clone()).filter(|unit| !unit.is_empty()),
        labels: None,
    };
    let axes = (0..ndim).map(axis);
    // Axes of N5 are the fastest first; in order C, which is the usual one, the last is the fastest.
    match said.get("ordering").and_then(Value::as_str) {
        Some("F") => Some(axes.collect()),
        _ => Some(axes.rev().collect()),
    }
}

/// `size` times `factors`, if there are some.
pub(super) fn times(size: Vec<f64>, factors: Option<Vec<f64>>) -> Vec<f64> {
    match factors {
        Some(factors) => size.iter().zip(factors).map(|(size, factor)| size * factor).collect(),
        None => size,
    }
}

/// Sizes, each in its unit, in that of the first length among these; 1 along axes of other units.
fn in_one_unit(size: Vec<f64>, units: &[String]) -> (Vec<f64>, String) {
    let is_length = |unit: &&String| Resolution::nanometres_of(unit).is_some();
    let first = units.iter().find(is_length).or(units.first()).map_or("", String::as_str);
    let one = |(axis, size): (usize, f64)| match units.get(axis).map(|own| Resolution::factor(own, first)) {
        Some(Some((by, of))) => size * by / of,
        Some(None) => 1.0,
        None => size,
    };
    (size.into_iter().enumerate().map(one).collect(), first.to_owned())
}

pub(super) fn of(size: Vec<f64>, unit: String) -> Resolution {
    Resolution { size: size.into(), unit }
}
