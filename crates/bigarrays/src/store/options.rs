//! How stores are opened.

use std::time::Duration;

use super::settings::Settings;

/// How a store is opened. Each kind of store heeds what applies to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether a change is on the disk, and survives a power failure, when it is reported as done.
    pub durable: bool,
    /// Whether every change is refused.
    pub read_only: bool,
    /// Whether writing processes exclude each other: by locks on the file `.bigarrays.lock`, or by
    /// conditional writes. Without, only one process may write at a time.
    pub lock: bool,
    /// How long a change waits for the lock of another thread or process at most; `None` for as long as it takes.
    /// Local files alone have such locks.
    pub lock_timeout: Option<Duration>,
    /// What stores behind a network are told: see [`Settings`].
    pub settings: Settings,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { durable: false, read_only: false, lock: true, lock_timeout: None, settings: Settings::new() }
    }
}
