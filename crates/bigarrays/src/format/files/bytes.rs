//! Bytes of files, read anywhere.

use std::io;
use std::sync::Arc;

/// Where the bytes of a file come from.
pub trait Bytes {
    /// How many there are.
    ///
    /// # Errors
    /// Those of the system.
    fn len(&self) -> io::Result<u64>;

    /// Whether there are none.
    ///
    /// # Errors
    /// Those of the system.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|length| length == 0)
    }

    /// Fills `bytes` with those from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are fewer, and those of the system.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Bytes for std::fs::File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, bytes, offset)
    }
}

impl Bytes for &[u8] {
    fn len(&self) -> io::Result<u64> {
        Ok(<[u8]>::len(self) as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).ok().and_then(|start| self.get(start..));
        let found = start.and_then(|rest| rest.get(..bytes.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }
}

/// Bytes of a range, one after the other.
pub(crate) struct Range<'a> {
    bytes: Arc<dyn Bytes + 'a>,
    at: u64,
    end: u64,
}

impl<'a> Range<'a> {
    /// Those from `start` up to `end`.
    pub(crate) fn new(bytes: Arc<dyn Bytes + 'a>, start: u64, end: u64) -> Self {
        Self { bytes, at: start, end }
    }
}

impl io::Read for Range<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (self.end.saturating_sub(self.at)).min(out.len() as u64) as usize;
        self.bytes.read_at(&mut out[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
