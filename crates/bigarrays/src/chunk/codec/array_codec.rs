//! Elements ↔ bytes: the trait, what it is about, and checks that codecs share.

use std::fmt::Debug;
use std::ops::Range;

use crate::base::buffer::{Order, Region, View, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::points::pick;
use crate::chunk::codec::{Asked, Points, Work};
use crate::chunk::config::Config;

/// Type and shape of one chunk as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkSpec {
    /// Type of the elements.
    pub dtype: DataType,
    /// Number of elements along each axis of the array.
    pub shape: Dims<usize>,
}

impl ChunkSpec {
    /// Bytes of all elements.
    ///
    /// # Errors
    /// `InvalidArgument` if they exceed the address space.
    pub fn byte_len(&self) -> Result<usize> {
        byte_len(&self.shape, self.dtype.size())
    }
}

/// Parts of an encoded chunk, in ascending order, valid for an encoding of `total` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRanges {
    /// Byte ranges, ascending, not overlapping, each within `total`.
    pub ranges: Vec<Range<u64>>,
    /// Length of the whole encoding.
    pub total: u64,
}

/// Elements ↔ bytes.
pub trait ArrayCodec: Debug + Send + Sync {
    /// The name that metadata use.
    fn name(&self) -> &'static str;

    /// All that its encoding depends on: chunks move undecoded between arrays whose codecs have equal
    /// configurations.
    fn config(&self) -> Config;

    /// Whether this codec can hold chunks of the given kind; an error says why not.
    fn check(&self, spec: &ChunkSpec) -> Result<()>;

    /// Appends the encoded chunk to `out`. `chunk` has the shape of `spec`, at any strides.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` if these elements cannot be represented.
    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()>;

    /// Whether encoding copies each element out of the chunk once, and looks at nothing but the copy. Other
    /// codecs are given a copy of [foreign](View::is_foreign) memory, which does not change while they work.
    fn reads_once(&self) -> bool {
        false
    }

    /// Decodes the elements of `region` into `out`, whose shape is `region.count`. It writes all of them, or
    /// fails; of a codec that does not [promise](ArrayCodec::writes_all) it, the others are zero.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are not a chunk of `spec`.
    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()>;

    /// Whether this promises to write all elements, and to read none before: then it may be given memory that is
    /// not initialised. Unsafe code relies on it, so that only codecs of this crate can promise it.
    #[doc(hidden)]
    fn writes_all(&self, _: Asked) -> bool {
        false
    }

    /// Whether decoding gives back the elements that were encoded, to the bit.
    fn is_lossless(&self) -> bool {
        true
    }

    /// How much memory it works in, about, besides a chunk of `len` bytes and what is encoded of it; zero if that is little.
    fn working_bytes(&self, work: Work, len: u64) -> u64 {
        let _ = (work, len);
        0
    }

    /// The largest number of bytes that a valid encoding can have; guards decompression.
    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize;

    /// The order in which an encoded chunk is nothing but the elements as they are in memory, if it is.
    fn plain(&self, dtype: DataType) -> Option<Order> {
        let _ = dtype;
        None
    }

    /// The parts of the encoded chunk that hold `region`, where its layout is known beforehand.
    fn ranges(&self, spec: &ChunkSpec, region: &Region) -> Option<EncodedRanges> {
        let _ = (spec, region);
        None
    }

    /// Decodes as [`ArrayCodec::decode`], from just the bytes of [`ArrayCodec::ranges`], joined.
    fn decode_ranges(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        let _ = (bytes, spec, region, out);
        Err(Error::unsupported(format!("{} cannot decode parts", self.name())))
    }

    /// Decodes the elements at `points` into `out`, one after the other. `order` is the one in which elements of a
    /// chunk are cheapest decoded, if more than these are.
    ///
    /// # Errors
    /// As [`ArrayCodec::decode`].
    fn decode_points(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        points: &Points<'_>,
        order: Order,
        out: &mut [u8],
    ) -> Result<()> {
        decode_around(self, bytes, spec, points, order, out)
    }

    /// The parts of the encoded chunk that hold the elements at `points`, if it has these as they are: each once, from the
    /// first to the last. Joined, and each repeated for the points there, they are decoded by
    /// [`ArrayCodec::decode_picked`].
    fn point_ranges(&self, spec: &ChunkSpec, points: &Points<'_>) -> Option<EncodedRanges> {
        let _ = (spec, points);
        None
    }

    /// Makes elements of bytes of [`ArrayCodec::point_ranges`], in place.
    fn decode_picked(&self, spec: &ChunkSpec, elements: &mut [u8]) {
        let _ = (spec, elements);
    }
}

/// # Errors
/// `InvalidArgument` unless elements of this `shape` and `item` size are those of `expected` and of `spec`.
pub(super) fn expect_elements(
    shape: &[usize],
    item: usize,
    expected: &[usize],
    spec: &ChunkSpec,
) -> Result<()> {
    if shape == expected && item == spec.dtype.size() {
        return Ok(());
    }
    let (size, dtype) = (&expected, spec.dtype);
    Err(Error::invalid(format!(
        "elements of shape {shape:?} and {item} bytes instead of {size:?} of {dtype}"
    )))
}

/// # Errors
/// `InvalidArgument` unless `region` lies in a chunk of `spec`, and `out` has just its elements.
pub(crate) fn expect_output(spec: &ChunkSpec, region: &Region, out: &ViewMut<'_>) -> Result<()> {
    region.expect_inside(&spec.shape)?;
    expect_elements(out.shape(), out.item(), &region.count, spec)
}

/// Decodes a whole chunk, dense in `order`, through `decode_all`, and copies out `region`; without a
/// copy where `out` is the whole chunk in that order. For codecs that cannot decode parts.
pub(crate) fn decode_whole(
    spec: &ChunkSpec,
    region: &Region,
    order: Order,
    out: &mut ViewMut<'_>,
    decode_all: impl FnOnce(&mut [u8]) -> Result<()>,
) -> Result<()> {
    expect_output(spec, region, out)?;
    if region.is_whole(&spec.shape)
        && let Some(bytes) = out.as_dense_mut(order)
    {
        return decode_all(bytes);
    }
    let length = spec.byte_len()?;
    with_scratch(|scratch| {
        let bytes = try_first_bytes(scratch, length)?;
        decode_all(bytes)?;
        out.copy_from(&View::dense(bytes, &spec.shape, spec.dtype.size(), order)?.region(region));
        Ok(())
    })
}

/// Decodes what is around the points, in `order`, and copies each to its place in `out`: for codecs that cannot decode
/// single elements.
pub(super) fn decode_around(
    codec: &(impl ArrayCodec + ?Sized),
    bytes: &[u8],
    spec: &ChunkSpec,
    points: &Points<'_>,
    order: Order,
    out: &mut [u8],
) -> Result<()> {
    let (region, item) = (points.around(&spec.shape), spec.dtype.size());
    with_scratch(|scratch| {
        let decoded = try_first_bytes(scratch, byte_len(&region.count, item)?)?;
        if !codec.writes_all(Asked(())) {
            decoded.fill(0);
        }
        codec.decode(bytes, spec, &region, &mut ViewMut::dense(decoded, &region.count, item, order)?)?;
        let strides = order.strides(&region.count, item);
        pick(decoded, item, points.offsets(&region, strides), out);
        Ok(())
    })
}
