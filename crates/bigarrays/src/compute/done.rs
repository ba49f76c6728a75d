//! Which jobs have been done to their end: who makes the same call again, to go on with it, is told so instead of finding what it has
//! made itself in the way.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::array::Array;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::digest::Digest;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::NAME as HELD;
use crate::compute::journal::Journal;
use crate::compute::ledger::write_whole;
use crate::compute::versions::versions;
use crate::compute::written::{identity_of_leaf, written};
use crate::format::{self, FormatOptions};
use crate::store::{NEAR, local_path};

/// The first line of a record.
const MAGIC: &str = "bigarrays done 1";

/// Records are forgotten after so long.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// The record of a job that is done to its end.
#[derive(Clone, Debug)]
pub struct Done {
    /// Without, the environment names no folder for it, and nothing is known.
    path: Option<PathBuf>,
    /// What tells the job from others.
    key: String,
}

impl Done {
    /// That of the job that `what` describes, with all that its outcome depends on. It is in the user's own folder, beside that of journals.
    pub fn of(what: &str) -> Self {
        let beside =
            |journal: PathBuf| Some(journal.parent()?.parent()?.join("done").join(journal.file_name()?));
        Self { path: Journal::default_path(what).and_then(beside), key: Digest::of_text(what) }
    }

    /// The same beside the journal at a path, unless that is in the user's own folder.
    #[must_use]
    pub fn beside(mut self, journal: &Path) -> Self {
        let own = Journal::default_path("");
        if own.as_deref().and_then(Path::parent) != journal.parent() {
            let mut name = journal.file_name().unwrap_or_default().to_owned();
            name.push(".done");
            self.path = Some(journal.with_file_name(name));
        }
        self
    }

    /// What was said when the job was done, if what it has made, and what it was made of, is what `identity` tells from others, as
    /// [`Done::identity`] does.
    ///
    /// # Errors
    /// Any error of files.
    pub fn said(&self, identity: &str) -> Result<Option<String>> {
        let Some(path) = &self.path else { return Ok(None) };
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| Self::failed(error, path))?,
        };
        let mut lines = text.splitn(4, '\n');
        let due = [MAGIC, &self.key, &one_line(identity)];
        let is_so = due.iter().all(|&due| lines.next() == Some(due));
        Ok(lines.next().filter(|_| is_so).map(|said| said.trim_end().to_owned()))
    }

    /// Notes that the job is done, with what the next call is to say of it.
    ///
    /// # Errors
    /// Any error of files.
    pub fn note(&self, identity: &str, said: &str) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let text = format!("{MAGIC}\n{}\n{}\n{said}\n", self.key, one_line(identity));
        write_whole(path, text.as_bytes()).map_err(|error| Self::failed(error, path))?;
        let own = path.parent().filter(|folder| folder.ends_with("bigarrays/done"));
        own.map_or(Ok(()), |folder| forget_old(folder).map_err(|error| Self::failed(error, path)))
    }

    /// What tells what there is at places from anything that is there later, by their metadata or, if they are files, size and time of
    /// change. `None` if nothing is at one of those that were `made`, or a store does not know versions.
    ///
    /// # Errors
    /// A storage error.
    pub fn identity(made: &[&str], sources: &[&str], options: &FormatOptions) -> Result<Option<String>> {
        let mut all = Vec::new();
        for place in made {
            let Some(own) = of_place(place, options)? else { return Ok(None) };
            all.push(own);
        }
        for place in sources {
            all.push(of_place(place, options)?.unwrap_or_default());
        }
        Ok(all.iter().all(|own| is_known(own)).then(|| all.join(" ")).filter(|_| !made.is_empty()))
    }

    /// The same of what an array is in, as it is now.
    ///
    /// # Errors
    /// A storage error.
    pub fn source(array: &Array) -> Result<Option<String>> {
        Ok(array.identity()?.filter(|own| is_known(own)))
    }

    /// What tells expressions, and what they are made of, from others, and from what they are later, by the versions of all chunks. `None` if
    /// an array is far: asking for all of its chunks takes long.
    ///
    /// # Errors
    /// `InvalidArgument` if an input is not known again, such as what others read; `Cancelled`; a storage error.
    pub fn inputs(roots: &[Lazy]) -> Result<Option<String>> {
        let is_far = |lazy: &Lazy| match lazy.kind() {
            Kind::Source(array) => array.format() != HELD && array.store().request_cost() > NEAR,
            _ => false,
        };
        if roots.iter().flat_map(Lazy::nodes).any(is_far) {
            return Ok(None);
        }
        let mut leaf = |lazy: &Lazy| -> Result<Config> {
            let config = identity_of_leaf(lazy)?;
            match lazy.kind() {
                Kind::Source(array) if array.format() != HELD => {
                    Ok(config.with("now", format!("{:032x}", versions(array)?.0)))
                }
                _ => Ok(config),
            }
        };
        Ok(Some(Digest::of_text(&written(roots, &mut leaf)?.key())))
    }

    fn failed(error: std::io::Error, path: &Path) -> Error {
        Error::io(error, "noting that a job is done", path.display().to_string())
    }
}

/// What tells what is at a place from anything else; `None` if there is nothing.
fn of_place(place: &str, options: &FormatOptions) -> Result<Option<String>> {
    let path = local_path(place)?;
    if let Some(known) = Path::new(&path).metadata().ok().filter(Metadata::is_file) {
        let age = known.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        return Ok(Some(format!("{}@{}", known.len(), age.as_nanos())));
    }
    format::identity(place, options)
}

/// Whether the store knows versions.
fn is_known(identity: &str) -> bool {
    identity.split(' ').all(|document| !document.ends_with('='))
}

fn one_line(identity: &str) -> String {
    identity.replace('\n', " ")
}

/// Removes records that are so old that nobody goes on with their jobs.
fn forget_old(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let age = entry.metadata().and_then(|known| known.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            // Another process may just have done so.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_known_of_the_same_job_and_the_same_files() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        let done = |what: &str| Done::of(what).beside(&folder.path().join("journal"));
        let identity = || Done::identity(&[&place("made")], &[&place("source")], &FormatOptions::default());
        assert_eq!(identity().unwrap(), None);
        std::fs::write(place("made"), "a").unwrap();
        let before = identity().unwrap().unwrap();
        assert_eq!(done("job").said(&before).unwrap(), None);
        done("job").note(&before, "two\nlines").unwrap();
        assert_eq!(done("job").said(&before).unwrap().as_deref(), Some("two\nlines"));
        assert_eq!(done("another job").said(&before).unwrap(), None);
        assert!(folder.path().join("journal.done").exists());
        std::fs::write(place("source"), "").unwrap();
        let after = identity().unwrap().unwrap();
        assert_eq!(done("job").said(&after).unwrap(), None);
        // A store that knows no versions tells nothing from anything else.
        assert_eq!(Done::identity(&["memory://done"], &[], &FormatOptions::default()).unwrap(), None);
    }
}
