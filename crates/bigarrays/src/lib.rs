//! Store, cut out, view and compute over N-d arrays larger than memory.

pub mod buffer;
pub mod codec;
pub mod domain;
mod dtype;
mod error;
pub mod format;
pub mod grid;
pub mod layout;
mod pool;
pub mod store;

pub use domain::Domain;
pub use dtype::{DataType, Element, FillValue};
pub use error::{Error, ErrorKind, Result};
pub use half;
pub use pool::threads;
