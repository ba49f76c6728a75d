//! Codecs: elements ↔ bytes, without I/O, threads or trust in what they are given.
//!
//! A [`CodecPipeline`] is one [`ArrayCodec`] (elements ↔ bytes) and any number of [`BytesCodec`]s
//! (bytes ↔ bytes). Every decoder treats its input as hostile: damage is an error, never a panic,
//! and never an allocation larger than the chunk's own size calls for.

mod absent;
mod array_codec;
mod astype;
mod bitround;
#[cfg(feature = "blosc")]
mod blosc;
#[cfg(feature = "brotli")]
mod brotli;
mod bytes_codec;
#[cfg(feature = "bzip2")]
mod bz2;
mod checksum;
mod compressed_segmentation;
mod compresso;
#[cfg(test)]
mod config_tests;
mod content_encoding;
mod delta;
mod dialect;
#[cfg(test)]
mod dialect_tests;
mod fixed_scale_offset;
#[cfg(test)]
mod foreign_tests;
#[cfg(any(feature = "bzip2", feature = "xz"))]
mod growing;
mod gzip;
#[cfg(test)]
mod hostile;
#[cfg(any(feature = "jpeg", feature = "jxl", feature = "png"))]
mod image;
#[cfg(feature = "jpeg")]
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
mod list;
mod listed;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "xz")]
mod lzma;
mod number;
mod packbits;
#[cfg(feature = "pco")]
mod pcodec;
mod pcodec_options;
mod pipeline;
mod plain;
#[cfg(feature = "png")]
mod png;
mod points;
mod promise;
mod quantize;
mod raw;
mod shuffle;
mod table;
mod transpose;
mod vlen;
mod work;
#[cfg(feature = "xz")]
mod xz;
mod zlib;
mod zstd;

#[cfg(not(feature = "brotli"))]
pub use absent::Brotli;
#[cfg(not(feature = "bzip2"))]
pub use absent::Bz2;
#[cfg(not(feature = "jpeg"))]
pub use absent::Jpeg;
#[cfg(not(feature = "jxl"))]
pub use absent::Jxl;
#[cfg(not(feature = "lz4"))]
pub use absent::Lz4;
#[cfg(not(feature = "pco"))]
pub use absent::Pcodec;
#[cfg(not(feature = "png"))]
pub use absent::Png;
#[cfg(not(feature = "xz"))]
pub use absent::Xz;
#[cfg(not(feature = "blosc"))]
pub use absent::{Blosc, BloscCompressor, BloscShuffle};
pub use array_codec::{ArrayCodec, ChunkSpec, EncodedRanges};
pub(crate) use array_codec::{decode_whole, expect_output};
pub use astype::AsType;
pub use bitround::Bitround;
#[cfg(feature = "blosc")]
pub use blosc::{Blosc, BloscCompressor, BloscShuffle};
#[cfg(feature = "brotli")]
pub use brotli::Brotli;
pub use bytes_codec::BytesCodec;
#[cfg(feature = "bzip2")]
pub use bz2::Bz2;
pub use checksum::{Checksum, ChecksumKind};
pub use compressed_segmentation::CompressedSegmentation;
pub use compresso::Compresso;
pub use content_encoding::ContentEncoding;
pub use delta::Delta;
pub(crate) use dialect::{Built, Dialect, Elements, Kind, Step};
pub use fixed_scale_offset::FixedScaleOffset;
pub use gzip::Gzip;
#[cfg(feature = "jpeg")]
pub use jpeg::Jpeg;
#[cfg(feature = "jxl")]
pub use jxl::Jxl;
pub(crate) use list::CodecList;
pub(crate) use listed::{Listed, parse};
#[cfg(feature = "lz4")]
pub use lz4::Lz4;
#[cfg(feature = "xz")]
pub use lzma::{Lzma, LzmaContainer, LzmaFilter};
pub use packbits::{PackBits, PackBitsPadding};
#[cfg(feature = "pco")]
pub use pcodec::Pcodec;
pub use pcodec_options::{PcodecDelta, PcodecMode};
pub use pipeline::CodecPipeline;
#[cfg(feature = "png")]
pub use png::Png;
pub use points::Points;
pub(crate) use promise::Asked;
pub use quantize::Quantize;
pub use raw::Raw;
pub use shuffle::Shuffle;
pub use table::{BUILTIN, CodecInfo};
pub(crate) use table::{at_level, compresses, kind, write};
pub use transpose::Transpose;
pub use vlen::Vlen;
pub use work::Work;
#[cfg(feature = "xz")]
pub use xz::{Xz, XzCheck};
pub use zlib::Zlib;
pub use zstd::Zstd;
