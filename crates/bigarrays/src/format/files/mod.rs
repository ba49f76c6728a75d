//! Plain files that look like arrays.

pub mod bigarray;
mod image;
pub mod npy;
mod pages;
pub(crate) mod plain;
pub mod raw;
pub mod stack;
pub mod tiff;

pub use plain::{NewArray, NumberedKeys, PlainFormat, Target, usual_names};
