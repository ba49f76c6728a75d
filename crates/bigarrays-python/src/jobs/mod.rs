//! Long jobs.

pub(crate) mod copy;
pub(crate) mod report;
pub(crate) mod verify;
