//! Several arrays whose slices have their names in common, in a folder:
//!
//! ```text
//! speech/
//!   features.npy     an array as any other, with all that belongs to it beside it
//!   labels.npy       another
//!   slices.index/    the index of all; the fact "arrays" says which: features and labels, each on a line
//! ```
//!
//! Arrays beside these, in the same folder, are none of its business.

use std::path::{Path, PathBuf};

use heed::RoTxn;

use super::index::{Index, Purpose, Tables};
use super::record::{MOST_ARRAYS, damaged};
use crate::base::error::{Error, Result};
use crate::store::NAMES_IN_COMMON;

/// The fact that names the arrays.
pub(super) const ARRAYS: &[u8] = b"arrays";
/// As many bytes as the name of an array can have.
const LONGEST: usize = 64;

/// Where the index of the arrays in `folder` is.
pub(super) fn index_in(folder: &Path) -> PathBuf {
    folder.join(NAMES_IN_COMMON)
}

/// The file of the array of that name.
pub(super) fn file_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.npy"))
}

/// Whether the folder at `path` holds several arrays whose slices have their names in common, as
/// [`SliceArray::create_set`](super::SliceArray::create_set) makes it.
pub fn is_set(path: &Path) -> bool {
    index_in(path).is_dir()
}

/// An error if arrays cannot have these names.
pub(super) fn check_names<'a>(names: impl ExactSizeIterator<Item = &'a str> + Clone) -> Result<()> {
    if !(1..=MOST_ARRAYS).contains(&names.len()) {
        return Err(Error::invalid(format!("{} arrays; there can be from 1 to {MOST_ARRAYS}", names.len())));
    }
    for (k, name) in names.clone().enumerate() {
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !(is_word && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= LONGEST) {
            return Err(Error::invalid(format!(
                "{name:?} is no name of an array: that is of letters, digits and underscores, begins with a letter, and \
                 has {LONGEST} bytes at most"
            )));
        }
        // Where file systems make no difference between letters, they would be one file.
        if names.clone().take(k).any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(Error::invalid(format!("two arrays have the name {name:?}")));
        }
    }
    Ok(())
}

/// What the fact says of arrays of these names.
pub(super) fn fact_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join("\n")
}

/// The names of the arrays that an index is of; none if it is of the one array beside it.
pub(super) fn names_of(index: &Index, txn: &RoTxn<'_>, tables: &Tables) -> Result<Vec<String>> {
    let fact = tables.facts.get(txn, ARRAYS).map_err(|error| index.failed(error))?;
    let Some(fact) = fact else { return Ok(Vec::new()) };
    let names = std::str::from_utf8(fact).map_err(|_| damaged())?;
    check_names(names.split('\n').collect::<Vec<_>>().iter().copied()).map_err(|_| damaged())?;
    Ok(names.split('\n').map(str::to_owned).collect())
}

/// Which of the arrays of an index the file at `path` is, and how many there are; `None` if it is none of them.
pub(super) fn place_of(
    path: &Path,
    index: &Index,
    txn: &RoTxn<'_>,
    tables: &Tables,
) -> Result<Option<(usize, usize)>> {
    let names = names_of(index, txn, tables)?;
    if names.is_empty() {
        return Ok(Some((0, 1)));
    }
    let file = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".npy"));
    Ok(names.iter().position(|name| Some(name.as_str()) == file).map(|number| (number, names.len())))
}

/// The folder of the arrays with names in common of which that in the file at `path` is one, or is to be one.
pub(super) fn folder_around(path: &Path) -> Result<Option<&Path>> {
    let Some(folder) = path.parent().filter(|folder| is_set(folder)) else { return Ok(None) };
    let index = Index::open(&index_in(folder), Purpose::Reading)?;
    let place = index.read(|txn, tables| place_of(path, &index, txn, tables))?;
    Ok(place.map(|_| folder))
}

/// An error if the file at `path` is, or would be, one of several arrays with names in common.
///
/// # Errors
/// `InvalidArgument` names the folder.
pub(super) fn expect_alone(path: &Path) -> Result<()> {
    let Some(folder) = folder_around(path)? else { return Ok(()) };
    let reason = format!(
        "it is one of the arrays whose slices have their names in {}; open or create that folder instead",
        folder.display()
    );
    Err(Error::invalid(reason).at(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_arrays() {
        for names in [&["a"][..], &["features", "labels_2", "X"]] {
            check_names(names.iter().copied()).unwrap();
        }
        for wrong in [
            &[][..],
            &["a", "A"],
            &[""],
            &["1a"],
            &["_a"],
            &["a/b"],
            &["ä"],
            &["a.npy"],
            &["a\n"],
            &[&"x".repeat(65)],
            &["a"; 65],
        ] {
            assert!(check_names(wrong.iter().copied()).is_err(), "{wrong:?}");
        }
    }
}
