import os
from pathlib import Path
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar, final, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._flat_array import FlatArray

_Default = TypeVar("_Default")

@final
class SliceArray:
    """Slices of a flat array that have names; also known as a ragged or pointer array.

    A slice is any number of rows along the first axis. The rows are in a `.npy` file, the names in an index (LMDB) in a
    folder beside it, `x.npy.index`; opening takes no time, however many there are. A name has from 1 to 511 bytes.

    `x["name"]` and `x[5]` are numpy's views of the file: by name, or by position in the order of writing, where -1 is the
    last one, as in lists; slices and lists of either give lists. `x["name"] = rows` and `x.write({...})` append rows and then
    name them. Many processes and threads read while one after the other writes; a slice is there with all its rows or not at
    all, whatever is killed when. `len(x)`, `x[5]` and `x.__getitems__([5, 7])` make it a PyTorch dataset.

    Args:
        path: The file of rows.
        mode: As for `FlatArray`. With "c", which shows the file as it was opened, a compaction by others opens the new file
            and so undoes the private changes.
        shape: Of a new array, as for `FlatArray`.
        dtype: Of a new array, as for `FlatArray`.
        reserve: Of a new array, as for `FlatArray`.
        durable: As for `FlatArray`.
        replace: Writing a name that is there gives it the new rows, instead of raising AlreadyExistsError.
        lock_timeout: As for `FlatArray`.

    Raises:
        NotFoundError: There is no file, or no index.
        AlreadyExistsError: There is a file, with mode "x" or "w-".
        InvalidMetadataError: The file is no `.npy` file, or the index is damaged.
        KeyError: `x[name]` of a name that is not there.
        IndexError: `x[position]` of a position that is not there.

    Example:
        >>> import pathlib, tempfile, numpy as np
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "samples.npy"
        >>> with bigarrays.SliceArray(path, "x", shape=(None, 2), dtype="float32") as w:
        ...     w["one"] = np.ones((3, 2))
        ...     w.write({"two": np.full((1, 2), 2), "none": np.empty((0, 2))})
        >>> x = bigarrays.SliceArray(path)
        >>> x["two"], x[-1].shape, "three" in x, list(x.names())
        (array([[2., 2.]], dtype=float32), (0, 2), False, ['one', 'two', 'none'])
        >>> [len(rows) for rows in x[["two", "one"]]]
        [1, 3]
    """

    def __new__(
        cls,
        path: str | os.PathLike[str],
        mode: Literal["r", "r+", "c", "w", "w-", "x", "a"] = "r",
        *,
        shape: Sequence[int | None] | None = None,
        dtype: DTypeLike | None = None,
        reserve: int = 0,
        durable: bool = False,
        replace: bool = False,
        lock_timeout: float | None = None,
    ) -> SliceArray: ...
    @property
    def array(self) -> FlatArray:
        """All rows, those without a name too, as a FlatArray."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""

    @property
    def path(self) -> Path:
        """The absolute path of the file of rows."""

    @property
    def mode(self) -> Literal["r", "r+", "c"]:
        """The mode in which the array is open: "r", "r+" or "c"."""

    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    @overload
    def __getitem__(self, key: str | int) -> NDArray[Any]: ...  # type: ignore[overload-overlap]
    @overload
    def __getitem__(self, key: slice | Iterable[str] | Iterable[int]) -> list[NDArray[Any]]: ...
    def __getitems__(self, keys: Iterable[str] | Iterable[int]) -> list[NDArray[Any]]: ...
    @overload
    def get(self, name: str) -> NDArray[Any] | None:
        """The slice of a name, or `default` if there is none."""

    @overload
    def get(self, name: str, default: _Default) -> NDArray[Any] | _Default:
        """The slice of a name, or `default` if there is none."""

    def rows(self, name: str) -> range:
        """The rows of `array` that a name means, as a range.

        Raises:
            KeyError: There is no such name.
        """

    def names(self) -> Iterator[str]:
        """An iterator over all names, in the order of their positions; it takes them as it goes."""

    def __setitem__(self, name: str, data: ArrayLike) -> None: ...
    def write(
        self, slices: Mapping[str, ArrayLike] | Iterable[tuple[str, ArrayLike]], *, replace: bool | None = None
    ) -> None:
        """Appends and names slices.

        Args:
            slices: A dict of names and rows, all of which become visible at once, or an iterable of pairs, in large batches.
            replace: What happens to names that are there; by default what the array was opened with.

        Raises:
            AlreadyExistsError: A name is there, and is not to be replaced; nothing of the batch was named.
            InvalidArgumentError: Shape or type do not fit, or a name is too long.
            ReadOnlyError: The array was opened with mode "r" or "c".
            StorageFullError: There is no room.
        """

    def name_rows(self, names: dict[str, tuple[int, int] | range], *, replace: bool | None = None) -> None:
        """Names rows that are in the array already. Slices may share rows.

        Args:
            names: A dict of names and ranges, or pairs of the first row and the one after the last.
            replace: What happens to names that are there; by default what the array was opened with.

        Raises:
            AlreadyExistsError: A name is there, and is not to be replaced.
            InvalidArgumentError: A range has a step.
            OutOfBoundsError: The array does not have the rows.
        """

    def __delitem__(self, name: str) -> None: ...
    def delete(self, names: str | Sequence[str]) -> None:
        """Removes names. Their rows stay, without a name, until `compact`; the last slice moves to the position that becomes free.

        Args:
            names: A name, or an iterable of names.

        Raises:
            NotFoundError: There is no such name; none was removed.
            ReadOnlyError: The array was opened with mode "r" or "c".
        """

    def compact(self) -> None:
        """Writes the file anew with only the rows that have names, slice after slice. Readers go on.

        Raises:
            StorageError: Somebody else has the array open for writing, or a view of it in mode "r+" is in use, which would
                write into the old file; `retryable` is true.
        """

    def flush(self) -> None:
        """Has all that was written on stable storage: first the rows, then the names.

        Raises:
            StorageError: The storage refused.
        """

    def refresh(self) -> bool:
        """Takes note of rows that others have appended. Names are always those of now.

        Returns:
            Whether anything has changed.
        """

    def __enter__(self) -> SliceArray: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

def _open_slices(path: str | os.PathLike[str], mode: str, options: dict[str, Any]) -> SliceArray: ...
