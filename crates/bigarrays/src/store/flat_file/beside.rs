//! Files beside a flat file: new ones that are not finished, and their room on the disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use crate::base::error::{Error, ErrorKind, Result};
use crate::store::temporary::is_alive;

/// Opens a file for reading, and for `writing`, if it is a regular one: a FIFO would have the caller wait for a writer.
pub(crate) fn open_regular(path: &Path, writing: bool) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).write(writing).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// An error if there is something at `path` that a new file must not replace: a folder, a device, a FIFO or a socket.
pub(crate) fn expect_replaceable(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            let reason = "what is there is not a regular file, and is not replaced by one";
            Err(Error::new(ErrorKind::AlreadyExists, reason).during("creating").at(display(path)))
        }
        _ => Ok(()),
    }
}

/// In the folder of several arrays whose slices have their names in common: the folder of these names.
pub(crate) const NAMES_IN_COMMON: &str = "slices.index";

/// What ends the name of the folder that has the names of slices of one array.
pub(crate) const NAMES_OF_ONE: &str = ".index";

/// What is at `path` and how it is opened, if it is a folder that named slices are kept in.
pub(crate) fn slices_in_words(path: &Path) -> Option<String> {
    if path.join(NAMES_IN_COMMON).is_dir() {
        let arrays = std::fs::read_dir(path).ok()?.flatten().map(|entry| entry.path());
        let first = arrays.filter(|path| path.extension().is_some_and(|ending| ending == "npy")).min();
        let such = first.map_or_else(String::new, |first| format!(" such as {}", display(&first)));
        return Some(format!(
            "it is a folder of several arrays whose slices have their names in common: a `SliceArray` opens it, and \
             anything else one of the arrays{such}"
        ));
    }
    let name = path.file_name()?.to_str()?;
    let of = match name.strip_suffix(NAMES_OF_ONE).filter(|_| path.join("data.mdb").is_file())? {
        _ if name == NAMES_IN_COMMON => path.parent()?.to_owned(),
        array => path.with_file_name(array),
    };
    Some(format!("it is the folder of the names of slices: open {}, whose names they are", display(&of)))
}

/// A path in the same directory that nothing has yet, hidden by a leading dot.
pub(crate) fn temporary_beside(path: &Path) -> Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| Error::invalid("not the name of a file").at(display(path)))?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{number}.tmp", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// Whether the file called `found` is one of [`temporary_beside`] the file `name`, or beside such a one, or
/// what is noted beside it of large appends.
pub(crate) fn is_beside(found: &str, name: &str) -> bool {
    let found = found.strip_suffix(".pending").unwrap_or(found);
    let hidden = found.strip_prefix('.').and_then(|found| found.strip_suffix(".tmp"));
    let Some((inner, numbers)) = hidden.and_then(|hidden| hidden.rsplit_once('.')) else { return false };
    numbers.bytes().all(|b| b.is_ascii_digit() || b == b'-') && (inner == name || is_beside(inner, name))
}

/// Whether the process that made a file of [`temporary_beside`] that is called `found` has died.
pub(crate) fn is_left(found: &str) -> bool {
    let found = found.strip_suffix(".pending").unwrap_or(found).strip_suffix(".tmp");
    let numbers = found.and_then(|found| found.rsplit_once('.')).map(|(_, numbers)| numbers);
    let process = numbers.and_then(|numbers| numbers.split('-').next()?.parse().ok());
    !process.is_some_and(is_alive)
}

/// Makes `file` `len` bytes long, of zeros; fails early where the disk has no room for them.
pub(crate) fn reserve(file: &File, len: u64) -> io::Result<()> {
    if len > 0 {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    file.set_len(len)
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

pub(crate) fn io_error(error: io::Error, operation: &'static str, path: &Path) -> Error {
    Error::io(error, operation, display(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_told_from_files_of_others() {
        for (found, is) in [
            (".a.npy.74-1.tmp", true),
            (".a.npy.74-1.tmp.pending", true),
            ("..a.npy.74-1.tmp.74-2.tmp", true),
            ("a.npy", false),
            ("a.npy.pending", false),
            (".b.npy.74-1.tmp", false),
            (".a.npy.x.tmp", false),
            (".tmp", false),
        ] {
            assert_eq!(is_beside(found, "a.npy"), is, "{found}");
        }
        let living = format!(".a.npy.{}-0.tmp", std::process::id());
        assert!(!is_left(&living) && is_left(".a.npy.2147483647-0.tmp.pending"));
    }
}
