//! Stores: keys ↔ bytes. Blocking and batched; a store decides for itself how to do a batch in
//! parallel, and hands each value on from whichever thread has it.

pub mod cache;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod contract;
mod destinations;
mod draft;
pub(crate) mod encoded;
#[cfg(any(test, feature = "testing"))]
pub mod fault;
mod file;
mod flat_file;
mod keys;
mod lock;
mod memory;
#[cfg(feature = "object")]
mod object;
pub(crate) mod ofd;
mod open;
mod options;
mod parallel;
mod percent;
mod read_only;
mod request;
mod settings;
pub mod shard;
mod survey;
mod temporary;
mod values;
pub(crate) mod waiting;

pub use cache::{CacheOptions, CachedStore, Validate};
pub(crate) use contract::NEAR;
pub use contract::{ChangeFn, GetSink, Store};
pub use destinations::Destinations;
pub(crate) use destinations::ReadInto;
pub(crate) use draft::Draft;
pub use file::FileStore;
pub(crate) use file::version_of;
pub use flat_file::FlatFile;
#[cfg(feature = "png")]
pub(crate) use flat_file::expect_replaceable;
#[cfg(any(feature = "flat", feature = "png"))]
pub(crate) use flat_file::temporary_beside;
#[cfg(feature = "flat")]
pub(crate) use flat_file::{IN_USE, NAMES_IN_COMMON, NAMES_OF_ONE, is_beside, is_left, reserve};
pub(crate) use flat_file::{io_error, open_regular, slices_in_words};
pub(crate) use keys::{RESERVED, check_key, join_path};
pub(crate) use lock::KeyLocks;
pub use memory::MemoryStore;
#[cfg(feature = "object")]
pub use object::ObjectStore;
pub(crate) use open::is_remote;
pub use open::{BUILTIN, Scheme, local_path, open};
pub use options::{Prefer, StoreOptions};
pub(crate) use parallel::in_parallel;
pub use percent::{absolute, join_url};
pub(crate) use read_only::ReadOnlyStore;
use request::is_settled;
pub(crate) use request::settled;
pub use request::{Blob, Change, Extent, Get, Part, Update, Value, Wanted};
pub use settings::{OWN as SETTINGS, Settings};
pub use survey::Finding;
pub(crate) use survey::cannot_list;
pub(crate) use values::LARGEST_METADATA;
pub use waiting::on_long_wait;
