//! Formats: each translates between what is stored and a [`crate::layout::Layout`].

pub mod npy;
mod plain;
pub mod raw_file;

pub use plain::{NewArray, NumberedKeys, Opened, Target, usual_names};
