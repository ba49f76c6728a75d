//! What lies beside an array's file and belongs to it, told from what is somebody else's: only that is ever
//! removed or changed. Links are not followed.

use std::fs::{File, Metadata};
use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::base::error::{Error, ErrorKind, Result};
use crate::store::{NAMES_OF_ONE, io_error, is_beside, is_left};

/// The files of an index.
pub(super) const DATA: &str = "data.mdb";
pub(super) const LOCK: &str = "lock.mdb";
const FILES: [&str; 2] = [DATA, LOCK];

/// The number that LMDB's files have behind the header of their first two pages.
const MAGIC: [u8; 4] = 0xBEEF_C0DE_u32.to_ne_bytes();
const MAGIC_AT: usize = 16;

/// How many strangers a message names.
const NAMED: usize = 3;

/// An error if the folder is no index: a folder that holds an LMDB environment, or nothing at all.
pub(super) fn expect_index(folder: &Path) -> Result<()> {
    match what_is_at(folder)? {
        None => return Ok(()),
        Some(metadata) if metadata.is_dir() => {}
        Some(metadata) => return Err(not_ours(folder, kind_of(&metadata))),
    }
    let data = folder.join(DATA);
    let strangers = strangers(folder)?;
    match what_is_at(&data)? {
        Some(metadata) if !metadata.is_file() => Err(not_ours(&data, kind_of(&metadata))),
        Some(metadata) if metadata.len() > 0 && has_magic(&data)? => Ok(()),
        Some(metadata) if metadata.len() > 0 => {
            Err(not_ours(&data, "a file that is not LMDB's, or so damaged that nothing shows it"))
        }
        _ if strangers.is_empty() => Ok(()),
        _ => Err(not_ours(folder, &format!("a folder that holds {}", strangers.join(", ")))),
    }
}

/// Removes the index in `folder`, of which nothing can be used: its files, then the folder.
///
/// # Errors
/// `Storage` if anything else is in it, or if nothing shows that it was an index; then nothing is removed.
pub(super) fn remove_index(folder: &Path) -> Result<()> {
    if what_is_at(folder)?.is_none() {
        return Ok(());
    }
    expect_index(folder)?;
    let strangers = strangers(folder)?;
    if !strangers.is_empty() {
        return Err(not_ours(folder, &format!("a folder that also holds {}", strangers.join(", "))));
    }
    let data = folder.join(DATA);
    if what_is_at(&data)?.is_some_and(|metadata| metadata.len() > 0) && !names_our_tables(&data)? {
        return Err(not_ours(&data, "an LMDB file without our tables"));
    }
    for file in FILES.map(|name| folder.join(name)) {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != IoErrorKind::NotFound => {
                return Err(io_error(error, "removing", &file));
            }
            _ => {}
        }
    }
    std::fs::remove_dir(folder).map_err(|error| io_error(error, "removing", folder))
}

/// Removes an index in a folder of a name that only we give, as far as it was made. What cannot be removed does no harm
/// but to the disk.
pub(super) fn remove_draft(folder: &Path) {
    for file in FILES {
        let _ = std::fs::remove_file(folder.join(file));
    }
    let _ = std::fs::remove_dir(folder);
}

/// Removes what was to be put at one of `paths`, all in one folder, by those that died before they had done so: new files
/// and indexes. What cannot be removed does no harm but to the disk.
pub(super) fn remove_left_beside(paths: &[&Path]) {
    let Some(folder) = paths.first().and_then(|path| path.parent()) else { return };
    let names: Vec<&str> = paths.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = |found: &str| is_left(found) && names.iter().any(|name| is_beside(found, name));
        match entry.file_type() {
            Ok(kind) if entry.file_name().to_str().is_some_and(is_ours) => match kind.is_dir() {
                true => remove_draft(&entry.path()),
                false => drop(std::fs::remove_file(entry.path())),
            },
            _ => {}
        }
    }
}

/// Where the index of the array at `path` is.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(NAMES_OF_ONE);
    name.into()
}

/// Whether anything lies at `path`.
pub(super) fn is_there(path: &Path) -> Result<bool> {
    what_is_at(path).map(|found| found.is_some())
}

/// Removes the file at `path`, if there is one.
pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != IoErrorKind::NotFound => Err(io_error(error, "removing", path)),
        _ => Ok(()),
    }
}

/// What is at `path` itself; a link is a link.
pub(super) fn what_is_at(path: &Path) -> Result<Option<Metadata>> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
        found => found.map(Some).map_err(|error| io_error(error, "looking at", path)),
    }
}

fn kind_of(metadata: &Metadata) -> &'static str {
    match () {
        () if metadata.is_symlink() => "a symbolic link",
        () if metadata.is_dir() => "a folder",
        () if metadata.is_file() => "a file",
        () => "a special file",
    }
}

/// Some of what is in `folder` and not a file of an index.
fn strangers(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| io_error(error, "listing", folder);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().map_err(failed)?.is_file();
        if !(is_file && FILES.iter().any(|name| entry.file_name() == *name)) {
            found.push(format!("{:?}", entry.file_name()));
        }
        if found.len() == NAMED {
            break;
        }
    }
    Ok(found)
}

/// Whether one of the first two pages, of whatever size, is LMDB's.
fn has_magic(data: &Path) -> Result<bool> {
    let failed = |error| io_error(error, "reading", data);
    let mut start = Vec::new();
    File::open(data).and_then(|file| file.take(1 << 17).read_to_end(&mut start)).map_err(failed)?;
    let second = (8..=16).map(|power| 1usize << power);
    Ok(std::iter::once(0)
        .chain(second)
        .any(|page| start.get(page + MAGIC_AT..page + MAGIC_AT + 4).is_some_and(|found| found == MAGIC)))
}

/// Whether some page names the three tables of an index, however damaged the others may be.
fn names_our_tables(data: &Path) -> Result<bool> {
    let failed = |error| io_error(error, "reading", data);
    let mut file = File::open(data).map_err(failed)?;
    let mut page = Vec::with_capacity(4096);
    loop {
        page.clear();
        if file.by_ref().take(4096).read_to_end(&mut page).map_err(failed)? == 0 {
            return Ok(false);
        }
        let has = |name: &[u8]| page.windows(name.len()).any(|window| window == name);
        if has(b"names") && has(b"order") && has(b"facts") {
            return Ok(true);
        }
    }
}

#[cold]
pub(super) fn not_ours(path: &Path, what: &str) -> Error {
    let reason = format!("there is {what}, which bigarrays has not made; move it away, or use another name");
    Error::new(ErrorKind::Storage, reason).at(path.display().to_string())
}
