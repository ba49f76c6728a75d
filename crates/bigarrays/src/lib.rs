//! Store, cut out, view and compute over N-d arrays larger than memory.

mod array;
pub mod buffer;
pub mod codec;
pub mod domain;
mod dtype;
pub mod engine;
mod error;
pub mod format;
pub mod grid;
pub mod layout;
mod pool;
pub mod store;

pub use array::{Array, ArrayOptions, Cutout, Index, OpenOptions, Outside};
pub use domain::Domain;
pub use dtype::{DataType, Element, FillValue};
pub use engine::{CopyOptions, copy};
pub use error::{Error, ErrorKind, Result};
pub use format::CreateSpec;
pub use half;
pub use ndarray;
pub use pool::{set_threads, threads};
