import os
from pathlib import Path
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Casting = Literal["no", "equiv", "safe", "same_kind", "unsafe"]

@final
class FlatArray:
    """An array in a `.npy` file, mapped into memory, that grows along its first axis.

    Indexing is numpy's, because it returns numpy's views of the file's pages: -1 is the last row, unlike in `Array`, whose
    indices are coordinates. `np.asarray(a)` is all of the file. Views stay valid when the file grows.

    `append` may be called by many threads and processes at once, and loses and mixes nothing; `write` goes to rows that the
    caller chooses. Rows are there, for all, when these return, even if the process dies; `flush` has them survive a power
    failure too. What others append is seen after `refresh`. Arrays are pickled by path and mode.

    The file is a valid NumPy file at every moment, but its header is written in place: another program that reads it in that
    very instant may see some of the old and some of the new, and should read again. If somebody truncates a file while it
    is mapped, indexing raises CorruptDataError; but views that were made before, and a truncation in the very moment of an
    access, end the process, as with every mapping.

    Args:
        path: The file.
        mode: h5py's modes: "r" to read, "r+" to write as well, "w" to create or replace, "w-" or "x" to create, "a" to
            open for writing or create; and numpy.memmap's "c" for changes that stay in this process. (`open` has "r" and
            "r+" alone, because `create` describes a chunked array.)
        shape: Of a new array, number of elements along each axis; the first length may be None, for 0.
        dtype: Of a new array, type of the elements: any type of numpy but objects.
        order: Of a new array, "C" or "F". What is in Fortran order grows only if it has one axis.
        reserve: Of a new array, for how many rows room is kept on the disk.
        durable: Appends and writes are on stable storage when they return.
        lock_timeout: The most seconds that a change waits for the locks of other writers; None for as long as it takes.

    Raises:
        NotFoundError: There is no file.
        AlreadyExistsError: There is a file, with mode "x" or "w-".
        InvalidMetadataError: The file is no `.npy` file.
        InvalidArgumentError: `shape` or `dtype` are missing, or are not those of the array that mode "a" opens.

    Example:
        >>> import pathlib, tempfile, numpy as np
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "flat.npy"
        >>> a = bigarrays.FlatArray(path, "x", shape=(None, 3), dtype="float32")
        >>> a.append(np.ones((4, 3)))
        range(0, 4)
        >>> a[1:3] = 7
        >>> np.load(path, mmap_mode="r")[:, 0].tolist()
        [1.0, 7.0, 7.0, 1.0]
    """

    def __new__(
        cls,
        path: str | os.PathLike[str],
        mode: Literal["r", "r+", "c", "w", "w-", "x", "a"] = "r",
        *,
        shape: Sequence[int | None] | None = None,
        dtype: DTypeLike | None = None,
        order: Literal["C", "F"] = "C",
        reserve: int = 0,
        durable: bool = False,
        lock_timeout: float | None = None,
    ) -> FlatArray: ...
    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis, as of the last refresh."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""

    @property
    def ndim(self) -> int:
        """Number of axes."""

    @property
    def size(self) -> int:
        """Number of elements."""

    @property
    def nbytes(self) -> int:
        """Bytes of all elements.

        Raises:
            InvalidArgumentError: There are more than 2^64.
        """

    @property
    def path(self) -> Path:
        """The absolute path of the file."""

    @property
    def mode(self) -> Literal["r", "r+", "c"]:
        """The mode in which the array is open: "r", "r+" or "c"."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: Any) -> Any: ...
    def __setitem__(self, key: Any, value: ArrayLike) -> None: ...
    def __getitems__(self, indices: Iterable[int]) -> NDArray[Any]: ...
    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]: ...
    def append(self, data: ArrayLike, *, casting: Casting | None = None) -> range:
        """Appends rows.

        Args:
            data: Rows, of the array's shape behind the first axis, whose values the array's type has: whole numbers stay
                the same, others may be rounded but stay finite, and no text is cut.
            casting: One of numpy's rules ("same_kind", "unsafe"), by which types alone decide instead.

        Returns:
            The range of rows that they are.

        Raises:
            InvalidArgumentError: Shape or type do not fit.
            ReadOnlyError: The array was opened with mode "r" or "c".
            StorageFullError: There is no room; the array is as it was.

        Example:
            >>> import pathlib, tempfile
            >>> a = bigarrays.FlatArray(pathlib.Path(tempfile.mkdtemp()) / "a.npy", "x", shape=(None,), dtype="int8")
            >>> a.append([1, 2, 3]), len(a), int(a[-1])
            (range(0, 3), 3, 3)
        """

    def write(self, at: int, data: ArrayLike, *, casting: Casting | None = None) -> None:
        """Writes rows; the array grows if they reach beyond its end. Many may write at once; of rows that several write at the
        same time, some of each may be stored.

        Args:
            at: The first row that is written.
            data: Rows, as for `append`.
            casting: As for `append`.

        Raises:
            InvalidArgumentError: Shape or type do not fit.
            ReadOnlyError: The array was opened with mode "r" or "c".
            StorageFullError: There is no room.
        """

    def grow(self, rows: int) -> None:
        """Makes the array at least `rows` rows long; new ones are zeros.

        Raises:
            ReadOnlyError: The array was opened with mode "r" or "c".
            StorageFullError: There is no room.
        """

    def truncate(self, rows: int) -> None:
        """Makes the array `rows` rows long, if it is longer. Nobody may use views of the rows that are cut off, and none of these
        may have a name: `SliceArray.delete` comes first.

        Raises:
            ReadOnlyError: The array was opened with mode "r" or "c".
        """

    def reserve(self, rows: int) -> None:
        """Keeps room on the disk for `rows` rows in all, without adding any.

        Raises:
            ReadOnlyError: The array was opened with mode "r" or "c".
            StorageFullError: There is no room.
        """

    def flush(self) -> None:
        """Has all that was written, by whomever and through whatever view, on stable storage.

        Raises:
            StorageError: The storage refused.
        """

    def refresh(self) -> bool:
        """Takes note of what others have appended, truncated or replaced. With mode "c" the array stays as it was opened.

        Returns:
            Whether anything has changed.

        Raises:
            NotFoundError: The file is gone.
        """

    def unfinished(self) -> list[tuple[range, bool]]:
        """Appends that are under way or have died: the range of rows of each, and whether the appending process is alive."""

    def close(self) -> None:
        """Lets go of the file. Views stay valid; those that can write into the file keep it open. What was written is there for
        all already, and `flush` has it survive a power failure.
        """

    def __enter__(self) -> FlatArray: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

def _open_flat(path: str | os.PathLike[str], mode: str, options: dict[str, Any]) -> FlatArray: ...
