//! The axes of an image.

use serde_json::{Map, Value, json};

use crate::base::error::{Error, Result};
use crate::base::member::Member;
use crate::chunk::layout::Resolution;
use crate::format::CreateSpec;

/// What OME calls the unit of other layers.
pub(crate) const NANOMETRES: &str = "nanometer";

/// An axis of all scales.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) name: String,
    /// Such as `space`, `time` or `channel`.
    pub(crate) kind: Option<String>,
    pub(crate) unit: Option<String>,
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

/// The axis of this name as drafts had it: without unit.
pub(super) fn without_unit(name: String) -> Axis {
    Axis { unit: None, ..named(name) }
}

/// A new axis: as `spec` says, or as one of this name usually is. Resolutions are in nanometres.
pub(super) fn new_axis(name: String, spec: &CreateSpec) -> Axis {
    let said = spec.array.axes.iter().flatten().find(|axis| axis.name == name);
    let usual = named(name);
    let Some(said) = said else { return usual };
    let axis = Axis { kind: said.kind.clone().or(usual.kind), unit: said.unit.clone(), name: usual.name };
    match axis.is("space") && spec.array.resolution.is_some() {
        true => Axis { unit: Some(NANOMETRES.to_owned()), ..axis },
        false => axis,
    }
}

/// An error unless images may have these axes: time, then channels or the like, then two or three of space.
pub(super) fn check_axes(axes: &[Axis]) -> Result<()> {
    let place = |axis: &Axis| match axis.kind.as_deref() {
        Some("time") => 0,
        Some("space") => 2,
        _ => 1,
    };
    let count = |at: usize| axes.iter().filter(|axis| place(axis) == at).count();
    let is_again = |(k, axis): (usize, &Axis)| axes[..k].iter().any(|other| other.name == axis.name);
    let wrong = if axes.iter().enumerate().any(is_again) {
        "have a name twice"
    } else if count(0) > 1 || count(1) > 1 || count(2) < 2 {
        "are not at most one of time, at most one of channels, and two or three of space"
    } else if !axes.is_sorted_by_key(place) {
        "are not in the order time, channel, space"
    } else {
        return Ok(());
    };
    let names = axes.iter().map(|axis| axis.name.as_str()).collect::<Vec<_>>().join(",");
    Err(Error::invalid(format!(
        "the axes {names} {wrong}, as an image of OME-Zarr has them; name them t, c, z, y and x (--dimension-names, or \
         dimension_names) and bring them into that order (--transpose), or choose the format zarr3"
    )))
}

pub(super) fn parse_axis(value: &Value, k: usize) -> Result<Axis> {
    let object = match value {
        Value::String(name) => return Ok(without_unit(name.clone())),
        Value::Object(object) => object,
        _ => return Err(Error::metadata(format!("multiscales[0].axes[{k}]: expected an object"))),
    };
    let members = Member { object, path: format!("multiscales[0].axes[{k}].") };
    let text = |name| members.optional(name, Value::as_str, "a text");
    let kind = text("type")?;
    let unit = text("unit")?;
    Ok(Axis {
        name: members.required("name", Value::as_str, "a name")?.to_owned(),
        kind: kind.map(str::to_owned),
        unit: unit.map(str::to_owned),
    })
}

impl Axis {
    /// Its unit, if it is an axis of space.
    pub(super) fn length(&self) -> Option<&str> {
        self.unit.as_deref().filter(|_| self.kind.as_deref().is_none_or(|kind| kind == "space"))
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    pub(super) fn to_json(&self) -> Value {
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

impl Resolution {
    /// The unit of nanometres, as all formats here call it.
    pub(crate) fn unit_of(name: &str) -> String {
        if name == NANOMETRES { "nm".to_owned() } else { name.to_owned() }
    }
}
