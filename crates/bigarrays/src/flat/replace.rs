//! New files, put in their place at once.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::FlatSpec;
use crate::error::Result;
use crate::format::npy::Header;
use crate::store::{io_error, reserve, temporary_beside};

/// Makes a file of zeros.
pub(super) fn create(path: &Path, spec: &FlatSpec) -> Result<()> {
    let header = Header::new(spec.descr.clone(), spec.order, &spec.shape)?;
    let bytes = header.to_bytes()?;
    let length = header.data_offset + header.data_len()?;
    let temporary = temporary_beside(path)?;
    let failed = |error| io_error(error, "creating", path);
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(failed)?;
    let made = file.write_all_at(&bytes, 0).and_then(|()| reserve(&file, length)).and_then(|()| {
        if spec.overwrite {
            return std::fs::rename(&temporary, path);
        }
        // Unlike renaming, this replaces nothing.
        std::fs::hard_link(&temporary, path)
    });
    if made.is_err() || !spec.overwrite {
        let _ = std::fs::remove_file(&temporary);
    }
    made.map_err(failed)
}
