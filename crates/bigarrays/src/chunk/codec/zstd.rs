//! `zstd`: one or several frames, with or without their content's size.

use std::cell::RefCell;

use serde_json::{Map, Value};
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::member::integer;
use crate::chunk::codec::bytes_codec::expect_len;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, members};
use crate::chunk::codec::plain::{copy_plain, copy_plain_exact};
use crate::chunk::codec::{Asked, BytesCodec, Work};
use crate::chunk::config::Config;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A block of 128 KiB takes at least 3 bytes.
const MAX_RATIO: usize = (128 << 10) / 3 + 1;

/// Zstandard (RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zstd {
    level: i32,
    checksum: bool,
    or_plain: bool,
}

impl Zstd {
    /// The level that is written where none is asked for.
    pub const DEFAULT_LEVEL: i32 = 3;

    pub(crate) const DEFAULT: Self = Self { level: Self::DEFAULT_LEVEL, checksum: false, or_plain: false };

    /// Zstandard written with effort `level`, up to 22; negative ones are faster.
    ///
    /// # Errors
    /// `InvalidArgument` for a level that does not exist.
    pub fn new(level: i32) -> Result<Self> {
        let levels = zstd_safe::min_c_level()..=zstd_safe::max_c_level();
        if levels.contains(&level) {
            return Ok(Self { level, checksum: false, or_plain: false });
        }
        Err(Error::invalid(format!("zstd level {level} is not in {} to {}", levels.start(), levels.end())))
    }

    /// Writes a checksum into each frame; one that is there is checked anyhow.
    #[must_use]
    pub fn with_checksum(self, checksum: bool) -> Self {
        Self { checksum, ..self }
    }

    /// Reads bytes that do not start as zstd does as they are: the `zstd` of BigArrays.jl.
    #[must_use]
    pub fn or_plain(self) -> Self {
        Self { or_plain: true, ..self }
    }
}

/// The memory of an encoder, whose tables are as large as a level wants and what is encoded needs.
pub(super) fn encoder_bytes(level: i32, len: u64) -> u64 {
    // The longest window of a level, and bytes of tables for each of its bytes.
    let (window, tables): (u64, u64) = match level {
        ..=4 => (1 << 21, 1),
        5..=12 => (1 << 22, 8),
        13..=19 => (1 << 23, 16),
        _ => (1 << 27, 16),
    };
    len.checked_next_power_of_two().unwrap_or(window).min(window).saturating_mul(tables)
}

impl BytesCodec for Zstd {
    fn name(&self) -> &'static str {
        "zstd"
    }

    fn config(&self) -> Config {
        Config::new(self.name())
            .with("level", self.level)
            .with_unless(false, "checksum", self.checksum)
            .with_unless(false, "or_plain", self.or_plain)
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if !out.is_empty() {
            let mut appended = Vec::new();
            self.encode(bytes, &mut appended)?;
            out.extend_from_slice(&appended);
            return Ok(());
        }
        // What is not needed of the room is never touched.
        out.reserve_exact(zstd_safe::compress_bound(bytes.len()));
        COMPRESSOR.with_borrow_mut(|slot| {
            let compressor = slot.get_or_insert_with(CCtx::create);
            let parameters =
                [CParameter::CompressionLevel(self.level), CParameter::ChecksumFlag(self.checksum)];
            let set = parameters.into_iter().try_for_each(|value| compressor.set_parameter(value).map(drop));
            set.and_then(|()| compressor.compress2(out, bytes)).map_err(|code| {
                Error::invalid(format!("cannot compress: {}", zstd_safe::get_error_name(code)))
            })
        })?;
        Ok(())
    }

    fn working_bytes(&self, work: Work, len: u64) -> u64 {
        if work == Work::Encoding { encoder_bytes(self.level, len) } else { 0 }
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        if self.or_plain && !bytes.starts_with(&MAGIC) {
            return copy_plain(bytes, max_len, out);
        }
        if bytes.is_empty() {
            return Err(Error::corrupt("zstd: no bytes"));
        }
        // Decoding in one go takes matches from the output itself: no frame can ask for a window.
        let room = content_len(bytes)?.min(bytes.len().saturating_mul(MAX_RATIO)).min(max_len);
        DECOMPRESSOR.with_borrow_mut(|slot| {
            let decompressor = slot.get_or_insert_with(DCtx::create);
            if out.len() >= room {
                return decompressor.decompress(&mut out[..room], bytes).map_err(corrupt);
            }
            out.clear();
            out.try_reserve_exact(room).map_err(|_| {
                Error::new(ErrorKind::MemoryBudget, format!("{room} bytes do not fit into memory"))
            })?;
            let length = decompressor.decompress(out, bytes).map_err(corrupt)?;
            // Memory may be had in larger pieces than it is asked for.
            match length <= room {
                true => Ok(length),
                false => Err(Error::corrupt(format!("zstd: more than {room} bytes"))),
            }
        })
    }

    fn decode_exact(&self, bytes: &[u8], out: &mut [u8]) -> Result<()> {
        let expected = out.len();
        if self.or_plain && !bytes.starts_with(&MAGIC) {
            return copy_plain_exact(bytes, out);
        }
        if bytes.is_empty() {
            return Err(Error::corrupt("zstd: no bytes"));
        }
        let length = DECOMPRESSOR.with_borrow_mut(|slot| {
            slot.get_or_insert_with(DCtx::create).decompress(out, bytes).map_err(corrupt)
        })?;
        expect_len(length, expected)
    }
}

/// What all frames together say that they hold; `usize::MAX` if one does not say.
fn content_len(mut bytes: &[u8]) -> Result<usize> {
    let mut sum = 0usize;
    while !bytes.is_empty() {
        let content = zstd_safe::get_frame_content_size(bytes)
            .map_err(|_| Error::corrupt("zstd: no frame where one should start"))?;
        let content = content.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
        sum = sum.saturating_add(content);
        let frame = zstd_safe::find_frame_compressed_size(bytes).map_err(corrupt)?;
        bytes = bytes.get(frame.max(1)..).unwrap_or_default();
    }
    Ok(sum)
}

fn corrupt(code: zstd_safe::ErrorCode) -> Error {
    Error::corrupt(format!("zstd: {}", zstd_safe::get_error_name(code)))
}

thread_local! {
    static COMPRESSOR: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &["zstd"],
    kind: Kind::Bytes,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["zstd", "numcodecs.zstd"], read, write: write_zarr3 },
        Words { dialect: Dialect::Numcodecs, names: &["zstd"], read, write },
        Words { dialect: Dialect::N5, names: &["zstd"], read: read_n5, write: write_n5 },
    ],
    at_level: Some(|level, _| {
        Built::bytes(Zstd::new(level.map_or(Zstd::DEFAULT_LEVEL, |level| level as i32))?)
    }),
};

fn level(entry: &Entry<'_>) -> Result<Option<i32>> {
    // Of levels that there are not, the nearest: reading needs none.
    let (least, most) = (zstd_safe::min_c_level().into(), zstd_safe::max_c_level().into());
    let read = |value: &Value| integer(value).map(|level| level.clamp(least, most) as i32);
    entry.members.optional("level", read, "a level")
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["level", "checksum"])?;
    let codec = Zstd::new(level(entry)?.unwrap_or(0))?;
    let checksum = entry.members.optional("checksum", Value::as_bool, "true or false")?;
    Built::bytes(codec.with_checksum(checksum.unwrap_or(false)))
}

fn read_n5(entry: &Entry<'_>) -> Result<Built> {
    Built::bytes(Zstd::new(level(entry)?.unwrap_or(Zstd::DEFAULT_LEVEL))?)
}

/// Some versions of numcodecs do not know that there can be a checksum.
fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    let members = members(config, &[("level", "level"), ("checksum", "checksum")]);
    config.get("or_plain").is_none().then_some(members)
}

fn write_zarr3(config: &Config, elements: Elements) -> Option<Map<String, Value>> {
    let mut members = write(config, elements)?;
    members.entry("checksum").or_insert_with(|| false.into());
    Some(members)
}

fn write_n5(config: &Config, elements: Elements) -> Option<Map<String, Value>> {
    write(config, elements).filter(|members| !members.contains_key("checksum"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;
    use std::io::Write;

    fn decode(codec: Zstd, bytes: &[u8], max_len: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let length = codec.decode(bytes, max_len, &mut out)?;
        assert!(out.len() <= max_len);
        Ok(out[..length].to_vec())
    }

    #[test]
    fn frames_without_size_follow_each_other() {
        let mut stream = zstd::Encoder::new(Vec::new(), 1).unwrap();
        stream.write_all(&[1; 300_000]).unwrap();
        let mut bytes = stream.finish().unwrap();
        assert!(zstd_safe::get_frame_content_size(&bytes).unwrap().is_none());
        Zstd::DEFAULT.encode(&[2; 5], &mut bytes).unwrap();
        let all = decode(Zstd::DEFAULT, &bytes, 300_005).unwrap();
        assert_eq!((all.len(), all[299_999], all[300_000]), (300_005, 1, 2));
        assert!(decode(Zstd::DEFAULT, &bytes, 300_004).is_err());
        bytes.push(0);
        assert!(decode(Zstd::DEFAULT, &bytes, 400_000).is_err());
    }

    #[test]
    fn plain_bytes_only_where_allowed() {
        assert!(decode(Zstd::DEFAULT, b"plain", 5).is_err());
        assert_eq!(decode(Zstd::DEFAULT.or_plain(), b"plain", 5).unwrap(), b"plain");
        assert!(decode(Zstd::DEFAULT.or_plain(), b"plain", 4).is_err());
    }

    #[test]
    fn hostile_bytes() {
        hostile::bytes_codec(&Zstd::DEFAULT);
    }
}
