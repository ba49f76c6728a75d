//! `xz`: one or several streams of xz, which hold LZMA 2.
//!
//! <https://tukaani.org/xz/xz-file-format.txt>

use liblzma::stream::{Action, CONCATENATED, Check, Filters, LzmaOptions, Status, Stream};
use serde_json::{Map, Value};

use crate::base::error::{Error, Result};
use crate::base::member::up_to;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, members};
use crate::chunk::codec::growing::Growing;
use crate::chunk::codec::{Asked, BytesCodec, Work};
use crate::chunk::config::Config;

/// What a decoder may take beside its output: the dictionary of the largest preset and some tables.
pub(super) const DECODER_BYTES: u64 = 66 << 20;

/// The smallest dictionary.
const SMALLEST: u32 = 1 << 12;

/// xz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xz {
    preset: u32,
    check: XzCheck,
}

/// A checksum in streams of xz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum XzCheck {
    None,
    Crc32,
    #[default]
    Crc64,
    Sha256,
}

impl XzCheck {
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Crc32, Self::Crc64, Self::Sha256];

    pub(super) fn name(self) -> &'static str {
        ["none", "crc32", "crc64", "sha256"][self as usize]
    }

    /// The number that metadata of numcodecs have for it.
    pub(super) fn number(self) -> i64 {
        [0, 1, 4, 10][self as usize]
    }

    pub(super) fn of(self) -> Check {
        [Check::None, Check::Crc32, Check::Crc64, Check::Sha256][self as usize]
    }
}

/// The length of the dictionary of a preset: 256 KiB for 0, then powers of two from 1 MiB on, the largest for 9.
fn dictionary(preset: u32) -> u32 {
    [1 << 18, 1 << 20, 1 << 21, 1 << 22, 1 << 22, 1 << 23, 1 << 23, 1 << 24, 1 << 25, 1 << 26]
        [preset.min(9) as usize]
}

/// The memory of a coder of LZMA: a dictionary, and tables of places in it.
pub(super) fn working_bytes(work: Work, preset: u32, len: u64) -> u64 {
    match work {
        Work::Decoding => len.min(DECODER_BYTES).saturating_mul(2),
        Work::Encoding => {
            let dictionary = u64::from(dictionary(preset));
            len.min(dictionary).saturating_mul(12).saturating_add(dictionary)
        }
    }
}

impl Xz {
    /// The preset where none is asked for.
    pub const DEFAULT_PRESET: u32 = 6;
    pub(crate) const DEFAULT: Self = Self { preset: Self::DEFAULT_PRESET, check: XzCheck::Crc64 };

    /// xz of a preset from 0 to 9.
    ///
    /// # Errors
    /// `InvalidArgument` for another one.
    pub fn new(preset: u32) -> Result<Self> {
        match preset {
            0..=9 => Ok(Self { preset, ..Self::DEFAULT }),
            _ => Err(Error::invalid(format!("xz preset {preset} is not in 0 to 9"))),
        }
    }

    /// The same, written with another checksum; each is understood when read.
    #[must_use]
    pub fn with_check(self, check: XzCheck) -> Self {
        Self { check, ..self }
    }

    /// An encoder whose dictionary is not larger than what it is to hold.
    fn encoder(self, len: usize) -> std::result::Result<Stream, liblzma::stream::Error> {
        let mut options = LzmaOptions::new_preset(self.preset)?;
        let usual = dictionary(self.preset);
        options.dict_size(u32::try_from(len).map_or(usual, |len| len.clamp(SMALLEST, usual)));
        Stream::new_stream_encoder(Filters::new().lzma2(&options), self.check.of())
    }
}

impl BytesCodec for Xz {
    fn name(&self) -> &'static str {
        "xz"
    }

    fn config(&self) -> Config {
        let config = Config::new(self.name()).with("level", self.preset);
        config.with_unless(XzCheck::default().name(), "check", self.check.name())
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let stream = self.encoder(bytes.len());
        encode(stream.map_err(|error| Error::invalid("cannot compress").caused_by(error))?, bytes, out)
    }

    fn working_bytes(&self, work: Work, len: u64) -> u64 {
        working_bytes(work, self.preset, len)
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        let stream = Stream::new_stream_decoder(DECODER_BYTES, CONCATENATED);
        let stream = stream.map_err(|error| Error::corrupt("xz: damaged").caused_by(error))?;
        decode(self.name(), stream, bytes, max_len, out)
    }
}

/// Appends what `stream` makes of `bytes`.
pub(super) fn encode(mut stream: Stream, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let failed = |error| Error::invalid("cannot compress").caused_by(error);
    out.reserve(bytes.len() / 2 + 600);
    loop {
        let read = stream.total_in() as usize;
        match stream.process_vec(&bytes[read..], out, Action::Finish).map_err(failed)? {
            Status::StreamEnd => return Ok(()),
            _ => out.reserve(out.len().max(4096)),
        }
    }
}

/// Decodes as `codec` all of `bytes` by `stream`, which ends with them.
pub(super) fn decode(
    codec: &'static str,
    mut stream: Stream,
    bytes: &[u8],
    max_len: usize,
    out: &mut Vec<u8>,
) -> Result<usize> {
    let failed = |error| Error::corrupt(format!("{codec}: damaged")).caused_by(error);
    let (mut read, mut out) = (0, Growing::new(codec, bytes.len(), max_len, out));
    loop {
        let before = (stream.total_in(), stream.total_out());
        let status = stream.process(&bytes[read..], out.space(), Action::Finish).map_err(failed)?;
        let more = stream.total_in() - before.0;
        read += more as usize;
        out.wrote(stream.total_out() - before.1, more, status == Status::StreamEnd)?;
        if status == Status::StreamEnd {
            return match bytes.len() - read {
                0 => Ok(out.len()),
                rest => Err(Error::corrupt(format!("{codec}: {rest} bytes behind the end"))),
            };
        }
    }
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &["xz"],
    kind: Kind::Bytes,
    words: &[Words { dialect: Dialect::N5, names: &["xz"], read, write }],
    at_level: Some(|level, _| Built::bytes(Xz::new(level.unwrap_or(Xz::DEFAULT_PRESET))?)),
};

fn read(entry: &Entry<'_>) -> Result<Built> {
    let preset = entry.members.optional("preset", up_to(9), "a number from 0 to 9")?;
    Built::bytes(Xz::new(preset.unwrap_or(Xz::DEFAULT_PRESET))?)
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    config.get("check").is_none().then(|| members(config, &[("preset", "level")]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    #[test]
    fn hostile_bytes() {
        hostile::bytes_codec(&Xz::new(Xz::DEFAULT_PRESET).unwrap());
    }

    #[test]
    fn streams_follow_each_other() {
        let (codec, mut bytes, mut out) = (Xz::new(9).unwrap(), Vec::new(), Vec::new());
        codec.encode(&[1; 300_000], &mut bytes).unwrap();
        codec.encode(&[2; 5], &mut bytes).unwrap();
        assert_eq!(codec.decode(&bytes, 300_005, &mut out).unwrap(), 300_005);
        assert_eq!((out[299_999], out[300_004]), (1, 2));
        assert!(codec.decode(&bytes, 300_004, &mut out).is_err());
    }

    #[test]
    fn dictionaries_are_bounded() {
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        for (log2, is_read) in [(26, true), (27, false)] {
            let mut options = LzmaOptions::new_preset(0).unwrap();
            options.dict_size(1 << log2);
            let mut stream =
                Stream::new_stream_encoder(Filters::new().lzma2(&options), Check::Crc64).unwrap();
            bytes.clear();
            bytes.reserve(1000);
            stream.process_vec(&[7; 100], &mut bytes, Action::Finish).unwrap();
            assert_eq!(Xz::new(0).unwrap().decode(&bytes, 100, &mut out).is_ok(), is_read);
        }
    }
}
