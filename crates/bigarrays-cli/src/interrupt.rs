//! Ctrl-C: the first asks the job to end after the blocks under way, the second ends at once.

use std::io::{self, Write};

use anyhow::Context;
use bigarrays::engine::Cancel;

use crate::exit_codes::ExitCode;

static CANCEL: Cancel = Cancel::new();

/// The flag that Ctrl-C, SIGTERM and SIGHUP set from now on.
pub(crate) fn watch() -> anyhow::Result<&'static Cancel> {
    ctrlc::set_handler(|| {
        if CANCEL.is_cancelled() {
            std::process::exit(ExitCode::Interrupted as i32);
        }
        CANCEL.cancel();
        let text = "\nstopping after the blocks under way; once more to stop at once\n";
        let _ = io::stderr().write_all(text.as_bytes());
    })
    .context("watching for Ctrl-C")?;
    Ok(&CANCEL)
}
