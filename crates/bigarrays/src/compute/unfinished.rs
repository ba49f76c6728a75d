//! Jobs that ended early, as their journals say.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::base::error::{Error, Result};
use crate::compute::journal::{Journal, MAGIC, STEP, WHAT};
use crate::compute::ledger::{BLOCKS, folder_of};
use crate::compute::noted::LENGTH;
use crate::compute::resume::{PLAN, SCRATCH, recorded};
use crate::compute::taken::PREFIX;
use crate::store::ofd::{self, Kind, Private, Span};

/// A job that is under way, or that ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its journal.
    pub path: PathBuf,
    /// What it does, if whoever began it has said so; without secrets.
    pub what: Option<String>,
    /// Finished blocks.
    pub done: u64,
    /// All blocks, if that is known.
    pub total: Option<u64>,
    /// The folder of its scratch files, which it needs to go on.
    pub scratch: Option<PathBuf>,
    /// When the last block was finished.
    pub changed: Option<SystemTime>,
    /// Whether a process is at it.
    pub is_running: bool,
}

impl Unfinished {
    /// All jobs with a journal in the user's own folder, the last changed first.
    ///
    /// # Errors
    /// Any error of files.
    pub fn all() -> Result<Vec<Self>> {
        let Some(folder) = Journal::default_path("").and_then(|path| Some(path.parent()?.to_owned())) else {
            return Ok(Vec::new());
        };
        let failed = |error| Error::io(error, "listing journals in", folder.display().to_string());
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            // What is no journal is passed over, and so is one that ended just now.
            found.extend(Self::of(&entry.map_err(failed)?.path()).ok().flatten());
        }
        found.sort_by_key(|one| std::cmp::Reverse(one.changed));
        Ok(found)
    }

    /// Removes its journal and scratch files, unless a process is at it. What it has made stays as it is.
    ///
    /// # Errors
    /// `Storage` if another process has the journal open; any error of files.
    pub fn forget(&self) -> Result<()> {
        let journal = Journal::open(&self.path)?;
        let is_scratch = |folder: &&PathBuf| {
            let name = folder.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(PREFIX)) && folder.is_dir()
        };
        if let Some(folder) = self.scratch.as_ref().filter(is_scratch) {
            let failed =
                |error| Error::io(error, "removing the scratch folder", folder.display().to_string());
            std::fs::remove_dir_all(folder).map_err(failed)?;
        }
        journal.remove()
    }

    /// What a journal says; `None` for any other file.
    fn of(path: &Path) -> std::io::Result<Option<Self>> {
        let file = File::open(path)?;
        let changed = file.metadata()?.modified().ok();
        let mut lines = BufReader::new(file).lines();
        if lines.next().transpose()?.as_deref() != Some(MAGIC.trim_end()) {
            return Ok(None);
        }
        let (mut what, mut total, mut scratch) = (None, None, None);
        for line in lines {
            let line = line?;
            let Some(step) = line.strip_prefix(STEP) else { continue };
            what = step.strip_prefix(WHAT).map(str::to_owned).or(what);
            scratch = step.strip_prefix(SCRATCH).map(PathBuf::from).or(scratch);
            let plan = step.strip_prefix(PLAN).and_then(|plan| recorded(plan.split_once(' ')?.1));
            total = plan.map(|plan| plan.blocks).or(total);
        }
        let blocks = folder_of(path).join(BLOCKS).metadata();
        let changed = blocks.as_ref().ok().and_then(|blocks| blocks.modified().ok()).max(changed);
        // Blocks that were done again count once.
        let done = blocks.map_or(0, |blocks| blocks.len() / LENGTH as u64).min(total.unwrap_or(u64::MAX));
        let open = || File::options().read(true).write(true).open(path);
        let is_running =
            Private::open(open).is_ok_and(|file| ofd::try_lock(&*file, Kind::Exclusive, Span::ALL).is_err());
        Ok(Some(Self { path: path.to_owned(), what, done, total, scratch, changed, is_running }))
    }
}
