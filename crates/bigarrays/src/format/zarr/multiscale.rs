//! The list of scales in the attributes of an image: JSON ↔ places and sizes.

use serde_json::{Map, Value, json};

use crate::domain::Dims;
use crate::error::{Error, Result};
use crate::format::CreateSpec;
use crate::format::member::Member;
use crate::layout::Resolution;

/// What OME calls the unit of other layers.
pub(super) const NANOMETRES: &str = "nanometer";

/// An image of several scales.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Multiscale {
    pub(super) axes: Vec<Axis>,
    /// As they are listed: the finest first.
    pub(super) datasets: Vec<Dataset>,
    /// Whether elements are labels.
    pub(super) labels: bool,
}

/// An axis of all scales.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) name: String,
    /// Such as `space`, `time` or `channel`.
    kind: Option<String>,
    /// Its unit, on axes of space.
    pub(super) unit: Option<String>,
}

/// A scale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dataset {
    pub(super) path: String,
    /// Size of an element along each axis.
    pub(super) scale: Vec<f64>,
    /// Place of the first element, in the units of the axes.
    pub(super) translation: Vec<f64>,
}

impl Dataset {
    /// The coordinate of the first element: its place in elements, to the nearest.
    pub(super) fn origin(&self) -> Dims<i64> {
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
    pub(super) fn parse(all: &Value, labels: bool) -> Result<Self> {
        let first = all.as_array().and_then(|all| all.first()).and_then(Value::as_object);
        let object = first.ok_or_else(|| Error::metadata("multiscales: expected a list of objects"))?;
        let image = Member { object, path: "multiscales[0].".to_owned() };
        let datasets = image.required("datasets", Value::as_array, "a list of datasets")?;
        let axes = match image.optional("axes", Value::as_array, "a list of axes")? {
            Some(axes) => {
                axes.iter().enumerate().map(|(k, axis)| parse_axis(axis, k)).collect::<Result<Vec<_>>>()?
            }
            // Drafts had these always.
            None => ["t", "c", "z", "y", "x"].map(|name| named(name.to_owned())).into(),
        };
        let common = Transform::parse(&image, axes.len())?;
        let dataset = |(k, dataset): (usize, &Value)| {
            let path = format!("multiscales[0].datasets[{k}]");
            let object = dataset.as_object();
            let object = object.ok_or_else(|| Error::metadata(format!("{path}: expected an object")))?;
            let members = Member { object, path: format!("{path}.") };
            let own = Transform::parse(&members, axes.len())?.then(&common);
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
            })
        };
        let datasets = datasets.iter().enumerate().map(dataset).collect::<Result<Vec<_>>>()?;
        if datasets.is_empty() {
            return Err(image.wrong("datasets", "at least one"));
        }
        Ok(Self { axes, datasets, labels })
    }

    /// An image without scales yet, of the axes of `spec`.
    ///
    /// # Errors
    /// `InvalidArgument` if OME-Zarr has no such axes.
    pub(super) fn new(spec: &CreateSpec) -> Result<Self> {
        const USUAL: [&str; 5] = ["t", "c", "z", "y", "x"];
        let ndim = spec.domain.ndim();
        if !(2..=5).contains(&ndim) {
            return Err(Error::invalid(format!("an image has 2 to 5 axes, not {ndim}")));
        }
        let usual = || USUAL[5 - ndim..].iter().map(|&name| name.to_owned()).collect();
        let names = spec.dimension_names.clone().unwrap_or_else(usual);
        if names.len() != ndim {
            return Err(Error::invalid(format!("names {names:?} for {ndim} axes")));
        }
        Ok(Self {
            axes: names.into_iter().map(named).collect(),
            datasets: Vec::new(),
            labels: spec.labels.unwrap_or(false),
        })
    }

    /// The size of an element: 1 on axes that are not of space.
    pub(super) fn resolution(&self, dataset: &Dataset) -> Resolution {
        let unit = self.axes.iter().find_map(|axis| axis.unit.clone());
        let size =
            |(axis, &scale): (&Axis, &f64)| if unit.is_none() || axis.unit == unit { scale } else { 1.0 };
        Resolution {
            size: self.axes.iter().zip(&dataset.scale).map(size).collect(),
            unit: unit.as_deref().map_or_else(String::new, Resolution::unit_of),
        }
    }

    /// The value of `multiscales`; what `old` has besides stays.
    pub(super) fn to_json(&self, old: Option<&Value>, with_version: bool) -> Value {
        let mut all = old.and_then(Value::as_array).cloned().unwrap_or_default();
        if all.is_empty() {
            all.push(Value::Object(Map::new()));
        }
        if let Some(image) = all[0].as_object_mut() {
            let axes = self.axes.iter().map(Axis::to_json).collect();
            let datasets = self.datasets.iter().map(Dataset::to_json).collect();
            image.entry("name").or_insert_with(|| json!("image"));
            image.insert("axes".to_owned(), Value::Array(axes));
            image.insert("datasets".to_owned(), Value::Array(datasets));
            // It is part of those of the datasets now.
            image.remove("coordinateTransformations");
            if with_version {
                image.insert("version".to_owned(), json!("0.4"));
            }
        }
        Value::Array(all)
    }
}

/// The axis that usually has this name.
fn named(name: String) -> Axis {
    let (kind, unit) = match name.as_str() {
        "x" | "y" | "z" => (Some("space"), Some(NANOMETRES)),
        "t" => (Some("time"), None),
        "c" | "channel" => (Some("channel"), None),
        _ => (None, None),
    };
    Axis { kind: kind.map(str::to_owned), unit: unit.map(str::to_owned), name }
}

fn parse_axis(value: &Value, k: usize) -> Result<Axis> {
    let object = match value {
        // As drafts had them: without unit.
        Value::String(name) => return Ok(Axis { unit: None, ..named(name.clone()) }),
        Value::Object(object) => object,
        _ => return Err(Error::metadata(format!("multiscales[0].axes[{k}]: expected an object"))),
    };
    let members = Member { object, path: format!("multiscales[0].axes[{k}].") };
    let text = |name| members.optional(name, Value::as_str, "a text");
    let kind = text("type")?;
    let unit = text("unit")?.filter(|_| kind.is_none_or(|kind| kind == "space"));
    Ok(Axis {
        name: members.required("name", Value::as_str, "a name")?.to_owned(),
        kind: kind.map(str::to_owned),
        unit: unit.map(str::to_owned),
    })
}

impl Axis {
    fn to_json(&self) -> Value {
        let mut axis = Map::new();
        axis.insert("name".to_owned(), json!(self.name));
        for (member, value) in [("type", &self.kind), ("unit", &self.unit)] {
            if let Some(value) = value {
                axis.insert(member.to_owned(), json!(value));
            }
        }
        Value::Object(axis)
    }
}

impl Dataset {
    fn to_json(&self) -> Value {
        let mut steps = vec![json!({"type": "scale", "scale": self.scale})];
        if self.translation.iter().any(|&translation| translation != 0.0) {
            steps.push(json!({"type": "translation", "translation": self.translation}));
        }
        json!({"path": self.path, "coordinateTransformations": steps})
    }
}

/// Elements → places: scaled, then moved.
struct Transform {
    scale: Vec<f64>,
    translation: Vec<f64>,
}

impl Transform {
    /// Reads the member `coordinateTransformations`, which may be missing.
    fn parse(members: &Member<'_>, ndim: usize) -> Result<Self> {
        const NAME: &str = "coordinateTransformations";
        let mut all = Self { scale: vec![1.0; ndim], translation: vec![0.0; ndim] };
        let steps = members.optional(NAME, Value::as_array, "a list of transformations")?;
        for step in steps.into_iter().flatten() {
            let numbers = |name: &str| -> Option<Vec<f64>> {
                let numbers =
                    step.get(name)?.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<_>>>()?;
                (numbers.len() == ndim && numbers.iter().all(|number| number.is_finite())).then_some(numbers)
            };
            let identity = || Self { scale: vec![1.0; ndim], translation: vec![0.0; ndim] };
            let step = match step.get("type").and_then(Value::as_str) {
                Some("identity") => Some(identity()),
                Some("scale") => numbers("scale")
                    .filter(|scale| scale.iter().all(|&scale| scale > 0.0))
                    .map(|scale| Self { scale, ..identity() }),
                Some("translation") => {
                    numbers("translation").map(|translation| Self { translation, ..identity() })
                }
                _ => None,
            };
            let wrong = || members.wrong(NAME, &format!("scales and translations of {ndim} numbers"));
            all = all.then(&step.ok_or_else(wrong)?);
        }
        Ok(all)
    }

    fn then(&self, next: &Self) -> Self {
        let scaled = |values: &[f64]| values.iter().zip(&next.scale).map(|(a, b)| a * b).collect::<Vec<_>>();
        let moved = scaled(&self.translation).iter().zip(&next.translation).map(|(a, b)| a + b).collect();
        Self { scale: scaled(&self.scale), translation: moved }
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
