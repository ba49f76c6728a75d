//! What a new array is made of: what it is, and how it is stored.

mod array;
mod storage;

pub use array::ArraySpec;
pub use storage::{NewSharding, StorageSpec};

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::chunk::layout::Layout;

/// An array to be created: what it is, and how it is stored.
#[derive(Clone, Debug)]
pub struct CreateSpec {
    /// What it is.
    pub array: ArraySpec,
    /// How it is stored.
    pub storage: StorageSpec,
}

impl CreateSpec {
    /// An array of `dtype` over `domain`, all else left to the format.
    pub fn new(dtype: DataType, domain: Domain) -> Self {
        Self { array: ArraySpec::new(dtype, domain), storage: StorageSpec::default() }
    }

    /// An array of the type, box, chunks, axes and resolution of another.
    pub(crate) fn of(layout: &Layout) -> Self {
        let chunk_shape = Some(layout.grid.chunk_shape().to_vec());
        Self { array: ArraySpec::of(layout), storage: StorageSpec { chunk_shape, ..StorageSpec::default() } }
    }

    /// This, with what it leaves open as `like` has it, as far as that goes together; see [`ArraySpec::or_like`] and
    /// [`StorageSpec::or_like`].
    #[must_use]
    pub fn or_like(self, like: Self, says_shards: bool) -> Self {
        let mut storage = match self.array.dtype == like.array.dtype {
            true => like.storage,
            false => like.storage.for_another_type(),
        };
        // It may be made from the sizes.
        storage.key = storage.key.filter(|_| self.array.resolution.is_none());
        Self { array: self.array.or_like(like.array), storage: self.storage.or_like(storage, says_shards) }
    }
}
