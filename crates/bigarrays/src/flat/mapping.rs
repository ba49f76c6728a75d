//! The elements of a flat array, mapped into memory.

use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

use super::file::DataFile;
use super::mapped::{Identity, Noted, start_of};
use super::rows::row_len;
use super::spec::Mode;
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::files::npy::Header;

/// The elements as they were laid out when they were mapped. It stays valid while the file grows, and
/// shows what is written to its rows, by whomever.
///
/// # A file that shrinks
/// The system ends a process that touches mapped pages which the file no longer has (`SIGBUS`).
/// [`Mapping::check`] finds out that the file is shorter now, and everything here that reads checks
/// first. Nothing can be done about a file that is cut between the check and the access, nor about
/// accesses through pointers or NumPy arrays made earlier. [`FlatArray::truncate`] and the other
/// functions of this library never cut a file while one of its rows is being written, but do not know
/// of readers: do not truncate what is being read.
///
/// [`FlatArray::truncate`]: super::FlatArray::truncate
#[derive(Debug)]
pub struct Mapping {
    file: Arc<DataFile>,
    header: Header,
    /// Dropped before what it is about.
    noted: Noted,
    map: MmapRaw,
    offset: usize,
    length: usize,
}

impl Mapping {
    pub(super) fn new(file: &Arc<DataFile>, header: &Header, mode: Mode) -> Result<Self> {
        let data = header.data_len()?;
        let too_large = || Error::unsupported("the array is larger than this machine's address space");
        let (offset, length) = (header.data_offset as usize, usize::try_from(data).map_err(|_| too_large())?);
        expect_len(file, header)?;
        let mut options = MmapOptions::new();
        options.len(offset.checked_add(length).ok_or_else(too_large)?);
        let map = match mode {
            Mode::Read => options.map_raw_read_only(file.file()),
            Mode::ReadWrite => options.map_raw(file.file()),
            // SAFETY: only the pointer is used, by whom the documentation of this type concerns.
            Mode::CopyOnWrite => unsafe { options.map_copy(file.file()) }.map(MmapRaw::from),
        };
        let map = map.map_err(|error| file.failed(error, "mapping"))?;
        let start = map.as_mut_ptr() as usize;
        let noted = Noted::new(start..start + map.len(), file.identity());
        Ok(Self { file: Arc::clone(file), header: header.clone(), noted, map, offset, length })
    }

    /// Whether `file` is what is mapped.
    pub(super) fn is_of(&self, file: &Arc<DataFile>) -> bool {
        Arc::ptr_eq(&self.file, file)
    }

    /// Whether some of the memory at `addresses` is another mapping of the same file: NumPy, which copies what
    /// overlaps in memory with care, does not know that it overlaps with this one.
    pub fn is_also_at(&self, addresses: &Range<usize>) -> bool {
        start_of(self.file.identity(), addresses).is_some_and(|start| start != self.noted.start())
    }

    /// Fills `out` with the bytes of rows from `at` on, without touching the mapping.
    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        let start =
            row_len(&self.header).and_then(|row| row.checked_mul(at)?.checked_add(self.header.data_offset));
        self.file.read_at(out, start.ok_or_else(|| Error::invalid("rows beyond what a file can hold"))?)
    }

    /// The number of the file's descriptor in this process, and which file it is.
    pub(super) fn descriptor(&self) -> (i32, Identity) {
        (self.file.file().as_raw_fd(), self.file.identity())
    }

    /// What is mapped.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The first byte of the elements. It may be written through if the array was opened in a mode
    /// that writes.
    pub fn as_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(self.offset)
    }

    /// Bytes of all elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes of all elements.
    ///
    /// # Errors
    /// `CorruptData` if the file is shorter than it was.
    ///
    /// # Safety
    /// While the slice is in use, nobody, in this process or another, may change these elements or cut
    /// the file.
    pub unsafe fn bytes(&self) -> Result<&[u8]> {
        self.check()?;
        // SAFETY: as many bytes are mapped; the caller vouches for the rest.
        Ok(unsafe { std::slice::from_raw_parts(self.as_ptr(), self.length) })
    }

    /// An error if the file is shorter than it was when it was mapped.
    ///
    /// # Errors
    /// `CorruptData` says so.
    pub fn check(&self) -> Result<()> {
        if self.file.len()? >= (self.offset + self.length) as u64 {
            return Ok(());
        }
        expect_len(&self.file, &self.header)
    }
}

/// What the header says now, if the file has all rows it says. Under the guard, or else somebody may be
/// truncating.
pub(super) fn whole_header(file: &DataFile) -> Result<Header> {
    let header = file.header()?;
    expect_len(file, &header)?;
    Ok(header)
}

/// As [`whole_header`], without the guard: what looks wrong may be a change of which only some was seen, and is
/// looked at again while nobody changes anything.
pub(super) fn settled_header(file: &DataFile) -> Result<Header> {
    match whole_header(file) {
        Err(error) if matches!(error.kind(), ErrorKind::CorruptData | ErrorKind::InvalidMetadata) => {
            // Where nothing can be locked, what was seen is all there is to say.
            file.shared(|| Ok(whole_header(file))).unwrap_or(Err(error))
        }
        header => header,
    }
}

/// An error if `file` is too short for what `header` says.
pub(super) fn expect_len(file: &DataFile, header: &Header) -> Result<()> {
    let (actual, expected) = (file.len()?, header.data_offset + header.data_len()?);
    if actual >= expected {
        return Ok(());
    }
    let reason = format!(
        "the file has {actual} bytes where {expected} are expected; it was cut short, by whoever truncated the \
         array (then refresh) or by something else"
    );
    Err(Error::corrupt(reason).during("reading").at(file.path().display().to_string()))
}
