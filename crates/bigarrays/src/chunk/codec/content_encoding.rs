//! Compression around values, whatever they are.

use crate::base::buffer::with_scratch;
use crate::base::error::Result;
use crate::chunk::codec::bytes_codec::encode_in_place;
use crate::chunk::codec::{Brotli, BytesCodec, Bz2, Gzip, Xz, Zstd};

/// A compression around a value that is not part of its format: the `Content-Encoding` of a web or
/// object store, the file name's suffix on a local disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ContentEncoding {
    #[default]
    Identity,
    Gzip,
    Brotli,
    Zstd,
    Bz2,
    Xz,
}

impl ContentEncoding {
    /// Every encoding, in the order in which a local file's spellings are looked for.
    pub const ALL: [Self; 6] = [Self::Identity, Self::Gzip, Self::Brotli, Self::Zstd, Self::Bz2, Self::Xz];

    /// The codec, at its default level; `None` for [`ContentEncoding::Identity`].
    pub fn codec(self) -> Option<&'static dyn BytesCodec> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(&Gzip::DEFAULT),
            Self::Brotli => Some(&Brotli::DEFAULT),
            Self::Zstd => Some(&Zstd::DEFAULT),
            Self::Bz2 => Some(&Bz2::DEFAULT),
            Self::Xz => Some(&Xz::DEFAULT),
        }
    }

    /// The name that web servers give it.
    pub fn name(self) -> &'static str {
        self.codec().map_or("identity", BytesCodec::name)
    }

    /// What it adds to the name of a local file.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Brotli => ".br",
            Self::Zstd => ".zstd",
            Self::Bz2 => ".bz2",
            Self::Xz => ".xz",
        }
    }

    /// Encodes the contents of `buffer` in place.
    pub(crate) fn encode(self, buffer: &mut Vec<u8>) -> Result<()> {
        match self.codec() {
            None => Ok(()),
            Some(codec) => encode_in_place(codec, buffer),
        }
    }

    /// Decodes to at most `max_len` bytes and lends them to `use_it`.
    pub(crate) fn with_decoded<T>(
        self,
        bytes: &[u8],
        max_len: usize,
        use_it: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        match self.codec() {
            None => use_it(bytes),
            Some(codec) => with_scratch(|decoded| {
                let length = codec.decode(bytes, max_len, decoded)?;
                use_it(&decoded[..length])
            }),
        }
    }
}
