//! How flat arrays are opened and created.

use std::time::Duration;

use crate::base::buffer::Order;
use crate::format::files::npy::Descr;

/// How an array is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Changes through the mapping are this process' own and are never stored.
    CopyOnWrite,
}

/// How an array is opened, and what for.
#[derive(Clone, Copy, Debug)]
pub struct FlatOptions {
    /// For reading or for writing.
    pub mode: Mode,
    /// The longest that a change waits for the locks of other writers; `None` is as long as it takes. A change that has
    /// waited so long fails with `Storage`, retryable.
    pub lock_timeout: Option<Duration>,
}

impl From<Mode> for FlatOptions {
    fn from(mode: Mode) -> Self {
        Self { mode, lock_timeout: None }
    }
}

/// What an array to be created should be.
#[derive(Clone, Debug)]
pub struct FlatSpec {
    /// What one element is.
    pub descr: Descr,
    /// The shape, of zeros at first.
    pub shape: Vec<u64>,
    /// How the elements follow each other. What grows is in C order, or has one axis.
    pub order: Order,
    /// Rows for which room on the disk is kept beyond the shape.
    pub reserve: u64,
    /// Whether a file that exists is replaced.
    pub overwrite: bool,
    /// As [`FlatOptions::lock_timeout`], for creating the array and for what is opened then.
    pub lock_timeout: Option<Duration>,
}

impl FlatSpec {
    /// An array in C order, all else left out.
    pub fn new(descr: Descr, shape: &[u64]) -> Self {
        Self {
            descr,
            shape: shape.to_vec(),
            order: Order::C,
            reserve: 0,
            overwrite: false,
            lock_timeout: None,
        }
    }

    /// How the new array is opened.
    pub(super) fn opened(&self) -> FlatOptions {
        FlatOptions { mode: Mode::ReadWrite, lock_timeout: self.lock_timeout }
    }
}
