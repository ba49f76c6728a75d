//! Zarr, versions 3 and 2: metadata ↔ layout.

mod attribute;
mod build;
mod chain;
mod consolidated;
pub(super) mod create;
mod dialect;
mod fill;
mod format;
mod group;
mod keys;
mod meta;
mod nodes;
mod own;
mod shards;
mod v2;
mod v3;
mod versions;

pub use nodes::{V2, V3, Zarr, check_metadata};
pub(super) use own::own_keys;
pub(super) use v2::HOLDS as V2_HOLDS;
pub(super) use v3::HOLDS as V3_HOLDS;
