//! What is asked of a store, and what it answers.

use std::borrow::Cow;
use std::ops::Range;

use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;

/// A request for one value.
#[derive(Clone, Debug)]
pub struct Get {
    /// The key.
    pub key: String,
    /// What of the value is wanted.
    pub part: Part,
    /// The most bytes that the value can have as it is stored. A larger one is damaged: it may be
    /// refused as `CorruptData` instead of being read whole.
    pub max_len: u64,
    /// Which version of the value is wanted.
    pub version: Wanted,
    /// Whether a refusal of the store, for lack of permission, is an answer, of [`Extent::Refused`], rather than an
    /// error, and a folder in the place of a file is nothing: for who tries whether there is something.
    pub probe: bool,
}

impl Get {
    /// The request for `part` of any version.
    pub fn new(key: impl Into<String>, part: Part, max_len: u64) -> Self {
        Self { key: key.into(), part, max_len, version: Wanted::Any, probe: false }
    }

    /// The same, whose answer has the name of the version.
    pub(crate) fn named(&self) -> Self {
        match self.version {
            Wanted::Any => Self { version: Wanted::Named, ..self.clone() },
            _ => self.clone(),
        }
    }
}

/// What of a value is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// No bytes: only whether there is a value.
    Presence,
    /// These bytes of a value of `total` bytes without a content encoding, ascending and not
    /// overlapping. Any other value is sent whole.
    Ranges {
        /// Byte ranges, ascending, not overlapping.
        ranges: Vec<Range<u64>>,
        /// Bytes of the whole value; any number if `None`, and then it is `CorruptData` if a range
        /// reaches beyond the end.
        total: Option<u64>,
    },
    /// The first so many bytes, or all of a shorter value; a value with a content encoding is sent whole.
    First(u64),
    /// The last so many bytes, or all of a shorter value; a value with a content encoding is sent whole.
    Last(u64),
}

/// Which version of a value is wanted. A store that knows no versions takes each as [`Wanted::Any`],
/// and its blobs have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Whichever is current; what it is called does not matter.
    #[default]
    Any,
    /// Whichever is current, with its name in [`Blob::version`].
    Named,
    /// Any but this one, which is withheld.
    Unless(String),
    /// Only this one; any other is withheld.
    Only(String),
}

impl Wanted {
    /// Whether the version that is called `version` is not to be sent.
    pub(crate) fn withholds(&self, version: Option<&str>) -> bool {
        match (self, version) {
            (Self::Unless(known), Some(version)) => known == version,
            (Self::Only(wanted), Some(version)) => settled(wanted) != settled(version),
            _ => false,
        }
    }
}

/// What the name of a version ends in that the next change of the value may get as well: nothing is to be kept
/// by that name.
pub(crate) const YOUNG: &str = "~";

/// The name that a version has once its value has not changed for a while.
pub(crate) fn settled(version: &str) -> &str {
    version.strip_suffix(YOUNG).unwrap_or(version)
}

/// Whether no other version can have this name.
pub(crate) fn is_settled(version: Option<&str>) -> bool {
    version.is_none_or(|version| !version.ends_with(YOUNG))
}

/// A value, or parts of one.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// The bytes: all of the value, or the wanted parts joined.
    pub bytes: &'a [u8],
    /// How the bytes are to be decoded before they are the value.
    pub encoding: ContentEncoding,
    /// How much of the value the bytes are.
    pub extent: Extent,
    /// The version they are of: different bytes under one key have different versions. `None` if it
    /// was not asked for, or if the store knows no versions.
    pub version: Option<&'a str>,
}

/// How much of a value a [`Blob`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// The parts asked for.
    Parts,
    /// Nothing: there is a value, but its version is not the wanted one.
    Withheld,
    /// Nothing: the bytes were read to what the request has in [`Destinations`](super::Destinations).
    Placed,
    /// Nothing: the store refuses to say whether there is a value. The bytes are its reason, for people.
    Refused,
}

impl<'a> Blob<'a> {
    /// All bytes of a value, of a version that nobody asked for.
    pub fn whole(bytes: &'a [u8], encoding: ContentEncoding) -> Self {
        Self { bytes, encoding, extent: Extent::Whole, version: None }
    }

    /// The parts of a value that were asked for.
    pub fn parts(bytes: &'a [u8]) -> Self {
        Self { extent: Extent::Parts, ..Self::whole(bytes, ContentEncoding::Identity) }
    }

    /// The answer that `reason` is why none is given.
    pub(crate) fn refused(reason: &'a str) -> Self {
        Self { extent: Extent::Refused, ..Self::whole(reason.as_bytes(), ContentEncoding::Identity) }
    }

    /// Whether these are all bytes of the value.
    pub fn is_whole(&self) -> bool {
        self.extent == Extent::Whole
    }
}

impl Part {
    /// The byte ranges of a value that is stored in `size` bytes under `encoding`; `None` if all of
    /// it is to be sent.
    ///
    /// # Errors
    /// `InvalidArgument` if ranges do not ascend within their total; `CorruptData` if they reach
    /// beyond the value.
    pub fn of(&self, size: u64, encoding: ContentEncoding) -> Result<Option<Cow<'_, [Range<u64>]>>> {
        match self {
            Self::Presence => Ok(Some(Cow::Borrowed(&[]))),
            _ if encoding != ContentEncoding::Identity => Ok(None),
            Self::Whole => Ok(None),
            Self::Ranges { total: Some(total), .. } if *total != size => Ok(None),
            Self::Ranges { ranges, total } => {
                let end = check_ascending(ranges)?;
                if end <= size {
                    return Ok(Some(Cow::Borrowed(ranges)));
                }
                Err(match total {
                    Some(total) => Error::invalid(format!("bytes until {end} of {total}")),
                    None => Error::corrupt(format!("it has {size} bytes, but should have {end} or more")),
                })
            }
            Self::First(length) => Ok(Some(Cow::Owned(vec![0..size.min(*length)]))),
            Self::Last(length) => Ok(Some(Cow::Owned(vec![size.saturating_sub(*length)..size]))),
        }
    }
}

/// The length of joined ranges.
pub(super) fn joined_len(ranges: &[Range<u64>]) -> Result<usize> {
    let length = ranges.iter().map(|range| range.end - range.start).sum::<u64>();
    usize::try_from(length).map_err(|_| Error::invalid("ranges exceed the address space"))
}

/// The end of the last of `ranges`.
///
/// # Errors
/// `InvalidArgument` if they are not in ascending order.
fn check_ascending(ranges: &[Range<u64>]) -> Result<u64> {
    let mut end = 0;
    for range in ranges {
        if range.start < end || range.end < range.start {
            return Err(Error::invalid(format!("range {range:?} after one that ends at {end}")));
        }
        end = range.end;
    }
    Ok(end)
}

/// A value in memory, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// How the bytes are to be decoded before they are the value.
    pub encoding: ContentEncoding,
    /// How much of the value the bytes are: all, unless the request says otherwise.
    pub extent: Extent,
    /// The version they are of, as [`Blob::version`] has it.
    pub version: Option<String>,
}

impl Value {
    /// The value without its content encoding.
    ///
    /// # Errors
    /// `CorruptData` if it is damaged, or longer than `max_len` bytes.
    pub fn decoded(self, max_len: usize) -> Result<Vec<u8>> {
        match self.encoding {
            ContentEncoding::Identity => Ok(self.bytes),
            encoding => encoding.with_decoded(&self.bytes, max_len, |bytes| Ok(bytes.to_vec())),
        }
    }
}

impl From<Blob<'_>> for Value {
    fn from(blob: Blob<'_>) -> Self {
        let Blob { bytes, encoding, extent, version } = blob;
        Self { bytes: bytes.to_vec(), encoding, extent, version: version.map(str::to_owned) }
    }
}

/// A request to change one value.
#[derive(Clone, Debug)]
pub struct Update {
    /// The key.
    pub key: String,
    /// Whether the change depends on the value as it is.
    pub reads: bool,
    /// The most bytes that the value can have as it is stored. A larger one is damaged: it may be
    /// refused as `CorruptData` instead of being read.
    pub max_len: u64,
}

impl Update {
    /// The request to change a value without reading it, whatever its length.
    pub fn blind(key: impl Into<String>) -> Self {
        Self { key: key.into(), reads: false, max_len: u64::MAX }
    }
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The contents of the buffer replace it.
    Put(ContentEncoding),
    /// It is removed, if it exists. After a change that reads, prefer [`Change::PutOrDelete`]: a store
    /// that cannot remove on a condition may remove what another writer put there in the meantime.
    Delete,
    /// As [`Change::Delete`], where a removal found the value: it fails if the store's own place or a folder below
    /// it, on the way to the value, is a link to elsewhere by now.
    Remove,
    /// As [`Change::Put`], or it is removed: readers take a missing value for the one in the buffer.
    /// For the store to choose, so that no other writer's change is lost.
    PutOrDelete(ContentEncoding),
    /// It stays.
    Keep,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;

    #[test]
    fn parts_are_checked_against_the_value() {
        let of = |ranges: &[Range<u64>], total, size| {
            let part = Part::Ranges { ranges: ranges.to_vec(), total };
            part.of(size, ContentEncoding::Identity)
                .map(|ranges| ranges.map(|ranges| joined_len(&ranges).unwrap()))
        };
        assert_eq!(of(&[0..3, 3..4, 9..10], Some(10), 10).unwrap(), Some(5));
        assert_eq!(of(&[0..3], Some(10), 9).unwrap(), None);
        assert_eq!(of(&[0..3], None, 9).unwrap(), Some(3));
        assert_eq!(of(&[0..30], None, 9).unwrap_err().kind(), ErrorKind::CorruptData);
        for ranges in [[3..4, 0..3], [0..1, 9..11]] {
            assert_eq!(of(&ranges, Some(10), 10).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        let last = |length, size| {
            Part::Last(length).of(size, ContentEncoding::Identity).unwrap().unwrap().into_owned()
        };
        assert_eq!((last(3, 10), last(30, 10)), (vec![7..10], vec![0..10]));
        let first =
            |length| Part::First(length).of(10, ContentEncoding::Identity).unwrap().unwrap().into_owned();
        assert_eq!((first(3), first(30)), (vec![0..3], vec![0..10]));
        assert_eq!(Part::Last(3).of(10, ContentEncoding::Gzip).unwrap(), None);
        assert_eq!(Part::Presence.of(10, ContentEncoding::Gzip).unwrap().unwrap().len(), 0);
    }
}
