//! Where slices are looked up: in an index that others change, or as they were at one moment.

use std::sync::Arc;

use bigarrays::flat::{FlatArray, Mapping, Slice, SliceArray, Snapshot};
use bigarrays::{Error, ErrorKind, Result};

/// Named slices.
#[derive(Clone)]
pub(crate) enum Source {
    Live(Arc<SliceArray>),
    Kept(Arc<Snapshot>),
}

/// Slices, and a mapping that has their rows.
pub(crate) type Located = (Vec<Slice>, Arc<Mapping>);

impl Source {
    /// All rows.
    pub(crate) fn array(&self) -> &Arc<FlatArray> {
        match self {
            Self::Live(slices) => slices.array(),
            Self::Kept(snapshot) => snapshot.array(),
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
    pub(crate) fn lookup(&self, name: &str) -> Result<Option<(Slice, Arc<Mapping>)>> {
        match self {
            Self::Live(slices) => slices.lookup(name),
            Self::Kept(snapshot) => {
                Ok(snapshot.find(name).map(|slice| (slice, Arc::clone(snapshot.mapping()))))
            }
        }
    }

    /// The slices of these names.
    pub(crate) fn get(&self, names: &[&str]) -> Result<Located> {
        match self {
            Self::Live(slices) => slices.get(names),
            Self::Kept(snapshot) => Ok((snapshot.get(names)?, Arc::clone(snapshot.mapping()))),
        }
    }

    /// The slices at these positions.
    pub(crate) fn at(&self, positions: &[u64]) -> Result<Located> {
        match self {
            Self::Live(slices) => slices.at(positions),
            Self::Kept(snapshot) => Ok((snapshot.at(positions)?, Arc::clone(snapshot.mapping()))),
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
                let path = snapshot.array().path().display().to_string();
                Err(Error::new(ErrorKind::ReadOnly, reason).at(path))
            }
        }
    }
}
