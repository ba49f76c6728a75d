//! What is kept of chunks that are read from behind a network.

use std::path::PathBuf;
use std::str::FromStr;

use bigarrays::Result;
use bigarrays::store::{CacheOptions, Validate, cache};
use clap::Args;

use crate::args::heading::CACHE;
use crate::args::values;

/// What is kept of chunks that are read from behind a network.
#[derive(Debug, Args)]
#[command(next_help_heading = CACHE)]
pub(crate) struct CacheArgs {
    /// Keep chunks that are read from behind a network in this directory, for this call and later ones;
    /// `default` is the one that `bigarrays cache` shows
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// The most bytes of files in the directory, such as 512M or 20G
    #[arg(long, value_name = "BYTES", value_parser = values::bytes, default_value = "10G", requires = "cache")]
    cache_disk_bytes: u64,

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
            disk_bytes: self.cache_disk_bytes,
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
