//! Formats: each translates between what is stored and a [`crate::layout::Layout`].

mod image;
pub mod npy;
mod pages;
mod plain;
pub mod raw_file;
pub mod stack;
pub mod tiff;

pub use plain::{NewArray, NumberedKeys, Opened, Target, usual_names};
