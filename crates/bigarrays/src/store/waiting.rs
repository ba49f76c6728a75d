//! Waiting for locks that others hold: it can be interrupted, ends after a time if that is wanted, and says who
//! holds what.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use super::ofd::{self, Kind, Span};
use crate::base::error::{Error, ErrorKind, Result};
use crate::run::interrupt::{PATIENCE, check_interrupt};

/// So often a lock is tried for without a pause.
const YIELDS: usize = 10;

/// Pauses between later tries, of which each is twice as long as the one before.
const SHORTEST: Duration = Duration::from_micros(50);
const LONGEST: Duration = Duration::from_millis(5);

/// After this long it is told that somebody waits.
const TOLD_AFTER: Duration = Duration::from_secs(5);

static TELL: OnceLock<fn(&str)> = OnceLock::new();

/// Has `tell` called, from any thread, with a sentence about each wait for a lock that lasts longer than five
/// seconds: who waits for what, and who holds it. Only the first call counts.
///
/// ```
/// bigarrays::on_long_wait(|sentence| eprintln!("{sentence}"));
/// ```
pub fn on_long_wait(tell: fn(&str)) {
    let _ = TELL.set(tell);
}

/// Tries until `attempt` gives something. `what` says what is waited for, and who has it.
///
/// # Errors
/// Those of `attempt`; `Cancelled` if the caller asks this thread's work to stop; `Storage`, retryable, after `most`.
fn until<T>(
    most: Option<Duration>,
    what: &dyn Fn() -> String,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    for _ in 0..YIELDS {
        if let Some(got) = attempt()? {
            return Ok(got);
        }
        std::thread::yield_now();
    }
    let start = Instant::now();
    let (mut pause, mut asked, mut was_told) = (SHORTEST, start, false);
    loop {
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST);
        if let Some(got) = attempt()? {
            return Ok(got);
        }
        if asked.elapsed() >= PATIENCE {
            asked = Instant::now();
            check_interrupt().map_err(|error| {
                Error::new(error.kind(), format!("interrupted while it waited for {}", what()))
            })?;
        }
        if most.is_some_and(|most| start.elapsed() >= most) {
            let reason = format!("waited {:?} for {}", start.elapsed(), what());
            return Err(Error::new(ErrorKind::Storage, reason).retryable());
        }
        if !was_told && start.elapsed() >= TOLD_AFTER {
            was_told = true;
            if let Some(tell) = TELL.get() {
                tell(&format!("still waiting for {}", what()));
            }
        }
    }
}

/// Locks `span` of `file`, once nobody else's lock is in the way. `refused` makes errors of those of the system.
///
/// # Errors
/// Those of [`until`], and of the system.
pub(crate) fn lock(
    file: impl AsFd + Copy,
    kind: Kind,
    span: Span,
    most: Option<Duration>,
    what: &dyn Fn() -> String,
    refused: &dyn Fn(io::Error) -> Error,
) -> Result<()> {
    let what = || format!("{}, {}", what(), holders(file, span));
    until(most, &what, || match ofd::try_lock(file, kind, span) {
        Err(error) if ofd::is_taken(&error) => Ok(None),
        locked => locked.map(Some).map_err(refused),
    })
}

/// Waits for the other threads of this process.
///
/// # Errors
/// Those of [`until`].
pub(crate) fn lock_thread<'a>(
    mutex: &'a Mutex<()>,
    most: Option<Duration>,
    what: &dyn Fn() -> String,
) -> Result<MutexGuard<'a, ()>> {
    until(most, what, || match mutex.try_lock() {
        Ok(held) => Ok(Some(held)),
        Err(TryLockError::Poisoned(poisoned)) => Ok(Some(poisoned.into_inner())),
        Err(TryLockError::WouldBlock) => Ok(None),
    })
}

/// Says who holds locks in `span` of `file`, as far as this user may know.
fn holders(file: impl AsFd, span: Span) -> String {
    let found = found_holders(file, span);
    if found.is_empty() {
        return "which another process holds, of another user or on another machine".to_owned();
    }
    format!("which {} {}", found.join(" and "), if found.len() == 1 { "holds" } else { "hold" })
}

/// Looks through the locks of every process that this one may look into.
#[cfg(target_os = "linux")]
fn found_holders(file: impl AsFd, span: Span) -> Vec<String> {
    let Ok(stat) = rustix::fs::fstat(file) else { return Vec::new() };
    let inode = format!(":{}", stat.st_ino);
    let is_in_the_way = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["lock:", _, _, _, _, _, file, first, last] = words[..] else { return false };
        let last = if last == "EOF" { Some(u64::MAX) } else { last.parse().ok() };
        file.ends_with(&inode)
            && first.parse().is_ok_and(|first| last.is_some_and(|last| span.meets(first, last)))
    };
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name();
        let Some(number) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        let mut files = std::fs::read_dir(process.path().join("fdinfo")).into_iter().flatten().flatten();
        let holds = files.any(|file| {
            std::fs::read_to_string(file.path()).is_ok_and(|text| text.lines().any(is_in_the_way))
        });
        if holds && number.parse() == Ok(std::process::id()) {
            found.push("this process".to_owned());
        } else if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let stopped = if is_stopped(number) { ", which is stopped" } else { "" };
            found.push(format!("process {number} ({}{stopped})", name.trim().escape_debug()));
        }
    }
    found
}

#[cfg(target_os = "linux")]
fn is_stopped(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && line.contains("T ("))
}

#[cfg(not(target_os = "linux"))]
fn found_holders(_: impl AsFd, _: Span) -> Vec<String> {
    Vec::new()
}
