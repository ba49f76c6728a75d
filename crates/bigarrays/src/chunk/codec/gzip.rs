//! `gzip`, one or several members, through libdeflate.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::NonNull;

use libdeflate_sys as sys;
use libdeflater::{CompressionLvl, Compressor};
use serde_json::{Map, Value};

use crate::base::buffer::first_bytes;
use crate::base::error::{Error, Result};
use crate::chunk::codec::bytes_codec::expect_len;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, level_or, leveled};
use crate::chunk::codec::plain::{copy_plain, copy_plain_exact};
use crate::chunk::codec::{Asked, BytesCodec};
use crate::chunk::config::Config;

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Deflate cannot expand more than this.
const MAX_RATIO: usize = 1032;

/// gzip (RFC 1952).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gzip {
    level: u8,
    or_plain: bool,
}

impl Gzip {
    /// The level that is written where none is asked for.
    pub const DEFAULT_LEVEL: u8 = 6;

    pub(crate) const DEFAULT: Self = Self { level: Self::DEFAULT_LEVEL, or_plain: false };

    /// gzip written with effort `level`, 0 to 12.
    ///
    /// # Errors
    /// `InvalidArgument` for another level.
    pub fn new(level: u8) -> Result<Self> {
        match level {
            0..=12 => Ok(Self { level, or_plain: false }),
            _ => Err(Error::invalid(format!("gzip level {level} is not in 0 to 12"))),
        }
    }

    /// Reads bytes that do not start as gzip does as they are: the `gzip` and `raw` of BigArrays.jl.
    #[must_use]
    pub fn or_plain(self) -> Self {
        Self { or_plain: true, ..self }
    }
}

impl BytesCodec for Gzip {
    fn name(&self) -> &'static str {
        "gzip"
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("level", self.level).with_unless(false, "or_plain", self.or_plain)
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        with_compressor(self.level, |compressor| {
            let start = out.len();
            out.resize(start + compressor.gzip_compress_bound(bytes.len()), 0);
            let length = compressor
                .gzip_compress(bytes, &mut out[start..])
                .map_err(|error| Error::invalid("cannot compress").caused_by(error))?;
            out.truncate(start + length);
            Ok(())
        })
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        if self.or_plain && !bytes.starts_with(&MAGIC) {
            return copy_plain(bytes, max_len, out);
        }
        with_decompressor(|decompressor| decompressor.decode_members(bytes, max_len, out))
    }

    fn decode_exact(&self, bytes: &[u8], out: &mut [u8]) -> Result<()> {
        if self.or_plain && !bytes.starts_with(&MAGIC) {
            return copy_plain_exact(bytes, out);
        }
        with_decompressor(|decompressor| decompressor.decode_members_exact(bytes, out))
    }
}

/// Lends this thread's compressor of `level`.
pub(crate) fn with_compressor<T>(level: u8, use_it: impl FnOnce(&mut Compressor) -> Result<T>) -> Result<T> {
    COMPRESSOR.with_borrow_mut(|slot| match slot {
        Some((known, compressor)) if *known == level => use_it(compressor),
        _ => {
            let valid = CompressionLvl::new(level.into())
                .map_err(|error| Error::invalid(format!("level {level} of deflate: {error:?}")))?;
            use_it(&mut slot.insert((level, Compressor::new(valid))).1)
        }
    })
}

/// Lends this thread's decompressor.
pub(crate) fn with_decompressor<T>(use_it: impl FnOnce(&mut Decompressor) -> Result<T>) -> Result<T> {
    DECOMPRESSOR.with_borrow_mut(|slot| match slot {
        Some(decompressor) => use_it(decompressor),
        None => use_it(slot.insert(Decompressor::new()?)),
    })
}

thread_local! {
    static COMPRESSOR: RefCell<Option<(u8, Compressor)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

/// libdeflate's decompressor; unlike the safe wrapper it says where a member ends.
pub(crate) struct Decompressor(NonNull<sys::libdeflate_decompressor>);

/// How libdeflate decompresses one stream of a format.
type Decompress = unsafe extern "C" fn(
    *mut sys::libdeflate_decompressor,
    *const c_void,
    usize,
    *mut c_void,
    usize,
    *mut usize,
    *mut usize,
) -> sys::libdeflate_result;

/// What became of one member.
enum Member {
    Done { read: usize, written: usize },
    NoSpace,
}

impl Decompressor {
    fn new() -> Result<Self> {
        // SAFETY: no preconditions.
        let new = unsafe { sys::libdeflate_alloc_decompressor() };
        NonNull::new(new).map(Self).ok_or_else(|| Error::invalid("no memory for a gzip decoder"))
    }

    /// Decodes one zlib stream as [`BytesCodec::decode`].
    pub(crate) fn decode_zlib(&mut self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        // The length is not said, but mostly it is the longest that there can be.
        let room = bytes.len().saturating_mul(MAX_RATIO).min(max_len);
        match self.stream(sys::libdeflate_zlib_decompress_ex, "zlib", bytes, first_bytes(out, room))? {
            Member::Done { read, written } if read == bytes.len() => Ok(written),
            Member::Done { .. } => Err(Error::corrupt("zlib: more than one stream")),
            Member::NoSpace => Err(Error::corrupt(format!("zlib: more than {max_len} bytes"))),
        }
    }

    fn decode_members(&mut self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        // The last member's length is only a hint: it may be wrong, or not be of the only member.
        let hint = bytes.last_chunk().map_or(0, |&length| u32::from_le_bytes(length) as usize);
        let mut room = hint.min(bytes.len().saturating_mul(MAX_RATIO)).min(max_len);
        let (mut read, mut written) = (0, 0);
        loop {
            let rest = &mut first_bytes(out, room)[written..];
            match self.stream(sys::libdeflate_gzip_decompress_ex, "gzip", &bytes[read..], rest)? {
                Member::Done { read: more, written: new } => {
                    read += more;
                    written += new;
                    // Files on tapes are padded with zeros.
                    if bytes[read..].iter().all(|&byte| byte == 0) {
                        return Ok(written);
                    }
                }
                Member::NoSpace if room < max_len => {
                    room = room.saturating_mul(2).max(4096).min(max_len);
                }
                Member::NoSpace => {
                    return Err(Error::corrupt(format!("gzip: more than {max_len} bytes")));
                }
            }
        }
    }

    /// Decodes one zlib stream as [`BytesCodec::decode_exact`].
    pub(crate) fn decode_zlib_exact(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<()> {
        match self.stream(sys::libdeflate_zlib_decompress_ex, "zlib", bytes, out)? {
            Member::Done { read, written } if read == bytes.len() => expect_len(written, out.len()),
            Member::Done { .. } => Err(Error::corrupt("zlib: more than one stream")),
            Member::NoSpace => Err(Error::corrupt(format!("zlib: more than {} bytes", out.len()))),
        }
    }

    fn decode_members_exact(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<()> {
        let (mut read, mut written) = (0, 0);
        loop {
            let rest = &mut out[written..];
            match self.stream(sys::libdeflate_gzip_decompress_ex, "gzip", &bytes[read..], rest)? {
                Member::Done { read: more, written: new } => {
                    read += more;
                    written += new;
                    if bytes[read..].iter().all(|&byte| byte == 0) {
                        return expect_len(written, out.len());
                    }
                }
                Member::NoSpace => {
                    return Err(Error::corrupt(format!("gzip: more than {} bytes", out.len())));
                }
            }
        }
    }

    /// Decompresses one stream of the format that `decompress` knows, which messages call `name`.
    fn stream(&mut self, decompress: Decompress, name: &str, bytes: &[u8], out: &mut [u8]) -> Result<Member> {
        let (mut read, mut written) = (0, 0);
        // SAFETY: pointers and lengths are those of slices, and the decompressor is alive.
        let result = unsafe {
            decompress(
                self.0.as_ptr(),
                bytes.as_ptr().cast(),
                bytes.len(),
                out.as_mut_ptr().cast(),
                out.len(),
                &mut read,
                &mut written,
            )
        };
        match result {
            sys::libdeflate_result_LIBDEFLATE_SUCCESS => Ok(Member::Done { read, written }),
            sys::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Ok(Member::NoSpace),
            _ => Err(Error::corrupt(format!("{name}: damaged or truncated"))),
        }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: the decompressor is alive and not used again.
        unsafe { sys::libdeflate_free_decompressor(self.0.as_ptr()) };
    }
}

/// The names and members of this codec in each kind of metadata. That of N5 is read with zlib's.
pub(super) const ROW: Row = Row {
    configs: &["gzip"],
    kind: Kind::Bytes,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["gzip", "numcodecs.gzip"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["gzip"], read, write },
        Words { dialect: Dialect::N5, names: &["gzip"], read, write: write_n5 },
    ],
    at_level: Some(|level, _| Built::bytes(Gzip::new(level_or(level, Gzip::DEFAULT_LEVEL)?)?)),
};

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["level"])?;
    Built::bytes(Gzip::new(entry.level(9, Gzip::DEFAULT_LEVEL)?)?)
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    leveled(config, 9).filter(|_| config.get("or_plain").is_none())
}

fn write_n5(config: &Config, elements: Elements) -> Option<Map<String, Value>> {
    let mut members = write(config, elements)?;
    members.insert("useZlib".to_owned(), false.into());
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    fn decode(codec: Gzip, bytes: &[u8], max_len: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let length = codec.decode(bytes, max_len, &mut out)?;
        assert!(out.len() <= max_len);
        Ok(out[..length].to_vec())
    }

    #[test]
    fn members_follow_each_other_and_garbage_does_not() {
        let mut bytes = Vec::new();
        Gzip::DEFAULT.encode(&[1; 10_000], &mut bytes).unwrap();
        Gzip::DEFAULT.encode(&[2; 5], &mut bytes).unwrap();
        let all = decode(Gzip::DEFAULT, &bytes, 10_005).unwrap();
        assert_eq!((all.len(), all[9_999], all[10_000]), (10_005, 1, 2));
        assert!(decode(Gzip::DEFAULT, &bytes, 10_004).is_err());
        bytes.extend([0; 3]);
        assert_eq!(decode(Gzip::DEFAULT, &bytes, 10_005).unwrap(), all);
        bytes.push(7);
        assert!(decode(Gzip::DEFAULT, &bytes, 20_000).is_err());
    }

    #[test]
    fn a_wrong_length_at_the_end_is_refused() {
        let mut bytes = Vec::new();
        Gzip::DEFAULT.encode(&[7; 300], &mut bytes).unwrap();
        let end = bytes.len() - 4;
        bytes[end..].fill(0xff);
        assert!(decode(Gzip::DEFAULT, &bytes, 1 << 40).is_err());
    }

    #[test]
    fn plain_bytes_only_where_allowed() {
        assert!(decode(Gzip::DEFAULT, b"plain", 5).is_err());
        assert_eq!(decode(Gzip::DEFAULT.or_plain(), b"plain", 5).unwrap(), b"plain");
        assert!(decode(Gzip::DEFAULT.or_plain(), b"plain", 4).is_err());
    }

    #[test]
    fn hostile_bytes() {
        hostile::bytes_codec(&Gzip::DEFAULT);
    }
}
