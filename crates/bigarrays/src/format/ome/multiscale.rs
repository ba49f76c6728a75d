//! The list of scales in the attributes of an image: JSON ↔ places and sizes.

use serde_json::{Map, Value, json};

use super::axes::{Axis, check_axes, new_axis, parse_axis, without_unit};
use super::transform::Transform;
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::base::member::Member;
use crate::chunk::layout::{Positions, Resolution};
use crate::format::{AxisSpec, CreateSpec};

/// The member of the attributes of 0.5 that holds what those of 0.4 hold themselves.
pub(super) const OME: &str = "ome";

/// As many axes as are read; arrays of images have five.
const MOST_AXES: usize = 64;

/// An image of several scales.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Multiscale {
    pub(crate) axes: Vec<Axis>,
    /// As they are listed: the finest first.
    pub(crate) datasets: Vec<Dataset>,
    /// Whether elements are labels.
    pub(crate) labels: bool,
    /// What the channels are called, if all have a name.
    pub(crate) channels: Vec<String>,
    /// What is done to all datasets, behind what they say themselves; it is part of those here.
    common: Transform,
}

/// A scale.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dataset {
    pub(crate) path: String,
    /// Size of an element along each axis.
    pub(crate) scale: Vec<f64>,
    /// Place of the first element, in the units of the axes.
    pub(crate) translation: Vec<f64>,
    /// Whether the scale is said. Drafts say none, so that elements have no sizes.
    pub(crate) is_sized: bool,
}

impl Dataset {
    /// The coordinate of the first element: its place in elements, to the nearest.
    pub(crate) fn origin(&self) -> Dims<i64> {
        let place = self.translation.iter().zip(&self.scale);
        // A place beyond all coordinates is refused with the box that it makes.
        place.map(|(translation, scale)| (translation / scale).round_ties_even() as i64).collect()
    }
}

impl Multiscale {
    /// Reads the first entry of `multiscales`.
    ///
    /// # Errors
    /// `InvalidMetadata` naming the member.
    pub(crate) fn parse(all: &Value, labels: bool) -> Result<Self> {
        let first = all.as_array().and_then(|all| all.first()).and_then(Value::as_object);
        let object = first.ok_or_else(|| Error::metadata("multiscales: expected a list of objects"))?;
        let image = Member { object, path: "multiscales[0].".to_owned() };
        let datasets = image.required("datasets", Value::as_array, "a list of datasets")?;
        let axes = match image.optional("axes", Value::as_array, "a list of axes")? {
            Some(axes) => {
                axes.iter().enumerate().map(|(k, axis)| parse_axis(axis, k)).collect::<Result<Vec<_>>>()?
            }
            // Drafts had these always, and no sizes.
            None => ["t", "c", "z", "y", "x"].map(|name| without_unit(name.to_owned())).into(),
        };
        // Each dataset has as many numbers.
        if axes.len() > MOST_AXES {
            return Err(image.wrong("axes", &format!("at most {MOST_AXES}")));
        }
        let common = Transform::parse(&image, axes.len())?;
        let dataset = |(k, dataset): (usize, &Value)| {
            let path = format!("multiscales[0].datasets[{k}]");
            let object = dataset.as_object();
            let object = object.ok_or_else(|| Error::metadata(format!("{path}: expected an object")))?;
            let members = Member { object, path: format!("{path}.") };
            let own = Transform::parse(&members, axes.len())?.then(&common);
            own.expect_numbers(&members)?;
            // What lies outside the group may be another's.
            let is_below = |path: &str| !path.is_empty() && path.split('/').all(|part| part != "..");
            let is_path = |value: &'_ Value| value.as_str().is_some_and(is_below);
            let path = members.required(
                "path",
                |value| is_path(value).then_some(value),
                "a path below the group",
            )?;
            Ok(Dataset {
                path: path.as_str().unwrap_or_default().trim_matches('/').to_owned(),
                scale: own.scale,
                translation: own.translation,
                is_sized: own.is_sized,
            })
        };
        let datasets = datasets.iter().enumerate().map(dataset).collect::<Result<Vec<_>>>()?;
        if datasets.is_empty() {
            return Err(image.wrong("datasets", "at least one"));
        }
        Ok(Self { axes, datasets, labels, channels: Vec::new(), common })
    }

    /// An image without scales yet, of the axes of `spec`.
    ///
    /// # Errors
    /// `InvalidArgument` if OME-Zarr has no such axes.
    pub(crate) fn new(spec: &CreateSpec) -> Result<Self> {
        const USUAL: [&str; 5] = ["t", "c", "z", "y", "x"];
        let ndim = spec.array.domain.ndim();
        if !(2..=5).contains(&ndim) {
            return Err(Error::invalid(format!("an image has 2 to 5 axes, not {ndim}")));
        }
        let usual = || USUAL[5 - ndim..].iter().map(|&name| name.to_owned()).collect();
        let is_unnamed =
            |names: &Vec<String>| names.iter().enumerate().all(|(axis, name)| *name == format!("dim_{axis}"));
        let said = spec.array.all_names().filter(|names| !is_unnamed(names));
        let names: Vec<String> = said.unwrap_or_else(usual);
        if names.len() != ndim {
            return Err(Error::invalid(format!("names {names:?} for {ndim} axes")));
        }
        let axes: Vec<Axis> = names.into_iter().map(|name| new_axis(name, spec)).collect();
        check_axes(&axes)?;
        let (labels, common) = (spec.array.labels.unwrap_or(false), Transform::identity(ndim));
        Ok(Self { axes, datasets: Vec::new(), labels, channels: Vec::new(), common })
    }

    /// What the scale of an axis is multiplied with and divided by to be a size in the unit of the image,
    /// which is that of its first axis in space; `None` for axes that have no such size.
    fn in_unit(&self, axis: &Axis) -> Option<(f64, f64)> {
        match self.axes.iter().find_map(Axis::length) {
            None => Some((1.0, 1.0)),
            Some(unit) => Resolution::factor(axis.length()?, unit),
        }
    }

    /// The size of an element in the scale `dataset`, if one is said.
    pub(crate) fn said_resolution(&self, dataset: &Dataset) -> Option<Resolution> {
        dataset.is_sized.then(|| self.resolution(dataset))
    }

    /// The size of an element: 1 on axes that are not of space.
    pub(crate) fn resolution(&self, dataset: &Dataset) -> Resolution {
        let unit = self.axes.iter().find_map(Axis::length);
        let size = |(axis, &scale): (&Axis, &f64)| match self.in_unit(axis) {
            Some((by, of)) => scale * by / of,
            None => 1.0,
        };
        Resolution {
            size: self.axes.iter().zip(&dataset.scale).map(size).collect(),
            unit: unit.map_or_else(String::new, Resolution::unit_of),
        }
    }

    /// Where the elements of a scale are, along each axis in its own unit: their centres.
    pub(crate) fn positions(&self, dataset: &Dataset, shape: &[u64]) -> Dims<Positions> {
        let one = |(k, axis): (usize, &Axis)| {
            let is_channel = axis.kind.as_deref().map_or(axis.name == "c", |kind| kind == "channel");
            let is_labelled = is_channel && self.channels.len() as u64 == shape[k];
            Positions {
                start: dataset.translation[k],
                step: dataset.scale[k],
                unit: axis.unit.as_deref().filter(|_| dataset.is_sized).map(Resolution::unit_of),
                labels: Some(self.channels.clone()).filter(|labels| is_labelled && !labels.is_empty()),
            }
        };
        self.axes.iter().enumerate().map(one).collect()
    }

    /// The scale of the axes whose elements have the sizes `resolution`, the inverse of [`Self::resolution`].
    pub(crate) fn scale(&self, resolution: &[f64]) -> Vec<f64> {
        let scale = |(axis, &size): (&Axis, &f64)| match self.in_unit(axis) {
            Some((by, of)) => size * of / by,
            None => size,
        };
        self.axes.iter().zip(resolution).map(scale).collect()
    }

    /// What is said of the axes in the scale `dataset` beside names and sizes in space.
    pub(crate) fn axis_specs(&self, dataset: &Dataset) -> Vec<AxisSpec> {
        let one = |(k, axis): (usize, &Axis)| {
            let place = dataset.translation[k] / dataset.scale[k];
            let offset = place - place.round_ties_even();
            AxisSpec {
                name: axis.name.clone(),
                kind: axis.kind.clone(),
                unit: axis.unit.clone().filter(|_| dataset.is_sized),
                scale: dataset.scale[k],
                // What is left of a division of decimal fractions is no place.
                offset: if offset.abs() > 1e-9 * place.abs().max(1.0) { offset } else { 0.0 },
            }
        };
        self.axes.iter().enumerate().map(one).collect()
    }

    /// Whether sizes along an axis are those of places.
    pub(crate) fn is_space(&self, axis: usize) -> bool {
        self.axes[axis].length().is_some()
    }

    /// The value of `multiscales`; what `old` has besides stays.
    pub(crate) fn to_json(&self, old: Option<&Value>, with_version: bool) -> Value {
        let mut all = old.and_then(Value::as_array).cloned().unwrap_or_default();
        if all.is_empty() {
            all.push(Value::Object(Map::new()));
        }
        if let Some(image) = all[0].as_object_mut() {
            let known = image.get("datasets").and_then(Value::as_array).cloned().unwrap_or_default();
            let dataset = |dataset: &Dataset| {
                let is_known = |known: &&Value| {
                    known.get("path").and_then(Value::as_str).map(|path| path.trim_matches('/'))
                        == Some(&dataset.path)
                };
                let new = || dataset.before(&self.common).to_json();
                known.iter().find(is_known).cloned().unwrap_or_else(new)
            };
            image.insert("datasets".to_owned(), self.datasets.iter().map(dataset).collect());
            image.entry("name").or_insert_with(|| json!("image"));
            image.entry("axes").or_insert_with(|| self.axes.iter().map(Axis::to_json).collect());
            if with_version {
                image.entry("version").or_insert_with(|| json!("0.4"));
            }
        }
        Value::Array(all)
    }
}

impl Dataset {
    /// What `common` makes this of.
    fn before(&self, common: &Transform) -> Self {
        let scale = self.scale.iter().zip(&common.scale).map(|(all, common)| all / common).collect();
        let moved = self.translation.iter().zip(&common.translation).map(|(all, common)| all - common);
        let translation = moved.zip(&common.scale).map(|(moved, scale)| moved / scale).collect();
        Self { path: self.path.clone(), scale, translation, is_sized: self.is_sized }
    }

    fn to_json(&self) -> Value {
        let mut steps = vec![json!({"type": "scale", "scale": self.scale})];
        if self.translation.iter().any(|&translation| translation != 0.0) {
            steps.push(json!({"type": "translation", "translation": self.translation}));
        }
        json!({"path": self.path, "coordinateTransformations": steps})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transformations_follow_each_other() {
        let all = json!([{
            "axes": [{"name": "c", "type": "channel"}, {"name": "y", "type": "space", "unit": "micrometer"}],
            "datasets": [{"path": "0", "coordinateTransformations": [
                {"type": "scale", "scale": [1, 0.5]}, {"type": "translation", "translation": [0, -2]},
            ]}],
            "coordinateTransformations": [{"type": "scale", "scale": [1, 10]}],
            "omero": {"kept": true},
        }]);
        let image = Multiscale::parse(&all, false).unwrap();
        let dataset = &image.datasets[0];
        assert_eq!((&dataset.scale[..], &dataset.translation[..]), (&[1.0, 5.0][..], &[0.0, -20.0][..]));
        assert_eq!(dataset.origin()[..], [0, -4]);
        let resolution = image.resolution(dataset);
        assert_eq!((&resolution.size[..], resolution.unit.as_str()), (&[1.0, 5.0][..], "micrometer"));
        let written = image.to_json(Some(&all), true);
        assert_eq!(written[0]["omero"]["kept"], true);
        assert_eq!(Multiscale::parse(&written, false).unwrap(), image);
    }

    #[test]
    fn sizes_are_of_one_unit() {
        let axis = |name, unit| json!({"name": name, "type": "space", "unit": unit});
        let all = json!([{
            "axes": [axis("y", "millimeter"), axis("x", "micrometer")],
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 2]}]}],
        }]);
        let image = Multiscale::parse(&all, false).unwrap();
        let resolution = image.resolution(&image.datasets[0]);
        assert_eq!((&resolution.size[..], resolution.unit.as_str()), (&[0.5, 0.002][..], "millimeter"));
        assert_eq!(resolution.nanometres(|_| true), Some(vec![5e5, 2e3]));
        assert_eq!(image.scale(&resolution.size), [0.5, 2.0]);
    }

    /// Nothing is made up of a size that nobody says, whatever the axes are measured in.
    #[test]
    fn scales_that_are_not_said_are_no_sizes() {
        let axis = |name| json!({"name": name, "type": "space", "unit": "micrometer"});
        let datasets = |steps: Value| json!([{"path": "0", "coordinateTransformations": steps}]);
        let sized = datasets(json!([{"type": "scale", "scale": [1, 1]}]));
        for (axes, datasets, is_said) in [
            (json!(["y", "x"]), json!([{"path": "0"}]), false),
            (json!([axis("y"), axis("x")]), datasets(json!([])), false),
            (json!([axis("y"), axis("x")]), datasets(json!([{"type": "identity"}])), false),
            (json!([axis("y"), axis("x")]), sized, true),
        ] {
            let image = Multiscale::parse(&json!([{"axes": axes, "datasets": datasets}]), false).unwrap();
            let dataset = &image.datasets[0];
            assert_eq!(image.said_resolution(dataset).is_some(), is_said);
            assert!(image.positions(dataset, &[2, 2]).iter().all(|along| along.unit.is_some() == is_said));
            assert!(image.axis_specs(dataset).iter().all(|axis| axis.unit.is_some() == is_said));
        }
    }

    #[test]
    fn what_is_there_stays_when_a_scale_is_added() {
        let all = json!([{
            "axes": [{"name": "t", "type": "time", "unit": "second"}, {"name": "y", "type": "space", "more": 1},
                {"name": "x", "type": "space"}],
            "datasets": [{"path": "0/", "mine": 2, "coordinateTransformations": [
                {"type": "scale", "scale": [0.1, 1, 1]}]}],
            "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 2]}],
            "name": "cells",
        }]);
        let mut image = Multiscale::parse(&all, false).unwrap();
        let coarse = Dataset {
            path: "1".to_owned(),
            scale: vec![0.1, 4.0, 4.0],
            translation: vec![0.0; 3],
            is_sized: true,
        };
        image.datasets.push(coarse);
        let mut written = image.to_json(Some(&all), false);
        assert_eq!(Multiscale::parse(&written, false).unwrap(), image);
        let added = written[0]["datasets"].as_array_mut().unwrap().pop().unwrap();
        assert_eq!(added["coordinateTransformations"][0]["scale"], json!([0.1, 2.0, 2.0]));
        assert_eq!(written, all);
    }

    /// Whose numbers would take more memory than the document, again and again.
    #[test]
    fn more_axes_than_arrays_have_are_refused() {
        let all = json!([{"axes": vec!["x"; MOST_AXES + 1], "datasets": [{"path": "0"}]}]);
        let error = Multiscale::parse(&all, false).unwrap_err().to_string();
        assert!(error.contains("multiscales[0].axes") && error.contains("64"), "{error}");
    }

    #[test]
    fn scales_whose_product_is_no_number_are_refused() {
        for [first, second] in [[1e300, 1e300], [1e-300, 1e-300]] {
            let step = |size: f64| json!([{"type": "scale", "scale": [size, 1]}]);
            let all = json!([{
                "axes": ["y", "x"],
                "datasets": [{"path": "0", "coordinateTransformations": step(first)}],
                "coordinateTransformations": step(second),
            }]);
            let error = Multiscale::parse(&all, false).unwrap_err().to_string();
            assert!(error.contains("datasets[0].coordinateTransformations"), "{error}");
        }
    }

    #[test]
    fn wrong_members_are_named() {
        for (pointer, value, named) in [
            ("/0/datasets", json!([]), "datasets"),
            ("/0/datasets/0/path", json!(3), "path"),
            ("/0/datasets/0/path", json!("a/../../b"), "below the group"),
            (
                "/0/datasets/0/coordinateTransformations",
                json!([{"type": "scale", "scale": [0]}]),
                "coordinateT",
            ),
            ("/0/datasets/0/coordinateTransformations", json!([{"type": "rotation"}]), "coordinateT"),
            ("/0/axes", json!([7]), "axes[0]"),
            ("/0", json!(1), "multiscales"),
        ] {
            let mut all = json!([{"axes": [{"name": "x"}], "datasets": [{"path": "0", "coordinateTransformations": []}]}]);
            *all.pointer_mut(pointer).unwrap() = value;
            let error = Multiscale::parse(&all, false).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
