//! The folder beside a journal or a plan: records of blocks that are done, and what parts of the work leave for others.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::Builder;
use twox_hash::XxHash3_128;

use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::compute::noted::{LENGTH, Made, Noted, bytes_of};

/// The records of blocks of who has the folder alone.
pub(super) const BLOCKS: &str = "blocks";

/// What names of such files begin with where several processes have one each.
const SHARED: &str = "blocks-";

/// A folder, the blocks that others have noted there, and the file in which this process notes its own.
#[derive(Debug)]
pub(crate) struct Ledger {
    folder: PathBuf,
    /// What was noted, once it was asked for.
    noted: Mutex<Option<Arc<Noted>>>,
    is_shared: bool,
    /// The tasks of a stage that are run here, if not all: nothing else is looked up.
    of: Option<(usize, Range<u64>)>,
    log: Mutex<Option<File>>,
    /// Blocks that are noted and were done again.
    redone: AtomicU64,
}

impl Ledger {
    /// The folder of a process that has it alone.
    pub(super) fn of_one(folder: PathBuf) -> std::io::Result<Self> {
        let noted = Noted::of(&[folder.join(BLOCKS)], &std::env::temp_dir())?;
        let ledger = Self::new(folder, false, None);
        *ledger.noted.locked() = Some(Arc::new(noted));
        Ok(ledger)
    }

    /// The folder of several processes, of which this one runs these tasks of a stage, or whatever is left. It reads what was noted of
    /// these alone: thousands of processes cannot each read all.
    pub(crate) fn shared(folder: PathBuf, of: Option<(usize, Range<u64>)>) -> Self {
        Self::new(folder, true, of)
    }

    fn new(folder: PathBuf, is_shared: bool, of: Option<(usize, Range<u64>)>) -> Self {
        let (noted, log) = (Mutex::new(None), Mutex::new(None));
        Self { folder, noted, is_shared, of, log, redone: AtomicU64::new(0) }
    }

    /// The files of other processes that may have noted what is looked up here.
    fn logs(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut logs = Vec::new();
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(logs),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if name
                .to_str()
                .and_then(|name| name.strip_prefix(SHARED))
                .is_some_and(|name| self.may_have(name))
            {
                logs.push(entry.path());
            }
        }
        logs.sort_unstable();
        Ok(logs)
    }

    /// Whether a file of this name, behind what all begin with, may have something of the tasks that are run here.
    fn may_have(&self, name: &str) -> bool {
        let Some((stage, tasks)) = &self.of else { return true };
        let mut numbers = name.split('-').map(str::parse::<u64>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(of)), Some(Ok(first)), Some(Ok(end))) => {
                of == *stage as u64 && first < tasks.end && tasks.start < end
            }
            _ => true,
        }
    }

    /// What was noted before it was first asked for.
    fn noted(&self) -> std::io::Result<Arc<Noted>> {
        let mut noted = self.noted.locked();
        if let Some(noted) = &*noted {
            return Ok(Arc::clone(noted));
        }
        let read = Arc::new(Noted::of(&self.logs()?, &std::env::temp_dir())?);
        Ok(Arc::clone(noted.insert(read)))
    }

    /// Has what others have noted meanwhile be found.
    pub(crate) fn refresh(&self) {
        *self.noted.locked() = None;
    }

    /// How many blocks were done again, as they, or what they were made of, had changed.
    pub(super) fn redone(&self) -> u64 {
        self.redone.load(Ordering::Relaxed)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is noted of the job that `what` describes, all that its outcome depends on.
    pub(super) fn on(&self, what: &str) -> Noting<'_> {
        Noting { ledger: self, job: XxHash3_128::oneshot(what.as_bytes()) }
    }

    /// Removes all that is known to be its own, and the folder if nothing else is there.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn remove(&mut self) -> Result<()> {
        *self.noted.value_mut() = None;
        *self.log.value_mut() = None;
        let remove = || {
            let entries = match std::fs::read_dir(&self.folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                if name == BLOCKS || name.starts_with(SHARED) {
                    std::fs::remove_file(entry.path())?;
                } else if is_key(name) {
                    std::fs::remove_dir_all(entry.path())?;
                }
            }
            // What somebody else keeps there stays.
            let _ = std::fs::remove_dir(&self.folder);
            Ok(())
        };
        remove().map_err(|error| failed(&self.folder, error))
    }

    fn open(&self) -> std::io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        if self.is_shared {
            let of = self.of.as_ref().map(|(stage, tasks)| format!("{stage}-{}-{}-", tasks.start, tasks.end));
            let prefix = format!("{SHARED}{}", of.unwrap_or_default());
            return Ok(readable(&prefix).tempfile_in(&self.folder)?.keep()?.0);
        }
        let file = OpenOptions::new().append(true).create(true).open(self.folder.join(BLOCKS))?;
        // A record that a crash cut short.
        let length = file.metadata()?.len();
        file.set_len(length - length % LENGTH as u64)?;
        Ok(file)
    }

    fn add(&self, bytes: &[u8]) -> Result<()> {
        let mut log = self.log.locked();
        let done = match &mut *log {
            Some(file) => file.write_all(bytes),
            None => self.open().and_then(|file| log.insert(file).write_all(bytes)),
        };
        done.map_err(|error| failed(&self.folder, error))
    }
}

fn failed(folder: &Path, error: std::io::Error) -> Error {
    Error::io(error, "noting what is done in", folder.display().to_string())
}

/// Writes a file that is there with all of its bytes, or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = readable("").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A new file as any other: the user's mask says who may read it.
fn readable(prefix: &str) -> Builder<'_, 'static> {
    let mut file = Builder::new();
    file.prefix(prefix).permissions(Permissions::from_mode(0o666));
    file
}

/// The folder that belongs to the journal or the plan at `path`.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".parts");
    path.with_file_name(name)
}

/// Whether this is a digest, as computations are called.
fn is_key(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is noted of one job.
pub(super) struct Noting<'a> {
    ledger: &'a Ledger,
    job: u128,
}

impl Noting<'_> {
    /// What earlier runs have noted of a block.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn made(&self, block: u64) -> Result<Option<Made>> {
        let found = self.ledger.noted().and_then(|noted| noted.find(self.job, block));
        found.map_err(|error| failed(&self.ledger.folder, error))
    }

    /// All that was noted of a block: several processes may have made it at the same time.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn all_made(&self, block: u64) -> Result<Vec<Made>> {
        let found = self.ledger.noted().and_then(|noted| noted.all(self.job, block));
        found.map_err(|error| failed(&self.ledger.folder, error))
    }

    /// What an earlier run has kept of a block.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn kept(&self, block: u64) -> Result<Option<Vec<u8>>> {
        match std::fs::read(self.place(block)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some).map_err(|error| failed(&self.ledger.folder, error)),
        }
    }

    /// Keeps what a later run may have use for.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn keep(&self, block: u64, bytes: &[u8]) -> Result<()> {
        write_whole(&self.place(block), bytes).map_err(|error| failed(&self.ledger.folder, error))
    }

    fn place(&self, block: u64) -> PathBuf {
        self.ledger.folder.join(format!("{:032x}", self.job)).join(block.to_string())
    }

    /// Counts a block that is noted and is done again.
    pub(super) fn redo(&self) {
        self.ledger.redone.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a block is done.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn note(&self, block: u64, made: Made) -> Result<()> {
        self.ledger.add(&bytes_of(((self.job, block), made)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::digest::Digest;

    #[test]
    fn parts_look_up_what_was_noted_of_their_tasks_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shared = |of| Ledger::shared(folder.path().to_owned(), of);
        let made = Made { from: Digest(1), to: Digest(2) };
        for (stage, tasks) in [(0, 0..10), (0, 10..20), (1, 5..15)] {
            let ledger = shared(Some((stage, tasks.clone())));
            let noting = ledger.on(&stage.to_string());
            tasks.for_each(|task| noting.note(task, made).unwrap());
        }
        shared(None).on("0").note(99, made).unwrap();
        let known = |of: Option<(usize, Range<u64>)>| {
            let ledger = shared(of);
            let has = |stage: &str, block| ledger.on(stage).made(block).unwrap().is_some();
            [has("0", 0), has("0", 10), has("1", 10), has("0", 99)]
        };
        assert_eq!(known(None), [true; 4]);
        assert_eq!(known(Some((0, 0..10))), [true, false, false, true]);
        assert_eq!(known(Some((0, 9..11))), [true, true, false, true]);
        assert_eq!(known(Some((1, 14..15))), [false, false, true, true]);
        assert_eq!(known(Some((2, 0..u64::MAX))), [false, false, false, true]);
    }
}
