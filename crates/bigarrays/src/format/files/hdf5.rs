//! HDF5: datasets of numbers, read by rows. What is in the file is decoded by the crate `hdf5-reader`; nothing else here
//! knows of it.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::group::Group;
use hdf5_reader::{Datatype, FileStorage, H5Type, Hdf5File, OpenOptions, SliceInfo, SliceInfoElem};

use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};

/// The deepest that groups lie in groups.
const DEEPEST: usize = 64;
/// Members of groups that have several paths, at most.
const MOST_AGAIN: usize = 1 << 16;
/// The largest chunk that is decoded.
const LARGEST_CHUNK: usize = 1 << 30;

/// An open file.
pub struct File(Hdf5File);

/// A dataset of numbers.
pub struct Dataset {
    dataset: hdf5_reader::Dataset,
    /// What an element is, as it is read.
    pub dtype: DataType,
}

impl File {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// `InvalidMetadata` if it is no HDF5 file or damaged; those of the disk.
    pub fn open(path: &Path) -> Result<Self> {
        let options = OpenOptions::default().with_max_chunk_bytes(LARGEST_CHUNK);
        let storage = FileStorage::open(path).map_err(|error| failed("the file", &error))?;
        Hdf5File::from_storage_with_options(Arc::new(storage), options)
            .map(Self)
            .map_err(|error| failed("the file", &error))
    }

    /// The paths of all datasets, without a leading `/`, sorted.
    ///
    /// # Errors
    /// Those of [`File::open`].
    pub fn datasets(&self) -> Result<Vec<String>> {
        let root = self.0.root_group().map_err(|error| failed("the root group", &error))?;
        let mut walk = Walk::default();
        walk.enter(&root, "")?;
        walk.names.sort_unstable();
        Ok(walk.names)
    }

    /// The dataset of that path.
    ///
    /// # Errors
    /// `Unsupported` if its elements are no numbers; `InvalidMetadata` if it is damaged.
    pub fn dataset(&self, name: &str) -> Result<Dataset> {
        let called = format!("the dataset {name:?}");
        let dataset = self.0.dataset(name).map_err(|error| failed(&called, &error))?;
        let dtype = type_of(dataset.dtype()).ok_or_else(|| {
            let kind = dataset.dtype();
            Error::unsupported(format!(
                "{called} has elements that are no integers or floats of 1 to 8 bytes: {kind:?}"
            ))
        })?;
        Ok(Dataset { dataset, dtype })
    }
}

/// A walk through all groups.
#[derive(Default)]
struct Walk {
    /// The addresses of the groups in which the present one lies, and its own.
    above: Vec<u64>,
    /// The addresses of all groups that were come by.
    seen: HashSet<u64>,
    /// How many members were those of groups that were come by before.
    again: usize,
    names: Vec<String>,
}

impl Walk {
    /// Adds the paths of the datasets below `group`, whose own path is `before`.
    fn enter(&mut self, group: &Group, before: &str) -> Result<()> {
        let called = |name: &str| format!("the group {name:?}");
        if self.above.len() == DEEPEST {
            return Err(Error::unsupported(format!("{} lies in more than {DEEPEST} groups", called(before))));
        }
        let (groups, datasets) = group.member_names().map_err(|error| failed(&called(before), &error))?;
        if !self.seen.insert(group.address()) {
            // A few groups that each link to the next one twice would have more paths than there is memory.
            self.again += 1 + groups.len() + datasets.len();
            if self.again > MOST_AGAIN {
                return Err(Error::unsupported(format!(
                    "links lead to groups again and again, up to {}: more than {MOST_AGAIN} of their members have several paths",
                    called(before)
                )));
            }
        }
        self.names.extend(datasets.into_iter().map(|name| format!("{before}{name}")));
        self.above.push(group.address());
        for name in groups {
            let path = format!("{before}{name}/");
            let inner = group.group(&name).map_err(|error| failed(&called(&path), &error))?;
            // Links may lead a group into itself.
            if !self.above.contains(&inner.address()) {
                self.enter(&inner, &path)?;
            }
        }
        self.above.pop();
        Ok(())
    }
}

fn type_of(dtype: &Datatype) -> Option<DataType> {
    Some(match dtype {
        Datatype::FixedPoint { size: 1, signed: true, .. } => DataType::I8,
        Datatype::FixedPoint { size: 2, signed: true, .. } => DataType::I16,
        Datatype::FixedPoint { size: 4, signed: true, .. } => DataType::I32,
        Datatype::FixedPoint { size: 8, signed: true, .. } => DataType::I64,
        Datatype::FixedPoint { size: 1, signed: false, .. } => DataType::U8,
        Datatype::FixedPoint { size: 2, signed: false, .. } => DataType::U16,
        Datatype::FixedPoint { size: 4, signed: false, .. } => DataType::U32,
        Datatype::FixedPoint { size: 8, signed: false, .. } => DataType::U64,
        Datatype::FloatingPoint { size: 4, .. } => DataType::F32,
        Datatype::FloatingPoint { size: 8, .. } => DataType::F64,
        _ => return None,
    })
}

impl Dataset {
    /// The lengths of the axes.
    pub fn shape(&self) -> &[u64] {
        self.dataset.shape()
    }

    /// Fills `out` with the elements of rows along the first axis, in C order and little-endian.
    ///
    /// # Errors
    /// `CorruptData` if they cannot be decoded; `InvalidArgument` if `out` is not as long as they are.
    pub fn read(&self, rows: Range<u64>, out: &mut [u8]) -> Result<()> {
        match self.dtype {
            DataType::I8 => self.read_as(rows, out, i8::to_le_bytes),
            DataType::I16 => self.read_as(rows, out, i16::to_le_bytes),
            DataType::I32 => self.read_as(rows, out, i32::to_le_bytes),
            DataType::I64 => self.read_as(rows, out, i64::to_le_bytes),
            DataType::U8 => self.read_as(rows, out, u8::to_le_bytes),
            DataType::U16 => self.read_as(rows, out, u16::to_le_bytes),
            DataType::U32 => self.read_as(rows, out, u32::to_le_bytes),
            DataType::U64 => self.read_as(rows, out, u64::to_le_bytes),
            DataType::F32 => self.read_as(rows, out, f32::to_le_bytes),
            _ => self.read_as(rows, out, f64::to_le_bytes),
        }
    }

    fn read_as<T: H5Type + Copy, const N: usize>(
        &self,
        rows: Range<u64>,
        out: &mut [u8],
        to_bytes: impl Fn(T) -> [u8; N],
    ) -> Result<()> {
        let mut selection = SliceInfo::all(self.dataset.ndim());
        if let Some(first) = selection.selections.first_mut() {
            *first = SliceInfoElem::Slice { start: rows.start, end: rows.end, step: 1 };
        }
        let called = format!("the dataset {:?}", self.dataset.name());
        let read =
            self.dataset.read_slice::<T>(&selection).map_err(|error| match failed(&called, &error) {
                error if error.kind() == ErrorKind::InvalidMetadata => {
                    Error::corrupt(error.reason().to_owned())
                }
                error => error,
            })?;
        if read.len() * N != out.len() {
            return Err(Error::invalid(format!("{called} has {} elements in these rows", read.len())));
        }
        out.chunks_exact_mut(N)
            .zip(read.iter())
            .for_each(|(bytes, &element)| bytes.copy_from_slice(&to_bytes(element)));
        Ok(())
    }
}

fn failed(what: &str, error: &Hdf5Error) -> Error {
    let kind = match error {
        Hdf5Error::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => ErrorKind::Storage,
        _ => ErrorKind::InvalidMetadata,
    };
    Error::new(kind, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a file of `tests/data/hdf5` has no list of datasets.
    fn refused(name: &str) -> Error {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5").join(name);
        File::open(&path).unwrap().datasets().unwrap_err()
    }

    #[test]
    fn links_that_multiply_paths_are_refused() {
        let error = refused("links.h5");
        assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("again and again"));
    }

    #[test]
    fn groups_that_lie_too_deep_are_named() {
        let error = refused("deep.h5");
        assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("g/g/g/"));
    }
}
