//! Slices of other arrays, added to those of one.

use std::ops::Range;
use std::sync::Arc;

use super::mapping::Mapping;
use super::rows::row_len;
use super::slices::{ATTEMPTS, NamedRows, Slice, SliceArray};
use crate::base::error::{Error, ErrorKind, Result};
use crate::run::interrupt::check_interrupt;

/// Slices that are read and written at once, unless they have more bytes than a piece.
const AT_ONCE: usize = 4096;
/// Bytes of small slices that are written at once.
const PIECE: u64 = 8 << 20;

impl SliceArray {
    /// Adds the slices of other arrays, as they are shown there, in their order: rows first, then their names, some thousand
    /// slices at a time. Memory does not grow with the arrays. With `replace`, a name that is there already, here or in one
    /// of the others before, gets the rows of the last.
    ///
    /// # Errors
    /// Before anything is written: `InvalidArgument` if the arrays have other rows, or one of the others is this one;
    /// `AlreadyExists` without `replace`, with the first name that comes twice. Later, those of [`SliceArray::write`], and
    /// of reading: what was added until then stays, and the same call with `replace` adds the rest.
    ///
    /// ```
    /// # use bigarrays::DataType;
    /// # use bigarrays::flat::{Descr, FlatSpec, NamedRows, SliceArray};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let spec = FlatSpec::new(Descr::of(DataType::U8), &[0]);
    /// # let create = |name: &str| SliceArray::create(&folder.path().join(name), &spec);
    /// let (all, one, two) = (create("all.npy")?, create("one.npy")?, create("two.npy")?);
    /// one.write(&[NamedRows { name: "a", rows: 2, bytes: b"aa" }], false)?;
    /// two.write(&[NamedRows { name: "b", rows: 3, bytes: b"bbb" }], false)?;
    /// all.merge(&[&one, &two], false)?;
    /// assert_eq!((all.len(), all.get_one("b")?.0.rows), (2, 2..5));
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    pub fn merge(&self, others: &[&Self], replace: bool) -> Result<()> {
        self.array().expect_mode()?;
        others.iter().try_for_each(|other| self.expect_same_rows(other))?;
        if !replace {
            for (k, other) in others.iter().enumerate() {
                other.each_batch(|named, _| {
                    self.expect_new(named.iter().map(|(name, _)| name.as_str()), false)?;
                    others[..k].iter().try_for_each(|before| before.expect_none_of(named))
                })?;
            }
        }
        others
            .iter()
            .try_for_each(|other| other.each_batch(|named, mapping| self.add(named, mapping, replace)))
    }

    fn expect_same_rows(&self, other: &Self) -> Result<()> {
        let (own, others) = (self.array().header(), other.array().header());
        let at = |error: Error| error.during("merging").at(other.array().path().display().to_string());
        if self.array().path() == other.array().path() {
            return Err(at(Error::invalid("this is the array itself")));
        }
        if own.descr == others.descr && own.shape[1..] == others.shape[1..] {
            return Ok(());
        }
        let reason = format!(
            "its elements are {} in rows of shape {:?}, and those to be added to are {} in rows of shape {:?}",
            others.descr.text(),
            &others.shape[1..],
            own.descr.text(),
            &own.shape[1..]
        );
        Err(at(Error::invalid(reason)))
    }

    fn expect_none_of(&self, named: &[(String, Slice)]) -> Result<()> {
        for (name, _) in named {
            if self.contains(name)? {
                let reason = format!("a slice is named {name:?} in more than one of the arrays");
                let at = self.array().path().display().to_string();
                return Err(Error::new(ErrorKind::AlreadyExists, reason).during("merging").at(at));
            }
        }
        Ok(())
    }

    /// Lends all slices that are shown, in their order, and a mapping of their rows.
    fn each_batch(&self, mut work: impl FnMut(&[(String, Slice)], &Mapping) -> Result<()>) -> Result<()> {
        for from in (0..self.len()).step_by(AT_ONCE) {
            check_interrupt()?;
            let names = self.names(from, AT_ONCE)?;
            let positions: Vec<u64> = names.iter().map(|(_, slice)| slice.position).collect();
            let (slices, mapping): (_, Arc<Mapping>) = self.at(&positions)?;
            let named: Vec<_> = names.into_iter().map(|(name, _)| name).zip(slices).collect();
            work(&named, &mapping)?;
        }
        Ok(())
    }

    /// Writes slices whose rows `mapping` has.
    fn add(&self, named: &[(String, Slice)], mapping: &Mapping, replace: bool) -> Result<()> {
        let row = row_len(mapping.header()).unwrap_or(0);
        let mut rest = named;
        while let Some((first, _)) = rest.split_first() {
            let mut bytes = 0;
            let fits = |(_, slice): &&(String, Slice)| {
                bytes += row * (slice.rows.end - slice.rows.start);
                bytes <= PIECE
            };
            let count = rest.iter().take_while(fits).count();
            if count == 0 {
                self.add_large(&first.0, &first.1.rows, mapping, replace)?;
                rest = &rest[1..];
                continue;
            }
            self.add_small(&rest[..count], row, mapping, replace)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn add_small(&self, named: &[(String, Slice)], row: u64, mapping: &Mapping, replace: bool) -> Result<()> {
        let rows = |slice: &Slice| slice.rows.end - slice.rows.start;
        let all: u64 = named.iter().map(|(_, slice)| rows(slice) * row).sum();
        let mut bytes = vec![0; all as usize];
        let mut rest = &mut bytes[..];
        for (_, slice) in named {
            let (own, behind) = rest.split_at_mut((rows(slice) * row) as usize);
            mapping.read(slice.rows.start, own)?;
            rest = behind;
        }
        let mut rest = &bytes[..];
        let slices = named.iter().map(|(name, slice)| {
            let (bytes, behind) = rest.split_at((rows(slice) * row) as usize);
            rest = behind;
            NamedRows { name, rows: rows(slice), bytes }
        });
        self.write(&slices.collect::<Vec<_>>(), replace)
    }

    /// Writes one slice in pieces.
    fn add_large(&self, name: &str, rows: &Range<u64>, mapping: &Mapping, replace: bool) -> Result<()> {
        for _ in 0..ATTEMPTS {
            self.catch_up()?;
            let count = rows.end - rows.start;
            let filled = self.array().append_filled(count, |at, bytes| mapping.read(rows.start + at, bytes));
            let (file, appended) = filled?;
            let Some(generation) = self.generation_of(&file)? else { continue };
            if self.put_all(vec![(name, appended)], &file, generation, replace)? {
                return Ok(());
            }
        }
        Err(self.compacted())
    }
}
