//! Checksums beside the bytes: `crc32c`, `crc32`, `adler32`, `fletcher32`. Four bytes, little-endian.

use serde_json::{Map, Value};

use crate::base::error::{Error, Result};
use crate::chunk::codec::dialect::{Built, Dialect, Entry, Kind, Row, Words, has, members};
use crate::chunk::codec::plain::copy_plain;
use crate::chunk::codec::{Asked, BytesCodec};
use crate::chunk::config::Config;

/// Bytes of a checksum.
const LEN: usize = 4;

/// A checksum in front of the bytes or behind them, checked when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    kind: ChecksumKind,
    at_start: bool,
}

/// A way to sum bytes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumKind {
    /// The CRC of Castagnoli (RFC 3720).
    Crc32c,
    /// The checksum of gzip (RFC 1952).
    Crc32,
    /// The checksum of zlib (RFC 1950).
    Adler32,
    /// The checksum of HDF5: of words of 16 bits, big-endian.
    Fletcher32,
}

impl ChecksumKind {
    fn of(self, bytes: &[u8]) -> u32 {
        match self {
            Self::Crc32c => crc32c::crc32c(bytes),
            Self::Crc32 => libdeflater::crc32(bytes),
            Self::Adler32 => simd_adler32::adler32(&bytes),
            Self::Fletcher32 => fletcher32(bytes),
        }
    }
}

impl Checksum {
    /// The checksum of bytes, in front of them or behind them.
    pub const fn new(kind: ChecksumKind, at_start: bool) -> Self {
        Self { kind, at_start }
    }
}

impl BytesCodec for Checksum {
    fn name(&self) -> &'static str {
        match self.kind {
            ChecksumKind::Crc32c => "crc32c",
            ChecksumKind::Crc32 => "crc32",
            ChecksumKind::Adler32 => "adler32",
            ChecksumKind::Fletcher32 => "fletcher32",
        }
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with(LOCATION, if self.at_start { START } else { END })
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let sum = self.kind.of(bytes).to_le_bytes();
        let (first, last) = if self.at_start { (&sum[..], bytes) } else { (bytes, &sum[..]) };
        out.reserve(bytes.len() + LEN);
        out.extend_from_slice(first);
        out.extend_from_slice(last);
        Ok(())
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        let parts = match self.at_start {
            true => bytes.split_first_chunk::<LEN>(),
            false => bytes.split_last_chunk::<LEN>().map(|(data, sum)| (sum, data)),
        };
        let (sum, data) =
            parts.ok_or_else(|| Error::corrupt(format!("{}: {} bytes", self.name(), bytes.len())))?;
        if self.kind.of(data) != u32::from_le_bytes(*sum) {
            return Err(Error::corrupt(format!("the {} of the bytes is another", self.name())));
        }
        copy_plain(data, max_len, out)
    }

    fn max_encoded_len(&self, len: usize) -> usize {
        len.saturating_add(LEN)
    }
}

fn fletcher32(bytes: &[u8]) -> u32 {
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (mut low, mut high) = (0u32, 0u32);
    // So many words leave both sums within 32 bits.
    for block in bytes.chunks(720) {
        let (words, rest) = block.as_chunks::<2>();
        for word in words {
            low += u32::from(u16::from_be_bytes(*word));
            high += low;
        }
        if let [byte] = rest {
            low += u32::from(*byte) << 8;
            high += low;
        }
        (low, high) = (fold(low), fold(high));
    }
    fold(high) << 16 | fold(low)
}

/// How metadata say the CRC. That of Zarr 3 stands behind the bytes.
pub(super) const CRC32C: Row = Row {
    configs: &["crc32c"],
    kind: Kind::Bytes,
    words: &[
        Words {
            dialect: Dialect::Zarr3,
            names: &["crc32c"],
            read: |entry| read(entry, ChecksumKind::Crc32c, false),
            write: |config, _| has(config, LOCATION, END).then(Map::new),
        },
        Words {
            dialect: Dialect::Zarr3,
            names: &["numcodecs.crc32c"],
            read: |entry| read(entry, ChecksumKind::Crc32c, false),
            write: |config, _| located(config, END),
        },
        Words {
            dialect: Dialect::Numcodecs,
            names: &["crc32c"],
            read: |entry| read(entry, ChecksumKind::Crc32c, false),
            write: |config, _| located(config, END),
        },
    ],
    at_level: None,
};

/// How metadata say the checksum of gzip, which stands in front of the bytes.
pub(super) const CRC32: Row = Row {
    configs: &["crc32"],
    kind: Kind::Bytes,
    words: &[
        Words {
            dialect: Dialect::Zarr3,
            names: &["numcodecs.crc32", "crc32"],
            read: |entry| read(entry, ChecksumKind::Crc32, true),
            write: |config, _| located(config, START),
        },
        Words {
            dialect: Dialect::Numcodecs,
            names: &["crc32"],
            read: |entry| read(entry, ChecksumKind::Crc32, true),
            write: |config, _| located(config, START),
        },
    ],
    at_level: None,
};

/// How metadata say the checksum of zlib, which stands in front of the bytes.
pub(super) const ADLER32: Row = Row {
    configs: &["adler32"],
    kind: Kind::Bytes,
    words: &[
        Words {
            dialect: Dialect::Zarr3,
            names: &["numcodecs.adler32", "adler32"],
            read: |entry| read(entry, ChecksumKind::Adler32, true),
            write: |config, _| located(config, START),
        },
        Words {
            dialect: Dialect::Numcodecs,
            names: &["adler32"],
            read: |entry| read(entry, ChecksumKind::Adler32, true),
            write: |config, _| located(config, START),
        },
    ],
    at_level: None,
};

/// How metadata say the checksum of HDF5, which always stands behind the bytes.
pub(super) const FLETCHER32: Row = Row {
    configs: &["fletcher32"],
    kind: Kind::Bytes,
    words: &[
        Words {
            dialect: Dialect::Zarr3,
            names: &["numcodecs.fletcher32", "fletcher32"],
            read: read_fletcher32,
            write: |config, _| has(config, LOCATION, END).then(Map::new),
        },
        Words {
            dialect: Dialect::Numcodecs,
            names: &["fletcher32"],
            read: read_fletcher32,
            write: |config, _| has(config, LOCATION, END).then(Map::new),
        },
    ],
    at_level: None,
};

const LOCATION: &str = "location";
const START: &str = "start";
const END: &str = "end";

fn read(entry: &Entry<'_>, kind: ChecksumKind, at_start: bool) -> Result<Built> {
    entry.members.expect_only(&[LOCATION])?;
    let place = |value: &Value| [END, START].iter().position(|&known| value == known);
    let place = entry.members.optional(LOCATION, place, "\"start\" or \"end\"")?;
    Built::bytes(Checksum::new(kind, place.map_or(at_start, |place| place == 1)))
}

fn read_fletcher32(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&[])?;
    Built::bytes(Checksum::new(ChecksumKind::Fletcher32, false))
}

/// The location, unless it is the usual one, which older versions of numcodecs do not know by name.
fn located(config: &Config, usual: &str) -> Option<Map<String, Value>> {
    let is_usual = has(config, LOCATION, usual);
    Some(if is_usual { Map::new() } else { members(config, &[(LOCATION, LOCATION)]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums_on_either_side() {
        // The CRC is that of RFC 3720, B.4; the others were made by numcodecs.
        let bytes: Vec<u8> = (0..32).collect();
        for (kind, expected) in [
            (ChecksumKind::Crc32c, 0x46dd_794e),
            (ChecksumKind::Crc32, 0x9126_7e8a),
            (ChecksumKind::Adler32, 0x1570_01f1),
            (ChecksumKind::Fletcher32, 0x55dd_f100),
        ] {
            assert_eq!(kind.of(&bytes), expected, "{kind:?}");
            for at_start in [false, true] {
                let (codec, mut encoded, mut out) = (Checksum::new(kind, at_start), Vec::new(), Vec::new());
                codec.encode(&bytes, &mut encoded).unwrap();
                assert_eq!(codec.decode(&encoded, 32, &mut out).unwrap(), 32);
                assert_eq!(out, bytes);
                assert!(codec.decode(&encoded, 31, &mut out).is_err());
                encoded[17] ^= 4;
                assert!(codec.decode(&encoded, 32, &mut out).is_err());
                assert!(codec.decode(&encoded[..3], 32, &mut out).is_err());
            }
        }
    }
}
