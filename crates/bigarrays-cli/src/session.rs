//! What one call of the program works with: how it talks, and how it reaches stores.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bigarrays::format::FormatOptions;
use bigarrays::store::{CacheOptions, Settings, StoreOptions, Validate, cache};
use bigarrays::{OpenOptions, Result};
use clap::Args;

use crate::terminal::Terminal;
use crate::values;

/// How stores are reached.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    // Not parsed by clap, which would repeat what may be a secret.
    /// Tell a store behind a network something, as endpoint=http://host:9000 or anonymous=true; may be
    /// given several times. Secrets are better set in the environment, where others do not see them
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = "Global options")]
    store_option: Vec<String>,

    /// Do without locks and conditional writes: nobody else writes meanwhile
    #[arg(long, global = true, help_heading = "Global options")]
    no_lock: bool,

    /// Give up after so many seconds of waiting for a lock that another process holds [default: wait for as long
    /// as it takes]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = values::seconds, help_heading = "Global options")]
    lock_timeout: Option<Duration>,
}

/// What is kept of chunks that are read from behind a network.
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    /// Keep chunks that are read from behind a network in this directory, for this call and later ones;
    /// `default` is the one that `bigarrays cache` shows
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// The most bytes of files in the directory, such as 512M or 20G
    #[arg(long, value_name = "BYTES", value_parser = values::bytes, default_value = "10G", requires = "cache")]
    cache_size: u64,

    /// When kept chunks are compared with the stored ones: always, at the first read (open), or never
    #[arg(long, value_name = "WHEN", value_parser = Validate::from_str, default_value = "always", requires = "cache")]
    validate: Validate,
}

impl CacheArgs {
    pub(crate) fn options(&self) -> Result<Option<CacheOptions>> {
        let Some(directory) = &self.cache else { return Ok(None) };
        let directory = cache_directory(Some(directory))?;
        Ok(Some(CacheOptions {
            directory: Some(directory),
            disk_bytes: self.cache_size,
            validate: self.validate,
            ..CacheOptions::default()
        }))
    }
}

/// The directory that is meant: the user's own if none or `default` is said.
pub(crate) fn cache_directory(said: Option<&PathBuf>) -> Result<PathBuf> {
    match said {
        Some(directory) if directory.as_os_str() != "default" => Ok(directory.clone()),
        _ => cache::default_directory(),
    }
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) terminal: Terminal,
    store: StoreOptions,
}

impl Session {
    /// # Errors
    /// `InvalidArgument` if a store option is not written `KEY=VALUE`.
    pub(crate) fn new(terminal: Terminal, args: &StoreArgs) -> Result<Self> {
        let mut settings = Settings::new();
        args.store_option.iter().try_for_each(|pair| settings.parse(pair))?;
        Ok(Self {
            terminal,
            store: StoreOptions {
                settings,
                lock: !args.no_lock,
                lock_timeout: args.lock_timeout,
                ..StoreOptions::default()
            },
        })
    }

    /// Options for opening and creating.
    pub(crate) fn open(&self) -> OpenOptions {
        self.with(OpenOptions::new())
    }

    /// The options of this call added to others.
    pub(crate) fn with(&self, options: OpenOptions) -> OpenOptions {
        options
            .settings(self.store.settings.clone())
            .lock(self.store.lock)
            .lock_timeout(self.store.lock_timeout)
    }

    /// Options of stores that are opened for themselves.
    pub(crate) fn store(&self) -> &StoreOptions {
        &self.store
    }

    /// Options for removing.
    pub(crate) fn format(&self) -> FormatOptions {
        FormatOptions { store: self.store.clone(), ..FormatOptions::default() }
    }
}
