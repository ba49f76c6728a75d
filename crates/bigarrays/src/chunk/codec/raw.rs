//! `raw`: the elements themselves, dense, in C or Fortran order, little- or big-endian.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::base::buffer::{Order, Region, View, ViewMut, byte_len, make_boolean};
use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::bytes_codec::expect_len;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, has, members};
use crate::chunk::codec::points::pick;
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, EncodedRanges, Points, expect_output};
use crate::chunk::config::Config;

/// Gaps up to this many bytes between wanted rows are read along rather than skipped.
const COALESCE: usize = 4096;

/// Dense elements in the given order and byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw {
    order: Order,
    big_endian: bool,
}

impl Raw {
    /// Little-endian elements in the given order.
    pub const fn new(order: Order) -> Self {
        Self { order, big_endian: false }
    }

    /// Elements in the given order and byte order.
    pub const fn with_endianness(order: Order, big_endian: bool) -> Self {
        Self { order, big_endian }
    }

    /// What does after a reversal of all axes the same as that of `config`, if this is of elements in C order.
    pub(crate) fn turned(config: &Config) -> Option<Self> {
        let of = |big_endian| Self { order: Order::C, big_endian };
        let known = [false, true].map(of).into_iter().find(|raw| raw.config() == *config)?;
        Some(Self { order: Order::Fortran, ..known })
    }

    fn swaps(self, dtype: DataType) -> bool {
        self.big_endian != cfg!(target_endian = "big") && dtype.part_size() > 1
    }

    /// Copies `source` out, in the machine's byte order. Of booleans, what is not zero is true.
    fn finish(self, source: &View<'_>, dtype: DataType, out: &mut ViewMut<'_>) {
        out.copy_from(source);
        if dtype == DataType::Bool {
            out.make_boolean();
        }
        if self.swaps(dtype) {
            out.swap_bytes(dtype.part_size());
        }
    }

    /// The distance of each point's element from the start, in bytes.
    fn offsets<'a>(self, spec: &ChunkSpec, points: &Points<'a>) -> impl Iterator<Item = usize> + use<'a> {
        let strides = self.order.strides(&spec.shape, spec.dtype.size());
        points.offsets(&Region::whole(&spec.shape), strides)
    }

    /// The axes sorted from slowest to fastest in memory.
    fn slow_to_fast(self, ndim: usize) -> Dims<usize> {
        match self.order {
            Order::C => (0..ndim).collect(),
            Order::Fortran => (0..ndim).rev().collect(),
        }
    }
}

/// Evenly spaced spans of bytes that hold a region: one per index of the `outer` slowest axes.
struct Spans {
    outer: Dims<usize>,
    strides: Dims<isize>,
    first: usize,
    length: usize,
}

impl Spans {
    /// `None` if reading everything is at least as good.
    fn new(codec: Raw, spec: &ChunkSpec, region: &Region) -> Option<Self> {
        let item = spec.dtype.size();
        let total = byte_len(&spec.shape, item).ok()?;
        if region.count.contains(&0) || !region.is_inside(&spec.shape) {
            return None;
        }
        let strides = codec.order.strides(&spec.shape, item);
        let axes = codec.slow_to_fast(spec.shape.len());
        let first: usize = axes.iter().map(|&axis| region.start[axis] * strides[axis] as usize).sum();
        // Bytes from the first to the last element of the axes `axes[split..]`.
        let (mut split, mut length) = (axes.len(), item);
        while split > 0 {
            let axis = axes[split - 1];
            let stride = strides[axis] as usize;
            if region.count[axis] > 1 && (region.step[axis] * stride).saturating_sub(length) > COALESCE {
                break;
            }
            length += (region.end(axis) - 1 - region.start[axis]) * stride;
            split -= 1;
        }
        let spans = Self { outer: axes[..split].into(), strides, first, length };
        let count: usize = spans.outer.iter().map(|&axis| region.count[axis]).product();
        (count * spans.length < total).then_some(spans)
    }

    fn ranges(&self, region: &Region) -> Vec<Range<u64>> {
        let range = |start: usize| start as u64..(start + self.length) as u64;
        if self.outer.is_empty() {
            return vec![range(self.first)];
        }
        let mut starts = vec![self.first];
        for &axis in &self.outer {
            let step = region.step[axis] * self.strides[axis] as usize;
            starts = starts
                .iter()
                .flat_map(|start| (0..region.count[axis]).map(move |k| start + k * step))
                .collect();
        }
        starts.into_iter().map(range).collect()
    }

    /// Strides of the region's elements within the joined spans.
    fn joined_strides(&self, region: &Region) -> Dims<isize> {
        let mut strides: Dims<isize> =
            self.strides.iter().zip(&region.step).map(|(&stride, &step)| stride * step as isize).collect();
        let mut stride = self.length as isize;
        for &axis in self.outer.iter().rev() {
            strides[axis] = stride;
            stride *= region.count[axis] as isize;
        }
        strides
    }
}

impl ArrayCodec for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn config(&self) -> Config {
        Config::new(self.name())
            .with("order", self.order.name())
            .with("endian", if self.big_endian { "big" } else { "little" })
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        match spec.dtype.is_long() {
            true => Err(Error::unsupported(format!("{} elements have no fixed size", spec.dtype))),
            false => spec.byte_len().map(drop),
        }
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        chunk.append_to(self.order, out)?;
        if self.swaps(spec.dtype) {
            let mut view = ViewMut::dense(&mut out[start..], &spec.shape, spec.dtype.size(), self.order)?;
            view.swap_bytes(spec.dtype.part_size());
        }
        Ok(())
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        expect_output(spec, region, out)?;
        let chunk = View::dense(bytes, &spec.shape, spec.dtype.size(), self.order)?;
        self.finish(&chunk.region(region), spec.dtype, out);
        Ok(())
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        spec.byte_len().unwrap_or(usize::MAX)
    }

    fn plain(&self, dtype: DataType) -> Option<Order> {
        // Not all bytes are booleans.
        (!self.swaps(dtype) && dtype != DataType::Bool).then_some(self.order)
    }

    fn ranges(&self, spec: &ChunkSpec, region: &Region) -> Option<EncodedRanges> {
        let total = spec.byte_len().ok()? as u64;
        Some(EncodedRanges { ranges: Spans::new(*self, spec, region)?.ranges(region), total })
    }

    fn decode_ranges(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        expect_output(spec, region, out)?;
        let spans = Spans::new(*self, spec, region)
            .ok_or_else(|| Error::invalid("this region is not read in parts"))?;
        let count: usize = spans.outer.iter().map(|&axis| region.count[axis]).product();
        if bytes.len() != count * spans.length {
            return Err(Error::corrupt(format!(
                "{} bytes instead of {count} × {}",
                bytes.len(),
                spans.length
            )));
        }
        let strides = spans.joined_strides(region);
        let source = View::strided(bytes, 0, &region.count, &strides, spec.dtype.size());
        self.finish(&source, spec.dtype, out);
        Ok(())
    }

    fn decode_points(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        points: &Points<'_>,
        _: Order,
        out: &mut [u8],
    ) -> Result<()> {
        expect_len(bytes.len(), spec.byte_len()?)?;
        pick(bytes, spec.dtype.size(), self.offsets(spec, points), out);
        self.decode_picked(spec, out);
        Ok(())
    }

    fn point_ranges(&self, spec: &ChunkSpec, points: &Points<'_>) -> Option<EncodedRanges> {
        let (item, total) = (spec.dtype.size(), spec.byte_len().ok()?);
        if points.len().saturating_mul(2 * COALESCE) >= total {
            return None;
        }
        let mut ranges: Vec<Range<u64>> = Vec::with_capacity(points.len());
        for at in self.offsets(spec, points) {
            let range = at as u64..(at + item) as u64;
            match ranges.last() {
                Some(last) if *last == range => {}
                Some(last) if last.end > range.start => return None,
                _ => ranges.push(range),
            }
        }
        Some(EncodedRanges { ranges, total: total as u64 })
    }

    fn decode_picked(&self, spec: &ChunkSpec, elements: &mut [u8]) {
        if spec.dtype == DataType::Bool {
            make_boolean(elements);
        }
        if self.swaps(spec.dtype) {
            elements.chunks_exact_mut(spec.dtype.size()).for_each(<[u8]>::reverse);
        }
    }
}

/// The names and members of this codec in each kind of metadata. Others than Zarr 3 have the byte order among the members of an array, or only one; an order of
/// axes is a step before it.
pub(super) const ROW: Row = Row {
    configs: &["raw"],
    kind: Kind::Array,
    words: &[Words { dialect: Dialect::Zarr3, names: &["bytes"], read, write }],
    at_level: None,
};

fn read(entry: &Entry<'_>) -> Result<Built> {
    let (members, endians) = (&entry.members, "\"little\" or \"big\"");
    members.expect_only(&["endian"])?;
    let endian = |value: &Value| ["little", "big"].iter().position(|&known| value == known);
    let big = match members.optional("endian", endian, endians)? {
        Some(endian) => endian == 1,
        None if entry.elements.dtype.part_size() == 1 => false,
        None => return Err(members.wrong("endian", endians)),
    };
    Built::array(Raw::with_endianness(Order::C, big))
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    has(config, "order", Order::C.name()).then(|| members(config, &[("endian", "endian")]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Decoding a region from whole bytes or from its ranges gives the elements of the region.
        #[test]
        fn parts_equal_the_whole(
            shape in prop::array::uniform3(1usize..40), seed: u8, fortran: bool, big_endian: bool,
            cut in prop::array::uniform3((0usize..40, 1usize..40, 1usize..5)),
        ) {
            let order = if fortran { Order::Fortran } else { Order::C };
            let codec = Raw::with_endianness(order, big_endian);
            let spec = ChunkSpec { dtype: DataType::U32, shape: Dims::from_slice(&shape) };
            let elements: Vec<u8> = (0..spec.byte_len().unwrap()).map(|i| (i * 31 + i / 256) as u8 ^ seed).collect();
            let view = View::dense(&elements, &shape, 4, Order::C).unwrap();
            let mut encoded = Vec::new();
            codec.encode(&view, &spec, &mut encoded).unwrap();
            let mut region = Region::whole(&shape);
            for axis in 0..3 {
                region.start[axis] = cut[axis].0.min(shape[axis] - 1);
                region.step[axis] = cut[axis].2;
                region.count[axis] = cut[axis].1.min((shape[axis] - region.start[axis]).div_ceil(cut[axis].2));
            }
            let size = region.count.iter().product::<usize>() * 4;
            let (mut expected, mut got) = (vec![0; size], vec![0; size]);
            ViewMut::dense(&mut expected, &region.count, 4, Order::C).unwrap().copy_from(&view.region(&region));
            let mut out = ViewMut::dense(&mut got, &region.count, 4, Order::C).unwrap();
            codec.decode(&encoded, &spec, &region, &mut out).unwrap();
            prop_assert_eq!(&expected, &got);
            if let Some(ranges) = codec.ranges(&spec, &region) {
                prop_assert_eq!(ranges.total as usize, encoded.len());
                let parts: Vec<u8> = ranges.ranges.iter()
                    .flat_map(|range| encoded[range.start as usize..range.end as usize].to_vec()).collect();
                let mut got = vec![0; size];
                let mut out = ViewMut::dense(&mut got, &region.count, 4, Order::C).unwrap();
                codec.decode_ranges(&parts, &spec, &region, &mut out).unwrap();
                prop_assert_eq!(&expected, &got);
            }
        }
    }

    #[test]
    fn reads_only_the_rows() {
        let spec = ChunkSpec { dtype: DataType::U8, shape: Dims::from_slice(&[256, 256, 32]) };
        let region = Region {
            start: Dims::from_slice(&[1, 2, 3]),
            count: Dims::from_slice(&[64, 64, 5]),
            step: Dims::from_slice(&[1, 1, 1]),
        };
        let ranges = Raw::new(Order::Fortran).ranges(&spec, &region).unwrap();
        assert_eq!(ranges.ranges.len(), 5);
        assert_eq!(ranges.ranges[0], 3 * 65536 + 2 * 256 + 1..3 * 65536 + 65 * 256 + 65);
    }

    #[test]
    fn wrong_lengths_are_corrupt_and_booleans_are_not_zero() {
        let spec = ChunkSpec { dtype: DataType::Bool, shape: Dims::from_slice(&[4]) };
        let decode = |bytes: &[u8]| {
            let mut out = [0; 4];
            let mut view = ViewMut::dense(&mut out, &[4], 1, Order::C).unwrap();
            Raw::new(Order::C).decode(bytes, &spec, &Region::whole(&[4]), &mut view).map(|()| out)
        };
        assert_eq!(decode(&[0, 1, 2, 255]).unwrap(), [0, 1, 1, 1]);
        assert!(decode(&[0; 3]).is_err() && decode(&[0; 5]).is_err());
    }
}
