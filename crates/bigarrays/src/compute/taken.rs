//! Results of passes that later ones take: in memory, or in files that go when the work is done.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::array::{Array, OpenOptions};
use crate::base::buffer::{Order, ViewMut, byte_len};
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::held;
use crate::compute::memory::lengths;
use crate::compute::stage::Output;
use crate::format::{CHUNKED, CreateSpec};

/// What names of scratch folders begin with.
pub(super) const PREFIX: &str = "bigarrays-scratch-";

/// A folder of results.
pub(super) enum Scratch {
    /// It is removed when this is dropped; a process that is killed leaves it.
    Own(TempDir),
    /// A later run may go on with it. It is removed once all is done.
    Kept(PathBuf),
}

impl Scratch {
    /// A folder in `folder`, which exists: a new one, or that of the work of this key, for it to be resumed.
    ///
    /// # Errors
    /// A storage error.
    pub(super) fn new(folder: &Path, key: Option<&str>) -> Result<Self> {
        let failed = |error| Error::io(error, "making a scratch folder in", folder.display().to_string());
        if let Some(key) = key {
            let folder = std::path::absolute(folder).map_err(failed)?.join(format!("{PREFIX}{key}"));
            std::fs::create_dir_all(&folder).map_err(failed)?;
            return Ok(Self::Kept(folder));
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder).map_err(failed)?;
        Ok(Self::Own(folder))
    }

    /// Removes a folder that is kept.
    ///
    /// # Errors
    /// A storage error.
    pub(super) fn remove(&self) -> Result<()> {
        let Self::Kept(folder) = self else { return Ok(()) };
        let failed = |error| Error::io(error, "removing the scratch folder", folder.display().to_string());
        std::fs::remove_dir_all(folder).map_err(failed)
    }

    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }

    /// The file of the elements of a result, all of whose bytes the disk has room for; one that is there, or one that is made.
    ///
    /// # Errors
    /// A storage error.
    fn array(&self, output: &Output, may_make: bool) -> Result<Array> {
        let (kind, format) = if output.chunk_shape.is_some() { ("chunks", CHUNKED) } else { ("npy", "npy") };
        let path = self.folder().join(format!("{}.{kind}", output.number));
        let utf8 = |path: &Path| {
            let other = || {
                Error::invalid("the name of a scratch folder has to be UTF-8").at(path.display().to_string())
            };
            path.to_str().map(str::to_owned).ok_or_else(other)
        };
        let url = utf8(&path)?;
        let options = OpenOptions::new().format(format).durable(false);
        if may_make && !path.exists() {
            // Several processes may make it at the same time: it is there once, and whole.
            let failed = |error| Error::io(error, "making a scratch file", url.clone());
            let own = tempfile::Builder::new().prefix("made-").tempdir_in(self.folder()).map_err(failed)?;
            let made = own.path().join(format!("made.{kind}"));
            let mut spec = CreateSpec::new(output.dtype, Domain::from_shape(output.domain.shape())?);
            spec.storage.chunk_shape = output.chunk_shape.as_ref().map(|chunk| chunk.to_vec());
            options.create(&*utf8(&made)?, &spec)?;
            match std::fs::hard_link(&made, &path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                // Not all file systems have links, and folders have none.
                Err(_) => match std::fs::rename(&made, &path) {
                    Err(_) if path.exists() => {}
                    renamed => renamed.map_err(failed)?,
                },
                Ok(()) => {}
            }
        }
        let array = match options.open(&*url) {
            // A crash may have cut it short: what it had is found to be gone, and made again.
            Err(error)
                if may_make
                    && matches!(
                        error.kind(),
                        ErrorKind::CorruptData | ErrorKind::InvalidMetadata | ErrorKind::Unsupported
                    ) =>
            {
                let removed =
                    if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                removed.map_err(|error| Error::io(error, "removing a damaged scratch file", url))?;
                return self.array(output, may_make);
            }
            array => array?,
        };
        if array.dtype() != output.dtype || array.shape() != output.domain.shape() {
            return Err(Error::invalid("this is no scratch file of the computation; remove it").at(url));
        }
        array.translate_to(output.domain.origin())
    }
}

/// Where the result of a pass is kept for later ones, if any take it.
pub(super) enum Taken {
    Not,
    Memory(Vec<u8>),
    File(Box<Array>),
}

impl Taken {
    /// Room for a result: in a file if there is a folder for them.
    ///
    /// # Errors
    /// A storage error; `NotFound` if the file is missing and may not be made.
    pub(super) fn new(output: &Output, scratch: Option<&Scratch>, may_make: bool) -> Result<Self> {
        Ok(match scratch {
            _ if !output.is_taken => Self::Not,
            Some(scratch) if !output.is_small() => Self::File(Box::new(scratch.array(output, may_make)?)),
            _ => Self::Memory(vec![0; byte_len(&lengths(&output.domain)?, output.dtype.size())?]),
        })
    }

    pub(super) fn file(&self) -> Option<Array> {
        if let Self::File(array) = self { Some(Array::clone(array)) } else { None }
    }

    /// The memory, of the shape of the result.
    pub(super) fn view(&mut self, output: &Output) -> Result<Option<ViewMut<'_>>> {
        let Self::Memory(elements) = self else { return Ok(None) };
        ViewMut::dense(elements, &lengths(&output.domain)?, output.dtype.size(), Order::C).map(Some)
    }

    /// The result, once all of it is there.
    pub(super) fn result(self, output: &Output) -> Result<Option<Lazy>> {
        let Output { domain, dtype, names, .. } = output;
        Ok(match self {
            Self::Not => None,
            Self::File(array) => Some(Lazy::new(Kind::Source(array), *dtype, domain.clone(), names.clone())),
            Self::Memory(elements) if domain.ndim() > 0 => {
                Some(Lazy::of(&held(domain, *dtype, names, &elements)?)?)
            }
            Self::Memory(elements) => {
                let mut element = [0; 8];
                element[..dtype.size()].copy_from_slice(&elements);
                Some(Lazy::constant(element, *dtype)?)
            }
        })
    }
}

/// A result that another process has made: in a scratch file, or, if it takes no room, in the file at `path`.
///
/// # Errors
/// A storage error; `CorruptData` if that file has not its elements.
pub(super) fn known_result(output: &Output, scratch: Option<&Scratch>, path: &Path) -> Result<Lazy> {
    let taken = match scratch {
        Some(scratch) if !output.is_small() => Taken::File(Box::new(scratch.array(output, false)?)),
        _ => {
            let shown = || path.display().to_string();
            let bytes = std::fs::read(path).map_err(|error| Error::io(error, "reading a result", shown()))?;
            if bytes.len() != byte_len(&lengths(&output.domain)?, output.dtype.size())? {
                return Err(Error::corrupt("no result of this plan").at(shown()));
            }
            Taken::Memory(bytes)
        }
    };
    let none = || Error::invalid("no later pass takes this result");
    taken.result(output)?.ok_or_else(none)
}
