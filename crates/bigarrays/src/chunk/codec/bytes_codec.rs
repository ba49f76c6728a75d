//! Bytes ↔ bytes: the trait, and checks that codecs share.

use std::fmt::Debug;

use crate::base::buffer::with_scratch;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{Asked, Work};
use crate::chunk::config::Config;

/// Bytes ↔ bytes.
pub trait BytesCodec: Debug + Send + Sync {
    /// The name that metadata use.
    fn name(&self) -> &'static str;

    /// All that its encoding depends on; see [`ArrayCodec::config`](crate::chunk::codec::ArrayCodec::config).
    fn config(&self) -> Config;

    /// Appends the encoded bytes to `out`.
    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()>;

    /// Decodes all of `bytes` into the start of `out` and returns the decoded length. `out` may hold
    /// stale bytes and must grow (see [`first_bytes`](crate::base::buffer::first_bytes)) to no more than `max_len`.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are damaged or decode to more than `max_len` bytes.
    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize>;

    /// Decodes all of `bytes` into `out`, which is as long as they are decoded.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are damaged or decode to another number of bytes; `out` is then undefined.
    /// It writes all bytes, or fails; see [`BytesCodec::writes_all`].
    fn decode_exact(&self, bytes: &[u8], out: &mut [u8]) -> Result<()> {
        with_scratch(|decoded| {
            let length = self.decode(bytes, out.len(), decoded)?;
            expect_len(length, out.len())?;
            out.copy_from_slice(decoded.get(..length).ok_or_else(|| overlong(self.name()))?);
            Ok(())
        })
    }

    /// Whether [`BytesCodec::decode_exact`] writes all bytes, as [`ArrayCodec::writes_all`] says it of elements.
    #[doc(hidden)]
    fn writes_all(&self, _: Asked) -> bool {
        false
    }

    /// How much memory it works in, about, besides `len` decoded bytes and what is encoded of them; zero if that is little.
    fn working_bytes(&self, work: Work, len: u64) -> u64 {
        let _ = (work, len);
        0
    }

    /// The largest encoding of `len` bytes that a sane encoder makes.
    fn max_encoded_len(&self, len: usize) -> usize {
        len.saturating_add(len / 8).saturating_add(4096)
    }
}

/// Replaces the contents of `buffer` by their encoding.
pub(super) fn encode_in_place(codec: &dyn BytesCodec, buffer: &mut Vec<u8>) -> Result<()> {
    with_scratch(|to| {
        to.clear();
        codec.encode(buffer, to)?;
        std::mem::swap(buffer, to);
        Ok(())
    })
}

#[cold]
pub(super) fn overlong(codec: &'static str) -> Error {
    Error::corrupt(format!("{codec} says that it has decoded more than there is"))
}

/// # Errors
/// `CorruptData` if decoded bytes are not as many as there should be.
pub(super) fn expect_len(length: usize, expected: usize) -> Result<()> {
    if length == expected {
        return Ok(());
    }
    Err(Error::corrupt(format!("{length} bytes instead of {expected}")))
}
