//! Whether the chunks of a scale lie in folders, one for each range along x and y.

use std::fs::DirEntry;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::keys::{BoxKeys, is_chunk_key, is_range};
use crate::base::error::{Error, Result};
use crate::store::Store;

/// Entries of a folder that are looked at where its file system does not say whether there are folders in it.
const LOOKED: usize = 1 << 12;

/// How the chunks in a store are called: local ones may be nested. No other stores have such chunks, since only the web
/// server in front of a disk makes Neuroglancer find them.
///
/// # Errors
/// `CorruptData` if some are nested and others are not: what a chunk has would depend on who reads it.
pub(super) fn box_keys(chunks: &dyn Store) -> Result<BoxKeys> {
    let Some(folder) = chunks.local_path() else { return Ok(BoxKeys::FLAT) };
    let failed = |error: io::Error| Error::io(error, "listing", folder.display().to_string());
    match look(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(BoxKeys::FLAT)
        }
        // Who may not list may read chunks.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(BoxKeys::FLAT),
        looked => match looked.map_err(failed)? {
            (None, Some(_)) => Ok(BoxKeys::NESTED),
            (_, None) => Ok(BoxKeys::FLAT),
            (Some(flat), Some(nested)) => {
                let message =
                    format!("there are chunks as {flat} and in folders as {nested}; move one kind away");
                Err(Error::corrupt(message).during("opening").at(folder.display().to_string()))
            }
        },
    }
}

/// A chunk of each kind that there is: not nested, and nested.
fn look(folder: &Path) -> io::Result<(Option<String>, Option<String>)> {
    // A folder is linked from itself, from above, and from each folder in it, where the file system counts them.
    let links = std::fs::metadata(folder)?.nlink();
    if links == 2 {
        return Ok((None, None));
    }
    let most = if links < 2 { LOOKED } else { usize::MAX };
    let (mut flat, mut nested) = (None, None);
    for entry in std::fs::read_dir(folder)?.take(most) {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let stem = name.split('.').next().unwrap_or(&name);
        if flat.is_none() && is_chunk_key(stem) {
            flat = Some(name);
        } else if nested.is_none() && is_range(&name) && holds_ranges(&entry)? {
            nested = Some(name);
        }
        if flat.is_some() && nested.is_some() {
            break;
        }
    }
    Ok((flat, nested))
}

/// Whether an entry is a folder with one of a range in it.
fn holds_ranges(entry: &DirEntry) -> io::Result<bool> {
    if !entry.path().is_dir() {
        return Ok(false);
    }
    for below in std::fs::read_dir(entry.path())? {
        if below?.file_name().to_str().is_some_and(is_range) {
            return Ok(true);
        }
    }
    Ok(false)
}
