//! Formats: translators between stored metadata and a [`Layout`](crate::chunk::layout::Layout).
//!
//! [`traits`](Format) say what a format is, [`BUILTIN`] lists all. What is asked of an [`Address`] goes to the format
//! that knows what is there, which the documents say that all formats declare and that are read in one batch.

mod absent;
mod address;
mod axis;
mod below;
mod compression;
mod document;
pub mod files;
mod fit;
mod holds;
mod incomplete;
mod missing;
pub mod n5;
pub mod ome;
mod operations;
mod optional;
mod own;
mod place;
pub mod precomputed;
mod probe;
mod registry;
mod remove_scales;
mod scale;
mod spec;
pub mod text;
mod traits;
mod walk;
pub mod zarr;

pub use address::{Address, is_likely, is_named};
pub use axis::AxisSpec;
pub use below::Below;
pub use document::DOCUMENTS;
pub use files::{NewArray, NumberedKeys, PlainFormat, Target, usual_names};
pub use fit::{fit, keeps_order, of_scale};
pub use holds::{Codecs, Holds, Missing, Names, Shards, Sizes, Start};
pub use incomplete::Incomplete;
pub(crate) use ome::take_channels;
pub(crate) use operations::{
    add_scale, begin_at_zero, complete, create, draft_scales, like, list_scale, open, problems, resize,
    resizes, survey,
};
pub use operations::{
    attributes, create_group, format_of_new, format_of_result, identity, list, remove, store_at,
    update_attributes,
};
pub(crate) use own::is_place;
pub use precomputed::Precomputed;
pub use probe::Probe;
pub(crate) use registry::CHUNKED;
pub use registry::{BUILTIN, by_name, creator, creators, marks};
pub use remove_scales::remove_scales;
pub use scale::{Scale, ScaleSelector};
pub use spec::{ArraySpec, CreateSpec, NewSharding, StorageSpec};
pub use traits::{
    Abilities, Attributes, ChangeAttributes, Complete, Create, Format, FormatOptions, Groups, Node, Opened,
    Remove, Resize, Scales,
};
