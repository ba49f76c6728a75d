//! How a failure is told: what was being done, to what, why, and what to do.

use std::fmt;
use std::io::{self, Write};

use bigarrays::base::text::shown;
use bigarrays::{Error, ErrorKind};

use crate::output::exit_codes::ExitCode;
use crate::output::table::counted;

/// The end of a run that has found problems.
#[derive(Debug)]
pub(crate) struct ProblemsFound(pub(crate) u64);

impl fmt::Display for ProblemsFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let were = if self.0 == 1 { "was" } else { "were" };
        write!(f, "{} {were} found", counted(self.0, "problem"))
    }
}

impl std::error::Error for ProblemsFound {}

/// The end of a command of which a process could not do a share.
#[derive(Debug)]
pub(crate) struct ShareFailed {
    pub(crate) share: String,
    pub(crate) process: u32,
    /// What it has said, on standard error.
    pub(crate) said: Vec<u8>,
    pub(crate) code: ExitCode,
}

impl fmt::Display for ShareFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} could not do its share, {}", self.process, self.share)
    }
}

impl std::error::Error for ShareFailed {}

/// Tells of a failure, if it is one, on standard error.
pub(crate) fn present(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::Success };
    if is_closed_pipe(&error) {
        // Whoever reads has seen enough, as `head` has.
        return ExitCode::Success;
    }
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(Error::kind);
    // Where standard error is closed, nobody can be told.
    let _ = io::stderr().write_all(describe(&error, kind).as_bytes());
    if error.is::<ProblemsFound>() {
        return ExitCode::Problems;
    }
    if let Some(failed) = error.downcast_ref::<ShareFailed>() {
        return failed.code;
    }
    kind.map_or(ExitCode::General, ExitCode::from)
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn describe(error: &anyhow::Error, kind: Option<ErrorKind>) -> String {
    let mut text = format!("error: {}\n", shown(&error.to_string()));
    for cause in error.chain().skip(1).map(|cause| shown(&cause.to_string()).into_owned()) {
        // Many errors repeat their cause in their own message.
        if !text.contains(&cause) {
            text += &format!("  cause: {cause}\n");
        }
    }
    if let Some(hint) = kind.and_then(hint) {
        text += &format!("  hint: {hint}\n");
    }
    text
}

fn hint(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::InvalidArgument => "`--help` after a command lists its options, with examples",
        ErrorKind::OutOfBounds => "`bigarrays info URL` shows an array's domain",
        ErrorKind::Unsupported => "`bigarrays info --supported` lists what this version can do",
        ErrorKind::CorruptData => "write the damaged part again, or copy the rest with --box",
        ErrorKind::PermissionDenied => "check who may read and write there",
        ErrorKind::ReadOnly => "write to another place",
        ErrorKind::StorageFull => {
            "make room and run it again; what was written is valid. A new array that the command had begun is in the way then, \
             unless the command was run with --resume or is a copy: remove it first"
        }
        ErrorKind::MemoryBudget => "raise --memory, as in --memory 4G, or lower --threads",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let io = io::Error::from(io::ErrorKind::StorageFull);
        let error = anyhow::Error::from(Error::io(io, "writing", "a/b"));
        let text = describe(&error, Some(ErrorKind::StorageFull));
        assert!(text.starts_with("error: writing a/b: storage full: "), "{text}");
        assert!(!text.contains("cause:") && text.contains("hint: "), "{text}");
        let error = error.context("importing");
        assert!(describe(&error, None).contains("  cause: writing a/b"));
    }
}
