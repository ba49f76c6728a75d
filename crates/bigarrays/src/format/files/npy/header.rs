//! The header of a `.npy` file, and the room in it for longer shapes.
//!
//! ```text
//! \x93NUMPY │ major │ minor │ length: u16 (v1) or u32 (v2, v3) │ Python dict, padded, "\n" │ elements
//! ```
//! New headers have room for 20 digits on each axis, so that any shape can be written in place later.

use std::io::{self, Read};

use crate::base::buffer::Order;
use crate::base::error::{Error, Result};
use crate::format::files::npy::descr::Descr;
use crate::format::files::npy::literal::{Literal, MOST_AXES};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The longest dictionary that is read; one of 64 axes has fewer than 2 kB.
const LONGEST: usize = 64 << 10;
/// As many bytes of a file as a header can have.
pub(crate) const LONGEST_HEADER: usize = LONGEST + 12;
/// Digits of the largest length.
const DIGITS: usize = 20;

/// What the header of a `.npy` file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What one element is.
    pub descr: Descr,
    /// How the elements follow each other.
    pub order: Order,
    /// NumPy's shape.
    pub shape: Vec<u64>,
    /// Where the elements start in the file.
    pub data_offset: u64,
    /// The major version of the header: 1, 2 or 3.
    version: u8,
}

impl Header {
    /// The header of a new file.
    ///
    /// # Errors
    /// `InvalidArgument` if there are more axes than NumPy has or the type's description is too long.
    pub fn new(descr: Descr, order: Order, shape: &[u64]) -> Result<Self> {
        if shape.len() > MOST_AXES {
            return Err(Error::invalid(format!("NumPy has at most {MOST_AXES} axes, not {}", shape.len())));
        }
        let mut header = Self { descr, order, shape: shape.to_vec(), data_offset: 0, version: 1 };
        let now: usize = shape.iter().map(|length| length.to_string().len()).sum();
        let longest = header.dictionary().len() + shape.len() * DIGITS - now + 1;
        if longest > LONGEST {
            return Err(Error::invalid("the description of the element type is too long"));
        }
        if longest + 10 + 64 > usize::from(u16::MAX) {
            header.version = 2;
        }
        header.data_offset = (header.prefix() + longest).next_multiple_of(64) as u64;
        Ok(header)
    }

    /// Reads the header from the first bytes of a file.
    ///
    /// # Errors
    /// `InvalidMetadata` if it is damaged, `Unsupported` for types that files here cannot have.
    pub fn parse(start: &[u8]) -> Result<Self> {
        let cut = || Error::metadata("the file ends within its header");
        let Some(rest) = start.strip_prefix(MAGIC) else {
            return Err(Error::metadata("not a .npy file: it does not start with \\x93NUMPY"));
        };
        let (version, length, prefix) = match *rest {
            [1, 0, a, b, ..] => (1, usize::from(u16::from_le_bytes([a, b])), 10),
            [version @ (2 | 3), 0, a, b, c, d, ..] => {
                (version, u32::from_le_bytes([a, b, c, d]) as usize, 12)
            }
            [major, minor, _, _, ..] => {
                return Err(Error::unsupported(format!(
                    "version {major}.{minor} of .npy; known are 1.0 to 3.0"
                )));
            }
            _ => return Err(cut()),
        };
        if length > LONGEST {
            return Err(Error::metadata(format!(
                "a header of {length} bytes is longer than any NumPy writes"
            )));
        }
        let dictionary = start.get(prefix..prefix + length).ok_or_else(cut)?;
        let dictionary = std::str::from_utf8(dictionary)
            .map_err(|error| Error::metadata("the header is not text").caused_by(error))?;
        parse_dictionary(dictionary, (prefix + length) as u64, version)
    }

    /// Reads the header that `reader` begins with, and nothing behind it.
    ///
    /// # Errors
    /// Those of `reader`; within, those of [`Header::parse`].
    pub fn read(reader: &mut dyn Read) -> io::Result<Result<Self>> {
        let mut start = Vec::with_capacity(128);
        let mut more = |start: &mut Vec<u8>, wanted: usize| {
            reader.take((wanted.saturating_sub(start.len())) as u64).read_to_end(start).map(drop)
        };
        more(&mut start, 12)?;
        let wanted = match start[..] {
            [_, _, _, _, _, _, 1, _, a, b, ..] => 10 + usize::from(u16::from_le_bytes([a, b])),
            [_, _, _, _, _, _, _, _, a, b, c, d, ..] => 12 + u32::from_le_bytes([a, b, c, d]) as usize,
            _ => 0,
        };
        more(&mut start, wanted.min(LONGEST_HEADER))?;
        Ok(Self::parse(&start))
    }

    /// The bytes of the header, exactly [`Header::data_offset`] of them.
    ///
    /// # Errors
    /// `Unsupported` if the shape does not fit into the room that the file's header has.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let room = self.data_offset as usize - self.prefix();
        let mut dictionary = self.dictionary();
        if dictionary.len() + 1 > room {
            let shape = &self.shape;
            return Err(Error::unsupported(format!(
                "the file's header has no room for the shape {shape:?}; copy the array into a new file"
            )));
        }
        dictionary.extend(std::iter::repeat_n(' ', room - dictionary.len() - 1));
        dictionary.push('\n');
        let length = (room as u32).to_le_bytes();
        let length = if self.version == 1 { &length[..2] } else { &length[..] };
        Ok([&MAGIC[..], &[self.version, 0], length, dictionary.as_bytes()].concat())
    }

    /// Bytes of all elements.
    ///
    /// # Errors
    /// `InvalidArgument` if no file holds as many.
    pub fn data_len(&self) -> Result<u64> {
        let product = |product: u64, &length: &u64| product.checked_mul(length);
        let bytes = self.shape.iter().try_fold(self.descr.size(), product);
        let fits =
            |&bytes: &u64| bytes.checked_add(self.data_offset).is_some_and(|end| end <= i64::MAX as u64);
        bytes.filter(fits).ok_or_else(|| {
            let (shape, descr) = (&self.shape, self.descr.text());
            Error::invalid(format!("an array of shape {shape:?} of {descr} is more than a file can hold"))
        })
    }

    fn prefix(&self) -> usize {
        if self.version == 1 { 10 } else { 12 }
    }

    fn dictionary(&self) -> String {
        let shape = match &self.shape[..] {
            [length] => format!("{length},"),
            shape => shape.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
        };
        let fortran = if self.order == Order::Fortran { "True" } else { "False" };
        let descr = self.descr.text();
        format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': ({shape}), }}")
    }
}

fn parse_dictionary(text: &str, data_offset: u64, version: u8) -> Result<Header> {
    let mut literal = Literal::new(text);
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    literal.expect('{')?;
    while !literal.accept('}') {
        let key = literal.string()?;
        literal.expect(':')?;
        let is_new = match key {
            "descr" => descr.replace(Descr::take(&mut literal)?).is_none(),
            "fortran_order" => fortran.replace(literal.boolean()?).is_none(),
            "shape" => shape.replace(literal.shape()?).is_none(),
            _ => return Err(Error::metadata(format!("the header has an unknown entry {key:?}"))),
        };
        if !is_new {
            return Err(Error::metadata(format!("the header says {key:?} twice")));
        }
        if !literal.accept(',') {
            literal.expect('}')?;
            break;
        }
    }
    literal.end()?;
    let missing = |key: &str| Error::metadata(format!("the header says no {key:?}"));
    let fortran = fortran.ok_or_else(|| missing("fortran_order"))?;
    Ok(Header {
        descr: descr.ok_or_else(|| missing("descr"))?,
        order: if fortran { Order::Fortran } else { Order::C },
        shape: shape.ok_or_else(|| missing("shape"))?.to_vec(),
        data_offset,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dtype::DataType;
    use crate::base::error::ErrorKind;

    fn file(dictionary: &str) -> Vec<u8> {
        let length = (dictionary.len() as u16).to_le_bytes();
        [&MAGIC[..], &[1, 0], &length, dictionary.as_bytes()].concat()
    }

    #[test]
    fn headers_survive_and_every_damage_is_an_error() {
        for dtype in DataType::ALL {
            for shape in [&[][..], &[5], &[0, 3], &[7; 64]] {
                let header = Header::new(Descr::of(dtype), Order::Fortran, shape).unwrap();
                let bytes = header.to_bytes().unwrap();
                assert_eq!(bytes.len() % 64, 0);
                assert_eq!(bytes.len() as u64, header.data_offset);
                assert_eq!(Header::parse(&bytes).unwrap(), header);
                for cut in 0..bytes.len() {
                    assert!(Header::parse(&bytes[..cut]).is_err());
                }
            }
        }
        let v3 = b"\x93NUMPY\x03\x00\x3a\x00\x00\x00{\"shape\":(2L,3),'fortran_order':False,'descr':'>f8',}      \n";
        let parsed = Header::parse(v3).unwrap();
        assert!(parsed.descr.element().unwrap().1 && parsed.data_offset == 70 && parsed.shape == [2, 3]);
    }

    #[test]
    fn any_shape_fits_into_the_room() {
        let mut header = Header::new(Descr::of(DataType::U8), Order::C, &[0, 1, 2]).unwrap();
        header.shape = vec![u64::MAX; 3];
        let bytes = header.to_bytes().unwrap();
        assert_eq!(Header::parse(&bytes).unwrap(), header);
        assert!(header.data_len().is_err());
        let mut narrow =
            Header::parse(&file("{'descr':'|u1','fortran_order':False,'shape':(9,)}\n")).unwrap();
        narrow.shape = vec![1 << 40];
        assert_eq!(narrow.to_bytes().unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn strange_headers_are_refused() {
        for bad in [
            "'shape': (3,)",
            "'fortran_order': 0, 'shape': (3,)",
            "'fortran_order': False, 'shape': (-3,)",
            "'fortran_order': False, 'shape': (99999999999999999999,)",
            "'fortran_order': False, 'shape': (3,), 'shape': (3,)",
            "'fortran_order': False, 'shape': (3,), 'x': 1",
            "'fortran_order': False, 'shape': (3,)} {",
        ] {
            let error = Header::parse(&file(&format!("{{'descr': '<f4', {bad}}}\n"))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidMetadata, "{bad}");
        }
    }
}
