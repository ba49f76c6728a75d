//! Values as files below a directory.
//!
//! A content encoding is a suffix of the file's name. Each way of spelling a key so is a file; the
//! first of [`ContentEncoding::ALL`] that exists is the value. A change therefore first completes the new file
//! and then removes the other spellings, the first of them last.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::DirEntry;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::lock::KeyLocks;
use super::request::YOUNG;
use super::temporary::{Temporary, remove_abandoned};
use super::{
    Blob, Change, ChangeFn, Extent, Finding, Get, GetSink, Part, RESERVED, Store, StoreOptions, Update,
    Wanted, check_key, in_parallel, join_path, leftovers,
};
use crate::base::buffer::{first_bytes, with_scratch};
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;

/// Ranges no further apart than this are read at once: copying this much takes about as long as a
/// system call.
const GAP: u64 = 8 << 10;

/// A store in a directory.
///
/// Keys are locked through the directory that the store is rooted at: all who change a value must
/// address it from the same root, such as its array's directory. A key that ends in the suffix of a
/// content encoding (`.gz`, `.br`, `.zstd`) is listed without it.
#[derive(Debug)]
pub struct FileStore {
    root: PathBuf,
    options: StoreOptions,
    locks: KeyLocks,
}

/// The paths of one key.
struct KeyPath {
    path: Vec<u8>,
    plain_len: usize,
}

impl KeyPath {
    fn plain(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path[..self.plain_len]))
    }

    fn spelled(&mut self, encoding: ContentEncoding) -> &Path {
        self.path.truncate(self.plain_len);
        self.path.extend_from_slice(encoding.suffix().as_bytes());
        Path::new(OsStr::from_bytes(&self.path))
    }
}

/// What was read into a buffer.
struct Found {
    len: usize,
    encoding: ContentEncoding,
    extent: Extent,
    version: Option<String>,
}

impl Found {
    fn blob<'a>(&'a self, buffer: &'a [u8]) -> Blob<'a> {
        let Self { len, encoding, extent, .. } = *self;
        Blob { bytes: &buffer[..len], encoding, extent, version: self.version.as_deref() }
    }
}

/// Directories whose entries are to be on the disk by the end of a batch.
type Changed = Mutex<BTreeSet<PathBuf>>;

impl FileStore {
    /// The store in the directory `root`, which the first write creates if necessary.
    ///
    /// # Errors
    /// `InvalidArgument` if `root` is empty.
    pub fn open(root: PathBuf, options: StoreOptions) -> Result<Self> {
        // A store stays where it is when the process changes its directory.
        let refused = |error: io::Error| Error::invalid(error.to_string()).during("opening").caused_by(error);
        let root = std::path::absolute(root).map_err(refused)?;
        let locks = KeyLocks::new(&root, options.lock).with_patience(options.lock_timeout);
        Ok(Self { root, options, locks })
    }

    fn path(&self, key: &str) -> Result<KeyPath> {
        check_key(key)?;
        let path = self.root.join(key).into_os_string().into_vec();
        Ok(KeyPath { plain_len: path.len(), path })
    }

    fn update(&self, request: &Update, index: usize, change: &ChangeFn<'_>, changed: &Changed) -> Result<()> {
        let mut path = self.path(&request.key)?;
        let make_root = || self.make_directory(&self.root, changed);
        let make = |path: &mut KeyPath, old: Option<Blob<'_>>| {
            with_scratch(|new| {
                new.clear();
                match change(index, old, new)? {
                    Change::Put(encoding) => self.put(path, encoding, new, changed),
                    Change::Delete | Change::PutOrDelete(_) => {
                        self.remove(path, &ContentEncoding::ALL, changed)
                    }
                    Change::Keep => Ok(()),
                }
            })
        };
        let work = || {
            if !request.reads {
                return make(&mut path, None);
            }
            with_scratch(|old| {
                let found = read(&mut path, &Get::new("", Part::Whole, request.max_len), old)?;
                make(&mut path, found.as_ref().map(|found| found.blob(old)))
            })
        };
        self.locks.hold(&request.key, &make_root, work)
    }

    fn put(
        &self,
        path: &mut KeyPath,
        encoding: ContentEncoding,
        bytes: &[u8],
        changed: &Changed,
    ) -> Result<()> {
        let durable = self.options.durable;
        let directory = parent(path.plain());
        let written = match Temporary::write(directory, bytes, durable) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_directory(directory, changed)?;
                Temporary::write(directory, bytes, durable)
            }
            written => written,
        };
        let target = path.spelled(encoding);
        let renamed = written.and_then(|temporary| temporary.rename(target));
        renamed.map_err(|error| Error::io(error, "writing", shown(target)))?;
        if durable {
            note(changed, parent(target));
        }
        let others: Vec<_> = ContentEncoding::ALL.into_iter().filter(|&other| other != encoding).collect();
        self.remove(path, &others, changed)
    }

    /// Removes those of `spellings` that exist, from the last to the first.
    fn remove(&self, path: &mut KeyPath, spellings: &[ContentEncoding], changed: &Changed) -> Result<()> {
        for &encoding in spellings.iter().rev() {
            let path = path.spelled(encoding);
            // Unlike an attempt to remove, this does not lock the directory. A link is looked at itself.
            if matches!(rustix::fs::lstat(path), Err(Errno::NOENT | Errno::NOTDIR)) {
                continue;
            }
            if self.options.durable {
                sync_directory(parent(path))?;
                note(changed, parent(path));
            }
            match rustix::fs::unlink(path) {
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(Errno::NAMETOOLONG) if encoding != ContentEncoding::Identity => {}
                removed => removed.map_err(|error| Error::io(error.into(), "removing", shown(path)))?,
            }
        }
        Ok(())
    }

    /// Creates `directory` and those above it.
    fn make_directory(&self, directory: &Path, changed: &Changed) -> Result<()> {
        let mode = Mode::from(0o777);
        let made = match rustix::fs::mkdir(directory, mode) {
            Err(Errno::NOENT) => {
                self.make_directory(parent(directory), changed)?;
                rustix::fs::mkdir(directory, mode)
            }
            made => made,
        };
        match made {
            Ok(()) if self.options.durable => note(changed, parent(directory)),
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::io(error.into(), "creating directory", shown(directory))),
        }
        Ok(())
    }

    /// Lists the files of `directory`, whose keys start with `base`, and returns its directories. If it
    /// `removes`, what dead writers left long ago goes.
    fn list_directory(
        directory: &Path,
        base: &str,
        prefix: &str,
        removes: bool,
        found: &mut dyn FnMut(&str, u64) -> Result<()>,
    ) -> Result<Vec<(PathBuf, String)>> {
        let failed = |error| Error::io(error, "listing", shown(directory));
        let mut directories = Vec::new();
        let entries = match std::fs::read_dir(directory) {
            Err(error) if is_missing(&error) => return Ok(directories),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Some(key) = listed_key(&entry, base, removes) else { continue };
            if !key.starts_with(prefix) {
                continue;
            }
            let metadata = match std::fs::metadata(entry.path()) {
                Err(error) if is_missing(&error) => continue,
                metadata => metadata.map_err(|error| Error::io(error, "listing", shown(&entry.path())))?,
            };
            if metadata.is_dir() {
                if !leftovers::leads_back(&entry, &metadata) {
                    directories.push((entry.path(), key + "/"));
                }
            } else if let Some(key) = key_of_value(directory, &key).filter(|_| metadata.is_file()) {
                found(key, metadata.len())?;
            }
        }
        Ok(directories)
    }
}

impl Store for FileStore {
    fn location(&self, key: &str) -> String {
        if key.is_empty() { shown(&self.root) } else { shown(&self.root.join(key)) }
    }

    fn local_path(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        if path.starts_with('/') || path.contains('\0') {
            join_path(Vec::new(), path)?;
        }
        let mut root = self.root.clone();
        for component in Path::new(path).components() {
            match component {
                Component::ParentDir if !root.pop() => {
                    let message = "the path leaves the file system";
                    return Err(Error::invalid(message).during("resolving").at(path));
                }
                Component::Normal(part) => root.push(part),
                _ => {}
            }
        }
        Ok(Arc::new(Self::open(root, self.options.clone())?))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        in_parallel(requests, |index, request| {
            let mut path = self.path(&request.key)?;
            with_scratch(|buffer| {
                let found = match read(&mut path, request, buffer) {
                    Err(error) if request.probe && error.kind() == ErrorKind::PermissionDenied => {
                        return sink(index, Some(Blob::refused(&error.to_string())));
                    }
                    found => found?,
                };
                sink(index, found.as_ref().map(|found| found.blob(buffer)))
            })
        })
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        if let (true, Some(first)) = (self.options.read_only, requests.first()) {
            let error = Error::new(ErrorKind::ReadOnly, "the store was opened for reading only");
            return Err(error.during("writing").at(self.location(&first.key)));
        }
        let changed = Changed::default();
        let done = in_parallel(requests, |index, request| self.update(request, index, change, &changed));
        let changed: Vec<_> =
            changed.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
        let synced = in_parallel(&changed, |_, directory| sync_directory(directory));
        done.and(synced)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        let base = prefix.rfind('/').map_or("", |end| &prefix[..=end]);
        if !base.is_empty() {
            check_key(&base[..base.len() - 1])?;
        }
        let mut directories = vec![(self.root.join(base), base.to_owned())];
        while let Some((directory, base)) = directories.pop() {
            let removes = !self.options.read_only;
            directories.extend(Self::list_directory(&directory, &base, prefix, removes, found)?);
        }
        Ok(())
    }

    fn names(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        let mut found_value = |key: &str, size| found(key, Some(size));
        let removes = !self.options.read_only;
        let folders = Self::list_directory(&self.root, "", "", removes, &mut found_value)?;
        folders.iter().try_for_each(|(_, folder)| found(folder.trim_end_matches('/'), None))
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        leftovers::below(&self.root, &mut |key, bytes| found(Finding::Leftover { key, bytes }))?;
        let directories = &mut vec![(self.root.clone(), String::new())];
        while let Some((directory, base)) = directories.pop() {
            let mut value = |key: &str, bytes| found(Finding::Value { key, bytes });
            directories.extend(Self::list_directory(&directory, &base, "", false, &mut value)?);
        }
        Ok(())
    }

    fn list_to_remove(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        if is_link(&self.root) {
            return found("", None);
        }
        let mut directories = vec![(self.root.clone(), String::new())];
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
                    metadata => {
                        metadata.map_err(|error| Error::io(error, "listing", shown(&entry.path())))?
                    }
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

    fn unlink(&self) -> Result<bool> {
        if !is_link(&self.root) {
            return Ok(false);
        }
        if self.options.read_only {
            let error = Error::new(ErrorKind::ReadOnly, "the store was opened for reading only");
            return Err(error.during("removing").at(self.location("")));
        }
        let removed = rustix::fs::unlink(without_slash(&self.root));
        removed.map_err(|error| Error::io(error.into(), "removing", shown(&self.root)))?;
        Ok(true)
    }

    fn tidy(&self) {
        if !self.options.read_only {
            self.locks.remove_file();
            // Fails, as it should, where there is anything else.
            if rustix::fs::rmdir(&self.root) == Err(Errno::NOTEMPTY) && leftovers::remove_last(&self.root) {
                let _ = rustix::fs::rmdir(&self.root);
            }
        }
    }
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
fn key_of_value<'a>(directory: &Path, spelled: &'a str) -> Option<&'a str> {
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

/// Reads what `request` asks for, whatever its key, of the value at `path` into `buffer`.
fn read(path: &mut KeyPath, request: &Get, buffer: &mut Vec<u8>) -> Result<Option<Found>> {
    // All but the last again in the end: a writer may have put one after the first look and then
    // removed the one that was the value until then.
    let again = &ContentEncoding::ALL[..ContentEncoding::ALL.len() - 1];
    for &encoding in ContentEncoding::ALL.iter().chain(again) {
        let path = path.spelled(encoding);
        let failed = |error: Errno| Error::io(error.into(), "reading", shown(path));
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(Errno::NAMETOOLONG) if encoding != ContentEncoding::Identity => continue,
            opened => opened.map_err(failed)?,
        };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            let error = Error::new(ErrorKind::Storage, "not a regular file");
            return Err(error.during("reading").at(shown(path)));
        }
        let version = (request.version != Wanted::Any).then(|| match is_young(&stat) {
            true => version_of(&stat) + YOUNG,
            false => version_of(&stat),
        });
        if request.version.withholds(version.as_deref()) {
            return Ok(Some(Found { len: 0, encoding, extent: Extent::Withheld, version }));
        }
        let size = stat.st_size.max(0) as u64;
        let read = read_part(&file, size, encoding, request, buffer);
        let (len, extent) = read.map_err(|error| error.during("reading").at(shown(path)))?;
        return Ok(Some(Found { len, encoding, extent, version }));
    }
    Ok(None)
}

/// What tells this file from all that had or will have its name: its number, when it was changed last, and its
/// size. While a file is being replaced both exist, with different numbers; a number is used again only after
/// that. The time of the change, unlike that of the contents, is never set by anybody.
pub(crate) fn version_of(stat: &rustix::fs::Stat) -> String {
    format!("{:x}-{:x}.{:x}-{:x}", stat.st_ino, stat.st_ctime, stat.st_ctime_nsec, stat.st_size)
}

/// Whether the file has changed so lately that the next change may get the same time. Clocks tick a hundred times
/// a second or more, but some file systems count whole seconds, and others have the clock of another machine.
fn is_young(stat: &rustix::fs::Stat) -> bool {
    let since = Duration::new(stat.st_ctime.max(0) as u64, stat.st_ctime_nsec as u32);
    let grain = Duration::from_millis(if stat.st_ctime_nsec == 0 { 2000 } else { 100 });
    SystemTime::now().duration_since(UNIX_EPOCH).is_ok_and(|now| now < since + grain)
}

/// Reads the wanted part of a value of `size` bytes into `buffer`.
fn read_part(
    file: &OwnedFd,
    size: u64,
    encoding: ContentEncoding,
    request: &Get,
    buffer: &mut Vec<u8>,
) -> Result<(usize, Extent)> {
    if let Some(ranges) = request.part.of(size, encoding)? {
        return Ok((read_ranges(file, &ranges, buffer)?, Extent::Parts));
    }
    if size > request.max_len {
        let most = request.max_len;
        return Err(Error::corrupt(format!("{size} bytes, of at most {most} that it can have")));
    }
    Ok((read_range(file, 0, size, 0, buffer)?, Extent::Whole))
}

/// Joins the wanted ranges at the start of `buffer` and returns their length.
fn read_ranges(file: &OwnedFd, ranges: &[Range<u64>], buffer: &mut Vec<u8>) -> Result<usize> {
    let mut joined = 0;
    for group in ranges.chunk_by(|one, next| next.start - one.end <= GAP) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let start = joined;
        read_range(file, first.start, last.end - first.start, start, buffer)?;
        for range in group {
            let from = start + (range.start - first.start) as usize;
            let len = (range.end - range.start) as usize;
            buffer.copy_within(from..from + len, joined);
            joined += len;
        }
    }
    Ok(joined)
}

/// Reads `len` bytes from `offset` to the position `at` of `buffer`.
fn read_range(file: &OwnedFd, mut offset: u64, len: u64, at: usize, buffer: &mut Vec<u8>) -> Result<usize> {
    let too_large = || Error::new(ErrorKind::MemoryBudget, format!("{len} bytes do not fit into memory"));
    let len = usize::try_from(len).map_err(|_| too_large())?;
    let end = at.checked_add(len).ok_or_else(too_large)?;
    buffer.try_reserve(end.saturating_sub(buffer.len())).map_err(|_| too_large())?;
    let mut rest = &mut first_bytes(buffer, end)[at..];
    while !rest.is_empty() {
        match rustix::io::pread(file, &mut *rest, offset) {
            Ok(0) => {
                let message = format!("the file ended, at {offset} bytes, while it was read");
                return Err(Error::new(ErrorKind::Storage, message).retryable());
            }
            Ok(read) => {
                offset += read as u64;
                rest = &mut rest[read..];
            }
            Err(Errno::INTR) => {}
            Err(error) => {
                let error = io::Error::from(error);
                return Err(Error::new(ErrorKind::Storage, error.to_string()).caused_by(error));
            }
        }
    }
    Ok(len)
}

fn sync_directory(directory: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let synced = rustix::fs::open(directory, flags, Mode::empty()).and_then(rustix::fs::fsync);
    match synced {
        // Some network file systems do not sync directories, nor need to.
        Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        synced => synced.map_err(|error| Error::io(error.into(), "syncing", shown(directory))),
    }
}

fn note(changed: &Changed, directory: &Path) {
    let mut changed = changed.lock().unwrap_or_else(PoisonError::into_inner);
    if !changed.contains(directory) {
        changed.insert(directory.to_owned());
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The path without a slash at its end, behind which the system would follow a link.
fn without_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(without_slash(path)).is_ok_and(|metadata| metadata.is_symlink())
}

/// The directory of a path that is absolute; the root is its own.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(directory: &Path) -> FileStore {
        FileStore::open(directory.to_owned(), StoreOptions { durable: true, ..StoreOptions::default() })
            .unwrap()
    }

    fn put(store: &dyn Store, key: &str, encoding: ContentEncoding) {
        let request = Update { key: key.into(), reads: false, max_len: u64::MAX };
        let change = |_: usize, _: Option<Blob<'_>>, new: &mut Vec<u8>| {
            new.extend_from_slice(encoding.suffix().as_bytes());
            Ok(Change::Put(encoding))
        };
        store.update_many(&[request], &change).unwrap();
    }

    #[test]
    fn encodings_are_suffixes_and_the_last_one_put_counts() {
        let directory = tempfile::tempdir().unwrap();
        let store: &dyn Store = &store(directory.path());
        for first in ContentEncoding::ALL {
            for second in ContentEncoding::ALL {
                put(store, "a/k", first);
                put(store, "a/k", second);
                assert_eq!(store.read("a/k").unwrap().unwrap(), second.suffix().as_bytes());
                let names: Vec<_> = std::fs::read_dir(directory.path().join("a")).unwrap().collect();
                assert_eq!(names.len(), 1);
                store.delete("a/k").unwrap();
                assert!(!store.exists("a/k").unwrap());
            }
        }
    }

    /// A reader that has looked for the new spelling too early must not report the value as missing.
    #[test]
    fn a_value_that_changes_its_spelling_is_never_missing() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::open(directory.path().to_owned(), StoreOptions::default()).unwrap();
        let start = std::sync::Barrier::new(2);
        let mut missed = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2000 {
                    put(&store, "k", ContentEncoding::Zstd);
                    start.wait();
                    put(&store, "k", ContentEncoding::Gzip);
                    start.wait();
                }
            });
            for _ in 0..2000 {
                start.wait();
                missed += (0..8).filter(|_| !(&store as &dyn Store).exists("k").unwrap()).count();
                start.wait();
            }
        });
        assert_eq!(missed, 0);
    }

    #[test]
    fn lists_each_key_once_and_hides_its_own_files() {
        let directory = tempfile::tempdir().unwrap();
        let store: &dyn Store = &store(directory.path());
        put(store, "8_8_8/0-1", ContentEncoding::Gzip);
        for name in ["8_8_8/0-1.br", "8_8_8/.bigarrays-tmp-x", "8_8_8/.gz", "8_9"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let list = |prefix: &str| {
            let mut keys = Vec::new();
            store
                .list(prefix, &mut |key, size| {
                    keys.push((key.to_owned(), size));
                    Ok(())
                })
                .unwrap();
            keys.sort();
            keys
        };
        assert_eq!(list("8_8"), [("8_8_8/.gz".into(), 0), ("8_8_8/0-1".into(), 3)]);
        assert_eq!(list("8_8_8/0"), [("8_8_8/0-1".into(), 3)]);
        assert_eq!(list("").len(), 3);
        assert!(list("nowhere/").is_empty());
    }

    #[test]
    fn near_ranges_are_joined_as_far_ones_are() {
        let directory = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|k| (k * 7 + k / 255) as u8).collect();
        std::fs::write(directory.path().join("k"), &bytes).unwrap();
        let file = std::fs::File::open(directory.path().join("k")).unwrap().into();
        let ranges = vec![5..9, 9..9, 100..110, 50_000..70_000, 199_999..200_000];
        let expected: Vec<u8> =
            ranges.iter().flat_map(|r| bytes[r.start as usize..r.end as usize].iter().copied()).collect();
        let mut buffer = vec![1; 7];
        let len = read_ranges(&file, &ranges, &mut buffer).unwrap();
        assert_eq!(buffer[..len], expected);
        assert!(
            read_ranges(&file, &[0..1, 1..200_001], &mut buffer).unwrap_err().to_string().contains("ended")
        );
    }
}
