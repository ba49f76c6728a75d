//! Cells that one stage leaves to the next, in files: a later run, or another process, goes on with them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use twox_hash::XxHash3_128;

use super::kernel::Kernel;
use super::tree::Index;
use super::voxel::Voxel;
use crate::base::error::{Error, Result};
use crate::compute::write_whole;

/// What a file begins with.
const MAGIC: &[u8; 8] = b"cells 1\n";

/// The files of a stage, one for each chunk of its coarsest level.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// Those of a stage, in the folder of all of them.
    pub(super) fn of(folder: &Path, stage: usize) -> Self {
        Self { folder: folder.join(stage.to_string()) }
    }

    fn path(&self, chunk: &[i64]) -> PathBuf {
        let name: Vec<String> = chunk.iter().map(ToString::to_string).collect();
        self.folder.join(name.join("_"))
    }

    /// Whether there are cells of a chunk.
    pub(super) fn has(&self, chunk: &Index) -> bool {
        self.path(chunk).is_file()
    }

    /// Keeps the cells of a chunk: all of them, or none if this process is killed.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn keep<T: Voxel, K: Kernel<T>>(
        &self,
        kernel: &K,
        chunk: &Index,
        cells: &K::Cells,
    ) -> Result<()> {
        let path = self.path(chunk);
        let mut bytes = MAGIC.to_vec();
        kernel.save(cells, &mut bytes);
        bytes.extend(XxHash3_128::oneshot(&bytes).to_le_bytes());
        write_whole(&path, &bytes)
            .map_err(|error| Error::io(error, "keeping cells of a scale", path.display().to_string()))
    }

    /// The cells of a chunk of so many.
    ///
    /// # Errors
    /// `CorruptData` if there are none or others; any error of files.
    pub(super) fn find<T: Voxel, K: Kernel<T>>(
        &self,
        kernel: &K,
        chunk: &Index,
        count: usize,
    ) -> Result<K::Cells> {
        let path = self.path(chunk);
        let damaged = |reason: &'static str| Error::corrupt(reason).at(path.display().to_string());
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                damaged("cells that an earlier stage has kept are gone; with resume, they are made again")
            }
            _ => Error::io(error, "reading cells of a scale", path.display().to_string()),
        })?;
        let whole = bytes.split_last_chunk::<16>().and_then(|(bytes, sum)| {
            (XxHash3_128::oneshot(bytes).to_le_bytes() == *sum).then(|| bytes.strip_prefix(MAGIC))?
        });
        let cells = whole.and_then(|bytes| kernel.load(bytes, count));
        cells.ok_or_else(|| {
            damaged(
                "cells that an earlier stage has kept are damaged; remove the file, and they are made again",
            )
        })
    }
}

/// The first so many values of bytes, which are then those behind them.
pub(super) fn take<V: Pod>(bytes: &mut &[u8], count: usize) -> Option<Vec<V>> {
    let (own, rest) = bytes.split_at_checked(count.checked_mul(size_of::<V>())?)?;
    *bytes = rest;
    Some(own.chunks_exact(size_of::<V>()).map(bytemuck::pod_read_unaligned).collect())
}
