//! What a layer shows: an array that is stored, or one that is computed where somebody looks.

use bigarrays::base::buffer::{Order, ViewMut};
use bigarrays::chunk::layout::Positions;
use bigarrays::compute::{ComputeOptions, Lazy};
use bigarrays::{Array, DataType, Domain, Error, Index, Result};
use serde_json::Value;

/// An array that is stored, or one that is computed where somebody looks. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Volume {
    /// A stored array, or a view of one.
    Stored(Box<Array>),
    /// An expression, of which a box at a time is computed.
    Computed(Lazy),
}

impl From<Array> for Volume {
    fn from(array: Array) -> Self {
        Self::Stored(Box::new(array))
    }
}

impl From<Lazy> for Volume {
    fn from(lazy: Lazy) -> Self {
        Self::Computed(lazy)
    }
}

/// Memory that computing one tile may take.
const MEMORY: u64 = 256 << 20;

impl Volume {
    pub(crate) fn dtype(&self) -> DataType {
        match self {
            Self::Stored(array) => array.dtype(),
            Self::Computed(lazy) => lazy.dtype(),
        }
    }

    pub(crate) fn domain(&self) -> &Domain {
        match self {
            Self::Stored(array) => array.domain(),
            Self::Computed(lazy) => lazy.domain(),
        }
    }

    /// What the axes are called; those that have no name as is usual in the order of the array.
    pub(crate) fn names(&self) -> Vec<String> {
        let known: Vec<Option<String>> = match self {
            Self::Stored(array) => {
                // Numbers of axes are no names.
                let is_number =
                    |name: &str| name.strip_prefix("dim_").is_some_and(|rest| rest.parse::<u32>().is_ok());
                array.axis_names().iter().map(|name| (!is_number(name)).then(|| (*name).to_owned())).collect()
            }
            Self::Computed(lazy) => lazy.names().to_vec(),
        };
        let (ndim, is_c) = (known.len(), self.order() == Order::C);
        let usual = |axis: usize| match if is_c { ndim - 1 - axis } else { axis } {
            place @ 0..3 => ["x", "y", "z"][place].to_owned(),
            _ => format!("axis{axis}"),
        };
        let is_taken = |name: &String| known.iter().flatten().any(|other| other == name);
        let unnamed = |axis: usize| {
            Some(usual(axis)).filter(|name| !is_taken(name)).unwrap_or_else(|| format!("axis{axis}"))
        };
        known.iter().enumerate().map(|(axis, name)| name.clone().unwrap_or_else(|| unnamed(axis))).collect()
    }

    /// Where the elements along each axis are, as far as that is known.
    pub(crate) fn positions(&self) -> Vec<Option<Positions>> {
        match self {
            Self::Stored(array) => array.positions().into_vec(),
            Self::Computed(lazy) => vec![None; lazy.ndim()],
        }
    }

    /// The order in which elements of neighbouring coordinates lie beside each other.
    pub(crate) fn order(&self) -> Order {
        match self {
            Self::Stored(array) => array.order(),
            Self::Computed(lazy) => lazy.order(),
        }
    }

    /// The shape of what is read at once, where there is such a thing.
    pub(crate) fn chunk_shape(&self) -> Option<Vec<u64>> {
        match self {
            Self::Stored(array) => Some(array.chunk_shape().to_vec()),
            Self::Computed(_) => None,
        }
    }

    /// Whether the bytes of single elements can be read, and not chunks alone.
    pub(crate) fn is_plain(&self) -> bool {
        let Self::Stored(array) = self else { return false };
        let layout = array.layout();
        let ranges = layout.domain().ranges().map(|range| range.start..range.start + 1);
        let Ok(one) = Domain::from_ranges(&ranges.collect::<Vec<_>>()) else { return false };
        let projection = layout.grid.project(&one);
        !layout.domain().is_empty() && !projection.is_empty() && layout.ranges(&projection.get(0)).is_some()
    }

    /// Whether metadata say that elements are labels.
    pub(crate) fn labels(&self) -> Option<bool> {
        let Self::Stored(array) = self else { return None };
        array.scales().get(array.scale()).map(|scale| scale.labels)
    }

    /// The view whose axes are those of `axes`, in their order; each other one is fixed where `at` says.
    pub(crate) fn seen(&self, axes: &[usize], at: &[i64]) -> Result<Self> {
        let indices: Vec<Index> = (0..self.domain().ndim())
            .map(|axis| if axes.contains(&axis) { Index::ALL } else { Index::At(at[axis]) })
            .collect();
        let mut left: Vec<usize> = axes.to_vec();
        left.sort_unstable();
        let place = |axis: &usize| left.iter().position(|other| other == axis).unwrap_or(0);
        let order: Vec<usize> = axes.iter().map(place).collect();
        Ok(match self {
            Self::Stored(array) => array.slice(&indices)?.permute(&order)?.into(),
            Self::Computed(lazy) => lazy.slice(&indices)?.permute(&order)?.into(),
        })
    }

    /// The view of every `steps[axis]`-th element of `part` along each axis, whose coordinates are theirs divided by that.
    pub(crate) fn strided(&self, part: &Domain, steps: &[u64]) -> Result<Self> {
        let index = |(range, &step): (std::ops::Range<i64>, &u64)| Index::Slice {
            start: Some(range.start),
            stop: Some(range.end),
            step: step as i64,
        };
        let indices: Vec<Index> = part.ranges().zip(steps).map(index).collect();
        Ok(match self {
            Self::Stored(array) => array.slice(&indices)?.into(),
            Self::Computed(lazy) => lazy.slice(&indices)?.into(),
        })
    }

    /// The view of a box.
    pub(crate) fn cut(&self, part: &Domain) -> Result<Self> {
        Ok(match self {
            Self::Stored(array) => array.cut(part)?.into(),
            Self::Computed(lazy) => lazy.slice(&part.ranges().map(Index::from).collect::<Vec<_>>())?.into(),
        })
    }

    /// Bytes of elements that are read to compute all of it, as it is planned; none of what is stored.
    pub(crate) fn planned_bytes(&self) -> Result<u64> {
        let Self::Computed(lazy) = self else { return Ok(0) };
        let options = ComputeOptions { memory: MEMORY, ..ComputeOptions::default() };
        let plan: Value = serde_json::from_str(&lazy.plan(None, &options)?.json()).unwrap_or_default();
        let of_pass = |pass: &Value| pass["bytes_read"].as_u64().unwrap_or(0);
        Ok(plan["passes"].as_array().map_or(0, |passes| passes.iter().map(of_pass).sum()))
    }

    /// The elements of a box, dense, the first axis the fastest.
    pub(crate) fn read(&self, part: &Domain) -> Result<Vec<u8>> {
        let shape: Vec<usize> = part.shape().iter().map(|&length| length as usize).collect();
        let item = self.dtype().size();
        let bytes = shape.iter().try_fold(item, |all, &length| all.checked_mul(length));
        let mut out = vec![0; bytes.ok_or_else(|| Error::invalid(format!("box {part} is too large")))?];
        let view = ViewMut::dense(&mut out, &shape, item, Order::Fortran)?;
        match self {
            Self::Stored(array) => array.read_into(part, view)?,
            Self::Computed(lazy) => {
                let indices: Vec<Index> = part.ranges().map(Index::from).collect();
                let options = ComputeOptions { memory: MEMORY, ..ComputeOptions::default() };
                let part = if part == lazy.domain() { lazy.clone() } else { lazy.slice(&indices)? };
                part.compute_into(view, &options)?;
            }
        }
        Ok(out)
    }
}
