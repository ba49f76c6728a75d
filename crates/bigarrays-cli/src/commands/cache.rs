//! `cache`: what caches hold, and emptying them.

use std::io::Write;
use std::path::PathBuf;

use bigarrays::ErrorKind;
use bigarrays::store::cache::{self, Usage};
use clap::{Args, Subcommand};
use indicatif::BinaryBytes;
use serde_json::json;

use crate::args::cache_directory;
use crate::output::{counted, pretty, results};
use crate::session::Session;

/// Show or empty a cache directory
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bigarrays cache info\n  bigarrays cache clear /scratch/cache")]
pub(crate) struct CacheCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show where a cache is and what it holds
    Info {
        /// The directory [default: bigarrays in $XDG_CACHE_HOME or ~/.cache]
        dir: Option<PathBuf>,

        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove everything that a cache holds; programs that use it may go on
    Clear {
        /// The directory [default: bigarrays in $XDG_CACHE_HOME or ~/.cache]
        dir: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &CacheCommand, session: &Session) -> anyhow::Result<()> {
    match &args.action {
        Action::Info { dir, json } => {
            let directory = cache_directory(dir.as_ref())?;
            let usage = match cache::usage(&directory) {
                // The usual one is made when it is first used.
                Err(error) if dir.is_none() && error.kind() == ErrorKind::NotFound => Usage::default(),
                usage => usage?,
            };
            let (place, Usage { values, bytes }) = (directory.display().to_string(), usage);
            let mut out = results();
            if *json {
                writeln!(
                    out,
                    "{}",
                    pretty(&json!({ "directory": place, "values": values, "bytes": bytes }))
                )?;
            } else {
                writeln!(
                    out,
                    "{place}: {}, {} ({})",
                    counted(values, "chunk"),
                    BinaryBytes(bytes),
                    counted(bytes, "byte")
                )?;
            }
            Ok(out.flush()?)
        }
        Action::Clear { dir } => {
            let directory = cache_directory(dir.as_ref())?;
            let removed = cache::clear(&directory)?;
            let bytes = BinaryBytes(removed.bytes);
            session.terminal.note(format_args!(
                "removed {}, {bytes}, from {}",
                counted(removed.values, "chunk"),
                directory.display()
            ));
            Ok(())
        }
    }
}
