//! `.npy`: NumPy's file of one dense array. <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
//!
//! The axes are those of NumPy's shape; nothing in the file names them, see [`usual_names`].
//!
//! ```text
//! \x93NUMPY │ major │ minor │ length: u16 (v1) or u32 (v2, v3) │ Python dict, padded, "\n" │ elements
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Opened;
use super::plain::{Dense, NewArray, PlainFormat, Target, is_file_with, usual_names};
use crate::buffer::Order;
use crate::domain::{Dims, Domain};
use crate::dtype::DataType;
use crate::error::{Error, Result};
use crate::store::io_error;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The longest dictionary that is read; one of 64 axes has fewer than 2 kB.
const LONGEST: usize = 64 << 10;
/// As many axes as NumPy allows.
const MOST_AXES: usize = 64;

/// What the header of a `.npy` file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of the elements.
    pub dtype: DataType,
    /// Whether their bytes are in big-endian order.
    pub big_endian: bool,
    /// How the elements follow each other.
    pub order: Order,
    /// NumPy's shape.
    pub shape: Vec<u64>,
    /// Where the elements start in the file.
    pub data_offset: u64,
}

/// NumPy's files.
pub const FORMAT: PlainFormat = PlainFormat {
    name: "npy",
    about: "NumPy array file",
    is_named: |path| is_file_with(path, &["npy"]),
    open,
};

/// Opens the array in the file at `path` for reading. As with NumPy, bytes after the last element
/// are ignored.
///
/// # Errors
/// `InvalidMetadata` if it is not a `.npy` file; `Unsupported` for element types such as objects,
/// strings and records; `CorruptData` if the file is shorter than its header says.
pub fn open(path: &Path) -> Result<Opened> {
    let failed = |error| io_error(error, "opening", path);
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take((LONGEST + 12) as u64).read_to_end(&mut start).map_err(failed)?;
    let at = |error: Error| error.during("opening").at(path.display().to_string());
    let header = parse_header(&start).map_err(at)?;
    let array = NewArray {
        dtype: header.dtype,
        domain: Domain::from_shape(&header.shape).map_err(at)?,
        dimension_names: usual_names(&header.shape, header.order),
        resolution: None,
    };
    let dense = Dense { array, order: header.order, big_endian: header.big_endian };
    dense.open("npy", path, header.data_offset).map_err(at)
}

/// Starts a new file at `path`, with little-endian elements in the given order.
pub fn create(path: &Path, array: NewArray, order: Order) -> Result<Target> {
    let header = header_bytes(array.dtype, array.domain.shape(), order)
        .map_err(|error| error.during("creating").at(path.display().to_string()))?;
    Dense { array, order, big_endian: false }.create("npy", path, &header)
}

/// The header of a file: magic string, version and dictionary, padded to a multiple of 64 bytes.
fn header_bytes(dtype: DataType, shape: &[u64], order: Order) -> Result<Vec<u8>> {
    if shape.len() > MOST_AXES {
        return Err(Error::invalid(format!("NumPy has at most {MOST_AXES} axes, not {}", shape.len())));
    }
    let lengths: String = shape.iter().map(|length| format!("{length},")).collect();
    let fortran = if order == Order::Fortran { "True" } else { "False" };
    let descr = descr(dtype);
    let mut dictionary =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({lengths}), }}");
    let total = (10 + dictionary.len() + 1).next_multiple_of(64);
    dictionary.extend(std::iter::repeat_n(' ', total - 10 - dictionary.len() - 1));
    dictionary.push('\n');
    let length = (dictionary.len() as u16).to_le_bytes();
    Ok([&MAGIC[..], &[1, 0], &length, dictionary.as_bytes()].concat())
}

fn descr(dtype: DataType) -> String {
    let kind = match dtype {
        DataType::Bool => return "|b1".into(),
        DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64 => 'i',
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => 'u',
        DataType::F16 | DataType::F32 | DataType::F64 => 'f',
    };
    format!("{}{kind}{}", if dtype.size() == 1 { '|' } else { '<' }, dtype.size())
}

/// Reads the header from the first bytes of a file.
///
/// # Errors
/// `InvalidMetadata` if it is damaged, `Unsupported` for element types that arrays do not have.
pub fn parse_header(start: &[u8]) -> Result<Header> {
    let cut = || Error::metadata("the file ends within its header");
    let Some(rest) = start.strip_prefix(MAGIC) else {
        return Err(Error::metadata("not a .npy file: it does not start with \\x93NUMPY"));
    };
    let (length, prefix) = match *rest {
        [1, 0, a, b, ..] => (usize::from(u16::from_le_bytes([a, b])), 10),
        [2 | 3, 0, a, b, c, d, ..] => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
        [major, minor, _, _, ..] => {
            return Err(Error::unsupported(format!("version {major}.{minor} of .npy; known are 1.0 to 3.0")));
        }
        _ => return Err(cut()),
    };
    if length > LONGEST {
        return Err(Error::metadata(format!("a header of {length} bytes is longer than any NumPy writes")));
    }
    let dictionary = start.get(prefix..prefix + length).ok_or_else(cut)?;
    let dictionary = std::str::from_utf8(dictionary)
        .map_err(|error| Error::metadata("the header is not text").caused_by(error))?;
    parse_dictionary(dictionary, (prefix + length) as u64)
}

fn parse_dictionary(text: &str, data_offset: u64) -> Result<Header> {
    let mut literal = Literal { rest: text };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    literal.expect('{')?;
    while !literal.accept('}') {
        let key = literal.string()?;
        literal.expect(':')?;
        let is_new = match key {
            "descr" => descr.replace(literal.descr()?).is_none(),
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
    let (dtype, big_endian) = descr.ok_or_else(|| missing("descr"))?;
    let fortran = fortran.ok_or_else(|| missing("fortran_order"))?;
    let shape = shape.ok_or_else(|| missing("shape"))?;
    let order = if fortran { Order::Fortran } else { Order::C };
    Ok(Header { dtype, big_endian, order, shape: shape.to_vec(), data_offset })
}

/// The part of a Python literal that is still to be read. Spaces between tokens are skipped.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn accept(&mut self, token: char) -> bool {
        self.rest = self.rest.trim_start();
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn expect(&mut self, token: char) -> Result<()> {
        if self.accept(token) { Ok(()) } else { Err(self.unexpected(&format!("{token:?}"))) }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        let found: String = self.rest.chars().take(20).collect();
        Error::metadata(format!("the header has {found:?} where {wanted} is expected"))
    }

    fn end(&mut self) -> Result<()> {
        if self.rest.trim().is_empty() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    fn string(&mut self) -> Result<&'a str> {
        for quote in ['\'', '"'] {
            if self.accept(quote) {
                let (text, rest) = self.rest.split_once(quote).ok_or_else(|| self.unexpected("a string"))?;
                self.rest = rest;
                return Ok(text);
            }
        }
        Err(self.unexpected("a string"))
    }

    fn boolean(&mut self) -> Result<bool> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    fn shape(&mut self) -> Result<Dims<u64>> {
        let mut shape = Dims::new();
        self.expect('(')?;
        while !self.accept(')') {
            self.rest = self.rest.trim_start();
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(digits);
            shape.push(number.parse().map_err(|_| self.unexpected("a length"))?);
            // Python 2 wrote long integers as `5L`.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if shape.len() > MOST_AXES {
                return Err(Error::metadata(format!("more than {MOST_AXES} axes")));
            }
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn descr(&mut self) -> Result<(DataType, bool)> {
        if self.accept('[') {
            return Err(Error::unsupported("structured elements; save each field as its own array"));
        }
        parse_descr(self.string()?)
    }
}

fn parse_descr(descr: &str) -> Result<(DataType, bool)> {
    let (big_endian, name) = match descr.as_bytes().first() {
        Some(b'<' | b'|') => (false, &descr[1..]),
        Some(b'>') => (true, &descr[1..]),
        Some(b'=') => (cfg!(target_endian = "big"), &descr[1..]),
        _ => (false, descr),
    };
    let dtype = match name {
        "b1" | "?" => Some(DataType::Bool),
        "f2" => Some(DataType::F16),
        "f4" => Some(DataType::F32),
        "f8" => Some(DataType::F64),
        "i1" | "i2" | "i4" | "i8" | "u1" | "u2" | "u4" | "u8" => {
            let bits = u32::from(name.as_bytes()[1] - b'0') * 8;
            format!("{}{bits}", &name[..1]).parse().ok()
        }
        _ => None,
    };
    dtype.map(|dtype| (dtype, big_endian)).ok_or_else(|| {
        let kind = match name.as_bytes().first() {
            Some(b'O') => "Python objects",
            Some(b'S' | b'U' | b'a') => "strings",
            Some(b'V') => "records or raw bytes",
            Some(b'M' | b'm') => "dates or time spans",
            Some(b'c') => "complex numbers",
            _ => "elements of this type",
        };
        Error::unsupported(format!("{kind} ({descr:?}); convert them to a type such as uint8 or float32"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::plain::tests::{new_array, read_all, write_all};
    use super::*;
    use crate::error::ErrorKind;

    fn header(dictionary: &str) -> Vec<u8> {
        let length = (dictionary.len() as u16).to_le_bytes();
        [&MAGIC[..], &[1, 0], &length, dictionary.as_bytes()].concat()
    }

    #[test]
    fn headers_survive_and_every_damage_is_an_error() {
        for dtype in DataType::ALL {
            for shape in [&[][..], &[5], &[0, 3], &[7; 64]] {
                let bytes = header_bytes(dtype, shape, Order::Fortran).unwrap();
                assert_eq!(bytes.len() % 64, 0);
                let parsed = parse_header(&bytes).unwrap();
                assert_eq!((parsed.dtype, &parsed.shape[..], parsed.order), (dtype, shape, Order::Fortran));
                assert_eq!(parsed.data_offset as usize, bytes.len());
                for cut in 0..bytes.len() {
                    assert!(parse_header(&bytes[..cut]).is_err());
                }
            }
        }
        let v3 = b"\x93NUMPY\x03\x00\x3a\x00\x00\x00{\"shape\":(2L,3),'fortran_order':False,'descr':'>f8',}      \n";
        let parsed = parse_header(v3).unwrap();
        assert!(parsed.big_endian && parsed.data_offset == 70 && parsed.shape == [2, 3]);
    }

    #[test]
    fn strange_headers_are_refused_by_name() {
        let refuse = |descr: &str, rest: &str| {
            parse_header(&header(&format!("{{'descr': {descr}, {rest}}}\n"))).unwrap_err()
        };
        let good = "'fortran_order': False, 'shape': (3,)";
        for (descr, word) in [
            ("'|O'", "objects"),
            ("'<U5'", "strings"),
            ("[('a', '<i4')]", "structured"),
            ("'<c16'", "complex"),
            ("'<M8[ns]'", "dates"),
        ] {
            let error = refuse(descr, good);
            assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains(word), "{error}");
        }
        for bad in [
            "'shape': (3,)",
            "'fortran_order': 0, 'shape': (3,)",
            "'fortran_order': False, 'shape': (-3,)",
            "'fortran_order': False, 'shape': (99999999999999999999,)",
            "'fortran_order': False, 'shape': (3,), 'shape': (3,)",
            "'fortran_order': False, 'shape': (3,), 'x': 1",
            "'fortran_order': False, 'shape': (3,)} {",
        ] {
            assert_eq!(refuse("'<f4'", bad).kind(), ErrorKind::InvalidMetadata, "{bad}");
        }
    }

    #[test]
    fn round_trips_and_short_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.npy");
        let elements: Vec<u8> = (0..5 * 6 * 7 * 4).map(|k| k as u8).collect();
        for order in [Order::C, Order::Fortran] {
            let target = create(&path, new_array(DataType::F32, &[5, 6, 7]), order).unwrap();
            write_all(&target.layout, &*target.store, &elements).unwrap();
            target.finish(false).unwrap();
            let opened = open(&path).unwrap();
            assert_eq!(read_all(&opened.layout, &*opened.store).unwrap(), elements);
        }
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(open(&path).unwrap_err().kind(), ErrorKind::CorruptData);
        std::fs::write(&path, [&bytes[..], b"more"].concat()).unwrap();
        assert!(open(&path).is_ok());
        std::fs::write(&path, header_bytes(DataType::U8, &[u64::MAX, 3], Order::C).unwrap()).unwrap();
        assert!(open(&path).is_err());
    }
}
