//! The options of new arrays that not every format has: for each, whether a format has it, and how an array is adapted to
//! a format without it.

use super::holds::{Codecs, Holds, Names, Shards, Sizes, Start};
use super::spec::{CreateSpec, NewSharding};
use crate::chunk::codec::ContentEncoding;
use crate::chunk::curve::ChunkOrder;

/// An option of new arrays that not every format has.
pub(super) struct Optional {
    /// The option, and what it is in words.
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Whether an array has it.
    pub(super) is_given: fn(&CreateSpec) -> bool,
    /// Whether a format holds it as given.
    pub(super) is_held: fn(&Holds, &CreateSpec) -> bool,
    /// What an array becomes in a format that does not hold it.
    pub(super) adapt: fn(&mut CreateSpec),
}

/// The names of those that all scales of a layer have in common.
pub(super) const OF_LAYER: [&str; 3] = ["dimension_names", "labels", "attributes"];

/// Those of what an array is.
pub(super) const ARRAY: [Optional; 10] = [
    Optional {
        name: "domain",
        what: "coordinates but those from zero",
        is_given: |spec| spec.array.domain.origin().iter().any(|&start| start != 0),
        is_held: |holds, _| holds.start == Start::Anywhere,
        adapt: |spec| spec.array = spec.array.clone().at_zero(),
    },
    Optional {
        name: "origin",
        what: "place of an origin beside its coordinates",
        is_given: |spec| spec.array.origin.is_some(),
        is_held: |holds, _| holds.start == Start::ZeroWithOrigin,
        adapt: |spec| spec.array.origin = None,
    },
    Optional {
        name: "dimension_names",
        what: "names of axes but its own",
        is_given: |spec| spec.array.dimension_names.iter().flatten().any(Option::is_some),
        is_held: |holds, spec| match holds.dimension_names {
            Names::None => false,
            Names::Fixed(own) => {
                let names = spec.array.dimension_names.iter().flatten();
                names.enumerate().all(|(axis, name)| name.as_deref() == own.get(axis).copied())
            }
            _ => true,
        },
        adapt: |spec| spec.array.dimension_names = None,
    },
    Optional {
        name: "dimension_names",
        what: "axes without a name among others that have one",
        is_given: |spec| {
            let is_some =
                |wanted| spec.array.dimension_names.iter().flatten().any(|name| name.is_some() == wanted);
            is_some(true) && is_some(false)
        },
        is_held: |holds, _| holds.dimension_names == Names::Each,
        adapt: |spec| spec.array.dimension_names = None,
    },
    Optional {
        name: "axes",
        what: "kinds and units of axes",
        is_given: |spec| spec.array.axes.is_some(),
        is_held: |holds, _| holds.axes,
        adapt: |spec| spec.array.axes = None,
    },
    Optional {
        name: "unit",
        what: "resolution in such unit",
        is_given: |spec| spec.array.unit.is_some(),
        is_held: |holds, _| holds.unit,
        // How large elements are in relation to each other stays, in scales of a layer as well; axes say it themselves.
        adapt: |spec| {
            spec.array.unit = None;
            spec.array.resolution = spec.array.resolution.take().filter(|_| spec.array.axes.is_none());
        },
    },
    Optional {
        name: "resolution",
        what: "resolution",
        is_given: |spec| spec.array.resolution.is_some(),
        is_held: |holds, _| holds.resolution != Sizes::None,
        adapt: |spec| (spec.array.resolution, spec.array.unit) = (None, None),
    },
    Optional {
        name: "labels",
        what: "mark of labels",
        is_given: |spec| spec.array.labels.is_some(),
        is_held: |holds, _| holds.labels,
        adapt: |spec| spec.array.labels = None,
    },
    Optional {
        name: "fill_value",
        what: "fill value",
        is_given: |spec| spec.array.fill_value.is_some(),
        is_held: |holds, _| holds.fill_value.is_some(),
        adapt: |spec| spec.array.fill_value = None,
    },
    Optional {
        name: "attributes",
        what: "attributes",
        is_given: |spec| spec.array.attributes.as_ref().is_some_and(|all| !all.is_empty()),
        is_held: |holds, _| holds.attributes.is_some(),
        adapt: |spec| spec.array.attributes = None,
    },
];

/// Those of how it is stored.
pub(super) const STORAGE: [Optional; 12] = [
    Optional {
        name: "chunk_shape",
        what: "chunks",
        is_given: |spec| spec.storage.chunk_shape.is_some(),
        is_held: |holds, _| holds.chunks,
        adapt: |spec| spec.storage.chunk_shape = None,
    },
    Optional {
        name: "encoding",
        what: "encoding",
        is_given: |spec| spec.storage.encoding.as_deref().is_some_and(|name| name != "raw"),
        is_held: |holds, _| holds.chunks,
        adapt: |spec| spec.storage.encoding = None,
    },
    Optional {
        name: "level",
        what: "level of an encoding",
        is_given: |spec| spec.storage.level.is_some(),
        is_held: |holds, _| holds.chunks,
        adapt: |spec| spec.storage.level = None,
    },
    Optional {
        name: "codecs",
        what: "such list of codecs",
        is_given: |spec| spec.storage.codecs.is_some(),
        is_held: holds_codecs,
        adapt: |spec| spec.storage.codecs = None,
    },
    Optional {
        name: "block_shape",
        what: "blocks in chunks of this encoding",
        is_given: |spec| spec.storage.block_shape.is_some(),
        is_held: |holds, spec| {
            let encoding = spec.storage.encoding.as_deref();
            encoding.is_some_and(|encoding| holds.block_shape.contains(&encoding))
        },
        adapt: |spec| spec.storage.block_shape = None,
    },
    Optional {
        name: "content_encoding",
        what: "compression around its chunks",
        is_given: |spec| spec.storage.content_encoding.is_some_and(|name| name != ContentEncoding::Identity),
        is_held: |holds, _| holds.content_encoding,
        adapt: |spec| spec.storage.content_encoding = None,
    },
    Optional {
        name: "sharding",
        what: "shards",
        is_given: |spec| spec.storage.is_sharded(),
        is_held: |holds, _| holds.sharding != Shards::None,
        adapt: |spec| (spec.storage.sharding, spec.storage.shard_shape) = (NewSharding::None, None),
    },
    Optional {
        name: "sharding",
        what: "shards of such parameters",
        is_given: |spec| matches!(spec.storage.sharding, NewSharding::Neuroglancer(_)),
        is_held: |holds, _| holds.sharding == Shards::Neuroglancer,
        adapt: |spec| spec.storage.sharding = NewSharding::Auto,
    },
    Optional {
        name: "shard_shape",
        what: "shards of a given shape",
        is_given: |spec| spec.storage.shard_shape.is_some(),
        is_held: |holds, _| holds.sharding == Shards::Boxes,
        adapt: |spec| (spec.storage.sharding, spec.storage.shard_shape) = (NewSharding::Auto, None),
    },
    Optional {
        name: "shard_order",
        what: "such order of chunks in shards",
        is_given: |spec| spec.storage.shard_order.is_some(),
        is_held: |holds, spec| match holds.sharding {
            Shards::None => false,
            Shards::Neuroglancer => spec.storage.shard_order == Some(ChunkOrder::Morton),
            Shards::Boxes => true,
        },
        adapt: |spec| spec.storage.shard_order = None,
    },
    Optional {
        name: "chunk_keys",
        what: "such keys of chunks",
        is_given: |spec| spec.storage.chunk_keys.is_some(),
        is_held: |holds, spec| {
            spec.storage.chunk_keys.as_deref().is_some_and(|keys| holds.chunk_keys.contains(&keys))
        },
        adapt: |spec| spec.storage.chunk_keys = None,
    },
    Optional {
        name: "key",
        what: "scales",
        is_given: |spec| spec.storage.key.is_some(),
        is_held: |holds, _| holds.key,
        adapt: |spec| spec.storage.key = None,
    },
];

fn holds_codecs(holds: &Holds, spec: &CreateSpec) -> bool {
    match holds.codecs {
        Codecs::None => false,
        Codecs::Compression(says) | Codecs::Any(says) => spec
            .storage
            .codecs
            .as_ref()
            .is_some_and(|codecs| says(codecs, spec.array.dtype, spec.array.domain.ndim())),
    }
}
