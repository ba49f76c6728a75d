//! `copy`: copies a box of one array into another, of whatever formats, one scale or all of them.

mod args;
mod journal;
mod resume;
mod run;
mod source;
mod target;

pub(crate) use args::CopyArgs;
pub(crate) use run::run;
