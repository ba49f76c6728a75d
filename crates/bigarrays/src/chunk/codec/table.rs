//! The table of codecs.

use crate::base::dtype::DataType;

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
        bytes("shuffle", "the bytes of elements, sorted by place"),
        bytes("crc32c", "a checksum: the CRC of Castagnoli"),
        bytes("adler32", "a checksum: that of zlib"),
        bytes("fletcher32", "a checksum: that of HDF5"),
        array("transpose", &DataType::ALL, "axes in another order"),
        array("bitround", &[F16, F32, F64], "lossy: fewer bits of mantissa"),
        array("fixedscaleoffset", NUMBERS, "lossy: scaled into another type"),
        array("packbits", &DataType::ALL, "booleans of one bit, numbers of some bits"),
        #[cfg(feature = "pco")]
        array("pcodec", LONG_NUMBERS, "numbers by their distribution"),
    ]
};
