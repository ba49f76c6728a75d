//! `transpose`: a chunk with its axes in another order, encoded by another codec.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::buffer::{Order, Region, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::base::member::naturals;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Step, Words, members};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, EncodedRanges, Points};
use crate::chunk::config::Config;

/// Chunks whose axis `k`, as they are encoded, is the axis `axes[k]` of the array.
#[derive(Clone, Debug)]
pub struct Transpose {
    axes: Dims<usize>,
    inner: Arc<dyn ArrayCodec>,
}

const NAME: &str = "transpose";

impl Transpose {
    /// Encodes by `inner` what has the axes in the order of `axes`.
    ///
    /// # Errors
    /// `InvalidArgument` if `axes` does not name each axis once.
    pub fn new(axes: &[usize], inner: Arc<dyn ArrayCodec>) -> Result<Self> {
        let mut sorted: Dims<usize> = axes.into();
        sorted.sort_unstable();
        if sorted.iter().copied().eq(0..axes.len()) {
            return Ok(Self { axes: axes.into(), inner });
        }
        Err(Error::invalid(format!("{axes:?} is no order of {} axes", axes.len())))
    }

    fn order<T: Copy>(&self, values: &[T]) -> Dims<T> {
        self.axes.iter().map(|&axis| values[axis]).collect()
    }

    fn spec(&self, spec: &ChunkSpec) -> ChunkSpec {
        ChunkSpec { dtype: spec.dtype, shape: self.order(&spec.shape) }
    }

    fn region(&self, region: &Region) -> Region {
        Region {
            start: self.order(&region.start),
            count: self.order(&region.count),
            step: self.order(&region.step),
        }
    }

    /// The indices of each point along the axes in their other order.
    fn indices(&self, points: &Points<'_>) -> Vec<usize> {
        points.iter().flat_map(|point| self.axes.iter().map(|&axis| point[axis])).collect()
    }

    fn arrangement(&self) -> Dims<Option<usize>> {
        self.axes.iter().map(|&axis| Some(axis)).collect()
    }
}

impl ArrayCodec for Transpose {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config(&self) -> Config {
        Turn(self.axes.clone()).config().with("inner", self.inner.config())
    }

    fn is_lossless(&self) -> bool {
        self.inner.is_lossless()
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        if spec.shape.len() != self.axes.len() {
            return Err(Error::invalid(format!("an order of {} axes", self.axes.len())));
        }
        self.inner.check(&self.spec(spec))
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        self.inner.encode(&chunk.clone().arranged(&self.arrangement()), &self.spec(spec), out)
    }

    fn reads_once(&self) -> bool {
        self.inner.reads_once()
    }

    fn writes_all(&self, asked: Asked) -> bool {
        self.inner.writes_all(asked)
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        let mut out = out.reborrow().arranged(&self.arrangement());
        self.inner.decode(bytes, &self.spec(spec), &self.region(region), &mut out)
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        self.inner.max_encoded_len(&self.spec(spec))
    }

    fn ranges(&self, spec: &ChunkSpec, region: &Region) -> Option<EncodedRanges> {
        self.inner.ranges(&self.spec(spec), &self.region(region))
    }

    fn decode_ranges(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        let mut out = out.reborrow().arranged(&self.arrangement());
        self.inner.decode_ranges(bytes, &self.spec(spec), &self.region(region), &mut out)
    }

    fn decode_points(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        points: &Points<'_>,
        order: Order,
        out: &mut [u8],
    ) -> Result<()> {
        let (spec, indices) = (self.spec(spec), self.indices(points));
        self.inner.decode_points(bytes, &spec, &Points::new(&indices, &spec.shape)?, order, out)
    }

    fn point_ranges(&self, spec: &ChunkSpec, points: &Points<'_>) -> Option<EncodedRanges> {
        let (spec, indices) = (self.spec(spec), self.indices(points));
        self.inner.point_ranges(&spec, &Points::new(&indices, &spec.shape).ok()?)
    }

    fn decode_picked(&self, spec: &ChunkSpec, elements: &mut [u8]) {
        self.inner.decode_picked(&self.spec(spec), elements);
    }
}

/// The names and members of this codec in each kind of metadata. Others than Zarr 3 have orders of axes among the members of an array.
pub(super) const ROW: Row = Row {
    configs: &[NAME],
    kind: Kind::Step,
    words: &[Words { dialect: Dialect::Zarr3, names: &[NAME], read, write }],
    at_level: None,
};

/// Putting axes into another order.
struct Turn(Dims<usize>);

impl Step for Turn {
    fn config(&self) -> Config {
        Config::new(NAME).with("axes", &self.0[..])
    }

    fn around(&self, inner: Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>> {
        Ok(Arc::new(Transpose::new(&self.0, inner)?))
    }

    fn axes(&self) -> Option<&[usize]> {
        Some(&self.0)
    }
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["order"])?;
    let order = |value| order(value, entry.elements.ndim);
    Built::step(Turn(entry.members.required("order", order, "an order of the axes")?))
}

/// An order of `ndim` axes; also as the letters that early drafts had.
fn order(value: &Value, ndim: usize) -> Option<Dims<usize>> {
    match value.as_str() {
        Some("C") => return Some((0..ndim).collect()),
        Some("F") => return Some((0..ndim).rev().collect()),
        _ => {}
    }
    let axes: Dims<usize> = naturals(value)?.iter().map(|&axis| axis as usize).collect();
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..ndim).then_some(axes)
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    Some(members(config, &[("order", "axes")]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::Order;
    use crate::base::dtype::DataType;
    use crate::chunk::codec::Raw;

    #[test]
    fn axes_in_another_order() {
        let codec = Transpose::new(&[1, 2, 0], Arc::new(Raw::new(Order::C))).unwrap();
        let spec = ChunkSpec { dtype: DataType::U8, shape: Dims::from_slice(&[2, 3, 4]) };
        let elements: Vec<u8> = (0..24).collect();
        let mut bytes = Vec::new();
        codec.encode(&View::dense(&elements, &[2, 3, 4], 1, Order::C).unwrap(), &spec, &mut bytes).unwrap();
        assert_eq!(bytes[..5], [0, 12, 1, 13, 2]);
        let one = |value: usize| Dims::from_elem(value, 3);
        let region = Region { start: Dims::from_slice(&[0, 1, 2]), count: one(1), step: one(1) };
        let mut out = [0];
        let mut view = ViewMut::dense(&mut out, &[1, 1, 1], 1, Order::C).unwrap();
        codec.decode(&bytes, &spec, &region, &mut view).unwrap();
        assert_eq!(out, [6]);
        assert!(Transpose::new(&[0, 0, 1], Arc::new(Raw::new(Order::C))).is_err());
    }
}
