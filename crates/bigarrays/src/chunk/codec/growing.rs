//! The output of decoders that do not know beforehand how long it will be.

use crate::base::buffer::first_bytes;
use crate::base::error::{Error, Result};

/// An output that grows with what is decoded, within a bound.
pub(crate) struct Growing<'a> {
    codec: &'static str,
    out: &'a mut Vec<u8>,
    written: usize,
    /// Bytes that are there to be written to.
    room: usize,
    max_len: usize,
    /// A byte beyond the bound: a decoder that takes it has decoded too much.
    beyond: [u8; 1],
}

impl<'a> Growing<'a> {
    /// The start of `out`, for what `encoded` bytes become, which may be at most `max_len`.
    pub(crate) fn new(codec: &'static str, encoded: usize, max_len: usize, out: &'a mut Vec<u8>) -> Self {
        let room = encoded.saturating_mul(4).max(1 << 16).min(max_len);
        Self { codec, out, written: 0, room, max_len, beyond: [0; 1] }
    }

    /// Where to decode to next.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        match self.written == self.max_len {
            true => &mut self.beyond,
            false => &mut first_bytes(self.out, self.room)[self.written..],
        }
    }

    /// Takes note of `new` bytes in that place, decoded from `read` bytes, by a decoder that is not at its end
    /// unless `is_end`.
    ///
    /// # Errors
    /// `CorruptData` if they are too many, or if nothing moves on.
    pub(crate) fn wrote(&mut self, new: u64, read: u64, is_end: bool) -> Result<()> {
        if new > 0 && self.written == self.max_len {
            return Err(Error::corrupt(format!("{}: more than {} bytes", self.codec, self.max_len)));
        }
        if !is_end && new == 0 && read == 0 {
            return Err(Error::corrupt(format!("{}: truncated", self.codec)));
        }
        // No more than the place has.
        self.written += new as usize;
        if self.written == self.room {
            self.room = self.room.saturating_mul(2).min(self.max_len);
        }
        Ok(())
    }

    /// The length of all that was decoded.
    pub(crate) fn len(&self) -> usize {
        self.written
    }
}
