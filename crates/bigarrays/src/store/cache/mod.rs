//! A bounded cache of values as they are stored, in memory and on a disk, over any store.
//!
//! What is kept: whole values. A request for some ranges of a value of known and moderate length fetches
//! and keeps all of it, as its neighbours will be wanted too; other requests for parts pass through.
//! Missing values are not kept: somebody may write them at any time.
//!
//! What is served: under [`Validate::Always`] what the store, asked about the version, says is current;
//! under the others also what was. A write through a cache of the same options removes the value, and
//! what a reader fetched before the write ended is not kept; so a process always reads what it wrote. Metadata documents do not come here: formats
//! read them from the store itself.

mod disk;
pub mod entry;
mod memory;
mod options;
mod shared;
mod store;
#[cfg(test)]
mod tests;

pub use disk::{Usage, clear, usage};
pub use options::{CacheOptions, Validate, default_directory};
pub use store::CachedStore;
