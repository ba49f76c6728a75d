//! Verifying: whether what is stored is whole, and whether two arrays hold the same.
//!
//! Every chunk that is stored is read and decoded, and so are the indexes of shards; what lies beside the
//! chunks is looked at. Nothing is changed. Writers may be at work meanwhile: a chunk that is replaced or
//! removed between two looks is no problem, as every chunk is the old one or the new one.
//!
//! Parts of an upload to a bucket that was never completed are not seen: the service keeps them apart from
//! objects. A rule of the bucket that removes incomplete uploads takes care of them.

mod chunks;
mod compare;
mod place;
mod present;
mod report;

pub use compare::{Comparison, Difference, compare};
pub use place::{Against, verify_at};
pub use report::{ArrayReport, Findings, Problem, ProblemKind, Report, Stray};

use crate::array::Array;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::run::runner::Progress;

/// What verifying may use, what it looks at and whom it tells.
#[derive(Clone, Copy, Default)]
pub struct VerifyOptions<'a> {
    /// Memory budget in bytes; if zero, as for [`CopyOptions::memory`](crate::CopyOptions).
    pub memory: u64,
    /// Only the chunks that this box touches, in the coordinates of the array.
    pub part: Option<&'a Domain>,
    /// Whether a chunk that is not stored is a problem.
    pub missing: bool,
    /// Is told now and then, from any thread, how far the array or scale is that is being looked at. The
    /// total is that of what was found so far.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// Verifies what is stored of an opened array: all of it, also where `array` is a view of a part.
///
/// An array that was opened with a cache is verified as it is read: chunks may be those of the cache.
///
/// ```
/// use bigarrays::jobs::{VerifyOptions, verify};
/// use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array2, store};
///
/// let mut spec = CreateSpec::new(DataType::U8, "0:6,0:4".parse()?);
/// spec.chunk_shape = Some(vec![2, 4]);
/// let array = OpenOptions::new().format("zarr3").create("memory://verify", &spec)?;
/// array.write(&[0, 0], Array2::<u8>::ones((4, 4)).view())?;
/// let report = verify(&array, &VerifyOptions::default())?;
/// assert_eq!((report.chunks, report.stored, report.missing), (3, 2, 1));
/// assert!(report.is_whole());
///
/// array.store().write("c/1/0", b"short")?;
/// let report = verify(&array, &VerifyOptions::default())?;
/// assert_eq!(report.problems.first[0].key.as_deref(), Some("memory://verify/c/1/0"));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `Cancelled`; `MemoryBudget` if a chunk does not fit; a storage error that says nothing of what is
/// stored, such as that of a network that is down. Damage is in the report, and no error.
pub fn verify(array: &Array, options: &VerifyOptions<'_>) -> Result<ArrayReport> {
    let mut report = ArrayReport::of(array);
    chunks::verify(array, options, &mut report).map_err(|error| error.during("verifying").at(array.url()))?;
    Ok(report)
}
