//! `blosclz`: Blosc 1 with its own BloscLZ, as BigArrays.jl writes it.

use blosc_src as sys;

use super::BytesCodec;
use crate::buffer::first_bytes;
use crate::error::{Error, Result};

/// Blosc 1 with BloscLZ and shuffled bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blosc {
    typesize: usize,
    level: u8,
}

impl Blosc {
    /// The level that is written where none is asked for.
    pub const DEFAULT_LEVEL: u8 = 5;

    /// Blosc of elements of `typesize` bytes, written with effort `level`, 0 to 9.
    ///
    /// # Errors
    /// `InvalidArgument` for another level or a typesize outside 1 to 255.
    pub fn new(typesize: usize, level: u8) -> Result<Self> {
        match (typesize, level) {
            (1..=255, 0..=9) => Ok(Self { typesize, level }),
            _ => Err(Error::invalid(format!(
                "blosc level {level} is not in 0 to 9 or typesize {typesize} not in 1 to 255"
            ))),
        }
    }
}

impl BytesCodec for Blosc {
    fn name(&self) -> &'static str {
        "blosclz"
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if bytes.len() > sys::BLOSC_MAX_BUFFERSIZE as usize {
            return Err(Error::unsupported("blosc holds chunks below 2 GiB; choose a smaller chunk"));
        }
        let start = out.len();
        out.resize(start + bytes.len() + sys::BLOSC_MAX_OVERHEAD as usize, 0);
        let target = &mut out[start..];
        // SAFETY: pointers and lengths are those of slices that do not overlap; the name is a C string.
        let length = unsafe {
            sys::blosc_compress_ctx(
                self.level.into(),
                sys::BLOSC_SHUFFLE as i32,
                self.typesize,
                bytes.len(),
                bytes.as_ptr().cast(),
                target.as_mut_ptr().cast(),
                target.len(),
                sys::BLOSC_BLOSCLZ_COMPNAME.as_ptr().cast(),
                0,
                1,
            )
        };
        match usize::try_from(length) {
            Ok(length) if length > 0 => {
                out.truncate(start + length);
                Ok(())
            }
            _ => Err(Error::invalid(format!("cannot compress: blosc says {length}"))),
        }
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        let mut length = 0;
        // SAFETY: pointer and length are those of a slice.
        if unsafe { sys::blosc_cbuffer_validate(bytes.as_ptr().cast(), bytes.len(), &mut length) } != 0 {
            return Err(Error::corrupt("blosc: damaged or truncated"));
        }
        if length > max_len {
            return Err(Error::corrupt(format!("blosc: {length} bytes instead of at most {max_len}")));
        }
        if length == 0 {
            return Ok(0);
        }
        let target = first_bytes(out, length);
        // SAFETY: the header was validated against the slice's length, which makes decoding safe; the
        // target has the length that is passed.
        let written = unsafe {
            sys::blosc_decompress_ctx(bytes.as_ptr().cast(), target.as_mut_ptr().cast(), length, 1)
        };
        match usize::try_from(written) {
            Ok(written) if written == length => Ok(length),
            _ => Err(Error::corrupt("blosc: damaged, or compressed by another codec than blosclz")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hostile;
    use super::*;

    #[test]
    fn shuffles_elements() {
        let values: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
        let size = |typesize| {
            let mut bytes = Vec::new();
            Blosc::new(typesize, 5).unwrap().encode(&values, &mut bytes).unwrap();
            let mut out = Vec::new();
            assert_eq!(
                Blosc::new(1, 5).unwrap().decode(&bytes, values.len(), &mut out).unwrap(),
                values.len()
            );
            assert_eq!(out, values);
            bytes.len()
        };
        assert!(size(4) * 4 < size(1));
    }

    #[test]
    fn hostile_bytes() {
        hostile::bytes_codec(&Blosc::new(4, 5).unwrap());
    }
}
