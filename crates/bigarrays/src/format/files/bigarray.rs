//! Files of Python's `bigarray` (PyPI, up to 0.2.2): `MmapArray` and `PointerArray`, read-only.
//!
//! ```text
//! "mmapdata" │ length, 8 ASCII digits │ marshal: [dtype, shape] │ … │ elements │ pickle: {name: (start, end)} │ its length, u64 big-endian
//! ```
//! The elements start at the first multiple of their size from byte 502 on, in C order. What follows them
//! is there in files of `PointerArray` only. Nothing in a file is executed: marshal and pickle are read by
//! parsers that know what these files hold, and refuse everything else.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use crate::base::buffer::Order;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::format::files::npy::{Descr, Header};
use crate::format::files::plain::{Dense, NewArray, PlainFormat, usual_names};
use crate::format::traits::Opened;
use crate::store::io_error;

mod marshal;
mod pickle;

pub use marshal::parse_header as parse_marshal;
pub use pickle::parse_index as parse_pickle;

const MAGIC: &[u8; 8] = b"mmapdata";
/// Bytes before the elements, to be rounded up.
const BEFORE: u64 = 502;

/// Files of Python's `bigarray`.
pub const FORMAT: PlainFormat = PlainFormat {
    name: "bigarray",
    about: "MmapArray or PointerArray file of Python's bigarray",
    is_named: is_one,
    open,
    names: Some(|path| read_names(path).map(|names| names.len() as u64)),
    writes: false,
};

/// Whether the file at `path` is of Python's `bigarray`, by its first bytes.
pub fn is_one(path: &Path) -> bool {
    let mut start = [0; 8];
    path.is_file()
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok() && start == *MAGIC)
}

/// What the file at `path` holds, as a `.npy` file would say it.
///
/// # Errors
/// `InvalidMetadata` if it is not such a file; `Unsupported` for element types without a name here.
pub fn read_header(path: &Path) -> Result<Header> {
    let mut start = Vec::new();
    let failed = |error| io_error(error, "opening", path);
    File::open(path).map_err(failed)?.take(BEFORE).read_to_end(&mut start).map_err(failed)?;
    parse_header(&start).map_err(|error| error.during("opening").at(path.display().to_string()))
}

/// Reads the header from the first 502 bytes of a file.
///
/// # Errors
/// Those of [`read_header`].
pub fn parse_header(start: &[u8]) -> Result<Header> {
    let Some((length, rest)) = start.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<8>())
    else {
        return Err(Error::metadata("not a file of Python's bigarray: it does not start with mmapdata"));
    };
    let length = std::str::from_utf8(length).ok().and_then(|length| length.trim().parse::<usize>().ok());
    let header = length.and_then(|length| rest.get(..length));
    let (dtype, shape) = parse_marshal(header.ok_or_else(|| Error::metadata("the header is cut short"))?)?;
    let descr = match dtype.parse::<DataType>() {
        Ok(dtype) => Descr::of(dtype),
        Err(_) if dtype.contains(['\'', '"', '\\']) => {
            return Err(Error::unsupported(format!("elements of type {dtype:?}")));
        }
        Err(_) => Descr::parse(&format!("'{dtype}'"))?,
    };
    let size = descr.size().max(1);
    let mut header = Header::new(descr, Order::C, &shape)?;
    header.data_offset = BEFORE.next_multiple_of(size);
    Ok(header)
}

/// Opens the array in the file at `path`, for reading.
///
/// # Errors
/// Those of [`read_header`]; `CorruptData` if the file is shorter than it says.
pub fn open(path: &Path) -> Result<Opened> {
    let header = read_header(path)?;
    let at = |error: Error| error.during("opening").at(path.display().to_string());
    let (dtype, big_endian) = header.descr.element().map_err(at)?;
    let array = NewArray {
        dtype,
        domain: Domain::from_shape(&header.shape).map_err(at)?,
        axis_names: usual_names(&header.shape, Order::C),
        resolution: None,
    };
    Dense { array, order: Order::C, big_endian }.open("bigarray", path, header.data_offset).map_err(at)
}

/// The names in the file at `path`, in its order, and the rows that each means; none in files of
/// `MmapArray`.
///
/// # Errors
/// `InvalidMetadata` if what follows the elements is not such an index, or one of rows that are not
/// there; `CorruptData` if the file is cut short.
pub fn read_names(path: &Path) -> Result<Vec<(String, Range<u64>)>> {
    let header = read_header(path)?;
    let at = |error: Error| error.during("reading names of").at(path.display().to_string());
    let failed = |error| io_error(error, "reading names of", path);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let data_end = header.data_offset + header.data_len().map_err(at)?;
    if length < data_end {
        return Err(at(Error::corrupt("the file is shorter than its header says")));
    }
    if length == data_end {
        return Ok(Vec::new());
    }
    let cut = || at(Error::metadata("what follows the elements is no index"));
    let end = length.checked_sub(8).filter(|&end| end >= data_end).ok_or_else(cut)?;
    file.seek(SeekFrom::Start(end)).map_err(failed)?;
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(failed)?;
    let size = u64::from_be_bytes(size);
    let start = end.checked_sub(size).filter(|&start| start >= data_end).ok_or_else(cut)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes).map_err(failed)?;
    let names = parse_pickle(&bytes).map_err(at)?;
    let rows = header.shape.first().copied().unwrap_or(0);
    match names.iter().find(|(_, range)| range.start > range.end || range.end > rows) {
        Some((name, range)) => {
            let reason = format!("{name:?} means rows {}:{} of {rows}", range.start, range.end);
            Err(at(Error::metadata(reason)))
        }
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;
    use crate::format::files::plain::tests::read_all;

    /// As `bigarray` 0.2.2 writes `{"a": (0, 2), "ü": (2, 3)}` of a (3, 2) array of int16 on Python 3.11.
    fn pointer_array() -> Vec<u8> {
        let marshal = b"\xdb\x02\x00\x00\x00\xda\x05int16\xa9\x02\xe9\x03\x00\x00\x00\xe9\x02\x00\x00\x00";
        let mut bytes = [&MAGIC[..], format!("{:8}", marshal.len()).as_bytes(), marshal].concat();
        bytes.resize(502, 0);
        bytes.extend((0..6i16).flat_map(i16::to_le_bytes));
        let pickle = b"\x80\x04\x95\x17\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94K\x00K\x02\x86\x94\x8c\x02\xc3\xbc\x94K\x02K\x03\x86\x94u.";
        bytes.extend_from_slice(pickle);
        bytes.extend((pickle.len() as u64).to_be_bytes());
        bytes
    }

    #[test]
    fn elements_and_names_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old");
        std::fs::write(&path, pointer_array()).unwrap();
        assert!(is_one(&path));
        let opened = open(&path).unwrap();
        assert_eq!(opened.layout.domain().shape(), [3, 2]);
        let expected: Vec<u8> = (0..6i16).flat_map(i16::to_ne_bytes).collect();
        assert_eq!(read_all(&opened.layout, &*opened.store).unwrap(), expected);
        assert_eq!(read_names(&path).unwrap(), [("a".to_owned(), 0..2), ("ü".to_owned(), 2..3)]);
        std::fs::write(&path, &pointer_array()[..514]).unwrap();
        assert_eq!(read_names(&path).unwrap(), []);
    }

    #[test]
    fn every_cut_and_much_damage_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old");
        let good = pointer_array();
        for cut in (0..good.len()).filter(|&cut| cut != 514) {
            std::fs::write(&path, &good[..cut]).unwrap();
            assert!(read_names(&path).is_err(), "{cut}");
        }
        let mut far = good;
        *far.iter_mut().rev().nth(8 + 4).unwrap() = 9;
        std::fs::write(&path, far).unwrap();
        assert_eq!(read_names(&path).unwrap_err().kind(), ErrorKind::InvalidMetadata);
    }
}
