//! Which memory of this process is which file: memory that is about to be written into a file may be a mapping of
//! the same file, and then has to be copied as if it overlapped in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Mutex;

use crate::base::buffer::{first_bytes, with_scratch};
use crate::base::sync::MutexExt;
use crate::run::pool::whole_across_forks;

/// What overlaps is copied in pieces of so many bytes at most.
const PIECE: usize = 1 << 20;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// All mappings of this process, or of the one it was forked from: first address → the one after the last, and the
/// file, which is mapped from its first byte on.
static MAPPED: Mutex<BTreeMap<usize, (usize, Identity)>> = Mutex::new(BTreeMap::new());

/// Addresses that are noted as a mapping while this lives.
#[derive(Debug)]
pub(super) struct Noted {
    start: usize,
}

impl Noted {
    /// Notes that the file is mapped at `addresses`.
    pub(super) fn new(addresses: Range<usize>, file: Identity) -> Self {
        whole_across_forks(|| MAPPED.locked().insert(addresses.start, (addresses.end, file)));
        Self { start: addresses.start }
    }

    /// The first of these addresses.
    pub(super) fn start(&self) -> usize {
        self.start
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        whole_across_forks(|| MAPPED.locked().remove(&self.start));
    }
}

/// Where the mapping of `file` begins that some of the memory at `addresses` belongs to.
pub(super) fn start_of(file: Identity, addresses: &Range<usize>) -> Option<usize> {
    whole_across_forks(|| {
        let mapped = MAPPED.locked();
        let before_end = mapped.range(..addresses.end).rev();
        let meeting = before_end.take_while(|(_, (end, _))| *end > addresses.start);
        meeting.filter(|(_, (_, identity))| *identity == file).map(|(start, _)| *start).next()
    })
}

/// Whether memory at `addresses` is a mapping, by a flat array of this process, of the file at `path`.
pub fn is_mapped(addresses: &Range<usize>, path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| start_of((file.dev(), file.ino()), addresses).is_some())
}

/// Writes `bytes` at `offset` of `file`; if they are mapped from the same file, as if they had been copied before.
pub(super) fn write_as_copied(file: &File, identity: Identity, bytes: &[u8], offset: u64) -> io::Result<()> {
    let addresses = bytes.as_ptr() as usize..bytes.as_ptr() as usize + bytes.len();
    let Some(start) = start_of(identity, &addresses) else { return file.write_all_at(bytes, offset) };
    let (from, to) = (addresses.start as i128 - start as i128, i128::from(offset));
    let is_apart = (from - to).unsigned_abs() >= bytes.len() as u128;
    if is_apart || from == to {
        return file.write_all_at(bytes, offset);
    }
    if i128::from(file.metadata()?.len()) < from + bytes.len() as i128 {
        let reason = "the rows to be written are those of a view, which the file does not have any more";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
    }
    let pieces = bytes.len().div_ceil(PIECE);
    with_scratch(|buffer| {
        (0..pieces).try_for_each(|k| {
            // No piece is overwritten before it is read.
            let start = if from < to { pieces - 1 - k } else { k } * PIECE;
            let piece = &bytes[start..bytes.len().min(start + PIECE)];
            let copy = first_bytes(buffer, piece.len());
            copy.copy_from_slice(piece);
            file.write_all_at(copy, offset + start as u64)
        })
    })
}
