//! How stores are opened.

use std::str::FromStr;
use std::time::Duration;

use super::settings::Settings;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;

/// Which file counts where there are several of a value, with different suffixes, and they differ: without, reading
/// it is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefer {
    /// The one that was changed last.
    Newest,
    /// The one of this encoding. If there is none, reading is an error all the same.
    Encoding(ContentEncoding),
}

impl Prefer {
    /// What options call it: `newest`, or the encoding's name, which is `none` for a file without a suffix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Encoding(ContentEncoding::Identity) => "none",
            Self::Encoding(encoding) => encoding.name(),
        }
    }
}

impl FromStr for Prefer {
    type Err = Error;

    /// Reads what [`Prefer::name`] says.
    fn from_str(text: &str) -> Result<Self> {
        let mut all = [Self::Newest].into_iter().chain(ContentEncoding::ALL.map(Self::Encoding));
        all.find(|prefer| prefer.name() == text).ok_or_else(|| {
            let known = "newest, none, gzip, br, zstd, bz2 and xz";
            Error::invalid(format!("nothing called {text:?} can be preferred; known are {known}"))
        })
    }
}

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
    /// Which of several local files counts that say different things of one value.
    pub prefer: Option<Prefer>,
    /// What stores behind a network are told: see [`Settings`].
    pub settings: Settings,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            durable: false,
            read_only: false,
            lock: true,
            lock_timeout: None,
            prefer: None,
            settings: Settings::new(),
        }
    }
}
