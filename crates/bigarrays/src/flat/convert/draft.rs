//! The unfinished file of a conversion, and how it takes its name.
//!
//! ```text
//! x.npy.unfinished        the rows of all arrays that were copied, in the order of the source
//! x.npy.unfinished.index  their names, and as a fact: rows that were copied │ what the source is
//! ```
//! To take the name, the index is moved first and the file linked last: who finds the index of the same source at its
//! place goes on from there.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::error::{Error, ErrorKind, Result};
use crate::flat::index::{Index, Purpose};
use crate::flat::names::expect_ours_at;
use crate::flat::ours::{folder_of, is_there, remove_if_there, remove_index, remove_left_beside, what_is_at};
use crate::flat::pending::Pending;
use crate::flat::slice::NamedRows;
use crate::flat::slices::SliceArray;
use crate::flat::spec::{FlatSpec, Mode};
use crate::format::files::npy::Header;
use crate::store::io_error;

/// The fact that says of which source the file is.
const FACT: &[u8] = b"conversion";
/// Names that are read at once.
const AT_ONCE: usize = 4096;

/// An unfinished file.
pub(super) struct Draft {
    target: PathBuf,
    path: PathBuf,
    /// What tells the source from others, and from what it was.
    version: String,
    overwrite: bool,
}

impl Draft {
    /// The draft of the file at `target`, of a source of that version.
    pub(super) fn of(target: &Path, version: &str, overwrite: bool) -> Result<Self> {
        let target =
            match (target.parent().filter(|folder| !folder.as_os_str().is_empty()), target.file_name()) {
                (_, None) => {
                    return Err(Error::invalid("not the name of a file").at(target.display().to_string()));
                }
                (folder, Some(name)) => {
                    let folder = folder.unwrap_or(Path::new("."));
                    folder.canonicalize().map_err(|error| io_error(error, "creating", target))?.join(name)
                }
            };
        expect_ours_at(&target)?;
        let mut path = target.as_os_str().to_owned();
        path.push(".unfinished");
        Ok(Self { target, path: path.into(), version: version.into(), overwrite })
    }

    /// Whether the draft was whole, and has its name now, though who gave it that may have died before the end.
    pub(super) fn is_published(&self) -> Result<bool> {
        let drafted = number_of(&self.path)?;
        let is_linked = drafted.is_some() && drafted == number_of(&self.target)?;
        let is_moved = drafted.is_some()
            && !is_there(&folder_of(&self.path))?
            && self.fact_in(&folder_of(&self.target))?.is_some_and(|(_, version)| version == self.version);
        if !is_linked && !(is_moved && (self.overwrite || number_of(&self.target)?.is_none())) {
            return self.expect_no_target().map(|()| false);
        }
        if !is_linked {
            self.link()?;
        }
        self.clean().map(|()| true)
    }

    fn expect_no_target(&self) -> Result<()> {
        if self.overwrite || number_of(&self.target)?.is_none() {
            return Ok(());
        }
        Err(io_error(io::ErrorKind::AlreadyExists.into(), "creating", &self.target))
    }

    /// Opens the draft where it was left, or begins it: rows as `header` says.
    pub(super) fn open(&self, header: &Header) -> Result<Target> {
        let fact = match is_there(&folder_of(&self.path))? {
            true => self.fact_in(&folder_of(&self.path))?,
            false => None,
        };
        let is_begun = number_of(&self.path)?.is_some();
        match fact {
            Some((rows, version)) if is_begun && version == self.version => {
                let slices = SliceArray::open(&self.path, Mode::ReadWrite)?;
                let target = Target { slices, version };
                target.go_back_to(rows)?;
                return Ok(target);
            }
            Some(_) if is_begun && !self.overwrite => return Err(self.of_another()),
            None if is_begun => self.expect_nothing_in_it()?,
            _ => {}
        }
        let shape = [&[0], &header.shape[1..]].concat();
        let spec = FlatSpec { shape, overwrite: true, ..FlatSpec::new(header.descr.clone(), &[]) };
        let target = Target { slices: SliceArray::create(&self.path, &spec)?, version: self.version.clone() };
        target.note(0)?;
        Ok(target)
    }

    /// An error if what lies at the draft's path holds anything, and nothing says that it is a draft.
    fn expect_nothing_in_it(&self) -> Result<()> {
        let slices = SliceArray::open(&self.path, Mode::ReadWrite);
        if slices.is_ok_and(|slices| slices.is_empty() && slices.array().rows() == 0) {
            return Ok(());
        }
        let reason = "there is something that is no unfinished conversion; move it away, or use another name";
        Err(Error::new(ErrorKind::AlreadyExists, reason).at(self.path.display().to_string()))
    }

    fn of_another(&self) -> Error {
        let reason = "this is the unfinished conversion of another source, or of one that has changed since; overwrite it, \
                      or remove it and the folder beside it";
        Error::new(ErrorKind::AlreadyExists, reason).during("converting").at(self.path.display().to_string())
    }

    /// Rows that were noted, and of which source, in the index in `folder`, if there is one.
    fn fact_in(&self, folder: &Path) -> Result<Option<(u64, String)>> {
        if !is_there(folder)? {
            return Ok(None);
        }
        let index = Index::open(folder, Purpose::Reading)?;
        let fact = index.read(|txn, tables| {
            let fact = tables.facts.get(txn, FACT).map_err(|error| index.failed(error))?;
            Ok(fact.map(<[u8]>::to_vec))
        })?;
        let parsed = fact.and_then(|fact| {
            let (rows, version) = std::str::from_utf8(&fact).ok()?.split_once(' ')?;
            Some((rows.parse().ok()?, version.to_owned()))
        });
        Ok(parsed)
    }

    /// Gives the draft, which is whole, its name.
    pub(super) fn publish(&self, target: Target, has_names: bool) -> Result<()> {
        target.slices.flush()?;
        drop(target);
        self.expect_no_target()?;
        let (folder, own) = (folder_of(&self.target), folder_of(&self.path));
        if self.overwrite {
            // Without its rows, no name of it is found: better none than those of others.
            remove_if_there(&self.target)?;
            Pending::beside(&self.target).clear()?;
        }
        remove_index(&folder)?;
        if has_names {
            std::fs::rename(&own, &folder).map_err(|error| io_error(error, "creating", &folder))?;
        }
        self.link()?;
        self.clean()
    }

    fn link(&self) -> Result<()> {
        if self.overwrite {
            remove_if_there(&self.target)?;
        }
        // Unlike renaming, this replaces nothing.
        std::fs::hard_link(&self.path, &self.target)
            .map_err(|error| io_error(error, "creating", &self.target))
    }

    /// Removes what is left of the draft once the file has its name.
    fn clean(&self) -> Result<()> {
        let own = folder_of(&self.path);
        remove_index(&own)?;
        remove_if_there(&self.path)?;
        remove_left_beside(&[&self.path, &own]);
        let folder = folder_of(&self.target);
        if is_there(&folder)? {
            let index = Index::open(&folder, Purpose::Writing)?;
            index.write(true, None, |txn, tables| {
                tables.facts.delete(txn, FACT).map(drop).map_err(|error| index.failed(error))
            })?;
        }
        let folder = self.target.parent().unwrap_or(Path::new("/"));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| io_error(error, "creating", &self.target))
    }

    /// The error, and what is left of the conversion: of a source that is damaged nothing, or else what was copied.
    pub(super) fn left_by(&self, error: Error, target: Target) -> Error {
        let rows = target.rows();
        drop(target);
        let is_of_source = matches!(error.kind(), ErrorKind::CorruptData | ErrorKind::InvalidMetadata);
        if rows == 0 || is_of_source {
            // Nobody could be told more than the error says.
            let _ = remove_index(&folder_of(&self.path));
            let _ = Pending::beside(&self.path).clear();
            let _ = remove_if_there(&self.path);
            return error;
        }
        let (reason, draft) = (error.reason(), self.path.display());
        let reason = format!("{reason}; {rows} rows are in {draft}, from where the same conversion goes on");
        let mut longer = Error::new(error.kind(), reason);
        if let Some(operation) = error.operation() {
            longer = longer.during(operation.to_owned());
        }
        if let Some(key) = error.key() {
            longer = longer.at(key);
        }
        if error.is_retryable() { longer.retryable() } else { longer }.caused_by(error)
    }
}

/// What is open of a draft.
pub(super) struct Target {
    slices: SliceArray,
    version: String,
}

impl Target {
    /// How many rows were copied.
    pub(super) fn rows(&self) -> u64 {
        self.slices.array().rows()
    }

    /// The names that it has now, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = Result<String>> + '_ {
        let count = self.slices.len();
        let batch = move |from: u64| {
            let limit = AT_ONCE.min((count - from) as usize);
            let names = self.slices.names(from, limit);
            let (names, error) = match names {
                Ok(names) => (names, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            names.into_iter().map(|(name, _)| Ok(name)).chain(error)
        };
        (0..count).step_by(AT_ONCE).flat_map(batch)
    }

    /// Whether anything has a name.
    pub(super) fn has_names(&self) -> bool {
        !self.slices.is_empty()
    }

    /// Drops rows of which nothing says that they are whole: those behind all names and behind the rows that were noted.
    fn go_back_to(&self, noted: u64) -> Result<()> {
        let last = match self.slices.len().checked_sub(1) {
            Some(last) => self.slices.at(&[last])?.0.first().map_or(0, |slice| slice.rows.end),
            None => 0,
        };
        self.slices.array().truncate(noted.max(last))
    }

    /// Writes arrays with names, all at once.
    pub(super) fn write(&self, named: &[NamedRows<'_>]) -> Result<()> {
        self.slices.write(named, false)
    }

    /// Appends rows without a name, and notes that they are there.
    pub(super) fn append(&self, rows: u64, bytes: &[u8]) -> Result<()> {
        let before = self.rows();
        let appended = self.slices.array().append(rows, bytes)?;
        if appended.start != before {
            let reason =
                "somebody else has appended rows to the unfinished file; remove it, and convert again";
            return Err(Error::new(ErrorKind::Storage, reason).at(self
                .slices
                .array()
                .path()
                .display()
                .to_string()));
        }
        self.note(appended.end)
    }

    /// Names rows that are there.
    pub(super) fn name_rows(&self, named: &[(String, Range<u64>)]) -> Result<()> {
        let named: Vec<_> = named.iter().map(|(name, rows)| (name.as_str(), rows.clone())).collect();
        if named.is_empty() { Ok(()) } else { self.slices.name_rows(&named, false) }
    }

    fn note(&self, rows: u64) -> Result<()> {
        let (index, fact) = (self.slices.index(), format!("{rows} {}", self.version));
        index.write(false, None, |txn, tables| {
            tables.facts.put(txn, FACT, fact.as_bytes()).map_err(|error| index.failed(error))
        })
    }
}

/// The device and number of the file at `path`, if there is one.
fn number_of(path: &Path) -> Result<Option<(u64, u64)>> {
    Ok(what_is_at(path)?.map(|found| (found.dev(), found.ino())))
}
