//! Memory that is used again: fresh pages cost more than what is computed in them.

use std::sync::Mutex;

use crate::base::sync::MutexExt;

/// Buffers that nobody uses, with what they held last. There are as many as were in use at once.
#[derive(Debug)]
pub(super) struct Spare<V>(Mutex<Vec<V>>);

impl<V> Default for Spare<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Default> Spare<V> {
    /// One of them, the last that was given back, or a new one.
    pub(super) fn take(&self) -> V {
        self.0.locked().pop().unwrap_or_default()
    }

    /// Gives one back.
    pub(super) fn give(&self, buffer: V) {
        self.0.locked().push(buffer);
    }
}
