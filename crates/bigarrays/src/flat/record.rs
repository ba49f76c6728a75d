//! What the index says of a slice, as bytes.
//!
//! ```text
//! names:  name                  → position │ (first row │ rows) of each array │ generation     each u64, little-endian
//! order:  position (big-endian) → (first row │ rows) of each array │ generation │ name
//! meta:   name                  → JSON; the table is there once a name has any
//! ```

use std::ops::{Deref, Range};

use crate::base::error::{Error, Result};

/// As many bytes as a key of LMDB can have.
pub(super) const LONGEST_NAME: usize = 511;

/// Bytes of the metadata of a name, at most.
pub(super) const LONGEST_METADATA: usize = 1 << 16;

/// As many arrays as one index can be of: a record is kept in a page of its tables.
pub(super) const MOST_ARRAYS: usize = 64;

/// Bytes of the rows in one array.
const PAIR: usize = 16;

/// The rows of a slice in each array. Used like a range, they are those in the first array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceRows {
    /// Those in the first array.
    pub first: Range<u64>,
    /// Those in the others, in their order.
    pub others: Box<[Range<u64>]>,
}

impl SliceRows {
    /// Those of at least one array.
    pub(super) fn new(rows: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut rows = rows.into_iter();
        let first = rows.next().unwrap_or_default();
        Self { first, others: rows.collect() }
    }

    /// Those in each array, in their order.
    pub fn all(&self) -> impl Iterator<Item = &Range<u64>> + Clone {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Those in the array of that number, if there is one.
    pub fn get(&self, array: usize) -> Option<&Range<u64>> {
        array.checked_sub(1).map_or(Some(&self.first), |other| self.others.get(other))
    }
}

impl Deref for SliceRows {
    type Target = Range<u64>;

    fn deref(&self) -> &Range<u64> {
        &self.first
    }
}

/// What the index says of one slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) position: u64,
    pub(super) rows: SliceRows,
    /// Which files the rows are in: it is counted how often they were replaced.
    pub(super) generation: u64,
}

impl Record {
    /// The value under the name.
    pub(super) fn by_name(&self) -> Vec<u8> {
        let mut bytes = self.room_for(8);
        bytes.extend_from_slice(&self.position.to_le_bytes());
        self.put_place(&mut bytes);
        bytes
    }

    /// The value under the position.
    pub(super) fn by_position(&self, name: &[u8]) -> Vec<u8> {
        let mut bytes = self.room_for(name.len());
        self.put_place(&mut bytes);
        bytes.extend_from_slice(name);
        bytes
    }

    fn room_for(&self, more: usize) -> Vec<u8> {
        Vec::with_capacity((1 + self.rows.others.len()) * PAIR + 8 + more)
    }

    fn put_place(&self, bytes: &mut Vec<u8>) {
        for rows in self.rows.all() {
            bytes.extend_from_slice(&rows.start.to_le_bytes());
            bytes.extend_from_slice(&(rows.end - rows.start).to_le_bytes());
        }
        bytes.extend_from_slice(&self.generation.to_le_bytes());
    }

    /// Reads the value under a name.
    pub(super) fn from_name(bytes: &[u8]) -> Result<Self> {
        let (position, place) = bytes.split_first_chunk().ok_or_else(damaged)?;
        match Self::from_place(u64::from_le_bytes(*position), place, place.len() / PAIR)? {
            (record, []) => Ok(record),
            _ => Err(damaged()),
        }
    }

    /// Reads the value under a position, in an index of so many arrays, and the name in it.
    pub(super) fn from_position(position: u64, bytes: &[u8], arrays: usize) -> Result<(Self, &str)> {
        let (record, name) = Self::from_place(position, bytes, arrays)?;
        Ok((record, std::str::from_utf8(name).map_err(|_| damaged())?))
    }

    /// The rows that these bytes say.
    fn pair(bytes: &[u8]) -> Result<Range<u64>> {
        let (start, rows) = bytes.split_first_chunk().ok_or_else(damaged)?;
        let rows = rows.first_chunk().ok_or_else(damaged)?;
        let start = u64::from_le_bytes(*start);
        Ok(start..start.checked_add(u64::from_le_bytes(*rows)).ok_or_else(damaged)?)
    }

    fn from_place(position: u64, bytes: &[u8], arrays: usize) -> Result<(Self, &[u8])> {
        let length = arrays.checked_mul(PAIR).filter(|&length| arrays > 0 && length + 8 <= bytes.len());
        let (pairs, rest) = bytes.split_at(length.ok_or_else(damaged)?);
        let (generation, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (first, others) = pairs.split_at(PAIR);
        let others = others.chunks_exact(PAIR).map(Self::pair).collect::<Result<_>>()?;
        let rows = SliceRows { first: Self::pair(first)?, others };
        Ok((Self { position, rows, generation: u64::from_le_bytes(*generation) }, rest))
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

/// An error if `json` cannot be kept beside the name.
pub(super) fn check_metadata(name: &str, json: &str) -> Result<()> {
    if json.len() > LONGEST_METADATA {
        return Err(Error::invalid(format!(
            "the metadata of {name:?} have {} bytes as JSON, and may have {LONGEST_METADATA}; keep what is larger in an \
             array or a file of its own",
            json.len()
        )));
    }
    let parsed = serde_json::from_str::<serde_json::Value>(json).map(drop);
    parsed.map_err(|error| Error::invalid(format!("the metadata of {name:?} are not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_damage_is_an_error() {
        for others in [vec![], vec![0..0, 7..9]] {
            let arrays = 1 + others.len();
            let rows = SliceRows { first: 5..1 << 60, others: others.into() };
            let record = Record { position: 7, rows, generation: 3 };
            assert_eq!(record.by_name().len(), 16 + 16 * arrays);
            assert_eq!(Record::from_name(&record.by_name()).unwrap(), record);
            let bytes = record.by_position("näme".as_bytes());
            assert_eq!(Record::from_position(7, &bytes, arrays).unwrap(), (record.clone(), "näme"));
            for cut in (0..record.by_name().len()).filter(|cut| *cut < 32 || cut % 16 > 0) {
                assert!(Record::from_name(&record.by_name()[..cut]).is_err());
            }
            assert!(Record::from_position(7, &[&bytes[..], b"\xff"].concat(), arrays).is_err());
            assert!(Record::from_position(7, &bytes, 9).is_err());
        }
        assert!(Record::from_name(&[0xff; 32]).is_err() && Record::from_name(&[0; 33]).is_err());
    }

    #[test]
    fn what_one_array_has_is_as_it_always_was() {
        let record = Record { position: 1, rows: SliceRows::new([2..5]), generation: 4 };
        let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(record.by_name(), words(&[1, 2, 3, 4]));
        assert_eq!(record.by_position(b"ab"), [&words(&[2, 3, 4])[..], b"ab"].concat());
    }

    #[test]
    fn metadata() {
        assert!(check_metadata("a", "{\"k\": [1, 2.5, null]}").is_ok() && check_metadata("a", "7").is_ok());
        assert!(check_metadata("a", &format!("\"{}\"", "x".repeat(LONGEST_METADATA - 2))).is_ok());
        let error = check_metadata("a", &format!("\"{}\"", "x".repeat(LONGEST_METADATA - 1))).unwrap_err();
        assert!(error.to_string().contains("65537") && error.to_string().contains("65536"), "{error}");
        for wrong in ["", "NaN", "{'a': 1}", "1 2"] {
            assert!(check_metadata("a", wrong).unwrap_err().to_string().contains("\"a\""));
        }
    }

    #[test]
    fn names() {
        assert!(check_name("a").is_ok() && check_name(&"n".repeat(511)).is_ok());
        assert!(check_name("").is_err() && check_name(&"ä".repeat(256)).is_err());
    }
}
