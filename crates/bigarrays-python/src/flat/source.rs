//! Where slices are looked up: in an index that others change, or as they were at one moment.

use std::path::Path;
use std::sync::Arc;

use bigarrays::flat::{Described, FlatArray, Mappings, Slice, SliceArray, Snapshot};
use bigarrays::{Error, ErrorKind, Result};

/// Named slices.
#[derive(Clone)]
pub(crate) enum Source {
    Live(Arc<SliceArray>),
    Kept(Arc<Snapshot>),
}

/// Slices, and mappings that have their rows.
pub(crate) type Located = (Vec<Slice>, Mappings);

impl Source {
    /// All rows; of several arrays, those of the first.
    pub(crate) fn array(&self) -> &Arc<FlatArray> {
        match self {
            Self::Live(slices) => slices.array(),
            Self::Kept(snapshot) => snapshot.array(),
        }
    }

    /// All arrays and their names. One that is alone has none.
    pub(crate) fn arrays(&self) -> Vec<(String, Arc<FlatArray>)> {
        let owned = |(name, array): (&str, &Arc<FlatArray>)| (name.to_owned(), Arc::clone(array));
        match self {
            Self::Live(slices) => slices.arrays().map(owned).collect(),
            Self::Kept(snapshot) => snapshot.arrays().map(owned).collect(),
        }
    }

    /// The file of rows, or the folder of several arrays.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Live(slices) => slices.path(),
            Self::Kept(snapshot) => snapshot.path(),
        }
    }

    /// What is kept beside a name, as JSON.
    pub(crate) fn metadata(&self, name: &str) -> Result<Option<String>> {
        match self {
            Self::Live(slices) => slices.metadata(name),
            Self::Kept(snapshot) => {
                let position = snapshot.get(&[name])?.first().map_or(0, |slice| slice.position);
                Ok(snapshot.metadata(position)?.map(str::to_owned))
            }
        }
    }

    /// Up to `limit` names, where their slices are, and what is kept beside them, from a position on.
    pub(crate) fn described(&self, from: u64, limit: usize) -> Result<Vec<Described>> {
        match self {
            Self::Live(slices) => slices.described(from, limit),
            Self::Kept(snapshot) => {
                let described = |(name, slice): (String, Slice)| {
                    let metadata = snapshot.metadata(slice.position)?.map(str::to_owned);
                    Ok((name, slice, metadata))
                };
                snapshot.names(from, limit)?.into_iter().map(described).collect()
            }
        }
    }

    /// How many slices there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Live(slices) => slices.len(),
            Self::Kept(snapshot) => snapshot.len(),
        }
    }

    /// Whether there is a slice of this name.
    pub(crate) fn contains(&self, name: &str) -> Result<bool> {
        match self {
            Self::Live(slices) => slices.contains(name),
            Self::Kept(snapshot) => Ok(snapshot.find(name).is_some()),
        }
    }

    /// The slice of this name, if there is one.
    pub(crate) fn lookup(&self, name: &str) -> Result<Option<(Slice, Mappings)>> {
        match self {
            Self::Live(slices) => slices.lookup(name),
            Self::Kept(snapshot) => Ok(snapshot.find(name).map(|slice| (slice, snapshot.mappings().clone()))),
        }
    }

    /// The slices of these names.
    pub(crate) fn get(&self, names: &[&str]) -> Result<Located> {
        match self {
            Self::Live(slices) => slices.get(names),
            Self::Kept(snapshot) => Ok((snapshot.get(names)?, snapshot.mappings().clone())),
        }
    }

    /// The slices at these positions.
    pub(crate) fn at(&self, positions: &[u64]) -> Result<Located> {
        match self {
            Self::Live(slices) => slices.at(positions),
            Self::Kept(snapshot) => Ok((snapshot.at(positions)?, snapshot.mappings().clone())),
        }
    }

    /// Up to `limit` names and where their slices are, from a position on.
    pub(crate) fn names(&self, from: u64, limit: usize) -> Result<Vec<(String, Slice)>> {
        match self {
            Self::Live(slices) => slices.names(from, limit),
            Self::Kept(snapshot) => snapshot.names(from, limit),
        }
    }

    /// Slices that can be changed.
    ///
    /// # Errors
    /// `ReadOnly` for those of one moment.
    pub(crate) fn live(&self) -> Result<&Arc<SliceArray>> {
        match self {
            Self::Live(slices) => Ok(slices),
            Self::Kept(snapshot) => {
                let reason =
                    "slices that are kept as they were cannot be changed; open the array with mode \"r+\"";
                let path = snapshot.path().display().to_string();
                Err(Error::new(ErrorKind::ReadOnly, reason).at(path))
            }
        }
    }
}
