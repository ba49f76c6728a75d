//! Values that nobody looks for: files that other programs have compressed in a way that a store does not know.

use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::alone::Name;
use super::path::{parent, shown};
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;

/// Of how many entries of a folder one must be such a file for all of them to be looked at. Layers are compressed
/// with one program, or a folder with millions of files would be listed for the first chunk that is missing.
const LOOKED: usize = 1 << 10;

/// An error if a value that has none of the store's names has one that the store does not look for.
pub(super) fn expect_none(path: &Path, folder: &Metadata) -> Result<()> {
    let names = Name::of_folder(folder);
    if names.iter().flatten().any(|name| name.is_known()) {
        return Ok(());
    }
    // Who may not list may read.
    let Ok(mut entries) = std::fs::read_dir(parent(path)) else { return Ok(()) };
    let is_unseen = |entry: io::Result<DirEntry>| entry.is_ok_and(|entry| of(&entry.path()).is_some());
    if !entries.by_ref().take(LOOKED).any(is_unseen) {
        names.iter().flatten().for_each(|name| name.remember());
        return Ok(());
    }
    let Ok(entries) = std::fs::read_dir(parent(path)) else { return Ok(()) };
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|file| of(file).is_some_and(|plain| plain == path)).map_or(Ok(()), |file| Err(refused(&file)))
}

/// The plain path of the value that a file may be; `None` if it is looked for where it is.
fn of(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let stem = ContentEncoding::unseen(name)?;
    let is_spelling = |encoding: &ContentEncoding| name[stem.len()..] == *encoding.suffix();
    (!ContentEncoding::ALL.iter().any(is_spelling)).then(|| file.with_file_name(stem))
}

#[cold]
fn refused(file: &Path) -> Error {
    let known = ContentEncoding::ALL.map(ContentEncoding::suffix);
    let message = format!(
        "the file may be this value, compressed in a way that is not read here (only {}); decompress it, or move it away",
        known[1..].join(", ")
    );
    Error::unsupported(message).during("reading").at(shown(file))
}
