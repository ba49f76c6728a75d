//! Python's marshal, as far as headers need it: `[dtype, (length, …)]`.

use crate::base::error::{Error, Result};

/// More axes than NumPy has are no shape.
const MOST_AXES: u32 = 64;
/// The bit that has Python remember an object.
const REMEMBERED: u8 = 0x80;

/// Reads the name of a type and a shape.
///
/// # Errors
/// `InvalidMetadata` for anything else.
pub fn parse_header(bytes: &[u8]) -> Result<(String, Vec<u64>)> {
    let mut reader = Reader { rest: bytes };
    match reader.kind()? {
        b'[' | b'(' if reader.u32()? == 2 => {}
        b')' if reader.byte()? == 2 => {}
        _ => return Err(unexpected("a list of two")),
    }
    let dtype = reader.string()?;
    let axes = match reader.kind()? {
        b'[' | b'(' => reader.u32()?,
        b')' => u32::from(reader.byte()?),
        _ => return Err(unexpected("a shape")),
    };
    if axes > MOST_AXES {
        return Err(unexpected("a shape"));
    }
    let shape = (0..axes).map(|_| reader.length()).collect::<Result<_>>()?;
    if reader.rest.is_empty() { Ok((dtype, shape)) } else { Err(unexpected("the end")) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| unexpected("more"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn kind(&mut self) -> Result<u8> {
        Ok(self.byte()? & !REMEMBERED)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(self.take(4)?.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)))
    }

    fn string(&mut self) -> Result<String> {
        let length = match self.kind()? {
            b'z' | b'Z' => usize::from(self.byte()?),
            b'a' | b'A' | b'u' | b't' | b's' => self.u32()? as usize,
            _ => return Err(unexpected("the name of a type")),
        };
        let text = std::str::from_utf8(self.take(length)?);
        Ok(text.map_err(|_| unexpected("the name of a type"))?.to_owned())
    }

    fn length(&mut self) -> Result<u64> {
        match self.kind()? {
            b'i' => u64::try_from(self.u32()?.cast_signed()).map_err(|_| unexpected("a length")),
            // Digits of 15 bits, as many as the number before them says.
            b'l' => {
                let digits = self.u32()?.cast_signed();
                if !(0..=5).contains(&digits) {
                    return Err(unexpected("a length"));
                }
                let mut value = 0u128;
                for k in 0..digits {
                    let digit = u128::from(u16::from_le_bytes([self.byte()?, self.byte()?]) & 0x7fff);
                    value |= digit << (15 * k);
                }
                u64::try_from(value).map_err(|_| unexpected("a length"))
            }
            _ => Err(unexpected("a length")),
        }
    }
}

#[cold]
fn unexpected(wanted: &str) -> Error {
    Error::metadata(format!("the header is not as bigarray writes it: {wanted} is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_versions() {
        // marshal.dumps(["float64", (2**40, 0)], version) of Python 3.11, versions 2 and 4.
        let two = b"[\x02\x00\x00\x00u\x07\x00\x00\x00float64(\x02\x00\x00\x00l\x03\x00\x00\x00\x00\x00\x00\x00\x00\x04i\x00\x00\x00\x00";
        let four = b"\xdb\x02\x00\x00\x00\xda\x07float64\xa9\x02\xec\x03\x00\x00\x00\x00\x00\x00\x00\x00\x04\xe9\x00\x00\x00\x00";
        for bytes in [&two[..], four] {
            assert_eq!(parse_header(bytes).unwrap(), ("float64".to_owned(), vec![1 << 40, 0]));
            for cut in 0..bytes.len() {
                assert!(parse_header(&bytes[..cut]).is_err());
            }
        }
        assert!(parse_header(b"[\x02\x00\x00\x00z\x02i4)\x01i\xff\xff\xff\xff").is_err());
        assert!(parse_header(b"[\x02\x00\x00\x00z\x02i4(\xff\xff\xff\xff").is_err());
        assert!(parse_header(b"c").is_err());
    }
}
