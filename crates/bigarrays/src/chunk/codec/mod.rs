//! Codecs: elements ↔ bytes, without I/O, threads or trust in what they are given.
//!
//! A [`CodecPipeline`] is one [`ArrayCodec`] (elements ↔ bytes) and any number of [`BytesCodec`]s
//! (bytes ↔ bytes). Every decoder treats its input as hostile: damage is an error, never a panic,
//! and never an allocation larger than the chunk's own size calls for.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use crate::base::buffer::{
    Order, Region, View, ViewMut, byte_len, make_boolean, try_first_bytes, with_scratch,
};
use crate::base::dims::Dims;
use crate::base::dtype::{DataType, FillValue};
use crate::base::error::{Error, Result};

mod bitround;
mod blosc;
mod brotli;
mod bz2;
mod checksum;
mod compressed_segmentation;
mod compresso;
mod fixed_scale_offset;
#[cfg(test)]
mod foreign_tests;
mod growing;
mod gzip;
#[cfg(test)]
mod hostile;
mod image;
mod jpeg;
mod jxl;
mod lz4;
mod packbits;
mod pcodec;
mod plain;
mod png;
mod raw;
mod shuffle;
mod transpose;
mod xz;
mod zlib;
mod zstd;

pub use bitround::Bitround;
pub use blosc::{Blosc, BloscCompressor, BloscShuffle};
pub use brotli::Brotli;
pub use bz2::Bz2;
pub use checksum::{Checksum, ChecksumKind};
pub use compressed_segmentation::CompressedSegmentation;
pub use compresso::Compresso;
pub use fixed_scale_offset::FixedScaleOffset;
pub use gzip::Gzip;
pub use jpeg::Jpeg;
pub use jxl::Jxl;
pub use lz4::Lz4;
pub use packbits::{PackBits, PackBitsPadding};
pub use pcodec::Pcodec;
pub use png::Png;
pub use raw::Raw;
pub use shuffle::Shuffle;
pub use transpose::Transpose;
pub use xz::Xz;
pub use zlib::Zlib;
pub use zstd::Zstd;

/// One codec, for tables in documentation and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecInfo {
    /// The name that metadata use.
    pub name: &'static str,
    /// Whether it can be read.
    pub reads: bool,
    /// Whether it can be written.
    pub writes: bool,
    /// The types of elements it holds; empty for a codec of bytes, whatever they mean.
    pub dtypes: &'static [DataType],
    /// What it is, and its limits.
    pub about: &'static str,
}

/// Every codec.
pub const BUILTIN: &[CodecInfo] = {
    use DataType::{F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    const NUMBERS: &[DataType] = &[I8, I16, I32, I64, U8, U16, U32, U64, F32, F64];
    const LONG_NUMBERS: &[DataType] = &[I16, I32, I64, U16, U32, U64, F16, F32, F64];
    const fn array(name: &'static str, dtypes: &'static [DataType], about: &'static str) -> CodecInfo {
        CodecInfo { name, reads: true, writes: true, dtypes, about }
    }
    const fn bytes(name: &'static str, about: &'static str) -> CodecInfo {
        array(name, &[], about)
    }
    const fn read_only(info: CodecInfo) -> CodecInfo {
        CodecInfo { writes: false, ..info }
    }
    &[
        array("raw", &DataType::ALL, "the elements themselves, in either order and endianness"),
        array("jpeg", &[U8], "lossy images of 1 or 3 channels"),
        array("png", &[U8, U16], "lossless images of 1 to 4 channels"),
        read_only(array("jxl", &[U8], "JPEG XL images of 1 or 3 channels")),
        array("compressed_segmentation", &[U32, U64], "labels, in blocks with a palette each"),
        read_only(array("compresso", &[U8, U16, U32, U64], "labels of connected components")),
        bytes("gzip", "deflate with a checksum"),
        bytes("zstd", "Zstandard"),
        bytes("br", "Brotli"),
        bytes("blosclz", "Blosc 1 with BloscLZ and shuffled bytes"),
        bytes("blosc", "Blosc 1 with any compressor and shuffle"),
        bytes("zlib", "deflate with a checksum of Adler"),
        bytes("bz2", "bzip2"),
        bytes("xz", "LZMA 2 in streams of xz"),
        bytes("lz4", "LZ4 in blocks with a checksum each, or in one without"),
        bytes("shuffle", "the bytes of elements, sorted by place"),
        bytes("crc32c", "a checksum: the CRC of Castagnoli"),
        bytes("adler32", "a checksum: that of zlib"),
        bytes("fletcher32", "a checksum: that of HDF5"),
        array("transpose", &DataType::ALL, "axes in another order"),
        array("bitround", &[F16, F32, F64], "lossy: fewer bits of mantissa"),
        array("fixedscaleoffset", NUMBERS, "lossy: scaled into another type"),
        array("packbits", &DataType::ALL, "booleans of one bit, numbers of some bits"),
        array("pcodec", LONG_NUMBERS, "numbers by their distribution"),
    ]
};

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
///
/// Its `Debug` shows all that its encoding depends on: chunks move undecoded between arrays whose codecs
/// look alike.
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
}

mod asked {
    /// What is given to who is asked for a promise. Nobody outside of the crate can name it, so that nobody else
    /// makes one, and nobody else has it to pass a promise on.
    #[derive(Clone, Copy, Debug)]
    pub struct Asked(pub(crate) ());
}

pub(crate) use asked::Asked;

/// Parts of an encoded chunk, in ascending order, valid for an encoding of `total` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRanges {
    /// Byte ranges, ascending, not overlapping, each within `total`.
    pub ranges: Vec<Range<u64>>,
    /// Length of the whole encoding.
    pub total: u64,
}

/// Bytes ↔ bytes. Its `Debug` shows all that its encoding depends on.
pub trait BytesCodec: Debug + Send + Sync {
    /// The name that metadata use.
    fn name(&self) -> &'static str;

    /// Appends the encoded bytes to `out`.
    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()>;

    /// Decodes all of `bytes` into the start of `out` and returns the decoded length. `out` may hold
    /// stale bytes and must grow (see [`first_bytes`](crate::base::buffer::first_bytes)) to no more than `max_len`.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are damaged or decode to more than `max_len` bytes.
    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize>;

    /// Decodes all of `bytes` into `out`, which is as long as they are decoded.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are damaged or decode to another number of bytes; `out` is then undefined.
    /// It writes all bytes, or fails; see [`BytesCodec::writes_all`].
    fn decode_exact(&self, bytes: &[u8], out: &mut [u8]) -> Result<()> {
        with_scratch(|decoded| {
            let length = self.decode(bytes, out.len(), decoded)?;
            expect_len(length, out.len())?;
            out.copy_from_slice(decoded.get(..length).ok_or_else(|| overlong(self.name()))?);
            Ok(())
        })
    }

    /// Whether [`BytesCodec::decode_exact`] writes all bytes, as [`ArrayCodec::writes_all`] says it of elements.
    #[doc(hidden)]
    fn writes_all(&self, _: Asked) -> bool {
        false
    }

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
    /// Every encoding, in the order in which a local file's spellings are looked for.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Brotli, Self::Zstd];

    /// The codec, at its default level; `None` for [`ContentEncoding::Identity`].
    pub fn codec(self) -> Option<&'static dyn BytesCodec> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(&Gzip::DEFAULT),
            Self::Brotli => Some(&Brotli::DEFAULT),
            Self::Zstd => Some(&Zstd::DEFAULT),
        }
    }

    /// What it adds to the name of a local file.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Brotli => ".br",
            Self::Zstd => ".zstd",
        }
    }

    /// Encodes the contents of `buffer` in place.
    pub(crate) fn encode(self, buffer: &mut Vec<u8>) -> Result<()> {
        match self.codec() {
            None => Ok(()),
            Some(codec) => transform(buffer, |from, to| codec.encode(from, to)),
        }
    }

    /// Decodes to at most `max_len` bytes and lends them to `use_it`.
    pub(crate) fn with_decoded<T>(
        self,
        bytes: &[u8],
        max_len: usize,
        use_it: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        match self.codec() {
            None => use_it(bytes),
            Some(codec) => with_scratch(|decoded| {
                let length = codec.decode(bytes, max_len, decoded)?;
                use_it(&decoded[..length])
            }),
        }
    }
}

/// How a chunk becomes bytes: an array codec, then bytes codecs in the order of encoding.
#[derive(Clone, Debug)]
pub struct CodecPipeline {
    array: Arc<dyn ArrayCodec>,
    bytes: Vec<Arc<dyn BytesCodec>>,
    other_length: Option<Arc<dyn BytesCodec>>,
}

impl CodecPipeline {
    /// A pipeline of `array` and then each of `bytes`.
    pub fn new(array: Arc<dyn ArrayCodec>, bytes: Vec<Arc<dyn BytesCodec>>) -> Self {
        Self { array, bytes, other_length: None }
    }

    /// Passes chunks that are not exactly as long as their elements through `codec` when they are read:
    /// for layers of `raw` elements that some writer compressed.
    #[must_use]
    pub fn or_through(mut self, codec: Arc<dyn BytesCodec>) -> Self {
        self.other_length = Some(codec);
        self
    }

    /// The pipeline with what `wrap` makes of its array codec.
    pub(crate) fn wrapped(
        self,
        wrap: impl FnOnce(Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>>,
    ) -> Result<Self> {
        Ok(Self { array: wrap(self.array)?, ..self })
    }

    /// The codec that turns elements into bytes.
    pub fn array(&self) -> &dyn ArrayCodec {
        &*self.array
    }

    /// The names of all codecs, in the order of encoding.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        std::iter::once(self.array.name()).chain(self.bytes.iter().map(|codec| codec.name()))
    }

    /// Whether what this encodes might have been encoded by `other`: each codec and all of its parameters
    /// are the same.
    pub(crate) fn encodes_as(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }

    /// Whether chunks of the given kind can be held; an error says why not.
    pub fn check(&self, spec: &ChunkSpec) -> Result<()> {
        self.array.check(spec)
    }

    /// Replaces `out` with the encoded chunk.
    ///
    /// Of [foreign](View::is_foreign) memory, codecs get a copy: they read some bytes more than once, and rely
    /// on it that these stay the same.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` if the chunk is not one of `spec`, or cannot be represented.
    pub fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        expect_elements(chunk.shape(), chunk.item(), &spec.shape, spec)?;
        let is_boolean = || chunk.all_runs(|bytes| bytes.iter().all(|&byte| byte <= 1));
        let copies = match spec.dtype {
            DataType::Bool => chunk.is_foreign() || !is_boolean(),
            _ => chunk.is_foreign() && !self.array.reads_once(),
        };
        if !copies {
            return self.encode_unchanging(chunk, spec, out);
        }
        let (order, item) = (chunk.nearest_order(), chunk.item());
        with_scratch(|scratch| {
            let copy = try_first_bytes(scratch, spec.byte_len()?)?;
            ViewMut::dense(copy, &spec.shape, item, order)?.copy_from(chunk);
            if spec.dtype == DataType::Bool {
                make_boolean(copy);
            }
            self.encode_unchanging(&View::dense(copy, &spec.shape, item, order)?, spec, out)
        })
    }

    /// Encodes what nobody changes, or what the array codec reads once.
    fn encode_unchanging(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let plain = self.array.plain(spec.dtype).and_then(|order| chunk.as_dense(order));
        let rest = match (plain, self.bytes.split_first()) {
            (Some(elements), Some((first, rest))) => {
                first.encode(elements, out)?;
                rest
            }
            _ => {
                self.array.encode(chunk, spec, out)?;
                &self.bytes
            }
        };
        rest.iter().try_for_each(|codec| transform(out, |from, to| codec.encode(from, to)))
    }

    /// Decodes the elements of `region` into `out`, whose shape is `region.count`. After success all of them
    /// were written, whatever the codecs do.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are not a chunk of `spec`; `InvalidArgument` if there is no such region, or if
    /// `out` is of another shape or item size.
    pub fn decode(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        expect_output(spec, region, out)?;
        self.initialise(spec, out);
        match &self.other_length {
            Some(codec) if bytes.len() != spec.byte_len()? => {
                self.decode_through(std::slice::from_ref(codec), bytes, spec, region, out)
            }
            _ => self.decode_through(&self.bytes, bytes, spec, region, out),
        }
    }

    /// As [`CodecPipeline::decode`], from just the bytes of [`CodecPipeline::ranges`], joined.
    ///
    /// # Errors
    /// As [`CodecPipeline::decode`].
    pub fn decode_ranges(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        expect_output(spec, region, out)?;
        self.initialise(spec, out);
        self.array.decode_ranges(bytes, spec, region, out)
    }

    /// Makes zeros of what is decoded into, unless all codecs promise to write all of it.
    fn initialise(&self, spec: &ChunkSpec, out: &mut ViewMut<'_>) {
        let mut codecs = self.bytes.iter().chain(&self.other_length);
        if !self.array.writes_all(Asked(())) || codecs.any(|codec| !codec.writes_all(Asked(()))) {
            out.fill(FillValue::zero(spec.dtype).as_bytes());
        }
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
        if inner.is_empty()
            && region.is_whole(&spec.shape)
            && let Some(order) = self.array.plain(spec.dtype)
            && let Some(elements) = out.as_dense_mut(order)
        {
            // The memory may be the caller's, and others may change it meanwhile. Decoders that take what they
            // repeat from there check where that is, and not what it is: it costs values or a checksum.
            return last.decode_exact(bytes, elements);
        }
        with_scratch(|decoded| {
            let length = last.decode(bytes, self.max_len_before(inner, spec), decoded)?;
            let decoded = decoded.get(..length).ok_or_else(|| overlong(last.name()))?;
            self.decode_through(inner, decoded, spec, region, out)
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

#[cold]
fn overlong(codec: &'static str) -> Error {
    Error::corrupt(format!("{codec} says that it has decoded more than there is"))
}

/// # Errors
/// `InvalidArgument` unless elements of this `shape` and `item` size are those of `expected` and of `spec`.
fn expect_elements(shape: &[usize], item: usize, expected: &[usize], spec: &ChunkSpec) -> Result<()> {
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

/// # Errors
/// `CorruptData` if decoded bytes are not as many as there should be.
fn expect_len(length: usize, expected: usize) -> Result<()> {
    if length == expected {
        return Ok(());
    }
    Err(Error::corrupt(format!("{length} bytes instead of {expected}")))
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
