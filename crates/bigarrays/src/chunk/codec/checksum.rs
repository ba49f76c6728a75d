//! Checksums beside the bytes: `crc32c`, `adler32`, `fletcher32`. Four bytes, little-endian.

use crate::base::error::{Error, Result};
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
    /// The checksum of zlib (RFC 1950).
    Adler32,
    /// The checksum of HDF5: of words of 16 bits, big-endian.
    Fletcher32,
}

impl ChecksumKind {
    fn of(self, bytes: &[u8]) -> u32 {
        match self {
            Self::Crc32c => crc32c::crc32c(bytes),
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
            ChecksumKind::Adler32 => "adler32",
            ChecksumKind::Fletcher32 => "fletcher32",
        }
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("location", if self.at_start { "start" } else { "end" })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums_on_either_side() {
        // The CRC is that of RFC 3720, B.4; the others were made by numcodecs.
        let bytes: Vec<u8> = (0..32).collect();
        for (kind, expected) in [
            (ChecksumKind::Crc32c, 0x46dd_794e),
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
