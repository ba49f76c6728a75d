//! What tasks have folded of a box of the results, in files: a later run or another process goes on with it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use twox_hash::XxHash3_128;

use crate::base::error::{Error, Result};
use crate::compute::block::{Folds, Held};
use crate::compute::digest::Digest;
use crate::compute::ledger::write_whole;
use crate::compute::reduction::Method;

/// What a file begins with.
const MAGIC: &[u8; 8] = b"partial1";

/// For each segment, in order, the cells of each result.
pub(super) type Segments = BTreeMap<u64, Folds>;

/// What a task has folded.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// The versions of what it has read, if there was one of each chunk.
    pub(super) from: Option<Digest>,
    pub(super) segments: Segments,
}

/// The files of a pass, one for each task.
#[derive(Debug)]
pub(super) struct Partials {
    folder: PathBuf,
}

impl Partials {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, task: u64) -> PathBuf {
        self.folder.join(task.to_string())
    }

    /// Whether there is a file of what a task has folded.
    pub(super) fn has(&self, task: u64) -> bool {
        self.path(task).is_file()
    }

    /// What a task has folded, of as many cells as `nothing` has; `None` unless there is a whole file of it.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn find(&self, task: u64, methods: &[Method], nothing: &Folds) -> Result<Option<Partial>> {
        let path = self.path(task);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(error, "reading a partial result", path.display().to_string())),
            Ok(bytes) => Ok(parse(&bytes, methods, nothing)),
        }
    }

    /// Keeps what a task has folded, if it is known of what: all of it, or nothing if this process is killed.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn keep(&self, task: u64, partial: &Partial) -> Result<()> {
        let Some(from) = partial.from else { return Ok(()) };
        let path = self.path(task);
        write_whole(&path, &bytes(from, &partial.segments))
            .map_err(|error| Error::io(error, "keeping a partial result", path.display().to_string()))
    }
}

fn bytes(Digest(from): Digest, segments: &Segments) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &from.to_le_bytes()].concat();
    for (number, Folds { held, sizes, slots }) in segments {
        bytes.extend(number.to_le_bytes());
        if let Some(slots) = slots {
            bytes.extend((slots.len() as u64).to_le_bytes());
            slots.labels().iter().for_each(|label| bytes.extend(label.to_le_bytes()));
        }
        for Held { values, beside, firsts, means } in held {
            let words = [values, beside, firsts, means].into_iter().flatten();
            words.for_each(|word| bytes.extend(word.to_le_bytes()));
        }
        sizes.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
    }
    bytes.extend(XxHash3_128::oneshot(&bytes).to_le_bytes());
    bytes
}

/// What a task has folded, if bytes are whole and of cells such as `nothing` is of.
fn parse(bytes: &[u8], methods: &[Method], nothing: &Folds) -> Option<Partial> {
    let (bytes, sum) = bytes.split_last_chunk::<16>()?;
    if XxHash3_128::oneshot(bytes).to_le_bytes() != *sum {
        return None;
    }
    let (from, mut left) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<16>()?;
    let mut segments = Segments::new();
    while !left.is_empty() {
        let number = word(&mut left)?;
        let mut all = nothing.clone();
        if let Some(slots) = &mut all.slots {
            let count = word(&mut left)?;
            for _ in 0..count {
                slots.slot(word(&mut left)?.cast_signed());
            }
            if slots.len() as u64 != count {
                return None;
            }
            all.sizes.resize(slots.len(), 0);
            all.grow(methods).ok()?;
        }
        for Held { values, beside, firsts, means } in &mut all.held {
            for one in [values, beside, firsts, means].into_iter().flatten() {
                *one = word(&mut left)?;
            }
        }
        for size in &mut all.sizes {
            *size = word(&mut left)?;
        }
        segments.insert(number, all);
    }
    Some(Partial { from: Some(Digest(u128::from_le_bytes(*from))), segments })
}

fn word(left: &mut &[u8]) -> Option<u64> {
    let (word, rest) = left.split_first_chunk::<8>()?;
    *left = rest;
    Some(u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dtype::DataType;
    use crate::compute::block::CellsOf;
    use crate::compute::reduction::Reduction;
    use crate::compute::slots::Allowance;

    #[test]
    fn what_was_kept_is_found_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let partials = Partials::new(folder.path().join("deep/pass"));
        let methods = [Reduction::Mean, Reduction::ArgMin].map(|one| one.method(DataType::F32));
        let nothing = |cells| Folds::new(&methods, cells, &CellsOf::Groups(2));
        let mut cells = nothing(3);
        cells.sizes[1] = 8;
        cells.held[0].values = vec![1, 2, u64::MAX, 3, 4, 5];
        let segments: Segments = [(4, cells.clone()), (7, cells)].into();
        let partial = Partial { from: Some(Digest(5)), segments };
        partials.keep(9, &partial).unwrap();
        let find = |task, cells| partials.find(task, &methods, &nothing(cells)).unwrap();
        let found = find(9, 3).unwrap();
        assert_eq!((found.from, found.segments.len()), (partial.from, 2));
        assert_eq!(format!("{:?}", found.segments), format!("{:?}", partial.segments));
        assert!(find(8, 3).is_none());
        assert!(find(9, 4).is_none(), "cells of another box");
        let path = folder.path().join("deep/pass/9");
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(find(9, 3).is_none(), "cut at {at}");
            let mut other = whole.clone();
            other[at] ^= 1;
            std::fs::write(&path, &other).unwrap();
            assert!(find(9, 3).is_none(), "changed at {at}");
        }
        let unknown = Partial { from: None, ..partial };
        partials.keep(1, &unknown).unwrap();
        assert!(find(1, 3).is_none(), "nobody knows of what it is");
    }

    #[test]
    fn cells_of_labels_are_found_with_their_labels() {
        let folder = tempfile::tempdir().unwrap();
        let partials = Partials::new(folder.path().to_owned());
        let methods = [Reduction::Sum.method(DataType::U8), Reduction::NanMean.method(DataType::F32)];
        let nothing = Folds::new(&methods, 2, &CellsOf::Labels(Allowance::new(1 << 20)));
        let mut cells = nothing.clone();
        for label in [8, -1, i64::MAX] {
            cells.slots.as_mut().unwrap().slot(label);
        }
        cells.sizes.resize(3, 5);
        cells.grow(&methods).unwrap();
        cells.held[1].beside[4] = 9;
        partials.keep(0, &Partial { from: Some(Digest(5)), segments: [(3, cells.clone())].into() }).unwrap();
        let found = partials.find(0, &methods, &nothing).unwrap().unwrap().segments.remove(&3).unwrap();
        assert_eq!(found.slots.unwrap().labels(), [8, -1, i64::MAX]);
        assert_eq!((found.sizes, found.held[1].beside.clone()), (cells.sizes, cells.held[1].beside.clone()));
    }
}
