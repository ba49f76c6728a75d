//! How stores are reached, and which arrays in them are opened.

use std::time::Duration;

use bigarrays::Result;
use bigarrays::store::{Prefer, Settings, StoreOptions};
use clap::Args;

use crate::args::heading::GLOBAL;
use crate::args::values;

/// How stores are reached, and which arrays in them are opened.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    // Not parsed by clap, which would repeat what may be a secret.
    /// Option of a store behind a network, such as endpoint=http://host:9000 or anonymous=true; may be given several
    /// times. Secrets are better set in the environment, where others do not see them
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = GLOBAL)]
    storage_option: Vec<String>,

    /// Write without locks and conditional requests; only if nobody else writes meanwhile
    #[arg(long, global = true, help_heading = GLOBAL)]
    no_lock: bool,

    /// Give up after so many seconds of waiting for a lock that another process holds [default: wait for as long
    /// as it takes]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = values::seconds, help_heading = GLOBAL)]
    lock_timeout: Option<Duration>,

    /// Which local file of a chunk counts if several contradict each other, as x.gz and x.br may: newest, or none, gzip,
    /// br, zstd, bz2 or xz [default: reading such a chunk is an error]
    #[arg(long, global = true, value_name = "WHICH", value_parser = values::prefer, help_heading = GLOBAL)]
    prefer: Option<Prefer>,

    /// Open arrays as well that are marked as incomplete, as a computation that was stopped leaves them; what is not written
    /// reads as fill value
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) incomplete: bool,
}

impl StoreArgs {
    /// # Errors
    /// `InvalidArgument` if a store option is not written `KEY=VALUE`.
    pub(crate) fn options(&self) -> Result<StoreOptions> {
        let mut settings = Settings::new();
        self.storage_option.iter().try_for_each(|pair| settings.parse(pair))?;
        Ok(StoreOptions {
            settings,
            lock: !self.no_lock,
            lock_timeout: self.lock_timeout,
            prefer: self.prefer,
            ..StoreOptions::default()
        })
    }
}
