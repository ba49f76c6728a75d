//! `packbits`: some of the bits of each element, one behind the other.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/packbits>

use serde_json::{Map, Value};

use crate::base::buffer::{Order, Region, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::member::up_to;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, has, members};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, decode_whole};
use crate::chunk::config::Config;

/// Where the number of bits that fill up the last byte is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PackBitsPadding {
    None,
    FirstByte,
    LastByte,
}

impl PackBitsPadding {
    /// Zarr's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FirstByte => "first_byte",
            Self::LastByte => "last_byte",
        }
    }
}

/// Packed bits of elements in C order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackBits {
    padding: PackBitsPadding,
    /// The first and the last of the bits of an element that are kept, from the lowest on.
    kept: (Option<u32>, Option<u32>),
    /// Whether a byte is filled from its highest bit on, as numcodecs does for Zarr 2.
    high_first: bool,
}

impl PackBits {
    /// Keeps the bits from `first` to `last` of each element; all where these are not said.
    pub fn new(padding: PackBitsPadding, first: Option<u32>, last: Option<u32>) -> Self {
        Self { padding, kept: (first, last), high_first: false }
    }

    /// The packed booleans of numcodecs.
    pub fn numcodecs() -> Self {
        Self { padding: PackBitsPadding::FirstByte, kept: (None, None), high_first: true }
    }

    /// The lowest bit that is kept, and how many are.
    fn bits(self, dtype: DataType) -> Result<(u32, u32)> {
        let width = if dtype == DataType::Bool { 1 } else { dtype.size() as u32 * 8 };
        let (first, last) = (self.kept.0.unwrap_or(0), self.kept.1.unwrap_or(width - 1));
        if self.high_first && dtype != DataType::Bool {
            return Err(Error::unsupported(format!("packbits of numcodecs packs booleans, not {dtype}")));
        }
        if first > last || last >= width {
            return Err(Error::invalid(format!("packbits: bits {first} to {last} of {width}")));
        }
        Ok((first, last - first + 1))
    }

    /// Bytes of the packed elements, and the number of bits that fill up the last.
    fn packed_len(self, spec: &ChunkSpec) -> Result<(usize, u8)> {
        let (_, kept) = self.bits(spec.dtype)?;
        let elements = spec.byte_len()? / spec.dtype.size();
        let bits = elements.checked_mul(kept as usize).ok_or_else(|| Error::invalid("too many bits"))?;
        let length = bits.div_ceil(8);
        Ok((length, (length * 8 - bits) as u8))
    }

    fn order_bits(self, bytes: &mut [u8]) {
        if self.high_first {
            bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
    }
}

/// Takes numbers of `bits` bits from bytes, the lowest bit first.
struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    held: u128,
    count: u32,
}

impl Bits<'_> {
    fn take(&mut self, bits: u32, high_first: bool) -> u64 {
        while self.count < bits {
            // The number of bytes was checked against the number of elements.
            let byte = self.bytes.next().copied().unwrap_or(0);
            let byte = if high_first { byte.reverse_bits() } else { byte };
            self.held |= u128::from(byte) << self.count;
            self.count += 8;
        }
        let taken = (self.held & ((1 << bits) - 1)) as u64;
        self.held >>= bits;
        self.count -= bits;
        taken
    }
}

impl ArrayCodec for PackBits {
    fn name(&self) -> &'static str {
        "packbits"
    }

    fn config(&self) -> Config {
        Config::new(self.name())
            .with("padding", self.padding.name())
            .with("first", self.kept.0)
            .with("last", self.kept.1)
            .with("fills", if self.high_first { "high" } else { "low" })
    }

    fn is_lossless(&self) -> bool {
        self.kept == (None, None)
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        self.packed_len(spec).map(drop)
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let (first, kept) = self.bits(spec.dtype)?;
        let (length, padding) = self.packed_len(spec)?;
        if self.padding == PackBitsPadding::FirstByte {
            out.push(padding);
        }
        let start = out.len();
        out.reserve(length + 1);
        with_scratch(|scratch| {
            let (item, bytes) = (spec.dtype.size(), try_first_bytes(scratch, spec.byte_len()?)?);
            ViewMut::dense(bytes, &spec.shape, item, Order::C)?.copy_from(chunk);
            let (mut held, mut count) = (0u128, 0);
            for element in bytes.chunks_exact(item) {
                let value = load(element) >> first;
                held |= (u128::from(value) & ((1 << kept) - 1)) << count;
                count += kept;
                while count >= 8 {
                    out.push(held as u8);
                    held >>= 8;
                    count -= 8;
                }
            }
            if count > 0 {
                out.push(held as u8);
            }
            Ok::<(), Error>(())
        })?;
        self.order_bits(&mut out[start..]);
        if self.padding == PackBitsPadding::LastByte {
            out.push(padding);
        }
        Ok(())
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        let (first, kept) = self.bits(spec.dtype)?;
        let (length, padding) = self.packed_len(spec)?;
        let (said, packed) = match self.padding {
            PackBitsPadding::None => (Some(&padding), bytes),
            PackBitsPadding::FirstByte => {
                bytes.split_first().map_or((None, bytes), |(p, rest)| (Some(p), rest))
            }
            PackBitsPadding::LastByte => {
                bytes.split_last().map_or((None, bytes), |(p, rest)| (Some(p), rest))
            }
        };
        if packed.len() != length || said != Some(&padding) {
            return Err(Error::corrupt(format!("packbits: {} bytes, not {length} of bits", bytes.len())));
        }
        let signed = matches!(spec.dtype, DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64);
        let unused = 64 - kept;
        decode_whole(spec, region, Order::C, out, |elements| {
            let mut bits = Bits { bytes: packed.iter(), held: 0, count: 0 };
            for element in elements.chunks_exact_mut(spec.dtype.size()) {
                let value = bits.take(kept, self.high_first);
                let value = if signed { (((value << unused) as i64) >> unused) as u64 } else { value };
                store(value << first, element);
            }
            Ok(())
        })
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        self.packed_len(spec).map_or(usize::MAX, |(length, _)| length.saturating_add(1))
    }
}

/// The bits of an element.
fn load(element: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    if cfg!(target_endian = "big") {
        bytes[8 - element.len()..].copy_from_slice(element);
        u64::from_be_bytes(bytes)
    } else {
        bytes[..element.len()].copy_from_slice(element);
        u64::from_le_bytes(bytes)
    }
}

fn store(value: u64, element: &mut [u8]) {
    if cfg!(target_endian = "big") {
        element.copy_from_slice(&value.to_be_bytes()[8 - element.len()..]);
    } else {
        element.copy_from_slice(&value.to_le_bytes()[..element.len()]);
    }
}

/// The names and members of this codec in each kind of metadata. That of numcodecs fills bytes from the other end.
pub(super) const ROW: Row = Row {
    configs: &["packbits"],
    kind: Kind::Array,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["packbits"], read, write },
        Words {
            dialect: Dialect::Zarr3,
            names: &["numcodecs.packbits"],
            read: read_numcodecs,
            write: write_numcodecs,
        },
        Words {
            dialect: Dialect::Numcodecs,
            names: &["packbits"],
            read: read_numcodecs,
            write: write_numcodecs,
        },
    ],
    at_level: None,
};

fn read(entry: &Entry<'_>) -> Result<Built> {
    let members = &entry.members;
    members.expect_only(&["padding_encoding", "first_bit", "last_bit"])?;
    let padding = |value: &Value| match value.as_str()? {
        "none" => Some(PackBitsPadding::None),
        // The second is what drafts called it.
        "first_byte" | "start_byte" => Some(PackBitsPadding::FirstByte),
        "last_byte" | "end_byte" => Some(PackBitsPadding::LastByte),
        _ => None,
    };
    let padding = members.optional("padding_encoding", padding, "none, first_byte or last_byte")?;
    let bit = |name| members.optional(name, up_to(63), "the number of a bit");
    let (first, last) = (bit("first_bit")?, bit("last_bit")?);
    Built::array(PackBits::new(padding.unwrap_or(PackBitsPadding::None), first, last))
}

fn read_numcodecs(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&[])?;
    Built::array(PackBits::numcodecs())
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    let names = [("padding_encoding", "padding"), ("first_bit", "first"), ("last_bit", "last")];
    has(config, "fills", "low").then(|| members(config, &names))
}

fn write_numcodecs(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    (*config == PackBits::numcodecs().config()).then(Map::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dims::Dims;

    fn round_trip(codec: PackBits, dtype: DataType, elements: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let shape = [elements.len() / dtype.size()];
        let spec = ChunkSpec { dtype, shape: Dims::from_slice(&shape) };
        let (mut encoded, mut out) = (Vec::new(), vec![0; elements.len()]);
        codec
            .encode(&View::dense(elements, &shape, dtype.size(), Order::C).unwrap(), &spec, &mut encoded)
            .unwrap();
        let mut view = ViewMut::dense(&mut out, &shape, dtype.size(), Order::C).unwrap();
        codec.decode(&encoded, &spec, &Region::whole(&shape), &mut view).unwrap();
        let mut view = ViewMut::dense(&mut out, &shape, dtype.size(), Order::C).unwrap();
        assert!(codec.decode(&encoded[1..], &spec, &Region::whole(&shape), &mut view).is_err());
        (encoded, out)
    }

    #[test]
    fn booleans_in_either_order() {
        let bits = [1, 0, 0, 1, 0, 0, 0, 0, 1];
        let codec = PackBits::new(PackBitsPadding::LastByte, None, None);
        assert_eq!(round_trip(codec, DataType::Bool, &bits), (vec![0b1001, 1, 7], bits.to_vec()));
        // As in the documentation of numcodecs.
        assert_eq!(round_trip(PackBits::numcodecs(), DataType::Bool, &bits[..4]).0, [4, 144]);
    }

    #[test]
    fn some_bits_of_numbers() {
        let codec = PackBits::new(PackBitsPadding::None, Some(1), Some(3));
        let values = [0b110u8, 0b1010, 0b1110];
        let (encoded, out) = round_trip(codec, DataType::U8, &values);
        assert_eq!((encoded, out), (vec![0b1110_1011, 1], values.to_vec()));
        let codec = PackBits::new(PackBitsPadding::None, None, Some(3));
        assert_eq!(round_trip(codec, DataType::I8, &[0xff, 7, 0xf8]).1, [0xff, 7, 0xf8]);
        let spec = ChunkSpec { dtype: DataType::U8, shape: Dims::from_slice(&[4]) };
        assert!(PackBits::new(PackBitsPadding::None, None, Some(8)).check(&spec).is_err());
    }
}
