//! Sizes of elements, as attributes say them.

use serde_json::Value;

use super::attributes::{numbers, texts};
use crate::chunk::layout::Resolution;
use crate::format::document::Document;

/// The size of an element that `document` says: `pixelResolution`, or a plain `resolution`.
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
    (size.len() == ndim).then(|| (size, unit.unwrap_or("nm").to_owned()))
}

/// Sizes, each in its unit, in that of the first length among these, or nanometres; 1 along axes of other units.
fn in_one_unit(size: Vec<f64>, units: &[String]) -> (Vec<f64>, String) {
    let is_length = |unit: &&String| Resolution::nanometres_of(unit).is_some();
    let first = units.iter().find(is_length).or(units.first()).map_or("nm", String::as_str);
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
