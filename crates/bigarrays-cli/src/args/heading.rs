//! Headings of options in the help of commands.

/// Options that every command takes.
pub(crate) const GLOBAL: &str = "Global options";
/// What is read, and where it goes.
pub(crate) const WHAT: &str = "What";
/// What a new array is, and how it is stored.
pub(crate) const NEW: &str = "New array";
/// The file that is written.
pub(crate) const FILE: &str = "File";
/// How elements become others.
pub(crate) const CONVERSION: &str = "Conversion of values";
/// What is kept of chunks that are read from behind a network.
pub(crate) const CACHE: &str = "Cache";
/// Which planes of an array are drawn.
pub(crate) const PLANES: &str = "Planes";
/// How the work is done.
pub(crate) const RUN: &str = "Run";
