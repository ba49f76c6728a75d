"""Labels by a table: which label becomes which."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from sys import byteorder
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._bigarrays import InvalidArgumentError, _table_of_csv
from ._whole import exactly

if TYPE_CHECKING:
    from ._lazy import Lazy

#: Labels and what each becomes: a dictionary, two lists, an array of two columns, or a file of one (.npy, .csv).
Labels = Mapping[Any, Any] | tuple[Any, Any] | NDArray[Any] | str | PathLike[str]


def remap(labels: Any, table: Labels, *, unlisted: int | Literal["keep", "error"] = "keep", dtype: DTypeLike | None = None) -> Lazy:
    """Labels, each of which becomes what a table says: an expression, of which nothing is computed yet.

    Label 0 stays 0 unless the table names it.

    Args:
        labels: Whole numbers: an array, an expression, or what `bigarrays.lazy` takes.
        table: A dictionary; a tuple of two lists, labels and what they become; an array of two columns; or the path of a file of two
            columns, .npy or .csv. The first line of a CSV file may have names, without digits.
        unlisted: What becomes of labels that are not in the table: "keep", "error" when they are computed, or a label.
        dtype: The type of the result; that of the labels if None.

    Raises:
        InvalidArgumentError: A label is to become two different ones, or what the type does not reach; or a line of a file is no label and
            what it becomes.

    Example:
        >>> import numpy as np
        >>> labels = bigarrays.lazy(np.array([[0, 7, 7], [3, 3, 9]]))
        >>> bigarrays.remap(labels, {7: 1, 3: 2}, unlisted=0).compute()
        array([[0, 1, 1],
               [2, 2, 0]])
    """
    from ._expressions import lazy

    elements = lazy(labels)
    made: Lazy = elements._then("remap", words_of(table), unlisted, None if dtype is None else np.dtype(dtype))
    return made


#: The bytes of whole numbers, and their type: int64, uint64, or int128 where neither has them all.
Words = tuple[bytes, str]


def words_of(table: Labels) -> tuple[Words, Words]:
    """The labels of a table and what they become."""
    if isinstance(table, str | PathLike):
        path = Path(fspath(table))
        if path.suffix != ".npy":
            return _table_of_csv(path.read_bytes(), str(path))
        table = np.load(path, allow_pickle=False)
    if isinstance(table, Mapping):
        both: tuple[Any, Any] = (list(table.keys()), list(table.values()))
    elif isinstance(table, tuple):
        if len(table) != 2:
            raise InvalidArgumentError(f"a table of two lists, not of {len(table)}")
        both = table
    else:
        columns = exactly(table)
        if columns.ndim != 2 or columns.shape[1] != 2:
            raise InvalidArgumentError(f"a table of two columns, not of shape {columns.shape}")
        both = (columns[:, 0], columns[:, 1])
    return (_words(both[0]), _words(both[1]))


def _words(numbers: Any) -> Words:
    found = exactly(numbers.tolist() if isinstance(numbers, np.ndarray) and numbers.dtype == object else numbers)
    if found.size == 0:
        return b"", "int64"
    if found.ndim == 1 and found.dtype == object and all(isinstance(one, int) for one in found):
        try:
            return b"".join(one.to_bytes(16, byteorder, signed=True) for one in found), "int128"
        except OverflowError as error:
            raise InvalidArgumentError(f"labels of more than 64 bits: {error}") from error
    if found.dtype.kind not in "iub" or found.ndim != 1:
        raise InvalidArgumentError(f"labels are lists of whole numbers, not {found.dtype} of shape {found.shape}")
    dtype = "int64" if found.dtype.kind == "i" else "uint64"
    return np.ascontiguousarray(found, dtype).tobytes(), dtype
