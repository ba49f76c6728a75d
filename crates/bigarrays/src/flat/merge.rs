//! Slices of other arrays, added to those of one.

use super::array::FlatArray;
use super::metadata::Described;
use super::naming::Named;
use super::record::SliceRows;
use super::rows::row_len;
use super::slice::{Mappings, NewSlice, RowBytes, Slice};
use super::slices::{ATTEMPTS, SliceArray};
use crate::base::error::{Error, ErrorKind, Result};
use crate::run::interrupt::check_interrupt;

/// Slices that are read and written at once, unless they have more bytes than a piece.
const AT_ONCE: usize = 4096;
/// As many if anything is kept beside names, of which each may have 64 KiB.
const WITH_METADATA: usize = 256;
/// Bytes of small slices that are written at once.
const PIECE: u64 = 8 << 20;

impl SliceArray {
    /// Adds the slices of other arrays, as they are shown there, in their order: rows first, then their names, some thousand
    /// slices at a time. Memory does not grow with the arrays. With `replace`, a name that is there already, here or in one
    /// of the others before, gets the rows of the last.
    ///
    /// What is kept beside names is added with them; a name that gets other rows keeps its own if there is nothing beside it
    /// in the other. Of several arrays, the others have to have the same.
    ///
    /// # Errors
    /// Before anything is written: `InvalidArgument` if the others have other arrays or rows, or one of them is this one;
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
    /// assert_eq!((all.len(), all.get_one("b")?.0.rows.first), (2, 2..5));
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    pub fn merge(&self, others: &[&Self], replace: bool) -> Result<()> {
        self.array().expect_mode()?;
        others.iter().try_for_each(|other| self.expect_same_arrays(other))?;
        if !replace {
            for (k, other) in others.iter().enumerate() {
                other.each_names(|named| {
                    self.expect_new(named.iter().map(|(name, _)| name.as_str()), false)?;
                    others[..k].iter().try_for_each(|before| before.expect_none_of(named))
                })?;
            }
        }
        others
            .iter()
            .try_for_each(|other| other.each_batch(|batch, mappings| self.add(batch, mappings, replace)))
    }

    /// An error unless the other has arrays of the same names, elements and rows.
    fn expect_same_arrays(&self, other: &Self) -> Result<()> {
        let at = |error: Error| error.during("merging").at(other.path().display().to_string());
        if self.path() == other.path() {
            return Err(at(Error::invalid("this is the array itself")));
        }
        let names = |slices: &Self| slices.arrays().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        let (own, others) = (names(self), names(other));
        if own != others {
            let say = |names: &[String]| match names {
                [name] if name.is_empty() => "one array".to_owned(),
                names => format!("the arrays {}", names.join(", ")),
            };
            let reason =
                format!("its slices are of {}, and those to be added to of {}", say(&others), say(&own));
            return Err(at(Error::invalid(reason)));
        }
        self.arrays().zip(other.arrays()).try_for_each(|((_, own), (_, other))| expect_same_rows(own, other))
    }

    fn expect_none_of(&self, named: &[(String, Slice)]) -> Result<()> {
        for (name, _) in named {
            if self.contains(name)? {
                let reason = format!("a slice is named {name:?} in more than one of the arrays");
                let at = self.path().display().to_string();
                return Err(Error::new(ErrorKind::AlreadyExists, reason).during("merging").at(at));
            }
        }
        Ok(())
    }

    /// Lends the names of all slices that are shown, in their order.
    fn each_names(&self, mut work: impl FnMut(&[(String, Slice)]) -> Result<()>) -> Result<()> {
        for from in (0..self.len()).step_by(AT_ONCE) {
            check_interrupt()?;
            work(&self.names(from, AT_ONCE)?)?;
        }
        Ok(())
    }

    /// Lends all slices that are shown, with what is kept beside their names, in their order, and mappings of their rows.
    fn each_batch(&self, mut work: impl FnMut(&[Described], &Mappings) -> Result<()>) -> Result<()> {
        let at_once = if self.count_metadata()? == 0 { AT_ONCE } else { WITH_METADATA };
        for from in (0..self.len()).step_by(at_once) {
            check_interrupt()?;
            let mut batch = self.described(from, at_once)?;
            let positions: Vec<u64> = batch.iter().map(|(_, slice, _)| slice.position).collect();
            let (slices, mappings) = self.at(&positions)?;
            batch.iter_mut().zip(slices).for_each(|((_, slice, _), now)| *slice = now);
            work(&batch, &mappings)?;
        }
        Ok(())
    }

    /// Writes slices whose rows `mappings` have.
    fn add(&self, batch: &[Described], mappings: &Mappings, replace: bool) -> Result<()> {
        let mut rest = batch;
        while let Some((first, behind)) = rest.split_first() {
            let mut bytes = 0;
            let fits = |(_, slice, _): &&Described| {
                bytes += bytes_of(slice, mappings).sum::<u64>();
                bytes <= PIECE
            };
            let count = rest.iter().take_while(fits).count();
            if count == 0 {
                self.add_large(first, mappings, replace)?;
                rest = behind;
                continue;
            }
            self.add_small(&rest[..count], mappings, replace)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn add_small(&self, batch: &[Described], mappings: &Mappings, replace: bool) -> Result<()> {
        let all: u64 = batch.iter().flat_map(|(_, slice, _)| bytes_of(slice, mappings)).sum();
        let mut bytes = vec![0; all as usize];
        let mut rest = &mut bytes[..];
        for (_, slice, _) in batch {
            for ((rows, mapping), length) in
                slice.rows.all().zip(mappings.all()).zip(bytes_of(slice, mappings))
            {
                let (own, behind) = rest.split_at_mut(length as usize);
                mapping.read(rows.start, own)?;
                rest = behind;
            }
        }
        let mut rest = &bytes[..];
        let rows = batch.iter().map(|(_, slice, _)| {
            let arrays = slice.rows.all().zip(bytes_of(slice, mappings)).map(|(rows, length)| {
                let (bytes, behind) = rest.split_at(length as usize);
                rest = behind;
                RowBytes { rows: rows.end - rows.start, bytes }
            });
            arrays.collect()
        });
        let rows: Vec<Vec<RowBytes<'_>>> = rows.collect();
        let slices = batch.iter().zip(&rows).map(|((name, _, metadata), arrays)| NewSlice {
            name,
            arrays,
            metadata: metadata.as_deref(),
        });
        self.write_slices(&slices.collect::<Vec<_>>(), replace)
    }

    /// Writes one slice in pieces.
    fn add_large(
        &self,
        (name, slice, metadata): &Described,
        mappings: &Mappings,
        replace: bool,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            self.catch_up()?;
            let (mut files, mut appended) = (Vec::new(), Vec::new());
            for ((_, array), (rows, mapping)) in self.arrays().zip(slice.rows.all().zip(mappings.all())) {
                let count = rows.end - rows.start;
                let (file, rows) =
                    array.append_filled(count, |at, bytes| mapping.read(rows.start + at, bytes))?;
                files.push(file);
                appended.push(rows);
            }
            let Some(generation) = self.generation_of(&files)? else { continue };
            let rows = SliceRows::new(appended);
            let named = Named { name, rows, metadata: metadata.as_deref() };
            if self.put_all(vec![named], &files, generation, replace)? {
                return Ok(());
            }
        }
        Err(self.compacted())
    }
}

/// Bytes of a slice in each array.
fn bytes_of(slice: &Slice, mappings: &Mappings) -> impl Iterator<Item = u64> {
    slice
        .rows
        .all()
        .zip(mappings.all())
        .map(|(rows, mapping)| row_len(mapping.header()).unwrap_or(0) * (rows.end - rows.start))
}

fn expect_same_rows(own: &FlatArray, other: &FlatArray) -> Result<()> {
    let (own, others) = (own.header(), other.header());
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
    Err(Error::invalid(reason).during("merging").at(other.path().display().to_string()))
}
