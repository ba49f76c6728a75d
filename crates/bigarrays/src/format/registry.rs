//! The table of all formats.

use super::holds::Holds;
use super::traits::{Create, Format};
use super::{files, n5, ome, precomputed, zarr};
use crate::base::error::{Error, Result};

/// The format of arrays in chunks that are made for a while, and that nobody else reads.
pub(crate) const CHUNKED: &str = "zarr3";

/// Every format of this library, in the order in which they are tried.
pub const BUILTIN: &[&dyn Format] = &[
    &precomputed::Precomputed,
    &ome::OME_V3,
    &ome::OME_V2,
    &zarr::V3,
    &zarr::V2,
    &n5::N5,
    &files::npy::Npy,
    &files::tiff::FORMAT,
    &files::stack::FORMAT,
    &files::bigarray::FORMAT,
];

/// The format in which arrays are made if none is named.
pub(super) const DEFAULT: &dyn Format = &precomputed::Precomputed;

/// The format in which groups are made if none is named.
pub(super) const DEFAULT_OF_GROUPS: &dyn Format = &zarr::V3;

/// The format of this name.
///
/// # Errors
/// `InvalidArgument`, listing what there is.
pub fn by_name(name: &str) -> Result<&'static dyn Format> {
    BUILTIN.iter().copied().find(|format| format.name() == name).ok_or_else(|| unknown(name))
}

/// The formats that `name` stands for: the one of this name, or those that URLs call so; all if there is no name.
///
/// # Errors
/// `InvalidArgument`, listing what there is.
pub(super) fn named(name: Option<&str>) -> Result<Vec<&'static dyn Format>> {
    let Some(name) = name else { return Ok(BUILTIN.to_vec()) };
    if let Ok(format) = by_name(name) {
        return Ok(vec![format]);
    }
    let found = of_scheme(name);
    if found.is_empty() { Err(unknown(name)) } else { Ok(found) }
}

/// The formats that URLs call `scheme`.
pub(super) fn of_scheme(scheme: &str) -> Vec<&'static dyn Format> {
    BUILTIN.iter().copied().filter(|format| format.schemes().contains(&scheme)).collect()
}

fn unknown(name: &str) -> Error {
    let known: Vec<&str> = BUILTIN.iter().map(|format| format.name()).collect();
    Error::invalid(format!("unknown format {name:?}; known are {}", known.join(", ")))
}

/// Whether a document of this name shows that something of a format is in its folder.
pub fn marks(name: &str) -> bool {
    BUILTIN.iter().any(|format| format.documents().contains(&name))
}

/// Whether a format is named so at the end of folders, such as `.zarr`.
pub(super) fn is_suffix(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, suffix)| {
        BUILTIN.iter().any(|format| !format.documents().is_empty() && format.schemes().contains(&suffix))
    })
}

/// The formats that make arrays of chunks.
pub fn creators() -> impl Iterator<Item = &'static dyn Create> {
    BUILTIN.iter().filter_map(|format| format.creates()).filter(|format| format.holds().chunks)
}

/// The format of this name, which makes arrays of chunks.
///
/// # Errors
/// `InvalidArgument`, listing those that do.
pub fn creator(name: &str) -> Result<&'static dyn Create> {
    by_name(name)?;
    creators().find(|format| format.name() == name).ok_or_else(|| {
        let known: Vec<&str> = creators().map(|format| format.name()).collect();
        Error::invalid(format!("no arrays of {name} are made here; known are {}", known.join(", ")))
    })
}

/// What new arrays of the format of this name hold; `None` if it makes none.
pub(super) fn holds(name: &str) -> Option<&'static Holds> {
    BUILTIN.iter().find(|format| format.name() == name)?.creates().map(|format| format.holds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::document::DOCUMENTS;
    use std::collections::BTreeSet;

    #[test]
    fn all_documents_are_known_as_such() {
        let declared: BTreeSet<_> = BUILTIN.iter().flat_map(|format| format.documents()).collect();
        assert!(declared.iter().all(|key| DOCUMENTS.contains(key)), "{declared:?}");
    }

    #[test]
    fn names_and_schemes() {
        assert_eq!(named(Some("zarr")).unwrap().len(), 4);
        assert_eq!(named(Some("zarr2")).unwrap().len(), 1);
        assert_eq!(named(None).unwrap().len(), BUILTIN.len());
        assert!(named(Some("Zarr")).unwrap_err().to_string().contains("known are precomputed"));
    }
}
