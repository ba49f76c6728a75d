//! `vlen-utf8` and `vlen-bytes`: texts and bytes of any length, one behind the other.
//!
//! ```text
//! number of elements: u32 │ length of an element: u32 │ its bytes │ length of the next: u32 │ …
//! ```
//! All numbers are little-endian.

use serde_json::{Map, Value};

use crate::base::buffer::{Order, Region, View, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, expect_output};
use crate::chunk::config::Config;

/// Elements that have lengths of their own. What is decoded of each is where in the encoded bytes its own begin, and how
/// many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlen {
    is_text: bool,
}

/// The most bytes of a chunk and, as far as these go, of each of its elements.
const MOST_BYTES: usize = 1 << 30;
const MOST_OF_ELEMENT: usize = 1 << 24;

/// Bytes of a number before each element, and before all.
const LENGTH: usize = 4;

impl Vlen {
    /// Texts.
    pub const TEXT: Self = Self { is_text: true };

    /// Bytes.
    pub const BYTES: Self = Self { is_text: false };

    const fn dtype(self) -> DataType {
        if self.is_text { DataType::LongText } else { DataType::LongBytes }
    }

    /// Puts into `places` where each element of `bytes` begins, and how many bytes it has.
    fn places(self, bytes: &[u8], places: &mut [u8]) -> Result<()> {
        let cut = || Error::corrupt(format!("{}: truncated", self.name()));
        let places = places.as_chunks_mut::<16>().0;
        let (count, mut rest) = bytes.split_first_chunk::<LENGTH>().ok_or_else(cut)?;
        let count = u32::from_le_bytes(*count) as usize;
        if count != places.len() {
            let name = self.name();
            return Err(Error::corrupt(format!("{name}: {count} elements instead of {}", places.len())));
        }
        for place in places {
            let (length, behind) = rest.split_first_chunk::<LENGTH>().ok_or_else(cut)?;
            let start = bytes.len() - behind.len();
            let length = u32::from_le_bytes(*length) as usize;
            let (element, behind) = behind.split_at_checked(length).ok_or_else(cut)?;
            if self.is_text && std::str::from_utf8(element).is_err() {
                return Err(Error::corrupt(format!("{}: an element is no UTF-8", self.name())));
            }
            place[..8].copy_from_slice(&(start as u64).to_ne_bytes());
            place[8..].copy_from_slice(&(length as u64).to_ne_bytes());
            rest = behind;
        }
        match rest.len() {
            0 => Ok(()),
            rest => Err(Error::corrupt(format!("{}: {rest} bytes behind the end", self.name()))),
        }
    }
}

impl ArrayCodec for Vlen {
    fn name(&self) -> &'static str {
        if self.is_text { "vlen-utf8" } else { "vlen-bytes" }
    }

    fn config(&self) -> Config {
        Config::new(self.name())
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        match spec.dtype == self.dtype() {
            true => spec.byte_len().map(drop),
            false => Err(Error::unsupported(format!(
                "{} holds {} elements, not {}",
                self.name(),
                self.dtype(),
                spec.dtype
            ))),
        }
    }

    fn encode(&self, _: &View<'_>, spec: &ChunkSpec, _: &mut Vec<u8>) -> Result<()> {
        Err(Error::unsupported(format!("{} elements are read, and not written", spec.dtype)))
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        expect_output(spec, region, out)?;
        let item = spec.dtype.size();
        with_scratch(|places| {
            let places = try_first_bytes(places, byte_len(&spec.shape, item)?)?;
            self.places(bytes, places)?;
            out.copy_from(&View::dense(places, &spec.shape, item, Order::C)?.region(region));
            Ok(())
        })
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        let count = spec.shape.iter().fold(1usize, |count, &length| count.saturating_mul(length));
        let lengths = count.saturating_mul(LENGTH).saturating_add(LENGTH);
        lengths.saturating_add(count.saturating_mul(MOST_OF_ELEMENT).min(MOST_BYTES))
    }
}

/// The names of texts in each kind of metadata.
pub(super) const TEXT: Row = Row {
    configs: &["vlen-utf8"],
    kind: Kind::Array,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["vlen-utf8"], read: read_text, write },
        Words { dialect: Dialect::Numcodecs, names: &["vlen-utf8"], read: read_text, write },
    ],
    at_level: None,
};

/// The names of bytes in each kind of metadata.
pub(super) const BYTES: Row = Row {
    configs: &["vlen-bytes"],
    kind: Kind::Array,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["vlen-bytes"], read: read_bytes, write },
        Words { dialect: Dialect::Numcodecs, names: &["vlen-bytes"], read: read_bytes, write },
    ],
    at_level: None,
};

fn read_text(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&[])?;
    Built::array(Vlen::TEXT)
}

fn read_bytes(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&[])?;
    Built::array(Vlen::BYTES)
}

#[allow(clippy::unnecessary_wraps, reason = "others have no words for some")]
fn write(_: &Config, _: Elements) -> Option<Map<String, Value>> {
    Some(Map::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    /// The elements of a chunk of 2 × 1 × 3, as numcodecs writes them.
    fn encoded(elements: [&[u8]; 6]) -> Vec<u8> {
        let length = |length: usize| (length as u32).to_le_bytes();
        let each = elements.iter().flat_map(|element| [&length(element.len())[..], element].concat());
        length(6).into_iter().chain(each).collect()
    }

    #[test]
    fn places_of_elements_of_any_part() {
        let spec = hostile::spec(DataType::LongText, &[2, 1, 3]);
        let bytes = encoded([b"a", b"", "äö".as_bytes(), b"longer than others", b"x", b"yz"]);
        hostile::array_codec(&Vlen::TEXT, &bytes, &spec);
        let mut places = vec![0; 6 * 16];
        Vlen::TEXT.places(&bytes, &mut places).unwrap();
        let number = |at: usize| u64::from_ne_bytes(places[at..at + 8].try_into().unwrap()) as usize;
        let (start, length) = (number(3 * 16), number(3 * 16 + 8));
        assert_eq!(&bytes[start..start + length], b"longer than others");
        assert!(bytes.len() <= Vlen::TEXT.max_encoded_len(&spec));
    }

    #[test]
    fn what_is_no_text_and_what_is_no_chunk_is_refused() {
        let mut places = vec![0; 6 * 16];
        let bytes = encoded([b"a", b"", b"\xff", b"", b"", b""]);
        assert!(Vlen::TEXT.places(&bytes, &mut places).is_err());
        assert!(Vlen::BYTES.places(&bytes, &mut places).is_ok());
        assert!(Vlen::BYTES.places(&bytes, &mut places[..5 * 16]).is_err());
        assert!(Vlen::BYTES.places(&[&bytes[..], &[0]].concat(), &mut places).is_err());
        assert!(Vlen::BYTES.check(&hostile::spec(DataType::LongText, &[2])).is_err());
        assert!(Vlen::TEXT.check(&hostile::spec(DataType::U8, &[2])).is_err());
    }
}
