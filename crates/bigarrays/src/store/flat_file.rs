//! `FlatFile`: one dense file as a store. Key `k`, a decimal number, is the `k`-th slab of the data.
//!
//! ```text
//! ┌────────┬────────┬────────┬─────┬───────────┐
//! │ header │ slab 0 │ slab 1 │  …  │ last slab │  any further bytes are ignored
//! └────────┴────────┴────────┴─────┴───────────┘
//! ```
//!
//! A new file has a temporary name until [`FlatFile::finish`] renames it, and no reader meets it before.
//!
//! What exists is changed in place: a reader, or who comes after a crash, may see part of a change, which
//! the contract of [`Store`] excludes and flat files cannot. Only bytes that differ are written, and those
//! next to them, so that what others change elsewhere in a slab, through a mapping, is not undone.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::base::buffer::{first_bytes, with_scratch};
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::lock::KeyLocks;
use crate::store::ofd::{self, Private};
use crate::store::request::joined_len;
use crate::store::temporary::is_alive;
use crate::store::waiting::lock;
use crate::store::{
    Blob, Change, ChangeFn, Extent, Finding, Get, GetSink, Store, StoreOptions, Update, Wanted, in_parallel,
    version_of,
};

/// One flat file: a header, then slabs of equal length; only the last may be shorter.
#[derive(Debug)]
pub struct FlatFile {
    path: PathBuf,
    file: File,
    /// Where the file is, without links, and its device and inode: others may put another in its place.
    place: (PathBuf, (u64, u64)),
    header: u64,
    data: u64,
    slab: u64,
    /// Whether others are kept from putting another file in its place during a change.
    keeps_out: bool,
    /// How long is waited for locks of others at most.
    patience: Option<Duration>,
    /// Present if the file can be written.
    locks: Option<KeyLocks>,
    /// Whether changes are on the disk when they are reported as done.
    durable: bool,
    /// Present if the file is under construction.
    draft: Option<Draft>,
}

#[derive(Debug)]
struct Draft {
    temporary: PathBuf,
    finished: AtomicBool,
}

impl FlatFile {
    /// Opens `path`, `data` bytes behind a header of `header` bytes, in slabs of `slab` bytes, which can
    /// be changed in place unless the options say `read_only`.
    ///
    /// # Errors
    /// `CorruptData` if the file is shorter than header and data.
    pub fn open(path: &Path, header: u64, data: u64, slab: u64, options: &StoreOptions) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(!options.read_only)
            .open(path)
            .map_err(|error| io_error(error, "opening", path))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let locks = (!options.read_only)
            .then(|| KeyLocks::new(directory, options.lock).with_patience(options.lock_timeout));
        let (slab, durable) = (slab.max(1), options.durable);
        let place = place_of(path, &file).map_err(|error| io_error(error, "opening", path))?;
        let (keeps_out, patience) = (options.lock, options.lock_timeout);
        let path = path.into();
        let opened =
            Self { path, file, place, header, data, slab, keeps_out, patience, locks, durable, draft: None };
        let end = opened.end()?;
        if opened.actual_len()? < end {
            return Err(opened.too_short(end));
        }
        Ok(opened)
    }

    /// Starts a new file with the given header and `data` bytes of zeros, which becomes `path` when
    /// finished and vanishes if dropped before. Its space is reserved where the file system can do so.
    ///
    /// # Errors
    /// `StorageFull` if there is no room; `NotFound` if the directory does not exist.
    pub fn create(path: &Path, header: &[u8], data: u64, slab: u64) -> Result<Self> {
        let temporary = temporary_beside(path)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|error| io_error(error, "creating", path))?;
        let place = place_of(&temporary, &file).map_err(|error| io_error(error, "creating", path))?;
        let draft = Draft { temporary, finished: AtomicBool::new(false) };
        let created = Self {
            path: path.into(),
            file,
            place,
            keeps_out: false,
            patience: None,
            header: header.len() as u64,
            data,
            slab: slab.max(1),
            locks: Some(KeyLocks::new(path, false)),
            durable: false,
            draft: Some(draft),
        };
        reserve(&created.file, created.end()?).map_err(|error| io_error(error, "creating", path))?;
        created.file.write_all_at(header, 0).map_err(|error| io_error(error, "writing", path))?;
        Ok(created)
    }

    /// Gives a file under construction its name, replacing what had it; with `durable`, only after
    /// the data are on the disk. Later writes fail.
    pub fn finish(&self, durable: bool) -> Result<()> {
        let draft = self.draft.as_ref().ok_or_else(|| self.refused("it is finished already"))?;
        let failed = |error| io_error(error, "finishing", &self.path);
        if durable {
            self.file.sync_all().map_err(failed)?;
        }
        std::fs::rename(&draft.temporary, &self.path).map_err(failed)?;
        draft.finished.store(true, Ordering::Release);
        if durable {
            let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let directory = File::open(directory.unwrap_or(Path::new("."))).map_err(failed)?;
            directory.sync_all().map_err(failed)?;
        }
        Ok(())
    }

    fn end(&self) -> Result<u64> {
        let end = self.header.checked_add(self.data).filter(|&end| i64::try_from(end).is_ok());
        end.ok_or_else(|| {
            Error::invalid(format!("{} bytes are more than a file can hold", self.data)).at(self.location(""))
        })
    }

    fn actual_len(&self) -> Result<u64> {
        let metadata = self.file.metadata().map_err(|error| io_error(error, "opening", &self.path))?;
        Ok(metadata.len())
    }

    #[cold]
    fn too_short(&self, expected: u64) -> Error {
        let actual = self.actual_len().map_or_else(|_| "fewer".into(), |actual| actual.to_string());
        Error::corrupt(format!("the file has {actual} bytes where {expected} are expected; it was cut short"))
            .during("reading")
            .at(self.location(""))
    }

    fn writable(&self) -> Result<&KeyLocks> {
        let is_finished = self.draft.as_ref().is_some_and(|draft| draft.finished.load(Ordering::Acquire));
        let locks = self.locks.as_ref().filter(|_| !is_finished);
        locks.ok_or_else(|| self.refused("the file is not open for writing"))
    }

    #[cold]
    fn refused(&self, reason: &'static str) -> Error {
        Error::new(ErrorKind::ReadOnly, reason).at(self.location(""))
    }

    /// Keeps others from putting another file in the place of this one until what is returned goes.
    ///
    /// # Errors
    /// `Storage` if somebody has.
    fn keep(&self) -> Result<Option<Kept>> {
        if self.draft.is_some() {
            return Ok(None);
        }
        let (path, identity) = &self.place;
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => self.replaced(),
            _ => io_error(error, "locking", &self.path),
        };
        let kept = Kept(Private::open(|| File::open(path)).map_err(refused)?);
        if self.keeps_out {
            let what = || format!("the lock of {}", self.path.display());
            lock(&*kept.0, ofd::Kind::Shared, IN_USE, self.patience, &what, &refused)?;
        }
        let is_same = std::fs::metadata(path).is_ok_and(|metadata| identity_of(&metadata) == *identity);
        if is_same { Ok(Some(kept)) } else { Err(self.replaced()) }
    }

    #[cold]
    fn replaced(&self) -> Error {
        let reason = "the file was removed, or another has been put in place of it; open it again";
        Error::new(ErrorKind::Storage, reason).during("writing").at(self.location(""))
    }

    /// Replaces `old`, the bytes at `offset`, by `new`; writes what differs, or all without `old`.
    fn replace(&self, old: Option<&[u8]>, new: &[u8], offset: u64) -> io::Result<()> {
        match old {
            None => self.file.write_all_at(new, offset)?,
            Some(old) => {
                for span in differing(old, new) {
                    self.file.write_all_at(&new[span.clone()], offset + span.start as u64)?;
                }
            }
        }
        if self.durable { self.file.sync_data() } else { Ok(()) }
    }

    /// Where in the file slab `key` lies; `None` if there is no such slab.
    fn span(&self, key: &str) -> Option<Range<u64>> {
        let number: u64 = key.parse().ok()?;
        let start = number.checked_mul(self.slab).filter(|&start| start < self.data)?;
        let end = start.saturating_add(self.slab).min(self.data);
        Some(self.header + start..self.header + end)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(into, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.too_short(self.header + self.data),
            _ => io_error(error, "reading", &self.path),
        })
    }

    /// Reads the wanted parts of one slab into the start of `buffer`; says how many bytes and what
    /// they are.
    fn read(&self, get: &Get, span: &Range<u64>, buffer: &mut Vec<u8>) -> Result<(usize, Extent)> {
        let total = span.end - span.start;
        let parts = get.part.of(total, ContentEncoding::Identity)?;
        let extent = if parts.is_some() { Extent::Parts } else { Extent::Whole };
        let ranges = parts.unwrap_or_else(|| vec![0..total].into());
        let bytes = first_bytes(buffer, joined_len(&ranges)?);
        let mut at = 0;
        for range in &*ranges {
            let next = at + (range.end - range.start) as usize;
            self.read_at(&mut bytes[at..next], span.start + range.start)?;
            at = next;
        }
        Ok((at, extent))
    }

    fn get(&self, position: usize, get: &Get, sink: &GetSink<'_>) -> Result<()> {
        let Some(span) = self.span(&get.key) else { return sink(position, None) };
        // Of the whole file: it is the same whichever slab was changed.
        let version = match get.version {
            Wanted::Any => None,
            _ => Some(
                rustix::fs::fstat(&self.file)
                    .map_err(|error| Error::io(error.into(), "reading", self.path.display().to_string()))?,
            ),
        };
        let version = version.as_ref().map(version_of);
        let version = version.as_deref();
        if get.version.withholds(version) {
            return sink(position, Some(Blob { extent: Extent::Withheld, version, ..Blob::parts(&[]) }));
        }
        with_scratch(|buffer| {
            let (length, extent) = self.read(get, &span, buffer)?;
            sink(position, Some(Blob { extent, version, ..Blob::parts(&buffer[..length]) }))
        })
    }

    fn update(&self, position: usize, update: &Update, change: &ChangeFn<'_>) -> Result<()> {
        let locks = self.writable()?;
        let span = self.span(&update.key).ok_or_else(|| {
            Error::invalid("there is no such slab").during("writing").at(self.location(&update.key))
        })?;
        let length = (span.end - span.start) as usize;
        let change_to = |old: Option<&[u8]>, new: &mut Vec<u8>| {
            new.clear();
            let blob = old.map(|old| Blob::whole(old, ContentEncoding::Identity));
            match change(position, blob, new)? {
                Change::Keep => return Ok(()),
                Change::Put(ContentEncoding::Identity) | Change::PutOrDelete(ContentEncoding::Identity) => {}
                Change::Put(_) | Change::PutOrDelete(_) => {
                    return Err(Error::unsupported("a flat file is not compressed"));
                }
                Change::Delete => new.resize(length, 0),
            }
            if new.len() != length {
                return Err(Error::invalid(format!("{} bytes for a slab of {length}", new.len())));
            }
            self.replace(old, new, span.start).map_err(|error| io_error(error, "writing", &self.path))
        };
        let work = |new: &mut Vec<u8>| {
            if !update.reads {
                return change_to(None, new);
            }
            with_scratch(|old| {
                let old = first_bytes(old, length);
                self.read_at(old, span.start)?;
                change_to(Some(old), new)
            })
        };
        // The slabs of one file are told from those of others in its directory.
        let key = if self.draft.is_some() { update.key.clone() } else { self.location(&update.key) };
        let done = locks.hold(&key, &|| Ok(()), || with_scratch(work));
        done.map_err(|error| error.at(self.location(&update.key)))
    }
}

/// The lock that everybody shares who has a file open for writing that can be replaced, and who replaces it
/// has alone: see [`flat`](crate::flat), where it is a byte far behind the end.
pub(crate) const IN_USE: ofd::Span = ofd::Span::byte((1 << 62) + 1);

/// A file that nobody replaces.
struct Kept(Private<File>);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = ofd::unlock(&*self.0, IN_USE);
    }
}

fn identity_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn place_of(path: &Path, file: &File) -> io::Result<(PathBuf, (u64, u64))> {
    let place = path.canonicalize().unwrap_or_else(|_| path.into());
    Ok((place, identity_of(&file.metadata()?)))
}

/// Where `new` differs from `old`, in runs. Equal bytes between two of a grain are part of a run.
fn differing(old: &[u8], new: &[u8]) -> Vec<Range<usize>> {
    const GRAIN: usize = 64;
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (number, (old, new)) in old.chunks(GRAIN).zip(new.chunks(GRAIN)).enumerate() {
        let differs = |(old, new): (&u8, &u8)| old != new;
        let Some(first) = old.iter().zip(new).position(differs) else { continue };
        let last = old.iter().zip(new).rposition(differs).unwrap_or(first);
        let span = number * GRAIN + first..number * GRAIN + last + 1;
        match spans.last_mut().filter(|before| before.end == span.start) {
            Some(before) => before.end = span.end,
            None => spans.push(span),
        }
    }
    spans
}

impl Drop for FlatFile {
    fn drop(&mut self) {
        let unfinished = self.draft.as_ref().filter(|draft| !draft.finished.load(Ordering::Acquire));
        if let Some(draft) = unfinished {
            // Nobody is left who could be told of a failure.
            let _ = std::fs::remove_file(&draft.temporary);
        }
    }
}

impl Store for FlatFile {
    fn location(&self, key: &str) -> String {
        let path = self.path.display();
        if key.is_empty() { path.to_string() } else { format!("{path}#{key}") }
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        Err(Error::invalid("a flat file has nothing below it").at(format!("{}/{path}", self.location(""))))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        in_parallel(requests, |position, request| self.get(position, request, sink))
    }

    /// As the trait says; removing a slab fills it with zeros.
    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        let _kept = self.keep()?;
        in_parallel(requests, |position, request| self.update(position, request, change))
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        for number in 0..self.data.div_ceil(self.slab) {
            let key = number.to_string();
            if key.starts_with(prefix) {
                found(&key, self.slab.min(self.data - number * self.slab))?;
            }
        }
        Ok(())
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What lies beside the file may be in a folder that cannot be listed.
        for entry in std::fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten() {
            let beside = entry.file_name();
            let Some(beside) = beside.to_str().filter(|beside| is_beside(beside, name) && is_left(beside))
            else {
                continue;
            };
            if let Ok(metadata) = entry.metadata() {
                found(Finding::Leftover { key: beside, bytes: metadata.len() })?;
            }
        }
        self.list("", &mut |key, bytes| found(Finding::Value { key, bytes }))
    }
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
    use std::sync::Mutex;

    use super::*;
    use crate::store::Part;

    fn get(store: &FlatFile, key: &str, part: Part) -> Result<Option<Vec<u8>>> {
        let got = Mutex::new(None);
        store.get_many(&[Get::new(key, part, u64::MAX)], &|_, blob| {
            *got.lock().unwrap() = blob.map(|blob| blob.bytes.to_vec());
            Ok(())
        })?;
        Ok(got.into_inner().unwrap())
    }

    fn put(store: &FlatFile, values: &[(&str, &[u8])]) -> Result<()> {
        let updates: Vec<_> = values
            .iter()
            .map(|(key, _)| Update { key: (*key).into(), reads: false, max_len: u64::MAX })
            .collect();
        store.update_many(&updates, &|k, _, out| {
            out.extend_from_slice(values[k].1);
            Ok(Change::Put(ContentEncoding::Identity))
        })
    }

    #[test]
    fn writes_renames_and_reads_back_parts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.bin");
        let draft = FlatFile::create(&path, b"head", 10, 4).unwrap();
        put(&draft, &[("0", b"abcd"), ("2", b"yz"), ("1", b"efgh")]).unwrap();
        assert!(put(&draft, &[("2", b"too long")]).is_err() && put(&draft, &[("3", b"")]).is_err());
        assert!(!path.exists());
        draft.finish(true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"headabcdefghyz");
        assert_eq!(put(&draft, &[("0", b"....")]).unwrap_err().kind(), ErrorKind::ReadOnly);
        drop(draft);

        let store = FlatFile::open(&path, 4, 10, 4, &StoreOptions::default()).unwrap();
        assert_eq!(get(&store, "2", Part::Whole).unwrap().unwrap(), b"yz");
        assert_eq!(get(&store, "3", Part::Whole).unwrap(), None);
        let ranges = |end| Part::Ranges { ranges: vec![0..1, 2..end], total: Some(4) };
        assert_eq!(get(&store, "1", ranges(4)).unwrap().unwrap(), b"egh");
        assert_eq!(get(&store, "1", Part::Presence).unwrap().unwrap(), b"");
        assert_eq!(get(&store, "1", ranges(5)).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let mut listed = Vec::new();
        let mut note = |key: &str, size| {
            listed.push((key.to_owned(), size));
            Ok(())
        };
        store.list("", &mut note).unwrap();
        assert_eq!(listed[2], ("2".into(), 2));
    }

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

    #[test]
    fn concurrent_changes_of_one_key_follow_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let store = FlatFile::create(&directory.path().join("a"), b"", 8, 8).unwrap();
        let updates = vec![Update { key: "0".into(), reads: true, max_len: u64::MAX }; 200];
        let add_one = |_: usize, old: Option<Blob<'_>>, new: &mut Vec<u8>| {
            let value = u64::from_le_bytes(old.unwrap().bytes.try_into().unwrap());
            new.extend_from_slice(&(value + 1).to_le_bytes());
            Ok(Change::Put(ContentEncoding::Identity))
        };
        store.update_many(&updates, &add_one).unwrap();
        assert_eq!(get(&store, "0", Part::Whole).unwrap().unwrap(), 200u64.to_le_bytes());
        store.update_many(&updates[..1], &|_, _, _| Ok(Change::Delete)).unwrap();
        assert_eq!(get(&store, "0", Part::Whole).unwrap().unwrap(), [0; 8]);
    }

    #[test]
    fn what_is_not_finished_vanishes_and_what_is_short_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.bin");
        drop(FlatFile::create(&path, b"", 10, 4).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        std::fs::write(&path, [1; 9]).unwrap();
        let error = FlatFile::open(&path, 0, 10, 4, &StoreOptions::default()).unwrap_err().to_string();
        assert!(error.contains("9 bytes where 10"), "{error}");
        let store = FlatFile::open(&path, 0, 9, 4, &StoreOptions::default()).unwrap();
        std::fs::write(&path, [1; 5]).unwrap();
        let error = get(&store, "1", Part::Whole).unwrap_err().to_string();
        assert!(error.contains("5 bytes where 9"), "{error}");
    }
}
