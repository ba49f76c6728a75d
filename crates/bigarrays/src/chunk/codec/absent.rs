//! Codecs that this build lacks, for want of the Cargo feature that brings their library: whoever makes one, or
//! is the first to use it, gets an error that names the feature.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    missing_docs,
    clippy::unused_self,
    reason = "each build lacks others"
)]

use crate::base::buffer::{Region, View, ViewMut};
use crate::base::error::Result;
use crate::base::feature::missing;
use crate::chunk::codec::dialect::{Dialect, Kind, Row, Words};
use crate::chunk::codec::{ArrayCodec, BytesCodec, ChunkSpec, PcodecDelta, PcodecMode};
use crate::chunk::config::Config;

/// A codec of bytes.
macro_rules! bytes {
    ($feature:literal, $Codec:ident, $name:literal) => {
        #[cfg(not(feature = $feature))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $Codec;

        #[cfg(not(feature = $feature))]
        impl BytesCodec for $Codec {
            fn name(&self) -> &'static str {
                $name
            }

            fn config(&self) -> Config {
                Config::new($name)
            }

            fn encode(&self, _: &[u8], _: &mut Vec<u8>) -> Result<()> {
                Err(missing(concat!("codec ", $name), $feature))
            }

            fn decode(&self, _: &[u8], _: usize, _: &mut Vec<u8>) -> Result<usize> {
                Err(missing(concat!("codec ", $name), $feature))
            }
        }
    };
}

/// A codec of elements.
macro_rules! array {
    ($feature:literal, $Codec:ident, $name:literal) => {
        #[cfg(not(feature = $feature))]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $Codec;

        #[cfg(not(feature = $feature))]
        impl ArrayCodec for $Codec {
            fn name(&self) -> &'static str {
                $name
            }

            fn config(&self) -> Config {
                Config::new($name)
            }

            fn check(&self, _: &ChunkSpec) -> Result<()> {
                Err(missing(concat!("codec ", $name), $feature))
            }

            fn encode(&self, _: &View<'_>, _: &ChunkSpec, _: &mut Vec<u8>) -> Result<()> {
                Err(missing(concat!("codec ", $name), $feature))
            }

            fn decode(&self, _: &[u8], _: &ChunkSpec, _: &Region, _: &mut ViewMut<'_>) -> Result<()> {
                Err(missing(concat!("codec ", $name), $feature))
            }

            fn max_encoded_len(&self, _: &ChunkSpec) -> usize {
                0
            }
        }
    };
}

bytes!("blosc", Blosc, "blosc");
bytes!("brotli", Brotli, "br");
bytes!("bzip2", Bz2, "bz2");
bytes!("lz4", Lz4, "lz4");
bytes!("xz", Xz, "xz");
array!("jpeg", Jpeg, "jpeg");
array!("jxl", Jxl, "jxl");
array!("pco", Pcodec, "pcodec");
array!("png", Png, "png");

/// The words for a codec.
macro_rules! words {
    ($feature:literal, $name:literal, $kind:ident, $($dialect:ident $names:expr),+) => {
        Row {
            configs: &[$name],
            kind: Kind::$kind,
            words: &[$(Words {
                dialect: Dialect::$dialect,
                names: &$names,
                read: |_| Err(missing(concat!("codec ", $name), $feature)),
                write: |_, _| None,
            }),+],
            at_level: Some(|_, _| Err(missing(concat!("codec ", $name), $feature))),
        }
    };
}

/// What metadata call the codecs that this build lacks.
pub(super) const ROWS: &[Row] = &[
    #[cfg(not(feature = "blosc"))]
    words!("blosc", "blosc", Bytes, Zarr3 ["blosc", "numcodecs.blosc"], Numcodecs ["blosc"], N5 ["blosc"]),
    #[cfg(not(feature = "bzip2"))]
    words!("bzip2", "bz2", Bytes, Zarr3 ["numcodecs.bz2", "bz2"], Numcodecs ["bz2"], N5 ["bzip2"]),
    #[cfg(not(feature = "lz4"))]
    words!("lz4", "lz4", Bytes, Zarr3 ["numcodecs.lz4", "lz4"], Numcodecs ["lz4"], N5["lz4"]),
    #[cfg(not(feature = "pco"))]
    words!("pco", "pcodec", Array, Zarr3 ["numcodecs.pcodec", "pcodec"], Numcodecs ["pcodec"]),
    #[cfg(not(feature = "xz"))]
    words!("xz", "xz", Bytes, Zarr3 ["numcodecs.lzma", "lzma"], Numcodecs ["lzma"], N5["xz"]),
];

#[cfg(not(feature = "blosc"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloscCompressor {
    BloscLz,
    Lz4,
    Lz4Hc,
    Snappy,
    Zlib,
    Zstd,
}

#[cfg(not(feature = "blosc"))]
impl BloscCompressor {
    pub const ALL: [Self; 6] = [Self::BloscLz, Self::Lz4, Self::Lz4Hc, Self::Snappy, Self::Zlib, Self::Zstd];

    pub fn name(self) -> &'static str {
        ["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"][self as usize]
    }
}

#[cfg(not(feature = "blosc"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloscShuffle {
    None,
    Bytes,
    Bits,
}

#[cfg(not(feature = "blosc"))]
impl Blosc {
    pub const DEFAULT_LEVEL: u8 = 5;

    pub fn new(_: usize, _: u8) -> Result<Self> {
        Err(missing("codec blosc", "blosc"))
    }

    #[must_use]
    pub fn with(self, _: BloscCompressor, _: BloscShuffle, _: usize) -> Self {
        self
    }
}

#[cfg(not(feature = "brotli"))]
impl Brotli {
    pub const DEFAULT_QUALITY: u8 = 5;
    pub(crate) const DEFAULT: Self = Self;

    pub fn new(_: u8) -> Result<Self> {
        Err(missing("codec br", "brotli"))
    }
}

#[cfg(not(feature = "bzip2"))]
impl Bz2 {
    pub const DEFAULT_LEVEL: u8 = 1;
    pub(crate) const DEFAULT: Self = Self;

    pub fn new(_: u8) -> Result<Self> {
        Err(missing("codec bz2", "bzip2"))
    }
}

#[cfg(not(feature = "jpeg"))]
impl Jpeg {
    pub const DEFAULT_QUALITY: u8 = 75;

    pub fn new(_: u8) -> Result<Self> {
        Err(missing("codec jpeg", "jpeg"))
    }
}

#[cfg(not(feature = "lz4"))]
impl Lz4 {
    pub const DEFAULT_BLOCK: u32 = 1 << 16;
    pub const BLOCKS: std::ops::RangeInclusive<u32> = 64..=1 << 25;

    pub fn new(_: u32) -> Result<Self> {
        Err(missing("codec lz4", "lz4"))
    }

    pub const fn plain() -> Self {
        Self
    }
}

#[cfg(not(feature = "pco"))]
impl Pcodec {
    pub const DEFAULT_LEVEL: u8 = 8;
    pub const DEFAULT_PAGE: usize = 1 << 18;

    pub fn new(_: u8, _: PcodecMode, _: PcodecDelta, _: usize) -> Result<Self> {
        Err(missing("codec pcodec", "pco"))
    }
}

#[cfg(not(feature = "png"))]
impl Png {
    pub const DEFAULT_LEVEL: u8 = 1;

    pub fn new(_: u8) -> Result<Self> {
        Err(missing("codec png", "png"))
    }
}

#[cfg(not(feature = "xz"))]
impl Xz {
    pub const DEFAULT_PRESET: u32 = 6;
    pub(crate) const DEFAULT: Self = Self;

    pub fn new(_: u32) -> Result<Self> {
        Err(missing("codec xz", "xz"))
    }
}
