//! N5: datasets of blocks, and groups of scales. Axes are in the order of `dimensions`, the fastest first.
//!
//! <https://github.com/saalfeldlab/n5#file-system-specification>

mod attributes;
mod block;
mod dataset;
mod format;
mod resolution;
mod scales;

pub use block::N5Block;
pub(super) use dataset::own_keys;
pub use dataset::{N5, check_attributes};
