//! Neuroglancer's precomputed format: `info` ↔ layout.

mod format;
pub mod info;
mod keys;
mod nested;
mod new;
mod open;
pub mod scale_info;
mod sharding;
mod stored;

pub use format::Precomputed;
pub(super) use keys::{is_chunk_key, is_nested_key, own_keys};
