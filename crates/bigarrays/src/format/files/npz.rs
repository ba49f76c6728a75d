//! `.npz`: a ZIP archive of `.npy` files, as NumPy's `savez` and `savez_compressed` write it.
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>
//!
//! ```text
//! entries: "PK\3\4" │ … │ name │ extra │ data    directory: "PK\1\2" │ … │ name │ extra │ comment    end: "PK\5\6" │ …
//! ```
//! The directory is read entry by entry, and data are decompressed as they are asked for: memory does not grow with the
//! archive. What a checksum or a length in it contradicts is an error.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::base::error::{Error, ErrorKind, Result};
use crate::format::files::bytes::{Bytes, Range};
use crate::format::files::npy::Header;
use crate::store::{io_error, open_regular};

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const ENTRY: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
/// Bytes of the fixed part of the end of the directory, and of an entry in it and before its data.
const END_LEN: usize = 22;
const ENTRY_LEN: usize = 46;
const LOCAL_LEN: u64 = 30;
/// The longest comment behind the directory.
const LONGEST_COMMENT: u64 = 0xffff;

/// Whether a file that starts so may be an archive.
pub fn is_one(start: &[u8]) -> bool {
    start.starts_with(LOCAL) || start.starts_with(END)
}

/// An archive whose directory is read entry by entry.
pub struct Npz<'a> {
    bytes: Arc<dyn Bytes + 'a>,
    /// Where the next entry of the directory is, and where the directory ends.
    at: u64,
    end: u64,
    left: u64,
    /// Data lie before the directory.
    directory: u64,
}

/// An array of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the array is called: the name of the entry without `.npy`.
    pub name: String,
    is_deflated: bool,
    crc: u32,
    stored: u64,
    size: u64,
    offset: u64,
}

impl Npz<'static> {
    /// Opens the archive at `path`.
    ///
    /// # Errors
    /// Those of [`Npz::new`], and of the disk.
    pub fn open(path: &Path) -> Result<Self> {
        let file: File = open_regular(path, false).map_err(|error| io_error(error, "opening", path))?;
        Self::new(Arc::new(file)).map_err(|error| error.at(path.display().to_string()))
    }
}

impl<'a> Npz<'a> {
    /// Finds the directory of an archive.
    ///
    /// # Errors
    /// `InvalidMetadata` if there is none; `Unsupported` if it is in several files.
    pub fn new(bytes: Arc<dyn Bytes + 'a>) -> Result<Self> {
        let length = bytes.len().map_err(unread)?;
        let tail_len = length.min(END_LEN as u64 + LONGEST_COMMENT);
        let mut tail = vec![0; tail_len as usize];
        bytes.read_at(&mut tail, length - tail_len).map_err(unread)?;
        let is_end = |at: &usize| {
            let rest = &tail[*at..];
            rest.starts_with(END) && rest.len() == END_LEN + usize::from(u16_at(rest, 20))
        };
        let at =
            (0..=tail.len().saturating_sub(END_LEN)).rev().filter(|_| tail.len() >= END_LEN).find(is_end);
        let at = at.ok_or_else(|| {
            Error::metadata("no ZIP archive, or one that is cut short: its directory is missing")
        })?;
        let (rest, end) = (&tail[at..], length - tail_len + at as u64);
        if (u16_at(rest, 4), u16_at(rest, 6)) != (0, 0) {
            return Err(Error::unsupported("an archive of several files"));
        }
        let (count, size, start) =
            (u64::from(u16_at(rest, 10)), u64::from(u32_at(rest, 12)), u64::from(u32_at(rest, 16)));
        let found = match directory_64(&*bytes, end)? {
            Some(found) => found,
            None => (count, size, start, end),
        };
        let (count, size, start, end) = found;
        if start.checked_add(size).is_none_or(|directory| directory > end) || count > size / ENTRY_LEN as u64
        {
            return Err(Error::metadata("the directory of the archive lies outside of it"));
        }
        Ok(Self { bytes, at: start, end: start + size, left: count, directory: start })
    }

    /// The next array of the archive, in the order of its directory; `None` after the last.
    ///
    /// # Errors
    /// `InvalidMetadata` if the directory is damaged; `Unsupported` for entries that are no arrays, encrypted or
    /// compressed in a way that NumPy has not.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        loop {
            if self.left == 0 {
                return Ok(None);
            }
            let entry = self.directory_entry()?;
            self.left -= 1;
            if entry.name.ends_with('/') && entry.size == 0 {
                // A folder.
                continue;
            }
            let Some(name) = entry.name.strip_suffix(".npy").map(str::to_owned) else {
                return Err(Error::unsupported(format!("the entry {:?} is no .npy file", entry.name)));
            };
            return Ok(Some(Entry { name, ..entry }));
        }
    }

    fn directory_entry(&mut self) -> Result<Entry> {
        let broken = || Error::metadata("the directory of the archive is damaged");
        let mut fixed = [0; ENTRY_LEN];
        let room = self.end - self.at;
        if room < ENTRY_LEN as u64 {
            return Err(broken());
        }
        self.bytes.read_at(&mut fixed, self.at).map_err(unread)?;
        let lengths = [28, 30, 32].map(|at| usize::from(u16_at(&fixed, at)));
        let length = lengths.iter().sum::<usize>();
        if !fixed.starts_with(ENTRY) || room < (ENTRY_LEN + length) as u64 {
            return Err(broken());
        }
        let mut rest = vec![0; length];
        self.bytes.read_at(&mut rest, self.at + ENTRY_LEN as u64).map_err(unread)?;
        self.at += (ENTRY_LEN + length) as u64;
        let name = std::str::from_utf8(&rest[..lengths[0]]).map_err(|_| {
            let name = String::from_utf8_lossy(&rest[..lengths[0]]).into_owned();
            Error::unsupported(format!("the name of the entry {name:?} is not in UTF-8"))
        })?;
        let extra = &rest[lengths[0]..lengths[0] + lengths[1]];
        let [stored, size, offset] = sizes(&fixed, extra).ok_or_else(broken)?;
        let refused = |what: &str| Err(Error::unsupported(format!("the entry {name:?} {what}")));
        let is_deflated = match u16_at(&fixed, 10) {
            _ if u16_at(&fixed, 8) & 1 != 0 => return refused("is encrypted"),
            0 if stored == size => false,
            0 => return Err(broken()),
            8 => true,
            method => return refused(&format!("is compressed by method {method}, which NumPy has not")),
        };
        Ok(Entry { name: name.to_owned(), is_deflated, crc: u32_at(&fixed, 16), stored, size, offset })
    }

    /// The array of an entry: what its header says, and its elements, to be read from beginning to end.
    ///
    /// # Errors
    /// `InvalidMetadata` and `Unsupported` as [`Header::parse`]; `CorruptData` if the entry is not as long as its
    /// header says, or its data cannot be decompressed.
    pub fn array(&self, entry: &Entry) -> Result<(Header, Elements<'a>)> {
        let named = |error: Error| of_entry(&entry.name, &error);
        let cut = || Error::corrupt("the archive ends, or its directory begins, within the entry");
        let mut local = [0; LOCAL_LEN as usize];
        self.bytes.read_at(&mut local, entry.offset).map_err(|_| named(cut()))?;
        if !local.starts_with(LOCAL) {
            return Err(named(Error::corrupt("no entry is where the directory says")));
        }
        let before = LOCAL_LEN + u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
        let start = entry.offset.checked_add(before);
        let end =
            start.and_then(|start| start.checked_add(entry.stored)).filter(|&end| end <= self.directory);
        let (Some(start), Some(end)) = (start, end) else { return Err(named(cut())) };
        let range = Range::new(Arc::clone(&self.bytes), start, end);
        let data = match entry.is_deflated {
            true => Data::Deflated(DeflateDecoder::new(range)),
            false => Data::Stored(range),
        };
        let mut elements = Elements {
            name: entry.name.clone(),
            data,
            crc: Crc::new(),
            expected: entry.crc,
            left: entry.size,
        };
        let header = Header::read(&mut elements).map_err(|error| named(undone(error)))?.map_err(named)?;
        let said = header.data_len().ok().and_then(|data| data.checked_add(header.data_offset));
        if said != Some(entry.size) {
            let reason = format!("the entry has {} bytes, and its header says another shape", entry.size);
            return Err(named(Error::corrupt(reason)));
        }
        Ok((header, elements))
    }
}

/// The elements of an array in an archive.
pub struct Elements<'a> {
    name: String,
    data: Data<'a>,
    crc: Crc,
    expected: u32,
    left: u64,
}

enum Data<'a> {
    Stored(Range<'a>),
    Deflated(DeflateDecoder<Range<'a>>),
}

impl Elements<'_> {
    /// Fills `out` with the bytes that come next.
    ///
    /// # Errors
    /// `CorruptData` if they cannot be decompressed, are too few, or with the last of them, if their checksum is wrong or
    /// there are more.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<()> {
        self.read_exact(out)
            .map_err(undone)
            .and_then(|()| self.check())
            .map_err(|error| of_entry(&self.name, &error))
    }

    fn check(&mut self) -> Result<()> {
        if self.left > 0 {
            return Ok(());
        }
        let more = self.raw(&mut [0]).map_err(undone)?;
        match () {
            () if more > 0 => Err(Error::corrupt("there are more bytes than the archive says")),
            () if self.crc.sum() != self.expected => Err(Error::corrupt("the checksum is wrong")),
            () => Ok(()),
        }
    }

    fn raw(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.data {
            Data::Stored(range) => range.read(out),
            Data::Deflated(decoder) => decoder.read(out),
        }
    }
}

impl Read for Elements<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = self.left.min(out.len() as u64) as usize;
        if most == 0 {
            return Ok(0);
        }
        let count = self.raw(&mut out[..most])?;
        self.crc.update(&out[..count]);
        self.left -= count as u64;
        Ok(count)
    }
}

/// What the end of a directory of ZIP64 says, if there is one: entries, bytes, where it is, and where the end is.
fn directory_64(bytes: &dyn Bytes, end: u64) -> Result<Option<(u64, u64, u64, u64)>> {
    let mut locator = [0; 20];
    let Some(at) = end.checked_sub(locator.len() as u64) else { return Ok(None) };
    bytes.read_at(&mut locator, at).map_err(unread)?;
    if !locator.starts_with(LOCATOR_64) {
        return Ok(None);
    }
    let (mut record, at) = ([0; 56], u64_at(&locator, 8));
    let is_there = at < end && bytes.read_at(&mut record, at).is_ok() && record.starts_with(END_64);
    if !is_there {
        return Err(Error::metadata("the end of the archive's directory is damaged"));
    }
    Ok(Some((u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48), at)))
}

/// Stored bytes, bytes of data and where the entry is, of which some may stand in the extra field of ZIP64.
fn sizes(fixed: &[u8], mut extra: &[u8]) -> Option<[u64; 3]> {
    let mut found = [20, 24, 42].map(|at| u64::from(u32_at(fixed, at)));
    if found.iter().all(|&size| size != u64::from(u32::MAX)) {
        return Some(found);
    }
    while let [a, b, c, d, rest @ ..] = extra {
        let (tag, length) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        let field = rest.get(..length)?;
        if tag == 1 {
            let mut words = field.chunks_exact(8).map(|word| u64_at(word, 0));
            // Their order is another than that of the fixed part.
            for k in [1, 0, 2] {
                if found[k] == u64::from(u32::MAX) {
                    found[k] = words.next()?;
                }
            }
            return Some(found);
        }
        extra = &rest[length..];
    }
    None
}

fn of_entry(name: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("the array {name:?}: {}", error.reason()))
}

fn undone(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::corrupt("the data end early"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            Error::corrupt("the data cannot be decompressed").caused_by(error)
        }
        _ => Error::new(ErrorKind::Storage, error.to_string()).caused_by(error),
    }
}

fn unread(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::metadata("the archive is cut short"),
        _ => Error::new(ErrorKind::Storage, error.to_string()).caused_by(error),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
