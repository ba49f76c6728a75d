//! Plain files that look like arrays.

pub mod bigarray;
mod image;
pub mod npy;
mod pages;
pub(crate) mod plain;
pub mod raw;
pub mod stack;
#[cfg(feature = "tiff")]
pub mod tiff;
#[cfg(not(feature = "tiff"))]
#[path = "tiff_absent.rs"]
pub mod tiff;

pub use plain::{NewArray, NumberedKeys, PlainFormat, Target, usual_names};
