//! Raw binary files: dense elements, described by the caller rather than by the file.

use std::path::Path;

use crate::base::buffer::Order;
use crate::base::error::Result;
use crate::format::Opened;
use crate::format::files::plain::{Dense, NewArray, Target};

/// How the elements lie in a raw file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFile {
    /// How they follow each other.
    pub order: Order,
    /// Whether their bytes are in big-endian order.
    pub big_endian: bool,
    /// Where the first starts. A new file has zeros before it.
    pub header: u32,
}

impl RawFile {
    /// Opens the array that `array` describes in the file at `path`, for reading. Further bytes at the
    /// end of the file are ignored.
    ///
    /// # Errors
    /// `CorruptData` if the file is shorter than the description says.
    pub fn open(self, path: &Path, array: NewArray) -> Result<Opened> {
        Dense { array, order: self.order, big_endian: self.big_endian }.open("raw", path, self.header.into())
    }

    /// Starts a new file at `path`.
    pub fn create(self, path: &Path, array: NewArray) -> Result<Target> {
        let header = vec![0; self.header as usize];
        Dense { array, order: self.order, big_endian: self.big_endian }.create("raw", path, &header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dtype::DataType;
    use crate::format::files::plain::tests::{new_array, read_all, write_all};

    #[test]
    fn big_endian_behind_a_header() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.raw");
        let raw = RawFile { order: Order::Fortran, big_endian: true, header: 3 };
        let array = new_array(DataType::U16, &[2, 3]);
        let elements: Vec<u8> = (0..6u16).flat_map(u16::to_ne_bytes).collect();
        let target = raw.create(&path, array.clone()).unwrap();
        write_all(&target.layout, &*target.store, &elements).unwrap();
        target.finish(false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 5]);
        let opened = raw.open(&path, array).unwrap();
        assert_eq!(read_all(&opened.layout, &*opened.store).unwrap(), elements);
        assert!(raw.open(&path, new_array(DataType::U16, &[2, 4])).is_err());
    }
}
