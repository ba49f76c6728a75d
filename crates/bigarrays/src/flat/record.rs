//! What the index says of a slice, as bytes.
//!
//! ```text
//! names:  name                  → position │ first row │ rows │ generation        each u64, little-endian
//! order:  position (big-endian) → first row │ rows │ generation │ name
//! ```

use std::ops::Range;

use crate::base::error::{Error, Result};

/// As many bytes as a key of LMDB can have.
pub(super) const LONGEST_NAME: usize = 511;

/// What the index says of one slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) position: u64,
    pub(super) rows: Range<u64>,
    /// Which file the rows are in: it is counted how often it was replaced.
    pub(super) generation: u64,
}

impl Record {
    /// The value under the name.
    pub(super) fn by_name(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.position.to_le_bytes());
        bytes[8..].copy_from_slice(&self.place());
        bytes
    }

    /// The value under the position.
    pub(super) fn by_position(&self, name: &[u8]) -> Vec<u8> {
        [&self.place()[..], name].concat()
    }

    fn place(&self) -> [u8; 24] {
        let words = [self.rows.start, self.rows.end - self.rows.start, self.generation];
        let mut bytes = [0; 24];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the value under a name.
    pub(super) fn from_name(bytes: &[u8]) -> Result<Self> {
        let (position, place) = bytes.split_first_chunk().ok_or_else(damaged)?;
        match Self::from_place(u64::from_le_bytes(*position), place)? {
            (record, []) => Ok(record),
            _ => Err(damaged()),
        }
    }

    /// Reads the value under a position, and the name in it.
    pub(super) fn from_position(position: u64, bytes: &[u8]) -> Result<(Self, &str)> {
        let (record, name) = Self::from_place(position, bytes)?;
        Ok((record, std::str::from_utf8(name).map_err(|_| damaged())?))
    }

    fn from_place(position: u64, bytes: &[u8]) -> Result<(Self, &[u8])> {
        let (place, rest) = bytes.split_first_chunk::<24>().ok_or_else(damaged)?;
        let word =
            |k: usize| place[k * 8..][..8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        let (start, rows, generation) = (word(0), word(1), word(2));
        let end = start.checked_add(rows).ok_or_else(damaged)?;
        Ok((Self { position, rows: start..end, generation }, rest))
    }
}

#[cold]
pub(super) fn damaged() -> Error {
    Error::corrupt("the index holds a damaged record")
}

/// An error if `name` cannot be one.
pub(super) fn check_name(name: &str) -> Result<()> {
    match name.len() {
        1..=LONGEST_NAME => Ok(()),
        0 => Err(Error::invalid("a name must not be empty")),
        length => {
            let start: String = name.chars().take(40).collect();
            Err(Error::invalid(format!(
                "the name {start:?}… has {length} bytes, and a name at most {LONGEST_NAME}; keep long ones elsewhere"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_damage_is_an_error() {
        let record = Record { position: 7, rows: 5..1 << 60, generation: 3 };
        assert_eq!(Record::from_name(&record.by_name()).unwrap(), record);
        let bytes = record.by_position("näme".as_bytes());
        assert_eq!(Record::from_position(7, &bytes).unwrap(), (record.clone(), "näme"));
        for cut in 0..32 {
            assert!(Record::from_name(&record.by_name()[..cut]).is_err());
        }
        assert!(Record::from_name(&[0xff; 32]).is_err() && Record::from_name(&[0; 33]).is_err());
        assert!(Record::from_position(7, &[&bytes[..], b"\xff"].concat()).is_err());
    }

    #[test]
    fn names() {
        assert!(check_name("a").is_ok() && check_name(&"n".repeat(511)).is_ok());
        assert!(check_name("").is_err() && check_name(&"ä".repeat(256)).is_err());
    }
}
