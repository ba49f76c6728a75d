//! What everything else is said in: errors, types and boxes of elements, memory, and text that may be shown.
//! Nothing here does I/O or starts threads.

pub mod buffer;
pub mod dims;
pub mod domain;
pub mod dtype;
pub mod error;
pub(crate) mod feature;
pub(crate) mod member;
pub(crate) mod numpy;
pub mod sync;
pub mod text;
pub(crate) mod widest;
