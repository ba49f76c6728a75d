//! New files, put in their place at once.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::clearing::{forget_names_of_none, reset, while_clearing};
use super::file::DataFile;
use super::names::expect_ours_at;
use super::pending::Pending;
use super::spec::FlatSpec;
use crate::base::error::Result;
use crate::format::files::npy::Header;
use crate::store::{io_error, reserve, temporary_beside};

/// Makes a file of zeros where nothing is, of an array that nobody knows yet.
pub(super) fn write_new(path: &Path, spec: &FlatSpec) -> Result<()> {
    let header = Header::new(spec.descr.clone(), spec.order, &spec.shape)?;
    let bytes = header.to_bytes()?;
    let length = header.data_offset + header.data_len()?;
    let failed = |error| io_error(error, "creating", path);
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    let made = file.write_all_at(&bytes, 0).and_then(|()| reserve(&file, length)).map_err(failed);
    made.inspect_err(|_| drop(std::fs::remove_file(path)))
}

/// Makes a file of zeros.
pub(super) fn create(path: &Path, spec: &FlatSpec) -> Result<()> {
    let failed = |error| io_error(error, "creating", path);
    if !spec.overwrite && path.exists() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    expect_ours_at(path)?;
    let temporary = temporary_beside(path)?;
    let made = write_new(&temporary, spec).and_then(|()| {
        if spec.overwrite {
            put_in_place(&temporary, path, spec.lock_timeout)
        } else {
            put_beside_none(&temporary, path, spec.lock_timeout)
        }
    });
    if made.is_err() || !spec.overwrite {
        let _ = std::fs::remove_file(&temporary);
    }
    made
}

/// Puts a new file where there may be another, and its names may be in use.
fn put_in_place(new: &Path, path: &Path, patience: Option<Duration>) -> Result<()> {
    Pending::beside(path).clear()?;
    // Who dies in between leaves old rows without names, and not new rows with old ones.
    reset(path, patience)?;
    while_clearing(path, patience, || {
        std::fs::rename(new, path).map_err(|error| io_error(error, "creating", path))
    })
}

/// Puts a new file where there is none, and drops what an earlier one of this name has left.
fn put_beside_none(new: &Path, path: &Path, patience: Option<Duration>) -> Result<()> {
    forget_names_of_none(path, patience)?;
    // Unlike renaming, this replaces nothing.
    std::fs::hard_link(new, path).map_err(|error| io_error(error, "creating", path))?;
    if !Pending::beside(path).exists() {
        return Ok(());
    }
    // Another may be appending to the new file already.
    let file = DataFile::open(path, true, patience)?;
    file.guarded(|| {
        let reservations = file.reservations()?;
        let mut dead = reservations.into_iter().filter(|(_, alive)| !alive);
        dead.try_for_each(|(record, _)| file.forget(record.slot))
    })
}

/// Puts a file in place of `old` that has the same rows and room in its header for any number.
pub(super) fn widen(old: &DataFile) -> Result<()> {
    old.alone(|| {
        let header = old.header()?;
        let wide = Header::new(header.descr.clone(), header.order, &header.shape)?;
        let temporary = temporary_beside(old.path())?;
        let copy = |file: File| -> io::Result<()> {
            let mut new = file;
            let mut source = File::open(old.path())?;
            source.seek(SeekFrom::Start(header.data_offset))?;
            new.write_all(&wide.to_bytes().map_err(io::Error::other)?)?;
            io::copy(&mut source, &mut new)?;
            new.set_permissions(source.metadata()?.permissions())?;
            new.sync_all()?;
            std::fs::rename(&temporary, old.path())
        };
        let copied = OpenOptions::new().write(true).create_new(true).open(&temporary).and_then(copy);
        copied.map_err(|error| {
            let _ = std::fs::remove_file(&temporary);
            old.failed(error, "making room in the header of")
        })
    })
}
