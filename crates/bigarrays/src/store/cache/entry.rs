//! A cached value as a file. Numbers are little-endian.
//!
//! ```text
//! offset  bytes
//!      0      8  "BIGACHE1"
//!      8      4  CRC-32 of what follows, up to the value
//!     12      4  CRC-32 of the value
//!     16      8  length of the value
//!     24      4  length of the name
//!     28      2  length of the version, or 65535: it has none
//!     30      1  content encoding of the value: 0 none, 1 gzip, 2 brotli, 3 zstd
//!     31      1  zero
//!     32         name: the URL of the value, and a hash of what else tells its server
//!                version: as the server calls it
//!                value
//! ```

use crate::chunk::codec::ContentEncoding;
use crate::store::lock::stable_hash;

const MAGIC: &[u8; 8] = b"BIGACHE1";

/// Bytes before the name.
const FIXED: usize = 32;

/// The length of a version that there is not.
const NO_VERSION: u16 = u16::MAX;

/// The longest name; longer ones are not kept.
const LONGEST_NAME: usize = 16 << 10;

/// The most bytes before a value.
pub(super) const LONGEST_HEADER: usize = FIXED + LONGEST_NAME + NO_VERSION as usize;

/// What stands before the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What value it is.
    pub name: String,
    /// Its version, where the store knows versions.
    pub version: Option<String>,
    /// How the value is to be decoded.
    pub encoding: ContentEncoding,
    /// Bytes of the value.
    pub length: u64,
    checksum: u32,
}

impl Header {
    /// The header of a value; `None` for one that cannot be kept.
    pub fn new(name: &str, version: Option<&str>, encoding: ContentEncoding, value: &[u8]) -> Option<Self> {
        let fits = name.len() <= LONGEST_NAME && version.is_none_or(|v| v.len() < NO_VERSION.into());
        fits.then(|| Self {
            name: name.to_owned(),
            version: version.map(str::to_owned),
            encoding,
            length: value.len() as u64,
            checksum: libdeflater::crc32(value),
        })
    }

    /// Tells this value from others of its name.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut text = [&self.length.to_le_bytes()[..], &self.checksum.to_le_bytes()].concat();
        text.extend_from_slice(self.version.as_deref().unwrap_or_default().as_bytes());
        stable_hash(&text)
    }

    /// The bytes of the header.
    pub fn to_bytes(&self) -> Vec<u8> {
        let version = self.version.as_deref().unwrap_or_default();
        let version_length = self.version.as_ref().map_or(NO_VERSION, |version| version.len() as u16);
        let mut bytes = Vec::with_capacity(FIXED + self.name.len() + version.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.checksum.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&(self.name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&version_length.to_le_bytes());
        bytes.extend_from_slice(&[to_code(self.encoding), 0]);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(version.as_bytes());
        let checksum = libdeflater::crc32(&bytes[12..]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`, and its length; `None` unless it is complete and undamaged.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (checksum, _) = rest.split_first_chunk::<4>()?;
        let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let length = u64::from_le_bytes(*bytes.get(16..)?.first_chunk()?);
        let name_length = number(24)? as usize;
        let version_length = u16::from_le_bytes(*bytes.get(28..)?.first_chunk()?);
        let version_bytes = if version_length == NO_VERSION { 0 } else { usize::from(version_length) };
        if magic != MAGIC || name_length > LONGEST_NAME {
            return None;
        }
        let end = FIXED + name_length + version_bytes;
        if libdeflater::crc32(bytes.get(12..end)?) != u32::from_le_bytes(*checksum) || bytes[31] != 0 {
            return None;
        }
        let text = |part: &[u8]| String::from_utf8(part.to_vec()).ok();
        let version = text(&bytes[FIXED + name_length..end])?;
        let header = Self {
            name: text(&bytes[FIXED..FIXED + name_length])?,
            version: (version_length != NO_VERSION).then_some(version),
            encoding: from_code(bytes[30])?,
            length,
            checksum: number(12)?,
        };
        Some((header, end))
    }
}

/// The header of a whole file, and where its value starts; `None` if the file is damaged, cut short, or
/// something else.
pub fn parse(file: &[u8]) -> Option<(Header, usize)> {
    let (header, start) = Header::parse(file)?;
    let value = &file[start..];
    let is_whole = value.len() as u64 == header.length && libdeflater::crc32(value) == header.checksum;
    is_whole.then_some((header, start))
}

fn to_code(encoding: ContentEncoding) -> u8 {
    match encoding {
        ContentEncoding::Identity => 0,
        ContentEncoding::Gzip => 1,
        ContentEncoding::Brotli => 2,
        ContentEncoding::Zstd => 3,
        ContentEncoding::Bz2 => 4,
        ContentEncoding::Xz => 5,
    }
}

fn from_code(code: u8) -> Option<ContentEncoding> {
    ContentEncoding::ALL.into_iter().find(|&encoding| to_code(encoding) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_damage_is_found() {
        for version in [None, Some(""), Some("\"abc\"")] {
            let header = Header::new("s3://b/k", version, ContentEncoding::Brotli, b"value").unwrap();
            let file = [&header.to_bytes()[..], b"value"].concat();
            assert_eq!(parse(&file), Some((header.clone(), file.len() - 5)));
            for at in 0..file.len() {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << (at % 8);
                assert_eq!(parse(&damaged), None, "bit {} of byte {at}", at % 8);
                assert_eq!(parse(&file[..at]), None, "cut to {at}");
            }
            assert_eq!(parse(&[&file[..], b"x"].concat()), None);
        }
        assert!(Header::new(&"x".repeat(LONGEST_NAME + 1), None, ContentEncoding::Gzip, b"").is_none());
    }
}
