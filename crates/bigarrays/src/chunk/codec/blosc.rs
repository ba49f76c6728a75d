//! Blosc 1: `blosclz` as BigArrays.jl writes it, and Zarr's `blosc` with any compressor and shuffle.

use std::ffi::CStr;

use blosc_src as sys;
use serde_json::{Map, Value};

use crate::base::buffer::first_bytes;
use crate::base::error::{Error, Result};
use crate::base::member::{positive, up_to};
use crate::chunk::codec::bytes_codec::expect_len;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, level_or, members};
use crate::chunk::codec::zstd::encoder_bytes;
use crate::chunk::codec::{Asked, BytesCodec, Work};
use crate::chunk::config::Config;

/// Blosc 1. Every compressor is understood when read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blosc {
    typesize: usize,
    level: u8,
    compressor: BloscCompressor,
    shuffle: BloscShuffle,
    /// In bytes; chosen by Blosc if zero.
    block: usize,
}

/// What compresses the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BloscCompressor {
    BloscLz,
    Lz4,
    Lz4Hc,
    Snappy,
    Zlib,
    Zstd,
}

impl BloscCompressor {
    /// Every compressor.
    pub const ALL: [Self; 6] = [Self::BloscLz, Self::Lz4, Self::Lz4Hc, Self::Snappy, Self::Zlib, Self::Zstd];

    /// Blosc's name of it.
    pub fn name(self) -> &'static str {
        self.c_name().to_str().unwrap_or_default()
    }

    fn c_name(self) -> &'static CStr {
        match self {
            Self::BloscLz => c"blosclz",
            Self::Lz4 => c"lz4",
            Self::Lz4Hc => c"lz4hc",
            Self::Snappy => c"snappy",
            Self::Zlib => c"zlib",
            Self::Zstd => c"zstd",
        }
    }
}

/// What is done to elements before they are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloscShuffle {
    /// Nothing.
    None,
    /// Their bytes are sorted by place.
    Bytes,
    /// Their bits are.
    Bits,
}

impl BloscShuffle {
    /// Zarr's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "noshuffle",
            Self::Bytes => "shuffle",
            Self::Bits => "bitshuffle",
        }
    }
}

impl Blosc {
    /// The level that is written where none is asked for.
    pub const DEFAULT_LEVEL: u8 = 5;

    /// Blosc of elements of `typesize` bytes, written with effort `level`, 0 to 9.
    ///
    /// # Errors
    /// `InvalidArgument` for another level or a typesize outside 1 to 255.
    pub fn new(typesize: usize, level: u8) -> Result<Self> {
        match (typesize, level) {
            (1..=255, 0..=9) => Ok(Self {
                typesize,
                level,
                compressor: BloscCompressor::BloscLz,
                shuffle: BloscShuffle::Bytes,
                block: 0,
            }),
            _ => Err(Error::invalid(format!(
                "blosc level {level} is not in 0 to 9 or typesize {typesize} not in 1 to 255"
            ))),
        }
    }

    /// Written by another compressor, with another shuffle and blocks of `block` bytes (0: as is good).
    #[must_use]
    pub fn with(self, compressor: BloscCompressor, shuffle: BloscShuffle, block: usize) -> Self {
        Self { compressor, shuffle, block, ..self }
    }
}

impl BytesCodec for Blosc {
    fn name(&self) -> &'static str {
        if self.compressor == BloscCompressor::BloscLz { "blosclz" } else { "blosc" }
    }

    fn config(&self) -> Config {
        Config::new(self.name())
            .with("compressor", self.compressor.name())
            .with("level", self.level)
            .with("shuffle", self.shuffle.name())
            .with("typesize", self.typesize)
            .with("block", self.block)
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if bytes.len() > sys::BLOSC_MAX_BUFFERSIZE as usize {
            return Err(Error::unsupported("blosc holds chunks below 2 GiB; choose a smaller chunk"));
        }
        let shuffle = match self.shuffle {
            BloscShuffle::None => sys::BLOSC_NOSHUFFLE,
            BloscShuffle::Bytes => sys::BLOSC_SHUFFLE,
            BloscShuffle::Bits => sys::BLOSC_BITSHUFFLE,
        };
        let start = out.len();
        out.resize(start + bytes.len() + sys::BLOSC_MAX_OVERHEAD as usize, 0);
        let target = &mut out[start..];
        // SAFETY: pointers and lengths are those of slices that do not overlap; the name is a C string.
        let length = unsafe {
            sys::blosc_compress_ctx(
                self.level.into(),
                shuffle as i32,
                self.typesize,
                bytes.len(),
                bytes.as_ptr().cast(),
                target.as_mut_ptr().cast(),
                target.len(),
                self.compressor.c_name().as_ptr(),
                self.block,
                1,
            )
        };
        match usize::try_from(length) {
            Ok(length) if length > 0 => {
                out.truncate(start + length);
                Ok(())
            }
            _ => Err(Error::invalid(format!("cannot compress: blosc says {length}"))),
        }
    }

    fn working_bytes(&self, work: Work, len: u64) -> u64 {
        // It works on blocks, mostly shorter than half of all, and keeps some of them; measured.
        let level = i32::from(self.level);
        let level = if level < 8 { 2 * level - 1 } else { level + 12 };
        match (work, self.compressor) {
            (Work::Decoding, _) => len.saturating_mul(5),
            (Work::Encoding, BloscCompressor::Zstd) => {
                len.saturating_mul(3).saturating_add(encoder_bytes(level, len / 2))
            }
            (Work::Encoding, _) => len.saturating_mul(3),
        }
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        let valid = Valid::new(bytes)?;
        if valid.length > max_len {
            return Err(Error::corrupt(format!(
                "blosc: {} bytes instead of at most {max_len}",
                valid.length
            )));
        }
        valid.decode(first_bytes(out, valid.length))?;
        Ok(valid.length)
    }

    fn decode_exact(&self, bytes: &[u8], out: &mut [u8]) -> Result<()> {
        let valid = Valid::new(bytes)?;
        expect_len(valid.length, out.len())?;
        valid.decode(out)
    }
}

/// What a header says truly of the bytes that it stands before.
struct Valid<'a> {
    bytes: &'a [u8],
    /// The length of what they decode to.
    length: usize,
}

impl<'a> Valid<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self> {
        // Some writers leave room behind, which the header's own length does not count.
        let own = bytes.get(12..16).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
        let bytes = own.and_then(|own| bytes.get(..own as usize)).unwrap_or(bytes);
        let mut length = 0;
        // SAFETY: pointer and length are those of a slice.
        if unsafe { sys::blosc_cbuffer_validate(bytes.as_ptr().cast(), bytes.len(), &mut length) } != 0 {
            return Err(Error::corrupt("blosc: damaged or truncated"));
        }
        Ok(Self { bytes, length })
    }

    /// Decodes to as many bytes as there are.
    fn decode(&self, out: &mut [u8]) -> Result<()> {
        if self.length == 0 {
            return Ok(());
        }
        // SAFETY: the header was validated against the slice's length, which makes decoding safe, to no more bytes than the target has.
        let written = unsafe {
            sys::blosc_decompress_ctx(self.bytes.as_ptr().cast(), out.as_mut_ptr().cast(), out.len(), 1)
        };
        match usize::try_from(written) {
            Ok(written) if written == self.length && written == out.len() => Ok(()),
            _ => Err(Error::corrupt("blosc: damaged")),
        }
    }
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &["blosc", "blosclz"],
    kind: Kind::Bytes,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["blosc", "numcodecs.blosc"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["blosc"], read, write: write_numbered },
        Words { dialect: Dialect::N5, names: &["blosc"], read: read_n5, write: write_numbered },
    ],
    at_level: Some(at_level),
};

/// The members, and the parameters that they are.
const MEMBERS: [(&str, &str); 5] = [
    ("cname", "compressor"),
    ("clevel", "level"),
    ("shuffle", "shuffle"),
    ("typesize", "typesize"),
    ("blocksize", "block"),
];

/// What is done to elements, by its number.
const SHUFFLES: [BloscShuffle; 3] = [BloscShuffle::None, BloscShuffle::Bytes, BloscShuffle::Bits];

fn compressor(value: &Value) -> Option<BloscCompressor> {
    BloscCompressor::ALL.into_iter().find(|known| value == known.name())
}

/// The bytes of an element and of a block.
fn sizes(entry: &Entry<'_>) -> Result<(u64, usize)> {
    let size = entry.members.optional("typesize", positive, "a number of bytes")?;
    let block = entry.members.optional("blocksize", up_to(1 << 30), "a number of bytes")?;
    Ok((size.unwrap_or(entry.elements.dtype.size() as u64), block.unwrap_or(0) as usize))
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    let members = &entry.members;
    members.expect_only(&MEMBERS.map(|(name, _)| name))?;
    let known = members.optional("cname", compressor, "a compressor of Blosc")?;
    let level = entry.level_of("clevel", 9, Blosc::DEFAULT_LEVEL)?;
    let (size, block) = sizes(entry)?;
    // Blosc takes elements that are longer for bytes.
    let size = if size <= 255 { size as usize } else { 1 };
    let automatic = if size == 1 { BloscShuffle::Bits } else { BloscShuffle::Bytes };
    let read = |value: &Value| match (value.as_str(), value.as_i64()) {
        (_, Some(-1)) => Some(automatic),
        (_, Some(number)) => SHUFFLES.get(usize::try_from(number).ok()?).copied(),
        (word, _) => SHUFFLES.into_iter().find(|shuffle| word == Some(shuffle.name())),
    };
    let shuffle = members.optional("shuffle", read, "\"noshuffle\", \"shuffle\" or \"bitshuffle\"")?;
    let codec = Blosc::new(size, level)?;
    Built::bytes(codec.with(known.unwrap_or(BloscCompressor::Lz4), shuffle.unwrap_or(automatic), block))
}

fn read_n5(entry: &Entry<'_>) -> Result<Built> {
    let members = &entry.members;
    let compressor = members.required("cname", compressor, "a compressor of Blosc")?;
    let level = entry.level_of("clevel", 9, Blosc::DEFAULT_LEVEL)?;
    let shuffle = SHUFFLES[members.required("shuffle", up_to(2), "0, 1 or 2")? as usize];
    let (size, block) = sizes(entry)?;
    Built::bytes(Blosc::new(size.min(255) as usize, level)?.with(compressor, shuffle, block))
}

fn at_level(level: Option<u32>, elements: Elements) -> Result<Built> {
    let codec = Blosc::new(elements.dtype.size().min(255), level_or(level, Blosc::DEFAULT_LEVEL)?)?;
    Built::bytes(codec.with(BloscCompressor::Lz4, BloscShuffle::Bytes, 0))
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    Some(members(config, &MEMBERS))
}

/// With numbers for words, and without the size of elements, which is taken from these.
fn write_numbered(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    let mut members = members(config, &MEMBERS);
    members.remove("typesize");
    let word = members.get("shuffle")?;
    let number = SHUFFLES.iter().position(|shuffle| word == shuffle.name())?;
    members.insert("shuffle".to_owned(), number.into());
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    #[test]
    fn shuffles_elements() {
        let values: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
        let size = |typesize| {
            let mut bytes = Vec::new();
            Blosc::new(typesize, 5).unwrap().encode(&values, &mut bytes).unwrap();
            let mut out = Vec::new();
            assert_eq!(
                Blosc::new(1, 5).unwrap().decode(&bytes, values.len(), &mut out).unwrap(),
                values.len()
            );
            assert_eq!(out, values);
            bytes.len()
        };
        assert!(size(4) * 4 < size(1));
    }

    #[test]
    fn hostile_bytes() {
        let codec = Blosc::new(4, 5).unwrap();
        for compressor in BloscCompressor::ALL {
            for shuffle in [BloscShuffle::None, BloscShuffle::Bytes, BloscShuffle::Bits] {
                hostile::bytes_codec(&codec.with(compressor, shuffle, 0));
            }
        }
    }
}
