//! `br`: Brotli, as web servers and CloudVolume's `.br` files have it.

use brotli::enc::{BrotliEncoderParams, StandardAlloc};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

use crate::base::buffer::first_bytes;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{Asked, BytesCodec};
use crate::chunk::config::Config;

/// Brotli (RFC 7932).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brotli {
    quality: u8,
}

impl Brotli {
    /// The quality that is written where none is asked for.
    pub const DEFAULT_QUALITY: u8 = 5;

    pub(crate) const DEFAULT: Self = Self { quality: Self::DEFAULT_QUALITY };

    /// Brotli written in `quality`, 0 to 11.
    ///
    /// # Errors
    /// `InvalidArgument` for another quality.
    pub fn new(quality: u8) -> Result<Self> {
        match quality {
            0..=11 => Ok(Self { quality }),
            _ => Err(Error::invalid(format!("brotli quality {quality} is not in 0 to 11"))),
        }
    }
}

impl BytesCodec for Brotli {
    fn name(&self) -> &'static str {
        "br"
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("quality", self.quality)
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let parameters = BrotliEncoderParams {
            quality: self.quality.into(),
            size_hint: bytes.len(),
            ..BrotliEncoderParams::default()
        };
        let mut source = bytes;
        brotli::BrotliCompress(&mut source, out, &parameters)
            .map_err(|error| Error::invalid("cannot compress").caused_by(error))?;
        Ok(())
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        let alloc = StandardAlloc::default;
        // Strict: a window is at most 16 MiB.
        let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
        let (mut unread, mut read, mut written, mut total) = (bytes.len(), 0, 0, 0);
        let mut room = bytes.len().saturating_mul(4).max(1 << 16).min(max_len);
        // A byte beyond `max_len`: a decoder that finds it taken has decoded too much.
        let mut beyond = [0; 1];
        loop {
            let full = written == max_len;
            let (target, mut at) =
                if full { (&mut beyond[..], 0) } else { (first_bytes(out, room), written) };
            let mut left = target.len() - at;
            let result = BrotliDecompressStream(
                &mut unread,
                &mut read,
                bytes,
                &mut left,
                &mut at,
                target,
                &mut total,
                &mut state,
            );
            if full && at > 0 {
                return Err(Error::corrupt(format!("brotli: more than {max_len} bytes")));
            }
            if !full {
                written = at;
            }
            match result {
                BrotliResult::ResultSuccess if unread == 0 => return Ok(written),
                BrotliResult::NeedsMoreOutput => room = room.saturating_mul(2).min(max_len),
                _ => return Err(Error::corrupt("brotli: damaged or truncated")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    #[test]
    fn the_limit_is_exact_and_garbage_is_refused() {
        let mut bytes = Vec::new();
        Brotli::DEFAULT.encode(&[3; 200_000], &mut bytes).unwrap();
        let mut out = Vec::new();
        assert_eq!(Brotli::DEFAULT.decode(&bytes, 200_000, &mut out).unwrap(), 200_000);
        assert!(out[..200_000].iter().all(|&byte| byte == 3));
        let mut out = Vec::new();
        assert!(Brotli::DEFAULT.decode(&bytes, 199_999, &mut out).is_err());
        assert!(out.len() <= 199_999);
        bytes.push(0);
        assert!(Brotli::DEFAULT.decode(&bytes, 300_000, &mut out).is_err());
    }

    #[test]
    fn hostile_bytes() {
        hostile::bytes_codec(&Brotli::DEFAULT);
    }
}
