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

/// What the names of compressed files end in, ours and those of others.
const COMPRESSIONS: [&str; 20] = [
    "gz", "br", "zstd", "bz2", "xz", "gzip", "zst", "bzip2", "lzma", "lz", "lz4", "lzo", "z", "zip", "7z",
    "zlib", "deflate", "snappy", "blosc", "sz",
];

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

    /// The key of which `key` may be a value that nobody looks for: what comes before the suffixes of compressions at its
    /// end. `None` if there are none.
    pub(crate) fn unseen(key: &str) -> Option<&str> {
        let name = key.rfind('/').map_or(0, |slash| slash + 1);
        fn shorter(key: &str, name: usize) -> Option<&str> {
            let (stem, suffix) = key.rsplit_once('.')?;
            let is_one = COMPRESSIONS.iter().any(|known| known.eq_ignore_ascii_case(suffix));
            (is_one && stem.len() > name).then_some(stem)
        }
        std::iter::successors(Some(key), |key| shorter(key, name)).skip(1).last()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_nobody_looks_for() {
        let unseen = ContentEncoding::unseen;
        assert_eq!(unseen("8/0-8.lz4"), Some("8/0-8"));
        assert_eq!(unseen("0-8.GZ"), Some("0-8"));
        assert_eq!(unseen("0-8.gz.Zst"), Some("0-8"));
        for key in ["8/0-8", "8.lz4/0-8", "8/.lz4", "0-8.tmp", "0.0", "lz4"] {
            assert_eq!(unseen(key), None, "{key}");
        }
    }
}
