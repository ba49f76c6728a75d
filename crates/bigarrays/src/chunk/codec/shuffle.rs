//! `shuffle`: the first bytes of all elements, then the second ones, and so on.

use serde_json::{Map, Value};

use crate::base::buffer::first_bytes;
use crate::base::error::{Error, Result};
use crate::base::member::up_to;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, members};
use crate::chunk::codec::{Asked, BytesCodec};
use crate::chunk::config::Config;

/// Bytes of elements, sorted by their place in the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shuffle {
    size: usize,
}

impl Shuffle {
    /// Shuffles elements of `size` bytes.
    ///
    /// # Errors
    /// `InvalidArgument` for a size of zero.
    pub fn new(size: usize) -> Result<Self> {
        match size {
            0 => Err(Error::invalid("elements of no bytes cannot be shuffled")),
            _ => Ok(Self { size }),
        }
    }

    /// Number of elements.
    fn count(self, bytes: &[u8]) -> Result<usize> {
        if bytes.len().is_multiple_of(self.size) {
            return Ok(bytes.len() / self.size);
        }
        Err(Error::corrupt(format!("shuffle: {} bytes are no elements of {}", bytes.len(), self.size)))
    }
}

/// Copies so that byte `b` of element `e` goes from `e * size + b` to `b * count + e`.
fn transpose(from: &[u8], to: &mut [u8], size: usize, count: usize) {
    for (byte, plane) in to.chunks_exact_mut(count.max(1)).enumerate() {
        for (target, element) in plane.iter_mut().zip(from.chunks_exact(size)) {
            *target = element[byte];
        }
    }
}

impl BytesCodec for Shuffle {
    fn name(&self) -> &'static str {
        "shuffle"
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("size", self.size)
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let (count, start) = (self.count(bytes)?, out.len());
        out.resize(start + bytes.len(), 0);
        transpose(bytes, &mut out[start..], self.size, count);
        Ok(())
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        if bytes.len() > max_len {
            return Err(Error::corrupt(format!("shuffle: {} bytes of at most {max_len}", bytes.len())));
        }
        let count = self.count(bytes)?;
        // The inverse is a shuffle of `count` bytes each.
        transpose(bytes, first_bytes(out, bytes.len()), count.max(1), self.size);
        Ok(bytes.len())
    }

    fn max_encoded_len(&self, len: usize) -> usize {
        len
    }
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &["shuffle"],
    kind: Kind::Bytes,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.shuffle", "shuffle"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["shuffle"], read, write },
    ],
    at_level: None,
};

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["elementsize"])?;
    let size = entry.members.optional("elementsize", up_to(1 << 16), "a number of bytes")?;
    // Elements of no bytes are left as they are, as those of one are.
    Built::bytes(Shuffle::new(size.unwrap_or(4).max(1) as usize)?)
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    Some(members(config, &[("elementsize", "size")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_by_place() {
        let (codec, mut encoded, mut out) = (Shuffle::new(2).unwrap(), Vec::new(), Vec::new());
        codec.encode(&[1, 11, 2, 12, 3, 13], &mut encoded).unwrap();
        assert_eq!(encoded, [1, 2, 3, 11, 12, 13]);
        assert_eq!(codec.decode(&encoded, 6, &mut out).unwrap(), 6);
        assert_eq!(out, [1, 11, 2, 12, 3, 13]);
        assert!(
            codec.decode(&encoded[..5], 6, &mut out).is_err() && codec.decode(&encoded, 5, &mut out).is_err()
        );
        assert_eq!(codec.decode(&[], 0, &mut out).unwrap(), 0);
    }
}
