//! `zlib`: deflate with a checksum of Adler, through libdeflate.

use serde_json::{Map, Value};

use crate::base::error::{Error, Result};
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, level_or, leveled};
use crate::chunk::codec::gzip::{Gzip, with_compressor, with_decompressor};
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

    fn decode_exact(&self, bytes: &[u8], out: &mut [u8]) -> Result<()> {
        with_decompressor(|decompressor| decompressor.decode_zlib_exact(bytes, out))
    }
}

/// The names and members of this codec in each kind of metadata. N5 has one name for this and for gzip; both are read here, first in the table.
pub(super) const ROW: Row = Row {
    configs: &["zlib"],
    kind: Kind::Bytes,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.zlib", "zlib"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["zlib"], read, write },
        Words { dialect: Dialect::N5, names: &["gzip"], read: read_n5, write: write_n5 },
    ],
    at_level: Some(|level, _| Built::bytes(Zlib::new(level_or(level, Zlib::DEFAULT_LEVEL)?)?)),
};

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["level"])?;
    Built::bytes(Zlib::new(entry.level(9, Zlib::DEFAULT_LEVEL)?)?)
}

fn read_n5(entry: &Entry<'_>) -> Result<Built> {
    let is_zlib = entry.members.optional("useZlib", Value::as_bool, "true or false")?.unwrap_or(false);
    let level = entry.level(9, Gzip::DEFAULT_LEVEL)?;
    if is_zlib { Built::bytes(Zlib::new(level)?) } else { Built::bytes(Gzip::new(level)?) }
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    leveled(config, 9)
}

fn write_n5(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    let mut members = leveled(config, 9)?;
    members.insert("useZlib".to_owned(), true.into());
    Some(members)
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
