//! Bytes that should be compressed, but are not.

use crate::base::buffer::first_bytes;
use crate::base::error::{Error, Result};

/// "Decodes" bytes that are what they are, as [`crate::chunk::codec::BytesCodec::decode`].
pub(crate) fn copy_plain(bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
    if bytes.len() > max_len {
        return Err(Error::corrupt(format!("{} bytes instead of at most {max_len}", bytes.len())));
    }
    first_bytes(out, bytes.len()).copy_from_slice(bytes);
    Ok(bytes.len())
}
