//! What dead writers left in a directory.

use std::ffi::OsStr;
use std::fs::DirEntry;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::value::REMOVING;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::run::interrupt::check_interrupt;
use crate::store::{Finding, temporary};

/// Calls `found` with every file below `root` that is a temporary one of a dead writer, or a further file of a value
/// that stands behind another. Keys are paths relative to `root`.
pub(super) fn below(root: &Path, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
    let mut leftover = |key: &str, bytes| found(Finding::Leftover { key, bytes });
    let (mut folders, mut shadowed) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let failed = |error| Error::io(error, "listing", folder.display().to_string());
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if is_gone(&error) => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            check_interrupt()?;
            let entry = entry.map_err(failed)?;
            if temporary::is_leftover(&entry) {
                tell(root, &entry.path(), &mut leftover)?;
            } else if is_folder(&entry) {
                folders.push(entry.path());
            } else if is_shadowed(&entry.path()) {
                shadowed.push(entry.path());
            }
        }
    }
    if !shadowed.is_empty() {
        std::thread::sleep(REMOVING);
    }
    shadowed.retain(|path| is_shadowed(path));
    let mut twin = |key: &str, bytes| found(Finding::Twin { key, bytes });
    shadowed.iter().try_for_each(|path| tell(root, path, &mut twin))
}

/// Has `remove` remove what dead writers left in a folder that holds nothing else. Returns whether it is empty then.
pub(super) fn remove_last(folder: &Path, remove: &dyn Fn(&Path) -> bool) -> bool {
    let Ok(entries) = std::fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>())
    else {
        return false;
    };
    entries.iter().all(temporary::is_leftover) && entries.iter().all(|entry| remove(&entry.path()))
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_folder(entry: &DirEntry) -> bool {
    match entry.file_type() {
        // Listing follows links as well.
        Ok(kind) if kind.is_symlink() => {
            let metadata = std::fs::metadata(entry.path());
            metadata.is_ok_and(|metadata| metadata.is_dir() && !leads_back(entry, &metadata))
        }
        kind => kind.is_ok_and(|kind| kind.is_dir()),
    }
}

/// Whether a directory, of which these are the metadata, is linked from somewhere below itself: whoever listed it
/// would go in a circle.
pub(super) fn leads_back(entry: &DirEntry, metadata: &std::fs::Metadata) -> bool {
    let is_same = |above: &Path| {
        std::fs::metadata(above)
            .is_ok_and(|other| (other.dev(), other.ino()) == (metadata.dev(), metadata.ino()))
    };
    entry.file_type().is_ok_and(|kind| kind.is_symlink()) && entry.path().ancestors().skip(1).any(is_same)
}

/// Whether another spelling of the same key comes before that of `path`.
fn is_shadowed(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return false };
    ContentEncoding::ALL.iter().enumerate().skip(1).any(|(rank, encoding)| {
        let plain = name.strip_suffix(encoding.suffix()).filter(|plain| !plain.is_empty());
        plain.is_some_and(|plain| {
            let before =
                |encoding: &ContentEncoding| path.with_file_name(format!("{plain}{}", encoding.suffix()));
            path.is_file() && ContentEncoding::ALL[..rank].iter().any(|encoding| before(encoding).is_file())
        })
    })
}

fn tell(root: &Path, path: &Path, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
    match path.metadata() {
        // Somebody has finished it, or cleaned up.
        Err(_) => Ok(()),
        Ok(metadata) => found(&path.strip_prefix(root).unwrap_or(path).to_string_lossy(), metadata.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_dead_writers_left_and_twins_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let own = std::process::id();
        let names = [
            // No process has this number.
            (".bigarrays-tmp-1-7fffffff-0".to_owned(), Some("left")),
            (format!(".bigarrays-tmp-1-{own:x}-0"), None),
            (".bigarrays.lock".to_owned(), None),
            ("a".to_owned(), None),
            ("a.gz".to_owned(), Some("twin")),
            ("b.gz".to_owned(), None),
        ];
        std::fs::create_dir(folder.path().join("c")).unwrap();
        for (name, _) in &names {
            std::fs::write(folder.path().join("c").join(name), "12").unwrap();
        }
        let mut found = Vec::new();
        below(folder.path(), &mut |finding| {
            match finding {
                Finding::Leftover { key, bytes } => found.push((key.to_owned(), bytes, "left")),
                Finding::Twin { key, bytes } => found.push((key.to_owned(), bytes, "twin")),
                other => panic!("{other:?}"),
            }
            Ok(())
        })
        .unwrap();
        found.sort();
        let expected = names.iter().filter_map(|(name, what)| Some((format!("c/{name}"), 2, (*what)?)));
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
