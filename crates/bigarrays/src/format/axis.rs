//! What formats say of axes beside names and resolution, and which attributes are theirs rather than the user's.

use serde_json::{Map, Value};

/// What images say of an axis beside its name and its size in space.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisSpec {
    /// Its name.
    pub name: String,
    /// Such as `space`, `time` or `channel`.
    pub kind: Option<String>,
    /// The unit of `scale`.
    pub unit: Option<String>,
    /// The distance of elements, which counts where no resolution says it.
    pub scale: f64,
    /// How far elements are beyond their coordinate, in elements: less than one. It is the same in every box.
    pub offset: f64,
}

/// Members of attributes that formats have for themselves, and that mean nothing, or something wrong, in others.
const FORMATS: [&str; 13] = [
    "_ARRAY_DIMENSIONS",
    "axes",
    "bigarrays",
    "downsamplingFactors",
    "image-label",
    "multiscales",
    "n5",
    "ome",
    "omero",
    "pixelResolution",
    "resolution",
    "scales",
    "units",
];

/// Of the attributes of an array of another format, those that are the user's.
pub(super) fn of_user(attributes: Option<Map<String, Value>>) -> Option<Map<String, Value>> {
    attributes.map(|mut attributes| {
        attributes.retain(|name, _| !FORMATS.contains(&name.as_str()));
        attributes
    })
}
