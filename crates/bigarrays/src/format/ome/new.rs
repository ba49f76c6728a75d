//! What a new image, or a new scale of one, is made of.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::multiscale::{Dataset, Multiscale, OME};
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::format::spec::{ArraySpec, CreateSpec, StorageSpec};

/// The dataset of `path` that `spec` describes.
pub(super) fn new_dataset(spec: &CreateSpec, image: &Multiscale, path: String) -> Result<Dataset> {
    let ndim = image.axes.len();
    let said = |axis: usize| spec.array.axes.iter().flatten().find(|said| said.name == image.axes[axis].name);
    let usual = |axis: usize| said(axis).map_or(1.0, |said| said.scale);
    let mut size = spec.array.resolution.clone().unwrap_or_else(|| (0..ndim).map(usual).collect());
    // Given for the axes of space alone, they are theirs.
    let space: Vec<usize> = (0..ndim).filter(|&axis| image.is_space(axis)).collect();
    if size.len() == space.len() && size.len() < ndim {
        let mut all = vec![1.0; ndim];
        space.iter().zip(&size).for_each(|(&axis, &size)| all[axis] = size);
        size = all;
    }
    if size.len() != ndim || size.iter().any(|size| !(size.is_finite() && *size > 0.0)) {
        return Err(Error::invalid(format!("a resolution {size:?} of {ndim} axes")));
    }
    let mut scale = if spec.array.resolution.is_some() { image.scale(&size) } else { size };
    // Resolutions do not say those of time.
    for (axis, scale) in scale.iter_mut().enumerate().filter(|(_, scale)| **scale == 1.0) {
        if !image.is_space(axis) {
            *scale = usual(axis);
        }
    }
    let offset = |axis: usize| said(axis).map_or(0.0, |said| said.offset);
    let place = |(axis, &at): (usize, &i64)| (at as f64 + offset(axis)) * scale[axis];
    let translation = spec.array.domain.origin().iter().enumerate().map(place).collect();
    Ok(Dataset { path, scale, translation, is_sized: true })
}

/// An error if `spec`, of a new scale, says of what all scales of `image` have in common something else.
pub(super) fn expect_same(spec: &CreateSpec, image: &Multiscale) -> Result<()> {
    let names: Vec<Option<String>> = image.axes.iter().map(|axis| Some(axis.name.clone())).collect();
    if spec.array.dimension_names.as_ref().is_some_and(|said| *said != names) {
        let names: Vec<&str> = image.axes.iter().map(|axis| axis.name.as_str()).collect();
        return Err(Error::invalid(format!(
            "dimension_names: the axes of the image are {}",
            names.join(",")
        )));
    }
    spec.array.expect_labels(image.labels)
}

/// The members of attributes that are of images, as `like` gives and `create` takes them: those of 0.5, without what
/// is of the axes and scales.
pub(super) fn take_members(attributes: &mut Map<String, Value>, is_nested: bool) -> Map<String, Value> {
    let mut members = match is_nested {
        true => attributes.remove(OME).and_then(|ome| ome.as_object().cloned()).unwrap_or_default(),
        false => ["multiscales", "omero", "image-label"]
            .into_iter()
            .filter_map(|name| attributes.remove(name).map(|value| (name.to_owned(), value)))
            .collect(),
    };
    members.remove("version");
    if let Some(image) = members.get_mut("multiscales").and_then(|all| all.get_mut(0)) {
        let mut image = image.as_object().cloned().unwrap_or_default();
        image.retain(|name, _| {
            !["axes", "datasets", "coordinateTransformations", "version"].contains(&name.as_str())
        });
        members.insert("multiscales".to_owned(), json!([image]));
    }
    for name in ["omero", "image-label"] {
        if let Some(member) = members.get_mut(name).and_then(Value::as_object_mut) {
            member.remove("version");
        }
    }
    members
}

/// What members of images, as `like` gives them, say beyond axes, scales and labels: the names of those members.
pub(super) fn says_more(attributes: &Map<String, Value>) -> Vec<String> {
    let is_said = |value: &Value| !value.is_null() && *value != json!({}) && *value != json!([]);
    let ome = attributes.get(OME).and_then(Value::as_object);
    let (mut more, mut image) = (Vec::new(), Vec::new());
    for (name, value) in ome.into_iter().flatten().filter(|(_, value)| is_said(value)) {
        match (name.as_str(), value.get(0).and_then(Value::as_object)) {
            ("multiscales", of_first) => image.extend(of_first.into_iter().flatten()),
            _ => more.push(name.clone()),
        }
    }
    // That is what new images are called.
    let is_own =
        |(name, value): &(&String, &Value)| is_said(value) && !(*name == "name" && **value == "image");
    more.extend(image.into_iter().filter(is_own).map(|(name, _)| name.clone()));
    more
}

/// Keeps of what an image says of each of its channels only what is of those that are `shown`, of an array of which
/// `array` was made and which has the channels `all`; the last first if they are `reversed`.
pub(crate) fn take_channels(
    array: &mut ArraySpec,
    mut all: Range<i64>,
    shown: impl Fn(i64) -> bool,
    reversed: bool,
) {
    let ome = array.attributes.as_mut().and_then(|attributes| attributes.get_mut(OME));
    let channels = ome.and_then(|ome| ome.get_mut("omero")?.get_mut("channels")?.as_array_mut());
    let count = all.end.saturating_sub(all.start);
    let Some(channels) = channels.filter(|channels| channels.len() as i64 == count) else { return };
    channels.retain(|_| all.next().is_some_and(&shown));
    if reversed {
        channels.reverse();
    }
}

/// The array of a scale, which itself knows neither place nor size.
pub(super) fn array_spec(spec: &CreateSpec, image: &Multiscale) -> Result<CreateSpec> {
    let names = image.axes.iter().map(|axis| Some(axis.name.clone())).collect();
    let domain = Domain::from_shape(spec.array.domain.shape())?;
    let array = ArraySpec {
        dimension_names: Some(names),
        // Elements of images are never missing.
        fill_value: spec.array.fill_value.clone().filter(|value| !value.is_null()),
        incomplete: spec.array.incomplete,
        ..ArraySpec::new(spec.array.dtype, domain)
    };
    Ok(CreateSpec { array, storage: StorageSpec { key: None, ..spec.storage.clone() } })
}
