//! Lazy computation: what the class `Lazy` of Python calls.

pub(crate) mod expression;
mod groups;
pub(crate) mod journal;
mod labelled;
mod mapped;
pub(crate) mod periods;
pub(crate) mod plan;
mod source;
pub(crate) mod tables;
