//! The bytes of a TIFF file, shared by many threads, and decoders placed at any page of it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tiff::decoder::{Decoder, Limits};
use tiff::{TiffError, TiffResult};

use crate::base::error::{Error, ErrorKind, Result};
use crate::store::{io_error, open_regular, version_of};

/// The largest value of one tag that is read: the places of two million strips.
const LARGEST_TAG: usize = 16 << 20;

/// A file, or bytes in memory.
#[derive(Debug)]
pub(crate) enum Source {
    File(File, u64),
    Bytes(Vec<u8>),
}

/// The first bytes of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileHeader {
    pub(crate) big_endian: bool,
    pub(crate) is_big: bool,
    /// Where the first page's directory is.
    pub(crate) first: u64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error| io_error(error, "opening", path);
        let file = open_regular(path, false).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self::File(file, length))
    }

    /// The version of the file, if it is one.
    pub(crate) fn version(&self) -> Option<String> {
        match self {
            Self::File(file, _) => rustix::fs::fstat(file).ok().as_ref().map(version_of),
            Self::Bytes(_) => None,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::File(_, length) => *length,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        // The system takes no offset that is not one of a file.
        if offset >= self.len() {
            return Ok(0);
        }
        match self {
            Self::File(file, _) => file.read_at(into, offset),
            Self::Bytes(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
                rest.map_or(Ok(0), |mut rest| rest.read(into))
            }
        }
    }

    /// The bytes at a place, which is within the file.
    pub(crate) fn bytes(&self, place: Range<u64>) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(place.end.checked_sub(place.start)?).ok()?];
        let mut read = 0;
        while read < bytes.len() {
            match self.read_at(&mut bytes[read..], place.start.checked_add(read as u64)?) {
                Ok(0) => return None,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(bytes)
    }

    /// Where the bytes of a tag of text are, as the directory at `directory` says. The library's decoder wants text to
    /// be UTF-8.
    pub(crate) fn text_place(&self, header: FileHeader, directory: u64, tag: u16) -> Option<Range<u64>> {
        let number = |at: u64, length: u64| {
            let bytes = self.bytes(at..at.checked_add(length)?)?;
            let shift = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
            Some(if header.big_endian {
                bytes.iter().fold(0, shift)
            } else {
                bytes.iter().rev().fold(0, shift)
            })
        };
        // Of a number of entries, an entry, and a number that may be a place.
        let (count_len, entry_len, word) = if header.is_big { (8, 20, 8) } else { (2, 12, 4) };
        let count = number(directory, count_len)?;
        let mut entry = directory.checked_add(count_len)?;
        for _ in 0..count.min(1 << 16) {
            if number(entry, 2)? == u64::from(tag) {
                let length = number(entry + 4, word)?;
                let inside = entry + 4 + word;
                let start = if length <= word { inside } else { number(inside, word)? };
                return Some(start..start.checked_add(length)?);
            }
            entry = entry.checked_add(entry_len)?;
        }
        None
    }

    pub(crate) fn header(&self) -> Result<FileHeader> {
        let mut start = Vec::with_capacity(16);
        let mut reader = Reader::new(self).take(16);
        reader.read_to_end(&mut start).map_err(|error| Error::io(error, "opening", ""))?;
        let big_endian = match start.get(..2) {
            Some(b"II") => false,
            Some(b"MM") => true,
            _ => return Err(Error::metadata("not a TIFF file")),
        };
        let number = |at: usize, length: usize| {
            let bytes = start.get(at..at + length)?;
            let shift = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
            Some(if big_endian { bytes.iter().fold(0, shift) } else { bytes.iter().rev().fold(0, shift) })
        };
        let (is_big, first) = match number(2, 2) {
            Some(42) => (false, number(4, 4)),
            Some(43) if number(4, 4) == Some(if big_endian { 8 << 16 } else { 8 }) => (true, number(8, 8)),
            _ => return Err(Error::metadata("not a TIFF file, or one of an unknown version")),
        };
        let first = first.ok_or_else(|| Error::metadata("the file ends within its header"))?;
        Ok(FileHeader { big_endian, is_big, first })
    }

    /// A decoder whose next page is the one with its directory at `directory`, wherever that is in
    /// the chain of pages.
    ///
    /// The library's decoder starts at the first page and walks. It is given, for a start, a page of
    /// one pixel that does not exist, and whose successor is the wanted one.
    pub(crate) fn decoder(&self, header: FileHeader, directory: u64) -> TiffResult<Decoder<Reader<'_>>> {
        let mut reader = Reader::new(self);
        reader.prelude = Some(prelude(header, directory));
        let mut limits = Limits::default();
        limits.ifd_value_size = LARGEST_TAG;
        // What is stored is never longer than the file; what is decoded goes into our own buffers.
        limits.intermediate_buffer_size = usize::try_from(self.len()).unwrap_or(usize::MAX);
        let mut decoder = Decoder::new(reader)?.with_limits(limits);
        let reader = decoder.inner();
        reader.prelude = None;
        reader.buffered = 0;
        Ok(decoder)
    }
}

/// Where the directory of the page that does not exist is: nothing real fits there.
fn nowhere(is_big: bool) -> u64 {
    if is_big { u64::MAX - 0xfff } else { 0xffff_ff00 }
}

/// A file header and the directory of one pixel, at [`nowhere`], followed by that at `next`.
fn prelude(header: FileHeader, next: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut put = |number: u64, length: usize| {
        let little = number.to_le_bytes();
        if header.big_endian {
            bytes.extend(little[..length].iter().rev());
        } else {
            bytes.extend(&little[..length]);
        }
    };
    put(if header.big_endian { 0x4d4d } else { 0x4949 }, 2);
    let word = if header.is_big { 8 } else { 4 };
    if header.is_big {
        put(43, 2);
        put(8, 2);
        put(0, 2);
    } else {
        put(42, 2);
    }
    put(nowhere(header.is_big), word);
    put(5, if header.is_big { 8 } else { 2 });
    for (tag, value) in [(256, 1), (257, 1), (262, 1), (273, 0), (279, 1)] {
        put(tag, 2);
        put(if header.is_big { 16 } else { 4 }, 2);
        put(1, word);
        put(value, word);
    }
    put(next, word);
    bytes
}

/// Reads a [`Source`] from a position of its own.
pub(crate) struct Reader<'a> {
    source: &'a Source,
    position: u64,
    /// Served instead of the source, the part after the header at [`nowhere`].
    prelude: Option<Vec<u8>>,
    buffer: Box<[u8; 4096]>,
    /// Where in the source the buffer starts, and how much of it is valid.
    start: u64,
    buffered: usize,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source) -> Self {
        Self { source, position: 0, prelude: None, buffer: Box::new([0; 4096]), start: 0, buffered: 0 }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.start = self.position;
        self.buffered = self.source.read_at(&mut self.buffer[..], self.position)?;
        Ok(())
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = if let Some(prelude) = &self.prelude {
            let is_big = prelude.get(2) == Some(&43) || prelude.get(3) == Some(&43);
            let header = if is_big { 16 } else { 8 };
            let at = self.position.checked_sub(nowhere(is_big)).map_or(self.position, |at| at + header);
            let rest = usize::try_from(at).ok().and_then(|at| prelude.get(at..));
            rest.map_or(Ok(0), |mut rest| rest.read(into))?
        } else if into.len() >= self.buffer.len() {
            self.source.read_at(into, self.position)?
        } else {
            let inside = |reader: &Self| {
                let skip =
                    reader.position.checked_sub(reader.start).filter(|&at| at < reader.buffered as u64);
                skip.map(|at| at as usize)
            };
            if inside(self).is_none() {
                self.fill()?;
            }
            inside(self).map_or(Ok(0), |at| (&self.buffer[at..self.buffered]).read(into))?
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => self.source.len().checked_add_signed(distance),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// What a failure of the library means here.
pub(crate) fn tiff_error(error: TiffError) -> Error {
    let kind = match &error {
        TiffError::UnsupportedError(_) | TiffError::LimitsExceeded => ErrorKind::Unsupported,
        TiffError::IoError(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
            return Error::corrupt("the file ends too early").caused_by(error);
        }
        TiffError::IoError(io) if io.raw_os_error().is_some() => ErrorKind::Storage,
        _ => ErrorKind::CorruptData,
    };
    Error::new(kind, error.to_string()).caused_by(error)
}
