//! `bz2`: one or several streams of bzip2.

use bzip2::{Action, Compress, Compression, Decompress, Status};
use serde_json::{Map, Value};

use crate::base::error::{Error, Result};
use crate::base::member::up_to;
use crate::chunk::codec::dialect::{
    Built, Dialect, Elements, Entry, Kind, Row, Words, level_or, leveled, members,
};
use crate::chunk::codec::growing::Growing;
use crate::chunk::codec::{Asked, BytesCodec, Work};
use crate::chunk::config::Config;

/// bzip2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bz2 {
    level: u8,
}

impl Bz2 {
    /// The level that is written where none is asked for.
    pub const DEFAULT_LEVEL: u8 = 1;
    pub(crate) const DEFAULT: Self = Self { level: Self::DEFAULT_LEVEL };

    /// bzip2 in blocks of `level` times 100 kB, 1 to 9.
    ///
    /// # Errors
    /// `InvalidArgument` for another level.
    pub fn new(level: u8) -> Result<Self> {
        match level {
            1..=9 => Ok(Self { level }),
            _ => Err(Error::invalid(format!("bz2 level {level} is not in 1 to 9"))),
        }
    }
}

impl BytesCodec for Bz2 {
    fn name(&self) -> &'static str {
        "bz2"
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("level", self.level)
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut compress = Compress::new(Compression::new(self.level.into()), 0);
        out.reserve(bytes.len() + bytes.len() / 100 + 600);
        loop {
            let read = compress.total_in() as usize;
            let status = compress.compress_vec(&bytes[read..], out, Action::Finish);
            match status.map_err(|error| Error::invalid("cannot compress").caused_by(error))? {
                Status::StreamEnd => return Ok(()),
                _ => out.reserve(out.len().max(4096)),
            }
        }
    }

    fn working_bytes(&self, work: Work, _len: u64) -> u64 {
        // As bzip2's manual has it; what is read may be of any level.
        match work {
            Work::Decoding => 4 << 20,
            Work::Encoding => (400 << 10) + (800 << 10) * u64::from(self.level),
        }
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        let (mut read, mut out) = (0, Growing::new("bz2", bytes.len(), max_len, out));
        let mut stream = Decompress::new(false);
        loop {
            let (from, before) = (stream.total_in(), stream.total_out());
            let status = stream.decompress(&bytes[read..], out.space());
            let status = status.map_err(|error| Error::corrupt("bz2: damaged").caused_by(error))?;
            let more = stream.total_in() - from;
            read += more as usize;
            out.wrote(stream.total_out() - before, more, status == Status::StreamEnd)?;
            match status {
                Status::StreamEnd if read == bytes.len() => return Ok(out.len()),
                Status::StreamEnd => stream = Decompress::new(false),
                _ => {}
            }
        }
    }
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &["bz2"],
    kind: Kind::Bytes,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.bz2", "bz2"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["bz2"], read, write },
        Words { dialect: Dialect::N5, names: &["bzip2"], read: read_n5, write: write_n5 },
    ],
    at_level: Some(|level, _| Built::bytes(Bz2::new(level_or(level, 9)?)?)),
};

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["level"])?;
    Built::bytes(Bz2::new(entry.level(9, Bz2::DEFAULT_LEVEL)?.max(1))?)
}

fn read_n5(entry: &Entry<'_>) -> Result<Built> {
    let block = entry.members.optional("blockSize", up_to(9), "a number from 1 to 9")?.unwrap_or(9);
    Built::bytes(Bz2::new(block as u8)?)
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    leveled(config, 9)
}

fn write_n5(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    Some(members(config, &[("blockSize", "level")]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    #[test]
    fn hostile_bytes() {
        hostile::bytes_codec(&Bz2::new(Bz2::DEFAULT_LEVEL).unwrap());
    }

    #[test]
    fn streams_follow_each_other() {
        let (codec, mut bytes, mut out) = (Bz2 { level: 9 }, Vec::new(), Vec::new());
        codec.encode(&[1; 300_000], &mut bytes).unwrap();
        codec.encode(&[2; 5], &mut bytes).unwrap();
        assert_eq!(codec.decode(&bytes, 300_005, &mut out).unwrap(), 300_005);
        assert_eq!((out[299_999], out[300_004]), (1, 2));
        assert!(codec.decode(&bytes, 300_004, &mut out).is_err());
    }
}
