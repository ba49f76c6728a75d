"""What programs written for Python's `bigarray` (PyPI) call, with its meanings, over our files.

`from bigarrays.bigarray import PointerArray, PointerArrayWriter, MmapArray, MmapArrayWriter` takes the place of
`from bigarray import …`. New files are `.npy` files, whatever they are called, with an index of names in a folder beside
them; files that `bigarray` has written are read, and `bigarrays.convert` makes `.npy` files of them. It is for those who
migrate: `bigarrays.SliceArray` and `bigarrays.FlatArray` do more.

Where `bigarray` loses data without a word, this raises an error: arrays of another shape of rows, elements that the
type does not hold (rounding of floats apart), rows that a second open writer has appended.

>>> import pathlib, tempfile, numpy as np
>>> from bigarrays.bigarray import PointerArray, PointerArrayWriter
>>> path = str(pathlib.Path(tempfile.mkdtemp()) / "array")
>>> writer = PointerArrayWriter(path, shape=(20,), dtype="int32")
>>> writer = writer.write({"a": np.arange(10), "b": np.arange(5)}, start_position=5)
>>> writer.close()
>>> x = PointerArray(path)
>>> x["b"], x.indices["b"], x[14:16], np.sum(x)
(array([0, 1, 2, 3, 4], dtype=int32), (15, 20), array([9, 0], dtype=int32), np.int64(55))
"""

import io
import marshal
import os
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _bigarrays
from ._bigarrays import FlatArray, InvalidArgumentError, InvalidMetadataError, SliceArray, UnsupportedError

__all__ = ["MmapArray", "MmapArrayWriter", "PointerArray", "PointerArrayWriter"]

# Files of bigarray start with this; their elements begin at the first multiple of an element's size from byte 502 on.
_MAGIC = b"mmapdata"
_BEFORE = 502
_MODES = {"readonly": "r", "copyonwrite": "c", "readwrite": "r+"}


class _Indices(Mapping[str, tuple[int, int]]):
    """Where the rows of each name start and end; looked up when asked for."""

    def __init__(self, slices: SliceArray) -> None:
        self._slices = slices

    def __getitem__(self, name: str) -> tuple[int, int]:
        rows = self._slices.rows(name)
        return rows.start, rows.stop

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices.names())

    def __len__(self) -> int:
        return len(self._slices)

    def __repr__(self) -> str:
        return f"<indices of {len(self)} names>"


class MmapArray(np.ndarray[Any, Any]):
    """All rows of a file, mapped into memory, as a NumPy array.

    Changes of elements go to the file in the mode "r+", which is the default as it is there. Slices are views of the
    mapped file.

    Args:
        path: The file, ours or one of `bigarray`.
        mode: "r" to read, "r+" to change elements as well, "c" for changes that stay in this process.

    Raises:
        NotFoundError: There is no file.
        InvalidMetadataError: The file is neither a `.npy` file nor one of `bigarray`.

    Example:
        >>> import pathlib, tempfile, numpy as np
        >>> from bigarrays.bigarray import MmapArray, MmapArrayWriter
        >>> path = str(pathlib.Path(tempfile.mkdtemp()) / "array")
        >>> with MmapArrayWriter(path, shape=(0, 2), dtype="float32") as f:
        ...     f = f.write(np.ones((3, 2)))
        >>> x = MmapArray(path)
        >>> x[0] = 5
        >>> x.shape, np.sum(x), MmapArray(path, "r")[0].tolist()
        ((3, 2), np.float32(14.0), [5.0, 5.0])
    """

    _source: "FlatArray | np.memmap[Any, Any] | None" = None
    _path: str | None = None
    _mode = "r"

    def __new__(cls, path: str | os.PathLike[str], mode: str = "r+") -> Self:
        mode = _MODES.get(mode, mode)
        if mode not in ("r", "r+", "c"):
            raise InvalidArgumentError(f'mode is {mode!r}; it may be "r", "r+" or "c", and a writer makes files')
        source = _theirs(path, mode) if _is_theirs(path) else FlatArray(path, mode)  # type: ignore[arg-type]
        return cls._over(source, path, mode)

    @classmethod
    def _over(cls, source: "FlatArray | np.memmap[Any, Any]", path: str | os.PathLike[str], mode: str) -> Self:
        rows = source if isinstance(source, np.memmap) else source[...]
        array = np.asarray(rows).view(cls)
        array._source, array._path, array._mode = source, os.path.abspath(path), mode
        return array

    @property
    def path(self) -> str:
        """The absolute path of the file."""
        if self._path is None:
            raise AttributeError("this array is of memory, and has no path")
        return self._path

    @property
    def mode(self) -> str:
        """The mode in which the file is open: "r", "r+" or "c"."""
        return self._mode

    @property
    def filesize(self) -> int:
        """Bytes of the file."""
        return os.stat(self.path).st_size

    def flush(self) -> None:
        """Has all changed elements on stable storage.

        Raises:
            StorageError: The storage refused.
        """
        if self._source is not None:
            self._source.flush()

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found.view(np.ndarray) if isinstance(found, MmapArray) else found

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Results of NumPy's functions are arrays in memory, and scalars."""
        if array is self:
            return array
        return array[()] if return_scalar else array.view(np.ndarray)

    def __reduce__(self) -> Any:
        if self._path is None:
            return np.asarray(self).__reduce__()
        return type(self), (self._path, self._mode)


class PointerArray(MmapArray):
    """Rows of which ranges have names: `x["name"]` are those of a name, and all else is as in `MmapArray`.

    Args:
        path: The file, ours or one of `bigarray`, with names.
        mode: As for `MmapArray`.

    Raises:
        NotFoundError: There is no file, or there are no names.
        KeyError: `x[name]` of a name that is not there.

    Example: see the module.
    """

    _slices: SliceArray | None = None
    _indices: Mapping[str, tuple[int, int]] | None = None

    def __new__(cls, path: str | os.PathLike[str], mode: str = "r+") -> Self:
        if _is_theirs(path):
            array = super().__new__(cls, path, mode)
            array._indices = _their_indices(array.path, len(array))
            return array
        mode = _MODES.get(mode, mode)
        slices = SliceArray(path, mode)  # type: ignore[arg-type]
        if hasattr(slices, "snapshot") and mode == "r":
            slices = slices.snapshot()
        array = cls._over(slices.array, path, mode)
        array._slices, array._indices = slices, _Indices(slices)
        return array

    @property
    def indices(self) -> Mapping[str, tuple[int, int]]:
        """For each name, where its rows start and end. It cannot be changed."""
        if self._indices is None:
            raise AttributeError("this array is of memory, and has no names")
        return self._indices

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if self._slices is not None:
            return self._slices[key]
        start, end = self.indices[key]
        return self[start:end]


class MmapArrayWriter:
    """Writes rows to a file that grows. In one process there is one open writer of a file, whoever asks for it.

    What was written is there for all at once; `flush` has it survive a power failure too.

    Args:
        path: The file. If there is one of ours, rows are added to it, and `shape` and `dtype` are not looked at.
        shape: Of a new file, number of elements along each axis; the rows of it that are not written are zeros. None, or
            less than zero, is 0.
        dtype: Of a new file, type of the elements.
        remove_exist: What is there is removed first.

    Raises:
        InvalidArgumentError: There is no file, and `shape` or `dtype` is missing.
        UnsupportedError: The file is one of `bigarray`: `bigarrays.convert` makes one of ours of it.

    Example: see `MmapArray`.
    """

    _open: ClassVar[dict[str, "MmapArrayWriter"]] = {}

    _array: FlatArray | None = None

    def __new__(cls, path: str | os.PathLike[str], *_options: Any, **_more: Any) -> Self:
        known = MmapArrayWriter._open.get(os.path.abspath(path))
        return known if isinstance(known, cls) else super().__new__(cls)

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: int | Iterable[int | None] | None = None,
        dtype: DTypeLike | None = None,
        remove_exist: bool = False,
    ) -> None:
        if self._array is not None and not remove_exist:
            return  # the one that is open
        self._path = os.path.abspath(path)
        if remove_exist and os.path.exists(self._path):
            if not os.path.isfile(self._path):
                raise InvalidArgumentError(f"{self._path} is a folder and is not removed")
            os.remove(self._path)
        elif _is_theirs(self._path):
            raise UnsupportedError(
                f"writing {self._path}, a file of Python's bigarray: bigarrays.convert makes a .npy file of it first"
            )
        exists = os.path.exists(self._path) and os.stat(self._path).st_size > 0
        if not exists and (shape is None or dtype is None):
            raise InvalidArgumentError(f"creating {self._path}: a new file needs shape and dtype")
        given = (shape,) if isinstance(shape, int) or shape is None else tuple(shape)
        lengths = None if exists else tuple(0 if n is None or n < 0 else int(n) for n in given)
        self._make(lengths, None if exists else np.dtype(dtype))
        # Where the rows go that are given no position, while there are rows of a new file that were not written so; then
        # they are appended.
        self._next = 0 if lengths and lengths[0] else None
        self._made_rows = self.shape[0]
        MmapArrayWriter._open[self._path] = self

    def _make(self, shape: tuple[int, ...] | None, dtype: "np.dtype[Any] | None") -> None:
        self._array = FlatArray(self._path, "r+" if shape is None else "w", shape=shape, dtype=dtype)

    @property
    def path(self) -> str:
        """The absolute path of the file."""
        return self._path

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""
        self._rows().refresh()
        return self._rows().shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Type of the elements."""
        return self._rows().dtype

    @property
    def filesize(self) -> int:
        """Bytes of the file."""
        return os.stat(self._path).st_size

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._array is None

    def write(self, arrays: NDArray[Any] | Iterable[NDArray[Any]], start_position: int | None = None) -> Self:
        """Writes rows; the file grows if they reach beyond its end.

        Args:
            arrays: An array of rows, or several, one after the other.
            start_position: The first row that is written. By default, rows are appended; those with which a new file was
                made are written first, from 0 on. A position below zero is as many rows behind the end, as it is there.

        Returns:
            The writer itself.

        Raises:
            InvalidArgumentError: Shape or type do not fit.
            RuntimeError: The writer is closed.
        """
        given = [arrays] if isinstance(arrays, np.ndarray) else list(arrays)
        rows = np.concatenate([self._fitting(array) for array in given]) if given else self._rows()[:0]
        start = self._start(start_position, len(rows))
        if start is None:
            self._rows().append(rows)
        else:
            self._rows().write(start, rows)
        return self

    def _start(self, start_position: int | None, count: int) -> int | None:
        """Where `count` rows are written; None if they are appended."""
        if start_position is not None:
            start = int(start_position)
            return start if start >= 0 else self.shape[0] - start
        place = self._next
        if place is not None:
            self._next = place + count if place + count < self._made_rows else None
        return place

    def _fitting(self, array: Any) -> NDArray[Any]:
        """An array as rows of this file, in its type."""
        given, dtype = np.asarray(array), self.dtype
        if given.shape[1:] != self._rows().shape[1:] or not given.ndim:
            raise InvalidArgumentError(f"an array of shape {given.shape} is no rows of an array of shape {self.shape}")
        with np.errstate(invalid="ignore", over="ignore"):
            cast = given.astype(dtype)
        is_rounded = given.dtype.kind + dtype.kind in ("ff", "cc", "fc")
        kept = np.isfinite(cast) == np.isfinite(given) if is_rounded else cast == given
        if given.dtype != dtype and not np.all(kept):
            raise InvalidArgumentError(f"elements of type {given.dtype} do not all go into {dtype}; cast them")
        return cast

    def _rows(self) -> FlatArray:
        if self._array is None:
            raise RuntimeError(f"the writer of {self._path} is closed")
        return self._array

    def flush(self) -> Self:
        """Has all that was written on stable storage.

        Returns:
            The writer itself.

        Raises:
            StorageError: The storage refused.
        """
        self._rows().flush()
        return self

    def close(self) -> None:
        """Flushes and lets go of the file. A closed writer stays closed.

        Raises:
            StorageError: The storage refused.
        """
        if self._array is not None:
            self.flush()
            self._array = None
            MmapArrayWriter._open.pop(self._path, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:
        return type(self), (self._path,)


class PointerArrayWriter(MmapArrayWriter):
    """Writes rows and gives them names. Several processes write to one file, as forked children or with a pickled writer.

    Args:
        path: As for `MmapArrayWriter`.
        shape: As for `MmapArrayWriter`.
        dtype: As for `MmapArrayWriter`.
        remove_exist: As for `MmapArrayWriter`.

    Raises:
        InvalidArgumentError: There is no file, and `shape` or `dtype` is missing.
        NotFoundError: The file that is there has no names.
        UnsupportedError: The file is one of `bigarray`: `bigarrays.convert` makes one of ours of it.

    Example: see the module.
    """

    _slices: SliceArray | None = None

    def _make(self, shape: tuple[int, ...] | None, dtype: "np.dtype[Any] | None") -> None:
        mode: Any = "r+" if shape is None else "w"
        self._slices = SliceArray(self._path, mode, shape=shape, dtype=dtype, replace=True)
        self._array = self._slices.array

    @property
    def indices(self) -> Mapping[str, tuple[int, int]]:
        """For each name, where its rows start and end. It cannot be changed."""
        return _Indices(self._named())

    def _named(self) -> SliceArray:
        if self._slices is None:
            raise RuntimeError(f"the writer of {self._path} is closed")
        return self._slices

    def write(  # type: ignore[override]
        self, arrays: Mapping[str, NDArray[Any]], start_position: int | None = None
    ) -> Self:
        """Writes rows and names them, one name's after the other's; then the names are there, all at once.

        Args:
            arrays: A dict of names and rows. A name that is there gets the new rows.
            start_position: As for `MmapArrayWriter.write`. Processes that write at once give each a place of its own, or
                none in a file that was made with no rows: then rows are appended.

        Returns:
            The writer itself.

        Raises:
            InvalidArgumentError: Shape or type do not fit, or this is no dict of names.
        """
        if not isinstance(arrays, Mapping) or not all(isinstance(name, str) for name in arrays):
            raise InvalidArgumentError("arrays must be a dict of names and arrays")
        fitting = {name: self._fitting(array) for name, array in arrays.items()}
        start = self._start(start_position, sum(map(len, fitting.values())))
        if start is None:
            self._named().write(fitting)
        elif fitting:
            ends = (start + np.cumsum([len(rows) for rows in fitting.values()])).tolist()
            self._rows().write(start, np.concatenate(list(fitting.values())))
            self._named().name_rows(dict(zip(fitting, map(range, [start, *ends], ends), strict=False)))
        return self

    def flush(self) -> Self:
        """Has all that was written on stable storage: first the rows, then the names.

        Returns:
            The writer itself.

        Raises:
            StorageError: The storage refused.
        """
        self._named().flush()
        return self

    def close(self) -> None:
        """Flushes and lets go of the file. A closed writer stays closed.

        Raises:
            StorageError: The storage refused.
        """
        super().close()
        self._slices = None


def _is_theirs(path: str | os.PathLike[str]) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _theirs(path: str | os.PathLike[str], mode: str) -> "np.memmap[Any, Any]":
    """The rows of a file of bigarray."""
    _bigarrays.open(path, format="bigarray")  # refuses what is damaged, and headers of anything but a type and a shape
    with open(path, "rb") as file:
        file.seek(len(_MAGIC))
        dtype, shape = marshal.loads(file.read(int(file.read(8))))
    size = np.dtype(dtype).itemsize
    return np.memmap(path, dtype, mode, -(-_BEFORE // size) * size, tuple(shape))  # type: ignore[call-overload, no-any-return]


class _Plain(pickle.Unpickler):
    """Dicts, tuples, numbers and text alone: a pickle that asks for anything else is not obeyed."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"it has a {module}.{name}")


def _their_indices(path: str, rows: int) -> Mapping[str, tuple[int, int]]:
    """The names in a file of bigarray: a pickle at its end, and behind it how long that is."""
    with open(path, "rb") as file:
        file.seek(-8, os.SEEK_END)
        end = file.tell()
        length = int.from_bytes(file.read(8), "big")
        file.seek(max(end - length, 0))
        data = file.read(min(length, end))
    try:
        names = {str(name): (int(start), int(end)) for name, (start, end) in _Plain(io.BytesIO(data)).load().items()}
    except Exception as error:
        raise InvalidMetadataError(f"opening {path}: there are no names at its end: {error}") from error
    for name, (start, stop) in names.items():
        if not 0 <= start <= stop <= rows:
            raise InvalidMetadataError(f"opening {path}: the rows {start} to {stop} of {name!r} are not among its {rows}")
    return names
