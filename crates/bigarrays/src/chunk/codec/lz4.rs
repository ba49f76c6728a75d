//! `lz4`: blocks of LZ4 with a checksum each, as `LZ4BlockOutputStream` of lz4-java writes them.
//!
//! ```text
//! "LZ4Block" │ method and size: u8 │ stored bytes: u32 │ decoded bytes: u32 │ checksum: u32 │ a block
//! ```
//! All numbers are little-endian. The high half of the fifth field's byte is 1 for a block that is stored as it
//! is, 2 for one of LZ4; the low half says that blocks have at most 2^(10 + it) bytes. The last block is empty.
//!
//! Or one block: without header, as z5 writes it, or behind the number of decoded bytes (u32, little-endian), as numcodecs
//! does.

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use serde_json::{Map, Value};
use twox_hash::XxHash32;

use crate::base::buffer::{first_bytes, with_scratch};
use crate::base::error::{Error, Result};
use crate::base::member::{integer, up_to};
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, has, members};
use crate::chunk::codec::{Asked, BytesCodec};
use crate::chunk::config::Config;

const MAGIC: &[u8; 8] = b"LZ4Block";
const HEADER: usize = 21;
const STORED: u8 = 0x10;
const COMPRESSED: u8 = 0x20;

/// What LZ4 makes of a byte at most, nearly.
const MOST_RATIO: usize = 255;

/// LZ4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lz4 {
    form: Form,
}

/// What there is beside blocks of LZ4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Headers of blocks that are of so many bytes before compression.
    Blocks(usize),
    /// Nothing.
    Plain,
    /// The length, as numcodecs puts it before the one block.
    Sized,
}

impl Lz4 {
    /// The size of blocks where none is asked for.
    pub const DEFAULT_BLOCK: u32 = 1 << 16;

    /// The sizes that blocks can have.
    pub const BLOCKS: std::ops::RangeInclusive<u32> = 64..=1 << 25;

    /// Blocks of `block` bytes before compression.
    ///
    /// # Errors
    /// `InvalidArgument` if that is none of [`Lz4::BLOCKS`].
    pub fn new(block: u32) -> Result<Self> {
        match Self::BLOCKS.contains(&block) {
            true => Ok(Self { form: Form::Blocks(block as usize) }),
            false => Err(Error::invalid(format!("lz4 blocks of {block} bytes are not in 64 to 2^25"))),
        }
    }

    /// One block without header, as z5 writes it.
    pub const fn plain() -> Self {
        Self { form: Form::Plain }
    }

    /// One block behind its length, as numcodecs writes it.
    pub const fn sized() -> Self {
        Self { form: Form::Sized }
    }
}

/// The checksum of decoded bytes, of which lz4-java keeps 28 bits.
fn checksum(bytes: &[u8]) -> u32 {
    XxHash32::oneshot(0x9747_b28c, bytes) & 0x0fff_ffff
}

/// A block and what its header says.
struct Block<'a> {
    method: u8,
    stored: &'a [u8],
    length: usize,
    checksum: u32,
}

impl<'a> Block<'a> {
    /// Takes a block off the front; `None` for the empty one at the end.
    fn take(bytes: &mut &'a [u8]) -> Result<Option<Self>> {
        let cut = || Error::corrupt("lz4: truncated");
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or_else(cut)?;
        let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|k| header[at + k]));
        let (stored, length) = (number(9) as usize, number(13) as usize);
        let (method, most) = (header[8] & 0xf0, 1usize << (10 + (header[8] & 0x0f)));
        let is_possible = match method {
            STORED => stored == length,
            COMPRESSED => stored > 0 && length > 0 && length / MOST_RATIO <= stored,
            _ => false,
        };
        if header[..8] != *MAGIC || !is_possible || length > most {
            return Err(Error::corrupt("lz4: a damaged header"));
        }
        let (stored, rest) = rest.split_at_checked(stored).ok_or_else(cut)?;
        *bytes = rest;
        let block = Self { method, stored, length, checksum: number(17) };
        if length == 0 {
            return if block.checksum == 0 { Ok(None) } else { Err(Error::corrupt("lz4: a damaged end")) };
        }
        Ok(Some(block))
    }

    /// Decodes the block, which `out` has the length of.
    fn decode(&self, out: &mut [u8]) -> Result<()> {
        if self.method == STORED {
            out.copy_from_slice(self.stored);
        } else if decompress(self.stored, out)? != out.len() {
            return Err(Error::corrupt("lz4: a block is shorter than its header says"));
        }
        match checksum(out) == self.checksum {
            true => Ok(()),
            false => Err(Error::corrupt("lz4: the checksum of a block does not match")),
        }
    }
}

fn decompress(bytes: &[u8], out: &mut [u8]) -> Result<usize> {
    decompress_into(bytes, out).map_err(|error| Error::corrupt("lz4: damaged").caused_by(error))
}

/// Appends a block; the empty one ends the stream.
fn put(plain: &[u8], size: u8, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
    let room = first_bytes(scratch, get_maximum_output_size(plain.len()));
    let length =
        compress_into(plain, room).map_err(|error| Error::invalid("cannot compress").caused_by(error))?;
    let (method, stored) = if length < plain.len() { (COMPRESSED, &room[..length]) } else { (STORED, plain) };
    out.extend_from_slice(MAGIC);
    out.push(method | size);
    let checksum = if plain.is_empty() { 0 } else { checksum(plain) };
    for number in [stored.len() as u32, plain.len() as u32, checksum] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(stored);
    Ok(())
}

impl BytesCodec for Lz4 {
    fn name(&self) -> &'static str {
        "lz4"
    }

    fn config(&self) -> Config {
        let block = match self.form {
            Form::Blocks(block) => Some(block),
            Form::Plain | Form::Sized => None,
        };
        let config = Config::new(self.name()).with("block", block);
        config.with_unless(false, "sized", self.form == Form::Sized)
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let block = match self.form {
            Form::Blocks(block) => block,
            Form::Plain => return put_plain(bytes, out),
            Form::Sized => {
                let long = |_| Error::invalid(format!("lz4: {} bytes are more than 2^31", bytes.len()));
                let length = i32::try_from(bytes.len()).map_err(long)?;
                out.extend_from_slice(&length.to_le_bytes());
                return put_plain(bytes, out);
            }
        };
        let size = block.next_power_of_two().trailing_zeros().saturating_sub(10) as u8;
        with_scratch(|scratch| {
            bytes.chunks(block).chain([&[][..]]).try_for_each(|plain| put(plain, size, scratch, out))
        })
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    /// Decodes blocks with headers and without, whichever is written.
    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        if self.form == Form::Sized {
            return decode_sized(bytes, max_len, out);
        }
        let is_in_blocks = bytes.len() >= MAGIC.len() || matches!(self.form, Form::Blocks(_));
        if is_in_blocks && bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
            return decode_blocks(bytes, max_len, out);
        }
        let most = bytes.len().saturating_mul(MOST_RATIO).min(max_len);
        decompress(bytes, first_bytes(out, most))
    }

    fn max_encoded_len(&self, len: usize) -> usize {
        // What the header of each of the smallest blocks adds.
        let headers = (len / 64).saturating_add(2).saturating_mul(HEADER);
        len.saturating_add(len / 8).saturating_add(headers).saturating_add(4096)
    }
}

/// Appends one block without header.
fn put_plain(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    out.resize(start + get_maximum_output_size(bytes.len()), 0);
    let length = compress_into(bytes, &mut out[start..])
        .map_err(|error| Error::invalid("cannot compress").caused_by(error))?;
    out.truncate(start + length);
    Ok(())
}

/// Decodes one block behind its length.
fn decode_sized(bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
    let (length, block) =
        bytes.split_first_chunk().ok_or_else(|| Error::corrupt(format!("lz4: {} bytes", bytes.len())))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > max_len || length / MOST_RATIO > block.len() {
        return Err(Error::corrupt(format!("lz4: {length} bytes of at most {max_len}, in {}", block.len())));
    }
    if length == 0 {
        // numcodecs writes no block then, others an empty one.
        return Ok(0);
    }
    match decompress(block, first_bytes(out, length))? {
        decoded if decoded == length => Ok(length),
        decoded => Err(Error::corrupt(format!("lz4: {decoded} bytes instead of {length}"))),
    }
}

fn decode_blocks(bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
    let (mut rest, mut length) = (bytes, 0usize);
    while let Some(block) = Block::take(&mut rest)? {
        length = length.saturating_add(block.length);
    }
    if !rest.is_empty() {
        return Err(Error::corrupt(format!("lz4: {} bytes behind the end", rest.len())));
    }
    if length > max_len {
        return Err(Error::corrupt(format!("lz4: more than {max_len} bytes")));
    }
    let (mut rest, mut out) = (bytes, first_bytes(out, length));
    while let Some(block) = Block::take(&mut rest)? {
        let (part, behind) = out.split_at_mut(block.length);
        block.decode(part)?;
        out = behind;
    }
    Ok(length)
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &["lz4"],
    kind: Kind::Bytes,
    words: &[
        Words { dialect: Dialect::N5, names: &["lz4"], read, write },
        Words {
            dialect: Dialect::Zarr3,
            names: &["numcodecs.lz4", "lz4"],
            read: read_sized,
            write: write_sized,
        },
        Words { dialect: Dialect::Numcodecs, names: &["lz4"], read: read_sized, write: write_sized },
    ],
    at_level: Some(at_level),
};

/// An acceleration is for writing alone, and has no effect here.
fn read_sized(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["acceleration"])?;
    entry.members.optional("acceleration", integer, "a whole number")?;
    Built::bytes(Lz4::sized())
}

fn write_sized(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    let acceleration = ("acceleration".to_owned(), Value::from(1));
    has(config, "sized", true).then(|| Map::from_iter([acceleration]))
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    let size = entry.members.optional("blockSize", up_to(*Lz4::BLOCKS.end()), "a number of bytes")?;
    match size.unwrap_or(Lz4::DEFAULT_BLOCK) {
        // z5 notes a level there.
        size if size < *Lz4::BLOCKS.start() => Built::bytes(Lz4::plain()),
        size => Built::bytes(Lz4::new(size)?),
    }
}

fn at_level(level: Option<u32>, _: Elements) -> Result<Built> {
    match level {
        None => Built::bytes(Lz4::new(Lz4::DEFAULT_BLOCK)?),
        Some(_) => Err(Error::invalid("lz4 has no level")),
    }
}

/// There are no words for one block without header.
fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    Some(members(config, &[("blockSize", "block")])).filter(|members| !members.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    #[test]
    fn hostile_bytes() {
        hostile::bytes_codec(&Lz4::new(Lz4::DEFAULT_BLOCK).unwrap());
        hostile::bytes_codec(&Lz4::sized());
    }

    #[test]
    fn a_block_behind_its_length_is_as_numcodecs_writes_it() {
        // What numcodecs makes of 100 "a", and of nothing.
        let encoded = *b"\x64\0\0\0\x1fa\x01\0\x4bPaaaaa";
        let (codec, mut out) = (Lz4::sized(), Vec::new());
        assert_eq!(codec.decode(&encoded, 100, &mut out).unwrap(), 100);
        assert_eq!(out[..100], [b'a'; 100]);
        assert!(codec.decode(&encoded, 99, &mut out).is_err());
        assert!(codec.decode(b"\x65\0\0\0\x1fa\x01\0\x4bPaaaaa", 200, &mut out).is_err());
        assert!(codec.decode(b"\xff\xff\xff\xff\x1fa\x01\0\x4bPaaaaa", usize::MAX, &mut out).is_err());
        assert_eq!(codec.decode(&[0; 5], 100, &mut out).unwrap(), 0);
    }

    #[test]
    fn streams_of_lz4_java_are_read() {
        // What lz4-java makes of "a" and of 100 "b".
        let a = *b"LZ4Block\x16\x01\0\0\0\x01\0\0\0\x14\xe1\xb7\x02a";
        let b = *b"LZ4Block\x26\x0b\0\0\0\x64\0\0\0\xc0\xda\x49\x06\x1fb\x01\0\x4bPbbbbb";
        let end = b"LZ4Block\x16\0\0\0\0\0\0\0\0\0\0\0\0";
        let (codec, mut out) = (Lz4::new(1 << 16).unwrap(), Vec::new());
        assert_eq!(codec.decode(&[&a[..], &b, end].concat(), 200, &mut out).unwrap(), 101);
        assert_eq!((out[0], &out[1..101]), (b'a', &[b'b'; 100][..]));
        assert!(codec.decode(&[&a[..], end, end].concat(), 200, &mut out).is_err());
        assert!(codec.decode(&a, 200, &mut out).is_err());
        let mut ours = Vec::new();
        codec.encode(b"a", &mut ours).unwrap();
        assert_eq!(ours, [&a[..], end].concat());
        let mut damaged = [&b[..], end].concat();
        damaged[20] |= 0x10;
        assert!(codec.decode(&damaged, 200, &mut out).is_err());
    }

    #[test]
    fn blocks_without_header() {
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        for plain in [hostile::texture(5000), vec![0; 5000], b"LZ4".to_vec()] {
            bytes.clear();
            Lz4::plain().encode(&plain, &mut bytes).unwrap();
            for codec in [Lz4::plain(), Lz4::new(64).unwrap()] {
                assert_eq!(codec.decode(&bytes, 5000, &mut out).unwrap(), plain.len());
                assert_eq!(out[..plain.len()], plain);
                assert!(plain.len() < 100 || codec.decode(&bytes, 4999, &mut out).is_err());
            }
        }
    }
}
