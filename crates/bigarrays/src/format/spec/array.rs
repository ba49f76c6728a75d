//! What a new array is, however it is stored.

use serde_json::{Map, Value};

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::layout::{Layout, Resolution};
use crate::format::axis::AxisSpec;

/// What an array to be created is: what its elements are and mean, and where they lie.
#[derive(Clone, Debug)]
pub struct ArraySpec {
    /// Type of the elements.
    pub dtype: DataType,
    /// The box it covers; for precomputed x, y, z and, where there are several, channels.
    pub domain: Domain,
    /// Where the first element lies in what the array is a copy of, for formats whose arrays start at zero and that
    /// keep this beside.
    pub origin: Option<Vec<i64>>,
    /// Names of the axes, of which some may have none.
    pub dimension_names: Option<Vec<Option<String>>>,
    /// What else images say of axes, by name; for formats that say it.
    pub axes: Option<Vec<AxisSpec>>,
    /// Size of an element along each axis, in nanometres where the format has no other unit.
    pub resolution: Option<Vec<f64>>,
    /// The unit of `resolution`, for formats that say it, if that is no length; empty if sizes are of no unit.
    pub unit: Option<String>,
    /// Whether elements are labels rather than intensities; guessed from the encoding if not given.
    pub labels: Option<bool>,
    /// Value of elements that are not stored, as metadata of the format say it; zero if not given.
    pub fill_value: Option<Value>,
    /// The user's attributes.
    pub attributes: Option<Map<String, Value>>,
    /// Whether it is marked as incomplete until [`Array::complete`](crate::Array::complete) says that all is written. A
    /// format that has no place for the mark says so in a note of the array.
    pub incomplete: bool,
    /// What is said or lies beside the elements of the array that this is like, such as meshes, in words: no new array
    /// takes it over.
    pub beside: Vec<String>,
}

impl ArraySpec {
    /// An array of `dtype` over `domain`, of which nothing else is said.
    pub fn new(dtype: DataType, domain: Domain) -> Self {
        Self {
            dtype,
            domain,
            origin: None,
            dimension_names: None,
            axes: None,
            resolution: None,
            unit: None,
            labels: None,
            fill_value: None,
            attributes: None,
            incomplete: false,
            beside: Vec::new(),
        }
    }

    /// An array of the type, box, axes and resolution of another.
    pub(super) fn of(layout: &Layout) -> Self {
        let array = Self {
            dimension_names: Some(layout.dimension_names.to_vec())
                .filter(|names| names.iter().any(Option::is_some)),
            ..Self::new(layout.dtype, layout.domain().clone())
        };
        // Elements of images have a size along axes of space alone.
        let is_space =
            |axis: usize| !matches!(&*layout.axis_names[axis], "c" | "channel" | "s" | "t" | "time");
        array.sized(layout.resolution.as_ref(), is_space)
    }

    /// The array with the size of an element that is `known`: in nanometres where that is a length, and 1 along axes that
    /// are not of space; or else in its own unit. Sizes of 1 without a unit say nothing.
    #[must_use]
    pub fn sized(self, known: Option<&Resolution>, is_space: impl Fn(usize) -> bool) -> Self {
        let says = |known: &&Resolution| !known.unit.is_empty() || known.size.iter().any(|&size| size != 1.0);
        let said = known.filter(says).filter(|known| known.size.iter().all(|&size| size > 0.0));
        let (resolution, unit) = match said.map(|said| (said, said.nanometres(is_space))) {
            Some((_, Some(lengths))) => (Some(lengths), None),
            Some((said, None)) => (Some(said.size.to_vec()), Some(said.unit.clone())),
            None => (None, None),
        };
        Self { resolution, unit, ..self }
    }

    /// This, with what it leaves open as `like` has it. A fill value is of a type, and goes with no other.
    #[must_use]
    pub fn or_like(self, like: Self) -> Self {
        let is_same_type = self.dtype == like.dtype;
        let is_sized = self.resolution.is_some();
        Self {
            origin: self.origin.or(like.origin),
            dimension_names: self.dimension_names.or(like.dimension_names),
            axes: self.axes.or(like.axes),
            resolution: self.resolution.or(like.resolution),
            unit: self.unit.or(like.unit.filter(|_| !is_sized)),
            labels: self.labels.or(like.labels),
            fill_value: self.fill_value.or(like.fill_value.filter(|_| is_same_type)),
            attributes: self.attributes.or(like.attributes),
            ..self
        }
    }

    /// An error if this, of a new scale, says otherwise than its layer whether elements `are_labels`.
    pub(in crate::format) fn expect_labels(&self, are_labels: bool) -> Result<()> {
        match self.labels {
            Some(labels) if labels != are_labels => {
                let what = if are_labels { "labels" } else { "no labels" };
                Err(Error::invalid(format!("labels: elements of the layer are {what}, in all scales")))
            }
            _ => Ok(()),
        }
    }

    /// The array at zero, which says where it was: for formats whose arrays start there.
    #[must_use]
    pub(in crate::format) fn at_zero(self) -> Self {
        let Some(domain) = self.place() else { return self };
        let is_away = domain.origin().iter().any(|&start| start != 0);
        // A shape of a box is one of a box at zero.
        let at_zero = Domain::from_shape(domain.shape()).unwrap_or(self.domain);
        Self { domain: at_zero, origin: is_away.then(|| domain.origin().to_vec()), ..self }
    }

    /// The array where it was, as far as that is said: for formats whose arrays start anywhere.
    #[must_use]
    pub(in crate::format) fn placed(self) -> Self {
        match self.place() {
            Some(domain) => Self { domain, origin: None, ..self },
            None => self,
        }
    }

    /// The box that the array covers in what it is a copy of; `None` if there is no such box.
    pub(crate) fn place(&self) -> Option<Domain> {
        match &self.origin {
            Some(origin) if origin.len() == self.domain.ndim() => self.domain.translate(origin).ok(),
            Some(_) => None,
            None => Some(self.domain.clone()),
        }
    }

    /// The names of the axes, if all have one.
    pub(in crate::format) fn all_names(&self) -> Option<Vec<String>> {
        self.dimension_names.as_ref()?.iter().cloned().collect()
    }
}
