//! Which source a path leads to, by what is there.

use std::io::Read;
use std::path::Path;

use super::archive::Archive;
use super::below::Below;
use super::c_order::InCOrder;
use super::folder::Folder;
use super::lmdb::Values;
use super::megatron::Documents;
use super::pointers::Pointers;
use super::source::Source;
use crate::base::error::{Error, ErrorKind, Result};
use crate::flat::inspect::{MAGIC, MAGIC_AT, u32_at};
use crate::format::files::{bigarray, megatron, npz};
use crate::store::{io_error, open_regular};

/// Bytes that tell files apart.
const START: u64 = 64;
/// What HDF5 files start with.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

/// What is at `path`; of it only what is below `key`, if one is given.
///
/// # Errors
/// `NotFound` if there is nothing; `InvalidMetadata` if it is nothing that is known here; those of the source.
pub(super) fn open(path: &Path, key: Option<&str>) -> Result<Box<dyn Source>> {
    let source = open_all(path)?;
    Ok(Box::new(InCOrder::new(match key {
        Some(key) => Box::new(Below::new(source, key)),
        None => source,
    })))
}

fn open_all(path: &Path) -> Result<Box<dyn Source>> {
    if path.is_dir() && path.join("data.mdb").is_file() {
        return Ok(Box::new(Values::open(path)?));
    }
    if path.is_dir() {
        return Ok(Box::new(Folder::open(path)?));
    }
    let start = match start_of(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && is_pair(path) => Vec::new(),
        start => start?,
    };
    if bigarray::is_one(path) {
        return Ok(Box::new(Pointers::open(path)?));
    }
    if npz::is_one(&start) {
        return Ok(Box::new(Archive::open(path)?));
    }
    if start.len() > MAGIC_AT + 4 && u32_at(&start, MAGIC_AT) == MAGIC {
        return Ok(Box::new(Values::open(path)?));
    }
    if start.starts_with(HDF5) {
        return open_hdf5(path);
    }
    if is_pair(path) {
        return Ok(Box::new(Documents::open(path)?));
    }
    Err(unknown(path, &start))
}

#[cfg(feature = "hdf5")]
fn open_hdf5(path: &Path) -> Result<Box<dyn Source>> {
    Ok(Box::new(super::hdf5::Datasets::open(path)?))
}

#[cfg(not(feature = "hdf5"))]
fn open_hdf5(path: &Path) -> Result<Box<dyn Source>> {
    Err(crate::base::feature::missing("reader of HDF5 files", "hdf5").at(path.display().to_string()))
}

/// Whether `path` is one of Megatron's two files, or both without their ending.
fn is_pair(path: &Path) -> bool {
    start_of(&megatron::pair(path).0).is_ok_and(|start| megatron::is_one(&start))
}

fn start_of(path: &Path) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    let read = open_regular(path, false).and_then(|file| file.take(START).read_to_end(&mut start));
    read.map_err(|error| io_error(error, "opening", path))?;
    Ok(start)
}

fn unknown(path: &Path, start: &[u8]) -> Error {
    let reason = match start {
        [] => "the file is empty",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            "this is a .npy file already, of whose rows none has a name"
        }
        _ => {
            "nothing that is converted; known are files of Python's bigarray, NumPy's .npz, HDF5, folders of .npy files, LMDB \
             files of them, and Megatron's .idx and .bin"
        }
    };
    Error::metadata(reason).during("converting").at(path.display().to_string())
}
