//! `.npy`: NumPy's file of one dense array. <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
//!
//! The axes are those of NumPy's shape; nothing in the file names them, see [`usual_names`]. What
//! exists is changed in place; arrays that grow, and their rows' names, are in [`flat`](crate::flat).

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::base::buffer::Order;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::files::plain::{Dense, NewArray, Target, is_file_with, no_file, usual_names};
use crate::format::holds::Holds;
use crate::format::probe::Probe;
use crate::format::spec::CreateSpec;
use crate::format::traits::{Abilities, Create, Format, FormatOptions, Opened};
use crate::store::{Store, StoreOptions, io_error, open_regular};

mod descr;
mod header;
mod literal;

pub use descr::Descr;
pub use header::Header;
pub(crate) use header::LONGEST_HEADER;

/// NumPy's files.
#[derive(Debug)]
pub struct Npy;

impl Format for Npy {
    fn name(&self) -> &'static str {
        "npy"
    }

    fn about(&self) -> &'static str {
        "NumPy array file"
    }

    fn abilities(&self) -> Abilities {
        Abilities { reads: true, writes: true }
    }

    fn open(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<Opened>> {
        let is_named = options.format.is_some();
        match probe.path() {
            Some(path) if is_named || is_file_with(path, &["npy"]) => {
                open_with(path, &options.store).map(Some)
            }
            None if is_named => Err(no_file(self.name(), probe.store())),
            _ => Ok(None),
        }
    }

    fn is_flat(&self) -> bool {
        true
    }

    fn creates(&self) -> Option<&dyn Create> {
        Some(self)
    }
}

impl Create for Npy {
    fn holds(&self) -> &'static Holds {
        &Holds::PLAIN
    }

    fn create(&self, store: &Arc<dyn Store>, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
        let path = store.local_path().ok_or_else(|| no_file(self.name(), store))?;
        if path.exists() {
            let message = "there is a file of this name";
            return Err(Error::new(ErrorKind::AlreadyExists, message).at(path.display().to_string()));
        }
        expect_nothing_beside(path)?;
        let array = NewArray {
            dtype: spec.array.dtype,
            domain: spec.array.domain.clone(),
            axis_names: usual_names(spec.array.domain.shape(), Order::C),
            resolution: None,
        };
        create(path, array, Order::C)?.finish(options.store.durable)?;
        open_with(path, &options.store)
    }
}

/// An error if something lies where a flat array would look for its names and reservations: those of an array
/// that is gone would be taken for the new one's.
fn expect_nothing_beside(path: &Path) -> Result<()> {
    for suffix in [".index", ".pending"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        if std::fs::symlink_metadata(&beside).is_ok() {
            let reason =
                "this is kept beside an array of that name, which is not there; remove it, or move it away";
            let at = Path::new(&beside).display().to_string();
            return Err(Error::new(ErrorKind::Storage, reason).during("creating").at(at));
        }
    }
    Ok(())
}

/// Opens the array in the file at `path` for reading. As with NumPy, bytes after the last element
/// are ignored.
///
/// # Errors
/// `InvalidMetadata` if it is not a `.npy` file; `Unsupported` for element types such as objects,
/// strings and records; `CorruptData` if the file is shorter than its header says.
pub fn open(path: &Path) -> Result<Opened> {
    open_with(path, &StoreOptions { read_only: true, ..StoreOptions::default() })
}

/// As [`open`]; writable unless the options say otherwise.
fn open_with(path: &Path, options: &StoreOptions) -> Result<Opened> {
    let failed = |error| io_error(error, "opening", path);
    let at = |error: Error| error.during("opening").at(path.display().to_string());
    let mut start = Vec::new();
    open_regular(path, false)
        .map_err(failed)?
        .take(LONGEST_HEADER as u64)
        .read_to_end(&mut start)
        .map_err(failed)?;
    let header = parse_header(&start).map_err(at)?;
    let (dtype, big_endian) = header.descr.element().map_err(at)?;
    let array = NewArray {
        dtype,
        domain: Domain::from_shape(&header.shape).map_err(at)?,
        axis_names: usual_names(&header.shape, header.order),
        resolution: None,
    };
    let dense = Dense { array, order: header.order, big_endian };
    dense.open_with("npy", path, header.data_offset, options).map_err(at)
}

/// Starts a new file at `path`, with little-endian elements in the given order.
pub fn create(path: &Path, array: NewArray, order: Order) -> Result<Target> {
    let header = Header::new(Descr::of(array.dtype), order, array.domain.shape())
        .and_then(|header| header.to_bytes())
        .map_err(|error| error.during("creating").at(path.display().to_string()))?;
    Dense { array, order, big_endian: false }.create("npy", path, &header)
}

/// Reads the header from the first bytes of a file.
///
/// # Errors
/// Those of [`Header::parse`].
pub fn parse_header(start: &[u8]) -> Result<Header> {
    Header::parse(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dtype::DataType;
    use crate::format::files::plain::tests::{new_array, read_all, write_all};

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
        let vast = Header::new(Descr::of(DataType::U8), Order::C, &[u64::MAX, 3]).unwrap();
        std::fs::write(&path, vast.to_bytes().unwrap()).unwrap();
        assert!(open(&path).is_err());
    }

    #[test]
    fn what_exists_is_changed_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.npy");
        create(&path, new_array(DataType::U16, &[5, 6]), Order::C).unwrap().finish(false).unwrap();
        let before = std::fs::metadata(&path).unwrap().len();
        let elements: Vec<u8> = (1..=60).collect();
        let opened = open_with(&path, &StoreOptions::default()).unwrap();
        write_all(&opened.layout, &*opened.store, &elements).unwrap();
        let opened = open(&path).unwrap();
        assert_eq!(read_all(&opened.layout, &*opened.store).unwrap(), elements);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), before);
        let refused = write_all(&opened.layout, &*opened.store, &elements).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    }
}
