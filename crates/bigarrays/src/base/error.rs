//! The one error type: what was being done, to which key, why it failed, and what to do.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::base::text::{redact, shown};

/// Result of every fallible operation in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is. Faces map each kind to one exception class or exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The array, scale or file does not exist.
    NotFound,
    /// What should be created exists already.
    AlreadyExists,
    /// An argument makes no sense: a wrong shape, type, option or text.
    InvalidArgument,
    /// A coordinate or box lies outside the domain where that is not allowed.
    OutOfBounds,
    /// Stored metadata (such as `info`) contradict their specification.
    InvalidMetadata,
    /// A stored chunk is truncated, damaged or not what its metadata say.
    CorruptData,
    /// The array is marked as one that is not written to its end.
    Incomplete,
    /// Valid, but not something this version can do.
    Unsupported,
    /// The operating system or the service refuses access.
    PermissionDenied,
    /// The array or store was opened, or is, read-only.
    ReadOnly,
    /// The disk or quota is full.
    StorageFull,
    /// The operation does not fit into its memory budget.
    MemoryBudget,
    /// The caller cancelled the operation.
    Cancelled,
    /// Any other failure of the storage.
    Storage,
}

impl ErrorKind {
    /// A short description, as it stands in messages.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::InvalidArgument => "invalid argument",
            Self::OutOfBounds => "out of bounds",
            Self::InvalidMetadata => "invalid metadata",
            Self::CorruptData => "corrupt data",
            Self::Incomplete => "incomplete",
            Self::Unsupported => "unsupported",
            Self::PermissionDenied => "permission denied",
            Self::ReadOnly => "read-only",
            Self::StorageFull => "storage full",
            Self::MemoryBudget => "memory budget exceeded",
            Self::Cancelled => "cancelled",
            Self::Storage => "storage failure",
        }
    }
}

/// An error with its context. Displays as `operation `key`: kind: message`, in one line, without passwords
/// and values of queries in URLs, and with control characters escaped.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    operation: Option<Cow<'static, str>>,
    key: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    retryable: bool,
}

impl Error {
    /// An error of `kind`; `message` says why it happened and, where it helps, what to do.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            key: None,
            source: None,
            retryable: false,
        }))
    }

    /// Shorthand for [`ErrorKind::InvalidArgument`].
    #[cold]
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Shorthand for [`ErrorKind::CorruptData`].
    #[cold]
    pub fn corrupt(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::CorruptData, message)
    }

    /// Shorthand for [`ErrorKind::InvalidMetadata`].
    #[cold]
    pub fn metadata(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidMetadata, message)
    }

    /// Shorthand for [`ErrorKind::Unsupported`].
    #[cold]
    pub fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// An operating-system error met during `operation` on `key`.
    #[cold]
    pub fn io(error: io::Error, operation: &'static str, key: impl Into<String>) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
            _ => ErrorKind::Storage,
        };
        Self::new(kind, error.to_string()).caused_by(error).during(operation).at(key)
    }

    /// Says what was being done. The innermost operation named first is kept.
    #[must_use]
    pub fn during(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation.get_or_insert_with(|| operation.into());
        self
    }

    /// Names the file, object or array concerned. The first name given is kept, without passwords and values
    /// of queries.
    #[must_use]
    pub fn at(mut self, key: impl Into<String>) -> Self {
        self.0.key.get_or_insert_with(|| redact(&key.into()).into_owned());
        self
    }

    /// Names another file, object or array than was named before.
    #[must_use]
    pub(crate) fn instead_at(mut self, key: &str) -> Self {
        self.0.key = None;
        self.at(key)
    }

    /// Says within which box it was.
    #[must_use]
    pub(crate) fn within(mut self, part: &dyn fmt::Display) -> Self {
        self.0.message = format!("{} (in block {part})", self.0.message).into();
        self
    }

    /// Keeps the underlying error, reachable through [`StdError::source`].
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Marks a passing fault: the same operation may succeed when tried again.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Why it happened, without what was being done to what.
    pub(crate) fn reason(&self) -> &str {
        &self.0.message
    }

    /// The file, object or array concerned, where known.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// What was being done, where known.
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// Whether the same operation may succeed when tried again.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        match (&inner.operation, &inner.key) {
            (Some(operation), Some(key)) => write!(f, "{} {}: ", shown(operation), shown(key))?,
            (Some(operation), None) => write!(f, "{}: ", shown(operation))?,
            (None, Some(key)) => write!(f, "{}: ", shown(key))?,
            (None, None) => {}
        }
        write!(f, "{}: {}", inner.kind.describe(), shown(&inner.message))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_operation_key_kind_and_reason() {
        let error = Error::corrupt("12 bytes instead of 64").during("reading chunk").at("a/0-4").at("outer");
        assert_eq!(error.to_string(), "reading chunk a/0-4: corrupt data: 12 bytes instead of 64");
    }

    #[test]
    fn neither_secrets_nor_control_characters_are_shown() {
        let error = Error::metadata("no axis \u{1b}[2J at http://h/?token=hush")
            .during("a\nb")
            .at("http://me:hush@h/\r");
        let expected = "a\\nb http://…@h/\\r: invalid metadata: no axis \\u{1b}[2J at http://h/?token=…";
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.key(), Some("http://…@h/\r"));
    }

    #[test]
    fn io_errors_keep_their_kind_and_source() {
        let error = Error::io(io::Error::from(io::ErrorKind::StorageFull), "writing", "f");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(error.source().is_some());
    }
}
