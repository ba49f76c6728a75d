//! Ctrl-C: the first asks the job to end where it leaves everything whole, the second ends at once.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::output::ExitCode;

static ASKED: AtomicBool = AtomicBool::new(false);

/// A signal so soon after the first is the same one, sent to the process and to its group as well.
const SAME: Duration = Duration::from_millis(200);

/// Whether somebody asked the program to stop.
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Has a write beyond the largest size that files may have (`ulimit -f`) fail, rather than end the program with
/// half a file left behind.
pub(crate) fn survive_file_limits() {
    // SAFETY: no other thread runs yet, and no handler is installed.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Ctrl-C, SIGTERM and SIGHUP ask the program to stop from now on.
pub(crate) fn watch() -> anyhow::Result<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let mut first = None;
    ctrlc::set_handler(move || {
        match first {
            Some(first) if Instant::elapsed(&first) < SAME => return,
            Some(_) => std::process::exit(ExitCode::Interrupted as i32),
            None => first = Some(Instant::now()),
        }
        ASKED.store(true, Ordering::Relaxed);
        let text = "\nstopping; once more to stop at once\n";
        let _ = io::stderr().write_all(text.as_bytes());
    })
    .context("watching for Ctrl-C")
}

/// The end of standard input asks the program to stop from now on: whoever has started it has ended, or wants it to.
pub(crate) fn watch_input() -> anyhow::Result<()> {
    let watch = || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        ASKED.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(watch)
        .context("watching standard input")
        .map(drop)
}
