//! The tables of codecs: for people, and by the names that metadata have for them.

use crate::base::dtype::DataType;
use crate::base::error::Result;
#[cfg(feature = "blosc")]
use crate::chunk::codec::blosc;
#[cfg(feature = "bzip2")]
use crate::chunk::codec::bz2;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, Written};
#[cfg(feature = "lz4")]
use crate::chunk::codec::lz4;
#[cfg(feature = "xz")]
use crate::chunk::codec::lzma;
#[cfg(feature = "pco")]
use crate::chunk::codec::pcodec;
#[cfg(feature = "xz")]
use crate::chunk::codec::xz;
use crate::chunk::codec::{
    absent, astype, bitround, checksum, delta, fixed_scale_offset, gzip, packbits, quantize, raw, shuffle,
    transpose, vlen, zlib, zstd,
};
use crate::chunk::config::Config;

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
    use DataType::{F16, F32, F64, I8, I16, I32, I64, LongBytes, LongText, U8, U16, U32, U64};
    const NUMBERS: &[DataType] = &[I8, I16, I32, I64, U8, U16, U32, U64, F32, F64];
    const ALL_NUMBERS: &[DataType] = &[I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64];
    #[cfg(feature = "pco")]
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
        #[cfg(feature = "jpeg")]
        array("jpeg", &[U8], "lossy images of 1 or 3 channels"),
        #[cfg(feature = "png")]
        array("png", &[U8, U16], "lossless images of 1 to 4 channels"),
        #[cfg(feature = "jxl")]
        read_only(array("jxl", &[U8], "JPEG XL images of 1 or 3 channels")),
        array("compressed_segmentation", &[U32, U64], "labels, in blocks with a palette each"),
        read_only(array("compresso", &[U8, U16, U32, U64], "labels of connected components")),
        bytes("gzip", "deflate with a checksum"),
        bytes("zstd", "Zstandard"),
        #[cfg(feature = "brotli")]
        bytes("br", "Brotli"),
        #[cfg(feature = "blosc")]
        bytes("blosclz", "Blosc 1 with BloscLZ and shuffled bytes"),
        #[cfg(feature = "blosc")]
        bytes("blosc", "Blosc 1 with any compressor and shuffle"),
        bytes("zlib", "deflate with a checksum of Adler"),
        #[cfg(feature = "bzip2")]
        bytes("bz2", "bzip2"),
        #[cfg(feature = "xz")]
        bytes("xz", "LZMA 2 in streams of xz"),
        #[cfg(feature = "lz4")]
        bytes("lz4", "LZ4 in blocks with a checksum each, or in one without"),
        #[cfg(feature = "xz")]
        bytes("lzma", "LZMA as .lzma or raw, or with filters"),
        bytes("shuffle", "the bytes of elements, sorted by place"),
        bytes("crc32c", "a checksum: the CRC of Castagnoli"),
        bytes("crc32", "a checksum: that of gzip"),
        bytes("adler32", "a checksum: that of zlib"),
        bytes("fletcher32", "a checksum: that of HDF5"),
        array("transpose", &DataType::ALL, "axes in another order"),
        array("bitround", &[F16, F32, F64], "lossy: fewer bits of mantissa"),
        array("fixedscaleoffset", NUMBERS, "lossy: scaled into another type"),
        array("delta", ALL_NUMBERS, "differences of elements"),
        array("astype", ALL_NUMBERS, "elements as another type"),
        array("quantize", &[F16, F32, F64], "lossy: so many decimal digits"),
        read_only(array("vlen-utf8", &[LongText], "texts of any length")),
        read_only(array("vlen-bytes", &[LongBytes], "bytes of any length")),
        array("packbits", &DataType::ALL, "booleans of one bit, numbers of some bits"),
        #[cfg(feature = "pco")]
        array("pcodec", LONG_NUMBERS, "numbers by their distribution"),
    ]
};

/// Every codec that metadata name.
const ROWS: &[Row] = &[
    raw::ROW,
    transpose::ROW,
    bitround::ROW,
    fixed_scale_offset::ROW,
    delta::ROW,
    astype::ROW,
    quantize::ROW,
    packbits::ROW,
    vlen::TEXT,
    vlen::BYTES,
    #[cfg(feature = "pco")]
    pcodec::ROW,
    // Before gzip, whose name N5 has for both.
    zlib::ROW,
    gzip::ROW,
    zstd::ROW,
    #[cfg(feature = "blosc")]
    blosc::ROW,
    #[cfg(feature = "bzip2")]
    bz2::ROW,
    #[cfg(feature = "xz")]
    xz::ROW,
    #[cfg(feature = "xz")]
    lzma::ROW,
    #[cfg(feature = "lz4")]
    lz4::ROW,
    shuffle::ROW,
    checksum::CRC32C,
    checksum::CRC32,
    checksum::ADLER32,
    checksum::FLETCHER32,
];

/// The words of `dialect`, of codecs that this build has and of those that it lacks.
fn words(dialect: Dialect) -> impl Iterator<Item = (&'static Row, &'static Words)> {
    let of = |row: &'static Row| row.words.iter().map(move |words| (row, words));
    ROWS.iter().chain(absent::ROWS).flat_map(of).filter(move |(_, words)| words.dialect == dialect)
}

fn named(dialect: Dialect, name: &str) -> Option<(&'static Row, &'static Words)> {
    words(dialect).find(|(_, words)| words.names.contains(&name))
}

/// What the codec that `dialect` calls `name` is between; `None` if there is none of that name.
pub(crate) fn kind(dialect: Dialect, name: &str) -> Option<Kind> {
    named(dialect, name).map(|(row, _)| row.kind)
}

/// Whether the codec that `dialect` calls `name` is a compression.
pub(crate) fn compresses(dialect: Dialect, name: &str) -> bool {
    named(dialect, name).is_some_and(|(row, _)| row.at_level.is_some())
}

/// The compression that `dialect` calls `name`, at `level` or the usual one, as that dialect says it; `None` if it has
/// no compression of that name.
///
/// # Errors
/// `InvalidArgument` for a level that it cannot have; `Unsupported` if this build lacks the codec.
pub(crate) fn at_level(
    dialect: Dialect,
    name: &str,
    level: Option<u32>,
    elements: Elements,
) -> Result<Option<Written>> {
    let is_it = |(_, words): &(&Row, &Words)| words.names.contains(&name);
    // Of two codecs of one name, the plain one comes last.
    let Some(make) = words(dialect).filter(is_it).filter_map(|(row, _)| row.at_level).last() else {
        return Ok(None);
    };
    Ok(write(dialect, &make(level, elements)?.config(), elements))
}

/// The codec of an entry; `None` if there is none of that name.
///
/// # Errors
/// `InvalidMetadata` or `InvalidArgument` for a configuration that it cannot have; `Unsupported` if this build lacks
/// the codec.
pub(crate) fn read(dialect: Dialect, entry: &Entry<'_>) -> Result<Option<Built>> {
    named(dialect, entry.name).map(|(_, words)| (words.read)(entry)).transpose()
}

/// The codec of this configuration, which gets `elements`, as `dialect` says it; `None` if it has no words for it.
pub(crate) fn write(dialect: Dialect, config: &Config, elements: Elements) -> Option<Written> {
    let is_one = |(row, _): &(&Row, &Words)| row.configs.contains(&config.name());
    words(dialect).filter(is_one).find_map(|(_, words)| {
        let members = (words.write)(config, elements)?;
        Some(Written { name: words.names.first()?, members })
    })
}
