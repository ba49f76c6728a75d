//! Values as files below a directory.
//!
//! A content encoding is a suffix of the file's name. Each way of spelling a key so is a file; the
//! first of [`ContentEncoding::ALL`] that exists is the value. A change therefore first completes the new file
//! and then removes the other spellings, the first of them last.

mod change;
mod leftovers;
mod list;
mod path;
mod read;
mod remove;
mod store;

pub(crate) use read::version_of;
pub use store::FileStore;
