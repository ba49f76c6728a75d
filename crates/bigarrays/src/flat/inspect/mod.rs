//! Whether the file of an index is what LMDB may be given. LMDB maps it and trusts it: a damaged page number or
//! offset would have it read or write elsewhere, and end the process. So the file is read here first, as bytes.
//!
//! ```text
//! page 0, 1     meta: magic │ version │ page size │ the two trees │ last page │ transaction; the newer one counts
//! free          transaction → pages that nothing uses
//! main          "facts", "names", "order" → the trees of the tables
//! page of a tree: number │ kind │ bounds │ offsets of nodes → │ free │ ← nodes, without gaps
//! ```
//!
//! Others may write meanwhile: what is wrong then is looked at again, the last time while no writer may commit
//! anything ([`open_environment`](super::environment::open_environment)), and only that is damage.

mod bytes;
mod meta;
mod page;
mod walk;

use crate::base::error::Result;
#[cfg(test)]
pub(super) use bytes::Source;
pub(super) use bytes::{HEADER, u16_at, u32_at, u64_at};
pub(super) use meta::{MAGIC, MAGIC_AT, Meta, NO_PAGE, Tree};
pub(super) use page::{BIG, node_at, nodes};
pub(super) use walk::{LEAF, SUBTREE, inspect};

/// Whether these bytes could be the file of an index; for fuzzing.
pub fn inspect_index(bytes: &[u8]) -> Result<()> {
    inspect(&bytes)
}
