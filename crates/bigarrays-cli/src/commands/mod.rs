//! The commands, a file or folder each, and what they share.

pub(crate) mod attributes;
pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod compute;
pub(crate) mod convert;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod create_group;
pub(crate) mod downsample;
pub(crate) mod du;
pub(crate) mod export;
mod find;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod jobs;
pub(crate) mod ls;
mod mapped;
pub(crate) mod names;
mod new;
pub(crate) mod resize;
pub(crate) mod rm;
pub(crate) mod run_plan;
pub(crate) mod sample;
mod slices;
mod supported;
mod transfer;
pub(crate) mod verify;
