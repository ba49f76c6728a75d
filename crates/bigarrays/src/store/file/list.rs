//! Listing directories as keys.

use std::fs::DirEntry;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::leftovers;
use super::path::{is_link, is_missing, shown};
use super::read::expect_way;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::RESERVED;
use crate::store::temporary::remove_abandoned;

/// Lists the files of `directory`, whose keys start with `base`, and returns its directories. If it
/// `removes`, what dead writers left long ago goes. Files that cannot be read, such as a FIFO, are among them.
pub(super) fn list_directory(
    directory: &Path,
    base: &str,
    prefix: &str,
    removes: bool,
    found: &mut dyn FnMut(&str, u64) -> Result<()>,
) -> Result<Vec<(PathBuf, String)>> {
    let failed = |error| Error::io(error, "listing", shown(directory));
    let mut directories = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        // A link to nothing may be one to what is not mounted.
        Err(error) if is_missing(&error) => return expect_way(&directory.join("_")).map(|()| directories),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Some(key) = listed_key(&entry, base, removes) else { continue };
        if !key.starts_with(prefix) {
            continue;
        }
        let metadata = match std::fs::metadata(entry.path()) {
            Err(error) if is_missing(&error) && !is_link(&entry.path()) => continue,
            // A link to itself or to nothing stands where a value may have been, as a special file does: reading fails.
            Err(error) if is_missing(&error) || error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                key_of_value(directory, &key).map_or(Ok(()), |key| found(key, 0))?;
                continue;
            }
            metadata => metadata.map_err(|error| Error::io(error, "listing", shown(&entry.path())))?,
        };
        if metadata.is_dir() {
            if !leftovers::leads_back(&entry, &metadata) {
                directories.push((entry.path(), key + "/"));
            }
        } else if let Some(key) = key_of_value(directory, &key) {
            found(key, metadata.len())?;
        }
    }
    Ok(directories)
}

/// Calls `found` with everything that removing would remove: see [`Store::list_to_remove`](crate::store::Store::list_to_remove).
pub(super) fn list_to_remove(
    root: &Path,
    found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>,
) -> Result<()> {
    if is_link(root) {
        return found("", None);
    }
    let mut directories = vec![(root.to_owned(), String::new())];
    while let Some((directory, base)) = directories.pop() {
        let failed = |error| Error::io(error, "listing", shown(&directory));
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if is_missing(&error) => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(RESERVED.as_bytes()) {
                continue;
            }
            let key = format!("{base}{}", name.to_string_lossy());
            // Of the entry itself, be it a link.
            let metadata = match entry.metadata() {
                Err(error) if is_missing(&error) => continue,
                metadata => metadata.map_err(|error| Error::io(error, "listing", shown(&entry.path())))?,
            };
            if metadata.is_dir() {
                directories.push((entry.path(), key + "/"));
            } else if metadata.is_symlink() {
                found(&key, None)?;
            } else if let Some(key) = key_of_value(&directory, &key) {
                found(key, Some(metadata.len()))?;
            }
        }
    }
    Ok(())
}

/// The key that an entry's name stands for, suffix included; `None` for what is not a value. What dead
/// writers left is removed as it is met, if that is wanted.
fn listed_key(entry: &DirEntry, base: &str, removes: bool) -> Option<String> {
    let name = entry.file_name();
    if name.as_bytes().starts_with(RESERVED.as_bytes()) {
        if removes {
            remove_abandoned(entry);
        }
        return None;
    }
    name.to_str().map(|name| format!("{base}{name}"))
}

/// The key of a file in `directory`, without suffix; `None` if another spelling comes first.
pub(super) fn key_of_value<'a>(directory: &Path, spelled: &'a str) -> Option<&'a str> {
    let name_start = spelled.rfind('/').map_or(0, |slash| slash + 1);
    for (rank, &encoding) in ContentEncoding::ALL.iter().enumerate().skip(1) {
        let Some(key) = spelled.strip_suffix(encoding.suffix()).filter(|key| key.len() > name_start) else {
            continue;
        };
        let exists = |&before: &ContentEncoding| {
            directory.join(format!("{}{}", &key[name_start..], before.suffix())).is_file()
        };
        return (!ContentEncoding::ALL[..rank].iter().any(exists)).then_some(key);
    }
    Some(spelled)
}
