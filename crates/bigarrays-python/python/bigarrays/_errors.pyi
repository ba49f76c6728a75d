class Error(Exception):
    """Base of all errors of bigarrays.

    The message says what was being done, to which key, why it failed and what to do.
    `key` names the file, object or array concerned and `operation` what was being done,
    where known; `retryable` says whether the same operation may succeed when tried again.
    """

    key: str | None
    operation: str | None
    retryable: bool

class NotFoundError(Error, FileNotFoundError):
    """The array, scale or chunk does not exist."""

class AlreadyExistsError(Error, FileExistsError):
    """What should be created exists already."""

class InvalidArgumentError(Error, ValueError):
    """An argument makes no sense: a wrong shape, type, option or text."""

class OutOfBoundsError(Error, IndexError):
    """A coordinate or box lies outside the domain where that is not allowed."""

class InvalidMetadataError(Error, ValueError):
    """Stored metadata contradict their specification."""

class CorruptDataError(Error, ValueError):
    """A stored chunk is truncated, damaged or not what its metadata say."""

class IncompleteError(Error, RuntimeError):
    """The array is marked as one that is not written to its end."""

class UnsupportedError(Error, NotImplementedError):
    """Valid, but not something this version can do."""

class PermissionDeniedError(Error, PermissionError):
    """The operating system or the service refuses access."""

class ReadOnlyError(Error, PermissionError):
    """The array or its storage is read-only."""

class StorageFullError(Error, OSError):
    """The disk or quota is full."""

class MemoryBudgetError(Error, MemoryError):
    """The operation does not fit into its memory budget."""

class CancelledError(Error):
    """The caller cancelled the operation."""

class StorageError(Error, OSError):
    """Any other failure of the storage."""
