//! What an array is, for programs.

use bigarrays::Array;
use bigarrays::base::text::redact;
use bigarrays::chunk::layout::Resolution;
use bigarrays::format::Scale;
use serde_json::{Value, json};

/// Bytes of all elements; `None` if that is no 64-bit number.
pub(crate) fn bytes(array: &Array) -> Option<u64> {
    array.domain().checked_len().ok()?.checked_mul(array.dtype().size() as u64)
}

/// The encoding of the array's chunks: as the layer names it, or else the names of the codecs.
pub(crate) fn encoding(array: &Array) -> String {
    let scale = array.scales().get(array.scale());
    scale.map_or_else(
        || array.layout().codecs.names().collect::<Vec<_>>().join(" + "),
        |scale| scale.encoding.clone(),
    )
}

/// The encoding with its parameters, for people.
pub(crate) fn described(array: &Array) -> String {
    let scale = array.scales().get(array.scale());
    scale.map_or_else(|| array.layout().codecs.to_string(), |scale| scale.encoding.clone())
}

/// What `info --json` prints.
pub(crate) fn as_json(array: &Array, names: Option<u64>) -> Value {
    let (domain, scale) = (array.domain(), array.scales().get(array.scale()));
    json!({
        "url": redact(array.url()),
        "format": array.format(),
        "dtype": array.dtype().name(),
        "dimension_names": array.dimension_names().to_vec(),
        "domain": domain.to_string(),
        "origin": domain.origin(),
        "shape": domain.shape(),
        "chunk_shape": array.chunk_shape().to_vec(),
        "grid_shape": array.layout().grid.shape().to_vec(),
        "sharding": array.layout().sharding.as_ref().map(|sharding| &sharding.description),
        "shard_shape": array.shard_shape().map(|shape| shape.to_vec()),
        "encoding": encoding(array),
        "codecs": array.layout().codecs.configs().map(|config| config.to_json()).collect::<Vec<_>>(),
        "resolution": array.resolution().as_ref().map(resolution_json),
        "bytes": bytes(array),
        "labels": scale.map(|scale| scale.labels),
        "names": names,
        "incomplete": array.incomplete().map(|known| json!({ "since": known.since, "by": known.by })),
        "scale": array.scale(),
        "scales": array.scales().iter().map(scale_json).collect::<Vec<_>>(),
    })
}

fn resolution_json(resolution: &Resolution) -> Value {
    json!({ "size": resolution.size.to_vec(), "unit": resolution.unit })
}

fn scale_json(scale: &Scale) -> Value {
    json!({
        "key": scale.key,
        "domain": scale.domain.to_string(),
        "origin": scale.domain.origin(),
        "shape": scale.domain.shape(),
        "chunk_shapes": scale.chunks.iter().map(|chunk| chunk.to_vec()).collect::<Vec<_>>(),
        "resolution": resolution_json(&scale.resolution),
        "encoding": scale.encoding,
        "sharded": scale.sharded,
    })
}
