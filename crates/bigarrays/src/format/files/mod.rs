//! Plain files that look like arrays.

pub mod bigarray;
#[cfg(feature = "flat")]
pub mod bytes;
#[cfg(feature = "hdf5")]
pub mod hdf5;
mod image;
#[cfg(feature = "flat")]
pub mod megatron;
pub mod npy;
#[cfg(feature = "flat")]
pub mod npz;
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
