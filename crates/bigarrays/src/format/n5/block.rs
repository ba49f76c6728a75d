//! A block of N5: a header that says its size, then its elements, big-endian, the first axis fastest.
//!
//! ```text
//! mode: u16 │ number of axes: u16 │ a length for each: u32 │ elements, maybe compressed
//! ```
//! All numbers are big-endian. In blocks of mode 1, a `u32` before the elements says how many there are; those of
//! mode 2 are of objects, and not of numbers.

use std::sync::Arc;

use crate::base::buffer::{Order, Region, View, ViewMut, with_scratch};
use crate::base::dims::Dims;
use crate::base::dtype::FillValue;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{ArrayCodec, Asked, BytesCodec, ChunkSpec, Raw};
use crate::chunk::config::Config;

/// The elements behind the header.
const ELEMENTS: Raw = Raw::with_endianness(Order::Fortran, true);

/// Blocks, which may be smaller than the grid says, and also larger where they reach beyond the array.
#[derive(Clone, Debug)]
pub struct N5Block {
    /// Shape of a whole block.
    shape: Dims<usize>,
    compression: Option<Arc<dyn BytesCodec>>,
}

impl N5Block {
    /// Blocks of at most `shape`, of which the elements are compressed if so said.
    pub fn new(shape: &[usize], compression: Option<Arc<dyn BytesCodec>>) -> Self {
        Self { shape: shape.into(), compression }
    }

    /// The shape of a block, and what follows its header.
    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<(Dims<usize>, &'a [u8])> {
        let cut = || Error::corrupt(format!("{} bytes are less than the header of a block", bytes.len()));
        let (words, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let (mode, ndim) =
            (u16::from_be_bytes([words[0], words[1]]), u16::from_be_bytes([words[2], words[3]]));
        match mode {
            0 | 1 => {}
            2 => {
                return Err(Error::unsupported("a block of mode 2 (object): only those of numbers are read"));
            }
            _ => return Err(Error::corrupt(format!("a block of unknown mode {mode}"))),
        }
        if usize::from(ndim) != self.shape.len() {
            return Err(Error::corrupt(format!("a block of {ndim} axes, not {}", self.shape.len())));
        }
        let (lengths, rest) = rest.split_at_checked(4 * usize::from(ndim)).ok_or_else(cut)?;
        let lengths = lengths.as_chunks::<4>().0.iter().map(|length| u32::from_be_bytes(*length) as usize);
        let shape: Dims<usize> = lengths.collect();
        if shape.iter().zip(&self.shape).any(|(length, most)| length > most) {
            return Err(Error::corrupt(format!("a block of shape {shape:?}, of at most {:?}", self.shape)));
        }
        if mode == 0 {
            return Ok((shape, rest));
        }
        let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let count = u32::from_be_bytes(*count) as usize;
        if shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length)) != Some(count) {
            return Err(Error::unsupported(format!(
                "a block of mode 1 (varlength) with {count} elements in shape {shape:?}: only one in each place is read"
            )));
        }
        Ok((shape, rest))
    }

    fn copy(&self, bytes: &[u8], stored: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        // What of the region the block has.
        let mut part = region.clone();
        for axis in 0..part.count.len() {
            let left = stored.shape[axis].saturating_sub(part.start[axis]);
            part.count[axis] = part.count[axis].min(left.div_ceil(part.step[axis]));
        }
        let within = Region { count: part.count.clone(), ..Region::whole(out.shape()) };
        let is_all = part.count == region.count;
        if !is_all {
            out.fill(FillValue::zero(stored.dtype).as_bytes());
        }
        if part.count.contains(&0) {
            return Ok(());
        }
        let mut target = out.reborrow().region(&within);
        ELEMENTS.decode(bytes, stored, &part, &mut target)
    }
}

impl ArrayCodec for N5Block {
    fn name(&self) -> &'static str {
        self.compression.as_ref().map_or("raw", |codec| codec.name())
    }

    fn config(&self) -> Config {
        Config::new("n5_block")
            .with("shape", &self.shape[..])
            .with("compression", self.compression.as_ref().map(|codec| codec.config()))
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        if self.shape.iter().any(|&length| u32::try_from(length).is_err()) {
            return Err(Error::unsupported(format!("blocks of shape {:?}", self.shape)));
        }
        spec.byte_len().map(drop)
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&0u16.to_be_bytes());
        out.extend_from_slice(&(spec.shape.len() as u16).to_be_bytes());
        spec.shape.iter().for_each(|&length| out.extend_from_slice(&(length as u32).to_be_bytes()));
        let Some(compression) = &self.compression else { return ELEMENTS.encode(chunk, spec, out) };
        with_scratch(|plain| {
            plain.clear();
            ELEMENTS.encode(chunk, spec, plain)?;
            compression.encode(plain, out)
        })
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        let (shape, rest) = self.parse(bytes)?;
        let stored = ChunkSpec { dtype: spec.dtype, shape };
        let Some(compression) = &self.compression else { return self.copy(rest, &stored, region, out) };
        with_scratch(|plain| {
            let length = compression.decode(rest, stored.byte_len()?, plain)?;
            let plain = plain.get(..length).ok_or_else(|| Error::corrupt("fewer bytes than were decoded"))?;
            self.copy(plain, &stored, region, out)
        })
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        let whole = ChunkSpec { dtype: spec.dtype, shape: self.shape.clone() };
        let elements = whole.byte_len().unwrap_or(usize::MAX);
        let stored = self.compression.as_ref().map_or(elements, |codec| codec.max_encoded_len(elements));
        stored.saturating_add(8 + 4 * self.shape.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dtype::DataType;
    use crate::chunk::codec::Gzip;

    fn read(codec: &N5Block, bytes: &[u8], shape: &[usize]) -> Result<Vec<u8>> {
        let spec = ChunkSpec { dtype: DataType::U16, shape: Dims::from_slice(shape) };
        let mut out = vec![9; spec.byte_len()?];
        let mut view = ViewMut::dense(&mut out, shape, 2, Order::Fortran)?;
        codec.decode(bytes, &spec, &Region::whole(shape), &mut view)?;
        Ok(out)
    }

    #[test]
    fn blocks_of_any_size_up_to_the_whole() {
        let elements: Vec<u8> = (0..6u16).flat_map(u16::to_ne_bytes).collect();
        let spec = ChunkSpec { dtype: DataType::U16, shape: Dims::from_slice(&[3, 2]) };
        for compression in [None, Some(Arc::new(Gzip::new(6).unwrap()) as Arc<dyn BytesCodec>)] {
            let codec = N5Block::new(&[3, 4], compression);
            let mut bytes = Vec::new();
            codec
                .encode(&View::dense(&elements, &[3, 2], 2, Order::Fortran).unwrap(), &spec, &mut bytes)
                .unwrap();
            assert_eq!(bytes[..12], [0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2]);
            assert_eq!(read(&codec, &bytes, &[3, 2]).unwrap(), elements);
            assert_eq!(read(&codec, &bytes, &[3, 1]).unwrap(), elements[..6]);
            let larger = read(&codec, &bytes, &[3, 3]).unwrap();
            assert_eq!((&larger[..12], &larger[12..]), (&elements[..], &[0; 6][..]));
            for length in 0..bytes.len() {
                assert!(read(&codec, &bytes[..length], &[3, 2]).is_err(), "{length} bytes");
            }
            let counted = |count: u8| [&[0, 1], &bytes[2..12], &[0, 0, 0, count], &bytes[12..]].concat();
            assert_eq!(read(&codec, &counted(6), &[3, 2]).unwrap(), elements);
            assert!(read(&codec, &counted(5), &[3, 2]).unwrap_err().to_string().contains("varlength"));
            for (at, value) in [(1, 1), (1, 2), (1, 3), (3, 3), (7, 4), (4, 0x80)] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                assert!(read(&codec, &damaged, &[3, 2]).is_err(), "byte {at}");
            }
        }
    }
}
