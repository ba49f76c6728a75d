//! Flat arrays: `.npy` files that are mapped, grow, and are written by many at once; and
//! [`SliceArray`], slices of them with names.
//!
//! The file is a valid NumPy file at every moment: its header says how many rows there are, and has
//! room for any number. Bytes behind the last row belong to appends that are under way.
//!
//! # Who sees what when
//! - An append is in the array once [`FlatArray::append`] returns; then it survives the death of every
//!   process. Before, it is not: an append that dies leaves nothing but, if others have appended behind
//!   it meanwhile, rows that [`FlatArray::unfinished`] names.
//! - Appends never share rows: small ones are written while others wait, large ones reserve their rows
//!   and are written at once. Their order is that of their beginnings.
//! - [`FlatArray::write`] goes to the rows at once and without a lock: who writes the same rows at the
//!   same time has to come to terms with the others.
//! - A power failure loses what was not flushed, and may leave a file that is shorter than its header
//!   says, which [`FlatArray::open`] refuses by name. [`FlatArray::flush`] has all that is written,
//!   through whatever mapping, on stable storage when it returns. With [`FlatArray::set_durable`] every
//!   append and write has its rows on stable storage first, then the header, then returns.
//! - Readers have the rows that were there when they opened the array or last called
//!   [`FlatArray::refresh`].
//!
//! ```
//! use bigarrays::DataType;
//! use bigarrays::flat::{Descr, FlatSpec, Mode, NamedRows, SliceArray};
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("samples.npy");
//! let writer = SliceArray::create(&path, &FlatSpec::new(Descr::of(DataType::U8), &[0, 4]))?;
//! writer.write(&[NamedRows { name: "one", rows: 2, bytes: b"abcdefgh" }], false)?;
//!
//! let reader = SliceArray::open(&path, Mode::Read)?;
//! let (slice, mapping) = reader.get_one("one")?;
//! assert_eq!((slice.rows.first, mapping.len()), (0..2, 8));
//! # Ok::<(), bigarrays::Error>(())
//! ```
//!
//! The file system has to lock ranges of files between all processes that write; local ones do.

mod array;
mod as_of;
mod check;
mod clearing;
mod compact;
mod convert;
mod environment;
mod facts;
mod file;
mod grow;
mod holes;
mod index;
mod inspect;
mod kept;
mod mapped;
mod mapping;
mod merge;
mod metadata;
mod names;
mod naming;
mod opening;
mod ours;
mod pending;
mod record;
mod replace;
mod rows;
mod set;
#[cfg(test)]
mod set_tests;
mod shown;
mod slice;
#[cfg(test)]
mod slice_tests;
mod slices;
mod snapshot;
mod spec;
#[cfg(test)]
mod tests;
mod writers;

pub use array::FlatArray;
pub use as_of::AsOf;
pub(crate) use check::{Flaw, check, check_names_of_set, files_of_set};
#[doc(hidden)]
pub use convert::read_values;
pub use convert::{ConvertOptions, ConvertPlan, Converted, convert, plan_conversion};
pub use grow::Unfinished;
#[doc(hidden)]
pub use inspect::inspect_index;
pub use mapped::is_mapped;
pub use mapping::Mapping;
pub use metadata::Described;
pub use names::{expect_ours, forget_names};
pub use record::SliceRows;
pub use set::is_set;
pub use slice::{Mappings, NamedRows, NewSlice, RowBytes, Slice};
pub use slices::SliceArray;
pub use snapshot::{ArrayHandle, Snapshot, SnapshotHandle};
pub use spec::{FlatOptions, FlatSpec, Mode};

pub use crate::format::files::npy::{Descr, Header};
