//! Values as files below a directory.
//!
//! A content encoding is a suffix of the file's name. Each way of spelling a key so is a file. A change
//! completes the new file and then removes the other spellings; before, it gives these the new value as well, so that
//! at no moment two files of a key contradict each other. Where they do, somebody else has written one.

mod alone;
mod change;
mod leftovers;
mod list;
mod path;
mod read;
mod remove;
mod store;
mod value;

pub(crate) use read::version_of;
pub use store::FileStore;
