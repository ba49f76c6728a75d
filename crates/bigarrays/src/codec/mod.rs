//! Codecs: elements ↔ bytes, without I/O, threads or trust in what they are given.
//!
//! A [`CodecPipeline`] is one [`ArrayCodec`] (elements ↔ bytes) and any number of [`BytesCodec`]s
//! (bytes ↔ bytes). Every decoder treats its input as hostile: damage is an error, never a panic,
//! and never an allocation larger than the chunk's own size calls for.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use crate::buffer::{Order, Region, View, ViewMut, byte_len, first_bytes, with_scratch};
use crate::domain::Dims;
use crate::dtype::DataType;
use crate::error::{Error, Result};

mod compressed_segmentation;
mod compresso;
mod raw;

pub use compressed_segmentation::CompressedSegmentation;
pub use compresso::Compresso;
pub use raw::Raw;

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

/// Elements ↔ bytes.
pub trait ArrayCodec: Debug + Send + Sync {
    /// The name that metadata use.
    fn name(&self) -> &'static str;

    /// Whether this codec can hold chunks of the given kind; an error says why not.
    fn check(&self, spec: &ChunkSpec) -> Result<()>;

    /// Appends the encoded chunk to `out`. `chunk` has the shape of `spec`, at any strides.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` if these elements cannot be represented.
    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()>;

    /// Decodes the elements of `region` into `out`, whose shape is `region.count`.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are not a chunk of `spec`.
    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()>;

    /// The largest number of bytes that a valid encoding can have; guards decompression.
    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize;

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
}

/// Parts of an encoded chunk, in ascending order, valid for an encoding of `total` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRanges {
    /// Byte ranges, ascending, not overlapping, each within `total`.
    pub ranges: Vec<Range<u64>>,
    /// Length of the whole encoding.
    pub total: u64,
}

impl EncodedRanges {
    /// The request for no bytes at all, which only asks whether there is a value.
    pub const NONE: Self = Self { ranges: Vec::new(), total: 0 };

    /// Whether they can be taken of a value that is stored in `size` bytes under `encoding`.
    pub fn apply_to(&self, size: u64, encoding: ContentEncoding) -> bool {
        self.ranges.is_empty() || (self.total == size && encoding == ContentEncoding::Identity)
    }
}

/// Bytes ↔ bytes.
pub trait BytesCodec: Debug + Send + Sync {
    /// The name that metadata use.
    fn name(&self) -> &'static str;

    /// Appends the encoded bytes to `out`.
    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()>;

    /// Decodes all of `bytes` into the start of `out` and returns the decoded length. `out` may hold
    /// stale bytes and must grow (see [`first_bytes`]) to no more than `max_len`.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are damaged or decode to more than `max_len` bytes.
    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize>;

    /// The largest encoding of `len` bytes that a sane encoder makes.
    fn max_encoded_len(&self, len: usize) -> usize {
        len.saturating_add(len / 8).saturating_add(4096)
    }
}

/// A compression around a value that is not part of its format: the `Content-Encoding` of a web or
/// object store, the file name's suffix on a local disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ContentEncoding {
    #[default]
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

impl ContentEncoding {
    /// Encodes the contents of `buffer` in place.
    pub(crate) fn encode(self, buffer: &mut Vec<u8>) -> Result<()> {
        match self.codec() {
            None => Ok(()),
            Some(codec) => transform(buffer, |from, to| codec.encode(from, to)),
        }
    }
}

/// How a chunk becomes bytes: an array codec, then bytes codecs in the order of encoding.
#[derive(Clone, Debug)]
pub struct CodecPipeline {
    array: Arc<dyn ArrayCodec>,
    bytes: Vec<Arc<dyn BytesCodec>>,
}

impl CodecPipeline {
    /// A pipeline of `array` and then each of `bytes`.
    pub fn new(array: Arc<dyn ArrayCodec>, bytes: Vec<Arc<dyn BytesCodec>>) -> Self {
        Self { array, bytes }
    }

    /// The codec that turns elements into bytes.
    pub fn array(&self) -> &dyn ArrayCodec {
        &*self.array
    }

    /// The names of all codecs, in the order of encoding.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        std::iter::once(self.array.name()).chain(self.bytes.iter().map(|codec| codec.name()))
    }

    /// Whether chunks of the given kind can be held; an error says why not.
    pub fn check(&self, spec: &ChunkSpec) -> Result<()> {
        self.array.check(spec)
    }

    /// Replaces `out` with the encoded chunk.
    pub fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        self.array.encode(chunk, spec, out)?;
        self.bytes.iter().try_for_each(|codec| transform(out, |from, to| codec.encode(from, to)))
    }

    /// Decodes the elements of `region` into `out`, whose shape is `region.count`.
    pub fn decode(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        self.decode_through(&self.bytes, bytes, spec, region, out)
    }

    fn decode_through(
        &self,
        codecs: &[Arc<dyn BytesCodec>],
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        let Some((last, inner)) = codecs.split_last() else {
            return self.array.decode(bytes, spec, region, out);
        };
        with_scratch(|decoded| {
            let length = last.decode(bytes, self.max_len_before(inner, spec), decoded)?;
            self.decode_through(inner, &decoded[..length], spec, region, out)
        })
    }

    fn max_len_before(&self, codecs: &[Arc<dyn BytesCodec>], spec: &ChunkSpec) -> usize {
        codecs.iter().fold(self.array.max_encoded_len(spec), |length, codec| codec.max_encoded_len(length))
    }

    /// The largest number of bytes that a valid encoding can have.
    pub fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        self.max_len_before(&self.bytes, spec)
    }

    /// The parts of the encoded chunk that hold `region`, where its layout is known beforehand.
    pub fn ranges(&self, spec: &ChunkSpec, region: &Region) -> Option<EncodedRanges> {
        if self.bytes.is_empty() { self.array.ranges(spec, region) } else { None }
    }
}

/// Replaces the contents of `buffer` by what `step` makes of them.
fn transform(buffer: &mut Vec<u8>, step: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<()>) -> Result<()> {
    with_scratch(|to| {
        to.clear();
        step(buffer, to)?;
        std::mem::swap(buffer, to);
        Ok(())
    })
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
    if region.is_whole(&spec.shape) {
        if let Some(bytes) = out.as_dense_mut(order) {
            return decode_all(bytes);
        }
    }
    let length = spec.byte_len()?;
    with_scratch(|scratch| {
        let bytes = first_bytes(scratch, length);
        decode_all(bytes)?;
        out.copy_from(&View::dense(bytes, &spec.shape, spec.dtype.size(), order)?.region(region));
        Ok(())
    })
}
impl ContentEncoding {
    pub fn codec(self) -> Option<&'static dyn BytesCodec> {
        None
    }
    pub(crate) fn decode(self, bytes: &[u8], max_len: usize) -> Result<Vec<u8>> {
        let _ = max_len;
        Ok(bytes.to_vec())
    }
}
