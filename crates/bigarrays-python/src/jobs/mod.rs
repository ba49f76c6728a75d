//! Long jobs.

pub(crate) mod blank;
pub(crate) mod components;
pub(crate) mod copy;
pub(crate) mod downsample;
pub(crate) mod labels;
pub(crate) mod picture;
mod progress;
pub(crate) mod report;
pub(crate) mod roi;
pub(crate) mod sharing;
pub(crate) mod verify;

pub(crate) use progress::{reported, reported_until};
