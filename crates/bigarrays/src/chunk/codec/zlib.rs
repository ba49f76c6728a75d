//! `zlib`: deflate with a checksum of Adler, through libdeflate.

use crate::base::error::{Error, Result};
use crate::chunk::codec::gzip::{with_compressor, with_decompressor};
use crate::chunk::codec::{Asked, BytesCodec};
use crate::chunk::config::Config;

/// zlib (RFC 1950).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zlib {
    level: u8,
}

impl Zlib {
    /// The level that is written where none is asked for.
    pub const DEFAULT_LEVEL: u8 = 1;

    /// zlib written with effort `level`, 0 to 12.
    ///
    /// # Errors
    /// `InvalidArgument` for another level.
    pub fn new(level: u8) -> Result<Self> {
        match level {
            0..=12 => Ok(Self { level }),
            _ => Err(Error::invalid(format!("zlib level {level} is not in 0 to 12"))),
        }
    }
}

impl BytesCodec for Zlib {
    fn name(&self) -> &'static str {
        "zlib"
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("level", self.level)
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        with_compressor(self.level, |compressor| {
            let start = out.len();
            out.resize(start + compressor.zlib_compress_bound(bytes.len()), 0);
            let length = compressor
                .zlib_compress(bytes, &mut out[start..])
                .map_err(|error| Error::invalid("cannot compress").caused_by(error))?;
            out.truncate(start + length);
            Ok(())
        })
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        with_decompressor(|decompressor| decompressor.decode_zlib(bytes, max_len, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    #[test]
    fn hostile_bytes() {
        hostile::bytes_codec(&Zlib::new(Zlib::DEFAULT_LEVEL).unwrap());
    }
}
