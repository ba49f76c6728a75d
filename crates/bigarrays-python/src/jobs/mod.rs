//! Long jobs.

pub(crate) mod copy;
mod progress;
pub(crate) mod report;
pub(crate) mod verify;

pub(crate) use progress::reported;
