//! The exit codes of the program, and which error becomes which.

use std::fmt::Write;

use bigarrays::ErrorKind;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    Success = 0,
    General = 1,
    /// Also what clap exits with.
    Usage = 2,
    NotFound = 3,
    Damaged = 4,
    Refused = 5,
    Storage = 6,
    Memory = 7,
    Problems = 8,
    /// 128 + SIGINT, as shells have it.
    Interrupted = 130,
}

/// Every exit code and what it means.
const MEANINGS: &[(ExitCode, &str)] = &[
    (ExitCode::Success, "done"),
    (ExitCode::General, "any other failure: it exists already, is incomplete, or is not supported"),
    (ExitCode::Usage, "wrong arguments, or coordinates outside the array"),
    (ExitCode::NotFound, "the array, scale or file does not exist"),
    (ExitCode::Damaged, "invalid metadata or corrupt data"),
    (ExitCode::Refused, "permission denied, or read-only"),
    (ExitCode::Storage, "storage is full, or failed"),
    (ExitCode::Memory, "does not fit into the memory budget"),
    (ExitCode::Problems, "`verify` found problems, or differences"),
    (ExitCode::Interrupted, "interrupted; what was written is valid"),
];

/// The list of exit codes for `--help`.
pub(crate) fn help() -> String {
    MEANINGS.iter().fold("Exit codes:".to_owned(), |mut text, (code, meaning)| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n  {:>3}  {meaning}", *code as u8);
        text
    })
}

impl ExitCode {
    /// What a process has ended with.
    pub(crate) fn of(code: i32) -> Self {
        let known = MEANINGS.iter().map(|(known, _)| *known);
        known.into_iter().find(|known| *known as i32 == code).unwrap_or(Self::General)
    }
}

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArgument | ErrorKind::OutOfBounds => Self::Usage,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::InvalidMetadata | ErrorKind::CorruptData => Self::Damaged,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnly => Self::Refused,
            ErrorKind::StorageFull | ErrorKind::Storage => Self::Storage,
            ErrorKind::MemoryBudget => Self::Memory,
            ErrorKind::Cancelled => Self::Interrupted,
            _ => Self::General,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
