//! Codecs: elements ↔ bytes, without I/O, threads or trust in what they are given.
//!
//! A [`CodecPipeline`] is one [`ArrayCodec`] (elements ↔ bytes) and any number of [`BytesCodec`]s
//! (bytes ↔ bytes). Every decoder treats its input as hostile: damage is an error, never a panic,
//! and never an allocation larger than the chunk's own size calls for.

mod array_codec;
mod bitround;
mod blosc;
mod brotli;
mod bytes_codec;
mod bz2;
mod checksum;
mod compressed_segmentation;
mod compresso;
#[cfg(test)]
mod config_tests;
mod content_encoding;
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
mod pipeline;
mod plain;
mod png;
mod promise;
mod raw;
mod shuffle;
mod table;
mod transpose;
mod xz;
mod zlib;
mod zstd;

pub use array_codec::{ArrayCodec, ChunkSpec, EncodedRanges};
pub(crate) use array_codec::{decode_whole, expect_output};
pub use bitround::Bitround;
pub use blosc::{Blosc, BloscCompressor, BloscShuffle};
pub use brotli::Brotli;
pub use bytes_codec::BytesCodec;
pub use bz2::Bz2;
pub use checksum::{Checksum, ChecksumKind};
pub use compressed_segmentation::CompressedSegmentation;
pub use compresso::Compresso;
pub use content_encoding::ContentEncoding;
pub use fixed_scale_offset::FixedScaleOffset;
pub use gzip::Gzip;
pub use jpeg::Jpeg;
pub use jxl::Jxl;
pub use lz4::Lz4;
pub use packbits::{PackBits, PackBitsPadding};
pub use pcodec::{Pcodec, PcodecDelta, PcodecMode};
pub use pipeline::CodecPipeline;
pub use png::Png;
pub(crate) use promise::Asked;
pub use raw::Raw;
pub use shuffle::Shuffle;
pub use table::{BUILTIN, CodecInfo};
pub use transpose::Transpose;
pub use xz::Xz;
pub use zlib::Zlib;
pub use zstd::Zstd;
