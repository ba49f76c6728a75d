//! What a cache is asked to be.

use std::path::PathBuf;

use crate::base::error::{Error, Result};
use crate::run::budget;
use crate::store::Settings;
use crate::store::lock::stable_hash;

/// When a cached value is compared with the stored one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Validate {
    /// At every read, by asking the store for another version than the one that is kept. Nothing stale is
    /// ever read. Where a store knows no versions, nothing is kept.
    #[default]
    Always,
    /// At the first read of a value through an opened array.
    Open,
    /// Never: for data that do not change.
    Never,
}

impl Validate {
    /// Every choice and its name.
    pub const NAMES: [(&str, Self); 3] =
        [("always", Self::Always), ("open", Self::Open), ("never", Self::Never)];
}

impl std::str::FromStr for Validate {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, validate)| *validate).ok_or_else(|| {
            Error::invalid(format!("unknown validation {name:?}; known are always, open and never"))
        })
    }
}

/// How much is cached, where, and how it is validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Where values are kept between processes; only in memory if not given.
    pub directory: Option<PathBuf>,
    /// The most bytes in memory, by all arrays opened with equal options.
    pub memory_bytes: u64,
    /// The most bytes of files in the directory, whoever uses it.
    pub disk_bytes: u64,
    /// When values are compared with the stored ones.
    pub validate: Validate,
}

impl Default for CacheOptions {
    /// 256 MiB of memory, or a 16th of what the process may use where that is less, 10 GiB of a directory if one is given, and nothing stale.
    fn default() -> Self {
        Self {
            directory: None,
            memory_bytes: budget::standing(),
            disk_bytes: 10 << 30,
            validate: Validate::Always,
        }
    }
}

/// The directory for caches of this user: `bigarrays` in `XDG_CACHE_HOME`, or else in `~/.cache`.
///
/// # Errors
/// `InvalidArgument` if the environment names neither.
pub fn default_directory() -> Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    let unknown = || Error::invalid("no place for a cache: name a directory, or set XDG_CACHE_HOME");
    base.map(|base| base.join("bigarrays")).ok_or_else(unknown)
}

/// A text that differs where the settings or the environment may name another server; nothing of them can
/// be read from it.
pub(super) fn origin(settings: &Settings) -> String {
    const TUNING: [&str; 7] =
        ["anonymous", "max_requests", "max_bytes", "timeout", "retries", "retry_timeout", "cache_control"];
    const NAMING: [&str; 5] = ["ENDPOINT", "URL", "EMULATOR", "PROFILE", "CONFIG_FILE"];
    let mut all: Settings = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|service| name.starts_with(service)))
        .filter(|(name, _)| NAMING.iter().any(|part| name.contains(part)))
        .collect();
    settings.iter().for_each(|(key, value)| all.set(key, value));
    let all = all.without_secrets();
    let text: Vec<String> = all
        .iter()
        .filter(|(key, _)| !TUNING.contains(key))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if text.is_empty() { String::new() } else { format!("#{:016x}", stable_hash(text.join("\n").as_bytes())) }
}
