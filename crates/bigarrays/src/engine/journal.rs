//! What was done by a job that ended early, so that the next run of the same job need not do it again.
//!
//! A journal is a file of lines, one for each block that is done: the job, the number of the block, and a
//! digest of the chunks as they were stored. A line that a crash cut short counts for nothing, and a block
//! counts as done only if what is stored then still has that digest: that is looked up, and survives
//! everything from a power failure to other writers.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use twox_hash::XxHash3_128;

use crate::array::Array;
use crate::codec::ContentEncoding;
use crate::domain::Domain;
use crate::error::{Error, ErrorKind, Result};
use crate::store::ofd::{self, Kind, Span};
use crate::store::{Blob, Change, ChangeFn, Get, GetSink, Part, Store, Update};

/// The first line of a journal.
const MAGIC: &str = "bigarrays journal 1\n";

/// A record of blocks that are done, kept in a file that one process at a time may have open.
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    done: HashMap<(u128, usize), u128>,
    /// Whether nothing was ever noted: then nothing is left when it is closed.
    is_empty: AtomicBool,
}

impl Drop for Journal {
    fn drop(&mut self) {
        if *self.is_empty.get_mut() {
            // An empty journal does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.path).field("done", &self.done.len()).finish()
    }
}

impl Journal {
    /// Opens the journal at `path`, or begins one there.
    ///
    /// # Errors
    /// `Storage` if another process has it open, which then does the same job; `InvalidArgument` if there is a
    /// file of another kind; any error of files.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let failed = |error| Error::io(error, "opening the journal", path.display().to_string());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut file = loop {
            let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
            ofd::try_lock(&file, Kind::Exclusive, Span::ALL).map_err(|_| {
                let reason = "another process is at this job; wait until it ends, or stop it";
                Error::new(ErrorKind::Storage, reason).at(path.display().to_string())
            })?;
            // Whoever had it before may just have removed it.
            if is_at(&file, &path) {
                break file;
            }
        };
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let records = match text.strip_prefix(MAGIC) {
            Some(records) => records,
            // Cut short as it began.
            None if MAGIC.starts_with(&text) => {
                file.set_len(0).and_then(|()| file.write_all(MAGIC.as_bytes())).map_err(failed)?;
                ""
            }
            None => return Err(Error::invalid("this is no journal").at(path.display().to_string())),
        };
        let whole = records.rfind('\n').map_or("", |end| &records[..=end]);
        file.set_len((MAGIC.len() + whole.len()) as u64).map_err(failed)?;
        let done = whole.lines().filter_map(parse).collect();
        Ok(Self { path, file: Mutex::new(file), done, is_empty: AtomicBool::new(whole.is_empty()) })
    }

    /// Where the journal of the job that `what` describes is to be found again, in the user's own folder of
    /// what programs leave for their next run; `None` if the environment names no such place.
    pub fn default_path(what: &str) -> Option<PathBuf> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))?;
        Some(base.join(format!("bigarrays/jobs/{:032x}", XxHash3_128::oneshot(what.as_bytes()))))
    }

    /// Notes that a step, which has this name in the job, is done.
    ///
    /// # Errors
    /// Any error of files.
    pub fn note(&self, step: &str) -> Result<()> {
        self.on(step).note(0, Digest::default())
    }

    /// Whether an earlier run has noted this step.
    pub fn has(&self, step: &str) -> bool {
        self.on(step).digest(0).is_some()
    }

    /// Removes the journal of a job that is done.
    ///
    /// # Errors
    /// Any error of files.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path)
            .map_err(|error| Error::io(error, "removing the journal", self.path.display().to_string()))
    }

    /// The part of the journal on the job that `what` describes, all that its outcome depends on.
    pub(super) fn on(&self, what: &str) -> Entries<'_> {
        Entries { journal: self, job: XxHash3_128::oneshot(what.as_bytes()) }
    }
}

/// Whether the file at `path` is `file`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn parse(line: &str) -> Option<((u128, usize), u128)> {
    let mut words = line.split(' ');
    let job = u128::from_str_radix(words.next()?, 16).ok()?;
    let block = words.next()?.parse().ok()?;
    Some(((job, block), u128::from_str_radix(words.next()?, 16).ok()?))
}

/// What a journal says of one job.
pub(super) struct Entries<'a> {
    journal: &'a Journal,
    job: u128,
}

impl Entries<'_> {
    /// The digest of a block that is done.
    pub(super) fn digest(&self, block: usize) -> Option<Digest> {
        self.journal.done.get(&(self.job, block)).copied().map(Digest)
    }

    /// Notes that a block is done.
    pub(super) fn note(&self, block: usize, digest: Digest) -> Result<()> {
        let line = format!("{:032x} {block} {:032x}\n", self.job, digest.0);
        self.journal.is_empty.store(false, Ordering::Relaxed);
        let mut file = self.journal.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())
            .map_err(|error| Error::io(error, "writing the journal", self.journal.path.display().to_string()))
    }
}

/// A digest of chunks as they are stored, in whatever order they are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(u128);

impl Digest {
    fn add(&mut self, key: &str, value: Option<(ContentEncoding, &[u8])>) {
        // Distinct for what is missing, and for each key: two values that change places differ.
        let own = XxHash3_128::oneshot(key.as_bytes());
        let value =
            value.map_or(1, |(encoding, bytes)| XxHash3_128::oneshot_with_seed(encoding as u64, bytes));
        let both = [own.to_ne_bytes(), value.to_ne_bytes()].concat();
        self.0 = self.0.wrapping_add(XxHash3_128::oneshot(&both));
    }

    /// The digest of the chunks of `array` that `part` touches.
    pub(super) fn of(array: &Array, part: &Domain) -> Result<Self> {
        let sum = Mutex::new(Self::default());
        for layout in array.layouts() {
            let projection = layout.grid.project_selection(&array.stored_selection(part)?);
            let requests: Vec<Get> = projection
                .iter()
                .map(|part| {
                    let most = layout.max_stored_len(&part.index);
                    Get::new(layout.chunk_key(&part.index), Part::Whole, most)
                })
                .collect();
            array.store().get_many(&requests, &|position, blob| {
                let mut own = Self::default();
                own.add(&requests[position].key, blob.map(|blob| (blob.encoding, blob.bytes)));
                let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                sum.0 = sum.0.wrapping_add(own.0);
                Ok(())
            })?;
        }
        Ok(sum.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A store that passes everything on, and makes a digest of what is put there.
#[derive(Debug)]
pub(super) struct Witness {
    inner: Arc<dyn Store>,
    /// `None` once it is not known what was put.
    seen: Mutex<Option<Digest>>,
}

impl Witness {
    pub(super) fn over(inner: Arc<dyn Store>) -> Self {
        Self { inner, seen: Mutex::new(Some(Digest::default())) }
    }

    /// The digest of all values as they were put, if that is known.
    pub(super) fn digest(&self) -> Option<Digest> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Witness {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        self.inner.child(path)
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.inner.get_many(requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        // Of changes that were made again, the last counts.
        let last: Vec<Mutex<Option<Digest>>> = requests.iter().map(|_| Mutex::new(None)).collect();
        self.inner.update_many(requests, &|position, old: Option<Blob<'_>>, new: &mut Vec<u8>| {
            let done = change(position, old, new)?;
            let mut digest = Digest::default();
            let known = match done {
                Change::Put(encoding) => Some(Some((encoding, new.as_slice()))),
                Change::Delete => Some(None),
                Change::PutOrDelete(_) | Change::Keep => None,
            };
            let known = known.map(|value| {
                digest.add(&requests[position].key, value);
                digest
            });
            *last[position].lock().unwrap_or_else(PoisonError::into_inner) = known;
            Ok(done)
        })?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in last {
            let digest = digest.into_inner().unwrap_or_else(PoisonError::into_inner);
            *seen = seen.zip(digest).map(|(sum, own)| Digest(sum.0.wrapping_add(own.0)));
        }
        Ok(())
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_there_for_the_next_run_and_half_a_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/journal");
        let journal = Journal::open(&path).unwrap();
        drop(journal);
        assert!(!path.exists(), "nothing was noted");
        let journal = Journal::open(&path).unwrap();
        journal.on("a").note(3, Digest(7)).unwrap();
        journal.on("a").note(4, Digest(8)).unwrap();
        assert_eq!(Journal::open(&path).unwrap_err().kind(), ErrorKind::Storage);
        drop(journal);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 1]).unwrap();
        let journal = Journal::open(&path).unwrap();
        assert!(!journal.has("b"));
        assert_eq!(journal.on("a").digest(3), Some(Digest(7)));
        assert_eq!((journal.on("a").digest(4), journal.on("b").digest(3)), (None, None));
        journal.on("a").note(5, Digest(9)).unwrap();
        journal.note("b").unwrap();
        drop(journal);
        assert!(Journal::open(&path).unwrap().has("b"));
        assert_eq!(Journal::open(&path).unwrap().on("a").digest(5), Some(Digest(9)));
        Journal::open(&path).unwrap().remove().unwrap();
        assert!(!path.exists());
        std::fs::write(&path, "something else").unwrap();
        assert!(Journal::open(&path).is_err());
    }

    #[test]
    fn digests_do_not_depend_on_the_order_but_on_all_else() {
        let of = |values: &[(&str, Option<&[u8]>)]| {
            let mut digest = Digest::default();
            values.iter().for_each(|(key, value)| {
                digest.add(key, value.map(|bytes| (ContentEncoding::Identity, bytes)));
            });
            digest
        };
        let (a, b) = (("a", Some(&b"1"[..])), ("b", Some(&b"2"[..])));
        assert_eq!(of(&[a, b]), of(&[b, a]));
        assert_ne!(of(&[a, b]), of(&[("a", b.1), ("b", a.1)]));
        assert_ne!(of(&[a]), of(&[("a", None)]));
        assert_ne!(of(&[a]), of(&[a, a]));
    }
}
