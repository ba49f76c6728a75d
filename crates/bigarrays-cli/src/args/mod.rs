//! Options that several commands take, and the values that they parse.

pub(crate) mod axes;
mod cache;
pub(crate) mod heading;
mod job;
mod layer;
mod new;
mod store;
pub(crate) mod values;
mod write;

pub(crate) use axes::Axes;
pub(crate) use cache::{CacheArgs, cache_directory};
pub(crate) use job::{JobArgs, Mips, MipsArgs, ProcessesArgs};
pub(crate) use layer::LayerArgs;
pub(crate) use new::NewArgs;
pub(crate) use store::StoreArgs;
pub(crate) use write::WriteArgs;
