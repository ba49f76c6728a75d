"""Labels by a table: which label becomes which."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._bigarrays import InvalidArgumentError

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
            columns, .npy or .csv. A line of a CSV file that has no numbers may come first.
        unlisted: What becomes of labels that are not in the table: "keep", "error" when they are computed, or a label.
        dtype: The type of the result; that of the labels if None.

    Raises:
        InvalidArgumentError: A label is to become two different ones, or what the type does not reach.

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


def words_of(table: Labels) -> tuple[tuple[bytes, bool], tuple[bytes, bool]]:
    """The labels of a table and what they become, as bytes of numbers of 64 bits, and whether these have a sign."""
    if isinstance(table, str | PathLike):
        table = _read(Path(fspath(table)))
    if isinstance(table, Mapping):
        both: tuple[Any, Any] = (list(table.keys()), list(table.values()))
    elif isinstance(table, tuple):
        if len(table) != 2:
            raise InvalidArgumentError(f"a table of two lists, not of {len(table)}")
        both = table
    else:
        columns = np.asarray(table)
        if columns.ndim != 2 or columns.shape[1] != 2:
            raise InvalidArgumentError(f"a table of two columns, not of shape {columns.shape}")
        both = (columns[:, 0], columns[:, 1])
    return (_words(both[0]), _words(both[1]))


def _words(numbers: Any) -> tuple[bytes, bool]:
    found = np.asarray(numbers)
    if found.size == 0:
        return b"", True
    if found.dtype == object and all(isinstance(one, int | np.integer) for one in found.flat):
        # Numbers of Python that are not of one type of NumPy's.
        is_signed = min(found.flat) < 0
        try:
            found = found.astype("int64" if is_signed else "uint64")
        except OverflowError as error:
            raise InvalidArgumentError(f"labels of more than 64 bits: {error}") from error
    if found.dtype.kind not in "iub" or found.ndim != 1:
        raise InvalidArgumentError(f"labels are lists of whole numbers, not {found.dtype} of shape {found.shape}")
    is_signed = found.dtype.kind == "i"
    return np.ascontiguousarray(found, "int64" if is_signed else "uint64").tobytes(), is_signed


def _read(path: Path) -> NDArray[Any]:
    """The two columns of a file."""
    if path.suffix == ".npy":
        columns: NDArray[Any] = np.load(path, allow_pickle=False)
        return columns
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.reader(file) if line]
    if lines and not all(_is_number(word) for word in lines[0]):
        del lines[0]
    if not all(len(line) == 2 and all(map(_is_number, line)) for line in lines):
        wrong = next(line for line in lines if len(line) != 2 or not all(map(_is_number, line)))
        raise InvalidArgumentError(f"{path}: {','.join(wrong)} is no label and what it becomes")
    found = np.empty((len(lines), 2), object)
    for at, line in enumerate(lines):
        found[at] = [int(word) for word in line]
    return found


def _is_number(word: str) -> bool:
    return word.strip().removeprefix("-").isdigit()
