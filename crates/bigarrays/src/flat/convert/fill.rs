//! Copying the arrays of a source into a draft, in pieces.

use std::ops::Range;

use super::draft::Target;
use super::source::{Entry, Source};
use crate::base::error::{Error, Result};
use crate::flat::slice::NamedRows;
use crate::run::interrupt::check_interrupt;
use crate::run::runner::Progress;

/// Elements are copied in pieces of so many bytes at most, but at least a row; smaller arrays are gathered up to as many.
const PIECE: u64 = 8 << 20;
/// Arrays that are gathered at most.
const MOST: usize = 8192;

/// Copies the arrays of `source` that `target` does not have yet; says how many rows it had.
///
/// The rows of a target are those of all arrays in the order of the source, so that what it has says how far it came.
pub(super) fn fill(
    source: &mut dyn Source,
    target: &Target,
    total: u64,
    progress: Option<&(dyn Fn(Progress) + Sync)>,
) -> Result<u64> {
    let found = target.rows();
    let mut filler =
        Filler { target, total, progress, row: 0, names: Vec::new(), bytes: Vec::new(), done: 0 };
    let mut known = target.names();
    while let Some(entry) = source.next()? {
        check_interrupt()?;
        if entry.name.is_some()
            && let Some(name) = known.next().transpose()?
        {
            expect_same(&entry, &name)?;
            filler.skip(&entry)?;
            continue;
        }
        if entry.bytes()? > PIECE {
            filler.large(source, &entry)?;
        } else {
            filler.small(source, &entry)?;
        }
    }
    filler.flush()?;
    if !target.has_names() {
        target.name_rows(&source.names()?)?;
    }
    Ok(found)
}

struct Filler<'a> {
    target: &'a Target,
    /// Bytes of all elements.
    total: u64,
    progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    /// The first row of the next array.
    row: u64,
    /// Names and rows of the arrays that are gathered, and their elements.
    names: Vec<(String, u64)>,
    bytes: Vec<u8>,
    /// Bytes of elements that were dealt with.
    done: u64,
}

impl Filler<'_> {
    /// Goes on behind an array that the target has.
    fn skip(&mut self, entry: &Entry) -> Result<()> {
        self.row += entry.rows();
        self.tell(entry.bytes()?);
        Ok(())
    }

    /// Adds a small array to those that are written together.
    fn small(&mut self, source: &mut dyn Source, entry: &Entry) -> Result<()> {
        let length = entry.bytes()? as usize;
        if self.bytes.len() + length > PIECE as usize || self.names.len() == MOST {
            self.flush()?;
        }
        let Some(name) = &entry.name else { return self.large(source, entry) };
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        source.read(&mut self.bytes[start..])?;
        self.names.push((name.clone(), entry.rows()));
        self.row += entry.rows();
        Ok(())
    }

    /// Writes the arrays that were gathered.
    fn flush(&mut self) -> Result<()> {
        check_interrupt()?;
        let row = (self.bytes.len() as u64).checked_div(self.names.iter().map(|(_, rows)| rows).sum());
        let mut rest = &self.bytes[..];
        let named = self.names.iter().map(|(name, rows)| {
            let (bytes, behind) = rest.split_at((rows * row.unwrap_or(0)) as usize);
            rest = behind;
            NamedRows { name, rows: *rows, bytes }
        });
        let named: Vec<NamedRows<'_>> = named.collect();
        if !named.is_empty() {
            self.target.write(&named)?;
        }
        let done = self.bytes.len() as u64;
        self.names.clear();
        self.bytes.clear();
        self.tell(done);
        Ok(())
    }

    /// Writes a large array piece by piece. The target may have some of its rows.
    fn large(&mut self, source: &mut dyn Source, entry: &Entry) -> Result<()> {
        self.flush()?;
        let rows = self.row..self.row + entry.rows();
        let (mut next, row) = (rows.start, entry.row()?);
        let at_most = PIECE.checked_div(row).unwrap_or(u64::MAX).max(1);
        while next < rows.end {
            check_interrupt()?;
            let count = at_most.min(rows.end - next);
            self.bytes.resize((count * row) as usize, 0);
            source.read(&mut self.bytes)?;
            self.piece(next..next + count)?;
            next += count;
            self.tell(self.bytes.len() as u64);
        }
        self.bytes.clear();
        if let Some(name) = &entry.name {
            self.target.name_rows(&[(name.clone(), rows.clone())])?;
        }
        self.row = rows.end;
        Ok(())
    }

    /// Appends those of the rows that the target does not have.
    fn piece(&self, rows: Range<u64>) -> Result<()> {
        let has = self.target.rows().clamp(rows.start, rows.end) - rows.start;
        let left = rows.end - rows.start - has;
        let skipped = (self.bytes.len() as u64 / (rows.end - rows.start) * has) as usize;
        if left == 0 { Ok(()) } else { self.target.append(left, &self.bytes[skipped..]) }
    }

    fn tell(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(progress) = self.progress {
            progress(Progress { done: self.done, total: self.total });
        }
    }
}

fn expect_same(entry: &Entry, name: &str) -> Result<()> {
    if entry.name.as_deref() == Some(name) {
        return Ok(());
    }
    let called = entry.called();
    Err(Error::invalid(format!(
        "the unfinished file has a slice named {name:?} where {called} is expected; remove it"
    )))
}
