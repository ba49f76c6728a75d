//! How an array is cut into chunks, and how a chunk becomes bytes. Nothing here does I/O or starts threads.

pub mod codec;
pub mod config;
pub mod curve;
pub mod grid;
pub mod keys;
pub mod layout;
