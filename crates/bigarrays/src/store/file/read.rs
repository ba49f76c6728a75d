//! Reading one file.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::path::{KeyPath, is_link, shown};
use crate::base::buffer::first_bytes;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::request::YOUNG;
use crate::store::{Blob, Destinations, Extent, Get, Part, Wanted};

/// Ranges no further apart than this are read at once: copying this much takes about as long as a
/// system call.
const GAP: u64 = 8 << 10;

/// What was read into a buffer.
pub(super) struct Found {
    len: usize,
    encoding: ContentEncoding,
    extent: Extent,
    version: Option<String>,
}

impl Found {
    pub(super) fn blob<'a>(&'a self, buffer: &'a [u8]) -> Blob<'a> {
        let Self { len, encoding, extent, .. } = *self;
        Blob { bytes: &buffer[..len], encoding, extent, version: self.version.as_deref() }
    }
}

/// Where what is read goes: to the place of the request, if it has one that fits, or into the buffer.
pub(super) struct Target<'a> {
    pub(super) buffer: &'a mut Vec<u8>,
    pub(super) destinations: &'a Destinations<'a>,
    pub(super) position: usize,
}

impl<'a> Target<'a> {
    pub(super) fn buffer(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer, destinations: &Destinations::NONE, position: 0 }
    }

    /// Reads `range` of the file; says how many bytes are in the buffer.
    fn read(self, file: &OwnedFd, range: Range<u64>, extent: Extent) -> Result<(usize, Extent)> {
        let length = range.end - range.start;
        let is_placed =
            self.destinations.fill(self.position, length, |place| read_exact(file, range.start, place))?;
        if is_placed {
            return Ok((0, Extent::Placed));
        }
        Ok((read_range(file, range.start, length, 0, self.buffer)?, extent))
    }
}

/// Opens the file of a spelling; `None` if there is nothing.
///
/// # Errors
/// `Storage` if there is a link to nothing.
pub(super) fn open_file(path: &mut KeyPath, encoding: ContentEncoding) -> Result<Option<OwnedFd>> {
    let path = path.spelled(encoding);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |flags| rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    let opened = match open(flags | OFlags::NOFOLLOW) {
        // It is a link.
        Err(Errno::LOOP) => match open(flags) {
            Err(Errno::NOENT | Errno::NOTDIR) if is_link(path) => return Err(dead_link(path)),
            opened => opened,
        },
        opened => opened,
    };
    match opened {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        // A suffix that is too long for its name is that of no file.
        Err(Errno::NAMETOOLONG) if encoding != ContentEncoding::Identity => Ok(None),
        Err(Errno::NXIO) => Err(no_file(path)),
        opened => opened.map(Some).map_err(|error| Error::io(error.into(), "reading", shown(path))),
    }
}

/// Whether what was opened is a folder.
pub(super) fn is_folder(file: &OwnedFd) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
}

#[cold]
fn no_file(path: &Path) -> Error {
    Error::new(ErrorKind::Storage, "not a regular file").during("reading").at(shown(path))
}

#[cold]
pub(super) fn dead_link(path: &Path) -> Error {
    Error::new(ErrorKind::Storage, "the link leads to nothing").during("reading").at(shown(path))
}

#[cold]
fn no_folder(path: &Path) -> Error {
    Error::new(ErrorKind::Storage, "not a folder").during("reading").at(shown(path))
}

/// An error if a folder on the way to `path` is a link to nothing, or no folder.
pub(super) fn expect_way(path: &Path) -> Result<()> {
    for above in path.ancestors().skip(1) {
        match rustix::fs::lstat(above) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Ok(stat) => {
                let is_link = FileType::from_raw_mode(stat.st_mode).is_symlink();
                return match rustix::fs::stat(above) {
                    Err(Errno::NOENT | Errno::NOTDIR) if is_link => Err(dead_link(above)),
                    Ok(stat) if !FileType::from_raw_mode(stat.st_mode).is_dir() => Err(no_folder(above)),
                    _ => Ok(()),
                };
            }
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Reads what `request` asks for of an open file.
pub(super) fn read_file(
    path: &Path,
    file: &OwnedFd,
    encoding: ContentEncoding,
    request: &Get,
    into: Target<'_>,
) -> Result<Found> {
    let failed = |error: Errno| Error::io(error.into(), "reading", shown(path));
    let stat = rustix::fs::fstat(file).map_err(failed)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(no_file(path));
    }
    let version = (request.version != Wanted::Any).then(|| match is_young(&stat) {
        true => version_of(&stat) + YOUNG,
        false => version_of(&stat),
    });
    if request.version.withholds(version.as_deref()) {
        return Ok(Found { len: 0, encoding, extent: Extent::Withheld, version });
    }
    let size = stat.st_size.max(0) as u64;
    let read = read_part(file, size, encoding, request, into);
    let (len, extent) = read.map_err(|error| error.during("reading").at(shown(path)))?;
    Ok(Found { len, encoding, extent, version })
}

/// What tells this file from all that had or will have its name: its number, when it was changed last, and its
/// size. While a file is being replaced both exist, with different numbers; a number is used again only after
/// that. The time of the change, unlike that of the contents, is never set by anybody.
pub(crate) fn version_of(stat: &rustix::fs::Stat) -> String {
    format!("{:x}-{:x}.{:x}-{:x}", stat.st_ino, stat.st_ctime, stat.st_ctime_nsec, stat.st_size)
}

/// Whether the file has changed so lately that the next change may get the same time. Clocks tick a hundred times
/// a second or more, but some file systems count whole seconds, and others have the clock of another machine.
pub(super) fn is_young(stat: &rustix::fs::Stat) -> bool {
    has_just_changed(stat.st_ctime, stat.st_ctime_nsec as i64)
}

/// Whether that holds of what was changed at this time.
pub(super) fn has_just_changed(seconds: i64, nanoseconds: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.is_ok_and(|now| had_just_changed(now, seconds, nanoseconds))
}

/// Whether that held so long after the epoch.
pub(super) fn had_just_changed(now: Duration, seconds: i64, nanoseconds: i64) -> bool {
    let since = Duration::new(seconds.max(0) as u64, nanoseconds as u32);
    let grain = Duration::from_millis(if nanoseconds == 0 { 2000 } else { 100 });
    now < since + grain
}

/// Reads the wanted part of a value of `size` bytes.
fn read_part(
    file: &OwnedFd,
    size: u64,
    encoding: ContentEncoding,
    request: &Get,
    into: Target<'_>,
) -> Result<(usize, Extent)> {
    if let Some(ranges) = request.part.of(size, encoding)? {
        return match &*ranges {
            [range] => into.read(file, range.clone(), Extent::Parts),
            ranges => Ok((read_ranges(file, ranges, into.buffer)?, Extent::Parts)),
        };
    }
    if size > request.max_len {
        let most = request.max_len;
        return Err(Error::corrupt(format!("{size} bytes, of at most {most} that it can have")));
    }
    match (encoding, &request.part) {
        (ContentEncoding::Identity, Part::Whole) => into.read(file, 0..size, Extent::Whole),
        _ => Ok((read_range(file, 0, size, 0, into.buffer)?, Extent::Whole)),
    }
}

/// Joins the wanted ranges at the start of `buffer` and returns their length.
fn read_ranges(file: &OwnedFd, ranges: &[Range<u64>], buffer: &mut Vec<u8>) -> Result<usize> {
    let mut joined = 0;
    for group in ranges.chunk_by(|one, next| next.start - one.end <= GAP) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let start = joined;
        read_range(file, first.start, last.end - first.start, start, buffer)?;
        for range in group {
            let from = start + (range.start - first.start) as usize;
            let len = (range.end - range.start) as usize;
            buffer.copy_within(from..from + len, joined);
            joined += len;
        }
    }
    Ok(joined)
}

/// Reads `len` bytes from `offset` to the position `at` of `buffer`.
fn read_range(file: &OwnedFd, offset: u64, len: u64, at: usize, buffer: &mut Vec<u8>) -> Result<usize> {
    let too_large = || Error::new(ErrorKind::MemoryBudget, format!("{len} bytes do not fit into memory"));
    let len = usize::try_from(len).map_err(|_| too_large())?;
    let end = at.checked_add(len).ok_or_else(too_large)?;
    buffer.try_reserve(end.saturating_sub(buffer.len())).map_err(|_| too_large())?;
    read_exact(file, offset, &mut first_bytes(buffer, end)[at..])?;
    Ok(len)
}

/// Fills `rest` with the bytes from `offset` on.
fn read_exact(file: &OwnedFd, mut offset: u64, mut rest: &mut [u8]) -> Result<()> {
    while !rest.is_empty() {
        match rustix::io::pread(file, &mut *rest, offset) {
            Ok(0) => {
                let message = format!("the file ended, at {offset} bytes, while it was read");
                return Err(Error::new(ErrorKind::Storage, message).retryable());
            }
            Ok(read) => {
                offset += read as u64;
                rest = &mut rest[read..];
            }
            Err(Errno::INTR) => {}
            Err(error) => {
                let error = io::Error::from(error);
                return Err(Error::new(ErrorKind::Storage, error.to_string()).caused_by(error));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_joined_as_far_ones_are() {
        let directory = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|k| (k * 7 + k / 255) as u8).collect();
        std::fs::write(directory.path().join("k"), &bytes).unwrap();
        let file = std::fs::File::open(directory.path().join("k")).unwrap().into();
        let ranges = vec![5..9, 9..9, 100..110, 50_000..70_000, 199_999..200_000];
        let expected: Vec<u8> =
            ranges.iter().flat_map(|r| bytes[r.start as usize..r.end as usize].iter().copied()).collect();
        let mut buffer = vec![1; 7];
        let len = read_ranges(&file, &ranges, &mut buffer).unwrap();
        assert_eq!(buffer[..len], expected);
        assert!(
            read_ranges(&file, &[0..1, 1..200_001], &mut buffer).unwrap_err().to_string().contains("ended")
        );
    }
}
