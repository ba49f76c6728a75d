//! What was done by a job that ended early, so that the next run of the same job need not do it again.
//!
//! A journal is a file of steps, which are lines of text, and a folder beside it. There are records of blocks that are done,
//! with digests of the chunks as they were stored, and of the versions of those that they were made of, and what parts of the
//! work have left for others. What a crash cut short counts for nothing, and a block counts as done only if both are as they
//! were: that is looked up, and survives everything from a power failure to other writers.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use twox_hash::XxHash3_128;

use crate::base::error::{self, Error, Result};
use crate::base::sync::MutexExt;
use crate::base::text::{redact, without_queries};
use crate::compute::digest::Digest;
use crate::compute::ledger::{Ledger, Noting, folder_of};
use crate::compute::noted::Made;
use crate::store::ofd::{self, Kind, Private, Span};

/// The first line of a journal. Another version of the library may cut the same job into other blocks.
pub(super) const MAGIC: &str = concat!("bigarrays journal 2 ", env!("CARGO_PKG_VERSION"), "\n");

/// What the first lines of journals of all versions begin with.
const FAMILY: &str = "bigarrays journal ";

/// A record of what is done of a job, kept in a file that one process at a time may have open.
pub struct Journal {
    path: PathBuf,
    file: Mutex<Private<File>>,
    ledger: Ledger,
    steps: Vec<String>,
    /// Whether nothing is noted: then nothing is left when it is closed.
    is_empty: AtomicBool,
    was_cut_short: bool,
    has_begun: bool,
    began_anew: AtomicBool,
    /// What the job does: noted before all else.
    what: Option<String>,
}

/// What an earlier run of a job may have made at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It made it.
    Made,
    /// It may have been killed before it noted that.
    MayHaveMade,
    /// There was none.
    None,
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
        f.debug_struct("Journal").field("path", &self.path).finish_non_exhaustive()
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
            let open = || OpenOptions::new().read(true).append(true).create(true).open(&path);
            let file = Private::open(open).map_err(failed)?;
            ofd::try_lock(&*file, Kind::Exclusive, Span::ALL).map_err(|_| {
                let reason = "another process is at this job; wait until it ends, or stop it";
                Error::new(error::ErrorKind::Storage, reason).at(path.display().to_string())
            })?;
            // Whoever had it before may just have removed it.
            if is_at(&file, &path) {
                break file;
            }
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let no_journal = |reason: &str| {
            let reason = format!("{reason}; remove it, and the job begins anew");
            Error::invalid(reason).at(path.display().to_string())
        };
        const DAMAGED: &str = "this is no journal, or it is damaged";
        let text = String::from_utf8(bytes).map_err(|_| no_journal(DAMAGED))?;
        let records = match text.strip_prefix(MAGIC) {
            Some(records) => records,
            // Cut short as it began.
            None if MAGIC.starts_with(&text) => {
                file.set_len(0).and_then(|()| file.write_all(MAGIC.as_bytes())).map_err(failed)?;
                ""
            }
            None if text.starts_with(FAMILY) => {
                return Err(no_journal("another version of bigarrays has begun this job"));
            }
            None => return Err(no_journal(DAMAGED)),
        };
        let whole = records.rfind('\n').map_or("", |end| &records[..=end]);
        file.set_len((MAGIC.len() + whole.len()) as u64).map_err(failed)?;
        let steps = whole.lines().filter_map(|line| line.strip_prefix(STEP)).map(str::to_owned).collect();
        let ledger = Ledger::of_one(folder_of(&path)).map_err(failed)?;
        let is_empty = AtomicBool::new(whole.is_empty());
        // Whoever ends with nothing noted leaves no file, unless it is killed.
        let was_cut_short = whole.is_empty() && !text.is_empty();
        let has_begun = !text.is_empty();
        Ok(Self {
            path,
            file: Mutex::new(file),
            ledger,
            steps,
            is_empty,
            was_cut_short,
            has_begun,
            began_anew: AtomicBool::new(false),
            what: None,
        })
    }

    /// The same of a job that does this, which is shown to users without passwords and queries.
    ///
    /// # Errors
    /// `InvalidArgument` if it is the journal of another job.
    pub fn of(mut self, what: &str) -> Result<Self> {
        let what = without_queries(&redact(what)).into_owned();
        let line = line_of(&format!("{WHAT}{what}"));
        let other = self.steps().find(|step| step.starts_with(WHAT) && line_of(step) != line);
        if let Some(other) = other {
            let other = &other[WHAT.len()..];
            let reason = format!(
                "this is the journal of another job, {other}: finish or forget that, or name another file"
            );
            return Err(Error::invalid(reason).at(self.path.display().to_string()));
        }
        self.what = Some(what);
        Ok(self)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an earlier run was killed before it noted anything.
    pub fn was_cut_short(&self) -> bool {
        self.was_cut_short
    }

    /// What an earlier run may have made at `url`.
    pub fn earlier(&self, url: &str) -> Earlier {
        let step = made_at(url);
        match self.has_begun {
            true if self.steps().any(|known| known == step) => Earlier::Made,
            true => Earlier::MayHaveMade,
            false => Earlier::None,
        }
    }

    /// Notes that there is now an array of this job at `url`.
    ///
    /// # Errors
    /// Any error of files.
    pub fn note_made(&self, url: &str) -> Result<()> {
        if self.earlier(url) == Earlier::Made { Ok(()) } else { self.note(&made_at(url)) }
    }

    /// Whether an earlier run has begun the job.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether an earlier run has done all of the job, and may have been killed before it said so elsewhere.
    pub fn is_done(&self) -> bool {
        self.steps().any(|step| step.starts_with(DONE))
    }

    /// Whether the computation of this key is what was done.
    pub(super) fn has_done(&self, key: &str) -> bool {
        self.steps().any(|step| step.strip_prefix(DONE) == Some(key))
    }

    /// Notes that all of the computation of this key is done.
    ///
    /// # Errors
    /// Any error of files.
    pub(crate) fn note_done(&self, key: &str) -> Result<()> {
        self.note(&format!("{DONE}{key}"))
    }

    /// Whether an earlier run had begun another computation, or one of inputs of another layout: what it has done is of no use.
    pub fn began_anew(&self) -> bool {
        self.began_anew.load(Ordering::Relaxed)
    }

    /// Has [`Journal::began_anew`] say so.
    pub(super) fn begin_anew(&self) {
        self.began_anew.store(true, Ordering::Relaxed);
    }

    /// Where the journal of the job that `what` describes is to be found again, in the user's own folder of
    /// what programs leave for their next run; `None` if the environment names no such place.
    pub fn default_path(what: &str) -> Option<PathBuf> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))?;
        Some(base.join(format!("bigarrays/jobs/{:032x}", XxHash3_128::oneshot(what.as_bytes()))))
    }

    /// Notes that a step is done, with all that there is to be known of it, in one line.
    ///
    /// # Errors
    /// Any error of files.
    pub fn note(&self, step: &str) -> Result<()> {
        self.add(&line_of(step))
    }

    /// The steps that earlier runs have noted, in their order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.steps.iter().map(String::as_str)
    }

    /// How many blocks that an earlier run had done were done again, because they, or what they were made of, have changed since.
    pub fn redone(&self) -> u64 {
        self.ledger.redone()
    }

    /// Takes back all that earlier runs have noted.
    ///
    /// # Errors
    /// Any error of files.
    pub fn forget(&mut self) -> Result<()> {
        self.ledger.remove()?;
        self.steps.clear();
        self.is_empty = AtomicBool::new(true);
        let file = self.file.value_mut();
        file.set_len(MAGIC.len() as u64).map_err(|error| self.failed(error))
    }

    /// Removes the journal of a job that is done.
    ///
    /// # Errors
    /// Any error of files.
    pub fn remove(mut self) -> Result<()> {
        // Then it is removed once, as another may be there a moment later.
        self.is_empty = AtomicBool::new(false);
        self.ledger.remove()?;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    /// The folder of what parts of the job that `what` describes leave for others. It goes with the journal.
    pub(crate) fn folder_of(&self, what: &str) -> PathBuf {
        self.ledger.folder().join(Digest::of_text(what))
    }

    /// What is noted of blocks.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Notes what the job does, unless that is done.
    fn begin(&self) -> Result<()> {
        if self.is_empty.load(Ordering::Relaxed) { self.add("") } else { Ok(()) }
    }

    fn add(&self, line: &str) -> Result<()> {
        let mut file = self.file.locked();
        let is_first = self.is_empty.swap(false, Ordering::Relaxed);
        let what = self.what.as_ref().filter(|_| is_first);
        let first = what.map_or_else(String::new, |what| line_of(&format!("{WHAT}{what}")));
        file.write_all(format!("{first}{line}").as_bytes()).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(error, "changing the journal", self.path.display().to_string())
    }

    /// The part of the journal on the job that `what` describes, all that its outcome depends on.
    pub(crate) fn on(&self, what: &str) -> Entries<'_> {
        Entries { entries: self.ledger.on(what), journal: Some(self) }
    }
}

/// The line of a step.
fn line_of(step: &str) -> String {
    format!("{STEP}{}\n", step.replace('\n', " "))
}

/// The step of making an array at `url`, which may have secrets.
fn made_at(url: &str) -> String {
    format!("made at {}", Digest::of_text(url))
}

/// Whether the file at `path` is `file`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// What the step begins with that says what a job does.
pub(super) const WHAT: &str = "job ";

/// What the last step of a job begins with, before the key of its computation.
const DONE: &str = "done ";

/// What lines of steps begin with.
pub(super) const STEP: &str = "step ";

/// What a journal says of one job.
pub(crate) struct Entries<'a> {
    entries: Noting<'a>,
    /// `None` if several processes note what they do in one folder.
    journal: Option<&'a Journal>,
}

impl<'a> Entries<'a> {
    /// What several processes note of the job that `what` describes.
    pub(crate) fn shared(ledger: &'a Ledger, what: &str) -> Self {
        Self { entries: ledger.on(what), journal: None }
    }

    /// What earlier runs have noted of a block.
    ///
    /// # Errors
    /// Any error of files.
    pub(crate) fn made(&self, block: u64) -> Result<Option<Made>> {
        self.entries.made(block)
    }

    /// What an earlier run has kept of a block for its next one.
    ///
    /// # Errors
    /// Any error of files.
    pub(crate) fn kept(&self, block: u64) -> Result<Option<Vec<u8>>> {
        self.entries.kept(block)
    }

    /// Keeps what the next run has use for, if this one is killed.
    ///
    /// # Errors
    /// Any error of files.
    pub(crate) fn keep(&self, block: u64, bytes: &[u8]) -> Result<()> {
        self.entries.keep(block, bytes)
    }

    /// Counts a block that is noted and is done again.
    pub(crate) fn redo(&self) {
        self.entries.redo();
    }

    /// Notes that a block is done.
    ///
    /// # Errors
    /// Any error of files.
    pub(crate) fn note(&self, block: u64, made: Made) -> Result<()> {
        self.journal.map_or(Ok(()), Journal::begin)?;
        self.entries.note(block, made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(to: u128) -> Made {
        Made { from: Digest(1), to: Digest(to) }
    }

    #[test]
    fn what_was_noted_is_there_for_the_next_run_and_half_a_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/journal");
        let journal = Journal::open(&path).unwrap();
        drop(journal);
        assert!(!path.exists(), "nothing was noted");
        let journal = Journal::open(&path).unwrap();
        journal.on("a").note(3, made(7)).unwrap();
        journal.on("a").note(4, made(8)).unwrap();
        assert_eq!(Journal::open(&path).unwrap_err().kind(), error::ErrorKind::Storage);
        drop(journal);
        let blocks = folder.path().join("deep/journal.parts/blocks");
        let records = std::fs::read(&blocks).unwrap();
        std::fs::write(&blocks, &records[..records.len() - 1]).unwrap();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.steps().count(), 0);
        let noted = |journal: &Journal, of: &str, block| journal.on(of).made(block).unwrap();
        assert_eq!(noted(&journal, "a", 3), Some(made(7)));
        assert_eq!((noted(&journal, "a", 4), noted(&journal, "b", 3)), (None, None));
        journal.on("a").note(5, made(9)).unwrap();
        journal.note("b").unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().steps().collect::<Vec<_>>(), ["b"]);
        assert_eq!(noted(&Journal::open(&path).unwrap(), "a", 5), Some(made(9)));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 1]).unwrap();
        assert_eq!(Journal::open(&path).unwrap().steps().count(), 0);
        let text = "copy https://me:VERY@host/a?sig=SECRET out";
        let mut journal = Journal::open(&path).unwrap().of(text).unwrap();
        journal.forget().unwrap();
        journal.note("c").unwrap();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        let steps: Vec<_> = journal.steps().collect();
        assert!(steps[0].starts_with("job copy https://") && steps[0].ends_with(" out"), "{steps:?}");
        Journal::open(folder.path().join("deep/other")).unwrap().note("job copy a b").unwrap();
        let other = Journal::open(folder.path().join("deep/other")).unwrap();
        let error = other.of("copy a c").unwrap_err().to_string();
        assert!(error.contains("another job, copy a b"), "{error}");
        assert!(!steps[0].contains("VERY") && !steps[0].contains("SECRET"), "{steps:?}");
        assert_eq!((&steps[1..], noted(&journal, "a", 5)), (&["c"][..], None));
        journal.on("a").note(6, made(9)).unwrap();
        let own = folder.path().join("deep/journal.parts/own");
        std::fs::write(&own, "of somebody else").unwrap();
        journal.remove().unwrap();
        assert!(!path.exists() && !blocks.exists() && own.exists());
        std::fs::write(&path, "bigarrays journal 1\nstep a\n").unwrap();
        let error = Journal::open(&path).unwrap_err().to_string();
        assert!(error.contains("another version of bigarrays"), "{error}");
        std::fs::write(&path, "something else").unwrap();
        assert!(Journal::open(&path).is_err());
    }
}
