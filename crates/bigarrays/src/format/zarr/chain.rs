//! Lists of codecs, divided into codecs of chunks and shards around them.

use std::sync::Arc;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::chunk::codec::{BytesCodec, CodecPipeline};
use crate::store::shard::zarr::IndexSpec;

/// What a list of codecs makes of chunks.
#[derive(Debug)]
pub(super) struct Chain {
    /// The codecs of the innermost chunks.
    pub(super) codecs: CodecPipeline,
    /// The order of their elements.
    pub(super) order: Order,
    /// Their shape.
    pub(super) chunk: Dims<u64>,
    /// The shards that they are in, and the shards that these are in; the outermost first.
    pub(super) levels: Vec<Level>,
}

/// Shards of one kind.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// Chunks, or shards of the next kind, along each axis of the array.
    pub(super) per_shard: Dims<u64>,
    /// The axes of the array in the order in which shards have them.
    pub(super) axes: Dims<usize>,
    pub(super) index: IndexSpec,
    /// Codecs of shards as a whole, in the order of encoding.
    pub(super) around: Vec<Arc<dyn BytesCodec>>,
    /// The most bytes of a shard, before those.
    pub(super) max_len: usize,
}
