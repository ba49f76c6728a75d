//! Folders of `.npy` files.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;

use super::source::{Entry, Source, at, version_of};
use crate::base::error::{Error, Result};
use crate::format::files::npy::Header;
use crate::store::{io_error, open_regular};

/// The `.npy` files in a folder and those below it, sorted by their paths. Names are the paths without `.npy`.
pub(super) struct Folder {
    path: PathBuf,
    version: String,
    /// Names of those that were not turned to yet.
    left: VecDeque<String>,
    file: Option<(PathBuf, File)>,
    strangers: u64,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (mut names, mut strangers) = (Vec::new(), 0);
        collect(path, "", &mut names, &mut strangers)?;
        names.sort_unstable();
        let mut hash = XxHash3_128::new();
        for name in &names {
            let file = file_of(path, name);
            let metadata = std::fs::metadata(&file).map_err(|error| io_error(error, "opening", &file))?;
            hash.write(format!("{name}\0{}\0", version_of(&metadata)).as_bytes());
        }
        let version = format!("{:032x}", hash.finish_128());
        Ok(Self { path: path.into(), version, left: names.into(), file: None, strangers })
    }
}

impl Source for Folder {
    fn format(&self) -> &'static str {
        "folder of .npy files"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(name) = self.left.pop_front() else { return Ok(None) };
        let path = file_of(&self.path, &name);
        let failed = |error| io_error(error, "reading", &path);
        let mut file = open_regular(&path, false).map_err(failed)?;
        let header = Header::read(&mut file).map_err(failed)?.map_err(at(&path))?;
        let wanted = header.data_len().map_err(at(&path))? + header.data_offset;
        let length = file.metadata().map_err(failed)?.len();
        if length < wanted {
            let reason = format!("the file has {length} bytes where {wanted} are expected; it was cut short");
            return Err(at(&path)(Error::corrupt(reason)));
        }
        self.file = Some((path, file));
        Ok(Some(Entry { name: Some(name), header }))
    }

    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        let (path, file) = self.file.as_mut().ok_or_else(|| Error::invalid("no array was turned to"))?;
        file.read_exact(out).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => at(path)(Error::corrupt("the file was cut short meanwhile")),
            _ => io_error(error, "reading", path),
        })
    }

    fn note(&self) -> Option<String> {
        let count = self.strangers;
        (count > 0).then(|| {
            format!("{count} of the folder's files, links and folders hold no .npy file and are left out")
        })
    }
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.npy"))
}

/// Adds the names of the files below `folder`, which `before` leads to. Links to folders are not followed.
fn collect(folder: &Path, before: &str, names: &mut Vec<String>, strangers: &mut u64) -> Result<()> {
    let failed = |error| io_error(error, "listing", folder);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        let name = entry.file_name().into_string();
        let is_npy = path.extension().is_some_and(|ending| ending == "npy");
        if kind.is_dir() {
            let name = name.map_err(|_| not_text(&path))?;
            let (before, found) = (format!("{before}{name}/"), names.len());
            let others = *strangers;
            collect(&path, &before, names, strangers)?;
            // What belongs to a file of named slices holds no .npy file either; an index is one stranger.
            *strangers = if names.len() == found { others + 1 } else { *strangers };
        } else if is_npy && path.is_file() {
            let name = name.map_err(|_| not_text(&path))?;
            names.push(format!("{before}{}", name.strip_suffix(".npy").unwrap_or(&name)));
        } else {
            *strangers += 1;
        }
    }
    Ok(())
}

fn not_text(path: &Path) -> Error {
    let reason = "the name of the file or folder is not valid Unicode and cannot name a slice";
    Error::invalid(reason).during("converting").at(path.display().to_string())
}
