//! Files of others become a `.npy` file whose rows have names.
//!
//! The new file is made as a draft, `x.npy.unfinished`, and takes its name once it is whole: nobody sees half of it. A
//! conversion that ended early is taken up by the next one of the same source, which finds out from the draft how far it
//! came.

mod archive;
mod below;
mod c_order;
mod detect;
mod draft;
mod fill;
mod folder;
#[cfg(feature = "hdf5")]
mod hdf5;
mod lmdb;
mod megatron;
mod pointers;
mod source;
#[cfg(test)]
mod tests;

use std::path::Path;

use self::draft::Draft;
#[doc(hidden)]
pub use self::lmdb::read_values;
use self::source::{Entry, Source, at};
use crate::base::buffer::Order;
use crate::base::error::{Error, ErrorKind, Result};
use crate::flat::record::check_name;
use crate::format::files::npy::{Descr, Header};
use crate::run::budget::of_job;
use crate::run::interrupt::check_interrupt;
use crate::run::runner::Progress;

/// What is converted, and how.
#[derive(Clone, Copy, Default)]
pub struct ConvertOptions<'a> {
    /// Whether a file that exists is replaced.
    pub overwrite: bool,
    /// Only the array of this key, whose rows then have no names; or if arrays are below it, only those, by the rest of
    /// their names. As in `"train"` of a source that has `train/a` and `train/b`.
    pub key: Option<&'a str>,
    /// Is told how many bytes of elements are done, of how many.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// What a conversion makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertPlan {
    /// What the source is, in words.
    pub format: &'static str,
    /// What an element is.
    pub descr: Descr,
    /// The shape of the new array.
    pub shape: Vec<u64>,
    /// How many names there are.
    pub names: u64,
    /// Bytes of all elements.
    pub bytes: u64,
    /// What of the source is not kept.
    pub note: Option<String>,
}

/// What a conversion has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// What it has made.
    pub plan: ConvertPlan,
    /// Rows that an earlier conversion of the same source had written.
    pub found: u64,
}

/// Looks through a source, and says what a conversion would make of it. Elements are not read, and nothing is written.
///
/// # Errors
/// `NotFound`; `InvalidMetadata` if the source is damaged or none that is known; `InvalidArgument` if its arrays have
/// elements or rows of several kinds, or names that cannot be names; `MemoryBudget` if a row has more bytes than a quarter of
/// the memory.
pub fn plan_conversion(old: &Path, key: Option<&str>) -> Result<ConvertPlan> {
    plan_of(old, key).map(|(plan, _)| plan)
}

/// The plan, and which state of the source it is of.
fn plan_of(old: &Path, key: Option<&str>) -> Result<(ConvertPlan, String)> {
    let mut source = detect::open(old, key)?;
    let plan = plan(&mut *source).map_err(at(old))?.ok_or_else(|| {
        let reason = key.map_or_else(
            || "there is no array in it".to_owned(),
            |key| format!("there is no array at or below the key {key:?}"),
        );
        at(old)(Error::new(ErrorKind::NotFound, reason))
    })?;
    Ok((plan, source.version().to_owned()))
}

/// Copies what is at `old` into a new `.npy` file, with names in an index beside it: each array of the source becomes
/// the slice of its name. A source is a file of Python's `bigarray`, NumPy's `.npz`, HDF5, a folder of `.npy` files, an
/// LMDB file whose values are `.npy` files, or Megatron's `.idx` and `.bin`, whose documents are named by their numbers; which one it is, its bytes say.
///
/// A conversion that ended early, by whatever, goes on when the same one is asked for again. Until it is whole, there is
/// only the draft `x.npy.unfinished`.
///
/// # Errors
/// Those of [`plan_conversion`], before anything is written; `AlreadyExists` if there is a file and it is not to be
/// replaced; `CorruptData` if the source turns out to be damaged; those of the disk.
///
/// ```
/// use bigarrays::flat::{ConvertOptions, Descr, FlatArray, FlatSpec, Mode, SliceArray, convert};
/// # let folder = tempfile::tempdir().unwrap();
/// # let (samples, new) = (folder.path().join("samples"), folder.path().join("new.npy"));
/// std::fs::create_dir(&samples).unwrap();
/// for name in ["one.npy", "two.npy"] {
///     FlatArray::create(&samples.join(name), &FlatSpec::new(Descr::of(bigarrays::DataType::F32), &[3, 40]))?;
/// }
/// convert(&samples, &new, &ConvertOptions::default())?;
/// assert_eq!(SliceArray::open(&new, Mode::Read)?.get_one("two")?.0.rows.first, 3..6);
/// # Ok::<(), bigarrays::Error>(())
/// ```
pub fn convert(old: &Path, new: &Path, options: &ConvertOptions<'_>) -> Result<Converted> {
    let (plan, version) = plan_of(old, options.key)?;
    let draft = Draft::of(new, &version, options.overwrite)?;
    let found = match draft.is_published()? {
        true => plan.shape.first().copied().unwrap_or(0),
        false => {
            let header = Header::new(plan.descr.clone(), Order::C, &plan.shape)?;
            let target = draft.open(&header)?;
            // The plan has come to the end of the other.
            let mut source = detect::open(old, options.key)?;
            match fill::fill(&mut *source, &target, plan.bytes, options.progress) {
                Err(error) => return Err(draft.left_by(at(old)(error), target)),
                Ok(found) => draft.publish(target, plan.names > 0).map(|()| found)?,
            }
        }
    };
    Ok(Converted { plan, found })
}

/// What is made of all arrays of the source; `None` if there are none.
fn plan(source: &mut dyn Source) -> Result<Option<ConvertPlan>> {
    let mut first: Option<Entry> = None;
    let (mut rows, mut names, longest) = (0u64, 0, of_job(0));
    while let Some(entry) = source.next()? {
        check_interrupt()?;
        expect_rows(&entry, first.as_ref(), longest)?;
        if let Some(name) = &entry.name {
            check_name(name)?;
            names += 1;
        }
        let sum = rows.checked_add(entry.rows());
        rows = sum.ok_or_else(|| Error::invalid("more rows than a file can hold"))?;
        first.get_or_insert(entry);
    }
    let Some(Header { descr, mut shape, .. }) = first.map(|first| first.header) else { return Ok(None) };
    if let Some(first) = shape.first_mut() {
        *first = rows;
    }
    let bytes = Header::new(descr.clone(), Order::C, &shape)?.data_len()?;
    names += source.names()?.len() as u64;
    Ok(Some(ConvertPlan { format: source.format(), descr, shape, names, bytes, note: source.note() }))
}

/// An error unless the array has rows, of `longest` bytes at most, of the same kind as those of the first.
fn expect_rows(entry: &Entry, first: Option<&Entry>, longest: u64) -> Result<()> {
    let (header, called) = (&entry.header, entry.called());
    if header.shape.is_empty() {
        return Err(Error::invalid(format!("{called} is a single value without axes, which has no rows")));
    }
    let row = entry.row()?;
    if entry.rows() > 0 && row > longest {
        return Err(Error::new(
            ErrorKind::MemoryBudget,
            format!(
                "{called} has rows of {row} bytes, which are held in memory one at a time; they may have {longest}"
            ),
        ));
    }
    let Some(first) = first else { return Ok(()) };
    if entry.name.is_none() || first.name.is_none() {
        return Err(Error::invalid("the key is that of an array, and there are others below it"));
    }
    let kind = |header: &Header| {
        format!("elements of {} in rows of shape {:?}", header.descr.text(), &header.shape[1..])
    };
    let is_same = header.descr == first.header.descr && header.shape[1..] == first.header.shape[1..];
    if is_same {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{called} has {}, and {} has {}; all slices of a file have one kind of rows: choose those of one kind by their key",
        kind(header),
        first.called(),
        kind(&first.header)
    )))
}
