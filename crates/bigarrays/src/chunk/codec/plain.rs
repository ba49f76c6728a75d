//! Bytes that should be compressed, but are not.

use crate::base::buffer::first_bytes;
use crate::base::error::{Error, Result};
use crate::chunk::codec::bytes_codec::expect_len;

/// "Decodes" bytes that are what they are, as [`crate::chunk::codec::BytesCodec::decode`].
pub(crate) fn copy_plain(bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
    if bytes.len() > max_len {
        return Err(Error::corrupt(format!("{} bytes instead of at most {max_len}", bytes.len())));
    }
    first_bytes(out, bytes.len()).copy_from_slice(bytes);
    Ok(bytes.len())
}

/// The same as [`crate::chunk::codec::BytesCodec::decode_exact`].
pub(super) fn copy_plain_exact(bytes: &[u8], out: &mut [u8]) -> Result<()> {
    expect_len(bytes.len(), out.len())?;
    out.copy_from_slice(bytes);
    Ok(())
}
