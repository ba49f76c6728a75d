//! N-d strided bytes, and the one strided copy.
//!
//! A [`View`] or [`ViewMut`] is a pointer, a shape, strides in bytes and an item size. All pointer
//! arithmetic of the crate is here; everything else slices views. No safe function makes a view that
//! reaches outside the memory that it is made of, whatever its arguments are.
//!
//! A view of *foreign* memory, which others may change while it is read, lends no slices: its elements
//! can only be copied out.

mod copy;
mod fresh;
mod geometry;
mod order;
mod pairs;
mod region;
mod rows;
mod scratch;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod view;
mod view_mut;

pub(crate) use fresh::{fresh, refresh, reserve};
pub use order::{Order, byte_len};
pub(crate) use pairs::Pair;
pub use region::Region;
pub use rows::{Rows, RowsMut};
pub(crate) use scratch::try_first_bytes;
pub use scratch::{first_bytes, with_scratch};
#[cfg(test)]
pub(crate) use view::FOREIGN_BYTES_COPIED;
pub use view::View;
pub(crate) use view_mut::make_boolean;
pub use view_mut::{SharedViewMut, ViewMut};
