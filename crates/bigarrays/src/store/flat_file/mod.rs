//! `FlatFile`: one dense file as a store. Key `k`, a decimal number, is the `k`-th slab of the data.
//!
//! ```text
//! ┌────────┬────────┬────────┬─────┬───────────┐
//! │ header │ slab 0 │ slab 1 │  …  │ last slab │  any further bytes are ignored
//! └────────┴────────┴────────┴─────┴───────────┘
//! ```
//!
//! A new file has a temporary name until [`FlatFile::finish`] renames it, and no reader meets it before.
//!
//! What exists is changed in place: a reader, or who comes after a crash, may see part of a change, which
//! the contract of [`Store`](crate::store::Store) excludes and flat files cannot. Only bytes that differ are written, and those
//! next to them, so that what others change elsewhere in a slab, through a mapping, is not undone.

mod beside;
mod file;
mod slabs;

#[cfg(feature = "png")]
pub(crate) use beside::expect_replaceable;
#[cfg(any(feature = "flat", feature = "png"))]
pub(crate) use beside::temporary_beside;
#[cfg(feature = "flat")]
pub(crate) use beside::{NAMES_IN_COMMON, NAMES_OF_ONE, is_beside, is_left, reserve};
pub(crate) use beside::{io_error, open_regular, slices_in_words};
pub use file::FlatFile;
#[cfg(feature = "flat")]
pub(crate) use file::IN_USE;
